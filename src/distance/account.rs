//! One account with the part of the market it needs. A revaluation costs microseconds.

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
        let mut instruments = Selection::new(market.instruments.len());
        let mut underlyings = Selection::new(market.underlyings.len());
        let mut currencies = Selection::new(market.currencies.len());
        for &ccy in account.ccy {
            currencies.choose(ccy);
        }
        let ordered = account.orders.iter().filter_map(|order| match order.traded {
            Traded::Contract(instrument) => Some(instrument),
            Traded::Spot { base, quote } => {
                currencies.choose(base);
                currencies.choose(quote);
                None
            }
        });
        let ordered: Vec<u32> = ordered.collect();
        for &held in account.instrument.iter().chain(&ordered) {
            instruments.choose(held);
            let instrument = &market.instruments[held as usize];
            underlyings.choose(instrument.underlying);
            currencies.choose(instrument.settle);
            let underlying = &market.underlyings[instrument.underlying as usize];
            currencies.choose(underlying.base);
            currencies.choose(underlying.quote);
        }
        let (instruments, underlyings, currencies) = (instruments.number(), underlyings.number(), currencies.number());
        let mut own = Market {
            as_of_ns: market.as_of_ns,
            currencies: currencies.pick(&market.currencies),
            underlyings: underlyings.pick(&market.underlyings),
            instruments: instruments.pick(&market.instruments),
        };
        for underlying in &mut own.underlyings {
            underlying.base = currencies.place(underlying.base);
            underlying.quote = currencies.place(underlying.quote);
        }
        for instrument in &mut own.instruments {
            instrument.underlying = underlyings.place(instrument.underlying);
            instrument.settle = currencies.place(instrument.settle);
        }
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
        let account = account_of(self.book, self.number);
        let mut exposed = Selection::new(self.market.currencies.len());
        for (row, &ccy) in self.ccy.iter().enumerate() {
            if account.cash[row] != 0.0 || account.interest[row] != 0.0 {
                exposed.choose(ccy);
            }
        }
        for (row, &held) in self.instrument.iter().enumerate() {
            if account.qty[row] == 0.0 {
                continue;
            }
            let instrument = &self.market.instruments[held as usize];
            let underlying = &self.market.underlyings[instrument.underlying as usize];
            for ccy in [instrument.settle, underlying.base, underlying.quote] {
                exposed.choose(ccy);
            }
        }
        let names = exposed.number().pick(&self.market.currencies).into_iter().map(|currency| currency.name);
        names.filter(|name| is_coin(&self.market, name)).collect()
    }

    /// Current price of a coin in USD.
    pub(super) fn price_usd(&self, base: &str) -> Option<f64> {
        self.market.currencies.iter().find(|currency| currency.name == base).and_then(|currency| currency.fx)
    }
}

/// Selected entries of a table.
struct Selection(Vec<bool>);

impl Selection {
    fn new(entries: usize) -> Self {
        Self(vec![false; entries])
    }

    fn choose(&mut self, entry: u32) {
        self.0[entry as usize] = true;
    }

    fn number(self) -> Numbered {
        let mut places = Vec::with_capacity(self.0.len());
        let mut next = 0;
        for &chosen in &self.0 {
            places.push(next);
            next += u32::from(chosen);
        }
        Numbered { chosen: self.0, places }
    }
}

/// The selected entries, each with its new index.
struct Numbered {
    chosen: Vec<bool>,
    places: Vec<u32>,
}

impl Numbered {
    fn place(&self, entry: u32) -> u32 {
        self.places[entry as usize]
    }

    fn pick<T: Clone>(&self, table: &[T]) -> Vec<T> {
        table.iter().zip(&self.chosen).filter(|(_, chosen)| **chosen).map(|(entry, _)| entry.clone()).collect()
    }
}
