//! The one way through a book: a sequence of pieces from whatever source fits the memory limit, consumed by a command.
//!
//! ```text
//! tables of Parquet, sorted, a few row groups fit   -> they stream
//! any tables that fit                               -> they are held in memory
//! any tables                                        -> they are sorted on disk, and stream from there
//! ```
//!
//! Whether Parquet is sorted shows on the way. If it is not, the next source is taken, and the command begins anew: it
//! says how it begins in a function. The pieces are the same from every source.

use crate::book::Grouping;
use crate::kept::Kept;
use crate::market::Market;
use crate::memory::{BOOK_ROW, MemoryLimit, NARROWEST, Need, Rows};
use crate::parallel::in_order;
use crate::snapshot::stream::{Currencies, Cut, Piece, Reader, Spill, Stream, Window};
use crate::snapshot::{InputFile, LoadOptions, MarketRows, Snapshot, Tables};
use crate::source::beside_bytes;
use crate::{Error, Invalid, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A book whose market is known and whose accounts come in pieces, as often as they are wanted.
pub struct OpenBook<'a> {
    stream: Stream,
    options: LoadOptions<'a>,
    memory: Memory,
    /// The source that was chosen.
    window: Option<Window>,
    is_unsorted: bool,
    /// What piled up did not fit beside a wider window.
    is_narrow: bool,
    /// What piles up: rows that were set aside, and what the command adds.
    budget: Arc<Kept>,
    keeps: bool,
    kept: Option<(Cut, Vec<Arc<Piece>>)>,
    /// The files as the first pass found them.
    inputs: Option<Vec<InputFile>>,
    /// Warnings were told by another pass of the same command.
    is_told: bool,
    /// Bytes that reading takes where the snapshot is in a store.
    beside: u64,
}

/// How much memory a book may take, and where it goes if it needs more.
#[derive(Debug, Clone)]
pub struct Memory {
    /// The limit of the command.
    pub limit: MemoryLimit,
    /// What the command needs.
    pub need: Need,
    /// Folder for tables that must be sorted on disk.
    pub place: PathBuf,
}

impl Memory {
    /// Tables are sorted in the folder of the output, or where the system keeps temporary files.
    #[must_use]
    pub fn new(limit: MemoryLimit, need: Need, output: Option<&Path>) -> Self {
        Self { limit, need, place: output.map_or_else(std::env::temp_dir, Path::to_path_buf) }
    }
}

impl<'a> OpenBook<'a> {
    /// Reads the market of a snapshot and opens its tables of accounts.
    ///
    /// # Errors
    /// Those of [`crate::snapshot::load`] that concern the market and the columns of the tables.
    pub fn open(dir: &Path, currencies: Currencies, memory: Memory, options: &LoadOptions<'a>) -> Result<Self> {
        Self::open_grouped(dir, currencies, &[], memory, options)
    }

    /// As [`OpenBook::open`]; the book of each piece says the groups of its accounts.
    ///
    /// # Errors
    /// Those of [`OpenBook::open`]; [`Error::Invalid`] for an attribute that the table `accounts` does not have.
    pub fn open_grouped(
        dir: &Path,
        currencies: Currencies,
        groups: &[Grouping],
        memory: Memory,
        options: &LoadOptions<'a>,
    ) -> Result<Self> {
        Ok(Self::new(Stream::open_grouped(dir, currencies, groups, options)?, memory, options, beside_bytes(dir)))
    }

    /// A book of tables that the caller holds; the book of each piece says the groups of its accounts.
    ///
    /// # Errors
    /// Those of [`crate::snapshot::open_rows`].
    pub fn of_rows(
        market: &MarketRows,
        tables: Tables,
        groups: &[Grouping],
        options: &LoadOptions<'a>,
    ) -> Result<Self> {
        let memory = Memory::new(MemoryLimit::of_bytes(u64::MAX), Need::ROWS, None);
        Ok(Self::new(crate::snapshot::open_rows(market, tables, groups, options)?, memory, options, 0))
    }

    fn new(mut stream: Stream, mut memory: Memory, options: &LoadOptions<'a>, beside: u64) -> Self {
        let budget = Arc::default();
        stream.count_in(&budget);
        memory.need = memory.need.of_rows(stream.weigh()).keeping(beside);
        Self {
            stream,
            options: *options,
            memory,
            window: None,
            is_unsorted: false,
            is_narrow: false,
            budget,
            keeps: false,
            kept: None,
            inputs: None,
            is_told: false,
            beside,
        }
    }

    /// Does not log the warnings: the command has opened the same snapshot before and said them.
    #[must_use]
    pub fn told(self) -> Self {
        Self { is_told: true, ..self }
    }

    /// The market.
    #[must_use]
    pub fn market(&self) -> &Market {
        self.stream.market()
    }

    /// Valuation time in nanoseconds since 1970 UTC.
    #[must_use]
    pub fn as_of_ns(&self) -> i64 {
        self.stream.as_of_ns()
    }

    /// Rows of the tables of accounts, about.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.stream.weigh()
    }

    /// Rows of positions and balances, about.
    #[must_use]
    pub fn valued_rows(&self) -> u64 {
        self.stream.weigh_valued()
    }

    /// Rows of the row groups that are decoded together, if the tables are such that they may stream.
    #[must_use]
    pub fn group_rows(&self) -> u64 {
        self.stream.largest_row_groups().unwrap_or_default()
    }

    /// The memory it was opened with.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// More bytes stay resident than were known of when the book was opened. The source is chosen afterwards.
    pub fn need(&mut self, need: Need) {
        self.memory.need = need.of_rows(self.stream.weigh()).keeping(self.beside);
    }

    /// Several passes will come: a book that fits stays in memory after the first.
    pub fn keep(&mut self) {
        self.keeps = true;
    }

    /// Chooses the source, and reads what must be read before the first pass.
    ///
    /// # Errors
    /// Those of [`crate::snapshot::load`], and [`Error::Memory`].
    pub fn ready(&mut self) -> Result<Window> {
        if let Some(window) = self.window {
            return Ok(window);
        }
        let (window, rows) = self.choose()?;
        let Memory { limit, need, .. } = self.memory;
        let threads = rayon::current_num_threads();
        let window = if self.is_narrow { NARROWEST } else { window };
        let mut left = limit.beside(window, rows, threads, need);
        if self.keeps && self.fits_whole() {
            left = left.saturating_sub(self.stream.weigh().saturating_mul(BOOK_ROW));
        }
        self.budget.begin(limit.bytes(), left);
        self.window = Some(window);
        Ok(window)
    }

    /// The source that fits, with the widest window over it.
    fn choose(&mut self) -> Result<(Window, Rows)> {
        let Memory { limit, need, place } = &self.memory;
        let threads = rayon::current_num_threads();
        let (limit, need) = (*limit, *need);
        if let (Some(rows), false) = (self.stream.largest_row_groups(), self.is_unsorted) {
            if let Some(window) = limit.window(rows, threads, need) {
                return Ok((window, Rows::Decoded(rows)));
            }
            tracing::info!("the row groups are too large for the memory limit");
        }
        let rows = self.stream.weigh();
        if let Some(window) = limit.held_window(rows, threads, need) {
            self.stream.hold(&self.options)?;
            return Ok((window, Rows::Held(rows)));
        }
        tracing::info!("the book is larger than the memory limit: it is brought to disk and sorted there");
        let rows = self.stream.largest_row_groups().unwrap_or_default();
        let too_small = |rows| limit.exceeded("the book cannot be read in pieces small enough", rows, threads, need);
        let sorted_rows = limit.sorted_rows(threads, need);
        if sorted_rows == 0 {
            return Err(too_small(rows));
        }
        self.stream.spill(Spill { place, rows: sorted_rows }, &self.options)?;
        let ranges = self.stream.largest_row_groups().unwrap_or_default();
        let window = limit.sorting_window(ranges, threads, need);
        Ok((window.ok_or_else(|| too_small(ranges.saturating_mul(4)))?, Rows::Sorted(ranges)))
    }

    /// What the command keeps of the accounts while it reads them is counted here.
    #[must_use]
    pub fn budget(&self) -> Arc<Kept> {
        Arc::clone(&self.budget)
    }

    /// A source is not what it was taken for: the next one must be chosen.
    ///
    /// # Errors
    /// [`Error::Runtime`] if there is none.
    pub(super) fn unsorted(&mut self) -> Result<()> {
        if self.is_unsorted {
            return Err(Error::Runtime("tables that were sorted on disk are not sorted".into()));
        }
        tracing::info!("the tables are not sorted by account id");
        (self.is_unsorted, self.window) = (true, None);
        Ok(())
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        self.stream.reader(&self.options)
    }

    /// Hands all accounts to `work`, piece by piece in order of their ids, on all threads, and the results in the same
    /// order to `sink`. `start` makes what the work shares and what the sink fills; it is called again if the source
    /// must be another, and what was filled before is void.
    ///
    /// Returns what was filled, and the snapshot without its book.
    ///
    /// # Errors
    /// Those of [`crate::snapshot::load`], of `start`, `work` and `sink`, and [`Error::Memory`].
    pub fn pass<S: Sync, C, T: Send>(
        &mut self,
        cut: Cut,
        mut start: impl FnMut() -> Result<(S, C)>,
        work: impl Fn(&S, &Piece) -> Result<T> + Sync,
        mut sink: impl FnMut(&mut C, T) -> Result<()>,
    ) -> Result<(C, Snapshot)> {
        loop {
            let window = self.ready()?;
            let (shared, mut filled) = start()?;
            let keeps = self.keeps && self.fits_whole();
            let mut kept = Vec::new();
            let work = |piece: Piece| {
                let piece = Arc::new(piece);
                let result = work(&shared, &piece)?;
                Ok((keeps.then_some(piece), result))
            };
            let sink = |(piece, result)| {
                kept.extend(piece);
                sink(&mut filled, result)
            };
            let read = self.stream.pass(cut, window, &self.options, work, sink);
            if read.as_ref().is_err_and(Error::is_memory) && self.budget.is_exceeded() && !self.is_narrow {
                tracing::info!("what piles up does not fit beside what is read ahead: less is read ahead");
                (self.is_narrow, self.window) = (true, None);
                continue;
            }
            match read? {
                Some(snapshot) => {
                    self.check_unchanged(&snapshot)?;
                    self.kept = keeps.then_some((cut, kept));
                    return Ok((filled, snapshot));
                }
                None => self.unsorted()?,
            }
        }
    }

    /// One more pass over the same book; see [`OpenBook::pass`].
    ///
    /// # Errors
    /// Those of [`OpenBook::pass`], and [`Error::Invalid`] if the files have changed since.
    pub fn again<S: Sync, C, T: Send>(
        &mut self,
        cut: Cut,
        mut start: impl FnMut() -> Result<(S, C)>,
        work: impl Fn(&S, &Piece) -> Result<T> + Sync,
        mut sink: impl FnMut(&mut C, T) -> Result<()>,
    ) -> Result<C> {
        let Some((_, kept)) = self.kept.as_ref().filter(|(of, _)| *of == cut) else {
            return self.pass(cut, start, work, sink).map(|(filled, _)| filled);
        };
        let pieces = self.window.map_or(1, |window| window.pieces);
        let (shared, mut filled) = start()?;
        in_order(kept.len(), pieces, |piece| work(&shared, &kept[piece]), |result| sink(&mut filled, result))?;
        Ok(filled)
    }

    /// True if the book may stay in memory beside what is read.
    fn fits_whole(&self) -> bool {
        let Memory { limit, need, .. } = &self.memory;
        self.stream.largest_row_groups().is_some_and(|rows| {
            limit.holds(self.stream.weigh().saturating_add(rows), rayon::current_num_threads(), *need)
        })
    }

    fn check_unchanged(&mut self, snapshot: &Snapshot) -> Result<()> {
        match &self.inputs {
            Some(inputs) if *inputs != snapshot.inputs => {
                Err(Invalid::new("the snapshot has changed while it was read").into())
            }
            Some(_) => Ok(()),
            None => {
                for warning in snapshot.warnings.iter().filter(|_| !self.is_told) {
                    // `check` and the summary say it.
                    if warning.is_usual() {
                        tracing::info!("{}", warning.text);
                    } else {
                        tracing::warn!("{}", warning.text);
                    }
                }
                self.inputs = Some(snapshot.inputs.clone());
                Ok(())
            }
        }
    }
}
