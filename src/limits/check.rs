//! Figures of written tables beside their limits.

use super::figures::{Command, Source};
use super::file::{Limit, Limits};
use super::rule::{Scope, Test, Which};
use super::sums::{OfBook, over_accounts, over_units};
use crate::formats::batch::nearest;
use crate::progress::Progress;
use crate::publish::OutputFile;
use crate::results::{ResultColumns, scan_columns};
use crate::source::Format;
use crate::tables::breaches::{BreachTable, Limited};
use crate::tables::columns::TableSpec;
use crate::totals::limit_summary::{BySeverity, Compared, LimitSummary, LimitsSummary, Subject};
use crate::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// A folder in which the tables of a run or a stress are written.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    pub folder: &'a Path,
    pub format: Format,
    pub command: Command,
    pub progress: &'a dyn Progress,
}

/// The table `breaches`, and what there is to say of each limit.
pub(crate) struct Checked {
    pub file: OutputFile,
    pub summary: LimitsSummary,
}

/// Compares every figure that has a limit, and writes the table `breaches`.
///
/// # Errors
/// Those of reading and writing; [`Error::Runtime`] for a figure that the command does not have, see
/// [`Limits::check_for`].
pub(crate) fn check(limits: &Limits, written: Written) -> Result<Checked> {
    written.progress.stage("limits", "rows", 0);
    let mut table = BreachTable::create(written.folder, written.format)?;
    let mut summary = LimitsSummary {
        blake3: limits.blake3().to_owned(),
        breaches: BySeverity::default(),
        breached: BySeverity::default(),
        each: Vec::with_capacity(limits.all().len()),
    };
    let mut book = None;
    for limit in limits.all() {
        written.progress.check()?;
        let found = OneLimit::new(limit, written)?.check(&mut book, &mut table)?;
        for problem in &found.not_found {
            tracing::warn!("limit `{}`: {problem}", found.name);
        }
        summary.breaches.add(found.severity, found.breaches);
        summary.breached.add(found.severity, u64::from(found.breaches > 0));
        summary.each.push(found);
    }
    Ok(Checked { file: table.finish()?, summary })
}

/// A key of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
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

    const fn noun(self) -> &'static str {
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

/// Which rows of a table have a limit.
struct Filter {
    keys: Vec<Key>,
    /// The grouping.
    by: Option<String>,
    /// A row must have one of the names for each of these keys.
    wanted: Vec<Wanted>,
    test: Test,
}

/// Names of one key, each with its place in the file.
struct Wanted {
    key: Key,
    places: HashMap<String, usize>,
}

impl Wanted {
    fn new(key: Key, names: &[String]) -> Self {
        Self { key, places: names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect() }
    }

    /// The names in the order of the file.
    fn in_order(&self) -> Vec<(usize, &str)> {
        let mut names: Vec<(usize, &str)> = self.places.iter().map(|(name, place)| (*place, name.as_str())).collect();
        names.sort_unstable();
        names
    }
}

/// Names that nobody has, of which the nearest is looked for; the rest is counted.
const MISSING_SHOWN: usize = 20;

/// What was found in some consecutive rows.
#[derive(Default)]
struct Seen {
    checked: u64,
    without_figure: u64,
    breaches: Vec<Compared>,
    worst: Option<Compared>,
    /// The wanted names that rows have, by their places.
    matched: BTreeSet<(usize, usize)>,
}

impl Filter {
    fn name<'n>(&self, key: Key, names: &[&'n str]) -> Option<&'n str> {
        let place = self.keys.iter().position(|known| *known == key)?;
        names.get(place).copied()
    }

    fn is_of_grouping(&self, names: &[&str]) -> bool {
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

    fn take(&self, seen: &mut Seen, names: &[&str], value: Option<f64>) {
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
        if !is_worst && !is_breach {
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
        if is_breach {
            seen.breaches.push(found.clone());
        }
        if is_worst {
            seen.worst = Some(found);
        }
    }
}

/// A limit beside the figures of a folder.
struct OneLimit<'a> {
    limit: &'a Limit,
    written: Written<'a>,
    source: Source,
    filter: Filter,
    limited: Arc<Limited>,
}

impl<'a> OneLimit<'a> {
    fn new(limit: &'a Limit, written: Written<'a>) -> Result<Self> {
        let Limit { name, rule, severity, text, only, scenarios } = limit;
        let missing = || Error::Runtime(format!("limit `{name}` is about a figure that this command does not have"));
        let source = rule.figure.source(written.command).ok_or_else(missing)?;
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
        Ok(Self { limit, written, source, filter, limited: Arc::new(limited) })
    }

    /// Compares all rows. `book` keeps what accounts add up to, for the next limit.
    fn check(&self, book: &mut Option<Vec<(String, OfBook)>>, table: &mut BreachTable) -> Result<LimitSummary> {
        let Written { folder, progress, .. } = self.written;
        let mut all = Seen::default();
        let mut breaches = 0;
        let mut merge = |later: Seen| {
            breaches += later.breaches.len() as u64;
            all.checked += later.checked;
            all.without_figure += later.without_figure;
            all.matched.extend(later.matched);
            // Of equals the first.
            let is_worse = |later: &Compared| all.worst.as_ref().is_none_or(|worst| later.excess > worst.excess);
            if let Some(worst) = later.worst.filter(is_worse) {
                all.worst = Some(worst);
            }
            later.breaches.into_iter().try_for_each(|found| table.add(&self.limited, found))
        };
        match self.source {
            Source::Table(_) => {
                self.scan(|seen: &mut Seen, names, value| self.filter.take(seen, names, value), merge)?;
            }
            Source::Distribution(of, column) => {
                let columns = ResultColumns { names: &["figure"], flags: &[], figures: &[column] };
                let fold = |seen: &mut Seen, names: &[&str], figures: &[Option<f64>]| {
                    if names == [of] {
                        self.filter.take(seen, &[], figures.first().copied().flatten());
                    }
                };
                scan_columns(folder, self.source.table(), columns, fold, merge, progress)?;
            }
            Source::OverAccounts => {
                if book.is_none() {
                    *book = Some(over_accounts(folder, progress)?);
                }
                for (scenario, of) in book.iter().flatten() {
                    let mut seen = Seen::default();
                    self.filter.take(&mut seen, &[scenario], of.figure(&self.limit.rule.figure.name)?);
                    merge(seen)?;
                }
            }
            Source::OverUnits => {
                for (scenario, unit, value) in over_units(folder, self.column()?, progress)? {
                    let mut seen = Seen::default();
                    self.filter.take(&mut seen, &[&scenario, &unit], Some(value));
                    merge(seen)?;
                }
            }
        }
        let Limit { name, rule, severity, text, .. } = self.limit;
        Ok(LimitSummary {
            name: name.clone(),
            severity: *severity,
            rule: rule.to_string(),
            unit: rule.figure.unit.name().to_owned(),
            text: text.clone(),
            checked: all.checked,
            breaches,
            without_figure: all.without_figure,
            not_found: self.not_found(&all, book.as_deref().unwrap_or_default())?,
            worst: all.worst,
        })
    }

    /// The column of the figure in its table, for as long as the program runs.
    fn column(&self) -> Result<&'static str> {
        let name = &self.limit.rule.figure.name;
        let table = match self.source {
            Source::Table(table) => table,
            _ => &crate::tables::columns::RISK_UNITS,
        };
        let column = table.columns.iter().find(|column| column.name == *name).map(|column| column.name.as_ref());
        column.ok_or_else(|| Error::Runtime(format!("the table `{}` has no column `{name}`", table.name)))
    }

    /// Reads the keys of each row, and the figure.
    fn scan<T: Default + Send + 'static>(
        &self,
        fold: impl Fn(&mut T, &[&str], Option<f64>) + Sync,
        merge: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let names: Vec<&'static str> = self.filter.keys.iter().map(|key| key.column()).collect();
        let columns = ResultColumns { names: &names, flags: &[], figures: &[self.column()?] };
        let fold = |local: &mut T, names: &[&str], figures: &[Option<f64>]| {
            fold(local, names, figures.first().copied().flatten());
        };
        let Written { folder, progress, .. } = self.written;
        let table = self.source.table();
        if scan_columns(folder, table, columns, fold, merge, progress)? {
            return Ok(());
        }
        Err(Error::Runtime(format!("limit `{}`: the table `{table}` is not written", self.limit.name)))
    }

    /// What the limit names and no row has, each with the nearest name; or that there was nothing to compare.
    fn not_found(&self, all: &Seen, book: &[(String, OfBook)]) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for (place, wanted) in self.filter.wanted.iter().enumerate() {
            let names = wanted.in_order();
            let absent = names.into_iter().filter(|(which, _)| !all.matched.contains(&(place, *which)));
            missing.extend(absent.map(|(_, name)| (wanted.key, name)));
        }
        let more = missing.len().saturating_sub(MISSING_SHOWN);
        missing.truncate(MISSING_SHOWN);
        if missing.is_empty() {
            let is_empty = all.checked + all.without_figure == 0;
            let words = "it watches nothing: no row of the tables has such a figure";
            return Ok(is_empty.then(|| words.to_owned()).into_iter().collect());
        }
        let mut near: Vec<BTreeSet<String>> = vec![BTreeSet::new(); missing.len()];
        let note = |near: &mut Vec<BTreeSet<String>>, names: &[&str]| {
            near.resize(missing.len(), BTreeSet::new());
            for ((key, wanted), near) in missing.iter().zip(near) {
                let known = self.filter.name(*key, names).unwrap_or_default();
                if is_near(wanted, known) && !near.contains(known) {
                    near.insert(known.to_owned());
                }
            }
        };
        match self.source {
            Source::Table(_) => self.scan(
                |near: &mut Vec<BTreeSet<String>>, names, _| {
                    if self.filter.is_of_grouping(names) {
                        note(near, names);
                    }
                },
                |later| {
                    near.iter_mut().zip(later).for_each(|(near, more)| near.extend(more));
                    Ok(())
                },
            )?,
            Source::OverUnits => {
                for (scenario, unit, _) in over_units(self.written.folder, self.column()?, self.written.progress)? {
                    note(&mut near, &[&scenario, &unit]);
                }
            }
            Source::OverAccounts => book.iter().for_each(|(scenario, _)| note(&mut near, &[scenario])),
            Source::Distribution(..) => {}
        }
        let words = missing.iter().zip(&near).map(|((key, name), near)| {
            let nearest = nearest(name, near.iter().map(String::as_str)).or(near.first().map(String::as_str));
            let hint = nearest.map_or_else(String::new, |near| format!("; is it `{near}`?"));
            // Accounts that are left out have no row.
            let whose = if matches!(key, Key::Group | Key::RiskUnit) { " of a margined account" } else { "" };
            let noun = if *key == Key::AccountId { "margined account" } else { key.noun() };
            format!("no {noun}{whose} is called `{name}`{hint}")
        });
        let more = (more > 0).then(|| format!("{more} more names are not found"));
        Ok(words.chain(more).collect())
    }
}

/// True if a name may be meant by another: few letters differ, or it begins with it, as `BTC-USDT` with `BTC`.
fn is_near(wanted: &str, known: &str) -> bool {
    let begins = !wanted.is_empty() && known.starts_with(wanted);
    begins || nearest(wanted, std::iter::once(known)).is_some()
}
