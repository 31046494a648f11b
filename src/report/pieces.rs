//! The bytes of a column chunk in pieces, so that a page is written from the memory in which it was computed.

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use std::collections::VecDeque;
use std::io::{Read, Write};

/// Bytes, one piece after another.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces(VecDeque<Bytes>);

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Self([bytes].into())
    }
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }
}

impl ChunkReader for Pieces {
    type T = Self;

    fn get_read(&self, start: u64) -> Result<Self> {
        let mut rest = self.clone();
        let skipped = std::io::copy(&mut rest.by_ref().take(start), &mut std::io::sink())?;
        if skipped == start { Ok(rest) } else { Err(short(start)) }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = Vec::with_capacity(length);
        self.get_read(start)?.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() == length { Ok(bytes.into()) } else { Err(short(start + length as u64)) }
    }
}

fn short(place: u64) -> ParquetError {
    ParquetError::EOF(format!("a column chunk has no byte {place}"))
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.0.front().is_some_and(Bytes::is_empty) {
            self.0.pop_front();
        }
        let Some(first) = self.0.front_mut() else { return Ok(0) };
        let count = first.len().min(buffer.len());
        first.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Gathers what is written. The page, which its writer hands on as it is, becomes a piece without being copied.
#[derive(Debug)]
pub(super) struct Gathered {
    page: Bytes,
    pieces: VecDeque<Bytes>,
    loose: Vec<u8>,
}

impl Gathered {
    /// Nothing yet; `page` will be written.
    pub fn around(page: Bytes) -> Self {
        Self { page, pieces: VecDeque::new(), loose: Vec::new() }
    }

    /// All that was written.
    pub fn finish(mut self) -> Pieces {
        self.end_loose();
        Pieces(self.pieces)
    }

    fn end_loose(&mut self) {
        if !self.loose.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.loose).into());
        }
    }
}

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if std::ptr::eq(bytes, &raw const *self.page) {
            self.end_loose();
            self.pieces.push_back(self.page.clone());
        } else {
            self.loose.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_read_as_one() {
        let page = Bytes::from(vec![7; 1000]);
        let mut gathered = Gathered::around(page.clone());
        gathered.write_all(b"ab").unwrap();
        gathered.write_all(b"c").unwrap();
        gathered.write_all(&page).unwrap();
        // The same bytes in another place are copied.
        gathered.write_all(&vec![7; 1000]).unwrap();
        gathered.write_all(b"d").unwrap();
        let pieces = gathered.finish();
        assert_eq!(pieces.0.iter().map(Bytes::len).collect::<Vec<_>>(), [3, 1000, 1001]);
        assert_eq!(pieces.0[1].as_ptr(), page.as_ptr());
        let expected = [&b"abc"[..], &[7; 2000], b"d"].concat();
        assert_eq!(pieces.len(), expected.len() as u64);
        for (start, length) in [(0, expected.len()), (1, 5), (2, 2000), (2003, 1), (2004, 0)] {
            assert_eq!(pieces.get_bytes(start, length).unwrap(), expected[start as usize..start as usize + length]);
        }
        assert!(pieces.get_bytes(2003, 2).is_err());
        assert!(pieces.get_read(2005).is_err());
    }
}
