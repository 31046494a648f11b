//! The same snapshot in every format and type, and damaged files.

use crate::common::folder::{Folder, TABLES, print, reconcile, table};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray,
};
use arrow_cast::cast::cast;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use remargin::margin::rules::SpotOffset;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// One table of the CSV text as strings, nulls where a cell is empty.
fn batch(name: &str) -> RecordBatch {
    let mut lines = table(name).lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let columns = names.iter().enumerate().map(|(column, name)| {
        let cells: StringArray = rows.iter().map(|row| Some(row[column]).filter(|cell| !cell.is_empty())).collect();
        (*name, Arc::new(cells) as ArrayRef)
    });
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn map(batch: &RecordBatch, change: impl Fn(&str, &ArrayRef) -> ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns: Vec<_> =
        columns.map(|(field, column)| (field.name().as_str(), change(field.name(), column), true)).collect();
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

const NUMBERS: [&str; 11] =
    ["ct_val", "ct_mult", "strike", "mark_px", "mark_vol", "fwd_px", "px", "qty", "avg_px", "cash", "interest"];

fn strings(column: &ArrayRef) -> &StringArray {
    column.as_any().downcast_ref().unwrap()
}

fn floats(name: &str, column: &ArrayRef) -> ArrayRef {
    if NUMBERS.contains(&name) || name == "spot_in_use_cap" {
        let numbers: Float64Array = strings(column).iter().map(|cell| cell.map(|cell| cell.parse().unwrap())).collect();
        return Arc::new(numbers);
    }
    if name == "expiry" {
        let instant = |cell: &str| cell.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let stamps: TimestampMicrosecondArray = strings(column).iter().map(|cell| cell.map(instant)).collect();
        return Arc::new(stamps.with_timezone("UTC"));
    }
    Arc::clone(column)
}

fn decimals(name: &str, column: &ArrayRef) -> ArrayRef {
    let column = &floats(name, column);
    if *column.data_type() != DataType::Float64 {
        return Arc::clone(column);
    }
    let numbers = column.as_any().downcast_ref::<Float64Array>().unwrap();
    // All numbers of the sample have four decimals at most.
    let scaled = |number: f64| (number * 1e4).round() as i128 * 10i128.pow(14);
    let decimals: Decimal128Array = numbers.iter().map(|number| number.map(scaled)).collect();
    Arc::new(decimals.with_precision_and_scale(38, 18).unwrap())
}

fn relayout(kind: &DataType) -> impl Fn(&str, &ArrayRef) -> ArrayRef {
    move |_, column| {
        if *column.data_type() == DataType::Utf8 { cast(column, kind).unwrap() } else { Arc::clone(column) }
    }
}

fn write_parquet(file: &Path, batch: &RecordBatch, group_rows: usize, dictionary: bool) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).set_dictionary_enabled(dictionary);
    let mut writer =
        ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn write_arrow(file: &Path, batch: &RecordBatch, batch_rows: usize) {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(File::create(file).unwrap(), &batch.schema()).unwrap();
    for first in (0..batch.num_rows()).step_by(batch_rows) {
        writer.write(&batch.slice(first, batch_rows.min(batch.num_rows() - first))).unwrap();
    }
    writer.finish().unwrap();
}

/// The base snapshot with every table written by `write`.
fn rewritten(write: impl Fn(&Path, &str)) -> Folder {
    let folder = Folder::new();
    for (name, _) in TABLES {
        folder.remove(&format!("{name}.csv"));
        write(folder.path(), name);
    }
    folder
}

#[test]
fn every_format_gives_the_same_snapshot() {
    let expected = print(&Folder::new().load().unwrap());
    let check = |what: &str, write: &dyn Fn(&Path, &str)| {
        let snapshot = rewritten(write).load().unwrap_or_else(|error| panic!("{what}: {error}"));
        reconcile(&snapshot);
        assert_eq!(print(&snapshot), expected, "{what}");
    };
    check("parquet of strings", &|dir, name| {
        write_parquet(&dir.join(format!("{name}.parquet")), &batch(name), 100, true);
    });
    check("parquet, plain pages", &|dir, name| {
        write_parquet(&dir.join(format!("{name}.parquet")), &map(&batch(name), floats), 100, false);
    });
    check("parquet, row groups of two", &|dir, name| {
        write_parquet(&dir.join(format!("{name}.parquet")), &map(&batch(name), floats), 2, true);
    });
    check("parquet of decimals", &|dir, name| {
        write_parquet(&dir.join(format!("{name}.parquet")), &map(&batch(name), decimals), 2, true);
    });
    check("parquet parts", &|dir, name| {
        let rows = map(&batch(name), floats);
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("_SUCCESS"), "").unwrap();
        write_parquet(&dir.join(name).join("part-10.parquet"), &rows.slice(2, rows.num_rows() - 2), 2, true);
        write_parquet(&dir.join(name).join("part-02.parquet"), &rows.slice(1, 1), 2, true);
        write_parquet(&dir.join(name).join("part-01.parquet"), &rows.slice(0, 1), 2, true);
        write_parquet(&dir.join(name).join("part-00.parquet"), &rows.slice(0, 0), 2, true);
    });
    check("arrow", &|dir, name| write_arrow(&dir.join(format!("{name}.arrow")), &map(&batch(name), floats), 2));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int16), Box::new(DataType::Utf8));
    for kind in [DataType::LargeUtf8, DataType::Utf8View, dictionary] {
        let change = relayout(&kind);
        check(&format!("arrow, strings {kind}"), &|dir, name| {
            write_arrow(&dir.join(format!("{name}.arrow")), &map(&batch(name), &change), 100);
        });
        check(&format!("arrow, {kind} and decimals"), &|dir, name| {
            write_arrow(&dir.join(format!("{name}.arrow")), &map(&map(&batch(name), decimals), &change), 100);
        });
        check(&format!("parquet, {kind}"), &|dir, name| {
            write_parquet(&dir.join(format!("{name}.parquet")), &map(&map(&batch(name), floats), &change), 3, true);
        });
    }
}

#[test]
fn rows_in_any_order_give_the_same_book() {
    let expected = print(&Folder::new().load().unwrap());
    for turn in 1..6 {
        let folder = Folder::new();
        for (name, text) in TABLES {
            let (header, rows) = text.split_once('\n').unwrap();
            let mut rows: Vec<_> = rows.lines().collect();
            rows.reverse();
            let length = rows.len();
            rows.rotate_left(turn % length);
            folder.write(&format!("{name}.csv"), format!("{header}\n{}\n", rows.join("\n")));
        }
        assert_eq!(print(&folder.load().unwrap()), expected);
    }
}

#[test]
fn integer_ids_nulls_and_wrong_types() {
    let folder = Folder::new();
    folder.remove("balances.csv");
    let columns = |ids: ArrayRef, cash: ArrayRef| {
        let ccy: ArrayRef = Arc::new(StringViewArray::from(vec!["USDT"; ids.len()]));
        let none: ArrayRef = Arc::new(arrow_array::NullArray::new(ids.len()));
        RecordBatch::try_from_iter_with_nullable(vec![
            ("account_id", ids, true),
            ("ccy", ccy, true),
            ("cash", cash, true),
            ("interest", none, true),
        ])
        .unwrap()
    };
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![7, -70]));
    let cash: ArrayRef = Arc::new(Int64Array::from(vec![9_007_199_254_740_993, -2]));
    write_arrow(&folder.path().join("balances.arrow"), &columns(Arc::clone(&ids), Arc::clone(&cash)), 10);
    let snapshot = folder.load().unwrap();
    assert_eq!(snapshot.book.accounts().iter().collect::<Vec<_>>(), ["-70", "7", "a1", "a2", "a4"]);
    assert_eq!(snapshot.book.cash(), [-2.0, 9_007_199_254_740_992.0]);

    let single: ArrayRef = Arc::new(arrow_array::Float32Array::from(vec![1.0, 2.0]));
    let binary: ArrayRef = Arc::new(arrow_array::BinaryArray::from(vec![&b"a"[..], b"b"]));
    let float: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    for (ids, cash, words) in [
        (&ids, &single, ["`cash`", "Float32", "Float64, integers", "7 digits"]),
        (&binary, &cash, ["`account_id`", "Binary", "strings, integers", "annotation"]),
        (&float, &cash, ["`account_id`", "Float64", "strings or integers", "wrong type"]),
    ] {
        for format in ["arrow", "parquet"] {
            let file = folder.path().join(format!("balances.{format}"));
            let batch = columns(Arc::clone(ids), Arc::clone(cash));
            if format == "arrow" {
                write_arrow(&file, &batch, 10);
            } else {
                write_parquet(&file, &batch, 10, true);
            }
            let message = folder.invalid().to_string();
            for word in words {
                assert!(message.contains(word), "{format}: {word:?} is not in\n{message}");
            }
            fs::remove_file(file).unwrap();
        }
    }
}

/// Whatever byte of a file is damaged or cut off: a snapshot that reconciles, or an error; never a panic.
#[test]
fn damaged_files_are_errors() {
    let folder =
        rewritten(|dir, name| write_parquet(&dir.join(format!("{name}.parquet")), &map(&batch(name), floats), 2, true));
    folder.remove("balances.parquet");
    write_arrow(&folder.path().join("balances.arrow"), &map(&batch("balances"), floats), 2);
    for name in ["positions.parquet", "balances.arrow"] {
        let whole = fs::read(folder.path().join(name)).unwrap();
        let mut errors = 0;
        for at in (0..whole.len()).step_by(whole.len() / 150 + 1) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            for bytes in [&damaged[..], &whole[..at]] {
                folder.write(name, bytes);
                match folder.load() {
                    Ok(snapshot) => reconcile(&snapshot),
                    Err(error) => {
                        assert_eq!(error.exit_code(), 3, "{error}");
                        assert!(error.to_string().contains(name), "{error}");
                        errors += 1;
                    }
                }
            }
        }
        assert!(errors > 150, "{name}: {errors}");
        folder.write(name, whole);
    }
}

#[test]
fn large_ids_of_one_column_schema() {
    let schema = Schema::new(vec![
        Field::new("account_id", DataType::LargeUtf8, true),
        Field::new("spot_offset", DataType::Null, true),
    ]);
    let ids: ArrayRef = Arc::new(LargeStringArray::from(vec!["a9"]));
    let none: ArrayRef = Arc::new(arrow_array::NullArray::new(1));
    let folder = Folder::new();
    folder.remove("accounts.csv");
    write_parquet(
        &folder.path().join("accounts.parquet"),
        &RecordBatch::try_new(Arc::new(schema), vec![ids, none]).unwrap(),
        10,
        true,
    );
    let snapshot = folder.load().unwrap();
    assert_eq!(snapshot.book.accounts().iter().last(), Some("a9"));
    assert_eq!(snapshot.book.spot_offset().last(), Some(&SpotOffset::Usdt));
}
