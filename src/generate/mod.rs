//! A synthetic book. (Declarations only in this branch: the owner's files replace it.)

use crate::Result;
use crate::progress::Progress;
use std::path::PathBuf;

/// Format of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TableFormat {
    Parquet,
    Csv,
    Arrow,
}

/// What to generate.
#[allow(missing_docs)]
pub struct GenerateRequest {
    pub accounts: u64,
    pub positions_per_account: f64,
    pub seed: u64,
    pub out: PathBuf,
    pub format: TableFormat,
    pub force: bool,
}

/// What was written.
#[allow(missing_docs)]
pub struct Generated {
    pub accounts: u64,
    pub positions: u64,
    pub balances: u64,
    pub instruments: u64,
}

/// # Errors
/// A failed write.
pub fn generate(request: &GenerateRequest, progress: &dyn Progress) -> Result<Generated> {
    let _ = (request.accounts, progress.interrupted());
    todo!()
}
