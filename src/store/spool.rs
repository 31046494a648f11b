//! One temporary file without a name, where blocks of objects are kept once they have come. Each object has a region of
//! it; the system removes the file when the process ends, however it ends.

use std::fs::File;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The file, and what of it is in use.
#[derive(Debug)]
struct Spool {
    file: File,
    /// Regions that were given back: where they begin, and how long they are.
    free: Mutex<Vec<(u64, u64)>>,
    end: Mutex<u64>,
}

fn spool() -> io::Result<&'static Spool> {
    static SPOOL: OnceLock<Spool> = OnceLock::new();
    if let Some(spool) = SPOOL.get() {
        return Ok(spool);
    }
    let file = tempfile::tempfile().map_err(|error| in_temporary("no file can be created", &error))?;
    Ok(SPOOL.get_or_init(|| Spool { file, free: Mutex::default(), end: Mutex::default() }))
}

/// Names the folder: the objects that are read lie elsewhere.
fn in_temporary(problem: &str, error: &io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    let problem = format!("{problem} in the temporary folder `{}` (see `TMPDIR`): {error}", folder.display());
    io::Error::new(error.kind(), problem)
}

/// A part of the file that belongs to one object, until it is dropped.
#[derive(Debug)]
pub(super) struct Region {
    spool: &'static Spool,
    start: u64,
    length: u64,
}

impl Region {
    /// So many bytes; they take room on the disk as they are written.
    ///
    /// # Errors
    /// That of the system, if there can be no temporary file.
    pub fn new(length: u64) -> io::Result<Self> {
        let spool = spool()?;
        let mut free = spool.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = free.iter().position(|(_, room)| *room >= length) {
            let (start, room) = free.swap_remove(place);
            if room > length {
                free.push((start + length, room - length));
            }
            return Ok(Self { spool, start, length });
        }
        let mut end = spool.end.lock().unwrap_or_else(PoisonError::into_inner);
        let start = *end;
        *end = start.checked_add(length).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(Self { spool, start, length })
    }

    /// Writes bytes at a place of the object.
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.length) {
            return Err(io::Error::other("more bytes came than the object has"));
        }
        write_all_at(&self.spool.file, bytes, self.start + offset)
            .map_err(|error| in_temporary("what has come cannot be kept", &error))
    }

    /// Reads bytes at a place of the object; the caller does not read behind its end.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        read_at(&self.spool.file, buffer, self.start + offset)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.length > 0 {
            let mut free = self.spool.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.push((self.start, self.length));
        }
    }
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// Where files have no reads at a place, one thread at a time moves the place of the handle.
#[cfg(not(unix))]
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[cfg(not(unix))]
fn write_all_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    use std::io::{Seek, Write};
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(io::SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    use std::io::{Read, Seek};
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    file.seek(io::SeekFrom::Start(offset))?;
    file.read(buffer)
}
