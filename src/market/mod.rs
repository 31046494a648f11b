//! One market: the value of every instrument and currency at the valuation time.
//!
//! A [`Market`] contains validated contract specifications and prices. A missing price is *not* an error here: it is a
//! [`PriceGap`], and only accounts that hold the instrument or currency are excluded.

mod moved;
pub mod scenario;
#[cfg(test)]
mod scenario_tests;

/// Nanoseconds in the model's year of 365 days.
pub const YEAR_NS: f64 = 365.0 * 86_400.0 * 1e9;

/// Why an instrument or a currency has no usable price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PriceGap {
    /// No mark price, or one that is not a positive number (options: not negative).
    Mark,
    /// No mark volatility, or one that is not positive.
    Vol,
    /// No forward price, or one that is not positive.
    Forward,
    /// No index price of the underlying, or one that is not positive.
    Index,
    /// No USD value of a currency (quote or settlement currency of an instrument, or currency of a balance).
    Fx,
}

/// A currency and its USD value.
#[derive(Debug, Clone, PartialEq)]
pub struct Currency {
    /// `BTC`, `USDT`, `USD`.
    pub name: String,
    /// USD value of one unit; `None` if it cannot be derived from the indices.
    pub fx: Option<f64>,
}

/// An index `B-Q`.
#[derive(Debug, Clone, PartialEq)]
pub struct Underlying {
    /// `BTC-USDT`.
    pub name: String,
    /// Base currency, index into [`Market::currencies`].
    pub base: u32,
    /// Quote currency, index into [`Market::currencies`].
    pub quote: u32,
    /// Price of one base in quote; `None` if missing or not positive.
    pub index_px: Option<f64>,
}

/// The kind of a contract. It determines the formulas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InstrumentKind {
    /// Linear swap or future: `m` coins a contract.
    Linear,
    /// Inverse swap or future: `m` USD face a contract.
    Inverse,
    /// European option on the forward: `m` coins a contract.
    Option {
        /// Call or put.
        call: bool,
        /// Strike in quote currency.
        strike: f64,
    },
}

/// A contract with its specification and its prices.
#[derive(Debug, Clone, PartialEq)]
pub struct Instrument {
    /// `BTC-USDT-SWAP`.
    pub inst_id: String,
    /// Determines the formulas.
    pub kind: InstrumentKind,
    /// Index into [`Market::underlyings`].
    pub underlying: u32,
    /// Settle currency, index into [`Market::currencies`].
    pub settle: u32,
    /// `ct_val x ct_mult`: coins, or USD face for inverse contracts.
    pub multiplier: f64,
    /// Expiry in nanoseconds since 1970 UTC; `None` for swaps.
    pub expiry_ns: Option<i64>,
    /// Lot size: the smallest step of an order's quantity, contracts.
    pub lot_sz: f64,
    /// Mark price (linear: quote; inverse: quote per coin; option: settle currency per coin). NaN with a gap.
    pub mark_px: f64,
    /// Mark volatility of an option, else 0. NaN with a gap.
    pub mark_vol: f64,
    /// Forward price of an option in quote currency, else 0. NaN with a gap.
    pub fwd_px: f64,
    /// Why it cannot be margined, if so. Accounts that hold it are excluded.
    pub gap: Option<PriceGap>,
}

/// The sizes of orders that the exchange takes on a spot pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpotPair {
    /// Base currency, index into [`Market::currencies`].
    pub base: u32,
    /// Quote currency, index into [`Market::currencies`].
    pub quote: u32,
    /// Lot size: the smallest step of an order's quantity, units of the base. Above zero.
    pub lot_sz: f64,
    /// The smallest order, units of the base; zero if there is none.
    pub min_sz: f64,
}

/// All instruments, indices and currencies at one valuation time.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    /// Valuation time in nanoseconds since 1970 UTC.
    pub as_of_ns: i64,
    /// In byte order of their names.
    pub currencies: Vec<Currency>,
    /// In byte order of `(base, name)`: every index of the snapshot and the underlying of every instrument.
    pub underlyings: Vec<Underlying>,
    /// Ordered by base, underlying, expiry (swaps first), `inst_id`: the canonical order of positions. In it the rows
    /// of one risk unit are adjacent, whether units are separate or merged. None is expired, except after a
    /// [`scenario`] with days.
    pub instruments: Vec<Instrument>,
}

impl Market {
    /// Years from the valuation time to an expiry, `(expiry - as_of) / 365 d`; zero for swaps and past expiries.
    #[must_use]
    pub fn years_to(&self, expiry_ns: Option<i64>) -> f64 {
        expiry_ns.map_or(0.0, |expiry| (i128::from(expiry) - i128::from(self.as_of_ns)).max(0) as f64 / YEAR_NS)
    }
}
