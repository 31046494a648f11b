//! From rows in any order to a [`Book`]: a counting sort by account, then the canonical order inside each account.

use super::{Book, IdTable, broken};
use crate::Result;
use crate::margin::account::{Order, Traded};
use crate::margin::rules::SpotOffset;
use rayon::prelude::*;

/// Position rows as they were read: one entry a row, accounts by their number in the interner.
#[derive(Debug, Clone, Default)]
pub struct PositionRows {
    /// Number of the account.
    pub account: Vec<u32>,
    /// Index into [`Market::instruments`](crate::market::Market::instruments).
    pub instrument: Vec<u32>,
    /// Signed contracts.
    pub qty: Vec<f64>,
    /// Average entry price.
    pub avg_px: Vec<f64>,
}

/// Balance rows as they were read. No account has a currency twice.
#[derive(Debug, Clone, Default)]
pub struct BalanceRows {
    /// Number of the account.
    pub account: Vec<u32>,
    /// Index into [`Market::currencies`](crate::market::Market::currencies).
    pub ccy: Vec<u32>,
    /// Signed cash.
    pub cash: Vec<f64>,
    /// Accrued interest, zero if absent.
    pub interest: Vec<f64>,
    /// Limit of spot in use, infinity if absent.
    pub spot_in_use_cap: Vec<f64>,
    /// Whether it may not back new orders; may be empty, if all may.
    pub restricted: Vec<bool>,
}

/// Pending orders as they were read.
#[derive(Debug, Clone, Default)]
pub struct OrderRows {
    /// Number of the account.
    pub account: Vec<u32>,
    /// The order.
    pub order: Vec<Order>,
}

/// Where each input row goes: rows of account rank `r` fill `start[r]..start[r + 1]`.
struct Placement {
    start: Vec<usize>,
    /// Rank of each account number, `u32::MAX` for the accounts that are left out.
    rank: Vec<u32>,
}

const LEFT_OUT: u32 = u32::MAX;

impl Placement {
    fn new(rank: Vec<u32>, ranks: usize, accounts: &[u32]) -> Self {
        let mut start = vec![0usize; ranks + 1];
        for &account in accounts {
            let rank = rank[account as usize];
            if rank != LEFT_OUT {
                start[rank as usize + 1] += 1;
            }
        }
        for index in 0..ranks {
            start[index + 1] += start[index];
        }
        Self { start, rank }
    }

    /// Scatters one column to its place; columns go one after another so that only one is ever held twice.
    fn scatter<T: Copy + Default>(&self, accounts: &[u32], column: Vec<T>) -> Vec<T> {
        self.scatter_over(T::default(), accounts, column)
    }

    /// As [`Placement::scatter`]; `filler` is what stands in each place before.
    fn scatter_over<T: Copy>(&self, filler: T, accounts: &[u32], column: Vec<T>) -> Vec<T> {
        let mut next = self.start.clone();
        let mut placed = vec![filler; *self.start.last().unwrap_or(&0)];
        for (&account, value) in accounts.iter().zip(column) {
            let rank = self.rank[account as usize];
            if rank != LEFT_OUT {
                let slot = &mut next[rank as usize];
                placed[*slot] = value;
                *slot += 1;
            }
        }
        placed
    }
}

impl Book {
    /// Builds the book of all accounts in `ids` for which `left_out` is false.
    ///
    /// `spot_offset` and `left_out` have one entry an id; the columns of each kind of rows have one entry a row.
    ///
    /// # Errors
    /// If columns are not so long, if a row has an account that is not in `ids`, if an id is there twice among the
    /// accounts that stay, or a currency in one of them, or if a number of theirs is not finite.
    pub fn from_rows(
        ids: &IdTable,
        spot_offset: &[SpotOffset],
        left_out: &[bool],
        positions: PositionRows,
        balances: BalanceRows,
        orders: OrderRows,
    ) -> Result<Self> {
        if spot_offset.len() != ids.len() || left_out.len() != ids.len() {
            return Err(broken("a list of accounts is not as long as the ids"));
        }
        for (account, columns) in [
            (&positions.account, &[positions.instrument.len(), positions.qty.len(), positions.avg_px.len()][..]),
            (&balances.account, &[balances.ccy.len(), balances.cash.len(), balances.interest.len()]),
            (&balances.account, &[balances.spot_in_use_cap.len()]),
            (&orders.account, &[orders.order.len()]),
        ] {
            if columns.iter().any(|&rows| rows != account.len()) {
                return Err(broken("columns are not of one length"));
            }
            if account.iter().any(|&account| account as usize >= ids.len()) {
                return Err(broken("a row is of no account"));
            }
        }
        if ![0, balances.account.len()].contains(&balances.restricted.len()) {
            return Err(broken("columns are not of one length"));
        }
        let mut order: Vec<u32> = (0..ids.len() as u32).filter(|&number| !left_out[number as usize]).collect();
        let by_id = |a: &u32, b: &u32| ids.get(*a as usize).cmp(ids.get(*b as usize));
        if !order.is_sorted_by(|a, b| by_id(a, b).is_lt()) {
            order.par_sort_unstable_by(by_id);
        }
        let mut rank = vec![LEFT_OUT; ids.len()];
        for (place, &number) in order.iter().enumerate() {
            rank[number as usize] = place as u32;
        }

        let placement = Placement::new(rank, order.len(), &positions.account);
        let mut book = Self {
            accounts: order.iter().map(|&number| ids.get(number as usize)).collect(),
            spot_offset: order.iter().map(|&number| spot_offset[number as usize]).collect(),
            instrument: placement.scatter(&positions.account, positions.instrument),
            qty: placement.scatter(&positions.account, positions.qty),
            avg_px: placement.scatter(&positions.account, positions.avg_px),
            ..Self::default()
        };
        let Placement { start, rank } = placement;
        book.position_start = start;
        drop(positions.account);

        let placement = Placement::new(rank, order.len(), &balances.account);
        book.ccy = placement.scatter(&balances.account, balances.ccy);
        book.cash = placement.scatter(&balances.account, balances.cash);
        book.interest = placement.scatter(&balances.account, balances.interest);
        book.spot_in_use_cap = placement.scatter(&balances.account, balances.spot_in_use_cap);
        if balances.restricted.contains(&true) {
            book.restricted = placement.scatter(&balances.account, balances.restricted);
        }
        let Placement { start, rank } = placement;
        book.balance_start = start;

        let placement = Placement::new(rank, order.len(), &orders.account);
        let filler = Order { traded: Traded::Contract(0), qty: 0.0, px: 0.0 };
        book.orders = placement.scatter_over(filler, &orders.account, orders.order);
        book.order_start = placement.start;
        book.check_lengths()?;
        book.sort_inside_accounts();
        book.checked()
    }

    fn sort_inside_accounts(&mut self) {
        let columns =
            PositionColumns { instrument: &mut self.instrument, qty: &mut self.qty, avg_px: &mut self.avg_px };
        columns.sort_accounts(&self.position_start);
        self.sort_balances();
        self.sort_orders();
    }

    /// As [`Book::sort_inside_accounts`], on one thread.
    pub(super) fn sort_each_account(&mut self) {
        let columns =
            PositionColumns { instrument: &mut self.instrument, qty: &mut self.qty, avg_px: &mut self.avg_px };
        columns.sort_each(&self.position_start);
        self.sort_balances();
        self.sort_orders();
    }

    fn sort_orders(&mut self) {
        if self.orders.is_empty() {
            self.order_start.clear();
        }
        for bounds in self.order_start.windows(2) {
            self.orders[bounds[0]..bounds[1]].sort_unstable_by(Order::canonical);
        }
    }

    fn sort_balances(&mut self) {
        let mut scratch = Vec::new();
        for bounds in self.balance_start.windows(2) {
            let range = bounds[0]..bounds[1];
            if self.ccy[range.clone()].is_sorted() {
                continue;
            }
            scratch.clear();
            let restricted = |i: usize| self.restricted.get(i).copied().unwrap_or(false);
            scratch.extend(
                range
                    .clone()
                    .map(|i| (self.ccy[i], self.cash[i], self.interest[i], self.spot_in_use_cap[i], restricted(i))),
            );
            scratch.sort_unstable_by_key(|row| row.0);
            for (i, &(ccy, cash, interest, cap, restricted)) in range.zip(&scratch) {
                (self.ccy[i], self.cash[i], self.interest[i], self.spot_in_use_cap[i]) = (ccy, cash, interest, cap);
                if let Some(place) = self.restricted.get_mut(i) {
                    *place = restricted;
                }
            }
        }
    }
}

/// Buffers for a sort.
#[derive(Default)]
struct Scratch {
    keys: Vec<u64>,
    rows: Vec<(u32, f64, f64)>,
}

/// The position columns of consecutive accounts.
struct PositionColumns<'a> {
    instrument: &'a mut [u32],
    qty: &'a mut [f64],
    avg_px: &'a mut [f64],
}

impl PositionColumns<'_> {
    /// Sorts the rows inside each account; `start` has one entry more than there are accounts. Halves go to other
    /// threads until they are small.
    fn sort_accounts(self, start: &[usize]) {
        const SMALL: usize = 1 << 13;
        let accounts = start.len().saturating_sub(1);
        if accounts <= SMALL {
            return self.sort_each(start);
        }
        let (low, high) = (&start[..=accounts / 2], &start[accounts / 2..]);
        let rows = high[0] - start[0];
        let (instrument, qty, avg_px) =
            (self.instrument.split_at_mut(rows), self.qty.split_at_mut(rows), self.avg_px.split_at_mut(rows));
        let (first, second) = (
            PositionColumns { instrument: instrument.0, qty: qty.0, avg_px: avg_px.0 },
            PositionColumns { instrument: instrument.1, qty: qty.1, avg_px: avg_px.1 },
        );
        rayon::join(|| first.sort_accounts(low), || second.sort_accounts(high));
    }

    fn sort_each(self, start: &[usize]) {
        let first = start.first().copied().unwrap_or(0);
        let mut scratch = Scratch::default();
        for bounds in start.windows(2) {
            let range = bounds[0] - first..bounds[1] - first;
            let rows = PositionColumns {
                instrument: &mut self.instrument[range.clone()],
                qty: &mut self.qty[range.clone()],
                avg_px: &mut self.avg_px[range],
            };
            rows.sort_account(&mut scratch);
        }
    }

    /// Sorts all rows as those of one account.
    fn sort_account(mut self, scratch: &mut Scratch) {
        if self.instrument.is_sorted_by(|a, b| a < b) {
            return;
        }
        let is_sorted = self.sort_few::<8>() || self.sort_few::<16>() || self.sort_few::<32>();
        if !is_sorted {
            self.sort_many(scratch);
        }
    }

    /// Sorts by instrument and place, which is one number, and then what holds the same instrument.
    fn sort_many(self, scratch: &mut Scratch) {
        let Self { instrument, qty, avg_px } = self;
        let Scratch { keys, rows } = scratch;
        keys.clear();
        keys.extend(instrument.iter().enumerate().map(|(place, &key)| u64::from(key) << 32 | place as u64));
        keys.sort_unstable();
        rows.clear();
        rows.extend(keys.iter().map(|&key| {
            let place = key as u32 as usize;
            ((key >> 32) as u32, qty[place], avg_px[place])
        }));
        for equals in rows.chunk_by_mut(|a, b| a.0 == b.0).filter(|equals| equals.len() > 1) {
            equals.sort_unstable_by(ordered);
        }
        for (i, &(number, contracts, price)) in rows.iter().enumerate() {
            (instrument[i], qty[i], avg_px[i]) = (number, contracts, price);
        }
    }

    /// Sorts up to `MOST` rows by instrument and returns true; leaves them and returns false if they are more or two of
    /// them hold the same instrument. Each row is compared with all others: that takes no branches, while a sort of ten
    /// rows mispredicts many.
    fn sort_few<const MOST: usize>(&mut self) -> bool {
        let count = self.instrument.len();
        if count > MOST {
            return false;
        }
        // Signed numbers of the same order: the processors of today compare these side by side.
        let mut keys = [i32::MAX; MOST];
        for (key, &instrument) in keys.iter_mut().zip(&*self.instrument) {
            *key = (instrument ^ 1 << 31).cast_signed();
        }
        // Places without a row take part, so that the count of rounds is known: they come behind all rows.
        let mut ranks = [0i32; MOST];
        for key in keys {
            for (rank, &other) in ranks.iter_mut().zip(&keys) {
                // It cannot overflow; without the check it is done for several places at once.
                *rank = rank.wrapping_add(i32::from(key < other));
            }
        }
        // Different instruments have the ranks 0 to `count - 1`, places without a row `count`; of equal ones none
        // counts the other.
        let behind = (MOST - count) * count;
        if ranks.iter().sum::<i32>() as usize != count * count.saturating_sub(1) / 2 + behind {
            return false;
        }
        let mut placed = [(0, 0.0, 0.0); MOST];
        for (row, &rank) in ranks[..count].iter().enumerate() {
            placed[rank as usize % MOST] = (self.instrument[row], self.qty[row], self.avg_px[row]);
        }
        for (row, &(instrument, qty, avg_px)) in placed[..count].iter().enumerate() {
            (self.instrument[row], self.qty[row], self.avg_px[row]) = (instrument, qty, avg_px);
        }
        true
    }
}

/// Canonical order of two position rows: instrument, quantity, average price. `total_cmp`, so that even `-0.0` has
/// one place.
fn ordered(a: &(u32, f64, f64), b: &(u32, f64, f64)) -> std::cmp::Ordering {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Few rows and many, different instruments and equal ones.
        #[test]
        fn rows_of_an_account_come_in_canonical_order(
            rows in prop::collection::vec((any::<u32>(), -3i8..4, 1u8..4), 0..40),
            instruments in prop::sample::select(vec![3, 1000, u32::MAX]),
        ) {
            let rows: Vec<_> =
                rows.into_iter().map(|(any, qty, px)| (any % instruments, f64::from(qty), f64::from(px))).collect();
            let mut expected = rows.clone();
            expected.sort_by(ordered);
            let (mut instrument, mut qty, mut avg_px) = (Vec::new(), Vec::new(), Vec::new());
            for row in rows {
                instrument.push(row.0);
                qty.push(row.1);
                avg_px.push(row.2);
            }
            let columns = PositionColumns { instrument: &mut instrument, qty: &mut qty, avg_px: &mut avg_px };
            columns.sort_account(&mut Scratch::default());
            let found: Vec<_> = (0..expected.len()).map(|row| (instrument[row], qty[row], avg_px[row])).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn rows_find_their_account_and_order() {
        let ids: IdTable = ["b", "bad", "a", "empty"].into_iter().collect();
        let positions = PositionRows {
            account: vec![0, 1, 2, 0, 2, 0],
            instrument: vec![5, 9, 1, 2, 0, 5],
            qty: vec![1.0, 9.0, 2.0, 3.0, 4.0, -1.0],
            avg_px: vec![10.0, 90.0, 20.0, 30.0, 40.0, 11.0],
        };
        let balances = BalanceRows {
            account: vec![0, 0, 2, 1],
            ccy: vec![3, 1, 0, 0],
            cash: vec![1.0, 2.0, 3.0, 4.0],
            interest: vec![0.0, 0.5, 0.0, 0.0],
            spot_in_use_cap: vec![f64::INFINITY, 7.0, f64::INFINITY, 0.0],
            restricted: vec![true, false, false, true],
        };
        let modes = [SpotOffset::Usdt, SpotOffset::Usdt, SpotOffset::Coin, SpotOffset::None];
        let book =
            Book::from_rows(&ids, &modes, &[false, true, false, false], positions, balances, OrderRows::default())
                .unwrap();
        assert_eq!(book.accounts.iter().collect::<Vec<_>>(), ["a", "b", "empty"]);
        assert_eq!(book.spot_offset, [SpotOffset::Coin, SpotOffset::Usdt, SpotOffset::None]);
        assert_eq!(book.position_start, [0, 2, 5, 5]);
        assert_eq!(book.instrument, [0, 1, 2, 5, 5]);
        assert_eq!(book.qty, [4.0, 2.0, 3.0, -1.0, 1.0]);
        assert_eq!(book.avg_px, [40.0, 20.0, 30.0, 11.0, 10.0]);
        assert_eq!(book.balance_start, [0, 1, 3, 3]);
        assert_eq!(book.ccy, [0, 1, 3]);
        assert_eq!(book.cash, [3.0, 2.0, 1.0]);
        assert_eq!(book.interest, [0.0, 0.5, 0.0]);
        assert_eq!(book.restricted, [false, false, true]);
    }
}
