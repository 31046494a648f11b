//! Price scenarios: a market after a move, with all instruments revalued.
//!
//! ```text
//! u(c)              move of currency c in USD: `price` of a coin, `fx` of a stablecoin, 0 for USD
//! fx(c)             x (1 + u(c))
//! index, forward,
//! delta-one mark    of B quoted in Q: x (1 + u(B)) / (1 + u(Q))
//! volatility        of options on B: x (1 + vol)
//! as of             + days
//! option mark       its USD value changes by the change of its Black-76 value, and stays at least zero
//! ```

use super::Market;
use super::moved::Moves;
use crate::{Invalid, Result};

pub use super::moved::{PriceMoves, moves_by_fx};

/// The name of the scenario without a move.
pub const BASE: &str = "base";

/// A shock to every coin without a shock of its own. It does not apply to USD or to a currency that moves by `fx`.
pub const EVERY_COIN: &str = "*";

/// Largest relative move. Beyond it a price may leave the range in which every figure of the model is finite.
pub const LARGEST_MOVE: f64 = 1e6;

/// Most days of a scenario: a century.
pub const MOST_DAYS: f64 = 36_500.0;

const DAY_NS: f64 = 86_400.0 * 1e9;

/// One price scenario (section 11 of the model). All moves are relative: -0.3 is a fall of 30 %.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scenario {
    /// Its name in the tables.
    pub name: String,
    /// Moves by base currency, or [`EVERY_COIN`]; each base once.
    pub shocks: Vec<Shock>,
    /// Moves against USD of currencies that are not coins: USDT, USDC; each once.
    pub fx: Vec<(String, f64)>,
    /// Days that pass, zero or more.
    pub days: f64,
    /// What it weighs beside other scenarios in a distribution; 1 if it is not given. The base case weighs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
}

/// What a scenario weighs that was given no weight.
pub const USUAL_WEIGHT: f64 = 1.0;

/// Least weight above zero: sums of weights can be told from nothing.
pub const LEAST_WEIGHT: f64 = 1e-200;

/// Largest weight.
pub const LARGEST_WEIGHT: f64 = 1e15;

/// The moves of one base currency. A missing field is taken from [`EVERY_COIN`], else it is zero.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shock {
    /// `BTC`, or [`EVERY_COIN`].
    pub base: String,
    /// Move of the coin in USD, > -1.
    pub price: Option<f64>,
    /// Move of the volatilities of its options, > -1.
    pub vol: Option<f64>,
}

impl Scenario {
    /// The scenario without a move.
    #[must_use]
    pub fn base() -> Self {
        Self { name: BASE.to_owned(), ..Self::default() }
    }

    /// True if nothing moves; the name does not matter.
    #[must_use]
    pub fn moves_nothing(&self) -> bool {
        let still = |shock: &Shock| shock.price.unwrap_or(0.0) == 0.0 && shock.vol.unwrap_or(0.0) == 0.0;
        self.days == 0.0 && self.shocks.iter().all(still) && self.fx.iter().all(|(_, fx)| *fx == 0.0)
    }

    /// What it weighs in a distribution: 1 if it was given no weight.
    #[must_use]
    pub fn weighs(&self) -> f64 {
        self.weight.unwrap_or(USUAL_WEIGHT)
    }

    /// Checks that the scenario can be applied to a market.
    ///
    /// # Errors
    /// Those of [`apply`].
    pub fn check(&self, market: &Market) -> Result<()> {
        moves_of(market, self).map(drop)
    }

    /// A scenario of one price move: of a coin, or of [`EVERY_COIN`].
    pub fn price_move(name: impl Into<String>, base: impl Into<String>, price: f64) -> Self {
        let shock = Shock { base: base.into(), price: Some(price), vol: None };
        Self { name: name.into(), shocks: vec![shock], ..Self::default() }
    }
}

/// A problem of a scenario, with the column of the table `shocks` and the value.
pub type Fault = Box<Invalid>;

/// Checks that a shock can be applied to a market.
///
/// # Errors
/// The problem, with the column of the table `shocks`, the value and what was expected.
pub fn check_shock(market: &Market, shock: &Shock) -> Result<(), Fault> {
    if shock.base != EVERY_COIN {
        known(market, "base", &shock.base)?;
        if moves_by_fx(&shock.base) {
            return Err(Invalid::new("a shock to a currency that moves by `fx` alone")
                .column("base")
                .value(&shock.base)
                .expected("a coin, or `*` for all of them")
                .hint("write its move against USD in the columns `fx_ccy` and `fx`")
                .into());
        }
    }
    check_move("price", shock.price.unwrap_or(0.0))?;
    check_move("vol", shock.vol.unwrap_or(0.0))
}

/// Checks that a currency's move against USD can be applied to a market.
///
/// # Errors
/// As [`check_shock`].
pub fn check_fx(market: &Market, ccy: &str, fx: f64) -> Result<(), Fault> {
    known(market, "fx_ccy", ccy)?;
    let traded = || {
        let bases = market.instruments.iter().map(|instrument| market.underlyings[instrument.underlying as usize].base);
        bases.into_iter().any(|base| market.currencies[base as usize].name == ccy)
    };
    if ccy == "USD" || (!moves_by_fx(ccy) && traded()) {
        let invalid = Invalid::new("a currency that cannot move by `fx`").column("fx_ccy").value(ccy);
        let invalid = if ccy == "USD" {
            invalid.expected("a currency other than USD, which is the unit of account")
        } else {
            invalid.expected("a stablecoin").hint("write the move of a coin in the columns `base` and `price`")
        };
        return Err(invalid.into());
    }
    check_move("fx", fx)
}

/// Checks that a number of days is allowed in a scenario.
///
/// # Errors
/// As [`check_shock`].
pub fn check_days(days: f64) -> Result<(), Fault> {
    if (0.0..=MOST_DAYS).contains(&days) {
        return Ok(());
    }
    Err(Invalid::new("a number of days that no scenario can have")
        .column("days")
        .value(days.to_string())
        .expected(format!("from 0 to {MOST_DAYS}"))
        .into())
}

/// Checks that a scenario can have this weight.
///
/// # Errors
/// As [`check_shock`].
pub fn check_weight(weight: f64) -> Result<(), Fault> {
    if weight == 0.0 || (LEAST_WEIGHT..=LARGEST_WEIGHT).contains(&weight) {
        return Ok(());
    }
    Err(Invalid::new("a weight that no scenario can have")
        .column("weight")
        .value(weight.to_string())
        .expected(format!("0, or from {LEAST_WEIGHT:e} to {LARGEST_WEIGHT:e}"))
        .into())
}

fn check_move(column: &'static str, value: f64) -> Result<(), Fault> {
    if value > -1.0 && value <= LARGEST_MOVE {
        return Ok(());
    }
    Err(Invalid::new("an impossible price or volatility move")
        .column(column)
        .value(value.to_string())
        .expected(format!("a relative move above -1 (-100 %) and up to {LARGEST_MOVE}"))
        .into())
}

fn known(market: &Market, column: &'static str, ccy: &str) -> Result<(), Fault> {
    if currency(market, ccy).is_some() {
        return Ok(());
    }
    let names: Vec<_> = market.currencies.iter().map(|currency| currency.name.as_str()).collect();
    let (shown, more) = names.split_at(names.len().min(20));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    Err(Invalid::new("unknown currency")
        .column(column)
        .value(ccy)
        .expected("a currency of the snapshot")
        .hint(format!("it has {}{more}", shown.join(", ")))
        .into())
}

/// Index of a currency. Currencies are in byte order.
fn currency(market: &Market, name: &str) -> Option<usize> {
    market.currencies.binary_search_by(|currency| currency.name.as_str().cmp(name)).ok()
}

/// The moves of a scenario, checked.
fn moves_of(market: &Market, scenario: &Scenario) -> Result<Moves> {
    let named = |fault: Fault| {
        let problem = format!("scenario `{}`: {}", scenario.name, fault.problem);
        Fault::new(Invalid { problem, ..*fault })
    };
    let twice = |column: &str, value: &str| {
        named(Invalid::new("duplicate row").column(column).value(value).expected("each currency once").into())
    };
    check_days(scenario.days).map_err(named)?;
    check_weight(scenario.weighs()).map_err(named)?;
    let everywhere = scenario.shocks.iter().find(|shock| shock.base == EVERY_COIN);
    let default = |field: fn(&Shock) -> Option<f64>| everywhere.and_then(field).unwrap_or(0.0);
    let (price, vol) = (default(|shock| shock.price), default(|shock| shock.vol));
    let stable = |ccy: &str| moves_by_fx(ccy) || scenario.fx.iter().any(|(other, _)| other == ccy);
    let factor = |usual: f64| {
        let names = market.currencies.iter().map(|currency| currency.name.as_str());
        names.map(|name| if stable(name) { 1.0 } else { 1.0 + usual }).collect::<Vec<_>>()
    };
    let mut moves = Moves { usd: factor(price), vol: factor(vol), as_of_ns: later(market.as_of_ns, scenario.days)? };
    for (index, shock) in scenario.shocks.iter().enumerate() {
        check_shock(market, shock).map_err(named)?;
        if scenario.shocks[..index].iter().any(|earlier| earlier.base == shock.base) {
            return Err(twice("base", &shock.base).into());
        }
        if let Some(ccy) = currency(market, &shock.base) {
            moves.usd[ccy] = 1.0 + shock.price.unwrap_or(price);
            moves.vol[ccy] = 1.0 + shock.vol.unwrap_or(vol);
        }
    }
    for (index, (ccy, fx)) in scenario.fx.iter().enumerate() {
        check_fx(market, ccy, *fx).map_err(named)?;
        let moved = scenario.shocks.iter().any(|shock| shock.base == *ccy);
        if moved || scenario.fx[..index].iter().any(|(earlier, _)| earlier == ccy) {
            return Err(twice("fx_ccy", ccy).into());
        }
        if let Some(place) = currency(market, ccy) {
            moves.usd[place] = 1.0 + fx;
        }
    }
    Ok(moves)
}

fn later(as_of_ns: i64, days: f64) -> Result<i64> {
    let passed = (days * DAY_NS).round() as i64;
    as_of_ns.checked_add(passed).ok_or_else(|| {
        let expected = "a time before the year 2262";
        Invalid::new("a scenario that ends too late").column("days").value(days.to_string()).expected(expected).into()
    })
}

/// The market after a scenario. Instruments, currencies and underlyings keep their number and order, so the book still
/// fits. A missing price stays missing. Options may have reached their expiry (`T = 0`); they count in equity only. A
/// scenario without a move gives an identical market.
///
/// An option's mark in USD becomes `max(0, mark fx(settle) + V1 phi' - V0 phi)`, with `V0` and `V1` the Black-76
/// values per coin before and after at the rate of the rules, and `phi`, `phi'` the USD value of the quote currency.
///
/// ```
/// use remargin::market::scenario::{Scenario, apply};
/// # use remargin::snapshot::{self, LoadOptions};
/// # use remargin::rules;
/// # use std::path::Path;
/// let rules = rules::load(None, &[])?;
/// let snapshot = snapshot::load(Path::new("data/sample"), &LoadOptions::of(&rules.rules))?;
/// let market = &snapshot.market;
/// let crash = Scenario::price_move("crash", "BTC", -0.3);
/// let after = apply(market, &crash, rules.rules.rate)?;
/// let btc = market.currencies.iter().position(|currency| currency.name == "BTC").unwrap();
/// let (before, after) = (market.currencies[btc].fx.unwrap(), after.currencies[btc].fx.unwrap());
/// assert!((after / before - 0.7).abs() < 1e-12);
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`crate::Error::Invalid`] if the scenario names a currency that the market does not have, or one twice, moves a
/// price by -100 % or less, or has negative days.
pub fn apply(market: &Market, scenario: &Scenario, rate: f64) -> Result<Market> {
    let moves = moves_of(market, scenario)?;
    let mut after = market.clone();
    moves.apply(market, rate, &mut after);
    Ok(after)
}

/// The base case and the given scenarios, each checked against the market.
///
/// # Errors
/// [`Error::Usage`](crate::Error::Usage) if two have the same name or one is named `base`;
/// [`Error::Invalid`](crate::Error::Invalid) if one cannot be applied.
pub fn with_base(market: &Market, scenarios: Vec<Scenario>) -> Result<Vec<Scenario>> {
    let mut names = std::collections::HashSet::from([BASE.to_owned()]);
    let mut all = vec![Scenario::base()];
    for scenario in scenarios {
        if !names.insert(scenario.name.clone()) {
            let hint = if scenario.name == BASE { "the base case is always there" } else { "each name once" };
            return Err(Invalid::new("two scenarios with the same name").value(scenario.name).expected(hint).into());
        }
        scenario.check(market)?;
        all.push(scenario);
    }
    Ok(all)
}
