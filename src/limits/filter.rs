//! Which rows of a table have a limit, and what was found in them.

use super::figures::{Command, Source};
use super::file::Limit;
use super::rule::{Scope, Test, Which};
use crate::tables::breaches::Limited;
use crate::tables::columns::{RISK_UNITS, TableSpec};
use crate::totals::limit_summary::{Compared, Subject};
use crate::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A key of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    AccountId,
    By,
    Group,
    Scenario,
    RiskUnit,
}

impl Key {
    const ALL: [Self; 5] = [Self::AccountId, Self::By, Self::Group, Self::Scenario, Self::RiskUnit];

    const fn column(self) -> &'static str {
        match self {
            Self::AccountId => "account_id",
            Self::By => "by",
            Self::Group => "group",
            Self::Scenario => "scenario",
            Self::RiskUnit => "risk_unit",
        }
    }

    pub const fn noun(self) -> &'static str {
        match self {
            Self::AccountId => "account",
            Self::By => "grouping",
            Self::Group => "group",
            Self::Scenario => "scenario",
            Self::RiskUnit => "risk unit",
        }
    }

    /// Those that a table has.
    fn of(table: &TableSpec) -> Vec<Self> {
        let has = |key: &Self| table.columns.iter().any(|column| column.name == key.column());
        Self::ALL.into_iter().filter(has).collect()
    }
}

/// The column of `distribution` that says which figure of the book a row is about.
const FIGURE: &str = "figure";

/// Which rows of a table have a limit.
pub(super) struct Filter {
    keys: Vec<Key>,
    /// The grouping.
    by: Option<String>,
    /// A row must have one of the names for each of these keys.
    pub wanted: Vec<Wanted>,
    test: Test,
}

/// Names of one key, each with its place in the file.
pub(super) struct Wanted {
    pub key: Key,
    places: HashMap<String, usize>,
}

impl Wanted {
    fn new(key: Key, names: &[String]) -> Self {
        Self { key, places: names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect() }
    }

    /// The names in the order of the file.
    pub fn in_order(&self) -> Vec<(usize, &str)> {
        let mut names: Vec<(usize, &str)> = self.places.iter().map(|(name, place)| (*place, name.as_str())).collect();
        names.sort_unstable();
        names
    }
}

/// What was found in some consecutive rows.
#[derive(Default)]
pub(super) struct Seen {
    pub checked: u64,
    pub without_figure: u64,
    /// How many breaches there are.
    pub breaches: u64,
    pub worst: Option<Compared>,
    /// The wanted names that rows have, by their places.
    pub matched: BTreeSet<(usize, usize)>,
    /// The breaches, unless they are given up: they are too many to keep, and will be looked for once more.
    pub kept: Vec<Compared>,
    pub kept_bytes: usize,
    pub is_given_up: bool,
}

impl Seen {
    /// Adds the rows that follow, but for their breaches, which are returned.
    pub fn merge(&mut self, later: Self) -> Vec<Compared> {
        self.checked += later.checked;
        self.without_figure += later.without_figure;
        self.breaches += later.breaches;
        self.matched.extend(later.matched);
        // Of equals the first.
        let is_worse = |later: &Compared| self.worst.as_ref().is_none_or(|worst| later.excess > worst.excess);
        if let Some(worst) = later.worst.filter(is_worse) {
            self.worst = Some(worst);
        }
        if later.is_given_up {
            self.give_up();
        }
        later.kept
    }

    /// Keeps breaches.
    pub fn keep(&mut self, breaches: impl IntoIterator<Item = Compared>) {
        if self.is_given_up {
            return;
        }
        for found in breaches {
            self.kept_bytes += bytes_of(&found);
            self.kept.push(found);
        }
    }

    /// Forgets the breaches. Returns what they took.
    pub fn give_up(&mut self) -> usize {
        self.is_given_up = true;
        self.kept = Vec::new();
        std::mem::take(&mut self.kept_bytes)
    }
}

/// What a breach takes while it is kept.
fn bytes_of(found: &Compared) -> usize {
    let of = &found.of;
    let texts = [&of.scenario, &of.by, &of.group, &of.account_id, &of.risk_unit];
    size_of::<Compared>() + texts.into_iter().flatten().map(String::len).sum::<usize>()
}

impl Filter {
    pub fn name<'n>(&self, key: Key, names: &[&'n str]) -> Option<&'n str> {
        let place = self.keys.iter().position(|known| *known == key)?;
        names.get(place).copied()
    }

    pub fn is_of_grouping(&self, names: &[&str]) -> bool {
        self.by.as_deref().is_none_or(|by| self.name(Key::By, names) == Some(by))
    }

    /// True if the row has a limit; notes the wanted names that it has.
    fn admits(&self, names: &[&str], seen: &mut Seen) -> bool {
        if !self.is_of_grouping(names) {
            return false;
        }
        let mut is_admitted = true;
        for (place, wanted) in self.wanted.iter().enumerate() {
            let name = self.name(wanted.key, names);
            match name.and_then(|name| wanted.places.get(name)).copied() {
                Some(which) => {
                    if !seen.matched.contains(&(place, which)) {
                        seen.matched.insert((place, which));
                    }
                }
                None => is_admitted = false,
            }
        }
        is_admitted
    }

    pub fn take(&self, seen: &mut Seen, names: &[&str], value: Option<f64>) {
        if !self.admits(names, seen) {
            return;
        }
        let Some(value) = value else {
            seen.without_figure += 1;
            return;
        };
        seen.checked += 1;
        let excess = self.test.excess(value);
        let is_worst = seen.worst.as_ref().is_none_or(|worst| excess > worst.excess);
        let is_breach = !self.test.holds(value);
        seen.breaches += u64::from(is_breach);
        let is_kept = is_breach && !seen.is_given_up;
        if !is_worst && !is_kept {
            return;
        }
        let name = |key| self.name(key, names).map(str::to_owned);
        let of = Subject {
            scenario: name(Key::Scenario),
            by: name(Key::By),
            group: name(Key::Group),
            account_id: name(Key::AccountId),
            risk_unit: name(Key::RiskUnit),
        };
        let found = Compared { value, excess, of };
        match (is_kept, is_worst) {
            (true, true) => {
                seen.worst = Some(found.clone());
                seen.keep([found]);
            }
            (true, false) => seen.keep([found]),
            (false, _) => seen.worst = Some(found),
        }
    }
}

/// A limit, and where its figures are.
pub(super) struct OneLimit<'a> {
    pub limit: &'a Limit,
    pub source: Source,
    pub filter: Filter,
    pub limited: Arc<Limited>,
}

impl<'a> OneLimit<'a> {
    /// # Errors
    /// [`Error::Runtime`] for a figure that the command does not have.
    pub fn new(limit: &'a Limit, command: Command) -> Result<Self> {
        let Limit { name, rule, severity, text, only, scenarios, .. } = limit;
        let missing = || Error::Runtime(format!("limit `{name}` is about a figure that this command does not have"));
        let source = rule.figure.source(command).ok_or_else(missing)?;
        let keys = match source {
            Source::Table(table) => Key::of(table),
            Source::Distribution(..) => Vec::new(),
            Source::OverAccounts => vec![Key::Scenario],
            Source::OverUnits => vec![Key::Scenario, Key::RiskUnit],
        };
        let mut wanted = Vec::new();
        if let Some(Which::Named(unit)) = rule.scope.unit() {
            wanted.push(Wanted::new(Key::RiskUnit, std::slice::from_ref(unit)));
        }
        if !only.is_empty() {
            let is_of_groups = matches!(rule.scope, Scope::Group(_) | Scope::GroupUnit(..));
            wanted.push(Wanted::new(if is_of_groups { Key::Group } else { Key::AccountId }, only));
        }
        if !scenarios.is_empty() {
            wanted.push(Wanted::new(Key::Scenario, scenarios));
        }
        let by = rule.scope.grouping().map(ToString::to_string);
        let limited = Limited {
            limit: name.clone(),
            severity: severity.name(),
            scope: rule.scope.name(),
            figure: rule.figure.name.to_string(),
            unit: rule.figure.unit.name(),
            operator: rule.test.operator(),
            least: rule.test.least(),
            most: rule.test.most(),
            text: text.clone(),
        };
        let filter = Filter { keys, by, wanted, test: rule.test };
        Ok(Self { limit, source, filter, limited: Arc::new(limited) })
    }

    /// The columns of its table that hold names: the keys, or which figure a row is about.
    pub fn names(&self) -> Vec<&'static str> {
        match self.source {
            Source::Distribution(..) => vec![FIGURE],
            _ => self.filter.keys.iter().map(|key| key.column()).collect(),
        }
    }

    /// The column of the figure in its table, for as long as the program runs.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the table has none, which reading the rule excludes.
    pub fn column(&self) -> Result<&'static str> {
        let name = &self.limit.rule.figure.name;
        let table: &'static TableSpec = match self.source {
            Source::Distribution(_, column) => return Ok(column),
            Source::Table(table) => table,
            Source::OverAccounts | Source::OverUnits => &RISK_UNITS,
        };
        let column = table.columns.iter().find(|column| column.name == *name).map(|column| column.name.as_ref());
        column.ok_or_else(|| Error::Runtime(format!("the table `{}` has no column `{name}`", table.name)))
    }

    /// Compares a row, whose names are those of [`OneLimit::names`].
    pub fn take(&self, seen: &mut Seen, names: &[&str], value: Option<f64>) {
        match self.source {
            Source::Distribution(of, _) if names == [of] => self.filter.take(seen, &[], value),
            Source::Distribution(..) => {}
            _ => self.filter.take(seen, names, value),
        }
    }
}
