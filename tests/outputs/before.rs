//! A run beside the run before it, and in a history: the figures of `compare` and of the runs themselves, the same
//! bytes every time, and what is said where they do not fit together.

use crate::common::e2e::{Row, entries, files, generate, json, remargin, rows, succeeds};
use crate::verify::{forge, verify};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn days(dir: &Path) {
    for day in ["yesterday", "today"] {
        fs::create_dir(dir.join(day)).unwrap();
        for name in entries(&Path::new(ROOT).join("examples").join(day)) {
            fs::copy(Path::new(ROOT).join("examples").join(day).join(&name), dir.join(day).join(&name)).unwrap();
        }
    }
    // Somebody takes out so much that too little is left.
    let file = dir.join("today/balances.csv");
    let text = fs::read_to_string(&file).unwrap();
    let less = text.replace("long,USDT,290000", "long,USDT,160000");
    assert_ne!(less, text);
    fs::write(file, less).unwrap();
}

/// The figures in a page.
fn page(run: &Path) -> Value {
    let text = fs::read_to_string(run.join("report.html")).unwrap();
    let (_, rest) = text.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// An object of `compare` in the words of a run: `mmr_a` is `mmr_before`, `a` is `before`.
fn in_words(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let name = |name: &str| match name {
                "a" => "before".to_owned(),
                "b" => "now".to_owned(),
                "mmr_main_cause" => "main_cause".to_owned(),
                _ => match (name.strip_suffix("_a"), name.strip_suffix("_b")) {
                    (Some(stem), _) => format!("{stem}_before"),
                    (_, Some(stem)) => format!("{stem}_now"),
                    _ => name.to_owned(),
                },
            };
            fields.iter().map(|(field, value)| (name(field), in_words(value))).collect()
        }
        Value::Array(items) => items.iter().map(in_words).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_change_is_that_of_compare_and_adds_up() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    days(dir);
    let label = ["--label", "EOD, \"desk\" <B>"];
    succeeds(dir, &[&["run", "yesterday", "--out", "a", "--quiet"], &label[..]].concat());
    succeeds(dir, &["run", "today", "--out", "b", "--quiet", "--previous", "a", "--threads", "1"]);
    succeeds(dir, &["run", "today", "--out", "c", "--quiet", "--previous", "a", "--threads", "4"]);
    succeeds(dir, &["compare", "a", "b", "--out", "change", "--quiet"]);
    let (summary, compared) = (json(&dir.join("b/summary.json")), json(&dir.join("change/summary.json")));
    let previous = &summary["previous"];
    for (ours, theirs) in [
        ("totals", "totals"),
        ("counts", "counts"),
        ("accounts", "accounts"),
        ("migration", "migration"),
        ("causes", "causes"),
        ("parameters", "parameters"),
        ("largest_rises", "largest_rises"),
        ("largest_falls", "largest_falls"),
        ("newly_breached_accounts", "new_breaches"),
        ("not_attributed", "not_attributed"),
    ] {
        assert_eq!(previous[ours], in_words(&compared[theirs]), "{ours}");
    }
    assert_eq!(previous["newly_breached"], json!(rows(&dir.join("change/breaches.parquet")).len()));
    assert!(previous["newly_breached"].as_u64().unwrap() > 0 && previous["notes"] == json!([]), "{previous:#}");
    assert!(previous["newly_breached_accounts"][0]["main_cause"].is_string(), "{previous:#}");
    assert_eq!(previous["run"]["label"], label[1]);
    let before = json(&dir.join("a/manifest.json"));
    assert_eq!(previous["run"]["identity"], before["identity"]);

    // Both sides are the sums of the runs, and the causes are the change.
    let total = |run: &str| json(&dir.join(run).join("summary.json"))["totals"]["mmr"].as_f64().unwrap();
    let mmr = previous["totals"].as_array().unwrap().iter().find(|total| total["figure"] == "mmr").unwrap();
    assert_eq!((mmr["before"].as_f64(), mmr["now"].as_f64()), (Some(total("a")), Some(total("b"))));
    let causes = previous["causes"].as_array().unwrap();
    let sum: f64 = causes.iter().map(|cause| cause["mmr"].as_f64().unwrap()).sum();
    assert!((sum - (total("b") - total("a"))).abs() < 1e-6 * total("b"), "{sum}");
    let moved: u64 = previous["migration"].as_array().unwrap().iter().map(|of| of["accounts"].as_u64().unwrap()).sum();
    let accounts = |kind: &str| previous["accounts"][kind].as_u64().unwrap();
    assert_eq!(moved, accounts("kept") + accounts("new") + accounts("closed"));

    // The same bytes whatever the threads, and nothing beside the usual files.
    let [b, mut c] = ["b", "c"].map(|run| files(&dir.join(run)));
    assert_eq!(b.keys().collect::<Vec<_>>(), c.keys().collect::<Vec<_>>());
    c.insert("manifest.json".to_owned(), b["manifest.json"].clone());
    assert!(b == c);
    assert_eq!(entries(&dir.join("b")), entries(&dir.join("a")));
    let identity = |run: &str| json(&dir.join(run).join("manifest.json"))["identity"].clone();
    assert_eq!(identity("b"), identity("c"));
    let shown = page(&dir.join("b"));
    assert_eq!(
        shown["previous"]["migration"].as_array().unwrap().len(),
        previous["migration"].as_array().unwrap().len()
    );
    assert_eq!(shown["previous"]["label"], label[1]);
    assert!(page(&dir.join("a"))["previous"].is_null());
}

#[test]
fn such_a_run_verifies_after_the_earlier_one_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    days(dir);
    succeeds(dir, &["run", "yesterday", "--out", "a", "--quiet", "--history", "h.parquet"]);
    let line = ["run", "today", "--out", "b", "--quiet", "--previous", "a", "--history", "h.parquet"];
    succeeds(dir, &line);
    let whole = |code: i32| {
        let found = verify(dir, &["b"], code);
        assert_eq!(remargin(dir, &["replay", "b", "--quiet"]).code, Some(code), "{found:#}");
        found
    };
    whole(0);
    // A change that the runs do not give is found while both are there.
    let copy = files(&dir.join("b"));
    forge(&dir.join("b"), "summary.json", |text| text.replacen("\"newly_breached\": ", "\"newly_breached\": 1", 1));
    let found = verify(dir, &["b"], 1);
    assert_eq!(found["differences"][0]["column"], "previous.newly_breached", "{found:#}");
    for (name, bytes) in &copy {
        fs::write(dir.join("b").join(name), bytes).unwrap();
    }
    // So is a trend that does not end with this run, or names later ones.
    for (before, after) in [("\"accounts\": ", "\"accounts\": 1"), ("\"as_of\": \"20", "\"as_of\": \"30")] {
        forge(&dir.join("b"), "summary.json", |text| {
            let place = text.rfind(before).filter(|place| *place > text.find("\"trend\"").unwrap()).unwrap();
            text[..place].to_owned() + &text[place..].replacen(before, after, 1)
        });
        let found = verify(dir, &["b"], 1);
        assert!(found["differences"].to_string().contains("trend"), "{found:#}");
        for (name, bytes) in &copy {
            fs::write(dir.join("b").join(name), bytes).unwrap();
        }
    }
    // An earlier run that is not what its manifest says is no basis.
    let earlier = fs::read(dir.join("a/accounts.parquet")).unwrap();
    fs::write(dir.join("a/accounts.parquet"), [&earlier[..], b"x"].concat()).unwrap();
    let outcome = remargin(dir, &["run", "today", "--out", "d", "--quiet", "--previous", "a"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("not the one that the manifest lists") && !dir.join("d").exists());
    fs::write(dir.join("a/accounts.parquet"), &earlier).unwrap();
    // Without the snapshot of the earlier run, and without that run, what it said is taken over.
    fs::rename(dir.join("yesterday"), dir.join("moved")).unwrap();
    whole(0);
    // A run that was made without it stays what it is when the snapshot is there again.
    succeeds(dir, &["run", "today", "--out", "c", "--quiet", "--previous", "a"]);
    assert!(json(&dir.join("c/summary.json"))["previous"]["causes"].is_null());
    fs::rename(dir.join("moved"), dir.join("yesterday")).unwrap();
    verify(dir, &["c"], 0);
    fs::rename(dir.join("yesterday"), dir.join("moved")).unwrap();
    assert!(verify(dir, &["b"], 0)["rebuilt"]["taken_over"].is_null());
    fs::remove_dir_all(dir.join("a")).unwrap();
    whole(0);
    let taken_over = verify(dir, &["b"], 0)["rebuilt"]["taken_over"].clone();
    assert!(taken_over.as_str().unwrap().ends_with('a'), "{taken_over}");
    let told = succeeds(dir, &["verify", "b"]).stdout;
    assert!(told.contains("not compared again: the earlier run `") && told.contains("agrees"), "{told}");
    // A page is built of the summary.
    let first = fs::read(dir.join("b/report.html")).unwrap();
    succeeds(dir, &["report", "b", "--quiet"]);
    assert!(fs::read(dir.join("b/report.html")).unwrap() == first);
}

#[test]
fn what_does_not_fit_together_is_said() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    days(dir);
    succeeds(dir, &["run", "today", "--out", "later", "--quiet", "--set", "risk_unit=merged"]);
    let notes = |out: &str, flags: &[&str]| -> Vec<String> {
        succeeds(dir, &[&["run", "yesterday", "--out", out, "--quiet", "--force"], flags].concat());
        let summary = json(&dir.join(out).join("summary.json"));
        let notes = summary["previous"]["notes"].as_array().unwrap();
        notes.iter().map(|note| note.as_str().unwrap().to_owned()).collect()
    };
    let found = notes("a", &["--previous", "later"]);
    assert!(found[0].starts_with("The earlier run is of a later time"), "{found:?}");
    assert!(found[1].contains("1 parameters with other values"), "{found:?}");
    let shown = page(&dir.join("a"));
    assert_eq!(shown["previous"]["parameters"][0][0], "risk_unit");
    assert_eq!(shown["previous"]["notes"], json!(found));

    // The same work twice, and a run of an early version.
    let again = notes("b", &["--previous", "a"]);
    assert!(again.iter().any(|note| note.starts_with("Both runs are of the same time")), "{again:?}");
    let mut manifest = json(&dir.join("later/manifest.json"));
    manifest["remargin"] = json!("0.0.9");
    manifest.as_object_mut().unwrap().remove("identity");
    fs::write(dir.join("later/manifest.json"), manifest.to_string()).unwrap();
    let early = notes("c", &["--previous", "later"]);
    assert!(early.iter().any(|note| note.contains("written by version 0.0.9")), "{early:?}");
    assert!(json(&dir.join("c/summary.json"))["previous"]["run"]["identity"].is_null());

    // Without the earlier snapshot there are no causes, and that is no failure.
    fs::rename(dir.join("today"), dir.join("moved")).unwrap();
    let without = notes("d", &["--previous", "later"]);
    assert!(without.iter().any(|note| note.starts_with("The change has no causes")), "{without:?}");
    let previous = json(&dir.join("d/summary.json"))["previous"].clone();
    assert!(previous["causes"].is_null() && previous["totals"].is_array(), "{previous:#}");

    // Folders that are no runs are refused before anything is written.
    succeeds(dir, &["stress", "moved", "--out", "stress", "--scenario", "*=-10%", "--quiet"]);
    for (previous, code, words) in [
        ("stress", 3, "a stress cannot be compared with a run"),
        ("moved", 3, "manifest.json"),
        ("nothing", 3, "manifest.json"),
        ("e", 3, "manifest.json"),
    ] {
        let line = ["run", "moved", "--out", "e", "--quiet", "--previous", previous];
        let outcome = remargin(dir, &line);
        assert_eq!(outcome.code, Some(code), "{previous}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{previous}: {}", outcome.stderr);
        assert!(!dir.join("e").exists());
    }
    let line = ["run", "moved", "--out", "a", "--force", "--quiet", "--previous", "a"];
    let outcome = remargin(dir, &line);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("which is an input"), "{}", outcome.stderr);
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap()
}

#[test]
fn a_history_has_the_figures_of_each_run_once() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    days(dir);
    let file = dir.join("desk/history.parquet");
    let run = |day: &str, more: &[&str]| {
        let line = ["run", day, "--out", "out", "--force", "--quiet", "--history", "desk/history.parquet"];
        succeeds(dir, &[&line[..], more].concat());
        json(&dir.join("out/summary.json"))
    };
    let today = run("today", &["--label", "EOD"]);
    assert_eq!(today["trend"].as_array().unwrap().len(), 1);
    let yesterday = run("yesterday", &[]);
    // An earlier run does not know the later one.
    assert_eq!(yesterday["trend"].as_array().unwrap().len(), 1);
    let found = rows(&file);
    assert_eq!(found.len(), 2);
    for (row, summary) in found.iter().zip([&yesterday, &today]) {
        for (column, pointer) in [
            ("accounts", "/accounts/margined"),
            ("unmargined", "/accounts/unmargined"),
            ("at_risk", "/accounts/at_risk"),
            ("liquidation", "/accounts/by_status/liquidation"),
            ("near_liquidation", "/accounts/by_status/near_liquidation"),
            ("warning", "/accounts/by_status/warning"),
            ("im_deficit", "/accounts/im_deficit"),
            ("adj_eq", "/totals/adj_eq"),
            ("total_eq", "/totals/total_eq"),
            ("mmr", "/totals/mmr"),
            ("imr", "/totals/imr"),
            ("shortfall_mmr", "/distribution/shortfall_mmr"),
            ("shortfall_imr", "/distribution/shortfall_imr"),
        ] {
            let expected = summary.pointer(pointer).and_then(Value::as_f64).unwrap();
            assert_eq!(number(row, column).to_bits(), expected.to_bits(), "{column}");
        }
        assert_eq!(row["as_of"], summary["as_of"].as_str().unwrap());
        assert_eq!((row["by"].as_str(), row["group"].as_str()), ("", ""));
    }
    assert_eq!((found[0]["label"].as_str(), found[1]["label"].as_str()), ("", "EOD"));
    let bytes = fs::read(&file).unwrap();
    let again = run("today", &["--label", "EOD", "--threads", "3"]);
    assert!(fs::read(&file).unwrap() == bytes, "the same run replaces its row");
    let trend = again["trend"].as_array().unwrap();
    assert_eq!(
        trend.iter().map(|of| of["mmr"].as_f64()).collect::<Vec<_>>(),
        [yesterday["totals"]["mmr"].as_f64(), today["totals"]["mmr"].as_f64()]
    );
    assert_eq!(page(&dir.join("out"))["trend"].as_array().unwrap().len(), 2);
    // Another label is another run, of the same time.
    assert_eq!(run("today", &[])["trend"].as_array().unwrap().len(), 2);
    assert_eq!(rows(&file).len(), 3);
    assert_eq!(entries(&dir.join("desk")), ["history.parquet"]);
    // A run without some accounts is marked: its sums are smaller for that alone.
    let positions = dir.join("today/positions.csv");
    let text = fs::read_to_string(&positions).unwrap();
    fs::write(positions, text.replacen("anna,BTC-USDT-SWAP,120,", "anna,BTC-USDT-SWAP,abc,", 1)).unwrap();
    let line = ["run", "today", "--out", "out", "--force", "--quiet", "--history", "desk/history.parquet"];
    assert_eq!(remargin(dir, &line).code, Some(4));
    let partial = json(&dir.join("out/summary.json"))["trend"].as_array().unwrap().clone();
    assert_eq!(partial.iter().map(|of| of["unmargined"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(1)]);
}

/// Beside the row of the book one for each group, with the figures of the table `groups`; the trend is the book's.
#[test]
fn a_history_has_a_row_for_each_group() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    days(dir);
    for day in ["yesterday", "today"] {
        let accounts = dir.join(day).join("accounts.csv");
        let text = fs::read_to_string(&accounts).unwrap();
        let (head, lines) = text.split_once('\n').unwrap();
        let name = ["rates", "", "a/b"];
        let lines = lines.lines().enumerate().map(|(row, line)| format!("{line},{}\n", name[row % 3]));
        fs::write(&accounts, format!("{head},team\n{}", lines.collect::<String>())).unwrap();
        let line = ["run", day, "--out", "out", "--force", "--quiet", "--by", "team", "--by", "spot_offset,team"];
        succeeds(dir, &[&line[..], &["--history", "history.parquet"]].concat());
    }
    let history = rows(&dir.join("history.parquet"));
    let groups = rows(&dir.join("out/groups.parquet"));
    let summary = json(&dir.join("out/summary.json"));
    let of_today = |row: &&Row| row["as_of"] == summary["as_of"].as_str().unwrap();
    let found: Vec<&Row> = history.iter().filter(of_today).collect();
    assert!(groups.len() > 5 && found.len() == groups.len() + 1, "{} {}", groups.len(), found.len());
    assert_eq!((found[0]["by"].as_str(), found[0]["unmargined"].as_str()), ("", "0"));
    assert_eq!(number(found[0], "mmr"), summary["totals"]["mmr"].as_f64().unwrap());
    for row in &found[1..] {
        let group = groups.iter().find(|group| (&group["by"], &group["group"]) == (&row["by"], &row["group"])).unwrap();
        for column in ["accounts", "at_risk", "liquidation", "near_liquidation", "warning", "im_deficit", "adj_eq"]
            .into_iter()
            .chain(["total_eq", "mmr", "imr", "shortfall_mmr", "shortfall_imr"])
        {
            assert_eq!(row[column], group[column], "{column}: {row:?}");
        }
        assert_eq!((row["unmargined"].as_str(), &row["identity"]), ("", &found[0]["identity"]));
    }
    assert_eq!(summary["trend"].as_array().unwrap().len(), 2);
}

#[test]
fn histories_of_others_are_refused_and_two_runs_share_one() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 20, 3.0, 3, "parquet");
    let marks = fs::read(dir.join("snapshot/marks.parquet")).unwrap();
    fs::write(dir.join("marks.parquet"), &marks).unwrap();
    for (history, code, words) in [
        ("marks.parquet", 3, "it has other columns"),
        ("history.csv", 2, "expected a file `NAME.parquet`"),
        ("snapshot", 2, "expected a file `NAME.parquet`"),
    ] {
        let outcome = remargin(dir, &["run", "snapshot", "--out", "out", "--quiet", "--history", history]);
        assert_eq!(outcome.code, Some(code), "{history}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{history}: {}", outcome.stderr);
        assert!(!dir.join("out").exists());
    }
    assert!(fs::read(dir.join("marks.parquet")).unwrap() == marks);
    let mut children: Vec<_> = (0..4)
        .map(|number| {
            let (out, label) = (format!("out{number}"), format!("desk {number}"));
            let line = ["run", "snapshot", "--out", &out, "--label", &label, "--quiet", "--history", "h.parquet"];
            crate::common::e2e::in_background(dir, &line).spawn().unwrap()
        })
        .collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    let mut labels: Vec<String> = rows(&dir.join("h.parquet")).into_iter().map(|row| row["label"].clone()).collect();
    labels.sort();
    assert_eq!(labels, ["desk 0", "desk 1", "desk 2", "desk 3"]);
}
