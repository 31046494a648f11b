//! Determines the endpoint of a response from the fields of its rows, and explains unused endpoints.

use super::row::Row;
use serde_json::{Map, Value};

/// An endpoint of the API, as far as the importer distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `public/instruments`, `account/instruments`.
    Instruments,
    /// `public/mark-price`.
    MarkPrice,
    /// `market/index-tickers`.
    IndexTickers,
    /// `public/opt-summary`.
    OptSummary,
    /// `public/discount-rate-interest-free-quota`.
    DiscountRate,
    /// `public/position-tiers`.
    PositionTiers,
    /// `account/position-tiers`.
    AccountPositionTiers,
    /// `account/balance`.
    Balance,
    /// `account/positions`.
    Positions,
    /// `account/account-position-risk`.
    PositionRisk,
    /// `account/config`.
    Config,
    /// `trade/orders-pending`.
    Orders,
    /// `trade/orders-algo-pending`.
    AlgoOrders,
    /// `account/position-builder`.
    PositionBuilder,
    /// The position builder's predecessor of 2022.
    SimulatedMargin,
    /// `account/greeks`.
    Greeks,
    /// `public/funding-rate`.
    FundingRate,
    /// `public/interest-rate-loan-quota`.
    LoanQuota,
    /// `market/ticker`, `market/tickers`.
    Tickers,
    /// A response without rows, with a file name that does not identify the endpoint.
    Empty,
    /// Not a known endpoint.
    Unknown,
}

impl Endpoint {
    /// All endpoints with a path.
    const NAMED: [Self; 19] = [
        Self::Instruments,
        Self::MarkPrice,
        Self::IndexTickers,
        Self::OptSummary,
        Self::DiscountRate,
        Self::AccountPositionTiers,
        Self::PositionTiers,
        Self::Balance,
        Self::PositionRisk,
        Self::Positions,
        Self::Config,
        Self::Orders,
        Self::AlgoOrders,
        Self::PositionBuilder,
        Self::SimulatedMargin,
        Self::Greeks,
        Self::FundingRate,
        Self::LoanQuota,
        Self::Tickers,
    ];

    /// Its path below `/api/v5/`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Instruments => "public/instruments",
            Self::MarkPrice => "public/mark-price",
            Self::IndexTickers => "market/index-tickers",
            Self::OptSummary => "public/opt-summary",
            Self::DiscountRate => "public/discount-rate-interest-free-quota",
            Self::PositionTiers => "public/position-tiers",
            Self::AccountPositionTiers => "account/position-tiers",
            Self::Balance => "account/balance",
            Self::Positions => "account/positions",
            Self::PositionRisk => "account/account-position-risk",
            Self::Config => "account/config",
            Self::Orders => "trade/orders-pending",
            Self::AlgoOrders => "trade/orders-algo-pending",
            Self::PositionBuilder => "account/position-builder",
            Self::SimulatedMargin => "account/simulated_margin",
            Self::Greeks => "account/greeks",
            Self::FundingRate => "public/funding-rate",
            Self::LoanQuota => "public/interest-rate-loan-quota",
            Self::Tickers => "market/tickers",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        }
    }

    /// The nested lists whose items are counted as rows; empty if the row itself is counted.
    #[must_use]
    pub fn lists(self) -> &'static [&'static str] {
        match self {
            Self::Balance => &["details"],
            Self::PositionRisk => &["balData", "posData"],
            Self::PositionBuilder => &["assets", "riskUnitData/portfolios"],
            _ => &[],
        }
    }

    /// Why no row of the endpoint is used; `None` if rows are used.
    #[must_use]
    pub fn refusal(self) -> Option<&'static str> {
        Some(match self {
            Self::SimulatedMargin => {
                "the former simulated margin of 2022: in coins, without entry prices, under parameters that no longer \
                 hold; ask account/position-builder instead"
            }
            Self::Greeks => "Greeks of an account: remargin computes its own from positions and marks",
            Self::FundingRate => "funding rates do not enter a margin: funding that was paid is in the cash balance",
            Self::LoanQuota => {
                "interest rates and quotas of loans do not enter a margin; the borrow tiers do: \
                 public/position-tiers?instType=MARGIN&tdMode=cross&ccy=CCY"
            }
            Self::AlgoOrders => {
                "algo orders (conditional, oco, trigger, trailing, twap) freeze no margin until they trigger; the \
                 orders that they place are in trade/orders-pending"
            }
            Self::AccountPositionTiers => {
                "position limits of a family, not borrow tiers: public/position-tiers?instType=MARGIN&tdMode=cross\
                 &ccy=CCY has those"
            }
            Self::Tickers => "last trades are not marks: public/mark-price and market/index-tickers are",
            Self::Unknown => {
                "rows of no endpoint that is known here; a margin needs public/instruments, public/mark-price, \
                 market/index-tickers, public/opt-summary, account/positions, account/balance, account/config"
            }
            _ => return None,
        })
    }

    /// True if an answer of it belongs to one account.
    pub(super) fn is_of_account(self) -> bool {
        matches!(
            self,
            Self::Balance | Self::Positions | Self::Config | Self::Orders | Self::PositionBuilder | Self::PositionRisk
        )
    }

    /// From the fields of the first row that is of a known endpoint: a row before it may be a placeholder.
    pub(super) fn of_rows(rows: &[Value]) -> Self {
        let known = rows.iter().filter_map(Value::as_object).map(Self::of_row);
        known.into_iter().find(|endpoint| *endpoint != Self::Unknown).unwrap_or(Self::Unknown)
    }

    /// From the channel of a push without rows.
    pub(super) fn of_channel(channel: &str) -> Option<Self> {
        Some(match channel {
            "account" => Self::Balance,
            "positions" => Self::Positions,
            "orders" => Self::Orders,
            "orders-algo" | "algo-advance" => Self::AlgoOrders,
            "instruments" => Self::Instruments,
            "mark-price" => Self::MarkPrice,
            "index-tickers" => Self::IndexTickers,
            "opt-summary" => Self::OptSummary,
            _ => return None,
        })
    }

    fn of_row(row: &Map<String, Value>) -> Self {
        let row = Row(row);
        let all = |names: &[&str]| names.iter().all(|name| row.has(name));
        let either = |one: &str, other: &str| row.has(one) || row.has(other);
        // Rows with more fields first: a position has a mark and an index price too.
        if all(&["riskUnitData"]) {
            Self::PositionBuilder
        } else if all(&["riskUnit", "posData", "mr1"]) {
            Self::SimulatedMargin
        } else if all(&["balData", "posData"]) {
            Self::PositionRisk
        } else if all(&["details", "totalEq"]) {
            Self::Balance
        } else if row.has("ccy") && either("details", "discountInfo") {
            Self::DiscountRate
        } else if all(&["acctLv", "posMode"]) {
            Self::Config
        } else if row.is_algo_order() {
            Self::AlgoOrders
        } else if all(&["ordId", "side", "sz"]) {
            Self::Orders
        } else if all(&["instId", "pos", "avgPx", "mgnMode"]) {
            Self::Positions
        } else if all(&["instId", "instType", "ctVal", "lotSz"]) {
            Self::Instruments
        } else if all(&["instId", "markVol", "fwdPx"]) {
            Self::OptSummary
        } else if all(&["instId", "markPx"]) {
            Self::MarkPrice
        } else if all(&["instId", "idxPx"]) {
            Self::IndexTickers
        } else if all(&["tier", "mmr", "imr"]) {
            Self::PositionTiers
        } else if all(&["maxSz", "posType"]) {
            Self::AccountPositionTiers
        } else if all(&["instId", "fundingRate"]) {
            Self::FundingRate
        } else if row.has("basic") && (either("vip", "regular") || row.has("configCcyList")) {
            Self::LoanQuota
        } else if all(&["ccy", "deltaBS", "thetaBS"]) {
            Self::Greeks
        } else if all(&["instId", "last", "askPx"]) {
            Self::Tickers
        } else {
            Self::Unknown
        }
    }

    /// From a file name that contains the endpoint's path, with `_` or `-` for `/`. A response without rows has no
    /// other hint. What is called a history is another endpoint: no open position is in it.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let plain = |text: &str| text.replace(['/', '-', ' '], "_").to_lowercase();
        let name = plain(name);
        if name.contains("history") {
            return None;
        }
        Self::NAMED.into_iter().find(|endpoint| {
            let path = plain(endpoint.name());
            let last = path.split_once('_').map_or(path.as_str(), |(_, last)| last);
            name.contains(&path) || name.strip_prefix(last).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_tell_their_endpoint() {
        for (row, expected) in [
            (json!({"instId": "a", "markPx": "1"}), Endpoint::MarkPrice),
            (
                json!({"instId": "a", "markPx": "1", "idxPx": "1", "pos": "1", "avgPx": "", "mgnMode": "cross"}),
                Endpoint::Positions,
            ),
            (json!({"ccy": "BTC", "discountInfo": []}), Endpoint::DiscountRate),
            (json!({"totalEq": "", "details": [], "ccy": ""}), Endpoint::Balance),
            (json!({"index": "a", "components": []}), Endpoint::Unknown),
            (json!({"algoId": "1", "ordId": "", "side": "buy", "sz": "", "ordType": "oco"}), Endpoint::AlgoOrders),
            (json!({"algoId": "1", "ordId": "2", "side": "buy", "sz": "1", "px": "1"}), Endpoint::Orders),
            (json!({"algoId": "", "ordId": "2", "side": "buy", "sz": "1", "px": "1"}), Endpoint::Orders),
            (json!(7), Endpoint::Unknown),
        ] {
            assert_eq!(Endpoint::of_rows(std::slice::from_ref(&row)), expected, "{row}");
        }
    }

    #[test]
    fn names_tell_the_endpoint_of_an_empty_answer() {
        for (name, expected) in [
            ("account_positions", Some(Endpoint::Positions)),
            ("positions", Some(Endpoint::Positions)),
            ("account-position-tiers_1", Some(Endpoint::AccountPositionTiers)),
            ("2026-01-15_trade_orders-pending", Some(Endpoint::Orders)),
            ("positions_0900", Some(Endpoint::Positions)),
            ("position_tiers_BTC", Some(Endpoint::AccountPositionTiers)),
            ("account_positions-history", None),
            ("answer", None),
        ] {
            assert_eq!(Endpoint::of_name(name), expected, "{name}");
        }
    }
}
