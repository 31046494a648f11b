//! `remargin explain`: every step of one account's margin.

use super::common::{DateArgs, MemoryArgs, RulesArgs};
use super::exit;
use super::terminal::{self, Terminal};
use clap::{Args, ValueEnum};
use remargin::Result;
use remargin::explain::{self, ExplainRequest};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin explain data/sample --account A00000130
  remargin explain data/sample --account A00000130 --distance
  remargin explain data/sample --account A00000130 --set risk_unit=merged --format json
  remargin explain data/sample --account A00000130 --format okx | jq '.data[0].riskUnitData[].mr1Scenarios'";

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
    /// Search the price moves that bring the account into liquidation too: of each coin, and of all together
    #[arg(long)]
    distance: bool,
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
        let expectations = self.date.known.expectations();
        let request = ExplainRequest {
            snapshot: &self.snapshot,
            account_id: &self.account,
            rules: &rules,
            allow_rules_date: self.date.allow_rules_date,
            expectations: &expectations,
            memory_limit: self.memory.limit(),
            distances: self.distance,
        };
        let explanation = explain::explain_as(&request, terminal)?;
        terminal.finish();
        terminal::print(&match self.format {
            ExplainFormat::Text => explanation.to_text(),
            ExplainFormat::Json => format!("{:#}\n", explanation.to_json()?),
            ExplainFormat::Okx => format!("{:#}\n", explanation.to_okx()),
        })?;
        Ok(exit::DONE)
    }
}
