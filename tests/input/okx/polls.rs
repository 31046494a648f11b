//! Several answers of one account in a folder: the later one holds, parts are joined, and what has no order is refused.

use super::{Place, figures, sample, sample_rows};
use remargin::import::okx::{Imported, import};
use remargin::progress::Silent;
use serde_json::{Value, json};
use std::fs;

/// Rows an hour later.
fn later(rows: &[Value]) -> Vec<Value> {
    let hour = |row: &Value| {
        let mut row = row.clone();
        for name in ["uTime", "pTime"] {
            if let Some(time) = row[name].as_str().and_then(|time| time.parse::<i64>().ok()) {
                row[name] = json!((time + 3_600_000).to_string());
            }
        }
        row
    };
    rows.iter().map(hour).collect()
}

/// Rows as a request returns them: without the time of a push.
fn requested(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        row.as_object_mut().unwrap().shift_remove("pTime");
    }
    rows
}

/// The sample with these files for the positions of `desk`.
fn positions(files: &[(&str, Vec<Value>)]) -> Place {
    let mut place = sample();
    fs::remove_file(place.path("in/desk/account_positions.json")).unwrap();
    for (name, rows) in files {
        place = place.write(&format!("desk/{name}"), &json!(rows));
    }
    place
}

fn of_type(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().filter(|row| row["instType"] == name).cloned().collect()
}

#[test]
fn a_position_closed_between_two_polls_does_not_survive() {
    let (rows, balance) = (sample_rows("desk/account_positions.json"), sample_rows("desk/account_balance.json"));
    let closed: Vec<Value> = later(&rows).into_iter().filter(|row| row["posId"] != "2001").collect();
    let place = positions(&[
        ("account_positions_0800.json", rows),
        ("account_positions_0900.json", closed.clone()),
        ("account_balance_0800.json", balance.clone()),
        ("account_balance_0900.json", later(&balance)),
    ]);
    fs::remove_file(place.path("in/desk/account_balance.json")).unwrap();
    let imported = place.import();
    assert_eq!(imported.aside().iter().find(|(why, _)| why.code() == "superseded").unwrap().1, &11);
    let notes = imported.notes.join("\n");
    for endpoint in ["account/positions", "account/balance"] {
        let file = endpoint.replace('/', "_");
        let told = format!("`desk/{file}_0900.json` is later than `desk/{file}_0800.json` by its time");
        assert!(notes.contains(&told), "{notes}");
    }
    place.run();
    let only_later = positions(&[("account_positions.json", closed), ("account_balance.json", later(&balance))]);
    only_later.import();
    only_later.run();
    let names = ["adj_eq", "mmr", "imr"];
    let (both, one) = (figures(&place, "accounts", &names), figures(&only_later, "accounts", &names));
    assert_eq!(both, one);
    assert!((both[0].1[0] - 1_255_003.0).abs() < 1.0 && (both[0].1[1] - 39_590.0).abs() < 1.0, "{both:?}");
}

#[test]
fn parts_that_leave_types_out_are_a_warning() {
    let all = sample_rows("desk/account_positions.json");
    let noted = |files: &[(&str, Vec<Value>)]| {
        let imported = positions(files).import();
        // What the sample leaves out besides.
        let bare = Imported { files: Vec::new(), ..imported };
        assert_eq!(bare.is_incomplete(), !bare.warnings.is_empty(), "what --strict refuses");
        bare.warnings.into_iter().find(|note| note.contains("are parts")).unwrap_or_default()
    };
    let (swaps, options) = (of_type(&all, "SWAP"), of_type(&all, "OPTION"));
    let two = [("account_positions_SWAP.json", swaps.clone()), ("account_positions_OPTION.json", options)];
    assert!(noted(&two).contains("none is of all FUTURES:"));
    assert!(noted(&two[..1]).contains("none is of all FUTURES, OPTION:"));
    assert_eq!(noted(&[("account_positions.json", swaps)]), "");
}

/// Names of files with their rows, and the ids of the positions that hold, or a word of the refusal.
type Case<'a> = (&'a [(&'a str, Vec<Value>)], Result<&'a [&'a str], &'a str>);

#[test]
fn polls_and_parts_are_told_apart() {
    let all = requested(&sample_rows("desk/account_positions.json"));
    let without = |ids: &[&str]| -> Vec<Value> {
        all.iter().filter(|row| !ids.contains(&row["posId"].as_str().unwrap())).cloned().collect()
    };
    let one = |id: &str| -> Vec<Value> { all.iter().filter(|row| row["posId"] == id).cloned().collect() };
    let (swaps, futures, options) = (of_type(&all, "SWAP"), of_type(&all, "FUTURES"), of_type(&all, "OPTION"));
    let mut changed = without(&["2001"]);
    (changed[0]["pos"], changed[0]["uTime"]) = (json!("41"), json!("1736936899000"));
    let mut mixed = changed.clone();
    mixed[1]["uTime"] = json!("1736936700000");
    let whole: &[&str] = &["-350", "250", "-400", "40", "-1100.25", "1500"];
    let less: &[&str] = &["-350", "250", "-400", "40", "1500"];
    let cases: &[Case] = &[
        (&[("p.json", all.clone())], Ok(whole)),
        // The same twice.
        (&[("p.json", all.clone()), ("q.json", all.clone())], Ok(whole)),
        // By name, since no time says it.
        (&[("p_0800.json", all.clone()), ("p_0900.json", without(&["2001"]))], Ok(less)),
        (&[("p_0900.json", all.clone()), ("p_0800.json", without(&["2001"]))], Ok(whole)),
        (&[("p_0800.json", all.clone()), ("p_0900.json", without(&["2001"])), ("p_1000.json", all.clone())], Ok(whole)),
        (&[("account_positions_0800.json", all.clone()), ("account_positions_0900.json", vec![])], Ok(&[])),
        (&[("account_positions_0900.json", all.clone()), ("account_positions_0800.json", vec![])], Ok(whole)),
        // By the time of a position in both, whatever the names.
        (&[("b.json", all.clone()), ("a.json", changed.clone())], Ok(&["-350", "250", "-400", "41", "1500"])),
        (&[("p_2.json", all.clone()), ("p_1.json", changed.clone())], Ok(&["-350", "250", "-400", "41", "1500"])),
        // Nothing says it.
        (&[("p.json", all.clone()), ("p (1).json", without(&["2001"]))], Err("nothing says which is the later one")),
        (&[("p_1.json", all.clone()), ("p_2.json", mixed)], Err("each has rows that are later")),
        (&[("account_positions.json", all.clone()), ("account_positions_2.json", vec![])], Err("nothing says")),
        // Parts, by their types.
        (&[("a.json", swaps.clone()), ("b.json", futures.clone()), ("c.json", options.clone())], Ok(whole)),
        (
            &[
                ("account_positions_SWAP.json", swaps.clone()),
                ("account_positions_OPTION.json", options.clone()),
                ("account_positions_FUTURES.json", futures.clone()),
            ],
            Ok(whole),
        ),
        // A part of which nothing is left, and a later part of what was a whole.
        (
            &[
                ("account_positions_SWAP_0800.json", swaps.clone()),
                ("account_positions_SWAP_0900.json", vec![]),
                ("account_positions_FUTURES_0800.json", futures.clone()),
                ("account_positions_OPTION_0800.json", options.clone()),
            ],
            Ok(&["-350", "250", "-400"]),
        ),
        (&[("p.json", all.clone()), ("p_SWAP.json", swaps.clone())], Err("two answers")),
        // Parts, by instruments that names state.
        (
            &[
                ("p_BTC-USD-250328-100000-P.json", one("2005")),
                ("p_BTC-USD-250328-130000-C.json", one("2006")),
                ("p_BTC-USD-250328.json", one("2003")),
            ],
            Ok(&["-350", "250", "-400"]),
        ),
        (&[("p.json", one("2005")), ("q.json", one("2006"))], Err("two answers")),
    ];
    for (files, expected) in cases {
        let place = positions(files);
        let names: Vec<_> = files.iter().map(|(name, _)| name).collect();
        match (import(&super::request(&place.path("in"), &place.path("snapshot")), &Silent), expected) {
            (Ok(imported), Ok(expected)) => {
                let table = place.table("positions");
                let held: Vec<_> = table.iter().skip(1).map(|row| row[2].as_str()).collect();
                assert_eq!(&held, expected, "{names:?}");
                let (rows, used, aside) = imported.totals();
                assert_eq!(rows, used + aside, "{names:?}");
            }
            (Err(error), Err(word)) => {
                assert!(error.exit_code() == 3 && error.to_string().contains(word), "{names:?}: {error}");
                assert!(!place.path("snapshot").exists());
            }
            (found, expected) => panic!("{names:?}: {found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn pages_of_orders_are_joined_and_polls_of_orders_are_not() {
    let orders = |ids: std::ops::Range<u32>| -> Vec<Value> {
        let order = |id: u32| {
            json!({"ordId": id.to_string(), "instId": "BTC-USDT-SWAP", "instType": "SWAP", "side": "buy", "sz": "1",
                "px": "90000", "state": "live", "ordType": "limit", "uTime": "1736936672283"})
        };
        ids.map(order).collect()
    };
    for (files, expected) in [
        (vec![("o_1.json", orders(100..200)), ("o_2.json", orders(50..100))], Some(150)),
        (vec![("o_1.json", orders(200..300)), ("o_2.json", orders(100..200)), ("o_3.json", orders(0..10))], Some(210)),
        (vec![("o_1.json", orders(0..10)), ("o_2.json", orders(10..20))], Some(10)),
        (vec![("o_1.json", orders(0..10)), ("o_2.json", orders(5..10))], Some(5)),
        (vec![("o.json", orders(0..10)), ("p.json", orders(10..20))], None),
        (vec![("trade_orders-pending_1.json", orders(0..100)), ("trade_orders-pending_2.json", vec![])], None),
        (vec![("trade_orders-pending_1.json", orders(0..99)), ("trade_orders-pending_2.json", vec![])], Some(0)),
    ] {
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        let mut place = sample();
        for (name, rows) in &files {
            place = place.write(&format!("desk/{name}"), &json!(rows));
        }
        let imported = import(&super::request(&place.path("in"), &place.path("snapshot")), &Silent);
        match expected {
            Some(expected) => {
                let tables = imported.unwrap().tables;
                let found = tables.iter().find(|(name, _)| *name == "orders").map_or(0, |(_, rows)| *rows);
                assert_eq!(found, expected, "{names:?}");
            }
            None => assert_eq!(imported.unwrap_err().exit_code(), 3, "{names:?}"),
        }
    }
}

#[test]
fn balances_by_currency_are_parts_and_others_are_polls() {
    let balance = |ccys: &[(&str, &str)], time: &str| -> Vec<Value> {
        let details: Vec<Value> = ccys.iter().map(|(ccy, cash)| json!({"ccy": ccy, "cashBal": cash})).collect();
        vec![json!({"totalEq": "1", "uTime": time, "details": details})]
    };
    let (btc, usdt) = (balance(&[("BTC", "1")], "10"), balance(&[("USDT", "2")], "11"));
    let both = balance(&[("BTC", "3"), ("USDT", "4")], "12");
    for (files, expected) in [
        (vec![("account_balance_BTC.json", &btc), ("account_balance_USDT.json", &usdt)], Ok("BTC 1 USDT 2")),
        (vec![("account_balance_BTC.json", &btc), ("all.json", &both)], Ok("BTC 3 USDT 4")),
        (vec![("x.json", &usdt), ("y.json", &both)], Ok("BTC 3 USDT 4")),
        (vec![("x.json", &both), ("y.json", &usdt)], Ok("BTC 3 USDT 4")),
        (vec![("x_1.json", &btc), ("x_2.json", &usdt)], Err("different currencies")),
    ] {
        let mut place = sample();
        fs::remove_file(place.path("in/desk/account_balance.json")).unwrap();
        for (name, rows) in &files {
            place = place.write(&format!("desk/{name}"), &json!(rows));
        }
        match (import(&super::request(&place.path("in"), &place.path("snapshot")), &Silent), expected) {
            (Ok(_), Ok(expected)) => {
                let table = place.table("balances");
                let cash: Vec<_> = table.iter().skip(1).map(|row| format!("{} {}", row[1], row[2])).collect();
                assert_eq!(cash.join(" "), expected, "{files:?}");
            }
            (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{error}"),
            (found, expected) => panic!("{files:?}: {found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn a_changed_mode_or_lot_is_that_of_the_later_file() {
    let mut config = sample_rows("desk/account_config.json");
    let mut swaps = sample_rows("public_instruments_SWAP.json");
    let place = sample().write("desk/account_config_0800.json", &json!(config));
    let place = place.write("public_instruments_SWAP_0114.json", &json!(swaps));
    config[0]["spotOffsetType"] = json!("2");
    swaps[0]["lotSz"] = json!("0.1");
    let place = place.write("desk/account_config_0900.json", &json!(config));
    let place = place.write("public_instruments_SWAP_0115.json", &json!(swaps));
    fs::remove_file(place.path("in/desk/account_config.json")).unwrap();
    fs::remove_file(place.path("in/public_instruments_SWAP.json")).unwrap();
    let imported = place.import();
    assert_eq!(place.table("accounts")[1][1], "coin");
    let instruments = place.table("instruments");
    assert_eq!(instruments.iter().find(|row| row[0] == "BTC-USDT-SWAP").unwrap()[10], "0.1");
    let notes = imported.notes.join("\n");
    assert!(notes.contains("`public_instruments_SWAP_0115.json`: the later file, by its name, holds"), "{notes}");
    // Names that say nothing: the field that differs is named.
    fs::rename(place.path("in/public_instruments_SWAP_0115.json"), place.path("in/newer.json")).unwrap();
    fs::remove_dir_all(place.path("snapshot")).unwrap();
    let error = import(&super::request(&place.path("in"), &place.path("snapshot")), &Silent).unwrap_err().to_string();
    for part in ["lotSz", "`0.01` for `BTC-USDT-SWAP`", "`0.1`, as in row 1 of `newer.json`"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}
