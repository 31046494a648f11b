//! Compares a kernel result with the reference, column by column, within the model's tolerance.

use super::{Margin, Unit};
use crate::figures::{ACCOUNT, AccountFigure, AccountRow, Figure, Get, Tolerance, UNIT, UnitFigure, UnitRow};
use crate::margin::rules::{Rules, StatusRules};
use crate::margin::{AccountMargin, Status, UnitMargin, VolState};
use crate::{Error, Result};
use std::fmt;

/// Relative tolerance: nine digits.
const RELATIVE: f64 = 1e-9;
/// Absolute tolerance for money, USD.
const ABSOLUTE_USD: f64 = 1e-6;
/// Rounding of the P&L of one scenario, as a share of the unit's gross notional.
const PNL_ROUNDING: f64 = 1e-12;

/// A column in which kernel and reference differ by more than the tolerance.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The risk unit; `None` for a column of the account.
    pub unit: Option<String>,
    /// The column of the output table.
    pub column: &'static str,
    /// The kernel's value.
    pub kernel: String,
    /// The reference's value.
    pub reference: String,
    /// The largest accepted difference, in the unit of the column; zero if only equality is accepted.
    pub tolerance: f64,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit, column, kernel, reference, tolerance } = self;
        let unit = unit.as_ref().map(|unit| format!("{unit} ")).unwrap_or_default();
        write!(f, "{unit}`{column}`: kernel {kernel}, reference {reference}, tolerance {tolerance:e}")
    }
}

/// Every column in which the kernel's account and its units (in the order of the account) differ from the reference.
///
/// Tolerances: money of a unit, `max(1e-9 x max(MMR, abs cash_delta), 1e-6 USD)`. Its spot in use: that amount in coins
/// or 1e-9 of itself, whichever is larger. Its `upl`, `gamma`, `vega` and `theta`: also 1e-9 of themselves. Money of
/// the account: 1e-9 of the largest of the value, MMR and gross equity, or 1e-6 USD. The ratio: 1e-9 of itself plus the
/// effect of the tolerance of adjusted equity. Statuses and flags must be equal unless the value is within tolerance of
/// a threshold. Scenarios must be equal unless their losses do.
#[must_use]
pub fn compare(
    kernel: &AccountMargin,
    kernel_units: &[UnitMargin],
    unit_names: &[String],
    reference: &Margin,
    rules: &Rules,
) -> Vec<Mismatch> {
    let name_of = |unit: &UnitMargin| unit_names.get(unit.unit as usize).map_or("?", String::as_str);
    let names: Vec<&str> = kernel_units.iter().map(name_of).collect();
    let units: Vec<UnitRow> = kernel_units.iter().map(UnitRow::from).collect();
    compare_rows(&kernel.into(), &units, &names, reference, rules)
}

/// As [`compare`], of rows of figures; `names` are those of the units.
#[must_use]
pub fn compare_rows(
    kernel: &AccountRow,
    kernel_units: &[UnitRow],
    names: &[&str],
    reference: &Margin,
    rules: &Rules,
) -> Vec<Mismatch> {
    let mut found = Found { unit: None, mismatches: Vec::new() };
    compare_account(kernel, reference, rules, &mut found);
    let expected: Vec<&str> = reference.units.iter().map(|unit| unit.name.as_str()).collect();
    if names != expected {
        found.differ("risk_unit", format!("{names:?}"), format!("{expected:?}"), 0.0);
        return found.mismatches;
    }
    for (kernel, reference) in kernel_units.iter().zip(&reference.units) {
        found.unit = Some(reference.name.clone());
        compare_unit(kernel, reference, rules, &mut found);
    }
    found.mismatches
}

/// Collects mismatches.
struct Found {
    unit: Option<String>,
    mismatches: Vec<Mismatch>,
}

impl Found {
    fn differ(&mut self, column: &'static str, kernel: String, reference: String, tolerance: f64) {
        self.mismatches.push(Mismatch { unit: self.unit.clone(), column, kernel, reference, tolerance });
    }

    fn number(&mut self, column: &'static str, kernel: f64, reference: f64, tolerance: f64) {
        // In this form a NaN fails.
        let close = (kernel - reference).abs() <= tolerance;
        if !close {
            self.differ(column, format!("{kernel:?}"), format!("{reference:?}"), tolerance);
        }
    }

    /// All figures of a list but those with a rule of their own. `money` is the tolerance of an amount of USD, `coins`
    /// what it is worth in coins.
    fn figures<M, const N: usize>(
        &mut self,
        figures: &[Figure<M>; N],
        (kernel, expected): (&[f64; N], &[f64; N]),
        reference: &M,
        (money, coins): (impl Fn(f64) -> f64, f64),
    ) {
        for ((figure, &kernel), &expected) in figures.iter().zip(kernel).zip(expected) {
            let nine_digits = |size: f64| RELATIVE * size.abs();
            let tolerance = match figure.tolerance {
                Tolerance::Money => money(expected),
                Tolerance::Own => money(expected).max(nine_digits(expected)),
                Tolerance::Of(size) => money(expected).max(nine_digits(size(reference))),
                Tolerance::Coins => coins.max(nine_digits(expected)),
                Tolerance::Exact => 0.0,
                Tolerance::Rule => continue,
            };
            let both_missing = figure.is_nullable() && kernel.is_nan() && expected.is_nan();
            if !both_missing {
                self.number(figure.name, kernel, expected, tolerance);
            }
        }
    }

    fn flag(&mut self, column: &'static str, kernel: bool, reference: bool, decided_by_rounding: bool) {
        if kernel != reference && !decided_by_rounding {
            self.differ(column, kernel.to_string(), reference.to_string(), 0.0);
        }
    }
}

fn compare_account(kernel: &AccountRow, reference: &Margin, rules: &Rules, found: &mut Found) {
    let tolerance = |value: f64| {
        let scale = value.abs().max(reference.mmr).max(reference.gross_eq);
        (RELATIVE * scale).max(ABSOLUTE_USD)
    };
    let margin = account_margin(reference);
    let expected = AccountRow::from(&margin);
    found.figures(&ACCOUNT, (kernel.values(), expected.values()), &margin, (tolerance, 0.0));
    let (kernel_status, kernel_ratio) = (kernel.status(), kernel.optional(AccountFigure::margin_ratio));
    let name = |status: Option<Status>| status.map_or("none", Status::name).to_owned();
    let required = reference.mmr + reference.liquidation_fee;
    let near_no_risk = (required - super::LEAST_REQUIREMENT_USD).abs() <= ABSOLUTE_USD;
    match (kernel_ratio, reference.margin_ratio) {
        (Some(kernel_ratio), Some(ratio)) => {
            // The requirement sums non-negative terms: only the equity can lose digits by cancellation.
            let tolerance = RELATIVE * ratio.abs() + tolerance(reference.adj_eq) / required;
            found.number("margin_ratio", kernel_ratio, ratio, tolerance);
            let range = [ratio + tolerance, ratio - tolerance].map(|ratio| rank(ratio, &rules.status));
            if !(range[0]..=range[1]).contains(&kernel_status.map_or(usize::MAX, severity)) {
                found.differ("status", name(kernel_status), reference.status.name().into(), 0.0);
            }
        }
        (kernel_ratio, ratio) if kernel_ratio.is_some() != ratio.is_some() && !near_no_risk => {
            found.differ("margin_ratio", format!("{kernel_ratio:?}"), format!("{ratio:?}"), 0.0);
        }
        _ => {}
    }
    if kernel_ratio.is_none() != (kernel_status == Some(Status::NoRisk)) {
        found.differ("status", name(kernel_status), reference.status.name().into(), 0.0);
    }
    let free = reference.adj_eq - reference.imr;
    let deficit_by_rounding = free.abs() <= tolerance(reference.adj_eq) + tolerance(reference.imr);
    let flag = |figure: AccountFigure| kernel.flag(figure) == Some(true);
    found.flag("im_deficit", flag(AccountFigure::im_deficit), reference.im_deficit, deficit_by_rounding);
    let above = reference.total_eq - rules.min_net_equity_usd;
    let ineligible_by_rounding = above.abs() <= tolerance(reference.total_eq);
    found.flag("ineligible", flag(AccountFigure::ineligible), reference.ineligible, ineligible_by_rounding);
}

fn compare_unit(kernel: &UnitRow, reference: &Unit, rules: &Rules, found: &mut Found) {
    let money = (RELATIVE * reference.mmr.max(reference.cash_delta.abs())).max(ABSOLUTE_USD);
    let coins = if reference.spot_price_usd > 0.0 { money / reference.spot_price_usd } else { 0.0 };
    let margin = unit_margin(reference);
    let expected = UnitRow::from(&margin);
    found.figures(&UNIT, (kernel.values(), expected.values()), &margin, (|_| money, coins));
    compare_scenarios(kernel, reference, rules, money, found);
}

/// The scenarios of MR1 and MR6: equal, or with losses that differ by no more than MR1 and MR6 themselves may, `money`.
/// Each of two P&Ls may be off by that, so scenarios within twice as much are a tie. Without options all volatility
/// states have exactly the same P&L, so the first one must be reported.
fn compare_scenarios(kernel: &UnitRow, reference: &Unit, rules: &Rules, money: f64, found: &mut Found) {
    let rounding = (PNL_ROUNDING * reference.notional).max(2.0 * money);
    let (mr1_price, mr6_price) = (kernel.number(UnitFigure::mr1_price), kernel.number(UnitFigure::mr6_price));
    let Some(mr1_vol) = kernel.mr1_vol() else {
        return found.differ("mr1_vol", "none".to_owned(), reference.mr1_vol.name().to_owned(), 0.0);
    };
    let worst = reference.grid.as_flattened().iter().copied().fold(f64::INFINITY, f64::min);
    let as_bad = |(price, row): (&f64, &[f64; 3])| {
        let mut states = VolState::ALL.iter().zip(row);
        *price == mr1_price && states.any(|(&state, pnl)| state == mr1_vol && pnl - worst <= rounding)
    };
    let named = (mr1_price, mr1_vol);
    let same = named == (reference.mr1_price, reference.mr1_vol);
    let state_is_free = reference.has_options || mr1_vol == reference.mr1_vol;
    let is_tie = state_is_free && reference.grid_prices.iter().zip(&reference.grid).any(as_bad);
    if !(same || is_tie) {
        let at = |price: f64, vol: VolState| format!("{price} {}", vol.name());
        for (column, differs) in
            [("mr1_price", named.0 != reference.mr1_price), ("mr1_vol", named.1 != reference.mr1_vol)]
        {
            if differs {
                found.differ(column, at(named.0, named.1), at(reference.mr1_price, reference.mr1_vol), rounding);
            }
        }
    }
    // MR6 is a share of the loss: its tolerance is that share of the P&L's.
    let charge = if rules.mr6.charge > 0.0 { rules.mr6.charge.min(1.0) } else { 1.0 };
    let rounding = rounding / charge;
    let worst = reference.mr6_pnl[0].min(reference.mr6_pnl[1]);
    let mut moves = reference.mr6_prices.iter().zip(reference.mr6_pnl);
    let as_bad = moves.any(|(&price, pnl)| price == mr6_price && pnl - worst <= rounding);
    if mr6_price != reference.mr6_price && !as_bad {
        found.differ("mr6_price", mr6_price.to_string(), reference.mr6_price.to_string(), rounding);
    }
}

/// Rank of a status on the scale of ratios, worst first; `no_risk` has none.
fn severity(status: Status) -> usize {
    match status {
        Status::Healthy => 0,
        Status::Warning => 1,
        Status::NearLiquidation => 2,
        Status::Liquidation => 3,
        Status::NoRisk => usize::MAX,
    }
}

/// The rank of a ratio.
fn rank(ratio: f64, rules: &StatusRules) -> usize {
    [rules.warning, rules.near, rules.liquidation].iter().filter(|&&threshold| ratio <= threshold).count()
}

/// What the reference says of an account, as a margin: its figures are taken as those of the kernel are.
fn account_margin(margin: &Margin) -> AccountMargin {
    AccountMargin {
        adj_eq: margin.adj_eq,
        total_eq: margin.total_eq,
        upl: margin.upl,
        mmr: margin.mmr,
        imr: margin.imr,
        deriv_mmr: margin.deriv_mmr,
        borrow_mmr: margin.borrow_mmr,
        borrow_imr: margin.borrow_imr,
        liquidation_fee: margin.liquidation_fee,
        margin_ratio: margin.margin_ratio,
        status: margin.status,
        im_deficit: margin.im_deficit,
        ineligible: margin.ineligible,
        mmr_no_hedge: margin.mmr_no_hedge,
        imr_no_hedge: margin.imr_no_hedge,
        order_imr: margin.order_imr,
    }
}

/// The same of a risk unit.
fn unit_margin(unit: &Unit) -> UnitMargin {
    let parts = &unit.parts;
    UnitMargin {
        unit: 0,
        mr1: parts.mr1,
        mr1_price: unit.mr1_price,
        mr1_vol: unit.mr1_vol,
        mr2: parts.mr2,
        mr3: parts.mr3,
        mr4: parts.mr4,
        mr5: parts.mr5,
        mr6: parts.mr6,
        mr6_price: unit.mr6_price,
        mr7: parts.mr7,
        mr9: parts.mr9,
        mmr: unit.mmr,
        imr: unit.imr,
        cash_delta: unit.cash_delta,
        gamma: unit.gamma,
        vega: unit.vega,
        theta: unit.theta,
        spot_in_use: unit.spot_in_use,
        upl: unit.upl,
        // Of units the reference knows it no more than their table does.
        mmr_no_hedge: f64::NAN,
        order_imr: unit.order_imr,
    }
}

/// The first number of a list that is not finite, with its name.
fn not_finite<M>(figures: &[Figure<M>], margin: &M) -> Option<(&'static str, f64)> {
    let value = |figure: &Figure<M>| match figure.get {
        Get::Number(one, _) => one(margin),
        Get::Optional(one, _) => one(margin).unwrap_or(0.0),
        Get::Flag(..) | Get::Label(..) => 0.0,
    };
    figures.iter().map(|figure| (figure.name, value(figure))).find(|(_, value)| !value.is_finite())
}

/// An error with the name of the first figure that is not finite.
pub(super) fn finite(margin: &Margin) -> Result<()> {
    let of_account = not_finite(&ACCOUNT, &account_margin(margin)).map(|(name, value)| (name.to_owned(), value));
    let of_unit = |unit: &Unit| {
        let figure = not_finite(&UNIT, &unit_margin(unit));
        let grid = || unit.grid.as_flattened().iter().find(|pnl| !pnl.is_finite()).map(|&pnl| ("grid", pnl));
        figure.or_else(grid).map(|(name, value)| (format!("{} {name}", unit.name), value))
    };
    match of_account.or_else(|| margin.units.iter().find_map(of_unit)) {
        Some((name, value)) => {
            Err(Error::Runtime(format!("reference model: `{name}` is {value}, not a finite number")))
        }
        None => Ok(()),
    }
}
