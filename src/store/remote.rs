//! One object, read in blocks of one version. Blocks are fetched ahead of whoever reads, each once: what has come is
//! kept in a temporary file, so that an object can be hashed, looked through and decoded in any order.

use super::objects::{Meta, head};
use super::service::{GLANCE, Place, is_stopped, runtime, said};
use super::spool::Region;
use crate::Error;
use futures_util::StreamExt;
use object_store::GetOptions;
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use tokio::sync::Semaphore;

/// Bytes of a block, and of a request.
const BLOCK: u64 = 4 << 20;
/// Blocks that are fetched ahead of each reader.
const AHEAD: u64 = 8;
/// Blocks of all objects that are on their way at once.
const ON_THE_WAY: usize = 8;
static PERMITS: Semaphore = Semaphore::const_new(ON_THE_WAY);
/// How often a block is asked for, where the client's own repetitions do not help.
const ATTEMPTS: usize = 3;
/// Blocks of an object: what a server says is not believed beyond 4 TiB.
const MOST_BLOCKS: usize = 1 << 20;
/// Objects that are kept for the next who opens them.
const MOST_KEPT: usize = 512;

/// An object as it was when it was opened.
#[derive(Debug)]
pub(crate) struct Remote {
    url: PathBuf,
    place: Place,
    meta: Meta,
    region: Region,
    blocks: Mutex<Vec<Block>>,
    came: Condvar,
}

/// What is known of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    NotAsked,
    OnTheWay,
    There,
    /// What the store said; whoever needs the block is told once, and may ask again.
    Failed(io::ErrorKind, String),
}

/// Why a block is not there.
enum Fault {
    /// The object is another one.
    Changed,
    Said(io::Error),
}

impl Remote {
    /// Opens an object; `None` if there is none. One that is still the same as an open one is read once for both.
    ///
    /// # Errors
    /// What the store says.
    pub fn open(url: &Path) -> io::Result<Option<Arc<Self>>> {
        static OPEN: OnceLock<Mutex<HashMap<PathBuf, Arc<Remote>>>> = OnceLock::new();
        let Some(meta) = head(url)? else { return Ok(None) };
        let place = Place::of(url)?;
        let mut open = OPEN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(url).filter(|known| known.meta == meta && meta.e_tag.is_some()) {
            return Ok(Some(Arc::clone(known)));
        }
        if open.len() >= MOST_KEPT {
            open.retain(|_, known| Arc::strong_count(known) > 1);
        }
        let count = usize::try_from(meta.size.div_ceil(BLOCK)).ok().filter(|count| *count <= MOST_BLOCKS);
        let count = count.ok_or_else(|| io::Error::other(format!("it says that it has {} bytes", meta.size)))?;
        let region = Region::new(meta.size)?;
        let blocks = Mutex::new(vec![Block::NotAsked; count]);
        let remote = Arc::new(Self { url: url.to_path_buf(), place, meta, region, blocks, came: Condvar::new() });
        open.insert(url.to_path_buf(), Arc::clone(&remote));
        Ok(Some(remote))
    }

    pub fn url(&self) -> &Path {
        &self.url
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.meta.size
    }

    /// Reads from a place on, to the end of a block at most; nothing behind the end.
    ///
    /// # Errors
    /// What the store says; an error with [`Error`] in it if the object changed, and after an interruption.
    pub fn read_at(self: &Arc<Self>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.meta.size || buffer.is_empty() {
            return Ok(0);
        }
        let block = offset / BLOCK;
        self.ask(block..block.saturating_add(AHEAD + 1))?;
        self.await_block(block)?;
        let left = usize::try_from(self.range(block).end - offset).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        self.region.read(buffer.get_mut(..room).unwrap_or_default(), offset)
    }

    /// How it differs from what it was; `None` if it does not.
    ///
    /// # Errors
    /// What the store says.
    pub fn change(&self) -> io::Result<Option<String>> {
        Ok(match head(&self.url)? {
            None => Some("it is gone".to_owned()),
            Some(now) if now == self.meta => None,
            Some(now) if now.size != self.meta.size => {
                Some(format!("it had {} bytes and has {} now", self.meta.size, now.size))
            }
            Some(_) => Some("another object has its name now".to_owned()),
        })
    }

    /// The bytes of a block.
    fn range(&self, block: u64) -> Range<u64> {
        block * BLOCK..((block + 1) * BLOCK).min(self.meta.size)
    }

    /// Asks for those of the blocks that nobody has asked for.
    fn ask(self: &Arc<Self>, wanted: Range<u64>) -> io::Result<()> {
        let runtime = runtime()?;
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        for number in wanted {
            let Some(block) = usize::try_from(number).ok().and_then(|number| blocks.get_mut(number)) else { break };
            if *block == Block::NotAsked {
                *block = Block::OnTheWay;
                drop(runtime.spawn(Arc::clone(self).fetch(number)));
            }
        }
        Ok(())
    }

    /// Waits for a block that somebody has asked for.
    fn await_block(&self, number: u64) -> io::Result<()> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let block = usize::try_from(number).ok().and_then(|number| blocks.get_mut(number));
            match block {
                Some(Block::There) => return Ok(()),
                Some(Block::Failed(kind, text)) => {
                    let error = io::Error::new(*kind, text.clone());
                    if let Some(block) = block {
                        *block = Block::NotAsked;
                    }
                    return Err(error);
                }
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            if is_stopped() {
                return Err(io::Error::other(Error::Interrupted));
            }
            blocks = self.came.wait_timeout(blocks, GLANCE).map_or_else(|error| error.into_inner().0, |(held, _)| held);
        }
    }

    async fn fetch(self: Arc<Self>, number: u64) {
        let state = match self.try_fetch(number).await {
            Ok(()) => Block::There,
            Err(Fault::Changed) => Block::Failed(io::ErrorKind::Other, "another object has its name now".to_owned()),
            Err(Fault::Said(error)) => Block::Failed(error.kind(), error.to_string()),
        };
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = usize::try_from(number).ok().and_then(|number| blocks.get_mut(number)) {
            *block = state;
        }
        self.came.notify_all();
    }

    async fn try_fetch(&self, number: u64) -> std::result::Result<(), Fault> {
        let _permit = PERMITS.acquire().await.map_err(|error| Fault::Said(io::Error::other(error)))?;
        let mut attempt = 1;
        loop {
            match self.copy(self.range(number)).await {
                Err(Fault::Said(error)) if error.kind() == io::ErrorKind::Other && attempt < ATTEMPTS => {
                    tracing::info!("`{}`: block {number} is fetched again: {error}", self.url.display());
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Copies a part of the object into the temporary file, if the object is still the one that was opened.
    async fn copy(&self, range: Range<u64>) -> std::result::Result<(), Fault> {
        // A weak tag never matches; the answer is compared in any case.
        let if_match = self.meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"));
        let options = GetOptions { if_match, range: Some(range.clone().into()), ..GetOptions::default() };
        let found = match self.place.store.get_opts(&self.place.key, options).await {
            Ok(found) => found,
            Err(object_store::Error::Precondition { .. }) => return Err(Fault::Changed),
            Err(error) => return Err(Fault::Said(said(&error))),
        };
        let now = Meta::from(&found.meta);
        if now.e_tag != self.meta.e_tag || now.size != self.meta.size {
            return Err(Fault::Changed);
        }
        let mut at = range.start;
        let mut parts = found.into_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| Fault::Said(said(&error)))?;
            if at + part.len() as u64 > range.end {
                return Err(Fault::Said(io::Error::other("more bytes came than were asked for")));
            }
            self.region.write(&part, at).map_err(Fault::Said)?;
            at += part.len() as u64;
        }
        if at == range.end {
            Ok(())
        } else {
            Err(Fault::Said(io::Error::other("fewer bytes came than were asked for")))
        }
    }
}
