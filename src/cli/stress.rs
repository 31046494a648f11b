//! `remargin stress`: price scenarios over every account, written to a folder; or the move that makes a statement true.

use super::common::{DistanceArg, MemoryArgs, OutputFormat, RulesArgs, StrictArgs, TextFormat};
use super::exit;
use super::terminal::{self, Terminal};
use clap::{Args, ValueEnum};
use remargin::distance::reverse::{self, ReverseRequest, Statement};
use remargin::market::scenario::Scenario;
use remargin::stress::{self, Axis, Detail, Preset, ScenarioSources, StressRequest};
use remargin::{Error, Result};
use std::ffi::OsString;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin stress data/sample --out out --preset crypto-historical
  remargin stress data/sample --out out --grid 'BTC=-50%..50%/10%,ETH=-50%..50%/10%'
  remargin stress data/sample --out out --grid '*=-50%..0%/5%' --grid 'vol=0%..100%/50%'
  remargin stress data/sample --out out --scenario 'depeg USDT=-5%' --scenario 'crash: *=-40% BTC=-30% vol +50% days 1'
  remargin stress data/sample --out out --shocks scenarios.csv --detail all
  remargin stress data/sample --reverse 'BTC, accounts in liquidation > 5%'

A scenario moves the market, then every account is valued afresh. `*` moves every coin that has no move of its own;
USDT and USDC move against USD. Without --shocks, --grid, --scenario and --preset the snapshot's own table `shocks` is
used. The base case is always the first scenario.

`out` appears whole or not at all: scenarios, migration, largest, hedges, worst, at_risk, rejects, summary.json,
report.html and, last, manifest.json.";

/// Price scenarios over every account: who breaches, how much is lost
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct StressArgs {
    /// Folder with `snapshot.toml` and one table a file
    snapshot: PathBuf,
    /// Folder to write; must not exist unless --force
    #[arg(long, value_name = "DIR", required_unless_present = "reverse")]
    out: Option<PathBuf>,
    /// Table of scenarios, as CSV, Parquet or Arrow: `scenario, base, price, vol, fx_ccy, fx, days`
    #[arg(long, value_name = "FILE")]
    shocks: Option<PathBuf>,
    /// Every combination of moves, such as `BTC=-50%..50%/10%`; of a coin, `*`, a stablecoin, `vol`, `vol:COIN`, `days`
    ///
    /// Axes are separated by commas or given by several flags; all of them multiply.
    #[arg(long, value_name = "AXES", value_parser = parse_axes)]
    grid: Vec<Axes>,
    /// One scenario in words, such as `BTC=-30% vol +50%`, `depeg USDT=-5%`, `days 1`, `name: *=-20%`; repeatable
    #[arg(long, value_name = "MOVES", value_parser = parse_scenario)]
    scenario: Vec<Scenario>,
    /// A named set of scenarios: `crypto-historical`
    #[arg(long, value_name = "NAME", value_parser = parse_preset)]
    preset: Vec<Preset>,
    /// How much to write of each account: all figures, those at risk, or the worst scenario only
    #[arg(long, default_value = "at-risk")]
    detail: DetailArg,
    /// Whose distances from liquidation to search: which price moves bring the margin ratio to 1
    ///
    /// From the market as it is, for each coin and for all together. Writes the table `distances`, and fills the last
    /// columns of `at_risk`.
    #[arg(long, value_name = "WHOSE", default_value = "at-risk")]
    distance: DistanceArg,
    /// Instead of scenarios: the smallest price move that makes a statement true; repeatable
    ///
    /// `COIN, accounts in liquidation > N`, `COIN, accounts at risk > P%`, `COIN, shortfall > USD`; `*` is all coins
    /// together. Searched from -99 % to +300 % on full revaluations of the book, to 0.0001 %. Writes no folder.
    #[arg(long, value_name = "STATEMENT", value_parser = parse_statement,
          conflicts_with_all = ["out", "shocks", "grid", "scenario", "preset", "detail", "distance", "force",
                                "no_report", "summary"])]
    reverse: Vec<Statement>,
    /// Form of the answers to --reverse, on stdout
    #[arg(long, default_value = "text", conflicts_with = "out")]
    answer: TextFormat,
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

fn parse_statement(text: &str) -> Result<Statement, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

impl StressArgs {
    pub fn execute(&self, args: &[OsString], terminal: &Terminal) -> Result<u8> {
        let Some(out) = &self.out else { return self.answer(terminal) };
        let request = StressRequest {
            snapshot: self.snapshot.clone(),
            out: out.clone(),
            sources: ScenarioSources {
                shocks: self.shocks.clone(),
                axes: self.grid.iter().flat_map(|axes| axes.0.clone()).collect(),
                scenarios: self.scenario.clone(),
                presets: self.preset.clone(),
            },
            detail: match self.detail {
                DetailArg::All => Detail::All,
                DetailArg::AtRisk => Detail::AtRisk,
                DetailArg::None => Detail::None,
            },
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
        let outcome = stress::run(&request, terminal)?;
        let summary = &outcome.summary;
        match self.summary {
            TextFormat::Text => terminal.summary(&stress::stress_table(summary)),
            TextFormat::Json => terminal.result(&summary.to_json()?)?,
        }
        terminal.note(format_args!("wrote {}", out.display()));
        if outcome.too_many_rejects {
            terminal.too_many_rejects(out);
            return Ok(exit::TOO_MANY_REJECTS);
        }
        Ok(exit::DONE)
    }

    /// The answers to `--reverse`.
    fn answer(&self, terminal: &Terminal) -> Result<u8> {
        let request = ReverseRequest {
            snapshot: self.snapshot.clone(),
            statements: self.reverse.clone(),
            rules: self.rules.load()?,
            expectations: self.strict.date.known.expectations(),
            allow_rules_date: self.strict.date.allow_rules_date,
            max_rejects: self.strict.max_rejects,
        };
        let outcome = reverse::run(&request, terminal)?;
        terminal.finish();
        terminal::print(&match self.answer {
            TextFormat::Text => outcome.to_text(),
            TextFormat::Json => format!("{:#}\n", outcome.to_json()?),
        })?;
        if outcome.too_many_rejects {
            terminal.error("more rows are broken than `--max-rejects` allows; `remargin check` lists them");
            return Ok(exit::TOO_MANY_REJECTS);
        }
        Ok(exit::DONE)
    }
}
