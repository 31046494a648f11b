//! Two versions of one snapshot, in any format: the same accounts with other positions, cash and prices.

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use remargin::progress::Silent;
use remargin::snapshot::form_checksums;
use remargin::source::Format;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

const ACCOUNTS: usize = 300;
/// Rows of a row group and of a batch.
const GROUP: usize = 150;

const INSTRUMENTS: &str = "inst_id,inst_type,uly,settle_ccy,ct_type,ct_val,ct_mult,expiry,strike,opt_type
BTC-USDT-SWAP,SWAP,BTC-USDT,USDT,linear,0.01,1,,,
BTC-USD-SWAP,SWAP,BTC-USD,BTC,inverse,100,1,,,
ETH-USDC-SWAP,SWAP,ETH-USDC,USDC,linear,0.1,1,,,
";

/// The columns that hold numbers.
const NUMBERS: [&str; 10] =
    ["ct_val", "ct_mult", "mark_px", "px", "qty", "cash", "strike", "mark_vol", "fwd_px", "interest"];

fn tables(version: usize) -> Vec<(&'static str, String)> {
    let more = 100 * version;
    let marks = format!(
        "inst_id,mark_px,mark_vol,fwd_px\nBTC-USDT-SWAP,9{more:03}0,,\nBTC-USD-SWAP,90010,,\nETH-USDC-SWAP,3000,,\n"
    );
    let indices =
        format!("index_id,px\nBTC-USDT,9{more:03}1\nBTC-USD,90005\nUSDT-USD,0.9998\nUSDC-USD,1\nETH-USDC,3000\n");
    let mut positions = "account_id,inst_id,qty,avg_px\n".to_owned();
    let mut balances = "account_id,ccy,cash,interest,spot_in_use_cap\n".to_owned();
    for account in 0..ACCOUNTS {
        for contract in ["BTC-USD-SWAP", "BTC-USDT-SWAP"] {
            let _ = writeln!(positions, "a{account:04},{contract},{},90000", 1000 + account + more);
        }
        let _ = writeln!(balances, "a{account:04},USDT,{},,", 100_000 + account + more);
        let _ = writeln!(balances, "a{account:04},BTC,{},,", 10 + version);
    }
    let named = [("marks", marks), ("indices", indices), ("positions", positions), ("balances", balances)];
    [("instruments", INSTRUMENTS.to_owned())].into_iter().chain(named).collect()
}

/// The name of a table's file, or of a file that is none.
pub fn file_of(name: &str, format: Format) -> String {
    match name {
        "snapshot.toml" | "checksums" => name.to_owned(),
        table => format!("{table}.{}", format.extension()),
    }
}

/// A version of the snapshot.
pub fn write_snapshot(dir: &Path, format: Format, version: usize) {
    fs::create_dir(dir).unwrap();
    fs::write(dir.join("snapshot.toml"), format!("version = 1\nas_of = 2026-01-15T08:00:0{version}Z\n")).unwrap();
    for (table, text) in tables(version) {
        let path = dir.join(file_of(table, format));
        match format {
            Format::Csv => fs::write(path, text).unwrap(),
            Format::Parquet => {
                let batch = batch(&text);
                let properties = WriterProperties::builder().set_max_row_group_row_count(Some(GROUP)).build();
                let file = File::create(path).unwrap();
                let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
                writer.write(&batch).unwrap();
                writer.close().unwrap();
            }
            Format::Arrow => {
                let batch = batch(&text);
                let mut writer = FileWriter::try_new(File::create(path).unwrap(), &batch.schema()).unwrap();
                for start in (0..batch.num_rows()).step_by(GROUP) {
                    writer.write(&batch.slice(start, GROUP.min(batch.num_rows() - start))).unwrap();
                }
                writer.finish().unwrap();
            }
        }
    }
}

/// Adds `checksums` to a snapshot.
pub fn seal(dir: &Path) {
    let lines = form_checksums(dir, &Silent).unwrap();
    fs::write(dir.join("checksums"), lines).unwrap();
}

fn batch(text: &str) -> RecordBatch {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let rows: Vec<_> = lines.collect();
    let columns: Vec<(String, ArrayRef)> = names
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let cells = rows.iter().map(|row| row[place]);
            let array: ArrayRef = if NUMBERS.contains(name) {
                Arc::new(cells.map(|cell| cell.parse::<f64>().ok()).collect::<Float64Array>())
            } else {
                Arc::new(cells.map(|cell| Some(cell).filter(|cell| !cell.is_empty())).collect::<StringArray>())
            };
            ((*name).to_owned(), array)
        })
        .collect();
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The rules that a snapshot names are read before its tables. What is margined is what is hashed.
#[test]
fn rules_of_the_snapshot_that_change_before_its_tables_are_read_are_noticed() {
    use remargin::run::{RunRequest, run};
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("snapshot");
    fs::create_dir(&dir).unwrap();
    for entry in fs::read_dir("data/sample").unwrap() {
        let from = entry.unwrap().path();
        if from.file_name().is_some_and(|name| name != "checksums") {
            fs::copy(&from, dir.join(from.file_name().unwrap())).unwrap();
        }
    }
    let (manifest, file) = (dir.join("snapshot.toml"), dir.join("rules.toml"));
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("rules = \"rules.toml\"\n{text}")).unwrap();
    let of = |unit: &str| format!("extends = \"okx-pm2-2025-01\"\nrisk_unit = \"{unit}\"\n");
    fs::write(&file, of("merged")).unwrap();
    let request = || RunRequest::new(&dir, place.path().join("out"), remargin::rules::load(Some(&file), &[]).unwrap());
    let read_before = request();
    fs::write(&file, of("separate")).unwrap();
    let error = run(&read_before, &Silent).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("rules.toml") && error.to_string().contains("changed"), "{error}");
    assert!(!place.path().join("out").exists());
    run(&request(), &Silent).unwrap();
}
