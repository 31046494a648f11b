//! What is odd about a snapshot and not wrong: it is said, and nothing is set aside for it.

use serde::{Deserialize, Serialize};

/// Something odd about a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Warning {
    /// What kind: a stable code.
    pub code: String,
    /// How many there are of that kind.
    pub count: u64,
    /// What it is, with the first few of them.
    pub text: String,
}

impl Warning {
    /// Files in the folder that nothing reads.
    pub const UNUSED_FILES: &str = "unused_files";
    /// Columns that nothing reads.
    pub const UNUSED_COLUMNS: &str = "unused_columns";
    /// Columns of `accounts` that nothing groups by.
    pub const ATTRIBUTES: &str = "attributes";
    /// Account ids that differ only by blanks, letter case, leading zeros or Unicode form.
    pub const SIMILAR_IDS: &str = "similar_ids";
    /// Groups whose names differ only by blanks, letter case, leading zeros, Unicode form, or letters of another script
    /// that look the same.
    pub const SIMILAR_GROUPS: &str = "similar_groups";
    /// Accounts with positions, and others with balances, and none with both.
    pub const NOTHING_SHARED: &str = "nothing_shared";
    /// Prices that contradict each other, held by somebody or not.
    pub const IMPLAUSIBLE_PRICES: &str = "implausible_prices";
    /// Held contracts whose size is unlike that of all others.
    pub const ODD_SIZES: &str = "odd_contract_sizes";
    /// There is no table `accounts`.
    pub const NO_SETTINGS: &str = "no_settings";
    /// Accounts of which two position rows are equal in every cell.
    pub const REPEATED_POSITIONS: &str = "repeated_positions";
    /// Accounts that stand in the table `accounts` alone, while others have no row there.
    pub const SETTINGS_ALONE: &str = "settings_alone";
    /// Held contracts whose id says another expiry, strike or type than their columns.
    pub const CONTRADICTING_IDS: &str = "contradicting_ids";
    /// Prices from more than a day before or after the valuation time.
    pub const OLD_PRICES: &str = "old_prices";
    /// Times without a zone, taken as UTC.
    pub const NAIVE_TIMES: &str = "naive_times";

    /// True for what most sound snapshots have: it is no news in a log.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        [Self::NO_SETTINGS, Self::ATTRIBUTES].contains(&self.code.as_str())
    }

    /// A warning of some kind.
    #[must_use]
    pub fn new(code: &str, count: u64, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), count, text: text.into() }
    }
}

/// The first few names of many.
pub(super) fn first_few<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = Vec::new();
    let mut more = 0u64;
    for name in names {
        if shown.len() < SHOWN {
            shown.push(format!("`{}`", crate::cells::text::in_a_line(name)));
        } else {
            more += 1;
        }
    }
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}
