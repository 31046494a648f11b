//! `remargin verify` finds every single edit, even if the hashes in the manifest are put right after it.
//!
//! `REMARGIN_TAMPER=N` makes N edits of each table and of `summary.json`, where the default is a few.

use crate::common::e2e::{entries, generate, json, read_parquet, succeeds};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use parquet::arrow::ArrowWriter;
use remargin::progress::Silent;
use remargin::verify::{Sample, Verification, VerifyRequest, verify};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

const DIFFERENT: f64 = 123_456_789.5;

/// Edits of each file.
fn edits() -> usize {
    std::env::var("REMARGIN_TAMPER").map_or(3, |count| count.parse().unwrap())
}

/// Numbers below a bound, by a seed (`SplitMix64`).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// A run and stresses with rows in every table, in two formats.
fn outputs(dir: &Path) -> Vec<String> {
    generate(dir, 60, 4.0, 11, "csv");
    let positions = dir.join("snapshot/positions.csv");
    let mut text = fs::read_to_string(&positions).unwrap();
    text += "nobody,BTC-USDT-SWAP,0,1\nnobody,NO-SUCH-SWAP,1,1\n";
    // Some accounts are at risk.
    for account in 1..=4 {
        writeln!(text, "A0000000{account},BTC-USDT-SWAP,-1000000,70000").unwrap();
    }
    fs::write(positions, text).unwrap();
    let mut made = Vec::new();
    for format in ["parquet", "csv"] {
        let common = ["--format", format, "--max-rejects", "50%", "--quiet"];
        let run = format!("run-{format}");
        succeeds(dir, &[&["run", "snapshot", "--out", &run, "--distance", "all"], &common[..]].concat());
        let stress = format!("stress-{format}");
        let flags =
            ["--scenario", "crash: *=-40%", "--scenario", "BTC=+10%", "--detail", "all", "--distance", "at-risk"];
        let flags = [&flags[..], &["--distribution", "accounts"]].concat();
        succeeds(dir, &[&["stress", "snapshot", "--out", &stress], &flags[..], &common[..]].concat());
        made.extend([run, stress]);
    }
    made
}

fn found_in(run: &Path) -> Verification {
    let request = VerifyRequest { sample: Sample::Accounts(0), ..VerifyRequest::new(run) };
    verify(&request, &Silent).unwrap()
}

/// The manifest with the hash and size of a file as it is now; without the file if it is gone.
fn put_right(run: &Path, name: &str) {
    let mut manifest = json(&run.join("manifest.json"));
    let outputs = manifest["outputs"].as_array_mut().unwrap();
    match fs::read(run.join(name)) {
        Ok(bytes) => {
            let entry = outputs.iter_mut().find(|entry| entry["path"] == name).unwrap();
            entry["bytes"] = json!(bytes.len());
            entry["blake3"] = json!(blake3::hash(&bytes).to_hex().as_str());
        }
        Err(_) => outputs.retain(|entry| entry["path"] != name),
    }
    fs::write(run.join("manifest.json"), manifest.to_string()).unwrap();
}

/// Only what stands in the folder is compared.
fn found_alone(run: &Path) -> Verification {
    let request = VerifyRequest { rebuild: false, sample: Sample::Accounts(0), ..VerifyRequest::new(run) };
    verify(&request, &Silent).unwrap()
}

/// Makes an edit, verifies, and undoes it.
fn after(run: &Path, name: &str, edit: impl FnOnce(&Path)) -> Verification {
    after_in(run, name, edit, found_in)
}

fn after_in(run: &Path, name: &str, edit: impl FnOnce(&Path), found_in: fn(&Path) -> Verification) -> Verification {
    let kept = ["manifest.json", name].map(|name| (run.join(name), fs::read(run.join(name)).unwrap()));
    edit(&run.join(name));
    put_right(run, name);
    let found = found_in(run);
    for (path, bytes) in kept {
        fs::write(path, bytes).unwrap();
    }
    found
}

fn assert_named(found: &Verification, file: &str, row: Option<u64>, column: &str) {
    let named = found
        .differences
        .iter()
        .any(|found| found.file == file && found.row == row && found.column == column && found.found != found.expected);
    assert!(named, "{file} {row:?} {column}: {found:#?}");
}

/// Changes a random cell of a CSV file. Returns its row and column; none if there are no rows.
fn edit_csv(path: &Path, draw: &mut Draw) -> Option<(u64, String)> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    let mut rows: Vec<Vec<String>> =
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    if rows.is_empty() {
        return None;
    }
    let (row, column) = (draw.below(rows.len()), draw.below(header.len()));
    let cell = &mut rows[row][column];
    *cell = match cell.as_str() {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        text if text.parse::<i64>().is_ok() => (text.parse::<i64>().unwrap() + 1).to_string(),
        text if text.parse::<f64>().is_ok() => f64::from_bits(text.parse::<f64>().unwrap().to_bits() ^ 1).to_string(),
        text => format!("{text}9"),
    };
    let mut writer = csv::Writer::from_path(path).unwrap();
    writer.write_record(&header).unwrap();
    for row in rows {
        writer.write_record(row).unwrap();
    }
    writer.flush().unwrap();
    Some((row as u64 + 1, header[column].to_owned()))
}

/// The same of a Parquet file.
fn edit_parquet(path: &Path, draw: &mut Draw) -> Option<(u64, String)> {
    let batch = read_parquet(path);
    if batch.num_rows() == 0 {
        return None;
    }
    let (row, column) = (draw.below(batch.num_rows()), draw.below(batch.num_columns()));
    let array = batch.column(column);
    let is_there = array.is_valid(row);
    let changed: ArrayRef = match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>().iter().enumerate();
            let text = |(at, text): (usize, Option<&str>)| {
                if at == row { Some(format!("{}9", text.unwrap_or_default())) } else { text.map(str::to_owned) }
            };
            Arc::new(texts.map(text).collect::<StringArray>())
        }
        DataType::Float64 => {
            // The last bit.
            let other = |number: f64| if is_there { f64::from_bits(number.to_bits() ^ 1) } else { DIFFERENT };
            let numbers = array.as_primitive::<Float64Type>().iter().enumerate();
            let number = |(at, number): (usize, Option<f64>)| {
                if at == row { Some(other(number.unwrap_or_default())) } else { number }
            };
            Arc::new(numbers.map(number).collect::<Float64Array>())
        }
        DataType::Int64 => {
            let numbers = array.as_primitive::<Int64Type>().iter().enumerate();
            let number = |(at, number): (usize, Option<i64>)| number.map(|number| number + i64::from(at == row));
            Arc::new(numbers.map(number).collect::<Int64Array>())
        }
        DataType::Boolean => {
            let flags = array.as_boolean().iter().enumerate();
            let flag = |(at, flag): (usize, Option<bool>)| flag.map(|flag| flag != (at == row));
            Arc::new(flags.map(flag).collect::<BooleanArray>())
        }
        other => panic!("no output table has a column of `{other}`"),
    };
    let mut columns = batch.columns().to_vec();
    columns[column] = changed;
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    Some((row as u64 + 1, batch.schema().field(column).name().clone()))
}

#[test]
fn every_edited_cell_is_found_and_named() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let (mut tables, mut edited) = (0, 0);
    for output in outputs(dir) {
        let run = dir.join(&output);
        assert!(found_in(&run).agrees(), "{output}");
        for name in entries(&run) {
            let edit = match name.rsplit_once('.').unwrap().1 {
                "csv" => edit_csv,
                "parquet" => edit_parquet,
                _ => continue,
            };
            tables += 1;
            for seed in 0..edits() as u64 {
                let mut cell = None;
                let found = after(&run, &name, |path| cell = edit(path, &mut Draw(seed)));
                let Some((row, column)) = cell else { break };
                assert!(!found.agrees(), "{output} {name} {row} {column}");
                assert_named(&found, &name, Some(row), &column);
                edited += 1;
            }
        }
        assert!(found_in(&run).agrees(), "{output} after the edits are undone");
    }
    // Six tables of a run (`at_risk` twice) and thirteen of a stress, in two formats; none is empty. Beside Parquet,
    // `rejects` is there twice.
    let expected = 2 * (6 + 13) + 2;
    assert_eq!((tables, edited), (expected, expected * edits()));
}

/// The leaves of a JSON value, as pointers.
fn leaves(value: &Value, pointer: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(key, value)| leaves(value, &format!("{pointer}/{key}"), all));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(at, value)| leaves(value, &format!("{pointer}/{at}"), all));
        }
        _ => all.push(pointer.to_owned()),
    }
}

#[test]
fn every_edited_field_of_the_summary_is_found() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    for output in outputs(dir) {
        let run = dir.join(&output);
        let mut all = Vec::new();
        leaves(&json(&run.join("summary.json")), "", &mut all);
        assert!(all.len() > 100, "{}", all.len());
        let mut draw = Draw(5);
        for _ in 0..4 * edits() {
            let pointer = &all[draw.below(all.len())];
            let found = after(&run, "summary.json", |path| {
                let mut summary = json(path);
                let leaf = summary.pointer_mut(pointer).unwrap();
                *leaf = match &*leaf {
                    Value::Number(number) if number.is_u64() => json!(number.as_u64().unwrap() + 1),
                    Value::Number(number) => json!(f64::from_bits(number.as_f64().unwrap().to_bits() ^ 1)),
                    Value::String(text) => json!(format!("{text}x")),
                    Value::Bool(flag) => json!(!flag),
                    _ => json!(1),
                };
                fs::write(path, serde_json::to_string_pretty(&summary).unwrap()).unwrap();
            });
            let named = found.differences.iter().any(|found| found.file == "summary.json" && found.column != "file");
            assert!(named, "{output} {pointer}: {found:#?}");
        }
    }
}

/// Without its inputs nothing is computed again: what the summary says twice, and the manifest too, must agree.
#[test]
fn a_summary_is_compared_without_its_inputs() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    outputs(dir);
    fs::write(dir.join("limits.toml"), "[[limit]]\nname = \"one\"\nrule = \"account.mmr <= 1\"\nseverity = \"hard\"\n")
        .unwrap();
    let flags = ["--limits", "limits.toml", "--max-rejects", "50%", "--quiet"];
    succeeds(dir, &[&["run", "snapshot", "--out", "run"], &flags[..]].concat());
    fs::remove_dir_all(dir.join("snapshot")).unwrap();
    let run = dir.join("run");
    let summary = json(&run.join("summary.json"));
    assert!(summary["limits"]["breaches"]["hard"].as_u64().unwrap() > 1);
    let first_table = summary["tables"][0]["table"].as_str().unwrap();
    assert!(found_alone(&run).agrees());
    for (pointer, column) in [
        ("/limits/breaches/hard", "limits.breaches.hard"),
        ("/limits/breached/hard", "limits.breached.hard"),
        ("/limits/each/0/breaches", "limits.breaches.hard"),
        ("/tables/0/rows_in", &format!("tables.{first_table}.rows_in")),
        ("/rejects/rows", "rejects.rows"),
        ("/rejects/broken", "rejects.broken"),
        ("/accounts/unmargined", "accounts.unmargined"),
        ("/accounts/by_status/healthy", "accounts.by_status"),
        ("/accounts/at_risk", "accounts.at_risk"),
        ("/hedge_saving/mmr", "hedge_saving.mmr"),
    ] {
        let edit = |path: &Path| {
            let mut summary = json(path);
            let leaf = summary.pointer_mut(pointer).unwrap();
            *leaf = leaf.as_u64().map_or(json!(DIFFERENT), |count| json!(count + 1));
            fs::write(path, serde_json::to_string_pretty(&summary).unwrap()).unwrap();
        };
        let found = after_in(&run, "summary.json", edit, found_alone);
        assert_named(&found, "summary.json", None, column);
    }
}

#[test]
fn files_that_are_edited_removed_or_added_are_named() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    for output in outputs(dir) {
        let run = dir.join(&output);
        for name in entries(&run).into_iter().filter(|name| name != "manifest.json") {
            // Gone from the folder and the manifest, and the same without computing again.
            let found = after(&run, &name, |path| fs::remove_file(path).unwrap());
            assert!(found.differences.iter().any(|found| found.found.contains(&name)), "{output} {name}: {found:#?}");
            // Something else under its name.
            let found = after(&run, &name, |path| fs::write(path, "nothing of a run").unwrap());
            assert!(found.differences.iter().any(|found| found.file == name), "{output} {name}: {found:#?}");
        }
        let found = after(&run, "report.html", |path| {
            let page = fs::read_to_string(path).unwrap();
            fs::write(path, page.replacen("\"mmr\":", "\"mmr\": ", 1)).unwrap();
        });
        assert_named(&found, "report.html", None, "file");

        for name in ["notes.txt", ".hidden", "accounts.arrow"] {
            fs::write(run.join(name), "x").unwrap();
            let quick = VerifyRequest { rebuild: false, sample: Sample::Accounts(0), ..VerifyRequest::new(&run) };
            // A second `accounts` is refused by whoever reads the table.
            if name != "accounts.arrow" {
                assert_eq!(verify(&quick, &Silent).unwrap().outputs.not_named, [name], "{output}");
            }
            fs::remove_file(run.join(name)).unwrap();
        }
        fs::create_dir(run.join("more")).unwrap();
        assert_named(&found_in(&run), "more", None, "file");
        fs::remove_dir(run.join("more")).unwrap();
    }
}

#[test]
fn what_the_manifest_says_is_checked() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    for output in outputs(dir) {
        let run = dir.join(&output);
        let manifest = json(&run.join("manifest.json"));
        let first_output = manifest["outputs"][0]["path"].as_str().unwrap().to_owned();
        let with = |pointer: &str, value: Value| {
            let mut changed = manifest.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            fs::write(run.join("manifest.json"), changed.to_string()).unwrap();
            let quick = VerifyRequest { rebuild: false, sample: Sample::Accounts(0), ..VerifyRequest::new(&run) };
            (verify(&quick, &Silent).map(|found| found.agrees()), found_in(&run))
        };
        let (quick, found) = with("/outputs", json!([]));
        assert!(!quick.unwrap_or(false), "{output}");
        assert!(found.differences.len() > 5, "{found:#?}");
        let (_, found) = with("/outputs/0/rows", json!(12345));
        assert_named(&found, "manifest.json", None, &format!("outputs.{first_output}.rows"));
        for (pointer, value, column) in [
            ("/as_of", json!("2020-01-01T00:00:00Z"), "as_of"),
            ("/inputs/0/rows", json!(12345), "inputs.snapshot.toml.rows"),
            ("/inputs/0/path", json!("../snapshot/snapshot.toml"), "inputs.snapshot.toml"),
        ] {
            if manifest["inputs"][0]["path"] != "snapshot.toml" && column.starts_with("inputs") {
                continue;
            }
            let (_, found) = with(pointer, value);
            assert_named(&found, "manifest.json", None, column);
        }
        fs::write(run.join("manifest.json"), manifest.to_string()).unwrap();
        assert!(found_in(&run).agrees());
    }
}

/// Random books, in runs and stresses: what was just written agrees, by the reference model too.
#[test]
fn what_was_just_written_agrees() {
    let place = tempfile::tempdir().unwrap();
    for seed in 0..edits() {
        let dir = place.path().join(seed.to_string());
        let formats = ["parquet", "csv", "arrow"];
        let format = formats[seed % 3];
        generate(&dir, 5 + 7 * (seed % 9), 1.0 + (seed % 7) as f64, seed as u64, format);
        let distance = ["none", "at-risk", "all"][seed / 3 % 3];
        let common = ["--format", formats[seed / 2 % 3], "--distance", distance, "--quiet"];
        succeeds(&dir, &[&["run", "snapshot", "--out", "run"], &common[..]].concat());
        let grid = ["BTC=-30%..30%/30%", "*=-90%..90%/90%", "days=0..30/30"][seed % 3];
        let detail = ["all", "all", "at-risk", "none"][seed % 4];
        let flags = ["--grid", grid, "--detail", detail];
        succeeds(&dir, &[&["stress", "snapshot", "--out", "stress"], &flags[..], &common[..]].concat());
        for output in ["run", "stress"] {
            let request = VerifyRequest { sample: Sample::All, ..VerifyRequest::new(dir.join(output)) };
            let found = verify(&request, &Silent).unwrap();
            assert!(found.agrees(), "{seed} {output}: {found:#?}");
        }
    }
}
