//! `remargin compare`: two rule sets over one snapshot, or two finished runs.

use super::common::{MemoryArgs, StrictArgs, command_line, named_rules};
use super::exit;
use super::terminal::{self, Terminal};
use clap::{Args, ValueEnum};
use remargin::compare::{self, Basis, CompareOutcome, RulesRequest, RunsRequest};
use remargin::margin::rules::SpotOffset;
use remargin::request::OutputRequest;
use remargin::source::Format;
use remargin::{Error, Result, rules};
use std::ffi::OsString;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin compare data/sample --b risk_unit=merged
  remargin compare data/sample --rules okx-pm2-2025-01 --rules examples/proposed.toml --out impact
  remargin compare data/sample --a spot_offset=none --format json | jq .breaches
  remargin run examples/yesterday --out yesterday
  remargin run examples/today --out today
  remargin compare yesterday today --out change
  remargin compare yesterday today --snapshot-a examples/yesterday

Two rule sets on one snapshot: --rules given twice sets the files of A and B (or names of built-in sets);
given once, it is for both. --set changes a parameter of both, --a one of A, --b one of B. --a and --b also accept
`spot_offset=MODE`: every account then has this spot hedging mode instead of the one in table `accounts`. `none` is
hedging off.

Two finished runs: both are recalculated from their snapshots, whose hashes are checked. The change of each account's
MMR is attributed to positions, prices, vols, time and parameters, in this order; the five parts add up to the change.
If a snapshot is missing or has changed, the written results are compared instead, and the exit code is 1.

With --out: changes, unit_changes, migration, breaches, largest, unmargined, summary.json and, last, manifest.json (of
rule sets also rejects). `DIR` is published complete or not at all.";

/// Compares two rule sets on one snapshot, or two finished runs: what changed, for which accounts, and why
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct CompareArgs {
    /// Folder of a snapshot; with B: folder of the first finished run
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Folder of the second finished run
    #[arg(value_name = "B", conflicts_with_all = ["rules", "set", "a", "b", "allow_rules_date", "max_rejects"])]
    second: Option<PathBuf>,
    /// Rules file, or the name of a built-in set; give it twice for A and B
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Set one parameter of both sides by its dotted key; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Set one parameter of A, or `spot_offset=MODE` for all accounts; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    a: Vec<String>,
    /// Set one parameter of B, or `spot_offset=MODE` for all accounts; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    b: Vec<String>,
    /// Current folder of the snapshot of run A [default: as recorded in the run]
    #[arg(long, value_name = "DIR")]
    snapshot_a: Option<PathBuf>,
    /// Current folder of the snapshot of run B [default: as recorded in the run]
    #[arg(long, value_name = "DIR")]
    snapshot_b: Option<PathBuf>,
    /// Compare the written results of two runs, without their snapshots and without causes
    #[arg(long, conflicts_with_all = ["snapshot_a", "snapshot_b"])]
    plain: bool,
    /// Folder to write; must not exist unless --force. Without it a summary goes to stdout
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// With --out: format of the tables [default: parquet]; without: format of the summary [default: text]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// Replace an existing output folder
    #[arg(long, requires = "out")]
    force: bool,
    #[command(flatten)]
    pub memory: MemoryArgs,
    #[command(flatten)]
    strict: StrictArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    Parquet,
    Arrow,
    Csv,
    Text,
    Json,
}

impl FormatArg {
    fn of_tables(self) -> Option<Format> {
        match self {
            Self::Parquet => Some(Format::Parquet),
            Self::Arrow => Some(Format::Arrow),
            Self::Csv => Some(Format::Csv),
            Self::Text | Self::Json => None,
        }
    }
}

/// A key that is not a parameter.
const SPOT_OFFSET: &str = "spot_offset";

impl CompareArgs {
    pub fn execute(&self, args: &[OsString], terminal: &Terminal) -> Result<u8> {
        let target = self.target()?.map(|target| target.with_command_line(command_line(args)));
        let outcome = match &self.second {
            None => {
                let [a, b] = self.bases(terminal)?;
                let snapshot = self.strict.of(&self.first).with_memory_limit(self.memory.limit());
                let mut request = RulesRequest::new(snapshot, a, b);
                request.target = target;
                compare::compare_rules(&request, terminal)?
            }
            Some(second) => {
                let mut request = RunsRequest::new(&self.first, second);
                request.snapshots = [self.snapshot_a.clone(), self.snapshot_b.clone()];
                request.plain = self.plain;
                request.memory_limit = self.memory.limit();
                request.target = target;
                compare::compare_runs(&request, terminal)?
            }
        };
        self.show(&outcome, terminal)
    }

    fn target(&self) -> Result<Option<OutputRequest>> {
        let wrong = |format: FormatArg, what: &str| {
            let name = format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            Error::Usage(format!("`--format {name}` {what}"))
        };
        match (&self.out, self.format) {
            (None, Some(format)) if format.of_tables().is_some() => {
                Err(wrong(format, "is for tables, which need `--out DIR`; a summary is `text` or `json`"))
            }
            (None, _) => Ok(None),
            (Some(out), format) => {
                let format = format.unwrap_or(FormatArg::Parquet);
                let tables = "is not a format of tables: expected `parquet`, `arrow` or `csv`";
                let format = format.of_tables().ok_or_else(|| wrong(format, tables))?;
                Ok(Some(OutputRequest::new(out).with_format(format).with_force(self.force)))
            }
        }
    }

    /// The two sides of a comparison of rules.
    fn bases(&self, terminal: &Terminal) -> Result<[Basis; 2]> {
        // Clap drops a requirement that conflicts with another flag.
        if self.plain || self.snapshot_a.is_some() || self.snapshot_b.is_some() {
            let problem = "`--plain`, `--snapshot-a` and `--snapshot-b` are for two finished runs";
            return Err(Error::Usage(problem.to_owned()));
        }
        let files = match self.rules.as_slice() {
            [] => [None, None],
            [both] => [Some(both), Some(both)],
            [a, b] => [Some(a), Some(b)],
            [..] => {
                return Err(Error::Usage("`--rules` is for A and B: it cannot be given more than twice".to_owned()));
            }
        };
        if self.rules.len() < 2 && self.a.is_empty() && self.b.is_empty() {
            let hint = "give --rules twice, --a or --b for two rule sets, or a second folder for two finished runs";
            return Err(Error::Usage("A and B are the same: nothing to compare".to_owned()).hint(hint));
        }
        let named = if files[0].is_none() || files[1].is_none() { named_rules(&self.first, terminal)? } else { None };
        let [a, b] = files.map(|given| given.or(named.as_ref()));
        Ok([self.basis(a, &self.a)?, self.basis(b, &self.b)?])
    }

    fn basis(&self, file: Option<&PathBuf>, own: &[String]) -> Result<Basis> {
        let mut spot_offset = None;
        let mut set = self.set.clone();
        for setting in own {
            match setting.split_once('=') {
                Some((key, mode)) if key.trim() == SPOT_OFFSET => {
                    let mode = mode.trim().trim_matches('"');
                    let known = SpotOffset::from_name(mode).ok_or_else(|| {
                        let expected = "expected `usdt`, `usdc`, `coin` or `none`";
                        Error::Usage(format!("`{setting}` is not a spot hedging mode: {expected}"))
                    })?;
                    spot_offset = Some(known);
                }
                _ => set.push(setting.clone()),
            }
        }
        Ok(Basis { rules: rules::load(file.map(PathBuf::as_path), &set)?, spot_offset })
    }

    fn show(&self, outcome: &CompareOutcome, terminal: &Terminal) -> Result<u8> {
        let summary = &outcome.summary;
        terminal.finish();
        match (&self.out, self.format) {
            (Some(out), _) => {
                terminal.note(summary.to_text());
                terminal.note(format_args!("wrote {}", out.display()));
            }
            (None, Some(FormatArg::Json)) => {
                let json = summary.to_json()?;
                terminal::print(&String::from_utf8_lossy(&json))?;
            }
            (None, _) => terminal::print(&summary.to_text())?,
        }
        if let Some(why) = &outcome.not_attributed {
            terminal.error(exit::NOT_ATTRIBUTED, why.text(super::common::flag));
            terminal.error(
                exit::NOT_ATTRIBUTED,
                "the change is not attributed to causes; the written results of the runs are compared",
            );
            return Ok(exit::NOT_ATTRIBUTED);
        }
        if let Some(broken) = outcome.too_many_rejects {
            terminal.too_many_rejects(broken, None);
            return Ok(exit::TOO_MANY_REJECTS);
        }
        Ok(exit::DONE)
    }
}
