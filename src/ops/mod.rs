//! What operations need of a run: metrics for a monitor, events for a catalogue of data.
//!
//! Both are text made of what a run says of itself. Nothing is measured or written here, and nobody's clock is read:
//! the caller says when an attempt began and ended, and writes the text.

pub mod lineage;
pub mod metrics;

use crate::publish::Published;
use crate::run::{RunOutcome, Timings};
use crate::stress::StressOutcome;
use crate::totals::Summary;
use crate::totals::limit_summary::LimitsSummary;
use std::path::Path;
use std::time::Duration;

/// One execution of a command, finished or not.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// `run` or `stress`.
    pub command: &'static str,
    /// What tells this job from others: the name of the file that is written, without its ending.
    pub job: String,
    /// When it ended, in nanoseconds since 1970 UTC.
    pub ended_ns: i64,
    /// How long it took.
    pub took: Duration,
    /// What its process ends with.
    pub exit_code: u8,
}

/// What a finished run or stress says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// Counts and totals in the market as it is.
    pub summary: &'a Summary,
    /// Scenarios, the base case included.
    pub scenarios: u64,
    /// Limits, if there are any.
    pub limits: Option<&'a LimitsSummary>,
    /// Wall time of each stage.
    pub timings: &'a Timings,
    /// Identity, inputs, outputs.
    pub published: &'a Published,
    /// Peak resident memory, if the system tells.
    pub peak_memory_bytes: Option<u64>,
}

impl<'a> Finished<'a> {
    /// Of a run.
    #[must_use]
    pub fn of_run(outcome: &'a RunOutcome, peak_memory_bytes: Option<u64>) -> Self {
        let RunOutcome { summary, timings, published, .. } = outcome;
        let limits = summary.limits.as_ref();
        Self { summary, scenarios: summary.scenarios, limits, timings, published, peak_memory_bytes }
    }

    /// Of a stress: the figures are those of the base case.
    #[must_use]
    pub fn of_stress(outcome: &'a StressOutcome, peak_memory_bytes: Option<u64>) -> Self {
        let StressOutcome { summary, timings, published, .. } = outcome;
        let limits = summary.limits.as_ref();
        Self { summary: &summary.base, scenarios: summary.scenarios, limits, timings, published, peak_memory_bytes }
    }
}

/// What a file of metrics or events calls its job: its name without the last ending.
///
/// ```
/// assert_eq!(remargin::ops::job_of(std::path::Path::new("/var/metrics/desk-b.prom")), "desk-b");
/// ```
#[must_use]
pub fn job_of(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
