//! Parquet parts, read one row group at a time.

use super::batch::{Batch, project};
use super::guard::{guarded, row_limit};
use super::pages::{self, Chunk};
use super::{Column, Kind};
use crate::cells::text::is_text;
use crate::source::Input;
use crate::{Error, Invalid, Result};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Encoding;
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
    /// Of each row group the chunks of the columns that are read.
    chunks: Vec<Vec<Chunk>>,
}

impl Part {
    /// Reads the footer and checks the columns.
    pub fn open(input: &Input, columns: &[Column]) -> Result<Self> {
        let (file, bytes) = (input.path(), input.at_hand()?);
        let end = pages::check_ends(&bytes)?;
        let metadata = guarded(file, || ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()))?;
        let fields = metadata.schema().fields();
        let found: Vec<_> = fields.iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        let places = project(file, columns, &found)?;
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
        Ok(Self { input: input.clone(), file: file.into(), metadata, mask, groups, chunks })
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
            let columns = names.zip(batch.columns().iter().cloned()).collect();
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

/// Asks for string columns as dictionaries, so that a name is looked up once for each dictionary and not for each
/// row. Account ids are many: they come as dictionaries only where the file holds nothing else, since to build one
/// would cost more than it saves.
fn keep_dictionaries(columns: &[Column], metadata: ArrowReaderMetadata) -> ArrowReaderMetadata {
    let wanted = |field: &Field| {
        is_text(field.data_type())
            && columns.iter().any(|column| column.kind == Kind::Id && column.name == field.name())
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
