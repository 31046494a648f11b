//! What the tests share: whole books here, the program in `e2e`, a small snapshot in `folder`.

#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod e2e;
pub mod folder;
pub mod strategies;
pub mod world;

use remargin::book::Book;
use remargin::margin::rules::{RiskUnitMode, Rules};
use remargin::market::Market;
use world::Knobs;

/// The built-in rules with the world's knobs, and a fee on derivatives so that no term is idle.
pub fn rules(knobs: Knobs) -> Rules {
    let mut rules = remargin::rules::load(None, &[]).unwrap().rules;
    rules.risk_unit = if knobs.merged { RiskUnitMode::Merged } else { RiskUnitMode::Separate };
    rules.rate = knobs.rate;
    rules.forward_floor = knobs.forward_floor;
    rules.mr1.vol_floor = knobs.vol_floor;
    rules.liquidation_fee_derivatives = 0.0005;
    rules
}

/// A market, a book that refers to it, and the rules it is margined under.
#[derive(Debug, Clone)]
pub struct Case {
    pub market: Market,
    pub book: Book,
    pub rules: Rules,
}
