//! What the id of a contract says of it: a warning where its columns say something else.

use super::contracts::Contract;
use crate::market::InstrumentKind;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

/// True if an id such as `BTC-USD-260327` or `BTC-USD-260327-90000-C` names another expiry, strike or type than the
/// columns. Ids of another form say nothing.
pub(super) fn contradicts(inst_id: &str, contract: &Contract) -> bool {
    let parts: Vec<&str> = inst_id.split('-').collect();
    let (day, option) = match parts[..] {
        [_, _, day] => (day, None),
        [_, _, day, strike, side] => (day, Some((strike, side))),
        _ => return false,
    };
    let Some(day) = day_of(day) else { return false };
    let expires = contract.expiry_ns.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
    let is_other_day = expires.is_none_or(|expires| Offset::UTC.to_datetime(expires).date() != day);
    let is_other_option = match (option, contract.kind) {
        (None, kind) => matches!(kind, InstrumentKind::Option { .. }),
        (Some((named, side)), InstrumentKind::Option { call, strike }) => {
            named.parse::<f64>().is_ok_and(|named| named != strike)
                || matches!((side, call), ("C", false) | ("P", true))
        }
        (Some((_, side)), _) => matches!(side, "C" | "P"),
    };
    is_other_day || is_other_option
}

/// The day of `YYMMDD`.
fn day_of(text: &str) -> Option<Date> {
    if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |place: usize| text.get(place..place + 2)?.parse::<i8>().ok();
    Date::new(2000 + i16::from(number(0)?), number(2)?, number(4)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_with_the_columns() {
        // 2026-03-27 08:00 UTC.
        let (in_march, in_april) = (Some(1_774_598_400_000_000_000), Some(1_777_017_600_000_000_000));
        let (linear, call) = (InstrumentKind::Linear, InstrumentKind::Option { call: true, strike: 90_000.0 });
        for (inst_id, kind, expiry_ns, expected) in [
            ("BTC-USDT-SWAP", linear, None, false),
            ("BTC-USDT-260327", linear, in_march, false),
            ("BTC-USDT-260327", linear, in_april, true),
            ("BTC-USDT-260327", linear, None, true),
            ("BTC-USDT-260327", call, in_march, true),
            ("BTC-USD-260327-90000-C", call, in_march, false),
            ("BTC-USD-260327-90000.0-C", call, in_march, false),
            ("BTC-USD-260327-9000-C", call, in_march, true),
            ("BTC-USD-260327-90000-P", call, in_march, true),
            ("BTC-USD-260327-90000-C", call, in_april, true),
            ("BTC-USD-260327-90000-C", linear, in_march, true),
            ("BTC-USD-273026-90000-P", call, in_april, false),
            ("my call", call, in_march, false),
        ] {
            let contract = Contract {
                kind,
                uly: "BTC-USD".to_owned(),
                settle: "BTC".to_owned(),
                multiplier: 1.0,
                expiry_ns,
                lot_sz: 1.0,
            };
            assert_eq!(contradicts(inst_id, &contract), expected, "{inst_id}, {kind:?}, {expiry_ns:?}");
        }
    }
}
