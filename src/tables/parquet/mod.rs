//! How a table is laid out in Parquet, and batches become finished columns.
//!
//! Columns of numbers without gaps are most of the bytes. The memory they were computed in becomes their page; the
//! Arrow writer would first list the indices of all values, gather them, and copy them twice more. Whether numbers go
//! through a dictionary or are compressed is decided by their content.

mod hybrid;
pub(crate) mod labels;
mod numbers;
mod pages;
mod pieces;

use super::columns::{Kind, TableSpec};
use crate::checksum::seal::seal_row_group;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, Float64Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use numbers::{Coded, SAMPLE};
use pages::{Chunk, Codec, How};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescPtr, Type};
use pieces::Pieces;
use std::io::Write;
use std::sync::Arc;

/// A column of one row group with checksums, ready to be appended.
#[derive(Debug)]
pub(crate) struct Column {
    pieces: Pieces,
    close: Box<ColumnCloseResult>,
}

impl From<(Pieces, ColumnCloseResult)> for Column {
    fn from((pieces, close): (Pieces, ColumnCloseResult)) -> Self {
        Self { pieces, close: Box::new(close) }
    }
}

impl From<(Bytes, ColumnCloseResult)> for Column {
    fn from((bytes, close): (Bytes, ColumnCloseResult)) -> Self {
        Self::from((Pieces::from(bytes), close))
    }
}

/// Encodes the batches of one table.
#[derive(Debug)]
pub(crate) struct Encoder {
    spec: TableSpec,
    schema: SchemaRef,
    columns: SchemaDescPtr,
    factory: ArrowRowGroupWriterFactory,
    properties: WriterPropertiesPtr,
}

/// Begins a file of the table.
pub(crate) fn start<W: Write + Send>(spec: &TableSpec, file: W) -> Result<(Encoder, SerializedFileWriter<W>)> {
    let schema = spec.schema();
    let columns = Arc::new(ArrowSchemaConverter::new().convert(&schema)?);
    let properties = Arc::new(properties(spec));
    let writer = SerializedFileWriter::new(file, columns.root_schema_ptr(), Arc::clone(&properties))?;
    let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
    Ok((Encoder { spec: *spec, schema, columns, factory, properties }, writer))
}

/// How the library writes the columns that we leave to it: text is compressed with zstd level 1.
fn properties(spec: &TableSpec) -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default());
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("remargin version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(None)
        // A column chunk is a page or two: nothing to find inside it.
        .set_offset_index_disabled(true)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(PAGE_BYTES / size_of::<f64>());
    for column in spec.columns {
        let path = || ColumnPath::from(column.name.as_ref());
        if matches!(column.kind, Kind::Text | Kind::Label) {
            properties = properties.set_column_compression(path(), zstd);
        }
        if column.nullable && column.kind == Kind::Number {
            properties = properties.set_column_compression(path(), Compression::UNCOMPRESSED);
        }
        if matches!(column.kind, Kind::Label | Kind::Level) {
            properties = properties.set_column_dictionary_enabled(path(), true);
        }
        if column.statistics {
            properties = properties.set_column_statistics_enabled(path(), EnabledStatistics::Chunk);
        }
    }
    let sorting = |column_idx: i32| vec![SortingColumn { column_idx, descending: false, nulls_first: false }];
    properties.set_sorting_columns(spec.sorted_by.map(sorting)).build()
}

/// Most bytes of a page before compression.
const PAGE_BYTES: usize = 1 << 20;

impl Encoder {
    pub fn encode(&self, batch: &RecordBatch) -> Result<Vec<Column>> {
        // Every column is flat: one field, one leaf, one writer. The index matters to encryption only.
        let writers = self.factory.create_column_writers(0)?;
        let mut codec = Codec::new()?;
        let columns = writers.into_iter().enumerate();
        columns.map(|(place, writer)| self.encode_column(batch, place, writer, &mut codec)).collect()
    }

    fn encode_column(
        &self,
        batch: &RecordBatch,
        place: usize,
        mut writer: ArrowColumnWriter,
        codec: &mut Codec,
    ) -> Result<Column> {
        let (array, column) = (batch.column(place), &self.spec.columns[place]);
        let is_whole = !column.nullable && array.null_count() == 0 && !array.is_empty();
        if is_whole && column.kind == Kind::Number && !column.statistics && array.len() <= PAGE_ROWS {
            return self.encode_numbers(place, array.as_primitive::<Float64Type>(), codec).map(Column::from);
        }
        if is_whole && column.kind == Kind::Level && !column.statistics {
            return self.encode_levels(place, array.as_primitive::<Float64Type>(), codec).map(Column::from);
        }
        if is_whole && column.kind == Kind::Text && array.len() <= PAGE_ROWS {
            let (column, values) = (self.columns.column(place), array.as_string::<i32>());
            return labels::encode_plain(column, values, self.spec.columns[place].statistics, codec).map(Column::from);
        }
        if let Some(labels) = array.as_dictionary_opt::<UInt32Type>() {
            return labels::encode(self.columns.column(place), labels, column.statistics, codec).map(Column::from);
        }
        for leaf in compute_leaves(self.schema.field(place), array)? {
            writer.write(&leaf)?;
        }
        self.seal_arrow(place, writer.close()?)
    }

    /// The library keeps the pages of its Arrow columns to itself until they stand in a file: here one in memory, of
    /// this column alone.
    fn seal_arrow(&self, place: usize, chunk: ArrowColumnChunk) -> Result<Column> {
        let root = self.columns.root_schema();
        let fields = root.get_fields().iter().skip(place).take(1).cloned().collect();
        let schema = Arc::new(Type::group_type_builder(root.name()).with_fields(fields).build()?);
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::clone(&self.properties))?;
        let mut group = file.next_row_group()?;
        chunk.append_to_row_group(&mut group)?;
        let group = group.close()?;
        let mut columns = seal_row_group(&file.into_inner()?, 0, &group)?;
        columns.pop().map(Column::from).ok_or_else(|| ParquetError::General("a column without pages".into()))
    }

    /// Mostly zeros through a dictionary, others one after another, as they are in memory.
    fn encode_numbers(
        &self,
        place: usize,
        array: &Float64Array,
        codec: &mut Codec,
    ) -> Result<(Pieces, ColumnCloseResult)> {
        let values = array.values();
        if numbers::is_sparse(values) {
            return self.encode_coded(place, values.len(), numbers::sparse(values), codec);
        }
        let chunk = Chunk {
            column: self.columns.column(place),
            rows: values.len(),
            how: if repeats(values) { How::Snappy } else { How::Not },
            dictionary: None,
            encoding: Encoding::PLAIN,
            data: if cfg!(target_endian = "little") {
                Bytes::from_owner(Values(values.inner().clone()))
            } else {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            },
            statistics: None,
        };
        chunk.finish(codec)
    }

    /// Few different values through a dictionary; more, as under rules with many classes, like other numbers.
    fn encode_levels(
        &self,
        place: usize,
        array: &Float64Array,
        codec: &mut Codec,
    ) -> Result<(Pieces, ColumnCloseResult)> {
        match numbers::levels(array.values()) {
            Some(coded) => self.encode_coded(place, array.len(), coded, codec),
            None => self.encode_numbers(place, array, codec),
        }
    }

    fn encode_coded(
        &self,
        place: usize,
        rows: usize,
        coded: Coded,
        codec: &mut Codec,
    ) -> Result<(Pieces, ColumnCloseResult)> {
        let chunk = Chunk {
            column: self.columns.column(place),
            rows,
            how: How::Not,
            dictionary: Some((coded.values, coded.count)),
            encoding: Encoding::RLE_DICTIONARY,
            data: Bytes::from(coded.keys),
            statistics: None,
        };
        chunk.finish(codec)
    }
}

/// The memory of a column, shared with a page.
struct Values(Buffer);

impl AsRef<[u8]> for Values {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

/// Most rows of a page of numbers; there are no more in a batch of the large tables.
const PAGE_ROWS: usize = 1 << 20;

/// True if at least every second value is that of the row before, as where most rows are zero. To compress others
/// costs more than to write them.
fn repeats(values: &[f64]) -> bool {
    let values = &values[..values.len().min(SAMPLE)];
    let same: usize = values.windows(2).map(|pair| usize::from(pair[0].to_bits() == pair[1].to_bits())).sum();
    same * 2 >= values.len()
}

/// Appends the columns of a row group.
pub(crate) fn append<W: Write + Send>(writer: &mut SerializedFileWriter<W>, columns: Vec<Column>) -> Result<()> {
    let mut group = writer.next_row_group()?;
    for column in columns {
        group.append_column(&column.pieces, *column.close)?;
    }
    group.close()?;
    Ok(())
}
