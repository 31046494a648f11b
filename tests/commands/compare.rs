//! Comparisons that are not plain: accounts and contracts that come and go, snapshots that are gone, wrong flags; and
//! the same bytes for any number of threads.

use crate::common::e2e::{Row, entries, files, generate, json, read_arrow, remargin, rows, rows_of, succeeds};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const CAUSES: [&str; 5] = ["positions", "prices", "vols", "time", "parameters"];

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: {row:?}"))
}

fn by_id(path: &Path) -> BTreeMap<String, Row> {
    rows(path).into_iter().map(|row| (row["account_id"].clone(), row)).collect()
}

/// A snapshot by hand: one BTC swap, a future, two options, and what accounts hold of them.
struct Small {
    as_of: &'static str,
    btc: f64,
    /// Beside the swap and the future that are always there.
    options: &'static [(&'static str, &'static str, f64)],
    positions: &'static str,
    balances: &'static str,
}

impl Small {
    fn write(&self, dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        write("snapshot.toml", &format!("as_of = {}\nversion = 1\n", self.as_of));
        let mut instruments = "inst_id,inst_type,uly,settle_ccy,ct_type,ct_val,ct_mult,expiry,strike,opt_type\n\
                               SWAP,SWAP,BTC-USD,BTC,inverse,100,1,,,\n\
                               SOON,FUTURES,BTC-USD,BTC,inverse,100,1,2026-01-16T08:00:00Z,,\n"
            .to_owned();
        let mut marks = format!("inst_id,mark_px,mark_vol,fwd_px\nSWAP,{0},,\nSOON,{0},,\n", self.btc);
        for (name, expiry, vol) in self.options {
            writeln!(instruments, "{name},OPTION,BTC-USD,BTC,inverse,0.1,1,{expiry},60000,C").unwrap();
            writeln!(marks, "{name},0.02,{vol},{}", self.btc * 1.01).unwrap();
        }
        write("instruments.csv", &instruments);
        write("marks.csv", &marks);
        write("indices.csv", &format!("index_id,px\nBTC-USD,{}\nUSDT-USD,1\n", self.btc));
        write("positions.csv", &format!("account_id,inst_id,qty,avg_px\n{}", self.positions));
        write("balances.csv", &format!("account_id,ccy,cash\n{}", self.balances));
    }
}

const JULY: &str = "2026-07-31T08:00:00Z";

/// Yesterday and today: `SOON` and an option expire in between, another option is listed, `gone` leaves, `fresh` comes,
/// `odd` is broken today.
fn two_days(dir: &Path) {
    Small {
        as_of: "2026-01-15T09:00:00Z",
        btc: 50_000.0,
        options: &[("OLD", "2026-01-16T08:00:00Z", 0.5), ("KEPT", JULY, 0.5)],
        positions: "held,SWAP,-300,50000\nheld,SOON,100,50000\nheld,OLD,-20,0.02\nheld,KEPT,-20,0.02\n\
                    gone,SWAP,10,50000\nodd,SWAP,10,50000\nstill,KEPT,-40,0.02\n",
        balances: "held,BTC,1\ngone,BTC,1\nodd,BTC,1\nstill,BTC,0.75\nalways,BTC,2\n",
    }
    .write(&dir.join("day1"));
    Small {
        as_of: "2026-01-16T09:00:00Z",
        btc: 66_000.0,
        options: &[("KEPT", JULY, 0.8), ("LISTED", JULY, 0.7)],
        positions: "held,SWAP,-300,50000\nheld,KEPT,-20,0.02\nheld,LISTED,10,0.02\n\
                    fresh,LISTED,-30,0.02\nodd,UNKNOWN,10,50000\nstill,KEPT,-40,0.02\n",
        balances: "held,BTC,1\nfresh,BTC,0.01\nodd,BTC,1\nstill,BTC,0.75\nalways,BTC,2\n",
    }
    .write(&dir.join("day2"));
    for day in ["day1", "day2"] {
        succeeds(
            dir,
            &["run", day, "--quiet", "--mark-check", "off", "--max-rejects", "100%", "--out", &format!("{day}.run")],
        );
    }
}

#[test]
fn accounts_and_contracts_come_and_go() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    two_days(dir);
    succeeds(dir, &["compare", "day1.run", "day2.run", "--quiet", "--out", "out"]);
    let found = by_id(&dir.join("out/changes.parquet"));
    let presence: Vec<(&str, &str)> = found.iter().map(|(id, row)| (id.as_str(), row["presence"].as_str())).collect();
    assert_eq!(
        presence,
        [("always", "kept"), ("fresh", "new"), ("gone", "closed"), ("held", "kept"), ("still", "kept")]
    );
    for id in ["fresh", "gone"] {
        let row = &found[id];
        assert_eq!(number(row, "mmr_positions"), number(row, "mmr_change"), "{id}");
        assert!(CAUSES[1..].iter().all(|cause| row[&format!("mmr_{cause}")] == "0.0"), "{id}: {row:?}");
    }
    assert_eq!(found["fresh"]["mmr_a"], "");
    assert_eq!(found["fresh"]["status_a"], "");
    assert_eq!(number(&found["fresh"], "mmr_change"), number(&found["fresh"], "mmr_b"));
    assert_eq!(number(&found["gone"], "mmr_change"), -number(&found["gone"], "mmr_a"));

    // What expired left with the positions; what was listed came with them, in today's price.
    let held = &found["held"];
    Small {
        as_of: "2026-01-15T09:00:00Z",
        btc: 50_000.0,
        options: &[("KEPT", JULY, 0.5)],
        positions: "held,SWAP,-300,50000\nheld,KEPT,-20,0.02\nheld,LISTED,10,0.02\n",
        balances: "held,BTC,1\n",
    }
    .write(&dir.join("mixed"));
    let append = |file: &str, line: &str| {
        let path = dir.join("mixed").join(file);
        fs::write(&path, fs::read_to_string(&path).unwrap() + line).unwrap();
    };
    append("instruments.csv", &format!("LISTED,OPTION,BTC-USD,BTC,inverse,0.1,1,{JULY},60000,C\n"));
    append("marks.csv", &format!("LISTED,0.02,0.7,{}\n", 66_000.0 * 1.01));
    succeeds(dir, &["run", "mixed", "--quiet", "--mark-check", "off", "--out", "mixed.run"]);
    let mixed = number(&by_id(&dir.join("mixed.run/accounts.parquet"))["held"], "mmr");
    let expected = mixed - number(held, "mmr_a");
    assert!((number(held, "mmr_positions") - expected).abs() < 1e-9 * mixed, "{held:?} {expected}");
    for cause in ["prices", "vols", "time"] {
        assert!(number(held, &format!("mmr_{cause}")) != 0.0, "{cause}: {held:?}");
    }
    assert_eq!(number(held, "mmr_parameters"), 0.0);
    // Who holds nothing but cash has no margin to change.
    assert_eq!(found["always"]["mmr_main_cause"], "");

    // The one that today cannot be margined is named with the reason, and not compared.
    let unmargined = rows(&dir.join("out/unmargined.parquet"));
    assert_eq!(unmargined.len(), 1);
    let odd = &unmargined[0];
    let cells =
        ["account_id", "state_a", "reason_a", "state_b", "reason_b", "mmr_b"].map(|column| odd[column].as_str());
    assert_eq!(cells, ["odd", "margined", "", "unmargined", "unknown_instrument", ""]);
    assert_eq!(number(odd, "mmr_a"), number(&by_id(&dir.join("day1.run/accounts.parquet"))["odd"], "mmr"));

    let summary = json(&dir.join("out/summary.json"));
    let counts = ["kept", "new", "closed", "unmargined"].map(|key| summary["accounts"][key].as_u64().unwrap());
    assert_eq!(counts, [3, 1, 1, 1]);
    assert_eq!(summary["not_attributed"], serde_json::Value::Null);

    // Who newly breaches, and by which cause most of the room was lost.
    let breaches: BTreeMap<String, Row> = by_id(&dir.join("out/breaches.parquet"));
    assert_eq!(breaches["fresh"]["breach"], "liquidation");
    assert_eq!(breaches["still"]["breach"], "im_deficit");
    assert_eq!(breaches["fresh"]["main_cause"], "positions");
    for (id, row) in &breaches {
        let why = &found[id];
        let (largest, loss) = CAUSES
            .iter()
            .map(|cause| (*cause, number(why, &format!("excess_{cause}"))))
            .min_by(|x, y| x.1.total_cmp(&y.1))
            .unwrap();
        if row["breach"] == "liquidation" {
            assert_eq!((row["main_cause"].as_str(), number(row, "main_cause_usd")), (largest, loss), "{id}");
        }
    }
}

#[test]
fn without_the_snapshots_what_was_written_is_compared() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    two_days(dir);
    succeeds(dir, &["compare", "day1.run", "day2.run", "--quiet", "--out", "whole"]);
    succeeds(dir, &["compare", "day1.run", "day2.run", "--quiet", "--out", "plain", "--plain"]);
    let whole = by_id(&dir.join("whole/changes.parquet"));
    let plain = by_id(&dir.join("plain/changes.parquet"));
    assert!(whole.keys().eq(plain.keys()));
    for (id, row) in &plain {
        for (column, value) in row {
            let is_cause =
                CAUSES.iter().any(|cause| column.ends_with(&format!("_{cause}"))) || column == "mmr_main_cause";
            let expected = if is_cause { "" } else { whole[id][column].as_str() };
            assert_eq!(value, expected, "{id} {column}");
        }
    }
    let units = ["whole", "plain"].map(|out| rows(&dir.join(out).join("unit_changes.parquet")));
    assert_eq!(units[0].len(), units[1].len());
    for (whole, plain) in units[0].iter().zip(&units[1]) {
        for column in ["risk_unit", "accounts_a", "accounts_b", "mmr_a", "mmr_b", "mr1_b", "mr7_a"] {
            assert_eq!(whole[column], plain[column], "{column}");
        }
        assert_eq!(plain["mmr_prices"], "");
    }
    assert_eq!(
        fs::read(dir.join("whole/unmargined.parquet")).unwrap(),
        fs::read(dir.join("plain/unmargined.parquet")).unwrap()
    );

    // A snapshot that moved is found if it is said where; one that changed is not taken for the one it was.
    fs::rename(dir.join("day1"), dir.join("archive")).unwrap();
    let moved = ["compare", "day1.run", "day2.run", "--quiet", "--out", "moved", "--snapshot-a", "archive"];
    succeeds(dir, &moved);
    let tables = |out: &str| {
        let mut files = files(&dir.join(out));
        files.remove("manifest.json").unwrap();
        files
    };
    assert!(tables("moved") == tables("whole"));
    for (out, says) in [
        ("gone", vec!["the snapshot of the run `day1.run` does not exist any more", "day1", "--snapshot-a"]),
        ("changed", vec!["a file of the snapshot has changed since the run `day1.run`", "indices.csv", "BLAKE3"]),
        ("more", vec!["a file of the snapshot is new", "accounts.csv"]),
    ] {
        match out {
            "changed" => {
                fs::rename(dir.join("archive"), dir.join("day1")).unwrap();
                let file = dir.join("day1/indices.csv");
                fs::write(&file, fs::read_to_string(&file).unwrap().replace("50000", "50001")).unwrap();
            }
            "more" => {
                let file = dir.join("day1/indices.csv");
                fs::write(&file, fs::read_to_string(&file).unwrap().replace("50001", "50000")).unwrap();
                fs::write(dir.join("day1/accounts.csv"), "account_id,spot_offset\nheld,none\n").unwrap();
            }
            _ => {}
        }
        let outcome = remargin(dir, &["compare", "day1.run", "day2.run", "--quiet", "--out", out]);
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        for words in says {
            assert!(outcome.stderr.contains(words), "{out}: {words}: {}", outcome.stderr);
        }
        assert!(outcome.stderr.contains("not attributed"), "{}", outcome.stderr);
        let same =
            |name: &str| fs::read(dir.join(out).join(name)).unwrap() == fs::read(dir.join("plain").join(name)).unwrap();
        assert!(same("changes.parquet") && same("unit_changes.parquet") && same("migration.parquet"), "{out}");
        assert!(json(&dir.join(out).join("summary.json"))["not_attributed"].is_string());
    }
    fs::remove_file(dir.join("day1/accounts.csv")).unwrap();

    // A manifest that was edited is no basis, and neither is a table.
    let manifest = dir.join("day1.run/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        text.replace("mr6.charge\",\n        \"value\": \"0.5\"", "mr6.charge\",\n        \"value\": \"0.6\""),
    )
    .unwrap();
    let refused = |words: &str| {
        for flags in [&[][..], &["--plain"]] {
            let outcome = remargin(dir, &[&["compare", "day1.run", "day2.run"], flags].concat());
            assert!(outcome.code == Some(3) && outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
        }
    };
    refused("the manifest contradicts its identity");
    let replayed = remargin(dir, &["replay", "day1.run"]);
    assert!(replayed.code == Some(3) && replayed.stderr.contains("contradicts its identity"), "{}", replayed.stderr);
    fs::write(&manifest, text).unwrap();
    assert_eq!(remargin(dir, &["compare", "day1.run", "day2.run"]).code, Some(0));
    let table = dir.join("day1.run/risk_units.parquet");
    fs::write(&table, [&fs::read(&table).unwrap()[..], b"x"].concat()).unwrap();
    refused("not the one that the manifest lists");
}

#[test]
fn what_is_wrong_is_said_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    two_days(dir);
    fs::create_dir(dir.join("empty")).unwrap();
    let before = entries(dir);
    for (args, code, says) in [
        (vec!["day1"], 2, "nothing to compare"),
        (vec!["day1", "--rules", "okx-pm2-2025-01"], 2, "nothing to compare"),
        (vec!["day1", "--rules", "x", "--rules", "y", "--rules", "z"], 2, "more than twice"),
        (vec!["day1", "--b", "spot_offset=all"], 2, "not a spot hedging mode"),
        (vec!["day1", "--b", "mr4.flor=1"], 3, "unknown key"),
        (vec!["day1", "--rules", "missing.toml", "--rules", "okx-pm2-2025-01"], 3, "missing.toml"),
        (vec!["day1", "--b", "rate=0.1", "--format", "csv"], 2, "--out"),
        (vec!["day1", "--b", "rate=0.1", "--format", "json", "--out", "out"], 2, "`parquet`, `arrow` or `csv`"),
        (vec!["day1", "--b", "rate=0.1", "--force"], 2, "--out"),
        (vec!["day1", "--b", "rate=0.1", "--plain"], 2, "two finished runs"),
        (vec!["day1", "--b", "rate=0.1", "--snapshot-b", "day2"], 2, "two finished runs"),
        (vec!["day1", "--b", "rate=0.1", "--out", "day2"], 2, "exists already"),
        (vec!["day1.run", "day2.run", "--b", "rate=0.1"], 2, "--b"),
        (vec!["day1.run", "day2.run", "--max-rejects", "1"], 2, "--max-rejects"),
        (vec!["day1.run", "day2.run", "--plain", "--snapshot-a", "day1"], 2, "--plain"),
        (vec!["day1", "day2"], 3, "no `manifest.json`"),
        (vec!["day1.run", "nowhere"], 3, "nowhere"),
        (vec!["empty", "--b", "rate=0.1", "--out", "out"], 3, "snapshot.toml"),
        (vec!["day2", "--b", "rate=0.1"], 4, "broken, more than"),
    ] {
        let outcome = remargin(dir, &[&["compare"], &args[..]].concat());
        assert_eq!(outcome.code, Some(code), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(says), "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout.is_empty(), code != 4, "{args:?}");
    }
    // Rules that were not yet in force.
    let early = "effective_from=2026-06-01";
    let outcome = remargin(dir, &["compare", "day1", "--b", early]);
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("not yet in force"), "{}", outcome.stderr);
    succeeds(dir, &["compare", "day1", "--b", early, "--allow-rules-date", "--mark-check", "off"]);
    assert_eq!(entries(dir), before);
}

#[test]
fn summaries_go_to_stdout() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    two_days(dir);
    for args in [vec!["day1", "--a", "spot_offset=none", "--mark-check", "off"], vec!["day1.run", "day2.run"]] {
        let args = [&["compare"], &args[..]].concat();
        let text = succeeds(dir, &args);
        for words in ["MMR", "newly in liquidation", "status in A", "risk unit"] {
            assert!(text.stdout.contains(words), "{words}: {}", text.stdout);
        }
        let widest = text.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{}", text.stdout);
        assert!(text.stderr.is_empty(), "{}", text.stderr);
        let answer = succeeds(dir, &[&args[..], &["--format", "json"]].concat());
        let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        succeeds(dir, &[&args[..], &["--quiet", "--out", "out", "--force"]].concat());
        assert_eq!(answer, json(&dir.join("out/summary.json")));
        let causes = answer["causes"].as_array().map(Vec::len);
        assert_eq!(causes, (args.len() == 3 && args[2] == "day2.run").then_some(5));
        let manifest = json(&dir.join("out/manifest.json"));
        assert_eq!(manifest["outputs"].as_array().unwrap().len() + 1, entries(&dir.join("out")).len());
        assert_eq!(manifest["a"]["inputs"][0]["path"], "snapshot.toml");
    }
}

#[test]
fn books_without_a_common_account_are_told() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    two_days(dir);
    succeeds(dir, &["init", "other"]);
    succeeds(dir, &["run", "other", "--out", "other.run", "--quiet"]);
    let outcome = remargin(dir, &["compare", "day1.run", "other.run"]);
    assert!(outcome.stdout.contains("No account is in both: A and B may be of different books."), "{}", outcome.stdout);
    let alike = succeeds(dir, &["compare", "day1.run", "day2.run"]);
    assert!(!alike.stdout.contains("different books"), "{}", alike.stdout);
}

#[test]
fn the_bytes_depend_neither_on_threads_nor_on_formats_of_inputs() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    // More accounts than a piece has, so that several are at work.
    for (name, seed, format) in [("a", 1, "parquet"), ("b", 2, "parquet"), ("c", 2, "csv")] {
        generate(dir, 17_000, 1.5, seed, format);
        fs::rename(dir.join("snapshot"), dir.join(name)).unwrap();
        succeeds(dir, &["run", name, "--quiet", "--out", &format!("{name}.run")]);
    }
    let tables = |out: &str| {
        let mut files = files(&dir.join(out));
        files.remove("manifest.json").unwrap();
        files
    };
    let runs = |b: &str, out: &str, threads: &str| {
        succeeds(dir, &["compare", "a.run", b, "--quiet", "--threads", threads, "--out", out]);
        tables(out)
    };
    let one = runs("b.run", "one", "1");
    assert!(one == runs("b.run", "three", "3") && one == runs("c.run", "formats", "2"));
    assert_eq!(rows(&dir.join("one/changes.parquet")).len(), 17_000);
    let rules = |snapshot: &str, out: &str, threads: &str| {
        let args = ["compare", snapshot, "--quiet", "--threads", threads, "--b", "risk_unit=merged", "--out", out];
        succeeds(dir, &args);
        tables(out)
    };
    let one = rules("b", "rules1", "1");
    assert!(one == rules("b", "rules3", "3") && one == rules("c", "rulescsv", "2"));

    // The same rows in every format.
    for format in ["arrow", "csv"] {
        let args = ["compare", "b", "--quiet", "--b", "risk_unit=merged", "--format", format, "--out", format];
        succeeds(dir, &args);
        // In CSV `rejects` is there once.
        let once = usize::from(format == "csv");
        assert_eq!(entries(&dir.join(format)).len() + once, entries(&dir.join("rules1")).len());
    }
    let arrow = rows_of(&read_arrow(&dir.join("arrow/changes.arrow")));
    assert_eq!(arrow, rows(&dir.join("rules1/changes.parquet")));
}
