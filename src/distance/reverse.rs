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
//! A statement need not hold further out where it holds nearer in: a crash that ruins the longs saves the shorts. The
//! search walks outward on the ladder of [`super::ladder`], takes the first rung at which the statement holds, and
//! halves the step before it down to [`RESOLUTION`]. Each step is a full revaluation of the book.

use super::{HIGHEST_MOVE, LOWEST_MOVE, is_coin, ladder};
use crate::book::Book;
use crate::engine::{chunk, price};
use crate::margin::extremes::loss;
use crate::margin::rules::Rules;
use crate::margin::{AccountMargin, Status};
use crate::market::Market;
use crate::market::scenario::{EVERY_COIN, Scenario, apply, check_shock};
use crate::progress::Progress;
use crate::request::SnapshotRequest;
use crate::rules::LoadedRules;
use crate::snapshot::{self, LoadOptions, Snapshot};
use crate::{Error, Result, parallel};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Moves are multiples of this: 0.0001 % of the price.
pub const RESOLUTION: f64 = 1.0 / STEPS_PER_UNIT;
const STEPS_PER_UNIT: f64 = 1e6;

/// Accounts of one task; fixed, so that sums do not depend on threads.
const TASK_ACCOUNTS: usize = 4096;

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Accounts with the status `liquidation`.
    InLiquidation,
    /// Accounts that `at_risk` lists: `liquidation`, `near_liquidation` or with an IM deficit.
    AtRisk,
    /// USD that accounts owe beyond all they have, `max(0, -total equity)` summed.
    ShortfallUsd,
}

/// What the measure must exceed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// A number of accounts.
    Accounts(f64),
    /// A share of the margined accounts, 0.05 for 5 %.
    Share(f64),
    /// An amount in USD.
    Usd(f64),
}

/// A statement about a book after a price move. [`fmt::Display`] writes it as [`FromStr`] reads it.
///
/// ```
/// use remargin::distance::reverse::{Limit, Measure, Statement};
/// let statement: Statement = "BTC, accounts in liquidation > 5%".parse()?;
/// assert_eq!((statement.measure, statement.limit), (Measure::InLiquidation, Limit::Share(0.05)));
/// assert_eq!(statement.to_string(), "BTC, accounts in liquidation > 5%");
/// # Ok::<(), remargin::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// The coin that moves, or [`EVERY_COIN`].
    pub base: String,
    /// What is measured.
    pub measure: Measure,
    /// What it must exceed.
    pub limit: Limit,
}

const EXPECTED: &str = "expected such as `BTC, accounts in liquidation > 5%`, `*, accounts at risk > 1000` or \
                        `ETH, shortfall > 1000000`";

impl FromStr for Statement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault = |problem: String| Error::Usage(format!("`{text}` is no statement: {problem}; {EXPECTED}"));
        let (base, rest) = text.split_once(',').ok_or_else(|| fault("no comma behind the coin".to_owned()))?;
        let (measure, limit) = rest.split_once('>').ok_or_else(|| fault("no `>`".to_owned()))?;
        let base = base.trim().to_owned();
        if base.is_empty() {
            return Err(fault("no coin".to_owned()));
        }
        let words = measure.split_whitespace().collect::<Vec<_>>().join(" ");
        let measure = match words.as_str() {
            "accounts in liquidation" => Measure::InLiquidation,
            "accounts at risk" => Measure::AtRisk,
            "shortfall" => Measure::ShortfallUsd,
            _ => return Err(fault(format!("nothing is known of `{words}`"))),
        };
        let limit = limit.trim();
        let (digits, is_share) = limit.strip_suffix('%').map_or((limit, false), |share| (share.trim(), true));
        let number = digits.replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        let number = number.ok_or_else(|| fault(format!("`{limit}` is not a number of zero or more")))?;
        let limit = match (measure, is_share) {
            (Measure::ShortfallUsd, false) => Limit::Usd(number),
            (Measure::ShortfallUsd, true) => return Err(fault("a shortfall is USD, not a share".to_owned())),
            (_, false) => Limit::Accounts(number),
            (_, true) if number < 100.0 => Limit::Share(number / 100.0),
            (_, true) => return Err(fault(format!("no share exceeds `{limit}`"))),
        };
        Ok(Self { base, measure, limit })
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measure = match self.measure {
            Measure::InLiquidation => "accounts in liquidation",
            Measure::AtRisk => "accounts at risk",
            Measure::ShortfallUsd => "shortfall",
        };
        write!(f, "{}, {measure} > ", self.base)?;
        match self.limit {
            Limit::Accounts(limit) | Limit::Usd(limit) => write!(f, "{limit}"),
            // Division by a hundred and back may leave a last digit: a share is read by people.
            Limit::Share(share) => write!(f, "{}%", (share * 1e14).round() / 1e12),
        }
    }
}

/// A book in one market: what statements are about.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct BookState {
    /// Margined accounts.
    pub accounts: u64,
    /// See [`Measure::InLiquidation`].
    pub in_liquidation: u64,
    /// See [`Measure::AtRisk`].
    pub at_risk: u64,
    /// See [`Measure::ShortfallUsd`].
    pub shortfall_usd: f64,
}

impl BookState {
    fn add(&mut self, margin: &AccountMargin) {
        let in_liquidation = margin.status == Status::Liquidation;
        let at_risk = in_liquidation || margin.status == Status::NearLiquidation || margin.im_deficit;
        self.accounts += 1;
        self.in_liquidation += u64::from(in_liquidation);
        self.at_risk += u64::from(at_risk);
        self.shortfall_usd += loss(margin.total_eq);
    }

    fn merge(&mut self, later: &Self) {
        self.accounts += later.accounts;
        self.in_liquidation += later.in_liquidation;
        self.at_risk += later.at_risk;
        self.shortfall_usd += later.shortfall_usd;
    }
}

impl Statement {
    /// Whether a book makes it true.
    #[must_use]
    pub fn holds(&self, state: &BookState) -> bool {
        let measured = match self.measure {
            Measure::InLiquidation => state.in_liquidation as f64,
            Measure::AtRisk => state.at_risk as f64,
            Measure::ShortfallUsd => state.shortfall_usd,
        };
        measured
            > match self.limit {
                Limit::Accounts(limit) | Limit::Usd(limit) => limit,
                Limit::Share(share) => share * state.accounts as f64,
            }
    }
}

/// The nearest move one way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Breach {
    /// The smallest move found at which the statement holds, a multiple of [`RESOLUTION`].
    pub price_move: f64,
    /// Price of the coin in USD after it; null for all coins together.
    pub price_usd: Option<f64>,
    /// The book after it.
    pub after: BookState,
    /// The book one [`RESOLUTION`] earlier, where the statement does not hold.
    pub before: BookState,
}

/// The answer to a reverse stress.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReverseStress {
    /// As asked.
    pub statement: String,
    /// Its parts.
    pub parsed: Statement,
    /// The book as it is.
    pub now: BookState,
    /// It holds without any move; no move is searched then.
    pub holds_now: bool,
    /// The nearest fall, null if there is none.
    pub down: Option<Breach>,
    /// The nearest rise, null if there is none.
    pub up: Option<Breach>,
    /// The largest fall and rise that were searched.
    pub searched: [f64; 2],
    /// What moves are multiples of.
    pub resolution: f64,
    /// Revaluations of the book.
    pub revaluations: u64,
}

/// The smallest fall and the smallest rise that make a statement true.
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

/// What to ask of a snapshot.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReverseRequest {
    /// The snapshot.
    pub snapshot: SnapshotRequest,
    /// The rules.
    pub rules: LoadedRules,
    /// What is to become true, each on its own.
    pub statements: Vec<Statement>,
}

impl ReverseRequest {
    /// Asks these statements of a snapshot under these rules.
    pub fn new(snapshot: impl Into<SnapshotRequest>, rules: LoadedRules, statements: Vec<Statement>) -> Self {
        Self { snapshot: snapshot.into(), rules, statements }
    }
}

/// The answers, in the order of the statements.
#[derive(Debug, Clone, PartialEq)]
pub struct ReverseOutcome {
    /// One a statement.
    pub answers: Vec<ReverseStress>,
    /// Accounts that are left out of every count because a row of theirs is broken.
    pub unmargined: u64,
    /// More rows are broken than [`ReverseRequest::max_rejects`] tolerates (exit 4).
    pub too_many_rejects: bool,
}

/// Answers statements about the book of a snapshot, which is loaded once.
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
    let Snapshot { market, book, as_of_ns, unmargined, tables, .. } = snapshot::load(&request.snapshot.dir, &options)?;
    if !request.snapshot.allow_rules_date {
        request.rules.check_date(as_of_ns)?;
    }
    let answer = |statement| reverse(&market, rules, &book, statement, progress);
    let answers = request.statements.iter().map(answer).collect::<Result<_>>()?;
    let rows_in = tables.iter().map(|table| table.rows_in).sum();
    let broken = tables.iter().map(|table| table.rows_broken).sum();
    let too_many_rejects = request.snapshot.max_rejects.exceeded(broken, rows_in);
    Ok(ReverseOutcome { answers, unmargined: unmargined.len() as u64, too_many_rejects })
}

/// A book after a scenario.
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
    /// The book after a move of so many steps of [`RESOLUTION`].
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

/// The relative move of so many steps, in the nearest float to its decimal digits.
fn price_move(steps: i64) -> f64 {
    steps as f64 / STEPS_PER_UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_read_and_written() {
        for (text, base, measure, limit, written) in [
            ("BTC, accounts in liquidation > 5%", "BTC", Measure::InLiquidation, Limit::Share(0.05), ""),
            ("*,accounts at risk>1_000", "*", Measure::AtRisk, Limit::Accounts(1000.0), "*, accounts at risk > 1000"),
            (
                " ETH ,  accounts   in liquidation > 0",
                "ETH",
                Measure::InLiquidation,
                Limit::Accounts(0.0),
                "ETH, accounts in liquidation > 0",
            ),
            ("SOL, shortfall > 1e6", "SOL", Measure::ShortfallUsd, Limit::Usd(1e6), "SOL, shortfall > 1000000"),
            (
                "BTC, accounts at risk > 0.7 %",
                "BTC",
                Measure::AtRisk,
                Limit::Share(0.7 / 100.0),
                "BTC, accounts at risk > 0.7%",
            ),
        ] {
            let statement: Statement = text.parse().unwrap();
            assert_eq!(statement, Statement { base: base.to_owned(), measure, limit }, "{text}");
            let written = if written.is_empty() { text } else { written };
            assert_eq!(statement.to_string(), written);
            assert_eq!(written.parse::<Statement>().unwrap(), statement);
        }
    }

    #[test]
    fn what_is_no_statement() {
        for (text, says) in [
            ("accounts in liquidation > 5%", "no comma"),
            (", shortfall > 5", "no coin"),
            ("BTC, shortfall < 5", "no `>`"),
            ("BTC, equity > 5", "nothing is known of `equity`"),
            ("BTC, shortfall > much", "`much` is not a number"),
            ("BTC, shortfall > -1", "`-1` is not a number"),
            ("BTC, shortfall > inf", "`inf` is not a number"),
            ("BTC, shortfall > 5%", "not a share"),
            ("BTC, accounts at risk > 100%", "no share exceeds `100%`"),
        ] {
            let error = text.parse::<Statement>().unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error:?}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_share_is_of_all_accounts() {
        let state = BookState { accounts: 200, in_liquidation: 10, at_risk: 11, shortfall_usd: 5.0 };
        for (text, expected) in [
            ("*, accounts in liquidation > 5%", false),
            ("*, accounts at risk > 5%", true),
            ("*, accounts in liquidation > 9", true),
            ("*, accounts in liquidation > 10", false),
            ("*, shortfall > 4.99", true),
            ("*, shortfall > 5", false),
        ] {
            assert_eq!(text.parse::<Statement>().unwrap().holds(&state), expected, "{text}");
        }
    }
}
