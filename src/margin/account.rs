//! What the model is applied to: the rows of one account and its pending orders.

use super::rules::SpotOffset;

/// One account's rows, in canonical order.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// Spot hedging mode.
    pub spot_offset: SpotOffset,
    /// Instrument of each position.
    pub instrument: &'a [u32],
    /// Signed contracts of each position.
    pub qty: &'a [f64],
    /// Average entry price of each position.
    pub avg_px: &'a [f64],
    /// Currency of each balance, ascending.
    pub ccy: &'a [u32],
    /// Cash of each balance.
    pub cash: &'a [f64],
    /// Interest of each balance.
    pub interest: &'a [f64],
    /// Limit of spot in use of each balance, infinity if none.
    pub spot_in_use_cap: &'a [f64],
    /// True for each balance that may not back new orders; empty if all may.
    pub restricted: &'a [bool],
    /// The account's taker fee, a share; `None` if that of the rules holds.
    pub fee_rate: Option<f64>,
    /// Pending orders, which freeze margin: they count in IMR only.
    pub orders: &'a [Order],
}

impl Account<'_> {
    /// True if a balance may not back new orders.
    #[must_use]
    pub fn is_restricted(&self, ccy: u32) -> bool {
        self.ccy.binary_search(&ccy).is_ok_and(|row| self.restricted.get(row).copied().unwrap_or(false))
    }
}

/// What an order buys or sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Traded {
    /// A contract, by its index in the market.
    Contract(u32),
    /// Coins of a spot pair, by the indices of the currencies.
    Spot {
        /// What is bought.
        base: u32,
        /// What is paid.
        quote: u32,
    },
}

impl Traded {
    /// The same in a part of the market that has it: instrument and currencies by their numbers there.
    #[must_use]
    pub fn renumbered(self, instrument: impl Fn(u32) -> u32, ccy: impl Fn(u32) -> u32) -> Self {
        match self {
            Self::Contract(number) => Self::Contract(instrument(number)),
            Self::Spot { base, quote } => Self::Spot { base: ccy(base), quote: ccy(quote) },
        }
    }
}

/// A pending order, which is taken as filled whole at its price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// What is traded.
    pub traded: Traded,
    /// Contracts, or coins of the base currency: bought +, sold -.
    pub qty: f64,
    /// Price: quote currency; options: settle currency per coin.
    pub px: f64,
}

impl Order {
    /// Canonical order: instrument or pair, quantity, price.
    #[must_use]
    pub fn canonical(&self, other: &Self) -> std::cmp::Ordering {
        self.traded.cmp(&other.traded).then(self.qty.total_cmp(&other.qty)).then(self.px.total_cmp(&other.px))
    }
}

/// A figure of a result is not finite, or an instrument without a price is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite;

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a figure is not finite")
    }
}

impl std::error::Error for NotFinite {}
