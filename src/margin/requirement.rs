//! The requirement of a whole account: units and borrowing summed, ratio and status.
//!
//! [`evaluate`] makes one pass over the positions, which gathers equity by currency and sums by risk unit, and then
//! one over the units and currencies. Its [`Workspace`] is reused from account to account, so that nothing is
//! allocated per account; afterwards it still holds every intermediate result for an explanation.

use super::ledgers::{Ledger, Ledgers};
use super::orders::{Order, OrderSpace};
use super::priced::{Contract, PricedMarket};
use super::rules::{Rules, SpotOffset};
use super::spot_hedge::spot_in_use;
use super::stress::Spot;
use super::sums::{ExpirySums, PositionRows, Sums, UnitSums};
use super::unit_margin::UnitMargin;
use super::{borrowing, equity};

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Nothing to maintain: no margin ratio.
    NoRisk,
    /// Ratio at or below the liquidation threshold.
    Liquidation,
    /// At or below the `near` threshold.
    NearLiquidation,
    /// At or below the `warning` threshold.
    Warning,
    /// Above all thresholds.
    Healthy,
}

impl Status {
    /// All, worst first, `no_risk` last.
    pub const ALL: [Self; 5] = [Self::Liquidation, Self::NearLiquidation, Self::Warning, Self::Healthy, Self::NoRisk];

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRisk => "no_risk",
            Self::Liquidation => "liquidation",
            Self::NearLiquidation => "near_liquidation",
            Self::Warning => "warning",
            Self::Healthy => "healthy",
        }
    }
}

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

/// Below this, in USD, there is nothing to maintain and no ratio.
const LEAST_REQUIREMENT_USD: f64 = 1e-6;

/// One account's rows, in canonical order.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// Spot hedging mode.
    pub spot_offset: SpotOffset,
    /// Instrument of each position.
    pub instrument: &'a [u32],
    /// Signed contracts of each position.
    pub qty: &'a [f64],
    /// Average entry price of each position.
    pub avg_px: &'a [f64],
    /// Currency of each balance, ascending.
    pub ccy: &'a [u32],
    /// Cash of each balance.
    pub cash: &'a [f64],
    /// Interest of each balance.
    pub interest: &'a [f64],
    /// Limit of spot in use of each balance, infinity if none.
    pub spot_in_use_cap: &'a [f64],
    /// Pending orders, which freeze margin: they count in IMR only.
    pub orders: &'a [Order],
}

impl<'a> Account<'a> {
    #[inline]
    pub(super) fn position_rows(&self) -> PositionRows<'a> {
        PositionRows { instrument: self.instrument, qty: self.qty, avg_px: self.avg_px }
    }
}

/// Buffers of the account pass, and the intermediate results of the last account.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    ledgers: Ledgers,
    sums: Sums,
    /// Made for the first account with pending orders.
    orders: Option<Box<OrderSpace>>,
    has_orders: bool,
}

impl Workspace {
    /// Buffers for a market.
    #[must_use]
    pub fn new(priced: &PricedMarket) -> Self {
        Self { ledgers: Ledgers::new(priced.currencies.len()), ..Self::default() }
    }

    /// Currencies of the last account, ascending.
    #[must_use]
    pub fn currencies(&self) -> Vec<(u32, &Ledger)> {
        let mut currencies: Vec<_> = self.ledgers.iter().collect();
        currencies.sort_unstable_by_key(|(ccy, _)| *ccy);
        currencies
    }

    /// Sums of the last account's risk units, in order of the unit.
    #[must_use]
    pub fn unit_sums(&self) -> &[UnitSums] {
        self.sums.units()
    }

    /// Sums of the expiries of a unit, in order of their first position.
    pub fn expiry_sums(&self, unit: u32) -> impl Iterator<Item = &ExpirySums> {
        self.sums.expiries().iter().filter(move |sums| sums.unit == unit)
    }

    /// The pending orders of the last account, filled; `None` if it has none.
    #[must_use]
    pub fn orders(&self) -> Option<&OrderSpace> {
        self.orders.as_deref().filter(|_| self.has_orders)
    }

    /// The ledger of a currency; empty if the last account has nothing in it.
    #[must_use]
    #[inline]
    pub fn ledger(&self, ccy: u32) -> &Ledger {
        self.ledgers.get(ccy)
    }

    /// First pass without the sums by unit. Returns what the liquidation fee of derivatives is taken on.
    pub(super) fn gather_ledgers(&mut self, priced: &PricedMarket, account: &Account<'_>) -> Result<f64, NotFinite> {
        let ledgers = &mut self.ledgers;
        ledgers.begin(account);
        let mut fee_base_usd = 0.0;
        account.position_rows().each_leg(priced, |contract, leg| {
            ledgers.add(contract.settle, leg.upl_settle, leg.value_settle);
            fee_base_usd += leg.fee_base_usd;
        })?;
        Ok(fee_base_usd)
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
            work.sums.add_empty(unit);
        }
    }
    work.orders = Some(space);
    Ok(())
}

/// A figure of the result is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite;

/// The margin of one account; its risk units are appended to `units`, in byte order of their names.
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
    let fee_base_usd = gather(priced, account, work)?;
    work.has_orders = !account.orders.is_empty();
    if work.has_orders {
        fill_orders(priced, account, work)?;
    }
    let first = units.len();
    units.reserve(work.unit_sums().len());
    let mut sum = Totals::new(priced, fee_base_usd);
    for sums in work.unit_sums() {
        let spot = spot_of(priced, account, work, sums);
        sums.stress_then(&priced.units[sums.unit as usize], &priced.rules, spot, |margin| {
            sum.add_unit(&margin, priced.rules.imr_multiplier * margin.mmr_no_hedge);
            units.push(margin);
        });
    }
    if let Some(orders) = work.orders() {
        sum = Totals::new(priced, fee_base_usd);
        freeze_units(&priced.rules, orders, &mut units[first..], &mut sum);
    }
    sum.finish_account(priced, work)
}

/// Adds what pending orders freeze to the units of an account.
#[cold]
fn freeze_units(rules: &Rules, orders: &OrderSpace, units: &mut [UnitMargin], sum: &mut Totals) {
    for margin in units {
        let [buys, sells] = orders.filled(margin.unit);
        margin.freeze(rules, buys.mmr.max(sells.mmr));
        let largest_no_hedge = margin.mmr_no_hedge.max(buys.mmr_no_hedge).max(sells.mmr_no_hedge);
        sum.add_unit(margin, rules.imr_multiplier * largest_no_hedge);
    }
}

/// First pass: equity by currency and sums by unit. Returns what the liquidation fee of derivatives is taken on.
pub(super) fn gather(priced: &PricedMarket, account: &Account<'_>, work: &mut Workspace) -> Result<f64, NotFinite> {
    let Workspace { ledgers, sums, .. } = work;
    ledgers.begin(account);
    let mut fee_base_usd = 0.0;
    sums.add(priced, account.position_rows(), |contract, leg| {
        ledgers.add(contract.settle, leg.upl_settle, leg.value_settle);
        fee_base_usd += leg.fee_base_usd;
    })?;
    Ok(fee_base_usd)
}

/// Unrealised P&L in the settle currency: linear `n m (mark - avg)`, inverse `n m (1/avg - 1/mark)`, options none.
#[must_use]
pub fn upl_settle(contract: &Contract, n: f64, avg_px: f64) -> f64 {
    let divisor = avg_px * contract.mark_px * contract.inverse + (1.0 - contract.inverse);
    n * contract.upl_multiplier * ((contract.mark_px - avg_px) / divisor)
}

/// The spot that hedges a unit of the account whose rows were gathered last.
#[must_use]
#[inline]
pub fn spot_of(priced: &PricedMarket, account: &Account<'_>, work: &Workspace, sums: &UnitSums) -> Spot {
    spot_with(priced, account, work, sums.unit, sums.delta_coin)
}

/// The spot that hedges a unit whose coin deltas sum to `delta_coin`.
#[inline]
pub(super) fn spot_with(
    priced: &PricedMarket,
    account: &Account<'_>,
    work: &Workspace,
    unit: u32,
    delta_coin: f64,
) -> Spot {
    let params = &priced.units[unit as usize];
    let ledger = work.ledger(params.base);
    let coin = spot_in_use(ledger.hedging_equity(), delta_coin, ledger.spot_in_use_cap);
    // A factor, since a branch would be foreseen wrongly; zero has no sign.
    let hedges = f64::from(u8::from(params.is_hedged_by(account.spot_offset)));
    Spot { coin: coin * hedges + 0.0, px_usd: params.spot_usd }
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    adj_eq: f64,
    total_eq: f64,
    upl: f64,
    deriv_mmr: f64,
    deriv_imr: f64,
    deriv_mmr_no_hedge: f64,
    deriv_imr_no_hedge: f64,
    order_imr: f64,
    /// Every figure of the units: a sum is finite only if all its terms are, and none is so large that others would
    /// not matter.
    all_figures: f64,
    borrow_mmr: f64,
    borrow_imr: f64,
    fee_usd: f64,
}

impl Totals {
    pub(super) fn new(priced: &PricedMarket, fee_base_usd: f64) -> Self {
        Self { fee_usd: priced.rules.liquidation_fee_derivatives * fee_base_usd, ..Self::default() }
    }

    #[inline]
    pub(super) fn add_unit(&mut self, margin: &UnitMargin, imr_no_hedge: f64) {
        self.upl += margin.upl;
        self.deriv_mmr += margin.mmr;
        self.deriv_imr += margin.imr;
        self.deriv_mmr_no_hedge += margin.mmr_no_hedge;
        self.deriv_imr_no_hedge += imr_no_hedge;
        self.order_imr += margin.order_imr;
        self.all_figures += margin.sum();
    }

    /// Adds the currencies of the account whose rows were gathered last.
    #[inline]
    pub(super) fn finish_account(
        mut self,
        priced: &PricedMarket,
        work: &Workspace,
    ) -> Result<AccountMargin, NotFinite> {
        for (ccy, ledger) in work.ledgers.iter() {
            self.add_currency(priced, ccy, ledger.equity());
        }
        let margin = self.finish(&priced.rules);
        if (self.all_figures + margin.sum()).is_finite() { Ok(margin) } else { Err(NotFinite) }
    }

    fn add_currency(&mut self, priced: &PricedMarket, ccy: u32, equity_coin: f64) {
        let params = &priced.currencies[ccy as usize];
        let rules = &priced.rules;
        let counted = equity::count(equity_coin, params.fx_usd, &params.discount);
        self.adj_eq += counted.adjusted_usd;
        self.total_eq += counted.total_usd;
        if equity_coin < 0.0 {
            let borrowing = borrowing::charge(-equity_coin, params.fx_usd, &params.borrow, rules.mr8.fee_rate);
            self.borrow_mmr += borrowing.mmr_usd;
            self.borrow_imr += borrowing.imr_usd;
            self.fee_usd += borrowing.fee_usd;
        }
    }

    fn finish(&self, rules: &Rules) -> AccountMargin {
        let mmr = self.deriv_mmr + self.borrow_mmr;
        let imr = self.deriv_imr + self.borrow_imr;
        let required = mmr + self.fee_usd;
        let margin_ratio = (required >= LEAST_REQUIREMENT_USD).then(|| self.adj_eq / required);
        AccountMargin {
            adj_eq: self.adj_eq,
            total_eq: self.total_eq,
            upl: self.upl,
            mmr,
            imr,
            deriv_mmr: self.deriv_mmr,
            borrow_mmr: self.borrow_mmr,
            borrow_imr: self.borrow_imr,
            liquidation_fee: self.fee_usd,
            margin_ratio,
            status: Status::of(margin_ratio, rules),
            im_deficit: self.adj_eq < imr,
            ineligible: self.total_eq < rules.min_net_equity_usd,
            mmr_no_hedge: self.deriv_mmr_no_hedge + self.borrow_mmr,
            imr_no_hedge: self.deriv_imr_no_hedge + self.borrow_imr,
            order_imr: self.order_imr,
        }
    }
}

impl Status {
    /// The status of a margin ratio.
    #[must_use]
    pub fn of(margin_ratio: Option<f64>, rules: &Rules) -> Self {
        match margin_ratio {
            None => Self::NoRisk,
            Some(ratio) if ratio <= rules.status.liquidation => Self::Liquidation,
            Some(ratio) if ratio <= rules.status.near => Self::NearLiquidation,
            Some(ratio) if ratio <= rules.status.warning => Self::Warning,
            Some(_) => Self::Healthy,
        }
    }
}

impl AccountMargin {
    /// The sum of all figures.
    fn sum(&self) -> f64 {
        let required =
            self.mmr + self.imr + self.liquidation_fee + self.mmr_no_hedge + self.imr_no_hedge + self.order_imr;
        self.adj_eq + self.total_eq + self.upl + required + self.margin_ratio.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::VolState;

    /// What decides whether a result is finite leaves no figure out: the powers of two tell which are in.
    #[test]
    fn every_figure_is_in_the_sum() {
        let account = AccountMargin {
            adj_eq: 1.0,
            total_eq: 2.0,
            upl: 4.0,
            mmr: 8.0,
            imr: 16.0,
            deriv_mmr: 0.0,
            borrow_mmr: 0.0,
            borrow_imr: 0.0,
            liquidation_fee: 32.0,
            margin_ratio: Some(64.0),
            status: Status::Healthy,
            im_deficit: false,
            ineligible: false,
            mmr_no_hedge: 128.0,
            imr_no_hedge: 256.0,
            order_imr: 512.0,
        };
        assert_eq!(account.sum(), 1023.0);
        assert_eq!(AccountMargin { margin_ratio: None, ..account }.sum(), 959.0);
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
