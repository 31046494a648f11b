//! What a snapshot is held to besides its form: hashes, the age of marks, crossed marks, plausible sizes.

use crate::common::folder::{Folder, reconcile, table};
use remargin::Error;
use remargin::progress::Silent;
use remargin::snapshot::{CHECKSUMS, Expectations, Snapshot, form_checksums, read_shocks, snapshot_hash};
use std::time::Duration;

fn broken(snapshot: &Snapshot) -> Vec<String> {
    let own = snapshot.rejects.iter().filter(|reject| reject.reason.code() != "account_unmargined");
    own.map(|reject| {
        let (table, code) = (reject.table.name(), reject.reason.code());
        format!("{table} {} {code} {}={}", reject.row, reject.column, reject.value)
    })
    .collect()
}

fn problem(folder: &Folder, expectations: &Expectations) -> String {
    match folder.load_expecting(expectations) {
        Err(error @ Error::Invalid(_)) => error.to_string(),
        other => panic!("expected an invalid snapshot, got {other:?}"),
    }
}

#[test]
fn marks_and_indices_have_an_age() {
    let minutes =
        |minutes: u64| Expectations { max_mark_age: Some(Duration::from_secs(60 * minutes)), ..Expectations::NONE };
    // Stamps of the three marks that are held and of the index BTC-USDT; the bound in minutes; what is rejected.
    let fresh = "2026-01-15T08:00:00Z";
    let future = "2026-01-15T08:05:00.001Z";
    let old = "2026-01-15T07:55:00Z";
    for (swap, inverse, option, index, bound, expected) in [
        (fresh, fresh, fresh, fresh, 0, vec![]),
        (old, fresh, fresh, fresh, 5, vec![]),
        (old, fresh, fresh, old, 5, vec![]),
        (fresh, old, fresh, fresh, 4, vec!["positions 2 stale_mark ts=BTC-USD-SWAP: 2026-01-15T07:55:00Z"]),
        (
            fresh,
            fresh,
            future,
            fresh,
            5,
            vec!["positions 3 stale_mark ts=BTC-USD-260327-90000-C: 2026-01-15T08:05:00.001Z"],
        ),
        (fresh, "", fresh, fresh, 5, vec!["positions 2 stale_mark ts=BTC-USD-SWAP"]),
        (fresh, "yesterday", fresh, fresh, 5, vec!["positions 2 stale_mark ts=BTC-USD-SWAP: yesterday"]),
        (
            fresh,
            fresh,
            fresh,
            old,
            4,
            vec![
                "positions 1 missing_index px=BTC-USDT-SWAP: BTC-USDT 90001 of 2026-01-15T07:55:00Z",
                "positions 4 missing_index px=BTC-USDT-SWAP: BTC-USDT 90001 of 2026-01-15T07:55:00Z",
                "positions 5 missing_index px=BTC-USDT-SWAP: BTC-USDT 90001 of 2026-01-15T07:55:00Z",
            ],
        ),
    ] {
        let folder = Folder::new();
        folder.write(
            "marks.csv",
            format!(
                "inst_id,mark_px,mark_vol,fwd_px,ts\nBTC-USDT-SWAP,90000.5,,,{swap}\nBTC-USD-SWAP,90010,,,{inverse}\n\
                 BTC-USD_UM-260327,90500,,,\nBTC-USD-260327-90000-C,0.0525,0.55,90500,{option}\n"
            ),
        );
        let indices = table("indices").replace('\n', &format!(",{fresh}\n"));
        let indices = indices.replace(&format!("index_id,px,{fresh}"), "index_id,px,ts");
        folder.write("indices.csv", indices.replace(&format!("90001,{fresh}"), &format!("90001,{index}")));
        let snapshot = folder.load_expecting(&minutes(bound)).unwrap();
        reconcile(&snapshot);
        assert_eq!(broken(&snapshot), expected, "{swap} {inverse} {option} {index} {bound}");
        assert_eq!(broken(&folder.load().unwrap()), [""; 0], "nobody asked");
    }
    let text = problem(&Folder::new(), &minutes(5));
    for word in ["missing column", "marks.csv", "column `ts`", "`max_mark_age`"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn a_bid_above_the_ask_is_no_market() {
    for (bid, ask, expected) in [
        ("90000", "90001", vec![]),
        ("90001", "90001", vec![]),
        ("", "90001", vec![]),
        ("x", "90001", vec![]),
        ("90001.5", "90001", vec!["positions 2 crossed_mark bid_px=BTC-USD-SWAP: 90001.5 above 90001"]),
    ] {
        let folder = Folder::new();
        let marks = table("marks").replace('\n', ",,\n").replace("fwd_px,,", "fwd_px,bid_px,ask_px");
        folder.write("marks.csv", marks.replace("90010,,,,", &format!("90010,,,{bid},{ask}")));
        let snapshot = folder.load().unwrap();
        reconcile(&snapshot);
        assert_eq!(broken(&snapshot), expected, "{bid} {ask}");
    }
}

/// Contracts where coins were meant, or the other way round, differ by a factor of a hundred and more.
#[test]
fn sizes_beyond_belief_are_rejected() {
    // file, text there, its replacement, bound in USD, what is rejected
    for (file, from, to, usd, expected) in [
        ("positions", "a1,BTC-USDT-SWAP,10,", "a1,BTC-USDT-SWAP,10,", 1e6, vec![]),
        // 10 contracts of 0.01 BTC at 90000.5 and USDT at 0.9998: 8998.25 USD.
        ("positions", "SWAP,10,", "SWAP,10,", 8_998.0, vec!["positions 1 implausible_notional qty=10"]),
        ("positions", "SWAP,10,", "SWAP,10,", 8_999.0, vec![]),
        ("positions", "SWAP,10,", "SWAP,-1000,", 1e5, vec!["positions 1 implausible_notional qty=-1000"]),
        // 5 inverse contracts of 100 USD.
        ("positions", "SWAP,-5,", "SWAP,-5000,", 4e5, vec!["positions 2 implausible_notional qty=-5000"]),
        ("positions", "SWAP,-5,", "SWAP,-5000,", 5e5, vec![]),
        // An option counts by its coins at the index: 200 x 0.01 x 90005.
        ("positions", "C,-1,", "C,-200,", 180_000.0, vec!["positions 3 implausible_notional qty=-200"]),
        ("positions", "C,-1,", "C,-200,", 181_000.0, vec![]),
        ("balances", "a1,BTC,-0.25", "a1,BTC,-2500", 1e8, vec!["balances 2 implausible_notional cash=-2500"]),
        ("balances", "a1,BTC,-0.25", "a1,BTC,-2500", 2.3e8, vec![]),
    ] {
        let folder = Folder::new();
        folder.replace(&format!("{file}.csv"), from, to);
        let bound = Expectations { max_notional_usd: Some(usd), ..Expectations::NONE };
        let outcome = folder.load_expecting(&bound);
        let snapshot = outcome.unwrap();
        reconcile(&snapshot);
        let found: Vec<_> = broken(&snapshot).into_iter().filter(|line| line.starts_with(file)).collect();
        assert_eq!(found, expected, "{from} {to} {usd}: {:?}", broken(&snapshot));
        assert_eq!(broken(&folder.load().unwrap()), [""; 0], "nobody asked");
    }
    for usd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let bound = Expectations { max_notional_usd: Some(usd), ..Expectations::NONE };
        assert!(problem(&Folder::new(), &bound).contains("expected: a positive number of USD"));
    }
}

#[test]
fn checksums_beside_the_tables_are_verified() {
    let folder = Folder::new();
    let lines = form_checksums(folder.path(), &Silent).unwrap();
    assert_eq!(lines.lines().count(), 7);
    assert!(lines.lines().all(|line| line.as_bytes()[64..].starts_with(b"  ")), "{lines}");
    folder.write(CHECKSUMS, &lines);
    folder.load().unwrap();
    for harmless in [lines.to_uppercase().replace("SNAPSHOT.TOML", "snapshot.toml"), lines.replace("  ", " *")] {
        folder.write(CHECKSUMS, table_names(&harmless));
        folder.load().unwrap();
    }
    let gone = format!("{lines}{}  positions/part-1.parquet\n", "0".repeat(64));
    for (text, words) in [
        (lines.replace("marks.csv", "marks.arrow"), vec!["a file that `checksums` does not list", "marks.csv"]),
        (gone, vec!["a file is gone", "part-1.parquet"]),
        (format!("{lines}{lines}"), vec!["a file is listed twice", "row 8"]),
        ("x\n".to_owned(), vec!["not a checksum", "row 1", "value:    x", "b3sum"]),
        (lines.replacen(&lines[..4], "xyz!", 1), vec!["not a checksum", "row 1"]),
        (flip(&lines, "balances.csv"), vec!["the file is not the one that `checksums` lists", "balances.csv", "hash"]),
    ] {
        folder.write(CHECKSUMS, &text);
        let problem = problem(&folder, &Expectations::NONE);
        for word in words {
            assert!(problem.contains(word), "{word:?} in {problem}");
        }
    }
    // A table that cannot be read is first of all one that was changed.
    folder.write(CHECKSUMS, &lines);
    folder.write("marks.csv", "nonsense");
    let problem = problem(&folder, &Expectations::NONE);
    for word in ["the file is not the one that `checksums` lists", "marks.csv", "its reader says: missing column"] {
        assert!(problem.contains(word), "{word:?} in {problem}");
    }
}

/// Undoes the upper case of names.
fn table_names(text: &str) -> String {
    let lines = text.lines().map(|line| format!("{}{}", &line[..64], line[64..].to_lowercase()));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// The lines with another first digit in the hash of a file.
fn flip(lines: &str, file: &str) -> String {
    let line = lines.lines().find(|line| line.ends_with(file)).unwrap();
    let digit = if line.starts_with('0') { "1" } else { "0" };
    lines.replace(line, &format!("{digit}{}", &line[1..]))
}

/// A table of shocks in the folder is no part of the snapshot, and is held to `checksums` where it is listed.
#[test]
fn listed_shocks_are_verified() {
    let folder = Folder::new();
    let shocks = "scenario,base,price\ncrash,BTC,-0.4\n";
    let market = folder.load().unwrap().market;
    folder.write("shocks.csv", shocks);
    let file = folder.path().join("shocks.csv");
    let lines = form_checksums(folder.path(), &Silent).unwrap();
    let listed = format!("{lines}{}  shocks.csv\n", blake3::hash(shocks.as_bytes()).to_hex());
    for (text, now, is_read) in [
        (&lines, shocks, true),
        (&listed, shocks, true),
        (&lines, "scenario,base,price\ncrash,BTC,-0.5\n", true),
        (&listed, "scenario,base,price\ncrash,BTC,-0.5\n", false),
    ] {
        folder.write(CHECKSUMS, text);
        folder.write("shocks.csv", now);
        let outcome = read_shocks(&file, &market, &Silent);
        assert_eq!(outcome.is_ok(), is_read, "{now}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(error.to_string().contains("the file is not the one that `checksums` lists"), "{error}");
        }
        folder.load().unwrap();
    }
}

#[test]
fn the_hash_of_a_snapshot_names_its_content() {
    let folder = Folder::new();
    let hash = snapshot_hash(&folder.load().unwrap().inputs);
    let expecting = |hash: &str| Expectations { hash: Some(hash.to_owned()), ..Expectations::NONE };
    folder.load_expecting(&expecting(&hash)).unwrap();
    folder.load_expecting(&expecting(&hash.to_uppercase())).unwrap();
    assert_eq!(hash, snapshot_hash(&Folder::new().load().unwrap().inputs), "the place does not matter");
    let text = problem(&folder, &expecting(&"0".repeat(64)));
    for word in ["not the one that was expected", &hash, &"0".repeat(64), "expects"] {
        assert!(text.contains(word), "{text}");
    }
    assert!(problem(&folder, &expecting("abc")).contains("64 hexadecimal digits"));
    folder.replace("positions.csv", "3,91000", "4,91000");
    assert!(problem(&folder, &expecting(&hash)).contains("not the one that was expected"));
}
