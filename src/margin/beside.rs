//! Priced markets laid side by side.

use super::priced::{Contract, CurrencyParams, PricedMarket, UnitParams};
use super::real::Real;
use super::tiers::{MarketTiers, TierUnit};
use std::sync::Arc;

impl<R: Real> PricedMarket<R> {
    /// Markets side by side, no more than `R` has; the last fills the lanes that are left. `None` without a market,
    /// with too many, or if they have other instruments, or others of them have a price.
    #[must_use]
    pub fn beside(alone: &[PricedMarket]) -> Option<Self> {
        let (first, last) = (alone.first()?, alone.last()?);
        let fits = |market: &PricedMarket| {
            market.units.len() == first.units.len()
                && market.currencies.len() == first.currencies.len()
                && market.contracts.len() == first.contracts.len()
                && market.option_rows.len() == first.option_rows.len()
        };
        if alone.len() > R::LANES || !alone.iter().all(fits) {
            return None;
        }
        let markets: Vec<&PricedMarket> = (0..R::LANES).map(|lane| alone.get(lane).unwrap_or(last)).collect();
        let pairs = first.units.first().map_or(0, |unit| unit.hedge_tiers.len());
        let of_pair = |pair: usize| {
            let alone: Option<Vec<&MarketTiers>> =
                markets.iter().map(|market| market.units.first()?.hedge_tiers.get(pair)).collect();
            alone.map(|alone| MarketTiers::beside(&alone))
        };
        let hedge_tiers: Arc<[MarketTiers<R>]> = (0..pairs).map(of_pair).collect::<Option<_>>()?;
        let unit_of = |units: &dyn Fn(usize) -> TierUnit| TierUnit {
            per_coin: R::by_lane(|lane| units(lane).per_coin),
            usd: R::by_lane(|lane| units(lane).usd),
        };
        let units = first.units.iter().enumerate().map(|(place, unit)| UnitParams {
            name: unit.name.clone(),
            base: unit.base,
            quote: unit.quote.clone(),
            spot_usd: R::by_lane(|lane| markets[lane].units[place].spot_usd),
            class_mr1: unit.class_mr1,
            class_mr467: unit.class_mr467,
            figures: Arc::clone(&unit.figures),
            hedged_by: unit.hedged_by,
            hedge_tiers: Arc::clone(&hedge_tiers),
            expiries: unit.expiries.clone(),
        });
        let currencies = first.currencies.iter().enumerate().map(|(place, currency)| CurrencyParams {
            name: currency.name.clone(),
            fx_usd: R::by_lane(|lane| markets[lane].currencies[place].fx_usd),
            discount: currency.discount.clone(),
            discount_unit: unit_of(&|lane| markets[lane].currencies[place].discount_unit),
            borrow: currency.borrow.clone(),
            borrow_unit: unit_of(&|lane| markets[lane].currencies[place].borrow_unit),
        });
        let contract = |place: usize| -> Option<Option<Contract<R>>> {
            let same = markets.iter().map(|market| market.contracts[place].as_ref());
            if same.clone().all(|contract| contract.is_none()) {
                return Some(None);
            }
            let contracts: Vec<&Contract> = same.collect::<Option<_>>()?;
            Contract::beside(&contracts).map(Some)
        };
        let row =
            |place: usize| std::array::from_fn(|column| R::by_lane(|lane| markets[lane].option_rows[place][column]));
        Some(Self {
            rules: Arc::clone(&first.rules),
            units: units.collect(),
            currencies: currencies.collect(),
            contracts: (0..first.contracts.len()).map(contract).collect::<Option<_>>()?,
            option_rows: (0..first.option_rows.len()).map(row).collect(),
        })
    }
}

impl<R: Real> Contract<R> {
    /// One contract in several markets; `None` if they are of different ones.
    fn beside(contracts: &[&Contract]) -> Option<Self> {
        let first = *contracts.first()?;
        let place = |contract: &Contract| {
            let numbers =
                [contract.unit, contract.expiry, contract.settle, contract.group, contract.bucket, contract.leg];
            (contract.kind, numbers, contract.multiplier.to_bits())
        };
        if contracts.iter().any(|contract| place(contract) != place(first)) {
            return None;
        }
        let by_lane = |figure: fn(&Contract) -> f64| R::by_lane(|lane| figure(contracts[lane]));
        Some(Self {
            kind: first.kind,
            unit: first.unit,
            expiry: first.expiry,
            settle: first.settle,
            group: first.group,
            bucket: first.bucket,
            leg: first.leg,
            basis_rate: by_lane(|contract| contract.basis_rate),
            multiplier: first.multiplier,
            upl_multiplier: first.upl_multiplier,
            inverse: first.inverse,
            mark_px: by_lane(|contract| contract.mark_px),
            value_settle: by_lane(|contract| contract.value_settle),
            slope_usd: by_lane(|contract| contract.slope_usd),
            cash_delta_usd: by_lane(|contract| contract.cash_delta_usd),
            delta_coin: by_lane(|contract| contract.delta_coin),
            charge_long_usd: by_lane(|contract| contract.charge_long_usd),
            charge_short_usd: by_lane(|contract| contract.charge_short_usd),
            fee_base_usd: by_lane(|contract| contract.fee_base_usd),
        })
    }
}
