//! Account ids: one allocation for all of them, and a number for each.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::cmp::Ordering;
use std::hash::BuildHasher;

/// Strings behind one another in a single buffer, addressed by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdTable {
    bytes: String,
    ends: Vec<usize>,
}

impl IdTable {
    /// Makes room for so many ids, if each is as long as those of exchanges mostly are.
    pub fn reserve(&mut self, ids: usize) {
        const USUAL_BYTES: usize = 12;
        self.ends.reserve(ids);
        self.bytes.reserve(ids * USUAL_BYTES);
    }

    /// Number of ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of an id in a table whose ids are in byte order, each once.
    #[must_use]
    pub fn find_sorted(&self, id: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(id) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(middle),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The id of a number.
    ///
    /// # Panics
    /// If `index` is not below [`IdTable::len`].
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// All ids in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Adds an id and returns its number.
    pub fn push(&mut self, id: &str) -> u32 {
        let number = u32::try_from(self.ends.len()).expect("fewer than 2^32 ids");
        self.bytes.push_str(id);
        self.ends.push(self.bytes.len());
        number
    }
}

impl<'a> FromIterator<&'a str> for IdTable {
    fn from_iter<I: IntoIterator<Item = &'a str>>(ids: I) -> Self {
        let mut table = Self::default();
        for id in ids {
            table.push(id);
        }
        table
    }
}

/// Gives every distinct id a number, in order of first appearance.
#[derive(Debug, Default)]
pub struct Interner {
    ids: IdTable,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Interner {
    /// The number of `id`, new if it was never seen.
    pub fn intern(&mut self, id: &str) -> u32 {
        let hash = self.hasher.hash_one(id);
        if let Some(&number) = self.numbers.find(hash, |&number| self.ids.get(number as usize) == id) {
            return number;
        }
        let number = self.ids.push(id);
        let (ids, hasher) = (&self.ids, &self.hasher);
        self.numbers.insert_unique(hash, number, |&other| hasher.hash_one(ids.get(other as usize)));
        number
    }

    /// The number of `id`, if it was seen.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        self.numbers.find(hash, |&number| self.ids.get(number as usize) == id).copied()
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ids.bytes() + self.numbers.capacity() * 2 * size_of::<u32>()
    }

    /// All ids seen, by number.
    #[must_use]
    pub fn ids(&self) -> &IdTable {
        &self.ids
    }

    /// All ids seen, by number, without what finds them.
    #[must_use]
    pub fn into_ids(self) -> IdTable {
        self.ids
    }

    /// Number of distinct ids.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True if no id was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interning_gives_one_number_an_id() {
        let mut interner = Interner::default();
        let numbers: Vec<u32> = ["b", "a", "b", "", "a"].iter().map(|id| interner.intern(id)).collect();
        assert_eq!(numbers, [0, 1, 0, 2, 1]);
        assert_eq!(interner.find("a"), Some(1));
        assert_eq!(interner.find("c"), None);
        assert_eq!(interner.ids().iter().collect::<Vec<_>>(), ["b", "a", ""]);
    }
}
