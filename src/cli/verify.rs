//! `remargin verify`: whether a finished run still is what it says.

use super::common::{MemoryArgs, TextFormat};
use super::exit;
use super::terminal::{self, Terminal};
use clap::Args;
use remargin::Result;
use remargin::verify::{self, Sample, VerifyRequest};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin verify out
  remargin verify out --all --format json | jq .differences
  remargin verify archive/out --snapshot archive/book --sample 10000 --seed 7

Hashes every output and every input that is still there, reconciles the counts and totals of summary.json with the
manifest, the tables and the snapshot, and derives a sample of accounts again: from the snapshot, under the rules that
the manifest holds, by the reference model, which shares no formula with the one that wrote the run. Every column of
accounts and risk_units is compared at nine digits, in every scenario.

Exit code 0: agrees; 1: differs, with file, row, column and both values; 2: the snapshot is not there, so that nothing
can be derived (--sample 0 does without); 3: DIR is no finished run.";

/// Whether a finished run still is what it says: hashes, counts, and a sample of accounts derived again
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct VerifyArgs {
    /// Folder of a finished run
    dir: PathBuf,
    /// Where the snapshot is now [default: where the run found it]
    #[arg(long, value_name = "DIR")]
    snapshot: Option<PathBuf>,
    /// How many accounts to derive again
    #[arg(long, value_name = "N", default_value_t = 1000)]
    sample: usize,
    /// Derive every account again
    #[arg(long, conflicts_with = "sample")]
    all: bool,
    /// Which accounts are in the sample: the same for the same number
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Form of the answer on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
    #[command(flatten)]
    memory: MemoryArgs,
}

impl VerifyArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let request = VerifyRequest {
            run: self.dir.clone(),
            snapshot: self.snapshot.clone(),
            sample: if self.all { Sample::All } else { Sample::Accounts(self.sample) },
            seed: self.seed,
            memory_limit: self.memory.limit(),
        };
        let found = verify::verify(&request, terminal)?;
        terminal.finish();
        terminal::print(&match self.format {
            TextFormat::Text => found.to_text(),
            TextFormat::Json => format!("{:#}\n", found.to_json()?),
        })?;
        if found.agrees() {
            return Ok(exit::DONE);
        }
        terminal.error(format_args!("`{}` is not what it says: {} difference(s)", self.dir.display(), found.differing));
        Ok(exit::BREAKS)
    }
}
