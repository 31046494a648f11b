//! The same edges everywhere: missing files, underscores in numbers, labels, lists, schemas.

use crate::common::e2e::{remargin, succeeds};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The sample, by its full path: tests run in folders of their own.
fn sample() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample").to_str().unwrap().to_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A file that is named and not there is invalid input for every command: exit code 3, and the file is named.
#[test]
fn a_missing_file_ends_every_command_alike() {
    let place = tempfile::tempdir().unwrap();
    let sample = sample();
    succeeds(place.path(), &["run", &sample, "--out", "run", "--quiet"]);
    let s = sample.as_str();
    for (line, file) in [
        (vec!["run", "gone", "--out", "x"], "gone"),
        (vec!["run", s, "--out", "x", "--rules", "gone.toml"], "gone.toml"),
        (vec!["run", s, "--out", "x", "--shocks", "gone.csv"], "gone.csv"),
        (vec!["stress", "gone", "--out", "x", "--preset", "crypto-historical"], "gone"),
        (vec!["stress", s, "--out", "x", "--shocks", "gone.csv"], "gone.csv"),
        (vec!["check", "gone"], "gone"),
        (vec!["explain", "gone", "--account", "A"], "gone"),
        (vec!["simulate", "gone", "--out", "x", "--max-withdraw"], "gone"),
        (vec!["simulate", s, "--out", "x", "--ops", "gone.csv"], "gone.csv"),
        (vec!["rules", "check", "gone.toml"], "gone.toml"),
        (vec!["rules", "diff", "gone.toml", "okx-pm2-2025-01"], "gone.toml"),
        (vec!["compare", "gone", "--b", "risk_unit=merged"], "gone"),
        (vec!["compare", "gone", "run"], "gone"),
        (vec!["compare", s, "--rules", "okx-pm2-2025-01", "--rules", "gone.toml"], "gone.toml"),
        (vec!["verify", "gone"], "gone"),
        (vec!["replay", "gone.json"], "gone.json"),
        (vec!["report", "gone"], "gone"),
        (vec!["reconcile", "gone", "--against", "gone"], "gone"),
        (vec!["reconcile", "run", "--against", "gone"], "gone"),
        (vec!["import", "okx", "gone", "--out", "x"], "gone"),
        (vec!["partition", "gone", "--buckets", "4", "--out", "x"], "gone"),
        (vec!["sign", "gone", "--key", "gone.key"], "gone"),
        (vec!["sign", "run", "--key", "gone.key"], "gone.key"),
        (vec!["verify", "run", "--pubkey", "gone.pub"], "gone.pub"),
        (vec!["scenarios", "history", "gone.csv", "--out", "x.csv"], "gone.csv"),
        (vec!["scenarios", "montecarlo", "gone.csv", "--count", "5", "--seed", "1", "--out", "x.csv"], "gone.csv"),
    ] {
        let outcome = remargin(place.path(), &line);
        assert_eq!(outcome.code, Some(3), "{line:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(file), "{line:?}: {}", outcome.stderr);
        assert!(!place.path().join("x").exists(), "{line:?} wrote");
    }
}

#[test]
fn underscores_divide_digits_in_every_number() {
    let place = tempfile::tempdir().unwrap();
    let sample = sample();
    for flags in [
        ["--max-rejects", "1_000"],
        ["--max-rejects", "1_0%"],
        ["--memory-limit", "1_000MB"],
        ["--max-notional-usd", "1_000_000_000"],
        ["--mark-check", "5_0%"],
        ["--set", "min_net_equity=20_000"],
    ] {
        succeeds(place.path(), &["check", &sample, flags[0], flags[1]]);
    }
    let outcome = remargin(place.path(), &["check", &sample, "--max-mark-age", "1_0s"]);
    assert!(
        outcome.code == Some(3) && outcome.stderr.contains("`ts`"),
        "the age is read, times are asked for: {outcome:?}"
    );
    succeeds(place.path(), &["stress", &sample, "--out", "s", "--grid", "BTC=-5_0%..5_0%/5_0%", "--fund", "50_000"]);
    let refused = remargin(place.path(), &["check", &sample, "--memory-limit", "_MB"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}

/// A label stands in the summary, in the manifest and on the page; replay and verification know it.
#[test]
fn a_label_stands_where_people_look() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let (sample, label) = (sample(), "EOD 2026-11-28, desk B");
    succeeds(dir, &["run", &sample, "--out", "run", "--label", label, "--quiet"]);
    succeeds(
        dir,
        &["stress", &sample, "--out", "stress", "--preset", "crypto-historical", "--label", label, "--quiet"],
    );
    for out in ["run", "stress"] {
        assert_eq!(json(&dir.join(out).join("summary.json"))["label"], label, "{out}");
        assert_eq!(json(&dir.join(out).join("manifest.json"))["label"], label, "{out}");
        let page = fs::read_to_string(dir.join(out).join("report.html")).unwrap();
        assert!(page.contains(&format!("\"label\":\"{label}\"")), "{out}");
        succeeds(dir, &["replay", &format!("{out}/manifest.json")]);
        succeeds(dir, &["verify", out]);
        let before = fs::read(dir.join(out).join("report.html")).unwrap();
        succeeds(dir, &["report", out]);
        assert_eq!(fs::read(dir.join(out).join("report.html")).unwrap(), before, "{out}: the page rebuilt");
    }
    succeeds(dir, &["run", &sample, "--out", "plain", "--quiet"]);
    assert!(json(&dir.join("plain/summary.json")).get("label").is_none());
    for bad in ["", "  ", "two\nlines", &"x".repeat(201)] {
        assert_eq!(remargin(dir, &["run", &sample, "--out", "bad", "--label", bad]).code, Some(2), "{bad:?}");
    }
}

/// Of an account that is left out the page and `check` say which row is to blame, and what stands in it. The summary
/// does not: it does not depend on the order of rows.
#[test]
fn an_account_that_is_left_out_names_its_row() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    succeeds(dir, &["init", "book"]);
    let positions = dir.join("book/positions.csv");
    let text = fs::read_to_string(&positions).unwrap() + "A1,NO-SUCH-SWAP,1,2\n";
    fs::write(&positions, text).unwrap();
    let answer = remargin(dir, &["check", "book", "--format", "json"]).stdout;
    let expected = serde_json::json!([{
        "account_id": "A1", "reason": "unknown_instrument", "broken_rows": 1,
        "table": "positions", "row": 3, "column": "inst_id", "value": "NO-SUCH-SWAP",
    }]);
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["unmargined"], expected);
    for command in ["run", "stress"] {
        for format in ["parquet", "csv", "arrow"] {
            let mut args = vec![command, "book", "--out", "out", "--force", "--quiet", "--format", format];
            if command == "stress" {
                args.extend(["--preset", "crypto-historical"]);
            }
            let outcome = remargin(dir, &args);
            assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
            let page = fs::read_to_string(dir.join("out/report.html")).unwrap();
            let blame = r#""blame":{"table":"positions","row":3,"column":"inst_id","value":"NO-SUCH-SWAP"}"#;
            assert!(page.contains(blame), "{command}, {format}");
            succeeds(dir, &["report", "out"]);
            let again = fs::read_to_string(dir.join("out/report.html")).unwrap();
            assert!(again == page, "{command}, {format}: the page rebuilt is another");
        }
    }
}

/// The assumed figures of the rules, and the margin that rests on each, add up to what the total says.
#[test]
fn margin_rests_on_assumed_figures() {
    let place = tempfile::tempdir().unwrap();
    succeeds(place.path(), &["run", &sample(), "--out", "out", "--quiet"]);
    let trust = &json(&place.path().join("out/summary.json"))["trust"];
    let total = trust["mmr_on_assumed"].as_f64().unwrap();
    let figures = trust["assumed"].as_array().unwrap();
    let parts: Vec<f64> = figures.iter().map(|figure| figure["mmr"].as_f64().unwrap()).collect();
    assert!(parts.len() > 5 && parts.windows(2).all(|pair| pair[0] >= pair[1]), "{parts:?}");
    assert!(parts.iter().all(|part| *part > 0.0 && *part <= total * (1.0 + 1e-9)), "{parts:?} of {total}");
    assert!(parts.iter().sum::<f64>() >= total * (1.0 - 1e-9), "each part of the total rests on a figure");
    let listed = succeeds(place.path(), &["rules", "show", "--assumed", "--format", "json"]).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let keys: Vec<&str> = listed["values"].as_array().unwrap().iter().map(|of| of["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len() as u64, trust["figures"]["assumed"].as_u64().unwrap());
    for figure in figures {
        assert!(keys.contains(&figure["key"].as_str().unwrap()), "{figure}");
    }
}

#[test]
fn presets_are_listed() {
    let place = tempfile::tempdir().unwrap();
    let text = succeeds(place.path(), &["stress", "--list-presets"]).stdout;
    for name in ["crypto-historical: ", "history-1d: ", "  2020-03-12 black thursday"] {
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(remargin(place.path(), &["stress", "--list-presets", "book"]).code, Some(2));
    assert_eq!(remargin(place.path(), &["stress"]).code, Some(2));
}

#[test]
fn schemas_are_shown_in_every_form() {
    let place = tempfile::tempdir().unwrap();
    let shown = |args: &[&str]| succeeds(place.path(), &[&["schema"], args].concat()).stdout;
    let list = shown(&[]);
    for name in ["input.positions", "run.accounts", "simulate.checks", "stress-summary"] {
        assert!(list.contains(name), "{name}: {list}");
    }
    assert!(shown(&["positions"]).contains("contracts, signed: positive is long"));
    assert!(shown(&["accounts", "--format", "markdown"]).matches("\n| `account_id` |").count() == 2);
    let row: Value = serde_json::from_str(&shown(&["run.accounts", "--format", "json"])).unwrap();
    assert_eq!(row["properties"]["margin_ratio"]["type"], serde_json::json!(["number", "null"]));
    let all: Value = serde_json::from_str(&shown(&["--format", "json"])).unwrap();
    assert!(all["$defs"].as_object().unwrap().len() > 30);
    let refused = remargin(place.path(), &["schema", "positon"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("did you mean `positions`?"), "{refused:?}");
}

/// Every key of the JSON answers stands in the published schemas, and every key that these require is there.
#[test]
fn answers_are_as_their_schemas_say() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let sample = sample();
    succeeds(dir, &["run", &sample, "--out", "run", "--quiet", "--label", "x"]);
    succeeds(
        dir,
        &["stress", &sample, "--out", "stress", "--preset", "crypto-historical", "--fund", "1000", "--quiet"],
    );
    let check = succeeds(dir, &["check", &sample, "--format", "json"]).stdout;
    let schema = |name: &str| -> Value { serde_json::from_str(&succeeds(dir, &["schema", name]).stdout).unwrap() };
    for (name, answer) in [
        ("summary", json(&dir.join("run/summary.json"))),
        ("stress-summary", json(&dir.join("stress/summary.json"))),
        ("manifest", json(&dir.join("run/manifest.json"))),
        ("manifest", json(&dir.join("stress/manifest.json"))),
        ("check", serde_json::from_str(&check).unwrap()),
    ] {
        let schema = schema(name);
        assert!(schema["$id"].as_str().unwrap().starts_with(&format!("urn:remargin:{name}:")), "{name}");
        let mut faults = Vec::new();
        compare(&schema, &schema, &answer, name, &mut faults);
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

/// The parts of JSON Schema that the published ones use: `$ref`, `anyOf`, `type`, `properties`, `required`, `items`,
/// `additionalProperties`, `enum`.
fn compare(root: &Value, schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        return compare(root, root.pointer(target.trim_start_matches('#')).unwrap(), value, path, faults);
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(options) = schema[several].as_array() {
            let fits = options.iter().any(|option| {
                let mut own = Vec::new();
                compare(root, option, value, path, &mut own);
                own.is_empty()
            });
            if !fits {
                faults.push(format!("{path}: no option of the schema fits {value}"));
            }
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        return faults.push(format!("{path}: expected {kinds:?}, found {value}"));
    }
    if let Some(names) = schema["enum"].as_array().filter(|names| !names.contains(value)) {
        faults.push(format!("{path}: {value} is none of {names:?}"));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                faults.push(format!("{path}: `{name}` is missing"));
            }
        }
        for (name, member) in object {
            let known = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            match known.filter(|known| known.is_object()) {
                Some(known) => compare(root, known, member, &format!("{path}.{name}"), faults),
                None if schema["properties"].is_object() => {
                    faults.push(format!("{path}: `{name}` is not in the schema"));
                }
                None => {}
            }
        }
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (place, item) in values.iter().enumerate() {
            compare(root, items, item, &format!("{path}[{place}]"), faults);
        }
    }
}
