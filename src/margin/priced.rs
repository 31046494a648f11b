//! What one contract of each instrument adds to each figure: the instrument x scenario table.
//!
//! All accounts hold the same few thousand instruments. An instrument is therefore priced once per market, for one
//! long contract, in USD; a position of `n` contracts costs a handful of multiply-adds.
//!
//! Swaps and futures need no row of scenarios, as options do (see `option_row`): their P&L for an index move `s` is
//! `slope x s` in every volatility state.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::extremes::{higher, lower};
pub use super::option_row::{
    DECAY, EXTREME, GAMMA, GRID, OPTION_COLUMNS, OptionContract, OptionRow, RATES, TERM, VEGA, vol_shift,
};
use super::option_row::{OptionValues, option_row};
use super::real::Real;
use super::rules::{Class, MR1_MOVES, OtherBounds, RiskUnitMode, Rules, SpotOffset};
use super::tiers::{BorrowTiers, MarketTiers, TierUnit, Tiers};
use std::sync::Arc;

/// Which formulas a contract follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContractKind {
    /// P&L `n m (mark - avg)` in the quote currency.
    Linear,
    /// P&L `n m (1/avg - 1/mark)` in coins.
    Inverse,
    /// No P&L; its value counts in equity. `row` is its place among the option rows.
    Option {
        /// Index into [`PricedMarket::option_rows`].
        row: u32,
    },
}

/// One long contract, priced. USD unless the name says otherwise. In one market two cache lines exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub struct Contract<R = f64> {
    /// Which formulas.
    pub kind: ContractKind,
    /// Risk unit.
    pub unit: u32,
    /// Place of its expiry among the unit's expiries; perpetuals share one.
    pub expiry: u32,
    /// Settle currency.
    pub settle: u32,
    /// Settle group of MR9, index into [`super::rules::SettleGroup::ALL`].
    pub group: u32,
    /// Number of its bucket: the contracts of one unit and expiry.
    pub bucket: u32,
    /// Number of its leg: those of a bucket that have one settle currency and are all options or none.
    pub leg: u32,
    /// What MR4 charges of the absolute cash delta of its expiry: `max(floor, annualized T)`.
    pub basis_rate: R,
    /// `m`: coins, or USD face.
    pub multiplier: f64,
    /// What the unrealised P&L counts: `m`, zero for options.
    pub upl_multiplier: f64,
    /// 1 for inverse contracts, 0 for others: a factor costs less than a mispredicted branch.
    pub inverse: f64,
    /// Mark price.
    pub mark_px: R,
    /// Value of an option in its settle currency, `m mark`; zero for swaps and futures.
    pub value_settle: R,
    /// P&L for a relative index move `s` is `slope s`: `m S phi`, inverse `m`; zero for options.
    pub slope_usd: R,
    /// `D`: `m mark phi`, inverse `m`, option `m d F phi`.
    pub cash_delta_usd: R,
    /// `q`: `m`, inverse `m / S`, option `m d`.
    pub delta_coin: R,
    /// Raw MR7 charge of one long contract.
    pub charge_long_usd: R,
    /// Raw MR7 charge of one short contract.
    pub charge_short_usd: R,
    /// What the liquidation fee is taken on: `abs(D)`, options `m S phi`.
    pub fee_base_usd: R,
}

const _: () = assert!(size_of::<Contract>() == 128, "two cache lines");

impl Contract {
    /// A contract at its place that adds nothing to any figure.
    fn at(place: Place, kind: ContractKind, multiplier: f64, mark_px: f64) -> Self {
        Self {
            kind,
            unit: place.unit,
            expiry: place.expiry,
            settle: place.settle,
            group: place.group,
            bucket: place.bucket,
            leg: place.leg,
            basis_rate: place.basis_rate,
            multiplier,
            upl_multiplier: 0.0,
            inverse: 0.0,
            mark_px,
            value_settle: 0.0,
            slope_usd: 0.0,
            cash_delta_usd: 0.0,
            delta_coin: 0.0,
            charge_long_usd: 0.0,
            charge_short_usd: 0.0,
            fee_base_usd: 0.0,
        }
    }
}

/// A risk unit's own parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitParams<R = f64> {
    /// Underlying (`BTC-USDT`) or base currency (`BTC`).
    pub name: String,
    /// Base currency.
    pub base: u32,
    /// Quote currency's name, in separate books; empty in merged ones.
    pub quote: String,
    /// USD value of one coin of spot in use: `S phi`, in a merged book `fx(B)`. NaN without a price, in which case
    /// no account has spot to use.
    pub spot_usd: R,
    /// Class for MR1.
    pub class_mr1: Class,
    /// Class for MR4, MR6 and MR7.
    pub class_mr467: Class,
    /// What the rules say of the classes, one copy for all units of the same.
    pub figures: Arc<ClassFigures>,
    /// Whether spot hedges this unit, by [`SpotOffset`].
    pub hedged_by: [bool; SpotOffset::COUNT],
    /// MR9's tiers of each pair of settle groups at the price of its cheaper stablecoin, the same for all units; none
    /// in separate books.
    pub hedge_tiers: Arc<[MarketTiers<R>]>,
    /// Each expiry in nanoseconds since 1970 UTC, `None` for the bucket of perpetuals.
    pub expiries: Vec<Option<i64>>,
}

/// What the rules say of a unit's classes, looked up once.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassFigures {
    /// MR1's price moves.
    pub moves: [f64; MR1_MOVES],
    /// The lowest of them.
    pub lowest_move: f64,
    /// The highest of them.
    pub highest_move: f64,
    /// MR6's move.
    pub extreme: f64,
    /// MR7's multipliers.
    pub charge: Tiers,
    /// What MR4 charges of spot in use; zero if it is no bucket.
    pub spot_basis: f64,
}

/// A currency's own parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrencyParams<R = f64> {
    /// `BTC`.
    pub name: String,
    /// USD value of one unit; NaN without a price, in which case nobody holds it.
    pub fx_usd: R,
    /// Collateral discount.
    pub discount: Tiers,
    /// What its bounds count.
    pub discount_unit: TierUnit<R>,
    /// Borrowing rates.
    pub borrow: BorrowTiers,
    /// What their bounds count.
    pub borrow_unit: TierUnit<R>,
}

/// A market priced under a set of rules, or several markets side by side: everything the account pass reads.
#[derive(Debug, Clone)]
pub struct PricedMarket<R = f64> {
    /// The rules it was priced under.
    pub rules: Arc<Rules>,
    /// Risk units in byte order of their names.
    pub units: Vec<UnitParams<R>>,
    /// Currencies in byte order of their names.
    pub currencies: Vec<CurrencyParams<R>>,
    /// One entry an instrument, in the market's order. `None` where a price is missing: nobody holds it.
    pub contracts: Vec<Option<Contract<R>>>,
    /// Rows of the options.
    pub option_rows: Vec<OptionRow<R>>,
}

/// A swap or future, as the pricing sees it.
#[derive(Debug, Clone, Copy)]
pub struct DeltaOne {
    /// Inverse (USD face) or linear (coins).
    pub inverse: bool,
    /// `m`.
    pub multiplier: f64,
    /// Mark price: quote, or quote per coin.
    pub mark_px: f64,
    /// Index price `S` in the quote currency.
    pub index_px: f64,
    /// USD value of the quote currency.
    pub phi_usd: f64,
    /// Class for MR7.
    pub class: Class,
}

/// Where a contract belongs; see the fields of [`Contract`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// Risk unit.
    pub unit: u32,
    /// Place of the expiry among the unit's.
    pub expiry: u32,
    /// Settle currency.
    pub settle: u32,
    /// Settle group of MR9.
    pub group: u32,
    /// Number of its bucket.
    pub bucket: u32,
    /// Number of its leg.
    pub leg: u32,
    /// What MR4 charges.
    pub basis_rate: f64,
}

/// Unrealised P&L in the settle currency: linear `n m (mark - avg)`, inverse `n m (1/avg - 1/mark)`, options none.
///
/// ```
/// use remargin::margin::priced::{DeltaOne, Place, price_delta_one, upl_settle};
/// use remargin::margin::rules::Class;
/// let rules = remargin::rules::load(None, &[])?.rules;
/// let (mark_px, index_px) = (110.0, 110.0);
/// let swap = DeltaOne { inverse: false, multiplier: 0.01, mark_px, index_px, phi_usd: 1.0, class: Class::Major };
/// let contract = price_delta_one(&swap, Place::default(), &rules);
/// assert!((upl_settle(&contract, 5.0, 100.0) - 5.0 * 0.01 * 10.0).abs() < 1e-12);
/// # Ok::<(), remargin::Error>(())
/// ```
#[must_use]
#[inline(always)]
pub fn upl_settle<R: Real>(contract: &Contract<R>, n: f64, avg_px: f64) -> R {
    let divisor = contract.mark_px * avg_px * contract.inverse + R::splat(1.0 - contract.inverse);
    (contract.mark_px - R::splat(avg_px)).over(divisor) * (n * contract.upl_multiplier)
}

/// Prices a swap or future: no scenario needs more than its slope.
#[must_use]
pub fn price_delta_one(spec: &DeltaOne, place: Place, rules: &Rules) -> Contract {
    let m = spec.multiplier;
    let (slope_usd, cash_delta_usd, delta_coin) = if spec.inverse {
        (m, m, m / spec.index_px)
    } else {
        (m * spec.index_px * spec.phi_usd, m * spec.mark_px * spec.phi_usd, m)
    };
    let charge = cash_delta_usd.abs() * rules.mr7.delta_one.get(spec.class);
    let kind = if spec.inverse { ContractKind::Inverse } else { ContractKind::Linear };
    Contract {
        upl_multiplier: m,
        inverse: f64::from(u8::from(spec.inverse)),
        slope_usd,
        cash_delta_usd,
        delta_coin,
        charge_long_usd: charge,
        charge_short_usd: charge,
        fee_base_usd: cash_delta_usd.abs(),
        ..Contract::at(place, kind, m, spec.mark_px)
    }
}

/// Prices an option in every scenario; `row` is the number its row will have.
#[must_use]
#[inline(always)]
pub fn price_option(spec: &OptionContract, place: Place, row: u32, rules: &Rules) -> (Contract, OptionRow) {
    let scale = spec.multiplier * spec.phi_usd;
    let values = OptionValues::of(spec, rules);
    let base = values.base();
    let greeks = spec.terms.greeks();
    let option_charge = rules.mr7.option.get(spec.class_mr467) * spec.index_px;
    let long_charge = lower(option_charge, rules.mr7.option_premium_cap * base);
    let contract = Contract {
        cash_delta_usd: scale * greeks.delta * spec.terms.forward,
        delta_coin: spec.multiplier * greeks.delta,
        charge_long_usd: scale * long_charge,
        charge_short_usd: scale * option_charge,
        fee_base_usd: scale * spec.index_px,
        ..settled(spec, place, row)
    };
    (contract, option_row(spec, &values, &greeks, scale, rules))
}

/// An option at its expiry (`T = 0`), which only a scenario brings about: its value counts in equity, and nothing else
/// of it is left. Its row is all zeros.
#[must_use]
pub fn settle_option(spec: &OptionContract, place: Place, row: u32) -> (Contract, OptionRow) {
    (settled(spec, place, row), [0.0; OPTION_COLUMNS])
}

/// An option that has a value and nothing else.
fn settled(spec: &OptionContract, place: Place, row: u32) -> Contract {
    let value_settle = spec.multiplier * spec.mark_px;
    Contract { value_settle, ..Contract::at(place, ContractKind::Option { row }, spec.multiplier, spec.mark_px) }
}

impl<R: Real> PricedMarket<R> {
    /// Names of the risk units, by index.
    #[must_use]
    pub fn unit_names(&self) -> Vec<String> {
        self.units.iter().map(|unit| unit.name.clone()).collect()
    }
}

impl UnitParams {
    /// MR4 rate of an expiry `years` away: `max(floor, annualized x years)`.
    #[must_use]
    pub fn basis_rate_of(rules: &Rules, class: Class, years: f64) -> f64 {
        higher(*rules.mr4.floor.get(class), rules.mr4.annualized.get(class) * years)
    }

    /// Which modes hedge a unit whose quote currency is `quote`, empty in merged books; by mode.
    #[must_use]
    pub fn hedged_by(quote: &str, risk_unit: RiskUnitMode) -> [bool; SpotOffset::COUNT] {
        let hedges =
            |mode: SpotOffset| mode.quote().is_some_and(|hedged| risk_unit == RiskUnitMode::Merged || hedged == quote);
        SpotOffset::ALL.map(hedges)
    }
}

impl<R: Real> UnitParams<R> {
    /// True if spot of the unit's base, under this mode, hedges this unit.
    #[must_use]
    pub fn is_hedged_by(&self, mode: SpotOffset) -> bool {
        self.hedged_by[mode as usize]
    }
}

impl CurrencyParams {
    /// Takes another USD value of one unit.
    pub fn move_to(&mut self, fx_usd: f64, rules: &Rules) {
        let unit = |is_listed: bool| match rules.other_bounds {
            OtherBounds::Usd if !is_listed => TierUnit::usd(fx_usd),
            OtherBounds::Usd | OtherBounds::Units => TierUnit::coins(fx_usd),
        };
        self.fx_usd = fx_usd;
        self.discount_unit = unit(rules.discount.lists(&self.name));
        self.borrow_unit = unit(rules.mr8.tiers.lists(&self.name));
    }
}

impl ClassFigures {
    /// The figures of a class for MR1 and one for MR6 and MR7.
    #[must_use]
    pub fn of(rules: &Rules, class_mr1: Class, class_mr467: Class) -> Self {
        let moves = *rules.mr1.price.get(class_mr1);
        Self {
            moves,
            lowest_move: moves.into_iter().fold(f64::INFINITY, lower),
            highest_move: moves.into_iter().fold(f64::NEG_INFINITY, higher),
            extreme: *rules.mr6.price.get(class_mr467),
            charge: rules.mr7.tiers.get(class_mr467).clone(),
            spot_basis: if rules.mr4.spot_bucket { UnitParams::basis_rate_of(rules, class_mr467, 0.0) } else { 0.0 },
        }
    }
}
