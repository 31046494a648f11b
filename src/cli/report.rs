//! `remargin report`: rebuilds the page of a finished run.

use super::exit;
use super::terminal::{Terminal, grouped};
use clap::Args;
use remargin::publish::absolute;
use remargin::{Error, Result, page, report};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const AFTER_HELP: &str = "\
Examples:
  remargin run data/sample --out out --no-report
  remargin report out                          writes out/report.html
  remargin report out --open
  remargin report out --out monday.html

The page needs no network and no other files, and can be mailed. `run` and `stress` write it themselves, unless
--no-report is given. The same version writes the same page, byte for byte, from the same files.

Exit code 3: DIR is not a finished run, or a table was changed since: no page shows what the run did not write.";

/// Rebuilds the page of a finished run from its files
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ReportArgs {
    /// Folder of a finished run or stress
    dir: PathBuf,
    /// File to write; replaces an existing page [default: report.html in the folder]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

impl ReportArgs {
    pub fn execute(&self, terminal: &Terminal) -> Result<u8> {
        let out = self.out.clone().unwrap_or_else(|| self.dir.join(page::REPORT));
        let rebuilt = report::rebuild(&self.dir, &out, terminal)?;
        terminal.note(format_args!("wrote {}, {} bytes", out.display(), grouped(rebuilt.bytes)));
        for file in &rebuilt.missing {
            terminal.note(format_args!("{file} is not there any more: the page is without its rows"));
        }
        if rebuilt.as_listed == Some(false) && rebuilt.missing.is_empty() {
            terminal.note("it differs from the page in the manifest: another version wrote that");
        }
        if self.open {
            open(&out)?;
        }
        Ok(exit::DONE)
    }
}

/// Opens a file in the browser.
fn open(file: &Path) -> Result<()> {
    let file = absolute(file)?;
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.args(["/C", "start", ""]);
        command
    } else {
        Command::new("xdg-open")
    };
    let failed = |problem: String| {
        Error::Runtime(format!("cannot show `{}`: {problem}", file.display())).hint("open it by hand")
    };
    let status = command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(format!("the desktop answered with {status}"))),
        Err(error) => Err(failed(error.to_string())),
    }
}
