//! Tables become bytes: encoded in any thread, appended in order.
//!
//! An [`Encoder`] turns a batch into finished bytes (Parquet column chunks, Arrow buffers, CSV text) and is shared
//! by all threads; a [`TableFile`] appends them one after another. One batch is one Parquet row group, so the layout
//! of a file depends on the batches alone.

use super::columns::TableSpec;
use super::disk::NewFile;
use super::{csv, parquet};
use crate::{Error, Result};
use ::parquet::file::writer::SerializedFileWriter;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::ipc::writer::FileWriter;
use serde::{Deserialize, Serialize};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Rows of a row group in the small tables (`at_risk`, `rejects`), which are not written by account.
pub(super) const GROUP_ROWS: usize = 65_536;

/// How tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// A new file, counted and hashed while it is written. Bytes are gathered first: the hash is several times faster
/// over large blocks.
#[derive(Debug)]
pub(crate) struct HashedFile(BufWriter<Hashed>);

#[derive(Debug)]
struct Hashed {
    file: NewFile,
    hasher: Box<blake3::Hasher>,
    bytes: u64,
    /// None while the file is small.
    syncer: Option<Syncer>,
}

/// Bytes that are hashed and written at once.
const BLOCK_BYTES: usize = 1 << 18;
/// Bytes after which a file is brought to the disk while more are written.
const SYNC_BYTES: u64 = 32 << 20;

/// Brings a file to the disk in a thread of its own while it is written: it waits for the disk, and only there. What is
/// left for the end is small.
#[derive(Debug)]
struct Syncer {
    orders: SyncSender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Syncer {
    fn start(file: &NewFile) -> std::io::Result<Self> {
        let file = file.to_sync_ahead()?;
        let (orders, received) = sync_channel::<()>(1);
        let work = move || received.iter().try_for_each(|()| file.sync_data());
        let thread = std::thread::Builder::new().name("sync".into()).spawn(work)?;
        Ok(Self { orders, thread })
    }

    /// Asks for what was written so far; one order waits at most.
    fn order(&self) {
        // A thread that is busy has an order already; one that failed tells it at the end.
        let _ = self.orders.try_send(());
    }

    fn finish(self) -> std::io::Result<()> {
        drop(self.orders);
        self.thread.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that syncs the file stopped")))
    }
}

impl HashedFile {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = NewFile::create(path).map_err(|err| Error::io("create", path, err))?;
        Ok(Self(BufWriter::with_capacity(BLOCK_BYTES, Hashed { file, hasher: Box::default(), bytes: 0, syncer: None })))
    }

    /// Flushes to the disk itself.
    pub(crate) fn finish(self, name: String, rows: Option<u64>) -> Result<OutputFile> {
        let flush = |file: BufWriter<Hashed>| {
            let mut hashed = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            hashed.syncer.take().map_or(Ok(()), Syncer::finish)?;
            hashed.file.sync().map(|()| hashed)
        };
        let Hashed { hasher, bytes, .. } = flush(self.0).map_err(|err| Error::io("write", &name, err))?;
        Ok(OutputFile { name, bytes, rows, blake3: hasher.finalize().to_hex().to_string() })
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        let before = self.bytes;
        self.bytes += written as u64;
        if before / SYNC_BYTES != self.bytes / SYNC_BYTES {
            let syncer = match self.syncer.take() {
                Some(syncer) => syncer,
                None => Syncer::start(&self.file)?,
            };
            self.syncer.insert(syncer).order();
        }
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
    Parquet(Box<parquet::Encoder>),
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
    Parquet(Vec<parquet::Column>),
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

/// The error of a library, or that of the operating system inside it.
fn failed<E: std::error::Error + 'static>(action: &'static str, name: &str) -> impl Fn(E) -> Error {
    move |err| {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&err);
        while let Some(inner) = cause {
            if let Some(system) = inner.downcast_ref::<io::Error>() {
                return Error::io(action, name, io::Error::new(system.kind(), system.to_string()));
            }
            cause = inner.source();
        }
        Error::Runtime(format!("cannot {action} `{name}`: {err}"))
    }
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
            let (encoder, writer) = parquet::start(spec, file).map_err(failed("write", &name))?;
            (EncoderKind::Parquet(Box::new(encoder)), Sink::Parquet(writer))
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

impl Encoder {
    /// Encodes a batch whole: no work but copying is left for [`TableFile::append`].
    ///
    /// # Errors
    /// [`Error::Runtime`] if the library refuses the batch.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Encoded> {
        let rows = batch.num_rows() as u64;
        let body = match &self.kind {
            EncoderKind::Parquet(encoder) => {
                Body::Parquet(encoder.encode(batch).map_err(failed("encode", &self.name))?)
            }
            EncoderKind::Arrow => Body::Arrow(without_dictionaries(batch).map_err(failed("encode", &self.name))?),
            EncoderKind::Csv => {
                Body::Csv(csv::rows(&without_dictionaries(batch).map_err(failed("encode", &self.name))?)?)
            }
        };
        Ok(Encoded { rows, body })
    }
}

/// The batch with its labels written out.
pub(crate) fn without_dictionaries(batch: &RecordBatch) -> std::result::Result<RecordBatch, ArrowError> {
    let plain = |array: &ArrayRef| {
        if array.as_any_dictionary_opt().is_some() { cast(array, &DataType::Utf8) } else { Ok(Arc::clone(array)) }
    };
    let arrays = batch.columns().iter().map(plain).collect::<std::result::Result<Vec<_>, _>>()?;
    let fields = batch.schema_ref().fields().iter().zip(&arrays);
    let fields: Vec<_> =
        fields.map(|(field, array)| field.as_ref().clone().with_data_type(array.data_type().clone())).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
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
            (Sink::Parquet(writer), Body::Parquet(columns)) => {
                parquet::append(writer, columns).map_err(failed("write", &self.name))
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
        file.append(encoder.encode(&batch(start..rows.min(start + GROUP_ROWS))?)?)?;
    }
    file.finish()
}
