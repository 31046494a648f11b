//! The requirement of a whole account: units and borrowing summed, ratio and status.
//!
//! [`evaluate`] makes one pass over the positions, which gathers equity by currency and sums by risk unit, and then
//! one over the units and currencies. Its [`Workspace`] is reused from account to account, so that nothing is
//! allocated per account; afterwards it still holds every intermediate result for an explanation.

use super::borrowing;
use super::equity;
use super::priced::{Contract, ContractKind, PricedMarket};
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
    ledgers: Vec<Ledger>,
    is_touched: Vec<bool>,
    touched: Vec<u32>,
    sums: Vec<UnitSums>,
    units: usize,
}

impl Workspace {
    /// Buffers for a market.
    #[must_use]
    pub fn new(priced: &PricedMarket) -> Self {
        let currencies = priced.currencies.len();
        Self { ledgers: vec![Ledger::EMPTY; currencies], is_touched: vec![false; currencies], ..Self::default() }
    }

    /// Currencies of the last account, ascending.
    pub fn currencies(&self) -> impl Iterator<Item = (u32, &Ledger)> {
        self.touched.iter().map(|&ccy| (ccy, &self.ledgers[ccy as usize]))
    }

    /// Sums of the last account's risk units, in order of the unit.
    #[must_use]
    pub fn unit_sums(&self) -> &[UnitSums] {
        &self.sums[..self.units]
    }

    /// The ledger of a currency; empty if the last account has nothing in it.
    #[must_use]
    pub fn ledger(&self, ccy: u32) -> &Ledger {
        &self.ledgers[ccy as usize]
    }

    fn clear(&mut self) {
        for &ccy in &self.touched {
            self.ledgers[ccy as usize] = Ledger::EMPTY;
            self.is_touched[ccy as usize] = false;
        }
        self.touched.clear();
        self.units = 0;
    }

    fn ledger_mut(&mut self, ccy: u32) -> &mut Ledger {
        if !self.is_touched[ccy as usize] {
            self.is_touched[ccy as usize] = true;
            self.touched.push(ccy);
        }
        &mut self.ledgers[ccy as usize]
    }

    /// The sums of a unit; positions of one unit stand together, so it is the last one or new.
    fn sums_mut(&mut self, unit: u32, priced: &PricedMarket) -> &mut UnitSums {
        if self.units == 0 || self.sums[self.units - 1].unit != unit {
            if self.units == self.sums.len() {
                self.sums.push(UnitSums::new());
            }
            self.sums[self.units].reset(unit, priced.units[unit as usize].expiries.len());
            self.units += 1;
        }
        &mut self.sums[self.units - 1]
    }
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
    let rules = &priced.rules;
    let mut sum = Totals { fee_usd: rules.liquidation_fee_derivatives * fee_base_usd, ..Totals::default() };
    let first_unit = units.len();
    for sums in &work.sums[..work.units] {
        let params = &priced.units[sums.unit as usize];
        let spot = spot_of(priced, account, work, sums);
        let margin = sums.stress(params, rules, spot);
        sum.upl += margin.upl;
        sum.deriv_mmr += margin.mmr;
        sum.deriv_imr += margin.imr;
        sum.deriv_mmr_no_hedge += margin.mmr_no_hedge;
        sum.deriv_imr_no_hedge += rules.imr_multiplier * margin.mmr_no_hedge;
        units.push(margin);
    }
    for (ccy, ledger) in work.currencies() {
        sum.add_currency(priced, ccy, ledger.equity());
    }
    let margin = sum.finish(rules);
    let finite = margin.is_finite() && units[first_unit..].iter().all(unit_is_finite);
    if finite { Ok(margin) } else { Err(NotFinite) }
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
    for (index, &instrument) in account.instrument.iter().enumerate() {
        let Some(contract) = priced.contracts[instrument as usize].as_ref() else { return Err(NotFinite) };
        let n = account.qty[index];
        let upl = upl_settle(contract, n, account.avg_px[index]);
        let ledger = work.ledger_mut(contract.settle);
        ledger.upl += upl;
        ledger.options += n * contract.value_settle;
        let sums = work.sums_mut(contract.unit, priced);
        sums.add(contract, n, &priced.option_rows);
        sums.upl_usd += upl * priced.currencies[contract.settle as usize].fx_usd;
        fee_base_usd += n.abs() * contract.fee_base_usd;
    }
    work.touched.sort_unstable();
    let count = work.units;
    work.sums[..count].sort_by_key(|sums| sums.unit);
    Ok(fee_base_usd)
}

/// Unrealised P&L in the settle currency: linear `n m (mark - avg)`, inverse `n m (1/avg - 1/mark)`, options none.
#[must_use]
pub fn upl_settle(contract: &Contract, n: f64, avg_px: f64) -> f64 {
    let gain = contract.mark_px - avg_px;
    match contract.kind {
        ContractKind::Linear => n * contract.multiplier * gain,
        ContractKind::Inverse => n * contract.multiplier * (gain / (avg_px * contract.mark_px)),
        ContractKind::Option { .. } => 0.0,
    }
}

/// The spot that hedges a unit of the account whose rows were gathered last.
#[must_use]
pub fn spot_of(priced: &PricedMarket, account: &Account<'_>, work: &Workspace, sums: &UnitSums) -> Spot {
    let params = &priced.units[sums.unit as usize];
    if !params.is_hedged_by(account.spot_offset, priced.rules.risk_unit) {
        return Spot::default();
    }
    let ledger = work.ledger(params.base);
    let coin = spot_in_use(ledger.hedging_equity(), sums.delta_coin, ledger.spot_in_use_cap);
    Spot { coin, px_usd: params.spot_usd }
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
    fn is_finite(&self) -> bool {
        let ratio = self.margin_ratio.unwrap_or(0.0);
        all_finite(&[self.adj_eq, self.total_eq, self.upl, self.mmr, self.imr, self.liquidation_fee, ratio])
            && all_finite(&[self.mmr_no_hedge, self.imr_no_hedge])
    }
}

fn unit_is_finite(unit: &UnitMargin) -> bool {
    // The components reach `mmr`; what does not is checked on its own. NaN fails `max`, so each is looked at.
    all_finite(&[unit.mr1, unit.mr2, unit.mr3, unit.mr4, unit.mr5, unit.mr6, unit.mr7, unit.mr9, unit.mmr, unit.imr])
        && all_finite(&[unit.cash_delta, unit.gamma, unit.vega, unit.theta, unit.spot_in_use, unit.upl])
}

/// True if no figure is infinite or no number: its exponent would be all ones.
fn all_finite(figures: &[f64]) -> bool {
    const EXPONENT: u64 = 0x7FF0_0000_0000_0000;
    figures.iter().fold(true, |finite, figure| finite & (figure.to_bits() & EXPONENT != EXPONENT))
}
