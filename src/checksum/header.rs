//! Headers of Parquet pages.

use super::thrift::{Damage, I32, LIST, Result, STRUCT, Thrift};
use std::io::BufRead;

/// The content of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageKind {
    Data,
    Dictionary,
}

/// The header of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageHeader {
    pub kind: PageKind,
    /// Uncompressed bytes of the page.
    pub unpacked: u32,
    /// Compressed bytes of the page, as in the file.
    pub packed: u32,
    /// CRC-32 of the page as in the file.
    pub crc: Option<u32>,
    /// Number of values, nulls included.
    pub values: u32,
    /// Bytes of the levels of a version 2 page, which are never compressed.
    pub levels: u64,
    /// Bytes of the header up to the position of the checksum, and of the whole header.
    pub crc_at: u64,
    pub length: u64,
}

/// Reads a header and stops at the start of the page.
pub(crate) fn read<R: BufRead>(thrift: &mut Thrift<R>) -> Result<PageHeader> {
    let begin = thrift.position();
    let (mut kind, mut unpacked, mut packed, mut crc) = (None, None, None, None);
    let (mut values, mut levels, mut crc_at) = (None, 0, None);
    let mut id = 0;
    while let Some(wire) = thrift.field(&mut id)? {
        match (id, wire) {
            (1, I32) => kind = Some(thrift.int()?),
            (2, I32) => unpacked = Some(thrift.size()?),
            (3, I32) => {
                packed = Some(thrift.size()?);
                crc_at = Some(thrift.position() - begin);
            }
            // CRC fields are signed, because Thrift has no unsigned integers.
            (4, I32) => crc = Some(thrift.int()?.cast_unsigned()),
            (5 | 7, STRUCT) => (values, _) = read_inner(thrift, false)?,
            (8, STRUCT) => (values, levels) = read_inner(thrift, true)?,
            (1..=5 | 7 | 8, _) => return Err(Damage::new("a page header with a field of the wrong type")),
            _ => thrift.skip(wire)?,
        }
    }
    let missing = || Damage::new("a page header without a required field");
    let kind = match kind.ok_or_else(missing)? {
        0 | 3 => PageKind::Data,
        2 => PageKind::Dictionary,
        other => return Err(Damage(format!("a page of unknown type {other}"))),
    };
    Ok(PageHeader {
        kind,
        unpacked: unpacked.ok_or_else(missing)?,
        packed: packed.ok_or_else(missing)?,
        crc,
        values: values.ok_or_else(missing)?,
        levels,
        crc_at: crc_at.ok_or_else(missing)?,
        length: thrift.position() - begin,
    })
}

/// Number of values; for a version 2 page also the bytes of its levels.
fn read_inner<R: BufRead>(thrift: &mut Thrift<R>, version_2: bool) -> Result<(Option<u32>, u64)> {
    let (mut values, mut levels) = (None, 0);
    let mut id = 0;
    while let Some(wire) = thrift.field(&mut id)? {
        match (id, wire) {
            (1, I32) => values = Some(thrift.size()?),
            (5 | 6, I32) if version_2 => levels += u64::from(thrift.size()?),
            _ => thrift.skip(wire)?,
        }
    }
    Ok((values, levels))
}

/// Most columns and deepest nesting of a schema. The library reads it by recursion.
const MOST_COLUMNS: u64 = 10_000;
const DEEPEST_SCHEMA: usize = 32;

/// Smallest size of an element in a list of structures.
const LEAST_BYTES: u64 = 2;

/// Scans a footer before the library reads it. Refuses lists longer than the remaining bytes, and schemas too wide or
/// nested too deeply, so that the library does not allocate or recurse without limit.
pub(crate) fn check_footer(footer: &[u8]) -> Result<()> {
    let mut thrift = Thrift::new(footer);
    let mut id = 0;
    while let Some(wire) = thrift.field(&mut id)? {
        if (id, wire) == (2, LIST) {
            check_schema(&mut thrift, footer.len() as u64)?;
        } else if (id, wire) == (4, LIST) {
            let (kind, count) = checked_list(&mut thrift, footer.len() as u64)?;
            (0..count).try_for_each(|_| thrift.skip(kind))?;
        } else {
            thrift.skip(wire)?;
        }
    }
    Ok(())
}

fn checked_list<R: BufRead>(thrift: &mut Thrift<R>, length: u64) -> Result<(u8, u64)> {
    let (kind, count) = thrift.list()?;
    if count > length.saturating_sub(thrift.position()) / LEAST_BYTES {
        return Err(Damage(format!("a list of {count} elements in a footer of {length} bytes")));
    }
    Ok((kind, count))
}

fn check_schema(thrift: &mut Thrift<&[u8]>, length: u64) -> Result<()> {
    let (kind, count) = checked_list(thrift, length)?;
    if kind != STRUCT || count > MOST_COLUMNS {
        return Err(Damage(format!("a schema of {count} columns, more than {MOST_COLUMNS}")));
    }
    // Remaining children of each open node.
    let mut open: Vec<u32> = Vec::new();
    for _ in 0..count {
        let (mut children, mut id) = (0, 0);
        while let Some(wire) = thrift.field(&mut id)? {
            if (id, wire) == (5, I32) { children = thrift.size()? } else { thrift.skip(wire)? }
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(last) = open.last_mut() {
            *last -= 1;
        }
        open.push(children);
        if open.len() > DEEPEST_SCHEMA {
            return Err(Damage(format!("a schema nested deeper than {DEEPEST_SCHEMA} levels")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data page of 9 values, 100 bytes in memory, 50 in the file, PLAIN.
    const PLAIN: [u8; 18] = [0x15, 0, 0x15, 0xc8, 1, 0x15, 100, 0x2c, 0x15, 18, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0];

    #[test]
    fn a_header_is_read() {
        let header = read(&mut Thrift::new(&PLAIN[..])).unwrap();
        let expected = PageHeader {
            kind: PageKind::Data,
            unpacked: 100,
            packed: 50,
            crc: None,
            values: 9,
            levels: 0,
            crc_at: 7,
            length: 18,
        };
        assert_eq!(header, expected);
        for cut in 0..PLAIN.len() {
            assert!(read(&mut Thrift::new(&PLAIN[..cut])).is_err(), "{cut}");
        }
        let mut unknown = PLAIN;
        unknown[1] = 8;
        assert_eq!(read(&mut Thrift::new(&unknown[..])), Err(Damage::new("a page of unknown type 4")));
        let mut negative = PLAIN;
        negative[6] = 1;
        assert_eq!(read(&mut Thrift::new(&negative[..])), Err(Damage::new("a negative size")));
    }

    #[test]
    fn footers_that_promise_too_much_are_refused() {
        let schema = |nodes: &[&[u8]]| [&[0x29, (nodes.len() as u8) << 4 | 0x0c][..], &nodes.concat(), &[0]].concat();
        let (leaf, node): (&[u8], &[u8]) = (&[0], &[0x55, 2, 0]);
        assert_eq!(check_footer(&schema(&[node, node, leaf])), Ok(()));
        let long = [&[0x29, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x08][..], &[0; 64]].concat();
        let problem = check_footer(&long).unwrap_err().0;
        assert_eq!(problem, "a list of 2147483648 elements in a footer of 71 bytes");
        let deep = [&[0x29, 0xfc, 40][..], &node.repeat(40), &[0]].concat();
        assert_eq!(check_footer(&deep).unwrap_err().0, "a schema nested deeper than 32 levels");
    }
}
