//! `remargin verify`: checks that a finished run agrees with its manifest and its snapshot.

use super::common::{MemoryArgs, TextFormat, parse_number};
use super::exit;
use super::terminal::{self, Terminal};
use clap::Args;
use remargin::Result;
use remargin::signature::{self, PublicKeySource};
use remargin::verify::{self, Sample, VerifyRequest};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin run data/sample --out out
  remargin verify out
  remargin verify out --all --format json | jq .differences
  remargin verify out --snapshot data/sample --sample 100 --seed 7
  remargin sign --generate-key risk.key
  remargin sign out --key risk.key
  remargin verify out --pubkey risk.key.pub

Hashes every output and every input that still exists, and names files that do not belong to the run. Computes the whole
run again from the snapshot, under the rules in the manifest, and compares every cell of every table, every field of
summary.json and report.html. Compares counts and totals with the manifest, the tables and the snapshot. Recalculates
1,000 accounts with the reference model, which shares no formula with the model that wrote the run: every column of
accounts and risk_units is compared to nine digits, in every scenario.

Not derived from anything, and so not checked without a signature: the manifest's version, command line, threads and
timings. With --pubkey or -P the manifest must have the signature of that key (see `remargin sign --help`).

--sample N skips the whole run and recalculates N accounts only: faster, and for runs of another version.

Exit code 0: agrees; 1: differs, with file, row, column and both values; 2: the snapshot is missing, so nothing can be
recalculated (--sample 0 does not need it); 3: DIR is not a finished run.";

/// Checks a finished run: hashes, files, counts, and every output computed again
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct VerifyArgs {
    /// Folder of a finished run
    dir: PathBuf,
    /// Current folder of the snapshot [default: as recorded in the run]
    #[arg(long, value_name = "DIR")]
    snapshot: Option<PathBuf>,
    /// Recalculate only N accounts, with the reference model, instead of the whole run; 0: hashes and counts only
    #[arg(long, value_name = "N", value_parser = parse_number::<usize>)]
    sample: Option<usize>,
    /// Recalculate every account with the reference model too (slow), not only 1,000
    #[arg(long, conflicts_with = "sample")]
    all: bool,
    /// Seed of the sample: the same number gives the same accounts
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_number::<u64>)]
    seed: u64,
    /// Folder in which the run is computed again; removed at the end [default: the system's]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// File of the public key that must have signed the manifest
    #[arg(long, value_name = "FILE")]
    pubkey: Option<PathBuf>,
    /// The same key as text
    #[arg(short = 'P', long, value_name = "KEY", conflicts_with = "pubkey")]
    pubkey_text: Option<String>,
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
            rebuild: self.sample.is_none(),
            sample: if self.all { Sample::All } else { Sample::Accounts(self.sample.unwrap_or(1000)) },
            seed: self.seed,
            memory_limit: self.memory.limit(),
            temp: self.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        };
        let file = self.pubkey.clone().map(PublicKeySource::Stored);
        let key = file.or(self.pubkey_text.clone().map(PublicKeySource::Text));
        let signature = key.map(|key| signature::check(&self.dir, &key)).transpose()?;
        let mut found = verify::verify(&request, terminal)?;
        if let Some(signature) = signature {
            found = found.with_signature(signature);
        }
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
