//! `remargin run`: the margin of every account, written to a folder.

use super::common::{DistanceArg, MemoryArgs, OutputFormat, RulesArgs, StrictArgs, TextFormat};
use super::exit;
use super::terminal::Terminal;
use clap::{Args, ValueEnum};
use remargin::run::{self, RunRequest};
use remargin::{Result, totals};
use std::ffi::OsString;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin run data/sample --out out
  remargin run data/sample --out merged --set risk_unit=merged --format csv
  remargin run data/sample --out out --shocks scenarios.csv
  remargin run data/sample --out out --distance at-risk
  remargin run data/sample --out out --force --summary json | jq .accounts.by_status
  remargin run data/sample --out out --force --max-rejects 0.1% --fail-on liquidation

`out` appears whole or not at all; its manifest.json is written last.";

/// The end-of-day run: every account at the snapshot's market
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct RunArgs {
    /// Folder with `snapshot.toml` and one table a file
    snapshot: PathBuf,
    /// Folder to write; must not exist unless --force
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Price scenarios beside the base case: a table of `scenario, base, price, vol, fx_ccy, fx, days`
    ///
    /// Adds rows for every account and scenario. `remargin stress` sums scenarios up instead.
    #[arg(long, value_name = "FILE")]
    shocks: Option<PathBuf>,
    /// Whose distances from liquidation to search: which price moves bring the margin ratio to 1
    ///
    /// Costs thousands of times as much as an account's margin. Writes the table `distances`, and fills the last
    /// columns of `at_risk`.
    #[arg(long, value_name = "WHOSE", default_value = "none")]
    distance: DistanceArg,
    /// Format of the tables
    #[arg(long, default_value = "parquet")]
    format: OutputFormat,
    /// Replace an existing output folder
    #[arg(long)]
    force: bool,
    /// Form of the summary: a table on stderr, or summary.json on stdout
    #[arg(long, value_name = "FORM", default_value = "text")]
    summary: TextFormat,
    /// Leave out `report.html`
    #[arg(long)]
    no_report: bool,
    #[command(flatten)]
    memory: MemoryArgs,
    /// End with exit code 5 if accounts are in this state
    #[arg(long, value_name = "STATE")]
    fail_on: Option<FailOn>,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    strict: StrictArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FailOn {
    Liquidation,
}

impl RunArgs {
    pub fn execute(&self, args: &[OsString], terminal: &Terminal) -> Result<u8> {
        let request = RunRequest {
            snapshot: self.snapshot.clone(),
            out: self.out.clone(),
            shocks: self.shocks.clone(),
            distance: self.distance.into(),
            rules: self.rules.load()?,
            expectations: self.strict.date.known.expectations(),
            allow_rules_date: self.strict.date.allow_rules_date,
            format: self.format.into(),
            force: self.force,
            report: !self.no_report,
            max_rejects: self.strict.max_rejects,
            memory_limit: self.memory.limit(),
            command_line: args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect(),
        };
        let outcome = run::run(&request, terminal)?;
        match self.summary {
            TextFormat::Text => terminal.summary(&totals::summary_table(&outcome.summary)),
            TextFormat::Json => terminal.result(&outcome.summary.to_json()?)?,
        }
        terminal.note(format_args!("wrote {}", self.out.display()));
        if outcome.too_many_rejects {
            terminal.too_many_rejects(&self.out);
            return Ok(exit::TOO_MANY_REJECTS);
        }
        let in_liquidation = outcome.summary.accounts.by_status.liquidation;
        if matches!(self.fail_on, Some(FailOn::Liquidation)) && in_liquidation > 0 {
            terminal.error(format_args!("accounts in `liquidation`: {in_liquidation}"));
            return Ok(exit::IN_LIQUIDATION);
        }
        Ok(exit::DONE)
    }
}
