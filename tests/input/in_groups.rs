//! Groups of accounts at the Arrow boundary: the bits of the command's files, of a book as a whole and in parts.

use crate::batches::{Book, assert_equal, one, whole};
use crate::common::e2e::{generate, json, read_parquet, remargin};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use parquet::arrow::ArrowWriter;
use remargin::batches::{
    FolderRequest, InOrder, Recalculated, Request, Rows, Scenarios, recalculate, recalculate_snapshot,
};
use remargin::book::Grouping;
use remargin::partition::bucket_of;
use remargin::progress::Silent;
use remargin::{Error, rules};
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

const BY: [&str; 3] = ["desk", "region,desk", "tier"];
/// So many that a piece has fewer accounts than the book.
const SCENARIOS: usize = 60;

fn by() -> Vec<Grouping> {
    BY.iter().map(|by| by.parse().unwrap()).collect()
}

pub(crate) fn write(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

pub(crate) fn with(table: &RecordBatch, more: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let (mut fields, mut columns) = (table.schema().fields().to_vec(), table.columns().to_vec());
    for (name, column) in more {
        let place = fields.iter().position(|field| field.name() == name);
        let field = Arc::new(Field::new(name, column.data_type().clone(), true));
        if let Some(place) = place {
            (fields[place], columns[place]) = (field, column);
        } else {
            fields.push(field);
            columns.push(column);
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// A book with desks, regions and tiers, of which some accounts have none and some are left out, and scenarios.
fn book(dir: &Path) -> Book {
    generate(dir, 900, 3.0, 23, "parquet");
    let snapshot = dir.join("snapshot");
    let accounts = read_parquet(&snapshot.join("accounts.parquet"));
    let keep: BooleanArray = (0..accounts.num_rows()).map(|row| Some(row % 13 != 5)).collect();
    let accounts = filter_record_batch(&accounts, &keep).unwrap();
    let rows = 0..accounts.num_rows();
    let desk: StringArray = rows.clone().map(|row| ["rates", "vol", "a/b"].get(row * 7 % 4).copied()).collect();
    let region: StringArray = rows.clone().map(|row| ["EU", "US"].get(row % 3).copied()).collect();
    let tier: Float64Array = rows.map(|row| [Some(0.5), Some(1.0), None][row % 3]).collect();
    let accounts =
        with(&accounts, vec![("desk", Arc::new(desk)), ("region", Arc::new(region)), ("tier", Arc::new(tier))]);
    write(&snapshot.join("accounts.parquet"), &accounts);
    let positions = read_parquet(&snapshot.join("positions.parquet"));
    let names = positions.column_by_name("inst_id").unwrap();
    let names = arrow_cast::cast::cast(names, &DataType::Utf8).unwrap();
    let broken =
        |(row, name): (usize, Option<&str>)| if row % 97 == 3 { Some("NO-SUCH-SWAP") } else { name }.map(str::to_owned);
    let names: StringArray = names.as_string::<i32>().iter().enumerate().map(broken).collect();
    write(&snapshot.join("positions.parquet"), &with(&positions, vec![("inst_id", Arc::new(names))]));
    if snapshot.join("checksums").exists() {
        fs::remove_file(snapshot.join("checksums")).unwrap();
    }
    let mut shocks = "scenario,base,price\n".to_owned();
    for number in 0..SCENARIOS {
        writeln!(shocks, "move {number},*,{}", (number as f64 - 29.5) / 100.0).unwrap();
    }
    fs::write(dir.join("shocks.csv"), shocks).unwrap();
    let flags = ["--shocks", "shocks.csv", "--max-rejects", "100", "--quiet"];
    let groups = BY.iter().flat_map(|by| ["--by", by]);
    let words: Vec<&str> = ["run", "snapshot", "--out", "out"].into_iter().chain(flags).chain(groups).collect();
    let outcome = remargin(dir, &words);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    Book::open(&snapshot)
}

/// The table `shocks` as batches.
fn shocks() -> Rows {
    let names: StringArray = (0..SCENARIOS).map(|number| Some(format!("move {number}"))).collect();
    let bases: StringArray = (0..SCENARIOS).map(|_| Some("*")).collect();
    let prices: Float64Array = (0..SCENARIOS).map(|number| Some((number as f64 - 29.5) / 100.0)).collect();
    let columns: [(&str, ArrayRef); 3] =
        [("scenario", Arc::new(names)), ("base", Arc::new(bases)), ("price", Arc::new(prices))];
    RecordBatch::try_from_iter(columns).unwrap().into()
}

fn margined(book: &Book, tables: [&RecordBatch; 3], by: &[Grouping], is_part: bool) -> Result<Recalculated, Error> {
    let rules = rules::load(None, &[]).unwrap();
    let ([positions, balances, accounts], shocks) = (tables.map(whole), shocks());
    let request = Request {
        accounts: Some(&accounts),
        scenarios: Scenarios { shocks: Some(&shocks), ..Scenarios::default() },
        groups: by,
        group_terms: is_part,
        ..Request::new(&book.market, &positions, &balances, &rules)
    };
    recalculate(&request, &Silent)
}

fn assert_as_run(found: &Recalculated, out: &Path, what: &str) {
    let tables = found.groups.as_ref().unwrap();
    for (name, rows) in [
        ("groups", &tables.groups),
        ("group_units", &tables.group_units),
        ("account_groups", &tables.account_groups),
        ("accounts", &found.accounts),
    ] {
        assert_equal(&one(rows), &read_parquet(&out.join(format!("{name}.parquet"))), &format!("{what}: {name}"));
    }
    let summary: serde_json::Value = serde_json::to_value(&found.summary).unwrap();
    assert_eq!(summary, json(&out.join("summary.json")), "{what}");
}

pub(crate) fn of_part(table: &RecordBatch, part: u32, parts: u32) -> RecordBatch {
    let ids = arrow_cast::cast::cast(table.column_by_name("account_id").unwrap(), &DataType::Utf8).unwrap();
    let mask: BooleanArray =
        ids.as_string::<i32>().iter().map(|id| Some(bucket_of(id.unwrap(), parts) == part)).collect();
    filter_record_batch(table, &mask).unwrap()
}

/// The terms of all accounts in order of their ids, margined in so many parts.
fn terms(book: &Book, parts: u32) -> (RecordBatch, Recalculated) {
    let (mut batches, mut last) = (Vec::new(), None);
    for part in 0..parts {
        let [positions, balances, accounts] =
            [&book.positions, &book.balances, &book.accounts].map(|table| of_part(table, part, parts));
        let found = margined(book, [&positions, &balances, &accounts], &by(), true).unwrap();
        batches.push(one(found.groups.as_ref().unwrap().terms.as_ref().unwrap()));
        last = Some(found);
    }
    let all = concat_batches(&batches[0].schema(), &batches).unwrap();
    let ids = all.column(0).as_string::<i32>();
    let mut order: Vec<u32> = (0..all.num_rows() as u32).collect();
    order.sort_by_key(|&row| ids.value(row as usize));
    let all = arrow_select::take::take_record_batch(&all, &arrow_array::UInt32Array::from(order)).unwrap();
    (all, last.unwrap())
}

#[test]
fn groups_in_memory_have_the_bits_of_the_files() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let book = book(dir);
    let found = margined(&book, [&book.positions, &book.balances, &book.accounts], &by(), false).unwrap();
    assert_as_run(&found, &dir.join("out"), "in memory");
    assert!(found.groups.unwrap().terms.is_none());

    let rules = rules::load(None, &[]).unwrap();
    let (snapshot, shocks, by) = (dir.join("snapshot"), shocks(), by());
    let request = FolderRequest {
        scenarios: Scenarios { shocks: Some(&shocks), ..Scenarios::default() },
        groups: &by,
        ..FolderRequest::new(&snapshot, &rules)
    };
    assert_as_run(&recalculate_snapshot(&request, &Silent).unwrap(), &dir.join("out"), "of a folder");
    assert!(recalculate_snapshot(&FolderRequest::new(&snapshot, &rules), &Silent).unwrap().groups.is_none());

    // Whatever the parts, and however their rows come.
    for (parts, rows) in [(1, 1_000), (2, 7), (5, 64)] {
        let (terms, part) = terms(&book, parts);
        let left_out = terms.column(1).null_count();
        assert!(terms.num_rows() == 900 && left_out > 10, "{} accounts, {left_out} left out", terms.num_rows());
        let mut groups = InOrder::new(&by, &part.scenario_names, &part.unit_names).unwrap();
        for start in (0..terms.num_rows()).step_by(rows) {
            groups.add(&terms.slice(start, rows.min(terms.num_rows() - start))).unwrap();
        }
        let summed = groups.finish().unwrap();
        assert!(summed.stress.is_none() && summed.limits.is_none());
        for (name, rows) in [("groups", summed.groups), ("group_units", summed.group_units)] {
            let file = read_parquet(&dir.join("out").join(format!("{name}.parquet")));
            assert_equal(&one(&rows), &file, &format!("{parts} parts: {name}"));
        }
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let book = book(place.path());
    let (terms, part) = terms(&book, 1);
    let add = |scenarios: &[String], units: &[String], rows: &RecordBatch| {
        InOrder::new(&by(), scenarios, units).unwrap().add(rows).map_err(|error| error.to_string())
    };
    let (scenarios, units) = (&part.scenario_names, &part.unit_names);
    assert_eq!(add(scenarios, units, &terms), Ok(()));
    let twice = concat_batches(&terms.schema(), &[terms.slice(0, 5), terms.slice(4, 1)]).unwrap();
    let fewer = &scenarios[..scenarios.len() - 1];
    for (scenarios, units, rows, words) in [
        (&scenarios[..], &units[..], &twice, "in order of ids"),
        (fewer, units, &terms, "cannot be read"),
        (scenarios, &[], &terms, "no risk unit"),
    ] {
        let error = add(scenarios, units, rows).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let all = [&book.positions, &book.balances, &book.accounts];
    let twice: Vec<Grouping> = ["desk", "desk"].iter().map(|by| by.parse().unwrap()).collect();
    assert!(matches!(margined(&book, all, &twice, false), Err(Error::Usage(_))));
    assert!(InOrder::new(&twice, scenarios, units).is_err());
    let unknown: Grouping = "dsk".parse().unwrap();
    let error = margined(&book, all, &[unknown], false).err().unwrap().to_string();
    assert!(error.contains("table `accounts`") && error.contains("is it `desk`?"), "{error}");
    let rules = rules::load(None, &[]).unwrap();
    let [positions, balances] = [&book.positions, &book.balances].map(whole);
    let by = by();
    let request = Request { groups: &by, ..Request::new(&book.market, &positions, &balances, &rules) };
    let error = recalculate(&request, &Silent).err().unwrap().to_string();
    assert!(error.contains("no table `accounts`") && error.contains("grouped by `desk`"), "{error}");
}
