//! The rows of the two large tables, gathered from blocks of margins column by column.
//!
//! A block of margins is a few hundred kilobytes: it is taken apart while it is still in the cache that it was
//! computed in. The columns become a record batch without a copy.

use super::columns::{ACCOUNTS, RISK_UNITS, units_by_account};
use crate::book::Book;
use crate::margin::{AccountMargin, UnitMargin};
use crate::recompute::Chunk;
use crate::{Error, Result};
use arrow::array::{ArrayRef, BooleanBuilder, Float64Array, Float64Builder, RecordBatch, StringBuilder};
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
    }
}

number_columns! {
    UnitNumbers of UnitMargin {
        mr1, mr1_price, mr2, mr3, mr4, mr5, mr6, mr6_price, mr7, mr9, mmr, imr, cash_delta, gamma, vega, theta,
        spot_in_use, upl,
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
    fn push(&mut self, text: &str, times: usize) -> Result<()> {
        self.bytes += text.len() * times;
        if i32::try_from(self.bytes).is_err() {
            let rows = self.column.validity_slice().map_or(0, <[u8]>::len);
            return Err(Error::Runtime(format!("{rows} rows hold {} bytes of ids, more than a batch can", self.bytes)));
        }
        for _ in 0..times {
            self.column.append_value(text);
        }
        Ok(())
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(self.column.finish())
    }
}

/// Rows of [`ACCOUNTS`] in the making.
#[derive(Default)]
pub struct AccountRows {
    account_id: Texts,
    scenario: Texts,
    numbers: AccountNumbers,
    margin_ratio: Float64Builder,
    status: Texts,
    im_deficit: BooleanBuilder,
    ineligible: BooleanBuilder,
}

impl AccountRows {
    /// No rows, with room for so many.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        let mut table = Self::default();
        table.numbers.reserve(rows);
        table
    }

    /// Adds the rows of a chunk, which holds each account once for each of the scenarios, see
    /// [`by_account`](super::columns::by_account).
    ///
    /// # Errors
    /// [`Error::Runtime`] if the ids exceed 2 GiB of text.
    pub fn extend(&mut self, chunk: &Chunk, book: &Book, scenarios: &[String]) -> Result<()> {
        self.numbers.extend(&chunk.accounts);
        for (row, margin) in chunk.accounts.iter().enumerate() {
            self.account_id.push(book.accounts.get(chunk.first_account + row / scenarios.len()), 1)?;
            self.scenario.push(&scenarios[row % scenarios.len()], 1)?;
            self.margin_ratio.append_option(margin.margin_ratio);
            self.status.push(margin.status.name(), 1)?;
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
            self.scenario.finish(),
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
            self.status.finish(),
            Arc::new(self.im_deficit.finish()),
            Arc::new(self.ineligible.finish()),
            number(numbers.mmr_no_hedge),
            number(numbers.imr_no_hedge),
        ])
    }
}

/// Rows of [`RISK_UNITS`] in the making.
#[derive(Default)]
pub struct UnitRows {
    account_id: Texts,
    scenario: Texts,
    risk_unit: Texts,
    mr1_vol: Texts,
    numbers: UnitNumbers,
}

impl UnitRows {
    /// No rows, with room for so many.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        let mut table = Self::default();
        table.numbers.reserve(rows);
        table
    }

    /// Adds the rows of a chunk as in [`AccountRows::extend`]. `unit_names` are those of the priced market.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the ids exceed 2 GiB of text.
    pub fn extend(&mut self, chunk: &Chunk, book: &Book, unit_names: &[String], scenarios: &[String]) -> Result<()> {
        self.numbers.extend(&chunk.units);
        for (row, units) in units_by_account(chunk) {
            self.account_id.push(book.accounts.get(chunk.first_account + row / scenarios.len()), units.len())?;
            self.scenario.push(&scenarios[row % scenarios.len()], units.len())?;
        }
        for unit in &chunk.units {
            self.risk_unit.push(&unit_names[unit.unit as usize], 1)?;
            self.mr1_vol.push(unit.mr1_vol.name(), 1)?;
        }
        Ok(())
    }

    /// The batch of all rows.
    ///
    /// # Errors
    /// [`Error::Runtime`] if they do not fit the table, which is a fault of this crate.
    pub fn finish(self) -> Result<RecordBatch> {
        let numbers = self.numbers;
        RISK_UNITS.batch(vec![
            self.account_id.finish(),
            self.scenario.finish(),
            self.risk_unit.finish(),
            number(numbers.mr1),
            number(numbers.mr1_price),
            self.mr1_vol.finish(),
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
        ])
    }
}
