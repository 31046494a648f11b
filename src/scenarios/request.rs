//! What is asked for: which windows of a history, how their returns become moves, how many draws.

use super::Proxy;
use crate::{Error, Result};
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;

/// Most scenarios that may be drawn.
const MOST_DRAWS: u64 = 1_000_000;

/// Nanoseconds in an hour.
const HOUR_NS: i64 = 3_600_000_000_000;

/// The length of a window: whole hours, days or weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon(i64);

impl Horizon {
    /// A day.
    pub const DAY: Self = Self(24 * HOUR_NS);

    /// Its nanoseconds, above zero.
    #[must_use]
    pub fn ns(self) -> i64 {
        self.0
    }
}

/// The units of a length of time, the longest first.
const UNITS: [(&str, i64); 3] = [("w", 7 * 24 * HOUR_NS), ("d", 24 * HOUR_NS), ("h", HOUR_NS)];

/// A length of time in words: `1d`, `8h`, `90000000000 ns` if it is no whole number of hours.
pub(super) fn length(ns: i64) -> String {
    let fits = UNITS.iter().skip(1).find(|(_, unit)| ns % unit == 0);
    fits.map_or_else(|| format!("{} s", ns as f64 / 1e9), |(name, unit)| format!("{}{name}", ns / unit))
}

impl FromStr for Horizon {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unit = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)));
        let ns = unit
            .and_then(|(number, unit)| number.parse::<u32>().ok().map(|number| i64::from(number).checked_mul(*unit)));
        match ns {
            Some(Some(ns)) if ns > 0 => Ok(Self(ns)),
            _ => Err(Error::Usage(format!("cannot read the horizon `{text}`\n  expected: such as `8h`, `1d` or `2w`"))),
        }
    }
}

impl Display for Horizon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&length(self.0))
    }
}

/// What a return is. `P(s)` and `P(t)` are the prices at the beginning and at the end of a window, `P(now)` the last
/// price of the coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Returns {
    /// `(P(t) - P(s)) / P(now)`: the same amount of money, as a share of the price now. The move is the return.
    Absolute,
    /// `P(t) / P(s) - 1`. The move is the return.
    Relative,
    /// `ln(P(t) / P(s))`. The move is `exp(return) - 1`.
    #[default]
    Log,
}

impl Returns {
    /// The return of a window. All prices are above zero.
    pub(super) fn of(self, from: f64, to: f64, now: f64) -> f64 {
        match self {
            Self::Absolute => (to - from) / now,
            Self::Relative => to / from - 1.0,
            Self::Log => libm::log(to / from),
        }
    }

    /// The relative move of the price now that a return is.
    pub(super) fn shock(self, value: f64) -> f64 {
        match self {
            Self::Absolute | Self::Relative => value,
            Self::Log => libm::expm1(value),
        }
    }
}

/// What becomes of windows over something odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// The whole history is refused.
    #[default]
    Refuse,
    /// Such windows are left out, and counted.
    Skip,
    /// Such windows stay, and their rows say so in `origin`.
    Mark,
}

/// How a history becomes moves.
#[derive(Debug, Clone, PartialEq)]
pub struct FromHistory {
    /// The length of a window.
    pub horizon: Horizon,
    /// A window ends at every price; otherwise each begins where the one before ends, counted back from the last price.
    pub overlapping: bool,
    /// What a return is.
    pub returns: Returns,
    /// Rescale returns to the volatility now, with this decay factor of the weights, above 0 and below 1.
    pub lambda: Option<f64>,
    /// Take volatilities, where there are any.
    pub vol: bool,
    /// Prices before this time are not used; nanoseconds since 1970 UTC.
    pub from_ns: Option<i64>,
    /// Whose moves coins take that have none of their own.
    pub proxies: Vec<Proxy>,
    /// Windows that begin or end where a price is missing; never [`Fault::Mark`].
    pub gaps: Fault,
    /// Windows with a jump of more than [`FromHistory::largest_jump`].
    pub jumps: Fault,
    /// Windows that begin or end where a price stands still.
    pub stale: Fault,
    /// The largest factor between two prices that follow one another, up or down; above 1.
    pub largest_jump: f64,
    /// So many equal prices in a row are stale; at least 2.
    pub stale_rows: u32,
}

impl FromHistory {
    /// The decay factor of `RiskMetrics` for daily returns.
    pub const LAMBDA: f64 = 0.94;
    /// The usual [`FromHistory::largest_jump`].
    pub const LARGEST_JUMP: f64 = 5.0;
    /// The usual [`FromHistory::stale_rows`].
    pub const STALE_ROWS: u32 = 5;

    /// # Errors
    /// [`Error::Usage`] if a number is out of its range, or a coin has two proxies.
    pub(super) fn check(&self) -> Result<()> {
        let usage = |text: String| Err(Error::Usage(text));
        if let Some(lambda) = self.lambda.filter(|lambda| !(*lambda > 0.0 && *lambda < 1.0)) {
            return usage(format!("`lambda` is {lambda}, expected a number above 0 and below 1"));
        }
        if !(self.largest_jump > 1.0 && self.largest_jump.is_finite()) {
            return usage(format!("`largest_jump` is {}, expected a factor above 1", self.largest_jump));
        }
        if self.stale_rows < 2 {
            return usage(format!("`stale_rows` is {}, expected 2 or more", self.stale_rows));
        }
        if self.gaps == Fault::Mark {
            return usage("windows over gaps have no price: they can be refused or left out, not marked".to_owned());
        }
        let twice = |(place, proxy): (usize, &Proxy)| {
            self.proxies.iter().take(place).any(|other| other.coin == proxy.coin).then(|| proxy.coin.clone())
        };
        match self.proxies.iter().enumerate().find_map(twice) {
            Some(coin) => usage(format!("two proxies for `{coin}`, expected one")),
            None => Ok(()),
        }
    }
}

impl Default for FromHistory {
    fn default() -> Self {
        Self {
            horizon: Horizon::DAY,
            overlapping: false,
            returns: Returns::default(),
            lambda: None,
            vol: true,
            from_ns: None,
            proxies: Vec::new(),
            gaps: Fault::Refuse,
            jumps: Fault::Refuse,
            stale: Fault::Refuse,
            largest_jump: Self::LARGEST_JUMP,
            stale_rows: Self::STALE_ROWS,
        }
    }
}

/// One scenario for each window of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRequest {
    /// A table of prices, a file of saved candles, or a folder of either.
    pub prices: PathBuf,
    /// The table to write: `*.parquet`, `*.arrow` or `*.csv`.
    pub out: PathBuf,
    /// Replace an existing table of scenarios.
    pub force: bool,
    /// How the history becomes moves.
    pub from_history: FromHistory,
}

/// How many scenarios are drawn, and from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// How many, up to a million.
    pub count: u64,
    /// Identifies the draws: the same seed gives the same bytes.
    pub seed: u64,
    /// Degrees of freedom of a Student t distribution, from 3 to 1000; normal without them.
    pub df: Option<u32>,
}

impl Draws {
    /// # Errors
    /// [`Error::Usage`] if a number is out of its range.
    pub(super) fn check(&self) -> Result<()> {
        if !(1..=MOST_DRAWS).contains(&self.count) {
            return Err(Error::Usage(format!("`count` is {}, expected 1 to {MOST_DRAWS}", self.count)));
        }
        match self.df.filter(|df| !(3..=1000).contains(df)) {
            Some(df) => {
                let why = if df < 3 {
                    "with 2 degrees of freedom or fewer there is no covariance"
                } else {
                    "with more the distribution is normal for all purposes, which it is without `df`"
                };
                Err(Error::Usage(format!("`df` is {df}, expected 3 to 1000: {why}")))
            }
            None => Ok(()),
        }
    }
}

/// Scenarios drawn with the covariance of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct MonteCarloRequest {
    /// As in [`HistoryRequest`].
    pub prices: PathBuf,
    /// As in [`HistoryRequest`].
    pub out: PathBuf,
    /// As in [`HistoryRequest`].
    pub force: bool,
    /// The windows whose returns have the covariance.
    pub from_history: FromHistory,
    /// The draws.
    pub draws: Draws,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn horizons() {
        for (text, expected) in [
            ("1d", Some((24 * HOUR_NS, "1d"))),
            ("24h", Some((24 * HOUR_NS, "1d"))),
            ("8h", Some((8 * HOUR_NS, "8h"))),
            ("2w", Some((14 * 24 * HOUR_NS, "14d"))),
            ("0d", None),
            ("d", None),
            ("-1d", None),
            ("1.5d", None),
            ("1m", None),
            ("4294967295w", None),
        ] {
            let found = text.parse::<Horizon>().ok().map(|horizon| (horizon.ns(), horizon.to_string()));
            assert_eq!(found, expected.map(|(ns, text)| (ns, text.to_owned())), "{text}");
        }
    }

    #[test]
    fn requests_out_of_range() {
        let usual = FromHistory::default();
        let proxy: Proxy = "SOL=BTC:1".parse().unwrap();
        for broken in [
            FromHistory { lambda: Some(1.0), ..usual.clone() },
            FromHistory { lambda: Some(f64::NAN), ..usual.clone() },
            FromHistory { largest_jump: 1.0, ..usual.clone() },
            FromHistory { stale_rows: 1, ..usual.clone() },
            FromHistory { gaps: Fault::Mark, ..usual.clone() },
            FromHistory { proxies: vec![proxy.clone(), proxy], ..usual.clone() },
        ] {
            assert_eq!(broken.check().map_err(|error| error.exit_code()), Err(2), "{broken:?}");
        }
        assert!(usual.check().is_ok());
        for (count, df, sound) in [(1, None, true), (0, None, false), (1_000_001, None, false), (1, Some(2), false)] {
            assert_eq!(Draws { count, seed: 1, df }.check().is_ok(), sound, "{count} {df:?}");
        }
    }
}
