//! Which of two files was saved later, as far as their names say it.
//!
//! Names say it if they differ in their digits alone: `positions_0800.json` and `positions_0900.json`,
//! `2026-01-14/desk/balance.json` and `2026-01-15/desk/balance.json`. Digits are compared as numbers, from left to
//! right. Other names, such as `positions.json` and `positions (1).json`, say nothing: their order in a list is not an
//! order in time.

use std::cmp::Ordering;
use std::path::Path;

/// A name in its parts: the text between digits, and the digits.
fn parts(name: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut text, mut digits) = (Vec::new(), Vec::new());
    let mut rest = name;
    loop {
        let (word, behind) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        text.push(word);
        if behind.is_empty() {
            return (text, digits);
        }
        let (number, behind) = behind.split_at(behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len()));
        digits.push(number);
        rest = behind;
    }
}

/// Orders two paths in time; `None` if their names do not say it.
pub(super) fn by_name(a: &Path, b: &Path) -> Option<Ordering> {
    let (a, b) = (a.to_string_lossy(), b.to_string_lossy());
    let ((text_a, digits_a), (text_b, digits_b)) = (parts(&a), parts(&b));
    if text_a != text_b {
        return None;
    }
    // Numbers of any length: without leading zeros, the longer one is the larger one.
    let key = |digits: &Vec<&str>| -> Vec<(usize, String)> {
        let plain = digits.iter().map(|number| number.trim_start_matches('0'));
        plain.map(|number| (number.len(), number.to_owned())).collect()
    };
    Some(key(&digits_a).cmp(&key(&digits_b))).filter(|order| order.is_ne())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_when_and_names_that_do_not() {
        for (a, b, expected) in [
            ("positions_0800.json", "positions_0900.json", Some(Ordering::Less)),
            ("positions_0900.json", "positions_0800.json", Some(Ordering::Greater)),
            ("p_9.json", "p_10.json", Some(Ordering::Less)),
            ("p_009.json", "p_10.json", Some(Ordering::Less)),
            ("2026-01-14/desk/p.json", "2026-01-15/desk/p.json", Some(Ordering::Less)),
            ("2026-01-15T0800Z.json", "2026-01-15T0700Z.json", Some(Ordering::Greater)),
            ("1736936799142.json", "17369367991420.json", Some(Ordering::Less)),
            ("p.json", "p.json", None),
            ("p_1.json", "p_01.json", None),
            ("p.json", "p (1).json", None),
            ("p.json", "p_old.json", None),
            ("p.json", "p_2.json", None),
            ("a_1.json", "b_2.json", None),
        ] {
            assert_eq!(by_name(Path::new(a), Path::new(b)), expected, "{a} {b}");
        }
    }
}
