//! The columns of the output tables, and record batches made of them.
//!
//! Column names, order and types are fixed; a new column goes to the end. All money is USD, spot in use is coins.

use crate::figures::{ACCOUNT, Figure, Get, Stored, UNIT, Unit};
use crate::{Error, Result};
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

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

impl Kind {
    /// The type as the data dictionary has it.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Text | Self::Label => "text",
            Self::Number | Self::Level => "number",
            Self::Flag => "flag",
            Self::Count => "whole number",
        }
    }
}

/// One column of an output table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What it means, in one sentence.
    pub meaning: Cow<'static, str>,
    /// What it is measured in.
    pub unit: Unit,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether Parquet keeps least and greatest value of each row group, so that readers can skip groups.
    pub statistics: bool,
}

impl Column {
    const fn new(name: &'static str, meaning: &'static str, unit: Unit, kind: Kind) -> Self {
        let (name, meaning) = (Cow::Borrowed(name), Cow::Borrowed(meaning));
        Self { name, meaning, unit, kind, nullable: false, statistics: false }
    }

    /// The column of a figure.
    pub(crate) fn of<M>(figure: &Figure<M>) -> Self {
        let kind = match (figure.get, figure.stored) {
            (Get::Label(..), _) => Kind::Label,
            (Get::Flag(..), _) => Kind::Flag,
            (Get::Number(..) | Get::Optional(..), Stored::Plain) => Kind::Number,
            (Get::Number(..) | Get::Optional(..), Stored::Dictionary) => Kind::Level,
        };
        Self {
            nullable: figure.is_nullable(),
            statistics: figure.statistics,
            ..Self::new(figure.name, figure.meaning, figure.unit, kind)
        }
    }

    pub(crate) fn with_statistics(mut self) -> Self {
        self.statistics = true;
        self
    }

    /// With a meaning that is put together.
    pub(crate) fn meaning(mut self, meaning: impl Into<Cow<'static, str>>) -> Self {
        self.meaning = meaning.into();
        self
    }

    /// Of text: the same stands in many rows.
    pub(crate) fn repeated(mut self) -> Self {
        self.kind = Kind::Label;
        self
    }
}

/// Text with hardly a value twice.
pub(crate) const fn text(name: &'static str, meaning: &'static str) -> Column {
    Column::new(name, meaning, Unit::Text, Kind::Text)
}

/// One of a few words or names.
pub(crate) const fn label(name: &'static str, meaning: &'static str) -> Column {
    Column::new(name, meaning, Unit::Label, Kind::Label)
}

/// Money.
pub(crate) const fn usd(name: &'static str, meaning: &'static str) -> Column {
    number(name, meaning, Unit::Usd)
}

/// A fraction.
pub(crate) const fn ratio(name: &'static str, meaning: &'static str) -> Column {
    number(name, meaning, Unit::Ratio)
}

/// A number.
pub(crate) const fn number(name: &'static str, meaning: &'static str, unit: Unit) -> Column {
    Column::new(name, meaning, unit, Kind::Number)
}

/// True or false.
pub(crate) const fn flag(name: &'static str, meaning: &'static str) -> Column {
    Column::new(name, meaning, Unit::Flag, Kind::Flag)
}

/// A whole number of things.
pub(crate) const fn count(name: &'static str, meaning: &'static str) -> Column {
    Column::new(name, meaning, Unit::Count, Kind::Count)
}

/// An output table: its name and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSpec {
    /// Name of the file without its extension.
    pub name: &'static str,
    /// What one row is.
    pub row: &'static str,
    /// Columns in order.
    pub columns: &'static [Column],
    /// Index of the column by which rows ascend, if by one.
    pub sorted_by: Option<i32>,
}

/// A table whose columns are put together when it is first used, once.
pub type Table = LazyLock<TableSpec>;

impl TableSpec {
    /// A table with these columns, which stay for as long as the program runs: call it once a table, from a [`Table`].
    pub(crate) fn new(name: &'static str, row: &'static str, columns: Vec<Column>) -> Self {
        Self { name, row, columns: columns.leak(), sorted_by: None }
    }

    /// Its rows ascend by their first column.
    pub(crate) fn sorted(mut self) -> Self {
        self.sorted_by = Some(0);
        self
    }

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
            Field::new(column.name.clone(), data_type, column.nullable)
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

/// What the key of an account means, wherever it stands.
pub(crate) const ACCOUNT_ID: &str = "The account.";
/// What the key of a scenario means.
pub(crate) const SCENARIO: &str = "The price scenario; `base` is the market as it is.";
/// What the key of a risk unit means.
pub(crate) const RISK_UNIT: &str =
    "The risk unit: an underlying such as `BTC-USDT`, merged a base currency such as `BTC`.";

/// The keys of [`ACCOUNTS`]. Every id occurs once, so a dictionary would only repeat the column.
pub(crate) fn account_keys() -> [Column; 2] {
    [text("account_id", ACCOUNT_ID).with_statistics(), label("scenario", SCENARIO)]
}

/// The keys of [`RISK_UNITS`].
pub(crate) fn unit_keys() -> [Column; 3] {
    [
        text("account_id", ACCOUNT_ID).repeated().with_statistics(),
        label("scenario", SCENARIO),
        label("risk_unit", RISK_UNIT).with_statistics(),
    ]
}

/// Account x scenario: its keys, then [`ACCOUNT`].
pub static ACCOUNTS: Table = Table::new(|| {
    let columns = account_keys().into_iter().chain(ACCOUNT.iter().map(Column::of)).collect();
    TableSpec::new("accounts", "account x scenario", columns).sorted()
});

/// Account x scenario x risk unit: its keys, then [`UNIT`].
pub static RISK_UNITS: Table = Table::new(|| {
    let columns = unit_keys().into_iter().chain(UNIT.iter().map(Column::of)).collect();
    TableSpec::new("risk_units", "account x scenario x risk unit", columns).sorted()
});

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

pub(crate) fn optional_flags(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.collect::<BooleanArray>())
}

pub(crate) fn counts(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub(crate) fn optional_counts(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}
