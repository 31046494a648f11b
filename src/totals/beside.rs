//! Counts and totals in several markets at once, as [`Tally`] has them of one.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::at_risk::Binding;
use super::counts::StatusCounts;
use super::sum::Sum;
use super::summary::{AccountCounts, Tally, UnitTally};
use crate::figures::Totals;
use crate::margin::UnitMargin;
use crate::margin::account_figures::AccountFigures;
use crate::margin::real::Real;

/// A [`Tally`] in each of several markets. Counts are numbers like others: whole ones are exact up to 2^53.
#[derive(Debug, Clone, Default)]
pub(crate) struct TallyBeside<R> {
    margined: u64,
    im_deficit: R,
    ineligible: R,
    totals: [Sum<R>; Totals::NAMES.len()],
    units: Vec<UnitBeside<R>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct UnitBeside<R> {
    accounts: u64,
    mmr: Sum<R>,
    binding: [R; Binding::ALL.len()],
}

impl<R: Real> TallyBeside<R> {
    /// Nothing counted yet, in markets of so many risk units.
    pub(crate) fn new(units: usize) -> Self {
        Self { units: vec![UnitBeside::default(); units], ..Self::default() }
    }

    /// Counts an account. `im_deficit` is one where it has such a deficit, else zero.
    #[inline(always)]
    pub(crate) fn count_account(&mut self, figures: &AccountFigures<R>, im_deficit: R, min_net_equity_usd: f64) {
        let (zero, one) = (R::splat(0.0), R::splat(1.0));
        self.margined += 1;
        self.im_deficit += im_deficit;
        self.ineligible += figures.total_eq.if_below(R::splat(min_net_equity_usd), one, zero);
        for (sum, value) in self.totals.iter_mut().zip(Totals::beside(figures)) {
            sum.add(value);
        }
    }

    /// Counts a risk unit of an account; `binding` is the place of the term that binds.
    #[inline(always)]
    pub(crate) fn count_unit(&mut self, margin: &UnitMargin<R>, binding: R) {
        let (zero, one) = (R::splat(0.0), R::splat(1.0));
        let unit = &mut self.units[margin.unit as usize];
        unit.accounts += 1;
        unit.mmr.add(margin.mmr);
        for (place, count) in unit.binding.iter_mut().enumerate() {
            *count += (binding - R::splat(place as f64)).if_zero(one, zero);
        }
    }

    /// What was counted in one market, with the accounts by status, which are counted elsewhere.
    pub(crate) fn lane(&self, lane: usize, by_status: StatusCounts) -> Tally {
        let whole = |count: R| count.lane(lane) as u64;
        let unit = |unit: &UnitBeside<R>| UnitTally {
            accounts: unit.accounts,
            mmr: unit.mmr.lane(lane),
            binding: unit.binding.map(whole),
        };
        Tally {
            counts: AccountCounts {
                margined: self.margined,
                im_deficit: whole(self.im_deficit),
                ineligible: whole(self.ineligible),
                by_status,
                ..AccountCounts::default()
            },
            totals: self.totals.map(|sum| sum.lane(lane)),
            units: self.units.iter().map(unit).collect(),
        }
    }
}
