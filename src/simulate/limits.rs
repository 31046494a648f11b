//! The largest withdrawal of a currency and the largest order on an instrument, account by account.

use super::amount::{Lot, boundary, largest};
use super::check::Checker;
use super::operation::{Action, Refusal};
use crate::margin::account::{Order, Traded};

/// How much of a currency an account can withdraw. Currency units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxWithdrawal {
    /// Index of the currency.
    pub ccy: u32,
    /// `eq(c)`: the current equity of the currency.
    pub eq: f64,
    /// The largest withdrawal that leaves no debt in the currency.
    pub max_wd: f64,
    /// The largest withdrawal, borrowing included.
    pub max_wd_ex: f64,
}

/// How many contracts (for a pair: coins) an account can buy and sell. `None` above [`UNBOUNDED`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxOrder {
    /// Price of the orders: the mark price, for a pair the index price.
    pub px: f64,
    /// The largest buy.
    pub max_buy: Option<f64>,
    /// The largest sell.
    pub max_sell: Option<f64>,
}

/// Above this number of lots an order counts as not limited by margin.
pub const UNBOUNDED: u64 = 1 << 50;

impl Checker<'_> {
    /// The largest withdrawal of a currency in which the account has an equity of `eq`. `fx_usd` is the USD value of
    /// one unit.
    ///
    /// # Errors
    /// [`Refusal::NotFinite`].
    pub fn max_withdrawal(&mut self, account: usize, ccy: u32, eq: f64, fx_usd: f64) -> Result<MaxWithdrawal, Refusal> {
        let margin = self.known(account)?.margin;
        // Above this amount the equity of the currency is negative and counts in full. Adjusted equity is then
        // negative, and the fall is larger than IMR: the operation fails.
        let top = eq.max(0.0) + (margin.adj_eq.abs() + 2.0 * margin.imr + 1.0) / fx_usd;
        let lot = Lot::currency(top);
        let free = |lots: u64, this: &mut Self| {
            this.passes(account, Action::Transfer { ccy, qty: lot.amount(lots), out: true })
        };
        let search = |failing: u64, this: &mut Self| {
            let whole = Action::Transfer { ccy, qty: lot.amount(failing), out: true };
            let corners = this.corners_of(account, whole, failing);
            largest(failing, &corners, |lots| free(lots, this))
        };
        let most = search(lot.lots_in(top) + 1, self);
        let own = lot.lots_in(eq.max(0.0));
        let without_debt = if own == 0 || most < own {
            most.min(own)
        } else if free(own, self) {
            own
        } else {
            search(own, self)
        };
        Ok(MaxWithdrawal { ccy, eq, max_wd: lot.amount(without_debt), max_wd_ex: lot.amount(most) })
    }

    /// The largest order on a contract or a pair at a price.
    ///
    /// # Errors
    /// [`Refusal::NotFinite`].
    pub fn max_order(&mut self, account: usize, traded: Traded, px: f64, lot: Lot) -> Result<MaxOrder, Refusal> {
        self.known(account)?;
        let max_buy = self.max_side(account, traded, px, lot, 1.0);
        let max_sell = self.max_side(account, traded, px, lot, -1.0);
        Ok(MaxOrder { px, max_buy, max_sell })
    }

    fn max_side(&mut self, account: usize, traded: Traded, px: f64, lot: Lot, sign: f64) -> Option<f64> {
        let order = |lots: u64| Action::Order(Order { traded, qty: sign * lot.amount(lots), px });
        // Closing a position passes more easily than opening one. Three failures in a row are beyond both.
        let (mut failing, mut failures, mut lots) = (None, 0, 1u64);
        let mut passing = 0;
        while failures < 3 && lots < UNBOUNDED {
            if self.passes(account, order(lots)) {
                (failing, failures, passing) = (None, 0, lots);
            } else {
                failing = failing.or(Some(lots));
                failures += 1;
            }
            lots *= 2;
        }
        let failing = failing?;
        let corners = self.corners_of(account, order(failing), failing);
        let found = if passing == 0 || corners.iter().any(|&corner| corner > passing) {
            largest(failing, &corners, |lots| self.passes(account, order(lots)))
        } else {
            boundary(passing, failing, |lots| self.passes(account, order(lots)))
        };
        Some(lot.amount(found))
    }
}
