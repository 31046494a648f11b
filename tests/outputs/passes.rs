//! A stress that needs several passes over the book: it stays within its memory limit, begins again where a pass did
//! not fit, and writes the same bytes.

use crate::common::e2e::{Outcome, files, generate, remargin};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What one stress left and said.
struct Found {
    /// Every file but the manifest, which says how long it took.
    files: BTreeMap<String, Vec<u8>>,
    /// Number of the first scenario of each pass, and of its scenarios, as they were begun.
    passes: Vec<(usize, usize)>,
    /// How often a pass began again with fewer scenarios.
    narrowed: usize,
    peak_bytes: u64,
}

fn stress(root: &Path, flags: &[&str]) -> Outcome {
    let common = ["stress", "snapshot", "--out", "out", "--force", "--no-report", "-v", "--metrics", "metrics.prom"];
    remargin(root, &[&common[..], flags].concat())
}

fn found(root: &Path, flags: &[&str]) -> Found {
    let outcome = stress(root, flags);
    assert_eq!(outcome.code, Some(0), "{flags:?}: {}", outcome.stderr);
    let number = |line: &str, key: &str| -> usize {
        let text = line.split(key).nth(1).unwrap_or_else(|| panic!("`{key}` in `{line}`"));
        text.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let lines = outcome.stderr.lines().filter(|line| line.contains("a pass over the book"));
    let passes = lines.map(|line| (number(line, "first="), number(line, "scenarios="))).collect();
    let metrics = fs::read_to_string(root.join("metrics.prom")).unwrap();
    let peak = metrics.lines().find(|line| line.starts_with("remargin_peak_memory_bytes")).unwrap();
    let peak: f64 = peak.rsplit(' ').next().unwrap().parse().unwrap();
    let mut files = files(&root.join("out"));
    files.remove("manifest.json");
    Found { files, passes, narrowed: outcome.stderr.matches("fewer scenarios a pass").count(), peak_bytes: peak as u64 }
}

/// Scenarios of all passes follow one another, and each is computed once, but for passes that began again.
fn assert_complete(passes: &[(usize, usize)], scenarios: usize) {
    let mut next = 0;
    for (place, &(first, count)) in passes.iter().enumerate() {
        assert!(first <= next && count > 0, "{passes:?}");
        if passes.get(place + 1).is_none_or(|&(later, _)| later > first) {
            assert_eq!(first, next, "{passes:?}");
            next = first + count;
        }
    }
    assert_eq!(next, scenarios, "{passes:?}");
}

fn assert_same(found: &Found, expected: &Found, what: &str) {
    assert_eq!(found.files.keys().collect::<Vec<_>>(), expected.files.keys().collect::<Vec<_>>(), "{what}");
    for (name, bytes) in &expected.files {
        assert!(*bytes == found.files[name], "`{name}` {what}");
    }
}

/// The limit in bytes; the flag that sets it.
fn limit(mib: u64) -> (u64, String) {
    (mib << 20, format!("{mib}MiB"))
}

/// The priced tables of all scenarios take more than the limit.
#[test]
fn many_scenarios_stay_within_the_limit() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 400, 3.0, 21, "parquet");
    let scenarios = ["--grid", "*=-40%..40%/0.2%", "--distance", "none"];
    let with = |threads: &str, limit: &str| {
        found(place.path(), &[&scenarios[..], &["--threads", threads, "--memory-limit", limit]].concat())
    };
    let expected = with("2", "4GiB");
    assert_eq!(expected.passes, [(0, 402)]);
    for (threads, (most, flag)) in [("1", limit(160)), ("2", limit(160))] {
        let found = with(threads, &flag);
        let what = format!("{threads} {flag}: {:?}, {} bytes", found.passes, found.peak_bytes);
        assert!(expected.peak_bytes > most, "the limit must matter: {} bytes without", expected.peak_bytes);
        assert!(found.passes.len() > 2, "{what}");
        assert_complete(&found.passes, 402);
        assert!(found.peak_bytes <= most, "{what}");
        assert_same(&found, &expected, &what);
    }
}
