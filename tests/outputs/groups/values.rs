//! Values of attributes: numbers are alike in every format, and names that look alike are told.

use crate::common::e2e::{files, generate, json, read_parquet, remargin, rows, succeeds};
use arrow_array::{ArrayRef, Decimal128Array, Float32Array, Float64Array, RecordBatch};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// `accounts` as CSV with another column.
fn with_column(dir: &Path, name: &str, value: impl Fn(usize) -> String) {
    let mut text = format!("account_id,spot_offset,{name}\n");
    for (place, row) in rows(&dir.join("snapshot/accounts.parquet")).iter().enumerate() {
        writeln!(text, "{},{},{}", row["account_id"], row["spot_offset"], value(place)).unwrap();
    }
    fs::write(dir.join("snapshot/accounts.csv"), text).unwrap();
    fs::remove_file(dir.join("snapshot/accounts.parquet")).unwrap();
}

#[test]
fn numbers_group_alike_in_parquet_and_csv() {
    let texts = ["1.0", "0.75", "", "-2.5", "0.1"];
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let csv = root.join("csv");
    generate(&csv, 60, 2.0, 5, "parquet");
    let table = read_parquet(&csv.join("snapshot/accounts.parquet"));
    with_column(&csv, "score", |row| texts[row % texts.len()].to_owned());
    succeeds(&csv, &["run", "snapshot", "--out", "out", "--by", "score", "--quiet"]);
    let expected = files(&csv.join("out"));
    assert_eq!(rows(&csv.join("out/groups.parquet")).len(), texts.len());

    // Not a number is a missing value, as it is an empty cell in CSV.
    let doubles: Vec<f64> = texts.iter().map(|text| text.parse().unwrap_or(f64::NAN)).collect();
    let many = 0..table.num_rows();
    let double: ArrayRef = Arc::new(many.clone().map(|row| Some(doubles[row % 5])).collect::<Float64Array>());
    let single: ArrayRef = Arc::new(many.clone().map(|row| Some(doubles[row % 5] as f32)).collect::<Float32Array>());
    for (kind, column) in [("double", double), ("single", single)] {
        let dir = root.join(kind);
        generate(&dir, 60, 2.0, 5, "parquet");
        write(&dir, &table, column);
        succeeds(&dir, &["run", "snapshot", "--out", "out", "--by", "score", "--quiet"]);
        let found = files(&dir.join("out"));
        for name in ["groups.parquet", "group_units.parquet", "account_groups.parquet"] {
            assert!(found[name] == expected[name], "{kind}: {name}");
        }
    }
    let decimals: Decimal128Array = many.map(|row| Some(row as i128 % 3 * 25)).collect();
    let dir = root.join("decimal");
    generate(&dir, 60, 2.0, 5, "parquet");
    write(&dir, &table, Arc::new(decimals.with_precision_and_scale(10, 2).unwrap()));
    succeeds(&dir, &["run", "snapshot", "--out", "out", "--by", "score", "--quiet"]);
    let names: Vec<String> = rows(&dir.join("out/groups.parquet")).iter().map(|row| row["group"].clone()).collect();
    assert_eq!(names, ["0.00", "0.25", "0.50"]);
}

fn write(dir: &Path, table: &RecordBatch, column: ArrayRef) {
    let mut fields = table.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("score", column.data_type().clone(), true)));
    let columns = table.columns().iter().cloned().chain([column]).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let file = File::create(dir.join("snapshot/accounts.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn groups_that_look_alike_are_told() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 40, 2.0, 6, "parquet");
    // The last has a Cyrillic letter.
    let desks = ["desk A", "desk  A", "vol", "d\u{435}sk A"];
    with_column(dir, "desk", |row| desks[row % desks.len()].to_owned());
    for command in [&["run", "snapshot"][..], &["stress", "snapshot", "--scenario", "fall: *=-10%"]] {
        let outcome = remargin(dir, &[command, &["--out", "out", "--by", "desk", "--force"]].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let text =
            "groups by `desk` whose names differ only in their spelling: 3 of 4: `desk  A` beside `desk A` beside";
        assert!(outcome.stderr.contains(text), "{}", outcome.stderr);
        let summary = json(&dir.join("out/summary.json"));
        let base = if command[0] == "run" { &summary } else { &summary["base"] };
        let warnings = base["warnings"].as_array().unwrap();
        let found = warnings.iter().find(|warning| warning["code"] == "similar_groups").unwrap();
        assert_eq!(found["count"], 3);
        assert!(found["text"].as_str().unwrap().starts_with(text), "{found}");
    }
    let outcome = remargin(dir, &["verify", "out"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn columns_that_cannot_be_grouped_by_say_why() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 20, 2.0, 6, "parquet");
    with_column(dir, "\"city, country\"", |row| format!("\"Oslo, NO\",{}", ["", "x"][row % 2].repeat(1025)));
    let csv = dir.join("snapshot/accounts.csv");
    let text = fs::read_to_string(&csv).unwrap();
    fs::write(&csv, text.replacen("country\"", "country\",remark", 1)).unwrap();
    for (by, code, says) in [
        ("remark", 3, &["1025 bytes, too long to name a group", "`remark`", "row 2", "at most 1024"][..]),
        ("city, country", 3, &["is it `city, country`?", "double quotes"]),
        ("\"city, country\"", 0, &[]),
    ] {
        let outcome = remargin(dir, &["run", "snapshot", "--out", "out", "--by", by, "--force"]);
        assert_eq!(outcome.code, Some(code), "{by}: {}", outcome.stderr);
        assert!(says.iter().all(|says| outcome.stderr.contains(says)), "{by}: {}", outcome.stderr);
    }
}
