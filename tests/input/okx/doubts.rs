//! Answers that are there and do not fit each other: the side of a position, the time of an account.

use super::{Place, sample, sample_rows};
use remargin::import::okx::Imported;
use serde_json::{Value, json};
use std::process::Command;

const DESK: &str = "70000000000000001";

/// The sample with other rows for the positions and the settings of `desk`.
fn desk(change: impl Fn(&mut Value), mode: Option<&str>) -> Place {
    let mut positions = sample_rows("desk/account_positions.json");
    positions.iter_mut().for_each(change);
    let mut config = sample_rows("desk/account_config.json");
    config[0]["posMode"] = mode.map_or(Value::Null, |mode| json!(mode));
    sample().write("desk/account_positions.json", &json!(positions)).write("desk/account_config.json", &json!(config))
}

#[test]
fn a_position_of_unknown_side_is_not_margined() {
    let set = |id: &'static str, side: &'static str| {
        move |row: &mut Value| {
            if row["posId"] == id {
                row["posSide"] = json!(side);
            }
        }
    };
    // 2001 is a short swap, 2005 an option: options are net in both modes.
    let rows = sample_rows("desk/account_positions.json");
    let id = |at: usize| rows[at]["posId"].as_str().unwrap().to_owned();
    let (swap, option): (&'static str, &'static str) = (id(0).leak(), id(4).leak());
    let (long_short, net) = (Some("long_short_mode"), Some("net_mode"));
    for (place, words) in [
        (desk(set(swap, "short"), long_short), None),
        (desk(set(swap, "short"), None), None),
        (desk(set(swap, ""), long_short), Some("the position 1100.25 in BTC-USDT-SWAP has no `posSide`")),
        (desk(set(swap, ""), None), Some("has no `posSide`: it may be long or short")),
        (
            desk(set(swap, "net"), long_short),
            Some("has `posSide` net, but account/config says `posMode` long_short_mode"),
        ),
        (desk(set(swap, "net"), None), None),
        (desk(|row| row["posSide"] = json!("net"), net), None),
        (desk(set(option, "long"), long_short), None),
        (desk(set(option, "net"), net), Some("but account/config says `posMode` net_mode")),
    ] {
        let imported = place.import();
        let snapshot = place.load();
        match words {
            None => {
                assert_eq!(imported.unmarginable.len(), 0, "{:?}", imported.unmarginable);
                assert_eq!(snapshot.book.len(), 1);
            }
            Some(words) => {
                let why = &imported.unmarginable[DESK];
                assert!(why.contains(words), "{why}");
                assert_eq!(snapshot.book.len(), 0, "{why}");
                assert_eq!(snapshot.unmargined[0].reason.code(), "marked_unmarginable");
                // The quantity of unknown sign is nowhere, whatever becomes of the column `unmarginable`.
                let codes: Vec<&str> = snapshot.rejects.iter().map(|reject| reject.reason.code()).collect();
                assert!(codes.contains(&"missing_quantity"), "{codes:?}");
            }
        }
    }
}

/// The sample with every time of the account moved.
fn moved(ms: i64) -> Imported {
    fn walk(value: &mut Value, ms: i64) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match field.as_str().and_then(|text| text.parse::<i64>().ok()) {
                        Some(time) if name == "uTime" || name == "pTime" => *field = json!((time + ms).to_string()),
                        _ => walk(field, ms),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, ms)),
            _ => {}
        }
    }
    let mut place = sample();
    for name in ["desk/account_positions.json", "desk/account_balance.json"] {
        let mut rows = json!(sample_rows(name));
        walk(&mut rows, ms);
        place = place.write(name, &rows);
    }
    place.import()
}

#[test]
fn an_account_of_another_time_than_the_prices_is_a_warning() {
    const HOUR: i64 = 3_600_000;
    for (ms, words) in [
        (0, None),
        (-HOUR / 2, None),
        (HOUR / 2, None),
        (-2 * HOUR, Some("answers are 2 h older than the latest price")),
        (2 * HOUR, Some("h newer than the latest price")),
        (-72 * HOUR, Some("answers are 3 days older")),
    ] {
        let imported = moved(ms);
        match words {
            None => assert_eq!(imported.warnings, [""; 0]),
            Some(words) => {
                let told = imported.warnings.join("\n");
                assert!(told.contains(DESK) && told.contains(words), "{told}");
                assert!(imported.to_text().contains(&format!("warning: {told}")));
                assert!(imported.to_json()["warnings"][0].as_str().is_some_and(|text| text.contains(words)));
            }
        }
        // What the sample leaves out besides.
        let bare = Imported { files: Vec::new(), ..imported };
        assert_eq!(bare.is_incomplete(), words.is_some(), "what --strict refuses");
    }
}

#[test]
fn the_message_counts_the_accounts_and_names_the_first_few() {
    let mut place = sample();
    for account in ["b1", "b2", "b3", "b4"] {
        let config = json!([{"uid": account, "acctLv": "2", "posMode": "net_mode", "spotOffsetType": "1"}]);
        place = place.write(&format!("{account}/account_config.json"), &config);
    }
    let args = ["import", "okx", "in", "--out", "s"];
    let output = Command::new(env!("CARGO_BIN_EXE_remargin")).args(args).current_dir(place.path("")).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    for words in ["4 accounts cannot be margined: `b1`: ", "; `b2`: ", "; `b3`: ", "; and 1 more"] {
        assert!(stderr.contains(words), "no {words:?} in {stderr}");
    }
}
