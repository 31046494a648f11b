//! Distances and reverse stress from the command line to the tables.

use crate::common::e2e::{Row, exact, files, generate, remargin, rows, succeeds};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Ratio of an account in the scenario of a run.
fn ratios(dir: &Path) -> BTreeMap<(String, String), String> {
    let key = |row: &Row| (row["account_id"].clone(), row["scenario"].clone());
    rows(&dir.join("accounts.parquet")).iter().map(|row| (key(row), row["margin_ratio"].clone())).collect()
}

#[test]
fn distances_put_back_in_as_a_table_of_shocks_give_ratio_one() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 60, 8.0, 11, "parquet");
    succeeds(dir, &["run", "snapshot", "--quiet", "--out", "out", "--distance", "all"]);
    let found = rows(&dir.join("out/distances.parquet"));
    assert!(found.len() > 60 && found.is_sorted_by_key(|row| (row["account_id"].clone(), row["base"].clone())));
    let mut shocks = String::from("scenario,base,price\n");
    let mut expected = Vec::new();
    for (number, row) in found.iter().enumerate() {
        for way in ["down", "up"] {
            let (price_move, reach) = (&row[&format!("{way}_move")], &row[&format!("{way}_reach")]);
            assert_eq!(price_move.is_empty(), reach == "none", "{row:?}");
            assert_eq!(row[&format!("{way}_px_usd")].is_empty(), reach == "none" || row["base"] == "*", "{row:?}");
            if reach == "crossed" && expected.len() < 70 {
                writeln!(shocks, "s{number}{way},{},{price_move}", row["base"]).unwrap();
                expected.push((row["account_id"].clone(), format!("s{number}{way}")));
            }
        }
    }
    assert!(expected.len() == 70, "{}", expected.len());
    fs::write(dir.join("back.csv"), shocks).unwrap();
    succeeds(dir, &["run", "snapshot", "--quiet", "--out", "back", "--shocks", "back.csv"]);
    let ratios = ratios(&dir.join("back"));
    for key in expected {
        let ratio: f64 = ratios[&key].parse().unwrap();
        assert!((ratio - 1.0).abs() < 1e-6, "{key:?}: {ratio}");
    }
}

#[test]
fn a_stress_reports_the_distances_of_accounts_at_risk() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 200, 8.0, 3, "parquet");
    let stress = |out: &str, more: &[&str]| {
        let common =
            ["stress", "snapshot", "--quiet", "--out", out, "--scenario", "BTC=-10%", "--set", "status.near=3"];
        succeeds(dir, &[&common[..], more].concat());
    };
    stress("one", &["--threads", "1"]);
    stress("three", &["--threads", "3", "--distance", "at-risk"]);
    let (mut one, mut three) = (files(&dir.join("one")), files(&dir.join("three")));
    one.remove("manifest.json");
    three.remove("manifest.json");
    assert!(one == three);

    let flagged = rows(&dir.join("one/at_risk.parquet"));
    let all: BTreeMap<String, Row> = rows(&dir.join("one/distances.parquet"))
        .into_iter()
        .filter(|row| row["base"] == "*")
        .map(|row| (row["account_id"].clone(), row))
        .collect();
    let base: Vec<&Row> = flagged.iter().filter(|row| row["scenario"] == "base").collect();
    assert!(base.len() > 3 && base.len() == all.len() && flagged.len() > base.len(), "{}", base.len());
    for row in &flagged {
        for (column, of) in [("down_move", 0), ("down_reach", 1), ("up_move", 2), ("up_reach", 3)] {
            let column_at_risk = format!("all_coins_{column}");
            if row["scenario"] == "base" {
                assert_eq!(row[&column_at_risk], all[&row["account_id"]][column], "{of}: {row:?}");
            } else {
                assert_eq!(row[&column_at_risk], "", "{row:?}");
            }
        }
    }
    stress("none", &["--distance", "none"]);
    assert!(!dir.join("none/distances.parquet").exists());
    assert!(rows(&dir.join("none/at_risk.parquet")).iter().all(|row| row["all_coins_down_reach"].is_empty()));
}

#[test]
fn reverse_stress_is_answered_as_text_and_json() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 200, 8.0, 3, "parquet");
    let statement = "*, accounts in liquidation > 10%";
    let ask = |more: &[&str]| {
        let args = ["stress", "snapshot", "--quiet", "--reverse", statement, "--reverse", "ETH, shortfall > 1e17"];
        succeeds(dir, &[&args[..], more].concat()).stdout
    };
    let text = ask(&[]);
    assert!(text.starts_with(&format!("statement  {statement}\n")), "{text}");
    assert!(text.contains("\nfall       none within -99 %\nrise       none within +300 %\n"), "{text}");
    let answer: serde_json::Value = serde_json::from_str(&ask(&["--answer", "json"])).unwrap();
    assert_eq!(answer["unmargined"], 0);
    let first = &answer["answers"][0];
    assert_eq!((&first["statement"], &first["holds_now"]), (&statement.into(), &false.into()));
    assert!(answer["answers"][1]["down"].is_null());

    // The move, and the one a step nearer, as scenarios.
    let found = if first["down"].is_null() { &first["up"] } else { &first["down"] };
    let price_move = found["price_move"].as_f64().unwrap();
    let before = ((price_move - 1e-6 * price_move.signum()) * 1e6).round() / 1e6;
    let shocks = format!("scenario,base,price\nafter,*,{}\nbefore,*,{}\n", exact(price_move), exact(before));
    fs::write(dir.join("shocks.csv"), shocks).unwrap();
    let flags = ["--quiet", "--out", "out", "--shocks", "shocks.csv", "--distance", "none"];
    succeeds(dir, &[&["stress", "snapshot"], &flags[..]].concat());
    let table = rows(&dir.join("out/scenarios.parquet"));
    let in_liquidation = |name: &str| {
        let row = table.iter().find(|row| row["scenario"] == name).unwrap();
        row["liquidation"].parse::<u64>().unwrap()
    };
    assert_eq!(Some(in_liquidation("after")), found["after"]["in_liquidation"].as_u64());
    assert_eq!(Some(in_liquidation("before")), found["before"]["in_liquidation"].as_u64());
    assert!(in_liquidation("after") > 20 && in_liquidation("before") <= 20);
}

#[test]
fn reverse_stress_that_cannot_be_asked() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 3, 2.0, 3, "csv");
    for (args, says) in [
        (&["--reverse", "BTC, shortfall < 5"] as &[&str], "no `>`"),
        (&["--reverse", "XYZ, shortfall > 5"], "unknown currency"),
        (&["--reverse", "BTC, shortfall > 5", "--out", "out"], "cannot be used with"),
        (&["--answer", "json", "--out", "out"], "cannot be used with"),
        (&[], "--out"),
    ] {
        let outcome = remargin(dir, &[&["stress", "snapshot"], args].concat());
        assert_eq!(outcome.code, Some(2), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(says) && outcome.stdout.is_empty(), "{args:?}: {}", outcome.stderr);
    }
}
