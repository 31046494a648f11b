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

/// Incremental tiers whose rates differ from market to market; their bounds do not.
#[derive(Debug, Clone, PartialEq)]
pub struct MarketTiers<R = f64> {
    rows: Arc<[(f64, R)]>,
}

impl MarketTiers {
    /// The tables of `knots`, each at a price, interpolated at `price`: linear between two prices, flat beyond them.
    /// The first table where there are no prices. `knots` have the bounds of the first and are not empty.
    ///
    /// ```
    /// use remargin::margin::tiers::{MarketTiers, Tiers};
    /// let of = |rate| Tiers::new(vec![(f64::INFINITY, rate)]).unwrap();
    /// let tiers = MarketTiers::at(&[0.8, 1.0], &[of(0.5), of(0.25)], 0.9);
    /// assert!((tiers.apply(100.0) - 37.5).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn at(prices: &[f64], knots: &[Tiers], price: f64) -> Self {
        let next = prices.partition_point(|&knot| knot <= price);
        let below = next.saturating_sub(1).min(knots.len().saturating_sub(1));
        let above = next.min(knots.len().saturating_sub(1));
        let (Some(low), Some(high)) = (knots.get(below), knots.get(above)) else { return Self { rows: Arc::new([]) } };
        let share = if below == above || prices.is_empty() {
            0.0
        } else {
            (price - prices[below]) / (prices[above] - prices[below])
        };
        let row = |(low, high): (&(f64, f64), &(f64, f64))| (low.0, low.1 + share * (high.1 - low.1));
        Self { rows: low.rows.iter().zip(high.rows.iter()).map(row).collect() }
    }
}

impl<R: Real> MarketTiers<R> {
    /// The tiers of several markets, one a lane.
    #[must_use]
    pub fn beside(markets: &[&MarketTiers]) -> Self {
        let row = |(place, &(bound, _)): (usize, &(f64, f64))| {
            (bound, R::by_lane(|lane| markets[lane.min(markets.len() - 1)].rows[place].1))
        };
        Self { rows: markets.first().map_or(&[][..], |first| &first.rows).iter().enumerate().map(row).collect() }
    }

    /// As [`Tiers::apply`].
    #[must_use]
    #[inline(always)]
    pub fn apply(&self, amount: R) -> R {
        let (mut below, mut sum) = (0.0, R::splat(0.0));
        let mut applied = amount * 0.0;
        for &(bound, rate) in self.rows.iter() {
            applied = R::splat(below).if_below(amount, sum + (amount - R::splat(below)) * rate, applied);
            if !R::splat(bound).any_below(amount) {
                break;
            }
            sum += rate * (bound - below);
            below = bound;
        }
        applied
    }
}

/// What the bounds of a currency's tier table count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TierUnit<R = f64> {
    /// What one unit of the currency counts: 1, or its USD value where bounds are USD.
    pub per_coin: R,
    /// USD value of what the bounds count one of: that of a unit of the currency, or 1.
    pub usd: R,
}

impl<R: Real> TierUnit<R> {
    /// Bounds in units of the currency, worth `fx_usd` each.
    #[must_use]
    pub fn coins(fx_usd: R) -> Self {
        Self { per_coin: R::splat(1.0), usd: fx_usd }
    }

    /// Bounds in USD.
    #[must_use]
    pub fn usd(fx_usd: R) -> Self {
        Self { per_coin: fx_usd, usd: R::splat(1.0) }
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
