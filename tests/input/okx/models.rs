//! The exchange's figures against ours: discount tiers, option summaries, implied volatilities.

use super::{Place, data, rows};
use remargin::margin::black76::Terms;
use remargin::market::InstrumentKind;
use remargin::progress::Silent;
use remargin::results::read_result;
use serde_json::{Value, json};

fn number(row: &Value, field: &str) -> f64 {
    row[field].as_str().unwrap().parse().unwrap()
}

#[test]
fn discounts_of_the_live_file() {
    let file = "public_discount-rate-interest-free-quota/burakoner_live_prod_btc.json";
    let tiers = rows(&data(file))[0]["details"].as_array().unwrap().clone();
    assert_eq!(tiers.len(), 83);
    let ts = super::LIVE_MS.to_string();
    let px = 77_123.4;
    let mut place = Place::new()
        .copy(file)
        .copy("public_instruments_SWAP/burakoner_live_prod.json")
        .write("index.json", &json!([{"instId": "BTC-USD", "idxPx": px.to_string(), "ts": ts}]));
    // An account for every bound, and one far beyond the last.
    let last = tiers.last().unwrap();
    let beyond = json!({"maxAmt": "5000", "disCcyEq": last["disCcyEq"]});
    for tier in tiers.iter().chain([&beyond]) {
        let cash = &tier["maxAmt"];
        let balance = json!([{"totalEq": "", "uTime": ts, "details": [{"ccy": "BTC", "cashBal": cash}]}]);
        let folder = cash.as_str().unwrap();
        place = place.write(&format!("{folder}/balance.json"), &balance);
        place = place.write(&format!("{folder}/positions.json"), &json!([]));
    }
    place.import();
    place.run();
    let found = read_result(&place.path("out"), "accounts", &["account_id"], &["adj_eq"], |_| true, &Silent).unwrap();
    assert_eq!(found.len(), 84);
    for tier in tiers.iter().chain([&beyond]) {
        let expected = number(tier, "disCcyEq") * px;
        let row = found.iter().find(|row| row.names[0] == tier["maxAmt"].as_str().unwrap()).unwrap();
        let adj_eq = row.figures[0].unwrap();
        assert!((adj_eq - expected).abs() <= 1e-12 * expected, "{tier}: {adj_eq} against {expected}");
    }
}

/// The contracts of option summaries; of the exchange's multiplier of 2022 and 2023.
fn contracts(summaries: &[Value]) -> Value {
    let contract = |row: &Value| {
        let id = row["instId"].as_str().unwrap();
        let parts: Vec<&str> = id.split('-').collect();
        let day = parts[2];
        let expiry: jiff::Timestamp =
            format!("20{}-{}-{}T08:00:00Z", &day[..2], &day[2..4], &day[4..]).parse().unwrap();
        json!({
            "instId": id, "instType": "OPTION", "uly": "BTC-USD", "instFamily": "BTC-USD", "settleCcy": "BTC",
            "ctType": "", "ctVal": "0.1", "ctMult": "1", "lotSz": "1", "stk": parts[3], "optType": parts[4],
            "expTime": expiry.as_millisecond().to_string(),
        })
    };
    summaries.iter().map(contract).collect()
}

/// The mark behind a summary: its reciprocal is the leverage, which is capped.
fn marks(summaries: &[Value]) -> Value {
    let mark = |row: &Value| {
        let px = (1.0 / number(row, "lever")).to_string();
        json!({"instId": row["instId"], "instType": "OPTION", "markPx": px, "ts": row["ts"]})
    };
    summaries.iter().map(mark).collect()
}

/// Fitted to the summaries, which do not print it (`../shared/okx/README.md`).
const INDEX: f64 = 37_725.2;

#[test]
fn marks_and_greeks_of_46_option_summaries() {
    let file = "public_opt-summary/tardis_okex-options_20231201.json";
    let summaries = rows(&data(file));
    assert_eq!(summaries.len(), 46);
    let ts = summaries[0]["ts"].clone();
    let place = Place::new()
        .copy(file)
        .write("contracts.json", &contracts(&summaries))
        .write("marks.json", &marks(&summaries))
        .write("index.json", &json!([{"instId": "BTC-USD", "idxPx": INDEX.to_string(), "ts": ts}]));
    let imported = place.import();
    assert_eq!(imported.volatility.opt_summary, 46);
    let market = place.load().market;
    // Rows of the file refresh at different moments: every row to a thousandth, those of the moment far better.
    let (mut exact_marks, mut exact_deltas, mut compared) = (0, 0, 0);
    for row in &summaries {
        let id = row["instId"].as_str().unwrap();
        let option = market.instruments.iter().find(|found| found.inst_id == id).unwrap();
        assert_eq!(option.gap, None, "{id}");
        let InstrumentKind::Option { call, strike } = option.kind else { panic!("{id} is no option") };
        let terms = Terms {
            forward: option.fwd_px,
            strike,
            vol: option.mark_vol,
            years: market.years_to(option.expiry_ns),
            rate: 0.0,
            call,
        };
        let (mark, greeks) = (terms.value() / terms.forward, terms.greeks());
        let lever = number(row, "lever");
        if lever < 10_000.0 {
            let miss = (mark * lever - 1.0).abs();
            assert!(miss < 1e-3, "{id}: mark {mark} against {}", 1.0 / lever);
            exact_marks += i32::from(miss < 1e-8);
            compared += 1;
        } else {
            assert!(mark < 1.1e-4, "{id}: the leverage of a mark of {mark} is not capped");
        }
        for (ours, field) in [(greeks.delta, "deltaBS"), (greeks.delta - mark, "delta")] {
            let miss = (ours - number(row, field)).abs();
            assert!(miss < 1e-3, "{id} {field}: {ours} against {}", row[field]);
            exact_deltas += i32::from(miss < 1e-8);
        }
        // The exchange's vega is per point and on the index, ours on the forward.
        let vega = 0.01 * greeks.vega * INDEX / terms.forward;
        for (ours, field, least) in [(vega, "vegaBS", 1e-3), (vega / INDEX, "vega", 1e-7)] {
            let theirs = number(row, field);
            assert!((ours - theirs).abs() < 1e-3 * theirs.max(least), "{id} {field}: {ours} against {theirs}");
        }
    }
    assert_eq!(compared, 44);
    assert!(exact_marks >= 5 && exact_deltas >= 15, "{exact_marks} marks and {exact_deltas} deltas to 1e-8");
}

#[test]
fn volatility_gaps_are_implied_or_interpolated_and_marked() {
    let all = rows(&data("public_opt-summary/tardis_okex-options_20231201.json"));
    let id = |row: &Value| row["instId"].as_str().unwrap().to_owned();
    // Of 231208, three strikes of six options; one call loses its summary, one both summary and mark.
    let december: Vec<Value> = all.iter().filter(|row| id(row).contains("-231208-")).cloned().collect();
    let (gap, hole) = ("BTC-USD-231208-36500-C", "BTC-USD-231208-35000-C");
    let summaries: Value = december.iter().filter(|row| ![gap, hole].contains(&id(row).as_str())).cloned().collect();
    let priced: Vec<Value> = december.iter().filter(|row| id(row) != hole).cloned().collect();
    for interpolate in [false, true] {
        let place = Place::new()
            .write("summaries.json", &summaries)
            .write("contracts.json", &contracts(&december))
            .write("marks.json", &marks(&priced));
        let mut request = super::request(&place.path("in"), &place.path("snapshot"));
        request.interpolate_vol = interpolate;
        let imported = remargin::import::okx::import(&request, &Silent).unwrap();
        let counts = &imported.volatility;
        let expected = (december.len() as u64 - 2, 1, u64::from(interpolate));
        assert_eq!((counts.opt_summary, counts.implied, counts.interpolated), expected);
        assert_eq!(counts.missing.get("no mark"), (!interpolate).then_some(&1));
        let table = place.table("marks");
        let row = |wanted: &str| table.iter().find(|row| row[0] == wanted).unwrap();
        assert_eq!(row(gap)[5..7], ["implied", "expiry"]);
        let theirs = all.iter().find(|row| id(row) == gap).unwrap();
        let vol: f64 = row(gap)[2].parse().unwrap();
        assert!((vol - number(theirs, "markVol")).abs() < 1e-3, "{vol}");
        if interpolate {
            assert_eq!(row(hole)[5], "interpolated");
            let put = all.iter().find(|row| id(row) == "BTC-USD-231208-35000-P").unwrap();
            let vol: f64 = row(hole)[2].parse().unwrap();
            assert!((vol - number(put, "markVol")).abs() < 1e-12, "the put of the same strike is on the smile: {vol}");
        } else {
            assert_eq!(row(hole)[2], "");
        }
    }
}
