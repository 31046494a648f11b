//! What comes in: a folder of tables becomes a [`Market`], a [`Book`] and a list of rejects.
//!
//! ```text
//! snapshot.toml ---------------------------------- as_of
//! instruments, marks, indices -- joins ---------- Market + what stands against a position in each instrument
//! accounts, balances, positions, orders -- checks  Book   + broken rows
//! broken rows ------ their accounts left out ---- rejects, unmargined; rows in = used + rejected, per table
//! ```
//!
//! A broken *table* is an [`crate::Invalid`] with file, column, row and value. A broken *row* is a [`Reject`] with a
//! [`Reason`], and its whole account is left out, since a margin without one of its positions would be wrong. Nothing
//! in the result depends on the order of rows (but the row numbers in the rejects), on their format or on threads.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod accounts;
mod census;
mod checksums;
mod declared;
mod expectations;
mod expected;
mod mark_check;
mod market;
mod market_rows;
mod max_rejects;
mod memory;
mod odd_rows;
mod operations;
pub(crate) mod raw;
mod reject;
mod relate;
mod schema;
mod shocks;
pub mod stream;
mod survey;
mod tables;
mod unused;
mod warning;

pub use crate::cells::time::parse_time;
pub use crate::formats::memory::Rows;
pub(crate) use census::key as spelling_key;
pub(crate) use checksums::edited_file;
pub use checksums::{CHECKSUMS, checksum_lines, snapshot_hash};
pub(crate) use declared::PRICES;
pub use expectations::Expectations;
pub use mark_check::MarkCheck;
pub use market_rows::MarketRows;
pub use max_rejects::{MaxRejects, without_underscores};
pub(crate) use max_rejects::{exceeds_share, parse_percent};
pub use memory::{Tables, load_rows, open_rows, shocks_of};
pub use operations::{Asked, Given, is_piped, open_lines, read_operations};
pub use reject::{Reason, Reject, TableCount, Unmargined};
pub use schema::{InputColumn, Table, input_tables};
pub use shocks::{find_shocks, read_shocks};
pub use survey::rules_of;
pub use unused::Unused;
pub use warning::Warning;

use crate::Result;
use crate::book::{Book, BookBuilder};
use crate::formats::scan::Opened;
use crate::margin::rules::{Rules, SpotOffset};
use crate::market::{Market, SpotPair};
use crate::progress::{Progress, Silent};
use crate::source::{self, Input, Source};
use std::path::{Path, PathBuf};
use stream::{Currencies, Cut, Piece, Stream, Window};
use survey::Survey;

/// What [`load`] needs besides the folder.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// Spot hedging mode of the accounts that the table `accounts` says nothing of.
    pub default_spot_offset: SpotOffset,
    /// What is known of the snapshot beforehand.
    pub expectations: &'a Expectations,
    /// Hears how many rows are read.
    pub progress: &'a dyn Progress,
}

impl LoadOptions<'static> {
    /// Under these rules, with nothing known beforehand and nobody who hears of the progress.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        static NONE: Expectations = Expectations::NONE;
        Self { default_spot_offset: rules.default_spot_offset, expectations: &NONE, progress: &Silent }
    }
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Relative to the folder of the snapshot.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its rows, if it holds a table.
    pub rows: Option<u64>,
    /// BLAKE3 hash, in hexadecimal.
    pub blake3: String,
}

/// A snapshot, checked.
#[derive(Debug)]
pub struct Snapshot {
    /// Valuation time in nanoseconds since 1970 UTC.
    pub as_of_ns: i64,
    /// Prices and contracts.
    pub market: Market,
    /// The sizes of orders on spot pairs, in the order of their currencies; empty if no table says them.
    pub spot_pairs: Vec<SpotPair>,
    /// The accounts that can be margined.
    pub book: Book,
    /// Every row that was set aside, in order of table and row.
    pub rejects: Vec<Reject>,
    /// The accounts that are left out, in byte order of their ids.
    pub unmargined: Vec<Unmargined>,
    /// What became of the rows of each table that is there.
    pub tables: Vec<TableCount>,
    /// Every file that was read, `snapshot.toml` first.
    pub inputs: Vec<InputFile>,
    /// Instruments that are listed and that nobody can hold, since they are invalid or expired, and why.
    pub untradable: std::collections::BTreeMap<String, Reason>,
    /// Missing prices that no position needs: instruments without a price that no position refers to, and broken index
    /// rows behind nothing that is held.
    pub unused_price_gaps: u64,
    /// Files and columns that nothing reads.
    pub unused: Unused,
    /// What is odd and not wrong.
    pub warnings: Vec<Warning>,
    /// Broken rows of `instruments` that nobody holds, and of `spot_pairs`. They are rejects, and count against no
    /// limit of them.
    pub unheld_broken: u64,
}

impl Snapshot {
    /// The number of broken rows, if it is more than `most` allows. A broken instrument that nobody holds is none.
    #[must_use]
    pub fn too_many_rejects(&self, most: MaxRejects) -> Option<u64> {
        let sum = |of: fn(&TableCount) -> u64| self.tables.iter().map(of).sum::<u64>();
        let broken = sum(|table| table.rows_broken).saturating_sub(self.unheld_broken);
        most.exceeded(broken, sum(|table| table.rows_in)).then_some(broken)
    }

    /// Where a row of a table is, for people: its file, its number there, and the line of a CSV file.
    #[must_use]
    pub fn place(&self, table: Table, row: u64) -> String {
        let is_of_table = |file: &&InputFile| {
            let first = file.path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
            first.is_some_and(|first| first.split('.').next() == Some(table.name()))
        };
        let files: Vec<&InputFile> = self.inputs.iter().filter(is_of_table).collect();
        let mut before = 0;
        for file in &files {
            let rows = file.rows.unwrap_or(0);
            if row > before + rows {
                before += rows;
                continue;
            }
            let (name, own) = (file.path.display(), row - before);
            let is_text = name.to_string().to_ascii_lowercase().contains(".csv");
            return match (is_text, files.len()) {
                (true, _) => format!("{name} row {own} (line {})", own + 1),
                (false, 1) => format!("{name} row {own}"),
                (false, _) => format!("{name} row {own} (row {row} of the table)"),
            };
        }
        format!("{} row {row}", table.name())
    }
}

pub(crate) const MANIFEST: &str = "snapshot.toml";

/// The file `checksums` for the snapshot in `dir`, see [`CHECKSUMS`].
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) if a table is missing or a file cannot be read;
/// [`Error::Interrupted`](crate::Error::Interrupted).
pub fn form_checksums(dir: &Path, progress: &dyn Progress) -> Result<String> {
    Ok(checksum_lines(&input_hashes(dir, progress)?))
}

/// The files of a snapshot and their hashes; their rows are not counted.
///
/// # Errors
/// Those of [`form_checksums`].
pub fn input_hashes(dir: &Path, progress: &dyn Progress) -> Result<Vec<InputFile>> {
    let survey = Survey::new(dir)?;
    let hashed = survey.hash(progress).map(|hashes| survey.input_files(hashes, []));
    survey.settle(hashed, progress)
}

/// Reads the snapshot in the folder `dir`, the whole book into memory.
///
/// ```
/// use remargin::snapshot::{LoadOptions, load};
/// use std::path::Path;
/// let rules = remargin::rules::load(None, &[])?;
/// let snapshot = load(Path::new("data/sample"), &LoadOptions::of(&rules.rules))?;
/// assert_eq!(snapshot.book.len(), 300);
/// assert!(snapshot.rejects.is_empty());
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a broken table or `snapshot.toml`, and for files that are not those
/// that `checksums` or the expectations name; [`Error::Interrupted`](crate::Error::Interrupted) if the user stopped.
pub fn load(dir: &Path, options: &LoadOptions) -> Result<Snapshot> {
    whole(Stream::open(dir, Currencies::Named, options)?, options)
}

/// Gathers all pieces of a book.
fn whole(mut stream: Stream, options: &LoadOptions) -> Result<Snapshot> {
    const ACCOUNTS: usize = 1 << 14;
    let threads = rayon::current_num_threads();
    let window = Window { row_groups: threads, pieces: 2 * threads };
    if stream.largest_row_groups().is_none() {
        stream.hold(options)?;
    }
    loop {
        let mut book = BookBuilder::default();
        let work = |piece: Piece| Ok(piece.book);
        let read = stream.pass(Cut::Known(ACCOUNTS), window, options, work, |piece| {
            book.append(&piece);
            Ok(())
        })?;
        match read {
            Some(snapshot) => return Ok(Snapshot { book: book.build()?, ..snapshot }),
            None => stream.hold(options)?,
        }
    }
}

/// Rows of a table of accounts, about: what the footers of Parquet files say, and for other files what their size lets
/// one expect.
fn rows_about(table: Table, source: &Source) -> Result<u64> {
    // Least bytes of a row of text or of an IPC file.
    const ROW_BYTES: u64 = 24;
    // Packed with gzip they may be so many times larger.
    const UNPACKED_RATIO: u64 = 32;
    let known = match source.format {
        source::Format::Parquet => Opened::new(source, table.columns().get(..1).unwrap_or_default())?.rows(),
        source::Format::Arrow | source::Format::Csv => None,
    };
    let bytes = |file: &Input| {
        let ratio = if crate::formats::look::is_packed(file.path()) { UNPACKED_RATIO } else { 1 };
        file.len().saturating_mul(ratio)
    };
    Ok(known.unwrap_or_else(|| source.files.iter().map(bytes).fold(0, u64::saturating_add) / ROW_BYTES))
}
