//! Where an account stands.

use super::rules::Rules;

/// Where an account stands. In order, the worst first; [`Status::ALL`] has the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Ratio at or below the liquidation threshold.
    Liquidation,
    /// At or below the `near` threshold.
    NearLiquidation,
    /// At or below the `warning` threshold.
    Warning,
    /// Above all thresholds.
    Healthy,
    /// Nothing to maintain: no margin ratio.
    NoRisk,
}

impl Status {
    /// All, worst first, `no_risk` last.
    pub const ALL: [Self; 5] = [Self::Liquidation, Self::NearLiquidation, Self::Warning, Self::Healthy, Self::NoRisk];

    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRisk => "no_risk",
            Self::Liquidation => "liquidation",
            Self::NearLiquidation => "near_liquidation",
            Self::Warning => "warning",
            Self::Healthy => "healthy",
        }
    }
}

impl Status {
    /// The status of a margin ratio.
    #[must_use]
    pub fn of(margin_ratio: Option<f64>, rules: &Rules) -> Self {
        match margin_ratio {
            None => Self::NoRisk,
            Some(ratio) if ratio <= rules.status.liquidation => Self::Liquidation,
            Some(ratio) if ratio <= rules.status.near => Self::NearLiquidation,
            Some(ratio) if ratio <= rules.status.warning => Self::Warning,
            Some(_) => Self::Healthy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_stand_in_their_order() {
        assert!(Status::ALL.is_sorted());
    }
}
