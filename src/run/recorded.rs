//! A run's request in its manifest, and back.

use super::RunRequest;
use crate::Result;
use crate::publish::recorded::Request;
use crate::rules::LoadedRules;
use std::path::PathBuf;

impl RunRequest {
    /// What the manifest holds of the request, its rules apart.
    pub(super) fn recorded(&self) -> Result<Request> {
        let Self { snapshot, output, rules: _, shocks, distance } = self;
        Request::of(snapshot, output, shocks.as_deref(), *distance, None)
    }

    /// The request that was recorded, to be run again: `out` must not exist.
    #[must_use]
    pub fn replay(recorded: &Request, rules: LoadedRules, out: PathBuf) -> Self {
        Self {
            snapshot: recorded.snapshot_request(),
            output: recorded.output_request(out),
            rules,
            shocks: recorded.shocks.as_ref().map(PathBuf::from),
            distance: recorded.distance,
        }
    }
}
