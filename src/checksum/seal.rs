//! Adds a checksum to each page of a finished column chunk.

use super::header::{self, PageKind};
use super::thrift::{I32, Thrift, write_int};
use bytes::Bytes;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

fn failed(problem: impl Into<String>) -> ParquetError {
    ParquetError::General(problem.into())
}

/// A size or an offset as a signed number of the format.
fn signed(bytes: usize) -> Result<i64> {
    i64::try_from(bytes).map_err(|_| failed("a column chunk of more than 8 EiB"))
}

/// Adds checksums to a chunk that starts with its dictionary, and adapts its metadata for the footer. The pages must
/// have no checksums yet, and no index may refer to the chunk.
fn seal(chunk: &[u8], close: ColumnCloseResult) -> Result<(Bytes, ColumnCloseResult)> {
    let (sealed, close) = seal_around(chunk, &[], close)?;
    Ok((Bytes::from(sealed), close))
}

/// Like [`seal`], for a chunk whose last page is stored separately. Returns the bytes before that page.
pub(crate) fn seal_around(front: &[u8], last: &[u8], close: ColumnCloseResult) -> Result<(Vec<u8>, ColumnCloseResult)> {
    let mut sealed = Vec::with_capacity(front.len() + 64);
    let (mut dictionary, mut data) = (None, None);
    let mut rest = front;
    while !rest.is_empty() {
        let header = header::read(&mut Thrift::new(rest)).map_err(|damage| failed(damage.0))?;
        let (length, crc_at) = (header.length as usize, header.crc_at as usize);
        let cut = || failed("a page that reaches beyond its column chunk");
        let (head, behind) = rest.split_at_checked(length).ok_or_else(cut)?;
        let is_apart = behind.is_empty() && header.packed as usize == last.len();
        let (page, behind) =
            if is_apart { (last, behind) } else { behind.split_at_checked(header.packed as usize).ok_or_else(cut)? };
        let place = match header.kind {
            PageKind::Dictionary => &mut dictionary,
            PageKind::Data => &mut data,
        };
        place.get_or_insert(signed(sealed.len())?);
        // Field numbers are stored as differences: the checksum goes between field 3 and the next.
        let (first, next) = head.split_at(crc_at);
        let [kind, next @ ..] = next else { return Err(failed("a page header that ends too early")) };
        if header.crc.is_some() || kind >> 4 < 2 {
            return Err(failed("a page header with no place for a checksum"));
        }
        sealed.extend_from_slice(first);
        sealed.push(1 << 4 | I32);
        write_int(crc32fast::hash(page).cast_signed(), &mut sealed);
        sealed.push(kind - (1 << 4));
        sealed.extend_from_slice(next);
        if !is_apart {
            sealed.extend_from_slice(page);
        }
        rest = behind;
    }
    // A chunk of no rows has no pages.
    let data = data.unwrap_or_default();
    let added = signed(sealed.len() - front.len())?;
    let ColumnCloseResult { rows_written, metadata, .. } = close;
    let (packed, unpacked) = (metadata.compressed_size() + added, metadata.uncompressed_size() + added);
    let metadata = metadata
        .into_builder()
        .set_dictionary_page_offset(dictionary)
        .set_data_page_offset(data)
        .set_total_compressed_size(packed)
        .set_total_uncompressed_size(unpacked)
        .build()?;
    let close = ColumnCloseResult {
        bytes_written: (sealed.len() + last.len()) as u64,
        rows_written,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    };
    Ok((sealed, close))
}

/// Adds checksums to the columns of a row group. `bytes` are the bytes of its file from `start` on.
pub(crate) fn seal_row_group(
    bytes: &[u8],
    start: u64,
    group: &RowGroupMetaData,
) -> Result<Vec<(Bytes, ColumnCloseResult)>> {
    let rows_written = u64::try_from(group.num_rows()).map_err(|_| failed("a negative number of rows"))?;
    let columns = group.columns().iter().map(|column: &ColumnChunkMetaData| {
        let (offset, length) = column.byte_range();
        let place = offset.checked_sub(start).ok_or_else(|| failed("a column chunk that is gone already"))? as usize;
        let chunk =
            bytes.get(place..place + length as usize).ok_or_else(|| failed("a column chunk that is cut off"))?;
        let close = ColumnCloseResult {
            bytes_written: length,
            rows_written,
            metadata: column.clone(),
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        seal(chunk, close)
    });
    columns.collect()
}
