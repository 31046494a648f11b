//! What netting saves, as the page shows it: from `summary.json`, and the rows of `netting` with the largest benefit
//! and the largest cost.

use super::foremost::Foremost;
use super::words::{cut, digits, money};
use crate::Result;
use crate::book::shown_group;
use crate::progress::Progress;
use crate::results::scan_table;
use crate::totals::netting_summary::NettingSummary;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// Groups listed of those for which netting saves or changes nothing, and of those for which it costs.
const GROUPS_SHOWN: usize = 500;
/// Characters of names.
const LONGEST_NAME: usize = 100;

/// Columns of `netting` that a page shows.
const NAMES: [&str; 2] = ["group", "status"];
const FIGURES: [&str; 9] = [
    "accounts",
    "mmr_sum",
    "mmr_netted",
    "mmr_benefit",
    "imr_sum",
    "imr_netted",
    "imr_benefit",
    "adj_eq_netted",
    "margin_ratio",
];
/// The place of the benefit in MMR.
const BENEFIT: usize = 3;

/// The section of the page.
#[derive(Debug, Serialize)]
pub(crate) struct Netting {
    by: String,
    total: u64,
    accounts: u64,
    with_benefit: u64,
    with_cost: u64,
    /// MMR as a sum, netted, and the difference; the same of IMR.
    mmr: [Value; 3],
    imr: [Value; 3],
    /// Groups, the largest benefit in MMR first and the largest cost last: name, status, accounts, the figures of MMR,
    /// those of IMR, adjusted equity, margin ratio.
    rows: Vec<Value>,
}

impl Netting {
    /// Of the run in a folder, if its summary has netting.
    pub(crate) fn read(folder: &Path, of: Option<&NettingSummary>, progress: &dyn Progress) -> Result<Option<Self>> {
        let Some(of) = of else { return Ok(None) };
        let fold = |shown: &mut Shown, names: &[&str], figures: &[Option<f64>]| {
            let (&[group, status], Some(&Some(benefit))) = (names, figures.get(BENEFIT)) else { return };
            let of = if benefit < 0.0 { &mut shown.costing } else { &mut shown.saving };
            of.add(benefit.abs(), || line(group, status, figures));
        };
        let mut shown = Shown::default();
        let merge = |later: Shown| {
            shown.saving.merge(later.saving);
            shown.costing.merge(later.costing);
        };
        scan_table(folder, "netting", &NAMES, &FIGURES, fold, merge, progress)?;
        let costing: Vec<Value> = shown.costing.into_rows().collect();
        let usd = |values: [f64; 3]| values.map(|value| money(Some(value)));
        Ok(Some(Self {
            by: cut(&of.by, LONGEST_NAME),
            total: of.groups,
            accounts: of.accounts,
            with_benefit: of.groups_with_benefit,
            with_cost: of.groups_with_cost,
            mmr: usd([of.mmr_sum, of.mmr_netted, of.mmr_benefit]),
            imr: usd([of.imr_sum, of.imr_netted, of.imr_benefit]),
            rows: shown.saving.into_rows().chain(costing.into_iter().rev()).collect(),
        }))
    }
}

/// The rows that are shown, by what netting does.
#[derive(Default)]
struct Shown {
    saving: Foremost<GROUPS_SHOWN>,
    costing: Foremost<GROUPS_SHOWN>,
}

fn line(group: &str, status: &str, figures: &[Option<f64>]) -> Value {
    let mut cells = vec![json!(cut(&shown_group(group), LONGEST_NAME)), json!(status)];
    let last = FIGURES.len() - 1;
    cells.extend(figures.iter().enumerate().map(|(place, &figure)| match place {
        0 => json!(figure),
        place if place == last => digits(figure),
        _ => money(figure),
    }));
    Value::Array(cells)
}
