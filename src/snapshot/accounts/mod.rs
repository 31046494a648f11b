//! Account numbers, the table `accounts`, and which accounts are left out.

// Indices are numbers that were handed out here; to look each up would hide a fault and cost the hot loop.
#![allow(clippy::indexing_slicing)]

pub(crate) mod balances;
pub(crate) mod orders;
pub(crate) mod positions;

use super::reject::{Broken, Reason, Reject, TableCount, Unmargined};
use super::schema::Table;
use crate::book::{IdTable, Interner};
use crate::cells::text::cut;
use crate::formats::batch::Batch;
use crate::margin::rules::SpotOffset;
use crate::{Invalid, Result};
use std::iter::repeat_n;
use std::ops::Range;

/// Numbers of accounts in order of first appearance.
///
/// Rows of one account usually follow one another, and tables usually list accounts in one order: the last account
/// and the one numbered after it are compared before anything is hashed.
#[derive(Default)]
pub(crate) struct AccountNumbers {
    ids: Interner,
    last: Option<u32>,
}

impl AccountNumbers {
    /// The number of an account, new if it was never seen.
    pub fn number(&mut self, id: &str) -> Result<u32> {
        let is_named = |number: u32| (number as usize) < self.ids.len() && self.ids.ids().get(number as usize) == id;
        if let Some(last) = self.last.filter(|&last| is_named(last)) {
            return Ok(last);
        }
        let next = self.last.map_or(0, |last| last + 1);
        if is_named(next) {
            self.last = Some(next);
            return Ok(next);
        }
        if self.ids.len() >= (u32::MAX - 1) as usize {
            return Err(Invalid::new("too many accounts").expected(format!("no more than {}", u32::MAX - 1)).into());
        }
        let number = self.ids.intern(id);
        self.last = Some(number);
        Ok(number)
    }

    pub fn ids(&self) -> &IdTable {
        self.ids.ids()
    }

    /// The number here of the account of each run in `local`.
    fn translate(&mut self, local: &AccountRuns) -> Result<Vec<u32>> {
        local.ids.iter().map(|id| self.number(id)).collect()
    }

    /// Appends the accounts of the sound rows of a part to `all`; returns the number of each run's account.
    pub fn append(&mut self, local: &AccountRuns, sound: usize, all: &mut Vec<u32>) -> Result<Vec<u32>> {
        let numbers = self.translate(local)?;
        local.expand(sound, &numbers, all);
        Ok(numbers)
    }
}

/// The accounts of a part of a table, one entry for each run of rows of one account: nothing is hashed where many
/// threads read, and an account that comes back later gets its number when the parts are merged.
#[derive(Default)]
pub(crate) struct AccountRuns {
    ids: IdTable,
    /// Sound rows of the part before each run.
    starts: Vec<u32>,
    /// Number of each run's first row in the table.
    first_rows: Vec<u64>,
}

impl AccountRuns {
    /// The number of the run that a row of this account belongs to, new if the row before was another's. `sound` is
    /// the number of sound rows so far, `row` the number of the row in the table.
    pub fn number(&mut self, id: &str, sound: usize, row: u64) -> Result<u32> {
        let runs = self.ids.len();
        if runs > 0 && self.ids.get(runs - 1) == id {
            return Ok(runs as u32 - 1);
        }
        if runs >= (u32::MAX - 1) as usize || sound >= u32::MAX as usize {
            return Err(Invalid::new("too many rows in one part of a table").into());
        }
        self.starts.push(sound as u32);
        self.first_rows.push(row);
        Ok(self.ids.push(id))
    }

    /// Makes room for so many more runs.
    pub fn reserve(&mut self, runs: usize) {
        self.ids.reserve(runs);
        self.starts.reserve(runs);
        self.first_rows.reserve(runs);
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    #[inline]
    pub fn id(&self, run: usize) -> &str {
        self.ids.get(run)
    }

    /// Number of the first row of a run in the table.
    #[inline]
    pub fn first_row(&self, run: usize) -> u64 {
        self.first_rows[run]
    }

    /// The sound rows of a run, of `sound` in all.
    #[inline]
    pub fn rows(&self, run: usize, sound: usize) -> Range<usize> {
        let end = self.starts.get(run + 1).map_or(sound, |&start| start as usize);
        self.starts[run] as usize..end
    }

    /// True if each account comes once, in byte order.
    pub fn ascend(&self) -> bool {
        (1..self.len()).all(|run| self.id(run - 1) < self.id(run))
    }

    /// Appends the account number of each of `sound` rows to `all`.
    fn expand(&self, sound: usize, numbers: &[u32], all: &mut Vec<u32>) {
        all.reserve(sound);
        for (run, &number) in numbers.iter().enumerate() {
            all.extend(repeat_n(number, self.rows(run, sound).len()));
        }
    }
}

/// Appends broken rows whose accounts have local numbers.
pub(crate) fn append_broken(all: &mut Vec<Broken>, local: Vec<Broken>, numbers: &[u32]) {
    all.extend(local.into_iter().map(|broken| {
        let account = broken.account.map(|local| numbers[local as usize]);
        Broken { account, ..broken }
    }));
}

/// Row numbers, from 1, without those of the broken rows, which are in order.
pub(crate) fn sound_rows(broken: &[Broken]) -> impl Iterator<Item = u64> + '_ {
    let mut broken = broken.iter().map(|broken| broken.row).peekable();
    (1..).filter(move |row| broken.next_if_eq(row).is_none())
}

/// Rows of a part of the table `accounts`.
#[derive(Default)]
pub(crate) struct Settings {
    pub runs: AccountRuns,
    /// Spot hedging mode of each sound row, `None` for the rules' default.
    pub offset: Vec<Option<SpotOffset>>,
    pub broken: Vec<Broken>,
}

impl Settings {
    pub fn read(&mut self, batch: &Batch) -> Result<()> {
        let (ids, offsets) = (batch.text("account_id")?, batch.text("spot_offset")?);
        let mut memo = offsets.memo();
        for row in 0..batch.rows {
            let broken = |account, reason, column, value| Broken {
                row: batch.first_row + row as u64,
                account,
                reason,
                column,
                value,
            };
            let Some(id) = ids.get(row) else {
                self.broken.push(broken(None, Reason::MissingAccountId, "account_id", String::new()));
                continue;
            };
            let account = self.runs.number(id, self.offset.len(), batch.first_row + row as u64)?;
            let offset = memo.get(&offsets, row, |name| Ok::<_, crate::Error>(SpotOffset::from_name(name)))?;
            if offset == Some(None) {
                let value = offsets.raw(row);
                self.broken.push(broken(Some(account), Reason::InvalidSpotOffset, "spot_offset", value));
                continue;
            }
            self.offset.push(offset.flatten());
        }
        Ok(())
    }
}

/// All rows of the table `accounts`.
#[derive(Default)]
pub(crate) struct AccountRows {
    pub account: Vec<u32>,
    pub offset: Vec<Option<SpotOffset>>,
    pub broken: Vec<Broken>,
}

impl AccountRows {
    /// Appends the rows that follow.
    pub fn merge(&mut self, local: Settings, accounts: &mut AccountNumbers) -> Result<()> {
        let numbers = accounts.append(&local.runs, local.offset.len(), &mut self.account)?;
        self.offset.extend(local.offset);
        append_broken(&mut self.broken, local.broken, &numbers);
        Ok(())
    }

    /// Rejects all rows of an account that has several.
    pub fn reject_duplicates(&mut self, accounts: &AccountNumbers) {
        let mut rows_of = vec![0u32; accounts.ids().len()];
        for &account in self.account.iter().chain(self.broken.iter().filter_map(|broken| broken.account.as_ref())) {
            rows_of[account as usize] = rows_of[account as usize].saturating_add(1);
        }
        if rows_of.iter().all(|&rows| rows <= 1) {
            return;
        }
        let repeated = |account: u32| rows_of[account as usize] > 1;
        let mut duplicates = Vec::new();
        for (row, &account) in sound_rows(&self.broken).zip(&self.account) {
            if repeated(account) {
                let value = cut(accounts.ids().get(account as usize));
                let (reason, column) = (Reason::DuplicateAccount, "account_id");
                duplicates.push(Broken { row, account: Some(account), reason, column, value });
            }
        }
        let keep: Vec<bool> = self.account.iter().map(|&account| !repeated(account)).collect();
        retain(&mut self.account, &keep);
        retain(&mut self.offset, &keep);
        self.broken.append(&mut duplicates);
        self.broken.sort_unstable_by_key(|broken| broken.row);
    }
}

/// Keeps the values whose flag is set.
pub(crate) fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    values.retain(|_| keep.next().copied().unwrap_or(false));
}

/// What was read of a table: the accounts of its sound rows (none for market tables), and its broken rows in order.
pub(crate) struct Section<'a> {
    pub table: Table,
    pub rows_in: u64,
    pub accounts: &'a [u32],
    pub broken: Vec<Broken>,
}

/// All rejects, in order of table and row, and the accounts that are left out.
pub(crate) struct Settled {
    pub left_out: Vec<bool>,
    pub rejects: Vec<Reject>,
    pub unmargined: Vec<Unmargined>,
    pub tables: Vec<TableCount>,
}

/// An account with a broken row is left out: its sound rows are rejected too.
pub(crate) fn settle(ids: &IdTable, sections: Vec<Section>) -> Settled {
    let mut left_out = vec![false; ids.len()];
    let mut worst: Vec<(u32, Reason)> = Vec::new();
    for broken in sections.iter().flat_map(|section| &section.broken) {
        if let Some(account) = broken.account {
            left_out[account as usize] = true;
            worst.push((account, broken.reason));
        }
    }
    let name = |account: u32| ids.get(account as usize);
    worst.sort_unstable_by(|a, b| name(a.0).cmp(name(b.0)).then(a.1.cmp(&b.1)));
    let unmargined = worst.chunk_by(|a, b| a.0 == b.0).map(|rows| Unmargined {
        account_id: name(rows[0].0).to_owned(),
        reason: rows[0].1,
        broken_rows: rows.len() as u64,
    });
    let unmargined: Vec<_> = unmargined.collect();

    let mut rejects = Vec::new();
    let mut tables = Vec::new();
    for Section { table, rows_in, accounts, broken } in sections {
        let begin = rejects.len();
        if !unmargined.is_empty() {
            let sound = sound_rows(&broken).zip(accounts).filter(|(_, account)| left_out[**account as usize]);
            rejects.extend(sound.map(|(row, &account)| Reject {
                table,
                row,
                account_id: Some(name(account).to_owned()),
                reason: Reason::AccountUnmargined,
                column: "account_id",
                value: cut(name(account)),
            }));
        }
        let (rows_left_out, rows_broken) = ((rejects.len() - begin) as u64, broken.len() as u64);
        rejects.extend(broken.into_iter().map(|broken| Reject {
            table,
            row: broken.row,
            account_id: broken.account.map(|account| name(account).to_owned()),
            reason: broken.reason,
            column: broken.column,
            value: broken.value,
        }));
        rejects[begin..].sort_unstable_by_key(|reject| reject.row);
        let rows_rejected = rows_broken + rows_left_out;
        let rows_used = rows_in - rows_rejected;
        tables.push(TableCount { table, rows_in, rows_used, rows_rejected, rows_broken, rows_left_out });
    }
    Settled { left_out, rejects, unmargined, tables }
}
