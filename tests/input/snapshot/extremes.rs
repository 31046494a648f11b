//! Books at the edges: dust, the largest numbers, expiry on the hour, accounts that lack one half, very many rows in
//! one account. Each is margined, finite, and the same by the reference model.

use crate::common::folder::{Folder, reconcile, table};
use remargin::engine::{chunk, price};
use remargin::reference::{account_of, compare, margin};
use remargin::rules;
use remargin::snapshot::{Expectations, MarkCheck, Snapshot};
use std::fmt::Write as _;

/// Prices may contradict each other.
fn any_prices() -> Expectations {
    Expectations { mark_check: MarkCheck::Off, ..Expectations::NONE }
}

/// Margins all accounts twice. Returns MMR and status of each.
fn margins(snapshot: &Snapshot, settings: &[String]) -> Vec<(String, f64, &'static str)> {
    let rules = rules::load(None, settings).unwrap().rules;
    let priced = price(&snapshot.market, &rules);
    let names = priced.unit_names();
    let accounts = snapshot.book.len();
    let result = chunk(&priced, &snapshot.book, 0..accounts).unwrap();
    let mut first_unit = 0;
    let mut found = Vec::new();
    for (number, account) in result.accounts.iter().enumerate() {
        let units = &result.units[first_unit..result.unit_end[number]];
        first_unit = result.unit_end[number];
        let reference = margin(&account_of(&snapshot.market, &snapshot.book, &rules, number).unwrap()).unwrap();
        let id = snapshot.book.accounts().get(number);
        let mismatches = compare(account, units, &names, &reference, &rules);
        assert!(mismatches.is_empty(), "{id}: {}", mismatches.iter().map(ToString::to_string).collect::<String>());
        assert!(account.mmr.is_finite() && account.mmr >= 0.0 && account.imr >= account.mmr, "{id}: {account:?}");
        found.push((id.to_owned(), account.mmr, account.status.name()));
    }
    found
}

fn load(edits: &[(&str, &str, &str)]) -> Snapshot {
    let folder = Folder::new();
    for (file, from, to) in edits {
        folder.replace(&format!("{file}.csv"), from, to);
    }
    let snapshot = folder.load_expecting(&any_prices()).unwrap();
    reconcile(&snapshot);
    snapshot
}

#[test]
fn the_smallest_and_the_largest_numbers() {
    for (file, from, to) in [
        ("positions", "SWAP,10,", "SWAP,1e-18,"),
        ("positions", "SWAP,10,", "SWAP,-1e18,"),
        ("positions", "SWAP,10,85000.1", "SWAP,1e18,1e18"),
        ("positions", "SWAP,10,85000.1", "SWAP,1e18,1e-18"),
        ("positions", "SWAP,-5,86000", "SWAP,1e18,1e-18"),
        ("positions", "SWAP,-5,86000", "SWAP,-1e-18,1e18"),
        ("positions", "C,-1,0.06", "C,-1e18,1e-18"),
        ("positions", "C,-1,0.06", "C,1e18,1e18"),
        ("positions", "C,-1,0.06", "C,1e-18,1e-18"),
        ("balances", "USDT,1000,0.5,", "USDT,1e18,1e18,1e18"),
        ("balances", "USDT,1000,0.5,", "USDT,-1e18,1e-18,1e-18"),
        ("balances", "USDT,1000,0.5,", "USDT,1e-18,,0"),
        ("instruments", "linear,0.01,1", "linear,1e9,1e9"),
        ("instruments", "linear,0.01,1", "linear,1e-9,1e-9"),
        ("instruments", "90000,C", "1e18,C"),
        ("instruments", "90000,C", "1e-18,C"),
        ("marks", "90000.5", "1e18"),
        ("marks", "90000.5", "1e-18"),
        ("marks", "0.0525,0.55,90500", "1e18,0.55,90500"),
        ("marks", "0.0525,0.55,90500", "0,1e-18,90500"),
        ("marks", "0.0525,0.55,90500", "0.0525,1e18,90500"),
        ("marks", "0.0525,0.55,90500", "0.0525,0.55,1e18"),
        ("marks", "0.0525,0.55,90500", "0.0525,0.55,1e-18"),
        ("indices", "BTC-USD,90005", "BTC-USD,1e-18"),
        ("indices", "BTC-USDT,90001", "BTC-USDT,1e18"),
        ("indices", "USDT-USD,0.9998", "USDT-USD,1e-9"),
    ] {
        println!("{file} {to}");
        let snapshot = load(&[(file, from, to)]);
        assert!(snapshot.rejects.is_empty(), "{to}: {:?}", snapshot.rejects);
        for mode in ["separate", "merged"] {
            assert_eq!(margins(&snapshot, &[format!("risk_unit={mode}")]).len(), 4);
        }
    }
}

/// Dust is margined like anything else: nothing is rounded away, nothing divides by it.
#[test]
fn dust() {
    let rows = "d1,BTC-USDT-SWAP,1e-15,90000\nd2,BTC-USD-SWAP,-1e-12,90000\nd3,BTC-USD-260327-90000-C,1e-9,0.05\n";
    let folder = Folder::new();
    folder.write("positions.csv", format!("account_id,inst_id,qty,avg_px\n{rows}"));
    folder.write("balances.csv", "account_id,ccy,cash,interest,spot_in_use_cap\nd1,USDT,1e-15,,\n");
    let snapshot = folder.load().unwrap();
    let found = margins(&snapshot, &[]);
    let dust: Vec<_> = found.iter().filter(|(id, ..)| id.starts_with('d')).collect();
    assert_eq!(dust.len(), 3);
    assert!(dust.iter().all(|(_, mmr, status)| *mmr > 0.0 && *mmr < 1e-6 && *status == "no_risk"), "{dust:?}");
}

/// At its hour a contract has settled; a nanosecond before, it lives and its margin has no time value left in it.
#[test]
fn expiry_on_the_hour() {
    for (as_of, live) in [
        ("2026-03-27T07:59:59.999999999Z", true),
        ("2026-03-27T08:00:00Z", false),
        ("2026-03-27T08:00:00.000000001Z", false),
        ("2026-03-27T09:59:59.999999999+02:00", true),
    ] {
        let folder = Folder::new();
        folder.write("snapshot.toml", format!("version = 1\nas_of = {as_of}\n"));
        let snapshot = folder.load_expecting(&any_prices()).unwrap();
        reconcile(&snapshot);
        let option = snapshot.market.instruments.iter().any(|listed| listed.inst_id == "BTC-USD-260327-90000-C");
        assert_eq!(option, live, "{as_of}");
        let codes: Vec<_> = snapshot.unmargined.iter().map(|out| (&*out.account_id, out.reason.code())).collect();
        assert_eq!(codes, if live { vec![] } else { vec![("a2", "expired_instrument")] }, "{as_of}");
        margins(&snapshot, &[]);
    }
}

#[test]
fn accounts_that_lack_one_half() {
    let folder = Folder::new();
    folder.write("positions.csv", "account_id,inst_id,qty,avg_px\np,BTC-USDT-SWAP,10,85000.1\nz,BTC-USDT-SWAP,0,1\n");
    folder.write("balances.csv", "account_id,ccy,cash,interest,spot_in_use_cap\nb,USDT,1000,,\nd,USDT,-1000,,\n");
    folder.write("accounts.csv", "account_id,spot_offset\ns,coin\n");
    let snapshot = folder.load().unwrap();
    reconcile(&snapshot);
    let found = margins(&snapshot, &[]);
    let status = |id: &str| found.iter().find(|(other, ..)| other == id).map(|(_, mmr, status)| (*mmr > 0.0, *status));
    assert_eq!(status("b"), Some((false, "no_risk")), "a balance alone");
    assert_eq!(status("d"), Some((true, "liquidation")), "a debt alone");
    assert_eq!(status("p"), Some((true, "liquidation")), "a position whose gain is too small to carry it");
    assert_eq!(status("s"), Some((false, "no_risk")), "a setting alone");
    assert_eq!(status("z"), Some((false, "no_risk")), "a position of nothing");
}

#[test]
fn ten_thousand_positions_in_one_account() {
    let mut rows = String::from("account_id,inst_id,qty,avg_px\n");
    for row in 0..10_000 {
        let id = ["BTC-USDT-SWAP", "BTC-USD-SWAP", "BTC-USD-260327-90000-C", "BTC-USD_UM-260327"][row % 4];
        let px = if row % 4 == 2 { 0.05 } else { 85_000.0 + row as f64 };
        writeln!(rows, "big,{id},{},{px}", (row as f64 - 5_000.0) / 100.0).unwrap();
    }
    rows += table("positions").split_once('\n').unwrap().1;
    let folder = Folder::new();
    folder.write("positions.csv", rows);
    let snapshot = folder.load().unwrap();
    reconcile(&snapshot);
    assert_eq!(snapshot.book.qty().len(), 10_005);
    let found = margins(&snapshot, &["risk_unit=merged".to_owned()]);
    assert_eq!(found.len(), 5);
}

/// The same row twice is two positions, as an exchange reports the legs of a hedge.
#[test]
fn a_position_twice_counts_twice() {
    let folder = Folder::new();
    folder.write("balances.csv", "account_id,ccy,cash,interest,spot_in_use_cap\n");
    folder.write("positions.csv", "account_id,inst_id,qty,avg_px\nx,BTC-USDT-SWAP,3,91000\nx,BTC-USDT-SWAP,3,91000\n");
    let twice = margins(&folder.load().unwrap(), &[]);
    folder.write("positions.csv", "account_id,inst_id,qty,avg_px\nx,BTC-USDT-SWAP,6,91000\n");
    let once = margins(&folder.load().unwrap(), &[]);
    assert_eq!(twice, once);
}
