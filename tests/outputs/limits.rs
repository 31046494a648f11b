//! Limits: breaches beside a filter over the written tables, the same bytes on every way, exit codes, names that nobody
//! has.

use crate::common::e2e::{Row, entries, files, json, remargin, rows, succeeds};
use crate::determinism::{Form, rewrite};
use crate::groups::{as_csv, book};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const SHOCKS: &str = "scenario,base,price\nfall,*,-0.2\nrise,BTC,0.3\n";

/// A limit: its name, rule, severity, and more lines.
type Limit<'a> = (&'a str, String, &'a str, &'a str);

fn write(root: &Path, limits: &[Limit]) {
    let mut text = String::new();
    for (name, rule, severity, more) in limits {
        writeln!(text, "[[limit]]\nname = \"{name}\"\nrule = '{rule}'\nseverity = \"{severity}\"\n{more}\n").unwrap();
    }
    fs::write(root.join("limits.toml"), text).unwrap();
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

/// The value below which so many thousandths of a column lie.
fn quantile(table: &[Row], column: &str, thousandths: usize) -> f64 {
    let mut values: Vec<f64> = table.iter().filter_map(|row| row[column].parse().ok()).collect();
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * thousandths / 1000]
}

/// What a breach is of, and its value.
const KEYS: [&str; 5] = ["scenario", "by", "group", "account_id", "risk_unit"];

type Found = (Vec<String>, f64);

/// The breaches of a limit, in order.
fn breaches(out: &Path, limit: &str) -> Vec<Found> {
    let all = rows(&out.join("breaches.parquet"));
    let of_limit = all.iter().filter(|row| row["limit"] == limit);
    of_limit.map(|row| (KEYS.map(|key| row[key].clone()).to_vec(), number(row, "value"))).collect()
}

/// The rows of a table of which a figure is beyond a limit.
fn filtered(table: &[Row], column: &str, is_beyond: impl Fn(&Row, f64) -> bool) -> Vec<Found> {
    let beyond = table.iter().filter(|row| row[column].parse().is_ok_and(|value| is_beyond(row, value)));
    let keys = |row: &Row| KEYS.map(|key| row.get(key).cloned().unwrap_or_default()).to_vec();
    beyond.map(|row| (keys(row), number(row, column))).collect()
}

/// A column of `risk_units`, added up by scenario and unit.
fn by_unit(units: &[Row], scenarios: &[&str], column: &str) -> Vec<(String, String, f64)> {
    let mut sums: BTreeMap<(usize, String), f64> = BTreeMap::new();
    for row in units {
        let scenario = scenarios.iter().position(|name| *name == row["scenario"]).unwrap();
        *sums.entry((scenario, row["risk_unit"].clone())).or_default() += number(row, column);
    }
    sums.into_iter().map(|((scenario, unit), sum)| (scenarios[scenario].to_owned(), unit, sum)).collect()
}

fn assert_found(found: &[Found], expected: &[Found], what: &str) {
    assert!(!expected.is_empty(), "{what}: nothing is beyond the limit, which proves nothing");
    let keys = |of: &[Found]| of.iter().map(|(keys, _)| keys.clone()).collect::<Vec<_>>();
    assert_eq!(keys(found), keys(expected), "{what}");
    for ((keys, found), (_, expected)) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{what} {keys:?}: {found} {expected}");
    }
}

#[test]
fn breaches_of_a_run_are_a_filter_over_its_tables() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    book(root, 400, 6.0);
    fs::write(root.join("shocks.csv"), SHOCKS).unwrap();
    let shocks = ["run", "snapshot", "--shocks", "shocks.csv"];
    succeeds(root, &[&shocks[..], &["--out", "plain", "--by", "desk"]].concat());
    let table = |name: &str| rows(&root.join(format!("plain/{name}.parquet")));
    let [accounts, units, groups, group_units] = ["accounts", "risk_units", "groups", "group_units"].map(table);
    let scenarios = ["base", "fall", "rise"];
    let ratio = quantile(&accounts, "margin_ratio", 200);
    let mmr = quantile(&groups, "mmr", 700);
    let [low, high] = [100, 900].map(|share| quantile(&group_units, "cash_delta", share));
    let sums = by_unit(&units, &scenarios, "cash_delta");
    let largest = sums.iter().map(|(.., sum)| sum.abs()).fold(0.0, f64::max) / 3.0;
    let unit = &units[0]["risk_unit"];
    let of_unit: Vec<Row> = units.iter().filter(|row| row["risk_unit"] == *unit).cloned().collect();
    let own = quantile(&of_unit, "cash_delta", 800);
    let rates = groups.iter().find(|row| row["group"] == "rates").map_or(0.0, |row| number(row, "imr") / 2.0);
    write(
        root,
        &[
            ("account", format!("account.margin_ratio >= {ratio}"), "soft", "text = \"call\""),
            ("group", format!("group.desk.mmr < {mmr}"), "hard", ""),
            ("unit of group", format!("group.desk.unit.*.cash_delta between {low} and {high}"), "info", ""),
            (
                "unit of account",
                format!("account.unit.{unit}.cash_delta <= {own}"),
                "soft",
                "scenarios = [\"fall\", \"rise\"]",
            ),
            ("unit", format!("unit.*.cash_delta between -{largest} and {largest}"), "hard", ""),
            ("book", "book.liquidation <= 0".to_owned(), "hard", ""),
            ("one desk", format!("group.desk.imr <= {rates}"), "soft", "only = [\"rates\"]"),
            ("met", "group.region.accounts >= 0".to_owned(), "hard", ""),
        ],
    );
    let outcome = succeeds(root, &[&shocks[..], &["--out", "out", "--limits", "limits.toml"]].concat());
    let out = root.join("out");
    assert_found(&breaches(&out, "account"), &filtered(&accounts, "margin_ratio", |_, value| value < ratio), "account");
    assert_found(&breaches(&out, "group"), &filtered(&groups, "mmr", |_, value| value >= mmr), "group");
    let expected = filtered(&group_units, "cash_delta", |_, value| value < low || value > high);
    assert_found(&breaches(&out, "unit of group"), &expected, "unit of group");
    let expected = filtered(&units, "cash_delta", |row, value| {
        row["risk_unit"] == *unit && row["scenario"] != "base" && value > own
    });
    assert_found(&breaches(&out, "unit of account"), &expected, "unit of account");
    let beyond = sums.iter().filter(|(.., sum)| sum.abs() > largest);
    let key = |scenario: &str, unit: &str| {
        KEYS.map(|key| match key {
            "scenario" => scenario.to_owned(),
            "risk_unit" => unit.to_owned(),
            _ => String::new(),
        })
    };
    let expected: Vec<Found> = beyond.map(|(scenario, unit, sum)| (key(scenario, unit).to_vec(), *sum)).collect();
    assert_found(&breaches(&out, "unit"), &expected, "unit");
    let in_liquidation = |scenario: &str| {
        let is_there = |row: &&Row| row["scenario"] == scenario && row["status"] == "liquidation";
        accounts.iter().filter(is_there).count() as f64
    };
    let counts = scenarios.map(|scenario| (key(scenario, "").to_vec(), in_liquidation(scenario)));
    let expected: Vec<Found> = counts.into_iter().filter(|(_, count)| *count > 0.0).collect();
    assert_found(&breaches(&out, "book"), &expected, "book");
    let expected = filtered(&groups, "imr", |row, value| row["group"] == "rates" && value > rates);
    assert_found(&breaches(&out, "one desk"), &expected, "one desk");
    assert!(breaches(&out, "met").is_empty());

    // The summary counts what the table has, and knows the worst.
    let summary = json(&out.join("summary.json"));
    let table = rows(&out.join("breaches.parquet"));
    for limit in summary["limits"]["each"].as_array().unwrap() {
        let of_limit = table.iter().filter(|row| row["limit"] == limit["name"].as_str().unwrap());
        assert_eq!(limit["breaches"], of_limit.clone().count(), "{limit}");
        let worst = of_limit.map(|row| number(row, "excess")).fold(f64::NEG_INFINITY, f64::max);
        if limit["breaches"] != 0 {
            assert_eq!(limit["worst"]["excess"].as_f64().unwrap(), worst, "{limit}");
        }
    }
    let [first, met] = [0, 7].map(|place| &summary["limits"]["each"][place]);
    let without = accounts.iter().filter(|row| row["margin_ratio"].is_empty()).count();
    assert_eq!((&first["without_figure"], &first["checked"]), (&without.into(), &(accounts.len() - without).into()));
    assert!(met["breaches"] == 0 && met["worst"]["excess"].as_f64().unwrap() < 0.0, "{met}");
    for severity in ["info", "soft", "hard"] {
        let count = table.iter().filter(|row| row["severity"] == severity).count();
        assert_eq!(summary["limits"]["breaches"][severity], count);
    }
    assert_eq!(summary["limits"]["breached"], serde_json::json!({ "info": 1, "soft": 3, "hard": 3 }));
    assert!(outcome.stderr.contains("limits: 7 of 8 breached, breaches: "), "{}", outcome.stderr);
    // The groupings of rules are summed up as if they were asked for; nothing else is another.
    for name in ["accounts.parquet", "risk_units.parquet", "at_risk.csv"] {
        assert!(fs::read(root.join("plain").join(name)).unwrap() == fs::read(out.join(name)).unwrap(), "{name}");
    }
    let by: std::collections::BTreeSet<String> =
        rows(&out.join("groups.parquet")).into_iter().map(|row| row["by"].clone()).collect();
    assert_eq!(by.into_iter().collect::<Vec<_>>(), ["desk", "region"]);
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("\"rows_total\":") && page.contains("one desk"));
}

/// The figures of the book in a run are those of its summary.
#[test]
fn figures_of_the_book_are_those_of_the_summary() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    book(root, 300, 5.0);
    let figures =
        ["mmr", "imr", "adj_eq", "order_imr", "accounts", "at_risk", "warning", "im_deficit", "shortfall_mmr"];
    let names: Vec<String> = figures.iter().map(|name| format!("of {name}")).collect();
    let limits: Vec<Limit> = figures
        .iter()
        .zip(&names)
        .map(|(of, name)| (name.as_str(), format!("book.{of} < -1e18"), "info", ""))
        .collect();
    write(root, &limits);
    succeeds(root, &["run", "snapshot", "--out", "out", "--limits", "limits.toml"]);
    let summary = json(&root.join("out/summary.json"));
    let expected = |name: &str| match name {
        "accounts" => &summary["accounts"]["margined"],
        "at_risk" | "im_deficit" => &summary["accounts"][name],
        "warning" => &summary["accounts"]["by_status"][name],
        "shortfall_mmr" => &summary["distribution"][name],
        _ => &summary["totals"][name],
    };
    for row in rows(&root.join("out/breaches.parquet")) {
        let expected = expected(&row["figure"]).as_f64().unwrap();
        assert!((number(&row, "value") - expected).abs() <= 1e-12 * expected.abs(), "{row:?}: {expected}");
    }
    assert_eq!(summary["limits"]["breaches"]["info"], figures.len());
}

#[test]
fn breaches_of_a_stress_are_a_filter_over_its_tables() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    book(root, 300, 5.0);
    let stress = ["stress", "snapshot", "--grid", "*=-40%..40%/20%", "--distance", "none", "--out"];
    succeeds(root, &[&stress[..], &["plain", "--by", "desk", "--detail", "all"]].concat());
    let table = |name: &str| rows(&root.join(format!("plain/{name}.parquet")));
    let [accounts, groups, worst, scenarios] = ["accounts", "groups", "worst", "scenarios"].map(table);
    let ratio = quantile(&worst, "margin_ratio", 400);
    let (loss, owed) = (quantile(&scenarios, "equity_loss", 500), quantile(&groups, "shortfall", 800));
    let of_all = table("distribution").into_iter().find(|row| row["figure"] == "shortfall").unwrap();
    let es = number(&of_all, "expected_shortfall_99");
    let limits = [
        ("worst", format!("worst.margin_ratio > {ratio}"), "soft", ""),
        ("loss", format!("book.equity_loss <= {loss}"), "hard", ""),
        ("group", format!("group.desk.shortfall <= {owed}"), "hard", ""),
        ("fund", format!("book.shortfall_es99 <= {}", es / 2.0), "hard", ""),
        ("fund that suffices", format!("book.shortfall_es99 <= {}", es * 2.0), "hard", ""),
        ("base alone", "book.accounts < 1".to_owned(), "info", "scenarios = [\"base\"]"),
    ];
    write(root, &limits);
    let with = ["--limits", "limits.toml", "--fail-on", "breach:hard", "--force"];
    let outcome = remargin(root, &[&stress[..], &["out"], &with].concat());
    assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
    let out = root.join("out");
    assert!(!entries(&out).contains(&"accounts.parquet".to_owned()));
    assert_found(&breaches(&out, "worst"), &filtered(&worst, "margin_ratio", |_, value| value <= ratio), "worst");
    assert_found(&breaches(&out, "loss"), &filtered(&scenarios, "equity_loss", |_, value| value > loss), "loss");
    // Without `--detail all` pieces are others: sums differ in their last bit.
    assert_found(&breaches(&out, "group"), &filtered(&groups, "shortfall", |_, value| value > owed), "group");
    assert_found(&breaches(&out, "fund"), &[(vec![String::new(); 5], es)], "fund");
    assert!(breaches(&out, "fund that suffices").is_empty());
    let expected = filtered(&scenarios, "accounts", |row, _| row["scenario"] == "base");
    assert_found(&breaches(&out, "base alone"), &expected, "base alone");
    // With every account in every scenario their limits are checked too.
    write(root, &[("account", format!("account.margin_ratio > {ratio}"), "soft", "")]);
    let refused = remargin(root, &[&stress[..], &["out"], &with].concat());
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--detail all") && refused.stderr.contains("`worst`"), "{}", refused.stderr);
    succeeds(root, &[&stress[..], &["out", "--detail", "all"], &with].concat());
    let expected = filtered(&accounts, "margin_ratio", |_, value| value <= ratio);
    assert_found(&breaches(&out, "account"), &expected, "account");
    write(root, &limits[3..4]);
    let refused = remargin(root, &[&stress[..], &["out", "--distribution", "none"], &with].concat());
    assert!(refused.code == Some(2) && refused.stderr.contains("--distribution book"), "{}", refused.stderr);
}

#[test]
fn breaches_do_not_depend_on_the_way_through_the_book() {
    let place = tempfile::tempdir().unwrap();
    let [sorted, csv, shuffled] = ["sorted", "csv", "shuffled"].map(|name| place.path().join(name));
    book(&sorted, remargin::engine::CHUNK_ACCOUNTS + 300, 1.0);
    as_csv(&sorted, &csv);
    rewrite(&sorted.join("snapshot"), &shuffled.join("snapshot"), Some(5), Form::Parts { parts: 2, group_rows: 9000 });
    let limits = [
        ("account", "account.margin_ratio >= 3".to_owned(), "soft", ""),
        ("unit", "unit.*.mmr < 0".to_owned(), "soft", ""),
        ("book", "book.adj_eq < 0".to_owned(), "soft", ""),
        ("group", "group.desk.unit.*.vega < -1e12".to_owned(), "soft", ""),
    ];
    let run = |root: &Path, flags: &[&str]| {
        write(root, &limits);
        let args = ["run", "snapshot", "--out", "out", "--force", "--no-report", "--limits", "limits.toml"];
        succeeds(root, &[&args[..], flags].concat());
        let found = files(&root.join("out"));
        ["breaches", "summary"].map(|stem| {
            let (_, bytes) = found.iter().find(|(name, _)| name.starts_with(stem)).unwrap();
            bytes.clone()
        })
    };
    let expected = run(&sorted, &["--threads", "1"]);
    assert!(rows(&sorted.join("out/breaches.parquet")).len() > 1000);
    for (root, flags) in [
        (&sorted, &["--threads", "3"][..]),
        (&sorted, &["--threads", "2", "--memory-limit", "200MiB"]),
        (&csv, &[]),
        (&shuffled, &[]),
    ] {
        let [breaches, summary] = run(root, flags);
        assert!(breaches == expected[0], "{} {flags:?}", root.display());
        assert!(root != &sorted || summary == expected[1], "{} {flags:?}", root.display());
    }
    // The same figures in the other formats.
    let of_csv = run(&sorted, &["--format", "csv"]);
    let text = String::from_utf8(of_csv[0].clone()).unwrap();
    assert_eq!(text.lines().count() - 1, {
        run(&sorted, &[]);
        rows(&sorted.join("out/breaches.parquet")).len()
    });
    let limits_of = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["limits"].clone();
    for (format, summary) in [("csv", of_csv[1].clone()), ("arrow", run(&sorted, &["--format", "arrow"])[1].clone())] {
        assert_eq!(limits_of(&summary), limits_of(&expected[1]), "{format}");
    }
}

#[test]
fn runs_with_limits_verify_replay_and_draw_their_page_again() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    book(root, 200, 4.0);
    let limits = [
        ("group", "group.desk.mmr < 1000".to_owned(), "hard", "only = [\"rates\"]\ntext = \"= call\""),
        ("book", "book.liquidation <= 0".to_owned(), "soft", ""),
    ];
    write(root, &limits);
    succeeds(root, &["run", "snapshot", "--out", "run", "--limits", "limits.toml"]);
    let scenario = ["--scenario", "crash: *=-40%", "--format", "csv", "--limits", "limits.toml"];
    succeeds(root, &[&["stress", "snapshot", "--out", "stress"], &scenario[..]].concat());
    // The file is in the manifest: it may change.
    fs::remove_file(root.join("limits.toml")).unwrap();
    for run in ["run", "stress"] {
        succeeds(root, &["verify", run]);
        succeeds(root, &["replay", &format!("{run}/manifest.json")]);
        let rebuilt = succeeds(root, &["report", run, "--out", "page.html"]);
        assert!(!rebuilt.stderr.contains("differs"), "{}", rebuilt.stderr);
        let [written, again] = [root.join(run).join("report.html"), root.join("page.html")].map(fs::read);
        assert!(written.unwrap() == again.unwrap(), "{run}");
    }
    // A count that is not that of the table, and a table that is not there.
    let summary = root.join("run/summary.json");
    let text = fs::read_to_string(&summary).unwrap();
    assert!(text.contains("\"hard\": 1"), "{text}");
    fs::write(&summary, text.replacen("\"hard\": 1", "\"hard\": 0", 1)).unwrap();
    assert_eq!(remargin(root, &["verify", "run"]).code, Some(1));
    // Another file of limits is another run.
    let identity = |run: &str| json(&root.join(run).join("manifest.json"))["identity"].clone();
    write(root, &limits[..1]);
    succeeds(root, &["run", "snapshot", "--out", "other", "--limits", "limits.toml"]);
    assert_ne!(identity("other"), identity("run"));
}

#[test]
fn exit_codes_are_those_that_were_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    book(root, 60, 4.0);
    let limits =
        [("soft", "book.accounts < 1".to_owned(), "soft", ""), ("hard", "book.accounts > 1".to_owned(), "hard", "")];
    write(root, &limits);
    let run = |flags: &[&str]| {
        let args = ["run", "snapshot", "--out", "out", "--force", "--no-report"];
        remargin(root, &[&args[..], flags].concat())
    };
    let with = ["--limits", "limits.toml"];
    for (fail_on, code) in [
        (&[][..], 0),
        (&["--fail-on", "breach"], 5),
        (&["--fail-on", "breach:info"], 5),
        (&["--fail-on", "breach:soft"], 5),
        (&["--fail-on", "breach:hard"], 0),
        (&["--fail-on", "breach:hard", "--fail-on", "breach:soft"], 5),
    ] {
        let outcome = run(&[&with[..], fail_on].concat());
        assert_eq!(outcome.code, Some(code), "{fail_on:?}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.contains("are breached"), code == 5, "{}", outcome.stderr);
    }
    let metrics = succeeds(root, &["run", "snapshot", "--out", "m", "--limits", "limits.toml", "--metrics", "a.prom"]);
    assert!(metrics.stderr.contains("limits: 1 of 2 breached, breaches: 1 soft"), "{}", metrics.stderr);
    let text = fs::read_to_string(root.join("a.prom")).unwrap();
    for line in
        ["remargin_limits{job_name=\"a\",command=\"run\"} 2.0", "severity=\"soft\"} 1.0", "severity=\"hard\"} 0.0"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    let without = run(&["--fail-on", "breach"]);
    assert!(without.code == Some(2) && without.stderr.contains("--limits FILE"), "{}", without.stderr);
    let misspelt = run(&["--fail-on", "breach:hrd"]);
    assert!(misspelt.code == Some(2) && misspelt.stderr.contains("is it `breach:hard`?"), "{}", misspelt.stderr);
    let text = fs::read_to_string(root.join("limits.toml")).unwrap();
    fs::write(root.join("limits.toml"), text.replace("book.accounts >", "book.acounts >")).unwrap();
    let misspelt = run(&with);
    assert_eq!(misspelt.code, Some(3), "{}", misspelt.stderr);
    for part in ["limit 2 (hard), line 7: no such figure of the book", "column `rule`", "is it `accounts`?"] {
        assert!(misspelt.stderr.contains(part), "{part}: {}", misspelt.stderr);
    }
    let checked = remargin(root, &["limits", "check", "limits.toml"]);
    assert_eq!(checked.code, Some(3), "{}", checked.stderr);
    assert_eq!(remargin(root, &["limits", "check", "nowhere.toml"]).code, Some(3));
}

#[test]
fn a_limit_that_watches_nothing_is_said() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    book(root, 60, 4.0);
    write(
        root,
        &[
            ("group", "group.desk.mmr < 1e15".to_owned(), "soft", "only = [\"rats\", \"rates\"]"),
            ("unit", "unit.BTC.mmr < 1e15".to_owned(), "soft", ""),
            ("account", "account.mmr < 1e15".to_owned(), "soft", "only = [\"nobody at all\"]"),
            ("scenario", "book.mmr < 1e15".to_owned(), "soft", "scenarios = [\"crash\"]"),
        ],
    );
    let outcome = succeeds(root, &["run", "snapshot", "--out", "out", "--limits", "limits.toml"]);
    let summary = json(&root.join("out/summary.json"));
    let said = |place: usize| summary["limits"]["each"][place]["not_found"][0].as_str().unwrap().to_owned();
    assert_eq!(said(0), "no group of a margined account is called `rats`; is it `rates`?");
    assert!(said(1).starts_with("no risk unit of a margined account is called `BTC`; is it `BTC-US"), "{}", said(1));
    assert_eq!(said(2), "no margined account is called `nobody at all`");
    assert_eq!(said(3), "no scenario is called `crash`");
    for place in 0..4 {
        assert!(outcome.stderr.contains(&said(place)), "{}", outcome.stderr);
        assert_eq!(summary["limits"]["each"][place]["checked"], u64::from(place == 0));
    }
    assert!(
        outcome.stderr.contains("none of 4 is breached; not compared with all that they name: 4"),
        "{}",
        outcome.stderr
    );
    let flags = ["--limits", "limits.toml", "--fail-on", "breach", "--fail-on", "not-compared", "--metrics", "a.prom"];
    let failed = remargin(root, &[&["run", "snapshot", "--out", "failed"], &flags[..]].concat());
    assert_eq!(failed.code, Some(5), "{}", failed.stderr);
    for words in [
        "limit `unit` was compared with no figure: no risk unit",
        "limit `group` was not compared with all that it names: no group of a margined account is called `rats`",
    ] {
        assert!(failed.stderr.contains(words), "{words}: {}", failed.stderr);
    }
    let text = fs::read_to_string(root.join("a.prom")).unwrap();
    assert!(text.contains("remargin_not_compared_limits{job_name=\"a\",command=\"run\"} 4.0"), "{text}");
    // A grouping that the accounts do not have ends the run, with the columns that there are.
    write(root, &[("group", "group.dsk.mmr < 1".to_owned(), "soft", "")]);
    let refused = remargin(root, &["run", "snapshot", "--out", "no", "--limits", "limits.toml"]);
    assert!(refused.code == Some(3) && refused.stderr.contains("is it `desk`?"), "{}", refused.stderr);
    let blamed = "which `group.dsk.mmr < 1` of limit 1 (group), line 1 of `limits.toml` needs";
    assert!(refused.stderr.contains(blamed), "{}", refused.stderr);
    let asked = remargin(root, &["run", "snapshot", "--out", "no", "--by", "dsk", "--limits", "limits.toml"]);
    assert!(asked.code == Some(3) && !asked.stderr.contains("limit 1"), "{}", asked.stderr);
}
