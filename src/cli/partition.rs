//! `remargin partition`: partitions a snapshot into buckets of whole accounts.

use super::common::{MemoryArgs, parse_grouping, parse_number};
use super::exit;
use super::terminal::{self, Terminal};
use clap::Args;
use remargin::Result;
use remargin::book::Grouping;
use remargin::partition::{PartitionRequest, partition};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Example:
  remargin partition data/sample --buckets 8 --out buckets
  remargin run buckets/bucket-00003 --out out-00003

Each bucket is a complete snapshot. The bucket of an account is `pmod(xxhash64(account_id), N)` as in Spark SQL. This
layout never changes; its version is in `buckets/manifest.json`.";

/// Partitions a snapshot into buckets of whole accounts, for several machines
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct PartitionArgs {
    /// Folder with `snapshot.toml` and one file per table
    snapshot: PathBuf,
    /// Number of buckets, from 1 to 4096
    ///
    /// Use a few per worker core, to balance the load, and enough that each bucket fits the memory of a worker: a
    /// million positions take about 160 MiB, results included.
    #[arg(long, value_name = "N", value_parser = parse_number::<u32>)]
    buckets: u32,
    /// Columns of the table `accounts` that accounts will be grouped by, such as `desk` or `desk,region`; repeatable
    ///
    /// They go along into the buckets. Other columns that are not read stay behind.
    #[arg(long = "by", value_name = "COLUMNS", value_parser = parse_grouping)]
    by: Vec<Grouping>,
    /// Folder to write; must not exist unless --force
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Replace an existing partition
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub memory: MemoryArgs,
}

impl PartitionArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let request = PartitionRequest {
            snapshot: self.snapshot.clone(),
            out: self.out.clone(),
            buckets: self.buckets,
            groups: self.by.clone(),
            force: self.force,
            memory_limit: self.memory.limit(),
        };
        let done = partition(&request, terminal)?;
        let rows = |table: &str| {
            let files = done.buckets.iter().flat_map(|bucket| &bucket.files);
            let name = format!("{table}.parquet");
            terminal::grouped(files.filter(|file| file.path == name).filter_map(|file| file.rows).sum())
        };
        terminal.note(format_args!(
            "wrote {}: {} buckets, {} positions, {} balances",
            self.out.display(),
            terminal::grouped(u64::from(self.buckets)),
            rows("positions"),
            rows("balances"),
        ));
        Ok(exit::DONE)
    }
}
