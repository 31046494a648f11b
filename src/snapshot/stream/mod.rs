//! A snapshot that flows: row groups are read, cut into pieces of whole accounts, and dropped again.
//!
//! ```text
//! positions   row group | row group | ...   -- decoded side by side -->  parts  \
//! balances    row group | ...               -- decoded side by side -->  parts   >  merged by account id,
//! accounts    row group | ...               -- decoded side by side -->  parts   >  cut every n accounts
//! orders      row group | ...               -- decoded side by side -->  parts  /
//!
//! piece (n accounts: ranges of the parts)  -- in parallel -->  Book  -->  work  -->  results, in order
//! ```
//!
//! This needs tables in Parquet whose rows ascend by account id (byte order); whether they do shows on the way. Other
//! tables are brought to disk first, see [`Spill`]. What is in memory at once is a few row groups and a few pieces,
//! however long the tables are.

// Indices are numbers that were handed out here; to look each up would hide a fault and cost the hot loop.
#![allow(clippy::indexing_slicing)]

mod decode;
mod lane;
mod merge;
mod piece;
mod spill;

pub use spill::Spill;

use super::market::Listings;
use super::reject::{Reject, TableCount, Unmargined};
use super::tables::{MarketTables, Pending};
use super::{LoadOptions, Snapshot, Survey, Table};
use crate::Result;
use crate::book::Book;
use crate::formats::scan::Opened;
use crate::market::Market;
use crate::parallel::{Running, work_or_pause};
use crate::source::Format;
use decode::Decoder;
use lane::Flow;
use merge::{Merge, Next};
use piece::{Built, PieceContext};
use spill::Spilled;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// How much may be in memory at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Row groups of each table that are decoded and not yet used up.
    pub row_groups: usize,
    /// Pieces at work or waiting for their turn.
    pub pieces: usize,
}

/// A snapshot whose market is read and whose accounts are still in their files.
pub struct Stream {
    survey: Arc<Survey>,
    tables: MarketTables,
    market: Market,
    listings: Listings,
    /// Positions, balances, accounts, orders.
    flows: [Option<Flow>; 4],
}

/// A market needs no more currencies than its indices name, and USD: no other has a value.
const ALWAYS_PRICED: &str = "USD";

impl Stream {
    /// Reads the market of the snapshot in `dir`. `None` if its tables are not of a kind that can flow from where they
    /// are. With `spill` any table can: its rows are brought to disk and sorted there.
    ///
    /// # Errors
    /// Those of [`super::load`] that concern the market and the columns of the tables; with `spill`
    /// [`crate::Error::Io`] and [`crate::Error::Runtime`] if the disk does not take the rows.
    pub fn open(dir: &Path, spill: Option<Spill>, options: &LoadOptions) -> Result<Option<Self>> {
        options.expectations.check()?;
        let survey = Arc::new(Survey::new(dir)?);
        survey.settle(Self::read(Arc::clone(&survey), spill, options), options.progress)
    }

    fn read(survey: Arc<Survey>, spill: Option<Spill>, options: &LoadOptions) -> Result<Option<Self>> {
        let is_parquet = |table| survey.source(table).is_none_or(|source| source.format == Format::Parquet);
        if spill.is_none() && !FLOWING.into_iter().all(is_parquet) {
            return Ok(None);
        }
        let mut pending = Pending::open(&survey.sources, options)?;
        let tables = MarketTables::read(&mut pending, survey.as_of_ns, options)?;
        let (market, listings) =
            tables.market(survey.as_of_ns, options.expectations, std::iter::once(ALWAYS_PRICED))?;
        let mut flows = [None, None, None, None];
        for (flow, table) in flows.iter_mut().zip(FLOWING) {
            let Some(source) = survey.source(table) else { continue };
            *flow = Some(match (spill, pending.take(table)?.1) {
                (Some(spill), _) => Flow::Spilled(Spilled::new(table, source, spill, options.progress)?),
                (None, Opened::Parquet(parts)) => Flow::Parts(parts),
                (None, _) => return Ok(None),
            });
        }
        Ok(Some(Self { survey, tables, market, listings, flows }))
    }

    /// The market. It knows every currency that has a price; the accounts' other currencies are worth nothing.
    #[must_use]
    pub fn market(&self) -> &Market {
        &self.market
    }

    /// Valuation time in nanoseconds since 1970 UTC.
    #[must_use]
    pub fn as_of_ns(&self) -> i64 {
        self.survey.as_of_ns
    }

    /// Rows of the tables that flow.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.flows.iter().flatten().flat_map(Flow::file_rows).sum()
    }

    /// Rows of the largest row group of each table that flows, summed.
    #[must_use]
    pub fn largest_row_groups(&self) -> u64 {
        self.flows.iter().flatten().map(Flow::largest).sum()
    }

    /// Hands all accounts to `work`, `accounts` of them in one book, in order of their ids, and the results in the
    /// same order to `sink`. Accounts that are left out count among the `accounts` of a book.
    ///
    /// Returns the snapshot without its book, or `None` as soon as a table turns out not to be sorted.
    ///
    /// # Errors
    /// Those of [`super::load`], of `work` and of `sink`.
    pub fn run<T: Send>(
        self,
        accounts: usize,
        window: Window,
        options: &LoadOptions,
        work: impl Fn(Book) -> Result<T> + Sync,
        sink: impl FnMut(T) -> Result<()>,
    ) -> Result<Option<Snapshot>> {
        let survey = Arc::clone(&self.survey);
        let done = self.flow(accounts, window, options, work, sink).and_then(|snapshot| {
            if let Some(snapshot) = &snapshot {
                survey.verify(&snapshot.inputs, options.expectations)?;
            }
            Ok(snapshot)
        });
        survey.settle(done, options.progress)
    }

    fn flow<T: Send>(
        self,
        accounts: usize,
        window: Window,
        options: &LoadOptions,
        work: impl Fn(Book) -> Result<T> + Sync,
        mut sink: impl FnMut(T) -> Result<()>,
    ) -> Result<Option<Snapshot>> {
        let decoder = Decoder::new(&self.listings, &self.market, options);
        let context = PieceContext { default_spot_offset: options.default_spot_offset };
        let mut found = Found::default();
        let (survey, progress) = (&self.survey, options.progress);
        let (work, decoder, context) = (&work, &decoder, &context);
        let mut merge = Merge::new(self.flows.each_ref().map(Option::as_ref), accounts);
        let done = rayon::in_place_scope_fifo(|scope| {
            let hashes = Running::start(scope, move || survey.hash(progress));
            let mut running: VecDeque<Running<(Aside, T)>> = VecDeque::new();
            loop {
                let mut moved = merge.read_ahead(scope, decoder, window.row_groups)?;
                while running.len() < window.pieces
                    && let Next::Piece(piece) = merge.next()
                {
                    running.push_back(Running::start(scope, move || {
                        let Built { book, aside } = piece.build(context);
                        Ok((aside, work(book)?))
                    }));
                    moved = true;
                }
                if merge.is_unsorted() {
                    return Ok(None);
                }
                if let Some(first) = running.front()
                    && let Some((aside, result)) = first.poll()?
                {
                    running.pop_front();
                    found.add(aside);
                    sink(result)?;
                    moved = true;
                }
                if running.is_empty() && merge.is_finished() {
                    return hashes.wait().map(Some);
                }
                if !moved {
                    work_or_pause();
                }
            }
        })?;
        let Some(hashes) = done else { return Ok(None) };
        found.add(merge.take_nameless());
        let currencies = merge.into_currencies();
        Ok(Some(self.finish(hashes, found, &currencies)))
    }

    fn finish(self, hashes: Vec<(u64, String)>, found: Found, currencies: &[String]) -> Snapshot {
        let indices = self.tables.indices();
        let unused_price_gaps =
            self.listings.unused_gaps(&self.market, &indices, currencies.iter().map(String::as_str));
        let mut file_rows = self.tables.file_rows();
        let mut settled = super::accounts::settle(&crate::book::IdTable::default(), self.tables.sections());
        for (table, flow) in FLOWING.into_iter().zip(&self.flows) {
            let Some(flow) = flow else { continue };
            let rows = flow.file_rows();
            settled.tables.push(found.count(table, rows.iter().sum()));
            file_rows.extend(rows);
        }
        settled.rejects.extend(found.aside.rejects);
        settled.rejects.sort_by_key(|reject| (reject.table, reject.row));
        Snapshot {
            as_of_ns: self.survey.as_of_ns,
            market: self.market,
            book: Book::default(),
            rejects: settled.rejects,
            unmargined: found.aside.unmargined,
            tables: settled.tables,
            inputs: self.survey.input_files(hashes, file_rows),
            untradable: self.listings.untradable(),
            unused_price_gaps,
        }
    }
}

/// What is set aside of some accounts.
#[derive(Default)]
struct Aside {
    rejects: Vec<Reject>,
    unmargined: Vec<Unmargined>,
    /// Rows of each table that are broken themselves, and sound rows of accounts that are left out.
    broken: [u64; 4],
    left_out: [u64; 4],
}

/// The tables that flow, as [`Aside`] counts them.
const FLOWING: [Table; 4] = [Table::Positions, Table::Balances, Table::Accounts, Table::Orders];

/// What is set aside of all accounts.
#[derive(Default)]
struct Found {
    aside: Aside,
}

impl Found {
    fn add(&mut self, later: Aside) {
        let all = &mut self.aside;
        all.rejects.extend(later.rejects);
        all.unmargined.extend(later.unmargined);
        for table in 0..FLOWING.len() {
            all.broken[table] += later.broken[table];
            all.left_out[table] += later.left_out[table];
        }
    }

    fn count(&self, table: Table, rows_in: u64) -> TableCount {
        let place = FLOWING.iter().position(|other| *other == table).unwrap_or_default();
        let (rows_broken, rows_left_out) = (self.aside.broken[place], self.aside.left_out[place]);
        let rows_rejected = rows_broken + rows_left_out;
        TableCount { table, rows_in, rows_used: rows_in - rows_rejected, rows_rejected, rows_broken, rows_left_out }
    }
}
