//! An explanation in the format of the exchange: the response of `account/position-builder`, field by field.
//!
//! Figures are decimal strings in the API's envelope, so a client of the exchange can read them. Three fields differ:
//! `positions` (the spot lines of an older version) is empty; an asset's `borrowMmr` is given where the exchange leaves
//! it blank; `gamma`, `theta` and `vega` are USD as defined here (per 1 % of the index, the next day, one volatility
//! point).

use super::model::{Explanation, GridStep, PositionStep, UnitStep};
use serde_json::{Map, Value, json};

impl Explanation {
    /// As a response of the exchange's position builder.
    #[must_use]
    pub fn to_okx(&self) -> Value {
        let totals = &self.totals;
        let notional: f64 = self.units.iter().flat_map(|unit| &unit.positions).map(|step| step.notional_usd).sum();
        let lever = if totals.adj_eq == 0.0 { String::new() } else { figure(notional / totals.adj_eq) };
        let data = json!({
            "acctLever": lever,
            "assets": self.assets(),
            "borrowMmr": figure(totals.borrow_mmr),
            "derivMmr": figure(totals.deriv_mmr),
            "eq": figure(totals.adj_eq),
            "marginRatio": totals.margin_ratio.map(figure).unwrap_or_default(),
            "positions": [],
            "riskUnitData": self.units.iter().map(|unit| unit_data(unit, totals.borrow_mmr)).collect::<Vec<_>>(),
            "totalImr": figure(totals.imr),
            "totalMmr": figure(totals.mmr),
            "ts": self.milliseconds(),
            "upl": figure(totals.upl),
        });
        json!({ "code": "0", "data": [data], "msg": "" })
    }

    fn assets(&self) -> Vec<Value> {
        let assets = self.currencies.iter().map(|step| {
            let borrowing = step.borrowing.as_ref();
            // Spot of a currency hedges at most one unit with that base.
            let of_base = |unit: &&UnitStep| unit.risk_unit.split('-').next() == Some(step.ccy.as_str());
            let spot: f64 = self.units.iter().filter(of_base).map(|unit| unit.spot.spot_in_use_coin).sum();
            json!({
                "availEq": figure(step.equity),
                "borrowImr": figure(borrowing.map_or(0.0, |borrowing| borrowing.imr_usd)),
                "borrowMmr": figure(borrowing.map_or(0.0, |borrowing| borrowing.mmr_usd)),
                "ccy": step.ccy,
                "spotInUse": figure(spot),
            })
        });
        assets.collect()
    }

    /// The valuation time in the exchange's format.
    fn milliseconds(&self) -> String {
        self.as_of.parse::<jiff::Timestamp>().map_or_else(|_| String::new(), |time| time.as_millisecond().to_string())
    }
}

fn unit_data(unit: &UnitStep, borrow_mmr: f64) -> Value {
    let extreme = if unit.mr6.worst_price < 0.0 { unit.mr6.fall } else { unit.mr6.rise };
    json!({
        "delta": figure(unit.cash_delta),
        "gamma": figure(unit.gamma),
        "imr": figure(unit.imr),
        "mmr": figure(unit.mmr),
        "mr1": figure(unit.mr1.charge),
        "mr1FinalResult": {
            "pnl": figure(worst_of(&unit.mr1)),
            "spotShock": figure(unit.mr1.worst_price),
            "volShock": if unit.mr1.worst_vol == "same" { "unchange" } else { unit.mr1.worst_vol },
        },
        "mr1Scenarios": {
            "volSame": scenarios(&unit.mr1.moves, &unit.mr1.same),
            "volShockDown": scenarios(&unit.mr1.moves, &unit.mr1.down),
            "volShockUp": scenarios(&unit.mr1.moves, &unit.mr1.up),
        },
        "mr2": figure(unit.mr2.charge),
        "mr3": figure(unit.mr3.charge),
        "mr4": figure(unit.mr4.charge),
        "mr5": figure(unit.mr5.charge),
        "mr6": figure(unit.mr6.charge),
        "mr6FinalResult": { "pnl": figure(extreme), "spotShock": figure(unit.mr6.worst_price) },
        "mr7": figure(unit.mr7.charge),
        "mr8": figure(borrow_mmr),
        "mr9": figure(unit.mr9.charge),
        "portfolios": unit.positions.iter().map(portfolio).collect::<Vec<_>>(),
        "riskUnit": unit.risk_unit,
        "theta": figure(unit.theta),
        "upl": figure(unit.upl),
        "vega": figure(unit.vega),
    })
}

/// P&L of the worst scenario.
fn worst_of(grid: &GridStep) -> f64 {
    let state = match grid.worst_vol {
        "up" => &grid.up,
        "down" => &grid.down,
        _ => &grid.same,
    };
    let worst = grid.moves.iter().zip(state).find(|(step, _)| **step == grid.worst_price);
    worst.map_or(-grid.charge, |(_, pnl)| *pnl)
}

fn scenarios(moves: &[f64], pnl: &[f64]) -> Map<String, Value> {
    moves.iter().zip(pnl).map(|(step, pnl)| (figure(*step), json!(figure(*pnl)))).collect()
}

fn portfolio(step: &PositionStep) -> Value {
    let inst_type = match (&step.option, step.years > 0.0) {
        (Some(_), _) => "OPTION",
        (None, true) => "FUTURES",
        (None, false) => "SWAP",
    };
    // The model counts the whole value of an option in equity. The exchange also reports its P&L since the purchase.
    let paid = step.qty * step.multiplier * step.avg_px;
    let float_pnl = if step.option.is_some() { step.option_value_settle - paid } else { step.upl_settle };
    json!({
        "amt": figure(step.qty),
        "avgPx": figure(step.avg_px),
        "delta": figure(step.cash_delta),
        "floatPnl": figure(float_pnl),
        "gamma": figure(step.gamma),
        "instId": step.inst_id,
        "instType": inst_type,
        "isRealPos": true,
        "markPx": figure(step.mark_px),
        "notionalUsd": figure(step.notional_usd),
        "posSide": "net",
        "theta": figure(step.theta),
        "vega": figure(step.vega),
    })
}

/// The shortest decimal of the same double; zero without a sign.
fn figure(number: f64) -> String {
    (number + 0.0).to_string()
}
