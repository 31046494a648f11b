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
//! found in the original table. Columns that are not read stay behind, but for those of `accounts` to group by.
//!
//! Rows are partitioned here, not accounts: nothing is checked, so a table is scanned as it is, without the pieces of a
//! book. Memory is bounded by fewer buckets at once: the table is scanned again for the next ones.

mod bucket;
mod cut;
mod waiting;

use crate::book::Grouping;
use crate::cells::time::timestamp;
use crate::memory::MemoryLimit;
use crate::progress::Progress;
use crate::publish::MANIFEST;
use crate::publish::hashed::write_bytes;
use crate::publish::json::json;
use crate::publish::{OutputFile, OutputFolder};
use crate::snapshot::raw::{OF_ACCOUNTS, RawSnapshot};
use crate::{Error, Result};
use cut::Cutter;
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};

pub use bucket::{HASH, LAYOUT_VERSION, SEED, bucket_of};

/// Most buckets. Each may be an open file during partitioning.
pub const MOST_BUCKETS: u32 = 4096;

/// What to partition.
#[derive(Debug, Clone)]
pub struct PartitionRequest {
    /// Folder of the snapshot.
    pub snapshot: PathBuf,
    /// Output folder, published complete or not at all.
    pub out: PathBuf,
    /// Number of buckets.
    pub buckets: u32,
    /// How accounts will be put together: the attributes go along as columns of `accounts`.
    pub groups: Vec<Grouping>,
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
    let snapshot = RawSnapshot::open(&request.snapshot, &request.groups)?;
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
            let cutter = Cutter::new(snapshot, table, folder, request)?;
            let mut first = 0;
            while first < request.buckets {
                let files = cutter.cut(first, progress)?;
                for (bucket, file) in cut.iter_mut().skip(first as usize).zip(files) {
                    bucket.files.push(described(file));
                    first += 1;
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
