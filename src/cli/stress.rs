//! `remargin stress`: price scenarios for every account, or the price move after which a statement holds.

use super::common::{
    DistanceArg, GroupArgs, MemoryArgs, OutputFormat, RulesArgs, StrictArgs, TextFormat, command_line, parse_label,
    piped,
};
use super::exit;
use super::limits::{FailOn, LimitArgs, failures, in_short, parse_breach};
use super::terminal::{self, Terminal};
use super::watch::WatchArgs;
use clap::{Args, ValueEnum};
use remargin::distance::reverse::{self, ReverseRequest, Statement};
use remargin::market::scenario::Scenario;
use remargin::ops::Finished;
use remargin::request::OutputRequest;
use remargin::stress::{self, Axis, Detail, Distributed, Preset, ScenarioSources, StressOutcome, StressRequest};
use remargin::{Error, Result, memory};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  remargin stress data/sample --out out --preset crypto-historical
  remargin stress data/sample --out grid --grid 'BTC=-50%..50%/10%,ETH=-50%..50%/10%'
  remargin stress data/sample --out falls --grid '*=-50%..0%/5%' --grid 'vol=0%..100%/50%'
  remargin stress data/sample --out moves --scenario 'depeg USDT=-5%' --scenario 'crash: *=-40% vol +50% days 1'
  remargin stress data/sample --out desk --shocks examples/scenarios.csv --detail all --label 'desk B'
  remargin stress data/sample --out fund --preset crypto-historical --fund 50_000 --distribution accounts
  remargin stress examples/today --out desks --shocks examples/scenarios.csv --by desk
  remargin stress examples/today --out limited --shocks examples/scenarios.csv --limits examples/stress-limits.toml
  remargin stress --list-presets
  remargin stress data/sample --reverse 'BTC, accounts in liquidation > 5%'

A scenario moves the market and revalues every account. `*` moves every coin without a move of its own; USDT and USDC
move against USD. Without --shocks, --grid, --scenario and --preset the snapshot's own table `shocks` is
used. The base case is always the first scenario.

`out` is published complete or not at all: scenarios, migration, largest, hedges, worst, distribution, tail,
at_risk, rejects, summary.json, report.html and, last, manifest.json.";

/// Applies price scenarios to every account: which accounts are liquidated, how much is lost
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct StressArgs {
    /// Folder with `snapshot.toml` and one file per table
    #[arg(required_unless_present = "list_presets")]
    snapshot: Option<PathBuf>,
    /// Folder to write; must not exist unless --force
    #[arg(short, long, value_name = "DIR", required_unless_present_any = ["reverse", "list_presets"])]
    out: Option<PathBuf>,
    /// Table of scenarios, as CSV, Parquet or Arrow: `scenario, base, price, vol, fx_ccy, fx, days, weight`; `-` for
    /// standard input
    #[arg(long, value_name = "FILE")]
    shocks: Option<PathBuf>,
    /// Every combination of moves, such as `BTC=-50%..50%/10%`; of a coin, `*`, a stablecoin, `vol`, `vol:COIN`, `days`
    ///
    /// Separate axes by commas or give the flag several times; all combinations are computed.
    #[arg(long, value_name = "AXES", value_parser = parse_axes)]
    grid: Vec<Axes>,
    /// One scenario, such as `BTC=-30% vol +50%`, `depeg USDT=-5%`, `days 1`, `name: *=-20%`; repeatable
    #[arg(long, value_name = "MOVES", value_parser = parse_scenario)]
    scenario: Vec<Scenario>,
    /// Show the named sets of scenarios, and end
    #[arg(long, exclusive = true)]
    list_presets: bool,
    /// A named set of scenarios: `crypto-historical`, or `history-1d` (every day of BTC and ETH since 2017)
    #[arg(long, value_name = "NAME", value_parser = parse_preset)]
    preset: Vec<Preset>,
    /// What to write of accounts beside the worst scenario of each: all figures, those at risk, or nothing
    #[arg(long, default_value = "at-risk")]
    detail: DetailArg,
    /// Whose figures to sum up over the scenarios: mean, quantiles, expected shortfall of MMR, equity loss, shortfall
    ///
    /// `book` writes the tables `distribution` and `tail`, `accounts` also `accounts_distribution`, one row an account;
    /// where memory does not hold all priced scenarios, that takes 16 bytes of disk for each account and scenario.
    #[arg(long, value_name = "WHOSE", default_value = "book")]
    distribution: DistributionArg,
    /// Size of a guarantee fund: says in which share of the scenarios it suffices; `50_000_000`
    #[arg(long, value_name = "USD", value_parser = parse_usd)]
    fund: Option<f64>,
    /// Accounts whose distances from liquidation to search: the price moves that bring the margin ratio to 1
    ///
    /// From the current market, for each coin and for all coins together. Writes the table `distances`, and fills the
    /// last columns of `at_risk`.
    #[arg(long, value_name = "ACCOUNTS", default_value = "at-risk")]
    distance: DistanceArg,
    #[command(flatten)]
    groups: GroupArgs,
    /// Instead of scenarios: search the smallest price move after which a statement holds; repeatable
    ///
    /// `COIN, accounts in liquidation > N`, `COIN, accounts at risk > P%`, `COIN, shortfall > USD`; `*` is all coins
    /// together. Searches from -99 % to +300 % with full revaluations of the book, to 0.0001 %. Writes no folder.
    #[arg(long, value_name = "STATEMENT", value_parser = parse_statement,
          conflicts_with_all = ["out", "shocks", "grid", "scenario", "preset", "detail", "distribution", "fund",
                                "distance", "by", "limits", "fail_on", "force", "no_report", "summary",
                                "label", "metrics", "lineage"])]
    reverse: Vec<Statement>,
    /// Format of the answers to --reverse, on stdout
    #[arg(long, default_value = "text", conflicts_with = "out")]
    answer: TextFormat,
    /// Format of the tables
    #[arg(long, default_value = "parquet")]
    format: OutputFormat,
    /// Replace an existing output folder
    #[arg(long)]
    force: bool,
    /// Format of the summary: a table on stderr, or summary.json on stdout
    #[arg(long, value_name = "FORM", default_value = "text")]
    summary: TextFormat,
    /// What to call the run, such as `EOD 2026-11-28, desk B`: in summary.json, in manifest.json and on the page
    #[arg(long, value_name = "TEXT", value_parser = parse_label)]
    label: Option<String>,
    /// Do not write `report.html`
    #[arg(long)]
    no_report: bool,
    #[command(flatten)]
    pub memory: MemoryArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// End with exit code 5 if a limit is breached: `breach`, or `breach:SEVERITY` for that severity and above; or if
    /// no figure was compared with a limit: `not-compared`
    #[arg(long, value_name = "WHAT", value_parser = parse_breach)]
    fail_on: Vec<FailOn>,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    strict: StrictArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DetailArg {
    All,
    AtRisk,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DistributionArg {
    Accounts,
    Book,
    None,
}

/// The axes of one flag.
#[derive(Debug, Clone)]
struct Axes(Vec<Axis>);

fn parse_axes(text: &str) -> Result<Axes, String> {
    stress::parse_axes(text).map(Axes).map_err(|error| error.to_string())
}

fn parse_scenario(text: &str) -> Result<Scenario, String> {
    stress::parse_scenario(text).map_err(|error| error.to_string())
}

fn parse_preset(text: &str) -> Result<Preset, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

/// A sum of money: `_` may separate its digits.
fn parse_usd(text: &str) -> Result<f64, String> {
    let amount = text.replace('_', "").parse().ok().filter(|usd: &f64| usd.is_finite() && *usd >= 0.0);
    amount.ok_or_else(|| format!("`{text}` is no sum of money: expected USD, zero or more, such as `50_000_000`"))
}

fn parse_statement(text: &str) -> Result<Statement, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

/// Scenarios of a preset that are named one by one.
const NAMED: usize = 12;

/// Each preset: its name, how many scenarios it has, what they are, and the names of few.
fn presets() -> Result<String> {
    let mut text = String::new();
    for preset in Preset::ALL {
        let names = preset.names()?;
        let _ = writeln!(text, "{}: {} scenarios: {}", preset.name(), names.len(), preset.about());
        let few = if names.len() > NAMED { &[] } else { names.as_slice() };
        for name in few {
            let _ = writeln!(text, "  {name}");
        }
    }
    Ok(text)
}

impl StressArgs {
    fn snapshot(&self) -> Result<&Path> {
        self.snapshot.as_deref().ok_or_else(|| Error::Usage("a stress needs a snapshot".to_owned()))
    }

    /// True if the result is JSON on stdout.
    pub fn answers_json(&self) -> bool {
        self.summary == TextFormat::Json || self.answer == TextFormat::Json
    }

    pub fn execute(&self, args: &[OsString], terminal: &Terminal) -> Result<u8> {
        if self.list_presets {
            terminal::print(&presets()?)?;
            return Ok(exit::DONE);
        }
        let Some(out) = &self.out else { return self.answer(terminal) };
        let mut watch = self.watch.start("stress", self.snapshot()?, out)?;
        let outcome = watch.failed(self.stress(out, args, terminal), terminal)?;
        let limits = outcome.summary.limits.as_ref();
        let failures = failures(&self.fail_on, 0, limits);
        let code = match (failures.is_empty(), outcome.too_many_rejects.is_some()) {
            (false, _) => exit::FAILED_ON,
            (true, true) => exit::TOO_MANY_REJECTS,
            (true, false) => exit::DONE,
        };
        let told = watch.succeeded(&Finished::of_stress(&outcome, memory::peak_bytes()), code);
        let summary = &outcome.summary;
        match self.summary {
            TextFormat::Text => terminal.summary(&stress::stress_table(summary)),
            TextFormat::Json => terminal.result(&summary.to_json()?)?,
        }
        if let Some(limits) = limits {
            terminal.note(in_short(limits, summary.base.accounts.unmargined));
        }
        terminal.note(format_args!("wrote {}", out.display()));
        if let Some(broken) = outcome.too_many_rejects {
            terminal.too_many_rejects(broken, Some(out));
        }
        for failure in failures {
            terminal.error(code, failure);
        }
        told?;
        Ok(code)
    }

    fn stress(&self, out: &Path, args: &[OsString], terminal: &Terminal) -> Result<StressOutcome> {
        let output = OutputRequest::new(out)
            .with_format(self.format.into())
            .with_force(self.force)
            .with_report(!self.no_report)
            .with_label(self.label.clone())
            .with_command_line(command_line(args));
        let sources = ScenarioSources {
            shocks: self.shocks.as_deref().map(piped),
            axes: self.grid.iter().flat_map(|axes| axes.0.clone()).collect(),
            scenarios: self.scenario.clone(),
            presets: self.preset.clone(),
        };
        let detail = match self.detail {
            DetailArg::All => Detail::All,
            DetailArg::AtRisk => Detail::AtRisk,
            DetailArg::None => Detail::None,
        };
        let distribution = match self.distribution {
            DistributionArg::Accounts => Distributed::Accounts,
            DistributionArg::Book => Distributed::Book,
            DistributionArg::None => Distributed::None,
        };
        let snapshot = self.strict.of(self.snapshot()?).with_memory_limit(self.memory.limit());
        let mut request = StressRequest::new(snapshot, output, self.rules.load_for(self.snapshot()?, terminal)?)
            .with_sources(sources)
            .with_detail(detail)
            .with_distribution(distribution)
            .with_distance(self.distance.into())
            .with_groups(self.groups.by.iter().cloned())
            .with_limits(self.limits.load(&self.fail_on)?);
        request.fund_usd = self.fund;
        stress::run(&request, terminal)
    }

    /// The answers to `--reverse`.
    fn answer(&self, terminal: &Terminal) -> Result<u8> {
        let snapshot = self.strict.of(self.snapshot()?);
        let request =
            ReverseRequest::new(snapshot, self.rules.load_for(self.snapshot()?, terminal)?, self.reverse.clone());
        let outcome = reverse::run(&request, terminal)?;
        terminal.finish();
        terminal::print(&match self.answer {
            TextFormat::Text => outcome.to_text(),
            TextFormat::Json => format!("{:#}\n", outcome.to_json()?),
        })?;
        if let Some(broken) = outcome.too_many_rejects {
            terminal.too_many_rejects(broken, None);
            return Ok(exit::TOO_MANY_REJECTS);
        }
        Ok(exit::DONE)
    }
}
