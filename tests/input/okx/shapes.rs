//! Answers as clients save them: whatever the shape, the margins are the same, or the import says what is wrong.

use super::{Place, figures, sample, sample_rows};
use remargin::import::okx::import;
use remargin::progress::Silent;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;

/// MMR of the account `desk` of the sample, and without its positions (it owes USDT).
const MMR: f64 = 40_255.8;
const BORROWING: f64 = 2_998.88;

/// The sample with another file for the positions of `desk`.
fn with_positions(name: &str, bytes: &[u8]) -> Place {
    let place = sample();
    fs::remove_file(place.path("in/desk/account_positions.json")).unwrap();
    if !name.is_empty() {
        fs::write(place.path("in/desk").join(name), bytes).unwrap();
    }
    place
}

fn mmr(place: &Place) -> f64 {
    place.run();
    figures(place, "accounts", &["mmr"])[0].1[0]
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_shape_of_the_positions_gives_the_same_margin() {
    let rows = sample_rows("desk/account_positions.json");
    let answer = json!({"code": "0", "msg": "", "data": rows});
    let push = |row: &Value| json!({"arg": {"channel": "positions", "instType": "ANY"}, "data": [row]}).to_string();
    let pushes: Vec<String> = rows.iter().map(push).collect();
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    let stream = format!("{}\n{}\n", json!({"event": "subscribe", "arg": {"channel": "positions"}}), pushes.join("\n"));
    let pretty = format!("{answer:#}").replace('\n', "\r\n");
    for (name, bytes) in [
        ("account_positions.json", answer.to_string().into_bytes()),
        ("account_positions.json", pretty.into_bytes()),
        ("account_positions.json", [b"\xef\xbb\xbf", answer.to_string().as_bytes()].concat()),
        ("account_positions.json", json!(rows).to_string().into_bytes()),
        ("account_positions.json", json!([answer]).to_string().into_bytes()),
        ("account_positions.json", stream.clone().into_bytes()),
        ("account_positions.jsonl", stream.into_bytes()),
        ("account_positions.ndjson", lines.join("\n").into_bytes()),
        ("account_positions.json.gz", gzip(&answer.to_string())),
        ("account_positions.JSONL.GZ", gzip(&pushes.join("\n"))),
    ] {
        let place = with_positions(name, &bytes);
        let imported = place.import();
        assert!(imported.ignored.is_empty() && imported.unmarginable.is_empty(), "{name}: {imported:?}");
        let found = mmr(&place);
        assert!((found - MMR).abs() < 1.0, "{name} {}: {found}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn several_answers_in_one_file_are_told_apart() {
    let place = sample();
    let answers = ["desk/account_positions.json", "desk/account_balance.json", "desk/account_config.json"];
    let text = answers.map(|name| {
        fs::remove_file(place.path("in").join(name)).unwrap();
        json!({"code": "0", "msg": "", "data": sample_rows(name)}).to_string()
    });
    fs::write(place.path("in/desk/all.json"), text.join("\n")).unwrap();
    let imported = place.import();
    let of_file: Vec<_> = imported.files.iter().filter(|file| file.path == Path::new("desk/all.json")).collect();
    let told: Vec<_> = of_file.iter().map(|file| (file.answer, file.endpoint.name(), file.rows)).collect();
    let expected = [(Some(1), "account/positions", 8), (Some(2), "account/balance", 3), (Some(3), "account/config", 1)];
    assert_eq!(told, expected);
    assert!((mmr(&place) - MMR).abs() < 1.0);
}

#[test]
fn an_account_without_an_answer_for_its_positions_is_unmargined() {
    let text = json!({"code": "0", "data": sample_rows("desk/account_positions.json")}).to_string();
    for (name, ignored) in [("", 0), ("account_positions.txt", 1), ("account_positions.json.zip", 1)] {
        let place = with_positions(name, text.as_bytes());
        let imported = place.import();
        assert_eq!(imported.ignored.len(), ignored, "{name}");
        let why = &imported.unmarginable["70000000000000001"];
        assert_eq!(why, "no answer of account/positions", "{name}");
        if ignored > 0 {
            assert!(imported.to_text().contains(&format!("not read: desk/{name}")), "{}", imported.to_text());
        }
        let snapshot = place.load();
        assert_eq!(snapshot.book.len(), 0, "{name}: never margined as flat");
        assert_eq!(snapshot.unmargined[0].reason.code(), "marked_unmarginable");
        let told = snapshot.rejects.iter().find(|reject| reject.reason.code() == "marked_unmarginable").unwrap();
        assert_eq!((told.column, told.value.as_str()), ("unmarginable", "no answer of account/positions"));
    }
    // An empty answer is one. A history is not.
    for (name, accounts) in [("account_positions.json", 1), ("account_positions-history.json", 0)] {
        let place = with_positions(name, b"{\"code\":\"0\",\"data\":[]}");
        let imported = place.import();
        let snapshot = place.load();
        assert_eq!(snapshot.book.len(), accounts, "{name}");
        assert!(imported.notes.iter().any(|note| note.contains("`--allow-empty`")), "{:?}", imported.notes);
        if accounts == 1 {
            let found = mmr(&place);
            assert!((found - BORROWING).abs() < 0.01, "{found}");
        }
    }
}

#[test]
fn an_account_without_its_balance_is_unmargined() {
    let place = sample();
    fs::remove_file(place.path("in/desk/account_balance.json")).unwrap();
    let imported = place.import();
    assert_eq!(imported.unmarginable["70000000000000001"], "no answer of account/balance");
    assert_eq!(place.load().book.len(), 0);
}

#[test]
fn an_account_in_another_mode_is_unmargined() {
    let place = sample().write(
        "desk/account_config.json",
        &json!([{"uid": "70000000000000001", "acctLv": "2", "posMode": "net_mode", "spotOffsetType": "1"}]),
    );
    let imported = place.import();
    assert_eq!(imported.unmarginable["70000000000000001"], "not in portfolio margin: `acctLv` is 2, not 4");
    assert_eq!(place.load().book.len(), 0);
}

#[test]
fn what_is_not_json_is_refused_by_its_name() {
    let rows = sample_rows("desk/account_positions.json");
    let answer = json!({"code": "0", "data": rows}).to_string();
    let utf16: Vec<u8> = answer.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes, says) in [
        ("account_positions.json", [b"\xff\xfe".as_slice(), &utf16].concat(), "UTF-16"),
        ("account_positions.json", utf16, "UTF-16"),
        ("account_positions.json", gzip(&answer), "compressed by gzip"),
        ("account_positions.json.gz", answer.clone().into_bytes(), "not compressed by gzip"),
        ("account_positions.json", answer.replace("\"\"", "NaN").into_bytes(), "`NaN`"),
        ("account_positions.json", answer.replace('"', "'").into_bytes(), "Python object"),
        ("account_positions.json", answer.as_bytes()[..200].to_vec(), "ends in the middle"),
        ("account_positions.json", b"<html>".to_vec(), "web page"),
        ("account_positions.json", Vec::new(), "empty file"),
        ("account_positions.json", br#"{"code":"50011","msg":"Too Many Requests"}"#.to_vec(), "too many"),
        ("account_positions.json", b"\xe9".to_vec(), "not text"),
    ] {
        let place = with_positions(name, &bytes);
        let error = import(&super::request(&place.path("in"), &place.path("snapshot")), &Silent).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains(says), "{says}: {error}");
        assert!(error.to_string().contains("hint") || says == "not text", "{error}");
        assert!(!place.path("snapshot").exists());
    }
}

#[test]
fn a_position_closed_by_a_later_push_is_closed() {
    let rows = sample_rows("desk/account_positions.json");
    let mut closed = rows[0].clone();
    (closed["pos"], closed["pTime"], closed["uTime"]) = (json!("0"), json!("1736936899142"), json!("1736936899142"));
    let line = |rows: &[Value]| json!({"arg": {"channel": "positions"}, "data": rows}).to_string();
    for lines in [[line(&rows), line(&[closed.clone()])], [line(&[closed]), line(&rows)]] {
        let place = with_positions("account_positions.jsonl", lines.join("\n").as_bytes());
        let imported = place.import();
        let positions = place.table("positions");
        assert_eq!(positions.len(), 1 + 5, "{positions:?}");
        assert!(!positions.iter().any(|row| row[2] == "-1100.25"));
        let (rows, used, aside) = imported.totals();
        assert_eq!(rows, used + aside);
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_pipes_are_refused() {
    use std::os::unix::fs::symlink;
    let place = sample();
    symlink("..", place.path("in/desk/loop")).unwrap();
    symlink("../in", place.path("in/again")).unwrap();
    symlink("desk", place.path("in/a_link_to_desk")).unwrap();
    symlink("market_index-tickers.json", place.path("in/another.json")).unwrap();
    let imported = place.import();
    let skipped: Vec<_> = imported.ignored.iter().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(skipped, ["a_link_to_desk", "again", "another.json", "desk/loop"]);
    assert_eq!(place.table("accounts").len(), 2, "one account");
    assert!((mmr(&place) - MMR).abs() < 1.0);
    // A link to an account elsewhere is followed.
    let place = sample();
    fs::rename(place.path("in/desk"), place.path("elsewhere")).unwrap();
    symlink("../elsewhere", place.path("in/desk")).unwrap();
    assert!(place.import().ignored.is_empty());
    assert!((mmr(&place) - MMR).abs() < 1.0);
    for (target, says) in [("/dev/zero", "not a regular file"), ("nowhere", "cannot be read")] {
        let place = sample();
        symlink(target, place.path("in/desk/a.json")).unwrap();
        let error = import(&super::request(&place.path("in"), &place.path("snapshot")), &Silent).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains(says), "{error}");
    }
}
