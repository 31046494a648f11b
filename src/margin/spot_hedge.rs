//! Spot in use: how much of a coin's balance hedges the derivatives of its risk unit.

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
    let opposed = (equity_coin > 0.0 && delta_coin < 0.0) || (equity_coin < 0.0 && delta_coin > 0.0);
    if !opposed {
        return 0.0;
    }
    let size = equity_coin.abs().min(delta_coin.abs()).min(cap_coin);
    if size == 0.0 { 0.0 } else { size.copysign(equity_coin) }
}
