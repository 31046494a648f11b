//! The tables of a snapshot: their names, and the columns that are read of each.

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

    pub(super) fn columns(self) -> &'static [Column] {
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
}

/// Every column that is read of an input table: table, column, type, whether it must be there. For the test of the
/// documents.
#[doc(hidden)]
#[must_use]
pub fn input_columns() -> Vec<(&'static str, &'static str, &'static str, bool)> {
    let book = Table::ALL.map(|table| (table.name(), table.columns()));
    let tables = book.into_iter().chain([("shocks", SHOCKS), ("operations", OPERATIONS), ("prices", PRICES)]);
    let kind = |kind| match kind {
        Kind::Id => "id",
        Kind::Number => "number",
        Kind::Time => "time",
        Kind::Date => "date",
        Kind::Flag => "flag",
    };
    let columns = |(table, columns): (&'static str, &'static [Column])| {
        columns.iter().map(move |column| (table, column.name, kind(column.kind), column.required))
    };
    tables.flat_map(columns).collect()
}

const fn id(name: &'static str) -> Column {
    Column { name, kind: Kind::Id, required: true }
}

const fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Number, required: true }
}

const INSTRUMENTS: &[Column] = &[
    id("inst_id"),
    id("inst_type"),
    id("uly"),
    id("settle_ccy"),
    id("ct_type"),
    number("ct_val"),
    number("ct_mult"),
    Column { name: "expiry", kind: Kind::Time, required: true },
    number("strike"),
    id("opt_type"),
    Column { name: "lot_sz", kind: Kind::Number, required: false },
];
/// The time of a price, which only `--max-mark-age` asks for.
const TS: Column = Column { name: "ts", kind: Kind::Time, required: false };
const MARKS: &[Column] = &[
    id("inst_id"),
    number("mark_px"),
    number("mark_vol"),
    number("fwd_px"),
    Column { name: "bid_px", kind: Kind::Number, required: false },
    Column { name: "ask_px", kind: Kind::Number, required: false },
    TS,
];
const INDICES: &[Column] = &[id("index_id"), number("px"), TS];
const SPOT_PAIRS: &[Column] =
    &[id("inst_id"), number("lot_sz"), Column { name: "min_sz", kind: Kind::Number, required: false }];
const POSITIONS: &[Column] = &[id("account_id"), id("inst_id"), number("qty"), number("avg_px")];
const BALANCES: &[Column] = &[
    id("account_id"),
    id("ccy"),
    number("cash"),
    Column { name: "interest", kind: Kind::Number, required: false },
    Column { name: "spot_in_use_cap", kind: Kind::Number, required: false },
    Column { name: "col_res", kind: Kind::Number, required: false },
];
const ACCOUNTS: &[Column] = &[
    id("account_id"),
    id("spot_offset"),
    optional_id("unmarginable"),
    Column { name: "fee_rate", kind: Kind::Number, required: false },
];
const ORDERS: &[Column] = &[id("account_id"), id("inst_id"), id("side"), number("qty"), number("px")];
const fn optional_id(name: &'static str) -> Column {
    Column { name, kind: Kind::Id, required: false }
}

/// Of the operations that `simulate` checks: see [`super::operations`].
pub(super) const OPERATIONS: &[Column] = &[
    id("op_id"),
    id("account_id"),
    id("kind"),
    optional_id("inst_id"),
    optional_id("ccy"),
    optional_id("side"),
    Column { name: "qty", kind: Kind::Number, required: false },
    Column { name: "px", kind: Kind::Number, required: false },
    optional_id("spot_offset"),
    optional_id("group"),
];
/// Of `shocks`, which is no part of the book: see [`super::shocks`].
pub(super) const SHOCKS: &[Column] = &[
    id("scenario"),
    Column { name: "base", kind: Kind::Id, required: false },
    Column { name: "price", kind: Kind::Number, required: false },
    Column { name: "vol", kind: Kind::Number, required: false },
    Column { name: "fx_ccy", kind: Kind::Id, required: false },
    Column { name: "fx", kind: Kind::Number, required: false },
    Column { name: "days", kind: Kind::Number, required: false },
    optional_id("origin"),
    Column { name: "weight", kind: Kind::Number, required: false },
];
/// Of prices by time and coin, of which scenarios are made: no table of a snapshot.
pub(crate) const PRICES: &[Column] = &[
    Column { name: "time", kind: Kind::Date, required: true },
    id("base"),
    number("price"),
    Column { name: "vol", kind: Kind::Number, required: false },
];
