//! A folder for work that nobody keeps: `remargin-PURPOSE-XXXXXX` in the folder for temporary files.
//!
//! It is removed when it is dropped. A killed process leaves its folder behind; the next one with the same purpose
//! removes it. A lock inside says whether the owner still runs.

use super::disk;
use super::lock::Lock;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::{fs, io};

const LOCK: &str = "lock";

/// A temporary folder, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    // Fields drop in order: the lock is released before the folder is removed.
    #[allow(dead_code, reason = "held")]
    lock: Lock,
    folder: tempfile::TempDir,
}

impl Scratch {
    /// Creates a folder in `temp`, and removes those of killed processes.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created.
    pub fn create(temp: &Path, purpose: &str) -> Result<Self> {
        let prefix = format!("remargin-{purpose}-");
        loop {
            let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(temp);
            let folder = folder.map_err(|err| Error::io("create a folder in", temp, err))?;
            match Lock::take(folder.path().join(LOCK), folder.path()) {
                Ok(lock) => {
                    clear_left(temp, &prefix, folder.path());
                    return Ok(Self { lock, folder });
                }
                // Another process took the folder for one of a killed process, before it was locked.
                Err(Error::Runtime(_)) => {}
                Err(_) if !folder.path().exists() => {}
                Err(err) => return Err(err),
            }
        }
    }

    /// Removes it.
    ///
    /// # Errors
    /// [`Error::Io`] if something cannot be removed. Dropping it ignores that.
    #[cfg(feature = "cli")]
    pub fn close(self) -> Result<()> {
        let path = self.folder.path().to_path_buf();
        empty(&path).map_err(|err| Error::io("remove", &path, err))?;
        drop(self);
        match fs::symlink_metadata(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            _ => Err(Error::io("remove", path, io::Error::other("it is still there"))),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Scratch {
    /// What is in the folder goes before the lock does: a process that is killed in between leaves a folder with a
    /// lock, or an empty one, and the next process clears both.
    fn drop(&mut self) {
        let _ = empty(self.folder.path());
    }
}

/// Removes everything in a folder but the lock.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            disk::remove_dir_all(&entry.path())?;
        } else if entry.file_name() != LOCK {
            disk::remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes the folders of killed processes, as far as it can: they are in nobody's way.
fn clear_left(temp: &Path, prefix: &str, own: &Path) {
    let Ok(entries) = fs::read_dir(temp) else { return };
    let named = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    for folder in named.map(|entry| entry.path()).filter(|path| path != own && is_same_owner(path, own)) {
        match clear_one(&folder) {
            Ok(true) => tracing::info!("removed `{}`, which a killed process had left behind", folder.display()),
            Ok(false) => {}
            Err(err) => tracing::info!("`{}` of a killed process is not removed: {err}", folder.display()),
        }
    }
}

/// Removes the folder, if its owner does not run.
fn clear_one(folder: &Path) -> io::Result<bool> {
    let lock: PathBuf = folder.join(LOCK);
    if !lock.exists() {
        // Killed before it was locked, or about to be locked. It is empty, or somebody else's.
        return Ok(disk::remove_dir(folder).is_ok());
    }
    let Ok(lock) = Lock::take(lock, folder) else { return Ok(false) };
    if !lock.is_held() {
        return Ok(false);
    }
    empty(folder)?;
    drop(lock);
    disk::remove_dir(folder).map(|()| true)
}

/// A folder, not a link, of the user who owns `own`.
#[cfg(unix)]
fn is_same_owner(folder: &Path, own: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = |path: &Path| fs::symlink_metadata(path).ok().filter(fs::Metadata::is_dir).map(|found| found.uid());
    owner(folder).is_some_and(|found| Some(found) == owner(own))
}

#[cfg(not(unix))]
fn is_same_owner(folder: &Path, _: &Path) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let make = |name: &str, files: &[&str]| {
            fs::create_dir(place.path().join(name)).unwrap();
            for file in files {
                fs::write(place.path().join(name).join(file), "x").unwrap();
            }
        };
        make("remargin-replay-killed", &[LOCK, "table.parquet"]);
        make("remargin-replay-killed-early", &[]);
        make("remargin-replay-of-somebody", &["thesis.txt"]);
        make("remargin-bench-killed", &[LOCK]);
        fs::write(place.path().join("remargin-replay-file"), "x").unwrap();
        let running = Scratch::create(place.path(), "bench").unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 5, "{:?}", names(place.path()));
        let first = Scratch::create(place.path(), "replay").unwrap();
        let second = Scratch::create(place.path(), "replay").unwrap();
        let third = Scratch::create(place.path(), "bench").unwrap();
        for held in [&running, &first, &second, &third] {
            fs::write(held.path().join("work"), "x").unwrap();
        }
        drop((running, first, second, third));
        assert_eq!(names(place.path()), ["remargin-replay-file", "remargin-replay-of-somebody"]);
    }

    /// A process may be killed while it removes its folder.
    #[test]
    fn the_lock_goes_last() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("run")).unwrap();
        for file in ["a", "run/b", LOCK, "z"] {
            fs::write(place.path().join(file), "x").unwrap();
        }
        empty(place.path()).unwrap();
        assert_eq!(names(place.path()), [LOCK]);
        let scratch = Scratch::create(place.path(), "fetch").unwrap();
        fs::write(scratch.path().join("work"), "x").unwrap();
        scratch.close().unwrap();
        assert_eq!(names(place.path()), [LOCK]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let kept = place.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join(LOCK), "x").unwrap();
        std::os::unix::fs::symlink(&kept, place.path().join("remargin-replay-link")).unwrap();
        drop(Scratch::create(place.path(), "replay").unwrap());
        assert_eq!(names(place.path()), ["kept", "remargin-replay-link"]);
        assert_eq!(names(&kept), [LOCK]);
    }
}
