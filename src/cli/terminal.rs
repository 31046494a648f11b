//! Output on stderr and Ctrl-C: progress, colour, errors, log.

use super::common::{GlobalArgs, TextFormat, When};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use remargin::progress::Progress;
use remargin::{Error, Result};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Nothing,
    /// A bar that is redrawn in place.
    Bar,
    /// One line at the end of each stage, if stderr is not a terminal.
    Lines,
}

struct Stage {
    name: String,
    unit: &'static str,
    started: Instant,
    bar: ProgressBar,
}

/// The terminal of this process: shows progress and handles Ctrl-C.
pub struct Terminal {
    show: Show,
    colour: bool,
    quiet: bool,
    stage: RwLock<Option<Stage>>,
    steps: AtomicU64,
    interrupted: Arc<AtomicBool>,
}

impl Terminal {
    /// With the settings of the flags.
    pub fn new(global: &GlobalArgs) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        // Log lines and a bar would overwrite each other.
        let auto = is_terminal && !global.quiet && global.verbose == 0;
        let show = match global.progress {
            When::Never => Show::Nothing,
            When::Auto if !auto => Show::Nothing,
            When::Auto | When::Always => {
                if is_terminal {
                    Show::Bar
                } else {
                    Show::Lines
                }
            }
        };
        Self {
            show,
            colour: use_colour(global.color, is_terminal),
            quiet: global.quiet,
            stage: RwLock::new(None),
            steps: AtomicU64::new(0),
            interrupted: Arc::default(),
        }
    }

    /// First Ctrl-C: the library stops at the next safe point and writes nothing. Second: the process ends at once.
    pub fn watch_interrupt(&self) -> Result<()> {
        let interrupted = Arc::clone(&self.interrupted);
        ctrlc::set_handler(move || {
            if interrupted.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            say("interrupting; press Ctrl-C again to end at once");
        })
        .map_err(|error| Error::Runtime(format!("cannot listen for Ctrl-C: {error}")))
    }

    /// A note on stderr, unless `--quiet`.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.finish();
            say(text);
        }
    }

    /// The summary of a run on stderr, unless `--quiet`.
    pub fn summary(&self, text: &str) {
        self.note(if self.colour { painted(text) } else { text.to_owned() });
    }

    /// A result on stdout.
    pub fn result(&self, text: &[u8]) -> Result<()> {
        self.finish();
        print(&String::from_utf8_lossy(text))
    }

    /// An error on stderr: `error: ...` and the lines with its location.
    pub fn error(&self, text: impl Display) {
        let (start, end) = if self.colour { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        say(format_args!("{start}error:{end} {text}"));
    }

    /// The error of a run whose table `rejects` is in `out`.
    pub fn too_many_rejects(&self, out: &Path) {
        self.error(format_args!(
            "more rows are broken than `--max-rejects` allows; table `rejects` in `{}` lists them",
            out.display()
        ));
    }

    /// Ends the current stage, so that the bar does not overwrite later output.
    pub fn finish(&self) {
        let stage = self.stage.write().unwrap_or_else(PoisonError::into_inner).take();
        let Some(stage) = stage else { return };
        stage.bar.finish_and_clear();
        if self.show == Show::Lines {
            let steps = self.steps.load(Ordering::Relaxed);
            let seconds = stage.started.elapsed().as_secs_f64();
            // A stage without steps has no count.
            let counted = if steps == 0 { String::new() } else { format!("{} {} in ", grouped(steps), stage.unit) };
            say(format_args!("{}: {counted}{seconds:.1} s", stage.name));
        }
    }
}

impl Progress for Terminal {
    fn stage(&self, name: &str, unit: &'static str, total: u64) {
        self.finish();
        if self.show == Show::Nothing {
            return;
        }
        self.steps.store(0, Ordering::Relaxed);
        let bar = if self.show == Show::Bar { bar(name, unit, total) } else { ProgressBar::hidden() };
        let stage = Stage { name: name.to_owned(), unit, started: Instant::now(), bar };
        *self.stage.write().unwrap_or_else(PoisonError::into_inner) = Some(stage);
    }

    fn advance(&self, steps: u64) {
        if self.show == Show::Nothing {
            return;
        }
        self.steps.fetch_add(steps, Ordering::Relaxed);
        if let Some(stage) = self.stage.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            stage.bar.inc(steps);
        }
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// One line of terminal width: progress, speed, remaining time.
fn bar(name: &str, unit: &str, total: u64) -> ProgressBar {
    let (length, template) = if total == 0 {
        (None, format!("{{prefix:>8}} {{spinner}} {{human_pos}} {unit}, {{rate}}/s, {{elapsed}}"))
    } else {
        (Some(total), format!("{{prefix:>8}} {{percent:>3}} % [{{wide_bar}}] {{rate}} {unit}/s, {{eta}} left"))
    };
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr()).with_prefix(name.to_owned());
    if let Ok(style) = ProgressStyle::with_template(&template) {
        let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let _ = text.write_str(&grouped(state.per_sec() as u64));
        };
        bar.set_style(style.progress_chars("=> ").with_key("rate", rate));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Writes a result to stdout. A closed pipe (`remargin rules | head`) is not an error.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("write to", "stdout", error)),
        _ => Ok(()),
    }
}

/// Writes a line to stderr. A failure cannot be reported.
fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A count with thousands separators: `1,234,567`.
pub fn grouped(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// Sends the log to stderr. The filter is `REMARGIN_LOG` if set, else from the number of `-v`.
pub fn start_log(global: &GlobalArgs) -> Result<()> {
    let by_flags = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "remargin=info,warn",
        (false, 2) => "remargin=debug,warn",
        (false, _) => "trace",
    };
    let wanted = std::env::var("REMARGIN_LOG").ok().filter(|text| !text.is_empty());
    let filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(by_flags))
        .map_err(|error| Error::Usage(format!("cannot read the log filter in `REMARGIN_LOG`: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match global.log_format {
        TextFormat::Text => log.with_ansi(use_colour(global.color, std::io::stderr().is_terminal())).try_init(),
        TextFormat::Json => log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    started.map_err(|error| Error::Runtime(format!("cannot start the log: {error}")))
}

/// A summary for a terminal: bold title, dim column heads.
fn painted(text: &str) -> String {
    let line = |(number, line): (usize, &str)| {
        let colour = match line.split_whitespace().next() {
            Some(_) if number == 0 => "1",
            Some("accounts" | "risk" | "scenario") => "2",
            _ => return line.to_owned(),
        };
        format!("\u{1b}[{colour}m{line}\u{1b}[0m")
    };
    text.lines().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn use_colour(color: When, is_terminal: bool) -> bool {
    match color {
        When::Always => true,
        When::Never => false,
        When::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// The colour of help and usage errors, which are printed before the flags are known.
pub fn help_colour(args: &[OsString]) -> clap::ColorChoice {
    let mut choice = clap::ColorChoice::Auto;
    let mut args = args.iter().map(|arg| arg.to_string_lossy()).take_while(|arg| arg != "--").peekable();
    while let Some(arg) = args.next() {
        let value = match arg.strip_prefix("--color") {
            Some("") => args.peek().map(ToString::to_string),
            Some(rest) => rest.strip_prefix('=').map(ToString::to_string),
            None => None,
        };
        match value.as_deref() {
            Some("always") => choice = clap::ColorChoice::Always,
            Some("never") => choice = clap::ColorChoice::Never,
            _ => {}
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_of_help() {
        for (line, expected) in [
            ("remargin --help", clap::ColorChoice::Auto),
            ("remargin --color never --help", clap::ColorChoice::Never),
            ("remargin run --color=always", clap::ColorChoice::Always),
            ("remargin run -- --color=always", clap::ColorChoice::Auto),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(help_colour(&args), expected, "{line}");
        }
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let text = "2026 rules\n\n accounts  USD\n liquidation  3\n healthy  5\n";
        let painted = painted(text);
        assert_eq!(painted.matches('\u{1b}').count(), 4);
        let bare = ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"].iter().fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(bare, text.trim_end());
    }

    #[test]
    fn an_explicit_wish_for_colour_wins() {
        for (wish, is_terminal, expected) in [(When::Always, false, true), (When::Never, true, false)] {
            assert_eq!(use_colour(wish, is_terminal), expected, "{wish:?}");
        }
        assert!(!use_colour(When::Auto, false));
    }
}
