//! Assumed USD levels of the underlyings. They are round figures of a plausible market, not observations. The
//! specifications fix only the order of magnitude (contract value and tick); the strikes fix the level of BTC.

/// Base currency and assumed USD level, the most popular first.
pub(super) const LEVELS_USD: &[(&str, f64)] = &[
    ("BTC", 77_800.0),
    ("ETH", 2_330.0),
    ("SOL", 86.5),
    ("XRP", 1.42),
    ("DOGE", 0.098),
    ("BNB", 628.0),
    ("HYPE", 41.0),
    ("SUI", 0.94),
    ("ADA", 0.25),
    ("PEPE", 0.000_003_8),
    ("LTC", 55.5),
    ("LINK", 9.3),
    ("BCH", 452.0),
    ("AVAX", 9.35),
    ("TRX", 0.325),
    ("ZEC", 355.0),
    ("OKB", 83.0),
    ("PUMP", 0.00187),
    ("XAU", 4_705.0),
    ("DOT", 1.27),
    ("NEAR", 1.38),
    ("UNI", 3.3),
    ("AAVE", 94.0),
    ("FIL", 0.93),
    ("ETC", 8.4),
    ("SHIB", 0.000_006_1),
    ("WLD", 0.26),
    ("TON", 1.32),
    ("TAO", 248.0),
    ("ENA", 0.105),
    ("ARB", 0.125),
    ("OP", 0.118),
    ("APT", 0.95),
    ("ATOM", 1.95),
    ("XLM", 0.172),
    ("HBAR", 0.091),
    ("ORDI", 3.1),
    ("WLFI", 0.074),
    ("TRUMP", 2.55),
    ("FARTCOIN", 0.2),
    ("BONK", 0.000_006_2),
    ("WIF", 0.188),
    ("INJ", 3.4),
    ("TIA", 0.36),
    ("ONDO", 0.258),
    ("LDO", 0.36),
    ("CRV", 0.23),
    ("ICP", 2.45),
    ("STX", 0.222),
    ("RENDER", 1.74),
    ("ALGO", 0.106),
    ("DASH", 35.5),
    ("PENGU", 0.0086),
    ("USDC", 1.0),
    ("XAG", 75.5),
    ("TSLA", 376.0),
    ("NVDA", 208.0),
    ("MSTR", 168.0),
    ("AAPL", 271.0),
    ("COIN", 198.0),
    ("CRCL", 96.0),
    ("HOOD", 83.0),
    ("GOOGL", 344.0),
    ("META", 675.0),
    ("MSFT", 424.0),
    ("AMZN", 263.0),
    ("AMD", 335.0),
    ("INTC", 82.0),
    ("MU", 496.0),
    ("SNDK", 945.0),
    ("NFLX", 92.0),
    ("ORCL", 173.0),
    ("PLTR", 143.0),
    ("CRWV", 112.0),
    ("TSM", 402.0),
    ("SPY", 713.0),
    ("QQQ", 664.0),
    ("IWM", 276.0),
    ("EWJ", 88.0),
    ("EWY", 152.0),
    ("CL", 96.0),
    ("BZ", 103.0),
    ("NG", 2.6),
    ("XCU", 6.05),
    ("XPT", 2_010.0),
    ("XPD", 1_490.0),
    ("YFI", 2_450.0),
    ("GIGGLE", 27.0),
    ("SATS", 0.000_000_012_4),
    ("FLOKI", 0.000_031),
    ("NEIRO", 0.000_078_5),
    ("BOME", 0.00041),
    ("MEW", 0.00058),
    ("TURBO", 0.00102),
];

/// The assumed level of a base currency. A currency that is not in the table gets a level from a hash of its name that
/// fits the contract: between 300 and 5,000 ticks, and a contract value between 0.2 and 200 USD if the tick allows.
pub(super) fn level_usd(base: &str, tick: f64, ct_val: f64) -> f64 {
    if let Some((_, level)) = LEVELS_USD.iter().find(|(listed, _)| *listed == base) {
        return *level;
    }
    let share = hash_share(base);
    let ticks = 300.0 * libm::exp(share * libm::log(5_000.0 / 300.0));
    let by_contract = (tick * ticks).clamp(0.2 / ct_val, 200.0 / ct_val);
    by_contract.clamp(tick * 100.0, tick * 100_000.0)
}

/// FNV-1a of a name, as a share in [0, 1).
fn hash_share(name: &str) -> f64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::catalog::listings;

    #[test]
    fn every_level_suits_its_contract() {
        for listing in listings().unwrap().iter().filter(|listing| listing.inst_type == "SWAP") {
            let level = level_usd(listing.base, listing.tick, listing.ct_val);
            assert!(level / listing.tick >= 100.0, "{}: {level} has too few ticks", listing.inst_id);
            let contract_usd = if listing.ct_type == "inverse" { listing.ct_val } else { listing.ct_val * level };
            assert!((0.01..2_000.0).contains(&contract_usd), "{}: a contract of {contract_usd} USD", listing.inst_id);
        }
    }
}
