//! A Parquet file with page checksums: the parquet crate writes row groups to memory, then checksums are added.

use crate::checksum::seal::seal_row_group;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::Compression;
use parquet::errors::Result;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use std::io::Write;
use std::sync::Arc;

/// A file during writing. [`SealedWriter::close`] completes it.
pub(crate) struct SealedWriter<W: Write + Send> {
    layout: ArrowWriter<Vec<u8>>,
    /// Bytes of the layout already discarded, and number of copied row groups.
    discarded: u64,
    copied: usize,
    sealed: SerializedFileWriter<W>,
}

/// What all such files have in common. A page index would point beside the pages once they have checksums.
pub(crate) fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
}

impl<W: Write + Send> SealedWriter<W> {
    /// Starts a file with [`properties`], and perhaps more; they must not request a page index.
    pub fn new(file: W, schema: &SchemaRef, properties: WriterProperties) -> Result<Self> {
        let root = ArrowSchemaConverter::new().convert(schema)?.root_schema_ptr();
        let sealed = SerializedFileWriter::new(file, root, Arc::new(properties.clone()))?;
        // Without the Arrow schema in its metadata the file is plain Parquet, the same for every reader.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let layout = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(schema), options)?;
        Ok(Self { layout, discarded: 0, copied: 0, sealed })
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.layout.write(batch)?;
        if self.layout.flushed_row_groups().len() > self.copied {
            self.layout.sync()?;
            let groups = self.layout.flushed_row_groups().to_vec();
            self.copy(&groups)?;
        }
        Ok(())
    }

    fn copy(&mut self, groups: &[RowGroupMetaData]) -> Result<()> {
        let bytes = std::mem::take(self.layout.inner_mut());
        for group in groups.iter().skip(self.copied) {
            let mut copy = self.sealed.next_row_group()?;
            for (bytes, close) in seal_row_group(&bytes, self.discarded, group)? {
                copy.append_column(&bytes, close)?;
            }
            copy.close()?;
        }
        self.copied = groups.len();
        self.discarded += bytes.len() as u64;
        Ok(())
    }

    /// Completes the file, and hands it back.
    pub fn close(mut self) -> Result<W> {
        let metadata = self.layout.finish()?;
        self.layout.sync()?;
        self.copy(metadata.row_groups())?;
        self.sealed.into_inner()
    }
}
