//! Files of tables, read as batches of typed columns: Parquet, Arrow IPC, CSV, and record batches in memory.
//!
//! What a file claims of itself is checked by [`guard`](self) before anything is allocated for it.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod batch;
#[cfg(test)]
mod change_tests;
mod chunks;
mod column;
mod csv;
pub(crate) mod guard;
mod ipc;
mod ipc_layout;
pub(crate) mod look;
pub(crate) mod memory;
mod pages;
pub(crate) mod parquet;
mod quotes;
pub(crate) mod scan;
pub(crate) mod whole;

pub(crate) use column::{Column, Kind};
