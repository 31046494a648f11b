//! A book made account by account, in order of their ids.

use super::grouping::GroupsMade;
use super::{Book, broken};
use crate::Result;
use crate::margin::account::Order;
use crate::margin::rules::SpotOffset;

/// A [`Book`] in the making. Accounts come in byte order of their ids, the rows of each before its
/// [`BookBuilder::finish_account`], or at any time before the book is built if their number is told to
/// [`BookBuilder::finish_account_of`].
#[derive(Debug)]
pub struct BookBuilder(Book, Vec<GroupsMade>);

impl Default for BookBuilder {
    fn default() -> Self {
        Self::with_capacity(0, 0, 0)
    }
}

impl BookBuilder {
    /// An empty book with room for so many accounts and rows.
    #[must_use]
    pub fn with_capacity(accounts: usize, positions: usize, balances: usize) -> Self {
        let mut book = Book::default();
        book.accounts.reserve(accounts);
        book.spot_offset.reserve_exact(accounts);
        book.order_start.reserve_exact(accounts + 1);
        book.position_start.reserve_exact(accounts + 1);
        book.balance_start.reserve_exact(accounts + 1);
        book.instrument.reserve_exact(positions);
        book.qty.reserve_exact(positions);
        book.avg_px.reserve_exact(positions);
        book.ccy.reserve_exact(balances);
        book.cash.reserve_exact(balances);
        book.interest.reserve_exact(balances);
        book.spot_in_use_cap.reserve_exact(balances);
        book.order_start.push(0);
        Self(book, Vec::new())
    }

    /// Positions of the account at hand: indices of instruments, signed contracts, average entry prices.
    pub fn positions(&mut self, instrument: &[u32], qty: &[f64], avg_px: &[f64]) {
        self.0.instrument.extend_from_slice(instrument);
        self.0.qty.extend_from_slice(qty);
        self.0.avg_px.extend_from_slice(avg_px);
    }

    /// Balances of the account at hand, each of another currency; those without a currency are left out. `restricted`
    /// tells which may not back new orders; it may be empty, if all may.
    pub fn balances(
        &mut self,
        ccy: impl Iterator<Item = Option<u32>> + Clone,
        cash: &[f64],
        interest: &[f64],
        spot_in_use_cap: &[f64],
        restricted: &[bool],
    ) {
        let before = self.0.ccy.len();
        self.0.ccy.extend(ccy.clone().flatten());
        if restricted.contains(&true) {
            self.0.restricted.resize(before, false);
            let rows = ccy.clone().zip(restricted).filter(|(ccy, _)| ccy.is_some());
            self.0.restricted.extend(rows.map(|(_, &restricted)| restricted));
        }
        if self.0.ccy.len() - before == cash.len() {
            self.0.cash.extend_from_slice(cash);
            self.0.interest.extend_from_slice(interest);
            self.0.spot_in_use_cap.extend_from_slice(spot_in_use_cap);
            return;
        }
        // Columns that are too short are found when the book is built.
        let rows = cash.iter().zip(interest).zip(spot_in_use_cap);
        for ((&cash, &interest), &cap) in ccy.zip(rows).filter(|(ccy, _)| ccy.is_some()).map(|(_, row)| row) {
            self.0.cash.push(cash);
            self.0.interest.push(interest);
            self.0.spot_in_use_cap.push(cap);
        }
    }

    /// The taker fee of the account at hand, a share; without one that of the rules holds.
    pub fn fee_rate(&mut self, rate: Option<f64>) {
        if let Some(rate) = rate {
            self.0.fee_rate.resize(self.0.accounts.len(), f64::NAN);
            self.0.fee_rate.push(rate);
        }
    }

    /// The groups of the account at hand, one for each grouping; the same number for each account.
    pub fn groups<'g>(&mut self, names: impl IntoIterator<Item = &'g str>) {
        for (place, name) in names.into_iter().enumerate() {
            let number = self.group_number(place, name);
            self.group(place, number);
        }
    }

    /// The number of a group in this book, of the grouping at `place`.
    pub(crate) fn group_number(&mut self, place: usize, name: &str) -> u32 {
        self.1.resize_with(self.1.len().max(place + 1), GroupsMade::default);
        self.1[place].number(name)
    }

    /// The group of the account at hand in the grouping at `place`, by its [`BookBuilder::group_number`].
    pub(crate) fn group(&mut self, place: usize, number: u32) {
        self.1[place].push(number);
    }

    /// The groups of an account of another book become those of the account at hand.
    pub fn copy_groups(&mut self, book: &Book, account: usize) {
        self.groups(book.groups.iter().map(|groups| groups.name(account)));
    }

    /// Pending orders of the account at hand.
    pub fn orders(&mut self, orders: &[Order]) {
        self.0.orders.extend_from_slice(orders);
    }

    /// Ends the account at hand.
    pub fn finish_account(&mut self, id: &str, spot_offset: SpotOffset) {
        let last = |starts: &[usize]| starts.last().copied().unwrap_or(0);
        let positions = self.0.instrument.len().saturating_sub(last(&self.0.position_start));
        let balances = self.0.ccy.len().saturating_sub(last(&self.0.balance_start));
        self.finish_account_of(id, spot_offset, positions, balances);
    }

    /// Ends the account at hand, which has so many positions and balances.
    pub fn finish_account_of(&mut self, id: &str, spot_offset: SpotOffset, positions: usize, balances: usize) {
        let end = |starts: &[usize], rows: usize| starts.last().copied().unwrap_or(0).saturating_add(rows);
        self.0.accounts.push(id);
        self.0.spot_offset.push(spot_offset);
        self.0.position_start.push(end(&self.0.position_start, positions));
        self.0.balance_start.push(end(&self.0.balance_start, balances));
        self.0.order_start.push(self.0.orders.len());
    }

    /// Adds an account of another book over the same market.
    pub fn copy_account(&mut self, book: &Book, account: usize) {
        let rows = book.position_start[account]..book.position_start[account + 1];
        self.positions(&book.instrument[rows.clone()], &book.qty[rows.clone()], &book.avg_px[rows]);
        let rows = book.balance_start[account]..book.balance_start[account + 1];
        self.balances(
            book.ccy[rows.clone()].iter().copied().map(Some),
            &book.cash[rows.clone()],
            &book.interest[rows.clone()],
            &book.spot_in_use_cap[rows.clone()],
            book.restricted.get(rows).unwrap_or(&[]),
        );
        self.fee_rate(book.fee_rate(account));
        self.orders(book.orders_of(account));
        self.copy_groups(book, account);
        self.finish_account(book.accounts().get(account), book.spot_offset[account]);
    }

    /// Adds all accounts of another book over the same market.
    pub fn append(&mut self, book: &Book) {
        let all = &mut self.0;
        // Without orders the book does not say where those of an account start.
        let no_orders = vec![0; book.len() + 1];
        let order_start = if book.orders.is_empty() { &no_orders } else { &book.order_start };
        let later = |starts: &mut Vec<usize>, more: &[usize]| {
            let end = starts.last().copied().unwrap_or(0);
            starts.extend(more.iter().skip(1).map(|start| end + start));
        };
        if !book.fee_rate.is_empty() {
            all.fee_rate.resize(all.accounts.len(), f64::NAN);
            all.fee_rate.extend_from_slice(&book.fee_rate);
        }
        if !book.restricted.is_empty() {
            all.restricted.resize(all.ccy.len(), false);
            all.restricted.extend_from_slice(&book.restricted);
        }
        for id in book.accounts.iter() {
            all.accounts.push(id);
        }
        if !book.is_empty() {
            self.1.resize_with(self.1.len().max(book.groups.len()), GroupsMade::default);
            self.1.iter_mut().zip(&book.groups).for_each(|(made, groups)| made.append(groups));
        }
        all.spot_offset.extend_from_slice(&book.spot_offset);
        later(&mut all.position_start, &book.position_start);
        later(&mut all.balance_start, &book.balance_start);
        later(&mut all.order_start, order_start);
        all.instrument.extend_from_slice(&book.instrument);
        all.qty.extend_from_slice(&book.qty);
        all.avg_px.extend_from_slice(&book.avg_px);
        all.ccy.extend_from_slice(&book.ccy);
        all.cash.extend_from_slice(&book.cash);
        all.interest.extend_from_slice(&book.interest);
        all.spot_in_use_cap.extend_from_slice(&book.spot_in_use_cap);
        all.orders.extend_from_slice(&book.orders);
    }

    /// The book, its rows in canonical order.
    ///
    /// # Errors
    /// If other numbers of rows came than were announced, if accounts are not in byte order of their ids or one comes
    /// twice, if an account has a currency twice, if some accounts have groups and others none, or if a number is not
    /// finite.
    pub fn build(self) -> Result<Book> {
        let Self(mut book, groups) = self;
        if let Some(made) = groups.iter().find(|made| made.len() != book.accounts.len()) {
            return Err(broken(format!("{} accounts of {} have a group", made.len(), book.accounts.len())));
        }
        book.groups = groups.into_iter().map(GroupsMade::build).collect();
        if !book.fee_rate.is_empty() {
            book.fee_rate.resize(book.accounts.len(), f64::NAN);
        }
        if !book.restricted.is_empty() {
            book.restricted.resize(book.ccy.len(), false);
        }
        book.check_lengths()?;
        book.sort_each_account();
        book.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_follow_one_another() {
        let order = Order { traded: crate::margin::account::Traded::Contract(1), qty: 1.0, px: 2.0 };
        let account = |builder: &mut BookBuilder, id: &str, orders: &[Order]| {
            builder.positions(&[1, 2], &[3.0, 4.0], &[5.0, 6.0]);
            builder.balances([Some(7)].into_iter(), &[8.0], &[0.0], &[f64::INFINITY], &[id == "b"]);
            builder.fee_rate((id == "b").then_some(0.5));
            builder.orders(orders);
            builder.finish_account(id, SpotOffset::Usdt);
        };
        let book = |accounts: &[(&str, &[Order])]| {
            let mut builder = BookBuilder::default();
            for (id, orders) in accounts {
                account(&mut builder, id, orders);
            }
            builder.build().unwrap()
        };
        let mut builder = BookBuilder::default();
        builder.append(&book(&[("a", &[])]));
        builder.append(&book(&[]));
        builder.append(&book(&[("b", &[order]), ("c", &[])]));
        let built = builder.build().unwrap();
        assert_eq!(format!("{built:?}"), format!("{:?}", book(&[("a", &[]), ("b", &[order]), ("c", &[])])));
        assert_eq!(built.restricted, [false, true, false]);
        assert_eq!([0, 1, 2].map(|account| built.fee_rate(account)), [None, Some(0.5), None]);
    }

    #[test]
    fn groups_follow_one_another() {
        let book = |accounts: &[(&str, [&str; 2])]| {
            let mut builder = BookBuilder::default();
            for (id, groups) in accounts {
                builder.groups(*groups);
                builder.finish_account(id, SpotOffset::Usdt);
            }
            builder.build().unwrap()
        };
        let (first, second) = (book(&[("a", ["x", "1"]), ("b", ["y", "1"])]), book(&[("c", ["y", "2"])]));
        let mut builder = BookBuilder::default();
        for part in [&first, &Book::default(), &second] {
            builder.append(part);
        }
        builder.copy_account(&book(&[("d", ["x", "2"])]), 0);
        let built = builder.build().unwrap();
        let names = |groups: usize| [0, 1, 2, 3].map(|account| built.groups()[groups].name(account));
        assert_eq!((names(0), names(1)), (["x", "y", "y", "x"], ["1", "1", "2", "2"]));
        assert_eq!(built.groups()[0].names().iter().collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn rows_may_come_after_their_accounts_and_without_a_currency_not_at_all() {
        let mut builder = BookBuilder::default();
        builder.finish_account_of("a", SpotOffset::Usdt, 1, 2);
        builder.finish_account_of("b", SpotOffset::Usdt, 2, 1);
        builder.positions(&[7, 5, 6], &[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]);
        let ccy = [Some(3), None, Some(4), None, Some(2)];
        let numbers = |scale: f64| [1.0, 2.0, 3.0, 4.0, 5.0].map(|number| number * scale);
        builder.balances(
            ccy.into_iter(),
            &numbers(1.0),
            &numbers(0.1),
            &numbers(10.0),
            &[true, true, false, false, true],
        );
        let book = builder.build().unwrap();
        assert_eq!((book.position_start, book.instrument), (vec![0, 1, 3], vec![7, 5, 6]));
        assert_eq!((book.balance_start, book.ccy), (vec![0, 2, 3], vec![3, 4, 2]));
        assert_eq!(book.cash, [1.0, 3.0, 5.0]);
        assert_eq!(book.interest, [1.0, 3.0, 5.0].map(|number| number * 0.1));
        assert_eq!(book.spot_in_use_cap, [10.0, 30.0, 50.0]);
        assert_eq!(book.restricted, [true, false, true]);
    }

    #[test]
    fn what_makes_no_book_is_refused() {
        let built = |enter: &dyn Fn(&mut BookBuilder)| {
            let mut builder = BookBuilder::default();
            enter(&mut builder);
            builder.build().unwrap_err().to_string()
        };
        let balance = |builder: &mut BookBuilder, ccy: &[u32], cash: &[f64]| {
            let zeros = vec![0.0; ccy.len()];
            builder.balances(ccy.iter().copied().map(Some), cash, &zeros, &zeros, &[]);
            builder.finish_account("a", SpotOffset::Usdt);
        };
        let told = built(&|builder| builder.finish_account_of("a", SpotOffset::Usdt, 1, 0));
        assert!(told.contains("1 instruments were announced, 0 came"), "{told}");
        let short = built(&|builder| {
            builder.positions(&[1, 2], &[1.0], &[1.0, 2.0]);
            builder.finish_account("a", SpotOffset::Usdt);
        });
        assert!(short.contains("2 quantities were announced, 1 came"), "{short}");
        for (first, second) in [("b", "a"), ("a", "a")] {
            let order = built(&|builder| {
                builder.finish_account(first, SpotOffset::Usdt);
                builder.finish_account(second, SpotOffset::Usdt);
            });
            assert!(order.contains("account `a` is not in byte order, or there twice"), "{order}");
        }
        let twice = built(&|builder| balance(builder, &[3, 1, 3], &[1.0, 2.0, 3.0]));
        assert!(twice.contains("account `a` has a currency twice"), "{twice}");
        let some = built(&|builder| {
            builder.groups(["x"]);
            builder.finish_account("a", SpotOffset::Usdt);
            builder.finish_account("b", SpotOffset::Usdt);
        });
        assert!(some.contains("1 accounts of 2 have a group"), "{some}");
        let nan = built(&|builder| balance(builder, &[3], &[f64::NAN]));
        assert!(nan.contains("a number is not finite"), "{nan}");
    }
}
