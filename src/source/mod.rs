//! Which files make up a snapshot, and their hashes.

mod format;

pub use format::Format;

use crate::progress::Progress;
use crate::{Error, Invalid, Result};
use rayon::prelude::*;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The files of one table, in the order of their rows.
#[derive(Debug)]
pub(crate) struct Source {
    pub format: Format,
    pub files: Vec<PathBuf>,
}

/// Finds the files of table `name`: `NAME.parquet`, `NAME.arrow`, `NAME.csv` or the parts in the folder `NAME`.
///
/// # Errors
/// [`Invalid`] if there are two of these, if a folder holds anything but Parquet parts, or cannot be read.
pub(crate) fn find(dir: &Path, name: &str) -> Result<Option<Source>> {
    let mut found = Vec::new();
    for (extension, format) in [("parquet", Format::Parquet), ("arrow", Format::Arrow), ("csv", Format::Csv)] {
        let file = dir.join(format!("{name}.{extension}"));
        if file.symlink_metadata().is_ok() {
            found.push((format, file));
        }
    }
    let folder = dir.join(name);
    if folder.symlink_metadata().is_ok() {
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
    for file in &files {
        if !std::fs::metadata(file).map_err(|error| unreadable(file, &error))?.is_file() {
            return Err(Invalid::new("not a regular file").file(file).into());
        }
    }
    Ok(Some(Source { format, files }))
}

/// A table at a path of its own: a file named `*.parquet`, `*.arrow` or `*.csv`, or a folder of Parquet parts.
///
/// # Errors
/// [`Invalid`] if it is not there or is something else.
pub(crate) fn at(path: &Path) -> Result<Source> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return Ok(Source { format: Format::Parquet, files: parts(&name, path)? });
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
    Ok(Source { format, files: vec![path.to_path_buf()] })
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

/// An input that the operating system does not let us read.
pub(crate) fn unreadable(file: &Path, error: &std::io::Error) -> Error {
    Invalid::new(format!("the file cannot be read: {error}")).file(file).into()
}

/// Size and BLAKE3 hash of each file, several files at a time.
pub(crate) fn hash_all(files: &[PathBuf], progress: &dyn Progress) -> Result<Vec<(u64, String)>> {
    files.par_iter().map(|file| hash(file, progress)).collect()
}

pub(crate) fn hash(file: &Path, progress: &dyn Progress) -> Result<(u64, String)> {
    let mut input = File::open(file).map_err(|error| unreadable(file, &error))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        progress.check()?;
        match input.read(&mut buffer).map_err(|error| unreadable(file, &error))? {
            0 => return Ok((hasher.count(), hasher.finalize().to_hex().to_string())),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        };
    }
}

/// The Parquet parts of a table that is a folder.
///
/// # Errors
/// [`Error::Invalid`] if the folder holds anything else.
pub(crate) fn parts_of(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(at(folder)?.files)
}
