//! `remargin rules`: the parameters in force and the source of each.

use super::common::{RulesArgs, TextFormat};
use super::{exit, terminal};
use clap::{Args, Subcommand};
use remargin::rules::{self, LoadedRules};
use remargin::{Error, Result};
use std::fmt::Write;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin rules                                     the built-in set
  remargin rules show --set risk_unit=merged         the set of a run with this flag
  remargin rules check desk.toml";

const SHOW_HELP: &str = "\
Example:
  remargin rules show --rules desk.toml --set mr4.floor.major=0.012 --format json";

const CHECK_HELP: &str = "\
Example:
  remargin rules check desk.toml      exit code 0 if it is valid, 3 if it is not";

/// Shows the parameters in force and the source of each
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct RulesCommand {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Subcommand)]
enum Action {
    Show(ShowArgs),
    Check(CheckArgs),
}

/// Shows every parameter with its value and source (the default of `rules`)
#[derive(Args)]
#[command(after_help = SHOW_HELP)]
struct ShowArgs {
    #[command(flatten)]
    rules: RulesArgs,
    /// Format of the result on stdout [default: text]
    #[arg(long)]
    format: Option<TextFormat>,
}

/// Checks that a rules file is valid, and names the errors
#[derive(Args)]
#[command(after_help = CHECK_HELP)]
struct CheckArgs {
    /// The rules file
    file: PathBuf,
}

impl RulesCommand {
    pub fn execute(&self) -> Result<u8> {
        // Clap could refuse the combination itself, but then it would refuse `--color` and `--quiet` before `check`
        // too.
        if self.action.is_some() && self.show.is_given() {
            let text = "the flags of `remargin rules` go after its subcommand: `remargin rules show --set ...`";
            return Err(Error::Usage(text.to_owned()));
        }
        match &self.action {
            None => self.show.execute(),
            Some(Action::Show(show)) => show.execute(),
            Some(Action::Check(check)) => check.execute(),
        }
    }
}

impl ShowArgs {
    fn is_given(&self) -> bool {
        self.format.is_some() || self.rules.rules.is_some() || !self.rules.set.is_empty()
    }

    fn execute(&self) -> Result<u8> {
        let loaded = self.rules.load()?;
        terminal::print(&match self.format.unwrap_or(TextFormat::Text) {
            TextFormat::Text => as_text(&loaded),
            TextFormat::Json => as_json(&loaded),
        })?;
        Ok(exit::DONE)
    }
}

impl CheckArgs {
    fn execute(&self) -> Result<u8> {
        let loaded = rules::load(Some(&self.file), &[])?;
        let (file, name, count) = (self.file.display(), &loaded.rules.name, loaded.values.len());
        terminal::print(&format!("{file}: valid, `{name}`, {count} values, hash {}\n", loaded.hash))?;
        Ok(exit::DONE)
    }
}

/// One line per value, aligned, with the source as a comment: valid TOML with dotted keys.
fn as_text(loaded: &LoadedRules) -> String {
    // A long list of tiers must not push all sources far to the right.
    const WIDEST_VALUE: usize = 40;
    let key_width = loaded.values.iter().map(|value| value.key.len()).max().unwrap_or(0);
    let value_width = loaded.values.iter().map(|value| value.value.len()).max().unwrap_or(0).min(WIDEST_VALUE);
    let mut text = format!("# {}, hash {}\n", loaded.rules.name, loaded.hash);
    for value in &loaded.values {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:key_width$} = {:value_width$}  # {}", value.key, value.value, value.source);
    }
    text
}

fn as_json(loaded: &LoadedRules) -> String {
    let values: Vec<_> = loaded
        .values
        .iter()
        .map(|value| serde_json::json!({ "key": value.key, "value": value.value, "source": value.source }))
        .collect();
    let answer = serde_json::json!({ "name": loaded.rules.name, "hash": loaded.hash, "values": values });
    format!("{answer:#}\n")
}
