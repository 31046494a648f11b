//! Bytes in memory, in the place of a file.

use super::ByteSource;
use crate::Result;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes under a name.
#[derive(Debug)]
pub(crate) struct Memory {
    name: PathBuf,
    bytes: Vec<u8>,
}

impl Memory {
    pub fn new(name: impl Into<PathBuf>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }
}

impl ByteSource for Memory {
    fn path(&self) -> &Path {
        &self.name
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn verify_unchanged(&self) -> Result<()> {
        Ok(())
    }
}
