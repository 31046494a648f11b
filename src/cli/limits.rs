//! `remargin limits`: what the rules of a file of limits say; and the flags of the commands that check them.

use super::common::TextFormat;
use super::nearest::nearest;
use super::{exit, terminal};
use clap::{Args, Subcommand};
use remargin::limits::Limits;
use remargin::totals::limit_summary::{LimitsSummary, Severity};
use remargin::{Error, Result};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin limits check examples/limits.toml
  remargin run examples/today --out limited --limits examples/limits.toml

A file of limits has one `[[limit]]` for each:
  [[limit]]
  name = \"desk MMR\"
  rule = \"group.desk.mmr <= 50_000_000\"
  severity = \"hard\"                 # info, soft or hard
  text = \"Call the head of desk\"    # may be left out
  only = [\"options\"]                # these groups or accounts alone; may be left out
  scenarios = [\"base\"]              # these scenarios alone; may be left out";

const CHECK_HELP: &str = "\
Examples:
  remargin limits check examples/limits.toml                  exit code 0 if it is valid, 3 if it is not
  remargin limits check examples/limits.toml --format json";

/// Checks a file of limits and explains each rule
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct LimitsCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Check(CheckArgs),
}

/// Checks that a file of limits is valid, and says in words what each rule means
#[derive(Args)]
#[command(after_help = CHECK_HELP)]
struct CheckArgs {
    /// The file of limits
    file: PathBuf,
    /// Format of the result on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
}

impl LimitsCommand {
    pub fn execute(&self) -> Result<u8> {
        let Action::Check(CheckArgs { file, format }) = &self.action;
        let limits = Limits::read(file)?;
        terminal::print(&match format {
            TextFormat::Text => limits.explained(file),
            TextFormat::Json => format!("{:#}\n", limits.to_json()?),
        })?;
        Ok(exit::DONE)
    }

    /// True if the result is JSON on stdout.
    pub fn answers_json(&self) -> bool {
        let Action::Check(CheckArgs { format, .. }) = &self.action;
        *format == TextFormat::Json
    }
}

/// Which limits to check.
#[derive(Args)]
pub struct LimitArgs {
    /// Limits on figures of accounts, groups, risk units and the book: a TOML file, see `remargin limits --help`
    ///
    /// Writes the table `breaches`, and a section of the page. Accounts are also grouped by what rules name, as `--by`
    /// does.
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
}

impl LimitArgs {
    /// The limits, if any are asked for. What asks for an exit code needs them.
    pub fn load(&self, fail_on: &[FailOn]) -> Result<Option<Limits>> {
        let of_limits = fail_on.iter().find_map(|on| match on {
            FailOn::Breach(_) => Some("breach"),
            FailOn::NotCompared => Some(NOT_COMPARED),
            FailOn::Liquidation => None,
        });
        if let (None, Some(what)) = (&self.limits, of_limits) {
            let problem = format!("`--fail-on {what}` needs limits");
            return Err(Error::Usage(problem).hint("`--limits FILE` names them"));
        }
        self.limits.as_ref().map(Limits::read).transpose()
    }
}

/// What ends a command with exit code 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// Accounts in liquidation.
    Liquidation,
    /// A breach of at least this severity.
    Breach(Severity),
    /// A limit that no figure was compared with.
    NotCompared,
}

const NOT_COMPARED: &str = "not-compared";
const OF_LIMITS: [&str; 5] = ["breach", "breach:info", "breach:soft", "breach:hard", NOT_COMPARED];

/// `breach`, `breach:hard` or `not-compared`.
pub fn parse_breach(text: &str) -> Result<FailOn, String> {
    if text == NOT_COMPARED {
        return Ok(FailOn::NotCompared);
    }
    let breach = match text.strip_prefix("breach") {
        Some("") => Some(Severity::Info),
        Some(rest) => rest.strip_prefix(':').and_then(|word| word.parse().ok()),
        None => None,
    };
    breach.map(FailOn::Breach).ok_or_else(|| {
        let near = nearest(text, OF_LIMITS.map(str::to_owned).into_iter()).into_iter().next();
        let near = near.map_or_else(String::new, |near| format!("; is it `{near}`?"));
        format!("expected `breach`, `breach:info`, `breach:soft`, `breach:hard` or `not-compared`{near}")
    })
}

/// The same, or `liquidation`.
pub fn parse_fail_on(text: &str) -> Result<FailOn, String> {
    if text == "liquidation" {
        return Ok(FailOn::Liquidation);
    }
    parse_breach(text).map_err(|error| error.replacen("expected ", "expected `liquidation`, ", 1))
}

/// What made the command fail, in words; nothing if nothing did.
pub fn failures(asked: &[FailOn], in_liquidation: u64, limits: Option<&LimitsSummary>) -> Vec<String> {
    let mut found = Vec::new();
    if asked.contains(&FailOn::Liquidation) && in_liquidation > 0 {
        found.push(format!("accounts in `liquidation`: {in_liquidation}"));
    }
    let least = asked.iter().filter_map(|on| if let FailOn::Breach(least) = on { Some(*least) } else { None }).min();
    if let (Some(least), Some(limits)) = (least, limits) {
        let (breaches, breached) = (limits.breaches.at_least(least), limits.breached.at_least(least));
        if breaches > 0 {
            let all = limits.each.iter().filter(|limit| limit.severity >= least).count();
            let severity =
                if least == Severity::Info { String::new() } else { format!(" of severity `{least}` or above") };
            found.push(format!("limits{severity} that are breached: {breached} of {all}; breaches: {breaches}"));
        }
    }
    if let (true, Some(limits)) = (asked.contains(&FailOn::NotCompared), limits) {
        found.extend(limits.not_compared().map(|limit| {
            let why =
                if limit.not_found.is_empty() { String::new() } else { format!(": {}", limit.not_found.join("; ")) };
            let what =
                if limit.checked == 0 { "compared with no figure" } else { "not compared with all that it names" };
            format!("limit `{}` was {what}{why}", limit.name)
        }));
    }
    found
}

/// How many limits are met, in one line; and what was not compared. `left_out` is the number of accounts without
/// margins.
pub fn in_short(limits: &LimitsSummary, left_out: u64) -> String {
    let not_compared = limits.not_compared().count();
    let mut parts = vec![breached_in_short(limits)];
    if not_compared > 0 {
        parts.push(format!("not compared with all that they name: {not_compared}"));
    }
    if left_out > 0 {
        parts.push(format!("accounts left out and not compared: {left_out}"));
    }
    parts.join("; ")
}

fn breached_in_short(limits: &LimitsSummary) -> String {
    let total = limits.each.len();
    let breached = limits.breached.at_least(Severity::Info);
    if breached == 0 {
        return format!("limits: none of {total} is breached");
    }
    let most_serious_first = Severity::ALL.into_iter().rev();
    let counts = most_serious_first.filter(|severity| limits.breaches.get(*severity) > 0);
    let counts: Vec<String> = counts.map(|severity| format!("{} {severity}", limits.breaches.get(severity))).collect();
    format!("limits: {breached} of {total} breached, breaches: {}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_failure() {
        for (text, expected) in [
            ("liquidation", Ok(FailOn::Liquidation)),
            ("breach", Ok(FailOn::Breach(Severity::Info))),
            ("breach:info", Ok(FailOn::Breach(Severity::Info))),
            ("breach:soft", Ok(FailOn::Breach(Severity::Soft))),
            ("breach:hard", Ok(FailOn::Breach(Severity::Hard))),
            ("breach:hrd", Err("is it `breach:hard`?")),
            ("breech", Err("is it `breach`?")),
            ("not-compared", Ok(FailOn::NotCompared)),
            ("not_compared", Err("is it `not-compared`?")),
            ("warning", Err("expected `liquidation`")),
            ("breach:", Err("expected `liquidation`")),
        ] {
            match (parse_fail_on(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        assert!(parse_breach("liquidation").is_err());
    }
}
