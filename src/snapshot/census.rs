//! The ids of all accounts, looked through for those that almost match: leading zeros lost in one of two tables,
//! blanks, letter case, another Unicode form. Such tables fall apart without a broken row.
//!
//! An id is folded to what all its spellings share, and 8 bytes are kept of it. Two accounts with the same 8 bytes are
//! named by a look through the id columns. Books of more than [`MOST_KEYS`] accounts are sampled, by the folded id, so
//! that the spellings of one id are kept or left away together.

use super::odd_rows::OddRows;
use super::warning::Warning;
use crate::{Invalid, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use twox_hash::XxHash64;
use unicode_normalization::UnicodeNormalization;

/// Keys that are kept: 8 MiB.
const MOST_KEYS: usize = 1 << 20;

/// What is known of the ids of some accounts.
#[derive(Debug, Clone, Default)]
pub(super) struct Census {
    /// Of each account that is in the sample.
    keys: Vec<u64>,
    /// The sample has one in `2^halvings` keys: those that end in so many zeros.
    halvings: u32,
    accounts: u64,
    /// Accounts whose ids are whole numbers that became floats, such as `1.0`.
    floats: u64,
    /// Accounts with positions, with balances, with both.
    with: [u64; 3],
    /// What is odd about rows of accounts.
    pub odd: OddRows,
}

/// Ids that almost match, each with the tables that it stands in.
pub(super) type Named = BTreeMap<u64, BTreeMap<String, BTreeSet<&'static str>>>;

impl Census {
    pub fn count(&mut self, id: &str, has_positions: bool, has_balances: bool) {
        self.accounts += 1;
        self.floats += u64::from(is_float(id.as_bytes()));
        for (count, holds) in self.with.iter_mut().zip([has_positions, has_balances, has_positions && has_balances]) {
            *count += u64::from(holds);
        }
        self.keep(key(id));
    }

    pub fn add(&mut self, later: &Self) {
        self.accounts += later.accounts;
        self.floats += later.floats;
        for (count, more) in self.with.iter_mut().zip(later.with) {
            *count += more;
        }
        self.odd.add(&later.odd);
        for &key in &later.keys {
            self.keep(key);
        }
    }

    fn keep(&mut self, key: u64) {
        if key.trailing_zeros() < self.halvings {
            return;
        }
        if self.keys.len() == MOST_KEYS {
            self.halvings += 1;
            let halvings = self.halvings;
            self.keys.retain(|key| key.trailing_zeros() >= halvings);
            return self.keep(key);
        }
        self.keys.push(key);
    }

    /// The keys that several accounts share, and how many accounts that are.
    pub fn shared(mut self) -> Shared {
        self.keys.sort_unstable();
        let (mut keys, mut accounts) = (Vec::new(), 0);
        for group in self.keys.chunk_by(|a, b| a == b).filter(|group| group.len() > 1) {
            keys.extend(group.first());
            accounts += group.len() as u64;
        }
        let accounts = accounts << self.halvings;
        let Self { accounts: of, floats, with, odd, .. } = self;
        Shared { keys, accounts, of, floats, sampled: 1 << self.halvings, with, odd }
    }
}

/// Ids that almost match, as far as the keys tell.
#[derive(Debug)]
pub(super) struct Shared {
    pub keys: Vec<u64>,
    accounts: u64,
    of: u64,
    floats: u64,
    /// One in so many ids was compared.
    sampled: u64,
    with: [u64; 3],
    odd: OddRows,
}

/// Accounts with positions, and with balances, from which on it is no accident that none has both.
const NO_ACCIDENT: u64 = 10;

impl Shared {
    /// How many ids are shown.
    pub const SHOWN: usize = 5;

    /// What is said of the ids.
    ///
    /// # Errors
    /// [`Invalid`] if more than 1 % of the accounts almost match another or are called like floats, or if no account of
    /// many has positions and a balance, unless that is allowed.
    pub fn verdict(&self, named: &Named, allowed: bool) -> Result<Vec<Warning>> {
        let mut warnings = Vec::new();
        let [positions, balances, both] = self.with;
        let is_split = positions > 0 && balances > 0 && both == 0;
        let examples = examples(named);
        if self.accounts > 0 && !named.is_empty() {
            let about = if self.sampled > 1 {
                format!("about {} (of one in {} compared)", self.accounts, self.sampled)
            } else {
                self.accounts.to_string()
            };
            let text = format!("account ids that differ only in their spelling: {about} of {}: {examples}", self.of);
            if self.accounts.saturating_mul(100) > self.of && !allowed {
                return Err(Invalid::new(text)
                    .column("account_id")
                    .expected("one spelling of each id in all tables")
                    .hint(
                        "leading zeros, blanks or letter case were lost in one of the tables; if these are different \
                         accounts, `--allow-similar-ids` takes them so",
                    )
                    .into());
            }
            warnings.push(Warning::new(Warning::SIMILAR_IDS, self.accounts, text));
        }
        if self.floats.saturating_mul(100) > self.of && !allowed {
            return Err(Invalid::new(format!(
                "account ids that are floats, such as `1.0`: {} of {}",
                self.floats, self.of
            ))
            .column("account_id")
            .expected("the ids as they are elsewhere: `1.0` would be another id than `1`")
            .hint(
                "whole numbers became floats, as pandas makes them where one is missing: write the column as \
                     strings or integers; if these are the ids, `--allow-similar-ids` takes them so",
            )
            .into());
        }
        if is_split {
            let text = format!(
                "no account has both positions and a balance: {positions} have positions, {balances} have balances"
            );
            if positions >= NO_ACCIDENT && balances >= NO_ACCIDENT && !allowed {
                return Err(Invalid::new(text)
                    .column("account_id")
                    .expected("the same ids in `positions` and `balances`")
                    .hint("one of the tables may be of another book; `--allow-similar-ids` takes them all the same")
                    .into());
            }
            warnings.push(Warning::new(Warning::NOTHING_SHARED, positions, text));
        }
        warnings.extend(self.odd.warnings());
        Ok(warnings)
    }
}

fn examples(named: &Named) -> String {
    let mut groups: Vec<_> = named.values().collect();
    groups.sort_by_key(|ids| ids.keys().next());
    let mut text = String::new();
    for ids in groups {
        let _ = write!(text, "{}", if text.is_empty() { "" } else { "; " });
        for (place, (id, tables)) in ids.iter().enumerate() {
            let tables: Vec<_> = tables.iter().copied().collect();
            let id = crate::cells::text::in_a_line(id);
            let _ = write!(text, "{}`{id}` ({})", if place == 0 { "" } else { " beside " }, tables.join(", "));
        }
    }
    text
}

/// The key of an id: the same for all its spellings.
pub(crate) fn key(id: &str) -> u64 {
    const SEED: u64 = 0;
    if id.is_ascii() {
        let bytes = id.as_bytes().trim_ascii();
        let bytes = without_zeros(if is_float(bytes) {
            bytes.split_last_chunk::<2>().map_or(bytes, |(id, _)| id)
        } else {
            bytes
        });
        if bytes.iter().any(u8::is_ascii_uppercase) {
            return XxHash64::oneshot(SEED, &bytes.to_ascii_lowercase());
        }
        return XxHash64::oneshot(SEED, bytes);
    }
    let folded: String = id.nfkc().filter(|letter| !is_invisible(*letter)).flat_map(char::to_lowercase).collect();
    XxHash64::oneshot(SEED, without_zeros(folded.trim().as_bytes()))
}

/// True for digits and `.0`: a whole number that became a float.
fn is_float(id: &[u8]) -> bool {
    id.strip_suffix(b".0").is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

/// Digits without the zeros that lead them.
fn without_zeros(id: &[u8]) -> &[u8] {
    if !id.starts_with(b"0") || !id.iter().all(u8::is_ascii_digit) {
        return id;
    }
    let zeros = id.iter().take_while(|&&digit| digit == b'0').count();
    id.get(zeros.min(id.len() - 1)..).unwrap_or(id)
}

/// Letters without a width.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_share_a_key() {
        for (a, b, same) in [
            ("00000001", "1", true),
            ("000", "0", true),
            ("1.0", "1", true),
            ("a.0", "a", false),
            ("1.5", "1", false),
            ("A1", "a1", true),
            ("a1 ", "a1", true),
            ("\u{a0}a1", "a1", true),
            ("é", "e\u{301}", true),
            ("ｂ２", "b2", true),
            ("a\u{200b}1", "a1", true),
            ("a01", "a1", false),
            ("1", "10", false),
            ("", "0", false),
        ] {
            assert_eq!(key(a) == key(b), same, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_large_book_is_sampled_with_its_pairs() {
        let mut census = Census::default();
        let count = 3 * MOST_KEYS as u64 / 2;
        for number in 0..count {
            census.count(&format!("a{number}"), true, true);
        }
        assert!(census.keys.len() <= MOST_KEYS && census.halvings == 1);
        let mut spelt = census.clone();
        for number in 0..1_000 {
            spelt.count(&format!("A{number}"), true, false);
        }
        assert_eq!(census.shared().keys.len(), 0);
        let shared = spelt.shared();
        assert!((400..600).contains(&shared.keys.len()), "{}", shared.keys.len());
        assert!((1_600..2_400).contains(&shared.accounts));
    }
}
