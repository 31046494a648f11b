//! Counts by status, and shares.

use crate::figures::{AccountFigure, AccountRow};
use crate::margin::{AccountMargin, Status};
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

/// Where an account stands, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// None where it is not known.
    pub status: Option<Status>,
    pub im_deficit: bool,
    pub ineligible: bool,
}

impl Standing {
    /// True if somebody should look at the account: in `liquidation`, `near_liquidation` or with an IM deficit.
    pub(crate) fn is_at_risk(self) -> bool {
        self.im_deficit || matches!(self.status, Some(Status::Liquidation | Status::NearLiquidation))
    }
}

impl From<&AccountMargin> for Standing {
    fn from(margin: &AccountMargin) -> Self {
        Self { status: Some(margin.status), im_deficit: margin.im_deficit, ineligible: margin.ineligible }
    }
}

/// Of a row that was read back.
impl From<&AccountRow> for Standing {
    fn from(row: &AccountRow) -> Self {
        let is = |figure| row.flag(figure) == Some(true);
        Self {
            status: row.status(),
            im_deficit: is(AccountFigure::im_deficit),
            ineligible: is(AccountFigure::ineligible),
        }
    }
}

/// `part` of `total`, where there is one.
pub(crate) fn share(part: f64, total: f64) -> Option<f64> {
    (total > 0.0).then(|| part / total)
}
