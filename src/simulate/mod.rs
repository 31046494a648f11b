//! Before the order: margin simulated with operations applied, and the largest amount that would pass.
//!
//! ```text
//! snapshot ---> market, book --------------+
//!                                          v
//! operations -> Resolver -> Operation -> Checker: account before, after (only the units that change), verdict,
//!               (or why not)               |       largest amount by whole lots
//!                                          v
//!                              Row, in words too -> checks, check_units (or JSON lines)
//! ```
//!
//! An operation is checked against the snapshot alone: those before it have not happened. Those of one `group` are
//! applied together, in an order of their own, so that theirs does not matter.

pub mod amount;
pub mod check;
pub mod limits;
mod lines;
pub mod operation;
mod request;
pub mod tables;
mod words;

pub use lines::answer_lines;
pub use request::{LimitRequest, SimulateRequest};

use crate::book::Book;
use crate::margin::account::Traded;
use crate::margin::priced::PricedMarket;
use crate::parallel::in_order;
use crate::progress::Progress;
use crate::publish::OutputFolder;
use crate::publish::hashed::write_bytes;
use crate::publish::manifest::{self, Provenance, Timings};
use crate::rules::LoadedRules;
use crate::snapshot::{self, Expectations, LoadOptions, Reason, Snapshot};
use crate::source::Format;
use crate::tables::rejects;
use crate::{Error, Result, engine};
use amount::Lot;
use check::{Answer, Checker, Verdict};
use limits::MaxWithdrawal;
use operation::{Action, Operation, Refusal, Resolver, Whose};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tables::CheckTables;

/// Operations of one task, about: those of one account stay together.
const TASK_OPERATIONS: usize = 4_096;
/// Accounts of one task of limits.
const TASK_ACCOUNTS: usize = 1_024;

/// Operations by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckCounts {
    /// All of them.
    pub operations: u64,
    /// By verdict: `pass`, `adjust`, `reject`.
    pub by_verdict: BTreeMap<&'static str, u64>,
    /// Not answered, by reason.
    pub invalid: BTreeMap<&'static str, u64>,
}

impl CheckCounts {
    fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        for (mine, theirs) in [(&mut self.by_verdict, &other.by_verdict), (&mut self.invalid, &other.invalid)] {
            for (name, count) in theirs {
                *mine.entry(name).or_default() += count;
            }
        }
    }
}

/// What a simulation brought.
#[derive(Debug, Clone)]
pub struct SimulateOutcome {
    /// Operations by verdict.
    pub counts: CheckCounts,
    /// More rows of the snapshot are broken than [`SimulateRequest::max_rejects`] tolerates.
    pub too_many_rejects: bool,
    /// Wall time of each stage.
    pub timings: Timings,
}

/// An operation and its answer.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// The operation.
    pub operation: &'a Operation,
    /// The answer of its group and its place in there, or why there is none.
    pub answer: Result<(Answer, usize), Refusal>,
    /// The answer in words, or why there is none.
    pub why: String,
}

/// Checks operations and searches limits over a snapshot, and writes the output folder.
///
/// ```
/// use remargin::progress::Silent;
/// use remargin::simulate::{SimulateRequest, run};
/// let dir = tempfile::tempdir().unwrap();
/// let operations = dir.path().join("operations.csv");
/// let withdraw = "op_id,account_id,kind,ccy,qty\n1,A00000001,transfer_out,USDT,1\n";
/// std::fs::write(&operations, withdraw).unwrap();
/// let rules = remargin::rules::load(None, &[])?;
/// let request = SimulateRequest::new("data/sample", dir.path().join("out"), rules).with_operations(operations);
/// let outcome = run(&request, &Silent)?;
/// assert_eq!(outcome.counts.operations, 1);
/// # Ok::<(), remargin::Error>(())
/// ```
///
/// # Errors
/// Those of [`crate::run::run`]; [`Error::Usage`] if nothing is asked for; [`Error::Invalid`] for a broken table of
/// operations. A broken operation is a row with a reason.
pub fn run(request: &SimulateRequest, progress: &dyn Progress) -> Result<SimulateOutcome> {
    let inputs: Vec<&Path> =
        std::iter::once(&request.snapshot.dir).chain(&request.operations).map(PathBuf::as_path).collect();
    let folder = OutputFolder::create(&request.output.dir, request.output.force, &inputs)?;
    let mut timings = Timings::default();

    let clock = Instant::now();
    let mut snapshot = load(
        &request.snapshot.dir,
        &request.rules,
        request.snapshot.allow_rules_date,
        &request.snapshot.expectations,
        progress,
    )?;
    let mut operations = Vec::new();
    if let Some(path) = &request.operations {
        let resolver = Resolver::new(&snapshot);
        let (resolved, files) = snapshot::read_operations(path, |asked| resolver.resolve(asked), progress)?;
        snapshot.inputs.extend(files);
        operations = resolved;
    }
    timings.read = clock.elapsed();

    let clock = Instant::now();
    let priced = engine::price(&snapshot.market, &request.rules.rules);
    timings.price = clock.elapsed();

    let clock = Instant::now();
    let mut outputs = Vec::new();
    let desk = Desk::new(&snapshot, &priced);
    let mut counts = CheckCounts::default();
    if request.operations.is_some() {
        progress.stage("simulate", "operations", operations.len() as u64);
        let (encoders, mut tables) = CheckTables::create(folder.path(), request.output.format)?;
        desk.check(
            operations,
            progress,
            |rows| encoders.encode(rows, &snapshot, &desk.unit_names),
            |part, counted| {
                counts.add(&counted);
                tables.append(part)
            },
        )?;
        outputs.extend(tables.finish()?);
    }
    outputs.extend(desk.write_limits(&request.limits, folder.path(), request.output.format, progress)?);
    timings.compute = clock.elapsed();

    let clock = Instant::now();
    outputs.push(rejects::write(folder.path(), &snapshot.rejects, request.output.format)?);
    let summary = tables::summary(&snapshot, &request.rules, &counts)?;
    outputs.push(write_bytes(folder.path(), "summary.json", &summary)?);
    progress.check()?;
    timings.finish = clock.elapsed();
    let provenance = Provenance::new(&request.snapshot, &request.output, &request.rules, &snapshot, &timings, None);
    manifest::write(&folder, &provenance, &outputs)?;
    folder.publish()?;
    let rows_in = snapshot.tables.iter().map(|table| table.rows_in).sum();
    let broken = snapshot.tables.iter().map(|table| table.rows_broken).sum();
    let too_many_rejects = request.snapshot.max_rejects.exceeded(broken, rows_in);
    Ok(SimulateOutcome { counts, too_many_rejects, timings })
}

/// Reads a snapshot and sees that the rules are of its time.
///
/// # Errors
/// Those of [`snapshot::load`]; [`Error::Invalid`] if the snapshot is older than the rules.
pub fn load(
    dir: &Path,
    rules: &LoadedRules,
    allow_rules_date: bool,
    expectations: &Expectations,
    progress: &dyn Progress,
) -> Result<Snapshot> {
    let options = LoadOptions { default_spot_offset: rules.rules.default_spot_offset, expectations, progress };
    let snapshot = snapshot::load(dir, &options)?;
    if !allow_rules_date {
        rules.check_date(snapshot.as_of_ns)?;
    }
    Ok(snapshot)
}

/// A priced snapshot, at which operations are checked.
pub struct Desk<'a> {
    snapshot: &'a Snapshot,
    priced: &'a PricedMarket,
    unit_names: Vec<String>,
}

impl<'a> Desk<'a> {
    /// A desk at a snapshot and its market, priced.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, priced: &'a PricedMarket) -> Self {
        Self { snapshot, priced, unit_names: priced.unit_names() }
    }

    /// A checker over the book.
    #[must_use]
    pub fn checker(&self) -> Checker<'a> {
        Checker::new(&self.snapshot.market, self.priced, &self.snapshot.book)
    }

    fn account_id<'o>(&'o self, operation: &'o Operation) -> &'o str {
        match &operation.whose {
            Whose::Account(account) => self.snapshot.book.accounts().get(*account as usize),
            Whose::Nobody(id) => id,
        }
    }

    /// Answers operations in parallel. `work` gets the rows of some accounts, in byte order of account and `op_id`;
    /// `sink` gets what it made of them, in that order.
    ///
    /// # Errors
    /// Those of `work` and `sink`; [`Error::Interrupted`].
    pub fn check<T: Send>(
        &self,
        mut operations: Vec<Operation>,
        progress: &dyn Progress,
        work: impl Fn(&[Row<'_>]) -> Result<T> + Sync,
        mut sink: impl FnMut(T, CheckCounts) -> Result<()>,
    ) -> Result<()> {
        use rayon::slice::ParallelSliceMut;
        let key = |operation: &Operation| (self.account_id(operation).to_owned(), operation.op_id.clone());
        operations.par_sort_by_cached_key(key);
        let tasks = self.tasks(&operations);
        self.refuse_at_odds(&mut operations);
        let (operations, tasks) = (&operations, &tasks);
        in_order(
            tasks.len(),
            2 * rayon::current_num_threads(),
            |task| {
                progress.check()?;
                let operations = &operations[tasks[task].clone()];
                let mut checker = self.checker();
                let rows = self.answer(&mut checker, operations);
                progress.advance(operations.len() as u64);
                Ok((work(&rows)?, count(&rows)))
            },
            |(part, counted)| sink(part, counted),
        )
    }

    /// Ranges of operations that whole accounts fall into.
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

    /// Marks operations that contradict others: the same name twice in an account, a group over several accounts.
    fn refuse_at_odds(&self, operations: &mut [Operation]) {
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
        for (operation, repeated) in operations.iter_mut().zip(repeated) {
            if repeated {
                operation.refuse(Refusal::DuplicateOperation, market);
            }
            if operation.group.as_ref().is_some_and(|group| spread.contains(group)) {
                operation.refuse(Refusal::GroupOfSeveralAccounts, market);
            }
        }
    }

    /// Answers operations, sorted by account.
    fn answer<'o>(&self, checker: &mut Checker<'a>, operations: &'o [Operation]) -> Vec<Row<'o>> {
        let mut rows: Vec<Row<'o>> = Vec::with_capacity(operations.len());
        for of_account in operations.chunk_by(|a, b| self.account_id(a) == self.account_id(b)) {
            let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            let first = rows.len();
            for (place, operation) in of_account.iter().enumerate() {
                if let Some(group) = operation.group.as_deref() {
                    groups.entry(group).or_default().push(place);
                }
                rows.push(Row { operation, answer: Err(Refusal::GroupBroken), why: String::new() });
            }
            for (place, operation) in of_account.iter().enumerate() {
                if operation.group.is_none() {
                    self.answer_group(checker, of_account, &[place], &mut rows[first..]);
                }
            }
            for places in groups.values() {
                self.answer_group(checker, of_account, places, &mut rows[first..]);
            }
        }
        for row in &mut rows {
            if let Err(refusal) = row.answer {
                row.why = refusal.why();
            }
        }
        rows
    }

    /// Answers operations of one account that are applied together.
    fn answer_group(
        &self,
        checker: &mut Checker<'a>,
        operations: &[Operation],
        places: &[usize],
        rows: &mut [Row<'_>],
    ) {
        let mut actions: Vec<(usize, Action)> = Vec::with_capacity(places.len());
        for &place in places {
            match &operations[place].action {
                Ok(action) => actions.push((place, *action)),
                Err((refusal, _)) => rows[place].answer = Err(*refusal),
            }
        }
        let Some(Whose::Account(account)) = places.first().map(|&place| operations[place].whose.clone()) else {
            return;
        };
        if actions.len() < places.len() {
            return;
        }
        actions.sort_by(|a, b| a.1.canonical(&b.1));
        let (places, actions): (Vec<usize>, Vec<Action>) = actions.into_iter().unzip();
        let answer = checker.check(account as usize, &actions);
        for (leg, &place) in places.iter().enumerate() {
            rows[place].answer = answer.clone().map(|answer| (answer, leg));
            if let Ok(answer) = &answer {
                rows[place].why = words::why(&self.snapshot.market, &self.unit_names, &actions, leg, answer);
            }
        }
    }

    fn write_limits(
        &self,
        request: &LimitRequest,
        folder: &Path,
        format: Format,
        progress: &dyn Progress,
    ) -> Result<Vec<crate::publish::OutputFile>> {
        let mut files = Vec::new();
        let accounts = self.accounts(&request.accounts)?;
        if request.withdraw {
            let table = tables::Withdrawals::create(folder, format)?;
            files.push(self.limits(&accounts, progress, table, |checker, account| self.withdrawals(checker, account))?);
        }
        if !request.orders.is_empty() {
            let orders = request.orders.iter().map(|name| self.order_terms(name)).collect::<Result<Vec<_>>>()?;
            let table = tables::Orders::create(folder, format, &request.orders)?;
            let most = |checker: &mut Checker<'a>, account: usize| {
                orders.iter().map(|&(traded, px, lot)| checker.max_order(account, traded, px, lot)).collect()
            };
            files.push(self.limits(&accounts, progress, table, most)?);
        }
        Ok(files)
    }

    /// Searches limits of accounts in parallel and writes them.
    fn limits<T: Send, R: tables::LimitTable<T>>(
        &self,
        accounts: &[usize],
        progress: &dyn Progress,
        mut table: R,
        search: impl Fn(&mut Checker<'a>, usize) -> Result<Vec<T>, Refusal> + Sync,
    ) -> Result<crate::publish::OutputFile> {
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
                        Error::Runtime(format!("account `{id}`: a figure is not finite; nothing was written"))
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

    /// The largest withdrawal of every currency that an account has a balance in.
    fn withdrawals(&self, checker: &mut Checker<'a>, account: usize) -> Result<Vec<MaxWithdrawal>, Refusal> {
        let equities = checker.equities(account)?;
        equities
            .into_iter()
            .filter_map(|(ccy, eq)| Some((ccy, eq, self.snapshot.market.currencies[ccy as usize].fx?)))
            .map(|(ccy, eq, fx)| checker.max_withdrawal(account, ccy, eq, fx))
            .collect()
    }

    /// Instrument or pair, price and lot of an order whose largest amount is searched.
    fn order_terms(&self, name: &str) -> Result<(Traded, f64, Lot)> {
        let market = &self.snapshot.market;
        let refused =
            |refusal: Refusal| Error::Usage(format!("no order on `{name}` can be checked: {}", refusal.code()));
        let traded = Resolver::new(self.snapshot).traded(name).map_err(refused)?;
        match traded {
            Traded::Contract(number) => {
                let instrument = &market.instruments[number as usize];
                let px = Some(instrument.mark_px).filter(|px| *px > 0.0);
                let px = px.ok_or_else(|| refused(Refusal::Row(Reason::MissingMark)))?;
                Ok((traded, px, Lot::contracts(instrument.lot_sz)))
            }
            Traded::Spot { base, quote } => {
                let fx = |ccy: u32| market.currencies[ccy as usize].fx;
                let index = market.underlyings.iter().find(|index| (index.base, index.quote) == (base, quote));
                let px = index.and_then(|index| index.index_px).or_else(|| Some(fx(base)? / fx(quote)?));
                let px = px.ok_or_else(|| refused(Refusal::Row(Reason::MissingIndex)))?;
                Ok((traded, px, Lot::currency(1.0)))
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
