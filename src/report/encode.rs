//! Tables become bytes: encoded in any thread, appended in order.
//!
//! An [`Encoder`] turns a batch into finished bytes (Parquet column chunks, Arrow buffers, CSV text) and is shared
//! by all threads; a [`TableFile`] appends them one after another. One batch is one Parquet row group, so the layout
//! of a file depends on the batches alone.

use super::columns::{Kind, TableSpec};
use super::csv;
use crate::{Error, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Rows of a row group in the small tables (`at_risk`, `rejects`), which are not written by account.
pub(super) const GROUP_ROWS: usize = 65_536;

/// How tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Parquet.
    #[default]
    Parquet,
    /// Arrow IPC file, not compressed: readers may map it into memory.
    Arrow,
    /// CSV with a header line.
    Csv,
}

impl Format {
    /// The extension of a file.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Csv => "csv",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Parquet, Self::Arrow, Self::Csv]
            .into_iter()
            .find(|format| format.extension() == name)
            .ok_or_else(|| Error::Usage(format!("no table format `{name}`: expected `parquet`, `arrow` or `csv`")))
    }
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Its name in the output folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its data rows; `None` for what is not a table.
    pub rows: Option<u64>,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: String,
}

/// A new file, counted and hashed while it is written.
#[derive(Debug)]
pub(super) struct HashedFile {
    file: BufWriter<File>,
    hasher: Box<blake3::Hasher>,
    bytes: u64,
}

impl HashedFile {
    fn create(path: &Path) -> Result<Self> {
        let file = File::create_new(path).map_err(|err| Error::io("create", path, err))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 18, file), hasher: Box::default(), bytes: 0 })
    }

    /// Flushes to the disk itself.
    fn finish(self, name: String, rows: Option<u64>) -> Result<OutputFile> {
        let sync = |file: BufWriter<File>| file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all();
        sync(self.file).map_err(|err| Error::io("write", &name, err))?;
        Ok(OutputFile { name, bytes: self.bytes, rows, blake3: self.hasher.finalize().to_hex().to_string() })
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file that is no table.
pub(crate) fn write_bytes(folder: &Path, name: &str, bytes: &[u8]) -> Result<OutputFile> {
    let path = folder.join(name);
    let mut file = HashedFile::create(&path)?;
    file.write_all(bytes).map_err(|err| Error::io("write", &path, err))?;
    file.finish(name.to_owned(), None)
}

/// Turns batches of one table into bytes; shared by all threads.
#[derive(Debug)]
pub struct Encoder {
    name: String,
    kind: EncoderKind,
}

#[derive(Debug)]
enum EncoderKind {
    Parquet(ArrowRowGroupWriterFactory, SchemaRef),
    Arrow,
    Csv,
}

/// A batch, ready to be appended.
#[derive(Debug)]
pub struct Encoded {
    rows: u64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Parquet(Vec<ArrowColumnChunk>),
    Arrow(RecordBatch),
    Csv(Vec<u8>),
}

/// An output table that is being written.
pub struct TableFile {
    name: String,
    rows: u64,
    sink: Sink,
}

enum Sink {
    Parquet(SerializedFileWriter<HashedFile>),
    Arrow(Box<FileWriter<HashedFile>>),
    Csv(HashedFile),
}

fn failed<E: Display>(action: &'static str, name: &str) -> impl Fn(E) -> Error {
    move |err| Error::Runtime(format!("cannot {action} `{name}`: {err}"))
}

/// Starts `folder/NAME.EXTENSION`.
///
/// # Errors
/// [`Error::Io`] if the file cannot be created (also if it exists), [`Error::Runtime`] if it cannot be written.
pub fn create(folder: &Path, spec: &TableSpec, format: Format) -> Result<(Encoder, TableFile)> {
    let name = format!("{}.{}", spec.name, format.extension());
    let mut file = HashedFile::create(&folder.join(&name))?;
    let schema = spec.schema();
    let (kind, sink) = match format {
        Format::Parquet => {
            let root =
                ArrowSchemaConverter::new().convert(&schema).map_err(failed("lay out", &name))?.root_schema_ptr();
            let properties = Arc::new(parquet_properties(spec));
            let writer = SerializedFileWriter::new(file, root, properties).map_err(failed("write", &name))?;
            let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
            (EncoderKind::Parquet(factory, schema), Sink::Parquet(writer))
        }
        Format::Arrow => {
            let writer = FileWriter::try_new(file, &schema).map_err(failed("write", &name))?;
            (EncoderKind::Arrow, Sink::Arrow(Box::new(writer)))
        }
        Format::Csv => {
            file.write_all(&csv::header(spec)).map_err(failed("write", &name))?;
            (EncoderKind::Csv, Sink::Csv(file))
        }
    };
    Ok((Encoder { name: name.clone(), kind }, TableFile { name, rows: 0, sink }))
}

/// Text zstd level 1; numbers snappy, which skips what does not compress and folds the many columns that are all
/// zero. To be measured against no compression.
fn parquet_properties(spec: &TableSpec) -> WriterProperties {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default());
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("remargin version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(None);
    for column in spec.columns {
        let path = || ColumnPath::from(column.name);
        if matches!(column.kind, Kind::Text | Kind::Label) {
            properties = properties.set_column_compression(path(), zstd);
        }
        if column.kind == Kind::Label {
            properties = properties.set_column_dictionary_enabled(path(), true);
        }
        if column.statistics {
            properties = properties.set_column_statistics_enabled(path(), EnabledStatistics::Chunk);
        }
    }
    let sorting = |column_idx: i32| vec![SortingColumn { column_idx, descending: false, nulls_first: false }];
    properties.set_sorting_columns(spec.sorted_by.map(sorting)).build()
}

impl Encoder {
    /// Encodes a batch whole: no work but copying is left for [`TableFile::append`].
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library refuses the batch.
    pub fn encode(&self, batch: RecordBatch) -> Result<Encoded> {
        let rows = batch.num_rows() as u64;
        let body = match &self.kind {
            EncoderKind::Parquet(factory, schema) => {
                Body::Parquet(column_chunks(factory, schema, &batch).map_err(failed("encode", &self.name))?)
            }
            EncoderKind::Arrow => Body::Arrow(batch),
            EncoderKind::Csv => Body::Csv(csv::rows(&batch)?),
        };
        Ok(Encoded { rows, body })
    }
}

fn column_chunks(
    factory: &ArrowRowGroupWriterFactory,
    schema: &SchemaRef,
    batch: &RecordBatch,
) -> parquet::errors::Result<Vec<ArrowColumnChunk>> {
    // Every column is flat: one field, one leaf, one writer. The index matters to encryption only.
    let writers = factory.create_column_writers(0)?;
    let columns = writers.into_iter().zip(schema.fields()).zip(batch.columns());
    columns
        .map(|((mut writer, field), array)| {
            for leaf in compute_leaves(field, array)? {
                writer.write(&leaf)?;
            }
            writer.close()
        })
        .collect()
}

impl TableFile {
    /// Appends a batch; an empty one leaves no trace.
    ///
    /// # Errors
    /// [`Error::Runtime`] if it cannot be written, as on a full disk.
    pub fn append(&mut self, encoded: Encoded) -> Result<()> {
        if encoded.rows == 0 {
            return Ok(());
        }
        self.rows += encoded.rows;
        match (&mut self.sink, encoded.body) {
            (Sink::Parquet(writer), Body::Parquet(chunks)) => {
                append_row_group(writer, chunks).map_err(failed("write", &self.name))
            }
            (Sink::Arrow(writer), Body::Arrow(batch)) => writer.write(&batch).map_err(failed("write", &self.name)),
            (Sink::Csv(file), Body::Csv(text)) => file.write_all(&text).map_err(failed("write", &self.name)),
            _ => Err(Error::Runtime(format!("`{}` was encoded in another format than it is written", self.name))),
        }
    }

    /// Writes what the format puts at the end and brings the file to the disk.
    ///
    /// # Errors
    /// [`Error::Runtime`] or [`Error::Io`] if it cannot be written.
    pub fn finish(self) -> Result<OutputFile> {
        let file = match self.sink {
            Sink::Parquet(writer) => writer.into_inner().map_err(failed("write", &self.name))?,
            Sink::Arrow(writer) => writer.into_inner().map_err(failed("write", &self.name))?,
            Sink::Csv(file) => file,
        };
        file.finish(self.name, Some(self.rows))
    }
}

fn append_row_group(
    writer: &mut SerializedFileWriter<HashedFile>,
    chunks: Vec<ArrowColumnChunk>,
) -> parquet::errors::Result<()> {
    let mut group = writer.next_row_group()?;
    for chunk in chunks {
        chunk.append_to_row_group(&mut group)?;
    }
    group.close()?;
    Ok(())
}

/// Writes a small table of `rows` rows; `batch` makes the rows of a range.
///
/// # Errors
/// Those of [`create`], [`TableFile::append`] and `batch`.
pub(super) fn write_table(
    folder: &Path,
    spec: &TableSpec,
    format: Format,
    rows: usize,
    batch: impl Fn(Range<usize>) -> Result<RecordBatch>,
) -> Result<OutputFile> {
    let (encoder, mut file) = create(folder, spec, format)?;
    for start in (0..rows).step_by(GROUP_ROWS) {
        file.append(encoder.encode(batch(start..rows.min(start + GROUP_ROWS))?)?)?;
    }
    file.finish()
}
