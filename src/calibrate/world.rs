//! What the estimates share: answers, listing, and what is known of coins.

use super::read::{Answer, Counted, Leg, Unit};
use crate::listing::Listing;
use crate::margin::rules::Class;
use crate::rules::LoadedRules;
use std::collections::BTreeMap;

/// Answers of one market time, and what the first estimates find.
pub(super) struct World<'a> {
    pub listing: &'a Listing,
    pub base: &'a LoadedRules,
    pub answers: Vec<Answer>,
    pub counted: Vec<Counted>,
    /// Classes of coins, measured, for MR1 and for MR4, MR6 and MR7.
    pub mr1_class: BTreeMap<String, Class>,
    pub mr467_class: BTreeMap<String, Class>,
    /// The rate that discounts options.
    pub rate: f64,
    /// P&L of coin-settled options counts in coins.
    pub in_coin: bool,
}

impl World<'_> {
    pub fn class_mr1(&self, base: &str) -> Class {
        self.mr1_class.get(base).copied().unwrap_or_else(|| self.base.rules.mr1_classes.of(base))
    }

    pub fn class_mr467(&self, base: &str) -> Class {
        self.mr467_class.get(base).copied().unwrap_or_else(|| self.base.rules.mr467_classes.of(base))
    }

    /// All units with their answers.
    pub fn units(&self) -> impl Iterator<Item = (&Answer, &Unit)> {
        self.answers.iter().flat_map(|answer| answer.units.iter().map(move |unit| (answer, unit)))
    }

    /// Units of swaps and futures alone.
    pub fn delta_one(&self) -> impl Iterator<Item = (&Answer, &Unit)> {
        self.units().filter(|(_, unit)| unit.is_delta_one())
    }

    /// True if funding holds the contract at spot.
    pub fn is_perpetual(&self, leg: &Leg) -> bool {
        let like = &self.base.rules.mr4.perpetual_like;
        let id = &leg.contract.inst_id;
        leg.contract.expiry_ms.is_none() || like.iter().any(|part| id.contains(part.as_str()))
    }

    /// USD of one unit of a currency: as the answer tells it, else as the listing.
    pub fn fx(&self, answer: &Answer, ccy: &str) -> Option<f64> {
        let told = super::read::fx_told(answer, ccy).map(|told| told.value);
        told.or_else(|| self.listing.fx(ccy))
    }
}
