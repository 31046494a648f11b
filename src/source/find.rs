//! Which files make up a table.

use super::{Format, Input, is_there, settle, unreadable};
use crate::{Invalid, Result};
use std::path::{Path, PathBuf};

/// The files of one table, in the order of their rows; none is opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub format: Format,
    pub files: Vec<PathBuf>,
}

impl Located {
    /// Opens all files.
    ///
    /// # Errors
    /// [`Invalid`] if one is not a regular file or cannot be opened.
    pub fn open(&self) -> Result<Source> {
        let files = self.files.iter().map(|file| Input::open(file)).collect::<Result<_>>()?;
        Ok(Source { format: self.format, files })
    }
}

/// The files of one table, opened, in the order of their rows.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub format: Format,
    pub files: Vec<Input>,
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

/// Finds the files of table `name`: `NAME.parquet`, `NAME.arrow`, `NAME.csv` or the parts in the folder `NAME`.
///
/// # Errors
/// [`Invalid`] if there are two of these, if a folder holds anything but Parquet parts, or if it cannot be found out
/// what is there.
pub(crate) fn find(dir: &Path, name: &str) -> Result<Option<Located>> {
    let mut found = Vec::new();
    for (extension, format) in [("parquet", Format::Parquet), ("arrow", Format::Arrow), ("csv", Format::Csv)] {
        let file = dir.join(format!("{name}.{extension}"));
        if is_there(&file)? {
            found.push((format, file));
        }
    }
    let folder = dir.join(name);
    if is_there(&folder)? {
        found.push((Format::Parquet, folder.clone()));
    }
    if let [(_, first), (_, second), ..] = found.as_slice() {
        return Err(Invalid::new(format!("table `{name}` is there twice"))
            .file(second)
            .expected(format!("one file, since `{}` holds the table as well", first.display()))
            .hint("move one of them out of the folder")
            .into());
    }
    let Some((format, path)) = found.pop() else { return Ok(None) };
    let files = if path == folder { parts(name, &folder)? } else { vec![path] };
    Ok(Some(Located { format, files }))
}

/// A table at a path of its own: a file named `*.parquet`, `*.arrow` or `*.csv`, or a folder of Parquet parts.
///
/// # Errors
/// [`Invalid`] if it is not there or is something else.
pub(crate) fn at(path: &Path) -> Result<Located> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return Ok(Located { format: Format::Parquet, files: parts(&name, path)? });
    }
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => Format::Parquet,
        Some("arrow") => Format::Arrow,
        Some("csv") => Format::Csv,
        _ => {
            let expected = "a file named `*.csv`, `*.parquet` or `*.arrow`, or a folder of Parquet parts";
            return Err(Invalid::new("a table of unknown format").file(path).expected(expected).into());
        }
    };
    Ok(Located { format, files: vec![path.to_path_buf()] })
}

/// The Parquet parts of a folder, in byte order of their names. Names that begin with `_` or `.` are the markers of
/// writers (`_SUCCESS`) and hold no rows.
fn parts(name: &str, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let file_name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
        if file_name.starts_with(b"_") || file_name.starts_with(b".") {
            continue;
        }
        if !file_name.ends_with(b".parquet") {
            return Err(Invalid::new(format!("the folder of table `{name}` holds something else"))
                .file(path)
                .expected("Parquet parts only, named `*.parquet`")
                .into());
        }
        files.push((file_name, path));
    }
    if files.is_empty() {
        return Err(Invalid::new(format!("the folder of table `{name}` holds no parts"))
            .file(folder)
            .expected("at least one `*.parquet`")
            .into());
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}
