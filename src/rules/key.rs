//! Dotted keys: how they are written, which keys exist, and the nearest known key for a typing error.

use toml::{Table, Value};

/// Tables with currencies as keys: any currency may be added; `"*"` is required.
pub(super) const BY_CURRENCY: [&str; 2] = ["mr8.tiers", "discount"];

/// Keys that a full set may lack, with what then holds: they are younger than sets that are in use. A set that gives
/// that value is the same set, with the same hash, as one that lacks the key.
pub(super) const OPTIONAL: [(&str, &str); 6] = [
    ("coin_option_pnl", "\"usd\""),
    ("other_bounds", "\"units\""),
    ("mr4.perpetual_like", "[]"),
    ("mr4.spot_bucket", "false"),
    ("mr9.prices", "[]"),
    ("orders.deduct_loss", "false"),
];

/// The key for all other currencies.
pub(super) const REST: &str = "*";

/// The parts of a key, outermost first.
pub(super) type Path = Vec<String>;

/// `mr8.tiers."*"`: parts that are not bare TOML keys are quoted.
pub(super) fn dotted(path: &[String]) -> String {
    path.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".")
}

fn quoted(part: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !part.is_empty() && part.chars().all(bare) { part.to_owned() } else { basic_string(part) }
}

/// Any text as a TOML string in double quotes.
pub(super) fn basic_string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.extend(format!("\\u{:04X}", u32::from(c)).chars()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Splits `key=value` at the first `=` outside quotes, and the key at its dots. Quotes around a part are optional,
/// because shells remove them: `discount.*=...` is `discount."*"=...`.
pub(super) fn split_assignment(text: &str) -> Option<(Path, &str)> {
    let mut path = vec![String::new()];
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '.') => path.push(String::new()),
            (None, '=') => {
                let path: Path = path.iter().map(|part| part.trim().to_owned()).collect();
                return path.iter().all(|part| !part.is_empty()).then(|| (path, text[at + 1..].trim()));
            }
            (_, c) => path.last_mut()?.push(c),
        }
    }
    None
}

/// The keys of a set: those of the built-in set, and any currency in [`BY_CURRENCY`].
pub(super) struct Known {
    leaves: Vec<Path>,
}

/// What a key refers to.
pub(super) enum Role {
    /// A value.
    Leaf,
    /// A group of these keys.
    Group(Vec<String>),
    /// Not a known key.
    Unknown,
}

impl Known {
    /// The keys of a full set.
    pub(super) fn of(table: &Table) -> Self {
        let mut leaves = Vec::new();
        collect(&mut Vec::new(), table, &mut leaves);
        Self { leaves }
    }

    /// The keys with a fixed name, and `"*"` of each table with currencies, in the order of the built-in set.
    pub(super) fn required(&self) -> impl Iterator<Item = &Path> {
        self.leaves.iter().filter(|path| !is_currency(path) || path.last().is_some_and(|part| part == REST))
    }

    /// What `path` refers to.
    pub(super) fn role(&self, path: &[String]) -> Role {
        if is_currency(path) || self.leaves.iter().any(|leaf| leaf == path) {
            return Role::Leaf;
        }
        let inside: Vec<_> =
            self.leaves.iter().filter(|leaf| leaf.starts_with(path)).map(|leaf| dotted(leaf)).collect();
        if inside.is_empty() { Role::Unknown } else { Role::Group(inside) }
    }

    /// The known key with the smallest edit distance; for a table with currencies, with the currency of `path`.
    pub(super) fn nearest(&self, path: &[String]) -> String {
        let wanted = dotted(path);
        let last = path.last().map_or(String::new(), |part| quoted(part));
        let by_currency = BY_CURRENCY.iter().map(|table| format!("{table}.{last}"));
        let fixed = self.required().map(|leaf| dotted(leaf));
        fixed.chain(by_currency).min_by_key(|known| edits(known, &wanted)).unwrap_or_default()
    }
}

/// Whether `path` is an entry of a table with currencies.
pub(super) fn is_currency(path: &[String]) -> bool {
    path.split_last().is_some_and(|(_, table)| BY_CURRENCY.contains(&dotted(table).as_str()))
}

fn collect(path: &mut Path, table: &Table, leaves: &mut Vec<Path>) {
    for (name, value) in table {
        path.push(name.clone());
        match value {
            Value::Table(inner) => collect(path, inner, leaves),
            _ => leaves.push(path.clone()),
        }
        path.pop();
    }
}

/// Levenshtein distance: insertions, deletions and substitutions of one character.
#[allow(clippy::indexing_slicing)] // `row` has one cell more than `b` has characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let best = (diagonal + usize::from(from != to)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "", 3), ("floor", "flor", 1), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!((edits(a, b), edits(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn assignments_split_at_the_first_free_equals_sign() {
        for (text, expected) in [
            ("rate=0.1", Some((vec!["rate"], "0.1"))),
            ("a.b = \"x=y\"", Some((vec!["a", "b"], "\"x=y\""))),
            ("discount.*=[]", Some((vec!["discount", "*"], "[]"))),
            ("discount.\"A.B=C\"=[]", Some((vec!["discount", "A.B=C"], "[]"))),
            ("rate", None),
            ("=1", None),
            ("a..b=1", None),
            ("\"a=1", None),
        ] {
            let expected = expected.map(|(path, value)| (path.into_iter().map(String::from).collect(), value));
            assert_eq!(split_assignment(text), expected, "{text}");
        }
    }

    #[test]
    fn keys_that_are_not_bare_stand_in_quotes() {
        for (part, expected) in [("BTC", "a.BTC"), ("*", "a.\"*\""), ("x\"\n", "a.\"x\\\"\\u000A\""), ("", "a.\"\"")] {
            assert_eq!(dotted(&["a".into(), part.into()]), expected);
        }
    }
}
