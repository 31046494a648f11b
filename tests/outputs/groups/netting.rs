//! The accounts of a group margined as one.

use super::{assert_near, number};
use crate::common::e2e::{Row, generate, remargin, rows, succeeds};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

/// A book merged by hand: the accounts of a client have one id.
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
    let mut text = head + "\n";
    for row in positions {
        writeln!(text, "{},{}", name(&row[0]), row[1..].join(",")).unwrap();
    }
    fs::write(merged.join("snapshot/positions.csv"), text).unwrap();
    let (head, balances) = read("balances");
    let columns: Vec<&str> = head.split(',').collect();
    let at = |name: &str| columns.iter().position(|column| *column == name);
    let mut added: BTreeMap<(String, String), [Option<f64>; 3]> = BTreeMap::new();
    for row in balances {
        let value = |name: &str| at(name).and_then(|place| row[place].parse::<f64>().ok());
        let entry = added.entry((name(&row[0]), row[1].clone())).or_insert([Some(0.0), Some(0.0), Some(0.0)]);
        let more = [value("cash"), Some(value("interest").unwrap_or(0.0)), value("spot_in_use_cap")];
        entry.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.zip(more).map(|(sum, more)| sum + more));
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
