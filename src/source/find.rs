//! Which files make up a table.

use super::local::not_a_file;
use super::parts::{Partition, parts};
use super::{Format, Input, settle, unreadable};
use crate::{Invalid, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The files of one table, in the order of their rows; none is opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub format: Format,
    /// The file, or the folder of the parts.
    pub path: PathBuf,
    pub files: Vec<PathBuf>,
    /// What the folders of each part say of it; none for a file of its own.
    partitions: Vec<Partition>,
}

impl Located {
    /// Opens all files.
    ///
    /// # Errors
    /// [`Invalid`] if one is not a regular file or cannot be opened.
    pub fn open(&self) -> Result<Source> {
        let files = self.files.iter().map(|file| Input::open(file)).collect::<Result<_>>()?;
        Ok(Source { format: self.format, files, partitions: self.partitions.clone() })
    }

    fn of_file(format: Format, path: PathBuf) -> Self {
        Self { format, files: vec![path.clone()], path, partitions: Vec::new() }
    }

    fn of_folder(name: &str, path: PathBuf) -> Result<Self> {
        let (files, partitions) = parts(name, &path)?.into_iter().unzip();
        Ok(Self { format: Format::Parquet, path, files, partitions })
    }
}

/// The files of one table, opened, in the order of their rows.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub format: Format,
    pub files: Vec<Input>,
    /// What the folders of each part say of it; none for a file of its own.
    pub partitions: Vec<Partition>,
}

impl Source {
    /// Where the files are.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path().to_path_buf()).collect()
    }

    /// What came of reading the table, see [`settle`].
    ///
    /// # Errors
    /// [`Invalid`] if a file changed, else the error of `outcome`.
    pub fn settle<T>(&self, outcome: Result<T>) -> Result<T> {
        settle(&self.files, outcome)
    }
}

/// Ends of the names of files, in lower case.
const ENDS: [(&str, Format); 8] = [
    ("parquet", Format::Parquet),
    ("parq", Format::Parquet),
    ("pq", Format::Parquet),
    ("arrow", Format::Arrow),
    ("feather", Format::Arrow),
    ("ipc", Format::Arrow),
    ("csv", Format::Csv),
    ("csv.gz", Format::Csv),
];

/// The format of a file by the end of its name.
fn format_of(end: &str) -> Option<Format> {
    let end = end.to_ascii_lowercase();
    ENDS.iter().find(|(known, _)| *known == end).map(|(_, format)| *format)
}

/// Finds the files of table `name`: `NAME.parquet`, `NAME.arrow`, `NAME.csv` (or the same under another usual end), or
/// the parts in the folder `NAME` or `NAME.parquet`.
///
/// # Errors
/// [`Invalid`] if there are two of these, if a folder holds anything but Parquet parts, or if it cannot be found out
/// what is there.
pub(crate) fn find(dir: &Path, name: &str) -> Result<Option<Located>> {
    let mut found = Vec::new();
    for path in entries(dir)? {
        let Some(rest) = path.file_name().and_then(|file| file.to_str()?.strip_prefix(name)) else { continue };
        if rest.is_empty() {
            found.push((Format::Parquet, path));
        } else if let Some(format) = rest.strip_prefix('.').and_then(format_of) {
            found.push((format, path));
        }
    }
    found.sort_by(|(_, a), (_, b)| a.cmp(b));
    if let [(_, first), (_, second), ..] = found.as_slice() {
        return Err(Invalid::new(format!("table `{name}` is there twice"))
            .file(second)
            .expected(format!("one file, since `{}` holds the table as well", first.display()))
            .hint("move one of them out of the folder")
            .into());
    }
    let Some((format, path)) = found.pop() else { return Ok(None) };
    let is_folder = path == dir.join(name) || (format == Format::Parquet && path.is_dir());
    Ok(Some(if is_folder { Located::of_folder(name, path)? } else { Located::of_file(format, path) }))
}

/// What is in a folder; nothing if there is no such folder.
///
/// # Errors
/// [`Invalid`] if it cannot be listed.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let list = match std::fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        list => list.map_err(|error| unreadable(dir, &error))?,
    };
    list.map(|entry| entry.map(|entry| entry.path()).map_err(|error| unreadable(dir, &error))).collect()
}

/// A table at a path of its own: a file named `*.parquet`, `*.arrow` or `*.csv`, or a folder of Parquet parts.
///
/// # Errors
/// [`Invalid`] if it is not there or is something else.
pub(crate) fn at(path: &Path) -> Result<Located> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return Located::of_folder(&name, path.to_path_buf());
    }
    if !metadata.is_file() {
        return Err(not_a_file(path, &metadata).into());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let formats = name.match_indices('.').filter_map(|(dot, _)| format_of(name.get(dot + 1..)?));
    let Some(format) = formats.into_iter().next() else {
        let expected = "a file named `*.csv`, `*.parquet` or `*.arrow`, or a folder of Parquet parts";
        return Err(Invalid::new("a table of unknown format").file(path).expected(expected).into());
    };
    Ok(Located::of_file(format, path.to_path_buf()))
}
