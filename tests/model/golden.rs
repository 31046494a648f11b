//! The exchange's published figures, through the whole path: a snapshot on disk, the loader, the kernel.
//!
//! Every expected number is read from `data/golden/*.json`.

use remargin::engine::{chunk, price};
use remargin::margin::stress::Components;
use remargin::margin::tiers::Tiers;
use remargin::margin::{AccountMargin, UnitMargin};
use remargin::progress::Silent;
use remargin::rules::{BUILT_IN_NAME, load as load_rules};
use remargin::snapshot::{Expectations, LoadOptions, load};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A snapshot in the making: the text of its tables.
pub(super) struct Tables {
    as_of: &'static str,
    pub(super) instruments: String,
    pub(super) marks: String,
    indices: String,
    positions: String,
    balances: String,
}

impl Tables {
    pub(super) fn new(as_of: &'static str) -> Self {
        Self {
            as_of,
            instruments: "inst_id,inst_type,uly,settle_ccy,ct_type,ct_val,ct_mult,expiry,strike,opt_type\n".to_string(),
            marks: "inst_id,mark_px,mark_vol,fwd_px\n".to_string(),
            indices: "index_id,px\n".to_string(),
            positions: "account_id,inst_id,qty,avg_px\n".to_string(),
            balances: "account_id,ccy,cash\n".to_string(),
        }
    }

    pub(super) fn index(&mut self, index_id: &str, px: &str) {
        writeln!(self.indices, "{index_id},{px}").unwrap();
    }

    pub(super) fn swap(&mut self, inst_id: &str, settle: &str, kind: &str, ct_val: &str, mark: &str) {
        let uly = inst_id.trim_end_matches("-SWAP");
        writeln!(self.instruments, "{inst_id},SWAP,{uly},{settle},{kind},{ct_val},1,,,").unwrap();
        writeln!(self.marks, "{inst_id},{mark},,").unwrap();
    }

    pub(super) fn position(&mut self, inst_id: &str, qty: &str, avg_px: &str) {
        writeln!(self.positions, "a,{inst_id},{qty},{avg_px}").unwrap();
    }

    pub(super) fn balance(&mut self, ccy: &str, cash: &str) {
        writeln!(self.balances, "a,{ccy},{cash}").unwrap();
    }

    fn write(&self, dir: &Path) {
        fs::write(dir.join("snapshot.toml"), format!("as_of = {}\nversion = 1\n", self.as_of)).unwrap();
        for (name, text) in [
            ("instruments", &self.instruments),
            ("marks", &self.marks),
            ("indices", &self.indices),
            ("positions", &self.positions),
            ("balances", &self.balances),
        ] {
            fs::write(dir.join(format!("{name}.csv")), text).unwrap();
        }
    }

    /// The margin of the one account, with its units by name.
    pub(super) fn margin(&self, set: &[&str]) -> (AccountMargin, Vec<(String, UnitMargin)>) {
        self.margin_under(BUILT_IN_NAME, set)
    }

    /// The same under a built-in set of rules.
    pub(super) fn margin_under(&self, rules: &str, set: &[&str]) -> (AccountMargin, Vec<(String, UnitMargin)>) {
        let dir = tempfile::tempdir().unwrap();
        self.write(dir.path());
        let set: Vec<String> = set.iter().map(|pair| (*pair).to_string()).collect();
        let rules = load_rules(Some(Path::new(rules)), &set).unwrap().rules;
        let options = LoadOptions {
            default_spot_offset: rules.default_spot_offset,
            expectations: &Expectations::NONE,
            progress: &Silent,
        };
        let snapshot = load(dir.path(), &options).unwrap();
        assert!(snapshot.rejects.is_empty(), "{:?}", snapshot.rejects);
        assert_eq!(snapshot.book.len(), 1);
        let priced = price(&snapshot.market, &rules);
        let result = chunk(&priced, &snapshot.book, 0..1).unwrap();
        let units = result.units.iter().map(|unit| (priced.units[unit.unit as usize].name.clone(), *unit)).collect();
        (result.accounts[0], units)
    }
}

pub(super) fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/golden").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

pub(super) fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number `{key}` in {value}"))
}

pub(super) fn close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{what}: {found} against {expected}");
}

pub(super) fn within(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} against {expected} within {tolerance}");
}

fn tiers_of(rows: &Value) -> Tiers {
    let bound = |value: &Value| value.as_f64().unwrap_or(f64::INFINITY);
    let rows = rows.as_array().unwrap().iter().map(|row| (bound(&row[0]), row[1].as_f64().unwrap())).collect();
    Tiers::new(rows).unwrap()
}

/// A tier table of a golden file as `--set` takes it.
fn tiers_as_toml(key: &str, rows: &Value) -> String {
    format!("{key}={rows}")
}

fn component(unit: &UnitMargin, name: &str) -> f64 {
    match name {
        "mr1" => unit.mr1,
        "mr1_price" => unit.mr1_price,
        "mr2" => unit.mr2,
        "mr3" => unit.mr3,
        "mr4" => unit.mr4,
        "mr5" => unit.mr5,
        "mr6" => unit.mr6,
        "mr6_price" => unit.mr6_price,
        "mr7" => unit.mr7,
        "mr9" => unit.mr9,
        "mmr" => unit.mmr,
        "imr" => unit.imr,
        "cash_delta" => unit.cash_delta,
        "upl" => unit.upl,
        "spot_in_use" => unit.spot_in_use,
        other => panic!("unknown component `{other}`"),
    }
}

#[test]
fn position_builder_2025() {
    let case = golden("position-builder-2025-01.json");
    let mut tables = Tables::new("2025-01-15T10:26:41.642Z");
    assert_eq!(text(&case, "as_of"), tables.as_of);
    for (index_id, px) in case["indices"].as_object().unwrap() {
        tables.index(index_id, &px.to_string());
    }
    for row in case["instruments"].as_array().unwrap() {
        let (id, settle, kind) = (text(row, "inst_id"), text(row, "settle_ccy"), text(row, "ct_type"));
        tables.swap(id, settle, kind, text(row, "ct_val"), text(row, "mark_px"));
    }
    for row in case["positions"].as_array().unwrap() {
        tables.position(text(row, "inst_id"), text(row, "qty"), text(row, "avg_px"));
    }
    for row in case["balances"].as_array().unwrap() {
        tables.balance(text(row, "ccy"), text(row, "cash"));
    }
    let (account, units) = tables.margin(&["risk_unit=merged"]);
    let expected = &case["expected"];
    for (what, found) in [
        ("adj_eq", account.adj_eq),
        ("mmr", account.mmr),
        ("imr", account.imr),
        ("deriv_mmr", account.deriv_mmr),
        ("borrow_mmr", account.borrow_mmr),
        ("borrow_imr", account.borrow_imr),
        ("margin_ratio", account.margin_ratio.unwrap()),
        ("upl", account.upl),
    ] {
        close(found, number(expected, what), what);
    }
    assert_eq!(units.len(), expected["units"].as_object().unwrap().len());
    for (name, unit) in &units {
        for (what, figure) in expected["units"][name].as_object().unwrap() {
            match figure {
                Value::Number(figure) => {
                    close(component(unit, what), figure.as_f64().unwrap(), &format!("{name} {what}"));
                }
                Value::String(state) => assert_eq!(unit.mr1_vol.name(), state, "{name} {what}"),
                _ => assert_eq!(what, "mr1_grid_vol_same"),
            }
        }
    }
}

#[test]
fn spot_hedge_2024() {
    let case = golden("spot-hedge-2024-06.json");
    let position = &case["positions"][0];
    for rules in case["cases"].as_array().unwrap() {
        let mark = rules["mark_px"].to_string();
        let mut tables = Tables::new("2024-06-05T00:00:00Z");
        tables.index("BTC-USDT", &mark);
        tables.index("USDT-USD", "1");
        tables.swap(text(position, "inst_id"), "USDT", "linear", text(position, "ct_val"), &mark);
        tables.position(text(position, "inst_id"), text(position, "qty"), &mark);
        tables.balance(text(&case["balances"][0], "ccy"), text(&case["balances"][0], "cash"));
        let mut set = vec!["risk_unit=separate", "mr7.delta_one.major=0.0045", "mr7.tiers.major=[[\"inf\",1]]"];
        match text(rules, "rules") {
            "before" => set.extend(["mr4.floor.major=0", "mr4.annualized.major=0"]),
            "after" => set.push("mr4.floor.major=0.012"),
            other => panic!("unknown rules `{other}`"),
        }
        let (account, units) = tables.margin(&set);
        let [(name, unit)] = &units[..] else { panic!("{units:?}") };
        assert_eq!(name, "BTC-USDT");
        for (what, figure) in rules["expected"].as_object().unwrap() {
            let expected = figure.as_f64().unwrap();
            if expected == 0.0 || what == "spot_in_use" {
                assert_eq!(component(unit, what), expected, "{what}");
            } else {
                within(component(unit, what), expected, number(rules, "tolerance_abs"), what);
            }
        }
        assert!(account.mmr_no_hedge > 8.0 * account.mmr, "hedging off leaves the whole MR1");
    }
}

#[test]
fn option_2022() {
    let case = golden("option-2022-03.json");
    let (given, expected) = (&case["given"], &case["expected"]);
    let components = Components {
        mr1: number(given, "mr1"),
        mr2: number(given, "mr2"),
        mr3: number(given, "mr3"),
        mr4: number(given, "mr4"),
        mr5: number(given, "mr5"),
        mr6: number(given, "mr6"),
        mr7: number(given, "mr7"),
        mr9: number(given, "mr9"),
    };
    close(components.combined(), number(expected, "mmr"), "mmr");

    let mut tables = Tables::new("2022-03-07T07:51:37Z");
    tables.index("BTC-USD", "37829.80");
    let id = "BTC-USD-220325-50000-C";
    writeln!(tables.instruments, "{id},OPTION,BTC-USD,BTC,,0.1,1,2022-03-25T08:00:00Z,50000,C").unwrap();
    writeln!(tables.marks, "{id},0.0042,0.72,37900").unwrap();
    tables.position(id, "-1", "0.005");
    tables.balance("BTC", "1");
    let (_, units) = tables.margin(&[]);
    let unit = &units[0].1;
    close(unit.mr7 / 37829.80, number(expected, "mr7"), "mr7 in BTC");
    close(components.combined() * (unit.imr / unit.mmr), number(expected, "imr"), "imr");
}

#[test]
fn mr9_tiers_2024() {
    let case = golden("mr9-tiers-2024-11.json");
    let set = tiers_as_toml("mr9.tiers", &case["tiers"]);
    for row in case["cases"].as_array().unwrap() {
        let (hedged, expected) = (number(row, "hedged_usd"), number(row, "mr9"));
        close(tiers_of(&case["tiers"]).apply(hedged), expected, "tiers");

        let mut tables = Tables::new("2025-02-01T00:00:00Z");
        tables.index("BTC-USDT", "100000");
        tables.index("BTC-USD", "100000");
        tables.index("USDT-USD", "1");
        tables.swap("BTC-USDT-SWAP", "USDT", "linear", "0.01", "100000");
        tables.swap("BTC-USD-SWAP", "BTC", "inverse", "100", "100000");
        tables.position("BTC-USDT-SWAP", &(hedged / 1000.0).to_string(), "100000");
        tables.position("BTC-USD-SWAP", &(-hedged / 100.0).to_string(), "100000");
        tables.balance("USDT", "1000000");
        let (_, units) = tables.margin(&["risk_unit=merged", &set]);
        close(units[0].1.mr9, expected, "mr9");
        let (_, separate) = tables.margin(&[&set]);
        assert!(separate.len() == 2 && separate.iter().all(|(_, unit)| unit.mr9 == 0.0));
    }
}

#[test]
fn mr7_tiers_2021() {
    let case = golden("mr7-tiers-2021.json");
    let set = tiers_as_toml("mr7.tiers.major", &case["tiers"]);
    for row in case["cases"].as_array().unwrap() {
        let (raw, expected) = (number(row, "mr7_raw"), number(row, "mr7"));
        close(tiers_of(&case["tiers"]).apply(raw), expected, "tiers");
        assert_eq!(number(row, "mr").max(expected), number(row, "mmr"));

        // A long and a short of one size, 15,000,000 USD each: MR7 sees both, the other components none.
        let mut tables = Tables::new("2025-02-01T00:00:00Z");
        tables.index("BTC-USDT", "100000");
        tables.index("USDT-USD", "1");
        tables.swap("BTC-USDT-SWAP", "USDT", "linear", "0.01", "100000");
        for side in ["15000", "-15000"] {
            tables.position("BTC-USDT-SWAP", side, "100000");
        }
        tables.balance("USDT", "1000000");
        let delta_one = format!("mr7.delta_one.major={}", raw / 30_000_000.0);
        let (_, units) = tables.margin(&[&set, &delta_one]);
        close(units[0].1.mr7, expected, "mr7");
        assert_eq!((units[0].1.mr1, units[0].1.mr4), (0.0, 0.0));
        close(units[0].1.mmr, expected, "mmr");
    }
}
