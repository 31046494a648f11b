//! `--metrics` and `--lineage`: what a command says of its attempt, whether it succeeds or fails.

use super::exit;
use super::terminal::Terminal;
use clap::Args;
use remargin::ops::lineage::{self, Lineage, run_id};
use remargin::ops::{Attempt, Finished, job_of, metrics};
use remargin::publish::{absolute, append_line, check_appendable, check_outside, check_replaceable, write_file};
use remargin::{Error, Result};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Flags of commands that are watched.
#[derive(Args)]
pub struct WatchArgs {
    /// Write metrics of the run to a file, for the textfile collector of `node_exporter`
    ///
    /// Success, exit code, duration by stage, rows, rejects, accounts by status, the book's margin, peak memory. The
    /// file is replaced whole, after a failed run too; the figures are then still those of the last run that succeeded.
    #[arg(long, value_name = "FILE.prom")]
    metrics: Option<PathBuf>,
    /// Append events of OpenLineage to a file, one JSON object per line
    ///
    /// START, then COMPLETE with every input and output and its hash, FAIL, or ABORT after a signal.
    #[arg(long, value_name = "FILE.jsonl")]
    lineage: Option<PathBuf>,
}

/// One attempt that is watched, from its start to its end.
pub struct Watch<'a> {
    args: &'a WatchArgs,
    command: &'static str,
    lineage: Option<Lineage>,
    started: Instant,
    /// Its end has been told.
    is_told: bool,
}

/// Nanoseconds since 1970 UTC.
fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

impl WatchArgs {
    /// Says that an attempt begins. `snapshot` and `out` are its folders.
    ///
    /// # Errors
    /// [`Error::Usage`] if a file is inside a folder that the command reads or writes, or is another one's;
    /// [`Error::Io`] if the event cannot be written.
    pub fn start(&self, command: &'static str, snapshot: &Path, out: &Path) -> Result<Watch<'_>> {
        for (flag, file) in [("--metrics", &self.metrics), ("--lineage", &self.lineage)] {
            file.as_ref().map_or(Ok(()), |file| check_outside(flag, file, &[snapshot, out]))?;
        }
        let (snapshot, out) = (absolute(snapshot)?, absolute(out)?);
        if let Some(file) = &self.metrics {
            check_replaceable(file, metrics::BEGINS.as_bytes())?;
        }
        if let Some(file) = &self.lineage {
            check_appendable(file, lineage::BEGINS.as_bytes())?;
        }
        if self.metrics.is_some() && self.metrics == self.lineage {
            return Err(Error::Usage("`--metrics` and `--lineage` name the same file".to_owned()));
        }
        let mut watch = Watch { args: self, command, lineage: None, started: Instant::now(), is_told: false };
        if let Some(file) = &self.lineage {
            let at_ns = now_ns();
            let seed = format!("{at_ns} {} {} {}", std::process::id(), out.display(), random());
            let lineage = Lineage {
                run_id: run_id(at_ns, seed.as_bytes()),
                command,
                job: job_of(file),
                snapshot: snapshot.display().to_string(),
                out: out.display().to_string(),
            };
            append_line(file, &lineage.start(at_ns)?)?;
            watch.lineage = Some(lineage);
        }
        Ok(watch)
    }
}

/// A number that differs from process to process.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Watch<'_> {
    /// Says how the work failed, if it did. What cannot be written is said and changes nothing.
    ///
    /// # Errors
    /// That of the work.
    pub fn failed<T>(&mut self, worked: Result<T>, terminal: &Terminal) -> Result<T> {
        let Err(error) = worked else { return worked };
        self.is_told = true;
        if let Err(unsaid) = self.tell_failure(&error, terminal.code_of(&error)) {
            terminal.error(exit::FAULT, unsaid.text(super::common::flag));
        }
        Err(error)
    }

    fn tell_failure(&self, error: &Error, code: u8) -> Result<()> {
        if let Some(file) = &self.args.metrics {
            let text = metrics::of_failure(&self.attempt(file, code), &metrics::read(file)?);
            write_file(file, text.as_bytes())?;
        }
        if let (Some(file), Some(lineage)) = (&self.args.lineage, &self.lineage) {
            append_line(file, &lineage.failed(&self.attempt(file, code), error)?)?;
        }
        Ok(())
    }

    /// Says that the results are written; `code` is what the process ends with.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be written.
    pub fn succeeded(&mut self, finished: &Finished, code: u8) -> Result<()> {
        self.is_told = true;
        let hint = |error: Error| error.hint("the results are written; only this file is not");
        if let Some(file) = &self.args.metrics {
            let text = metrics::of_success(&self.attempt(file, code), finished);
            write_file(file, text.as_bytes()).map_err(hint)?;
        }
        if let (Some(file), Some(lineage)) = (&self.args.lineage, &self.lineage) {
            append_line(file, &lineage.complete(&self.attempt(file, code), finished)?).map_err(hint)?;
        }
        Ok(())
    }

    fn attempt(&self, file: &Path, exit_code: u8) -> Attempt {
        let (command, job) = (self.command, job_of(file));
        Attempt { command, job, ended_ns: now_ns(), took: self.started.elapsed(), exit_code }
    }
}

impl Drop for Watch<'_> {
    /// An internal fault is a failure too.
    fn drop(&mut self) {
        if !self.is_told {
            let _ = self.tell_failure(&Error::Runtime("internal fault".to_owned()), exit::FAULT);
        }
    }
}
