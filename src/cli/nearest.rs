//! The nearest name to one that does not exist: `rn` is `run`, and `--ot` is `--out`.
//!
//! Clap compares by Jaro similarity, which prefers long names: for `rn` it names `reconcile`. Here the fewest edits
//! decide.

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error};
use std::ffi::OsString;

/// Replaces what clap suggests for an unknown command or flag.
pub fn suggest(error: &mut Error, command: &mut Command, args: &[OsString]) {
    command.build();
    let command = deepest(command, args);
    if let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) {
        let names = command.get_subcommands().map(|command| command.get_name().to_owned());
        let found = nearest(unknown, names);
        error.remove(ContextKind::SuggestedSubcommand);
        if !found.is_empty() {
            error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(found));
        }
    } else if let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg)
        && let Some(unknown) = unknown.strip_prefix("--")
        && error.kind() == clap::error::ErrorKind::UnknownArgument
    {
        let unknown = unknown.split('=').next().unwrap_or_default();
        let flags = command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned));
        let found = nearest(unknown, flags).into_iter().next();
        error.remove(ContextKind::SuggestedArg);
        if let Some(found) = found {
            error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{found}")));
        }
        // Clap would show a use of the flag that it suggested.
        let usage = command.render_usage();
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    }
}

/// The command that a command line names: `rules show`.
fn deepest<'a>(command: &'a mut Command, args: &[OsString]) -> &'a mut Command {
    let mut path = Vec::new();
    let mut at: &Command = command;
    for word in args.iter().skip(1).filter_map(|arg| arg.to_str()).filter(|word| !word.starts_with('-')) {
        // Other words are values: of a flag that stands before the command, or of the command itself.
        let Some(next) = at.find_subcommand(word) else { continue };
        path.push(word);
        at = next;
    }
    let mut found = command;
    for word in path {
        // It was found above.
        found = match found.get_subcommands_mut().find(|command| command.get_name() == word) {
            Some(next) => next,
            None => unreachable!("a command that was found is there"),
        };
    }
    found
}

/// The names with the fewest edits, if these are few for the length of the word.
pub fn nearest(unknown: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let most = 1 + unknown.chars().count() / 4;
    let mut found: Vec<(usize, String)> =
        names.map(|name| (strsim::osa_distance(unknown, &name), name)).filter(|(edits, _)| *edits <= most).collect();
    let least = found.iter().map(|(edits, _)| *edits).min();
    found.retain(|(edits, _)| Some(*edits) == least);
    found.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_fewest_edits_decide() {
        for (line, expected) in [
            ("rn", "'run'"),
            ("runn", "'run'"),
            ("expln", "'explain'"),
            ("rule", "'rules'"),
            ("int", "'init'"),
            ("schem", "'schema'"),
            ("stres", "'stress'"),
            ("rules shw", "'show'"),
            ("run s --ot x", "'--out'"),
            ("run s --formt=csv", "'--format'"),
            ("stress s --senario x", "'--scenario'"),
            ("rules show --formt json", "'--format'"),
            ("--log-format json run s --oot x", "'--out'"),
            ("wholly-unlike", ""),
            ("run s --wholly-unlike", ""),
        ] {
            let args: Vec<OsString> = std::iter::once("remargin").chain(line.split(' ')).map(OsString::from).collect();
            let mut error = Cli::command().try_get_matches_from(&args).unwrap_err();
            suggest(&mut error, &mut Cli::command(), &args);
            let text = error.render().to_string();
            let tips: Vec<&str> = text.lines().filter(|line| line.contains("similar")).collect();
            assert_eq!(tips.len(), usize::from(!expected.is_empty()), "{line}: {text}");
            assert!(tips.iter().all(|tip| tip.ends_with(&format!("exists: {expected}"))), "{line}: {tips:?}");
        }
    }
}
