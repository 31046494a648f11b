//! Hostile input: every mutant of every table in every format, what crates ship as test data, and files made to hurt.
//!
//! Each is a coded error or a snapshot that holds together; none panics aloud, hangs or asks for memory that its size
//! does not warrant. Whether a *different* snapshot can come of a damaged file depends on who looks:
//!
//! | format | alone | with `checksums` beside it |
//! |---|---|---|
//! | Parquet, pages with checksums | pages cannot change unnoticed; headers and footer have none | nothing can |
//! | Parquet of others, Arrow IPC | a flipped bit can be another number | nothing can |
//! | CSV | a flipped bit can be another number, a cut a shorter table | nothing can |
//!
//! A process of its own: it bounds its memory and counts the panics that it prints.

#[path = "../common/mod.rs"]
mod common;
mod crafted;
mod mutants;
mod shipped;
mod snapshots;

use remargin::Error;
use remargin::snapshot::Snapshot;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Panics that were printed.
static ALOUD: AtomicUsize = AtomicUsize::new(0);

/// Address space of the whole test: what asks for more ends it.
const MOST_MEMORY: u64 = 4 << 30;
/// Longest time for one small snapshot, far beyond what any needs: more is a hang.
const LONGEST: Duration = Duration::from_mins(1);

/// Counts panics that are printed, and bounds the memory.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // As the program does: what becomes an error is not printed as well.
            if !remargin::is_panic_handled() {
                ALOUD.fetch_add(1, Ordering::Relaxed);
                print(panic);
            }
        }));
        #[cfg(unix)]
        {
            use nix::sys::resource::{Resource, setrlimit};
            setrlimit(Resource::RLIMIT_AS, MOST_MEMORY, MOST_MEMORY).unwrap();
        }
    });
}

/// What came of a hostile snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// The error's text.
    Refused(String),
    /// The snapshot's text.
    Loaded(String),
}

/// Judges an attempt to load: it must be quick, quiet and coded.
fn judge(what: &str, load: impl FnOnce() -> remargin::Result<Snapshot>) -> Outcome {
    let clock = Instant::now();
    let loaded = load();
    assert!(clock.elapsed() < LONGEST, "{what} took {:?}", clock.elapsed());
    match loaded {
        Ok(snapshot) => {
            common::folder::reconcile(&snapshot);
            Outcome::Loaded(common::folder::print(&snapshot))
        }
        Err(error @ Error::Invalid(_)) => {
            assert_eq!(error.exit_code(), 3);
            Outcome::Refused(error.to_string())
        }
        Err(other) => panic!("{what}: not a coded error: {other}"),
    }
}

/// No panic was printed since the test began.
fn assert_quiet() {
    assert_eq!(ALOUD.load(Ordering::Relaxed), 0, "a panic was printed");
}
