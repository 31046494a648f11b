//! Spot in use: how much of a coin's balance hedges the derivatives of its risk unit.

/// Spot in use, as a position of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spot {
    /// Coins, signed.
    pub coin: f64,
    /// USD value of one coin.
    pub px_usd: f64,
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
pub fn spot_in_use(equity_coin: f64, delta_coin: f64, cap_coin: f64) -> f64 {
    // Both signs are equally likely: a select instead of a branch, which would often be mispredicted.
    let least = |a: f64, b: f64| if a < b { a } else { b };
    let size = least(least(equity_coin.abs(), delta_coin.abs()), cap_coin);
    let hedging = if equity_coin * delta_coin < 0.0 { size.copysign(equity_coin) } else { 0.0 };
    // A limit of zero leaves no negative zero.
    hedging + 0.0
}
