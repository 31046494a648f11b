//! All tables in the order in which they depend on one another, and the snapshot that they make.

use super::accounts::{AccountNumbers, AccountRows, Section, settle};
use super::balances::Balances;
use super::batch::Batch;
use super::contracts::{self, ContractRow, Fault, base_quote};
use super::positions::Positions;
use super::prices::{self, Indices};
use super::reject::{Broken, Reason};
use super::scan::{Opened, scan};
use super::source::Source;
use super::text::cut;
use super::{LoadOptions, Snapshot, Table, market, relate};
use crate::book::Book;
use crate::{Error, Invalid, Result};

/// Reads all tables. Returns the rows of each file too; the snapshot's `inputs` are still empty.
pub(super) fn read(as_of_ns: i64, sources: &[(Table, Source)], options: &LoadOptions) -> Result<(Snapshot, Vec<u64>)> {
    let mut pending = Pending::open(sources, options)?;
    let mut file_rows = Vec::new();

    let instruments = SmallTable::read(pending.take(Table::Instruments)?, options, contracts::read)?;
    instruments.check_unique("duplicate instrument", "inst_id", |row| row.inst_id.as_deref())?;
    let marks = SmallTable::read(pending.take(Table::Marks)?, options, prices::read_marks)?;
    marks.check_unique("duplicate mark", "inst_id", |row| row.inst_id.as_deref())?;
    let index_table = SmallTable::read(pending.take(Table::Indices)?, options, prices::read_indices)?;
    index_table.check_unique("duplicate index", "index_id", |row| row.index_id.as_deref())?;
    let indices = Indices::new(&index_table.rows);
    for rows in [&instruments.file_rows, &marks.file_rows, &index_table.file_rows] {
        file_rows.extend(rows);
    }

    let mut accounts = AccountNumbers::default();
    let mut balances = Balances::default();
    let balance_rows = scan(
        pending.take(Table::Balances)?.1,
        options.progress,
        |local: &mut Balances, batch| local.read(batch, &indices),
        |local| balances.merge(local, &mut accounts),
    )?;
    balances.reject_duplicates();
    let names = || balances.currencies().iter();
    let (market, listings) = market::build(as_of_ns, &instruments.rows, &marks.rows, &index_table.rows, names())?;

    let mut positions = Positions::default();
    let (_, opened) = pending.take(Table::Positions)?;
    positions.reserve(opened.rows().unwrap_or(0));
    let position_rows = scan(
        opened,
        options.progress,
        |local: &mut Positions, batch| local.read(batch, &listings),
        |local| positions.merge(local, &mut accounts),
    )?;
    let unused_price_gaps = listings.unused_gaps(&market, &indices, names());
    balances.renumber_currencies(&market);

    let mut settings = AccountRows::default();
    let mut settings_rows = None;
    if let Ok((_, opened)) = pending.take(Table::Accounts) {
        let merge = |local| settings.merge(local, &mut accounts);
        settings_rows = Some(scan(opened, options.progress, AccountRows::read, merge)?);
        settings.reject_duplicates(&accounts);
    }
    file_rows.extend(position_rows.iter().chain(&balance_rows).chain(settings_rows.iter().flatten()));

    let mut sections = vec![
        instruments.section(Table::Instruments, instruments.broken(broken_contract)),
        marks.section(
            Table::Marks,
            marks.broken(|row| row.inst_id.is_none().then(|| (Reason::MissingInstId, "inst_id", String::new()))),
        ),
        index_table.section(
            Table::Indices,
            index_table.broken(|row| {
                let name = row.index_id.as_deref().unwrap_or_default();
                base_quote(name).is_none().then(|| (Reason::InvalidIndexId, "index_id", cut(name)))
            }),
        ),
    ];
    for (table, rows, accounts, broken) in [
        (Table::Positions, Some(&position_rows), &positions.rows.account, &mut positions.broken),
        (Table::Balances, Some(&balance_rows), &balances.rows.account, &mut balances.broken),
        (Table::Accounts, settings_rows.as_ref(), &settings.account, &mut settings.broken),
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
    let book = Book::from_rows(accounts.ids(), &spot_offset, &settled.left_out, positions.rows, balances.rows);
    let snapshot = Snapshot {
        as_of_ns,
        market,
        book,
        rejects: settled.rejects,
        unmargined: settled.unmargined,
        tables: settled.tables,
        inputs: Vec::new(),
        unused_price_gaps,
    };
    Ok((snapshot, file_rows))
}

fn broken_contract(row: &ContractRow) -> Option<(Reason, &'static str, String)> {
    match (&row.inst_id, &row.contract) {
        (None, _) => Some((Reason::MissingInstId, "inst_id", String::new())),
        (_, Err(Fault { column, value })) => Some((Reason::InvalidInstrument, column, value.clone())),
        (_, Ok(_)) => None,
    }
}

/// Tables whose columns have been checked and whose rows have not been touched yet.
struct Pending<'a>(Vec<(Table, &'a Source, Opened)>);

impl<'a> Pending<'a> {
    /// Opens all tables, so that a broken one is found before any is read.
    fn open(sources: &'a [(Table, Source)], options: &LoadOptions) -> Result<Self> {
        let mut tables = Vec::new();
        for (table, source) in sources {
            tables.push((*table, source, Opened::new(source, table.columns())?));
        }
        let total = tables.iter().map(|(_, _, opened)| opened.rows()).sum::<Option<u64>>();
        options.progress.stage("read", "rows", total.unwrap_or(0));
        Ok(Self(tables))
    }

    fn take(&mut self, table: Table) -> Result<(&'a Source, Opened)> {
        let found = self.0.iter().position(|(found, _, _)| *found == table);
        let found = found.ok_or_else(|| Error::Runtime(format!("table `{}` was not opened", table.name())))?;
        let (_, source, opened) = self.0.swap_remove(found);
        Ok((source, opened))
    }
}

/// A table of the market, whole.
struct SmallTable<'a, T> {
    source: &'a Source,
    rows: Vec<T>,
    file_rows: Vec<u64>,
}

impl<'a, T: Send> SmallTable<'a, T> {
    fn read(
        (source, opened): (&'a Source, Opened),
        options: &LoadOptions,
        read: impl Fn(&mut Vec<T>, &Batch) -> Result<()> + Sync,
    ) -> Result<Self> {
        let mut rows = Vec::new();
        let file_rows = scan(opened, options.progress, read, |mut local: Vec<T>| {
            rows.append(&mut local);
            Ok(())
        })?;
        Ok(Self { source, rows, file_rows })
    }

    /// # Errors
    /// [`Invalid`] at the first row whose key stands in an earlier row; the row is counted in its own file.
    fn check_unique(&self, problem: &str, column: &str, key: impl Fn(&T) -> Option<&str>) -> Result<()> {
        let keys: Vec<_> = self.rows.iter().map(&key).collect();
        let Some(found) = relate::first_duplicate(&keys)? else { return Ok(()) };
        let (mut file, mut row) = (0, found as u64);
        while file + 1 < self.source.files.len() && row >= self.file_rows[file] {
            row -= self.file_rows[file];
            file += 1;
        }
        Err(Invalid::new(problem)
            .file(&self.source.files[file])
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
