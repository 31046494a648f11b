//! `remargin import okx`: saved responses of an exchange become a snapshot.

use super::exit;
use super::generate::InputFormat;
use super::terminal::Terminal;
use clap::{Args, Subcommand};
use remargin::Result;
use remargin::import::okx::{self, ImportRequest};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Example:
  remargin import okx data/okx-sample --out snapshot";

const OKX_AFTER_HELP: &str = "\
Examples:
  remargin import okx data/okx-sample --out snapshot
  remargin run snapshot --rules snapshot/rules.toml --out out
  remargin reconcile out --against data/okx-sample

FOLDER holds responses of the API in its envelope, one or many files an endpoint, recognised by what is in them:
  contracts  public/instruments (SWAP, FUTURES, OPTION, SPOT, MARGIN)
  prices     public/mark-price, market/index-tickers, public/opt-summary
  rules      public/discount-rate-interest-free-quota, public/position-tiers (of a currency)
  accounts   account/balance, account/positions, account/config, trade/orders-pending; without balance and positions
             also account/position-builder or account/account-position-risk
Each account has a sub-folder; it is called by the uid of its account/config, else by the folder's name.

The snapshot gets `import.json`, which counts every row (used, or set aside and why) and lists what a margin lacks
with the endpoint that would supply it, and `rules.toml` where the responses say something that rules hold.";

/// Responses saved from an exchange become a snapshot
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ImportCommand {
    #[command(subcommand)]
    exchange: Exchange,
}

#[derive(Subcommand)]
enum Exchange {
    Okx(OkxArgs),
}

/// Saved OKX v5 REST responses
#[derive(Args)]
#[command(after_help = OKX_AFTER_HELP)]
struct OkxArgs {
    /// Folder of the responses (`*.json`, sub-folders included), or one file
    folder: PathBuf,
    /// Snapshot folder to write; must not exist unless --force
    #[arg(long, value_name = "SNAPSHOT")]
    out: PathBuf,
    /// Format of the tables; figures stay decimal strings in all of them
    #[arg(long, default_value = "csv")]
    format: InputFormat,
    /// Valuation time, such as 2026-01-15T08:00:00Z [default: the latest time of the responses]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of: Option<i64>,
    /// Give an option whose mark implies no volatility one from the smile of its expiry
    ///
    /// Straight lines in the logarithm of the strike, level beyond the outermost; needs two other options of the
    /// expiry. Such rows are marked `interpolated` in the column `vol_source` of `marks`.
    #[arg(long)]
    interpolate_vol: bool,
    /// Replace an existing snapshot folder
    #[arg(long)]
    force: bool,
}

fn parse_time(text: &str) -> Result<i64, String> {
    let time: jiff::Timestamp = text.parse().map_err(|error| format!("{error}; expected 2026-01-15T08:00:00Z"))?;
    Ok(time.as_millisecond())
}

impl ImportCommand {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let Exchange::Okx(args) = &self.exchange;
        let request = ImportRequest {
            folder: args.folder.clone(),
            out: args.out.clone(),
            format: args.format.into(),
            as_of_ms: args.as_of,
            interpolate_vol: args.interpolate_vol,
            force: args.force,
        };
        let imported = okx::import(&request, terminal)?;
        terminal.note(imported.to_text());
        let out = args.out.display();
        terminal.note(format_args!("wrote {out}"));
        if imported.rules {
            terminal.note(format_args!("margin it with: --rules {}", args.out.join(okx::RULES_FILE).display()));
        }
        Ok(exit::DONE)
    }
}
