//! One cell changed, or a column or a file: no margin changes by more than a tenth without a word. What gets through
//! all the same stands in [`UNNOTICED`], with the reason.

use super::{Place, Text};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use remargin::engine::{chunk, price};
use remargin::rules::LoadedRules;
use std::collections::{BTreeMap, BTreeSet};

/// Changes that nothing in a snapshot contradicts: table, column, change, why.
const UNNOTICED: &[(&str, &str, &str, &str)] = &[
    ("positions", "qty", "x100", "any quantity may be held; `--max-notional-usd` bounds it"),
    ("positions", "qty", "/100", "any quantity may be held"),
    ("positions", "avg_px", "x100", "an entry may be old, and the market may have moved since"),
    ("positions", "avg_px", "/100", "an entry may be old, and the market may have moved since"),
    ("balances", "cash", "x100", "any sum may be held; `--max-notional-usd` bounds it"),
    ("balances", "cash", "/100", "any sum may be held"),
    ("balances", "interest", "x100", "any sum may be owed"),
    ("balances", "interest", "swapped with spot_in_use_cap", "both are sums of a coin that may be absent"),
    ("balances", "interest", "blank", "an account may owe no interest"),
    ("balances", "spot_in_use_cap", "x100", "a limit of any size may be set"),
    ("balances", "spot_in_use_cap", "/100", "a limit of any size may be set"),
    ("balances", "spot_in_use_cap", "blank", "an account may have no limit"),
    ("accounts", "spot_offset", "blank", "an account may have the default mode"),
    ("accounts", "account_id", "case", "settings may be of an account without a row elsewhere"),
    ("instruments", "ct_val", "x100", "the size of a contract whose family is small, within 0.001 to 20,000 USD"),
    ("instruments", "ct_val", "/100", "the size of a contract whose family is small, within 0.001 to 20,000 USD"),
    ("instruments", "ct_mult", "x100", "the size of a contract whose family is small, within 0.001 to 20,000 USD"),
    ("instruments", "ct_mult", "/100", "the size of a contract whose family is small, within 0.001 to 20,000 USD"),
    ("instruments", "ct_val", "swapped with lot_sz", "no other number tells the size of a contract"),
    ("instruments", "ct_mult", "swapped with lot_sz", "no other number tells the size of a contract"),
    ("marks", "mark_vol", "/100", "far from the money volatility hardly moves the price"),
    ("marks", "mark_px", "/100", "far from the money the price is close to zero"),
    ("marks", "mark_px", "x100", "far from the money the price is close to zero"),
    ("indices", "px", "x100", "no contract of the coin is listed, and no other index of it"),
    ("indices", "px", "/100", "no contract of the coin is listed, and no other index of it"),
];

const ACCOUNTS: usize = 60;

/// A small part of the sample: some accounts and what they hold.
struct Part(BTreeMap<&'static str, Text>);

impl Part {
    fn new() -> Self {
        let mut tables: BTreeMap<&'static str, Text> =
            super::TABLES.iter().map(|name| (*name, Text::of(name))).collect();
        let last = format!("A{ACCOUNTS:08}");
        for name in ["positions", "balances", "accounts"] {
            tables.get_mut(name).unwrap().rows.retain(|row| row[0] <= last);
        }
        let held: BTreeSet<String> = tables["positions"].rows.iter().map(|row| row[1].clone()).collect();
        for name in ["instruments", "marks"] {
            tables.get_mut(name).unwrap().rows.retain(|row| held.contains(&row[0]));
        }
        Self(tables)
    }

    fn write(&self) -> Place {
        let place = Place::without(&super::TABLES);
        for (name, text) in &self.0 {
            place.write(&format!("{name}.csv"), text.to_csv(",", "\n", ""));
        }
        place
    }
}

/// What became of a snapshot.
enum Fate {
    /// It was refused, a row was rejected, or a warning was given.
    Noticed,
    /// MMR by account.
    Margined(BTreeMap<String, f64>),
}

fn fate(place: &Place, rules: &LoadedRules) -> Fate {
    let Ok(snapshot) = place.load() else { return Fate::Noticed };
    if !snapshot.rejects.is_empty() || !snapshot.warnings.is_empty() || snapshot.unused_price_gaps > 0 {
        return Fate::Noticed;
    }
    let priced = price(&snapshot.market, &rules.rules);
    let margins = chunk(&priced, &snapshot.book, 0..snapshot.book.len()).unwrap();
    let ids = snapshot.book.accounts().iter().map(str::to_owned);
    Fate::Margined(ids.zip(margins.accounts.iter().map(|account| account.mmr)).collect())
}

/// The largest move of an account's MMR, as a share of the larger of before and after; below a dollar none.
fn largest_move(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> f64 {
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let of = |margins: &BTreeMap<String, f64>, id| margins.get(id).copied().unwrap_or(0.0);
    let moves = ids.into_iter().map(|id| {
        let (before, after) = (of(before, id), of(after, id));
        let larger = before.abs().max(after.abs());
        if larger < 1.0 { 0.0 } else { (before - after).abs() / larger }
    });
    moves.fold(0.0, f64::max)
}

fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    (rng.next_u64() % end as u64) as usize
}

/// Changes one thing; returns table, column and what was done. `None` if nothing was changed.
fn change(part: &mut Part, rng: &mut ChaCha8Rng) -> Option<(&'static str, String, String)> {
    let table = super::TABLES[below(rng, super::TABLES.len())];
    let kind = below(rng, 100);
    if kind == 0 {
        part.0.remove(table);
        return Some((table, "*".into(), "missing file".into()));
    }
    let text = part.0.get_mut(table)?;
    let column = below(rng, text.names.len());
    let name = text.names[column].clone();
    if kind < 8 {
        let other = below(rng, text.names.len());
        let (first, second) = (text.names[column.min(other)].clone(), text.names[column.max(other)].clone());
        text.names.swap(column, other);
        // Each pair once, in the order of the file.
        return (column != other).then(|| (table, first, format!("swapped with {second}")));
    }
    let row = below(rng, text.rows.len());
    let cell = &mut text.rows[row][column];
    let before = cell.clone();
    let number = cell.parse::<f64>().ok();
    let what = match (below(rng, 4), number) {
        (0, Some(number)) => {
            *cell = (number * 100.0).to_string();
            "x100"
        }
        (1, Some(number)) => {
            *cell = (number / 100.0).to_string();
            "/100"
        }
        (2, _) => {
            cell.clear();
            "blank"
        }
        _ => {
            let lower = cell.to_lowercase();
            *cell = if lower == *cell { cell.to_uppercase() } else { lower };
            "case"
        }
    };
    (*cell != before).then(|| (table, name, what.to_owned()))
}

fn is_known(table: &str, column: &str, what: &str) -> bool {
    UNNOTICED.iter().any(|(t, c, w, _)| (*t, *c, *w) == (table, column, what))
}

/// So many changes; those that moved a margin unnoticed, and how many of each.
fn unnoticed(cases: u32) -> BTreeMap<(String, String, String), (u32, f64)> {
    let rules = remargin::rules::load(None, &[]).unwrap();
    let Fate::Margined(clean) = fate(&Part::new().write(), &rules) else { panic!("the part is not clean") };
    assert!(clean.len() >= ACCOUNTS - 1 && clean.values().any(|mmr| *mmr > 1000.0));
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut found, mut done) = (BTreeMap::new(), 0);
    while done < cases {
        let mut part = Part::new();
        let Some((table, column, what)) = change(&mut part, &mut rng) else { continue };
        done += 1;
        if let Fate::Margined(margins) = fate(&part.write(), &rules) {
            let moved = largest_move(&clean, &margins);
            if moved > 0.1 {
                let entry = found.entry((table.to_owned(), column, what)).or_insert((0, 0.0));
                *entry = (entry.0 + 1, f64::max(entry.1, moved));
            }
        }
    }
    found
}

#[test]
fn one_change_does_not_move_a_margin_without_a_word() {
    // REMARGIN_CASES=10000 tries more.
    let cases = std::env::var("REMARGIN_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300);
    let found = unnoticed(cases);
    let mut surprises = Vec::new();
    for ((table, column, what), (count, moved)) in &found {
        println!("{table}.{column} {what}: {count} unnoticed, up to {:.0} %", moved * 100.0);
        if !is_known(table, column, what) {
            surprises.push(format!("{table}.{column} {what}: {count}"));
        }
    }
    assert!(surprises.is_empty(), "{surprises:?}");
}
