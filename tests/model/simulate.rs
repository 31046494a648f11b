//! Checks before the order: every answer is the margin of a book that was changed by hand, the largest amount passes
//! and one lot more does not, and nothing depends on the order of operations.

use crate::common::Case;
use crate::common::strategies::world;
use crate::common::world::World;
use proptest::prop_assert_eq;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use remargin::book::{BalanceRows, Book, IdTable, OrderRows, PositionRows};
use remargin::engine::{account_of, chunk, price};
use remargin::margin::account::{Order, Traded};
use remargin::margin::cash::CashChanges;
use remargin::margin::changed::{Changes, Known};
use remargin::margin::orders::Holdings;
use remargin::margin::priced::PricedMarket;
use remargin::margin::requirement::Workspace;
use remargin::margin::rules::SpotOffset;
use remargin::margin::{AccountMargin, UnitMargin};
use remargin::market::InstrumentKind;
use remargin::reference;
use remargin::simulate::amount::Lot;
use remargin::simulate::amount::Unit;
use remargin::simulate::check::{Answer, Checker, Verdict};
use remargin::simulate::operation::Action;
use std::cell::RefCell;
use std::collections::BTreeMap;

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(20_260_115), ..Config::default() }
}

/// One account as rows that a person can edit.
#[derive(Clone)]
struct Sheet {
    mode: SpotOffset,
    /// Instrument, contracts, average price.
    positions: Vec<(u32, f64, f64)>,
    /// Cash, interest, cap by currency, and whether it may not back new orders.
    balances: BTreeMap<u32, (f64, f64, f64, bool)>,
    orders: Vec<Order>,
    fee_rate: Option<f64>,
}

impl Sheet {
    fn of(book: &Book, account: usize) -> Self {
        let rows = account_of(book, account);
        let positions = (0..rows.qty.len()).map(|row| (rows.instrument[row], rows.qty[row], rows.avg_px[row]));
        let balance = |row: usize| {
            let restricted = rows.is_restricted(rows.ccy[row]);
            (rows.ccy[row], (rows.cash[row], rows.interest[row], rows.spot_in_use_cap[row], restricted))
        };
        Self {
            mode: rows.spot_offset,
            positions: positions.collect(),
            balances: (0..rows.ccy.len()).map(balance).collect(),
            orders: rows.orders.to_vec(),
            fee_rate: rows.fee_rate,
        }
    }

    fn cash(&mut self, ccy: u32, amount: f64) {
        self.balances.entry(ccy).or_insert((0.0, 0.0, f64::INFINITY, false)).0 += amount;
    }

    fn cap(&mut self, ccy: u32, cap: f64) {
        self.balances.entry(ccy).or_insert((0.0, 0.0, f64::INFINITY, false)).2 = cap;
    }

    /// The order filled, as section 9 of the model has it: what is left of each position, and what becomes cash.
    fn fill(&mut self, case: &Case, order: Order) {
        let instrument = match order.traded {
            Traded::Spot { base, quote } => {
                self.cash(base, order.qty);
                return self.cash(quote, -order.qty * order.px);
            }
            Traded::Contract(instrument) => instrument,
        };
        let spec = &case.market.instruments[instrument as usize];
        let mut left = order.qty;
        if matches!(spec.kind, InstrumentKind::Option { .. }) {
            self.cash(spec.settle, -order.qty * spec.multiplier * order.px);
        }
        let mut realised = 0.0;
        self.positions.retain_mut(|(held, qty, avg)| {
            if *held != instrument || *qty * left >= 0.0 {
                return true;
            }
            let closed = qty.abs().min(left.abs()).copysign(*qty);
            realised += closed
                * spec.multiplier
                * match spec.kind {
                    InstrumentKind::Linear => order.px - *avg,
                    InstrumentKind::Inverse => 1.0 / *avg - 1.0 / order.px,
                    InstrumentKind::Option { .. } => 0.0,
                };
            *qty -= closed;
            left += closed;
            *qty != 0.0
        });
        self.cash(spec.settle, realised);
        if left != 0.0 {
            self.positions.push((instrument, left, order.px));
        }
    }

    /// A book of this account alone.
    fn book(&self) -> Book {
        let ids: IdTable = ["a"].into_iter().collect();
        let mut positions = PositionRows::default();
        for &(instrument, qty, avg_px) in &self.positions {
            positions.account.push(0);
            positions.instrument.push(instrument);
            positions.qty.push(qty);
            positions.avg_px.push(avg_px);
        }
        let mut balances = BalanceRows::default();
        for (&ccy, &(cash, interest, cap, restricted)) in &self.balances {
            balances.account.push(0);
            balances.ccy.push(ccy);
            balances.cash.push(cash);
            balances.interest.push(interest);
            balances.spot_in_use_cap.push(cap);
            balances.restricted.push(restricted);
        }
        let orders = OrderRows { account: vec![0; self.orders.len()], order: self.orders.clone() };
        let book = Book::from_rows(&ids, &[self.mode], &[false], positions, balances, orders).unwrap();
        book.with_fee_rates(&[self.fee_rate]).unwrap()
    }

    /// Its margin.
    fn margin(&self, priced: &PricedMarket) -> (AccountMargin, Vec<UnitMargin>) {
        let result = chunk(priced, &self.book(), 0..1).unwrap();
        (result.accounts[0], result.units)
    }

    /// The part of its adjusted equity that may not back new orders, from the reference model.
    fn restricted(&self, case: &Case) -> f64 {
        let book = self.book();
        let account = reference::account_of(&case.market, &book, &case.rules, 0).unwrap();
        reference::margin(&account).unwrap().restricted_eq
    }
}

/// What a test changes by hand.
fn by_hand(case: &Case, account: usize, hedges: &[(u32, f64)], actions: &[Action]) -> Sheet {
    let mut sheet = Sheet::of(&case.book, account);
    for action in actions {
        match *action {
            Action::Order(order) => sheet.fill(case, order),
            Action::Transfer { ccy, qty, out } => sheet.cash(ccy, if out { -qty } else { qty }),
            Action::SpotOffset(mode) => sheet.mode = mode,
            Action::SpotInUseCap { ccy, cap } => sheet.cap(ccy, cap),
            Action::CloseHedge { ccy, qty } => {
                let hedge = hedges.iter().find(|(other, _)| *other == ccy).map_or(0.0, |(_, hedge)| *hedge);
                sheet.cap(ccy, hedge - qty.unwrap_or(hedge).min(hedge));
            }
        }
    }
    sheet
}

/// Spot in use of an account by currency, from its margin as a run reports it.
fn hedges(case: &Case, priced: &PricedMarket, account: usize) -> Vec<(u32, f64)> {
    let (_, units) = Sheet::of(&case.book, account).margin(priced);
    let used = units.iter().map(|unit| (priced.units[unit.unit as usize].base, unit.spot_in_use.abs()));
    used.filter(|(_, coins)| *coins > 0.0).collect()
}

fn close(found: f64, expected: f64, scale: f64) -> bool {
    (found - expected).abs() <= (1e-9 * expected.abs().max(scale)).max(1e-6)
}

/// Where an answer is not the margin that the change by hand gives.
fn differences(case: &Case, priced: &PricedMarket, account: usize, actions: &[Action], answer: &Answer) -> Vec<String> {
    let sheet = by_hand(case, account, &hedges(case, priced, account), actions);
    let (expected, units) = sheet.margin(priced);
    let scale = sheet
        .balances
        .iter()
        .map(|(&ccy, line)| line.0.abs() * priced.currencies[ccy as usize].fx_usd.abs())
        .filter(|usd| usd.is_finite())
        .fold(expected.mmr, f64::max);
    let mut lines = Vec::new();
    for (name, found, expected) in [
        ("adj_eq", answer.after.adj_eq, expected.adj_eq),
        ("restricted", answer.after.adj_eq - answer.free[1].adj_eq, sheet.restricted(case)),
        ("mmr", answer.after.mmr, expected.mmr),
        ("imr", answer.after.imr, expected.imr),
        ("liquidation_fee", answer.after.liquidation_fee, expected.liquidation_fee),
        ("mmr_no_hedge", answer.after.mmr_no_hedge, expected.mmr_no_hedge),
        ("imr_no_hedge", answer.after.imr_no_hedge, expected.imr_no_hedge),
        ("order_imr", answer.after.order_imr, expected.order_imr),
    ] {
        if !close(found, expected, scale) {
            lines.push(format!("{name}: {found} instead of {expected} after {actions:?}"));
        }
    }
    for (_, after) in &answer.units {
        let Some(after) = after else { continue };
        let Some(unit) = units.iter().find(|unit| unit.unit == after.unit) else {
            // What is left of amounts that cancel depends on their order: nothing, or a last digit.
            if [after.mr1, after.mr7, after.mmr].into_iter().any(|figure| !close(figure, 0.0, scale)) {
                lines.push(format!("unit {} is there after {actions:?}", after.unit));
            }
            continue;
        };
        for (name, found, expected) in
            [("mr1", after.mr1, unit.mr1), ("mr7", after.mr7, unit.mr7), ("mmr", after.mmr, unit.mmr)]
        {
            if !close(found, expected, scale.max(unit.cash_delta.abs())) {
                lines.push(format!("unit {} {name}: {found} instead of {expected} after {actions:?}", unit.unit));
            }
        }
    }
    lines
}

/// Operations on an account that its own rows and orders suggest.
fn operations(case: &Case, account: usize) -> Vec<Action> {
    let rows = account_of(&case.book, account);
    let mut actions: Vec<Action> = rows.orders.iter().map(|order| Action::Order(*order)).collect();
    for row in 0..rows.qty.len().min(3) {
        let px = case.market.instruments[rows.instrument[row] as usize].mark_px.max(1e-6);
        // Together with the position they do not make exactly zero, where the order of a sum decides what is left.
        for times in [-0.5, -1.0, -2.5, 2.75] {
            let qty = rows.qty[row] * times;
            // Lots are searched up to 2^52.
            if (1e-9..1e15).contains(&qty.abs()) {
                actions.push(Action::Order(Order { traded: Traded::Contract(rows.instrument[row]), qty, px }));
            }
        }
    }
    for row in 0..rows.ccy.len().min(3) {
        let (ccy, qty) = (rows.ccy[row], rows.cash[row].abs());
        if qty > 1e-6 {
            actions.push(Action::Transfer { ccy, qty: qty / 2.0, out: true });
            actions.push(Action::Transfer { ccy, qty, out: false });
        }
        actions.push(Action::SpotInUseCap { ccy, cap: qty / 3.0 });
        actions.push(Action::CloseHedge { ccy, qty: Some(qty / 4.0 + 1e-6) });
    }
    actions.extend([SpotOffset::None, SpotOffset::Coin].map(Action::SpotOffset));
    actions
}

/// The action of another amount; `None` where amounts make no sense.
fn with_amount(action: Action, amount: f64) -> Option<Action> {
    Some(match action {
        Action::Order(order) => Action::Order(Order { qty: amount.copysign(order.qty), ..order }),
        Action::Transfer { ccy, out, .. } => Action::Transfer { ccy, qty: amount, out },
        Action::CloseHedge { ccy, .. } => Action::CloseHedge { ccy, qty: Some(amount) },
        Action::SpotInUseCap { .. } | Action::SpotOffset(_) => return None,
    })
}

/// The largest amount passes; a lot more does not.
fn check_most(case: &Case, checker: &mut Checker, account: usize, action: Action, answer: &Answer) -> Vec<String> {
    let Some(most) = answer.most[0] else { return Vec::new() };
    let (lot, asked) = match action {
        Action::Order(Order { traded: Traded::Contract(number), qty, .. }) => {
            (Lot::contracts(case.market.instruments[number as usize].lot_sz), qty.abs())
        }
        Action::Order(Order { qty, .. }) => (Lot::currency(qty.abs()), qty.abs()),
        Action::Transfer { qty, .. } => (Lot::currency(qty), qty),
        _ => return Vec::new(),
    };
    let mut lines = Vec::new();
    let mut verdict = |amount| {
        let action = with_amount(action, amount).unwrap();
        checker.check(account, &[action]).map(|answer| answer.verdict)
    };
    if verdict(most.amount) != Ok(Verdict::Pass) {
        lines.push(format!("{action:?}: {} does not pass", most.amount));
    }
    let more = lot.amount(lot.lots_in(most.amount) + 1);
    if more <= asked && verdict(more) == Ok(Verdict::Pass) {
        lines.push(format!("{action:?}: {more} passes, more than {}", most.amount));
    }
    lines
}

fn faults(world: &World, seen: &RefCell<BTreeMap<&'static str, u32>>) -> Vec<String> {
    let case = world.build();
    let priced = price(&case.market, &case.rules);
    let mut checker = Checker::new(&case.market, &priced, &case.book);
    let mut lines = Vec::new();
    for account in 0..case.book.len() {
        for action in operations(&case, account) {
            let Ok(answer) = checker.check(account, &[action]) else {
                *seen.borrow_mut().entry("refused").or_default() += 1;
                continue;
            };
            *seen.borrow_mut().entry(answer.verdict.name()).or_default() += 1;
            *seen.borrow_mut().entry(action.kind()).or_default() += 1;
            lines.extend(differences(&case, &priced, account, &[action], &answer));
            lines.extend(check_most(&case, &mut checker, account, action, &answer));
        }
    }
    lines
}

#[test]
fn an_answer_is_the_margin_of_the_book_changed_by_hand() {
    let seen = RefCell::default();
    let outcome = TestRunner::new(config(150)).run(&world(), |world| {
        let lines = faults(&world, &seen);
        if lines.is_empty() { Ok(()) } else { Err(TestCaseError::fail(lines.join("\n"))) }
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let seen = seen.into_inner();
    for name in ["pass", "adjust", "reject", "refused", "order", "transfer_out", "spot_offset", "close_hedge"] {
        assert!(seen.get(name).is_some_and(|&count| count > 20), "{name} is rare: {seen:?}");
    }
}

/// The short way to the margin after a change of cash gives the bits of the long one.
#[test]
fn cash_that_changes_gives_the_same_bits() {
    let compared = RefCell::new(0);
    let outcome = TestRunner::new(config(100)).run(&world(), |world| {
        let case = world.build();
        let priced = price(&case.market, &case.rules);
        let (mut work, mut changes) = (Workspace::new(&priced), Changes::new(&priced));
        for account in 0..case.book.len() {
            let rows = account_of(&case.book, account);
            let Ok(known) = Known::new(&priced, &rows, &mut work) else { continue };
            if !rows.orders.is_empty() {
                continue;
            }
            let mut cash = CashChanges::new(&priced, &rows, &known).unwrap();
            for ccy in 0..case.market.currencies.len() as u32 {
                for more in [1e-8, 0.3, 17.0, 123_456.7, 1e9].into_iter().flat_map(|more| [more, -more]) {
                    let mut holdings = Holdings::default();
                    holdings.copy_from(&rows);
                    holdings.add_cash(ccy, more);
                    let changed = holdings.account(rows.spot_offset, rows.orders);
                    let after = changes.evaluate(&priced, &changed, &known, &[]);
                    let Ok(Some(free)) = cash.free(&priced, &rows, &known, (ccy, more)) else { continue };
                    let after = after.unwrap();
                    let bits = |adj_eq: f64, imr: f64| (adj_eq.to_bits(), imr.to_bits());
                    prop_assert_eq!(
                        bits(free.adj_eq, free.imr),
                        bits(after.adj_eq - changes.restricted_usd(&priced, &changed), after.imr),
                        "{} {}",
                        ccy,
                        more
                    );
                    *compared.borrow_mut() += 1;
                }
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(compared.into_inner() > 1_000);
}

#[test]
fn a_group_does_not_depend_on_its_order() {
    let outcome = TestRunner::new(config(100)).run(&world(), |world| {
        let case = world.build();
        let priced = price(&case.market, &case.rules);
        let mut checker = Checker::new(&case.market, &priced, &case.book);
        for account in 0..case.book.len() {
            let is_free = |action: &Action| matches!(action, Action::Order(_) | Action::Transfer { .. });
            let mut actions: Vec<Action> = operations(&case, account).into_iter().filter(is_free).take(4).collect();
            if actions.len() < 2 {
                continue;
            }
            let sorted = |actions: &[Action]| {
                let mut actions = actions.to_vec();
                actions.sort_by(Action::canonical);
                actions
            };
            let forward = sorted(&actions);
            actions.reverse();
            if forward != sorted(&actions) {
                return Err(TestCaseError::fail(format!("{actions:?} has several canonical orders")));
            }
            let Ok(answer) = checker.check(account, &forward) else { continue };
            let lines = differences(&case, &priced, account, &actions, &answer);
            if !lines.is_empty() {
                return Err(TestCaseError::fail(lines.join("\n")));
            }
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// The share of all hedges is the only amount that counts neither contracts nor a currency.
#[test]
fn amounts_count_what_they_say() {
    let outcome = TestRunner::new(config(100)).run(&world(), |world| {
        let case = world.build();
        let priced = price(&case.market, &case.rules);
        let mut checker = Checker::new(&case.market, &priced, &case.book);
        for account in 0..case.book.len() {
            let off = Action::SpotOffset(SpotOffset::None);
            let Ok(answer) = checker.check(account, &[off]) else { continue };
            let Some(most) = answer.most[0] else { continue };
            let used = hedges(&case, &priced, account);
            let fits = match most.unit {
                Unit::Currency(ccy) => used.len() == 1 && used[0].0 == ccy && most.amount <= used[0].1,
                Unit::Share => used.len() > 1 && (0.0..=1.0).contains(&most.amount),
                Unit::Contracts => false,
            };
            if !fits {
                return Err(TestCaseError::fail(format!("{most:?} of {used:?}")));
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
