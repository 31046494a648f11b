//! Tables of a simulation: `checks`, `check_units`, the largest withdrawals and orders, and its summary.

use super::check::{Most, Unit};
use super::limits::{MaxOrder, MaxWithdrawal};
use super::operation::{OperationAccount, RequestText};
use super::{CheckCounts, Row};
use crate::Result;
use crate::cells::time::timestamp;
use crate::margin::{AccountMargin, UnitMargin};
use crate::publish::OutputFile;
use crate::rules::LoadedRules;
use crate::snapshot::Snapshot;
use crate::source::Format;
use crate::tables::columns::{Column, Kind, TableSpec, label, number, optional_numbers, optional_texts, text, texts};
use crate::tables::encode::{Encoded, Encoder, TableFile, create};
use arrow::array::RecordBatch;
use std::path::Path;

/// One row per operation, in byte order of account and `op_id`. Before and after are null where `verdict` is `invalid`.
pub const CHECKS: TableSpec = TableSpec {
    name: "checks",
    columns: &[
        text("op_id"),
        label("account_id"),
        text("group").nullable(),
        label("kind"),
        label("inst_id").nullable(),
        label("ccy").nullable(),
        label("side").nullable(),
        text("qty").nullable(),
        text("px").nullable(),
        label("verdict"),
        label("reason").nullable(),
        number("max_qty").nullable(),
        label("max_unit").nullable(),
        number("adj_eq_before").nullable(),
        number("mmr_before").nullable(),
        number("imr_before").nullable(),
        number("margin_ratio_before").nullable(),
        label("status_before").nullable(),
        number("adj_eq_after").nullable(),
        number("mmr_after").nullable(),
        number("imr_after").nullable(),
        number("margin_ratio_after").nullable(),
        label("status_after").nullable(),
        text("why").nullable(),
    ],
    sorted_by: None,
};

/// Each risk unit that an operation changes, before and after. No row where the unit does not exist.
pub const CHECK_UNITS: TableSpec = TableSpec {
    name: "check_units",
    columns: &[
        text("op_id"),
        label("account_id"),
        label("state"),
        label("risk_unit"),
        number("mr1"),
        number("mr2"),
        number("mr3"),
        number("mr4"),
        number("mr5"),
        number("mr6"),
        number("mr7"),
        number("mr9"),
        number("mmr"),
        number("imr"),
        number("cash_delta"),
        number("spot_in_use"),
    ],
    sorted_by: None,
};

/// The largest withdrawals, one row per account and currency.
pub const MAX_WITHDRAW: TableSpec = TableSpec {
    name: "max_withdraw",
    columns: &[text("account_id"), label("ccy"), number("eq"), number("max_wd"), number("max_wd_ex")],
    sorted_by: Some(0),
};

/// The largest orders, one row per account and instrument, instruments in request order. Null where margin sets no
/// limit.
pub const MAX_ORDER: TableSpec = TableSpec {
    name: "max_order",
    columns: &[
        text("account_id"),
        label("inst_id"),
        Column::new("px", Kind::Number),
        number("max_buy").nullable(),
        number("max_sell").nullable(),
    ],
    sorted_by: Some(0),
};

/// The columns with the request and the answer.
pub struct Fields<'a> {
    /// The caller's name for the operation.
    pub op_id: &'a str,
    /// The account as asked.
    pub account_id: &'a str,
    /// Empty if the operation has no group.
    pub group: &'a str,
    /// The request.
    pub words: RequestText,
    /// `pass`, `adjust`, `reject` or `invalid`.
    pub verdict: &'static str,
    /// Why there is no answer; empty otherwise.
    pub reason: &'static str,
    /// The largest amount and its unit.
    pub most: Option<(f64, &'a str)>,
}

impl<'a> Fields<'a> {
    /// The columns of a row.
    #[must_use]
    pub fn of(row: &'a Row<'a>, snapshot: &'a Snapshot) -> Self {
        let operation = row.operation;
        let words = match &operation.action {
            Ok(action) => action.words(&snapshot.market),
            Err((_, words)) => words.as_ref().clone(),
        };
        let most = row.answer.as_ref().ok().and_then(|(answer, leg)| answer.most.get(*leg).copied().flatten());
        let named = |most: Most| match most.unit {
            Unit::Contracts => (most.amount, "contracts"),
            Unit::Currency(ccy) => (most.amount, snapshot.market.currencies[ccy as usize].name.as_str()),
            Unit::Share => (most.amount, "share"),
        };
        Self {
            op_id: &operation.op_id,
            account_id: match &operation.account {
                OperationAccount::Account(account) => snapshot.book.accounts().get(*account as usize),
                OperationAccount::Unknown(id) => id,
            },
            group: operation.group.as_deref().unwrap_or_default(),
            words,
            verdict: row.answer.as_ref().map_or("invalid", |(answer, _)| answer.verdict.name()),
            reason: row.answer.as_ref().err().map_or("", |refusal| refusal.code()),
            most: most.map(named),
        }
    }
}

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
    let fields: Vec<Fields> = rows.iter().map(|row| Fields::of(row, snapshot)).collect();
    let filled = |text: for<'f> fn(&'f Fields<'_>) -> &'f str| {
        optional_texts(fields.iter().map(move |fields| Some(text(fields)).filter(|text| !text.is_empty())))
    };
    let margins = |after: bool| {
        rows.iter().map(move |row| {
            row.answer.as_ref().ok().map(|(answer, _)| if after { &answer.after } else { &answer.before })
        })
    };
    let figure = |after: bool, figure: fn(&AccountMargin) -> Option<f64>| {
        optional_numbers(margins(after).map(move |margin| margin.and_then(figure)))
    };
    let status = |after: bool| optional_texts(margins(after).map(|margin| margin.map(|margin| margin.status.name())));
    CHECKS.batch(vec![
        texts(fields.iter().map(|fields| fields.op_id))?,
        texts(fields.iter().map(|fields| fields.account_id))?,
        filled(|fields| fields.group)?,
        texts(fields.iter().map(|fields| fields.words.kind.as_str()))?,
        filled(|fields| &fields.words.inst_id)?,
        filled(|fields| &fields.words.ccy)?,
        filled(|fields| &fields.words.side)?,
        filled(|fields| &fields.words.qty)?,
        filled(|fields| &fields.words.px)?,
        texts(fields.iter().map(|fields| fields.verdict))?,
        filled(|fields| fields.reason)?,
        optional_numbers(fields.iter().map(|fields| fields.most.map(|(amount, _)| amount))),
        optional_texts(fields.iter().map(|fields| fields.most.map(|(_, unit)| unit)))?,
        figure(false, |margin| Some(margin.adj_eq)),
        figure(false, |margin| Some(margin.mmr)),
        figure(false, |margin| Some(margin.imr)),
        figure(false, |margin| margin.margin_ratio),
        status(false)?,
        figure(true, |margin| Some(margin.adj_eq)),
        figure(true, |margin| Some(margin.mmr)),
        figure(true, |margin| Some(margin.imr)),
        figure(true, |margin| margin.margin_ratio),
        status(true)?,
        optional_texts(rows.iter().map(|row| Some(row.why.as_str()).filter(|why| !why.is_empty())))?,
    ])
}

/// A unit before or after an operation.
struct UnitRow<'a> {
    op_id: &'a str,
    account_id: &'a str,
    state: &'static str,
    risk_unit: &'a str,
    margin: UnitMargin,
}

fn units_batch(rows: &[Row<'_>], snapshot: &Snapshot, unit_names: &[String]) -> Result<RecordBatch> {
    let mut units: Vec<UnitRow> = Vec::new();
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
                units.push(UnitRow { op_id: &row.operation.op_id, account_id, state, risk_unit, margin });
            }
        }
    }
    let figure =
        |figure: fn(&UnitMargin) -> f64| crate::tables::columns::numbers(units.iter().map(|row| figure(&row.margin)));
    CHECK_UNITS.batch(vec![
        texts(units.iter().map(|row| row.op_id))?,
        texts(units.iter().map(|row| row.account_id))?,
        texts(units.iter().map(|row| row.state))?,
        texts(units.iter().map(|row| row.risk_unit))?,
        figure(|unit| unit.mr1),
        figure(|unit| unit.mr2),
        figure(|unit| unit.mr3),
        figure(|unit| unit.mr4),
        figure(|unit| unit.mr5),
        figure(|unit| unit.mr6),
        figure(|unit| unit.mr7),
        figure(|unit| unit.mr9),
        figure(|unit| unit.mmr),
        figure(|unit| unit.imr),
        figure(|unit| unit.cash_delta),
        figure(|unit| unit.spot_in_use),
    ])
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
        let figure =
            |figure: fn(&MaxWithdrawal) -> f64| crate::tables::columns::numbers(rows.iter().map(|row| figure(&row.2)));
        let currency = |ccy: u32| snapshot.market.currencies[ccy as usize].name.as_str();
        let batch = MAX_WITHDRAW.batch(vec![
            texts(rows.iter().map(|row| snapshot.book.accounts().get(row.0)))?,
            texts(rows.iter().map(|row| currency(row.2.ccy)))?,
            figure(|limit| limit.eq),
            figure(|limit| limit.max_wd),
            figure(|limit| limit.max_wd_ex),
        ])?;
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
        let batch = MAX_ORDER.batch(vec![
            texts(rows.iter().map(|row| snapshot.book.accounts().get(row.0)))?,
            texts(rows.iter().map(|row| self.names[row.1].as_str()))?,
            crate::tables::columns::numbers(rows.iter().map(|row| row.2.px)),
            optional_numbers(rows.iter().map(|row| row.2.max_buy)),
            optional_numbers(rows.iter().map(|row| row.2.max_sell)),
        ])?;
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
