//! Section 1: index prices, and the USD value of currencies from them.

use super::number::Num;
use crate::market::Market;
use crate::{Error, Invalid, Result};

/// Index prices by the names of base and quote.
pub(super) struct Prices<'a> {
    market: &'a Market,
}

impl<'a> Prices<'a> {
    pub(super) fn new(market: &'a Market) -> Self {
        Self { market }
    }

    /// The name of a currency.
    pub(super) fn currency(&self, ccy: usize) -> Result<&'a str> {
        let found = self.market.currencies.get(ccy).map(|currency| currency.name.as_str());
        found.ok_or_else(|| Error::Runtime(format!("currency number {ccy} is not in the market")))
    }

    /// `fx(c)`: 1 for USD, else `I(c-USD)`, else `I(c-USDT) x I(USDT-USD)`.
    pub(super) fn fx(&self, ccy: &str) -> Result<Num> {
        if ccy == "USD" {
            return Ok(Num::ONE);
        }
        let direct = self.index(ccy, "USD");
        let through_usdt = || Some(self.index(ccy, "USDT")? * self.index("USDT", "USD")?);
        direct.or_else(through_usdt).ok_or_else(|| missing("USD value", ccy))
    }

    fn index(&self, base: &str, quote: &str) -> Option<Num> {
        let named = |ccy: u32, name: &str| self.currency(ccy as usize).is_ok_and(|found| found == name);
        let mut indices = self.market.underlyings.iter();
        let found = indices.find(|index| named(index.base, base) && named(index.quote, quote))?;
        found.index_px.map(Num::from)
    }
}

/// A price that the account needs and the market does not have.
pub(super) fn missing(what: &str, of: &str) -> Error {
    Invalid::new(format!("missing {what}")).value(of).expected("a positive number").into()
}
