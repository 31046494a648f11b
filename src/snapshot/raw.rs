//! The rows of the tables of accounts as they are stored, unchecked, for what moves rows about.

use super::tables::check_attributes;
use super::{Survey, Table};
use crate::book::Grouping;
use crate::cells::arrays;
use crate::cells::text::{Text, is_whole};
use crate::formats::batch::Batch;
use crate::formats::scan::{Opened, scan};
use crate::formats::{Column, Kind};
use crate::progress::Progress;
use crate::source::{self, Input, Source};
use crate::{Error, Invalid, Result};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::path::Path;
use std::sync::Arc;

/// A snapshot whose tables were found and not read.
pub(crate) struct RawSnapshot {
    survey: Survey,
    /// The attributes of these are columns of `accounts` that are read too.
    groups: Vec<Grouping>,
    /// The table `shocks`, if there is one.
    shocks: Option<Source>,
}

/// Consecutive rows of a table.
pub(crate) struct RawRows {
    ids: Text,
    /// The columns that are read of the table, text without dictionaries, and [`ROW`].
    pub batch: RecordBatch,
}

pub(crate) use super::schema::ROW;

/// The tables whose rows are of accounts.
pub(crate) const OF_ACCOUNTS: [Table; 4] = [Table::Positions, Table::Balances, Table::Accounts, Table::Orders];

impl RawSnapshot {
    /// # Errors
    /// Those of [`super::load`] that concern `snapshot.toml` and which tables there are; [`Error::Usage`] and
    /// [`Error::Invalid`] if accounts cannot be grouped so.
    pub fn open(dir: &Path, groups: &[Grouping]) -> Result<Self> {
        check_attributes(groups)?;
        let survey = Survey::new(dir)?;
        if let (Some(grouping), None) = (groups.first(), survey.source(Table::Accounts)) {
            return Err(survey.no_attributes(grouping).into());
        }
        let shocks = source::find(dir, "shocks")?.map(|shocks| shocks.open()).transpose()?;
        Ok(Self { survey, groups: groups.to_vec(), shocks })
    }

    /// Valuation time in nanoseconds since 1970 UTC.
    pub fn as_of_ns(&self) -> i64 {
        self.survey.as_of_ns
    }

    /// The files of a table, in the order of its rows.
    pub fn files(&self, table: Table) -> Option<&[Input]> {
        self.survey.source(table).map(|source| source.files.as_slice())
    }

    /// Rows of a table, about: where its files do not tell, an estimate from their size.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a file cannot be opened.
    pub fn rows(&self, table: Table) -> Result<u64> {
        self.survey.source(table).map_or(Ok(0), |source| super::rows_about(table, source))
    }

    /// Rows of a table that a scan has in memory at once, at most.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a file cannot be opened.
    pub fn rows_at_once(&self, table: Table) -> Result<u64> {
        let rows = |source| Ok(Opened::new(source, &table.columns_by(&self.groups))?.rows_at_once());
        self.survey.source(table).map_or(Ok(0), rows)
    }

    /// `snapshot.toml`, the rules that it names, and the files of the market and of the scenarios.
    pub fn market_files(&self) -> Vec<Input> {
        let market = [Table::Instruments, Table::Marks, Table::Indices, Table::SpotPairs]
            .into_iter()
            .filter_map(|table| self.files(table));
        let shocks = self.shocks.iter().map(|shocks| shocks.files.as_slice());
        let rules = self.survey.rules();
        self.survey.files().iter().take(1).chain(rules).chain(market.chain(shocks).flatten()).cloned().collect()
    }

    /// What came of reading, once nothing more is read: it counts only if no file changed since it was opened.
    ///
    /// # Errors
    /// [`Error::Invalid`] if one did, else the error of `outcome`.
    pub fn settle<T>(&self, outcome: Result<T>, progress: &dyn Progress) -> Result<T> {
        let outcome = self.shocks.iter().fold(outcome, |outcome, shocks| shocks.settle(outcome));
        self.survey.settle(outcome, progress)
    }

    /// The columns of [`RawRows`] of a table without a row.
    pub fn schema_of(&self, table: Table) -> SchemaRef {
        let field = |column: &Column| {
            let number = column.kind == Kind::Number;
            Field::new(column.name, if number { DataType::Float64 } else { DataType::Utf8 }, true)
        };
        let mut fields: Vec<Field> = table.columns_by(&self.groups).iter().map(field).collect();
        fields.push(Field::new(ROW, DataType::Int64, false));
        Arc::new(Schema::new(fields))
    }

    /// Folds the rows of a table, which is there: `fold` gathers batches into a local, on many threads, `merge` takes
    /// the locals in the order of their rows.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the table is broken.
    pub fn scan<T: Default + Send + 'static>(
        &self,
        table: Table,
        progress: &dyn Progress,
        fold: impl Fn(&mut T, &RawRows) -> Result<()> + Sync,
        merge: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let source = self
            .survey
            .source(table)
            .ok_or_else(|| Error::Runtime(format!("table `{}` was not found", table.name())))?;
        let opened = Opened::new(source, &table.columns_by(&self.groups))?;
        progress.stage(table.name(), "rows", opened.rows().unwrap_or(0));
        scan(opened, progress, |local, batch| fold(local, &RawRows::of(batch)?), merge).map(drop)
    }
}

impl RawRows {
    fn of(batch: &Batch) -> Result<Self> {
        let failed = |problem: String| Error::from(Invalid::new(problem).file(&batch.file));
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        let all = || Table::ALL.iter().flat_map(|table| table.columns());
        let is_id = |name: &str| all().any(|column| column.kind == Kind::Id && column.name == name);
        for (name, array) in &batch.columns {
            let array = if is_whole(array.data_type()) && is_id(name) {
                Arc::new(arrays::strings(array).map_err(&failed)?)
            } else {
                arrays::plain(array).map_err(&failed)?
            };
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(array);
        }
        fields.push(Field::new(ROW, DataType::Int64, false));
        let rows = (batch.first_row..).take(batch.rows).map(|row| i64::try_from(row).unwrap_or(i64::MAX));
        arrays.push(Arc::new(Int64Array::from_iter_values(rows)));
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
        Ok(Self { ids: batch.text("account_id")?, batch: rows.map_err(|error| failed(error.to_string()))? })
    }

    /// The account of a row, as text; `None` if it is missing.
    pub fn account_id(&self, row: usize) -> Option<&str> {
        self.ids.get(row)
    }
}
