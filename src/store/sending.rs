//! Objects that are sent in parts.

use super::service::{Place, is_stopped, patience, runtime, said};
use crate::Error;
use object_store::{MultipartUpload, ObjectStoreExt};
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::{JoinError, JoinSet};

/// Bytes that are sent at once. A larger file goes in parts of this size.
pub(super) const PART: usize = if cfg!(test) { 64 << 10 } else { 8 << 20 };
/// Files that are on their way side by side.
pub(super) const SIDE_BY_SIDE: usize = 3;
/// Parts of a file that are on their way at once; one more is in memory.
const PARTS: usize = 2;

/// What several files have in common that are on their way: after an error or an interruption no request begins, and
/// those that have begun are waited for, since a store may carry out a request whose sender has gone.
#[derive(Debug, Default)]
pub(super) struct Work {
    is_over: AtomicBool,
}

impl Work {
    /// No request begins from here on.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// An interruption, or that another file cannot be sent: that error is the one that is told.
    pub fn check(&self) -> io::Result<()> {
        if is_stopped() || self.is_over.load(Ordering::Relaxed) {
            return Err(io::Error::other(Error::Interrupted));
        }
        Ok(())
    }
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
    pub async fn finish(mut self, mut file: File, work: &Work) -> io::Result<()> {
        let sent = self.rest(&mut file, work).await;
        match sent {
            Ok(()) => self.upload = None,
            // The error of the upload is told, whatever comes of this.
            Err(_) => self.give_up().await,
        }
        sent
    }

    async fn rest(&mut self, file: &mut File, work: &Work) -> io::Result<()> {
        loop {
            work.check()?;
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
        work.check()?;
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
            let _ = tokio::time::timeout(patience(), upload.abort()).await;
        }
    }
}

fn of_part(part: Result<object_store::Result<()>, JoinError>) -> io::Result<()> {
    part.map_err(io::Error::other)?.map_err(|error| said(&error))
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), runtime()) {
            drop(runtime.spawn(async move { tokio::time::timeout(patience(), upload.abort()).await.map(drop) }));
        }
    }
}
