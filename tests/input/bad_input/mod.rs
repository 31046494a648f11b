//! Bad input from end to end: the message, the exit code, the files, and what becomes of everybody else.

mod cases;

use crate::common::e2e::{Outcome, Row, TABLES, entries, files, json, remargin, rows};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use cases::{BROKEN_ROWS, BROKEN_TABLES};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Carry (`a1`), coin-margined (`a2`), an option (`a3`), no hedging (`a4`), in liquidation (`a5`), coins only (`a6`).
const SNAPSHOT: [(&str, &str); 7] = [
    ("snapshot.toml", "as_of = 2026-01-15T08:00:00Z\nversion = 1\n"),
    (
        "instruments.csv",
        "inst_id,inst_type,uly,settle_ccy,ct_type,ct_val,ct_mult,expiry,strike,opt_type
BTC-USDT-SWAP,SWAP,BTC-USDT,USDT,linear,0.01,1,,,
BTC-USD-SWAP,SWAP,BTC-USD,BTC,inverse,100,1,,,
ETH-USDC-SWAP,SWAP,ETH-USDC,USDC,linear,0.1,1,,,
BTC-USD-260327-90000-C,OPTION,BTC-USD,BTC,inverse,1,0.01,2026-03-27T08:00:00Z,90000,C
BTC-USDT-260327,FUTURES,BTC-USDT,USDT,linear,0.01,1,2026-03-27T08:00:00Z,,
BTC-USD-260115,FUTURES,BTC-USD,BTC,inverse,100,1,2026-01-15T08:00:00Z,,
SOL-USDT-SWAP,SWAP,SOL-USDT,USDT,linear,1,1,,,
",
    ),
    (
        "marks.csv",
        "inst_id,mark_px,mark_vol,fwd_px
BTC-USDT-SWAP,90000.5,,
BTC-USD-SWAP,90010,,
ETH-USDC-SWAP,3001,,
BTC-USD-260327-90000-C,0.0525,0.55,90500
BTC-USDT-260327,90600,,
",
    ),
    (
        "indices.csv",
        "index_id,px
BTC-USDT,90001
BTC-USD,90005
ETH-USDC,3000
ETH-USD,3000.5
XRP-USDT,2
USDC-USD,1
USDT-USD,0.9998
",
    ),
    (
        "positions.csv",
        "account_id,inst_id,qty,avg_px
a1,BTC-USDT-SWAP,-50,91000
a2,BTC-USD-SWAP,300,88000
a3,BTC-USD-260327-90000-C,-20,0.06
a3,BTC-USDT-SWAP,10,90500
a4,ETH-USDC-SWAP,40,2950
a5,BTC-USDT-260327,100,99000
",
    ),
    (
        "balances.csv",
        "account_id,ccy,cash,interest,spot_in_use_cap
a1,BTC,0.5,,0.4
a1,USDT,5000,1.5,
a2,BTC,0.2,,
a3,BTC,1,,
a3,USDT,3000,,
a4,USDC,4000,,
a4,XRP,100,,
a5,USDT,12000,,
a6,ETH,2,,
",
    ),
    ("accounts.csv", "account_id,spot_offset\na1,usdt\na2,coin\na4,none\n"),
];

const ALL: [&str; 6] = ["a1", "a2", "a3", "a4", "a5", "a6"];

/// A folder that holds `snapshot`, changed, and nothing else.
fn place(edits: &[Edit]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let snapshot = place.path().join("snapshot");
    fs::create_dir(&snapshot).unwrap();
    for (name, text) in SNAPSHOT {
        fs::write(snapshot.join(name), text).unwrap();
    }
    for edit in edits {
        edit.apply(&snapshot);
    }
    place
}

/// One change of the snapshot.
#[derive(Clone, Copy)]
enum Edit {
    /// In a file, the one place that holds a text gets another.
    Replace(&'static str, &'static str, &'static str),
    /// A file with this text, new or in place of the old one.
    Write(&'static str, &'static str),
    Remove(&'static str),
    Do(fn(&Path)),
}

use Edit::{Do, Remove, Replace, Write};

impl Edit {
    fn apply(self, snapshot: &Path) {
        match self {
            Replace(file, from, to) => {
                let path = snapshot.join(file);
                let text = fs::read_to_string(&path).unwrap();
                assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}");
                fs::write(path, text.replacen(from, to, 1)).unwrap();
            }
            Write(file, text) => fs::write(snapshot.join(file), text).unwrap(),
            Remove(file) => fs::remove_file(snapshot.join(file)).unwrap(),
            Do(edit) => edit(snapshot),
        }
    }
}

fn run(place: &TempDir, flags: &[&str]) -> Outcome {
    remargin(place.path(), &[&["run", "snapshot", "--out", "out"], flags].concat())
}

fn assert_says(outcome: &Outcome, says: &[&str]) {
    for part in says {
        assert!(outcome.stderr.contains(part), "`{part}` in:\n{}", outcome.stderr);
    }
}

/// Rows of a table by account, bit by bit.
fn by_account(out: &Path, table: &str) -> BTreeMap<String, Vec<Row>> {
    let mut found: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows(&out.join(table)) {
        found.entry(row["account_id"].clone()).or_default().push(row);
    }
    found
}

/// The clean run.
struct Clean {
    accounts: BTreeMap<String, Vec<Row>>,
    risk_units: BTreeMap<String, Vec<Row>>,
}

fn clean() -> Clean {
    let place = place(&[]);
    let outcome = run(&place, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let out = place.path().join("out");
    let clean =
        Clean { accounts: by_account(&out, "accounts.parquet"), risk_units: by_account(&out, "risk_units.parquet") };
    assert!(clean.accounts.keys().eq(&ALL), "{:?}", clean.accounts.keys());
    assert!(clean.risk_units.keys().eq(&ALL[..5]), "{:?}", clean.risk_units.keys());
    assert_reconciled(&place, &[]);
    clean
}

/// A row that a case breaks: table, row, account, reason, column, value.
type Broken = (&'static str, usize, &'static str, &'static str, &'static str, &'static str);

/// The data rows of a CSV table: their accounts, where they have one.
fn accounts_of(place: &TempDir, table: &str) -> Vec<Option<String>> {
    let text = fs::read_to_string(place.path().join(format!("snapshot/{table}.csv"))).unwrap();
    let of_book = ["positions", "balances", "accounts", "orders"].contains(&table);
    let account = |line: &str| line.split(',').next().filter(|id| of_book && !id.is_empty()).map(str::to_owned);
    text.lines().skip(1).map(account).collect()
}

/// Checks `rejects.parquet` and `summary.json` against the input and the rows that are broken: the whole content of
/// the one, every count of the other.
fn assert_reconciled(place: &TempDir, broken: &[Broken]) {
    let summary = json(&place.path().join("out/summary.json"));
    let left_out: BTreeSet<&str> = broken.iter().map(|row| row.2).filter(|account| !account.is_empty()).collect();
    let mut expected = Vec::new();
    let mut counts = Vec::new();
    let has_orders = place.path().join("snapshot/orders.csv").exists();
    for table in TABLES.into_iter().chain(has_orders.then_some("orders")) {
        let accounts = accounts_of(place, table);
        let (mut rows_broken, mut rows_left_out) = (0, 0);
        for (row, account) in (1..).zip(&accounts) {
            let account = account.as_deref().unwrap_or_default();
            let (reason, column, value) = match broken.iter().find(|broken| (broken.0, broken.1) == (table, row)) {
                Some(&(_, _, of, reason, column, value)) => {
                    assert_eq!(of, account, "account of {table} row {row}");
                    rows_broken += 1;
                    (reason, column, value)
                }
                None if left_out.contains(account) => {
                    rows_left_out += 1;
                    ("account_unmargined", "account_id", account)
                }
                None => continue,
            };
            expected.push([table, &row.to_string(), account, reason, column, value].map(str::to_owned));
        }
        let (rows_in, rejected) = (accounts.len(), rows_broken + rows_left_out);
        counts.push(serde_json::json!({
            "table": table, "rows_in": rows_in, "rows_used": rows_in - rejected, "rows_rejected": rejected,
            "rows_broken": rows_broken, "rows_left_out": rows_left_out,
        }));
    }
    let columns = ["table", "row", "account_id", "reason", "column", "value"];
    let found = rows(&place.path().join("out/rejects.parquet"));
    let mut found: Vec<_> = found.iter().map(|row| columns.map(|column| row[column].clone())).collect();
    // The fault of a price stands behind the name of the instrument.
    for [table, _, _, _, column, value] in &mut found {
        let is_price = ["mark_px", "mark_vol", "fwd_px", "px"].contains(&column.as_str());
        if table.as_str() == "positions" && is_price {
            *value = value.split_once(": ").map_or_else(String::new, |(_, fault)| fault.to_owned());
        }
    }
    // A sound row names the broken row of its account that is to blame.
    for [_, _, account, reason, _, value] in &mut found {
        let is_to_blame =
            |row: &&Broken| row.2 == account.as_str() && value.starts_with(&format!("{} row {}: ", row.0, row.1));
        if reason.as_str() == "account_unmargined" && broken.iter().any(|row| is_to_blame(&row)) {
            value.clone_from(account);
        }
    }
    assert_eq!(found, expected);
    assert_eq!(summary["tables"], Value::from(counts), "{summary}");
    assert_eq!(summary["rejects"]["rows"], expected.len());
    assert_eq!(summary["rejects"]["broken"], broken.len());
    let mut by_reason: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &expected {
        *by_reason.entry(&row[3]).or_default() += 1;
    }
    assert_eq!(summary["rejects"]["by_reason"], serde_json::json!(by_reason));

    let unmargined: Vec<Value> = left_out
        .iter()
        .map(|account| {
            let mut of_account = broken.iter().filter(|row| row.2 == *account);
            let (count, reason) = (of_account.clone().count(), of_account.next().unwrap().3);
            serde_json::json!({ "account_id": account, "reason": reason, "broken_rows": count })
        })
        .collect();
    assert_eq!(summary["unmargined"], Value::from(unmargined), "{summary}");
    assert_eq!(summary["accounts"]["unmargined"], left_out.len());
    assert_eq!(summary["accounts"]["margined"], ALL.len() - left_out.len());
}

/// Everybody else's rows are those of the clean run, bit for bit.
fn assert_others_unchanged(place: &TempDir, clean: &Clean, broken: &[Broken]) {
    for (table, expected) in [("accounts.parquet", &clean.accounts), ("risk_units.parquet", &clean.risk_units)] {
        let mut expected = expected.clone();
        expected.retain(|account, _| !broken.iter().any(|row| row.2 == account));
        assert_eq!(by_account(&place.path().join("out"), table), expected, "{table}");
    }
}

#[test]
fn a_broken_row_leaves_its_account_out_and_nobody_else() {
    let clean = clean();
    for (edits, broken) in BROKEN_ROWS {
        let place = place(edits);
        println!("case {:?}", broken[0]);
        let outcome = run(&place, &[]);
        assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
        assert_says(&outcome, &["--max-rejects", "rejects", "out"]);
        assert_reconciled(&place, broken);
        assert_others_unchanged(&place, &clean, broken);
        let check = remargin(place.path(), &["check", "snapshot"]);
        assert_eq!(check.code, Some(4), "{}", check.stderr);
        assert!(check.stderr.contains("broken, more than `--max-rejects` allows"), "{}", check.stderr);
        assert!(check.stdout.contains(broken[0].3), "{}", check.stdout);
        assert_eq!(entries(place.path()), ["out", "snapshot"]);
    }
}

#[test]
fn a_price_that_nobody_needs_is_only_counted() {
    let clean = clean();
    for (edits, gaps) in [
        (&[] as &[Edit], 1), // SOL-USDT-SWAP has neither mark nor index.
        (&[Replace("marks.csv", "BTC-USDT-260327,90600", "SOL-USDT-SWAP,NaN,,\nBTC-USDT-260327,90600")], 1),
        (&[Replace("indices.csv", "USDT-USD,", "SOL-USDT,nan\nUSDT-USD,")], 2),
        (&[Replace("indices.csv", "USDT-USD,", "PEPE-USDT,0\nUSDT-USD,")], 2),
    ] {
        let place = place(edits);
        let outcome = run(&place, &[]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert_reconciled(&place, &[]);
        assert_others_unchanged(&place, &clean, &[]);
        assert_eq!(json(&place.path().join("out/summary.json"))["unused_price_gaps"], gaps);
    }
}

#[test]
fn max_rejects_allows_a_number_or_a_share_of_the_rows() {
    // Two broken rows of 37; the sound row of `a3` that goes with them does not count.
    let edits = [Replace("positions.csv", ",0.06", ",0"), Replace("balances.csv", "a6,ETH,2", "a6,ETH,x")];
    let broken: [Broken; 2] = [
        ("positions", 3, "a3", "non_positive_avg_px", "avg_px", "0"),
        ("balances", 9, "a6", "invalid_cash", "cash", "x"),
    ];
    let clean = clean();
    let rows_in: usize = TABLES.iter().map(|table| accounts_of(&place(&[]), table).len()).sum();
    assert_eq!(rows_in, 37);
    for (limit, code) in [("0", 4), ("1", 4), ("2", 0), ("3", 0), ("0%", 4), ("5%", 4), ("5.5%", 0), ("100%", 0)] {
        let place = place(&edits);
        let outcome = run(&place, &["--max-rejects", limit]);
        assert_eq!(outcome.code, Some(code), "{limit}: {}", outcome.stderr);
        assert_reconciled(&place, &broken);
        assert_others_unchanged(&place, &clean, &broken);
        let check = remargin(place.path(), &["check", "snapshot", "--max-rejects", limit]);
        assert_eq!(check.code, Some(code), "{limit}: {}", check.stderr);
    }
}

/// Writes `positions` as Parquet, quantities in a type that is too narrow for money.
fn narrow_quantities(snapshot: &Path) {
    let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let number = |values: [f32; 2]| Arc::new(Float32Array::from(values.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("account_id", text(["a1", "a2"])),
        ("inst_id", text(["BTC-USDT-SWAP", "BTC-USD-SWAP"])),
        ("qty", number([1.0, 2.0])),
        ("avg_px", text(["91000", "88000"])),
    ])
    .unwrap();
    fs::remove_file(snapshot.join("positions.csv")).unwrap();
    let file = File::create(snapshot.join("positions.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn truncated_parquet(snapshot: &Path) {
    narrow_quantities(snapshot);
    let file = snapshot.join("positions.parquet");
    let bytes = fs::read(&file).unwrap();
    fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
}

fn garbage_arrow(snapshot: &Path) {
    fs::remove_file(snapshot.join("balances.csv")).unwrap();
    fs::write(snapshot.join("balances.arrow"), b"ARROW1\0\0 and then nothing of the kind").unwrap();
}

#[test]
fn a_broken_table_ends_the_run_and_leaves_nothing() {
    for (edits, says) in BROKEN_TABLES {
        let place = place(edits);
        println!("case {says:?}");
        for command in [&["run", "snapshot", "--out", "out"] as &[&str], &["check", "snapshot"]] {
            let outcome = remargin(place.path(), command);
            assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
            assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
            assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
            assert_says(&outcome, says);
            assert_eq!(entries(place.path()), ["snapshot"], "nothing is left behind");
        }
    }
}

#[test]
fn an_empty_table_of_orders_changes_nothing() {
    let clean = clean();
    let place = place(&[Write("orders.csv", "account_id,inst_id,side,qty,px\n")]);
    assert_eq!(run(&place, &[]).code, Some(0));
    assert_others_unchanged(&place, &clean, &[]);
    assert_reconciled(&place, &[]);
}

#[test]
fn a_snapshot_from_before_the_rules_needs_a_word() {
    let place = place(&[Replace("snapshot.toml", "2026-01-15", "2024-06-30")]);
    let explain = ["explain", "snapshot", "--account", "a1"];
    for command in [&["run", "snapshot", "--out", "out"] as &[&str], &["check", "snapshot"], &explain] {
        let outcome = remargin(place.path(), command);
        assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
        assert_says(&outcome, &["okx-pm2-2025-01", "`as_of`", "2024-06-30", "expected: 2025-01", "--allow-rules-date"]);
        assert_eq!(entries(place.path()), ["snapshot"]);
    }
    // The option's price is that of January 2026.
    let outcome = run(&place, &["--allow-rules-date", "--mark-check", "off"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_reconciled(&place, &[]);
}

#[test]
fn rules_that_cannot_hold_end_the_run() {
    for (text, flags, code, says) in [
        ("", &["--set", "mr4.flor.major=0.01"] as &[&str], 3, &["mr4.flor"] as &[&str]),
        ("", &["--set", "mr4.floor.major=lots"], 3, &["mr4.floor.major", "lots"]),
        ("", &["--set", "risk_unit=both"], 3, &["risk_unit", "both", "separate", "merged"]),
        ("", &["--set", "rate"], 3, &["rate", "key=value"]),
        (
            "extends = \"okx-pm2-2025-01\"\n[mr6]\nchage = 0.5\n",
            &["--rules", "rules.toml"],
            3,
            &["rules.toml", "chage"],
        ),
        ("[mr6\ncharge = 0.5\n", &["--rules", "rules.toml"], 3, &["rules.toml", "TOML"]),
        (
            "extends = \"okx-pm2-2025-01\"\n[discount]\nBTC = [[20, 0.9], [10, 0.8], [\"inf\", 0]]\n",
            &["--rules", "rules.toml"],
            3,
            &["rules.toml", "discount", "BTC"],
        ),
        ("", &["--rules", "no-such.toml"], 3, &["no-such.toml"]),
    ] {
        let place = place(&[]);
        fs::write(place.path().join("rules.toml"), text).unwrap();
        let outcome = run(&place, flags);
        assert_eq!(outcome.code, Some(code), "{flags:?}: {}", outcome.stderr);
        assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
        assert_says(&outcome, says);
        assert_eq!(entries(place.path()), ["rules.toml", "snapshot"], "{flags:?}");
    }
}

#[test]
fn an_existing_folder_is_replaced_only_by_force_and_only_by_a_whole_run() {
    let place = place(&[]);
    assert_eq!(run(&place, &["--set", "imr_multiplier=2"]).code, Some(0));
    let out = place.path().join("out");
    let before = files(&out);

    let outcome = run(&place, &[]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert_says(&outcome, &["`out` exists", "--force"]);
    assert_eq!(files(&out), before, "refused: nothing changes");

    // Forced, but the run fails: the old folder stays.
    let marks = place.path().join("snapshot/marks.csv");
    let text = fs::read_to_string(&marks).unwrap();
    fs::remove_file(&marks).unwrap();
    assert_eq!(run(&place, &["--force"]).code, Some(3));
    assert_eq!(files(&out), before, "failed: nothing changes");
    fs::write(&marks, text).unwrap();

    assert_eq!(run(&place, &["--force"]).code, Some(0));
    assert_ne!(files(&out)["accounts.parquet"], before["accounts.parquet"]);
    assert_eq!(entries(place.path()), ["out", "snapshot"]);

    // What is no run is not replaced at all.
    let thesis = place.path().join("thesis");
    fs::create_dir(&thesis).unwrap();
    fs::write(thesis.join("chapter-1.txt"), "x").unwrap();
    let outcome = remargin(place.path(), &["run", "snapshot", "--out", "thesis", "--force"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert_eq!(entries(&thesis), ["chapter-1.txt"]);
}

#[test]
fn accounts_in_liquidation_fail_the_run_only_if_asked() {
    let place = place(&[]);
    let outcome = run(&place, &["--fail-on", "liquidation"]);
    assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
    assert_says(&outcome, &["in `liquidation`: 1"]);
    assert_reconciled(&place, &[]);
    let worst = rows(&place.path().join("out/at_risk.parquet"));
    assert_eq!((worst[0]["account_id"].as_str(), worst[0]["status"].as_str()), ("a5", "liquidation"));

    // More rejects than allowed weigh more; without the account nothing fails.
    for (flags, code) in
        [(&["--fail-on", "liquidation"] as &[&str], 4), (&["--fail-on", "liquidation", "--max-rejects", "1"], 0)]
    {
        let place = self::place(&[Replace("positions.csv", ",99000", ",0")]);
        let outcome = run(&place, flags);
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
    }
}
