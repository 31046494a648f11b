//! Partitions a snapshot into buckets of whole accounts, each bucket a snapshot: `remargin partition`.
//!
//! ```text
//! DIR/manifest.json         hash, number of buckets, files with their rows and BLAKE3 hashes; written last
//! DIR/bucket-00000/         snapshot.toml, instruments, marks, indices   copied byte for byte
//!                           positions, balances, accounts                the rows of the accounts of this bucket
//! DIR/bucket-00001/ ...
//! ```
//!
//! All rows of an account are in the bucket of its id. So buckets can be margined on any machine and in any order, and
//! together they give the results of the whole snapshot. Rows keep their order: buckets of a sorted book are sorted.
//! Rows are not checked, and none is dropped. The column `row` keeps the original row number, so that a reject can be
//! found in the original table.
//!
//! Rows are partitioned here, not accounts: nothing is checked, so a table is scanned as it is, without the pieces of a
//! book. Memory is bounded by fewer buckets at once: the table is scanned again for the next ones.

mod bucket;

use crate::cells::time::timestamp;
use crate::memory::{MemoryLimit, Need};
use crate::progress::Progress;
use crate::publish::MANIFEST;
use crate::publish::hashed::{HashedFile, write_bytes};
use crate::publish::json::json;
use crate::publish::{OutputFile, OutputFolder};
use crate::snapshot::Table;
use crate::snapshot::raw::{OF_ACCOUNTS, RawRows, RawSnapshot};
use crate::source::Input;
use crate::{Error, Invalid, Result};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rayon::prelude::*;
use serde::Serialize;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use bucket::{HASH, LAYOUT_VERSION, SEED, bucket_of};

/// Most buckets. Each is an open file during partitioning.
pub const MOST_BUCKETS: u32 = 4096;

/// Rows of a row group: enough work for one reading thread, and little memory.
const ROW_GROUP: usize = 1 << 17;

/// What to partition.
#[derive(Debug, Clone)]
pub struct PartitionRequest {
    /// Folder of the snapshot.
    pub snapshot: PathBuf,
    /// Output folder, published complete or not at all.
    pub out: PathBuf,
    /// Number of buckets.
    pub buckets: u32,
    /// Replace an earlier partition in `out`.
    pub force: bool,
    /// How much memory may be resident. Results do not depend on it.
    pub memory_limit: MemoryLimit,
}

/// The content of `manifest.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Partition {
    /// Version of the program that wrote it.
    pub remargin: &'static str,
    /// How accounts are assigned to buckets.
    pub layout: Layout,
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: String,
    /// The source folder.
    pub snapshot: String,
    /// The buckets, in order.
    pub buckets: Vec<Bucket>,
}

/// How an account id is mapped to a bucket number.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Layout {
    /// Changes if an id may get another bucket.
    pub version: u32,
    /// The hash of the UTF-8 bytes of the id; a missing id is the empty text.
    pub hash: &'static str,
    /// Its seed.
    pub seed: u64,
    /// The hash as a signed number, modulo this, made non-negative: Spark's `pmod(xxhash64(account_id), buckets)`.
    pub buckets: u32,
}

/// One bucket.
#[derive(Debug, Clone, Serialize)]
pub struct Bucket {
    /// Its folder.
    pub path: String,
    /// The files with account rows, without `snapshot.toml` and the market tables.
    pub files: Vec<BucketFile>,
}

/// A file of a bucket.
#[derive(Debug, Clone, Serialize)]
pub struct BucketFile {
    /// Path in the folder of the bucket.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows, if it is part of a table.
    pub rows: Option<u64>,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: String,
}

/// Partitions a snapshot into buckets.
///
/// # Errors
/// [`Error::Usage`] if the number of buckets is out of range, or `out` cannot be written to; [`Error::Invalid`] if the
/// snapshot or one of its tables is broken; [`Error::Io`] and [`Error::Runtime`] if writing fails;
/// [`Error::Interrupted`]. After an error nothing is left behind.
pub fn partition(request: &PartitionRequest, progress: &dyn Progress) -> Result<Partition> {
    let buckets = request.buckets;
    if !(1..=MOST_BUCKETS).contains(&buckets) {
        return Err(Error::Usage(format!("{buckets} buckets: expected from 1 to {MOST_BUCKETS}")));
    }
    let folder = OutputFolder::create(&request.out, request.force, &[&request.snapshot])?;
    let snapshot = RawSnapshot::open(&request.snapshot)?;
    let mut cut: Vec<Bucket> = (0..buckets).map(|number| Bucket { path: name(number), files: Vec::new() }).collect();
    for bucket in &cut {
        create_dir(&folder.path().join(&bucket.path))?;
    }
    let done = cut_all(&snapshot, request, folder.path(), &mut cut, progress);
    snapshot.settle(done, progress)?;
    progress.check()?;
    let done = Partition {
        remargin: env!("CARGO_PKG_VERSION"),
        layout: Layout { version: LAYOUT_VERSION, hash: HASH, seed: SEED, buckets },
        as_of: timestamp(snapshot.as_of_ns())?,
        snapshot: request.snapshot.display().to_string(),
        buckets: cut,
    };
    write_bytes(folder.path(), MANIFEST, &json(MANIFEST, &done)?)?;
    folder.publish()?;
    Ok(done)
}

/// Buckets of a table of so many rows that are cut at once: each holds a row group until it is full.
fn at_once(request: &PartitionRequest, rows: u64) -> Result<u32> {
    const ROW_BYTES: u64 = 64;
    const WRITER_BYTES: u64 = 1 << 18;
    let waiting = (rows / u64::from(request.buckets) * 2 + 1).min(ROW_GROUP as u64);
    let bucket = waiting * ROW_BYTES + WRITER_BYTES;
    let (limit, threads) = (request.memory_limit, rayon::current_num_threads());
    let most = u32::try_from(limit.spare(0, threads, Need::BOOK) / bucket).unwrap_or(u32::MAX);
    if most == 0 {
        let need = Need::BOOK.keeping(bucket);
        return Err(limit.exceeded("not even one bucket can be cut", 0, threads, need));
    }
    Ok(most.min(request.buckets))
}

/// Fills the buckets.
fn cut_all(
    snapshot: &RawSnapshot,
    request: &PartitionRequest,
    folder: &Path,
    cut: &mut [Bucket],
    progress: &dyn Progress,
) -> Result<()> {
    copy_market(snapshot, &request.snapshot, folder, cut, progress)?;
    for table in OF_ACCOUNTS {
        if snapshot.files(table).is_some() {
            let most = at_once(request, snapshot.rows(table)?)?;
            for first in (0..request.buckets).step_by(most as usize) {
                let few = first..request.buckets.min(first + most);
                let files = cut_table(snapshot, table, folder, request.buckets, &few, progress)?;
                for (bucket, file) in cut.iter_mut().skip(first as usize).zip(files) {
                    bucket.files.push(described(file));
                }
            }
        }
    }
    Ok(())
}

fn name(bucket: u32) -> String {
    format!("bucket-{bucket:05}")
}

fn described(file: OutputFile) -> BucketFile {
    BucketFile { path: file.name, bytes: file.bytes, rows: file.rows, blake3: file.blake3 }
}

fn create_dir(path: &Path) -> Result<()> {
    std::fs::create_dir(path).map_err(|err| Error::io("create", path, err))
}

/// Copies `snapshot.toml`, the market and the scenarios into every bucket.
fn copy_market(
    snapshot: &RawSnapshot,
    from: &Path,
    to: &Path,
    buckets: &mut [Bucket],
    progress: &dyn Progress,
) -> Result<()> {
    let files = snapshot.market_files();
    progress.stage("market", "files", files.len() as u64);
    for file in files {
        progress.check()?;
        let bytes = file.read_whole(u64::MAX)?;
        let relative = file.path().strip_prefix(from).unwrap_or(file.path()).to_path_buf();
        let copy = |bucket: &mut Bucket| {
            let place = to.join(&bucket.path);
            if let Some(parent) = relative.parent().map(|parent| place.join(parent)).filter(|parent| !parent.is_dir()) {
                create_dir(&parent)?;
            }
            let written = write_bytes(&place, &relative.display().to_string(), &bytes)?;
            bucket.files.push(described(written));
            Ok::<_, Error>(())
        };
        buckets.par_iter_mut().try_for_each(copy)?;
        progress.advance(1);
    }
    Ok(())
}

/// A table of one bucket, being written.
struct Cut {
    writer: ArrowWriter<HashedFile>,
    schema: SchemaRef,
    rows: u64,
}

impl Cut {
    fn create(place: &Path, schema: &SchemaRef) -> Result<Self> {
        let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default());
        let properties = WriterProperties::builder()
            .set_compression(zstd)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_column_dictionary_enabled("account_id".into(), false);
        let options = ArrowWriterOptions::new().with_properties(properties.build());
        let writer = ArrowWriter::try_new_with_options(HashedFile::create(place)?, SchemaRef::clone(schema), options);
        Ok(Self { writer: writer.map_err(|error| failed(place, &error))?, schema: SchemaRef::clone(schema), rows: 0 })
    }
}

fn failed(place: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Runtime(format!("cannot write `{}`: {error}", place.display()))
}

/// Partitions a few buckets of one table; returns the files in the order of the buckets.
fn cut_table(
    snapshot: &RawSnapshot,
    table: Table,
    folder: &Path,
    buckets: u32,
    few: &Range<u32>,
    progress: &dyn Progress,
) -> Result<Vec<OutputFile>> {
    let file = format!("{}.parquet", table.name());
    let place = |bucket: usize| folder.join(name(few.start + bucket as u32)).join(&file);
    let mut cuts: Vec<Cut> = Vec::new();
    let fold = |local: &mut Vec<Vec<RecordBatch>>, rows: &RawRows| {
        local.resize_with(few.len(), Vec::new);
        for (bucket, rows) in split(rows, buckets, few)?.into_iter().enumerate() {
            local[bucket].extend(rows);
        }
        Ok(())
    };
    let write = |(bucket, (cut, batches)): (usize, (&mut Cut, Vec<RecordBatch>))| {
        for batch in batches {
            cut.rows += batch.num_rows() as u64;
            if *batch.schema_ref() != cut.schema {
                return Err(Invalid::new(format!(
                    "the parts of table `{}` have columns of different types",
                    table.name()
                ))
                .file(snapshot.files(table).and_then(<[Input]>::first).map_or(Path::new(""), Input::path))
                .value(batch.schema_ref().to_string())
                .expected(cut.schema.to_string())
                .into());
            }
            cut.writer.write(&batch).map_err(|error| failed(&place(bucket), &error))?;
        }
        Ok(())
    };
    snapshot.scan(table, progress, fold, |local| {
        let schema = local.iter().flatten().next().map(RecordBatch::schema);
        if let (Some(schema), true) = (schema, cuts.is_empty()) {
            cuts = (0..few.len()).map(|bucket| Cut::create(&place(bucket), &schema)).collect::<Result<_>>()?;
        }
        cuts.par_iter_mut().zip(local).enumerate().try_for_each(write)
    })?;
    if cuts.is_empty() {
        let schema = crate::snapshot::raw::schema_of(table);
        cuts = (0..few.len()).map(|bucket| Cut::create(&place(bucket), &schema)).collect::<Result<_>>()?;
    }
    let finish = |(bucket, Cut { writer, rows, .. }): (usize, Cut)| {
        let written = writer.into_inner().map_err(|error| failed(&place(bucket), &error))?;
        written.finish(file.clone(), Some(rows))
    };
    cuts.into_par_iter().enumerate().map(finish).collect()
}

/// The rows of each of a few buckets, in order; `None` for a bucket without rows.
fn split(rows: &RawRows, buckets: u32, few: &Range<u32>) -> Result<Vec<Option<RecordBatch>>> {
    let mut places: Vec<Vec<u32>> = vec![Vec::new(); few.len()];
    let (mut last, mut bucket) = (None, 0);
    for row in 0..rows.batch.num_rows() {
        let id = rows.account_id(row).unwrap_or_default();
        if last != Some(id) {
            (last, bucket) = (Some(id), bucket_of(id, buckets));
        }
        if few.contains(&bucket) {
            places[(bucket - few.start) as usize].push(row as u32);
        }
    }
    let take = |places: Vec<u32>| {
        let taken = (!places.is_empty()).then(|| take_record_batch(&rows.batch, &UInt32Array::from(places)));
        taken.transpose().map_err(|error| Error::Runtime(format!("cannot partition a table: {error}")))
    };
    places.into_iter().map(take).collect()
}
