//! The figures of an account that are numbers, in one market or in several.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::real::Real;

/// Below this, in USD, there is nothing to maintain and no ratio.
pub(super) const LEAST_REQUIREMENT_USD: f64 = 1e-6;

/// The figures of an account that are numbers. All money in USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccountFigures<R = f64> {
    /// As in [`AccountMargin`](super::AccountMargin).
    pub adj_eq: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub total_eq: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub upl: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub mmr: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub imr: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub deriv_mmr: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub borrow_mmr: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub borrow_imr: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub liquidation_fee: R,
    /// `adj_eq / (mmr + liquidation_fee)`; infinity where that is below 1e-6 USD: there is no ratio.
    pub margin_ratio: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub mmr_no_hedge: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub imr_no_hedge: R,
    /// As in [`AccountMargin`](super::AccountMargin).
    pub order_imr: R,
}

impl<R: Real> AccountFigures<R> {
    /// The figures in one market.
    #[must_use]
    #[inline(always)]
    pub fn lane(&self, lane: usize) -> AccountFigures {
        AccountFigures {
            adj_eq: self.adj_eq.lane(lane),
            total_eq: self.total_eq.lane(lane),
            upl: self.upl.lane(lane),
            mmr: self.mmr.lane(lane),
            imr: self.imr.lane(lane),
            deriv_mmr: self.deriv_mmr.lane(lane),
            borrow_mmr: self.borrow_mmr.lane(lane),
            borrow_imr: self.borrow_imr.lane(lane),
            liquidation_fee: self.liquidation_fee.lane(lane),
            margin_ratio: self.margin_ratio.lane(lane),
            mmr_no_hedge: self.mmr_no_hedge.lane(lane),
            imr_no_hedge: self.imr_no_hedge.lane(lane),
            order_imr: self.order_imr.lane(lane),
        }
    }

    /// The sum of all figures.
    #[inline(always)]
    pub(super) fn sum(&self) -> R {
        let required =
            self.mmr + self.imr + self.liquidation_fee + self.mmr_no_hedge + self.imr_no_hedge + self.order_imr;
        let least = R::splat(LEAST_REQUIREMENT_USD);
        let ratio = (self.mmr + self.liquidation_fee).if_at_least(least, self.margin_ratio, R::splat(0.0));
        self.adj_eq + self.total_eq + self.upl + required + ratio
    }
}
