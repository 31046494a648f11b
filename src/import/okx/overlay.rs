//! Discount and borrow tiers of the exchange as an overlay on the built-in rules.

use super::market::{BorrowTier, Discount, PublicData};
use super::row::number;
use crate::rules::BUILT_IN_NAME;
use crate::{Error, Invalid, Result};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The overlay as TOML; `None` if the responses contain no rule values.
///
/// # Errors
/// [`Invalid`] for a tier that is not a number.
pub(super) fn overlay(public: &PublicData, merged: Option<bool>) -> Result<Option<String>> {
    if public.discounts.is_empty() && public.borrow.is_empty() && merged.is_none() {
        return Ok(None);
    }
    let mut text = format!(
        "# From the exchange's responses, by `remargin import okx`.\n\
         extends = \"{BUILT_IN_NAME}\"\n\
         name = \"okx-import\"\n"
    );
    if let Some(merged) = merged {
        let mode = if merged { "merged" } else { "separate" };
        let _ = writeln!(text, "risk_unit = \"{mode}\"   # as riskUnitData of account/position-builder has it");
    }
    if !public.discounts.is_empty() {
        text += "\n[discount]   # public/discount-rate-interest-free-quota; beyond the last tier its minDiscountRate\n";
        for (ccy, discount) in public.discounts.iter() {
            let tiers = discount_tiers(ccy, discount)?;
            line(&mut text, ccy, &tiers);
        }
    }
    if !public.borrow.is_empty() {
        text += "\n[mr8.tiers]   # public/position-tiers; beyond the last tier its own rates\n";
        let mut by_ccy: BTreeMap<&str, Vec<&BorrowTier>> = BTreeMap::new();
        for (key, tier) in public.borrow.iter() {
            by_ccy.entry(&key.ccy).or_default().push(tier);
        }
        for (ccy, tiers) in by_ccy {
            let tiers = borrow_tiers(ccy, &tiers)?;
            line(&mut text, ccy, &tiers);
        }
    }
    Ok(Some(text))
}

fn line(text: &mut String, ccy: &str, tiers: &[String]) {
    let bare = ccy.chars().all(|c| c.is_ascii_alphanumeric());
    let key = if bare { ccy.to_owned() } else { format!("{ccy:?}") };
    // Writing to a String does not fail.
    let _ = writeln!(text, "{key} = [{}]", tiers.join(", "));
}

fn discount_tiers(ccy: &str, discount: &Discount) -> Result<Vec<String>> {
    let mut tiers = Vec::new();
    for (bound, share) in &discount.tiers {
        tiers.push(format!("[{}, {}]", self::bound(ccy, bound.as_deref())?, figure(ccy, share)?));
    }
    if discount.tiers.last().is_some_and(|(bound, _)| bound.is_some()) {
        let beyond = discount.beyond.as_deref().unwrap_or("0");
        tiers.push(format!("[\"inf\", {}]", figure(ccy, beyond)?));
    }
    Ok(tiers)
}

fn borrow_tiers(ccy: &str, all: &[&BorrowTier]) -> Result<Vec<String>> {
    let mut tiers = Vec::new();
    for tier in all {
        let rates = [figure(ccy, &tier.mmr)?, figure(ccy, &tier.imr)?];
        tiers.push(format!("[{}, {}, {}]", bound(ccy, tier.bound.as_deref())?, rates[0], rates[1]));
    }
    if let Some(last) = all.last().filter(|last| last.bound.is_some()) {
        tiers.push(format!("[\"inf\", {}, {}]", figure(ccy, &last.mmr)?, figure(ccy, &last.imr)?));
    }
    Ok(tiers)
}

fn bound(ccy: &str, text: Option<&str>) -> Result<String> {
    text.map_or_else(|| Ok("\"inf\"".to_owned()), |text| figure(ccy, text))
}

/// The number in TOML: the shortest decimal of the same double.
fn figure(ccy: &str, text: &str) -> Result<String> {
    let number = number(text).ok_or_else(|| {
        Error::from(Invalid::new("a tier that is not a number").column(ccy).value(text).expected("a decimal"))
    })?;
    Ok(format!("{number:?}"))
}
