//! The Arrow boundary gives what the files of a run hold, bit for bit, whatever the layout of its columns.

use crate::common::e2e::{generate, json, read_parquet, remargin, shuffled};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_cast::cast::cast;
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use remargin::batches::{
    FolderRequest, MarkCheck, MarketRows, Recalculated, Request, Rows, Scenarios, recalculate, recalculate_snapshot,
};
use remargin::progress::{Progress, Silent};
use remargin::{Error, rules, stress};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The tables of accounts of a snapshot in Parquet.
pub(crate) struct Book {
    pub market: MarketRows,
    pub positions: RecordBatch,
    pub balances: RecordBatch,
    pub accounts: RecordBatch,
}

impl Book {
    pub fn open(snapshot: &Path) -> Self {
        let [positions, balances, accounts] =
            ["positions", "balances", "accounts"].map(|name| read_parquet(&snapshot.join(format!("{name}.parquet"))));
        Self { market: MarketRows::open(snapshot, MarkCheck::DEFAULT, &Silent).unwrap(), positions, balances, accounts }
    }

    fn recalculate(&self, layout: impl Fn(&RecordBatch) -> Rows, scenarios: Scenarios) -> Result<Recalculated, Error> {
        let rules = rules::load(None, &[]).unwrap();
        let [positions, balances, accounts] = [&self.positions, &self.balances, &self.accounts].map(layout);
        let request = Request {
            market: &self.market,
            positions: &positions,
            balances: &balances,
            accounts: Some(&accounts),
            orders: None,
            rules: &rules,
            scenarios,
            groups: &[],
            group_terms: false,
            distribution: stress::Distributed::None,
            allow_rules_date: false,
        };
        recalculate(&request, &Silent)
    }
}

pub(crate) fn whole(batch: &RecordBatch) -> Rows {
    batch.clone().into()
}

/// The rows in pieces of a size.
fn pieces(size: usize) -> impl Fn(&RecordBatch) -> Rows {
    move |batch| {
        let slice = |start: usize| batch.slice(start, size.min(batch.num_rows() - start));
        Rows::new(batch.schema(), (0..batch.num_rows()).step_by(size).map(slice).collect()).unwrap()
    }
}

/// Each text column as another type of text.
fn texts_as(kind: DataType) -> impl Fn(&RecordBatch) -> Rows {
    move |batch| {
        let is_text = |array: &ArrayRef| array.data_type() == &DataType::Utf8;
        let arrays: Vec<ArrayRef> =
            batch.columns().iter().map(|a| if is_text(a) { cast(a, &kind).unwrap() } else { a.clone() }).collect();
        let schema = batch.schema();
        let fields = schema.fields().iter().zip(&arrays);
        let fields: Vec<_> = fields.map(|(f, a)| f.as_ref().clone().with_data_type(a.data_type().clone())).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap().into()
    }
}

pub(crate) fn one(rows: &Rows) -> RecordBatch {
    concat_batches(rows.schema(), rows.batches()).unwrap()
}

/// The same columns, types, nulls and bits.
pub(crate) fn assert_equal(found: &RecordBatch, file: &RecordBatch, what: &str) {
    assert_eq!(found.schema().fields(), file.schema().fields(), "{what}");
    assert_eq!(found.num_rows(), file.num_rows(), "{what}");
    for (index, field) in file.schema().fields().iter().enumerate() {
        let (found, file) = (found.column(index), file.column(index));
        assert_eq!(found, file, "{what}: {}", field.name());
        if field.data_type() == &DataType::Float64 {
            let bits = |array: &ArrayRef| -> Vec<Option<u64>> {
                array.as_primitive::<Float64Type>().iter().map(|x| x.map(f64::to_bits)).collect()
            };
            assert_eq!(bits(found), bits(file), "{what}: {}", field.name());
        }
    }
}

fn assert_as_run(found: &Recalculated, out: &Path, what: &str) {
    for (name, rows) in [
        ("accounts", &found.accounts),
        ("risk_units", &found.risk_units),
        ("at_risk", &found.at_risk),
        ("rejects", &found.rejects),
    ] {
        assert_equal(&one(rows), &read_parquet(&out.join(format!("{name}.parquet"))), &format!("{what}: {name}"));
    }
    let summary: serde_json::Value = serde_json::to_value(&found.summary).unwrap();
    assert_eq!(summary, json(&out.join("summary.json")), "{what}");
}

#[test]
fn batches_give_what_files_give() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 400, 12.0, 7, "parquet");
    assert_eq!(remargin(dir, &["run", "snapshot", "--out", "out", "--quiet"]).code, Some(0));
    let book = Book::open(&dir.join("snapshot"));
    assert!(book.positions.num_rows() > 3_000);
    let check = |found: Result<Recalculated, Error>, what: &str| assert_as_run(&found.unwrap(), &dir.join("out"), what);
    check(book.recalculate(whole, Scenarios::default()), "whole");
    for size in [1, 1_000] {
        check(book.recalculate(pieces(size), Scenarios::default()), &format!("batches of {size}"));
    }
    let dictionary = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    for kind in [DataType::LargeUtf8, DataType::Utf8View, dictionary] {
        let what = kind.to_string();
        check(book.recalculate(texts_as(kind), Scenarios::default()), &what);
    }
    let in_another_order = |batch: &RecordBatch| {
        take_record_batch(batch, &arrow_array::UInt32Array::from(shuffled(batch.num_rows(), 5))).unwrap().into()
    };
    check(book.recalculate(in_another_order, Scenarios::default()), "shuffled");
}

#[test]
fn scenarios_give_what_shocks_give() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 60, 8.0, 3, "parquet");
    fs::write(dir.join("shocks.csv"), "scenario,base,price\nfall,*,-0.3\nbtc,BTC,0.2\n").unwrap();
    let args = ["run", "snapshot", "--out", "out", "--quiet", "--shocks", "shocks.csv"];
    assert_eq!(remargin(dir, &args).code, Some(0));
    let book = Book::open(&dir.join("snapshot"));

    let text = |values: &[&str]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let shocks = RecordBatch::try_from_iter([
        ("scenario", text(&["fall", "btc"])),
        ("base", text(&["*", "BTC"])),
        ("price", Arc::new(Float64Array::from(vec![-0.3, 0.2])) as ArrayRef),
    ]);
    let shocks = Rows::from(shocks.unwrap());
    let from_table = Scenarios { shocks: Some(&shocks), ..Scenarios::default() };
    assert_as_run(&book.recalculate(whole, from_table).unwrap(), &dir.join("out"), "table");
    let single = ["fall: *=-30%", "btc: BTC=20%"].map(|words| stress::parse_scenario(words).unwrap());
    let from_words = Scenarios { single: &single, ..Scenarios::default() };
    assert_as_run(&book.recalculate(whole, from_words).unwrap(), &dir.join("out"), "words");
}

#[test]
fn broken_rows_are_the_rejects_of_a_run() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 50, 8.0, 11, "csv");
    let positions = dir.join("snapshot/positions.csv");
    let mut lines: Vec<String> = fs::read_to_string(&positions).unwrap().lines().map(str::to_owned).collect();
    let broken = [
        lines[3].replacen(lines[3].split(',').nth(1).unwrap(), "NO-SUCH-SWAP", 1),
        lines[40].replacen(lines[40].split(',').nth(2).unwrap(), "many", 1),
        format!(",{}", lines[90].split_once(',').unwrap().1),
    ];
    for (line, text) in [3, 40, 90].into_iter().zip(broken) {
        lines[line] = text;
    }
    fs::write(&positions, lines.join("\n") + "\n").unwrap();
    let args = ["run", "snapshot", "--out", "out", "--quiet", "--max-rejects", "3"];
    assert_eq!(remargin(dir, &args).code, Some(0));

    let table = |name: &str| {
        let text = fs::read_to_string(dir.join(format!("snapshot/{name}.csv"))).unwrap();
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
        let column = |place: usize| Arc::new(rows.iter().map(|row| Some(row[place])).collect::<StringArray>());
        let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        let arrays = (0..names.len()).map(|place| column(place) as ArrayRef).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    };
    let market = MarketRows::open(&dir.join("snapshot"), MarkCheck::DEFAULT, &Silent).unwrap();
    let [positions, balances, accounts] = ["positions", "balances", "accounts"].map(table);
    let book = Book { market, positions, balances, accounts };
    let found = book.recalculate(whole, Scenarios::default()).unwrap();
    assert_eq!(found.summary.rejects.broken, 3);
    assert_as_run(&found, &dir.join("out"), "rejects");
}

#[test]
fn errors_name_the_table() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 5, 4.0, 1, "parquet");
    let book = Book::open(&dir.join("snapshot"));
    let without_qty = |batch: &RecordBatch| {
        let kept: Vec<usize> = (0..batch.num_columns()).filter(|&i| batch.schema().field(i).name() != "qty").collect();
        batch.project(&kept).unwrap().into()
    };
    let error = book.recalculate(without_qty, Scenarios::default()).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().starts_with("missing column\n  at:       table `positions`, column `qty`\n"), "{error}");

    let [instruments, marks, indices] = book.market.rows().clone();
    let twice = Rows::new(marks.schema().clone(), [marks.batches(), marks.batches()].concat()).unwrap();
    let error = MarketRows::new(book.market.as_of_ns(), [instruments, twice, indices], MarkCheck::DEFAULT, &Silent)
        .err()
        .unwrap();
    assert!(
        error.to_string().contains(&format!("table `marks`, column `inst_id`, row {}", marks.len() + 1)),
        "{error}"
    );

    let mixed = Rows::new(book.positions.schema(), vec![book.positions.clone(), book.balances.clone()]);
    assert!(mixed.unwrap_err().to_string().starts_with("batches of one table have different columns"));
}

/// A table in another unit is refused, and taken where the check is switched off.
#[test]
fn the_check_of_marks_can_be_switched_off() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 5, 4.0, 1, "parquet");
    let dir = place.path().join("snapshot");
    let book = Book::open(&dir);
    let [instruments, marks, indices] = book.market.rows().clone();
    let batch = concat_batches(marks.schema(), marks.batches()).unwrap();
    let vols = batch.column_by_name("mark_vol").unwrap().as_primitive::<Float64Type>();
    let percent: ArrayRef = Arc::new(vols.iter().map(|vol| vol.map(|vol| vol * 100.0)).collect::<Float64Array>());
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let column = if field.name() == "mark_vol" { &percent } else { column };
        (field.name().clone(), Arc::clone(column), true)
    });
    let percent = whole(&RecordBatch::try_from_iter_with_nullable(columns).unwrap());
    let recalculated = |mark_check| {
        let rows = [instruments.clone(), percent.clone(), indices.clone()];
        let market = MarketRows::new(book.market.as_of_ns(), rows, mark_check, &Silent)?;
        let book = Book {
            market,
            positions: book.positions.clone(),
            balances: book.balances.clone(),
            accounts: book.accounts.clone(),
        };
        book.recalculate(whole, Scenarios::default())
    };
    let error = recalculated(MarkCheck::DEFAULT).unwrap_err().to_string();
    assert!(error.contains("mark_vol"), "{error}");
    let taken = recalculated(MarkCheck::Off).unwrap();
    assert_eq!((taken.rejects.len(), taken.summary.accounts.margined), (0, 5));

    // The same of a folder.
    let rules = rules::load(None, &[]).unwrap();
    let path = dir.join("marks.parquet");
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(fs::File::create(path).unwrap(), percent.schema().clone(), None).unwrap();
    percent.batches().iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
    let folder = |check| {
        let request = FolderRequest { mark_check: check, ..FolderRequest::new(&dir, &rules) };
        recalculate_snapshot(&request, &Silent).map(|done| done.accounts.len())
    };
    assert!(folder(MarkCheck::DEFAULT).unwrap_err().to_string().contains("mark_vol"));
    assert_eq!(folder(MarkCheck::Off).unwrap(), 5);
}

/// Stops at once.
struct Stopped;

impl Progress for Stopped {
    fn stage(&self, _: &str, _: &'static str, _: u64) {}
    fn advance(&self, _: u64) {}
    fn interrupted(&self) -> bool {
        true
    }
}

#[test]
fn work_can_be_interrupted() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 5, 4.0, 1, "parquet");
    let book = Book::open(&place.path().join("snapshot"));
    let [positions, balances] = [&book.positions, &book.balances].map(whole);
    let rules = rules::load(None, &[]).unwrap();
    let request = Request {
        market: &book.market,
        positions: &positions,
        balances: &balances,
        accounts: None,
        orders: None,
        rules: &rules,
        scenarios: Scenarios::default(),
        groups: &[],
        group_terms: false,
        distribution: stress::Distributed::None,
        allow_rules_date: false,
    };
    assert!(matches!(recalculate(&request, &Stopped), Err(Error::Interrupted)));
    assert!(recalculate(&request, &Silent).is_ok());
}
