//! Probes of swaps and futures: moves, classes, basis, charges, and the ladder of sizes behind the tiers.

use super::portfolio::{MOST_LEGS, Probe, contracts_worth, ladder};
use crate::listing::{Contract, Kind, Listing};
use crate::margin::rules::{Class, Rules};
use std::collections::BTreeMap;

/// Notional of the ladder, USD: from well inside the first tier to far beyond the last one that is known.
const LADDER_USD: (f64, f64) = (2e5, 3e9);
/// A tier that is 1.33 times as high as the one before holds four steps.
const LADDER_RATIO: f64 = 1.07;
/// Coins of a class that share the steps of the ladder.
const LADDER_COINS: usize = 4;
const SMALL_USD: f64 = 1e4;

/// USD of one contract.
pub(super) fn usd_a_contract(listing: &Listing, contract: &Contract) -> Option<f64> {
    match contract.kind {
        Kind::Inverse => Some(contract.multiplier),
        _ => Some(contract.multiplier * contract.mark_px * listing.fx(&contract.quote)?),
    }
}

/// Swaps of a base currency, settled in `settle`: `"USDT"`, `"USDC"`, or `"coin"`.
pub(super) fn swap<'a>(listing: &'a Listing, base: &str, settle: &str) -> Option<&'a Contract> {
    let fits = |contract: &&Contract| {
        let settles = if settle == "coin" { contract.kind == Kind::Inverse } else { contract.settle == settle };
        contract.base == base && contract.expiry_ms.is_none() && settles && contract.inst_id.ends_with("-SWAP")
    };
    listing.contracts.values().find(fits)
}

/// The swap with which a coin is probed.
fn main_swap<'a>(listing: &'a Listing, base: &str) -> Option<&'a Contract> {
    ["USDT", "USDC", "coin"].into_iter().find_map(|settle| swap(listing, base, settle))
}

/// Every coin that has a swap, one each, many in a request.
pub(super) fn moves(listing: &Listing) -> Vec<Probe> {
    let swaps: Vec<&Contract> = listing.bases().into_iter().filter_map(|base| main_swap(listing, base)).collect();
    let tells = [
        "risk_unit",
        "imr_multiplier",
        "classes.mr1",
        "classes.mr4_mr6_mr7",
        "mr1.price",
        "mr4.floor",
        "mr6.price",
        "mr6.charge",
        "mr7.delta_one",
    ];
    let of = |swaps: &[&Contract]| {
        let what = format!("one small long swap of each of {} coins: the moves and rates of its class", swaps.len());
        swaps.iter().fold(Probe::new("swaps", what, &tells), |probe, swap| {
            let usd = usd_a_contract(listing, swap).unwrap_or(1.0);
            probe.hold(swap, contracts_worth(swap, SMALL_USD, usd))
        })
    };
    swaps.chunks(MOST_LEGS).map(of).collect()
}

/// A future alone, for each of the longest of each coin and settlement; and those that may be held as perpetuals.
pub(super) fn futures(listing: &Listing, rules: &Rules) -> Vec<Probe> {
    let mut longest: BTreeMap<(&str, bool), &Contract> = BTreeMap::new();
    for contract in listing.contracts.values().filter(|it| !it.kind.is_option() && it.expiry_ms.is_some()) {
        let is_like = rules.mr4.perpetual_like.iter().any(|part| contract.inst_id.contains(part.as_str()));
        let held = longest.entry((contract.base.as_str(), is_like)).or_insert(contract);
        if contract.expiry_ms > held.expiry_ms {
            *held = contract;
        }
    }
    let mut probes = Vec::new();
    for is_like in [false, true] {
        let chosen: Vec<&Contract> =
            longest.iter().filter(|((_, like), _)| *like == is_like).map(|(_, contract)| *contract).collect();
        let (name, what, tells) = if is_like {
            ("perpetual-like", "the longest future of each coin that funding holds at spot", "mr4.perpetual_like")
        } else {
            ("futures", "the longest future of each coin: the basis charge of a year", "mr4.annualized")
        };
        for chosen in chosen.chunks(MOST_LEGS) {
            let probe = Probe::new(name, what, &[tells]);
            probes.push(chosen.iter().fold(probe, |probe, future| {
                let usd = usd_a_contract(listing, future).unwrap_or(1.0);
                probe.hold(future, contracts_worth(future, SMALL_USD, usd))
            }));
        }
    }
    probes
}

/// A short swap, hedged in half by spot, and swaps against cash: whether spot is a bucket of MR4, and the fee.
pub(super) fn hedged(listing: &Listing) -> Vec<Probe> {
    let Some(swap) = swap(listing, "BTC", "USDT") else { return Vec::new() };
    let Some(usd) = usd_a_contract(listing, swap) else { return Vec::new() };
    let qty = contracts_worth(swap, 10.0 * SMALL_USD, usd);
    let coins = qty * swap.multiplier / 2.0;
    vec![
        Probe::new("spot-hedge", "a short swap, half of it hedged by spot", &["mr4.spot_bucket"])
            .hold(swap, -qty)
            .cash(&swap.base, coins),
        Probe::new("fee", "a swap and cash: what the margin ratio holds besides MMR", &["liquidation_fee.derivatives"])
            .hold(swap, qty)
            .cash("USDT", 1e6),
    ]
}

/// Sizes of a swap, each 7 % above the one before, shared by a few coins of each class. Where a coin has swaps of two
/// settlements, one is held against the other, so that the same answer tells the tiers of MR9.
pub(super) fn sizes(listing: &Listing, rules: &Rules) -> Vec<Probe> {
    let mut coins: BTreeMap<Class, Vec<&str>> = BTreeMap::new();
    for base in listing.bases() {
        let listed = coins.entry(rules.mr467_classes.of(base)).or_default();
        if main_swap(listing, base).is_some() && listed.len() < LADDER_COINS {
            listed.push(base);
        }
    }
    let steps = ladder(LADDER_USD.0, LADDER_USD.1, LADDER_RATIO, 6);
    let mut probes: Vec<Probe> = Vec::new();
    for (class, coins) in &coins {
        for (step, usd) in steps.iter().enumerate() {
            let (request, coin) = (step / coins.len().max(1), step % coins.len().max(1));
            let Some(base) = coins.get(coin) else { continue };
            while probes.len() <= request {
                probes.push(Probe::new("sizes", "", &["mr7.tiers"]));
            }
            let Some(probe) = probes.get_mut(request) else { continue };
            let tells = format!("mr7.tiers.{}", class.name());
            if !probe.tells.contains(&tells) {
                probe.tells.push(tells);
            }
            *probe = of_size(listing, std::mem::take(probe), base, *usd);
        }
    }
    for probe in &mut probes {
        probe.what = format!("{} swaps of one step of the ladder of sizes", probe.positions.len());
    }
    probes
}

fn of_size(listing: &Listing, mut probe: Probe, base: &str, usd: f64) -> Probe {
    let held = |contract: &Contract, usd: f64| {
        let of_one = usd_a_contract(listing, contract).unwrap_or(1.0);
        contracts_worth(contract, usd, of_one)
    };
    match (swap(listing, base, "USDT"), swap(listing, base, "coin")) {
        (Some(stable), Some(coin)) => {
            if !probe.tells.iter().any(|key| key == "mr9.tiers") {
                probe.tells.push("mr9.tiers".to_owned());
            }
            let (a, b) = (held(stable, usd / 2.0), held(coin, usd / 2.0));
            probe.hold(stable, a).hold(coin, -b)
        }
        _ => match main_swap(listing, base) {
            Some(swap) => {
                let qty = held(swap, usd);
                probe.hold(swap, qty)
            }
            None => probe,
        },
    }
}

/// Swaps of three settlements against each other, in sizes of different tiers: which pairs are matched, and in which
/// order.
pub(super) fn stablecoins(listing: &Listing) -> Vec<Probe> {
    let found = ["BTC", "ETH"].into_iter().find_map(|base| {
        Some([swap(listing, base, "USDT")?, swap(listing, base, "USDC")?, swap(listing, base, "coin")?])
    });
    let Some(swaps) = found else { return Vec::new() };
    // The larger of two hedges leaves next to nothing for the other one: which goes first shows in the tiers.
    let sides: [[f64; 3]; 6] = [
        [3e6, -3e6, 0.0],
        [3e6, 0.0, -3e6],
        [0.0, 3e6, -3e6],
        [4e7, -3e7, -3.95e7],
        [-3e7, 4e7, -3.95e7],
        [-3e7, -3.95e7, 4e7],
    ];
    let of = |sides: [f64; 3]| {
        let what = "swaps settled in USDT, USDC and coin against each other";
        let probe = Probe::new("stablecoins", what, &["mr9.pairs"]);
        swaps.iter().zip(sides).filter(|(_, usd)| *usd != 0.0).fold(probe, |probe, (swap, usd)| {
            let of_one = usd_a_contract(listing, swap).unwrap_or(1.0);
            probe.hold(swap, contracts_worth(swap, usd.abs(), of_one).copysign(usd))
        })
    };
    sides.into_iter().map(of).collect()
}
