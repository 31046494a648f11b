//! `remargin simulate` from end to end: the seed case, bad operations, limits, files and JSON lines.

use crate::common::e2e::{Outcome, Row, entries, files, generate, json, remargin, rows, shuffled, succeeds};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Ten coins against 1,000 short contracts of a hundredth of a coin, bought with borrowed money.
const SEED: [(&str, &str); 6] = [
    ("snapshot.toml", "as_of = 2026-01-15T08:00:00Z\nversion = 1\n"),
    (
        "instruments.csv",
        "inst_id,inst_type,uly,settle_ccy,ct_type,ct_val,ct_mult,expiry,strike,opt_type,lot_sz
BTC-USDT-SWAP,SWAP,BTC-USDT,USDT,linear,0.01,1,,,,0.1
ETH-USDT-SWAP,SWAP,ETH-USDT,USDT,linear,0.1,1,,,,
BTC-USDT-260115,FUTURES,BTC-USDT,USDT,linear,0.01,1,2026-01-15T08:00:00Z,,,
",
    ),
    ("marks.csv", "inst_id,mark_px,mark_vol,fwd_px\nBTC-USDT-SWAP,100000,,\n"),
    ("indices.csv", "index_id,px\nBTC-USDT,100000\nBTC-USD,100000\nUSDT-USD,1\nETH-USDT,4000\n"),
    ("positions.csv", "account_id,inst_id,qty,avg_px\nseed,BTC-USDT-SWAP,-1000,100000\nbad,NO-SWAP,1,1\n"),
    (
        "balances.csv",
        "account_id,ccy,cash,interest,spot_in_use_cap\nseed,BTC,10,,\nseed,USDT,-850000,,\nrich,USDT,1000000,,\n",
    ),
];

pub(crate) fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let snapshot = place.path().join("snapshot");
    fs::create_dir(&snapshot).unwrap();
    for (name, text) in SEED {
        fs::write(snapshot.join(name), text).unwrap();
    }
    place
}

/// Answers to JSON lines.
pub(crate) fn ask(place: &Path, flags: &[&str], lines: &str) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_remargin"))
        .current_dir(place)
        .args(["simulate", "snapshot", "--ops", "-"])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(value: &Value, path: &str) -> f64 {
    value.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number at {path} in {value}"))
}

#[test]
fn the_seed_case() {
    let place = place();
    let out = succeeds(place.path(), &["run", "snapshot", "--out", "out", "--max-rejects", "1"]);
    assert!(out.stderr.contains("wrote out"));
    let seed = rows(&place.path().join("out/accounts.parquet")).into_iter().find(|row| row["account_id"] == "seed");
    let seed = seed.unwrap();
    let figure = |name: &str| seed[name].parse::<f64>().unwrap();
    assert!(figure("mmr") < figure("mmr_no_hedge"), "hedging saves margin");

    let answers = ask(
        place.path(),
        &[],
        r#"{"op_id":"out","account_id":"seed","kind":"transfer_out","ccy":"BTC","qty":5}
{"op_id":"off","account_id":"seed","kind":"spot_offset","spot_offset":"none"}
{"op_id":"close","account_id":"seed","kind":"close_hedge","ccy":"BTC","qty":"10"}
{"op_id":"in","account_id":"seed","kind":"transfer_in","ccy":"USDT","qty":1}
"#,
    );
    let [out, off, close, into] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(number(out, "/before/mmr"), figure("mmr"));
    assert_eq!(number(out, "/before/imr"), figure("imr"));
    let unit = |answer: &Value, when: &str| number(answer, &format!("/risk_units/0/{when}/mmr"));
    assert!(unit(out, "after") > unit(out, "before"), "without the coins the contracts are open: {out}");
    assert_eq!(number(out, "/risk_units/0/after/spot_in_use"), 5.0);
    for answer in [off, close] {
        assert_eq!(answer["verdict"], "adjust", "{answer}");
        let most = number(answer, "/max_qty");
        assert!(0.0 < most && most < 10.0, "{answer}");
        assert_eq!(answer["max_unit"], "BTC");
        assert!((number(answer, "/after/mmr") - figure("mmr_no_hedge")).abs() < 1e-6);
        let why = answer["why"].as_str().unwrap();
        for words in ["raises MMR of BTC-USDT from 4,500 to 122,000 USD", "would fall short of IMR by", "at most"] {
            assert!(why.contains(words), "`{words}` is not in `{why}`");
        }
    }
    assert_eq!(into["verdict"], "pass");

    // What the answer offers passes, and a step more does not.
    let most = number(close, "/max_qty");
    let more = |qty: f64| {
        format!(r#"{{"op_id":"{qty:.8}","account_id":"seed","kind":"close_hedge","ccy":"BTC","qty":"{qty:.8}"}}"#)
    };
    let answers = ask(place.path(), &[], &format!("{}\n{}\n", more(most), more(most + 1e-8)));
    let verdicts: Vec<&Value> = answers.iter().map(|answer| &answer["verdict"]).collect();
    assert_eq!(verdicts, ["pass", "adjust"]);
}

/// IMR is that of the worse of two books, in which all buys, or all sells, were filled by hand; the rest stays.
#[test]
fn pending_orders_freeze_margin() {
    let place = place();
    let snapshot = place.path().join("snapshot");
    fs::write(snapshot.join("positions.csv"), "account_id,inst_id,qty,avg_px\nseed,BTC-USDT-SWAP,-1000,100000\n")
        .unwrap();
    let run = |out: &str| {
        succeeds(place.path(), &["run", "snapshot", "--out", out]);
        let of_seed = |table: &str| {
            let rows = rows(&place.path().join(out).join(table));
            rows.into_iter().find(|row| row["account_id"] == "seed").unwrap()
        };
        (of_seed("accounts.parquet"), of_seed("risk_units.parquet"))
    };
    let figure = |row: &Row, name: &str| row[name].parse::<f64>().unwrap();
    let (plain, plain_unit) = run("plain");
    let positions = |qty: &str, avg: &str| {
        let text = format!("account_id,inst_id,qty,avg_px\nseed,BTC-USDT-SWAP,{qty},{avg}\n");
        fs::write(snapshot.join("positions.csv"), text).unwrap();
    };
    positions("-700", "100000");
    let (_, bought) = run("bought");
    // 1,000 sold at 100,000 and 300 at 101,000.
    positions("-1300", "100230.76923076923");
    let (_, sold) = run("sold");

    positions("-1000", "100000");
    let orders = "account_id,inst_id,side,qty,px
seed,BTC-USDT-SWAP,sell,100,101000
seed,BTC-USDT-SWAP,buy,300,100000
seed,BTC-USDT-SWAP,sell,200,101000
rich,ETH-USDT,buy,1,4000
";
    fs::write(snapshot.join("orders.csv"), orders).unwrap();
    let (with, with_unit) = run("with");
    let worst = figure(&bought, "mmr").max(figure(&sold, "mmr"));
    assert!(worst > figure(&plain, "deriv_mmr"));
    assert!((figure(&with_unit, "imr") - 1.3 * worst).abs() < 1e-6, "{with_unit:?}");
    let frozen = 1.3 * (worst - figure(&plain_unit, "mmr"));
    assert!((figure(&with_unit, "order_imr") - frozen).abs() < 1e-6, "{with_unit:?}");
    assert!((figure(&with, "imr") - figure(&plain, "imr") - frozen).abs() < 1e-6, "{with:?}");
    for name in ["adj_eq", "mmr", "margin_ratio", "status", "liquidation_fee", "mmr_no_hedge"] {
        assert_eq!(with[name], plain[name], "{name}");
    }
    let text = succeeds(place.path(), &["explain", "snapshot", "--account", "seed"]).stdout;
    assert!(text.contains("pending orders: MMR with all buys filled"), "{text}");
    let summary = json(&place.path().join("with/summary.json"));
    assert_eq!(summary["totals"]["order_imr"].as_f64().unwrap(), figure(&with, "order_imr"));
}

#[test]
fn bad_operations_are_rows_with_a_reason() {
    let place = place();
    let cases = [
        (r#"{"account_id":"seed","kind":"order"}"#, "missing_op_id"),
        (r#"{"op_id":1,"kind":"order"}"#, "missing_account_id"),
        (r#"{"op_id":2,"account_id":"nobody","kind":"order"}"#, "unknown_account"),
        (r#"{"op_id":3,"account_id":"bad","kind":"order"}"#, "account_unmargined"),
        (r#"{"op_id":4,"account_id":"seed","kind":"dance"}"#, "invalid_kind"),
        (r#"{"op_id":5,"account_id":"seed","kind":"order","side":"buy","qty":1,"px":1}"#, "missing_inst_id"),
        (
            r#"{"op_id":6,"account_id":"seed","kind":"order","inst_id":"NO-SWAP","side":"buy","qty":1,"px":1}"#,
            "unknown_instrument",
        ),
        (
            r#"{"op_id":7,"account_id":"seed","kind":"order","inst_id":"BTC-USDT-260115","side":"buy","qty":1,"px":1}"#,
            "expired_instrument",
        ),
        (
            r#"{"op_id":8,"account_id":"seed","kind":"order","inst_id":"ETH-USDT-SWAP","side":"buy","qty":1,"px":1}"#,
            "missing_mark",
        ),
        (
            r#"{"op_id":9,"account_id":"seed","kind":"order","inst_id":"BTC-USDT-SWAP","side":"buy","qty":0,"px":1}"#,
            "invalid_quantity",
        ),
        (
            r#"{"op_id":10,"account_id":"seed","kind":"order","inst_id":"BTC-USDT-SWAP","side":"buy","qty":1,"px":-1}"#,
            "invalid_px",
        ),
        (
            r#"{"op_id":11,"account_id":"seed","kind":"order","inst_id":"BTC-USDT-SWAP","side":"hold","qty":1,"px":1}"#,
            "invalid_side",
        ),
        (r#"{"op_id":12,"account_id":"seed","kind":"transfer_in","ccy":"BTC","qty":"1e400"}"#, "out_of_range"),
        (r#"{"op_id":13,"account_id":"seed","kind":"transfer_out","ccy":"XYZ","qty":1}"#, "unknown_ccy"),
        (r#"{"op_id":14,"account_id":"seed","kind":"transfer_out","ccy":"BTC"}"#, "missing_quantity"),
        (r#"{"op_id":15,"account_id":"seed","kind":"spot_offset","spot_offset":"maybe"}"#, "invalid_spot_offset"),
        (r#"{"op_id":16,"account_id":"seed","kind":"close_hedge","ccy":"USDT"}"#, "no_hedge"),
        (r#"{"op_id":17,"account_id":"rich","kind":"close_hedge","ccy":"BTC"}"#, "no_hedge"),
        ("{\"op_id\":18,\"colour\":\"red\"}", "malformed_line"),
        ("not JSON", "malformed_line"),
    ];
    let lines: Vec<&str> = cases.iter().map(|(line, _)| *line).collect();
    let answers = ask(place.path(), &[], &lines.join("\n"));
    assert_eq!(answers.len(), cases.len());
    for ((line, reason), answer) in cases.iter().zip(&answers) {
        assert_eq!((&answer["verdict"], &answer["reason"]), (&Value::from("invalid"), &Value::from(*reason)), "{line}");
        assert!(!answer["why"].as_str().unwrap().is_empty());
        assert!(answer.get("after").is_none(), "{answer}");
    }
}

pub(crate) const OPERATIONS: &str = "op_id,account_id,kind,inst_id,ccy,side,qty,px,spot_offset,group
1,seed,order,BTC-USDT-SWAP,,sell,0.1,100000,,
2,seed,transfer_out,,BTC,,5,,,
3,rich,order,BTC-USDT-SWAP,,buy,100000,100000,,
4,rich,order,BTC-USDT,,buy,1,100000,,basket
5,rich,order,BTC-USDT-SWAP,,sell,100,100000,,basket
6,nobody,order,BTC-USDT-SWAP,,buy,1,100000,,
7,rich,transfer_out,,USDT,,1,,,twice
8,seed,transfer_out,,USDT,,1,,,twice
9,rich,transfer_out,,USDT,,1,,,broken
10,rich,transfer_out,,USDT,,-1,,,broken
11,rich,transfer_out,,USDT,,1,,,
11,rich,transfer_out,,USDT,,2,,,
";

pub(crate) fn simulate(place: &Path, flags: &[&str]) -> Outcome {
    remargin(place, &[&["simulate", "snapshot", "--ops", "ops.csv", "--max-rejects", "1"], flags].concat())
}

#[test]
fn a_table_of_operations_becomes_tables_of_answers() {
    let place = place();
    fs::write(place.path().join("ops.csv"), OPERATIONS).unwrap();
    let outcome = simulate(place.path(), &["--out", "out"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(
        entries(&place.path().join("out")),
        ["check_units.parquet", "checks.parquet", "manifest.json", "rejects.csv", "rejects.parquet", "summary.json"]
    );
    let checks = rows(&place.path().join("out/checks.parquet"));
    let of = |op_id: &str| -> Vec<&Row> { checks.iter().filter(|row| row["op_id"] == op_id).collect() };
    for (op_id, verdict, reason) in [
        ("3", "adjust", ""),
        ("4", "pass", ""),
        ("5", "pass", ""),
        ("6", "invalid", "unknown_account"),
        ("7", "invalid", "group_of_several_accounts"),
        ("8", "invalid", "group_of_several_accounts"),
        ("9", "invalid", "group_broken"),
        ("10", "invalid", "invalid_quantity"),
        ("11", "invalid", "duplicate_operation"),
    ] {
        for row in of(op_id) {
            assert_eq!((row["verdict"].as_str(), row["reason"].as_str()), (verdict, reason), "{row:?}");
        }
    }
    assert_eq!(of("11").len(), 2);
    let large = of("3")[0];
    let most: f64 = large["max_qty"].parse().unwrap();
    assert_eq!(large["max_unit"], "contracts");
    assert!((most * 10.0 - (most * 10.0).round()).abs() < 1e-9, "a lot is a tenth of a contract: {most}");
    let group = of("4")[0];
    assert_eq!(group["mmr_after"], of("5")[0]["mmr_after"], "the operations of a group have one answer");

    let summary = json(&place.path().join("out/summary.json"));
    assert_eq!(summary["checks"]["operations"], 12);
    let sum = |object: &Value| object.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum(&summary["checks"]["by_verdict"]) + sum(&summary["checks"]["invalid"]), 12);

    let units = rows(&place.path().join("out/check_units.parquet"));
    assert!(units.iter().any(|row| row["op_id"] == "2" && row["state"] == "after"));
}

/// One answer for all operations of a group: memory and output stay in proportion to the operations.
#[test]
fn a_group_has_a_bound() {
    let place = place();
    let write = |operations: usize| {
        let lines: Vec<String> = (0..operations).map(|n| format!("{n},rich,transfer_out,,USDT,,0.001,,,g\n")).collect();
        let lines = lines.concat();
        let header = OPERATIONS.split_once('\n').unwrap().0;
        fs::write(place.path().join("ops.csv"), format!("{header}\n{lines}")).unwrap();
    };
    write(10_000);
    let outcome = simulate(place.path(), &["--out", "out"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let checks = rows(&place.path().join("out/checks.parquet"));
    assert_eq!(checks.len(), 10_000);
    assert!(checks.iter().all(|row| row["verdict"] == "pass" && row["adj_eq_after"] == checks[0]["adj_eq_after"]));
    write(10_001);
    let outcome = simulate(place.path(), &["--out", "out", "--force"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    for words in ["ops.csv", "a group of 10001 operations", "at most 10000"] {
        assert!(outcome.stderr.contains(words), "`{words}`: {}", outcome.stderr);
    }
}

#[test]
fn a_stream_notices_what_is_repeated_or_too_large() {
    let place = place();
    let line = |op_id: &str, group: &str| {
        let qty = r#""kind":"transfer_out","ccy":"USDT","qty":1"#;
        format!("{{\"op_id\":\"{op_id}\",\"account_id\":\"rich\",{qty},\"group\":\"{group}\"}}\n")
    };
    let lines = [("1", ""), ("2", "g"), ("2", "g"), ("3", "h"), ("1", ""), ("1", "i"), ("4", "i")];
    let answers = ask(place.path(), &[], &lines.map(|(op_id, group)| line(op_id, group)).concat());
    let reasons: Vec<&str> = answers.iter().map(|answer| answer["reason"].as_str().unwrap_or("")).collect();
    let twice = "duplicate_operation";
    assert_eq!(reasons, ["", twice, twice, "", twice, twice, "group_broken"]);

    let large: String = (0..10_003).map(|n| line(&n.to_string(), "g")).collect();
    let answers = ask(place.path(), &[], &format!("{large}{}", line("last", "h")));
    assert_eq!(answers.len(), 10_004);
    let (last, large) = answers.split_last().unwrap();
    assert!(large.iter().all(|answer| answer["reason"] == "group_too_large"), "{:?}", large[0]);
    assert_eq!(last["verdict"], "pass");
}

/// Coins that are worth next to nothing, and an account that can only buy so many of them.
#[test]
fn an_order_of_cheap_coins_has_a_limit() {
    let place = place();
    let snapshot = place.path().join("snapshot");
    let indices = "index_id,px\nBTC-USDT,100000\nBTC-USD,100000\nUSDT-USD,1\nETH-USDT,4000\nPEPE-USDT,0.00000001\n";
    fs::write(snapshot.join("indices.csv"), indices).unwrap();
    succeeds(
        place.path(),
        &[
            "simulate",
            "snapshot",
            "--out",
            "out",
            "--max-rejects",
            "1",
            "--max-order",
            "PEPE-USDT",
            "--account",
            "rich",
        ],
    );
    let found = rows(&place.path().join("out/max_order.parquet"));
    let most: f64 = found[0]["max_buy"].parse().unwrap();
    assert!(most > 1e14 && most < 1e16, "{most}: a million USD and what can be borrowed");
    let buy = |op_id: &str, qty: f64| {
        format!(
            "{{\"op_id\":\"{op_id}\",\"account_id\":\"rich\",\"kind\":\"order\",\"inst_id\":\"PEPE-USDT\",\
             \"side\":\"buy\",\"px\":1e-8,\"qty\":{qty}}}\n"
        )
    };
    let answers = ask(place.path(), &[], &[buy("1", most), buy("2", most * 1.000_001)].concat());
    let verdicts: Vec<&Value> = answers.iter().map(|answer| &answer["verdict"]).collect();
    assert_eq!(verdicts, ["pass", "adjust"]);
}

#[test]
fn answers_depend_on_neither_threads_nor_the_order_of_operations() {
    let place = place();
    let (header, lines) = OPERATIONS.split_once('\n').unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let write = |order: &[u32]| {
        let text: Vec<&str> = order.iter().map(|&line| lines[line as usize]).collect();
        fs::write(place.path().join("ops.csv"), format!("{header}\n{}\n", text.join("\n"))).unwrap();
    };
    let mut expected = None;
    for (threads, seed) in [("1", 0), ("2", 1), ("3", 2)] {
        write(&shuffled(lines.len() - 1, seed));
        let outcome = simulate(place.path(), &["--out", "out", "--force", "--threads", threads]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let mut found = files(&place.path().join("out"));
        found.remove("manifest.json");
        assert_eq!(*expected.get_or_insert_with(|| found.clone()), found);
    }
}

#[test]
fn limits_pass_and_a_step_more_does_not() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 40, 6.0, 11, "csv");
    let flags = ["--max-withdraw", "--max-order", "BTC-USDT-SWAP", "--max-order", "ETH-USDT"];
    succeeds(place.path(), &[&["simulate", "snapshot", "--out", "limits"], &flags[..]].concat());
    let withdrawals = rows(&place.path().join("limits/max_withdraw.parquet"));
    let orders = rows(&place.path().join("limits/max_order.parquet"));
    assert_eq!(orders.len(), 80, "two instruments for each account");
    let mut lines = Vec::new();
    let mut expected = Vec::new();
    for row in &withdrawals {
        let (most, own): (f64, f64) = (row["max_wd_ex"].parse().unwrap(), row["max_wd"].parse().unwrap());
        assert!(own <= most && own <= row["eq"].parse::<f64>().unwrap().max(0.0), "{row:?}");
        for (qty, passes) in [(most, true), (most + 1e-7_f64.max(most * 1e-12), false)] {
            if qty > 0.0 {
                let (id, ccy) = (&row["account_id"], &row["ccy"]);
                lines.push(format!(
                    "{{\"op_id\":\"{}\",\"account_id\":\"{id}\",\"kind\":\"transfer_out\",\"ccy\":\"{ccy}\",\
                     \"qty\":{qty:?}}}",
                    expected.len()
                ));
                expected.push(passes);
            }
        }
    }
    for row in orders.iter().filter(|row| row["inst_id"] == "BTC-USDT-SWAP") {
        for (side, column) in [("buy", "max_buy"), ("sell", "max_sell")] {
            let most: f64 = row[column].parse().unwrap();
            for (qty, passes) in [(most, true), (most + 0.01, false)] {
                if qty > 0.0 {
                    let (id, px) = (&row["account_id"], &row["px"]);
                    lines.push(format!(
                        "{{\"op_id\":\"{}\",\"account_id\":\"{id}\",\"kind\":\"order\",\"inst_id\":\"BTC-USDT-SWAP\",\
                         \"side\":\"{side}\",\"qty\":\"{qty:.2}\",\"px\":{px}}}",
                        expected.len()
                    ));
                    expected.push(passes);
                }
            }
        }
    }
    let answers = ask(place.path(), &[], &lines.join("\n"));
    assert_eq!(answers.len(), expected.len());
    for (answer, passes) in answers.iter().zip(expected) {
        assert_eq!(answer["verdict"] == "pass", passes, "{answer}");
    }
}

#[test]
fn what_cannot_be_done_is_usage() {
    let place = place();
    fs::write(place.path().join("ops.csv"), OPERATIONS).unwrap();
    fs::write(place.path().join("narrow.csv"), "op_id,kind\n1,order\n").unwrap();
    for (args, code, words) in [
        (vec!["--ops", "ops.csv"], 2, vec!["need an output folder", "--out DIR"]),
        (vec!["--ops", "-", "--out", "out"], 2, vec!["stdout", "remove `--out`"]),
        (vec!["--out", "out"], 2, vec!["--ops"]),
        (vec!["--max-order", "NO-SWAP", "--out", "out"], 2, vec!["NO-SWAP", "unknown_instrument"]),
        (vec!["--max-withdraw", "--account", "nobody", "--out", "out"], 2, vec!["no account `nobody`"]),
        (vec!["--ops", "narrow.csv", "--out", "out"], 3, vec!["missing column", "narrow.csv", "`account_id`"]),
        (vec!["--ops", "none.csv", "--out", "out"], 3, vec!["none.csv"]),
    ] {
        let outcome = remargin(place.path(), &[&["simulate", "snapshot"], &args[..]].concat());
        assert_eq!(outcome.code, Some(code), "{args:?}: {}", outcome.stderr);
        for word in words {
            assert!(outcome.stderr.contains(word), "{args:?}: `{word}` is not in {}", outcome.stderr);
        }
        assert!(!place.path().join("out").exists(), "{args:?}");
    }
}
