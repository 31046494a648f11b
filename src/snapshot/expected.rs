//! What a row should have had, for each reason to set it aside.

use super::reject::{Reason, Reject};
use super::schema::Table;

impl Reason {
    /// What was expected in place of what stood there.
    #[must_use]
    pub fn expected(self) -> &'static str {
        match self {
            Self::MissingAccountId => "an account id",
            Self::MissingInstId => "the name of an instrument",
            Self::MissingCcy => "the name of a currency",
            Self::InvalidIndexId => "a name such as BTC-USDT",
            Self::UnknownInstrument => "an instrument of the table instruments",
            Self::InvalidInstrument => "an instrument whose row in instruments is sound",
            Self::ExpiredInstrument => "an instrument that expires after as_of",
            Self::MissingQuantity | Self::InvalidQuantity => "a number such as -12.5; of an order above zero",
            Self::MissingAvgPx | Self::InvalidAvgPx | Self::NonPositiveAvgPx | Self::MissingPx | Self::InvalidPx => {
                "a number above zero such as 90000.5"
            }
            Self::InvalidSide => "buy or sell",
            Self::MissingCash | Self::InvalidCash => "a number such as -12.5",
            Self::InvalidInterest | Self::InvalidSpotInUseCap => "a number of zero or more, or nothing",
            Self::InvalidColRes => "0, 1 or 2, or nothing",
            Self::InvalidFeeRate => "a share from 0 to 1 such as 0.0005, or nothing",
            Self::OutOfRange => "zero, or a number whose size is between 1e-18 and 1e18",
            Self::MissingMark => "a mark_px above zero in marks; of an option zero or more",
            Self::CrossedMark => "a bid_px at or below the ask_px",
            Self::StaleMark => "a ts within --max-mark-age of as_of",
            Self::MissingVol => "a mark_vol above zero in marks, as a fraction: 0.57 for 57 %",
            Self::MissingForward => "a fwd_px above zero in marks, in the quote currency",
            Self::MissingIndex => "a px above zero in indices for the underlying",
            Self::MissingFx => "a px above zero in indices that leads from the currency to USD",
            Self::ImplausibleForward => "a fwd_px near the index, within --mark-check",
            Self::ImplausibleVol => "a mark_vol as a fraction: 0.57 for 57 %",
            Self::ImplausibleMark => {
                "a mark_px near the index, within --mark-check; of an option for one coin, in the settle currency"
            }
            Self::ImplausibleNotional => "a value within --max-notional-usd",
            Self::DuplicateBalance => "one row for each account and currency",
            Self::InvalidSpotOffset => "usdt, usdc, coin or none",
            Self::DuplicateAccount => "one row for each account",
            Self::AccountUnmargined => "no broken row of the account",
            Self::MarkedUnmarginable => "null, in a column that says why an account cannot be margined",
        }
    }
}

impl Reject {
    /// What was expected in the column at fault.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        match (self.reason, self.table, self.column) {
            (Reason::InvalidInstrument, Table::Instruments, column) => match column {
                "inst_type" => "SWAP, FUTURES or OPTION",
                "uly" => "an underlying such as BTC-USDT",
                "settle_ccy" => "the base for inverse contracts; the quote, USD, USDT or USDC for linear ones",
                "ct_type" => "linear or inverse",
                "expiry" => {
                    "a time such as 2026-03-27T08:00:00Z, or a whole number of s, ms, us or ns since 1970; nothing for \
                     SWAP"
                }
                "opt_type" => "C or P",
                _ => "a number above zero such as 0.01",
            },
            (Reason::InvalidInstrument, Table::SpotPairs, column) => match column {
                "inst_id" => "a pair such as BTC-USDT",
                "min_sz" => "a number of zero or more, or nothing",
                _ => "a number above zero such as 0.01",
            },
            (Reason::StaleMark, _, "ts") => {
                "a time such as 2026-01-15T08:00:00Z, or a whole number of s, ms, us or ns since 1970, within \
                 --max-mark-age of as_of"
            }
            (reason, ..) => reason.expected(),
        }
    }
}
