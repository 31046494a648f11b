//! A reader over an input with a place of its own: any number of them read the same handle side by side.

use super::Input;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

impl Input {
    /// A reader with a place of its own, which begins at `offset`.
    pub fn view(&self, offset: u64) -> View {
        View::new(self.clone(), offset)
    }

    /// A reader of everything, which fails at the end if the input changed.
    pub fn to_the_end(&self) -> ToTheEnd {
        ToTheEnd::new(self.clone())
    }
}

/// A place in an input. It ends where the input ended when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct View {
    input: Input,
    at: u64,
}

impl View {
    pub fn new(input: Input, at: u64) -> Self {
        Self { input, at }
    }
}

impl Read for View {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.input.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A view that holds the input to what it was when it was opened, at its end: for what is used while it is read.
#[derive(Debug)]
pub(crate) struct ToTheEnd(View);

impl ToTheEnd {
    pub fn new(input: Input) -> Self {
        Self(View::new(input, 0))
    }
}

impl Read for ToTheEnd {
    /// A change is an error with [`crate::Error::Invalid`] in it.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.0.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.0.input.verify_unchanged().map_err(Error::other)?;
        }
        Ok(read)
    }
}

impl Seek for View {
    fn seek(&mut self, place: SeekFrom) -> Result<u64> {
        let target = match place {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
            SeekFrom::End(offset) => self.input.len().checked_add_signed(offset),
        };
        self.at = target.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a place before the beginning"))?;
        Ok(self.at)
    }
}
