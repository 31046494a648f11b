//! A piece of the tables, whole accounts, and the book that it makes: the one place where rows are judged by account.

use super::decode::{NumberedBalances, Rows};
use super::lane::Group;
use super::{Aside, OF_ACCOUNTS, Piece};
use crate::Result;
use crate::book::BookBuilder;
use crate::cells::text::cut;
use crate::margin::rules::SpotOffset;
use crate::snapshot::accounts::Settings;
use crate::snapshot::accounts::attributes::RowGroups;
use crate::snapshot::accounts::orders::Orders;
use crate::snapshot::accounts::positions::Positions;
use crate::snapshot::census::Census;
use crate::snapshot::reject::{Broken, Reason, Reject, Unmargined};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Runs of a table: ranges of row groups.
pub(super) struct Slices<R>(Vec<(Arc<Group<R>>, Range<usize>)>);

impl<R> Default for Slices<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Rows> Slices<R> {
    /// Adds a run.
    pub fn push(&mut self, group: &Arc<Group<R>>, run: usize) {
        match self.0.last_mut() {
            Some((last, range)) if range.end == run && Arc::ptr_eq(last, group) => range.end = run + 1,
            _ => self.0.push((Arc::clone(group), run..run + 1)),
        }
    }

    fn runs(&self) -> impl Iterator<Item = Run<'_, R>> {
        self.0.iter().flat_map(|(group, runs)| runs.clone().map(move |run| Run { group, run }))
    }
}

/// Rows of one account that follow one another in a row group.
struct Run<'a, R> {
    group: &'a Group<R>,
    run: usize,
}

impl<R: Rows> Run<'_, R> {
    fn rows(&self) -> Range<usize> {
        self.group.rows.runs().rows(self.run, self.group.rows.sound())
    }

    /// The sound rows by place and by number in the group, and the broken ones.
    fn split(&self) -> (Vec<(usize, u64)>, &[Broken]) {
        let broken = self.group.broken(self.run);
        let numbers = self.group.row_numbers(self.run);
        let sound = numbers.filter(|row| broken.binary_search_by_key(row, |broken| broken.row).is_err());
        (self.rows().zip(sound).collect(), broken)
    }
}

/// Whole accounts, by the runs of the tables that each has.
#[derive(Default)]
pub(super) struct Ranges {
    pub positions: Slices<Positions>,
    pub balances: Slices<NumberedBalances>,
    pub settings: Slices<Settings>,
    pub orders: Slices<Orders>,
    /// Runs of each account in positions, balances, accounts and orders.
    pub runs: Vec<[u32; 4]>,
}

/// What a piece needs to become a book.
pub(super) struct PieceContext {
    pub default_spot_offset: SpotOffset,
    /// The groups of an account without a row in `accounts`, one for each grouping.
    pub groups_of_none: Vec<String>,
}

/// A piece, built.
pub(super) struct Built {
    pub piece: Piece,
    pub aside: Aside,
    pub census: Census,
}

/// The groups of a part of `accounts`, and the numbers that they have in the book of the piece.
#[derive(Default)]
struct Entered<'a> {
    of: Option<&'a RowGroups>,
    numbers: Vec<Vec<Option<u32>>>,
}

/// One account of a piece.
struct Account<'a> {
    id: &'a str,
    positions: &'a [Run<'a, Positions>],
    balances: &'a [Run<'a, NumberedBalances>],
    settings: &'a [Run<'a, Settings>],
    orders: &'a [Run<'a, Orders>],
}

impl Ranges {
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Number of sound rows of all tables.
    pub fn rows(&self) -> usize {
        self.positions.rows() + self.balances.rows() + self.settings.rows() + self.orders.rows()
    }

    /// The book of the sound accounts, and what is set aside.
    pub fn build(&self, context: &PieceContext) -> Result<Built> {
        let (mut aside, mut census) = (Aside::default(), Census::default());
        let mut builder = BookBuilder::with_capacity(self.len(), self.positions.rows(), self.balances.rows());
        let (positions, balances): (Vec<_>, Vec<_>) = (self.positions.runs().collect(), self.balances.runs().collect());
        let (settings, orders): (Vec<_>, Vec<_>) = (self.settings.runs().collect(), self.orders.runs().collect());
        let (mut next, mut kept, mut undecided) = ([0; 4], 0, Vec::new());
        let (mut pending_positions, mut pending_balances) = (Pending::default(), Pending::default());
        let mut entered = Entered::default();
        for runs in &self.runs {
            let begin = next;
            for (next, runs) in next.iter_mut().zip(runs) {
                *next += *runs as usize;
            }
            let account = Account::new(
                &positions[begin[0]..next[0]],
                &balances[begin[1]..next[1]],
                &settings[begin[2]..next[2]],
                &orders[begin[3]..next[3]],
            );
            let has_positions = !(account.positions.is_empty() && account.orders.is_empty());
            let has_balances = !account.balances.is_empty();
            census.count(account.id, has_positions, has_balances);
            census.odd.count(account.id, !account.settings.is_empty(), has_positions || has_balances);
            let own_mode = account.spot_offset();
            if !(account.is_plainly_sound() || account.judge(&mut aside)) {
                continue;
            }
            for run in account.positions {
                pending_positions.push(run, |group, rows| enter_positions(&mut builder, group, rows));
            }
            for run in account.balances {
                pending_balances.push(run, |group, rows| enter_balances(&mut builder, group, rows));
            }
            for run in account.orders {
                builder.orders(&run.group.rows.order[run.rows()]);
            }
            if own_mode.is_none() {
                undecided.push(kept);
            }
            builder.fee_rate(account.fee_rate());
            if !context.groups_of_none.is_empty() {
                account.enter_groups(&mut builder, &context.groups_of_none, &mut entered);
            }
            kept += 1;
            let mode = own_mode.unwrap_or(context.default_spot_offset);
            builder.finish_account_of(account.id, mode, account.position_rows(), account.balance_rows());
        }
        pending_positions.flush(|group, rows| enter_positions(&mut builder, group, rows));
        pending_balances.flush(|group, rows| enter_balances(&mut builder, group, rows));
        let book = builder.build()?;
        census.odd.look_for_repeated(&book);
        Ok(Built { piece: Piece { first: 0, book, undecided }, aside, census })
    }
}

impl<R: Rows> Slices<R> {
    /// Number of sound rows.
    fn rows(&self) -> usize {
        let count = |(group, runs): &(Arc<Group<R>>, Range<usize>)| {
            let (table, sound) = (group.rows.runs(), group.rows.sound());
            table.rows(runs.end - 1, sound).end - table.rows(runs.start, sound).start
        };
        self.0.iter().map(count).sum()
    }
}

impl<'a> Account<'a> {
    fn new(
        positions: &'a [Run<'a, Positions>],
        balances: &'a [Run<'a, NumberedBalances>],
        settings: &'a [Run<'a, Settings>],
        orders: &'a [Run<'a, Orders>],
    ) -> Self {
        let id = match (positions.first(), balances.first(), settings.first(), orders.first()) {
            (Some(run), ..) => run.group.rows.runs().id(run.run),
            (_, Some(run), ..) => run.group.rows.runs().id(run.run),
            (_, _, Some(run), _) => run.group.rows.runs().id(run.run),
            (.., Some(run)) => run.group.rows.runs().id(run.run),
            _ => "",
        };
        Self { id, positions, balances, settings, orders }
    }

    /// What the table `accounts` says.
    fn spot_offset(&self) -> Option<SpotOffset> {
        let mut rows = self.settings.iter().flat_map(|run| run.rows().map(|row| run.group.rows.offset[row]));
        rows.next().flatten()
    }

    /// Its own taker fee.
    fn fee_rate(&self) -> Option<f64> {
        let mut rows = self.settings.iter().flat_map(|run| run.rows().map(|row| run.group.rows.fee_rate[row]));
        rows.next().flatten()
    }

    /// Its groups; `of_none` are those of an account of which nothing is said.
    fn enter_groups(&self, builder: &mut BookBuilder, of_none: &[String], entered: &mut Entered<'a>) {
        let mut rows = self.settings.iter().flat_map(|run| run.rows().map(|row| (&run.group.rows.groups, row)));
        let Some((groups, row)) = rows.next() else { return builder.groups(of_none.iter().map(String::as_str)) };
        if !entered.of.is_some_and(|of| std::ptr::eq(of, groups)) {
            *entered = Entered { of: Some(groups), numbers: Vec::new() };
        }
        groups.enter(row, builder, &mut entered.numbers);
    }

    /// True if there is nothing to look at: no broken row, no currency twice, none that is unknown.
    fn is_plainly_sound(&self) -> bool {
        let is_unbroken = are_unbroken(self.positions)
            && are_unbroken(self.balances)
            && are_unbroken(self.settings)
            && are_unbroken(self.orders);
        if !is_unbroken || self.settings.iter().map(|run| run.rows().len()).sum::<usize>() > 1 {
            return false;
        }
        // There are no more rows before the first that is unknown or repeated than the market has currencies.
        let held = || self.balances.iter().flat_map(|run| currencies(run.group, run.rows()));
        held().enumerate().all(|(row, ccy)| ccy.is_some() && !held().take(row).any(|other| other == ccy))
    }

    /// Looks at every row. An account with a broken one is set aside whole, and false returned.
    fn judge(&self, aside: &mut Aside) -> bool {
        let tables = [judge_all(self.positions), self.judge_balances(), self.judge_settings(), judge_all(self.orders)];
        let mut broken = Vec::new();
        for (rows, table) in tables.iter().zip(OF_ACCOUNTS) {
            broken.extend(rows.iter().filter_map(|(row, fault)| Some((table, *row, fault.as_ref()?))));
        }
        // The lowest row alone: which of several rows is broken how must not depend on their order.
        let to_blame = broken.iter().min_by_key(|(table, row, fault)| (fault.reason, *table as usize, *row));
        let Some(&(table, row, &Fault { reason, column, ref value })) = to_blame else { return true };
        let blame = format!("{} row {row}: {}", table.name(), reason.code());
        let broken_rows = broken.len() as u64;
        let (account_id, value) = (self.id.to_owned(), value.clone());
        aside.unmargined.push(Unmargined { account_id, reason, broken_rows, table, row, column, value });
        for (table, rows) in tables.into_iter().enumerate() {
            for (row, fault) in rows {
                let counter = if fault.is_some() { &mut aside.broken } else { &mut aside.left_out };
                counter[table] += 1;
                let Fault { reason, column, value } = fault.unwrap_or_else(|| Fault {
                    reason: Reason::AccountUnmargined,
                    column: "account_id",
                    value: blame.clone(),
                });
                let account_id = Some(self.id.to_owned());
                aside.rejects.push(Reject { table: OF_ACCOUNTS[table], row, account_id, reason, column, value });
            }
        }
        false
    }

    /// Rows whose currency stands in another row, sound or broken, are duplicates.
    fn judge_balances(&self) -> Vec<Judged> {
        let name = |run: &Run<'a, NumberedBalances>, ccy: u32| run.group.rows.rows.currencies.ids().get(ccy as usize);
        let mut rows_of: HashMap<&str, usize> = HashMap::new();
        for run in self.balances {
            let table = &run.group.rows.rows;
            let number = run.run as u32;
            let first = table.broken_keys.partition_point(|key| key.0 < number);
            let broken = table.broken_keys[first..].iter().take_while(|key| key.0 == number).map(|key| key.1);
            for ccy in table.ccy[run.rows()].iter().copied().chain(broken) {
                *rows_of.entry(name(run, ccy)).or_default() += 1;
            }
        }
        let mut rows = Vec::new();
        for run in self.balances {
            judge_run(run, &mut rows, |place| {
                let name = name(run, run.group.rows.rows.ccy[place]);
                let is_repeated = rows_of.get(name).is_some_and(|&rows| rows > 1);
                is_repeated.then(|| Fault { reason: Reason::DuplicateBalance, column: "ccy", value: cut(name) })
            });
        }
        rows
    }

    fn judge_settings(&self) -> Vec<Judged> {
        let all: usize =
            self.settings.iter().map(|run| run.rows().len() + named(run.group.broken(run.run)).count()).sum();
        let mut rows = Vec::new();
        for run in self.settings {
            judge_run(run, &mut rows, |_| {
                let (reason, column) = (Reason::DuplicateAccount, "account_id");
                (all > 1).then(|| Fault { reason, column, value: cut(self.id) })
            });
        }
        rows
    }

    fn position_rows(&self) -> usize {
        self.positions.iter().map(|run| run.rows().len()).sum()
    }

    /// A currency that the market does not know has no value; such a row holds nothing.
    fn balance_rows(&self) -> usize {
        let known = |run: &Run<NumberedBalances>| currencies(run.group, run.rows()).flatten().count();
        self.balances.iter().map(known).sum()
    }
}

/// Rows of sound accounts that follow one another in a row group. Accounts are many and small: to copy the rows of each
/// would cost more than to look at them.
struct Pending<'a, R> {
    group: Option<&'a Group<R>>,
    rows: Range<usize>,
}

impl<R> Default for Pending<'_, R> {
    fn default() -> Self {
        Self { group: None, rows: 0..0 }
    }
}

impl<'a, R: Rows> Pending<'a, R> {
    /// Takes the rows of a run; what it held goes to `enter` if they do not follow it.
    fn push(&mut self, run: &Run<'a, R>, enter: impl FnOnce(&'a Group<R>, Range<usize>)) {
        let rows = run.rows();
        if self.rows.end == rows.start && self.group.is_some_and(|group| std::ptr::eq(group, run.group)) {
            self.rows.end = rows.end;
        } else {
            self.flush(enter);
            (self.group, self.rows) = (Some(run.group), rows);
        }
    }

    fn flush(&mut self, enter: impl FnOnce(&'a Group<R>, Range<usize>)) {
        if let Some(group) = self.group.take() {
            enter(group, self.rows.clone());
        }
    }
}

fn enter_positions(builder: &mut BookBuilder, group: &Group<Positions>, rows: Range<usize>) {
    let table = &group.rows;
    builder.positions(&table.instrument[rows.clone()], &table.qty[rows.clone()], &table.avg_px[rows]);
}

fn enter_balances(builder: &mut BookBuilder, group: &Group<NumberedBalances>, rows: Range<usize>) {
    let table = &group.rows.rows;
    builder.balances(
        currencies(group, rows.clone()),
        &table.cash[rows.clone()],
        &table.interest[rows.clone()],
        &table.spot_in_use_cap[rows.clone()],
        table.restricted.get(rows).unwrap_or(&[]),
    );
}

/// Index of the currency of each row in the market, where it is known there.
fn currencies(group: &Group<NumberedBalances>, rows: Range<usize>) -> impl Iterator<Item = Option<u32>> + Clone {
    let NumberedBalances { rows: table, index } = &group.rows;
    table.ccy[rows].iter().map(|&ccy| index[ccy as usize])
}

/// What is wrong with a row.
struct Fault {
    reason: Reason,
    column: &'static str,
    value: String,
}

/// A row by its number, and what is wrong with it.
type Judged = (u64, Option<Fault>);

fn are_unbroken<R: Rows>(runs: &[Run<R>]) -> bool {
    runs.iter().all(|run| run.group.rows.broken().is_empty() || run.group.broken(run.run).is_empty())
}

/// Broken rows that name an account.
fn named(broken: &[Broken]) -> impl Iterator<Item = &Broken> {
    broken.iter().filter(|broken| broken.account.is_some())
}

/// The rows of runs of a table in which no sound row is at odds with another.
fn judge_all<R: Rows>(runs: &[Run<R>]) -> Vec<Judged> {
    let mut rows = Vec::new();
    for run in runs {
        judge_run(run, &mut rows, |_| None);
    }
    rows
}

/// Appends the rows of a run; `fault` judges the sound ones by their place.
fn judge_run<R: Rows>(run: &Run<R>, judged: &mut Vec<Judged>, fault: impl Fn(usize) -> Option<Fault>) {
    let (sound, broken) = run.split();
    let number = |row| run.group.number(row);
    judged.extend(sound.into_iter().map(|(place, row)| (number(row), fault(place))));
    judged.extend(named(broken).map(|broken| {
        let &Broken { row, reason, column, ref value, .. } = broken;
        (number(row), Some(Fault { reason, column, value: value.clone() }))
    }));
}
