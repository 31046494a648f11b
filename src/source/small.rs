//! Small files that are read as a whole, within a bound.

use super::{Input, is_there};
use crate::{Invalid, Result};
use std::path::Path;

/// Largest file of rules, and largest `snapshot.toml`.
pub(crate) const LARGEST_TOML: u64 = 64 << 20;
/// Largest JSON document, and largest table of scenarios.
pub(crate) const LARGEST_JSON: u64 = 1 << 30;

/// Reads a file of at most so many bytes.
///
/// # Errors
/// [`Invalid`] if it is larger, is not a regular file, cannot be read, or changes meanwhile.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    Input::open(path)?.read_whole(most)
}

/// As [`read`]; `None` if there is no such file.
///
/// # Errors
/// Those of [`read`], and where it cannot be found out whether the file is there.
pub(crate) fn read_if_there(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    if is_there(path)? { read(path, most).map(Some) } else { Ok(None) }
}

/// Bytes as text.
///
/// # Errors
/// [`Invalid`] if they are not UTF-8.
pub(crate) fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Invalid::new(format!("bytes that are not text, from byte {at} on")).file(path).expected("UTF-8").into()
    })
}
