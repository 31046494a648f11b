//! The tables of the snapshot. Every figure is the text of the response; the loader converts it once.

use super::accounts::Accounts;
use super::market::{PairSizes, PublicData};
use super::vol::MarkRow;
use crate::source::Format;
use crate::write::tables::TableFile;
use crate::{Error, Result};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// An index price.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct IndexRow {
    pub px: String,
    pub source: &'static str,
    /// When it was published; `None` if its answer has no time.
    pub ts_ms: Option<i64>,
}

/// A table of text.
pub(super) struct TextTable {
    pub name: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Vec<Option<String>>>,
}

impl TextTable {
    pub fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    pub fn write(&self, dir: &Path, format: Format) -> Result<()> {
        let fields: Vec<Field> = self.columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let column = |place: usize| -> ArrayRef {
            Arc::new(self.rows.iter().map(|row| row.get(place).and_then(Option::as_deref)).collect::<StringArray>())
        };
        let columns = (0..self.columns.len()).map(column).collect();
        let batch = RecordBatch::try_new(schema.clone(), columns)
            .map_err(|err| Error::Runtime(format!("cannot build table `{}`: {err}", self.name)))?;
        let mut file = TableFile::create(dir, self.name, format, &schema, &[])?;
        file.write(&batch)?;
        file.finish().map(drop)
    }
}

/// All tables, in the order of the snapshot; `spot_pairs` and `orders` only if there are any.
pub(super) fn tables(
    public: &PublicData,
    marks: &BTreeMap<String, MarkRow>,
    indices: &BTreeMap<String, IndexRow>,
    accounts: &Accounts,
) -> Vec<TextTable> {
    let mut tables = vec![
        instruments(public),
        marks_table(marks),
        TextTable {
            name: "indices",
            columns: &["index_id", "px", "px_source", "ts"],
            rows: indices
                .iter()
                .map(|(id, row)| {
                    let source = Some(row.source.to_owned());
                    vec![Some(id.clone()), Some(row.px.clone()), source, row.ts_ms.map(time)]
                })
                .collect(),
        },
    ];
    tables.extend(spot_pairs(public));
    tables.extend(account_tables(accounts));
    tables
}

fn spot_pairs(public: &PublicData) -> Option<TextTable> {
    let row = |(id, sizes): (&String, &PairSizes)| vec![Some(id.clone()), sizes.lot_sz.clone(), sizes.min_sz.clone()];
    let rows: Vec<_> = public.spot_pairs.iter().map(row).collect();
    (!rows.is_empty()).then_some(TextTable { name: "spot_pairs", columns: &["inst_id", "lot_sz", "min_sz"], rows })
}

fn instruments(public: &PublicData) -> TextTable {
    let rows = public.instruments.iter().map(|(id, spec)| {
        vec![
            Some(id.clone()),
            Some(spec.inst_type.clone()),
            spec.uly.clone(),
            spec.settle_ccy.clone(),
            spec.ct_type.clone(),
            spec.ct_val.clone(),
            spec.ct_mult.clone(),
            spec.expiry_ms.as_deref().map(instant),
            spec.strike.clone(),
            spec.opt_type.clone(),
            spec.lot_sz.clone(),
        ]
    });
    TextTable {
        name: "instruments",
        columns: &[
            "inst_id",
            "inst_type",
            "uly",
            "settle_ccy",
            "ct_type",
            "ct_val",
            "ct_mult",
            "expiry",
            "strike",
            "opt_type",
            "lot_sz",
        ],
        rows: rows.collect(),
    }
}

fn marks_table(marks: &BTreeMap<String, MarkRow>) -> TextTable {
    let source = |source: Option<&'static str>| source.map(str::to_owned);
    let rows = marks.iter().map(|(id, row)| {
        vec![
            Some(id.clone()),
            row.mark_px.clone(),
            row.vol.clone(),
            row.fwd_px.clone(),
            source(row.mark_source),
            source(row.vol_source),
            source(row.fwd_source),
            row.ts_ms.map(time),
        ]
    });
    TextTable {
        name: "marks",
        columns: &["inst_id", "mark_px", "mark_vol", "fwd_px", "mark_source", "vol_source", "fwd_source", "ts"],
        rows: rows.collect(),
    }
}

fn account_tables(accounts: &Accounts) -> Vec<TextTable> {
    let (mut positions, mut balances, mut settings, mut orders) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let all_suffice = accounts.by_id.values().all(|account| account.unmarginable().is_none());
    // The column is there only if an answer states it.
    let has_col_res = accounts.by_id.values().flat_map(|it| it.balances.iter()).any(|(_, it)| it.col_res.is_some());
    for (id, account) in &accounts.by_id {
        let id = || Some(id.clone());
        let offset = account.settings().and_then(|settings| settings.spot_offset);
        let mut row = vec![id(), offset.map(str::to_owned)];
        if !all_suffice {
            row.push(account.unmarginable());
        }
        settings.push(row);
        for (key, position) in account.positions.iter() {
            positions.push(vec![id(), Some(key.inst_id.clone()), account.qty(key, position), position.avg_px.clone()]);
        }
        for (ccy, balance) in account.balances.iter() {
            let balance = balance.clone();
            let mut row = vec![id(), Some(ccy.clone()), balance.cash, balance.interest, balance.cap];
            if has_col_res {
                row.push(balance.col_res);
            }
            balances.push(row);
        }
        for (_, order) in account.orders.iter() {
            let order = order.clone();
            orders.push(vec![id(), Some(order.inst_id), Some(order.side), Some(order.qty), Some(order.px)]);
        }
    }
    let mut tables = vec![
        TextTable { name: "positions", columns: &["account_id", "inst_id", "qty", "avg_px"], rows: positions },
        TextTable {
            name: "balances",
            columns: if has_col_res {
                &["account_id", "ccy", "cash", "interest", "spot_in_use_cap", "col_res"]
            } else {
                &["account_id", "ccy", "cash", "interest", "spot_in_use_cap"]
            },
            rows: balances,
        },
        TextTable {
            name: "accounts",
            columns: if all_suffice {
                &["account_id", "spot_offset"]
            } else {
                &["account_id", "spot_offset", "unmarginable"]
            },
            rows: settings,
        },
    ];
    if !orders.is_empty() {
        let columns = &["account_id", "inst_id", "side", "qty", "px"];
        tables.push(TextTable { name: "orders", columns, rows: orders });
    }
    tables
}

/// Milliseconds since 1970 as a timestamp.
fn time(ms: i64) -> String {
    instant(&ms.to_string())
}

/// Milliseconds since 1970 as a timestamp. An invalid value is kept, and the loader refuses it.
fn instant(ms: &str) -> String {
    let stamp = ms.parse().ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(|| ms.to_owned(), |stamp| stamp.to_string())
}
