//! Columns of strings in any Arrow layout: plain, large, view or dictionary; integers as their decimal text.

use super::arrays::{keys, strings};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array, LargeStringArray, StringArray, StringViewArray};
use arrow_schema::DataType;
use std::fmt::Write;

/// A column of strings. An empty string counts as missing.
pub(crate) struct Text {
    values: Values,
    /// For a dictionary: the key of each row.
    keys: Option<Int32Array>,
}

enum Values {
    Absent,
    Plain(StringArray),
    Large(LargeStringArray),
    View(StringViewArray),
}

/// True for the types that are no strings and that stand for one: numbers, flags, UUIDs. Which of them a column may
/// have is decided where tables are opened.
fn is_readable(kind: &DataType) -> bool {
    kind.is_integer() || *kind == DataType::Boolean || is_whole(kind) || is_fraction(kind)
}

/// True for numbers that may have a fraction: an id is never one, an attribute may be.
pub(crate) fn is_fraction(kind: &DataType) -> bool {
    use DataType::{Decimal32, Decimal64, Decimal128, Float32, Float64};
    matches!(kind, Float32 | Float64 | Decimal32(..) | Decimal64(..) | Decimal128(..))
}

/// True for decimals without a fraction and for the 16 bytes of a UUID.
pub(crate) fn is_whole(kind: &DataType) -> bool {
    use DataType::{Decimal32, Decimal64, Decimal128, FixedSizeBinary};
    matches!(kind, Decimal32(_, 0) | Decimal64(_, 0) | Decimal128(_, 0) | FixedSizeBinary(16))
}

/// True for the types of strings.
pub(crate) fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

impl Values {
    fn new(array: &ArrayRef) -> Result<Self, String> {
        Ok(match array.data_type() {
            DataType::Null => Self::Absent,
            DataType::Utf8 => Self::Plain(array.as_string::<i32>().clone()),
            DataType::LargeUtf8 => Self::Large(array.as_string::<i64>().clone()),
            DataType::Utf8View => Self::View(array.as_string_view().clone()),
            kind if is_readable(kind) => Self::Plain(strings(array)?),
            kind => return Err(format!("a column of type {kind} holds no strings")),
        })
    }

    fn get(&self, index: usize) -> Option<&str> {
        let text = match self {
            Self::Plain(array) if array.is_valid(index) => array.value(index),
            Self::Large(array) if array.is_valid(index) => array.value(index),
            Self::View(array) if array.is_valid(index) => array.value(index),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    fn len(&self) -> usize {
        match self {
            Self::Absent => usize::MAX,
            Self::Plain(array) => array.len(),
            Self::Large(array) => array.len(),
            Self::View(array) => array.len(),
        }
    }
}

impl Text {
    /// The strings of an array; all are missing without an array.
    ///
    /// # Errors
    /// The type contains neither strings nor integers.
    pub fn new(array: Option<&ArrayRef>) -> Result<Self, String> {
        let Some(array) = array else { return Ok(Self { values: Values::Absent, keys: None }) };
        let Some(dictionary) = array.as_any_dictionary_opt() else {
            return Ok(Self { values: Values::new(array)?, keys: None });
        };
        let values = Values::new(dictionary.values())?;
        let keys = keys(dictionary.keys())?;
        let is_known = |key: i32| usize::try_from(key).is_ok_and(|key| key < values.len());
        let all_known = if keys.null_count() == 0 {
            // As unsigned integers, negative keys are large.
            keys.values().iter().map(|&key| key as u32).max().is_none_or(|most| (most as usize) < values.len())
        } else {
            keys.iter().flatten().all(is_known)
        };
        if !all_known {
            return Err("a dictionary key has no value".to_owned());
        }
        Ok(Self { values, keys: Some(keys) })
    }

    /// The string of a row; `None` if it is null or empty.
    pub fn get(&self, row: usize) -> Option<&str> {
        match &self.keys {
            None => self.values.get(row),
            Some(keys) if keys.is_valid(row) => self.values.get(keys.value(row) as usize),
            Some(_) => None,
        }
    }

    /// The dictionary key of each row, if there is a dictionary and no row is missing.
    pub fn keys(&self) -> Option<&[i32]> {
        self.keys.as_ref().filter(|keys| keys.null_count() == 0).map(|keys| &keys.values()[..])
    }

    /// Runs of equal strings: first row and string of each run. `None` if a string is missing.
    pub fn runs(&self, rows: usize) -> Option<Vec<(usize, &str)>> {
        let mut runs: Vec<(usize, &str)> = Vec::new();
        if let Some(keys) = self.keys() {
            runs.reserve(self.values.len().min(rows));
            let mut last = None;
            for (row, &key) in keys.iter().enumerate() {
                if last != Some(key) {
                    last = Some(key);
                    runs.push((row, self.values.get(key as usize)?));
                }
            }
            return Some(runs);
        }
        // An account has a few rows.
        runs.reserve(rows / 4);
        for row in 0..rows {
            let text = self.get(row)?;
            if runs.last().is_none_or(|(_, last)| *last != text) {
                runs.push((row, text));
            }
        }
        Some(runs)
    }

    /// The string of a row, for messages.
    pub fn raw(&self, row: usize) -> String {
        cut(self.get(row).unwrap_or_default())
    }

    /// Looks up each distinct value once if the column is a dictionary, else every row.
    pub fn memo<T: Copy>(&self) -> Memo<T> {
        let known = self.keys.as_ref().map_or(0, |_| self.values.len());
        Memo { known: vec![None; if known == usize::MAX { 0 } else { known }] }
    }
}

/// Lookup results for the values of one [`Text`].
pub(crate) struct Memo<T> {
    known: Vec<Option<T>>,
}

impl<T: Copy> Memo<T> {
    /// The stored result for a value of the dictionary.
    pub fn known(&self, key: i32) -> Option<T> {
        self.known.get(key as usize).copied().flatten()
    }

    /// The result of `lookup` for the string of a row; `None` if the string is missing.
    pub fn get<E>(
        &mut self,
        text: &Text,
        row: usize,
        lookup: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let slot = match &text.keys {
            Some(keys) if keys.is_valid(row) => self.known.get_mut(keys.value(row) as usize),
            _ => None,
        };
        match slot {
            Some(&mut Some(known)) => Ok(Some(known)),
            slot => {
                let Some(value) = text.get(row) else { return Ok(None) };
                let found = lookup(value)?;
                if let Some(slot) = slot {
                    *slot = Some(found);
                }
                Ok(Some(found))
            }
        }
    }
}

/// Shortens a value that is too long for a message.
pub(crate) fn cut(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// As [`cut`], for a text that is a line of a log: line breaks and other control characters stand as `\u000a`.
pub(crate) fn in_a_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in cut(text).chars() {
        if character.is_control() {
            let _ = write!(line, "\\u{:04x}", u32::from(character));
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::types::{Int8Type, UInt64Type};
    use arrow_array::{
        Date32Array, Decimal128Array, DictionaryArray, FixedSizeBinaryArray, Float32Array, Float64Array, UInt64Array,
    };
    use std::sync::Arc;

    #[test]
    fn every_layout_reads_the_same() {
        let rows = [Some("a"), None, Some(""), Some("b")];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(rows.to_vec())),
            Arc::new(LargeStringArray::from(rows.to_vec())),
            Arc::new(StringViewArray::from(rows.to_vec())),
            Arc::new(rows.into_iter().collect::<DictionaryArray<Int8Type>>()),
            Arc::new(rows.into_iter().collect::<DictionaryArray<UInt64Type>>()),
        ];
        for column in &columns {
            let text = Text::new(Some(column)).unwrap();
            let read: Vec<_> = (0..4).map(|row| text.get(row)).collect();
            assert_eq!(read, [Some("a"), None, None, Some("b")], "{:?}", column.data_type());
            let mut memo = text.memo();
            let lengths: Vec<_> = (0..4).map(|row| memo.get(&text, row, |id| Ok::<_, ()>(id.len())).unwrap()).collect();
            assert_eq!(lengths, [Some(1), None, None, Some(1)]);
        }
        let integers: ArrayRef = Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]));
        let text = Text::new(Some(&integers)).unwrap();
        assert_eq!((text.get(0), text.get(1)), (Some("18446744073709551615"), None));
        let whole = Decimal128Array::from(vec![Some(17), None]).with_precision_and_scale(38, 0).unwrap();
        let text = Text::new(Some(&(Arc::new(whole) as ArrayRef))).unwrap();
        assert_eq!((text.get(0), text.get(1)), (Some("17"), None));
        let uuid: Vec<u8> = (0..16).collect();
        let uuids: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([uuid].into_iter()).unwrap());
        assert_eq!(Text::new(Some(&uuids)).unwrap().get(0), Some("00010203-0405-0607-0809-0a0b0c0d0e0f"));
        let floats: [ArrayRef; 2] = [
            Arc::new(Float64Array::from(vec![1.0, 0.75, 0.1, f64::NAN])),
            Arc::new(Float32Array::from(vec![1.0, 0.75, 0.1, f32::NAN])),
        ];
        for floats in &floats {
            let text = Text::new(Some(floats)).unwrap();
            let read: Vec<_> = (0..4).map(|row| text.get(row)).collect();
            assert_eq!(read, [Some("1.0"), Some("0.75"), Some("0.1"), None]);
        }
        let times: ArrayRef = Arc::new(Date32Array::from(vec![1]));
        assert!(Text::new(Some(&times)).is_err());
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        assert_eq!(cut("ü"), "ü");
        assert_eq!(cut(&"ü".repeat(300)), format!("{}...", "ü".repeat(200)));
        assert_eq!(in_a_line("ü\n\u{1b}[31m"), "ü\\u000a\\u001b[31m");
    }
}
