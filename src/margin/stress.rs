//! Stress components of one risk unit: MR1 to MR7 and MR9.

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
    pub fn name(self) -> &'static str {
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
    /// Initial margin, `imr_multiplier x mmr`.
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
}
