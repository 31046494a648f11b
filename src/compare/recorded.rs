//! What a finished run has written of its accounts and risk units, in the base case.

use super::change::UnitFigures;
use crate::book::IdTable;
use crate::figures::{ACCOUNT, AccountFigure, AccountRow, Get, Layout, UnitTotals};
use crate::margin::rules::Rules;
use crate::market::scenario::BASE;
use crate::progress::Progress;
use crate::results::{ResultColumns, ResultRow, each_result};
use crate::{Error, Invalid, Result};
use std::collections::HashMap;
use std::path::Path;

/// The accounts of a run, in byte order of their ids.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub ids: IdTable,
    pub figures: Vec<AccountRow>,
}

/// The risk units of a run.
#[derive(Debug, Default)]
pub(super) struct Units {
    /// In order of first appearance.
    pub names: Vec<String>,
    /// In order of account; the group is a place in `names`.
    pub rows: Vec<UnitFigures>,
    /// End of each account's rows.
    pub ends: Vec<usize>,
}

fn is_base(names: &[String]) -> bool {
    names.get(1).is_some_and(|scenario| scenario == BASE)
}

fn broken(dir: &Path, table: &str, problem: &str, account: &str) -> Error {
    Invalid::new(format!("{problem} in the table `{table}` of a run")).file(dir).value(account).into()
}

/// Whole figures of a row.
fn whole<const N: usize>(row: &ResultRow) -> Option<[f64; N]> {
    let mut figures = [0.0; N];
    for (place, figure) in figures.iter_mut().enumerate() {
        *figure = row.figures.get(place).copied().flatten().filter(|figure| figure.is_finite())?;
    }
    Some(figures)
}

fn name(row: &ResultRow, place: usize) -> &str {
    row.names.get(place).map_or("", String::as_str)
}

/// Reads the table `accounts` of the run in `dir`. The rules say who is ineligible.
pub(super) fn accounts(dir: &Path, rules: Option<&Rules>, progress: &dyn Progress) -> Result<Accounts> {
    let mut accounts = Accounts::default();
    let layout = Layout::of(&["account_id", "scenario"], &ACCOUNT, |figure| figure.compared);
    let columns = ResultColumns { names: &layout.names, flags: &layout.flags, figures: &layout.numbers };
    each_result(dir, "accounts", columns, is_base, progress, |row| {
        let id = name(&row, 0);
        let count = accounts.ids.len();
        if count > 0 && accounts.ids.get(count - 1) >= id {
            return Err(broken(dir, "accounts", "accounts are not in byte order", id));
        }
        let names: Vec<&str> = row.names.iter().map(String::as_str).collect();
        let (mut figures, unknown) = AccountRow::read(&layout, &names, &row.figures);
        let mut asked = ACCOUNT.iter().zip(figures.values()).filter(|(figure, _)| figure.compared);
        if unknown.is_some() || asked.any(|(figure, value)| matches!(figure.get, Get::Number(..)) && !value.is_finite())
        {
            return Err(broken(dir, "accounts", "a figure or the status is missing", id));
        }
        // Without the rules nobody can say whether the flag is right.
        if rules.is_none() {
            figures = figures.with(AccountFigure::ineligible, f64::NAN);
        }
        accounts.ids.push(id);
        accounts.figures.push(figures);
        Ok(())
    })?;
    Ok(accounts)
}

/// Reads the table `risk_units` of the run in `dir`.
pub(super) fn units(dir: &Path, accounts: &Accounts, progress: &dyn Progress) -> Result<Units> {
    let mut units = Units { ends: Vec::with_capacity(accounts.ids.len()), ..Units::default() };
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let names = ["account_id", "scenario", "risk_unit"];
    let columns = ResultColumns { names: &names, flags: &[], figures: &UnitTotals::NAMES };
    each_result(dir, "risk_units", columns, is_base, progress, |row| {
        let id = name(&row, 0);
        // Rows come in order of the accounts; an account may have none.
        while units.ends.len() < accounts.ids.len() && accounts.ids.get(units.ends.len()) != id {
            units.ends.push(units.rows.len());
        }
        if units.ends.len() == accounts.ids.len() {
            return Err(broken(dir, "risk_units", "an account is unknown or out of order", id));
        }
        let parts =
            whole(&row).map(UnitTotals::new).ok_or_else(|| broken(dir, "risk_units", "a figure is missing", id))?;
        let next = units.names.len() as u32;
        let unit = *numbers.entry(name(&row, 2).to_owned()).or_insert_with_key(|name| {
            units.names.push(name.clone());
            next
        });
        units.rows.push(UnitFigures { account: units.ends.len() as u32, group: unit, parts });
        Ok(())
    })?;
    units.ends.resize(accounts.ids.len(), units.rows.len());
    Ok(units)
}

impl Units {
    /// The rows of an account.
    pub fn of(&self, account: usize) -> &[UnitFigures] {
        let start = if account == 0 { 0 } else { self.ends[account - 1] };
        &self.rows[start..self.ends[account]]
    }
}
