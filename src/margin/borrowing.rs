//! MR8: what a negative equity of a currency costs.

use super::tiers::BorrowTiers;

/// Requirements of one liability, in USD.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Borrowing {
    /// `L fx mmr`.
    pub mmr_usd: f64,
    /// `L fx imr`.
    pub imr_usd: f64,
    /// Liquidation fee, `L fx (1 + mmr) fee_rate`.
    pub fee_usd: f64,
}

/// The requirements of a liability `L > 0` in currency units: all of it bears the rates of the tier that holds it.
///
/// ```
/// use remargin::margin::{borrowing::charge, tiers::BorrowTiers};
/// let tiers = BorrowTiers::new(vec![(f64::INFINITY, 0.25, 0.5)])?;
/// let charged = charge(2.0, 100.0, &tiers, 0.0);
/// assert_eq!((charged.mmr_usd, charged.imr_usd, charged.fee_usd), (50.0, 100.0, 0.0));
/// # Ok::<(), String>(())
/// ```
#[must_use]
pub fn charge(liability_coin: f64, fx_usd: f64, tiers: &BorrowTiers, fee_rate: f64) -> Borrowing {
    let (mmr, imr) = tiers.rates(liability_coin);
    let liability_usd = liability_coin * fx_usd;
    Borrowing {
        mmr_usd: liability_usd * mmr,
        imr_usd: liability_usd * imr,
        fee_usd: liability_usd * (1.0 + mmr) * fee_rate,
    }
}
