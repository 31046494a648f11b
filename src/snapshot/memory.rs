//! Tables that a caller holds as record batches: the same columns, checks and rejects as those of files.
//!
//! Such a table has no file: where an error of a file names one, an error here names the table.

use super::schema::SHOCKS;
use super::stream::Stream;
use super::tables::{MarketTables, Pending};
use super::{Expectations, LoadOptions, Snapshot, Survey, Table, shocks, whole};
use crate::formats::Column;
use crate::formats::batch::Batch;
use crate::formats::memory::{Rows, Slices};
use crate::formats::scan::Opened;
use crate::formats::scan::scan;
use crate::market::Market;
use crate::market::scenario::Scenario;
use crate::progress::Progress;
use crate::source::Source;
use crate::{Error, Result};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::path::Path;
use std::sync::Arc;

/// The columns that are read of a table in files, as they stand there.
fn read_rows(table: &str, columns: &[Column], source: &Source, progress: &dyn Progress) -> Result<Rows> {
    let mut batches: Vec<RecordBatch> = Vec::new();
    let fold = |local: &mut Vec<RecordBatch>, batch: &Batch| {
        let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
        let schema = Schema::new(batch.columns.iter().map(field).collect::<Vec<_>>());
        let arrays = batch.columns.iter().map(|(_, array)| Arc::clone(array)).collect();
        local.push(
            RecordBatch::try_new(Arc::new(schema), arrays)
                .map_err(|error| Error::Runtime(format!("cannot form a batch of table `{table}`: {error}")))?,
        );
        Ok(())
    };
    scan(Opened::new(source, columns)?, progress, fold, |local| {
        batches.extend(local);
        Ok(())
    })?;
    let schema = batches.first().map_or_else(|| without_rows(columns), RecordBatch::schema);
    Rows::new(schema, batches)
}

/// The schema of a table of which nothing is there but its columns.
fn without_rows(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(column.name, DataType::Null, true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// What is wrong with a table in memory has no file: the name of the table stands in its place.
pub(super) fn name_table(error: Error) -> Error {
    match error {
        Error::Invalid(mut invalid) => {
            invalid.table = invalid.file.take().map(|name| name.display().to_string());
            Error::Invalid(invalid)
        }
        other => other,
    }
}

/// The tables of a market at one time, read and checked; good for any number of books.
pub struct MarketRows {
    as_of_ns: i64,
    pub(super) tables: Arc<MarketTables>,
    rows: [Rows; 3],
}

impl MarketRows {
    /// From tables in memory.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a column is missing or has a wrong type, or an instrument, a mark or an index is there
    /// twice; [`Error::Interrupted`].
    pub fn new(as_of_ns: i64, instruments: Rows, marks: Rows, indices: Rows, progress: &dyn Progress) -> Result<Self> {
        let options = LoadOptions {
            default_spot_offset: crate::margin::rules::SpotOffset::Usdt,
            expectations: &Expectations::NONE,
            progress,
        };
        let rows = [instruments, marks, indices];
        let named = [(Table::Instruments, &rows[0]), (Table::Marks, &rows[1]), (Table::Indices, &rows[2])];
        let read = Pending::of_memory(&named, &options)
            .and_then(|mut pending| MarketTables::read(&mut pending, as_of_ns, &options))
            .map_err(name_table);
        let tables = read?;
        Ok(Self { as_of_ns, tables: Arc::new(tables), rows })
    }

    /// The market of the snapshot in the folder `dir`; its tables of accounts are not looked at.
    ///
    /// # Errors
    /// Those of [`super::load`] that concern `snapshot.toml` and the tables of the market.
    pub fn open(dir: &Path, progress: &dyn Progress) -> Result<Self> {
        let survey = Survey::new(dir)?;
        let read = |table: Table| {
            let source = survey
                .source(table)
                .ok_or_else(|| Error::Runtime(format!("table `{}` was not found", table.name())))?;
            read_rows(table.name(), table.columns(), source, progress)
        };
        let [instruments, marks, indices] = [Table::Instruments, Table::Marks, Table::Indices].map(read);
        let read = || Self::new(survey.as_of_ns, instruments?, marks?, indices?, progress);
        survey.settle(read(), progress)
    }

    /// Valuation time in nanoseconds since 1970 UTC.
    #[must_use]
    pub fn as_of_ns(&self) -> i64 {
        self.as_of_ns
    }

    /// The tables it was made of: instruments, marks, indices.
    #[must_use]
    pub fn rows(&self) -> &[Rows; 3] {
        &self.rows
    }
}

/// Tables of accounts that a caller holds.
#[derive(Clone, Copy)]
pub struct Tables<'a> {
    /// `account_id`, `inst_id`, `qty`, `avg_px`.
    pub positions: &'a Rows,
    /// `account_id`, `ccy`, `cash`, `interest` (optional), `spot_in_use_cap` (optional).
    pub balances: &'a Rows,
    /// `account_id`, `spot_offset`.
    pub accounts: Option<&'a Rows>,
    /// `account_id`, `inst_id`, `side`, `qty`, `px`.
    pub orders: Option<&'a Rows>,
}

/// Joins tables of accounts in memory to a market; the accounts come in pieces.
///
/// # Errors
/// Those of [`super::load`] that concern the columns of the tables and the market.
pub fn open_rows(market: &MarketRows, tables: Tables, options: &LoadOptions) -> Result<Stream> {
    let mut named = vec![(Table::Positions, tables.positions), (Table::Balances, tables.balances)];
    named.extend(tables.accounts.map(|accounts| (Table::Accounts, accounts)));
    named.extend(tables.orders.map(|orders| (Table::Orders, orders)));
    let named = named.into_iter().map(|(table, rows)| (table, rows.clone())).collect();
    Stream::of_rows(market, named, options).map_err(name_table)
}

/// As [`super::load`], of tables in memory.
///
/// # Errors
/// Those of [`super::load`].
pub fn load_rows(market: &MarketRows, tables: Tables, options: &LoadOptions) -> Result<Snapshot> {
    whole(open_rows(market, tables, options)?, options)
}

/// The scenarios of a table `shocks` in memory, as [`super::read_shocks`] reads them of a file.
///
/// # Errors
/// Those of [`super::read_shocks`].
pub fn shocks_of(rows: &Rows, market: &Market, progress: &dyn Progress) -> Result<Vec<Scenario>> {
    let read = Slices::new("shocks", rows, SHOCKS)
        .and_then(|slices| shocks::read_opened(Opened::Memory(slices), market, progress));
    read.map_err(name_table)
}
