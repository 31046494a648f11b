//! Cuts one table into buckets: rows wait by bucket until a row group of them is complete, within the memory limit.
//!
//! If the rows that wait do not fit, the last buckets of the pass are given up and left to a later one. Whatever is
//! given up, each bucket is written in the same steps, so that its bytes do not depend on the limit.

use super::waiting::Waiting;
use super::{PartitionRequest, bucket_of, name};
use crate::memory::{MemoryLimit, Need};
use crate::progress::Progress;
use crate::publish::hashed::HashedFile;
use crate::publish::{OutputFile, disk};
use crate::snapshot::Table;
use crate::snapshot::raw::{RawRows, RawSnapshot};
use crate::source::Input;
use crate::{Error, Invalid, Result};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Rows of a row group: enough work for one reading thread, and little memory.
const ROW_GROUP: usize = 1 << 17;
/// Bytes of a row that waits, about.
const ROW_BYTES: u64 = 96;
/// Bytes of a row that is decoded, with what it is decoded from.
const DECODED_ROW_BYTES: u64 = 128;
/// Bytes of a bucket in which rows wait, beside them.
const BUCKET_BYTES: u64 = 24 << 10;
/// Bytes of a file that is open: its buffer and what is known of its row groups.
const FILE_BYTES: u64 = 320 << 10;
/// Bytes of a row group that a thread encodes, with the rows that it joins for it.
const ENCODER_BYTES: u64 = 24 << 20;

/// One table that is cut.
pub(super) struct Cutter<'a> {
    snapshot: &'a RawSnapshot,
    table: Table,
    folder: &'a Path,
    buckets: u32,
    /// Bytes that may wait.
    budget: u64,
    /// Buckets that are begun in one pass.
    at_once: u32,
    /// Rows of a row group.
    row_group: usize,
    limit: MemoryLimit,
    need: Need,
}

/// Rows of a batch, and their places in order of their buckets.
struct Sorted {
    rows: RecordBatch,
    places: Vec<u32>,
    /// Of each bucket of the pass, where its places end.
    ends: Vec<u32>,
}

/// A table of one bucket, being written.
struct Cut {
    place: PathBuf,
    row_group: usize,
    waiting: Waiting,
    /// Begun with the first complete row group.
    writer: Option<ArrowWriter<HashedFile>>,
    /// Rows that were written.
    rows: u64,
    /// Bytes that are resident for it.
    bytes: u64,
}

impl<'a> Cutter<'a> {
    pub fn new(snapshot: &'a RawSnapshot, table: Table, folder: &'a Path, request: &PartitionRequest) -> Result<Self> {
        let (buckets, limit) = (request.buckets, request.memory_limit);
        let threads = rayon::current_num_threads();
        let decoded = snapshot.rows_at_once(table)?.saturating_mul(DECODED_ROW_BYTES);
        // Nothing is made of the rows: what is needed beside them is what an empty book needs.
        let need = Need::BOOK.of_rows(0).keeping(decoded.saturating_add(ENCODER_BYTES * threads as u64));
        let budget = limit.spare(0, threads, need);
        let waiting = (snapshot.rows(table)? / u64::from(buckets) + 1).min(ROW_GROUP as u64);
        let bucket = waiting * ROW_BYTES + if waiting < ROW_GROUP as u64 { BUCKET_BYTES } else { FILE_BYTES };
        if budget < bucket {
            return Err(limit.exceeded("not even one bucket can be cut", 0, threads, need.keeping(bucket)));
        }
        let at_once = u32::try_from(budget / bucket).unwrap_or(u32::MAX).clamp(1, buckets);
        Ok(Self { snapshot, table, folder, buckets, budget, at_once, row_group: ROW_GROUP, limit, need })
    }

    /// Fills as many buckets as memory allows, from the one with this number on; returns their files.
    pub fn cut(&self, first: u32, progress: &dyn Progress) -> Result<Vec<OutputFile>> {
        let few = self.at_once.min(self.buckets - first);
        let place = |number: u32| self.folder.join(name(number)).join(format!("{}.parquet", self.table.name()));
        let mut cuts: Vec<Cut> = (first..first + few).map(|number| Cut::new(place(number), self.row_group)).collect();
        let mut schema: Option<SchemaRef> = None;
        let fold = |local: &mut Vec<Sorted>, rows: &RawRows| {
            local.push(self.sorted(rows, first, few));
            Ok(())
        };
        self.snapshot.scan(self.table, progress, fold, |local: Vec<Sorted>| {
            for sorted in &local {
                let schema = schema.get_or_insert_with(|| sorted.rows.schema());
                self.check_types(&sorted.rows.schema(), schema)?;
            }
            cuts.par_iter_mut().enumerate().try_for_each(|(bucket, cut)| cut.add(bucket, &local))?;
            self.shrink(&mut cuts)
        })?;
        let schema = schema.unwrap_or_else(|| self.snapshot.schema_of(self.table));
        cuts.into_par_iter().map(|cut| cut.finish(&schema, self.table)).collect()
    }

    /// The rows of the buckets of a pass, in order of the buckets.
    fn sorted(&self, rows: &RawRows, first: u32, few: u32) -> Sorted {
        let (mut last, mut bucket) = (None, 0);
        let of_row = |row: usize| {
            let id = rows.account_id(row).unwrap_or_default();
            if last != Some(id) {
                (last, bucket) = (Some(id), bucket_of(id, self.buckets));
            }
            bucket
        };
        let numbers: Vec<u32> = (0..rows.batch.num_rows()).map(of_row).collect();
        let is_of_pass = |bucket: u32| bucket >= first && bucket - first < few;
        let mut ends = vec![0u32; few as usize];
        for &bucket in numbers.iter().filter(|&&bucket| is_of_pass(bucket)) {
            ends[(bucket - first) as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += std::mem::replace(end, sum);
        }
        let mut places = vec![0u32; sum as usize];
        for (row, &bucket) in numbers.iter().enumerate().filter(|&(_, &bucket)| is_of_pass(bucket)) {
            let end = &mut ends[(bucket - first) as usize];
            places[*end as usize] = row as u32;
            *end += 1;
        }
        Sorted { rows: rows.batch.clone(), places, ends }
    }

    fn check_types(&self, found: &SchemaRef, expected: &SchemaRef) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        let file = self.snapshot.files(self.table).and_then(<[Input]>::first).map_or(Path::new(""), Input::path);
        let problem = format!("the parts of table `{}` have columns of different types", self.table.name());
        Err(Invalid::new(problem).file(file).value(found.to_string()).expected(expected.to_string()).into())
    }

    /// Gives up the last buckets if what waits is more than fits.
    fn shrink(&self, cuts: &mut Vec<Cut>) -> Result<()> {
        let mut bytes: u64 = cuts.iter().map(|cut| cut.bytes).sum();
        if bytes <= self.budget {
            return Ok(());
        }
        // Some room, since those that stay go on to grow.
        while bytes > self.budget / 4 * 3 && cuts.len() > 1 {
            if let Some(last) = cuts.pop() {
                bytes = bytes.saturating_sub(last.bytes);
                last.give_up()?;
            }
        }
        if bytes > self.budget {
            let need = self.need.keeping(ROW_GROUP as u64 * ROW_BYTES + FILE_BYTES);
            let threads = rayon::current_num_threads();
            return Err(self.limit.exceeded("not even one bucket can be cut", 0, threads, need));
        }
        tracing::info!("{} bucket(s) fit the memory limit in this pass", cuts.len());
        Ok(())
    }
}

impl Cut {
    fn new(place: PathBuf, row_group: usize) -> Self {
        Self { place, row_group, waiting: Waiting::default(), writer: None, rows: 0, bytes: 0 }
    }

    /// Adds its rows of a row group; `bucket` is its place among those of the pass.
    fn add(&mut self, bucket: usize, local: &[Sorted]) -> Result<()> {
        for sorted in local {
            let from = if bucket == 0 { 0 } else { sorted.ends[bucket - 1] };
            let places = &sorted.places[from as usize..sorted.ends[bucket] as usize];
            self.waiting.add(&sorted.rows, places)?;
            while self.waiting.rows >= self.row_group {
                self.write(self.row_group, &sorted.rows.schema())?;
            }
        }
        self.waiting.settle()?;
        self.bytes = self.waiting.bytes() + if self.writer.is_some() { FILE_BYTES } else { 0 };
        Ok(())
    }

    /// Writes so many of the rows that wait.
    fn write(&mut self, rows: usize, schema: &SchemaRef) -> Result<()> {
        self.rows += rows as u64;
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => open(&self.place, schema, self.row_group)?,
        };
        let writer = self.writer.insert(writer);
        for rows in self.waiting.take(rows)? {
            writer.write(&rows).map_err(|error| failed(&self.place, &error))?;
        }
        Ok(())
    }

    fn finish(mut self, schema: &SchemaRef, table: Table) -> Result<OutputFile> {
        self.write(self.waiting.rows, schema)?;
        let writer = self.writer.take().ok_or_else(|| Error::Runtime("a bucket was not begun".into()))?;
        let written = writer.into_inner().map_err(|error| failed(&self.place, &error))?;
        written.finish(format!("{}.parquet", table.name()), Some(self.rows))
    }

    /// Leaves the bucket to a later pass.
    fn give_up(self) -> Result<()> {
        let Some(writer) = self.writer else { return Ok(()) };
        drop(writer);
        disk::remove_file(&self.place).map_err(|error| Error::io("remove", &self.place, error))
    }
}

fn open(place: &Path, schema: &SchemaRef, row_group: usize) -> Result<ArrowWriter<HashedFile>> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default());
    let properties = WriterProperties::builder()
        .set_compression(zstd)
        .set_max_row_group_row_count(Some(row_group))
        .set_column_dictionary_enabled("account_id".into(), false);
    let options = ArrowWriterOptions::new().with_properties(properties.build());
    let writer = ArrowWriter::try_new_with_options(HashedFile::create(place)?, SchemaRef::clone(schema), options);
    writer.map_err(|error| failed(place, &error))
}

fn failed(place: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Runtime(format!("cannot write `{}`: {error}", place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    const BUCKETS: u32 = 7;
    const NOTHING: Need = Need { piece: 0, ..Need::BOOK };

    /// The bytes of each bucket, and how many passes they took.
    fn cut(budget: u64, at_once: u32, row_group: usize) -> Result<(Vec<Vec<u8>>, usize)> {
        let snapshot = RawSnapshot::open(Path::new("data/sample"), &[])?;
        let place = tempfile::tempdir().unwrap();
        let (limit, buckets, folder) = (MemoryLimit::of_bytes(1 << 30), BUCKETS, place.path());
        (0..BUCKETS).for_each(|number| std::fs::create_dir(folder.join(name(number))).unwrap());
        let table = Table::Positions;
        let cutter =
            Cutter { snapshot: &snapshot, table, folder, buckets, budget, at_once, row_group, limit, need: NOTHING };
        let (mut files, mut passes) = (Vec::new(), 0);
        while files.len() < BUCKETS as usize {
            files.extend(cutter.cut(files.len() as u32, &Silent)?);
            passes += 1;
        }
        let read = |number: u32| std::fs::read(folder.join(name(number)).join("positions.parquet")).unwrap();
        let bytes: Vec<Vec<u8>> = (0..BUCKETS).map(read).collect();
        for (file, bytes) in files.iter().zip(&bytes) {
            assert_eq!(file.blake3, blake3::hash(bytes).to_hex().as_str());
        }
        Ok((bytes, passes))
    }

    #[test]
    fn bytes_do_not_depend_on_how_many_buckets_fit() {
        for row_group in [40, ROW_GROUP] {
            let (whole, passes) = cut(u64::MAX, BUCKETS, row_group).unwrap();
            assert_eq!(passes, 1);
            assert!(whole.iter().all(|bytes| bytes.len() > 1_000));
            let (few, passes) = cut(u64::MAX, 2, row_group).unwrap();
            assert!(few == whole && passes == 4);
            // All are begun, and the last ones given up, with what they have written.
            let fits = if row_group == 40 { 3 * FILE_BYTES + 100_000 } else { 100_000 };
            let (shrunk, passes) = cut(fits, BUCKETS, row_group).unwrap();
            assert!(shrunk == whole && passes > 1, "{passes} passes");
        }
    }

    #[test]
    fn a_bucket_that_does_not_fit_alone_is_refused() {
        let error = cut(1_000, BUCKETS, ROW_GROUP).unwrap_err();
        assert_eq!(error.exit_code(), 6);
        assert!(error.to_string().contains("not even one bucket can be cut"), "{error}");
    }
}
