//! The fast kernel against the reference model: every column of every account of 1,000 random books.

use crate::common::strategies::world;
use crate::common::{Case, world::World};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use remargin::engine;
use remargin::engine::{chunk, price};
use remargin::margin::account::Account;
use remargin::margin::account::{Order, Traded};
use remargin::margin::changed::{Changes, Known};
use remargin::margin::orders::Holdings;
use remargin::margin::priced::PricedMarket;
use remargin::margin::requirement::{Workspace, evaluate};
use remargin::margin::rules::SpotOffset;
use remargin::reference::{Margin, account_of, compare, margin};
use std::collections::BTreeMap;

const CASES: u32 = 1000;
const SEED: u64 = 20_250_115;

fn config() -> Config {
    Config { cases: CASES, failure_persistence: None, rng_seed: RngSeed::Fixed(SEED), ..Config::default() }
}

fn references(case: &Case) -> Vec<Margin> {
    let account = |number| account_of(&case.market, &case.book, &case.rules, number).unwrap();
    (0..case.book.len()).map(|number| margin(&account(number)).unwrap()).collect()
}

/// One line a column in which an account of the world differs.
fn mismatches(world: &World) -> Vec<String> {
    let case = world.build();
    let priced = price(&case.market, &case.rules);
    let unit_names = priced.unit_names();
    let result = chunk(&priced, &case.book, 0..case.book.len()).unwrap();
    assert_eq!(result.accounts.len(), case.book.len());
    let mut work = Workspace::new(&priced);
    let mut lines = Vec::new();
    let mut first_unit = 0;
    for (number, reference) in references(&case).iter().enumerate() {
        let units = &result.units[first_unit..result.unit_end[number]];
        first_unit = result.unit_end[number];
        let found = compare(&result.accounts[number], units, &unit_names, reference, &case.rules);
        lines.extend(found.iter().map(|mismatch| format!("a{number} {mismatch}")));
        let rows = engine::account_of(&case.book, number);
        let restricted = Known::new(&priced, &rows, &mut work).unwrap().restricted_usd;
        if (restricted - reference.restricted_eq).abs() > 1e-6 + 1e-9 * reference.gross_eq {
            lines.push(format!("a{number} restricted equity {restricted}, reference {}", reference.restricted_eq));
        }
    }
    lines
}

#[test]
fn kernel_and_reference_agree() {
    let outcome = TestRunner::new(config()).run(&world(), |world| {
        let lines = mismatches(&world);
        if lines.is_empty() { Ok(()) } else { Err(TestCaseError::fail(lines.join("\n"))) }
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// What an order fills, a transfer and a change of mode leave is the same whether all units are stressed anew or only
/// those that the change reaches, bit by bit.
#[test]
fn kernel_agrees_with_itself_after_a_change() {
    let outcome = TestRunner::new(config()).run(&world(), |world| {
        let case = world.build();
        let priced = price(&case.market, &case.rules);
        for number in 0..case.book.len() {
            let rows = engine::account_of(&case.book, number);
            let mut holdings = Holdings::default();
            holdings.copy_from(&rows);
            same_after(&priced, &rows, &holdings.account(SpotOffset::None, &[]), &[])?;
            for ccy in rows.ccy {
                let mut moved = holdings.clone();
                moved.add_cash(*ccy, -1.0);
                same_after(&priced, &rows, &moved.account(rows.spot_offset, &[]), &[])?;
            }
            for order in rows.orders {
                let mut filled = holdings.clone();
                filled.fill(&priced, order).unwrap();
                let touched = Vec::from_iter(unit_of(&priced, order));
                same_after(&priced, &rows, &filled.account(rows.spot_offset, &[]), &touched)?;
                same_after(&priced, &rows, &filled.account(rows.spot_offset, rows.orders), &touched)?;
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn same_after(priced: &PricedMarket, was: &Account, is: &Account, touched: &[u32]) -> Result<(), TestCaseError> {
    let (mut work, mut units) = (Workspace::new(priced), Vec::new());
    let known = Known::new(priced, &Account { orders: &[], ..*was }, &mut work).unwrap();
    let mut changes = Changes::new(priced);
    let found = changes.evaluate(priced, is, &known, touched).unwrap();
    let expected = evaluate(priced, is, &mut work, &mut units).unwrap();
    proptest::prop_assert_eq!((found, changes.units()), (expected, units.as_slice()));
    Ok(())
}

fn unit_of(priced: &PricedMarket, order: &Order) -> Option<u32> {
    let Traded::Contract(instrument) = order.traded else { return None };
    priced.contracts[instrument as usize].as_ref().map(|contract| contract.unit)
}

/// The random books are worth comparing: each component decides or adds something somewhere, each status occurs.
#[test]
fn random_books_reach_every_part_of_the_model() {
    let seen: std::cell::RefCell<BTreeMap<String, u32>> = std::cell::RefCell::default();
    let outcome = TestRunner::new(config()).run(&world(), |world| {
        let case = world.build();
        let seen = &mut seen.borrow_mut();
        for (number, margin) in references(&case).into_iter().enumerate() {
            count(seen, &margin);
            count_switches(seen, &world, &engine::account_of(&case.book, number), &margin);
        }
        Ok(())
    });
    outcome.unwrap();
    let seen = seen.into_inner();
    let parts = [
        "mr1 binds",
        "mr2 binds",
        "mr6 binds",
        "mr7 binds",
        "mr3",
        "mr4",
        "mr5",
        "mr9",
        "spot long",
        "spot short",
        "borrowing",
        "hedging saves",
        "hedging costs",
        "im_deficit",
        "ineligible",
        "liquidation",
        "near_liquidation",
        "warning",
        "healthy",
        "no_risk",
        "vol up",
        "vol same",
        "vol down",
        "perfect hedge",
        "orders freeze",
        "orders freeze nothing",
        "a unit of orders alone",
        "mr9 by price",
        "mr9 off the knots",
        "spot bucket",
        "coin P&L",
        "order loss",
        "own fee",
        "restricted",
        "discount in usd",
        "borrowing in usd",
    ];
    let absent: Vec<&str> = parts.into_iter().filter(|&part| seen.get(part).is_none_or(|&count| count == 0)).collect();
    assert!(absent.is_empty(), "absent: {absent:?} in {seen:?}");
}

/// What the switches change, where they are on and there is something to change.
fn count_switches(seen: &mut BTreeMap<String, u32>, world: &World, rows: &Account, margin: &Margin) {
    let switches = world.knobs.switches;
    let mut saw = |part: &str, condition: bool| *seen.entry(part.to_string()).or_default() += u32::from(condition);
    let other = |ccy: &str| ["SOL", "LTC", "ZZZ"].contains(&ccy);
    saw("order loss", switches.deduct_loss && !rows.orders.is_empty());
    saw("own fee", rows.fee_rate.is_some() && margin.borrow_mmr > 0.0);
    saw("restricted", margin.restricted_eq > 0.0);
    saw("discount in usd", switches.usd_ladders && margin.equity.iter().any(|line| other(&line.ccy) && line.eq > 0.0));
    saw("borrowing in usd", switches.usd_ladders && margin.equity.iter().any(|line| other(&line.ccy) && line.eq < 0.0));
    for unit in &margin.units {
        let off_knots = [world.usdt_usd, world.usdc_usd].iter().any(|price| (0.92..0.995).contains(price));
        saw("mr9 by price", switches.mr9_by_price && unit.parts.mr9 > 0.0);
        saw("mr9 off the knots", switches.mr9_by_price && unit.parts.mr9 > 0.0 && off_knots);
        saw("spot bucket", switches.spot_bucket && unit.spot_in_use != 0.0);
        saw("coin P&L", switches.coin_option_pnl && unit.has_options);
    }
}

fn count(seen: &mut BTreeMap<String, u32>, margin: &Margin) {
    let mut saw = |part: &str, condition: bool| *seen.entry(part.to_string()).or_default() += u32::from(condition);
    saw(margin.status.name(), true);
    saw("im_deficit", margin.im_deficit);
    saw("ineligible", margin.ineligible);
    saw("borrowing", margin.borrow_mmr > 0.0);
    saw("hedging saves", margin.mmr < margin.mmr_no_hedge);
    saw("hedging costs", margin.mmr > margin.mmr_no_hedge);
    for unit in &margin.units {
        saw("orders freeze", unit.order_imr > 0.0);
        saw("orders freeze nothing", unit.order_imr == 0.0 && margin.order_imr > 0.0);
        saw("a unit of orders alone", unit.order_imr > 0.0 && unit.mmr == 0.0 && unit.cash_delta == 0.0);
        let parts = &unit.parts;
        let stressed = unit.mmr > parts.mr7;
        saw("mr1 binds", stressed && parts.mr1 > parts.mr2.max(parts.mr6));
        saw("mr2 binds", stressed && parts.mr2 > parts.mr1.max(parts.mr6));
        saw("mr6 binds", stressed && parts.mr6 > parts.mr1.max(parts.mr2));
        saw("mr7 binds", !stressed && unit.mmr > 0.0);
        saw("mr3", parts.mr3 > 0.0);
        saw("mr4", parts.mr4 > 0.0);
        saw("mr5", parts.mr5 > 0.0);
        saw("mr9", parts.mr9 > 0.0);
        saw("spot long", unit.spot_in_use > 0.0);
        saw("spot short", unit.spot_in_use < 0.0);
        saw("perfect hedge", unit.spot_in_use != 0.0 && parts.mr1 == 0.0);
        saw(&format!("vol {}", unit.mr1_vol.name()), parts.mr1 > 0.0);
    }
}
