//! A price scenario of one's own, over a whole book: `cargo run --example add_scenario`.
//!
//! BTC falls by 30 % and its volatilities rise by half, every other coin falls by 40 %, USDT by 1 %.

use remargin::engine::{chunk, price};
use remargin::market::scenario::{EVERY_COIN, Scenario, Shock, apply};
use remargin::snapshot::{self, LoadOptions};
use remargin::{Error, rules};
use std::path::Path;

fn main() -> Result<(), Error> {
    let rules = rules::load(None, &[])?.rules;
    let snapshot = snapshot::load(Path::new("data/sample"), &LoadOptions::of(&rules))?;
    let scenario = Scenario {
        name: "own".to_owned(),
        shocks: vec![
            Shock { base: "BTC".to_owned(), price: Some(-0.3), vol: Some(0.5) },
            Shock { base: EVERY_COIN.to_owned(), price: Some(-0.4), vol: None },
        ],
        fx: vec![("USDT".to_owned(), -0.01)],
        days: 0.0,
        weight: None,
    };
    scenario.check(&snapshot.market)?;

    let mut equity = Vec::new();
    for scenario in [Scenario::base(), scenario] {
        // The book fits the moved market as it is: instruments keep their numbers.
        let market = apply(&snapshot.market, &scenario, rules.rate)?;
        let margins = chunk(&price(&market, &rules), &snapshot.book, 0..snapshot.book.len())?;
        let total: f64 = margins.accounts.iter().map(|account| account.total_eq).sum();
        let short = margins.accounts.iter().filter(|account| account.im_deficit).count();
        println!("{:<5} equity {total:>16.0} USD, {short} accounts below their initial margin", scenario.name);
        equity.push(total);
    }
    assert!(equity[0] != equity[1]);
    Ok(())
}
