//! The normal distribution in double precision, tails included, without a branch.
//!
//! Everything rests on the tail over the density, `M_0(z) = N(-z) / N'(z)` for `z >= 0`: it neither underflows nor
//! cancels, so tail probabilities keep their relative accuracy down to the smallest doubles. It is the first of the
//! moments `M_n(z) = integral over t > 0 of t^n exp(-z t - t^2 / 2)`, for which `n M_(n-1) = M_(n+1) + z M_n`, all
//! terms positive.
//!
//! Coefficients were computed with 120 digits by `scripts/black76_fit.py`.

#![allow(clippy::inline_always, reason = "a loop with a call in it does not vectorise")]

use super::elementary::{exp, polynomial};
use std::f64::consts::FRAC_1_SQRT_2;

/// `1 / sqrt(2 pi)`.
pub(super) const INV_SQRT_TAU: f64 = 0.398_942_280_401_432_7;
/// `sqrt(pi / 2)`.
const SQRT_HALF_PI: f64 = 1.253_314_137_315_500_3;

/// Coefficients, lowest power first, of `(1 + 2x) erfcx(x)` in `t = (x - 4) / (x + 4)`: the Chebyshev expansion on
/// `[-1, 1]` to degree 23, rewritten in powers of `t`. Truncation is below 3e-16, and
/// the coefficients' absolute values sum to 1.8, so that evaluating it loses nothing.
const ERFCX: [f64; 24] = [
    1.232_995_118_625_552_6,
    -0.139_621_116_840_562_3,
    0.015_379_652_102_610_473,
    0.068_097_054_254_669_08,
    -0.101_039_066_035_865_31,
    0.093_732_834_999_094_4,
    -0.066_330_365_820_311_54,
    0.037_167_515_526_555_67,
    -0.016_197_733_981_455_194,
    0.005_031_970_067_657_489,
    -0.000_757_773_707_063_825,
    -0.000_199_257_146_610_911_88,
    0.000_150_623_097_200_186_28,
    -2.439_774_642_243_641_6e-5,
    -1.122_510_187_565_917_8e-5,
    5.706_604_414_895_734e-6,
    2.980_135_380_303_133_3e-7,
    -8.210_939_042_560_568e-7,
    7.115_337_800_585_303e-8,
    1.063_385_561_859_488_4e-7,
    -1.637_177_976_356_696_7e-8,
    -1.234_686_604_382_353e-8,
    1.573_828_377_419_203_7e-9,
    9.311_744_978_232_572e-10,
];

/// The highest moment in the series of [`near_drop`], and the power of its step there.
const LAST: usize = 15;
/// `4 (LAST + 1) + 2`: with it, `M_(LAST+1) / M_LAST` is nearly `w - z`, `w = sqrt(z^2 + SPREAD)`.
const SPREAD: f64 = 66.0;
/// Coefficients of what is missing, `M_(LAST+1) / M_LAST / (w - z)`, in `2 z / w - 1`, lowest power first. Truncation
/// is below 3e-15, and less is left of it in the end: at the money the recurrence does not look at the ratio at all,
/// far from it the ratio is soon forgotten.
const CLOSING: [f64; 16] = [
    0.483_004_519_332_105_86,
    7.430_702_354_893_052e-5,
    0.001_757_295_285_215_513_4,
    -2.547_824_452_345_692_5e-5,
    3.047_132_519_077_371_6e-5,
    6.207_454_856_960_733e-6,
    5.973_140_458_657_796e-7,
    4.545_236_033_131_071e-7,
    7.195_460_311_841_408e-8,
    2.637_859_516_683_98e-8,
    8.934_087_307_238_488e-9,
    2.350_877_552_709_737_5e-9,
    7.635_795_056_140_8e-10,
    2.146_366_859_897_647_9e-10,
    1.718_761_810_235_225_5e-10,
    6.618_461_343_917_881e-11,
];
/// Steps below it belong to [`near_drop`].
pub(super) const NEAR: f64 = 0.7;

/// `(n - 1)!! / n!!`, which takes the recurrence from `m_n` to `m_(n-1)`; see [`near_drop`].
const DESCENT: [f64; LAST + 1] = {
    let mut descent = [1.0; LAST + 1];
    let mut n = 1;
    while n <= LAST {
        descent[n] = 1.0 / (n as f64 * descent[n - 1]);
        n += 1;
    }
    descent
};
/// `1 / n!!` of the odd `n`; the even ones are not used.
const ODD: [f64; LAST + 1] = {
    let mut odd = [1.0; LAST + 1];
    let mut n = 3;
    while n <= LAST {
        odd[n] = odd[n - 2] / n as f64;
        n += 2;
    }
    odd
};

/// `M_0(z) = N(-z) / N'(z)` for `z >= 0`, relative error below 8e-16.
#[inline(always)]
pub(super) fn tail(z: f64) -> f64 {
    // Beyond, only the product with a density of zero is asked for.
    let x = if z > 1e100 { 1e100 } else { z } * FRAC_1_SQRT_2;
    let (scale, shift) = (1.0 + 2.0 * x, x + 4.0);
    let inverse = SQRT_HALF_PI / (scale * shift);
    let t = (x - 4.0) / shift;
    polynomial(&ERFCX, t) * shift * inverse
}

/// `(M_0(z - s/2) - M_0(z + s/2)) / s` for `z >= 0`, `0 <= s < NEAR`: the Taylor series in `s`, which has the odd
/// moments and only positive terms, so that nothing cancels.
///
/// In units of `(n - 1)!!` the recurrence is `m_(n-1) = m_(n+1) + z (n - 1)!! / n!! m_n` and the series the sum of
/// `(s/2)^(n-1) m_n / n!!` over odd `n`. It runs downwards, from a ratio of the two highest moments and in any scale,
/// since `m_1 + z m_0 = 1` tells the scale in the end.
#[inline(always)]
pub(super) fn near_drop(z: f64, step: f64) -> f64 {
    let spread = (z * z + SPREAD).sqrt();
    let ratio = polynomial(&CLOSING, 2.0 * (z / spread) - 1.0) * (spread - z);
    let (mut above, mut moment) = (ratio * DESCENT[LAST], 1.0);
    let square = 0.25 * step * step;
    let mut sum = ODD[LAST];
    for down in 0..LAST {
        let n = LAST - down;
        (above, moment) = (moment, above + z * DESCENT[n] * moment);
        if n.is_multiple_of(2) {
            sum = sum * square + moment * ODD[n - 1];
        }
    }
    sum / (above + z * moment)
}

/// Density of the standard normal distribution.
#[must_use]
pub fn pdf(x: f64) -> f64 {
    INV_SQRT_TAU * exp(-0.5 * x * x)
}

/// Cumulative distribution `N(x)` of the standard normal distribution, with relative accuracy in the lower tail.
#[must_use]
pub fn cdf(x: f64) -> f64 {
    let below = pdf(x) * tail(x.abs());
    if x > 0.0 { 1.0 - below } else { below }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_libm() {
        for step in -3_700..=3_700 {
            let x = f64::from(step) * 0.01;
            let expected = 0.5 * libm::erfc(-x * FRAC_1_SQRT_2);
            let error = (cdf(x) - expected).abs() / expected;
            // The exponent of the tail carries the rounding of x^2 / 2, in libm as here.
            assert!(error < 1e-15 * (4.0 + x * x), "x {x}: {} against {expected}", cdf(x));
        }
        assert_eq!(cdf(f64::NEG_INFINITY), 0.0);
        assert_eq!(cdf(f64::INFINITY), 1.0);
    }

    #[test]
    fn a_near_drop_is_a_difference_of_tails() {
        for step in [0.2, 0.5, NEAR] {
            for place in 0..400 {
                let z = 0.5 * step + 0.1 * f64::from(place);
                let (found, expected) = (near_drop(z, step) * step, tail(z - 0.5 * step) - tail(z + 0.5 * step));
                // The difference cancels the more, the less the step is of z.
                let error = (found - expected).abs() / expected;
                assert!(error < 1e-15 * (4.0 + 4.0 * z / step), "{z} {step}: {found} against {expected}");
            }
        }
    }
}
