//! What goes out. (Declarations only in this branch: the owner's files replace it.)

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
#[allow(missing_docs)]
pub struct Summary {
    pub accounts: AccountCounts,
}

/// Accounts.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct AccountCounts {
    pub by_status: StatusCounts,
}

/// Accounts by status.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct StatusCounts {
    pub liquidation: u64,
}

/// A table for people.
#[must_use]
pub fn summary_table(summary: &Summary) -> String {
    let _ = summary;
    todo!()
}
