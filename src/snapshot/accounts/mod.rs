//! Account numbers, and the rows of the tables of accounts as they are read.

// Indices are made in this module and in range; a checked lookup would hide a bug and slow down the hot loop.
#![allow(clippy::indexing_slicing)]

pub(crate) mod attributes;
pub(crate) mod balances;
pub(crate) mod orders;
pub(crate) mod positions;

use super::reject::{Broken, Reason};
use crate::book::{Grouping, IdTable, Interner};
use crate::cells::number::NumberError;
use crate::formats::batch::Batch;
use crate::margin::rules::SpotOffset;
use crate::{Invalid, Result};
use attributes::{Attributes, RowGroups};
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
    pub fn translate(&mut self, local: &AccountRuns) -> Result<Vec<u32>> {
        local.ids.iter().map(|id| self.number(id)).collect()
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
}

/// Rows of a part of the table `accounts`.
#[derive(Default)]
pub(crate) struct Settings {
    pub runs: AccountRuns,
    /// Spot hedging mode of each sound row, `None` for the rules' default.
    pub offset: Vec<Option<SpotOffset>>,
    /// Taker fee of each sound row, `None` for that of the rules.
    pub fee_rate: Vec<Option<f64>>,
    /// Groups of each sound row, if any were asked for.
    pub groups: RowGroups,
    pub broken: Vec<Broken>,
}

impl Settings {
    /// Reads a batch; accounts are put together by `groups`.
    pub fn read(&mut self, batch: &Batch, groups: &[Grouping]) -> Result<()> {
        let (ids, offsets) = (batch.text("account_id")?, batch.text("spot_offset")?);
        let unmarginable = batch.text("unmarginable")?;
        let fees = batch.numbers("fee_rate")?;
        let mut attributes = if groups.is_empty() { None } else { Some(Attributes::of(batch, groups)?) };
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
            if let Some(why) = unmarginable.get(row) {
                let why = crate::cells::text::cut(why);
                self.broken.push(broken(Some(account), Reason::MarkedUnmarginable, "unmarginable", why));
                continue;
            }
            let offset = memo
                .get(&offsets, row, |name| Ok::<_, crate::Error>(SpotOffset::from_name(&name.to_ascii_lowercase())))?;
            if offset == Some(None) {
                let value = offsets.raw(row);
                self.broken.push(broken(Some(account), Reason::InvalidSpotOffset, "spot_offset", value));
                continue;
            }
            let fee_rate = match fees.get(row) {
                Ok(rate) if rate.is_none_or(|rate| (0.0..=1.0).contains(&rate)) => rate,
                Err(NumberError::OutOfRange) => {
                    self.broken.push(broken(Some(account), Reason::OutOfRange, "fee_rate", fees.raw(row)));
                    continue;
                }
                Ok(_) | Err(NumberError::Invalid) => {
                    self.broken.push(broken(Some(account), Reason::InvalidFeeRate, "fee_rate", fees.raw(row)));
                    continue;
                }
            };
            self.offset.push(offset.flatten());
            self.fee_rate.push(fee_rate);
            if let Some(attributes) = &mut attributes {
                self.groups.push(attributes, row)?;
            }
        }
        Ok(())
    }
}
