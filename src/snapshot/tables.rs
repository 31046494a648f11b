//! The tables of a snapshot once they are opened, and those that make the market, read whole.

// Indices are made in this module and in range; a checked lookup would hide a bug and slow down the hot loop.
#![allow(clippy::indexing_slicing)]

use super::market::contracts::{self, ContractRow, Fault, base_quote};
use super::market::prices::{self, Indices};
use super::market::spot_pairs::{self, PairRow};
use super::market::{self};
use super::reject::{Reason, Reject, TableCount};
use super::warning::{Warning, first_few};
use super::{Expectations, LoadOptions, Table, relate};
use crate::book::Grouping;
use crate::cells::text::cut;
use crate::formats::batch::Batch;
use crate::formats::memory::{Rows, Slices};
use crate::formats::scan::{Opened, scan};
use crate::source::Source;
use crate::{Error, Invalid, Result};
use std::path::PathBuf;

/// The tables that make the market, whole.
pub(super) struct MarketTables {
    instruments: SmallTable<ContractRow>,
    marks: SmallTable<prices::MarkRow>,
    indices: SmallTable<prices::IndexRow>,
    /// The sizes of orders on spot pairs, if they are known.
    spot_pairs: Option<SmallTable<PairRow>>,
    /// Indices that contradict others.
    implausible: Vec<String>,
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
        let mut indices = SmallTable::read(pending.take(Table::Indices)?, options, |rows: &mut _, batch: &_| {
            prices::read_indices(rows, batch, clock)
        })?;
        indices.check_unique("duplicate index", "index_id", |row| row.index_id.as_deref())?;
        let spot_pairs = match pending.take_optional(Table::SpotPairs) {
            Some(opened) => Some(SmallTable::read(opened, options, spot_pairs::read)?),
            None => None,
        };
        if let Some(pairs) = &spot_pairs {
            pairs.check_unique("duplicate spot pair", "inst_id", |row| row.inst_id.as_deref())?;
        }
        let share = options.expectations.mark_check.share();
        let implausible = share.map_or_else(Vec::new, |share| prices::refuse_contradictions(&mut indices.rows, share));
        Ok(Self { instruments, marks, indices, spot_pairs, implausible })
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
        market::build(as_of_ns, expectations, tables, currencies).map_err(|error| match error {
            Error::Invalid(mut fault) if fault.file.is_none() => {
                fault.file = self.marks.files.first().cloned();
                Error::Invalid(fault)
            }
            other => other,
        })
    }

    /// The sizes of orders on the spot pairs of a market.
    pub fn spot_pairs(&self, market: &crate::market::Market) -> Vec<crate::market::SpotPair> {
        self.spot_pairs.as_ref().map_or_else(Vec::new, |pairs| spot_pairs::of_market(&pairs.rows, market))
    }

    /// The spot pairs whose rows are broken: no order on them can be checked.
    pub fn broken_pairs(&self) -> impl Iterator<Item = &str> {
        let rows = self.spot_pairs.iter().flat_map(|pairs| &pairs.rows);
        rows.filter(|row| row.sizes.is_err()).filter_map(|row| row.inst_id.as_deref())
    }

    /// What is odd about them.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if !self.implausible.is_empty() {
            let names = first_few(self.implausible.iter().map(String::as_str));
            let text = format!("index prices that contradict others, and are taken for missing: {names}");
            warnings.push(Warning::new(Warning::IMPLAUSIBLE_PRICES, self.implausible.len() as u64, text));
        }
        let naive = self.instruments.rows.iter().filter(|row| row.is_naive).count()
            + self.marks.rows.iter().filter(|row| row.is_naive).count()
            + self.indices.rows.iter().filter(|row| row.is_naive).count();
        if naive > 0 {
            let text = format!("times without a time zone, taken as UTC: {naive}");
            warnings.push(Warning::new(Warning::NAIVE_TIMES, naive as u64, text));
        }
        let is_old = |name: &Option<String>, is_old: bool| name.clone().filter(|_| is_old);
        let marks = self.marks.rows.iter().filter_map(|row| is_old(&row.inst_id, row.is_old));
        let old: Vec<String> =
            marks.chain(self.indices.rows.iter().filter_map(|row| is_old(&row.index_id, row.is_old))).collect();
        if !old.is_empty() {
            let names = first_few(old.iter().map(String::as_str));
            let text = format!("prices from more than a day before or after `as_of`, by their `ts`: {names}");
            warnings.push(Warning::new(Warning::OLD_PRICES, old.len() as u64, text));
        }
        warnings
    }

    /// Rows of each file, in the order of the tables.
    pub fn file_rows(&self) -> Vec<u64> {
        let of_pairs = self.spot_pairs.iter().map(|pairs| &pairs.file_rows);
        let tables = [&self.instruments.file_rows, &self.marks.file_rows, &self.indices.file_rows];
        tables.into_iter().chain(of_pairs).flatten().copied().collect()
    }

    /// The broken rows, and what became of the rows of each table.
    pub fn rejects(&self) -> (Vec<Reject>, Vec<TableCount>) {
        let Self { instruments, marks, indices, spot_pairs, implausible: _ } = self;
        let mut rejects = Vec::new();
        let mut counts = vec![
            instruments.set_aside(Table::Instruments, broken_contract, &mut rejects),
            marks.set_aside(
                Table::Marks,
                |row| row.inst_id.is_none().then(|| (Reason::MissingInstId, "inst_id", String::new())),
                &mut rejects,
            ),
            indices.set_aside(
                Table::Indices,
                |row| {
                    let name = row.index_id.as_deref().unwrap_or_default();
                    base_quote(name).is_none().then(|| (Reason::InvalidIndexId, "index_id", cut(name)))
                },
                &mut rejects,
            ),
        ];
        counts.extend(spot_pairs.iter().map(|pairs| pairs.set_aside(Table::SpotPairs, broken_pair, &mut rejects)));
        (rejects, counts)
    }
}

fn broken_contract(row: &ContractRow) -> Option<(Reason, &'static str, String)> {
    match (&row.inst_id, &row.contract) {
        (None, _) => Some((Reason::MissingInstId, "inst_id", String::new())),
        (_, Err(Fault { column, value })) => Some((Reason::InvalidInstrument, column, value.clone())),
        (_, Ok(_)) => None,
    }
}

fn broken_pair(row: &PairRow) -> Option<(Reason, &'static str, String)> {
    match (&row.inst_id, &row.sizes) {
        (None, _) => Some((Reason::MissingInstId, "inst_id", String::new())),
        (_, Err(Fault { column, value })) => Some((Reason::InvalidInstrument, column, value.clone())),
        (_, Ok(_)) => None,
    }
}

/// Tables whose columns have been checked and whose rows have not been touched yet.
pub(super) struct Pending(Vec<(Table, Vec<PathBuf>, Opened)>);

impl Pending {
    /// Opens all tables, so that a broken one is found before any is read; accounts are put together by `groups`.
    pub fn open(sources: &[(Table, Source)], groups: &[Grouping], options: &LoadOptions) -> Result<Self> {
        let mut tables = Vec::new();
        check_attributes(groups)?;
        for (table, source) in sources {
            tables.push((*table, source.paths(), Opened::new(source, &table.columns_by(groups))?));
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

    /// The columns that nothing reads.
    ///
    /// # Errors
    /// [`Invalid`] for one that is nearly called like one that is read, unless such are allowed.
    pub fn unused(&self, allowed: bool, groups: &[Grouping]) -> Result<Vec<(Table, String)>> {
        let mut unused: Vec<(Table, String)> = Vec::new();
        for (table, _, opened) in &self.0 {
            for (file, names) in opened.names() {
                let of_model = |name: &String| table.columns().iter().any(|column| column.name == name);
                let is_left =
                    |name: &&String| *table != Table::Accounts || of_model(name) || !is_attribute(groups, name);
                let names: Vec<String> = names.iter().filter(is_left).cloned().collect();
                for name in super::unused::columns(*table, file, &names, allowed)? {
                    if !unused.iter().any(|known| (known.0, &known.1) == (*table, &name)) {
                        unused.push((*table, name));
                    }
                }
            }
        }
        Ok(unused)
    }

    pub fn take(&mut self, table: Table) -> Result<(Vec<PathBuf>, Opened)> {
        let missing = || Error::Runtime(format!("table `{}` was not opened", table.name()));
        self.take_optional(table).ok_or_else(missing)
    }

    fn take_optional(&mut self, table: Table) -> Option<(Vec<PathBuf>, Opened)> {
        let found = self.0.iter().position(|(found, _, _)| *found == table)?;
        let (_, files, opened) = self.0.swap_remove(found);
        Some((files, opened))
    }
}

/// Refuses to group by a column that the model reads and that is no label.
///
/// # Errors
/// [`Error::Usage`] naming it.
pub(super) fn check_attributes(groups: &[Grouping]) -> Result<()> {
    let of_model = Table::Accounts.columns().iter().filter(|column| !column.is_text() || !column.required);
    match of_model.into_iter().find(|column| is_attribute(groups, column.name)) {
        None => Ok(()),
        Some(column) => {
            Err(Error::Usage(format!("accounts cannot be grouped by `{}`, which is no attribute", column.name)))
        }
    }
}

/// True if accounts are grouped by the column, which is then read.
fn is_attribute(groups: &[Grouping], column: &str) -> bool {
    groups.iter().flat_map(Grouping::attributes).any(|name| name == column)
}

/// A table of the market, whole.
struct SmallTable<T> {
    files: Vec<PathBuf>,
    rows: Vec<T>,
    file_rows: Vec<u64>,
}

impl<T: Send + 'static> SmallTable<T> {
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

    /// Appends the rows that `fault` finds broken to `rejects`, and counts them.
    fn set_aside(
        &self,
        table: Table,
        fault: impl Fn(&T) -> Option<(Reason, &'static str, String)>,
        rejects: &mut Vec<Reject>,
    ) -> TableCount {
        let before = rejects.len();
        let faults = self.rows.iter().zip(1..).filter_map(|(row, number)| Some((number, fault(row)?)));
        rejects.extend(faults.map(|(row, (reason, column, value))| Reject {
            table,
            row,
            account_id: None,
            reason,
            column,
            value,
        }));
        let (rows_in, rows_broken) = (self.rows.len() as u64, (rejects.len() - before) as u64);
        let rows_used = rows_in - rows_broken;
        TableCount { table, rows_in, rows_used, rows_rejected: rows_broken, rows_broken, rows_left_out: 0 }
    }
}
