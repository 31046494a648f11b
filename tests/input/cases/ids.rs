//! Account ids that one of two tables spells otherwise, and odd ids that are right.

use super::{Place, Text};
use crate::common::e2e::{remargin, succeeds};
use remargin::snapshot::Expectations;

/// The sample with the ids of some tables changed.
fn respelt(tables: &[&str], change: impl Fn(&str) -> String) -> Place {
    let place = Place::without(tables);
    for table in tables {
        place.write(&format!("{table}.csv"), Text::of(table).map("account_id", &change).to_csv(",", "\n", ""));
    }
    place
}

#[test]
fn ids_that_almost_match_are_refused() {
    let of_digits = |table: &str, change: fn(&str) -> String| Text::of(table).map("account_id", change);
    let digits = Place::without(&["positions", "balances", "accounts"]);
    for table in ["balances", "accounts"] {
        let text = of_digits(table, |id| id[1..].to_owned());
        digits.write(&format!("{table}.csv"), text.to_csv(",", "\n", ""));
    }
    let text = of_digits("positions", |id| id[1..].trim_start_matches('0').to_owned());
    digits.write("positions.csv", text.to_csv(",", "\n", ""));
    digits.assert_refused("zeros", &["(accounts, balances) beside `", "(positions)", "--allow-similar-ids"]);
    let allowed = Expectations { allow_similar_ids: true, ..Expectations::NONE };
    assert!(digits.load_expecting(&allowed).unwrap().book.len() > 300);

    for (what, change) in [
        ("trailing blank", (|id| format!("{id} ")) as fn(&str) -> String),
        ("leading blank", |id| format!(" {id}")),
        ("letter case", str::to_lowercase),
        ("full width", |id| id.replace('A', "\u{ff21}")),
        ("no-break space", |id| format!("{id}\u{a0}")),
    ] {
        let place = respelt(&["positions"], change);
        place.assert_refused(what, &["differ only in their spelling", "A00000", "--allow-similar-ids"]);
    }
    // All tables alike: these are the ids.
    for change in [(|id| format!("{id} ")) as fn(&str) -> String, str::to_lowercase] {
        let snapshot = respelt(&["positions", "balances", "accounts"], change).load().unwrap();
        assert_eq!((snapshot.book.len(), snapshot.warnings.len()), (300, 0));
    }
}

#[test]
fn one_id_that_almost_matches_is_named() {
    let mut text = Text::of("positions");
    text.rows[0][0] = format!("{} ", text.rows[0][0]);
    let place = Place::with("positions", "positions.csv", text.to_csv(",", "\n", ""));
    let snapshot = place.load().unwrap();
    let warning = &snapshot.warnings[0];
    assert_eq!((warning.code.as_str(), warning.count, snapshot.book.len()), ("similar_ids", 2, 301));
    let (plain, blank) = (text.rows[0][0].trim(), &text.rows[0][0]);
    assert!(warning.text.contains(&format!("`{blank}` (positions)")), "{}", warning.text);
    assert!(warning.text.contains(&format!("`{plain}` (")), "{}", warning.text);
    let check = succeeds(place.dir(), &["check", "."]);
    assert!(check.stdout.contains("similar_ids"), "{}", check.stdout);
    assert!(check.stderr.contains("differ only in their spelling"), "{}", check.stderr);
}

#[test]
fn tables_of_two_books_are_refused() {
    let place = respelt(&["positions"], |id| format!("B{}", &id[1..]));
    place.assert_refused("other book", &["no account has both positions and a balance"]);
    let mut few = Text::of("positions").map("account_id", |id| format!("B{}", &id[1..]));
    few.rows.truncate(1);
    let place = Place::with("positions", "positions.csv", few.to_csv(",", "\n", ""));
    let warnings = place.load().unwrap().warnings;
    assert_eq!(warnings[0].code, "nothing_shared");
}

#[test]
fn odd_ids_are_ids() {
    let odd = ["a,b", "q\"uote", "=1+2", "-5", "@x", "new\nline", "00012", "1E5", "null", "<script>", "ümlaut", "true"];
    let rename = |id: &str| match id[1..].parse::<usize>() {
        Ok(number) if (1..=odd.len()).contains(&number) => odd[number - 1].to_owned(),
        _ => id.to_owned(),
    };
    let place = Place::without(&["positions", "balances", "accounts"]);
    for table in ["positions", "balances", "accounts"] {
        place.write_parquet(&format!("{table}.parquet"), &Text::of(table).map("account_id", rename).batch());
    }
    let snapshot = place.load().unwrap();
    assert_eq!((snapshot.book.len(), snapshot.rejects.len(), snapshot.warnings.len()), (300, 0, 0));
    for id in odd {
        assert!(snapshot.book.accounts().iter().any(|found| found == id), "{id}");
    }
}

#[test]
fn instruments_of_another_spelling_are_rejected_by_name() {
    let text = Text::of("positions").map("inst_id", str::to_lowercase);
    let place = Place::with("positions", "positions.csv", text.to_csv(",", "\n", ""));
    let check = remargin(place.dir(), &["check", "."]);
    assert_eq!(check.code, Some(4));
    assert!(check.stdout.contains("unknown_instrument") && check.stdout.contains("-swap`"), "{}", check.stdout);
}
