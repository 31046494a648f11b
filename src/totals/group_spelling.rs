//! Groups whose names look alike: one desk, spelled in two ways, would be two groups.

use super::groups::GroupTotals;
use crate::book::{IdTable, group_values};
use crate::cells::text::in_a_line;
use crate::snapshot::{Warning, spelling_key};
use std::fmt::Write;
use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

/// Spellings that are shown.
const SHOWN: usize = 5;

/// One warning for each grouping with groups that look alike.
pub(crate) fn warnings(totals: &GroupTotals) -> Vec<Warning> {
    totals.by().iter().zip(totals.names()).filter_map(|(by, names)| of_grouping(by, names)).collect()
}

/// What is odd about the names of the groups of one grouping.
pub(crate) fn of_grouping(by: &str, names: &IdTable) -> Option<Warning> {
    let mut keys: Vec<(u64, &str)> = names.iter().map(|name| (key(name), name)).collect();
    keys.sort_unstable();
    let mut alike: Vec<&[(u64, &str)]> = keys.chunk_by(|a, b| a.0 == b.0).filter(|names| names.len() > 1).collect();
    alike.sort_unstable_by_key(|names| names.first().map(|(_, name)| *name));
    let count: usize = alike.iter().map(|names| names.len()).sum();
    if count == 0 {
        return None;
    }
    let mut text = format!("groups by `{by}` whose names differ only in their spelling: {count} of {}: ", names.len());
    for (place, names) in alike.iter().take(SHOWN).enumerate() {
        let shown: Vec<String> = names.iter().map(|(_, name)| format!("`{}`", in_a_line(name))).collect();
        let _ = write!(text, "{}{}", if place > 0 { "; " } else { "" }, shown.join(" beside "));
    }
    Some(Warning::new(Warning::SIMILAR_GROUPS, count as u64, text))
}

/// The key of a name: the same for all its spellings.
fn key(name: &str) -> u64 {
    let values = group_values(name);
    spelling_key(&values.iter().map(|value| folded(value)).collect::<Vec<_>>().join("/"))
}

/// A value with one blank where there are several, in lower case, and with Latin letters for those of other scripts
/// that look the same. Latin letters and digits stay what they are: `l` and `1` are not taken for each other.
fn folded(value: &str) -> String {
    let blanks = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if value.is_ascii() {
        return blanks(value);
    }
    let mut latin = String::with_capacity(value.len());
    for letter in value.nfkc() {
        if letter.is_ascii() || letter.is_whitespace() {
            latin.push(letter);
        } else {
            latin.extend(skeleton(letter.encode_utf8(&mut [0; 4])));
        }
    }
    blanks(&latin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_group_share_a_key() {
        for (a, b, same) in [
            ("desk A", "desk  A", true),
            ("desk A", " Desk a", true),
            ("desk A", "desk\u{a0}A", true),
            ("desk A", "desk B", false),
            // The second has a Cyrillic letter.
            ("desk A", "d\u{435}sk A", true),
            ("desk A", "desk \u{410}", true),
            // Greek.
            ("Rho", "Rh\u{3bf}", true),
            ("Z\u{fc}rich", "Zu\u{308}rich", true),
            ("Z\u{fc}rich", "Zurich", false),
            ("desk l", "desk 1", false),
            ("desk O", "desk 0", false),
            ("1.0", "1", true),
            ("desk A /EU", "desk A/EU", true),
            ("desk/A", r"desk\/A", false),
            ("\u{65e5}\u{672c}", "\u{65e5}\u{7530}", false),
        ] {
            assert_eq!(key(a) == key(b), same, "{a:?} {b:?}");
        }
    }

    #[test]
    fn groups_that_look_alike_are_named() {
        let names: IdTable = ["vol", "desk  A", "rates", "desk A", "VOL", "", "desk B"].into_iter().collect();
        let warning = of_grouping("desk", &names).unwrap();
        let text = "groups by `desk` whose names differ only in their spelling: 4 of 7: `VOL` beside `vol`; `desk  A` \
                    beside `desk A`";
        assert_eq!((warning.code.as_str(), warning.count, warning.text.as_str()), ("similar_groups", 4, text));
        assert_eq!(of_grouping("desk", &["a", "b", ""].into_iter().collect()), None);
    }
}
