//! What is directly in a folder, or below a URL.

use super::remote::{self, Listed};
use super::unreadable;
use crate::Result;
use crate::store::is_url;
use std::io::ErrorKind;
use std::path::Path;

/// What is in a folder, in no order; nothing if there is no such folder.
///
/// # Errors
/// [`crate::Invalid`] if it cannot be listed.
pub(super) fn list(dir: &Path) -> Result<Vec<Listed>> {
    if is_url(dir) {
        return remote::list(dir);
    }
    let list = match std::fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        list => list.map_err(|error| unreadable(dir, &error))?,
    };
    let listed = list.map(|entry| {
        let path = entry.map_err(|error| unreadable(dir, &error))?.path();
        Ok(Listed { is_folder: path.is_dir(), path })
    });
    listed.collect()
}
