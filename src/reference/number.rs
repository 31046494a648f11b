//! A number of the ledger: an exact decimal as long as 28 digits suffice.

use rust_decimal::Decimal;
use std::cmp::Ordering;
use std::iter::Sum;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Decimal places of a [`Decimal`].
const PLACES: u32 = 28;
/// A rounded product or quotient stays a decimal only if it is larger than this: 28 places are then 20 significant
/// digits.
const LEAST_ROUNDED: Decimal = Decimal::from_parts(1, 0, 0, false, 8);

/// An amount, a price or a rate.
///
/// An `f64` becomes the decimal of its shortest text (0.1 is 0.1). Arithmetic is that of [`Decimal`], checked. If a
/// result would overflow 28 digits, or would be rounded to fewer than 20 significant digits, it is computed in `f64`
/// and stays a [`Num::Float`]: no result wraps, and no small amount becomes zero.
#[derive(Debug, Clone, Copy)]
pub(super) enum Num {
    Exact(Decimal),
    Float(f64),
}

impl Num {
    pub(super) const ZERO: Self = Self::Exact(Decimal::ZERO);
    pub(super) const ONE: Self = Self::Exact(Decimal::ONE);

    /// The nearest `f64`.
    pub(super) fn to_f64(self) -> f64 {
        match self {
            // Via text: the shortest correct way. `Decimal::to_f64` rounds more than once.
            Self::Exact(value) => value.to_string().parse().unwrap_or(f64::NAN),
            Self::Float(value) => value,
        }
    }

    pub(super) fn abs(self) -> Self {
        match self {
            Self::Exact(value) => Self::Exact(value.abs()),
            Self::Float(value) => Self::Float(value.abs()),
        }
    }

    /// -1, 0 or 1.
    pub(super) fn sign(self) -> i8 {
        match self.partial_cmp(&Self::ZERO) {
            Some(Ordering::Less) => -1,
            Some(Ordering::Greater) => 1,
            _ => 0,
        }
    }

    pub(super) fn min(self, other: Self) -> Self {
        if other < self { other } else { self }
    }

    pub(super) fn max(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    fn in_float(self, other: Self, operation: fn(f64, f64) -> f64) -> Self {
        Self::Float(operation(self.to_f64(), other.to_f64()))
    }
}

impl From<f64> for Num {
    fn from(value: f64) -> Self {
        Decimal::from_str_exact(&value.to_string()).map_or(Self::Float(value), Self::Exact)
    }
}

impl PartialEq for Num {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => Some(a.cmp(b)),
            _ => self.to_f64().partial_cmp(&other.to_f64()),
        }
    }
}

impl Add for Num {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Self::Exact(sum);
        }
        self.in_float(other, |a, b| a + b)
    }
}

impl Sub for Num {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Neg for Num {
    type Output = Self;
    fn neg(self) -> Self {
        match self {
            Self::Exact(value) => Self::Exact(-value),
            Self::Float(value) => Self::Float(-value),
        }
    }
}

impl Mul for Num {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other) {
            if a.is_zero() || b.is_zero() {
                return Self::ZERO;
            }
            if let Some(product) = a.checked_mul(b)
                && (a.scale() + b.scale() <= PLACES || product.abs() >= LEAST_ROUNDED)
            {
                return Self::Exact(product);
            }
        }
        self.in_float(other, |a, b| a * b)
    }
}

impl Div for Num {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other)
            && let Some(quotient) = a.checked_div(b)
            && (a.is_zero() || quotient.abs() >= LEAST_ROUNDED)
        {
            return Self::Exact(quotient);
        }
        self.in_float(other, |a, b| a / b)
    }
}

impl Sum for Num {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::ZERO, |sum, term| sum + term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(number: Num) -> bool {
        matches!(number, Num::Exact(_))
    }

    #[test]
    fn shortest_text_is_the_value() {
        let sum = Num::from(0.1) + Num::from(0.2);
        assert!(exact(sum));
        assert_eq!(sum, Num::from(0.3));
        assert_eq!(sum.to_f64(), 0.3);
        for value in [1e-18, 1e18, -123.456, 0.1 + 0.2, f64::MIN_POSITIVE, 1e300, -1e-40] {
            assert_eq!(Num::from(value).to_f64(), value, "value {value:e}");
        }
    }

    #[test]
    fn what_28_digits_cannot_hold_becomes_a_float_openly() {
        for (number, expected) in [
            (Num::from(1e-18) * Num::from(1.5e-18), 1.5e-36),
            (Num::from(1e18) * Num::from(1e18), 1e36),
            (Num::from(3.0) / Num::from(1e18), 3e-18),
            (Num::from(7e28) + Num::from(7e28), 1.4e29),
            (Num::from(1.234_567_890_123e-18) * Num::from(0.123_456_789), 1.234_567_890_123e-18 * 0.123_456_789),
        ] {
            assert!(!exact(number), "{number:?}");
            assert!((number.to_f64() / expected - 1.0).abs() < 1e-15, "{number:?}");
        }
        assert!((Num::ONE / Num::ZERO).to_f64().is_infinite());
    }

    #[test]
    fn order_and_sign_across_both_forms() {
        assert!(Num::from(1e-30) > Num::ZERO && Num::from(1e300) > Num::from(1e18));
        assert_eq!([Num::from(-0.0).sign(), Num::from(-1e-300).sign(), Num::from(2.0).sign()], [0, -1, 1]);
        assert_eq!(Num::from(-2.0).abs().min(Num::ONE), Num::ONE);
    }
}
