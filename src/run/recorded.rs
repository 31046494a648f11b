//! A run's request in its manifest, and back.

use super::RunRequest;
use crate::Result;
use crate::publish::recorded::Request;
use crate::rules::LoadedRules;
use std::path::PathBuf;

impl RunRequest {
    /// What the manifest holds of the request, its rules apart.
    pub(super) fn recorded(&self) -> Result<Request> {
        let Self { snapshot, output, rules: _, shocks, distance, groups, net_by } = self;
        let recorded = Request::of(snapshot, output, shocks.as_deref(), *distance, groups, None)?;
        Ok(Request { net_by: net_by.as_ref().map(ToString::to_string), ..recorded })
    }

    /// The request that was recorded, to be run again: `out` must not exist.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] if a grouping cannot be read.
    pub fn replay(recorded: &Request, rules: LoadedRules, out: PathBuf) -> Result<Self> {
        Ok(Self {
            snapshot: recorded.snapshot_request(),
            output: recorded.output_request(out),
            rules,
            shocks: recorded.shocks.as_ref().map(PathBuf::from),
            distance: recorded.distance,
            groups: recorded.groups()?,
            net_by: recorded.net_by.as_ref().map(|by| by.parse()).transpose()?,
        })
    }
}
