//! `remargin scenarios`: price scenarios out of a history, one for each window or drawn with its covariance.

use super::common::parse_number;
use super::exit;
use super::terminal::{Terminal, grouped};
use clap::{Args, Subcommand, ValueEnum};
use remargin::scenarios::{self, Draws, Fault, FromHistory, HistoryRequest, Horizon, Made, MonteCarloRequest};
use remargin::scenarios::{Proxy, Returns};
use remargin::{Error, Result};
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Example:
  remargin scenarios history data/scenarios/crypto-daily.csv --out shocks.parquet --proxy '*=BTC:1'";

const PRICES_HELP: &str = "
PRICES is a table (CSV, Parquet, Arrow) with a row for each time and coin: `time, base, price` and, where there are any,
`vol`; or candles saved from market/history-candles and its like, one file or a folder, with the instrument in the name
of the file (`market_history-candles_BTC-USDT.json`) or in `arg`.

The table that is written is what `remargin stress --shocks` reads; its column `origin` says where each row is from.";

const HISTORY_AFTER_HELP: &str = "\
Examples:
  remargin scenarios history data/scenarios/crypto-daily.csv --out shocks.parquet
  remargin scenarios history data/scenarios/crypto-daily.csv --out weekly.csv --horizon 1w --overlapping --filtered
  remargin scenarios history data/scenarios/crypto-daily.csv --out wide.csv --proxy SOL=BTC:1.4 --proxy '*=BTC:1'
";

const MONTECARLO_AFTER_HELP: &str = "\
Examples:
  remargin scenarios montecarlo data/scenarios/crypto-daily.csv --count 10_000 --seed 7 --out drawn.parquet
  remargin scenarios montecarlo data/scenarios/crypto-daily.csv --count 10_000 --seed 7 --df 4 --filtered --out t.csv

The same prices, flags and seed give the same scenarios on every machine. What PRICES may be, and what is written:
see `remargin scenarios history --help`.";

/// Makes price scenarios of a history of prices
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ScenariosCommand {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    History(HistoryArgs),
    Montecarlo(MonteCarloArgs),
}

/// One scenario for each window of a history
#[derive(Args)]
#[command(after_help = format!("{HISTORY_AFTER_HELP}{PRICES_HELP}"))]
struct HistoryArgs {
    /// A table of prices, a file of saved candles, or a folder of either
    prices: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    windows: WindowArgs,
}

/// Scenarios drawn at random with the covariance of a history, with means of zero
#[derive(Args)]
#[command(after_help = MONTECARLO_AFTER_HELP)]
struct MonteCarloArgs {
    /// A table of prices, a file of saved candles, or a folder of either
    prices: PathBuf,
    /// Number of scenarios, up to a million
    #[arg(long, value_name = "N", value_parser = parse_number::<u64>)]
    count: u64,
    /// Seed of the random numbers
    #[arg(long, value_name = "S", value_parser = parse_number::<u64>)]
    seed: u64,
    /// Draw from a Student t distribution with so many degrees of freedom, 3 to 1000 [default: normal]
    #[arg(long, value_name = "N", value_parser = parse_number::<u32>)]
    df: Option<u32>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    windows: WindowArgs,
}

#[derive(Args)]
struct TargetArgs {
    /// Table to write, by its name CSV, Parquet or Arrow; must not exist unless --force
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Replace an existing table of scenarios
    #[arg(long)]
    force: bool,
}

/// How a history becomes moves.
#[derive(Args)]
struct WindowArgs {
    /// Length of a window in hours, days or weeks, such as `8h`, `1d` or `2w`
    #[arg(long, value_name = "TIME", default_value_t = Horizon::DAY, value_parser = parse_horizon)]
    horizon: Horizon,
    /// A window ends at every price; without it each begins where the one before ends, counted back from the last price
    #[arg(long)]
    overlapping: bool,
    /// What a return is: an amount of money, a share of the price, or a logarithm
    #[arg(long, default_value = "log")]
    returns: ReturnsArg,
    /// Rescale each return to the volatility now, estimated by exponentially weighted squares of returns
    #[arg(long)]
    filtered: bool,
    /// Decay factor of the weights of --filtered, above 0 and below 1
    #[arg(long, value_name = "L", default_value_t = FromHistory::LAMBDA, value_parser = parse_number::<f64>,
          requires = "filtered")]
    lambda: f64,
    /// Whose moves a coin takes where it has no prices: `COIN=BTC:1.2`, or `COIN=BTC` to estimate beta; repeatable
    ///
    /// `*=BTC:1` adds the row `*`, which moves every coin without a row. `origin` marks each such row.
    #[arg(long, value_name = "COIN=OTHER[:BETA]", value_parser = parse_proxy)]
    proxy: Vec<Proxy>,
    /// Leave volatilities as they are
    #[arg(long)]
    no_vol: bool,
    /// Do not use prices before this day or time
    #[arg(long, value_name = "DATE", value_parser = parse_from)]
    from: Option<i64>,
    /// Windows that begin or end where a price is missing
    #[arg(long, value_name = "DO", default_value = "refuse")]
    gaps: GapsArg,
    /// Windows with a jump of a price, as at a split: refuse the history, leave them out, or mark their rows
    #[arg(long, value_name = "DO", default_value = "refuse")]
    jumps: FaultArg,
    /// Largest factor between two prices that follow one another, up or down
    #[arg(long, value_name = "FACTOR", default_value_t = FromHistory::LARGEST_JUMP, value_parser = parse_number::<f64>)]
    largest_jump: f64,
    /// Windows that begin or end where a price stands still
    #[arg(long, value_name = "DO", default_value = "refuse")]
    stale: FaultArg,
    /// So many equal prices in a row are stale
    #[arg(long, value_name = "N", default_value_t = FromHistory::STALE_ROWS, value_parser = parse_number::<u32>)]
    stale_rows: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReturnsArg {
    Absolute,
    Relative,
    Log,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum GapsArg {
    Refuse,
    Skip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FaultArg {
    Refuse,
    Skip,
    Mark,
}

impl From<FaultArg> for Fault {
    fn from(arg: FaultArg) -> Self {
        match arg {
            FaultArg::Refuse => Self::Refuse,
            FaultArg::Skip => Self::Skip,
            FaultArg::Mark => Self::Mark,
        }
    }
}

fn parse_horizon(text: &str) -> Result<Horizon, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn parse_proxy(text: &str) -> Result<Proxy, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn parse_from(text: &str) -> Result<i64, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time: jiff::Timestamp =
        whole.parse().map_err(|error| format!("{error}; expected 2026-01-15 or 2026-01-15T08:00:00Z"))?;
    i64::try_from(time.as_nanosecond()).map_err(|_| "a time out of range".to_owned())
}

impl WindowArgs {
    fn history_of(&self) -> FromHistory {
        FromHistory {
            horizon: self.horizon,
            overlapping: self.overlapping,
            returns: match self.returns {
                ReturnsArg::Absolute => Returns::Absolute,
                ReturnsArg::Relative => Returns::Relative,
                ReturnsArg::Log => Returns::Log,
            },
            lambda: self.filtered.then_some(self.lambda),
            vol: !self.no_vol,
            from_ns: self.from,
            proxies: self.proxy.clone(),
            gaps: match self.gaps {
                GapsArg::Refuse => Fault::Refuse,
                GapsArg::Skip => Fault::Skip,
            },
            jumps: self.jumps.into(),
            stale: self.stale.into(),
            largest_jump: self.largest_jump,
            stale_rows: self.stale_rows,
        }
    }
}

impl ScenariosCommand {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let (made, out) = match &self.kind {
            Kind::History(args) => {
                let request = HistoryRequest {
                    prices: args.prices.clone(),
                    out: args.target.out.clone(),
                    force: args.target.force,
                    from_history: args.windows.history_of(),
                };
                (scenarios::history(&request, terminal)?, &args.target.out)
            }
            Kind::Montecarlo(args) => {
                let request = MonteCarloRequest {
                    prices: args.prices.clone(),
                    out: args.target.out.clone(),
                    force: args.target.force,
                    from_history: args.windows.history_of(),
                    draws: Draws { count: args.count, seed: args.seed, df: args.df },
                };
                (scenarios::montecarlo(&request, terminal)?, &args.target.out)
            }
        };
        say(&made, out, terminal);
        Ok(exit::DONE)
    }
}

fn say(made: &Made, out: &Path, terminal: &Terminal) {
    terminal.note(made.to_text());
    terminal.note(format_args!("wrote {}: {} rows, blake3 {}", out.display(), grouped(made.rows), made.blake3));
}
