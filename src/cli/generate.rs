//! `remargin generate`: a synthetic snapshot.

use super::common::parse_number;
use super::exit;
use super::terminal::{self, Terminal};
use clap::{Args, ValueEnum};
use remargin::generate::{self, GenerateRequest};
use remargin::source::Format;
use remargin::{Error, Result};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Example:
  remargin generate --accounts 10000 --seed 7 --out snapshot
  remargin run snapshot --out out

The same accounts, seed and mean give the same snapshot on every machine.";

/// Generates a synthetic, realistic book of any size
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct GenerateArgs {
    /// Number of accounts
    #[arg(long, value_name = "N", value_parser = parse_number::<u64>)]
    accounts: u64,
    /// Mean number of positions per account
    #[arg(long, value_name = "MEAN", default_value_t = 10.0, value_parser = parse_number::<f64>)]
    positions_per_account: f64,
    /// Seed of the random numbers
    #[arg(long, value_name = "S", value_parser = parse_number::<u64>)]
    seed: u64,
    /// Snapshot folder to write; must not exist unless --force
    #[arg(short, long, value_name = "SNAPSHOT")]
    out: PathBuf,
    /// Format of the tables
    #[arg(long, default_value = "parquet")]
    format: InputFormat,
    /// Replace an existing snapshot folder
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum InputFormat {
    Parquet,
    Arrow,
    Csv,
}

impl From<InputFormat> for Format {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Parquet => Self::Parquet,
            InputFormat::Arrow => Self::Arrow,
            InputFormat::Csv => Self::Csv,
        }
    }
}

impl GenerateArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        if !(self.positions_per_account.is_finite() && self.positions_per_account >= 0.0) {
            let mean = self.positions_per_account;
            return Err(Error::Usage(format!("`--positions-per-account {mean}` must be a number of 0 or more")));
        }
        let request = GenerateRequest {
            accounts: self.accounts,
            positions_per_account: self.positions_per_account,
            seed: self.seed,
            out: self.out.clone(),
            format: self.format.into(),
            force: self.force,
        };
        let done = generate::generate(&request, terminal)?;
        terminal.note(format_args!(
            "wrote {}: {} accounts, {} positions, {} balances, {} instruments",
            self.out.display(),
            terminal::grouped(done.accounts),
            terminal::grouped(done.positions),
            terminal::grouped(done.balances),
            terminal::grouped(done.instruments),
        ));
        Ok(exit::DONE)
    }
}
