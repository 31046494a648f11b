//! `remargin init`: writes a snapshot to fill in.

use super::exit;
use super::terminal::Terminal;
use clap::Args;
use remargin::Result;
use remargin::generate::template;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Example:
  remargin init book
  remargin check book
  remargin run book --out out";

/// Writes a snapshot to fill in: one CSV file per table, each with two example rows
///
/// It can be margined as it is. `snapshot.toml` in it says what each file is for.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct InitArgs {
    /// Folder to write; must not exist
    snapshot: PathBuf,
}

impl InitArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let files = template::write(&self.snapshot)?;
        terminal.note(format_args!("wrote {}: {}", self.snapshot.display(), files.join(", ")));
        Ok(exit::DONE)
    }
}
