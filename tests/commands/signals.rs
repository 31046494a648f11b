//! Commands that are asked to end: they end with 128 plus the number of the signal, and leave nothing behind.

use crate::common::e2e::{entries, generate, in_background, shuffled, succeeds};
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const SIGNALS: [(&str, i32); 4] = [("HUP", 129), ("INT", 130), ("QUIT", 131), ("TERM", 143)];
/// Those that the command obeys: it goes on to ignore SIGHUP if these tests were started so, as `nohup` does.
fn signals() -> Vec<(&'static str, i32)> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    let is_hup_ignored = u64::from_str_radix(ignored.trim(), 16).is_ok_and(|mask| mask & 1 == 1);
    SIGNALS.into_iter().filter(|(name, _)| *name != "HUP" || !is_hup_ignored).collect()
}

const TRIES: usize = 12;
const SEED: u64 = 5;

/// A command that works in the folder `work`, with its temporary files there too.
fn start(root: &Path, args: &[&str]) -> Child {
    let args = [args, &["--quiet", "--threads", "2"]].concat();
    in_background(root, &args).env("TMPDIR", root.join("work")).spawn().unwrap()
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}

/// True once the process handles signals, where the system tells.
fn listens(child: &Child) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{}/status", child.id())) else { return true };
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    u64::from_str_radix(caught.trim(), 16).is_ok_and(|mask| mask >> 14 & 1 == 1)
}

/// Signals at moments spread over the command. Returns how many it obeyed.
fn interrupts(root: &Path, args: &[&str], kept: &[&str]) -> usize {
    let work = root.join("work");
    let clear = || {
        for name in entries(&work).iter().filter(|name| !kept.contains(&name.as_str())) {
            fs::remove_dir_all(work.join(name)).unwrap();
        }
    };
    let clock = Instant::now();
    assert!(start(root, args).wait().unwrap().success(), "{args:?}");
    let usual = clock.elapsed();
    let (mut obeyed, signals) = (0, signals());
    for (number, delay) in (0..TRIES).zip(shuffled(TRIES, SEED)) {
        clear();
        let (signal, code) = signals[number % signals.len()];
        let mut child = start(root, args);
        while !listens(&child) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(usual * delay / TRIES as u32);
        send(signal, &child);
        let status = child.wait().unwrap();
        let left: Vec<String> = entries(&work).into_iter().filter(|name| !kept.contains(&name.as_str())).collect();
        let what = format!("{args:?}, {signal} after {delay}/{TRIES} of {usual:?}: {status}, {left:?}");
        match status.code() {
            Some(0) => assert!(left.is_empty() || left == ["out"], "{what}"),
            Some(ended) => {
                assert_eq!(ended, code, "{what}");
                assert!(left.is_empty(), "{what}");
                obeyed += 1;
            }
            None => panic!("{what}"),
        }
    }
    clear();
    obeyed
}

#[test]
fn signals_leave_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 100, 4.0, SEED, "csv");
    fs::create_dir(root.join("work")).unwrap();
    succeeds(root, &["run", "snapshot", "--out", "finished", "--distance", "at-risk", "--quiet"]);
    for args in [
        &["run", "snapshot", "--out", "work/out", "--distance", "at-risk"][..],
        &["stress", "snapshot", "--out", "work/out", "--grid", "BTC=-40%..40%/5%"],
        &["generate", "--accounts", "5000", "--seed", "3", "--out", "work/out"],
        &["replay", "finished/manifest.json"],
    ] {
        let obeyed = interrupts(root, args, &[]);
        println!("{}: {obeyed} of {TRIES} signals came before the end", args[0]);
        assert!(obeyed > 0, "{args:?} was never hit at work");
    }
}

/// A limit on the size of files is a signal too, and one for every write.
#[test]
fn a_file_that_may_not_grow_leaves_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 400, 4.0, SEED, "parquet");
    fs::create_dir(root.join("work")).unwrap();
    let mut refused = 0;
    for blocks in [0, 1, 4, 16, 64, 10_000] {
        let line = format!("ulimit -f {blocks}; exec \"$0\" run snapshot --out work/out --force --quiet");
        let output = Command::new("bash")
            .current_dir(root)
            .args(["-c", &line, env!("CARGO_BIN_EXE_remargin")])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => assert_eq!(entries(&root.join("work")), ["out"], "{blocks}"),
            code => {
                assert_eq!(code, Some(153), "{blocks}: {text}");
                assert!(text.contains("signal:   SIGXFSZ"), "{text}");
                assert!(entries(&root.join("work")).is_empty(), "{blocks}: {:?}", entries(&root.join("work")));
                refused += 1;
            }
        }
    }
    assert!((1..6).contains(&refused), "{refused}");
}

/// `nohup` starts a command that ignores SIGHUP.
#[cfg(target_os = "linux")]
#[test]
fn nohup_is_respected() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 100, 4.0, SEED, "csv");
    let line = "trap '' HUP; \"$0\" run snapshot --out out --distance all --quiet & sleep 0.3; kill -HUP $!; wait $!";
    let status = Command::new("bash").current_dir(root).args(["-c", line, env!("CARGO_BIN_EXE_remargin")]).status();
    assert_eq!(status.unwrap().code(), Some(0));
    assert_eq!(entries(root), ["out", "snapshot"]);
}

/// What a killed replay left in the folder for temporary files is cleared by the next one.
#[test]
fn the_next_replay_clears_what_a_kill_left() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 100, 4.0, SEED, "csv");
    fs::create_dir(root.join("work")).unwrap();
    succeeds(root, &["run", "snapshot", "--out", "finished", "--quiet"]);
    let args = ["replay", "finished/manifest.json"];
    let mut child = start(root, &args);
    while entries(&root.join("work")).is_empty() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(entries(&root.join("work")).len(), 1, "killed too late");
    assert!(start(root, &args).wait().unwrap().success());
    assert!(entries(&root.join("work")).is_empty(), "{:?}", entries(&root.join("work")));
}

/// Whoever waits for the next line of a pipe is woken by the first signal.
#[test]
fn a_signal_ends_a_simulation_that_waits_for_its_next_line() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 5, 2.0, SEED, "csv");
    for (signal, code) in signals() {
        for ops in ["-", "/dev/stdin"] {
            let mut command = in_background(place.path(), &["simulate", "snapshot", "--ops", ops, "--quiet"]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            let line = r#"{"op_id":1,"account_id":"A00000001","kind":"transfer_in","ccy":"USDT","qty":1}"#;
            writeln!(input, "{line}").unwrap();
            let mut answer = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut answer).unwrap();
            assert!(answer.contains("verdict"), "{answer}");
            send(signal, &child);
            let clock = Instant::now();
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                if clock.elapsed() > Duration::from_mins(1) {
                    child.kill().unwrap();
                    panic!("{signal} and `--ops {ops}`: it goes on to wait");
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            assert_eq!(status.code(), Some(code), "{signal} and `--ops {ops}`");
            drop(input);
        }
    }
}
