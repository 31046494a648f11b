//! How a table is laid out in Parquet, and batches become finished columns.
//!
//! Columns of numbers without gaps are most of the bytes. They go straight from their slice into a page; the Arrow
//! writer would first list the indices of all values and gather them. Whether a page of numbers is compressed is
//! decided by its content.

use super::columns::{Kind, TableSpec};
use super::labels;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, SchemaRef, UInt32Type};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::{ColumnCloseResult, get_column_writer, get_typed_column_writer};
use parquet::data_type::DoubleType;
use parquet::errors::Result;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnPath, SchemaDescPtr};
use std::io::Write;
use std::sync::Arc;

/// A column of one row group, ready to be appended.
#[derive(Debug)]
pub(super) enum Column {
    Arrow(Box<ArrowColumnChunk>),
    Finished(Bytes, Box<ColumnCloseResult>),
}

/// Encodes the batches of one table.
#[derive(Debug)]
pub(super) struct Encoder {
    spec: TableSpec,
    schema: SchemaRef,
    columns: SchemaDescPtr,
    factory: ArrowRowGroupWriterFactory,
    compressed: WriterPropertiesPtr,
    uncompressed: WriterPropertiesPtr,
}

/// Begins a file of the table.
pub(super) fn start<W: Write + Send>(spec: &TableSpec, file: W) -> Result<(Encoder, SerializedFileWriter<W>)> {
    let schema = spec.schema();
    let columns = Arc::new(ArrowSchemaConverter::new().convert(&schema)?);
    let [compressed, uncompressed] =
        [Compression::SNAPPY, Compression::UNCOMPRESSED].map(|numbers| Arc::new(properties(spec, numbers)));
    let writer = SerializedFileWriter::new(file, columns.root_schema_ptr(), Arc::clone(&compressed))?;
    let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
    Ok((Encoder { spec: *spec, schema, columns, factory, compressed, uncompressed }, writer))
}

/// Text is compressed with zstd level 1.
fn properties(spec: &TableSpec, numbers: Compression) -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default());
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("remargin version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(numbers)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(None)
        // A column chunk is a page or two: nothing to find inside it.
        .set_offset_index_disabled(true)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(PAGE_BYTES / size_of::<f64>());
    for column in spec.columns {
        let path = || ColumnPath::from(column.name);
        if matches!(column.kind, Kind::Text | Kind::Label) {
            properties = properties.set_column_compression(path(), zstd);
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
        writers.into_iter().enumerate().map(|(place, writer)| self.encode_column(batch, place, writer)).collect()
    }

    fn encode_column(&self, batch: &RecordBatch, place: usize, mut writer: ArrowColumnWriter) -> Result<Column> {
        let (array, column) = (batch.column(place), &self.spec.columns[place]);
        if matches!(column.kind, Kind::Number | Kind::Level) && !column.nullable && array.null_count() == 0 {
            return self.encode_numbers(place, array.as_primitive::<Float64Type>().values());
        }
        if let Some(labels) = array.as_dictionary_opt::<UInt32Type>() {
            let (bytes, close) = labels::encode(self.columns.column(place), labels, column.statistics)?;
            return Ok(Column::Finished(bytes, Box::new(close)));
        }
        for leaf in compute_leaves(self.schema.field(place), array)? {
            writer.write(&leaf)?;
        }
        writer.close().map(|chunk| Column::Arrow(Box::new(chunk)))
    }

    fn encode_numbers(&self, place: usize, values: &[f64]) -> Result<Column> {
        let properties = if repeats(values) { &self.compressed } else { &self.uncompressed };
        let mut sink = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut sink));
        let writer = get_column_writer(self.columns.column(place), Arc::clone(properties), pages);
        let mut writer = get_typed_column_writer::<DoubleType>(writer);
        writer.write_batch(values, None, None)?;
        let close = writer.close()?;
        Ok(Column::Finished(Bytes::from(sink.into_inner()?), Box::new(close)))
    }
}

/// Values that stand for their column.
const SAMPLE: usize = 8_192;

/// True if at least every second value is that of the row before, as where most rows are zero. To compress others
/// costs more than to write them.
fn repeats(values: &[f64]) -> bool {
    let values = &values[..values.len().min(SAMPLE)];
    let same: usize = values.windows(2).map(|pair| usize::from(pair[0].to_bits() == pair[1].to_bits())).sum();
    same * 2 >= values.len()
}

/// Appends the columns of a row group.
pub(super) fn append<W: Write + Send>(writer: &mut SerializedFileWriter<W>, columns: Vec<Column>) -> Result<()> {
    let mut group = writer.next_row_group()?;
    for column in columns {
        match column {
            Column::Arrow(chunk) => chunk.append_to_row_group(&mut group)?,
            Column::Finished(bytes, close) => group.append_column(&bytes, *close)?,
        }
    }
    group.close()?;
    Ok(())
}
