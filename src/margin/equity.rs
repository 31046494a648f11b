//! Equity in USD, with and without collateral discounts.

#![allow(clippy::inline_always, reason = "a loop with a call in it does not vectorise")]

use super::real::Real;
use super::tiers::{TierUnit, Tiers};

/// What an equity of one currency counts, in USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountedEquity<R = f64> {
    /// After the discount tiers; a negative equity counts in full.
    pub adjusted_usd: R,
    /// Without discounts.
    pub total_usd: R,
}

/// Values the equity of one currency: a positive amount, in what the bounds count, goes through the incremental
/// discount tiers; a negative amount counts whole. An equity of zero needs no price.
///
/// ```
/// use remargin::margin::{equity::count, tiers::{TierUnit, Tiers}};
/// let tiers = Tiers::new(vec![(f64::INFINITY, 0.5)])?;
/// let owned = count(2.0, 100.0, &tiers, TierUnit::coins(100.0));
/// assert_eq!((owned.adjusted_usd, owned.total_usd), (100.0, 200.0));
/// assert_eq!(count(-2.0, 100.0, &tiers, TierUnit::coins(100.0)).adjusted_usd, -200.0);
/// # Ok::<(), String>(())
/// ```
#[must_use]
#[inline(always)]
pub fn count<R: Real>(equity_coin: R, fx_usd: R, tiers: &Tiers, unit: TierUnit<R>) -> CountedEquity<R> {
    let zero = R::splat(0.0);
    let total_usd = equity_coin.if_zero(zero, equity_coin * fx_usd);
    let adjusted_usd = zero.if_below(equity_coin, tiers.apply(equity_coin * unit.per_coin) * unit.usd, total_usd);
    CountedEquity { adjusted_usd, total_usd }
}
