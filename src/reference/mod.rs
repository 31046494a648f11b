//! The reference model: the margin of one account, slow and close to the text.
//!
//! A second implementation of the margin model (sections 1 to 10), written from its text alone. It shares parameters,
//! market and book with [`crate::margin`] as data, but no formula. Tests, and a sample of every finished run, check the
//! fast kernel against it; [`compare`] reports the differences.
//!
//! # Number policy
//! Ledgers, tiers and totals are decimals of 28 digits, read from the shortest text of each `f64`, so that 0.1 is 0.1
//! and a perfect hedge is exactly zero. Black-76 is `f64` with `libm`'s `erfc`, `exp` and `log`. If a decimal would
//! overflow or lose its significant digits, that figure and everything computed from it are `f64`. Outputs are `f64`. A
//! figure that is not finite is an error.

mod black76;
mod compare;
mod ledger;
mod leg;
mod number;
mod orders;
mod prices;
#[cfg(test)]
mod round;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod tests;
mod unit;

pub use compare::{Mismatch, compare, compare_rows};

use crate::Result;
use crate::book::Book;
use crate::margin::rules::{MR1_MOVES, RiskUnitMode, Rules, SpotOffset, StatusRules};
use crate::margin::tiers::Tiers;
use crate::margin::{Status, VolState};
use crate::market::Market;
use ledger::Line;
use leg::Leg;
use number::Num;
use std::collections::BTreeMap;
use unit::{SpotInUse, unit_margin};

/// A position row.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// Index into [`Market::instruments`].
    pub instrument: usize,
    /// Signed contracts (long +).
    pub qty: f64,
    /// Average entry price.
    pub avg_px: f64,
}

/// A balance row.
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// Index into [`Market::currencies`].
    pub ccy: usize,
    /// Signed cash, in currency units.
    pub cash: f64,
    /// Accrued interest, not negative.
    pub interest: f64,
    /// The account's own limit of spot in use, in coins.
    pub cap: Option<f64>,
    /// It may not back new orders.
    pub restricted: bool,
}

/// A pending order, assumed filled at its price.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingOrder {
    /// What is traded.
    pub on: Traded,
    /// Contracts or coins, bought +, sold -.
    pub qty: f64,
    /// Price.
    pub px: f64,
}

/// The traded contract or pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traded {
    /// Index into [`Market::instruments`].
    Contract(usize),
    /// Base and quote of a spot pair, indices into [`Market::currencies`].
    Spot(usize, usize),
}

/// One account in one market under one set of rules.
#[derive(Debug, Clone)]
pub struct Account<'a> {
    /// The market.
    pub market: &'a Market,
    /// The parameters.
    pub rules: &'a Rules,
    /// Its positions; two rows of one instrument are two positions.
    pub positions: Vec<Position>,
    /// Its balances, each currency once.
    pub balances: Vec<Balance>,
    /// Its spot hedging mode.
    pub spot_offset: SpotOffset,
    /// Its pending orders.
    pub orders: Vec<PendingOrder>,
    /// Its taker fee, if it has one of its own.
    pub fee_rate: Option<f64>,
}

/// The margin of one account. Money in USD.
#[derive(Debug, Clone, PartialEq)]
pub struct Margin {
    /// Adjusted (discounted) equity.
    pub adj_eq: f64,
    /// Part of it that may not back new orders.
    pub restricted_eq: f64,
    /// Equity without discounts.
    pub total_eq: f64,
    /// Unrealised P&L of swaps and futures.
    pub upl: f64,
    /// Maintenance margin requirement.
    pub mmr: f64,
    /// Initial margin requirement.
    pub imr: f64,
    /// Sum of the units' MMR.
    pub deriv_mmr: f64,
    /// Borrowing MMR.
    pub borrow_mmr: f64,
    /// Borrowing IMR.
    pub borrow_imr: f64,
    /// Liquidation fee.
    pub liquidation_fee: f64,
    /// Adjusted equity over MMR and liquidation fee; `None` where these are below 1e-6 USD.
    pub margin_ratio: Option<f64>,
    /// Its status.
    pub status: Status,
    /// Adjusted equity is below IMR.
    pub im_deficit: bool,
    /// Total equity is below the minimum for eligibility.
    pub ineligible: bool,
    /// MMR with spot hedging off.
    pub mmr_no_hedge: f64,
    /// IMR with spot hedging off.
    pub imr_no_hedge: f64,
    /// IMR of pending orders.
    pub order_imr: f64,
    /// Risk units in byte order of their names: every unit in which the account has a position row or an order.
    pub units: Vec<Unit>,
    /// Equity by currency, in byte order.
    pub equity: Vec<Equity>,
    /// Sum of the absolute USD values of cash, interest, P&L and option values: the scale of rounding errors in equity.
    pub gross_eq: f64,
}

/// Equity in one currency.
#[derive(Debug, Clone, PartialEq)]
pub struct Equity {
    /// The currency.
    pub ccy: String,
    /// USD value of one unit.
    pub fx: f64,
    /// `eq(c)`, in currency units.
    pub eq: f64,
    /// After discounts, USD.
    pub adj_usd: f64,
    /// Before discounts, USD.
    pub total_usd: f64,
}

/// The stress components of a risk unit, USD, all non-negative.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Components {
    /// Spot and volatility shock.
    pub mr1: f64,
    /// Theta decay.
    pub mr2: f64,
    /// Volatility term structure.
    pub mr3: f64,
    /// Basis.
    pub mr4: f64,
    /// Interest rate.
    pub mr5: f64,
    /// Extreme move.
    pub mr6: f64,
    /// Minimum charge.
    pub mr7: f64,
    /// Stablecoin hedge risk.
    pub mr9: f64,
}

impl Components {
    /// The unit's MMR: `max( max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9, MR7 )`.
    #[must_use]
    pub fn mmr(&self) -> f64 {
        unit::combine(self).to_f64()
    }
}

/// The margin of one risk unit. Money in USD.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// The underlying; with merged units, the base currency.
    pub name: String,
    /// MR1 to MR9.
    pub parts: Components,
    /// The price move that gave MR1.
    pub mr1_price: f64,
    /// The volatility state that gave MR1.
    pub mr1_vol: VolState,
    /// The move that gave MR6.
    pub mr6_price: f64,
    /// Maintenance margin.
    pub mmr: f64,
    /// Initial margin, pending orders included.
    pub imr: f64,
    /// IMR of pending orders.
    pub order_imr: f64,
    /// Sum of cash deltas.
    pub cash_delta: f64,
    /// Change of the options' coin delta for +1 % of the index, in USD.
    pub gamma: f64,
    /// Change of value for +1 volatility point.
    pub vega: f64,
    /// Signed P&L after MR2's days.
    pub theta: f64,
    /// Spot in use, in coins, signed.
    pub spot_in_use: f64,
    /// Unrealised P&L of swaps and futures.
    pub upl: f64,
    /// The price moves of the grid.
    pub grid_prices: [f64; MR1_MOVES],
    /// P&L by price move, then by volatility state in the order of [`VolState::ALL`].
    pub grid: [[f64; 3]; MR1_MOVES],
    /// The two moves of MR6, the fall first.
    pub mr6_prices: [f64; 2],
    /// P&L of the two moves.
    pub mr6_pnl: [f64; 2],
    /// The unit has an option row. Without one all volatility states have the same P&L.
    pub has_options: bool,
    /// Sum of the absolute notionals of positions and spot in use: the scale of rounding errors in the stresses.
    pub notional: f64,
    /// USD price of a coin of spot in use.
    pub spot_price_usd: f64,
}

/// Account number `index` of a book; `None` if there is no such account.
#[must_use]
pub fn account_of<'a>(market: &'a Market, book: &Book, rules: &'a Rules, index: usize) -> Option<Account<'a>> {
    let spot_offset = *book.spot_offset().get(index)?;
    let positions = (*book.position_start().get(index)?..*book.position_start().get(index + 1)?)
        .map(|row| Position {
            instrument: book.instrument()[row] as usize,
            qty: book.qty()[row],
            avg_px: book.avg_px()[row],
        })
        .collect();
    let balances = (*book.balance_start().get(index)?..*book.balance_start().get(index + 1)?)
        .map(|row| Balance {
            ccy: book.ccy()[row] as usize,
            cash: book.cash()[row],
            interest: book.interest()[row],
            cap: Some(book.spot_in_use_cap()[row]).filter(|cap| cap.is_finite()),
            restricted: book.restricted().get(row).copied().unwrap_or(false),
        })
        .collect();
    let orders = book.orders_of(index).iter().map(|order| PendingOrder {
        on: match order.traded {
            orders::BookTraded::Contract(instrument) => Traded::Contract(instrument as usize),
            orders::BookTraded::Spot { base, quote } => Traded::Spot(base as usize, quote as usize),
        },
        qty: order.qty,
        px: order.px,
    });
    let orders = orders.collect();
    Some(Account { market, rules, positions, balances, spot_offset, orders, fee_rate: book.fee_rate(index) })
}

/// The margin of an account. An option at its expiry (only in a scenario) counts in equity only.
///
/// ```
/// use remargin::engine::{chunk, price};
/// use remargin::reference::{account_of, margin};
/// # use remargin::snapshot::{self, LoadOptions};
/// # use remargin::rules;
/// # use std::path::Path;
/// let rules = rules::load(None, &[])?;
/// let snapshot = snapshot::load(Path::new("data/sample"), &LoadOptions::of(&rules.rules))?;
/// let account = account_of(&snapshot.market, &snapshot.book, &rules.rules, 0).unwrap();
/// let slow = margin(&account)?;
/// let fast = chunk(&price(&snapshot.market, &rules.rules), &snapshot.book, 0..1)?.accounts[0];
/// assert!((slow.mmr - fast.mmr).abs() <= 1e-9 * fast.mmr);
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`crate::Error::Invalid`] if it has a position or balance without a price; [`crate::Error::Runtime`] if an index is
/// out of range, or if a result is not finite.
pub fn margin(account: &Account) -> Result<Margin> {
    let rules = account.rules;
    let legs: Vec<Leg> =
        account.positions.iter().map(|position| Leg::new(account.market, rules, position)).collect::<Result<_>>()?;
    let lines = ledger::lines(account, &legs)?;
    let sum = |figure: &dyn Fn(&Line) -> Num| -> Num { lines.values().map(figure).sum() };

    let deducted = if rules.orders_deduct_loss { orders::loss(account)? } else { Num::ZERO };
    let adj_eq = sum(&|line| line.adjusted_usd(rules)) - deducted;
    let total_eq = sum(&Line::total_usd);
    let fee_rate = Num::from(account.fee_rate.unwrap_or(rules.mr8.fee_rate));
    let borrowing = |line: &Line| line.borrowing(rules, fee_rate);
    let (borrow_mmr, borrow_imr) = (sum(&|line| borrowing(line).mmr), sum(&|line| borrowing(line).imr));
    let fee_base: Num = legs.iter().map(Leg::fee_base).sum();
    let liquidation_fee = sum(&|line| borrowing(line).fee) + Num::from(rules.liquidation_fee_derivatives) * fee_base;

    let mut units = unit_margins(account.spot_offset, rules, &legs, &lines);
    let mut unhedged = unit_margins(SpotOffset::None, rules, &legs, &lines);
    orders::freeze(account, account.spot_offset, &mut units)?;
    orders::freeze(account, SpotOffset::None, &mut unhedged)?;
    let deriv_mmr = total(&units, |unit| unit.mmr);
    let mmr = deriv_mmr + borrow_mmr;
    let imr = total(&units, |unit| unit.imr) + borrow_imr;
    let required = mmr + liquidation_fee;
    let ratio = (required >= Num::from(LEAST_REQUIREMENT_USD)).then(|| adj_eq / required);

    let margin = Margin {
        adj_eq: adj_eq.to_f64(),
        restricted_eq: sum(&|line| line.restricted_usd(rules)).to_f64(),
        total_eq: total_eq.to_f64(),
        upl: legs.iter().map(|leg| leg.upl() * leg.settle_fx).sum::<Num>().to_f64(),
        mmr: mmr.to_f64(),
        imr: imr.to_f64(),
        deriv_mmr: deriv_mmr.to_f64(),
        borrow_mmr: borrow_mmr.to_f64(),
        borrow_imr: borrow_imr.to_f64(),
        liquidation_fee: liquidation_fee.to_f64(),
        margin_ratio: ratio.map(Num::to_f64),
        status: status(ratio, &rules.status),
        im_deficit: adj_eq < imr,
        ineligible: total_eq < Num::from(rules.min_net_equity_usd),
        mmr_no_hedge: (total(&unhedged, |unit| unit.mmr) + borrow_mmr).to_f64(),
        imr_no_hedge: (total(&unhedged, |unit| unit.imr) + borrow_imr).to_f64(),
        order_imr: total(&units, |unit| unit.order_imr).to_f64(),
        units,
        equity: lines.values().map(|line| line.report(rules)).collect(),
        gross_eq: sum(&Line::gross_usd).to_f64(),
    };
    compare::finite(&margin)?;
    Ok(margin)
}

/// The smallest requirement with a margin ratio.
const LEAST_REQUIREMENT_USD: f64 = 1e-6;

fn total(units: &[Unit], figure: impl Fn(&Unit) -> f64) -> Num {
    units.iter().map(|unit| Num::from(figure(unit))).sum()
}

fn status(ratio: Option<Num>, rules: &StatusRules) -> Status {
    let Some(ratio) = ratio else { return Status::NoRisk };
    if ratio <= Num::from(rules.liquidation) {
        Status::Liquidation
    } else if ratio <= Num::from(rules.near) {
        Status::NearLiquidation
    } else if ratio <= Num::from(rules.warning) {
        Status::Warning
    } else {
        Status::Healthy
    }
}

/// Every unit with a position row, in byte order of its name.
fn unit_margins(mode: SpotOffset, rules: &Rules, legs: &[Leg], lines: &BTreeMap<String, Line>) -> Vec<Unit> {
    let mut by_unit: BTreeMap<&str, Vec<&Leg>> = BTreeMap::new();
    for leg in legs {
        let name = match rules.risk_unit {
            RiskUnitMode::Separate => leg.underlying,
            RiskUnitMode::Merged => leg.base,
        };
        by_unit.entry(name).or_default().push(leg);
    }
    let margin_of = |(name, legs): (&str, Vec<&Leg>)| {
        let spot = spot_in_use(mode, rules.risk_unit, &legs, lines);
        unit_margin(name, &legs, spot, rules)
    };
    by_unit.into_iter().map(margin_of).collect()
}

/// Section 6: `h` of a unit; zero unless spot of its base currency hedges it.
fn spot_in_use(mode: SpotOffset, units: RiskUnitMode, legs: &[&Leg], lines: &BTreeMap<String, Line>) -> SpotInUse {
    let nothing = SpotInUse { coins: Num::ZERO, price_usd: Num::ZERO };
    let Some(first) = legs.first() else { return nothing };
    let hedges = match units {
        RiskUnitMode::Separate => mode.quote() == Some(first.quote),
        RiskUnitMode::Merged => mode != SpotOffset::None,
    };
    // Without a ledger line the equity of the base currency is zero.
    let Some(line) = lines.get(first.base).filter(|_| hedges) else { return nothing };
    let price_usd = match units {
        RiskUnitMode::Separate => first.index * first.phi,
        RiskUnitMode::Merged => line.fx(),
    };
    let equity = line.equity_without_options();
    let delta: Num = legs.iter().map(|leg| leg.coin_delta()).sum();
    if equity.sign() * delta.sign() >= 0 {
        return SpotInUse { coins: Num::ZERO, price_usd };
    }
    let size = equity.abs().min(delta.abs());
    let size = line.cap.map_or(size, |cap| size.min(cap));
    SpotInUse { coins: if equity.sign() < 0 { -size } else { size }, price_usd }
}

/// An amount through incremental tiers: the rate of each tier applies to the part inside it.
#[must_use]
pub fn incremental(tiers: &Tiers, amount: f64) -> f64 {
    incremental_num(tiers, amount.into()).to_f64()
}

fn incremental_num(tiers: &Tiers, amount: Num) -> Num {
    let mut lower = Num::ZERO;
    let mut sum = Num::ZERO;
    for &(bound, rate) in tiers.rows() {
        let upper = if bound.is_finite() { amount.min(Num::from(bound)) } else { amount };
        if upper > lower {
            sum = sum + (upper - lower) * Num::from(rate);
            lower = upper;
        }
    }
    sum
}
