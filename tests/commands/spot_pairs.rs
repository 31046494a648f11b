//! The sizes of orders on spot pairs: the largest order is in whole lots, and none where it is below the smallest one.

use crate::common::e2e::{Outcome, remargin, rows, succeeds};
use crate::simulate::place;
use std::fs;
use std::path::Path;

const INDICES: &str = "index_id,px\nBTC-USDT,100000\nBTC-USD,100000\nUSDT-USD,1\nETH-USDT,4000\nPEPE-USDT,0.000004\n";

fn simulate(place: &Path, pairs: &str, more: &[&str]) -> Outcome {
    fs::write(place.join("snapshot/indices.csv"), INDICES).unwrap();
    fs::write(place.join("snapshot/spot_pairs.csv"), format!("inst_id,lot_sz,min_sz\n{pairs}")).unwrap();
    remargin(place, &[&["simulate", "snapshot", "--out", "out", "--force", "--max-rejects", "1"], more].concat())
}

/// The largest buy of `rich`, who has a million USDT.
fn largest_buy(place: &Path, pairs: &str, pair: &str) -> f64 {
    let outcome = simulate(place, pairs, &["--max-order", pair, "--account", "rich"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    rows(&place.join("out/max_order.parquet"))[0]["max_buy"].parse().unwrap()
}

#[test]
fn the_largest_order_is_a_whole_number_of_lots() {
    let place = place();
    let free = largest_buy(place.path(), "", "PEPE-USDT");
    for (lot, min) in [(1.0, 1.0), (100_000.0, 100_000.0), (0.001, 0.0), (7e9, 0.0)] {
        let pairs = format!("PEPE-USDT,{lot},{min}\nXYZ-USDT,1,\n");
        let most = largest_buy(place.path(), &pairs, "PEPE-USDT");
        let lots = most / lot;
        assert!((lots - lots.round()).abs() <= 1e-12 * lots, "{most} of lots of {lot}");
        assert!(most <= free && most > free - lot - 1e-12 * free, "{most} of {free} in lots of {lot}");
    }
    let most = largest_buy(place.path(), "BTC-USDT,0.3,0.3\n", "BTC-USDT");
    assert!(most > 3.0 && ((most / 0.3).round() * 0.3 - most).abs() < 1e-9, "{most}");
    // Another pair of the coin has its own sizes.
    assert_eq!(largest_buy(place.path(), "PEPE-USDC,7e9,\n", "PEPE-USDT"), free);
}

#[test]
fn an_order_below_the_smallest_one_is_none() {
    let place = place();
    assert_eq!(largest_buy(place.path(), "PEPE-USDT,1,1e15\n", "PEPE-USDT"), 0.0);
    assert!(largest_buy(place.path(), "PEPE-USDT,1,1e9\n", "PEPE-USDT") > 1e9);

    // Of an order that is too large the answer offers whole lots, or nothing.
    let operations = "op_id,account_id,kind,inst_id,side,qty,px\n1,rich,order,BTC-USDT,buy,5000,100000\n";
    fs::write(place.path().join("ops.csv"), operations).unwrap();
    for (pair, verdict) in [("BTC-USDT,0.3,0.3\n", "adjust"), ("BTC-USDT,0.3,4000\n", "reject")] {
        let outcome = simulate(place.path(), pair, &["--ops", "ops.csv"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let checks = rows(&place.path().join("out/checks.parquet"));
        assert_eq!(checks[0]["verdict"], verdict, "{:?}", checks[0]);
        if verdict == "adjust" {
            let most: f64 = checks[0]["max_qty"].parse().unwrap();
            assert!(most > 3.0 && ((most / 0.3).round() * 0.3 - most).abs() < 1e-9, "{most}");
        }
    }
}

#[test]
fn a_broken_row_stops_orders_on_its_pair_and_nothing_else() {
    let place = place();
    for (row, column) in [
        ("PEPE-USDT,0,1", "lot_sz"),
        ("PEPE-USDT,,1", "lot_sz"),
        ("PEPE-USDT,1,-1", "min_sz"),
        ("PEPE-USDT,1,many", "min_sz"),
    ] {
        let pairs = format!("{row}\nBTC-USDT,0.1,0.1\n");
        let outcome = simulate(place.path(), &pairs, &["--max-order", "PEPE-USDT", "--account", "rich"]);
        assert_eq!(outcome.code, Some(2), "{row}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("invalid_instrument"), "{row}: {}", outcome.stderr);
        largest_buy(place.path(), &pairs, "BTC-USDT");
        let rejects = rows(&place.path().join("out/rejects.parquet"));
        let told: Vec<&str> =
            rejects.iter().filter(|row| row["table"] == "spot_pairs").map(|row| &*row["column"]).collect();
        assert_eq!(told, [column], "{row}");
    }
    let outcome = simulate(place.path(), "BTC-USDT,1,\nBTC-USDT,1,\n", &["--max-withdraw"]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("duplicate spot pair"), "{}", outcome.stderr);
    // No margin depends on the table.
    fs::write(place.path().join("snapshot/spot_pairs.csv"), "inst_id,lot_sz\nPEPE-USDT,0\n").unwrap();
    succeeds(place.path(), &["run", "snapshot", "--out", "margins", "--max-rejects", "1"]);
}
