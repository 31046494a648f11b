//! Operations as JSON lines: what a group may say, names, largest amounts, prices far from the mark.

use super::simulate::{ask, place};

/// The last of two changes of a hedge alone would count; a group in two pieces would be two checks.
#[test]
fn a_group_says_one_thing_of_each_hedge_and_comes_at_once() {
    let place = place();
    let line = |op_id: u32, group: &str, rest: &str| {
        format!("{{\"op_id\":{op_id},\"account_id\":\"seed\",\"group\":\"{group}\",{rest}}}\n")
    };
    let (close, cap) =
        (r#""kind":"CLOSE_hedge","ccy":"BTC","qty":1"#, r#""kind":"spot_in_use_cap","ccy":"BTC","qty":2"#);
    let (mode, cash) = (r#""kind":"spot_offset","spot_offset":"USDT""#, r#""kind":"transfer_in","ccy":"BTC","qty":1"#);
    let lines = [
        (1, "a", close),
        (2, "a", cap),
        (3, "a", cash),
        (4, "b", close),
        (5, "b", mode),
        (6, "c", cash),
        (7, "d", cash),
        (8, "c", cash),
        (9, "e", mode),
        (10, "e", mode),
    ];
    let text: String = lines.iter().map(|(op_id, group, rest)| line(*op_id, group, rest)).collect();
    let answers = ask(place.path(), &[], &text);
    let reasons: Vec<&str> = answers.iter().map(|answer| answer["reason"].as_str().unwrap_or("")).collect();
    let twice = "hedge_changed_twice";
    assert_eq!(reasons, [twice, twice, "group_broken", "", "", "", "", "group_answered", twice, twice]);
    // Names are told apart by every digit.
    let long = |id: &str| {
        format!("{{\"op_id\":{id},\"account_id\":\"rich\",\"kind\":\"spot_offset\",\"spot_offset\":\"none\"}}\n")
    };
    let answers = ask(place.path(), &[], &(long("100000000000000000001") + &long("100000000000000000002")));
    let ids: Vec<&str> = answers.iter().map(|answer| answer["op_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["100000000000000000001", "100000000000000000002"]);
    assert!(answers.iter().all(|answer| answer["verdict"] == "pass"), "{answers:?}");
}

#[test]
fn the_largest_amount_does_not_depend_on_what_was_asked_for() {
    let place = place();
    for rest in [
        r#""kind":"transfer_out","ccy":"USDT""#,
        r#""kind":"order","inst_id":"BTC-USDT","side":"buy","px":100000"#,
        r#""kind":"order","inst_id":"BTC-USDT-SWAP","side":"sell","px":100000"#,
    ] {
        let asked = ["3e6", "1e9", "1e12", "1e15", "1e17", "1e18"];
        let line = |(op_id, qty): (usize, &&str)| {
            format!("{{\"op_id\":{op_id},\"account_id\":\"rich\",{rest},\"qty\":{qty}}}\n")
        };
        let answers = ask(place.path(), &[], &asked.iter().enumerate().map(line).collect::<String>());
        let most = &answers[0]["max_qty"];
        assert!(most.as_f64().unwrap() > 1.0, "{}", answers[0]);
        for answer in &answers {
            assert_eq!((&answer["verdict"], &answer["max_qty"]), (&"adjust".into(), most), "{answer}");
        }
    }
}

#[test]
fn an_order_far_from_the_mark_is_said() {
    let place = place();
    let order = r#""kind":"order","inst_id":"BTC-USDT-SWAP","side":"buy","qty":1"#;
    let line = |px: &str| format!("{{\"op_id\":\"{px}\",\"account_id\":\"rich\",{order},\"px\":{px}}}\n");
    let answers = ask(place.path(), &[], &["1000", "60000", "149000", "151000"].map(line).concat());
    let whys: Vec<bool> =
        answers.iter().map(|answer| answer["why"].as_str().unwrap().contains("check the price")).collect();
    assert_eq!(whys, [true, false, false, true]);
}
