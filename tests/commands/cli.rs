//! The command line as a user meets it: help, version, usage errors, where output goes.

use std::process::{Command, Output, Stdio};

const COMMANDS: [&[&str]; 27] = [
    &["init"],
    &["run"],
    &["stress"],
    &["check"],
    &["explain"],
    &["rules"],
    &["rules", "show"],
    &["rules", "check"],
    &["rules", "list"],
    &["rules", "diff"],
    &["generate"],
    &["bench"],
    &["import"],
    &["import", "okx"],
    &["reconcile"],
    &["probe"],
    &["probe", "okx"],
    &["calibrate"],
    &["calibrate", "okx"],
    &["verify"],
    &["sign"],
    &["replay"],
    &["compare"],
    &["simulate"],
    &["report"],
    &["completions"],
    &["man"],
];

fn remargin(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_remargin"))
        .args(args)
        .env_remove("REMARGIN_LOG")
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8")
}

#[test]
fn help_of_every_command_shows_an_example() {
    for command in COMMANDS {
        let output = remargin(&[command, &["--help"]].concat());
        let help = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        assert!(help.contains("Example"), "{command:?}:\n{help}");
        assert!(help.contains(&format!("\n  remargin {}", command[0])), "{command:?}:\n{help}");
        assert!(output.stderr.is_empty(), "{command:?}");
    }
}

#[test]
fn help_lists_commands_and_exit_codes_and_nothing_that_is_missing() {
    let help = stdout(&remargin(&["--help"]));
    let commands = [
        "run",
        "stress",
        "simulate",
        "check",
        "explain",
        "rules",
        "generate",
        "import",
        "reconcile",
        "probe",
        "calibrate",
        "verify",
        "sign",
        "replay",
        "compare",
        "report",
        "bench",
    ];
    for command in commands {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command}:\n{help}");
    }
    for code in [0, 1, 2, 3, 4, 5, 6, 130] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{code} "))), "{code}:\n{help}");
    }
    for flag in ["--threads", "--progress", "--quiet", "--color"] {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
fn version_goes_to_stdout() {
    let output = remargin(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), format!("remargin {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn usage_errors_exit_2_and_leave_stdout_empty() {
    for (args, says) in [
        (&[] as &[&str], "Usage"),
        (&["frobnicate"], "frobnicate"),
        (&["run"], "SNAPSHOT"),
        (&["run", "data/sample"], "--out"),
        (&["run", "s", "--out", "o", "--format", "xlsx"], "xlsx"),
        (&["run", "s", "--out", "o", "--max-rejects", "many"], "many"),
        (&["run", "s", "--out", "o", "--fail-on", "warning"], "warning"),
        (&["run", "s", "--out", "o", "--threads", "0"], "--threads"),
        (&["stress", "s"], "--out"),
        (&["stress", "s", "--out", "o", "--grid", "BTC=1"], "BTC=1"),
        (&["stress", "s", "--out", "o", "--scenario", "BTC"], "BTC"),
        (&["stress", "s", "--out", "o", "--preset", "tulips"], "tulips"),
        (&["stress", "data/sample", "--out", "/no/such/o", "--quiet"], "no scenario"),
        (&["check", "s", "--progress", "sometimes"], "sometimes"),
        (&["explain", "s"], "--account"),
        (&["rules", "check"], "FILE"),
        (&["generate", "--accounts", "-1", "--seed", "1", "--out", "o"], "-1"),
        (&["generate", "--accounts", "1", "--seed", "1", "--out", "o", "--positions-per-account", "NaN"], "NaN"),
        (&["bench", "--window", "1 day"], "1 day"),
        (&["bench", "--budget", "-1"], "-1"),
        (&["bench", "--max-positions", "10"], "--max-positions"),
        (&["import"], "okx"),
        (&["import", "okx", "f"], "--out"),
        (&["import", "okx", "f", "--out", "o", "--as-of", "today"], "2026-01-15T08:00:00Z"),
        (&["reconcile", "out"], "--against"),
        (&["probe", "okx", "s"], "--out"),
        (&["calibrate", "okx", "f"], "--out"),
        (&["calibrate", "okx", "f", "--out", "o", "--tolerance=-1"], "0 or more"),
        (&["report"], "DIR"),
        (&["completions", "cmd"], "cmd"),
        (&["stress", "s", "--reverse", "BTC, shortfall > 1", "--summary", "json"], "--summary"),
        (&["rules", "--quiet", "--verbose"], "--quiet"),
        (&["rules", "--set", "rate=0.01", "show"], "go after its subcommand"),
    ] {
        let output = remargin(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn colour_only_when_asked_for_in_a_pipe() {
    let output = remargin(&["frobnicate"]);
    assert!(!stderr(&output).contains('\u{1b}'), "{}", stderr(&output));
    let output = remargin(&["--color", "always", "frobnicate"]);
    assert!(stderr(&output).contains('\u{1b}'), "{}", stderr(&output));
}

#[test]
fn common_flags_stand_before_or_behind_the_command() {
    for args in [
        &["--color", "never", "rules", "check", "no-such-file.toml"] as &[&str],
        &["rules", "--color", "never", "check", "no-such-file.toml"],
        &["rules", "check", "no-such-file.toml", "--color", "never"],
    ] {
        let output = remargin(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error: cannot read `no-such-file.toml`"), "{}", stderr(&output));
    }
}

#[test]
fn a_log_filter_that_cannot_be_read_is_a_usage_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_remargin"))
        .args(["rules"])
        .env("REMARGIN_LOG", "remargin=loud")
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    assert!(stderr(&output).contains("REMARGIN_LOG"), "{}", stderr(&output));
}

#[test]
fn the_log_is_json_where_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    let out = temp.path().join("out");
    let out = out.to_str().unwrap();
    let args = ["run", "data/sample", "--out", out, "--log-format", "json", "-vv", "--summary", "json"];
    let output = Command::new(env!("CARGO_BIN_EXE_remargin"))
        .args(args)
        .env_remove("REMARGIN_LOG")
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let log = stderr(&output);
    let entries = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    let entries: Vec<serde_json::Value> = entries.collect();
    let notes = entries.iter().filter_map(|entry| entry["note"].as_str());
    assert!(notes.into_iter().any(|note| note.contains("wrote ")), "{log}");
    let entries: Vec<_> = entries.iter().filter(|entry| entry["note"].is_null()).collect();
    assert!(!entries.is_empty(), "{log}");
    for entry in entries {
        for key in ["timestamp", "level", "message", "target"] {
            assert!(entry[key].is_string(), "{key}: {entry}");
        }
    }
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("stdout is summary.json");
    assert_eq!(summary["accounts"]["margined"], 300);
    assert_eq!(output.stdout, std::fs::read(temp.path().join("out/summary.json")).unwrap());
}

/// Errors of usage are objects like all others, and a hint has a field of its own.
#[test]
fn errors_are_objects_where_json_is_asked_for() {
    for (args, message, hint) in [
        (&["run", "data/sample", "--oot", "x"][..], "unexpected argument '--oot'", "'--out'"),
        (&["runn", "data/sample"], "unrecognized subcommand 'runn'", "'run'"),
        (&["run", "data/sample"], "required arguments were not provided", "Usage: remargin"),
        (&["compare", "data/sample", "--out", "never"], "A and B are the same", "give --rules twice"),
        (&["simulate", "data/sample", "--ops", "-", "--out", "never"], "answered on stdout", "remove `--out`"),
    ] {
        let args = [&["--log-format", "json"], args].concat();
        let output = remargin(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        let text = stderr(&output);
        let object: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{args:?}: {text}"));
        let field = |name: &str| object["error"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(object["error"]["code"], 2, "{text}");
        assert!(field("message").contains(message) && !field("message").contains("hint"), "{args:?}: {text}");
        assert!(field("hint").contains(hint), "{args:?}: {text}");
    }
    // Help is a result.
    let output = remargin(&["--log-format=json", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("Usage:"), "{}", stdout(&output));
}

#[test]
fn what_is_odd_about_a_snapshot_is_said_once() {
    let temp = tempfile::tempdir().unwrap();
    let path = |name: &str| temp.path().join(name).display().to_string();
    let (book, out) = (path("book"), path("out"));
    let made = remargin(&["generate", "--accounts", "20", "--seed", "3", "--format", "csv", "--out", &book]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    std::fs::remove_file(temp.path().join("book/checksums")).unwrap();
    std::fs::remove_file(temp.path().join("book/accounts.csv")).unwrap();
    let positions = temp.path().join("book/positions.csv");
    let rows = std::fs::read_to_string(&positions).unwrap();
    let rows =
        rows.lines().enumerate().map(|(row, line)| format!("{line},{}\n", if row == 0 { "trader" } else { "x" }));
    std::fs::write(&positions, rows.collect::<String>()).unwrap();
    for (number, args) in [&["run", &book, "--out", &out] as &[&str], &["verify", &out]].into_iter().enumerate() {
        let output = remargin(args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stderr(&output).matches("positions.trader").count(), 1, "{args:?}: {}", stderr(&output));
        // A run without settings says so beside its figures.
        assert_eq!(stderr(&output).contains("note: no table `accounts`"), number == 0, "{}", stderr(&output));
    }
}

#[test]
fn man_pages_and_completions() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("man/man1");
    let output = remargin(&["man", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = std::fs::read_to_string(folder.join("remargin-run.1")).unwrap();
    assert!(page.contains("no\\-report") && page.contains(".TH"), "{page}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = remargin(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(stdout(&output).contains("no-report"), "{shell}");
    }
}

#[test]
fn bench_measures_the_smallest_book_whatever_the_budget_and_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let plot = temp.path().join("plot.svg");
    let folder = temp.path().join("books");
    std::fs::create_dir(&folder).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_remargin"))
        .args(["bench", "--budget", "0", "--repeat", "1", "--threads", "2", "--format", "json", "--plot"])
        .arg(&plot)
        .arg("--temp-dir")
        .arg(&folder)
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["threads"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    for row in rows {
        assert_eq!(row["accounts"], 10_000);
        for figure in ["wall_seconds", "cpu_seconds", "peak_bytes", "positions_per_core_second"] {
            assert!(row[figure].as_f64().unwrap() > 0.0, "{figure}: {row}");
        }
        assert!(row["stages"].as_array().unwrap().iter().any(|stage| stage["name"] == "compute"), "{row}");
    }
    assert_eq!(report["stopped_by"], "budget");
    assert_eq!(report["capacity"], serde_json::Value::Null, "one size says nothing of larger books");
    assert!(std::fs::read_to_string(&plot).unwrap().starts_with("<svg"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "the books are gone");
}

/// A generated snapshot brings its hashes; whatever changes afterwards, every command that loads it says so.
#[test]
fn a_snapshot_that_changed_is_refused_by_every_command() {
    let place = tempfile::tempdir().expect("a folder");
    let path = |name: &str| place.path().join(name).to_str().expect("a path in UTF-8").to_owned();
    let (snapshot, out) = (path("snapshot"), path("out"));
    let generate = ["generate", "--quiet", "--accounts", "20", "--seed", "1", "--format", "csv", "--out", &snapshot];
    assert_eq!(remargin(&generate).status.code(), Some(0));

    let check = remargin(&["check", &snapshot, "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_slice(&check.stdout).expect("an answer in JSON");
    let hash = answer["hash"].as_str().expect("a hash").to_owned();
    let other = "0".repeat(64);
    for (flags, code, says) in [
        (["--expect-hash", &hash], 0, ""),
        (["--expect-hash", &other], 3, "not the one that was expected"),
        (["--expect-hash", "abc"], 3, "64 hexadecimal digits"),
        (["--max-mark-age", "90s"], 3, "column `ts`"),
        (["--max-mark-age", "soon"], 2, "--max-mark-age"),
        (["--max-notional-usd", "1e15"], 0, ""),
        (["--max-notional-usd", "1"], 4, "implausible_notional"),
        (["--max-notional-usd", "0"], 3, "a positive number of USD"),
    ] {
        let output = remargin(&[&["check", snapshot.as_str()], &flags[..]].concat());
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {}", stderr(&output));
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(said.contains(says), "{flags:?}: {said}");
    }

    let marks = place.path().join("snapshot/marks.csv");
    let text = std::fs::read_to_string(&marks).expect("the marks");
    let (at, _) = text.char_indices().rfind(|(_, c)| c.is_ascii_digit()).expect("a digit");
    let digit = if &text[at..=at] == "1" { "2" } else { "1" };
    std::fs::write(&marks, format!("{}{digit}{}", &text[..at], &text[at + 1..])).expect("the marks");
    let account = ["explain", &snapshot, "--account", "A00000001"];
    let run = ["run", &snapshot, "--out", &out];
    let stress = ["stress", &snapshot, "--out", &out, "--scenario", "BTC=-10%"];
    let reverse = ["stress", &snapshot, "--reverse", "*, accounts in liquidation > 1"];
    for command in [&account[..], &run, &stress, &reverse, &["check", &snapshot]] {
        let output = remargin(command);
        assert_eq!(output.status.code(), Some(3), "{command:?}: {}", stderr(&output));
        for word in ["the file is not the one that `checksums` lists", "marks.csv", "hash"] {
            assert!(stderr(&output).contains(word), "{command:?}: {}", stderr(&output));
        }
        assert!(!place.path().join("out").exists(), "{command:?} left something");
    }
}
