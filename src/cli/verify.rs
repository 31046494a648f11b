//! `remargin verify`: checks that a finished run agrees with its manifest and its snapshot.

use super::common::{MemoryArgs, TextFormat, parse_number};
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

Hashes every output and every input that still exists, compares the counts and totals of summary.json with the
manifest, the tables and the snapshot, and recalculates a sample of accounts: from the snapshot, under the rules in the
manifest, with the reference model, which shares no formula with the model that wrote the run. Every column of accounts
and risk_units is compared to nine digits, in every scenario.

Exit code 0: agrees; 1: differs, with file, row, column and both values; 2: the snapshot is missing, so nothing can be
recalculated (--sample 0 does not need it); 3: DIR is not a finished run.";

/// Checks a finished run: hashes, counts, and a sample of accounts recalculated
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct VerifyArgs {
    /// Folder of a finished run
    dir: PathBuf,
    /// Current folder of the snapshot [default: as recorded in the run]
    #[arg(long, value_name = "DIR")]
    snapshot: Option<PathBuf>,
    /// Number of accounts to recalculate
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = parse_number::<usize>)]
    sample: usize,
    /// Recalculate every account
    #[arg(long, conflicts_with = "sample")]
    all: bool,
    /// Seed of the sample: the same number gives the same accounts
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_number::<u64>)]
    seed: u64,
    /// Format of the result on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
    #[command(flatten)]
    pub memory: MemoryArgs,
}

impl VerifyArgs {
    /// True if the result is JSON on stdout.
    pub fn answers_json(&self) -> bool {
        self.format == TextFormat::Json
    }

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
        terminal.error(
            exit::BREAKS,
            format_args!(
                "`{}` differs from its manifest or its snapshot: {} difference(s)",
                self.dir.display(),
                found.differing
            ),
        );
        Ok(exit::BREAKS)
    }
}
