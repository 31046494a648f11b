//! Signals that ask the command to end. It then stops at the next safe point, removes what it wrote and ends with 128
//! plus the number of the signal, as shells expect.
//!
//! SIGHUP stays ignored if it was ignored at the start, so that `nohup remargin run ...` outlives its terminal.

use super::terminal::say;
use remargin::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// The first signal that was received; 0 is none.
#[derive(Debug, Clone, Default)]
pub struct Signals(Arc<AtomicI32>);

impl Signals {
    /// True after a signal.
    pub fn is_received(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// The name and the exit code of the first signal.
    pub fn received(&self) -> Option<(&'static str, u8)> {
        let number = self.0.load(Ordering::SeqCst);
        (number != 0).then(|| (name(number), u8::try_from(128 + number).unwrap_or(u8::MAX)))
    }

    /// Notes the signal. The second one ends the process at once, unless it says that a file is too large: that one
    /// comes once for every write.
    fn note(&self, number: i32) {
        let first = self.0.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
        match name(number) {
            "SIGXFSZ" => {}
            _ if first.is_err() => std::process::exit(128 + number),
            "SIGINT" => say("interrupting; press Ctrl-C again to end at once"),
            name => say(format_args!("interrupting after {name}; a second signal ends at once")),
        }
    }

    /// Starts to listen.
    #[cfg(unix)]
    pub fn listen(&self) -> Result<()> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let wanted = [SIGINT, SIGTERM, SIGQUIT, SIGXFSZ].into_iter().chain((!is_ignored(SIGHUP)).then_some(SIGHUP));
        let failed = |error: std::io::Error| Error::Runtime(format!("cannot listen for signals: {error}"));
        let mut signals = signal_hook::iterator::Signals::new(wanted).map_err(failed)?;
        let noted = self.clone();
        let listen = move || signals.forever().for_each(|number| noted.note(number));
        std::thread::Builder::new().name("signals".into()).spawn(listen).map(drop).map_err(failed)
    }

    /// Starts to listen.
    #[cfg(not(unix))]
    pub fn listen(&self) -> Result<()> {
        let noted = self.clone();
        ctrlc::set_handler(move || noted.note(2))
            .map_err(|error| Error::Runtime(format!("cannot listen for Ctrl-C: {error}")))
    }
}

#[cfg(unix)]
use nix::libc::SIGXFSZ;

/// True if the process was started with this signal ignored, where the system tells.
#[cfg(unix)]
fn is_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_mask(&status).is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

/// The line `SigIgn` of `/proc/self/status`: a bit for each ignored signal, in hexadecimal digits.
#[cfg(unix)]
fn ignored_mask(status: &str) -> Option<u64> {
    let digits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(digits.trim(), 16).ok()
}

#[cfg(unix)]
fn name(number: i32) -> &'static str {
    match number {
        SIGXFSZ => "SIGXFSZ",
        _ => signal_hook::low_level::signal_name(number).unwrap_or("a signal"),
    }
}

#[cfg(not(unix))]
fn name(_: i32) -> &'static str {
    "SIGINT"
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read() {
        let status = "SigPnd:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n";
        assert_eq!(ignored_mask(status), Some(0x1001));
        assert_eq!(ignored_mask("Name:\tremargin\n"), None);
    }

    #[test]
    fn the_first_signal_counts() {
        let signals = Signals::default();
        assert_eq!((signals.is_received(), signals.received()), (false, None));
        signals.note(nix::libc::SIGTERM);
        signals.note(SIGXFSZ);
        assert_eq!((signals.is_received(), signals.received()), (true, Some(("SIGTERM", 143))));
    }
}
