//! A run's request in its manifest, and back.

use super::{Given, RunRequest};
use crate::Result;
use crate::limits::Limits;
use crate::publish::recorded::{PreviousPart, Recorded, Request, absolute, read_json};
use crate::rules::LoadedRules;
use crate::totals::Summary;
use std::path::{Path, PathBuf};

impl RunRequest {
    /// What the manifest holds of the request, its rules apart; `before` is the manifest of the earlier run.
    pub(super) fn recorded(&self, before: Option<&Recorded>) -> Result<Request> {
        // What a history holds is another matter than what is computed: a run in it knows its trend.
        let Self { snapshot, output, rules: _, shocks, distance, groups, net_by, limits, previous, history: _, given } =
            self;
        let previous = match (previous, &given.previous) {
            (Some(dir), _) => {
                let identity = before.and_then(|before| before.identity.clone());
                Some(PreviousPart { run: absolute(dir)?, identity })
            }
            (None, Some(given)) => Some(PreviousPart { run: String::new(), identity: given.run.identity.clone() }),
            (None, None) => None,
        };
        let recorded = Request::of(snapshot, output, shocks.as_deref(), *distance, groups, None)?;
        let limits = limits.as_ref().map(|limits| limits.text().to_owned());
        Ok(Request { previous, net_by: net_by.as_ref().map(ToString::to_string), limits, ..recorded })
    }

    /// The request that was recorded, to be run again: `out` must not exist. What the run in the folder `run` says of
    /// other runs is taken from there, as far as they are not there any more.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] if a grouping cannot be read; [`crate::Error::Invalid`] if the limits cannot.
    pub fn replay(recorded: &Request, rules: LoadedRules, out: PathBuf, run: &Path) -> Result<Self> {
        // A summary that cannot be read differs from the one that is computed again, which is said then.
        let said = read_json::<Summary>(&run.join("summary.json"), "the `summary.json` of a run").ok();
        let (previous, trend) = said.map(|said| (said.previous, said.trend)).unwrap_or_default();
        Ok(Self {
            snapshot: recorded.snapshot_request(),
            output: recorded.output_request(out),
            rules,
            shocks: recorded.shocks.as_ref().map(PathBuf::from),
            distance: recorded.distance,
            groups: recorded.groups()?,
            net_by: recorded.net_by.as_ref().map(|by| by.parse()).transpose()?,
            limits: Limits::recorded(recorded.limits.as_deref(), run)?,
            previous: recorded.previous.as_ref().and_then(PreviousPart::find),
            history: None,
            given: Given { previous: previous.filter(|_| recorded.previous.is_some()), trend },
        })
    }
}
