//! Runs that are killed at any moment: afterwards the old run is there, or the whole new one, or nothing.

use crate::common::e2e::{entries, files, generate, in_background, json, shuffled, succeeds};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

const KILLS: u32 = 200;
const SEED: u64 = 17;

type Files = BTreeMap<String, Vec<u8>>;

/// The files of a run but the manifest, of which each must have the hash that the manifest notes.
fn whole(run: &Path) -> Files {
    let mut found = files(run);
    assert!(found.remove("manifest.json").is_some(), "{:?}", entries(run));
    let manifest = json(&run.join("manifest.json"));
    let outputs = manifest["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), found.len(), "{:?}", entries(run));
    for output in outputs {
        let bytes = &found[output["path"].as_str().unwrap()];
        assert_eq!(output["bytes"], bytes.len(), "{output}");
        assert_eq!(output["blake3"], blake3::hash(bytes).to_hex().as_str(), "{output}");
    }
    found
}

fn start(root: &Path, format: &str) -> Child {
    let args = ["run", "snapshot", "--out", "place/out", "--force", "--quiet", "--threads", "2", "--format", format];
    in_background(root, &args).spawn().unwrap()
}

#[test]
fn two_hundred_kills_leave_no_partial_output() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 60, 4.0, SEED, "parquet");
    let formats = ["parquet", "arrow", "csv"];
    let mut wanted = Vec::new();
    for format in formats {
        succeeds(root, &["run", "snapshot", "--out", format, "--format", format, "--quiet"]);
        wanted.push(whole(&root.join(format)));
    }
    succeeds(root, &["run", "snapshot", "--out", "old", "--set", "risk_unit=merged", "--quiet"]);
    let old = whole(&root.join("old"));
    let out = root.join("place/out");

    // How long a run takes here and now.
    let mut took = [(); 5].map(|()| {
        let clock = Instant::now();
        assert!(start(root, "parquet").wait().unwrap().success());
        clock.elapsed()
    });
    took.sort();
    let usual = took[2];
    fs::remove_dir_all(root.join("place")).unwrap();

    let (mut absent, mut kept, mut done, mut left) = (0, 0, 0, 0);
    // Delays in an order of their own, spread evenly over a run and half of another.
    for (kill, delay) in (0..KILLS).zip(shuffled(KILLS as usize, SEED)) {
        let format = kill as usize % formats.len();
        let over_old = kill % 2 == 1;
        fs::create_dir(root.join("place")).unwrap();
        if over_old {
            fs::create_dir(&out).unwrap();
            for name in entries(&root.join("old")) {
                fs::copy(root.join("old").join(&name), out.join(&name)).unwrap();
            }
        }
        let mut child = start(root, formats[format]);
        std::thread::sleep(usual * delay / KILLS * 3 / 2);
        child.kill().unwrap();
        child.wait().unwrap();

        let what = format!("kill {kill}, delay {delay}/{KILLS} of {usual:?}: {:?}", entries(&root.join("place")));
        if out.exists() {
            let found = whole(&out);
            assert!(found == wanted[format] || (over_old && found == old), "{what}");
            if found == old { kept += 1 } else { done += 1 }
        } else {
            assert!(!over_old, "{what}");
            absent += 1;
        }
        left += u32::from(entries(&root.join("place")).iter().any(|name| name != "out"));
        for name in entries(&root.join("place")) {
            assert!(name == "out" || name.starts_with(".out.remargin-"), "{what}");
        }

        let mut again = start(root, formats[format]);
        assert!(again.wait().unwrap().success(), "{what}");
        assert!(whole(&out) == wanted[format], "{what}");
        assert_eq!(entries(&root.join("place")), ["out"], "{what}");
        fs::remove_dir_all(root.join("place")).unwrap();
    }
    println!("absent {absent}, old {kept}, new {done}; {left} left something to clear away");
    assert_eq!(absent + kept + done, KILLS);
    assert!(absent > 0 && kept > 0 && left > 0, "no kill hit a run at work: {absent} {kept} {done} {left}");
}

/// Several at once to one place: the name is taken by one of them at a time, and who comes second says so.
#[test]
fn of_two_runs_to_one_place_one_wins_and_one_says_so() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 3000, 4.0, SEED, "parquet");
    succeeds(root, &["run", "snapshot", "--out", "alone", "--quiet"]);
    let expected = whole(&root.join("alone"));
    let start = || {
        let args = ["run", "snapshot", "--out", "out", "--quiet", "--threads", "1"];
        in_background(root, &args).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children = [start(), start(), start()];
    let outcomes = children.map(|child| child.wait_with_output().unwrap());
    let won = outcomes.iter().filter(|outcome| outcome.status.success()).count();
    assert_eq!(won, 1);
    for outcome in outcomes.iter().filter(|outcome| !outcome.status.success()) {
        let text = String::from_utf8_lossy(&outcome.stderr);
        let says = ["another run is writing to `out`", "`out` exists already"];
        assert!(says.iter().any(|says| text.contains(says)), "{text}");
    }
    assert!(whole(&root.join("out")) == expected);
    assert_eq!(entries(root), ["alone", "out", "snapshot"]);
}
