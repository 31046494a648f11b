//! What becomes of responses, row by row and field by field.

use super::{LIVE_MS, Place, data, request, rows};
use remargin::Error;
use remargin::import::okx::{Imported, import};
use remargin::progress::Silent;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What becomes of a file alone: rows used and set aside, or a word of the refusal.
type Fate = Result<(u64, u64), &'static str>;

const FATES: [(&str, Fate); 26] = [
    ("account_account-position-risk/okx_docs_2025-04.json", Ok((2, 1))),
    ("account_balance/github_okx_demo_20240801_13ccy.json", Ok((13, 0))),
    ("account_balance/okx_docs_2025-04.json", Ok((1, 0))),
    ("account_config/okx_docs_2025-04.json", Ok((1, 0))),
    ("account_greeks/okx_docs_2025-04.json", Err("computes its own")),
    ("account_greeks/okx_docs_2025-04_account-greeks_167.json", Err("computes its own")),
    ("account_position-builder/OLD_simulated_margin_2022_nonzero_mr2.json", Err("ask account/position-builder")),
    ("account_position-builder/okx_docs_2025-04.json", Ok((6, 0))),
    ("account_position-tiers/okx_docs_2025-04.json", Err("tdMode=cross")),
    ("account_positions/github_okx_demo_20240801_option_short.json", Ok((0, 3))),
    ("account_positions/okx_docs_2025-04.json", Ok((0, 1))),
    ("market_index-tickers/okx_docs_2025-04.json", Ok((1, 0))),
    ("public_discount-rate-interest-free-quota/burakoner_live_prod_btc.json", Ok((1, 0))),
    ("public_discount-rate-interest-free-quota/okx_docs_2025-04.json", Ok((1, 0))),
    ("public_funding-rate/burakoner_live_prod_any.json", Err("do not enter a margin")),
    ("public_instruments_FUTURES/burakoner_live_prod.json", Ok((32, 0))),
    ("public_instruments_OPTION/burakoner_live_prod.json", Ok((768, 0))),
    ("public_instruments_SPOT/burakoner_live_prod.json", Err("is not a contract")),
    ("public_instruments_SWAP/burakoner_live_prod.json", Ok((312, 0))),
    ("public_interest-rate-loan-quota/burakoner_live_prod.json", Err("the borrow tiers do")),
    ("public_interest-rate-loan-quota/okx_docs_2025-04.json", Err("the borrow tiers do")),
    ("public_mark-price/okx_docs_2025-04.json", Ok((1, 0))),
    ("public_opt-summary/okx_docs_2025-04.json", Ok((2, 0))),
    ("public_opt-summary/tardis_okex-options_20231201.json", Ok((46, 0))),
    ("public_position-tiers/okx_docs_2025-04.json", Err("borrows by currency")),
    ("trade_orders-pending/okx_docs_2025-04.json", Ok((1, 0))),
];

fn import_alone(file: &Path) -> Result<Imported, Error> {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("snapshot");
    let mut request = request(file, &out);
    request.as_of_ms = Some(LIVE_MS);
    let imported = import(&request, &Silent);
    assert_eq!(out.exists(), imported.is_ok(), "{}", file.display());
    imported
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.parent() != Some(&data("")) && path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

#[test]
fn every_response_imports_or_is_refused_with_a_reason() {
    let mut files = Vec::new();
    files_below(&data(""), &mut files);
    assert_eq!(files.len(), FATES.len(), "a file without an expectation");
    // The full files, where the shared folder lies beside the repository.
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/okx");
    let folders = [(data(""), false), (shared, true)];
    for (folder, full) in folders.iter().filter(|(folder, _)| folder.is_dir()) {
        for (name, expected) in FATES {
            let file = folder.join(name);
            if *full && !file.is_file() {
                continue;
            }
            match (import_alone(&file), expected) {
                (Ok(imported), Ok((used, aside))) => {
                    assert_eq!(imported.totals(), (used + aside, used, aside), "{name}");
                }
                (Err(error), Err(word)) => {
                    assert_eq!(error.exit_code(), 3, "{name}: {error}");
                    assert!(error.to_string().contains(word), "{name}: {error}");
                }
                (found, expected) => panic!("{name}: {found:?}, expected {expected:?}"),
            }
        }
    }
}

#[test]
fn live_instruments_are_all_there_and_all_valid() {
    let place = Place::new()
        .copy("public_instruments_SWAP/burakoner_live_prod.json")
        .copy("public_instruments_FUTURES/burakoner_live_prod.json")
        .copy("public_instruments_OPTION/burakoner_live_prod.json")
        .copy("public_instruments_SPOT/burakoner_live_prod.json")
        .write("index.json", &json!([{"instId": "BTC-USD", "idxPx": "77000", "ts": LIVE_MS.to_string()}]));
    let imported = place.import();
    assert_eq!(imported.as_of, "2026-04-27T08:00:00Z");
    assert_eq!(imported.tables[0], ("instruments", 312 + 32 + 768));
    assert_eq!(imported.totals(), (312 + 32 + 768 + 30 + 1, 312 + 32 + 768 + 30 + 1, 0));
    assert!(imported.tables.contains(&("spot_pairs", 30)));
    let snapshot = place.load();
    assert!(snapshot.rejects.is_empty(), "{:?}", snapshot.rejects);
    assert_eq!(snapshot.market.instruments.len(), 312 + 32 + 768);
    let find = |id: &str| snapshot.market.instruments.iter().find(|found| found.inst_id == id).unwrap();
    let uly = |id: &str| snapshot.market.underlyings[find(id).underlying as usize].name.clone();
    let settle = |id: &str| snapshot.market.currencies[find(id).settle as usize].name.clone();
    // id, underlying, settle currency, multiplier
    for (id, underlying, ccy, multiplier) in [
        ("BTC-USD-SWAP", "BTC-USD", "BTC", 100.0),
        ("BTC-USDT-SWAP", "BTC-USDT", "USDT", 0.01),
        ("BTC-USD_UM-SWAP", "BTC-USD", "USD", 0.0001),
        ("BTC-USD_UM_XPERP-310404", "BTC-USD", "USD", 0.0001),
        ("BTC-USD_UM-260428-72000-C", "BTC-USD", "USD", 0.01),
        ("DOGE-USD_UM_XPERP-310404", "DOGE-USD", "USD", 10.0),
    ] {
        assert_eq!((uly(id).as_str(), settle(id).as_str(), find(id).multiplier), (underlying, ccy, multiplier), "{id}");
    }
}

#[test]
fn accounts_keep_every_digit_and_every_oddity() {
    let place = Place::new()
        .write(
            "account_config/a.json",
            &json!([{"uid": "77", "acctLv": "2", "posMode": "long_short_mode", "spotOffsetType": "2"}]),
        )
        .write(
            "account_balance/a.json",
            &json!([{"totalEq": "", "uTime": "1777276800000", "details": [
                {"ccy": "BTC", "cashBal": "3.2960824157473905", "interest": "", "clSpotInUseAmt": "1.5",
                 "maxSpotInUse": "9", "colRes": "2", "coinUsdPrice": "64435", "stgyEq": "150"},
                {"ccy": "USDT", "cashBal": "-1000000.0000000000000000", "interest": "0.1", "stgyEq": ""},
            ]}]),
        )
        .write(
            "positions.json",
            &json!([
                {"instId": "X-USDT-SWAP", "instType": "SWAP", "pos": "3", "posSide": "short", "avgPx": "2.66E-7",
                 "mgnMode": "cross", "posId": "1", "markPx": "2.7E-7", "idxPx": "0.00000027", "pTime": "5"},
                {"instId": "X-USDT-SWAP", "instType": "SWAP", "pos": "3", "posSide": "long", "avgPx": "1",
                 "mgnMode": "cross", "posId": "2", "markPx": "", "pTime": "5"},
                {"instId": "BTC-USD-300101-1-C", "instType": "OPTION", "pos": "-1.5", "posSide": "net", "avgPx": "",
                 "mgnMode": "cross", "posId": "3"},
                {"instId": "X-USDT-SWAP", "pos": "", "posSide": "net", "avgPx": "1", "mgnMode": "isolated"},
                {"instId": ["no", "text"], "pos": "1", "avgPx": "1", "mgnMode": "cross"},
            ]),
        )
        .write(
            "desk/orders.json",
            &json!([
                {"ordId": "1", "instId": "X-USDT-SWAP", "side": "buy", "sz": "5", "accFillSz": "1.25", "px": "2",
                 "state": "partially_filled", "ordType": "limit"},
                {"ordId": "2", "instId": "X-USDT-SWAP", "side": "buy", "sz": "5", "px": "", "state": "live"},
                {"ordId": "3", "instId": "X-USDT-SWAP", "side": "buy", "sz": "5", "px": "2", "state": "canceled"},
            ]),
        );
    let imported = place.import();
    assert_eq!(imported.totals(), (11, 7, 4));
    let line = |table: &str, row: usize| place.table(table)[row].join(",");
    for (table, row, expected) in [
        ("balances", 1, "77,BTC,3.2960824157473905,,1.5,2"),
        ("balances", 2, "77,USDT,-1000000.0000000000000000,0.1,,"),
        ("positions", 1, "77,BTC-USD-300101-1-C,-1.5,"),
        ("positions", 2, "77,X-USDT-SWAP,3,1"),
        ("positions", 3, "77,X-USDT-SWAP,-3,2.66E-7"),
        ("accounts", 1, "77,coin,\"not in portfolio margin: `acctLv` is 2, not 4\""),
        ("accounts", 2, "desk,,no answer of account/balance and account/positions"),
        ("orders", 1, "desk,X-USDT-SWAP,buy,3.75,2"),
        ("indices", 1, "BTC-USD,64435,account/balance,2026-04-27T08:00:00Z"),
        ("indices", 2, "X-USDT,0.00000027,account/positions,1970-01-01T00:00:00.005Z"),
        ("marks", 1, "X-USDT-SWAP,2.7E-7,,,account/positions,,,1970-01-01T00:00:00.005Z"),
    ] {
        assert_eq!(line(table, row), expected);
    }
    assert_eq!(place.table("positions").len(), 4);
    let notes = imported.notes.join("\n");
    assert!(imported.unmarginable["77"].contains("`acctLv` is 2") && notes.contains("150 BTC of equity"), "{notes}");
    let missing: Vec<String> = imported.missing.iter().map(|gap| format!("{} {}", gap.what, gap.id)).collect();
    for expected in ["contract X-USDT-SWAP", "contract BTC-USD-300101-1-C", "index USDT-USD", "balance desk"] {
        assert!(missing.contains(&expected.to_owned()), "{expected}: {missing:?}");
    }
}

#[test]
fn what_is_missing_names_its_endpoint() {
    let place = Place::new().copy("public_instruments_OPTION/burakoner_live_prod.json").write(
        "desk/positions.json",
        &json!([{"instId": "BTC-USD-260626-80000-C", "pos": "1", "posSide": "net", "avgPx": "0.1", "mgnMode": "cross",
            "pTime": "1777276800000"}]),
    );
    let imported = place.import();
    let missing: Vec<_> = imported
        .missing
        .iter()
        .map(|gap| (gap.what, gap.advice.trim_start_matches("GET /api/v5/"), gap.needed))
        .collect();
    for expected in [
        ("mark", "public/mark-price?instType=OPTION&instId=BTC-USD-260626-80000-C", true),
        ("volatility", "public/opt-summary?instFamily=BTC-USD", true),
        ("forward", "public/opt-summary?instFamily=BTC-USD", true),
        ("index", "market/index-tickers?instId=BTC-USD", true),
        ("balance", "account/balance", true),
    ] {
        assert!(missing.contains(&expected), "{expected:?}: {missing:?}");
    }
    assert_eq!(imported.unpriced, (768, 768));
}

#[test]
fn the_later_row_holds_and_a_contradiction_is_an_error() {
    let mark = |px: &str, ts: &str| json!([{"instId": "A-USDT-SWAP", "instType": "SWAP", "markPx": px, "ts": ts}]);
    let place = Place::new().write("1.json", &mark("2", "20")).write("2.json", &mark("1", "10"));
    let place = place.write("3.json", &mark("2", "20"));
    let imported = place.import();
    assert_eq!(imported.totals(), (3, 1, 2));
    assert_eq!(place.table("marks")[1][1], "2");
    let codes: Vec<_> = imported.aside().keys().map(|why| why.code()).collect();
    assert_eq!(codes, ["duplicate", "superseded"]);
    let place = Place::new().write("a.json", &mark("2", "20")).write("b.json", &mark("1", "20"));
    let error = import(&request(&place.path("in"), &place.path("snapshot")), &Silent).unwrap_err();
    assert!(error.to_string().contains("contradict"), "{error}");
    assert!(!place.path("snapshot").exists());
}

#[test]
fn broken_files_end_the_import() {
    for (text, says) in [
        ("{\"code\":\"0\",\"data\":[", "fetch the response again"),
        ("{\"code\":\"50011\",\"msg\":\"Too Many Requests\",\"data\":[]}", "Too Many Requests"),
        ("[1]", "envelope"),
        ("{\"code\":\"0\",\"data\":[]}{", "ends in the middle"),
        ("{\"code\":\"0\"}", "without `data`"),
    ] {
        let place = Place::new();
        fs::write(place.path("in/a.json"), text).unwrap();
        let error = import(&request(&place.path("in"), &place.path("snapshot")), &Silent).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains(says), "{text}: {error}");
    }
    let place = Place::new().copy("public_instruments_FUTURES/burakoner_live_prod.json");
    let error = import(&request(&place.path("in"), &place.path("snapshot")), &Silent).unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("`as_of_ms`"), "{error}");
}

#[test]
fn the_sample_imports_and_runs_on_the_command_line() {
    let place = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/okx-sample");
    let (snapshot, out) = (place.path().join("snapshot"), place.path().join("out"));
    let rules = snapshot.join("rules.toml");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for (args, code) in [
        (vec!["import", "okx", &text(&sample), "--out", &text(&snapshot)], 0),
        (vec!["import", "okx", &text(&sample), "--out", &text(&snapshot)], 2),
        (vec!["run", &text(&snapshot), "--rules", &text(&rules), "--out", &text(&out)], 0),
        (vec!["reconcile", &text(&out), "--against", &text(&sample)], 0),
        (vec!["reconcile", &text(&out), "--against", &text(&sample), "--tolerance", "-1"], 2),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_remargin")).args(&args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(!stderr.contains("rejects"), "{args:?}: {stderr}");
    }
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(snapshot.join("import.json")).unwrap()).unwrap();
    assert_eq!(report["rows"], json!({"in": 66, "used": 64, "set_aside": 2}));
    assert_eq!(report["volatility"]["implied"], 1);
    assert_eq!(rows(&sample.join("desk/account_positions.json")).len(), 8);
}
