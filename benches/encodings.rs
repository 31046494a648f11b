//! Cost of the columns of the two large tables in each encoding and compression: bytes per value and encoding time.
//!
//! `cargo bench --bench encodings`. The columns come from a run over a generated book. Every combination is read back
//! and compared before it is timed. The encodings in `src/tables/parquet/` are chosen from these results.

mod common;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use bytes::Bytes;
use common::Generation;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use remargin::progress::Silent;
use remargin::request::OutputRequest;
use remargin::run::{RunRequest, run};
use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// As many accounts as in a row group of a run.
const ACCOUNTS: u64 = 16_384;

/// Representative columns: table and column.
const COLUMNS: [(&str, &str); 11] = [
    ("accounts", "account_id"),
    ("accounts", "adj_eq"),
    ("accounts", "mmr"),
    ("accounts", "borrow_mmr"), // mostly zero
    ("accounts", "status"),
    ("risk_units", "account_id"),
    ("risk_units", "risk_unit"),
    ("risk_units", "mr1"),
    ("risk_units", "mr1_price"), // few different values
    ("risk_units", "mr2"),       // mostly zero
    ("risk_units", "cash_delta"),
];

/// Layout of values before compression.
const ENCODINGS: [(&str, Option<Encoding>); 3] =
    [("plain", Some(Encoding::PLAIN)), ("dictionary", None), ("split", Some(Encoding::BYTE_STREAM_SPLIT))];

fn compressions() -> [(&'static str, Compression); 4] {
    let zstd = ZstdLevel::try_new(1).expect("level 1");
    [
        ("none", Compression::UNCOMPRESSED),
        ("snappy", Compression::SNAPPY),
        ("lz4", Compression::LZ4_RAW),
        ("zstd", Compression::ZSTD(zstd)),
    ]
}

fn read(file: impl parquet::file::reader::ChunkReader + 'static) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let schema = Arc::clone(reader.schema());
    let batches: Vec<RecordBatch> = reader.build().expect("a reader").map(|batch| batch.expect("a batch")).collect();
    concat_batches(&schema, &batches).expect("one schema")
}

fn properties(encoding: Option<Encoding>, compression: Compression) -> WriterProperties {
    let builder = WriterProperties::builder()
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_enabled(encoding.is_none())
        .set_dictionary_page_size_limit(64 << 20);
    match encoding {
        Some(encoding) => builder.set_encoding(encoding).build(),
        None => builder.build(),
    }
}

fn encode(column: &RecordBatch, properties: &WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), column.schema(), Some(properties.clone())).expect("a writer");
    writer.write(column).expect("a column");
    writer.into_inner().expect("a file")
}

/// The two tables of a run.
fn tables(generation: &Generation) -> [RecordBatch; 2] {
    let request = RunRequest::new(
        generation.snapshot(),
        OutputRequest::new(generation.out()).with_report(false),
        remargin::rules::load(None, &[]).expect("the built-in rules"),
    );
    run(&request, &Silent).expect("a run");
    let open = |path: &Path| File::open(path).expect("a table");
    ["accounts", "risk_units"].map(|name| read(open(&generation.out().join(name).with_extension("parquet"))))
}

fn encodings(criterion: &mut Criterion) {
    let [accounts, risk_units] = tables(&Generation::new(ACCOUNTS));
    println!("{:<24} {:<12} {:<8} {:>14}", "column", "encoding", "codec", "bytes a value");
    for (table, name) in COLUMNS {
        let whole = if table == "accounts" { &accounts } else { &risk_units };
        let array: ArrayRef = Arc::clone(whole.column_by_name(name).expect("a column"));
        let is_text = *array.data_type() == DataType::Utf8;
        let column = RecordBatch::try_from_iter([(name, array)]).expect("a batch");
        let mut group = criterion.benchmark_group(format!("{table}.{name}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(500));
        group.throughput(Throughput::Elements(column.num_rows() as u64));
        for (encoding_name, encoding) in ENCODINGS {
            if is_text && encoding == Some(Encoding::BYTE_STREAM_SPLIT) {
                continue;
            }
            for (codec, compression) in compressions() {
                let properties = properties(encoding, compression);
                let bytes = encode(&column, &properties);
                let size = bytes.len() as f64 / column.num_rows() as f64;
                println!("{:<24} {encoding_name:<12} {codec:<8} {size:>14.3}", format!("{table}.{name}"));
                assert_eq!(read(Bytes::from(bytes)).column(0), column.column(0), "{name} {encoding_name} {codec}");
                group.bench_function(format!("{encoding_name} {codec}"), |bench| {
                    bench.iter(|| encode(black_box(&column), &properties));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, encodings);
criterion_main!(benches);
