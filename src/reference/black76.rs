//! Black 1976, as in section 3 of the model.

use libm::{erfc, exp, log, sqrt};
use std::f64::consts::{PI, SQRT_2};

/// The arguments of the formula. `vol` is positive, `years` is zero or positive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Black76 {
    pub(super) call: bool,
    pub(super) forward: f64,
    pub(super) strike: f64,
    pub(super) vol: f64,
    pub(super) years: f64,
    pub(super) rate: f64,
}

impl Black76 {
    /// Value per coin, in the quote currency; the intrinsic value at expiry.
    pub(super) fn value(&self) -> f64 {
        let Self { call, forward, strike, .. } = *self;
        if self.years <= 0.0 {
            return if call { forward - strike } else { strike - forward }.max(0.0);
        }
        let (d1, d2) = self.d1_d2();
        let undiscounted = if call {
            forward * normal_cdf(d1) - strike * normal_cdf(d2)
        } else {
            strike * normal_cdf(-d2) - forward * normal_cdf(-d1)
        };
        // A value is never negative. Far out of the money, rounding may make the difference of the two tails negative.
        (self.discount() * undiscounted).max(0.0)
    }

    /// `d`: change of value per unit of the forward.
    pub(super) fn delta(&self) -> f64 {
        let (d1, _) = self.d1_d2();
        let undiscounted = if self.call { normal_cdf(d1) } else { -normal_cdf(-d1) };
        self.discount() * undiscounted
    }

    /// `exp(-rT) N'(d1) / (F v sqrt T)`: change of `d` per unit of the forward.
    pub(super) fn gamma(&self) -> f64 {
        self.discounted_density() / (self.forward * self.vol * sqrt(self.years))
    }

    /// `exp(-rT) F N'(d1) sqrt T`: change of value per unit of volatility.
    pub(super) fn vega(&self) -> f64 {
        self.discounted_density() * self.forward * sqrt(self.years)
    }

    fn discount(&self) -> f64 {
        exp(-self.rate * self.years)
    }

    fn discounted_density(&self) -> f64 {
        let (d1, _) = self.d1_d2();
        self.discount() * exp(-d1 * d1 / 2.0) / sqrt(2.0 * PI)
    }

    fn d1_d2(&self) -> (f64, f64) {
        let spread = self.vol * sqrt(self.years);
        let d1 = (log(self.forward / self.strike) + self.vol * self.vol * self.years / 2.0) / spread;
        (d1, d1 - spread)
    }
}

/// `N(x)`, the standard normal distribution.
fn normal_cdf(x: f64) -> f64 {
    erfc(-x / SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATM: Black76 = Black76 { call: true, forward: 100.0, strike: 100.0, vol: 0.2, years: 1.0, rate: 0.0 };

    #[test]
    fn at_the_money_is_the_table_value() {
        // N(0.1) = 0.539827837277029, so V = 100 x (2 N(0.1) - 1).
        assert!((ATM.value() - 7.965_567_455_405_8).abs() < 1e-11);
        assert!((ATM.delta() - 0.539_827_837_277_029).abs() < 1e-15);
        let put = Black76 { call: false, ..ATM };
        assert!((put.value() - ATM.value()).abs() < 1e-12);
        assert!((put.delta() + 1.0 - 0.539_827_837_277_029).abs() < 1e-15);
    }

    #[test]
    fn put_call_parity_with_a_rate() {
        for (strike, vol, years, rate) in [(80.0, 0.5, 0.3, 0.05), (250.0, 1.5, 2.0, -0.01), (100.0, 0.01, 1e-3, 0.2)] {
            let call = Black76 { strike, vol, years, rate, ..ATM };
            let put = Black76 { call: false, ..call };
            let parity = exp(-rate * years) * (100.0 - strike);
            assert!((call.value() - put.value() - parity).abs() < 1e-12, "strike {strike}");
        }
    }

    #[test]
    fn greeks_are_slopes() {
        let option = Black76 { strike: 130.0, vol: 0.6, years: 0.4, rate: 0.03, ..ATM };
        let step = 1e-4;
        let at = |forward: f64| Black76 { forward, ..option };
        let (up, down) = (at(100.0 + step), at(100.0 - step));
        assert!(((up.value() - down.value()) / (2.0 * step) - option.delta()).abs() < 1e-8);
        assert!(((up.delta() - down.delta()) / (2.0 * step) - option.gamma()).abs() < 1e-8);
        let at = |vol: f64| Black76 { vol, ..option }.value();
        assert!(((at(0.6 + step) - at(0.6 - step)) / (2.0 * step) - option.vega()).abs() < 1e-6);
    }

    #[test]
    fn expiry_is_intrinsic() {
        let expired = Black76 { years: 0.0, forward: 120.0, ..ATM };
        assert_eq!([expired.value(), Black76 { call: false, ..expired }.value()], [20.0, 0.0]);
    }
}
