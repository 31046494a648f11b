//! Arrow IPC files, batch by batch.

use super::Column;
use super::batch::{Batch, project};
use super::guard::{guarded, row_limit};
use super::ipc_layout::check_layout;
use crate::Result;
use crate::source::unreadable;
use arrow::ipc::reader::FileReader;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

/// An opened file.
pub(crate) struct Batches {
    file: Arc<Path>,
    reader: FileReader<BufReader<File>>,
    next_row: u64,
}

impl Batches {
    /// Reads the footer and checks the columns.
    pub fn open(file: &Path, columns: &[Column]) -> Result<Self> {
        let mut input = File::open(file).map_err(|error| unreadable(file, &error))?;
        let (rows, bytes) = check_layout(file, &mut input)?;
        row_limit(file, rows, bytes)?;
        let again = input.try_clone().map_err(|error| unreadable(file, &error))?;
        let whole = guarded(file, || FileReader::try_new(BufReader::new(again), None))?;
        let schema = whole.schema();
        let found: Vec<_> = schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        let places = project(file, columns, &found)?;
        let reader = guarded(file, || FileReader::try_new(BufReader::new(input), Some(places)))?;
        Ok(Self { file: file.into(), reader, next_row: 1 })
    }

    pub fn next(&mut self) -> Result<Option<Batch>> {
        let Some(batch) = guarded(&self.file, || self.reader.next().transpose())? else { return Ok(None) };
        let names = batch.schema_ref().fields().iter().map(|field| field.name().clone());
        let columns = names.zip(batch.columns().iter().cloned()).collect();
        let (first_row, rows) = (self.next_row, batch.num_rows());
        self.next_row += rows as u64;
        Ok(Some(Batch { file: Arc::clone(&self.file), first_row, rows, rows_ahead: rows as u64, columns }))
    }
}
