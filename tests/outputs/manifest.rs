//! `remargin verify`: what a manifest says twice, what is blamed first, and folders that it does not verify.

use crate::common::e2e::{generate, json, remargin, succeeds};
use crate::verify::{SHOCKS, forge, verify, with_cell};
use serde_json::json;
use std::fs;

/// What a manifest says twice, and what the snapshot says beside it.
#[test]
fn edits_of_the_manifest_alone_are_found() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 12, 3.0, 8, "csv");
    succeeds(dir, &["run", "snapshot", "--out", "run", "--quiet", "--no-report"]);
    let file = dir.join("run/manifest.json");
    let bytes = fs::read(&file).unwrap();
    for (pointer, value, column) in [
        ("/request/allow_rules_date", json!(true), "request.allow_rules_date"),
        ("/snapshot", json!("other"), "snapshot"),
        ("/snapshot", json!("/elsewhere/snapshot"), "snapshot"),
    ] {
        let mut manifest = json(&file);
        *manifest.pointer_mut(pointer).unwrap() = value;
        fs::write(&file, manifest.to_string()).unwrap();
        for flags in [&["run"][..], &["run", "--sample", "3"]] {
            let found = verify(dir, flags, 1);
            assert_eq!(found["differences"][0]["column"], column, "{found:#}");
            assert_eq!(found["differences"][0]["file"], "manifest.json");
        }
        fs::write(&file, &bytes).unwrap();
    }
    verify(dir, &["run"], 0);
    forge(&dir.join("run"), "summary.json", |text| text.replace("\"broken\": 0,", "\"broken\": 0, \"unheld\": 1,"));
    let found = verify(dir, &["run", "--sample", "0"], 0);
    assert_eq!(found["differing"], 0, "nothing is read again");
    let found = verify(dir, &["run", "--sample", "3"], 1);
    assert_eq!(found["differences"][0]["column"], "rejects.unheld", "{found:#}");
}

/// An account that differs is named before the sums that follow from it.
#[test]
fn a_sample_names_the_account_first() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 12, 3.0, 8, "csv");
    succeeds(dir, &["run", "snapshot", "--out", "run", "--format", "csv", "--quiet", "--no-report"]);
    forge(&dir.join("run"), "accounts.csv", |text| with_cell(text, 5, "mmr", "123456789.5"));
    let found = verify(dir, &["run", "--sample", "100"], 1);
    let files: Vec<&str> =
        found["differences"].as_array().unwrap().iter().map(|found| found["file"].as_str().unwrap()).collect();
    assert_eq!(files[0], "accounts.csv", "{found:#}");
    assert!(files.contains(&"summary.json"), "{found:#}");
}

/// What cannot be computed again is said, with what can be done.
#[test]
fn other_folders_and_scenarios_of_a_pipe_are_told_apart() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 12, 3.0, 8, "csv");
    fs::write(dir.join("ops.csv"), "op_id,account_id,kind,ccy,qty\n1,A00000001,transfer_in,USDT,5\n").unwrap();
    succeeds(dir, &["simulate", "snapshot", "--ops", "ops.csv", "--out", "checks", "--quiet"]);
    succeeds(dir, &["compare", "snapshot", "--b", "risk_unit=merged", "--out", "compared", "--quiet"]);
    succeeds(dir, &["partition", "snapshot", "--buckets", "2", "--out", "buckets", "--quiet"]);
    for folder in ["checks", "compared", "buckets"] {
        for command in ["verify", "replay"] {
            let outcome = remargin(dir, &[command, folder]);
            assert_eq!(outcome.code, Some(3), "{command} {folder}: {}", outcome.stderr);
            for words in ["the folder of a finished run or stress", "`remargin sign` signs them"] {
                assert!(outcome.stderr.contains(words), "{command} {folder}: {}", outcome.stderr);
            }
        }
    }
    fs::write(dir.join("shocks.csv"), SHOCKS).unwrap();
    let remargin_path = env!("CARGO_BIN_EXE_remargin");
    let line = "cat shocks.csv | $R stress snapshot --shocks /dev/stdin --out stress --quiet";
    let mut shell = std::process::Command::new("bash");
    assert!(shell.current_dir(dir).args(["-c", line]).env("R", remargin_path).status().unwrap().success());
    let outcome = remargin(dir, &["verify", "stress"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("what came out of a pipe is gone"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("--snapshot"), "{}", outcome.stderr);
    let found = verify(dir, &["stress", "--sample", "0"], 0);
    assert_eq!(found["inputs"]["absent"], json!(["/dev/stdin"]), "{found:#}");
    let outcome = remargin(dir, &["replay", "stress"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("give scenarios as a file"), "{}", outcome.stderr);
}

/// The identity is that of what was computed, wherever and however it was.
#[test]
fn equal_work_has_equal_identities() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 12, 3.0, 8, "csv");
    let other = tempfile::tempdir().unwrap();
    std::fs::create_dir(other.path().join("elsewhere")).unwrap();
    for name in crate::common::e2e::entries(&dir.join("snapshot")) {
        fs::copy(dir.join("snapshot").join(&name), other.path().join("elsewhere").join(&name)).unwrap();
    }
    fs::write(dir.join("shocks.csv"), SHOCKS).unwrap();
    fs::write(other.path().join("moves.csv"), SHOCKS).unwrap();
    let identity = |root: &std::path::Path, args: &[&str]| {
        succeeds(root, &[args, &["--out", "out", "--force", "--quiet"]].concat());
        let manifest = json(&root.join("out/manifest.json"));
        manifest["identity"].as_str().unwrap().to_owned()
    };
    let plain = identity(dir, &["run", "snapshot"]);
    for flags in [
        &["--threads", "1"][..],
        &["--threads", "4", "--memory-limit", "600MiB"],
        &["--max-rejects", "5", "--metrics", "m.prom"],
    ] {
        assert_eq!(identity(dir, &[&["run", "snapshot"], flags].concat()), plain, "{flags:?}");
    }
    assert_eq!(identity(other.path(), &["run", "elsewhere"]), plain, "another folder");
    verify(dir, &["out", "--sample", "2"], 0);
    let mut seen = vec![plain];
    for flags in [
        &["--set", "risk_unit=merged"][..],
        &["--format", "csv"],
        &["--label", "desk B"],
        &["--no-report"],
        &["--distance", "at-risk"],
        &["--shocks", "shocks.csv"],
        &["--mark-check", "60%"],
    ] {
        let found = identity(dir, &[&["run", "snapshot"], flags].concat());
        assert!(!seen.contains(&found), "{flags:?}");
        seen.push(found);
    }
    let stress = identity(dir, &["stress", "snapshot", "--shocks", "shocks.csv"]);
    assert_eq!(identity(other.path(), &["stress", "elsewhere", "--shocks", "moves.csv"]), stress);
    assert!(!seen.contains(&stress));

    // An identity of something else is found, and so is a manifest that was changed below it.
    for (pointer, value) in [("/identity", json!("ab".repeat(32))), ("/request/label", json!("another"))] {
        let mut manifest = json(&dir.join("out/manifest.json"));
        let bytes = fs::read(dir.join("out/manifest.json")).unwrap();
        match manifest.pointer_mut(pointer) {
            Some(found) => *found = value,
            None => manifest["request"]["label"] = value,
        }
        fs::write(dir.join("out/manifest.json"), manifest.to_string()).unwrap();
        let found = verify(dir, &["out", "--sample", "0"], 1);
        assert_eq!(found["differences"][0]["column"], "identity", "{found:#}");
        fs::write(dir.join("out/manifest.json"), bytes).unwrap();
    }
}
