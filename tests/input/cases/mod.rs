//! What people really have: the sample as other programs write it. Each gives the margins of the clean sample, or is
//! refused with words that say what to do.

mod files;
mod formats;
mod ids;
mod property;
mod slips;
mod units;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use remargin::progress::Silent;
use remargin::snapshot::{Expectations, LoadOptions, Reason, Snapshot, load};
use remargin::{Error, Invalid};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub const TABLES: [&str; 6] = ["instruments", "marks", "indices", "positions", "balances", "accounts"];

/// A table of text: the names of its columns, and its rows.
#[derive(Debug, Clone)]
pub struct Text {
    pub names: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Text {
    /// A table of the sample.
    pub fn of(name: &str) -> Self {
        let text = fs::read_to_string(sample().join(format!("{name}.csv"))).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        Self { names: lines.next().unwrap(), rows: lines.collect() }
    }

    pub fn place(&self, column: &str) -> usize {
        self.names.iter().position(|name| name == column).unwrap()
    }

    /// Every cell of a column changed that is not empty.
    pub fn map(mut self, column: &str, change: impl Fn(&str) -> String) -> Self {
        let place = self.place(column);
        for row in self.rows.iter_mut().filter(|row| !row[place].is_empty()) {
            row[place] = change(&row[place]);
        }
        self
    }

    /// The table with something between its cells, something at the end of its lines, and something around each cell.
    pub fn to_csv(&self, between: &str, end: &str, around: &str) -> String {
        let line = |cells: &Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| format!("{around}{cell}{around}")).collect();
            cells.join(between) + end
        };
        std::iter::once(&self.names).chain(&self.rows).map(line).collect()
    }

    /// The table as a batch of strings, empty cells null.
    pub fn batch(&self) -> RecordBatch {
        let column = |place: usize| -> ArrayRef {
            let cells = self.rows.iter().map(|row| Some(row[place].as_str()).filter(|cell| !cell.is_empty()));
            Arc::new(cells.collect::<StringArray>())
        };
        let columns = self.names.iter().enumerate().map(|(place, name)| (name.as_str(), column(place), true));
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample")
}

/// A copy of the sample.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self::without(&[])
    }

    /// A copy without some tables.
    pub fn without(tables: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::copy(sample().join("snapshot.toml"), place.dir().join("snapshot.toml")).unwrap();
        for table in TABLES.iter().filter(|table| !tables.contains(table)) {
            let file = format!("{table}.csv");
            fs::copy(sample().join(&file), place.dir().join(&file)).unwrap();
        }
        place
    }

    /// A copy in which one file takes the place of a table.
    pub fn with(table: &str, file: &str, bytes: impl AsRef<[u8]>) -> Self {
        let place = Self::without(&[table]);
        place.write(file, bytes);
        place
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        let path = self.dir().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn write_parquet(&self, file: &str, batch: &RecordBatch) {
        let path = self.dir().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    }

    pub fn load(&self) -> remargin::Result<Snapshot> {
        self.load_expecting(&Expectations::NONE)
    }

    pub fn load_expecting(&self, expectations: &Expectations) -> remargin::Result<Snapshot> {
        let rules = remargin::rules::load(None, &[]).unwrap().rules;
        load(self.dir(), &LoadOptions { expectations, progress: &Silent, ..LoadOptions::of(&rules) })
    }

    /// The book and the market are those of the clean sample, bit for bit. Returns the codes of the warnings.
    pub fn assert_clean(&self, what: &str) -> Vec<String> {
        let snapshot = self.load().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(snapshot.rejects, [], "{what}");
        assert!(crate::common::folder::print(&snapshot) == *clean(), "{what}: other margins than the clean sample");
        snapshot.warnings.iter().map(|warning| warning.code.clone()).collect()
    }

    /// It is refused; returns why.
    pub fn refusal(&self, what: &str) -> Invalid {
        match self.load() {
            Err(Error::Invalid(invalid)) => *invalid,
            other => panic!("{what}: expected a refusal, got {:?}", other.map(|snapshot| snapshot.rejects.len())),
        }
    }

    /// Its refusal says all of this.
    pub fn assert_refused(&self, what: &str, words: &[&str]) {
        let text = self.refusal(what).to_string();
        for word in words {
            assert!(text.contains(word), "{what}: no {word:?} in {text}");
        }
    }
}

/// Book and market of the clean sample as text.
fn clean() -> &'static String {
    static CLEAN: OnceLock<String> = OnceLock::new();
    CLEAN.get_or_init(|| crate::common::folder::print(&Place::new().load().unwrap()))
}

/// How often each reason stands in the rejects, those of whole accounts left away.
pub fn reasons(snapshot: &Snapshot) -> Vec<(&'static str, usize)> {
    let mut counts: std::collections::BTreeMap<&'static str, usize> = std::collections::BTreeMap::new();
    for reject in snapshot.rejects.iter().filter(|reject| reject.reason != Reason::AccountUnmargined) {
        *counts.entry(reject.reason.code()).or_default() += 1;
    }
    counts.into_iter().collect()
}

#[test]
fn the_clean_sample_has_nothing_odd() {
    assert_eq!(Place::new().assert_clean("sample"), [""; 0]);
}
