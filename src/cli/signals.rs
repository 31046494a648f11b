//! Signals that ask the command to end. It then stops at the next safe point, removes what it wrote and ends with 128
//! plus the number of the signal, as shells expect.
//!
//! SIGHUP stays ignored if it was ignored at the start, so that `nohup remargin run ...` outlives its terminal.

use super::terminal::say;
use remargin::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// The signals that were received.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// The number of the first one; 0 is none.
    first: Arc<AtomicI32>,
    /// A file may not grow (SIGXFSZ). It is noted before the write fails, so that the failure is known for what it is.
    too_large: Arc<AtomicBool>,
}

impl Signals {
    /// True after a signal.
    pub fn is_received(&self) -> bool {
        self.first.load(Ordering::Relaxed) != 0
    }

    /// The name and the exit code of the first signal.
    pub fn received(&self) -> Option<(&'static str, u8)> {
        let number = match self.first.load(Ordering::SeqCst) {
            0 if self.too_large.load(Ordering::SeqCst) => TOO_LARGE,
            number => number,
        };
        (number != 0).then(|| (name(number), u8::try_from(128 + number).unwrap_or(u8::MAX)))
    }

    /// Notes the signal. The second one ends the process at once.
    fn note(&self, number: i32) {
        let first = self.first.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
        match name(number) {
            _ if first.is_err() => std::process::exit(128 + number),
            "SIGINT" => say("interrupting; press Ctrl-C again to end at once"),
            name => say(format_args!("interrupting after {name}; a second signal ends at once")),
        }
    }

    /// Starts to listen.
    #[cfg(unix)]
    pub fn listen(&self) -> Result<()> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let wanted = [SIGINT, SIGTERM, SIGQUIT].into_iter().chain((!is_ignored(SIGHUP)).then_some(SIGHUP));
        let failed = |error: std::io::Error| Error::Runtime(format!("cannot listen for signals: {error}"));
        signal_hook::flag::register(TOO_LARGE, Arc::clone(&self.too_large)).map_err(failed)?;
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

/// A file would grow beyond the limit of the process.
#[cfg(unix)]
const TOO_LARGE: i32 = nix::libc::SIGXFSZ;
#[cfg(not(unix))]
const TOO_LARGE: i32 = 25;

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
        TOO_LARGE => "SIGXFSZ",
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
        signals.too_large.store(true, Ordering::SeqCst);
        assert_eq!(signals.received(), Some(("SIGXFSZ", 153)));
        signals.note(nix::libc::SIGTERM);
        assert_eq!((signals.is_received(), signals.received()), (true, Some(("SIGTERM", 143))));
    }
}
