//! Command lines of any content: a coded end, never a panic.

use crate::common::e2e::{Outcome, remargin};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::process::Command;

/// Command lines tried.
const LINES: u64 = 250;

const COMMANDS: [&str; 16] = [
    "limits check",
    "init",
    "run",
    "stress",
    "simulate",
    "check",
    "explain",
    "rules",
    "generate",
    "compare",
    "import okx",
    "reconcile",
    "verify",
    "replay",
    "report",
    "partition",
];

const FLAGS: [&str; 41] = [
    "--limits",
    "--out",
    "--shocks",
    "--distance",
    "--format",
    "--force",
    "--summary",
    "--no-report",
    "--memory-limit",
    "--fail-on",
    "--rules",
    "--set",
    "--max-rejects",
    "--allow-rules-date",
    "--expect-hash",
    "--max-mark-age",
    "--max-notional-usd",
    "--threads",
    "--progress",
    "--color",
    "--quiet",
    "--log-format",
    "-vvv",
    "--grid",
    "--scenario",
    "--preset",
    "--reverse",
    "--answer",
    "--detail",
    "--ops",
    "--max-withdraw",
    "--max-order",
    "--account",
    "--accounts",
    "--seed",
    "--positions-per-account",
    "--as-of",
    "--against",
    "--tolerance",
    "--buckets",
    "--sample",
];

const VALUES: [&str; 43] = [
    "",
    "-",
    "--",
    "=",
    "0",
    "1",
    "-1",
    "0.5",
    "1e400",
    "-1e-400",
    "nan",
    "inf",
    "18446744073709551616",
    "1e18",
    "7%",
    "0.57%",
    "-3%",
    "1000000%",
    "512MiB",
    "99999999999999999999GB",
    "0B",
    "1s",
    "-1s",
    "99999999999999999h",
    "all",
    "none",
    "json",
    "text",
    "nowhere",
    "a=b",
    "=x",
    "mr4.floor.major=1e308",
    "risk_unit=merged",
    "a.b.c.d.e=[[[[1]]]]",
    "BTC=0%..50%/0.0000000000000000000000000001%",
    "BTC=-99%..79228162514264337593543950335%/1%",
    "*=79228162514264337593543950335%..-50%/79228162514264337593543950335%",
    "BTC=-30% vol +50%",
    "depeg USDT=",
    "*, accounts in liquidation > 29%",
    "*, shortfall > 79228162514264337593543950336",
    "\u{1b}[31m\u{202e}",
    "2026-13-45T99:00:00Z",
];

/// A command line; the snapshot is not there, so that only the arguments are at work.
fn line(seed: u64) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |bound: usize| (rng.next_u64() % bound as u64) as usize;
    let mut args: Vec<String> = COMMANDS[below(COMMANDS.len())].split(' ').map(str::to_owned).collect();
    if below(4) > 0 {
        args.push("nowhere".to_owned());
    }
    for _ in 0..below(6) {
        let flag = FLAGS[below(FLAGS.len())];
        match below(4) {
            0 => args.push(flag.to_owned()),
            1 => args.push(format!("{flag}={}", VALUES[below(VALUES.len())])),
            _ => args.extend([flag.to_owned(), VALUES[below(VALUES.len())].to_owned()]),
        }
    }
    args
}

#[test]
fn no_command_line_panics() {
    let place = tempfile::tempdir().unwrap();
    let mut codes = std::collections::BTreeMap::new();
    for seed in 0..LINES {
        let args = line(seed);
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let Outcome { code, stderr: text, .. } = remargin(place.path(), &words);
        assert!(matches!(code, Some(0..=6)), "{args:?}: {code:?}: {text}");
        assert!(!text.contains("panicked") && !text.contains("internal fault"), "{args:?}: {text}");
        assert!(!text.contains('\u{1b}'), "{args:?}: {text:?}");
        *codes.entry(code.unwrap()).or_insert(0) += 1;
    }
    println!("exit codes: {codes:?}");
    assert!(codes[&2] > LINES / 4, "{codes:?}");
}

/// A process that may start no thread says so. Root has no such limit, so the limit there is on memory for stacks.
///
/// Each new thread maps a page or two more for the handler of stack overflows. If just this does not fit, Rust's own
/// library ends the process before the program can say anything: then the next limit is tried.
#[cfg(target_os = "linux")]
#[test]
fn threads_that_cannot_start_are_an_error() {
    let place = tempfile::tempdir().unwrap();
    let run = |limit_kib: u32| {
        let line = format!("ulimit -v {limit_kib}; exec \"$0\" run nowhere --out out --threads 400");
        let program = env!("CARGO_BIN_EXE_remargin");
        Command::new("bash").current_dir(place.path()).args(["-c", &line, program]).output().unwrap()
    };
    let outputs = (400_000..=409_000).step_by(1_000).map(run);
    let told = outputs.into_iter().find(|output| !text(output).contains("failed to allocate an alternative stack"));
    let output = told.expect("ten limits in a row end in Rust's own library");
    let text = text(&output);
    assert!(!text.contains("panicked"), "{text}");
    assert!(matches!(output.status.code(), Some(1..=6)), "{:?}: {text}", output.status);
}

#[cfg(target_os = "linux")]
fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
