//! Random responses, sound and damaged: nothing panics, and no row disappears uncounted.

use super::{Place, request};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use remargin::import::okx::import;
use remargin::progress::Silent;
use remargin::rules;
use remargin::snapshot::{Expectations, LoadOptions, load};
use serde_json::{Value, json};
use std::cell::Cell;

/// A sound row of each endpoint; `N` stands for a number of the row.
fn template(endpoint: usize, n: u32) -> Value {
    let (id, ts) = (format!("C{}-USDT-SWAP", n % 4), (1_777_000_000_000_u64 + u64::from(n)).to_string());
    let option = format!("BTC-USD-270101-{}-C", 50_000 + 1_000 * (n % 9));
    match endpoint {
        0 => json!({"instId": id, "instType": "SWAP", "uly": "", "instFamily": "", "settleCcy": "USDT",
            "ctType": "linear", "ctVal": "0.1", "ctMult": "1", "expTime": "", "stk": "", "optType": "",
            "lotSz": "0.1", "instIdCode": n}),
        1 => json!({"instId": id, "instType": "SWAP", "markPx": (n + 1).to_string(), "ts": ts}),
        2 => json!({"instId": format!("C{}-USDT", n % 4), "idxPx": format!("{}.50", n + 1), "ts": ts}),
        3 => json!({"instId": option, "markVol": "0.5", "fwdPx": "60000", "ts": ts}),
        4 => json!({"ccy": format!("C{n}"), "amt": "", "minDiscountRate": "0", "details": [
            {"discountRate": "0.9", "minAmt": "0", "maxAmt": "10"}, {"discountRate": "0.5", "maxAmt": ""}]}),
        5 => json!({"uTime": ts, "totalEq": "", "adjEq": "", "details": [
            {"ccy": "USDT", "cashBal": format!("-{n}.25"), "interest": ""},
            {"ccy": format!("C{}", n % 4), "cashBal": "1e3", "coinUsdPrice": "7"}]}),
        6 => json!({"instId": id, "instType": "SWAP", "pos": "3", "posSide": "long", "avgPx": "1.5", "posId": n,
            "mgnMode": "cross", "markPx": "2", "idxPx": "2.0", "pTime": ts}),
        7 => json!({"adjEq": "1", "ts": ts, "balData": [{"ccy": "USDT", "eq": "5"}], "posData": [
            {"instId": id, "pos": "-1", "posSide": "net", "mgnMode": "cross", "instType": "SWAP"}]}),
        8 => json!({"ordId": n.to_string(), "instId": id, "side": "sell", "sz": "5", "px": "2", "state": "live"}),
        9 => json!({"riskUnitData": [{"riskUnit": "C1", "portfolios": [
            {"instId": id, "instType": "SWAP", "amt": "-2", "avgPx": "1", "markPx": "2", "posSide": "net"}]}],
            "assets": [{"ccy": "USDT", "availEq": "10"}], "ts": ts}),
        10 => json!({"instId": option, "instType": "OPTION", "uly": "BTC-USD", "settleCcy": "BTC", "ctType": "inverse",
            "ctVal": "1", "ctMult": "0.01", "expTime": "1798790400000", "stk": "60000", "optType": "C", "lotSz": "1"}),
        11 => {
            let bound = (10 * (n % 3 + 1)).to_string();
            json!({"tier": (n % 3).to_string(), "ccy": "USDT", "maxSz": bound, "mmr": "0.02", "imr": "0.1"})
        }
        12 => json!({"instId": option, "instType": "OPTION", "markPx": "0.05", "ts": ts}),
        _ => json!({"unheard": "of", "n": n}),
    }
}

/// What a response may hold instead of a sound value.
fn oddity() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        Just(Some(json!(""))),
        Just(Some(Value::Null)),
        Just(Some(json!(12.5))),
        Just(Some(json!(true))),
        Just(Some(json!([]))),
        Just(Some(json!({"a": 1}))),
        select(vec![
            "-",
            "-0.00",
            "1e400",
            "-2.66E-7",
            "0x1",
            "a,\"b\"",
            "é-USD",
            "-USD",
            "isolated",
            "999999999999999999999"
        ])
        .prop_map(|text| Some(json!(text))),
    ]
}

/// Rows of one endpoint with some fields replaced.
fn response() -> impl Strategy<Value = Vec<Value>> {
    let damage = vec((any::<prop::sample::Index>(), oddity()), 0..2);
    (0usize..14, vec((0u32..40, damage), 0..6)).prop_map(|(endpoint, rows)| {
        let row = |(n, damage): (u32, Vec<(prop::sample::Index, Option<Value>)>)| {
            let mut row = template(endpoint, n);
            for (place, value) in damage {
                let row = row.as_object_mut().unwrap();
                let key = place.get(&row.keys().cloned().collect::<Vec<_>>()).clone();
                match value {
                    Some(value) => row.insert(key, value),
                    None => row.shift_remove(&key),
                };
            }
            row
        };
        rows.into_iter().map(row).collect()
    })
}

/// Innermost rows, counted anew: items of the lists of an answer by account, one for anything else.
fn count(endpoint: &str, row: &Value) -> u64 {
    let list = |value: &Value, name: &str| value[name].as_array().map_or(0, |list| list.len() as u64);
    let items = match endpoint {
        "account/balance" => list(row, "details"),
        "account/account-position-risk" => list(row, "balData") + list(row, "posData"),
        "account/position-builder" => {
            let units = row["riskUnitData"].as_array().cloned().unwrap_or_default();
            list(row, "assets") + units.iter().map(|unit| list(unit, "portfolios")).sum::<u64>()
        }
        _ => 1,
    };
    items.max(1)
}

#[test]
fn no_row_disappears() {
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    let imports = Cell::new(0);
    let outcome = TestRunner::new(config).run(&(vec(response(), 1..5), any::<bool>()), |(responses, interpolate)| {
        check(&responses, interpolate, &imports)
    });
    outcome.unwrap();
    assert!(imports.get() > 100, "only {} of 200 cases were imported", imports.get());
}

fn check(responses: &[Vec<Value>], interpolate: bool, imports: &Cell<u32>) -> Result<(), TestCaseError> {
    let mut place = Place::new();
    for (number, rows) in responses.iter().enumerate() {
        let folder = ["", "one/", "two/"][number % 3];
        place = place.write(&format!("{folder}{number}.json"), &json!(rows));
    }
    let mut request = request(&place.path("in"), &place.path("snapshot"));
    (request.as_of_ms, request.interpolate_vol) = (Some(1_777_000_000_000), interpolate);
    let imported = match import(&request, &Silent) {
        Ok(imported) => imported,
        Err(error) => {
            // Contradictions, tiers that are no numbers, nothing of use: said, and nothing left behind.
            prop_assert_eq!(error.exit_code(), 3, "{}", error);
            prop_assert!(!place.path("snapshot").exists());
            return Ok(());
        }
    };
    imports.set(imports.get() + 1);
    for file in &imported.files {
        let number: usize = file.path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let expected: u64 = responses[number].iter().map(|row| count(file.endpoint.name(), row)).sum();
        prop_assert_eq!(file.rows, expected, "{:?}", file);
        prop_assert_eq!(file.rows, file.used + file.aside.values().sum::<u64>(), "{:?}", file);
    }
    prop_assert_eq!(imported.files.len(), responses.len());
    // Every table that was written is one that the loader reads, with as many rows.
    let rules = rules::load(None, &[]).unwrap().rules;
    let options = LoadOptions {
        default_spot_offset: rules.default_spot_offset,
        expectations: &Expectations { allow_empty: true, ..Expectations::NONE },
        progress: &Silent,
    };
    if imported.tables.iter().all(|(name, _)| *name != "orders") {
        let snapshot = load(&place.path("snapshot"), &options);
        prop_assert!(snapshot.is_ok(), "{}", snapshot.unwrap_err());
        for table in snapshot.unwrap().tables {
            let written = imported.tables.iter().find(|(name, _)| *name == table.table.name()).unwrap().1;
            prop_assert_eq!(table.rows_in, written);
        }
    }
    Ok(())
}
