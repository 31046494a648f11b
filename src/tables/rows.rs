//! The rows of the two large tables, gathered from blocks of margins column by column.
//!
//! A block of margins is a few hundred kilobytes: it is taken apart while it is still in the cache that it was
//! computed in. The columns become a record batch without a copy.

use super::columns::{ACCOUNTS, RISK_UNITS};
use super::parquet::labels::Labels;
use crate::book::Book;
use crate::engine::{Chunk, units_by_account};
use crate::margin::{AccountMargin, Status, UnitMargin, VolState};
use crate::{Error, Result};
use arrow::array::{ArrayRef, BooleanBuilder, Float64Array, Float64Builder, RecordBatch, StringBuilder};
use std::borrow::Cow;
use std::sync::Arc;

/// Declares columns of `f64`, each a field of a margin, in order.
macro_rules! number_columns {
    ($name:ident of $row:ty { $($field:ident),* $(,)? }) => {
        #[derive(Default)]
        struct $name { $($field: Vec<f64>),* }

        impl $name {
            fn reserve(&mut self, rows: usize) {
                $(self.$field.reserve_exact(rows);)*
            }

            fn extend(&mut self, rows: &[$row]) {
                $(self.$field.extend(rows.iter().map(|row| row.$field));)*
            }
        }
    };
}

number_columns! {
    AccountNumbers of AccountMargin {
        adj_eq, total_eq, upl, mmr, imr, deriv_mmr, borrow_mmr, borrow_imr, liquidation_fee, mmr_no_hedge, imr_no_hedge,
        order_imr,
    }
}

number_columns! {
    UnitNumbers of UnitMargin {
        mr1, mr1_price, mr2, mr3, mr4, mr5, mr6, mr6_price, mr7, mr9, mmr, imr, cash_delta, gamma, vega, theta,
        spot_in_use, upl, order_imr,
    }
}

fn number(values: Vec<f64>) -> ArrayRef {
    Arc::new(Float64Array::from(values))
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
    numbers: AccountNumbers,
    margin_ratio: Float64Builder,
    status: Labels,
    im_deficit: BooleanBuilder,
    ineligible: BooleanBuilder,
}

impl AccountRows {
    /// No rows, with room for so many.
    #[must_use]
    pub fn with_capacity(rows: usize, scenarios: &[String]) -> Self {
        let mut table = Self {
            account_id: Texts::default(),
            scenario: Labels::of(scenarios.iter().map(String::as_str)),
            numbers: AccountNumbers::default(),
            margin_ratio: Float64Builder::with_capacity(rows),
            status: Labels::of(Status::ALL.into_iter().map(Status::name)),
            im_deficit: BooleanBuilder::with_capacity(rows),
            ineligible: BooleanBuilder::with_capacity(rows),
        };
        table.numbers.reserve(rows);
        table.scenario.reserve(rows);
        table.status.reserve(rows);
        table
    }

    /// Adds the rows of a chunk, which holds each account once for each of the `scenarios`, see
    /// [`by_account`](crate::tables::rows::by_account).
    ///
    /// # Errors
    /// [`Error::Runtime`] if the ids exceed 2 GiB of text.
    pub fn extend(&mut self, chunk: &Chunk, book: &Book, scenarios: usize) -> Result<()> {
        self.numbers.extend(&chunk.accounts);
        for row in 0..chunk.accounts.len() {
            self.account_id.push(book.accounts().get(chunk.first_account + row / scenarios))?;
        }
        let rank = |status: Status| Status::ALL.iter().position(|other| *other == status).unwrap_or(usize::MAX) as u32;
        self.scenario.extend((0..chunk.accounts.len()).map(|row| (row % scenarios) as u32));
        self.status.extend(chunk.accounts.iter().map(|margin| rank(margin.status)));
        for margin in &chunk.accounts {
            self.margin_ratio.append_option(margin.margin_ratio);
            self.im_deficit.append_value(margin.im_deficit);
            self.ineligible.append_value(margin.ineligible);
        }
        Ok(())
    }

    /// The batch of all rows.
    ///
    /// # Errors
    /// [`Error::Runtime`] if they do not fit the table, which is a fault of this crate.
    pub fn finish(mut self) -> Result<RecordBatch> {
        let numbers = self.numbers;
        ACCOUNTS.batch(vec![
            self.account_id.finish(),
            self.scenario.finish()?,
            number(numbers.adj_eq),
            number(numbers.total_eq),
            number(numbers.upl),
            number(numbers.mmr),
            number(numbers.imr),
            number(numbers.deriv_mmr),
            number(numbers.borrow_mmr),
            number(numbers.borrow_imr),
            number(numbers.liquidation_fee),
            Arc::new(self.margin_ratio.finish()),
            self.status.finish()?,
            Arc::new(self.im_deficit.finish()),
            Arc::new(self.ineligible.finish()),
            number(numbers.mmr_no_hedge),
            number(numbers.imr_no_hedge),
            number(numbers.order_imr),
        ])
    }
}

/// Rows of [`RISK_UNITS`] in the making.
pub struct UnitRows {
    account_id: Labels,
    id_bytes: usize,
    scenario: Labels,
    risk_unit: Labels,
    mr1_vol: Labels,
    numbers: UnitNumbers,
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
            mr1_vol: Labels::of(VolState::ALL.into_iter().map(VolState::name)),
            numbers: UnitNumbers::default(),
        };
        table.numbers.reserve(rows);
        for labels in [&mut table.account_id, &mut table.scenario, &mut table.risk_unit, &mut table.mr1_vol] {
            labels.reserve(rows);
        }
        table
    }

    /// Adds the rows of a chunk as in [`AccountRows::extend`].
    ///
    /// # Errors
    /// [`Error::Runtime`] if the ids exceed 2 GiB of text.
    pub fn extend(&mut self, chunk: &Chunk, book: &Book, scenarios: usize) -> Result<()> {
        self.numbers.extend(&chunk.units);
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
        self.mr1_vol.extend(chunk.units.iter().map(|unit| unit.mr1_vol as u32));
        Ok(())
    }

    /// The batch of all rows.
    ///
    /// # Errors
    /// [`Error::Runtime`] if they do not fit the table, which is a fault of this crate.
    pub fn finish(self) -> Result<RecordBatch> {
        let numbers = self.numbers;
        RISK_UNITS.batch(vec![
            self.account_id.finish()?,
            self.scenario.finish()?,
            self.risk_unit.finish()?,
            number(numbers.mr1),
            number(numbers.mr1_price),
            self.mr1_vol.finish()?,
            number(numbers.mr2),
            number(numbers.mr3),
            number(numbers.mr4),
            number(numbers.mr5),
            number(numbers.mr6),
            number(numbers.mr6_price),
            number(numbers.mr7),
            number(numbers.mr9),
            number(numbers.mmr),
            number(numbers.imr),
            number(numbers.cash_delta),
            number(numbers.gamma),
            number(numbers.vega),
            number(numbers.theta),
            number(numbers.spot_in_use),
            number(numbers.upl),
            number(numbers.order_imr),
        ])
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
