//! Keys of a dictionary as Parquet stores them: runs of one key, and bit-packed groups of eight between them (the
//! "RLE / bit-packing hybrid").

/// Most packed groups behind one header, whose count then takes one byte.
const MOST_GROUPS: u8 = 63;

/// A page of keys in the making.
pub(crate) struct Hybrid {
    bits: usize,
    bytes: Vec<u8>,
    /// The run that may grow still: its key and rows.
    run: (u32, u64),
    /// Where the header of the packed groups stands, and how many they are; none if a run was written since.
    header: usize,
    groups: u8,
}

impl Hybrid {
    /// A page of so many rows, with keys below `count`.
    pub fn new(count: usize, rows: usize) -> Self {
        let bits = width(count);
        let mut bytes = Vec::with_capacity(64 + rows / 8 * bits);
        bytes.push(bits as u8);
        Self { bits, bytes, run: (0, 0), header: 0, groups: 0 }
    }

    /// Adds eight rows.
    #[inline]
    pub fn group(&mut self, keys: [u32; 8]) {
        if keys == [keys[0]; 8] { self.repeat(keys[0], 8) } else { self.pack(keys) }
    }

    /// Adds rows of one key, eight or a multiple of it, unless they are the last.
    #[inline]
    pub fn repeat(&mut self, key: u32, rows: u64) {
        if self.run.1 > 0 && self.run.0 == key {
            self.run.1 += rows;
        } else {
            self.end_run();
            self.run = (key, rows);
        }
    }

    /// Adds the last rows, fewer than eight.
    pub fn rest(&mut self, keys: &[u32]) {
        let Some(&first) = keys.first() else { return };
        if keys.iter().all(|&key| key == first) {
            return self.repeat(first, keys.len() as u64);
        }
        let mut group = [0; 8];
        for (place, &key) in group.iter_mut().zip(keys) {
            *place = key;
        }
        self.pack(group);
    }

    /// The page: the width of a key in bits, and the keys.
    pub fn finish(mut self) -> Vec<u8> {
        self.end_run();
        self.bytes
    }

    /// Each key in its lowest bits, lowest first: eight keys fill as many bytes as a key has bits.
    fn pack(&mut self, keys: [u32; 8]) {
        self.end_run();
        if self.groups == 0 || self.groups == MOST_GROUPS {
            (self.header, self.groups) = (self.bytes.len(), 0);
            self.bytes.push(0);
        }
        self.groups += 1;
        self.bytes[self.header] = self.groups << 1 | 1;
        let end = self.bytes.len() + self.bits;
        let (low, high) = (&keys[..4], &keys[4..]);
        if self.bits <= 16 {
            let [low, high] =
                [low, high].map(|keys| keys.iter().rev().fold(0u64, |word, &key| word << self.bits | u64::from(key)));
            let word = u128::from(low) | u128::from(high) << (4 * self.bits);
            self.bytes.extend_from_slice(&word.to_le_bytes());
        } else {
            let [low, high] =
                [low, high].map(|keys| keys.iter().rev().fold(0u128, |word, &key| word << self.bits | u128::from(key)));
            // Four keys need not fill whole bytes: what is left of the low ones stands in front of the high ones.
            let (whole, left) = (self.bits / 2, self.bits % 2 * 4);
            let (low, high) = (low.to_le_bytes(), (high << left).to_le_bytes());
            self.bytes.extend_from_slice(&low[..whole]);
            let rest = self.bytes.len();
            self.bytes.extend_from_slice(&high);
            self.bytes[rest] |= if left > 0 { low[whole] } else { 0 };
        }
        self.bytes.truncate(end);
    }

    fn end_run(&mut self) {
        let (key, rows) = std::mem::take(&mut self.run);
        if rows > 0 {
            self.groups = 0;
            varint(rows << 1, &mut self.bytes);
            self.bytes.extend_from_slice(&key.to_le_bytes()[..self.bits.div_ceil(8)]);
        }
    }
}

/// The page of keys below `count`.
pub(crate) fn hybrid(keys: &[u32], count: usize) -> Vec<u8> {
    let mut page = Hybrid::new(count, keys.len());
    let (groups, rest) = keys.as_chunks::<8>();
    for &group in groups {
        page.group(group);
    }
    page.rest(rest);
    page.finish()
}

/// Bits of a key below `count`.
fn width(count: usize) -> usize {
    (usize::BITS - count.saturating_sub(1).leading_zeros()) as usize
}

fn varint(mut value: u64, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads the hybrid back, by the letter of the format.
    pub(in crate::tables) fn read(bytes: &[u8], rows: usize) -> Vec<u32> {
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
        fn keys_read_back(count in prop_oneof![1usize..300, 1usize..70_000, 1usize..1 << 31], runs in
            prop::collection::vec((any::<u32>(), prop_oneof![1usize..30, Just(1)]), 0..600)) {
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
