//! The exchange's answers, with the contracts that they name.

use super::printed::{Digits, Printed};
use crate::import::okx::Endpoint;
use crate::import::okx::files;
use crate::import::okx::response::Response;
use crate::import::okx::row::Row;
use crate::listing::{Contract, Kind, Listing};
use crate::memory::MemoryLimit;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// A position of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leg {
    pub contract: Contract,
    /// Signed contracts.
    pub qty: f64,
    pub avg_px: f64,
    pub mark: Printed,
    /// Its cash delta, USD.
    pub delta: Printed,
    /// P&L in the settle currency.
    pub float_pnl: Printed,
}

impl Leg {
    /// Signed coins, or USD of an inverse contract.
    pub fn size(&self) -> f64 {
        self.qty * self.contract.multiplier
    }

    /// Years from a time to the expiry; zero for swaps.
    pub fn years(&self, at_ms: i64) -> f64 {
        self.contract.expiry_ms.map_or(0.0, |expiry| (expiry - at_ms).max(0) as f64 / MS_A_YEAR)
    }
}

pub(super) const MS_A_YEAR: f64 = 365.0 * 86_400_000.0;

/// A risk unit of an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Unit {
    pub name: String,
    pub legs: Vec<Leg>,
    /// `mr1` to `mr9`, `mmr`, `imr`, `delta`, `upl`.
    pub figures: BTreeMap<&'static str, Printed>,
    /// Price moves, ascending.
    pub moves: Vec<f64>,
    /// P&L at each move: volatility up, same, down.
    pub grid: [Vec<Printed>; 3],
    /// The worse move of MR6 and its P&L.
    pub extreme: Option<(Printed, Printed)>,
}

impl Unit {
    pub fn base(&self) -> &str {
        self.legs.first().map_or("", |leg| leg.contract.base.as_str())
    }

    pub fn figure(&self, name: &str) -> Option<Printed> {
        self.figures.get(name).copied()
    }

    pub fn is_delta_one(&self) -> bool {
        !self.legs.is_empty() && self.legs.iter().all(|leg| !leg.contract.kind.is_option())
    }

    pub fn is_options(&self) -> bool {
        !self.legs.is_empty() && self.legs.iter().all(|leg| leg.contract.kind.is_option())
    }
}

/// Equity in a currency.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asset {
    pub ccy: String,
    pub eq: Printed,
    pub borrow_imr: Option<Printed>,
    /// Coins that hedge.
    pub spot: f64,
}

/// An answer of the position builder.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub name: String,
    pub ts_ms: i64,
    pub units: Vec<Unit>,
    pub assets: Vec<Asset>,
    /// `eq`, `totalMmr`, `totalImr`, `borrowMmr`, `marginRatio`, `upl`.
    pub figures: BTreeMap<&'static str, Printed>,
}

impl Answer {
    pub fn figure(&self, name: &str) -> Option<Printed> {
        self.figures.get(name).copied()
    }

    /// Coins of a base currency that hedge.
    pub fn spot(&self, base: &str) -> f64 {
        self.assets.iter().find(|asset| asset.ccy == base).map_or(0.0, |asset| asset.spot)
    }
}

/// Equity of a currency and what counts of it, from `account/balance`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counted {
    pub answer: String,
    pub ts_ms: i64,
    pub ccy: String,
    pub eq: Printed,
    /// In the currency.
    pub amount: Printed,
}

/// All answers of a folder.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub built: Vec<Answer>,
    pub counted: Vec<Counted>,
    /// Files or parts that tell nothing, and why.
    pub passed_over: Vec<(String, String)>,
}

const UNIT: [&str; 11] = ["mr1", "mr2", "mr3", "mr4", "mr5", "mr6", "mr7", "mr9", "mmr", "imr", "upl"];
const ACCOUNT: [&str; 6] = ["eq", "totalMmr", "totalImr", "borrowMmr", "marginRatio", "upl"];

/// Reads the answers below a folder, or in its folder `answers` if it has one.
pub(super) fn read(folder: &Path, listing: &Listing) -> Result<Answers> {
    let own = folder.join("answers");
    let place = if crate::source::is_there(&own)? { own } else { folder.to_path_buf() };
    let mut answers = Answers::default();
    for (path, found) in files::read_each(&place, &files::budget(MemoryLimit::of_machine()))? {
        match found {
            Ok(responses) => responses.iter().for_each(|response| answers.take(response, listing)),
            Err(Error::Invalid(invalid)) => {
                let why = invalid.problem.clone();
                let value = invalid.value.as_deref().map_or(String::new(), |value| format!(": {value}"));
                answers.passed_over.push((path.display().to_string(), format!("{why}{value}")));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answers)
}

impl Answers {
    fn take(&mut self, response: &Response, listing: &Listing) {
        let name = response.name();
        for value in &response.rows {
            let Ok(row) = Row::of(value) else { continue };
            match response.endpoint {
                Endpoint::PositionBuilder => match builder(&name, row, listing) {
                    Ok(answer) => self.built.push(answer),
                    Err(why) => self.passed_over.push((name.clone(), why)),
                },
                Endpoint::Balance => self.counted.extend(balance(&name, row)),
                Endpoint::PositionRisk => {
                    let why = "account-position-risk gives no requirement, and equity without a price";
                    self.passed_over.push((name.clone(), why.to_owned()));
                }
                _ => {}
            }
        }
    }
}

fn builder(name: &str, row: Row, listing: &Listing) -> Result<Answer, String> {
    let mut printed = Vec::new();
    texts(row.0, &mut printed);
    let digits = Digits::of(printed.into_iter());
    let read = |row: Row, field: &str| digits.read(&row.text(&[field]).ok()??);
    let mut units = Vec::new();
    for unit in row.list("riskUnitData").iter().filter_map(|unit| Row::of(unit).ok()) {
        units.push(unit_of(unit, digits, listing)?);
    }
    let asset = |value: &Value| {
        let asset = Row::of(value).ok()?;
        Some(Asset {
            ccy: asset.text(&["ccy"]).ok()??,
            eq: read(asset, "availEq")?,
            borrow_imr: read(asset, "borrowImr"),
            spot: read(asset, "spotInUse").map_or(0.0, |spot| spot.value),
        })
    };
    let ts_ms = row.time_ms(&["ts"]);
    if ts_ms == 0 {
        return Err("no time `ts`".to_owned());
    }
    Ok(Answer {
        name: name.to_owned(),
        ts_ms,
        units,
        assets: row.list("assets").iter().filter_map(asset).collect(),
        figures: figures(row, &ACCOUNT, digits)?,
    })
}

/// The figures of these names that are there. An empty text is none.
fn figures(row: Row, names: &[&'static str], digits: Digits) -> Result<BTreeMap<&'static str, Printed>, String> {
    let mut found = BTreeMap::new();
    for &name in names {
        let Some(text) = row.text(&[name]).ok().flatten().filter(|text| !text.is_empty()) else { continue };
        found.insert(name, digits.read(&text).ok_or_else(|| format!("`{name}` is `{text}`, which is no number"))?);
    }
    Ok(found)
}

/// A number of a size that the model takes, or zero.
fn sound(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| *number == 0.0 || (1e-18..=1e18).contains(&number.abs()))
}

/// Every text of an answer that may be a figure, except contracts, entries and marks, which are inputs.
fn texts<'a>(row: &'a Map<String, Value>, found: &mut Vec<&'a str>) {
    const INPUTS: [&str; 4] = ["amt", "avgPx", "markPx", "ts"];
    for (_, value) in row.iter().filter(|(name, _)| !INPUTS.contains(&name.as_str())) {
        match value {
            Value::String(text) if text.parse::<f64>().is_ok() => found.push(text.as_str()),
            Value::Array(items) => items.iter().filter_map(Value::as_object).for_each(|item| texts(item, found)),
            Value::Object(object) => texts(object, found),
            _ => {}
        }
    }
}

fn unit_of(row: Row, digits: Digits, listing: &Listing) -> Result<Unit, String> {
    let read = |row: Row, field: &str| digits.read(&row.text(&[field]).ok()??);
    let name = row.text(&["riskUnit"]).ok().flatten().ok_or("a risk unit without a name")?;
    let mut legs = Vec::new();
    for leg in row.list("portfolios").iter().filter_map(|leg| Row::of(leg).ok()) {
        legs.push(leg_of(leg, digits, listing)?);
    }
    let object = |field: &str| row.0.get(field).and_then(|value| Row::of(value).ok());
    let scenarios = object("mr1Scenarios");
    let column = |field: &str| -> BTreeMap<i64, (f64, Printed)> {
        let column = scenarios.and_then(|all| all.0.get(field)).and_then(|value| Row::of(value).ok());
        let cells = column.iter().flat_map(|column| column.0.keys().filter_map(|key| Some((key, read(*column, key)?))));
        let moves = cells.filter_map(|(key, pnl)| {
            let step: f64 = key.parse().ok()?;
            Some(((step * 1e9).round() as i64, (step, pnl)))
        });
        moves.collect()
    };
    let columns = ["volShockUp", "volSame", "volShockDown"].map(column);
    let moves: Vec<f64> = columns
        .iter()
        .max_by_key(|cells| cells.len())
        .into_iter()
        .flat_map(|cells| cells.values().map(|cell| cell.0))
        .collect();
    let grid = columns.map(|cells| {
        if cells.len() == moves.len() { cells.into_values().map(|cell| cell.1).collect() } else { Vec::new() }
    });
    let extreme = object("mr6FinalResult").and_then(|result| Some((read(result, "spotShock")?, read(result, "pnl")?)));
    let figures = figures(row, &UNIT, digits)?;
    Ok(Unit { name, legs, figures, moves, grid, extreme })
}

fn leg_of(row: Row, digits: Digits, listing: &Listing) -> Result<Leg, String> {
    let inst_id = row.text(&["instId"]).ok().flatten().ok_or("a position without a contract")?;
    let contract = listing.contracts.get(&inst_id).ok_or_else(|| format!("`{inst_id}` is not in the listing"))?;
    let text = |names: &[&str]| row.text(names).ok().flatten();
    let read = |names: &[&str]| text(names).and_then(|text| digits.read(&text));
    let size = text(&["amt", "pos"]).ok_or("a position without a size")?;
    let qty = sound(&size).ok_or_else(|| format!("the size of `{inst_id}` is `{size}`"))?;
    // Options are net, and so is what the builder gives; a side is there for real positions in two directions.
    let qty = if text(&["posSide"]).as_deref() == Some("short") { -qty.abs() } else { qty };
    let mark = text(&["markPx"]).ok_or_else(|| format!("`{inst_id}` has no mark"))?;
    let mark = if contract.kind.is_option() {
        // The mark of an option is computed: its own digits say how far it is known.
        Digits::of(std::iter::once(mark.as_str())).read(&mark)
    } else {
        mark.parse().ok().map(Printed::exact)
    };
    let mark = mark
        .filter(|mark| (1e-18..=1e18).contains(&mark.value))
        .ok_or_else(|| format!("the mark of `{inst_id}` is no price"))?;
    let avg_px = match text(&["avgPx"]).filter(|text| !text.is_empty()) {
        Some(text) => sound(&text).ok_or_else(|| format!("the entry of `{inst_id}` is `{text}`"))?,
        None => mark.value,
    };
    let zero = Printed::exact(0.0);
    let delta = read(&["delta"]).unwrap_or(zero);
    let float_pnl = read(&["floatPnl"]).unwrap_or(zero);
    Ok(Leg { contract: contract.clone(), qty, avg_px, mark, delta, float_pnl })
}

fn balance(name: &str, row: Row) -> Vec<Counted> {
    let ts_ms = row.time_ms(&["uTime"]);
    let detail = |value: &Value| {
        let detail = Row::of(value).ok()?;
        let read = |field: &str| {
            let text = detail.text(&[field]).ok()??;
            Digits::of(std::iter::once(text.as_str())).read(&text)
        };
        let (eq, counted_usd, usd) = (read("eq")?, read("disEq")?, read("eqUsd")?);
        if eq.value <= 0.0 || usd.value <= 0.0 {
            return None;
        }
        let counted = super::printed::estimate(&[eq, counted_usd, usd], |at| match at {
            [eq, counted, usd] => Some(counted * eq / usd),
            _ => None,
        })?;
        Some(Counted { answer: name.to_owned(), ts_ms, ccy: detail.text(&["ccy"]).ok()??, eq, amount: counted })
    };
    row.list("details").iter().filter_map(detail).collect()
}

/// USD of one unit of a currency, if the answer itself tells it: a linear contract gives its delta in USD, and a profit
/// stands there in the currency and in USD.
pub(super) fn fx_told(answer: &Answer, ccy: &str) -> Option<Printed> {
    for unit in &answer.units {
        for leg in unit.legs.iter().filter(|leg| leg.contract.kind == Kind::Linear && leg.contract.quote == ccy) {
            let worth = leg.size() * leg.mark.value;
            if worth != 0.0 {
                return super::printed::estimate(&[leg.delta], |at| Some(at.first()? / worth));
            }
        }
        let settles = unit.is_delta_one() && unit.legs.iter().all(|leg| leg.contract.settle == ccy);
        let pnl: f64 = unit.legs.iter().map(|leg| leg.float_pnl.value).sum();
        if let (true, Some(upl), [leg]) = (settles && pnl != 0.0, unit.figure("upl"), unit.legs.as_slice()) {
            return super::printed::estimate(&[leg.float_pnl, upl], |at| match at {
                [pnl, usd] => Some(usd / pnl),
                _ => None,
            });
        }
    }
    None
}
