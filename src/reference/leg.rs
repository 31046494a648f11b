//! Section 2: one position row of an account with the data of its contract.

use super::Position;
use super::black76::Black76;
use super::number::Num;
use super::prices::{Prices, missing};
use crate::margin::rules::{OptionPnl, Rules, SettleGroup};
use crate::market::{Instrument, InstrumentKind, Market};
use crate::{Error, Result};

/// A position row. `Q` is the quote currency of the underlying, `B` its base.
pub(super) struct Leg<'a> {
    pub(super) instrument: &'a Instrument,
    pub(super) underlying: &'a str,
    pub(super) base: &'a str,
    pub(super) quote: &'a str,
    pub(super) settle: &'a str,
    /// Signed contracts `n`.
    contracts: Num,
    /// `m`: coins, or USD face of an inverse contract.
    multiplier: Num,
    mark: Num,
    avg: Num,
    /// `S`, in `Q`.
    pub(super) index: Num,
    /// `phi = fx(Q)`.
    pub(super) phi: Num,
    /// `fx` of the settle currency.
    pub(super) settle_fx: Num,
    /// `T`; zero for perpetuals.
    pub(super) years: f64,
    /// The arguments of the option's formula at the current market.
    pub(super) option: Option<Black76>,
    /// An option at its expiry (only in a scenario): it counts in equity only.
    is_settled: bool,
    /// A shocked forward is at least this share of the forward.
    pub(super) forward_floor: f64,
}

impl<'a> Leg<'a> {
    pub(super) fn new(market: &'a Market, rules: &Rules, position: &Position) -> Result<Self> {
        let prices = Prices::new(market);
        let number = position.instrument;
        let absent = |what: &str| Error::Runtime(format!("{what} of instrument number {number} is not in the market"));
        let instrument = market.instruments.get(number).ok_or_else(|| absent("specification"))?;
        let underlying = market.underlyings.get(instrument.underlying as usize).ok_or_else(|| absent("underlying"))?;
        if let Some(gap) = instrument.gap {
            return Err(missing(&format!("price ({gap:?})"), &instrument.inst_id));
        }
        let (base, quote) = (prices.currency(underlying.base as usize)?, prices.currency(underlying.quote as usize)?);
        let settle = prices.currency(instrument.settle as usize)?;
        let years = years_to_expiry(market, instrument);
        let is_settled = matches!(instrument.kind, InstrumentKind::Option { .. }) && years == 0.0;
        let option = match instrument.kind {
            InstrumentKind::Option { .. } if is_settled => None,
            InstrumentKind::Option { call, strike } => Some(Black76 {
                call,
                forward: instrument.fwd_px,
                strike,
                vol: instrument.mark_vol,
                years,
                rate: rules.rate,
            }),
            InstrumentKind::Linear | InstrumentKind::Inverse => None,
        };
        Ok(Self {
            instrument,
            underlying: &underlying.name,
            base,
            quote,
            settle,
            contracts: position.qty.into(),
            multiplier: instrument.multiplier.into(),
            mark: instrument.mark_px.into(),
            avg: position.avg_px.into(),
            index: underlying.index_px.map(Num::from).ok_or_else(|| missing("index price", &underlying.name))?,
            phi: prices.fx(quote)?,
            settle_fx: prices.fx(settle)?,
            years,
            option,
            is_settled,
            forward_floor: rules.forward_floor,
        })
    }

    pub(super) fn settle_group(&self) -> SettleGroup {
        SettleGroup::of(self.settle)
    }

    /// `n m`.
    pub(super) fn size(&self) -> Num {
        self.contracts * self.multiplier
    }

    /// Unrealised P&L in the settle currency; zero for options.
    pub(super) fn upl(&self) -> Num {
        match self.instrument.kind {
            InstrumentKind::Linear => self.size() * (self.mark - self.avg),
            InstrumentKind::Inverse => self.size() * (Num::ONE / self.avg - Num::ONE / self.mark),
            InstrumentKind::Option { .. } => Num::ZERO,
        }
    }

    /// Contribution of an option to equity, in the settlement currency: `n m mark`; zero for other contracts.
    pub(super) fn option_value(&self) -> Num {
        if self.option.is_some() || self.is_settled { self.size() * self.mark } else { Num::ZERO }
    }

    /// `D`, in USD.
    pub(super) fn cash_delta(&self) -> Num {
        match (self.instrument.kind, &self.option) {
            _ if self.is_settled => Num::ZERO,
            (InstrumentKind::Inverse, _) => self.size(),
            (_, Some(option)) => self.size() * Num::from(option.delta()) * Num::from(option.forward) * self.phi,
            (_, None) => self.size() * self.mark * self.phi,
        }
    }

    /// `q`, in coins.
    pub(super) fn coin_delta(&self) -> Num {
        match (self.instrument.kind, &self.option) {
            _ if self.is_settled => Num::ZERO,
            (InstrumentKind::Inverse, _) => self.size() / self.index,
            (_, Some(option)) => self.size() * Num::from(option.delta()),
            (_, None) => self.size(),
        }
    }

    /// P&L in USD per relative move of the index, for swaps and futures; zero for options.
    pub(super) fn slope(&self) -> Num {
        match self.instrument.kind {
            InstrumentKind::Linear => self.size() * self.index * self.phi,
            InstrumentKind::Inverse => self.size(),
            InstrumentKind::Option { .. } => Num::ZERO,
        }
    }

    /// `n m phi x per_coin`: converts an amount in `Q` per coin of an option to USD.
    pub(super) fn option_usd(&self, per_coin: f64) -> Num {
        self.size() * self.phi * Num::from(per_coin)
    }

    /// What a loss of value from `now` to `then` counts, per coin in `Q`: the difference of the values, or, if the
    /// option settles in its coin and the rules count in coins, that of `V/F` times the index.
    pub(super) fn pnl_per_coin(&self, now: &Black76, then: &Black76, rules: &Rules) -> f64 {
        if self.counts_in_coin(rules) {
            return (then.value() / then.forward - now.value() / now.forward) * self.index.to_f64();
        }
        then.value() - now.value()
    }

    /// Whether the option's P&L is counted in coins.
    pub(super) fn counts_in_coin(&self, rules: &Rules) -> bool {
        rules.coin_option_pnl == OptionPnl::Coin && self.settle == self.base
    }

    /// What the order that this row stands for would lose if it were filled at its price, in the settle currency;
    /// negative for a gain.
    pub(super) fn loss_at_entry(&self) -> Num {
        match self.instrument.kind {
            InstrumentKind::Option { .. } => self.size() * (self.avg - self.mark),
            InstrumentKind::Linear | InstrumentKind::Inverse => -self.upl(),
        }
    }

    /// The row's raw minimum charge before tiers, USD. `delta_one` and `option` are the shares of the unit's class.
    pub(super) fn minimum_charge(&self, delta_one: f64, option: f64, premium_cap: f64) -> Num {
        let Some(black) = &self.option else { return self.cash_delta().abs() * Num::from(delta_one) };
        let of_index = Num::from(option) * self.index;
        let long = self.contracts.sign() > 0;
        let per_coin = if long { of_index.min(Num::from(premium_cap) * Num::from(black.value())) } else { of_index };
        self.contracts.abs() * self.multiplier * self.phi * per_coin
    }

    /// The base of the liquidation fee, USD: `abs(D)`, for options `abs(n) m S phi`.
    pub(super) fn fee_base(&self) -> Num {
        if self.option.is_some() { self.notional() } else { self.cash_delta().abs() }
    }

    /// `abs(n) m S phi`, or the face of an inverse contract.
    pub(super) fn notional(&self) -> Num {
        match self.instrument.kind {
            _ if self.is_settled => Num::ZERO,
            InstrumentKind::Inverse => self.size().abs(),
            InstrumentKind::Linear | InstrumentKind::Option { .. } => self.size().abs() * self.index * self.phi,
        }
    }
}

/// `T = (expiry - as_of) / 365 d`, at least zero.
fn years_to_expiry(market: &Market, instrument: &Instrument) -> f64 {
    let Some(expiry_ns) = instrument.expiry_ns else { return 0.0 };
    let left_ns = i128::from(expiry_ns) - i128::from(market.as_of_ns);
    let year_ns = 365.0 * 24.0 * 3600.0 * 1e9;
    left_ns.max(0) as f64 / year_ns
}
