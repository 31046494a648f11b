//! The volatility at which Black 1976 gives a price.

use super::black76::value;

/// Why a price has no volatility.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoVolatility {
    /// The option has expired: its value does not depend on volatility.
    Expired,
    /// The price is not above the least value of the option, which it has without volatility: there is no time value
    /// to read a volatility from.
    NoTimeValue,
    /// The price is not below the greatest value, which it has at infinite volatility.
    TooDear,
    /// Something is not a positive, finite number.
    NotANumber,
}

impl std::fmt::Display for NoVolatility {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Expired => "the option has expired",
            Self::NoTimeValue => "the price has no time value",
            Self::TooDear => "the price is not below the greatest value of the option",
            Self::NotANumber => "a number is not positive and finite",
        })
    }
}

impl std::error::Error for NoVolatility {}

/// Largest volatility looked for, and the smallest.
const RANGE: (f64, f64) = (1e-4, 100.0);

/// The volatility per square root of a year at which [`value`] is `price`.
///
/// `price` is per coin in the quote currency, discounted at `rate` as [`value`] is; `years > 0`.
///
/// The value rises with volatility, from `exp(-rT) max(F - K, 0)` (call) to `exp(-rT) F`, so there is one root, or
/// none. It is enclosed in an interval that every step shrinks, by a secant through its ends (in the logarithm of the
/// time value, where the curve is tame even far from the money; an end that stays twice loses half its weight, so
/// that both ends move) or, where that hardly helps, by halving; until the interval is as narrow as the floating point
/// numbers allow. A volatility outside 0.01 % to 10,000 % counts as none.
///
/// ```
/// use remargin::margin::{black76::value, implied::implied_vol};
/// let price = value(100.0, 120.0, 0.65, 0.1, 0.0, true);
/// let vol = implied_vol(price, 100.0, 120.0, 0.1, 0.0, true).unwrap();
/// assert!((vol - 0.65).abs() < 1e-12);
/// assert!(implied_vol(20.0, 120.0, 100.0, 0.1, 0.0, true).is_err(), "no time value");
/// ```
///
/// # Errors
/// [`NoVolatility`].
pub fn implied_vol(
    price: f64,
    forward: f64,
    strike: f64,
    years: f64,
    rate: f64,
    call: bool,
) -> Result<f64, NoVolatility> {
    let usable = |x: f64| x > 0.0 && x.is_finite();
    if ![forward, strike].into_iter().all(usable) || !price.is_finite() || !rate.is_finite() || !years.is_finite() {
        return Err(NoVolatility::NotANumber);
    }
    if years <= 0.0 {
        return Err(NoVolatility::Expired);
    }
    let discount = (-rate * years).exp();
    let intrinsic = discount * (if call { forward - strike } else { strike - forward }).max(0.0);
    let target = price - intrinsic;
    // A rounding error of the price would move the volatility without bound.
    if target <= 4.0 * f64::EPSILON * price.abs().max(intrinsic) {
        return Err(NoVolatility::NoTimeValue);
    }
    // In or out of the money, the time value is that of the option that is out of the money.
    let out_of_the_money = forward < strike;
    let time_value = |vol: f64| value(forward, strike, vol, years, rate, out_of_the_money);
    if target >= discount * forward.min(strike) {
        return Err(NoVolatility::TooDear);
    }
    // The logarithm of a time value of zero is far below any target, which is all the search needs.
    let miss = |vol: f64| time_value(vol).max(f64::MIN_POSITIVE).ln() - target.ln();
    let (mut low, mut high) = RANGE;
    let (mut below, mut above) = (miss(low), miss(high));
    if below > 0.0 {
        return Err(NoVolatility::NoTimeValue);
    }
    if above < 0.0 {
        return Err(NoVolatility::TooDear);
    }
    let (mut narrow, mut raised_low) = (0, None);
    while high - low > 2.0 * f64::EPSILON * high {
        let width = high - low;
        let secant = low - below * (width / (above - below));
        let middle = 0.5 * (low + high);
        let vol = if narrow < 3 && secant > low && secant < high { secant } else { middle };
        if vol <= low || vol >= high {
            break;
        }
        let found = miss(vol);
        if found == 0.0 {
            return Ok(vol);
        }
        let again = if raised_low == Some(found < 0.0) { 0.5 } else { 1.0 };
        if found < 0.0 {
            (low, below, above) = (vol, found, again * above);
        } else {
            (high, above, below) = (vol, found, again * below);
        }
        raised_low = Some(found < 0.0);
        // Three steps in a row that took less than half: the fourth halves.
        narrow = if high - low > 0.5 * width { narrow + 1 } else { 0 };
    }
    Ok(0.5 * (low + high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_volatility_that_made_the_price() {
        let mut found = 0;
        for moneyness in [0.2, 0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 2.0, 5.0] {
            for vol in [0.05, 0.2, 0.6, 1.5, 4.0] {
                for years in [1e-4, 0.003, 0.02, 0.25, 2.0] {
                    for (call, rate) in [(true, 0.0), (false, 0.03)] {
                        let strike = 40_000.0 * moneyness;
                        let price = value(40_000.0, strike, vol, years, rate, call);
                        let Ok(implied) = implied_vol(price, 40_000.0, strike, years, rate, call) else { continue };
                        // Judged by the price: where it hardly depends on the volatility, the latter is vague.
                        let again = value(40_000.0, strike, implied, years, rate, call);
                        let case = format!("{moneyness} {vol} {years} {call}: {implied}");
                        assert!((again - price).abs() <= 1e-12 * price, "{case}");
                        let time_value = value(40_000.0, strike, vol, years, rate, strike > 40_000.0);
                        if time_value > 1e-3 * price {
                            assert!((implied - vol).abs() < 1e-9 * vol, "{case}");
                            found += 1;
                        }
                    }
                }
            }
        }
        assert!(found > 200, "only {found} cases had a volatility");
    }

    #[test]
    fn prices_without_a_volatility() {
        use NoVolatility::{Expired, NoTimeValue, NotANumber, TooDear};
        for (price, forward, strike, years, call, expected) in [
            (20.0, 120.0, 100.0, 0.1, true, NoTimeValue),
            (19.0, 120.0, 100.0, 0.1, true, NoTimeValue),
            (0.0, 100.0, 120.0, 0.1, true, NoTimeValue),
            (-1.0, 100.0, 120.0, 0.1, true, NoTimeValue),
            (100.0, 100.0, 120.0, 0.1, true, TooDear),
            (121.0, 100.0, 120.0, 0.1, false, TooDear),
            (1.0, 100.0, 120.0, 0.0, true, Expired),
            (f64::NAN, 100.0, 120.0, 0.1, true, NotANumber),
            (1.0, 0.0, 120.0, 0.1, true, NotANumber),
            (1.0, 100.0, f64::INFINITY, 0.1, true, NotANumber),
        ] {
            let found = implied_vol(price, forward, strike, years, 0.0, call);
            assert_eq!(found, Err(expected), "{price} {forward} {strike} {years} {call}");
        }
    }

    /// What counts as a rounding error is measured by the price: the unit of money does not matter.
    #[test]
    fn the_unit_of_money_does_not_matter() {
        for unit in [2f64.powi(-40), 1.0, 2f64.powi(40)] {
            let (forward, strike) = (100.0 * unit, 110.0 * unit);
            let price = value(forward, strike, 0.6, 0.25, 0.0, true);
            let found = implied_vol(price, forward, strike, 0.25, 0.0, true).unwrap();
            assert!((found - 0.6).abs() < 1e-13, "{unit}: {found}");
            let rounded = 10.0 * unit * (1.0 + 2.0 * f64::EPSILON);
            let found = implied_vol(rounded, forward, strike, 0.25, 0.0, false);
            assert_eq!(found, Err(NoVolatility::NoTimeValue), "{unit}");
        }
    }

    /// One number that is none is enough.
    #[test]
    fn each_argument_must_be_a_number() {
        let usual = [5.0, 100.0, 110.0, 0.5, 0.02];
        let vol_of =
            |[price, forward, strike, years, rate]: [f64; 5]| implied_vol(price, forward, strike, years, rate, true);
        assert!(vol_of(usual).is_ok());
        for place in 0..usual.len() {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut arguments = usual;
                arguments[place] = bad;
                assert_eq!(vol_of(arguments), Err(NoVolatility::NotANumber), "{arguments:?}");
            }
        }
        for place in [1, 2] {
            let mut arguments = usual;
            arguments[place] = -100.0;
            assert_eq!(vol_of(arguments), Err(NoVolatility::NotANumber), "{arguments:?}");
        }
    }

    /// At the money the price is nearly a multiple of the volatility, so that each digit can be had.
    #[test]
    fn small_and_large_volatilities_keep_their_digits() {
        for vol in [2e-4, 1e-3, 0.02, 1.0, 3.0] {
            for rate in [0.0, 0.05] {
                let price = value(100.0, 100.0, vol, 0.25, rate, true);
                let found = implied_vol(price, 100.0, 100.0, 0.25, rate, true).unwrap();
                assert!((found - vol).abs() < 1e-14 * vol, "{vol} {rate}: {found}");
            }
        }
        for (vol, expected) in [(0.9e-4, NoVolatility::NoTimeValue), (101.0, NoVolatility::TooDear)] {
            let price = value(100.0, 100.0, vol, 1e-4, 0.0, true);
            assert_eq!(implied_vol(price, 100.0, 100.0, 1e-4, 0.0, true), Err(expected), "{vol} is out of range");
        }
    }
}
