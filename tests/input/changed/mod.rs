//! Files that change while they are read: the result is that of one version as a whole, with its hash, or exit 3.
//!
//! The change is made at the n-th sign of progress, for many n: before, between and after the reads of each file.

mod meddle;
mod special;
mod versions;

use meddle::{Change, Meddler};
use remargin::Error;
use remargin::margin::rules::SpotOffset;
use remargin::progress::{Progress, Silent};
use remargin::snapshot::stream::{Currencies, Cut, Piece, Stream, Window};
use remargin::snapshot::{Expectations, LoadOptions, load, snapshot_hash};
use remargin::source::Format;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use versions::{file_of, seal, write_snapshot};

/// The tries of a test: so many signs of progress are waited for before the change.
const TRIES: usize = 40;

/// Everything that a snapshot says, its hashes among it, in one number.
#[derive(Default)]
struct Digest(DefaultHasher);

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// How the accounts are read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Whole,
    Streamed,
}

/// Reads a snapshot. `None` if it cannot be streamed.
fn read(how: How, dir: &Path, progress: &dyn Progress, expected: Option<&str>) -> Result<Option<u64>, Error> {
    let expectations = Expectations { hash: expected.map(str::to_owned), ..Expectations::NONE };
    let options = LoadOptions { default_spot_offset: SpotOffset::Usdt, expectations: &expectations, progress };
    let mut digest = Digest::default();
    let snapshot = match how {
        How::Whole => load(dir, &options)?,
        How::Streamed => {
            let stream = Stream::open(dir, Currencies::Named, &options)?;
            if stream.largest_row_groups().is_none() {
                return Ok(None);
            }
            let window = Window { row_groups: 2, pieces: 2 };
            let work = |piece: Piece| Ok(format!("{:?}", piece.book));
            let sink = |book: String| {
                digest.write_str(&book).unwrap();
                Ok(())
            };
            let Some(snapshot) = stream.pass(Cut::Known(50), window, &options, work, sink)? else { return Ok(None) };
            snapshot
        }
    };
    write!(digest, "{snapshot:?} {}", snapshot_hash(&snapshot.inputs)).unwrap();
    Ok(Some(digest.0.finish()))
}

/// What came of the tries of a test.
#[derive(Debug, Default)]
struct Tally {
    tries: usize,
    old: usize,
    new: usize,
    refused: usize,
    mixed: usize,
    /// Errors that do not say what happened.
    other: Vec<String>,
}

impl Tally {
    fn try_once(&mut self, how: How, format: Format, threads: usize, file: &str, change: Change, at: usize) {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("snapshot");
        write_snapshot(&dir, format, 0);
        let other = place.path().join("other");
        write_snapshot(&other, format, 1);
        if file == "checksums" {
            seal(&dir);
            seal(&other);
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let old = pool.install(|| read(how, &dir, &Silent, None)).unwrap();
        let meddler = Meddler::new(at, || change.make(&dir, &other, &file_of(file, format)));
        let outcome = pool.install(|| read(how, &dir, &meddler, None));
        self.tries += 1;
        if !meddler.has_struck() {
            assert_eq!(outcome.unwrap(), old, "nothing was changed");
            self.old += 1;
            return;
        }
        match outcome {
            Ok(found) if found == old => self.old += 1,
            Ok(found) if pool.install(|| read(how, &dir, &Silent, None)).is_ok_and(|new| new == found) => self.new += 1,
            Ok(_) => self.mixed += 1,
            Err(Error::Invalid(invalid)) if invalid.problem.contains("changed while it was read") => self.refused += 1,
            Err(error) => self.other.push(format!("{at}: {}", error.to_string().replace('\n', " "))),
        }
    }
}

fn tally(how: How, format: Format, files: &[&str], changes: &[Change]) {
    let mut wrong = Vec::new();
    for &change in changes {
        let mut tally = Tally::default();
        for file in files {
            for at in 1..=TRIES {
                tally.try_once(how, format, 1 + at % 2, file, change, at);
            }
        }
        let Tally { tries, old, new, refused, mixed, other } = &tally;
        let counts = format!(
            "{tries} tries: {old} the old version, {new} the new one, {refused} refused, {mixed} mixed, {} otherwise",
            other.len()
        );
        println!("{how:?} {format:?} {files:?} {change:?}: {counts}");
        if *mixed > 0 || *refused == 0 || !other.is_empty() {
            wrong.push(format!("{change:?}: {tally:?}"));
        }
    }
    assert!(wrong.is_empty(), "{how:?} {format:?}: {wrong:#?}");
}

const IN_PLACE: [Change; 4] = [Change::Rename, Change::Overwrite, Change::Truncate, Change::Append];

#[test]
fn parquet() {
    tally(How::Whole, Format::Parquet, &["positions", "marks"], &IN_PLACE);
}

#[test]
fn parquet_that_streams() {
    tally(How::Streamed, Format::Parquet, &["positions", "balances"], &IN_PLACE);
}

#[test]
fn arrow() {
    tally(How::Whole, Format::Arrow, &["positions", "balances"], &IN_PLACE);
}

#[test]
fn csv() {
    tally(How::Whole, Format::Csv, &["positions", "indices"], &IN_PLACE);
}

#[test]
fn the_folder_and_what_lies_beside_the_tables() {
    tally(How::Whole, Format::Parquet, &["snapshot.toml"], &IN_PLACE);
    tally(How::Streamed, Format::Parquet, &["snapshot.toml"], &IN_PLACE);
    tally(How::Whole, Format::Csv, &["checksums"], &IN_PLACE);
    for change in [Change::Folder, Change::Remove, Change::NewTable] {
        tally(How::Whole, Format::Csv, &["positions"], &[change]);
        tally(How::Streamed, Format::Parquet, &["positions"], &[change]);
    }
}
