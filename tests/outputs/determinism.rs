//! One book, the same bytes: whatever the number of threads, the order of input rows, the format of the input.

use crate::common::e2e::{
    Row, TABLES, entries, files, generate, json, read_arrow, read_parquet, remargin, rows, rows_of, shuffled, succeeds,
};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Float64Array, RecordBatch, UInt32Array};
use arrow_ipc::writer::FileWriter;
use arrow_select::take::take_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use remargin::engine::CHUNK_ACCOUNTS;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const THREADS: [usize; 4] = [1, 2, 3, 8];

/// What a run left: the bytes of its files, the manifest apart.
#[derive(Clone)]
struct Run {
    what: String,
    files: BTreeMap<String, Vec<u8>>,
    manifest: Value,
}

impl Run {
    /// The run without its page and without what the manifest says of it: the page lists the inputs by their hashes.
    fn without_page(mut self) -> Self {
        self.files.remove("report.html").unwrap();
        let outputs = self.manifest["outputs"].as_array_mut().unwrap();
        outputs.retain(|file| file["path"] != "report.html");
        self
    }
}

/// Runs the snapshot `root/snapshot`.
fn run(root: &Path, threads: usize, flags: &[&str]) -> Run {
    run_with_code(root, threads, flags, 0)
}

fn run_with_code(root: &Path, threads: usize, flags: &[&str], code: i32) -> Run {
    let number = threads.to_string();
    let args = [&["run", "snapshot", "--out", "out", "--force", "--threads", &number], flags].concat();
    let outcome = remargin(root, &args);
    let what = format!("{} {args:?}", root.display());
    assert_eq!(outcome.code, Some(code), "{what}: {}", outcome.stderr);
    let mut files = files(&root.join("out"));
    let manifest: Value = serde_json::from_slice(&files.remove("manifest.json").unwrap()).unwrap();
    assert_eq!(manifest["threads"], threads, "{what}");
    Run { what, files, manifest }
}

/// The manifest without what names this run or this copy of the book.
fn without(manifest: &Value, keys: &[&str]) -> Value {
    let mut manifest = manifest.clone();
    for key in keys {
        assert!(manifest.as_object_mut().unwrap().remove(*key).is_some(), "{key}");
    }
    manifest
}

fn assert_same(expected: &Run, found: &Run) {
    if expected.manifest["inputs"] == found.manifest["inputs"] {
        assert!(expected.files["report.html"] == found.files["report.html"], "the page differs: {}", found.what);
        assert_eq!(expected.manifest["identity"], found.manifest["identity"], "{}", found.what);
    }
    assert_same_figures(&expected.clone().without_page(), &found.clone().without_page());
}

fn assert_same_figures(expected: &Run, found: &Run) {
    let names = |run: &Run| run.files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(expected), names(found));
    for (name, bytes) in &expected.files {
        assert!(*bytes == found.files[name], "`{name}` differs:\n{}\n{}", expected.what, found.what);
    }
    // The identity is over the hashes of the inputs.
    let volatile = ["timings_seconds", "command_line", "threads", "inputs", "request", "identity"];
    assert_eq!(without(&expected.manifest, &volatile), without(&found.manifest, &volatile), "{}", found.what);
}

/// A table in another form: rows in the given order, in pieces of so many rows.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A folder of so many Parquet parts.
    Parts { parts: usize, group_rows: usize },
    /// One IPC file.
    Arrow { batch_rows: usize },
}

/// Writes the Parquet snapshot `from` again, as `to`.
pub(super) fn rewrite(from: &Path, to: &Path, seed: Option<u64>, form: Form) {
    fs::create_dir_all(to).unwrap();
    fs::copy(from.join("snapshot.toml"), to.join("snapshot.toml")).unwrap();
    for (table, number) in TABLES.into_iter().zip(0..) {
        let mut batch = read_parquet(&from.join(format!("{table}.parquet")));
        if let Some(seed) = seed {
            batch = take_record_batch(&batch, &UInt32Array::from(shuffled(batch.num_rows(), seed + number))).unwrap();
        }
        match form {
            Form::Parts { parts, group_rows } => write_parts(&to.join(table), &batch, parts, group_rows),
            Form::Arrow { batch_rows } => {
                let file = File::create(to.join(format!("{table}.arrow"))).unwrap();
                let mut writer = FileWriter::try_new(file, &batch.schema()).unwrap();
                pieces(&batch, batch_rows).for_each(|piece| writer.write(&piece).unwrap());
                writer.finish().unwrap();
            }
        }
    }
}

fn write_parts(folder: &Path, batch: &RecordBatch, parts: usize, group_rows: usize) {
    fs::create_dir(folder).unwrap();
    for (number, part) in pieces(batch, batch.num_rows().div_ceil(parts)).enumerate() {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
        let file = File::create(folder.join(format!("part-{number:03}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&part).unwrap();
        writer.close().unwrap();
    }
}

fn pieces(batch: &RecordBatch, most: usize) -> impl Iterator<Item = RecordBatch> {
    let piece = move |start| batch.slice(start, most.min(batch.num_rows() - start));
    (0..batch.num_rows()).step_by(most).map(piece)
}

/// Writes the CSV snapshot `from` again, as `to`, rows shuffled.
fn shuffle_csv(from: &Path, to: &Path, seed: u64) {
    fs::create_dir_all(to).unwrap();
    fs::copy(from.join("snapshot.toml"), to.join("snapshot.toml")).unwrap();
    for (table, number) in TABLES.into_iter().zip(0..) {
        let name = format!("{table}.csv");
        let text = fs::read_to_string(from.join(&name)).unwrap();
        let (header, rows) = text.split_once('\n').unwrap();
        let rows: Vec<&str> = rows.lines().collect();
        let mut lines = vec![header];
        lines.extend(shuffled(rows.len(), seed + number).into_iter().map(|row| rows[row as usize]));
        assert_ne!(lines[1..], rows, "{table} is shuffled");
        fs::write(to.join(name), lines.join("\n") + "\n").unwrap();
    }
}

/// One book in every form that a snapshot may have: the folders that hold `snapshot`, the plain Parquet one first.
fn forms(place: &Path, accounts: usize, positions: f64, seed: u64) -> Vec<PathBuf> {
    let names = ["parquet", "csv", "arrow", "parts", "shuffled-parts", "shuffled-arrow", "shuffled-csv"];
    let roots = names.map(|name| place.join(name));
    for (root, format) in roots.iter().zip(["parquet", "csv", "arrow"]) {
        generate(root, accounts, positions, seed, format);
    }
    let [parquet, csv, _, parts, shuffled_parts, shuffled_arrow, shuffled_csv] =
        roots.each_ref().map(|root| root.join("snapshot"));
    rewrite(&parquet, &parts, None, Form::Parts { parts: 3, group_rows: 1700 });
    rewrite(&parquet, &shuffled_parts, Some(11), Form::Parts { parts: 2, group_rows: 900 });
    rewrite(&parquet, &shuffled_arrow, Some(22), Form::Arrow { batch_rows: 1300 });
    shuffle_csv(&csv, &shuffled_csv, 33);
    roots.into()
}

#[test]
fn neither_threads_nor_formats_nor_the_order_of_rows_change_a_byte() {
    let place = tempfile::tempdir().unwrap();
    let roots = forms(place.path(), 2500, 10.0, 7);
    for flags in [&[] as &[&str], &["--set", "risk_unit=merged"]] {
        let expected = run(&roots[0], 1, flags);
        assert_eq!(expected.files.len(), 8, "{:?}", expected.files.keys());
        let summary = json(&roots[0].join("out/summary.json"));
        assert_eq!(summary["accounts"]["margined"], 2500);
        for status in ["liquidation", "near_liquidation", "warning", "healthy", "no_risk"] {
            assert!(summary["accounts"]["by_status"][status].as_u64() > Some(0), "{status}: {summary}");
        }
        for root in &roots {
            // Merged books differ in their units only: one odd and one large number of threads will do.
            let of_root: Vec<Run> = THREADS[if flags.is_empty() { 0 } else { 2 }..]
                .iter()
                .map(|&threads| run(root, threads, flags))
                .collect();
            for found in &of_root {
                assert_same(&expected, found);
                assert_eq!(found.manifest["inputs"], of_root[0].manifest["inputs"], "{}", found.what);
            }
        }
    }
}

/// Chunks of accounts are computed side by side and come out of order; the files must not show it.
#[test]
fn several_chunks_are_written_in_order_in_every_format() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("wide");
    let accounts = 2 * CHUNK_ACCOUNTS + 500;
    generate(&root, accounts, 1.0, 8, "parquet");
    for format in ["parquet", "csv", "arrow"] {
        let flags = ["--format", format];
        let expected = run(&root, 1, &flags);
        assert!(expected.files.contains_key(&format!("risk_units.{format}")), "{:?}", expected.files.keys());
        if format == "parquet" {
            let file = SerializedFileReader::new(File::open(root.join("out/accounts.parquet")).unwrap()).unwrap();
            assert_eq!(file.metadata().num_row_groups(), 3);
            assert_eq!(file.metadata().file_metadata().num_rows(), i64::try_from(accounts).unwrap());
        }
        for threads in &THREADS[1..] {
            assert_same(&expected, &run(&root, *threads, &flags));
        }
    }
}

/// Sorted Parquet streams, other books are read whole or, under a limit that they do not fit, sorted on disk; accounts
/// that are left out do not move the places where files are cut.
#[test]
fn neither_memory_limits_nor_the_way_of_reading_change_a_byte() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("wide");
    generate(&root, 2 * CHUNK_ACCOUNTS + 500, 1.0, 9, "parquet");
    let file = root.join("snapshot/positions.parquet");
    let batch = read_parquet(&file);
    let mut columns = batch.columns().to_vec();
    let place_of_qty = batch.schema().index_of("qty").unwrap();
    let qty = columns[place_of_qty].as_primitive::<Float64Type>().iter().enumerate();
    let broken = |(row, qty): (usize, Option<f64>)| if row % 4001 == 17 { Some(f64::NAN) } else { qty };
    columns[place_of_qty] = Arc::new(qty.map(broken).collect::<Float64Array>());
    let mut writer = ArrowWriter::try_new(File::create(&file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&RecordBatch::try_new(batch.schema(), columns).unwrap()).unwrap();
    writer.close().unwrap();
    let shuffled_root = place.path().join("shuffled");
    let form = Form::Parts { parts: 2, group_rows: 9000 };
    rewrite(&root.join("snapshot"), &shuffled_root.join("snapshot"), Some(5), form);

    // Two threads alone take 192 MiB, a piece 24 MiB; to read this book whole takes four pieces.
    let limits = ["4GiB", "250MiB"];
    let expected = run_with_code(&root, 2, &["--memory-limit", limits[0]], 4);
    for (root, limit) in [(&root, limits[1]), (&shuffled_root, limits[0]), (&shuffled_root, limits[1])] {
        assert_same_but_rejects(&expected, run_with_code(root, 2, &["--memory-limit", limit], 4));
    }
    // The other formats, on other numbers of threads: one takes 144 MiB, three take 240 MiB.
    for (format, threads, limit) in [("csv", 1, "200MiB"), ("arrow", 3, "300MiB")] {
        let expected = run_with_code(&root, 2, &["--memory-limit", limits[0], "--format", format], 4);
        for root in [&root, &shuffled_root] {
            let found = run_with_code(root, threads, &["--memory-limit", limit, "--format", format], 4);
            assert_same_but_rejects(&expected, found);
        }
    }
    let summary: Value = serde_json::from_slice(&expected.files["summary.json"]).unwrap();
    assert!(summary["unmargined"].as_array().unwrap().len() >= 5, "{}", summary["unmargined"]);
}

/// Broken rows have other numbers in a shuffled table.
fn assert_same_but_rejects(expected: &Run, mut found: Run) {
    assert_eq!(expected.files.keys().collect::<Vec<_>>(), found.files.keys().collect::<Vec<_>>());
    // Broken rows have other numbers in a shuffled table, and the page lists the hashes of the files.
    found.files.retain(|name, _| !name.starts_with("rejects.") && name != "report.html");
    for (name, bytes) in &found.files {
        assert!(*bytes == expected.files[name], "`{name}` differs: {}", found.what);
    }
}

#[test]
fn a_memory_limit_that_does_not_suffice_is_said_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 50, 5.0, 3, "csv");
    let outcome = remargin(place.path(), &["run", "snapshot", "--out", "out", "--memory-limit", "20MiB"]);
    assert_eq!(outcome.code, Some(6), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("memory limit of 20 MiB"), "{}", outcome.stderr);
    assert_eq!(entries(place.path()), ["snapshot"]);
    let outcome = remargin(place.path(), &["run", "snapshot", "--out", "out", "--memory-limit", "lots"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("512MiB"), "{}", outcome.stderr);
}

/// What a command prints and writes, its manifest apart.
fn answer(root: &Path, command: &[&str], limit: &str, code: i32) -> (String, BTreeMap<String, Vec<u8>>) {
    let outcome = remargin(root, &[command, &["--threads", "2", "--memory-limit", limit]].concat());
    assert_eq!(outcome.code, Some(code), "{command:?} with {limit}: {}", outcome.stderr);
    if code == 6 {
        assert!(outcome.stderr.contains("memory limit of") && outcome.stderr.contains("MiB on "), "{}", outcome.stderr);
    }
    let out = root.join("out");
    let mut all = BTreeMap::new();
    let folders =
        if out.is_dir() { vec![out.clone(), out.join("bucket-00000"), out.join("bucket-00002")] } else { vec![] };
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        for name in entries(&folder).into_iter().filter(|name| name != "manifest.json") {
            let file = folder.join(name);
            if file.is_file() {
                all.insert(file.display().to_string(), fs::read(&file).unwrap());
            }
        }
    }
    if out.is_dir() {
        fs::remove_dir_all(out).unwrap();
    }
    (outcome.stdout, all)
}

/// The limit is a promise of every command: each says the same under every limit from every source of the book, or that
/// the limit does not suffice.
#[test]
fn every_command_says_the_same_under_every_memory_limit() {
    let place = tempfile::tempdir().unwrap();
    let [sorted, shuffled] = ["sorted", "shuffled"].map(|name| place.path().join(name));
    generate(&sorted, 2000, 4.0, 12, "parquet");
    let form = Form::Parts { parts: 2, group_rows: 3000 };
    rewrite(&sorted.join("snapshot"), &shuffled.join("snapshot"), Some(3), form);
    for root in [&sorted, &shuffled] {
        succeeds(root, &["run", "snapshot", "--out", "before"]);
        succeeds(root, &["run", "snapshot", "--out", "after", "--set", "risk_unit=merged"]);
        let id = rows(&root.join("before/accounts.parquet"))[7]["account_id"].clone();
        let commands: [&[&str]; 8] = [
            &["check", "snapshot", "--format", "json"],
            &["explain", "snapshot", "--account", &id, "--format", "json"],
            &["verify", "before", "--sample", "50", "--format", "json"],
            &["stress", "snapshot", "--out", "out", "--preset", "crypto-historical"],
            &["stress", "snapshot", "--out", "out", "--scenario", "BTC=-30%", "--detail", "all", "--distance", "none"],
            &["compare", "snapshot", "--b", "risk_unit=merged", "--out", "out"],
            &["compare", "before", "after", "--out", "out"],
            &["partition", "snapshot", "--buckets", "3", "--out", "out"],
        ];
        for command in commands {
            let expected = answer(root, command, "4GiB", 0);
            assert!(expected.0.len() + expected.1.len() > 2, "{command:?}");
            assert!(expected == answer(root, command, "262MiB", 0), "{command:?} of {}", root.display());
            answer(root, command, "20MiB", 6);
        }
    }
}

/// The same figures in every format, to the last bit, in the same columns.
#[test]
fn output_formats_hold_the_same_rows() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("small");
    generate(&root, 400, 8.0, 10, "csv");
    break_rows(&root.join("snapshot/positions.csv"));
    for format in ["parquet", "arrow", "csv"] {
        let args = ["run", "snapshot", "--out", format, "--format", format];
        assert_eq!(remargin(&root, &args).code, Some(4));
    }
    for table in ["accounts", "risk_units", "at_risk", "rejects"] {
        let file = |format: &str| root.join(format).join(format!("{table}.{format}"));
        let parquet = read_parquet(&file("parquet"));
        let arrow = read_arrow(&file("arrow"));
        let names = |batch: &RecordBatch| -> Vec<String> {
            batch.schema().fields().iter().map(|field| field.name().clone()).collect()
        };
        assert_eq!(names(&arrow), names(&parquet), "{table}");
        let expected = rows_of(&parquet);
        assert!(expected.len() > 5, "{table}");
        assert!(rows_of(&arrow) == expected, "{table}");
        let text = fs::read_to_string(file("csv")).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(names(&parquet).join(",").as_str()));
        let row = |line: &str| names(&parquet).into_iter().zip(line.split(',').map(str::to_owned)).collect();
        assert!(lines.map(row).collect::<Vec<Row>>() == expected, "{table}");
    }
}

/// Gives some rows an entry price of zero and others an instrument that does not exist.
fn break_rows(positions: &Path) {
    let text = fs::read_to_string(positions).unwrap();
    let broken = text.lines().enumerate().map(|(line, text)| match line % 97 {
        13 => text.rsplit_once(',').unwrap().0.to_owned() + ",0",
        57 => text.replacen("-USD", "-XXX", 1),
        _ => text.to_owned(),
    });
    fs::write(positions, broken.collect::<Vec<_>>().join("\n") + "\n").unwrap();
}

/// Row numbers in `rejects` follow the input; all else must not.
#[test]
fn rejected_rows_do_not_depend_on_threads_and_only_their_numbers_on_the_order_of_rows() {
    let place = tempfile::tempdir().unwrap();
    let [plain, shuffled] = ["plain", "shuffled"].map(|name| place.path().join(name));
    generate(&plain, 600, 6.0, 9, "csv");
    break_rows(&plain.join("snapshot/positions.csv"));
    shuffle_csv(&plain.join("snapshot"), &shuffled.join("snapshot"), 44);

    let mut expected = run_with_code(&plain, 1, &[], 4);
    let summary = json(&plain.join("out/summary.json"));
    assert!(summary["rejects"]["by_reason"]["non_positive_avg_px"].as_u64() > Some(5), "{summary}");
    assert!(summary["rejects"]["by_reason"]["unknown_instrument"].as_u64() > Some(5), "{summary}");
    for threads in &THREADS[1..] {
        assert_same(&expected, &run_with_code(&plain, *threads, &[], 4));
    }

    let contents = |root: &Path| {
        // A sound row names the row that is to blame.
        let without_number = |mut row: Row| {
            row.remove("row").unwrap();
            if row["reason"] == "account_unmargined" {
                let value = row["value"].replace(|digit: char| digit.is_ascii_digit(), "");
                row.insert("value".to_owned(), value);
            }
            row
        };
        let mut rows: Vec<_> = rows(&root.join("out/rejects.parquet")).into_iter().map(without_number).collect();
        rows.sort();
        rows
    };
    let expected_rejects = contents(&plain);
    expected.files.retain(|name, _| !name.starts_with("rejects."));
    for threads in THREADS {
        let mut found = run_with_code(&shuffled, threads, &[], 4);
        found.files.retain(|name, _| !name.starts_with("rejects."));
        // The manifest lists the hash of `rejects`.
        found.manifest["outputs"] = expected.manifest["outputs"].clone();
        assert_same(&expected, &found);
        assert_eq!(expected_rejects, contents(&shuffled), "{}", found.what);
    }
}
