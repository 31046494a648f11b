//! A stress has the same bytes however many scenarios are computed side by side, with whatever instructions.

use crate::common::e2e::{files, generate};
use remargin::engine::lanes::Width;
use remargin::market::scenario::{Scenario, Shock};
use remargin::progress::Silent;
use remargin::request::DistanceScope;
use remargin::rules;
use remargin::stress::{Detail, Distributed, StressRequest, run};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn scenarios(count: usize) -> Vec<Scenario> {
    let scenario = |number: usize| {
        let price = [-0.6, 0.0, 0.3, -0.15, 1.5, 0.02][number % 6];
        Scenario {
            name: format!("s{number}"),
            shocks: vec![Shock {
                base: "*".to_owned(),
                price: Some(price),
                vol: Some(0.4 - 0.1 * (number % 5) as f64),
            }],
            fx: vec![("USDT".to_owned(), -0.01 * (number % 3) as f64)],
            days: [0.0, 0.0, 30.0][number % 3],
            weight: None,
        }
    };
    (0..count).map(scenario).collect()
}

/// The files of a stress but for the manifest, which has times.
fn stressed(snapshot: &Path, set: &[&str], count: usize, detail: Detail, width: Width) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let set: Vec<String> = set.iter().map(|one| (*one).to_owned()).collect();
    let rules = rules::load(None, &set).unwrap();
    let mut request = StressRequest::new(snapshot, out.as_path(), rules).with_detail(detail).with_width(width);
    request.distribution = Distributed::Accounts;
    request.sources.scenarios = scenarios(count);
    request.distance = DistanceScope::None;
    run(&request, &Silent).unwrap();
    let mut files = files(&out);
    files.remove("manifest.json").unwrap();
    files
}

/// The sample, some of whose accounts have pending orders: accounts with and without them are margined in other ways.
fn with_orders(folder: &Path) -> PathBuf {
    let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample"), folder.join("sample"));
    fs::create_dir(&to).unwrap();
    for (name, bytes) in files(&from) {
        fs::write(to.join(name), bytes).unwrap();
    }
    let positions = fs::read_to_string(from.join("positions.csv")).unwrap();
    let mut orders = "account_id,inst_id,side,qty,px\n".to_owned();
    for (number, line) in positions.lines().skip(1).enumerate().filter(|(number, _)| number % 7 == 0) {
        let cells: Vec<&str> = line.split(',').collect();
        let (account, instrument, px) = (cells[0], cells[1], cells[3]);
        let side = if number % 2 == 0 { "buy" } else { "sell" };
        writeln!(orders, "{account},{instrument},{side},{},{px}", 1 + number % 5).unwrap();
    }
    fs::write(to.join("orders.csv"), orders).unwrap();
    to
}

#[test]
fn the_same_bytes_for_every_width() {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path(), 700, 10.0, 20, "parquet");
    let generated = folder.path().join("snapshot");
    let sample = with_orders(folder.path());
    let merged: &[&str] = &["risk_unit=merged", "mr8.fee_rate=0.01"];
    for (snapshot, set, count, detail) in [
        (&sample, merged, 9, Detail::All),
        (&sample, &[][..], 3, Detail::AtRisk),
        (&generated, &[][..], 18, Detail::AtRisk),
        (&generated, merged, 6, Detail::None),
    ] {
        let expected = stressed(snapshot, set, count, detail, Width::ONE);
        for width in Width::all() {
            let found = stressed(snapshot, set, count, detail, width);
            assert!(found.keys().eq(expected.keys()), "{}", width.name());
            for (name, bytes) in &expected {
                assert!(
                    found[name] == *bytes,
                    "`{name}` differs with {}: {}, {count}",
                    width.name(),
                    snapshot.display()
                );
            }
        }
    }
}
