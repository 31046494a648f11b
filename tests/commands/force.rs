//! `--force`: what is read, where one stands, and what others put into a folder is never taken away.

use crate::common::e2e::{entries, generate, remargin, succeeds};
use std::fs;
use std::path::Path;

/// Every file below a folder with its bytes.
fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for name in entries(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            found.extend(tree(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.push((name, fs::read(path).unwrap()));
        }
    }
    found
}

/// A place with a snapshot, two runs `a` and `b`, and a run `out` that holds a copy of the snapshot and operations.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 20, 4.0, 5, "csv");
    for out in ["a", "b", "out"] {
        succeeds(root, &["run", "snapshot", "--out", out, "--quiet", "--no-report"]);
    }
    fs::create_dir(root.join("out/snapshot")).unwrap();
    for name in entries(&root.join("snapshot")) {
        fs::copy(root.join("snapshot").join(&name), root.join("out/snapshot").join(&name)).unwrap();
    }
    fs::write(root.join("out/ops.csv"), "op_id,account_id,kind,ccy,qty\n1,A01,transfer_in,USDT,5\n").unwrap();
    fs::create_dir_all(root.join("web/src")).unwrap();
    fs::write(root.join("web/manifest.json"), "{}").unwrap();
    fs::write(root.join("web/src/a.js"), "").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root, root.join("linked")).unwrap();
    place
}

/// A command line, and a word of the refusal.
#[test]
fn folders_that_hold_more_are_not_replaced() {
    let place = place();
    let root = place.path();
    let absolute = root.join("out/snapshot").display().to_string();
    let before: Vec<_> = ["a", "b", "out", "web", "snapshot"].map(|name| tree(&root.join(name))).into();
    let cases: [(&[&str], &str); 12] = [
        (&["run", "out/snapshot", "--out", "out"], "`out/snapshot`, which is an input"),
        (&["run", "./out/../out/snapshot", "--out", "out"], "which is an input"),
        (&["run", &absolute, "--out", "out"], "which is an input"),
        (&["run", &absolute, "--out", "linked/out"], "which is an input"),
        (&["stress", "out/snapshot", "--out", "out", "--scenario", "BTC=-5%"], "which is an input"),
        (&["simulate", "snapshot", "--ops", "out/ops.csv", "--out", "out"], "which is an input"),
        (&["compare", "out/snapshot", "--b", "risk_unit=merged", "--out", "out"], "which is an input"),
        (&["compare", "a", "b", "--out", "b"], "`b`, which is an input"),
        (&["partition", "out/snapshot", "--buckets", "2", "--out", "out"], "which is an input"),
        (&["run", "snapshot", "--out", "out"], "was not written by remargin"),
        (&["run", "snapshot", "--out", "web"], "was not written by remargin"),
        (&["run", "snapshot", "--out", "snapshot"], "which is an input"),
    ];
    for (args, word) in cases {
        let outcome = remargin(root, &[args, &["--force"]].concat());
        assert_eq!(outcome.code, Some(2), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(word), "{args:?}: {}", outcome.stderr);
    }
    let after: Vec<_> = ["a", "b", "out", "web", "snapshot"].map(|name| tree(&root.join(name))).into();
    assert!(before == after, "a refused command changed something");
}

/// Files of the user that have the name of an output: the folder owns the name, and still they are kept.
#[test]
fn rules_and_limits_under_the_name_of_an_output_are_kept() {
    let place = place();
    let root = place.path();
    fs::write(root.join("b/at_risk.csv"), "name = \"own\"\nextends = \"okx-pm2-2025-01\"\nrisk_unit = \"merged\"\n")
        .unwrap();
    let limits = "[[limit]]\nname = \"a\"\nrule = \"book.mmr < 1\"\nseverity = \"hard\"\n";
    fs::write(root.join("b/report.html"), limits).unwrap();
    let before = tree(&root.join("b"));
    let cases: [&[&str]; 6] = [
        &["run", "snapshot", "--rules", "b/at_risk.csv"],
        &["run", "snapshot", "--limits", "b/report.html"],
        &["stress", "snapshot", "--scenario", "BTC=-5%", "--rules", "b/at_risk.csv"],
        &["stress", "snapshot", "--scenario", "BTC=-5%", "--limits", "b/report.html"],
        &["simulate", "snapshot", "--max-withdraw", "--rules", "b/at_risk.csv"],
        &["compare", "snapshot", "--rules", "okx-pm2-2025-01", "--rules", "b/at_risk.csv"],
    ];
    for args in cases {
        let outcome = remargin(root, &[args, &["--out", "b", "--force"]].concat());
        assert_eq!(outcome.code, Some(2), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("which is an input"), "{args:?}: {}", outcome.stderr);
    }
    assert!(tree(&root.join("b")) == before, "a refused command changed something");
}

#[test]
fn the_folder_one_stands_in_is_not_replaced() {
    let place = place();
    let root = place.path();
    succeeds(root, &["generate", "--accounts", "1", "--seed", "1", "--out", "book", "--quiet"]);
    let (run, book) = (tree(&root.join("a")), tree(&root.join("book")));
    fs::create_dir(root.join("b/inner")).unwrap();
    for (stand, args) in [
        ("a", &["run", "../snapshot", "--out", "../a"][..]),
        ("b/inner", &["run", "../../snapshot", "--out", "../../b"]),
        ("book", &["generate", "--accounts", "2", "--seed", "1", "--out", "../book"]),
    ] {
        let outcome = remargin(&root.join(stand), &[args, &["--force"]].concat());
        assert_eq!(outcome.code, Some(2), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("it contains the working folder"), "{args:?}: {}", outcome.stderr);
    }
    assert!(tree(&root.join("a")) == run && tree(&root.join("book")) == book);
}

#[test]
fn responses_inside_a_snapshot_are_kept() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/okx-sample").display().to_string();
    succeeds(root, &["import", "okx", &sample, "--out", "snap", "--quiet"]);
    fs::create_dir(root.join("snap/resp")).unwrap();
    fs::write(root.join("snap/resp/a.json"), "{}").unwrap();
    let before = tree(&root.join("snap"));
    for folder in ["snap/resp", sample.as_str()] {
        let outcome = remargin(root, &["import", "okx", folder, "--out", "snap", "--force"]);
        assert_eq!(outcome.code, Some(2), "{folder}: {}", outcome.stderr);
    }
    assert!(tree(&root.join("snap")) == before);
    fs::remove_dir_all(root.join("snap/resp")).unwrap();
    succeeds(root, &["import", "okx", &sample, "--out", "snap", "--force", "--quiet"]);
    assert_eq!(entries(root), ["snap"], "nothing is left beside it");
}

/// A snapshot that somebody edited is somebody's work, whether its `checksums` are there or not.
#[test]
fn an_edited_snapshot_is_not_replaced() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let again =
        ["generate", "--accounts", "20", "--seed", "3", "--format", "csv", "--out", "book", "--quiet", "--force"];
    succeeds(root, &again);
    succeeds(root, &again);
    let (positions, checksums) = (root.join("book/positions.csv"), root.join("book/checksums"));
    let refused = |why: &str| {
        let before = tree(root);
        let outcome = remargin(root, &again);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("it was edited") && outcome.stderr.contains(why), "{}", outcome.stderr);
        assert_eq!(tree(root), before);
    };
    let (text, listed) = (fs::read(&positions).unwrap(), fs::read(&checksums).unwrap());
    fs::write(&positions, [&text[..], b"A00000001,BTC-USDT-SWAP,1,1\n"].concat()).unwrap();
    refused("`positions.csv` is not the file that `checksums` lists");
    fs::remove_file(&checksums).unwrap();
    refused("`checksums` is gone");
    fs::write(&positions, text).unwrap();
    refused("`checksums` is gone");
    fs::write(&checksums, listed).unwrap();
    succeeds(root, &again);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_no_output_folder() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 5, 2.0, 5, "csv");
    std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
    std::os::unix::fs::symlink("absent", root.join("dangling")).unwrap();
    for out in ["loop", "dangling"] {
        let outcome = remargin(root, &["run", "snapshot", "--out", out, "--force", "--quiet"]);
        assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("its link leads to no folder"), "{}", outcome.stderr);
    }
    assert_eq!(entries(root), ["dangling", "loop", "snapshot"]);
}
