//! The rows of the two large tables, gathered from blocks of margins column by column.
//!
//! A block of margins is a few hundred kilobytes: it is taken apart while it is still in the cache that it was
//! computed in. The columns become a record batch without a copy.

use super::columns::{ACCOUNTS, RISK_UNITS};
use super::parquet::labels::Labels;
use crate::book::Book;
use crate::engine::{Chunk, units_by_account};
use crate::figures::{ACCOUNT, Figure, Get, UNIT, UnitFigure};
use crate::margin::{AccountMargin, UnitMargin};
use crate::{Error, Result};
use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch};
use std::borrow::Cow;
use std::sync::Arc;

/// A column of a figure in the making, and what fills it: a loop over a block of margins for each column.
enum Growing<M: 'static> {
    Number(Vec<f64>, fn(&[M], &mut Vec<f64>)),
    Optional(Vec<Option<f64>>, fn(&[M], &mut Vec<Option<f64>>)),
    Flag(Vec<bool>, fn(&[M], &mut Vec<bool>)),
    Label(Labels, fn(&[M], &mut Vec<u32>)),
}

impl<M> Growing<M> {
    fn of(figure: &Figure<M>, rows: usize) -> Self {
        match figure.get {
            Get::Number(_, fill) => Self::Number(Vec::with_capacity(rows), fill),
            Get::Optional(_, fill) => Self::Optional(Vec::with_capacity(rows), fill),
            Get::Flag(_, fill) => Self::Flag(Vec::with_capacity(rows), fill),
            Get::Label(words, _, fill) => {
                let mut labels = Labels::of(words.iter().copied());
                labels.reserve(rows);
                Self::Label(labels, fill)
            }
        }
    }

    fn extend(&mut self, margins: &[M]) {
        match self {
            Self::Number(column, fill) => fill(margins, column),
            Self::Optional(column, fill) => fill(margins, column),
            Self::Flag(column, fill) => fill(margins, column),
            Self::Label(column, fill) => fill(margins, column.keys_mut()),
        }
    }

    fn finish(self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Number(column, _) => Arc::new(Float64Array::from(column)),
            Self::Optional(column, _) => {
                let mut array = Float64Builder::with_capacity(column.len());
                for value in column {
                    array.append_option(value);
                }
                Arc::new(array.finish())
            }
            Self::Flag(column, _) => Arc::new(BooleanArray::from(column)),
            Self::Label(column, _) => column.finish()?,
        })
    }
}

/// A column of text that grows; more than 2 GiB of it in one batch is an error.
#[derive(Default)]
struct Texts {
    column: StringBuilder,
    bytes: usize,
}

impl Texts {
    fn push(&mut self, text: &str) -> Result<()> {
        self.bytes += text.len();
        within_batch(self.bytes)?;
        self.column.append_value(text);
        Ok(())
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(self.column.finish())
    }
}

fn within_batch(bytes: usize) -> Result<()> {
    if i32::try_from(bytes).is_ok() {
        return Ok(());
    }
    Err(Error::Runtime(format!("the ids of one batch are {bytes} bytes, more than a batch can hold")))
}

/// Rows of [`ACCOUNTS`] in the making.
pub struct AccountRows {
    account_id: Texts,
    scenario: Labels,
    figures: Vec<Growing<AccountMargin>>,
}

impl AccountRows {
    /// No rows, with room for so many.
    #[must_use]
    pub fn with_capacity(rows: usize, scenarios: &[String]) -> Self {
        let mut scenario = Labels::of(scenarios.iter().map(String::as_str));
        scenario.reserve(rows);
        let figures = ACCOUNT.iter().map(|figure| Growing::of(figure, rows)).collect();
        Self { account_id: Texts::default(), scenario, figures }
    }

    /// Adds the rows of a chunk, which holds each account once for each of the `scenarios`, see
    /// [`by_account`].
    ///
    /// # Errors
    /// [`Error::Runtime`] if the ids exceed 2 GiB of text.
    pub fn extend(&mut self, chunk: &Chunk, book: &Book, scenarios: usize) -> Result<()> {
        for row in 0..chunk.accounts.len() {
            self.account_id.push(book.accounts().get(chunk.first_account + row / scenarios))?;
        }
        self.scenario.extend((0..chunk.accounts.len()).map(|row| (row % scenarios) as u32));
        for figure in &mut self.figures {
            figure.extend(&chunk.accounts);
        }
        Ok(())
    }

    /// The batch of all rows.
    ///
    /// # Errors
    /// [`Error::Runtime`] if they do not fit the table, which is a fault of this crate.
    pub fn finish(self) -> Result<RecordBatch> {
        let mut columns = vec![self.account_id.finish(), self.scenario.finish()?];
        for figure in self.figures {
            columns.push(figure.finish()?);
        }
        ACCOUNTS.batch(columns)
    }
}

/// Rows of [`RISK_UNITS`] in the making.
pub struct UnitRows {
    account_id: Labels,
    id_bytes: usize,
    scenario: Labels,
    risk_unit: Labels,
    figures: Vec<Growing<UnitMargin>>,
}

impl UnitRows {
    /// No rows, with room for so many. `unit_names` are those of the priced market.
    #[must_use]
    pub fn with_capacity(rows: usize, unit_names: &[String], scenarios: &[String]) -> Self {
        let mut table = Self {
            account_id: Labels::default(),
            id_bytes: 0,
            scenario: Labels::of(scenarios.iter().map(String::as_str)),
            risk_unit: Labels::of(unit_names.iter().map(String::as_str)),
            figures: UNIT.iter().map(|figure| Growing::of(figure, rows)).collect(),
        };
        for labels in [&mut table.account_id, &mut table.scenario, &mut table.risk_unit] {
            labels.reserve(rows);
        }
        table
    }

    /// Adds the rows of a chunk as in [`AccountRows::extend`].
    ///
    /// # Errors
    /// [`Error::Runtime`] if the ids exceed 2 GiB of text.
    pub fn extend(&mut self, chunk: &Chunk, book: &Book, scenarios: usize) -> Result<()> {
        let mut key = 0;
        for (row, units) in units_by_account(chunk) {
            if row % scenarios == 0 {
                let id = book.accounts().get(chunk.first_account + row / scenarios);
                self.id_bytes += id.len();
                within_batch(self.id_bytes)?;
                key = self.account_id.value(id);
            }
            self.account_id.push(key, units.len());
            if scenarios > 1 {
                self.scenario.push((row % scenarios) as u32, units.len());
            }
        }
        if scenarios == 1 {
            self.scenario.push(0, chunk.units.len());
        }
        self.risk_unit.extend(chunk.units.iter().map(|unit| unit.unit));
        for figure in &mut self.figures {
            figure.extend(&chunk.units);
        }
        Ok(())
    }

    /// Of each row so far its account, counted from the first, its scenario and its risk unit.
    pub(crate) fn keys(&self) -> [&[u32]; 3] {
        [&self.account_id, &self.scenario, &self.risk_unit].map(Labels::keys)
    }

    /// A figure of each row so far; empty if it is no number.
    pub(crate) fn numbers(&self, figure: UnitFigure) -> &[f64] {
        match &self.figures[figure as usize] {
            Growing::Number(column, _) => column,
            _ => &[],
        }
    }

    /// The batch of all rows.
    ///
    /// # Errors
    /// [`Error::Runtime`] if they do not fit the table, which is a fault of this crate.
    pub fn finish(self) -> Result<RecordBatch> {
        let mut columns = vec![self.account_id.finish()?, self.scenario.finish()?, self.risk_unit.finish()?];
        for figure in self.figures {
            columns.push(figure.finish()?);
        }
        RISK_UNITS.batch(columns)
    }
}

/// One chunk from those of several scenarios over the same accounts: account by account, and inside an account in the
/// order of the scenarios. A single chunk stays what it is.
#[must_use]
pub fn by_account(chunks: &[Chunk]) -> Cow<'_, Chunk> {
    if let [chunk] = chunks {
        return Cow::Borrowed(chunk);
    }
    let mut merged = Chunk { first_account: chunks.first().map_or(0, |chunk| chunk.first_account), ..Chunk::default() };
    let mut units: Vec<_> = chunks.iter().map(units_by_account).collect();
    for account in 0..chunks.first().map_or(0, |chunk| chunk.accounts.len()) {
        for (chunk, units) in chunks.iter().zip(&mut units) {
            merged.accounts.push(chunk.accounts[account]);
            merged.units.extend(units.next().into_iter().flat_map(|(_, units)| units));
            merged.unit_end.push(merged.units.len());
        }
    }
    Cow::Owned(merged)
}

/// The rows of [`ACCOUNTS`] for a chunk, which holds each account once for each of the scenarios, see [`by_account`].
///
/// # Errors
/// [`Error::Runtime`] if the ids of one chunk exceed 2 GiB of text.
pub fn accounts_batch(chunk: &Chunk, book: &Book, scenarios: &[String]) -> Result<RecordBatch> {
    let mut rows = AccountRows::with_capacity(chunk.accounts.len(), scenarios);
    rows.extend(chunk, book, scenarios.len())?;
    rows.finish()
}

/// The rows of [`RISK_UNITS`] for a chunk as in [`accounts_batch`]. `unit_names` are those of the priced market.
///
/// # Errors
/// [`Error::Runtime`] if the ids of one chunk exceed 2 GiB of text.
pub fn risk_units_batch(
    chunk: &Chunk,
    book: &Book,
    unit_names: &[String],
    scenarios: &[String],
) -> Result<RecordBatch> {
    let mut rows = UnitRows::with_capacity(chunk.units.len(), unit_names, scenarios);
    rows.extend(chunk, book, scenarios.len())?;
    rows.finish()
}
