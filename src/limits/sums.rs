//! Figures of the book and of its risk units, summed up over the written tables `accounts` and `risk_units`.
//!
//! Rows are added one after another in the order of the table, so that the sums are the same bits however the table is
//! read.

use super::figures::Source;
use super::filter::OneLimit;
use crate::book::Interner;
use crate::figures::{ACCOUNT, AccountFigure, AccountRow, Layout, Totals, UNIT, UnitRow};
use crate::margin::extremes::positive_part;
use crate::margin::{AccountMargin, UnitMargin};
use crate::progress::Progress;
use crate::results::{ResultColumns, scan_columns};
use crate::tables::columns::{ACCOUNTS, RISK_UNITS};
use crate::tables::groups::batch_of;
use crate::totals::charges::Charges;
use crate::totals::groups::{GroupRow, Shortfalls, WorstAccount};
use crate::totals::sum::Sum;
use crate::totals::summary::AccountCounts;
use crate::{Error, Result};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use std::path::Path;

/// All accounts of a scenario.
#[derive(Default)]
struct OfBook {
    counts: AccountCounts,
    totals: [Sum; Totals::NAMES.len()],
    shortfalls: Shortfalls<Sum>,
    worst: Option<WorstAccount>,
}

impl OfBook {
    fn add(&mut self, account: &AccountRow) {
        self.counts.add(account.into());
        let summed = ACCOUNT.iter().zip(account.values()).filter(|(figure, _)| figure.sums);
        self.totals.iter_mut().zip(summed).for_each(|(sum, (_, value))| sum.add(*value));
        let [adj_eq, total_eq, mmr, imr, fee] = [
            AccountFigure::adj_eq,
            AccountFigure::total_eq,
            AccountFigure::mmr,
            AccountFigure::imr,
            AccountFigure::liquidation_fee,
        ]
        .map(|figure| account.number(figure));
        self.shortfalls.mmr.add(positive_part(mmr + fee - adj_eq));
        self.shortfalls.imr.add(positive_part(imr - adj_eq));
        self.shortfalls.equity.add(positive_part(-total_eq));
        if let Some(margin_ratio) = account.optional(AccountFigure::margin_ratio)
            && self.worst.as_ref().is_none_or(|worst| margin_ratio < worst.margin_ratio)
        {
            self.worst = Some(WorstAccount { margin_ratio, account_id: Box::default() });
        }
    }

    /// The figure of this name, as a group of all accounts has it; `None` if it is null.
    fn figure(&self, name: &str) -> Result<Option<f64>> {
        let Shortfalls { mmr, imr, equity } = self.shortfalls;
        let batch = batch_of(&GroupRow {
            by: "",
            group: "",
            scenario: "",
            counts: self.counts,
            totals: Totals::new(self.totals.map(Sum::value)),
            shortfalls: Shortfalls { mmr: mmr.value(), imr: imr.value(), equity: equity.value() },
            mmr_share: None,
            charges: Charges::default(),
            worst: self.worst.as_ref(),
        })?;
        let column = batch.column_by_name(name).filter(|column| column.len() == 1);
        let column = column.ok_or_else(|| Error::Runtime(format!("the book has no figure `{name}`")))?;
        if column.is_null(0) {
            return Ok(None);
        }
        let number = column.as_primitive_opt::<Float64Type>().map(|column| column.value(0));
        let count = column.as_primitive_opt::<Int64Type>().map(|column| column.value(0) as f64);
        number.or(count).map(Some).ok_or_else(|| Error::Runtime(format!("the figure `{name}` is no number")))
    }
}

/// Figures over all accounts, as far as limits are about them.
#[derive(Default)]
pub(crate) struct Sums {
    /// All accounts, if a limit is about a figure of theirs.
    accounts: Option<OfAccounts>,
    /// All risk units, if a limit is about a figure of theirs.
    units: Option<OfUnits>,
}

/// All accounts by scenario, in the order of the scenarios.
#[derive(Default)]
struct OfAccounts {
    scenarios: Interner,
    sums: Vec<OfBook>,
}

impl OfAccounts {
    fn add(&mut self, scenario: usize, account: &AccountRow) {
        if scenario >= self.sums.len() {
            self.sums.resize_with(scenario + 1, OfBook::default);
        }
        if let Some(book) = self.sums.get_mut(scenario) {
            book.add(account);
        }
    }
}

/// Figures of all risk units, by scenario and unit.
struct OfUnits {
    /// The columns of `risk_units` that are added up.
    figures: Vec<&'static str>,
    scenarios: Interner,
    units: Interner,
    /// By scenario, then unit: none where no account has the unit.
    sums: Vec<Vec<Option<Vec<Sum>>>>,
}

impl OfUnits {
    fn new(figures: Vec<&'static str>) -> Self {
        Self { figures, scenarios: Interner::default(), units: Interner::default(), sums: Vec::new() }
    }

    fn add(&mut self, scenario: usize, unit: usize, values: impl Iterator<Item = f64>) {
        if scenario >= self.sums.len() {
            self.sums.resize_with(scenario + 1, Vec::new);
        }
        let Some(units) = self.sums.get_mut(scenario) else { return };
        if unit >= units.len() {
            units.resize_with(unit + 1, || None);
        }
        let Some(sums) = units.get_mut(unit) else { return };
        let sums = sums.get_or_insert_with(|| vec![Sum::default(); self.figures.len()]);
        sums.iter_mut().zip(values).for_each(|(sum, value)| sum.add(value));
    }

    /// One figure of each scenario, in their order, and risk unit, in byte order.
    fn each(&self, figure: &str, mut take: impl FnMut(&[&str], Option<f64>)) -> Result<()> {
        let place = self.figures.iter().position(|known| *known == figure);
        let place = place.ok_or_else(|| Error::Runtime(format!("the figure `{figure}` is not added up")))?;
        let mut order: Vec<(usize, &str)> = self.units.ids().iter().enumerate().collect();
        order.sort_by_key(|(_, name)| *name);
        for (scenario, units) in self.scenarios.ids().iter().zip(&self.sums) {
            for &(unit, name) in &order {
                let sums = units.get(unit).and_then(Option::as_ref);
                let Some(sum) = sums.and_then(|sums| sums.get(place)).map(|sum| sum.value()) else { continue };
                if !sum.is_finite() {
                    let problem = format!("scenario `{scenario}`: the sum of `{figure}` of `{name}` is not finite");
                    return Err(Error::Runtime(problem));
                }
                take(&[scenario, name], Some(sum));
            }
        }
        Ok(())
    }
}

/// Rows of some accounts, each with the number of its scenario.
#[derive(Default)]
struct AccountRows {
    scenarios: Interner,
    rows: Vec<(u32, AccountRow)>,
}

/// Figures of some risk units of accounts, each with the numbers of its scenario and risk unit.
#[derive(Default)]
struct UnitRows {
    scenarios: Interner,
    units: Interner,
    rows: Vec<(u32, u32)>,
    /// The figures of each row, one after another.
    values: Vec<f64>,
}

/// The numbers of names of a part among all names so far.
fn numbers_in(all: &mut Interner, part: &Interner) -> Vec<usize> {
    part.ids().iter().map(|name| all.intern(name) as usize).collect()
}

impl Sums {
    /// Nothing yet of what these limits are about.
    ///
    /// # Errors
    /// Those of [`OneLimit::column`].
    pub(super) fn of(limits: &[OneLimit]) -> Result<Self> {
        let is_over_accounts = limits.iter().any(|limit| limit.source == Source::OverAccounts);
        let mut figures = Vec::new();
        for limit in limits.iter().filter(|limit| limit.source == Source::OverUnits) {
            let column = limit.column()?;
            if !figures.contains(&column) {
                figures.push(column);
            }
        }
        Ok(Self {
            accounts: is_over_accounts.then(OfAccounts::default),
            units: (!figures.is_empty()).then(|| OfUnits::new(figures)),
        })
    }

    /// Adds up the tables of a folder.
    ///
    /// # Errors
    /// Those of reading them.
    pub(super) fn read(&mut self, folder: &Path, progress: &dyn Progress) -> Result<()> {
        if let Some(all) = &mut self.accounts {
            let layout: Layout<AccountMargin> = Layout::of(&["account_id", "scenario"], &ACCOUNT, |_| true);
            let columns = ResultColumns { names: &layout.names, flags: &layout.flags, figures: &layout.numbers };
            let fold = |local: &mut AccountRows, names: &[&str], figures: &[Option<f64>]| {
                let (account, _) = AccountRow::read(&layout, names, figures);
                local.rows.push((local.scenarios.intern(names.get(1).copied().unwrap_or_default()), account));
            };
            let merge = |local: AccountRows| {
                let places = numbers_in(&mut all.scenarios, &local.scenarios);
                for (scenario, account) in local.rows {
                    if let Some(&scenario) = places.get(scenario as usize) {
                        all.add(scenario, &account);
                    }
                }
                Ok(())
            };
            scan_columns(folder, ACCOUNTS.name, columns, fold, merge, progress)?;
        }
        if let Some(all) = &mut self.units {
            let figures = all.figures.clone();
            let columns = ResultColumns { names: &["scenario", "risk_unit"], flags: &[], figures: &figures };
            let fold = |local: &mut UnitRows, names: &[&str], figures: &[Option<f64>]| {
                if let &[scenario, unit] = names {
                    local.rows.push((local.scenarios.intern(scenario), local.units.intern(unit)));
                    local.values.extend(figures.iter().map(|value| value.unwrap_or(f64::NAN)));
                }
            };
            let merge = |local: UnitRows| {
                let of_scenario = numbers_in(&mut all.scenarios, &local.scenarios);
                let of_unit = numbers_in(&mut all.units, &local.units);
                for ((scenario, unit), values) in local.rows.into_iter().zip(local.values.chunks(figures.len().max(1)))
                {
                    let places = (of_scenario.get(scenario as usize), of_unit.get(unit as usize));
                    if let (Some(&scenario), Some(&unit)) = places {
                        all.add(scenario, unit, values.iter().copied());
                    }
                }
                Ok(())
            };
            scan_columns(folder, RISK_UNITS.name, columns, fold, merge, progress)?;
        }
        Ok(())
    }

    /// Adds an account in a scenario, with its risk units and their names: accounts come in order of their ids.
    pub(crate) fn add<'u>(
        &mut self,
        scenario: &str,
        margin: &AccountMargin,
        units: impl Iterator<Item = (&'u str, &'u UnitMargin)>,
    ) {
        if let Some(all) = &mut self.accounts {
            let number = all.scenarios.intern(scenario) as usize;
            all.add(number, &AccountRow::from(margin));
        }
        if let Some(all) = &mut self.units {
            let number = all.scenarios.intern(scenario) as usize;
            for (name, unit) in units {
                let (place, row) = (all.units.intern(name) as usize, UnitRow::from(unit));
                let value = |name: &&'static str| {
                    let known = UNIT.iter().zip(row.values()).find(|(figure, _)| figure.name == *name);
                    known.map_or(f64::NAN, |(_, value)| *value)
                };
                let values: Vec<f64> = all.figures.iter().map(value).collect();
                all.add(number, place, values.into_iter());
            }
        }
    }

    /// Each figure that a limit is about, with its names.
    ///
    /// # Errors
    /// [`Error::Runtime`] for a sum that is not finite.
    pub(super) fn each(&self, limit: &OneLimit, mut take: impl FnMut(&[&str], Option<f64>)) -> Result<()> {
        match limit.source {
            Source::OverAccounts => {
                for (scenario, of) in self.accounts.iter().flat_map(|all| all.scenarios.ids().iter().zip(&all.sums)) {
                    take(&[scenario], of.figure(&limit.limit.rule.figure.name)?);
                }
                Ok(())
            }
            Source::OverUnits => {
                let column = limit.column()?;
                self.units.iter().try_for_each(|all| all.each(column, &mut take))
            }
            Source::Table(_) | Source::Distribution(..) => Ok(()),
        }
    }
}
