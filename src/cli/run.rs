//! `remargin run`: computes the margin of every account and writes it to a folder.

use super::common::{
    DistanceArg, GroupArgs, MemoryArgs, OutputFormat, RulesArgs, StrictArgs, TextFormat, command_line, parse_grouping,
    parse_label, piped,
};
use super::exit;
use super::limits::{FailOn, LimitArgs, failures, in_short, parse_fail_on};
use super::terminal::Terminal;
use super::watch::WatchArgs;
use clap::Args;
use remargin::book::Grouping;
use remargin::ops::Finished;
use remargin::request::OutputRequest;
use remargin::run::{self, RunOutcome, RunRequest};
use remargin::{Result, memory, totals};
use std::ffi::OsString;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin run data/sample --out out
  remargin run data/sample --out merged --set risk_unit=merged --format csv
  remargin run data/sample --out shocked --shocks examples/scenarios.csv
  remargin run data/sample --out near --distance at-risk
  remargin run examples/today --out desks --by desk --by desk,region
  remargin run examples/today --out netted --net-by client
  remargin run examples/today --out limited --limits examples/limits.toml --fail-on breach:hard
  remargin run data/sample --out desk-b --label 'EOD 2026-11-28, desk B'
  remargin run data/sample --out out --force --summary json | jq .accounts.by_status
  remargin run data/sample --out out --force --max-rejects 0.1% --fail-on liquidation   # exit code 5
  remargin run examples/yesterday --out yesterday --history history.parquet
  remargin run examples/today --out today --previous yesterday --history history.parquet
  remargin run data/sample --out out --force --metrics ops/night.prom --lineage ops/night.jsonl

`out` is published complete or not at all; its manifest.json is written last.";

/// Runs the end-of-day margin: every account at the snapshot's market
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct RunArgs {
    /// Folder with `snapshot.toml` and one file per table
    snapshot: PathBuf,
    /// Folder to write; must not exist unless --force
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Price scenarios in addition to the base case: a table of `scenario, base, price, vol, fx_ccy, fx, days`, or `-`
    /// for standard input
    ///
    /// Adds rows for every account and scenario. A column `weight` is read, and counts in distributions of
    /// `remargin stress` alone. `remargin stress` aggregates scenarios instead.
    #[arg(long, value_name = "FILE")]
    shocks: Option<PathBuf>,
    /// Accounts whose distances from liquidation to search: the price moves that bring the margin ratio to 1
    ///
    /// Costs some hundred times as much as an account's margin. Writes the table `distances`, and fills the last
    /// columns of `at_risk`.
    #[arg(long, value_name = "ACCOUNTS", default_value = "none")]
    distance: DistanceArg,
    #[command(flatten)]
    groups: GroupArgs,
    /// Margin the accounts of each group also as one, such as `client`: positions added up by instrument, balances by
    /// currency
    ///
    /// Writes the table `netting`, with the sum of their margins beside it, and groups by these columns as `--by` does.
    /// The book must fit the memory limit. Accounts with a missing value are not netted. All accounts of a group must
    /// have the same `spot_offset` and `fee_rate`.
    #[arg(long, value_name = "COLUMNS", value_parser = parse_grouping)]
    net_by: Option<Grouping>,
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
    /// Folder of an earlier run: the page and summary.json show what has changed since, and why
    ///
    /// Both runs are recalculated from their snapshots, as `remargin compare` does it. If the earlier snapshot is
    /// missing, the written results are compared, without causes.
    #[arg(long, value_name = "DIR")]
    previous: Option<PathBuf>,
    /// History to add the run to: one row for the book and one for each group; the page shows the last 60
    ///
    /// The same run again, by its identity in manifest.json, replaces its rows. Take one file for each book.
    #[arg(long, value_name = "FILE.parquet")]
    history: Option<PathBuf>,
    /// Do not write `report.html`
    #[arg(long)]
    no_report: bool,
    #[command(flatten)]
    pub memory: MemoryArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// End with exit code 5 if accounts are in `liquidation`, or if a limit is breached: `breach`, or `breach:SEVERITY`
    /// for that severity and above; or if no figure was compared with a limit: `not-compared`; repeatable
    #[arg(long, value_name = "WHAT", value_parser = parse_fail_on)]
    fail_on: Vec<FailOn>,
    #[command(flatten)]
    watch: WatchArgs,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    strict: StrictArgs,
}

impl RunArgs {
    /// True if the result is JSON on stdout.
    pub fn answers_json(&self) -> bool {
        self.summary == TextFormat::Json
    }

    pub fn execute(&self, args: &[OsString], terminal: &Terminal) -> Result<u8> {
        let mut watch = self.watch.start("run", &self.snapshot, &self.out)?;
        let outcome = watch.failed(self.margin(args, terminal), terminal)?;
        // All are said. What `--fail-on` names decides the exit code, since somebody asked for it.
        let (limits, in_liquidation) =
            (outcome.summary.limits.as_ref(), outcome.summary.accounts.by_status.liquidation);
        let failures = failures(&self.fail_on, in_liquidation, limits);
        let code = match (failures.is_empty(), outcome.too_many_rejects.is_some()) {
            (false, _) => exit::FAILED_ON,
            (true, true) => exit::TOO_MANY_REJECTS,
            (true, false) => exit::DONE,
        };
        let told = watch.succeeded(&Finished::of_run(&outcome, memory::peak_bytes()), code);
        match self.summary {
            TextFormat::Text => terminal.summary(&totals::summary_table(&outcome.summary)),
            TextFormat::Json => terminal.result(&outcome.summary.to_json()?)?,
        }
        if let Some(limits) = limits {
            terminal.note(in_short(limits, outcome.summary.accounts.unmargined));
        }
        if let Some(previous) = &outcome.summary.previous {
            for note in &previous.notes {
                terminal.note(format_args!("the earlier run: {note}"));
            }
        }
        terminal.note(format_args!("wrote {}", self.out.display()));
        if let Some(broken) = outcome.too_many_rejects {
            terminal.too_many_rejects(broken, Some(&self.out));
        }
        for failure in failures {
            terminal.error(code, failure);
        }
        told?;
        Ok(code)
    }

    fn margin(&self, args: &[OsString], terminal: &Terminal) -> Result<RunOutcome> {
        let output = OutputRequest::new(&self.out)
            .with_format(self.format.into())
            .with_force(self.force)
            .with_report(!self.no_report)
            .with_label(self.label.clone())
            .with_command_line(command_line(args));
        let snapshot = self.strict.of(&self.snapshot).with_memory_limit(self.memory.limit());
        let mut request = RunRequest::new(snapshot, output, self.rules.load_for(&self.snapshot, terminal)?)
            .with_distance(self.distance.into())
            .with_groups(self.groups.by.iter().cloned())
            .with_net_by(self.net_by.clone())
            .with_limits(self.limits.load(&self.fail_on)?);
        request.shocks = self.shocks.as_deref().map(piped);
        request.previous.clone_from(&self.previous);
        request.history.clone_from(&self.history);
        run::run(&request, terminal)
    }
}
