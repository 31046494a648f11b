//! Counts every row: used, or set aside for a reason. For each file, rows = used + set aside.

// Every index comes from the tally itself. A lookup with a fallback would hide a fault.
#![allow(clippy::indexing_slicing)]

use super::endpoint::Endpoint;
use super::files::Response;
use crate::{Invalid, Result};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

/// Why a row is not in the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetAsideReason {
    /// The whole file is not used.
    Refused,
    /// A spot or margin pair.
    SpotPair,
    /// An instrument type that is not margined.
    OtherType,
    /// Equal to another row.
    Duplicate,
    /// A later row replaces it.
    Superseded,
    /// An isolated position.
    Isolated,
    /// A margin position.
    MarginPosition,
    /// A position of zero.
    Closed,
    /// A price row without a price.
    NoPrice,
    /// An order without a limit price.
    MarketOrder,
    /// A filled or cancelled order.
    DoneOrder,
    /// Tiers of a margin pair.
    PairTiers,
    /// A response with computed margin, to compare with, not an input.
    Answer,
    /// An item without content.
    Nothing,
    /// A required field is missing or has the wrong type.
    Malformed,
}

impl SetAsideReason {
    /// All reasons, in order.
    pub const ALL: [Self; 15] = [
        Self::Refused,
        Self::SpotPair,
        Self::OtherType,
        Self::Duplicate,
        Self::Superseded,
        Self::Isolated,
        Self::MarginPosition,
        Self::Closed,
        Self::NoPrice,
        Self::MarketOrder,
        Self::DoneOrder,
        Self::PairTiers,
        Self::Answer,
        Self::Nothing,
        Self::Malformed,
    ];

    /// Its name in `import.json`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::SpotPair => "spot_pair",
            Self::OtherType => "other_type",
            Self::Duplicate => "duplicate",
            Self::Superseded => "superseded",
            Self::Isolated => "isolated",
            Self::MarginPosition => "margin_position",
            Self::Closed => "closed",
            Self::NoPrice => "no_price",
            Self::MarketOrder => "market_order",
            Self::DoneOrder => "done_order",
            Self::PairTiers => "pair_tiers",
            Self::Answer => "answer",
            Self::Nothing => "nothing",
            Self::Malformed => "malformed",
        }
    }

    /// Its meaning.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Refused => "the file has no data for a margin; its entry says why",
            Self::SpotPair => "a spot or margin pair is not a contract: coins are margined as balances",
            Self::OtherType => "not a SWAP, FUTURES or OPTION",
            Self::Duplicate => "the same as another row",
            Self::Superseded => "a later row, by its time, replaces it",
            Self::Isolated => "an isolated position or order has its own margin, outside the cash balance",
            Self::MarginPosition => "a margin (spot) position: its coins and debts are in the balances",
            Self::Closed => "a position of zero",
            Self::NoPrice => "a price row without a price",
            Self::MarketOrder => "an order without a limit price fills at once and is not pending",
            Self::DoneOrder => "a filled or cancelled order",
            Self::PairTiers => {
                "tiers of a margin pair; portfolio margin borrows by currency: \
                 public/position-tiers?instType=MARGIN&tdMode=cross&ccy=CCY"
            }
            Self::Answer => {
                "margin computed by the exchange for positions that are imported: compare it with `remargin reconcile`"
            }
            Self::Nothing => "an item without content",
            Self::Malformed => "a required field is missing or has the wrong type",
        }
    }
}

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

/// The counts of all files.
#[derive(Debug, Default)]
pub(super) struct Tally(pub Vec<FileCount>);

impl Tally {
    pub fn new(responses: &[Response]) -> Self {
        let count = |response: &Response| FileCount {
            path: response.path.clone(),
            endpoint: response.endpoint,
            rows: 0,
            used: 0,
            aside: BTreeMap::new(),
            malformed: Vec::new(),
        };
        Self(responses.iter().map(count).collect())
    }

    /// Rows of a file so far.
    pub fn rows(&self, file: usize) -> u64 {
        self.0[file].rows
    }

    /// Starts a new row of a file. The caller must count it as used or set aside.
    pub fn row(&mut self, file: usize) -> RowRef {
        self.0[file].rows += 1;
        RowRef { file, row: self.0[file].rows }
    }

    pub fn used(&mut self, place: RowRef) {
        self.0[place.file].used += 1;
    }

    pub fn aside(&mut self, place: RowRef, why: SetAsideReason) {
        *self.0[place.file].aside.entry(why).or_default() += 1;
    }

    pub fn malformed(&mut self, place: RowRef, problem: String) {
        self.aside(place, SetAsideReason::Malformed);
        let told = &mut self.0[place.file].malformed;
        if told.len() < MOST_LISTED {
            told.push((place.row, problem));
        }
    }

    /// A later row replaces a row that was counted as used.
    fn replace(&mut self, place: RowRef) {
        self.0[place.file].used -= 1;
        self.aside(place, SetAsideReason::Superseded);
    }
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

impl<K: Ord + std::fmt::Debug, T: PartialEq> Ledger<K, T> {
    /// Adds a row with its time (milliseconds; zero if the endpoint gives none) and counts it.
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
                let old_place = *old_place;
                if *old == item {
                    tally.aside(place, SetAsideReason::Duplicate);
                    let latest = (*old_time).max(time);
                    entry.get_mut().0 = latest;
                } else if *old_time < time {
                    tally.replace(old_place);
                    tally.used(place);
                    entry.insert((time, place, item));
                } else if *old_time > time {
                    tally.aside(place, SetAsideReason::Superseded);
                } else {
                    let (file, old_file) = (&tally.0[place.file].path, &tally.0[old_place.file].path);
                    return Err(Invalid::new("two rows contradict each other, and neither is the later one")
                        .file(file)
                        .row(place.row)
                        .value(format!("{:?}", entry.key()))
                        .expected(format!("the same as row {} of `{}`", old_place.row, old_file.display()))
                        .hint("remove one of the files from the folder")
                        .into());
                }
            }
        }
        Ok(())
    }

    pub fn get(&self, key: &K) -> Option<&T> {
        self.entries.get(key).map(|(_, _, item)| item)
    }

    /// Keys and rows, in order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &T)> {
        self.entries.iter().map(|(key, (_, _, item))| (key, item))
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
