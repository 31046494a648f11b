//! Random books in random scenarios: the fast kernel against the reference model in the moved market.

use crate::common::strategies::world;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use remargin::engine::{chunk, price};
use remargin::market::scenario::{Scenario, Shock, apply};
use remargin::reference::{account_of, compare, margin};

fn scenario() -> impl Strategy<Value = Scenario> {
    let amount = || prop_oneof![1 => Just(None), 3 => (-0.95..3.0).prop_map(Some), 1 => (-0.2..0.2).prop_map(Some)];
    let shock = move |base: &'static str| {
        (amount(), amount()).prop_map(move |(price, vol)| Shock { base: base.into(), price, vol })
    };
    let fx = prop_oneof![Just(0.0), -0.3..0.1];
    let days = prop_oneof![2 => Just(0.0), 1 => 0.0..2.0, 1 => Just(1.0), 1 => Just(60.0)];
    ([shock("*"), shock("BTC"), shock("ETH")], fx, any::<bool>(), days).prop_map(|(shocks, fx, both, days)| {
        let stable = if both { vec!["USDC", "USDT"] } else { vec!["USDT"] };
        let fx = stable.into_iter().map(|ccy| (ccy.to_owned(), fx)).collect();
        Scenario { name: "random".into(), shocks: shocks.to_vec(), fx, days, weight: None }
    })
}

#[test]
fn kernel_and_reference_agree_in_every_scenario() {
    let config = Config { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(4), ..Config::default() };
    let settled = std::cell::Cell::new(0u32);
    let outcome = TestRunner::new(config).run(&(world(), scenario()), |(world, scenario)| {
        let case = world.build();
        let market = apply(&case.market, &scenario, case.rules.rate).unwrap();
        prop_assert_eq!(market.instruments.len(), case.market.instruments.len());
        for (now, was) in market.instruments.iter().zip(&case.market.instruments) {
            prop_assert_eq!(&now.inst_id, &was.inst_id);
            prop_assert!(now.mark_px.is_finite() && now.mark_px >= 0.0);
            let expired = now.expiry_ns.is_some_and(|expiry| expiry <= market.as_of_ns);
            settled.set(settled.get() + u32::from(expired));
        }
        let mut turned = scenario.clone();
        turned.shocks.reverse();
        turned.fx.reverse();
        prop_assert!(apply(&case.market, &turned, case.rules.rate).unwrap() == market, "the order of shocks matters");
        let priced = price(&market, &case.rules);
        let result = chunk(&priced, &case.book, 0..case.book.len()).unwrap();
        let names = priced.unit_names();
        let mut first_unit = 0;
        for number in 0..case.book.len() {
            let reference = margin(&account_of(&market, &case.book, &case.rules, number).unwrap()).unwrap();
            let units = &result.units[first_unit..result.unit_end[number]];
            first_unit = result.unit_end[number];
            let found = compare(&result.accounts[number], units, &names, &reference, &case.rules);
            if let Some(mismatch) = found.first() {
                return Err(TestCaseError::fail(format!("a{number} {mismatch}")));
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(settled.get() > 100, "contracts reach their expiry: {}", settled.get());
}
