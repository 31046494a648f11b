//! Counts every row: used, or set aside for a reason. For each file, rows = used + set aside.

// Every index comes from the tally itself. A lookup with a fallback would hide a fault.
#![allow(clippy::indexing_slicing)]

use super::endpoint::Endpoint;
use super::reason::SetAsideReason;
use super::response::Response;
use super::sequence;
use crate::{Invalid, Result};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

/// A row: file index, and row number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowRef {
    pub file: usize,
    pub row: u64,
}

/// The count of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCount {
    /// Relative to the folder.
    pub path: PathBuf,
    /// Number of the answer in the file, from 1; `None` if the file holds one answer.
    pub answer: Option<u64>,
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Rows of the file; for nested responses, the innermost rows.
    pub rows: u64,
    /// Rows used in the snapshot.
    pub used: u64,
    /// Rows set aside, by reason.
    pub aside: BTreeMap<SetAsideReason, u64>,
    /// The first few malformed rows: number and problem.
    pub malformed: Vec<(u64, String)>,
}

/// How many malformed rows of a file are listed.
const MOST_LISTED: usize = 5;

/// The counts of all files, one for each answer.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub files: Vec<FileCount>,
    /// Rows that were replaced since the name of their file says so: the later file, the earlier one.
    by_name: BTreeMap<(usize, usize), u64>,
}

impl Tally {
    pub fn new(responses: &[Response]) -> Self {
        let count = |response: &Response| FileCount {
            path: response.path.clone(),
            answer: response.answer,
            endpoint: response.endpoint,
            rows: 0,
            used: 0,
            aside: BTreeMap::new(),
            malformed: Vec::new(),
        };
        Self { files: responses.iter().map(count).collect(), by_name: BTreeMap::new() }
    }

    /// Rows of a file so far.
    pub fn rows(&self, file: usize) -> u64 {
        self.files[file].rows
    }

    /// Starts a new row of a file. The caller must count it as used or set aside.
    pub fn row(&mut self, file: usize) -> RowRef {
        self.files[file].rows += 1;
        RowRef { file, row: self.files[file].rows }
    }

    pub fn used(&mut self, place: RowRef) {
        self.files[place.file].used += 1;
    }

    pub fn aside(&mut self, place: RowRef, why: SetAsideReason) {
        *self.files[place.file].aside.entry(why).or_default() += 1;
    }

    pub fn malformed(&mut self, place: RowRef, problem: String) {
        self.aside(place, SetAsideReason::Malformed);
        let told = &mut self.files[place.file].malformed;
        if told.len() < MOST_LISTED {
            told.push((place.row, problem));
        }
    }

    /// A row that was counted as used is set aside.
    pub fn take_back(&mut self, place: RowRef, why: SetAsideReason) {
        self.files[place.file].used -= 1;
        self.aside(place, why);
    }

    /// Which of two rows was saved later, if the names of their files say it.
    fn order_by_name(&self, a: RowRef, b: RowRef) -> Option<Ordering> {
        let (first, second) = (&self.files[a.file], &self.files[b.file]);
        if first.path == second.path {
            return Some(first.answer.cmp(&second.answer)).filter(|order| order.is_ne());
        }
        sequence::by_name(&first.path, &second.path)
    }

    /// What was decided by the names of files, for the user.
    pub fn notes(&self) -> Vec<String> {
        let note = |((later, earlier), rows): (&(usize, usize), &u64)| {
            let (later, earlier) = (&self.files[*later], &self.files[*earlier]);
            format!(
                "{rows} row(s) of {} differ between `{}` and `{}`: the later file, by its name, holds",
                later.endpoint.name(),
                earlier.path.display(),
                later.path.display(),
            )
        };
        self.by_name.iter().map(note).collect()
    }
}

/// The figures of a row under the names of the exchange, to say in which two rows differ.
pub(super) trait Fields {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)>;
}

/// The first figure in which two rows differ: its name, and both values.
fn difference<T: Fields>(old: &T, new: &T) -> (&'static str, String, String) {
    let shown = |value: Option<&str>| value.map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"));
    let pairs = old.fields().into_iter().zip(new.fields());
    let found = pairs.into_iter().find(|((_, old), (_, new))| old != new);
    found.map_or_else(Default::default, |((name, old), (_, new))| (name, shown(old), shown(new)))
}

/// Rows by key; the latest one is kept.
#[derive(Debug)]
pub(super) struct Ledger<K, T> {
    entries: BTreeMap<K, (i64, RowRef, T)>,
}

impl<K, T> Default for Ledger<K, T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<K: Ord + Clone + std::fmt::Display, T: PartialEq + Fields> Ledger<K, T> {
    /// Adds a row with its time (milliseconds; zero if the endpoint gives none) and counts it. Of two rows of one time,
    /// that of the later file holds, as far as names say it.
    ///
    /// # Errors
    /// [`Invalid`] if two rows with the same key and time differ: neither is the later one.
    pub fn put(&mut self, key: K, time: i64, place: RowRef, item: T, tally: &mut Tally) -> Result<()> {
        match self.entries.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert((time, place, item));
                tally.used(place);
            }
            Entry::Occupied(mut entry) => {
                let (old_time, old_place, old) = entry.get();
                let (old_time, old_place) = (*old_time, *old_place);
                if *old == item {
                    tally.aside(place, SetAsideReason::Duplicate);
                    entry.get_mut().0 = old_time.max(time);
                    return Ok(());
                }
                let by_time = Some(time.cmp(&old_time)).filter(|order| order.is_ne());
                let order = by_time.or_else(|| tally.order_by_name(place, old_place));
                let Some(order) = order else {
                    let (field, was, is) = difference(old, &item);
                    let (file, old_file) = (&tally.files[place.file].path, &tally.files[old_place.file].path);
                    return Err(Invalid::new("two rows contradict each other, and neither is the later one")
                        .file(file)
                        .row(place.row)
                        .column(field)
                        .value(format!("{is} for `{}`", entry.key()))
                        .expected(format!("{was}, as in row {} of `{}`", old_place.row, old_file.display()))
                        .hint(
                            "remove the earlier file, or give both a name that differs in a date or time alone: the \
                             later one holds",
                        )
                        .into());
                };
                if by_time.is_none() {
                    let (later, earlier) = if order.is_gt() { (place, old_place) } else { (old_place, place) };
                    *tally.by_name.entry((later.file, earlier.file)).or_default() += 1;
                }
                if order.is_gt() {
                    tally.take_back(old_place, SetAsideReason::Superseded);
                    tally.used(place);
                    entry.insert((time, place, item));
                } else {
                    tally.aside(place, SetAsideReason::Superseded);
                }
            }
        }
        Ok(())
    }
}

impl<K: Ord + Clone, T> Ledger<K, T> {
    /// Sets rows aside that were counted as used.
    pub fn set_aside(&mut self, why: SetAsideReason, tally: &mut Tally, is_gone: impl Fn(&T) -> bool) {
        self.entries.retain(|_, (_, place, item)| {
            let gone = is_gone(item);
            if gone {
                tally.take_back(*place, why);
            }
            !gone
        });
    }

    /// A row and its time; zero if the endpoint gives none.
    pub fn timed(&self, key: &K) -> Option<(i64, &T)> {
        self.entries.get(key).map(|(time, _, item)| (*time, item))
    }

    pub fn get(&self, key: &K) -> Option<&T> {
        self.entries.get(key).map(|(_, _, item)| item)
    }

    /// Keys and rows with their times, in order of the keys.
    pub fn iter_timed(&self) -> impl Iterator<Item = (&K, (i64, &T))> {
        self.entries.iter().map(|(key, (time, _, item))| (key, (*time, item)))
    }

    /// Keys and rows, in order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &T)> {
        self.entries.iter().map(|(key, (_, _, item))| (key, item))
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
