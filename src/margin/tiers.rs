//! Tier tables: incremental (each part of an amount bears its own rate) and whole (the amount bears one rate).

#![allow(clippy::inline_always, reason = "a loop with a call in it does not vectorise")]

use super::real::Real;
use std::sync::Arc;

/// An incremental tier table, as taxes are: only the part of an amount inside a tier bears its rate.
///
/// ```text
/// bound   20     25      inf          amount 22
/// rate    0.98   0.9775  0.0    ->    20 x 0.98 + 2 x 0.9775
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tiers {
    rows: Arc<[(f64, f64)]>,
}

impl Tiers {
    /// From rows `(upper bound, rate)`, bounds ascending; the last bound is infinity.
    ///
    /// # Errors
    /// Says which row breaks the order, is not finite, or that the last bound is not infinity.
    pub fn new(rows: Vec<(f64, f64)>) -> Result<Self, String> {
        check_bounds(rows.iter().map(|row| row.0))?;
        match rows.iter().find(|row| !row.1.is_finite() || row.1 < 0.0) {
            Some(row) => Err(format!("rate {} must be finite and not negative", row.1)),
            None => Ok(Self { rows: rows.into() }),
        }
    }

    /// The rows `(upper bound, rate)`.
    #[must_use]
    pub fn rows(&self) -> &[(f64, f64)] {
        &self.rows
    }

    /// `sum over tiers of rate x (part of amount inside the tier)`, in the unit of `amount` times that of the rate.
    /// `amount` is not negative; zero gives zero.
    ///
    /// ```
    /// use remargin::margin::tiers::Tiers;
    /// let tiers = Tiers::new(vec![(20.0, 0.5), (f64::INFINITY, 0.25)])?;
    /// assert_eq!(tiers.apply(22.0), 20.0 * 0.5 + 2.0 * 0.25);
    /// # Ok::<(), String>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn apply<R: Real>(&self, amount: R) -> R {
        let (mut below, mut sum) = (0.0, 0.0);
        // Zero, and not a number where the amount is none.
        let mut applied = amount * 0.0;
        for &(bound, rate) in self.rows.iter() {
            // The tiers before this one are full where the amount is above their bound.
            applied = R::splat(below).if_below(amount, R::splat(sum) + (amount - R::splat(below)) * rate, applied);
            if !R::splat(bound).any_below(amount) {
                break;
            }
            sum += (bound - below) * rate;
            below = bound;
        }
        applied
    }
}

/// The borrowing tiers of one currency: a liability bears, as a whole, the rates of the tier that holds it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BorrowTiers {
    rows: Arc<[(f64, f64, f64)]>,
}

impl BorrowTiers {
    /// From rows `(upper bound in currency units, mmr, imr)`, bounds ascending; the last bound is infinity.
    ///
    /// # Errors
    /// Says which row breaks the order, is not finite, or that the last bound is not infinity.
    pub fn new(rows: Vec<(f64, f64, f64)>) -> Result<Self, String> {
        check_bounds(rows.iter().map(|row| row.0))?;
        match rows.iter().find(|row| !(row.1.is_finite() && row.2.is_finite()) || row.1 < 0.0 || row.2 < 0.0) {
            Some(row) => Err(format!("rates {} and {} must be finite and not negative", row.1, row.2)),
            None => Ok(Self { rows: rows.into() }),
        }
    }

    /// The rows `(upper bound, mmr, imr)`.
    #[must_use]
    pub fn rows(&self) -> &[(f64, f64, f64)] {
        &self.rows
    }

    /// `(mmr, imr)` of a liability in currency units. A tier holds every liability up to its bound, bound included.
    ///
    /// ```
    /// use remargin::margin::tiers::BorrowTiers;
    /// let tiers = BorrowTiers::new(vec![(100.0, 0.02, 0.1), (f64::INFINITY, 0.1, 0.2)])?;
    /// assert_eq!(tiers.rates(100.0), (0.02, 0.1));
    /// assert_eq!(tiers.rates(101.0), (0.1, 0.2));
    /// # Ok::<(), String>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn rates<R: Real>(&self, liability_coin: R) -> (R, R) {
        let nan = R::splat(f64::NAN);
        let (mut mmr, mut imr) = (nan, nan);
        let mut below = f64::NEG_INFINITY;
        for &(bound, tier_mmr, tier_imr) in self.rows.iter() {
            let is_above = R::splat(below);
            mmr = is_above.if_below(liability_coin, R::splat(tier_mmr), mmr);
            imr = is_above.if_below(liability_coin, R::splat(tier_imr), imr);
            if !R::splat(bound).any_below(liability_coin) {
                break;
            }
            below = bound;
        }
        (mmr, imr)
    }
}

fn check_bounds(bounds: impl Iterator<Item = f64>) -> Result<(), String> {
    let mut last = 0.0;
    for bound in bounds {
        if bound.is_nan() || bound <= last {
            return Err(format!("bound {bound} must be greater than the one before it ({last})"));
        }
        last = bound;
    }
    if last == f64::INFINITY { Ok(()) } else { Err("the last bound must be \"inf\"".to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incremental_tiers() {
        let tiers = Tiers::new(vec![(10_000.0, 1.0), (70_000.0, 2.0), (f64::INFINITY, 12.0)]).unwrap();
        for (amount, expected) in
            [(0.0, 0.0), (10_000.0, 10_000.0), (30_000.0, 50_000.0), (70_000.0, 130_000.0), (70_001.0, 130_012.0)]
        {
            assert_eq!(tiers.apply(amount), expected, "amount {amount}");
        }
    }

    #[test]
    fn whole_tiers_hold_their_bound() {
        let tiers = BorrowTiers::new(vec![(100.0, 0.02, 0.1), (f64::INFINITY, 0.1, 0.2)]).unwrap();
        for (liability, expected) in [(0.5, (0.02, 0.1)), (100.0, (0.02, 0.1)), (100.000_001, (0.1, 0.2))] {
            assert_eq!(tiers.rates(liability), expected, "liability {liability}");
        }
    }

    #[test]
    fn broken_tables_are_refused() {
        for rows in [vec![], vec![(1.0, 0.5)], vec![(2.0, 0.5), (1.0, 0.5), (f64::INFINITY, 0.5)]] {
            assert!(Tiers::new(rows).is_err());
        }
        assert!(Tiers::new(vec![(f64::INFINITY, f64::NAN)]).is_err());
        assert!(BorrowTiers::new(vec![(f64::INFINITY, -0.1, 0.1)]).is_err());
    }
}
