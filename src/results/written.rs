//! Reads back the tables of a run for its page. The folder is finished or about to be.

use super::rows::{ResultColumns, ResultRow};
use crate::formats::memory::Rows;
use crate::formats::scan::{Opened, scan};
use crate::formats::whole;
use crate::progress::Progress;
use crate::source::{self, Format, LARGEST_JSON};
use crate::tables::unguarded;
use crate::{Error, Invalid, Result};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Most names of a row.
const MOST_NAMES: usize = 8;

/// Reads columns of a table in `dir`, of the rows for whose names `keep` is true; `None` if the table does not exist.
///
/// # Errors
/// Those of [`scan_table`].
pub(crate) fn read_table(
    dir: &Path,
    table: &str,
    names: &[&'static str],
    figures: &[&'static str],
    keep: impl Fn(&[&str]) -> bool + Sync,
    progress: &dyn Progress,
) -> Result<Option<Vec<ResultRow>>> {
    let mut rows = Vec::new();
    let gather = |local: &mut Vec<ResultRow>, names: &[&str], figures: &[Option<f64>]| {
        if keep(names) {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            local.push(ResultRow { names, figures: figures.to_vec() });
        }
    };
    let is_there = scan_table(dir, table, names, figures, gather, |local| rows.extend(local), progress)?;
    Ok(is_there.then_some(rows))
}

/// Reads columns of a table in `dir` on many threads; false if the table does not exist. `fold` gets the names and
/// figures of each row, `merge` what it made of consecutive rows, in order. If a table exists in two formats, as
/// `at_risk` does, Parquet or Arrow is read.
///
/// # Errors
/// [`crate::Error::Invalid`] if the table is broken; [`crate::Error::Interrupted`].
pub(crate) fn scan_table<T: Default + Send + 'static>(
    dir: &Path,
    table: &str,
    names: &[&'static str],
    figures: &[&'static str],
    fold: impl Fn(&mut T, &[&str], &[Option<f64>]) + Sync,
    mut merge: impl FnMut(T),
    progress: &dyn Progress,
) -> Result<bool> {
    let merge = |local| {
        merge(local);
        Ok(())
    };
    scan_columns(dir, table, ResultColumns { names, flags: &[], figures }, fold, merge, progress)
}

/// As [`scan_table`], with flags, which `fold` gets as `true` or `false` behind the names; `merge` may fail.
///
/// # Errors
/// Those of [`scan_table`] and of `merge`.
pub(crate) fn scan_columns<T: Default + Send + 'static>(
    dir: &Path,
    table: &str,
    columns: ResultColumns,
    fold: impl Fn(&mut T, &[&str], &[Option<f64>]) + Sync,
    merge: impl FnMut(T) -> Result<()>,
    progress: &dyn Progress,
) -> Result<bool> {
    let ResultColumns { names, flags, figures } = columns;
    let columns = columns.kinds();
    let Some(file) = find(dir, table)? else { return Ok(false) };
    let found = source::at(&file)?.open()?;
    let is_csv = found.format == Format::Csv;
    let read = |local: &mut T, batch: &crate::formats::batch::Batch| {
        let name_columns = names.iter().chain(flags).map(|name| batch.text(name)).collect::<Result<Vec<_>>>()?;
        let figure_columns = figures.iter().map(|name| batch.numbers(name)).collect::<Result<Vec<_>>>()?;
        let mut of_row = Vec::with_capacity(figure_columns.len());
        for row in 0..batch.rows {
            let mut cells = [""; MOST_NAMES];
            for (cell, column) in cells.iter_mut().zip(&name_columns) {
                let text = column.get(row).unwrap_or_default();
                *cell = if is_csv { unguarded(text) } else { text };
            }
            of_row.clear();
            of_row.extend(figure_columns.iter().map(|column| column.figure(row)));
            fold(local, cells.get(..name_columns.len()).unwrap_or(&cells), &of_row);
        }
        Ok(())
    };
    scan(Opened::written(&found, &columns)?, progress, read, merge)?;
    Ok(true)
}

/// The file of a table.
fn find(dir: &Path, table: &str) -> Result<Option<PathBuf>> {
    for extension in ["parquet", "arrow", "csv"] {
        let file = dir.join(format!("{table}.{extension}"));
        if source::is_there(&file)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Reads a table in `dir` whole, with all its columns; `None` if it does not exist. If it exists in two formats, as
/// `at_risk` does, Parquet or Arrow is read.
///
/// ```
/// use remargin::run::{RunRequest, run};
/// use remargin::progress::Silent;
/// let dir = tempfile::tempdir().unwrap();
/// let out = dir.path().join("out");
/// run(&RunRequest::new("data/sample", &out, remargin::rules::load(None, &[])?), &Silent)?;
/// let accounts = remargin::results::read_rows(&out, "accounts")?.unwrap();
/// assert_eq!(accounts.len(), 300);
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`crate::Error::Invalid`] if the file is damaged, or is CSV, which does not say the types of its columns.
pub fn read_rows(dir: &Path, table: &str) -> Result<Option<Rows>> {
    let Some(file) = find(dir, table)? else { return Ok(None) };
    let found = source::at(&file)?.open()?;
    let read = found.files.first().map(|input| whole::read(input, found.format)).transpose();
    found.settle(read)
}

/// Reads a JSON file of the finished run in `dir`.
///
/// # Errors
/// [`crate::Error::Invalid`] if it does not exist, or was not written by this version.
pub(crate) fn read_json<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<T> {
    let file = dir.join(name);
    let expected = "the folder of a finished run, as `remargin run` and `remargin stress` write it";
    let text = source::read(&file, LARGEST_JSON).map_err(|error| match error {
        Error::Invalid(fault) if fault.expected.is_none() => fault.expected(expected).into(),
        other => other,
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        let invalid = Invalid::new(format!("not in the format of this version: {error}")).file(&file);
        invalid.expected(expected).hint("run it again with this version").into()
    })
}
