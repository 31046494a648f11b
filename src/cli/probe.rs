//! `remargin probe okx`: what-if portfolios whose answers tell the exchange's parameters.

use super::exit;
use super::terminal::{self, Terminal};
use clap::{Args, Subcommand};
use remargin::Result;
use remargin::probe::{self, ProbeRequest};
use remargin::rules;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Example:
  remargin probe okx data/sample --out probes";

const OKX_AFTER_HELP: &str = "\
Examples:
  remargin probe okx data/sample --out probes
  remargin probe okx data/sample --rules okx-pm2-2025-12 --out probes-2025-12

Each numbered file of the folder is the body of one request of POST /api/v5/account/position-builder. Nothing is
ordered. `python -m remargin.okx capture --out saved --probes probes` sends them, and `remargin calibrate okx probes`
reads the answers. README.md in the folder says what each request tells.";

/// Writes what-if portfolios whose answers tell the exchange's parameters
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ProbeCommand {
    #[command(subcommand)]
    exchange: Exchange,
}

#[derive(Subcommand)]
enum Exchange {
    Okx(OkxArgs),
}

/// Writes request bodies of OKX's position builder
#[derive(Args)]
#[command(after_help = OKX_AFTER_HELP)]
struct OkxArgs {
    /// Snapshot whose contracts and prices are used: `snapshot.toml` and one file per table
    snapshot: PathBuf,
    /// Folder to write; must not exist
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Rules whose classes and tables say where to look: a file, or the name of a built-in set
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

impl ProbeCommand {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let Exchange::Okx(args) = &self.exchange;
        let rules = rules::load(args.rules.as_deref(), &[])?.rules;
        let request = ProbeRequest { snapshot: args.snapshot.clone(), out: args.out.clone(), rules };
        let count = probe::probe(&request)?;
        let count = terminal::grouped(u64::try_from(count).unwrap_or(u64::MAX));
        terminal.note(format_args!("wrote {}: {count} requests, and README.md", args.out.display()));
        Ok(exit::DONE)
    }
}
