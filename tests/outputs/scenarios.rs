//! Scenarios out of a history: against figures of numpy (`tests/data/scenarios/expected.py`), by their moments, and
//! what is refused, left out or marked.

use crate::common::e2e::{Row, files, read_arrow, remargin, rows, rows_of, succeeds};
use remargin::market::scenario::Scenario;
use remargin::market::{Currency, Market};
use remargin::progress::Silent;
use remargin::snapshot::read_shocks;
use remargin::stress::Preset;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn prices() -> String {
    root().join("tests/data/scenarios/prices.csv").to_str().unwrap().to_owned()
}

/// The rows that `remargin scenarios` writes.
fn made(dir: &Path, args: &[&str]) -> Vec<Row> {
    let out = dir.join("shocks.parquet");
    let _ = fs::remove_file(&out);
    succeeds(dir, &[&["scenarios"], args, &["--out", "shocks.parquet", "--quiet"]].concat());
    rows(&out)
}

fn number(row: &Row, column: &str) -> Option<f64> {
    Some(row[column].as_str()).filter(|cell| !cell.is_empty()).map(|cell| cell.parse().unwrap())
}

/// Scenario, coin, move of its price, move of its volatility.
type Move = (String, String, f64, Option<f64>);

fn moves(rows: &[Row]) -> Vec<Move> {
    let of = |row: &Row| {
        let base = if row["base"].is_empty() { &row["fx_ccy"] } else { &row["base"] };
        let price = number(row, "price").or(number(row, "fx")).unwrap();
        assert_eq!(row["days"], "");
        (row["scenario"].clone(), base.clone(), price, number(row, "vol"))
    };
    rows.iter().map(of).collect()
}

#[test]
fn shocks_are_those_of_numpy() {
    let dir = tempfile::tempdir().unwrap();
    let table = fs::read_to_string(root().join("tests/data/scenarios/expected.csv")).unwrap();
    let mut expected: BTreeMap<&str, Vec<Move>> = BTreeMap::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let vol = (!cells[4].is_empty()).then(|| cells[4].parse().unwrap());
        let all = expected.entry(cells[0]).or_default();
        all.push((cells[1].to_owned(), cells[2].to_owned(), cells[3].parse().unwrap(), vol));
    }
    let prices = prices();
    let cases: [(&str, &[&str]); 7] = [
        ("log", &["--proxy", "SOL=BTC:1.5"]),
        ("relative", &["--returns", "relative", "--proxy", "SOL=BTC:1.5"]),
        ("absolute", &["--returns", "absolute", "--proxy", "SOL=BTC:1.5"]),
        ("three days", &["--returns", "relative", "--horizon", "3d", "--proxy", "SOL=BTC:1.5"]),
        ("overlapping", &["--horizon", "72h", "--overlapping", "--proxy", "SOL=BTC"]),
        ("filtered", &["--filtered", "--proxy", "SOL=BTC"]),
        (
            "filtered overlapping",
            &["--filtered", "--returns", "relative", "--horizon", "2d", "--overlapping", "--proxy", "SOL=BTC:1.5"],
        ),
    ];
    assert_eq!(expected.keys().copied().collect::<Vec<_>>().len(), cases.len());
    for (case, flags) in cases {
        let found = moves(&made(dir.path(), &[&["history", &prices], flags].concat()));
        let mut expected = expected[case].clone();
        // Rows of a stablecoin stand behind the others of their scenario.
        expected.sort_by(|a, b| (&a.0, a.1 == "USDT", &a.1).cmp(&(&b.0, b.1 == "USDT", &b.1)));
        assert_eq!(found.len(), expected.len(), "{case}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((&found.0, &found.1), (&expected.0, &expected.1), "{case}");
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * b.abs() + 1e-15;
            assert!(near(found.2, expected.2), "{case}: {found:?}, by numpy {expected:?}");
            let vols = match (found.3, expected.3) {
                (Some(a), Some(b)) => near(a, b),
                (a, b) => a == b,
            };
            assert!(vols, "{case}: {found:?}, by numpy {expected:?}");
        }
    }
}

#[test]
fn every_row_says_where_it_is_from() {
    let dir = tempfile::tempdir().unwrap();
    let prices = prices();
    let origins = |flags: &[&str]| {
        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for row in made(dir.path(), &[&["history", &prices], flags].concat()) {
            let coin = if row["base"].is_empty() { row["fx_ccy"].clone() } else { row["base"].clone() };
            *counts.entry((coin, row["origin"].clone())).or_default() += 1;
        }
        counts.into_iter().map(|((coin, origin), count)| format!("{coin}: {count} {origin}")).collect::<Vec<_>>()
    };
    let plain = origins(&["--proxy", "SOL=BTC:1.5", "--proxy", "*=BTC:1", "--proxy", "DOGE=ETH:2"]);
    let expected = [
        "*: 47 proxy BTC beta 1",
        "BTC: 47 history",
        "DOGE: 47 proxy ETH beta 2",
        "ETH: 47 history",
        "SOL: 37 history",
        "SOL: 10 proxy BTC beta 1.5",
        "USDT: 47 history",
    ];
    assert_eq!(plain, expected);
    let estimated = origins(&["--proxy", "SOL=BTC"]);
    let of_sol = estimated.iter().find(|origin| origin.starts_with("SOL: 10 proxy BTC beta ")).unwrap();
    assert!(of_sol.ends_with(" estimated on 37 windows"), "{of_sol}");

    let shocks = made(dir.path(), &["history", &prices, "--from", "2025-01-11", "--proxy", "DOGE=ETH:2"]);
    assert_eq!(shocks.len(), 37 * 5);
    assert_eq!(shocks[0]["scenario"], "2025-01-12");
    for scenario in shocks.chunks(5) {
        let price = |base: &str| number(scenario.iter().find(|row| row["base"] == base).unwrap(), "price").unwrap();
        let doubled = (1.0 + price("ETH")).powi(2) - 1.0;
        assert!((price("DOGE") - doubled).abs() < 1e-12, "twice the logarithm is the square of the factor");
    }
}

/// A table of daily prices of each coin; `None` is a day without a row.
fn table(coins: &[(&str, &[Option<f64>])]) -> String {
    let mut text = "time,base,price\n".to_owned();
    for (coin, prices) in coins {
        for (day, price) in prices.iter().enumerate().filter_map(|(day, price)| Some((day, price.as_ref()?))) {
            writeln!(text, "2025-03-{:02}T00:00:00Z,{coin},{price}", day + 1).unwrap();
        }
    }
    text
}

/// Prices of ETH, flags, words of the refusal or the ends of the windows that stay, those that are marked.
type Case<'a> = (&'a [Option<f64>], &'a [&'a str], Result<(&'a [&'a str], &'a str, &'a [&'a str]), &'a str>);

#[test]
fn gaps_jumps_and_stale_prices_are_refused_left_out_or_marked() {
    let dir = tempfile::tempdir().unwrap();
    let plain: Vec<Option<f64>> = [100.0, 101.0, 99.0, 102.0, 103.0, 101.0, 100.0, 104.0].map(Some).to_vec();
    let with = |changes: &[(usize, Option<f64>)]| {
        let mut prices = plain.clone();
        for (place, price) in changes {
            prices[*place] = *price;
        }
        prices
    };
    let gap = with(&[(3, None)]);
    // From the fifth day on in a thousandth of the unit.
    let jump: Vec<_> =
        plain.iter().enumerate().map(|(day, px)| px.map(|px| if day < 4 { px } else { px / 1e3 })).collect();
    let stale = with(&[(3, Some(99.0)), (4, Some(99.0))]);
    let all = ["02", "03", "04", "05", "06", "07", "08"];
    let cases: [Case; 11] = [
        (&plain, &[], Ok((&all, "", &[]))),
        (&gap, &[], Err("a gap in the prices of `ETH`")),
        (&gap, &["--gaps", "skip"], Ok((&["02", "03", "06", "07", "08"], "", &[]))),
        (&jump, &[], Err("a jump in the price of `ETH`")),
        (&jump, &["--largest-jump", "2000"], Ok((&all, "", &[]))),
        (&jump, &["--jumps", "skip"], Ok((&["02", "03", "04", "06", "07", "08"], "", &[]))),
        (&jump, &["--jumps", "mark"], Ok((&all, "history, jump", &["05"]))),
        (&stale, &[], Ok((&all, "", &[]))),
        (&stale, &["--stale-rows", "3"], Err("a price of `ETH` that stands still")),
        (&stale, &["--stale-rows", "3", "--stale", "skip"], Ok((&["02", "03", "07", "08"], "", &[]))),
        (&stale, &["--stale-rows", "3", "--stale", "mark"], Ok((&all, "history, stale", &["04", "05", "06"]))),
    ];
    for (prices, flags, expected) in cases {
        fs::write(dir.path().join("prices.csv"), table(&[("BTC", &plain), ("ETH", prices)])).unwrap();
        match expected {
            Err(words) => {
                let args = [&["scenarios", "history", "prices.csv", "--out", "none.csv"], flags].concat();
                let outcome = remargin(dir.path(), &args);
                assert_eq!(outcome.code, Some(3), "{flags:?}: {}", outcome.stderr);
                assert!(outcome.stderr.contains(words) && outcome.stderr.contains("hint"), "{}", outcome.stderr);
                assert!(!dir.path().join("none.csv").exists());
            }
            Ok((ends, mark, marked)) => {
                let found = made(dir.path(), &[&["history", "prices.csv"], flags].concat());
                let days = |rows: Vec<&Row>| -> Vec<String> {
                    rows.iter().map(|row| row["scenario"].trim_start_matches("2025-03-").to_owned()).collect()
                };
                assert_eq!(days(found.iter().filter(|row| row["base"] == "BTC").collect()), ends, "{flags:?}");
                assert_eq!(days(found.iter().filter(|row| row["base"] == "ETH").collect()), ends, "{flags:?}");
                let of_mark = found.iter().filter(|row| row["origin"] != "history").collect::<Vec<_>>();
                assert!(of_mark.iter().all(|row| row["origin"] == mark && row["base"] == "ETH"), "{of_mark:?}");
                assert_eq!(days(of_mark), marked, "{flags:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let head = "time,base,price,vol\n";
    let two = "2025-01-01,BTC,100,\n2025-01-02,BTC,40,\n";
    let doubled = "2025-01-01,BTC,100,\n2025-01-02,BTC,200,\n2025-01-03,BTC,20,\n";
    let standing = |coin: &str, price: &str| {
        let rows = (1..7).map(|day| format!("2025-01-0{day},BTC,{},\n2025-01-0{day},{coin},{price},\n", 100 + day));
        rows.collect::<String>()
    };
    // Rows, flags, exit code, words.
    let cases: [(String, &[&str], i32, &str); 24] = [
        (String::new(), &[], 3, "no prices"),
        ("2025-01-01,BTC,100,\n".into(), &[], 3, "one time only"),
        (format!("{two}2025-01-02,BTC,40,\n"), &[], 3, "two prices of one coin at one time"),
        (format!("{two}2025-01-02T12:00:00Z,BTC,40,\n2025-01-04T18:00:00Z,BTC,40,\n"), &[], 3, "not regular"),
        (format!("{two}2025-01-03,BTC,-1,\n"), &[], 3, "not above zero"),
        (format!("{two}2025-01-03,BTC,x,\n"), &[], 3, "not a number"),
        (format!("{two}2025-01-03,BTC,1,0\n"), &[], 3, "not above zero"),
        (format!("{two}2025-01-03,BTC,,\n"), &[], 3, "missing value"),
        (format!("{two}20250103,BTC,1,\n"), &[], 3, "not a time"),
        (format!("{two}2025-01-03,*,1,\n"), &[], 3, "not a coin"),
        (two.into(), &["--horizon", "7h"], 2, "no whole number of steps"),
        (
            two.into(),
            &["--horizon", "2d"],
            2,
            "the horizon 2d is longer than the history: the prices are of 2025-01-01 to",
        ),
        (doubled.into(), &["--largest-jump", "3", "--jumps", "skip", "--horizon", "2d"], 3, "no window is left"),
        (two.into(), &["--from", "2025-01-03"], 3, "no prices from 2025-01-03 on"),
        (two.into(), &["--proxy", "SOL=ETH:1"], 2, "from `ETH`, which has no prices"),
        (two.into(), &["--proxy", "SOL=ETH:1", "--proxy", "ETH=BTC:1"], 2, "name a coin with prices: `BTC`"),
        (two.into(), &["--proxy", "USD=BTC:1"], 2, "USD, which has no price of its own"),
        (standing("USDT", "0.98"), &[], 3, "a price of `USDT` that stands still"),
        (two.into(), &["--proxy", "SOL=BTC"], 3, "cannot be estimated"),
        (two.into(), &["--proxy", "SOL=BTC:2", "--returns", "relative"], 3, "a move of `SOL` that cannot be"),
        (doubled.into(), &["--returns", "absolute", "--largest-jump", "20"], 3, "a move of `BTC` that cannot be"),
        (format!("{two}2025-01-02,SOL,7,\n"), &[], 3, "`SOL` has no price in some windows"),
        (
            format!("{two}2025-01-02,SOL,7,\n"),
            &["--proxy", "SOL=BTC:1", "--proxy", "X=SOL:1"],
            3,
            "`SOL` is the proxy of `X`",
        ),
        (format!("{two}2025-01-03,BTC,40,\n"), &["--filtered", "--lambda", "1"], 2, "`lambda` is 1"),
    ];
    for (lines, flags, code, words) in cases {
        fs::write(dir.path().join("prices.csv"), format!("{head}{lines}")).unwrap();
        let args = [&["scenarios", "history", "prices.csv", "--out", "none.csv"], flags].concat();
        let outcome = remargin(dir.path(), &args);
        assert_eq!(outcome.code, Some(code), "{lines}{flags:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{lines}{flags:?}: {}", outcome.stderr);
        assert!(!dir.path().join("none.csv").exists());
    }
    // A stablecoin at a dollar stands still.
    fs::write(dir.path().join("prices.csv"), format!("{head}{}", standing("USDC", "1.0000"))).unwrap();
    let outcome = remargin(dir.path(), &["scenarios", "history", "prices.csv", "--out", "par.csv"]);
    assert!(outcome.code == Some(0) && outcome.stderr.contains("5 scenarios, 2025-01-02 to"), "{}", outcome.stderr);
    fs::write(dir.path().join("prices.csv"), format!("{head}{two}")).unwrap();
    let outcome = remargin(dir.path(), &["scenarios", "history", "prices.csv", "--out", "par.csv", "--force"]);
    assert!(outcome.stderr.contains("1 scenario, 2025-01-02\n"), "{}", outcome.stderr);
    // A third of two prices cannot be drawn from.
    fs::write(dir.path().join("prices.csv"), format!("{head}{two}2025-01-03,BTC,60,\n")).unwrap();
    let draw = |flags: &[&str]| {
        let args = ["scenarios", "montecarlo", "prices.csv", "--count", "9", "--seed", "1", "--out", "none.csv"];
        let outcome = remargin(dir.path(), &[&args, flags].concat());
        (outcome.code, outcome.stderr)
    };
    assert_eq!(draw(&[]).0, Some(0));
    assert_eq!(draw(&[]).0, Some(2), "the file exists");
    assert_eq!(draw(&["--force"]).0, Some(0));
    for (df, says) in [("2", "there is no covariance"), ("1001", "normal for all purposes")] {
        let (code, words) = draw(&["--force", "--df", df]);
        assert!(code == Some(2) && words.contains(&format!("`df` is {df}")) && words.contains(says), "{words}");
    }
    let same: Vec<String> =
        (1..9).map(|day| format!("2025-01-0{day},BTC,{0},\n2025-01-0{day},ETH,{0},\n", day * day)).collect();
    let same = same.concat();
    fs::write(dir.path().join("prices.csv"), format!("{head}{same}")).unwrap();
    let (code, words) = draw(&["--force"]);
    assert!(code == Some(3) && words.contains("not positive definite") && words.contains("`ETH`"), "{words}");
    fs::write(dir.path().join("prices.csv"), format!("{head}{two}")).unwrap();
    let (code, words) = draw(&["--force"]);
    assert!(code == Some(3) && words.contains("too few windows"), "{words}");
}

#[test]
fn only_tables_of_scenarios_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let prices = prices();
    fs::copy(&prices, dir.path().join("prices.csv")).unwrap();
    let to = |out: &str, more: &[&str]| {
        let args = ["scenarios", "history", "prices.csv", "--from", "2025-01-11", "--quiet", "--out", out];
        remargin(dir.path(), &[&args, more].concat()).code
    };
    assert_eq!(to("shocks.txt", &[]), Some(2), "no format");
    assert_eq!(to("prices.csv", &["--force"]), Some(2), "the prices themselves");
    for out in ["a.csv", "a.parquet", "a.arrow"] {
        assert_eq!(to(out, &[]), Some(0));
        assert_eq!(to(out, &[]), Some(2), "{out} is there");
        let before = fs::read(dir.path().join(out)).unwrap();
        assert_eq!(to(out, &["--force", "--threads", "1"]), Some(0));
        assert_eq!(fs::read(dir.path().join(out)).unwrap(), before, "{out}: the same bytes");
    }
    assert_eq!(fs::read(dir.path().join("prices.csv")).unwrap(), fs::read(&prices).unwrap());
    let of_arrow = rows_of(&read_arrow(&dir.path().join("a.arrow")));
    assert_eq!(of_arrow, rows(&dir.path().join("a.parquet")));
    let text = fs::read_to_string(dir.path().join("a.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "scenario,base,price,vol,fx_ccy,fx,days,origin");
    assert_eq!(lines.len() - 1, of_arrow.len());
    for (line, row) in lines[1..].iter().zip(&of_arrow) {
        let cells: Vec<&str> = line.split(',').collect();
        let same = ["price", "vol", "fx"]
            .iter()
            .zip([2, 3, 5])
            .all(|(column, place)| cells[place].parse().ok() == number(row, column));
        assert!(same && cells[0] == row["scenario"] && cells[7] == row["origin"], "{line}: {row:?}");
    }
    assert_eq!(files(dir.path()).len(), 4, "nothing is left beside them");
}

#[test]
fn prices_in_other_forms_are_the_same_prices() {
    let dir = tempfile::tempdir().unwrap();
    let candles = dir.path().join("candles");
    fs::create_dir(&candles).unwrap();
    let text = fs::read_to_string(prices()).unwrap();
    let mut plain = "time,base,price\n".to_owned();
    for coin in ["BTC", "ETH"] {
        let mut pages = [String::new(), String::new()];
        for line in text.lines().filter(|line| line.split(',').nth(1) == Some(coin)) {
            let cells: Vec<&str> = line.split(',').collect();
            let time: jiff::Timestamp = format!("{}T00:00:00Z", cells[0]).parse().unwrap();
            writeln!(plain, "{},{coin},{}", time.as_second(), cells[2]).unwrap();
            let candle = format!(r#"["{}","1","1","1","{}","0","0","0","1"]"#, time.as_millisecond(), cells[2]);
            // The pages of the exchange go back in time, and overlap here by ten days.
            if cells[0] < "2025-02-05" {
                pages[1].insert_str(0, &format!(",{candle}"));
            }
            if cells[0] >= "2025-01-25" {
                pages[0].insert_str(0, &format!(",{candle}"));
            }
        }
        for (number, page) in pages.iter().enumerate() {
            let answer = format!(r#"{{"code":"0","msg":"","data":[{}]}}"#, page.trim_start_matches(','));
            fs::write(candles.join(format!("market_history-candles_{coin}-USDT_{number}.json")), answer).unwrap();
        }
    }
    fs::write(dir.path().join("prices.csv"), plain).unwrap();
    let of_table = made(dir.path(), &["history", "prices.csv"]);
    assert_eq!(of_table.len(), 2 * 47);
    assert_eq!(made(dir.path(), &["history", "candles"]), of_table);
    let outcome = succeeds(dir.path(), &["scenarios", "history", "candles", "--out", "x.csv"]);
    assert!(outcome.stderr.contains("prices in USDT are taken as prices in USD"), "{}", outcome.stderr);

    let other = r#"{"code":"0","data":[["1735689600000","1","1","1","2","0","0","0","1"]]}"#;
    for (name, words) in [
        ("BTC-USDT-SWAP.json", "candles of two instruments of `BTC`"),
        ("ETH-BTC.json", "no prices of a coin in dollars"),
        ("BTC-USDT_2.json", "different closes"),
    ] {
        fs::write(candles.join(name), other).unwrap();
        let outcome = remargin(dir.path(), &["scenarios", "history", "candles", "--out", "none.csv"]);
        assert!(outcome.code == Some(3) && outcome.stderr.contains(words), "{name}: {}", outcome.stderr);
        fs::remove_file(candles.join(name)).unwrap();
    }
}

#[test]
fn the_preset_is_the_history_that_is_shipped() {
    let dir = tempfile::tempdir().unwrap();
    let prices = root().join("data/scenarios/crypto-daily.csv");
    let prices = prices.to_str().unwrap();
    let flags = ["--returns", "relative", "--proxy", "*=BTC:1", "--out", "shocks.parquet"];
    let outcome = succeeds(dir.path(), &[&["scenarios", "history", prices], &flags[..]].concat());
    assert!(outcome.stderr.contains("3277 scenarios, 2017-08-18 to 2026-08-07"), "{}", outcome.stderr);
    // Of days before 2021-03-25 there is no volatility.
    assert!(outcome.stderr.contains("which stays as it is: 1315"), "{}", outcome.stderr);
    let currency = |name: &str| Currency { name: name.to_owned(), fx: Some(1.0) };
    let currencies = vec![currency("BTC"), currency("ETH")];
    let market = Market { as_of_ns: 0, currencies, underlyings: Vec::new(), instruments: Vec::new() };
    let (shocks, _) = read_shocks(&dir.path().join("shocks.parquet"), &market, &Silent).unwrap();
    let preset: Vec<Scenario> = "history-1d".parse::<Preset>().unwrap().scenarios(&market).unwrap();
    assert_eq!(preset, shocks);
    assert_eq!(preset.len(), 3277);
    let worst = preset.iter().find(|scenario| scenario.name == "2020-03-12").unwrap();
    let price = |base: &str| worst.shocks.iter().find(|shock| shock.base == base).unwrap().price.unwrap();
    assert!((price("BTC") - -0.395).abs() < 1e-3 && (price("ETH") - -0.446).abs() < 1e-3);
    assert_eq!(price("*"), price("BTC"));
}

/// A book of two accounts, so that thousands of scenarios are soon done.
#[test]
fn a_stress_takes_thousands_of_scenarios() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = dir.path().join("snapshot");
    fs::create_dir(&snapshot).unwrap();
    let write = |name: &str, text: &str| fs::write(snapshot.join(name), text).unwrap();
    write("snapshot.toml", "version = 1\nas_of = 2026-08-07T08:00:00Z\n");
    write(
        "instruments.csv",
        "inst_id,inst_type,uly,settle_ccy,ct_type,ct_val,ct_mult,expiry,strike,opt_type\n\
         BTC-USDT-SWAP,SWAP,BTC-USDT,USDT,linear,0.01,1,,,\n",
    );
    write("marks.csv", "inst_id,mark_px,mark_vol,fwd_px\nBTC-USDT-SWAP,65000,,\n");
    write("indices.csv", "index_id,px\nBTC-USDT,65000\nBTC-USD,65000\nETH-USD,1900\nUSDT-USD,1\n");
    write(
        "positions.csv",
        "account_id,inst_id,qty,avg_px\nlong,BTC-USDT-SWAP,1000,65000\nshort,BTC-USDT-SWAP,-1000,65000\n",
    );
    write("balances.csv", "account_id,ccy,cash\nlong,USDT,200000\nshort,USDT,200000\n");
    let flags = ["--preset", "history-1d", "--preset", "crypto-historical", "--distance", "none", "--out", "out"];
    let outcome = succeeds(dir.path(), &[&["stress", "snapshot"], &flags[..]].concat());
    assert!(outcome.stderr.contains("3,285 scenarios"), "{}", outcome.stderr);
    let scenarios = rows(&dir.path().join("out/scenarios.parquet"));
    assert_eq!(scenarios.len(), 1 + 3277 + 7);
    let liquidated = |name: &str| {
        let row = scenarios.iter().find(|row| row["scenario"] == name).unwrap();
        row["liquidation"].clone()
    };
    assert_eq!((&*liquidated("base"), &*liquidated("2020-03-12")), ("0", "1"));
}
