//! Columns of text as Parquet stores them: with few different values, whose dictionary is known, without looking every
//! row up again; and plain.

use super::hybrid::hybrid;
use super::pages::{Chunk, Codec, How};
use super::pieces::Pieces;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, StringArray, UInt32Array};
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;
use std::sync::Arc;

/// A column of labels in the making: the different values, and the place among them of each row.
#[derive(Default)]
pub(crate) struct Labels {
    values: StringBuilder,
    count: u32,
    keys: Vec<u32>,
}

impl Labels {
    /// A column whose values are known beforehand.
    pub fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut labels = Self::default();
        values.for_each(|value| {
            labels.value(value);
        });
        labels
    }

    /// Adds a value and returns its key.
    pub fn value(&mut self, value: &str) -> u32 {
        self.values.append_value(value);
        self.count += 1;
        self.count - 1
    }

    /// Makes room for rows.
    pub fn reserve(&mut self, rows: usize) {
        self.keys.reserve_exact(rows);
    }

    /// Adds rows of one value.
    pub fn push(&mut self, key: u32, rows: usize) {
        self.keys.extend(std::iter::repeat_n(key, rows));
    }

    /// Adds a row for each key.
    pub fn extend(&mut self, keys: impl Iterator<Item = u32>) {
        self.keys.extend(keys);
    }

    /// The keys of the rows so far.
    pub fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// The same, for who adds many.
    pub fn keys_mut(&mut self) -> &mut Vec<u32> {
        &mut self.keys
    }

    /// The column as a dictionary array. Keys that no value has are an error.
    pub fn finish(mut self) -> crate::Result<ArrayRef> {
        let values = Arc::new(self.values.finish());
        let array = DictionaryArray::<UInt32Type>::try_new(UInt32Array::from(self.keys), values);
        let array = array.map_err(|err| crate::Error::Runtime(format!("cannot form a column of labels: {err}")))?;
        Ok(Arc::new(array))
    }
}

/// Encodes a column of labels without gaps; keeps least and greatest value if asked to.
pub(crate) fn encode(
    column: ColumnDescPtr,
    array: &DictionaryArray<UInt32Type>,
    statistics: bool,
    codec: &mut Codec,
) -> Result<(Pieces, ColumnCloseResult)> {
    let (values, keys) = (array.values().as_string::<i32>(), array.keys().values());
    let dictionary = plain(values);
    let bounds = if statistics { bounds(array) } else { None };
    let chunk = Chunk {
        column,
        rows: keys.len(),
        // The keys are packed already; what shrinks is many values.
        how: if dictionary.len() > SMALL_DICTIONARY { How::Zstd } else { How::Not },
        dictionary: Some((Bytes::from(dictionary), values.len())),
        encoding: Encoding::RLE_DICTIONARY,
        data: Bytes::from(hybrid(keys, values.len())),
        statistics: bounds.map(statistics_of),
    };
    chunk.finish(codec)
}

/// Largest dictionary that is stored without compression, in bytes.
const SMALL_DICTIONARY: usize = 1 << 13;

/// Encodes a column of text without gaps and with hardly a value twice; keeps least and greatest if asked to.
pub(crate) fn encode_plain(
    column: ColumnDescPtr,
    values: &StringArray,
    statistics: bool,
    codec: &mut Codec,
) -> Result<(Pieces, ColumnCloseResult)> {
    let bounds = if statistics { bounds_of(values.iter().flatten()) } else { None };
    let chunk = Chunk {
        column,
        rows: values.len(),
        how: How::Zstd,
        dictionary: None,
        encoding: Encoding::PLAIN,
        data: Bytes::from(plain(values)),
        statistics: bounds.map(statistics_of),
    };
    chunk.finish(codec)
}

/// Each value behind its length.
fn plain(values: &StringArray) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.value_data().len() + 4 * values.len());
    for value in values.iter().map(Option::unwrap_or_default) {
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend(value.as_bytes());
    }
    bytes
}

fn statistics_of((least, greatest): (&str, &str)) -> Statistics {
    let [least, greatest] = [least, greatest].map(|value| Some(ByteArray::from(value)));
    Statistics::byte_array(least, greatest, None, Some(0), false)
}

/// Least and greatest value of the rows.
fn bounds(array: &DictionaryArray<UInt32Type>) -> Option<(&str, &str)> {
    let values = array.values().as_string::<i32>();
    let mut used = vec![false; values.len()];
    for &key in array.keys().values() {
        used[key as usize] = true;
    }
    bounds_of(values.iter().flatten().zip(used).filter_map(|(value, used)| used.then_some(value)))
}

fn bounds_of<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let first = values.next()?;
    // Most columns ascend: then one comparison a value suffices.
    Some(values.fold(
        (first, first),
        |(least, greatest), value| {
            if value >= greatest { (least, value) } else { (least.min(value), greatest) }
        },
    ))
}
