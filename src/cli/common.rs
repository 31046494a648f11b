//! Flags that commands share, and what they mean to the library.

use clap::{Args, ValueEnum};
use remargin::memory::MemoryLimit;
use remargin::request::DistanceScope;
use remargin::rules::{self, LoadedRules};
use remargin::snapshot::{Expectations, MaxRejects};
use remargin::source::Format;
use remargin::{Error, Result};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Flags of every command.
#[derive(Args)]
#[command(next_help_heading = "Common options")]
pub struct GlobalArgs {
    /// Threads that compute and encode [default: all cores]
    ///
    /// Results do not depend on it. The polars joins that check the tables keep a pool of their own, which only the
    /// environment variable `POLARS_MAX_THREADS` bounds, read when the process starts.
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Progress on stderr: `auto` shows it on a terminal only
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub progress: When,
    /// Colour: `auto` uses it on a terminal only and honours `NO_COLOR`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Say nothing on stderr but errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Form of the log: lines for people, or one JSON object a line
    #[arg(long, global = true, value_name = "FORM", default_value = "text")]
    pub log_format: TextFormat,
    /// Log to stderr what is done; -vv and -vvv say more
    #[arg(long, short, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
}

/// When to do something that suits only a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// Which rules.
#[derive(Args)]
pub struct RulesArgs {
    /// Rules file that replaces the built-in `okx-pm2-2025-01`
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// One parameter by its dotted path, such as `risk_unit=merged` or `mr4.floor.major=0.012`; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl RulesArgs {
    /// The rules these flags ask for.
    pub fn load(&self) -> Result<LoadedRules> {
        rules::load(self.rules.as_deref(), &self.set)
    }
}

/// How strict to be with a snapshot.
#[derive(Args)]
pub struct StrictArgs {
    #[command(flatten)]
    pub date: DateArgs,
    /// Broken rows to tolerate before exit code 4: a number, or a share of the rows read such as `0.1%`
    ///
    /// Sound rows of an account that is left out because of a broken one are rejected too, but not counted here.
    #[arg(long, value_name = "N|P%", default_value = "0", value_parser = parse_max_rejects)]
    pub max_rejects: MaxRejects,
}

/// Which snapshots to accept.
#[derive(Args)]
pub struct DateArgs {
    /// Accept a snapshot that is dated before the rules came into force
    #[arg(long)]
    pub allow_rules_date: bool,
    #[command(flatten)]
    pub known: ExpectArgs,
}

/// How much memory to take.
#[derive(Args)]
pub struct MemoryArgs {
    /// Most memory to take, such as `512MiB` or `4GB` [default: three fifths of the machine's]
    ///
    /// Tables in Parquet that are sorted by account id take little, however long they are. Others are read whole if
    /// they fit, and are sorted on disk if not, in the folder of the output. Results do not depend on it.
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<MemoryLimit>,
}

impl MemoryArgs {
    /// The limit that was given, or that of the machine.
    pub fn limit(&self) -> MemoryLimit {
        self.memory_limit.unwrap_or_else(MemoryLimit::of_machine)
    }
}

/// What is known of a snapshot beforehand.
#[derive(Args)]
pub struct ExpectArgs {
    /// Refuse a snapshot of another hash than this one, which `remargin check` shows
    ///
    /// A file `checksums` in the folder, as `b3sum` writes it, is verified without this.
    #[arg(long, value_name = "HASH")]
    pub expect_hash: Option<String>,
    /// Refuse marks and indices whose `ts` is further than this from `as_of`, such as `90s` or `5m`
    ///
    /// A mark without a time is refused too. `indices` may lack the column `ts`.
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub max_mark_age: Option<Duration>,
    /// Reject a position or a balance worth more than this: contracts and coins may be mixed up
    #[arg(long, value_name = "USD")]
    pub max_notional_usd: Option<f64>,
}

impl ExpectArgs {
    /// The same for the library.
    pub fn expectations(&self) -> Expectations {
        Expectations {
            hash: self.expect_hash.clone(),
            max_mark_age: self.max_mark_age,
            max_notional_usd: self.max_notional_usd,
        }
    }
}

fn parse_age(text: &str) -> Result<Duration, String> {
    let age: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(age).map_err(|_| "an age is not negative".to_owned())
}

/// How tables are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OutputFormat {
    Parquet,
    Arrow,
    Csv,
}

impl From<OutputFormat> for Format {
    fn from(format: OutputFormat) -> Self {
        match format {
            OutputFormat::Parquet => Self::Parquet,
            OutputFormat::Arrow => Self::Arrow,
            OutputFormat::Csv => Self::Csv,
        }
    }
}

/// Whose distances from liquidation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DistanceArg {
    All,
    AtRisk,
    None,
}

impl From<DistanceArg> for DistanceScope {
    fn from(whose: DistanceArg) -> Self {
        match whose {
            DistanceArg::All => Self::All,
            DistanceArg::AtRisk => Self::AtRisk,
            DistanceArg::None => Self::None,
        }
    }
}

/// Text for people or JSON for programs, both on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    Text,
    Json,
}

fn parse_max_rejects(text: &str) -> Result<MaxRejects, String> {
    text.parse::<MaxRejects>().map_err(|error| error.to_string())
}

/// Sizes rayon's global pool. Polars' pool cannot be bounded from here: it reads the environment, and changing the
/// environment of a running process is unsafe.
pub fn start_threads(threads: Option<NonZeroUsize>) -> Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .build_global()
        .map_err(|error| Error::Runtime(format!("cannot start {threads} threads: {error}")))
}
