//! URLs on the command line: which arguments may be one. What cannot be used ends before anything is read.

use clap::{Arg, ArgMatches, Command};
use remargin::store::{self, IS_BUILT_IN};
use remargin::{Error, Result};
use std::path::{Path, PathBuf};

/// Arguments that may be a URL: command and name.
const MAY_BE: &[(&str, &[&str])] = &[
    ("run", &["snapshot", "out", "shocks", "rules"]),
    ("stress", &["snapshot", "out", "shocks", "rules"]),
    ("simulate", &["snapshot", "out", "rules"]),
    ("check", &["snapshot", "rules"]),
    ("explain", &["snapshot", "rules"]),
    ("verify", &["dir", "snapshot"]),
    ("replay", &["manifest", "snapshot"]),
];

/// Says of each argument that may be a URL that it may, in a program that has a network.
pub fn described(command: Command) -> Command {
    if !IS_BUILT_IN {
        return command;
    }
    MAY_BE.iter().fold(command, |command, (name, arguments)| {
        command.mut_subcommand(name, |inner| arguments.iter().fold(inner, |inner, of| inner.mut_arg(of, may_be_a_url)))
    })
}

fn may_be_a_url(argument: Arg) -> Arg {
    let about = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    argument.long_help(format!("{about}\n\nMay be a URL: `s3://BUCKET/KEY`, `gs://`, `az://`; to read, `https://` too"))
}

/// Refuses each path that begins as a URL and cannot be one.
///
/// # Errors
/// [`Error::Usage`] that names the argument.
pub fn check(matches: &ArgMatches) -> Result<()> {
    let Some((command, inner)) = matches.subcommand() else { return Ok(()) };
    let may_be = MAY_BE.iter().find(|(name, _)| *name == command).map_or(&[] as &[&str], |(_, names)| names);
    check_values(command, inner, may_be)?;
    check(inner)
}

fn check_values(command: &str, matches: &ArgMatches, may_be: &[&str]) -> Result<()> {
    for id in matches.ids() {
        // Names of groups of flags are among the ids, and values that are no paths.
        let Ok(Some(paths)) = matches.try_get_many::<PathBuf>(id.as_str()) else { continue };
        for path in paths.filter(|path| store::is_url(path)) {
            check_one(command, id.as_str(), path, may_be.contains(&id.as_str()))?;
        }
    }
    Ok(())
}

fn check_one(command: &str, name: &str, path: &Path, may_be: bool) -> Result<()> {
    if IS_BUILT_IN && !may_be {
        let named: Vec<String> =
            MAY_BE.iter().map(|(command, names)| format!("{command} ({})", names.join(", "))).collect();
        let problem = format!("`{name}` of `remargin {command}` cannot be a URL");
        return Err(Error::Usage(problem).hint(format!("URLs are taken by: {}", named.join("; "))));
    }
    store::check(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    /// Each name above is one of an argument of its command.
    #[test]
    fn the_names_are_those_of_arguments() {
        let command = Cli::command();
        for (name, arguments) in MAY_BE {
            let inner = command.find_subcommand(name).unwrap();
            for argument in *arguments {
                assert!(inner.get_arguments().any(|of| of.get_id() == argument), "{name}: {argument}");
            }
        }
    }

    #[test]
    fn the_help_tells_where_there_is_a_network() {
        let mut command = described(Cli::command());
        let help = command.find_subcommand_mut("verify").unwrap().render_long_help().to_string();
        assert!(help.contains("Folder of a finished run"), "{help}");
        assert_eq!(help.matches("May be a URL").count(), if IS_BUILT_IN { 2 } else { 0 }, "{help}");
    }

    #[test]
    fn urls_are_taken_where_they_may_be() {
        for (line, expected) in [
            ("run data/sample --out out", None),
            ("run s3://a/b --out s3://a/c", Some("")),
            ("run s3://a/b --out out --history s3://a/h.parquet", Some("`history` of `remargin run`")),
            ("run s3://key:secret@a/b --out out", Some("it has a user")),
            ("run ftp://a/b --out out", Some("no such store")),
            ("verify s3://a/c", Some("")),
            ("compare s3://a/b s3://a/c", Some("`first` of `remargin compare`")),
            ("generate --accounts 1 --seed 1 --out s3://a/b", Some("`out` of `remargin generate`")),
            ("import okx s3://a/b --out out", Some("of `remargin okx`")),
        ] {
            let words = std::iter::once("remargin").chain(line.split(' '));
            let matches = Cli::command().try_get_matches_from(words).unwrap();
            let found = check(&matches).err().map(|error| error.to_string());
            let expected = match expected {
                Some(_) if !IS_BUILT_IN => Some("without the feature `cloud`"),
                Some("") => None,
                other => other,
            };
            match (found, expected) {
                (None, None) => {}
                (Some(text), Some(words)) => {
                    assert!(text.contains(words) && !text.contains("secret"), "{line}: {text}");
                }
                (found, expected) => panic!("{line}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
