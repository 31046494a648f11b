//! The layout of an Arrow IPC file before the library sees it: every block inside the file, every buffer inside its
//! block, no buffer that claims to unpack to more than it may.
//!
//! The library takes these lengths from the file and asks for the memory that they claim.

use super::guard::{LARGEST_FOOTER, damaged, guarded, read_exactly, unpacks_too_far};
use crate::source::{Input, unreadable};
use crate::{Invalid, Result};
use arrow_ipc::{Block, Message, RecordBatch, root_as_footer, root_as_message};

const MAGIC: &[u8] = b"ARROW1";
/// Bytes that may stand in front of a message: a marker of four bytes, and its length.
const MARKER: [u8; 4] = [0xff; 4];

/// Refuses streams, and files whose lengths do not fit them. Returns the rows that the file promises.
pub(crate) fn check_layout(input: &Input) -> Result<u64> {
    let (file, bytes) = (input.path(), input.len());
    let io = |error: std::io::Error| unreadable(file, &error);
    let other = |problem: &str| Invalid::new(problem).file(file).expected("an Arrow IPC file, also called Feather 2");
    let mut head = [0; 6];
    if bytes < 20 {
        return Err(other("the file is too short").into());
    }
    input.read_exact_at(&mut head, 0).map_err(io)?;
    if head != MAGIC {
        return Err(other("not an Arrow IPC file").hint("an IPC stream must be written as a file").into());
    }
    let mut tail = [0; 10];
    input.read_exact_at(&mut tail, bytes - 10).map_err(io)?;
    let [a, b, c, d, ..] = tail;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if tail[4..] != *MAGIC || length > bytes - 18 {
        return Err(other("the file has no end: it was cut off or never closed").into());
    }
    if length > LARGEST_FOOTER {
        return Err(Invalid::new("the footer is too large")
            .file(file)
            .value(format!("{length} bytes"))
            .expected(format!("at most {LARGEST_FOOTER} bytes"))
            .into());
    }
    let footer = read_exactly(input, bytes - 10 - length, length)?;
    let places = guarded(file, || {
        let footer = root_as_footer(&footer).map_err(|error| error.to_string())?;
        let dictionaries = footer.dictionaries().into_iter().flatten().map(|block| Place::new(block, false, bytes));
        let batches = footer.recordBatches().into_iter().flatten().map(|block| Place::new(block, true, bytes));
        dictionaries.chain(batches).collect::<Result<Vec<_>, String>>()
    })?;
    let mut rows = 0u64;
    for place in &places {
        let found = place.check(input)?;
        if place.holds_rows {
            rows = rows.saturating_add(found);
        }
    }
    Ok(rows)
}

/// Where a block lies.
struct Place {
    start: u64,
    message: u64,
    body: u64,
    /// A record batch, not a dictionary.
    holds_rows: bool,
}

impl Place {
    fn new(block: &Block, holds_rows: bool, bytes: u64) -> Result<Self, String> {
        let sizes = (block.offset().try_into(), block.metaDataLength().try_into(), block.bodyLength().try_into());
        if let (Ok(start), Ok(message), Ok(body)) = sizes {
            let place = Self { start, message, body, holds_rows };
            let end = start.checked_add(message).and_then(|end| end.checked_add(body));
            if end.is_some_and(|end| end <= bytes) {
                return Ok(place);
            }
        }
        Err("a block that lies outside the file".to_owned())
    }

    /// Checks the buffers of the block. Returns its rows.
    fn check(&self, input: &Input) -> Result<u64> {
        let file = input.path();
        let io = |error: std::io::Error| unreadable(file, &error);
        if self.message > LARGEST_FOOTER {
            return Err(damaged(file, format_args!("a message of {} bytes", self.message)).into());
        }
        let bytes = read_exactly(input, self.start, self.message)?;
        let skipped = if bytes.starts_with(&MARKER) { 8 } else { 4 };
        let (rows, packed) = guarded(file, || {
            let message = bytes.get(skipped..).ok_or("a block without a message")?;
            let message = root_as_message(message).map_err(|error| error.to_string())?;
            self.buffers(&message)
        })?;
        for (offset, length) in packed {
            let mut claim = [0; 8];
            input.read_exact_at(&mut claim, self.start + self.message + offset).map_err(io)?;
            // -1 says that the buffer is not compressed.
            let claim = i64::from_le_bytes(claim);
            if claim < -1 || u64::try_from(claim).is_ok_and(|unpacked| unpacks_too_far(length, unpacked)) {
                return Err(damaged(file, format_args!("{length} bytes that claim to unpack to {claim}")).into());
            }
        }
        Ok(rows)
    }

    /// Rows of the block, and the buffers of it that are compressed.
    fn buffers(&self, message: &Message) -> Result<(u64, Vec<(u64, u64)>), String> {
        let dictionary = message.header_as_dictionary_batch();
        let batch: RecordBatch = dictionary
            .map_or_else(|| message.header_as_record_batch(), |dictionary| dictionary.data())
            .ok_or("a block that holds no rows")?;
        let rows = u64::try_from(batch.length()).map_err(|_| "a block of a negative number of rows")?;
        for node in batch.nodes().into_iter().flatten() {
            let (length, nulls) = (u64::try_from(node.length()), u64::try_from(node.null_count()));
            if !matches!((length, nulls), (Ok(length), Ok(nulls)) if nulls <= length) {
                return Err("a column with an impossible length".to_owned());
            }
        }
        let mut packed = Vec::new();
        for buffer in batch.buffers().into_iter().flatten() {
            let (offset, length) = match (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) {
                (Ok(offset), Ok(length)) if offset.checked_add(length).is_some_and(|end| end <= self.body) => {
                    (offset, length)
                }
                _ => return Err("a buffer that lies outside its block".to_owned()),
            };
            if batch.compression().is_some() && length > 0 {
                if length < 8 {
                    return Err("a compressed buffer without a length".to_owned());
                }
                packed.push((offset, length));
            }
        }
        Ok((rows, packed))
    }
}
