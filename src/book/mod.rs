//! The book: every account's positions and balances as columns, grouped and in canonical order.
//!
//! A [`Book`] that exists is valid: every row refers to an instrument and a currency of its
//! [`Market`](crate::market::Market), every number is finite and in range, accounts stand in byte order of their
//! ids, an account's positions stand in order of instrument, quantity and average price, its balances in order of
//! currency, each once, and its pending orders in order of what they trade, quantity and price.
//! The result of a run therefore depends neither on the order of input rows nor on threads.

mod append;
mod build;
mod ids;

pub use append::BookBuilder;
pub use build::{BalanceRows, OrderRows, PositionRows};
pub use ids::{IdTable, Interner};

use crate::margin::orders::Order;
use crate::margin::rules::SpotOffset;

/// Accounts with their positions and balances (struct of arrays; one allocation a column).
///
/// ```text
/// account          a0        a1     a2          n accounts, ids in byte order
/// position_start   0         3      3      7    n + 1 offsets
/// instrument     [ 4 9 9             0 1 1 8 ]  index into Market::instruments
/// ```
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// Account ids in byte order.
    pub accounts: IdTable,
    /// Spot hedging mode of each account.
    pub spot_offset: Vec<SpotOffset>,
    /// Account `a` owns positions `position_start[a]..position_start[a + 1]`.
    pub position_start: Vec<usize>,
    /// Index into [`Market::instruments`](crate::market::Market::instruments).
    pub instrument: Vec<u32>,
    /// Signed contracts (long +).
    pub qty: Vec<f64>,
    /// Average entry price: quote per coin; options: settle currency per coin.
    pub avg_px: Vec<f64>,
    /// Account `a` owns balances `balance_start[a]..balance_start[a + 1]`.
    pub balance_start: Vec<usize>,
    /// Index into [`Market::currencies`](crate::market::Market::currencies).
    pub ccy: Vec<u32>,
    /// Cash in currency units, signed.
    pub cash: Vec<f64>,
    /// Accrued interest in currency units, not negative.
    pub interest: Vec<f64>,
    /// The account's own limit of spot in use, in coins; infinity if it set none.
    pub spot_in_use_cap: Vec<f64>,
    /// Account `a` owns orders `order_start[a]..order_start[a + 1]`; empty if no account has any.
    pub order_start: Vec<usize>,
    /// Pending orders, in the order of [`Order::canonical`] inside an account.
    pub orders: Vec<Order>,
}

impl Book {
    /// The names of accounts without their rows, for what looks up names alone.
    pub(crate) fn of_ids(accounts: IdTable) -> Self {
        let spot_offset = vec![SpotOffset::None; accounts.len()];
        Self { accounts, spot_offset, ..Self::default() }
    }

    /// Number of accounts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spot_offset.len()
    }

    /// True if there is no account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spot_offset.is_empty()
    }

    /// The number of an account, by its id.
    #[must_use]
    pub fn find(&self, account_id: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.accounts.get(middle).cmp(account_id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The pending orders of an account.
    #[must_use]
    pub fn orders_of(&self, account: usize) -> &[Order] {
        if self.orders.is_empty() {
            return &[];
        }
        &self.orders[self.order_start[account]..self.order_start[account + 1]]
    }
}
