//! Files of this machine that are sent while they are written, so that little is left to send at the end.
//!
//! ```text
//! accounts.parquet   grows   -- part -- part --    looked at again and again
//!                    whole   -- the rest           one object, where there was none
//! ```
//!
//! A file under construction is only appended to, and its name stands for another file only after it was removed. The
//! handle that is held tells one from the other.

use super::sending::{PART, SIDE_BY_SIDE, Sending, Work, next_part};
use super::service::{GLANCE, Place, is_stopped, patience, runtime, wait};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Parts that are on their way at once, of all files: the memory is the command's.
const PARTS: usize = 2;
/// Ends of names of tables. Other files are small, or not meant to last.
const TABLES: [&str; 3] = ["parquet", "arrow", "csv"];

/// Files of which parts were sent, by their paths.
pub(super) type Begun = BTreeMap<PathBuf, Started>;

/// Looks at a folder and sends what is written there.
#[derive(Debug)]
pub(crate) struct Ahead {
    end: Option<oneshot::Sender<()>>,
    work: Option<JoinHandle<Begun>>,
}

impl Ahead {
    /// Begins to look at `folder`, whose files will be objects below the URL `to`.
    ///
    /// # Errors
    /// That there are no threads for it.
    pub fn start(folder: &Path, to: &Path) -> io::Result<Self> {
        let (end, ended) = oneshot::channel();
        let looking = Looking { folder: folder.to_path_buf(), to: to.to_path_buf(), ..Looking::default() };
        Ok(Self { work: Some(runtime()?.spawn(looking.until(ended))), end: Some(end) })
    }

    /// Ends, and hands over what was begun.
    ///
    /// # Errors
    /// An interruption.
    pub(super) fn begun(mut self) -> io::Result<Begun> {
        drop(self.end.take());
        let Some(work) = self.work.take() else { return Ok(Begun::new()) };
        // If it has ended by a fault, the files are sent whole.
        wait(async { Ok(work.await.unwrap_or_default()) })
    }
}

impl Drop for Ahead {
    /// The command has failed: what was sent is taken back.
    fn drop(&mut self) {
        drop(self.end.take());
        let (Some(work), Ok(runtime)) = (self.work.take(), runtime()) else { return };
        runtime.block_on(async {
            let Ok(Ok(begun)) = tokio::time::timeout(patience(), work).await else { return };
            for (_, started) in begun {
                started.sending.give_up().await;
            }
        });
    }
}

/// A file of which some parts were sent.
#[derive(Debug)]
pub(super) struct Started {
    file: File,
    sent: u64,
    sending: Sending,
}

impl Started {
    /// True if the file of this name is still the one that was begun.
    pub fn is_of(&self, path: &Path) -> bool {
        let (Ok(held), Ok(there)) = (self.file.metadata(), fs::metadata(path)) else { return false };
        is_same(&held, &there) && there.len() >= self.sent
    }

    /// Sends the rest.
    pub async fn finish(self, work: &Work) -> io::Result<()> {
        self.sending.finish(self.file, work).await
    }

    /// Sends what was written since, as long as few parts are on their way.
    fn send(&mut self, elsewhere: usize) -> io::Result<()> {
        self.sending.arrived()?;
        let length = self.file.metadata()?.len();
        while elsewhere + self.sending.running() < PARTS && length.saturating_sub(self.sent) >= PART as u64 {
            let part = next_part(&mut self.file)?;
            self.sent += part.len() as u64;
            self.sending.part(part);
        }
        Ok(())
    }
}

/// True if the file that is held is the one that was found. Where the system does not say, none is.
#[cfg(unix)]
fn is_same(held: &Metadata, there: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

#[derive(Default)]
struct Looking {
    folder: PathBuf,
    to: PathBuf,
    begun: Begun,
    /// Files that are sent at the end only.
    left: BTreeSet<PathBuf>,
}

impl Looking {
    async fn until(mut self, mut ended: oneshot::Receiver<()>) -> Begun {
        loop {
            if !is_stopped() {
                self.look().await;
            }
            if tokio::time::timeout(GLANCE, &mut ended).await.is_ok() {
                return self.begun;
            }
        }
    }

    async fn look(&mut self) {
        let gone: Vec<PathBuf> =
            self.begun.iter().filter(|(path, of)| !of.is_of(path)).map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.give_up(&path).await;
        }
        for path in self.large() {
            match Self::start(&path, &self.to).await {
                Ok(started) => drop(self.begun.insert(path, started)),
                Err(_) => drop(self.left.insert(path)),
            }
        }
        let mut failed = Vec::new();
        for path in self.begun.keys().cloned().collect::<Vec<_>>() {
            let elsewhere =
                self.begun.iter().filter(|(other, _)| **other != path).map(|(_, of)| of.sending.running()).sum();
            if self.begun.get_mut(&path).is_some_and(|started| started.send(elsewhere).is_err()) {
                failed.push(path);
            }
        }
        for path in failed {
            self.give_up(&path).await;
            self.left.insert(path);
        }
    }

    /// Tables that have become so large that they go in parts, as many as there is room for.
    fn large(&self) -> Vec<PathBuf> {
        let is_large = |path: &PathBuf| {
            let is_table = path.extension().is_some_and(|end| TABLES.iter().any(|table| end == *table));
            let is_new = !self.begun.contains_key(path) && !self.left.contains(path);
            is_table && is_new && path.metadata().is_ok_and(|there| there.is_file() && there.len() >= 2 * PART as u64)
        };
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let room = SIDE_BY_SIDE.saturating_sub(self.begun.len());
        entries.map(|entry| entry.path()).filter(is_large).take(room).collect()
    }

    async fn start(path: &Path, to: &Path) -> io::Result<Started> {
        let file = File::open(path)?;
        if !is_same(&file.metadata()?, &fs::metadata(path)?) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let place = Place::of(&to.join(path.file_name().unwrap_or_default()))?;
        let sending = place.ask(Sending::start(&place)).await?;
        Ok(Started { file, sent: 0, sending })
    }

    async fn give_up(&mut self, path: &Path) {
        if let Some(started) = self.begun.remove(path) {
            started.sending.give_up().await;
        }
    }
}
