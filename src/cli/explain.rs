//! `remargin explain`: every step of one account's margin.

use super::common::{DateArgs, MemoryArgs, RulesArgs};
use super::exit;
use super::terminal::{self, Terminal};
use clap::{Args, ValueEnum};
use remargin::{Result, explain};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin explain data/sample --account ID
  remargin explain data/sample --account ID --set risk_unit=merged --format json
  remargin explain data/sample --account ID --format okx | jq '.data[0].riskUnitData[].mr1Scenarios'";

/// Shows every step of one account's margin, for checking by hand
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ExplainArgs {
    /// Folder with `snapshot.toml` and one file per table
    snapshot: PathBuf,
    /// Account id
    #[arg(long, value_name = "ID")]
    account: String,
    /// Format of the result on stdout
    #[arg(long, default_value = "text")]
    format: ExplainFormat,
    #[command(flatten)]
    pub memory: MemoryArgs,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    date: DateArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExplainFormat {
    /// Text, figures rounded
    Text,
    /// JSON, figures in full
    Json,
    /// The response of the exchange's position builder, field by field
    Okx,
}

impl ExplainArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let rules = self.rules.load_for(&self.snapshot, terminal)?;
        let date = self.date.allow_rules_date;
        let expectations = self.date.known.expectations();
        let limit = self.memory.limit();
        let explanation =
            explain::explain(&self.snapshot, &self.account, &rules, date, &expectations, limit, terminal)?;
        terminal.finish();
        terminal::print(&match self.format {
            ExplainFormat::Text => explanation.to_text(),
            ExplainFormat::Json => format!("{:#}\n", explanation.to_json()?),
            ExplainFormat::Okx => format!("{:#}\n", explanation.to_okx()),
        })?;
        Ok(exit::DONE)
    }
}
