//! A single file that is published complete or not at all, and replaces an existing one.
//!
//! It is written as `.NAME.remargin-partial` beside its final name. What a killed process left of it is overwritten by
//! the next one.

use super::disk::{self, NewFile, beside, parent};
use super::lock::Lock;
use crate::{Error, Result, store};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Writes a file. Missing parents are created.
///
/// # Errors
/// [`Error::Usage`] if the path has no name; [`Error::Runtime`] if another process writes the same file; [`Error::Io`]
/// if the location cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, Duration::ZERO, || Ok(()), || Ok(bytes.to_vec()))
}

/// How long a process waits for another one that writes the same file.
const PATIENCE: Duration = Duration::from_secs(30);
/// When it says so.
const LONG: Duration = Duration::from_secs(2);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Writes a file whose new content depends on the old one, which `make` reads: nobody else writes it meanwhile. Waits
/// for others who do, unless `stop` is an error.
///
/// # Errors
/// Those of [`write_file`], of `stop` and of `make`; the file is as it was then.
pub fn replace_file(path: &Path, stop: impl Fn() -> Result<()>, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<()> {
    replace(path, PATIENCE, stop, make)
}

fn replace(
    path: &Path,
    patience: Duration,
    stop: impl Fn() -> Result<()>,
    make: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<()> {
    let name = path.file_name();
    let name = name.ok_or_else(|| Error::Usage(format!("`{}` cannot be written: it has no name", path.display())))?;
    let folder = parent(path);
    std::fs::create_dir_all(folder).map_err(|err| Error::io("create", folder, err))?;
    let partial = beside(path, name, "partial");
    let started = Instant::now();
    let mut is_told = false;
    let _lock = loop {
        match Lock::take(beside(path, name, "lock"), path) {
            // Another process has it.
            Err(Error::Runtime(_)) if started.elapsed() < patience => {
                stop()?;
                if !is_told && started.elapsed() > LONG {
                    is_told = true;
                    let seconds = patience.as_secs();
                    tracing::warn!("another process writes `{}`: waiting for it, {seconds} s at most", path.display());
                }
                std::thread::sleep(PAUSE);
            }
            taken => break taken?,
        }
    };
    let bytes = make()?;
    match disk::remove_file(&partial) {
        Err(err) if err.kind() != ErrorKind::NotFound => return Err(Error::io("remove", &partial, err)),
        _ => {}
    }
    let written = write(&partial, &bytes).and_then(|()| disk::rename(&partial, path));
    written.map_err(|err| {
        let _ = disk::remove_file(&partial);
        Error::io("write", path, err)
    })
}

/// Refuses a file that a command writes beside its output, and that is inside a folder which it reads or writes.
///
/// # Errors
/// [`Error::Usage`] that names the file and the folder; [`Error::Io`] if a place cannot be found.
pub fn check_outside(what: &str, file: &Path, folders: &[&Path]) -> Result<()> {
    let place = real(file)?;
    for folder in folders {
        if place.starts_with(real(folder)?) {
            let problem = format!("{what} `{}` is inside `{}`", file.display(), folder.display());
            return Err(Error::Usage(problem).hint("name a file outside the snapshot and the output folder"));
        }
    }
    Ok(())
}

/// A path that is valid in every working folder; a URL is one.
///
/// # Errors
/// [`Error::Io`] if there is no working folder.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    if store::is_url(path) {
        return Ok(path.to_path_buf());
    }
    std::path::absolute(path).map_err(|err| Error::io("find", path, err))
}

/// A path without links, as far as it is there.
fn real(path: &Path) -> Result<PathBuf> {
    let absolute = absolute(path)?;
    let there = absolute.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    Ok(match there {
        Some((above, found)) => match absolute.strip_prefix(above) {
            Ok(below) if !below.as_os_str().is_empty() => found.join(below),
            _ => found,
        },
        None => absolute,
    })
}

/// Refuses to replace a file that does not begin as what will be written.
///
/// # Errors
/// [`Error::Usage`] for another file, and for what is no file; [`Error::Io`] if it cannot be read.
pub fn check_replaceable(path: &Path, begin: &[u8]) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(Error::io("open", path, err)),
        Ok(found) if !found.is_file() => {
            return Err(Error::Usage(format!("`{}` is not replaced: it is not a file", path.display())));
        }
        Ok(_) => {}
    }
    let mut found = Vec::new();
    let file = std::fs::File::open(path).map_err(|err| Error::io("open", path, err))?;
    file.take(begin.len() as u64).read_to_end(&mut found).map_err(|err| Error::io("read", path, err))?;
    if found == begin {
        return Ok(());
    }
    let problem = format!("`{}` is not replaced: it is another file", path.display());
    Err(Error::Usage(problem).hint("name a new file, or remove it first"))
}

/// Refuses to append to a file that has something else in it than lines that begin with `begin`.
///
/// # Errors
/// Those of [`check_replaceable`].
pub fn check_appendable(path: &Path, begin: &[u8]) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && found.len() == 0 => Ok(()),
        _ => check_replaceable(path, begin),
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes)?;
    file.sync()
}

/// Writes a new file that its owner alone may read. Missing parents are created.
///
/// # Errors
/// [`Error::Io`] if the file exists already, or the location cannot be written.
pub fn write_new_private_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |err| Error::io("write", path, err);
    let parent = parent(path);
    std::fs::create_dir_all(parent).map_err(|err| Error::io("create", parent, err))?;
    // Temporary files are private.
    let mut file = tempfile::Builder::new().prefix(".remargin-").tempfile_in(parent).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist_noclobber(path).map(drop).map_err(|err| failed(err.error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_whole_and_nothing_stays_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("pages/report.html");
        write_file(&path, b"first").unwrap();
        // What a killed process leaves.
        fs::write(place.path().join("pages/.report.html.remargin-partial"), "half").unwrap();
        fs::write(place.path().join("pages/.report.html.remargin-lock"), "").unwrap();
        write_file(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

        let folders = [place.path()];
        for inside in ["x", "new/x", "pages/../x"] {
            let refused = check_outside("--history", &place.path().join(inside), &folders).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{refused}");
        }
        assert!(check_outside("--history", &place.path().with_extension("x"), &folders).is_ok());

        fs::write(place.path().join("empty"), "").unwrap();
        assert!(check_appendable(&place.path().join("empty"), b"x").is_ok());
        assert!(check_appendable(&place.path().join("new"), b"x").is_ok());
        assert_eq!(check_appendable(&path, b"x").unwrap_err().exit_code(), 2);
        fs::remove_file(place.path().join("empty")).unwrap();

        assert!(check_replaceable(&path, b"second").is_ok());
        assert_eq!(check_replaceable(&path, b"other").unwrap_err().exit_code(), 2);
        assert_eq!(check_replaceable(place.path(), b"second").unwrap_err().exit_code(), 2);
        assert!(check_replaceable(&place.path().join("new"), b"second").is_ok());

        fs::create_dir(place.path().join("folder")).unwrap();
        assert_eq!(write_file(&place.path().join("folder"), b"x").unwrap_err().exit_code(), 1);
        assert_eq!(write_file(Path::new("/"), b"x").unwrap_err().exit_code(), 2);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }
}
