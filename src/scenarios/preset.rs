//! The preset `history-1d`: the daily moves of BTC and ETH since 2017, from the prices that this program carries.

use super::moves_of;
use super::prices::Prices;
use super::request::{FromHistory, Returns};
use crate::Result;
use crate::market::scenario::Scenario;
use crate::progress::Silent;
use crate::source::{Format, Input, Memory, Source};

/// Daily closes and implied volatilities; `data/scenarios/README.md` says where they are from.
const PRICES: &str = include_str!("../../data/scenarios/crypto-daily.csv");

/// One scenario for each day. Coins without a row move as BTC does: the row `*`.
///
/// # Errors
/// Those of [`super::history`], if the prices are damaged, which a test excludes.
pub(crate) fn history_1d() -> Result<Vec<Scenario>> {
    let bytes = Input::of(Memory::new("crypto-daily.csv", PRICES.as_bytes().to_vec()));
    let source = Source { format: Format::Csv, files: vec![bytes], partitions: Vec::new() };
    let from_history =
        FromHistory { returns: Returns::Relative, proxies: vec!["*=BTC:1".parse()?], ..FromHistory::default() };
    let moves = moves_of(&Prices::of_table(&source, &Silent)?, &from_history)?;
    moves.scenarios().map(|marked| marked.map(|marked| marked.scenario)).collect()
}
