//! Probes of options: volatility shifts, time, rates, minimum charges. Every probe holds a call and a put of one
//! strike, so that its answer tells forward and volatility of its own market.

use super::portfolio::Probe;
use crate::listing::{Contract, Kind, Listing};
use std::collections::{BTreeMap, BTreeSet};

/// A call and a put of one strike.
#[derive(Clone, Copy)]
struct Straddle<'a> {
    call: &'a Contract,
    put: &'a Contract,
}

/// The straddles of one expiry, by rising volatility.
type Smile<'a> = Vec<Straddle<'a>>;

/// Straddles of each unit (base and settlement) and expiry.
fn smiles(listing: &Listing) -> BTreeMap<(String, String), BTreeMap<i64, Smile<'_>>> {
    type Key = (String, String, i64, u64, String);
    let mut pairs: BTreeMap<Key, (Option<&Contract>, Option<&Contract>)> = BTreeMap::new();
    for contract in listing.contracts.values().filter(|contract| contract.kind.is_option()) {
        let Some(expiry_ms) = contract.expiry_ms else { continue };
        // Families of one underlying differ in the first two parts of their names.
        let family = contract.inst_id.split('-').take(2).collect::<Vec<_>>().join("-");
        let key = (contract.base.clone(), contract.settle.clone(), expiry_ms, contract.strike.to_bits(), family);
        let pair = pairs.entry(key).or_default();
        *(if contract.kind == Kind::Call { &mut pair.0 } else { &mut pair.1 }) = Some(contract);
    }
    let mut smiles: BTreeMap<(String, String), BTreeMap<i64, Smile>> = BTreeMap::new();
    for ((base, settle, expiry_ms, _, _), pair) in pairs {
        // Both must have a price: what is nearly worthless says nothing of its volatility.
        let (Some(call), Some(put)) = pair else { continue };
        let years = (expiry_ms - listing.as_of_ms).max(0) as f64 / MS_A_YEAR;
        if call.mark_px > 0.0 && put.mark_px > 0.0 && has_time_value(call, years) {
            smiles.entry((base, settle)).or_default().entry(expiry_ms).or_default().push(Straddle { call, put });
        }
    }
    // One family a coin: two of them would meet in one risk unit. The one that settles in the coin comes first.
    let in_coin: BTreeSet<String> =
        smiles.keys().filter(|(base, settle)| base == settle).map(|(base, _)| base.clone()).collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    smiles.retain(|(base, settle), _| (base == settle || !in_coin.contains(base)) && taken.insert(base.clone()));
    for smile in smiles.values_mut().flat_map(BTreeMap::values_mut) {
        smile.sort_by(|a, b| a.call.mark_vol.total_cmp(&b.call.mark_vol));
    }
    smiles
}

/// The strike lies within so many standard deviations of the forward: beyond them a mark tells little of a volatility.
const MOST_DEVIATIONS: f64 = 2.5;
const MS_A_YEAR: f64 = 365.0 * 86_400_000.0;

fn has_time_value(call: &Contract, years: f64) -> bool {
    let distance = (call.strike / call.fwd_px).ln().abs();
    call.fwd_px > 0.0 && distance < MOST_DEVIATIONS * call.mark_vol * years.sqrt()
}

/// All probes of options. Coins are asked for together: their units do not mix.
pub(super) fn options(listing: &Listing) -> Vec<Probe> {
    let smiles = smiles(listing);
    let mut probes = Vec::new();
    let most = smiles.values().map(BTreeMap::len).max().unwrap_or(0);
    for number in 0..most {
        let at: Vec<&Smile> = smiles.values().filter_map(|unit| unit.values().nth(number)).collect();
        probes.extend(of_expiry(&at));
    }
    probes.extend(calendars(&smiles));
    probes.extend(minimum(&smiles));
    probes
}

/// One expiry of each coin: two strikes together, then the lowest, a middle and the highest volatility.
fn of_expiry(smiles: &[&Smile]) -> Vec<Probe> {
    let days = "options of one expiry of each coin";
    let mut two = Probe::new(
        "parity",
        format!("{days}, two strikes: the discount of its forward"),
        &["rate", "mr5.rate_shift", "mr2.days"],
    );
    for smile in smiles {
        let strikes = |a: &&Straddle, b: &&Straddle| a.call.strike.total_cmp(&b.call.strike);
        if let (Some(low), Some(high)) = (smile.iter().min_by(strikes), smile.iter().max_by(strikes))
            && low.call.strike < high.call.strike
        {
            two = hold(hold(two, low, 1.0), high, 1.0);
        }
    }
    let tells = ["mr1.vol_days", "mr1.vol_points", "mr1.vol_relative", "mr1.vol_floor", "coin_option_pnl"];
    let places = [("lowest", 0), ("middle", 1), ("highest", 2)];
    let shift = |(word, place): (&str, usize)| {
        let probe = Probe::new("volatility", format!("{days}, a straddle of its {word} volatility"), &tells);
        smiles.iter().fold(probe, |probe, smile| {
            let last = smile.len().saturating_sub(1);
            match smile.get(last * place / 2) {
                // A smile of one strike has one probe, of two strikes two.
                Some(straddle) if place == 0 || last * place / 2 != last * (place - 1) / 2 => {
                    hold(probe, straddle, 1.0)
                }
                _ => probe,
            }
        })
    };
    let mut probes = vec![two];
    probes.extend(places.into_iter().map(shift));
    probes.retain(|probe| !probe.positions.is_empty());
    probes
}

fn hold(probe: Probe, straddle: &Straddle, qty: f64) -> Probe {
    // Options are held in whole lots.
    let qty = qty * straddle.call.lot.max(straddle.put.lot);
    probe.hold(straddle.call, qty).hold(straddle.put, qty)
}

/// The straddle of the middle volatility, which is probed for itself too.
fn middle<'s, 'a>(smile: &'s [Straddle<'a>]) -> Option<&'s Straddle<'a>> {
    smile.get(smile.len().saturating_sub(1) / 2)
}

/// Long one expiry, short a later one: what volatility of two expiries may offset.
fn calendars(smiles: &BTreeMap<(String, String), BTreeMap<i64, Smile>>) -> Vec<Probe> {
    let what = "a straddle long and one of a later expiry short";
    let mut probe = Probe::new("calendar", what, &["mr3.offset_charge"]);
    for unit in smiles.values() {
        let mut expiries = unit.values().rev().filter_map(|smile| middle(smile));
        if let (Some(late), Some(early)) = (expiries.next(), expiries.next()) {
            probe = hold(hold(probe, early, 1.0), late, -1.0);
        }
    }
    if probe.positions.is_empty() { Vec::new() } else { vec![probe] }
}

/// The minimum charge of short and of long options. It is printed even where it is not what the unit pays.
fn minimum(smiles: &BTreeMap<(String, String), BTreeMap<i64, Smile>>) -> Vec<Probe> {
    let mut short = Probe::new("short", "a short straddle: the minimum charge of options", &["mr7.option"]);
    let mut long = Probe::new("long", "a cheap straddle held long: the cap of its charge", &["mr7.option_premium_cap"]);
    for unit in smiles.values() {
        if let Some(straddle) = unit.values().next().and_then(|smile| middle(smile)) {
            short = hold(short, straddle, -1.0);
            long = hold(long, straddle, 1.0);
        }
    }
    [short, long].into_iter().filter(|probe| !probe.positions.is_empty()).collect()
}
