//! The higher and the lower of two numbers, with one answer on every machine.
//!
//! `f64::max(0.0, -0.0)` may be either zero, as the processor likes it. A zero's sign can reach an output, so the model
//! compares itself: each function below says which operand it returns where both are equal.

#![allow(clippy::inline_always, reason = "a loop with a call in it does not vectorise")]

use super::real::Real;

/// The higher of two; `b` if they are equal, as the two zeros are, or if `a` is not a number.
///
/// ```
/// use remargin::margin::extremes::higher;
/// assert_eq!(higher(2.0, 1.0), 2.0);
/// assert!(higher(0.0, -0.0).is_sign_negative());
/// ```
#[must_use]
#[inline(always)]
pub fn higher<R: Real>(a: R, b: R) -> R {
    b.if_below(a, a, b)
}

/// The lower of two; `a` if they are equal, as the two zeros are, or if `b` is not a number.
///
/// ```
/// use remargin::margin::extremes::lower;
/// assert_eq!(lower(2.0, 1.0), 1.0);
/// assert!(lower(0.0, -0.0).is_sign_positive());
/// ```
#[must_use]
#[inline(always)]
pub fn lower<R: Real>(a: R, b: R) -> R {
    b.if_below(a, b, a)
}

/// `max(0, x)`: what is above zero. Never a negative zero; zero if `x` is not a number.
///
/// ```
/// use remargin::margin::extremes::positive_part;
/// assert_eq!(positive_part(2.0), 2.0);
/// assert_eq!(positive_part(-2.0), 0.0);
/// assert!(positive_part(-0.0).is_sign_positive());
/// ```
#[must_use]
#[inline(always)]
pub fn positive_part<R: Real>(x: R) -> R {
    let zero = R::splat(0.0);
    zero.if_below(x, x, zero)
}

/// `max(0, -pnl)`: what is lost. Never a negative zero; zero if `pnl` is not a number.
///
/// ```
/// use remargin::margin::extremes::loss;
/// assert_eq!(loss(-2.0), 2.0);
/// assert_eq!(loss(2.0), 0.0);
/// assert!(loss(0.0).is_sign_positive());
/// ```
#[must_use]
#[inline(always)]
pub fn loss<R: Real>(pnl: R) -> R {
    let zero = R::splat(0.0);
    pnl.if_below(zero, -pnl, zero)
}
