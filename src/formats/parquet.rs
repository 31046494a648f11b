//! Parquet parts, read one row group at a time.

use super::Column;
use super::batch::{Batch, project};
use super::guard::{guarded, row_limit};
use super::pages::{self, Chunk};
use crate::cells::text::is_text;
use crate::source::Input;
use crate::{Error, Invalid, Result};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray, new_null_array};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Encoding, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use std::path::Path;
use std::sync::Arc;

const BATCH_ROWS: usize = 1 << 16;

/// One opened part. Row groups can be read side by side.
pub(crate) struct Part {
    pub input: Input,
    file: Arc<Path>,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    /// Rows of each row group.
    pub groups: Vec<u64>,
    /// The names of all columns.
    pub names: Vec<String>,
    /// Of each row group the chunks of the columns that are read.
    chunks: Vec<Vec<Chunk>>,
    /// Columns of one value that are read, which the names of its folders hold.
    constants: Vec<(String, Option<String>)>,
}

impl Part {
    /// Reads the footer and checks the columns.
    ///
    /// `partition` are columns of one value that its folders name.
    pub fn open(input: &Input, partition: &[(String, Option<String>)], columns: &[Column]) -> Result<Self> {
        let (file, bytes) = (input.path(), input.at_hand()?);
        let end = pages::check_ends(&bytes)?;
        let metadata =
            guarded(file, || ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).and_then(plain_timestamps))?;
        let fields = metadata.schema().fields();
        let fields = fields.iter().map(|field| (field.name().as_str(), field.data_type()));
        let found: Vec<_> = fields.chain(partition.iter().map(|(name, _)| (name.as_str(), &DataType::Utf8))).collect();
        let mut places = project(file, columns, &found)?;
        // What the folders say stands behind what the file holds.
        let own = found.len() - partition.len();
        let constants = places.split_off(places.partition_point(|&place| place < own));
        let constants = constants.into_iter().filter_map(|place| partition.get(place - own).cloned()).collect();
        let names = found.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut groups = Vec::new();
        for group in metadata.metadata().row_groups() {
            groups.push(u64::try_from(group.num_rows()).map_err(|_| {
                Invalid::new("damaged footer: negative number of rows").file(file).value(group.num_rows().to_string())
            })?);
        }
        row_limit(file, groups.iter().fold(0, |sum, &rows| rows.saturating_add(sum)), end)?;
        let metadata = guarded(file, || Ok::<_, String>(keep_dictionaries(columns, metadata)))?;
        let mask = ProjectionMask::roots(metadata.parquet_schema(), places);
        let chunks_of = |(group, &rows): (&RowGroupMetaData, &u64)| {
            let leaves = group.columns().iter().enumerate();
            let leaves = leaves.filter(|(leaf, _)| rows > 0 && mask.leaf_included(*leaf));
            leaves.map(|(_, column)| Chunk::new(file, column, rows, end)).collect::<Result<Vec<_>>>()
        };
        let chunks = metadata.metadata().row_groups().iter().zip(&groups).map(chunks_of).collect::<Result<_>>()?;
        Ok(Self { input: input.clone(), file: file.into(), metadata, mask, groups, names, chunks, constants })
    }

    /// Hands the rows of a group to `each`, batch by batch.
    pub fn read_group(&self, group: usize, first_row: u64, mut each: impl FnMut(&Batch) -> Result<()>) -> Result<()> {
        let file = &*self.file;
        let input = self.input.at_hand()?;
        let (Some(chunks), Some(&promised)) = (self.chunks.get(group), self.groups.get(group)) else {
            return Err(Error::Runtime(format!("`{}` has no row group {group}", file.display())));
        };
        chunks.iter().try_for_each(|chunk| chunk.check(&input))?;
        let mut reader = guarded(file, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(input, self.metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(self.mask.clone())
                .with_batch_size(BATCH_ROWS)
                .build()
        })?;
        let mut rows = 0;
        while let Some(batch) = guarded(file, || reader.next().transpose())? {
            let names = batch.schema_ref().fields().iter().map(|field| field.name().clone());
            let constants =
                self.constants.iter().map(|(name, value)| (name.clone(), constant(value.as_deref(), batch.num_rows())));
            let columns = names.zip(batch.columns().iter().cloned()).chain(constants).collect();
            let (first_row, count) = (first_row + rows, batch.num_rows());
            let rows_ahead = promised.saturating_sub(rows);
            each(&Batch { file: Arc::clone(&self.file), first_row, rows: count, rows_ahead, columns })?;
            rows += count as u64;
        }
        if rows != promised {
            return Err(Invalid::new(format!("damaged file: row group {group} holds {rows} rows"))
                .file(file)
                .expected(format!("{promised} rows, as the footer says"))
                .into());
        }
        Ok(())
    }
}

/// A column of one value.
fn constant(value: Option<&str>, rows: usize) -> ArrayRef {
    let keys = Int32Array::from(vec![value.map(|_| 0); rows]);
    let values = Arc::new(StringArray::from(vec![value.unwrap_or_default()]));
    // The keys are the one place of the one value.
    DictionaryArray::<Int32Type>::try_new(keys, values)
        .map_or_else(|_| new_null_array(&DataType::Utf8, rows), |array| Arc::new(array))
}

/// Has old timestamps (INT96) decoded as milliseconds. As nanoseconds they would wrap outside the years 1677 to 2262,
/// and a date of 2611 would be one of 2026; as milliseconds no value they can hold wraps.
fn plain_timestamps(metadata: ArrowReaderMetadata) -> Result<ArrowReaderMetadata, ParquetError> {
    let schema = metadata.parquet_schema();
    let is_old = |name: &str| {
        let mut leaves = schema.columns().iter();
        leaves.any(|leaf| leaf.physical_type() == Type::INT96 && leaf.path().parts() == [name])
    };
    let mut fields: Vec<Field> = metadata.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    if !fields.iter().any(|field| is_old(field.name())) {
        return Ok(metadata);
    }
    for field in &mut fields {
        if is_old(field.name()) {
            field.set_data_type(DataType::Timestamp(TimeUnit::Millisecond, None));
        }
    }
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
}

/// Asks for string columns as dictionaries, so that a name is looked up once for each dictionary and not for each
/// row. Account ids are many: they come as dictionaries only where the file holds nothing else, since to build one
/// would cost more than it saves.
fn keep_dictionaries(columns: &[Column], metadata: ArrowReaderMetadata) -> ArrowReaderMetadata {
    let wanted = |field: &Field| {
        is_text(field.data_type())
            && columns.iter().any(|column| column.is_text() && column.name == field.name())
            && (field.name() != "account_id" || is_all_dictionary(metadata.metadata(), field.name()))
    };
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fields: Vec<Field> = metadata
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let field = field.as_ref().clone();
            if wanted(&field) { field.with_data_type(dictionary.clone()) } else { field }
        })
        .collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).unwrap_or(metadata)
}

/// True if all pages of a flat column refer to dictionaries, as far as the file says.
fn is_all_dictionary(metadata: &ParquetMetaData, name: &str) -> bool {
    let refers = |chunk: &ColumnChunkMetaData| {
        let pages = chunk.page_encoding_stats_mask();
        pages.is_some_and(|mask| mask.is_only(Encoding::RLE_DICTIONARY) || mask.is_only(Encoding::PLAIN_DICTIONARY))
    };
    let mut chunks = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    chunks.all(|chunk| chunk.column_path().parts() != [name] || refers(chunk))
}
