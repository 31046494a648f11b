//! The command line: converts flags to a typed request to the library. Nothing is computed here.
//!
//! One file per subcommand, [`common`] for shared flags, and [`terminal`] for progress, colour and errors, `signals`
//! for Ctrl-C and its like.
//! Results go to stdout or to files, everything else to stderr.

// Bad input must cause an error, not a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;
mod calibrate;
mod check;
mod common;
mod compare;
mod completions;
mod explain;
mod export;
mod failure;
mod generate;
mod import;
mod init;
mod limits;
mod man;
mod nearest;
mod partition;
mod probe;
mod reconcile;
mod replay;
mod report;
mod rules;
mod run;
mod scenarios;
mod schema;
mod shown;
mod sign;
mod signals;
mod simulate;
mod stress;
mod terminal;
mod urls;
mod verify;
mod watch;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use common::GlobalArgs;
use remargin::{Error, Result};
use std::ffi::OsString;
use std::panic::AssertUnwindSafe;
use terminal::Terminal;

/// Exit codes of outcomes that are not errors. [`remargin::Error::exit_code`] has the others.
mod exit {
    pub const DONE: u8 = 0;
    pub const FAULT: u8 = 1;
    pub const BREAKS: u8 = 1;
    pub const NOT_ATTRIBUTED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const TOO_MANY_REJECTS: u8 = 4;
    /// What `--fail-on` names has happened.
    pub const FAILED_ON: u8 = 5;
}

const AFTER_HELP: &str = "\
Example:
  remargin run data/sample --out out      the margin of every account, as Parquet files in `out`

Exit codes:
  0    done
  1    runtime failure; `reconcile`, `calibrate`: figures differ from the exchange's; `compare`: change not attributed
       to causes; `verify` and `replay`: the run differs from its manifest
  2    usage
  3    the snapshot, the rules or another input are invalid or not there; nothing was written
  4    more rejected rows than allowed; the reports are written
  5    done, but accounts are in liquidation or a limit is breached (with --fail-on)
  6    the memory limit is too small
  130  interrupted by Ctrl-C; nothing was written. After another signal: 128 plus its number, such as 143 (SIGTERM)

Environment:
  REMARGIN_LOG  log filter, such as `info` or `remargin::snapshot=debug`; overrides -v
  NO_COLOR      no colour, unless --color always";

/// Recalculates the portfolio margin of every account in one market snapshot.
#[derive(Parser)]
#[command(name = "remargin", version, after_help = AFTER_HELP, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::InitArgs),
    Run(run::RunArgs),
    Stress(stress::StressArgs),
    Scenarios(scenarios::ScenariosCommand),
    Simulate(simulate::SimulateArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Rules(rules::RulesCommand),
    Limits(limits::LimitsCommand),
    Schema(schema::SchemaArgs),
    Generate(generate::GenerateArgs),
    Bench(bench::BenchArgs),
    Compare(compare::CompareArgs),
    Import(import::ImportCommand),
    Reconcile(reconcile::ReconcileArgs),
    Probe(probe::ProbeCommand),
    Calibrate(calibrate::CalibrateCommand),
    Verify(verify::VerifyArgs),
    Sign(sign::SignArgs),
    Replay(replay::ReplayArgs),
    Report(report::ReportArgs),
    Export(export::ExportArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Partition(partition::PartitionArgs),
}

impl Command {
    /// The memory limit of a command that has one.
    fn memory(&self) -> Option<&common::MemoryArgs> {
        match self {
            Self::Run(args) => Some(&args.memory),
            Self::Stress(args) => Some(&args.memory),
            Self::Check(args) => Some(&args.memory),
            Self::Explain(args) => Some(&args.memory),
            Self::Verify(args) => Some(&args.memory),
            Self::Partition(args) => Some(&args.memory),
            Self::Compare(args) => Some(&args.memory),
            _ => None,
        }
    }

    /// True if the flags ask for JSON on stdout.
    fn answers_json(&self) -> bool {
        match self {
            Self::Run(command) => command.answers_json(),
            Self::Stress(command) => command.answers_json(),
            Self::Check(command) => command.answers_json(),
            Self::Reconcile(command) => command.answers_json(),
            Self::Calibrate(command) => command.answers_json(),
            Self::Verify(command) => command.answers_json(),
            Self::Replay(command) => command.answers_json(),
            Self::Limits(command) => command.answers_json(),
            _ => false,
        }
    }
}

/// Runs one command line and returns the exit code of the process.
pub fn main(args: &[OsString]) -> u8 {
    // A panic is a fault of this program, and its message is on stderr already. For a script it is a runtime failure.
    // The command line is parsed inside the guard too.
    std::panic::catch_unwind(|| run(args)).unwrap_or_else(|_| {
        terminal::say("error: internal fault, please report it; see above");
        exit::FAULT
    })
}

fn run(args: &[OsString]) -> u8 {
    let parser = urls::described(Cli::command()).color(terminal::help_colour(args));
    let parsed = parser.try_get_matches_from(args).and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(mut error) => {
            nearest::suggest(&mut error, &mut Cli::command(), args);
            terminal::print_usage(&error, args);
            return if error.use_stderr() { exit::USAGE } else { exit::DONE };
        }
    };
    let terminal = Terminal::new(&cli.global);
    // Run on a thread of the pool, so that `--threads N` means N threads in total: the writing thread computes too.
    let prepared = || urls::check(&matches).and_then(|()| prepare(&cli, &terminal));
    let work = || prepared().and_then(|()| rayon::scope(|_| execute(&cli.command, args, &terminal)));
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::Runtime("internal fault, please report it; see above".to_owned())));
    terminal.finish();
    outcome.unwrap_or_else(|error| terminal.failed(&error, cli.command.answers_json()))
}

fn prepare(cli: &Cli, terminal: &Terminal) -> Result<()> {
    terminal::start_log(&cli.global)?;
    let memory = cli.command.memory().map(common::MemoryArgs::limit);
    if let Some(note) = common::start_threads(cli.global.threads, memory)? {
        terminal.note(note);
    }
    Ok(())
}

fn execute(command: &Command, args: &[OsString], terminal: &Terminal) -> Result<u8> {
    if !matches!(command, Command::Rules(_) | Command::Limits(_)) {
        terminal.watch_signals()?;
    }
    match command {
        Command::Init(command) => command.execute(terminal),
        Command::Run(command) => command.execute(args, terminal),
        Command::Stress(command) => command.execute(args, terminal),
        Command::Scenarios(command) => command.execute(terminal),
        Command::Simulate(command) => command.execute(args, terminal),
        Command::Check(command) => command.execute(terminal),
        Command::Explain(command) => command.execute(terminal),
        Command::Rules(command) => command.execute(),
        Command::Limits(command) => command.execute(),
        Command::Schema(command) => command.execute(),
        Command::Generate(command) => command.execute(terminal),
        Command::Compare(command) => command.execute(args, terminal),
        Command::Bench(command) => command.execute(terminal),
        Command::Import(command) => command.execute(terminal),
        Command::Reconcile(command) => command.execute(terminal),
        Command::Probe(command) => command.execute(terminal),
        Command::Calibrate(command) => command.execute(terminal),
        Command::Verify(command) => command.execute(terminal),
        Command::Sign(command) => command.execute(terminal),
        Command::Replay(command) => command.execute(terminal),
        Command::Report(command) => command.execute(terminal),
        Command::Export(command) => command.execute(terminal),
        Command::Completions(command) => command.execute(),
        Command::Man(command) => command.execute(terminal),
        Command::Partition(command) => command.execute(terminal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn the_parser_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_worked_example() {
        let command = Cli::command();
        let mut pending: Vec<&clap::Command> = vec![&command];
        while let Some(command) = pending.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "`{}` shows no example", command.get_name());
            assert!(help.contains("remargin "), "`{}` shows no command line", command.get_name());
            pending.extend(command.get_subcommands());
        }
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in clap_complete::Shell::value_variants() {
            let script = completions::script(*shell);
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: `{}`", command.get_name());
            }
        }
    }

    #[test]
    fn every_command_has_a_man_page() {
        let pages = man::pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["remargin.1", "remargin-run.1", "remargin-rules-show.1", "remargin-import-okx.1"] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        for (name, page) in &pages {
            assert!(page.contains(".SH SYNOPSIS"), "{name}");
            assert!(page.contains("Example"), "{name}");
        }
    }
}
