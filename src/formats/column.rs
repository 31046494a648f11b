//! What is asked of a table that is read: its columns and what they hold.

/// What a column holds, which decides the types it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Strings; whole numbers and UUIDs are kept as written.
    Id,
    /// Numbers: `Float64`, integers, decimals, decimal strings.
    Number,
    /// Timestamps, strings of a date and a time, whole numbers since 1970.
    Time,
    /// As [`Kind::Time`], or days without a time of day: dates, strings such as `2026-03-27`.
    Date,
    /// Booleans, or the strings `true` and `false`; only results have them.
    Flag,
    /// As [`Kind::Id`], or booleans, or other numbers, whose text CSV would have: what accounts are grouped by.
    Attribute,
}

impl Kind {
    pub fn expected(self) -> &'static str {
        match self {
            Self::Id => "strings, integers, decimals without a fraction or UUIDs",
            Self::Number => "Float64, integers, decimals of up to 38 digits or decimal strings",
            Self::Time => "timestamps, strings such as `2026-03-27T08:00:00Z`, or whole numbers since 1970",
            Self::Date => "dates such as `2026-03-27`, timestamps, or whole numbers since 1970",
            Self::Flag => "booleans",
            Self::Attribute => "strings, integers, decimals, Float64, Float32, UUIDs or booleans",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Column<'a> {
    pub name: &'a str,
    pub kind: Kind,
    pub required: bool,
    /// What it is measured in, a value as an example, and what it means: for people. Empty where the program reads its
    /// own tables.
    pub unit: &'static str,
    pub example: &'static str,
    pub meaning: &'static str,
}

impl<'a> Column<'a> {
    /// A column that must be there.
    pub const fn new(name: &'a str, kind: Kind) -> Self {
        Self { name, kind, required: true, unit: "", example: "", meaning: "" }
    }

    /// True if it is read as text, of which most values repeat.
    pub fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Id | Kind::Attribute)
    }

    pub const fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    pub const fn means(mut self, unit: &'static str, example: &'static str, meaning: &'static str) -> Self {
        (self.unit, self.example, self.meaning) = (unit, example, meaning);
        self
    }
}
