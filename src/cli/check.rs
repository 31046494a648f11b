//! `remargin check`: loads and validates a snapshot, and lists the rejected rows with their reasons.

use super::common::{MemoryArgs, RulesArgs, StrictArgs, TextFormat};
use super::exit;
use super::terminal::{self, Terminal};
use clap::Args;
use remargin::{Result, check};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin check data/sample
  remargin check data/sample --format json | jq .rejected

Exit code 0: a run would use every row (or --max-rejects allows the rest); 3: a table is broken;
4: more broken rows than allowed.";

/// Validates a snapshot: which rows would be rejected, and why
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct CheckArgs {
    /// Folder with `snapshot.toml` and one file per table
    snapshot: PathBuf,
    /// Format of the result on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
    #[command(flatten)]
    pub memory: MemoryArgs,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    strict: StrictArgs,
}

impl CheckArgs {
    /// True if the result is JSON on stdout.
    pub fn answers_json(&self) -> bool {
        self.format == TextFormat::Json
    }

    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let rules = self.rules.load_for(&self.snapshot, terminal)?;
        let request = self.strict.of(&self.snapshot).with_memory_limit(self.memory.limit());
        let findings = check::check(&request, &rules, terminal)?;
        terminal.finish();
        terminal::print(&match self.format {
            TextFormat::Text => findings.to_text(),
            TextFormat::Json => format!("{:#}\n", findings.to_json()?),
        })?;
        if let Some(broken) = findings.too_many_rejects {
            terminal.broken_rows(broken, "stdout lists them");
            return Ok(exit::TOO_MANY_REJECTS);
        }
        Ok(exit::DONE)
    }
}
