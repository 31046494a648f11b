//! A snapshot cut into buckets of whole accounts, each a snapshot of its own: `remargin partition`.
//!
//! ```text
//! DIR/manifest.json         hash, number of buckets, files with their rows and BLAKE3 hashes; written last
//! DIR/bucket-00000/         snapshot.toml, instruments, marks, indices   as they are, byte for byte
//!                           positions, balances, accounts                the rows of the accounts of this bucket
//! DIR/bucket-00001/ ...
//! ```
//!
//! Every row of an account is in the bucket of its id, so that buckets can be margined anywhere and in any order, by
//! anything that margins a snapshot, and together give what the whole snapshot gives. Rows keep their order: buckets
//! of a sorted book are sorted. They are not checked and none is dropped; the column `row` has the number that a row
//! had, so that a reject can be found in the table it came from.
//!
//! Rows are what is cut here, not accounts: nothing is judged, so a table is scanned as it lies, without the pieces of a
//! book. Memory is bounded by cutting fewer buckets at once: a table is scanned again for the next ones.

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

/// Most buckets: each is a file that is open while a table is cut.
pub const MOST_BUCKETS: u32 = 4096;

/// Rows of a row group: enough work for a reading thread, little memory.
const ROW_GROUP: usize = 1 << 17;

/// What to cut.
#[derive(Debug, Clone)]
pub struct PartitionRequest {
    /// Folder of the snapshot.
    pub snapshot: PathBuf,
    /// Folder to write; it appears whole or not at all.
    pub out: PathBuf,
    /// Number of buckets.
    pub buckets: u32,
    /// Replace an earlier partition at `out`.
    pub force: bool,
    /// How much memory may be resident. Results do not depend on it.
    pub memory_limit: MemoryLimit,
}

/// `manifest.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Partition {
    /// Version of the program that wrote it.
    pub remargin: &'static str,
    /// Which account goes where.
    pub layout: Layout,
    /// Valuation time, RFC 3339 in UTC.
    pub as_of: String,
    /// The folder that was cut.
    pub snapshot: String,
    /// The buckets, in order.
    pub buckets: Vec<Bucket>,
}

/// How an account id becomes the number of a bucket.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Layout {
    /// Changes if the same id could land in another bucket.
    pub version: u32,
    /// The hash of the UTF-8 bytes of the id; a missing id is the empty text.
    pub hash: &'static str,
    /// Its seed.
    pub seed: u64,
    /// The hash as a signed number, modulo this, not negative: Spark's `pmod(xxhash64(account_id), buckets)`.
    pub buckets: u32,
}

/// One bucket.
#[derive(Debug, Clone, Serialize)]
pub struct Bucket {
    /// Its folder.
    pub path: String,
    /// Rows of each table of accounts, `snapshot.toml` and the tables of the market without.
    pub files: Vec<BucketFile>,
}

/// A file of a bucket.
#[derive(Debug, Clone, Serialize)]
pub struct BucketFile {
    /// Below the folder of the bucket.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows, if it was cut out of a table.
    pub rows: Option<u64>,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: String,
}

/// Cuts a snapshot into buckets.
///
/// # Errors
/// [`Error::Usage`] if there are no buckets or too many, or `out` cannot be written to; [`Error::Invalid`] if the
/// snapshot or a table of it is broken; [`Error::Io`] and [`Error::Runtime`] if writing fails; [`Error::Interrupted`].
/// With an error nothing is left behind.
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
    copy_market(&snapshot, &request.snapshot, folder.path(), &mut cut, progress)?;
    for table in OF_ACCOUNTS {
        if snapshot.files(table).is_some() {
            let most = at_once(request, snapshot.rows(table)?)?;
            for first in (0..buckets).step_by(most as usize) {
                let few = first..buckets.min(first + most);
                let files = cut_table(&snapshot, table, folder.path(), buckets, &few, progress)?;
                for (bucket, file) in cut.iter_mut().skip(first as usize).zip(files) {
                    bucket.files.push(described(file));
                }
            }
        }
    }
    progress.check()?;
    let done = Partition {
        remargin: env!("CARGO_PKG_VERSION"),
        layout: Layout { version: LAYOUT_VERSION, hash: HASH, seed: SEED, buckets },
        as_of: timestamp(snapshot.as_of_ns)?,
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
    let mut files = vec![snapshot.manifest.clone()];
    let market =
        [Table::Instruments, Table::Marks, Table::Indices].into_iter().filter_map(|table| snapshot.files(table));
    files.extend(market.flatten().cloned());
    if let Some(shocks) = crate::snapshot::find_shocks(from)? {
        files.extend(if shocks.is_dir() { crate::source::parts_of(&shocks)? } else { vec![shocks] });
    }
    progress.stage("market", "files", files.len() as u64);
    for file in files {
        progress.check()?;
        let bytes = std::fs::read(&file).map_err(|err| Error::io("read", &file, err))?;
        let relative = file.strip_prefix(from).unwrap_or(&file).to_path_buf();
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

/// A table of one bucket that is being written.
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

/// Cuts a few buckets of one table; the files in the order of the buckets.
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
                .file(snapshot.files(table).and_then(<[PathBuf]>::first).cloned().unwrap_or_default())
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

/// The rows of each of a few buckets, in their order; `None` for a bucket that has none.
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
        taken.transpose().map_err(|error| Error::Runtime(format!("cannot cut a table: {error}")))
    };
    places.into_iter().map(take).collect()
}
