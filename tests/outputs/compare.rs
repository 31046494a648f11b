//! Comparisons from the command line to the tables: two rule sets are two runs, the causes of a change are differences
//! of runs on snapshots put together by hand, and what cannot be told apart is said so.

use crate::common::e2e::{Row, TABLES, generate, json, remargin, rows, succeeds};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const CAUSES: [&str; 5] = ["positions", "prices", "vols", "time", "parameters"];

/// Columns of `accounts` that a comparison has for both sides.
const FIGURES: [&str; 15] = [
    "adj_eq",
    "total_eq",
    "upl",
    "mmr",
    "imr",
    "deriv_mmr",
    "borrow_mmr",
    "borrow_imr",
    "liquidation_fee",
    "margin_ratio",
    "status",
    "im_deficit",
    "ineligible",
    "mmr_no_hedge",
    "imr_no_hedge",
];

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

fn by_id(rows: Vec<Row>) -> BTreeMap<String, Row> {
    rows.into_iter().map(|row| (row["account_id"].clone(), row)).collect()
}

fn accounts(run: &Path) -> BTreeMap<String, Row> {
    by_id(rows(&run.join("accounts.parquet")))
}

fn changes(out: &Path) -> BTreeMap<String, Row> {
    by_id(rows(&out.join("changes.parquet")))
}

/// Every figure of both sides is that of the runs, bit for bit, and every change is their difference.
#[track_caller]
fn assert_sides(changes: &BTreeMap<String, Row>, a: &BTreeMap<String, Row>, b: &BTreeMap<String, Row>) {
    for (id, change) in changes {
        for (side, run) in [("a", a), ("b", b)] {
            for figure in FIGURES {
                let found = &change[&format!("{figure}_{side}")];
                match run.get(id) {
                    Some(row) => assert_eq!(found, &row[figure], "{id} {figure} {side}"),
                    None => assert_eq!(found, "", "{id} {figure} {side}"),
                }
            }
        }
        for figure in ["mmr", "imr"] {
            let of = |run: &BTreeMap<String, Row>| run.get(id).map_or(0.0, |row| number(row, figure));
            assert_eq!(number(change, &format!("{figure}_change")), of(b) - of(a), "{id} {figure}");
        }
        let was = |column: &str, bad: &str| change[&format!("{column}_a")] == bad;
        let is = |column: &str, bad: &str| change[&format!("{column}_b")] == bad;
        let newly = |column: &str, bad: &str| (is(column, bad) && !was(column, bad)).to_string();
        assert_eq!(change["newly_liquidation"], newly("status", "liquidation"), "{id}");
        assert_eq!(change["newly_im_deficit"], newly("im_deficit", "true"), "{id}");
    }
}

/// The five causes of every account add up to its change, and so do those of its excess.
#[track_caller]
fn assert_adds_up(changes: &BTreeMap<String, Row>) {
    let mut exact = 0;
    for (id, row) in changes {
        for figure in ["mmr", "excess"] {
            let sum = CAUSES.iter().fold(0.0, |sum, cause| sum + number(row, &format!("{figure}_{cause}")));
            let (change, scale) = (number(row, &format!("{figure}_change")), number_or_zero(row, "mmr_a"));
            let scale =
                CAUSES.iter().fold(scale, |most, cause| number(row, &format!("{figure}_{cause}")).abs().max(most));
            assert!((sum - change).abs() <= 2e-15 * scale, "{id} {figure}: {sum} {change}");
            exact += usize::from(sum == change);
        }
    }
    assert!(exact * 100 >= changes.len() * 2 * 85, "{exact} of {} to the last bit", changes.len() * 2);
}

fn number_or_zero(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or(0.0)
}

/// Copies a snapshot, one table or all but one from another.
fn mix(dir: &Path, out: &str, parts: &[(&str, &[&str])]) {
    fs::create_dir_all(dir.join(out)).unwrap();
    for (from, names) in parts {
        for name in *names {
            let file = if *name == "snapshot" { "snapshot.toml".to_owned() } else { format!("{name}.csv") };
            fs::copy(dir.join(from).join(&file), dir.join(out).join(&file)).unwrap();
        }
    }
}

fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let edited = change(&text);
    assert_ne!(text, edited, "{} stays as it is", path.display());
    fs::write(path, edited).unwrap();
}

/// Rewrites the cells of a CSV table in one column; a cell that is empty stays so.
fn edit_column(path: &Path, column: &str, change: impl Fn(usize, f64) -> f64) {
    edit(path, |text| {
        let mut lines = text.lines();
        let header = lines.next().unwrap();
        let place = header.split(',').position(|name| name == column).unwrap();
        let mut out = format!("{header}\n");
        for (row, line) in lines.enumerate() {
            let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            if let Ok(value) = cells[place].parse::<f64>() {
                cells[place] = format!("{:?}", change(row, value));
            }
            writeln!(out, "{}", cells.join(",")).unwrap();
        }
        out
    });
}

/// A snapshot `name` in CSV, and the run `name.run` of it.
fn book(dir: &Path, name: &str, accounts: usize, seed: u64) {
    generate(dir, accounts, 8.0, seed, "csv");
    fs::rename(dir.join("snapshot"), dir.join(name)).unwrap();
}

fn run(dir: &Path, name: &str, set: &[&str]) {
    let out = format!("{name}.run");
    let code = remargin(dir, &[&["run", name, "--quiet", "--out", &out, "--max-rejects", "100%"], set].concat());
    assert_eq!(code.code, Some(0), "{}", code.stderr);
}

#[test]
fn two_rule_sets_are_two_runs_column_by_column() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    book(dir, "book", 400, 3);
    // Half of the accounts choose no mode: the rules' default holds for them.
    edit(&dir.join("book/accounts.csv"), |text| {
        let blank = |(row, line): (usize, &str)| match line.split_once(',') {
            Some((id, _)) if row % 2 == 1 => format!("{id},\n"),
            _ => format!("{line}\n"),
        };
        text.lines().enumerate().map(blank).collect()
    });
    fs::write(dir.join("strict.toml"), "extends = \"okx-pm2-2025-01\"\nname = \"strict\"\nimr_multiplier = 2.5\n")
        .unwrap();
    mix(dir, "unhedged", &[("book", &["snapshot", "instruments", "marks", "indices", "positions", "balances"])]);
    for (number, (flags, snapshots, set_a, set_b)) in [
        (vec!["--b", "risk_unit=merged"], ["book", "book"], vec![], vec!["--set", "risk_unit=merged"]),
        (
            vec!["--set", "rate=0.02", "--a", "mr6.charge=0.4", "--b", "default_spot_offset=coin"],
            ["book", "book"],
            vec!["--set", "rate=0.02", "--set", "mr6.charge=0.4"],
            vec!["--set", "rate=0.02", "--set", "default_spot_offset=coin"],
        ),
        (
            vec!["--a", "spot_offset=none", "--b", "risk_unit=merged"],
            ["unhedged", "book"],
            vec!["--set", "default_spot_offset=none"],
            vec!["--set", "risk_unit=merged"],
        ),
        (
            vec!["--rules", "okx-pm2-2025-01", "--rules", "strict.toml"],
            ["book", "book"],
            vec![],
            vec!["--rules", "strict.toml"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let out = |what: &str| format!("{what}{number}");
        succeeds(dir, &[&["compare", "book", "--quiet", "--out", &out("c")], &flags[..]].concat());
        succeeds(dir, &[&["run", snapshots[0], "--quiet", "--out", &out("a")], &set_a[..]].concat());
        succeeds(dir, &[&["run", snapshots[1], "--quiet", "--out", &out("b")], &set_b[..]].concat());
        let (a, b) = (accounts(&dir.join(out("a"))), accounts(&dir.join(out("b"))));
        let found = changes(&dir.join(out("c")));
        assert!(found.keys().eq(a.keys()) && found.keys().eq(b.keys()), "{flags:?}");
        assert_sides(&found, &a, &b);
        assert!(found.values().any(|row| row["mmr_change"] != "0.0" || row["imr_change"] != "0.0"), "{flags:?}");
        assert_summary(&dir.join(out("c")), &found);
        assert_units(dir, &out("c"), &[out("a"), out("b")]);
    }
    let summary = json(&dir.join("c3/summary.json"));
    let keys: Vec<&str> =
        summary["parameters"].as_array().unwrap().iter().map(|p| p["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["name", "imr_multiplier"]);
    assert_eq!(json(&dir.join("c2/summary.json"))["a"]["spot_offset"], "none");
}

/// Counts, totals and migration are those of the rows.
#[track_caller]
fn assert_summary(out: &Path, changes: &BTreeMap<String, Row>) {
    let summary = json(&out.join("summary.json"));
    let counted = |column: &str| changes.values().filter(|row| row[column] == "true").count();
    assert_eq!(summary["breaches"]["newly_liquidation"], counted("newly_liquidation"));
    assert_eq!(summary["breaches"]["newly_im_deficit"], counted("newly_im_deficit"));
    for total in summary["totals"].as_array().unwrap() {
        for side in ["a", "b"] {
            let column = format!("{}_{side}", total["figure"].as_str().unwrap());
            let sum: f64 = changes.values().map(|row| number_or_zero(row, &column)).sum();
            let found = total[side].as_f64().unwrap();
            assert!((found - sum).abs() <= 1e-9 * sum.abs().max(1.0), "{column}: {found} {sum}");
        }
    }
    let mut expected: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in changes.values() {
        *expected.entry((row["status_a"].clone(), row["status_b"].clone())).or_default() += 1;
    }
    let migration = rows(&out.join("migration.parquet"));
    let found = migration
        .iter()
        .map(|row| ((row["status_a"].clone(), row["status_b"].clone()), row["accounts"].parse::<usize>().unwrap()));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    let breaches = rows(&out.join("breaches.parquet"));
    let is_new = |row: &&Row| row["newly_liquidation"] == "true" || row["newly_im_deficit"] == "true";
    assert_eq!(breaches.len(), changes.values().filter(is_new).count());
    for breach in &breaches {
        let row = &changes[&breach["account_id"]];
        let graver = if row["newly_liquidation"] == "true" { "liquidation" } else { "im_deficit" };
        assert_eq!((breach["breach"].as_str(), &breach["status_b"]), (graver, &row["status_b"]));
    }
    let mut by_change: Vec<(f64, &str)> =
        changes.iter().map(|(id, row)| (number(row, "mmr_change"), id.as_str())).collect();
    for (by, sign) in [("mmr_rise", 1.0), ("mmr_fall", -1.0)] {
        by_change.sort_by(|x, y| (y.0 * sign).total_cmp(&(x.0 * sign)).then(x.1.cmp(y.1)));
        let expected: Vec<&str> =
            by_change.iter().filter(|(change, _)| change * sign > 0.0).take(10).map(|(_, id)| *id).collect();
        let largest = rows(&out.join("largest.parquet"));
        let found: Vec<&str> =
            largest.iter().filter(|row| row["by"] == by).map(|row| row["account_id"].as_str()).collect();
        assert_eq!(found, expected, "{by}");
    }
}

/// Sums by risk unit, by base currency where one side is merged.
#[track_caller]
fn assert_units(dir: &Path, out: &str, runs: &[String; 2]) {
    let found: BTreeMap<String, Row> = rows(&dir.join(out).join("unit_changes.parquet"))
        .into_iter()
        .map(|row| (row["risk_unit"].clone(), row))
        .collect();
    let units = runs.each_ref().map(|run| rows(&dir.join(run).join("risk_units.parquet")));
    let is_merged = units.each_ref().map(|rows| rows.iter().all(|row| !row["risk_unit"].contains('-')));
    let by_base = is_merged[0] != is_merged[1];
    for (side, rows) in ["a", "b"].into_iter().zip(&units) {
        let mut sums: BTreeMap<String, (f64, f64, std::collections::BTreeSet<&str>)> = BTreeMap::new();
        for row in rows {
            let name = if by_base { row["risk_unit"].split('-').next().unwrap() } else { &row["risk_unit"] };
            let entry = sums.entry(name.to_owned()).or_default();
            entry.0 += number(row, "mmr");
            entry.1 += number(row, "mr7");
            entry.2.insert(&row["account_id"]);
        }
        for (name, (mmr, mr7, accounts)) in &sums {
            let row = &found[name];
            assert_eq!(row[&format!("accounts_{side}")], accounts.len().to_string(), "{name} {side}");
            for (part, sum) in [("mmr", mmr), ("mr7", mr7)] {
                let found = number(row, &format!("{part}_{side}"));
                assert!((found - sum).abs() <= 1e-9 * sum.max(1.0), "{name} {part}_{side}: {found} {sum}");
            }
        }
        assert!(
            found
                .values()
                .all(|row| { sums.contains_key(&row["risk_unit"]) || row[&format!("accounts_{side}")] == "0" })
        );
    }
}

#[test]
fn causes_are_differences_of_runs_on_mixed_snapshots() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    for (accounts, seeds, set_b) in [(250, [5, 6], "mr4.floor.major=0.03"), (250, [7, 8], "risk_unit=merged")] {
        let name = |side: &str| format!("{side}{}", seeds[0]);
        let (a, b) = (name("a"), name("b"));
        book(dir, &a, accounts, seeds[0]);
        book(dir, &b, accounts, seeds[1]);
        // Fifty minutes later; the nearest expiry is hours away.
        edit(&dir.join(&b).join("snapshot.toml"), |text| text.replace("T12:00:00Z", "T12:50:00Z"));
        run(dir, &a, &[]);
        run(dir, &b, &["--set", set_b]);
        let out = name("out");
        let runs = [format!("{a}.run"), format!("{b}.run")];
        succeeds(dir, &["compare", &runs[0], &runs[1], "--quiet", "--out", &out]);
        let found = changes(&dir.join(&out));
        assert_sides(&found, &accounts_of(dir, &a), &accounts_of(dir, &b));
        assert_adds_up(&found);
        assert_summary(&dir.join(&out), &found);
        assert_units(dir, &out, &runs);

        // The same walk by hand: each state is a snapshot of its own.
        let rows_of = ["positions", "balances", "accounts"];
        mix(dir, &name("s1"), &[(&b, &rows_of), (&a, &["snapshot", "instruments", "marks", "indices"])]);
        mix(
            dir,
            &name("s2"),
            &[(&b, &["positions", "balances", "accounts", "instruments", "indices"]), (&a, &["snapshot"])],
        );
        let vols = fs::read_to_string(dir.join(&a).join("marks.csv")).unwrap();
        let vols: BTreeMap<String, String> = vols
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>())
            .map(|cells| (cells[0].to_owned(), cells[2].to_owned()))
            .collect();
        let marks = fs::read_to_string(dir.join(&b).join("marks.csv")).unwrap();
        let mut mixed = String::new();
        for line in marks.lines() {
            let cells: Vec<&str> = line.split(',').collect();
            writeln!(mixed, "{},{},{},{}", cells[0], cells[1], vols[cells[0]], cells[3]).unwrap();
        }
        fs::write(dir.join(name("s2")).join("marks.csv"), mixed).unwrap();
        mix(dir, &name("s3"), &[(&b, &TABLES), (&a, &["snapshot"])]);
        mix(dir, &name("s4"), &[(&b, &TABLES), (&b, &["snapshot"])]);
        let mut states = vec![accounts_of(dir, &a)];
        for state in ["s1", "s2", "s3", "s4"] {
            run(dir, &name(state), &[]);
            states.push(accounts_of(dir, &name(state)));
        }
        states.push(accounts_of(dir, &b));
        let mut moved = [0; 5];
        for (id, row) in &found {
            let scale = states.iter().map(|state| number(&state[id], "mmr")).fold(1.0, f64::max);
            for (place, cause) in CAUSES.iter().enumerate() {
                let expected = number(&states[place + 1][id], "mmr") - number(&states[place][id], "mmr");
                let found = number(row, &format!("mmr_{cause}"));
                assert!((found - expected).abs() <= 1e-12 * scale, "{id} {cause}: {found} {expected}");
                moved[place] += usize::from(expected != 0.0);
            }
        }
        assert!(moved.iter().all(|&accounts| accounts > 20), "{moved:?}");

        // Units: the causes add up there as well, and to the accounts' sums of the derivatives' part.
        for row in rows(&dir.join(&out).join("unit_changes.parquet")) {
            let sum = CAUSES.iter().fold(0.0, |sum, cause| sum + number(&row, &format!("mmr_{cause}")));
            assert!((sum - number(&row, "mmr_change")).abs() <= 1e-9 * number(&row, "mmr_a").max(1.0), "{row:?}");
        }
    }
}

fn accounts_of(dir: &Path, name: &str) -> BTreeMap<String, Row> {
    accounts(&dir.join(format!("{name}.run")))
}

/// What makes B of A.
type Edit = fn(&Path);

#[test]
fn one_cause_takes_all() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    book(dir, "a", 150, 21);
    run(dir, "a", &[]);
    let nothing: Edit = |_| {};
    for (name, cause, change, set) in [
        ("same", None, nothing, vec![]),
        (
            "balances",
            Some("positions"),
            (|b| edit_column(&b.join("balances.csv"), "cash", |row, cash| cash * (row % 3) as f64)) as Edit,
            vec![],
        ),
        (
            "modes",
            Some("positions"),
            |b| edit(&b.join("accounts.csv"), |text| text.replace(",usdt", ",none").replace(",coin", ",usdt")),
            vec![],
        ),
        (
            "indices",
            Some("prices"),
            |b| edit_column(&b.join("indices.csv"), "px", |row, px| px * (0.97 + 0.01 * (row % 7) as f64)),
            vec![],
        ),
        (
            "forwards",
            Some("prices"),
            |b| edit_column(&b.join("marks.csv"), "fwd_px", |row, px| px * (0.97 + 0.01 * (row % 7) as f64)),
            vec![],
        ),
        ("vols", Some("vols"), |b| edit_column(&b.join("marks.csv"), "mark_vol", |_, vol| vol * 1.5), vec![]),
        (
            "time",
            Some("time"),
            |b| edit(&b.join("snapshot.toml"), |text| text.replace("T12:00:00Z", "T13:30:00Z")),
            vec![],
        ),
        ("rules", Some("parameters"), nothing, vec!["--set", "mr1.vol_floor=0.2", "--set", "mr4.floor.major=0.05"]),
        ("default", Some("parameters"), nothing, vec!["--set", "default_spot_offset=none"]),
    ] {
        let b = format!("b-{name}");
        mix(dir, &b, &[("a", &TABLES), ("a", &["snapshot"])]);
        let from = if name == "default" {
            // Nobody chose a mode on either side.
            for (side, snapshot) in [("d", "a"), (b.as_str(), "a")] {
                mix(dir, side, &[(snapshot, &TABLES), (snapshot, &["snapshot"])]);
                fs::remove_file(dir.join(side).join("accounts.csv")).unwrap();
            }
            run(dir, "d", &[]);
            "d.run"
        } else {
            "a.run"
        };
        change(&dir.join(&b));
        run(dir, &b, &set);
        let out = format!("out-{name}");
        succeeds(dir, &["compare", from, &format!("{b}.run"), "--quiet", "--out", &out]);
        let found = changes(&dir.join(&out));
        assert_eq!(found.len(), 150);
        for row in found.values() {
            for other in CAUSES {
                let expected = if Some(other) == cause { number(row, "mmr_change") } else { 0.0 };
                assert_eq!(number(row, &format!("mmr_{other}")), expected, "{name}: {row:?}");
            }
            let main = if row["mmr_change"] == "0.0" { "" } else { cause.unwrap_or("") };
            assert_eq!(row["mmr_main_cause"], main, "{name}");
        }
        let moved = found.values().filter(|row| row["mmr_change"] != "0.0").count();
        assert_eq!(moved > 5, cause.is_some(), "{name}: {moved} accounts");
        let summary = json(&dir.join(&out).join("summary.json"));
        if cause.is_none() {
            assert_eq!(summary["breaches"]["newly_liquidation"], 0);
            assert_eq!(summary["largest_rises"].as_array().unwrap().len(), 0);
            let migration = rows(&dir.join(&out).join("migration.parquet"));
            assert!(migration.iter().all(|row| row["status_a"] == row["status_b"]));
        }
        for breach in rows(&dir.join(&out).join("breaches.parquet")) {
            assert_eq!(Some(breach["main_cause"].as_str()), cause, "{name}: {breach:?}");
            assert!(number(&breach, "main_cause_usd") < 0.0, "{name}: {breach:?}");
        }
    }
}
