//! Instruments, marks and indices joined to a [`Market`], and what a position in each instrument meets.

// Indices are made in this module and in range; a checked lookup would hide a bug and slow down the hot loop.
#![allow(clippy::indexing_slicing)]

pub(crate) mod contracts;
mod ids;
mod plausible;
pub(crate) mod prices;
mod sizes;
pub(crate) mod spot_pairs;

use super::Expectations;
use super::reject::Reason;
use super::relate::left_join;
use super::warning::{Warning, first_few};
use crate::market::{Currency, Instrument, InstrumentKind, Market, PriceGap, Underlying};
use crate::{Error, Result};
use contracts::{Contract, ContractRow, base_quote};
use plausible::{Quoted, Tally};
use prices::{IndexRow, Indices, MarkRow, Price, positive};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering as Memory};

/// What stands against a position in an instrument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub reason: Reason,
    pub column: &'static str,
    pub value: String,
}

impl Refusal {
    /// The same, with the name of the instrument before the value.
    fn about(self, inst_id: &str) -> Self {
        let value = match self.value.as_str() {
            "" => inst_id.to_owned(),
            value => format!("{inst_id}: {value}"),
        };
        Self { value: crate::cells::text::cut(&value), ..self }
    }
}

/// An instrument as positions find it.
pub(crate) struct Listing {
    /// Index into the market's instruments, none if it is invalid or expired.
    pub instrument: Option<u32>,
    /// Why positions in it are refused.
    pub refusal: Option<Refusal>,
    held: AtomicBool,
}

impl Listing {
    fn new(instrument: Option<u32>, refusal: Option<Refusal>) -> Self {
        Self { instrument, refusal, held: AtomicBool::new(false) }
    }
}

/// All instruments of the snapshot by id, the invalid and the expired among them.
#[derive(Default)]
pub(crate) struct Listings {
    numbers: HashMap<String, u32>,
    entries: Vec<Listing>,
    /// Most contracts that may be held of each instrument of the market.
    most: Vec<f64>,
    /// Instruments whose contracts are of an odd size.
    odd_sizes: Vec<String>,
    /// Instruments whose ids contradict their columns.
    contradicting: Vec<String>,
}

impl Listings {
    /// Number of an id, which somebody holds from now on.
    pub fn hold(&self, inst_id: &str) -> Option<u32> {
        let number = *self.numbers.get(inst_id)?;
        self.entries[number as usize].held.store(true, Memory::Relaxed);
        Some(number)
    }

    /// True if no more contracts are held of an instrument of the market than plausible.
    pub fn is_plausible(&self, instrument: u32, qty: f64) -> bool {
        self.most.get(instrument as usize).is_none_or(|most| qty.abs() <= *most)
    }

    pub fn get(&self, number: u32) -> &Listing {
        &self.entries[number as usize]
    }

    /// Instruments whose row is broken and that nobody holds.
    pub fn unheld_broken(&self) -> u64 {
        let is_broken = |listing: &&Listing| {
            let reason = listing.refusal.as_ref().map(|refusal| refusal.reason);
            reason == Some(Reason::InvalidInstrument) && !listing.held.load(Memory::Relaxed)
        };
        self.entries.iter().filter(is_broken).count() as u64
    }

    /// The instruments without a place in the market, and why.
    pub fn untradable(&self) -> BTreeMap<String, Reason> {
        let listed = self.numbers.iter().map(|(inst_id, &number)| (inst_id, &self.entries[number as usize]));
        let refused = listed.filter(|(_, listing)| listing.instrument.is_none());
        let reason = |listing: &Listing| listing.refusal.as_ref().map(|refusal| refusal.reason);
        refused.filter_map(|(inst_id, listing)| Some((inst_id.clone(), reason(listing)?))).collect()
    }

    /// What is odd about the held instruments, in the order of the market, and about prices.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |code: &str, ids: &[&str], what: &str| {
            if !ids.is_empty() {
                let text = format!("{what}: {}", first_few(ids.iter().copied()));
                warnings.push(Warning::new(code, ids.len() as u64, text));
            }
        };
        let sizes = "contracts of an unusual size (`ct_val` x `ct_mult`), by USD or beside others of their underlying";
        warn(Warning::ODD_SIZES, &self.held(&self.odd_sizes), sizes);
        let ids = "contracts whose ids name another expiry, strike or type than their columns, which count";
        warn(Warning::CONTRADICTING_IDS, &self.held(&self.contradicting), ids);
        let prices = "prices that contradict each other; positions in such instruments are rejected";
        warn(Warning::IMPLAUSIBLE_PRICES, &self.implausible().into_keys().collect::<Vec<_>>(), prices);
        warnings
    }

    fn held<'a>(&self, ids: &'a [String]) -> Vec<&'a str> {
        let listing = |inst_id: &str| self.numbers.get(inst_id).map(|&number| &self.entries[number as usize]);
        let is_held = |inst_id: &&str| listing(inst_id).is_some_and(|listing| listing.held.load(Memory::Relaxed));
        ids.iter().map(String::as_str).filter(is_held).collect()
    }

    /// The instruments whose prices contradict each other, in byte order.
    pub fn implausible(&self) -> BTreeMap<&str, &Refusal> {
        let refused = self.numbers.iter().filter_map(|(inst_id, &number)| {
            let refusal = self.entries[number as usize].refusal.as_ref()?;
            refusal.reason.is_implausible_price().then_some((inst_id.as_str(), refusal))
        });
        refused.collect()
    }

    fn add(&mut self, inst_id: &str, listing: Listing) {
        self.numbers.insert(inst_id.to_owned(), self.entries.len() as u32);
        self.entries.push(listing);
    }

    /// Missing prices that no position needs: instruments without a price that no position refers to, and broken
    /// index rows behind no instrument and no currency that is held. `currencies` are those of the balances.
    pub fn unused_gaps<'a>(
        &'a self,
        market: &'a Market,
        indices: &Indices,
        currencies: impl Iterator<Item = &'a str>,
    ) -> u64 {
        let mut currencies: BTreeSet<&str> = currencies.collect();
        let mut needed: BTreeSet<String> = BTreeSet::new();
        let mut unused = 0;
        for listing in &self.entries {
            let Some(instrument) = listing.instrument.map(|index| &market.instruments[index as usize]) else {
                continue;
            };
            if listing.held.load(Memory::Relaxed) {
                let underlying = &market.underlyings[instrument.underlying as usize];
                needed.insert(underlying.name.clone());
                currencies.extend(
                    [underlying.quote, instrument.settle].map(|ccy| market.currencies[ccy as usize].name.as_str()),
                );
            } else if instrument.gap.is_some() {
                unused += 1;
            }
        }
        needed.extend(currencies.into_iter().flat_map(|ccy| indices.fx_path(ccy)));
        unused + indices.iter().filter(|(name, px)| px.is_err() && !needed.contains(*name)).count() as u64
    }
}

/// The currencies that have a USD value, by name.
pub(crate) struct Priced<'a>(HashMap<&'a str, u32>);

impl<'a> Priced<'a> {
    pub fn new(market: &'a Market) -> Self {
        let named = market.currencies.iter().zip(0..).filter(|(currency, _)| currency.fx.is_some());
        Self(named.map(|(currency, index)| (currency.name.as_str(), index)).collect())
    }

    /// Index of a currency in the market.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.0.get(name).copied()
    }
}

/// Builds the market from instruments, marks and indices. `balance_currencies` are the names in `balances`.
pub(crate) fn build<'a>(
    as_of_ns: i64,
    expectations: &Expectations,
    (contracts, marks, index_rows): (&'a [ContractRow], &[MarkRow], &'a [IndexRow]),
    balance_currencies: impl Iterator<Item = &'a str>,
) -> Result<(Market, Listings)> {
    let indices = Indices::new(index_rows);
    let mut listings = Listings::default();
    let mut live = Vec::new();
    for row in contracts {
        let Some(inst_id) = row.inst_id.as_deref() else { continue };
        match &row.contract {
            Err(_) => {
                let refusal = Refusal {
                    reason: Reason::InvalidInstrument,
                    column: "inst_id",
                    value: crate::cells::text::cut(inst_id),
                };
                listings.add(inst_id, Listing::new(None, Some(refusal)));
            }
            Ok(contract) if contract.expiry_ns.is_some_and(|expiry_ns| expiry_ns <= as_of_ns) => {
                let refusal = Refusal {
                    reason: Reason::ExpiredInstrument,
                    column: "inst_id",
                    value: crate::cells::text::cut(inst_id),
                };
                listings.add(inst_id, Listing::new(None, Some(refusal)));
            }
            Ok(contract) => live.push((inst_id, contract)),
        }
    }
    live.sort_by(canonical);

    let names = Names::new(&live, &indices, balance_currencies);
    let mark_ids: Vec<_> = marks.iter().map(|row| row.inst_id.as_deref()).collect();
    let index_ids: Vec<_> = index_rows.iter().map(|row| row.index_id.as_deref()).collect();
    let live_ids: Vec<_> = live.iter().map(|(inst_id, _)| Some(*inst_id)).collect();
    let live_ulys: Vec<_> = live.iter().map(|(_, contract)| Some(contract.uly.as_str())).collect();
    let mark_of = left_join(&live_ids, &mark_ids);
    let index_of = left_join(&live_ulys, &index_ids);

    let mut tally = Tally::default();
    let mut worth = Vec::with_capacity(live.len());
    let mut instruments = Vec::with_capacity(live.len());
    for (&(inst_id, contract), (mark, index)) in live.iter().zip(mark_of.into_iter().zip(index_of)) {
        let mark = mark.map(|row| &marks[row]);
        let index = index.map(|row| &index_rows[row].px);
        let priced = prices(contract, mark, index, &indices);
        let priced = match (priced, expectations.mark_check.share(), indices.px(&contract.uly)) {
            (Ok((mark_px, mark_vol, fwd_px)), Some(share), Some(index_px)) => {
                let years = plausible::years(as_of_ns, contract.expiry_ns);
                let quoted = Quoted { mark_px, mark_vol, fwd_px, index_px, years };
                plausible::check(contract, quoted, share, &mut tally).map_or(Ok((mark_px, mark_vol, fwd_px)), Err)
            }
            (priced, ..) => priced,
        };
        let (mark_px, mark_vol, fwd_px) = priced.as_ref().map_or((f64::NAN, f64::NAN, f64::NAN), |prices| *prices);
        let (gap, refusal) = match priced {
            Ok(_) => (None, None),
            Err((gap, refusal)) => (Some(gap), Some(refusal.about(inst_id))),
        };
        let usd = contract_usd(contract, mark_px, &indices);
        worth.push(usd.unwrap_or(f64::NAN));
        if expectations.max_notional_usd.is_some() {
            listings.most.push(usd.map_or(f64::INFINITY, |usd| expectations.most_held(usd)));
        }
        let number = u32::try_from(instruments.len()).map_err(|_| Error::Runtime("too many instruments".into()))?;
        listings.add(inst_id, Listing::new(Some(number), refusal));
        instruments.push(Instrument {
            inst_id: inst_id.to_owned(),
            kind: contract.kind,
            underlying: names.underlying(&contract.uly),
            settle: names.currency(&contract.settle),
            multiplier: contract.multiplier,
            expiry_ns: contract.expiry_ns,
            lot_sz: contract.lot_sz,
            mark_px,
            mark_vol,
            fwd_px,
            gap,
        });
    }
    tally.verdict()?;
    if expectations.mark_check.share().is_some() {
        listings.odd_sizes = sizes::odd(&live, &worth).into_iter().map(str::to_owned).collect();
    }
    let contradicts = |(inst_id, contract): &&(&str, &Contract)| ids::contradicts(inst_id, contract);
    listings.contradicting = live.iter().filter(contradicts).map(|(inst_id, _)| (*inst_id).to_owned()).collect();
    let underlyings = names.underlyings.iter().map(|&(base, name)| Underlying {
        name: name.to_owned(),
        base: names.currency(base),
        quote: names.currency(base_quote(name).map_or("", |(_, quote)| quote)),
        index_px: indices.px(name),
    });
    let currencies = names.currencies.iter().map(|&name| Currency { name: name.to_owned(), fx: indices.fx(name) });
    let market = Market { as_of_ns, currencies: currencies.collect(), underlyings: underlyings.collect(), instruments };
    Ok((market, listings))
}

/// Base, underlying, expiry (swaps first), id: the order of [`Market::instruments`].
fn canonical(a: &(&str, &Contract), b: &(&str, &Contract)) -> Ordering {
    fn key<'a>((inst_id, contract): &(&'a str, &'a Contract)) -> (&'a str, &'a str, Option<i64>, &'a str) {
        let base = base_quote(&contract.uly).map_or("", |(base, _)| base);
        (base, &contract.uly, contract.expiry_ns, inst_id)
    }
    key(a).cmp(&key(b))
}

/// The names of the market in their order.
struct Names<'a> {
    currencies: Vec<&'a str>,
    /// Base and name.
    underlyings: Vec<(&'a str, &'a str)>,
}

impl<'a> Names<'a> {
    fn new(
        live: &[(&'a str, &'a Contract)],
        indices: &Indices<'a>,
        balance_currencies: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut underlyings = BTreeSet::new();
        let mut currencies: BTreeSet<&str> = balance_currencies.collect();
        let ulys = live.iter().map(|(_, contract)| contract.uly.as_str());
        for name in ulys.chain(indices.iter().map(|(name, _)| name)) {
            if let Some((base, quote)) = base_quote(name) {
                underlyings.insert((base, name));
                currencies.extend([base, quote]);
            }
        }
        currencies.extend(live.iter().map(|(_, contract)| contract.settle.as_str()));
        Self { currencies: currencies.into_iter().collect(), underlyings: underlyings.into_iter().collect() }
    }

    /// The index of a currency that is among the names.
    fn currency(&self, name: &str) -> u32 {
        self.currencies.partition_point(|other| *other < name) as u32
    }

    /// The index of an underlying that is among the names.
    fn underlying(&self, name: &str) -> u32 {
        let base = base_quote(name).map_or("", |(base, _)| base);
        self.underlyings.partition_point(|other| *other < (base, name)) as u32
    }
}

/// What a contract moves with, in USD: the face of an inverse one, the coins of a linear one at the mark, the coins of
/// an option at the index.
fn contract_usd(contract: &Contract, mark_px: f64, indices: &Indices) -> Option<f64> {
    let fx = || indices.fx(base_quote(&contract.uly)?.1);
    let px = match contract.kind {
        InstrumentKind::Inverse => return Some(contract.multiplier),
        InstrumentKind::Linear => mark_px,
        InstrumentKind::Option { .. } => indices.px(&contract.uly)?,
    };
    Some(contract.multiplier * px * fx()?)
}

/// Mark, volatility and forward of an instrument, or the first gap: mark, volatility, forward, index, fx.
fn prices(
    contract: &Contract,
    mark: Option<&MarkRow>,
    index: Option<&Price>,
    indices: &Indices,
) -> Result<(f64, f64, f64), (PriceGap, Refusal)> {
    let refuse = |gap, reason, column, value| (gap, Refusal { reason, column, value });
    let missing = |price: Option<&Price>| price.map_or_else(|| Err(String::new()), positive);
    let option = matches!(contract.kind, InstrumentKind::Option { .. });
    let mark_px = match mark.map(|row| &row.mark_px) {
        // An option far out of the money has a mark of zero.
        Some(Ok(zero)) if option && *zero == 0.0 => Ok(0.0),
        price => missing(price),
    };
    let mark_px = mark_px.map_err(|value| refuse(PriceGap::Mark, Reason::MissingMark, "mark_px", value))?;
    if let Some((reason, column, value)) = mark.and_then(|row| row.doubt.clone()) {
        return Err(refuse(PriceGap::Mark, reason, column, value));
    }
    let (mut mark_vol, mut fwd_px) = (0.0, 0.0);
    if option {
        mark_vol = missing(mark.map(|row| &row.mark_vol))
            .map_err(|value| refuse(PriceGap::Vol, Reason::MissingVol, "mark_vol", value))?;
        fwd_px = missing(mark.map(|row| &row.fwd_px))
            .map_err(|value| refuse(PriceGap::Forward, Reason::MissingForward, "fwd_px", value))?;
    }
    missing(index).map_err(|value| {
        let value = if value.is_empty() { contract.uly.clone() } else { format!("{} {value}", contract.uly) };
        refuse(PriceGap::Index, Reason::MissingIndex, "px", value)
    })?;
    let quote = base_quote(&contract.uly).map_or("", |(_, quote)| quote);
    for ccy in [quote, &contract.settle] {
        if indices.fx(ccy).is_none() {
            return Err(refuse(PriceGap::Fx, Reason::MissingFx, "px", ccy.to_owned()));
        }
    }
    Ok((mark_px, mark_vol, fwd_px))
}
