//! Accounts of two sides beside one another, compared in pieces on all threads and written in order.

use super::by_group::Membership;
use super::change::{Change, UnitFigures};
use super::stats::Stats;
use super::tables::changes_batch;
use crate::book::IdTable;
use crate::engine::CHUNK_ACCOUNTS;
use crate::progress::Progress;
use crate::publish::OutputFile;
use crate::tables::encode::{Encoded, Encoder, TableFile};
use crate::{Result, parallel};
use std::cmp::Ordering;
use std::ops::Range;

/// Accounts whose margins in all states are in memory at once.
const BLOCK_ACCOUNTS: usize = 512;

/// The accounts of both sides in byte order of their ids, each once.
pub(super) struct Pairs<'a> {
    ids: [&'a IdTable; 2],
    list: Vec<[Option<u32>; 2]>,
}

impl<'a> Pairs<'a> {
    /// Puts two ascending lists side by side; `left_out` are not compared.
    pub fn new(a: &'a IdTable, b: &'a IdTable, left_out: impl Fn(&str) -> bool) -> Self {
        let mut list = Vec::with_capacity(a.len().max(b.len()));
        let (mut in_a, mut in_b) = (0, 0);
        while in_a < a.len() || in_b < b.len() {
            let order = match (in_a < a.len(), in_b < b.len()) {
                (true, true) => a.get(in_a).cmp(b.get(in_b)),
                (true, false) => Ordering::Less,
                _ => Ordering::Greater,
            };
            let id = if order.is_gt() { b.get(in_b) } else { a.get(in_a) };
            if !left_out(id) {
                list.push([order.is_le().then_some(in_a as u32), order.is_ge().then_some(in_b as u32)]);
            }
            in_a += usize::from(order.is_le());
            in_b += usize::from(order.is_ge());
        }
        Self { ids: [a, b], list }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn id(&self, pair: usize) -> &'a str {
        match self.list[pair] {
            [Some(account), _] => self.ids[0].get(account as usize),
            [None, Some(account)] => self.ids[1].get(account as usize),
            [None, None] => "",
        }
    }

    /// The numbers of an account in A and in B.
    pub fn get(&self, pair: usize) -> [Option<usize>; 2] {
        self.list[pair].map(|account| account.map(|account| account as usize))
    }

    /// The accounts of one side, 0 or 1, among some pairs.
    pub fn of(&self, side: usize, pairs: &Range<usize>) -> impl Iterator<Item = usize> + '_ {
        self.list[pairs.clone()].iter().filter_map(move |pair| pair[side]).map(|account| account as usize)
    }

    /// From the first of these accounts to the last. What is left out may lie between them.
    pub fn span(&self, side: usize, pairs: &Range<usize>) -> Range<usize> {
        let ends = self.of(side, pairs).fold(None, |ends: Option<(usize, usize)>, account| {
            Some((ends.map_or(account, |(first, _)| first), account))
        });
        ends.map_or(0..0, |(first, last)| first..last + 1)
    }
}

/// Some consecutive pairs, compared.
pub(super) struct Slice {
    /// One entry a pair.
    pub changes: Vec<Change>,
    /// Risk units in A, after each cause if they are told apart, and in B.
    pub units: Vec<Vec<UnitFigures>>,
}

/// Some consecutive pairs, ready to be appended.
pub(super) struct Part {
    stats: Stats,
    changes: Option<Encoded>,
}

/// Compares pieces of pairs; shared by all threads.
pub(super) struct Comparer<'a> {
    /// Number of rows of `unit_changes`.
    units: usize,
    /// Of the table `changes`, if it is written.
    encoder: Option<Encoder>,
    with_why: bool,
    /// The groups of the accounts, if both runs have groups.
    members: Option<&'a Membership<'a>>,
    progress: &'a dyn Progress,
}

/// The statistics of all pairs and, if it is written, the table `changes`.
pub(super) struct Compared {
    stats: Stats,
    file: Option<TableFile>,
}

/// To compare pairs, and what comes out.
pub(super) fn start<'a>(
    units: usize,
    table: Option<(Encoder, TableFile)>,
    with_why: bool,
    members: Option<&'a Membership<'a>>,
    progress: &'a dyn Progress,
) -> (Comparer<'a>, Compared) {
    let (encoder, file) = table.unzip();
    (Comparer { units, encoder, with_why, members, progress }, Compared { stats: Stats::new(units), file })
}

impl Comparer<'_> {
    /// Compares a piece of the pairs: not more than make a row group.
    pub fn part(
        &self,
        pairs: &Pairs,
        piece: Range<usize>,
        compute: impl Fn(Range<usize>) -> Result<Slice>,
    ) -> Result<Part> {
        let mut stats = Stats::new(self.units);
        let mut changes = Vec::new();
        for start in piece.clone().step_by(BLOCK_ACCOUNTS) {
            self.progress.check()?;
            let block = start..piece.end.min(start + BLOCK_ACCOUNTS);
            let slice = compute(block.clone())?;
            stats.add(&slice.changes, |at| pairs.id(start + at));
            stats.add_units(&slice.units);
            if let Some(members) = self.members {
                let changes = slice.changes.iter().enumerate();
                changes.for_each(|(at, change)| stats.groups.add(members, pairs.id(start + at), change));
            }
            if self.encoder.is_some() {
                changes.extend(slice.changes);
            }
            self.progress.advance(block.len() as u64);
        }
        let batch = |encoder: &Encoder| {
            encoder.encode(&changes_batch(&changes, |row| pairs.id(piece.start + row), self.with_why)?)
        };
        Ok(Part { stats, changes: self.encoder.as_ref().map(batch).transpose()? })
    }
}

impl Compared {
    /// Adds the pairs that follow.
    pub fn add(&mut self, part: Part) -> Result<()> {
        self.stats.merge(part.stats);
        match (&mut self.file, part.changes) {
            (Some(file), Some(changes)) => file.append(changes),
            _ => Ok(()),
        }
    }

    /// The statistics and the finished table.
    pub fn finish(mut self) -> Result<(Stats, Option<OutputFile>)> {
        self.stats.sort_breaches();
        Ok((self.stats, self.file.map(TableFile::finish).transpose()?))
    }
}

/// Compares all pairs of what is in memory.
pub(super) fn run(
    pairs: &Pairs,
    compute: impl Fn(Range<usize>) -> Result<Slice> + Sync,
    (comparer, mut compared): (Comparer, Compared),
) -> Result<(Stats, Option<OutputFile>)> {
    let part = |task: usize| {
        comparer.part(pairs, task * CHUNK_ACCOUNTS..pairs.len().min((task + 1) * CHUNK_ACCOUNTS), &compute)
    };
    let (tasks, window) = (pairs.len().div_ceil(CHUNK_ACCOUNTS), rayon::current_num_threads() * 2);
    parallel::in_order(tasks, window, part, |part| compared.add(part))?;
    compared.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_side_by_side() {
        let a: IdTable = ["a", "b", "d", "x"].into_iter().collect();
        let b: IdTable = ["b", "c", "d", "e", "x"].into_iter().collect();
        let pairs = Pairs::new(&a, &b, |id| id == "d");
        let ids: Vec<&str> = (0..pairs.len()).map(|pair| pairs.id(pair)).collect();
        assert_eq!(ids, ["a", "b", "c", "e", "x"]);
        let found: Vec<_> = (0..pairs.len()).map(|pair| pairs.get(pair)).collect();
        let expected = [[Some(0), None], [Some(1), Some(0)], [None, Some(1)], [None, Some(3)], [Some(3), Some(4)]];
        assert_eq!(found, expected);
        assert_eq!((pairs.span(0, &(0..5)), pairs.span(1, &(0..5))), (0..4, 0..5));
        assert_eq!((pairs.span(0, &(2..4)), pairs.span(1, &(0..1))), (0..0, 0..0));
        assert_eq!(pairs.of(1, &(1..4)).collect::<Vec<_>>(), [0, 1, 3]);
    }
}
