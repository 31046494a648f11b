//! Tables become bytes: encoded in any thread, appended in order.
//!
//! An [`Encoder`] turns a batch into finished bytes (Parquet column chunks, Arrow buffers, CSV text) and is shared
//! by all threads; a [`TableFile`] appends them one after another. One batch is one Parquet row group, so the layout
//! of a file depends on the batches alone.

use super::columns::TableSpec;
use super::{csv, parquet};
use crate::cells::arrays;
use crate::publish::OutputFile;
use crate::publish::hashed::HashedFile;
use crate::source::Format;
use crate::{Error, Result};
use ::parquet::file::writer::SerializedFileWriter;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::writer::FileWriter;
use arrow_schema::ArrowError;
use arrow_schema::Schema;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Rows of a row group in the small tables (`at_risk`, `rejects`), which are not written by account.
pub(crate) const GROUP_ROWS: usize = 65_536;

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
    let plain = |array: &ArrayRef| arrays::plain(array).map_err(ArrowError::CastError);
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
pub(crate) fn write_table(
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
