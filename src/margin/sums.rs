//! What the positions of an account add up to, by risk unit and by expiry.
//!
//! Positions stand in the market's canonical order, in which those of one *leg* nearly always stand together: a risk
//! unit's swaps, its futures of one expiry, its options of one expiry, each of one settle currency. A leg is added up
//! in registers and brought to its expiry, its unit and its currency once, when it ends.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::account::{Account, NotFinite};
use super::priced::{Contract, ContractKind, OPTION_COLUMNS, OptionRow, PricedMarket, TERM, upl_settle};
use super::real::Real;
use super::rules::RiskUnitMode;

/// What the positions of one risk unit add up to. USD unless named otherwise.
///
/// In this order in memory, so that what every leg touches lies together; the option rows, which few units have, come
/// last.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct UnitSums<R = f64> {
    /// The unit.
    pub unit: u32,
    /// Without options every volatility state is the same, and MR2, MR3 and MR5 are zero.
    pub(super) has_options: bool,
    /// Summed slopes of swaps and futures.
    pub slope_usd: R,
    /// Sum of the absolute slopes.
    pub slope_gross_usd: R,
    /// `Q_u`, coins.
    pub delta_coin: R,
    /// Summed cash deltas.
    pub cash_delta_usd: R,
    /// Unrealised P&L of swaps and futures.
    pub upl_usd: R,
    /// Raw MR7 charge.
    pub charge_usd: R,
    /// MR4: `sum over expiries of |D_e| x max(floor, annualized T_e)`.
    pub basis_usd: R,
    /// MR3: sum over expiries of `|W_e|`, the P&L of volatility up.
    pub vol_gross_usd: R,
    /// MR3: sum over expiries of `W_e`.
    pub vol_net_usd: R,
    /// Cash delta by settle group.
    pub group_delta_usd: [R; 3],
    /// Summed option rows, all zero without options.
    pub options: OptionRow<R>,
}

/// What the positions of one expiry add up to, USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpirySums<R = f64> {
    /// The unit.
    pub unit: u32,
    /// Place of the expiry among the unit's.
    pub expiry: u32,
    /// Cash delta.
    pub delta_usd: R,
    /// P&L of volatility up.
    pub vol_usd: R,
    /// What MR4 charges of the absolute cash delta.
    pub basis_rate: R,
}

/// What the positions of one leg add up to, USD unless named otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LegSums<R = f64> {
    slope_usd: R,
    cash_delta_usd: R,
    delta_coin: R,
    slope_gross_usd: R,
    charge_usd: R,
    vol_usd: R,
    /// In the settle currency.
    pub upl_settle: R,
    /// Value of options, in the settle currency.
    pub value_settle: R,
    /// What the liquidation fee is taken on.
    pub fee_base_usd: R,
}

impl<R: Real> UnitSums<R> {
    /// Sums of an empty unit.
    #[must_use]
    pub fn new(unit: u32) -> Self {
        let zero = R::splat(0.0);
        Self {
            unit,
            has_options: false,
            slope_usd: zero,
            slope_gross_usd: zero,
            delta_coin: zero,
            cash_delta_usd: zero,
            upl_usd: zero,
            charge_usd: zero,
            basis_usd: zero,
            vol_gross_usd: zero,
            vol_net_usd: zero,
            group_delta_usd: [zero; 3],
            options: [zero; OPTION_COLUMNS],
        }
    }

    /// Becomes the sums of an empty unit.
    #[inline(always)]
    fn reset(&mut self, unit: u32) {
        let zero = R::splat(0.0);
        if self.has_options {
            (self.options, self.has_options) = ([zero; OPTION_COLUMNS], false);
            (self.vol_gross_usd, self.vol_net_usd) = (zero, zero);
        }
        self.unit = unit;
        (self.slope_usd, self.slope_gross_usd, self.delta_coin, self.cash_delta_usd) = (zero, zero, zero, zero);
        (self.upl_usd, self.charge_usd, self.basis_usd, self.group_delta_usd) = (zero, zero, zero, [zero; 3]);
    }

    #[inline(always)]
    fn add(&mut self, contract: &Contract<R>, leg: &LegSums<R>, settle_usd: R) {
        self.slope_usd += leg.slope_usd;
        self.slope_gross_usd += leg.slope_gross_usd;
        self.delta_coin += leg.delta_coin;
        self.cash_delta_usd += leg.cash_delta_usd;
        self.upl_usd += leg.upl_settle * settle_usd;
        self.charge_usd += leg.charge_usd;
        self.group_delta_usd[contract.group as usize] += leg.cash_delta_usd;
    }

    #[inline(always)]
    fn add_expiry(&mut self, sums: &ExpirySums<R>) {
        self.basis_usd += sums.delta_usd.abs() * sums.basis_rate;
        self.vol_gross_usd += sums.vol_usd.abs();
        self.vol_net_usd += sums.vol_usd;
    }
}

impl<R: Real> ExpirySums<R> {
    #[inline(always)]
    fn new(contract: &Contract<R>) -> Self {
        Self {
            unit: contract.unit,
            expiry: contract.expiry,
            delta_usd: R::splat(0.0),
            vol_usd: R::splat(0.0),
            basis_rate: contract.basis_rate,
        }
    }
}

/// A leg, and the first contract of the next one.
type LegAndNext<'p, R> = (LegSums<R>, Option<&'p Contract<R>>);

/// Position rows of one account, or of some of its units.
#[derive(Debug, Clone, Copy)]
pub(super) struct PositionRows<'a> {
    pub instrument: &'a [u32],
    pub qty: &'a [f64],
    pub avg_px: &'a [f64],
}

impl<'a> PositionRows<'a> {
    /// All rows of an account.
    #[inline(always)]
    pub fn of(account: &Account<'a>) -> Self {
        Self { instrument: account.instrument, qty: account.qty, avg_px: account.avg_px }
    }
}

impl PositionRows<'_> {
    /// The contract of a row, `None` behind the last.
    #[inline(always)]
    fn contract<'p, R: Real>(
        &self,
        priced: &'p PricedMarket<R>,
        row: usize,
    ) -> Result<Option<&'p Contract<R>>, NotFinite> {
        let Some(&instrument) = self.instrument.get(row) else { return Ok(None) };
        match priced.contracts.get(instrument as usize) {
            Some(Some(contract)) => Ok(Some(contract)),
            _ => Err(NotFinite),
        }
    }

    /// Adds up the leg of swaps or futures that begins at `row` with `first`; moves `row` to the next leg and returns
    /// its first contract.
    #[inline(always)]
    fn delta_one_leg<'p, R: Real>(
        &self,
        priced: &'p PricedMarket<R>,
        row: &mut usize,
        first: &'p Contract<R>,
    ) -> Result<LegAndNext<'p, R>, NotFinite> {
        let (mut leg, mut contract) = (LegSums::default(), first);
        loop {
            let (n, avg_px) = (self.qty[*row], self.avg_px[*row]);
            let slope = contract.slope_usd * n;
            leg.slope_usd += slope;
            leg.cash_delta_usd += contract.cash_delta_usd * n;
            leg.delta_coin += contract.delta_coin * n;
            leg.upl_settle += upl_settle(contract, n, avg_px);
            leg.slope_gross_usd += slope.abs();
            leg.charge_usd += contract.charge_long_usd * n.abs();
            leg.fee_base_usd += contract.fee_base_usd * n.abs();
            *row += 1;
            match self.contract(priced, *row)? {
                Some(next) if next.leg == first.leg => contract = next,
                next => return Ok((leg, next)),
            }
        }
    }

    /// As [`Self::delta_one_leg`], of options, whose rows of scenarios are added to `options`. A leg of options is long
    /// enough to bear a call.
    #[inline(always)]
    fn option_leg<'p, R: Real>(
        &self,
        priced: &'p PricedMarket<R>,
        row: &mut usize,
        first: &'p Contract<R>,
        mut options: Option<&mut OptionRow<R>>,
    ) -> Result<LegAndNext<'p, R>, NotFinite> {
        R::apart(
            #[inline(always)]
            || {
                let (mut leg, mut contract) = (LegSums::default(), first);
                loop {
                    let n = self.qty[*row];
                    leg.cash_delta_usd += contract.cash_delta_usd * n;
                    leg.delta_coin += contract.delta_coin * n;
                    leg.value_settle += contract.value_settle * n;
                    let charge_usd = if n < 0.0 { contract.charge_short_usd } else { contract.charge_long_usd };
                    leg.charge_usd += charge_usd * n.abs();
                    leg.fee_base_usd += contract.fee_base_usd * n.abs();
                    if let (ContractKind::Option { row }, Some(sums)) = (contract.kind, options.as_deref_mut()) {
                        let scenarios = &priced.option_rows[row as usize];
                        leg.vol_usd += scenarios[TERM] * n;
                        R::add_row(sums, n, scenarios);
                    }
                    *row += 1;
                    match self.contract(priced, *row)? {
                        Some(next) if next.leg == first.leg => contract = next,
                        next => return Ok((leg, next)),
                    }
                }
            },
        )
    }

    /// Every leg with its first contract and its sums.
    #[inline(always)]
    pub fn each_leg<R: Real>(
        &self,
        priced: &PricedMarket<R>,
        mut take: impl FnMut(&Contract<R>, &LegSums<R>),
    ) -> Result<(), NotFinite> {
        let mut row = 0;
        let mut next = self.contract(priced, row)?;
        while let Some(first) = next {
            let leg;
            (leg, next) = match first.kind {
                ContractKind::Option { .. } => self.option_leg(priced, &mut row, first, None)?,
                ContractKind::Linear | ContractKind::Inverse => self.delta_one_leg(priced, &mut row, first)?,
            };
            take(first, &leg);
        }
        Ok(())
    }
}

/// Buffers of the sums, reused from account to account, and the sums of the last.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums<R = f64> {
    units: Vec<UnitSums<R>>,
    /// How many of the units are the account's.
    count: usize,
    expiries: Vec<ExpirySums<R>>,
}

impl<R: Real> Sums<R> {
    /// Sums of the units, ascending.
    #[inline(always)]
    pub fn units(&self) -> &[UnitSums<R>] {
        &self.units[..self.count]
    }

    /// Sums of all expiries, in order of their first position.
    pub fn expiries(&self) -> &[ExpirySums<R>] {
        &self.expiries
    }

    /// Adds up `rows`. `settle` sees the first contract of every leg and the leg's sums.
    #[inline(always)]
    pub fn add(
        &mut self,
        priced: &PricedMarket<R>,
        rows: PositionRows<'_>,
        mut settle: impl FnMut(&Contract<R>, &LegSums<R>),
    ) -> Result<(), NotFinite> {
        self.expiries.clear();
        self.count = 0;
        let mut row = 0;
        let Some(mut first) = rows.contract(priced, row)? else { return Ok(()) };
        let mut is_sorted = true;
        // Does an expiry come back? A future that counts as a perpetual stands behind those that expire.
        let mut returns = priced.rules.risk_unit == RiskUnitMode::Merged;
        let mut expiry = self.begin_unit(first);
        loop {
            let sums = &mut self.units[self.count - 1];
            let (leg, next) = match first.kind {
                ContractKind::Option { .. } => {
                    sums.has_options = true;
                    rows.option_leg(priced, &mut row, first, Some(&mut sums.options))?
                }
                ContractKind::Linear | ContractKind::Inverse => rows.delta_one_leg(priced, &mut row, first)?,
            };
            sums.add(first, &leg, priced.currencies[first.settle as usize].fx_usd);
            expiry.delta_usd += leg.cash_delta_usd;
            expiry.vol_usd += leg.vol_usd;
            settle(first, &leg);
            let Some(next) = next else { break };
            if next.bucket != first.bucket {
                self.end_expiry(&expiry);
                if next.unit == first.unit {
                    returns |= next.expiry < first.expiry;
                    expiry = ExpirySums::new(next);
                } else {
                    is_sorted &= first.unit < next.unit;
                    expiry = self.begin_unit(next);
                }
            }
            first = next;
        }
        self.end_expiry(&expiry);
        if returns {
            self.join_expiries();
        }
        if !is_sorted {
            self.sort();
        }
        Ok(())
    }

    #[inline(always)]
    fn begin_unit(&mut self, contract: &Contract<R>) -> ExpirySums<R> {
        self.push_unit(contract.unit);
        ExpirySums::new(contract)
    }

    #[inline(always)]
    fn push_unit(&mut self, unit: u32) {
        if self.count == self.units.len() {
            self.units.push(UnitSums::new(unit));
        }
        self.units[self.count].reset(unit);
        self.count += 1;
    }

    #[inline(always)]
    fn end_expiry(&mut self, sums: &ExpirySums<R>) {
        self.units[self.count - 1].add_expiry(sums);
        self.expiries.push(*sums);
    }

    /// Units of a merged book hold several underlyings, each with its own expiries in order, and futures may count as
    /// perpetuals: what is of one expiry belongs together.
    #[cold]
    fn join_expiries(&mut self) {
        let (mut row, mut kept) = (0, 0);
        for unit in &mut self.units[..self.count] {
            let first = kept;
            while let Some(&sums) = self.expiries.get(row).filter(|sums| sums.unit == unit.unit) {
                if let Some(same) = self.expiries[first..kept].iter_mut().find(|other| other.expiry == sums.expiry) {
                    same.delta_usd += sums.delta_usd;
                    same.vol_usd += sums.vol_usd;
                } else {
                    self.expiries[kept] = sums;
                    kept += 1;
                }
                row += 1;
            }
            let zero = R::splat(0.0);
            (unit.basis_usd, unit.vol_gross_usd, unit.vol_net_usd) = (zero, zero, zero);
            self.expiries[first..kept].iter().for_each(|sums| unit.add_expiry(sums));
        }
        self.expiries.truncate(kept);
    }

    /// Adds a unit without positions.
    pub fn add_empty(&mut self, unit: u32) {
        self.push_unit(unit);
        self.sort();
    }

    /// Mostly they are sorted: instruments stand in byte order, as units do.
    #[inline(always)]
    fn sort(&mut self) {
        let units = &mut self.units[..self.count];
        if !units.is_sorted_by_key(|sums| sums.unit) {
            units.sort_by_key(|sums| sums.unit);
        }
    }
}
