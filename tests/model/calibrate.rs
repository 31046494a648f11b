//! The calibration against a simulated exchange: probes, answers under hidden rules, and what is found of them.

use crate::exchange::{AS_OF_MS, Draws, Exchange, listing};
use crate::hidden::hidden;
use rayon::prelude::*;
use remargin::calibrate::{CalibrateRequest, Calibration, Status, calibrate};
use remargin::listing::{LISTING, Listing};
use remargin::probe::{Probe, planned};
use remargin::rules::{LoadedRules, load, load_text};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use toml::Value;

/// A folder of probes with the answers of an exchange.
struct Asked {
    folder: tempfile::TempDir,
    listing: Listing,
    probes: Vec<Probe>,
}

impl Asked {
    fn new(hidden: &LoadedRules, wings: f64) -> Self {
        Self::printed(hidden, wings, None)
    }

    fn printed(hidden: &LoadedRules, wings: f64, decimals: Option<usize>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let market = market_of(&listing(hidden.rules.rate, wings));
        let (listing, probes) = planned(&market, &load(None, &[]).unwrap().rules);
        for inner in ["listing", "answers"] {
            fs::create_dir(folder.path().join(inner)).unwrap();
        }
        fs::write(folder.path().join(LISTING), serde_json::to_string(&listing).unwrap()).unwrap();
        let exchange = Exchange { market, rules: hidden.rules.clone(), decimals };
        let asked = Self { folder, listing, probes };
        for number in 0..asked.probes.len() {
            asked.answer(number, &exchange);
        }
        asked
    }

    /// Writes the answer to a probe.
    fn answer(&self, number: usize, exchange: &Exchange) {
        let answer = exchange.answer(&self.probes[number].request());
        fs::write(self.file(number), answer.to_string()).unwrap();
    }

    fn file(&self, number: usize) -> std::path::PathBuf {
        self.folder.path().join("answers").join(&self.listing.probes[number].file)
    }

    fn calibrate(&self) -> Calibration {
        calibrate(&CalibrateRequest::new(self.folder.path())).unwrap()
    }
}

fn market_of(listing: &Listing) -> remargin::market::Market {
    let contracts: Vec<_> = listing.contracts.values().cloned().collect();
    listing.market(&contracts, listing.as_of_ms)
}

fn set(number: u64) -> (LoadedRules, f64) {
    let mut draws = Draws(number);
    let text = hidden(&mut draws);
    let loaded = load_text(&text, &[]).unwrap_or_else(|error| panic!("hidden set {number}: {error}\n{text}"));
    // Wings that show both parts of the volatility shift, and wings that do not.
    let wings = if draws.chance(0.7) { draws.between(0.15, 0.3) } else { draws.between(0.002, 0.02) };
    (loaded, wings)
}

/// A value of a set, by its key.
fn value(loaded: &LoadedRules, key: &str) -> Option<Value> {
    let line = loaded.values.iter().find(|value| value.key == key)?;
    let table: toml::Table = format!("x = {}", line.value).parse().unwrap();
    Some(table["x"].clone())
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Float(x) => Some(*x),
        Value::String(text) if text == "inf" => Some(f64::INFINITY),
        _ => None,
    }
}

/// Equal, numbers to a relative tolerance.
fn near(a: &Value, b: &Value, tolerance: f64) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b, tolerance)),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs()),
            _ => a == b,
        },
    }
}

/// The volatility shift of a table at some days, of points or of shares.
fn curve(loaded: &LoadedRules, key: &str, days: f64) -> f64 {
    let numbers =
        |key: &str| -> Vec<f64> { value(loaded, key).unwrap().as_array().unwrap().iter().filter_map(number).collect() };
    let (knots, values) = (numbers("mr1.vol_days"), numbers(key));
    let at = knots.partition_point(|knot| *knot < days);
    match (at.checked_sub(1), at < knots.len()) {
        (None, _) => values[0],
        (Some(low), false) => values[low],
        (Some(low), true) => values[low] + (values[at] - values[low]) * (days - knots[low]) / (knots[at] - knots[low]),
    }
}

/// What is wrong with a calibration: a value that is not the hidden one within what it claims.
fn wrong(found: &Calibration, hidden: &LoadedRules) -> Vec<String> {
    const SHARP: f64 = 1e-6;
    let ours = load_text(&found.overlay, &[]).unwrap();
    let mut wrong = Vec::new();
    for parameter in &found.parameters {
        let key = parameter.key.as_str();
        let (Some(measured), Some(truth)) = (value(&ours, key), value(hidden, key)) else { continue };
        let is_right = match (parameter.status, key) {
            (Status::Contradiction, _) => false,
            (Status::Undetermined, _) | (_, "mr1.vol_days") => true,
            (status, "mr1.vol_points" | "mr1.vol_relative") => {
                let whole = (0..4000).map(|n| f64::from(n) / 10.0).collect();
                let expiries = found_days();
                let days: Vec<f64> = if status == Status::Measured { whole } else { expiries };
                days.iter().all(|days| {
                    let (a, b) = (curve(&ours, key, *days), curve(hidden, key, *days));
                    (a - b).abs() <= SHARP * b
                })
            }
            (_, key) if key.starts_with("classes") => coins(&measured) == coins(&truth),
            (_, "mr9.tiers") => near(&last_rates(&measured), &last_rates(&truth), SHARP),
            (Status::Measured, _) => near(&measured, &truth, SHARP),
            // Rates are sharp, bounds lie within a step of the ladder.
            (Status::Partly, key) if key.starts_with("mr8.tiers") => {
                near(&rates(&measured), &rates(&truth), SHARP) && near(&measured, &truth, 0.31)
            }
            // Tables say in words how far their figures are known.
            (Status::Partly, _) if parameter.range.is_none() => near(&measured, &truth, 2e-3),
            (Status::Partly, _) => parameter
                .range
                .is_some_and(|(low, high)| number(&truth).is_some_and(|truth| low <= truth && truth <= high)),
        };
        if !is_right {
            wrong.push(format!("{key} {:?}: found {measured}, hidden {truth}; {}", parameter.status, parameter.note));
        }
    }
    wrong
}

fn found_days() -> Vec<f64> {
    let market = market_of(&listing(0.0, 0.2));
    let days = market.instruments.iter().filter_map(|it| {
        let is_option = matches!(it.kind, remargin::market::InstrumentKind::Option { .. });
        it.expiry_ns.filter(|_| is_option).map(|ns| (ns / 1_000_000 - AS_OF_MS) as f64 / 86_400_000.0)
    });
    days.collect()
}

/// The coins of a class that are listed here; the others are as in the set below.
fn coins(class: &Value) -> Vec<String> {
    let listing = listing(0.0, 0.2);
    let bases = listing.bases();
    let names = class.as_array().unwrap().iter().filter_map(Value::as_str);
    let mut coins: Vec<String> = names.filter(|coin| *coin == "*" || bases.contains(coin)).map(str::to_owned).collect();
    coins.sort();
    coins
}

/// Bound and last rate of each tier.
fn last_rates(tiers: &Value) -> Value {
    let row = |row: &Value| {
        let row = row.as_array().unwrap();
        Value::Array(vec![row[0].clone(), row[row.len() - 1].clone()])
    };
    Value::Array(tiers.as_array().unwrap().iter().map(row).collect())
}

/// The rates of each tier without its bound.
fn rates(tiers: &Value) -> Value {
    Value::Array(
        tiers.as_array().unwrap().iter().map(|row| Value::Array(row.as_array().unwrap()[1..].to_vec())).collect(),
    )
}

fn count(status: Status, found: &[Calibration]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for parameter in found.iter().flat_map(|it| &it.parameters).filter(|it| it.status == status) {
        *counts.entry(parameter.key.as_str()).or_default() += 1;
    }
    counts
}

/// Of every hidden set each parameter is found to a millionth, or told as a range, or as not determined.
#[test]
fn hidden_rules_are_found_or_said_to_be_open() {
    let sets: u64 = std::env::var("REMARGIN_HIDDEN_SETS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let found: Vec<(Vec<String>, Calibration)> = (0..sets)
        .into_par_iter()
        .map(|number| {
            let (hidden, wings) = set(number);
            let found = Asked::new(&hidden, wings).calibrate();
            let wrong = wrong(&found, &hidden).into_iter().map(|line| format!("set {number}: {line}")).collect();
            (wrong, found)
        })
        .collect();
    let (wrong, found): (Vec<Vec<String>>, Vec<Calibration>) = found.into_iter().unzip();
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    if std::env::var_os("REMARGIN_HIDDEN_TEXT").is_some() {
        for found in &found {
            println!("{}", found.to_text());
        }
    }
    if std::env::var_os("REMARGIN_HIDDEN_SETS").is_some() {
        println!("partly {:#?}\nopen {:#?}", count(Status::Partly, &found), count(Status::Undetermined, &found));
    }
    for calibration in &found {
        assert!(calibration.missing.is_empty() && !calibration.is_contradictory(), "{}", calibration.to_text());
        assert!(calibration.count(Status::Measured) > 40, "{}", calibration.to_text());
        // What is not computed again to the digits rests on what is said to be open.
        let open = calibration.parameters.iter().any(|it| it.status == Status::Undetermined && !it.probes.is_empty());
        assert!(!open, "{}", calibration.to_text());
    }
}

/// Figures of eight decimals allow less: what they leave open is told as a range that holds the truth.
#[test]
fn rounded_figures_leave_ranges() {
    for number in [2001, 2002, 2003] {
        let (hidden, wings) = set(number);
        for decimals in [10, 8, 6] {
            let found = Asked::printed(&hidden, wings, Some(decimals)).calibrate();
            assert_eq!(wrong(&found, &hidden), Vec::<String>::new(), "set {number}, {decimals} decimals");
            assert!(!found.is_contradictory(), "{}", found.to_text());
        }
    }
}

/// One answer in a hundred is missing: it costs what it tells, and nothing is wrong.
#[test]
fn missing_answers_are_named() {
    let (hidden, wings) = set(1001);
    let asked = Asked::new(&hidden, wings);
    let mut draws = Draws(7);
    let gone: Vec<usize> = (0..asked.probes.len()).filter(|_| draws.chance(0.01)).collect();
    assert!(gone.len() > 3);
    for number in &gone {
        fs::remove_file(asked.file(*number)).unwrap();
    }
    let found = asked.calibrate();
    assert_eq!(wrong(&found, &hidden), Vec::<String>::new());
    let names: Vec<&str> = gone.iter().map(|number| asked.listing.probes[*number].file.as_str()).collect();
    assert_eq!(found.missing, names);
    // Without the only probe of a parameter the report names it.
    let number = asked.probes.iter().position(|probe| probe.name == "calendar").unwrap();
    fs::remove_file(asked.file(number)).unwrap();
    let found = asked.calibrate();
    let charge = found.parameters.iter().find(|it| it.key == "mr3.offset_charge").unwrap();
    assert_eq!(
        (charge.status, charge.probes.as_slice()),
        (Status::Undetermined, &[asked.listing.probes[number].file.clone()][..])
    );
    assert!(!found.overlay.contains("mr3.offset_charge"));
}

/// An answer of another day is found by its time, one of another market by its marks, one of other rules by what it
/// contradicts.
#[test]
fn an_answer_that_does_not_belong_is_named() {
    let (hidden, wings) = set(1002);
    let asked = Asked::new(&hidden, wings);
    let exchange = |text: &str, change: &dyn Fn(&mut Listing)| {
        let mut other = listing(hidden.rules.rate, wings);
        change(&mut other);
        let rules = load_text(&format!("{}\n{text}", overlay_of(&hidden)), &[]).unwrap().rules;
        Exchange { market: market_of(&other), rules, decimals: None }
    };
    let number = asked.probes.iter().position(|probe| probe.name == "sizes").unwrap();
    let name = &asked.listing.probes[number].file;

    asked.answer(number, &exchange("", &|other| other.as_of_ms -= 86_400_000));
    let found = asked.calibrate();
    assert_eq!(found.set_aside.len(), 1);
    assert!(
        found.set_aside[0].0 == *name && found.set_aside[0].1.contains("24.0 hours before"),
        "{:?}",
        found.set_aside
    );
    assert_eq!(wrong(&found, &hidden), Vec::<String>::new());

    asked.answer(
        number,
        &exchange("", &|other| {
            other.contracts.values_mut().for_each(|contract| contract.mark_px *= 0.8);
        }),
    );
    let found = asked.calibrate();
    assert!(found.set_aside.len() == 1 && found.set_aside[0].1.contains("another market"), "{:?}", found.set_aside);

    asked.answer(number, &exchange("imr_multiplier = 1.75", &|_| {}));
    let found = asked.calibrate();
    let multiplier = found.parameters.iter().find(|it| it.key == "imr_multiplier").unwrap();
    assert_eq!(multiplier.status, Status::Contradiction);
    assert!(multiplier.answers.contains(name) && multiplier.note.contains("1.75"), "{multiplier:?}");
    assert!(found.is_contradictory() && !found.overlay.contains("imr_multiplier"));
}

/// A loaded set as a text that other lines may follow.
fn overlay_of(loaded: &LoadedRules) -> String {
    let lines = loaded.values.iter().filter(|value| value.key != "imr_multiplier" && value.key != "name");
    let lines: Vec<String> = lines.map(|value| format!("{} = {}", value.key, value.value)).collect();
    format!("extends = \"okx-pm2-2025-01\"\nname = \"other\"\n{}", lines.join("\n"))
}

/// The answer that the exchange documents: what it tells of the default set.
#[test]
fn the_documented_answer_tells_what_the_set_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("listing")).unwrap();
    let mut listing = listing(0.0, 0.2);
    for (id, multiplier) in [("BTC-USDT-SWAP", 0.01), ("LTC-USDT-SWAP", 1.0)] {
        listing.contracts.get_mut(id).unwrap().multiplier = multiplier;
    }
    fs::write(folder.path().join(LISTING), serde_json::to_string(&listing).unwrap()).unwrap();
    let answer = root.join("data/okx-sample/builder/account_position-builder.json");
    fs::copy(answer, folder.path().join("builder.json")).unwrap();
    let found = calibrate(&CalibrateRequest::new(folder.path())).unwrap();
    let of = |key: &str| {
        let parameter = found.parameters.iter().find(|it| it.key == key).unwrap();
        (parameter.status, parameter.value.clone().unwrap_or_default())
    };
    for (key, expected) in [
        ("risk_unit", "\"merged\""),
        ("imr_multiplier", "1.3"),
        ("mr1.price.major", "[-0.12, -0.08, -0.04, 0.0, 0.04, 0.08, 0.12]"),
        ("mr4.floor.major", "0.002"),
        ("mr4.floor.middle", "0.008"),
        ("mr6.price.middle", "0.36"),
        ("mr6.charge", "0.5"),
    ] {
        assert_eq!(of(key), (Status::Measured, expected.to_owned()), "{key}\n{}", found.to_text());
    }
}
