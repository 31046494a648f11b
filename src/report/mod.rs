//! What goes out. (Declarations only in this branch: the owner's files replace it.)

use crate::margin::Status;

/// Format of the output tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Format {
    Parquet,
    Arrow,
    Csv,
}

/// Totals and counts.
#[derive(Debug, Clone, Default)]
pub struct Summary;

impl Summary {
    /// Accounts with a status.
    #[must_use]
    pub fn with_status(&self, status: Status) -> u64 {
        let _ = status;
        todo!()
    }
}

/// A table for people.
#[must_use]
pub fn summary_table(summary: &Summary) -> String {
    let _ = summary;
    todo!()
}
