//! The pages of a Parquet part before the library sees them: sizes within bounds, checksums right.
//!
//! The library takes the sizes of a page from its header and allocates them, and looks at no checksum. One pass over
//! the headers finds what is out of bounds, and a page that has a checksum is held to it.

use super::guard::{LARGEST_FOOTER, damaged, read_exactly, unpacks_too_far};
use crate::checksum::header::{self, PageHeader, PageKind};
use crate::checksum::thrift::{Damage, Thrift};
use crate::source::{Input, unreadable};
use crate::{Invalid, Result};
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

const MAGIC: &[u8; 4] = b"PAR1";
const BUFFER_BYTES: usize = 1 << 16;

/// Checks both ends of a file and its footer. Returns where the footer begins.
pub(crate) fn check_ends(input: &Input) -> Result<u64> {
    let (file, bytes) = (input.path(), input.len());
    let io = |error: std::io::Error| unreadable(file, &error);
    let other = |problem: &str| Invalid::new(problem).file(file).expected("a Parquet file");
    if bytes < 12 {
        return Err(other("the file is too short").into());
    }
    let (mut head, mut length, mut tail) = ([0; 4], [0; 4], [0; 4]);
    input.read_exact_at(&mut head, 0).map_err(io)?;
    input.read_exact_at(&mut length, bytes - 8).map_err(io)?;
    input.read_exact_at(&mut tail, bytes - 4).map_err(io)?;
    if &tail == b"PARE" || &head == b"PARE" {
        return Err(other("the file is encrypted").into());
    }
    if head != *MAGIC {
        return Err(other("not a Parquet file").into());
    }
    if tail != *MAGIC {
        return Err(other("the file has no end: it was cut off or never closed").into());
    }
    let length = u64::from(u32::from_le_bytes(length));
    if length > bytes - 12 {
        return Err(damaged(file, format_args!("a footer of {length} bytes in a file of {bytes}")).into());
    }
    if length > LARGEST_FOOTER {
        return Err(Invalid::new("the footer is too large")
            .file(file)
            .value(format!("{length} bytes"))
            .expected(format!("at most {LARGEST_FOOTER} bytes"))
            .hint("write fewer and larger row groups")
            .into());
    }
    let begin = bytes - 8 - length;
    let footer = read_exactly(input, begin, length)?;
    header::check_footer(&footer).map_err(|damage| damaged(file, format_args!("its footer: {damage}")))?;
    Ok(begin)
}

/// Where a column chunk of a flat column lies and what it must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    name: String,
    start: u64,
    length: u64,
    values: u64,
    compressed: bool,
}

impl Chunk {
    /// Checks what the footer says of a chunk; `end` is where the footer begins.
    pub fn new(file: &Path, column: &ColumnChunkMetaData, rows: u64, end: u64) -> Result<Self> {
        let name = column.column_path().string();
        let first = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let at = |problem: &str| damaged(file, problem).column(&name);
        // Some writers give the dictionary an offset of zero where there is none.
        let first = if first == 0 { column.data_page_offset() } else { first };
        let place = || {
            let (start, length) = (u64::try_from(first).ok()?, u64::try_from(column.compressed_size()).ok()?);
            let fits = start >= 4 && start.checked_add(length)? <= end;
            fits.then_some((start, length))
        };
        let (start, length) = place().ok_or_else(|| at("a column chunk that lies outside the file"))?;
        if column.column_descr().max_rep_level() != 0 || u64::try_from(column.num_values()) != Ok(rows) {
            let promised = format!("{rows}, one for each row");
            return Err(at("a column chunk of another length than its row group")
                .value(format!("{} values", column.num_values()))
                .expected(promised)
                .into());
        }
        if let Some(name) = unread(column.compression()) {
            return Err(Invalid::new(format!("a column packed with {name}, which is not read"))
                .file(file)
                .column(column.column_path().string())
                .expected("no compression, or Snappy, Zstandard, gzip or LZ4")
                .into());
        }
        let compressed = column.compression() != Compression::UNCOMPRESSED;
        Ok(Self { name, start, length, values: rows, compressed })
    }

    /// Reads all pages once.
    ///
    /// # Errors
    /// [`Invalid`] naming file and column: a page out of bounds or with a wrong checksum.
    pub fn check(&self, input: &Input) -> Result<()> {
        let file = input.path();
        let capacity = BUFFER_BYTES.min(usize::try_from(self.length).unwrap_or(BUFFER_BYTES)).max(1);
        let mut pages = Thrift::new(BufReader::with_capacity(capacity, input.view(self.start)).take(self.length));
        let (mut number, mut values, mut checked) = (0, 0, 0u64);
        while checked < self.length {
            let outcome = self.check_page(&mut pages, number);
            let page = outcome.map_err(|damage| {
                damaged(file, format_args!("page {number} of the column: {damage}")).column(&self.name)
            })?;
            if page.kind == PageKind::Data {
                values += u64::from(page.values);
            }
            checked = checked.saturating_add(page.length).saturating_add(u64::from(page.packed));
            number += 1;
            // The library stops at the last value; what may follow is never looked at.
            if values >= self.values && page.kind == PageKind::Data {
                break;
            }
        }
        if values != self.values {
            return Err(damaged(file, "pages that do not add up to the row group")
                .column(&self.name)
                .value(format!("{values} values"))
                .expected(format!("{} values", self.values))
                .into());
        }
        Ok(())
    }

    fn check_page(&self, pages: &mut Thrift<impl BufRead>, number: u64) -> Result<PageHeader, Damage> {
        let page = header::read(pages)?;
        let (packed, unpacked) = (u64::from(page.packed), u64::from(page.unpacked));
        if packed > self.length {
            return Err(Damage(format!("{packed} bytes in a column chunk of {}", self.length)));
        }
        if unpacks_too_far(packed, unpacked) {
            return Err(Damage(format!("{packed} bytes that claim to unpack to {unpacked}")));
        }
        if !self.compressed && packed != unpacked {
            return Err(Damage(format!("{packed} bytes that claim to be {unpacked} without compression")));
        }
        if page.levels > packed.min(unpacked) {
            return Err(Damage(format!("{} bytes of levels in a page of {packed}", page.levels)));
        }
        match page.kind {
            PageKind::Dictionary if number > 0 => return Err(Damage::new("a second dictionary")),
            PageKind::Dictionary if u64::from(page.values) > unpacked => {
                return Err(Damage(format!("{} values in a dictionary of {unpacked} bytes", page.values)));
            }
            PageKind::Data if u64::from(page.values) > self.values => {
                return Err(Damage(format!("{} values in a row group of {}", page.values, self.values)));
            }
            _ => {}
        }
        match page.crc {
            None => pages.skip_bytes(packed)?,
            Some(expected) => {
                let found = crc(pages, packed)?;
                if found != expected {
                    return Err(Damage(format!("its checksum is {found:08x}, not {expected:08x}")));
                }
            }
        }
        Ok(page)
    }
}

/// The name of a compression that is not read.
fn unread(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    }
}

/// CRC-32 of the bytes that follow.
fn crc(pages: &mut Thrift<impl BufRead>, count: u64) -> Result<u32, Damage> {
    let mut hasher = crc32fast::Hasher::new();
    let mut left = count;
    while left > 0 {
        let buffer = pages.input().fill_buf().map_err(|error| Damage(error.to_string()))?;
        let step = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if step == 0 {
            return Err(Damage::new("it is cut off"));
        }
        hasher.update(buffer.get(..step).unwrap_or_default());
        pages.skip_bytes(step as u64)?;
        left -= step as u64;
    }
    Ok(hasher.finalize())
}
