//! What a market and its scenarios take in memory beside the accounts, by what was seen to be resident.

use crate::Result;
use crate::engine::OpenBook;
use crate::market::Market;
use crate::memory::Need;
use std::collections::BTreeSet;

/// Bytes of a priced table for each instrument, and beside them.
const PRICED_INSTRUMENT: u64 = 400;
const PRICED_TABLE: u64 = 1 << 16;
/// Bytes of an instrument in the tables that are read and in the market that they become.
const INSTRUMENT: u64 = 1_200;
/// Bytes of a currency, of an underlying and of a risk unit in a market and its priced table.
const CURRENCY: u64 = 400;
const UNDERLYING: u64 = 200;
const UNIT: u64 = 400;
/// Bytes of the sums of a risk unit that a piece at work holds.
const UNIT_SUMS: u64 = 400;
/// Bytes in which a thread margins accounts in one scenario: beside risk units and currencies, and for each of them.
const SCENARIO: u64 = 32 << 10;
const SCENARIO_UNIT: u64 = 700;
const SCENARIO_CURRENCY: u64 = 64;
/// A scenario is in what every piece needs.
const USUAL_PIECE: u64 = 2 << 20;

/// Bytes of the priced table of a scenario.
#[must_use]
pub(crate) fn priced_bytes(market: &Market) -> u64 {
    market.instruments.len() as u64 * PRICED_INSTRUMENT + PRICED_TABLE
}

/// What a command needs that computes a market in so many scenarios at once.
#[must_use]
pub(crate) fn with_market(need: Need, market: &Market, scenarios: usize) -> Need {
    let underlyings = market.underlyings.len() as u64;
    let held: BTreeSet<u32> = market.instruments.iter().map(|instrument| instrument.underlying).collect();
    let (units, currencies, scenarios) = (held.len() as u64, market.currencies.len() as u64, scenarios as u64);
    let table = priced_bytes(market) + u64::midpoint(currencies * CURRENCY, units * UNIT);
    let own =
        market.instruments.len() as u64 * INSTRUMENT + currencies * CURRENCY + underlyings * UNDERLYING + units * UNIT;
    let kept = own.saturating_add(table.saturating_mul(scenarios)).saturating_sub(need.usual_market());
    let of_scenario = SCENARIO + units * SCENARIO_UNIT + currencies * SCENARIO_CURRENCY;
    let piece = (units * UNIT_SUMS).saturating_add(of_scenario.saturating_mul(scenarios)).saturating_sub(USUAL_PIECE);
    Need { each: need.each.saturating_add(piece), ..need.keeping(kept) }
}

/// Tells a book what a market takes that is computed in so many scenarios at once, beside what the command needs.
///
/// # Errors
/// [`crate::Error::Memory`] if the market is why the limit does not suffice; `hint` says what to do about scenarios.
pub fn bear(book: &mut OpenBook, need: Need, scenarios: usize, hint: &str) -> Result<()> {
    let plain = need.of_rows(book.rows());
    book.need(with_market(plain, book.market(), scenarios));
    let (limit, need, threads) = (book.memory().limit, book.memory().need, rayon::current_num_threads());
    // If it is too small for any market, the book says so.
    if limit.bears(threads, need) || !limit.bears(threads, plain) {
        return Ok(());
    }
    let (instruments, currencies) = (book.market().instruments.len(), book.market().currencies.len());
    let market = format!("a market of {instruments} instruments and {currencies} currencies");
    let what = match scenarios {
        0..=1 => format!("{market} is too large"),
        _ => format!("it must hold {market} in {scenarios} scenarios at once{hint}"),
    };
    Err(limit.exceeded(&what, 0, threads, need))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::market::Currency;

    #[test]
    fn a_usual_market_needs_nothing_more() {
        let market = fixture::snapshot(3).market;
        assert_eq!(with_market(Need::ROWS, &market, 1), Need::ROWS);
        let many = with_market(Need::ROWS, &market, 20_000);
        assert!(many.kept > 1 << 30 && many.each > 1 << 28, "{many:?}");
        let mut wide = market.clone();
        let currency = Currency { name: "X".to_owned(), fx: Some(1.0) };
        wide.currencies.resize(100_000, currency);
        assert!(with_market(Need::ROWS, &wide, 1).kept > 32 << 20);
    }
}
