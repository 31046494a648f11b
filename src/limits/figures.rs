//! Which figures a rule can name: the columns of the tables, nothing is listed here a second time.

use crate::figures::{Unit, UnitTotals};
use crate::tables::columns::{ACCOUNTS, Column, Kind, RISK_UNITS, TableSpec};
use crate::tables::groups::{GROUP_UNITS, GROUPS, book_columns};
use crate::tables::stress::columns::{DISTRIBUTION, SCENARIOS, WORST};
use crate::totals::losses::{EQUITY_LOSS, MMR, SHORTFALL};
use std::borrow::Cow;

/// The command that checks limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `remargin run`.
    Run,
    /// `remargin stress`.
    Stress,
}

impl Command {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Run, Self::Stress];

    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Stress => "stress",
        }
    }
}

/// Where a figure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A column of a table, one figure a row.
    Table(&'static TableSpec),
    /// The row of a figure of the book in the table `distribution`, and its column.
    Distribution(&'static str, &'static str),
    /// Summed up over the table `accounts`, one figure a scenario.
    OverAccounts,
    /// Summed up over the table `risk_units`, one figure a scenario and risk unit.
    OverUnits,
}

impl Source {
    /// True of a figure over all scenarios, which is of none of them.
    #[must_use]
    pub fn is_over_scenarios(self) -> bool {
        matches!(self, Self::Distribution(..))
    }

    /// The name of the table.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::Table(table) => table.name,
            Self::Distribution(..) => DISTRIBUTION.name,
            Self::OverAccounts => ACCOUNTS.name,
            Self::OverUnits => RISK_UNITS.name,
        }
    }
}

/// A figure that a rule can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What it means, in one sentence.
    pub meaning: Cow<'static, str>,
    /// What it is measured in.
    pub unit: Unit,
    /// Where a run has it.
    pub in_run: Option<Source>,
    /// Where a stress has it.
    pub in_stress: Option<Source>,
}

impl Figure {
    fn of(column: &'static Column, in_run: Option<Source>, in_stress: Option<Source>) -> Self {
        Self { name: column.name.clone(), meaning: column.meaning.clone(), unit: column.unit, in_run, in_stress }
    }

    /// Where a command has it.
    #[must_use]
    pub fn source(&self, command: Command) -> Option<Source> {
        match command {
            Command::Run => self.in_run,
            Command::Stress => self.in_stress,
        }
    }
}

/// True of a column that can be compared with a number.
fn is_number(column: &Column) -> bool {
    matches!(column.kind, Kind::Number | Kind::Level | Kind::Count)
}

/// The figures of a table that both commands write, or a stress alone.
fn of_table(table: &'static TableSpec, in_run: bool) -> Vec<Figure> {
    let source = Source::Table(table);
    let numbers = table.columns.iter().filter(|column| is_number(column));
    numbers.map(|column| Figure::of(column, in_run.then_some(source), Some(source))).collect()
}

/// Figures of an account in a scenario.
pub(super) fn of_accounts() -> Vec<Figure> {
    of_table(&ACCOUNTS, true)
}

/// Figures of a risk unit of an account.
pub(super) fn of_account_units() -> Vec<Figure> {
    of_table(&RISK_UNITS, true)
}

/// Figures of an account in its worst scenario.
pub(super) fn of_worst() -> Vec<Figure> {
    of_table(&WORST, false)
}

/// Figures of a group in a scenario.
pub(super) fn of_groups() -> Vec<Figure> {
    of_table(&GROUPS, true)
}

/// Figures of a risk unit of a group.
pub(super) fn of_group_units() -> Vec<Figure> {
    of_table(&GROUP_UNITS, true)
}

/// Figures of a risk unit over all accounts: what sums up of an account's unit.
pub(super) fn of_units() -> Vec<Figure> {
    let sums = |column: &&Column| {
        is_number(column)
            && (UnitTotals::NAMES.contains(&column.name.as_ref())
                || GROUP_UNITS.columns.iter().any(|of_group| of_group.name == column.name))
    };
    let summed = RISK_UNITS.columns.iter().filter(sums);
    let source = Some(Source::OverUnits);
    summed
        .map(|column| {
            let figure = Figure::of(column, source, source);
            Figure { meaning: format!("Sum over accounts: {}", figure.meaning).into(), ..figure }
        })
        .collect()
}

/// Figures of all accounts together: of a run those of `groups` that are sums or counts, of a stress those of
/// `scenarios`, and how three of them are distributed over the scenarios.
pub(super) fn of_book() -> Vec<Figure> {
    let numbers = book_columns().filter(|column| is_number(column));
    let mut all: Vec<Figure> = numbers.map(|column| Figure::of(column, Some(Source::OverAccounts), None)).collect();
    let scenarios = Source::Table(&SCENARIOS);
    for column in SCENARIOS.columns.iter().filter(|column| is_number(column)) {
        match all.iter_mut().find(|figure| figure.name == column.name) {
            Some(figure) => figure.in_stress = Some(scenarios),
            None => all.push(Figure::of(column, None, Some(scenarios))),
        }
    }
    for (of, about) in [(MMR, "MMR"), (EQUITY_LOSS, "Equity loss"), (SHORTFALL, "Shortfall")] {
        for column in DISTRIBUTION.columns.iter().filter(|column| is_number(column)) {
            let source = Source::Distribution(of, &column.name);
            all.push(Figure {
                name: format!("{of}_{}", column.name).into(),
                meaning: format!("{about} over the scenarios: {}", column.meaning).into(),
                unit: column.unit,
                in_run: None,
                in_stress: Some(source),
            });
        }
    }
    all
}

/// The long form of a name: `shortfall_es99` is `shortfall_expected_shortfall_99`, `mmr_q99_9` is `mmr_quantile_99_9`.
pub(super) fn in_full(name: &str) -> String {
    for (short, long) in [("_es", "_expected_shortfall_"), ("_q", "_quantile_")] {
        if let Some((figure, level)) = name.rsplit_once(short)
            && level.starts_with(|c: char| c.is_ascii_digit())
        {
            return format!("{figure}{long}{level}");
        }
    }
    name.to_owned()
}
