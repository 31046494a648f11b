//! What operations see: metrics read by a strict parser, events against the folder that they describe, and the files of
//! `examples/ops` as they are written.

use crate::common::e2e::{entries, generate, json, remargin, succeeds};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A value by name and labels.
type Metrics = BTreeMap<(String, BTreeMap<String, String>), f64>;

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads the text format of Prometheus and accepts nothing that a collector might not: every family has HELP, then
/// TYPE, then all of its samples; no time, no series twice, no value that is not a number.
fn parse(text: &str) -> Metrics {
    assert!(text.ends_with('\n'), "the last line has no end");
    let (mut found, mut families) = (Metrics::new(), BTreeSet::new());
    let (mut family, mut is_typed) = (String::new(), false);
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(is_name(name) && words.ends_with('.'), "{line}");
            assert!(families.insert(name.to_owned()), "{name} is there twice");
            (family, is_typed) = (name.to_owned(), false);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert_eq!(kind, format!("{family} gauge"));
            assert!(!is_typed, "{line}");
            is_typed = true;
        } else {
            let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("no labels: {line}"));
            assert!(is_typed && name == family && name.starts_with("remargin_"), "{line}");
            let (labels, rest) = labels(rest);
            let value = rest.strip_prefix(' ').unwrap();
            assert!(!value.contains(' '), "a time: {line}");
            let value: f64 = value.parse().unwrap();
            assert!(value.is_finite(), "{line}");
            assert!(found.insert((name.to_owned(), labels), value).is_none(), "twice: {line}");
        }
    }
    found
}

/// The labels, and what follows the brace.
fn labels(text: &str) -> (BTreeMap<String, String>, &str) {
    let (mut labels, mut rest) = (BTreeMap::new(), text);
    loop {
        let (name, after) = rest.split_once("=\"").unwrap();
        assert!(is_name(name), "{name}");
        let (mut value, mut chars) = (String::new(), after.char_indices());
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("an escape that does not exist: {c}"),
                }),
                (_, c) => {
                    assert!(!c.is_control(), "{text}");
                    value.push(c);
                }
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} is there twice");
        match after[end..].split_at(1) {
            (",", more) => rest = more,
            ("}", more) => return (labels, more),
            (other, _) => panic!("`{other}` behind a label: {text}"),
        }
    }
}

/// The only sample of a metric with these labels beside those of every sample.
fn value(metrics: &Metrics, name: &str, wanted: &[(&str, &str)]) -> Option<f64> {
    let is_there = |labels: &BTreeMap<String, String>| {
        wanted.iter().all(|(name, text)| labels.get(*name).is_some_and(|found| found == text))
            && labels.len() == wanted.len() + 2
    };
    let found: Vec<f64> = metrics
        .iter()
        .filter(|((found, labels), _)| found.strip_prefix("remargin_") == Some(name) && is_there(labels))
        .map(|(_, value)| *value)
        .collect();
    assert!(found.len() < 2, "{name}: {found:?}");
    found.first().copied()
}

fn read(file: &Path) -> Metrics {
    parse(&fs::read_to_string(file).unwrap())
}

fn seconds(time: &Value) -> f64 {
    time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second() as f64
}

#[test]
fn metrics_are_the_figures_of_the_run_and_outlive_a_failure() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 60, 4.0, 3, "csv");
    // A row that is broken, of an account that is left out then.
    let file = dir.join("snapshot/positions.csv");
    let text = fs::read_to_string(&file).unwrap();
    let second = text.lines().nth(1).unwrap();
    fs::write(&file, text.replacen(second, &second.replace(',', ",x"), 1)).unwrap();
    let line = ["run", "snapshot", "--out", "out", "--quiet", "--metrics", "metrics/it's \"a\" \\ b.prom"];
    let first = remargin(dir, &line);
    assert_eq!(first.code, Some(4), "{}", first.stderr);
    let file = dir.join("metrics/it's \"a\" \\ b.prom");
    let metrics = read(&file);
    let job = |labels: &BTreeMap<String, String>| labels["job_name"] == "it's \"a\" \\ b" && labels["command"] == "run";
    assert!(metrics.keys().all(|(_, labels)| job(labels)), "{metrics:?}");

    let (summary, manifest) = (json(&dir.join("out/summary.json")), json(&dir.join("out/manifest.json")));
    let at = |pointer: &str| summary.pointer(pointer).unwrap().as_f64().unwrap();
    let one = |name: &str, labels: &[(&str, &str)]| value(&metrics, name, labels);
    for (name, pointer) in [
        ("book_mmr_usd", "/totals/mmr"),
        ("book_imr_usd", "/totals/imr"),
        ("book_adjusted_equity_usd", "/totals/adj_eq"),
        ("book_total_equity_usd", "/totals/total_eq"),
        ("book_mmr_shortfall_usd", "/distribution/shortfall_mmr"),
        ("book_imr_shortfall_usd", "/distribution/shortfall_imr"),
        ("margined_accounts", "/accounts/margined"),
        ("unmargined_accounts", "/accounts/unmargined"),
        ("at_risk_accounts", "/accounts/at_risk"),
        ("im_deficit_accounts", "/accounts/im_deficit"),
        ("rejected_rows", "/rejects/rows"),
        ("scenarios", "/scenarios"),
    ] {
        assert_eq!(one(name, &[]), Some(at(pointer)), "{name}");
    }
    assert!(at("/accounts/unmargined") == 1.0 && at("/totals/mmr") > 0.0);
    for (status, accounts) in summary["accounts"]["by_status"].as_object().unwrap() {
        assert_eq!(one("accounts", &[("status", status)]), accounts.as_f64(), "{status}");
    }
    for table in summary["tables"].as_array().unwrap() {
        let name = table["table"].as_str().unwrap();
        let columns = [("input_rows", "rows_in"), ("broken_rows", "rows_broken"), ("left_out_rows", "rows_left_out")];
        for (metric, key) in columns {
            assert_eq!(one(metric, &[("table", name)]), table[key].as_f64(), "{name}");
        }
    }
    for (reason, rows) in summary["rejects"]["by_reason"].as_object().unwrap() {
        assert_eq!(one("rejected_rows_by_reason", &[("reason", reason)]), rows.as_f64(), "{reason}");
    }
    for stage in ["read", "price", "compute", "finish"] {
        assert!(one("stage_duration_seconds", &[("stage", stage)]).unwrap() >= 0.0, "{stage}");
    }
    let identity = manifest["identity"].as_str().unwrap();
    let info = [("version", env!("CARGO_PKG_VERSION")), ("rules", "okx-pm2-2025-01"), ("identity", identity)];
    assert_eq!(one("run_info", &info), Some(1.0), "{metrics:?}");
    assert_eq!(one("as_of_timestamp_seconds", &[]), Some(seconds(&summary["as_of"])));
    assert!(!cfg!(unix) || one("peak_memory_bytes", &[]).unwrap() > 1e6);
    assert_eq!((one("last_run_success", &[]), one("last_run_exit_code", &[])), (Some(1.0), Some(4.0)));
    let ended = one("last_success_timestamp_seconds", &[]).unwrap();
    assert_eq!(one("last_run_timestamp_seconds", &[]), Some(ended));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 3600.0..=now).contains(&ended), "{ended}");

    // The folder exists: a failure changes how the last attempt ended, and nothing else.
    let second = remargin(dir, &line);
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    let after = read(&file);
    assert_eq!(after.keys().collect::<Vec<_>>(), metrics.keys().collect::<Vec<_>>());
    for ((name, labels), before) in &metrics {
        let now = after[&(name.clone(), labels.clone())];
        match name.as_str() {
            "remargin_last_run_success" => assert_eq!(now, 0.0),
            "remargin_last_run_exit_code" => assert_eq!(now, 2.0),
            "remargin_last_run_timestamp_seconds" => assert!(now > ended),
            "remargin_last_run_duration_seconds" => assert!(now >= 0.0),
            _ => assert_eq!(now.to_bits(), before.to_bits(), "{name}"),
        }
    }
    // And the next success is one in everything.
    assert_eq!(remargin(dir, &[&line[..], &["--force"]].concat()).code, Some(4));
    let third = read(&file);
    assert!(value(&third, "last_success_timestamp_seconds", &[]).unwrap() > ended);
    assert_eq!(value(&third, "last_run_success", &[]), Some(1.0));
    assert_eq!(entries(&dir.join("metrics")).len(), 1, "nothing stays beside the file");
}

#[test]
fn a_first_failure_has_no_figures_and_a_stress_has_those_of_its_base_case() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 30, 3.0, 3, "csv");
    let line = ["stress", "snapshot", "--out", "out", "--quiet", "--scenario", "*=-30%", "--metrics", "s.prom"];
    let failed = remargin(dir, &[&line[..], &["--rules", "no-such-set.toml"]].concat());
    assert_eq!(failed.code, Some(3), "{}", failed.stderr);
    let metrics = read(&dir.join("s.prom"));
    assert_eq!(value(&metrics, "last_run_exit_code", &[]), Some(3.0));
    assert_eq!((metrics.len(), value(&metrics, "last_success_timestamp_seconds", &[])), (4, None));
    succeeds(dir, &line);
    let (metrics, summary) = (read(&dir.join("s.prom")), json(&dir.join("out/summary.json")));
    assert!(metrics.keys().all(|(_, labels)| labels["command"] == "stress"));
    assert_eq!(value(&metrics, "scenarios", &[]), Some(2.0));
    assert_eq!(value(&metrics, "book_mmr_usd", &[]), summary["base"]["totals"]["mmr"].as_f64());
    assert_eq!(value(&metrics, "last_run_exit_code", &[]), Some(0.0));
    let done = remargin(dir, &["run", "data", "--out", "x", "--reverse"]);
    assert_eq!(done.code, Some(2));
}

#[test]
fn files_of_others_and_files_in_the_way_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 5, 2.0, 3, "csv");
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    fs::create_dir(dir.join("folder")).unwrap();
    for (flags, words) in [
        (["--metrics", "notes.txt"], "it is another file"),
        (["--metrics", "folder"], "it is not a file"),
        (["--metrics", "out/run.prom"], "is inside"),
        (["--lineage", "snapshot/run.jsonl"], "name a file outside"),
        (["--lineage", "notes.txt"], "it is another file"),
        (["--lineage", "folder"], "it is not a file"),
        (["--history", "snapshot/h.parquet"], "name a file outside"),
        (["--history", "out/deep/h.parquet"], "name a file outside"),
    ] {
        let outcome = remargin(dir, &[&["run", "snapshot", "--out", "out", "--quiet"], &flags[..]].concat());
        assert_eq!(outcome.code, Some(2), "{flags:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{flags:?}: {}", outcome.stderr);
    }
    assert_eq!(fs::read_to_string(dir.join("notes.txt")).unwrap(), "mine");
    assert_eq!(entries(dir), ["folder", "notes.txt", "snapshot"]);
    // A link leads into the snapshot all the same.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("snapshot", dir.join("link")).unwrap();
        std::os::unix::fs::symlink("snapshot/positions.csv", dir.join("file")).unwrap();
        let before = fs::read(dir.join("snapshot/positions.csv")).unwrap();
        for file in ["link/new.jsonl", "file"] {
            let outcome = remargin(dir, &["run", "snapshot", "--out", "out", "--quiet", "--lineage", file]);
            assert_eq!(outcome.code, Some(2), "{file}: {}", outcome.stderr);
        }
        assert!(
            fs::read(dir.join("snapshot/positions.csv")).unwrap() == before && !dir.join("link/new.jsonl").exists()
        );
    }
    // The run is there, and only its metrics are not.
    let line = ["run", "snapshot", "--out", "out", "--quiet", "--metrics", "notes.txt/run.prom"];
    let outcome = remargin(dir, &line);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
}

fn events(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the specification requires of every event.
fn check_event(event: &Value) {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}"));
    assert!(["START", "COMPLETE", "FAIL", "ABORT"].contains(&text("/eventType")), "{event:#}");
    assert!(text("/eventTime").parse::<jiff::Timestamp>().is_ok() && text("/eventTime").ends_with('Z'));
    let id: Vec<&str> = text("/run/runId").split('-').collect();
    assert_eq!(id.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id:?}");
    assert!(id.concat().chars().all(|c| c.is_ascii_hexdigit()) && id[2].starts_with('7'), "{id:?}");
    assert_eq!(text("/job/namespace"), "remargin");
    assert!(text("/producer").starts_with("https://") && text("/schemaURL").contains("#/$defs/RunEvent"));
    assert!(event["inputs"].is_array() && event["outputs"].is_array());
    // Every facet says who says it, and what it looks like.
    let mut open = vec![("", event)];
    let mut facets = 0;
    while let Some((name, value)) = open.pop() {
        if ["facets", "inputFacets", "outputFacets"].contains(&name) {
            for facet in value.as_object().unwrap().values() {
                assert!(facet["_producer"].as_str().unwrap().starts_with("https://"), "{facet:#}");
                assert!(facet["_schemaURL"].as_str().unwrap().starts_with("https://openlineage.io/spec/"), "{facet:#}");
                facets += 1;
            }
        }
        match value {
            Value::Object(fields) => open.extend(fields.iter().map(|(name, value)| (name.as_str(), value))),
            Value::Array(items) => open.extend(items.iter().map(|item| ("", item))),
            _ => {}
        }
    }
    assert!(facets > 0);
}

#[test]
fn events_name_every_file_with_its_hash() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 20, 3.0, 3, "csv");
    let line = ["run", "snapshot", "--out", "out", "--quiet", "--lineage", "events/desk-b.jsonl"];
    succeeds(dir, &line);
    let failed = remargin(dir, &line);
    assert_eq!(failed.code, Some(2), "{}", failed.stderr);
    let events = events(&dir.join("events/desk-b.jsonl"));
    events.iter().for_each(check_event);
    let kinds: Vec<&str> = events.iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["START", "COMPLETE", "START", "FAIL"]);
    let id = |number: usize| &events[number]["run"]["runId"];
    assert!(id(0) == id(1) && id(2) == id(3) && id(1) != id(2));
    assert!(events.iter().all(|event| event["job"]["name"] == "desk-b.run"));

    let manifest = json(&dir.join("out/manifest.json"));
    for (list, folder, facets, statistics) in [
        ("inputs", "snapshot", "inputFacets", "inputStatistics"),
        ("outputs", "out", "outputFacets", "outputStatistics"),
    ] {
        let (found, expected) = (events[1][list].as_array().unwrap(), manifest[list].as_array().unwrap());
        assert!(found.len() == expected.len() && found.len() > 3, "{list}");
        for (found, expected) in found.iter().zip(expected) {
            let file = dir.canonicalize().unwrap().join(folder).join(expected["path"].as_str().unwrap());
            let name = Path::new(found["name"].as_str().unwrap());
            assert_eq!(name.canonicalize().unwrap(), file);
            assert_eq!(found["namespace"], "file");
            // The hash of the file, taken anew.
            let hash = blake3::hash(&fs::read(&file).unwrap()).to_hex().to_string();
            assert_eq!(found["facets"]["version"]["datasetVersion"], format!("blake3:{hash}"));
            assert_eq!(found[facets][statistics]["size"], expected["bytes"]);
            let rows = &found[facets][statistics]["rowCount"];
            assert_eq!(rows, &expected["rows"], "{name:?}");
        }
    }
    let facet = &events[1]["run"]["facets"]["remargin_run"];
    assert_eq!((&facet["identity"], &facet["asOf"]), (&manifest["identity"], &manifest["as_of"]));
    let facets = &events[3]["run"]["facets"];
    assert_eq!(facets["remargin_run"]["exitCode"], 2);
    assert!(facets["errorMessage"]["message"].as_str().unwrap().contains("exists already"), "{facets:#}");
    assert_eq!(events[3]["outputs"], json!([]));
}

/// After a signal the attempt is aborted, and the code is that of the signal.
#[cfg(unix)]
#[test]
fn a_signal_aborts() {
    use crate::common::e2e::in_background;
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 20_000, 6.0, 3, "csv");
    let line = ["run", "snapshot", "--out", "out", "--quiet", "--metrics", "m/a.prom", "--lineage", "m/a.jsonl"];
    let mut child = in_background(dir, &line).spawn().unwrap();
    // It listens before it says that it begins.
    while !dir.join("m/a.jsonl").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let events = events(&dir.join("m/a.jsonl"));
    events.iter().for_each(check_event);
    assert_eq!(events[1]["eventType"], "ABORT");
    let metrics = read(&dir.join("m/a.prom"));
    assert_eq!(value(&metrics, "last_run_exit_code", &[]), Some(143.0));
    assert_eq!(value(&metrics, "last_run_success", &[]), Some(0.0));
    assert!(!dir.join("out").exists());
}

#[test]
fn the_parser_of_this_test_is_strict() {
    let good = "# HELP remargin_x About.\n# TYPE remargin_x gauge\nremargin_x{a=\"1\",b=\"\\\"\\\\\\n\"} 1.5\n";
    assert_eq!(parse(good).len(), 1);
    for (from, to) in [
        (" 1.5", " 1.5 1700000000000"),
        (" 1.5", " NaN"),
        ("# TYPE remargin_x gauge\n", ""),
        ("# TYPE remargin_x gauge\n", "# TYPE remargin_y gauge\n"),
        ("{a=", "{1a="),
        ("\\\\", "\\t"),
        ("1.5\n", "1.5"),
        ("1.5\n", "1.5\nremargin_x{b=\"\\\"\\\\\\n\",a=\"1\"} 2.0\n"),
        ("1.5\n", "1.5\n# HELP remargin_x About.\n"),
    ] {
        let bad = good.replace(from, to);
        assert!(bad != good && std::panic::catch_unwind(|| parse(&bad)).is_err(), "{bad}");
    }
}
