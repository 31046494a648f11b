//! Only one run at a time per output folder: a lock file beside it.
//!
//! The system releases the lock when the process ends, for any reason. So remains under a free lock belong to no
//! running process.

use super::disk;
use crate::{Error, Result};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    /// `None` on a file system without locks.
    held: Option<File>,
}

impl Lock {
    /// Takes the lock of `target` in the file `path`.
    ///
    /// # Errors
    /// [`Error::Runtime`] if another run has it, [`Error::Io`] if the file cannot be created.
    pub fn take(path: PathBuf, target: &Path) -> Result<Self> {
        loop {
            let file = disk::open_lock(&path).map_err(|err| Error::io("create", &path, err))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let text = format!("another run is writing to `{}`: nothing was written", target.display());
                    return Err(Error::Runtime(text));
                }
                Err(TryLockError::Error(err)) if err.kind() == io::ErrorKind::Unsupported => {
                    tracing::warn!("the file system of `{}` has no locks: {err}", target.display());
                    return Ok(Self { path, held: None });
                }
                Err(TryLockError::Error(err)) => return Err(Error::io("lock", &path, err)),
            }
            // The previous owner may have removed the file meanwhile, and another run may lock a new one.
            if is_at(&file, &path) {
                return Ok(Self { path, held: Some(file) });
            }
        }
    }

    /// True if no other run can be active.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Remove the file before the lock is released, so that no other run locks a removed file.
        let _ = disk::remove_file(&self.path);
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |metadata: io::Result<std::fs::Metadata>| metadata.map(|found| (found.dev(), found.ino())).ok();
    place(file.metadata()).is_some_and(|held| Some(held) == place(std::fs::metadata(path)))
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}
