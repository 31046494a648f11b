//! `remargin reconcile`: compares a finished run with the exchange's own figures.

use super::common::{TextFormat, parse_number};
use super::exit;
use super::terminal::{self, Terminal};
use clap::Args;
use remargin::Result;
use remargin::reconcile::{self, ReconcileRequest};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin import okx data/okx-sample --out snapshot
  remargin run snapshot --out out
  remargin reconcile out --against data/okx-sample
  remargin reconcile out --against data/okx-sample --tolerance 1e-6 --format json | jq .comparisons

FILE is a saved response of account/position-builder, account/account-position-risk or account/balance, or a folder of
them as `remargin import okx` reads it, with one sub-folder per account.

Exit code 0: every figure agrees; 1: there are breaks, which are listed (or the comparison failed, as stderr says).";

/// Compares a finished run with the exchange's own figures
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ReconcileArgs {
    /// Folder of a finished run
    dir: PathBuf,
    /// The exchange's figures: a saved response, or a folder of responses
    #[arg(long, value_name = "FILE")]
    against: PathBuf,
    /// The account of a response that does not state one [default: the only account of the run]
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// Relative tolerance: figures that differ by less agree
    #[arg(long, value_name = "X", default_value = "1e-9", value_parser = parse_tolerance)]
    tolerance: f64,
    /// Absolute tolerance, in the unit of the figure: USD, coins or a ratio
    #[arg(long, value_name = "X", default_value = "1e-9", value_parser = parse_tolerance)]
    abs_tolerance: f64,
    /// Format of the result on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
}

fn parse_tolerance(text: &str) -> Result<f64, String> {
    match parse_number::<f64>(text) {
        Ok(tolerance) if (0.0..f64::INFINITY).contains(&tolerance) => Ok(tolerance),
        _ => Err("expected a number of 0 or more, such as 1e-9".to_owned()),
    }
}

impl ReconcileArgs {
    /// True if the result is JSON on stdout.
    pub fn answers_json(&self) -> bool {
        self.format == TextFormat::Json
    }

    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let request = ReconcileRequest {
            run: self.dir.clone(),
            against: self.against.clone(),
            account: self.account.clone(),
            tolerance: self.tolerance,
            abs_tolerance: self.abs_tolerance,
        };
        let found = reconcile::reconcile(&request, terminal)?;
        terminal.finish();
        terminal::print(&match self.format {
            TextFormat::Text => found.to_text(),
            TextFormat::Json => format!("{:#}\n", found.to_json()?),
        })?;
        if found.breaks > 0 {
            terminal.error(exit::BREAKS, format_args!("{} figure(s) differ from the exchange's", found.breaks));
            return Ok(exit::BREAKS);
        }
        Ok(exit::DONE)
    }
}
