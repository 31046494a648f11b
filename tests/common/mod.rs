//! What the tests share: whole books here, the program in `e2e`, a small snapshot in `folder`.

#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod e2e;
pub mod folder;
pub mod strategies;
pub mod world;

use remargin::book::Book;
use remargin::margin::rules::{OptionPnl, OtherBounds, RiskUnitMode, Rules};
use remargin::margin::tiers::{BorrowTiers, Tiers};
use remargin::market::Market;
use world::{Knobs, Switches};

/// The built-in rules with the world's knobs, and a fee on derivatives so that no term is idle.
pub fn rules(knobs: Knobs) -> Rules {
    let mut rules = remargin::rules::load(None, &[]).unwrap().rules;
    rules.risk_unit = if knobs.merged { RiskUnitMode::Merged } else { RiskUnitMode::Separate };
    rules.rate = knobs.rate;
    rules.forward_floor = knobs.forward_floor;
    rules.mr1.vol_floor = knobs.vol_floor;
    rules.liquidation_fee_derivatives = 0.0005;
    switch(&mut rules, knobs.switches);
    rules
}

fn switch(rules: &mut Rules, switches: Switches) {
    let tiers = |rows: &[(f64, f64)]| Tiers::new(rows.to_vec()).unwrap();
    if switches.mr9_by_price {
        rules.mr9.prices = vec![0.92, 0.99, 0.995];
        rules.mr9.tiers = [(0.4, 0.4, 0.5), (0.005, 0.015, 0.02), (0.005, 0.01, 0.015)]
            .map(|(first, second, rest)| tiers(&[(1e6, first), (5e6, second), (f64::INFINITY, rest)]))
            .to_vec();
    }
    rules.mr4.spot_bucket = switches.spot_bucket;
    if switches.coin_option_pnl {
        rules.coin_option_pnl = OptionPnl::Coin;
    }
    rules.orders_deduct_loss = switches.deduct_loss;
    // Bounds that no amount of the worlds meets: rounding would decide between two tiers.
    if switches.usd_ladders {
        rules.other_bounds = OtherBounds::Usd;
        rules.discount.rest = tiers(&[(123_456.7, 0.8), (1_234_567.8, 0.5), (f64::INFINITY, 0.0)]);
        let ladder = vec![(123_456.7, 0.03, 0.1), (1_234_567.8, 0.06, 0.12), (f64::INFINITY, 0.5, 1.0)];
        rules.mr8.tiers.rest = BorrowTiers::new(ladder).unwrap();
    }
}

/// A market, a book that refers to it, and the rules it is margined under.
#[derive(Debug, Clone)]
pub struct Case {
    pub market: Market,
    pub book: Book,
    pub rules: Rules,
}
