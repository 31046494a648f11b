//! Folders of tables: logs, partitions, empty tables, names that are nearly right.

use super::{Place, Text};
use arrow_array::{RecordBatch, UInt64Array};
use arrow_select::take::take_record_batch;
use remargin::progress::Silent;
use remargin::snapshot::Expectations;
use std::collections::BTreeMap;
use std::fs;

#[test]
fn tables_with_a_log_are_refused_with_a_way_out() {
    let batch = Text::of("positions").batch();
    for (what, marker, words) in [
        ("Delta", "positions/_delta_log/00000000000000000000.json", ["Delta", "deltalake", "plain Parquet"]),
        ("Hudi", "positions/.hoodie/hoodie.properties", ["Hudi", "DuckDB", "plain Parquet"]),
        ("Iceberg", "positions/metadata/v1.metadata.json", ["Iceberg", "pyiceberg", "plain Parquet"]),
        ("Databricks", "positions/_committed_4711", ["commits", "Spark", "plain Parquet"]),
        ("unfinished", "positions/_temporary/0/part", ["being written", "_temporary", "finished"]),
    ] {
        let place = Place::without(&["positions"]);
        place.write_parquet("positions/part-0.parquet", &batch);
        place.write_parquet("positions/part-1.parquet", &batch);
        place.write(marker, "{}");
        place.assert_refused(what, &words);
    }
    let place = Place::without(&["positions"]);
    place.write_parquet("positions/part-0.parquet", &batch);
    place.write("positions/_SUCCESS", "");
    assert_eq!(place.assert_clean("finished"), [""; 0]);
}

/// The rows of a batch by the text of a column, which is left away.
fn partitioned(text: &Text, column: &str) -> BTreeMap<String, RecordBatch> {
    let place = text.place(column);
    let mut rows: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (number, row) in text.rows.iter().enumerate() {
        rows.entry(row[place].clone()).or_default().push(number as u64);
    }
    let batch = text.batch();
    let others: Vec<usize> = (0..text.names.len()).filter(|other| *other != place).collect();
    let take = |rows: Vec<u64>| take_record_batch(&batch, &UInt64Array::from(rows)).unwrap().project(&others).unwrap();
    rows.into_iter().map(|(value, rows)| (value, take(rows))).collect()
}

#[test]
fn partitioned_folders_are_read_with_their_columns() {
    // A column that is not read.
    let place = Place::without(&["positions"]);
    place.write_parquet("positions/date=2026-01-15/part-0.parquet", &Text::of("positions").batch());
    assert_eq!(place.assert_clean("date"), ["unused_columns"]);

    // Two dates are two books, which would be added up.
    place.write_parquet("positions/date=2026-01-16/part-0.parquet", &Text::of("positions").batch());
    place.assert_refused("two dates", &["several dates", "date", "2026-01-15, 2026-01-16"]);

    // Columns that are read: null, percent-encoded, numbers among them.
    for (table, column) in
        [("instruments", "ct_type"), ("instruments", "uly"), ("balances", "ccy"), ("marks", "fwd_px")]
    {
        let place = Place::without(&[table]);
        for (value, batch) in partitioned(&Text::of(table), column) {
            let value =
                if value.is_empty() { "__HIVE_DEFAULT_PARTITION__".to_owned() } else { value.replace('-', "%2D") };
            place.write_parquet(&format!("{table}/{column}={value}/part-0.parquet"), &batch);
        }
        assert_eq!(place.assert_clean(column), [""; 0], "{column}");
    }

    let place = Place::without(&["positions"]);
    place.write_parquet("positions/inst_id=BTC-USDT-SWAP/part-0.parquet", &Text::of("positions").batch());
    place.assert_refused("column twice", &["duplicate column", "inst_id"]);
}

#[test]
fn a_snapshot_without_positions_is_refused() {
    let positions = Text::of("positions");
    let none = Text { rows: Vec::new(), ..positions.clone() };
    let csv = Place::with("positions", "positions.csv", none.to_csv(",", "\n", ""));
    let parquet = Place::without(&["positions"]);
    parquet.write_parquet("positions.parquet", &none.batch());
    for place in [csv, parquet] {
        place.assert_refused("no rows", &["positions", "no rows", "--allow-empty"]);
        let allowed = Expectations { allow_empty: true, ..Expectations::NONE };
        assert_eq!(place.load_expecting(&allowed).unwrap().book.len(), 300);
    }
    Place::with("positions", "positions.csv", "").assert_refused("0 bytes", &["positions.csv"]);
    let parts = Place::without(&["positions"]);
    parts.write_parquet("positions/part-0.parquet", &none.batch());
    parts.write_parquet("positions/part-1.parquet", &positions.batch());
    assert_eq!(parts.assert_clean("an empty part"), [""; 0]);
    parts.write("positions/part-2.parquet", "");
    parts.assert_refused("an empty file", &["part-2.parquet", "too short"]);
}

#[test]
fn names_that_are_nearly_right_are_named() {
    let allowed = Expectations { allow_unknown: true, ..Expectations::NONE };
    let accounts = Text::of("accounts").to_csv(",", "\n", "");
    let place = Place::with("accounts", "account.csv", accounts);
    place.assert_refused("account.csv", &["account.csv", "`accounts`", "--allow-unknown"]);
    let snapshot = place.load_expecting(&allowed).unwrap();
    assert_eq!(snapshot.unused.files, [std::path::PathBuf::from("account.csv")]);

    let place = Place::without(&["positions"]);
    place.write("Positions.csv", Text::of("positions").to_csv(",", "\n", ""));
    place.assert_refused("capital", &["no table `positions`", "Positions.csv"]);

    let mut balances = Text::of("balances");
    let cap = balances.place("spot_in_use_cap");
    balances.names[cap] = "spot_in_use_capp".to_owned();
    let place = Place::with("balances", "balances.csv", balances.to_csv(",", "\n", ""));
    place.assert_refused("column", &["spot_in_use_capp", "`spot_in_use_cap`", "--allow-unknown"]);
    assert_eq!(place.load_expecting(&allowed).unwrap().unused.columns.len(), 1);

    let mut positions = Text::of("positions");
    positions.names.push("side".to_owned());
    for row in &mut positions.rows {
        row.push("long".to_owned());
    }
    let place = Place::with("positions", "positions.csv", positions.to_csv(",", "\n", ""));
    place.assert_refused("side", &["side", "sign of `qty`"]);

    positions.names[4] = "desk".to_owned();
    let place = Place::with("positions", "positions.csv", positions.to_csv(",", "\n", ""));
    place.write("notes.csv", "a\n");
    place.write("README.md", "a\n");
    place.write("positions.csv.bak", "a\n");
    assert_eq!(place.assert_clean("others"), ["unused_files", "unused_columns"]);
    let unused = place.load().unwrap().unused;
    let names: Vec<_> = unused.files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["notes.csv", "positions.csv.bak"]);
}

/// More words around the name of a table, and other names of columns whose absence counts as zero.
#[test]
fn names_that_mean_a_table_or_a_column_are_named() {
    let allowed = Expectations { allow_unknown: true, ..Expectations::NONE };
    let accounts = Text::of("accounts").to_csv(",", "\n", "");
    for file in ["accounts (1).csv", "accounts_v2.csv", "accounts_2026-01-15.csv"] {
        let place = Place::with("accounts", file, &accounts);
        place.assert_refused(file, &[file, "`accounts`", "--allow-unknown"]);
        assert_eq!(place.load_expecting(&allowed).unwrap().book.len(), 300, "{file}");
    }
    for file in ["pending_orders.csv", "positions (1).csv", "accounts_v2.csv"] {
        let place = Place::new();
        place.write(file, "account_id\n");
        place.assert_refused(file, &[file, "--allow-unknown"]);
    }
    for file in ["positions_2026-01-14.csv", "accounts_old.csv", "marks-backup.csv"] {
        let place = Place::new();
        place.write(file, "account_id\n");
        assert_eq!(place.assert_clean(file), ["unused_files"], "{file}");
    }
    for (table, was, name) in [
        ("balances", "interest", "accrued"),
        ("balances", "spot_in_use_cap", "spot_cap"),
        ("instruments", "lot_sz", "lot_size"),
    ] {
        let mut text = Text::of(table);
        let place = text.place(was);
        text.names[place] = name.to_owned();
        let place = Place::with(table, &format!("{table}.csv"), text.to_csv(",", "\n", ""));
        place.assert_refused(name, &[name, &format!("`{was}`"), "--allow-unknown"]);
        assert_eq!(place.load_expecting(&allowed).unwrap().unused.columns.len(), 1, "{name}");
    }
}

/// A part that was copied would double the book.
#[test]
fn a_part_that_is_there_twice_is_refused() {
    let batch = Text::of("positions").batch();
    let place = Place::without(&["positions"]);
    let (first, second) = (batch.slice(0, 100), batch.slice(100, batch.num_rows() - 100));
    place.write_parquet("positions/part-0.parquet", &first);
    place.write_parquet("positions/part-1.parquet", &second);
    // Parts without rows are alike, and harmless.
    place.write_parquet("positions/part-2.parquet", &first.slice(0, 0));
    place.write_parquet("positions/part-3.parquet", &first.slice(0, 0));
    assert_eq!(place.assert_clean("parts"), [""; 0]);
    place.write_parquet("positions/part-4.parquet", &first);
    place
        .assert_refused("a copy", &["two parts of table `positions` are the same", "part-4.parquet", "part-0.parquet"]);
    let outcome = crate::common::e2e::remargin(place.dir(), &["run", ".", "--out", "out"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(!place.dir().join("out").exists());
}

#[test]
fn check_lists_what_is_not_read_and_a_run_counts_it() {
    let place = Place::new();
    place.write("notes.csv", "a\n");
    let check = crate::common::e2e::succeeds(place.dir(), &["check", "."]);
    assert!(check.stdout.contains("not read: notes.csv"), "{}", check.stdout);
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("out");
    let run = crate::common::e2e::succeeds(place.dir(), &["run", ".", "--out", to.to_str().unwrap()]);
    assert!(run.stderr.contains("notes.csv"), "{}", run.stderr);
    let summary: serde_json::Value = serde_json::from_slice(&fs::read(to.join("summary.json")).unwrap()).unwrap();
    assert_eq!(
        (&summary["warnings"][0]["code"], &summary["warnings"][0]["count"]),
        (&"unused_files".into(), &1.into())
    );
    crate::common::e2e::succeeds(place.dir(), &["verify", to.to_str().unwrap()]);
}

#[test]
fn a_reject_says_which_row_of_which_file_and_who_is_to_blame() {
    let mut text = Text::of("positions");
    text.rows[6][2] = "x".to_owned();
    let place = Place::with("positions", "positions.csv", text.to_csv(",", "\n", ""));
    let outcome = crate::common::e2e::remargin(place.dir(), &["check", "."]);
    assert_eq!(outcome.code, Some(4));
    for words in ["positions.csv row 7 (line 8)", "qty `x`", "expected: a number", "positions row 7: invalid_quantity"]
    {
        assert!(outcome.stdout.contains(words), "no {words:?} in {}", outcome.stdout);
    }
    let parts = Place::without(&["positions"]);
    parts.write_parquet("positions/part-0.parquet", &text.batch().slice(0, 5));
    parts.write_parquet("positions/part-1.parquet", &text.batch().slice(5, text.rows.len() - 5));
    let outcome = crate::common::e2e::remargin(parts.dir(), &["check", "."]);
    let place = "part-1.parquet row 2 (row 7 of the table)";
    assert!(outcome.stdout.contains(place), "{}", outcome.stdout);
}

/// A move or a group under another name would not count.
#[test]
fn columns_of_scenarios_and_operations_are_known() {
    let place = Place::new();
    let snapshot = place.load().unwrap();
    place.write("moves.csv", "scenario,base,prise\ncrash,*,-0.4\n");
    let error = remargin::snapshot::read_shocks(&place.dir().join("moves.csv"), &snapshot.market, &Silent);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`prise`") && error.contains("only scenario, base, price"), "{error}");
    place.write("ops.csv", "op_id,account_id,kind,ccy,qty,grp\n1,a,transfer_out,USDT,1,g\n");
    let keep = |_: &remargin::snapshot::Asked<'_>| ();
    let error = remargin::snapshot::read_operations(&place.dir().join("ops.csv"), keep, &Silent);
    let error = error.map(drop).unwrap_err().to_string();
    assert!(error.contains("`grp`") && error.contains("group"), "{error}");
}
