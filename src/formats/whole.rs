//! A file with all its columns, as record batches in memory.

use super::guard::{guarded, row_limit};
use super::ipc_layout::check_layout;
use super::memory::Rows;
use super::pages::{self, Chunk};
use crate::source::{Format, Input};
use crate::{Invalid, Result};
use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use std::io::BufReader;

const BATCH_ROWS: usize = 1 << 16;

/// Reads a Parquet or Arrow file.
///
/// # Errors
/// [`Invalid`] if it is damaged, or of a format that does not say the types of its columns.
pub(crate) fn read(input: &Input, format: Format) -> Result<Rows> {
    let (mut columns, mut batches) = (None, Vec::new());
    each(input, format, &mut |schema, batch| {
        columns.get_or_insert_with(|| schema.clone());
        batches.extend(batch);
        Ok(())
    })?;
    Rows::new(columns.unwrap_or_else(|| SchemaRef::new(Schema::empty())), batches)
}

/// What takes the columns of a file and one of its batches. It is called without a batch first.
pub(crate) type Take<'a> = &'a mut dyn FnMut(&SchemaRef, Option<RecordBatch>) -> Result<()>;

/// Reads a Parquet or Arrow file batch by batch.
///
/// # Errors
/// Those of [`read`], and of `take`.
pub(crate) fn each(input: &Input, format: Format, take: Take) -> Result<()> {
    match format {
        Format::Parquet => parquet(input, take),
        Format::Arrow => ipc(input, take),
        Format::Csv => Err(Invalid::new("a CSV file does not say the types of its columns")
            .file(input.path())
            .expected("a table in Parquet or Arrow")
            .into()),
    }
}

/// The columns of a Parquet or Arrow file.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn columns(input: &Input, format: Format) -> Result<SchemaRef> {
    if format == Format::Parquet {
        return Ok(footer(input, &input.at_hand()?)?.0.schema().clone());
    }
    let mut found = None;
    each(input, format, &mut |schema, _| {
        found.get_or_insert_with(|| schema.clone());
        Ok(())
    })?;
    Ok(found.unwrap_or_else(|| SchemaRef::new(Schema::empty())))
}

/// The checked metadata of a Parquet file, and where its footer begins.
fn footer(input: &Input, bytes: &Input) -> Result<(ArrowReaderMetadata, u64)> {
    let file = input.path();
    let end = pages::check_ends(bytes)?;
    let metadata = guarded(file, || ArrowReaderMetadata::load(bytes, ArrowReaderOptions::new()))?;
    let rows = metadata.metadata().file_metadata().num_rows();
    row_limit(file, u64::try_from(rows).unwrap_or(u64::MAX), end)?;
    Ok((metadata, end))
}

fn parquet(input: &Input, take: Take) -> Result<()> {
    let (file, bytes) = (input.path(), input.at_hand()?);
    let (metadata, end) = footer(input, &bytes)?;
    let schema = metadata.schema().clone();
    for group in metadata.metadata().row_groups() {
        let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
        // Lists, which only others write, have more values than rows.
        for column in group.columns().iter().filter(|column| column.column_descr().max_rep_level() == 0) {
            Chunk::new(file, column, rows, end)?.check(&bytes)?;
        }
    }
    take(&schema, None)?;
    let mut reader = guarded(file, || {
        ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata).with_batch_size(BATCH_ROWS).build()
    })?;
    while let Some(batch) = guarded(file, || reader.next().transpose())? {
        take(&schema, Some(batch))?;
    }
    Ok(())
}

fn ipc(input: &Input, take: Take) -> Result<()> {
    let (file, bytes) = (input.path(), input.at_hand()?);
    row_limit(file, check_layout(&bytes)?, bytes.len())?;
    let mut reader = guarded(file, || FileReader::try_new(BufReader::new(bytes.view(0)), None))?;
    let schema = reader.schema();
    take(&schema, None)?;
    while let Some(batch) = guarded(file, || reader.next().transpose())? {
        take(&schema, Some(batch))?;
    }
    Ok(())
}
