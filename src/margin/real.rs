//! The number that the formulas work on: one market, or several side by side.
//!
//! The kernel is written once, over [`Real`]. [`f64`] is one market: a run. [`Lanes`] are `L` of them: a position is
//! read once, and what it adds is computed in all markets at once. Every operation works lane by lane and is the one of
//! IEEE 754, rounded once: a lane has the bits that its market would have alone, on every instruction set.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]
#![allow(clippy::needless_bitwise_bool, reason = "a lazy operator is a branch on one lane")]

use std::fmt::Debug;
use std::hint::black_box;
use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// A number in one market, or one in each of several.
pub trait Real:
    Copy
    + Debug
    + PartialEq
    + Default
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Neg<Output = Self>
    + Mul<Output = Self>
    + Mul<f64, Output = Self>
    + AddAssign
{
    /// Something else that there is one of in every market.
    type Each<T: Copy + Debug + PartialEq>: Copy + Debug + PartialEq;

    /// How many markets.
    const LANES: usize;

    /// The same number in every market.
    fn splat(x: f64) -> Self;

    /// The number in one market.
    fn lane(self, lane: usize) -> f64;

    /// `self / other`.
    #[must_use]
    fn over(self, other: Self) -> Self;

    /// The absolute value.
    #[must_use]
    fn abs(self) -> Self;

    /// The size of `self` with the sign of `sign`.
    #[must_use]
    fn copysign(self, sign: Self) -> Self;

    /// `then` where `self < other`, else `otherwise`.
    #[must_use]
    fn if_below(self, other: Self, then: Self, otherwise: Self) -> Self;

    /// `then` where `self >= other`, else `otherwise`.
    #[must_use]
    fn if_at_least(self, other: Self, then: Self, otherwise: Self) -> Self;

    /// `then` where `self` is zero, else `otherwise`.
    #[must_use]
    fn if_zero(self, then: Self, otherwise: Self) -> Self;

    /// True if `self < other` in some market.
    fn any_below(self, other: Self) -> bool;

    /// True if the number is finite in every market.
    fn is_finite(self) -> bool;

    /// One of something in every market, by its lane.
    fn each<T: Copy + Debug + PartialEq>(of: impl FnMut(usize) -> T) -> Self::Each<T>;

    /// What there is in one market.
    fn one<T: Copy + Debug + PartialEq>(each: &Self::Each<T>, lane: usize) -> T;

    /// The numbers of every market, by its lane.
    fn by_lane(of: impl FnMut(usize) -> f64) -> Self;

    /// The first place at which `cells` are `value`; zero if none is.
    fn first_equal(cells: &[Self], value: Self) -> Self::Each<usize>;

    /// Adds `n` times each cell of `row` to the one of `sums`.
    fn add_row<const N: usize>(sums: &mut [Self; N], n: f64, row: &[Self; N]);

    /// The same place of a list, for a loop over numbers. In several markets the compiler does not see that it is one
    /// of many: it would put the same lane of several numbers into one register, which takes a gather and a scatter
    /// for each lane, and many times as long as number after number.
    fn alone<T>(place: &mut T) -> &mut T;

    /// Calls `f`; in one market not inlined, where it would take registers from what is around it.
    fn apart<T>(f: impl FnOnce() -> T) -> T;
}

impl Real for f64 {
    type Each<T: Copy + Debug + PartialEq> = T;

    const LANES: usize = 1;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn lane(self, _: usize) -> f64 {
        self
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        self / other
    }

    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        f64::copysign(self, sign)
    }

    #[inline(always)]
    fn if_below(self, other: Self, then: Self, otherwise: Self) -> Self {
        if self < other { then } else { otherwise }
    }

    #[inline(always)]
    fn if_at_least(self, other: Self, then: Self, otherwise: Self) -> Self {
        if self >= other { then } else { otherwise }
    }

    #[inline(always)]
    fn if_zero(self, then: Self, otherwise: Self) -> Self {
        if self == 0.0 { then } else { otherwise }
    }

    #[inline(always)]
    fn any_below(self, other: Self) -> bool {
        self < other
    }

    #[inline(always)]
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }

    #[inline(always)]
    fn each<T: Copy + Debug + PartialEq>(mut of: impl FnMut(usize) -> T) -> T {
        of(0)
    }

    #[inline(always)]
    fn one<T: Copy + Debug + PartialEq>(each: &T, _: usize) -> T {
        *each
    }

    #[inline(always)]
    fn by_lane(mut of: impl FnMut(usize) -> f64) -> Self {
        of(0)
    }

    #[inline(always)]
    fn first_equal(cells: &[Self], value: Self) -> usize {
        cells.iter().position(|&cell| cell == value).unwrap_or(0)
    }

    /// Not inlined, or else all sums would be held in registers, of which there are too few.
    #[inline(never)]
    fn add_row<const N: usize>(sums: &mut [Self; N], n: f64, row: &[Self; N]) {
        for (sum, cell) in sums.iter_mut().zip(row) {
            *sum += n * cell;
        }
    }

    #[inline(always)]
    fn alone<T>(place: &mut T) -> &mut T {
        place
    }

    #[inline(never)]
    fn apart<T>(f: impl FnOnce() -> T) -> T {
        f()
    }
}

/// How many numbers stand side by side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Count<const L: usize>;

/// How so many numbers lie in memory.
pub trait Aligned {
    /// Has the alignment that they need.
    type Align: Copy + Debug + PartialEq + Send + Sync + 'static;
}

/// Four numbers are half a cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(32))]
pub struct HalfLine;

/// Eight numbers are a cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub struct Line;

impl Aligned for Count<4> {
    type Align = HalfLine;
}

impl Aligned for Count<8> {
    type Align = Line;
}

/// A number in each of `L` markets. It never lies across two cache lines: reading and writing it would take twice as
/// long, and longer where it is read right after it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Lanes<const L: usize>([f64; L], [<Count<L> as Aligned>::Align; 0])
where
    Count<L>: Aligned;

const _: () = assert!(size_of::<Lanes<4>>() == 32 && align_of::<Lanes<4>>() == 32);
const _: () = assert!(size_of::<Lanes<8>>() == 64 && align_of::<Lanes<8>>() == 64);

impl<const L: usize> Default for Lanes<L>
where
    Count<L>: Aligned,
{
    #[inline(always)]
    fn default() -> Self {
        Self([0.0; L], [])
    }
}

/// Defines what works lane by lane. Loops of a fixed length over arrays become vector instructions.
macro_rules! lane_by_lane {
    (|$($name:ident),+; $lane:ident| $cell:expr) => {{
        let mut cells = [0.0; L];
        for $lane in 0..L {
            cells[$lane] = $cell;
        }
        Lanes(cells, [])
    }};
}

impl<const L: usize> Add for Lanes<L>
where
    Count<L>: Aligned,
{
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        lane_by_lane!(|self, other; lane| self.0[lane] + other.0[lane])
    }
}

impl<const L: usize> Sub for Lanes<L>
where
    Count<L>: Aligned,
{
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        lane_by_lane!(|self, other; lane| self.0[lane] - other.0[lane])
    }
}

impl<const L: usize> Mul for Lanes<L>
where
    Count<L>: Aligned,
{
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        lane_by_lane!(|self, other; lane| self.0[lane] * other.0[lane])
    }
}

impl<const L: usize> Mul<f64> for Lanes<L>
where
    Count<L>: Aligned,
{
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: f64) -> Self {
        lane_by_lane!(|self, other; lane| self.0[lane] * other)
    }
}

impl<const L: usize> Neg for Lanes<L>
where
    Count<L>: Aligned,
{
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        lane_by_lane!(|self; lane| -self.0[lane])
    }
}

impl<const L: usize> AddAssign for Lanes<L>
where
    Count<L>: Aligned,
{
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<const L: usize> Real for Lanes<L>
where
    Count<L>: Aligned,
{
    type Each<T: Copy + Debug + PartialEq> = [T; L];

    const LANES: usize = L;

    #[inline(always)]
    fn splat(x: f64) -> Self {
        Self([x; L], [])
    }

    #[inline(always)]
    fn lane(self, lane: usize) -> f64 {
        self.0[lane]
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        lane_by_lane!(|self, other; lane| self.0[lane] / other.0[lane])
    }

    #[inline(always)]
    fn abs(self) -> Self {
        lane_by_lane!(|self; lane| self.0[lane].abs())
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        lane_by_lane!(|self, sign; lane| self.0[lane].copysign(sign.0[lane]))
    }

    #[inline(always)]
    fn if_below(self, other: Self, then: Self, otherwise: Self) -> Self {
        lane_by_lane!(|self, other; lane| if self.0[lane] < other.0[lane] { then.0[lane] } else { otherwise.0[lane] })
    }

    #[inline(always)]
    fn if_at_least(self, other: Self, then: Self, otherwise: Self) -> Self {
        lane_by_lane!(|self, other; lane| if self.0[lane] >= other.0[lane] { then.0[lane] } else { otherwise.0[lane] })
    }

    #[inline(always)]
    fn if_zero(self, then: Self, otherwise: Self) -> Self {
        lane_by_lane!(|self; lane| if self.0[lane] == 0.0 { then.0[lane] } else { otherwise.0[lane] })
    }

    #[inline(always)]
    fn any_below(self, other: Self) -> bool {
        (0..L).fold(false, |any, lane| any | (self.0[lane] < other.0[lane]))
    }

    #[inline(always)]
    fn is_finite(self) -> bool {
        (0..L).fold(true, |all, lane| all & self.0[lane].is_finite())
    }

    #[inline(always)]
    fn each<T: Copy + Debug + PartialEq>(of: impl FnMut(usize) -> T) -> [T; L] {
        std::array::from_fn(of)
    }

    #[inline(always)]
    fn one<T: Copy + Debug + PartialEq>(each: &[T; L], lane: usize) -> T {
        each[lane]
    }

    #[inline(always)]
    fn by_lane(of: impl FnMut(usize) -> f64) -> Self {
        Self(std::array::from_fn(of), [])
    }

    #[inline(always)]
    fn first_equal(cells: &[Self], value: Self) -> [usize; L] {
        let mut places = [0; L];
        for (place, cell) in cells.iter().enumerate().rev() {
            for lane in 0..L {
                places[lane] = if cell.0[lane] == value.0[lane] { place } else { places[lane] };
            }
        }
        places
    }

    #[inline(always)]
    fn add_row<const N: usize>(sums: &mut [Self; N], n: f64, row: &[Self; N]) {
        for (sum, cell) in sums.iter_mut().zip(row) {
            *Self::alone(sum) += *cell * n;
        }
    }

    #[inline(always)]
    fn alone<T>(place: &mut T) -> &mut T {
        black_box(place)
    }

    #[inline(always)]
    fn apart<T>(f: impl FnOnce() -> T) -> T {
        f()
    }
}
