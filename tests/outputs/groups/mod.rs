//! Accounts put together by attributes: the tables of groups beside a group-by over the written tables of accounts, on
//! every way through a book.

mod changes;
mod netting;
mod over;
mod values;

use crate::common::e2e::{Row, files, generate, json, read_parquet, remargin, rows, succeeds};
use crate::determinism::{Form, rewrite};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

const DESKS: [&str; 5] = ["rates", "vol", "a/b", r"back\slash", "Zürich"];

/// The attributes of account number `row`, as text; empty where there is none.
fn attributes(row: usize) -> [String; 4] {
    let desk = if row % 11 == 3 { "" } else { DESKS[row * 7 % DESKS.len()] };
    let region = if row % 5 == 1 { "" } else { ["EU", "US", "AP"][row % 3] };
    [desk.to_owned(), region.to_owned(), row.is_multiple_of(4).to_string(), (row % 3).to_string()]
}

/// A generated book whose accounts have a desk, a region, a flag and a tier; every 13th has no row in `accounts`.
/// Returns the attributes of each account that has a row.
pub(crate) fn book(root: &Path, accounts: usize, positions: f64) -> BTreeMap<String, [String; 4]> {
    generate(root, accounts, positions, 17, "parquet");
    let path = root.join("snapshot/accounts.parquet");
    let table = read_parquet(&path);
    let keep: BooleanArray = (0..table.num_rows()).map(|row| Some(row % 13 != 5)).collect();
    let table = arrow_select::filter::filter_record_batch(&table, &keep).unwrap();
    let all: Vec<[String; 4]> = (0..table.num_rows()).map(attributes).collect();
    let text = |place: usize| -> ArrayRef {
        let of = |row: &[String; 4]| Some(row[place].clone()).filter(|text| !text.is_empty());
        Arc::new(all.iter().map(of).collect::<StringArray>())
    };
    let vip: ArrayRef = Arc::new(all.iter().map(|row| Some(row[2] == "true")).collect::<BooleanArray>());
    let tier: ArrayRef = Arc::new(all.iter().map(|row| row[3].parse::<i64>().ok()).collect::<Int64Array>());
    let (mut fields, mut columns) = (table.schema().fields().to_vec(), table.columns().to_vec());
    for (name, column) in [("desk", text(0)), ("region", text(1)), ("vip", vip), ("tier", tier)] {
        fields.push(Arc::new(Field::new(name, column.data_type().clone(), true)));
        columns.push(column);
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let ids = batch.column_by_name("account_id").unwrap().as_string::<i32>();
    ids.iter().flatten().map(str::to_owned).zip(all).collect()
}

/// The same book with `accounts` in CSV, in the order of its rows backwards.
pub(crate) fn as_csv(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("snapshot")).unwrap();
    for (name, bytes) in files(&from.join("snapshot")) {
        fs::write(to.join("snapshot").join(name), bytes).unwrap();
    }
    let table = rows(&from.join("snapshot/accounts.parquet"));
    fs::remove_file(to.join("snapshot/accounts.parquet")).unwrap();
    let columns = ["account_id", "spot_offset", "desk", "region", "vip", "tier"];
    let mut text = columns.join(",") + "\n";
    for row in table.iter().rev() {
        writeln!(text, "{}", columns.map(|column| row.get(column).cloned().unwrap_or_default()).join(",")).unwrap();
    }
    fs::write(to.join("snapshot/accounts.csv"), text).unwrap();
}

/// The name of the group of an account: what the documentation says, put down once more.
fn group_of(of: Option<&[String; 4]>, by: &str) -> String {
    let place = |name: &str| ["desk", "region", "vip", "tier"].iter().position(|known| *known == name).unwrap();
    let value = |name: &str| of.map_or(String::new(), |all| all[place(name)].replace('\\', r"\\").replace('/', r"\/"));
    by.split(',').map(value).collect::<Vec<_>>().join("/")
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

fn assert_near(found: f64, expected: f64, size: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-12 * size + 1e-9, "{what}: {found} instead of {expected}");
}

type Key = (String, String, String);

/// Groups the rows of `accounts` or `risk_units` by hand.
fn grouped<'r>(
    table: &'r [Row],
    known: &BTreeMap<String, [String; 4]>,
    by: &[&str],
    more: Option<&str>,
) -> BTreeMap<(usize, Key, String), Vec<&'r Row>> {
    let mut groups: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
    for row in table {
        for (place, by) in by.iter().enumerate() {
            let group = group_of(known.get(&row["account_id"]), by);
            let key = ((*by).to_owned(), group, row["scenario"].clone());
            let unit = more.map_or(String::new(), |more| row[more].clone());
            groups.entry((place, key, unit)).or_default().push(row);
        }
    }
    groups
}

const SUMS: [&str; 12] = [
    "adj_eq",
    "total_eq",
    "upl",
    "mmr",
    "imr",
    "deriv_mmr",
    "borrow_mmr",
    "borrow_imr",
    "liquidation_fee",
    "mmr_no_hedge",
    "imr_no_hedge",
    "order_imr",
];

/// Holds the tables of groups in `out` to the tables of accounts beside them; `scenarios` in their order.
fn check_groups(out: &Path, known: &BTreeMap<String, [String; 4]>, by: &[&str], scenarios: &[&str]) {
    let [accounts, units] = ["accounts", "risk_units"].map(|name| rows(&out.join(format!("{name}.parquet"))));
    let expected = grouped(&accounts, known, by, None);
    let found = rows(&out.join("groups.parquet"));
    let order = |key: &(usize, Key, String)| {
        let (place, (_, group, scenario), unit) = key;
        (*place, group.clone(), scenarios.iter().position(|name| name == scenario).unwrap(), unit.clone())
    };
    let mut keys: Vec<_> = expected.keys().collect();
    keys.sort_by_key(|key| order(key));
    assert_eq!(found.len(), keys.len());
    for (row, key) in found.iter().zip(keys) {
        let (of, (_, (by, group, scenario), _)) = (&expected[key], key);
        assert_eq!((&row["by"], &row["group"], &row["scenario"]), (by, group, scenario));
        let what = format!("{by} {group} {scenario}");
        let count = |is: &dyn Fn(&Row) -> bool| of.iter().filter(|row| is(row)).count().to_string();
        assert_eq!(row["accounts"], of.len().to_string());
        for status in ["liquidation", "near_liquidation", "warning", "healthy", "no_risk"] {
            assert_eq!(row[status], count(&|row| row["status"] == status), "{what} {status}");
        }
        let at_risk = |row: &Row| row["im_deficit"] == "true" || row["status"].ends_with("liquidation");
        assert_eq!(row["at_risk"], count(&at_risk), "{what}");
        assert_eq!(row["im_deficit"], count(&|row| row["im_deficit"] == "true"), "{what}");
        assert_eq!(row["ineligible"], count(&|row| row["ineligible"] == "true"), "{what}");
        let sum = |of: &[&Row], value: &dyn Fn(&Row) -> f64| of.iter().map(|row| value(row)).sum::<f64>();
        let size = sum(of, &|row| SUMS.iter().map(|column| number(row, column).abs()).sum());
        for column in SUMS {
            assert_near(number(row, column), sum(of, &|row| number(row, column)), size, &format!("{what} {column}"));
        }
        let short = |need: f64, row: &Row| (need - number(row, "adj_eq")).max(0.0);
        let of_mmr = sum(of, &|row| short(number(row, "mmr") + number(row, "liquidation_fee"), row));
        assert_near(number(row, "shortfall_mmr"), of_mmr, size, &what);
        assert_near(number(row, "shortfall_imr"), sum(of, &|row| short(number(row, "imr"), row)), size, &what);
        assert_near(number(row, "shortfall"), sum(of, &|row| (-number(row, "total_eq")).max(0.0)), size, &what);
        let saving = sum(of, &|row| number(row, "mmr_no_hedge") - number(row, "mmr"));
        assert_near(number(row, "hedge_saving_mmr"), saving, size, &what);
        let all: f64 = accounts.iter().filter(|row| row["scenario"] == *scenario).map(|row| number(row, "mmr")).sum();
        assert_near(number(row, "mmr_share"), sum(of, &|row| number(row, "mmr")) / all, 1.0, &what);
        let charges = ["mr1", "mr2", "mr3", "mr4", "mr5", "mr6", "mr7", "mr9"];
        let charged: f64 = charges.map(|term| number(row, &format!("charge_{term}"))).iter().sum();
        assert_near(charged, number(row, "deriv_mmr"), size, &format!("{what} charges"));
        let with_ratio = of.iter().filter(|row| !row["margin_ratio"].is_empty());
        let worst = with_ratio.min_by(|a, b| {
            let by_ratio = number(a, "margin_ratio").total_cmp(&number(b, "margin_ratio"));
            by_ratio.then(a["account_id"].cmp(&b["account_id"]))
        });
        let worst = worst.map(|row| (row["account_id"].clone(), row["margin_ratio"].clone())).unwrap_or_default();
        assert_eq!((row["worst_account"].clone(), row["worst_margin_ratio"].clone()), worst, "{what}");
    }

    let expected = grouped(&units, known, by, Some("risk_unit"));
    let found = rows(&out.join("group_units.parquet"));
    let mut keys: Vec<_> = expected.keys().collect();
    keys.sort_by_key(|key| order(key));
    assert_eq!(found.len(), keys.len());
    for (row, key) in found.iter().zip(keys) {
        let (of, (_, (by, group, scenario), unit)) = (&expected[key], key);
        assert_eq!((&row["by"], &row["group"], &row["scenario"], &row["risk_unit"]), (by, group, scenario, unit));
        assert_eq!(row["accounts"], of.len().to_string());
        for column in ["mmr", "imr", "cash_delta", "gamma", "vega", "theta"] {
            let (sum, size) = of.iter().fold((0.0, 0.0), |(sum, size), row| {
                let value = number(row, column);
                (sum + value, size + value.abs())
            });
            assert_near(number(row, column), sum, size, &format!("{key:?} {column}"));
        }
        let binding = ["mr1", "mr2", "mr6", "mr7", "none"].map(|term| number(row, &format!("binding_{term}")));
        assert_near(binding.iter().sum(), of.len() as f64, 1.0, unit);
    }

    let found = rows(&out.join("account_groups.parquet"));
    let mut ids: Vec<&String> = accounts.iter().map(|row| &row["account_id"]).collect();
    ids.dedup();
    assert_eq!(found.len(), ids.len() * by.len());
    for (place, row) in found.iter().enumerate() {
        let (id, by) = (ids[place / by.len()], by[place % by.len()]);
        assert_eq!((&row["account_id"], row["by"].as_str()), (id, by));
        assert_eq!(row["group"], group_of(known.get(id), by), "{id}");
    }
}

#[test]
fn groups_are_a_group_by_over_the_accounts() {
    let place = tempfile::tempdir().unwrap();
    let known = book(place.path(), 400, 6.0);
    fs::write(place.path().join("shocks.csv"), "scenario,base,price\nfall,*,-0.2\nrise,BTC,0.3\n").unwrap();
    let by = ["desk", "region,desk", "vip", "tier"];
    let mut args = vec!["run", "snapshot", "--out", "out", "--shocks", "shocks.csv"];
    args.extend(by.iter().flat_map(|by| ["--by", by]));
    let outcome = succeeds(place.path(), &args);
    assert!(!outcome.stderr.contains("columns that are not read"), "{}", outcome.stderr);
    check_groups(&place.path().join("out"), &known, &by, &["base", "fall", "rise"]);
    // What the book comes to is what its groups come to.
    let summary = json(&place.path().join("out/summary.json"));
    let groups = rows(&place.path().join("out/groups.parquet"));
    let of_desks = groups.iter().filter(|row| row["by"] == "desk" && row["scenario"] == "base");
    let mmr: f64 = of_desks.map(|row| number(row, "mmr")).sum();
    assert_near(mmr, summary["totals"]["mmr"].as_f64().unwrap(), mmr, "the book");
    // Columns that nobody asked for stay unread, and nothing of groups is written.
    let plain = succeeds(place.path(), &["run", "snapshot", "--out", "plain"]);
    let said = |out: &str| json(&place.path().join(out).join("summary.json"))["warnings"].to_string();
    assert!(said("plain").contains("could be grouped by, and are not: `accounts.desk`"), "{}", said("plain"));
    assert!(!plain.stderr.contains("accounts.desk"), "{}", plain.stderr);
    assert!(files(&place.path().join("plain")).keys().all(|name| !name.contains("group")));
    // Without them the other tables are the same.
    succeeds(place.path(), &["run", "snapshot", "--out", "some", "--by", "desk"]);
    assert!(said("some").contains("could be grouped by, and are not: `accounts.region`"), "{}", said("some"));
    for name in ["accounts.parquet", "risk_units.parquet", "at_risk.csv", "rejects.csv"] {
        let [plain, some] = ["plain", "some"].map(|out| fs::read(place.path().join(out).join(name)).unwrap());
        assert!(plain == some, "{name}");
    }
}

/// The bytes of a run apart from what names the input files.
fn bytes(root: &Path, flags: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let out = root.join("out");
    let args = [&["run", "snapshot", "--out", "out", "--force", "--no-report"], flags].concat();
    let outcome = remargin(root, &args);
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    let mut found = files(&out);
    found.remove("manifest.json");
    found
}

#[test]
fn groups_do_not_depend_on_the_way_through_the_book() {
    let place = tempfile::tempdir().unwrap();
    let [sorted, csv, shuffled] = ["sorted", "csv", "shuffled"].map(|name| place.path().join(name));
    book(&sorted, 2 * remargin::engine::CHUNK_ACCOUNTS + 300, 1.0);
    as_csv(&sorted, &csv);
    let form = Form::Parts { parts: 2, group_rows: 9000 };
    rewrite(&sorted.join("snapshot"), &shuffled.join("snapshot"), Some(5), form);
    let by = ["--by", "desk", "--by", "tier,region"];
    let with = |flags: &[&'static str]| [&by[..], flags].concat();
    let expected = bytes(&sorted, &with(&["--threads", "1"]));
    assert!(expected.contains_key("groups.parquet") && expected.contains_key("account_groups.parquet"));
    // Held, streaming, sorted on disk: as in `determinism`.
    for (root, flags) in [
        (&sorted, &["--threads", "3"][..]),
        (&sorted, &["--threads", "2", "--memory-limit", "250MiB"]),
        (&csv, &["--threads", "2", "--memory-limit", "4GiB"]),
        (&shuffled, &["--threads", "2", "--memory-limit", "4GiB"]),
        (&shuffled, &["--threads", "2", "--memory-limit", "250MiB"]),
    ] {
        let found = bytes(root, &with(flags));
        for (name, bytes) in &expected {
            assert!(*bytes == found[name], "`{name}` of {} {flags:?}", root.display());
        }
    }
    // The other formats hold the same figures.
    let text = bytes(&sorted, &with(&["--format", "csv"]));
    let csv_rows = String::from_utf8(text["groups.csv"].clone()).unwrap();
    let groups = rows(&{
        bytes(&sorted, &by);
        sorted.join("out/groups.parquet")
    });
    assert_eq!(csv_rows.lines().count(), groups.len() + 1);
    let header: Vec<&str> = csv_rows.lines().next().unwrap().split(',').collect();
    let mmr = header.iter().position(|name| *name == "mmr").unwrap();
    let first: Vec<&str> = csv_rows.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(first[mmr].parse::<f64>().unwrap(), number(&groups[0], "mmr"));
}

/// As many groups as accounts: they are counted against the memory limit.
#[test]
fn many_groups_are_written_or_refused() {
    let place = tempfile::tempdir().unwrap();
    let accounts = 150_000;
    generate(place.path(), 30, 2.0, 4, "csv");
    let mut text = String::from("account_id,ccy,cash\n");
    let mut attributes = String::from("account_id,spot_offset,client\n");
    for account in 0..accounts {
        writeln!(text, "C{account:06},USDT,{}", account + 1).unwrap();
        writeln!(attributes, "C{account:06},,client-{:06}", account ^ 1).unwrap();
    }
    let snapshot = place.path().join("snapshot");
    fs::write(snapshot.join("balances.csv"), text).unwrap();
    fs::write(snapshot.join("accounts.csv"), attributes).unwrap();
    fs::write(snapshot.join("positions.csv"), "account_id,inst_id,qty,avg_px\n").unwrap();
    let run = |limit: &str| {
        let flags = ["run", "snapshot", "--out", "out", "--force", "--no-report", "--allow-empty", "--threads", "1"];
        let more = ["--allow-similar-ids", "--by", "client", "--memory-limit", limit];
        remargin(place.path(), &[&flags[..], &more].concat())
    };
    let done = run("2GiB");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let groups = rows(&place.path().join("out/groups.parquet"));
    assert_eq!(groups.len(), accounts);
    assert_eq!(groups[0]["group"], "client-000000");
    assert_eq!((groups[0]["worst_account"].as_str(), groups[0]["total_eq"].parse::<f64>().unwrap() > 1.9), ("", true));
    let refused = run("200MiB");
    assert_eq!(refused.code, Some(6), "{}", refused.stderr);
    assert!(refused.stderr.contains("the groups of accounts take more than"), "{}", refused.stderr);
}

#[test]
fn what_cannot_be_grouped_is_said() {
    let place = tempfile::tempdir().unwrap();
    book(place.path(), 30, 2.0);
    let run = |by: &[&str]| {
        let flags: Vec<&str> = by.iter().flat_map(|by| ["--by", by]).collect();
        remargin(place.path(), &[&["run", "snapshot", "--out", "out"][..], &flags].concat())
    };
    for (by, code, words) in [
        (&["dsk"][..], 3, &["missing column", "column `dsk`", "is it `desk`?", "`region`"][..]),
        (&["desk,regoin"], 3, &["column `regoin`", "is it `region`?"]),
        (&["sector"], 3, &["column `sector`", "the file has `account_id`"]),
        (&["desk", "desk"], 2, &["grouped by `desk` twice"]),
        (&["desk,desk"], 2, &["`desk` stands twice"]),
        (&["account_id"], 2, &["cannot be grouped by `account_id`"]),
        (&["desk,"], 2, &["names no attributes"]),
    ] {
        let outcome = run(by);
        assert_eq!(outcome.code, Some(code), "{by:?}: {}", outcome.stderr);
        for word in words {
            assert!(outcome.stderr.contains(word), "{by:?}: `{word}` in {}", outcome.stderr);
        }
    }
    let cut = remargin(place.path(), &["partition", "snapshot", "--buckets", "2", "--out", "cut", "--by", "dsk"]);
    assert_eq!(cut.code, Some(3), "{}", cut.stderr);
    assert!(cut.stderr.contains("is it `desk`?"), "{}", cut.stderr);
    fs::remove_file(place.path().join("snapshot/accounts.parquet")).unwrap();
    let outcome = run(&["desk"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    for word in ["has no table `accounts`", "grouped by `desk`", "accounts.parquet"] {
        assert!(outcome.stderr.contains(word), "`{word}` in {}", outcome.stderr);
    }
    assert!(!place.path().join("out").exists());
}
