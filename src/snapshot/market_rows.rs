//! The tables of a market as record batches, read and checked once for any number of books.

use super::tables::{MarketTables, Pending};
use super::{Expectations, LoadOptions, MarkCheck, Survey, Table};
use crate::formats::Column;
use crate::formats::batch::Batch;
use crate::formats::memory::Rows;
use crate::formats::scan::Opened;
use crate::formats::scan::scan;
use crate::progress::Progress;
use crate::source::Source;
use crate::{Error, Result};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
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
    mark_check: MarkCheck,
}

impl MarketRows {
    /// From tables in memory: instruments, marks, indices. Prices that contradict each other by more than `mark_check`
    /// allows are refused, here and where accounts are margined.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a column is missing or has a wrong type, or an instrument, a mark or an index is there
    /// twice; [`Error::Interrupted`].
    pub fn new(as_of_ns: i64, rows: [Rows; 3], mark_check: MarkCheck, progress: &dyn Progress) -> Result<Self> {
        let options = LoadOptions {
            default_spot_offset: crate::margin::rules::SpotOffset::Usdt,
            expectations: &Expectations { mark_check, ..Expectations::NONE },
            progress,
        };
        let named = [(Table::Instruments, &rows[0]), (Table::Marks, &rows[1]), (Table::Indices, &rows[2])];
        let read = Pending::of_memory(&named, &options)
            .and_then(|mut pending| MarketTables::read(&mut pending, as_of_ns, &options))
            .map_err(name_table);
        let tables = read?;
        Ok(Self { as_of_ns, tables: Arc::new(tables), rows, mark_check })
    }

    /// The market of the snapshot in the folder `dir`; its tables of accounts are not looked at.
    ///
    /// # Errors
    /// Those of [`super::load`] that concern `snapshot.toml` and the tables of the market.
    pub fn open(dir: &Path, mark_check: MarkCheck, progress: &dyn Progress) -> Result<Self> {
        let survey = Survey::new(dir)?;
        let read = |table: Table| {
            let source = survey
                .source(table)
                .ok_or_else(|| Error::Runtime(format!("table `{}` was not found", table.name())))?;
            read_rows(table.name(), table.columns(), source, progress)
        };
        let [instruments, marks, indices] = [Table::Instruments, Table::Marks, Table::Indices].map(read);
        let read = || Self::new(survey.as_of_ns, [instruments?, marks?, indices?], mark_check, progress);
        survey.settle(read(), progress)
    }

    /// Valuation time in nanoseconds since 1970 UTC.
    #[must_use]
    pub fn as_of_ns(&self) -> i64 {
        self.as_of_ns
    }

    /// How far its prices may contradict each other.
    #[must_use]
    pub fn mark_check(&self) -> MarkCheck {
        self.mark_check
    }

    /// The tables it was made of: instruments, marks, indices.
    #[must_use]
    pub fn rows(&self) -> &[Rows; 3] {
        &self.rows
    }
}
