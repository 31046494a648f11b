//! The requirement of a whole account: units and borrowing summed, ratio and status.
//!
//! [`evaluate`] makes one pass over the positions, which gathers equity by currency and sums by risk unit, and then
//! one over the units and currencies. Its [`Workspace`] is reused from account to account, so that nothing is
//! allocated per account; afterwards it still holds every intermediate result for an explanation.

use super::borrowing;
use super::equity;
use super::priced::{Contract, PricedMarket};
use super::rules::{Rules, SpotOffset};
use super::spot_hedge::spot_in_use;
use super::stress::{Spot, UnitMargin, UnitSums};

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
    pub fn name(self) -> &'static str {
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
}

/// What an account has in one currency, in currency units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ledger {
    /// `cash - interest`.
    pub cash: f64,
    /// Unrealised P&L of swaps and futures settled in it.
    pub upl: f64,
    /// Value of options settled in it.
    pub options: f64,
    /// Limit of spot in use.
    pub spot_in_use_cap: f64,
}

impl Ledger {
    const EMPTY: Self = Self { cash: 0.0, upl: 0.0, options: 0.0, spot_in_use_cap: f64::INFINITY };

    /// `eq(c) = cash - interest + UPL + option values`.
    #[must_use]
    pub fn equity(&self) -> f64 {
        self.cash + self.upl + self.options
    }

    /// The equity that can hedge: options carry their whole change of value in their own stress.
    #[must_use]
    pub fn hedging_equity(&self) -> f64 {
        self.cash + self.upl
    }
}

/// Buffers of the account pass, and the intermediate results of the last account.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// One for each currency.
    slots: Vec<Slot>,
    /// Currencies of the account.
    touched: Vec<u32>,
    /// Number of the account: slots with another one hold nothing of it.
    account: u64,
    sums: Vec<UnitSums>,
    /// How many of the sums are the account's.
    units: usize,
    /// Unit of the last of them.
    unit: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    ledger: Ledger,
    account: u64,
}

/// The ledger of a currency in which an account has nothing.
const NOTHING: &Ledger = &Ledger::EMPTY;

impl Workspace {
    /// Buffers for a market.
    #[must_use]
    pub fn new(priced: &PricedMarket) -> Self {
        let unused = Slot { ledger: Ledger::EMPTY, account: 0 };
        Self { slots: vec![unused; priced.currencies.len()], account: 1, ..Self::default() }
    }

    /// Currencies of the last account, ascending.
    pub fn currencies(&self) -> impl Iterator<Item = (u32, &Ledger)> {
        self.touched.iter().map(|&ccy| (ccy, &self.slots[ccy as usize].ledger))
    }

    /// Sums of the last account's risk units, in order of the unit.
    #[must_use]
    pub fn unit_sums(&self) -> &[UnitSums] {
        &self.sums[..self.units]
    }

    /// The ledger of a currency; empty if the last account has nothing in it.
    #[must_use]
    pub fn ledger(&self, ccy: u32) -> &Ledger {
        let slot = &self.slots[ccy as usize];
        if slot.account == self.account { &slot.ledger } else { NOTHING }
    }

    fn clear(&mut self) {
        self.account += 1;
        self.touched.clear();
        (self.units, self.unit) = (0, NONE);
    }

    fn ledger_mut(&mut self, ccy: u32) -> &mut Ledger {
        let slot = &mut self.slots[ccy as usize];
        if slot.account != self.account {
            *slot = Slot { ledger: Ledger::EMPTY, account: self.account };
            self.touched.push(ccy);
        }
        &mut slot.ledger
    }

    /// The sums of a contract's unit; positions of one unit stand together, so it is the last one or new.
    #[inline]
    fn sums_mut(&mut self, contract: &Contract) -> &mut UnitSums {
        if self.unit != contract.unit {
            self.unit = contract.unit;
            if self.units == self.sums.len() {
                self.sums.push(UnitSums::new());
            }
            self.sums[self.units].reset(contract.unit, contract.expiry);
            self.units += 1;
        }
        &mut self.sums[self.units - 1]
    }
}

/// No unit.
const NONE: u32 = u32::MAX;

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
    let rules = &priced.rules;
    let mut sum = Totals { fee_usd: rules.liquidation_fee_derivatives * fee_base_usd, ..Totals::default() };
    // A sum is finite only if all its terms are; none is so large that others would matter.
    let mut all_figures = 0.0;
    units.extend(work.sums[..work.units].iter().map(|sums| {
        let params = &priced.units[sums.unit as usize];
        let spot = spot_of(priced, account, work, sums);
        let (margin, mmr_no_hedge) = sums.stress_both(params, rules, spot);
        sum.upl += margin.upl;
        sum.deriv_mmr += margin.mmr;
        sum.deriv_imr += margin.imr;
        sum.deriv_mmr_no_hedge += mmr_no_hedge;
        sum.deriv_imr_no_hedge += rules.imr_multiplier * mmr_no_hedge;
        all_figures += margin.sum();
        margin
    }));
    for (ccy, ledger) in work.currencies() {
        sum.add_currency(priced, ccy, ledger.equity());
    }
    let margin = sum.finish(rules);
    all_figures += margin.sum();
    if all_figures.is_finite() { Ok(margin) } else { Err(NotFinite) }
}

/// First pass: equity by currency and sums by unit. Returns what the liquidation fee of derivatives is taken on.
fn gather(priced: &PricedMarket, account: &Account<'_>, work: &mut Workspace) -> Result<f64, NotFinite> {
    work.clear();
    for (index, &ccy) in account.ccy.iter().enumerate() {
        let ledger = work.ledger_mut(ccy);
        ledger.cash = account.cash[index] - account.interest[index];
        ledger.spot_in_use_cap = account.spot_in_use_cap[index];
    }
    let mut fee_base_usd = 0.0;
    let positions = account.instrument.iter().zip(account.qty).zip(account.avg_px);
    for ((&instrument, &n), &avg_px) in positions {
        let Some(Some(contract)) = priced.contracts.get(instrument as usize) else { return Err(NotFinite) };
        let upl = upl_settle(contract, n, avg_px);
        let ledger = work.ledger_mut(contract.settle);
        ledger.upl += upl;
        ledger.options += n * contract.value_settle;
        let sums = work.sums_mut(contract);
        sums.add(contract, n, &priced.option_rows);
        sums.upl_usd += upl * priced.currencies[contract.settle as usize].fx_usd;
        fee_base_usd += n.abs() * contract.fee_base_usd;
    }
    // Mostly so already: instruments stand in byte order, as units and currencies do.
    if !work.touched.is_sorted() {
        work.touched.sort_unstable();
    }
    let sums = &mut work.sums[..work.units];
    if !sums.is_sorted_by_key(|sums| sums.unit) {
        sums.sort_by_key(|sums| sums.unit);
    }
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
pub fn spot_of(priced: &PricedMarket, account: &Account<'_>, work: &Workspace, sums: &UnitSums) -> Spot {
    let params = &priced.units[sums.unit as usize];
    let ledger = work.ledger(params.base);
    let coin = spot_in_use(ledger.hedging_equity(), sums.delta_coin, ledger.spot_in_use_cap);
    // A factor, since a branch would be foreseen wrongly; zero has no sign.
    let hedges = f64::from(u8::from(params.is_hedged_by(account.spot_offset)));
    Spot { coin: coin * hedges + 0.0, px_usd: params.spot_usd }
}

#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    adj_eq: f64,
    total_eq: f64,
    upl: f64,
    deriv_mmr: f64,
    deriv_imr: f64,
    deriv_mmr_no_hedge: f64,
    deriv_imr_no_hedge: f64,
    borrow_mmr: f64,
    borrow_imr: f64,
    fee_usd: f64,
}

impl Totals {
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
        let required = self.mmr + self.imr + self.liquidation_fee + self.mmr_no_hedge + self.imr_no_hedge;
        self.adj_eq + self.total_eq + self.upl + required + self.margin_ratio.unwrap_or(0.0)
    }
}
