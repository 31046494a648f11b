//! The capacity benchmark, `remargin bench`: how fast this machine computes margins, how the cost grows with the book,
//! and how large a book fits a given time.
//!
//! It generates books of growing size (always the same ones) and measures the whole end-of-day run on each, with one
//! thread up to all threads: reading, checking, computing, encoding and writing. Each measurement runs in its own
//! process, because peak memory is measured per process. The caller starts the process (see [`Worker`]).
//!
//! Read in this order: [`measure`] (one run, measured from inside), [`scaling`] (exponent and extrapolation), [`text`]
//! (the table), [`plot`] (the plot), [`stress`](mod@stress) (scenarios).

pub mod measure;
pub mod plot;
pub mod scaling;
pub mod simulate;
pub mod stress;
pub mod text;

pub use measure::{Job, Measurement, Stage};
pub use scaling::{Capacity, Scaling};

use crate::error::Remedy;
use crate::generate::{self, GenerateRequest};
use crate::margin::rules::MR1_MOVES;
use crate::progress::Progress;
use crate::publish::scratch::Scratch;
use crate::source::Format;
use crate::{Error, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Mean position rows of an account in the generated books.
pub const POSITIONS_PER_ACCOUNT: f64 = 10.0;
/// Seed of the generated books.
const SEED: u64 = 1;
/// Accounts of the smallest book; the others are 3, 10, 30, ... times as large.
const LEAST_ACCOUNTS: u64 = 10_000;
/// Number of stresses in which every position is valued: 7 moves x 3 volatility states (MR1), two moves (MR6),
/// volatility up (MR3), one day (MR2), the rate up and down (MR5).
pub const SCENARIOS: usize = 3 * MR1_MOVES + 6;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchRequest {
    /// No measurement starts that is expected to end later than this. The smallest book is always measured.
    pub budget: Duration,
    /// The largest book, in position rows.
    pub max_positions: u64,
    /// Repetitions of each run; the one with the median wall time is reported.
    pub repeat: usize,
    /// The largest number of threads.
    pub threads: usize,
    /// The time in which a nightly run must finish.
    pub window: Duration,
    /// Folder for the generated books and their results, which are removed at the end.
    pub temp: PathBuf,
}

/// Runs one job in its own process and returns the result of [`measure::measure`].
pub type Worker<'a> = dyn Fn(&Job) -> Result<Measurement> + 'a;

/// Why no larger book was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// [`BenchRequest::budget`].
    Budget,
    /// [`BenchRequest::max_positions`].
    MaxPositions,
}

/// One book size with one number of threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Accounts of the book.
    pub accounts: u64,
    /// Position rows of the book.
    pub positions: u64,
    /// Threads.
    pub threads: usize,
    /// The run with the median wall time.
    #[serde(flatten)]
    pub measurement: Measurement,
    /// Positions over wall time.
    pub positions_per_second: f64,
    /// Accounts over wall time.
    pub accounts_per_second: f64,
    /// Positions over CPU time of all threads.
    pub positions_per_core_second: f64,
    /// Positions x [`SCENARIOS`] over wall time.
    pub scenario_evaluations_per_second: f64,
    /// Peak memory of the process over positions.
    pub peak_bytes_per_position: f64,
}

/// The result of the benchmark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchReport {
    /// Version of this crate.
    pub remargin: &'static str,
    /// Cores of the machine.
    pub cores: usize,
    /// Whether this is a build without optimisation. Its figures do not apply to a release build.
    pub is_debug_build: bool,
    /// Repetitions of each run.
    pub repeat: usize,
    /// Smallest book first, threads ascending.
    pub rows: Vec<Row>,
    /// Growth and speed-up for each number of threads.
    pub scaling: Vec<Scaling>,
    /// The largest book that fits the window, extrapolated. `None` if fewer than two sizes were measured.
    pub capacity: Option<Capacity>,
    /// Why it stopped.
    pub stopped_by: StoppedBy,
}

/// Generates the books, measures the runs and derives scaling and capacity.
///
/// # Errors
/// [`Error::Usage`] for an impossible request; the errors of the generator and of `worker`; [`Error::Interrupted`]. The
/// temporary folder is removed in every case.
pub fn run(request: &BenchRequest, worker: &Worker, progress: &dyn Progress) -> Result<BenchReport> {
    if request.repeat == 0 || request.threads == 0 {
        return Err(Error::Usage("at least one thread and one repetition are needed".into()));
    }
    let sizes = sizes(request.max_positions);
    let Some(&first) = sizes.first() else {
        let least = LEAST_ACCOUNTS as f64 * POSITIONS_PER_ACCOUNT;
        return Err(Error::refused(format!("the smallest book has {least} positions"), Remedy::MaxPositions));
    };
    let folder = Scratch::create(&request.temp, "bench")?;
    let started = Instant::now();
    let mut report = BenchReport {
        remargin: env!("CARGO_PKG_VERSION"),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        is_debug_build: cfg!(debug_assertions),
        repeat: request.repeat,
        rows: Vec::new(),
        scaling: Vec::new(),
        capacity: None,
        stopped_by: StoppedBy::MaxPositions,
    };
    let mut last = (first, Duration::ZERO);
    for accounts in sizes {
        let expected = last.1.mul_f64(accounts as f64 / last.0 as f64);
        if started.elapsed() + expected > request.budget && !report.rows.is_empty() {
            report.stopped_by = StoppedBy::Budget;
            break;
        }
        let clock = Instant::now();
        measure_size(request, worker, progress, folder.path(), accounts, &mut report.rows)?;
        last = (accounts, clock.elapsed());
    }
    folder.close()?;
    report.scaling = scaling::scaling(&report.rows);
    report.capacity = scaling::capacity(&report.rows, request.window, measure::machine_memory_bytes());
    Ok(report)
}

/// Accounts of each book.
fn sizes(max_positions: u64) -> Vec<u64> {
    let most = max_positions as f64 / POSITIONS_PER_ACCOUNT;
    (0..=20_u32)
        .map(|step| LEAST_ACCOUNTS * 10_u64.pow(step / 2) * if step % 2 == 0 { 1 } else { 3 })
        .take_while(|&accounts| accounts as f64 <= most)
        .collect()
}

/// 1, 2, 4, ... and the largest number.
fn thread_counts(most: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = (0..usize::BITS).map(|bit| 1 << bit).take_while(|&count| count < most).collect();
    counts.push(most);
    counts
}

fn measure_size(
    request: &BenchRequest,
    worker: &Worker,
    progress: &dyn Progress,
    folder: &Path,
    accounts: u64,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let (snapshot, out) = (folder.join("snapshot"), folder.join("out"));
    let generated = generate::generate(
        &GenerateRequest {
            accounts,
            positions_per_account: POSITIONS_PER_ACCOUNT,
            seed: SEED,
            out: snapshot.clone(),
            format: Format::Parquet,
            force: true,
        },
        progress,
    )?;
    let counts = thread_counts(request.threads);
    progress.stage("measure", "runs", (counts.len() * request.repeat) as u64);
    for threads in counts {
        let mut runs = Vec::with_capacity(request.repeat);
        for _ in 0..request.repeat {
            progress.check()?;
            let job = Job { snapshot: snapshot.clone(), out: out.clone(), threads };
            let measured = worker(&job)?;
            if measured.accounts_margined != accounts {
                let found = measured.accounts_margined;
                return Err(Error::Runtime(format!(
                    "{found} of {accounts} accounts were margined: the measurement is invalid"
                )));
            }
            runs.push(measured);
            std::fs::remove_dir_all(&out).map_err(|err| Error::io("remove", &out, err))?;
            progress.advance(1);
        }
        runs.sort_by(|a, b| a.wall_seconds.total_cmp(&b.wall_seconds));
        rows.push(row(accounts, generated.positions, threads, runs.swap_remove(request.repeat / 2)));
    }
    Ok(())
}

fn row(accounts: u64, positions: u64, threads: usize, measurement: Measurement) -> Row {
    let (wall, count) = (measurement.wall_seconds, positions as f64);
    Row {
        accounts,
        positions,
        threads,
        positions_per_second: count / wall,
        accounts_per_second: accounts as f64 / wall,
        positions_per_core_second: count / measurement.cpu_seconds,
        scenario_evaluations_per_second: count * SCENARIOS as f64 / wall,
        peak_bytes_per_position: measurement.peak_bytes as f64 / count,
        measurement,
    }
}

#[cfg(test)]
mod tests;
