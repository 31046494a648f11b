//! A run beside the exchange's answers, and an explanation in the exchange's words.

use super::{Place, data, rows};
use remargin::explain::explain;
use remargin::memory::MemoryLimit;
use remargin::progress::Silent;
use remargin::reconcile::{ReconcileRequest, Reconciliation, reconcile};
use remargin::rules;
use remargin::snapshot::Expectations;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

const BUILDER: &str = "account_position-builder/okx_docs_2025-04.json";

/// The published example, imported from its own response and run.
fn example() -> Place {
    let place = Place::new()
        .copy(BUILDER)
        .copy("public_instruments_SWAP/burakoner_live_prod.json")
        .copy("index-tickers-of-the-position-builder.json");
    place.import();
    place.run();
    place
}

fn against(place: &Place, file: &Path) -> Reconciliation {
    let request = ReconcileRequest {
        run: place.path("out"),
        against: file.to_path_buf(),
        account: None,
        tolerance: 1e-9,
        abs_tolerance: 0.0,
    };
    reconcile(&request, &Silent).unwrap()
}

#[test]
fn the_position_builder_example_reconciles() {
    let place = example();
    let found = against(&place, &data(BUILDER));
    assert_eq!((found.accounts, found.units, found.breaks), (1, 2, 0), "{}", found.to_text());
    assert_eq!(found.comparisons.len(), 44);
    for component in ["adj_eq", "mmr", "imr", "margin_ratio", "borrow_mmr", "borrow_imr", "mr1", "mr4", "mr6", "mr7"] {
        let compared = found.comparisons.iter().filter(|line| line.component == component && line.difference.is_some());
        assert!(compared.count() > 0, "{component} was not compared");
    }
}

#[test]
fn differences_are_breaks() {
    let place = example();
    let answer = rows(&data(BUILDER))[0].clone();
    let mut changes: Vec<(&str, Value, usize)> = Vec::new();
    let mut changed = |what, change: &dyn Fn(&mut Value), breaks| {
        let mut answer = answer.clone();
        change(&mut answer);
        changes.push((what, answer, breaks));
    };
    changed("MMR off by 1e-8", &|answer| answer["totalMmr"] = json!("2946.5481135702"), 1);
    changed("MMR off by 1e-10", &|answer| answer["totalMmr"] = json!("2946.5480843994"), 0);
    changed("nothing to compare", &|answer| answer["totalMmr"] = json!(""), 0);
    changed("another scenario", &|answer| answer["riskUnitData"][0]["mr1FinalResult"]["volShock"] = json!("down"), 1);
    changed(
        "a unit less",
        &|answer| {
            answer["riskUnitData"].as_array_mut().unwrap().pop();
        },
        1,
    );
    changed("a unit of another name", &|answer| answer["riskUnitData"][1]["riskUnit"] = json!("ETH"), 16);
    for (what, answer, breaks) in changes {
        let file = place.path("answer.json");
        fs::write(&file, json!({"code": "0", "data": [answer]}).to_string()).unwrap();
        let found = against(&place, &file);
        assert_eq!(found.breaks, breaks, "{what}:\n{}", found.to_text());
        let output = Command::new(env!("CARGO_BIN_EXE_remargin"))
            .args(["reconcile".as_ref(), place.path("out").as_os_str(), "--against".as_ref(), file.as_os_str()])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(i32::from(breaks > 0)), "{what}");
    }
}

#[test]
fn balances_and_risk_are_answers_too() {
    let place = example();
    let file = place.path("answer.json");
    let balance = json!({"code": "0", "data": [{
        "totalEq": "-78553.21888979999", "adjEq": "-78553.21888979999", "imr": "9643.45070718144",
        "mmr": "2946.5480841048", "mgnRatio": "-25.95365779811705", "upl": "-78653.1728898",
        "details": [{"ccy": "BTC", "spotInUseAmt": "0"}, {"ccy": "USDT", "spotInUseAmt": ""}],
    }]});
    fs::write(&file, balance.to_string()).unwrap();
    let found = against(&place, &file);
    assert_eq!((found.comparisons.len(), found.breaks, found.blank), (7, 0, 1), "{}", found.to_text());
    let risk = json!({"code": "0", "data": [{"adjEq": "-78553.3", "balData": [], "posData": [], "ts": "1"}]});
    fs::write(&file, risk.to_string()).unwrap();
    assert_eq!(against(&place, &file).breaks, 1);
}

/// All keys of nested objects, those of lists from their first item; scenario moves are left out, which are data.
fn keys(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = format!("{path}/{key}");
                if key.parse::<f64>().is_err() {
                    found.push(path.clone());
                }
                keys(value, &path, found);
            }
        }
        Value::Array(list) => list.first().into_iter().for_each(|item| keys(item, path, found)),
        _ => {}
    }
    found.sort();
}

#[test]
fn an_explanation_reads_like_the_position_builder() {
    let place = example();
    let overlay = place.path("snapshot").join("rules.toml");
    let rules = rules::load(Some(&overlay), &[]).unwrap();
    let explained =
        explain(&place.path("snapshot"), "in", &rules, false, &Expectations::NONE, MemoryLimit::of_machine(), &Silent)
            .unwrap()
            .to_okx();
    let theirs: Value = serde_json::from_str(&fs::read_to_string(data(BUILDER)).unwrap()).unwrap();
    let (mut our_keys, mut their_keys) = (Vec::new(), Vec::new());
    keys(&explained, "", &mut our_keys);
    keys(&theirs, "", &mut their_keys);
    assert_eq!(our_keys, their_keys);
    let file = place.path("explained.json");
    fs::write(&file, explained.to_string()).unwrap();
    assert_eq!(against(&place, &file).breaks, 0);
    // The grid, which a run does not keep, against the exchange's own.
    let mut compared = 0;
    for (ours, theirs) in
        [0, 1].map(|unit| (&explained["data"][0]["riskUnitData"][unit], &theirs["data"][0]["riskUnitData"][unit]))
    {
        for state in ["volSame", "volShockDown", "volShockUp"] {
            for (step, pnl) in theirs["mr1Scenarios"][state].as_object().unwrap() {
                let figure = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
                let (found, expected) = (figure(&ours["mr1Scenarios"][state][step]), figure(pnl));
                assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{state} {step}: {found} and {expected}");
                compared += 1;
            }
        }
        for field in ["amt", "avgPx", "markPx", "instId", "instType", "posSide"] {
            assert_eq!(ours["portfolios"][0][field], theirs["portfolios"][0][field], "{field}");
        }
    }
    assert_eq!(compared, 42);
    assert_eq!(explained["data"][0]["ts"], theirs["data"][0]["ts"]);
}
