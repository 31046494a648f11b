//! Limits, as the page shows them: from `summary.json`, and of each limit the rows of `breaches` that are furthest
//! beyond it.

use super::foremost::Foremost;
use super::words::{LONGEST_ID, cut, digits, money};
use crate::Result;
use crate::figures::Unit;
use crate::progress::Progress;
use crate::results::scan_table;
use crate::totals::limit_summary::{LimitSummary, LimitsSummary, Severity, Subject};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Limits listed; breaches of each, and of all together.
const LIMITS_SHOWN: usize = 200;
const OF_EACH: usize = 50;
const BREACHES_SHOWN: usize = 500;
/// Characters of names, rules and texts.
const LONGEST_NAME: usize = 100;
const LONGEST_TEXT: usize = 300;

/// Columns of `breaches` that a page shows.
const NAMES: [&str; 8] = ["limit", "severity", "unit", "scenario", "by", "group", "account_id", "risk_unit"];
const FIGURES: [&str; 2] = ["value", "excess"];

/// The section of the page.
#[derive(Debug, Serialize)]
pub(crate) struct Limits {
    /// Breached ones first, the most serious first: name, severity, rule, breaches, compared, without the figure, the
    /// worst figure, its excess, whose it is, text, what was not found.
    each: Vec<Value>,
    total: usize,
    /// Breaches in the same order: limit, severity, whose, value, excess.
    rows: Vec<Value>,
    rows_total: u64,
}

/// The breaches of each limit that are furthest beyond it.
type ByLimit = BTreeMap<String, Foremost<OF_EACH>>;

impl Limits {
    /// Of the run or stress in a folder, if its summary has limits.
    pub(crate) fn read(folder: &Path, of: Option<&LimitsSummary>, progress: &dyn Progress) -> Result<Option<Self>> {
        let Some(of) = of else { return Ok(None) };
        let mut order: Vec<&LimitSummary> = of.each.iter().collect();
        order.sort_by_key(|limit| (limit.breaches == 0, std::cmp::Reverse(limit.severity)));
        let fold = |found: &mut ByLimit, names: &[&str], figures: &[Option<f64>]| {
            let (&[limit, severity, unit, scenario, by, group, account, risk_unit], &[Some(value), Some(excess)]) =
                (names, figures)
            else {
                return;
            };
            let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let row = || {
                let whose = Subject {
                    scenario: name(scenario),
                    by: name(by),
                    group: (!by.is_empty()).then(|| group.to_owned()),
                    account_id: name(account),
                    risk_unit: name(risk_unit),
                };
                let [value, excess] = [value, excess].map(|figure| shown(figure, unit));
                json!([cut(limit, LONGEST_NAME), severity, subject(&whose), value, excess])
            };
            match found.get_mut(limit) {
                Some(of_limit) => of_limit.add(excess, row),
                None => found.entry(limit.to_owned()).or_default().add(excess, row),
            }
        };
        let mut found = ByLimit::new();
        let merge = |later: ByLimit| {
            for (limit, rows) in later {
                found.entry(limit).or_default().merge(rows);
            }
        };
        scan_table(folder, "breaches", &NAMES, &FIGURES, fold, merge, progress)?;
        let rows = order.iter().filter_map(|limit| found.remove(&limit.name)).flat_map(Foremost::into_rows);
        Ok(Some(Self {
            rows: rows.take(BREACHES_SHOWN).collect(),
            rows_total: of.breaches.at_least(Severity::Info),
            each: order.iter().take(LIMITS_SHOWN).map(|limit| line(limit)).collect(),
            total: order.len(),
        }))
    }
}

fn line(limit: &LimitSummary) -> Value {
    let LimitSummary { name, severity, rule, unit, text, checked, breaches, without_figure, worst, not_found } = limit;
    let of_worst = |figure: Option<f64>| figure.map_or(Value::Null, |figure| shown(figure, unit));
    json!([
        cut(name, LONGEST_NAME),
        severity,
        cut(rule, LONGEST_TEXT),
        breaches,
        checked,
        without_figure,
        of_worst(worst.as_ref().map(|worst| worst.value)),
        of_worst(worst.as_ref().map(|worst| worst.excess)),
        worst.as_ref().map(|worst| subject(&worst.of)),
        text.as_ref().map(|text| cut(text, LONGEST_TEXT)),
        cut(&not_found.join("; "), LONGEST_TEXT),
    ])
}

/// A figure in its unit: money as money, the rest to six digits.
fn shown(figure: f64, unit: &str) -> Value {
    if unit == Unit::Usd.name() { money(Some(figure)) } else { digits(Some(figure)) }
}

/// Account or group, risk unit, scenario.
fn subject(of: &Subject) -> [Value; 4] {
    let group = of.group.as_deref().map(crate::book::shown_group);
    let whose = of.account_id.clone().or(group);
    [
        json!(whose.map(|whose| cut(&whose, LONGEST_ID))),
        json!(of.by.as_ref().map(|by| cut(by, LONGEST_ID))),
        json!(of.risk_unit.as_ref().map(|unit| cut(unit, LONGEST_ID))),
        json!(of.scenario.as_ref().map(|scenario| cut(scenario, LONGEST_NAME))),
    ]
}
