//! Amounts in whole lots, and a search for the largest amount that passes.

/// The unit of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Contracts.
    Contracts,
    /// Units of a currency, by its index.
    Currency(u32),
    /// A share of every hedge.
    Share,
}

/// The largest amount that passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Most {
    /// For an order, a transfer or a hedge closing: the largest amount. For a limit of spot in use: the limit that may
    /// be set.
    pub amount: f64,
    /// Its unit.
    pub unit: Unit,
}

/// The smallest step of an amount. `amount(n)` is the double nearest to `n` lots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lot {
    /// The size is `steps / per_unit`, so that an amount is rounded once.
    steps: u64,
    per_unit: f64,
}

/// Lots in one of [`Lot::coarser`].
pub const COARSER: u64 = 1_000;
/// Steps of a currency: 1e-8 of a unit.
const CURRENCY_STEPS: f64 = 1e8;
/// Powers of ten up to this one are exact as doubles.
const LARGEST_POWER: i32 = 22;
/// Largest number of lots. Beyond it doubles cannot represent every whole number. An order of more lots is checked as
/// it is, but its largest passing amount is at most this.
const MOST_LOTS: f64 = (1u64 << 52) as f64;

impl Lot {
    /// The lot of a contract, in contracts.
    #[must_use]
    pub fn contracts(lot_sz: f64) -> Self {
        let per_unit = (1.0 / lot_sz).round();
        if per_unit >= 1.0 && (per_unit * lot_sz - 1.0).abs() < 1e-9 {
            return Self { steps: 1, per_unit };
        }
        // The shortest decimal that is this double: 0.7 is 7 / 10.
        let of_power = |power: i32| {
            let per_unit = 10f64.powi(power);
            let steps = (lot_sz * per_unit).round();
            let is_exact = (1.0..MOST_LOTS).contains(&steps) && steps / per_unit == lot_sz;
            is_exact.then_some(Self { steps: steps as u64, per_unit })
        };
        let exact = (0..=LARGEST_POWER).find_map(of_power);
        exact.unwrap_or(Self { steps: 1, per_unit: 1.0 / lot_sz })
    }

    /// The lot of a spot pair, in units of its base. For amounts of too many lots: the next larger one of
    /// [`Lot::coarser`].
    #[must_use]
    pub fn pair(lot_sz: f64, largest: f64) -> Self {
        let mut lot = Self::contracts(lot_sz);
        while largest / lot.amount(1) > MOST_LOTS {
            lot = lot.coarser();
        }
        lot
    }

    /// 1e-8 of a currency. For amounts so large that doubles cannot resolve 1e-8: the next larger power of ten.
    #[must_use]
    pub fn currency(largest: f64) -> Self {
        let mut per_unit = CURRENCY_STEPS;
        while largest * per_unit > MOST_LOTS {
            per_unit /= 10.0;
        }
        Self { steps: 1, per_unit }
    }

    /// The amount of `lots` lots.
    #[must_use]
    pub fn amount(&self, lots: u64) -> f64 {
        (u128::from(lots) * u128::from(self.steps)) as f64 / self.per_unit
    }

    /// A lot a thousand times as large, for amounts that hold too many lots.
    #[must_use]
    pub fn coarser(&self) -> Self {
        let per_unit = self.per_unit / COARSER as f64;
        if per_unit >= 1.0 && per_unit.fract() == 0.0 {
            Self { per_unit, ..*self }
        } else {
            Self { steps: self.steps.saturating_mul(COARSER), ..*self }
        }
    }

    /// Whole lots in a non-negative amount.
    #[must_use]
    pub fn lots_in(&self, amount: f64) -> u64 {
        let mut lots = (amount * self.per_unit / self.steps as f64).min(MOST_LOTS).floor() as u64;
        while lots > 0 && self.amount(lots) > amount {
            lots -= 1;
        }
        while (lots as f64) < MOST_LOTS && self.amount(lots + 1) <= amount {
            lots += 1;
        }
        lots
    }
}

/// The largest number of lots below `failing` that passes, 0 if none does. `failing` itself fails.
///
/// Margin as a function of the amount is piecewise smooth. Each piece passes on at most one interval. The pieces meet
/// where a position or a hedge changes sign: these amounts are the `corners`. The search tries, from the top down, the
/// corners and sixteen even steps, then finer steps down to one lot. From the first amount that passes it bisects to a
/// lot that passes while the next one fails.
pub fn largest(failing: u64, corners: &[u64], mut passes: impl FnMut(u64) -> bool) -> u64 {
    const EVEN_STEPS: u64 = 16;
    let even = (1..EVEN_STEPS).map(|step| (u128::from(failing) * u128::from(step) / u128::from(EVEN_STEPS)) as u64);
    let halves = (1..u64::BITS).map(|shift| failing >> shift);
    let around = corners.iter().flat_map(|&corner| [corner, corner.saturating_add(1)]);
    let mut tried: Vec<u64> = even.chain(halves).chain(around).filter(|&lots| lots > 0 && lots < failing).collect();
    tried.sort_unstable_by(|a, b| b.cmp(a));
    tried.dedup();
    let mut above = failing;
    for lots in tried {
        if passes(lots) {
            return boundary(lots, above, passes);
        }
        above = lots;
    }
    0
}

/// Bisects between `low`, which passes, and `high`, which fails, to a number of lots that passes while one more fails.
pub fn boundary(mut low: u64, mut high: u64, mut passes: impl FnMut(u64) -> bool) -> u64 {
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if passes(middle) { low = middle } else { high = middle }
    }
    low
}

/// Corners that are tried. Only groups of many operations have more.
const MOST_CORNERS: usize = 256;

/// As many of all corners as are tried, evenly spread.
pub fn thinned(all: Vec<u64>) -> Vec<u64> {
    if all.len() <= MOST_CORNERS {
        return all;
    }
    (0..MOST_CORNERS).filter_map(|place| all.get(place * all.len() / MOST_CORNERS).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_the_nearest_doubles() {
        for (lot, lots, amount) in [
            (Lot::contracts(0.1), 3, 0.3),
            (Lot::contracts(0.01), 7, 0.07),
            (Lot::contracts(1.0), 12, 12.0),
            (Lot::contracts(10.0), 3, 30.0),
            (Lot::contracts(0.7), 86, 60.2),
            (Lot::contracts(0.003), 7, 0.021),
            (Lot::contracts(2.5), 3, 7.5),
            (Lot::contracts(0.7).coarser(), 86, 60_200.0),
            (Lot::contracts(1.0).coarser(), 3, 3_000.0),
            (Lot::contracts(1.0 / 3.0), 3, 1.0),
            (Lot::currency(1.0), 310_000_000, 3.1),
            (Lot::currency(1.0), 1, 1e-8),
            (Lot::pair(0.001, 50.0), 7, 0.007),
            (Lot::pair(10_000.0, 1e9), 3, 30_000.0),
            (Lot::pair(1e-8, 1e12), 5, 0.05),
        ] {
            assert_eq!(lot.amount(lots), amount);
            assert_eq!(lot.lots_in(amount), lots, "{amount}");
            assert_eq!(lot.lots_in(amount * (1.0 - 1e-15)), lots - 1, "{amount}");
        }
        let large = Lot::currency(1e12);
        assert!(large.amount(large.lots_in(1e12)) <= 1e12 && large.lots_in(1e12) > 1 << 40);
    }

    #[test]
    fn the_largest_passes_and_the_next_does_not() {
        for limit in [0u64, 1, 2, 7, 63, 64, 99, 12_345, 999_999] {
            let mut calls = 0;
            let found = largest(1_000_000, &[], |lots| {
                calls += 1;
                lots <= limit
            });
            assert_eq!(found, limit);
            assert!(calls < 64, "{calls}");
        }
        // Passes between 40 and 45 only: the corner finds it.
        assert_eq!(largest(1_000, &[40], |lots| (40..=45).contains(&lots)), 45);
    }
}
