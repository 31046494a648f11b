//! The desk: answers operations and searches limits on a priced snapshot, in parallel.

use super::amount::Lot;
use super::check::{Checker, Verdict};
use super::groups;
use super::limits::{MaxWithdrawal, OrderTerms};
use super::operation::{Action, Operation, OperationAccount, Refusal, Resolver};
use super::{CheckCounts, LimitRequest, Row, tables, words};
use crate::book::Book;
use crate::margin::account::Traded;
use crate::margin::priced::PricedMarket;
use crate::parallel::in_order;
use crate::progress::Progress;
use crate::publish::OutputFile;
use crate::snapshot::{Reason, Snapshot};
use crate::source::Format;
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Operations of one task, roughly: operations of one account stay together.
const TASK_OPERATIONS: usize = 4_096;
/// Rows that are held before they are handed on, where one account has more operations than a task should.
const MOST_ROWS: usize = 2 * TASK_OPERATIONS;
/// Accounts of one task of limits.
const TASK_ACCOUNTS: usize = 1_024;

/// A priced snapshot. Operations are checked against it.
pub struct Desk<'a> {
    pub(super) snapshot: &'a Snapshot,
    priced: &'a PricedMarket,
    pub(super) unit_names: Vec<String>,
}

impl<'a> Desk<'a> {
    /// A desk for a snapshot and its priced market.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, priced: &'a PricedMarket) -> Self {
        Self { snapshot, priced, unit_names: priced.unit_names() }
    }

    /// A checker for the accounts of the book.
    #[must_use]
    pub fn checker(&self) -> Checker<'a> {
        let snapshot = self.snapshot;
        Checker::new(&snapshot.market, self.priced, &snapshot.book).with_spot_pairs(&snapshot.spot_pairs)
    }

    pub(super) fn account_id<'o>(&'o self, operation: &'o Operation) -> &'o str {
        match &operation.account {
            OperationAccount::Account(account) => self.snapshot.book.accounts().get(*account as usize),
            OperationAccount::Unknown(id) => id,
        }
    }

    /// Answers operations in parallel. `work` gets the rows of some accounts, in byte order of account and `op_id`.
    /// `sink` gets the results of `work` in the same order.
    ///
    /// # Errors
    /// Those of `work` and `sink`; [`Error::Invalid`] for a group of more than [`super::MOST_GROUP_OPERATIONS`];
    /// [`Error::Interrupted`].
    pub fn check<T: Send>(
        &self,
        mut operations: Vec<Operation>,
        progress: &dyn Progress,
        work: impl Fn(&[Row<'_>]) -> Result<T> + Sync,
        mut sink: impl FnMut(T, CheckCounts) -> Result<()>,
    ) -> Result<()> {
        use rayon::slice::ParallelSliceMut;
        groups::check_sizes(&operations)?;
        let key = |operation: &Operation| (self.account_id(operation).to_owned(), operation.op_id.clone());
        operations.par_sort_by_cached_key(key);
        let tasks = self.tasks(&operations);
        self.refuse_contradictory(&mut operations);
        let (operations, tasks) = (&operations, &tasks);
        in_order(
            tasks.len(),
            2 * rayon::current_num_threads(),
            |task| {
                let operations = &operations[tasks[task].clone()];
                let mut checker = self.checker();
                let (mut rows, mut parts) = (Vec::new(), Vec::new());
                self.answer(&mut checker, operations, |row| {
                    rows.push(row);
                    if rows.len() == MOST_ROWS {
                        progress.check()?;
                        parts.push((work(&rows)?, count(&rows)));
                        rows.clear();
                    }
                    Ok(())
                })?;
                progress.check()?;
                if !rows.is_empty() {
                    parts.push((work(&rows)?, count(&rows)));
                }
                progress.advance(operations.len() as u64);
                Ok(parts)
            },
            |parts| parts.into_iter().try_for_each(|(part, counted)| sink(part, counted)),
        )
    }

    /// Ranges of operations; no account is split over two ranges.
    fn tasks(&self, operations: &[Operation]) -> Vec<Range<usize>> {
        let mut tasks = Vec::new();
        let mut start = 0;
        while start < operations.len() {
            let mut end = (start + TASK_OPERATIONS).min(operations.len());
            while end < operations.len() && self.account_id(&operations[end - 1]) == self.account_id(&operations[end]) {
                end += 1;
            }
            tasks.push(start..end);
            start = end;
        }
        tasks
    }

    /// Of each operation whether its group changes the same hedge more than once.
    fn changed_twice(&self, operations: &[Operation]) -> Vec<bool> {
        let changes = |operation: &Operation| {
            let hedge = operation.action.as_ref().ok()?.hedge_changed()?;
            Some((self.account_id(operation).to_owned(), operation.group.clone()?, hedge))
        };
        let mut counts: HashMap<_, usize> = HashMap::new();
        operations.iter().filter_map(changes).for_each(|change| *counts.entry(change).or_default() += 1);
        operations.iter().map(|operation| changes(operation).is_some_and(|change| counts[&change] > 1)).collect()
    }

    /// Refuses operations that contradict each other: the same `op_id` twice in an account, a group over several
    /// accounts, and one that changes a hedge more than once.
    pub(super) fn refuse_contradictory(&self, operations: &mut [Operation]) {
        let market = &self.snapshot.market;
        let mut repeated = vec![false; operations.len()];
        let mut accounts_of_group: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
        for (place, operation) in operations.iter().enumerate() {
            let same = |other: &Operation| {
                other.op_id == operation.op_id && self.account_id(other) == self.account_id(operation)
            };
            if place > 0 && same(&operations[place - 1]) {
                (repeated[place - 1], repeated[place]) = (true, true);
            }
            if let Some(group) = &operation.group {
                let account = self.account_id(operation);
                let entry = accounts_of_group.entry(group).or_insert((account, false));
                entry.1 |= entry.0 != account;
            }
        }
        let spread: std::collections::BTreeSet<Box<str>> =
            accounts_of_group.into_iter().filter(|(_, (_, several))| *several).map(|(group, _)| group.into()).collect();
        let twice = self.changed_twice(operations);
        for ((operation, repeated), twice) in operations.iter_mut().zip(repeated).zip(twice) {
            if twice {
                operation.refuse(Refusal::HedgeChangedTwice, market);
            }
            if repeated {
                operation.refuse(Refusal::DuplicateOperation, market);
            }
            if operation.group.as_ref().is_some_and(|group| spread.contains(group)) {
                operation.refuse(Refusal::GroupOfSeveralAccounts, market);
            }
        }
    }

    /// Answers operations, sorted by account, and hands the rows on in their order. A group is answered with its first
    /// operation; the rows of its others wait for their turn.
    pub(super) fn answer<'o>(
        &self,
        checker: &mut Checker<'a>,
        operations: &'o [Operation],
        mut hand_on: impl FnMut(Row<'o>) -> Result<()>,
    ) -> Result<()> {
        for of_account in operations.chunk_by(|a, b| self.account_id(a) == self.account_id(b)) {
            let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
            for (place, operation) in of_account.iter().enumerate() {
                if let Some(group) = operation.group.as_deref() {
                    groups.entry(group).or_default().push(place);
                }
            }
            let mut waiting: HashMap<usize, Row<'o>> = HashMap::new();
            for (place, operation) in of_account.iter().enumerate() {
                if !waiting.contains_key(&place) {
                    let places = operation.group.as_deref().and_then(|group| groups.remove(group));
                    let places = places.unwrap_or_else(|| vec![place]);
                    waiting.extend(self.answer_group(checker, of_account, places));
                }
                if let Some(row) = waiting.remove(&place) {
                    hand_on(row)?;
                }
            }
        }
        Ok(())
    }

    /// Answers operations of one account that are applied together.
    fn answer_group<'o>(
        &self,
        checker: &mut Checker<'a>,
        operations: &'o [Operation],
        places: Vec<usize>,
    ) -> Vec<(usize, Row<'o>)> {
        let refused = |place: usize| {
            let operation: &'o Operation = &operations[place];
            let refusal = match &operation.action {
                Ok(_) => Refusal::GroupBroken,
                Err((refusal, _)) => *refusal,
            };
            (place, Row { operation, answer: Err(refusal), why: refusal.why() })
        };
        let sound = |&place: &usize| operations[place].action.as_ref().ok().map(|action| (place, *action));
        let mut actions: Vec<(usize, Action)> = places.iter().filter_map(sound).collect();
        let account = places.first().map(|&place| &operations[place].account);
        let (Some(OperationAccount::Account(account)), true) = (account, actions.len() == places.len()) else {
            return places.into_iter().map(refused).collect();
        };
        actions.sort_by(|a, b| a.1.canonical(&b.1));
        let (places, actions): (Vec<usize>, Vec<Action>) = actions.into_iter().unzip();
        // One answer for all: a copy for each operation would grow with the square of the group.
        let answer = checker.check(*account as usize, &actions).map(Arc::new);
        let whys = match &answer {
            Ok(answer) => words::why(&self.snapshot.market, &self.unit_names, &actions, answer),
            Err(refusal) => vec![refusal.why(); places.len()],
        };
        let rows = places.into_iter().zip(whys).enumerate();
        rows.map(|(leg, (place, why))| {
            let answer = answer.clone().map(|answer| (answer, leg));
            (place, Row { operation: &operations[place], answer, why })
        })
        .collect()
    }

    pub(super) fn write_limits(
        &self,
        request: &LimitRequest,
        folder: &Path,
        format: Format,
        progress: &dyn Progress,
    ) -> Result<Vec<OutputFile>> {
        let mut files = Vec::new();
        let accounts = self.accounts(&request.accounts)?;
        if request.withdraw {
            let table = tables::Withdrawals::create(folder, format)?;
            files.push(self.limits(&accounts, progress, table, |checker, account| self.withdrawals(checker, account))?);
        }
        if !request.orders.is_empty() {
            let checker = self.checker();
            let terms = |name: &String| self.order_terms(&checker, name);
            let orders = request.orders.iter().map(terms).collect::<Result<Vec<_>>>()?;
            let table = tables::Orders::create(folder, format, &request.orders)?;
            let most = |checker: &mut Checker<'a>, account: usize| {
                orders.iter().map(|terms| checker.max_order(account, *terms)).collect()
            };
            files.push(self.limits(&accounts, progress, table, most)?);
        }
        Ok(files)
    }

    /// Searches the limits of accounts in parallel and writes them.
    fn limits<T: Send, R: tables::LimitTable<T>>(
        &self,
        accounts: &[usize],
        progress: &dyn Progress,
        mut table: R,
        search: impl Fn(&mut Checker<'a>, usize) -> Result<Vec<T>, Refusal> + Sync,
    ) -> Result<OutputFile> {
        progress.stage("limits", "accounts", accounts.len() as u64);
        let tasks: Vec<&[usize]> = accounts.chunks(TASK_ACCOUNTS).collect();
        let book = &self.snapshot.book;
        in_order(
            tasks.len(),
            2 * rayon::current_num_threads(),
            |task| {
                let mut checker = self.checker();
                let mut found = Vec::new();
                for &account in tasks[task] {
                    progress.check()?;
                    let limits = search(&mut checker, account).map_err(|_| {
                        let id = book.accounts().get(account);
                        Error::Runtime(format!("account `{id}`: a figure is not finite; no output was written"))
                    })?;
                    found.extend(limits.into_iter().enumerate().map(|(place, limit)| (account, place, limit)));
                }
                progress.advance(tasks[task].len() as u64);
                Ok(found)
            },
            |rows| table.append(self.snapshot, &rows),
        )?;
        table.finish()
    }

    /// The largest withdrawal of every currency in which the account has a balance.
    fn withdrawals(&self, checker: &mut Checker<'a>, account: usize) -> Result<Vec<MaxWithdrawal>, Refusal> {
        let equities = checker.equities(account)?;
        equities
            .into_iter()
            .filter_map(|(ccy, eq)| Some((ccy, eq, self.snapshot.market.currencies[ccy as usize].fx?)))
            .map(|(ccy, eq, fx)| checker.max_withdrawal(account, ccy, eq, fx))
            .collect()
    }

    /// The terms of an order whose largest amount is searched, at the mark or the index price.
    fn order_terms(&self, checker: &Checker<'a>, name: &str) -> Result<OrderTerms> {
        let market = &self.snapshot.market;
        let refused = |refusal: Refusal| Error::Usage(format!("cannot check an order on `{name}`: {}", refusal.code()));
        let traded = Resolver::new(self.snapshot).traded(name).map_err(refused)?;
        match traded {
            Traded::Contract(number) => {
                let instrument = &market.instruments[number as usize];
                let px = Some(instrument.mark_px).filter(|px| *px > 0.0);
                let px = px.ok_or_else(|| refused(Refusal::Row(Reason::MissingMark)))?;
                Ok(OrderTerms { traded, px, lot: Lot::contracts(instrument.lot_sz), least: 0.0 })
            }
            Traded::Spot { base, quote } => {
                let fx = |ccy: u32| market.currencies[ccy as usize].fx;
                let index = market.underlyings.iter().find(|index| (index.base, index.quote) == (base, quote));
                let px = index.and_then(|index| index.index_px).or_else(|| Some(fx(base)? / fx(quote)?));
                let px = px.ok_or_else(|| refused(Refusal::Row(Reason::MissingIndex)))?;
                let pair = checker.spot_pair(base, quote);
                let lot = pair.map_or_else(|| Lot::currency(1.0), |pair| Lot::pair(pair.lot_sz, 1.0));
                Ok(OrderTerms { traded, px, lot, least: pair.map_or(0.0, |pair| pair.min_sz) })
            }
        }
    }

    fn accounts(&self, names: &[String]) -> Result<Vec<usize>> {
        let book: &Book = &self.snapshot.book;
        if names.is_empty() {
            return Ok((0..book.len()).collect());
        }
        let find = |name: &String| {
            book.find(name)
                .ok_or_else(|| Error::Usage(format!("no account `{name}` in the snapshot, or it is unmargined")))
        };
        let mut accounts = names.iter().map(find).collect::<Result<Vec<_>>>()?;
        accounts.sort_unstable();
        accounts.dedup();
        Ok(accounts)
    }
}

fn count(rows: &[Row<'_>]) -> CheckCounts {
    let mut counts = CheckCounts { operations: rows.len() as u64, ..CheckCounts::default() };
    for row in rows {
        let entry = match &row.answer {
            Ok((answer, _)) => counts.by_verdict.entry(Verdict::name(answer.verdict)),
            Err(refusal) => counts.invalid.entry(refusal.code()),
        };
        *entry.or_default() += 1;
    }
    counts
}
