//! Statements of a reverse stress, such as `BTC, accounts in liquidation > 5%`, and the state of the book that decides
//! whether a statement holds.

use crate::margin::extremes::loss;
use crate::margin::{AccountMargin, Status};
use crate::snapshot::{exceeds_share, parse_percent, without_underscores};
use crate::{Error, Result};
use rust_decimal::Decimal;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// The measured quantity of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Accounts with the status `liquidation`.
    InLiquidation,
    /// Accounts listed in `at_risk`: `liquidation`, `near_liquidation` or with an IM deficit.
    AtRisk,
    /// USD by which accounts owe more than they have: the sum of `max(0, -total equity)`.
    ShortfallUsd,
}

/// The limit that the measure must exceed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// A number of accounts.
    Accounts(f64),
    /// A share of the margined accounts, 0.05 for 5 %.
    Share(f64),
    /// An amount in USD.
    Usd(f64),
}

/// A statement about a book after a price move. [`fmt::Display`] writes the format that [`FromStr`] reads.
///
/// ```
/// use remargin::distance::reverse::{Limit, Measure, Statement};
/// let statement: Statement = "BTC, accounts in liquidation > 5%".parse()?;
/// assert_eq!((statement.measure, statement.limit), (Measure::InLiquidation, Limit::Share(0.05)));
/// assert_eq!(statement.to_string(), "BTC, accounts in liquidation > 5%");
/// # Ok::<(), remargin::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// The coin that moves, or [`EVERY_COIN`](crate::market::scenario::EVERY_COIN).
    pub base: String,
    /// The measured quantity.
    pub measure: Measure,
    /// The limit it must exceed.
    pub limit: Limit,
}

const EXPECTED: &str = "expected such as `BTC, accounts in liquidation > 5%`, `*, accounts at risk > 1000` or \
                        `ETH, shortfall > 1000000`";

impl FromStr for Statement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault =
            |problem: String| Error::Usage(format!("cannot read the statement `{text}`: {problem}; {EXPECTED}"));
        let (base, rest) = text.split_once(',').ok_or_else(|| fault("no comma after the coin".to_owned()))?;
        let (measure, limit) = rest.split_once('>').ok_or_else(|| fault("no `>`".to_owned()))?;
        let base = base.trim().to_owned();
        if base.is_empty() {
            return Err(fault("no coin".to_owned()));
        }
        let words = measure.split_whitespace().collect::<Vec<_>>().join(" ");
        let measure = match words.as_str() {
            "accounts in liquidation" => Measure::InLiquidation,
            "accounts at risk" => Measure::AtRisk,
            "shortfall" => Measure::ShortfallUsd,
            _ => return Err(fault(format!("unknown measure `{words}`"))),
        };
        let limit = limit.trim();
        let plain = without_underscores(limit);
        let limit = match (measure, plain.strip_suffix('%')) {
            (Measure::ShortfallUsd, Some(_)) => {
                return Err(fault("a shortfall is an amount in USD, not a share".to_owned()));
            }
            (_, Some(share)) => {
                let share = parse_percent(share)
                    .ok_or_else(|| fault(format!("`{limit}` is not a share of at most twelve decimals")))?;
                if share == Decimal::ONE_HUNDRED {
                    return Err(fault(format!("a share cannot exceed `{limit}`")));
                }
                // Through text, which is rounded once.
                (share / Decimal::ONE_HUNDRED)
                    .to_string()
                    .parse()
                    .map(Limit::Share)
                    .map_err(|_| fault(format!("`{limit}` is no share")))?
            }
            (_, None) => {
                let number = plain.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
                let number = number.ok_or_else(|| fault(format!("`{limit}` is not a number of zero or more")))?;
                if measure == Measure::ShortfallUsd { Limit::Usd(number) } else { Limit::Accounts(number) }
            }
        };
        Ok(Self { base, measure, limit })
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measure = match self.measure {
            Measure::InLiquidation => "accounts in liquidation",
            Measure::AtRisk => "accounts at risk",
            Measure::ShortfallUsd => "shortfall",
        };
        write!(f, "{}, {measure} > ", self.base)?;
        match self.limit {
            Limit::Accounts(limit) | Limit::Usd(limit) => write!(f, "{limit}"),
            // Division by a hundred and back may change the last digit, so the share is rounded for display.
            Limit::Share(share) => write!(f, "{}%", (share * 1e14).round() / 1e12),
        }
    }
}

/// The figures of a book in one market that statements refer to.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct BookState {
    /// Margined accounts.
    pub accounts: u64,
    /// See [`Measure::InLiquidation`].
    pub in_liquidation: u64,
    /// See [`Measure::AtRisk`].
    pub at_risk: u64,
    /// See [`Measure::ShortfallUsd`].
    pub shortfall_usd: f64,
}

impl BookState {
    pub(super) fn add(&mut self, margin: &AccountMargin) {
        let in_liquidation = margin.status == Status::Liquidation;
        let at_risk = in_liquidation || margin.status == Status::NearLiquidation || margin.im_deficit;
        self.accounts += 1;
        self.in_liquidation += u64::from(in_liquidation);
        self.at_risk += u64::from(at_risk);
        self.shortfall_usd += loss(margin.total_eq);
    }

    pub(super) fn merge(&mut self, later: &Self) {
        self.accounts += later.accounts;
        self.in_liquidation += later.in_liquidation;
        self.at_risk += later.at_risk;
        self.shortfall_usd += later.shortfall_usd;
    }
}

impl Statement {
    /// Whether the statement holds for a book of so many accounts if all of them are in liquidation. A shortfall has no
    /// bound.
    pub(super) fn can_hold(&self, accounts: u64) -> bool {
        let all = BookState { accounts, in_liquidation: accounts, at_risk: accounts, shortfall_usd: f64::INFINITY };
        self.holds(&all)
    }

    /// Whether the statement holds for a book.
    #[must_use]
    pub fn holds(&self, state: &BookState) -> bool {
        let count = match self.measure {
            Measure::InLiquidation => state.in_liquidation,
            Measure::AtRisk => state.at_risk,
            Measure::ShortfallUsd => {
                let (Limit::Usd(limit) | Limit::Accounts(limit) | Limit::Share(limit)) = self.limit;
                return state.shortfall_usd > limit;
            }
        };
        match self.limit {
            Limit::Accounts(limit) | Limit::Usd(limit) => count as f64 > limit,
            // The decimal that the share was written as: 29 of 100 accounts are not more than 29 %.
            Limit::Share(share) => match Decimal::from_str_exact(&share.to_string()) {
                Ok(share) => exceeds_share(count, state.accounts, share),
                Err(_) => count as f64 > share * state.accounts as f64,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_read_and_written() {
        for (text, base, measure, limit, written) in [
            ("BTC, accounts in liquidation > 5%", "BTC", Measure::InLiquidation, Limit::Share(0.05), ""),
            ("*,accounts at risk>1_000", "*", Measure::AtRisk, Limit::Accounts(1000.0), "*, accounts at risk > 1000"),
            (
                " ETH ,  accounts   in liquidation > 0",
                "ETH",
                Measure::InLiquidation,
                Limit::Accounts(0.0),
                "ETH, accounts in liquidation > 0",
            ),
            ("SOL, shortfall > 1e6", "SOL", Measure::ShortfallUsd, Limit::Usd(1e6), "SOL, shortfall > 1000000"),
            (
                "BTC, accounts at risk > 0.7 %",
                "BTC",
                Measure::AtRisk,
                Limit::Share(0.007),
                "BTC, accounts at risk > 0.7%",
            ),
        ] {
            let statement: Statement = text.parse().unwrap();
            assert_eq!(statement, Statement { base: base.to_owned(), measure, limit }, "{text}");
            let written = if written.is_empty() { text } else { written };
            assert_eq!(statement.to_string(), written);
            assert_eq!(written.parse::<Statement>().unwrap(), statement);
        }
    }

    #[test]
    fn a_book_may_be_too_small() {
        for (text, accounts, can_hold) in [
            ("BTC, accounts in liquidation > 299", 300, true),
            ("BTC, accounts in liquidation > 300", 300, false),
            ("*, accounts at risk > 99.9%", 300, true),
            ("*, accounts at risk > 0", 0, false),
            ("BTC, shortfall > 1e18", 1, true),
        ] {
            assert_eq!(text.parse::<Statement>().unwrap().can_hold(accounts), can_hold, "{text}");
        }
    }

    #[test]
    fn invalid_statements_are_refused() {
        for (text, says) in [
            ("accounts in liquidation > 5%", "no comma"),
            (", shortfall > 5", "no coin"),
            ("BTC, shortfall < 5", "no `>`"),
            ("BTC, equity > 5", "unknown measure `equity`"),
            ("BTC, shortfall > much", "`much` is not a number"),
            ("BTC, shortfall > -1", "`-1` is not a number"),
            ("BTC, shortfall > inf", "`inf` is not a number"),
            ("BTC, shortfall > 5%", "not a share"),
            ("BTC, accounts at risk > 100%", "a share cannot exceed `100%`"),
            ("BTC, accounts at risk > 101%", "`101%` is not a share"),
            ("BTC, accounts at risk > -1%", "`-1%` is not a share"),
        ] {
            let error = text.parse::<Statement>().unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error:?}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }

    /// Shares of one per cent to 99.99 %: a book with exactly that share does not exceed it, one account more does.
    #[test]
    fn an_exact_share_is_not_exceeded() {
        for hundredths in 1..10_000u64 {
            let text = format!("*, accounts in liquidation > {}.{:02}%", hundredths / 100, hundredths % 100);
            let statement: Statement = text.parse().unwrap();
            for scale in [1, 3, 1_000] {
                let state =
                    |in_liquidation| BookState { accounts: 10_000 * scale, in_liquidation, ..Default::default() };
                assert!(!statement.holds(&state(hundredths * scale)), "{text}");
                assert!(statement.holds(&state(hundredths * scale + 1)), "{text}");
            }
        }
    }

    #[test]
    fn a_share_is_of_all_accounts() {
        let state = BookState { accounts: 200, in_liquidation: 10, at_risk: 11, shortfall_usd: 5.0 };
        for (text, expected) in [
            ("*, accounts in liquidation > 5%", false),
            ("*, accounts at risk > 5%", true),
            ("*, accounts in liquidation > 9", true),
            ("*, accounts in liquidation > 10", false),
            ("*, shortfall > 4.99", true),
            ("*, shortfall > 5", false),
        ] {
            assert_eq!(text.parse::<Statement>().unwrap().holds(&state), expected, "{text}");
        }
    }
}
