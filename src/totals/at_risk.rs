//! The accounts that need somebody's attention, worst first.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::counts::Standing;
use super::reach::Reach;
use crate::engine::Chunk;
use crate::engine::units_by_account;
use crate::figures::{UnitFigure, UnitRow};
use crate::margin::extremes::positive_part;
use crate::margin::real::Real;
use crate::margin::{AccountMargin, Status, UnitMargin};
use std::cmp::Ordering;

/// The term that decides a risk unit's margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binding {
    /// Spot and volatility shock.
    Mr1,
    /// Theta decay.
    Mr2,
    /// Extreme move.
    Mr6,
    /// Minimum charge, which takes the place of everything else.
    Mr7,
}

impl Binding {
    /// All terms in order, and none.
    pub(crate) const ALL: [Option<Self>; 5] =
        [Some(Self::Mr1), Some(Self::Mr2), Some(Self::Mr6), Some(Self::Mr7), None];
    /// Their places.
    const PLACES: [f64; 5] = [0.0, 1.0, 2.0, 3.0, 4.0];

    /// The term that binds in a unit: MR7 unless the other terms together exceed it, else the largest of MR1, MR2
    /// and MR6, the first of equals. `None` where the unit has no margin.
    #[must_use]
    pub fn of(unit: &UnitMargin) -> Option<Self> {
        Self::ALL[Self::place(unit)]
    }

    /// As [`Binding::of`], its place among [`Binding::ALL`].
    #[inline(always)]
    pub(crate) fn place(unit: &UnitMargin) -> usize {
        Self::number_beside(unit, Self::PLACES) as usize
    }

    /// As [`Binding::place`], of the MMR and the charges of MR1, MR2, MR6 and MR7.
    #[inline(always)]
    pub(crate) fn place_among(figures: [f64; 5]) -> usize {
        Self::number_among(figures, Self::PLACES) as usize
    }

    /// As [`Binding::of`], in several markets at once: what `numbers` have for it, in the order of [`Binding::ALL`].
    #[inline(always)]
    pub(crate) fn number_beside<R: Real>(unit: &UnitMargin<R>, numbers: [f64; Self::ALL.len()]) -> R {
        Self::number_among([unit.mmr, unit.mr1, unit.mr2, unit.mr6, unit.mr7], numbers)
    }

    /// As [`Binding::of`], of figures that were read back.
    pub(crate) fn of_row(unit: &UnitRow) -> Option<Self> {
        let figures = [UnitFigure::mmr, UnitFigure::mr1, UnitFigure::mr2, UnitFigure::mr6, UnitFigure::mr7];
        Self::ALL[Self::place_among(figures.map(|figure| unit.number(figure)))]
    }

    /// Computed without branches, which would be mispredicted: this is called for every unit.
    #[inline(always)]
    fn number_among<R: Real>([mmr, mr1, mr2, mr6, mr7]: [R; 5], numbers: [f64; Self::ALL.len()]) -> R {
        let [first, second, third, charged, none] = numbers.map(R::splat);
        let others = mr2.if_at_least(mr6, second, third);
        let stress = mr1.if_at_least(mr2, mr1.if_at_least(mr6, first, others), others);
        let of_all = mr7.if_at_least(mmr, charged, stress);
        R::splat(0.0).if_at_least(mmr, none, of_all)
    }

    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mr1 => "mr1",
            Self::Mr2 => "mr2",
            Self::Mr6 => "mr6",
            Self::Mr7 => "mr7",
        }
    }
}

/// The unit with the largest MMR of an account.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorstUnit {
    /// Index of the risk unit in its priced table.
    pub unit: u32,
    /// Its MMR in USD.
    pub mmr: f64,
    /// The term that decides it.
    pub binding: Option<Binding>,
}

/// An account at risk. There may be many: what they hold is kept small.
#[derive(Debug, Clone, PartialEq)]
pub struct AtRisk {
    /// Index into the book.
    pub account: usize,
    /// Number of the scenario, the base case first.
    pub scenario: usize,
    /// Its margin.
    pub margin: AccountMargin,
    /// The unit with the largest MMR, the first of equals; `None` for an account without units.
    pub worst_unit: Option<WorstUnit>,
    /// The nearest fall and rise of all coins together at which the margin ratio reaches the liquidation threshold,
    /// from the market as it is; `None` where they were not searched, as in every scenario but the base case.
    pub all_coins: Option<Box<[Reach; 2]>>,
}

impl AtRisk {
    /// USD of equity short of MMR and liquidation fee, `max(0, mmr + liquidation_fee - adj_eq)`.
    #[must_use]
    pub fn shortfall_mmr_usd(&self) -> f64 {
        shortfall_mmr_usd(&self.margin)
    }

    /// USD of equity short of IMR, `max(0, imr - adj_eq)`.
    #[must_use]
    pub fn shortfall_imr_usd(&self) -> f64 {
        shortfall_imr_usd(&self.margin)
    }

    /// By scenario; in it ascending margin ratio, accounts without one last, ties by id (the order of the book).
    pub(crate) fn worse_first(&self, other: &Self) -> Ordering {
        let by_ratio = lower_first(self.margin.margin_ratio, other.margin.margin_ratio);
        self.scenario.cmp(&other.scenario).then(by_ratio).then(self.account.cmp(&other.account))
    }
}

/// What the table `at_risk` says of an account in one scenario, and nothing else: a stress holds millions of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RiskRow {
    /// Index into the book.
    pub account: usize,
    pub adj_eq: f64,
    pub mmr: f64,
    pub imr: f64,
    pub liquidation_fee: f64,
    /// Infinite without a ratio.
    ratio: f64,
    worst_unit_mmr: f64,
    /// [`NO_UNIT`] without units.
    worst_unit: u32,
    worst_binding: Option<Binding>,
    pub status: Status,
    pub im_deficit: bool,
}

const _: () = assert!(size_of::<RiskRow>() == 64, "a cache line");

/// No risk unit has this number.
const NO_UNIT: u32 = u32::MAX;

impl RiskRow {
    /// Account number `account` with this margin.
    #[inline(always)]
    pub fn new(account: usize, margin: &AccountMargin, worst: Option<WorstUnit>) -> Self {
        Self {
            account,
            adj_eq: margin.adj_eq,
            mmr: margin.mmr,
            imr: margin.imr,
            liquidation_fee: margin.liquidation_fee,
            ratio: margin.margin_ratio.unwrap_or(f64::INFINITY),
            worst_unit_mmr: worst.map_or(0.0, |unit| unit.mmr),
            worst_unit: worst.map_or(NO_UNIT, |unit| unit.unit),
            worst_binding: worst.and_then(|unit| unit.binding),
            status: margin.status,
            im_deficit: margin.im_deficit,
        }
    }

    /// The row of an account whose margin is at hand.
    pub fn of(row: &AtRisk) -> Self {
        Self::new(row.account, &row.margin, row.worst_unit)
    }

    /// The margin ratio; `None` without a requirement.
    pub fn margin_ratio(&self) -> Option<f64> {
        (self.ratio < f64::INFINITY).then_some(self.ratio)
    }

    /// The unit with the largest MMR; `None` for an account without units.
    pub fn worst_unit(&self) -> Option<WorstUnit> {
        let binding = self.worst_binding;
        (self.worst_unit != NO_UNIT).then_some(WorstUnit { unit: self.worst_unit, mmr: self.worst_unit_mmr, binding })
    }

    /// As [`AtRisk::shortfall_mmr_usd`].
    pub fn shortfall_mmr_usd(&self) -> f64 {
        short_usd(self.mmr + self.liquidation_fee, self.adj_eq)
    }

    /// As [`AtRisk::shortfall_imr_usd`].
    pub fn shortfall_imr_usd(&self) -> f64 {
        short_usd(self.imr, self.adj_eq)
    }

    /// Ascending with the margin ratio, none last: rows in order of this number, then of the account, stand as
    /// [`AtRisk::worse_first`] has them.
    pub fn order(&self) -> u64 {
        let bits = self.ratio.to_bits();
        // As `f64::total_cmp` orders, without a sign.
        if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
    }
}

/// USD of equity short of MMR and liquidation fee, `max(0, mmr + liquidation_fee - adj_eq)`.
pub(crate) fn shortfall_mmr_usd(margin: &AccountMargin) -> f64 {
    short_usd(margin.mmr + margin.liquidation_fee, margin.adj_eq)
}

/// USD of equity short of IMR, `max(0, imr - adj_eq)`.
pub(crate) fn shortfall_imr_usd(margin: &AccountMargin) -> f64 {
    short_usd(margin.imr, margin.adj_eq)
}

/// USD of equity short of a requirement.
fn short_usd(required_usd: f64, adj_eq_usd: f64) -> f64 {
    positive_part(required_usd - adj_eq_usd)
}

/// Ascending margin ratio, accounts without one last.
pub(crate) fn lower_first(ratio: Option<f64>, other: Option<f64>) -> Ordering {
    match (ratio, other) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// Sorts rows worst first in each scenario, as the table has them.
pub(crate) fn sort(rows: &mut [AtRisk]) {
    rows.sort_unstable_by(AtRisk::worse_first);
}

/// True if somebody should look at the account: in `liquidation`, `near_liquidation` or with an IM deficit.
pub(crate) fn is_at_risk(margin: &AccountMargin) -> bool {
    Standing::from(margin).is_at_risk()
}

/// The accounts of a chunk in `liquidation`, `near_liquidation` or with an IM deficit, in order of the book.
#[must_use]
pub fn select(chunk: &Chunk, scenario: usize) -> Vec<AtRisk> {
    let mut rows = Vec::new();
    for ((place, units), margin) in units_by_account(chunk).zip(&chunk.accounts) {
        if is_at_risk(margin) {
            let worst_unit = units.iter().reduce(|worst, unit| if unit.mmr > worst.mmr { unit } else { worst });
            let worst_unit =
                worst_unit.map(|unit| WorstUnit { unit: unit.unit, mmr: unit.mmr, binding: Binding::of(unit) });
            rows.push(AtRisk {
                account: chunk.first_account + place,
                scenario,
                margin: *margin,
                worst_unit,
                all_coins: None,
            });
        }
    }
    rows
}

/// What the numbers of risk units and scenarios stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) units: &'a [String],
    pub(crate) scenarios: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::account_figures::AccountFigures;

    fn row(account: usize, ratio: Option<f64>) -> AtRisk {
        let rules = crate::rules::load(None, &[]).unwrap().rules;
        let figures = AccountFigures {
            adj_eq: 1.0,
            total_eq: 2.0,
            upl: 3.0,
            mmr: 4.0,
            imr: 5.0,
            deriv_mmr: 6.0,
            borrow_mmr: 7.0,
            borrow_imr: 8.0,
            liquidation_fee: 9.0,
            margin_ratio: ratio.unwrap_or(f64::INFINITY),
            mmr_no_hedge: 10.0,
            imr_no_hedge: 11.0,
            order_imr: 12.0,
        };
        let margin = AccountMargin::of(&figures, &rules);
        AtRisk { account, scenario: 0, margin, worst_unit: None, all_coins: None }
    }

    #[test]
    fn small_rows_have_the_order_of_whole_ones() {
        let ratios = [Some(-3.5), Some(-0.0), Some(0.0), Some(1e-300), Some(0.5), Some(2.0), Some(-1e9), None];
        let mut rows: Vec<AtRisk> = ratios.iter().cycle().take(24).enumerate().map(|(n, r)| row(n, *r)).collect();
        rows.reverse();
        let mut small: Vec<RiskRow> = rows.iter().map(RiskRow::of).collect();
        sort(&mut rows);
        small.sort_unstable_by_key(|row| (row.order(), row.account));
        assert_eq!(small, rows.iter().map(RiskRow::of).collect::<Vec<_>>());
        assert_eq!(small[0].margin_ratio(), Some(-1e9));
        assert_eq!(small[23].margin_ratio(), None);
    }

    #[test]
    fn small_rows_keep_the_worst_unit() {
        for worst_unit in [None, Some(WorstUnit { unit: 7, mmr: 2.5, binding: Some(Binding::Mr6) })] {
            let row = AtRisk { worst_unit, ..row(3, Some(0.5)) };
            assert_eq!(RiskRow::of(&row).worst_unit(), worst_unit);
        }
    }
}
