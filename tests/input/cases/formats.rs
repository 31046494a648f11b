//! Types, times and texts as databases, data frames and spreadsheets write them.

use super::{Place, Text, reasons};
use arrow_array::{
    ArrayRef, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::data_type::{Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use remargin::snapshot::Expectations;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

fn instruments(change: impl Fn(&str) -> String) -> Place {
    let text = Text::of("instruments").map("expiry", change);
    Place::with("instruments", "instruments.csv", text.to_csv(",", "\n", ""))
}

fn epoch_seconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().unwrap().as_second()
}

#[test]
fn times_of_other_writers_are_those_of_the_clean_sample() {
    type Change = fn(&str) -> String;
    let cases: [(&str, Change, bool); 14] = [
        ("pandas, aware", |time| plain(time) + "+00:00", false),
        ("pandas, naive", plain, true),
        ("polars, naive", |time| plain(time).replace(' ', "T") + ".000000", true),
        ("BigQuery", |time| plain(time) + " UTC", false),
        ("DuckDB", |time| plain(time) + "+00", false),
        ("Postgres", |time| plain(time) + ".000000+00", false),
        ("Snowflake", |time| plain(time) + ".000 Z", false),
        ("Snowflake, offset", |time| plain(time) + ".000 +0000", false),
        ("Spark", |time| time.trim_end_matches('Z').to_owned() + ".000Z", false),
        ("Java", |time| time.to_owned() + "[UTC]", false),
        ("no colon", |time| time.trim_end_matches('Z').to_owned() + "+0000", false),
        ("seconds", |time| epoch_seconds(time).to_string(), false),
        ("milliseconds", |time| (epoch_seconds(time) * 1000).to_string(), false),
        ("nanoseconds", |time| (epoch_seconds(time) * 1_000_000_000).to_string(), false),
    ];
    for (what, change, is_naive) in cases {
        let warnings = instruments(change).assert_clean(what);
        assert_eq!(warnings == ["naive_times"], is_naive, "{what}: {warnings:?}");
    }
}

fn plain(time: &str) -> String {
    time.trim_end_matches('Z').replace('T', " ")
}

#[test]
fn a_date_alone_is_no_time() {
    for (what, change) in [("date", 10), ("digits", 0)] {
        let place = instruments(|time| if change == 10 { time[..10].to_owned() } else { time[..10].replace('-', "") });
        let snapshot = place.load().unwrap();
        assert!(reasons(&snapshot).iter().any(|(code, _)| *code == "invalid_instrument"), "{what}");
    }
}

/// A float, a local date or a word in place of a time: the reject says which forms are read.
#[test]
fn a_time_that_cannot_be_read_names_the_forms() {
    for (what, change) in [
        ("float", (|time| format!("{}.0", epoch_seconds(time))) as fn(&str) -> String),
        ("local date", |time| format!("{}.{}.{} 08:00", &time[8..10], &time[5..7], &time[..4])),
        ("nan", |_| "nan".to_owned()),
    ] {
        let snapshot = instruments(change).load().unwrap();
        let reject = snapshot.rejects.iter().find(|reject| reject.column == "expiry").unwrap();
        let expected = reject.expected();
        for word in ["2026-03-27T08:00:00Z", "whole number of s, ms, us or ns", "nothing for SWAP"] {
            assert!(expected.contains(word), "{what}: no {word:?} in {expected}");
        }
    }
    let outcome = crate::common::e2e::remargin(instruments(|_| "nan".to_owned()).dir(), &["check", "."]);
    assert!(outcome.stdout.contains("expiry `nan`, expected: a time such as"), "{}", outcome.stdout);
}

#[test]
fn stamps_without_a_zone_are_said() {
    let text = Text::of("instruments");
    let place = text.place("expiry");
    let seconds = text.rows.iter().map(|row| (!row[place].is_empty()).then(|| epoch_seconds(&row[place]) * 1_000_000));
    let stamps: TimestampMicrosecondArray = seconds.collect();
    for (zone, warnings) in [(None, vec!["naive_times"]), (Some("UTC"), vec![]), (Some("+02:00"), vec![])] {
        let stamps = zone.map_or(stamps.clone(), |zone| stamps.clone().with_timezone(zone));
        let folder = Place::without(&["instruments"]);
        let batch = replaced(&text.batch(), "expiry", &(Arc::new(stamps) as ArrayRef));
        folder.write_parquet("instruments.parquet", &batch);
        assert_eq!(folder.assert_clean("stamps"), warnings, "{zone:?}");
    }
}

#[test]
fn whole_numbers_are_times_in_parquet_too() {
    let text = Text::of("instruments");
    let place = text.place("expiry");
    let expiry: Int64Array = text
        .rows
        .iter()
        .map(|row| Some(&row[place]).filter(|cell| !cell.is_empty()).map(|t| epoch_seconds(t) * 1000))
        .collect();
    let folder = Place::without(&["instruments"]);
    folder.write_parquet("instruments.parquet", &replaced(&text.batch(), "expiry", &(Arc::new(expiry) as ArrayRef)));
    assert_eq!(folder.assert_clean("milliseconds"), [""; 0]);
}

/// A batch with another column of a name.
fn replaced(batch: &RecordBatch, name: &str, column: &ArrayRef) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, old)| {
        let new = if field.name() == name { Arc::clone(column) } else { Arc::clone(old) };
        (field.name().as_str(), new, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// The instruments with old timestamps (INT96), as Spark and Impala write them.
fn write_int96(place: &Place, far: Option<(&str, i64)>) {
    let text = Text::of("instruments");
    let names = text.names.iter();
    let column = |name: &String| match name.as_str() {
        "expiry" => "OPTIONAL INT96 expiry;".to_owned(),
        name => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
    };
    let message = names.map(column).collect::<Vec<_>>().concat();
    let schema = Arc::new(parquet::schema::parser::parse_message_type(&format!("message m {{ {message} }}")).unwrap());
    let file = File::create(place.dir().join("instruments.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::new())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let (id, expiry) = (text.place("inst_id"), text.place("expiry"));
    for column in 0..text.names.len() {
        let cells: Vec<&str> = text.rows.iter().map(|row| row[column].as_str()).collect();
        let levels: Vec<i16> = cells.iter().map(|cell| i16::from(!cell.is_empty())).collect();
        let mut chunk = group.next_column().unwrap().unwrap();
        if column == expiry {
            let days = |row: &Vec<String>| match far {
                Some((far, seconds)) if row[id] == far => seconds,
                _ => epoch_seconds(&row[expiry]),
            };
            let stamps = text.rows.iter().filter(|row| !row[expiry].is_empty()).map(|row| int96(days(row)));
            let stamps: Vec<Int96> = stamps.collect();
            chunk.typed::<Int96Type>().write_batch(&stamps, Some(&levels), None).unwrap();
        } else {
            let values: Vec<_> = cells.iter().filter(|cell| !cell.is_empty()).map(|cell| (*cell).into()).collect();
            chunk.typed::<parquet::data_type::ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
        }
        chunk.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

fn int96(seconds: i64) -> Int96 {
    let (day, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let nanos = rest as u64 * 1_000_000_000;
    let mut stamp = Int96::new();
    stamp.set_data(nanos as u32, (nanos >> 32) as u32, (day + 2_440_588) as u32);
    stamp
}

#[test]
fn old_timestamps_do_not_wrap() {
    let place = Place::without(&["instruments"]);
    write_int96(&place, None);
    assert_eq!(place.assert_clean("INT96"), ["naive_times"]);

    // 2611-06-28 08:00 is 2^64 nanoseconds after a day of 2026.
    let positions = Text::of("positions");
    let expiries = Text::of("instruments");
    let held = |row: &&Vec<String>| positions.rows.iter().any(|position| position[1] == row[0]);
    let future = expiries.rows.iter().filter(held).find(|row| !row[expiries.place("expiry")].is_empty()).unwrap();
    for year in ["2611-06-28T08:00:00Z", "9999-12-01T08:00:00Z"] {
        let place = Place::without(&["instruments"]);
        write_int96(&place, Some((&future[0], epoch_seconds(year))));
        let snapshot = place.load().unwrap();
        let row = snapshot.rejects.iter().find(|reject| reject.table.name() == "instruments").unwrap();
        assert_eq!((row.reason.code(), row.column), ("invalid_instrument", "expiry"), "{year}");
        let as_stamp = expiries.clone();
        let stamps: TimestampMicrosecondArray = as_stamp
            .rows
            .iter()
            .map(|row| {
                let cell = &row[as_stamp.place("expiry")];
                let seconds = if row[0] == future[0] { Some(epoch_seconds(year)) } else { None };
                seconds.or_else(|| (!cell.is_empty()).then(|| epoch_seconds(cell))).map(|seconds| seconds * 1_000_000)
            })
            .collect();
        let other = Place::without(&["instruments"]);
        other.write_parquet(
            "instruments.parquet",
            &replaced(&as_stamp.batch(), "expiry", &(Arc::new(stamps) as ArrayRef)),
        );
        assert_eq!(reasons(&snapshot), reasons(&other.load().unwrap()), "{year}: as in microseconds");
    }
}

#[test]
fn numbers_without_a_digit_before_the_point() {
    let bare = |cell: &str| cell.strip_prefix("0.").map_or(cell.to_owned(), |rest| format!(".{rest}"));
    let text = Text::of("positions").map("avg_px", bare).map("qty", bare);
    assert!(text.rows.iter().flatten().any(|cell| cell.starts_with('.')));
    Place::with("positions", "positions.csv", text.to_csv(",", "\n", "")).assert_clean("bcp");
}

/// The tables of accounts with other ids, by number.
fn with_ids(id: impl Fn(&[i64]) -> ArrayRef) -> Place {
    let place = Place::without(&["positions", "balances", "accounts"]);
    for table in ["positions", "balances", "accounts"] {
        let text = Text::of(table);
        let numbers: Vec<i64> = text.rows.iter().map(|row| row[0][1..].parse().unwrap()).collect();
        place.write_parquet(&format!("{table}.parquet"), &replaced(&text.batch(), "account_id", &id(&numbers)));
    }
    place
}

#[test]
fn ids_of_warehouses() {
    let ids = |place: &Place| place.load().map(|snapshot| snapshot.book.accounts().iter().map(str::to_owned).collect());
    let decimals = with_ids(|numbers| {
        let ids = Decimal128Array::from_iter_values(numbers.iter().map(|number| i128::from(*number)));
        Arc::new(ids.with_precision_and_scale(38, 0).unwrap())
    });
    let integers = with_ids(|numbers| Arc::new(Int64Array::from(numbers.to_vec())));
    let of_integers: Vec<String> = ids(&integers).unwrap();
    assert_eq!(ids(&decimals).unwrap(), of_integers);
    assert_eq!(of_integers.len(), 300);

    let uuid = |number: i64| [[0u8; 8], number.to_be_bytes()].concat();
    let uuids = with_ids(|numbers| {
        Arc::new(FixedSizeBinaryArray::try_from_iter(numbers.iter().map(|number| uuid(*number))).unwrap())
    });
    let of_uuids: Vec<String> = ids(&uuids).unwrap();
    assert_eq!((of_uuids.len(), of_uuids[0].as_str()), (300, "00000000-0000-0000-0000-000000000001"));

    let floats = with_ids(|numbers| Arc::new(numbers.iter().map(|number| *number as f64).collect::<Float64Array>()));
    floats.assert_refused("floats", &["account_id", "Float64", "write the column as strings or integers"]);

    // The same as text, in CSV: in all tables, and in one of them.
    for tables in [&["positions", "balances", "accounts"][..], &["positions"]] {
        let place = Place::without(&["positions", "balances", "accounts"]);
        for table in ["positions", "balances", "accounts"] {
            let end = if tables.contains(&table) { ".0" } else { "" };
            let text = Text::of(table).map("account_id", |id| format!("{}{end}", id[1..].trim_start_matches('0')));
            place.write(&format!("{table}.csv"), text.to_csv(",", "\n", ""));
        }
        let words: &[&str] = if tables.len() == 3 { &["floats", "strings or integers"] } else { &[".0` (positions)"] };
        place.assert_refused("float texts", &[words, &["account_id", "--allow-similar-ids"]].concat());
        let allowed = Expectations { allow_similar_ids: true, ..Expectations::NONE };
        assert!(place.load_expecting(&allowed).is_ok());
    }
}

#[test]
fn csv_of_spreadsheets() {
    let text = Text::of("positions");
    let csv = text.to_csv(",", "\n", "");
    for (what, bytes) in [
        ("trailing columns without a name", text.to_csv(",", ",,,\n", "")),
        ("one of them", text.to_csv(",", ",\n", "")),
        ("quotes", text.to_csv(",", "\r\n", "\"")),
        ("byte order mark", format!("\u{feff}{csv}")),
    ] {
        assert_eq!(Place::with("positions", "positions.csv", bytes).assert_clean(what), [""; 0], "{what}");
    }
    let utf16: Vec<u8> = std::iter::once(0xfeffu16).chain(csv.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    Place::with("positions", "positions.csv", utf16).assert_refused("UTF-16", &["UTF-16", "iconv"]);
    for (what, bytes, words) in [
        ("semicolons", text.to_csv(";", "\n", ""), ["parted by `;`", "write the table with `,`"]),
        ("quoted semicolons", text.to_csv(";", "\n", "\""), ["parted by `;`", "write the table with `,`"]),
        ("tabs", text.to_csv("\t", "\n", ""), ["parted by tabs", "write the table with `,`"]),
        ("sep=", format!("sep=;\n{}", text.to_csv(";", "\n", "")), ["sep=", "remove the first line"]),
        ("value without a name", text.to_csv(",", ",x\n", "").replacen(",x", ",", 1), ["without a name", "x"]),
    ] {
        Place::with("positions", "positions.csv", bytes).assert_refused(what, &words);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn csv_packed_with_gzip() {
    let csv = Text::of("positions").to_csv(",", "\n", "");
    let packed = gzip(csv.as_bytes());
    Place::with("positions", "positions.csv.gz", &packed).assert_clean("gzip");
    // Two members behind each other are one file.
    let (head, tail) = csv.split_at(csv.len() / 2);
    let members = [gzip(head.as_bytes()), gzip(tail.as_bytes())].concat();
    Place::with("positions", "positions.csv.gz", members).assert_clean("two members");
    for (what, file, bytes, words) in [
        ("gzip called CSV", "positions.csv", packed.clone(), ["gzip", "csv.gz"]),
        ("CSV called gzip", "positions.csv.gz", csv.clone().into_bytes(), ["not a gzip file", "positions.csv.gz"]),
        ("cut off", "positions.csv.gz", packed[..packed.len() - 20].to_vec(), ["cut off", "positions.csv.gz"]),
        ("bomb", "positions.csv.gz", gzip(&vec![b'\n'; 80 << 20]), ["unpack to more than", "positions.csv.gz"]),
    ] {
        Place::with("positions", file, bytes).assert_refused(what, &words);
    }
}

#[test]
fn other_ends_of_names() {
    let batch = Text::of("positions").batch();
    let place = |file: &str| {
        let place = Place::without(&["positions"]);
        place.write_parquet(file, &batch);
        place
    };
    for file in ["positions.PARQUET", "positions.parq", "positions.pq", "positions.parquet/part-0.parquet"] {
        assert_eq!(place(file).assert_clean(file), [""; 0], "{file}");
    }
    place("positions.csv").assert_refused("Parquet called CSV", &["a Parquet file", "*.parquet"]);
    let mut arrow = Vec::new();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut arrow, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    assert_eq!(Place::with("positions", "positions.feather", &arrow).assert_clean("feather"), [""; 0]);
    Place::with("positions", "positions.xlsx", b"PK\x03\x04").assert_refused("spreadsheet", &["positions.xlsx"]);
}

#[test]
fn words_in_capitals() {
    let place = Place::with("accounts", "accounts.csv", {
        Text::of("accounts").map("spot_offset", str::to_uppercase).to_csv(",", "\n", "")
    });
    assert_eq!(place.assert_clean("modes"), [""; 0]);
    let place = Place::with("instruments", "instruments.csv", {
        let text = Text::of("instruments").map("inst_type", str::to_lowercase).map("ct_type", str::to_uppercase);
        text.map("opt_type", str::to_lowercase).to_csv(",", "\n", "")
    });
    assert_eq!(place.assert_clean("types"), [""; 0]);
}
