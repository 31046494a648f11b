//! What a finished run has written of its accounts and risk units, in the base case.

use super::change::UnitFigures;
use crate::book::IdTable;
use crate::figures::{ACCOUNT, AccountFigure, AccountRow, Get, Layout, UnitTotals};
use crate::margin::rules::Rules;
use crate::market::scenario::BASE;
use crate::memory::{MemoryLimit, Need};
use crate::progress::Progress;
use crate::results::{ResultColumns, ResultRow, each_result};
use crate::{Error, Invalid, Result};
use std::collections::HashMap;
use std::mem::size_of;
use std::path::Path;

/// The accounts of a run, in byte order of their ids, and what is kept of each.
#[derive(Debug)]
pub(super) struct Accounts<T> {
    pub ids: IdTable,
    pub figures: Vec<T>,
}

impl<T> Accounts<T> {
    /// The place of an account.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.ids.find_sorted(id)
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        accounts_bytes::<T>(self.ids.len())
    }
}

/// Bytes of an id, beside its figures.
const ID_BYTES: usize = 24;

fn accounts_bytes<T>(accounts: usize) -> u64 {
    (accounts * (ID_BYTES + size_of::<T>())) as u64
}

/// What may be taken of memory.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub limit: MemoryLimit,
    /// What is needed beside what is kept.
    pub need: Need,
    /// Bytes for one run.
    pub bytes: u64,
}

impl Room {
    pub fn check(self, bytes: u64) -> Result<()> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let what = "what the runs have written of their accounts does not fit";
        let (threads, need) = (rayon::current_num_threads(), self.need.keeping(bytes.saturating_mul(4)));
        Err(self.limit.exceeded(what, 0, threads, need))
    }
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

/// Reads the table `accounts` of the run in `dir`; `keep` says what is kept. The rules say who is ineligible.
pub(super) fn accounts<T>(
    dir: &Path,
    rules: Option<&Rules>,
    room: Room,
    progress: &dyn Progress,
    keep: impl Fn(AccountRow) -> T,
) -> Result<Accounts<T>> {
    let mut accounts = Accounts { ids: IdTable::default(), figures: Vec::new() };
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
        room.check(accounts.bytes())?;
        accounts.figures.push(keep(figures));
        Ok(())
    })?;
    Ok(accounts)
}

/// Reads the table `risk_units` of the run in `dir`.
pub(super) fn units<T>(dir: &Path, accounts: &Accounts<T>, room: Room, progress: &dyn Progress) -> Result<Units> {
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
        room.check(accounts.bytes() + (units.rows.len() * size_of::<UnitFigures>()) as u64)?;
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
