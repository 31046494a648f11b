//! The ladders of price moves, priced once for all accounts: for all coins together, and for each coin its own
//! contracts.
//!
//! An account is then evaluated on a few rungs side by side. What it has on a rung are the bits of a revaluation of the
//! account alone, so that a search finds the same move either way.

use super::submarket::Submarket;
use super::{HIGHEST_MOVE, LOWEST_MOVE, is_coin, ladder};
use crate::engine::lanes::Width;
use crate::engine::price;
use crate::margin::account::{Account, NotFinite};
use crate::margin::account_figures::AccountFigures;
use crate::margin::priced::{Contract, ContractKind, PricedMarket, UnitParams};
use crate::margin::real::{Lanes, Real};
use crate::margin::requirement::Workspace;
use crate::margin::rules::Rules;
use crate::market::Market;
use crate::market::scenario::{EVERY_COIN, Scenario, apply};
use crate::progress::Progress;
use crate::{Error, Result};
use rayon::prelude::*;

/// The falls, then the rises.
pub(super) type Ways<T> = [T; 2];

/// The ladders, with as many rungs side by side as the width has.
pub(crate) enum Ladders {
    One(LaddersIn<f64>),
    Four(LaddersIn<Lanes<4>>),
    Eight(LaddersIn<Lanes<8>>),
}

impl Ladders {
    /// Prices them.
    ///
    /// # Errors
    /// Those of [`apply`], and [`Error::Interrupted`].
    pub fn new(market: &Market, rules: &Rules, width: Width, progress: &dyn Progress) -> Result<Self> {
        Ok(match width.lanes() {
            1 => Self::One(LaddersIn::new(market, rules, width, progress)?),
            4 => Self::Four(LaddersIn::new(market, rules, width, progress)?),
            _ => Self::Eight(LaddersIn::new(market, rules, width, progress)?),
        })
    }

    /// Bytes that they take, about.
    pub fn bytes(market: &Market) -> u64 {
        let rungs = (ladder(LOWEST_MOVE).len() + ladder(HIGHEST_MOVE).len() + 16) as u64;
        // Every instrument moves once with all coins together, and once with each coin that it depends on.
        3 * rungs * crate::totals::footprint::priced_bytes(market)
    }
}

/// The ladders in lanes.
pub(crate) struct LaddersIn<R: Real> {
    width: Width,
    rungs: Ways<Vec<f64>>,
    /// Without a move: alone, and in every lane.
    now: PricedMarket,
    base: PricedMarket<R>,
    /// All coins together.
    all: Ways<Vec<PricedMarket<R>>>,
    /// By currency: coins alone.
    coins: Vec<Option<CoinRungs<R>>>,
}

/// What the price of one coin moves.
struct CoinRungs<R: Real> {
    /// Instruments, ascending; the market of the rungs has them in this order.
    instruments: Vec<u32>,
    /// Risk units, by their number in the market of the rungs.
    units: Vec<u32>,
    /// The coin in the market of the rungs.
    currency: u32,
    rungs: Ways<Vec<PricedMarket<R>>>,
}

/// Rungs side by side.
fn beside<R: Real>(markets: &[PricedMarket]) -> Result<PricedMarket<R>> {
    PricedMarket::beside(markets).ok_or_else(|| Error::Runtime("a price move changes what can be held".to_owned()))
}

/// Both ladders of a coin, or of all, in a market or its part.
fn priced<R: Real>(
    market: &Market,
    base: &str,
    rules: &Rules,
    rungs: &Ways<Vec<f64>>,
    progress: &dyn Progress,
) -> Result<Ways<Vec<PricedMarket<R>>>> {
    let group = |few: &[f64]| {
        progress.check()?;
        let moved = |&rung: &f64| {
            let after = apply(market, &Scenario::price_move("", base, rung), rules.rate)?;
            Ok(price(&after, rules))
        };
        beside(&few.iter().map(moved).collect::<Result<Vec<_>>>()?)
    };
    let [down, up] = rungs;
    let way = |rungs: &[f64]| rungs.par_chunks(R::LANES).map(group).collect::<Result<Vec<_>>>();
    Ok([way(down)?, way(up)?])
}

impl<R: Real> LaddersIn<R> {
    fn new(market: &Market, rules: &Rules, width: Width, progress: &dyn Progress) -> Result<Self> {
        let rungs = [ladder(LOWEST_MOVE), ladder(HIGHEST_MOVE)];
        let now = price(market, rules);
        let coin = |(ccy, currency): (usize, &crate::market::Currency)| {
            if !is_coin(market, &currency.name) {
                return Ok(None);
            }
            CoinRungs::new(market, rules, &now, ccy as u32, &rungs, progress).map(Some)
        };
        Ok(Self {
            width,
            base: beside(std::slice::from_ref(&now))?,
            all: priced(market, EVERY_COIN, rules, &rungs, progress)?,
            coins: market.currencies.iter().enumerate().map(coin).collect::<Result<_>>()?,
            now,
            rungs,
        })
    }

    /// The market without a move.
    pub(super) fn now(&self) -> &PricedMarket {
        &self.now
    }

    /// Buffers for an account in this market, or in its own.
    pub(super) fn workspace(&self) -> Workspace<R> {
        Workspace::new(&self.base)
    }

    /// The moves of one way.
    pub(super) fn rungs(&self, way: usize) -> &[f64] {
        &self.rungs[way]
    }

    /// True if this currency is a coin.
    pub(super) fn is_coin(&self, ccy: u32) -> bool {
        self.coins.get(ccy as usize).is_some_and(Option::is_some)
    }

    /// The account on a few rungs side by side, all coins moved together.
    pub(super) fn all(
        &self,
        account: &Account<'_>,
        work: &mut Workspace<R>,
        way: usize,
        group: usize,
    ) -> Result<AccountFigures<R>, NotFinite> {
        self.width.figures(&self.all[way][group], account, work)
    }
}

impl<R: Real> CoinRungs<R> {
    fn new(
        market: &Market,
        rules: &Rules,
        now: &PricedMarket,
        ccy: u32,
        rungs: &Ways<Vec<f64>>,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let moved = |instrument: &u32| {
            let instrument = &market.instruments[*instrument as usize];
            let underlying = &market.underlyings[instrument.underlying as usize];
            [underlying.base, underlying.quote, instrument.settle].contains(&ccy)
        };
        let instruments: Vec<u32> = (0..market.instruments.len() as u32).filter(moved).collect();
        let part = Submarket::new(market, instruments.iter().copied(), std::iter::once(ccy));
        let name = &market.currencies[ccy as usize].name;
        let priced: Ways<Vec<PricedMarket<R>>> = priced(&part.market, name, rules, rungs, progress)?;
        let of_part = priced.iter().flatten().next().map_or(&[][..], |first| &first.units);
        let full = |unit: &UnitParams<R>| now.units.binary_search_by(|other| other.name.cmp(&unit.name)).ok();
        let units: Option<Vec<u32>> = of_part.iter().map(|unit| full(unit).map(|place| place as u32)).collect();
        let units = units.ok_or_else(|| Error::Runtime("a risk unit of a part is not one of the market".to_owned()))?;
        Ok(Self { instruments, units, currency: part.currencies.place(ccy), rungs: priced })
    }
}

/// The market of one account in lanes, of which one coin is moved at a time.
pub(super) struct OwnLanes<'l, R: Real> {
    ladders: &'l LaddersIn<R>,
    priced: PricedMarket<R>,
    /// What the account holds, by its number in the whole market, ascending.
    instruments: Vec<u32>,
    units: Vec<u32>,
    currencies: Vec<u32>,
    /// The account's rows in its own market.
    instrument: Vec<u32>,
    ccy: Vec<u32>,
}

fn distinct(entries: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut entries: Vec<u32> = entries.collect();
    entries.sort_unstable();
    entries.dedup();
    entries
}

fn place(entries: &[u32], entry: u32) -> u32 {
    entries.partition_point(|&other| other < entry) as u32
}

impl<'l, R: Real> OwnLanes<'l, R> {
    /// Of an account whose instruments have a price.
    pub fn new(ladders: &'l LaddersIn<R>, account: &Account<'_>) -> Result<Self, NotFinite> {
        let base = &ladders.base;
        let instruments = distinct(account.instrument.iter().copied());
        let contract = |&held: &u32| base.contracts.get(held as usize).and_then(Option::as_ref).ok_or(NotFinite);
        let held: Vec<&Contract<R>> = instruments.iter().map(contract).collect::<Result<_, _>>()?;
        let units = distinct(held.iter().map(|contract| contract.unit));
        let bases = units.iter().map(|&unit| base.units[unit as usize].base);
        let settles = held.iter().map(|contract| contract.settle);
        let currencies = distinct(account.ccy.iter().copied().chain(settles).chain(bases));
        let mut option_rows = Vec::new();
        let own = |contract: &Contract<R>| {
            let kind = match contract.kind {
                ContractKind::Option { row } => {
                    option_rows.push(base.option_rows[row as usize]);
                    ContractKind::Option { row: option_rows.len() as u32 - 1 }
                }
                other => other,
            };
            let (unit, settle) = (place(&units, contract.unit), place(&currencies, contract.settle));
            Some(Contract { kind, unit, settle, ..*contract })
        };
        let contracts = held.into_iter().map(own).collect();
        let unit = |&unit: &u32| {
            let params = &base.units[unit as usize];
            UnitParams { base: place(&currencies, params.base), ..params.clone() }
        };
        let priced = PricedMarket {
            rules: base.rules.clone(),
            units: units.iter().map(unit).collect(),
            currencies: currencies.iter().map(|&ccy| base.currencies[ccy as usize].clone()).collect(),
            contracts,
            option_rows,
        };
        Ok(Self {
            ladders,
            priced,
            instrument: account.instrument.iter().map(|&held| place(&instruments, held)).collect(),
            ccy: account.ccy.iter().map(|&ccy| place(&currencies, ccy)).collect(),
            instruments,
            units,
            currencies,
        })
    }

    /// The account on a few rungs side by side, one coin moved.
    pub fn coin(
        &mut self,
        account: &Account<'_>,
        work: &mut Workspace<R>,
        ccy: u32,
        way: usize,
        group: usize,
    ) -> Result<AccountFigures<R>, NotFinite> {
        let ladders = self.ladders;
        let rungs = ladders.coins[ccy as usize].as_ref().ok_or(NotFinite)?;
        self.take(rungs, &rungs.rungs[way][group], ccy)?;
        let own = Account { instrument: &self.instrument, ccy: &self.ccy, orders: &[], ..*account };
        ladders.width.figures(&self.priced, &own, work)
    }

    /// Takes over what one coin has moved.
    fn take(&mut self, rungs: &CoinRungs<R>, moved: &PricedMarket<R>, ccy: u32) -> Result<(), NotFinite> {
        for own in 0..self.instruments.len() {
            let Ok(there) = rungs.instruments.binary_search(&self.instruments[own]) else { continue };
            let contract = moved.contracts[there].as_ref().ok_or(NotFinite)?;
            self.put(own, contract, moved);
        }
        for (there, unit) in rungs.units.iter().enumerate() {
            if let Ok(own) = self.units.binary_search(unit) {
                self.priced.units[own].spot_usd = moved.units[there].spot_usd;
            }
        }
        if let Ok(own) = self.currencies.binary_search(&ccy) {
            self.priced.currencies[own].take_price(&moved.currencies[rungs.currency as usize]);
        }
        Ok(())
    }

    /// Puts the figures of a contract in the place of the account's own; its numbers stay.
    fn put(&mut self, own: usize, from: &Contract<R>, market: &PricedMarket<R>) {
        let Some(contract) = &mut self.priced.contracts[own] else { return };
        let &mut Contract { kind, unit, expiry, settle, group, bucket, leg, .. } = contract;
        *contract = Contract { kind, unit, expiry, settle, group, bucket, leg, ..*from };
        if let (ContractKind::Option { row }, ContractKind::Option { row: there }) = (kind, from.kind) {
            self.priced.option_rows[row as usize] = market.option_rows[there as usize];
        }
    }

    /// Moves a coin back.
    pub fn restore(&mut self, ccy: u32) {
        let base = &self.ladders.base;
        let Some(Some(rungs)) = self.ladders.coins.get(ccy as usize) else { return };
        for own in 0..self.instruments.len() {
            let instrument = self.instruments[own];
            if rungs.instruments.binary_search(&instrument).is_ok()
                && let Some(contract) = &base.contracts[instrument as usize]
            {
                self.put(own, contract, base);
            }
        }
        for unit in &rungs.units {
            if let Ok(own) = self.units.binary_search(unit) {
                self.priced.units[own].spot_usd = base.units[*unit as usize].spot_usd;
            }
        }
        if let Ok(own) = self.currencies.binary_search(&ccy) {
            self.priced.currencies[own].take_price(&base.currencies[ccy as usize]);
        }
    }
}
