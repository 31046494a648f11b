//! Reads selected columns and rows of the tables of a finished run.

use crate::formats::scan::{Opened, scan};
use crate::formats::{Column, Kind};
use crate::progress::Progress;
use crate::publish::recorded::RecordedFile;
use crate::source::{self, Format, Input};
use crate::tables::unguarded;
use crate::{Invalid, Result};
use std::path::Path;

/// One row with the requested columns, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// Names; empty if missing.
    pub names: Vec<String>,
    /// Figures; `None` if missing.
    pub figures: Vec<Option<f64>>,
}

/// Reads columns of a table of the run in `dir`, of the rows for whose names `keep` is true. Names are those of the
/// snapshot: the apostrophe that CSV adds before `=` and signs is removed.
///
/// # Errors
/// [`crate::Error::Invalid`] if `dir` is not a finished run, or its table is broken; [`crate::Error::Interrupted`].
pub fn read_result(
    dir: &Path,
    table: &str,
    names: &[&'static str],
    figures: &[&'static str],
    keep: impl Fn(&[String]) -> bool + Sync,
    progress: &dyn Progress,
) -> Result<Vec<ResultRow>> {
    let mut rows = Vec::new();
    each_result(dir, table, ResultColumns { names, flags: &[], figures }, keep, progress, |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// Like [`read_result`], passing the rows one by one, in order; flags follow the names.
///
/// # Errors
/// Those of [`read_result`] and of `take`.
pub fn each_result(
    dir: &Path,
    table: &str,
    columns: ResultColumns,
    keep: impl Fn(&[String]) -> bool + Sync,
    progress: &dyn Progress,
    mut take: impl FnMut(ResultRow) -> Result<()>,
) -> Result<()> {
    let is_csv = source::find(dir, table)?.is_some_and(|found| found.format == Format::Csv);
    let gather = |local: &mut Vec<ResultRow>, _: u64, names: &[&str], figures: &[Option<f64>]| {
        let plain = |name: &&str| (if is_csv { unguarded(name) } else { name }).to_owned();
        let names: Vec<String> = names.iter().map(plain).collect();
        if keep(&names) {
            local.push(ResultRow { names, figures: figures.to_vec() });
        }
    };
    let mut taken = Ok(());
    scan_result(dir, table, columns, progress, gather, |local| {
        for row in local {
            if taken.is_ok() {
                taken = take(row);
            }
        }
    })?;
    taken
}

/// Columns of a table of a finished run.
#[derive(Debug, Clone, Copy)]
pub struct ResultColumns<'a> {
    /// Names.
    pub names: &'a [&'static str],
    /// Flags, returned after the names as `true` and `false`.
    pub flags: &'a [&'static str],
    /// Figures.
    pub figures: &'a [&'static str],
}

impl ResultColumns<'_> {
    /// With the kind of each: names, flags, figures.
    pub(super) fn kinds(&self) -> Vec<Column<'static>> {
        let column = |kind| move |name: &&'static str| Column::new(name, kind);
        let names = self.names.iter().map(column(Kind::Id));
        let flags = self.flags.iter().map(column(Kind::Flag));
        names.chain(flags).chain(self.figures.iter().map(column(Kind::Number))).collect()
    }
}

/// True if the run in `dir` has this table.
///
/// # Errors
/// [`crate::Error::Invalid`] if it exists twice.
pub fn has_result(dir: &Path, table: &str) -> Result<bool> {
    source::find(dir, table).map(|found| found.is_some())
}

/// Size and BLAKE3 hash of a file; `None` if there is none, or something that is no file.
///
/// # Errors
/// [`crate::Error::Invalid`] if it cannot be read; [`crate::Error::Interrupted`].
pub fn hash_file(file: &Path, progress: &dyn Progress) -> Result<Option<(u64, String)>> {
    if source::is_file(file)? { Input::open(file)?.hash(progress).map(Some) } else { Ok(None) }
}

/// Checks that an output of the run in `dir` is the file that its manifest lists.
///
/// # Errors
/// [`crate::Error::Invalid`] with the hashes if it is another one, or not there; those of [`hash_file`].
pub fn check_output(dir: &Path, recorded: &RecordedFile, progress: &dyn Progress) -> Result<()> {
    let file = dir.join(&recorded.path);
    let (problem, value) = match hash_file(&file, progress)? {
        Some((_, hash)) if hash == recorded.blake3 => return Ok(()),
        Some((_, hash)) => ("the file is not the one that the manifest lists", hash),
        None => ("the file is not there any more", String::new()),
    };
    let invalid = Invalid::new(problem).file(&file);
    let invalid = if value.is_empty() { invalid } else { invalid.value(value) };
    Err(invalid.expected(format!("BLAKE3 {}", recorded.blake3)).into())
}

/// Reads columns of a table of the run in `dir` on many threads. `fold` gets the number of each row (from 1), its names
/// and flags, and its figures. `merge` gets the results of `fold`, in the order of the rows.
///
/// # Errors
/// Those of [`read_result`].
pub fn scan_result<T: Default + Send + 'static>(
    dir: &Path,
    table: &str,
    columns: ResultColumns,
    progress: &dyn Progress,
    fold: impl Fn(&mut T, u64, &[&str], &[Option<f64>]) + Sync,
    mut merge: impl FnMut(T),
) -> Result<()> {
    let ResultColumns { names, flags, figures } = columns;
    let columns = columns.kinds();
    let no_run = || {
        Invalid::new("not the folder of a finished run")
            .file(dir)
            .expected(format!("`manifest.json` and the table `{table}`, as `remargin run` writes them"))
    };
    if !source::is_file(&dir.join("manifest.json"))? {
        return Err(no_run().into());
    }
    let found = source::find(dir, table)?.ok_or_else(no_run)?.open()?;
    let read = |local: &mut T, batch: &crate::formats::batch::Batch| {
        let name_columns = names.iter().chain(flags).map(|name| batch.text(name)).collect::<Result<Vec<_>>>()?;
        let figure_columns = figures.iter().map(|name| batch.numbers(name)).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.rows {
            let names: Vec<&str> = name_columns.iter().map(|column| column.get(row).unwrap_or_default()).collect();
            let figures: Vec<Option<f64>> = figure_columns.iter().map(|column| column.figure(row)).collect();
            fold(local, batch.first_row + row as u64, &names, &figures);
        }
        Ok(())
    };
    scan(Opened::written(&found, &columns)?, progress, read, |local| {
        merge(local);
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn names_of_csv_are_those_of_the_snapshot() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("manifest.json"), "{}").unwrap();
        std::fs::write(place.path().join("accounts.csv"), "account_id,mmr\n'-5,1.5\n'a,2\nb,\n").unwrap();
        let rows = read_result(place.path(), "accounts", &["account_id"], &["mmr"], |_| true, &Silent).unwrap();
        let row = |name: &str, figure| ResultRow { names: vec![name.to_owned()], figures: vec![figure] };
        assert_eq!(rows, [row("-5", Some(1.5)), row("'a", Some(2.0)), row("b", None)]);
    }
}
