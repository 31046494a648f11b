//! Reads finished runs back: tables, manifest, summary.

// Bad input must cause an error, not a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod finished;
mod rows;
mod trusted;
mod written;

pub use finished::{FinishedRun, read_finished};
pub use rows::{ResultColumns, ResultRow, check_output, each_result, has_result, hash_file, read_result, scan_result};
pub(crate) use trusted::{check_identity, check_run};
pub use written::read_rows;
pub(crate) use written::{read_json, read_table, scan_columns, scan_table};
