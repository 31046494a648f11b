//! The exchange's published figures against the reference model. Every number is read from `data/golden`.

use remargin::margin::rules::{Class, PerClass, RiskUnitMode, Rules, SettleGroup, SpotOffset};
use remargin::margin::tiers::Tiers;
use remargin::market::{Currency, Instrument, InstrumentKind, Market, Underlying};
use remargin::reference;
use remargin::reference::{Account, Balance, Components, Margin, Position, Unit, incremental, margin};
use serde_json::Value;

fn golden(name: &str) -> Value {
    let path = format!("{}/data/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rules(risk_unit: RiskUnitMode) -> Rules {
    let mut rules = remargin::rules::load(None, &[]).unwrap().rules;
    rules.risk_unit = risk_unit;
    rules
}

/// A number, also where it is written as text.
fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{value} is not a number"))
}

fn tiers(value: &Value) -> Tiers {
    let row = |row: &Value| (number(&row[0]), number(&row[1]));
    Tiers::new(value.as_array().unwrap().iter().map(row).collect()).unwrap()
}

#[track_caller]
fn close(name: &str, got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{name}: {got:?}, published {expected:?}, tolerance {tolerance:e}");
}

/// Nine digits, and exactly zero where zero was published.
fn nine_digits(expected: f64) -> f64 {
    1e-9 * expected.abs()
}

/// A market of the given indices and linear swaps `(inst_id, underlying, settle, multiplier, mark)`.
fn market(indices: &[(&str, f64)], swaps: &[(&str, &str, &str, f64, f64)]) -> Market {
    let mut names: Vec<&str> = indices.iter().flat_map(|(name, _)| name.split('-')).collect();
    names.extend(swaps.iter().map(|swap| swap.2));
    names.sort_unstable();
    names.dedup();
    let ccy = |name: &str| names.iter().position(|&ccy| ccy == name).unwrap() as u32;
    let underlying = |&(name, px): &(&str, f64)| {
        let (base, quote) = name.split_once('-').unwrap();
        Underlying { name: name.into(), base: ccy(base), quote: ccy(quote), index_px: Some(px) }
    };
    let swap = |&(inst_id, uly, settle, multiplier, mark_px): &(&str, &str, &str, f64, f64)| Instrument {
        inst_id: inst_id.into(),
        kind: InstrumentKind::Linear,
        underlying: indices.iter().position(|(name, _)| *name == uly).unwrap() as u32,
        settle: ccy(settle),
        multiplier,
        expiry_ns: None,
        lot_sz: 1.0,
        mark_px,
        mark_vol: 0.0,
        fwd_px: 0.0,
        gap: None,
    };
    Market {
        as_of_ns: 1_736_936_801_642_000_000,
        currencies: names.iter().map(|name| Currency { name: (*name).into(), fx: None }).collect(),
        underlyings: indices.iter().map(underlying).collect(),
        instruments: swaps.iter().map(swap).collect(),
    }
}

fn cash(market: &Market, ccy: &str, cash: f64) -> Balance {
    let ccy = market.currencies.iter().position(|currency| currency.name == ccy).unwrap();
    Balance { ccy, cash, interest: 0.0, cap: None, restricted: false }
}

/// A figure of a unit by the name of its column.
fn column(unit: &Unit, name: &str) -> f64 {
    match name {
        "mr1" => unit.parts.mr1,
        "mr1_price" => unit.mr1_price,
        "mr2" => unit.parts.mr2,
        "mr3" => unit.parts.mr3,
        "mr4" => unit.parts.mr4,
        "mr5" => unit.parts.mr5,
        "mr6" => unit.parts.mr6,
        "mr6_price" => unit.mr6_price,
        "mr7" => unit.parts.mr7,
        "mr9" => unit.parts.mr9,
        "mmr" => unit.mmr,
        "imr" => unit.imr,
        "cash_delta" => unit.cash_delta,
        "upl" => unit.upl,
        "spot_in_use" => unit.spot_in_use,
        other => panic!("no column `{other}`"),
    }
}

fn account_column(margin: &Margin, name: &str) -> f64 {
    match name {
        "adj_eq" => margin.adj_eq,
        "mmr" => margin.mmr,
        "imr" => margin.imr,
        "deriv_mmr" => margin.deriv_mmr,
        "borrow_mmr" => margin.borrow_mmr,
        "borrow_imr" => margin.borrow_imr,
        "margin_ratio" => margin.margin_ratio.unwrap(),
        "upl" => margin.upl,
        other => panic!("no column `{other}`"),
    }
}

#[test]
fn position_builder_2025_01() {
    let file = golden("position-builder-2025-01");
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let indices: Vec<(&str, f64)> =
        file["indices"].as_object().unwrap().iter().map(|(name, px)| (name.as_str(), number(px))).collect();
    let instruments = file["instruments"].as_array().unwrap();
    let swaps: Vec<_> = instruments
        .iter()
        .map(|swap| {
            let name = |key: &str| swap[key].as_str().unwrap();
            let multiplier = number(&swap["ct_val"]) * number(&swap["ct_mult"]);
            (name("inst_id"), name("uly"), name("settle_ccy"), multiplier, number(&swap["mark_px"]))
        })
        .collect();
    let market = market(&indices, &swaps);
    let position = |row: &Value| Position {
        instrument: swaps.iter().position(|swap| swap.0 == text(&row["inst_id"])).unwrap(),
        qty: number(&row["qty"]),
        avg_px: number(&row["avg_px"]),
    };
    let rules = rules(RiskUnitMode::Merged);
    let account = Account {
        market: &market,
        rules: &rules,
        positions: file["positions"].as_array().unwrap().iter().map(position).collect(),
        balances: file["balances"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| cash(&market, &text(&row["ccy"]), number(&row["cash"])))
            .collect(),
        spot_offset: SpotOffset::Usdt,
        orders: vec![],
        fee_rate: None,
    };
    let result = margin(&account).unwrap();

    let expected = file["expected"].as_object().unwrap();
    for (name, value) in expected {
        match name.as_str() {
            "eq" => {
                for (ccy, value) in value.as_object().unwrap() {
                    let line = result.equity.iter().find(|line| line.ccy == *ccy).unwrap();
                    close(&format!("eq {ccy}"), line.eq, number(value), nine_digits(number(value)));
                }
            }
            "units" => check_units(&result, value),
            _ => close(name, account_column(&result, name), number(value), nine_digits(number(value))),
        }
    }
    assert_eq!(result.status.name(), "liquidation");
}

fn check_units(result: &Margin, expected: &Value) {
    let expected = expected.as_object().unwrap();
    assert_eq!(result.units.len(), expected.len());
    for (unit, (name, expected)) in result.units.iter().zip(expected) {
        assert_eq!(unit.name, *name);
        for (key, value) in expected.as_object().unwrap() {
            match key.as_str() {
                "mr1_vol" => assert_eq!(Some(unit.mr1_vol.name()), value.as_str()),
                "mr1_grid_vol_same" => check_grid(unit, value),
                _ => {
                    let value = number(value);
                    close(&format!("{name} {key}"), column(unit, key), value, nine_digits(value));
                }
            }
        }
    }
}

fn check_grid(unit: &Unit, expected: &Value) {
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), unit.grid.len());
    for ((price, pnl), (expected_price, expected)) in unit.grid_prices.iter().zip(&unit.grid).zip(expected) {
        assert_eq!(*price, expected_price.parse::<f64>().unwrap());
        close(&format!("grid {price}"), pnl[1], number(expected), nine_digits(number(expected)));
    }
}

#[test]
fn spot_hedge_2024_06() {
    let file = golden("spot-hedge-2024-06");
    let (balance, position) = (&file["balances"][0], &file["positions"][0]);
    let multiplier = number(&position["ct_val"]) * number(&position["ct_mult"]);
    for case in file["cases"].as_array().unwrap() {
        let mark = number(&case["mark_px"]);
        let mut rules = rules(RiskUnitMode::Separate);
        rules.mr7.delta_one.major = 0.0045;
        rules.mr7.tiers.major = Tiers::new(vec![(f64::INFINITY, 1.0)]).unwrap();
        let before = case["rules"] == "before";
        rules.mr4.floor.major = if before { 0.0 } else { 0.012 };
        if before {
            rules.mr4.annualized.major = 0.0;
        }
        let swap = (position["inst_id"].as_str().unwrap(), "BTC-USDT", "USDT", multiplier, mark);
        let market = market(&[("BTC-USDT", mark), ("USDT-USD", 1.0)], &[swap]);
        let account = Account {
            market: &market,
            rules: &rules,
            positions: vec![Position { instrument: 0, qty: number(&position["qty"]), avg_px: mark }],
            balances: vec![cash(&market, balance["ccy"].as_str().unwrap(), number(&balance["cash"]))],
            spot_offset: SpotOffset::Usdt,
            orders: vec![],
            fee_rate: None,
        };
        let result = margin(&account).unwrap();
        assert_eq!(result.units.len(), 1);
        for (name, value) in case["expected"].as_object().unwrap() {
            let value = number(value);
            // What was published as zero, and the coins, are exact; the file's tolerance is for the rounded money.
            let exact = value == 0.0 || name == "spot_in_use";
            let tolerance = if exact { 0.0 } else { number(&case["tolerance_abs"]) };
            close(&format!("{} {name}", case["rules"]), column(&result.units[0], name), value, tolerance);
        }
    }
}

#[test]
fn option_2022_03() {
    let file = golden("option-2022-03");
    let given = |name: &str| number(&file["given"][name]);
    let parts = Components {
        mr1: given("mr1"),
        mr2: given("mr2"),
        mr3: given("mr3"),
        mr4: given("mr4"),
        mr5: given("mr5"),
        mr6: given("mr6"),
        mr7: given("mr7"),
        mr9: given("mr9"),
    };
    let expected = |name: &str| number(&file["expected"][name]);
    let rules = rules(RiskUnitMode::Separate);
    close("mmr", parts.mmr(), expected("mmr"), nine_digits(expected("mmr")));
    close("imr", rules.imr_multiplier * parts.mmr(), expected("imr"), nine_digits(expected("imr")));

    // The minimum charge of the short call itself: 0.1 BTC at the index of the response.
    let index = 37829.80;
    let mut market = market(&[("BTC-USD", index)], &[("BTC-USD-220325-50000-C", "BTC-USD", "BTC", 0.1, 0.005)]);
    let call = &mut market.instruments[0];
    call.kind = InstrumentKind::Option { call: true, strike: 50_000.0 };
    call.expiry_ns = Some(market.as_of_ns + 18 * 86_400_000_000_000);
    (call.mark_vol, call.fwd_px) = (0.7, index);
    let positions = vec![Position { instrument: 0, qty: -1.0, avg_px: 0.005 }];
    let account = Account {
        market: &market,
        rules: &rules,
        positions,
        balances: vec![],
        spot_offset: SpotOffset::None,
        orders: vec![],
        fee_rate: None,
    };
    let mr7 = margin(&account).unwrap().units[0].parts.mr7 / index;
    close("mr7", mr7, expected("mr7"), nine_digits(expected("mr7")));
}

#[test]
fn mr9_tiers_2024_11() {
    let file = golden("mr9-tiers-2024-11");
    let mut rules = rules(RiskUnitMode::Merged);
    let pairs: Vec<String> =
        rules.mr9.pairs.iter().map(|(first, second)| format!("{}-{}", first.name(), second.name())).collect();
    let published: Vec<&str> = file["pairs_order"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(pairs, published);
    assert_eq!(rules.mr9.pairs[0], (SettleGroup::Usdt, SettleGroup::Usd));

    rules.mr9.tiers = vec![tiers(&file["tiers"])];
    for case in file["cases"].as_array().unwrap() {
        let (hedged, expected) = (number(&case["hedged_usd"]), number(&case["mr9"]));
        close("tiers", incremental(&rules.mr9.tiers[0], hedged), expected, nine_digits(expected));
        // The same as a book: that much long in USDT, more of it short in USD.
        let indices = [("BTC-USD", 100.0), ("BTC-USDT", 100.0), ("USDT-USD", 1.0)];
        let swaps = [("BTC-USD-SWAP", "BTC-USD", "USD", 1.0, 100.0), ("BTC-USDT-SWAP", "BTC-USDT", "USDT", 1.0, 100.0)];
        let market = market(&indices, &swaps);
        let row = |instrument: usize, usd: f64| Position { instrument, qty: usd / 100.0, avg_px: 100.0 };
        let account = Account {
            market: &market,
            rules: &rules,
            positions: vec![row(0, -1.5 * hedged), row(1, hedged)],
            balances: vec![],
            spot_offset: SpotOffset::None,
            orders: vec![],
            fee_rate: None,
        };
        let mr9 = reference::margin(&account).unwrap().units[0].parts.mr9;
        close("mr9", mr9, expected, nine_digits(expected));
    }
}

#[test]
fn mr7_tiers_2021() {
    let file = golden("mr7-tiers-2021");
    let scaling: PerClass<Tiers> = PerClass { major: tiers(&file["tiers"]), ..PerClass::default() };
    for case in file["cases"].as_array().unwrap() {
        let raw = number(&case["mr7_raw"]);
        let mr7 = incremental(scaling.get(Class::Major), raw);
        close("mr7", mr7, number(&case["mr7"]), nine_digits(number(&case["mr7"])));
        let parts = Components { mr1: number(&case["mr"]), mr7, ..Components::default() };
        close("mmr", parts.mmr(), number(&case["mmr"]), nine_digits(number(&case["mmr"])));
    }
}
