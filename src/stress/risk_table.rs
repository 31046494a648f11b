//! The table `at_risk` of a stress: by scenario, in it the worst first.
//!
//! ```text
//! a piece in a scenario      -> its rows at risk, in order of the book      64 bytes each
//! all pieces of a pass       -> the order of each scenario's rows           all threads, a scenario each
//! the rows, one after another, in that order -> row groups                  all threads, a row group each
//! ```
//!
//! Rows are never copied: they are read where the piece has left them. What does not fill a row group waits for the
//! scenarios of the next pass, so that the bytes do not depend on the passes.

use crate::book::Book;
use crate::parallel::in_order;
use crate::publish::OutputFile;
use crate::source::Format;
use crate::tables::at_risk::{AT_RISK, Named, Row, batch_of};
use crate::tables::encode::{Encoder, GROUP_ROWS, TableFile, create};
use crate::totals::at_risk::{AtRisk, Names, RiskRow};
use crate::totals::reach::Reach;
use crate::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;

/// Bytes of a row that is kept: itself, and its place in the order.
pub(super) const ROW_BYTES: u64 = (size_of::<RiskRow>() + size_of::<Spot>()) as u64;

/// Where a row is: number of the list, and its place in it.
type Spot = (u32, u32);

/// The rows of a scenario, a list for each piece, all in order of the book.
#[derive(Default)]
pub(super) struct RiskLists(Vec<Vec<RiskRow>>);

impl RiskLists {
    /// Adds the rows of a piece.
    pub fn add(&mut self, rows: Vec<RiskRow>) {
        if !rows.is_empty() {
            self.0.push(rows);
        }
    }

    /// Takes over the lists of the accounts that follow.
    pub fn append(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Puts the rows in order.
    fn sorted(self, scenario: usize) -> Result<Sorted> {
        let too_many = |_| Error::Runtime("more rows at risk in a scenario than can be numbered".to_owned());
        let mut keys = Vec::with_capacity(self.len());
        for (list, rows) in self.0.iter().enumerate() {
            let list = u32::try_from(list).map_err(too_many)?;
            u32::try_from(rows.len()).map_err(too_many)?;
            keys.extend(rows.iter().enumerate().map(|(place, row)| (row.order(), (list, place as u32))));
        }
        // Lists and places ascend with the account: of equal ratios the first in the book comes first.
        keys.sort_unstable();
        Ok(Sorted { scenario, order: keys.iter().map(|(_, spot)| *spot).collect(), lists: self.0 })
    }
}

/// The rows of a scenario, of which those of `order` are to be written.
struct Sorted {
    scenario: usize,
    order: Vec<Spot>,
    lists: Vec<Vec<RiskRow>>,
}

impl Sorted {
    /// The last rows, copied: nothing else of the scenario stays in memory.
    fn last(&self, rows: usize) -> Self {
        let first = self.order.len().saturating_sub(rows);
        let spots = self.order.iter().skip(first);
        let rows: Vec<RiskRow> = spots.filter_map(|&spot| self.row(spot).copied()).collect();
        Self {
            scenario: self.scenario,
            order: (0..rows.len() as u32).map(|place| (0, place)).collect(),
            lists: vec![rows],
        }
    }

    fn row(&self, (list, place): Spot) -> Option<&RiskRow> {
        self.lists.get(list as usize)?.get(place as usize)
    }
}

/// The table while it is written, pass by pass.
pub(super) struct RiskTable<'a> {
    encoder: Encoder,
    file: TableFile,
    named: Named<'a>,
    /// What was found of all coins in the base case: number of the account, ascending.
    reaches: Vec<(usize, Box<[Reach; 2]>)>,
    /// Rows that did not fill a row group.
    left: Vec<Sorted>,
}

impl<'a> RiskTable<'a> {
    /// Starts the table; `base` are the rows of the base case, with what was searched.
    ///
    /// # Errors
    /// Those of [`create`].
    pub fn create(folder: &Path, format: Format, book: &'a Book, names: Names<'a>, base: Vec<AtRisk>) -> Result<Self> {
        let (encoder, file) = create(folder, &AT_RISK, format)?;
        let mut reaches: Vec<_> =
            base.into_iter().filter_map(|row| row.all_coins.map(|reach| (row.account, reach))).collect();
        reaches.sort_unstable_by_key(|(account, _)| *account);
        Ok(Self { encoder, file, named: Named { book, names }, reaches, left: Vec::new() })
    }

    /// Adds the rows of the scenarios that follow, the first of which is number `first`.
    ///
    /// # Errors
    /// Those of writing.
    pub fn add(&mut self, first: usize, scenarios: Vec<RiskLists>) -> Result<()> {
        let sorted = scenarios.into_par_iter().enumerate().map(|(place, lists)| lists.sorted(first + place));
        let mut all = std::mem::take(&mut self.left);
        all.extend(sorted.collect::<Result<Vec<_>>>()?);
        let rows: usize = all.iter().map(|sorted| sorted.order.len()).sum();
        let groups = rows / GROUP_ROWS;
        self.write(&all, groups, rows)?;
        let mut waiting = rows - groups * GROUP_ROWS;
        for sorted in all.iter().rev() {
            if waiting == 0 {
                break;
            }
            let of_it = waiting.min(sorted.order.len());
            self.left.push(sorted.last(of_it));
            waiting -= of_it;
        }
        self.left.reverse();
        Ok(())
    }

    /// Writes the first row groups of these rows.
    fn write(&mut self, all: &[Sorted], groups: usize, rows: usize) -> Result<()> {
        let ends: Vec<usize> = all
            .iter()
            .scan(0, |end, sorted| {
                *end += sorted.order.len();
                Some(*end)
            })
            .collect();
        let Self { encoder, file, named, reaches, .. } = self;
        let encode = |group: usize| {
            let range = group * GROUP_ROWS..rows.min((group + 1) * GROUP_ROWS);
            encoder.encode(&batch_of(&rows_of(all, &ends, range, (named, reaches)))?)
        };
        in_order(groups, rayon::current_num_threads(), encode, |encoded| file.append(encoded))
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> Result<OutputFile> {
        let all = std::mem::take(&mut self.left);
        let rows = all.iter().map(|sorted| sorted.order.len()).sum();
        self.write(&all, 1, rows)?;
        self.file.finish()
    }
}

/// Reaches of the rows of the base case that have them, by the places of the rows.
type Reaches = [(usize, Box<[Reach; 2]>)];

/// A range of the rows of all scenarios, one after another; `ends` says where each scenario ends.
fn rows_of<'r>(
    all: &'r [Sorted],
    ends: &[usize],
    range: Range<usize>,
    (named, reaches): (&'r Named<'r>, &'r Reaches),
) -> Vec<Row<'r>> {
    let mut rows = Vec::with_capacity(range.len());
    let first = ends.partition_point(|&end| end <= range.start);
    for (sorted, &end) in all.iter().zip(ends).skip(first) {
        if rows.len() == range.len() {
            break;
        }
        let begin = (range.start + rows.len()) - (end - sorted.order.len());
        let spots = sorted.order.iter().skip(begin).take(range.len() - rows.len());
        rows.extend(spots.filter_map(|&spot| sorted.row(spot)).map(|found| Row {
            found,
            scenario: sorted.scenario,
            all_coins: if sorted.scenario == 0 { reach_of(reaches, found.account) } else { None },
            named,
        }));
    }
    rows
}

fn reach_of(reaches: &[(usize, Box<[Reach; 2]>)], account: usize) -> Option<&[Reach; 2]> {
    let place = reaches.binary_search_by_key(&account, |(account, _)| *account).ok()?;
    reaches.get(place).map(|(_, reach)| &**reach)
}
