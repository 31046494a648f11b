//! All tables in the order in which they depend on one another, and the snapshot that they make.

// Indices are numbers that were handed out here; to look each up would hide a fault and cost the hot loop.
#![allow(clippy::indexing_slicing)]

use super::accounts::balances::{AllBalances, Balances};
use super::accounts::orders::{AllOrders, Orders};
use super::accounts::positions::{AllPositions, Positions};
use super::accounts::{AccountNumbers, AccountRows, Section, Settings, settle};
use super::market::contracts::{self, ContractRow, Fault, base_quote};
use super::market::prices::{self, Indices};
use super::market::{self};
use super::reject::{Broken, Reason};
use super::{Expectations, LoadOptions, Snapshot, Table, relate};
use crate::book::Book;
use crate::cells::text::cut;
use crate::formats::batch::Batch;
use crate::formats::memory::{Rows, Slices};
use crate::formats::scan::{Opened, scan};
use crate::source::Source;
use crate::{Error, Invalid, Result};
use std::path::PathBuf;

/// Reads all tables. Returns the rows of each file too; the snapshot's `inputs` are still empty.
pub(super) fn read(as_of_ns: i64, sources: &[(Table, Source)], options: &LoadOptions) -> Result<(Snapshot, Vec<u64>)> {
    let mut pending = Pending::open(sources, options)?;
    let tables = MarketTables::read(&mut pending, as_of_ns, options)?;
    read_accounts(as_of_ns, &tables, pending, options)
}

/// Reads the tables of accounts, where those of the market are read.
pub(super) fn read_accounts(
    as_of_ns: i64,
    tables: &MarketTables,
    mut pending: Pending,
    options: &LoadOptions,
) -> Result<(Snapshot, Vec<u64>)> {
    let indices = tables.indices();
    let mut file_rows = tables.file_rows();

    let mut accounts = AccountNumbers::default();
    let mut balances = AllBalances::default();
    let balance_rows = scan(
        pending.take(Table::Balances)?.1,
        options.progress,
        |local: &mut Balances, batch| {
            local.read(batch, |name| indices.fx(name).map(|fx| options.expectations.most_held(fx)))
        },
        |local| balances.merge(local, &mut accounts),
    )?;
    balances.reject_duplicates();
    let names = || balances.currencies().iter();
    let (market, listings) = tables.market(as_of_ns, options.expectations, names())?;

    let mut positions = AllPositions::default();
    let (_, opened) = pending.take(Table::Positions)?;
    positions.reserve(opened.rows().unwrap_or(0));
    let position_rows = scan(
        opened,
        options.progress,
        |local: &mut Positions, batch| local.read(batch, &listings),
        |local| positions.merge(local, &mut accounts),
    )?;

    let mut settings = AccountRows::default();
    let mut settings_rows = None;
    if let Ok((_, opened)) = pending.take(Table::Accounts) {
        let merge = |local| settings.merge(local, &mut accounts);
        settings_rows = Some(scan(opened, options.progress, Settings::read, merge)?);
        settings.reject_duplicates(&accounts);
    }
    let mut orders = AllOrders::default();
    let mut order_rows = None;
    if let Ok((_, opened)) = pending.take(Table::Orders) {
        let priced = market::Priced::new(&market);
        let read = |local: &mut Orders, batch: &Batch| local.read(batch, &listings, &priced);
        order_rows = Some(scan(opened, options.progress, read, |local| orders.merge(local, &mut accounts))?);
    }
    let unused_price_gaps = listings.unused_gaps(&market, &indices, names());
    balances.renumber_currencies(&market);
    let optional_rows = settings_rows.iter().chain(&order_rows).flatten();
    file_rows.extend(position_rows.iter().chain(&balance_rows).chain(optional_rows));

    let mut sections = tables.sections();
    for (table, rows, accounts, broken) in [
        (Table::Positions, Some(&position_rows), &positions.rows.account, &mut positions.broken),
        (Table::Balances, Some(&balance_rows), &balances.rows.account, &mut balances.broken),
        (Table::Accounts, settings_rows.as_ref(), &settings.account, &mut settings.broken),
        (Table::Orders, order_rows.as_ref(), &orders.rows.account, &mut orders.broken),
    ] {
        if let Some(rows) = rows {
            sections.push(Section { table, rows_in: rows.iter().sum(), accounts, broken: std::mem::take(broken) });
        }
    }
    let settled = settle(accounts.ids(), sections);

    let mut spot_offset = vec![options.default_spot_offset; accounts.ids().len()];
    for (&account, offset) in settings.account.iter().zip(&settings.offset) {
        if let Some(offset) = *offset {
            spot_offset[account as usize] = offset;
        }
    }
    options.progress.check()?;
    let left_out = &settled.left_out;
    let book = Book::from_rows(accounts.ids(), &spot_offset, left_out, positions.rows, balances.rows, orders.rows);
    let snapshot = Snapshot {
        as_of_ns,
        market,
        book,
        rejects: settled.rejects,
        unmargined: settled.unmargined,
        tables: settled.tables,
        inputs: Vec::new(),
        untradable: listings.untradable(),
        unused_price_gaps,
    };
    Ok((snapshot, file_rows))
}

/// The tables that make the market, whole.
pub(super) struct MarketTables {
    instruments: SmallTable<ContractRow>,
    marks: SmallTable<prices::MarkRow>,
    indices: SmallTable<prices::IndexRow>,
}

impl MarketTables {
    pub fn read(pending: &mut Pending, as_of_ns: i64, options: &LoadOptions) -> Result<Self> {
        let clock = prices::Clock { as_of_ns, expectations: options.expectations };
        let instruments = SmallTable::read(pending.take(Table::Instruments)?, options, contracts::read)?;
        instruments.check_unique("duplicate instrument", "inst_id", |row| row.inst_id.as_deref())?;
        let marks = SmallTable::read(pending.take(Table::Marks)?, options, |rows: &mut _, batch: &_| {
            prices::read_marks(rows, batch, clock)
        })?;
        marks.check_unique("duplicate mark", "inst_id", |row| row.inst_id.as_deref())?;
        let indices = SmallTable::read(pending.take(Table::Indices)?, options, |rows: &mut _, batch: &_| {
            prices::read_indices(rows, batch, clock)
        })?;
        indices.check_unique("duplicate index", "index_id", |row| row.index_id.as_deref())?;
        Ok(Self { instruments, marks, indices })
    }

    pub fn indices(&self) -> Indices<'_> {
        Indices::new(&self.indices.rows)
    }

    /// The market and what positions find in it; `currencies` are names that balances may have.
    pub fn market<'n>(
        &'n self,
        as_of_ns: i64,
        expectations: &Expectations,
        currencies: impl Iterator<Item = &'n str>,
    ) -> Result<(crate::market::Market, market::Listings)> {
        let tables = (self.instruments.rows.as_slice(), self.marks.rows.as_slice(), self.indices.rows.as_slice());
        market::build(as_of_ns, expectations, tables, currencies)
    }

    /// Rows of each file, in the order of the tables.
    pub fn file_rows(&self) -> Vec<u64> {
        [&self.instruments.file_rows, &self.marks.file_rows, &self.indices.file_rows]
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// Rows and broken rows of each table.
    pub fn sections(&self) -> Vec<Section<'static>> {
        let Self { instruments, marks, indices } = self;
        vec![
            instruments.section(Table::Instruments, instruments.broken(broken_contract)),
            marks.section(
                Table::Marks,
                marks.broken(|row| row.inst_id.is_none().then(|| (Reason::MissingInstId, "inst_id", String::new()))),
            ),
            indices.section(
                Table::Indices,
                indices.broken(|row| {
                    let name = row.index_id.as_deref().unwrap_or_default();
                    base_quote(name).is_none().then(|| (Reason::InvalidIndexId, "index_id", cut(name)))
                }),
            ),
        ]
    }
}

fn broken_contract(row: &ContractRow) -> Option<(Reason, &'static str, String)> {
    match (&row.inst_id, &row.contract) {
        (None, _) => Some((Reason::MissingInstId, "inst_id", String::new())),
        (_, Err(Fault { column, value })) => Some((Reason::InvalidInstrument, column, value.clone())),
        (_, Ok(_)) => None,
    }
}

/// Tables whose columns have been checked and whose rows have not been touched yet.
pub(super) struct Pending(Vec<(Table, Vec<PathBuf>, Opened)>);

impl Pending {
    /// Opens all tables, so that a broken one is found before any is read.
    pub fn open(sources: &[(Table, Source)], options: &LoadOptions) -> Result<Self> {
        let mut tables = Vec::new();
        for (table, source) in sources {
            tables.push((*table, source.paths(), Opened::new(source, table.columns())?));
        }
        Ok(Self::announce(tables, options))
    }

    /// Tables that a caller holds.
    pub fn of_memory(tables: &[(Table, &Rows)], options: &LoadOptions) -> Result<Self> {
        let open = |(table, rows): &(Table, &Rows)| {
            let slices = Slices::new(table.name(), rows, table.columns())?;
            Ok((*table, vec![PathBuf::from(table.name())], Opened::Memory(slices)))
        };
        Ok(Self::announce(tables.iter().map(open).collect::<Result<_>>()?, options))
    }

    fn announce(tables: Vec<(Table, Vec<PathBuf>, Opened)>, options: &LoadOptions) -> Self {
        let total = tables.iter().map(|(_, _, opened)| opened.rows()).sum::<Option<u64>>();
        options.progress.stage("read", "rows", total.unwrap_or(0));
        Self(tables)
    }

    pub fn take(&mut self, table: Table) -> Result<(Vec<PathBuf>, Opened)> {
        let found = self.0.iter().position(|(found, _, _)| *found == table);
        let found = found.ok_or_else(|| Error::Runtime(format!("table `{}` was not opened", table.name())))?;
        let (_, files, opened) = self.0.swap_remove(found);
        Ok((files, opened))
    }
}

/// A table of the market, whole.
struct SmallTable<T> {
    files: Vec<PathBuf>,
    rows: Vec<T>,
    file_rows: Vec<u64>,
}

impl<T: Send> SmallTable<T> {
    fn read(
        (files, opened): (Vec<PathBuf>, Opened),
        options: &LoadOptions,
        read: impl Fn(&mut Vec<T>, &Batch) -> Result<()> + Sync,
    ) -> Result<Self> {
        let mut rows = Vec::new();
        let file_rows = scan(opened, options.progress, read, |mut local: Vec<T>| {
            rows.append(&mut local);
            Ok(())
        })?;
        Ok(Self { files, rows, file_rows })
    }

    /// # Errors
    /// [`Invalid`] at the first row whose key stands in an earlier row; the row is counted in its own file.
    fn check_unique(&self, problem: &str, column: &str, key: impl Fn(&T) -> Option<&str>) -> Result<()> {
        let keys: Vec<_> = self.rows.iter().map(&key).collect();
        let Some(found) = relate::first_duplicate(&keys) else { return Ok(()) };
        let (mut file, mut row) = (0, found as u64);
        while file + 1 < self.files.len() && row >= self.file_rows[file] {
            row -= self.file_rows[file];
            file += 1;
        }
        Err(Invalid::new(problem)
            .file(&self.files[file])
            .column(column)
            .row(row + 1)
            .value(cut(keys[found].unwrap_or_default()))
            .expected("each one once")
            .into())
    }

    /// The rows that `fault` finds broken.
    fn broken(&self, fault: impl Fn(&T) -> Option<(Reason, &'static str, String)>) -> Vec<Broken> {
        let faults = self.rows.iter().zip(1..).filter_map(|(row, number)| Some((number, fault(row)?)));
        faults.map(|(row, (reason, column, value))| Broken { row, account: None, reason, column, value }).collect()
    }

    fn section(&self, table: Table, broken: Vec<Broken>) -> Section<'static> {
        Section { table, rows_in: self.rows.len() as u64, accounts: &[], broken }
    }
}
