//! Rows of one file with their columns by name, and the check of a file's columns.

use super::{Column, Kind};
use crate::cells::number::Numbers;
use crate::cells::text::{Text, is_fraction, is_text, is_whole};
use crate::cells::time::Times;
use crate::{Error, Invalid, Result};
use arrow_array::ArrayRef;
use arrow_schema::DataType;
use std::path::Path;
use std::sync::Arc;
use strsim::damerau_levenshtein;

/// Consecutive rows of a table.
pub(crate) struct Batch {
    pub file: Arc<Path>,
    /// Number of the first row in the table, from 1.
    pub first_row: u64,
    pub rows: usize,
    /// Rows from here to the end of what is folded into one local, as the file says: good for a reservation only.
    pub rows_ahead: u64,
    pub columns: Vec<(String, ArrayRef)>,
}

impl Batch {
    pub fn text(&self, name: &str) -> Result<Text> {
        Text::new(self.column(name)).map_err(|problem| self.at(name, problem))
    }

    pub fn numbers(&self, name: &str) -> Result<Numbers> {
        Numbers::new(self.column(name)).map_err(|problem| self.at(name, problem))
    }

    pub fn times(&self, name: &str) -> Result<Times> {
        Times::new(self.column(name)).map_err(|problem| self.at(name, problem))
    }

    pub fn dates(&self, name: &str) -> Result<Times> {
        Times::with_dates(self.column(name)).map_err(|problem| self.at(name, problem))
    }

    /// True if the file has the column.
    pub fn has(&self, name: &str) -> bool {
        self.column(name).is_some()
    }

    fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.columns.iter().find(|(found, _)| found == name).map(|(_, array)| array)
    }

    fn at(&self, name: &str, problem: String) -> Error {
        Invalid::new(problem).file(&self.file).column(name).into()
    }
}

/// The places of `columns` among the columns of a file, which must be there once each and have a fitting type.
///
/// # Errors
/// [`Invalid`] naming the file and the column.
pub(crate) fn project(file: &Path, columns: &[Column], found: &[(&str, &DataType)]) -> Result<Vec<usize>> {
    let mut places = Vec::new();
    for column in columns {
        let mut matches = found.iter().enumerate().filter(|(_, (name, _))| *name == column.name);
        let Some((place, (_, kind))) = matches.next() else {
            if column.required {
                return Err(missing(file, column, found).into());
            }
            continue;
        };
        if matches.next().is_some() {
            return Err(duplicate(file, column.name).into());
        }
        // A column without a single value may have no type at all.
        if **kind != DataType::Null && !accepts(column.kind, kind) {
            let mut invalid = Invalid::new("wrong type of column")
                .file(file)
                .column(column.name)
                .value(kind.to_string())
                .expected(column.kind.expected());
            if let Some(hint) = hint(column.kind, kind) {
                invalid = invalid.hint(hint);
            }
            return Err(invalid.into());
        }
        places.push(place);
    }
    places.sort_unstable();
    Ok(places)
}

/// A column that is not there, and what there is instead.
fn missing(file: &Path, column: &Column, found: &[(&str, &DataType)]) -> Invalid {
    let names: Vec<_> = found.iter().map(|(name, _)| format!("`{name}`")).collect();
    let has = format!("the file has {}", if names.is_empty() { "none".into() } else { names.join(", ") });
    let near = nearest(column.name, found.iter().map(|(name, _)| *name));
    let hint = match (near, with_comma(column.name, found)) {
        (Some(near), _) => format!("is it `{near}`? {has}"),
        (None, Some(whole)) => format!("is it `{whole}`? A name with a comma stands in double quotes; {has}"),
        (None, None) => has,
    };
    Invalid::new("missing column")
        .file(file)
        .column(column.name)
        .expected(format!("a column of {}", column.kind.expected()))
        .hint(hint)
}

/// The column of whose name, between commas, this is a part. A file with a single column has other commas.
fn with_comma<'a>(name: &str, found: &[(&'a str, &DataType)]) -> Option<&'a str> {
    let has_part = |whole: &&str| whole.contains(',') && whole.split(',').any(|part| part.trim() == name);
    found.iter().map(|(found, _)| *found).filter(|_| found.len() > 1).find(has_part)
}

/// Letters of the longest name that is compared with others.
const LONGEST_NAME: usize = 200;

/// The name that differs least from one that is not there, in few letters; none of a very long name.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let edits = |known: &str| damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
    let letters = name.chars().count();
    if letters > LONGEST_NAME {
        return None;
    }
    let most = (letters / 3).clamp(1, 3);
    // The count of edits takes the product of both lengths, in time and in memory.
    let is_as_long = |known: &&str| known.chars().count().abs_diff(letters) <= most;
    names
        .filter(is_as_long)
        .map(|known| (edits(known), known))
        .filter(|(edits, _)| *edits <= most)
        .min()
        .map(|(_, known)| known)
}

pub(crate) fn duplicate(file: &Path, column: &str) -> Invalid {
    Invalid::new("duplicate column").file(file).column(column).expected("each name once")
}

fn accepts(kind: Kind, found: &DataType) -> bool {
    match (kind, found) {
        (_, DataType::Dictionary(_, values)) => accepts(kind, values),
        (Kind::Time, found) => matches!(found, DataType::Timestamp(..)) || is_text(found) || found.is_integer(),
        (Kind::Date, DataType::Date32) | (Kind::Attribute, DataType::Boolean) => true,
        (Kind::Attribute, found) if is_fraction(found) => true,
        (Kind::Date, found) => accepts(Kind::Time, found),
        (Kind::Flag, found) => is_text(found) || *found == DataType::Boolean,
        (Kind::Id | Kind::Attribute, found) => is_text(found) || found.is_integer() || is_whole(found),
        (Kind::Number, found) => {
            let decimal = matches!(found, DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..));
            *found == DataType::Float64 || decimal || is_text(found) || found.is_integer()
        }
    }
}

fn hint(kind: Kind, found: &DataType) -> Option<&'static str> {
    match (kind, found) {
        (Kind::Number, DataType::Float32 | DataType::Float16) => {
            Some("this type holds 7 digits or fewer, too few for money; write the column as Float64 or as decimals")
        }
        (Kind::Id, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
            Some("the column lacks the annotation that it holds UTF-8 text; write it as strings")
        }
        (Kind::Time, DataType::Date32 | DataType::Date64) => {
            Some("a date has no time of day, and contracts end at one; write timestamps")
        }
        (Kind::Id, DataType::Float16 | DataType::Float32 | DataType::Float64) => Some(
            "whole numbers became floats, as pandas makes them where one is missing: `1.0` would be another id than \
             `1`; write the column as strings or integers",
        ),
        _ => None,
    }
}
