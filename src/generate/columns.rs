//! Columns of the generated tables.

use super::account::Account;
use super::prices::Prices;
use super::world::World;
use crate::{Error, Result};
use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;

fn schema(columns: &[(&str, DataType, bool)]) -> SchemaRef {
    let fields: Vec<Field> =
        columns.iter().map(|(name, kind, nullable)| Field::new(*name, kind.clone(), *nullable)).collect();
    Arc::new(Schema::new(fields))
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema.clone(), columns).map_err(|err| Error::Runtime(format!("cannot build a table: {err}")))
}

fn text<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn numbers(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

/// The tables whose size does not depend on the book: `instruments`, `marks`, `indices`.
pub(super) fn market_tables(prices: &Prices) -> Result<Vec<(&'static str, RecordBatch)>> {
    let quoted = || prices.quoted.iter();
    let specs = || quoted().map(|quoted| &quoted.spec);
    let instruments = schema(&[
        ("inst_id", DataType::Utf8, false),
        ("inst_type", DataType::Utf8, false),
        ("uly", DataType::Utf8, false),
        ("settle_ccy", DataType::Utf8, false),
        ("ct_type", DataType::Utf8, false),
        ("ct_val", DataType::Float64, false),
        ("ct_mult", DataType::Float64, false),
        ("expiry", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), true),
        ("strike", DataType::Float64, true),
        ("opt_type", DataType::Utf8, true),
        ("lot_sz", DataType::Float64, true),
    ]);
    let expiry: TimestampMillisecondArray = specs().map(|spec| spec.expiry.map(|(_, ns)| ns / 1_000_000)).collect();
    let instruments = batch(
        &instruments,
        vec![
            text(specs().map(|spec| Some(spec.inst_id))),
            text(specs().map(|spec| Some(spec.inst_type))),
            text(specs().map(|spec| Some(spec.uly))),
            text(specs().map(|spec| Some(spec.settle_ccy))),
            text(specs().map(|spec| Some(spec.ct_type))),
            numbers(specs().map(|spec| Some(spec.ct_val))),
            numbers(specs().map(|spec| Some(spec.ct_mult))),
            Arc::new(expiry.with_timezone("UTC")),
            numbers(specs().map(|spec| spec.option.map(|(strike, _)| strike))),
            text(specs().map(|spec| spec.option.map(|(_, call)| if call { "C" } else { "P" }))),
            numbers(specs().map(|spec| Some(spec.lot))),
        ],
    )?;
    let marks = schema(&[
        ("inst_id", DataType::Utf8, false),
        ("mark_px", DataType::Float64, false),
        ("mark_vol", DataType::Float64, true),
        ("fwd_px", DataType::Float64, true),
    ]);
    let marks = batch(
        &marks,
        vec![
            text(specs().map(|spec| Some(spec.inst_id))),
            numbers(quoted().map(|quoted| Some(quoted.mark))),
            numbers(quoted().map(|quoted| quoted.smile.map(|smile| smile.0))),
            numbers(quoted().map(|quoted| quoted.smile.map(|smile| smile.1))),
        ],
    )?;
    let indices = schema(&[("index_id", DataType::Utf8, false), ("px", DataType::Float64, false)]);
    let indices = batch(
        &indices,
        vec![
            text(prices.indices.keys().map(|id| Some(id.as_str()))),
            numbers(prices.indices.values().map(|px| Some(*px))),
        ],
    )?;
    Ok(vec![("instruments", instruments), ("marks", marks), ("indices", indices)])
}

/// Names, schemas and columns without dictionary of the tables that grow with the book.
pub(super) fn book_schemas() -> [(&'static str, SchemaRef, &'static [&'static str]); 3] {
    [
        (
            "accounts",
            schema(&[("account_id", DataType::Utf8, false), ("spot_offset", DataType::Utf8, true)]),
            &["account_id"],
        ),
        (
            "balances",
            schema(&[
                ("account_id", DataType::Utf8, false),
                ("ccy", DataType::Utf8, false),
                ("cash", DataType::Float64, false),
                ("interest", DataType::Float64, true),
                ("spot_in_use_cap", DataType::Float64, true),
            ]),
            &["cash", "interest", "spot_in_use_cap"],
        ),
        (
            "positions",
            schema(&[
                ("account_id", DataType::Utf8, false),
                ("inst_id", DataType::Utf8, false),
                ("qty", DataType::Float64, false),
                ("avg_px", DataType::Float64, false),
            ]),
            &["avg_px"],
        ),
    ]
}

/// A chunk of accounts as columns.
#[derive(Default)]
pub(super) struct BookColumns {
    id: StringBuilder,
    spot_offset: StringBuilder,
    balance: (StringBuilder, StringBuilder, Float64Builder, Float64Builder, Float64Builder),
    position: (StringBuilder, StringBuilder, Float64Builder, Float64Builder),
}

impl BookColumns {
    pub(super) fn push(&mut self, world: &World, id: &str, account: &Account) {
        self.id.append_value(id);
        self.spot_offset.append_option(account.spot_offset.map(crate::margin::rules::SpotOffset::name));
        for balance in &account.balances {
            let (account_id, ccy, cash, interest, cap) = &mut self.balance;
            account_id.append_value(id);
            ccy.append_value(world.ccys[balance.ccy].name);
            cash.append_value(balance.cash);
            interest.append_option(balance.interest);
            cap.append_option(balance.cap);
        }
        for row in &account.rows {
            let (account_id, inst_id, qty, avg_px) = &mut self.position;
            account_id.append_value(id);
            inst_id.append_value(world.prices.quoted[row.instrument].spec.inst_id);
            qty.append_value(row.qty);
            avg_px.append_value(row.avg_px);
        }
    }

    /// One batch per table, in the order of [`book_schemas`].
    pub(super) fn finish(mut self) -> Result<[RecordBatch; 3]> {
        let [accounts, balances, positions] = book_schemas().map(|(_, schema, _)| schema);
        let (balance, position) = (&mut self.balance, &mut self.position);
        Ok([
            batch(&accounts, vec![Arc::new(self.id.finish()), Arc::new(self.spot_offset.finish())])?,
            batch(
                &balances,
                vec![
                    Arc::new(balance.0.finish()),
                    Arc::new(balance.1.finish()),
                    Arc::new(balance.2.finish()),
                    Arc::new(balance.3.finish()),
                    Arc::new(balance.4.finish()),
                ],
            )?,
            batch(
                &positions,
                vec![
                    Arc::new(position.0.finish()),
                    Arc::new(position.1.finish()),
                    Arc::new(position.2.finish()),
                    Arc::new(position.3.finish()),
                ],
            )?,
        ])
    }
}
