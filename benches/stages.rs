//! The stages of a run one by one: read and check, compute, encode and write.
//!
//! `cargo bench --bench stages`. Every result is checked before it is timed.

mod common;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use common::{Generation, assert_reference, positions, rules};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use remargin::engine::{chunk, price};
use remargin::publish::OutputFile;
use remargin::source::Format;
use remargin::tables::columns::{ACCOUNTS, RISK_UNITS, TableSpec};
use remargin::tables::encode;
use remargin::tables::rows::{accounts_batch, risk_units_batch};
use std::fs::File;
use std::path::Path;

/// Accounts of the book.
const BOOK: u64 = 20_000;
/// Accounts of the encoded part: a chunk of a run.
const CHUNK: usize = remargin::engine::CHUNK_ACCOUNTS;

fn read(criterion: &mut Criterion) {
    let rules = rules();
    let generation = Generation::new(BOOK);
    let snapshot = generation.load(&rules);
    assert_eq!(snapshot.book.len() as u64, generation.counts.accounts);
    assert_eq!(positions(&snapshot.book), generation.counts.positions);
    assert_eq!(snapshot.book.cash().len() as u64, generation.counts.balances);
    assert!(snapshot.rejects.is_empty());

    let mut group = criterion.benchmark_group("read");
    group.sample_size(10);
    group.throughput(Throughput::Elements(generation.counts.positions));
    group.bench_function("snapshot", |bench| bench.iter_with_large_drop(|| generation.load(&rules)));
    group.finish();
}

fn compute(criterion: &mut Criterion) {
    let rules = rules();
    let snapshot = Generation::new(BOOK).load(&rules);
    let priced = price(&snapshot.market, &rules);
    let margins = chunk(&priced, &snapshot.book, 0..CHUNK).expect("margins");
    assert_reference(&snapshot, &rules, &priced.unit_names(), &margins, 50);

    let mut group = criterion.benchmark_group("compute");
    group.sample_size(20);
    group.throughput(Throughput::Elements(snapshot.book.position_start()[CHUNK] as u64));
    group.bench_function("chunk", |bench| bench.iter_with_large_drop(|| chunk(&priced, &snapshot.book, 0..CHUNK)));
    group.finish();
}

fn write(folder: &Path, spec: &TableSpec, format: Format, batch: &RecordBatch) -> OutputFile {
    let (encoder, mut file) = encode::create(folder, spec, format).expect("a file");
    file.append(encoder.encode(batch).expect("encoded")).expect("appended");
    file.finish().expect("written")
}

fn read_back(file: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file).expect("a file")).expect("Parquet");
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> =
        builder.build().expect("a reader").collect::<Result<_, _>>().expect("readable batches");
    concat_batches(&schema, &batches).expect("one batch")
}

fn encode_and_write(criterion: &mut Criterion) {
    let rules = rules();
    let snapshot = Generation::new(BOOK).load(&rules);
    let priced = price(&snapshot.market, &rules);
    let margins = chunk(&priced, &snapshot.book, 0..CHUNK).expect("margins");
    let scenarios = [remargin::market::scenario::BASE.to_string()];
    let units = risk_units_batch(&margins, &snapshot.book, &priced.unit_names(), &scenarios).expect("a batch");
    let accounts = accounts_batch(&margins, &snapshot.book, &scenarios).expect("a batch");

    let mut group = criterion.benchmark_group("encode and write");
    group.sample_size(20);
    for (spec, batch) in [(&*ACCOUNTS, accounts), (&*RISK_UNITS, units)] {
        let folder = tempfile::tempdir().expect("a folder");
        let written = write(folder.path(), spec, Format::Parquet, &batch);
        assert_eq!(written.rows, Some(batch.num_rows() as u64));
        assert_eq!(read_back(&folder.path().join(&written.name)).columns(), batch.columns(), "{}", spec.name);

        group.throughput(Throughput::Elements(batch.num_rows() as u64));
        group.bench_function(format!("{} rows", spec.name), |bench| {
            bench.iter_batched(
                || (tempfile::tempdir().expect("a folder"), batch.clone()),
                |(folder, batch)| (write(folder.path(), spec, Format::Parquet, &batch), folder),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, read, compute, encode_and_write);
criterion_main!(benches);
