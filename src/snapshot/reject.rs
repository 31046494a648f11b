//! Rows that were set aside, and why: a closed list of reasons with stable codes.

use super::schema::Table;

/// Why a row was rejected. A row has one reason: the first that applies, in the order of this list.
///
/// Numbers are *out of range* where `0 < |x| < 1e-18` or `|x| > 1e18`: inside these bounds no product or sum of the
/// model can overflow or lose itself in denormal numbers, so that a margin is always finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No `account_id`.
    MissingAccountId,
    /// The source of the snapshot says in `unmarginable` why the account cannot be margined.
    MarkedUnmarginable,
    /// No `inst_id`.
    MissingInstId,
    /// No `ccy`.
    MissingCcy,
    /// No `index_id`, or one that is not `BASE-QUOTE`.
    InvalidIndexId,
    /// The instrument is not in the table `instruments`.
    UnknownInstrument,
    /// The instrument's own row is broken: no type, no contract value, a strike or expiry that cannot be read,
    /// a settle currency that contradicts the contract type.
    InvalidInstrument,
    /// The instrument expired at or before the valuation time.
    ExpiredInstrument,
    /// No `qty`.
    MissingQuantity,
    /// A `qty` that is not a finite number; of an order also one that is not greater than zero.
    InvalidQuantity,
    /// No `avg_px`.
    MissingAvgPx,
    /// An `avg_px` that is not a finite number.
    InvalidAvgPx,
    /// An `avg_px` that is zero or negative.
    NonPositiveAvgPx,
    /// No `px`.
    MissingPx,
    /// A `px` that is not a finite number greater than zero.
    InvalidPx,
    /// A `side` that is neither `buy` nor `sell`.
    InvalidSide,
    /// No `cash`.
    MissingCash,
    /// A `cash` that is not a finite number.
    InvalidCash,
    /// An `interest` that is not a finite number or is negative.
    InvalidInterest,
    /// A `spot_in_use_cap` that is not a finite number or is negative.
    InvalidSpotInUseCap,
    /// A `col_res` that is not 0, 1 or 2.
    InvalidColRes,
    /// A number that is not zero and smaller than 1e-18, or larger than 1e18.
    OutOfRange,
    /// The instrument has no usable mark price.
    MissingMark,
    /// The mark's `bid_px` is above its `ask_px`.
    CrossedMark,
    /// The mark is of another time than the snapshot, or of unknown time, and `max_mark_age` is set.
    StaleMark,
    /// The option has no usable mark volatility.
    MissingVol,
    /// The option has no usable forward price.
    MissingForward,
    /// The underlying has no usable index price, or one of another time than the snapshot.
    MissingIndex,
    /// A currency has no USD value.
    MissingFx,
    /// The option's forward is far from its index, see [`MarkCheck`](super::MarkCheck): one of them may be in another
    /// unit.
    ImplausibleForward,
    /// The option's volatility is above 500 %: it may be in percent.
    ImplausibleVol,
    /// The mark is far from its index, or an option's mark contradicts its forward, strike and volatility: it may be in
    /// another unit.
    ImplausibleMark,
    /// Worth more USD than `max_notional_usd` allows: contracts and coins may be mixed up.
    ImplausibleNotional,
    /// Another row has the same account and currency. All rows of the key are rejected, whatever their order.
    DuplicateBalance,
    /// A `spot_offset` that is not `usdt`, `usdc`, `coin` or `none`.
    InvalidSpotOffset,
    /// A `fee_rate` that is not a number from 0 to 1.
    InvalidFeeRate,
    /// Another row of `accounts` has the same account. All its rows are rejected.
    DuplicateAccount,
    /// A sound row of an account that is left out because another of its rows is broken.
    AccountUnmargined,
}

impl Reason {
    /// All reasons, in order.
    pub const ALL: [Self; 38] = [
        Self::MissingAccountId,
        Self::MarkedUnmarginable,
        Self::MissingInstId,
        Self::MissingCcy,
        Self::InvalidIndexId,
        Self::UnknownInstrument,
        Self::InvalidInstrument,
        Self::ExpiredInstrument,
        Self::MissingQuantity,
        Self::InvalidQuantity,
        Self::MissingAvgPx,
        Self::InvalidAvgPx,
        Self::NonPositiveAvgPx,
        Self::MissingPx,
        Self::InvalidPx,
        Self::InvalidSide,
        Self::MissingCash,
        Self::InvalidCash,
        Self::InvalidInterest,
        Self::InvalidSpotInUseCap,
        Self::InvalidColRes,
        Self::OutOfRange,
        Self::MissingMark,
        Self::CrossedMark,
        Self::StaleMark,
        Self::MissingVol,
        Self::MissingForward,
        Self::MissingIndex,
        Self::MissingFx,
        Self::ImplausibleForward,
        Self::ImplausibleVol,
        Self::ImplausibleMark,
        Self::ImplausibleNotional,
        Self::DuplicateBalance,
        Self::InvalidSpotOffset,
        Self::InvalidFeeRate,
        Self::DuplicateAccount,
        Self::AccountUnmargined,
    ];

    /// True if it says that prices contradict each other.
    pub(super) fn is_implausible_price(self) -> bool {
        matches!(self, Self::ImplausibleForward | Self::ImplausibleVol | Self::ImplausibleMark)
    }

    /// The stable code in `rejects` and `summary.json`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingAccountId => "missing_account_id",
            Self::MarkedUnmarginable => "marked_unmarginable",
            Self::MissingInstId => "missing_inst_id",
            Self::MissingCcy => "missing_ccy",
            Self::InvalidIndexId => "invalid_index_id",
            Self::UnknownInstrument => "unknown_instrument",
            Self::InvalidInstrument => "invalid_instrument",
            Self::ExpiredInstrument => "expired_instrument",
            Self::MissingQuantity => "missing_quantity",
            Self::InvalidQuantity => "invalid_quantity",
            Self::MissingAvgPx => "missing_avg_px",
            Self::InvalidAvgPx => "invalid_avg_px",
            Self::NonPositiveAvgPx => "non_positive_avg_px",
            Self::MissingPx => "missing_px",
            Self::InvalidPx => "invalid_px",
            Self::InvalidSide => "invalid_side",
            Self::MissingCash => "missing_cash",
            Self::InvalidCash => "invalid_cash",
            Self::InvalidInterest => "invalid_interest",
            Self::InvalidSpotInUseCap => "invalid_spot_in_use_cap",
            Self::InvalidColRes => "invalid_col_res",
            Self::OutOfRange => "out_of_range",
            Self::MissingMark => "missing_mark",
            Self::CrossedMark => "crossed_mark",
            Self::StaleMark => "stale_mark",
            Self::MissingVol => "missing_vol",
            Self::MissingForward => "missing_forward",
            Self::MissingIndex => "missing_index",
            Self::MissingFx => "missing_fx",
            Self::ImplausibleForward => "implausible_forward",
            Self::ImplausibleVol => "implausible_vol",
            Self::ImplausibleMark => "implausible_mark",
            Self::ImplausibleNotional => "implausible_notional",
            Self::DuplicateBalance => "duplicate_balance",
            Self::InvalidSpotOffset => "invalid_spot_offset",
            Self::InvalidFeeRate => "invalid_fee_rate",
            Self::DuplicateAccount => "duplicate_account",
            Self::AccountUnmargined => "account_unmargined",
        }
    }
}

/// One input row that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The table of the row.
    pub table: Table,
    /// Number of the row, from 1, without the header, over all parts of the table.
    pub row: u64,
    /// The account, where the row names one.
    pub account_id: Option<String>,
    /// Why.
    pub reason: Reason,
    /// The column that is at fault.
    pub column: &'static str,
    /// The offending value as it stands there; empty if it is missing. Long values are cut.
    pub value: String,
}

/// An account that is left out of the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmargined {
    /// The account.
    pub account_id: String,
    /// The reason of its broken rows; of several, the first in the order of [`Reason`], so that it does not depend
    /// on the order of rows.
    pub reason: Reason,
    /// How many of its rows are broken themselves.
    pub broken_rows: u64,
    /// The table of its first row that is broken for that reason.
    pub table: Table,
    /// The number of that row, from 1, over all parts of the table.
    pub row: u64,
    /// The column of it that is at fault.
    pub column: &'static str,
    /// What stands there; empty if it is missing. Long values are cut.
    pub value: String,
}

/// What became of the rows of a table: `rows_in = rows_used + rows_rejected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableCount {
    /// The table.
    pub table: Table,
    /// Rows read.
    pub rows_in: u64,
    /// Rows that went into the market or the book.
    pub rows_used: u64,
    /// `rows_broken + rows_left_out`.
    pub rows_rejected: u64,
    /// Rows that are broken themselves.
    pub rows_broken: u64,
    /// Sound rows of accounts that are left out.
    pub rows_left_out: u64,
}

/// A broken row as the readers note it; its account is a number until all tables are read.
#[derive(Debug)]
pub(super) struct Broken {
    pub row: u64,
    pub account: Option<u32>,
    pub reason: Reason,
    pub column: &'static str,
    pub value: String,
}
