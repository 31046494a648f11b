//! `remargin completions`: shell completion scripts.

use super::{Cli, exit, terminal};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use remargin::Result;

const AFTER_HELP: &str = "\
Examples:
  remargin completions bash > ~/.local/share/bash-completion/completions/remargin
  remargin completions zsh > ~/.zfunc/_remargin          with ~/.zfunc in $fpath
  remargin completions fish > ~/.config/fish/completions/remargin.fish";

/// Writes a script with which a shell completes commands, flags and values
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    pub fn execute(&self) -> Result<u8> {
        terminal::print(&script(self.shell))?;
        Ok(exit::DONE)
    }
}

/// The script for a shell.
pub fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "remargin", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
