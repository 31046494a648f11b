//! Distances put back in as scenarios over the whole book; closed forms; reverse stress before and after.

use crate::common::Case;
use crate::common::strategies::world;
use crate::common::world::AS_OF_NS;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use remargin::book::{BalanceRows, Book, IdTable, OrderRows, PositionRows};
use remargin::distance::reverse::{Statement, book_state, reverse};
use remargin::distance::{AccountDistances, Distance, HIGHEST_MOVE, LOWEST_MOVE, Way, distances, for_each};
use remargin::engine::lanes::Width;
use remargin::engine::{chunk, price};
use remargin::generate::{GenerateRequest, generate};
use remargin::margin::black76;
use remargin::margin::rules::{Rules, SpotOffset};
use remargin::margin::{AccountMargin, Status};
use remargin::market::scenario::{Scenario, apply};
use remargin::market::{Currency, Instrument, InstrumentKind, Market, Underlying};
use remargin::progress::Silent;
use remargin::rules;
use remargin::snapshot::{Expectations, LoadOptions, Snapshot, load};
use remargin::source::Format;
use remargin::totals::reach::Reach;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The margin of an account after a price move, the long way: the whole market moved and priced.
fn margin_after(
    market: &Market,
    rules: &Rules,
    book: &Book,
    account: usize,
    base: &str,
    price_move: f64,
) -> AccountMargin {
    let moved = apply(market, &Scenario::price_move("back", base, price_move), rules.rate).unwrap();
    chunk(&price(&moved, rules), book, account..account + 1).unwrap().accounts[0]
}

fn in_liquidation(margin: &AccountMargin) -> bool {
    margin.status == Status::Liquidation
}

/// What is wrong with a distance; counts what was seen.
fn faults(case: &Case, account: usize, distance: &Distance, was: bool, seen: &mut BTreeMap<&str, u32>) -> Vec<String> {
    let Case { market, book, rules } = case;
    let mut faults = Vec::new();
    for (way, reach, end) in [("down", &distance.down, LOWEST_MOVE), ("up", &distance.up, HIGHEST_MOVE)] {
        *seen.entry(reach.name()).or_insert(0) += 1;
        let after = |price_move| margin_after(market, rules, book, account, &distance.base, price_move);
        let name = format!("a{account} {} {way} {reach:?}", distance.base);
        let reached = reach.found().map_or(end, |found| found.price_move);
        if let Reach::At(found) = reach {
            let there = after(found.price_move);
            // The sums of a search run over what the move reaches, and then over the rest: equal to rounding.
            let is_close = |(a, b): (f64, f64)| (a - b).abs() <= 1e-12 * b.abs().max(1.0);
            let ratios = there.margin_ratio.zip(found.margin_ratio);
            if there.margin_ratio.is_some() != found.margin_ratio.is_some() || !ratios.is_none_or(is_close) {
                faults.push(format!("{name}: the whole market gives {:?}", there.margin_ratio));
            }
            let ratio = there.margin_ratio.unwrap_or(f64::NAN);
            if found.jump {
                let rounding = 4.0 * f64::EPSILON * found.price_move.abs().max(1e-300) * end.signum();
                let outward = in_liquidation(&after(found.price_move + rounding));
                if outward == was || in_liquidation(&after(found.price_move - rounding)) != was {
                    faults.push(format!("{name}: no jump there"));
                }
            } else if (ratio - 1.0).abs() > 1e-6 {
                faults.push(format!("{name}: the ratio is {ratio}"));
            }
            if !(LOWEST_MOVE..=HIGHEST_MOVE).contains(&found.price_move) {
                faults.push(format!("{name}: out of range"));
            }
        }
        // Moves nearer than the one that was found, off the ladder: the account is where it was.
        for share in [0.03, 0.11, 0.29, 0.53, 0.77, 0.93] {
            if in_liquidation(&after(share * reached)) != was {
                faults.push(format!("{name}: another state at {}", share * reached));
            }
        }
    }
    faults
}

#[test]
fn distances_of_random_books_put_back_in_give_ratio_one() {
    let config = Config { cases: 250, failure_persistence: None, rng_seed: RngSeed::Fixed(4), ..Config::default() };
    let seen = RefCell::new(BTreeMap::new());
    let outcome = TestRunner::new(config).run(&world(), |world| {
        let case = world.build();
        let mut lines = Vec::new();
        for account in 0..case.book.len() {
            let found = distances(&case.market, &case.rules, &case.book, account).unwrap();
            let now = margin_after(&case.market, &case.rules, &case.book, account, "*", 0.0);
            assert_eq!(found.margin, now);
            assert_eq!(found.rows[0].base, "*");
            for row in &found.rows {
                lines.extend(faults(&case, account, row, in_liquidation(&now), &mut seen.borrow_mut()));
            }
        }
        if lines.is_empty() { Ok(()) } else { Err(TestCaseError::fail(lines.join("\n"))) }
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let seen = seen.into_inner();
    // Jumps are rare in such books: they have a test of their own.
    assert!(["crossed", "none"].iter().all(|&reach| seen.get(reach) > Some(&200)), "{seen:?}");
}

/// Instruments of [`small`]: a swap and two puts, of one coin a contract.
const SWAP: u32 = 0;
const PUT_70: u32 = 1;
const PUT_90: u32 = 2;

/// Positions as `(instrument, contracts)`, cash in BTC and cash in USDT of an account that does not hedge by spot.
type Holder<'a> = (&'a [(u32, f64)], f64, f64);

/// A market with BTC at 100,000 USD and ETH at 4,000, and a book.
fn small(accounts: &[Holder]) -> Case {
    let currency = |name: &str, fx| Currency { name: name.to_owned(), fx: Some(fx) };
    let underlying =
        |name: &str, base, quote, px| Underlying { name: name.to_owned(), base, quote, index_px: Some(px) };
    let swap = Instrument {
        inst_id: "BTC-USDT-SWAP".to_owned(),
        kind: InstrumentKind::Linear,
        underlying: 0,
        settle: 3,
        multiplier: 1.0,
        expiry_ns: None,
        lot_sz: 1.0,
        mark_px: 1e5,
        mark_vol: 0.0,
        fwd_px: 0.0,
        gap: None,
    };
    let put = |strike: f64| Instrument {
        inst_id: format!("BTC-USDT-{strike}-P"),
        kind: InstrumentKind::Option { call: false, strike },
        expiry_ns: Some(AS_OF_NS + 3 * 86_400_000_000_000),
        mark_px: black76::value(1e5, strike, 0.5, 3.0 / 365.0, 0.0, false),
        mark_vol: 0.5,
        fwd_px: 1e5,
        ..swap.clone()
    };
    let market = Market {
        as_of_ns: AS_OF_NS,
        currencies: vec![currency("BTC", 1e5), currency("ETH", 4e3), currency("USD", 1.0), currency("USDT", 1.0)],
        underlyings: vec![underlying("BTC-USDT", 0, 3, 1e5), underlying("ETH-USDT", 1, 3, 4e3)],
        instruments: vec![swap.clone(), put(70_000.0), put(90_000.0)],
    };
    let ids: Vec<String> = (0..accounts.len()).map(|number| format!("a{number}")).collect();
    let ids: IdTable = ids.iter().map(String::as_str).collect();
    let (mut positions, mut balances) = (PositionRows::default(), BalanceRows::default());
    for (account, &(held, btc, usdt)) in accounts.iter().enumerate() {
        let account = account as u32;
        for &(instrument, qty) in held {
            positions.account.push(account);
            positions.instrument.push(instrument);
            positions.qty.push(qty);
            positions.avg_px.push(1e5);
        }
        for (ccy, cash) in [(0, btc), (3, usdt)] {
            if cash != 0.0 {
                balances.account.push(account);
                balances.ccy.push(ccy);
                balances.cash.push(cash);
                balances.interest.push(0.0);
                balances.spot_in_use_cap.push(f64::INFINITY);
            }
        }
    }
    let modes = vec![SpotOffset::None; accounts.len()];
    let book =
        Book::from_rows(&ids, &modes, &vec![false; accounts.len()], positions, balances, OrderRows::default()).unwrap();
    let rules = rules::load(None, &["liquidation_fee.derivatives=0.0005".to_owned()]).unwrap().rules;
    Case { market, book, rules }
}

fn of(case: &Case, account: usize) -> AccountDistances {
    distances(&case.market, &case.rules, &case.book, account).unwrap()
}

#[test]
fn one_linear_position_against_the_closed_form() {
    // Long n coins at P against cash c in USDT: c + n P s = n P (1 + s) (k + fee) while eq > 0, with the charge k per
    // USD of notional: MR1 12 %, MR4 0.2 %, and fee 0.05 %. So s = (K - c / (n P)) / (1 - K), K = k + fee.
    let case = small(&[(&[(SWAP, 1.0)], 0.0, 40_000.0), (&[(SWAP, -1.0)], 0.0, 40_000.0)]);
    let charge = 0.12 + 0.002 + 0.0005;
    let long = of(&case, 0);
    assert_eq!(long.rows.iter().map(|row| row.base.as_str()).collect::<Vec<_>>(), ["*", "BTC"]);
    for row in &long.rows {
        let found = row.down.found().unwrap();
        let expected = (charge - 0.4) / (1.0 - charge);
        assert!((found.price_move - expected).abs() < 1e-9, "{found:?} {expected}");
        assert_eq!(row.up, Reach::None);
    }
    let (every, btc) = (&long.rows[0], &long.rows[1]);
    assert_eq!((every.price_usd, btc.price_usd), (None, Some(1e5)));
    let found = btc.down.found().unwrap();
    assert_eq!(found.price_usd, Some(1e5 * (1.0 + found.price_move)));
    assert_eq!(every.down.found().unwrap().price_usd, None);
    // Short: c - n P s = n P (1 + s) K, s = (c / (n P) - K) / (1 + K).
    let short = &of(&case, 1).rows[1];
    assert_eq!(short.down, Reach::None);
    let found = short.up.found().unwrap();
    assert!((found.price_move - (0.4 - charge) / (1.0 + charge)).abs() < 1e-9, "{found:?}");
}

#[test]
fn what_cannot_be_liquidated_and_what_is_already() {
    let long: &[(u32, f64)] = &[(SWAP, 1.0)];
    let case = small(&[(&[], 2.0, 0.0), (long, 0.0, 5_000.0), (&[], 0.0, 7.0), (long, 0.0, 1e9)]);
    // Coins alone have no requirement: no ratio, no liquidation at any price.
    let spot = of(&case, 0);
    assert_eq!(spot.margin.margin_ratio, None);
    assert!(spot.rows.iter().all(|row| row.down == Reach::None && row.up == Reach::None), "{spot:?}");
    assert_eq!(spot.rows.len(), 2);
    // In liquidation already: the move that brings it out.
    let ruined = of(&case, 1);
    assert_eq!(ruined.margin.status, Status::Liquidation);
    let charge = 0.12 + 0.002 + 0.0005;
    let rescue = ruined.rows[1].up.found().unwrap();
    assert!((rescue.price_move - (charge - 0.05) / (1.0 - charge)).abs() < 1e-9, "{rescue:?}");
    assert_eq!(ruined.rows[1].down, Reach::None);
    // Dollars alone are exposed to no coin; a rich account is out of reach.
    assert_eq!(of(&case, 2).rows.len(), 1);
    assert!(of(&case, 3).rows.iter().all(|row| row.down == Reach::None && row.up == Reach::None));
}

#[test]
fn the_nearest_of_several_crossings() {
    // Short a put at 90,000, long three at 70,000: ruined in between, rich further down.
    let case = small(&[(&[(PUT_70, 3.0), (PUT_90, -1.0)], 0.0, 12_000.0)]);
    let Case { market, book, rules } = &case;
    let state = |price_move| in_liquidation(&margin_after(market, rules, book, 0, "BTC", price_move));
    let states: Vec<bool> = (0..99).map(|percent| state(-f64::from(percent) / 100.0)).collect();
    let changes: Vec<usize> = (1..99).filter(|&percent| states[percent] != states[percent - 1]).collect();
    assert!(!states[0] && changes.len() == 2, "{changes:?}");
    let found = of(&case, 0).rows[1].down;
    let percent = -100.0 * found.found().unwrap().price_move;
    assert!(percent <= changes[0] as f64 && percent > changes[0] as f64 - 1.0, "{found:?} {changes:?}");
    assert_eq!(found.name(), "crossed");
}

#[test]
fn a_debt_that_outgrows_its_tier_makes_the_ratio_jump() {
    // Owing 18 million USDT and long 50 coins at 100,000: after -40 % the debt is 20 million, beyond which its
    // maintenance rate is 10 % in place of 5 %. 392 coins count as 365.02 there, 21.9 million USD.
    let case = small(&[(&[(SWAP, 50.0)], 392.0, -18_000_000.0)]);
    let down = of(&case, 0).rows[1].down;
    let found = down.found().unwrap();
    let Case { market, book, rules } = &case;
    let ratio = |at| margin_after(market, rules, book, 0, "BTC", at).margin_ratio.unwrap();
    assert_eq!(down.name(), "jump");
    assert!((found.price_move + 0.4).abs() < 1e-12, "{found:?}");
    assert_eq!(found.margin_ratio, Some(ratio(found.price_move)));
    assert!(ratio(found.price_move) < 0.8, "{found:?}");
    assert!(ratio(found.price_move + 1e-12) > 1.3, "{found:?}");
}

/// A generated book of 300 accounts.
fn generated() -> (Snapshot, Rules) {
    let place = tempfile::tempdir().unwrap();
    let request = GenerateRequest {
        accounts: 300,
        positions_per_account: 8.0,
        seed: 7,
        out: place.path().join("snapshot"),
        format: Format::Parquet,
        force: false,
    };
    generate(&request, &Silent).unwrap();
    let rules = rules::load(None, &[]).unwrap().rules;
    let options = LoadOptions {
        default_spot_offset: rules.default_spot_offset,
        expectations: &Expectations::NONE,
        progress: &Silent,
    };
    (load(&request.out, &options).unwrap(), rules)
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn a_generated_book_in_parallel_and_put_back_in() {
    let (Snapshot { market, book, .. }, rules) = generated();
    let accounts: Vec<usize> = (0..book.len()).step_by(5).collect();
    let all = |threads, way| {
        with_threads(threads, || {
            let mut found = Vec::new();
            for_each((&market, &rules, &book), way, &accounts, &Silent, |one| {
                found.push(one);
                Ok(())
            })
            .unwrap();
            found
        })
    };
    let found = all(3, Way::Alone);
    assert_eq!(found, all(1, Way::Alone));
    for width in Width::all() {
        let on_ladders = all(2, Way::OnLadders(width));
        assert_eq!(on_ladders.len(), found.len());
        for (one, other) in on_ladders.iter().zip(&found) {
            assert_eq!(format!("{one:?}"), format!("{other:?}"), "{}", width.name());
        }
    }
    assert_eq!(found.iter().map(|one| one.account).collect::<Vec<_>>(), accounts);
    let case = Case { market, book, rules };
    let mut seen = BTreeMap::new();
    let mut lines = Vec::new();
    for one in &found {
        for row in &one.rows {
            lines.extend(faults(&case, one.account, row, in_liquidation(&one.margin), &mut seen));
        }
    }
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert!(seen["crossed"] > 50, "{seen:?}");
}

#[test]
fn reverse_stress_is_false_just_before_and_true_at_the_move() {
    let (Snapshot { market, book, .. }, rules) = generated();
    let now = book_state(&market, &rules, &book, &Scenario::base()).unwrap();
    for text in [
        format!("BTC, accounts in liquidation > {}", now.in_liquidation + 15),
        "*, accounts at risk > 12%".to_owned(),
        format!("*, shortfall > {}", now.shortfall_usd + 1e6),
    ] {
        let statement: Statement = text.parse().unwrap();
        let ask = |threads| with_threads(threads, || reverse(&market, &rules, &book, &statement, &Silent).unwrap());
        let answer = ask(2);
        assert_eq!(answer, ask(1));
        assert!(!answer.holds_now, "{text}: {answer:?}");
        let at = |price_move| {
            let scenario = Scenario::price_move("x", statement.base.as_str(), price_move);
            book_state(&market, &rules, &book, &scenario).unwrap()
        };
        let down = answer.down.unwrap_or_else(|| panic!("{text}: {answer:?}"));
        for breach in [Some(down), answer.up].into_iter().flatten() {
            let inward = (breach.price_move * 1e6 - breach.price_move.signum()).round() / 1e6;
            assert_eq!((at(breach.price_move), at(inward)), (breach.after, breach.before), "{text}");
            assert!(statement.holds(&breach.after) && !statement.holds(&breach.before), "{text}: {breach:?}");
        }
        assert!(answer.to_text().contains("fall       -"), "{}", answer.to_text());
        assert_eq!(answer.to_json().unwrap()["statement"], text);
    }
}

#[test]
fn reverse_stress_that_is_true_already_or_never() {
    let case = small(&[(&[(SWAP, 1.0)], 0.0, 5_000.0), (&[(SWAP, 1.0)], 0.0, 1e9)]);
    let ask = |text: &str| {
        reverse(&case.market, &case.rules, &case.book, &text.parse().unwrap(), &Silent)
            .map_err(|error| error.to_string())
    };
    let already = ask("BTC, accounts in liquidation > 0").unwrap();
    assert!(already.holds_now && already.down.is_none() && already.to_text().contains("holds already"));
    let never = ask("ETH, accounts in liquidation > 1").unwrap();
    assert!(!never.holds_now && never.down.is_none() && never.up.is_none());
    assert!(never.to_text().contains("none within -99 %"), "{}", never.to_text());
    assert!(never.to_text().contains("none within +300 %"), "{}", never.to_text());
    for (text, says) in [("XYZ, shortfall > 1", "unknown currency"), ("USDT, shortfall > 1", "moves by `fx`")] {
        assert!(ask(text).unwrap_err().contains(says), "{text}: {:?}", ask(text));
    }
}
