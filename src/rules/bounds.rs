//! How large a set of rules may be. What is read from rules is held many times over, so that each part has a bound.

use super::key::{Path, dotted};
use crate::error::{Invalid, Result};
use toml::Value;

/// Bytes of a rules file, or of rules given as text.
pub(super) const LARGEST_RULES: u64 = 4 << 20;
/// Parts of a dotted key.
const MOST_PARTS: usize = 16;
/// Bytes of a part of a dotted key.
const LONGEST_PART: usize = 256;
/// Keys of a set.
const MOST_KEYS: usize = 20_000;
/// Items of an array: currencies of a class, tiers of a table.
const MOST_ITEMS: usize = 10_000;
/// `--set` on one command line.
const MOST_SETTINGS: usize = 10_000;
/// Characters of a value in a message.
const LONGEST_SHOWN: usize = 200;

type Checked = Result<(), Box<Invalid>>;

/// A text for a message, cut if it is long.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
    }
}

pub(super) fn check_text(text: &str) -> Checked {
    if text.len() as u64 <= LARGEST_RULES {
        return Ok(());
    }
    let most = format!("at most {LARGEST_RULES} bytes ({} MiB) of rules", LARGEST_RULES >> 20);
    Err(Box::new(Invalid::new("the rules are too large").value(format!("{} bytes", text.len())).expected(most)))
}

pub(super) fn check_settings(set: &[String]) -> Result<()> {
    if set.len() > MOST_SETTINGS {
        let invalid = Invalid::new("too many settings").value(set.len().to_string());
        let invalid = invalid.expected(format!("at most {MOST_SETTINGS}"));
        return Err(invalid.hint("write them into a rules file").into());
    }
    set.iter().try_for_each(|text| check_text(text)).map_err(Into::into)
}

pub(super) fn check_key(path: &Path) -> Checked {
    let first: Path = path.iter().take(MOST_PARTS).cloned().collect();
    if path.len() > MOST_PARTS {
        let invalid = Invalid::new(format!("a key of {} parts", path.len())).column(shown(&dotted(&first)));
        return Err(Box::new(invalid.expected(format!("a known key; none has more than {MOST_PARTS} parts"))));
    }
    match path.iter().find(|part| part.len() > LONGEST_PART) {
        None => Ok(()),
        Some(part) => {
            let invalid = Invalid::new(format!("a key of {} bytes", part.len())).column(shown(part));
            Err(Box::new(invalid.expected(format!("a known key or a currency, of at most {LONGEST_PART} bytes"))))
        }
    }
}

pub(super) fn check_keys(path: &Path, keys: usize) -> Checked {
    if keys < MOST_KEYS {
        return Ok(());
    }
    let invalid = Invalid::new("too many keys").column(dotted(path));
    Err(Box::new(invalid.expected(format!("at most {MOST_KEYS} keys in a set of rules"))))
}

pub(super) fn check_items(path: &Path, value: &Value) -> Checked {
    let Value::Array(items) = value else { return Ok(()) };
    if items.len() > MOST_ITEMS {
        let invalid = Invalid::new(format!("an array of {} items", items.len())).column(dotted(path));
        return Err(Box::new(invalid.expected(format!("at most {MOST_ITEMS} items"))));
    }
    items.iter().try_for_each(|item| check_items(path, item))
}
