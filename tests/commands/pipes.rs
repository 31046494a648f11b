//! Operations and scenarios out of named pipes: `<(...)`, `/dev/stdin`, `mkfifo`.

use crate::common::e2e::rows;
use crate::simulate::{OPERATIONS, place, simulate};
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a line of a shell, with the program as `$R`.
fn shell(place: &Path, line: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new("bash");
    command.current_dir(place).args(["-c", line]).env("R", env!("CARGO_BIN_EXE_remargin")).env_remove("REMARGIN_LOG");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Runs with a socket as standard input, as some supervisors give one.
fn from_socket(place: &Path, text: &str) -> (Option<i32>, String) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_remargin"));
    command.args("simulate snapshot --max-rejects 1 --quiet --ops /dev/stdin --out socket".split(' '));
    command.current_dir(place).env_remove("REMARGIN_LOG").stdin(OwnedFd::from(theirs)).stderr(Stdio::piped());
    let process = command.spawn().unwrap();
    // The command holds the other end of the socket too.
    drop(command);
    ours.write_all(text.as_bytes()).unwrap();
    drop(ours);
    let output = process.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn operations_come_out_of_pipes() {
    let place = place();
    fs::write(place.path().join("ops.csv"), OPERATIONS).unwrap();
    let outcome = simulate(place.path(), &["--out", "file"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let expected = rows(&place.path().join("file/checks.parquet"));
    let line = r#"{"op_id":1,"account_id":"rich","kind":"transfer_out","ccy":"USDT","qty":1}"#;
    fs::write(place.path().join("ops.jsonl"), format!("{line}\n")).unwrap();
    let simulate = "$R simulate snapshot --max-rejects 1 --quiet --force";
    for table in [
        "--ops <(cat ops.csv) --out out",
        "--ops /dev/stdin --out out < ops.csv",
        "--ops /dev/stdin --out out < <(cat ops.csv)",
    ] {
        let (code, _, errors) = shell(place.path(), &format!("{simulate} {table}"));
        assert_eq!(code, Some(0), "{table}: {errors}");
        assert_eq!(rows(&place.path().join("out/checks.parquet")), expected, "{table}");
    }
    let named = format!("mkfifo pipe; cat ops.csv > pipe & {simulate} --ops pipe --out named");
    assert_eq!(shell(place.path(), &named).0, Some(0));
    for lines in ["--ops <(cat ops.jsonl)", "--ops /dev/stdin < ops.jsonl"] {
        let (code, answers, errors) = shell(place.path(), &format!("{simulate} {lines}"));
        assert_eq!((code, answers.contains("\"verdict\":\"pass\"")), (Some(0), true), "{lines}: {errors}");
    }
    // Nothing is asked, and nothing is answered.
    let (code, answers, errors) = shell(place.path(), &format!("{simulate} --ops /dev/stdin < /dev/null"));
    assert_eq!((code, answers.as_str()), (Some(0), ""), "{errors}");
    let (code, errors) = from_socket(place.path(), OPERATIONS);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(rows(&place.path().join("socket/checks.parquet")), expected);
    for (wrong, says) in [
        ("--ops <(cat ops.csv)", "no output folder for the answers"),
        ("--ops <(cat ops.jsonl) --out out", "JSON lines where a table is expected"),
        ("--ops <(head -c 300000000 /dev/zero) --out out", "at most 256 MiB"),
        ("--ops /dev/zero --out out", "not a regular file"),
        ("--ops /dev/stdin --out out < /dev/zero", "not a regular file"),
        ("--ops /dev/stdin --out out < /dev/null", "missing column"),
        ("--ops /dev/null --out out", "missing column"),
    ] {
        let (code, _, errors) = shell(place.path(), &format!("{simulate} {wrong}"));
        assert!(code == Some(3) && errors.contains(says), "{wrong}: {code:?} {errors}");
    }
    let run = "$R run snapshot --max-rejects 1 --no-report --quiet --force --out";
    let shocks = "printf 'scenario,base,price\\ncrash,*,-0.5\\n'";
    let (code, _, errors) =
        shell(place.path(), &format!("{shocks} > s.csv; {run} a --shocks s.csv && {run} b --shocks <({shocks})"));
    assert_eq!(code, Some(0), "{errors}");
    let [a, b] = ["a", "b"].map(|run| rows(&place.path().join(run).join("accounts.parquet")));
    assert!(a.len() > 2 && a == b);
    for line in [
        format!("{shocks} | {run} b --shocks -"),
        format!("{run} b --shocks - < s.csv"),
        format!("{shocks} | $R stress snapshot --max-rejects 1 --no-report --quiet --out s --shocks -"),
    ] {
        let (code, _, errors) = shell(place.path(), &line);
        assert_eq!(code, Some(0), "{line}: {errors}");
        assert_eq!(rows(&place.path().join("b/accounts.parquet")), a, "{line}");
    }
}
