//! Runs that end early: broken, interrupted, refused. They leave nothing, and what was there stays.

use super::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn a_failing_task_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("made/out");
    let fail = |range: Range<usize>| match range.start {
        0 => Ok(fixture::chunk(range)),
        _ => Err(Error::Runtime("account `x` is not finite".into())),
    };
    let error = run_with(&request(&out), FIVE_CHUNKS, fail, &Silent).unwrap_err();
    assert_eq!(error.to_string(), "account `x` is not finite");
    assert_eq!(files(place.path()), [""; 0]);

    // An earlier run stays as it was.
    fs::create_dir_all(&out).unwrap();
    let old = r#"{"remargin": "0.1.0", "outputs": []}"#;
    fs::write(out.join("manifest.json"), old).unwrap();
    let force = request(OutputRequest::new(&out).with_force(true));
    let error = run_with(&force, FIVE_CHUNKS, fail, &Silent).unwrap_err();
    assert_eq!(error.to_string(), "account `x` is not finite");
    assert_eq!(files(out.parent().unwrap()), ["out"]);
    assert_eq!(fs::read_to_string(out.join("manifest.json")).unwrap(), old);
}

/// Interrupts after the first chunk.
#[derive(Default)]
struct Interrupts {
    stop: AtomicBool,
    advanced: AtomicUsize,
}

impl Progress for Interrupts {
    fn stage(&self, _name: &str, _unit: &'static str, _total: u64) {}
    fn advance(&self, steps: u64) {
        self.advanced.fetch_add(steps as usize, Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
    }
    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let progress = Interrupts::default();
    let run =
        || run_with(&request(place.path().join("out")), FIVE_CHUNKS, |range| Ok(fixture::chunk(range)), &progress);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert!(matches!(pool.install(run), Err(Error::Interrupted)));
    assert_eq!(progress.advanced.load(Ordering::Relaxed), CHUNK_ACCOUNTS);
    assert_eq!(files(place.path()), [""; 0]);
}

#[test]
fn incomplete_chunks_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let short = |range: Range<usize>| Ok(fixture::chunk(range.start..range.end - 1));
    let error = run_with(&request(place.path().join("out")), 10, short, &Silent).unwrap_err();
    assert!(error.to_string().contains("not complete"), "{error}");
}

#[test]
fn an_existing_folder_is_refused_before_anything_is_read() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    fs::create_dir(&out).unwrap();
    // The snapshot does not exist either: the folder is looked at first.
    let error = run(&request(&out), &Silent).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(error.remedy(), Some(crate::error::Remedy::Replace), "{error}");
    assert_eq!(files(place.path()), ["out"]);
}
