//! Arrow IPC files, batch by batch.

use super::batch::{Batch, guarded, project};
use super::schema::Column;
use super::source::unreadable;
use crate::{Invalid, Result};
use arrow::ipc::reader::FileReader;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8] = b"ARROW1";

/// An opened file.
pub(super) struct Batches {
    file: Arc<Path>,
    reader: FileReader<BufReader<File>>,
    next_row: u64,
}

impl Batches {
    /// Reads the footer and checks the columns.
    pub fn open(file: &Path, columns: &[Column]) -> Result<Self> {
        let mut input = File::open(file).map_err(|error| unreadable(file, &error))?;
        check_layout(file, &mut input)?;
        let again = input.try_clone().map_err(|error| unreadable(file, &error))?;
        let whole = guarded(file, || FileReader::try_new(BufReader::new(again), None))?;
        let schema = whole.schema();
        let found: Vec<_> = schema.fields().iter().map(|field| (field.name().as_str(), field.data_type())).collect();
        let places = project(file, columns, &found)?;
        let reader = guarded(file, || FileReader::try_new(BufReader::new(input), Some(places)))?;
        Ok(Self { file: file.into(), reader, next_row: 1 })
    }

    pub fn next(&mut self) -> Result<Option<Batch>> {
        let Some(batch) = guarded(&self.file, || self.reader.next().transpose())? else { return Ok(None) };
        let names = batch.schema_ref().fields().iter().map(|field| field.name().clone());
        let columns = names.zip(batch.columns().iter().cloned()).collect();
        let (first_row, rows) = (self.next_row, batch.num_rows());
        self.next_row += rows as u64;
        Ok(Some(Batch { file: Arc::clone(&self.file), first_row, rows, rows_ahead: rows as u64, columns }))
    }
}

/// Refuses streams, and footers that point outside the file: the library would ask for the memory they claim.
fn check_layout(file: &Path, input: &mut File) -> Result<()> {
    let io = |error: std::io::Error| unreadable(file, &error);
    let damaged = |problem: &str| Invalid::new(problem).file(file).expected("an Arrow IPC file, also called Feather 2");
    let bytes = input.metadata().map_err(io)?.len();
    let mut head = [0; 6];
    if bytes < 20 {
        return Err(damaged("the file is too short").into());
    }
    input.read_exact(&mut head).map_err(io)?;
    if head != MAGIC {
        return Err(damaged("not an Arrow IPC file").hint("an IPC stream must be written as a file").into());
    }
    let mut tail = [0; 10];
    input.seek(SeekFrom::Start(bytes - 10)).map_err(io)?;
    input.read_exact(&mut tail).map_err(io)?;
    let [a, b, c, d, ..] = tail;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if tail[4..] != *MAGIC || length > bytes - 18 {
        return Err(damaged("the file has no end: it was cut off or never closed").into());
    }
    let mut footer = vec![0; length as usize];
    input.seek(SeekFrom::Start(bytes - 10 - length)).map_err(io)?;
    input.read_exact(&mut footer).map_err(io)?;
    let inside = guarded(file, || {
        let footer = arrow::ipc::root_as_footer(&footer).map_err(|error| error.to_string())?;
        let blocks = footer.recordBatches().into_iter().flatten().chain(footer.dictionaries().into_iter().flatten());
        Ok::<_, String>(blocks.into_iter().all(|block| {
            let lengths = i128::from(block.metaDataLength()) + i128::from(block.bodyLength());
            let end = i128::from(block.offset()) + lengths;
            block.offset() >= 0 && block.metaDataLength() >= 0 && block.bodyLength() >= 0 && end <= i128::from(bytes)
        }))
    })?;
    if !inside {
        return Err(damaged("damaged footer: a block lies outside the file").into());
    }
    input.rewind().map_err(io)
}
