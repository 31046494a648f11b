//! Numbers of every account that one pass leaves on disk for a later one, in a file without a name.

use crate::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const WORD_BYTES: usize = size_of::<u64>();

/// The file while a pass fills it, account by account: as many words of 64 bits of each.
pub(super) struct Writing {
    file: BufWriter<File>,
    place: PathBuf,
    words: usize,
}

impl Writing {
    /// In a folder on whose disk there must be room; `words` of each account.
    ///
    /// # Errors
    /// [`Error::Io`] if there can be no file.
    pub fn create(place: &Path, words: usize) -> Result<Self> {
        let file = tempfile::tempfile_in(place).map_err(|err| Error::io("create a file in", place, err))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 16, file), place: place.to_path_buf(), words })
    }

    /// Adds the words of the accounts that follow.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be written.
    pub fn append(&mut self, words: impl IntoIterator<Item = u64>) -> Result<()> {
        let mut bytes = words.into_iter().map(u64::to_le_bytes);
        let written = bytes.try_for_each(|word| self.file.write_all(&word));
        written.map_err(|err| Error::io("keep figures of accounts in", &self.place, err))
    }

    /// All accounts are there.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be written.
    pub fn finish(self) -> Result<Written> {
        let Self { file, place, words } = self;
        let file = file.into_inner().map_err(|err| Error::io("keep figures of accounts in", &place, err.into()))?;
        Ok(Written { file: Mutex::new(file), place, words })
    }
}

/// The file after its pass.
pub(super) struct Written {
    file: Mutex<File>,
    place: PathBuf,
    words: usize,
}

impl Written {
    /// Words of each account.
    pub fn words(&self) -> usize {
        self.words
    }

    /// The words of some accounts, from number `first` on.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be read.
    pub fn read(&self, first: usize, accounts: usize) -> Result<Vec<u64>> {
        let account = self.words * WORD_BYTES;
        let mut bytes = vec![0; accounts * account];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start((first * account) as u64)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|err| Error::io("read figures of accounts in", &self.place, err))?;
        let (words, _) = bytes.as_chunks::<WORD_BYTES>();
        Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_account_by_account() {
        let place = tempfile::tempdir().unwrap();
        let mut writing = Writing::create(place.path(), 3).unwrap();
        writing.append(0..9).unwrap();
        writing.append([f64::NAN.to_bits(), u64::MAX, 0]).unwrap();
        let written = writing.finish().unwrap();
        assert_eq!(written.words(), 3);
        assert_eq!(written.read(1, 2).unwrap(), [3, 4, 5, 6, 7, 8]);
        assert_eq!(written.read(3, 1).unwrap(), [f64::NAN.to_bits(), u64::MAX, 0]);
        assert!(written.read(4, 1).is_err(), "there are four accounts");
    }
}
