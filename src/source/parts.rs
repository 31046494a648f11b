//! The parts of a table in a folder, and the folders of partitions: `date=2026-01-15/part-0.parquet`.

use super::listing::list;
use super::remote::Listed;
use crate::{Invalid, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Columns that stand in the names of the folders of a part, and their one value; `None` is null.
pub(crate) type Partition = Arc<[(String, Option<String>)]>;

/// Folders in folders: more than any table has, fewer than a circle of links.
const DEEPEST: usize = 16;
/// What writers name the folder of the rows without a value.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// True for the ends of names of Parquet files.
pub(super) fn is_parquet(file_name: &[u8]) -> bool {
    let lower = file_name.to_ascii_lowercase();
    [&b".parquet"[..], b".parq", b".pq"].iter().any(|end| lower.ends_with(end))
}

/// The Parquet parts of a folder, in byte order of their paths, each with the columns that its folders name. Names that
/// begin with `_` or `.` are the markers of writers (`_SUCCESS`) and hold no rows.
///
/// # Errors
/// [`Invalid`] for a table that only its log can tell the rows of, for one that is being written, for anything that is
/// no part, and if there is none.
pub(super) fn parts(name: &str, folder: &Path) -> Result<Vec<(PathBuf, Partition)>> {
    let mut found = Vec::new();
    let mut walk = Walk { name, found: &mut found };
    walk.folder(folder, &mut Vec::new())?;
    if found.is_empty() {
        return Err(Invalid::new(format!("the folder of table `{name}` holds no parts"))
            .file(folder)
            .expected("at least one `*.parquet`")
            .into());
    }
    refuse_dates(name, folder, &found)?;
    found.sort_by(|(a, _), (b, _)| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    Ok(found)
}

/// Columns of a snapshot that hold times, so that partitions by them are no books of several days.
const TIMES: [&str; 2] = ["expiry", "ts"];

/// Refuses partitions by date that hold more than one: a snapshot is one moment, and two books would be added up.
fn refuse_dates(name: &str, folder: &Path, parts: &[(PathBuf, Partition)]) -> Result<()> {
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (column, value) in parts.iter().flat_map(|(_, values)| values.iter()) {
        let is_date =
            |text: &&str| text.len() >= 8 && text.get(..10).unwrap_or(text).parse::<jiff::civil::Date>().is_ok();
        if let Some(date) = value.as_deref().filter(is_date).filter(|_| !TIMES.contains(&column.as_str())) {
            seen.entry(column).or_default().insert(date);
        }
    }
    match seen.into_iter().find(|(_, dates)| dates.len() > 1) {
        None => Ok(()),
        Some((column, dates)) => Err(Invalid::new(format!("the folder of table `{name}` holds several dates"))
            .file(folder)
            .column(column)
            .value(dates.into_iter().take(3).collect::<Vec<_>>().join(", "))
            .expected("the book of one moment")
            .hint(format!("copy the parts of one date to a folder `{name}`"))
            .into()),
    }
}

struct Walk<'a> {
    name: &'a str,
    found: &'a mut Vec<(PathBuf, Partition)>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, values: &mut Vec<(String, Option<String>)>) -> Result<()> {
        let here: Partition = values.as_slice().into();
        for Listed { path, is_folder } in list(folder)? {
            let file_name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
            refuse_log(self.name, &path, is_folder, &file_name)?;
            if file_name.starts_with(b"_") || file_name.starts_with(b".") {
                continue;
            }
            if let Some(value) = partition(&path, is_folder)? {
                if values.len() == DEEPEST {
                    return Err(self.something_else(&path));
                }
                values.push(value);
                self.folder(&path, values)?;
                values.pop();
            } else if is_parquet(&file_name) {
                self.found.push((path, Arc::clone(&here)));
            } else {
                return Err(self.something_else(&path));
            }
        }
        Ok(())
    }

    fn something_else(&self, path: &Path) -> crate::Error {
        Invalid::new(format!("the folder of table `{}` holds something else", self.name))
            .file(path)
            .expected("Parquet parts named `*.parquet`, or folders of them named `column=value`")
            .into()
    }
}

/// Refuses what only the log of a table format can tell the rows of.
fn refuse_log(name: &str, path: &Path, is_folder: bool, file_name: &[u8]) -> Result<()> {
    let is_iceberg = file_name == b"metadata" && is_folder;
    let (format, way) = match file_name {
        b"_delta_log" => {
            ("a Delta table", "`deltalake.DeltaTable(folder).to_pyarrow_table()` or DuckDB's `delta_scan`")
        }
        b".hoodie" => ("a Hudi table", "Spark or DuckDB"),
        _ if is_iceberg => ("an Iceberg table", "`pyiceberg` or DuckDB's `iceberg_scan`"),
        b"_temporary" => ("a table that is being written or was left unfinished", ""),
        _ if file_name.starts_with(b"_committed_") || file_name.starts_with(b"_started_") => {
            ("a table of Databricks with a log of commits", "Spark")
        }
        _ => return Ok(()),
    };
    let hint = if way.is_empty() {
        "wait until its writer has finished, or write it anew".to_owned()
    } else {
        format!("read it with {way} in Python, and write one plain Parquet file of it")
    };
    Err(Invalid::new(format!("the folder of table `{name}` is {format}"))
        .file(path)
        .expected("plain Parquet parts: which of these files are part of the table, only its log knows")
        .hint(hint)
        .into())
}

/// Column and value of a folder named `column=value`.
fn partition(path: &Path, is_folder: bool) -> Result<Option<(String, Option<String>)>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    let Some((column, value)) = name.split_once('=').filter(|_| is_folder) else { return Ok(None) };
    let decode = |text: &str| {
        decoded(text).ok_or_else(|| {
            let invalid = Invalid::new("the name of a folder is not text").file(path).value(text);
            crate::Error::from(invalid.expected("UTF-8, `%` encoded"))
        })
    };
    let value = if value == NULL { None } else { Some(decode(value)?) };
    Ok(Some((decode(column)?, value)))
}

/// Text whose odd bytes are written as `%` and two digits.
fn decoded(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
