//! `remargin rules`: the parameters in force, the source and mark of each, the built-in sets, and how two sets differ.

use super::common::{RulesArgs, TextFormat};
use super::{exit, terminal};
use clap::{Args, Subcommand};
use remargin::rules::{self, BUILT_IN_NAME, BUILT_INS, BuiltIn, Difference, LoadedRules, RuleValue, Shown};
use remargin::{Error, Result};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const AFTER_HELP: &str = "\
Examples:
  remargin rules                                     the built-in set
  remargin rules show --set risk_unit=merged         the set of a run with this flag
  remargin rules check examples/desk.toml
  remargin rules show --assumed                      the figures that are assumed, and why
  remargin rules list                                the built-in sets
  remargin rules diff okx-pm2-2025-01 examples/desk.toml      what two sets differ in

A rules file is a full set, or an overlay, which changes some keys of a built-in set:
  extends = \"okx-pm2-2025-01\"
  name = \"desk\"
  mr4.floor.other = 0.02      # [M] measured on 2026-10-01
The mark in a comment says what a figure rests on: [P] published, [M] measured, [A] assumed.";

const SHOW_HELP: &str = "\
Example:
  remargin rules show --rules examples/desk.toml --set mr4.floor.major=0.012 --format json";

const LIST_HELP: &str = "\
Example:
  remargin rules list --format json";

const DIFF_HELP: &str = "\
Example:
  remargin rules diff okx-pm2-2025-01 okx-pm2-2025-12";

const CHECK_HELP: &str = "\
Example:
  remargin rules check examples/desk.toml      exit code 0 if it is valid, 3 if it is not";

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
    List(ListArgs),
    Diff(DiffArgs),
}

/// Shows every parameter with its value and source (the default of `rules`)
#[derive(Args)]
#[command(after_help = SHOW_HELP)]
struct ShowArgs {
    #[command(flatten)]
    rules: RulesArgs,
    /// Show only the figures that are assumed, in parts at least
    #[arg(long)]
    assumed: bool,
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

/// Lists the built-in sets: name, first day, figures by mark, and what changed against the one before
#[derive(Args)]
#[command(after_help = LIST_HELP)]
struct ListArgs {
    /// Format of the result on stdout [default: text]
    #[arg(long)]
    format: Option<TextFormat>,
}

/// Shows every parameter in which two sets differ
#[derive(Args)]
#[command(after_help = DIFF_HELP)]
struct DiffArgs {
    /// A rules file, or the name of a built-in set
    a: PathBuf,
    /// The other one
    b: PathBuf,
    /// Format of the result on stdout [default: text]
    #[arg(long)]
    format: Option<TextFormat>,
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
            Some(Action::List(list)) => list.execute(),
            Some(Action::Diff(diff)) => diff.execute(),
        }
    }
}

impl ShowArgs {
    fn is_given(&self) -> bool {
        self.assumed || self.format.is_some() || self.rules.rules.is_some() || !self.rules.set.is_empty()
    }

    fn execute(&self) -> Result<u8> {
        let loaded = self.rules.load()?;
        let which = if self.assumed { Shown::Assumed } else { Shown::All };
        terminal::print(&match self.format.unwrap_or(TextFormat::Text) {
            TextFormat::Text => rules::show(&loaded, which),
            TextFormat::Json => format!("{:#}\n", rules::to_json(&loaded, which)),
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

impl ListArgs {
    fn execute(&self) -> Result<u8> {
        let sets: Vec<LoadedRules> =
            BUILT_INS.iter().map(|set| rules::load(Some(Path::new(set.name)), &[])).collect::<Result<_>>()?;
        let before = std::iter::once(None).chain(sets.iter().map(Some));
        let changes: Vec<Vec<Difference>> =
            before.zip(&sets).map(|(before, set)| before.map_or(Vec::new(), |before| changes(before, set))).collect();
        let listed = || BUILT_INS.iter().zip(&sets).zip(&changes);
        terminal::print(&match self.format.unwrap_or(TextFormat::Text) {
            TextFormat::Text => {
                listed().map(|((set, loaded), changes)| listed_text(set, loaded, changes)).collect::<String>()
            }
            TextFormat::Json => {
                let all: Vec<_> = listed().map(|((set, loaded), changes)| listed_json(set, loaded, changes)).collect();
                format!("{:#}\n", serde_json::Value::from(all))
            }
        })?;
        Ok(exit::DONE)
    }
}

/// What two sets differ in, besides what names them.
fn changes<'a>(a: &'a LoadedRules, b: &'a LoadedRules) -> Vec<Difference<'a>> {
    let all = rules::diff(a, b);
    all.into_iter().filter(|change| !["name", "effective_from"].contains(&change.key())).collect()
}

fn listed_text(set: &BuiltIn, loaded: &LoadedRules, changes: &[Difference]) -> String {
    let figures = loaded.figures();
    let default = if set.name == BUILT_IN_NAME { ", the default" } else { "" };
    let mut text = format!("{}{default}, in force from {}\n", set.name, set.effective_from);
    let _ = writeln!(
        text,
        "  figures: {} published, {} measured, {} assumed",
        figures.published, figures.measured, figures.assumed
    );
    if !changes.is_empty() {
        let _ = writeln!(text, "  changed against the set before:");
    }
    text + &change_lines(changes)
}

fn listed_json(set: &BuiltIn, loaded: &LoadedRules, changes: &[Difference]) -> serde_json::Value {
    serde_json::json!({
        "name": set.name,
        "effective_from": set.effective_from,
        "default": set.name == BUILT_IN_NAME,
        "hash": loaded.hash,
        "figures": loaded.figures(),
        "changes": changes.iter().map(change_json).collect::<Vec<_>>(),
    })
}

impl DiffArgs {
    fn execute(&self) -> Result<u8> {
        let [a, b] = [&self.a, &self.b].map(|file| rules::load(Some(file), &[]));
        let (a, b) = (a?, b?);
        let changes = rules::diff(&a, &b);
        terminal::print(&match self.format.unwrap_or(TextFormat::Text) {
            TextFormat::Text => {
                let count = changes.len();
                format!("{count} of the values of {} and {} differ\n", a.rules.name, b.rules.name)
                    + &change_lines(&changes)
            }
            TextFormat::Json => {
                let side = |loaded: &LoadedRules| serde_json::json!({ "name": loaded.rules.name, "hash": loaded.hash });
                let changes: Vec<_> = changes.iter().map(change_json).collect();
                format!("{:#}\n", serde_json::json!({ "a": side(&a), "b": side(&b), "changes": changes }))
            }
        })?;
        Ok(exit::DONE)
    }
}

/// One line for each change: key, then the two values, each with its mark; long tables are cut.
fn change_lines(changes: &[Difference]) -> String {
    const LONGEST: usize = 60;
    let shown = |value: Option<&RuleValue>| {
        let Some(value) = value else { return "none".to_owned() };
        let mark = value.mark.as_ref().map_or(String::new(), |mark| format!(" {}", mark.label()));
        match value.value.char_indices().nth(LONGEST) {
            None => format!("{}{mark}", value.value),
            Some((end, _)) => format!("{}...{mark}", value.value.get(..end).unwrap_or_default()),
        }
    };
    let line = |change: &Difference| format!("    {}: {} -> {}\n", change.key(), shown(change.a), shown(change.b));
    changes.iter().map(line).collect()
}

fn change_json(change: &Difference) -> serde_json::Value {
    let side = |value: Option<&RuleValue>| {
        value.map(|value| serde_json::json!({ "value": value.value, "source": value.source, "mark": value.mark }))
    };
    serde_json::json!({ "key": change.key(), "a": side(change.a), "b": side(change.b) })
}
