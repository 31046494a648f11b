//! Tables of a finished folder for a warehouse: binary COPY of PostgreSQL, CSV, and the statements that create them.
//!
//! ```text
//! finished folder --> manifest (which file, which hash) --> batches of rows --> pgcopy | csv --> stdout
//!                 --> columns of the file ------------------------------------> ddl
//! ```
//!
//! Every figure comes out with its bits: floats as their 8 bytes, or in the shortest decimal form that reads back to
//! them. Nothing is rounded, and text stands as it is in the table.

mod csv;
mod ddl;
mod pgcopy;

pub use ddl::Dialect;

use crate::formats::batch::nearest;
use crate::formats::whole;
use crate::progress::Progress;
use crate::publish::MANIFEST;
use crate::publish::recorded::{Recorded, RecordedFile, read_json};
use crate::results::{check_identity, check_output};
use crate::schema::{self, ColumnSchema};
use crate::source::{self, Format};
use crate::{Error, Invalid, Result};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde::Deserialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// What to export.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportRequest {
    /// The finished folder.
    pub run: PathBuf,
    /// The table, such as `accounts`.
    pub table: String,
    /// Whether two columns stand in front that say which run a row is of: `run_as_of`, `run_identity`. At first not.
    pub with_run: bool,
}

impl ExportRequest {
    /// A table of a finished folder.
    pub fn new(run: impl Into<PathBuf>, table: impl Into<String>) -> Self {
        Self { run: run.into(), table: table.into(), with_run: false }
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// The binary format of `COPY` of PostgreSQL, version 1 without OIDs.
    PgCopy,
    /// CSV with a header: text in quotes, null without, so that empty text and null differ.
    Csv,
}

/// The columns in front.
const OF_RUN: [(&str, &str); 2] = [
    ("run_as_of", "valuation time of the run, RFC 3339 in UTC"),
    ("run_identity", "what was computed, as one hash: the `identity` of the run's manifest"),
];

/// The part of a manifest that an export needs; those of comparisons have no time of their own.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    as_of: Option<String>,
    #[serde(default)]
    identity: Option<String>,
    outputs: Vec<RecordedFile>,
}

/// A table that was found, and what stands in front of its rows.
struct Found {
    file: PathBuf,
    format: Format,
    recorded: RecordedFile,
    front: Vec<String>,
}

impl Found {
    fn of(request: &ExportRequest) -> Result<Self> {
        let manifest = request.run.join(MANIFEST);
        let read: Manifest = read_json(&manifest, "the `manifest.json` of a finished folder")?;
        let stem = |file: &RecordedFile| file.path.split('.').next().unwrap_or_default().to_owned();
        let tables: Vec<&RecordedFile> = read.outputs.iter().filter(|file| file.rows.is_some()).collect();
        let of_table: Vec<&&RecordedFile> = tables.iter().filter(|file| stem(file) == request.table).collect();
        if of_table.is_empty() {
            let mut names: Vec<String> = tables.iter().map(|file| stem(file)).collect();
            names.dedup();
            let invalid = Invalid::new("the folder has no such table").file(&manifest).value(&request.table);
            let near = nearest(&request.table, names.iter().map(String::as_str)).map(str::to_owned);
            let invalid = invalid.expected(format!("one of `{}`", names.join("`, `")));
            return Err(match near {
                Some(near) => invalid.hint(format!("`{near}` is nearly called so")).into(),
                None => invalid.into(),
            });
        }
        let typed = of_table.iter().find_map(|file| {
            let format = match file.path.rsplit_once('.')?.1 {
                "parquet" => Format::Parquet,
                "arrow" => Format::Arrow,
                _ => return None,
            };
            Some((format, (**file).clone()))
        });
        let Some((format, recorded)) = typed else {
            let invalid = Invalid::new("a CSV file does not say the types of its columns").file(&manifest);
            let invalid = invalid.value(&request.table).expected("a table in Parquet or Arrow");
            return Err(invalid.hint("run it again with `--format parquet`").into());
        };
        if read.identity.is_some() {
            check_identity(&manifest, &Recorded::of_run(&request.run)?)?;
        }
        let front = if request.with_run {
            let missing = |name: &str| {
                Invalid::new(format!("the manifest has no `{name}`"))
                    .file(&manifest)
                    .expected("the folder of a run or a stress of this version")
            };
            vec![read.as_of.ok_or_else(|| missing("as_of"))?, read.identity.ok_or_else(|| missing("identity"))?]
        } else {
            Vec::new()
        };
        let file = request.run.join(&recorded.path);
        Ok(Self { file, format, recorded, front })
    }

    /// The columns with those in front.
    fn schema(&self, of_file: &Schema) -> SchemaRef {
        let front = OF_RUN.iter().take(self.front.len()).map(|(name, _)| Field::new(*name, DataType::Utf8, false));
        let fields: Vec<Field> = front.chain(of_file.fields().iter().map(|field| field.as_ref().clone())).collect();
        Arc::new(Schema::new(fields))
    }

    fn with_front(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = self.schema(batch.schema_ref());
        let front = self.front.iter().map(|text| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, batch.num_rows())))
        });
        let columns = front.chain(batch.columns().iter().cloned()).collect();
        RecordBatch::try_new(schema, columns).map_err(|err| Error::Runtime(format!("cannot form rows: {err}")))
    }

    fn each(&self, take: whole::Take) -> Result<()> {
        let source = source::at(&self.file)?.open()?;
        let read = source.files.first().map(|input| whole::each(input, self.format, take)).transpose();
        source.settle(read).map(drop)
    }
}

/// Writes the rows of a table; returns how many. The file is hashed first: a table that is not the one that the
/// manifest lists is an error, and nothing is written.
///
/// # Errors
/// [`Error::Invalid`] if the folder is not finished, has no such table, or the table was changed or is CSV;
/// [`Error::Io`] if `to` cannot be written; [`Error::Interrupted`].
pub fn export(request: &ExportRequest, format: RowFormat, to: &mut dyn Write, progress: &dyn Progress) -> Result<u64> {
    let found = Found::of(request)?;
    progress.stage("hash", "bytes", found.recorded.bytes);
    check_output(&request.run, &found.recorded, progress)?;
    progress.stage("export", "rows", found.recorded.rows.unwrap_or(0));
    let (mut rows, mut is_begun) = (0, false);
    let failed = |err| Error::io("write to", "stdout", err);
    found.each(&mut |schema, batch| {
        progress.check()?;
        if !is_begun {
            is_begun = true;
            let schema = found.schema(schema);
            match format {
                RowFormat::PgCopy => pgcopy::begin(to).map_err(failed)?,
                RowFormat::Csv => csv::begin(&schema, to).map_err(failed)?,
            }
        }
        let Some(batch) = batch else { return Ok(()) };
        let batch = found.with_front(&batch)?;
        let bytes = match format {
            RowFormat::PgCopy => pgcopy::rows(&batch, rows, &found.file)?,
            RowFormat::Csv => csv::rows(&batch)?,
        };
        to.write_all(&bytes).map_err(failed)?;
        rows += batch.num_rows() as u64;
        progress.advance(batch.num_rows() as u64);
        Ok(())
    })?;
    if format == RowFormat::PgCopy {
        pgcopy::end(to).map_err(failed)?;
    }
    to.flush().map_err(failed)?;
    Ok(rows)
}

/// The statement that creates a table, named `name`, for the rows of [`export`]. What each column means stands beside
/// it.
///
/// # Errors
/// Those of [`export`] about the folder; [`Error::Usage`] if `name` is not a name in SQL.
pub fn ddl(request: &ExportRequest, dialect: Dialect, name: Option<&str>) -> Result<String> {
    let found = Found::of(request)?;
    let source = source::at(&found.file)?.open()?;
    let read = source.files.first().map(|input| whole::columns(input, found.format)).transpose();
    let columns = source.settle(read)?.ok_or_else(|| Error::Runtime("the table has no file".to_owned()))?;
    let columns = found.schema(&columns);
    let known: Vec<ColumnSchema> = schema::find(&request.table)
        .into_iter()
        .filter(|table| !table.is_input())
        .flat_map(|table| table.columns)
        .collect();
    let meaning = |column: &str| {
        let of_run = OF_RUN.iter().find(|(name, _)| *name == column).map(|(_, meaning)| (*meaning).to_owned());
        let of_table = known.iter().find(|known| known.name == column);
        of_run.or_else(|| of_table.map(|known| format!("{} ({})", known.meaning.trim_end_matches('.'), known.unit)))
    };
    ddl::create(dialect, name.unwrap_or(&request.table), &columns, meaning)
}

impl FromStr for RowFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "pgcopy" => Ok(Self::PgCopy),
            "csv" => Ok(Self::Csv),
            _ => Err(Error::Usage(format!("no format `{name}`: expected `pgcopy` or `csv`"))),
        }
    }
}

/// Files of a folder are of types that [`crate::tables`] writes.
fn strange(column: &str, kind: &DataType, file: &Path) -> Error {
    Invalid::new("a column of a type that no table has").file(file).column(column).value(kind.to_string()).into()
}
