//! Black 1976: the value of a European option on a forward, and its Greeks.

/// Value of an option per coin, in the quote currency.
///
/// `V = exp(-rT) [F N(d1) - K N(d2)]` for a call, `exp(-rT) [K N(-d2) - F N(-d1)]` for a put, with
/// `d1 = (ln(F/K) + v^2 T / 2) / (v sqrt T)` and `d2 = d1 - v sqrt T`. At `T = 0` the intrinsic value.
#[must_use]
pub fn value(forward: f64, strike: f64, vol: f64, years: f64, rate: f64, call: bool) -> f64 {
    let _ = (forward, strike, vol, years, rate, call);
    todo!()
}
