//! Every answer again, by the reference model under the rules that were found: the exchange's figure, ours, the
//! difference.

use super::options::books;
use super::read::{Answer, Leg, Unit, fx_told};
use super::smile::{Implied, Terms, index, widest};
use super::world::World;
use crate::Result;
use crate::listing::{Contract, Kind, Listing};
use crate::margin::rules::{OptionPnl, Rules};
use crate::market::Market;
use crate::reference::{self, Account, Balance, Margin, Position};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One figure of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Residual {
    /// The answer.
    pub answer: String,
    /// The risk unit; empty for a figure of the account.
    pub unit: String,
    /// The exchange's name of the figure.
    pub figure: &'static str,
    /// The exchange's figure.
    pub exchange: f64,
    /// Ours under the measured rules.
    pub ours: f64,
    /// `ours - exchange`.
    pub difference: f64,
    /// The difference in parts of the larger of both.
    pub relative: f64,
    /// Beyond the tolerance.
    pub is_break: bool,
}

/// How far two figures may differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    pub relative: f64,
    pub absolute: f64,
}

/// Every figure of an answer beside ours.
pub(super) fn recheck(world: &World, answer: &Answer, rules: &Rules, tolerance: Tolerance) -> Result<Vec<Residual>> {
    let (market, positions, balances) = account_of(world, answer, rules);
    let account = Account {
        market: &market,
        rules,
        positions,
        balances,
        spot_offset: rules.default_spot_offset,
        orders: Vec::new(),
        fee_rate: None,
    };
    Ok(beside(answer, &reference::margin(&account)?, tolerance))
}

fn beside(answer: &Answer, margin: &Margin, tolerance: Tolerance) -> Vec<Residual> {
    let residual = |unit: &str, figure: &'static str, exchange: f64, ours: f64, noise: f64| {
        let (difference, size) = (ours - exchange, ours.abs().max(exchange.abs()));
        let relative = if difference == 0.0 { 0.0 } else { difference.abs() / size };
        let allowed = tolerance.absolute.max(tolerance.relative * size).max(noise);
        let is_break = difference.abs() > allowed;
        let (answer, unit) = (answer.name.clone(), unit.to_owned());
        Residual { answer, unit, figure, exchange, ours, difference, relative, is_break }
    };
    let mut rows = Vec::new();
    let totals = [
        ("eq", Some(margin.adj_eq)),
        ("totalMmr", Some(margin.mmr)),
        ("totalImr", Some(margin.imr)),
        ("borrowMmr", Some(margin.borrow_mmr)),
        ("marginRatio", margin.margin_ratio),
    ];
    for (name, ours) in totals {
        if let (Some(exchange), Some(ours)) = (answer.figure(name), ours) {
            // Of an equity that is nearly nothing, the rounding of its parts is left.
            let noise = if name == "marginRatio" { 1e-12 * margin.gross_eq / margin.mmr.max(1e-6) } else { 0.0 };
            rows.push(residual("", name, exchange.value, ours, exchange.half + noise));
        }
    }
    for unit in &answer.units {
        let Some(ours) = margin.units.iter().find(|ours| ours.name == unit.name) else {
            rows.push(residual(&unit.name, "mmr", unit.figure("mmr").map_or(0.0, |mmr| mmr.value), f64::NAN, 0.0));
            continue;
        };
        let parts = &ours.parts;
        let figures = [
            ("mr1", parts.mr1),
            ("mr2", parts.mr2),
            ("mr3", parts.mr3),
            ("mr4", parts.mr4),
            ("mr5", parts.mr5),
            ("mr6", parts.mr6),
            ("mr7", parts.mr7),
            ("mr9", parts.mr9),
            ("mmr", ours.mmr),
            ("imr", ours.imr),
        ];
        for (name, figure) in figures {
            if let Some(exchange) = unit.figure(name) {
                rows.push(residual(&unit.name, name, exchange.value, figure, exchange.half + 1e-12 * ours.notional));
            }
        }
    }
    rows.iter_mut().filter(|row| row.ours.is_nan()).for_each(|row| row.is_break = true);
    rows
}

/// The account of an answer, in the market that the answer tells.
fn account_of(world: &World, answer: &Answer, rules: &Rules) -> (Market, Vec<Position>, Vec<Balance>) {
    let terms = Terms { rate: rules.rate, in_coin: rules.coin_option_pnl == OptionPnl::Coin };
    let mut listing = involved(world.listing, answer);
    for ccy in ["USDT", "USDC"] {
        if let Some(fx) = fx_told(answer, ccy) {
            listing.indices.insert(format!("{ccy}-USD"), fx.value);
        }
    }
    for unit in &answer.units {
        if let Some((name, price)) = told_index(&listing, answer, unit) {
            listing.indices.insert(name, price);
        }
    }
    let mut contracts: Vec<Contract> = Vec::new();
    let mut positions = Vec::new();
    let mut settled: BTreeMap<&str, f64> = BTreeMap::new();
    for leg in answer.units.iter().flat_map(|unit| &unit.legs) {
        let contract = Contract { mark_px: leg.mark.value, ..leg.contract.clone() };
        positions.push(Position { instrument: contracts.len(), qty: leg.qty, avg_px: leg.avg_px });
        contracts.push(contract);
        let of_option = leg.size() * leg.mark.value;
        let counts = if leg.contract.kind.is_option() { of_option } else { leg.float_pnl.value };
        *settled.entry(leg.contract.settle.as_str()).or_default() += counts;
    }
    for book in books(world).iter().filter(|book| std::ptr::eq(book.answer, answer)) {
        let marks: Vec<f64> = book.unit.legs.iter().map(|leg| leg.mark.value).collect();
        let Some(options) = book.options(&marks, terms.rate) else { continue };
        for (leg, option) in book.unit.legs.iter().zip(&options) {
            for contract in contracts.iter_mut().filter(|contract| contract.inst_id == leg.contract.inst_id) {
                (contract.fwd_px, contract.mark_vol) = (option.forward, option.vol);
            }
        }
        if let Some(price) = option_index(book.unit, &options, terms) {
            listing
                .indices
                .insert(book.unit.legs.first().map(|leg| leg.contract.underlying()).unwrap_or_default(), price);
        }
    }
    let market = listing.market(&contracts, answer.ts_ms);
    let balance = |asset: &super::read::Asset| {
        let ccy = market.currencies.iter().position(|ccy| ccy.name == asset.ccy)?;
        let cash = asset.eq.value - settled.get(asset.ccy.as_str()).copied().unwrap_or(0.0);
        Some(Balance { ccy, cash, interest: 0.0, cap: None, restricted: false })
    };
    let balances = answer.assets.iter().filter_map(balance).collect();
    (market, positions, balances)
}

/// The indices that the account needs.
fn involved(listing: &Listing, answer: &Answer) -> Listing {
    let mut names: BTreeSet<&str> = BTreeSet::from(["USDT", "USDC"]);
    for leg in answer.units.iter().flat_map(|unit| &unit.legs) {
        names.extend([leg.contract.base.as_str(), &leg.contract.quote, &leg.contract.settle]);
    }
    names.extend(answer.assets.iter().map(|asset| asset.ccy.as_str()));
    let needed = |name: &str| name.split_once('-').is_some_and(|(base, _)| names.contains(base));
    let indices = listing.indices.iter().filter(|(name, _)| needed(name));
    Listing { indices: indices.map(|(name, px)| (name.clone(), *px)).collect(), ..Listing::default() }
}

/// The index of the only linear underlying of a unit, from the P&L of its largest move.
fn told_index(listing: &Listing, answer: &Answer, unit: &Unit) -> Option<(String, f64)> {
    if !unit.is_delta_one() || answer.spot(unit.base()) != 0.0 {
        return None;
    }
    let linear: Vec<_> = unit.legs.iter().filter(|leg| leg.contract.kind == Kind::Linear).collect();
    let first = linear.first()?;
    if linear.iter().any(|leg| leg.contract.quote != first.contract.quote) {
        return None;
    }
    let coins: f64 = linear.iter().map(|leg| leg.size()).sum();
    let inverse: f64 = unit.legs.iter().filter(|leg| leg.contract.kind == Kind::Inverse).map(Leg::size).sum();
    let slope = unit.grid.get(1)?.last()?.value / unit.moves.last()?;
    let phi = listing.fx(&first.contract.quote)?;
    let price = (slope - inverse) / (coins * phi);
    (price > 0.0 && price.is_finite()).then(|| (first.contract.underlying(), price))
}

fn option_index(unit: &Unit, options: &[Implied], terms: Terms) -> Option<f64> {
    let (step, moved) = widest(unit)?;
    index(options, step, moved.value, terms)
}
