//! One end-of-day run, measured inside its process: wall time, CPU time and peak memory, per stage.

use crate::memory::{self, kibibytes};
use crate::progress::Progress;
use crate::rules::LoadedRules;
use crate::run::{self, RunRequest};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A run to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Folder of the snapshot.
    pub snapshot: PathBuf,
    /// Folder of the results.
    pub out: PathBuf,
    /// Number of threads.
    pub threads: usize,
}

/// The measured cost of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Margined accounts.
    pub accounts_margined: u64,
    /// Wall time of the run.
    pub wall_seconds: f64,
    /// CPU time of the process: user and system, all threads, start-up included.
    pub cpu_seconds: f64,
    /// Peak resident memory of the process.
    pub peak_bytes: u64,
    /// Stages in order, with the names of the run.
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
/// Those of [`run::run`]; [`Error::Usage`] on a system without CPU times.
pub fn measure(job: &Job, rules: LoadedRules, progress: &dyn Progress) -> Result<Measurement> {
    let request = RunRequest::new(&job.snapshot, &job.out, rules);
    let clock = StageClock { inner: progress, started: Instant::now(), marks: Mutex::default() };
    let outcome = run::run(&request, &clock)?;
    clock.mark("")?;
    let marks = clock.marks.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Some(end) = marks.last() else { return Err(Error::Runtime("the run reported no stage".into())) };
    Ok(Measurement {
        accounts_margined: outcome.summary.accounts.margined,
        wall_seconds: end.wall_seconds,
        cpu_seconds: end.cpu_seconds,
        peak_bytes: peak_bytes()?,
        stages: marks.windows(2).map(|pair| pair[1].since(&pair[0])).collect(),
    })
}

/// The start of a stage.
struct Mark {
    name: String,
    wall_seconds: f64,
    cpu_seconds: f64,
}

impl Mark {
    /// The stage from `start` to this mark.
    fn since(&self, start: &Self) -> Stage {
        Stage {
            name: start.name.clone(),
            wall_seconds: self.wall_seconds - start.wall_seconds,
            cpu_seconds: self.cpu_seconds - start.cpu_seconds,
        }
    }
}

/// Records the start of each stage.
struct StageClock<'a> {
    inner: &'a dyn Progress,
    started: Instant,
    marks: Mutex<Vec<Mark>>,
}

impl StageClock<'_> {
    fn mark(&self, name: &str) -> Result<()> {
        let mark = Mark {
            name: name.to_owned(),
            wall_seconds: self.started.elapsed().as_secs_f64(),
            cpu_seconds: usage::cpu_seconds()?,
        };
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
        Ok(())
    }
}

impl Progress for StageClock<'_> {
    fn stage(&self, name: &str, unit: &'static str, total: u64) {
        self.inner.stage(name, unit, total);
        // The same call is repeated at the end of the run, where a failure is reported.
        let _ = self.mark(name);
    }

    fn advance(&self, steps: u64) {
        self.inner.advance(steps);
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
}

/// Peak resident memory of this process.
fn peak_bytes() -> Result<u64> {
    memory::peak_bytes().ok_or_else(|| Error::Runtime("the system does not tell the memory of this process".into()))
}

/// Memory of the machine, if known.
pub(super) fn machine_memory_bytes() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

#[cfg(unix)]
pub(super) mod usage {
    //! Resource usage of this process, from the kernel.

    use crate::{Error, Result};
    use nix::sys::resource::{Usage, UsageWho, getrusage};

    fn of_process() -> Result<Usage> {
        getrusage(UsageWho::RUSAGE_SELF).map_err(|err| Error::Runtime(format!("cannot read the CPU time: {err}")))
    }

    /// User and system time of all threads.
    pub(in crate::bench) fn cpu_seconds() -> Result<f64> {
        let usage = of_process()?;
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
    }
}

#[cfg(not(unix))]
pub(super) mod usage {
    //! Systems without these figures.

    use crate::{Error, Result};

    fn unknown<T>() -> Result<T> {
        Err(Error::Usage(
            "the benchmark needs CPU time and memory from the system, which are available on Unix only".into(),
        ))
    }

    pub(in crate::bench) fn cpu_seconds() -> Result<f64> {
        unknown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kibibytes() {
        for (text, expected) in
            [("VmPeak:\t 9 kB\nVmHWM:\t   12 kB\n", Some(12 * 1024)), ("VmHWM: many kB", None), ("VmRSS: 1 kB", None)]
        {
            assert_eq!(kibibytes(text, "VmHWM:"), expected, "{text}");
        }
    }
}
