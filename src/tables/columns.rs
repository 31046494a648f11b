//! The columns of the output tables, and record batches made of them.
//!
//! Column names, order and types are fixed; a new column goes to the end. All money is USD, spot in use is coins.

use crate::{Error, Result};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// What a column holds, which decides its Arrow type and how Parquet stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text that hardly repeats: stored plain and compressed.
    Text,
    /// Text of which a file holds few different values, or in long runs: stored through a dictionary.
    Label,
    /// `f64`, stored plain: a dictionary of margins would be larger than the margins and slow to build.
    Number,
    /// `f64` of which a table holds few different values: stored through a dictionary.
    Level,
    /// True or false.
    Flag,
    /// A row number or a count, 64 bits signed.
    Count,
}

/// One column of an output table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether Parquet keeps least and greatest value of each row group, so that readers can skip groups.
    pub statistics: bool,
}

impl Column {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: false, statistics: false }
    }
    pub(crate) const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }
    const fn with_statistics(mut self) -> Self {
        self.statistics = true;
        self
    }
}

pub(crate) const fn number(name: &'static str) -> Column {
    Column::new(name, Kind::Number)
}

const fn level(name: &'static str) -> Column {
    Column::new(name, Kind::Level)
}

pub(crate) const fn label(name: &'static str) -> Column {
    Column::new(name, Kind::Label)
}

pub(crate) const fn text(name: &'static str) -> Column {
    Column::new(name, Kind::Text)
}

/// An output table: its name and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSpec {
    /// Name of the file without its extension.
    pub name: &'static str,
    /// Columns in order.
    pub columns: &'static [Column],
    /// Index of the column by which rows ascend, if by one.
    pub sorted_by: Option<i32>,
}

impl TableSpec {
    /// The Arrow schema: plain `Utf8`, `Float64`, `Boolean`, `Int64`, which every reader knows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let field = |column: &Column| {
            let data_type = match column.kind {
                Kind::Text | Kind::Label => DataType::Utf8,
                Kind::Number | Kind::Level => DataType::Float64,
                Kind::Flag => DataType::Boolean,
                Kind::Count => DataType::Int64,
            };
            Field::new(column.name, data_type, column.nullable)
        };
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    /// A batch of this table. Labels may come as dictionaries.
    ///
    /// # Errors
    /// [`Error::Runtime`] when `arrays` do not fit the columns, which is a fault of this crate.
    pub fn batch(&self, arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
        let declared = self.schema();
        let fields = declared.fields().iter().zip(&arrays).map(|(field, array)| match array.data_type() {
            kind @ DataType::Dictionary(..) => Arc::new(field.as_ref().clone().with_data_type(kind.clone())),
            _ => Arc::clone(field),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        RecordBatch::try_new(schema, arrays)
            .map_err(|err| Error::Runtime(format!("cannot form a batch of table `{}`: {err}", self.name)))
    }
}

/// Account x scenario. Every id occurs once, so a dictionary would only repeat the column.
pub const ACCOUNTS: TableSpec = TableSpec {
    name: "accounts",
    columns: &[
        Column::new("account_id", Kind::Text).with_statistics(),
        label("scenario"),
        number("adj_eq"),
        number("total_eq"),
        number("upl"),
        number("mmr"),
        number("imr"),
        number("deriv_mmr"),
        number("borrow_mmr"),
        number("borrow_imr"),
        number("liquidation_fee"),
        number("margin_ratio").nullable().with_statistics(),
        label("status").with_statistics(),
        Column::new("im_deficit", Kind::Flag).with_statistics(),
        Column::new("ineligible", Kind::Flag),
        number("mmr_no_hedge"),
        number("imr_no_hedge"),
        number("order_imr"),
    ],
    sorted_by: Some(0),
};

/// Account x scenario x risk unit.
pub const RISK_UNITS: TableSpec = TableSpec {
    name: "risk_units",
    columns: &[
        label("account_id").with_statistics(),
        label("scenario"),
        label("risk_unit").with_statistics(),
        number("mr1"),
        level("mr1_price"),
        label("mr1_vol"),
        number("mr2"),
        number("mr3"),
        number("mr4"),
        number("mr5"),
        number("mr6"),
        level("mr6_price"),
        number("mr7"),
        number("mr9"),
        number("mmr"),
        number("imr"),
        number("cash_delta"),
        number("gamma"),
        number("vega"),
        number("theta"),
        number("spot_in_use"),
        number("upl"),
        number("order_imr"),
    ],
    sorted_by: Some(0),
};

/// Accounts that need somebody's attention, worst first.
pub const AT_RISK: TableSpec = TableSpec {
    name: "at_risk",
    columns: &[
        Column::new("account_id", Kind::Text),
        label("scenario"),
        label("status"),
        number("margin_ratio").nullable(),
        number("adj_eq"),
        number("mmr"),
        number("imr"),
        number("liquidation_fee"),
        number("shortfall_mmr"),
        number("shortfall_imr"),
        Column::new("im_deficit", Kind::Flag),
        label("worst_unit").nullable(),
        number("worst_unit_mmr").nullable(),
        label("binding").nullable(),
        number("all_coins_down_move").nullable(),
        label("all_coins_down_reach").nullable(),
        number("all_coins_up_move").nullable(),
        label("all_coins_up_reach").nullable(),
    ],
    sorted_by: None,
};

/// Input rows that were set aside.
pub const REJECTS: TableSpec = TableSpec {
    name: "rejects",
    columns: &[
        label("table"),
        Column::new("row", Kind::Count),
        Column::new("account_id", Kind::Text).nullable(),
        label("reason").with_statistics(),
        label("column"),
        Column::new("value", Kind::Text),
    ],
    sorted_by: None,
};

/// A column of text, in one allocation each for bytes and offsets.
pub(crate) fn texts<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Result<ArrayRef> {
    optional_texts(values.map(Some))
}

/// A column of text with gaps.
pub(crate) fn optional_texts<'a>(values: impl Iterator<Item = Option<&'a str>> + Clone) -> Result<ArrayRef> {
    let (rows, bytes) =
        values.clone().fold((0, 0), |(rows, bytes), value| (rows + 1, bytes + value.map_or(0, str::len)));
    if i32::try_from(bytes).is_err() {
        return Err(Error::Runtime(format!("{rows} rows hold {bytes} bytes of ids, more than a batch can")));
    }
    let mut column = StringBuilder::with_capacity(rows, bytes);
    values.for_each(|value| column.append_option(value));
    Ok(Arc::new(column.finish()))
}

pub(crate) fn numbers(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

pub(crate) fn optional_numbers(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

pub(crate) fn flags(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(BooleanArray::from(values.collect::<Vec<_>>()))
}

pub(crate) fn counts(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}
