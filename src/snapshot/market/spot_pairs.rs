//! The table `spot_pairs`: rows to sizes of orders, or what is wrong with them.

use super::contracts::{Fault, base_quote};
use crate::Result;
use crate::cells::text::cut;
use crate::formats::batch::Batch;
use crate::market::{Market, SpotPair};

/// A row of `spot_pairs`.
pub(crate) struct PairRow {
    pub inst_id: Option<String>,
    /// Step and smallest size of an order, units of the base.
    pub sizes: Result<(f64, f64), Fault>,
}

/// Appends the rows of a batch.
pub(crate) fn read(rows: &mut Vec<PairRow>, batch: &Batch) -> Result<()> {
    let (inst_id, lot_sz, min_sz) = (batch.text("inst_id")?, batch.numbers("lot_sz")?, batch.numbers("min_sz")?);
    rows.extend((0..batch.rows).map(|row| {
        let id = inst_id.get(row);
        let sizes = match (id.and_then(base_quote), lot_sz.get(row), min_sz.get(row)) {
            (Some((base, quote)), ..) if base == quote => Err(Fault { column: "inst_id", value: inst_id.raw(row) }),
            (Some(_), Ok(Some(lot)), Ok(min)) if lot > 0.0 && min.is_none_or(|min| min >= 0.0) => {
                Ok((lot, min.unwrap_or(0.0)))
            }
            (Some(_), Ok(Some(lot)), _) if lot > 0.0 => Err(Fault { column: "min_sz", value: cut(&min_sz.raw(row)) }),
            (Some(_), ..) => Err(Fault { column: "lot_sz", value: cut(&lot_sz.raw(row)) }),
            (None, ..) => Err(Fault { column: "inst_id", value: inst_id.raw(row) }),
        };
        PairRow { inst_id: id.map(str::to_owned), sizes }
    }));
    Ok(())
}

/// The pairs of a market, in the order of their currencies. A pair of a currency that the market lacks is left away:
/// nobody can trade it.
pub(crate) fn of_market(rows: &[PairRow], market: &Market) -> Vec<SpotPair> {
    let find = |name: &str| market.currencies.binary_search_by(|ccy| ccy.name.as_str().cmp(name)).ok();
    let index = |name: &str| find(name).and_then(|index| u32::try_from(index).ok());
    let pair = |row: &PairRow| {
        let (base, quote) = base_quote(row.inst_id.as_deref()?)?;
        let (lot_sz, min_sz) = *row.sizes.as_ref().ok()?;
        Some(SpotPair { base: index(base)?, quote: index(quote)?, lot_sz, min_sz })
    };
    let mut pairs: Vec<SpotPair> = rows.iter().filter_map(pair).collect();
    pairs.sort_unstable_by_key(|pair| (pair.base, pair.quote));
    pairs
}
