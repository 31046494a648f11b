//! The end-of-day run: a snapshot in, the margin of every account out.
//!
//! ```text
//! Stream::open -> Market                               read
//! recompute::price                                     price
//! pieces of 16,384 accounts, on all threads:           compute
//!     row groups -> Book of the piece                    decoded and merged ahead of their turn
//!     recompute::chunk -> columns -> encoded bytes,
//!     at-risk rows, counts and sums
//!   appended in order by one thread                      (append)
//! at_risk, rejects, summary.json, report.html, manifest.json   finish
//! rename
//! ```
//!
//! A few row groups and a few pieces are in memory at once, and the at-risk rows. That holds for Parquet tables whose
//! rows ascend by account id. Other snapshots are read whole if they fit [`RunRequest::memory_limit`], and are brought
//! to disk and sorted there if they do not. Every file has the same bytes either way.

use crate::book::{Book, BookBuilder};
use crate::distance::tables::{self as distances, Searched};
use crate::market::Market;
use crate::market::scenario::Scenario;
use crate::page::{self, AtRiskRow, Drill, Identity, Page};
use crate::progress::Progress;
use crate::publish::hashed::write_bytes;
use crate::publish::manifest::{self, Provenance};
use crate::publish::recorded::absolute;
use crate::publish::{OutputFile, OutputFolder};
use crate::request::{DistanceScope, OutputRequest, SnapshotRequest};
use crate::rules::LoadedRules;
use crate::snapshot::stream::{Spill, Stream, Window};
use crate::snapshot::{self, InputFile, LoadOptions, Snapshot};
use crate::tables;
use crate::tables::columns::{ACCOUNTS, RISK_UNITS};
use crate::tables::encode::{self, Encoded, Encoder, TableFile};
use crate::tables::rejects;
use crate::totals::Summary;
use crate::totals::at_risk::{self, AtRisk, Names};
use crate::totals::spread::{Floor, Spread};
use crate::totals::summary::Tally;
use crate::{Error, Result, parallel};
use margins::{Margins, Rows, pieces};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) mod margins;
mod recorded;

pub use crate::publish::manifest::Timings;
pub use crate::snapshot::Expectations;
pub use crate::snapshot::MaxRejects;
pub use crate::source::Format;

/// What to run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunRequest {
    /// The snapshot.
    pub snapshot: SnapshotRequest,
    /// Where the run goes.
    pub output: OutputRequest,
    /// The rules.
    pub rules: LoadedRules,
    /// Price scenarios beside the base case, as a table `shocks`; each adds rows for every account. At first none.
    pub shocks: Option<PathBuf>,
    /// Whose distances from liquidation to search, in the market as it is; at first nobody's.
    pub distance: DistanceScope,
}

impl RunRequest {
    /// A run of a snapshot into a folder under these rules.
    pub fn new(snapshot: impl Into<SnapshotRequest>, output: impl Into<OutputRequest>, rules: LoadedRules) -> Self {
        let (snapshot, output) = (snapshot.into(), output.into());
        Self { snapshot, output, rules, shocks: None, distance: DistanceScope::None }
    }

    /// Adds the scenarios of a table `shocks`.
    #[must_use]
    pub fn with_shocks(mut self, table: impl Into<PathBuf>) -> Self {
        self.shocks = Some(table.into());
        self
    }

    /// Says whose distances from liquidation to search.
    #[must_use]
    pub fn with_distance(mut self, whose: DistanceScope) -> Self {
        self.distance = whose;
        self
    }
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
/// ```
/// use remargin::progress::Silent;
/// use remargin::run::{RunRequest, run};
/// let dir = tempfile::tempdir().unwrap();
/// let mut request = RunRequest::new("data/sample", dir.path().join("out"), remargin::rules::load(None, &[])?);
/// request.output.report = false;
/// let outcome = run(&request, &Silent)?;
/// assert_eq!(outcome.summary.accounts.margined, 300);
/// assert!(dir.path().join("out/manifest.json").is_file());
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Usage`] or [`Error::Refused`] if the folder cannot be written to (before anything is read); [`Error::Invalid`] if the snapshot is
/// invalid or older than the rules; [`Error::Io`] and [`Error::Runtime`] if writing fails; [`Error::Interrupted`].
/// With an error nothing is left behind.
pub fn run(request: &RunRequest, progress: &dyn Progress) -> Result<RunOutcome> {
    let inputs: Vec<&Path> =
        std::iter::once(&request.snapshot.dir).chain(&request.shocks).map(PathBuf::as_path).collect();
    let folder = OutputFolder::create(&request.output.dir, request.output.force, &inputs)?;
    let clock = Instant::now();
    let options = LoadOptions {
        default_spot_offset: request.rules.rules.default_spot_offset,
        expectations: &request.snapshot.expectations,
        progress,
    };
    let (limit, threads) = (request.snapshot.memory_limit, rayon::current_num_threads());
    if let Some(stream) = Stream::open(&request.snapshot.dir, None, &options)? {
        match limit.window(stream.largest_row_groups(), threads) {
            None => tracing::info!("the row groups are too large for the memory limit"),
            Some(window) => {
                check_date(request, stream.as_of_ns())?;
                let job = Job::new(request, stream.market(), clock, progress)?;
                if let Some(margined) = job.margin_stream(stream, window, folder.path(), &options)? {
                    return job.finish(margined, folder);
                }
                folder.clear()?;
                tracing::info!("the tables are not sorted by account id");
            }
        }
    }
    if limit.holds(snapshot::weigh(&request.snapshot.dir)?, threads) {
        let snapshot = snapshot::load(&request.snapshot.dir, &options)?;
        check_date(request, snapshot.as_of_ns)?;
        let job = Job::new(request, &snapshot.market, clock, progress)?;
        let margined = job.margin_loaded(snapshot, folder.path())?;
        return job.finish(margined, folder);
    }
    tracing::info!("the book is larger than the memory limit: it is brought to disk and sorted there");
    let too_small = || limit.exceeded("the book cannot be sorted in ranges small enough");
    let spill = Spill { place: folder.path(), rows: limit.sorted_rows(threads) };
    let stream = Stream::open(&request.snapshot.dir, Some(spill), &options)?.ok_or_else(too_small)?;
    let window = limit.sorting_window(stream.largest_row_groups(), threads).ok_or_else(too_small)?;
    check_date(request, stream.as_of_ns())?;
    let job = Job::new(request, stream.market(), clock, progress)?;
    let unsorted = || Error::Runtime("tables that were sorted on disk are not sorted".into());
    let margined = job.margin_stream(stream, window, folder.path(), &options)?.ok_or_else(unsorted)?;
    job.finish(margined, folder)
}

fn check_date(request: &RunRequest, as_of_ns: i64) -> Result<()> {
    if request.snapshot.allow_rules_date { Ok(()) } else { request.rules.check_date(as_of_ns) }
}

/// A market, priced in all scenarios; what comes after is accounts.
struct Job<'a> {
    request: &'a RunRequest,
    margins: Margins<'a>,
    /// Files beside the snapshot's own.
    more_inputs: Vec<InputFile>,
    read: Duration,
    price: Duration,
    /// What the spreads of all parts share.
    floor: Floor,
    progress: &'a dyn Progress,
}

/// What became of some consecutive accounts, ready to be appended.
struct Part {
    accounts: Encoded,
    risk_units: Encoded,
    /// Their accounts are those of `flagged`.
    at_risk: Vec<AtRisk>,
    flagged: Book,
    tally: Tally,
    spread: Spread,
    drill: Drill,
}

/// All accounts, margined: the two large tables are written, the rest is gathered.
struct Margined {
    /// Its book is empty or not used any more.
    snapshot: Snapshot,
    /// Whole but for what comes at their ends.
    tables: [TableFile; 2],
    at_risk: Vec<AtRisk>,
    flagged: Book,
    tally: Tally,
    spread: Spread,
    drill: Drill,
    compute: Duration,
    append: Duration,
}

impl<'a> Job<'a> {
    fn new(request: &'a RunRequest, market: &Market, clock: Instant, progress: &'a dyn Progress) -> Result<Self> {
        let rules = &request.rules.rules;
        let (scenarios, more_inputs) = scenarios(request, market, progress)?;
        let read = clock.elapsed();
        let clock = Instant::now();
        let margins = Margins::price(market, scenarios, rules, progress)?;
        Ok(Self { request, margins, more_inputs, read, price: clock.elapsed(), floor: Floor::default(), progress })
    }

    /// Margins accounts while they are read. `None` if they do not come in order.
    fn margin_stream(
        &self,
        stream: Stream,
        window: Window,
        folder: &Path,
        options: &LoadOptions,
    ) -> Result<Option<Margined>> {
        let clock = Instant::now();
        self.progress.stage("compute", "rows", stream.rows());
        let (encoders, mut writer) = Writer::create(folder, self.request.output.format)?;
        let work = |book: Book| self.part(&book, 0..book.len(), &encoders);
        let read = stream.run(self.margins.piece_accounts(), window, options, work, |part| writer.append(part))?;
        read.map(|snapshot| writer.finish(snapshot, clock)).transpose()
    }

    /// Margins the accounts of a book.
    fn margin_loaded(&self, mut snapshot: Snapshot, folder: &Path) -> Result<Margined> {
        let clock = Instant::now();
        let book = std::mem::take(&mut snapshot.book);
        self.progress.stage("compute", "accounts", book.len() as u64);
        let pieces = pieces(&book, &snapshot.unmargined, self.margins.piece_accounts());
        let (encoders, mut writer) = Writer::create(folder, self.request.output.format)?;
        parallel::in_order(
            pieces.len(),
            rayon::current_num_threads() * 2,
            |task| {
                let part = self.part(&book, pieces[task].clone(), &encoders)?;
                self.progress.advance(pieces[task].len() as u64);
                Ok(part)
            },
            |part| writer.append(part),
        )?;
        writer.finish(snapshot, clock)
    }

    fn part(&self, book: &Book, range: Range<usize>, encoders: &[Encoder; 2]) -> Result<Part> {
        let units = self.margins.unit_names().len();
        let mut spread = Spread::new(units, &self.request.rules.rules.status, &self.floor);
        let mut drill = Drill::default();
        let rows = self.margins.rows(book, range.clone(), |base, at_risk| {
            spread.count(base);
            if self.request.output.report {
                drill.offer(base, at_risk, book);
            }
        })?;
        spread.finish(book);
        let Rows { accounts, risk_units, mut at_risk, tally } = rows;
        let flagged = self.flag(book, range, &mut at_risk)?;
        let [accounts_encoder, units_encoder] = encoders;
        Ok(Part {
            accounts: accounts_encoder.encode(&accounts)?,
            risk_units: units_encoder.encode(&risk_units)?,
            at_risk,
            flagged,
            tally,
            spread,
            drill,
        })
    }

    /// The accounts that will be looked at once more, as a book; `at_risk` refers to it from now on. Their rows come
    /// with them only if distances will be searched.
    fn flag(&self, book: &Book, range: Range<usize>, at_risk: &mut [AtRisk]) -> Result<Book> {
        let mut builder = BookBuilder::default();
        let accounts: Vec<usize> = match self.request.distance {
            DistanceScope::All => range.collect(),
            DistanceScope::AtRisk | DistanceScope::None => {
                let mut accounts: Vec<usize> = at_risk.iter().map(|row| row.account).collect();
                accounts.sort_unstable();
                accounts.dedup();
                accounts
            }
        };
        for &account in &accounts {
            if self.request.distance == DistanceScope::None {
                builder.finish_account(book.accounts().get(account), book.spot_offset()[account]);
            } else {
                builder.copy_account(book, account);
            }
        }
        for row in at_risk {
            row.account = accounts.partition_point(|&account| account < row.account);
        }
        builder.build()
    }

    /// Everything after the accounts.
    fn finish(&self, margined: Margined, folder: OutputFolder) -> Result<RunOutcome> {
        let Margined { mut snapshot, tables, mut at_risk, flagged, tally, spread, drill, compute, append } = margined;
        let Self { request, margins, progress, .. } = self;
        let (unit_names, scenarios) = (margins.unit_names(), margins.scenarios());
        snapshot.inputs.extend(self.more_inputs.iter().cloned());
        let mut timings = Timings { read: self.read, price: self.price, compute, append, ..Timings::default() };
        let clock = Instant::now();
        let searched =
            Searched { market: &snapshot.market, rules: &request.rules.rules, book: &flagged, progress: *progress };
        let distances =
            distances::write(folder.path(), request.output.format, request.distance, searched, &mut at_risk)?;
        timings.compute += clock.elapsed();

        let clock = Instant::now();
        progress.stage("write", "files", 0);
        progress.check()?;
        let mut summary = tally.summary(&snapshot, &request.rules, unit_names, at_risk.len(), &spread)?;
        summary.scenarios = scenarios.len() as u64;
        let names = Names { units: unit_names, scenarios };
        at_risk::sort(&mut at_risk);
        // The large files wait for the disk, the others compute.
        let [accounts, risk_units] = tables;
        let ((large, more), small) = rayon::join(
            || rayon::join(|| accounts.finish(), || risk_units.finish()),
            || -> Result<Vec<OutputFile>> {
                let mut files =
                    tables::at_risk::write(folder.path(), &at_risk, &flagged, names, request.output.format)?;
                files.extend(distances);
                files.push(rejects::write(folder.path(), &snapshot.rejects, request.output.format)?);
                files.push(write_bytes(folder.path(), "summary.json", &summary.to_json()?)?);
                Ok(files)
            },
        );
        let mut outputs = vec![large?, more?];
        outputs.extend(small?);
        if request.output.report {
            let identity = Identity::of_run(&summary.as_of, &request.rules, &snapshot.inputs, &outputs);
            let rows = AtRiskRow::head(&at_risk, &flagged, names);
            let page = Page::new(identity, &summary, None).with_at_risk(rows, Some(drill.by_account()), unit_names);
            outputs.push(page::write(folder.path(), &page)?);
        }
        progress.check()?;
        timings.finish = clock.elapsed();

        let provenance = Provenance::new(
            &request.snapshot,
            &request.output,
            &request.rules,
            &snapshot,
            &timings,
            Some(request.recorded()?),
        );
        manifest::write(&folder, &provenance, &outputs)?;
        folder.publish()?;
        timings.finish = clock.elapsed();
        let accounts = summary.accounts.margined;
        tracing::info!(accounts, seconds = timings.total().as_secs_f64(), "the accounts are margined");

        let rows_in = snapshot.tables.iter().map(|table| table.rows_in).sum();
        let too_many_rejects = request.snapshot.max_rejects.exceeded(summary.rejects.broken, rows_in);
        Ok(RunOutcome { summary, too_many_rejects, timings })
    }
}

/// The base case and the scenarios that the request names, and the files that they come from.
fn scenarios(
    request: &RunRequest,
    market: &Market,
    progress: &dyn Progress,
) -> Result<(Vec<Scenario>, Vec<InputFile>)> {
    let Some(shocks) = &request.shocks else {
        if let Some(unused) = snapshot::find_shocks(&request.snapshot.dir)? {
            tracing::warn!(
                "`{}` is not used: a run takes shocks only if it is asked to, a stress uses it",
                unused.display()
            );
        }
        return Ok((vec![Scenario::base()], Vec::new()));
    };
    let (scenarios, mut inputs) = snapshot::read_shocks(shocks, market, progress)?;
    for input in &mut inputs {
        input.path = absolute(&input.path)?.into();
    }
    Ok((crate::market::scenario::with_base(market, scenarios)?, inputs))
}

/// The two large tables while they are written, and what is gathered beside them.
struct Writer {
    tables: [TableFile; 2],
    at_risk: Vec<AtRisk>,
    flagged: BookBuilder,
    flagged_accounts: usize,
    tally: Tally,
    spread: Spread,
    drill: Drill,
    append: Duration,
}

impl Writer {
    fn create(folder: &Path, format: Format) -> Result<([Encoder; 2], Self)> {
        let (accounts_encoder, accounts) = encode::create(folder, &ACCOUNTS, format)?;
        let (units_encoder, risk_units) = encode::create(folder, &RISK_UNITS, format)?;
        let writer = Self {
            tables: [accounts, risk_units],
            at_risk: Vec::new(),
            flagged: BookBuilder::default(),
            flagged_accounts: 0,
            tally: Tally::default(),
            spread: Spread::default(),
            drill: Drill::default(),
            append: Duration::ZERO,
        };
        Ok(([accounts_encoder, units_encoder], writer))
    }

    fn append(&mut self, part: Part) -> Result<()> {
        let clock = Instant::now();
        let [accounts, risk_units] = &mut self.tables;
        accounts.append(part.accounts)?;
        risk_units.append(part.risk_units)?;
        let first = self.flagged_accounts;
        self.at_risk.extend(part.at_risk.into_iter().map(|row| AtRisk { account: first + row.account, ..row }));
        for account in 0..part.flagged.len() {
            self.flagged.copy_account(&part.flagged, account);
        }
        self.flagged_accounts += part.flagged.len();
        self.tally.merge(&part.tally);
        self.spread.merge(&part.spread);
        self.drill.merge(part.drill);
        self.append += clock.elapsed();
        Ok(())
    }

    fn finish(self, snapshot: Snapshot, clock: Instant) -> Result<Margined> {
        Ok(Margined {
            snapshot,
            tables: self.tables,
            at_risk: self.at_risk,
            flagged: self.flagged.build()?,
            tally: self.tally,
            spread: self.spread,
            drill: self.drill,
            compute: clock.elapsed(),
            append: self.append,
        })
    }
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
