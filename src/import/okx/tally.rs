//! What became of every row: used, or set aside for a reason. Rows in = used + set aside, file by file.

// Indices are numbers that were handed out here; to look each up would hide a fault and cost the hot loop.
#![allow(clippy::indexing_slicing)]

use super::endpoint::Endpoint;
use super::files::Response;
use crate::{Invalid, Result};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

/// Why a row is not in the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aside {
    /// Its whole file is of no use here.
    Refused,
    /// A spot or margin pair.
    SpotPair,
    /// A kind of instrument that is not margined.
    OtherType,
    /// It says what another row says.
    Duplicate,
    /// A later row says something else.
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
    /// An answer to compare with, not an input.
    Answer,
    /// A wrapper without items.
    Nothing,
    /// A needed field is missing, or no text.
    Malformed,
}

impl Aside {
    /// All of them, in order.
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

    /// What it means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Refused => "the file is of no use for a margin; its entry says why",
            Self::SpotPair => "a spot or margin pair is no contract: coins are margined as balances",
            Self::OtherType => "neither SWAP, FUTURES nor OPTION",
            Self::Duplicate => "the same as another row",
            Self::Superseded => "a later row, by its time, replaces it",
            Self::Isolated => "isolated: margined by itself, its margin is outside the cash balance",
            Self::MarginPosition => "a margin (spot) position: its coins and debts are in the balances",
            Self::Closed => "a position of zero",
            Self::NoPrice => "a row for a price that holds none",
            Self::MarketOrder => "an order without a limit price fills at once and freezes nothing lasting",
            Self::DoneOrder => "an order that is filled or cancelled",
            Self::PairTiers => {
                "tiers of a margin pair; portfolio margin borrows by currency: \
                 public/position-tiers?instType=MARGIN&tdMode=cross&ccy=CCY"
            }
            Self::Answer => {
                "an answer of the exchange about positions that are here themselves: compare it by reconcile"
            }
            Self::Nothing => "an item with nothing in it",
            Self::Malformed => "a needed field is missing or of the wrong kind",
        }
    }
}

/// A row: its file and its number there, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub file: usize,
    pub row: u64,
}

/// The count of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCount {
    /// Relative to the folder.
    pub path: PathBuf,
    /// What it answers.
    pub endpoint: Endpoint,
    /// Rows that it holds; of nested answers, the innermost ones.
    pub rows: u64,
    /// Rows that are in the snapshot.
    pub used: u64,
    /// Rows that are not.
    pub aside: BTreeMap<Aside, u64>,
    /// The first few malformed rows: number and problem.
    pub malformed: Vec<(u64, String)>,
}

/// Malformed rows of a file that are told one by one.
const TOLD: usize = 5;

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

    /// A new row of a file. Its fate must follow.
    pub fn row(&mut self, file: usize) -> Place {
        self.0[file].rows += 1;
        Place { file, row: self.0[file].rows }
    }

    pub fn used(&mut self, place: Place) {
        self.0[place.file].used += 1;
    }

    pub fn aside(&mut self, place: Place, why: Aside) {
        *self.0[place.file].aside.entry(why).or_default() += 1;
    }

    pub fn malformed(&mut self, place: Place, problem: String) {
        self.aside(place, Aside::Malformed);
        let told = &mut self.0[place.file].malformed;
        if told.len() < TOLD {
            told.push((place.row, problem));
        }
    }

    /// A row that was used is replaced after all.
    fn replace(&mut self, place: Place) {
        self.0[place.file].used -= 1;
        self.aside(place, Aside::Superseded);
    }
}

/// Rows by key, of which the latest holds.
#[derive(Debug)]
pub(super) struct Ledger<K, T> {
    entries: BTreeMap<K, (i64, Place, T)>,
}

impl<K, T> Default for Ledger<K, T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<K: Ord + std::fmt::Debug, T: PartialEq> Ledger<K, T> {
    /// Adds a row of a time (milliseconds; zero where its endpoint gives none) and counts it.
    ///
    /// # Errors
    /// [`Invalid`] where two rows of one key and time say different things: no one can tell which holds.
    pub fn put(&mut self, key: K, time: i64, place: Place, item: T, tally: &mut Tally) -> Result<()> {
        match self.entries.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert((time, place, item));
                tally.used(place);
            }
            Entry::Occupied(mut entry) => {
                let (old_time, old_place, old) = entry.get();
                let old_place = *old_place;
                if *old == item {
                    tally.aside(place, Aside::Duplicate);
                    let latest = (*old_time).max(time);
                    entry.get_mut().0 = latest;
                } else if *old_time < time {
                    tally.replace(old_place);
                    tally.used(place);
                    entry.insert((time, place, item));
                } else if *old_time > time {
                    tally.aside(place, Aside::Superseded);
                } else {
                    let (file, old_file) = (&tally.0[place.file].path, &tally.0[old_place.file].path);
                    return Err(Invalid::new("two rows contradict each other, and neither is the later one")
                        .file(file)
                        .row(place.row)
                        .value(format!("{:?}", entry.key()))
                        .expected(format!("the same as row {} of `{}`", old_place.row, old_file.display()))
                        .hint("take one of the files out of the folder")
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
