//! Text as it may reach a terminal. Ids come from files that others wrote, and a terminal obeys control characters.

use remargin::request::turns_text;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Text without control characters other than line feed and tab, and without characters that turn the direction of
/// writing. They stand as `\u001b`, which JSON and TOML read back as the same character.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            let _ = write!(safe, "\\u{:04x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn is_hidden(character: char) -> bool {
    turns_text(character) || (character.is_control() && !matches!(character, '\n' | '\t'))
}

/// Writes whole lines, each as [`shown`].
pub struct ShownLines<W> {
    inner: W,
    line: Vec<u8>,
}

impl<W: Write> ShownLines<W> {
    /// Lines for `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, line: Vec::new() }
    }
}

impl<W: Write> Write for ShownLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.inner.write_all(shown(&String::from_utf8_lossy(&line)).as_bytes())?;
            }
        }
        Ok(bytes.len())
    }

    /// Flushes what is complete; an open line waits for its end.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_told_nothing() {
        for (text, expected) in [
            ("BTC-USDT 1.5\n\tüñ ¥", "BTC-USDT 1.5\n\tüñ ¥"),
            ("\u{1b}]0;PWN\u{7}\u{1b}[31mEVIL", "\\u001b]0;PWN\\u0007\\u001b[31mEVIL"),
            ("a\rb\u{7f}\u{9b}31m", "a\\u000db\\u007f\\u009b31m"),
            ("\u{202e}DSU\u{2069}", "\\u202eDSU\\u2069"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    /// Where the text is JSON, it says the same.
    #[test]
    fn json_reads_back() {
        let text = serde_json::to_string("a\u{9b}\u{202e}\u{1b}").unwrap();
        assert_eq!(serde_json::from_str::<String>(&shown(&text)).unwrap(), "a\u{9b}\u{202e}\u{1b}");
    }

    #[test]
    fn lines_may_come_in_pieces() {
        let mut lines = ShownLines::new(Vec::new());
        for piece in "{\"id\":\"\u{9b}1\"}\n{\"id\":\"ü\u{9b}\"}\n".as_bytes().chunks(3) {
            lines.write_all(piece).unwrap();
        }
        lines.flush().unwrap();
        assert_eq!(String::from_utf8(lines.inner).unwrap(), "{\"id\":\"\\u009b1\"}\n{\"id\":\"ü\\u009b\"}\n");
    }
}
