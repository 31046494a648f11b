//! The accounts that will be looked at once more, gathered into a small book while the large one goes by in pieces.

use super::at_risk::AtRisk;
use crate::Result;
use crate::book::{Book, BookBuilder};
use crate::request::DistanceScope;

/// The accounts of a piece that are wanted afterwards, as a book; `at_risk` refers to it from now on. Their rows come
/// with them only if distances will be searched.
pub(crate) fn flag(book: &Book, whose: DistanceScope, at_risk: &mut [AtRisk]) -> Result<Book> {
    let mut builder = BookBuilder::default();
    let accounts: Vec<usize> = match whose {
        DistanceScope::All => (0..book.len()).collect(),
        DistanceScope::AtRisk | DistanceScope::None => {
            let mut accounts: Vec<usize> = at_risk.iter().map(|row| row.account).collect();
            accounts.sort_unstable();
            accounts.dedup();
            accounts
        }
    };
    for &account in &accounts {
        if whose == DistanceScope::None {
            builder.copy_groups(book, account);
            builder.finish_account(book.accounts().get(account), book.spot_offset()[account]);
        } else {
            builder.copy_account(book, account);
        }
    }
    for row in at_risk {
        row.account = accounts.partition_point(|&account| account < row.account);
    }
    builder.build()
}

/// What [`flag`] found in all pieces.
#[derive(Default)]
pub(crate) struct Flagged {
    book: BookBuilder,
    accounts: usize,
    at_risk: Vec<AtRisk>,
}

impl Flagged {
    /// Adds the next piece's.
    pub fn add(&mut self, book: &Book, at_risk: Vec<AtRisk>) {
        let first = self.accounts;
        self.at_risk.extend(at_risk.into_iter().map(|row| AtRisk { account: first + row.account, ..row }));
        self.book.append(book);
        self.accounts += book.len();
    }

    /// Bytes of what is added, twice: lists are copied when they grow.
    pub fn bytes(book: &Book, at_risk: &[AtRisk]) -> u64 {
        2 * (bytes_of(book) + std::mem::size_of_val(at_risk)) as u64
    }

    /// The book, and the rows at risk that refer to it.
    pub fn build(self) -> Result<(Book, Vec<AtRisk>)> {
        Ok((self.book.build()?, self.at_risk))
    }
}

/// Bytes of a book, its ids included.
pub(crate) fn bytes_of(book: &Book) -> usize {
    let orders: usize = (0..book.len()).map(|account| book.orders_of(account).len()).sum();
    let groups: usize = book.groups().iter().map(|groups| groups.names().bytes() + 4 * book.len()).sum();
    book.instrument().len() * 20 + book.ccy().len() * 28 + orders * 24 + book.len() * 48 + groups
}
