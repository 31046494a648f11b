//! The two lists, on margins that are different in every cell.

use super::*;
use crate::fixture;

#[test]
fn a_row_is_read_back_as_it_was() {
    let layout = Layout::of(&["account_id", "scenario"], &ACCOUNT, |_| true);
    assert_eq!(layout.names, ["account_id", "scenario", "status"]);
    assert_eq!(layout.flags, ["im_deficit", "ineligible"]);
    for margin in (0..10).map(fixture::account) {
        let row = AccountRow::from(&margin);
        let (mut names, mut flags, mut numbers) = (vec!["a", "base"], Vec::new(), Vec::new());
        for figure in &ACCOUNT {
            match figure.get {
                Get::Number(one, _) => numbers.push(Some(one(&margin))),
                Get::Optional(one, _) => numbers.push(one(&margin)),
                Get::Flag(one, _) => flags.push(if one(&margin) { "true" } else { "false" }),
                Get::Label(words, one, _) => names.push(words[one(&margin) as usize]),
            }
        }
        names.extend(flags);
        assert_eq!(AccountRow::read(&layout, &names, &numbers), (row, None));
        assert_eq!(row.status(), Some(margin.status));
        assert_eq!(row.optional(AccountFigure::margin_ratio), margin.margin_ratio);
        names[2] = "well";
        let unknown = Some(("status", "well".to_owned()));
        assert_eq!(AccountRow::read(&layout, &names, &numbers), (row.with(AccountFigure::status, f64::NAN), unknown));
    }
}

#[test]
fn each_name_is_declared_once_and_says_what_it_means() {
    let accounts = ACCOUNT.iter().map(|figure| (figure.name, figure.meaning));
    let units = UNIT.iter().map(|figure| (figure.name, figure.meaning));
    for list in [accounts.collect::<Vec<_>>(), units.collect()] {
        let names: std::collections::BTreeSet<&str> = list.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), list.len());
        for (name, meaning) in list {
            assert!(meaning.ends_with('.') && !meaning.contains('|') && !meaning.contains('\n'), "{name}: {meaning}");
        }
    }
    for (place, figure) in AccountFigure::ALL.into_iter().enumerate() {
        assert_eq!((figure as usize, figure.figure().name), (place, ACCOUNT[place].name));
    }
}

#[test]
fn sums_are_those_of_the_list() {
    let summed: Vec<&str> = ACCOUNT.iter().filter(|figure| figure.sums).map(|figure| figure.name).collect();
    assert_eq!(summed, Totals::NAMES);
    let margin = fixture::account(3);
    let row = AccountRow::from(&margin);
    let of_row = ACCOUNT.iter().zip(row.values()).filter(|(figure, _)| figure.sums).map(|(_, value)| *value);
    assert!(of_row.eq(Totals::of(&margin)));
    assert_eq!(Totals::new(Totals::of(&margin)).values(), Totals::of(&margin));
}
