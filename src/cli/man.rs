//! `remargin man`: a man page for each command.

use super::terminal::Terminal;
use super::{Cli, exit, urls};
use clap::{Args, Command, CommandFactory};
use remargin::{Error, Result, publish};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Example:
  remargin man ~/.local/share/man/man1      then: man remargin-run";

/// Writes man pages of all commands
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ManArgs {
    /// Folder for the man pages; created if it does not exist
    dir: PathBuf,
}

impl ManArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let pages = pages()?;
        for (name, page) in &pages {
            publish::write_file(&self.dir.join(name), page.as_bytes())?;
        }
        terminal.note(format_args!("wrote {} pages to {}", pages.len(), self.dir.display()));
        Ok(exit::DONE)
    }
}

/// Name and text of each page.
pub fn pages() -> Result<Vec<(String, String)>> {
    let mut command = urls::described(Cli::command());
    command.build();
    let mut pages = Vec::new();
    let mut pending = vec![(String::from("remargin"), command)];
    while let Some((name, command)) = pending.pop() {
        let own = command.get_subcommands().filter(|command| command.get_name() != "help");
        pending.extend(own.map(|command| (format!("{name}-{}", command.get_name()), command.clone())));
        pages.push((format!("{name}.1"), page(&name, command)?));
    }
    pages.sort();
    Ok(pages)
}

fn page(name: &str, command: Command) -> Result<String> {
    let mut bytes = Vec::new();
    let command = command.display_name(name.to_owned());
    let rendered = clap_mangen::Man::new(command).title(name.to_uppercase()).render(&mut bytes);
    rendered.map_err(|error| Error::Runtime(format!("cannot form the man page `{name}`: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
