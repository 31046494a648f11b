//! From a market to its priced table: risk units, expiry buckets, and each instrument in every scenario.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use crate::engine::lanes::widest;
use crate::margin::black76::Terms;
use crate::margin::priced::{
    ClassFigures, Contract, ContractKind, CurrencyParams, DeltaOne, OptionContract, OptionRow, Place, PricedMarket,
    UnitParams, price_delta_one, price_option, settle_option,
};
use crate::margin::rules::{Class, OptionPnl, RiskUnitMode, Rules, SettleGroup};
use crate::margin::tiers::{MarketTiers, TierUnit};
use crate::market::{Currency, Instrument, InstrumentKind, Market};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Prices every instrument in every scenario of the rules.
///
/// Instruments with a price gap get no contract; a valid book holds none of them.
///
/// ```
/// use remargin::engine::price;
/// # use remargin::snapshot::{self, LoadOptions};
/// # use remargin::rules;
/// # use std::path::Path;
/// let rules = rules::load(None, &[])?;
/// let snapshot = snapshot::load(Path::new("data/sample"), &LoadOptions::of(&rules.rules))?;
/// let priced = price(&snapshot.market, &rules.rules);
/// assert_eq!(priced.contracts.len(), snapshot.market.instruments.len());
/// # Ok::<(), remargin::Error>(())
/// ```
#[must_use]
pub fn price(market: &Market, rules: &Rules) -> PricedMarket {
    let units = units_of(market, rules);
    let unit_index: BTreeMap<&str, u32> =
        units.iter().enumerate().map(|(index, unit)| (unit.name.as_str(), index as u32)).collect();
    let mut contracts = Vec::with_capacity(market.instruments.len());
    let mut option_rows = Vec::new();
    let mut numbering = Numbering::default();
    for instrument in &market.instruments {
        let unit = unit_index[unit_name(market, rules, instrument.underlying)];
        let numbers = numbering.of(unit, instrument, rules);
        let params = &units[unit as usize];
        contracts.push(contract_of(market, rules, instrument, numbers, params, &mut option_rows));
    }
    let currencies = market.currencies.iter().map(|currency| currency_params(currency, rules)).collect();
    PricedMarket { rules: Arc::new(rules.clone()), units, currencies, contracts, option_rows }
}

/// Prices every instrument again after a move of prices: `priced` becomes what [`price`] makes of `now`, which has the
/// instruments, underlyings, currencies and time of the market that it was made of.
pub fn reprice(priced: &mut PricedMarket, now: &Market) {
    let PricedMarket { rules, units, currencies, contracts, option_rows } = priced;
    for (params, currency) in currencies.iter_mut().zip(&now.currencies) {
        params.move_to(currency.fx.unwrap_or(f64::NAN), rules);
    }
    if !rules.mr9.prices.is_empty() {
        let tiers = hedge_tiers(now, rules);
        for unit in units.iter_mut() {
            unit.hedge_tiers = Arc::clone(&tiers);
        }
    }
    let mut scratch = Vec::new();
    let mut last = None;
    for (contract, instrument) in contracts.iter_mut().zip(&now.instruments) {
        let Some(old) = *contract else { continue };
        let unit = &mut units[old.unit as usize];
        // Of its parameters only the price moves; the first of its instruments brings it up to date.
        if last.replace(old.unit) != Some(old.unit) {
            unit.spot_usd = spot_usd(now, rules, instrument.underlying);
        }
        let numbers = Numbers { unit: old.unit, bucket: old.bucket, leg: old.leg };
        *contract = contract_of(now, rules, instrument, numbers, unit, &mut scratch);
        if let (ContractKind::Option { row }, Some(priced)) = (old.kind, scratch.pop()) {
            option_rows[row as usize] = priced;
            if let Some(contract) = contract {
                contract.kind = old.kind;
            }
        }
    }
}

/// Numbers of what contracts have in common. They are equal where that is, whatever else the market lists: sums of an
/// account must not depend on what others may hold.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    unit: u32,
    bucket: u32,
    leg: u32,
}

/// Gives unit and expiry a number, and with settle currency and kind another.
#[derive(Debug, Default)]
struct Numbering {
    buckets: BTreeMap<(u32, Option<i64>), u32>,
    legs: BTreeMap<(u32, u32, bool), u32>,
}

impl Numbering {
    fn of(&mut self, unit: u32, instrument: &Instrument, rules: &Rules) -> Numbers {
        let is_option = matches!(instrument.kind, InstrumentKind::Option { .. });
        let next = self.buckets.len() as u32;
        let bucket = *self.buckets.entry((unit, basis_expiry_ns(instrument, rules))).or_insert(next);
        let next = self.legs.len() as u32;
        let leg = *self.legs.entry((bucket, instrument.settle, is_option)).or_insert(next);
        Numbers { unit, bucket, leg }
    }
}

/// The figures of each pair of classes, made once, and MR9's tiers, which all units share.
struct Figures<'a> {
    rules: &'a Rules,
    hedge_tiers: Arc<[MarketTiers]>,
    made: BTreeMap<(Class, Class), Arc<ClassFigures>>,
}

impl<'a> Figures<'a> {
    fn new(market: &Market, rules: &'a Rules) -> Self {
        Self { rules, hedge_tiers: hedge_tiers(market, rules), made: BTreeMap::new() }
    }

    fn of(&mut self, class_mr1: Class, class_mr467: Class) -> Arc<ClassFigures> {
        let make = || Arc::new(ClassFigures::of(self.rules, class_mr1, class_mr467));
        Arc::clone(self.made.entry((class_mr1, class_mr467)).or_insert_with(make))
    }
}

/// MR9's tiers of each pair, at the USD price of its cheaper stablecoin. USD itself is none. A stablecoin without a
/// price is settled in by nobody.
fn hedge_tiers(market: &Market, rules: &Rules) -> Arc<[MarketTiers]> {
    if rules.risk_unit == RiskUnitMode::Separate {
        return Arc::new([]);
    }
    let price = |group: SettleGroup| {
        let currency = market.currencies.iter().find(|currency| currency.name == group.name());
        currency.filter(|_| group != SettleGroup::Usd).and_then(|currency| currency.fx)
    };
    let of_pair = |&(first, second): &(SettleGroup, SettleGroup)| {
        let prices = [price(first), price(second)].into_iter().flatten();
        let cheaper = prices.fold(f64::INFINITY, |least, price| if price < least { price } else { least });
        MarketTiers::at(&rules.mr9.prices, &rules.mr9.tiers, cheaper)
    };
    rules.mr9.pairs.iter().map(of_pair).collect()
}

fn currency_params(currency: &Currency, rules: &Rules) -> CurrencyParams {
    let fx_usd = currency.fx.unwrap_or(f64::NAN);
    let mut params = CurrencyParams {
        name: currency.name.clone(),
        fx_usd,
        discount: rules.discount.get(&currency.name).clone(),
        discount_unit: TierUnit::coins(fx_usd),
        borrow: rules.mr8.tiers.get(&currency.name).clone(),
        borrow_unit: TierUnit::coins(fx_usd),
    };
    params.move_to(fx_usd, rules);
    params
}

/// The expiry of MR4's bucket: none for a swap, and for a future that funding holds at spot.
fn basis_expiry_ns(instrument: &Instrument, rules: &Rules) -> Option<i64> {
    let is_option = matches!(instrument.kind, InstrumentKind::Option { .. });
    let is_like = || rules.mr4.perpetual_like.iter().any(|part| instrument.inst_id.contains(part.as_str()));
    instrument.expiry_ns.filter(|_| is_option || !is_like())
}

fn unit_name<'a>(market: &'a Market, rules: &Rules, underlying: u32) -> &'a str {
    let underlying = &market.underlyings[underlying as usize];
    match rules.risk_unit {
        RiskUnitMode::Separate => &underlying.name,
        RiskUnitMode::Merged => &market.currencies[underlying.base as usize].name,
    }
}

/// The risk units that have instruments, in byte order, each with its expiries in ascending order (perpetuals first).
fn units_of(market: &Market, rules: &Rules) -> Vec<UnitParams> {
    let mut expiries: BTreeMap<&str, (u32, Vec<Option<i64>>)> = BTreeMap::new();
    for instrument in &market.instruments {
        let name = unit_name(market, rules, instrument.underlying);
        let entry = expiries.entry(name).or_insert_with(|| (instrument.underlying, Vec::new()));
        entry.1.push(basis_expiry_ns(instrument, rules));
    }
    let mut figures = Figures::new(market, rules);
    expiries
        .into_iter()
        .map(|(name, (underlying, mut expiries))| {
            expiries.sort_unstable();
            expiries.dedup();
            unit_params(market, rules, name, underlying, expiries, &mut figures)
        })
        .collect()
}

/// USD value of a coin of a unit's spot in use; NaN without a price.
fn spot_usd(market: &Market, rules: &Rules, underlying: u32) -> f64 {
    let underlying = &market.underlyings[underlying as usize];
    let fx = |ccy: u32| market.currencies[ccy as usize].fx;
    let usd = match rules.risk_unit {
        RiskUnitMode::Merged => fx(underlying.base),
        RiskUnitMode::Separate => underlying.index_px.zip(fx(underlying.quote)).map(|(index, fx)| index * fx),
    };
    usd.unwrap_or(f64::NAN)
}

fn unit_params(
    market: &Market,
    rules: &Rules,
    name: &str,
    underlying: u32,
    expiries: Vec<Option<i64>>,
    figures: &mut Figures,
) -> UnitParams {
    let spot_usd = spot_usd(market, rules, underlying);
    let underlying = &market.underlyings[underlying as usize];
    let (base, quote) = (&market.currencies[underlying.base as usize], &market.currencies[underlying.quote as usize]);
    let merged = rules.risk_unit == RiskUnitMode::Merged;
    let class_mr467 = rules.mr467_classes.of(&base.name);
    let class_mr1 = rules.mr1_classes.of(&base.name);
    let quote = if merged { String::new() } else { quote.name.clone() };
    UnitParams {
        name: name.to_string(),
        base: underlying.base,
        hedged_by: UnitParams::hedged_by(&quote, rules.risk_unit),
        quote,
        spot_usd,
        class_mr1,
        class_mr467,
        figures: figures.of(class_mr1, class_mr467),
        hedge_tiers: Arc::clone(&figures.hedge_tiers),
        expiries,
    }
}

/// [`price_option`], its scenarios side by side in wide registers.
#[inline(never)]
fn wide_option(spec: &OptionContract, place: Place, number: u32, rules: &Rules) -> (Contract, OptionRow) {
    widest(
        #[inline(always)]
        || price_option(spec, place, number, rules),
    )
}

fn contract_of(
    market: &Market,
    rules: &Rules,
    instrument: &Instrument,
    numbers: Numbers,
    params: &UnitParams,
    option_rows: &mut Vec<OptionRow>,
) -> Option<Contract> {
    let underlying = &market.underlyings[instrument.underlying as usize];
    let phi_usd = market.currencies[underlying.quote as usize].fx?;
    let index_px = underlying.index_px?;
    if instrument.gap.is_some() {
        return None;
    }
    let expiry_ns = basis_expiry_ns(instrument, rules);
    let place = Place {
        unit: numbers.unit,
        bucket: numbers.bucket,
        leg: numbers.leg,
        expiry: params.expiries.binary_search(&expiry_ns).ok()? as u32,
        settle: instrument.settle,
        group: SettleGroup::of(&market.currencies[instrument.settle as usize].name) as u32,
        basis_rate: UnitParams::basis_rate_of(rules, params.class_mr467, market.years_to(expiry_ns)),
    };
    let (multiplier, mark_px) = (instrument.multiplier, instrument.mark_px);
    let (call, strike) = match instrument.kind {
        InstrumentKind::Option { call, strike } => (call, strike),
        InstrumentKind::Linear | InstrumentKind::Inverse => {
            let inverse = instrument.kind == InstrumentKind::Inverse;
            let class = params.class_mr467;
            let spec = DeltaOne { inverse, multiplier, mark_px, index_px, phi_usd, class };
            return Some(price_delta_one(&spec, place, rules));
        }
    };
    let terms = Terms {
        forward: instrument.fwd_px,
        strike,
        vol: instrument.mark_vol,
        years: market.years_to(instrument.expiry_ns),
        rate: rules.rate,
        call,
    };
    let (class_mr1, class_mr467) = (params.class_mr1, params.class_mr467);
    // In its coin: what is settled in a quote has its P&L there already.
    let pnl = if instrument.settle == underlying.base { rules.coin_option_pnl } else { OptionPnl::Usd };
    let spec = OptionContract { terms, multiplier, mark_px, index_px, phi_usd, class_mr1, class_mr467, pnl };
    let number = option_rows.len() as u32;
    let (contract, row) =
        if terms.years > 0.0 { wide_option(&spec, place, number, rules) } else { settle_option(&spec, place, number) };
    option_rows.push(row);
    Some(contract)
}
