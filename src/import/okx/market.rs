//! Public data: contracts, prices, volatilities, discount and borrow tiers.

use super::endpoint::Endpoint;
use super::files::Response;
use super::row::{Fault, Row, underlying};
use super::tally::{Ledger, RowRef, SetAsideReason, Tally};
use crate::Result;
use std::collections::BTreeMap;

/// A contract, as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spec {
    pub inst_type: String,
    pub uly: Option<String>,
    pub settle_ccy: Option<String>,
    pub ct_type: Option<String>,
    pub ct_val: Option<String>,
    pub ct_mult: Option<String>,
    /// Milliseconds since 1970, as written.
    pub expiry_ms: Option<String>,
    pub strike: Option<String>,
    pub opt_type: Option<String>,
    pub lot_sz: Option<String>,
}

/// Volatility and forward of an option.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    pub vol: Option<String>,
    pub fwd_px: Option<String>,
}

/// Discount tiers of a currency: bound and share, as text. The last bound is open.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Discount {
    pub tiers: Vec<(Option<String>, String)>,
    /// The share above the last bound.
    pub beyond: Option<String>,
}

/// A borrow tier: bound (`None`: open), maintenance and initial rate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BorrowTier {
    pub bound: Option<String>,
    pub mmr: String,
    pub imr: String,
}

/// A price found in another response: in a position or a balance.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub time: i64,
    pub px: String,
    pub source: &'static str,
}

/// All public data of the responses.
#[derive(Debug, Default)]
pub(super) struct PublicData {
    pub instruments: Ledger<String, Spec>,
    pub marks: Ledger<String, String>,
    pub indices: Ledger<String, String>,
    pub summaries: Ledger<String, Summary>,
    pub discounts: Ledger<String, Discount>,
    /// By currency and tier number.
    pub borrow: Ledger<(String, u32), BorrowTier>,
    /// Marks and indices found in account responses, used if no public price is imported.
    pub seen_marks: BTreeMap<String, Seen>,
    pub seen_indices: BTreeMap<String, Seen>,
    /// The latest time of any response, in milliseconds since 1970.
    pub latest_ms: i64,
}

impl PublicData {
    /// Takes the rows of a response if it is public data.
    pub fn take(&mut self, file: usize, response: &Response, tally: &mut Tally) -> Result<()> {
        for value in &response.rows {
            let place = tally.row(file);
            let taken = match Row::of(value) {
                Ok(row) => self.row(response, row, place, tally),
                Err(fault) => Err(Stop::Fault(fault)),
            };
            match taken {
                Ok(()) => {}
                Err(Stop::Fault(Fault(problem))) => tally.malformed(place, problem),
                Err(Stop::SetAside(why)) => tally.aside(place, why),
                Err(Stop::Error(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn row(&mut self, response: &Response, row: Row, place: RowRef, tally: &mut Tally) -> Result<(), Stop> {
        let time = row.time_ms(&["ts"]);
        match response.endpoint {
            Endpoint::Instruments => {
                let (inst_id, spec) = spec(row)?;
                self.instruments.put(inst_id, 0, place, spec, tally)?;
            }
            Endpoint::MarkPrice => {
                let inst_id = row.required(&["instId"])?;
                let px = row.text(&["markPx"])?.ok_or(Stop::SetAside(SetAsideReason::NoPrice))?;
                self.saw(time);
                self.marks.put(inst_id, time, place, px, tally)?;
            }
            Endpoint::IndexTickers => {
                let index_id = row.required(&["instId"])?;
                let px = row.text(&["idxPx"])?.ok_or(Stop::SetAside(SetAsideReason::NoPrice))?;
                self.saw(time);
                self.indices.put(index_id, time, place, px, tally)?;
            }
            Endpoint::OptSummary => {
                let inst_id = row.required(&["instId"])?;
                let summary = Summary { vol: row.text(&["markVol"])?, fwd_px: row.text(&["fwdPx"])? };
                if summary.vol.is_none() && summary.fwd_px.is_none() {
                    return Err(Stop::SetAside(SetAsideReason::NoPrice));
                }
                self.saw(time);
                self.summaries.put(inst_id, time, place, summary, tally)?;
            }
            Endpoint::DiscountRate => {
                let ccy = row.required(&["ccy"])?;
                let discount = discount(row)?;
                self.discounts.put(ccy, 0, place, discount, tally)?;
            }
            _ => {
                let (key, tier) = borrow_tier(response, row)?;
                self.borrow.put(key, 0, place, tier, tally)?;
            }
        }
        Ok(())
    }

    /// Records the time of a response.
    pub fn saw(&mut self, time_ms: i64) {
        self.latest_ms = self.latest_ms.max(time_ms);
    }
}

/// Records a price found in another response. The latest is kept; of equal times, the last in byte order.
pub(super) fn note(seen: &mut BTreeMap<String, Seen>, id: &str, new: Seen) {
    let key = |seen: &Seen| (seen.time, seen.px.clone());
    match seen.get(id) {
        Some(old) if key(old) >= key(&new) => {}
        _ => {
            seen.insert(id.to_owned(), new);
        }
    }
}

/// Why a row is not used.
pub(super) enum Stop {
    Fault(Fault),
    SetAside(SetAsideReason),
    Error(crate::Error),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<crate::Error> for Stop {
    fn from(error: crate::Error) -> Self {
        Self::Error(error)
    }
}

fn spec(row: Row) -> Result<(String, Spec), Stop> {
    let inst_id = row.required(&["instId"])?;
    let inst_type = row.required(&["instType"])?;
    match inst_type.as_str() {
        "SWAP" | "FUTURES" | "OPTION" => {}
        "SPOT" | "MARGIN" => return Err(Stop::SetAside(SetAsideReason::SpotPair)),
        _ => return Err(Stop::SetAside(SetAsideReason::OtherType)),
    }
    // `uly` is the plain underlying. A family may have a suffix, as in BTC-USD_UM.
    let family = row.text(&["uly", "instFamily"])?;
    let spec = Spec {
        uly: underlying(family.as_deref().unwrap_or(&inst_id)),
        settle_ccy: row.text(&["settleCcy"])?,
        ct_type: row.text(&["ctType"])?,
        ct_val: row.text(&["ctVal"])?,
        ct_mult: Some(row.text(&["ctMult"])?.unwrap_or_else(|| "1".to_owned())),
        expiry_ms: row.text(&["expTime"])?.filter(|_| inst_type != "SWAP"),
        strike: row.text(&["stk"])?,
        opt_type: row.text(&["optType"])?,
        lot_sz: row.text(&["lotSz"])?,
        inst_type,
    };
    Ok((inst_id, spec))
}

fn discount(row: Row) -> Result<Discount, Stop> {
    let list = if row.has("details") { row.list("details") } else { row.list("discountInfo") };
    if list.is_empty() {
        return Err(Stop::SetAside(SetAsideReason::Nothing));
    }
    let mut tiers = Vec::new();
    for tier in list {
        let tier = Row::of(tier)?;
        tiers.push((tier.text(&["maxAmt"])?, tier.required(&["discountRate"])?));
    }
    // Rows come in any order; the open bound goes last.
    tiers.sort_by(|a, b| bound(a.0.as_deref()).total_cmp(&bound(b.0.as_deref())));
    Ok(Discount { tiers, beyond: row.text(&["minDiscountRate"])? })
}

fn bound(text: Option<&str>) -> f64 {
    text.and_then(super::row::number).unwrap_or(f64::INFINITY)
}

/// The currency comes from the row or from the file name (`..._USDT.json`): the exchange does not repeat it in the
/// response.
fn borrow_tier(response: &Response, row: Row) -> Result<((String, u32), BorrowTier), Stop> {
    let inst_id = row.text(&["instId"])?;
    if inst_id.as_deref().is_some_and(|id| id.contains('-')) {
        return Err(Stop::SetAside(SetAsideReason::PairTiers));
    }
    let named = || {
        let stem = response.path.file_stem()?.to_string_lossy().into_owned();
        let last = stem.rsplit('_').next()?.to_owned();
        (!last.is_empty() && last.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())).then_some(last)
    };
    let missing =
        || Fault("`ccy` is missing; name the file after the currency, such as position-tiers_USDT.json".into());
    let ccy = row.text(&["ccy"])?.or(inst_id).or_else(named).ok_or_else(missing)?;
    let tier = row.required(&["tier"])?;
    let number = tier.parse().map_err(|_| Fault("`tier` is not a number".to_owned()))?;
    let bound = row.text(&["maxSz"])?;
    Ok(((ccy, number), BorrowTier { bound, mmr: row.required(&["mmr"])?, imr: row.required(&["imr"])? }))
}
