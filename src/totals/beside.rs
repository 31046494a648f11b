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
    /// Of the last accounts, how often each term binds, all in one number: see [`WEIGHTS`].
    packed: R,
    /// Of the accounts before.
    binding: [R; TERMS],
}

/// The terms that may bind.
const TERMS: usize = Binding::ALL.len() - 1;

/// What a term adds to the number that counts all terms, in the order of [`Binding::ALL`]: each count has 13 bits, so
/// that a number of 53 bits holds them exactly. One addition counts instead of five.
pub(crate) const WEIGHTS: [f64; Binding::ALL.len()] =
    [1.0, (1_u64 << BITS) as f64, (1_u64 << (2 * BITS)) as f64, (1_u64 << (3 * BITS)) as f64, 0.0];
const BITS: usize = 13;
/// Accounts that such a number counts.
const MOST: u64 = (1 << BITS) - 1;

/// How often a term binds, out of the number that counts all.
fn unpacked(packed: f64, term: usize) -> u64 {
    ((packed as u64) >> (term * BITS)) & MOST
}

/// The term that adds such a weight.
pub(crate) fn binding_of(weight: f64) -> Option<Binding> {
    WEIGHTS.iter().position(|other| *other == weight).and_then(|place| Binding::ALL[place])
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
            R::alone(sum).add(value);
        }
    }

    /// Counts a risk unit of an account; `binding` is the weight of the term that binds, one of [`WEIGHTS`].
    #[inline(always)]
    pub(crate) fn count_unit(&mut self, margin: &UnitMargin<R>, binding: R) {
        let unit = &mut self.units[margin.unit as usize];
        unit.accounts += 1;
        unit.mmr.add(margin.mmr);
        unit.packed += binding;
        if unit.accounts.is_multiple_of(MOST) {
            unit.unpack();
        }
    }

    /// What was counted in one market, with the accounts by status, which are counted elsewhere.
    pub(crate) fn lane(&self, lane: usize, by_status: StatusCounts) -> Tally {
        let whole = |count: R| count.lane(lane) as u64;
        let unit = |unit: &UnitBeside<R>| UnitTally {
            accounts: unit.accounts,
            mmr: unit.mmr.lane(lane),
            binding: unit.binding_of(lane),
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

impl<R: Real> UnitBeside<R> {
    /// Makes room for more accounts.
    #[cold]
    fn unpack(&mut self) {
        for (term, count) in self.binding.iter_mut().enumerate() {
            *count += R::by_lane(|lane| unpacked(self.packed.lane(lane), term) as f64);
        }
        self.packed = R::splat(0.0);
    }

    /// How often each term binds in one market, and how often none.
    fn binding_of(&self, lane: usize) -> [u64; Binding::ALL.len()] {
        let count = |term: usize| self.binding[term].lane(lane) as u64 + unpacked(self.packed.lane(lane), term);
        let terms: [u64; TERMS] = std::array::from_fn(count);
        let none = self.accounts - terms.iter().sum::<u64>();
        std::array::from_fn(|place| terms.get(place).copied().unwrap_or(none))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::real::Lanes;

    /// More accounts than one number counts, each term on and off, in lanes that differ.
    #[test]
    fn packed_counts_are_exact() {
        let mut unit = UnitBeside::<Lanes<8>>::default();
        let mut expected = [[0_u64; Binding::ALL.len()]; 8];
        for account in 0..3 * MOST + 5 {
            let place = |lane: usize| if lane == 7 { 3 } else { (account as usize / (lane + 1)) % Binding::ALL.len() };
            unit.accounts += 1;
            unit.packed += Lanes::by_lane(|lane| WEIGHTS[place(lane)]);
            (0..8).for_each(|lane| expected[lane][place(lane)] += 1);
            if unit.accounts.is_multiple_of(MOST) {
                unit.unpack();
            }
        }
        for (lane, expected) in expected.iter().enumerate() {
            assert_eq!(unit.binding_of(lane), *expected, "lane {lane}");
        }
        assert_eq!(WEIGHTS.map(binding_of), Binding::ALL);
    }
}
