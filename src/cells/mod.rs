//! The cells of input tables: text, numbers and times, each converted exactly once.

// Bad input must cause an error, not a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod arrays;
pub(crate) mod number;
pub(crate) mod text;
pub(crate) mod time;
