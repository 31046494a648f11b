//! The answer of a check as it is serialised.

use crate::snapshot::{TableCount, Warning};
use serde::Serialize;

/// What a snapshot is worth: the answer of `check --format json`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Answer<'a> {
    /// The folder, as it was given.
    pub snapshot: String,
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: &'a str,
    /// Hash of the whole snapshot, for `--expect-hash`.
    pub hash: &'a str,
    /// Accounts that would be margined.
    pub accounts: usize,
    /// Rows of each input table.
    pub tables: Vec<TableRows>,
    /// Rows set aside, by reason, most frequent first.
    pub rejected: Vec<RejectedFor<'a>>,
    /// Accounts that would be left out, in byte order of their ids.
    pub unmargined: Vec<LeftOut<'a>>,
    /// Missing prices that no account needs.
    pub unused_price_gaps: u64,
    /// What is odd and not wrong.
    pub warnings: &'a [Warning],
    /// Files in the folder that nothing reads.
    pub unused_files: Vec<String>,
    /// Columns that nothing reads.
    pub unused_columns: Vec<UnusedColumn<'a>>,
}

/// Rows of an input table: `rows_in = rows_used + rows_rejected`, `rows_rejected = rows_broken + rows_left_out`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TableRows {
    /// Its name.
    pub table: &'static str,
    /// Rows read.
    pub rows_in: u64,
    /// Rows that count.
    pub rows_used: u64,
    /// Rows set aside.
    pub rows_rejected: u64,
    /// Of these, rows with a fault of their own.
    pub rows_broken: u64,
    /// Of these, sound rows of an account that is left out.
    pub rows_left_out: u64,
}

impl TableRows {
    pub fn of(count: &TableCount) -> Self {
        Self {
            table: count.table.name(),
            rows_in: count.rows_in,
            rows_used: count.rows_used,
            rows_rejected: count.rows_rejected,
            rows_broken: count.rows_broken,
            rows_left_out: count.rows_left_out,
        }
    }
}

/// Rows with one reason.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RejectedFor<'a> {
    /// Its code.
    pub reason: &'static str,
    /// How many.
    pub rows: usize,
    /// What was expected.
    pub expected: &'static str,
    /// The first of them.
    pub first: Vec<BrokenRow<'a>>,
}

/// A row that was set aside.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct BrokenRow<'a> {
    /// The table.
    pub table: &'static str,
    /// Number of the row, from 1, over all parts of the table.
    pub row: u64,
    /// The account, where the row names one.
    pub account_id: Option<&'a str>,
    /// File and line or row, for people.
    pub place: String,
    /// The column at fault.
    pub column: &'static str,
    /// What stands there.
    pub value: &'a str,
    /// What was expected there.
    pub expected: &'static str,
}

/// An account that would be left out.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct LeftOut<'a> {
    /// Its id.
    pub account_id: &'a str,
    /// Reason code of its first broken row.
    pub reason: &'static str,
    /// Number of its broken rows.
    pub broken_rows: u64,
    /// Table of the first row that is broken for this reason.
    pub table: &'static str,
    /// Number of that row.
    pub row: u64,
    /// The column at fault.
    pub column: &'static str,
    /// What stands there.
    pub value: &'a str,
}

/// A column that nothing reads.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct UnusedColumn<'a> {
    /// The table.
    pub table: &'static str,
    /// Its name.
    pub column: &'a str,
}
