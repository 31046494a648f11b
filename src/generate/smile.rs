//! Assumed implied volatilities and forwards: plausible in shape, not observed.

/// Assumed volatility surface of a coin's options.
struct Surface {
    /// At-the-money volatility of the shortest and of the longest tenor.
    short_vol: f64,
    long_vol: f64,
    /// Slope of the smile per standard deviation of log-moneyness; negative: puts have a higher volatility.
    skew: f64,
    /// Slope of the wings: greater than `|skew|`, less than 1.
    convexity: f64,
}

fn surface(base: &str) -> Surface {
    match base {
        "BTC" => Surface { short_vol: 0.36, long_vol: 0.47, skew: -0.05, convexity: 0.14 },
        "ETH" => Surface { short_vol: 0.55, long_vol: 0.66, skew: -0.04, convexity: 0.16 },
        _ => Surface { short_vol: 0.75, long_vol: 0.85, skew: -0.02, convexity: 0.18 },
    }
}

/// At-the-money volatility: from short to long tenors with a time constant of a quarter year, raised in the last days.
fn at_the_money(surface: &Surface, years: f64) -> f64 {
    let term = surface.long_vol - (surface.long_vol - surface.short_vol) * libm::exp(-years / 0.25);
    term * (1.0 + 0.10 * libm::exp(-years * 365.0 / 2.0))
}

/// Mark volatility of a strike: at-the-money times a smile in standard deviations `y` of log-moneyness,
///
/// `1 + skew y + convexity (sqrt(y^2 + 1) - 1)`: a hyperbola, linear in the wings, positive because
/// `convexity > |skew|` and `convexity < 1`.
pub(super) fn vol(base: &str, forward: f64, strike: f64, years: f64) -> f64 {
    let surface = surface(base);
    let atm = at_the_money(&surface, years);
    let y = libm::log(strike / forward) / (atm * libm::sqrt(years));
    atm * (1.0 + surface.skew * y + surface.convexity * (libm::sqrt(y * y + 1.0) - 1.0))
}

/// Forward / index: a carry that rises from 2.5 % to 5.5 % a year with the tenor.
pub(super) fn forward_ratio(years: f64) -> f64 {
    let carry = 0.055 - 0.03 * libm::exp(-years / 0.3);
    libm::exp(carry * years)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smiles_are_positive_and_smile() {
        for base in ["BTC", "ETH", "DOGE"] {
            for days in [0.8, 7.0, 30.0, 180.0, 365.0] {
                let years = days / 365.0;
                let at = |moneyness: f64| vol(base, 100.0, 100.0 * moneyness, years);
                for step in 1..200 {
                    let moneyness = f64::from(step) * 0.025;
                    assert!(at(moneyness) > 0.05, "{base} {days} d, moneyness {moneyness}");
                }
                let width = at(1.0) * years.sqrt();
                assert!(at((-2.0 * width).exp()) > at(1.0), "{base} {days} d: puts dearer than the money");
                assert!(at((-2.0 * width).exp()) > at((2.0 * width).exp()), "{base} {days} d: tilt to the downside");
                assert!(at((4.0 * width).exp()) > at(1.0), "{base} {days} d: far calls dearer than the money");
            }
        }
    }

    #[test]
    fn forwards_rise_with_the_tenor() {
        let ratios: Vec<f64> = (0..20).map(|quarter| forward_ratio(f64::from(quarter) / 4.0)).collect();
        assert!(ratios.is_sorted());
        assert_eq!(ratios[0], 1.0);
    }
}
