//! Tables of a simulation: `checks`, `check_units`, the largest withdrawals and orders, and its summary.

use super::columns::{self, CHECK_UNITS, CHECKS, Check, CheckUnit, MAX_ORDER, MAX_WITHDRAW, OrderRow, WithdrawalRow};
use super::fields::Fields;
use super::limits::{MaxOrder, MaxWithdrawal};
use super::operation::OperationAccount;
use super::{CheckCounts, Row};
use crate::Result;
use crate::cells::time::timestamp;
use crate::publish::OutputFile;
use crate::rules::LoadedRules;
use crate::snapshot::Snapshot;
use crate::source::Format;
use crate::tables::encode::{Encoded, Encoder, TableFile, create};
use crate::tables::filled;
use arrow_array::RecordBatch;
use std::path::Path;

/// The two tables of checks, being written.
pub struct CheckTables([TableFile; 2]);

/// Encodes rows; can be shared between threads.
pub struct CheckEncoders([Encoder; 2]);

/// Encoded rows, ready to be appended.
pub struct CheckPart([Encoded; 2]);

impl CheckTables {
    /// Starts the files.
    ///
    /// # Errors
    /// Those of [`create`].
    pub fn create(folder: &Path, format: Format) -> Result<(CheckEncoders, Self)> {
        let (checks, checks_file) = create(folder, &CHECKS, format)?;
        let (units, units_file) = create(folder, &CHECK_UNITS, format)?;
        Ok((CheckEncoders([checks, units]), Self([checks_file, units_file])))
    }

    /// Appends rows.
    ///
    /// # Errors
    /// Those of [`TableFile::append`].
    pub fn append(&mut self, part: CheckPart) -> Result<()> {
        self.0.iter_mut().zip(part.0).try_for_each(|(file, rows)| file.append(rows))
    }

    /// Completes the files.
    ///
    /// # Errors
    /// Those of [`TableFile::finish`].
    pub fn finish(self) -> Result<Vec<OutputFile>> {
        self.0.into_iter().map(TableFile::finish).collect()
    }
}

impl CheckEncoders {
    /// Encodes rows.
    ///
    /// # Errors
    /// Those of [`Encoder::encode`].
    pub fn encode(&self, rows: &[Row<'_>], snapshot: &Snapshot, unit_names: &[String]) -> Result<CheckPart> {
        let Self([checks, units]) = self;
        Ok(CheckPart([
            checks.encode(&checks_batch(rows, snapshot)?)?,
            units.encode(&units_batch(rows, snapshot, unit_names)?)?,
        ]))
    }
}

fn checks_batch(rows: &[Row<'_>], snapshot: &Snapshot) -> Result<RecordBatch> {
    let rows: Vec<Check> = rows.iter().map(|row| Check::new(row, Fields::of(row, snapshot))).collect();
    filled::batch(&CHECKS, &columns::checks(), &rows)
}

fn units_batch(rows: &[Row<'_>], snapshot: &Snapshot, unit_names: &[String]) -> Result<RecordBatch> {
    let mut units: Vec<CheckUnit> = Vec::new();
    for row in rows {
        let Ok((answer, _)) = &row.answer else { continue };
        let account_id = match &row.operation.account {
            OperationAccount::Account(account) => snapshot.book.accounts().get(*account as usize),
            OperationAccount::Unknown(id) => id,
        };
        for (before, after) in &answer.units {
            for (state, margin) in [("before", before), ("after", after)] {
                let Some(margin) = *margin else { continue };
                let risk_unit = unit_names.get(margin.unit as usize).map_or("", String::as_str);
                units.push(CheckUnit { op_id: &row.operation.op_id, account_id, state, risk_unit, margin });
            }
        }
    }
    filled::batch(&CHECK_UNITS, &columns::check_units(), &units)
}

/// A limit of an account: account, index among the limits of the account, limit.
pub type Limit<T> = (usize, usize, T);

/// A table of limits, being written.
pub trait LimitTable<T> {
    /// Appends rows.
    ///
    /// # Errors
    /// Those of [`TableFile::append`].
    fn append(&mut self, snapshot: &Snapshot, rows: &[Limit<T>]) -> Result<()>;

    /// Completes the file.
    ///
    /// # Errors
    /// Those of [`TableFile::finish`].
    fn finish(self) -> Result<OutputFile>;
}

/// `max_withdraw`.
pub struct Withdrawals(Encoder, TableFile);

impl Withdrawals {
    /// Starts the file.
    ///
    /// # Errors
    /// Those of [`create`].
    pub fn create(folder: &Path, format: Format) -> Result<Self> {
        create(folder, &MAX_WITHDRAW, format).map(|(encoder, file)| Self(encoder, file))
    }
}

impl LimitTable<MaxWithdrawal> for Withdrawals {
    fn append(&mut self, snapshot: &Snapshot, rows: &[Limit<MaxWithdrawal>]) -> Result<()> {
        let row = |limit: &Limit<MaxWithdrawal>| WithdrawalRow {
            account_id: snapshot.book.accounts().get(limit.0),
            ccy: snapshot.market.currencies[limit.2.ccy as usize].name.as_str(),
            eq: limit.2.eq,
            max_wd: limit.2.max_wd,
            max_wd_ex: limit.2.max_wd_ex,
        };
        let rows: Vec<WithdrawalRow> = rows.iter().map(row).collect();
        let batch = filled::batch(&MAX_WITHDRAW, &columns::max_withdraw(), &rows)?;
        self.1.append(self.0.encode(&batch)?)
    }

    fn finish(self) -> Result<OutputFile> {
        self.1.finish()
    }
}

/// `max_order`.
pub struct Orders<'a> {
    encoder: Encoder,
    file: TableFile,
    names: &'a [String],
}

impl<'a> Orders<'a> {
    /// Starts the file. `names` are the requested instruments.
    ///
    /// # Errors
    /// Those of [`create`].
    pub fn create(folder: &Path, format: Format, names: &'a [String]) -> Result<Self> {
        create(folder, &MAX_ORDER, format).map(|(encoder, file)| Self { encoder, file, names })
    }
}

impl LimitTable<MaxOrder> for Orders<'_> {
    fn append(&mut self, snapshot: &Snapshot, rows: &[Limit<MaxOrder>]) -> Result<()> {
        let row = |limit: &Limit<MaxOrder>| OrderRow {
            account_id: snapshot.book.accounts().get(limit.0),
            inst_id: self.names[limit.1].as_str(),
            px: limit.2.px,
            max_buy: limit.2.max_buy,
            max_sell: limit.2.max_sell,
        };
        let rows: Vec<OrderRow> = rows.iter().map(row).collect();
        let batch = filled::batch(&MAX_ORDER, &columns::max_order(), &rows)?;
        self.file.append(self.encoder.encode(&batch)?)
    }

    fn finish(self) -> Result<OutputFile> {
        self.file.finish()
    }
}

/// `summary.json` of a simulation.
///
/// # Errors
/// [`crate::Error::Runtime`] if it cannot be serialised.
pub fn summary(snapshot: &Snapshot, rules: &LoadedRules, counts: &CheckCounts) -> Result<Vec<u8>> {
    let tables = snapshot.tables.iter().map(|table| {
        serde_json::json!({
            "table": table.table.name(), "rows_in": table.rows_in, "rows_used": table.rows_used,
            "rows_rejected": table.rows_rejected,
        })
    });
    let summary = serde_json::json!({
        "as_of": timestamp(snapshot.as_of_ns)?,
        "rules": { "name": rules.rules.name, "hash": rules.hash },
        "accounts": snapshot.book.len(),
        "unmargined": snapshot.unmargined.len(),
        "tables": tables.collect::<Vec<_>>(),
        "checks": counts,
    });
    crate::publish::json::json("summary.json", &summary)
}
