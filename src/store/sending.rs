//! Files of this machine that become objects.

use super::ahead::Ahead;
use super::service::{Place, runtime, said, wait};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::{MultipartUpload, ObjectStoreExt};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};

/// Bytes that are sent at once. A larger file goes in parts of this size.
pub(super) const PART: usize = if cfg!(test) { 64 << 10 } else { 8 << 20 };
/// Files that are on their way side by side.
pub(super) const SIDE_BY_SIDE: usize = 3;
/// Parts of a file that are on their way at once; one more is in memory.
const PARTS: usize = 2;
/// How long a cleaning up may take that nobody waits for gladly.
pub(super) const CLEANING: Duration = Duration::from_secs(20);

/// Sends files of this machine, several at a time; an object of the same name is replaced. What was sent `ahead` of some
/// of them is not sent again.
pub(crate) fn upload(files: &[(PathBuf, PathBuf)], ahead: Option<Ahead>) -> io::Result<()> {
    let mut begun = ahead.map(Ahead::begun).transpose()?.unwrap_or_default();
    let mut works = Vec::new();
    for (file, url) in files {
        let place = Place::of(url)?;
        // What is not of this file any more is taken back when it is dropped.
        let started = begun.remove(file).filter(|started| started.is_of(file));
        works.push(async move {
            let sent = async {
                match started {
                    Some(started) => started.finish().await,
                    None => send(file, &place).await,
                }
            };
            place.ask(sent).await
        });
    }
    drop(begun);
    wait(stream::iter(works).buffer_unordered(SIDE_BY_SIDE).try_collect::<Vec<()>>()).map(drop)
}

async fn send(file: &Path, place: &Place) -> io::Result<()> {
    let mut file = File::open(file)?;
    let first = next_part(&mut file)?;
    if first.len() < PART {
        return place.store.put(&place.key, first.into()).await.map(drop).map_err(|error| said(&error));
    }
    let mut sending = Sending::start(place).await?;
    sending.part(first);
    sending.finish(file).await
}

/// The next bytes of a file, as many as a part has; fewer at its end.
pub(super) fn next_part(file: &mut File) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    file.take(PART as u64).read_to_end(&mut part)?;
    Ok(part)
}

/// An upload in parts. What was sent of one that is not completed is taken back.
#[derive(Debug)]
pub(super) struct Sending {
    /// `None` once it is complete.
    upload: Option<Box<dyn MultipartUpload>>,
    running: JoinSet<object_store::Result<()>>,
}

impl Sending {
    pub async fn start(place: &Place) -> io::Result<Self> {
        let upload = place.store.put_multipart(&place.key).await.map_err(|error| said(&error))?;
        Ok(Self { upload: Some(upload), running: JoinSet::new() })
    }

    /// Sends the next part, without waiting for it.
    pub fn part(&mut self, bytes: Vec<u8>) {
        if let Some(upload) = &mut self.upload {
            self.running.spawn(upload.put_part(bytes.into()));
        }
    }

    /// Parts that are on their way.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Takes note of parts that have arrived.
    ///
    /// # Errors
    /// What the store said to one that has not.
    pub fn arrived(&mut self) -> io::Result<()> {
        while let Some(part) = self.running.try_join_next() {
            of_part(part)?;
        }
        Ok(())
    }

    /// Sends what is left of a file. From here on there is an object.
    pub async fn finish(mut self, mut file: File) -> io::Result<()> {
        let sent = self.rest(&mut file).await;
        match sent {
            Ok(()) => self.upload = None,
            // The error of the upload is told, whatever comes of this.
            Err(_) => self.give_up().await,
        }
        sent
    }

    async fn rest(&mut self, file: &mut File) -> io::Result<()> {
        loop {
            let part = next_part(file)?;
            if part.is_empty() {
                break;
            }
            self.part(part);
            if self.running.len() >= PARTS {
                self.one().await?;
            }
        }
        while !self.running.is_empty() {
            self.one().await?;
        }
        match &mut self.upload {
            Some(upload) => upload.complete().await.map(drop).map_err(|error| said(&error)),
            None => Ok(()),
        }
    }

    async fn one(&mut self) -> io::Result<()> {
        self.running.join_next().await.map_or(Ok(()), of_part)
    }

    /// Takes back what was sent.
    pub async fn give_up(mut self) {
        self.running.shutdown().await;
        if let Some(mut upload) = self.upload.take() {
            let _ = tokio::time::timeout(CLEANING, upload.abort()).await;
        }
    }
}

fn of_part(part: Result<object_store::Result<()>, JoinError>) -> io::Result<()> {
    part.map_err(io::Error::other)?.map_err(|error| said(&error))
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), runtime()) {
            drop(runtime.spawn(async move { tokio::time::timeout(CLEANING, upload.abort()).await.map(drop) }));
        }
    }
}
