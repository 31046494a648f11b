//! Every operation by which outputs come to be on the disk, and nothing else.
//!
//! One place, so that a test can make any of them fail: see `fixture`. In the program the gate before each operation is
//! an empty function, which the compiler removes.

#[cfg(test)]
pub(crate) mod fixture;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What is done to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// A file is made.
    Create,
    /// Bytes are handed to the system.
    Write,
    /// The bytes of a file are brought to the medium.
    Sync,
    /// A folder is made.
    MakeDir,
    /// The entries of a folder are brought to the medium.
    SyncDir,
    /// Something gets another name.
    Rename,
    /// A file or a folder goes.
    Remove,
}

#[cfg(test)]
use fixture::gate;

/// Lets an operation pass. Of `bytes` so many may be written.
#[cfg(not(test))]
#[inline]
#[allow(clippy::unnecessary_wraps, reason = "tests have another gate, which fails")]
fn gate(_: Op, _: &Path, bytes: usize) -> io::Result<usize> {
    Ok(bytes)
}

/// A new file that is written from front to back.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: fs::File,
    path: PathBuf,
}

impl NewFile {
    /// Fails if there is something of that name.
    pub fn create(path: &Path) -> io::Result<Self> {
        gate(Op::Create, path, 0)?;
        Ok(Self { file: fs::File::create_new(path)?, path: path.to_path_buf() })
    }

    /// The same file, to bring it to the disk from another thread while it is written; the last word has
    /// [`NewFile::sync`].
    pub fn to_sync_ahead(&self) -> io::Result<fs::File> {
        self.file.try_clone()
    }

    /// Brings all bytes to the medium.
    pub fn sync(&self) -> io::Result<()> {
        gate(Op::Sync, &self.path, 0)?;
        self.file.sync_all()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = gate(Op::Write, &self.path, bytes.len())?;
        self.file.write(bytes.get(..most).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a file to be locked, and makes it if it is not there.
pub(crate) fn open_lock(path: &Path) -> io::Result<fs::File> {
    gate(Op::Create, path, 0)?;
    fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// Makes a folder with the usual rights.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    gate(Op::MakeDir, path, 0)?;
    fs::create_dir(path)
}

/// Brings the entries of a folder to the medium, where the system knows how.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    gate(Op::SyncDir, path, 0)?;
    if cfg!(unix) { fs::File::open(path)?.sync_all() } else { Ok(()) }
}

/// Gives a file or folder another name.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    gate(Op::Rename, from, 0)?;
    fs::rename(from, to)
}

/// As [`rename`], but fails with [`io::ErrorKind::AlreadyExists`] if there is something of the new name, where the
/// system can tell in the same step.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    gate(Op::Rename, from, 0)?;
    match at_once::rename_new(from, to) {
        Some(renamed) => renamed,
        None => fs::rename(from, to),
    }
}

/// Lets two folders change names in one step. `false` if the system, or the file system, does not know how.
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    gate(Op::Rename, one, 0)?;
    #[cfg(test)]
    if fixture::exchange_is_unknown(one) {
        return Ok(false);
    }
    at_once::exchange(one, other).map_or(Ok(false), |exchanged| exchanged.map(|()| true))
}

pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    gate(Op::Remove, path, 0)?;
    fs::remove_file(path)
}

/// Removes a folder if it is empty.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    gate(Op::Remove, path, 0)?;
    fs::remove_dir(path)
}

/// Removes a folder with all that is in it.
pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    gate(Op::Remove, path, 0)?;
    fs::remove_dir_all(path)
}

/// `renameat2`. `None` where it is not known.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod at_once {
    use nix::errno::Errno;
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    use std::io;
    use std::path::Path;

    pub fn rename_new(from: &Path, to: &Path) -> Option<io::Result<()>> {
        call(from, to, RenameFlags::RENAME_NOREPLACE)
    }

    pub fn exchange(one: &Path, other: &Path) -> Option<io::Result<()>> {
        call(one, other, RenameFlags::RENAME_EXCHANGE)
    }

    fn call(from: &Path, to: &Path, flags: RenameFlags) -> Option<io::Result<()>> {
        match renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) {
            // A file system that does not know a flag calls the argument invalid.
            Err(Errno::ENOSYS | Errno::EINVAL | Errno::EOPNOTSUPP) => None,
            result => Some(result.map_err(io::Error::from)),
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod at_once {
    use std::io;
    use std::path::Path;

    pub fn rename_new(_: &Path, _: &Path) -> Option<io::Result<()>> {
        None
    }

    pub fn exchange(_: &Path, _: &Path) -> Option<io::Result<()>> {
        None
    }
}
