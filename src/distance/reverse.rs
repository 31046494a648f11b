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
//! holds, and bisects the step before it down to [`RESOLUTION`]. Each step is a full revaluation of the book.

pub use super::statement::{BookState, Limit, Measure, Statement};

use super::{HIGHEST_MOVE, LOWEST_MOVE, is_coin, ladder};
use crate::book::Book;
use crate::engine::{chunk, price};
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::market::scenario::{EVERY_COIN, Scenario, apply, check_shock};
use crate::progress::Progress;
use crate::request::SnapshotRequest;
use crate::rules::LoadedRules;
use crate::snapshot::{self, LoadOptions, Snapshot};
use crate::{Error, Result, parallel};
use serde::Serialize;

/// Moves are multiples of this: 0.0001 % of the price.
pub const RESOLUTION: f64 = 1.0 / STEPS_PER_UNIT;
const STEPS_PER_UNIT: f64 = 1e6;

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
/// [`Error::Usage`] if the book has no such coin, [`Error::Runtime`] if a figure is not finite,
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
    let mut search = Search { market, rules, book, statement, progress, revaluations: 0 };
    let now = search.state(0)?;
    let holds_now = statement.holds(&now);
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
    /// The snapshot has more broken rows than
    /// [`SnapshotRequest::max_rejects`](crate::request::SnapshotRequest::max_rejects) accepts (exit 4).
    pub too_many_rejects: bool,
}

/// Answers statements about the book of a snapshot. The snapshot is loaded once.
///
/// # Errors
/// [`Error::Invalid`] if the snapshot is invalid or older than the rules, and those of [`reverse`].
pub fn run(request: &ReverseRequest, progress: &dyn Progress) -> Result<ReverseOutcome> {
    let rules = &request.rules.rules;
    let options = LoadOptions {
        default_spot_offset: rules.default_spot_offset,
        expectations: &request.snapshot.expectations,
        progress,
    };
    let loaded = snapshot::load(&request.snapshot.dir, &options)?;
    let too_many_rejects = loaded.has_too_many_rejects(request.snapshot.max_rejects);
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
    let priced = price(&apply(market, scenario, rules.rate)?, rules);
    let mut state = BookState::default();
    let task = |number: usize| {
        let accounts = number * TASK_ACCOUNTS..book.len().min((number + 1) * TASK_ACCOUNTS);
        let mut part = BookState::default();
        chunk(&priced, book, accounts)?.accounts.iter().for_each(|margin| part.add(margin));
        Ok(part)
    };
    let window = rayon::current_num_threads() * 4;
    parallel::in_order(book.len().div_ceil(TASK_ACCOUNTS), window, task, |part| {
        state.merge(&part);
        Ok(())
    })?;
    Ok(state)
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
    revaluations: u64,
}

impl Search<'_> {
    /// The book after a move of `steps` times [`RESOLUTION`].
    fn state(&mut self, steps: i64) -> Result<BookState> {
        self.progress.check()?;
        let scenario = Scenario::price_move("reverse", self.statement.base.as_str(), price_move(steps));
        let state = book_state(self.market, self.rules, self.book, &scenario)?;
        self.revaluations += 1;
        self.progress.advance(1);
        Ok(state)
    }

    fn nearest(&mut self, end: f64, now: BookState) -> Result<Option<Breach>> {
        let (mut inner, mut before) = (0, now);
        for rung in ladder(end) {
            let mut outer = (rung * STEPS_PER_UNIT).round() as i64;
            let mut after = self.state(outer)?;
            if !self.statement.holds(&after) {
                (inner, before) = (outer, after);
                continue;
            }
            while (outer - inner).abs() > 1 {
                let middle = i64::midpoint(inner, outer);
                let state = self.state(middle)?;
                if self.statement.holds(&state) {
                    (outer, after) = (middle, state);
                } else {
                    (inner, before) = (middle, state);
                }
            }
            let currency = self.market.currencies.iter().find(|currency| currency.name == self.statement.base);
            let price_usd = currency.and_then(|currency| currency.fx).map(|fx| fx * (1.0 + price_move(outer)));
            return Ok(Some(Breach { price_move: price_move(outer), price_usd, after, before }));
        }
        Ok(None)
    }
}

/// The relative move of `steps` steps: the float nearest to its decimal value.
fn price_move(steps: i64) -> f64 {
    steps as f64 / STEPS_PER_UNIT
}
