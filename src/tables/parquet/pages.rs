//! Column chunks of which we lay out the pages ourselves, in the terms of the Parquet format.

use super::pieces::{Gathered, Pieces};
use crate::checksum::seal::seal_around;
use crate::source::most_unpacked;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Compresses pages; keeps its buffers from page to page.
pub(crate) struct Codec {
    zstd: zstd::bulk::Compressor<'static>,
    snappy: snap::raw::Encoder,
    buffer: Vec<u8>,
}

const ZSTD_LEVEL: i32 = 1;

/// How the pages of one chunk are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Not,
    Snappy,
    Zstd,
}

impl How {
    fn compression(self) -> Result<Compression> {
        Ok(match self {
            Self::Not => Compression::UNCOMPRESSED,
            Self::Snappy => Compression::SNAPPY,
            Self::Zstd => Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?),
        })
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl Codec {
    pub fn new() -> Result<Self> {
        let zstd = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed)?;
        Ok(Self { zstd, snappy: snap::raw::Encoder::new(), buffer: Vec::new() })
    }

    fn compress(&mut self, how: How, bytes: Bytes) -> Result<Bytes> {
        Ok(match how {
            How::Not => bytes,
            How::Snappy => {
                let most = snap::raw::max_compress_len(bytes.len());
                self.buffer.resize(self.buffer.len().max(most), 0);
                let length = self.snappy.compress(&bytes, &mut self.buffer).map_err(failed)?;
                Bytes::copy_from_slice(&self.buffer[..length])
            }
            How::Zstd => Bytes::from(self.zstd.compress(&bytes).map_err(failed)?),
        })
    }
}

/// A column chunk without gaps: the values of its dictionary, if it has one, and of its data page.
pub(crate) struct Chunk {
    pub column: ColumnDescPtr,
    pub rows: usize,
    pub how: How,
    /// Plain values and their number.
    pub dictionary: Option<(Bytes, usize)>,
    pub encoding: Encoding,
    pub data: Bytes,
    pub statistics: Option<Statistics>,
}

impl Chunk {
    /// The chunk as it stands in a file, its pages with checksums, and what the footer says of it.
    pub fn finish(self, codec: &mut Codec) -> Result<(Pieces, ColumnCloseResult)> {
        let rows = u32::try_from(self.rows).map_err(|_| ParquetError::General("too many rows in one page".into()))?;
        let size = self.data.len();
        let (how, data, dictionary) = self.packed(codec)?;
        let mut sink = TrackedWrite::new(Gathered::around(data.clone()));
        let mut pages = SerializedPageWriter::new(&mut sink);
        let mut metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(how.compression()?)
            .set_num_values(i64::from(rows));
        let (mut compressed, mut uncompressed) = (0, 0);
        let mut encodings = vec![Encoding::RLE, self.encoding];
        if let (Some((values, count)), Some(buf)) = (self.dictionary, dictionary) {
            let plain_size = values.len();
            let count =
                u32::try_from(count).map_err(|_| ParquetError::General("too many values in a dictionary".into()))?;
            let page = Page::DictionaryPage { buf, num_values: count, encoding: Encoding::PLAIN, is_sorted: false };
            let written = pages.write_page(CompressedPage::new(page, plain_size))?;
            metadata = metadata.set_dictionary_page_offset(Some(signed(written.offset)?));
            (compressed, uncompressed) = (written.compressed_size, written.uncompressed_size);
            encodings.push(Encoding::PLAIN);
        }
        let page = Page::DataPage {
            buf: data,
            num_values: rows,
            encoding: self.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let written = pages.write_page(CompressedPage::new(page, size))?;
        metadata = metadata
            .set_encodings(encodings)
            .set_data_page_offset(signed(written.offset)?)
            .set_total_compressed_size(signed(compressed + written.compressed_size)?)
            .set_total_uncompressed_size(signed(uncompressed + written.uncompressed_size)?);
        if let Some(statistics) = self.statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let (front, last) = sink.into_inner()?.finish()?;
        let close = ColumnCloseResult {
            bytes_written: (front.len() + last.len()) as u64,
            rows_written: u64::from(rows),
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        let (front, close) = seal_around(&front, &last, close)?;
        Ok((Pieces::of([front.into(), last]), close))
    }

    /// The data and the dictionary as they stand in the file, and how they are packed: not at all if one of them would
    /// shrink so far that a reader takes it for damaged.
    fn packed(&self, codec: &mut Codec) -> Result<(How, Bytes, Option<Bytes>)> {
        let is_sound = |packed: &Bytes, plain: &Bytes| plain.len() as u64 <= most_unpacked(packed.len() as u64);
        let plain = self.dictionary.as_ref().map(|(values, _)| values);
        let data = codec.compress(self.how, self.data.clone())?;
        let dictionary = plain.map(|values| codec.compress(self.how, values.clone())).transpose()?;
        if is_sound(&data, &self.data) && dictionary.iter().zip(plain).all(|(packed, plain)| is_sound(packed, plain)) {
            return Ok((self.how, data, dictionary));
        }
        Ok((How::Not, self.data.clone(), plain.cloned()))
    }
}

/// A size or offset as the format counts it.
fn signed(count: impl TryInto<i64>) -> Result<i64> {
    count.try_into().map_err(|_| ParquetError::General("a column chunk of more than 8 EiB".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::Type as Physical;
    use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type};
    use std::sync::Arc;

    /// A reader refuses pages that unpack to many times their size: what we write is none of them.
    #[test]
    fn nothing_is_packed_so_far_that_a_reader_refuses_it() {
        let kind = Type::primitive_type_builder("x", Physical::BYTE_ARRAY).build().unwrap();
        let column = Arc::new(ColumnDescriptor::new(Arc::new(kind), 0, 0, ColumnPath::new(vec!["x".to_owned()])));
        let mut codec = Codec::new().unwrap();
        for (bytes, expected) in [(1 << 20, How::Zstd), (65 << 20, How::Not)] {
            let chunk = Chunk {
                column: Arc::clone(&column),
                rows: 8,
                how: How::Zstd,
                dictionary: Some((Bytes::from(vec![b'y'; bytes]), 1)),
                encoding: Encoding::RLE_DICTIONARY,
                data: Bytes::from_static(&[0, 16, 0]),
                statistics: None,
            };
            let (how, data, dictionary) = chunk.packed(&mut codec).unwrap();
            let packed = dictionary.unwrap().len() as u64;
            assert!(how == expected && bytes as u64 <= most_unpacked(packed), "{how:?}: {packed} of {bytes}");
            assert_eq!(data == chunk.data, how == How::Not);
        }
    }
}
