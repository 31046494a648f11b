//! What the Parquet library reads an input through.

use crate::source::{Input, View};
use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use std::io::BufReader;

impl Length for Input {
    fn len(&self) -> u64 {
        Input::len(self)
    }
}

impl ChunkReader for Input {
    type T = BufReader<View>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(self.view(start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // Before anything is asked of the allocator: a length may come out of a file that changes.
        if start.checked_add(length as u64).is_none_or(|end| end > Input::len(self)) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} in a file of {}", Input::len(self))));
        }
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}
