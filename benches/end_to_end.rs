//! The whole run, from the snapshot on disk to the finished folder: 0.1 M and 1 M positions, and 10 M if the
//! environment variable `REMARGIN_BENCH_LARGE` is set.
//!
//! `REMARGIN_BENCH_LARGE=1 cargo bench --bench end_to_end`. Every result is checked before it is timed.

mod common;

use common::{Generation, assert_reference, rules};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use remargin::engine::{chunk, price};
use remargin::progress::Silent;
use remargin::request::OutputRequest;
use remargin::run::{RunOutcome, RunRequest, run};
use std::fs;

fn margin(generation: &Generation) -> RunOutcome {
    let request = RunRequest::new(
        generation.snapshot(),
        OutputRequest::new(generation.out()).with_force(true),
        remargin::rules::load(None, &[]).expect("the built-in rules"),
    );
    run(&request, &Silent).expect("a run")
}

/// The run contains every account, and its totals equal those of the account pass, which agrees with the reference
/// model.
fn assert_answer(generation: &Generation) {
    let summary = margin(generation).summary;
    let rules = rules();
    let snapshot = generation.load(&rules);
    let priced = price(&snapshot.market, &rules);
    let margins = chunk(&priced, &snapshot.book, 0..snapshot.book.len()).expect("margins");
    assert_reference(&snapshot, &rules, &priced.unit_names(), &margins, 50);
    assert_eq!(summary.accounts.margined, generation.counts.accounts);
    let mmr: f64 = margins.accounts.iter().map(|account| account.mmr).sum();
    assert!((summary.totals.mmr - mmr).abs() <= 1e-9 * mmr, "{} and {mmr}", summary.totals.mmr);
    assert!(fs::metadata(generation.out().join("manifest.json")).is_ok());
}

fn end_to_end(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("end to end");
    group.sample_size(10);
    let large = std::env::var_os("REMARGIN_BENCH_LARGE").is_some();
    for accounts in [10_000, 100_000, 1_000_000] {
        if accounts == 1_000_000 && !large {
            continue;
        }
        let generation = Generation::new(accounts);
        assert_answer(&generation);
        group.throughput(Throughput::Elements(generation.counts.positions));
        group.bench_function(format!("{} accounts", generation.counts.accounts), |bench| {
            bench.iter(|| margin(&generation));
        });
    }
    group.finish();
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
