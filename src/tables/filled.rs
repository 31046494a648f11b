//! Tables of rows that are at hand: each column is declared together with what fills it.
//!
//! A list of [`Filled`] is a table's columns and the builder of its batches at once, so that no column can get the
//! values of another.

use super::columns::{
    Column, Kind, TableSpec, counts, flags, numbers, optional_counts, optional_flags, optional_numbers, optional_texts,
    texts,
};
use super::parquet::labels::Labels;
use crate::Result;
use crate::figures::{AccountFigure, AccountRow, Get, UnitFigure};
use crate::margin::{AccountMargin, UnitMargin};
use arrow_array::{ArrayRef, RecordBatch};
use std::borrow::Cow;
use std::collections::HashMap;

/// What makes a column of rows.
type Fill<'a, R> = Box<dyn Fn(&[R]) -> Result<ArrayRef> + 'a>;

/// A column of a table whose rows are `R`, and what fills it.
pub(crate) struct Filled<'a, R> {
    column: Column,
    fill: Fill<'a, R>,
}

/// The columns of a table, for its [`TableSpec`].
pub(crate) fn columns_of<R>(filled: Vec<Filled<R>>) -> Vec<Column> {
    filled.into_iter().map(|filled| filled.column).collect()
}

/// A batch of rows. `columns` are those that `spec` was made of.
pub(crate) fn batch<R>(spec: &TableSpec, columns: &[Filled<R>], rows: &[R]) -> Result<RecordBatch> {
    spec.batch(columns.iter().map(|filled| (filled.fill)(rows)).collect::<Result<_>>()?)
}

impl Column {
    fn filled<'a, R: 'a>(self, fill: impl Fn(&[R]) -> Result<ArrayRef> + 'a) -> Filled<'a, R> {
        Filled { column: self, fill: Box::new(fill) }
    }

    fn holding(mut self, kind: Kind, nullable: bool) -> Self {
        (self.kind, self.nullable) = (kind, nullable);
        self
    }

    /// The same column under another name, with something said before its meaning.
    pub(crate) fn named(mut self, name: impl Into<Cow<'static, str>>, before: &str) -> Self {
        self.name = name.into();
        self.statistics = false;
        if !before.is_empty() {
            self.meaning = format!("{before}: {}", self.meaning).into();
        }
        self
    }

    pub(crate) fn text<'a, R: 'a>(self, get: for<'r> fn(&'r R) -> &'r str) -> Filled<'a, R> {
        self.filled(move |rows| texts(rows.iter().map(get)))
    }

    /// Text of which many rows have the same: each is put down once.
    pub(crate) fn labels<'a, R: 'a>(self, get: for<'r> fn(&'r R) -> &'r str) -> Filled<'a, R> {
        self.holding(Kind::Label, false).filled(move |rows| {
            let (mut labels, mut keys) = (Labels::default(), HashMap::new());
            labels.reserve(rows.len());
            for text in rows.iter().map(get) {
                let key = *keys.entry(text).or_insert_with(|| labels.value(text));
                labels.push(key, 1);
            }
            labels.finish()
        })
    }

    pub(crate) fn optional_text<'a, R: 'a>(mut self, get: for<'r> fn(&'r R) -> Option<&'r str>) -> Filled<'a, R> {
        self.nullable = true;
        self.filled(move |rows| optional_texts(rows.iter().map(get)))
    }

    pub(crate) fn number<'a, R: 'a>(self, get: impl Fn(&R) -> f64 + 'a) -> Filled<'a, R> {
        self.holding(Kind::Number, false).filled(move |rows| Ok(numbers(rows.iter().map(&get))))
    }

    pub(crate) fn optional<'a, R: 'a>(self, get: impl Fn(&R) -> Option<f64> + 'a) -> Filled<'a, R> {
        self.holding(Kind::Number, true).filled(move |rows| Ok(optional_numbers(rows.iter().map(&get))))
    }

    pub(crate) fn flag<'a, R: 'a>(self, get: impl Fn(&R) -> bool + 'a) -> Filled<'a, R> {
        self.holding(Kind::Flag, false).filled(move |rows| Ok(flags(rows.iter().map(&get))))
    }

    pub(crate) fn optional_flag<'a, R: 'a>(self, get: impl Fn(&R) -> Option<bool> + 'a) -> Filled<'a, R> {
        self.holding(Kind::Flag, true).filled(move |rows| Ok(optional_flags(rows.iter().map(&get))))
    }

    pub(crate) fn count<'a, R: 'a>(self, get: impl Fn(&R) -> u64 + 'a) -> Filled<'a, R> {
        let whole = move |row: &R| i64::try_from(get(row)).unwrap_or(i64::MAX);
        self.holding(Kind::Count, false).filled(move |rows| Ok(counts(rows.iter().map(&whole))))
    }

    pub(crate) fn optional_count<'a, R: 'a>(self, get: impl Fn(&R) -> Option<u64> + 'a) -> Filled<'a, R> {
        let whole = move |row: &R| get(row).map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        self.holding(Kind::Count, true).filled(move |rows| Ok(optional_counts(rows.iter().map(&whole))))
    }

    /// Filled with a figure of the account whose margin `of` finds.
    pub(crate) fn account<'a, R: 'a>(self, figure: AccountFigure, of: fn(&R) -> &AccountMargin) -> Filled<'a, R> {
        self.figure(figure.figure().get, of)
    }

    /// Filled with a figure of the risk unit whose margin `of` finds.
    pub(crate) fn unit<'a, R: 'a>(self, figure: UnitFigure, of: fn(&R) -> &UnitMargin) -> Filled<'a, R> {
        self.figure(figure.figure().get, of)
    }

    fn figure<'a, R: 'a, M: 'static>(mut self, get: Get<M>, of: fn(&R) -> &M) -> Filled<'a, R> {
        // What Parquet knows of a column that a figure was declared with holds for the large table only.
        self.statistics = false;
        match get {
            Get::Number(one, _) => self.number(move |row| one(of(row))),
            Get::Optional(one, _) => self.optional(move |row| one(of(row))),
            Get::Flag(one, _) => self.flag(move |row| one(of(row))),
            Get::Label(words, one, _) => self.filled(move |rows| {
                texts(rows.iter().map(|row| words.get(one(of(row)) as usize).copied().unwrap_or_default()))
            }),
        }
    }

    /// Filled with a figure of an account that may not be there: null then.
    pub(crate) fn if_there<'a, R: 'a>(
        mut self,
        figure: AccountFigure,
        of: impl Fn(&R) -> Option<&AccountRow> + Clone + 'a,
    ) -> Filled<'a, R> {
        (self.statistics, self.nullable) = (false, true);
        match figure.figure().get {
            Get::Number(..) | Get::Optional(..) => self.optional(move |row| of(row)?.optional(figure)),
            Get::Flag(..) => self.optional_flag(move |row| of(row)?.flag(figure)),
            Get::Label(words, ..) => self.filled(move |rows| {
                let word = |row: &R| words.get(of(row)?.label(figure)?).copied();
                optional_texts(rows.iter().map(word))
            }),
        }
    }
}

/// A column with a figure of an account, under its own name.
pub(crate) fn account<'a, R: 'a>(figure: AccountFigure, of: fn(&R) -> &AccountMargin) -> Filled<'a, R> {
    Column::of(figure.figure()).account(figure, of)
}

/// A column with a figure of a risk unit, under its own name.
pub(crate) fn unit<'a, R: 'a>(figure: UnitFigure, of: fn(&R) -> &UnitMargin) -> Filled<'a, R> {
    Column::of(figure.figure()).unit(figure, of)
}

impl<R> Filled<'_, R> {
    /// The column may be null, whether it is or not: as readers of the table expect it.
    pub(crate) fn nullable(mut self, nullable: bool) -> Self {
        self.column.nullable = nullable;
        self
    }
}
