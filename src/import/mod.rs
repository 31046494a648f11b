//! Converts saved responses of exchanges to a snapshot: one module per exchange.

// Bad input must cause an error, not a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod okx;
