//! The requirement of a whole account: units and borrowing summed, ratio and status.

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Nothing to maintain: no margin ratio.
    NoRisk,
    /// Ratio at or below the liquidation threshold.
    Liquidation,
    /// At or below the `near` threshold.
    NearLiquidation,
    /// At or below the `warning` threshold.
    Warning,
    /// Above all thresholds.
    Healthy,
}

impl Status {
    /// All, worst first, `no_risk` last.
    pub const ALL: [Self; 5] = [Self::Liquidation, Self::NearLiquidation, Self::Warning, Self::Healthy, Self::NoRisk];

    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoRisk => "no_risk",
            Self::Liquidation => "liquidation",
            Self::NearLiquidation => "near_liquidation",
            Self::Warning => "warning",
            Self::Healthy => "healthy",
        }
    }
}

/// The margin of one account. All money in USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccountMargin {
    /// Adjusted (discounted) equity.
    pub adj_eq: f64,
    /// Equity without discounts.
    pub total_eq: f64,
    /// Unrealised P&L of swaps and futures.
    pub upl: f64,
    /// Maintenance margin requirement, `deriv_mmr + borrow_mmr`.
    pub mmr: f64,
    /// Initial margin requirement.
    pub imr: f64,
    /// Sum of the units' MMR.
    pub deriv_mmr: f64,
    /// Borrowing MMR (MR8).
    pub borrow_mmr: f64,
    /// Borrowing IMR (MR8).
    pub borrow_imr: f64,
    /// Liquidation fee.
    pub liquidation_fee: f64,
    /// `adj_eq / (mmr + liquidation_fee)`; `None` where that is below 1e-6 USD.
    pub margin_ratio: Option<f64>,
    /// Where the account stands.
    pub status: Status,
    /// Adjusted equity is below IMR.
    pub im_deficit: bool,
    /// Total equity is below the eligibility threshold.
    pub ineligible: bool,
    /// MMR with spot hedging off.
    pub mmr_no_hedge: f64,
    /// IMR with spot hedging off.
    pub imr_no_hedge: f64,
}
