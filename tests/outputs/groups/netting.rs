//! The accounts of a group margined as one.

use super::{assert_near, number};
use crate::common::e2e::{Row, generate, json, remargin, rows, succeeds};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A contract, as far as merging needs it.
struct Contract {
    kind: String,
    multiplier: f64,
    settle: String,
}

/// The contracts of a snapshot by their ids.
fn contracts(root: &Path) -> BTreeMap<String, Contract> {
    let mut reader = csv::Reader::from_path(root.join("snapshot/instruments.csv")).unwrap();
    let head = reader.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let of = |record: &csv::StringRecord, name: &str| {
        head.iter().position(|column| column == name).and_then(|place| record.get(place)).unwrap_or("").to_owned()
    };
    let number = |text: String| text.parse::<f64>().unwrap_or(1.0);
    let contract = |record: &csv::StringRecord| {
        let kind = if of(record, "inst_type") == "OPTION" { "option".to_owned() } else { of(record, "ct_type") };
        let multiplier = number(of(record, "ct_val")) * number(of(record, "ct_mult"));
        (of(record, "inst_id"), Contract { kind, multiplier, settle: of(record, "settle_ccy") })
    };
    records.iter().map(contract).collect()
}

/// Positions filled one after another, as an exchange does it: what adds is averaged, what reduces realises its gain.
/// Returns contracts and average price, and what was realised in the settle currency.
fn filled(contract: &Contract, rows: &[(f64, f64)]) -> (f64, f64, f64) {
    let (mut held, mut avg, mut gain) = (0.0f64, 0.0f64, 0.0f64);
    for &(qty, px) in rows {
        let worth = |from: f64, to: f64| match contract.kind.as_str() {
            "linear" => contract.multiplier * (to - from),
            "inverse" => contract.multiplier * (1.0 / from - 1.0 / to),
            _ => 0.0,
        };
        if held * qty >= 0.0 {
            avg = match contract.kind.as_str() {
                "inverse" => (held + qty) / (if held == 0.0 { 0.0 } else { held / avg } + qty / px),
                _ => (held * avg + qty * px) / (held + qty),
            };
            held += qty;
            continue;
        }
        let closed = qty.abs().min(held.abs()) * held.signum();
        gain += closed * worth(avg, px);
        let left = held + qty;
        if left * held < 0.0 {
            avg = px;
        }
        held = left;
    }
    (held, avg, gain)
}

/// A book merged by hand: the accounts of a client have one id, and one position of each instrument.
#[test]
fn netted_groups_are_a_run_over_a_book_that_was_merged() {
    let place = tempfile::tempdir().unwrap();
    let [root, merged] = ["book", "merged"].map(|name| place.path().join(name));
    generate(&root, 120, 6.0, 21, "csv");
    generate(&merged, 120, 6.0, 21, "csv");
    let ids: Vec<String> = {
        succeeds(&root, &["run", "snapshot", "--out", "plain", "--no-report"]);
        rows(&root.join("plain/accounts.parquet")).into_iter().map(|row| row["account_id"].clone()).collect()
    };
    // Every seventh has no client.
    let client = |id: &str| {
        let number = ids.iter().position(|known| known == id).unwrap();
        if number % 7 == 6 { String::new() } else { format!("client {}", number * 5 % 23) }
    };
    let mut attributes = String::from("account_id,spot_offset,client\n");
    for id in &ids {
        writeln!(attributes, "{id},usdt,{}", client(id)).unwrap();
    }
    fs::write(root.join("snapshot/accounts.csv"), attributes).unwrap();
    // By hand: ids replaced, balances of one currency added up.
    let name = |id: &str| if client(id).is_empty() { id.to_owned() } else { client(id) };
    let read = |table: &str| {
        let text = fs::read_to_string(root.join(format!("snapshot/{table}.csv"))).unwrap();
        let (head, rest) = text.split_once('\n').unwrap();
        let rows: Vec<Vec<String>> = rest.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
        (head.to_owned(), rows)
    };
    let (head, positions) = read("positions");
    assert_eq!(head, "account_id,inst_id,qty,avg_px");
    let mut held: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for row in positions {
        let [qty, px] = [&row[2], &row[3]].map(|text| text.parse().unwrap());
        held.entry((name(&row[0]), row[1].clone())).or_default().push((qty, px));
    }
    let contracts = contracts(&root);
    let (mut text, mut gains, mut closing) = (head + "\n", Vec::new(), [0; 3]);
    for ((id, inst_id), rows) in held {
        let contract = &contracts[&inst_id];
        let (qty, px, gain) = filled(contract, &rows);
        let has = |sign: f64| rows.iter().any(|(qty, _)| qty * sign > 0.0);
        if has(1.0) && has(-1.0) {
            closing[["linear", "inverse", "option"].iter().position(|kind| *kind == contract.kind).unwrap()] += 1;
        }
        if qty.abs() > 1e-9 {
            writeln!(text, "{id},{inst_id},{qty},{px}").unwrap();
        }
        if gain != 0.0 {
            gains.push(((id, contract.settle.clone()), gain));
        }
    }
    assert!(closing[0] > 3 && closing[1] > 0, "long and short of one instrument: {closing:?}");
    fs::write(merged.join("snapshot/positions.csv"), text).unwrap();
    let (head, balances) = read("balances");
    let columns: Vec<&str> = head.split(',').collect();
    let at = |name: &str| columns.iter().position(|column| *column == name);
    let mut added: BTreeMap<(String, String), [Option<f64>; 3]> = BTreeMap::new();
    for row in balances {
        let value = |name: &str| at(name).and_then(|place| row[place].parse::<f64>().ok());
        let entry = added.entry((name(&row[0]), row[1].clone())).or_insert([Some(0.0), Some(0.0), Some(0.0)]);
        let more = [value("cash"), Some(value("interest").unwrap_or(0.0)), value("spot_in_use_cap")];
        if more == [Some(0.0), Some(0.0), None] {
            continue;
        }
        entry.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.zip(more).map(|(sum, more)| sum + more));
    }
    for (of, gain) in gains {
        let entry = added.entry(of).or_insert([Some(0.0), Some(0.0), None]);
        entry[0] = entry[0].map(|cash| cash + gain);
    }
    let mut text = String::from("account_id,ccy,cash,interest,spot_in_use_cap\n");
    for ((id, ccy), [cash, interest, cap]) in added {
        let [cash, interest, cap] = [cash, interest, cap].map(|x| x.map_or(String::new(), |x| format!("{x}")));
        writeln!(text, "{id},{ccy},{cash},{interest},{cap}").unwrap();
    }
    fs::write(merged.join("snapshot/balances.csv"), text).unwrap();
    let mut text = String::from("account_id,spot_offset\n");
    for id in ids.iter().map(|id| name(id)).collect::<BTreeSet<_>>() {
        writeln!(text, "{id},usdt").unwrap();
    }
    fs::write(merged.join("snapshot/accounts.csv"), text).unwrap();

    succeeds(&merged, &["run", "snapshot", "--out", "out", "--no-report"]);
    let expected: BTreeMap<String, Row> = rows(&merged.join("out/accounts.parquet"))
        .into_iter()
        .filter(|row| row["account_id"].starts_with("client"))
        .map(|row| (row["account_id"].clone(), row))
        .collect();
    succeeds(&root, &["run", "snapshot", "--out", "out", "--net-by", "client"]);
    let found = rows(&root.join("out/netting.parquet"));
    let groups = rows(&root.join("out/groups.parquet"));
    assert_eq!(found.len(), expected.len());
    let mut benefits = 0.0;
    for row in &found {
        let of = &expected[&row["group"]];
        for (netted, figure) in [("mmr_netted", "mmr"), ("imr_netted", "imr"), ("adj_eq_netted", "adj_eq")] {
            let whole = number(of, figure);
            assert_near(number(row, netted), whole, 1e3 * whole.abs().max(1e3), &format!("{} {netted}", row["group"]));
        }
        assert_eq!(row["status"], of["status"]);
        let group = groups.iter().find(|group| group["group"] == row["group"]).unwrap();
        assert_eq!(
            (&row["accounts"], &row["mmr_sum"], &row["imr_sum"]),
            (&group["accounts"], &group["mmr"], &group["imr"])
        );
        assert_near(number(row, "mmr_benefit"), number(row, "mmr_sum") - number(row, "mmr_netted"), 1.0, "benefit");
        benefits += number(row, "mmr_benefit");
    }
    assert!(benefits > 0.0, "{benefits}");
    // The summary says the same, the largest benefit first.
    let netting = &json(&root.join("out/summary.json"))["netting"];
    let of_rows = |column: &str| found.iter().map(|row| number(row, column)).sum::<f64>();
    for column in ["mmr_sum", "mmr_netted", "mmr_benefit", "imr_sum", "imr_netted", "imr_benefit"] {
        let sum = of_rows(column);
        assert_near(netting[column].as_f64().unwrap(), sum, 1e3 * of_rows("mmr_sum"), column);
    }
    assert_eq!((&netting["by"], &netting["groups"]), (&"client".into(), &found.len().into()));
    let mut by_benefit: Vec<&Row> = found.iter().collect();
    by_benefit.sort_by(|a, b| number(b, "mmr_benefit").total_cmp(&number(a, "mmr_benefit")));
    let expected: Vec<&str> = by_benefit.iter().take(10).map(|row| row["group"].as_str()).collect();
    let largest = netting["largest"].as_array().unwrap();
    assert_eq!(largest.iter().map(|group| group["group"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    succeeds(&root, &["verify", "out", "--sample", "5"]);

    // Accounts that no one account can stand for are refused by name; so is a book that does not fit.
    let path = root.join("snapshot/accounts.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen(",usdt,client 5", ",coin,client 5", 1)).unwrap();
    let refused = remargin(&root, &["run", "snapshot", "--out", "other", "--net-by", "client"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    for words in ["cannot be margined as one", "column `spot_offset`", "group `client 5` by `client`", "has coin"] {
        assert!(refused.stderr.contains(words), "`{words}`: {}", refused.stderr);
    }
    assert!(!root.join("other").exists());
}

/// A folder `book` with the market of an example, and what writes its other tables.
fn market(root: &Path) -> impl Fn(&str, &str) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/today");
    let book = root.join("book");
    fs::create_dir(&book).unwrap();
    for name in ["snapshot.toml", "indices.csv", "instruments.csv", "marks.csv"] {
        fs::copy(examples.join(name), book.join(name)).unwrap();
    }
    move |name, text| fs::write(book.join(name), text).unwrap()
}

/// A row that says nothing does not lift the limit of spot in use of another account.
#[test]
fn an_empty_balance_says_as_much_as_none() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let write = market(root);
    write("accounts.csv", "account_id,spot_offset,client\na1,usdt,A\na2,usdt,A\n");
    write("positions.csv", "account_id,inst_id,qty,avg_px\na1,BTC-USDT-SWAP,-1000,90000\n");
    let netted = |more: &str| {
        let head = "account_id,ccy,cash,interest,spot_in_use_cap\na1,USDT,1000000,,\na2,BTC,10,,1\n";
        write("balances.csv", &format!("{head}{more}"));
        succeeds(root, &["run", "book", "--out", "out", "--force", "--net-by", "client"]);
        number(&rows(&root.join("out/netting.parquet"))[0], "mmr_netted")
    };
    let limited = netted("");
    assert_eq!(netted("a1,BTC,0,,\n"), limited);
    assert_eq!(netted("a1,BTC,0,0,0\n"), limited);
    // A limit of its own adds to the other, and a balance without a limit lifts it.
    assert!(netted("a1,BTC,0,,5\n") < limited);
    assert!(netted("a1,BTC,0.001,,\n") < limited / 2.0);
}

/// What is long in one account and short in another needs no margin, and its gain stays.
#[test]
fn a_long_and_a_short_of_one_instrument_close_each_other() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let write = market(root);
    write("accounts.csv", "account_id,spot_offset,client\na1,,A\na2,,A\nb1,,B\nb2,,B\nc1,,C\n");
    write("balances.csv", "account_id,ccy,cash\na1,USDT,40000\na2,USDT,40000\nb1,BTC,1\nb2,BTC,1\nc1,USDT,90000\n");
    write(
        "positions.csv",
        "account_id,inst_id,qty,avg_px\n\
         a1,BTC-USDT-SWAP,120,88400\na2,BTC-USDT-SWAP,-120,85000\n\
         b1,BTC-USD-SWAP,300,90000\nb2,BTC-USD-SWAP,-200,80000\n\
         c1,BTC-USDT-SWAP,50,80000\nc1,BTC-USDT-SWAP,-20,90000\n",
    );
    succeeds(root, &["run", "book", "--out", "out", "--net-by", "client"]);
    let found = rows(&root.join("out/netting.parquet"));
    let [a, b, c] = found.as_slice() else { panic!("{found:?}") };
    assert!(number(a, "mmr_sum") > 1000.0);
    assert_eq!((number(a, "mmr_netted"), number(a, "imr_netted"), a["status"].as_str()), (0.0, 0.0, "no_risk"));
    // 120 contracts of 0.01 BTC, bought at 88,400 and sold at 85,000: 4,080 USDT are lost, netted or not.
    assert_near(number(a, "adj_eq_netted"), number(a, "adj_eq_sum"), 1e9, "equity of A");
    assert!(number(a, "adj_eq_netted") < 80_000.0 - 4_000.0, "{a:?}");
    // A third of the margin of the long is left: 100 of 300 contracts.
    let of =
        |id: &str| rows(&root.join("out/accounts.parquet")).into_iter().find(|row| row["account_id"] == id).unwrap();
    assert!(number(b, "mmr_netted") < number(&of("b1"), "mmr"), "{b:?}");
    // Two rows of one account close each other as well: a group has one position of each instrument.
    assert!(number(c, "mmr_netted") <= number(c, "mmr_sum"), "{c:?}");
    assert_near(number(c, "adj_eq_netted"), number(c, "adj_eq_sum"), 1e9, "equity of C");
    let page = fs::read_to_string(root.join("out/report.html")).unwrap();
    assert!(page.contains("\"netting\":{\"by\":\"client\""));
    fs::remove_file(root.join("out/report.html")).unwrap();
    let again = succeeds(root, &["report", "out"]);
    assert!(!again.stderr.contains("differs"), "{}", again.stderr);
    assert!(fs::read_to_string(root.join("out/report.html")).unwrap() == page);
    fs::remove_file(root.join("out/netting.parquet")).unwrap();
    let without = succeeds(root, &["report", "out"]);
    assert!(without.stderr.contains("netting.parquet is not there any more"), "{}", without.stderr);
}
