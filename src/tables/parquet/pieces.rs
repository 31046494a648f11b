//! The bytes of a column chunk in pieces, so that a page is written from the memory in which it was computed.

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use std::collections::VecDeque;
use std::io::{Read, Write};

/// Bytes, one piece after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pieces(VecDeque<Bytes>);

impl Pieces {
    /// These pieces.
    pub fn of(pieces: impl Into<VecDeque<Bytes>>) -> Self {
        Self(pieces.into())
    }
}

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

/// Gathers what is written, but for the page, which its writer hands on as it is and which is not copied, unless it is
/// so small that it went through a buffer.
#[derive(Debug)]
pub(crate) struct Gathered {
    page: Bytes,
    has_page: bool,
    front: Vec<u8>,
    behind: usize,
}

impl Gathered {
    /// Nothing yet; `page` will be written, last.
    pub fn around(page: Bytes) -> Self {
        Self { page, has_page: false, front: Vec::new(), behind: 0 }
    }

    /// What was written in front of the page, and the page; an empty page if it stands in front already.
    ///
    /// # Errors
    /// If something was written behind the page, which is a fault of this crate.
    pub fn finish(self) -> Result<(Vec<u8>, Bytes)> {
        if self.behind > 0 {
            return Err(ParquetError::General("the page of a column chunk is not its end".into()));
        }
        Ok((self.front, if self.has_page { self.page } else { Bytes::new() }))
    }
}

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !self.has_page && std::ptr::eq(bytes, &raw const *self.page) {
            self.has_page = true;
        } else {
            self.behind += if self.has_page { bytes.len() } else { 0 };
            self.front.extend_from_slice(bytes);
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
        // The same bytes in another place are copied.
        gathered.write_all(&vec![7; 1000]).unwrap();
        gathered.write_all(b"c").unwrap();
        gathered.write_all(&page).unwrap();
        let (front, page) = gathered.finish().unwrap();
        assert_eq!((front.len(), page.len()), (1003, 1000));
        let pieces = Pieces::of([front.into(), page.clone()]);
        assert_eq!(pieces.0[1].as_ptr(), page.as_ptr());
        let expected = [&b"ab"[..], &[7; 1000], b"c", &[7; 1000]].concat();
        assert_eq!(pieces.len(), expected.len() as u64);
        for (start, length) in [(0, expected.len()), (1, 5), (2, 2000), (2002, 1), (2003, 0)] {
            assert_eq!(pieces.get_bytes(start, length).unwrap(), expected[start as usize..start as usize + length]);
        }
        assert!(pieces.get_bytes(2002, 2).is_err());
        assert!(pieces.get_read(2004).is_err());
    }

    #[test]
    fn a_page_comes_last_or_stands_in_front() {
        let page = Bytes::from(vec![7; 10]);
        let mut gathered = Gathered::around(page.clone());
        gathered.write_all(&[7; 10]).unwrap();
        assert_eq!(gathered.finish().unwrap(), (vec![7; 10], Bytes::new()));
        let mut gathered = Gathered::around(page.clone());
        gathered.write_all(&page).unwrap();
        gathered.write_all(b"d").unwrap();
        assert!(gathered.finish().is_err());
    }
}
