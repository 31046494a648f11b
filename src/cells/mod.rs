//! The cells of input tables: text, numbers and times, each converted once.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod number;
pub(crate) mod text;
pub(crate) mod time;
