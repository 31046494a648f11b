//! The sets that the program brings along, by the date from which they hold.

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A built-in set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name, as in the file.
    pub name: &'static str,
    /// The day from which it holds, as in the file.
    pub effective_from: &'static str,
    /// The file.
    pub text: &'static str,
}

impl BuiltIn {
    /// Midnight UTC of the day from which it holds, in nanoseconds since 1970.
    #[must_use]
    pub fn effective_from_ns(&self) -> i64 {
        midnight_utc_ns(self.effective_from).unwrap_or(i64::MAX)
    }
}

/// Midnight UTC of a date, in nanoseconds since 1970.
pub(super) fn midnight_utc_ns(date: &str) -> Option<i64> {
    // Only a bare date: jiff would also accept a date with a time.
    let date: Date = (date.len() == "2025-01-15".len()).then(|| date.parse().ok())??;
    let midnight = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
    i64::try_from(midnight.as_nanosecond()).ok()
}

/// All built-in sets, the oldest first.
pub const BUILT_INS: [BuiltIn; 3] = [
    BuiltIn {
        name: "okx-pm2-2024-06",
        effective_from: "2024-06-05",
        text: include_str!("../../data/rules/okx-pm2-2024-06.toml"),
    },
    BuiltIn { name: BUILT_IN_NAME, effective_from: "2025-01-15", text: BUILT_IN },
    BuiltIn {
        name: "okx-pm2-2025-12",
        effective_from: "2025-12-04",
        text: include_str!("../../data/rules/okx-pm2-2025-12.toml"),
    },
];

/// The default set, in force since January 2025, as TOML text.
pub const BUILT_IN: &str = include_str!("../../data/rules/okx-pm2-2025-01.toml");

/// The name of the default set.
pub const BUILT_IN_NAME: &str = "okx-pm2-2025-01";

/// The built-in set of a name.
#[must_use]
pub fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_INS.iter().find(|set| set.name == name)
}

/// The set that holds where nothing else is asked for.
pub(super) fn default_set() -> &'static BuiltIn {
    const DEFAULT: &BuiltIn = &BUILT_INS[1];
    DEFAULT
}

/// The names, for a message.
pub(super) fn known_names() -> String {
    BUILT_INS.iter().map(|set| format!("\"{}\"", set.name)).collect::<Vec<_>>().join(", ")
}
