//! Several markets side by side: each lane has the bits of its market alone, with every number of lanes and every
//! instruction set that the processor has.

use crate::common::Case;
use crate::common::strategies::world;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use remargin::book::Book;
use remargin::engine::lanes::{SideBySide, Width, Work};
use remargin::engine::{account_of, chunk, price, units_by_account};
use remargin::margin::priced::PricedMarket;
use remargin::margin::real::Real;
use remargin::margin::requirement::{Workspace, evaluate_beside};
use remargin::margin::{AccountMargin, UnitMargin};
use remargin::market::scenario::{Scenario, Shock, apply};

/// The margins of an account and its units in each market.
type Margins = Vec<(AccountMargin, Vec<UnitMargin>)>;

struct Margined<'a> {
    book: &'a Book,
    account: usize,
}

impl Work for Margined<'_> {
    type Output = Margins;

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "compiled for the instructions that it is tried with")]
    fn work<R: Real>(self, priced: &PricedMarket<R>, alone: &[PricedMarket]) -> Margins {
        let (mut units, mut work) = (Vec::new(), Workspace::new(priced));
        let account = account_of(self.book, self.account);
        let figures = evaluate_beside(priced, &account, &mut work, |_, margin| units.push(margin)).unwrap();
        let of_lane = |lane: usize| {
            let margin = AccountMargin::of(&figures.lane(lane), &priced.rules);
            (margin, units.iter().map(|unit| unit.lane(lane)).collect())
        };
        (0..alone.len()).map(of_lane).collect()
    }
}

/// Moves that keep some lanes in one branch of the model and bring others into another: up, down, none, far, later.
fn scenarios(count: usize, sizes: &[f64]) -> Vec<Scenario> {
    let scenario = |number: usize| {
        let size = sizes[number % sizes.len()];
        let shock = |base: &str, price, vol| Shock { base: base.to_owned(), price: Some(price), vol: Some(vol) };
        Scenario {
            name: number.to_string(),
            shocks: vec![shock("*", size, -0.5 * size.min(1.0)), shock("BTC", -0.5 * size.min(1.0), size.abs())],
            fx: vec![("USDT".to_owned(), 0.01 * number as f64 - 0.02)],
            days: [0.0, 0.0, 1.0, 400.0][number % 4],
            weight: None,
        }
    };
    (0..count).map(scenario).collect()
}

fn agree(case: &Case, scenarios: &[Scenario]) -> Result<(), TestCaseError> {
    let priced = |scenario: &Scenario| price(&apply(&case.market, scenario, case.rules.rate).unwrap(), &case.rules);
    let expected: Vec<_> =
        scenarios.iter().map(|scenario| chunk(&priced(scenario), &case.book, 0..case.book.len()).unwrap()).collect();
    for width in Width::all() {
        for (first, few) in scenarios.chunks(width.lanes()).enumerate().map(|(at, few)| (at * width.lanes(), few)) {
            let beside = SideBySide::new(width, few.iter().map(priced).collect()).unwrap();
            // Accounts with pending orders are margined in one market after the other.
            for account in (0..case.book.len()).filter(|&account| case.book.orders_of(account).is_empty()) {
                let found = beside.work(Margined { book: &case.book, account });
                for (lane, (margin, units)) in found.iter().enumerate() {
                    let alone = &expected[first + lane];
                    let (_, units_alone) = units_by_account(alone).nth(account).unwrap();
                    // The text of a float has all its digits, and the sign of a zero.
                    let (found, expected) =
                        (format!("{margin:?} {units:?}"), format!("{:?} {units_alone:?}", alone.accounts[account]));
                    prop_assert_eq!(found, expected, "{} lane {} account {}", width.name(), lane, account);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn every_lane_is_its_market_alone() {
    let config = Config { cases: 200, failure_persistence: None, rng_seed: RngSeed::Fixed(20), ..Config::default() };
    let sizes = prop::collection::vec(prop_oneof![Just(0.0), -0.9..0.9, 0.9..3.0], 1..5);
    let outcome = TestRunner::new(config)
        .run(&(world(), 1..11_usize, sizes), |(world, count, sizes)| agree(&world.build(), &scenarios(count, &sizes)));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn what_this_processor_is_tried_with() {
    let names: Vec<String> = Width::all().into_iter().map(Width::name).collect();
    assert!(names.starts_with(&["baseline x 1", "baseline x 4", "baseline x 8"].map(str::to_owned)), "{names:?}");
    assert!(names.contains(&Width::best().name()), "{names:?}");
}
