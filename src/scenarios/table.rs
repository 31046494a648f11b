//! Scenarios as a table `shocks`, in one file that is complete or absent.

use super::{Made, MarkedScenario};
use crate::error::Remedy;
use crate::formats::scan::Opened;
use crate::progress::Progress;
use crate::publish::write_file;
use crate::source::{self, Format};
use crate::write::tables::TableFile;
use crate::{Error, Result};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::path::Path;
use std::sync::Arc;

/// The columns, as the reader of the table `shocks` has them.
const COLUMNS: [(&str, DataType); 8] = [
    ("scenario", DataType::Utf8),
    ("base", DataType::Utf8),
    ("price", DataType::Float64),
    ("vol", DataType::Float64),
    ("fx_ccy", DataType::Utf8),
    ("fx", DataType::Float64),
    ("days", DataType::Float64),
    ("origin", DataType::Utf8),
];

/// Rows that are encoded at once. It determines the batches of an Arrow file, so it is part of the output.
const BATCH_ROWS: usize = 1 << 16;

/// The format of a file to write, by its name. It must not exist, or be a table of scenarios that may be replaced.
///
/// # Errors
/// [`Error::Usage`] and [`Error::Refused`].
pub(super) fn check_target(out: &Path, force: bool) -> Result<Format> {
    let end = out.extension().map(|end| end.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let format: Format = end.parse().map_err(|_| {
        Error::Usage(format!("`{}` is no table\n  expected: `*.parquet`, `*.arrow` or `*.csv`", out.display()))
    })?;
    if !source::is_there(out)? {
        return Ok(format);
    }
    if !force {
        return Err(Error::refused(format!("`{}` exists already", out.display()), Remedy::Replace));
    }
    if !is_ours(out) {
        let problem =
            format!("`{}` is not replaced: it is no table of scenarios that this command wrote", out.display());
        return Err(Error::Usage(problem).hint("name a new file, or remove it first"));
    }
    Ok(format)
}

/// True for a file with exactly the columns that are written.
fn is_ours(out: &Path) -> bool {
    let opened = source::at(out).and_then(|located| located.open()).and_then(|source| Opened::new(&source, &[]));
    opened.is_ok_and(|opened| {
        let files = opened.names();
        let same = |names: &[String]| names.iter().map(String::as_str).eq(COLUMNS.iter().map(|(name, _)| *name));
        !files.is_empty() && files.iter().all(|(_, names)| same(names))
    })
}

/// Writes scenarios, and counts them.
///
/// # Errors
/// Those of the scenarios; [`Error::Io`] and [`Error::Runtime`] if the file cannot be written; [`Error::Interrupted`].
pub(super) fn write(
    out: &Path,
    format: Format,
    scenarios: impl Iterator<Item = Result<MarkedScenario>>,
    made: &mut Made,
    progress: &dyn Progress,
) -> Result<()> {
    progress.stage("write", "scenarios", 0);
    let schema: SchemaRef =
        Arc::new(Schema::new(COLUMNS.map(|(name, kind)| Field::new(name, kind, name != "scenario")).to_vec()));
    let mut file = TableFile::over(Vec::new(), out.to_path_buf(), format, &schema, &[])?;
    let mut rows = Rows::default();
    for marked in scenarios {
        progress.check()?;
        let marked = marked?;
        made.count(&marked);
        rows.push(&marked);
        progress.advance(1);
        if rows.scenario.len() >= BATCH_ROWS {
            file.write(&std::mem::take(&mut rows).batch(&schema)?)?;
        }
    }
    file.write(&rows.batch(&schema)?)?;
    let bytes = file.finish()?;
    made.blake3 = blake3::hash(&bytes).to_hex().to_string();
    progress.check()?;
    write_file(out, &bytes)
}

#[derive(Default)]
struct Rows {
    scenario: Vec<String>,
    base: Vec<Option<String>>,
    price: Vec<Option<f64>>,
    vol: Vec<Option<f64>>,
    fx_ccy: Vec<Option<String>>,
    fx: Vec<Option<f64>>,
    origin: Vec<Arc<str>>,
}

impl Rows {
    fn push(&mut self, marked: &MarkedScenario) {
        let MarkedScenario { scenario, origins } = marked;
        for shock in &scenario.shocks {
            self.base.push(Some(shock.base.clone()));
            self.price.push(shock.price);
            self.vol.push(shock.vol);
            self.fx_ccy.push(None);
            self.fx.push(None);
        }
        for (ccy, fx) in &scenario.fx {
            self.base.push(None);
            self.price.push(None);
            self.vol.push(None);
            self.fx_ccy.push(Some(ccy.clone()));
            self.fx.push(Some(*fx));
        }
        self.scenario.resize(self.base.len(), scenario.name.clone());
        self.origin.extend(origins.iter().cloned());
    }

    fn batch(self, schema: &SchemaRef) -> Result<RecordBatch> {
        let days = Float64Array::new_null(self.base.len());
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(self.scenario)),
            Arc::new(StringArray::from(self.base)),
            Arc::new(Float64Array::from(self.price)),
            Arc::new(Float64Array::from(self.vol)),
            Arc::new(StringArray::from(self.fx_ccy)),
            Arc::new(Float64Array::from(self.fx)),
            Arc::new(days),
            Arc::new(self.origin.iter().map(|origin| Some(&**origin)).collect::<StringArray>()),
        ];
        RecordBatch::try_new(Arc::clone(schema), arrays)
            .map_err(|error| Error::Runtime(format!("cannot lay out the scenarios: {error}")))
    }
}
