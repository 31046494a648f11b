//! A run's request in its manifest, and back.

use super::RunRequest;
use crate::Result;
use crate::memory::MemoryLimit;
use crate::publish::recorded::{Request, absolute};
use crate::rules::LoadedRules;
use crate::snapshot::MaxRejects;
use std::path::PathBuf;

impl RunRequest {
    /// What the manifest holds of the request, its rules apart.
    pub(super) fn recorded(&self) -> Result<Request> {
        // In full, so that a new field is not forgotten: it belongs into the record if a byte of an output depends on
        // it.
        let Self {
            snapshot,
            out: _,
            shocks,
            distance,
            rules: _,
            allow_rules_date,
            expectations,
            report,
            format,
            force: _,
            max_rejects: _,
            memory_limit: _,
            command_line: _,
        } = self;
        Ok(Request {
            snapshot: absolute(snapshot)?,
            shocks: shocks.as_deref().map(absolute).transpose()?,
            format: *format,
            distance: *distance,
            allow_rules_date: *allow_rules_date,
            expectations: expectations.clone(),
            report: *report,
            stress: None,
        })
    }

    /// The request that was recorded, to be run again: `out` must not exist.
    #[must_use]
    pub fn replay(recorded: &Request, rules: LoadedRules, out: PathBuf) -> Self {
        Self {
            snapshot: PathBuf::from(&recorded.snapshot),
            out,
            shocks: recorded.shocks.as_ref().map(PathBuf::from),
            distance: recorded.distance,
            rules,
            allow_rules_date: recorded.allow_rules_date,
            expectations: recorded.expectations.clone(),
            report: recorded.report,
            format: recorded.format,
            force: false,
            max_rejects: MaxRejects::default(),
            memory_limit: MemoryLimit::of_machine(),
            command_line: Vec::new(),
        }
    }
}
