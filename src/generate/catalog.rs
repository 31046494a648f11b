//! The contract specifications of the exchange, embedded. The generator trades these contracts.

use crate::{Invalid, Result};

/// See the file's own header for its source and date.
const SPECIFICATIONS: &str = include_str!("../../data/instruments/okx-2026-04-27.csv");
const NAME: &str = "data/instruments/okx-2026-04-27.csv";

/// The valuation time of every generated snapshot: after the specifications were recorded (10:16 UTC that day) and
/// before their first expiry (08:00 UTC the next day).
pub(super) const AS_OF: &str = "2026-04-27T12:00:00Z";

/// One contract as the exchange specifies it.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub inst_id: &'static str,
    pub inst_type: &'static str,
    /// `BTC-USD`, also for `BTC-USD_UM-SWAP`: the exchange's own field, not derived from the id.
    pub uly: &'static str,
    pub base: &'static str,
    pub quote: &'static str,
    pub settle_ccy: &'static str,
    pub ct_type: &'static str,
    pub ct_val: f64,
    pub ct_mult: f64,
    /// RFC 3339 and nanoseconds since 1970.
    pub expiry: Option<(&'static str, i64)>,
    /// Strike, and whether it is a call.
    pub option: Option<(f64, bool)>,
    pub lot: f64,
    pub lot_decimals: u32,
    pub tick: f64,
    pub tick_decimals: u32,
    /// A contract on crypto, not on an equity or a commodity, and not the exchange's test contract.
    pub crypto: bool,
    /// The exchange's dated perpetuals: they expire in years and are priced like a perpetual.
    pub perpetual_like: bool,
}

/// All listings, in the order of the file.
///
/// # Errors
/// [`crate::Error::Invalid`] with row and column if the embedded file is unreadable.
pub(super) fn listings() -> Result<Vec<Listing>> {
    let rows = SPECIFICATIONS.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.enumerate()
        .map(|(index, line)| {
            parse(line).map_err(|(column, value)| {
                let invalid = Invalid::new("cannot read an embedded contract specification").file(NAME);
                invalid.row(index as u64 + 1).column(column).value(value).into()
            })
        })
        .collect()
}

fn parse(line: &'static str) -> Result<Listing, (&'static str, &'static str)> {
    let cells: Vec<&str> = line.split(',').collect();
    let [inst_id, inst_type, uly, settle_ccy, ct_type, ct_val, ct_mult, expiry, strike, opt_type, lot, tick, category] =
        cells[..]
    else {
        return Err(("(all)", line));
    };
    let number = |column, text: &'static str| text.parse::<f64>().map_err(|_| (column, text));
    let (base, quote) = uly.split_once('-').ok_or(("uly", uly))?;
    let expiry = match expiry {
        "" => None,
        text => {
            let moment: jiff::Timestamp = text.parse().map_err(|_| ("expiry", text))?;
            Some((text, i64::try_from(moment.as_nanosecond()).map_err(|_| ("expiry", text))?))
        }
    };
    let option = if inst_type == "OPTION" { Some((number("strike", strike)?, opt_type == "C")) } else { None };
    Ok(Listing {
        inst_id,
        inst_type,
        uly,
        base,
        quote,
        settle_ccy,
        ct_type,
        ct_val: number("ct_val", ct_val)?,
        ct_mult: number("ct_mult", ct_mult)?,
        expiry,
        option,
        lot: number("lot_sz", lot)?,
        lot_decimals: decimals(lot),
        tick: number("tick_sz", tick)?,
        tick_decimals: decimals(tick),
        crypto: category == "1",
        perpetual_like: inst_id.contains("_XPERP-"),
    })
}

/// Decimals of a number as written: 2 for `0.01`.
fn decimals(text: &str) -> u32 {
    text.split_once('.').map_or(0, |(_, fraction)| fraction.len() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_embedded_file_is_whole() {
        let listings = listings().unwrap();
        let count = |kind| listings.iter().filter(|listing| listing.inst_type == kind).count();
        assert_eq!((count("SWAP"), count("FUTURES"), count("OPTION")), (312, 32, 768));
        assert_eq!(listings.iter().map(|listing| listing.inst_id).collect::<HashSet<_>>().len(), 1_112);
        let as_of: jiff::Timestamp = AS_OF.parse().unwrap();
        for listing in &listings {
            assert!(listing.ct_val > 0.0 && listing.ct_mult > 0.0 && listing.lot > 0.0, "{listing:?}");
            assert_eq!(listing.expiry.is_none(), listing.inst_type == "SWAP", "{listing:?}");
            assert!(listing.expiry.is_none_or(|(_, ns)| i128::from(ns) > as_of.as_nanosecond()), "{listing:?}");
            assert!(matches!(listing.ct_type, "linear" | "inverse"), "{listing:?}");
        }
    }

    #[test]
    fn the_underlying_is_the_exchanges_field() {
        let listings = listings().unwrap();
        let find = |id| listings.iter().find(|listing| listing.inst_id == id).unwrap();
        let um = find("BTC-USD_UM-SWAP");
        assert_eq!((um.uly, um.base, um.quote, um.settle_ccy, um.ct_type), ("BTC-USD", "BTC", "USD", "USD", "linear"));
        let inverse = find("BTC-USD-SWAP");
        assert_eq!((inverse.lot, inverse.lot_decimals, inverse.tick_decimals), (0.1, 1, 1));
        let option = find("BTC-USD_UM-260428-72000-C");
        assert_eq!((option.option, option.ct_type), (Some((72_000.0, true)), "linear"));
    }
}
