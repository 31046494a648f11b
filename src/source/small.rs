//! Small files that are read as a whole, within a bound.

use super::{Input, is_there};
use crate::{Invalid, Result};
use std::io::Read;
use std::path::Path;

/// Largest file of rules, and largest `snapshot.toml`.
pub(crate) const LARGEST_TOML: u64 = 64 << 20;
/// Largest JSON document, and largest table of scenarios.
pub(crate) const LARGEST_JSON: u64 = 1 << 30;

/// Reads a file of at most so many bytes.
///
/// # Errors
/// [`Invalid`] if it is larger, is not a regular file, cannot be read, or changes meanwhile.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    Input::open(path)?.read_whole(most)
}

/// As [`read`]; `None` if there is no such file.
///
/// # Errors
/// Those of [`read`], and where it cannot be found out whether the file is there.
pub(crate) fn read_if_there(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    if is_there(path)? { read(path, most).map(Some) } else { Ok(None) }
}

/// Reads a text of at most so many bytes. If its name ends in `.gz` it is decompressed first; the bound holds for what
/// comes out as well.
///
/// # Errors
/// Those of [`read`] and [`text_of`]; [`Invalid`] if it is not compressed as its name says, or is too large then.
pub(crate) fn read_text(path: &Path, most: u64) -> Result<String> {
    unpacked_text(path, read(path, most)?, most)
}

/// As [`read_text`], with the size of the file and the BLAKE3 hash of its bytes as they lie on disk.
///
/// # Errors
/// Those of [`read_text`].
pub(crate) fn read_hashed_text(path: &Path, most: u64) -> Result<(String, u64, String)> {
    let bytes = read(path, most)?;
    let (length, hash) = (bytes.len() as u64, blake3::hash(&bytes).to_hex().to_string());
    Ok((unpacked_text(path, bytes, most)?, length, hash))
}

fn unpacked_text(path: &Path, bytes: Vec<u8>, most: u64) -> Result<String> {
    let is_gzip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    text_of(path, if is_gzip { unpack(path, &bytes, most)? } else { bytes })
}

/// Bytes that anything packed may unpack to, and how many times its packed size it may beyond that.
const UNPACKED_BYTES: u64 = 64 << 20;
const UNPACKED_RATIO: u64 = 32;

/// The most bytes that so many packed ones may unpack to.
pub(crate) fn most_unpacked(packed: u64) -> u64 {
    UNPACKED_BYTES.max(packed.saturating_mul(UNPACKED_RATIO))
}

fn unpack(path: &Path, bytes: &[u8], most: u64) -> Result<Vec<u8>> {
    if !bytes.starts_with(&GZIP) {
        return Err(Invalid::new("not compressed by gzip, although its name says so")
            .file(path)
            .expected("bytes that gzip wrote")
            .hint("take `.gz` off its name if it is plain text; else fetch it again")
            .into());
    }
    let most = most.min(most_unpacked(bytes.len() as u64));
    let mut content = Vec::new();
    let unpacked = flate2::read::MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut content);
    unpacked.map_err(|error| {
        Invalid::new(format!("the compressed bytes are damaged: {error}"))
            .file(path)
            .expected("a whole file, as gzip wrote it")
            .hint("the file was cut off or changed; copy or fetch it again")
    })?;
    if content.len() as u64 > most {
        return Err(Invalid::new("the file is too large once it is decompressed")
            .file(path)
            .expected(format!("at most {most} bytes ({} MiB)", most >> 20))
            .into());
    }
    Ok(content)
}

/// Bytes as text, without the mark that some programs put before UTF-8.
///
/// # Errors
/// [`Invalid`] if they are not UTF-8: says what they are, where that can be seen.
pub(crate) fn text_of(path: &Path, mut bytes: Vec<u8>) -> Result<String> {
    if let Some((problem, hint)) = other_than_text(&bytes) {
        return Err(Invalid::new(problem).file(path).expected("text in UTF-8").hint(hint).into());
    }
    if bytes.starts_with(&UTF8_MARK) {
        drop(bytes.drain(..UTF8_MARK.len()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Invalid::new(format!("bytes that are not text, from byte {at} on")).file(path).expected("UTF-8").into()
    })
}

/// First bytes of a file that gzip wrote, of one that zstd wrote, and of text in UTF-8 with a mark.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What bytes are that are not UTF-8, and what to do.
fn other_than_text(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let is_wide = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]);
    if bytes.starts_with(&GZIP) {
        Some(("compressed by gzip, which its name does not say", "decompress it (`gunzip`)"))
    } else if bytes.starts_with(&ZSTD) {
        Some(("compressed by zstd", "decompress it (`zstd -d`)"))
    } else if is_wide {
        let hint = "save it as UTF-8 (PowerShell: `Out-File -Encoding utf8`; elsewhere `iconv -f UTF-16 -t UTF-8`)";
        Some(("text in UTF-16", hint))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn texts_and_what_is_none() {
        let path = Path::new("a.json");
        for (bytes, expected) in [
            (b"{}".to_vec(), Ok("{}")),
            (b"\xef\xbb\xbf{}".to_vec(), Ok("{}")),
            (b"".to_vec(), Ok("")),
            (b"\xff\xfe{\0}\0".to_vec(), Err("UTF-16")),
            (b"{\0}\0".to_vec(), Err("UTF-16")),
            (b"\0{\0}".to_vec(), Err("UTF-16")),
            (packed(b"{}"), Err("gzip")),
            (b"\x28\xb5\x2f\xfd..".to_vec(), Err("zstd")),
            (b"ab\xff".to_vec(), Err("from byte 2 on")),
        ] {
            match (text_of(path, bytes), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(error), Err(word)) => {
                    assert!(error.exit_code() == 3 && error.to_string().contains(word), "{word}: {error}");
                }
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn compressed_text_is_bounded_on_both_sides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json.gz");
        let two = [packed(b"[1,"), packed(b"2]")].concat();
        let cut = packed(&b"0123456789".repeat(50))[..20].to_vec();
        for (bytes, expected) in [
            (packed(b"[]"), Ok("[]")),
            (two, Ok("[1,2]")),
            (packed(&[b' '; 1000]), Err("too large once it is decompressed")),
            (cut, Err("damaged")),
            (b"[]".to_vec(), Err("although its name says so")),
            (vec![0x1f; 200], Err("too large")),
        ] {
            std::fs::write(&path, bytes).unwrap();
            match (read_text(&path, 100), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{word}: {error}"),
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        }
    }
}
