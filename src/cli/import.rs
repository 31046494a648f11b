//! `remargin import okx`: converts saved responses of the exchange to a snapshot.

use super::exit;
use super::generate::InputFormat;
use super::terminal::Terminal;
use clap::{Args, Subcommand};
use remargin::Result;
use remargin::import::okx::{self, ImportRequest};
use remargin::memory::MemoryLimit;
use std::collections::BTreeMap;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Example:
  remargin import okx data/okx-sample --out snapshot";

const OKX_AFTER_HELP: &str = "\
Examples:
  remargin import okx data/okx-sample --out snapshot
  remargin run snapshot --out out
  remargin reconcile out --against data/okx-sample

FOLDER contains responses of the API (`*.json`, `*.jsonl`, `*.ndjson`, also with `.gz`), one or more files per endpoint,
recognised by their content:
  contracts  public/instruments (SWAP, FUTURES, OPTION, SPOT, MARGIN)
  prices     public/mark-price, market/index-tickers, public/opt-summary
  rules      public/discount-rate-interest-free-quota, public/position-tiers (of a currency, saved with its `ccy`)
  accounts   account/balance, account/positions, account/config, trade/orders-pending; without balance and positions
             also account/position-builder or account/account-position-risk
Each account has a sub-folder. Its name is the uid of its account/config, else the name of the sub-folder. Of several
answers of an account the latest one holds, by its time or by a date in its file name.

The snapshot gets `import.json`, which counts every row (used, or set aside and why) and lists missing data with the
endpoint that returns it, and `rules.toml` if the responses contain discount or borrow tiers. `snapshot.toml` names it,
so that every command uses it.

Exit code 4: the snapshot is written, but accounts in it cannot be margined; with --strict also if there is a warning,
a row was set aside for a reason that a sound folder does not have, or a file was not read.";

/// Converts responses saved from an exchange to a snapshot
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

/// Converts saved OKX v5 REST responses to a snapshot
#[derive(Args)]
#[command(after_help = OKX_AFTER_HELP)]
struct OkxArgs {
    /// Folder of the responses (sub-folders included), or one file
    folder: PathBuf,
    /// Snapshot folder to write; must not exist unless --force
    #[arg(short, long, value_name = "SNAPSHOT")]
    out: PathBuf,
    /// Format of the tables; figures stay decimal strings in all of them
    #[arg(long, default_value = "csv")]
    format: InputFormat,
    /// Valuation time, such as 2026-01-15T08:00:00Z [default: the latest time of the responses]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of: Option<i64>,
    /// Interpolate the volatility of options whose mark implies none from the smile of their expiry
    ///
    /// Linear in log strike, constant outside; needs two other options of the expiry. The column `vol_source` of
    /// `marks` is `interpolated` in these rows.
    #[arg(long)]
    interpolate_vol: bool,
    /// End with exit code 4 if there is a warning, a file was not read, or a row was set aside for a reason that a
    /// sound folder does not have
    ///
    /// Such reasons are `other_type`, `isolated`, `other_price_order`, `nameless_tiers` and `malformed`; a file that is
    /// of no known endpoint counts too. Warnings: positions of some instrument types alone, account answers more than
    /// an hour older or newer than the prices.
    #[arg(long)]
    strict: bool,
    /// Replace an existing snapshot folder
    #[arg(long)]
    force: bool,
    /// Memory limit, such as `512MiB` or `4GB` [default: three fifths of the machine's memory]
    ///
    /// Answers are held in memory, at about 32 times their size (without gzip). If they do not fit, the exit code is 6.
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<MemoryLimit>,
}

fn parse_time(text: &str) -> Result<i64, String> {
    let time: jiff::Timestamp = text.parse().map_err(|error| format!("{error}; expected 2026-01-15T08:00:00Z"))?;
    Ok(time.as_millisecond())
}

/// How many accounts cannot be margined, and the first few with their reasons.
fn unmargined(accounts: &BTreeMap<String, String>) -> String {
    const SHOWN: usize = 3;
    let named = accounts.iter().take(SHOWN).map(|(id, why)| format!("`{id}`: {why}"));
    let more = accounts.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    let what = if accounts.len() == 1 { "account" } else { "accounts" };
    format!("{} {what} cannot be margined: {}{rest}", accounts.len(), named.collect::<Vec<_>>().join("; "))
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
        let limit = args.memory_limit.unwrap_or_else(MemoryLimit::of_machine);
        let imported = okx::import_within(&request, limit, terminal)?;
        terminal.note(imported.to_text());
        let out = args.out.display();
        terminal.note(format_args!("wrote {out}"));
        if imported.rules {
            terminal.note(format_args!("commands use its rules: {}", args.out.join(okx::RULES_FILE).display()));
        }
        let (unmarginable, is_incomplete) = (&imported.unmarginable, args.strict && imported.is_incomplete());
        if !unmarginable.is_empty() {
            terminal.error(
                exit::TOO_MANY_REJECTS,
                format_args!(
                    "{}\n  hint:     {} lists them and what is missing",
                    unmargined(unmarginable),
                    args.out.join("import.json").display()
                ),
            );
        }
        if is_incomplete {
            terminal.error(
                exit::TOO_MANY_REJECTS,
                format_args!(
                    "not everything was used, or there are warnings (--strict): see `set_aside_reasons`, \
                     `ignored_files` and `warnings` in {}",
                    args.out.join("import.json").display()
                ),
            );
        }
        Ok(if unmarginable.is_empty() && !is_incomplete { exit::DONE } else { exit::TOO_MANY_REJECTS })
    }
}
