//! The end-of-day run: a snapshot in, the margin of every account out.
//!
//! ```text
//! OpenBook::open -> Market                             read
//! engine::price                                        price
//! pieces of 16,384 accounts, on all threads:           compute
//!     rows -> Book of the piece                          ahead of its turn, see [`crate::engine::OpenBook`]
//!     engine::chunk -> columns -> encoded bytes,
//!     at-risk rows, counts and sums
//!   appended in order by one thread                      (append)
//! at_risk, rejects, summary.json, report.html, manifest.json   finish
//! rename
//! ```
//!
//! A few row groups and a few pieces are in memory at once, and the at-risk rows, if the tables are Parquet whose rows
//! ascend by account id. Every file has the same bytes from every source and under every memory limit.

use crate::Result;
use crate::book::{Book, Grouping};
use crate::distance::tables::{self as distances, Searched};
use crate::engine::lanes::Width;
use crate::engine::{Memory, OpenBook};
use crate::limits::{self, Checked, Command, Limits, Written};
use crate::market::Market;
use crate::market::scenario::Scenario;
use crate::memory::{BOOK_ROW, Need};
use crate::page::{self, AtRiskRow, Blame, Drill, Groups, Identity, Page};
use crate::progress::Progress;
use crate::publish::hashed::write_bytes;
use crate::publish::manifest::{self, Provenance};
use crate::publish::recorded::{Recorded, absolute};
use crate::publish::{OutputFile, OutputFolder, Published};
use crate::request::{DistanceScope, OutputRequest, SnapshotRequest};
use crate::rules::LoadedRules;
use crate::snapshot::stream::{Currencies, Cut};
use crate::snapshot::{self, InputFile, LoadOptions};
use crate::source::beside_bytes;
use crate::tables;
use crate::tables::rejects;
use crate::totals::Summary;
use crate::totals::at_risk::{self, Names};
use crate::totals::before::{Previous, TrendPoint};
use crate::totals::flagged::flag;
use crate::totals::footprint::bear;
use crate::totals::group_list;
use crate::totals::netting_summary::NettingSummary;
use crate::totals::spread::{Floor, Spread};
use before::SUMMARY;
use margins::{Margins, Rows};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use writer::{Encoders, Margined, Part, Writer, whole};

mod before;
pub(crate) mod margins;
pub mod netting;
mod recorded;
mod writer;

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
    /// How accounts are put together, by attributes in the table `accounts`; at first not at all.
    pub groups: Vec<Grouping>,
    /// The accounts of each group of this grouping are also margined as one: it is one of `groups`, or is added to
    /// them. At first none.
    pub net_by: Option<Grouping>,
    /// Limits that figures are compared with: the table `breaches` is written, and accounts are put together by the
    /// groupings that rules name. At first none.
    pub limits: Option<Limits>,
    /// Folder of an earlier run: the summary and the page say what has changed since, and why. At first none.
    pub previous: Option<PathBuf>,
    /// A history that the run is added to, `NAME.parquet`: the page shows the last runs in it. At first none.
    pub history: Option<PathBuf>,
    pub(crate) given: Given,
}

/// What a run that is computed again takes over from the first time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// The change against an earlier run, for where that run or its snapshot is not there any more.
    pub previous: Option<Box<Previous>>,
    /// The last runs of a history.
    pub trend: Vec<TrendPoint>,
}

impl RunRequest {
    /// A run of a snapshot into a folder under these rules.
    pub fn new(snapshot: impl Into<SnapshotRequest>, output: impl Into<OutputRequest>, rules: LoadedRules) -> Self {
        let (snapshot, output) = (snapshot.into().under(&rules), output.into());
        let (shocks, distance, given) = (None, DistanceScope::None, Given::default());
        let (groups, net_by, limits, previous, history) = (Vec::new(), None, None, None, None);
        Self { snapshot, output, rules, shocks, distance, groups, net_by, limits, previous, history, given }
    }

    /// Adds the scenarios of a table `shocks`.
    #[must_use]
    pub fn with_shocks(mut self, table: impl Into<PathBuf>) -> Self {
        self.shocks = Some(table.into());
        self
    }

    /// Compares with the run in a folder.
    #[must_use]
    pub fn with_previous(mut self, run: impl Into<PathBuf>) -> Self {
        self.previous = Some(run.into());
        self
    }

    /// Adds the run to a history.
    #[must_use]
    pub fn with_history(mut self, file: impl Into<PathBuf>) -> Self {
        self.history = Some(file.into());
        self
    }

    /// Says whose distances from liquidation to search.
    #[must_use]
    pub fn with_distance(mut self, whose: DistanceScope) -> Self {
        self.distance = whose;
        self
    }

    /// Says how accounts are put together: the tables `groups`, `group_units` and `account_groups` are written.
    #[must_use]
    pub fn with_groups(mut self, groups: impl IntoIterator<Item = Grouping>) -> Self {
        self.groups = groups.into_iter().collect();
        self
    }

    /// Margins the accounts of each group also as one: the table `netting` is written.
    #[must_use]
    pub fn with_net_by(mut self, grouping: Option<Grouping>) -> Self {
        self.net_by = grouping;
        self
    }

    /// Compares figures with limits: the table `breaches` is written.
    #[must_use]
    pub fn with_limits(mut self, limits: Option<Limits>) -> Self {
        self.limits = limits;
        self
    }

    /// The groupings: those that were asked for, then what is netted and what rules name.
    fn all_groups(&self) -> Vec<Grouping> {
        let mut groups = self.groups.clone();
        groups.extend(self.net_by.iter().filter(|net_by| !self.groups.contains(net_by)).cloned());
        self.limits.iter().for_each(|limits| limits.add_groupings(&mut groups));
        groups
    }
}

/// What a run brought.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// Counts and totals.
    pub summary: Summary,
    /// So many rows are broken, more than
    /// [`SnapshotRequest::max_rejects`](crate::request::SnapshotRequest::max_rejects) tolerates (exit 4); everything is
    /// written all the same.
    pub too_many_rejects: Option<u64>,
    /// Wall time of each stage.
    pub timings: Timings,
    /// What its manifest says: identity, inputs, outputs.
    pub published: Published,
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
/// [`Error::Usage`](crate::Error::Usage) or [`Error::Refused`](crate::Error::Refused) if the folder cannot be written
/// to (before anything is read); [`Error::Invalid`](crate::Error::Invalid) if the snapshot is invalid or older than the
/// rules; [`Error::Io`](crate::Error::Io) and [`Error::Runtime`](crate::Error::Runtime) if writing fails;
/// [`Error::Interrupted`](crate::Error::Interrupted). With an error nothing is left behind.
pub fn run(request: &RunRequest, progress: &dyn Progress) -> Result<RunOutcome> {
    let groups = request.all_groups();
    if groups.len() > request.groups.len() {
        let outcome = run(&RunRequest { groups, ..request.clone() }, progress);
        let asked: Vec<Grouping> = request.groups.iter().chain(&request.net_by).cloned().collect();
        return outcome.map_err(|error| match &request.limits {
            Some(limits) => limits.blame(&asked, error),
            None => error,
        });
    }
    Grouping::check_distinct(&request.groups)?;
    request.limits.iter().try_for_each(|limits| limits.check_for(Command::Run, |_| true))?;
    let others = request.shocks.iter().chain(&request.previous);
    let mut inputs: Vec<&Path> = std::iter::once(&request.snapshot.dir).chain(others).map(PathBuf::as_path).collect();
    inputs.extend(request.rules.read_from());
    inputs.extend(request.limits.as_ref().map(Limits::file));
    let before = before::check(request, progress)?;
    let folder = OutputFolder::create(&request.output.dir, request.output.force, &inputs)?;
    let clock = Instant::now();
    let options = LoadOptions {
        default_spot_offset: request.rules.rules.default_spot_offset,
        expectations: &request.snapshot.expectations,
        progress,
    };
    let memory = Memory::new(request.snapshot.memory_limit, Need::ROWS, Some(folder.path()));
    let (dir, groups) = (&request.snapshot.dir, &request.groups);
    let mut book = OpenBook::open_grouped(dir, Currencies::Priced, groups, memory, &options)?;
    if !request.snapshot.allow_rules_date {
        request.rules.check_date(book.as_of_ns())?;
    }
    let (scenarios, more_inputs) = scenarios(request, book.market(), progress)?;
    bound(request, &mut book, scenarios.len())?;
    book.ready()?;
    let market = book.market().clone();
    let job = Job::new((request, before), &market, (scenarios, more_inputs), clock, progress)?;
    let margined = job.margin(&mut book, &folder)?;
    drop(book);
    job.finish(margined, folder)
}

/// Tells the book what else is in memory. All scenarios are priced at once, so that an account's rows stand together.
fn bound(request: &RunRequest, book: &mut OpenBook, scenarios: usize) -> Result<()> {
    let mut need = Need::ROWS.keeping(beside_bytes(&request.output.dir));
    if request.distance == DistanceScope::All || request.net_by.is_some() {
        // Distances are searched, and groups netted, when all is margined: the book is kept until then.
        need = need.keeping(book.rows().saturating_mul(BOOK_ROW));
    }
    bear(book, need, scenarios, "; `remargin stress` takes a few at a time")
}

/// A market, priced in all scenarios; what comes after is accounts.
struct Job<'a> {
    request: &'a RunRequest,
    /// The manifest of the earlier run.
    before: Option<Recorded>,
    margins: Margins<'a>,
    /// Files beside the snapshot's own.
    more_inputs: Vec<InputFile>,
    read: Duration,
    price: Duration,
    /// What the spreads of all parts share.
    floor: Floor,
    progress: &'a dyn Progress,
}

impl<'a> Job<'a> {
    fn new(
        (request, before): (&'a RunRequest, Option<Recorded>),
        market: &Market,
        (scenarios, more_inputs): (Vec<Scenario>, Vec<InputFile>),
        clock: Instant,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        let rules = &request.rules.rules;
        let read = clock.elapsed();
        let clock = Instant::now();
        let margins = Margins::price(market, scenarios, rules, progress)?;
        Ok(Self {
            request,
            before,
            margins,
            more_inputs,
            read,
            price: clock.elapsed(),
            floor: Floor::default(),
            progress,
        })
    }

    /// Margins all accounts.
    fn margin(&self, book: &mut OpenBook, folder: &OutputFolder) -> Result<Margined> {
        let clock = Instant::now();
        let (rows, budget) = (book.rows(), book.budget());
        let start = || {
            folder.clear()?;
            self.progress.stage("compute", "rows", rows);
            Writer::create(folder.path(), self.request, &budget)
        };
        let cut = Cut::Known(self.margins.piece_accounts());
        let (writer, snapshot) =
            book.pass(cut, start, |encoders, piece| self.part(&piece.book, encoders), Writer::append)?;
        writer.finish(snapshot, clock)
    }

    fn part(&self, book: &Book, encoders: &Encoders) -> Result<Part> {
        let units = self.margins.unit_names().len();
        let mut spread = Spread::new(units, &self.request.rules.rules.status, &self.floor);
        let mut drill = Drill::default();
        let rows = self.margins.rows(book, |base, at_risk, _| {
            spread.count(base);
            if self.request.output.report {
                drill.offer(base, at_risk, book);
            }
        })?;
        spread.finish(book);
        let Rows { accounts, risk_units, mut at_risk, tally, groups } = rows;
        let flagged = flag(book, self.request.distance, &mut at_risk)?;
        Ok(Part {
            accounts: encoders.accounts.encode(&accounts)?,
            risk_units: encoders.risk_units.encode(&risk_units)?,
            at_risk,
            flagged,
            whole: self.request.net_by.is_some().then(|| whole(book)).transpose()?,
            tally,
            spread,
            drill,
            groups: encoders.groups(book, groups)?,
        })
    }

    /// Everything after the accounts.
    fn finish(&self, margined: Margined, folder: OutputFolder) -> Result<RunOutcome> {
        let Margined {
            mut snapshot,
            tables,
            mut at_risk,
            flagged,
            whole,
            tally,
            spread,
            drill,
            groups,
            compute,
            append,
        } = margined;
        let Self { request, margins, progress, .. } = self;
        let (unit_names, scenarios) = (margins.unit_names(), margins.scenarios());
        snapshot.inputs.extend(self.more_inputs.iter().cloned());
        let mut timings = Timings { read: self.read, price: self.price, compute, append, ..Timings::default() };
        let clock = Instant::now();
        let limit = request.snapshot.memory_limit;
        let searched = Searched {
            market: &snapshot.market,
            rules: &request.rules.rules,
            book: &flagged,
            room: limit.spare(0, rayon::current_num_threads(), Need::ROWS) / 2,
            width: Width::best(),
            progress: *progress,
        };
        let distances =
            distances::write(folder.path(), request.output.format, request.distance, searched, &mut at_risk)?;
        timings.compute += clock.elapsed();

        let clock = Instant::now();
        progress.stage("write", "rows", 0);
        progress.check()?;
        let mut summary = tally.summary(&snapshot, &request.rules, unit_names, &spread)?;
        summary.scenarios = scenarios.len() as u64;
        summary.label.clone_from(&request.output.label);
        let names = Names { units: unit_names, scenarios };
        at_risk::sort(&mut at_risk);
        let groups = groups.totals(&request.groups, names);
        group_list::tell(&groups, &mut summary)?;
        // The large files wait for the disk, the others compute.
        let (large, small) = rayon::join(
            || tables.finish(),
            || -> Result<(Vec<OutputFile>, Option<NettingSummary>)> {
                let mut of_netting = None;
                let mut files =
                    tables::at_risk::write(folder.path(), &at_risk, &flagged, names, request.output.format)?;
                files.extend(distances);
                files.extend(rejects::write(folder.path(), &snapshot.rejects, request.output.format)?);
                if !request.groups.is_empty() {
                    files.extend(tables::groups::write(folder.path(), &groups, request.output.format)?);
                    if let (Some(by), Some(book)) = (&request.net_by, &whole) {
                        let netted = (&snapshot.market, book);
                        let (file, found) = netting::write(folder.path(), request, by, netted, &groups)?;
                        files.push(file);
                        of_netting = Some(found);
                    }
                }
                Ok((files, of_netting))
            },
        );
        let (mut outputs, (small, of_netting)) = (large?, small?);
        outputs.extend(small);
        summary.netting = of_netting;
        if let Some(limits) = &request.limits {
            let (folder, format, command) = (folder.path(), request.output.format, Command::Run);
            let left_out = &snapshot.unmargined;
            let Checked { file, summary: of_limits } =
                limits::check(limits, Written { folder, format, command, left_out, progress: *progress })?;
            outputs.push(file);
            summary.limits = Some(of_limits);
        }
        let provenance = Provenance::new(
            &request.snapshot,
            &request.output,
            &request.rules,
            &snapshot,
            &timings,
            Some(request.recorded(self.before.as_ref())?),
        );
        let rows = before::tell(
            (request, self.before.as_ref()),
            &folder,
            &provenance,
            &mut summary,
            &outputs,
            &groups,
            *progress,
        )?;
        outputs.push(write_bytes(folder.path(), SUMMARY, &summary.to_json()?)?);
        if request.output.report {
            let identity = Identity::of_run(&summary.as_of, &request.rules, &snapshot.inputs, &outputs)
                .labelled(request.output.label.as_deref());
            let rows = AtRiskRow::head(&at_risk, &flagged, names);
            let ids = AtRiskRow::ids(&rows);
            let members = page::groups::members(&ids, &at_risk, &flagged, &request.groups);
            let groups = Groups::read(folder.path(), &ids, Some(members), *progress)?;
            let limits = page::Limits::read(folder.path(), summary.limits.as_ref(), *progress)?;
            let netting = page::Netting::read(folder.path(), summary.netting.as_ref(), *progress)?;
            let page = Page::new(identity, &summary, None)
                .with_groups(groups)
                .with_netting(netting)
                .with_limits(limits)
                .with_blame(&Blame::of_run(&snapshot.unmargined))
                .with_at_risk(rows, Some(drill.by_account()), unit_names);
            outputs.push(page::write(folder.path(), &page)?);
        }
        progress.check()?;
        let written = Timings { finish: clock.elapsed(), ..timings };
        let provenance = Provenance { timings: &written, ..provenance };
        let published = manifest::write(&folder, &provenance, &outputs)?;
        folder.publish()?;
        before::add(request, &rows, *progress)?;
        timings.finish = clock.elapsed();
        let accounts = summary.accounts.margined;
        tracing::info!(accounts, seconds = timings.total().as_secs_f64(), "the accounts are margined");

        let too_many_rejects = snapshot.too_many_rejects(request.snapshot.max_rejects);
        Ok(RunOutcome { summary, too_many_rejects, timings, published })
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

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
