//! Tables that a caller holds as record batches: the same columns, checks and rejects as those of files.
//!
//! Such a table has no file: where an error of a file names one, an error here names the table.

use super::batch::{Batch, project};
use super::scan::{Opened, scan};
use super::schema::{Column, Kind, SHOCKS};
use super::source::Source;
use super::tables::{MarketTables, Pending, read_accounts};
use super::text::is_text;
use super::{Expectations, LoadOptions, Snapshot, Survey, Table, shocks, time};
use crate::market::Market;
use crate::market::scenario::Scenario;
use crate::progress::Progress;
use crate::{Error, Invalid, Result};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::path::Path;
use std::sync::Arc;

/// The rows of a table: batches of one schema. A table without rows has its columns all the same.
#[derive(Debug, Clone)]
pub struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Rows {
    /// Batches that all have the columns of `schema`, in its order.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a batch has other columns.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<Self> {
        let types = |schema: &Schema| -> Vec<(String, DataType)> {
            schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
        };
        let expected = types(&schema);
        if let Some(other) = batches.iter().find(|batch| types(batch.schema_ref()) != expected) {
            return Err(Invalid::new("batches of one table have different columns")
                .value(other.schema_ref().to_string())
                .expected(schema.to_string())
                .into());
        }
        Ok(Self { schema, batches })
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batches, in the order of their rows.
    #[must_use]
    pub fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// True if there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns that are read of a table in files, as they stand there.
    fn read(table: Table, source: &Source, progress: &dyn Progress) -> Result<Self> {
        let mut batches: Vec<RecordBatch> = Vec::new();
        let fold = |local: &mut Vec<RecordBatch>, batch: &Batch| {
            let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
            let schema = Schema::new(batch.columns.iter().map(field).collect::<Vec<_>>());
            let arrays = batch.columns.iter().map(|(_, array)| Arc::clone(array)).collect();
            local.push(RecordBatch::try_new(Arc::new(schema), arrays).map_err(|error| {
                Error::Runtime(format!("cannot form a batch of table `{}`: {error}", table.name()))
            })?);
            Ok(())
        };
        scan(Opened::new(source, table.columns())?, progress, fold, |local| {
            batches.extend(local);
            Ok(())
        })?;
        let schema = batches.first().map_or_else(|| without_rows(table.columns()), RecordBatch::schema);
        Self::new(schema, batches)
    }
}

/// The schema of a table of which nothing is there but its columns.
fn without_rows(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(column.name, DataType::Null, true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

impl From<RecordBatch> for Rows {
    fn from(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), batches: vec![batch] }
    }
}

/// Most rows that are read as one: small enough for all threads to have work, large enough to be worth a task.
const SLICE_ROWS: usize = 1 << 16;

/// Columns of names of which most rows have their own: a dictionary would cost more than it saves.
const UNIQUE: [&str; 2] = ["account_id", "index_id"];

/// The columns of a table that are read, in slices without a copy.
pub(super) struct Slices {
    name: Arc<Path>,
    /// Number of the first row, from 1, and the rows.
    batches: Vec<(u64, RecordBatch)>,
    rows: u64,
    /// Columns of names that repeat.
    repeating: Vec<&'static str>,
}

impl Slices {
    /// Checks the columns.
    pub fn new(name: &str, table: &Rows, columns: &[Column]) -> Result<Self> {
        let name: Arc<Path> = Path::new(name).into();
        let fields = table.schema.fields();
        let found: Vec<_> = fields.iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        let places = project(&name, columns, &found)?;
        let (mut batches, mut rows) = (Vec::new(), 0u64);
        for batch in &table.batches {
            let batch = batch.project(&places).map_err(|error| Error::Runtime(error.to_string()))?;
            for start in (0..batch.num_rows()).step_by(SLICE_ROWS) {
                let slice = batch.slice(start, SLICE_ROWS.min(batch.num_rows() - start));
                let first_row = rows + 1;
                rows += slice.num_rows() as u64;
                batches.push((first_row, slice));
            }
        }
        let repeats = |column: &&Column| column.kind == Kind::Id && !UNIQUE.contains(&column.name);
        let repeating = columns.iter().filter(repeats).map(|column| column.name).collect();
        Ok(Self { name, batches, rows, repeating })
    }

    /// Rows of the table.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of slices.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// One slice, if there are so many. Names that repeat become dictionaries, so that each is looked up once.
    pub fn batch(&self, slice: usize) -> Option<Batch> {
        let (first_row, batch) = self.batches.get(slice)?;
        let fields = batch.schema_ref().fields().iter().zip(batch.columns());
        let columns = fields.map(|(field, array)| {
            let name = field.name().clone();
            let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            let encoded = if is_text(array.data_type()) && self.repeating.contains(&name.as_str()) {
                cast(array, &dictionary).ok()
            } else {
                None
            };
            (name, encoded.unwrap_or_else(|| Arc::clone(array)))
        });
        let rows = batch.num_rows();
        let (file, columns) = (Arc::clone(&self.name), columns.collect());
        Some(Batch { file, first_row: *first_row, rows, rows_ahead: rows as u64, columns })
    }
}

/// What is wrong with a table in memory has no file: the name of the table stands in its place.
fn name_table(error: Error) -> Error {
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
    tables: MarketTables,
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
        Ok(Self { as_of_ns, tables, rows })
    }

    /// The market of the snapshot in the folder `dir`; its tables of accounts are not looked at.
    ///
    /// # Errors
    /// Those of [`super::load`] that concern `snapshot.toml` and the tables of the market.
    pub fn open(dir: &Path, progress: &dyn Progress) -> Result<Self> {
        let Survey { as_of_ns, sources, .. } = Survey::new(dir)?;
        let read = |table: Table| {
            let source = sources.iter().find(|(other, _)| *other == table).map(|(_, source)| source);
            let source = source.ok_or_else(|| Error::Runtime(format!("table `{}` was not found", table.name())))?;
            Rows::read(table, source, progress)
        };
        let [instruments, marks, indices] = [Table::Instruments, Table::Marks, Table::Indices].map(read);
        Self::new(as_of_ns, instruments?, marks?, indices?, progress)
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

/// Joins tables of accounts in memory to a market, as [`super::load`] does with those of a folder. The last two are
/// `accounts` and `orders`.
///
/// # Errors
/// Those of [`super::load`].
pub fn load_rows(
    market: &MarketRows,
    positions: &Rows,
    balances: &Rows,
    [accounts, orders]: [Option<&Rows>; 2],
    options: &LoadOptions,
) -> Result<Snapshot> {
    let mut named = vec![(Table::Positions, positions), (Table::Balances, balances)];
    named.extend(accounts.map(|accounts| (Table::Accounts, accounts)));
    named.extend(orders.map(|orders| (Table::Orders, orders)));
    let read = Pending::of_memory(&named, options)
        .and_then(|pending| read_accounts(market.as_of_ns, &market.tables, pending, options));
    Ok(read.map_err(name_table)?.0)
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

/// A time such as `2026-01-15T08:00:00Z`, in nanoseconds since 1970 UTC.
///
/// # Errors
/// [`Error::Invalid`] if it is something else, has no offset, or lies outside the years 1678 to 2261.
pub fn parse_time(text: &str) -> Result<i64> {
    time::parse(text).map_err(|_| {
        Invalid::new("the valuation time cannot be read")
            .column("as_of")
            .value(text)
            .expected("a date and time with an offset: 2026-01-15T08:00:00Z")
            .into()
    })
}
