//! MR8: what a negative equity of a currency costs.

#![allow(clippy::inline_always, reason = "a loop with a call in it does not vectorise")]

use super::real::Real;
use super::tiers::{BorrowTiers, TierUnit};

/// Requirements of one liability, in USD.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Borrowing<R = f64> {
    /// `L fx mmr`.
    pub mmr_usd: R,
    /// `L fx imr`.
    pub imr_usd: R,
    /// Liquidation fee, `L fx (1 + mmr) fee_rate`.
    pub fee_usd: R,
}

/// The requirements of a liability `L > 0` in currency units: all of it bears the rates of the tier that holds it.
/// `fee_rate` is the account's own, or that of the rules.
///
/// ```
/// use remargin::margin::{borrowing::charge, tiers::{BorrowTiers, TierUnit}};
/// let tiers = BorrowTiers::new(vec![(f64::INFINITY, 0.25, 0.5)])?;
/// let charged = charge(2.0, 100.0, (&tiers, TierUnit::coins(100.0)), 0.0);
/// assert_eq!((charged.mmr_usd, charged.imr_usd, charged.fee_usd), (50.0, 100.0, 0.0));
/// # Ok::<(), String>(())
/// ```
#[must_use]
#[inline(always)]
pub fn charge<R: Real>(
    liability_coin: R,
    fx_usd: R,
    (tiers, unit): (&BorrowTiers, TierUnit<R>),
    fee_rate: f64,
) -> Borrowing<R> {
    let (mmr, imr) = tiers.rates(liability_coin * unit.per_coin);
    let liability_usd = liability_coin * fx_usd;
    Borrowing {
        mmr_usd: liability_usd * mmr,
        imr_usd: liability_usd * imr,
        fee_usd: liability_usd * (R::splat(1.0) + mmr) * fee_rate,
    }
}
