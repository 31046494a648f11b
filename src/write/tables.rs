//! One table file in any of the three formats, written batch by batch, to disk or to memory.

use super::sealed::{SealedWriter, properties};
use crate::source::Format;
use crate::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rows of a Parquet row group: enough work for one reading thread, and little memory.
const ROW_GROUP: usize = 1 << 18;

enum Sink<W: Write + Send> {
    Parquet(Box<SealedWriter<W>>),
    Arrow(Box<arrow_ipc::writer::FileWriter<BufWriter<W>>>),
    Csv(BufWriter<W>),
}

/// A table file during writing. [`TableFile::finish`] completes it.
pub(crate) struct TableFile<W: Write + Send = File> {
    path: PathBuf,
    sink: Sink<W>,
}

impl TableFile {
    /// Creates `dir/name.EXT`. Columns named in `plain` are written to Parquet without a dictionary.
    pub(crate) fn create(dir: &Path, name: &str, format: Format, schema: &SchemaRef, plain: &[&str]) -> Result<Self> {
        let path = dir.join(format!("{name}.{}", format.extension()));
        let file = File::create(&path).map_err(|err| Error::io("create", &path, err))?;
        Self::over(file, path, format, schema, plain)
    }
}

impl<W: Write + Send> TableFile<W> {
    /// As [`TableFile::create`], into what is open already; `path` is what errors name.
    pub(crate) fn over(file: W, path: PathBuf, format: Format, schema: &SchemaRef, plain: &[&str]) -> Result<Self> {
        let failed = |err: &dyn std::fmt::Display| Error::Runtime(format!("cannot write `{}`: {err}", path.display()));
        let sink = match format {
            Format::Parquet => {
                let mut properties = properties().set_max_row_group_row_count(Some(ROW_GROUP));
                for &column in plain {
                    properties = properties.set_column_dictionary_enabled(column.into(), false);
                }
                let writer = SealedWriter::new(file, schema, properties.build());
                Sink::Parquet(Box::new(writer.map_err(|err| failed(&err))?))
            }
            Format::Arrow => {
                let writer = arrow_ipc::writer::FileWriter::try_new(BufWriter::new(file), schema);
                Sink::Arrow(Box::new(writer.map_err(|err| failed(&err))?))
            }
            Format::Csv => {
                let mut file = BufWriter::new(file);
                let header: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                writeln!(file, "{}", header.join(",")).map_err(|err| Error::io("write", &path, err))?;
                Sink::Csv(file)
            }
        };
        Ok(Self { path, sink })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let written = match &mut self.sink {
            Sink::Parquet(writer) => writer.write(batch).map_err(|err| err.to_string()),
            Sink::Arrow(writer) => writer.write(batch).map_err(|err| err.to_string()),
            Sink::Csv(file) => write_csv(file, batch).map_err(|err| err.to_string()),
        };
        written.map_err(|err| Error::Runtime(format!("cannot write `{}`: {err}", self.path.display())))
    }

    /// Completes the file, and hands back what it was written to.
    pub(crate) fn finish(self) -> Result<W> {
        let finished = match self.sink {
            Sink::Parquet(writer) => writer.close().map_err(|err| err.to_string()),
            Sink::Arrow(writer) => match writer.into_inner() {
                Ok(file) => file.into_inner().map_err(|err| err.to_string()),
                Err(err) => Err(err.to_string()),
            },
            Sink::Csv(file) => file.into_inner().map_err(|err| err.to_string()),
        };
        finished.map_err(|err| Error::Runtime(format!("cannot finish `{}`: {err}", self.path.display())))
    }
}

/// Text is quoted if it contains a separator or a quote. `Display` of a float is the shortest decimal that reads back
/// the same, without an exponent.
fn write_csv(file: &mut impl Write, batch: &RecordBatch) -> std::io::Result<()> {
    for row in 0..batch.num_rows() {
        for (place, column) in batch.columns().iter().enumerate() {
            if place > 0 {
                file.write_all(b",")?;
            }
            if column.is_null(row) {
                continue;
            }
            match column.data_type() {
                DataType::Utf8 => {
                    let text = column.as_string::<i32>().value(row);
                    if text.contains([',', '"', '\n', '\r']) {
                        write!(file, "\"{}\"", text.replace('"', "\"\""))?;
                    } else {
                        file.write_all(text.as_bytes())?;
                    }
                }
                DataType::Float64 => write!(file, "{}", column.as_primitive::<Float64Type>().value(row))?,
                _ => {
                    let ms = column.as_primitive::<TimestampMillisecondType>().value(row);
                    let moment = jiff::Timestamp::from_millisecond(ms).map_err(std::io::Error::other)?;
                    write!(file, "{moment}")?;
                }
            }
        }
        file.write_all(b"\n")?;
    }
    Ok(())
}
