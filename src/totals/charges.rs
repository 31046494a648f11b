//! What the margin of risk units is made of, term by term.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::at_risk::Binding;
use super::sum::Sum;
use crate::margin::UnitMargin;
use crate::margin::real::{Lanes, Real};
use serde::{Deserialize, Serialize};

/// What each term adds to a unit's MMR, in USD: of MR1, MR2 and MR6 only the largest, and MR7 alone where it exceeds
/// all others together. They sum up to the MMR.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct Charges {
    pub mr1: f64,
    pub mr2: f64,
    pub mr3: f64,
    pub mr4: f64,
    pub mr5: f64,
    pub mr6: f64,
    pub mr7: f64,
    pub mr9: f64,
}

/// For each of [`Binding::ALL`] which terms count where it binds: 1 or 0, in the order of [`Charges`]. To multiply by
/// them takes no branch, which would be mispredicted.
pub(super) const COUNTED: [[f64; 8]; Binding::ALL.len()] = [
    [1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0],
    [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0],
    [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0],
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    [0.0; 8],
];

/// Figures of a unit, each as far as it counts.
#[inline(always)]
pub(super) fn counted(figures: [f64; 8], counted: &[f64; 8]) -> Lanes<8> {
    Lanes::by_lane(|term| figures[term]) * Lanes::by_lane(|term| counted[term])
}

/// Sums of [`Charges`], side by side: a unit adds all terms at once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChargeSums(Sum<Lanes<8>>);

impl ChargeSums {
    #[inline(always)]
    pub fn add(&mut self, unit: &UnitMargin) {
        let &UnitMargin { mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9, .. } = unit;
        self.0.add(counted([mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9], &COUNTED[Binding::place(unit)]));
    }

    /// Adds what follows.
    #[inline(always)]
    pub fn merge(&mut self, later: &Self) {
        self.0.merge(&later.0);
    }

    pub fn charges(&self) -> Charges {
        let [mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9] = self.0.values();
        Charges { mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn charges_sum_up_to_the_margin() {
        let unit = UnitMargin {
            mr1: 5.0,
            mr2: 4.0,
            mr6: 3.0,
            mr3: 1.0,
            mr4: 1.0,
            mr5: 1.0,
            mr9: 1.0,
            mr7: 2.0,
            mmr: 9.0,
            ..fixture::units(1).next().unwrap_or_else(|| fixture::units(2).next().unwrap())
        };
        let others = Charges { mr3: 1.0, mr4: 1.0, mr5: 1.0, mr9: 1.0, ..Charges::default() };
        for (unit, expected) in [
            (unit, Charges { mr1: 5.0, ..others }),
            (UnitMargin { mr2: 6.0, mmr: 10.0, ..unit }, Charges { mr2: 6.0, ..others }),
            (UnitMargin { mr6: 7.0, mmr: 11.0, ..unit }, Charges { mr6: 7.0, ..others }),
            (UnitMargin { mr7: 9.0, mmr: 9.0, ..unit }, Charges { mr7: 9.0, ..Charges::default() }),
            (UnitMargin { mmr: 0.0, ..unit }, Charges::default()),
        ] {
            let mut sums = ChargeSums::default();
            sums.add(&unit);
            let found = sums.charges();
            assert_eq!(found, expected);
            let Charges { mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9 } = found;
            assert_eq!(mr1 + mr2 + mr3 + mr4 + mr5 + mr6 + mr7 + mr9, unit.mmr);
        }
    }
}
