//! The requirement of a whole account: units and borrowing summed, ratio and status.
//!
//! [`evaluate`] makes one pass over the positions, which gathers equity by currency and sums by risk unit, and then
//! one over the units and currencies. Its [`Workspace`] is reused from account to account, so that nothing is
//! allocated per account; afterwards it still holds every intermediate result for an explanation.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::account::{Account, NotFinite};
use super::account_figures::AccountFigures;
use super::extremes::higher;
use super::gathered::Gathered;
use super::ledgers::Ledger;
use super::orders::OrderSpace;
use super::priced::PricedMarket;
use super::real::Real;
use super::rules::Rules;
use super::spot_hedge::Spot;
use super::status::Status;
use super::sums::{ExpirySums, UnitSums};
use super::totals::Totals;
use super::unit_margin::UnitMargin;

/// The margin of one account. All money in USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccountMargin {
    /// Adjusted (discounted) equity.
    pub adj_eq: f64,
    /// Equity without discounts.
    pub total_eq: f64,
    /// Unrealised P&L of swaps and futures.
    pub upl: f64,
    /// Maintenance margin requirement, `deriv_mmr + borrow_mmr`.
    pub mmr: f64,
    /// Initial margin requirement.
    pub imr: f64,
    /// Sum of the units' MMR.
    pub deriv_mmr: f64,
    /// Borrowing MMR (MR8).
    pub borrow_mmr: f64,
    /// Borrowing IMR (MR8).
    pub borrow_imr: f64,
    /// Liquidation fee.
    pub liquidation_fee: f64,
    /// `adj_eq / (mmr + liquidation_fee)`; `None` where that is below 1e-6 USD.
    pub margin_ratio: Option<f64>,
    /// Where the account stands.
    pub status: Status,
    /// Adjusted equity is below IMR.
    pub im_deficit: bool,
    /// Total equity is below the eligibility threshold.
    pub ineligible: bool,
    /// MMR with spot hedging off.
    pub mmr_no_hedge: f64,
    /// IMR with spot hedging off.
    pub imr_no_hedge: f64,
    /// What pending orders add to IMR.
    pub order_imr: f64,
}

/// Buffers of the account pass, and the intermediate results of the last account.
#[derive(Debug, Clone)]
pub struct Workspace<R = f64> {
    gathered: Gathered<R>,
    /// Made for the first account with pending orders.
    orders: Option<Box<OrderSpace>>,
    has_orders: bool,
}

impl<R: Real> Workspace<R> {
    /// Buffers for a market. They serve that market and any other with as many currencies, or fewer.
    #[must_use]
    pub fn new(priced: &PricedMarket<R>) -> Self {
        Self::for_currencies(priced.currencies.len())
    }

    /// Buffers for markets with at most so many currencies.
    #[must_use]
    pub fn for_currencies(currencies: usize) -> Self {
        Self { gathered: Gathered::new(currencies), orders: None, has_orders: false }
    }

    /// Gathers the rows of an account without pending orders. Returns what the fee of derivatives is taken on, USD.
    #[inline(always)]
    pub(super) fn gather(&mut self, priced: &PricedMarket<R>, account: &Account<'_>) -> Result<R, NotFinite> {
        self.has_orders = false;
        self.gathered.gather(priced, account)
    }

    pub(super) fn gathered(&self) -> &Gathered<R> {
        &self.gathered
    }

    pub(super) fn gathered_mut(&mut self) -> &mut Gathered<R> {
        &mut self.gathered
    }

    /// Currencies of the last account, ascending.
    #[must_use]
    pub fn currencies(&self) -> Vec<(u32, &Ledger<R>)> {
        let mut currencies: Vec<_> = self.gathered.ledgers().collect();
        currencies.sort_unstable_by_key(|(ccy, _)| *ccy);
        currencies
    }

    /// Sums of the last account's risk units, in order of the unit.
    #[must_use]
    #[inline(always)]
    pub fn unit_sums(&self) -> &[UnitSums<R>] {
        self.gathered.unit_sums()
    }

    /// Sums of the expiries of a unit, in order of their first position.
    pub fn expiry_sums(&self, unit: u32) -> impl Iterator<Item = &ExpirySums<R>> {
        self.gathered.expiry_sums().iter().filter(move |sums| sums.unit == unit)
    }

    /// The pending orders of the last account, filled; `None` if it has none.
    #[must_use]
    pub fn orders(&self) -> Option<&OrderSpace> {
        self.orders.as_deref().filter(|_| self.has_orders)
    }

    /// The ledger of a currency; empty if the last account has nothing in it.
    #[must_use]
    #[inline(always)]
    pub fn ledger(&self, ccy: u32) -> &Ledger<R> {
        self.gathered.ledger(ccy)
    }

    /// The spot that hedges a unit of the account whose rows were gathered last.
    #[must_use]
    #[inline(always)]
    pub fn spot_of(&self, priced: &PricedMarket<R>, account: &Account<'_>, sums: &UnitSums<R>) -> Spot<R> {
        self.gathered.spot(priced, account, sums.unit, sums.delta_coin)
    }
}

/// Fills the pending orders of the account whose rows were gathered last. The units that only its orders have join its
/// own, empty.
#[cold]
fn fill_orders(priced: &PricedMarket, account: &Account<'_>, work: &mut Workspace) -> Result<(), NotFinite> {
    let mut space = work.orders.take().unwrap_or_else(|| Box::new(OrderSpace::new(priced)));
    space.evaluate(priced, account)?;
    for unit in space.units() {
        if work.unit_sums().iter().all(|sums| sums.unit != unit) {
            work.gathered.add_empty(unit);
        }
    }
    work.orders = Some(space);
    Ok(())
}

/// The margin of one account; its risk units are appended to `units`, in byte order of their names.
///
/// ```
/// use remargin::engine::price;
/// use remargin::margin::account::Account;
/// use remargin::margin::requirement::{Workspace, evaluate};
/// use remargin::margin::rules::SpotOffset;
/// # use remargin::snapshot::{self, LoadOptions};
/// # use remargin::rules;
/// # use std::path::Path;
/// let rules = rules::load(None, &[])?;
/// let snapshot = snapshot::load(Path::new("data/sample"), &LoadOptions::of(&rules.rules))?;
/// let priced = price(&snapshot.market, &rules.rules);
/// let number = |names: Vec<&str>, name| names.iter().position(|other| *other == name).unwrap() as u32;
/// let swap = number(snapshot.market.instruments.iter().map(|one| one.inst_id.as_str()).collect(), "BTC-USDT-SWAP");
/// let usdt = number(snapshot.market.currencies.iter().map(|one| one.name.as_str()).collect(), "USDT");
///
/// let account = Account {
///     spot_offset: SpotOffset::None,
///     instrument: &[swap],
///     qty: &[50.0],
///     avg_px: &[75_000.0],
///     ccy: &[usdt],
///     cash: &[20_000.0],
///     interest: &[0.0],
///     spot_in_use_cap: &[f64::INFINITY],
///     restricted: &[],
///     fee_rate: None,
///     orders: &[],
/// };
/// let mut units = Vec::new();
/// let margin = evaluate(&priced, &account, &mut Workspace::new(&priced), &mut units).unwrap();
/// assert_eq!((units.len(), units[0].mmr), (1, margin.mmr));
/// assert!(margin.mmr > 0.0 && margin.imr > margin.mmr);
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`NotFinite`] if a figure overflows, which inputs in the documented range cannot bring about, or if an instrument
/// without a price is held, which a valid book excludes.
pub fn evaluate(
    priced: &PricedMarket,
    account: &Account<'_>,
    work: &mut Workspace,
    units: &mut Vec<UnitMargin>,
) -> Result<AccountMargin, NotFinite> {
    let fee_base_usd = work.gathered.gather(priced, account)?;
    work.has_orders = !account.orders.is_empty();
    if work.has_orders {
        fill_orders(priced, account, work)?;
    }
    let first = units.len();
    units.reserve(work.unit_sums().len());
    let mut sum = stress_units(priced, account, work, fee_base_usd, |_, margin| units.push(margin));
    if let Some(orders) = work.orders() {
        sum = Totals::new(priced, fee_base_usd);
        freeze_units(&priced.rules, orders, &mut units[first..], &mut sum);
        if priced.rules.orders_deduct_loss {
            sum.deduct(super::orders::loss_usd(priced, account)?);
        }
    }
    sum.finish_account(priced, account, &work.gathered).map(|figures| AccountMargin::of(&figures, &priced.rules))
}

/// [`evaluate`] in as many markets as `R` has, of an account without pending orders. `units` sees each risk unit, in
/// byte order of their names: its sums, and the ledger of its base currency.
///
/// # Errors
/// As [`evaluate`], if it is so in some market.
#[inline(always)]
pub fn evaluate_beside<R: Real>(
    priced: &PricedMarket<R>,
    account: &Account<'_>,
    work: &mut Workspace<R>,
    units: impl FnMut((&UnitSums<R>, &Ledger<R>), UnitMargin<R>),
) -> Result<AccountFigures<R>, NotFinite> {
    let fee_base_usd = work.gather(priced, account)?;
    stress_units(priced, account, work, fee_base_usd, units).finish_account(priced, account, &work.gathered)
}

/// Stresses the units of the account whose rows were gathered last, and adds them up.
#[inline(always)]
pub(super) fn stress_units<R: Real>(
    priced: &PricedMarket<R>,
    account: &Account<'_>,
    work: &Workspace<R>,
    fee_base_usd: R,
    mut units: impl FnMut((&UnitSums<R>, &Ledger<R>), UnitMargin<R>),
) -> Totals<R> {
    let mut sum = Totals::new(priced, fee_base_usd);
    for sums in work.unit_sums() {
        let (params, spot) = (&priced.units[sums.unit as usize], work.spot_of(priced, account, sums));
        sums.stress_then(
            params,
            &priced.rules,
            spot,
            #[inline(always)]
            |margin| {
                sum.add_unit(&margin, margin.mmr_no_hedge * priced.rules.imr_multiplier);
                units((sums, work.ledger(params.base)), margin);
            },
        );
    }
    sum
}

/// Adds what pending orders freeze to the units of an account.
#[cold]
fn freeze_units(rules: &Rules, orders: &OrderSpace, units: &mut [UnitMargin], sum: &mut Totals) {
    for margin in units {
        let [buys, sells] = orders.filled(margin.unit);
        margin.freeze(rules, higher(buys.mmr, sells.mmr));
        let largest_no_hedge = higher(higher(margin.mmr_no_hedge, buys.mmr_no_hedge), sells.mmr_no_hedge);
        sum.add_unit(margin, rules.imr_multiplier * largest_no_hedge);
    }
}

impl AccountMargin {
    /// The figures of one account in several markets, one a lane.
    #[must_use]
    pub fn beside<R: Real>(margins: &[Self]) -> AccountFigures<R> {
        let by_lane = |figure: fn(&Self) -> f64| R::by_lane(|lane| figure(&margins[lane]));
        AccountFigures {
            adj_eq: by_lane(|margin| margin.adj_eq),
            total_eq: by_lane(|margin| margin.total_eq),
            upl: by_lane(|margin| margin.upl),
            mmr: by_lane(|margin| margin.mmr),
            imr: by_lane(|margin| margin.imr),
            deriv_mmr: by_lane(|margin| margin.deriv_mmr),
            borrow_mmr: by_lane(|margin| margin.borrow_mmr),
            borrow_imr: by_lane(|margin| margin.borrow_imr),
            liquidation_fee: by_lane(|margin| margin.liquidation_fee),
            margin_ratio: by_lane(|margin| margin.margin_ratio.unwrap_or(f64::INFINITY)),
            mmr_no_hedge: by_lane(|margin| margin.mmr_no_hedge),
            imr_no_hedge: by_lane(|margin| margin.imr_no_hedge),
            order_imr: by_lane(|margin| margin.order_imr),
        }
    }

    /// The margin that has these figures.
    #[must_use]
    #[inline(always)]
    pub fn of(figures: &AccountFigures, rules: &Rules) -> Self {
        let margin_ratio = (figures.margin_ratio < f64::INFINITY).then_some(figures.margin_ratio);
        Self {
            adj_eq: figures.adj_eq,
            total_eq: figures.total_eq,
            upl: figures.upl,
            mmr: figures.mmr,
            imr: figures.imr,
            deriv_mmr: figures.deriv_mmr,
            borrow_mmr: figures.borrow_mmr,
            borrow_imr: figures.borrow_imr,
            liquidation_fee: figures.liquidation_fee,
            margin_ratio,
            status: Status::of(margin_ratio, rules),
            im_deficit: figures.adj_eq < figures.imr,
            ineligible: figures.total_eq < rules.min_net_equity_usd,
            mmr_no_hedge: figures.mmr_no_hedge,
            imr_no_hedge: figures.imr_no_hedge,
            order_imr: figures.order_imr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::VolState;

    /// What decides whether a result is finite leaves no figure out: the powers of two tell which are in.
    #[test]
    fn every_figure_is_in_the_sum() {
        let account = AccountFigures {
            adj_eq: 1.0,
            total_eq: 2.0,
            upl: 4.0,
            mmr: 8.0,
            imr: 16.0,
            deriv_mmr: 0.0,
            borrow_mmr: 0.0,
            borrow_imr: 0.0,
            liquidation_fee: 32.0,
            margin_ratio: 64.0,
            mmr_no_hedge: 128.0,
            imr_no_hedge: 256.0,
            order_imr: 512.0,
        };
        assert_eq!(account.sum(), 1023.0);
        // Without a requirement there is no ratio.
        let none = AccountFigures { mmr: 0.0, liquidation_fee: 0.0, margin_ratio: f64::INFINITY, ..account };
        assert_eq!(none.sum(), 919.0);
        let unit = UnitMargin {
            unit: 0,
            mr1: 1.0,
            mr1_price: 0.0,
            mr1_vol: VolState::Up,
            mr2: 2.0,
            mr3: 4.0,
            mr4: 8.0,
            mr5: 16.0,
            mr6: 32.0,
            mr6_price: 0.0,
            mr7: 64.0,
            mr9: 128.0,
            mmr: 256.0,
            imr: 512.0,
            cash_delta: 1024.0,
            gamma: 2048.0,
            vega: 4096.0,
            theta: 8192.0,
            spot_in_use: 16_384.0,
            upl: 32_768.0,
            mmr_no_hedge: 65_536.0,
            order_imr: 131_072.0,
        };
        assert_eq!(unit.sum(), 262_143.0);
    }
}
