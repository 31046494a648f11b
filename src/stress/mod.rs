//! Price scenarios over every account: `remargin stress`.
//!
//! ```text
//! snapshot::load -> Market, Book                           once
//! shocks, grids, words, presets -> scenarios               base first
//! for every few scenarios, on all threads:
//!     scenario::apply, engine::price                    one re-priced table a scenario
//!     accounts in chunks x scenarios: engine::chunk     one pass a scenario
//!     counts, sums, worst scenario, at-risk rows           merged in order of chunk and scenario
//! tables, summary.json, report.html, manifest.json, rename
//! ```
//!
//! What is kept for every account is its base case and its worst scenario; everything else leaves as soon as its few
//! scenarios are done, so memory does not grow with their number. With [`Detail::All`] the rows of an account stand
//! together, as in a run, and the priced tables of all scenarios are held at once: 400 bytes for each instrument and
//! scenario. Accounts are then worked on in smaller chunks, so that totals may differ in their last bit.

pub mod columns;
mod family;
mod pass;
mod recorded;
pub(crate) mod stats;
pub(crate) mod summary;
pub(crate) mod tables;
mod text;

pub use family::{Axis, MOST_GRID_POINTS, Preset, grid, parse_axes, parse_scenario};
pub use text::stress_table;

use crate::distance::tables::{self as distances, Searched};
use crate::error::Remedy;
use crate::margin::priced::PricedMarket;
use crate::market::scenario::with_base;
use crate::market::scenario::{self, Scenario};
use crate::page::{self, AtRiskRow, Identity, Page, Scenarios};
use crate::progress::Progress;
use crate::publish::hashed::write_bytes;
use crate::publish::manifest::{self, Provenance, Timings};
use crate::publish::recorded::absolute;
use crate::publish::{OutputFile, OutputFolder};
use crate::request::{DistanceScope, OutputRequest, SnapshotRequest};
use crate::rules::LoadedRules;
use crate::snapshot::{self, LoadOptions, Snapshot};
use crate::tables::columns::{ACCOUNTS, RISK_UNITS};
use crate::tables::{encode, rejects};
use crate::totals::at_risk::{self, AtRisk, Names};
use crate::totals::spread::Floor;
use crate::{Error, Result, engine};
use pass::{Pass, State};
use rayon::prelude::*;
use stats::ScenarioStats;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tables::{ScenarioRow, StressTables};

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

/// Where scenarios come from; those of all sources are taken, in this order. Without any the table `shocks` of the
/// snapshot is taken.
#[derive(Debug, Clone, Default)]
pub struct ScenarioSources {
    /// A table `shocks`.
    pub shocks: Option<PathBuf>,
    /// Every combination of these axes' points.
    pub axes: Vec<Axis>,
    /// Single scenarios.
    pub scenarios: Vec<Scenario>,
    /// Named sets.
    pub presets: Vec<Preset>,
}

impl ScenarioSources {
    /// The base case and all scenarios, in order, checked against the market. Files that are read are noted among the
    /// inputs of the snapshot.
    ///
    /// # Errors
    /// [`Error::Refused`] without a scenario; [`Error::Invalid`] for a table that cannot be used, two scenarios of one
    /// name and a scenario that the market does not know the currencies of.
    pub fn resolve(&self, dir: &Path, snapshot: &mut Snapshot, progress: &dyn Progress) -> Result<Vec<Scenario>> {
        let nothing = self.axes.is_empty() && self.scenarios.is_empty() && self.presets.is_empty();
        let own = if nothing && self.shocks.is_none() { snapshot::find_shocks(dir)? } else { None };
        let mut all = Vec::new();
        if let Some(path) = self.shocks.as_ref().or(own.as_ref()) {
            let (scenarios, mut inputs) = snapshot::read_shocks(path, &snapshot.market, progress)?;
            for input in &mut inputs {
                input.path = match input.path.strip_prefix(dir) {
                    Ok(inside) if own.is_some() => inside.to_path_buf(),
                    _ => absolute(&input.path)?.into(),
                };
            }
            snapshot.inputs.extend(inputs);
            all.extend(scenarios);
        } else if nothing {
            let problem = format!("there is no scenario: `{}` has no table `shocks`", dir.display());
            return Err(Error::refused(problem, Remedy::Scenarios));
        }
        all.extend(grid(&self.axes)?);
        all.extend(self.scenarios.iter().cloned());
        for preset in &self.presets {
            all.extend(preset.scenarios(&snapshot.market)?);
        }
        with_base(&snapshot.market, all)
    }
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
    /// Whose distances from liquidation to search, in the market as it is; at first nobody's.
    pub distance: DistanceScope,
}

impl StressRequest {
    /// A stress of a snapshot into a folder under these rules.
    pub fn new(snapshot: impl Into<SnapshotRequest>, output: impl Into<OutputRequest>, rules: LoadedRules) -> Self {
        Self {
            snapshot: snapshot.into(),
            output: output.into(),
            rules,
            sources: ScenarioSources::default(),
            detail: Detail::default(),
            distance: DistanceScope::None,
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

    /// Says whose distances from liquidation to search.
    #[must_use]
    pub fn with_distance(mut self, whose: DistanceScope) -> Self {
        self.distance = whose;
        self
    }
}

/// What a stress brought.
#[derive(Debug, Clone)]
pub struct StressOutcome {
    /// Counts and totals.
    pub summary: StressSummary,
    /// More rows are broken than [`StressRequest::max_rejects`] tolerates (exit 4); everything is written all the same.
    pub too_many_rejects: bool,
    /// Wall time of each stage.
    pub timings: Timings,
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
    let shocks = request.sources.shocks.iter();
    let inputs: Vec<&Path> = std::iter::once(&request.snapshot.dir).chain(shocks).map(PathBuf::as_path).collect();
    let folder = OutputFolder::create(&request.output.dir, request.output.force, &inputs)?;
    let mut timings = Timings::default();

    let clock = Instant::now();
    let options = LoadOptions {
        default_spot_offset: request.rules.rules.default_spot_offset,
        expectations: &request.snapshot.expectations,
        progress,
    };
    let mut snapshot = snapshot::load(&request.snapshot.dir, &options)?;
    if !request.snapshot.allow_rules_date {
        request.rules.check_date(snapshot.as_of_ns)?;
    }
    let scenarios = request.sources.resolve(&request.snapshot.dir, &mut snapshot, progress)?;
    timings.read = clock.elapsed();

    let steps = (snapshot.book.len() as u64).saturating_mul(scenarios.len() as u64);
    progress.stage("stress", "accounts x scenarios", steps);
    let work = Work { request, snapshot: &snapshot, scenarios: &scenarios, progress };
    let (summary, mut outputs, at_risk) = work.write(folder.path(), &mut timings)?;

    let clock = Instant::now();
    progress.stage("write", "files", 0);
    outputs.push(rejects::write(folder.path(), &snapshot.rejects, request.output.format)?);
    outputs.push(write_bytes(folder.path(), "summary.json", &summary.to_json()?)?);
    if request.output.report {
        let identity = Identity::of_run(&summary.base.as_of, &request.rules, &snapshot.inputs, &outputs);
        let page = Page::new(identity, &summary.base, Scenarios::read(folder.path(), progress)?);
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
    manifest::write(&folder, &provenance, &outputs)?;
    folder.publish()?;

    let rows_in = snapshot.tables.iter().map(|table| table.rows_in).sum();
    let too_many_rejects = request.snapshot.max_rejects.exceeded(summary.base.rejects.broken, rows_in);
    Ok(StressOutcome { summary, too_many_rejects, timings })
}

/// Summary, files and the head of the base case's rows at risk.
type Written = (StressSummary, Vec<OutputFile>, Option<Vec<AtRiskRow>>);

/// Everything between reading and the last files.
struct Work<'a> {
    request: &'a StressRequest,
    snapshot: &'a Snapshot,
    scenarios: &'a [Scenario],
    progress: &'a dyn Progress,
}

/// Scenarios that are priced and passed over the book together: enough to share what is read of each chunk of
/// accounts, few enough that their at-risk rows are no burden.
const GROUP: usize = 8;

/// Rows at risk that a group may hold if every account is at risk in every scenario of it.
const GROUP_ROWS: usize = 1 << 20;

impl Work<'_> {
    fn group_size(&self) -> usize {
        match self.request.detail {
            Detail::All => self.scenarios.len(),
            Detail::AtRisk | Detail::None => (GROUP_ROWS / self.snapshot.book.len().max(1)).clamp(1, GROUP),
        }
    }

    fn price(&self, scenario: &Scenario) -> Result<PricedMarket> {
        self.progress.check()?;
        let rules = &self.request.rules.rules;
        Ok(engine::price(&scenario::apply(&self.snapshot.market, scenario, rules.rate)?, rules))
    }

    /// Distances from liquidation in the base case, noted in its rows at risk.
    fn distances(&self, folder: &Path, at_risk: &mut [AtRisk]) -> Result<Option<OutputFile>> {
        let (request, Snapshot { market, book, .. }) = (self.request, self.snapshot);
        let searched = Searched { market, rules: &request.rules.rules, book, progress: self.progress };
        distances::write(folder, request.output.format, request.distance, searched, at_risk)
    }

    /// Also returns the head of the base case's rows at risk, if they are written.
    fn write(&self, folder: &Path, timings: &mut Timings) -> Result<Written> {
        let (request, book) = (self.request, &self.snapshot.book);
        let units = self.scenarios.first().map(|base| self.price(base)).transpose()?;
        let units = units.map_or_else(Vec::new, |priced| priced.unit_names());
        let names: Vec<String> = self.scenarios.iter().map(|scenario| scenario.name.clone()).collect();
        let names = Names { units: &units, scenarios: &names };
        let mut tables =
            StressTables::create(folder, request.output.format, book, names, request.detail != Detail::None)?;
        let mut detail = match request.detail {
            Detail::All => Some((
                encode::create(folder, &ACCOUNTS, request.output.format)?,
                encode::create(folder, &RISK_UNITS, request.output.format)?,
            )),
            Detail::AtRisk | Detail::None => None,
        };

        let floor = Floor::default();
        let mut state = State::default();
        let mut rows: Vec<ScenarioRow> = Vec::new();
        let (mut base_tally, mut distances, mut head) = (None, None, None);
        for (group, scenarios) in self.scenarios.chunks(self.group_size()).enumerate() {
            let clock = Instant::now();
            let first = group * self.group_size();
            let priced: Vec<PricedMarket> =
                scenarios.par_iter().map(|scenario| self.price(scenario)).collect::<Result<_>>()?;
            timings.price += clock.elapsed();
            let clock = Instant::now();
            let status = &request.rules.rules.status;
            let pass = Pass { book, names, priced: &priced, first, status, floor: &floor, progress: self.progress };
            let mut results = pass.run(&mut state, &mut detail)?;
            if let (0, Some((_, at_risk))) = (group, results.first_mut()) {
                distances = self.distances(folder, at_risk)?;
                at_risk::sort(at_risk);
                head = (request.detail != Detail::None).then(|| AtRiskRow::head(at_risk, book, names));
                let left = book.len() * (self.scenarios.len() - scenarios.len());
                self.progress.stage("stress", "accounts x scenarios", left as u64);
            }
            timings.compute += clock.elapsed();
            for (offset, (stats, at_risk)) in results.into_iter().enumerate() {
                rows.push(tables.add(first + offset, &scenarios[offset], &stats, at_risk)?);
                let ScenarioStats { tally, .. } = stats;
                base_tally.get_or_insert(tally);
            }
        }

        let clock = Instant::now();
        let mut files = tables.finish(&state.base, &state.worst)?;
        files.extend(distances);
        if let Some(((_, accounts), (_, risk_units))) = detail {
            files.extend([accounts.finish()?, risk_units.finish()?]);
        }
        let at_risk = rows.first().map_or(0, |base| base.accounts.at_risk);
        let tally = base_tally.unwrap_or_default();
        let base = tally.summary(self.snapshot, &request.rules, &units, at_risk as usize, &state.spread)?;
        timings.finish += clock.elapsed();
        Ok((summary::of(base, self.scenarios, &rows)?, files, head))
    }
}
