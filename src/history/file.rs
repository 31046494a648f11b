//! The file of a history: read, checked against its columns, and replaced whole.

use super::{COUNTS, HISTORY, HistoryRow, MONEY, UNMARGINED, columns, with};
use crate::cells::text::cut;
use crate::progress::Progress;
use crate::publish::replace_file;
use crate::results::read_rows;
use crate::rules::RulesId;
use crate::source::CHANGED;
use crate::tables::filled::batch;
use crate::write::sealed::{SealedWriter, properties};
use crate::{Error, Invalid, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use jiff::Timestamp;
use std::collections::HashSet;
use std::path::Path;

/// Refuses a path that is not a Parquet file's.
///
/// # Errors
/// [`Error::Usage`] if the name does not end with `.parquet`.
pub fn check(path: &Path) -> Result<()> {
    if path.extension().is_some_and(|extension| extension == "parquet") && path.file_stem().is_some() {
        return Ok(());
    }
    let problem = format!("`{}` is no name of a history: expected a file `NAME.parquet`", path.display());
    Err(Error::Usage(problem))
}

/// Reads a history; no rows if the file does not exist.
///
/// # Errors
/// [`Error::Invalid`] if it is damaged or has other columns; those of [`check`].
pub fn read(path: &Path) -> Result<Vec<HistoryRow>> {
    check(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let Some(found) = unchanged(|| read_rows(folder, &stem))? else { return Ok(Vec::new()) };
    let listed = |schema: &arrow_schema::Schema| -> Vec<String> {
        schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect()
    };
    let (columns, expected) = (listed(found.schema()), listed(&HISTORY.schema()));
    if columns != expected {
        let first = columns.iter().zip(&expected).find(|(found, expected)| found != expected);
        let (value, wanted) = first.map_or_else(
            || (format!("{} columns", columns.len()), format!("{} columns", expected.len())),
            |(found, expected)| (found.clone(), expected.clone()),
        );
        return Err(Invalid::new("the file is not a history of this version: it has other columns")
            .file(path)
            .value(value)
            .expected(format!("{wanted}; `remargin schema history` shows all columns"))
            .hint("name a new file")
            .into());
    }
    let mut rows = Vec::new();
    for batch in found.batches() {
        for row in 0..batch.num_rows() {
            rows.push(row_of(batch, row).ok_or_else(|| {
                Invalid::new("a cell of a history is missing, or is no figure").file(path).row(row as u64 + 1)
            })?);
        }
    }
    match fault(&rows) {
        Some(invalid) => Err(invalid.file(path).into()),
        None => Ok(rows),
    }
}

/// A time that is none, by which rows could not be ordered, or a row that is there twice.
fn fault(rows: &[HistoryRow]) -> Option<Invalid> {
    let mut seen = HashSet::new();
    for (row, number) in rows.iter().zip(1..) {
        if row.as_of.parse::<Timestamp>().is_err() {
            let invalid = Invalid::new("not a time").column("as_of").row(number).value(cut(&row.as_of));
            return Some(invalid.expected("a time in UTC, such as 2026-01-15T08:00:00Z"));
        }
        if !seen.insert((&row.identity, &row.by, &row.group)) {
            let invalid = Invalid::new("a row is there twice").column("identity").row(number);
            return Some(invalid.value(cut(&row.identity)).expected("each run, and each group of it, once"));
        }
    }
    None
}

/// Reads again while another run replaces the file.
fn unchanged<T>(read: impl Fn() -> Result<T>) -> Result<T> {
    let mut outcome = read();
    for _ in 0..20 {
        match &outcome {
            Err(Error::Invalid(invalid)) if invalid.problem == CHANGED => {
                std::thread::sleep(std::time::Duration::from_millis(20));
                outcome = read();
            }
            _ => break,
        }
    }
    outcome
}

fn row_of(batch: &RecordBatch, row: usize) -> Option<HistoryRow> {
    let cell = |name: &str| -> Option<&ArrayRef> { batch.column_by_name(name).filter(|column| !column.is_null(row)) };
    let text = |name: &str| Some(cell(name)?.as_string_opt::<i32>()?.value(row).to_owned());
    let count = |name: &str| u64::try_from(cell(name)?.as_primitive_opt::<Int64Type>()?.value(row)).ok();
    let usd =
        |name: &str| Some(cell(name)?.as_primitive_opt::<Float64Type>()?.value(row)).filter(|usd| usd.is_finite());
    let (mut counts, mut money) = ([0; COUNTS.len()], [0.0; MONEY.len()]);
    let by = text("by")?;
    for (place, (count_of, (name, _))) in counts.iter_mut().zip(COUNTS).enumerate() {
        // Of a group nobody knows it.
        if place != UNMARGINED || by.is_empty() {
            *count_of = count(name)?;
        }
    }
    for (place, (name, _)) in money.iter_mut().zip(MONEY) {
        *place = usd(name)?;
    }
    Some(HistoryRow {
        identity: text("identity")?,
        as_of: text("as_of")?,
        label: text("label"),
        remargin: text("remargin")?,
        rules: RulesId { name: text("rules")?, hash: text("rules_hash")? },
        by,
        group: text("group")?,
        counts,
        usd: money,
    })
}

/// Adds the rows of a run; those that the file has of it already, by its identity, are replaced. The file appears
/// whole, and two processes that add to it wait for each other.
///
/// # Errors
/// Those of [`read`]; [`Error::Io`] if it cannot be written; [`Error::Runtime`] if another process holds it for long.
pub fn add(path: &Path, run: &[HistoryRow], progress: &dyn Progress) -> Result<()> {
    check(path)?;
    // Through a link the file that it names is replaced, not the link: whoever adds to it by another name waits too.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    replace_file(path, || progress.check(), || bytes(&with(read(path)?, run)))
}

fn bytes(rows: &[HistoryRow]) -> Result<Vec<u8>> {
    let failed = |err: parquet::errors::ParquetError| Error::Runtime(format!("cannot form a history: {err}"));
    let batch = batch(&HISTORY, &columns(), rows)?;
    let mut writer = SealedWriter::new(Vec::new(), &batch.schema(), properties().build()).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.close().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;
    use crate::progress::Silent;
    use parquet::arrow::ArrowWriter;

    #[test]
    fn rows_read_back_and_a_run_stands_there_once() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("deep/history.parquet");
        assert_eq!(read(&file).unwrap(), []);
        let (a, b, c) =
            (row("2026-01-01T08:00:00Z", "a"), row("2026-01-02T08:00:00Z", "b"), row("2026-01-03T08:00:00Z", "c"));
        for run in [&c, &a, &b] {
            add(&file, std::slice::from_ref(run), &Silent).unwrap();
        }
        assert_eq!(read(&file).unwrap(), [a.clone(), b.clone(), c.clone()]);
        let bytes = std::fs::read(&file).unwrap();
        // The same run again, and in another order: the same file.
        add(&file, std::slice::from_ref(&b), &Silent).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
        let other = place.path().join("other.parquet");
        for run in [&b, &c, &a] {
            add(&other, std::slice::from_ref(run), &Silent).unwrap();
        }
        assert_eq!(std::fs::read(&other).unwrap(), bytes);
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    /// A bit that changes is found, wherever in the pages it is; so is what no run writes.
    #[test]
    fn what_was_changed_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("history.parquet");
        let rows = [row("2026-01-01T08:00:00Z", "a"), row("2026-01-02T08:00:00Z", "b")];
        std::fs::write(&file, bytes(&rows).unwrap()).unwrap();
        let sound = std::fs::read(&file).unwrap();
        let mut refused = 0;
        for at in 4..sound.len() {
            let mut changed = sound.clone();
            changed[at] ^= 8;
            std::fs::write(&file, changed).unwrap();
            match read(&file) {
                Ok(found) => assert_eq!(found, rows, "byte {at}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > sound.len() / 2, "{refused} of {}", sound.len());
        for (rows, words) in [
            ([row("yesterday", "a"), rows[1].clone()], "not a time"),
            ([rows[1].clone(), rows[1].clone()], "a row is there twice"),
        ] {
            std::fs::write(&file, bytes(&rows).unwrap()).unwrap();
            let error = read(&file).unwrap_err();
            assert!(error.exit_code() == 3 && error.to_string().contains(words), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one() {
        let place = tempfile::tempdir().unwrap();
        let (file, link) = (place.path().join("history.parquet"), place.path().join("link.parquet"));
        add(&file, &[row("2026-01-01T08:00:00Z", "a")], &Silent).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        add(&link, &[row("2026-01-02T08:00:00Z", "b")], &Silent).unwrap();
        assert!(link.is_symlink() && !file.is_symlink());
        assert_eq!(read(&file).unwrap().len(), 2);
    }

    #[test]
    fn writers_wait_for_each_other() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("history.parquet");
        std::thread::scope(|scope| {
            for writer in 0..6 {
                let file = &file;
                scope.spawn(move || {
                    for day in 0..5 {
                        add(file, &[row("2026-01-01T08:00:00Z", &format!("{writer}{day}"))], &Silent).unwrap();
                    }
                });
            }
        });
        assert_eq!(read(&file).unwrap().len(), 30);
    }

    #[test]
    fn other_files_are_refused_and_stay() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("accounts.parquet");
        let accounts = crate::tables::columns::ACCOUNTS.schema();
        let empty = RecordBatch::new_empty(accounts.clone());
        let mut writer = ArrowWriter::try_new(Vec::new(), accounts, None).unwrap();
        writer.write(&empty).unwrap();
        let bytes = writer.into_inner().unwrap();
        std::fs::write(&file, &bytes).unwrap();
        let error = add(&file, &[row("2026-01-01T08:00:00Z", "a")], &Silent).unwrap_err();
        assert_eq!(error.exit_code(), 3, "{error}");
        for words in ["account_id Utf8", "identity Utf8", "remargin schema history"] {
            assert!(error.to_string().contains(words), "{error}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
        std::fs::write(&file, "no Parquet").unwrap();
        assert_eq!(add(&file, &[], &Silent).unwrap_err().exit_code(), 3);
        for name in ["history.csv", "history", ".parquet"] {
            assert_eq!(read(&place.path().join(name)).unwrap_err().exit_code(), 2, "{name}");
        }
    }
}
