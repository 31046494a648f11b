//! `summary.json` of a stress: the base case, and the scenarios that hurt most.

use super::rows::ScenarioRow;
use crate::market::scenario::Scenario;
use crate::totals::Summary;
use crate::totals::limit_summary::LimitsSummary;
use crate::totals::losses::ScenarioDistribution;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Scenarios in each of the lists.
const LISTED: usize = 10;

/// What a stress found, as a whole. All money in USD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StressSummary {
    /// What the user called the stress; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Number of scenarios, the base case included.
    pub scenarios: u64,
    /// The base case, as a run would sum it up.
    pub base: Summary,
    /// The ten scenarios that bring most accounts into liquidation, the worst first: of equals the larger shortfall,
    /// then more IM deficits.
    pub most_liquidations: Vec<ScenarioSummary>,
    /// The ten scenarios with the largest shortfall below zero equity, the worst first.
    pub largest_shortfalls: Vec<ScenarioSummary>,
    /// How the figures of the book are distributed over the scenarios; null if that was not asked for, or if no
    /// scenario has a weight.
    #[serde(default)]
    pub distribution: Option<ScenarioDistribution>,
    /// Limits, and how many figures are beyond them; absent without limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSummary>,
}

/// One scenario over all accounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(missing_docs)]
pub struct ScenarioSummary {
    pub scenario: String,
    pub liquidation: u64,
    pub newly_liquidation: u64,
    pub im_deficit: u64,
    pub total_eq: f64,
    pub mmr: f64,
    pub imr: f64,
    pub shortfall: f64,
    pub shortfall_accounts: u64,
    pub hedge_saving_mmr: f64,
}

impl StressSummary {
    /// The text of `summary.json`.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library fails.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        crate::publish::json::json("summary.json", self)
    }
}

/// Sums up a stress; `rows` has one entry a scenario.
pub(crate) fn of(
    mut base: Summary,
    scenarios: &[Scenario],
    rows: &[ScenarioRow],
    distribution: Option<ScenarioDistribution>,
) -> Result<StressSummary> {
    check_finite(scenarios, rows)?;
    base.scenarios = rows.len() as u64;
    Ok(StressSummary {
        label: None,
        scenarios: rows.len() as u64,
        base,
        most_liquidations: worst(scenarios, rows, |a, b| {
            let in_liquidation = b.accounts.by_status.liquidation.cmp(&a.accounts.by_status.liquidation);
            let shortfall = b.shortfall.total_cmp(&a.shortfall);
            in_liquidation.then(shortfall).then(b.accounts.im_deficit.cmp(&a.accounts.im_deficit))
        }),
        largest_shortfalls: worst(scenarios, rows, |a, b| b.shortfall.total_cmp(&a.shortfall)),
        distribution,
        limits: None,
    })
}

/// Refuses totals that are no numbers.
///
/// # Errors
/// [`Error::Runtime`] naming the scenario.
pub(super) fn check_finite(scenarios: &[Scenario], rows: &[ScenarioRow]) -> Result<()> {
    let finite = |row: &ScenarioRow| {
        [row.totals.total_eq, row.totals.mmr, row.totals.imr, row.totals.mmr_no_hedge, row.shortfall]
            .iter()
            .all(|figure| figure.is_finite())
    };
    let Some(row) = rows.iter().find(|row| !finite(row)) else { return Ok(()) };
    let name = scenarios.get(row.scenario).map_or("", |scenario| scenario.name.as_str());
    Err(Error::Runtime(format!("scenario `{name}`: a total over all accounts is not finite")))
}

fn worst(
    scenarios: &[Scenario],
    rows: &[ScenarioRow],
    worse_first: impl Fn(&ScenarioRow, &ScenarioRow) -> Ordering,
) -> Vec<ScenarioSummary> {
    let mut sorted: Vec<&ScenarioRow> = rows.iter().collect();
    sorted.sort_by(|a, b| worse_first(a, b).then(a.scenario.cmp(&b.scenario)));
    let summary = |row: &ScenarioRow| ScenarioSummary {
        scenario: scenarios.get(row.scenario).map_or(String::new(), |scenario| scenario.name.clone()),
        liquidation: row.accounts.by_status.liquidation,
        newly_liquidation: row.newly_liquidation,
        im_deficit: row.accounts.im_deficit,
        total_eq: row.totals.total_eq,
        mmr: row.totals.mmr,
        imr: row.totals.imr,
        shortfall: row.shortfall,
        shortfall_accounts: row.shortfall_accounts,
        hedge_saving_mmr: row.totals.mmr_no_hedge - row.totals.mmr,
    };
    sorted.into_iter().take(LISTED).map(summary).collect()
}
