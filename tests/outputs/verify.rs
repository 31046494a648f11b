//! `remargin verify` and `remargin replay`: what they accept, and that they find whatever is planted.

use crate::common::e2e::{entries, generate, json, read_parquet, remargin, succeeds};
use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StringArray};
use arrow_cast::cast::cast;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub(crate) const SHOCKS: &str = "scenario,base,price,vol,days\ncrash,*,-0.3,0.5,1\nrally,BTC,0.2,,\n=odd,BTC,-0.5,,\n";

/// Some broken rows, so that rejects and accounts without margin occur.
fn break_rows(positions: &Path) {
    let text = fs::read_to_string(positions).unwrap();
    let broken = text.lines().enumerate().map(|(line, text)| match line % 97 {
        13 => text.rsplit_once(',').unwrap().0.to_owned() + ",0",
        57 => text.replacen("-USD", "-XXX", 1),
        _ => text.to_owned(),
    });
    fs::write(positions, broken.collect::<Vec<_>>().join("\n") + "\n").unwrap();
}

pub(crate) fn verify(dir: &Path, args: &[&str], code: i32) -> Value {
    let outcome = remargin(dir, &[&["verify"], args, &["--format", "json"]].concat());
    assert_eq!(outcome.code, Some(code), "{args:?}: {}{}", outcome.stdout, outcome.stderr);
    let answer: Value = serde_json::from_str(&outcome.stdout).unwrap();
    if code <= 1 {
        return answer;
    }
    // A failure is an object where the answer would have been.
    assert_eq!(answer["error"]["code"], code, "{answer}");
    json!(outcome.stderr)
}

/// Changes a file of a run, and its entry in the manifest, as somebody would who wants it to pass.
pub(crate) fn forge(run: &Path, name: &str, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(run.join(name)).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed);
    fs::write(run.join(name), &changed).unwrap();
    let mut manifest = json(&run.join("manifest.json"));
    let outputs = manifest["outputs"].as_array_mut().unwrap();
    let entry = outputs.iter_mut().find(|entry| entry["path"] == name).unwrap();
    entry["bytes"] = json!(changed.len());
    entry["blake3"] = json!(blake3::hash(changed.as_bytes()).to_hex().as_str());
    fs::write(run.join("manifest.json"), manifest.to_string()).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in entries(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// One cell of a CSV file replaced; rows count from 1.
pub(crate) fn with_cell(text: &str, row: usize, column: &str, value: &str) -> String {
    let place = text.lines().next().unwrap().split(',').position(|name| name == column).unwrap();
    let line = |(number, line): (usize, &str)| {
        let mut cells: Vec<&str> = line.split(',').collect();
        if number == row {
            cells[place] = value;
        }
        cells.join(",") + "\n"
    };
    text.lines().enumerate().map(line).collect()
}

#[test]
fn finished_runs_agree_in_every_format_with_scenarios_and_rejects() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 120, 6.0, 4, "csv");
    break_rows(&dir.join("snapshot/positions.csv"));
    fs::write(dir.join("shocks.csv"), SHOCKS).unwrap();
    fs::write(dir.join("rules.toml"), "extends = \"okx-pm2-2025-01\"\nrisk_unit = \"merged\"\n").unwrap();
    for format in ["parquet", "arrow", "csv"] {
        let flags = ["--format", format, "--shocks", "shocks.csv", "--rules", "rules.toml", "--distance", "at-risk"];
        let args = [&["run", "snapshot", "--out", format, "--max-rejects", "50%", "--quiet"], &flags[..]].concat();
        succeeds(dir, &args);
    }
    // The manifest holds the rules: the file is not needed any more, nor is the working folder.
    fs::remove_file(dir.join("rules.toml")).unwrap();
    for format in ["parquet", "arrow", "csv"] {
        let found = verify(Path::new("/"), &[dir.join(format).to_str().unwrap(), "--all"], 0);
        assert_eq!(found["differing"], 0, "{found:#}");
        assert_eq!(found["outputs"]["named"], found["outputs"]["same"]);
        assert_eq!(found["inputs"]["same"], 8, "seven of the snapshot and the shocks: {found:#}");
        let derived = &found["derived"];
        assert_eq!(derived["scenarios"], 4);
        assert_eq!(derived["accounts"], derived["of_accounts"]);
        let accounts = derived["accounts"].as_u64().unwrap();
        assert!(accounts > 80 && accounts < 120, "{derived}");
        let figures = derived["risk_units"].as_u64().unwrap() * 20 + accounts * 4 * 16;
        assert_eq!(derived["figures"], figures);
        assert!(found["counts"].as_u64().unwrap() > 100, "{found:#}");

        let sampled = verify(dir, &[format, "--sample", "10", "--seed", "3"], 0);
        assert_eq!(sampled["derived"]["accounts"], 10);
        assert_eq!(sampled, verify(dir, &[format, "--sample", "10", "--seed", "3"], 0));
        let text = succeeds(dir, &["verify", format, "--sample", "5"]).stdout;
        assert!(text.ends_with("\nagrees\n") && text.contains("5 of "), "{text}");
    }
}

#[test]
fn whatever_is_planted_in_a_run_is_found() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 40, 4.0, 8, "csv");
    fs::write(dir.join("shocks.csv"), SHOCKS).unwrap();
    succeeds(dir, &["run", "snapshot", "--out", "run", "--format", "csv", "--shocks", "shocks.csv", "--quiet"]);
    let accounts = fs::read_to_string(dir.join("run/accounts.csv")).unwrap();
    let units = fs::read_to_string(dir.join("run/risk_units.csv")).unwrap();
    let header = |text: &str| text.lines().next().unwrap().split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut planted = 0;
    // Every column of both tables, but the scenario that gave MR1 or MR6 where others tie.
    for (table, text) in [("accounts", &accounts), ("risk_units", &units)] {
        for column in header(text) {
            let value = match column.as_str() {
                "account_id" => "nobody",
                "scenario" | "risk_unit" => "elsewhere",
                "status" => "unheard-of",
                "mr1_vol" => "sideways",
                "im_deficit" | "ineligible" => "yes",
                _ => "123456789.5",
            };
            // A flag is flipped, whatever it is.
            let row = 7;
            let place_of = header(text).iter().position(|name| *name == column).unwrap();
            let now = text.lines().nth(row).unwrap().split(',').nth(place_of).unwrap().to_owned();
            let value = match (value, now.as_str()) {
                ("yes", "true") => "false",
                ("yes", _) => "true",
                (value, _) => value,
            };
            copy(&dir.join("run"), &dir.join("forged"));
            let file = format!("{table}.csv");
            forge(&dir.join("forged"), &file, |text| with_cell(text, row, &column, value));
            let found = verify(dir, &["forged", "--all"], 1);
            let differences = found["differences"].as_array().unwrap();
            assert!(!differences.is_empty());
            let keys = ["account_id", "scenario", "risk_unit"];
            if !keys.contains(&column.as_str()) {
                let hit = differences.iter().find(|found| {
                    found["file"] == file.as_str() && found["row"] == row && found["column"] == column.as_str()
                });
                let hit = hit.unwrap_or_else(|| panic!("{table} {column}: {found:#}"));
                assert!(hit["found"].as_str().unwrap().starts_with(value), "{hit}");
                assert_ne!(hit["found"], hit["expected"]);
            }
            fs::remove_dir_all(dir.join("forged")).unwrap();
            planted += 1;
        }
    }
    assert_eq!(planted, 18 + 23);

    // A row that vanished, and one that is there twice.
    for (file, row, twice) in [("accounts.csv", 3, false), ("accounts.csv", 3, true), ("risk_units.csv", 5, false)] {
        copy(&dir.join("run"), &dir.join("forged"));
        forge(&dir.join("forged"), file, |text| {
            let mut lines: Vec<&str> = text.lines().collect();
            let line = lines.remove(row);
            if twice {
                lines.insert(row, line);
                lines.insert(row, line);
            }
            lines.join("\n") + "\n"
        });
        let found = verify(dir, &["forged", "--all"], 1);
        assert!(found["differences"].as_array().unwrap().iter().any(|found| found["file"] == file), "{found:#}");
        fs::remove_dir_all(dir.join("forged")).unwrap();
    }

    // Counts and totals of the summary.
    for key in [
        "rows_used",
        "margined",
        "im_deficit",
        "at_risk",
        "rows_in",
        "unused_price_gaps",
        "adj_eq",
        "mmr_no_hedge",
        "mr1",
    ] {
        copy(&dir.join("run"), &dir.join("forged"));
        forge(&dir.join("forged"), "summary.json", |text| {
            let at = text.find(&format!("\"{key}\": ")).unwrap() + key.len() + 4;
            format!("{}1{}", &text[..at], &text[at..].trim_start_matches('-'))
        });
        let found = verify(dir, &["forged", "--sample", "3"], 1);
        let differences = found["differences"].as_array().unwrap();
        assert!(differences.iter().any(|found| found["file"] == "summary.json"), "{key}: {found:#}");
        fs::remove_dir_all(dir.join("forged")).unwrap();
    }
}

#[test]
fn files_that_changed_or_went_are_named() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 20, 3.0, 2, "parquet");
    succeeds(dir, &["run", "snapshot", "--out", "run", "--quiet"]);
    fs::write(dir.join("run/notes.txt"), "x").unwrap();
    assert_eq!(verify(dir, &["run"], 1)["outputs"]["not_named"], json!(["notes.txt"]));
    fs::remove_file(dir.join("run/notes.txt")).unwrap();

    // Every single output: one bit, one byte less, gone.
    for name in entries(&dir.join("run")).iter().filter(|name| *name != "manifest.json") {
        let file = dir.join("run").join(name);
        let bytes = fs::read(&file).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        for changed in [Some(&flipped[..]), Some(&bytes[..bytes.len() - 1]), None] {
            match changed {
                Some(bytes) => fs::write(&file, bytes).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let found = verify(dir, &["run"], 1);
            let differences = found["differences"].as_array().unwrap();
            assert!(differences.iter().all(|found| found["file"].as_str().unwrap().ends_with(name)), "{found:#}");
            assert_eq!(found["derived"], Value::Null);
        }
        fs::write(&file, &bytes).unwrap();
    }

    // An input that changed is a difference; one that is gone means that nothing can be derived.
    let file = dir.join("snapshot/positions.parquet");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let found = verify(dir, &["run"], 1);
    assert_eq!(found["derived"], Value::Null);
    assert!(found["differences"][0]["file"].as_str().unwrap().ends_with("positions.parquet"), "{found:#}");
    fs::remove_file(&file).unwrap();
    let error = verify(dir, &["run"], 2);
    assert!(error.as_str().unwrap().contains("`positions.parquet` is not in"), "{error}");
    let found = verify(dir, &["run", "--sample", "0"], 0);
    assert_eq!(found["inputs"]["absent"], json!(["positions.parquet"]));
    fs::write(&file, &bytes).unwrap();
    fs::rename(dir.join("snapshot"), dir.join("moved")).unwrap();
    assert!(verify(dir, &["run"], 2).as_str().unwrap().contains("--snapshot"));
    assert_eq!(verify(dir, &["run", "--snapshot", "moved"], 0)["differing"], 0);

    // What is no run, or one whose manifest was tampered with.
    for (manifest, says) in [
        (None, "does not exist"),
        (Some("{}".to_owned()), "missing field"),
        (Some("half".to_owned()), "expected"),
        (
            Some(fs::read_to_string(dir.join("run/manifest.json")).unwrap().replace("summary.json", "../moved/x")),
            "plain",
        ),
        (
            Some(
                fs::read_to_string(dir.join("run/manifest.json"))
                    .unwrap()
                    .replace("\"value\": \"0.15\"", "\"value\": \"0.14\""),
            ),
            "not the rules of the run",
        ),
    ] {
        fs::create_dir_all(dir.join("odd")).unwrap();
        if let Some(text) = &manifest {
            fs::write(dir.join("odd/manifest.json"), text).unwrap();
        }
        let error = verify(dir, &["odd", "--snapshot", "moved"], 3);
        assert!(error.as_str().unwrap().contains(says), "{says}: {error}");
        assert!(error.as_str().unwrap().contains("manifest.json"), "{error}");
    }
}

#[test]
fn replays_have_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 60, 5.0, 6, "csv");
    break_rows(&dir.join("snapshot/positions.csv"));
    fs::write(dir.join("shocks.csv"), SHOCKS).unwrap();
    fs::write(dir.join("rules.toml"), "extends = \"okx-pm2-2025-01\"\nrate = 0.02\n").unwrap();
    let common = ["--rules", "rules.toml", "--set", "risk_unit=merged", "--max-rejects", "50%", "--quiet"];
    let grid = "BTC=-20%..20%/20%,days=0..1/1";
    for (command, out, flags) in [
        ("run", "a", &["--format", "csv", "--shocks", "shocks.csv", "--distance", "all"] as &[&str]),
        ("run", "b", &["--format", "arrow", "--threads", "1"]),
        ("stress", "c", &["--shocks", "shocks.csv", "--detail", "all", "--distance", "none"]),
        (
            "stress",
            "d",
            &["--grid", grid, "--grid", "vol:ETH=50%", "--scenario", "depeg USDT=-5%", "--preset", "crypto-historical"],
        ),
    ] {
        succeeds(dir, &[&[command, "snapshot", "--out", out], &common[..], flags].concat());
    }
    fs::remove_file(dir.join("rules.toml")).unwrap();
    for out in ["a", "b", "c", "d"] {
        let manifest = dir.join(out).join("manifest.json");
        let outcome = succeeds(Path::new("/"), &["replay", manifest.to_str().unwrap()]);
        assert!(outcome.stdout.ends_with("\nsame\n"), "{}", outcome.stdout);
        let found = verify(dir, &[out, "--all"], 0);
        assert_eq!(found["derived"].is_null(), out == "d", "{found:#}");
    }

    // A byte that changed is found at its place, a file that went by its hash.
    let file = dir.join("a/accounts.csv");
    let bytes = fs::read(&file).unwrap();
    let mut changed = bytes.clone();
    changed[1000] = b'#';
    fs::write(&file, changed).unwrap();
    let outcome = remargin(dir, &["replay", "a"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let line = outcome.stdout.lines().find(|line| line.starts_with("accounts.csv")).unwrap();
    assert!(line.contains("differs: at byte 1000;"), "{line}");
    fs::remove_file(&file).unwrap();
    let answer = succeeds(dir, &["replay", "a/manifest.json", "--format", "json"]).stdout;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let files = answer["files"].as_array().unwrap();
    assert!(files.iter().all(|file| file["difference"].is_null()));
    assert!(files.iter().any(|file| file["name"] == "accounts.csv" && file["compared"] == false), "{answer:#}");

    // Other inputs are refused, before anything is written.
    fs::write(dir.join("shocks.csv"), SHOCKS.replace("0.2", "0.3")).unwrap();
    let outcome = remargin(dir, &["replay", "a/manifest.json"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("another file than the run read"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("shocks.csv"), "{}", outcome.stderr);
    fs::rename(dir.join("snapshot"), dir.join("moved")).unwrap();
    let outcome = remargin(dir, &["replay", "b/manifest.json"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    succeeds(dir, &["replay", "b/manifest.json", "--snapshot", "moved"]);
    assert_eq!(remargin(dir, &["replay", "moved"]).code, Some(3));
}

/// Gives the accounts of a generated table, whose ids are numbered from 1, other ids.
fn rename_ids(table: &Path, ids: &[&str]) {
    let batch = read_parquet(table);
    let column = batch.schema().index_of("account_id").unwrap();
    let old = cast(batch.column(column), &DataType::Utf8).unwrap();
    let number = |id: &str| id.trim_start_matches('A').parse::<usize>().unwrap();
    let new: StringArray = old.as_string::<i32>().iter().map(|id| Some(ids[number(id.unwrap()) - 1])).collect();
    let mut columns = batch.columns().to_vec();
    columns[column] = Arc::new(new);
    let mut fields: Vec<_> = batch.schema().fields().to_vec();
    fields[column] = Arc::new(Field::new("account_id", DataType::Utf8, false));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(table).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Ids from Parquet with line breaks, quotes, commas and signs, written as CSV and read back.
#[test]
fn odd_ids_in_csv_outputs_are_read_back() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let ids = ["a\nb", "\nc", "d\r\ne", "\rf", "g,h", "say \"i\"", "'=j", "＝k", "－l", "\t", "m\u{1b}[31m", "n\u{0}"];
    generate(dir, ids.len(), 3.0, 3, "parquet");
    for table in ["positions", "balances", "accounts"] {
        rename_ids(&dir.join(format!("snapshot/{table}.parquet")), &ids);
    }
    succeeds(dir, &["run", "snapshot", "--out", "parquet", "--distance", "all", "--quiet"]);
    succeeds(dir, &["run", "snapshot", "--out", "csv", "--format", "csv", "--distance", "all", "--quiet"]);
    for out in ["parquet", "csv"] {
        assert_eq!(verify(dir, &[out, "--all"], 0)["derived"]["accounts"], ids.len());
        succeeds(dir, &["report", out, "--out", &format!("{out}.html")]);
    }
    let page = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert!(page("csv.html").contains("a\\nb"));
    for (a, b) in [("parquet", "csv"), ("csv", "parquet"), ("csv", "csv")] {
        let text = succeeds(dir, &["compare", a, b, "--plain", "--format", "json"]).stdout;
        let found: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found["accounts"]["kept"], ids.len(), "{found:#}");
        assert_eq!((&found["accounts"]["new"], &found["accounts"]["closed"]), (&json!(0), &json!(0)), "{found:#}");
    }
}

/// Ids are never paths: names that lead elsewhere as such stay names.
#[test]
fn ids_that_look_like_paths_stay_where_they_belong() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("deep/deeper");
    generate(&dir, 12, 3.0, 3, "csv");
    let odd = [
        "../../../escape",
        "/tmp/escape",
        "..",
        ".",
        "a/b",
        "~",
        "$(touch escape)",
        "=1+1",
        "-rf",
        "C:\\x",
        "\u{202e}x",
        "%2e%2e",
    ];
    for table in ["positions", "balances", "accounts"] {
        let file = dir.join(format!("snapshot/{table}.csv"));
        let mut text = fs::read_to_string(&file).unwrap();
        let ids: Vec<String> = {
            let first = fs::read_to_string(dir.join("snapshot/accounts.csv")).unwrap();
            first.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
        };
        if table == "accounts" {
            // Last, so that the other tables could look the old ids up.
            assert_eq!(ids.len(), odd.len());
        }
        for (id, odd) in ids.iter().zip(odd) {
            text = text.replace(&format!("\n{id},"), &format!("\n{odd},"));
        }
        fs::write(&file, text).unwrap();
    }
    for format in ["parquet", "arrow", "csv"] {
        succeeds(&dir, &["run", "snapshot", "--out", format, "--format", format, "--distance", "all", "--quiet"]);
        assert_eq!(verify(&dir, &[format, "--all"], 0)["derived"]["accounts"], 12);
    }
    succeeds(
        &dir,
        &["stress", "snapshot", "--out", "stress", "--scenario", "../x: BTC=-10%", "--detail", "all", "--quiet"],
    );
    assert_eq!(verify(&dir, &["stress", "--all"], 0)["derived"]["scenarios"], 2);
    assert_eq!(entries(&dir), ["arrow", "csv", "parquet", "snapshot", "stress"]);
    assert_eq!(entries(place.path()), ["deep"]);
    assert_eq!(entries(&place.path().join("deep")), ["deeper"]);
}
