//! `remargin rules`: the parameters in force and where each comes from.

use super::common::{RulesArgs, TextFormat};
use super::{exit, terminal};
use clap::{Args, Subcommand};
use remargin::Result;
use remargin::rules::{self, LoadedRules};
use std::fmt::Write;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Examples:
  remargin rules                                     the built-in set
  remargin rules show --set risk_unit=merged         what a run with this flag would use
  remargin rules check desk.toml";

const SHOW_HELP: &str = "\
Example:
  remargin rules show --rules desk.toml --set mr4.floor.major=0.012 --format json";

const CHECK_HELP: &str = "\
Example:
  remargin rules check desk.toml      exit code 0 if it is valid, 3 if it is not";

/// The parameters in force and where each comes from
#[derive(Args)]
#[command(after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
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

/// Every parameter with its value and its source (what `rules` does by itself)
#[derive(Args)]
#[command(after_help = SHOW_HELP)]
struct ShowArgs {
    #[command(flatten)]
    rules: RulesArgs,
    /// Form of the answer on stdout
    #[arg(long, default_value = "text")]
    format: TextFormat,
}

/// Says whether a rules file is valid, and if not, where
#[derive(Args)]
#[command(after_help = CHECK_HELP)]
struct CheckArgs {
    /// The rules file
    file: PathBuf,
}

impl RulesCommand {
    pub fn execute(&self) -> Result<u8> {
        match &self.action {
            None => self.show.execute(),
            Some(Action::Show(show)) => show.execute(),
            Some(Action::Check(check)) => check.execute(),
        }
    }
}

impl ShowArgs {
    fn execute(&self) -> Result<u8> {
        let loaded = self.rules.load()?;
        terminal::print(&match self.format {
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

/// One line a value, aligned, the source as a comment: still TOML in dotted keys.
fn as_text(loaded: &LoadedRules) -> String {
    // A long list of tiers must not push the sources of all others out of sight.
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
