//! The small snapshot in every format, its Parquet pages with checksums.

use crate::common::folder::{Folder, TABLES, table};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use remargin::generate::write_table;
use remargin::progress::Silent;
use remargin::snapshot::{CHECKSUMS, form_checksums};
use remargin::source::Format;
use std::sync::Arc;

pub const FORMATS: [Format; 3] = [Format::Parquet, Format::Arrow, Format::Csv];

/// Columns that hold text; all others but `expiry` are numbers.
const TEXT: [&str; 10] = [
    "inst_id",
    "inst_type",
    "uly",
    "settle_ccy",
    "ct_type",
    "opt_type",
    "index_id",
    "account_id",
    "ccy",
    "spot_offset",
];

/// One table of the small snapshot, typed.
pub fn batch(name: &str) -> RecordBatch {
    let mut lines = table(name).lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let columns = names.iter().enumerate().map(|(place, &name)| {
        let cells = || rows.iter().map(move |row| Some(row[place]).filter(|cell| !cell.is_empty()));
        let column: ArrayRef = if TEXT.contains(&name) {
            Arc::new(cells().collect::<StringArray>())
        } else if name == "expiry" {
            let instant = |cell: &str| cell.parse::<jiff::Timestamp>().unwrap().as_millisecond();
            Arc::new(cells().map(|cell| cell.map(instant)).collect::<TimestampMillisecondArray>().with_timezone("UTC"))
        } else {
            Arc::new(cells().map(|cell| cell.map(|cell| cell.parse::<f64>().unwrap())).collect::<Float64Array>())
        };
        (name, column, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// The small snapshot in a format.
pub fn snapshot(format: Format) -> Folder {
    let folder = Folder::new();
    for (name, _) in TABLES {
        folder.remove(&format!("{name}.csv"));
        write_table(folder.path(), name, format, &batch(name)).unwrap();
    }
    folder
}

/// Adds the hashes of its files.
pub fn add_checksums(folder: &Folder) {
    folder.write(CHECKSUMS, form_checksums(folder.path(), &Silent).unwrap());
}
