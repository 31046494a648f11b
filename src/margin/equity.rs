//! Equity in USD, with and without collateral discounts.

use super::tiers::Tiers;

/// What an equity of one currency counts, in USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CountedEquity {
    /// After the discount tiers; a negative equity counts in full.
    pub adjusted_usd: f64,
    /// Without discounts.
    pub total_usd: f64,
}

/// Values the equity of one currency: a positive amount, in currency units, goes through the incremental discount
/// tiers; a negative amount counts whole. An equity of zero needs no price.
///
/// ```
/// use remargin::margin::{equity::count, tiers::Tiers};
/// let tiers = Tiers::new(vec![(f64::INFINITY, 0.5)])?;
/// let owned = count(2.0, 100.0, &tiers);
/// assert_eq!((owned.adjusted_usd, owned.total_usd), (100.0, 200.0));
/// assert_eq!(count(-2.0, 100.0, &tiers).adjusted_usd, -200.0);
/// # Ok::<(), String>(())
/// ```
#[must_use]
pub fn count(equity_coin: f64, fx_usd: f64, tiers: &Tiers) -> CountedEquity {
    if equity_coin == 0.0 {
        return CountedEquity { adjusted_usd: 0.0, total_usd: 0.0 };
    }
    let total_usd = equity_coin * fx_usd;
    let adjusted_usd = if equity_coin > 0.0 { tiers.apply(equity_coin) * fx_usd } else { total_usd };
    CountedEquity { adjusted_usd, total_usd }
}
