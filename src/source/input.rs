//! A handle on an opened input, shared by everything that reads it, and its hash.

use super::local::LocalFile;
use super::{ByteSource, changed, remote, unreadable};
use crate::progress::Progress;
use crate::store::is_url;
use crate::{Error, Invalid, Result};
use rayon::prelude::*;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// An opened input. A clone is the same handle.
#[derive(Debug, Clone)]
pub(crate) struct Input(Arc<dyn ByteSource>);

impl Input {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Invalid`] if it is not a regular file or cannot be opened. Links are followed. [`Error::Usage`] for a URL that
    /// cannot be used.
    pub fn open(path: &Path) -> Result<Self> {
        if is_url(path) {
            return remote::open(path).map(Self);
        }
        Ok(Self(Arc::new(LocalFile::open(path)?)))
    }

    /// From anything that holds bytes.
    pub fn of(source: impl ByteSource + 'static) -> Self {
        Self(Arc::new(source))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// How many bytes it had when it was opened.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// The same input, for a reader that has much to read.
    ///
    /// # Errors
    /// [`Invalid`] if it changed.
    pub fn at_hand(&self) -> Result<Self> {
        Ok(self.0.at_hand()?.map_or_else(|| self.clone(), Self))
    }

    /// Reads as many bytes as come at once, none behind the end that the input had when it was opened.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        match buffer.get_mut(..room) {
            Some(room) if !room.is_empty() => self.0.read_at(room, offset),
            _ => Ok(0),
        }
    }

    /// Fills the buffer from a place on.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if there are not so many bytes; those of the operating system.
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// All bytes, if there are no more than `most`.
    ///
    /// # Errors
    /// [`Invalid`] if there are more, if the file cannot be read, or if it changed.
    pub fn read_whole(&self, most: u64) -> Result<Vec<u8>> {
        let bytes = self.len();
        let length = usize::try_from(bytes).ok().filter(|_| bytes <= most).ok_or_else(|| {
            let expected = format!("at most {most} bytes ({} MiB)", most >> 20);
            Invalid::new("the file is too large").file(self.path()).value(format!("{bytes} bytes")).expected(expected)
        })?;
        let mut content = vec![0; length];
        let outcome = self.read_exact_at(&mut content, 0).map_err(|error| unreadable(self.path(), &error));
        settle([self], outcome.map(|()| content))
    }

    /// Size and BLAKE3 hash.
    ///
    /// # Errors
    /// [`Invalid`] if it cannot be read or changed; [`Error::Interrupted`].
    pub fn hash(&self, progress: &dyn Progress) -> Result<(u64, String)> {
        let input = self.at_hand()?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            progress.check()?;
            match input.read_at(&mut buffer, hasher.count()) {
                Ok(0) if hasher.count() < self.len() => {
                    let how = format!("it ends at {} of {} bytes", hasher.count(), self.len());
                    return Err(changed(self.path(), how).into());
                }
                Ok(0) => break,
                Ok(read) => drop(hasher.update(buffer.get(..read).unwrap_or_default())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return settle([self], Err(unreadable(self.path(), &error))),
            }
        }
        settle([self], Ok((hasher.count(), hasher.finalize().to_hex().to_string())))
    }

    /// Is it still what it was when it was opened?
    ///
    /// # Errors
    /// [`Invalid`] if not.
    pub fn verify_unchanged(&self) -> Result<()> {
        self.0.verify_unchanged()
    }
}

/// Size and BLAKE3 hash of each input, several at a time.
pub(crate) fn hash_all(inputs: &[Input], progress: &dyn Progress) -> Result<Vec<(u64, String)>> {
    inputs.par_iter().map(|input| input.hash(progress)).collect()
}

/// What came of reading these inputs, once nothing more is read of them: it counts only if none of them changed. Where
/// one did, that is the error, and what its reader had to say is the hint.
///
/// # Errors
/// [`Invalid`] if an input changed, else the error of `outcome`.
pub(crate) fn settle<'a, T>(inputs: impl IntoIterator<Item = &'a Input>, outcome: Result<T>) -> Result<T> {
    match outcome {
        Ok(value) => verify_all(inputs).map(|()| value),
        Err(Error::Invalid(fault)) => match verify_all(inputs) {
            Err(Error::Invalid(change)) if change.problem != fault.problem => {
                Err(Invalid { hint: Some(format!("its reader says: {}", fault.problem)), ..*change }.into())
            }
            _ => Err(fault.into()),
        },
        Err(other) => Err(other),
    }
}

fn verify_all<'a>(inputs: impl IntoIterator<Item = &'a Input>) -> Result<()> {
    let inputs: Vec<&Input> = inputs.into_iter().collect();
    // A store takes long to answer, so several are asked at once.
    if inputs.len() > 1 && inputs.iter().any(|input| is_url(input.path())) {
        return inputs.par_iter().try_for_each(|input| input.verify_unchanged());
    }
    inputs.into_iter().try_for_each(Input::verify_unchanged)
}
