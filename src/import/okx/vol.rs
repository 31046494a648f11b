//! Marks of all instruments. Options without a summary get a volatility from their mark, or from the smile.
//!
//! The exchange's option mark is the undiscounted Black-76 value: divided by the forward if the option settles in the
//! coin, the value itself if it settles in the quote currency. The rate is 0 in both cases.

use super::market::{PublicData, Spec};
use super::row::number;
use crate::margin::implied::{NoVolatility, implied_vol};
use std::collections::BTreeMap;

/// A row of the table `marks`, and the source of its figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MarkRow {
    pub mark_px: Option<String>,
    pub mark_source: Option<&'static str>,
    pub vol: Option<String>,
    pub vol_source: Option<&'static str>,
    pub fwd_px: Option<String>,
    pub fwd_source: Option<&'static str>,
    /// When its figures were published, in milliseconds since 1970: of several times the earliest. `None` if one of
    /// them has no time.
    pub ts_ms: Option<i64>,
}

/// Sources of the volatilities of listed, unexpired options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolCounts {
    /// From `public/opt-summary`.
    pub opt_summary: u64,
    /// Implied from the mark.
    pub implied: u64,
    /// Interpolated on the smile of the expiry.
    pub interpolated: u64,
    /// Options without a volatility, by the reason.
    pub missing: BTreeMap<&'static str, u64>,
}

/// An option priced from a smile.
struct OptionTerms<'a> {
    inst_id: &'a str,
    spec: &'a Spec,
    /// Underlying and expiry: options that share them share a forward and a smile.
    smile: (&'a str, i64),
    strike: f64,
    years: f64,
}

/// Milliseconds of the year of 365 days.
const YEAR_MS: f64 = 365.0 * 86_400_000.0;

/// The table `marks`, one row for every instrument with a known price.
pub(super) fn marks(public: &PublicData, as_of_ms: i64, interpolate: bool) -> (BTreeMap<String, MarkRow>, VolCounts) {
    let mut rows: BTreeMap<String, MarkRow> = BTreeMap::new();
    let ids = public.instruments.iter().map(|(id, _)| id).chain(public.marks.iter().map(|(id, _)| id));
    for id in ids.chain(public.seen_marks.keys()) {
        if let Some(mark) = public.mark(id) {
            let row = rows.entry(id.clone()).or_default();
            (row.mark_px, row.mark_source) = (Some(mark.px.to_owned()), Some(mark.source));
            row.ts_ms = known_time(mark.time_ms);
        }
    }
    for (id, (time_ms, summary)) in public.summaries.iter_timed() {
        let row = rows.entry(id.clone()).or_default();
        row.ts_ms = match (&row.mark_px, row.ts_ms, known_time(time_ms)) {
            (None, _, published) => published,
            (Some(_), marked, published) => marked.zip(published).map(|(marked, published)| marked.min(published)),
        };
        row.vol.clone_from(&summary.vol);
        row.vol_source = summary.vol.as_ref().map(|_| "opt-summary");
        row.fwd_px.clone_from(&summary.fwd_px);
        row.fwd_source = summary.fwd_px.as_ref().map(|_| "opt-summary");
    }
    let options: Vec<OptionTerms> =
        public.instruments.iter().filter_map(|(id, spec)| option(id, spec, as_of_ms)).collect();
    let forwards = Forwards::new(public, &rows);
    let mut counts = VolCounts::default();
    let mut without = Vec::new();
    let mut smiles: BTreeMap<(&str, i64), Vec<(f64, f64)>> = BTreeMap::new();
    for option in &options {
        let row = rows.entry(option.inst_id.to_owned()).or_default();
        if row.fwd_px.is_none()
            && let Some((px, source)) = forwards.get(option)
        {
            (row.fwd_px, row.fwd_source) = (Some(px.to_owned()), Some(source));
        }
        match row.vol.as_deref().map(number) {
            Some(Some(vol)) if vol > 0.0 => {
                counts.opt_summary += 1;
                smiles.entry(option.smile).or_default().push((option.strike.ln(), vol));
            }
            _ => match implied(option, unknown(row)) {
                Ok(vol) => {
                    (row.vol, row.vol_source) = (Some(vol.to_string()), Some("implied"));
                    counts.implied += 1;
                    smiles.entry(option.smile).or_default().push((option.strike.ln(), vol));
                }
                Err(why) => without.push((option, why)),
            },
        }
    }
    for points in smiles.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        points.dedup_by_key(|point| point.0);
    }
    for (option, why) in without {
        let on_smile = smiles.get(&option.smile).filter(|_| interpolate).and_then(|points| between(points, option));
        if let Some(vol) = on_smile
            && let Some(row) = rows.get_mut(option.inst_id)
        {
            (row.vol, row.vol_source) = (Some(vol.to_string()), Some("interpolated"));
            counts.interpolated += 1;
        } else {
            *counts.missing.entry(why).or_default() += 1;
        }
    }
    rows.retain(|_, row| *row != MarkRow::default());
    (rows, counts)
}

/// A time in milliseconds, unless the answer gives none.
pub(super) fn known_time(time_ms: i64) -> Option<i64> {
    Some(time_ms).filter(|time_ms| *time_ms > 0)
}

fn option<'a>(inst_id: &'a str, spec: &'a Spec, as_of_ms: i64) -> Option<OptionTerms<'a>> {
    if spec.inst_type != "OPTION" {
        return None;
    }
    let expiry_ms: i64 = spec.expiry_ms.as_deref()?.parse().ok()?;
    let strike = number(spec.strike.as_deref()?).filter(|strike| *strike > 0.0)?;
    let years = expiry_ms.checked_sub(as_of_ms).filter(|left| *left > 0)? as f64 / YEAR_MS;
    Some(OptionTerms { inst_id, spec, smile: (spec.uly.as_deref()?, expiry_ms), strike, years })
}

/// A row whose volatility is missing or unusable.
fn unknown(row: &mut MarkRow) -> &MarkRow {
    (row.vol, row.vol_source) = (None, None);
    row
}

/// The implied volatility of an option's mark, or why there is none.
fn implied(option: &OptionTerms, row: &MarkRow) -> Result<f64, &'static str> {
    let positive = |text: &Option<String>| text.as_deref().and_then(number).filter(|px| *px > 0.0);
    let mark = positive(&row.mark_px).ok_or("no mark")?;
    let forward = positive(&row.fwd_px).ok_or("no forward")?;
    let call = match option.spec.opt_type.as_deref() {
        Some("C") => true,
        Some("P") => false,
        _ => return Err("neither call nor put"),
    };
    let (base, quote) = option.smile.0.split_once('-').unwrap_or_default();
    let price = match option.spec.settle_ccy.as_deref() {
        Some(settle) if settle == base => mark * forward,
        Some(settle) if settle == quote => mark,
        _ => return Err("settles in neither coin nor quote"),
    };
    implied_vol(price, forward, option.strike, option.years, 0.0, call).map_err(|why| match why {
        NoVolatility::Expired => "expired",
        NoVolatility::NoTimeValue => "the mark has no time value",
        NoVolatility::TooDear => "the mark is above every possible value",
        NoVolatility::NotANumber => "the mark is not a number",
    })
}

/// Linear interpolation between neighbours in log strike, constant outside. Needs two points.
fn between(points: &[(f64, f64)], option: &OptionTerms) -> Option<f64> {
    let at = option.strike.ln();
    if points.len() < 2 {
        return None;
    }
    let above = points.partition_point(|point| point.0 < at);
    match (above.checked_sub(1).and_then(|below| points.get(below)), points.get(above)) {
        (Some(&(x0, v0)), Some(&(x1, v1))) => Some(v0 + (v1 - v0) * ((at - x0) / (x1 - x0))),
        (Some(&(_, vol)), None) | (None, Some(&(_, vol))) => Some(vol),
        (None, None) => None,
    }
}

/// Forwards by underlying and expiry: from the exchange's other options, else the mark of the future with the same
/// expiry. If there are several, the one with the same settlement currency is preferred.
struct Forwards<'a> {
    known: BTreeMap<(&'a str, i64), Vec<Forward<'a>>>,
}

/// Settlement currency, price and source.
type Forward<'a> = (&'a str, String, &'static str);

impl<'a> Forwards<'a> {
    fn new(public: &'a PublicData, rows: &BTreeMap<String, MarkRow>) -> Self {
        let mut known: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (kind, source) in [("OPTION", "expiry"), ("FUTURES", "future")] {
            // A perpetual future is held at spot: its mark is no forward.
            let of_kind = |id: &str, spec: &Spec| spec.inst_type == kind && !id.contains("_XPERP-");
            for (id, spec) in public.instruments.iter().filter(|(id, spec)| of_kind(id, spec)) {
                let (Some(uly), Some(row)) = (spec.uly.as_deref(), rows.get(id)) else { continue };
                let Some(expiry) = spec.expiry_ms.as_deref().and_then(|text| text.parse::<i64>().ok()) else {
                    continue;
                };
                let px = if kind == "OPTION" { &row.fwd_px } else { &row.mark_px };
                if let Some(px) = px {
                    let settle = spec.settle_ccy.as_deref().unwrap_or_default();
                    known.entry((uly, expiry)).or_default().push((settle, px.clone(), source));
                }
            }
        }
        Self { known }
    }

    fn get<'b>(&'b self, option: &OptionTerms<'b>) -> Option<(&'b str, &'static str)> {
        let known = self.known.get(&option.smile)?;
        let settle = option.spec.settle_ccy.as_deref();
        let found = known.iter().find(|(other, _, _)| Some(*other) == settle).or(known.first());
        found.map(|(_, px, source)| (px.as_str(), *source))
    }
}

/// A price, where it is from, and its time (zero if it has none).
pub(super) struct Mark<'a> {
    pub px: &'a str,
    pub source: &'static str,
    pub time_ms: i64,
}

impl PublicData {
    /// The mark of an instrument: of `public/mark-price`, else the latest from the account responses.
    pub fn mark(&self, inst_id: &str) -> Option<Mark<'_>> {
        let seen = || {
            let seen = self.seen_marks.get(inst_id)?;
            Some(Mark { px: &seen.px, source: seen.source, time_ms: seen.time })
        };
        let public = self.marks.timed(&inst_id.to_owned());
        public.map(|(time_ms, px)| Mark { px: &px.0, source: "public/mark-price", time_ms }).or_else(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smiles_are_straight_between_and_level_beyond() {
        let spec = Spec {
            inst_type: "OPTION".into(),
            uly: Some("BTC-USD".into()),
            settle_ccy: None,
            ct_type: None,
            ct_val: None,
            ct_mult: None,
            expiry_ms: Some("86400000".into()),
            strike: None,
            opt_type: None,
            lot_sz: None,
        };
        let points = [(100f64.ln(), 0.6), (400f64.ln(), 0.8)];
        for (strike, expected) in [("50", 0.6), ("100", 0.6), ("200", 0.7), ("400", 0.8), ("900", 0.8)] {
            let spec = Spec { strike: Some(strike.into()), ..spec.clone() };
            let vol = between(&points, &option("x", &spec, 0).unwrap()).unwrap();
            assert!((vol - expected).abs() < 1e-12, "{strike}: {vol}");
            assert_eq!(between(&points[..1], &option("x", &spec, 0).unwrap()), None);
        }
        let spec = Spec { strike: Some("1".into()), ..spec };
        assert!(option("x", &spec, 86_400_000).is_none(), "expired");
    }
}
