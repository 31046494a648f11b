//! Quotes in CSV, strict: the reader behind this would take `"1"5` for 15 and a quote that is never closed for text.

use std::io::{Error, ErrorKind, Read, Result};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a cell.
    Start,
    /// In a cell without quotes.
    Plain,
    /// In a quoted cell.
    Quoted,
    /// Behind a quote in a quoted cell: it closes the cell, or another quote follows and stands for one.
    Closed,
}

/// Passes bytes on and refuses those that break the rules of quoting.
pub(crate) struct StrictQuotes<R> {
    inner: R,
    state: State,
    line: u64,
    /// Where the last quoted cell began.
    opened: u64,
    /// Bytes of the line so far.
    length: u64,
}

/// Longest line: the reader behind this holds a whole one in memory.
const LONGEST_LINE: u64 = 1 << 20;

impl<R: Read> StrictQuotes<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, state: State::Start, line: 1, opened: 0, length: 0 }
    }

    fn check(&mut self, bytes: &[u8]) -> Result<()> {
        for &byte in bytes {
            self.line += u64::from(byte == b'\n');
            if self.state == State::Start && byte == b'"' {
                self.opened = self.line;
            }
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::Closed,
                (State::Start | State::Closed, b'"') | (State::Quoted, _) => State::Quoted,
                (_, b',' | b'\n' | b'\r') => State::Start,
                (State::Closed, _) => return Err(broken("text behind a closing quote", self.line)),
                (State::Start | State::Plain, _) => State::Plain,
            };
        }
        Ok(())
    }

    /// Refuses a line that is too long.
    fn measure(&mut self, bytes: &[u8]) -> Result<()> {
        match bytes.iter().rposition(|&byte| byte == b'\n') {
            // Lines that begin and end among these bytes are no longer than a buffer.
            Some(last) => self.length = (bytes.len() - last - 1) as u64,
            None => self.length += bytes.len() as u64,
        }
        if self.length > LONGEST_LINE {
            return Err(broken("a line of more than 1 MiB", self.line));
        }
        Ok(())
    }

    /// As [`Self::check`] for bytes without a quote, which begin outside of quotes.
    fn skip(&mut self, bytes: &[u8]) {
        self.line += bytes.iter().map(|&byte| u64::from(byte == b'\n')).sum::<u64>();
        let at_start = matches!(bytes.last(), Some(b',' | b'\n' | b'\r'));
        self.state = if at_start { State::Start } else { State::Plain };
    }
}

fn broken(problem: &str, line: u64) -> Error {
    Error::new(ErrorKind::InvalidData, format!("{problem} in line {line}"))
}

impl<R: Read> Read for StrictQuotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.inner.read(buffer)?;
        let is_end = count == 0 && !buffer.is_empty();
        let bytes =
            buffer.get(..count).ok_or_else(|| Error::other("a reader that read more than there is room for"))?;
        if is_end && self.state == State::Quoted {
            return Err(broken("a quote that is never closed", self.opened));
        }
        if matches!(self.state, State::Start | State::Plain) && count > 0 && !bytes.contains(&b'"') {
            self.skip(bytes);
        } else {
            self.check(bytes)?;
        }
        self.measure(bytes)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_an_end() {
        let lines = |length: usize| [b"a,b\n".to_vec(), vec![b'x'; length], b"\n".to_vec()].concat();
        for (length, refused) in [(1 << 19, false), ((1 << 20) - 1, false), ((1 << 20) + (1 << 13), true)] {
            let outcome = StrictQuotes::new(Pieces(&lines(length), 1 << 12)).read_to_end(&mut Vec::new());
            assert_eq!(outcome.is_err(), refused, "{length}");
            if let Err(error) = outcome {
                assert_eq!(error.to_string(), "a line of more than 1 MiB in line 2");
            }
        }
    }

    /// Hands out its bytes in pieces of one size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn quotes_open_and_close_a_cell() {
        for (text, expected) in [
            ("a,b\n1,2\n", None),
            ("a,\"b\"\r\n\"1\",\"2,5\"", None),
            ("\"say \"\"hi\"\"\",2\n", None),
            ("\"\",\"\"\n", None),
            ("5'9\",2\n", None),
            ("a,b\n\"1\"5,2\n", Some("text behind a closing quote in line 2")),
            ("a,b\n1,\"2\" \n", Some("text behind a closing quote in line 2")),
            ("a,b\n1,\"2", Some("a quote that is never closed in line 2")),
            ("a,b\n\"1,2\n3,4\n", Some("a quote that is never closed in line 2")),
        ] {
            for size in [1, 3, 64] {
                let mut out = Vec::new();
                let result = StrictQuotes::new(Pieces(text.as_bytes(), size)).read_to_end(&mut out);
                match expected {
                    None => assert_eq!((result.is_ok(), out.as_slice()), (true, text.as_bytes()), "{text:?}"),
                    Some(problem) => assert_eq!(result.unwrap_err().to_string(), problem, "{text:?} by {size}"),
                }
            }
        }
    }
}
