//! One end-of-day run, measured from inside its process: wall time, CPU time and peak memory, stage by stage.

use crate::progress::Progress;
use crate::rules::LoadedRules;
use crate::run::{self, Format, MaxRejects, RunRequest};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A run to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The book.
    pub snapshot: PathBuf,
    /// Where its results go.
    pub out: PathBuf,
    /// Threads of the process.
    pub threads: usize,
}

/// What a run took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Accounts in the results.
    pub accounts_margined: u64,
    /// From the start of the run to its end.
    pub wall_seconds: f64,
    /// CPU time of the process, user and system, all threads, its start included.
    pub cpu_seconds: f64,
    /// Most memory that the process had resident.
    pub peak_bytes: u64,
    /// Stages in order, as the run names them.
    pub stages: Vec<Stage>,
}

/// One stage of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Wall time.
    pub wall_seconds: f64,
    /// CPU time, user and system, all threads.
    pub cpu_seconds: f64,
}

/// Runs `job` in this process, on the current thread pool.
///
/// # Errors
/// Those of [`run::run`]; [`Error::Usage`] on a system that does not tell CPU time.
pub fn measure(job: &Job, rules: LoadedRules, progress: &dyn Progress) -> Result<Measurement> {
    let request = RunRequest {
        snapshot: job.snapshot.clone(),
        out: job.out.clone(),
        rules,
        allow_rules_date: false,
        format: Format::Parquet,
        force: false,
        max_rejects: MaxRejects::Rows(0),
        command_line: Vec::new(),
    };
    let clock = StageClock { inner: progress, marks: Mutex::default() };
    let started = Instant::now();
    let outcome = run::run(&request, &clock)?;
    let wall_seconds = started.elapsed().as_secs_f64();
    let (cpu_seconds, peak_bytes) = usage()?;
    let mut marks = clock.marks.into_inner().unwrap_or_else(PoisonError::into_inner);
    marks.push(Mark { name: String::new(), wall_seconds: started.elapsed().as_secs_f64(), cpu_seconds });
    let since = |mark: &Mark| mark.at(started);
    let stages = marks
        .windows(2)
        .map(|pair| Stage {
            name: pair[0].name.clone(),
            wall_seconds: since(&pair[1]) - since(&pair[0]),
            cpu_seconds: pair[1].cpu_seconds - pair[0].cpu_seconds,
        })
        .collect();
    let accounts_margined = outcome.summary.accounts.margined;
    Ok(Measurement { accounts_margined, wall_seconds, cpu_seconds, peak_bytes, stages })
}
