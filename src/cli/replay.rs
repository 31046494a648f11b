//! `remargin replay`: repeats a run from its manifest and compares the outputs byte by byte.

use super::common::TextFormat;
use super::exit;
use super::terminal::{self, Terminal};
use clap::Args;
use remargin::Result;
use remargin::verify::replay::{self, ReplayRequest};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin run data/sample --out out
  remargin replay out/manifest.json
  remargin replay out/manifest.json --snapshot data/sample --temp-dir /tmp

Repeats the run with the recorded rules and flags on the same inputs, and compares every output except the manifest with
the file beside the manifest (or with its recorded hash, if the file is missing). Only the same version is guaranteed to
write the same bytes.

Exit code 0: same; 1: different, the differences are listed; 3: not a manifest, or an input is missing or has changed.";

/// Repeats a run from its manifest and compares the outputs byte by byte
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ReplayArgs {
    /// The manifest.json of a finished run, or its folder
    manifest: PathBuf,
    /// Current folder of the snapshot [default: as recorded in the run]
    #[arg(long, value_name = "DIR")]
    snapshot: Option<PathBuf>,
    /// Folder for the replayed run, which is removed at the end [default: the system's]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    /// Format of the result on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
}

impl ReplayArgs {
    /// True if the result is JSON on stdout.
    pub fn answers_json(&self) -> bool {
        self.format == TextFormat::Json
    }

    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let request = ReplayRequest {
            manifest: replay::manifest_in(&self.manifest),
            snapshot: self.snapshot.clone(),
            temp: self.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        };
        let found = replay::replay(&request, terminal)?;
        terminal.finish();
        terminal::print(&match self.format {
            TextFormat::Text => found.to_text(),
            TextFormat::Json => format!("{:#}\n", found.to_json()?),
        })?;
        if found.agrees() {
            return Ok(exit::DONE);
        }
        terminal.error(exit::BREAKS, format_args!("the replay of `{}` differs", request.manifest.display()));
        Ok(exit::BREAKS)
    }
}
