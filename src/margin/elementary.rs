//! Exponential and logarithm without a branch and without a call: a loop over scenarios that uses them compiles to
//! vector instructions.
//!
//! Coefficients were computed with 120 digits by `scripts/black76_fit.py`.

#![allow(clippy::inline_always, reason = "a loop with a call in it does not vectorise")]

use std::f64::consts::LOG2_E;

/// Exponent bits of 1.
const BIAS: u64 = 1023;
/// Bits behind the point.
const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;
/// Adding `1.5 x 2^52` leaves no room for a fraction: the sum is rounded, its low bits are the whole number.
const ROUNDING: f64 = 6_755_399_441_055_744.0;
/// `2^52`: a whole number below it is in the low bits of the sum.
const WHOLE: f64 = 4_503_599_627_370_496.0;
/// The first 32 bits of `ln 2`, so that their product with an exponent is exact, and the rest.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// Coefficients of the exponential within half a power of two, lowest power first; the rest is below 4e-18.
const EXP: [f64; 12] = [
    1.0,
    1.0,
    0.500_000_000_000_001_9,
    0.166_666_666_666_667_02,
    0.041_666_666_666_486_65,
    0.008_333_333_333_309_335,
    0.001_388_888_895_269_981_2,
    0.000_198_412_699_096_288,
    2.480_148_507_097_432_2e-5,
    2.755_722_457_818_157_8e-6,
    2.763_279_158_266_233_6e-7,
    2.511_499_595_130_199_7e-8,
];

/// Coefficients of `(atanh(f) / f - 1) / f^2` in `f^2`, lowest power first, for `|f| < 0.2001`; the rest is below 1e-17
/// of `atanh(f)`.
const ATANH: [f64; 8] = [
    0.333_333_333_333_333_3,
    0.200_000_000_000_039_98,
    0.142_857_142_836_265_85,
    0.111_111_115_258_811_47,
    0.090_908_686_915_040_37,
    0.076_944_383_562_954_58,
    0.066_047_732_867_560_83,
    0.068_050_914_637_055_01,
];

/// Sum of `coefficients[k] x^k`, their number a multiple of four: four sums in powers of `x^4` side by side, since one
/// long chain would wait for every product and every sum.
#[inline(always)]
pub(super) fn polynomial<const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    let square = x * x;
    let fourth = square * square;
    let mut sums = [coefficients[N - 4], coefficients[N - 3], coefficients[N - 2], coefficients[N - 1]];
    for block in 1..N / 4 {
        let lowest = N - 4 * block - 4;
        for place in 0..4 {
            sums[place] = sums[place] * fourth + coefficients[lowest + place];
        }
    }
    (sums[0] + sums[1] * x) + (sums[2] + sums[3] * x) * square
}

/// `exp(x)`, relative error below 3e-16 where the result is a normal number; NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let x = if x < -750.0 { -750.0 } else { x };
    let x = if x > 710.0 { 710.0 } else { x };
    let shifted = x * LOG2_E + ROUNDING;
    let power = shifted - ROUNDING;
    let rest = (x - power * LN_2_HIGH) - power * LN_2_LOW;
    // The power of two in two halves, since the whole may be too small for a normal number.
    let biased = shifted.to_bits().wrapping_sub(ROUNDING.to_bits()).wrapping_add(2 * BIAS);
    let half = biased >> 1;
    let (first, second) = (half << MANTISSA, biased.wrapping_sub(half) << MANTISSA);
    polynomial(&EXP, rest) * f64::from_bits(first) * f64::from_bits(second)
}

/// `ln(high / low)` for `high >= low > 0`, normal numbers: relative error below 4e-16, near one another too.
///
/// `low` is first brought near `high` by a power of two, which is exact. The difference of the two is then exact as
/// well, while their quotient would be rounded.
#[inline(always)]
pub(super) fn ln_ratio(high: f64, low: f64) -> f64 {
    // Exponent and mantissa read as one number are nearly a logarithm.
    let power = high.to_bits().wrapping_sub(low.to_bits()).wrapping_add(1 << (MANTISSA - 1)) >> MANTISSA;
    let near = low * f64::from_bits(power.wrapping_add(BIAS) << MANTISSA);
    let power = f64::from_bits(power | WHOLE.to_bits()) - WHOLE;
    let fraction = (high - near) / (high + near);
    let (square, twice) = (fraction * fraction, 2.0 * fraction);
    power * LN_2_HIGH + (twice + (twice * square * polynomial(&ATANH, square) + power * LN_2_LOW))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_agrees_with_the_library() {
        for step in -70_000..=70_000 {
            let x = f64::from(step) * 0.010_11;
            let (found, expected) = (exp(x), x.exp());
            assert!((found - expected).abs() <= 5e-16 * expected, "{x}: {found} against {expected}");
        }
        for (x, expected) in [
            (0.0, 1.0),
            (-0.0, 1.0),
            (-746.0, 0.0),
            (f64::NEG_INFINITY, 0.0),
            (710.0, f64::INFINITY),
            (f64::INFINITY, f64::INFINITY),
            (-745.0, 5e-324),
        ] {
            assert_eq!(exp(x), expected, "{x}");
        }
        assert!(exp(f64::NAN).is_nan());
    }

    #[test]
    fn logarithm_agrees_with_the_library() {
        for low in [1.0, 0.3, 1.999_999_9, 43_210.987, 1e-18] {
            for step in 0..50_000 {
                let rise = f64::from(step) * f64::from(step) * 1e-7;
                let high = low * (1.0 + rise);
                // The quotient of two close numbers is rounded, their difference is not.
                let expected = if high < 2.0 * low { ((high - low) / low).ln_1p() } else { (high / low).ln() };
                let found = ln_ratio(high, low);
                assert!((found - expected).abs() <= 6e-16 * expected, "{low} {high}: {found} against {expected}");
            }
        }
        assert_eq!(ln_ratio(5.0, 5.0), 0.0);
        assert!((ln_ratio(1e18, 1e-18) - 36.0 * std::f64::consts::LN_10).abs() < 1e-13);
    }
}
