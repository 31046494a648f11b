//! Files of this machine: opened once, and what they were then.

use super::{ByteSource, changed, remote, unreadable};
use crate::store::is_url;
use crate::{Error, Invalid, Result};
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// Files that are held open at once. A folder may have more parts than a process may have open files: those beyond are
/// opened again when they are read, and must be what they were.
const MOST_HELD: usize = 64;
static HELD: AtomicUsize = AtomicUsize::new(0);

/// How long the clock of a file system may stand still: a tick of the kernel, of which there are 100 a second or more.
/// Two changes within that time have the same time.
const CLOCK_STEP: Duration = Duration::from_millis(12);
/// The same where times have no fractions of a second.
const COARSE_CLOCK_STEP: Duration = Duration::from_secs(2);

/// A regular file.
#[derive(Debug)]
pub(super) struct LocalFile {
    path: PathBuf,
    identity: Identity,
    file: Option<Held>,
}

/// An open file, and whether it counts against [`MOST_HELD`].
#[derive(Debug)]
struct Held {
    file: File,
    counted: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.counted {
            HELD.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl LocalFile {
    /// # Errors
    /// [`Invalid`] if it is not a regular file or cannot be opened. Links are followed.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, identity) = open(path)?;
        if let Some(wait) = identity.fresh_for() {
            // A change that follows at once would not show in the times. So wait until one would.
            std::thread::sleep(wait);
            let later = file.metadata().map_err(|error| unreadable(path, &error))?;
            identity.compare(path, &Identity::of(&later))?;
        }
        let one_more = |held| (held < MOST_HELD).then_some(held + 1);
        let has_room = HELD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok();
        let file = if has_room { Some(Held { file, counted: true }) } else { None };
        Ok(Self { path: path.to_path_buf(), identity, file })
    }

    /// Opens the file again. It must be the one that it was.
    fn reopen(&self) -> Result<File> {
        // A file that is gone has changed.
        let opened = open(&self.path).or_else(|error| self.verify_unchanged().and(Err(error)));
        let (file, identity) = opened?;
        self.identity.compare(&self.path, &identity)?;
        Ok(file)
    }
}

impl ByteSource for LocalFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn len(&self) -> u64 {
        self.identity.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.file {
            Some(held) => read_at(&held.file, buffer, offset),
            None => read_at(&self.reopen().map_err(io::Error::other)?, buffer, offset),
        }
    }

    fn verify_unchanged(&self) -> Result<()> {
        let found = match fs::metadata(&self.path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(changed(&self.path, "it is gone").into());
            }
            Err(error) => return Err(unreadable(&self.path, &error)),
        };
        self.identity.compare(&self.path, &Identity::of(&found))?;
        if let Some(held) = &self.file {
            let found = held.file.metadata().map_err(|error| unreadable(&self.path, &error))?;
            self.identity.compare(&self.path, &Identity::of(&found))?;
        }
        Ok(())
    }

    fn at_hand(&self) -> Result<Option<Arc<dyn ByteSource>>> {
        if self.file.is_some() {
            return Ok(None);
        }
        let file = Some(Held { file: self.reopen()?, counted: false });
        Ok(Some(Arc::new(Self { path: self.path.clone(), identity: self.identity, file })))
    }
}

/// Opens a regular file. Anything else is refused before it is opened: to open a named pipe would wait for a writer.
fn open(path: &Path) -> Result<(File, Identity)> {
    let check = |metadata: Metadata| {
        if metadata.is_file() { Ok(metadata) } else { Err(Error::from(not_a_file(path, &metadata))) }
    };
    let io = |error: io::Error| unreadable(path, &error);
    check(fs::metadata(path).map_err(io)?)?;
    let file = open_at_once(path).map_err(io)?;
    let found = check(file.metadata().map_err(io)?)?;
    Ok((file, Identity::of(&found)))
}

/// Opens without waiting, if what is opened turned into a pipe just now.
#[cfg(unix)]
fn open_at_once(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOCTTY;
    fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// What is no file that can be read at any place.
pub(super) fn not_a_file(path: &Path, metadata: &Metadata) -> Invalid {
    let what = if metadata.is_dir() { "a folder" } else { "a pipe, a socket or a device" };
    Invalid::new("not a regular file").file(path).value(what).expected("a file, or a link to one")
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(not(any(unix, windows)))]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    use std::io::{Read, Seek};
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().map_err(|_| io::Error::other("a thread that read gave up"))?;
    let mut file = file;
    file.seek(io::SeekFrom::Start(offset))?;
    file.read(buffer)
}

/// What makes a file the same file, with the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    /// Device and number on it, zero where there are none.
    place: (u64, u64),
    size: u64,
    /// When its bytes were written, in nanoseconds since 1970.
    written: i128,
    /// When anything of it changed. Programs can set the time above as they like, this one not.
    touched: i128,
}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Self {
            place: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            written: time(metadata.mtime(), metadata.mtime_nsec()),
            touched: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        let since = |time: io::Result<SystemTime>| time.map_or(0, nanoseconds);
        let written = since(metadata.modified());
        Self { place: (0, 0), size: metadata.len(), written, touched: written }
    }

    /// How long the next change may still have the same time as the last one; `None` if it may not any more.
    fn fresh_for(&self) -> Option<Duration> {
        let step = if self.touched % 1_000_000_000 == 0 { COARSE_CLOCK_STEP } else { CLOCK_STEP };
        let age = nanoseconds(SystemTime::now()) - self.touched;
        // The clock of a server may be a little ahead of ours.
        let age = Duration::from_nanos(u64::try_from(age.max(0)).unwrap_or(u64::MAX));
        step.checked_sub(age).filter(|left| !left.is_zero())
    }

    fn compare(&self, path: &Path, now: &Self) -> Result<()> {
        let how = if self == now {
            return Ok(());
        } else if self.place != now.place {
            "another file has its name now".to_owned()
        } else if self.size != now.size {
            format!("it had {} bytes and has {} now", self.size, now.size)
        } else {
            "it was written to".to_owned()
        };
        Err(changed(path, how).into())
    }
}

fn nanoseconds(time: SystemTime) -> i128 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
}

/// True if there is something of this name, if only a link that leads nowhere.
///
/// # Errors
/// [`Invalid`] if that cannot be found out: what cannot be seen may be there all the same.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    if is_url(path) {
        return remote::is_object(path);
    }
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// True if there is a regular file of this name, or a link to one.
///
/// # Errors
/// [`Invalid`] if that cannot be found out.
pub(crate) fn is_file(path: &Path) -> Result<bool> {
    if is_url(path) {
        return remote::is_object(path);
    }
    match fs::metadata(path) {
        Ok(found) => Ok(found.is_file()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(unreadable(path, &error)),
    }
}
