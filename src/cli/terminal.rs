//! Output on stderr: progress, colour, errors, log.

use super::common::{GlobalArgs, TextFormat, When};
use super::failure;
use super::shown::shown;
use super::signals::Signals;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use remargin::progress::Progress;
use remargin::{Error, Result};
use serde_json::json;
use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

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

/// The terminal of this process: shows progress, and knows whether a signal came.
pub struct Terminal {
    show: Show,
    colour: bool,
    quiet: bool,
    json_errors: bool,
    stage: RwLock<Option<Stage>>,
    steps: AtomicU64,
    signals: Signals,
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
            json_errors: global.log_format == TextFormat::Json,
            stage: RwLock::new(None),
            steps: AtomicU64::new(0),
            signals: Signals::default(),
        }
    }

    /// Listens for signals. The first one: the library stops at the next safe point and writes nothing. The second one:
    /// the process ends at once.
    pub fn watch_signals(&self) -> Result<()> {
        #[cfg(feature = "cloud")]
        {
            let signals = self.signals.clone();
            remargin::store::stop_when(move || signals.is_received());
        }
        self.signals.listen()
    }

    /// The exit code of a command that fails so: after a signal that of the signal.
    pub fn code_of(&self, error: &Error) -> u8 {
        self.signals.received().map_or(error.exit_code(), |(_, code)| code)
    }

    /// Says why the command failed, and returns its exit code. After a signal it is that of the signal. If the result
    /// would have been JSON on stdout, the failure stands there too.
    pub fn failed(&self, error: &Error, answers_json: bool) -> u8 {
        let received = self.signals.received();
        let code = self.code_of(error);
        let object = failure::object(error, code, received.map(|(signal, _)| signal));
        if answers_json {
            // If stdout is closed, stderr has it.
            let _ = print(&format!("{object:#}\n"));
        }
        if self.json_errors {
            say(shown(&object.to_string()));
            return code;
        }
        match (received, error) {
            (None, _) => self.say_error(error.text(super::common::flag)),
            (Some((signal, _)), Error::Interrupted) => {
                self.say_error(format_args!("interrupted by {signal}: nothing was written"));
            }
            (Some((signal, _)), _) => {
                self.say_error(format_args!("{}\n  signal:   {signal}", error.text(super::common::flag)));
            }
        }
        code
    }

    /// A note on stderr, unless `--quiet`.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.finish();
            self.say_line("note", &text.to_string());
        }
    }

    /// A text on stderr; under `--log-format json` an object in one line.
    fn say_line(&self, kind: &str, text: &str) {
        if self.json_errors {
            say(shown(&json!({ kind: text }).to_string()));
        } else {
            say(shown(text));
        }
    }

    /// The summary of a run on stderr, unless `--quiet`.
    pub fn summary(&self, text: &str) {
        if !self.quiet {
            self.finish();
            if self.json_errors {
                return self.say_line("summary", text);
            }
            let text = shown(text);
            say(if self.colour { painted(&text) } else { text.into_owned() });
        }
    }

    /// A result on stdout.
    pub fn result(&self, text: &[u8]) -> Result<()> {
        self.finish();
        print(&String::from_utf8_lossy(text))
    }

    /// A finding that gives the process this exit code, on stderr.
    pub fn error(&self, code: u8, text: impl Display) {
        if self.json_errors {
            say(shown(&failure::finding(code, &text.to_string()).to_string()));
        } else {
            self.say_error(text);
        }
    }

    /// `error: ...` and the lines with its location.
    fn say_error(&self, text: impl Display) {
        let (start, end) = if self.colour { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        say(format_args!("{start}error:{end} {}", shown(&text.to_string())));
    }

    /// The error of a command with so many broken rows, more than it may have. Table `rejects` in `out` lists them, if
    /// there is one.
    pub fn too_many_rejects(&self, broken: u64, out: Option<&Path>) {
        let listed = out.map_or("`remargin check` lists them".to_owned(), |out| {
            format!("table `rejects` in `{}` lists them", out.display())
        });
        self.broken_rows(broken, &listed);
    }

    /// The same; `listed` says where they are.
    pub fn broken_rows(&self, broken: u64, listed: &str) {
        let rows = if broken == 1 { "row is" } else { "rows are" };
        let text = format!("{broken} {rows} broken, more than `--max-rejects` allows; {listed}");
        self.error(super::exit::TOO_MANY_REJECTS, text);
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
            self.say_line("stage", &format!("{}: {counted}{seconds:.1} s", shown(&stage.name)));
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
        self.signals.is_received()
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
    // The crate panics if it cannot start a thread. Then the bar moves when the work advances.
    if std::thread::Builder::new().spawn(|| ()).is_ok() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

/// Writes what clap says: help and the version are results and go to stdout. A closed pipe there is not an error.
pub fn print_usage(error: &clap::Error, args: &[OsString]) {
    let text = error.render().to_string();
    if error.use_stderr() && asks_for_json(args) {
        say(shown(&failure::usage(super::exit::USAGE, &text).to_string()));
        return;
    }
    if args.iter().any(|arg| matches!(shown(&arg.to_string_lossy()), Cow::Owned(_))) {
        say(shown(&text));
    } else {
        let _ = error.print();
    }
}

/// True if the flags ask for JSON on stderr, read before they are known to be right.
fn asks_for_json(args: &[OsString]) -> bool {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).take_while(|arg| arg != "--").collect();
    args.iter().any(|arg| arg == "--log-format=json")
        || args.windows(2).any(|pair| matches!(pair, [flag, value] if flag == "--log-format" && value == "json"))
}

/// Writes a result to stdout, without control characters. A closed pipe (`remargin rules | head`) is not an error.
pub fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(shown(text).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("write to", "stdout", error)),
        _ => Ok(()),
    }
}

/// Writes a line to stderr. A failure cannot be reported.
pub fn say(text: impl Display) {
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
    let filter: Targets = wanted
        .as_deref()
        .unwrap_or(by_flags)
        .parse()
        .map_err(|error| Error::Usage(format!("cannot read the log filter in `REMARGIN_LOG`: {error}")))?;
    let log = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match global.log_format {
        TextFormat::Text => {
            log.with(lines.with_ansi(use_colour(global.color, std::io::stderr().is_terminal()))).try_init()
        }
        TextFormat::Json => {
            log.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
        }
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
