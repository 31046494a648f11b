//! Arrow IPC files, batch by batch.

use super::Column;
use super::batch::{Batch, project};
use super::guard::{guarded, row_limit};
use super::ipc_layout::check_layout;
use crate::Result;
use crate::source::{Input, View};
use arrow_ipc::reader::FileReader;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

/// An opened file.
pub(crate) struct Batches {
    pub input: Input,
    file: Arc<Path>,
    reader: FileReader<BufReader<View>>,
    next_row: u64,
    /// The names of all columns.
    pub names: Vec<String>,
}

impl Batches {
    /// Reads the footer and checks the columns.
    pub fn open(input: &Input, columns: &[Column]) -> Result<Self> {
        let (file, bytes) = (input.path(), input.at_hand()?);
        let rows = check_layout(&bytes)?;
        row_limit(file, rows, bytes.len())?;
        let whole = guarded(file, || FileReader::try_new(BufReader::new(bytes.view(0)), None))?;
        let schema = whole.schema();
        let found: Vec<_> = schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        let places = project(file, columns, &found)?;
        let names = found.iter().map(|(name, _)| (*name).to_owned()).collect();
        let reader = guarded(file, || FileReader::try_new(BufReader::new(bytes.view(0)), Some(places)))?;
        Ok(Self { input: input.clone(), file: file.into(), reader, next_row: 1, names })
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
