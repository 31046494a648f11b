//! Responses with computed margin, for an account without its own positions and balances: the position builder and the
//! position risk contain both, in another form.
//!
//! Both state the equity of a currency, but not the cash balance. Cash follows from equity: `cash = equity - sum of UPL
//! settled in it - sum of option values settled in it`, with UPL and values as the model defines them, in exact
//! decimals, so that the equity equals the exchange's. The position risk has no entry prices either. Positions then
//! enter at their mark with zero UPL: equity and margin are right, and the reported UPL is zero.

use super::accounts::{Account, Accounts, Balance, Position, PositionKey, signed};
use super::endpoint::Endpoint;
use super::market::{PublicData, Seen, Spec, note};
use super::reason::SetAsideReason;
use super::response::Response;
use super::row::{Fault, Row, decimal, is_zero};
use super::tally::{RowRef, Tally};
use crate::Result;
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;

/// Positions and currency equities of a response.
#[derive(Default)]
struct Holdings {
    equity: Vec<(RowRef, String, Option<String>)>,
    positions: Vec<(RowRef, String, String, Option<String>)>,
}

impl Accounts {
    /// Takes a response with computed margin, after all other responses. If the account's own positions or balances are
    /// imported, these are used, and the response is left for `remargin reconcile`.
    pub fn take_answer(
        &mut self,
        file: usize,
        response: &Response,
        public: &mut PublicData,
        tally: &mut Tally,
    ) -> Result<()> {
        let id = response.account.clone().unwrap_or_default();
        let known = self.by_id.get(&id).is_some_and(|account| account.has_balance || account.has_positions);
        for (value, is_current) in response.numbered() {
            let time = Row::of(value).map_or(0, |row| row.time_ms(&["ts"]));
            let unused = if !is_current {
                Some(SetAsideReason::Superseded)
            } else if known {
                Some(SetAsideReason::Answer)
            } else {
                None
            };
            let mut holdings = Holdings::default();
            let before = tally.rows(file);
            let builder = response.endpoint == Endpoint::PositionBuilder;
            if builder {
                for unit in list(value, "riskUnitData") {
                    for position in list(unit, "portfolios") {
                        read(position, file, unused, tally, |row, place| holdings.portfolio(row, place, time, public));
                    }
                    if let Some(name) = Row::of(unit).ok().and_then(|unit| unit.text(&["riskUnit"]).ok()?) {
                        self.merged = Some(!name.contains('-'));
                    }
                }
                for asset in list(value, "assets") {
                    read(asset, file, unused, tally, |row, place| holdings.asset(row, place, &["availEq", "eq"]));
                }
            } else {
                for position in list(value, "posData") {
                    read(position, file, unused, tally, |row, place| holdings.risk(row, place));
                }
                for asset in list(value, "balData") {
                    read(asset, file, unused, tally, |row, place| holdings.asset(row, place, &["eq"]));
                }
            }
            if tally.rows(file) == before {
                let place = tally.row(file);
                tally.aside(place, unused.unwrap_or(SetAsideReason::Nothing));
            }
            if unused.is_none() {
                public.saw(time);
                let account = self.by_id.entry(id.clone()).or_default();
                account.has_answer = true;
                account.saw(time, time);
                holdings.enter(account, time, public, &mut self.notes, tally)?;
                if !builder {
                    self.notes.push(format!(
                        "account `{id}`: entry prices are not in account/account-position-risk; positions enter at \
                         their mark, so that the reported `upl` is zero"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    Row::of(value).map_or(&[], |row| row.list(name))
}

/// Counts an item and reads it, unless it is known why it is not used.
fn read(
    item: &Value,
    file: usize,
    unused: Option<SetAsideReason>,
    tally: &mut Tally,
    take: impl FnOnce(Row, RowRef) -> Result<Option<SetAsideReason>, Fault>,
) {
    let place = tally.row(file);
    if let Some(why) = unused {
        return tally.aside(place, why);
    }
    match Row::of(item).and_then(|row| take(row, place)) {
        Ok(None) => {}
        Ok(Some(why)) => tally.aside(place, why),
        Err(Fault(problem)) => tally.malformed(place, problem),
    }
}

impl Holdings {
    fn asset(&mut self, row: Row, place: RowRef, equity: &[&str]) -> Result<Option<SetAsideReason>, Fault> {
        let ccy = row.required(&["ccy"])?;
        self.equity.push((place, ccy, row.text(equity)?));
        Ok(None)
    }

    fn portfolio(
        &mut self,
        row: Row,
        place: RowRef,
        time: i64,
        public: &mut PublicData,
    ) -> Result<Option<SetAsideReason>, Fault> {
        let inst_id = row.required(&["instId"])?;
        if matches!(row.text(&["instType"])?.as_deref(), Some("SPOT" | "MARGIN")) {
            return Ok(Some(SetAsideReason::SpotPair));
        }
        if let Some(px) = row.text(&["markPx"])? {
            note(&mut public.seen_marks, &inst_id, Seen { time, px, source: "account/position-builder" });
        }
        let side = row.text(&["posSide"])?.unwrap_or_default();
        let qty = signed(&row.required(&["amt", "pos"])?, &side);
        if is_zero(&qty) {
            return Ok(Some(SetAsideReason::Closed));
        }
        self.positions.push((place, inst_id, qty, row.text(&["avgPx"])?));
        Ok(None)
    }

    fn risk(&mut self, row: Row, place: RowRef) -> Result<Option<SetAsideReason>, Fault> {
        let inst_id = row.required(&["instId"])?;
        if row.text(&["instType"])?.as_deref() == Some("MARGIN") {
            return Ok(Some(SetAsideReason::MarginPosition));
        }
        if row.text(&["mgnMode"])?.as_deref() == Some("isolated") {
            return Ok(Some(SetAsideReason::Isolated));
        }
        let qty = signed(&row.required(&["pos"])?, &row.text(&["posSide"])?.unwrap_or_default());
        if is_zero(&qty) {
            return Ok(Some(SetAsideReason::Closed));
        }
        self.positions.push((place, inst_id, qty, None));
        Ok(None)
    }

    /// Adds the holdings to the account, with derived cash.
    fn enter(
        self,
        account: &mut Account,
        time: i64,
        public: &PublicData,
        notes: &mut Vec<String>,
        tally: &mut Tally,
    ) -> Result<()> {
        // Equity of a currency that is not cash; `None` if unknown.
        let mut beside: BTreeMap<String, Option<Decimal>> = BTreeMap::new();
        let mut unknown = Vec::new();
        for (number, (place, inst_id, qty, avg_px)) in self.positions.into_iter().enumerate() {
            let mark = public.mark(&inst_id).map(|mark| mark.px.to_owned());
            let avg_px = avg_px.or_else(|| mark.clone());
            let spec = public.instruments.get(&inst_id);
            match spec.and_then(|spec| spec.settle_ccy.clone()) {
                Some(ccy) => {
                    let amount = spec.and_then(|spec| amount(spec, &qty, avg_px.as_deref()?, mark.as_deref()?));
                    let sum = beside.entry(ccy).or_insert(Some(Decimal::ZERO));
                    *sum = sum.and_then(|sum| sum.checked_add(amount?));
                }
                None => unknown.push(inst_id.clone()),
            }
            // Two rows of one instrument are two positions: the response gives them no id.
            let (side, mode) = (String::new(), String::new());
            let key = PositionKey { inst_id, side, mode, pos_id: number.to_string() };
            account.positions.put(key, time, place, Position { qty: Some(qty), avg_px }, tally)?;
        }
        for inst_id in &unknown {
            notes.push(format!(
                "cash balances cannot be derived from equity without the contract `{inst_id}` and its mark"
            ));
        }
        for (place, ccy, equity) in self.equity {
            let rest = beside.get(&ccy).copied().unwrap_or(Some(Decimal::ZERO)).filter(|_| unknown.is_empty());
            let cash = equity.and_then(|equity| Some(decimal(&equity)?.checked_sub(rest?)?.normalize().to_string()));
            account.balances.put(
                ccy,
                time,
                place,
                Balance { cash, interest: None, cap: None, col_res: None },
                tally,
            )?;
        }
        Ok(())
    }
}

/// UPL of a swap or future, value of an option, in the settle currency.
fn amount(spec: &Spec, qty: &str, avg_px: &str, mark_px: &str) -> Option<Decimal> {
    let size = decimal(qty)?
        .checked_mul(decimal(spec.ct_val.as_deref()?)?)?
        .checked_mul(decimal(spec.ct_mult.as_deref()?)?)?;
    let (avg_px, mark_px) = (decimal(avg_px)?, decimal(mark_px)?);
    match (spec.inst_type.as_str(), spec.ct_type.as_deref()) {
        ("OPTION", _) => size.checked_mul(mark_px),
        (_, Some("inverse")) => {
            let one = Decimal::ONE;
            size.checked_mul(one.checked_div(avg_px)?.checked_sub(one.checked_div(mark_px)?)?)
        }
        _ => size.checked_mul(mark_px.checked_sub(avg_px)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_equity_holds_beside_cash() {
        let spec = |inst_type: &str, ct_type: &str, ct_val: &str, ct_mult: &str| Spec {
            inst_type: inst_type.into(),
            uly: None,
            settle_ccy: None,
            ct_type: Some(ct_type.into()),
            ct_val: Some(ct_val.into()),
            ct_mult: Some(ct_mult.into()),
            expiry_ms: None,
            strike: None,
            opt_type: None,
            lot_sz: None,
        };
        for (spec, qty, avg, mark, expected) in [
            (spec("SWAP", "linear", "0.01", "1"), "-10", "100000", "97093.7", "290.63"),
            (spec("SWAP", "inverse", "100", "1"), "5", "50000", "100000", "0.005"),
            (spec("OPTION", "inverse", "1", "0.01"), "-7", "0.2", "0.1", "-0.007"),
        ] {
            assert_eq!(amount(&spec, qty, avg, mark), decimal(expected), "{spec:?}");
        }
        assert_eq!(amount(&spec("SWAP", "inverse", "100", "1"), "5", "0", "1"), None);
    }
}
