//! Tables that a caller holds as record batches, read like those of files.

use super::Column;
use super::batch::{Batch, project};
use crate::cells::arrays::dictionary;
use crate::cells::text::is_text;
use crate::{Error, Invalid, Result};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
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
pub(crate) struct Slices {
    name: Arc<Path>,
    /// Number of the first row, from 1, and the rows.
    batches: Vec<(u64, RecordBatch)>,
    rows: u64,
    /// Columns of names that repeat.
    repeating: Vec<String>,
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
        let repeats = |column: &&Column| column.is_text() && !UNIQUE.contains(&column.name);
        let repeating = columns.iter().filter(repeats).map(|column| column.name.to_owned()).collect();
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
            let encoded = if is_text(array.data_type()) && self.repeating.contains(&name) {
                dictionary(array).ok()
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
