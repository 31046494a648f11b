//! What an import leaves in or out, by the margins that come of it.

use super::{Place, figures, sample, sample_rows};
use remargin::import::okx::import;
use remargin::progress::Silent;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn remargin(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_remargin")).args(args).current_dir(folder).output().unwrap()
}

/// Runs a command in the folder of the place, with the exit code that is expected; returns stderr.
fn expect(place: &Place, args: &[&str], code: i32) -> String {
    let output = remargin(args, &place.path(""));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    stderr
}

fn tier(family: &str, bounds: (&str, &str)) -> Value {
    json!({"instFamily": family, "uly": family, "instId": "", "tier": "1", "minSz": bounds.0, "maxSz": bounds.1,
        "mmr": "0.004", "imr": "0.01", "maxLever": "100", "optMgnFactor": "0", "baseMaxLoan": "", "quoteMaxLoan": ""})
}

#[test]
fn tiers_of_contracts_are_no_borrow_tiers() {
    let mut balance = sample_rows("desk/account_balance.json");
    balance[0]["details"][0]["cashBal"] = json!("-30");
    balance[0]["details"][1]["cashBal"] = json!("9000000");
    let (btc, eth) = (tier("BTC-USDT", ("0", "1000")), tier("ETH-USDT", ("0", "5000")));
    let no_family = json!({"tier": "1", "maxSz": "1000", "mmr": "0.004", "imr": "0.01", "instFamily": "", "uly": ""});
    for (name, rows, codes) in [
        ("public_position-tiers.json", vec![], vec![]),
        ("public_position-tiers_SWAP.json", vec![btc.clone(), eth], vec!["pair_tiers"]),
        ("public_position-tiers_SWAP.json", vec![btc.clone()], vec!["pair_tiers"]),
        ("public_position-tiers_SWAP_BTC.json", vec![btc.clone()], vec!["pair_tiers"]),
        ("public_position-tiers_BTC-USDT.json", vec![btc], vec!["pair_tiers"]),
        // A currency in the name of the file is none.
        ("public_position-tiers_BTC.json", vec![no_family], vec!["nameless_tiers"]),
    ] {
        let place = sample().write("desk/account_balance.json", &json!(balance)).write(name, &json!(rows));
        let imported = place.import();
        let found = imported.aside();
        let found: Vec<_> =
            found.keys().map(|why| why.code()).filter(|code| ["pair_tiers", "nameless_tiers"].contains(code)).collect();
        assert_eq!(found, codes, "{name}");
        place.run();
        let figures = figures(&place, "accounts", &["mmr", "borrow_mmr"]);
        // 30 BTC and more of debt in the built-in first tier, at 2 %.
        let [mmr, borrow_mmr] = figures[0].1[..] else { panic!("{figures:?}") };
        assert!((mmr - 215_274.58).abs() < 0.01 && (borrow_mmr - 57_893.99).abs() < 0.01, "{name}: {figures:?}");
    }
    // The currency that was asked for, in the rows or beside them.
    let row =
        json!({"tier": "1", "maxSz": "1000", "mmr": "0.05", "imr": "0.1", "instFamily": "", "uly": "", "instId": ""});
    let mut named = row.clone();
    named["ccy"] = json!("BTC");
    let beside = json!({"arg": {"ccy": "BTC"}, "code": "0", "data": [row]});
    for answer in [json!({"code": "0", "data": [named]}), beside] {
        let place = sample().write("desk/account_balance.json", &json!(balance));
        fs::write(place.path("in/tiers.json"), answer.to_string()).unwrap();
        place.import();
        let rules = fs::read_to_string(place.path("snapshot/rules.toml")).unwrap();
        assert!(rules.contains("BTC = [[1000.0, 0.05, 0.1], [\"inf\", 0.05, 0.1]]"), "{rules}");
    }
}

#[test]
fn a_run_uses_the_rules_that_the_snapshot_names() {
    let place = Place::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/okx-sample");
    let from = sample.to_str().unwrap();
    expect(&place, &["import", "okx", from, "--out", "s"], 0);
    let said = expect(&place, &["run", "s", "--out", "out"], 0);
    assert!(said.contains("rules: s/rules.toml, as the snapshot names them"), "{said}");
    expect(&place, &["reconcile", "out", "--against", from], 0);
    expect(&place, &["verify", "out"], 0);
    expect(&place, &["replay", "out/manifest.json"], 0);
    let manifest: Value = serde_json::from_slice(&fs::read(place.path("out/manifest.json")).unwrap()).unwrap();
    let inputs: Vec<_> = manifest["inputs"].as_array().unwrap().iter().map(|input| &input["path"]).collect();
    assert!(inputs.contains(&&json!("rules.toml")), "{inputs:?}");
    // The same as with the file by name, and not the same as with the built-in rules.
    expect(&place, &["run", "s", "--rules", "s/rules.toml", "--out", "named"], 0);
    expect(&place, &["run", "s", "--rules", "okx-pm2-2025-01", "--out", "built-in"], 0);
    let accounts = |folder: &str| fs::read(place.path(folder).join("accounts.parquet")).unwrap();
    assert_eq!(accounts("out"), accounts("named"));
    assert_ne!(accounts("out"), accounts("built-in"));
    expect(&place, &["compare", "out", "built-in"], 0);
    for args in [
        &["check", "s"][..],
        &["explain", "s", "--account", "builder"],
        &["simulate", "s", "--out", "limits", "--max-withdraw"],
        &["stress", "s", "--out", "stressed", "--scenario", "BTC=-10%"],
        &["compare", "s", "--a", "mr6.charge=0.5", "--b", "mr6.charge=0.6"],
    ] {
        assert!(expect(&place, args, 0).contains("as the snapshot names them"), "{args:?}");
    }
    // Buckets of the snapshot name them too.
    expect(&place, &["partition", "s", "--buckets", "2", "--out", "parts"], 0);
    assert!(place.path("parts/bucket-00000/rules.toml").is_file());
    // Rules that are not there.
    fs::remove_file(place.path("s/rules.toml")).unwrap();
    let said = expect(&place, &["run", "s", "--out", "other"], 3);
    assert!(said.contains("the rules that the snapshot names are not there"), "{said}");
    let manifest = fs::read_to_string(place.path("s/snapshot.toml")).unwrap();
    for wrong in ["\"../rules.toml\"", "\"\"", "7", "\"/rules.toml\""] {
        fs::write(place.path("s/snapshot.toml"), manifest.replace("\"rules.toml\"", wrong)).unwrap();
        let said = expect(&place, &["run", "s", "--out", "other"], 3);
        assert!(said.contains("the name of a rules file"), "{wrong}: {said}");
    }
}

#[test]
fn marks_keep_their_time() {
    let place = sample();
    place.import();
    let marks = place.table("marks");
    let time = |id: &str| marks.iter().find(|row| row[0] == id).unwrap().last().unwrap().clone();
    // Of mark and volatility the earlier time.
    assert_eq!(time("BTC-USDT-SWAP"), "2025-01-15T10:26:41.292Z");
    assert_eq!(time("BTC-USD-250328-80000-C"), "2025-01-15T10:26:41.292Z");
    assert_eq!(place.table("indices")[1].last().unwrap(), "2025-01-15T10:26:41.522Z");
    expect(&place, &["run", "snapshot", "--out", "near", "--max-mark-age", "5m"], 0);
    expect(&place, &["run", "snapshot", "--out", "far", "--max-mark-age", "100ms"], 4);
}

#[test]
fn exit_codes_of_an_import() {
    let place = sample();
    let import = ["import", "okx", "in", "--out", "s", "--force"];
    let strict = [&import[..], &["--strict"]].concat();
    expect(&place, &import, 0);
    // An isolated position does not exist in portfolio margin.
    let said = expect(&place, &strict, 4);
    assert!(said.contains("not everything was used"), "{said}");
    let rows: Vec<Value> = sample_rows("desk/account_positions.json");
    let cross: Vec<&Value> = rows.iter().filter(|row| row["mgnMode"] == "cross").collect();
    let place = place.write("desk/account_positions.json", &json!(cross));
    expect(&place, &strict, 0);
    fs::write(place.path("in/notes.txt"), "x").unwrap();
    expect(&place, &import, 0);
    let said = expect(&place, &strict, 4);
    assert!(said.contains("not read: notes.txt"), "{said}");
    fs::remove_file(place.path("in/desk/account_positions.json")).unwrap();
    let said = expect(&place, &import, 4);
    assert!(said.contains("cannot be margined: `70000000000000001`: no answer of account/positions"), "{said}");
    assert!(place.path("s/snapshot.toml").is_file());
    // Its only account has no position in the snapshot.
    let said = expect(&place, &["run", "s", "--out", "out"], 3);
    assert!(said.contains("`--allow-empty` takes the snapshot as it is"), "{said}");
    expect(&place, &["run", "s", "--out", "out", "--allow-empty"], 4);
}

#[test]
fn announced_and_broken_instruments_stop_nobody() {
    let place = sample();
    place.import();
    place.run();
    let clean = figures(&place, "risk_units", &["mmr", "imr"]);
    let swaps = sample_rows("public_instruments_SWAP.json");
    let with = |changes: &[(&str, &str)]| {
        let mut row = swaps[0].clone();
        for (name, value) in changes {
            row[*name] = json!(value);
        }
        row
    };
    let placeholders = [
        json!({"instId": "", "instType": "SWAP", "state": "preopen", "uly": "NEWA-USDT"}),
        with(&[("instId", ""), ("ctVal", ""), ("state", "preopen")]),
        with(&[("instId", "LISTING-SWAP-NEWC-USDT"), ("ctVal", ""), ("state", "preopen")]),
        with(&[("instId", "NEWD-USDT-SWAP"), ("ctVal", ""), ("state", "preopen")]),
    ];
    // In the first row, the file is still known.
    let announced: Vec<Value> = placeholders.iter().chain(&swaps).cloned().collect();
    let place = sample().write("public_instruments_SWAP.json", &json!(announced));
    let imported = place.import();
    let aside = imported.aside();
    let placeholder = aside.iter().find(|(why, _)| why.code() == "placeholder").map(|(_, rows)| *rows);
    assert_eq!(placeholder, Some(4));
    place.run();
    assert_eq!(figures(&place, "risk_units", &["mmr", "imr"]), clean);
    // A live swap that nobody holds, with an empty contract value: a reject that counts against no limit.
    let broken = with(&[("instId", "NEWE-USDT-SWAP"), ("uly", "NEWE-USDT"), ("ctVal", "")]);
    let all: Vec<Value> = swaps.iter().cloned().chain([broken]).collect();
    let place = sample().write("public_instruments_SWAP.json", &json!(all));
    place.import();
    let snapshot = place.load();
    assert_eq!((snapshot.rejects.len(), snapshot.unheld_broken, snapshot.book.len()), (1, 1, 1));
    expect(&place, &["run", "snapshot", "--out", "out", "--format", "csv"], 0);
    assert_eq!(figures(&place, "risk_units", &["mmr", "imr"]), clean);
    let summary: Value = serde_json::from_slice(&fs::read(place.path("out/summary.json")).unwrap()).unwrap();
    assert_eq!((&summary["rejects"]["broken"], &summary["rejects"]["unheld"]), (&json!(1), &json!(1)));
    expect(&place, &["check", "snapshot"], 0);
    expect(&place, &["verify", "out"], 0);
    // One that somebody holds.
    let mut held = swaps.clone();
    held[0]["ctVal"] = json!("");
    let place = sample().write("public_instruments_SWAP.json", &json!(held));
    place.import();
    assert_eq!(place.load().unheld_broken, 0);
    expect(&place, &["run", "snapshot", "--out", "out"], 4);
}

#[test]
fn orders_are_called_what_they_are() {
    let algo = json!({"algoId": "5", "ordId": "", "instId": "BTC-USDT-SWAP", "side": "buy", "sz": "", "px": "",
        "ordType": "conditional", "closeFraction": "1", "state": "live", "tdMode": "cross"});
    let order = json!({"ordId": "1", "instId": "BTC-USDT-SWAP", "instType": "SWAP", "side": "buy", "sz": "3",
        "px": "90000", "state": "live", "ordType": "limit", "pxVol": "", "pxUsd": "", "tdMode": "cross"});
    let with = |changes: &[(&str, &str)]| {
        let mut row = order.clone();
        for (name, value) in changes {
            row[*name] = json!(value);
        }
        row
    };
    let place = sample().write("desk/trade_orders-algo-pending.json", &json!([algo]));
    let imported = place.import();
    let file = imported.files.iter().find(|file| file.path.ends_with("trade_orders-algo-pending.json")).unwrap();
    assert_eq!((file.endpoint.name(), file.used), ("trade/orders-algo-pending", 0));
    assert!(imported.to_text().contains("freeze no margin until they trigger"), "{}", imported.to_text());
    assert!(!place.path("snapshot/orders.csv").exists());
    let rows = [
        order.clone(),
        algo,
        with(&[("ordId", "2"), ("px", ""), ("pxVol", "0.61"), ("instId", "BTC-USD-250328-130000-C")]),
        with(&[("ordId", "3"), ("px", ""), ("pxUsd", "2500"), ("instId", "BTC-USD-250328-130000-C")]),
        with(&[("ordId", "4"), ("px", ""), ("ordType", "market")]),
        with(&[("ordId", "5"), ("px", "")]),
        with(&[("ordId", "6"), ("state", "filled")]),
    ];
    let place = sample().write("desk/trade_orders-pending.json", &json!(rows));
    let imported = place.import();
    let file = imported.files.iter().find(|file| file.path.ends_with("trade_orders-pending.json")).unwrap();
    let aside: Vec<_> = file.aside.iter().map(|(why, rows)| (why.code(), *rows)).collect();
    let expected =
        [("market_order", 1), ("other_price_order", 2), ("algo_order", 1), ("done_order", 1), ("malformed", 1)];
    assert_eq!((file.used, aside.as_slice()), (1, expected.as_slice()));
    assert_eq!(file.malformed[0].1, "`px` is missing");
}

#[test]
fn a_contract_that_is_over_comes_with_advice_that_helps() {
    let mut rows = sample_rows("desk/account_positions.json");
    let mut delivered = rows[2].clone();
    (delivered["instId"], delivered["posId"]) = (json!("BTC-USD-250115"), json!("4001"));
    rows.push(delivered);
    let mut listed = sample_rows("public_instruments_FUTURES.json");
    let mut contract = listed[0].clone();
    (contract["instId"], contract["expTime"]) = (json!("BTC-USD-250115"), json!("1736928000000"));
    listed.push(contract);
    for is_listed in [false, true] {
        let mut place = sample().write("desk/account_positions.json", &json!(rows));
        if is_listed {
            place = place.write("public_instruments_FUTURES.json", &json!(listed));
        }
        let imported = place.import();
        let gap = imported.missing.iter().find(|gap| gap.what == "expired").unwrap();
        assert_eq!(
            (gap.id.as_str(), gap.accounts.as_slice()),
            ("BTC-USD-250115", &["70000000000000001".to_owned()][..])
        );
        let advice = "delivered or exercised at 2025-01-15T08:00:00Z";
        assert!(gap.advice.contains(advice) && gap.advice.contains("account/positions"), "{}", gap.advice);
        assert!(imported.unmarginable["70000000000000001"].contains("is over"), "{:?}", imported.unmarginable);
        assert_eq!(place.load().book.len(), 0);
    }
}

#[test]
fn a_perpetual_future_is_a_perpetual_in_the_basis_charge() {
    let future = |id: &str, expiry: &str| {
        json!({"instType": "FUTURES", "instId": id, "uly": "BTC-USD", "settleCcy": "USD", "ctType": "linear",
            "ctVal": "0.0001", "ctMult": "1", "expTime": expiry, "lotSz": "1", "state": "live"})
    };
    let (perp, dated) = ("BTC-USD_UM_XPERP-310404", "BTC-USD_UM-250328");
    let position = |id: &str, qty: &str| {
        json!({"instId": id, "pos": qty, "posSide": "net",
            "avgPx": "97000", "mgnMode": "cross", "posId": id})
    };
    let mark = |id: &str, px: &str| json!({"instId": id, "markPx": px, "ts": "1736936801292"});
    let place = sample()
        .write("more.json", &json!([future(perp, "1933056000000"), future(dated, "1743148800000")]))
        .write("more_marks.json", &json!([mark(perp, "97048.8"), mark(dated, "98900")]))
        .write(
            "desk/account_config.json",
            &json!([{"uid": "70000000000000001", "acctLv": "4", "posMode": "net_mode", "spotOffsetType": "1"}]),
        )
        .write(
            "desk/account_positions.json",
            &json!([position("BTC-USD_UM-SWAP", "1000000"), position(dated, "-300000"), position(perp, "-900000")]),
        );
    place.import();
    place.run();
    // Swap and perpetual future are one bucket without time; the dated future is its own. BTC is a major coin.
    let years = (1_743_148_800_000_f64 - 1_736_936_801_522.0) / (365.0 * 86_400_000.0);
    let expected = 0.002 * (100_000.0 * 0.0001 * 97_048.8) + f64::max(0.002, 0.05 * years) * (30.0 * 98_900.0);
    let rules = remargin::rules::load(None, &[]).unwrap().rules;
    assert_eq!((rules.mr4.floor.major, rules.mr4.perpetual_like.as_slice()), (0.002, &["_XPERP-".to_owned()][..]));
    let expected = expected + (rules.mr4.annualized.major - 0.05) * years * (30.0 * 98_900.0);
    let found = figures(&place, "risk_units", &["mr4"]).into_iter().find(|(unit, _)| unit == "BTC-USD").unwrap().1[0];
    assert!((found - expected).abs() < 1e-6 * expected, "{found}, expected {expected}");
    // The reference model agrees, in separate and in merged units.
    expect(&place, &["verify", "out", "--all"], 0);
    for set in ["risk_unit=merged", "mr4.perpetual_like=[]"] {
        expect(&place, &["run", "snapshot", "--out", "other", "--force", "--set", set, "--format", "csv"], 0);
        expect(&place, &["verify", "other", "--all"], 0);
    }
    let text = fs::read_to_string(place.path("other/risk_units.csv")).unwrap();
    assert!(!text.contains(&found.to_string()), "without the rule it is a future of six years");
}

#[test]
fn a_set_of_rules_without_the_key_knows_no_perpetual_futures() {
    let loaded = remargin::rules::load(None, &[]).unwrap();
    let old: String =
        loaded.canonical().lines().filter(|line| !line.contains("perpetual_like")).collect::<Vec<_>>().join("\n");
    let without = remargin::rules::load_text(&old, &[]).unwrap();
    assert!(without.rules.mr4.perpetual_like.is_empty());
    assert_eq!(without.canonical().trim_end(), old, "its hash is what it was");
    for (wrong, word) in [("[\"\"]", "a part of an instrument"), ("[\"-\"]", "a part"), ("7", "invalid type")] {
        let error = remargin::rules::load(None, &[format!("mr4.perpetual_like={wrong}")]).unwrap_err().to_string();
        assert!(error.contains(word), "{wrong}: {error}");
    }
}

#[test]
fn pushes_and_requests_of_one_account_have_no_order() {
    let place = sample();
    let rows = sample_rows("desk/account_positions.json");
    let push = json!({"arg": {"channel": "positions"}, "data": [rows[0]]}).to_string();
    fs::write(place.path("in/desk/pushes.jsonl"), push).unwrap();
    let error = import(&super::request(&place.path("in"), &place.path("snapshot")), &Silent).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("pushes and an answer"), "{error}");
}
