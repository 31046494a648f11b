//! Sums that neither drift nor depend on threads.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use crate::margin::real::{Aligned, Count, Lanes, Real};

/// A running sum with the error of every addition kept beside it (compensated summation).
///
/// The result depends on the order of additions, so merge partial sums in a fixed order.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sum<R = f64> {
    sum: R,
    lost: R,
}

impl<R: Real> Sum<R> {
    #[inline(always)]
    pub(crate) fn add(&mut self, value: R) {
        let sum = self.sum + value;
        // Knuth's: exact whichever of the two is larger, without asking which.
        let added = sum - self.sum;
        self.lost += (self.sum - (sum - added)) + (value - added);
        self.sum = sum;
    }

    /// The sum in one market.
    pub(crate) fn lane(&self, lane: usize) -> Sum {
        Sum { sum: self.sum.lane(lane), lost: self.lost.lane(lane) }
    }

    /// Adds what follows.
    #[inline(always)]
    pub(crate) fn merge(&mut self, later: &Self) {
        self.add(later.sum);
        self.lost += later.lost;
    }
}

impl Sum {
    pub(crate) fn value(self) -> f64 {
        self.sum + self.lost
    }
}

impl<const L: usize> Sum<Lanes<L>>
where
    Count<L>: Aligned,
{
    /// Something of each cache line of the sums: reading it brings them into the cache.
    #[inline(always)]
    pub(crate) fn touched(&self) -> u64 {
        self.sum.lane(0).to_bits() ^ self.lost.lane(0).to_bits()
    }

    /// Sums side by side.
    pub(crate) fn side_by_side(of: impl Fn(usize) -> Sum) -> Self {
        Self { sum: Lanes::by_lane(|lane| of(lane).sum), lost: Lanes::by_lane(|lane| of(lane).lost) }
    }

    /// What sums side by side come to.
    pub(crate) fn values(self) -> [f64; L] {
        std::array::from_fn(|lane| self.lane(lane).value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(values: &[f64]) -> f64 {
        let mut sum: Sum = Sum::default();
        for &value in values {
            sum.add(value);
        }
        sum.value()
    }

    #[test]
    fn small_parts_survive_large_ones() {
        assert_eq!(total(&[1e16, 1.0, 1.0, -1e16]), 2.0);
        assert_eq!(total(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(total(&[0.1; 10]), 1.0);
        assert_eq!(total(&[]), 0.0);
    }

    #[test]
    fn merging_keeps_what_was_lost() {
        let (mut a, mut b): (Sum, Sum) = (Sum::default(), Sum::default());
        a.add(1e16);
        a.add(1.0);
        b.add(1.0);
        b.add(-1e16);
        a.merge(&b);
        assert_eq!(a.value(), 2.0);
    }
}
