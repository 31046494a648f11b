//! The two large tables of a run, read back: what they add up to, and the rows of some accounts.

use super::{Difference, Findings, Origin};
use crate::Result;
use crate::margin::{AccountMargin, Status, UnitMargin, VolState};
use crate::market::scenario::BASE;
use crate::progress::Progress;
use crate::results::{ResultColumns, scan_result};
use crate::totals::at_risk::Binding;
use crate::totals::sum::Sum;
use crate::totals::summary::{AccountCounts, BindingCounts};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Figures that the summary adds up, in its order, and the margin ratio.
const ACCOUNT_FIGURES: [&str; 13] = [
    "adj_eq",
    "total_eq",
    "upl",
    "mmr",
    "imr",
    "deriv_mmr",
    "borrow_mmr",
    "borrow_imr",
    "liquidation_fee",
    "mmr_no_hedge",
    "imr_no_hedge",
    "order_imr",
    "margin_ratio",
];
const SUMMED: usize = 12;
const ACCOUNTS: ResultColumns = ResultColumns {
    names: &["account_id", "scenario", "status"],
    flags: &["im_deficit", "ineligible"],
    figures: &ACCOUNT_FIGURES,
};
const UNITS: ResultColumns = ResultColumns {
    names: &["account_id", "scenario", "risk_unit", "mr1_vol"],
    flags: &[],
    figures: &[
        "mr1",
        "mr1_price",
        "mr2",
        "mr3",
        "mr4",
        "mr5",
        "mr6",
        "mr6_price",
        "mr7",
        "mr9",
        "mmr",
        "imr",
        "cash_delta",
        "gamma",
        "vega",
        "theta",
        "spot_in_use",
        "upl",
        "order_imr",
    ],
};
/// Columns of each table that are compared with the reference: all but the keys.
pub(super) const ACCOUNT_COLUMNS: u64 = 16;
pub(super) const UNIT_COLUMNS: u64 = 20;

/// All rows of `accounts`, added up.
#[derive(Default)]
pub(super) struct AccountsPass {
    pub rows: u64,
    pub base_rows: u64,
    /// Rows that belong into `at_risk`.
    pub at_risk: u64,
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
        scan_result(run, "accounts", ACCOUNTS, progress, fold, |local: Self| all.merge(local))?;
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
        let status = status_of(names[2]);
        let at_risk = names[3] == "true" || matches!(status, Some(Status::Liquidation | Status::NearLiquidation));
        self.at_risk += u64::from(at_risk);
        if names[1] != BASE {
            return;
        }
        self.base_rows += 1;
        self.counts.at_risk += u64::from(at_risk);
        match status {
            Some(status) => *self.counts.by_status.of(status) += 1,
            None => self.findings.differ(Difference {
                file: "accounts".into(),
                row: Some(row),
                column: "status".into(),
                found: names[2].to_owned(),
                expected: "a status".to_owned(),
                ..Difference::default()
            }),
        }
        self.counts.im_deficit += u64::from(names[3] == "true");
        self.counts.ineligible += u64::from(names[4] == "true");
        for (place, figure) in figures.iter().take(SUMMED).enumerate() {
            let figure = figure.unwrap_or(f64::NAN);
            self.sums[place].add(figure);
            self.sizes[place] += figure.abs();
        }
    }

    fn merge(&mut self, later: Self) {
        self.rows += later.rows;
        self.base_rows += later.base_rows;
        self.at_risk += later.at_risk;
        self.counts.at_risk += later.counts.at_risk;
        self.counts.im_deficit += later.counts.im_deficit;
        self.counts.ineligible += later.counts.ineligible;
        for status in Status::ALL {
            let mut counts = later.counts.by_status;
            *self.counts.by_status.of(status) += *counts.of(status);
        }
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
            let unit = unit_of(0, VolState::Same, figures);
            let total = match local.units.get_mut(names[2]) {
                Some(total) => total,
                None => local.units.entry(names[2].to_owned()).or_default(),
            };
            total.accounts += 1;
            total.mmr.add(unit.mmr);
            total.size += unit.mmr.abs();
            *total.binding.of(Binding::of(&unit)) += 1;
        };
        scan_result(run, "risk_units", UNITS, progress, fold, |local: Self| {
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

/// Row number and content; a status that is none is kept as it stands.
type AccountRow = (u64, Result<AccountMargin, String>);
/// Row number, name and content; the same for a state of volatility.
type UnitRow = (u64, String, Result<UnitMargin, String>);

/// The rows of some accounts, in order.
#[derive(Default)]
pub(super) struct SampleRows {
    pub accounts: HashMap<Key, Vec<AccountRow>>,
    pub units: HashMap<Key, Vec<UnitRow>>,
}

impl SampleRows {
    pub fn read(run: &Path, origin: &Origin, wanted: &[usize], progress: &dyn Progress) -> Result<Self> {
        let ids = wanted.iter().map(|&account| (origin.written(origin.book().accounts().get(account)), account));
        let accounts: HashMap<Cow<str>, usize> = ids.collect();
        let names = origin.scenarios.iter().map(|scenario| origin.written(&scenario.name));
        let scenarios: HashMap<Cow<str>, usize> = names.zip(0..).collect();
        let key = |names: &[&str]| Some((*accounts.get(names[0])?, *scenarios.get(names[1])?));

        let mut rows = Self::default();
        let fold = |local: &mut Vec<(Key, AccountRow)>, row: u64, names: &[&str], figures: &[Option<f64>]| {
            if let Some(key) = key(names) {
                local.push((key, (row, account_of(names, figures))));
            }
        };
        scan_result(run, "accounts", ACCOUNTS, progress, fold, |local: Vec<(Key, AccountRow)>| {
            for (key, row) in local {
                rows.accounts.entry(key).or_default().push(row);
            }
        })?;
        let fold = |local: &mut Vec<(Key, UnitRow)>, row: u64, names: &[&str], figures: &[Option<f64>]| {
            let Some(key) = key(names) else { return };
            let vol = VolState::ALL.into_iter().find(|state| state.name() == names[3]);
            let unit = vol.map(|vol| unit_of(0, vol, figures)).ok_or_else(|| names[3].to_owned());
            local.push((key, (row, names[2].to_owned(), unit)));
        };
        scan_result(run, "risk_units", UNITS, progress, fold, |local: Vec<(Key, UnitRow)>| {
            for (key, row) in local {
                rows.units.entry(key).or_default().push(row);
            }
        })?;
        Ok(rows)
    }
}

fn status_of(name: &str) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status.name() == name)
}

/// A figure that is not there is NaN, which agrees with nothing.
fn account_of(names: &[&str], figures: &[Option<f64>]) -> Result<AccountMargin, String> {
    let status = status_of(names[2]).ok_or_else(|| names[2].to_owned())?;
    let figure = |place: usize| figures[place].unwrap_or(f64::NAN);
    Ok(AccountMargin {
        adj_eq: figure(0),
        total_eq: figure(1),
        upl: figure(2),
        mmr: figure(3),
        imr: figure(4),
        deriv_mmr: figure(5),
        borrow_mmr: figure(6),
        borrow_imr: figure(7),
        liquidation_fee: figure(8),
        margin_ratio: figures[12],
        status,
        im_deficit: names[3] == "true",
        ineligible: names[4] == "true",
        mmr_no_hedge: figure(9),
        imr_no_hedge: figure(10),
        order_imr: figure(11),
    })
}

fn unit_of(unit: u32, mr1_vol: VolState, figures: &[Option<f64>]) -> UnitMargin {
    let figure = |place: usize| figures[place].unwrap_or(f64::NAN);
    UnitMargin {
        unit,
        mr1: figure(0),
        mr1_price: figure(1),
        mr1_vol,
        mr2: figure(2),
        mr3: figure(3),
        mr4: figure(4),
        mr5: figure(5),
        mr6: figure(6),
        mr6_price: figure(7),
        mr7: figure(8),
        mr9: figure(9),
        mmr: figure(10),
        imr: figure(11),
        cash_delta: figure(12),
        gamma: figure(13),
        vega: figure(14),
        theta: figure(15),
        spot_in_use: figure(16),
        upl: figure(17),
        // No column of the table.
        mmr_no_hedge: f64::NAN,
        order_imr: figure(18),
    }
}
