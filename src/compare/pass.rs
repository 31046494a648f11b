//! Accounts of two sides beside one another, compared in pieces on all threads and written in order.

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

struct Part {
    stats: Stats,
    changes: Option<Encoded>,
}

/// Compares all pairs: the statistics and, if it is written, the finished table `changes`.
pub(super) fn run(
    pairs: &Pairs,
    compute: impl Fn(Range<usize>) -> Result<Slice> + Sync,
    units: usize,
    table: Option<(Encoder, TableFile)>,
    with_why: bool,
    progress: &dyn Progress,
) -> Result<(Stats, Option<OutputFile>)> {
    let (encoder, mut file) = table.unzip();
    let mut all = Stats::new(units);
    let part = |task: usize| {
        let piece = task * CHUNK_ACCOUNTS..pairs.len().min((task + 1) * CHUNK_ACCOUNTS);
        let mut stats = Stats::new(units);
        let mut changes = Vec::with_capacity(piece.len());
        for start in piece.clone().step_by(BLOCK_ACCOUNTS) {
            progress.check()?;
            let block = start..piece.end.min(start + BLOCK_ACCOUNTS);
            let slice = compute(block.clone())?;
            stats.add(&slice.changes, |at| pairs.id(start + at));
            stats.add_units(&slice.units);
            if encoder.is_some() {
                changes.extend(slice.changes);
            }
            progress.advance(block.len() as u64);
        }
        let batch = |encoder: &Encoder| {
            let batch = changes_batch(&changes, |row| pairs.id(piece.start + row), with_why)?;
            encoder.encode(&batch)
        };
        Ok(Part { stats, changes: encoder.as_ref().map(batch).transpose()? })
    };
    parallel::in_order(pairs.len().div_ceil(CHUNK_ACCOUNTS), rayon::current_num_threads() * 2, part, |part: Part| {
        all.merge(part.stats);
        match (&mut file, part.changes) {
            (Some(file), Some(changes)) => file.append(changes),
            _ => Ok(()),
        }
    })?;
    all.sort_breaches();
    Ok((all, file.map(TableFile::finish).transpose()?))
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
