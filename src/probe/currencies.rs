//! Probes of single currencies: debts for the tiers of borrowing, amounts for the tiers of discounts.

use super::delta_one::swap;
use super::portfolio::{Probe, ladder, rounded};
use crate::listing::Listing;
use crate::margin::rules::{OtherBounds, Rules};
use std::collections::BTreeSet;

/// Worth of the smallest and largest amount, USD.
const LADDER_USD: (f64, f64) = (1e4, 4e8);
/// A tier of discounts that is twice as high as the one before holds three steps.
const DISCOUNT_RATIO: f64 = 1.2;
const BORROW_RATIO: f64 = 1.3;
/// Three places inside a tier: a line is seen through three points.
const INSIDE: [f64; 3] = [0.2, 0.5, 0.8];

/// The currencies that are asked for: those that have a table, and two that have none.
fn currencies<'a>(listing: &'a Listing, rules: &'a Rules) -> Vec<&'a str> {
    let has_table = |ccy: &str| rules.discount.lists(ccy) || rules.mr8.tiers.lists(ccy);
    let tables = rules.discount.listed.iter().map(|(ccy, _)| ccy.as_str());
    let tables = tables.chain(rules.mr8.tiers.listed.iter().map(|(ccy, _)| ccy.as_str()));
    let mut all: BTreeSet<&str> = tables.filter(|ccy| *ccy != "USD" && listing.fx(ccy).is_some()).collect();
    let others = listing.bases().into_iter().filter(|ccy| !has_table(ccy) && listing.fx(ccy).is_some());
    let others: Vec<&str> = others.collect();
    // Coins that the classes name are money; a swap may be on a share as well.
    let classes = [&rules.mr1_classes, &rules.mr467_classes];
    let is_named = |ccy: &&str| classes.iter().any(|classes| classes.listed.iter().any(|(name, _)| name == ccy));
    let named: Vec<&str> = others.iter().copied().filter(is_named).collect();
    let others = if named.len() > 1 { named } else { others };
    all.extend(two_of(listing, &others));
    all.into_iter().collect()
}

/// Two coins whose prices differ enough that bounds in units are not those in USD, and so little that the ladders of
/// both see the same tiers: the pair nearest to a factor of three.
fn two_of<'a>(listing: &Listing, coins: &[&'a str]) -> Vec<&'a str> {
    const FACTOR: f64 = 3.0;
    let price = |coin: &str| listing.fx(coin).unwrap_or(f64::NAN);
    let mut best: Option<(f64, [&str; 2])> = None;
    for (place, a) in coins.iter().enumerate() {
        for b in coins.iter().skip(place + 1) {
            let miss = ((price(a) / price(b)).ln().abs() - FACTOR.ln()).abs();
            if best.is_none_or(|(least, _)| miss < least) {
                best = Some((miss, [a, b]));
            }
        }
    }
    best.map_or_else(|| coins.to_vec(), |(_, pair)| pair.to_vec())
}

/// Every probe of a currency.
pub(super) fn amounts(listing: &Listing, rules: &Rules) -> Vec<Probe> {
    let mut probes = Vec::new();
    for ccy in currencies(listing, rules) {
        let Some(fx) = listing.fx(ccy) else { continue };
        let key = |table: &str, has: bool| if has { format!("{table}.{ccy}") } else { format!("{table}.\"*\"") };
        let borrow = key("mr8.tiers", rules.mr8.tiers.lists(ccy));
        for amount in debts(rules, ccy, fx) {
            let what = format!("a debt of {amount} {ccy}");
            let tells = [borrow.as_str(), "mr8.fee_rate", "other_bounds"];
            probes.push(Probe::new(format!("borrow-{ccy}"), what, &tells).cash(ccy, -amount));
        }
        let discount = key("discount", rules.discount.lists(ccy));
        for amount in held(rules, ccy, fx) {
            let what = format!("{amount} {ccy} and nothing else of value");
            let tells = [discount.as_str(), "other_bounds"];
            let probe = Probe::new(format!("discount-{ccy}"), what, &tells).cash(ccy, amount);
            probes.push(with_price(listing, probe, ccy));
        }
    }
    probes
}

/// A ladder of amounts, and three in each tier that is thought to be there.
fn held(rules: &Rules, ccy: &str, fx: f64) -> Vec<f64> {
    let mut amounts = ladder(LADDER_USD.0 / fx, LADDER_USD.1 / fx, DISCOUNT_RATIO, 4);
    let in_usd = rules.other_bounds == OtherBounds::Usd && !rules.discount.lists(ccy);
    let scale = if in_usd { fx } else { 1.0 };
    let mut below = 0.0;
    for &(bound, _) in rules.discount.get(ccy).rows() {
        let top = if bound.is_finite() { bound / scale } else { below * 2.0 };
        amounts.extend(INSIDE.iter().map(|share| rounded(below + share * (top - below), 7)).filter(|it| *it > 0.0));
        below = top;
    }
    amounts.sort_by(f64::total_cmp);
    amounts.dedup();
    amounts
}

/// A ladder of debts, and both sides of each bound that is thought to be there.
fn debts(rules: &Rules, ccy: &str, fx: f64) -> Vec<f64> {
    const BEYOND: f64 = 1.0 + 5e-7;
    let mut amounts = ladder(LADDER_USD.0 / fx, LADDER_USD.1 / fx, BORROW_RATIO, 4);
    if rules.mr8.tiers.lists(ccy) {
        let bounds = rules.mr8.tiers.get(ccy).rows().iter().map(|row| row.0).filter(|bound| bound.is_finite());
        amounts.extend(bounds.flat_map(|bound| [bound, rounded(bound * BEYOND, 12)]));
    }
    amounts.sort_by(f64::total_cmp);
    amounts.dedup();
    amounts
}

/// A small swap that settles in the currency, so that the answer tells what the currency is worth in USD.
fn with_price(listing: &Listing, probe: Probe, ccy: &str) -> Probe {
    let found = match ccy {
        "USDT" | "USDC" => swap(listing, "BTC", ccy),
        _ => swap(listing, ccy, "coin").filter(|swap| swap.settle == ccy),
    };
    match found {
        // An entry at half the mark: the profit is there in the currency and in USD.
        Some(swap) => {
            let (lot, entry) = (swap.lot, rounded(swap.mark_px / 2.0, 6));
            probe.hold_at(swap, lot, entry)
        }
        None => probe,
    }
}
