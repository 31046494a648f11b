//! The fast kernel against the reference model on a generated book: every column of every account and unit, the whole
//! way from files to margins.

use rayon::prelude::*;
use remargin::engine::{Chunk, chunk, price};
use remargin::generate::{GenerateRequest, generate};
use remargin::progress::Silent;
use remargin::reference::{Margin, account_of, compare, margin};
use remargin::rules;
use remargin::snapshot::{Expectations, LoadOptions, Snapshot, load};
use remargin::source::Format;
use std::collections::BTreeMap;

const ACCOUNTS: usize = 10_000;
/// Accounts of one chunk: a workspace serves many accounts and must carry nothing from one to the next.
const CHUNK: usize = 1000;
/// Mismatches that a failure shows.
const SHOWN: usize = 20;

/// A book of the usual density.
fn book() -> Snapshot {
    let place = tempfile::tempdir().unwrap();
    let request = GenerateRequest {
        accounts: ACCOUNTS as u64,
        positions_per_account: 10.0,
        seed: 2025,
        out: place.path().join("snapshot"),
        format: Format::Parquet,
        force: false,
    };
    generate(&request, &Silent).unwrap();
    let default_spot_offset = rules::load(None, &[]).unwrap().rules.default_spot_offset;
    let snapshot =
        load(&request.out, &LoadOptions { default_spot_offset, expectations: &Expectations::NONE, progress: &Silent })
            .unwrap();
    assert_eq!((snapshot.book.len(), snapshot.rejects.len()), (ACCOUNTS, 0));
    assert!(snapshot.book.qty().len() > 9 * ACCOUNTS, "{} positions", snapshot.book.qty().len());
    snapshot
}

/// Compares every account under the built-in rules with these settings; returns the reference's margins.
fn agree(snapshot: &Snapshot, set: &[&str]) -> Vec<Margin> {
    let set: Vec<String> = set.iter().map(ToString::to_string).collect();
    let rules = rules::load(None, &set).unwrap().rules;
    let Snapshot { market, book, .. } = snapshot;
    let priced = price(market, &rules);
    let unit_names = priced.unit_names();
    let of_chunk = |number: usize| -> (Vec<Margin>, Vec<String>) {
        let first = number * CHUNK;
        let Chunk { accounts, units, unit_end, .. } = chunk(&priced, book, first..first + CHUNK).unwrap();
        let (mut margins, mut lines) = (Vec::new(), Vec::new());
        for (place, kernel) in accounts.iter().enumerate() {
            let reference = margin(&account_of(market, book, &rules, first + place).unwrap()).unwrap();
            let begin = if place == 0 { 0 } else { unit_end[place - 1] };
            let found = compare(kernel, &units[begin..unit_end[place]], &unit_names, &reference, &rules);
            let id = book.accounts().get(first + place);
            lines.extend(found.iter().map(|mismatch| format!("{id} {mismatch}")));
            margins.push(reference);
        }
        (margins, lines)
    };
    let (margins, lines): (Vec<_>, Vec<_>) = (0..ACCOUNTS / CHUNK).into_par_iter().map(of_chunk).unzip();
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    assert!(lines.is_empty(), "{set:?}: {} mismatches\n{}", lines.len(), lines[..SHOWN.min(lines.len())].join("\n"));
    let margins: Vec<Margin> = margins.into_iter().flatten().collect();
    assert_eq!(margins.len(), ACCOUNTS);
    margins
}

/// How many accounts or units reach each part of the model: agreement on what nobody holds would show nothing.
fn reached(margins: &[Margin]) -> BTreeMap<&'static str, usize> {
    let mut seen = BTreeMap::new();
    let mut saw = |part, is: bool| *seen.entry(part).or_insert(0) += usize::from(is);
    for margin in margins {
        saw(margin.status.name(), true);
        saw("im_deficit", margin.im_deficit);
        saw("borrowing", margin.borrow_mmr > 0.0);
        saw("hedging saves", margin.mmr < margin.mmr_no_hedge);
        for unit in &margin.units {
            let parts = &unit.parts;
            let stressed = unit.mmr > parts.mr7;
            saw("mr1 binds", stressed && parts.mr1 > parts.mr2.max(parts.mr6));
            saw("mr6 binds", stressed && parts.mr6 > parts.mr1.max(parts.mr2));
            saw("mr7 binds", !stressed && unit.mmr > 0.0);
            saw("mr2", parts.mr2 > 0.0);
            saw("mr3", parts.mr3 > 0.0);
            saw("mr4", parts.mr4 > 0.0);
            saw("mr5", parts.mr5 > 0.0);
            saw("mr9", parts.mr9 > 0.0);
            saw("spot long", unit.spot_in_use > 0.0);
            saw("spot short", unit.spot_in_use < 0.0);
            saw("options", unit.has_options);
        }
    }
    seen
}

#[test]
fn kernel_and_reference_agree_on_a_generated_book() {
    let snapshot = book();
    for (set, absent) in [
        (&["risk_unit=separate", "liquidation_fee.derivatives=0.0005"] as &[&str], &["mr9"] as &[&str]),
        (&["risk_unit=merged", "rate=0.03"], &[]),
    ] {
        let seen = reached(&agree(&snapshot, set));
        for (part, &count) in &seen {
            assert_eq!(count == 0, absent.contains(part), "{part}: {count} under {set:?}");
        }
        assert!(seen.contains_key("no_risk") && seen.contains_key("liquidation"), "{seen:?}");
    }
}
