//! Column chunks of which we lay out the pages ourselves, in the terms of the Parquet format.

use super::pieces::{Gathered, Pieces};
use crate::checksum::seal::seal_around;
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
        let data = codec.compress(self.how, self.data)?;
        let mut sink = TrackedWrite::new(Gathered::around(data.clone()));
        let mut pages = SerializedPageWriter::new(&mut sink);
        let mut metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(self.how.compression()?)
            .set_num_values(i64::from(rows));
        let (mut compressed, mut uncompressed) = (0, 0);
        let mut encodings = vec![Encoding::RLE, self.encoding];
        if let Some((values, count)) = self.dictionary {
            let plain_size = values.len();
            let buf = codec.compress(self.how, values)?;
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
}

/// A size or offset as the format counts it.
fn signed(count: impl TryInto<i64>) -> Result<i64> {
    count.try_into().map_err(|_| ParquetError::General("a column chunk of more than 8 EiB".into()))
}
