//! Named pipes in the place of files that are read once: `<(...)`, `/dev/stdin`, `mkfifo`.
//!
//! A pipe is read whole into memory, within a bound. Whoever waits for it can be interrupted, and a pipe that nobody
//! writes to is refused after a while.

use super::memory::Memory;
use super::patient::{GLANCE, Patient};
use super::{Format, Input, Source, at, unreadable};
use crate::progress::Progress;
use crate::store::is_url;
use crate::{Error, Invalid, Result};
use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Bytes of a table that comes through a pipe.
const LARGEST_PIPED: u64 = 256 << 20;
/// How long a pipe may be without a writer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// True for a named pipe, and for standard input by its name: a pipe, a file, a socket or `/dev/null`, which is empty.
///
/// # Errors
/// [`Invalid`] if there is nothing, or it cannot be found out what is there.
pub(crate) fn is_piped(path: &Path) -> Result<bool> {
    if is_url(path) {
        return Ok(false);
    }
    let found = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let is_by_number = path.starts_with("/dev") || path.starts_with("/proc");
    Ok(is_pipe(&found) || (is_by_number && (found.is_file() || is_socket(&found) || is_nothing(&found))))
}

#[cfg(unix)]
fn is_pipe(found: &fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&found.file_type())
}

#[cfg(unix)]
fn is_socket(found: &fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&found.file_type())
}

/// True for `/dev/null`, by whatever name.
#[cfg(unix)]
fn is_nothing(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let is_device = found.file_type().is_char_device();
    is_device && fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == found.rdev())
}

#[cfg(not(unix))]
fn is_pipe(_: &fs::Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn is_socket(_: &fs::Metadata) -> bool {
    false
}

#[cfg(not(unix))]
fn is_nothing(_: &fs::Metadata) -> bool {
    false
}

/// Opens a pipe by its path. A socket has none that could be opened: if it is standard input, its handle is copied.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::fd::AsFd;
    let is_input = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| path == Path::new(name));
    if is_input && is_socket(&fs::metadata(path)?) {
        return Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    }
    File::open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// A table at a path of its own, as [`at`], or out of a pipe: CSV, Parquet or Arrow by its content.
///
/// # Errors
/// [`Invalid`] if it is no table, is too large, or nobody writes to the pipe; [`Error::Interrupted`].
pub(crate) fn open_table(path: &Path, progress: &dyn Progress) -> Result<Source> {
    if !is_piped(path)? {
        return at(path)?.open();
    }
    let bytes = within(path, open_pipe(path, progress)?, progress)?;
    let format = match bytes.trim_ascii_start() {
        [b'P', b'A', b'R', b'1', ..] => Format::Parquet,
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Format::Arrow,
        [b'{', ..] => {
            let invalid = Invalid::new("JSON lines where a table is expected").file(path);
            let invalid = invalid.expected("CSV with a header, Parquet or Arrow");
            return Err(invalid.hint("operations as JSON lines are answered on stdout: leave out the folder").into());
        }
        _ => Format::Csv,
    };
    Ok(Source { format, files: vec![Input::of(Memory::new(path, bytes))], partitions: Vec::new() })
}

/// A pipe of JSON lines, read as they come.
///
/// # Errors
/// [`Invalid`] if what comes is no JSON, or nobody writes to the pipe; [`Error::Interrupted`].
pub(crate) fn open_lines<'a>(path: &Path, progress: &'a dyn Progress) -> Result<Box<dyn BufRead + 'a>> {
    let mut lines = Patient::start(open_pipe(path, progress)?, progress)?;
    let first = lines.fill_buf().map_err(|error| match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => unreadable(path, &error),
    })?;
    match first.trim_ascii_start().first() {
        None | Some(b'{') => Ok(Box::new(lines)),
        Some(_) => {
            let invalid =
                Invalid::new("a table of operations in a pipe, and no output folder for the answers").file(path);
            let invalid = invalid.expected("an output folder, or operations as JSON lines, one object on a line");
            Err(invalid.hint("add `--out DIR`; JSON lines are answered on stdout").into())
        }
    }
}

/// What `work` brings, which may wait for somebody else; looks after the user meanwhile.
fn patiently<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<Receiver<T>> {
    let (send, receive) = channel();
    let thread = std::thread::Builder::new().name("pipe".to_owned()).spawn(move || {
        // Nobody may be listening any more.
        let _ = send.send(work());
    });
    thread.map(|_| receive).map_err(|error| Error::Runtime(format!("cannot start a thread: {error}")))
}

/// To open a pipe waits for a writer.
fn open_pipe(path: &Path, progress: &dyn Progress) -> Result<File> {
    let place = path.to_path_buf();
    let opened = patiently(move || open(&place))?;
    let begin = Instant::now();
    loop {
        match opened.recv_timeout(GLANCE) {
            Ok(file) => return file.map_err(|error| unreadable(path, &error)),
            Err(RecvTimeoutError::Disconnected) => return Err(gave_up()),
            Err(RecvTimeoutError::Timeout) => progress.check()?,
        }
        if begin.elapsed() > LONGEST_WAIT {
            let invalid = Invalid::new("nobody writes to the pipe").file(path);
            return Err(invalid.expected(format!("a writer within {} s", LONGEST_WAIT.as_secs())).into());
        }
    }
}

fn within(path: &Path, file: File, progress: &dyn Progress) -> Result<Vec<u8>> {
    let read = patiently(move || {
        let mut bytes = Vec::new();
        file.take(LARGEST_PIPED + 1).read_to_end(&mut bytes).map(|_| bytes)
    })?;
    let bytes: io::Result<Vec<u8>> = loop {
        match read.recv_timeout(GLANCE) {
            Ok(bytes) => break bytes,
            Err(RecvTimeoutError::Disconnected) => return Err(gave_up()),
            Err(RecvTimeoutError::Timeout) => progress.check()?,
        }
    };
    let bytes = bytes.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > LARGEST_PIPED {
        let expected = format!("at most {} MiB out of a pipe", LARGEST_PIPED >> 20);
        let invalid = Invalid::new("more comes out of the pipe than a table may have").file(path).expected(expected);
        return Err(invalid.hint("write it to a file").into());
    }
    Ok(bytes)
}

fn gave_up() -> Error {
    Error::Runtime("the thread that reads the pipe gave up".to_owned())
}
