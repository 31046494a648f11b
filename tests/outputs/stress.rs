//! Price scenarios from the command line to the tables: the base case is the plain run, every scenario is a run on a
//! snapshot whose prices were shocked by hand, and broken scenario tables are refused with their place.

use crate::common::e2e::{Row, exact, files, generate, json, remargin, rows, succeeds};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const SHOCKS: &str = "scenario,base,price,vol,fx_ccy,fx,days
crash,*,-0.4,0.8,USDT,-0.03,
crash,BTC,-0.3,,,,
crash,ETH,,0.25,USDC,0.01,
later,,,,,,0.5
rally,*,0.5,-0.3,,,0.25
rally,SOL,1.5,,,,
calm,,,,USDT,-0.05,
";

/// What [`SHOCKS`] says, written down again.
struct Shocked {
    name: &'static str,
    price: fn(&str) -> f64,
    vol: fn(&str) -> f64,
    usdt: f64,
    usdc: f64,
    days: f64,
    as_of: &'static str,
}

const SHOCKED: [Shocked; 4] = [
    Shocked {
        name: "crash",
        price: |base| if base == "BTC" { -0.3 } else { -0.4 },
        vol: |base| if base == "ETH" { 0.25 } else { 0.8 },
        usdt: -0.03,
        usdc: 0.01,
        days: 0.0,
        as_of: "2026-04-27T12:00:00Z",
    },
    Shocked {
        name: "later",
        price: |_| 0.0,
        vol: |_| 0.0,
        usdt: 0.0,
        usdc: 0.0,
        days: 0.5,
        as_of: "2026-04-28T00:00:00Z",
    },
    Shocked {
        name: "rally",
        price: |base| if base == "SOL" { 1.5 } else { 0.5 },
        vol: |_| -0.3,
        usdt: 0.0,
        usdc: 0.0,
        days: 0.25,
        as_of: "2026-04-27T18:00:00Z",
    },
    Shocked {
        name: "calm",
        price: |_| 0.0,
        vol: |_| 0.0,
        usdt: -0.05,
        usdc: 0.0,
        days: 0.0,
        as_of: "2026-04-27T12:00:00Z",
    },
];

const RATE: f64 = 0.03;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample")
}

/// A CSV table by its first column.
fn table(name: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let text = fs::read_to_string(sample().join(format!("{name}.csv"))).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        (cells[0].to_owned(), header.iter().zip(&cells).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    };
    lines.map(row).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: `{}`", row[column]))
}

/// Black 1976 once more, straight from its formula.
fn black(forward: f64, strike: f64, vol: f64, years: f64, call: bool) -> f64 {
    let normal = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let d1 = ((forward / strike).ln() + vol * vol * years / 2.0) / (vol * years.sqrt());
    let d2 = d1 - vol * years.sqrt();
    let discount = (-RATE * years).exp();
    if call {
        discount * (forward * normal(d1) - strike * normal(d2))
    } else {
        discount * (strike * normal(-d2) - forward * normal(-d1))
    }
}

impl Shocked {
    /// Move of a currency in USD.
    fn usd(&self, ccy: &str) -> f64 {
        match ccy {
            "USD" => 0.0,
            "USDT" => self.usdt,
            "USDC" => self.usdc,
            coin => (self.price)(coin),
        }
    }

    fn factor(&self, index: &str) -> f64 {
        let (base, quote) = index.split_once('-').unwrap();
        (1.0 + self.usd(base)) / (1.0 + self.usd(quote))
    }

    /// The sample, its prices moved by hand.
    fn write(&self, dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        for name in ["instruments", "positions", "balances", "accounts"] {
            fs::copy(sample().join(format!("{name}.csv")), dir.join(format!("{name}.csv"))).unwrap();
        }
        fs::write(dir.join("snapshot.toml"), format!("version = 1\nas_of = {}\n", self.as_of)).unwrap();
        let (indices, instruments) = (table("indices"), table("instruments"));
        let index = |name: &str| indices.get(name).map(|row| number(row, "px"));
        let fx = |ccy: &str| match ccy {
            "USD" => 1.0,
            _ => index(&format!("{ccy}-USD"))
                .unwrap_or_else(|| index(&format!("{ccy}-USDT")).unwrap() * index("USDT-USD").unwrap()),
        };
        let mut text = "index_id,px\n".to_owned();
        for (name, row) in &indices {
            writeln!(text, "{name},{}", exact(number(row, "px") * self.factor(name))).unwrap();
        }
        fs::write(dir.join("indices.csv"), text).unwrap();
        let mut text = "inst_id,mark_px,mark_vol,fwd_px\n".to_owned();
        for (inst_id, row) in table("marks") {
            let contract = &instruments[&inst_id];
            let (factor, mark) = (self.factor(&contract["uly"]), number(&row, "mark_px"));
            if contract["inst_type"] != "OPTION" {
                writeln!(text, "{inst_id},{},,", exact(mark * factor)).unwrap();
                continue;
            }
            let (base, quote) = contract["uly"].split_once('-').unwrap();
            let (vol, forward) = (number(&row, "mark_vol"), number(&row, "fwd_px"));
            let (strike, call) = (number(contract, "strike"), contract["opt_type"] == "C");
            let expiry: jiff::Timestamp = contract["expiry"].parse().unwrap();
            let as_of: jiff::Timestamp = SHOCKED[0].as_of.parse().unwrap();
            let years = (expiry.as_second() - as_of.as_second()) as f64 / (365.0 * 86_400.0);
            let settle = &contract["settle_ccy"];
            let (phi, settle_fx) = (fx(quote), fx(settle));
            let (phi_after, settle_after) = (phi * (1.0 + self.usd(quote)), settle_fx * (1.0 + self.usd(settle)));
            let (vol_after, forward_after) = (vol * (1.0 + (self.vol)(base)), forward * factor);
            let value = black(forward, strike, vol, years, call);
            let value_after = black(forward_after, strike, vol_after, years - self.days / 365.0, call);
            let mark_usd = mark * settle_fx + value_after * phi_after - value * phi;
            let mark_after = mark_usd.max(0.0) / settle_after;
            let mark_after = if mark_after < 1e-18 { 0.0 } else { mark_after };
            let [mark, vol, forward] = [mark_after, vol_after, forward_after].map(exact);
            writeln!(text, "{inst_id},{mark},{vol},{forward}").unwrap();
        }
        fs::write(dir.join("marks.csv"), text).unwrap();
    }
}

fn of_scenario(rows: &[Row], scenario: &str) -> Vec<Row> {
    rows.iter().filter(|row| row["scenario"] == scenario).cloned().collect()
}

/// Every figure of two tables agrees to 1e-9 of the row's largest money figure, or 1e-6 USD.
fn assert_close(found: &[Row], expected: &[Row], scales: &[&str], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let parse = |text: &str| text.parse::<f64>().ok();
    for (found, expected) in found.iter().zip(expected) {
        let scale = scales.iter().filter_map(|column| parse(&expected[*column])).fold(1e3, |a: f64, b| a.max(b.abs()));
        for (column, value) in expected {
            // Ties between scenarios that differ by rounding only may go either way.
            if ["scenario", "mr1_price", "mr1_vol", "mr6_price"].contains(&column.as_str()) {
                continue;
            }
            match (parse(value), parse(&found[column])) {
                (Some(expected), Some(found)) => {
                    let tolerance = match column.as_str() {
                        "margin_ratio" | "spot_in_use" => 1e-9 * expected.abs().max(1e-3),
                        _ => 1e-9 * scale,
                    };
                    assert!((found - expected).abs() <= tolerance, "{what} {column}: {found} {expected}");
                }
                _ => assert_eq!(&found[column], value, "{what} {column}: {found:?}"),
            }
        }
    }
}

#[test]
fn every_scenario_is_a_run_on_prices_shocked_by_hand() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    fs::write(dir.join("shocks.csv"), SHOCKS).unwrap();
    let sample = sample().display().to_string();
    let rate = format!("rate={RATE}");
    for unit in ["separate", "merged"] {
        let set = ["--quiet", "--set", &rate, "--set", &format!("risk_unit={unit}")];
        let out = format!("stress-{unit}");
        let stress = ["stress", &sample, "--shocks", "shocks.csv", "--detail", "all", "--out", &out];
        succeeds(dir, &[&stress[..], &set[..]].concat());
        let accounts = rows(&dir.join(&out).join("accounts.parquet"));
        let units = rows(&dir.join(&out).join("risk_units.parquet"));
        assert_eq!(accounts.len(), 5 * 300);
        for shocked in &SHOCKED {
            let (snapshot, run) = (format!("{}-{unit}", shocked.name), format!("run-{}-{unit}", shocked.name));
            shocked.write(&dir.join(&snapshot));
            succeeds(dir, &[&["run", &snapshot, "--out", &run][..], &set[..]].concat());
            let what = format!("{unit} {}", shocked.name);
            let expected = rows(&dir.join(&run).join("accounts.parquet"));
            let scales = ["adj_eq", "total_eq", "upl", "mmr_no_hedge"];
            assert_close(&of_scenario(&accounts, shocked.name), &expected, &scales, &what);
            let expected = rows(&dir.join(&run).join("risk_units.parquet"));
            let scales = ["mmr", "cash_delta", "gamma", "upl"];
            assert_close(&of_scenario(&units, shocked.name), &expected, &scales, &what);
        }
    }
}

#[test]
fn the_base_case_is_the_plain_run_bit_for_bit() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 700, 9.0, 11, "parquet");
    fs::write(dir.join("shocks.csv"), SHOCKS).unwrap();
    let run = ["run", "snapshot", "--quiet", "--distance", "at-risk", "--out"];
    succeeds(dir, &[&run[..], &["plain"]].concat());
    succeeds(dir, &[&run[..], &["with", "--shocks", "shocks.csv"]].concat());
    succeeds(dir, &["stress", "snapshot", "--out", "all", "--shocks", "shocks.csv", "--detail", "all", "--quiet"]);
    succeeds(dir, &["stress", "snapshot", "--out", "some", "--shocks", "shocks.csv", "--quiet"]);
    for table in ["accounts", "risk_units"] {
        let file = format!("{table}.parquet");
        let plain = rows(&dir.join("plain").join(&file));
        for out in ["with", "all"] {
            let stressed = rows(&dir.join(out).join(&file));
            assert_eq!(stressed.len(), 5 * plain.len());
            assert_eq!(of_scenario(&stressed, "base"), plain, "{out} {table}");
        }
        let bytes = |out: &str| fs::read(dir.join(out).join(&file)).unwrap();
        assert!(bytes("with") == bytes("all"), "{table} of a run and of a stress");
    }
    let at_risk = |out: &str| rows(&dir.join(out).join("at_risk.parquet"));
    assert_eq!(of_scenario(&at_risk("some"), "base"), at_risk("plain"));
    assert_eq!(at_risk("some"), at_risk("with"));
    let summary = |out: &str| json(&dir.join(out).join("summary.json"));
    let (mut base, plain) = (summary("some")["base"].clone(), summary("plain"));
    base["scenarios"] = plain["scenarios"].clone();
    assert_eq!(base, plain);
    let mut with = summary("with");
    assert_eq!(with["scenarios"], 5);
    for part in ["totals", "risk_units", "tables"] {
        assert_eq!(with[part].take(), plain[part], "{part}");
    }
}

/// Account by scenario: what a reader of the full tables would work out.
#[test]
fn the_reports_sum_up_the_full_tables() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 900, 9.0, 5, "csv");
    fs::write(dir.join("shocks.csv"), SHOCKS).unwrap();
    succeeds(dir, &["stress", "snapshot", "--out", "out", "--shocks", "shocks.csv", "--detail", "all", "--quiet"]);
    let out = dir.join("out");
    let read = |name: &str| rows(&out.join(format!("{name}.parquet")));
    let (accounts, units) = (read("accounts"), read("risk_units"));
    let figure = |row: &Row, column: &str| row[column].parse::<f64>().unwrap();
    let base = of_scenario(&accounts, "base");
    let names = ["base", "crash", "later", "rally", "calm"];
    let scenarios = read("scenarios");
    assert_eq!(scenarios.iter().map(|row| row["scenario"].as_str()).collect::<Vec<_>>(), names);
    let mut newly = 0;
    for row in &scenarios {
        let name = &row["scenario"];
        let now = of_scenario(&accounts, name);
        for status in ["liquidation", "near_liquidation", "warning", "healthy", "no_risk"] {
            let count = now.iter().filter(|account| account["status"] == status).count();
            assert_eq!(row[status], count.to_string(), "{name} {status}");
            for from in ["liquidation", "near_liquidation", "warning", "healthy", "no_risk"] {
                let moved = base.iter().zip(&now).filter(|(a, b)| a["status"] == from && b["status"] == status).count();
                let migration = read("migration");
                let found = migration
                    .iter()
                    .find(|row| &row["scenario"] == name && row["base_status"] == from && row["status"] == status);
                assert_eq!(found.map_or("0", |row| row["accounts"].as_str()), moved.to_string(), "{name} {from}");
            }
        }
        let into = |(a, b): &(&Row, &Row)| a["status"] != "liquidation" && b["status"] == "liquidation";
        let breached = base.iter().zip(&now).filter(into).count();
        newly += breached;
        assert_eq!(row["newly_liquidation"], breached.to_string());
        let close = |column: &str, expected: f64| {
            let found = figure(row, column);
            assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{name} {column}: {found} {expected}");
        };
        for column in ["adj_eq", "total_eq", "upl", "mmr", "imr", "mmr_no_hedge", "liquidation_fee"] {
            close(column, now.iter().map(|account| figure(account, column)).sum());
        }
        let saving = now.iter().map(|account| figure(account, "mmr_no_hedge") - figure(account, "mmr")).sum();
        close("hedge_saving_mmr", saving);
        let mut shortfalls: Vec<f64> = now.iter().map(|account| (-figure(account, "total_eq")).max(0.0)).collect();
        shortfalls.sort_by(|a, b| b.total_cmp(a));
        close("shortfall", shortfalls.iter().sum());
        close("largest_ten_shortfall", shortfalls[..10].iter().sum());
        let hedged: Vec<Row> = of_scenario(&read("hedges"), name);
        let spot: f64 = hedged.iter().map(|row| figure(row, "spot_in_use")).sum();
        let of_units = of_scenario(&units, name).iter().map(|unit| figure(unit, "spot_in_use").abs()).sum::<f64>();
        assert!((spot - of_units).abs() <= 1e-9 * spot.abs(), "{name}: {spot} {of_units}");
    }
    assert!(newly > 5, "the scenarios breach somebody: {newly}");
    for (place, worst) in read("worst").iter().enumerate() {
        let mut own: Vec<&Row> = accounts.iter().skip(place * 5).take(5).collect();
        let liquidations = own.iter().filter(|row| row["status"] == "liquidation").count();
        assert_eq!(worst["scenarios_in_liquidation"], liquidations.to_string());
        own.sort_by(|a, b| {
            let key = |row: &Row| (row["margin_ratio"].is_empty(), row["margin_ratio"].parse().unwrap_or(0.0));
            let ((none_a, ratio_a), (none_b, ratio_b)): ((bool, f64), (bool, f64)) = (key(a), key(b));
            let by_equity = figure(a, "adj_eq").total_cmp(&figure(b, "adj_eq"));
            none_a.cmp(&none_b).then(if none_a { by_equity } else { ratio_a.total_cmp(&ratio_b) })
        });
        for column in ["account_id", "scenario", "margin_ratio", "status", "mmr", "total_eq"] {
            assert_eq!(worst[column], own[0][column], "{column}");
        }
    }
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 400, 8.0, 3, "parquet");
    let mut expected = BTreeMap::new();
    for threads in ["1", "2", "5"] {
        for detail in ["all", "at-risk"] {
            let out = format!("{detail}-{threads}");
            let scenarios = ["--preset", "crypto-historical", "--grid", "*=-50%..50%/10%", "--scenario", "days 2"];
            let stress = ["stress", "snapshot", "--quiet", "--threads", threads, "--detail", detail, "--out", &out];
            succeeds(dir, &[&stress[..], &scenarios[..]].concat());
            let mut found = files(&dir.join(&out));
            found.remove("manifest.json");
            assert!(found.len() >= 8, "{:?}", found.keys());
            let expected = expected.entry(detail).or_insert_with(|| found.clone());
            assert!(*expected == found, "{out}");
        }
    }
    let (all, some) = (&expected["all"], &expected["at-risk"]);
    // The page lists the files, and there are more.
    let mut tables = some.iter().filter(|(name, _)| *name != "report.html");
    assert!(tables.all(|(name, bytes)| all[name] == *bytes), "detail adds tables and changes none");
}

#[test]
fn an_option_that_expires_counts_in_equity_only() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("snapshot");
    fs::create_dir(&dir).unwrap();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    write("snapshot.toml", "version = 1\nas_of = 2026-01-15T08:00:00Z\n");
    write(
        "instruments.csv",
        "inst_id,inst_type,uly,settle_ccy,ct_type,ct_val,ct_mult,expiry,strike,opt_type
BTC-USD-260117-90000-C,OPTION,BTC-USD,BTC,inverse,1,0.01,2026-01-17T08:00:00Z,90000,C
BTC-USD-260117,FUTURES,BTC-USD,BTC,inverse,100,1,2026-01-17T08:00:00Z,,\n",
    );
    write(
        "marks.csv",
        "inst_id,mark_px,mark_vol,fwd_px\nBTC-USD-260117-90000-C,0.1,0.5,100000\nBTC-USD-260117,100000,,\n",
    );
    write("indices.csv", "index_id,px\nBTC-USD,100000\n");
    write(
        "positions.csv",
        "account_id,inst_id,qty,avg_px\na,BTC-USD-260117-90000-C,-100,0.1\nb,BTC-USD-260117,10,100000\n",
    );
    write("balances.csv", "account_id,ccy,cash\na,BTC,1\nb,BTC,1\n");
    write("shocks.csv", "scenario,base,price,vol,fx_ccy,fx,days\nexpiry,BTC,0.2,,,,2\n");
    succeeds(place.path(), &["stress", "snapshot", "--out", "out", "--detail", "all", "--quiet"]);
    let out = place.path().join("out");
    let units = of_scenario(&rows(&out.join("risk_units.parquet")), "expiry");
    assert_eq!(units.iter().map(|unit| unit["account_id"].as_str()).collect::<Vec<_>>(), ["a", "b"]);
    for column in ["mr1", "mr2", "mr4", "mr5", "mr7", "mmr", "cash_delta", "gamma", "vega", "theta", "spot_in_use"] {
        assert_eq!(units[0][column], "0.0", "{column}");
    }
    // The future keeps its bucket at `T = 0`: 1000 USD of face at the floor of MR4.
    assert!(units[1]["mr4"].parse::<f64>().unwrap() > 0.0);
    let account = &of_scenario(&rows(&out.join("accounts.parquet")), "expiry")[0];
    let years = 2.0 / 365.0;
    let discount = (RATE * years).exp();
    let was = black(100_000.0, 90_000.0, 0.5, years, true) * discount;
    let mark_usd = 0.1 * 100_000.0 + (120_000.0 - 90_000.0) - was;
    let equity = 120_000.0 - mark_usd;
    let found: f64 = account["total_eq"].parse().unwrap();
    assert!((found - equity).abs() < 1e-6, "{found} {equity}");
    assert_eq!((account["mmr"].as_str(), account["status"].as_str()), ("0.0", "no_risk"));
}

#[test]
fn broken_scenario_tables_are_refused_with_their_place() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let sample = sample().display().to_string();
    let header = "scenario,base,price,vol,fx_ccy,fx,days\n";
    for (body, says) in [
        ("a,BTC,-0.1,,,,\na,XYZZY,-0.1,,,,\n", &["unknown currency", "`base`", "row 2", "XYZZY"][..]),
        ("a,,,,XYZZY,-0.1,\n", &["unknown currency", "`fx_ccy`", "row 1", "XYZZY"]),
        ("a,BTC,-1,,,,\n", &["an impossible price", "`price`", "row 1", "-1", "-100 %"]),
        ("a,BTC,,-1.5,,,\n", &["an impossible price", "`vol`", "-1.5"]),
        ("a,,,,USDT,-2,\n", &["an impossible price", "`fx`", "-2"]),
        ("a,BTC,-0.1,,,,\nb,BTC,-0.1,,,,\na,BTC,-0.1,,,,\n", &["duplicate row", "`base`", "row 3", "BTC"]),
        ("a,,,,USDT,-0.1,\na,,,,USDT,-0.1,\n", &["duplicate row", "`fx_ccy`", "row 2", "USDT"]),
        ("a,BTC,-0.1,,USDT,-0.1,\na,ETH,,,USDT,-0.2,\n", &["contradicts", "`fx`", "row 2", "-0.2"]),
        ("a,BTC,-0.1,,,,1\na,ETH,-0.1,,,,2\n", &["contradicts", "`days`", "row 2", "2"]),
        ("a,BTC,-0.1,,,,-1\n", &["days", "row 1", "-1", "from 0"]),
        ("a,USDT,-0.1,,,,\n", &["moves by `fx`", "`base`", "USDT"]),
        ("a,,,,BTC,-0.1,\n", &["cannot move by `fx`", "BTC"]),
        ("a,BTC,ten,,,,\n", &["not a number", "`price`", "row 1", "ten"]),
        (",BTC,-0.1,,,,\n", &["missing `scenario`", "row 1"]),
        ("a,,-0.1,,,,\n", &["missing `base`", "row 1"]),
        ("a,,,,USDT,,\n", &["missing `fx`", "row 1"]),
        ("a,,,,,0.1,\n", &["missing `fx_ccy`", "row 1"]),
        ("base,BTC,-0.1,,,,\n", &["`base` moves something", "row 1"]),
    ] {
        fs::write(dir.join("shocks.csv"), format!("{header}{body}")).unwrap();
        for command in ["stress", "run"] {
            let outcome = remargin(dir, &[command, &sample, "--out", "out", "--shocks", "shocks.csv"]);
            assert_eq!(outcome.code, Some(3), "{body}{}", outcome.stderr);
            for part in says.iter().chain(&["shocks.csv"]) {
                assert!(outcome.stderr.contains(part), "{body}`{part}` is missing in:\n{}", outcome.stderr);
            }
            assert!(!dir.join("out").exists());
        }
    }
    fs::write(dir.join("shocks.csv"), "name,base\na,BTC\n").unwrap();
    let outcome = remargin(dir, &["stress", &sample, "--out", "out", "--shocks", "shocks.csv"]);
    assert!(outcome.code == Some(3) && outcome.stderr.contains("`scenario`"), "{}", outcome.stderr);
    fs::write(dir.join("shocks.csv"), format!("{header}BTC -1%,BTC,-0.01,,,,\n")).unwrap();
    let twice = ["stress", &sample, "--out", "out", "--shocks", "shocks.csv", "--grid", "BTC=-1%..0%/1%"];
    let outcome = remargin(dir, &twice);
    assert!(outcome.code == Some(3) && outcome.stderr.contains("BTC -1%"), "{}", outcome.stderr);
    let unknown = ["stress", &sample, "--out", "out", "--scenario", "XYZZY=-1%"];
    assert_eq!(remargin(dir, &unknown).code, Some(3));
}

#[test]
fn the_table_in_the_snapshot_serves_a_stress_and_not_a_run() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 40, 5.0, 9, "csv");
    fs::write(dir.join("snapshot/shocks.csv"), SHOCKS).unwrap();
    let outcome = succeeds(dir, &["run", "snapshot", "--out", "run"]);
    assert!(outcome.stderr.contains("shocks.csv` is not used"), "{}", outcome.stderr);
    assert_eq!(rows(&dir.join("run/accounts.parquet")).len(), 40);
    succeeds(dir, &["stress", "snapshot", "--out", "stress", "--quiet", "--detail", "none", "--format", "csv"]);
    let scenarios = fs::read_to_string(dir.join("stress/scenarios.csv")).unwrap();
    assert_eq!(scenarios.lines().count(), 6);
    assert!(!dir.join("stress/at_risk.csv").exists());
    let manifest = json(&dir.join("stress/manifest.json"));
    let inputs = manifest["inputs"].as_array().unwrap();
    assert!(inputs.iter().any(|input| input["path"] == "shocks.csv" && input["rows"] == 7), "{inputs:?}");
}
