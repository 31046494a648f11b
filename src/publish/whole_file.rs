//! A single file that is published complete or not at all, and replaces an existing one.

use super::disk::parent;
use crate::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Writes a file. Missing parents are created.
///
/// # Errors
/// [`Error::Io`] if the location cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |err| Error::io("write", path, err);
    let parent = parent(path);
    std::fs::create_dir_all(parent).map_err(|err| Error::io("create", parent, err))?;
    let mut file = tempfile::Builder::new().prefix(".remargin-").tempfile_in(parent).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    #[cfg(unix)]
    {
        // Temporary files are private. A report must be readable by others.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(readable).map_err(failed)?;
    }
    file.persist(path).map(drop).map_err(|err| failed(err.error))
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
