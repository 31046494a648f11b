//! The end-of-day run: a snapshot in, the margin of every account out.
//!
//! ```text
//! snapshot::load -> Market, Book, rejects            read
//! recompute::price                                   price
//! accounts in chunks of 16,384, on all threads:      compute
//!     recompute::chunk -> batches -> encoded bytes,
//!     at-risk rows, counts and sums
//!   appended in order by one thread                    (append)
//! at_risk, rejects, summary.json, manifest.json      finish
//! rename
//! ```
//!
//! No more than a few chunks a thread are in memory at once, and beside them the at-risk rows.

use crate::book::Book;
use crate::distance::Whose;
use crate::margin::priced::PricedMarket;
use crate::market::scenario::{self, Scenario};
use crate::parallel;
use crate::progress::Progress;
use crate::recompute::{self, Chunk};
use crate::report::at_risk::{self, AtRisk, Names};
use crate::report::columns::{ACCOUNTS, RISK_UNITS, accounts_batch, by_account, risk_units_batch};
use crate::report::distances::{self, Searched};
use crate::report::encode::{self, Encoded, Encoder};
use crate::report::manifest::{self, Provenance};
use crate::report::summary::Tally;
use crate::report::{OutputFile, OutputFolder, Summary, rejects};
use crate::rules::LoadedRules;
use crate::snapshot::{self, LoadOptions, Snapshot};
use crate::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use crate::report::Format;
pub use crate::report::manifest::Timings;
pub use crate::report::rejects::MaxRejects;

/// Accounts of one chunk, which is one task and one Parquet row group of `accounts` and of `risk_units`.
///
/// Fixed, so that files do not depend on threads. With ten positions an account a chunk is about ten megabytes
/// encoded: small enough that the chunks in flight stay below a hundred, large enough that readers do not mind.
pub const CHUNK_ACCOUNTS: usize = 16_384;

/// What to run.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Folder of the snapshot.
    pub snapshot: PathBuf,
    /// Folder to write; it appears whole or not at all.
    pub out: PathBuf,
    /// Price scenarios beside the base case, as a table `shocks`; each adds rows for every account.
    pub shocks: Option<PathBuf>,
    /// Whose distances from liquidation to search, in the market as it is.
    pub distance: Whose,
    /// The rules.
    pub rules: LoadedRules,
    /// Run even if the snapshot is older than the rules.
    pub allow_rules_date: bool,
    /// How tables are written. `at_risk` is always CSV and Parquet (or Arrow) both.
    pub format: Format,
    /// Replace an earlier run at `out`.
    pub force: bool,
    /// How many broken rows are tolerated.
    pub max_rejects: MaxRejects,
    /// For the manifest.
    pub command_line: Vec<String>,
}

/// What a run brought.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// Counts and totals.
    pub summary: Summary,
    /// More rows are broken than [`RunRequest::max_rejects`] tolerates (exit 4); everything is written all the same.
    pub too_many_rejects: bool,
    /// Wall time of each stage.
    pub timings: Timings,
}

/// Margins every account of a snapshot and writes the output folder.
///
/// # Errors
/// [`Error::Usage`] if `out` cannot be written to (before anything is read); [`Error::Invalid`] if the snapshot is
/// invalid or older than the rules; [`Error::Io`] and [`Error::Runtime`] if writing fails; [`Error::Interrupted`].
/// With an error nothing is left behind.
pub fn run(request: &RunRequest, progress: &dyn Progress) -> Result<RunOutcome> {
    let inputs: Vec<&Path> = std::iter::once(&request.snapshot).chain(&request.shocks).map(PathBuf::as_path).collect();
    let folder = OutputFolder::create(&request.out, request.force, &inputs)?;
    let mut timings = Timings::default();

    let clock = Instant::now();
    let rules = &request.rules.rules;
    let options = LoadOptions { default_spot_offset: rules.default_spot_offset, progress };
    let mut snapshot = snapshot::load(&request.snapshot, &options)?;
    if !request.allow_rules_date {
        request.rules.check_date(snapshot.as_of_ns)?;
    }
    let scenarios = scenarios(request, &mut snapshot, progress)?;
    timings.read = clock.elapsed();

    let clock = Instant::now();
    progress.check()?;
    progress.stage("price", "scenarios", scenarios.len() as u64);
    let markets = scenarios.par_iter().map(|scenario| {
        let market = scenario::apply(&snapshot.market, scenario, rules.rate)?;
        progress.advance(1);
        Ok(recompute::price(&market, rules))
    });
    let priced: Vec<PricedMarket> = markets.collect::<Result<_>>()?;
    timings.price = clock.elapsed();

    let work = Work {
        request,
        snapshot: &snapshot,
        unit_names: &priced.first().map_or_else(Vec::new, PricedMarket::unit_names),
        scenarios: &scenarios.into_iter().map(|scenario| scenario.name).collect::<Vec<_>>(),
        compute: &|accounts| {
            let chunk = |priced| recompute::chunk(priced, &snapshot.book, accounts.clone());
            priced.iter().map(chunk).collect()
        },
        progress,
    };
    work.write(folder, timings)
}

/// The base case and the scenarios that the request names, whose files are among the inputs then.
fn scenarios(request: &RunRequest, snapshot: &mut Snapshot, progress: &dyn Progress) -> Result<Vec<Scenario>> {
    let Some(shocks) = &request.shocks else {
        if let Some(unused) = snapshot::find_shocks(&request.snapshot)? {
            tracing::warn!("`{}` is not used: `--shocks` would add it, `remargin stress` uses it", unused.display());
        }
        return Ok(vec![Scenario::base()]);
    };
    let (scenarios, inputs) = snapshot::read_shocks(shocks, &snapshot.market, progress)?;
    snapshot.inputs.extend(inputs);
    crate::stress::with_base(&snapshot.market, scenarios)
}

/// Everything after pricing.
struct Work<'a> {
    request: &'a RunRequest,
    snapshot: &'a Snapshot,
    unit_names: &'a [String],
    /// Names of the scenarios, the base case first.
    scenarios: &'a [String],
    /// The margins of some accounts, one chunk a scenario.
    compute: &'a (dyn Fn(Range<usize>) -> Result<Vec<Chunk>> + Sync),
    progress: &'a dyn Progress,
}

/// One chunk, ready to be appended.
struct Part {
    accounts: Encoded,
    risk_units: Encoded,
    at_risk: Vec<AtRisk>,
    tally: Tally,
}

/// The two large tables, written, and what was gathered on the way.
struct Margined {
    files: [OutputFile; 2],
    at_risk: Vec<AtRisk>,
    tally: Tally,
}

impl Work<'_> {
    fn write(&self, folder: OutputFolder, mut timings: Timings) -> Result<RunOutcome> {
        let clock = Instant::now();
        let book = &self.snapshot.book;
        self.progress.stage("compute", "accounts", book.len() as u64);
        let Margined { files, mut at_risk, tally } = self.margin_all(folder.path(), &mut timings.append)?;
        let Self { request, snapshot, unit_names, scenarios, progress, .. } = *self;
        let searched = Searched { market: &snapshot.market, rules: &request.rules.rules, book, progress };
        let distances = distances::write(folder.path(), request.format, request.distance, searched, &mut at_risk)?;
        timings.compute = clock.elapsed();

        let clock = Instant::now();
        self.progress.stage("write", "files", 0);
        self.progress.check()?;
        let mut summary = tally.summary(snapshot, &request.rules, unit_names, at_risk.len())?;
        summary.scenarios = scenarios.len() as u64;
        let mut outputs = Vec::from(files);
        outputs.extend(at_risk::write(
            folder.path(),
            at_risk,
            book,
            Names { units: unit_names, scenarios },
            request.format,
        )?);
        outputs.extend(distances);
        outputs.push(rejects::write(folder.path(), &snapshot.rejects, request.format)?);
        outputs.push(encode::write_bytes(folder.path(), "summary.json", &summary.to_json()?)?);
        self.progress.check()?;
        timings.finish = clock.elapsed();

        let provenance = Provenance {
            command_line: &request.command_line,
            snapshot_dir: &request.snapshot,
            snapshot,
            rules: &request.rules,
            timings: &timings,
        };
        manifest::write(&folder, &provenance, &outputs)?;
        folder.publish()?;
        timings.finish = clock.elapsed();

        let rows_in = snapshot.tables.iter().map(|table| table.rows_in).sum();
        let too_many_rejects = request.max_rejects.exceeded(summary.rejects.broken, rows_in);
        Ok(RunOutcome { summary, too_many_rejects, timings })
    }

    fn margin_all(&self, folder: &Path, append: &mut Duration) -> Result<Margined> {
        let format = self.request.format;
        let (accounts_encoder, mut accounts) = encode::create(folder, &ACCOUNTS, format)?;
        let (units_encoder, mut risk_units) = encode::create(folder, &RISK_UNITS, format)?;
        let mut at_risk = Vec::new();
        let mut tally = Tally::default();
        let book = &self.snapshot.book;
        parallel::in_order(
            book.len().div_ceil(self.chunk_accounts()),
            rayon::current_num_threads() * 2,
            |task| self.part(book, task, &accounts_encoder, &units_encoder),
            |part: Part| {
                let clock = Instant::now();
                accounts.append(part.accounts)?;
                risk_units.append(part.risk_units)?;
                at_risk.extend(part.at_risk);
                tally.merge(&part.tally);
                *append += clock.elapsed();
                Ok(())
            },
        )?;
        let clock = Instant::now();
        let files = [accounts.finish()?, risk_units.finish()?];
        *append += clock.elapsed();
        Ok(Margined { files, at_risk, tally })
    }

    /// A chunk has as many rows, whatever the number of scenarios.
    fn chunk_accounts(&self) -> usize {
        (CHUNK_ACCOUNTS / self.scenarios.len().max(1)).max(1)
    }

    fn part(&self, book: &Book, task: usize, accounts: &Encoder, risk_units: &Encoder) -> Result<Part> {
        self.progress.check()?;
        let size = self.chunk_accounts();
        let range = task * size..book.len().min((task + 1) * size);
        let chunks = (self.compute)(range.clone())?;
        let is_whole = |chunk: &Chunk| {
            (chunk.first_account, chunk.accounts.len(), chunk.unit_end.len()) == (range.start, range.len(), range.len())
        };
        let (Some(base), true) = (chunks.first(), chunks.len() == self.scenarios.len() && chunks.iter().all(is_whole))
        else {
            return Err(Error::Runtime(format!("the margins of accounts {range:?} are not complete")));
        };
        let tally = Tally::of(base, self.unit_names.len());
        let at_risk =
            chunks.iter().enumerate().flat_map(|(scenario, chunk)| at_risk::select(chunk, scenario)).collect();
        let rows = by_account(chunks);
        let part = Part {
            accounts: accounts.encode(accounts_batch(&rows, book, self.scenarios)?)?,
            risk_units: risk_units.encode(risk_units_batch(&rows, book, self.unit_names, self.scenarios)?)?,
            at_risk,
            tally,
        };
        self.progress.advance(range.len() as u64);
        Ok(part)
    }
}

#[cfg(test)]
mod tests;
