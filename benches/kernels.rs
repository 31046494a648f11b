//! The kernels alone: an option value, the instrument x scenario table, one account, many accounts, several markets.
//!
//! `cargo bench --bench kernels`. Every result is checked before it is timed.

mod common;

use common::{Generation, assert_reference, positions, rules};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use remargin::book::{BalanceRows, Book, IdTable, OrderRows, PositionRows};
use remargin::engine::lanes::{SideBySide, Width, Work};
use remargin::engine::{Chunk, account_of, chunk, price};
use remargin::margin::black76;
use remargin::margin::black76::{States, Terms};
use remargin::margin::priced::PricedMarket;
use remargin::margin::real::Real;
use remargin::margin::requirement::{Workspace, evaluate_beside};
use remargin::margin::rules::SpotOffset;
use remargin::market::InstrumentKind;
use remargin::market::scenario::{Scenario, apply};
use remargin::snapshot::Snapshot;
use std::hint::black_box;

/// Option values computed with 60 digits.
const GOLDEN: &str = include_str!("../data/golden/black76.csv");
/// Accounts of the book used for the table and the accumulation.
const ACCOUNTS: u64 = 20_000;
/// Accounts that a run margins at once.
const BLOCK_ACCOUNTS: usize = 32;

/// Forward, strike, volatility, years, rate, call, value.
type Case = (f64, f64, f64, f64, f64, bool, f64);

fn golden() -> Vec<Case> {
    let case = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |column: usize| cells[column].parse::<f64>().expect("a number");
        (number(0), number(1), number(2), number(3), number(4), cells[5] == "true", number(6))
    };
    GOLDEN.lines().skip(1).map(case).collect()
}

/// As many states as an option has scenarios; the last one is the case itself.
const SCENARIOS: usize = 26;

fn scenarios(case: &Case) -> (Terms, States<SCENARIOS>) {
    let &(forward, strike, vol, years, rate, call, _) = case;
    let mut states = States { forward: [forward; SCENARIOS], vol: [vol; SCENARIOS], years: [years; SCENARIOS] };
    for lane in 0..SCENARIOS - 1 {
        states.forward[lane] = forward * (0.8 + 0.016 * lane as f64);
        states.vol[lane] = vol * (0.75 + 0.25 * (lane % 3) as f64);
    }
    (Terms { forward, strike, vol, years, rate, call }, states)
}

fn black_76(criterion: &mut Criterion) {
    let cases = golden();
    let value = |case: &Case| black76::value(case.0, case.1, case.2, case.3, case.4, case.5);
    for case in &cases {
        assert!((value(case) - case.6).abs() <= 1e-12 * case.6, "{case:?}: {}", value(case));
    }
    let mut group = criterion.benchmark_group("black76");
    group.throughput(Throughput::Elements(cases.len() as u64));
    group.bench_function("one by one", |bench| bench.iter(|| black_box(&cases).iter().map(value).sum::<f64>()));
    let rows: Vec<(Terms, States<SCENARIOS>)> = cases.iter().map(scenarios).collect();
    for (terms, states) in &rows {
        let values = terms.values(states);
        for lane in 0..SCENARIOS {
            let (forward, vol, years) = (states.forward[lane], states.vol[lane], states.years[lane]);
            let alone = Terms { forward, vol, years, ..*terms }.value();
            assert_eq!(values[lane].to_bits(), alone.to_bits(), "{terms:?} lane {lane}");
        }
    }
    group.throughput(Throughput::Elements((rows.len() * SCENARIOS) as u64));
    group.bench_function("side by side", |bench| {
        bench.iter(|| black_box(&rows).iter().map(|(terms, states)| terms.values(states)[SCENARIOS - 1]).sum::<f64>());
    });
    group.bench_function("scenarios one by one", |bench| {
        let alone = |(terms, states): &(Terms, States<SCENARIOS>)| {
            let at = |lane| {
                let (forward, vol, years) = (states.forward[lane], states.vol[lane], states.years[lane]);
                Terms { forward, vol, years, ..*terms }.value()
            };
            (0..SCENARIOS).map(at).sum::<f64>()
        };
        bench.iter(|| black_box(&rows).iter().map(alone).sum::<f64>());
    });
    group.finish();
}

fn table(criterion: &mut Criterion) {
    let rules = rules();
    let snapshot = Generation::new(2_000).load(&rules);
    let priced = price(&snapshot.market, &rules);
    let margins = chunk(&priced, &snapshot.book, 0..snapshot.book.len()).expect("margins");
    assert_reference(&snapshot, &rules, &priced.unit_names(), &margins, 50);

    let mut group = criterion.benchmark_group("table");
    group.throughput(Throughput::Elements(snapshot.market.instruments.len() as u64));
    group.bench_function("price", |bench| bench.iter(|| price(black_box(&snapshot.market), &rules)));
    group.finish();
}

fn accumulate(criterion: &mut Criterion) {
    let rules = rules();
    let snapshot = Generation::new(ACCOUNTS).load(&rules);
    let priced = price(&snapshot.market, &rules);
    let all = 0..snapshot.book.len();
    let margins = chunk(&priced, &snapshot.book, all.clone()).expect("margins");
    assert_eq!(margins.accounts.len() as u64, ACCOUNTS);
    assert_reference(&snapshot, &rules, &priced.unit_names(), &margins, 50);

    let mut group = criterion.benchmark_group("accumulate");
    group.sample_size(20);
    group.throughput(Throughput::Elements(positions(&snapshot.book)));
    // As in a run: block by block, in the same memory.
    let (mut work, mut block) = (Workspace::new(&priced), Chunk::default());
    group.bench_function("one thread", |bench| {
        bench.iter(|| {
            for start in all.clone().step_by(BLOCK_ACCOUNTS) {
                let accounts = start..all.end.min(start + BLOCK_ACCOUNTS);
                block.fill(&mut work, &priced, &snapshot.book, accounts, |_, _, _| ()).expect("margins");
                black_box(&block);
            }
        });
    });
    group.finish();
}

/// A book in as many markets as there are lanes: the sum of its MMR by market.
struct TotalMmr<'a>(&'a Book);

impl Work for TotalMmr<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "compiled for the instructions that are timed")]
    fn work<R: Real>(self, priced: &PricedMarket<R>, alone: &[PricedMarket]) -> Vec<f64> {
        let (mut work, mut sum) = (Workspace::new(priced), R::splat(0.0));
        for account in 0..self.0.len() {
            let figures = evaluate_beside(priced, &account_of(self.0, account), &mut work, |_, _| ());
            sum += figures.expect("finite figures").mmr;
        }
        (0..alone.len()).map(|lane| sum.lane(lane)).collect()
    }
}

/// Eight scenarios of one book, with every number of lanes and every instruction set of this processor. The throughput
/// is positions x scenarios.
fn side_by_side(criterion: &mut Criterion) {
    const SCENARIOS: usize = 8;
    let rules = rules();
    let snapshot = Generation::new(ACCOUNTS).load(&rules);
    let priced = |number: usize| {
        let scenario = Scenario::price_move("", "*", 0.05 * number as f64 - 0.2);
        price(&apply(&snapshot.market, &scenario, rules.rate).expect("a market"), &rules)
    };
    let expected: Vec<f64> = (0..SCENARIOS)
        .map(|number| {
            let margins = chunk(&priced(number), &snapshot.book, 0..snapshot.book.len()).expect("margins");
            margins.accounts.iter().fold(0.0, |sum, margin| sum + margin.mmr)
        })
        .collect();
    let mut group = criterion.benchmark_group("side by side");
    group.sample_size(20);
    group.throughput(Throughput::Elements(positions(&snapshot.book) * SCENARIOS as u64));
    for width in Width::all() {
        let numbers: Vec<usize> = (0..SCENARIOS).collect();
        let few = numbers.chunks(width.lanes());
        let markets: Vec<SideBySide> = few
            .map(|few| SideBySide::new(width, few.iter().map(|&number| priced(number)).collect()).expect("markets"))
            .collect();
        let totals = || markets.iter().flat_map(|market| market.work(TotalMmr(&snapshot.book))).collect::<Vec<f64>>();
        assert_eq!(totals(), expected, "{}", width.name());
        group.bench_function(width.name(), |bench| bench.iter(|| black_box(totals())));
    }
    group.finish();
}

/// The market of `snapshot` with a book of one account that holds its first `rows` priced instruments, options
/// first, long and short in turn, and some USDT.
fn one_account(snapshot: Snapshot, rows: usize) -> Snapshot {
    let market = &snapshot.market;
    let priced = |&index: &usize| market.instruments[index].gap.is_none();
    let is_option = |&index: &usize| matches!(market.instruments[index].kind, InstrumentKind::Option { .. });
    let (mut held, others): (Vec<usize>, Vec<usize>) =
        (0..market.instruments.len()).filter(priced).partition(is_option);
    held.extend(others);
    let held: Vec<usize> = held.into_iter().cycle().take(rows).collect();
    let usdt = market.currencies.iter().position(|currency| currency.name == "USDT").expect("USDT") as u32;
    let positions = PositionRows {
        account: vec![0; rows],
        instrument: held.iter().map(|&index| index as u32).collect(),
        qty: (1..=rows).map(|row| if row % 2 == 0 { row as f64 } else { -(row as f64) }).collect(),
        avg_px: held.iter().map(|&index| market.instruments[index].mark_px.max(1e-6) * 0.9).collect(),
    };
    let balances = BalanceRows {
        account: vec![0],
        ccy: vec![usdt],
        cash: vec![1e6],
        interest: vec![0.0],
        spot_in_use_cap: vec![f64::INFINITY],
        restricted: Vec::new(),
    };
    let ids: IdTable = ["one"].into_iter().collect();
    let book = Book::from_rows(&ids, &[SpotOffset::Usdt], &[false], positions, balances, OrderRows::default()).unwrap();
    Snapshot { book, ..snapshot }
}

fn account(criterion: &mut Criterion) {
    let rules = rules();
    let generation = Generation::new(100);
    let mut group = criterion.benchmark_group("account");
    for rows in [1, 10, 100, 1_000] {
        let snapshot = one_account(generation.load(&rules), rows);
        let priced = price(&snapshot.market, &rules);
        let margins = chunk(&priced, &snapshot.book, 0..1).expect("a margin");
        assert_eq!(account_of(&snapshot.book, 0).qty.len(), rows);
        assert_reference(&snapshot, &rules, &priced.unit_names(), &margins, 1);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("{rows} positions"), |bench| {
            bench.iter(|| chunk(&priced, black_box(&snapshot.book), 0..1));
        });
    }
    group.finish();
}

criterion_group!(benches, black_76, table, accumulate, side_by_side, account);
criterion_main!(benches);
