//! A file with all its columns, as record batches in memory.

use super::guard::{guarded, row_limit};
use super::ipc_layout::check_layout;
use super::memory::Rows;
use super::pages;
use crate::source::{Format, Input};
use crate::{Invalid, Result};
use arrow::ipc::reader::FileReader;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use std::io::BufReader;

const BATCH_ROWS: usize = 1 << 16;

/// Reads a Parquet or Arrow file.
///
/// # Errors
/// [`Invalid`] if it is damaged, or of a format that does not say the types of its columns.
pub(crate) fn read(input: &Input, format: Format) -> Result<Rows> {
    match format {
        Format::Parquet => parquet(input),
        Format::Arrow => ipc(input),
        Format::Csv => Err(Invalid::new("a CSV file does not say the types of its columns")
            .file(input.path())
            .expected("a table in Parquet or Arrow")
            .into()),
    }
}

fn parquet(input: &Input) -> Result<Rows> {
    let (file, bytes) = (input.path(), input.at_hand()?);
    let end = pages::check_ends(&bytes)?;
    let metadata = guarded(file, || ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()))?;
    let rows = metadata.metadata().file_metadata().num_rows();
    row_limit(file, u64::try_from(rows).unwrap_or(u64::MAX), end)?;
    let schema = metadata.schema().clone();
    let batches = guarded(file, || {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata);
        let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| error.to_string())?;
        reader.map(|batch| batch.map_err(|error| error.to_string())).collect::<std::result::Result<Vec<_>, _>>()
    })?;
    Rows::new(schema, batches)
}

fn ipc(input: &Input) -> Result<Rows> {
    let (file, bytes) = (input.path(), input.at_hand()?);
    row_limit(file, check_layout(&bytes)?, bytes.len())?;
    let reader = guarded(file, || FileReader::try_new(BufReader::new(bytes.view(0)), None))?;
    let schema = reader.schema();
    Rows::new(schema, guarded(file, || reader.collect::<std::result::Result<Vec<_>, _>>())?)
}
