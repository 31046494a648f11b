//! Prices in a wrong unit: percent, USD in place of coins, a factor of a hundred.

use super::{Place, Text, reasons};
use remargin::snapshot::{Expectations, MarkCheck, Snapshot};

fn times(factor: f64) -> impl Fn(&str) -> String {
    move |cell| (cell.parse::<f64>().unwrap() * factor).to_string()
}

fn marks(change: impl Fn(Text) -> Text) -> Place {
    Place::with("marks", "marks.csv", change(Text::of("marks")).to_csv(",", "\n", ""))
}

#[test]
fn a_table_in_another_unit_is_refused() {
    let off = Expectations { mark_check: MarkCheck::Off, ..Expectations::NONE };
    let percent = marks(|text| text.map("mark_vol", times(100.0)));
    percent.assert_refused("percent", &["marks.csv", "mark_vol", "divide it by 100", "--mark-check"]);
    let usd = marks(|mut text| {
        let (id, mark, fwd) = (text.place("inst_id"), text.place("mark_px"), text.place("fwd_px"));
        for row in &mut text.rows {
            if !row[fwd].is_empty() && row[id].split('-').nth(1) == Some("USD") {
                row[mark] = times(row[fwd].parse().unwrap())(&row[mark]);
            }
        }
        text
    });
    usd.assert_refused("USD", &["marks.csv", "mark_px", "a coin option's in coins", "in USD"]);
    let cents = marks(|mut text| {
        let (mark, vol) = (text.place("mark_px"), text.place("mark_vol"));
        for row in text.rows.iter_mut().filter(|row| row[vol].is_empty()) {
            row[mark] = times(100.0)(&row[mark]);
        }
        text
    });
    cents.assert_refused("cents", &["marks.csv", "mark_px", "far from their index"]);
    let forwards = marks(|text| text.map("fwd_px", times(0.01)));
    forwards.assert_refused("forwards", &["fwd_px", "far from their index"]);
    for place in [percent, usd, cents, forwards] {
        let snapshot = place.load_expecting(&off).unwrap();
        assert_eq!((snapshot.rejects.len(), snapshot.warnings.len()), (0, 0));
    }
}

/// The sample with one cell of the marks changed, in the row of an instrument that somebody holds.
fn one(column: &str, is_option: bool, factor: f64) -> (String, Snapshot) {
    let positions = Text::of("positions");
    let mut text = Text::of("marks");
    let (cell, vol) = (text.place(column), text.place("mark_vol"));
    let held = |row: &&mut Vec<String>| positions.rows.iter().any(|position| position[1] == row[0]);
    let matches = |row: &&mut Vec<String>| row[vol].is_empty() != is_option;
    let row = text.rows.iter_mut().filter(matches).find(held).unwrap();
    row[cell] = times(factor)(&row[cell]);
    let inst_id = row[0].clone();
    (inst_id, Place::with("marks", "marks.csv", text.to_csv(",", "\n", "")).load().unwrap())
}

/// No other number tells the size of a contract, so an odd one is said and taken as it is.
#[test]
fn a_contract_of_an_odd_size_is_a_warning() {
    let positions = Text::of("positions");
    let held = |row: &&mut Vec<String>| positions.rows.iter().any(|position| position[1] == row[0]);
    let is_of_family = |row: &&mut Vec<String>| row[0].starts_with("BTC-USD-") && row[0].ends_with("-C");
    for (what, is_family, factor) in [("like no other", true, 10.0), ("worth 78,000 USD", false, 100.0)] {
        let mut text = Text::of("instruments");
        let size = text.place("ct_val");
        let mut rows = text.rows.iter_mut().filter(held);
        let row = if is_family {
            rows.find(is_of_family).unwrap()
        } else {
            rows.find(|row| row[0] == "BTC-USDT-SWAP").unwrap()
        };
        row[size] = times(factor)(&row[size]);
        let inst_id = row[0].clone();
        let place = Place::with("instruments", "instruments.csv", text.to_csv(",", "\n", ""));
        let snapshot = place.load().unwrap();
        let warnings: Vec<_> = snapshot.warnings.iter().map(|found| (found.code.as_str(), found.count)).collect();
        assert_eq!(warnings, [("odd_contract_sizes", 1)], "{what}");
        assert!(snapshot.warnings[0].text.contains(&format!("`{inst_id}`")), "{what}: {}", snapshot.warnings[0].text);
        assert!(snapshot.rejects.is_empty(), "{what}");
        let off = Expectations { mark_check: MarkCheck::Off, ..Expectations::NONE };
        assert!(place.load_expecting(&off).unwrap().warnings.is_empty(), "{what}");
    }
}

#[test]
fn a_row_in_another_unit_is_rejected() {
    for (column, is_option, factor, reason) in [
        ("mark_px", false, 100.0, "implausible_mark"),
        ("mark_px", false, 0.01, "implausible_mark"),
        ("mark_px", true, 80_000.0, "implausible_mark"),
        ("mark_vol", true, 100.0, "implausible_vol"),
        ("fwd_px", true, 100.0, "implausible_forward"),
        ("fwd_px", true, 0.01, "implausible_forward"),
    ] {
        let (inst_id, snapshot) = one(column, is_option, factor);
        assert_eq!(reasons(&snapshot)[0].0, reason, "{column} x {factor}");
        let reject = snapshot.rejects.iter().find(|reject| reject.reason.code() == reason).unwrap();
        assert!(reject.value.starts_with(&inst_id) && reject.column == column, "{reject:?}");
        let warning = &snapshot.warnings[0];
        assert_eq!((warning.code.as_str(), warning.count), ("implausible_prices", 1));
        assert!(warning.text.contains(&inst_id), "{}", warning.text);
    }
}

#[test]
fn indices_that_contradict_others_are_taken_for_missing() {
    for (name, factor) in [("USDT-USD", 100.0), ("BTC-USDT", 100.0), ("BTC-USD", 0.01)] {
        let mut text = Text::of("indices");
        let row = text.rows.iter_mut().find(|row| row[0] == name).unwrap();
        row[1] = times(factor)(&row[1]);
        let snapshot = Place::with("indices", "indices.csv", text.to_csv(",", "\n", "")).load().unwrap();
        let warning = &snapshot.warnings[0];
        assert_eq!(warning.code, "implausible_prices", "{name}");
        assert!(warning.text.contains(name), "{}", warning.text);
        assert!(snapshot.rejects.len() > 100, "{name}");
    }
}

#[test]
fn the_bounds_can_be_widened() {
    let mut text = Text::of("marks");
    let row = text.rows.iter_mut().find(|row| row[0] == "BTC-USDT-SWAP").unwrap();
    row[1] = times(1.8)(&row[1]);
    let place = Place::with("marks", "marks.csv", text.to_csv(",", "\n", ""));
    assert!(!place.load().unwrap().rejects.is_empty());
    for check in ["90%", "off"] {
        let expectations = Expectations { mark_check: check.parse().unwrap(), ..Expectations::NONE };
        assert_eq!(place.load_expecting(&expectations).unwrap().rejects, [], "{check}");
    }
}
