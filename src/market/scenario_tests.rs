//! Markets after a scenario, worked out by hand, and scenarios that cannot be applied.

use super::scenario::{Scenario, Shock, apply};
use super::{Currency, Instrument, InstrumentKind, Market, Underlying};

fn market() -> Market {
    let currency = |name: &str, fx| Currency { name: name.to_owned(), fx: Some(fx) };
    let underlying =
        |name: &str, base, quote, px| Underlying { name: name.to_owned(), base, quote, index_px: Some(px) };
    let instrument = |inst_id: &str, kind, underlying, settle, days: Option<i64>, prices: [f64; 3]| Instrument {
        inst_id: inst_id.to_owned(),
        kind,
        underlying,
        settle,
        multiplier: 0.01,
        expiry_ns: days.map(|days| days * 86_400_000_000_000),
        lot_sz: 1.0,
        mark_px: prices[0],
        mark_vol: prices[1],
        fwd_px: prices[2],
        gap: None,
    };
    let option = InstrumentKind::Option { call: false, strike: 90_000.0 };
    Market {
        as_of_ns: 0,
        currencies: vec![
            currency("BTC", 100_000.0),
            currency("ETH", 4_000.0),
            currency("USD", 1.0),
            currency("USDC", 1.0),
            currency("USDT", 0.999),
        ],
        underlyings: vec![
            underlying("BTC-USD", 0, 2, 100_000.0),
            underlying("BTC-USDT", 0, 4, 100_100.0),
            underlying("ETH-USDT", 1, 4, 4_004.0),
            underlying("USDT-USD", 4, 2, 0.999),
        ],
        instruments: vec![
            instrument("BTC-USD-SWAP", InstrumentKind::Inverse, 0, 0, None, [100_010.0, 0.0, 0.0]),
            instrument("BTC-USD-P", option, 0, 0, Some(3), [0.01, 0.6, 100_020.0]),
            instrument("BTC-USDT-SWAP", InstrumentKind::Linear, 1, 4, None, [100_110.0, 0.0, 0.0]),
            instrument("ETH-USDT-SWAP", InstrumentKind::Linear, 2, 4, None, [4_004.5, 0.0, 0.0]),
        ],
    }
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} is not {expected}");
}

fn shock(base: &str, price: Option<f64>, vol: Option<f64>) -> Shock {
    Shock { base: base.to_owned(), price, vol }
}

#[test]
fn nothing_moves_in_the_base_case() {
    let market = market();
    let zeros = Scenario {
        name: "zeros".into(),
        shocks: vec![shock("*", Some(0.0), None), shock("BTC", None, Some(0.0))],
        fx: vec![("USDT".into(), 0.0)],
        ..Scenario::default()
    };
    assert_eq!(apply(&market, &Scenario::base(), 0.01).unwrap(), market);
    assert_eq!(apply(&market, &zeros, 0.01).unwrap(), market);
    assert!(zeros.moves_nothing() && Scenario::base().moves_nothing());
}

#[test]
fn prices_move_by_coin_and_quote() {
    let market = market();
    let scenario = Scenario {
        name: "crash".into(),
        shocks: vec![shock("*", Some(-0.5), Some(1.0)), shock("BTC", Some(-0.3), None)],
        fx: vec![("USDT".into(), -0.05)],
        days: 1.5,
        weight: None,
    };
    let after = apply(&market, &scenario, 0.0).unwrap();
    let fx: Vec<f64> = after.currencies.iter().map(|currency| currency.fx.unwrap()).collect();
    for (found, expected) in fx.iter().zip([70_000.0, 2_000.0, 1.0, 1.0, 0.999 * 0.95]) {
        close(*found, expected);
    }
    let indices: Vec<f64> = after.underlyings.iter().map(|underlying| underlying.index_px.unwrap()).collect();
    for (found, expected) in indices.iter().zip([70_000.0, 100_100.0 * 0.7 / 0.95, 4_004.0 * 0.5 / 0.95, 0.999 * 0.95])
    {
        close(*found, expected);
    }
    close(after.instruments[0].mark_px, 70_007.0);
    close(after.instruments[2].mark_px, 100_110.0 * 0.7 / 0.95);
    close(after.instruments[3].mark_px, 4_004.5 * 0.5 / 0.95);
    let put = &after.instruments[1];
    close(put.fwd_px, 70_014.0);
    close(put.mark_vol, 1.2);
    assert_eq!(after.as_of_ns, 129_600_000_000_000);
    let value =
        |forward, vol, days: f64| crate::margin::black76::value(forward, 90_000.0, vol, days / 365.0, 0.0, false);
    let change_usd = value(70_014.0, 1.2, 1.5) - value(100_020.0, 0.6, 3.0);
    close(put.mark_px, (0.01 * 100_000.0 + change_usd) / 70_000.0);
}

#[test]
fn an_option_is_worth_nothing_at_least_and_its_payoff_at_expiry() {
    let market = market();
    let later = |price, days| {
        let scenario = Scenario { days, ..Scenario::price_move("later", "BTC", price) };
        apply(&market, &scenario, 0.0).unwrap().instruments[1].clone()
    };
    let put = later(-0.4, 3.0);
    let was = crate::margin::black76::value(100_020.0, 90_000.0, 0.6, 3.0 / 365.0, 0.0, false);
    close(put.mark_px, (0.01 * 100_000.0 + (90_000.0 - 60_012.0) - was) / 60_000.0);
    assert!(later(0.5, 2.0).mark_px >= 0.0);
    assert_eq!(later(0.0, 30.0), Instrument { mark_px: later(0.0, 3.0).mark_px, ..market.instruments[1].clone() });
}

#[test]
fn scenarios_that_cannot_be_applied() {
    let market = market();
    let fx = |ccy: &str, fx| Scenario { fx: vec![(ccy.to_owned(), fx)], ..Scenario::default() };
    let of = |shocks: Vec<Shock>| Scenario { shocks, ..Scenario::default() };
    for (scenario, problem, column) in [
        (Scenario::price_move("", "XYZ", 0.1), "unknown currency", "base"),
        (Scenario::price_move("", "USDT", 0.1), "moves by `fx` alone", "base"),
        (Scenario::price_move("", "BTC", -1.0), "impossible price or volatility move", "price"),
        (Scenario::price_move("", "*", f64::NAN), "impossible price or volatility move", "price"),
        (Scenario::price_move("", "*", 1e7), "impossible price or volatility move", "price"),
        (of(vec![shock("BTC", None, Some(-1.5))]), "impossible price or volatility move", "vol"),
        (of(vec![shock("BTC", None, None), shock("BTC", None, None)]), "duplicate row", "base"),
        (fx("XYZ", 0.1), "unknown currency", "fx_ccy"),
        (fx("USD", 0.1), "cannot move by `fx`", "fx_ccy"),
        (fx("BTC", 0.1), "cannot move by `fx`", "fx_ccy"),
        (fx("USDT", -1.0), "impossible price or volatility move", "fx"),
        (Scenario { days: -1.0, ..Scenario::default() }, "no scenario can have", "days"),
        (Scenario { days: f64::NAN, ..Scenario::default() }, "no scenario can have", "days"),
        (Scenario { weight: Some(-1.0), ..Scenario::default() }, "a weight that no scenario can have", "weight"),
        (Scenario { weight: Some(f64::NAN), ..Scenario::default() }, "no scenario can have", "weight"),
        (Scenario { weight: Some(1e300), ..Scenario::default() }, "no scenario can have", "weight"),
    ] {
        let error = apply(&market, &scenario, 0.0).unwrap_err();
        let crate::Error::Invalid(invalid) = error else { panic!("{error}") };
        assert!(invalid.problem.contains(problem), "{invalid}");
        assert_eq!(invalid.column.as_deref(), Some(column), "{invalid}");
    }
}
