//! Price scenarios over every account: `remargin stress`.
//!
//! ```text
//! OpenBook::open -> Market
//! shocks, grids, words, presets -> scenarios                 base first
//! for every few scenarios, as many as memory allows:
//!     scenario::apply, engine::price                         one re-priced table a scenario
//!     one pass over the pieces of the book: engine::chunk    in the base case and in each scenario
//!     counts, sums, worst scenario, at-risk rows             merged in order of piece and scenario
//! tables, summary.json, report.html, manifest.json, rename
//! ```
//!
//! With one pass nothing is kept of an account but its id and its rows at risk; with several its worst scenario so far
//! as well, and every pass margins the base case again. With [`Detail::All`] there is one pass: the rows of an account
//! stand together, as in a run. Pieces are then smaller, so that totals may differ in their last bit.

mod accounts;
mod counting;
mod distribution;
mod family;
mod gather;
pub(crate) mod in_parts;
mod pass;
mod plan;
mod recorded;
mod risk_table;
mod sources;
pub(crate) mod summary;
pub(crate) mod tables;
mod text;
mod words;
mod worst;

pub use crate::tables::stress::columns;
pub(crate) use crate::tables::stress::{rows, stats};
pub use family::{Axis, MOST_GRID_POINTS, Preset, grid, parse_axes, parse_scenario};
pub use sources::ScenarioSources;
pub use text::stress_table;

use crate::book::{Book, Grouping};
use crate::distance::tables::{self as distances, Searched};
use crate::engine::lanes::Width;
use crate::engine::{Memory, OpenBook};
use crate::limits::{self, Checked, Command, Limits, Source};
use crate::margin::priced::PricedMarket;
use crate::market::Market;
use crate::market::scenario::{self, Scenario};
use crate::memory::Need;
use crate::page::{self, AtRiskRow, Blame, Groups, Identity, Losses, Page, Scenarios};
use crate::progress::Progress;
use crate::publish::hashed::write_bytes;
use crate::publish::manifest::{self, Provenance, Timings};
use crate::publish::{OutputFile, OutputFolder, Published};
use crate::request::{DistanceScope, OutputRequest, SnapshotRequest};
use crate::rules::LoadedRules;
use crate::snapshot::stream::Currencies;
use crate::snapshot::{LoadOptions, Snapshot};
use crate::tables::columns::{ACCOUNTS, RISK_UNITS};
use crate::tables::rejects;
use crate::totals::at_risk::{self, AtRisk, Names};
use crate::totals::weighted::Weights;
use crate::{Error, Result, engine};
use distribution::BookDistribution;
use gather::Gathered;
use gather::Outcome;
use plan::{Passes, Plan};
use risk_table::RiskTable;
use rows::ScenarioRow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tables::StressTables;

pub use summary::StressSummary;

/// How much is written of each account in each scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Every account and risk unit in every scenario, as of a run.
    All,
    /// The accounts that are at risk in a scenario.
    #[default]
    AtRisk,
    /// Nothing but each account's worst scenario.
    None,
}

/// Whose figures are summed up over the scenarios: mean, quantiles and expected shortfall of MMR, equity loss and
/// shortfall. The probability of liquidation of each account is always written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Distributed {
    /// Of every account and of the book. All figures of an account must be at hand: with several passes over the book
    /// they are kept on disk, 16 bytes for each account and scenario.
    Accounts,
    /// Of the book.
    #[default]
    Book,
    /// Of nobody.
    None,
}

/// What to stress.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StressRequest {
    /// The snapshot.
    pub snapshot: SnapshotRequest,
    /// Where the stress goes.
    pub output: OutputRequest,
    /// The rules.
    pub rules: LoadedRules,
    /// The scenarios; at first those of the snapshot's own table.
    pub sources: ScenarioSources,
    /// How much is written of each account; at first what is at risk.
    pub detail: Detail,
    /// Whose figures to sum up over the scenarios; at first those of the book.
    pub distribution: Distributed,
    /// A guarantee fund, USD: how likely it suffices is said. At first none.
    pub fund_usd: Option<f64>,
    /// Whose distances from liquidation to search, in the market as it is; at first nobody's.
    pub distance: DistanceScope,
    /// How accounts are put together, by attributes in the table `accounts`; at first not at all.
    pub groups: Vec<Grouping>,
    /// Limits that figures are compared with: the table `breaches` is written, and accounts are put together by the
    /// groupings that rules name. At first none.
    pub limits: Option<Limits>,
    /// How many scenarios are computed side by side, and with which instructions: the results do not depend on it. At
    /// first what this processor does best.
    pub width: Width,
}

impl StressRequest {
    /// A stress of a snapshot into a folder under these rules.
    pub fn new(snapshot: impl Into<SnapshotRequest>, output: impl Into<OutputRequest>, rules: LoadedRules) -> Self {
        Self {
            snapshot: snapshot.into().under(&rules),
            output: output.into(),
            rules,
            sources: ScenarioSources::default(),
            detail: Detail::default(),
            distribution: Distributed::default(),
            fund_usd: None,
            distance: DistanceScope::None,
            groups: Vec::new(),
            limits: None,
            width: Width::best(),
        }
    }

    /// Says where scenarios come from.
    #[must_use]
    pub fn with_sources(mut self, sources: ScenarioSources) -> Self {
        self.sources = sources;
        self
    }

    /// Says how much is written of each account.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// Says whose figures to sum up over the scenarios.
    #[must_use]
    pub fn with_distribution(mut self, whose: Distributed) -> Self {
        self.distribution = whose;
        self
    }

    /// Asks how likely a guarantee fund of so many USD suffices.
    #[must_use]
    pub fn with_fund(mut self, usd: f64) -> Self {
        self.fund_usd = Some(usd);
        self
    }

    /// A fund is a sum of money, and its answer is part of a distribution.
    fn check_fund(&self) -> Result<()> {
        match self.fund_usd {
            Some(usd) if !(usd.is_finite() && usd >= 0.0) => {
                Err(Error::Usage(format!("a guarantee fund of {usd} USD: expected zero or more")))
            }
            Some(_) if self.distribution == Distributed::None => {
                Err(Error::Usage("whether a guarantee fund suffices is part of the distribution of the book".into()))
            }
            _ => Ok(()),
        }
    }

    /// Says whose distances from liquidation to search.
    #[must_use]
    pub fn with_distance(mut self, whose: DistanceScope) -> Self {
        self.distance = whose;
        self
    }

    /// Says how accounts are put together: `groups`, `group_units` and `account_groups` are written.
    #[must_use]
    pub fn with_groups(mut self, groups: impl IntoIterator<Item = Grouping>) -> Self {
        self.groups = groups.into_iter().collect();
        self
    }

    /// Compares figures with limits: the table `breaches` is written.
    #[must_use]
    pub fn with_limits(mut self, limits: Option<Limits>) -> Self {
        self.limits = limits;
        self
    }

    /// Refuses limits on figures that this stress does not have.
    fn check_limits(&self) -> Result<()> {
        let has = |source: Source| match source {
            Source::Distribution(..) => self.distribution != Distributed::None,
            Source::OverAccounts | Source::OverUnits => self.detail == Detail::All,
            Source::Table(table) => {
                self.detail == Detail::All || ![ACCOUNTS.name, RISK_UNITS.name].contains(&table.name)
            }
        };
        self.limits.iter().try_for_each(|limits| limits.check_for(Command::Stress, has))
    }

    /// Says how many scenarios are computed side by side.
    #[must_use]
    pub fn with_width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }
}

/// What a stress brought.
#[derive(Debug, Clone)]
pub struct StressOutcome {
    /// Counts and totals.
    pub summary: StressSummary,
    /// So many rows are broken, more than
    /// [`SnapshotRequest::max_rejects`](crate::request::SnapshotRequest::max_rejects) tolerates (exit 4); everything is
    /// written all the same.
    pub too_many_rejects: Option<u64>,
    /// Wall time of each stage.
    pub timings: Timings,
    /// What its manifest says: identity, inputs, outputs.
    pub published: Published,
}

/// Values every account of a snapshot in every scenario and writes the output folder.
///
/// ```
/// use remargin::market::scenario::Scenario;
/// use remargin::progress::Silent;
/// use remargin::stress::{StressRequest, run};
/// let dir = tempfile::tempdir().unwrap();
/// let mut request = StressRequest::new("data/sample", dir.path().join("out"), remargin::rules::load(None, &[])?);
/// request.sources.scenarios.push(Scenario::price_move("crash", "BTC", -0.3));
/// request.output.report = false;
/// let outcome = run(&request, &Silent)?;
/// assert_eq!(outcome.summary.scenarios, 2);
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// Those of [`crate::run::run`], and those of [`ScenarioSources::resolve`]. With an error nothing is left behind.
pub fn run(request: &StressRequest, progress: &dyn Progress) -> Result<StressOutcome> {
    let mut groups = request.groups.clone();
    request.limits.iter().for_each(|limits| limits.add_groupings(&mut groups));
    if groups.len() > request.groups.len() {
        let outcome = run(&StressRequest { groups, ..request.clone() }, progress);
        return outcome.map_err(|error| match &request.limits {
            Some(limits) => limits.blame(&request.groups, error),
            None => error,
        });
    }
    request.check_fund()?;
    request.check_limits()?;
    Grouping::check_distinct(&request.groups)?;
    let shocks = request.sources.shocks.iter();
    let mut inputs: Vec<&Path> = std::iter::once(&request.snapshot.dir).chain(shocks).map(PathBuf::as_path).collect();
    inputs.extend(request.rules.read_from());
    inputs.extend(request.limits.as_ref().map(Limits::file));
    let folder = OutputFolder::create(&request.output.dir, request.output.force, &inputs)?;
    let mut timings = Timings::default();

    let clock = Instant::now();
    let options = LoadOptions {
        default_spot_offset: request.rules.rules.default_spot_offset,
        expectations: &request.snapshot.expectations,
        progress,
    };
    let memory = Memory::new(request.snapshot.memory_limit, Need::STRESS, Some(folder.path()));
    let (dir, groups) = (&request.snapshot.dir, &request.groups);
    let mut book = OpenBook::open_grouped(dir, Currencies::Named, groups, memory, &options)?;
    if !request.snapshot.allow_rules_date {
        request.rules.check_date(book.as_of_ns())?;
    }
    let market = book.market().clone();
    let (scenarios, more_inputs) = request.sources.resolve(&request.snapshot.dir, &market, progress)?;
    let plan = Plan::new(request, &mut book, scenarios.len())?;
    book.ready()?;
    timings.read = clock.elapsed();

    let weights = distribution::weights(&scenarios)?;
    let work = Work { request, market: &market, scenarios: &scenarios, weights: &weights, folder: &folder, progress };
    let Written { mut snapshot, mut summary, mut outputs, at_risk } = work.write(&mut book, plan, &mut timings)?;
    drop(book);
    snapshot.inputs.extend(more_inputs);
    summary.label.clone_from(&request.output.label);

    let clock = Instant::now();
    progress.stage("write", "rows", 0);
    outputs.extend(rejects::write(folder.path(), &snapshot.rejects, request.output.format)?);
    if let Some(limits) = &request.limits {
        let (folder, format, command) = (folder.path(), request.output.format, Command::Stress);
        let left_out = &snapshot.unmargined;
        let Checked { file, summary: of_limits } =
            limits::check(limits, limits::Written { folder, format, command, left_out, progress })?;
        outputs.push(file);
        summary.limits = Some(of_limits);
    }
    outputs.push(write_bytes(folder.path(), "summary.json", &summary.to_json()?)?);
    if request.output.report {
        let identity = Identity::of_run(&summary.base.as_of, &request.rules, &snapshot.inputs, &outputs)
            .labelled(request.output.label.as_deref());
        let ids = AtRiskRow::ids(at_risk.as_deref().unwrap_or_default());
        let losses = Losses::read(folder.path(), summary.distribution.as_ref(), progress)?;
        let page = Page::new(identity, &summary.base, Scenarios::read(folder.path(), progress)?)
            .with_blame(&Blame::of_run(&snapshot.unmargined))
            .with_losses(losses)
            .with_limits(page::Limits::read(folder.path(), summary.limits.as_ref(), progress)?)
            .with_groups(Groups::read(folder.path(), &ids, None, progress)?);
        let page = if let Some(rows) = at_risk { page.with_at_risk(rows, None, &[]) } else { page };
        outputs.push(page::write(folder.path(), &page)?);
    }
    progress.check()?;
    timings.finish += clock.elapsed();
    let provenance = Provenance::new(
        &request.snapshot,
        &request.output,
        &request.rules,
        &snapshot,
        &timings,
        Some(request.recorded()?),
    );
    let published = manifest::write(&folder, &provenance, &outputs)?;
    folder.publish()?;

    let too_many_rejects = snapshot.too_many_rejects(request.snapshot.max_rejects);
    Ok(StressOutcome { summary, too_many_rejects, timings, published })
}

/// What there is before the last files.
struct Written {
    snapshot: Snapshot,
    summary: StressSummary,
    outputs: Vec<OutputFile>,
    /// The head of the base case's rows at risk, if they are written.
    at_risk: Option<Vec<AtRiskRow>>,
}

/// Everything between reading and the last files.
struct Work<'a> {
    request: &'a StressRequest,
    market: &'a Market,
    scenarios: &'a [Scenario],
    weights: &'a Weights,
    folder: &'a OutputFolder,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    fn price(&self, scenario: &Scenario) -> Result<PricedMarket> {
        self.progress.check()?;
        let rules = &self.request.rules.rules;
        Ok(engine::price(&scenario::apply(self.market, scenario, rules.rate)?, rules))
    }

    fn write(&self, book: &mut OpenBook, plan: Plan, timings: &mut Timings) -> Result<Written> {
        let base = self.price(self.scenarios.first().unwrap_or(&Scenario::base()))?;
        let units = base.unit_names();
        let names: Vec<String> = self.scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        let names = Names { units: &units, scenarios: &names };
        let mut passes = Passes::new(self, (&base, names), plan, timings);
        let (mut first, snapshot) = passes.first(book)?;

        let clock = Instant::now();
        let room = passes.plan.for_ladders(&first);
        let mut base_rows = std::mem::take(&mut first.base_at_risk);
        let distances = self.distances(&mut first, &mut base_rows, room)?;
        let ids = Book::of_ids(std::mem::take(&mut first.ids));
        let (folder, format) = (self.folder.path(), self.request.output.format);
        let mut tables = StressTables::create(folder, format, &ids, names)?;
        at_risk::sort(&mut base_rows);
        let with_at_risk = self.request.detail != Detail::None;
        let head = with_at_risk.then(|| AtRiskRow::head(&base_rows, &ids, names));
        let create = || RiskTable::create(folder, format, &ids, names, base_rows);
        let mut at_risk_table = with_at_risk.then(create).transpose()?;
        passes.timings.compute += clock.elapsed();
        let (mut rows, mut base_tally) = (Vec::new(), None);
        let spread = std::mem::take(&mut first.spread);
        let mut last = first;
        loop {
            let (number, mut lists) = (rows.len(), Vec::with_capacity(last.outcomes.len()));
            for Outcome { stats, count, at_risk, groups: _ } in std::mem::take(&mut last.outcomes) {
                let number = rows.len();
                let Some(scenario) = self.scenarios.get(number) else { break };
                rows.push(tables.add(number, scenario, &stats, count)?);
                base_tally.get_or_insert(stats.tally);
                lists.push(at_risk);
            }
            if let Some(table) = &mut at_risk_table {
                table.add(number, lists)?;
            }
            if rows.len() == self.scenarios.len() {
                break;
            }
            last = passes.next(book, rows.len())?;
        }

        let clock = Instant::now();
        let (worst, detail) = last.finish_tables()?;
        let mut outputs = tables.finish(worst)?;
        outputs.extend(at_risk_table.map(RiskTable::finish).transpose()?);
        let mut found = BookDistribution::default();
        if self.request.distribution != Distributed::None {
            found = distribution::of(self.scenarios, &rows, self.weights, self.request.fund_usd);
            outputs.extend(tables::write_distribution(folder, format, &found, &ids, names)?);
        }
        outputs.extend(distances);
        outputs.extend(detail);
        let tally = base_tally.unwrap_or_default();
        let mut base = tally.summary(&snapshot, &self.request.rules, &units, &spread)?;
        base.accounts.at_risk = rows.first().map_or(0, |base: &ScenarioRow| base.accounts.at_risk);
        outputs.extend(passes.write_groups(&mut base)?);
        passes.timings.finish += clock.elapsed();
        Ok(Written {
            snapshot,
            summary: summary::of(base, self.scenarios, &rows, found.summary)?,
            outputs,
            at_risk: head,
        })
    }

    /// Distances from liquidation in the base case, noted in its rows at risk.
    fn distances(&self, first: &mut Gathered, base: &mut [AtRisk], room: u64) -> Result<Option<OutputFile>> {
        let (request, market) = (self.request, self.market);
        let (book, mut flagged) = std::mem::take(&mut first.flagged).build()?;
        let (rules, progress, width) = (&request.rules.rules, self.progress, request.width);
        let searched = Searched { market, rules, book: &book, room, width, progress };
        let folder = self.folder.path();
        let file = distances::write(folder, request.output.format, request.distance, searched, &mut flagged)?;
        // Both have the same rows in the same order; the accounts have other numbers.
        for (row, found) in base.iter_mut().zip(flagged) {
            row.all_coins = found.all_coins;
        }
        Ok(file)
    }
}
