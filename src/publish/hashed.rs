//! Files that are counted and hashed during writing.

use super::disk::NewFile;
use crate::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// A written file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Its name in the output folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its data rows; `None` if it is not a table.
    pub rows: Option<u64>,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: String,
}

/// A new file that is counted and hashed during writing. Bytes are buffered first, because the hash is several times
/// faster on large blocks.
#[derive(Debug)]
pub(crate) struct HashedFile(BufWriter<Hashed>);

#[derive(Debug)]
struct Hashed {
    file: NewFile,
    hasher: Box<blake3::Hasher>,
    bytes: u64,
    /// `None` while the file is small.
    syncer: Option<Syncer>,
}

/// Bytes hashed and written at once.
const BLOCK_BYTES: usize = 1 << 18;
/// A sync starts after this many bytes, in parallel with writing.
const SYNC_BYTES: u64 = 32 << 20;

/// Syncs a file to disk in its own thread during writing. Only this thread waits for the disk, and little is left to
/// sync at the end.
#[derive(Debug)]
struct Syncer {
    orders: SyncSender<()>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Syncer {
    fn start(file: &NewFile) -> std::io::Result<Self> {
        let file = file.to_sync_ahead()?;
        let (orders, received) = sync_channel::<()>(1);
        let work = move || received.iter().try_for_each(|()| file.sync_data());
        let thread = std::thread::Builder::new().name("sync".into()).spawn(work)?;
        Ok(Self { orders, thread })
    }

    /// Requests a sync of the bytes written so far. At most one request is queued.
    fn order(&self) {
        // A busy thread has a request already; a failed one reports its error at the end.
        let _ = self.orders.try_send(());
    }

    fn finish(self) -> std::io::Result<()> {
        drop(self.orders);
        self.thread.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that syncs the file stopped")))
    }
}

impl HashedFile {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = NewFile::create(path).map_err(|err| Error::io("create", path, err))?;
        Ok(Self(BufWriter::with_capacity(BLOCK_BYTES, Hashed { file, hasher: Box::default(), bytes: 0, syncer: None })))
    }

    /// Flushes and syncs the file.
    pub(crate) fn finish(self, name: String, rows: Option<u64>) -> Result<OutputFile> {
        let flush = |file: BufWriter<Hashed>| {
            let mut hashed = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            hashed.syncer.take().map_or(Ok(()), Syncer::finish)?;
            hashed.file.sync().map(|()| hashed)
        };
        let Hashed { hasher, bytes, .. } = flush(self.0).map_err(|err| Error::io("write", &name, err))?;
        Ok(OutputFile { name, bytes, rows, blake3: hasher.finalize().to_hex().to_string() })
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        let before = self.bytes;
        self.bytes += written as u64;
        if before / SYNC_BYTES != self.bytes / SYNC_BYTES {
            let syncer = match self.syncer.take() {
                Some(syncer) => syncer,
                None => Syncer::start(&self.file)?,
            };
            self.syncer.insert(syncer).order();
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file that is not a table.
pub(crate) fn write_bytes(folder: &Path, name: &str, bytes: &[u8]) -> Result<OutputFile> {
    let path = folder.join(name);
    let mut file = HashedFile::create(&path)?;
    file.write_all(bytes).map_err(|err| Error::io("write", &path, err))?;
    file.finish(name.to_owned(), None)
}
