//! What the tests of the whole program share: command lines run in a folder, and what they leave, bit by bit.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::FileReader;
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

/// The tables of a snapshot.
pub const TABLES: [&str; 6] = ["instruments", "marks", "indices", "positions", "balances", "accounts"];

/// How a command line ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program in the folder `dir`, to be started in the background: it reads and says nothing.
pub fn in_background(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remargin"));
    command.current_dir(dir).args(args).env_remove("REMARGIN_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs the program in the folder `dir`.
pub fn remargin(dir: &Path, args: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_remargin"))
        .current_dir(dir)
        .args(args)
        .env_remove("REMARGIN_LOG")
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs the program in the folder `dir`; it must succeed.
pub fn succeeds(dir: &Path, args: &[&str]) -> Outcome {
    let outcome = remargin(dir, args);
    assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
    outcome
}

/// Writes a synthetic book to `dir/snapshot`, without `checksums`: tests change its tables.
pub fn generate(dir: &Path, accounts: usize, positions: f64, seed: u64, format: &str) {
    fs::create_dir_all(dir).unwrap();
    let (accounts, positions, seed) = (accounts.to_string(), positions.to_string(), seed.to_string());
    let flags = ["--accounts", &accounts, "--positions-per-account", &positions, "--seed", &seed, "--format", format];
    succeeds(dir, &[&["generate", "--quiet", "--out", "snapshot"], &flags[..]].concat());
    fs::remove_file(dir.join("snapshot/checksums")).unwrap();
}

/// Names in a folder, hidden ones too, in byte order.
pub fn entries(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

/// The bytes of every file in a folder.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    entries(dir).into_iter().map(|name| (name.clone(), fs::read(dir.join(&name)).unwrap())).collect()
}

/// A whole Parquet file.
pub fn read_parquet(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// A whole IPC file.
pub fn read_arrow(path: &Path) -> RecordBatch {
    let reader = FileReader::try_new(File::open(path).unwrap(), None).unwrap();
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// A row by column. Floats stand in the shortest form that reads back to the same bits, so that equal text is equal
/// bits; null is the empty string.
pub type Row = BTreeMap<String, String>;

/// The rows of an output table in Parquet.
pub fn rows(path: &Path) -> Vec<Row> {
    rows_of(&read_parquet(path))
}

/// The rows of an output table.
pub fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let schema = batch.schema();
    let row = |row| {
        let cells = schema.fields().iter().zip(batch.columns());
        cells.map(|(field, column)| (field.name().clone(), cell(column, row))).collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

fn cell(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return String::new();
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Float64 => exact(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        other => panic!("no output table has a column of `{other}`"),
    }
}

/// A number as it stands in [`Row`].
pub fn exact(number: f64) -> String {
    format!("{number:?}")
}

/// A JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Numbers `0..count` in an order that depends on the seed alone.
pub fn shuffled(count: usize, seed: u64) -> Vec<u32> {
    let mut state = seed;
    // SplitMix64.
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut order: Vec<u32> = (0..count as u32).collect();
    for last in (1..count).rev() {
        order.swap(last, (next() % (last as u64 + 1)) as usize);
    }
    order
}
