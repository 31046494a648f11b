//! Record batches in, record batches out: the interface for other engines.
//!
//! ```text
//! instruments, marks, indices, as_of --> MarketRows      read and checked once, used for any number of books
//! positions, balances, accounts -------> OpenBook        the same checks, rejects and reasons as for files
//! rules, scenarios, groupings ---------> recalculate --> accounts, risk_units, at_risk, rejects, summary, groups
//! ```
//!
//! No file is read or written. The tables have the same rows, columns and bits as those of [`mod@crate::run`]. The
//! Python package and its Spark jobs use this module, with Arrow only and without the cargo features of the command.

use crate::book::{Book, Grouping};
use crate::engine::{Memory, OpenBook};
use crate::margin::rules::SpotOffset;
use crate::market::Market;
use crate::market::scenario::{Scenario, with_base};
use crate::memory::{MemoryLimit, Need};
use crate::progress::Progress;
use crate::request::DistanceScope;
use crate::rules::LoadedRules;
use crate::run::margins::{self, Margins};
use crate::snapshot::stream::{Currencies, Cut, Piece};
use crate::snapshot::{Expectations, LoadOptions, Tables, shocks_of};
use crate::stress::columns::{ACCOUNTS_DISTRIBUTION, WORST};
use crate::stress::in_parts::{self, OfAccounts};
use crate::stress::{Axis, Distributed, Preset, grid};
use crate::tables::at_risk::{self, AT_RISK};
use crate::tables::columns::{ACCOUNTS, RISK_UNITS, TableSpec};
use crate::tables::encode::without_dictionaries;
use crate::tables::rejects::{self, REJECTS};
use crate::totals::at_risk::Names;
use crate::totals::flagged::{Flagged, flag};
use crate::totals::group_list;
use crate::totals::spread::{Floor, Spread};
use crate::totals::summary::{Summary, Tally};
use crate::{Error, Result};
use arrow_array::RecordBatch;
use groups::{GatheredGroups, GroupsPart};
use std::path::Path;

mod groups;
mod in_order;
mod limits;
mod terms;

pub use crate::formats::memory::Rows;
pub use crate::snapshot::{MarkCheck, MarketRows};
pub use groups::GroupTables;
pub use in_order::{InOrder, Summed};
pub use limits::{Limited, LimitsOf};

/// What to recalculate.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Prices and contracts, and how far prices may contradict each other.
    pub market: &'a MarketRows,
    /// `account_id`, `inst_id`, `qty`, `avg_px`.
    pub positions: &'a Rows,
    /// `account_id`, `ccy`, `cash`, `interest` (optional), `spot_in_use_cap` (optional).
    pub balances: &'a Rows,
    /// `account_id`, `spot_offset`, and the attributes to group by; without it all accounts have the default of the
    /// rules.
    pub accounts: Option<&'a Rows>,
    /// `account_id`, `inst_id`, `side`, `qty`, `px`: pending orders.
    pub orders: Option<&'a Rows>,
    /// The rules.
    pub rules: &'a LoadedRules,
    /// Price scenarios in addition to the base case. Each adds rows for every account.
    pub scenarios: Scenarios<'a>,
    /// How accounts are put together, by attributes in the table `accounts`.
    pub groups: &'a [Grouping],
    /// Whether [`GroupTables::terms`] are wanted: the accounts are a part of a book.
    pub group_terms: bool,
    /// Whose figures are summed up over the scenarios, as a stress does it: with `Book` or `Accounts` there is
    /// [`Recalculated::stress`].
    pub distribution: Distributed,
    /// Accept a market that is older than the rules.
    pub allow_rules_date: bool,
}

impl<'a> Request<'a> {
    /// The base case of a book in which all accounts have the default mode and no pending orders.
    #[must_use]
    pub fn new(market: &'a MarketRows, positions: &'a Rows, balances: &'a Rows, rules: &'a LoadedRules) -> Self {
        Self {
            market,
            positions,
            balances,
            accounts: None,
            orders: None,
            rules,
            scenarios: Scenarios::default(),
            groups: &[],
            group_terms: false,
            distribution: Distributed::None,
            allow_rules_date: false,
        }
    }
}

/// What to recalculate of a snapshot in a folder.
#[derive(Clone, Copy)]
pub struct FolderRequest<'a> {
    /// The folder.
    pub dir: &'a Path,
    /// The rules.
    pub rules: &'a LoadedRules,
    /// As in [`Request`].
    pub scenarios: Scenarios<'a>,
    /// As in [`Request`].
    pub groups: &'a [Grouping],
    /// As in [`Request`].
    pub group_terms: bool,
    /// As in [`Request`].
    pub distribution: Distributed,
    /// As in [`Request`].
    pub allow_rules_date: bool,
    /// How far prices may contradict each other.
    pub mark_check: MarkCheck,
}

impl<'a> FolderRequest<'a> {
    /// The base case of all accounts.
    #[must_use]
    pub fn new(dir: &'a Path, rules: &'a LoadedRules) -> Self {
        Self {
            dir,
            rules,
            scenarios: Scenarios::default(),
            groups: &[],
            group_terms: false,
            distribution: Distributed::None,
            allow_rules_date: false,
            mark_check: MarkCheck::DEFAULT,
        }
    }
}

/// Sources of price scenarios. All are used, in this order.
#[derive(Clone, Copy, Default)]
pub struct Scenarios<'a> {
    /// A table `shocks`.
    pub shocks: Option<&'a Rows>,
    /// Every combination of the points of these axes.
    pub axes: &'a [Axis],
    /// Single scenarios.
    pub single: &'a [Scenario],
    /// Named sets of scenarios.
    pub presets: &'a [Preset],
}

impl Scenarios<'_> {
    /// The base case, then all scenarios, checked against the market.
    fn resolve(&self, market: &Market, progress: &dyn Progress) -> Result<Vec<Scenario>> {
        let shocks = self.shocks.map(|shocks| shocks_of(shocks, market, progress)).transpose()?;
        let mut all = shocks.unwrap_or_default();
        all.extend(grid(self.axes)?);
        all.extend(self.single.iter().cloned());
        for preset in self.presets {
            all.extend(preset.scenarios(market)?);
        }
        with_base(market, all)
    }
}

/// The tables of a run, see [`crate::tables::columns`]. Text columns are plain strings.
#[derive(Debug, Clone)]
pub struct Recalculated {
    /// One row per account and scenario, in byte order of the ids.
    pub accounts: Rows,
    /// One row per account, scenario and risk unit.
    pub risk_units: Rows,
    /// The accounts in or near liquidation or with an IM deficit, worst first in each scenario.
    pub at_risk: Rows,
    /// Every rejected input row.
    pub rejects: Rows,
    /// What the groups of accounts come to, if groupings or terms were asked for.
    pub groups: Option<GroupTables>,
    /// What a stress says of each account, if it was asked for: its worst scenario and, if the figures of accounts were
    /// to be summed up, their distribution.
    pub stress: Option<(Rows, Option<Rows>)>,
    /// Counts and totals of the base case.
    pub summary: Summary,
    /// The scenarios in order, the base case first.
    pub scenario_names: Vec<String>,
    /// Of each the days that pass, and the weight that it was given.
    pub scenario_weights: Vec<(f64, Option<f64>)>,
    /// The risk units of the market, in byte order.
    pub unit_names: Vec<String>,
}

/// Margins every account of a book in memory.
///
/// ```
/// use remargin::batches::{MarkCheck, MarketRows, Request, Rows, recalculate};
/// use remargin::progress::Silent;
/// use std::path::Path;
/// // Two record batches as an engine would hand them over.
/// use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
/// use std::sync::Arc;
/// let text = |cell: &str| Arc::new(StringArray::from(vec![cell])) as ArrayRef;
/// let number = |cell: f64| Arc::new(Float64Array::from(vec![cell])) as ArrayRef;
/// let rows = |batch: RecordBatch| Rows::new(batch.schema(), vec![batch]);
/// let positions = rows(RecordBatch::try_from_iter([
///     ("account_id", text("a")),
///     ("inst_id", text("BTC-USDT-SWAP")),
///     ("qty", number(8.0)),
///     ("avg_px", number(75_000.0)),
/// ]).unwrap())?;
/// let balances = rows(RecordBatch::try_from_iter([
///     ("account_id", text("a")),
///     ("ccy", text("USDT")),
///     ("cash", number(20_000.0)),
/// ]).unwrap())?;
///
/// let market = MarketRows::open(Path::new("data/sample"), MarkCheck::DEFAULT, &Silent)?;
/// let rules = remargin::rules::load(None, &[])?;
/// let margins = recalculate(&Request::new(&market, &positions, &balances, &rules), &Silent)?;
/// assert_eq!((margins.accounts.len(), margins.risk_units.len()), (1, 1));
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Usage`] for a grouping that is there twice; [`Error::Invalid`] if a table or a scenario cannot be used, an
/// attribute is not there or the market is older than the rules; [`Error::Runtime`] if a table would be too large for
/// Arrow; [`Error::Interrupted`].
pub fn recalculate(request: &Request, progress: &dyn Progress) -> Result<Recalculated> {
    if !request.allow_rules_date {
        request.rules.check_date(request.market.as_of_ns())?;
    }
    let &Request { positions, balances, accounts, orders, rules, scenarios, groups, .. } = request;
    let &Request { group_terms, distribution, .. } = request;
    Grouping::check_distinct(groups)?;
    let tables = Tables { positions, balances, accounts, orders };
    let expectations = expectations(request.market.mark_check());
    let mut book = OpenBook::of_rows(request.market, tables, groups, &options(rules, &expectations, progress))?;
    margin(&mut book, Job { rules, scenarios, groups, group_terms, distribution }, progress)
}

/// Like [`recalculate`], with the snapshot in a folder, for a worker that processes a bucket of a
/// [partition](mod@crate::partition).
///
/// # Errors
/// Those of [`recalculate`] and of [`crate::snapshot::load`].
pub fn recalculate_snapshot(request: &FolderRequest, progress: &dyn Progress) -> Result<Recalculated> {
    let &FolderRequest { dir, rules, scenarios, groups, allow_rules_date, mark_check, .. } = request;
    let &FolderRequest { group_terms, distribution, .. } = request;
    Grouping::check_distinct(groups)?;
    // The results are held whole: a limit on the way to them would help nobody.
    let memory = Memory::new(MemoryLimit::of_bytes(u64::MAX), Need::ROWS, None);
    let expectations = expectations(mark_check);
    let options = options(rules, &expectations, progress);
    let mut book = OpenBook::open_grouped(dir, Currencies::Named, groups, memory, &options)?;
    if !allow_rules_date {
        rules.check_date(book.as_of_ns())?;
    }
    margin(&mut book, Job { rules, scenarios, groups, group_terms, distribution }, progress)
}

/// The scenarios of a table `shocks` in memory, checked against the market of the snapshot in a folder. A stress that
/// gets them as [`scenarios`](crate::stress::ScenarioSources::scenarios) notes them in its manifest.
///
/// # Errors
/// [`Error::Invalid`] if the snapshot or the table cannot be used; [`Error::Interrupted`].
pub fn snapshot_scenarios(
    dir: &Path,
    shocks: &Rows,
    mark_check: MarkCheck,
    progress: &dyn Progress,
) -> Result<Vec<Scenario>> {
    let expectations = expectations(mark_check);
    let options = LoadOptions { default_spot_offset: SpotOffset::Usdt, expectations: &expectations, progress };
    let memory = Memory::new(MemoryLimit::of_machine(), Need::STRESS, None);
    let book = OpenBook::open(dir, Currencies::Named, memory, &options)?;
    shocks_of(shocks, book.market(), progress)
}

/// A bucket may have accounts that hold nothing, or none.
fn expectations(mark_check: MarkCheck) -> Expectations {
    Expectations { mark_check, ..Expectations::MAYBE_EMPTY }
}

fn options<'a>(rules: &LoadedRules, expectations: &'a Expectations, progress: &'a dyn Progress) -> LoadOptions<'a> {
    LoadOptions { default_spot_offset: rules.rules.default_spot_offset, expectations, progress }
}

/// What is done with the accounts of a book.
#[derive(Clone, Copy)]
struct Job<'a> {
    rules: &'a LoadedRules,
    scenarios: Scenarios<'a>,
    groups: &'a [Grouping],
    group_terms: bool,
    distribution: Distributed,
}

fn margin(book: &mut OpenBook, job: Job, progress: &dyn Progress) -> Result<Recalculated> {
    let Job { rules, scenarios, groups, group_terms, distribution } = job;
    let scenarios = scenarios.resolve(book.market(), progress)?;
    let with_stress = distribution != Distributed::None;
    if with_stress && scenarios.len() == 1 {
        return Err(Error::Usage(
            "figures over the scenarios are to be summed up, and there is no scenario".to_owned(),
        ));
    }
    let weights = in_parts::weights(&scenarios)?;
    let scenario_weights = scenarios.iter().map(|scenario| (scenario.days, scenario.weight)).collect();
    let margins = Margins::price(book.market(), scenarios, &rules.rules, progress)?;
    let floor = Floor::default();
    let spread = || Spread::new(margins.unit_names().len(), &rules.rules.status, &floor);
    let rows = book.rows();
    let start = || {
        progress.stage("compute", "rows", rows);
        Ok(((), Gathered::new(spread())))
    };
    let work = |(): &(), piece: &Piece| {
        let book = &piece.book;
        let mut spread = spread();
        let mut terms = group_terms.then(|| terms::Writer::new(margins.unit_names()));
        let mut over_scenarios = with_stress.then(|| OfAccounts::new(&weights, distribution, book.len()));
        let mut rows = margins.rows(book, |base, _, scenarios| {
            spread.count(base);
            if let Some(over_scenarios) = &mut over_scenarios {
                over_scenarios.add(scenarios);
            }
            if let Some(terms) = &mut terms {
                terms.add(book, scenarios);
            }
        })?;
        spread.finish(book);
        rows.accounts = plain(&rows.accounts)?;
        rows.risk_units = plain(&rows.risk_units)?;
        let flagged = flag(book, DistanceScope::None, &mut rows.at_risk)?;
        let in_groups = std::mem::take(&mut rows.groups);
        let has_groups = !groups.is_empty() || group_terms;
        let part = has_groups.then(|| GroupsPart::new(groups, book, in_groups, terms)).transpose()?;
        let names = Names { units: margins.unit_names(), scenarios: margins.scenarios() };
        let stress = over_scenarios.map(|of| of.finish(book, names)).transpose()?;
        Ok(Part { rows, flagged, spread, groups: part, stress })
    };
    let (gathered, snapshot) = book.pass(Cut::Known(margins.piece_accounts()), start, work, Gathered::add)?;
    let (flagged, at_risk_rows) = gathered.flagged.build()?;

    let names = Names { units: margins.unit_names(), scenarios: margins.scenarios() };
    let mut summary = gathered.tally.summary(&snapshot, rules, names.units, &gathered.spread)?;
    summary.scenarios = margins.scenarios().len() as u64;
    let mut tables = None;
    if !groups.is_empty() || group_terms {
        let left_out = snapshot.unmargined.iter().map(|account| account.account_id.as_str());
        let totals = gathered.groups.tally.totals(groups, names);
        group_list::tell(&totals, &mut summary)?;
        tables = Some(GroupTables::new(&totals, gathered.groups.rows, group_terms.then_some(left_out))?);
    }
    Ok(Recalculated {
        accounts: table(&ACCOUNTS, gathered.accounts)?,
        risk_units: table(&RISK_UNITS, gathered.risk_units)?,
        at_risk: table(&AT_RISK, at_risk::batches(at_risk_rows, &flagged, names)?)?,
        rejects: table(&REJECTS, rejects::batches(&snapshot.rejects)?)?,
        groups: tables,
        stress: with_stress.then(|| gathered.stress.tables(distribution)).transpose()?,
        summary,
        scenario_names: margins.scenarios().to_vec(),
        scenario_weights,
        unit_names: margins.unit_names().to_vec(),
    })
}

/// Results collected from all accounts.
struct Gathered {
    accounts: Vec<RecordBatch>,
    risk_units: Vec<RecordBatch>,
    flagged: Flagged,
    tally: Tally,
    spread: Spread,
    groups: GatheredGroups,
    stress: GatheredStress,
}

/// What became of consecutive accounts.
struct Part {
    rows: margins::Rows,
    flagged: Book,
    spread: Spread,
    groups: Option<GroupsPart>,
    /// Rows of `worst` and of `accounts_distribution`.
    stress: Option<(RecordBatch, Option<RecordBatch>)>,
}

/// What a stress says of the accounts so far.
#[derive(Default)]
struct GatheredStress {
    worst: Vec<RecordBatch>,
    accounts: Vec<RecordBatch>,
}

impl GatheredStress {
    fn tables(self, distribution: Distributed) -> Result<(Rows, Option<Rows>)> {
        let accounts = (distribution == Distributed::Accounts).then(|| table(&ACCOUNTS_DISTRIBUTION, self.accounts));
        Ok((table(&WORST, self.worst)?, accounts.transpose()?))
    }
}

impl Gathered {
    fn new(spread: Spread) -> Self {
        Self {
            accounts: Vec::new(),
            risk_units: Vec::new(),
            flagged: Flagged::default(),
            tally: Tally::default(),
            spread,
            groups: GatheredGroups::default(),
            stress: GatheredStress::default(),
        }
    }

    fn add(&mut self, part: Part) -> Result<()> {
        let Part { rows, flagged, spread, groups, stress } = part;
        let margins::Rows { accounts, risk_units, at_risk, tally, groups: _ } = rows;
        self.accounts.push(accounts);
        self.risk_units.push(risk_units);
        self.flagged.add(&flagged, at_risk);
        self.tally.merge(&tally);
        self.spread.merge(&spread);
        if let Some(groups) = groups {
            self.groups.add(groups);
        }
        if let Some((worst, accounts)) = stress {
            self.stress.worst.push(plain(&worst)?);
            self.stress.accounts.extend(accounts.as_ref().map(plain).transpose()?);
        }
        Ok(())
    }
}

fn plain(batch: &RecordBatch) -> Result<RecordBatch> {
    without_dictionaries(batch).map_err(|error| Error::Runtime(format!("cannot write labels out: {error}")))
}

/// Removes empty batches.
fn table(spec: &TableSpec, batches: Vec<RecordBatch>) -> Result<Rows> {
    Rows::new(spec.schema(), batches.into_iter().filter(|batch| batch.num_rows() > 0).collect())
}
