//! The groups of accounts in `summary.json`.

use serde::{Deserialize, Serialize};

/// One grouping over all accounts, in the base case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupingSummary {
    /// The attributes, with commas between them.
    pub by: String,
    /// Number of its groups.
    pub groups: u64,
    /// Groups with accounts in liquidation.
    pub groups_in_liquidation: u64,
    /// Groups with accounts at risk.
    pub groups_at_risk: u64,
    /// The ten groups with the largest MMR, the largest first.
    pub largest: Vec<GroupSummary>,
}

/// One group, in the base case. All money in USD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct GroupSummary {
    pub group: String,
    pub accounts: u64,
    pub liquidation: u64,
    pub at_risk: u64,
    pub total_eq: f64,
    pub adj_eq: f64,
    pub mmr: f64,
    /// Its share of the MMR of the book; null where that is zero.
    pub mmr_share: Option<f64>,
    pub imr: f64,
    pub shortfall_mmr: f64,
    pub shortfall_imr: f64,
    /// The account with the lowest margin ratio; null where none has one.
    pub worst_account: Option<String>,
    pub worst_margin_ratio: Option<f64>,
}
