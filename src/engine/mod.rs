//! Many accounts: the instrument x scenario table once per market, then one pass over the accounts, in parallel and
//! in order.

mod executor;
pub mod lanes;
mod pair;
mod price;

pub use executor::{Memory, OpenBook};
pub use pair::{Pair, side_by_side};
pub use price::{price, reprice};

use crate::book::Book;
use crate::margin::account::Account;
use crate::margin::priced::PricedMarket;
use crate::margin::requirement::{Workspace, evaluate};
use crate::margin::{AccountMargin, UnitMargin};
use crate::{Error, Result};
use std::ops::Range;

/// Accounts of one piece, which is one task and one Parquet row group of `accounts` and of `risk_units`. Accounts that
/// are left out count.
///
/// Fixed, so that files do not depend on threads. With ten positions an account a piece is about ten megabytes
/// encoded: small enough that the pieces in flight stay below a hundred, large enough that readers do not mind.
pub const CHUNK_ACCOUNTS: usize = 16_384;

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

/// Each account of a chunk, by its place there, with its units.
pub fn units_by_account(chunk: &Chunk) -> impl Iterator<Item = (usize, &[UnitMargin])> + Clone {
    chunk.unit_end.iter().enumerate().map(|(account, &end)| {
        let start = if account == 0 { 0 } else { chunk.unit_end[account - 1] };
        (account, &chunk.units[start..end])
    })
}

/// The rows of one account of the book.
#[must_use]
pub fn account_of(book: &Book, account: usize) -> Account<'_> {
    let positions = book.position_start()[account]..book.position_start()[account + 1];
    let balances = book.balance_start()[account]..book.balance_start()[account + 1];
    Account {
        spot_offset: book.spot_offset()[account],
        instrument: &book.instrument()[positions.clone()],
        qty: &book.qty()[positions.clone()],
        avg_px: &book.avg_px()[positions],
        ccy: &book.ccy()[balances.clone()],
        cash: &book.cash()[balances.clone()],
        interest: &book.interest()[balances.clone()],
        spot_in_use_cap: &book.spot_in_use_cap()[balances.clone()],
        restricted: book.restricted().get(balances).unwrap_or(&[]),
        fee_rate: book.fee_rate(account),
        orders: book.orders_of(account),
    }
}

/// What is said of an account with a figure that is not finite.
#[cold]
pub(crate) fn not_finite(book: &Book, account: usize) -> Error {
    let id = book.accounts().get(account);
    Error::Runtime(format!("account `{id}`: a figure is not finite; nothing was written"))
}

/// The margins of `accounts`, a range of the book.
///
/// ```
/// use remargin::engine::{chunk, price};
/// # use remargin::snapshot::{self, LoadOptions};
/// # use remargin::rules;
/// # use std::path::Path;
/// let rules = rules::load(None, &[])?;
/// let snapshot = snapshot::load(Path::new("data/sample"), &LoadOptions::of(&rules.rules))?;
/// let priced = price(&snapshot.market, &rules.rules);
/// let margins = chunk(&priced, &snapshot.book, 0..10)?;
/// assert_eq!((margins.accounts.len(), margins.unit_end.len()), (10, 10));
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// [`Error::Runtime`] naming the account if a figure is not finite, which bounded inputs do not bring about, or if the
/// book is of another market. The range must be one of accounts of the book.
pub fn chunk(priced: &PricedMarket, book: &Book, accounts: Range<usize>) -> Result<Chunk> {
    chunk_with(priced, book, accounts, |_, _, _| ())
}

/// As [`chunk`]; `observe` sees each account with its intermediate results and its units.
///
/// # Errors
/// Those of [`chunk`].
pub fn chunk_with(
    priced: &PricedMarket,
    book: &Book,
    accounts: Range<usize>,
    observe: impl FnMut(&Account, &Workspace, &[UnitMargin]),
) -> Result<Chunk> {
    let mut chunk = Chunk::default();
    chunk.fill(&mut Workspace::new(priced), priced, book, accounts, observe)?;
    Ok(chunk)
}

impl Chunk {
    /// Becomes [`chunk_with`] of `accounts`. Its memory and `work`, which is for the market, are used again.
    ///
    /// # Errors
    /// Those of [`chunk`].
    pub fn fill(
        &mut self,
        work: &mut Workspace,
        priced: &PricedMarket,
        book: &Book,
        accounts: Range<usize>,
        mut observe: impl FnMut(&Account, &Workspace, &[UnitMargin]),
    ) -> Result<()> {
        if !book.fits(priced.contracts.len(), priced.currencies.len()) {
            return Err(Error::Runtime("the book is of a market with more instruments or currencies".to_owned()));
        }
        self.first_account = accounts.start;
        self.accounts.clear();
        self.unit_end.clear();
        self.units.clear();
        self.accounts.reserve_exact(accounts.len());
        self.unit_end.reserve_exact(accounts.len());
        // An account has no more units than positions.
        self.units.reserve(book.position_start()[accounts.end] - book.position_start()[accounts.start]);
        for account in accounts {
            let (rows, first_unit) = (account_of(book, account), self.units.len());
            let margin = evaluate(priced, &rows, work, &mut self.units).map_err(|_| not_finite(book, account))?;
            observe(&rows, work, &self.units[first_unit..]);
            self.accounts.push(margin);
            self.unit_end.push(self.units.len());
        }
        Ok(())
    }
}
