//! Tables in memory: decoded once, in whatever order their rows are, and found again by account.
//!
//! ```text
//! row groups, batches  -- decoded -->  runs of rows of one account  -- counting sort -->  runs of each account
//! ```

use super::decode::{Decoder, NumberedBalances, Rows};
use super::lane::Group;
use super::merge::Gathered;
use super::piece::{Ranges, Slices};
use super::{OF_ACCOUNTS, Origin};
use crate::Result;
use crate::formats::scan::scan;
use crate::snapshot::accounts::orders::Orders;
use crate::snapshot::accounts::positions::Positions;
use crate::snapshot::accounts::{AccountNumbers, Settings};
use crate::snapshot::schema::Table;
use rayon::prelude::*;
use std::sync::Arc;

/// The tables of accounts, decoded, and where each account's rows are in them.
pub(super) struct Held {
    accounts: usize,
    positions: HeldTable<Positions>,
    balances: HeldTable<NumberedBalances>,
    settings: HeldTable<Settings>,
    orders: HeldTable<Orders>,
    pub gathered: Gathered,
    /// Rows of each file of each table; `None` for a table that is not there.
    pub file_rows: [Option<Vec<u64>>; 4],
}

impl Held {
    /// Reads the tables.
    pub fn read(origin: &Origin, decoder: &Decoder) -> Result<Self> {
        let mut numbers = AccountNumbers::default();
        let mut gathered = Gathered::default();
        let mut file_rows = [const { None }; 4];
        let mut reading = Reading { origin, decoder, numbers: &mut numbers, file_rows: &mut file_rows };
        let balances = reading.table(1, |group| gathered.see_balances(group))?;
        let positions = reading.table(0, |group| gathered.see(0, group))?;
        let settings = reading.table(2, |group| gathered.see(2, group))?;
        let orders = reading.table(3, |group| gathered.see(3, group))?;
        let rank = ranks(&numbers);
        let accounts = rank.len();
        let ((positions, balances), (settings, orders)) = rayon::join(
            || rayon::join(|| positions.index(&rank), || balances.index(&rank)),
            || rayon::join(|| settings.index(&rank), || orders.index(&rank)),
        );
        Ok(Self { accounts, positions, balances, settings, orders, gathered, file_rows })
    }

    /// So many accounts from number `first` on, in byte order of their ids; `None` behind the last.
    pub fn ranges(&self, first: usize, accounts: usize) -> Option<Ranges> {
        let range = first..self.accounts.min(first.saturating_add(accounts));
        if range.is_empty() {
            return None;
        }
        let mut ranges = Ranges::default();
        for account in range {
            let runs = [
                self.positions.take(account, &mut ranges.positions),
                self.balances.take(account, &mut ranges.balances),
                self.settings.take(account, &mut ranges.settings),
                self.orders.take(account, &mut ranges.orders),
            ];
            ranges.runs.push(runs);
        }
        Some(ranges)
    }
}

/// The place of each account, by its number, in byte order of the ids.
fn ranks(numbers: &AccountNumbers) -> Vec<u32> {
    let ids = numbers.ids();
    let mut order: Vec<u32> = (0..ids.len() as u32).collect();
    let by_id = |a: &u32, b: &u32| ids.get(*a as usize).cmp(ids.get(*b as usize));
    if !order.is_sorted_by(|a, b| by_id(a, b).is_lt()) {
        order.par_sort_unstable_by(by_id);
    }
    let mut ranks = vec![0; order.len()];
    for (rank, &number) in (0..).zip(&order) {
        ranks[number as usize] = rank;
    }
    ranks
}

struct Reading<'a> {
    origin: &'a Origin,
    decoder: &'a Decoder<'a>,
    numbers: &'a mut AccountNumbers,
    file_rows: &'a mut [Option<Vec<u64>>; 4],
}

/// A part of a table that is being decoded.
#[derive(Default)]
struct Local<R> {
    rows: R,
    end_row: u64,
}

impl Reading<'_> {
    /// A table by its place among [`OF_ACCOUNTS`].
    fn table<R: Rows + 'static>(&mut self, place: usize, mut see: impl FnMut(&Group<R>)) -> Result<Unordered<R>> {
        let table: Table = OF_ACCOUNTS[place];
        let mut read = Unordered { groups: Vec::new(), numbers: Vec::new() };
        let Some(opened) = self.origin.open(table, self.decoder.groups)? else { return Ok(read) };
        let (decoder, numbers) = (self.decoder, &mut *self.numbers);
        let rows = scan(
            opened,
            decoder.progress,
            |local: &mut Local<R>, batch| {
                local.end_row = batch.first_row + batch.rows as u64;
                local.rows.read(batch, decoder)
            },
            |local| {
                let group = Group::new(local.rows, local.end_row, decoder);
                see(&group);
                read.numbers.push(numbers.translate(group.rows.runs())?);
                read.groups.push(Arc::new(group));
                Ok(())
            },
        )?;
        self.file_rows[place] = Some(rows);
        Ok(read)
    }
}

/// A table, and the account number of each run of each group.
struct Unordered<R> {
    groups: Vec<Arc<Group<R>>>,
    numbers: Vec<Vec<u32>>,
}

impl<R> Unordered<R> {
    /// Finds the runs of each account: a counting sort, which keeps the order of rows.
    fn index(self, rank: &[u32]) -> HeldTable<R> {
        let place = |number: u32| rank[number as usize] as usize;
        let mut starts = vec![0usize; rank.len() + 1];
        for &number in self.numbers.iter().flatten() {
            starts[place(number) + 1] += 1;
        }
        for account in 0..rank.len() {
            starts[account + 1] += starts[account];
        }
        let mut next = starts.clone();
        let mut runs = vec![(0, 0); starts[rank.len()]];
        for (group, numbers) in (0..).zip(self.numbers) {
            for (run, number) in (0..).zip(numbers) {
                let slot = &mut next[place(number)];
                runs[*slot] = (group, run);
                *slot += 1;
            }
        }
        HeldTable { groups: self.groups, starts, runs }
    }
}

struct HeldTable<R> {
    groups: Vec<Arc<Group<R>>>,
    /// The runs of account `i` are those from `starts[i]` to `starts[i + 1]`.
    starts: Vec<usize>,
    /// Group and run in it.
    runs: Vec<(u32, u32)>,
}

impl<R: Rows> HeldTable<R> {
    /// Adds the runs of an account, and returns how many they are.
    fn take(&self, account: usize, slices: &mut Slices<R>) -> u32 {
        let runs = &self.runs[self.starts[account]..self.starts[account + 1]];
        for &(group, run) in runs {
            slices.push(&self.groups[group as usize], run as usize);
        }
        runs.len() as u32
    }
}
