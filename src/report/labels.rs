//! Columns of text with few different values, whose dictionary is known: written as Parquet stores them, without
//! looking every row up again.
//!
//! Pages as in the Parquet format: a dictionary page (plain values) and one data page (the width of a key in bits, then
//! the keys as runs and bit-packed groups of eight, the "RLE / bit-packing hybrid").

use super::pages::{Chunk, Codec, How};
use super::pieces::Pieces;
use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringBuilder, UInt32Array};
use arrow::datatypes::UInt32Type;
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
pub(super) struct Labels {
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

    /// The column as a dictionary array. Keys that no value has are an error.
    pub fn finish(mut self) -> crate::Result<ArrayRef> {
        let values = Arc::new(self.values.finish());
        let array = DictionaryArray::<UInt32Type>::try_new(UInt32Array::from(self.keys), values);
        let array = array.map_err(|err| crate::Error::Runtime(format!("cannot form a column of labels: {err}")))?;
        Ok(Arc::new(array))
    }
}

/// Encodes a column of labels without gaps; keeps least and greatest value if asked to.
pub(super) fn encode(
    column: ColumnDescPtr,
    array: &DictionaryArray<UInt32Type>,
    statistics: bool,
    codec: &mut Codec,
) -> Result<(Pieces, ColumnCloseResult)> {
    let (values, keys) = (array.values().as_string::<i32>(), array.keys().values());
    let mut dictionary = Vec::with_capacity(values.value_data().len() + 4 * values.len());
    for value in values.iter().map(Option::unwrap_or_default) {
        dictionary.extend((value.len() as u32).to_le_bytes());
        dictionary.extend(value.as_bytes());
    }
    let bounds = if statistics { bounds(array) } else { None };
    let chunk = Chunk {
        column,
        rows: keys.len(),
        how: How::Zstd,
        dictionary: Some((Bytes::from(dictionary), values.len())),
        encoding: Encoding::RLE_DICTIONARY,
        data: Bytes::from(hybrid(keys, values.len())),
        statistics: bounds.map(|(least, greatest)| {
            let [least, greatest] = [least, greatest].map(|value| Some(ByteArray::from(value)));
            Statistics::byte_array(least, greatest, None, Some(0), false)
        }),
    };
    chunk.finish(codec)
}

/// Least and greatest value of the rows.
fn bounds(array: &DictionaryArray<UInt32Type>) -> Option<(&str, &str)> {
    let values = array.values().as_string::<i32>();
    let mut used = vec![false; values.len()];
    for &key in array.keys().values() {
        used[key as usize] = true;
    }
    let mut rows = values.iter().flatten().zip(used).filter_map(|(value, used)| used.then_some(value));
    let first = rows.next()?;
    Some(rows.fold((first, first), |(least, greatest), value| (least.min(value), greatest.max(value))))
}

/// Bits of a key below `count`.
fn width(count: usize) -> u32 {
    usize::BITS - count.saturating_sub(1).leading_zeros()
}

/// Keys below `count`: their width, then runs of eight and more as such and what is between them in packed groups of
/// eight, the last one filled up with zeros.
fn hybrid(keys: &[u32], count: usize) -> Vec<u8> {
    let bits = width(count);
    let mut bytes = Vec::with_capacity(keys.len() * bits as usize / 8 + 64);
    bytes.push(bits as u8);
    let mut literal = 0;
    for run in keys.chunk_by(|a, b| a == b).scan(0, |end, run| {
        *end += run.len();
        Some(*end - run.len()..*end)
    }) {
        // What comes before the run makes whole groups only with some of the run's own keys.
        let filled = run.start + (run.start - literal).next_multiple_of(8) - (run.start - literal);
        if run.end.saturating_sub(filled) < 8 {
            continue;
        }
        pack(&keys[literal..filled], bits, &mut bytes);
        varint(((run.end - filled) as u64) << 1, &mut bytes);
        bytes.extend_from_slice(&keys[run.start].to_le_bytes()[..bits.div_ceil(8) as usize]);
        literal = run.end;
    }
    pack(&keys[literal..], bits, &mut bytes);
    bytes
}

/// Keys in groups of eight, each key in its lowest bits, lowest first.
fn pack(keys: &[u32], bits: u32, bytes: &mut Vec<u8>) {
    if keys.is_empty() {
        return;
    }
    let groups = keys.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, bytes);
    let end = bytes.len() + groups * bits as usize;
    let (mut word, mut filled) = (0u64, 0);
    for &key in keys {
        word |= u64::from(key) << filled;
        filled += bits;
        if filled >= 32 {
            bytes.extend_from_slice(&(word as u32).to_le_bytes());
            word >>= 32;
            filled -= 32;
        }
    }
    bytes.extend_from_slice(&word.to_le_bytes()[..filled.div_ceil(8) as usize]);
    bytes.resize(end, 0);
}

fn varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads the hybrid back, by the letter of the format.
    fn read(bytes: &[u8], rows: usize) -> Vec<u32> {
        let bits = u32::from(bytes[0]);
        let (mut at, mut keys) = (1, Vec::new());
        while keys.len() < rows {
            let (mut header, mut shift) = (0u64, 0);
            loop {
                header |= u64::from(bytes[at] & 0x7F) << shift;
                shift += 7;
                at += 1;
                if bytes[at - 1] < 0x80 {
                    break;
                }
            }
            let count = (header >> 1) as usize;
            if header & 1 == 0 {
                let length = bits.div_ceil(8) as usize;
                let key = bytes[at..at + length].iter().rev().fold(0, |key, &byte| key << 8 | u32::from(byte));
                at += length;
                keys.extend(std::iter::repeat_n(key, count));
            } else {
                let packed = &bytes[at..at + count * bits as usize];
                at += packed.len();
                let bit = |place: u32| u32::from(packed[place as usize / 8] >> (place % 8) & 1);
                let key = |row: u32| (0..bits).fold(0, |key, place| key | bit(row * bits + place) << place);
                keys.extend((0..count as u32 * 8).map(key));
            }
        }
        assert_eq!(at, bytes.len());
        keys.truncate(rows);
        keys
    }

    proptest! {
        #[test]
        fn keys_read_back(count in 1usize..70_000, runs in prop::collection::vec((any::<u32>(), 1usize..30), 0..60)) {
            let key = |any: u32| any % count as u32;
            let keys: Vec<u32> = runs.iter().flat_map(|&(any, rows)| std::iter::repeat_n(key(any), rows)).collect();
            prop_assert_eq!(read(&hybrid(&keys, count), keys.len()), keys);
        }
    }

    #[test]
    fn widths() {
        for (count, bits) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8), (257, 9)] {
            assert_eq!(width(count), bits, "{count}");
        }
    }
}
