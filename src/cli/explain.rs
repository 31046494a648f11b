//! `remargin explain`: every step of one account's margin.

use super::common::{DateArgs, RulesArgs, TextFormat};
use super::exit;
use super::terminal::{self, Terminal};
use clap::Args;
use remargin::{Result, explain};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin explain data/sample --account ID
  remargin explain data/sample --account ID --set risk_unit=merged --format json";

/// Every step of one account's margin, as a person would check it
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ExplainArgs {
    /// Folder with `snapshot.toml` and one table a file
    snapshot: PathBuf,
    /// The account
    #[arg(long, value_name = "ID")]
    account: String,
    /// Form of the answer on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    date: DateArgs,
}

impl ExplainArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let rules = self.rules.load()?;
        let date = self.date.allow_rules_date;
        let explanation = explain::explain(&self.snapshot, &self.account, &rules, date, terminal)?;
        terminal.finish();
        terminal::print(&match self.format {
            TextFormat::Text => explanation.to_text(),
            TextFormat::Json => format!("{:#}\n", explanation.to_json()?),
        })?;
        Ok(exit::DONE)
    }
}
