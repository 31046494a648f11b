//! Many accounts: the instrument x scenario table once per market, then one pass over the accounts, in parallel and
//! in order.

mod executor;

pub use executor::in_order;

use crate::Result;
use crate::book::Book;
use crate::margin::priced::PricedMarket;
use crate::margin::rules::Rules;
use crate::margin::{AccountMargin, UnitMargin};
use crate::market::Market;
use std::ops::Range;

/// The margins of consecutive accounts.
///
/// ```text
/// accounts    first_account + 0   + 1   + 2
/// unit_end    2                   2     5      account i owns units unit_end[i - 1]..unit_end[i]
/// units       [u u                      u u u]
/// ```
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// Index of the first account in the book.
    pub first_account: usize,
    /// One entry an account.
    pub accounts: Vec<AccountMargin>,
    /// End of each account's units.
    pub unit_end: Vec<usize>,
    /// Risk units, in order of account and byte order of the unit's name.
    pub units: Vec<UnitMargin>,
}

/// Prices every instrument in every scenario of the rules.
#[must_use]
pub fn price(market: &Market, rules: &Rules) -> PricedMarket {
    let _ = (market, rules);
    todo!()
}

/// The margins of `accounts`, a range of the book.
///
/// # Errors
/// [`crate::Error::Runtime`] naming the account if a figure is not finite, which bounded inputs do not bring about.
pub fn chunk(priced: &PricedMarket, book: &Book, accounts: Range<usize>) -> Result<Chunk> {
    let _ = (priced, book, accounts);
    todo!()
}
