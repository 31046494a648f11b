//! Slips that break no row: each is said, and everything is taken as it stands.

use super::{Place, Text};

/// The warnings of the sample with another table.
fn warnings(table: &str, text: &Text) -> Vec<(String, u64, String)> {
    let place = Place::with(table, &format!("{table}.csv"), text.to_csv(",", "\n", ""));
    let snapshot = place.load().unwrap();
    assert!(snapshot.rejects.is_empty(), "{table}: {:?}", snapshot.rejects);
    snapshot.warnings.into_iter().map(|warning| (warning.code, warning.count, warning.text)).collect()
}

#[test]
fn a_position_that_stands_twice_is_said() {
    let mut text = Text::of("positions");
    let row = text.rows[text.rows.len() / 2].clone();
    // Long and short rows of one instrument are usual.
    let (qty, mut other) = (text.place("qty"), row.clone());
    other[qty] = match row[qty].strip_prefix('-') {
        Some(long) => long.to_owned(),
        None => format!("-{}", row[qty]),
    };
    text.rows.insert(0, other);
    assert_eq!(warnings("positions", &text), []);

    text.rows.insert(0, row.clone());
    let found = warnings("positions", &text);
    let [(code, 1, words)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(code, "repeated_positions");
    assert!(words.contains(&format!("`{}`", row[0])), "{words}");
}

#[test]
fn an_id_that_stands_in_accounts_alone_is_said() {
    let text = Text::of("accounts");
    // Accounts at rest, or without settings, are usual.
    let mut at_rest = text.clone();
    let mut row = text.rows[0].clone();
    row[0] = "at rest".to_owned();
    at_rest.rows.push(row);
    let mut without = text.clone();
    without.rows.remove(0);
    assert_eq!(warnings("accounts", &without), []);
    assert_eq!(warnings("accounts", &at_rest), []);

    let mut misspelt = text;
    let id = std::mem::replace(&mut misspelt.rows[0][0], "misspelt".to_owned());
    let found = warnings("accounts", &misspelt);
    let [(code, 1, words)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(code, "settings_alone");
    assert!(words.contains("`misspelt`") && words.contains(&format!("`{id}`")), "{words}");
}

#[test]
fn an_option_that_is_not_what_its_id_says_is_said() {
    let positions = Text::of("positions");
    let held = |inst_id: &str| positions.rows.iter().any(|position| position[1] == inst_id);
    for (column, from, to) in [("opt_type", "C", "P"), ("strike", "", "1")] {
        let mut text = Text::of("instruments");
        let place = text.place(column);
        let is_option = |row: &&mut Vec<String>| held(&row[0]) && row[0].ends_with("-C");
        let row = text.rows.iter_mut().find(is_option).unwrap();
        assert!(from.is_empty() || row[place] == from);
        row[place] = if to == "1" { format!("{}{to}", row[place]) } else { to.to_owned() };
        let place = Place::with("instruments", "instruments.csv", text.to_csv(",", "\n", ""));
        let warnings = place.load().unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.code == "contradicting_ids"), "{column}: {warnings:?}");
    }
}

#[test]
fn prices_of_another_day_are_said() {
    let mut text = Text::of("marks");
    text.names.push("ts".to_owned());
    text.rows.iter_mut().for_each(|row| row.push("2026-04-27T11:59:59Z".to_owned()));
    let ts = text.place("ts");
    let mut old = text.clone();
    "2026-04-26T11:59:59Z".clone_into(&mut old.rows[0][ts]);
    let found = warnings("marks", &old);
    let [(code, 1, words)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(code, "old_prices");
    assert!(words.contains(&format!("`{}`", old.rows[0][0])), "{words}");
    assert_eq!(warnings("marks", &text), []);
}

/// Some editors name a CSV file so.
#[test]
fn a_table_called_txt_is_refused() {
    for file in ["orders.txt", "orders.csv.txt", "order.txt"] {
        let place = Place::new();
        place.write(file, "account_id\n");
        place.assert_refused(file, &["orders", "--allow-unknown"]);
    }
    let place = Place::new();
    place.write("notes.txt", "a\n");
    place.write("positions.txt", "a copy\n");
    assert_eq!(place.assert_clean("notes"), ["unused_files"]);
}
