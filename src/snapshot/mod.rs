//! A snapshot folder becomes a market and a book. (Declarations only in this branch: the owner's files replace it.)

use crate::Result;
use crate::book::Book;
use crate::margin::rules::SpotOffset;
use crate::market::Market;
use crate::progress::Progress;
use std::path::{Path, PathBuf};

/// How to load.
pub struct LoadOptions<'a> {
    /// Mode of accounts that chose none.
    pub default_spot_offset: SpotOffset,
    /// Receives progress.
    pub progress: &'a dyn Progress,
}

/// # Errors
/// A broken table.
pub fn load(dir: &Path, options: &LoadOptions) -> Result<Snapshot> {
    let _ = (dir, options.default_spot_offset, options.progress.interrupted());
    todo!()
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Valuation time.
    pub as_of_ns: i64,
    /// Prices.
    pub market: Market,
    /// Accounts that can be margined.
    pub book: Book,
    /// Rows set aside.
    pub rejects: Vec<Reject>,
    /// Accounts left out.
    pub unmargined: Vec<Unmargined>,
    /// Counts.
    pub tables: Vec<TableCount>,
    /// Files read.
    pub inputs: Vec<InputFile>,
    /// Missing prices nobody needs.
    pub unused_price_gaps: u64,
}

/// A row that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its table.
    pub table: Table,
    /// 1-based data row over all parts.
    pub row: u64,
    /// Its account.
    pub account_id: Option<String>,
    /// Why.
    pub reason: Reason,
    /// The offending column.
    pub column: &'static str,
    /// The offending value.
    pub value: String,
}

/// An input table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Table {
    Instruments,
    Marks,
    Indices,
    Positions,
    Balances,
    Accounts,
}

impl Table {
    /// The name of the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Instruments => "instruments",
            Self::Marks => "marks",
            Self::Indices => "indices",
            Self::Positions => "positions",
            Self::Balances => "balances",
            Self::Accounts => "accounts",
        }
    }
}

/// Why a row was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Reason {
    UnknownInstrument,
    AccountUnmargined,
}

impl Reason {
    /// Stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownInstrument => "unknown_instrument",
            Self::AccountUnmargined => "account_unmargined",
        }
    }
}

/// An account that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmargined {
    /// Its id.
    pub account_id: String,
    /// Reason of its first broken row.
    pub reason: Reason,
    /// Number of broken rows.
    pub broken_rows: u64,
}

/// Rows of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TableCount {
    pub table: Table,
    pub rows_in: u64,
    pub rows_used: u64,
    pub rows_rejected: u64,
    pub rows_broken: u64,
    pub rows_left_out: u64,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct InputFile {
    pub path: PathBuf,
    pub bytes: u64,
    pub rows: Option<u64>,
    pub blake3: String,
}
