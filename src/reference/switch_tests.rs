//! The model's optional readings, each by hand under round rules.

use super::round::*;
use super::*;
use crate::margin::rules::{OptionPnl, OtherBounds};
use crate::margin::tiers::BorrowTiers;

/// A short swap of 3 coins at 100 that 2 coins of spot hedge: the basis of 300 USD bears 1 %, and so do 200 of spot.
#[test]
fn spot_in_use_is_a_bucket_of_its_own() {
    let mut rules = rules();
    for (spot_bucket, mr4) in [(false, 3.0), (true, 5.0)] {
        rules.mr4.spot_bucket = spot_bucket;
        let result = margin_of(&rules, SpotOffset::Usdt, &[at(SWAP_USDT, -3.0, 100.0)], &[cash(BTC, 2.0)]);
        assert_eq!(result.units[0].parts.mr4, mr4, "{spot_bucket}");
        // Without a hedge there is no such bucket: 90 of MR1 and 3 of MR4.
        assert_eq!(result.mmr_no_hedge, 93.0, "{spot_bucket}");
    }
}

/// 150 USD hedged between USDT and USD, USDT at 0.9, half-way between both prices: 100 x 6 % + 50 x 30 %.
#[test]
fn stablecoin_rates_depend_on_the_price() {
    let mut rules = rules();
    rules.risk_unit = RiskUnitMode::Merged;
    rules.mr9.prices = vec![0.8, 1.0];
    rules.mr9.tiers = vec![tiers(&[(100.0, 0.11), (INF, 0.5)]), tiers(&[(100.0, 0.01), (INF, 0.1)])];
    for (usdt_usd, mr9) in [(0.9, 21.0), (1.0, 6.0), (1.1, 6.0), (0.8, 36.0), (0.7, 36.0)] {
        let mut market = market();
        let usdt = market.underlyings.iter_mut().find(|index| index.name == "USDT-USD").unwrap();
        usdt.index_px = Some(usdt_usd);
        // 150 USD of each: linear at a mark of 100 USDT, inverse of 10 USD face.
        let positions = vec![at(SWAP_USDT, 1.5 / usdt_usd, 100.0), at(SWAP_USD, -15.0, 100.0)];
        let (balances, orders) = (vec![], vec![]);
        let account = Account {
            market: &market,
            rules: &rules,
            positions,
            balances,
            spot_offset: SpotOffset::None,
            orders,
            fee_rate: None,
        };
        let found = margin(&account).unwrap().units[0].parts.mr9;
        assert!((found - mr9).abs() < 1e-9, "{usdt_usd}: {found} instead of {mr9}");
    }
}

/// The P&L of a call of 10 days when the index falls by 30 %, volatility up by 20 points less a tenth of ten.
#[test]
fn the_profit_of_an_option_is_counted_in_usd_or_in_its_coin() {
    let mut rules = rules();
    let value = |forward: f64, vol: f64| {
        black76::Black76 { call: true, forward, strike: 100.0, vol, years: 10.0 / 365.0, rate: 0.0 }.value()
    };
    let (now, then) = (value(100.0, 0.5), value(70.0, 0.69));
    for (reading, pnl) in [(OptionPnl::Usd, then - now), (OptionPnl::Coin, (then / 70.0 - now / 100.0) * 100.0)] {
        rules.coin_option_pnl = reading;
        let result = margin_of(&rules, SpotOffset::None, &[at(CALL_10D, 2.0, 0.03)], &[]);
        let found = result.units[0].grid[0][0];
        assert!((found - 2.0 * pnl).abs() < 1e-9, "{reading:?}: {found} instead of {}", 2.0 * pnl);
    }
}

/// A bid of 2 contracts 5 above the mark loses 10, an offer below its own spot price 8; fees are 1 % of 200 and of 92.
#[test]
fn pending_orders_take_their_loss_and_fees_off_adjusted_equity() {
    let mut rules = rules();
    let market = market();
    let orders = vec![
        PendingOrder { on: Traded::Contract(SWAP_USDT), qty: 2.0, px: 105.0 },
        PendingOrder { on: Traded::Contract(SWAP_USDT), qty: 1.0, px: 90.0 },
        PendingOrder { on: Traded::Spot(BTC, USDT), qty: -1.0, px: 92.0 },
    ];
    for (deducts, fee_rate, adj_eq) in
        [(false, None, 1000.0), (true, None, 1000.0 - 18.0 - 3.92), (true, Some(0.0), 982.0)]
    {
        rules.orders_deduct_loss = deducts;
        let account = Account {
            market: &market,
            rules: &rules,
            positions: vec![],
            balances: vec![cash(USDT, 1000.0)],
            spot_offset: SpotOffset::None,
            orders: orders.clone(),
            fee_rate,
        };
        let result = margin(&account).unwrap();
        assert!((result.adj_eq - adj_eq).abs() < 1e-9, "{deducts} {fee_rate:?}: {}", result.adj_eq);
        assert_eq!(result.total_eq, 1000.0);
    }
}

#[test]
fn an_account_has_a_fee_of_its_own() {
    let market = market();
    for (fee_rate, fee) in [(None, 1.02), (Some(0.005), 0.51)] {
        let account = Account {
            market: &market,
            rules: &rules(),
            positions: vec![],
            balances: vec![cash(USDT, -100.0)],
            spot_offset: SpotOffset::None,
            orders: vec![],
            fee_rate,
        };
        assert_eq!(margin(&account).unwrap().liquidation_fee, fee, "{fee_rate:?}");
    }
}

/// 1.5 coins at 100 count 90 % of 150; a debt is not restricted.
#[test]
fn restricted_collateral_counts_in_adjusted_equity_all_the_same() {
    let restricted = |ccy, amount| Balance { restricted: true, ..cash(ccy, amount) };
    let balances = [restricted(BTC, 1.5), restricted(USDT, -50.0), cash(USDC, 10.0)];
    let result = margin_of(&rules(), SpotOffset::None, &[], &balances);
    assert_eq!((result.adj_eq, result.restricted_eq), (95.0, 135.0));
}

/// In USD the first 1,000 of a coin without a table count half and nothing beyond; a debt of 2,000 bears the second
/// tier.
#[test]
fn bounds_of_other_coins_may_count_usd() {
    let mut rules = rules();
    rules.discount.listed.clear();
    rules.discount.rest = tiers(&[(1000.0, 0.5), (INF, 0.0)]);
    rules.mr8.tiers.rest = BorrowTiers::new(vec![(1000.0, 0.02, 0.1), (INF, 0.05, 0.2)]).unwrap();
    for (bounds, coins, adj_eq, borrow_mmr) in [
        (OtherBounds::Units, 20.0, 1000.0, 0.0),
        (OtherBounds::Usd, 20.0, 500.0, 0.0),
        (OtherBounds::Units, -20.0, -2000.0, 40.0),
        (OtherBounds::Usd, -20.0, -2000.0, 100.0),
        (OtherBounds::Usd, -10.0, -1000.0, 20.0),
    ] {
        rules.other_bounds = bounds;
        let result = margin_of(&rules, SpotOffset::None, &[], &[cash(BTC, coins)]);
        assert_eq!((result.adj_eq, result.borrow_mmr), (adj_eq, borrow_mmr), "{bounds:?} {coins}");
    }
}
