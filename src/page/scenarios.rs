//! The scenarios of a stress, as the page shows them: from the tables `scenarios` and `migration`.

use super::words::{cut, digits, money};
use crate::margin::Status;
use crate::progress::Progress;
use crate::results::{ResultRow, read_table};
use crate::{Invalid, Result};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Scenarios shown: the base case and the worst.
const SHOWN: usize = 150;
/// Characters of a name.
const LONGEST_NAME: usize = 100;

/// The scenarios that a page shows.
#[derive(Debug, Serialize)]
pub(crate) struct Scenarios {
    /// All of them, the base case included.
    total: usize,
    /// The base case, then most accounts in liquidation first, of equals the largest shortfall first.
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    scenario: String,
    /// [`FIGURES`].
    figures: Vec<Value>,
    /// Accounts by status in the base case, then by status in the scenario, in the order of [`Status::ALL`].
    migration: [[u64; 5]; 5],
}

/// Columns of `scenarios` that a page shows.
const FIGURES: [&str; 15] = [
    "liquidation",
    "near_liquidation",
    "warning",
    "healthy",
    "no_risk",
    "im_deficit",
    "newly_liquidation",
    "newly_im_deficit",
    "shortfall_accounts",
    "shortfall",
    "total_eq",
    "mmr",
    "imr",
    "hedge_saving_mmr",
    "largest_ten_shortfall_share",
];
const LIQUIDATION: usize = 0;
const SHORTFALL: usize = 9;
const SHARE: usize = 14;

impl Scenarios {
    /// Reads them; `None` if the folder has no table `scenarios`.
    pub(crate) fn read(folder: &Path, progress: &dyn Progress) -> Result<Option<Self>> {
        let Some(all) = read_table(folder, "scenarios", &["scenario"], &FIGURES, |_| true, progress)? else {
            return Ok(None);
        };
        let total = all.len();
        let figure = |row: &ResultRow, place: usize| row.figures.get(place).copied().flatten().unwrap_or(0.0);
        let mut rest = all;
        let mut shown: Vec<ResultRow> = rest.drain(..1.min(total)).collect();
        // Stable: of equals the first.
        rest.sort_by(|a, b| {
            let worse = |place| figure(b, place).total_cmp(&figure(a, place));
            worse(LIQUIDATION).then(worse(SHORTFALL))
        });
        shown.extend(rest.into_iter().take(SHOWN - 1));
        let mut migration = migration(folder, &shown, progress)?;
        let row = |row: ResultRow| {
            let name = row.names.into_iter().next().unwrap_or_default();
            let value = |(place, &x): (usize, &Option<f64>)| if place == SHARE { digits(x) } else { money(x) };
            Row {
                scenario: cut(&name, LONGEST_NAME),
                figures: row.figures.iter().enumerate().map(value).collect(),
                migration: migration.remove(&name).unwrap_or_default(),
            }
        };
        Ok(Some(Self { total, rows: shown.into_iter().map(row).collect() }))
    }
}

fn migration(folder: &Path, shown: &[ResultRow], progress: &dyn Progress) -> Result<BTreeMap<String, [[u64; 5]; 5]>> {
    let mut found: BTreeMap<String, [[u64; 5]; 5]> =
        shown.iter().filter_map(|row| row.names.first().cloned()).map(|name| (name, [[0; 5]; 5])).collect();
    let wanted = |names: &[&str]| names.first().is_some_and(|name| found.contains_key(*name));
    let names = ["scenario", "base_status", "status"];
    let rows = read_table(folder, "migration", &names, &["accounts"], wanted, progress)?.unwrap_or_default();
    let place = |name: &String| Status::ALL.iter().position(|status| status.name() == name);
    for ResultRow { names, figures } in rows {
        let [scenario, from, to] = names.as_slice() else { continue };
        let (Some(from), Some(to)) = (place(from), place(to)) else {
            let problem = "a row of table `migration` without a known status";
            return Err(Invalid::new(problem).file(folder).value(format!("`{from}` to `{to}`")).into());
        };
        if let (Some(matrix), Some(&Some(accounts))) = (found.get_mut(scenario), figures.first()) {
            matrix[from][to] = accounts as u64;
        }
    }
    Ok(found)
}
