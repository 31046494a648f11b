//! The tables of a snapshot: their names, and the columns that are read of each.

use super::declared::{
    ACCOUNTS, BALANCES, INDICES, INSTRUMENTS, MARKS, OPERATIONS, ORDERS, POSITIONS, PRICES, SHOCKS, SPOT_PAIRS,
};
use crate::book::Grouping;
use crate::formats::{Column, Kind};

/// The column that tells the number of a row in the table that it came from, from 1.
pub(crate) const ROW: &str = "row";

/// A table of the snapshot, in the order in which rejects are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Contract specifications.
    Instruments,
    /// Mark prices, volatilities and forwards.
    Marks,
    /// Index prices.
    Indices,
    /// Sizes of orders on spot pairs.
    SpotPairs,
    /// Positions of accounts.
    Positions,
    /// Balances of accounts.
    Balances,
    /// Settings of accounts.
    Accounts,
    /// Pending orders of accounts.
    Orders,
}

impl Table {
    /// All tables, in order.
    pub const ALL: [Self; 8] = [
        Self::Instruments,
        Self::Marks,
        Self::Indices,
        Self::SpotPairs,
        Self::Positions,
        Self::Balances,
        Self::Accounts,
        Self::Orders,
    ];

    /// The name of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Instruments => "instruments",
            Self::Marks => "marks",
            Self::Indices => "indices",
            Self::SpotPairs => "spot_pairs",
            Self::Positions => "positions",
            Self::Balances => "balances",
            Self::Accounts => "accounts",
            Self::Orders => "orders",
        }
    }

    /// True if a snapshot may lack it.
    pub(super) fn optional(self) -> bool {
        matches!(self, Self::SpotPairs | Self::Accounts | Self::Orders)
    }

    pub(super) fn columns(self) -> &'static [Column<'static>] {
        match self {
            Self::Instruments => INSTRUMENTS,
            Self::Marks => MARKS,
            Self::Indices => INDICES,
            Self::SpotPairs => SPOT_PAIRS,
            Self::Positions => POSITIONS,
            Self::Balances => BALANCES,
            Self::Accounts => ACCOUNTS,
            Self::Orders => ORDERS,
        }
    }

    /// The columns that are read: of `accounts` also those by which accounts are grouped.
    pub(super) fn columns_by(self, groups: &[Grouping]) -> Vec<Column<'_>> {
        let mut columns = self.columns().to_vec();
        if self == Self::Accounts {
            for name in groups.iter().flat_map(Grouping::attributes) {
                if columns.iter().all(|column| column.name != name) {
                    columns.push(Column::new(name, Kind::Attribute));
                }
            }
        }
        columns
    }
}

/// A column that is read of an input table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputColumn {
    /// The table.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it holds: `id`, `number`, `time` or `date`.
    pub kind: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it is measured in.
    pub unit: &'static str,
    /// A value as it may stand there.
    pub example: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// What one row of an input table is.
fn row_of(table: &str) -> &'static str {
    match table {
        "instruments" => "a contract that exists",
        "marks" => "a contract with its price",
        "indices" => "an index price",
        "spot_pairs" => "a spot pair with its order sizes",
        "positions" => "a position of an account",
        "balances" => "an account in a currency",
        "accounts" => "an account with settings of its own",
        "orders" => "a pending order",
        "shocks" => "a move of a scenario",
        "operations" => "an operation to check",
        _ => "a price of a coin at a time",
    }
}

/// Every input table: its name, what a row is, whether a snapshot may lack it, and its columns.
#[must_use]
pub fn input_tables() -> Vec<(&'static str, &'static str, bool, Vec<InputColumn>)> {
    let book = Table::ALL.map(|table| (table.name(), table.optional(), table.columns()));
    let more = [("shocks", true, SHOCKS), ("operations", true, OPERATIONS), ("prices", true, PRICES)];
    let kind = |kind| match kind {
        Kind::Id => "id",
        Kind::Number => "number",
        Kind::Time => "time",
        Kind::Date => "date",
        Kind::Flag => "flag",
        Kind::Attribute => "attribute",
    };
    let column = |table: &'static str, column: &'static Column<'static>| InputColumn {
        table,
        name: column.name,
        kind: kind(column.kind),
        required: column.required,
        unit: column.unit,
        example: column.example,
        meaning: column.meaning,
    };
    let tables = book.into_iter().chain(more);
    let described = |(table, optional, columns): (&'static str, bool, &'static [Column<'static>])| {
        (table, row_of(table), optional, columns.iter().map(|of| column(table, of)).collect())
    };
    tables.map(described).collect()
}
