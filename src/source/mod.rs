//! Where bytes come from. The only module that opens input files.
//!
//! ```text
//! find, at ---> Located (which files) --- open ---> Source (files, opened) ---> hash, decode, verify
//! ```
//!
//! A file is opened once, and everything is read through that handle: its hash and its rows are of the same bytes. What
//! the file was when it was opened is kept (which file, size, times). Whoever reads says at the end, with `settle`,
//! what came of it; a file that is another by then ends with "changed while it was read".
//!
//! A path that is a URL is an object of a store, and the same holds for it: see `remote`.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(test)]
mod change_tests;
mod find;
mod format;
mod input;
mod listing;
mod local;
mod memory;
mod parts;
mod patient;
mod piped;
mod remote;
mod small;
mod view;

pub(crate) use find::{Located, Source, at, entries, find};
pub use format::Format;
pub(crate) use input::{Input, hash_all, settle};
pub(crate) use local::{is_file, is_there};
pub(crate) use memory::Memory;
pub(crate) use parts::Partition;
pub(crate) use patient::Patient;
pub(crate) use piped::{is_piped, open_lines, open_table};
pub(crate) use remote::beside_bytes;
pub(crate) use small::{
    LARGEST_JSON, LARGEST_TOML, most_unpacked, read, read_hashed_text, read_if_there, read_text, text_of,
};
pub(crate) use view::View;

use crate::error::is_interruption;
use crate::{Error, Invalid, Result};
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A small file that was read whole before the snapshot was opened, and the hash of what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// Where it was.
    pub path: PathBuf,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub blake3: String,
}

/// Bytes that can be read at any place, by many threads at once: a file, or whatever else a store holds.
pub(crate) trait ByteSource: Debug + Send + Sync {
    /// What errors name.
    fn path(&self) -> &Path;

    /// How many bytes there were when it was opened.
    fn len(&self) -> u64;

    /// Reads from a place on, as many bytes as come at once; none behind the end.
    ///
    /// # Errors
    /// Those of the store.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Is it still what it was when it was opened?
    ///
    /// # Errors
    /// [`Invalid`] that says how it changed.
    fn verify_unchanged(&self) -> Result<()>;

    /// The same bytes, at hand for many reads, if [`Self::read_at`] has to fetch them anew each time.
    ///
    /// # Errors
    /// As [`Self::verify_unchanged`].
    fn at_hand(&self) -> Result<Option<Arc<dyn ByteSource>>> {
        Ok(None)
    }
}

/// An input that the operating system does not let us read.
pub(crate) fn unreadable(file: &Path, error: &io::Error) -> Error {
    if is_interruption(error) {
        return Error::Interrupted;
    }
    Invalid::new(format!("the file cannot be read: {error}")).file(file).into()
}

/// What is said of a file that is not the same at the end.
pub(crate) const CHANGED: &str = "the file changed while it was read";

/// An input that is not what it was when it was opened; `how` says what is different.
pub(crate) fn changed(file: &Path, how: impl Into<String>) -> Invalid {
    Invalid::new(CHANGED)
        .file(file)
        .value(how)
        .expected("a file that stays as it is until the command ends")
        .hint("run it again; write new data to a new folder, not over files that may be read")
}
