//! Public data: contracts, prices, volatilities, discount and borrow tiers.

use super::endpoint::Endpoint;
use super::reason::SetAsideReason;
use super::response::Response;
use super::row::{Fault, Row, underlying};
use super::tally::{Fields, Ledger, RowRef, Tally};
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

impl Fields for Spec {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![
            ("instType", Some(&self.inst_type)),
            ("uly", self.uly.as_deref()),
            ("settleCcy", self.settle_ccy.as_deref()),
            ("ctType", self.ct_type.as_deref()),
            ("ctVal", self.ct_val.as_deref()),
            ("ctMult", self.ct_mult.as_deref()),
            ("expTime", self.expiry_ms.as_deref()),
            ("stk", self.strike.as_deref()),
            ("optType", self.opt_type.as_deref()),
            ("lotSz", self.lot_sz.as_deref()),
        ]
    }
}

/// Sizes of orders on a spot pair, as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PairSizes {
    pub lot_sz: Option<String>,
    pub min_sz: Option<String>,
}

impl Fields for PairSizes {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![("lotSz", self.lot_sz.as_deref()), ("minSz", self.min_sz.as_deref())]
    }
}

/// A price as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Px(pub String);

impl Fields for Px {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![("price", Some(&self.0))]
    }
}

/// Volatility and forward of an option.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    pub vol: Option<String>,
    pub fwd_px: Option<String>,
}

impl Fields for Summary {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![("markVol", self.vol.as_deref()), ("fwdPx", self.fwd_px.as_deref())]
    }
}

/// Discount tiers of a currency: bound and share, as text. The last bound is open.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Discount {
    pub tiers: Vec<(Option<String>, String)>,
    /// The share above the last bound.
    pub beyond: Option<String>,
}

impl Fields for Discount {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        let tiers = self
            .tiers
            .iter()
            .flat_map(|(bound, share)| [("maxAmt", bound.as_deref()), ("discountRate", Some(share.as_str()))]);
        let last = [("minDiscountRate", self.beyond.as_deref())];
        // A tier more is a difference too.
        last.into_iter().chain(tiers).chain([("details", None)]).collect()
    }
}

/// A borrow tier: bound (`None`: open), maintenance and initial rate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BorrowTier {
    pub bound: Option<String>,
    pub mmr: String,
    pub imr: String,
}

impl Fields for BorrowTier {
    fn fields(&self) -> Vec<(&'static str, Option<&str>)> {
        vec![("maxSz", self.bound.as_deref()), ("mmr", Some(&self.mmr)), ("imr", Some(&self.imr))]
    }
}

/// Currency and number of a borrow tier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TierKey {
    pub ccy: String,
    pub number: u32,
}

impl std::fmt::Display for TierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tier {}", self.ccy, self.number)
    }
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
    pub spot_pairs: Ledger<String, PairSizes>,
    pub marks: Ledger<String, Px>,
    pub indices: Ledger<String, Px>,
    pub summaries: Ledger<String, Summary>,
    pub discounts: Ledger<String, Discount>,
    pub borrow: Ledger<TierKey, BorrowTier>,
    /// Marks and indices found in account responses, used if no public price is imported.
    pub seen_marks: BTreeMap<String, Seen>,
    pub seen_indices: BTreeMap<String, Seen>,
    /// The latest time of any response, in milliseconds since 1970.
    pub latest_ms: i64,
    /// The latest time of a price that the market answers give; zero if there is none.
    pub priced_ms: i64,
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
            Endpoint::Instruments if row.text(&["instType"])?.as_deref() == Some("SPOT") => {
                if is_placeholder(row)? {
                    return Err(Stop::SetAside(SetAsideReason::Placeholder));
                }
                let sizes = PairSizes { lot_sz: row.text(&["lotSz"])?, min_sz: row.text(&["minSz"])? };
                self.spot_pairs.put(row.required(&["instId"])?, 0, place, sizes, tally)?;
            }
            Endpoint::Instruments => {
                let (inst_id, spec) = spec(row)?;
                self.instruments.put(inst_id, 0, place, spec, tally)?;
            }
            Endpoint::MarkPrice => {
                let inst_id = row.required(&["instId"])?;
                let px = row.text(&["markPx"])?.ok_or(Stop::SetAside(SetAsideReason::NoPrice))?;
                self.saw_price(time);
                self.marks.put(inst_id, time, place, Px(px), tally)?;
            }
            Endpoint::IndexTickers => {
                let index_id = row.required(&["instId"])?;
                let px = row.text(&["idxPx"])?.ok_or(Stop::SetAside(SetAsideReason::NoPrice))?;
                self.saw_price(time);
                self.indices.put(index_id, time, place, Px(px), tally)?;
            }
            Endpoint::OptSummary => {
                let inst_id = row.required(&["instId"])?;
                let summary = Summary { vol: row.text(&["markVol"])?, fwd_px: row.text(&["fwdPx"])? };
                if summary.vol.is_none() && summary.fwd_px.is_none() {
                    return Err(Stop::SetAside(SetAsideReason::NoPrice));
                }
                self.saw_price(time);
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

    fn saw_price(&mut self, time_ms: i64) {
        self.priced_ms = self.priced_ms.max(time_ms);
        self.saw(time_ms);
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

/// True for the row of an instrument that is announced: it has no id or one that is to change, or no contract value.
fn is_placeholder(row: Row) -> Result<bool, Fault> {
    let is_announced = row.text(&["state"])?.as_deref() == Some("preopen");
    let id = row.text(&["instId"])?;
    let has_id = id.is_some_and(|id| !id.starts_with("LISTING-"));
    let is_contract = !matches!(row.text(&["instType"])?.as_deref(), Some("SPOT" | "MARGIN"));
    Ok(is_announced && (!has_id || is_contract && row.text(&["ctVal"])?.is_none()))
}

fn spec(row: Row) -> Result<(String, Spec), Stop> {
    if is_placeholder(row)? {
        return Err(Stop::SetAside(SetAsideReason::Placeholder));
    }
    let inst_id = row.required(&["instId"])?;
    let inst_type = row.required(&["instType"])?;
    match inst_type.as_str() {
        "SWAP" | "FUTURES" | "OPTION" => {}
        "MARGIN" => return Err(Stop::SetAside(SetAsideReason::SpotPair)),
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

/// A tier of borrowing in a currency. The currency is what was asked for: the exchange does not repeat it in the
/// response, so it has to be saved with it. Neither the name of a file nor that of an instrument says it.
fn borrow_tier(response: &Response, row: Row) -> Result<(TierKey, BorrowTier), Stop> {
    let inst_id = row.text(&["instId"])?;
    let family = row.text(&["instFamily", "uly"])?;
    let inst_type = row.text(&["instType"])?;
    let is_contract = family.is_some() || inst_type.is_some_and(|name| name != "MARGIN");
    if is_contract || inst_id.is_some_and(|id| id.contains('-')) {
        return Err(Stop::SetAside(SetAsideReason::PairTiers));
    }
    let ccy = row.text(&["ccy"])?.or_else(|| response.ccy.clone());
    let ccy = ccy.ok_or(Stop::SetAside(SetAsideReason::NamelessTiers))?;
    let tier = row.required(&["tier"])?;
    let number = tier.parse().map_err(|_| Fault("`tier` is not a number".to_owned()))?;
    let bound = row.text(&["maxSz"])?;
    Ok((TierKey { ccy, number }, BorrowTier { bound, mmr: row.required(&["mmr"])?, imr: row.required(&["imr"])? }))
}
