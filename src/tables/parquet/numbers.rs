//! Columns of numbers that are worth a dictionary: few different values, or zeros with a few others among them.
//!
//! Both are written in one pass, without a search for equal values as a writer that knows nothing of the column makes.

use super::hybrid::Hybrid;
use bytes::Bytes;

/// A dictionary of plain values, their number, and a page of keys.
#[derive(Debug, PartialEq)]
pub(crate) struct Coded {
    pub values: Bytes,
    pub count: usize,
    pub keys: Vec<u8>,
}

/// Most different values of a column of levels.
const MOST_LEVELS: usize = 64;
/// Places for them: four a value, a power of two.
const PLACES: usize = 1 << PLACE_BITS;
const PLACE_BITS: u32 = 2 + MOST_LEVELS.ilog2();

/// The different values of a column, found by their bits.
struct Levels {
    /// Bits and key of the value that stands in a place.
    places: [Option<(u64, u32)>; PLACES],
    values: Vec<u64>,
}

impl Levels {
    fn new() -> Self {
        Self { places: [None; PLACES], values: Vec::new() }
    }

    /// The key of a value; `None` if there are too many different ones.
    #[inline]
    fn key(&mut self, bits: u64) -> Option<u32> {
        // The golden ratio spreads values that differ in few bits. The sign reaches the highest bit alone: without it,
        // a rise and a fall of one size would share a place.
        let mut place = (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - PLACE_BITS)) as usize;
        loop {
            match self.places[place] {
                Some((other, key)) if other == bits => return Some(key),
                Some(_) => place = (place + 1) % PLACES,
                None => return self.add(place, bits),
            }
        }
    }

    #[cold]
    fn add(&mut self, place: usize, bits: u64) -> Option<u32> {
        if self.values.len() == MOST_LEVELS {
            return None;
        }
        let key = self.values.len() as u32;
        self.values.push(bits);
        self.places[place] = Some((bits, key));
        Some(key)
    }
}

/// A column of few different values; `None` if they are too many.
pub(crate) fn levels(values: &[f64]) -> Option<Coded> {
    let mut found = Levels::new();
    let mut keys = vec![0; values.len()];
    for (key, value) in keys.iter_mut().zip(values) {
        *key = found.key(value.to_bits())?;
    }
    let keys = crate::tables::parquet::hybrid::hybrid(&keys, found.values.len());
    Some(Coded { values: plain(&found.values), count: found.values.len(), keys })
}

/// Values that stand for their column.
pub(crate) const SAMPLE: usize = 2_048;

/// True if at most every tenth value is other than zero.
pub(crate) fn is_sparse(values: &[f64]) -> bool {
    let values = &values[..values.len().min(SAMPLE)];
    let zeros: usize = values.iter().map(|value| usize::from(value.to_bits() == 0)).sum();
    zeros * 10 >= values.len() * 9
}

/// A column of zeros with others among them: the dictionary holds zero, and every other value as it comes.
pub(crate) fn sparse(values: &[f64]) -> Coded {
    let (groups, rest) = values.as_chunks::<8>();
    let mut different = vec![0];
    let mut add = |group: &[f64]| different.extend(group.iter().map(|value| value.to_bits()).filter(|&bits| bits != 0));
    // Places of the groups that hold another value: what lies between them is not looked at again.
    let mut held = Vec::new();
    for (place, group) in groups.iter().enumerate().filter(|(_, group)| !is_zero(group)) {
        held.push(place);
        add(group);
    }
    add(rest);
    let mut page = Hybrid::new(different.len(), values.len() / 8);
    let mut next = 0;
    let mut key = |value: &f64| {
        let is_other = value.to_bits() != 0;
        next += u32::from(is_other);
        if is_other { next } else { 0 }
    };
    let mut end = 0;
    let zeros = |page: &mut Hybrid, from: usize, to: usize| {
        if from < to {
            page.repeat(0, 8 * (to - from) as u64);
        }
    };
    for place in held {
        zeros(&mut page, end, place);
        page.group(groups[place].each_ref().map(&mut key));
        end = place + 1;
    }
    zeros(&mut page, end, groups.len());
    page.rest(&rest.iter().map(key).collect::<Vec<_>>());
    Coded { values: plain(&different), count: different.len(), keys: page.finish() }
}

#[inline]
fn is_zero(group: &[f64; 8]) -> bool {
    group.iter().fold(0, |bits, value| bits | value.to_bits()) == 0
}

fn plain(values: &[u64]) -> Bytes {
    values.iter().flat_map(|bits| bits.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::parquet::hybrid::tests::read;
    use proptest::prelude::*;

    fn decoded(coded: &Coded, rows: usize) -> Vec<u64> {
        let values = coded.values.as_chunks::<8>().0;
        assert_eq!(values.len(), coded.count);
        read(&coded.keys, rows).into_iter().map(|key| u64::from_le_bytes(values[key as usize])).collect()
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    proptest! {
        #[test]
        fn numbers_read_back(
            values in prop::collection::vec(prop_oneof![8 => Just(0.0), 1 => Just(-0.0), 1 => any::<f64>()], 0..300),
            zeros in 0usize..100,
        ) {
            let values = [vec![0.0; zeros], values].concat();
            prop_assert_eq!(decoded(&sparse(&values), values.len()), bits(&values));
            let different = bits(&values).into_iter().collect::<std::collections::BTreeSet<_>>().len();
            match levels(&values) {
                None => prop_assert!(different > MOST_LEVELS),
                Some(coded) => {
                    prop_assert_eq!(coded.count, different);
                    prop_assert_eq!(decoded(&coded, values.len()), bits(&values));
                }
            }
        }
    }

    #[test]
    fn a_column_is_sparse_if_nine_of_ten_values_are_zero() {
        let values = |others: usize| [vec![0.0; 100 - others], vec![-0.0; others]].concat();
        assert!(is_sparse(&values(10)) && !is_sparse(&values(11)) && is_sparse(&[]));
    }
}
