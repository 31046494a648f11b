//! `remargin compare`: two rule sets over one snapshot, or two finished runs.

use super::common::{MemoryArgs, StrictArgs};
use super::exit;
use super::terminal::{self, Terminal};
use clap::{Args, ValueEnum};
use remargin::compare::{self, Basis, CompareOutcome, RulesRequest, RunsRequest, Target};
use remargin::margin::rules::SpotOffset;
use remargin::source::Format;
use remargin::{Error, Result, rules};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  remargin compare data/sample --b risk_unit=merged
  remargin compare data/sample --rules okx-pm2-2025-01 --rules proposed.toml --out impact
  remargin compare data/sample --a spot_offset=none --format json | jq .breaches
  remargin compare yesterday today --out change
  remargin compare yesterday today --snapshot-a archive/2026-04-26

Two rule sets over one snapshot: --rules twice names the file of A and that of B (`okx-pm2-2025-01` is the built-in
set); once, it is for both. --set changes a parameter of both, --a and --b one of A or of B. Beside the parameters,
`spot_offset=MODE` there gives every account that spot hedging mode, whatever the table `accounts` says: `none` is
hedging off.

Two finished runs: both are margined again from their snapshots, whose hashes are checked, and the change of each
account's MMR is attributed to positions, prices, vols, time and parameters, in that order; the five add up to the
change. If a snapshot is gone or has changed, what the runs have written is compared and the exit code is 1.

With --out: changes, unit_changes, migration, breaches, largest, unmargined, summary.json and, last, manifest.json (of
rule sets also rejects). `DIR` appears whole or not at all.";

/// Two rule sets over one snapshot, or two finished runs: what changed, for whom, and why
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct CompareArgs {
    /// Folder of a snapshot; with B, of the finished run before
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Folder of the finished run after
    #[arg(value_name = "B", conflicts_with_all = ["rules", "set", "a", "b", "allow_rules_date", "max_rejects"])]
    second: Option<PathBuf>,
    /// Rules file, or `okx-pm2-2025-01`; twice for A and B
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// One parameter of both sides by its dotted path; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// One parameter of A, or `spot_offset=MODE` for all accounts; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    a: Vec<String>,
    /// One parameter of B, or `spot_offset=MODE` for all accounts; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    b: Vec<String>,
    /// Where the snapshot of run A is now [default: where the run found it]
    #[arg(long, value_name = "DIR")]
    snapshot_a: Option<PathBuf>,
    /// Where the snapshot of run B is now
    #[arg(long, value_name = "DIR")]
    snapshot_b: Option<PathBuf>,
    /// Compare what two runs have written, without their snapshots and without causes
    #[arg(long, conflicts_with_all = ["snapshot_a", "snapshot_b"])]
    plain: bool,
    /// Folder to write; must not exist unless --force. Without it a summary goes to stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// With --out the format of the tables [default: parquet], without it that of the summary [default: text]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// Replace an existing output folder
    #[arg(long, requires = "out")]
    force: bool,
    #[command(flatten)]
    memory: MemoryArgs,
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

/// The key that is no parameter.
const SPOT_OFFSET: &str = "spot_offset";

impl CompareArgs {
    pub fn execute(&self, args: &[OsString], terminal: &Terminal) -> Result<u8> {
        let target = self.target()?;
        let command_line = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let outcome = match &self.second {
            None => {
                let [a, b] = self.bases()?;
                let request = RulesRequest {
                    snapshot: self.first.clone(),
                    target,
                    a,
                    b,
                    allow_rules_date: self.strict.date.allow_rules_date,
                    max_rejects: self.strict.max_rejects,
                    memory_limit: self.memory.limit(),
                    command_line,
                };
                compare::compare_rules(&request, terminal)?
            }
            Some(second) => {
                let request = RunsRequest {
                    a: self.first.clone(),
                    b: second.clone(),
                    snapshots: [self.snapshot_a.clone(), self.snapshot_b.clone()],
                    plain: self.plain,
                    memory_limit: self.memory.limit(),
                    target,
                    command_line,
                };
                compare::compare_runs(&request, terminal)?
            }
        };
        self.show(&outcome, terminal)
    }

    fn target(&self) -> Result<Option<Target>> {
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
                let tables = "is no format of tables: expected `parquet`, `arrow` or `csv`";
                let format = format.of_tables().ok_or_else(|| wrong(format, tables))?;
                Ok(Some(Target { out: out.clone(), format, force: self.force }))
            }
        }
    }

    /// The two sides of a comparison of rules.
    fn bases(&self) -> Result<[Basis; 2]> {
        // Clap drops a requirement that another flag contradicts.
        if self.plain || self.snapshot_a.is_some() || self.snapshot_b.is_some() {
            let problem = "`--plain`, `--snapshot-a` and `--snapshot-b` are for two finished runs";
            return Err(Error::Usage(problem.to_owned()));
        }
        let files = match self.rules.as_slice() {
            [] => [None, None],
            [both] => [Some(both), Some(both)],
            [a, b] => [Some(a), Some(b)],
            [..] => return Err(Error::Usage("`--rules` names A and B: it cannot be given more than twice".to_owned())),
        };
        if self.rules.len() < 2 && self.a.is_empty() && self.b.is_empty() {
            let hint = "--rules twice, --a or --b tells A and B apart; a second folder compares two finished runs";
            return Err(Error::Usage(format!("A and B are the same: nothing to compare\n  hint:     {hint}")));
        }
        Ok([self.basis(files[0], &self.a)?, self.basis(files[1], &self.b)?])
    }

    fn basis(&self, file: Option<&PathBuf>, own: &[String]) -> Result<Basis> {
        let file = file.map(PathBuf::as_path).filter(|file| *file != Path::new(rules::BUILT_IN_NAME));
        let mut spot_offset = None;
        let mut set = self.set.clone();
        for setting in own {
            match setting.split_once('=') {
                Some((key, mode)) if key.trim() == SPOT_OFFSET => {
                    let mode = mode.trim().trim_matches('"');
                    let known = SpotOffset::from_name(mode).ok_or_else(|| {
                        let expected = "expected `usdt`, `usdc`, `coin` or `none`";
                        Error::Usage(format!("`{setting}` names no spot hedging mode: {expected}"))
                    })?;
                    spot_offset = Some(known);
                }
                _ => set.push(setting.clone()),
            }
        }
        Ok(Basis { rules: rules::load(file, &set)?, spot_offset })
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
            terminal.error(why);
            terminal.error("the change is not attributed to causes; what the runs have written is compared");
            return Ok(exit::NOT_ATTRIBUTED);
        }
        if outcome.too_many_rejects {
            terminal.error("more rows are broken than `--max-rejects` allows; `remargin check` lists them");
            return Ok(exit::TOO_MANY_REJECTS);
        }
        Ok(exit::DONE)
    }
}
