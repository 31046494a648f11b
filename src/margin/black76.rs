//! Black 1976: the value of a European option on a forward, and its Greeks.
//!
//! Sources: F. Black, "The pricing of commodity contracts" (1976). All functions are per coin of underlying.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::elementary::{exp, ln_ratio};
use super::normal::{INV_SQRT_TAU, NEAR, cdf, near_drop, pdf, tail};

/// An option and the state of its market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Forward price `F`, quote currency, > 0.
    pub forward: f64,
    /// Strike `K`, quote currency, > 0.
    pub strike: f64,
    /// Volatility `v` per square root of a year, > 0.
    pub vol: f64,
    /// Time to expiry `T` in years, >= 0.
    pub years: f64,
    /// Continuously compounded rate `r` per year.
    pub rate: f64,
    /// Call or put.
    pub call: bool,
}

/// `N` states of the market of one option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct States<const N: usize> {
    /// Forward prices.
    pub forward: [f64; N],
    /// Volatilities.
    pub vol: [f64; N],
    /// Years to expiry.
    pub years: [f64; N],
}

/// First derivatives that the model uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Greeks {
    /// `dV/dF`: `exp(-rT) N(d1)` for a call, `-exp(-rT) N(-d1)` for a put.
    pub delta: f64,
    /// `d2V/dF2 = exp(-rT) N'(d1) / (F v sqrt T)`, per unit of quote currency.
    pub gamma: f64,
    /// `dV/dv = exp(-rT) F N'(d1) sqrt T`, quote currency for volatility + 1.
    pub vega: f64,
}

/// Value of an option per coin, in the quote currency.
///
/// `V = exp(-rT) [F N(d1) - K N(d2)]` for a call, `exp(-rT) [K N(-d2) - F N(-d1)]` for a put, with
/// `d1 = (ln(F/K) + v^2 T / 2) / (v sqrt T)` and `d2 = d1 - v sqrt T`. At `T = 0` the intrinsic value.
///
/// ```
/// use remargin::margin::black76::value;
/// let call = value(100.0, 110.0, 0.5, 0.25, 0.0, true);
/// let put = value(100.0, 110.0, 0.5, 0.25, 0.0, false);
/// assert!((call - put - (100.0 - 110.0)).abs() < 1e-12);
/// assert_eq!(value(100.0, 110.0, 0.5, 0.0, 0.0, false), 10.0);
/// ```
#[must_use]
pub fn value(forward: f64, strike: f64, vol: f64, years: f64, rate: f64, call: bool) -> f64 {
    Terms { forward, strike, vol, years, rate, call }.value()
}

impl Terms {
    /// See [`value`].
    #[must_use]
    pub fn value(&self) -> f64 {
        let states = States { forward: [self.forward], vol: [self.vol], years: [self.years] };
        self.values(&states)[0]
    }

    /// The values of the option in other states of its market, side by side; each is what [`value`] gives, bit for
    /// bit.
    ///
    /// The option that is out of the money is priced, the other follows from put-call parity: its time value would
    /// otherwise drown in its intrinsic value.
    ///
    /// ```
    /// use remargin::margin::black76::{States, Terms};
    /// let call = Terms { forward: 100.0, strike: 90.0, vol: 0.5, years: 0.25, rate: 0.0, call: true };
    /// let states = States { forward: [100.0, 80.0], vol: [0.5, 0.7], years: [0.25, 0.25] };
    /// let values = call.values(&states);
    /// assert_eq!(values[0], call.value());
    /// assert!(values[1] < values[0]);
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn values<const N: usize>(&self, states: &States<N>) -> [f64; N] {
        let (mut low, mut high, mut deviation) = ([0.0; N], [0.0; N], [0.0; N]);
        for lane in 0..N {
            let forward = states.forward[lane];
            let is_below = forward < self.strike;
            low[lane] = if is_below { forward } else { self.strike };
            high[lane] = if is_below { self.strike } else { forward };
            deviation[lane] = states.vol[lane] * states.years[lane].sqrt();
        }
        let mut values = time_values(&low, &high, &deviation);
        let sign = if self.call { 1.0 } else { -1.0 };
        for lane in 0..N {
            let intrinsic = sign * (states.forward[lane] - self.strike);
            let intrinsic = if intrinsic > 0.0 { intrinsic } else { 0.0 };
            values[lane] = exp(-self.rate * states.years[lane]) * (intrinsic + values[lane]);
        }
        values
    }

    /// Derivatives of the value; at `T = 0` the limits away from the strike: no gamma, no vega.
    ///
    /// ```
    /// use remargin::margin::black76::Terms;
    /// let call = Terms { forward: 100.0, strike: 100.0, vol: 0.5, years: 1.0, rate: 0.0, call: true };
    /// let put = Terms { call: false, ..call };
    /// assert!((call.greeks().delta - put.greeks().delta - 1.0).abs() < 1e-15);
    /// assert_eq!(call.greeks().vega, put.greeks().vega);
    /// ```
    #[must_use]
    pub fn greeks(&self) -> Greeks {
        let root = self.years.sqrt();
        let deviation = self.vol * root;
        if deviation == 0.0 {
            let in_the_money = if self.call { self.forward > self.strike } else { self.forward < self.strike };
            let delta = f64::from(u8::from(in_the_money));
            return Greeks { delta: if self.call { delta } else { -delta }, gamma: 0.0, vega: 0.0 };
        }
        let d1 = log_ratio(self.forward, self.strike) / deviation + 0.5 * deviation;
        let discount = self.discount();
        let density = discount * pdf(d1);
        Greeks {
            delta: if self.call { discount * cdf(d1) } else { -discount * cdf(-d1) },
            gamma: density / (self.forward * deviation),
            vega: self.forward * density * root,
        }
    }

    fn discount(&self) -> f64 {
        exp(-self.rate * self.years)
    }
}

/// Undiscounted values of options that are out of the money, `low N(d1) - high N(d2)`: a call on `low` struck at
/// `high` and a put on `high` struck at `low` are worth the same.
///
/// With `z = ln(high / low) / s >= 0`, `s` the deviation, `d1 = s/2 - z` and `d2 = -s/2 - z`, both terms carry the
/// factor `low N'(d1) = high N'(d2)`. Taken out, a difference of tails `M_0(-d1) - M_0(-d2)` remains, which does not
/// underflow. Where `s` is small it is a series; elsewhere the tails are far enough apart to be subtracted, the first
/// one, if `d1 > 0`, by way of `M_0(-d1) = 1 / N'(d1) - M_0(d1)`.
///
/// The loops have no branch and no call. Which of the two formulas run is asked once for all options; a lane's value
/// does not depend on its neighbours.
#[inline(always)]
fn time_values<const N: usize>(low: &[f64; N], high: &[f64; N], deviation: &[f64; N]) -> [f64; N] {
    let mut distance = [0.0; N];
    let mut density = [0.0; N];
    for lane in 0..N {
        let (log, s) = (ln_ratio(high[lane], low[lane]), deviation[lane]);
        // No deviation leaves no time value, whatever z is. Beyond 100 the density is zero.
        let z = log / if s < 1e-300 { 1e-300 } else { s };
        let z = if z > 100.0 { 100.0 } else { z };
        let d1 = 0.5 * s - z;
        distance[lane] = z;
        density[lane] = INV_SQRT_TAU * exp(-0.5 * d1 * d1);
    }
    let mut values = [0.0; N];
    if deviation.iter().any(|&s| s < NEAR) {
        for lane in 0..N {
            let s = deviation[lane];
            values[lane] = low[lane] * density[lane] * s * near_drop(distance[lane], s);
        }
    }
    // Also where one is not a number, which the value then is not either.
    if !deviation.iter().all(|&s| s < NEAR) {
        for lane in 0..N {
            let (s, z) = (deviation[lane], distance[lane]);
            let (first, second) = (z - 0.5 * s, z + 0.5 * s);
            let (near, far) = (density[lane] * tail(first.abs()), density[lane] * tail(second));
            let apart = low[lane] * if first < 0.0 { 1.0 - near - far } else { near - far };
            values[lane] = if s < NEAR { values[lane] } else { apart };
        }
    }
    values
}

/// `ln(a / b)`.
fn log_ratio(a: f64, b: f64) -> f64 {
    if a < b { -ln_ratio(b, a) } else { ln_ratio(a, b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values computed with 60 digits by `scripts/black76_golden.py`.
    const GOLDEN: &str = include_str!("../../data/golden/black76.csv");

    #[test]
    fn agrees_with_sixty_digits_in_every_tail() {
        let mut cases = 0;
        for line in GOLDEN.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |column: usize| cells[column].parse::<f64>().unwrap();
            let found = value(number(0), number(1), number(2), number(3), number(4), cells[5] == "true");
            let error = (found - number(6)).abs() / number(6);
            assert!(error < 1e-12, "{line}: {found}");
            cases += 1;
        }
        assert!(cases > 400, "only {cases} cases were read");
    }

    #[test]
    fn intrinsic_at_expiry_and_extremes() {
        for (forward, strike, vol, years, call, expected) in [
            (120.0, 100.0, 0.5, 0.0, true, 20.0),
            (120.0, 100.0, 0.5, 0.0, false, 0.0),
            (80.0, 100.0, 0.5, 0.0, false, 20.0),
            (80.0, 100.0, 1e-18, 1.0, true, 0.0),
            (100.0, 100.0, 1e3, 5.0, true, 100.0),
            (1e18, 1e-18, 0.5, 1.0, true, 1e18),
        ] {
            assert_eq!(value(forward, strike, vol, years, 0.0, call), expected, "{forward} {strike} {vol} {years}");
        }
    }

    /// Where one formula ends and the other begins: at the money the value is `F erf(s / sqrt 8)`.
    #[test]
    fn a_deviation_between_both_formulas_has_its_value() {
        for deviation in [NEAR, NEAR.next_down(), NEAR.next_up()] {
            let (found, expected) =
                (value(100.0, 100.0, deviation, 1.0, 0.0, true), 100.0 * libm::erf(deviation / 8f64.sqrt()));
            assert!((found - expected).abs() < 1e-13 * expected, "{deviation}: {found} against {expected}");
        }
    }

    /// Small and large deviations, which two formulas price.
    #[test]
    fn a_value_does_not_depend_on_its_neighbours() {
        for call in [true, false] {
            let terms = Terms { forward: 100.0, strike: 95.0, vol: 0.6, years: 0.3, rate: 0.02, call };
            let forward = [100.0, 60.0, 95.0, 140.0];
            let states = States { forward, vol: [0.1, 3.0, 0.6, 1.2], years: [0.3, 0.3, 0.3, 2.0] };
            for (lane, found) in terms.values(&states).into_iter().enumerate() {
                let (forward, vol, years) = (states.forward[lane], states.vol[lane], states.years[lane]);
                assert_eq!(found, Terms { forward, vol, years, ..terms }.value(), "lane {lane}");
            }
        }
    }

    #[test]
    fn greeks_are_the_slopes_of_the_value() {
        for call in [true, false] {
            let terms = Terms { forward: 100.0, strike: 95.0, vol: 0.6, years: 0.3, rate: 0.02, call };
            let at = |forward, vol| Terms { forward, vol, ..terms }.value();
            let greeks = terms.greeks();
            let step = 1e-3;
            let (up, mid, down) = (at(100.0 + step, 0.6), at(100.0, 0.6), at(100.0 - step, 0.6));
            assert!((greeks.delta - (up - down) / (2.0 * step)).abs() < 1e-7);
            assert!((greeks.gamma - (up - 2.0 * mid + down) / (step * step)).abs() < 1e-6);
            let vega = (at(100.0, 0.601) - at(100.0, 0.599)) / 0.002;
            assert!((greeks.vega - vega).abs() < 1e-4, "{} {vega}", greeks.vega);
        }
    }
}
