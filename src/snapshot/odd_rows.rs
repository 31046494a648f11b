//! What is odd about the rows of accounts, and not wrong by itself.

use super::warning::{Warning, first_few};
use crate::book::Book;

/// Rows of accounts that may be a slip.
#[derive(Debug, Clone, Default)]
pub(super) struct OddRows {
    /// Accounts of which two position rows are equal in every cell.
    repeated: Few,
    /// Accounts with positions, orders or balances, and without a row in `accounts`.
    without_settings: Few,
    /// Accounts with a row in `accounts` and nothing else.
    settings_alone: Few,
}

/// How many accounts there are, with the ids of the first.
#[derive(Debug, Clone, Default)]
struct Few {
    count: u64,
    first: Vec<String>,
}

impl Few {
    const SHOWN: usize = 5;

    fn push(&mut self, id: &str) {
        self.count += 1;
        if self.first.len() < Self::SHOWN {
            self.first.push(id.to_owned());
        }
    }

    fn add(&mut self, later: &Self) {
        self.count += later.count;
        let room = Self::SHOWN.saturating_sub(self.first.len());
        self.first.extend(later.first.iter().take(room).cloned());
    }

    fn text(&self) -> String {
        let first = first_few(self.first.iter().map(String::as_str));
        let more = self.count - self.first.len() as u64;
        if more > 0 { format!("{first} and {more} more") } else { first }
    }
}

impl OddRows {
    /// Counts an account by what it has.
    pub fn count(&mut self, id: &str, has_settings: bool, has_rows: bool) {
        if !has_settings {
            self.without_settings.push(id);
        } else if !has_rows {
            self.settings_alone.push(id);
        }
    }

    /// Looks for positions that stand twice. Equal rows of an account follow each other.
    pub fn look_for_repeated(&mut self, book: &Book) {
        let same = |pair: &[f64]| matches!(pair, [a, b] if a.to_bits() == b.to_bits());
        for (account, bounds) in book.position_start().windows(2).enumerate() {
            let &[start, end] = bounds else { continue };
            let (instrument, qty, avg_px) =
                (book.instrument().get(start..end), book.qty().get(start..end), book.avg_px().get(start..end));
            let (Some(instrument), Some(qty), Some(avg_px)) = (instrument, qty, avg_px) else { continue };
            let mut pairs = instrument.windows(2).zip(qty.windows(2)).zip(avg_px.windows(2));
            if pairs.any(|((held, qty), px)| matches!(held, [a, b] if a == b) && same(qty) && same(px)) {
                self.repeated.push(book.accounts().get(account));
            }
        }
    }

    /// Adds the accounts that follow.
    pub fn add(&mut self, later: &Self) {
        self.repeated.add(&later.repeated);
        self.without_settings.add(&later.without_settings);
        self.settings_alone.add(&later.settings_alone);
    }

    /// What is said of them.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let Self { repeated, without_settings, settings_alone } = self;
        if repeated.count > 0 {
            let text = format!(
                "accounts with two position rows that are equal in every cell, which both count: {}",
                repeated.text()
            );
            warnings.push(Warning::new(Warning::REPEATED_POSITIONS, repeated.count, text));
        }
        // Either alone is usual: settings that are not given, and accounts at rest.
        if without_settings.count > 0 && settings_alone.count > 0 {
            let text = format!(
                "accounts that stand in `accounts` alone: {}, beside accounts without a row there: {}; is an id \
                 misspelt?",
                settings_alone.text(),
                without_settings.text()
            );
            warnings.push(Warning::new(Warning::SETTINGS_ALONE, settings_alone.count, text));
        }
        warnings
    }
}
