//! `--memory-limit` counts what piles up while a command reads: refused with exit 6 that names it, or the same bytes.

use crate::common::e2e::{Outcome, entries, files, generate, remargin};
use std::fmt::Write;
use std::fs;
use std::path::Path;

fn run(place: &Path, flags: &[&str], limit: &str) -> Outcome {
    let common = ["run", "snapshot", "--quiet", "--force", "--no-report", "--threads", "1", "--memory-limit", limit];
    remargin(place, &[&common[..], flags].concat())
}

fn is_refused(place: &Path, outcome: &Outcome, what: &str) {
    assert_eq!(outcome.code, Some(6), "{}", outcome.stderr);
    for words in ["the memory limit of", what, "raise --memory-limit"] {
        assert!(outcome.stderr.contains(words), "`{words}`: {}", outcome.stderr);
    }
    assert!(entries(place).iter().all(|name| !name.starts_with('.') && name != "out"), "{:?}", entries(place));
}

#[test]
fn rejects_count() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 20, 3.0, 5, "csv");
    let mut rows = String::from("account_id,inst_id,qty,avg_px\n");
    for row in 0..260_000 {
        writeln!(rows, "B{:06},NO-SWAP,1,1", row / 10).unwrap();
    }
    fs::write(place.path().join("snapshot/positions.csv"), rows).unwrap();
    let flags = ["--max-rejects", "100%", "--allow-similar-ids"];
    let small = run(place.path(), &[&flags[..], &["--out", "out"]].concat(), "200MiB");
    is_refused(place.path(), &small, "the rows that were set aside");
    let found = ["400MiB", "2GiB"].map(|limit| {
        let outcome = run(place.path(), &[&flags[..], &["--out", "out"]].concat(), limit);
        assert_eq!(outcome.code, Some(0), "{limit}: {}", outcome.stderr);
        let mut found = files(&place.path().join("out"));
        found.remove("manifest.json");
        found
    });
    assert!(found[0] == found[1], "results depend on the memory limit");
}

#[test]
fn priced_scenarios_count() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 20, 3.0, 5, "csv");
    let mut shocks = String::from("scenario,base,price\n");
    for scenario in 0..2_000 {
        writeln!(shocks, "s{scenario},BTC,-0.{scenario:04}1").unwrap();
    }
    fs::write(place.path().join("shocks.csv"), shocks).unwrap();
    let outcome = run(place.path(), &["--out", "out", "--shocks", "shocks.csv"], "256MiB");
    is_refused(place.path(), &outcome, "in 2001 scenarios at once; `remargin stress` takes a few at a time");
}

/// A machine with more threads than its memory bears: fewer are used, and the bytes are the same.
#[test]
fn threads_are_as_many_as_memory_bears() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 200, 8.0, 7, "csv");
    let found = [("1", "1GiB"), ("16", "614MiB"), ("5000", "300MiB")].map(|(threads, limit)| {
        let args = ["run", "snapshot", "--out", "out", "--force", "--threads", threads, "--memory-limit", limit];
        let outcome = remargin(place.path(), &args);
        assert_eq!(outcome.code, Some(0), "{threads} {limit}: {}", outcome.stderr);
        let is_said = outcome.stderr.contains("threads are used instead of");
        assert_eq!(is_said, threads != "1", "{threads} {limit}: {}", outcome.stderr);
        let mut found = files(&place.path().join("out"));
        found.remove("manifest.json");
        found
    });
    assert!(found[0] == found[1] && found[1] == found[2]);
}

/// `check` has the flag too.
#[test]
fn a_check_has_as_many_threads_as_memory_bears() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 20, 3.0, 7, "csv");
    let outcome = remargin(place.path(), &["check", "snapshot", "--threads", "16", "--memory-limit", "300MiB"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("3 threads are used instead of 16"), "{}", outcome.stderr);
}

/// Two small runs are compared in little more than the program itself takes.
#[test]
fn small_runs_are_compared_in_little_memory() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 50, 3.0, 5, "csv");
    for (out, units) in [("a", "risk_unit=separate"), ("b", "risk_unit=merged")] {
        let outcome = run(place.path(), &["--out", out, "--set", units], "1GiB");
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    }
    for flags in [&["--plain"][..], &[]] {
        let compare = |limit: &str| {
            let args = ["compare", "a", "b", "--threads", "1", "--memory-limit", limit];
            remargin(place.path(), &[&args[..], flags].concat())
        };
        let outcome = compare("80MiB");
        assert_eq!(outcome.code, Some(0), "{flags:?}: {}", outcome.stderr);
        is_refused(place.path(), &compare("40MiB"), "what the runs have written of their accounts does not fit");
    }
}

/// Answers of the exchange are counted before they are parsed.
#[test]
fn an_import_counts_the_answers() {
    let place = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/okx-sample");
    let import = |limit: &str| {
        let args = ["import", "okx", sample.to_str().unwrap(), "--out", "out", "--memory-limit", limit];
        remargin(place.path(), &args)
    };
    is_refused(place.path(), &import("32MiB"), "the answers take more than the 0 MiB that are left for them");
    let outcome = import("256MiB");
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}
