//! The tables of accounts as a sequence of pieces of whole accounts, in order of their ids, from any source.
//!
//! ```text
//! sorted Parquet    row group | row group | ...  -- decoded ahead, merged by account id --\
//! tables on disk    range of ids | range | ...   -- sorted when read, merged as well ------ >  cut every n accounts
//! tables in memory  decoded whole, indexed by account id -------------------------------- /
//!
//! piece (n accounts: ranges of what is decoded)  -- in parallel -->  Book  -->  work  -->  results, in order
//! ```
//!
//! Row groups stream where tables are Parquet whose rows ascend by account id (byte order); whether they do shows on
//! the way. Other tables are held in memory ([`Stream::hold`]) or brought to disk first ([`Stream::spill`]). A pass
//! can be repeated. The rows of an account are judged in one place, whatever the source (`piece.rs`).

// Indices are made in this module and in range; a checked lookup would hide a bug and slow down the hot loop.
#![allow(clippy::indexing_slicing)]

mod decode;
mod held;
mod ids;
mod lane;
mod merge;
mod piece;
mod spill;
mod walk;

pub use spill::Spill;
pub use walk::{Cut, Pieces, Reader};

use super::census::Census;
use super::market::Listings;
use super::market_rows::{MarketRows, name_table};
use super::reject::{Reason, Reject, TableCount, Unmargined};
use super::tables::{MarketTables, Pending, check_attributes};
use super::{LoadOptions, Snapshot, Survey, Table, Unused, Warning, rows_about};
use crate::book::{Book, Grouping};
use crate::formats::memory::{Rows, Slices};
use crate::formats::scan::{Opened, scan};
use crate::kept::Kept;
use crate::market::Market;
use crate::source::Source;
use crate::{Error, Invalid, Result};
use decode::Decoder;
use held::Held;
use lane::Flow;
use merge::Gathered;
use spill::Spilled;
use std::collections::BTreeSet;
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

/// Which currencies the market knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Currencies {
    /// Those that have a price. Balances in others hold nothing, and are left away.
    Priced,
    /// Also those without a price that a balance names: the table is looked through for them.
    Named,
}

/// Consecutive accounts.
#[derive(Debug)]
pub struct Piece {
    /// Margined accounts before this piece, where pieces are cut by margined accounts.
    pub first: usize,
    /// The accounts.
    pub book: Book,
    /// Places in the book of the accounts that chose no spot hedging mode, and have the default.
    pub undecided: Vec<usize>,
}

/// A snapshot whose market is read and whose accounts are where they were, in memory or on disk.
pub struct Stream {
    origin: Origin,
    as_of_ns: i64,
    tables: Arc<MarketTables>,
    market: Market,
    listings: Listings,
    store: Store,
    unused: Unused,
    kept: Arc<Kept>,
    /// How accounts are put together.
    groups: Vec<Grouping>,
}

/// Where the rows of the tables of accounts come from.
enum Origin {
    Folder(Arc<Survey>),
    Memory(Vec<(Table, Rows)>),
}

impl Origin {
    /// Opens a table, if there is one.
    fn open(&self, table: Table, groups: &[Grouping]) -> Result<Option<Opened>> {
        let columns = table.columns_by(groups);
        match self {
            Self::Folder(_) => self.source(table).map(|source| Opened::new(source, &columns)).transpose(),
            Self::Memory(tables) => {
                let rows = tables.iter().find(|(other, _)| *other == table).map(|(_, rows)| rows);
                let slices = rows.map(|rows| Slices::new(table.name(), rows, &columns)).transpose()?;
                Ok(slices.map(Opened::Memory))
            }
        }
    }

    fn source(&self, table: Table) -> Option<&Source> {
        match self {
            Self::Folder(survey) => survey.source(table),
            Self::Memory(_) => None,
        }
    }
}

/// Where the tables of accounts are.
enum Store {
    /// In their files or batches, of which nothing is read yet.
    Untouched,
    /// Positions, balances, accounts, orders.
    Flows([Option<Flow>; 4]),
    Held(Box<Held>),
}

/// A market needs no more currencies than its indices name, and USD: no other has a value.
const ALWAYS_PRICED: &str = "USD";

/// The tables of accounts, as [`Aside`] counts them.
const OF_ACCOUNTS: [Table; 4] = [Table::Positions, Table::Balances, Table::Accounts, Table::Orders];

impl Stream {
    /// Reads the market of the snapshot in `dir`, and opens its tables of accounts.
    ///
    /// # Errors
    /// Those of [`super::load`] that concern the market and the columns of the tables.
    pub fn open(dir: &Path, currencies: Currencies, options: &LoadOptions) -> Result<Self> {
        Self::open_grouped(dir, currencies, &[], options)
    }

    /// As [`Stream::open`]; the book of each piece says the groups of its accounts.
    ///
    /// # Errors
    /// Those of [`Stream::open`]; [`Error::Invalid`] for an attribute that the table `accounts` does not have.
    pub fn open_grouped(
        dir: &Path,
        currencies: Currencies,
        groups: &[Grouping],
        options: &LoadOptions,
    ) -> Result<Self> {
        options.expectations.check()?;
        let survey = Arc::new(Survey::new(dir)?);
        let opened = Self::of_folder(Arc::clone(&survey), currencies, groups, options);
        survey.settle(opened, options.progress)
    }

    fn of_folder(
        survey: Arc<Survey>,
        currencies: Currencies,
        groups: &[Grouping],
        options: &LoadOptions,
    ) -> Result<Self> {
        if let (Some(grouping), None) = (groups.first(), survey.source(Table::Accounts)) {
            return Err(survey.no_attributes(grouping).into());
        }
        let mut pending = Pending::open(&survey.sources, groups, options)?;
        let allowed = options.expectations.allow_unknown;
        let unused = Unused { files: survey.unused(allowed)?, columns: pending.unused(allowed, groups)? };
        let as_of_ns = survey.as_of_ns;
        let tables = Arc::new(MarketTables::read(&mut pending, as_of_ns, options)?);
        let mut flows = [None, None, None, None];
        let mut is_parquet = true;
        for (flow, table) in flows.iter_mut().zip(OF_ACCOUNTS) {
            match pending.take(table).map(|(_, opened)| opened) {
                Ok(Opened::Parquet(parts)) => *flow = Some(Flow::Parts(parts)),
                Ok(_) => is_parquet = false,
                // The table is not there.
                Err(_) => {}
            }
        }
        let origin = Origin::Folder(survey);
        let store = if is_parquet { Store::Flows(flows) } else { Store::Untouched };
        let stream = Self::of_tables(as_of_ns, tables, origin, store, currencies, options)?;
        Ok(Self { unused, groups: groups.to_vec(), ..stream })
    }

    /// Tables of accounts in memory beside a market; accounts are put together by `groups`.
    pub(super) fn of_rows(
        market: &MarketRows,
        tables: Vec<(Table, Rows)>,
        groups: &[Grouping],
        options: &LoadOptions,
    ) -> Result<Self> {
        check_attributes(groups)?;
        if let (Some(grouping), true) = (groups.first(), tables.iter().all(|(table, _)| *table != Table::Accounts)) {
            return Err(Invalid::new("there is no table `accounts`, which has the columns to group by")
                .file(Table::Accounts.name())
                .value(format!("to be grouped by `{grouping}`"))
                .expected("a table with the columns `account_id`, `spot_offset` and those to group by")
                .into());
        }
        let origin = Origin::Memory(tables);
        for table in OF_ACCOUNTS {
            origin.open(table, groups)?;
        }
        let tables = Arc::clone(&market.tables);
        let stream = Self::of_tables(market.as_of_ns(), tables, origin, Store::Untouched, Currencies::Named, options)?;
        Ok(Self { groups: groups.to_vec(), ..stream })
    }

    fn of_tables(
        as_of_ns: i64,
        tables: Arc<MarketTables>,
        origin: Origin,
        store: Store,
        currencies: Currencies,
        options: &LoadOptions,
    ) -> Result<Self> {
        let names = match currencies {
            Currencies::Priced => BTreeSet::from([ALWAYS_PRICED.to_owned()]),
            Currencies::Named => named_currencies(&origin, options)?,
        };
        let (market, listings) = tables.market(as_of_ns, options.expectations, names.iter().map(String::as_str))?;
        let unused = Unused::default();
        Ok(Self { origin, as_of_ns, tables, market, listings, store, unused, kept: Arc::default(), groups: Vec::new() })
    }

    /// Counts here what is set aside while the tables are read.
    pub fn count_in(&mut self, kept: &Arc<Kept>) {
        self.kept = Arc::clone(kept);
    }

    /// Reads the tables of accounts into memory, in whatever order their rows are.
    ///
    /// # Errors
    /// Those of [`super::load`].
    pub fn hold(&mut self, options: &LoadOptions) -> Result<()> {
        self.store = Store::Untouched;
        let decoder = Decoder::new(&self.listings, &self.market, &self.groups, options);
        let held = self.settle(Held::read(&self.origin, &decoder), options)?;
        self.store = Store::Held(Box::new(held));
        Ok(())
    }

    /// Brings the tables of accounts to disk, in ranges of account ids that are sorted when they are read.
    ///
    /// # Errors
    /// Those of [`super::load`]; [`Error::Io`] and [`Error::Runtime`] if the disk does not take the rows.
    pub fn spill(&mut self, spill: Spill, options: &LoadOptions) -> Result<()> {
        self.store = Store::Untouched;
        let mut flows = [None, None, None, None];
        for (flow, table) in flows.iter_mut().zip(OF_ACCOUNTS) {
            if let Some(source) = self.origin.source(table) {
                let spilled = Spilled::new(table, source, spill, &self.groups, options.progress);
                *flow = Some(Flow::Spilled(self.settle(spilled, options)?));
            }
        }
        self.store = Store::Flows(flows);
        Ok(())
    }

    /// The market. It knows every currency that has a price; the accounts' other currencies are worth nothing.
    #[must_use]
    pub fn market(&self) -> &Market {
        &self.market
    }

    /// Valuation time in nanoseconds since 1970 UTC.
    #[must_use]
    pub fn as_of_ns(&self) -> i64 {
        self.as_of_ns
    }

    /// Rows of the tables of accounts, about: where files do not tell, an estimate from their size.
    #[must_use]
    pub fn weigh(&self) -> u64 {
        self.weigh_tables(&OF_ACCOUNTS)
    }

    /// The same of the tables whose rows are valued.
    #[must_use]
    pub fn weigh_valued(&self) -> u64 {
        self.weigh_tables(&[Table::Positions, Table::Balances])
    }

    fn weigh_tables(&self, wanted: &[Table]) -> u64 {
        if !matches!(self.store, Store::Untouched) {
            let of_tables = OF_ACCOUNTS.iter().zip(self.file_rows()).filter(|(table, _)| wanted.contains(table));
            return of_tables.filter_map(|(_, rows)| rows).flatten().sum();
        }
        match &self.origin {
            Origin::Memory(tables) => {
                let rows_of = |(table, rows): &(Table, Rows)| if wanted.contains(table) { rows.len() } else { 0 };
                tables.iter().map(rows_of).sum::<usize>() as u64
            }
            Origin::Folder(survey) => {
                let of_tables = survey.sources.iter().filter(|(table, _)| wanted.contains(table));
                // A file that cannot be opened again is found out when it is read.
                of_tables.map(|(table, source)| rows_about(*table, source).unwrap_or(0)).fold(0, u64::saturating_add)
            }
        }
    }

    /// Rows of the largest row group of each table that streams, summed; `None` if the tables are not of that kind.
    #[must_use]
    pub fn largest_row_groups(&self) -> Option<u64> {
        match &self.store {
            Store::Flows(flows) => Some(flows.iter().flatten().map(Flow::largest).sum()),
            Store::Held(_) | Store::Untouched => None,
        }
    }

    /// What came of reading, once nothing more is read.
    fn settle<T>(&self, outcome: Result<T>, options: &LoadOptions) -> Result<T> {
        match &self.origin {
            Origin::Folder(survey) => survey.settle(outcome, options.progress),
            Origin::Memory(_) => outcome.map_err(name_table),
        }
    }

    fn file_rows(&self) -> [Option<Vec<u64>>; 4] {
        match &self.store {
            Store::Flows(flows) => flows.each_ref().map(|flow| flow.as_ref().map(Flow::file_rows)),
            Store::Held(held) => held.file_rows.clone(),
            Store::Untouched => [const { None }; 4],
        }
    }

    /// What is odd about the files and the market.
    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.unused.warnings();
        warnings.extend(self.tables.warnings());
        if matches!(&self.origin, Origin::Folder(survey) if survey.source(Table::Accounts).is_none()) {
            let text = "no table `accounts`: every account has the spot hedging mode that the rules take by default";
            warnings.push(Warning::new(Warning::NO_SETTINGS, 1, text));
        }
        warnings.extend(self.listings.warnings());
        warnings
    }

    /// The snapshot without its book.
    fn snapshot(&self, hashes: Vec<(u64, String)>, found: Found, gathered: Gathered) -> Snapshot {
        let Gathered { nameless, currencies } = gathered;
        let mut found = found;
        found.add(nameless);
        let indices = self.tables.indices();
        let unused_price_gaps =
            self.listings.unused_gaps(&self.market, &indices, currencies.iter().map(String::as_str));
        let mut all_rows = self.tables.file_rows();
        let (of_market, mut tables) = self.tables.rejects();
        for (table, rows) in OF_ACCOUNTS.into_iter().zip(self.file_rows()) {
            let Some(rows) = rows else { continue };
            tables.push(found.count(table, rows.iter().sum()));
            all_rows.extend(rows);
        }
        // They may be as many as the rows: none is copied to sort them.
        let mut rejects = found.aside.rejects;
        rejects.extend(of_market);
        rejects.sort_unstable_by_key(|reject| (reject.table, reject.row, reject.reason, reject.column));
        let inputs = match &self.origin {
            Origin::Folder(survey) => survey.input_files(hashes, all_rows),
            Origin::Memory(_) => Vec::new(),
        };
        let mut untradable = self.listings.untradable();
        let unheld_broken = self.listings.unheld_broken() + self.tables.broken_pairs().count() as u64;
        untradable.extend(self.tables.broken_pairs().map(|pair| (pair.to_owned(), Reason::InvalidInstrument)));
        Snapshot {
            as_of_ns: self.as_of_ns,
            spot_pairs: self.tables.spot_pairs(&self.market),
            market: self.market.clone(),
            book: Book::default(),
            rejects,
            unmargined: found.aside.unmargined,
            tables,
            inputs,
            untradable,
            unused_price_gaps,
            unused: self.unused.clone(),
            warnings: self.warnings(),
            unheld_broken,
        }
    }
}

/// Every currency that a balance names.
fn named_currencies(origin: &Origin, options: &LoadOptions) -> Result<BTreeSet<String>> {
    const CCY: &str = "ccy";
    let mut names = BTreeSet::new();
    let opened = match origin.source(Table::Balances) {
        // The column alone, where it can be read alone.
        Some(source) => {
            let columns = Table::Balances.columns();
            let place = columns.iter().position(|column| column.name == CCY).unwrap_or_default();
            Some(Opened::new(source, &columns[place..=place])?)
        }
        None => origin.open(Table::Balances, &[])?,
    };
    let Some(opened) = opened else { return Ok(names) };
    scan(
        opened,
        &crate::progress::Silent,
        |local: &mut BTreeSet<String>, batch| {
            options.progress.check()?;
            let column = batch.text(CCY)?;
            let mut memo = column.memo();
            for row in 0..batch.rows {
                memo.get(&column, row, |name| {
                    if !local.contains(name) {
                        local.insert(name.to_owned());
                    }
                    Ok::<_, Error>(())
                })?;
            }
            Ok(())
        },
        |local| {
            names.extend(local);
            Ok(())
        },
    )?;
    Ok(names)
}

/// What is set aside of some accounts.
#[derive(Clone, Default)]
struct Aside {
    rejects: Vec<Reject>,
    unmargined: Vec<Unmargined>,
    /// Rows of each table that are broken themselves, and sound rows of accounts that are left out.
    broken: [u64; 4],
    left_out: [u64; 4],
}

impl Aside {
    /// Bytes, twice: the lists of all pieces are copied when they grow.
    fn bytes(&self) -> u64 {
        let text = |text: usize| text.next_multiple_of(16);
        let reject =
            |reject: &Reject| text(reject.account_id.as_ref().map_or(0, String::len)) + text(reject.value.len());
        let rejects: usize = self.rejects.iter().map(reject).sum();
        let accounts: usize = self.unmargined.iter().map(|account| text(account.account_id.len())).sum();
        let lists = self.rejects.len() * size_of::<Reject>() + self.unmargined.len() * size_of::<Unmargined>();
        (2 * lists + rejects + accounts) as u64
    }
}

/// What is set aside of all accounts.
#[derive(Default)]
struct Found {
    aside: Aside,
    census: Census,
}

impl Found {
    fn add_built(&mut self, kept: &Kept, later: Aside, census: &Census) -> Result<()> {
        kept.add(later.bytes(), "the rows that were set aside")?;
        self.add(later);
        self.census.add(census);
        Ok(())
    }

    fn add(&mut self, later: Aside) {
        let all = &mut self.aside;
        all.rejects.extend(later.rejects);
        all.unmargined.extend(later.unmargined);
        for table in 0..OF_ACCOUNTS.len() {
            all.broken[table] += later.broken[table];
            all.left_out[table] += later.left_out[table];
        }
    }

    fn count(&self, table: Table, rows_in: u64) -> TableCount {
        let place = OF_ACCOUNTS.iter().position(|other| *other == table).unwrap_or_default();
        let (rows_broken, rows_left_out) = (self.aside.broken[place], self.aside.left_out[place]);
        let rows_rejected = rows_broken + rows_left_out;
        TableCount { table, rows_in, rows_used: rows_in - rows_rejected, rows_rejected, rows_broken, rows_left_out }
    }
}
