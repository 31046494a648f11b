//! All file operations that create outputs on disk.
//!
//! They are in one module so that a test can make any of them fail: see `fixture`. In the program the gate before each
//! operation is an empty function, which the compiler removes.

#[cfg(test)]
pub(crate) mod fixture;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// Create a file.
    Create,
    /// Write bytes.
    Write,
    /// Sync a file to disk.
    Sync,
    /// Create a folder.
    MakeDir,
    /// Sync the entries of a folder to disk.
    SyncDir,
    /// Rename.
    Rename,
    /// Remove a file or folder.
    Remove,
}

#[cfg(test)]
use fixture::gate;

/// Called before each operation; returns how many of `bytes` may be written.
#[cfg(not(test))]
#[inline]
#[allow(clippy::unnecessary_wraps, reason = "tests have another gate, which fails")]
fn gate(_: Op, _: &Path, bytes: usize) -> io::Result<usize> {
    Ok(bytes)
}

/// A new file, written sequentially.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: fs::File,
    path: PathBuf,
}

impl NewFile {
    /// Fails if the name exists.
    pub fn create(path: &Path) -> io::Result<Self> {
        gate(Op::Create, path, 0)?;
        Ok(Self { file: fs::File::create_new(path)?, path: path.to_path_buf() })
    }

    /// A handle of the same file, to sync it from another thread during writing. The final sync is [`NewFile::sync`].
    pub fn to_sync_ahead(&self) -> io::Result<fs::File> {
        self.file.try_clone()
    }

    /// Syncs all bytes to disk.
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

/// Opens a lock file and creates it if necessary.
pub(crate) fn open_lock(path: &Path) -> io::Result<fs::File> {
    gate(Op::Create, path, 0)?;
    fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// Appends a line to a file under a lock, and syncs it. If the last line there has no end, it gets one.
pub(crate) fn append_line(path: &Path, line: &str) -> io::Result<()> {
    gate(Op::Create, path, 0)?;
    let mut file = fs::OpenOptions::new().read(true).append(true).create(true).open(path)?;
    match file.lock() {
        Err(err) if err.kind() != io::ErrorKind::Unsupported => return Err(err),
        _ => {}
    }
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let start = if last == [b'\n'] { "" } else { "\n" };
    let text = format!("{start}{line}\n");
    gate(Op::Write, path, text.len())?;
    file.write_all(text.as_bytes())?;
    gate(Op::Sync, path, 0)?;
    file.sync_data()
}

/// The folder of a path, `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// `.NAME.remargin-PURPOSE` in the same folder.
pub(crate) fn beside(target: &Path, name: &OsStr, purpose: &str) -> PathBuf {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".remargin-");
    hidden.push(purpose);
    parent(target).join(hidden)
}

/// Creates a folder with the usual permissions.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    gate(Op::MakeDir, path, 0)?;
    fs::create_dir(path)
}

/// Syncs the entries of a folder to disk, if the system supports it.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    gate(Op::SyncDir, path, 0)?;
    if cfg!(unix) { fs::File::open(path)?.sync_all() } else { Ok(()) }
}

/// Renames a file or folder.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    gate(Op::Rename, from, 0)?;
    fs::rename(from, to)
}

/// Like [`rename`], but fails with [`io::ErrorKind::AlreadyExists`] if the new name exists. Atomic if the system
/// supports it.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    gate(Op::Rename, from, 0)?;
    match at_once::rename_new(from, to) {
        Some(renamed) => renamed,
        None => fs::rename(from, to),
    }
}

/// Exchanges the names of two folders atomically. `false` if the system or file system does not support it.
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

/// Removes a folder with its contents.
pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    gate(Op::Remove, path, 0)?;
    fs::remove_dir_all(path)
}

/// `renameat2`. `None` if not supported.
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
            // A file system returns EINVAL for a flag it does not support.
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
