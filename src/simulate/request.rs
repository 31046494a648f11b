//! What a simulation is asked for.

use crate::request::{OutputRequest, SnapshotRequest};
use crate::rules::LoadedRules;
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
#[non_exhaustive]
pub struct SimulateRequest {
    /// The snapshot.
    pub snapshot: SnapshotRequest,
    /// Where the answers go. There is no page of them.
    pub output: OutputRequest,
    /// The rules.
    pub rules: LoadedRules,
    /// A table of operations; at first none.
    pub operations: Option<PathBuf>,
    /// Limits to search; at first none.
    pub limits: LimitRequest,
}

impl SimulateRequest {
    /// A simulation over a snapshot into a folder under these rules; operations or limits are still to be given.
    pub fn new(snapshot: impl Into<SnapshotRequest>, output: impl Into<OutputRequest>, rules: LoadedRules) -> Self {
        let (snapshot, output) = (snapshot.into().under(&rules), output.into());
        Self { snapshot, output, rules, operations: None, limits: LimitRequest::default() }
    }

    /// Checks the operations of a table.
    #[must_use]
    pub fn with_operations(mut self, table: impl Into<PathBuf>) -> Self {
        self.operations = Some(table.into());
        self
    }

    /// Searches limits.
    #[must_use]
    pub fn with_limits(mut self, limits: LimitRequest) -> Self {
        self.limits = limits;
        self
    }
}
