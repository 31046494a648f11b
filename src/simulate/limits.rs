//! The largest withdrawal of a currency and the largest order on an instrument, account by account.

use super::amount::{COARSER, Lot, boundary, largest};
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

/// An order whose largest amount is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrderTerms {
    /// The contract or the pair.
    pub traded: Traded,
    /// Its price: of a contract in the unit of its mark, of a pair in the quote.
    pub px: f64,
    /// The step of its quantity.
    pub lot: Lot,
    /// The smallest quantity that the exchange takes, contracts or coins; zero if there is none.
    pub least: f64,
}

/// How many contracts (for a pair: coins) an account can buy and sell. `None` if [`LARGEST_ORDER`] passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxOrder {
    /// Price of the orders: the mark price, for a pair the index price.
    pub px: f64,
    /// The largest buy, in whole lots; 0 if it is below the smallest order.
    pub max_buy: Option<f64>,
    /// The largest sell, likewise.
    pub max_sell: Option<f64>,
}

/// Beyond this number of lots the search goes on in larger ones.
const MOST_LOTS: u64 = 1 << 50;
/// The search goes at least so far, whatever fails.
const LEAST_REACH: u64 = 1 << 20;
/// An order of so many contracts or coins counts as not limited by margin: no quantity of the input tables is larger.
pub const LARGEST_ORDER: f64 = 1e18;

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
    pub fn max_order(&mut self, account: usize, terms: OrderTerms) -> Result<MaxOrder, Refusal> {
        self.known(account)?;
        let taken = |most: Option<f64>| most.map(|most| if most < terms.least { 0.0 } else { most });
        let max_buy = taken(self.max_side(account, terms, 1.0));
        let max_sell = taken(self.max_side(account, terms, -1.0));
        Ok(MaxOrder { px: terms.px, max_buy, max_sell })
    }

    fn max_side(&mut self, account: usize, terms: OrderTerms, sign: f64) -> Option<f64> {
        let OrderTerms { traded, px, mut lot, least: _ } = terms;
        let order = |lot: Lot, lots: u64| Action::Order(Order { traded, qty: sign * lot.amount(lots), px });
        let last = |corners: &[u64]| corners.iter().copied().max().unwrap_or(0).max(LEAST_REACH);
        let mut corners = self.corners_of(account, order(lot, MOST_LOTS), MOST_LOTS);
        // Closing a position passes more easily than opening one. Three failures in a row beyond all corners are
        // beyond both. Small amounts alone do not tell: what one lot changes may be less than what rounding does.
        let (mut failing, mut failures, mut passing, mut lots) = (None, 0, 0, 1u64);
        while failures < 3 || lots / 2 <= last(&corners) {
            if lots >= MOST_LOTS {
                if lot.amount(lots) >= LARGEST_ORDER {
                    break;
                }
                lot = lot.coarser();
                lots /= COARSER;
                corners = self.corners_of(account, order(lot, MOST_LOTS), MOST_LOTS);
                (failing, failures, passing) = (None, 0, 0);
            }
            if self.passes(account, order(lot, lots)) {
                (failing, failures, passing) = (None, 0, lots);
            } else {
                failing = failing.or(Some(lots));
                failures += 1;
            }
            lots *= 2;
        }
        let mut failing = failing?;
        // A corner beyond the first failure may pass all the same; amounts that double from there on fail.
        let around = corners.iter().rev().flat_map(|&corner| [corner.saturating_add(1), corner]);
        let beyond = around.filter(|&corner| corner > failing && corner < lots);
        if let Some(corner) = beyond.into_iter().find(|&corner| self.passes(account, order(lot, corner))) {
            passing = corner;
            while failing <= corner {
                failing *= 2;
            }
        }
        let found = if passing == 0 {
            largest(lots, &corners, |lots| self.passes(account, order(lot, lots)))
        } else if corners.iter().any(|&corner| corner > passing) {
            largest(failing, &corners, |lots| self.passes(account, order(lot, lots)))
        } else {
            boundary(passing, failing, |lots| self.passes(account, order(lot, lots)))
        };
        Some(lot.amount(found))
    }
}
