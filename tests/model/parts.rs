//! Parts of the model alone, on their edges: words, Greeks at expiry, tier tables.

use remargin::margin::black76::{Greeks, Terms};
use remargin::margin::rules::{Class, SettleGroup, SpotOffset};
use remargin::margin::tiers::{BorrowTiers, Tiers};
use remargin::margin::{Status, VolState};

/// The words of tables and rules files, which readers elsewhere rely on.
#[test]
fn words_of_tables_and_rules() {
    assert_eq!(VolState::ALL.map(VolState::name), ["up", "same", "down"]);
    assert_eq!(Status::ALL.map(Status::name), ["liquidation", "near_liquidation", "warning", "healthy", "no_risk"]);
    assert_eq!(Class::ALL.map(Class::name), ["major", "middle", "other"]);
    assert_eq!(SettleGroup::ALL.map(SettleGroup::name), ["USDT", "USDC", "USD"]);
    assert_eq!(
        ["USDT", "USDC", "USD", "BTC"].map(SettleGroup::of),
        [SettleGroup::Usdt, SettleGroup::Usdc, SettleGroup::Usd, SettleGroup::Usd]
    );
    assert_eq!(SpotOffset::ALL.map(SpotOffset::name), ["usdt", "usdc", "coin", "none"]);
    assert_eq!(SpotOffset::ALL.map(SpotOffset::quote), [Some("USDT"), Some("USDC"), Some("USD"), None]);
    for mode in SpotOffset::ALL {
        assert_eq!(SpotOffset::from_name(mode.name()), Some(mode));
    }
    assert_eq!(SpotOffset::from_name("USDT"), None);
}

/// At expiry the delta is that of the payoff; at the strike the option is not in the money.
#[test]
fn greeks_at_expiry() {
    let terms = Terms { forward: 100.0, strike: 100.0, vol: 0.5, years: 0.0, rate: 0.0, call: true };
    for (call, strike, delta) in [
        (true, 99.0, 1.0),
        (true, 100.0, 0.0),
        (true, 101.0, 0.0),
        (false, 99.0, 0.0),
        (false, 100.0, 0.0),
        (false, 101.0, -1.0),
    ] {
        let expected = Greeks { delta, gamma: 0.0, vega: 0.0 };
        assert_eq!(Terms { call, strike, ..terms }.greeks(), expected, "{call} {strike}");
    }
}

#[test]
fn tier_tables_keep_their_rows_and_refuse_broken_ones() {
    let rows = vec![(1.0, 0.5), (2.0, 0.0), (f64::INFINITY, 0.25)];
    assert_eq!(Tiers::new(rows.clone()).unwrap().rows(), rows);
    let rows = vec![(1.0, 0.5, 0.75), (f64::INFINITY, 0.0, 0.0)];
    assert_eq!(BorrowTiers::new(rows.clone()).unwrap().rows(), rows);
    let inf = f64::INFINITY;
    for (bounds, word) in [
        (vec![0.0, inf], "greater"),
        (vec![-1.0, inf], "greater"),
        (vec![1.0, 1.0, inf], "greater"),
        (vec![f64::NAN, inf], "greater"),
        (vec![1.0, 2.0], "inf"),
        (vec![], "inf"),
    ] {
        let told = Tiers::new(bounds.iter().map(|&bound| (bound, 0.5)).collect()).unwrap_err();
        assert!(told.contains(word), "{bounds:?}: {told}");
        let told = BorrowTiers::new(bounds.iter().map(|&bound| (bound, 0.5, 0.5)).collect()).unwrap_err();
        assert!(told.contains(word), "{bounds:?}: {told}");
    }
    for bad in [-0.1, inf, f64::NAN] {
        assert!(Tiers::new(vec![(inf, bad)]).unwrap_err().contains("rate"), "{bad}");
        assert!(BorrowTiers::new(vec![(inf, bad, 0.5)]).unwrap_err().contains("rates"), "{bad}");
        assert!(BorrowTiers::new(vec![(inf, 0.5, bad)]).unwrap_err().contains("rates"), "{bad}");
    }
}
