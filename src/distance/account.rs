//! One account with the part of the market that it needs, and what it is exposed to.

use super::submarket::{Selection, Submarket};
use crate::book::Book;
use crate::engine::account_of;
use crate::margin::account::{Account, Order};
use crate::market::Market;

/// An account and its own market: the instruments it holds or has orders for, the currencies of these and of its
/// balances, in the order of the whole market. Sums run in the same order, so the figures equal those of a full run.
pub(super) struct OneAccount {
    pub market: Market,
    instrument: Vec<u32>,
    ccy: Vec<u32>,
    orders: Vec<Order>,
}

impl OneAccount {
    pub fn new(market: &Market, book: &Book, number: usize) -> Self {
        let account = account_of(book, number);
        let Submarket { market, instruments, currencies } = Submarket::of_account(market, &account, None);
        let order = |order: &Order| {
            let traded = order.traded.renumbered(|held| instruments.place(held), |ccy| currencies.place(ccy));
            Order { traded, ..*order }
        };
        Self {
            market,
            instrument: account.instrument.iter().map(|&held| instruments.place(held)).collect(),
            ccy: account.ccy.iter().map(|&ccy| currencies.place(ccy)).collect(),
            orders: account.orders.iter().map(order).collect(),
        }
    }

    /// Its rows, numbered as in its own market.
    pub fn account<'a>(&'a self, book: &'a Book, number: usize) -> Account<'a> {
        let rows = account_of(book, number);
        Account { instrument: &self.instrument, ccy: &self.ccy, orders: &self.orders, ..rows }
    }
}

/// The currencies that can change the figures of an account of this market.
pub(super) fn exposed(market: &Market, account: &Account<'_>) -> Selection {
    let mut exposed = Selection::new(market.currencies.len());
    for (row, &ccy) in account.ccy.iter().enumerate() {
        if account.cash[row] != 0.0 || account.interest[row] != 0.0 {
            exposed.choose(ccy);
        }
    }
    for (&held, _) in account.instrument.iter().zip(account.qty).filter(|(_, qty)| **qty != 0.0) {
        let instrument = &market.instruments[held as usize];
        let underlying = &market.underlyings[instrument.underlying as usize];
        for ccy in [instrument.settle, underlying.base, underlying.quote] {
            exposed.choose(ccy);
        }
    }
    exposed
}
