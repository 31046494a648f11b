//! Tables that are not sorted, brought to disk by ranges of account ids, so that they can stream all the same.
//!
//! Two passes: a sample of the ids tells where to cut, then each row goes to the file of its range as it was read,
//! with its number. The files have no name: whatever ends the process, they are gone.

use super::decode::{Decoder, Rows};
use crate::book::Grouping;
use crate::cells::arrays;
use crate::formats::Column;
use crate::formats::batch::Batch;
use crate::formats::scan::{Opened, scan};
use crate::progress::Progress;
use crate::snapshot::schema::Table;
use crate::source::Source;
use crate::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};
use std::path::Path;
use std::sync::Arc;

/// How a table is brought to disk.
#[derive(Debug, Clone, Copy)]
pub struct Spill<'a> {
    /// Folder of the files.
    pub place: &'a Path,
    /// Rows of a file, about.
    pub rows: u64,
}

/// Files that are open at once, for one table.
const MOST_BUCKETS: u64 = 300;
/// Rows of which one is looked at to see where to cut.
const SAMPLED: usize = 61;
const BUFFER_BYTES: usize = 1 << 14;
/// The column that tells the number of a row in its table.
const ROW: &str = "remargin.row";
const ACCOUNT_ID: &str = "account_id";

/// A table on disk, one file for each range of account ids, in order.
pub(super) struct Spilled {
    pub buckets: Vec<Bucket>,
    /// Rows of each file of the table.
    pub file_rows: Vec<u64>,
}

/// The rows of a range of account ids.
pub(super) struct Bucket {
    source: Arc<Path>,
    file: File,
    pub rows: u64,
}

fn failed(error: &ArrowError) -> Error {
    Error::Runtime(format!("cannot bring a table to disk: {error}"))
}

impl Spilled {
    pub fn new(
        table: Table,
        source: &Source,
        spill: Spill,
        groups: &[Grouping],
        progress: &dyn Progress,
    ) -> Result<Self> {
        let cuts = cuts(table, source, spill.rows, progress)?;
        let mut writers: Vec<Writer> = Vec::new();
        for _ in 0..=cuts.len() {
            let file =
                tempfile::tempfile_in(spill.place).map_err(|err| Error::io("create a file in", spill.place, err))?;
            writers.push(Writer { file, stream: None, rows: 0 });
        }
        let columns = table.columns_by(groups);
        let file_rows = scan(
            Opened::new(source, &columns)?,
            progress,
            |pieces: &mut Vec<(usize, RecordBatch)>, batch| {
                pieces.extend(distribute(&columns, batch, &cuts)?);
                Ok(())
            },
            |pieces| pieces.iter().try_for_each(|(bucket, rows)| writers[*bucket].write(rows)),
        )?;
        let name: Arc<Path> = source.files.first().map_or_else(|| Path::new("").into(), |file| file.path().into());
        let buckets = writers.into_iter().map(|writer| writer.finish(&name)).collect::<Result<_>>()?;
        Ok(Self { buckets, file_rows })
    }
}

/// The account ids at which a range ends and the next begins.
fn cuts(table: Table, source: &Source, rows: u64, progress: &dyn Progress) -> Result<Vec<String>> {
    let mut sample: Vec<String> = Vec::new();
    let id_alone = &table.columns()[..1];
    let file_rows = scan(
        Opened::new(source, id_alone)?,
        progress,
        |ids: &mut Vec<String>, batch| {
            let column = batch.text(ACCOUNT_ID)?;
            ids.extend((0..batch.rows).step_by(SAMPLED).filter_map(|row| column.get(row).map(str::to_owned)));
            Ok(())
        },
        |ids| {
            sample.extend(ids);
            Ok(())
        },
    )?;
    sample.sort_unstable();
    let all: u64 = file_rows.iter().sum();
    let buckets = all.div_ceil(rows.max(1)).clamp(1, MOST_BUCKETS) as usize;
    let mut cuts: Vec<String> =
        (1..buckets).filter_map(|bucket| sample.get(bucket * sample.len() / buckets).cloned()).collect();
    cuts.dedup();
    Ok(cuts)
}

/// The rows of a batch by bucket, labels and ids as plain strings, each with its number.
fn distribute(columns: &[Column], batch: &Batch, cuts: &[String]) -> Result<Vec<(usize, RecordBatch)>> {
    let ids = batch.text(ACCOUNT_ID)?;
    let bucket = |row| ids.get(row).map_or(0, |id| cuts.partition_point(|cut| cut.as_str() <= id));
    let mut order: Vec<(u32, u32)> = (0..batch.rows).map(|row| (bucket(row) as u32, row as u32)).collect();
    order.sort_unstable();
    let indices = UInt32Array::from_iter_values(order.iter().map(|&(_, row)| row));
    let rows =
        plain(columns, batch).and_then(|rows| take_record_batch(&rows, &indices)).map_err(|error| failed(&error))?;
    let mut start = 0;
    let pieces = order.chunk_by(|a, b| a.0 == b.0).map(|piece| {
        start += piece.len();
        (piece[0].0 as usize, rows.slice(start - piece.len(), piece.len()))
    });
    Ok(pieces.collect())
}

fn plain(columns: &[Column], batch: &Batch) -> std::result::Result<RecordBatch, ArrowError> {
    let mut fields = vec![Field::new(ROW, DataType::UInt64, false)];
    let numbers = batch.first_row..batch.first_row + batch.rows as u64;
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from_iter_values(numbers))];
    for (name, array) in &batch.columns {
        let is_id = columns.iter().any(|column| column.name == name && column.is_text());
        let array =
            if is_id { arrays::strings(array).map(|ids| Arc::new(ids) as ArrayRef) } else { arrays::plain(array) };
        let array = array.map_err(ArrowError::CastError)?;
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

/// A bucket that is being written.
struct Writer {
    file: File,
    stream: Option<(SchemaRef, StreamWriter<BufWriter<File>>)>,
    rows: u64,
}

impl Writer {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        if self.stream.is_none() {
            let file = self.file.try_clone().map_err(|error| failed(&error.into()))?;
            let writer = StreamWriter::try_new(BufWriter::with_capacity(BUFFER_BYTES, file), rows.schema_ref());
            self.stream = Some((rows.schema(), writer.map_err(|error| failed(&error))?));
        }
        let Some((schema, writer)) = &mut self.stream else { return Ok(()) };
        if *schema != rows.schema() {
            let text = "the parts of a table have columns of different types, so the table cannot be brought to disk \
                        and would have to fit the memory limit";
            return Err(Error::Memory(text.to_owned()).hint("raise --memory-limit"));
        }
        writer.write(rows).map_err(|error| failed(&error))
    }

    fn finish(mut self, source: &Arc<Path>) -> Result<Bucket> {
        if let Some((_, writer)) = &mut self.stream {
            writer.finish().and_then(|()| writer.flush()).map_err(|error| failed(&error))?;
        }
        Ok(Bucket { source: Arc::clone(source), file: self.file, rows: self.rows })
    }
}

type NamedColumns = Vec<(String, ArrayRef)>;

impl Bucket {
    /// The rows in order of account and number, and their numbers. Rows without an account come first.
    pub fn read<R: Rows>(&self, decoder: &Decoder) -> Result<(R, Vec<u64>)> {
        let mut rows = R::default();
        if self.rows == 0 {
            return Ok((rows, Vec::new()));
        }
        let (columns, numbers) = self.sorted().map_err(|error| failed(&error))?;
        let count = numbers.len();
        let file = Arc::clone(&self.source);
        rows.read(&Batch { file, first_row: 1, rows: count, rows_ahead: count as u64, columns }, decoder)?;
        Ok((rows, numbers))
    }

    fn sorted(&self) -> std::result::Result<(NamedColumns, Vec<u64>), ArrowError> {
        let mut file = &self.file;
        file.rewind()?;
        let reader = StreamReader::try_new(BufReader::with_capacity(1 << 18, file), None)?;
        let schema = reader.schema();
        let batches = reader.collect::<std::result::Result<Vec<_>, _>>()?;
        let all = concat_batches(&schema, &batches)?;
        drop(batches);
        let column = |name: &str| {
            all.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("`{name}` is not there any more")))
        };
        let (ids, numbers) = (column(ACCOUNT_ID)?.as_string::<i32>(), column(ROW)?.as_primitive::<UInt64Type>());
        let key = |row: u32| (id_at(ids, row as usize), numbers.value(row as usize));
        let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
        order.sort_unstable_by(|&a, &b| key(a).cmp(&key(b)));
        let numbers = order.iter().map(|&row| numbers.value(row as usize)).collect();
        let sorted = take_record_batch(&all, &UInt32Array::from(order))?;
        let mut columns = Vec::new();
        for (field, array) in sorted.schema_ref().fields().iter().zip(sorted.columns()).skip(1) {
            // A name is looked up once for each value of a dictionary.
            let named = field.data_type() == &DataType::Utf8 && ["inst_id", "ccy"].contains(&field.name().as_str());
            let array = if named { arrays::dictionary(array) } else { Ok(Arc::clone(array)) };
            columns.push((field.name().clone(), array.map_err(ArrowError::CastError)?));
        }
        Ok((columns, numbers))
    }
}

/// A missing id and an empty one are the same.
fn id_at(ids: &StringArray, row: usize) -> &str {
    if ids.is_valid(row) { ids.value(row) } else { "" }
}
