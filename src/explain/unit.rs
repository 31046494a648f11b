//! The explanation of one risk unit.

use super::model::{
    BasisLine, BasisStep, DecayStep, ExpiryPnl, ExtremeStep, GridStep, MinimumStep, OptionStep, OrderStep,
    PositionStep, RateStep, SpotStep, StablecoinPair, StablecoinStep, TermStep, TierStep, UnitStep,
};
use crate::margin::UnitMargin;
use crate::margin::account::Account;
use crate::margin::black76::Terms;
use crate::margin::extremes::{higher, lower, positive_part};
use crate::margin::priced::{
    Contract, ContractKind, DECAY, GAMMA, PricedMarket, RATES, UnitParams, VEGA, upl_settle, vol_shift,
};
use crate::margin::requirement::Workspace;
use crate::margin::rules::{RiskUnitMode, SettleGroup};
use crate::margin::spot_hedge::Spot;
use crate::margin::stress::hedged_pairs;
use crate::margin::sums::{ExpirySums, UnitSums};
use crate::market::{Instrument, InstrumentKind, Market};
use crate::totals::at_risk::Binding;
use std::collections::BTreeMap;

/// The inputs of a unit's explanation.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Specifications and prices.
    pub market: &'a Market,
    /// The priced table.
    pub priced: &'a PricedMarket,
    /// The account's rows.
    pub account: &'a Account<'a>,
    /// The account's sums.
    pub work: &'a Workspace,
}

/// Every step of one risk unit.
pub fn unit_step(context: &Context<'_>, sums: &UnitSums, margin: &UnitMargin) -> UnitStep {
    let priced = context.priced;
    let rules = &priced.rules;
    let params = &priced.units[sums.unit as usize];
    let spot = context.work.spot_of(priced, context.account, sums);
    let extreme = sums.extreme(params, spot);
    UnitStep {
        risk_unit: params.name.clone(),
        class_mr1: params.class_mr1.name(),
        class_mr4_mr6_mr7: params.class_mr467.name(),
        positions: positions(context, sums.unit),
        spot: spot_step(context, sums, params, spot),
        slope_positions: sums.slope_usd,
        slope_spot: if spot.coin == 0.0 { 0.0 } else { spot.coin * spot.px_usd },
        slope: sums.slope(spot),
        mr1: grid_step(context, sums, params, spot, margin),
        mr2: DecayStep { days: rules.mr2_days, pnl: sums.options[DECAY], charge: margin.mr2 },
        mr3: term_step(context, sums, params, margin),
        mr4: basis_step(context, sums, params, spot, margin),
        mr5: RateStep { up: sums.options[RATES], down: sums.options[RATES + 1], charge: margin.mr5 },
        mr6: ExtremeStep {
            size: *rules.mr6.price.get(params.class_mr467),
            fall: extreme[0],
            rise: extreme[1],
            share: rules.mr6.charge,
            worst_price: margin.mr6_price,
            charge: margin.mr6,
        },
        mr7: MinimumStep {
            raw: sums.charge_usd,
            tiers: tier_steps(rules.mr7.tiers.get(params.class_mr467).rows(), sums.charge_usd),
            charge: margin.mr7,
        },
        mr9: stablecoin_step(context, sums, params, margin),
        rests_on: BTreeMap::new(),
        binding: Binding::of(margin).map(Binding::name),
        mmr: margin.mmr,
        imr: margin.imr,
        orders: order_step(context, margin),
        cash_delta: margin.cash_delta,
        gamma: margin.gamma,
        vega: margin.vega,
        theta: margin.theta,
        upl: margin.upl,
    }
}

fn order_step(context: &Context<'_>, margin: &UnitMargin) -> Option<OrderStep> {
    let [buys, sells] = context.work.orders()?.filled(margin.unit);
    Some(OrderStep { mmr_with_buys: buys.mmr, mmr_with_sells: sells.mmr, order_imr: margin.order_imr })
}

fn positions(context: &Context<'_>, unit: u32) -> Vec<PositionStep> {
    let account = context.account;
    (0..account.instrument.len())
        .filter_map(|row| {
            let index = account.instrument[row] as usize;
            let contract = context.priced.contracts[index].as_ref().filter(|contract| contract.unit == unit)?;
            let (n, avg_px) = (account.qty[row], account.avg_px[row]);
            Some(position_step(context, &context.market.instruments[index], contract, n, avg_px))
        })
        .collect()
}

fn position_step(
    context: &Context<'_>,
    instrument: &Instrument,
    contract: &Contract,
    n: f64,
    avg_px: f64,
) -> PositionStep {
    let row = match contract.kind {
        ContractKind::Option { row } => Some(&context.priced.option_rows[row as usize]),
        ContractKind::Linear | ContractKind::Inverse => None,
    };
    PositionStep {
        inst_id: instrument.inst_id.clone(),
        kind: match instrument.kind {
            InstrumentKind::Linear => "linear",
            InstrumentKind::Inverse => "inverse",
            InstrumentKind::Option { call: true, .. } => "call",
            InstrumentKind::Option { call: false, .. } => "put",
        },
        qty: n,
        avg_px,
        mark_px: instrument.mark_px,
        multiplier: instrument.multiplier,
        years: context.market.years_to(instrument.expiry_ns),
        settle_ccy: context.market.currencies[instrument.settle as usize].name.clone(),
        upl_settle: upl_settle(contract, n, avg_px),
        option_value_settle: n * contract.value_settle,
        delta_coin: n * contract.delta_coin,
        cash_delta: n * contract.cash_delta_usd,
        mr7_raw: if n < 0.0 { -n * contract.charge_short_usd } else { n * contract.charge_long_usd },
        option: option_step(context, instrument),
        notional_usd: n.abs() * contract.fee_base_usd,
        gamma: n * row.map_or(0.0, |row| row[GAMMA]),
        vega: n * row.map_or(0.0, |row| row[VEGA]),
        theta: n * row.map_or(0.0, |row| row[DECAY]),
    }
}

fn option_step(context: &Context<'_>, instrument: &Instrument) -> Option<OptionStep> {
    let InstrumentKind::Option { call, strike } = instrument.kind else { return None };
    let rules = &context.priced.rules;
    let years = context.market.years_to(instrument.expiry_ns);
    let vol = instrument.mark_vol;
    let shift = vol_shift(&rules.mr1, vol, years);
    let terms = Terms { forward: instrument.fwd_px, strike, vol, years, rate: rules.rate, call };
    Some(OptionStep {
        strike,
        fwd_px: instrument.fwd_px,
        vol,
        vol_up: vol + shift,
        vol_down: higher(vol - shift, lower(vol, rules.mr1.vol_floor)),
        value: terms.value(),
    })
}

fn spot_step(context: &Context<'_>, sums: &UnitSums, params: &UnitParams, spot: Spot) -> SpotStep {
    let ledger = context.work.ledger(params.base);
    let hedges = params.is_hedged_by(context.account.spot_offset);
    let (equity, delta, cap) = (ledger.hedging_equity(), sums.delta_coin, ledger.spot_in_use_cap);
    let reason = if !hedges {
        "the account's spot does not hedge this unit"
    } else if spot.coin == 0.0 && cap == 0.0 {
        "the account's own limit is zero"
    } else if spot.coin == 0.0 {
        "equity and delta do not oppose one another"
    } else if spot.coin.abs() == delta.abs() {
        "the whole delta is hedged"
    } else if spot.coin.abs() == equity.abs() {
        "the whole equity of the coin is used"
    } else {
        "the account's own limit binds"
    };
    SpotStep {
        hedges_this_unit: hedges,
        equity_coin: equity,
        delta_coin: delta,
        cap_coin: Some(cap).filter(|cap| cap.is_finite()),
        spot_in_use_coin: spot.coin,
        px_usd: Some(params.spot_usd).filter(|px| px.is_finite()),
        reason,
    }
}

fn grid_step(context: &Context<'_>, sums: &UnitSums, params: &UnitParams, spot: Spot, margin: &UnitMargin) -> GridStep {
    let rules = &context.priced.rules;
    let [up, same, down] = sums.grid(params, spot).map(|row| row.to_vec());
    GridStep {
        moves: rules.mr1.price.get(params.class_mr1).to_vec(),
        up,
        same,
        down,
        worst_price: margin.mr1_price,
        worst_vol: margin.mr1_vol.name(),
        charge: margin.mr1,
    }
}

fn term_step(context: &Context<'_>, sums: &UnitSums, params: &UnitParams, margin: &UnitMargin) -> TermStep {
    TermStep {
        expiries: by_expiry(context, sums)
            .filter(|sums| sums.vol_usd != 0.0)
            .map(|sums| ExpiryPnl { expiry: expiry_name(params.expiries[sums.expiry as usize]), pnl: sums.vol_usd })
            .collect(),
        offset: positive_part(sums.vol_gross_usd - sums.vol_net_usd.abs()),
        rate: context.priced.rules.mr3_offset_charge,
        charge: margin.mr3,
    }
}

fn basis_step(
    context: &Context<'_>,
    sums: &UnitSums,
    params: &UnitParams,
    spot: Spot,
    margin: &UnitMargin,
) -> BasisStep {
    let line = |sums: ExpirySums| {
        let (cash_delta, rate) = (sums.delta_usd, sums.basis_rate);
        let expiry = expiry_name(params.expiries[sums.expiry as usize]);
        BasisLine { expiry, cash_delta, rate, charge: cash_delta.abs() * rate }
    };
    let mut expiries: Vec<BasisLine> =
        by_expiry(context, sums).filter(|sums| sums.delta_usd != 0.0).map(line).collect();
    if params.figures.spot_basis > 0.0 && spot.coin != 0.0 {
        let (cash_delta, rate) = (spot.coin * spot.px_usd, params.figures.spot_basis);
        let expiry = "spot in use".to_owned();
        expiries.push(BasisLine { expiry, cash_delta, rate, charge: cash_delta.abs() * rate });
    }
    BasisStep { expiries, charge: margin.mr4 }
}

/// The sums of each expiry of a unit, in order of the expiries.
fn by_expiry(context: &Context<'_>, sums: &UnitSums) -> impl Iterator<Item = ExpirySums> {
    let mut expiries: Vec<ExpirySums> = context.work.expiry_sums(sums.unit).copied().collect();
    expiries.sort_unstable_by_key(|sums| sums.expiry);
    expiries.into_iter()
}

fn stablecoin_step(context: &Context<'_>, sums: &UnitSums, params: &UnitParams, margin: &UnitMargin) -> StablecoinStep {
    let rules = &context.priced.rules;
    if rules.risk_unit == RiskUnitMode::Separate {
        return StablecoinStep { pairs: Vec::new(), charge: 0.0 };
    }
    let price = |group: SettleGroup| {
        let currency = context.priced.currencies.iter().find(|currency| currency.name == group.name());
        currency.map(|currency| currency.fx_usd).filter(|fx| group != SettleGroup::Usd && fx.is_finite())
    };
    let cheaper = |first, second| match (price(first), price(second)) {
        (Some(first), Some(second)) => Some(lower(first, second)),
        (first, second) => first.or(second),
    };
    let pairs = hedged_pairs(&sums.group_delta_usd, &rules.mr9.pairs)
        .zip(params.hedge_tiers.iter())
        .map(|((first, second, hedged), tiers)| StablecoinPair {
            pair: format!("{}-{}", first.name(), second.name()),
            hedged,
            price_usd: cheaper(first, second).filter(|_| !rules.mr9.prices.is_empty()),
            charge: tiers.apply(hedged),
        })
        .collect();
    StablecoinStep { pairs, charge: margin.mr9 }
}

/// The tiers of an incremental table that `amount` reaches.
pub fn tier_steps(rows: &[(f64, f64)], amount: f64) -> Vec<TierStep> {
    let mut from = 0.0;
    let mut steps = Vec::new();
    for &(bound, rate) in rows {
        if amount <= from {
            break;
        }
        let part = lower(amount, bound) - from;
        steps.push(TierStep { from, amount: part, rate, counted: part * rate });
        from = bound;
    }
    steps
}

/// Date and time of an expiry; `perpetual` for the bucket of swaps.
fn expiry_name(expiry_ns: Option<i64>) -> String {
    expiry_ns.map_or_else(|| "perpetual".to_string(), utc)
}

/// A time as RFC 3339 in UTC.
pub fn utc(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| format!("{ns} ns"), |time| time.to_string())
}
