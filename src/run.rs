//! The run. (Declarations only in this branch: the owner's file replaces it.)

use crate::progress::Progress;
use crate::report::{Format, Summary};
use crate::rules::LoadedRules;
use crate::{Error, Result};
use std::path::PathBuf;
use std::str::FromStr;

/// How many rejected rows are allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum MaxRejects {
    Rows(u64),
    Percent(f64),
}

impl MaxRejects {
    /// True when `rejected` of `rows_in` rows are more than allowed.
    #[must_use]
    pub fn exceeded(self, rejected: u64, rows_in: u64) -> bool {
        match self {
            Self::Rows(rows) => rejected > rows,
            Self::Percent(percent) => rejected as f64 > percent / 100.0 * rows_in as f64,
        }
    }
}

impl FromStr for MaxRejects {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Usage(format!("`{text}` is neither a number of rows nor a percentage"));
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().map(Self::Percent).map_err(|_| wrong()),
            None => text.parse().map(Self::Rows).map_err(|_| wrong()),
        }
    }
}

/// What to run.
#[allow(missing_docs)]
pub struct RunRequest {
    pub snapshot: PathBuf,
    pub out: PathBuf,
    pub rules: LoadedRules,
    pub allow_rules_date: bool,
    pub format: Format,
    pub force: bool,
    pub max_rejects: MaxRejects,
    pub command_line: Vec<String>,
}

/// What came of it.
#[allow(missing_docs)]
pub struct RunOutcome {
    pub summary: Summary,
    pub too_many_rejects: bool,
}

/// # Errors
/// A broken snapshot or a failed write.
pub fn run(request: &RunRequest, progress: &dyn Progress) -> Result<RunOutcome> {
    let _ = (&request.snapshot, progress.interrupted());
    todo!()
}
