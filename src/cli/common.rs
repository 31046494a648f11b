//! Flags that several commands share, converted for the library.

use super::terminal::Terminal;
use clap::{Args, ValueEnum};
use remargin::book::Grouping;
use remargin::error::Remedy;
use remargin::memory::MemoryLimit;
use remargin::request::{DistanceScope, SnapshotRequest};
use remargin::rules::{self, LoadedRules};
use remargin::snapshot::{Expectations, MarkCheck, MaxRejects, without_underscores};
use remargin::source::Format;
use remargin::{Error, Result};
use std::ffi::OsString;
use std::fmt::Display;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Flags of every command.
#[derive(Args)]
#[command(next_help_heading = "Common options")]
pub struct GlobalArgs {
    /// Number of threads that compute and encode [default: all cores]
    ///
    /// Results do not depend on it. At most four times the cores, and fewer where the memory limit is small.
    #[arg(long, global = true, value_name = "N", value_parser = parse_number::<NonZeroUsize>)]
    pub threads: Option<NonZeroUsize>,
    /// Progress on stderr: `auto` shows it on a terminal only
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub progress: When,
    /// Colour: `auto` uses it on a terminal only and respects `NO_COLOR`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Write only errors to stderr
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Format of the log: text lines, or one JSON object per line
    #[arg(long, global = true, value_name = "FORM", default_value = "text")]
    pub log_format: TextFormat,
    /// Log each step to stderr; -vv and -vvv log more
    #[arg(long, short, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
}

/// When to use a feature of terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// Selects the rules.
#[derive(Args)]
pub struct RulesArgs {
    /// Rules file, or the name of a built-in set (`remargin rules list`) [default: the file that `snapshot.toml` names
    /// as `rules`, else the set `okx-pm2-2025-01`]
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Set one parameter by its dotted key, such as `risk_unit=merged` or `mr4.floor.major=0.012`; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl RulesArgs {
    /// Loads the selected rules.
    pub fn load(&self) -> Result<LoadedRules> {
        rules::load(self.rules.as_deref(), &self.set)
    }

    /// The selected rules, else those that the snapshot names, which is said.
    pub fn load_for(&self, snapshot: &Path, terminal: &Terminal) -> Result<LoadedRules> {
        if self.rules.is_some() {
            return self.load();
        }
        rules::load(named_rules(snapshot, terminal)?.as_deref(), &self.set)
    }
}

/// The rules that a snapshot names, which is said.
pub fn named_rules(snapshot: &Path, terminal: &Terminal) -> Result<Option<PathBuf>> {
    let named = remargin::snapshot::rules_of(snapshot)?;
    if let Some(file) = &named {
        terminal.note(format_args!(
            "rules: {}, as the snapshot names them (--rules {} for the built-in ones)",
            file.display(),
            rules::BUILT_IN_NAME
        ));
    }
    Ok(named)
}

/// How to put accounts together.
#[derive(Args)]
pub struct GroupArgs {
    /// Columns of the table `accounts` to group accounts by, such as `desk` or `desk,region`; repeatable
    ///
    /// Writes the tables `groups`, `group_units` and `account_groups`, and a section of the page. A missing value, and
    /// an account without a row in `accounts`, is a group of its own.
    #[arg(long = "by", value_name = "COLUMNS", value_parser = parse_grouping)]
    pub by: Vec<Grouping>,
}

pub fn parse_grouping(text: &str) -> Result<Grouping, String> {
    text.parse::<Grouping>().map_err(|error| error.to_string())
}

/// How many broken rows to accept.
#[derive(Args)]
pub struct StrictArgs {
    #[command(flatten)]
    pub date: DateArgs,
    /// Broken rows to accept before exit code 4: a number, or a share of the rows read such as `0.1%`
    ///
    /// Not counted are valid rows of an account that is excluded because of a broken row, and broken instruments that
    /// nobody holds.
    #[arg(long, value_name = "N|P%", default_value = "0", value_parser = parse_max_rejects)]
    pub max_rejects: MaxRejects,
}

impl StrictArgs {
    /// A snapshot that is held to this.
    pub fn of(&self, dir: impl Into<PathBuf>) -> SnapshotRequest {
        SnapshotRequest::new(dir)
            .with_expectations(self.date.known.expectations())
            .with_rules_date_allowed(self.date.allow_rules_date)
            .with_max_rejects(self.max_rejects)
    }
}

/// The command line as it goes into a manifest.
pub fn command_line(args: &[OsString]) -> Vec<String> {
    args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect()
}

/// Which snapshot dates to accept.
#[derive(Args)]
pub struct DateArgs {
    /// Accept a snapshot dated before the rules came into force
    #[arg(long)]
    pub allow_rules_date: bool,
    #[command(flatten)]
    pub known: ExpectArgs,
}

/// How much memory to take.
#[derive(Args)]
pub struct MemoryArgs {
    /// Memory limit, such as `512MiB` or `4GB` [default: three fifths of the machine's memory]
    ///
    /// Parquet tables sorted by account id need little memory, whatever their length. Other tables are read completely
    /// if they fit, and otherwise sorted on disk, in the folder of the output. Results do not depend on it.
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<MemoryLimit>,
}

impl MemoryArgs {
    /// The limit that was given, or that of the machine.
    pub fn limit(&self) -> MemoryLimit {
        self.memory_limit.unwrap_or_else(MemoryLimit::of_machine)
    }
}

/// Expected properties of a snapshot.
#[derive(Args)]
pub struct ExpectArgs {
    /// Refuse a snapshot whose hash is not this one; `remargin check` shows the hash
    ///
    /// A file `checksums` in the folder, in the format of `b3sum`, is verified without this flag.
    #[arg(long, value_name = "HASH")]
    pub expect_hash: Option<String>,
    /// Refuse marks and indices whose `ts` is further than this from `as_of`, such as `90s` or `5m`
    ///
    /// A mark without a time is refused too. `indices` may have no column `ts`.
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub max_mark_age: Option<Duration>,
    /// Reject a position or a balance worth more than this; contracts and coins may have been mixed up
    #[arg(long, value_name = "USD", value_parser = parse_number::<f64>)]
    pub max_notional_usd: Option<f64>,
    /// How far a mark or a forward may lie from its index before it is rejected; `off` checks nothing
    ///
    /// It notices units that are mixed up. At the default of `50%`, a volatility may be up to 5 (500 %), and an
    /// option's mark must lie between its intrinsic value and its forward (call) or strike (put), and near its value at
    /// `mark_vol`; these bounds widen with the share.
    #[arg(long, value_name = "off|P%", default_value_t, value_parser = parse_mark_check)]
    pub mark_check: MarkCheck,
    /// Accept a snapshot without any position
    #[arg(long)]
    pub allow_empty: bool,
    /// Accept files and columns that are nearly called like those that are read, and do not read them
    #[arg(long)]
    pub allow_unknown: bool,
    /// Accept account ids that differ only by blanks, letter case, leading zeros or Unicode form
    #[arg(long)]
    pub allow_similar_ids: bool,
}

impl ExpectArgs {
    /// The flags converted for the library.
    pub fn expectations(&self) -> Expectations {
        Expectations {
            hash: self.expect_hash.clone(),
            max_mark_age: self.max_mark_age,
            max_notional_usd: self.max_notional_usd,
            mark_check: self.mark_check,
            allow_empty: self.allow_empty,
            allow_unknown: self.allow_unknown,
            allow_similar_ids: self.allow_similar_ids,
            read_before: Vec::new(),
        }
    }
}

/// The words of the command for what the library would have had asked: the flag.
pub fn flag(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Replace => "--force replaces it",
        Remedy::ExpectedHash => "`--expect-hash` says which snapshot is expected",
        Remedy::MarkAge => "`--max-mark-age` bounds the age of marks",
        Remedy::RulesDate => "take another set with `--rules FILE`, or accept this one with `--allow-rules-date`",
        Remedy::SnapshotMoved => "--snapshot DIR names the snapshot where it is now",
        Remedy::SnapshotsMoved => {
            "`--snapshot-a DIR` and `--snapshot-b DIR` say where the snapshots of A and B are now"
        }
        Remedy::Scenarios => "--shocks, --grid, --scenario or --preset",
        Remedy::AsOf => "say it with `--as-of 2026-01-15T08:00:00Z`",
        Remedy::Account => "name one with --account",
        Remedy::MaxPositions => "`--max-positions` allows less",
        Remedy::PriceGaps => "`--gaps skip` leaves out the windows that begin or end there",
        Remedy::PriceJumps => "if it is a real move: raise `--largest-jump`, or `--jumps mark` or `skip`",
        Remedy::StalePrices => "raise `--stale-rows`, or `--stale mark` or `skip`",
        Remedy::Proxy => "`--proxy COIN=BTC` takes its moves from BTC; `--from DATE` begins later",
        Remedy::LogReturns => "`--returns log`, which stay above -100 %",
        Remedy::AllDetail => "`--detail all` writes it",
        Remedy::BookDistribution => "`--distribution book` writes it",
        _ => "another request",
    }
}

/// A label: one line of text.
pub fn parse_label(text: &str) -> Result<String, String> {
    remargin::request::label(text).map_err(|error| error.to_string())
}

fn parse_age(text: &str) -> Result<Duration, String> {
    let age: jiff::SignedDuration =
        without_underscores(text).parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(age).map_err(|_| "an age cannot be negative".to_owned())
}

/// Format of output tables.
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

/// The accounts whose distances from liquidation are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DistanceArg {
    All,
    AtRisk,
    None,
}

impl From<DistanceArg> for DistanceScope {
    fn from(scope: DistanceArg) -> Self {
        match scope {
            DistanceArg::All => Self::All,
            DistanceArg::AtRisk => Self::AtRisk,
            DistanceArg::None => Self::None,
        }
    }
}

/// Text or JSON on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    Text,
    Json,
}

fn parse_mark_check(text: &str) -> Result<MarkCheck, String> {
    text.parse::<MarkCheck>().map_err(|error| error.to_string())
}

fn parse_max_rejects(text: &str) -> Result<MaxRejects, String> {
    text.parse::<MaxRejects>().map_err(|error| error.to_string())
}

/// A number in which underscores may divide digits, as in `10_000_000`.
pub fn parse_number<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    let expected = "expected a number such as `250` or `1_000_000`";
    without_underscores(text).parse().map_err(|error: T::Err| format!("{error}; {expected}"))
}

/// Threads that a machine with so many cores is given at most, whatever is asked for.
fn most_threads(cores: usize) -> usize {
    cores.saturating_mul(4).max(16)
}

/// The number of threads: those asked for or one for each core, as many as the machine and the memory limit bear, and
/// why they are fewer than were asked for.
fn threads_of(asked: Option<NonZeroUsize>, cores: usize, memory: Option<MemoryLimit>) -> (usize, Option<String>) {
    let wanted = asked.map_or(cores, NonZeroUsize::get);
    let by_cores = wanted.min(most_threads(cores));
    let by_memory = memory.map_or(by_cores, |limit| by_cores.min(limit.threads()));
    let why = match (memory, asked) {
        (Some(limit), Some(_)) if by_memory < by_cores => Some(format!("the memory limit of {limit} bears no more")),
        (_, Some(_)) if by_cores < wanted => Some(format!("this machine has {cores} core(s)")),
        _ => None,
    };
    (by_memory, why.map(|why| format!("{by_memory} threads are used instead of {wanted}: {why}")))
}

/// A table that is read once: `-` stands for standard input.
pub fn piped(table: &Path) -> PathBuf {
    if table == Path::new("-") { PathBuf::from("/dev/stdin") } else { table.to_path_buf() }
}

/// Starts the threads of rayon's global pool. The main thread is one of them, so that one thread needs no other.
/// Returns what is to be said of their number.
pub fn start_threads(asked: Option<NonZeroUsize>, memory: Option<MemoryLimit>) -> Result<Option<String>> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let (threads, note) = threads_of(asked, cores, memory);
    rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global().map_err(|error| {
        Error::Runtime(format!("cannot start {threads} threads: {error}")).hint("--threads N starts fewer")
    })?;
    Ok(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_as_many_as_machine_and_memory_bear() {
        let mib = |mib: u64| Some(MemoryLimit::of_bytes(mib << 20));
        for (asked, cores, memory, threads, is_said) in [
            (None, 8, None, 8, false),
            (Some(8), 2, None, 8, false),
            (Some(5000), 2, None, 16, true),
            (Some(5000), 64, None, 256, true),
            (Some(2), 2, mib(256), 2, false),
            (Some(16), 16, mib(614), 6, true),
            (None, 16, mib(614), 6, false),
            (Some(96), 96, mib(2457), 25, true),
            (Some(4), 4, mib(1), 1, true),
        ] {
            let (found, note) = threads_of(asked.and_then(NonZeroUsize::new), cores, memory);
            assert_eq!((found, note.is_some()), (threads, is_said), "{asked:?} of {cores}, {memory:?}: {note:?}");
        }
    }

    #[test]
    fn numbers_may_have_underscores() {
        assert_eq!(parse_number::<f64>("10_000_000"), Ok(1e7));
        assert_eq!(parse_number::<u64>("1_000"), Ok(1_000));
        assert!(parse_number::<u64>("1__0").is_err() && parse_number::<u64>("_1").is_err());
    }
}
