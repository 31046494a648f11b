//! Groups in a stress, in several passes, verified, replayed, and on the page.

use super::{assert_near, book, check_groups, number};
use crate::common::e2e::{Row, files, json, remargin, rows, succeeds};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A stress of the snapshot in `root`, as bytes by file.
fn stressed(root: &Path, out: &str, flags: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let scenarios = ["--grid", "*=-40%..40%/20%", "--scenario", "fall: BTC=-30% vol +50%", "--force"];
    succeeds(root, &[&["stress", "snapshot", "--out", out], &scenarios[..], flags].concat());
    let mut found = files(&root.join(out));
    found.remove("manifest.json");
    found
}

#[test]
fn a_stress_has_the_groups_in_every_scenario() {
    let place = tempfile::tempdir().unwrap();
    let known = book(place.path(), 300, 5.0);
    let by = ["--by", "desk", "--by", "region,desk"];
    stressed(place.path(), "out", &[&by[..], &["--detail", "all"]].concat());
    let out = place.path().join("out");
    let scenarios = rows(&out.join("scenarios.parquet"));
    let names: Vec<&str> = scenarios.iter().map(|row| row["scenario"].as_str()).collect();
    assert!(names.len() == 7 && names[0] == "base", "{names:?}");
    check_groups(&out, &known, &["desk", "region,desk"], &names);
    // What a scenario does to the book is what it does to its groups.
    let groups = rows(&out.join("groups.parquet"));
    for scenario in &scenarios {
        for column in ["liquidation", "at_risk", "im_deficit", "mmr", "total_eq", "shortfall"] {
            let is_there = |row: &&Row| row["by"] == "desk" && row["scenario"] == scenario["scenario"];
            let sum: f64 = groups.iter().filter(is_there).map(|row| number(row, column)).sum();
            if column != "at_risk" {
                assert_near(sum, number(scenario, column), sum.abs(), &format!("{} {column}", scenario["scenario"]));
            }
        }
    }
    let summary = json(&out.join("summary.json"));
    assert_eq!(summary["base"]["groups"][0]["groups"], 6);
    assert_eq!(summary["base"]["groups"][1]["by"], "region,desk");
}

/// Several scenarios side by side, several passes, less memory, more threads: the same bytes.
#[test]
fn groups_of_a_stress_do_not_depend_on_the_passes() {
    let place = tempfile::tempdir().unwrap();
    book(place.path(), 3000, 4.0);
    let by = ["--by", "desk", "--by", "tier,region"];
    let with = |flags: &[&'static str]| [&by[..], flags].concat();
    let expected = stressed(place.path(), "out", &with(&["--threads", "2", "--memory-limit", "4GiB"]));
    assert!(expected.contains_key("group_units.parquet"));
    for flags in [
        &["--threads", "1", "--memory-limit", "4GiB"][..],
        &["--threads", "3", "--memory-limit", "320MiB"],
        &["--threads", "1", "--memory-limit", "200MiB"],
    ] {
        let found = stressed(place.path(), "again", &with(flags));
        for (name, bytes) in &expected {
            assert!(*bytes == found[name], "`{name}` {flags:?}");
        }
    }
    // Beside the groups nothing is another than without them.
    let plain = stressed(place.path(), "plain", &["--threads", "2"]);
    for (name, bytes) in plain.iter().filter(|(name, _)| name.ends_with(".parquet")) {
        assert!(*bytes == expected[name], "`{name}`");
    }
}

#[test]
fn runs_with_groups_verify_replay_and_draw_their_page_again() {
    let place = tempfile::tempdir().unwrap();
    book(place.path(), 200, 4.0);
    let by = ["--by", "desk", "--by", "region,desk"];
    succeeds(place.path(), &[&["run", "snapshot", "--out", "run"][..], &by].concat());
    let scenario = ["--scenario", "crash: *=-40%", "--format", "csv"];
    succeeds(place.path(), &[&["stress", "snapshot", "--out", "stress"], &scenario[..], &by].concat());
    for run in ["run", "stress"] {
        let manifest = json(&place.path().join(run).join("manifest.json"));
        assert_eq!(manifest["request"]["by"], serde_json::json!(["desk", "region,desk"]));
        succeeds(place.path(), &["verify", run, "--sample", "20"]);
        succeeds(place.path(), &["replay", run]);
        let page = fs::read(place.path().join(run).join("report.html")).unwrap();
        succeeds(place.path(), &["report", run, "--out", "page.html"]);
        assert!(fs::read(place.path().join("page.html")).unwrap() == page, "{run}");
        assert!(String::from_utf8(page).unwrap().contains("\"groups\":{\"by\":[{\"by\":\"desk\",\"total\":6"), "{run}");
    }
    // An edited cell is found, with its manifest or without.
    let file = place.path().join("stress/groups.csv");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("crash", "crush", 1)).unwrap();
    let found = remargin(place.path(), &["verify", "stress"]);
    assert_eq!(found.code, Some(1), "{}", found.stdout);
    assert!(found.stdout.contains("groups.csv"), "{}", found.stdout);
}
