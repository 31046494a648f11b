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

impl Charges {
    /// Those of a unit. A branch on the binding term would be mispredicted: terms that do not count are zero, and
    /// adding zero leaves a sum as it is.
    #[inline(always)]
    pub(super) fn of(unit: &UnitMargin) -> Self {
        let place = Binding::place(unit);
        let binds = |term: usize, charge: f64| if place == term { charge } else { 0.0 };
        let counts = f64::from(u8::from(place < Binding::PLACE_OF_MR7));
        Self {
            mr1: binds(0, unit.mr1),
            mr2: binds(1, unit.mr2),
            mr3: counts * unit.mr3,
            mr4: counts * unit.mr4,
            mr5: counts * unit.mr5,
            mr6: binds(2, unit.mr6),
            mr7: binds(Binding::PLACE_OF_MR7, unit.mr7),
            mr9: counts * unit.mr9,
        }
    }
}

/// Sums of [`Charges`], side by side: a unit adds all terms at once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChargeSums(Sum<Lanes<8>>);

impl ChargeSums {
    #[inline(always)]
    pub fn add(&mut self, unit: &UnitMargin) {
        let Charges { mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9 } = Charges::of(unit);
        let terms = [mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9];
        self.0.add(Lanes::by_lane(|term| terms[term]));
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
