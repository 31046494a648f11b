//! Which files make up a table.

use super::listing::list;
use super::local::not_a_file;
use super::parts::{Partition, parts};
use super::remote::{self, Listed};
use super::{Format, Input, settle, unreadable};
use crate::store::is_url;
use crate::{Invalid, Result};
use rayon::prelude::*;
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
        // A store takes long to answer, so several are asked at once.
        let files = if self.files.len() > 1 && is_url(&self.path) {
            self.files.par_iter().map(|file| Input::open(file)).collect::<Result<_>>()?
        } else {
            self.files.iter().map(|file| Input::open(file)).collect::<Result<_>>()?
        };
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
    for Listed { path, is_folder } in candidates(dir, name)? {
        let Some(rest) = path.file_name().and_then(|file| file.to_str()?.strip_prefix(name)) else { continue };
        if rest.is_empty() {
            found.push((Format::Parquet, path, is_folder));
        } else if let Some(format) = rest.strip_prefix('.').and_then(format_of) {
            found.push((format, path, is_folder));
        }
    }
    found.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
    if let [(_, first, _), (_, second, _), ..] = found.as_slice() {
        return Err(Invalid::new(format!("table `{name}` is there twice"))
            .file(second)
            .expected(format!("one file, since `{}` holds the table as well", first.display()))
            .hint("move one of them out of the folder")
            .into());
    }
    let Some((format, path, is_folder)) = found.pop() else { return Ok(None) };
    let is_folder = path == dir.join(name) || (format == Format::Parquet && is_folder);
    Ok(Some(if is_folder { Located::of_folder(name, path)? } else { Located::of_file(format, path) }))
}

/// What may be a file of table `name`: what is in the folder or, where nothing can be listed, the names that it may
/// have.
fn candidates(dir: &Path, name: &str) -> Result<Vec<Listed>> {
    if is_url(dir) && remote::cannot_list(dir)? {
        return remote::named(dir, name, ENDS.iter().map(|(end, _)| *end));
    }
    list(dir)
}

/// What is in a folder; nothing if there is no such folder, or if it is on a server that lists nothing.
///
/// # Errors
/// [`Invalid`] if it cannot be listed.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    if is_url(dir) && remote::cannot_list(dir)? {
        return Ok(Vec::new());
    }
    Ok(list(dir)?.into_iter().map(|listed| listed.path).collect())
}

/// A table at a path of its own: a file named `*.parquet`, `*.arrow` or `*.csv`, or a folder of Parquet parts.
///
/// # Errors
/// [`Invalid`] if it is not there or is something else.
pub(crate) fn at(path: &Path) -> Result<Located> {
    if is_url(path) {
        return at_url(path);
    }
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return Located::of_folder(&name, path.to_path_buf());
    }
    if !metadata.is_file() {
        return Err(not_a_file(path, &metadata).into());
    }
    file_at(path)
}

/// As [`at`], for a URL: a prefix with objects below it is a folder.
fn at_url(path: &Path) -> Result<Located> {
    if remote::is_object(path)? || !remote::is_folder(path)? {
        return file_at(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Located::of_folder(&name, path.to_path_buf())
}

fn file_at(path: &Path) -> Result<Located> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let formats = name.match_indices('.').filter_map(|(dot, _)| format_of(name.get(dot + 1..)?));
    let Some(format) = formats.into_iter().next() else {
        let expected = "a file named `*.csv`, `*.parquet` or `*.arrow`, or a folder of Parquet parts";
        return Err(Invalid::new("a table of unknown format").file(path).expected(expected).into());
    };
    Ok(Located::of_file(format, path.to_path_buf()))
}
