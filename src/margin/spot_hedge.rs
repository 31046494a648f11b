//! Spot in use: how much of a coin's balance hedges the derivatives of its risk unit.

#![allow(clippy::inline_always, reason = "a loop with a call in it does not vectorise")]

use super::real::Real;

/// Spot in use, as a position of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spot<R = f64> {
    /// Coins, signed.
    pub coin: R,
    /// USD value of one coin.
    pub px_usd: R,
}

/// Spot in use in coins, signed like the equity.
///
/// `h = 0` where `E Q >= 0`, otherwise `h = sign(E) min(|E|, |Q|, cap)`, with `E` the coin's equity less the value of
/// options settled in it, `Q` the summed coin delta of the hedging unit and `cap` the account's own limit (infinity
/// if it set none). A borrowed coin (`E < 0`) hedges a long book.
///
/// ```
/// use remargin::margin::spot_hedge::spot_in_use;
/// assert_eq!(spot_in_use(10.0, -4.0, f64::INFINITY), 4.0);
/// assert_eq!(spot_in_use(-3.0, 4.0, f64::INFINITY), -3.0);
/// assert_eq!(spot_in_use(10.0, -4.0, 1.5), 1.5);
/// assert_eq!(spot_in_use(10.0, 4.0, f64::INFINITY), 0.0);
/// ```
#[must_use]
#[inline(always)]
pub fn spot_in_use<R: Real>(equity_coin: R, delta_coin: R, cap_coin: R) -> R {
    // Both signs are equally likely: a select instead of a branch, which would often be mispredicted.
    let least = |a: R, b: R| a.if_below(b, a, b);
    let size = least(least(equity_coin.abs(), delta_coin.abs()), cap_coin);
    let zero = R::splat(0.0);
    let hedging = (equity_coin * delta_coin).if_below(zero, size.copysign(equity_coin), zero);
    // A limit of zero leaves no negative zero.
    hedging + zero
}
