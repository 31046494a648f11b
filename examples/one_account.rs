//! One account built by hand, in the market of a snapshot: `cargo run --example one_account`.
//!
//! The account is long two swaps; then it is margined again with twice as much of the first.

use remargin::book::{Book, BookBuilder};
use remargin::engine::{chunk, price};
use remargin::margin::AccountMargin;
use remargin::margin::priced::PricedMarket;
use remargin::margin::rules::SpotOffset;
use remargin::market::Market;
use remargin::snapshot::{self, LoadOptions};
use remargin::{Error, explain, rules};
use std::path::Path;

/// An account with 20,000 USDT and these contracts of two swaps.
fn book(market: &Market, bitcoin: f64, ether: f64) -> Result<Book, Error> {
    let instrument = |id| market.instruments.iter().position(|one| one.inst_id == id).expect("the market has it");
    let usdt = market.currencies.iter().position(|one| one.name == "USDT").expect("the market has it");
    let swaps = [instrument("BTC-USDT-SWAP") as u32, instrument("ETH-USDT-SWAP") as u32];

    let mut builder = BookBuilder::default();
    builder.positions(&swaps, &[bitcoin, ether], &[75_000.0, 2_300.0]);
    builder.balances([Some(usdt as u32)].into_iter(), &[20_000.0], &[0.0], &[f64::INFINITY], &[]);
    builder.finish_account("by hand", SpotOffset::None);
    builder.build()
}

fn margin(priced: &PricedMarket, book: &Book) -> Result<AccountMargin, Error> {
    Ok(chunk(priced, book, 0..1)?.accounts[0])
}

fn main() -> Result<(), Error> {
    let rules = rules::load(None, &[])?;
    let snapshot = snapshot::load(Path::new("data/sample"), &LoadOptions::of(&rules.rules))?;
    let priced = price(&snapshot.market, &rules.rules);

    let small = margin(&priced, &book(&snapshot.market, 10.0, 1.0)?)?;
    let large = book(&snapshot.market, 20.0, 1.0)?;
    println!("{}", explain::explain_account(&snapshot.market, &large, &priced, 0)?.to_text());
    let large = margin(&priced, &large)?;
    println!("MMR {:.2} USD with 10 contracts, {:.2} USD with 20", small.mmr, large.mmr);
    assert!(large.mmr > small.mmr && small.mmr > 0.0);

    // A book is valid or it is not made.
    let mut broken = BookBuilder::default();
    broken.finish_account_of("told too much", SpotOffset::None, 1, 0);
    let error = broken.build().expect_err("one position was told, none came");
    println!("{error}");
    Ok(())
}
