//! Account data: settings, balances, positions, pending orders.

use super::endpoint::Endpoint;
use super::market::{PublicData, Seen, Stop, note};
use super::reason::SetAsideReason;
use super::response::Response;
use super::row::{Fault, Row, decimal, is_zero, type_of, underlying};
use super::tally::{Fields, Ledger, RowRef, Tally};
use crate::Result;
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;

/// A currency of an account, as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Balance {
    pub cash: Option<String>,
    pub interest: Option<String>,
    pub cap: Option<String>,
    /// `colRes`: 2 if it may not back new orders.
    pub col_res: Option<String>,
}

impl Fields for Balance {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![
            ("cashBal", self.cash.as_deref()),
            ("interest", self.interest.as_deref()),
            ("clSpotInUseAmt", self.cap.as_deref()),
            ("colRes", self.col_res.as_deref()),
        ]
    }
}

/// A position, its quantity signed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Position {
    pub qty: Option<String>,
    pub avg_px: Option<String>,
}

impl Position {
    /// A position of zero replaces an earlier one, and is none.
    fn is_closed(&self) -> bool {
        self.qty.as_deref().is_some_and(is_zero)
    }
}

impl Fields for Position {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![("pos", self.qty.as_deref()), ("avgPx", self.avg_px.as_deref())]
    }
}

/// The unfilled part of a pending order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub inst_id: String,
    pub side: String,
    /// What is left of it; zero if it is filled or cancelled.
    pub qty: String,
    pub px: String,
}

impl Order {
    fn is_done(&self) -> bool {
        is_zero(&self.qty)
    }
}

impl Fields for Order {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![
            ("instId", Some(&self.inst_id)),
            ("side", Some(&self.side)),
            ("sz", Some(&self.qty)),
            ("px", Some(&self.px)),
        ]
    }
}

/// Spot hedging mode, and the mode of the account if it is not portfolio margin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub spot_offset: Option<&'static str>,
    pub other_level: Option<String>,
    /// `long_short_mode` or `net_mode`.
    pub pos_mode: Option<String>,
}

impl Fields for Settings {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        let (level, mode) = (self.other_level.as_deref(), self.pos_mode.as_deref());
        vec![("spotOffsetType", self.spot_offset), ("acctLv", level), ("posMode", mode)]
    }
}

/// Instrument, side, margin mode and the exchange's position id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PositionKey {
    pub inst_id: String,
    pub side: String,
    pub mode: String,
    pub pos_id: String,
}

impl std::fmt::Display for PositionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} {}", self.inst_id, self.side, self.mode, self.pos_id)
    }
}

/// One account.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Under the empty key.
    pub settings: Ledger<String, Settings>,
    pub balances: Ledger<String, Balance>,
    pub positions: Ledger<PositionKey, Position>,
    pub orders: Ledger<String, Order>,
    /// Endpoints that have a response for the account, with rows or without.
    pub has_balance: bool,
    pub has_positions: bool,
    pub has_config: bool,
    pub has_orders: bool,
    /// A response with computed margin supplied balances and positions.
    pub has_answer: bool,
    /// When the account was as the answers say, in milliseconds since 1970; zero if no answer says it. A position that
    /// did not change for long may have an older time.
    pub known_ms: i64,
    /// The latest change that the answers know of.
    pub changed_ms: i64,
}

impl Account {
    /// The settings that hold.
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.get(&String::new())
    }

    /// Why the responses do not suffice for a margin, whatever the market; `None` if they do.
    ///
    /// An answer without rows says that there are no positions. Where there is no answer, nobody says so.
    pub fn unmarginable(&self) -> Option<String> {
        if let Some(level) = self.settings().and_then(|settings| settings.other_level.as_ref()) {
            return Some(format!("not in portfolio margin: `acctLv` is {level}, not 4"));
        }
        let lacking: Vec<&str> = [("account/balance", self.has_balance), ("account/positions", self.has_positions)]
            .into_iter()
            .filter(|(_, is_there)| !is_there && !self.has_answer)
            .map(|(endpoint, _)| endpoint)
            .collect();
        if !lacking.is_empty() {
            return Some(format!("no answer of {}", lacking.join(" and ")));
        }
        self.positions.iter().find_map(|(key, position)| self.doubt(key, position))
    }

    /// Why nobody knows on which side a position is; `None` if its side is known.
    fn doubt(&self, key: &PositionKey, position: &Position) -> Option<String> {
        let qty = position.qty.as_deref().filter(|_| self.has_positions)?;
        let mode = self.settings().and_then(|settings| settings.pos_mode.as_deref());
        let (inst_id, side) = (&key.inst_id, key.side.as_str());
        let is_delta_one = type_of(inst_id) != "OPTION";
        match (side, mode) {
            // A positive number may be short.
            ("", _) if !qty.starts_with('-') => {
                Some(format!("the position {qty} in {inst_id} has no `posSide`: it may be long or short"))
            }
            ("net", Some("long_short_mode")) if is_delta_one => Some(contradiction(inst_id, side, "long_short_mode")),
            ("long" | "short", Some("net_mode")) => Some(contradiction(inst_id, side, "net_mode")),
            _ => None,
        }
    }

    /// The signed quantity of a position; `None` if its side is not known.
    pub fn qty(&self, key: &PositionKey, position: &Position) -> Option<String> {
        position.qty.clone().filter(|_| self.doubt(key, position).is_none())
    }

    /// Records a time of the account, and of a change in it.
    pub fn saw(&mut self, known_ms: i64, changed_ms: i64) {
        self.known_ms = self.known_ms.max(known_ms);
        self.changed_ms = self.changed_ms.max(known_ms).max(changed_ms);
    }
}

fn contradiction(inst_id: &str, side: &str, mode: &str) -> String {
    format!("the position in {inst_id} has `posSide` {side}, but account/config says `posMode` {mode}")
}

/// All accounts.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub by_id: BTreeMap<String, Account>,
    /// Notes for the user, such as equity that is not in a cash balance.
    pub notes: Vec<String>,
    /// Whether the exchange groups risk units by base currency (`BTC`) or by underlying (`BTC-USD`), if a response
    /// shows it.
    pub merged: Option<bool>,
}

impl Accounts {
    /// Takes the rows of a response if it is private account data.
    pub fn take(&mut self, file: usize, response: &Response, public: &mut PublicData, tally: &mut Tally) -> Result<()> {
        let id = response.account.clone().unwrap_or_default();
        let account = self.by_id.entry(id.clone()).or_default();
        match response.endpoint {
            Endpoint::Balance => account.has_balance = true,
            Endpoint::Positions => account.has_positions = true,
            Endpoint::Config => account.has_config = true,
            _ => account.has_orders = true,
        }
        for (value, is_current) in response.numbered() {
            if !is_current {
                for _ in 0..items(value, "details").len().max(1) {
                    let place = tally.row(file);
                    tally.aside(place, SetAsideReason::Superseded);
                }
                continue;
            }
            let mut reader = Reader { id: &id, account, public, notes: &mut self.notes };
            if response.endpoint != Endpoint::Balance {
                let place = tally.row(file);
                let taken = Row::of(value).map_err(Stop::from).and_then(|row| match response.endpoint {
                    Endpoint::Positions => reader.position(row, place, tally),
                    Endpoint::Config => reader.config(row, place, tally),
                    _ => reader.order(row, place, tally),
                });
                settle(taken, place, tally)?;
                continue;
            }
            let time = Row::of(value).map_or(0, |row| row.time_ms(&["uTime"]));
            let details = items(value, "details");
            if details.is_empty() {
                let place = tally.row(file);
                tally.aside(place, SetAsideReason::Nothing);
            }
            for detail in details {
                let place = tally.row(file);
                let taken = Row::of(detail).map_err(Stop::from);
                settle(taken.and_then(|row| reader.balance(row, time, place, tally)), place, tally)?;
            }
        }
        Ok(())
    }

    /// Sets aside what was closed, filled or cancelled in the end, once everything is read.
    pub fn close(&mut self, tally: &mut Tally) {
        for account in self.by_id.values_mut() {
            account.positions.set_aside(SetAsideReason::Closed, tally, Position::is_closed);
            account.orders.set_aside(SetAsideReason::DoneOrder, tally, Order::is_done);
        }
    }
}

/// The objects of a list in a value; empty if there is no such list.
fn items<'a>(value: &'a Value, list: &str) -> &'a [Value] {
    Row::of(value).map_or(&[], |row| row.list(list))
}

/// Counts a row that was not used. Used rows are counted already.
fn settle(taken: Result<(), Stop>, place: RowRef, tally: &mut Tally) -> Result<()> {
    match taken {
        Ok(()) => {}
        Err(Stop::Fault(Fault(problem))) => tally.malformed(place, problem),
        Err(Stop::SetAside(why)) => tally.aside(place, why),
        Err(Stop::Error(error)) => return Err(error),
    }
    Ok(())
}

struct Reader<'a> {
    id: &'a str,
    account: &'a mut Account,
    public: &'a mut PublicData,
    notes: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn config(&mut self, row: Row, place: RowRef, tally: &mut Tally) -> Result<(), Stop> {
        let offset = match row.text(&["spotOffsetType", "riskOffsetType"])?.as_deref() {
            None => None,
            Some("1") => Some("usdt"),
            Some("2") => Some("coin"),
            Some("3") => Some("none"),
            Some("4") => Some("usdc"),
            Some(other) => return Err(Fault(format!("`spotOffsetType` is {other}, known are 1 to 4")).into()),
        };
        let other_level = row.text(&["acctLv"])?.filter(|level| level != "4");
        let settings = Settings { spot_offset: offset, other_level, pos_mode: row.text(&["posMode"])? };
        Ok(self.account.settings.put(String::new(), 0, place, settings, tally)?)
    }

    fn balance(&mut self, row: Row, time: i64, place: RowRef, tally: &mut Tally) -> Result<(), Stop> {
        let ccy = row.required(&["ccy"])?;
        let balance = Balance {
            cash: row.text(&["cashBal"])?,
            interest: row.text(&["interest"])?,
            cap: row.text(&["clSpotInUseAmt"])?,
            col_res: row.text(&["colRes"])?,
        };
        self.public.saw(time);
        self.account.saw(time, row.time_ms(&["uTime"]));
        if let Some(strategies) = row.text(&["stgyEq"])?.filter(|equity| !is_zero(equity)) {
            let note = format!(
                "account `{}`: {strategies} {ccy} of equity is in trading bots (stgyEq): not cash, not margined",
                self.id
            );
            self.notes.push(note);
        }
        if let Some(px) = row.text(&["coinUsdPrice"])?.filter(|_| ccy != "USD") {
            let seen = Seen { time, px, source: "account/balance" };
            note(&mut self.public.seen_indices, &format!("{ccy}-USD"), seen);
        }
        Ok(self.account.balances.put(ccy, time, place, balance, tally)?)
    }

    fn position(&mut self, row: Row, place: RowRef, tally: &mut Tally) -> Result<(), Stop> {
        let inst_id = row.required(&["instId"])?;
        let time = row.time_ms(&["pTime", "uTime"]);
        if row.text(&["instType"])?.as_deref() == Some("MARGIN") {
            return Err(Stop::SetAside(SetAsideReason::MarginPosition));
        }
        self.public.saw(time);
        self.account.saw(row.time_ms(&["pTime"]), row.time_ms(&["uTime"]));
        if let Some(px) = row.text(&["markPx"])? {
            note(&mut self.public.seen_marks, &inst_id, Seen { time, px, source: "account/positions" });
        }
        if let (Some(px), Some(uly)) = (row.text(&["idxPx"])?, underlying(&inst_id)) {
            note(&mut self.public.seen_indices, &uly, Seen { time, px, source: "account/positions" });
        }
        let mode = row.text(&["mgnMode"])?.unwrap_or_default();
        if mode == "isolated" {
            return Err(Stop::SetAside(SetAsideReason::Isolated));
        }
        let side = row.text(&["posSide"])?.unwrap_or_default();
        let position =
            Position { qty: row.text(&["pos"])?.map(|qty| signed(&qty, &side)), avg_px: row.text(&["avgPx"])? };
        // Kept until the end, since it closes what earlier rows say.
        let position = if position.is_closed() { Position { avg_px: None, ..position } } else { position };
        let key = PositionKey { inst_id, side, mode, pos_id: row.text(&["posId"])?.unwrap_or_default() };
        Ok(self.account.positions.put(key, time, place, position, tally)?)
    }

    fn order(&mut self, row: Row, place: RowRef, tally: &mut Tally) -> Result<(), Stop> {
        if row.is_algo_order() {
            return Err(Stop::SetAside(SetAsideReason::AlgoOrder));
        }
        let id = row.required(&["ordId"])?;
        if row.text(&["tdMode"])?.as_deref() == Some("isolated") {
            return Err(Stop::SetAside(SetAsideReason::Isolated));
        }
        let state = row.text(&["state"])?;
        let is_open = state.is_none_or(|state| matches!(state.as_str(), "live" | "partially_filled"));
        let left = if is_open { Some(left_of(row)?) } else { None };
        let order = match left.filter(|left| *left > Decimal::ZERO) {
            Some(left) => Order {
                inst_id: row.required(&["instId"])?,
                side: row.required(&["side"])?,
                qty: left.to_string(),
                px: row.required(&["px"])?,
            },
            // Kept until the end, since it ends what earlier rows say.
            None => Order { inst_id: String::new(), side: String::new(), qty: "0".to_owned(), px: String::new() },
        };
        Ok(self.account.orders.put(id, row.time_ms(&["uTime"]), place, order, tally)?)
    }
}

/// The unfilled part of an open order with a limit price.
fn left_of(row: Row) -> Result<Decimal, Stop> {
    if row.text(&["px"])?.is_none() {
        if row.text(&["pxVol", "pxUsd"])?.is_some() {
            return Err(Stop::SetAside(SetAsideReason::OtherPriceOrder));
        }
        let kind = row.text(&["ordType"])?;
        if kind.is_none_or(|kind| !matches!(kind.as_str(), "limit" | "post_only" | "mmp" | "mmp_and_post_only")) {
            return Err(Stop::SetAside(SetAsideReason::MarketOrder));
        }
    }
    let amount = |name: &str, text: String| decimal(&text).ok_or_else(|| Fault(format!("`{name}` is not a number")));
    let size = amount("sz", row.required(&["sz"])?)?;
    let filled = row.text(&["accFillSz"])?.map(|text| amount("accFillSz", text)).transpose()?.unwrap_or_default();
    Ok(size.checked_sub(filled).ok_or_else(|| Fault("`sz` is out of range".to_owned()))?)
}

/// The quantity with the sign of its side. In long/short mode the exchange writes both sides as positive numbers.
pub(super) fn signed(qty: &str, side: &str) -> String {
    if side == "short" && !qty.starts_with('-') { format!("-{qty}") } else { qty.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::signed;

    #[test]
    fn sides() {
        for (qty, side, expected) in
            [("3", "long", "3"), ("3", "short", "-3"), ("-3", "net", "-3"), ("-3", "short", "-3"), ("0.5", "", "0.5")]
        {
            assert_eq!(signed(qty, side), expected, "{qty} {side}");
        }
    }
}
