//! Contract sizes that are odd: a warning, since no other number tells how large a contract is.

use super::contracts::Contract;
use crate::market::InstrumentKind;
use std::collections::HashMap;

/// A contract of less or more USD than this is odd. Those of the exchange are worth 0.02 to 1,000 USD.
const USUAL_USD: std::ops::RangeInclusive<f64> = 1e-3..=2e4;
/// Contracts of a family from which on one that differs from all others is odd.
const LEAST_FAMILY: usize = 3;

/// The ids of live contracts whose size is odd: `usd`, what one is worth, is unusual, or no other contract of its
/// family has its size, and half of the family share another one. A family is the swaps and futures of one underlying
/// and settle currency, or its options. `usd` is NaN where it is not known.
pub(super) fn odd<'a>(live: &[(&'a str, &'a Contract)], usd: &[f64]) -> Vec<&'a str> {
    let family = |contract: &'a Contract| {
        let kind = match contract.kind {
            InstrumentKind::Linear => 0u8,
            InstrumentKind::Inverse => 1,
            InstrumentKind::Option { .. } => 2,
        };
        (contract.uly.as_str(), contract.settle.as_str(), kind)
    };
    let mut sizes: HashMap<_, HashMap<u64, usize>> = HashMap::new();
    for (_, contract) in live {
        *sizes.entry(family(contract)).or_default().entry(contract.multiplier.to_bits()).or_default() += 1;
    }
    let differs = |contract: &'a Contract| {
        let Some(sizes) = sizes.get(&family(contract)) else { return false };
        let (all, most) = (sizes.values().sum::<usize>(), sizes.values().max().copied().unwrap_or(0));
        let own = sizes.get(&contract.multiplier.to_bits()).copied().unwrap_or(0);
        all >= LEAST_FAMILY && own == 1 && most > 1 && 2 * most >= all
    };
    let is_odd = |((_, contract), usd): &(&(&'a str, &'a Contract), &f64)| {
        !usd.is_nan() && !USUAL_USD.contains(*usd) || differs(contract)
    };
    live.iter().zip(usd).filter(is_odd).map(|((inst_id, _), _)| *inst_id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_are_unlike_all_others() {
        let contract = |uly: &str, multiplier: f64, is_option: bool| Contract {
            kind: if is_option { InstrumentKind::Option { call: true, strike: 1.0 } } else { InstrumentKind::Linear },
            uly: uly.to_owned(),
            settle: "USDT".to_owned(),
            multiplier,
            expiry_ns: None,
            lot_sz: 1.0,
        };
        let contracts = [
            ("a", contract("BTC-USDT", 0.01, false), 900.0),
            ("b", contract("BTC-USDT", 0.01, false), 900.0),
            ("c", contract("BTC-USDT", 0.1, false), 9_000.0),
            ("d", contract("BTC-USDT", 0.1, true), 9_000.0),
            ("e", contract("ETH-USDT", 0.1, false), 300.0),
            ("f", contract("ETH-USDT", 1.0, false), 3_000.0),
            ("g", contract("LTC-USDT", 1_000.0, false), 80_000.0),
            ("h", contract("ICP-USDT", 1e-4, false), 2.4e-4),
            ("i", contract("XRP-USDT", 100.0, false), f64::NAN),
        ];
        let live: Vec<_> = contracts.iter().map(|(id, contract, _)| (*id, contract)).collect();
        let usd: Vec<f64> = contracts.iter().map(|(_, _, usd)| *usd).collect();
        assert_eq!(odd(&live, &usd), ["c", "g", "h"]);
        // Two sizes that are shared are two products.
        let shared = [0.01, 0.01, 0.01, 0.01, 1e-4, 1e-4].map(|size| contract("BTC-USD", size, false));
        let live: Vec<_> = shared.iter().map(|contract| ("x", contract)).collect();
        assert_eq!(odd(&live, &[1.0; 6]), [""; 0]);
    }
}
