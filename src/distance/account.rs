//! One account with the part of the market it needs. A revaluation costs microseconds.

use super::submarket::{Selection, Submarket};
use super::{is_coin, not_finite};
use crate::Result;
use crate::book::Book;
use crate::engine::{account_of, price, reprice};
use crate::margin::account::Account;
use crate::margin::account::{Order, Traded};
use crate::margin::priced::PricedMarket;
use crate::margin::requirement::{Workspace, evaluate};
use crate::margin::rules::Rules;
use crate::margin::{AccountMargin, UnitMargin};
use crate::market::Market;
use crate::market::scenario::{Scenario, apply};

/// An account and its own market: the instruments it holds, the currencies of these and of its balances, in the order
/// of the whole market. Sums run in the same order, so the figures equal those of a full run.
pub(super) struct OneAccount<'a> {
    book: &'a Book,
    number: usize,
    rules: &'a Rules,
    market: Market,
    instrument: Vec<u32>,
    ccy: Vec<u32>,
    orders: Vec<Order>,
    /// The market after the last scenario, and its prices.
    last: Market,
    priced: PricedMarket,
    work: Workspace,
    units: Vec<UnitMargin>,
}

impl<'a> OneAccount<'a> {
    pub(super) fn new(market: &Market, rules: &'a Rules, book: &'a Book, number: usize) -> Self {
        let account = account_of(book, number);
        let (mut ordered, mut currencies) = (Vec::new(), account.ccy.to_vec());
        for order in account.orders {
            match order.traded {
                Traded::Contract(instrument) => ordered.push(instrument),
                Traded::Spot { base, quote } => currencies.extend([base, quote]),
            }
        }
        let held = account.instrument.iter().chain(&ordered).copied();
        let Submarket { market: own, instruments, currencies } = Submarket::new(market, held, currencies.into_iter());
        let priced = price(&own, rules);
        Self {
            book,
            number,
            rules,
            last: own.clone(),
            work: Workspace::new(&priced),
            priced,
            units: Vec::new(),
            market: own,
            instrument: account.instrument.iter().map(|&held| instruments.place(held)).collect(),
            ccy: account.ccy.iter().map(|&ccy| currencies.place(ccy)).collect(),
            orders: account
                .orders
                .iter()
                .map(|&order| Order {
                    traded: match order.traded {
                        Traded::Contract(instrument) => Traded::Contract(instruments.place(instrument)),
                        Traded::Spot { base, quote } => {
                            Traded::Spot { base: currencies.place(base), quote: currencies.place(quote) }
                        }
                    },
                    ..order
                })
                .collect(),
        }
    }

    /// The margin ratio at which an account is liquidated.
    pub(super) fn threshold(&self) -> f64 {
        self.rules.status.liquidation
    }

    /// The account's margin after a scenario.
    pub(super) fn margin(&mut self, scenario: &Scenario) -> Result<AccountMargin> {
        let after = apply(&self.market, scenario, self.rules.rate)?;
        reprice(&mut self.priced, &self.last, &after);
        self.last = after;
        let rows = account_of(self.book, self.number);
        let account = Account { instrument: &self.instrument, ccy: &self.ccy, orders: &self.orders, ..rows };
        self.units.clear();
        evaluate(&self.priced, &account, &mut self.work, &mut self.units)
            .map_err(|_| not_finite(self.book, self.number, scenario))
    }

    /// The coins that can change the account's figures, in byte order: coins with cash or accrued interest, and the
    /// base, quote and settlement currency of each non-zero position.
    pub(super) fn exposures(&self) -> Vec<String> {
        let account = Account { instrument: &self.instrument, ccy: &self.ccy, ..account_of(self.book, self.number) };
        let exposed = exposed(&self.market, &account).number().pick(&self.market.currencies);
        exposed.into_iter().map(|currency| currency.name).filter(|name| is_coin(&self.market, name)).collect()
    }

    /// Current price of a coin in USD.
    pub(super) fn price_usd(&self, base: &str) -> Option<f64> {
        self.market.currencies.iter().find(|currency| currency.name == base).and_then(|currency| currency.fx)
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
