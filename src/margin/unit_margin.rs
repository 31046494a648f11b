//! The margin of one risk unit, as [`stress`](super::stress) finds it.

#![allow(clippy::inline_always, reason = "a loop with a call in it does not vectorise")]

use super::real::Real;
use super::rules::Rules;

/// The volatility state of an MR1 scenario, in the order in which ties are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VolState {
    /// Volatility shifted up.
    Up,
    /// Unchanged.
    Same,
    /// Shifted down.
    Down,
}

impl VolState {
    /// All states in tie order.
    pub const ALL: [Self; 3] = [Self::Up, Self::Same, Self::Down];

    /// The name in tables: `up`, `same`, `down`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Same => "same",
            Self::Down => "down",
        }
    }
}

/// The margin of one risk unit. All money in USD; components are not negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitMargin<R: Real = f64> {
    /// Index of the risk unit in its priced table.
    pub unit: u32,
    /// MR1, spot and volatility shock.
    pub mr1: R,
    /// The price move that gave MR1.
    pub mr1_price: R,
    /// The volatility state that gave MR1.
    pub mr1_vol: R::Each<VolState>,
    /// MR2, theta decay of options.
    pub mr2: R,
    /// MR3, volatility term structure.
    pub mr3: R,
    /// MR4, basis.
    pub mr4: R,
    /// MR5, interest rate.
    pub mr5: R,
    /// MR6, extreme move.
    pub mr6: R,
    /// The move that gave MR6.
    pub mr6_price: R,
    /// MR7, minimum charge.
    pub mr7: R,
    /// MR9, stablecoin hedge risk (merged units only).
    pub mr9: R,
    /// Maintenance margin, `max(max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9, MR7)`.
    pub mmr: R,
    /// Initial margin, `imr_multiplier x mmr`, and what pending orders add to it.
    pub imr: R,
    /// Sum of cash deltas.
    pub cash_delta: R,
    /// Change of the options' coin delta for +1 % of the index, in USD.
    pub gamma: R,
    /// Change of value for +1 volatility point.
    pub vega: R,
    /// Signed P&L of MR2's day.
    pub theta: R,
    /// Spot in use, in coins, signed.
    pub spot_in_use: R,
    /// Unrealised P&L of swaps and futures.
    pub upl: R,
    /// Maintenance margin with spot hedging off.
    pub mmr_no_hedge: R,
    /// What pending orders add to IMR.
    pub order_imr: R,
}

impl UnitMargin {
    /// Raises IMR to what the unit would need with its orders filled, whose MMR is `filled_mmr`.
    pub fn freeze(&mut self, rules: &Rules, filled_mmr: f64) {
        let imr = rules.imr_multiplier * filled_mmr;
        if imr > self.imr {
            self.order_imr = imr - self.imr;
            self.imr = imr;
        }
    }
}

impl<R: Real> UnitMargin<R> {
    /// The margin in one market.
    #[must_use]
    pub fn lane(&self, lane: usize) -> UnitMargin {
        UnitMargin {
            unit: self.unit,
            mr1: self.mr1.lane(lane),
            mr1_price: self.mr1_price.lane(lane),
            mr1_vol: R::one(&self.mr1_vol, lane),
            mr2: self.mr2.lane(lane),
            mr3: self.mr3.lane(lane),
            mr4: self.mr4.lane(lane),
            mr5: self.mr5.lane(lane),
            mr6: self.mr6.lane(lane),
            mr6_price: self.mr6_price.lane(lane),
            mr7: self.mr7.lane(lane),
            mr9: self.mr9.lane(lane),
            mmr: self.mmr.lane(lane),
            imr: self.imr.lane(lane),
            cash_delta: self.cash_delta.lane(lane),
            gamma: self.gamma.lane(lane),
            vega: self.vega.lane(lane),
            theta: self.theta.lane(lane),
            spot_in_use: self.spot_in_use.lane(lane),
            upl: self.upl.lane(lane),
            mmr_no_hedge: self.mmr_no_hedge.lane(lane),
            order_imr: self.order_imr.lane(lane),
        }
    }

    /// The margins of one unit in several markets, one a lane.
    #[must_use]
    pub fn beside(margins: &[UnitMargin]) -> Self {
        Self {
            unit: margins[0].unit,
            mr1: R::by_lane(|lane| margins[lane].mr1),
            mr1_price: R::by_lane(|lane| margins[lane].mr1_price),
            mr1_vol: R::each(|lane| margins[lane].mr1_vol),
            mr2: R::by_lane(|lane| margins[lane].mr2),
            mr3: R::by_lane(|lane| margins[lane].mr3),
            mr4: R::by_lane(|lane| margins[lane].mr4),
            mr5: R::by_lane(|lane| margins[lane].mr5),
            mr6: R::by_lane(|lane| margins[lane].mr6),
            mr6_price: R::by_lane(|lane| margins[lane].mr6_price),
            mr7: R::by_lane(|lane| margins[lane].mr7),
            mr9: R::by_lane(|lane| margins[lane].mr9),
            mmr: R::by_lane(|lane| margins[lane].mmr),
            imr: R::by_lane(|lane| margins[lane].imr),
            cash_delta: R::by_lane(|lane| margins[lane].cash_delta),
            gamma: R::by_lane(|lane| margins[lane].gamma),
            vega: R::by_lane(|lane| margins[lane].vega),
            theta: R::by_lane(|lane| margins[lane].theta),
            spot_in_use: R::by_lane(|lane| margins[lane].spot_in_use),
            upl: R::by_lane(|lane| margins[lane].upl),
            mmr_no_hedge: R::by_lane(|lane| margins[lane].mmr_no_hedge),
            order_imr: R::by_lane(|lane| margins[lane].order_imr),
        }
    }

    /// The sum of all figures.
    #[inline(always)]
    pub(super) fn sum(&self) -> R {
        let components = self.mr1 + self.mr2 + self.mr3 + self.mr4 + self.mr5 + self.mr6 + self.mr7 + self.mr9;
        let greeks = self.cash_delta + self.gamma + self.vega + self.theta;
        components + self.mmr + self.imr + greeks + self.spot_in_use + self.upl + self.mmr_no_hedge + self.order_imr
    }
}
