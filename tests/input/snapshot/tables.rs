//! Broken tables, and what is none.

use crate::common::folder::{Folder, print, reconcile, table};
use remargin::Error;
use remargin::margin::rules::SpotOffset;
use remargin::progress::Silent;
use remargin::snapshot::{Expectations, LoadOptions, load};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_broken_table() {
    // what is done to the folder, then parts of the message.
    type Break = fn(&Folder);
    let cases: Vec<(Break, &[&str])> = vec![
        (|f| f.remove("snapshot.toml"), &["snapshot.toml", "cannot be read"]),
        (|f| f.write("snapshot.toml", "as_of = "), &["not valid TOML", "snapshot.toml"]),
        (|f| f.write("snapshot.toml", "version = 1"), &["missing key", "`as_of`", "2026-01-15T08:00:00Z"]),
        (|f| f.write("snapshot.toml", "version = 1\nas_of = 2026-01-15T08:00:00"), &["valuation time", "an offset"]),
        (|f| f.write("snapshot.toml", "version = 1\nas_of = '2026-01-15T08:00:00Z'"), &["valuation time"]),
        (|f| f.write("snapshot.toml", "version = 1\nas_of = 9999-01-15T08:00:00Z"), &["valuation time"]),
        (|f| f.write("snapshot.toml", "as_of = 2026-01-15T08:00:00Z"), &["missing key", "`version`"]),
        (
            |f| f.write("snapshot.toml", "version = 2\nas_of = 2026-01-15T08:00:00Z"),
            &["unknown version", "value:    2"],
        ),
        (|f| f.remove("marks.csv"), &["no table `marks`", "`marks.parquet`"]),
        (|f| f.write("marks.parquet", ""), &["table `marks` is there twice", "marks.csv"]),
        (|f| f.write("marks/part.parquet", ""), &["table `marks` is there twice"]),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks/part.csv", "");
            },
            &["holds something else", "part.csv"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks/_SUCCESS", "");
            },
            &["holds no parts"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks.parquet", "PAR1 no");
            },
            &["marks.parquet", "too short"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks.arrow", "ARROW1 but not really so");
            },
            &["marks.arrow", "cut off"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks.arrow", "a stream, not a file at all");
            },
            &["not an Arrow IPC file"],
        ),
        (
            |f| {
                f.remove("marks.csv");
                f.write("marks.arrow", "");
            },
            &["too short"],
        ),
        (|f| f.write("marks.csv", ""), &["missing column", "marks.csv", "`inst_id`"]),
        (|f| f.replace("positions.csv", ",qty,", ",Qty,"), &["missing column", "positions.csv", "`qty`", "`Qty`"]),
        (|f| f.replace("positions.csv", "avg_px", "qty"), &["duplicate column", "`qty`"]),
        (
            |f| f.replace("positions.csv", "-5,86000", "-5"),
            &["another length in line 3", "row 2", "3 cells", "4 cells"],
        ),
        (|f| f.replace("positions.csv", "-5,86000", "-5,86000,"), &["another length", "row 2", "5 cells"]),
        (
            |f| f.replace("positions.csv", "-5,86000", "\"-5\"1,86000"),
            &["text behind a closing quote", "positions.csv", "line 3", "its closing quote"],
        ),
        (
            |f| f.replace("positions.csv", "a1,BTC-USD-SWAP", "\"a1,BTC-USD-SWAP"),
            &["positions.csv", "never closed in line 3"],
        ),
        (|f| f.replace("positions.csv", "86000", "\"86000"), &["never closed in line 3"]),
        (|f| f.replace("positions.csv", "86000", "\"86000\n\""), &["line break inside a cell", "row 2", "left open"]),
        (
            |f| f.write("positions.csv", b"account_id,inst_id,qty,avg_px\na\xff,b,1,1\n"),
            &["not text", "row 1", "UTF-8"],
        ),
        (|f| f.write("positions.csv", b"account_id,inst_id,qty,avg_px\na\xc3,\xa9b,1,1\n"), &["not text", "row 1"]),
        (
            |f| f.replace("instruments.csv", "ETH-USDC-SWAP", "BTC-USD-SWAP"),
            &["duplicate instrument", "instruments.csv", "`inst_id`", "row 6", "BTC-USD-SWAP"],
        ),
        (|f| f.replace("marks.csv", "GONE-USDT-SWAP", "BTC-USD-SWAP"), &["duplicate mark", "row 5", "BTC-USD-SWAP"]),
        (|f| f.replace("indices.csv", "XRP-USDT", "USDC-USD"), &["duplicate index", "`index_id`", "row 6", "USDC-USD"]),
        (|f| f.write("orders.csv", "account_id\na1\n"), &["missing column", "orders.csv", "`inst_id`"]),
    ];
    for (number, (damage, words)) in cases.into_iter().enumerate() {
        let folder = Folder::new();
        damage(&folder);
        let message = folder.invalid().to_string();
        assert_eq!(folder.load().unwrap_err().exit_code(), 3);
        for word in words {
            assert!(message.contains(word), "case {number}: {word:?} is not in\n{message}");
        }
    }
    let nowhere = load(
        Path::new("/nonexistent"),
        &LoadOptions { default_spot_offset: SpotOffset::Usdt, expectations: &Expectations::NONE, progress: &Silent },
    );
    assert_eq!(nowhere.unwrap_err().exit_code(), 3);
}

#[test]
fn what_is_no_error() {
    let folder = Folder::new();
    let sound = print(&folder.load().unwrap());
    folder.write("positions.csv", format!("\u{feff}{}", table("positions").replace('\n', "\r\n")));
    folder.write("orders.csv", "account_id,inst_id,side,qty,px\n");
    folder.write("shocks.csv", "anything");
    folder.write("README.md", "not a table");
    folder.replace("marks.csv", "inst_id,", "note,inst_id,");
    let marks = fs::read_to_string(folder.path().join("marks.csv")).unwrap();
    let marks: Vec<_> = marks
        .lines()
        .enumerate()
        .map(|(n, line)| if n == 0 { line.into() } else { format!("\"a, b\",{line}") })
        .collect();
    folder.write("marks.csv", marks.join("\n"));
    let snapshot = folder.load().unwrap();
    assert_eq!(print(&snapshot), sound);
    assert_eq!(
        snapshot.inputs.last().map(|input| (input.path.clone(), input.rows)),
        Some((PathBuf::from("orders.csv"), Some(0)))
    );

    for name in ["positions", "balances", "accounts"] {
        folder.write(&format!("{name}.csv"), table(name).lines().next().unwrap());
    }
    assert!(folder.invalid().to_string().contains("--allow-empty"));
    let allowed = Expectations { allow_empty: true, ..Expectations::NONE };
    let empty = folder.load_expecting(&allowed).unwrap();
    reconcile(&empty);
    assert!(empty.book.is_empty() && empty.rejects.is_empty());
    folder.remove("accounts.csv");
    assert_eq!(folder.load_expecting(&allowed).unwrap().tables.len(), 6, "five tables that must be there, and orders");
}

#[test]
fn an_interrupted_load_stops() {
    struct Stop;
    impl remargin::progress::Progress for Stop {
        fn stage(&self, _: &str, _: &'static str, _: u64) {}
        fn advance(&self, _: u64) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    let folder = Folder::new();
    let stopped = load(
        folder.path(),
        &LoadOptions { default_spot_offset: SpotOffset::Usdt, expectations: &Expectations::NONE, progress: &Stop },
    );
    assert!(matches!(stopped, Err(Error::Interrupted)));
}
