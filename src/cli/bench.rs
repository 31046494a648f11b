//! `remargin bench`: the capacity of this machine.

use super::common::{RulesArgs, TextFormat, parse_number};
use super::exit;
use super::terminal::{self, Terminal};
use clap::Args;
use remargin::bench::simulate::SimulateBenchRequest;
use remargin::bench::stress::StressBenchRequest;
use remargin::bench::{self, BenchReport, BenchRequest, Job, Measurement};
use remargin::progress::Progress;
use remargin::{Error, Result};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const AFTER_HELP: &str = "\
Examples:
  remargin bench                                         about a minute
  remargin bench --budget 300 --max-positions 50_000_000 --plot capacity.svg      five minutes
  remargin bench --format json --window 30m --set risk_unit=merged > capacity.json   about a minute
  remargin bench --budget 2 --max-positions 100_000      a first look, in seconds
  remargin bench --stress --scenarios 64                 about a minute: the cost of one more price scenario
  remargin bench --simulate                              about a minute: order and transfer checks per second

Books are generated (always the same ones) in a temporary folder that is removed at the end. Every run has its own
process. It reads, checks, computes, encodes and writes everything that `remargin run` does.";

/// How fast this machine computes margins, and how large a book fits a given time
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct BenchArgs {
    /// Start no book that is expected to end later than this, in seconds; the smallest is always measured
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = parse_number::<f64>)]
    budget: f64,
    /// Largest book to measure, in positions
    #[arg(long, value_name = "POSITIONS", default_value_t = 10_000_000, value_parser = parse_number::<u64>)]
    max_positions: u64,
    /// Repetitions of each run; the median is reported
    #[arg(long, value_name = "N", default_value = "3", value_parser = parse_number::<NonZeroUsize>)]
    repeat: NonZeroUsize,
    /// Time available for a nightly run, for the extrapolation: `1h`, `90m`, `600s`
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_window)]
    window: Duration,
    /// Format of the result on stdout
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: TextFormat,
    /// Write a plot of throughput and memory to this file, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Measure the cost of one more price scenario instead, compared with the kernel alone
    #[arg(long, conflicts_with_all = ["budget", "window", "plot"])]
    stress: bool,
    /// Scenarios that `--stress` adds
    #[arg(long, value_name = "N", default_value = "32", requires = "stress",
          value_parser = parse_number::<NonZeroUsize>)]
    scenarios: NonZeroUsize,
    /// Measure `remargin simulate` instead: one operation per account
    #[arg(long, conflicts_with_all = ["budget", "window", "plot", "stress"])]
    simulate: bool,
    /// Folder for generated books and their results [default: the system's]
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,
    #[command(flatten)]
    rules: RulesArgs,
    /// Measure one run in this process and write JSON; `bench` starts itself with this flag
    #[arg(long, hide = true, num_args = 2, value_names = ["SNAPSHOT", "OUT"])]
    measure: Option<Vec<PathBuf>>,
}

impl BenchArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        if let Some([snapshot, out]) = self.measure.as_deref() {
            let threads = rayon::current_num_threads();
            let job = Job { snapshot: snapshot.clone(), out: out.clone(), threads };
            let measured = bench::measure::measure(&job, self.rules.load()?, terminal)?;
            return print_json(&measured).map(|()| exit::DONE);
        }
        if self.stress {
            return self.stress(terminal);
        }
        if self.simulate {
            return self.simulate(terminal);
        }
        let budget = Duration::try_from_secs_f64(self.budget)
            .map_err(|error| Error::Usage(format!("`--budget {}`: {error}", self.budget)))?;
        let request = BenchRequest {
            budget,
            max_positions: self.max_positions,
            repeat: self.repeat.get(),
            threads: rayon::current_num_threads(),
            window: self.window,
            temp: self.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        };
        self.rules.load()?;
        let program =
            std::env::current_exe().map_err(|error| Error::io("find", Path::new("the running program"), error))?;
        let report = bench::run(&request, &|job| self.measured_apart(&program, job, terminal), terminal)?;
        if let Some(file) = &self.plot {
            bench::plot::write(&report, file)?;
            terminal.note(format_args!("wrote {}", file.display()));
        }
        self.print(&report).map(|()| exit::DONE)
    }

    fn stress(&self, terminal: &Terminal) -> Result<u8> {
        // A book of a million positions unless less is requested: a scenario then costs enough to be measured.
        let request = StressBenchRequest {
            accounts: self.max_positions.min(1_000_000) / 10,
            scenarios: self.scenarios.get(),
            repeat: self.repeat.get(),
            temp: self.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        };
        let report = bench::stress::run(&request, &self.rules.load()?, terminal)?;
        terminal.finish();
        match self.format {
            TextFormat::Text => terminal::print(&report.to_text())?,
            TextFormat::Json => print_json(&report)?,
        }
        Ok(exit::DONE)
    }

    fn simulate(&self, terminal: &Terminal) -> Result<u8> {
        let request = SimulateBenchRequest {
            accounts: self.max_positions / 10,
            repeat: self.repeat.get(),
            temp: self.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        };
        let report = bench::simulate::run(&request, &self.rules.load()?, terminal)?;
        terminal.finish();
        match self.format {
            TextFormat::Text => terminal::print(&report.to_text())?,
            TextFormat::Json => print_json(&report)?,
        }
        Ok(exit::DONE)
    }

    fn print(&self, report: &BenchReport) -> Result<()> {
        match self.format {
            TextFormat::Text => terminal::print(&bench::text::text(report)),
            TextFormat::Json => print_json(report),
        }
    }

    /// One run in its own process, so that its peak memory can be measured.
    fn measured_apart(&self, program: &Path, job: &Job, progress: &dyn Progress) -> Result<Measurement> {
        let threads = job.threads.to_string();
        let mut command = Command::new(program);
        command.args(["bench", "--quiet", "--threads", &threads]);
        for setting in &self.rules.set {
            command.arg("--set").arg(setting);
        }
        if let Some(rules) = &self.rules.rules {
            command.arg("--rules").arg(rules);
        }
        command.arg("--measure").args([&job.snapshot, &job.out]).stdin(Stdio::null()).stdout(Stdio::piped());
        let failed = |error| Error::io("start", program, error);
        let child = wait(command.spawn().map_err(failed)?, progress)?;
        let output = child.wait_with_output().map_err(failed)?;
        if !output.status.success() {
            return Err(Error::Runtime(format!("the measured run failed with {}; see above", output.status)));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Error::Runtime(format!("cannot read the answer of the measured run: {error}")))
    }
}

/// Waits until the child has ended, or kills it if the user interrupts.
fn wait(mut child: Child, progress: &dyn Progress) -> Result<Child> {
    let failed = |error| Error::Runtime(format!("cannot wait for the measured run: {error}"));
    while child.try_wait().map_err(failed)?.is_none() {
        if progress.interrupted() {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            return Err(Error::Interrupted);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(child)
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::Runtime(format!("cannot serialise the result: {error}")))?;
    terminal::print(&format!("{text}\n"))
}

fn parse_window(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is not a time: expected a number and h, m or s, such as `1h`");
    let units = [('h', 3600.0), ('m', 60.0), ('s', 1.0)];
    let parts = units.iter().find_map(|&(unit, seconds)| text.strip_suffix(unit).map(|number| (number, seconds)));
    let (number, seconds) = parts.ok_or_else(expected)?;
    let number: f64 = parse_number(number).map_err(|_| expected())?;
    let window = Duration::try_from_secs_f64(number * seconds).map_err(|_| expected())?;
    if window.is_zero() { Err(expected()) } else { Ok(window) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows() {
        for (text, expected) in
            [("1h", Some(3600)), ("90m", Some(5400)), ("600s", Some(600)), ("0s", None), ("h", None), ("-1h", None)]
        {
            assert_eq!(parse_window(text).ok(), expected.map(Duration::from_secs), "{text}");
        }
        for text in ["", "12", "1 day", "ö"] {
            assert!(parse_window(text).is_err(), "{text}");
        }
    }
}
