//! A part of a market: some instruments, and the underlyings and currencies that they need, in the order of the whole.

use crate::margin::account::{Account, Traded};
use crate::market::scenario::moves_by_fx;
use crate::market::{Currency, Market};

/// The part, and where its entries come from.
pub(super) struct Submarket {
    pub market: Market,
    pub instruments: Numbered,
    pub currencies: Numbered,
}

impl Submarket {
    /// Of what an account holds and has pending orders for, with these currencies besides.
    pub fn of_account(market: &Market, account: &Account<'_>, more: Option<u32>) -> Self {
        let (mut held, mut currencies) = (account.instrument.to_vec(), account.ccy.to_vec());
        currencies.extend(more);
        for order in account.orders {
            match order.traded {
                Traded::Contract(instrument) => held.push(instrument),
                Traded::Spot { base, quote } => currencies.extend([base, quote]),
            }
        }
        Self::new(market, held.into_iter(), currencies.into_iter())
    }

    /// Of these instruments, with these currencies besides, and the stablecoins, whose prices decide on rates.
    pub fn new(market: &Market, held: impl Iterator<Item = u32>, more: impl Iterator<Item = u32>) -> Self {
        let mut instruments = Selection::new(market.instruments.len());
        let mut underlyings = Selection::new(market.underlyings.len());
        let mut currencies = Selection::new(market.currencies.len());
        more.for_each(|ccy| currencies.choose(ccy));
        let stable = |(_, currency): &(u32, &Currency)| moves_by_fx(&currency.name);
        (0..).zip(&market.currencies).filter(stable).for_each(|(ccy, _)| currencies.choose(ccy));
        for held in held {
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
        Self { market: own, instruments, currencies }
    }
}

/// Selected entries of a table.
pub(super) struct Selection(Vec<bool>);

impl Selection {
    pub fn new(entries: usize) -> Self {
        Self(vec![false; entries])
    }

    pub fn choose(&mut self, entry: u32) {
        self.0[entry as usize] = true;
    }

    pub fn number(self) -> Numbered {
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
pub(super) struct Numbered {
    chosen: Vec<bool>,
    places: Vec<u32>,
}

impl Numbered {
    /// The new index of an entry that was selected.
    pub fn place(&self, entry: u32) -> u32 {
        self.places[entry as usize]
    }

    /// The new index of every entry; of one that was not selected it means nothing.
    pub fn into_places(self) -> Vec<u32> {
        self.places
    }

    /// The new index of every entry that was selected.
    pub fn places_of_chosen(&self) -> Vec<Option<u32>> {
        self.chosen.iter().zip(&self.places).map(|(chosen, place)| chosen.then_some(*place)).collect()
    }

    /// The selected entries, by their old index.
    pub fn entries(&self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(&self.chosen).filter(|(_, chosen)| **chosen).map(|(entry, _)| entry)
    }

    pub fn pick<T: Clone>(&self, table: &[T]) -> Vec<T> {
        self.entries().map(|entry| table[entry as usize].clone()).collect()
    }
}
