//! The first pass over an account: what its rows add up to by currency and by risk unit.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::account::{Account, NotFinite};
use super::equity;
use super::extremes::positive_part;
use super::ledgers::{Ledger, Ledgers};
use super::priced::{PricedMarket, UnitParams};
use super::real::Real;
use super::rules::SpotOffset;
use super::spot_hedge::{Spot, spot_in_use};
use super::sums::{ExpirySums, PositionRows, Sums, UnitSums};

/// Buffers of the first pass, reused from account to account, and the sums of the last account.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered<R = f64> {
    ledgers: Ledgers<R>,
    sums: Sums<R>,
}

impl<R: Real> Gathered<R> {
    /// Buffers for markets with at most so many currencies.
    pub fn new(currencies: usize) -> Self {
        Self { ledgers: Ledgers::new(currencies), sums: Sums::default() }
    }

    /// Equity by currency and sums by unit. Returns what the liquidation fee of derivatives is taken on, USD.
    #[inline(always)]
    pub fn gather(&mut self, priced: &PricedMarket<R>, account: &Account<'_>) -> Result<R, NotFinite> {
        let Self { ledgers, sums } = self;
        ledgers.begin(account);
        let mut fee_base_usd = R::splat(0.0);
        sums.add(priced, PositionRows::of(account), |contract, leg| {
            ledgers.add(contract.settle, leg.upl_settle, leg.value_settle);
            fee_base_usd += leg.fee_base_usd;
        })?;
        Ok(fee_base_usd)
    }

    /// As [`Self::gather`] without the sums by unit.
    pub fn gather_ledgers(&mut self, priced: &PricedMarket<R>, account: &Account<'_>) -> Result<R, NotFinite> {
        let ledgers = &mut self.ledgers;
        ledgers.begin(account);
        let mut fee_base_usd = R::splat(0.0);
        PositionRows::of(account).each_leg(priced, |contract, leg| {
            ledgers.add(contract.settle, leg.upl_settle, leg.value_settle);
            fee_base_usd += leg.fee_base_usd;
        })?;
        Ok(fee_base_usd)
    }

    /// The currencies of the account, with their ledgers.
    #[inline(always)]
    pub fn ledgers(&self) -> impl Iterator<Item = (u32, &Ledger<R>)> {
        self.ledgers.iter()
    }

    /// The ledger of a currency; empty if the account has nothing in it.
    #[inline(always)]
    pub fn ledger(&self, ccy: u32) -> &Ledger<R> {
        self.ledgers.get(ccy)
    }

    /// Sums of the account's risk units, ascending.
    #[inline(always)]
    pub fn unit_sums(&self) -> &[UnitSums<R>] {
        self.sums.units()
    }

    /// Sums of the expiries of all units, in order of their first position.
    pub fn expiry_sums(&self) -> &[ExpirySums<R>] {
        self.sums.expiries()
    }

    /// Adds a unit without positions.
    pub fn add_empty(&mut self, unit: u32) {
        self.sums.add_empty(unit);
    }

    /// The part of adjusted equity that may not back new orders, USD: what restricted currencies count.
    pub fn restricted_usd(&self, priced: &PricedMarket<R>, account: &Account<'_>) -> R {
        restricted_usd(priced, account, |ccy| *self.ledger(ccy))
    }

    /// The spot that hedges a unit whose coin deltas sum to `delta_coin`.
    #[inline(always)]
    pub fn spot(&self, priced: &PricedMarket<R>, account: &Account<'_>, unit: u32, delta_coin: R) -> Spot<R> {
        let params = &priced.units[unit as usize];
        spot_of(params, account.spot_offset, self.ledger(params.base), delta_coin)
    }
}

/// What the restricted currencies of an account count in adjusted equity, USD; a debt is not restricted.
pub(super) fn restricted_usd<R: Real>(
    priced: &PricedMarket<R>,
    account: &Account<'_>,
    ledger: impl Fn(u32) -> Ledger<R>,
) -> R {
    let mut sum = R::splat(0.0);
    for (&ccy, _) in account.ccy.iter().zip(account.restricted).filter(|(_, restricted)| **restricted) {
        let params = &priced.currencies[ccy as usize];
        let counted = equity::count(ledger(ccy).equity(), params.fx_usd, &params.discount, params.discount_unit);
        sum += positive_part(counted.adjusted_usd);
    }
    sum
}

/// The spot that hedges a unit whose coin deltas sum to `delta_coin`, out of the ledger of its base currency.
#[inline(always)]
pub(super) fn spot_of<R: Real>(params: &UnitParams<R>, mode: SpotOffset, ledger: &Ledger<R>, delta_coin: R) -> Spot<R> {
    let coin = spot_in_use(ledger.hedging_equity(), delta_coin, R::splat(ledger.spot_in_use_cap));
    // A factor instead of a branch, which would often be mispredicted; zero has no sign.
    let hedges = f64::from(u8::from(params.is_hedged_by(mode)));
    Spot { coin: coin * hedges + R::splat(0.0), px_usd: params.spot_usd }
}
