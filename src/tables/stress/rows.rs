//! The rows of the tables of a stress.

use super::stats::HedgeStats;
use crate::margin::{AccountMargin, Status};
use crate::totals::losses::FigureDistribution;
use crate::totals::summary::{AccountCounts, Totals};

/// A row of [`SCENARIOS`].
#[derive(Debug, Clone)]
pub struct ScenarioRow {
    /// Number of the scenario.
    pub scenario: usize,
    /// Days that pass.
    pub days: f64,
    /// Accounts by where they stand.
    pub accounts: AccountCounts,
    /// Accounts in liquidation that are not so in the base case.
    pub newly_liquidation: u64,
    /// Accounts with an IM deficit that have none in the base case.
    pub newly_im_deficit: u64,
    /// Sums over all accounts.
    pub totals: Totals,
    /// Sum of what accounts owe beyond all they have.
    pub shortfall: f64,
    /// Accounts that have one.
    pub shortfall_accounts: u64,
    /// Shortfall of the ten largest.
    pub largest_ten_shortfall: f64,
    /// MMR of the ten largest.
    pub largest_ten_mmr: f64,
    /// What it weighs in a distribution; the base case is no part of it.
    pub weight: Option<f64>,
    /// Total equity in the base case less that in the scenario.
    pub equity_loss: f64,
}

/// A row of [`MIGRATION`].
pub(crate) struct MigrationRow {
    pub scenario: usize,
    pub from: Status,
    pub to: Status,
    pub accounts: u64,
}

/// A row of [`LARGEST`].
pub(crate) struct LargestRow {
    pub scenario: usize,
    pub by: &'static str,
    pub rank: usize,
    pub account: usize,
    pub amount: f64,
    pub total: f64,
}

/// A row of [`HEDGES`].
pub(crate) struct HedgeRow {
    pub scenario: usize,
    pub unit: usize,
    pub stats: HedgeStats,
}

/// A row of [`DISTRIBUTION`].
pub(crate) struct FigureRow {
    pub figure: &'static str,
    pub distribution: FigureDistribution,
}

/// A row of [`TAIL`].
pub(crate) struct TailRow {
    pub figure: &'static str,
    pub rank: usize,
    pub scenario: usize,
    pub amount: f64,
    pub weight: f64,
    /// Its share of all weight.
    pub weight_share: f64,
    /// That of the scenario and of those before it.
    pub tail_share: f64,
}

/// The worst scenario of an account.
#[derive(Debug, Clone, Copy)]
pub struct Worst {
    /// Number of the scenario, the first of equals.
    pub scenario: usize,
    /// The account's margin in it.
    pub margin: AccountMargin,
    /// In how many scenarios, the base case included, the account is in liquidation.
    pub liquidations: u64,
    /// Weight of the scenarios in which it is, in [`units`](crate::totals::weighted::Weights::units).
    pub liquidation_units: u64,
}

impl Worst {
    /// Takes a later scenario in, which replaces the worst if it is worse: a lower margin ratio, having none counting
    /// as the highest; of two without a ratio the one with less adjusted equity.
    pub fn take(&mut self, later: &Self) {
        let is_worse = match (later.margin.margin_ratio, self.margin.margin_ratio) {
            (Some(now), Some(before)) => now < before,
            (None, None) => later.margin.adj_eq < self.margin.adj_eq,
            (now, _) => now.is_some(),
        };
        self.liquidations += later.liquidations;
        self.liquidation_units += later.liquidation_units;
        if is_worse {
            (self.scenario, self.margin) = (later.scenario, later.margin);
        }
    }
}
