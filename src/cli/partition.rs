//! `remargin partition`: a snapshot cut into buckets of whole accounts.

use super::common::MemoryArgs;
use super::exit;
use super::terminal::{self, Terminal};
use clap::Args;
use remargin::Result;
use remargin::partition::{PartitionRequest, partition};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Example:
  remargin partition snapshot --buckets 64 --out buckets
  remargin run buckets/bucket-00007 --out out-00007

Each bucket is a snapshot of its own. The bucket of an account is `pmod(xxhash64(account_id), N)` of Spark SQL, fixed
and noted with its version in `buckets/manifest.json`.";

/// Cuts a snapshot into buckets of whole accounts, for more than one machine
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct PartitionArgs {
    /// Folder with `snapshot.toml` and one table a file
    snapshot: PathBuf,
    /// Number of buckets, from 1 to 4096
    ///
    /// A few for each core that will work on them, so that the slowest is no burden, and none so large that it does
    /// not fit a worker: a million positions take about 160 MiB,
    /// results included.
    #[arg(long, value_name = "N")]
    buckets: u32,
    /// Folder to write; must not exist unless --force
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace an existing partition
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    memory: MemoryArgs,
}

impl PartitionArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let request = PartitionRequest {
            snapshot: self.snapshot.clone(),
            out: self.out.clone(),
            buckets: self.buckets,
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
