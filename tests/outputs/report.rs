//! The page of a run: the same from its files as from the run itself, in every format, and never with anything but
//! what a run left.

use crate::common::e2e::{generate, json, remargin, succeeds};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The figures in a page.
fn figures(page: &Path) -> Value {
    let text = fs::read_to_string(page).unwrap();
    let (_, rest) = text.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_page_built_again_is_the_same_in_every_format() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 30_000, 4.0, 21, "parquet");
    for format in ["parquet", "arrow", "csv"] {
        succeeds(root, &["run", "snapshot", "--out", format, "--format", format]);
        let again = succeeds(root, &["report", format, "--out", "again.html"]);
        assert!(!again.stderr.contains("not the page"), "{}", again.stderr);
        let [page, again] = [root.join(format).join("report.html"), root.join("again.html")];
        assert!(fs::read(&page).unwrap() == fs::read(&again).unwrap(), "{format}");
        let figures = figures(&page);
        let summary = json(&root.join(format).join("summary.json"));
        assert_eq!(figures["accounts"], summary["accounts"]);
        let rows = figures["at_risk"]["rows"].as_array().unwrap();
        assert_eq!(rows.len() as u64, summary["accounts"]["at_risk"].as_u64().unwrap().min(1000));
        assert!(rows.len() > 100, "{}", rows.len());
        let units = figures["at_risk"]["units"].as_array().unwrap();
        assert_eq!(units.len(), rows.len());
        // A worst unit is the first of the units of its account.
        for (row, units) in rows.iter().zip(units) {
            assert_eq!(row[9], units[0].get(0).map_or(Value::Null, |unit| unit[0].clone()), "{row}");
            assert_eq!(row[11], units[0].get(0).map_or(Value::Null, |unit| unit[1].clone()), "{row}");
        }
    }
}

#[test]
fn distances_and_scenarios_come_back_from_the_files() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 300, 5.0, 22, "csv");
    for (out, flags) in [
        ("distances", &["run", "--distance", "at-risk"] as &[&str]),
        ("stress", &["stress", "--grid", "BTC=-60%..60%/20%,ETH=-60%..60%/20%"]),
        ("detail", &["stress", "--scenario", "crash: *=-50%", "--detail", "all"]),
        ("bare", &["stress", "--scenario", "crash: *=-50%", "--detail", "none"]),
    ] {
        succeeds(root, &[&[flags[0], "snapshot", "--out", out][..], &flags[1..]].concat());
        let page = root.join(out).join("report.html");
        let first = fs::read(&page).unwrap();
        succeeds(root, &["report", out]);
        assert!(first == fs::read(&page).unwrap(), "{out}");
        let figures = figures(&page);
        assert_eq!(figures["scenarios"].is_null(), flags[0] == "run", "{out}");
        assert_eq!(figures["at_risk"].is_null(), out == "bare");
    }
    let scenarios = &figures(&root.join("stress/report.html"))["scenarios"];
    assert_eq!((&scenarios["total"], &scenarios["rows"][0]["scenario"]), (&Value::from(50), &Value::from("base")));
    let accounts = json(&root.join("stress/summary.json"))["base"]["accounts"]["margined"].clone();
    for row in scenarios["rows"].as_array().unwrap() {
        let moved: u64 = row["migration"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|from| from.as_array().unwrap())
            .map(|accounts| accounts.as_u64().unwrap())
            .sum();
        assert_eq!(Value::from(moved), accounts, "{row}");
    }
}

#[test]
fn the_manifest_lists_the_page_and_a_run_may_leave_it_out() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 50, 3.0, 23, "csv");
    succeeds(root, &["run", "snapshot", "--out", "with"]);
    succeeds(root, &["run", "snapshot", "--out", "without", "--no-report"]);
    let listed = |out: &str| -> Option<String> {
        let manifest = json(&root.join(out).join("manifest.json"));
        let outputs = manifest["outputs"].as_array().unwrap();
        let page = outputs.iter().find(|file| file["path"] == "report.html")?;
        Some(page["blake3"].as_str().unwrap().to_owned())
    };
    let page = fs::read(root.join("with/report.html")).unwrap();
    assert_eq!(listed("with"), Some(blake3::hash(&page).to_hex().to_string()));
    assert_eq!(listed("without"), None);
    assert!(!root.join("without/report.html").exists());
    for name in ["summary.json", "accounts.parquet", "risk_units.parquet", "at_risk.csv"] {
        assert!(fs::read(root.join("with").join(name)).unwrap() == fs::read(root.join("without").join(name)).unwrap());
    }
    succeeds(root, &["report", "without"]);
    assert!(fs::read(root.join("without/report.html")).unwrap() == page);
    let summary = fs::read_to_string(root.join("with/summary.json")).unwrap();
    fs::write(root.join("with/summary.json"), summary.replacen("\"margined\": 50", "\"margined\": 49", 1)).unwrap();
    let refused = remargin(root, &["report", "with"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("summary.json") && refused.stderr.contains("manifest lists"), "{}", refused.stderr);
    assert!(fs::read(root.join("with/report.html")).unwrap() == page, "the page of what was written stays");
}

#[test]
fn what_was_edited_is_not_drawn() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 20, 3.0, 24, "csv");
    succeeds(root, &["run", "snapshot", "--out", "out", "--format", "csv"]);
    let file = root.join("out/at_risk.csv");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("liquidation", "normal", 1)).unwrap();
    let page = fs::read(root.join("out/report.html")).unwrap();
    let refused = remargin(root, &["report", "out"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("at_risk.csv"), "{}", refused.stderr);
    assert!(fs::read(root.join("out/report.html")).unwrap() == page);
    fs::write(&file, text).unwrap();
    fs::write(root.join("out/accounts.csv"), "not shown on the page").unwrap();
    succeeds(root, &["report", "out"]);

    // So in a stress, whose page shows more tables.
    let args = ["stress", "snapshot", "--out", "over", "--format", "csv", "--scenario", "fall: *=-30%"];
    succeeds(root, &args);
    for table in ["worst", "migration", "scenarios", "tail", "rejects"] {
        let file = root.join(format!("over/{table}.csv"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}\n")).unwrap();
        let refused = remargin(root, &["report", "over"]);
        assert_eq!(refused.code, Some(3), "{table}: {}", refused.stderr);
        assert!(refused.stderr.contains(&format!("{table}.csv")), "{}", refused.stderr);
        fs::write(&file, text).unwrap();
    }
    fs::remove_file(root.join("over/worst.csv")).unwrap();
    let without = succeeds(root, &["report", "over"]);
    assert!(without.stderr.contains("worst.csv is not there any more"), "{}", without.stderr);
    assert!(!without.stderr.contains("another version"), "{}", without.stderr);
}

#[test]
fn what_is_no_run_has_no_page() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 20, 3.0, 24, "csv");
    succeeds(root, &["partition", "snapshot", "--buckets", "2", "--out", "cut", "--quiet"]);
    succeeds(root, &["compare", "snapshot", "--b", "spot_offset=none", "--out", "changes", "--quiet"]);
    for dir in ["cut", "changes"] {
        let refused = remargin(root, &["report", dir]);
        assert_eq!(refused.code, Some(3), "{}", refused.stderr);
        assert!(refused.stderr.contains("the folder has no page"), "{}", refused.stderr);
    }
    // What is signed is what was written, in every bucket.
    succeeds(root, &["sign", "--generate-key", "risk.key", "--quiet"]);
    succeeds(root, &["sign", "cut", "--key", "risk.key"]);
    succeeds(root, &["sign", "changes", "--key", "risk.key"]);
    let file = root.join("cut/bucket-00001/positions.parquet");
    let mut bytes = fs::read(&file).unwrap();
    bytes.push(0);
    fs::write(&file, bytes).unwrap();
    let refused = remargin(root, &["sign", "cut", "--key", "risk.key"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("bucket-00001"), "{}", refused.stderr);
}

#[test]
fn only_a_finished_run_has_a_page() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    generate(root, 20, 3.0, 24, "csv");
    succeeds(root, &["run", "snapshot", "--out", "out"]);
    for (dir, says) in [("snapshot", "manifest.json"), ("missing", "manifest.json")] {
        let outcome = remargin(root, &["report", dir]);
        assert_eq!(outcome.code, Some(3), "{dir}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(says) && outcome.stderr.contains("finished run"), "{}", outcome.stderr);
        assert!(!root.join(dir).join("report.html").exists());
    }
    fs::write(root.join("out/summary.json"), "{\"as_of\": 1}").unwrap();
    let outcome = remargin(root, &["report", "out"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("summary.json") && outcome.stderr.contains("BLAKE3"), "{}", outcome.stderr);
}
