//! The ladders of price moves: a market on each rung, priced when it is first asked for, a few rungs side by side.
//!
//! The ladders of all coins together have the whole market; those of one coin have the part of it that the coin
//! reaches. With many accounts they are those of the whole market, and priced once for all; an account alone has
//! ladders of its own. The figures of an account on a rung are the same bits either way.

use super::submarket::Submarket;
use super::{HIGHEST_MOVE, LOWEST_MOVE, is_coin, ladder};
use crate::engine::lanes::Width;
use crate::engine::price;
use crate::margin::part::Reached;
use crate::margin::priced::PricedMarket;
use crate::margin::real::{Lanes, Real};
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::market::scenario::PriceMoves;
use crate::{Error, Result};
use std::sync::OnceLock;

/// The falls, then the rises.
pub(super) type Ways<T> = [T; 2];

/// The ladders, with as many rungs side by side as the width has.
pub(crate) enum Ladders<'m> {
    One(LaddersIn<'m, f64>),
    Four(LaddersIn<'m, Lanes<4>>),
    Eight(LaddersIn<'m, Lanes<8>>),
}

impl<'m> Ladders<'m> {
    /// Of a market under these rules.
    pub fn new(market: &'m Market, rules: &'m Rules, width: Width) -> Self {
        match width.lanes() {
            1 => Self::One(LaddersIn::new(market, rules, width)),
            4 => Self::Four(LaddersIn::new(market, rules, width)),
            _ => Self::Eight(LaddersIn::new(market, rules, width)),
        }
    }

    /// Bytes that they take, about.
    pub fn bytes(market: &Market) -> u64 {
        let rungs = (ladder(LOWEST_MOVE).len() + ladder(HIGHEST_MOVE).len() + 16) as u64;
        // Every instrument moves once with all coins together, and once with each coin that it depends on.
        3 * rungs * crate::totals::footprint::priced_bytes(market)
    }
}

/// The ladders in lanes.
pub(crate) struct LaddersIn<'m, R: Real> {
    market: &'m Market,
    rules: &'m Rules,
    width: Width,
    /// Without a move.
    now: PricedMarket,
    rungs: Ways<Vec<f64>>,
    /// All coins together.
    all: Markets<R>,
    /// By currency: a coin alone.
    coins: Vec<Option<CoinRungs<R>>>,
}

/// A market on the rungs.
pub(super) struct Markets<R: Real> {
    market: Market,
    /// What moves: a currency of this market, or all coins.
    coin: Option<u32>,
    /// By way and group of rungs; nothing in it if the rungs cannot stand side by side, which prices exclude.
    priced: Ways<Vec<OnceLock<Option<PricedMarket<R>>>>>,
}

/// The part of the market that one coin reaches.
pub(super) struct CoinRungs<R: Real> {
    pub markets: Markets<R>,
    /// By risk unit of the whole market: the coin reaches it.
    units: Vec<bool>,
    instruments: Vec<u32>,
    currencies: Vec<Option<u32>>,
}

impl<'m, R: Real> LaddersIn<'m, R> {
    pub fn new(market: &'m Market, rules: &'m Rules, width: Width) -> Self {
        let rungs = [ladder(LOWEST_MOVE), ladder(HIGHEST_MOVE)];
        let now = price(market, rules);
        let coin = |(ccy, currency): (usize, &crate::market::Currency)| {
            is_coin(market, &currency.name).then(|| CoinRungs::new(market, &now, ccy as u32, &rungs))
        };
        let coins = market.currencies.iter().enumerate().map(coin).collect();
        Self { market, rules, width, all: Markets::new(market.clone(), None, &rungs), coins, now, rungs }
    }

    pub(super) fn market(&self) -> &'m Market {
        self.market
    }

    pub(super) fn rules(&self) -> &'m Rules {
        self.rules
    }

    pub(super) fn width(&self) -> Width {
        self.width
    }

    /// The market without a move.
    pub(super) fn now(&self) -> &PricedMarket {
        &self.now
    }

    /// The moves of one way.
    pub(super) fn rungs(&self, way: usize) -> &[f64] {
        &self.rungs[way]
    }

    /// The markets of a coin, or of all coins together.
    pub(super) fn markets(&self, ccy: Option<u32>) -> &Markets<R> {
        ccy.and_then(|ccy| self.coin(ccy)).map_or(&self.all, |coin| &coin.markets)
    }

    /// The ladders of a currency, if it is a coin.
    pub(super) fn coin(&self, ccy: u32) -> Option<&CoinRungs<R>> {
        self.coins.get(ccy as usize).and_then(Option::as_ref)
    }
}

impl<R: Real> Markets<R> {
    fn new(market: Market, coin: Option<u32>, rungs: &Ways<Vec<f64>>) -> Self {
        let groups = |rungs: &Vec<f64>| rungs.chunks(R::LANES).map(|_| OnceLock::new()).collect();
        Self { market, coin, priced: rungs.each_ref().map(groups) }
    }

    /// The market without a move, and what moves in it.
    pub fn unmoved(&self) -> (&Market, Option<u32>) {
        (&self.market, self.coin)
    }

    /// A few rungs side by side.
    ///
    /// # Errors
    /// [`Error::Runtime`] if a move changes what can be held, which prices exclude.
    pub fn group(&self, ladders: &LaddersIn<'_, R>, way: usize, group: usize) -> Result<&PricedMarket<R>> {
        let price_all = || {
            let mut moves = PriceMoves::new(self.market.clone(), self.coin);
            let rungs = ladders.rungs[way].chunks(R::LANES).nth(group)?;
            let moved = |&rung: &f64| price(moves.to(rung, ladders.rules.rate), ladders.rules);
            PricedMarket::beside(&rungs.iter().map(moved).collect::<Vec<_>>())
        };
        let priced = self.priced[way].get(group).and_then(|group| group.get_or_init(price_all).as_ref());
        priced.ok_or_else(|| Error::Runtime("a price move changes what can be held".to_owned()))
    }
}

impl<R: Real> CoinRungs<R> {
    fn new(market: &Market, now: &PricedMarket, ccy: u32, rungs: &Ways<Vec<f64>>) -> Self {
        let units = reached(market, now, ccy);
        let is_reached = |contract: &crate::margin::priced::Contract| units[contract.unit as usize];
        let held = (0_u32..).zip(&now.contracts).filter(|(_, contract)| contract.as_ref().is_some_and(is_reached));
        let part = Submarket::new(market, held.map(|(instrument, _)| instrument), std::iter::once(ccy));
        let Submarket { market, instruments, currencies } = part;
        let coin = Some(currencies.place(ccy));
        let (instruments, currencies) = (instruments.into_places(), currencies.places_of_chosen());
        Self { markets: Markets::new(market, coin, rungs), units, instruments, currencies }
    }

    pub fn reached(&self) -> Reached<'_> {
        Reached { units: &self.units, instruments: &self.instruments, currencies: &self.currencies }
    }
}

/// By risk unit: a move of a coin reaches it. It has an instrument that the coin is base, quote or settlement currency
/// of; or its spot in use shares a currency with such a unit.
fn reached(market: &Market, now: &PricedMarket, ccy: u32) -> Vec<bool> {
    let contracts: Vec<_> =
        now.contracts.iter().zip(&market.instruments).filter_map(|(c, i)| c.as_ref().zip(Some(i))).collect();
    let mut units = vec![false; now.units.len()];
    for (contract, instrument) in &contracts {
        let underlying = &market.underlyings[instrument.underlying as usize];
        units[contract.unit as usize] |= [underlying.base, underlying.quote, instrument.settle].contains(&ccy);
    }
    loop {
        let (mut bases, mut settles) = (vec![false; market.currencies.len()], vec![false; market.currencies.len()]);
        for (contract, _) in contracts.iter().filter(|(contract, _)| units[contract.unit as usize]) {
            bases[now.units[contract.unit as usize].base as usize] = true;
            settles[contract.settle as usize] = true;
        }
        let before = units.clone();
        for (contract, _) in &contracts {
            let base = now.units[contract.unit as usize].base;
            units[contract.unit as usize] |= bases[contract.settle as usize] || settles[base as usize];
        }
        if units == before {
            return units;
        }
    }
}
