//! The book: every account's positions and balances as columns, grouped and in canonical order.
//!
//! A [`Book`] that exists is valid: it comes from [`Book::from_rows`] or a [`BookBuilder`], which refuse anything else,
//! and nobody can change it. Accounts stand in byte order of their ids, each once. An account's positions stand in
//! order of instrument, quantity and average price, its balances in order of currency, each once, and its pending
//! orders in order of what they trade, quantity and price. Every number is finite, but for limits of spot in use that
//! are infinite. The result of a run therefore depends neither on the order of input rows nor on threads.
//!
//! Rows refer to a [`Market`](crate::market::Market) by index. Whether a book is of a market, [`Book::fits`] says;
//! [`crate::engine`] asks before it margins.

mod append;
mod build;
mod check;
mod grouping;
mod ids;

pub use append::BookBuilder;
pub use build::{BalanceRows, OrderRows, PositionRows};
pub(crate) use grouping::values as group_values;
pub use grouping::{Grouping, Groups, shown as shown_group};
pub(crate) use grouping::{quoted, unquoted};
pub use ids::{IdTable, Interner};

use crate::margin::account::Order;
use crate::margin::rules::SpotOffset;
use crate::{Error, Result};

/// Accounts with their positions and balances (struct of arrays; one allocation a column).
///
/// ```text
/// account          a0        a1     a2          n accounts, ids in byte order
/// position_start   0         3      3      7    n + 1 offsets
/// instrument     [ 4 9 9             0 1 1 8 ]  index into Market::instruments
/// ```
#[derive(Debug, Clone)]
pub struct Book {
    accounts: IdTable,
    spot_offset: Vec<SpotOffset>,
    position_start: Vec<usize>,
    instrument: Vec<u32>,
    qty: Vec<f64>,
    avg_px: Vec<f64>,
    balance_start: Vec<usize>,
    ccy: Vec<u32>,
    cash: Vec<f64>,
    interest: Vec<f64>,
    spot_in_use_cap: Vec<f64>,
    /// Empty if no balance is restricted.
    restricted: Vec<bool>,
    /// NaN for an account without a fee of its own; empty if no account has one.
    fee_rate: Vec<f64>,
    /// Account `a` owns orders `order_start[a]..order_start[a + 1]`; empty if no account has any.
    order_start: Vec<usize>,
    orders: Vec<Order>,
    /// One for each grouping that was asked for.
    groups: Vec<Groups>,
    reach: Reach,
}

/// How many instruments and currencies a market must have for a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reach {
    instruments: usize,
    currencies: usize,
}

impl Default for Book {
    /// The book of no account.
    fn default() -> Self {
        Self {
            accounts: IdTable::default(),
            spot_offset: Vec::new(),
            position_start: vec![0],
            instrument: Vec::new(),
            qty: Vec::new(),
            avg_px: Vec::new(),
            balance_start: vec![0],
            ccy: Vec::new(),
            cash: Vec::new(),
            interest: Vec::new(),
            spot_in_use_cap: Vec::new(),
            restricted: Vec::new(),
            fee_rate: Vec::new(),
            order_start: Vec::new(),
            orders: Vec::new(),
            groups: Vec::new(),
            reach: Reach::default(),
        }
    }
}

/// The columns. One entry a row, accounts behind one another.
impl Book {
    /// Account ids in byte order, each once.
    #[must_use]
    #[inline]
    pub fn accounts(&self) -> &IdTable {
        &self.accounts
    }

    /// Spot hedging mode of each account.
    #[must_use]
    #[inline]
    pub fn spot_offset(&self) -> &[SpotOffset] {
        &self.spot_offset
    }

    /// Account `a` owns positions `position_start[a]..position_start[a + 1]`. One entry more than accounts.
    #[must_use]
    #[inline]
    pub fn position_start(&self) -> &[usize] {
        &self.position_start
    }

    /// Index into [`Market::instruments`](crate::market::Market::instruments) of each position.
    #[must_use]
    #[inline]
    pub fn instrument(&self) -> &[u32] {
        &self.instrument
    }

    /// Signed contracts of each position (long +).
    #[must_use]
    #[inline]
    pub fn qty(&self) -> &[f64] {
        &self.qty
    }

    /// Average entry price of each position: quote per coin; options: settle currency per coin.
    #[must_use]
    #[inline]
    pub fn avg_px(&self) -> &[f64] {
        &self.avg_px
    }

    /// Account `a` owns balances `balance_start[a]..balance_start[a + 1]`. One entry more than accounts.
    #[must_use]
    #[inline]
    pub fn balance_start(&self) -> &[usize] {
        &self.balance_start
    }

    /// Index into [`Market::currencies`](crate::market::Market::currencies) of each balance.
    #[must_use]
    #[inline]
    pub fn ccy(&self) -> &[u32] {
        &self.ccy
    }

    /// Cash of each balance, in currency units, signed.
    #[must_use]
    #[inline]
    pub fn cash(&self) -> &[f64] {
        &self.cash
    }

    /// Accrued interest of each balance, in currency units, not negative.
    #[must_use]
    #[inline]
    pub fn interest(&self) -> &[f64] {
        &self.interest
    }

    /// The account's own limit of spot in use, in coins; infinity if it set none. One entry a balance.
    #[must_use]
    #[inline]
    pub fn spot_in_use_cap(&self) -> &[f64] {
        &self.spot_in_use_cap
    }

    /// True for each balance that may not back new orders; empty if every balance may.
    #[must_use]
    #[inline]
    pub fn restricted(&self) -> &[bool] {
        &self.restricted
    }

    /// The taker fee of an account, a share; `None` if it has none of its own.
    #[must_use]
    #[inline]
    pub fn fee_rate(&self, account: usize) -> Option<f64> {
        self.fee_rate.get(account).copied().filter(|rate| !rate.is_nan())
    }

    /// The groups of the accounts, one entry for each grouping that was asked for.
    #[must_use]
    #[inline]
    pub fn groups(&self) -> &[Groups] {
        &self.groups
    }

    /// The pending orders of an account, in the order of [`Order::canonical`].
    #[must_use]
    #[inline]
    pub fn orders_of(&self, account: usize) -> &[Order] {
        if self.orders.is_empty() {
            return &[];
        }
        &self.orders[self.order_start[account]..self.order_start[account + 1]]
    }
}

impl Book {
    /// The names of accounts without their rows, for what looks up names alone.
    pub(crate) fn of_ids(accounts: IdTable) -> Self {
        let starts = vec![0; accounts.len() + 1];
        let spot_offset = vec![SpotOffset::None; accounts.len()];
        let (position_start, balance_start) = (starts.clone(), starts);
        Self { accounts, spot_offset, position_start, balance_start, ..Self::default() }
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
        self.accounts.find_sorted(account_id)
    }

    /// True if every row refers to an instrument and a currency of a market that has so many of them.
    #[must_use]
    #[inline]
    pub fn fits(&self, instruments: usize, currencies: usize) -> bool {
        self.reach.instruments <= instruments && self.reach.currencies <= currencies
    }

    /// The book with other spot hedging modes, one an account.
    ///
    /// # Errors
    /// If there are more or fewer modes than accounts.
    pub fn with_spot_offset(&self, modes: Vec<SpotOffset>) -> Result<Self> {
        if modes.len() != self.len() {
            return Err(broken(format!("{} spot hedging modes for {} accounts", modes.len(), self.len())));
        }
        Ok(Self { spot_offset: modes, ..self.clone() })
    }

    /// The book with taker fees, one an account; `None` for the fee of the rules.
    ///
    /// # Errors
    /// If there are more or fewer fees than accounts, or one is not finite.
    pub fn with_fee_rates(&self, rates: &[Option<f64>]) -> Result<Self> {
        if rates.len() != self.len() || rates.iter().flatten().any(|rate| !rate.is_finite()) {
            return Err(broken(format!("{} fees for {} accounts, or one is no number", rates.len(), self.len())));
        }
        let has_any = rates.iter().any(Option::is_some);
        let fee_rate = rates.iter().filter(|_| has_any).map(|rate| rate.unwrap_or(f64::NAN)).collect();
        Ok(Self { fee_rate, ..self.clone() })
    }
}

/// An error about rows that make no book.
fn broken(what: impl std::fmt::Display) -> Error {
    Error::Runtime(format!("these rows make no book: {what}"))
}
