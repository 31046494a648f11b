//! The groups of accounts, as the page shows them: from the tables `groups`, `group_units` and `account_groups`.
//!
//! Of each grouping the groups with the largest MMR in the base case are shown, each with its largest risk units and
//! with the accounts at risk that the page lists; of a stress also the scenario that is worst for the group.

use super::escaped;
use super::words::{LONGEST_ID, cut, digits, money};
use crate::Result;
use crate::book::{Book, Grouping, shown_group};
use crate::market::scenario::BASE;
use crate::progress::Progress;
use crate::results::{ResultRow, read_table, scan_table};
use crate::totals::at_risk::AtRisk;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Groupings that a page shows, and groups of each.
const GROUPINGS_SHOWN: usize = 12;
const GROUPS_SHOWN: usize = 100;
/// Risk units of a group, and its accounts at risk.
const UNITS_SHOWN: usize = 8;
const ACCOUNTS_SHOWN: usize = 20;
/// Bytes for the risk units of all groups together.
const UNIT_BYTES: usize = 600_000;
/// Characters of the names of a group and of a grouping.
const LONGEST_GROUP: usize = 80;
/// Characters of the name of a scenario and of a risk unit.
const LONGEST_NAME: usize = 100;
const LONGEST_UNIT: usize = 24;

/// Columns of `groups` that a page shows: counts, then money, then shares and ratios.
const FIGURES: [&str; 27] = [
    "accounts",
    "liquidation",
    "near_liquidation",
    "warning",
    "healthy",
    "no_risk",
    "at_risk",
    "im_deficit",
    "adj_eq",
    "total_eq",
    "mmr",
    "imr",
    "shortfall_mmr",
    "shortfall_imr",
    "shortfall",
    "hedge_saving_mmr",
    "borrow_mmr",
    "charge_mr1",
    "charge_mr2",
    "charge_mr3",
    "charge_mr4",
    "charge_mr5",
    "charge_mr6",
    "charge_mr7",
    "charge_mr9",
    "mmr_share",
    "worst_margin_ratio",
];
const MMR: usize = 10;
/// From here on no money.
const RATIOS: usize = 25;

/// Columns of `group_units` that a page shows: a count, then money.
const UNIT_FIGURES: [&str; 7] = ["accounts", "mmr", "imr", "cash_delta", "gamma", "vega", "theta"];
const UNIT_MMR: usize = 1;

/// Columns of `groups` that say which scenario is worst for a group: most accounts in liquidation, of equals the
/// largest shortfall, then the least equity.
const OF_SCENARIO: [&str; 4] = ["liquidation", "shortfall", "total_eq", "mmr"];

/// The groups that a page shows, grouping by grouping.
#[derive(Debug, Serialize)]
pub(crate) struct Groups {
    by: Vec<Shown>,
    /// All groupings.
    total: usize,
}

#[derive(Debug, Serialize)]
struct Shown {
    by: String,
    /// All its groups.
    total: usize,
    /// Largest MMR first.
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    group: String,
    worst_account: Option<String>,
    /// [`FIGURES`].
    figures: Vec<Value>,
    /// Names, then [`UNIT_FIGURES`]; and how many more there are.
    units: (Vec<Value>, usize),
    /// Places among the accounts at risk of the page.
    accounts: Vec<usize>,
    /// Of a stress: the scenario that is worst for the group, and [`OF_SCENARIO`].
    scenario: Option<(String, Vec<Value>)>,
}

/// Grouping and group.
type Key = (String, String);

/// The group of an account in a grouping, by account and grouping: of the accounts at risk.
pub(crate) type Members = BTreeMap<(String, String), String>;

/// The groups of the head of a run's rows at risk.
pub(crate) fn members(ids: &[String], found: &[AtRisk], book: &Book, by: &[Grouping]) -> Members {
    let mut members = Members::new();
    for (id, at_risk) in ids.iter().zip(found) {
        for (grouping, groups) in by.iter().zip(book.groups()) {
            let key = (id.clone(), grouping.to_string());
            members.insert(key, groups.name(at_risk.account).to_owned());
        }
    }
    members
}

/// The largest groups of some consecutive rows, by grouping in the order in which they come.
#[derive(Default)]
struct Largest(Vec<(String, usize, Vec<ResultRow>)>);

impl Largest {
    fn section(&mut self, by: &str) -> &mut (String, usize, Vec<ResultRow>) {
        let place = self.0.iter().position(|(name, ..)| name == by).unwrap_or_else(|| {
            self.0.push((by.to_owned(), 0, Vec::new()));
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    fn add(&mut self, names: &[&str], figures: &[Option<f64>]) {
        let [by, _, scenario, ..] = names else { return };
        if *scenario != BASE {
            return;
        }
        let (_, total, rows) = self.section(by);
        *total += 1;
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        rows.push(ResultRow { names, figures: figures.to_vec() });
        if rows.len() >= 4 * GROUPS_SHOWN {
            cut_to(rows, GROUPS_SHOWN, MMR);
        }
    }

    fn merge(&mut self, later: Self) {
        for (by, more, later) in later.0 {
            let (_, total, rows) = self.section(&by);
            *total += more;
            rows.extend(later);
            cut_to(rows, GROUPS_SHOWN, MMR);
        }
    }
}

/// Leaves the rows whose figure at a place is largest; stable: of equals the first.
fn cut_to(rows: &mut Vec<ResultRow>, most: usize, place: usize) {
    rows.sort_by(|a, b| figure(b, place).total_cmp(&figure(a, place)));
    rows.truncate(most);
}

fn figure(row: &ResultRow, place: usize) -> f64 {
    row.figures.get(place).copied().flatten().unwrap_or(0.0)
}

impl Groups {
    /// Reads them; `None` if the folder has no table `groups`. `at_risk` are the ids of the accounts at risk that the
    /// page lists; their `members` are read if they are not at hand.
    pub(crate) fn read(
        folder: &Path,
        at_risk: &[String],
        members: Option<Members>,
        progress: &dyn Progress,
    ) -> Result<Option<Self>> {
        let mut largest = Largest::default();
        let names = ["by", "group", "scenario", "worst_account"];
        let add = Largest::add;
        if !scan_table(folder, "groups", &names, &FIGURES, add, |local: Largest| largest.merge(local), progress)? {
            return Ok(None);
        }
        let total = largest.0.len();
        largest.0.truncate(GROUPINGS_SHOWN);
        let mut wanted = Wanted(BTreeMap::new());
        for (by, group) in largest.0.iter().flat_map(|(_, _, rows)| rows.iter().filter_map(key_of)) {
            wanted.0.entry(by).or_default().insert(group);
        }
        let members = match members {
            Some(members) => members,
            None => read_members(folder, at_risk, progress)?,
        };
        let mut accounts: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (place, id) in at_risk.iter().enumerate() {
            for (by, ..) in &largest.0 {
                let Some(group) = members.get(&(id.clone(), by.clone())) else { continue };
                accounts.entry((by.clone(), group.clone())).or_default().push(place);
            }
        }
        let mut units = read_units(folder, &wanted, progress)?;
        let mut scenarios = worst_scenarios(folder, &wanted, progress)?;
        let mut left = UNIT_BYTES;
        let mut row = |row: ResultRow| {
            let key = key_of(&row).unwrap_or_default();
            let mut accounts = accounts.remove(&key).unwrap_or_default();
            accounts.truncate(ACCOUNTS_SHOWN);
            let worst = row.names.get(3).filter(|name| !name.is_empty()).map(|name| cut(name, LONGEST_ID));
            let scenario = scenarios.remove(&key).map(|worst| {
                let values = worst.figures.iter().map(|&value| money(value)).collect();
                (cut(worst.names.get(2).map_or("", String::as_str), LONGEST_NAME), values)
            });
            Row {
                group: cut(&shown_group(&key.1), LONGEST_GROUP),
                worst_account: worst,
                figures: cells(&row.figures, RATIOS),
                units: unit_cells(units.remove(&key).unwrap_or_default(), &mut left),
                accounts,
                scenario,
            }
        };
        let by = largest.0.into_iter().map(|(by, total, rows)| Shown {
            by: cut(&by, LONGEST_GROUP),
            total,
            rows: rows.into_iter().map(&mut row).collect(),
        });
        Ok(Some(Self { by: by.collect(), total }))
    }
}

fn key_of(row: &ResultRow) -> Option<Key> {
    Some((row.names.first()?.clone(), row.names.get(1)?.clone()))
}

/// Money up to a place, digits from there on.
fn cells(figures: &[Option<f64>], ratios: usize) -> Vec<Value> {
    let cell = |(place, &value): (usize, &Option<f64>)| if place < ratios { money(value) } else { digits(value) };
    figures.iter().enumerate().map(cell).collect()
}

fn read_members(folder: &Path, at_risk: &[String], progress: &dyn Progress) -> Result<Members> {
    let wanted: BTreeSet<&str> = at_risk.iter().map(String::as_str).collect();
    if wanted.is_empty() {
        return Ok(Members::new());
    }
    let keep = |names: &[&str]| names.first().is_some_and(|id| wanted.contains(id));
    let rows = read_table(folder, "account_groups", &["account_id", "by", "group"], &[], keep, progress)?;
    let member = |row: ResultRow| {
        let [id, by, group]: [String; 3] = row.names.try_into().ok()?;
        Some(((id, by), group))
    };
    Ok(rows.unwrap_or_default().into_iter().filter_map(member).collect())
}

/// The groups that are shown, by grouping.
struct Wanted(BTreeMap<String, BTreeSet<String>>);

impl Wanted {
    fn contains(&self, names: &[&str]) -> bool {
        match names {
            [by, group, ..] => self.0.get(*by).is_some_and(|groups| groups.contains(*group)),
            _ => false,
        }
    }
}

fn read_units(folder: &Path, wanted: &Wanted, progress: &dyn Progress) -> Result<BTreeMap<Key, Vec<ResultRow>>> {
    let keep = |names: &[&str]| names.get(2) == Some(&BASE) && wanted.contains(names);
    let names = ["by", "group", "scenario", "risk_unit"];
    let mut units: BTreeMap<Key, Vec<ResultRow>> = BTreeMap::new();
    for row in read_table(folder, "group_units", &names, &UNIT_FIGURES, keep, progress)?.unwrap_or_default() {
        if let Some(key) = key_of(&row) {
            units.entry(key).or_default().push(row);
        }
    }
    Ok(units)
}

/// The largest units, as many as there is room for, and how many more there are.
fn unit_cells(mut units: Vec<ResultRow>, left: &mut usize) -> (Vec<Value>, usize) {
    let all = units.len();
    cut_to(&mut units, UNITS_SHOWN, UNIT_MMR);
    let mut shown = Vec::new();
    for unit in &units {
        let mut row = vec![json!(cut(unit.names.get(3).map_or("", String::as_str), LONGEST_UNIT))];
        row.extend(cells(&unit.figures, UNIT_FIGURES.len()));
        let row = Value::Array(row);
        let bytes = escaped(&row.to_string()).len() + 1;
        if bytes > *left {
            *left = 0;
            break;
        }
        *left -= bytes;
        shown.push(row);
    }
    let more = all - shown.len();
    (shown, more)
}

/// Of each group the scenario that is worst for it, the first of equals; of a run without scenarios none.
fn worst_scenarios(folder: &Path, wanted: &Wanted, progress: &dyn Progress) -> Result<BTreeMap<Key, ResultRow>> {
    fn take(all: &mut BTreeMap<Key, ResultRow>, key: Key, row: ResultRow) {
        let place = |a: &ResultRow, b: &ResultRow, place| figure(a, place).total_cmp(&figure(b, place));
        let is_worse = |now: &ResultRow, before: &ResultRow| {
            place(now, before, 0).then(place(now, before, 1)).then(place(before, now, 2)).is_gt()
        };
        match all.get(&key) {
            Some(before) if !is_worse(&row, before) => {}
            _ => {
                all.insert(key, row);
            }
        }
    }
    let mut worst: BTreeMap<Key, ResultRow> = BTreeMap::new();
    let fold = |local: &mut BTreeMap<Key, ResultRow>, names: &[&str], figures: &[Option<f64>]| {
        if names.get(2) != Some(&BASE) && wanted.contains(names) {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let row = ResultRow { names, figures: figures.to_vec() };
            if let Some(key) = key_of(&row) {
                take(local, key, row);
            }
        }
    };
    let merge = |local: BTreeMap<Key, ResultRow>| {
        for (key, row) in local {
            take(&mut worst, key, row);
        }
    };
    scan_table(folder, "groups", &["by", "group", "scenario"], &OF_SCENARIO, fold, merge, progress)?;
    Ok(worst)
}
