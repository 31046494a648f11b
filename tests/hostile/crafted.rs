//! Files made to hurt: each claims something that its size does not warrant, or nests what a reader recurses into.

use crate::common::folder::Folder;
use crate::snapshots::batch;
use crate::{Outcome, assert_quiet, judge, prepare};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use remargin::generate::write_table;
use remargin::source::Format;
use std::fs::{self, File};
use std::sync::Arc;

/// The small snapshot with other bytes in place of a table, which must be refused with these words.
fn refuse(file: &str, bytes: &[u8], words: &[&str]) {
    prepare();
    let folder = Folder::new();
    let table = file.split('.').next().unwrap();
    folder.remove(&format!("{table}.csv"));
    folder.write(file, bytes);
    let Outcome::Refused(problem) = judge(file, || folder.load()) else { panic!("{file} {words:?} was taken") };
    for word in words.iter().chain(&[file]) {
        assert!(problem.contains(word), "{word:?} in {problem}");
    }
    assert_quiet();
}

fn parquet_around(footer: &[u8]) -> Vec<u8> {
    [b"PAR1", footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

#[test]
fn parquet_footers() {
    for (bytes, word) in [
        (b"PAR1".to_vec(), "too short"),
        (b"PAR1\xff\xff\xff\xffPAR1".to_vec(), "a footer of 4294967295 bytes in a file of 12"),
        (b"PAR1\x00\x00\x00\x00PARE".to_vec(), "encrypted"),
        (b"HAR1\x00\x00\x00\x00PAR1".to_vec(), "not a Parquet file"),
        (parquet_around(&[]), "its footer"),
        // A list of 2^63 row groups.
        (parquet_around(&[&[0x49, 0xfc][..], &[0xff; 9], &[1]].concat()), "a list of"),
        // A schema nested 100,000 levels deep: a reader that recurses would overflow its stack.
        (
            parquet_around(&[&[0x29, 0xfc, 0xa0, 0x8d, 0x06][..], &[0x55, 2, 0].repeat(100_000)].concat()),
            "a schema of 100000 columns",
        ),
        (
            parquet_around(&[&[0x29, 0xfc, 0xe8, 0x07][..], &[0x55, 2, 0].repeat(1_000)].concat()),
            "nested deeper than 32",
        ),
        // Lists within lists.
        (parquet_around(&[0x19; 4_096]), "nested too deeply"),
    ] {
        refuse("marks.parquet", &bytes, &[word]);
    }
    let huge = parquet_around(&vec![0; 17 << 20]);
    refuse("marks.parquet", &huge, &["the footer is too large", "at most 16777216 bytes"]);
}

#[test]
fn few_bytes_that_stand_for_many_rows() {
    const ROWS: usize = 500_000;
    let rows = 5 * ROWS;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("positions.parquet");
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n("a", ROWS)));
    let number: ArrayRef = Arc::new(Float64Array::from(vec![1.0; ROWS]));
    let names = [("account_id", &column), ("inst_id", &column), ("qty", &number), ("avg_px", &number)];
    let batch = RecordBatch::try_from_iter(names.map(|(name, column)| (name, Arc::clone(column)))).unwrap();
    let properties = WriterProperties::builder().set_data_page_row_count_limit(rows).build();
    let mut writer = ArrowWriter::try_new(File::create(&file).unwrap(), batch.schema(), Some(properties)).unwrap();
    for _ in 0..rows / ROWS {
        writer.write(&batch).unwrap();
    }
    writer.close().unwrap();
    let bytes = fs::read(&file).unwrap();
    assert!(bytes.len() < 5_000, "{}", bytes.len());
    refuse("positions.parquet", &bytes, &["more rows than a file of this size may hold", "2500000 rows"]);
}

fn ipc(batch: &RecordBatch, compressed: bool) -> Vec<u8> {
    let compression = compressed.then_some(CompressionType::ZSTD);
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut bytes = Vec::new();
    let mut writer = FileWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

#[test]
fn arrow_files() {
    // A column without type needs no bytes for its rows.
    let fields = ["account_id", "inst_id", "qty", "avg_px"].map(|name| Field::new(name, DataType::Null, true));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let rows = 1 << 40;
    let columns = schema.fields().iter().map(|_| Arc::new(arrow_array::NullArray::new(rows)) as ArrayRef).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let endless = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options).unwrap();
    refuse("positions.arrow", &ipc(&endless, false), &["more rows than a file of this size may hold"]);

    // A compressed buffer claims to unpack to 2^40 bytes.
    let prices: ArrayRef = Arc::new(Float64Array::from(vec![90_000.0; 1_000]));
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..1_000).map(|row| format!("X{row}-USD"))));
    let bytes = ipc(&RecordBatch::try_from_iter([("index_id", ids), ("px", prices)]).unwrap(), true);
    let claim = 8_000i64.to_le_bytes();
    let at = bytes.windows(8).position(|window| window == claim).unwrap();
    let mut bomb = bytes.clone();
    bomb[at..at + 8].copy_from_slice(&(1i64 << 40).to_le_bytes());
    refuse("indices.arrow", &bomb, &["claim to unpack to 1099511627776"]);
    bomb[at..at + 8].copy_from_slice(&(-2i64).to_le_bytes());
    refuse("indices.arrow", &bomb, &["claim to unpack to -2"]);

    for (bytes, word) in [
        (b"ARROW1".to_vec(), "too short"),
        (vec![b'A'; 100], "not an Arrow IPC file"),
        ([b"ARROW1\0\0".as_slice(), &[0; 40], &[0xff; 4], b"ARROW1"].concat(), "the file has no end"),
        (bytes[..bytes.len() / 2].to_vec(), "the file has no end"),
    ] {
        refuse("indices.arrow", &bytes, &[word]);
    }
}

#[test]
fn text_files() {
    let header = "inst_id,mark_px,mark_vol,fwd_px\n";
    let utf16: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (text, words) in [
        (Vec::new(), &["missing column"] as &[&str]),
        (format!("{header}{}\n", "x".repeat(3 << 20)).into_bytes(), &["a line of more than 1 MiB in line 2"]),
        (format!("{header}A,1,,\nB,1,\n").into_bytes(), &["row 2", "line 3", "3 cells", "expected: 4 cells"]),
        (format!("{header}A,1,,\nB,1,,,\n").into_bytes(), &["row 2", "5 cells"]),
        (format!("{header}\"A,1,,\n").into_bytes(), &["a quote that is never closed in line 2"]),
        (format!("{header}\"A\"x,1,,\n").into_bytes(), &["text behind a closing quote in line 2"]),
        ([header.as_bytes(), b"A\xe9,1,,\n"].concat(), &["bytes that are not text", "UTF-8", "row 1"]),
        ([&[0xff, 0xfe][..], &utf16].concat(), &["marks.csv"]),
        (b"inst_id;mark_px;mark_vol;fwd_px\nA;1;;\n".to_vec(), &["parted by `;`", "write the table with `,`"]),
        (b"inst_id,mark_px,mark_px,mark_vol,fwd_px\n".to_vec(), &["duplicate column", "mark_px"]),
        (b"INST_ID,mark_px,mark_vol,fwd_px\n".to_vec(), &["missing column", "`INST_ID`"]),
        (b" inst_id,mark_px,mark_vol,fwd_px\n".to_vec(), &["missing column", "` inst_id`"]),
    ] {
        refuse("marks.csv", &text, words);
    }
}

#[test]
fn harmless_variants_of_text_change_nothing() {
    prepare();
    let Outcome::Loaded(expected) = judge("clean", || Folder::new().load()) else { panic!("clean is refused") };
    let bom = |text: &str| format!("\u{feff}{text}");
    let quoted = |text: &str| {
        let line = |line: &str| line.split(',').map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",");
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    let reversed = |text: &str| {
        let line = |line: &str| line.rsplit(',').collect::<Vec<_>>().join(",");
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    for change in [&bom as &dyn Fn(&str) -> String, &quoted, &reversed, &|text| text.replace('\n', "\r\n")] {
        let folder = Folder::new();
        for (name, text) in crate::common::folder::TABLES {
            folder.write(&format!("{name}.csv"), change(text));
        }
        assert_eq!(judge("variant", || folder.load()), Outcome::Loaded(expected.clone()));
    }
}

#[test]
fn a_flipped_bit_in_a_page_is_named() {
    prepare();
    let folder = Folder::new();
    folder.remove("positions.csv");
    write_table(folder.path(), "positions", Format::Parquet, &batch("positions")).unwrap();
    let file = folder.path().join("positions.parquet");
    let mut bytes = fs::read(&file).unwrap();
    let reader = SerializedFileReader::new(File::open(&file).unwrap()).unwrap();
    let (start, length) = reader.metadata().row_group(0).column(2).byte_range();
    bytes[(start + length - 1) as usize] ^= 1;
    fs::write(&file, bytes).unwrap();
    let Outcome::Refused(problem) = judge("flip", || folder.load()) else { panic!("the flip was taken") };
    for word in ["damaged file: page 1 of the column: its checksum is", "positions.parquet", "column `qty`"] {
        assert!(problem.contains(word), "{problem}");
    }
    assert_quiet();
}
