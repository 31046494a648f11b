//! What netting saves, in `summary.json`.

use serde::{Deserialize, Serialize};

/// The accounts of each group margined as one, beside the sum of their margins, in the base case. All money in USD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NettingSummary {
    /// The attributes by which accounts are netted, with commas between them.
    pub by: String,
    /// Groups that are netted: rows of the table `netting`. Those of which an attribute is missing are not.
    pub groups: u64,
    /// Accounts of these groups.
    pub accounts: u64,
    /// Groups whose MMR is less as one account, by more than a billionth of it: less is rounding.
    pub groups_with_benefit: u64,
    /// Groups whose MMR is more as one account, by more than a billionth of it.
    pub groups_with_cost: u64,
    /// Sum over all netted accounts.
    pub mmr_sum: f64,
    /// Sum over the groups, each as one account.
    pub mmr_netted: f64,
    /// What netting saves, `mmr_sum - mmr_netted`.
    pub mmr_benefit: f64,
    /// As `mmr_sum`, of IMR.
    pub imr_sum: f64,
    /// As `mmr_netted`, of IMR.
    pub imr_netted: f64,
    /// What netting saves, `imr_sum - imr_netted`.
    pub imr_benefit: f64,
    /// The ten groups with the largest benefit in MMR, the largest first.
    pub largest: Vec<NettedGroup>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct NettedGroup {
    pub group: String,
    pub accounts: u64,
    pub mmr_sum: f64,
    pub mmr_netted: f64,
    pub mmr_benefit: f64,
    pub imr_sum: f64,
    pub imr_netted: f64,
    pub imr_benefit: f64,
    /// Adjusted equity of the accounts as one.
    pub adj_eq_netted: f64,
    /// Of the accounts as one; null where it has none.
    pub margin_ratio: Option<f64>,
    pub status: String,
}
