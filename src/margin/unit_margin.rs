//! The margin of one risk unit, as [`stress`](super::stress) finds it.

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
pub struct UnitMargin {
    /// Index of the risk unit in its priced table.
    pub unit: u32,
    /// MR1, spot and volatility shock.
    pub mr1: f64,
    /// The price move that gave MR1.
    pub mr1_price: f64,
    /// The volatility state that gave MR1.
    pub mr1_vol: VolState,
    /// MR2, theta decay of options.
    pub mr2: f64,
    /// MR3, volatility term structure.
    pub mr3: f64,
    /// MR4, basis.
    pub mr4: f64,
    /// MR5, interest rate.
    pub mr5: f64,
    /// MR6, extreme move.
    pub mr6: f64,
    /// The move that gave MR6.
    pub mr6_price: f64,
    /// MR7, minimum charge.
    pub mr7: f64,
    /// MR9, stablecoin hedge risk (merged units only).
    pub mr9: f64,
    /// Maintenance margin, `max(max(MR1, MR2, MR6) + MR3 + MR4 + MR5 + MR9, MR7)`.
    pub mmr: f64,
    /// Initial margin, `imr_multiplier x mmr`, and what pending orders add to it.
    pub imr: f64,
    /// Sum of cash deltas.
    pub cash_delta: f64,
    /// Change of the options' coin delta for +1 % of the index, in USD.
    pub gamma: f64,
    /// Change of value for +1 volatility point.
    pub vega: f64,
    /// Signed P&L of MR2's day.
    pub theta: f64,
    /// Spot in use, in coins, signed.
    pub spot_in_use: f64,
    /// Unrealised P&L of swaps and futures.
    pub upl: f64,
    /// Maintenance margin with spot hedging off.
    pub mmr_no_hedge: f64,
    /// What pending orders add to IMR.
    pub order_imr: f64,
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

    /// The sum of all figures.
    pub(super) fn sum(&self) -> f64 {
        let components = self.mr1 + self.mr2 + self.mr3 + self.mr4 + self.mr5 + self.mr6 + self.mr7 + self.mr9;
        let greeks = self.cash_delta + self.gamma + self.vega + self.theta;
        components + self.mmr + self.imr + greeks + self.spot_in_use + self.upl + self.mmr_no_hedge + self.order_imr
    }
}
