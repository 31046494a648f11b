//! What a run says of the runs before it: the change against one of them, and the last of a history.
//!
//! Both are part of the summary. They are made in `compare` and `history`, from the files of other runs.

use crate::rules::RulesId;
use serde::{Deserialize, Serialize};

/// The change against an earlier run. Money is USD; `change` is now less before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Previous {
    /// Which run it is.
    pub run: PreviousRun,
    /// What makes the two runs hard to compare, in sentences; empty if nothing does.
    pub notes: Vec<String>,
    /// The parameters that differ.
    pub parameters: Vec<ParameterBefore>,
    /// Accounts by whether they could be compared.
    pub accounts: AccountsBefore,
    /// Accounts by status, and those with an IM deficit or without eligibility.
    pub counts: Vec<CountBefore>,
    /// Sums over all accounts of each run, new and closed ones too, but for those that one of the runs left out.
    pub totals: Vec<TotalBefore>,
    /// Accounts by status before and now.
    pub migration: Vec<MigrationBefore>,
    /// What each cause contributed; null where causes could not be told apart.
    pub causes: Option<Vec<CauseBefore>>,
    /// Why causes could not be told apart, if so.
    pub not_attributed: Option<String>,
    /// How many accounts are newly in liquidation or have a new IM deficit.
    pub newly_breached: u64,
    /// The first hundred of them: liquidation before IM deficit, the lowest margin ratio first.
    pub newly_breached_accounts: Vec<NewlyBreached>,
    /// The ten accounts whose MMR rises most.
    pub largest_rises: Vec<MoverBefore>,
    /// The ten accounts whose MMR falls most.
    pub largest_falls: Vec<MoverBefore>,
}

impl Previous {
    /// Says no more than `given`, which was told when causes could not be told apart.
    pub(crate) fn forget_causes(&mut self, given: &Self) {
        self.causes = None;
        self.not_attributed.clone_from(&given.not_attributed);
        self.notes.clone_from(&given.notes);
        self.newly_breached_accounts.iter_mut().for_each(|account| account.main_cause = None);
        let movers = self.largest_rises.iter_mut().chain(&mut self.largest_falls);
        movers.for_each(|account| account.main_cause = None);
    }
}

/// An earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PreviousRun {
    /// What was computed; null of a run of an early version.
    pub identity: Option<String>,
    /// What the user called it.
    pub label: Option<String>,
    /// Version of the program that wrote it.
    pub remargin: String,
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: String,
    /// Which rules.
    pub rules: RulesId,
}

/// A parameter with two values; null where only the other run has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct ParameterBefore {
    pub key: String,
    pub before: Option<String>,
    pub now: Option<String>,
}

/// Accounts by whether they could be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccountsBefore {
    /// Margined in both runs.
    pub kept: u64,
    /// In this run only.
    pub new: u64,
    /// In the earlier run only.
    pub closed: u64,
    /// Left out by one run or both, and hence not compared.
    pub unmargined: u64,
}

/// Accounts of a kind, before and now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct CountBefore {
    pub accounts: String,
    pub before: u64,
    pub now: u64,
}

/// A sum over all accounts, before and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct TotalBefore {
    pub figure: String,
    pub before: f64,
    pub now: f64,
    pub change: f64,
}

/// Accounts of one status before and one now; null where they are new or closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct MigrationBefore {
    pub status_before: Option<String>,
    pub status_now: Option<String>,
    pub accounts: u64,
}

/// What one cause contributed over all accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CauseBefore {
    /// `positions`, `prices`, `vols`, `time` or `parameters`.
    pub cause: String,
    /// To MMR.
    pub mmr: f64,
    /// To `adj_eq - mmr - liquidation_fee`.
    pub excess: f64,
    /// Accounts newly in liquidation mainly by it.
    pub newly_liquidation: u64,
    /// Accounts with a new IM deficit, and not newly in liquidation, mainly by it.
    pub newly_im_deficit: u64,
}

/// An account that is newly in liquidation, or has a new IM deficit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NewlyBreached {
    /// Its id.
    pub account_id: String,
    /// `liquidation` or `im_deficit`.
    pub breach: String,
    /// Null where it has none.
    pub margin_ratio_before: Option<f64>,
    /// Null where it has none.
    pub margin_ratio_now: Option<f64>,
    /// Of its MMR.
    pub mmr_change: f64,
    /// The cause that took most of what was left above the limit; null where causes could not be told apart.
    pub main_cause: Option<String>,
}

/// An account whose MMR moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct MoverBefore {
    pub account_id: String,
    /// Null where the account is new.
    pub mmr_before: Option<f64>,
    /// Null where it is closed.
    pub mmr_now: Option<f64>,
    pub mmr_change: f64,
    /// Null where causes could not be told apart.
    pub main_cause: Option<String>,
}

/// One run of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TrendPoint {
    /// What was computed.
    pub identity: String,
    /// What the user called it.
    pub label: Option<String>,
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: String,
    /// Name of its rules.
    pub rules: String,
    /// Margined accounts.
    pub accounts: u64,
    /// Rows of its `at_risk`.
    pub at_risk: u64,
    /// Accounts in liquidation.
    pub liquidation: u64,
    /// Maintenance margin requirement of all accounts, USD.
    pub mmr: f64,
    /// Adjusted equity of all accounts, USD.
    pub adj_eq: f64,
    /// What accounts lack to their MMR and liquidation fee, USD.
    pub shortfall_mmr: f64,
    /// Accounts that were left out: the sums are without them.
    #[serde(default)]
    pub unmargined: u64,
}
