//! The tables `marks` and `indices`, and the USD value of currencies.

use super::contracts::base_quote;
use crate::cells::number::{Numbers, in_range, written};
use crate::error::Remedy;
use crate::formats::batch::Batch;
use crate::snapshot::{Expectations, Reason};
use crate::{Invalid, Result};
use std::collections::HashMap;
use std::time::Duration;

/// A number in range, or the text that stands in its place (empty if there is none).
pub(crate) type Price = Result<f64, String>;

fn price(numbers: &Numbers, row: usize) -> Price {
    match numbers.get(row) {
        Ok(Some(number)) => Ok(number),
        _ => Err(crate::cells::text::cut(&numbers.raw(row))),
    }
}

/// A price, if it is greater than zero.
pub(crate) fn positive(price: &Price) -> Price {
    match price {
        Ok(number) if *number > 0.0 => Ok(*number),
        Ok(number) => Err(written(*number)),
        Err(text) => Err(text.clone()),
    }
}

/// A row of `marks`.
pub(crate) struct MarkRow {
    pub inst_id: Option<String>,
    pub mark_px: Price,
    pub mark_vol: Price,
    pub fwd_px: Price,
    /// What stands against the mark as a whole: reason, column, value.
    pub doubt: Option<(Reason, &'static str, String)>,
    /// Its time is text without a zone.
    pub is_naive: bool,
    /// It is from more than a day before or after the valuation time.
    pub is_old: bool,
}

/// From how far on a price is said to be of another time, where nobody asked for a bound.
const OLD: Duration = Duration::from_hours(24);

/// The time at which prices are wanted, and how close to it they must be.
#[derive(Clone, Copy)]
pub(crate) struct Clock<'a> {
    pub as_of_ns: i64,
    pub expectations: &'a Expectations,
}

impl Clock<'_> {
    fn is_old<E>(&self, ts_ns: Result<Option<i64>, E>) -> bool {
        let of_day = |ts_ns| u128::from(self.as_of_ns.abs_diff(ts_ns)) <= OLD.as_nanos();
        !ts_ns.ok().flatten().is_none_or(of_day)
    }
}

/// Appends the rows of a batch of `marks`.
pub(crate) fn read_marks(rows: &mut Vec<MarkRow>, batch: &Batch, clock: Clock) -> Result<()> {
    let inst_id = batch.text("inst_id")?;
    let (mark, vol, fwd) = (batch.numbers("mark_px")?, batch.numbers("mark_vol")?, batch.numbers("fwd_px")?);
    let (bid, ask, ts) = (batch.numbers("bid_px")?, batch.numbers("ask_px")?, batch.times("ts")?);
    if clock.expectations.max_mark_age.is_some() && !batch.has("ts") {
        return Err(Invalid::new("missing column")
            .file(&batch.file)
            .column("ts")
            .expected("the time of each mark, since their age is bounded")
            .remedy(Remedy::MarkAge)
            .into());
    }
    let doubt = |row| {
        if matches!((bid.get(row), ask.get(row)), (Ok(Some(bid)), Ok(Some(ask))) if bid > ask) {
            return Some((Reason::CrossedMark, "bid_px", format!("{} above {}", bid.raw(row), ask.raw(row))));
        }
        let is_stale = clock.expectations.is_stale(clock.as_of_ns, ts.get(row).ok().flatten());
        is_stale.then(|| (Reason::StaleMark, "ts", crate::cells::text::cut(&ts.raw(row))))
    };
    rows.extend((0..batch.rows).map(|row| MarkRow {
        inst_id: inst_id.get(row).map(str::to_owned),
        mark_px: price(&mark, row),
        mark_vol: price(&vol, row),
        fwd_px: price(&fwd, row),
        doubt: doubt(row),
        is_naive: ts.is_naive(row),
        is_old: clock.is_old(ts.get(row)),
    }));
    Ok(())
}

/// A row of `indices`; its name is `None` if missing.
pub(crate) struct IndexRow {
    pub index_id: Option<String>,
    pub px: Price,
    /// Its time is text without a zone.
    pub is_naive: bool,
    /// It is from more than a day before or after the valuation time.
    pub is_old: bool,
}

/// Appends the rows of a batch of `indices`.
pub(crate) fn read_indices(rows: &mut Vec<IndexRow>, batch: &Batch, clock: Clock) -> Result<()> {
    let (index_id, px, ts) = (batch.text("index_id")?, batch.numbers("px")?, batch.times("ts")?);
    // A table that says nothing of times is taken as it is: indices are often derived.
    let is_timed = batch.has("ts");
    let price = |row| {
        if is_timed && clock.expectations.is_stale(clock.as_of_ns, ts.get(row).ok().flatten()) {
            return Err(crate::cells::text::cut(&format!("{} of {}", px.raw(row), ts.raw(row))));
        }
        positive(&price(&px, row))
    };
    rows.extend((0..batch.rows).map(|row| IndexRow {
        index_id: index_id.get(row).map(str::to_owned),
        px: price(row),
        is_naive: ts.is_naive(row),
        is_old: clock.is_old(ts.get(row)),
    }));
    Ok(())
}

/// Takes index prices that contradict others for missing: dollar coins far from a dollar, and a coin's price in one
/// quote that is further than `share` from its price in most others. Returns their names, in byte order.
pub(crate) fn refuse_contradictions(rows: &mut [IndexRow], share: f64) -> Vec<String> {
    const DOLLAR_COINS: [&str; 2] = ["USDT-USD", "USDC-USD"];
    let far = |px: f64, other: f64| (px / other - 1.0).abs() > share;
    let mut refused: HashMap<String, String> = HashMap::new();
    let mut quotes: HashMap<&str, Vec<(&str, f64)>> = HashMap::new();
    for (name, px) in rows.iter().filter_map(|row| Some((row.index_id.as_deref()?, *row.px.as_ref().ok()?))) {
        let Some((base, quote)) = base_quote(name) else { continue };
        if DOLLAR_COINS.contains(&name) {
            if far(px, 1.0) {
                refused.insert(name.to_owned(), format!("{} is far from 1 USD", written(px)));
            }
        } else if quote.starts_with("USD") {
            quotes.entry(base).or_default().push((name, px));
        }
    }
    for prices in quotes.values_mut() {
        prices.sort_unstable_by_key(|(name, _)| *name);
        for (name, px) in prices.iter() {
            let others = || prices.iter().filter(|(other, _)| other != name);
            let against: Vec<_> = others().filter(|(_, other)| far(*px, *other) || far(*other, *px)).collect();
            // Of three, the one that stands alone; of two, both: nobody knows which.
            if let Some((other, other_px)) = against.first()
                && against.len() * 2 > others().count()
            {
                let (px, other_px) = (written(*px), written(*other_px));
                refused.insert((*name).to_owned(), format!("{px}, while {other} is at {other_px}"));
            }
        }
    }
    for row in rows {
        if let Some(why) = row.index_id.as_deref().and_then(|name| refused.get(name)) {
            row.px = Err(why.clone());
        }
    }
    let mut names: Vec<String> = refused.into_keys().collect();
    names.sort_unstable();
    names
}

/// Index prices by name; rows whose name is not `BASE-QUOTE` are left out.
pub(crate) struct Indices<'a> {
    rows: HashMap<&'a str, &'a Price>,
}

impl<'a> Indices<'a> {
    pub fn new(rows: &'a [IndexRow]) -> Self {
        let named = rows.iter().filter_map(|row| Some((row.index_id.as_deref()?, &row.px)));
        Self { rows: named.filter(|(name, _)| base_quote(name).is_some()).collect() }
    }

    /// Names and prices, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Price)> {
        self.rows.iter().map(|(name, px)| (*name, *px))
    }

    /// The price of an index.
    pub fn px(&self, name: &str) -> Option<f64> {
        self.rows.get(name)?.as_ref().ok().copied()
    }

    /// USD value of one unit: 1 for USD, else the index `c-USD`, without such a row `c-USDT` times `USDT-USD`.
    ///
    /// A row that is there but broken is not replaced by another price: the value is missing.
    pub fn fx(&self, ccy: &str) -> Option<f64> {
        self.fx_path(ccy).iter().try_fold(1.0, |fx, name| {
            let px = self.rows.get(name.as_str())?.as_ref().ok()?;
            in_range(fx * px).ok()
        })
    }

    /// The indices whose product is the USD value of a currency.
    pub fn fx_path(&self, ccy: &str) -> Vec<String> {
        if ccy == "USD" {
            return Vec::new();
        }
        let direct = format!("{ccy}-USD");
        if self.rows.contains_key(direct.as_str()) || ccy == "USDT" {
            vec![direct]
        } else {
            vec![format!("{ccy}-USDT"), "USDT-USD".to_owned()]
        }
    }
}
