//! What others saved becomes a snapshot: the formats of exchanges, one module each.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod okx;
