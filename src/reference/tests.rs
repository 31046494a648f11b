//! Small accounts whose margin can be computed by hand, under round rules.

use super::round::*;
use super::*;
use crate::margin::{AccountMargin, UnitMargin};
use crate::market::PriceGap;

#[test]
fn a_long_linear_swap() {
    let result = margin_of(&rules(), SpotOffset::Usdt, &[at(SWAP_USDT, 2.0, 90.0)], &[cash(USDT, 1000.0)]);
    let unit = &result.units[0];
    assert_eq!(unit.name, "BTC-USDT");
    let expected = Components { mr1: 60.0, mr2: 0.0, mr3: 0.0, mr4: 2.0, mr5: 0.0, mr6: 50.0, mr7: 2.0, mr9: 0.0 };
    assert_eq!(unit.parts, expected);
    assert_eq!((unit.mr1_price, unit.mr1_vol, unit.mr6_price), (-0.3, VolState::Up, -0.5));
    assert_eq!([unit.mmr, unit.imr, unit.cash_delta, unit.upl], [62.0, 93.0, 200.0, 20.0]);
    assert_eq!([result.adj_eq, result.total_eq, result.upl], [1020.0, 1020.0, 20.0]);
    assert_eq!([result.mmr, result.imr, result.liquidation_fee], [62.0, 93.0, 0.2]);
    assert!((result.margin_ratio.unwrap() - 1020.0 / 62.2).abs() < 1e-13);
    assert_eq!((result.status, result.im_deficit, result.ineligible), (Status::Healthy, false, false));
}

#[test]
fn an_inverse_future_pays_in_coins_and_widens_with_its_expiry() {
    let result = margin_of(&rules(), SpotOffset::None, &[at(FUTURE_USD, -10.0, 80.0)], &[cash(BTC, 1.0)]);
    // -100 USD of face: P&L -100 x (1/80 - 1/100) = -0.25 coins; basis 0.365 x 50/365 = 0.05 a year.
    assert_eq!(result.equity[0].eq, 0.75);
    assert_eq!([result.upl, result.total_eq, result.adj_eq], [-25.0, 75.0, 67.5]);
    let unit = &result.units[0];
    assert!((unit.parts.mr4 - 5.0).abs() < 1e-12);
    assert_eq!([unit.parts.mr1, unit.parts.mr6, unit.parts.mr7], [30.0, 25.0, 1.0]);
    assert_eq!((unit.mr1_price, unit.mr6_price), (0.3, 0.5));
    assert!(result.ineligible);
}

#[test]
fn long_and_short_rows_net_everywhere_but_in_the_minimum_charge() {
    let rows = [at(SWAP_USDT, 100.0, 100.0), at(SWAP_USDT, -100.0, 100.0)];
    let result = margin_of(&rules(), SpotOffset::Usdt, &rows, &[]);
    let unit = &result.units[0];
    // Raw charge 200: the first 100 once, the rest twice.
    assert_eq!(unit.parts, Components { mr7: 300.0, ..Components::default() });
    assert_eq!((unit.mr1_price, unit.mr1_vol, unit.mr6_price), (-0.3, VolState::Up, -0.5));
    assert_eq!([unit.mmr, unit.cash_delta], [300.0, 0.0]);
}

#[test]
fn spot_in_use_follows_mode_sign_and_cap() {
    let capped =
        |coins: f64, cap: f64| Balance { ccy: BTC, cash: coins, interest: 0.0, cap: Some(cap), restricted: false };
    for (mode, instrument, qty, balance, expected) in [
        (SpotOffset::Usdt, SWAP_USDT, -3.0, cash(BTC, 2.0), 2.0),
        (SpotOffset::Usdt, SWAP_USDT, -1.0, cash(BTC, 2.0), 1.0),
        (SpotOffset::Usdt, SWAP_USDT, -3.0, capped(2.0, 0.5), 0.5),
        (SpotOffset::Usdt, SWAP_USDT, -3.0, capped(2.0, 0.0), 0.0),
        (SpotOffset::Usdt, SWAP_USDT, 3.0, cash(BTC, 2.0), 0.0),
        (SpotOffset::Usdt, SWAP_USDT, 3.0, cash(BTC, -2.0), -2.0),
        (SpotOffset::Usdt, SWAP_USDC, -3.0, cash(BTC, 2.0), 0.0),
        (SpotOffset::Usdc, SWAP_USDC, -3.0, cash(BTC, 2.0), 2.0),
        (SpotOffset::Coin, SWAP_USD, -5.0, cash(BTC, 2.0), 0.5),
        (SpotOffset::None, SWAP_USDT, -3.0, cash(BTC, 2.0), 0.0),
    ] {
        let result = margin_of(&rules(), mode, &[at(instrument, qty, 100.0)], &[balance]);
        assert_eq!(result.units[0].spot_in_use, expected, "{mode:?} {instrument} {qty}");
    }
    let mut merged = rules();
    merged.risk_unit = RiskUnitMode::Merged;
    let result = margin_of(&merged, SpotOffset::Coin, &[at(SWAP_USDT, -3.0, 100.0)], &[cash(BTC, 2.0)]);
    assert_eq!((result.units[0].name.as_str(), result.units[0].spot_in_use), ("BTC", 2.0));
    // One coin is unhedged: 30 with the hedge, 90 without. The basis charge of 3 ignores spot.
    assert_eq!([result.mmr, result.mmr_no_hedge, result.imr, result.imr_no_hedge], [33.0, 93.0, 49.5, 139.5]);
}

#[test]
fn option_values_are_equity_but_hedge_nothing() {
    let result = margin_of(&rules(), SpotOffset::Coin, &[at(CALL_10D, -10.0, 0.05)], &[cash(BTC, 1.0)]);
    assert_eq!([result.equity[0].eq, result.upl], [0.7, 0.0]);
    // A short call has a negative delta of about 5.1 coins; the coin of cash hedges completely.
    assert_eq!(result.units[0].spot_in_use, 1.0);
}

#[test]
fn option_components() {
    let value = |days: f64, vol: f64, forward: f64| {
        let years = days / 365.0;
        black76::Black76 { call: true, forward, strike: 100.0, vol, years, rate: 0.0 }.value()
    };
    let near =
        |name: &str, got: f64, expected: f64| assert!((got - expected).abs() < 1e-10, "{name}: {got} {expected}");
    let short = margin_of(&rules(), SpotOffset::None, &[at(CALL_10D, -1.0, 0.05)], &[]).units.remove(0);
    // The shift is 0.2 - 10 days x 0.001.
    near("mr1", short.parts.mr1, value(10.0, 0.69, 130.0) - value(10.0, 0.5, 100.0));
    near("mr6", short.parts.mr6, 0.5 * (value(10.0, 0.5, 150.0) - value(10.0, 0.5, 100.0)));
    near("theta", short.theta, value(10.0, 0.5, 100.0) - value(9.0, 0.5, 100.0));
    assert_eq!((short.mr1_price, short.mr1_vol, short.mr6_price), (0.3, VolState::Up, 0.5));
    assert_eq!([short.parts.mr2, short.parts.mr3, short.parts.mr7], [0.0, 0.0, 2.0]);
    // A fall of the rate by 5 % raises the value of the liability.
    near("mr5", short.parts.mr5, value(10.0, 0.5, 100.0) * ((0.05f64 * 10.0 / 365.0).exp() - 1.0));

    let long = margin_of(&rules(), SpotOffset::None, &[at(CALL_10D, 1.0, 0.05)], &[]).units.remove(0);
    near("mr2", long.parts.mr2, value(10.0, 0.5, 100.0) - value(9.0, 0.5, 100.0));
    near("mr7", long.parts.mr7, 0.1 * value(10.0, 0.5, 100.0));
    assert_eq!([long.gamma, long.vega, long.cash_delta], [-short.gamma, -short.vega, -short.cash_delta]);

    let spread = [at(CALL_10D, -1.0, 0.05), at(CALL_100D, 1.0, 0.1)];
    let spread = margin_of(&rules(), SpotOffset::None, &spread, &[]).units.remove(0);
    let (first, second) =
        (value(10.0, 0.69, 100.0) - value(10.0, 0.5, 100.0), value(100.0, 0.6, 100.0) - value(100.0, 0.5, 100.0));
    near("mr3", spread.parts.mr3, 0.25 * 2.0 * first.min(second));
}

#[test]
fn stablecoin_hedges_pay_pair_by_pair() {
    let mut merged = rules();
    merged.risk_unit = RiskUnitMode::Merged;
    let rows = [at(SWAP_USDT, 3.0, 100.0), at(SWAP_USDC, -5.0, 100.0), at(SWAP_USD, -5.0, 100.0)];
    let unit = margin_of(&merged, SpotOffset::None, &rows, &[]).units.remove(0);
    // USDT 300, USD -50, USDC -500: 50 (0.5), then 250 (1 + 15); USDC and USD have the same sign.
    assert_eq!(unit.parts.mr9, 16.5);
    let separate = margin_of(&rules(), SpotOffset::None, &rows, &[]);
    assert_eq!(
        separate.units.iter().map(|unit| unit.name.as_str()).collect::<Vec<_>>(),
        ["BTC-USD", "BTC-USDC", "BTC-USDT"]
    );
    assert!(separate.units.iter().all(|unit| unit.parts.mr9 == 0.0));
}

#[test]
fn equity_discounts_and_borrowing() {
    let interest = Balance { ccy: USDC, cash: 10.0, interest: 2.5, cap: None, restricted: false };
    for (balances, [total, adjusted, mmr, imr, fee], status) in [
        (vec![cash(BTC, 3.0)], [300.0, 230.0, 0.0, 0.0, 0.0], Status::NoRisk),
        (vec![interest], [7.5, 7.5, 0.0, 0.0, 0.0], Status::NoRisk),
        (vec![cash(USDT, -1000.0), cash(BTC, 11.0)], [100.0, -370.0, 20.0, 100.0, 10.2], Status::Liquidation),
        (vec![cash(USDT, -1000.5), cash(BTC, 22.0)], [1199.5, 179.5, 50.025, 200.1, 10.50525], Status::Warning),
    ] {
        let result = margin_of(&rules(), SpotOffset::Usdt, &[], &balances);
        assert_eq!([result.total_eq, result.adj_eq], [total, adjusted]);
        assert_eq!([result.mmr, result.borrow_mmr, result.imr, result.borrow_imr], [mmr, mmr, imr, imr]);
        assert_eq!((result.liquidation_fee, result.status, result.units.len()), (fee, status, 0));
        assert_eq!(result.im_deficit, adjusted < imr);
    }
}

#[test]
fn what_has_no_price_is_an_error() {
    let rules = rules();
    let result = |market: &Market, positions: Vec<Position>, balances: Vec<Balance>| {
        margin(&Account {
            market,
            rules: &rules,
            positions,
            balances,
            spot_offset: SpotOffset::Usdt,
            orders: vec![],
            fee_rate: None,
        })
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_string())
    };
    let mut no_fx = market();
    no_fx.underlyings[4].index_px = None;
    assert_eq!(result(&no_fx, vec![], vec![cash(USDC, 1.0)]).unwrap_err(), "missing USD value");
    let mut gap = market();
    gap.instruments[SWAP_USD].gap = Some(PriceGap::Mark);
    assert_eq!(result(&gap, vec![at(SWAP_USD, 1.0, 1.0)], vec![]).unwrap_err(), "missing price (Mark)");
    let mut later = market();
    later.as_of_ns = 10 * DAY_NS;
    let settled = result(&later, vec![at(CALL_10D, -1.0, 1.0)], vec![]).unwrap();
    assert!(settled.total_eq < 0.0, "an option at its expiry counts in equity");
    let [unit] = settled.units.as_slice() else { panic!("{:?}", settled.units) };
    let figures = [unit.mmr, unit.cash_delta, unit.gamma, unit.vega, unit.theta, unit.spot_in_use, unit.parts.mr7];
    assert_eq!(figures, [0.0; 7], "and in nothing else");
    assert!(result(&market(), vec![at(99, 1.0, 1.0)], vec![]).unwrap_err().contains("instrument number 99"));
    let broken = result(&market(), vec![at(SWAP_USDT, f64::NAN, 1.0)], vec![]).unwrap_err();
    assert!(broken.contains("not a finite number"), "{broken}");
}

#[test]
fn sizes_beyond_28_digits_scale() {
    for (qty, px) in [(1e18, 1e18), (1e-18, 1e-18), (1e18, 1e-18), (7e-18, 3e17), (123_456.789, 1e18)] {
        let mut market = market();
        market.underlyings[2].index_px = Some(px);
        market.instruments[SWAP_USDT].mark_px = px;
        let rules = rules();
        let positions = vec![at(SWAP_USDT, qty, 2.0 * px)];
        let account = Account {
            market: &market,
            rules: &rules,
            positions,
            balances: vec![],
            spot_offset: SpotOffset::None,
            orders: vec![],
            fee_rate: None,
        };
        let result = margin(&account).unwrap();
        let unit = &result.units[0];
        let usd = qty * px;
        for (figure, share) in [(unit.parts.mr1, 0.3), (unit.parts.mr6, 0.25), (unit.cash_delta, 1.0), (unit.upl, -1.0)]
        {
            assert!((figure / (share * usd) - 1.0).abs() < 1e-14, "{qty:e} at {px:e}: {figure:e}");
        }
        assert_eq!(result.status == Status::NoRisk, usd < 1e-6);
    }
}

/// The reference's result converted to the kernel's types.
fn as_kernel(margin: &Margin) -> (AccountMargin, Vec<UnitMargin>, Vec<String>) {
    let account = AccountMargin {
        adj_eq: margin.adj_eq,
        total_eq: margin.total_eq,
        upl: margin.upl,
        mmr: margin.mmr,
        imr: margin.imr,
        deriv_mmr: margin.deriv_mmr,
        borrow_mmr: margin.borrow_mmr,
        borrow_imr: margin.borrow_imr,
        liquidation_fee: margin.liquidation_fee,
        margin_ratio: margin.margin_ratio,
        status: margin.status,
        im_deficit: margin.im_deficit,
        ineligible: margin.ineligible,
        mmr_no_hedge: margin.mmr_no_hedge,
        imr_no_hedge: margin.imr_no_hedge,
        order_imr: margin.order_imr,
    };
    let unit = |(number, unit): (usize, &Unit)| UnitMargin {
        unit: number as u32,
        mr1: unit.parts.mr1,
        mr1_price: unit.mr1_price,
        mr1_vol: unit.mr1_vol,
        mr2: unit.parts.mr2,
        mr3: unit.parts.mr3,
        mr4: unit.parts.mr4,
        mr5: unit.parts.mr5,
        mr6: unit.parts.mr6,
        mr6_price: unit.mr6_price,
        mr7: unit.parts.mr7,
        mr9: unit.parts.mr9,
        mmr: unit.mmr,
        imr: unit.imr,
        cash_delta: unit.cash_delta,
        gamma: unit.gamma,
        vega: unit.vega,
        theta: unit.theta,
        spot_in_use: unit.spot_in_use,
        upl: unit.upl,
        mmr_no_hedge: unit.mmr,
        order_imr: unit.order_imr,
    };
    let names = margin.units.iter().map(|unit| unit.name.clone()).collect();
    (account, margin.units.iter().enumerate().map(unit).collect(), names)
}

#[test]
fn compare_sees_every_column() {
    let positions = [at(CALL_10D, -20.0, 0.05), at(SWAP_USD, 30.0, 90.0)];
    let balances = [cash(BTC, 12.0), cash(USDT, -500.0)];
    let rules = rules();
    let reference = margin_of(&rules, SpotOffset::Coin, &positions, &balances);
    let (account, units, names) = as_kernel(&reference);
    assert_eq!(compare(&account, &units, &names, &reference, &rules), []);

    let columns = |account: &AccountMargin, unit: UnitMargin, names: &[String]| -> Vec<&'static str> {
        compare(account, &[unit], names, &reference, &rules).into_iter().map(|mismatch| mismatch.column).collect()
    };
    macro_rules! changed {
        ($($field:ident = $value:expr),+ $(,)?) => {$(
            let changed = AccountMargin { $field: $value, ..account };
            assert_eq!(columns(&changed, units[0], &names), [stringify!($field)]);
        )+};
    }
    macro_rules! changed_unit {
        ($($field:ident = $value:expr),+ $(,)?) => {$(
            let changed = UnitMargin { $field: $value, ..units[0] };
            assert_eq!(columns(&account, changed, &names), [stringify!($field)]);
        )+};
    }
    let off = |value: f64| value + 1e-5;
    changed!(
        adj_eq = off(account.adj_eq),
        total_eq = off(account.total_eq),
        upl = off(account.upl),
        mmr = off(account.mmr),
        imr = off(account.imr),
        deriv_mmr = off(account.deriv_mmr),
        borrow_mmr = off(account.borrow_mmr),
        borrow_imr = off(account.borrow_imr),
        liquidation_fee = off(account.liquidation_fee),
        mmr_no_hedge = off(account.mmr_no_hedge),
        imr_no_hedge = off(account.imr_no_hedge),
        margin_ratio = account.margin_ratio.map(|ratio| ratio * (1.0 + 1e-7)),
        status = Status::Healthy,
        im_deficit = !account.im_deficit,
        ineligible = !account.ineligible,
    );
    let unit = units[0];
    changed_unit!(
        mr1 = off(unit.mr1),
        mr1_price = 0.1,
        mr1_price = 0.123,
        mr1_vol = VolState::Down,
        mr2 = off(unit.mr2),
        mr3 = off(unit.mr3),
        mr4 = off(unit.mr4),
        mr5 = off(unit.mr5),
        mr6 = off(unit.mr6),
        mr6_price = -unit.mr6_price,
        mr7 = off(unit.mr7),
        mr9 = off(unit.mr9),
        mmr = off(unit.mmr),
        imr = off(unit.imr),
        cash_delta = off(unit.cash_delta),
        gamma = off(unit.gamma),
        vega = off(unit.vega),
        theta = off(unit.theta),
        spot_in_use = off(unit.spot_in_use),
        upl = off(unit.upl),
        mr1 = f64::NAN,
    );
    assert_eq!(columns(&account, unit, &["ETH-USD".to_string()]), ["risk_unit"]);
    // A ratio that is no number is taken as missing, which the status contradicts.
    let nan = AccountMargin { margin_ratio: Some(f64::NAN), ..account };
    assert_eq!(columns(&nan, unit, &names), ["margin_ratio", "status"]);
    let none = AccountMargin { margin_ratio: None, status: Status::NoRisk, ..account };
    assert_eq!(columns(&none, unit, &names), ["margin_ratio"]);
}

/// Another scenario may be named if its loss is the same within the tolerance of MR1 and MR6.
#[test]
fn scenarios_as_bad_as_the_worst_are_ties() {
    let rules = rules();
    let positions = [at(CALL_10D, -20.0, 0.05)];
    let mut reference = margin_of(&rules, SpotOffset::Usdt, &positions, &[cash(USDT, 9.0)]);
    let (account, units, names) = as_kernel(&reference);
    let money = (1e-9 * units[0].mmr.max(units[0].cash_delta.abs())).max(1e-6);
    for (share, tie) in [(1.9, true), (2.1, false)] {
        let unit = &mut reference.units[0];
        // The least move with volatility down, and the move of MR6 the other way.
        unit.grid[0][2] = -unit.parts.mr1 + share * money;
        let other = usize::from(unit.mr6_price == unit.mr6_prices[0]);
        unit.mr6_pnl[other] = unit.mr6_pnl[1 - other] + share * money / rules.mr6.charge;
        let named = UnitMargin { mr1_price: unit.grid_prices[0], mr1_vol: VolState::ALL[2], ..units[0] };
        let named = UnitMargin { mr6_price: unit.mr6_prices[other], ..named };
        assert_eq!(compare(&account, &[named], &names, &reference, &rules).is_empty(), tie, "{share}");
    }
}

#[test]
fn compare_lets_ties_and_thresholds_pass() {
    let rules = rules();
    // A perfect hedge has no worst price, and all volatility states are equal for a swap, so the first is reported.
    let reference = margin_of(&rules, SpotOffset::Usdt, &[at(SWAP_USDT, -2.0, 100.0)], &[cash(BTC, 2.0)]);
    let (account, units, names) = as_kernel(&reference);
    let unit = UnitMargin { mr1_price: 0.2, mr6_price: 0.5, ..units[0] };
    assert_eq!(compare(&account, &[unit], &names, &reference, &rules), []);
    let unit = UnitMargin { mr1_vol: VolState::Same, ..units[0] };
    assert_eq!(compare(&account, &[unit], &names, &reference, &rules)[0].column, "mr1_vol");
    // 100 USD of equity is exactly the threshold of eligibility.
    let reference = margin_of(&rules, SpotOffset::Usdt, &[], &[cash(USDT, 100.0)]);
    let (account, ..) = as_kernel(&reference);
    let account = AccountMargin { ineligible: true, ..account };
    assert_eq!(compare(&account, &[], &[], &reference, &rules), []);
}
