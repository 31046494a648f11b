//! `remargin explain` beside `remargin run`: the same figures, bit for bit, and steps that add up.

use crate::common::e2e::{Row, exact, generate, remargin, rows, succeeds};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Columns of `accounts` under `totals`.
const TOTALS: [&str; 16] = [
    "adj_eq",
    "total_eq",
    "upl",
    "mmr",
    "imr",
    "deriv_mmr",
    "borrow_mmr",
    "borrow_imr",
    "liquidation_fee",
    "margin_ratio",
    "status",
    "im_deficit",
    "ineligible",
    "mmr_no_hedge",
    "imr_no_hedge",
    "order_imr",
];

/// Columns of `risk_units` and where they stand in a unit.
const UNIT: [(&str, &str); 20] = [
    ("risk_unit", "/risk_unit"),
    ("mr1", "/mr1/charge"),
    ("mr1_price", "/mr1/worst_price"),
    ("mr1_vol", "/mr1/worst_vol"),
    ("mr2", "/mr2/charge"),
    ("mr3", "/mr3/charge"),
    ("mr4", "/mr4/charge"),
    ("mr5", "/mr5/charge"),
    ("mr6", "/mr6/charge"),
    ("mr6_price", "/mr6/worst_price"),
    ("mr7", "/mr7/charge"),
    ("mr9", "/mr9/charge"),
    ("mmr", "/mmr"),
    ("imr", "/imr"),
    ("cash_delta", "/cash_delta"),
    ("gamma", "/gamma"),
    ("vega", "/vega"),
    ("theta", "/theta"),
    ("spot_in_use", "/spot/spot_in_use_coin"),
    ("upl", "/upl"),
];

/// A run, account by account.
struct Book {
    place: TempDir,
    accounts: Vec<Row>,
    units: BTreeMap<String, Vec<Row>>,
    flags: &'static [&'static str],
}

impl Book {
    fn new(flags: &'static [&'static str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        generate(place.path(), 1500, 10.0, 12, "parquet");
        succeeds(place.path(), &[&["run", "snapshot", "--out", "out", "--quiet"], flags].concat());
        let mut units: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in rows(&place.path().join("out/risk_units.parquet")) {
            units.entry(row["account_id"].clone()).or_default().push(row);
        }
        let accounts = rows(&place.path().join("out/accounts.parquet"));
        Self { place, accounts, units, flags }
    }

    fn units_of(&self, account: &Row) -> &[Row] {
        self.units.get(&account["account_id"]).map_or(&[], Vec::as_slice)
    }

    fn explain(&self, account: &str, flags: &[&str]) -> String {
        let args = [&["explain", "snapshot", "--account", account], flags, self.flags].concat();
        succeeds(self.place.path(), &args).stdout
    }

    /// The first account of a kind.
    fn first(&self, kind: &str, is: IsKind) -> &Row {
        let mut accounts = self.accounts.iter();
        accounts.find(|account| is(account, self.units_of(account))).unwrap_or_else(|| panic!("no account: {kind}"))
    }
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap()
}

/// A JSON value as a cell of [`Row`].
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => exact(number.as_f64().unwrap()),
        other => panic!("not a cell: {other}"),
    }
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("no `{pointer}` in {value:#}"))
}

fn figure(value: &Value, pointer: &str) -> f64 {
    at(value, pointer).as_f64().unwrap_or_else(|| panic!("`{pointer}` is no number in {value:#}"))
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer).as_array().unwrap_or_else(|| panic!("`{pointer}` is no list in {value:#}"))
}

fn figures(value: &Value, pointer: &str) -> Vec<f64> {
    list(value, pointer).iter().map(|value| value.as_f64().unwrap()).collect()
}

fn sum(values: &[Value], pointer: &str) -> f64 {
    values.iter().map(|value| figure(value, pointer)).sum()
}

/// Equal but for the rounding of sums, on the scale of what was summed.
fn assert_close(found: f64, expected: f64, scale: f64, what: &str) {
    assert!((found - expected).abs() <= 1e-12 * scale.abs().max(1.0), "{what}: {found:?}, expected {expected:?}");
}

/// Whether an account and its units are of a kind.
type IsKind<'a> = &'a dyn Fn(&Row, &[Row]) -> bool;

/// Accounts that between them show every part of the model.
fn chosen(book: &Book) -> Vec<&Row> {
    let any = |units: &[Row], is: &dyn Fn(&Row) -> bool| units.iter().any(is);
    let stressed = |unit: &Row| number(unit, "mmr") > number(unit, "mr7");
    let kinds: [(&str, IsKind); 11] = [
        ("no positions", &|_, units| units.is_empty()),
        ("options", &|_, units| any(units, &|unit| number(unit, "gamma") != 0.0 && number(unit, "mr3") > 0.0)),
        ("many units", &|_, units| units.len() >= 4),
        ("spot long", &|_, units| any(units, &|unit| number(unit, "spot_in_use") > 0.0)),
        ("spot short", &|_, units| any(units, &|unit| number(unit, "spot_in_use") < 0.0)),
        ("borrower", &|account, _| number(account, "borrow_mmr") > 0.0),
        ("liquidation", &|account, _| account["status"] == "liquidation"),
        ("deficit", &|account, _| account["im_deficit"] == "true" && account["status"] != "liquidation"),
        ("mr6 binds", &|_, units| any(units, &|unit| stressed(unit) && number(unit, "mr6") > number(unit, "mr1"))),
        ("mr7 binds", &|_, units| any(units, &|unit| !stressed(unit) && number(unit, "mmr") > 0.0)),
        ("coin-margined", &|_, units| {
            any(units, &|unit| unit["risk_unit"].ends_with("-USD") || !unit["risk_unit"].contains('-'))
        }),
    ];
    let mut chosen: Vec<&Row> = kinds.iter().map(|(kind, is)| book.first(kind, is)).collect();
    chosen.dedup();
    chosen
}

fn check_figures(explanation: &Value, account: &Row, units: &[Row]) {
    assert_eq!(explanation["account_id"], account["account_id"]);
    for column in TOTALS {
        assert_eq!(cell(at(explanation, &format!("/totals/{column}"))), account[column], "{column}");
    }
    let steps = list(explanation, "/units");
    assert_eq!(steps.len(), units.len());
    for (step, unit) in steps.iter().zip(units) {
        for (column, pointer) in UNIT {
            assert_eq!(cell(at(step, pointer)), unit[column], "{} {column}", unit["risk_unit"]);
        }
    }
}

fn check_equity(explanation: &Value) {
    let currencies = list(explanation, "/currencies");
    assert!(!currencies.is_empty());
    for step in currencies {
        let ccy = step["ccy"].as_str().unwrap();
        let parts = ["cash", "upl", "option_value"].map(|part| figure(step, &format!("/{part}")));
        let gross = parts.iter().map(|part| part.abs()).sum();
        let equity = figure(step, "/equity");
        assert_close(equity, parts.iter().sum(), gross, ccy);
        let tiers = list(step, "/discount");
        assert_eq!(tiers.is_empty(), equity <= 0.0, "{ccy}");
        assert_eq!(step["borrowing"].is_null(), equity >= 0.0, "{ccy}");
        if equity == 0.0 {
            continue;
        }
        let fx = figure(step, "/fx_usd");
        assert_close(figure(step, "/total_usd"), equity * fx, equity * fx, ccy);
        if equity > 0.0 {
            for tier in tiers {
                let counted = figure(tier, "/amount") * figure(tier, "/rate");
                assert_close(figure(tier, "/counted"), counted, counted, ccy);
            }
            assert_close(sum(tiers, "/amount"), equity, equity, ccy);
            assert_close(figure(step, "/adjusted_usd"), sum(tiers, "/counted") * fx, equity * fx, ccy);
        } else {
            assert_eq!(figure(step, "/adjusted_usd"), figure(step, "/total_usd"), "{ccy}");
            assert_eq!(figure(step, "/borrowing/liability"), -equity, "{ccy}");
            let charge = -equity * fx * figure(step, "/borrowing/mmr_rate");
            assert_close(figure(step, "/borrowing/mmr_usd"), charge, charge, ccy);
        }
    }
    let gross: f64 = currencies.iter().map(|step| figure(step, "/total_usd").abs()).sum();
    assert_close(figure(explanation, "/totals/adj_eq"), sum(currencies, "/adjusted_usd"), gross, "adj_eq");
    assert_close(figure(explanation, "/totals/total_eq"), sum(currencies, "/total_usd"), gross, "total_eq");
    let borrowing: Vec<Value> =
        currencies.iter().map(|step| step["borrowing"].clone()).filter(|step| !step.is_null()).collect();
    let borrow_mmr = figure(explanation, "/totals/borrow_mmr");
    assert_close(borrow_mmr, sum(&borrowing, "/mmr_usd"), borrow_mmr, "borrow_mmr");
}

fn check_unit(step: &Value) {
    let name = step["risk_unit"].as_str().unwrap();
    let charges = ["mr1", "mr2", "mr3", "mr4", "mr5", "mr6", "mr7", "mr9"];
    let [mr1, mr2, mr3, mr4, mr5, mr6, mr7, mr9] = charges.map(|part| figure(step, &format!("/{part}/charge")));

    let grid = ["up", "same", "down"].map(|state| (state, figures(step, &format!("/mr1/{state}"))));
    let moves = figures(step, "/mr1/moves");
    assert_eq!(moves.len(), 7, "{name}");
    assert!(grid.iter().all(|(_, pnl)| pnl.len() == 7), "{name}");
    let worst = grid.iter().flat_map(|(_, pnl)| pnl).copied().fold(f64::INFINITY, f64::min);
    assert_eq!(mr1, (-worst).max(0.0), "{name}: the grid's worst is MR1");
    let place = moves.iter().position(|&price| price == figure(step, "/mr1/worst_price")).unwrap();
    let (_, row) = grid.iter().find(|(state, _)| step["mr1"]["worst_vol"] == *state).unwrap();
    assert_eq!(row[place], worst, "{name}: and stands where the scenario says");

    let pairs = list(step, "/mr9/pairs");
    let offset = figure(step, "/mr3/offset") * figure(step, "/mr3/rate");
    let extreme = figure(step, "/mr6/share") * (-figure(step, "/mr6/fall").min(figure(step, "/mr6/rise"))).max(0.0);
    let rates = (-figure(step, "/mr5/up").min(figure(step, "/mr5/down"))).max(0.0);
    for (part, charge, again) in [
        ("mr2", mr2, (-figure(step, "/mr2/pnl")).max(0.0)),
        ("mr3", mr3, offset),
        ("mr4", mr4, sum(list(step, "/mr4/expiries"), "/charge")),
        ("mr5", mr5, rates),
        ("mr6", mr6, extreme),
        ("mr7", mr7, sum(list(step, "/mr7/tiers"), "/counted")),
        ("mr9", mr9, sum(pairs, "/charge")),
    ] {
        assert_close(charge, again, again, &format!("{name} {part}"));
    }
    let stress = mr1.max(mr2).max(mr6);
    let mmr = (stress + mr3 + mr4 + mr5 + mr9).max(mr7);
    assert_close(figure(step, "/mmr"), mmr, mmr, name);
    match step["binding"].as_str() {
        None => assert_eq!(mmr, 0.0, "{name}"),
        Some("mr7") => assert_eq!(mmr, mr7, "{name}"),
        // With a minimum charge as large as all others together, the tables say that it binds.
        _ if mmr <= mr7 => panic!("{name}: the minimum charge binds"),
        Some("mr1") => assert_eq!(stress, mr1, "{name}"),
        Some("mr2") => assert_eq!(stress, mr2, "{name}"),
        Some("mr6") => assert_eq!(stress, mr6, "{name}"),
        Some(other) => panic!("{name}: `{other}` binds"),
    }
    check_positions(step, name);
}

fn check_positions(step: &Value, name: &str) {
    let positions = list(step, "/positions");
    assert!(!positions.is_empty(), "{name}");
    let gross = |pointer: &str| positions.iter().map(|row| figure(row, pointer).abs()).sum::<f64>();
    let cash_delta = figure(step, "/cash_delta");
    assert_close(cash_delta, sum(positions, "/cash_delta"), gross("/cash_delta"), name);
    assert_close(figure(step, "/spot/delta_coin"), sum(positions, "/delta_coin"), gross("/delta_coin"), name);
    assert_close(figure(step, "/mr7/raw"), sum(positions, "/mr7_raw"), gross("/mr7_raw"), name);

    let spot = figure(step, "/spot/spot_in_use_coin");
    let (equity, delta) = (figure(step, "/spot/equity_coin"), figure(step, "/spot/delta_coin"));
    if spot != 0.0 {
        assert_eq!(step["spot"]["hedges_this_unit"], true, "{name}");
        let cap = step["spot"]["cap_coin"].as_f64().unwrap_or(f64::INFINITY);
        assert_eq!(spot, equity.signum() * equity.abs().min(delta.abs()).min(cap), "{name}");
        assert!(equity * delta < 0.0, "{name}");
    }
}

/// A figure as the text shows it: cents, thousands apart.
fn cents(amount: f64) -> String {
    let text = format!("{:.2}", amount.abs());
    let (whole, fraction) = text.split_once('.').unwrap();
    let digits: Vec<char> = whole.chars().rev().collect();
    let groups: Vec<String> = digits.chunks(3).map(|group| group.iter().collect()).collect();
    let whole: String = groups.join(",").chars().rev().collect();
    if amount < 0.0 && text != "0.00" { format!("-{whole}.{fraction}") } else { format!("{whole}.{fraction}") }
}

fn check_text(text: &str, explanation: &Value, account: &Row, units: &[Row]) {
    let mut sections = vec![
        format!("Account {}", account["account_id"]),
        format!(
            "risk units {}, spot hedging mode {}",
            cell(&explanation["risk_unit"]),
            cell(&explanation["spot_offset"])
        ),
        "1. Equity".to_owned(),
    ];
    for (unit, section) in units.iter().zip(2..) {
        sections.push(format!("\n{section}. Risk unit {}", unit["risk_unit"]));
        sections
            .extend(["spot in use: ", "MR1: P&L", "MR2", "MR3", "MR4", "MR5", "MR6", "MR7", "MR9"].map(str::to_owned));
        sections.push("MMR = max( max(MR1, MR2, MR6)".to_owned());
        sections.push(format!("= {} ", cents(number(unit, "mmr"))));
        sections.push("Greeks".to_owned());
    }
    sections.push(format!("\n{}. Account, USD", units.len() + 2));
    for column in ["adj_eq", "total_eq", "deriv_mmr", "borrow_mmr", "mmr", "imr", "liquidation_fee"] {
        sections.push(cents(number(account, column)));
    }
    if !account["margin_ratio"].is_empty() {
        sections.push(format!(
            "margin ratio = adjusted equity / (MMR + liquidation fee) = {}",
            cents(number(account, "adj_eq"))
        ));
    }
    sections.push(account["status"].clone());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "a line is wider than a terminal:\n{text}");
    let mut rest = text;
    for section in sections {
        let Some(found) = rest.find(&section) else { panic!("`{section}` is missing, or not in order, in:\n{text}") };
        rest = &rest[found..];
    }
}

fn check_book(book: &Book) {
    for account in chosen(book) {
        let id = &account["account_id"];
        println!("account {id}");
        let units = book.units_of(account);
        let explanation: Value = serde_json::from_str(&book.explain(id, &["--format", "json"])).unwrap();
        check_figures(&explanation, account, units);
        check_equity(&explanation);
        list(&explanation, "/units").iter().for_each(check_unit);
        let deriv_mmr = figure(&explanation, "/totals/deriv_mmr");
        assert_close(deriv_mmr, sum(list(&explanation, "/units"), "/mmr"), deriv_mmr, "deriv_mmr");
        check_text(&book.explain(id, &[]), &explanation, account, units);
    }
}

#[test]
fn what_is_explained_is_what_was_reported() {
    check_book(&Book::new(&[]));
}

#[test]
fn what_is_explained_is_what_was_reported_in_a_merged_book() {
    let book = Book::new(&["--set", "risk_unit=merged"]);
    check_book(&book);
    let stablecoin = |_: &Row, units: &[Row]| units.iter().any(|unit| number(unit, "mr9") > 0.0);
    let account = book.first("mr9", &stablecoin);
    let text = book.explain(&account["account_id"], &["--format", "json"]);
    let explanation: Value = serde_json::from_str(&text).unwrap();
    check_figures(&explanation, account, book.units_of(account));
    list(&explanation, "/units").iter().for_each(check_unit);
}

fn break_position(snapshot: &Path, account: &str) {
    let path = snapshot.join("positions.csv");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.starts_with(account)).unwrap();
    let broken = line.rsplit_once(',').unwrap().0.to_owned() + ",0";
    fs::write(&path, text.replacen(line, &broken, 1)).unwrap();
}

#[test]
fn an_account_that_cannot_be_explained_says_why() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 20, 10.0, 3, "csv");
    let account = "A00000001";
    break_position(&place.path().join("snapshot"), account);
    for (account, says) in [
        ("nobody", &["no account `nobody`", "snapshot", "hint"] as &[&str]),
        ("A1", &["no account `A1`", "leading zeros"]),
        (account, &["is unmargined", "non_positive_avg_px", "remargin check"]),
    ] {
        let outcome = remargin(place.path(), &["explain", "snapshot", "--account", account]);
        assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
        for part in says {
            assert!(outcome.stderr.contains(part), "`{part}` in:\n{}", outcome.stderr);
        }
    }
}

#[test]
fn distances_of_an_explanation_are_those_of_a_run() {
    let place = tempfile::tempdir().unwrap();
    generate(place.path(), 12, 6.0, 41, "parquet");
    let run = ["run", "snapshot", "--out", "run", "--distance", "all", "--format", "csv", "--quiet"];
    succeeds(place.path(), &run);
    let mut reader = csv::Reader::from_path(place.path().join("run/distances.csv")).unwrap();
    let head = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |row: &csv::StringRecord, name: &str| row[head.iter().position(|of| of == name).unwrap()].to_owned();
    let id = cell(&rows[0], "account_id");
    let mut compared = 0;
    for account in rows.iter().map(|row| cell(row, "account_id")).collect::<std::collections::BTreeSet<_>>() {
        let own: Vec<_> = rows.iter().filter(|row| cell(row, "account_id") == account).collect();
        let args = ["explain", "snapshot", "--account", &account, "--distance", "--format", "json"];
        let answer: Value = serde_json::from_str(&succeeds(place.path(), &args).stdout).unwrap();
        let steps = answer["distances"].as_array().unwrap();
        assert_eq!(steps.len(), own.len(), "{account}");
        for (step, row) in steps.iter().zip(own) {
            assert_eq!(step["base"], cell(row, "base"), "{account}");
            for way in ["down", "up"] {
                assert_eq!(step[way]["reach"], cell(row, &format!("{way}_reach")), "{account}");
                for (field, column) in [("price_move", "move"), ("px_usd", "px_usd"), ("margin_ratio", "ratio")] {
                    let expected = cell(row, &format!("{way}_{column}")).parse::<f64>().ok();
                    assert_eq!(step[way][field].as_f64(), expected, "{account}, {}: {way} {field}", step["base"]);
                    compared += usize::from(expected.is_some());
                }
            }
        }
    }
    assert!(compared > 10, "{compared}");
    let text = succeeds(place.path(), &["explain", "snapshot", "--account", &id, "--distance"]).stdout;
    assert!(text.contains("Distances: the nearest move") && text.contains("all coins"), "{text}");
    let text = succeeds(place.path(), &["explain", "snapshot", "--account", &id, "--format", "json"]).stdout;
    assert!(!text.contains("\"distances\""), "nothing is searched unless it is asked for");
}
