//! Tests: a file changes at its n-th read, for every n. The rows are those of one version, or there are none.

use super::batch::Batch;
use super::scan::{Opened, scan};
use super::{Column, Kind};
use crate::Error;
use crate::progress::Silent;
use crate::source::{ByteSource, Format, Input, Source};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const COLUMNS: &[Column] = &[Column::new("account_id", Kind::Id), Column::new("qty", Kind::Number)];
const ROWS: usize = 60;

type Change = Box<dyn Fn() + Send + Sync>;

/// A file that is changed just before the n-th read of it.
struct Meddled {
    file: Input,
    reads: AtomicUsize,
    at: usize,
    change: Change,
}

impl fmt::Debug for Meddled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl ByteSource for Meddled {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.reads.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            (self.change)();
        }
        self.file.read_at(buffer, offset)
    }

    fn verify_unchanged(&self) -> crate::Result<()> {
        self.file.verify_unchanged()
    }
}

/// A version of a table as bytes; `shift` moves its figures and not its length.
fn bytes(format: Format, shift: usize) -> Vec<u8> {
    let rows = (0..ROWS).map(|row| (format!("a{row:03}"), (1000 + row + shift) as f64));
    if format == Format::Csv {
        let lines = rows.map(|(id, qty)| format!("{id},{qty}\n"));
        return std::iter::once("account_id,qty\n".to_owned()).chain(lines).collect::<String>().into_bytes();
    }
    let (ids, figures): (Vec<String>, Vec<f64>) = rows.unzip();
    let columns: [(&str, ArrayRef); 2] =
        [("account_id", Arc::new(StringArray::from(ids))), ("qty", Arc::new(Float64Array::from(figures)))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    if format == Format::Parquet {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROWS / 3)).build();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    } else {
        let mut writer = FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        for start in (0..ROWS).step_by(ROWS / 3) {
            writer.write(&batch.slice(start, ROWS / 3)).unwrap();
        }
        writer.finish().unwrap();
    }
    bytes
}

/// The sum of a table, and its hash.
fn read(source: &Source) -> crate::Result<(f64, String)> {
    let mut sum = 0.0;
    let fold = |local: &mut f64, batch: &Batch| {
        let qty = batch.numbers("qty")?;
        *local += (0..batch.rows).filter_map(|row| qty.figure(row)).sum::<f64>();
        Ok(())
    };
    scan(Opened::new(source, COLUMNS)?, &Silent, fold, |local: f64| {
        sum += local;
        Ok(())
    })?;
    Ok((sum, source.files[0].hash(&Silent)?.1))
}

const KINDS: [&str; 4] = ["rename", "overwrite", "truncate", "append"];

fn make(kind: &str, path: &Path, other: &[u8]) {
    let open = || OpenOptions::new().write(true).open(path).unwrap();
    match kind {
        "rename" => {
            let new: PathBuf = path.with_extension("new");
            fs::write(&new, other).unwrap();
            fs::rename(new, path).unwrap();
        }
        "overwrite" => open().write_all(other).unwrap(),
        "truncate" => open().set_len(other.len() as u64 / 2).unwrap(),
        _ => OpenOptions::new().append(true).open(path).unwrap().write_all(b"a100,5\n").unwrap(),
    }
}

#[test]
fn a_change_at_any_read_gives_no_mixture() {
    for format in [Format::Parquet, Format::Arrow, Format::Csv] {
        let [old, new] = [0, 500].map(|shift| bytes(format, shift));
        let expected = (0..ROWS).map(|row| (1000 + row) as f64).sum::<f64>();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(format!("positions.{}", format.extension()));
        for kind in KINDS {
            let mut refused = 0;
            for at in 1.. {
                fs::write(&path, &old).unwrap();
                let (place, other) = (path.clone(), new.clone());
                let change: Change = Box::new(move || make(kind, &place, &other));
                let file = Input::open(&path).unwrap();
                let input = Input::of(Meddled { file, reads: AtomicUsize::new(0), at, change });
                let outcome = read(&Source { format, files: vec![input], partitions: Vec::new() });
                let is_as_it_was = fs::read(&path).unwrap() == old;
                match outcome {
                    Ok((sum, hash)) => {
                        assert!(is_as_it_was, "{format:?} {kind} at read {at} was not noticed");
                        assert_eq!((sum, hash), (expected, blake3::hash(&old).to_hex().to_string()));
                        break;
                    }
                    Err(Error::Invalid(fault)) if fault.problem.contains("changed while it was read") => refused += 1,
                    Err(error) => panic!("{format:?} {kind} at read {at}: {error}"),
                }
            }
            assert!(refused >= 2, "{format:?} {kind}: {refused} reads");
        }
    }
}
