//! The two large tables of a run, read back: what they add up to, and the rows of some accounts.

use super::{Difference, Findings, Origin};
use crate::Result;
use crate::figures::{ACCOUNT, AccountFigure, AccountRow, Layout, Totals, UNIT, UnitFigure, UnitRow, Unknown};
use crate::margin::{AccountMargin, UnitMargin};
use crate::market::scenario::BASE;
use crate::progress::Progress;
use crate::results::{ResultColumns, scan_result};
use crate::totals::at_risk::Binding;
use crate::totals::counts::Standing;
use crate::totals::sum::Sum;
use crate::totals::summary::{AccountCounts, BindingCounts};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::LazyLock;

/// The columns of `accounts`.
static ACCOUNTS: LazyLock<Layout<AccountMargin>> =
    LazyLock::new(|| Layout::of(&["account_id", "scenario"], &ACCOUNT, |_| true));
/// The columns of `risk_units`.
static UNITS: LazyLock<Layout<UnitMargin>> =
    LazyLock::new(|| Layout::of(&["account_id", "scenario", "risk_unit"], &UNIT, |_| true));

fn columns<M>(layout: &Layout<M>) -> ResultColumns<'_> {
    ResultColumns { names: &layout.names, flags: &layout.flags, figures: &layout.numbers }
}

/// Columns of each table that are compared with the reference: all but the keys.
pub(super) const ACCOUNT_COLUMNS: u64 = AccountFigure::ALL.len() as u64;
pub(super) const UNIT_COLUMNS: u64 = UnitFigure::ALL.len() as u64;

/// Figures that the summary adds up.
const SUMMED: usize = Totals::NAMES.len();

/// All rows of `accounts`, added up.
#[derive(Default)]
pub(super) struct AccountsPass {
    pub rows: u64,
    pub base_rows: u64,
    pub counts: AccountCounts,
    sums: [Sum; SUMMED],
    sizes: [f64; SUMMED],
    findings: Findings,
}

impl AccountsPass {
    /// Reads the table. If the snapshot is at hand, each row must be that of the account and scenario whose turn it is.
    pub fn read(run: &Path, origin: Option<&Origin>, findings: &mut Findings, progress: &dyn Progress) -> Result<Self> {
        progress.stage("reconcile", "rows", 0);
        let mut all = Self::default();
        let fold = |local: &mut Self, row: u64, names: &[&str], figures: &[Option<f64>]| {
            if let Some(origin) = origin {
                local.place(origin, row, names);
            }
            local.add(row, names, figures);
        };
        scan_result(run, "accounts", columns(&ACCOUNTS), progress, fold, |local: Self| all.merge(local))?;
        findings.take(std::mem::take(&mut all.findings));
        Ok(all)
    }

    fn place(&mut self, origin: &Origin, row: u64, names: &[&str]) {
        let (scenarios, index) = (origin.scenarios.len() as u64, row - 1);
        let account = (index / scenarios) as usize;
        let expected_id = (account < origin.book().len()).then(|| origin.book().accounts().get(account));
        let expected_scenario =
            origin.scenarios.get((index % scenarios) as usize).map(|scenario| scenario.name.as_str());
        for (column, found, expected) in
            [("account_id", names[0], expected_id), ("scenario", names[1], expected_scenario)]
        {
            self.findings.compared += 1;
            if expected.is_none_or(|expected| origin.written(expected) != found) {
                self.findings.differ(Difference {
                    file: "accounts".into(),
                    row: Some(row),
                    column: column.into(),
                    found: found.to_owned(),
                    expected: expected.unwrap_or("no more rows").to_owned(),
                    ..Difference::default()
                });
            }
        }
    }

    fn add(&mut self, row: u64, names: &[&str], figures: &[Option<f64>]) {
        self.rows += 1;
        let (account, unknown) = AccountRow::read(&ACCOUNTS, names, figures);
        if names[1] != BASE {
            return;
        }
        self.base_rows += 1;
        self.counts.add(Standing::from(&account));
        if let Some((column, found)) = unknown {
            self.findings.differ(Difference {
                file: "accounts".into(),
                row: Some(row),
                column: column.into(),
                found,
                expected: format!("a {column}"),
                ..Difference::default()
            });
        }
        let summed = ACCOUNT.iter().zip(account.values()).filter(|(figure, _)| figure.sums);
        for (place, (_, value)) in summed.enumerate() {
            self.sums[place].add(*value);
            self.sizes[place] += value.abs();
        }
    }

    fn merge(&mut self, later: Self) {
        self.rows += later.rows;
        self.base_rows += later.base_rows;
        self.counts.merge(&later.counts);
        for place in 0..SUMMED {
            self.sums[place].merge(&later.sums[place]);
            self.sizes[place] += later.sizes[place];
        }
        self.findings.take(later.findings);
    }

    /// Each sum in the order of the summary's totals, with the sum of the absolute values.
    pub fn sums(&self) -> impl Iterator<Item = (f64, f64)> {
        self.sums.iter().map(|sum| sum.value()).zip(self.sizes)
    }
}

/// All rows of `risk_units` of the base case, added up by risk unit.
#[derive(Default)]
pub(super) struct UnitsPass {
    pub rows: u64,
    pub units: BTreeMap<String, UnitTotal>,
}

/// One risk unit over all accounts.
#[derive(Default)]
pub(super) struct UnitTotal {
    pub accounts: u64,
    pub mmr: Sum,
    pub size: f64,
    pub binding: BindingCounts,
}

impl UnitsPass {
    pub fn read(run: &Path, progress: &dyn Progress) -> Result<Self> {
        let mut all = Self::default();
        let fold = |local: &mut Self, _: u64, names: &[&str], figures: &[Option<f64>]| {
            local.rows += 1;
            if names[1] != BASE {
                return;
            }
            let (unit, _) = UnitRow::read(&UNITS, names, figures);
            let mmr = unit.number(UnitFigure::mmr);
            let total = match local.units.get_mut(names[2]) {
                Some(total) => total,
                None => local.units.entry(names[2].to_owned()).or_default(),
            };
            total.accounts += 1;
            total.mmr.add(mmr);
            total.size += mmr.abs();
            *total.binding.of(Binding::of_row(&unit)) += 1;
        };
        scan_result(run, "risk_units", columns(&UNITS), progress, fold, |local: Self| {
            all.rows += local.rows;
            for (name, mut later) in local.units {
                let total = all.units.entry(name).or_default();
                total.accounts += later.accounts;
                total.mmr.merge(&later.mmr);
                total.size += later.size;
                for binding in Binding::ALL {
                    *total.binding.of(binding) += *later.binding.of(binding);
                }
            }
        })?;
        Ok(all)
    }
}

/// An account and a scenario, by their places in the book and in the run.
pub(super) type Key = (usize, usize);

/// Row number, content, and the first label that is none of its words.
type ReadAccount = (u64, AccountRow, Option<Unknown>);
/// Row number, name, content, and the same.
type ReadUnit = (u64, String, UnitRow, Option<Unknown>);

/// The rows of some accounts, in order.
#[derive(Default)]
pub(super) struct SampleRows {
    pub accounts: HashMap<Key, Vec<ReadAccount>>,
    pub units: HashMap<Key, Vec<ReadUnit>>,
}

impl SampleRows {
    pub fn read(run: &Path, origin: &Origin, wanted: &[usize], progress: &dyn Progress) -> Result<Self> {
        let ids = wanted.iter().map(|&account| (origin.written(origin.book().accounts().get(account)), account));
        let accounts: HashMap<Cow<str>, usize> = ids.collect();
        let names = origin.scenarios.iter().map(|scenario| origin.written(&scenario.name));
        let scenarios: HashMap<Cow<str>, usize> = names.zip(0..).collect();
        let key = |names: &[&str]| Some((*accounts.get(names[0])?, *scenarios.get(names[1])?));

        let mut rows = Self::default();
        let fold = |local: &mut Vec<(Key, ReadAccount)>, row: u64, names: &[&str], figures: &[Option<f64>]| {
            if let Some(key) = key(names) {
                let (account, unknown) = AccountRow::read(&ACCOUNTS, names, figures);
                local.push((key, (row, account, unknown)));
            }
        };
        scan_result(run, "accounts", columns(&ACCOUNTS), progress, fold, |local: Vec<(Key, ReadAccount)>| {
            for (key, row) in local {
                rows.accounts.entry(key).or_default().push(row);
            }
        })?;
        let fold = |local: &mut Vec<(Key, ReadUnit)>, row: u64, names: &[&str], figures: &[Option<f64>]| {
            let Some(key) = key(names) else { return };
            let (unit, unknown) = UnitRow::read(&UNITS, names, figures);
            local.push((key, (row, names[2].to_owned(), unit, unknown)));
        };
        scan_result(run, "risk_units", columns(&UNITS), progress, fold, |local: Vec<(Key, ReadUnit)>| {
            for (key, row) in local {
                rows.units.entry(key).or_default().push(row);
            }
        })?;
        Ok(rows)
    }
}
