//! Compares the figures one by one.

use super::ReconcileRequest;
use super::answers::{Answer, Answers, Subject};
use crate::results::ResultRow;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A number, or the name of a volatility state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figure {
    /// A number.
    Number(f64),
    /// A name.
    Name(String),
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The account.
    pub account: String,
    /// The risk unit, or the base currency of several units; `None` for a figure of the account.
    pub unit: Option<String>,
    /// The name in the run.
    pub component: &'static str,
    /// The endpoint of the response.
    pub source: &'static str,
    /// The run's figure; `None` if it has none.
    pub ours: Option<Figure>,
    /// The exchange's figure; `None` if it has none.
    pub theirs: Option<Figure>,
    /// `ours - theirs`, if both are numbers.
    pub difference: Option<f64>,
    /// `abs(difference)` divided by the larger absolute value; zero for two zeros.
    pub relative: Option<f64>,
    /// The figures differ by more than the tolerances.
    pub is_break: bool,
}

/// All comparisons.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reconciliation {
    /// Relative tolerance.
    pub tolerance: f64,
    /// Absolute tolerance.
    pub abs_tolerance: f64,
    /// Compared accounts.
    pub accounts: usize,
    /// Compared risk units.
    pub units: usize,
    /// Number of breaks.
    pub breaks: usize,
    /// Fields without a value in the responses.
    pub blank: u64,
    /// Fields of the responses that are not compared.
    pub not_compared: BTreeMap<&'static str, u64>,
    /// Every compared figure, by account and unit, in the order of the response.
    pub comparisons: Vec<Comparison>,
}

/// A table of the run that was read back, with the columns that its rows have.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub rows: &'a [ResultRow],
    pub names: &'a [&'static str],
    pub figures: &'a [&'static str],
}

impl Table<'_> {
    fn figure(&self, row: &ResultRow, component: &str) -> Option<f64> {
        let place = self.figures.iter().position(|column| *column == component)?;
        row.figures.get(place).copied().flatten()
    }
}

/// The run's figures.
struct Run<'a> {
    tables: [Table<'a>; 2],
    accounts: BTreeMap<&'a str, &'a ResultRow>,
    units: BTreeMap<(&'a str, &'a str), &'a ResultRow>,
}

/// Compares the figures of the responses with those of a run.
pub(super) fn compare(request: &ReconcileRequest, accounts: Table, units: Table, answers: Answers) -> Reconciliation {
    let run = Run {
        tables: [accounts, units],
        accounts: accounts.rows.iter().map(|row| (name(row, 0), row)).collect(),
        units: units.rows.iter().map(|row| ((name(row, 0), name(row, 2)), row)).collect(),
    };
    let mut comparisons = Vec::new();
    for answer in &answers.figures {
        let ours = run.figure(answer);
        let theirs = match &answer.value {
            Ok(number) => Figure::Number(*number),
            Err(name) => Figure::Name(name.clone()),
        };
        let unit = match &answer.subject {
            Subject::Account => None,
            Subject::Unit(unit) | Subject::Base(unit) => Some(unit.clone()),
        };
        comparisons.push(comparison(
            request,
            (answer.account.clone(), unit, answer.component, answer.source),
            ours,
            Some(theirs),
        ));
    }
    // A unit that exists only in the run is a break too.
    for (account, source, names) in &answers.units {
        for ((_, unit), row) in run.units.range((account.as_str(), "")..).take_while(|((id, _), _)| id == account) {
            if !names.iter().any(|name| name == unit) {
                let ours = units.figure(row, "mmr").map(Figure::Number);
                comparisons.push(comparison(
                    request,
                    (account.clone(), Some((*unit).to_owned()), "mmr", source),
                    ours,
                    None,
                ));
            }
        }
    }
    let names = |comparison: &Comparison| (comparison.account.clone(), comparison.unit.clone());
    let compared: BTreeSet<_> = comparisons.iter().map(names).collect();
    let of_units: BTreeSet<_> = answers
        .figures
        .iter()
        .filter_map(|answer| match &answer.subject {
            Subject::Unit(unit) => Some((&answer.account, unit)),
            _ => None,
        })
        .collect();
    Reconciliation {
        tolerance: request.tolerance,
        abs_tolerance: request.abs_tolerance,
        accounts: compared.iter().map(|(account, _)| account).collect::<BTreeSet<_>>().len(),
        units: of_units.len(),
        breaks: comparisons.iter().filter(|comparison| comparison.is_break).count(),
        blank: answers.blank,
        not_compared: answers.not_compared,
        comparisons,
    }
}

fn name(row: &ResultRow, place: usize) -> &str {
    row.names.get(place).map_or("", String::as_str)
}

impl Run<'_> {
    fn figure(&self, answer: &Answer) -> Option<Figure> {
        let account = answer.account.as_str();
        let [accounts, units] = &self.tables;
        match &answer.subject {
            Subject::Account => accounts.figure(self.accounts.get(account)?, answer.component).map(Figure::Number),
            Subject::Unit(unit) => {
                let row = self.units.get(&(account, unit.as_str()))?;
                if let Some(label) = units.names.iter().position(|column| *column == answer.component) {
                    return Some(Figure::Name(name(row, label).to_owned()));
                }
                units.figure(row, answer.component).map(Figure::Number)
            }
            Subject::Base(base) => {
                self.accounts.get(account)?;
                let of_base = self.units.range((account, "")..).take_while(|((id, _), _)| *id == account);
                let rows = of_base.filter(|((_, unit), _)| unit.split('-').next() == Some(base));
                let coins: f64 = rows.filter_map(|(_, row)| units.figure(row, answer.component)).sum();
                // The sum of an empty iterator is -0.
                Some(Figure::Number(coins + 0.0))
            }
        }
    }
}

type Identity = (String, Option<String>, &'static str, &'static str);

fn comparison(
    request: &ReconcileRequest,
    (account, unit, component, source): Identity,
    ours: Option<Figure>,
    theirs: Option<Figure>,
) -> Comparison {
    let (mut difference, mut relative) = (None, None);
    let agree = match (&ours, &theirs) {
        (Some(Figure::Number(a)), Some(Figure::Number(b))) => {
            let (gap, size) = ((a - b).abs(), a.abs().max(b.abs()));
            difference = Some(a - b);
            relative = Some(if gap == 0.0 { 0.0 } else { gap / size });
            gap <= request.tolerance * size || gap <= request.abs_tolerance
        }
        (ours, theirs) => ours == theirs,
    };
    Comparison { account, unit, component, source, ours, theirs, difference, relative, is_break: !agree }
}
