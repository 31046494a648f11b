//! A stress that needs several passes over the book: it stays within its memory limit, begins again where a pass did
//! not fit, and writes the same bytes.

use crate::common::e2e::{Outcome, files, generate, remargin};
use std::collections::BTreeMap;
use std::fmt::Write;
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

/// Accounts with nothing but coins and a debt, in the market of the sample; `client` says who owns account `n`.
fn debtors(root: &Path, accounts: usize, client: fn(usize) -> usize) {
    let snapshot = root.join("snapshot");
    fs::create_dir_all(&snapshot).unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample");
    for name in ["snapshot.toml", "instruments.csv", "marks.csv", "indices.csv"] {
        fs::copy(sample.join(name), snapshot.join(name)).unwrap();
    }
    let (mut cash, mut owners) = ("account_id,ccy,cash\n".to_owned(), "account_id,spot_offset,client\n".to_owned());
    for account in 0..accounts {
        let (coins, debt) = (1.0 + 0.125 * (account % 7) as f64, 60_000 + 3 * account);
        write!(cash, "C{account:06},BTC,{coins}\nC{account:06},USDT,-{debt}\n").unwrap();
        writeln!(owners, "C{account:06},,client-{:06}", client(account)).unwrap();
    }
    fs::write(snapshot.join("balances.csv"), cash).unwrap();
    fs::write(snapshot.join("accounts.csv"), owners).unwrap();
    fs::write(snapshot.join("positions.csv"), "account_id,inst_id,qty,avg_px\n").unwrap();
}

/// The scenarios of the two tests below: falls in which most debtors are at risk. With the base case 49.
const FALLS: [&str; 6] = ["--grid", "*=-48%..-1%/1%", "--distance", "none", "--allow-similar-ids", "--allow-empty"];

/// What the rows at risk of the first pass take shows only when it is there: it is computed again with fewer scenarios.
#[test]
fn a_pass_whose_rows_at_risk_do_not_fit_begins_again() {
    let place = tempfile::tempdir().unwrap();
    debtors(place.path(), 12_000, |account| account);
    let with = |threads: &str, limit: &str| {
        found(place.path(), &[&FALLS[..], &["--threads", threads, "--memory-limit", limit]].concat())
    };
    let expected = with("2", "2GiB");
    assert_eq!((expected.passes.as_slice(), expected.narrowed), (&[(0, 49)][..], 0));
    let (most, flag) = limit(140);
    let found = with("1", &flag);
    let what = format!("{:?}, {} bytes", found.passes, found.peak_bytes);
    assert!(found.narrowed > 0 && found.passes[1].0 == 0 && found.passes[1].1 < found.passes[0].1, "{what}");
    assert_complete(&found.passes, 49);
    assert!(found.peak_bytes <= most, "{what}");
    assert_same(&found, &expected, &what);
}

/// As many groups as there are clients, in each scenario: fewer scenarios a pass until they fit beside what is read.
#[test]
fn a_pass_whose_groups_do_not_fit_begins_again() {
    let place = tempfile::tempdir().unwrap();
    debtors(place.path(), 12_000, |account| account % 1_500);
    let with = |threads: &str, limit: &str| {
        let more = ["--detail", "none", "--by", "client", "--threads", threads, "--memory-limit", limit];
        found(place.path(), &[&FALLS[..], &more].concat())
    };
    let expected = with("2", "2GiB");
    assert_eq!((expected.passes.as_slice(), expected.narrowed), (&[(0, 49)][..], 0));
    assert!(expected.files.contains_key("groups.parquet"));
    let (most, flag) = limit(160);
    let found = with("1", &flag);
    let what = format!("{:?}, {} bytes", found.passes, found.peak_bytes);
    assert!(found.narrowed > 0 && found.passes[1].0 == 0 && found.passes[1].1 < found.passes[0].1, "{what}");
    assert_complete(&found.passes, 49);
    assert!(found.peak_bytes <= most, "{what}");
    assert_same(&found, &expected, &what);
}
