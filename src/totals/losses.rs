//! How the figures of a book are distributed over the scenarios of a stress, as `summary.json` says it.

use super::weighted::Statistics;
use serde::{Deserialize, Serialize};

/// The book over all scenarios but the base case, each with its weight. All money in USD; losses are positive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScenarioDistribution {
    /// Scenarios that weigh something.
    pub scenarios: u64,
    /// The sum of their weights.
    pub weight: f64,
    /// Those that were given no weight and count as 1, although others were given one.
    pub without_weight: u64,
    /// Maintenance margin requirement of all accounts.
    pub mmr: FigureDistribution,
    /// Total equity of all accounts in the base case less that in the scenario.
    pub equity_loss: FigureDistribution,
    /// What accounts owe beyond all they have: what a guarantee fund would bear.
    pub shortfall: FigureDistribution,
    /// What a guarantee fund of a given size would do; null if none was given.
    pub fund: Option<Fund>,
}

/// One figure of the book.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FigureDistribution {
    /// In the base case, which is no part of the distribution.
    pub base: f64,
    /// Over the scenarios.
    #[serde(flatten)]
    pub over: Statistics,
}

/// A guarantee fund.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fund {
    /// Its size, USD.
    pub usd: f64,
    /// The share of the weight of the scenarios whose shortfall is at most as large.
    pub sufficient: f64,
}

impl ScenarioDistribution {
    /// The figures by name, in order.
    #[must_use]
    pub fn figures(&self) -> [(&'static str, &FigureDistribution); 3] {
        [(MMR, &self.mmr), (EQUITY_LOSS, &self.equity_loss), (SHORTFALL, &self.shortfall)]
    }
}

/// The figures that have a distribution, as tables name them.
pub const MMR: &str = "mmr";
/// See [`MMR`].
pub const EQUITY_LOSS: &str = "equity_loss";
/// See [`MMR`].
pub const SHORTFALL: &str = "shortfall";
