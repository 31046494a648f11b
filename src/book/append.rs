//! A book made account by account, in order of their ids.

use super::Book;
use crate::margin::orders::Order;
use crate::margin::rules::SpotOffset;

/// A [`Book`] in the making. Accounts come in byte order of their ids, the rows of each before its
/// [`BookBuilder::finish_account`].
#[derive(Debug)]
pub struct BookBuilder(Book);

impl Default for BookBuilder {
    fn default() -> Self {
        Self::with_capacity(0, 0, 0)
    }
}

impl BookBuilder {
    /// An empty book with room for so many accounts and rows.
    #[must_use]
    pub fn with_capacity(accounts: usize, positions: usize, balances: usize) -> Self {
        let mut book = Book::default();
        book.accounts.reserve(accounts);
        book.spot_offset.reserve_exact(accounts);
        book.order_start.reserve_exact(accounts + 1);
        book.position_start.reserve_exact(accounts + 1);
        book.balance_start.reserve_exact(accounts + 1);
        book.instrument.reserve_exact(positions);
        book.qty.reserve_exact(positions);
        book.avg_px.reserve_exact(positions);
        book.ccy.reserve_exact(balances);
        book.cash.reserve_exact(balances);
        book.interest.reserve_exact(balances);
        book.spot_in_use_cap.reserve_exact(balances);
        book.position_start.push(0);
        book.balance_start.push(0);
        book.order_start.push(0);
        Self(book)
    }

    /// Positions of the account at hand: indices of instruments, signed contracts, average entry prices.
    pub fn positions(&mut self, instrument: &[u32], qty: &[f64], avg_px: &[f64]) {
        self.0.instrument.extend_from_slice(instrument);
        self.0.qty.extend_from_slice(qty);
        self.0.avg_px.extend_from_slice(avg_px);
    }

    /// A balance of the account at hand, of a currency that it has no other balance in.
    pub fn balance(&mut self, ccy: u32, cash: f64, interest: f64, spot_in_use_cap: f64) {
        self.0.ccy.push(ccy);
        self.0.cash.push(cash);
        self.0.interest.push(interest);
        self.0.spot_in_use_cap.push(spot_in_use_cap);
    }

    /// Pending orders of the account at hand.
    pub fn orders(&mut self, orders: &[Order]) {
        self.0.orders.extend_from_slice(orders);
    }

    /// Ends the account at hand.
    pub fn finish_account(&mut self, id: &str, spot_offset: SpotOffset) {
        self.0.accounts.push(id);
        self.0.spot_offset.push(spot_offset);
        self.0.position_start.push(self.0.instrument.len());
        self.0.balance_start.push(self.0.ccy.len());
        self.0.order_start.push(self.0.orders.len());
    }

    /// Adds an account of another book over the same market.
    pub fn copy_account(&mut self, book: &Book, account: usize) {
        let rows = book.position_start[account]..book.position_start[account + 1];
        self.positions(&book.instrument[rows.clone()], &book.qty[rows.clone()], &book.avg_px[rows]);
        for row in book.balance_start[account]..book.balance_start[account + 1] {
            self.balance(book.ccy[row], book.cash[row], book.interest[row], book.spot_in_use_cap[row]);
        }
        self.orders(book.orders_of(account));
        self.finish_account(book.accounts.get(account), book.spot_offset[account]);
    }

    /// The book, its rows in canonical order.
    #[must_use]
    pub fn build(self) -> Book {
        let mut book = self.0;
        book.sort_each_account();
        book
    }
}
