//! Reverse stress: the smallest price move that makes a statement about the whole book true.
//!
//! ```text
//! BTC, accounts in liquidation > 5%
//! -+-  ------------+---------- -+--
//!  |               |            +--- number, share (`%`) of the accounts, or USD
//!  |               +---------------- accounts in liquidation | accounts at risk | shortfall
//!  +-------------------------------- a coin, or `*` for all of them together
//! ```
//!
//! A statement that holds after a small move may be false after a larger one: a crash that ruins the longs saves the
//! shorts. The search walks outward on the ladder of [`super::ladder`], takes the first rung at which the statement
//! holds, and narrows the step before it down to [`RESOLUTION`], a ninth at a time. Each move that is tried is a full
//! revaluation of the book; eight of them are computed side by side.

pub use super::statement::{BookState, Limit, Measure, Statement};

use super::{HIGHEST_MOVE, LOWEST_MOVE, is_coin, ladder};
use crate::book::Book;
use crate::engine::lanes::{SideBySide, Width, Work};
use crate::engine::{self, account_of, price};
use crate::margin::AccountMargin;
use crate::margin::priced::PricedMarket;
use crate::margin::real::Real;
use crate::margin::requirement::{Workspace, evaluate};
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::market::scenario::{EVERY_COIN, Scenario, apply, check_shock};
use crate::progress::Progress;
use crate::request::SnapshotRequest;
use crate::rules::LoadedRules;
use crate::snapshot::{self, LoadOptions, Snapshot};
use crate::{Error, Result, parallel};
use rayon::prelude::*;
use serde::Serialize;
use std::ops::Range;

/// Moves are multiples of this: 0.0001 % of the price.
pub const RESOLUTION: f64 = 1.0 / STEPS_PER_UNIT;
const STEPS_PER_UNIT: f64 = 1e6;

/// Moves that are tried at once.
const AT_ONCE: u8 = 8;
/// Accounts per task. Fixed, so that sums do not depend on the number of threads.
const TASK_ACCOUNTS: usize = 4096;

/// The nearest move in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Breach {
    /// The smallest move found at which the statement holds, a multiple of [`RESOLUTION`].
    pub price_move: f64,
    /// Price of the coin in USD after the move; null for all coins together.
    pub price_usd: Option<f64>,
    /// The book after the move.
    pub after: BookState,
    /// The book one [`RESOLUTION`] before the move, where the statement does not hold.
    pub before: BookState,
}

/// The answer to a reverse stress.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReverseStress {
    /// The statement as text.
    pub statement: String,
    /// The statement in parts.
    pub parsed: Statement,
    /// The book without a move.
    pub now: BookState,
    /// The statement holds without a move. Then no move is searched.
    pub holds_now: bool,
    /// The nearest fall, null if there is none.
    pub down: Option<Breach>,
    /// The nearest rise, null if there is none.
    pub up: Option<Breach>,
    /// The largest fall and the largest rise searched.
    pub searched: [f64; 2],
    /// Moves are multiples of this.
    pub resolution: f64,
    /// Number of revaluations of the book.
    pub revaluations: u64,
}

/// The smallest fall and the smallest rise after which a statement holds.
///
/// # Errors
/// [`Error::Usage`] if the book has no such coin or too few accounts, [`Error::Runtime`] if a figure is not finite,
/// [`Error::Interrupted`].
pub fn reverse(
    market: &Market,
    rules: &Rules,
    book: &Book,
    statement: &Statement,
    progress: &dyn Progress,
) -> Result<ReverseStress> {
    check_base(market, &statement.base)?;
    progress.stage("reverse", "revaluations", 0);
    let (width, last) = (Width::best(), BookState::default());
    let mut search = Search { market, rules, book, statement, progress, width, revaluations: 0, last };
    let now = search.states(&[0])?.first().copied().unwrap_or_default();
    let holds_now = statement.holds(&now);
    if !statement.can_hold(now.accounts) {
        return Err(Error::Usage(format!("`{statement}` cannot hold: there are {} accounts", now.accounts)));
    }
    let (down, up) =
        if holds_now { (None, None) } else { (search.nearest(LOWEST_MOVE, now)?, search.nearest(HIGHEST_MOVE, now)?) };
    Ok(ReverseStress {
        statement: statement.to_string(),
        parsed: statement.clone(),
        now,
        holds_now,
        down,
        up,
        searched: [LOWEST_MOVE, HIGHEST_MOVE],
        resolution: RESOLUTION,
        revaluations: search.revaluations,
    })
}

/// What to search in a snapshot.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReverseRequest {
    /// The snapshot.
    pub snapshot: SnapshotRequest,
    /// The rules.
    pub rules: LoadedRules,
    /// The statements, each searched separately.
    pub statements: Vec<Statement>,
}

impl ReverseRequest {
    /// Searches these statements in a snapshot under these rules.
    pub fn new(snapshot: impl Into<SnapshotRequest>, rules: LoadedRules, statements: Vec<Statement>) -> Self {
        Self { snapshot: snapshot.into(), rules, statements }
    }
}

/// The answers, in the order of the statements.
#[derive(Debug, Clone, PartialEq)]
pub struct ReverseOutcome {
    /// One answer per statement.
    pub answers: Vec<ReverseStress>,
    /// Accounts excluded from every count because one of their rows is broken.
    pub unmargined: u64,
    /// So many rows of the snapshot are broken, more than
    /// [`SnapshotRequest::max_rejects`](crate::request::SnapshotRequest::max_rejects) accepts (exit 4).
    pub too_many_rejects: Option<u64>,
}

/// Answers statements about the book of a snapshot. The snapshot is loaded once.
///
/// # Errors
/// [`Error::Invalid`] if the snapshot is invalid or older than the rules, and those of [`reverse`].
pub fn run(request: &ReverseRequest, progress: &dyn Progress) -> Result<ReverseOutcome> {
    let rules = &request.rules.rules;
    let snapshot = request.snapshot.clone().under(&request.rules);
    let options =
        LoadOptions { default_spot_offset: rules.default_spot_offset, expectations: &snapshot.expectations, progress };
    let loaded = snapshot::load(&request.snapshot.dir, &options)?;
    let too_many_rejects = loaded.too_many_rejects(request.snapshot.max_rejects);
    let Snapshot { market, book, as_of_ns, unmargined, .. } = loaded;
    if !request.snapshot.allow_rules_date {
        request.rules.check_date(as_of_ns)?;
    }
    let answer = |statement| reverse(&market, rules, &book, statement, progress);
    let answers = request.statements.iter().map(answer).collect::<Result<_>>()?;
    Ok(ReverseOutcome { answers, unmargined: unmargined.len() as u64, too_many_rejects })
}

/// The state of the book after a scenario.
///
/// # Errors
/// [`Error::Invalid`] if the scenario cannot be applied, [`Error::Runtime`] if a figure is not finite.
pub fn book_state(market: &Market, rules: &Rules, book: &Book, scenario: &Scenario) -> Result<BookState> {
    let states = book_states(market, rules, book, Width::ONE, std::slice::from_ref(scenario))?;
    states.first().copied().ok_or_else(|| Error::Runtime("a scenario without a state".to_owned()))
}

/// The state of the book after each of a few scenarios, no more than the width has lanes.
fn book_states(
    market: &Market,
    rules: &Rules,
    book: &Book,
    width: Width,
    scenarios: &[Scenario],
) -> Result<Vec<BookState>> {
    let priced = |scenario| Ok(price(&apply(market, scenario, rules.rate)?, rules));
    let beside = SideBySide::new(width, scenarios.par_iter().map(priced).collect::<Result<_>>()?)?;
    let mut states = vec![BookState::default(); scenarios.len()];
    let task = |number: usize| {
        let accounts = number * TASK_ACCOUNTS..book.len().min((number + 1) * TASK_ACCOUNTS);
        beside.work(States { book, accounts, width })
    };
    let window = rayon::current_num_threads() * 4;
    parallel::in_order(book.len().div_ceil(TASK_ACCOUNTS), window, task, |part| {
        states.iter_mut().zip(&part).for_each(|(state, part)| state.merge(part));
        Ok(())
    })?;
    Ok(states)
}

/// The states of some accounts.
struct States<'a> {
    book: &'a Book,
    accounts: Range<usize>,
    width: Width,
}

impl Work for States<'_> {
    type Output = Result<Vec<BookState>>;

    fn work<R: Real>(self, priced: &PricedMarket<R>, alone: &[PricedMarket]) -> Self::Output {
        let Self { book, accounts, width } = self;
        let mut states = vec![BookState::default(); alone.len()];
        let (mut work, mut work_alone) = (Workspace::new(priced), Workspace::new(&alone[0]));
        let failed = |account: usize| engine::not_finite(book, account);
        for number in accounts {
            let account = account_of(book, number);
            if account.orders.is_empty() {
                let figures = width.figures(priced, &account, &mut work).map_err(|_| failed(number))?;
                for (lane, state) in states.iter_mut().enumerate() {
                    state.add(&AccountMargin::of(&figures.lane(lane), &priced.rules));
                }
                continue;
            }
            for (state, priced) in states.iter_mut().zip(alone) {
                let margin = evaluate(priced, &account, &mut work_alone, &mut Vec::new());
                state.add(&margin.map_err(|_| failed(number))?);
            }
        }
        Ok(states)
    }
}

fn check_base(market: &Market, base: &str) -> Result<()> {
    if base == EVERY_COIN || is_coin(market, base) {
        return Ok(());
    }
    let shock = crate::market::scenario::Shock { base: base.to_owned(), price: Some(0.0), vol: None };
    let Err(invalid) = check_shock(market, &shock) else { return Ok(()) };
    let hint = invalid.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    Err(Error::Usage(format!("cannot move `{base}`: {}{hint}", invalid.problem)))
}

struct Search<'a> {
    market: &'a Market,
    rules: &'a Rules,
    book: &'a Book,
    statement: &'a Statement,
    progress: &'a dyn Progress,
    width: Width,
    revaluations: u64,
    /// The book after the outermost move that was tried.
    last: BookState,
}

impl Search<'_> {
    /// The book after moves of some times [`RESOLUTION`].
    fn states(&mut self, steps: &[i64]) -> Result<Vec<BookState>> {
        self.progress.check()?;
        let moved = |&steps| Scenario::price_move("reverse", self.statement.base.as_str(), price_move(steps));
        let scenarios: Vec<Scenario> = steps.iter().map(moved).collect();
        let mut states = Vec::with_capacity(steps.len());
        for few in scenarios.chunks(self.width.lanes()) {
            let width = if few.len() == 1 { Width::ONE } else { self.width };
            states.extend(book_states(self.market, self.rules, self.book, width, few)?);
        }
        self.revaluations += steps.len() as u64;
        self.progress.advance(steps.len() as u64);
        Ok(states)
    }

    /// Walks outward on the ladder, a few rungs at once, then narrows the step before the first rung at which the
    /// statement holds. How many moves are tried at once does not depend on the number of lanes: where the statement
    /// holds, fails and holds again within a step, it decides which move is found.
    fn nearest(&mut self, end: f64, now: BookState) -> Result<Option<Breach>> {
        let rungs: Vec<i64> = ladder(end).into_iter().map(|rung| (rung * STEPS_PER_UNIT).round() as i64).collect();
        let mut inner = (0, now);
        for few in rungs.chunks(usize::from(AT_ONCE)) {
            let Some((before, mut outer)) = self.first(inner, few)? else {
                inner = (few[few.len() - 1], self.last);
                continue;
            };
            inner = before;
            while (outer.0 - inner.0).abs() > 1 {
                let (distance, parts) = (outer.0 - inner.0, i64::from(AT_ONCE) + 1);
                let mut between: Vec<i64> = (1..parts).map(|part| inner.0 + distance * part / parts).collect();
                between.retain(|&steps| steps != inner.0 && steps != outer.0);
                between.dedup();
                match self.first(inner, &between)? {
                    Some((before, first)) => (inner, outer) = (before, first),
                    None => inner = (between[between.len() - 1], self.last),
                }
            }
            let currency = self.market.currencies.iter().find(|currency| currency.name == self.statement.base);
            let price_usd = currency.and_then(|currency| currency.fx).map(|fx| fx * (1.0 + price_move(outer.0)));
            return Ok(Some(Breach { price_move: price_move(outer.0), price_usd, after: outer.1, before: inner.1 }));
        }
        Ok(None)
    }

    /// The first of some moves outward at which the statement holds, and the one before it, which is `inner` at first.
    fn first(&mut self, inner: Moved, moves: &[i64]) -> Result<Option<(Moved, Moved)>> {
        let states = self.states(moves)?;
        let mut before = inner;
        for found in moves.iter().copied().zip(states) {
            if self.statement.holds(&found.1) {
                return Ok(Some((before, found)));
            }
            before = found;
        }
        self.last = before.1;
        Ok(None)
    }
}

/// A move in steps of [`RESOLUTION`], and the book after it.
type Moved = (i64, BookState);

/// The relative move of `steps` steps: the float nearest to its decimal value.
fn price_move(steps: i64) -> f64 {
    steps as f64 / STEPS_PER_UNIT
}
