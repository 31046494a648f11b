//! What a simulation is asked for.

use crate::rules::LoadedRules;
use crate::snapshot::{Expectations, MaxRejects};
use crate::source::Format;
use std::path::PathBuf;

/// What limits to search, of which accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitRequest {
    /// The largest withdrawal of every currency that an account has a balance in.
    pub withdraw: bool,
    /// The largest buy and sell of these instruments or pairs.
    pub orders: Vec<String>,
    /// Of these accounts; of all if empty.
    pub accounts: Vec<String>,
}

/// What to simulate.
#[derive(Debug, Clone)]
pub struct SimulateRequest {
    /// Folder of the snapshot.
    pub snapshot: PathBuf,
    /// A table of operations.
    pub operations: Option<PathBuf>,
    /// Limits to search.
    pub limits: LimitRequest,
    /// Folder to write; it appears whole or not at all.
    pub out: PathBuf,
    /// The rules.
    pub rules: LoadedRules,
    /// Run even if the snapshot is older than the rules.
    pub allow_rules_date: bool,
    /// What the snapshot is held to besides its form.
    pub expectations: Expectations,
    /// How tables are written.
    pub format: Format,
    /// Replace an earlier run at `out`.
    pub force: bool,
    /// How many broken rows of the snapshot are tolerated.
    pub max_rejects: MaxRejects,
    /// For the manifest.
    pub command_line: Vec<String>,
}

impl SimulateRequest {
    /// A simulation over the snapshot in a folder into a folder under these rules; operations and limits are still to be
    /// given. No tolerance, Parquet. Change fields to ask for something else.
    pub fn new(snapshot: impl Into<PathBuf>, out: impl Into<PathBuf>, rules: LoadedRules) -> Self {
        Self {
            snapshot: snapshot.into(),
            operations: None,
            limits: LimitRequest::default(),
            out: out.into(),
            rules,
            allow_rules_date: false,
            expectations: Expectations::NONE,
            format: Format::Parquet,
            force: false,
            max_rejects: MaxRejects::default(),
            command_line: Vec::new(),
        }
    }
}
