//! Counts by status, and shares.

use crate::margin::Status;
use serde::{Deserialize, Serialize};

/// Margined accounts by status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct StatusCounts {
    pub liquidation: u64,
    pub near_liquidation: u64,
    pub warning: u64,
    pub healthy: u64,
    pub no_risk: u64,
}

impl StatusCounts {
    pub(crate) fn of(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Liquidation => &mut self.liquidation,
            Status::NearLiquidation => &mut self.near_liquidation,
            Status::Warning => &mut self.warning,
            Status::Healthy => &mut self.healthy,
            Status::NoRisk => &mut self.no_risk,
        }
    }
}

/// `part` of `total`, where there is one.
pub(crate) fn share(part: f64, total: f64) -> Option<f64> {
    (total > 0.0).then(|| part / total)
}
