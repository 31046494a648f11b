//! Buckets of whole accounts together give what the whole snapshot gives.

use crate::common::e2e::{Row, entries, files, generate, json, read_parquet, remargin, rows, succeeds};
use remargin::partition::bucket_of;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const BUCKETS: u32 = 5;

fn partition(dir: &Path) {
    succeeds(dir, &["partition", "snapshot", "--buckets", &BUCKETS.to_string(), "--out", "buckets", "--quiet"]);
}

fn buckets() -> impl Iterator<Item = String> {
    (0..BUCKETS).map(|bucket| format!("buckets/bucket-{bucket:05}"))
}

/// The rows of a table of all buckets' runs, in order of account, scenario and unit.
fn of_all_buckets(dir: &Path, table: &str) -> Vec<Row> {
    let mut all = Vec::new();
    for bucket in buckets() {
        let out = format!("out-{}", &bucket[8..]);
        if !dir.join(&out).exists() {
            succeeds(dir, &["run", &bucket, "--out", &out, "--quiet", "--max-rejects", "100%"]);
        }
        all.extend(rows(&dir.join(out).join(format!("{table}.parquet"))));
    }
    all.sort_by(|a, b| (&a["account_id"], a.get("risk_unit")).cmp(&(&b["account_id"], b.get("risk_unit"))));
    all
}

#[test]
fn buckets_give_what_the_whole_gives() {
    for format in ["parquet", "csv"] {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path();
        generate(dir, 300, 8.0, 17, format);
        succeeds(dir, &["run", "snapshot", "--out", "out", "--quiet"]);
        partition(dir);
        for table in ["accounts", "risk_units"] {
            let whole = rows(&dir.join(format!("out/{table}.parquet")));
            assert!(whole.len() > 200);
            assert_eq!(of_all_buckets(dir, table), whole, "{format}: {table}");
        }
    }
}

/// What accounts are grouped by goes along if it is asked for, whatever its type.
#[test]
fn attributes_go_along() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 60, 3.0, 8, "parquet");
    let table = rows(&dir.join("snapshot/accounts.parquet"));
    let mut text = "account_id,spot_offset,desk,note\n".to_owned();
    for (place, row) in table.iter().enumerate() {
        let desk = ["a", "b", ""][place % 3];
        writeln!(text, "{},{},{desk},n{place}", row["account_id"], row["spot_offset"]).unwrap();
    }
    fs::write(dir.join("snapshot/accounts.csv"), text).unwrap();
    fs::remove_file(dir.join("snapshot/accounts.parquet")).unwrap();
    succeeds(dir, &["run", "snapshot", "--out", "out", "--by", "desk", "--quiet"]);
    succeeds(dir, &["partition", "snapshot", "--buckets", "3", "--out", "cut", "--by", "desk", "--quiet"]);
    let mut members = Vec::new();
    for bucket in 0..3 {
        let (bucket, out) = (format!("cut/bucket-{bucket:05}"), format!("out-{bucket}"));
        assert!(rows(&dir.join(&bucket).join("accounts.parquet")).iter().all(|row| !row.contains_key("note")));
        succeeds(dir, &["run", &bucket, "--out", &out, "--by", "desk", "--quiet"]);
        members.extend(rows(&dir.join(out).join("account_groups.parquet")));
    }
    members.sort_by(|a, b| a["account_id"].cmp(&b["account_id"]));
    assert_eq!(members, rows(&dir.join("out/account_groups.parquet")));
}

#[test]
fn every_row_is_in_the_bucket_of_its_account_and_knows_its_number() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 120, 6.0, 4, "parquet");
    partition(dir);
    for table in ["positions", "balances", "accounts"] {
        let file = format!("{table}.parquet");
        let whole = rows(&dir.join("snapshot").join(&file));
        let mut seen = BTreeSet::new();
        for (number, bucket) in buckets().enumerate() {
            let mut last = 0;
            for mut row in rows(&dir.join(bucket).join(&file)) {
                assert_eq!(bucket_of(&row["account_id"], BUCKETS), number as u32);
                let place: usize = row.remove("row").unwrap().parse().unwrap();
                assert_eq!(row, whole[place - 1], "{table} {place}");
                assert!(place > last && seen.insert(place), "{table} {place}: once, and in order");
                last = place;
            }
        }
        assert_eq!(seen.len(), whole.len(), "{table}");
    }
    let manifest = json(&dir.join("buckets/manifest.json"));
    let layout = serde_json::json!({ "version": 1, "hash": "xxhash64", "seed": 42, "buckets": BUCKETS });
    assert_eq!(manifest["layout"], layout);
    for bucket in manifest["buckets"].as_array().unwrap() {
        let folder = dir.join("buckets").join(bucket["path"].as_str().unwrap());
        let described: BTreeSet<String> =
            bucket["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
        assert_eq!(described, entries(&folder).into_iter().collect());
        for file in bucket["files"].as_array().unwrap() {
            let bytes = fs::read(folder.join(file["path"].as_str().unwrap())).unwrap();
            assert_eq!(file["blake3"], blake3::hash(&bytes).to_hex().as_str());
            assert_eq!(file["bytes"], bytes.len());
        }
    }
}

#[test]
fn the_market_is_copied_and_a_second_cut_is_the_same() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 40, 4.0, 8, "csv");
    fs::write(dir.join("snapshot/shocks.csv"), "scenario,base,price\nfall,*,-0.3\n").unwrap();
    partition(dir);
    let snapshot = files(&dir.join("snapshot"));
    let first: Vec<_> = buckets().map(|bucket| files(&dir.join(bucket))).collect();
    for bucket in &first {
        for name in ["snapshot.toml", "instruments.csv", "marks.csv", "indices.csv", "shocks.csv"] {
            assert_eq!(bucket[name], snapshot[name], "{name}");
        }
    }
    let again = ["partition", "snapshot", "--buckets", "5", "--out", "buckets", "--quiet", "--threads", "1"];
    assert_eq!(remargin(dir, &again).code, Some(2), "the folder exists");
    succeeds(dir, &[&again[..], &["--force"]].concat());
    assert_eq!(buckets().map(|bucket| files(&dir.join(bucket))).collect::<Vec<_>>(), first);
}

#[test]
fn rows_without_an_account_and_empty_tables_are_cut_too() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 20, 4.0, 2, "csv");
    fs::write(dir.join("snapshot/accounts.csv"), "account_id,spot_offset\n").unwrap();
    let positions = dir.join("snapshot/positions.csv");
    let text = fs::read_to_string(&positions).unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    let (_, first) = body.split_once(',').unwrap();
    fs::write(&positions, format!("{header}\n,{first}")).unwrap();
    partition(dir);
    assert_eq!(buckets().map(|b| read_parquet(&dir.join(b).join("accounts.parquet")).num_rows()).sum::<usize>(), 0);
    succeeds(dir, &["run", "snapshot", "--out", "out", "--quiet", "--max-rejects", "100%"]);
    let nameless = format!("buckets/bucket-{:05}", bucket_of("", BUCKETS));
    let row = &rows(&dir.join(nameless).join("positions.parquet"))[0];
    assert_eq!((row["account_id"].as_str(), row["row"].as_str()), ("", "1"));
    assert_eq!(of_all_buckets(dir, "accounts"), rows(&dir.join("out/accounts.parquet")));
}

#[test]
fn bad_requests_leave_nothing() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 5, 2.0, 1, "csv");
    for (args, code) in [
        (&["partition", "snapshot", "--buckets", "0", "--out", "buckets"], 2),
        (&["partition", "snapshot", "--buckets", "4097", "--out", "buckets"], 2),
        (&["partition", "nothing", "--buckets", "4", "--out", "buckets"], 3),
    ] {
        assert_eq!(remargin(dir, args).code, Some(code), "{args:?}");
        assert_eq!(entries(dir), ["snapshot"]);
    }
    fs::write(dir.join("snapshot/orders.csv"), "account_id\nA\n").unwrap();
    let outcome = remargin(dir, &["partition", "snapshot", "--buckets", "4", "--out", "buckets"]);
    assert!(outcome.code == Some(3) && outcome.stderr.contains("column `inst_id`"), "{}", outcome.stderr);
    assert_eq!(entries(dir), ["snapshot"]);
}

/// Under a small limit the tables are read several times, each for a few buckets.
#[test]
fn buckets_do_not_depend_on_the_memory_limit() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 3000, 8.0, 6, "parquet");
    let cut = |limit: &str| {
        let args = ["partition", "snapshot", "--buckets", "300", "--out", "buckets", "--force", "--quiet"];
        remargin(dir, &[&args[..], &["--threads", "1", "--memory-limit", limit]].concat())
    };
    let found = ["80MiB", "2GiB"].map(|limit| {
        let outcome = cut(limit);
        assert_eq!(outcome.code, Some(0), "{limit}: {}", outcome.stderr);
        (0..300).map(|bucket| files(&dir.join(format!("buckets/bucket-{bucket:05}")))).collect::<Vec<_>>()
    });
    assert!(found[0] == found[1]);
    let outcome = cut("50MiB");
    assert_eq!(outcome.code, Some(6), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("not even one bucket can be cut"), "{}", outcome.stderr);
}
