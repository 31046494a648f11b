//! The benchmark of pre-trade checks, `remargin bench --simulate`: one operation for every account of a generated book.
//!
//! It reads, answers and writes a file of operations as `remargin simulate` does. Before any time is reported, a sample
//! of the answers is recomputed by full evaluations of the changed accounts.

use super::POSITIONS_PER_ACCOUNT;
use super::stress::{Cost, median};
use crate::engine::{self, account_of};
use crate::generate::{self, GenerateRequest};
use crate::margin::AccountMargin;
use crate::margin::account::{Order, Traded};
use crate::margin::orders::Holdings;
use crate::margin::requirement::{Workspace, evaluate};
use crate::margin::rules::SpotOffset;
use crate::progress::Progress;
use crate::publish::scratch::Scratch;
use crate::request::OutputRequest;
use crate::rules::LoadedRules;
use crate::simulate::check::{Checker, Verdict};
use crate::simulate::operation::{Action, RequestText};
use crate::simulate::{self, CheckCounts, SimulateRequest};
use crate::snapshot::{Expectations, Snapshot};
use crate::source::Format;
use crate::write::tables::TableFile;
use crate::{Error, Result};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Number of recomputed answers.
const SAMPLE: usize = 1_000;
/// Largest accepted relative difference of a figure.
const AGREEMENT: f64 = 1e-9;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulateBenchRequest {
    /// Accounts of the generated book, with ten positions each on average, and one operation each.
    pub accounts: u64,
    /// Repetitions; the median is reported.
    pub repeat: usize,
    /// Folder for the book and the results, which are removed at the end.
    pub temp: PathBuf,
}

/// The result of the benchmark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulateBenchReport {
    /// Version of this crate.
    pub remargin: &'static str,
    /// Whether this is a build without optimisation. Its figures do not apply to a release build.
    pub is_debug_build: bool,
    /// Threads.
    pub threads: usize,
    /// Accounts of the book.
    pub accounts: u64,
    /// Position rows of the book.
    pub positions: u64,
    /// Operations by verdict.
    pub checks: CheckCounts,
    /// Reading the book and the operations, answering, writing.
    pub whole: Cost,
    /// Answering and writing only.
    pub answering_wall_seconds: f64,
    /// Checks divided by the total wall time.
    pub checks_per_second: f64,
    /// Checks divided by the wall time of answering and writing.
    pub checks_per_second_of_answering: f64,
}

/// Generates, verifies and measures.
///
/// # Errors
/// [`Error::Usage`] for an impossible request; those of [`generate::generate`] and [`simulate::run`];
/// [`Error::Runtime`] if an answer differs from a full evaluation. The temporary folder is removed in every case.
pub fn run(
    request: &SimulateBenchRequest,
    rules: &LoadedRules,
    progress: &dyn Progress,
) -> Result<SimulateBenchReport> {
    if request.repeat == 0 || request.accounts == 0 {
        return Err(Error::Usage("at least one account and one repetition are needed".into()));
    }
    let folder = Scratch::create(&request.temp, "bench")?;
    let (book, out) = (folder.path().join("book"), folder.path().join("out"));
    let generated = generate::generate(
        &GenerateRequest {
            accounts: request.accounts,
            positions_per_account: POSITIONS_PER_ACCOUNT,
            seed: super::SEED,
            out: book.clone(),
            format: Format::Parquet,
            force: false,
        },
        progress,
    )?;
    let loaded = simulate::load(&book, rules, false, &Expectations::NONE, progress)?;
    let actions: Vec<Action> = (0..loaded.book.len()).map(|account| operation(&loaded, account)).collect();
    verify(&loaded, rules, &actions)?;
    write_operations(folder.path(), &loaded, &actions)?;
    drop((loaded, actions));

    let simulate = SimulateRequest::new(book, OutputRequest::new(out).with_force(true), rules.clone())
        .with_operations(folder.path().join("ops.parquet"));
    let mut outcome = None;
    let whole = median(request.repeat, || {
        outcome = Some(simulate::run(&simulate, progress)?);
        Ok(())
    })?;
    let outcome = outcome.ok_or_else(|| Error::Runtime("nothing was measured".into()))?;
    if outcome.counts.operations != generated.accounts || !outcome.counts.invalid.is_empty() {
        return Err(Error::Runtime(format!("not every operation was answered: {:?}", outcome.counts)));
    }
    let checks = outcome.counts.operations as f64;
    let answering_wall_seconds = outcome.timings.compute.as_secs_f64();
    Ok(SimulateBenchReport {
        remargin: env!("CARGO_PKG_VERSION"),
        is_debug_build: cfg!(debug_assertions),
        threads: rayon::current_num_threads(),
        accounts: generated.accounts,
        positions: generated.positions,
        checks: outcome.counts,
        whole,
        answering_wall_seconds,
        checks_per_second: checks / whole.wall_seconds,
        checks_per_second_of_answering: checks / answering_wall_seconds,
    })
}

/// An operation that fits the account: orders on instruments it holds, small and large, transfers, hedging off.
fn operation(snapshot: &Snapshot, account: usize) -> Action {
    let rows = account_of(&snapshot.book, account);
    let order = |times: f64| {
        let (instrument, qty) = (*rows.instrument.first()?, *rows.qty.first()?);
        let spec = &snapshot.market.instruments[instrument as usize];
        let qty = (qty * times / spec.lot_sz).round() * spec.lot_sz;
        let px = Some(spec.mark_px).filter(|px| *px > 0.0)?;
        (qty != 0.0).then_some(Action::Order(Order { traded: Traded::Contract(instrument), qty, px }))
    };
    let transfer = |share: f64| {
        let (ccy, cash) = rows.ccy.iter().zip(rows.cash).find(|(_, cash)| **cash > 1e-6)?;
        Some(Action::Transfer { ccy: *ccy, qty: cash * share, out: true })
    };
    let suited = match account % 6 {
        0 => order(0.5),
        1 => order(-1.0),
        2 => order(25.0),
        3 => transfer(0.1),
        4 => transfer(0.9),
        _ => None,
    };
    suited.unwrap_or(Action::SpotOffset(SpotOffset::None))
}

/// Recomputes a sample of the answers.
fn verify(snapshot: &Snapshot, rules: &LoadedRules, actions: &[Action]) -> Result<()> {
    let priced = engine::price(&snapshot.market, &rules.rules);
    let mut checker = Checker::new(&snapshot.market, &priced, &snapshot.book);
    let (mut work, mut holdings, mut units) = (Workspace::new(&priced), Holdings::default(), Vec::new());
    let failed = |account: usize, what: &str| {
        let id = snapshot.book.accounts().get(account);
        Error::Runtime(format!("account `{id}`: {what}: the measurement is invalid"))
    };
    for account in (0..actions.len()).step_by(actions.len().div_ceil(SAMPLE)) {
        let action = actions[account];
        let answer = checker.check(account, &[action]).map_err(|refusal| failed(account, refusal.code()))?;
        let rows = account_of(&snapshot.book, account);
        holdings.copy_from(&rows);
        let mut mode = rows.spot_offset;
        match action {
            Action::Order(order) => holdings.fill(&priced, &order).map_err(|_| failed(account, "not finite"))?,
            Action::Transfer { ccy, qty, .. } => holdings.add_cash(ccy, -qty),
            _ => mode = SpotOffset::None,
        }
        units.clear();
        let expected = evaluate(&priced, &holdings.account(mode, rows.orders), &mut work, &mut units);
        let expected = expected.map_err(|_| failed(account, "not finite"))?;
        let figures = |margin: &AccountMargin| [margin.adj_eq, margin.mmr, margin.imr, margin.mmr_no_hedge];
        let pairs = figures(&answer.after).into_iter().zip(figures(&expected));
        let agree = pairs.into_iter().all(|(found, expected)| (found - expected).abs() <= AGREEMENT * expected.abs());
        if !agree {
            return Err(failed(account, "the answer differs from a full evaluation"));
        }
        let covered = expected.adj_eq >= expected.imr;
        if covered && answer.verdict != Verdict::Pass {
            return Err(failed(account, "the verdict differs from a full evaluation"));
        }
    }
    Ok(())
}

fn write_operations(folder: &Path, snapshot: &Snapshot, actions: &[Action]) -> Result<()> {
    const ROWS: usize = 1 << 16;
    let names = ["op_id", "account_id", "kind", "inst_id", "ccy", "side", "qty", "px", "spot_offset"];
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let mut file = TableFile::create(folder, "ops", Format::Parquet, &schema, &["op_id", "account_id"])?;
    for start in (0..actions.len()).step_by(ROWS) {
        let range = start..actions.len().min(start + ROWS);
        let words: Vec<RequestText> =
            actions[range.clone()].iter().map(|action| action.words(&snapshot.market)).collect();
        let column = |text: &dyn Fn(usize) -> String| {
            let texts = (0..words.len()).map(|row| Some(text(row)).filter(|text| !text.is_empty()));
            Arc::new(texts.collect::<StringArray>()) as ArrayRef
        };
        let off = |row: usize| if words[row].kind == "spot_offset" { "none".to_owned() } else { String::new() };
        let columns = vec![
            column(&|row| (start + row).to_string()),
            column(&|row| snapshot.book.accounts().get(start + row).to_owned()),
            column(&|row| words[row].kind.clone()),
            column(&|row| words[row].inst_id.clone()),
            column(&|row| words[row].ccy.clone()),
            column(&|row| words[row].side.clone()),
            column(&|row| words[row].qty.clone()),
            column(&|row| words[row].px.clone()),
            column(&off),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
            .map_err(|error| Error::Runtime(format!("cannot form the operations: {error}")))?;
        file.write(&batch)?;
    }
    file.finish().map(drop)
}

impl SimulateBenchReport {
    /// The report as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let verdicts: Vec<String> =
            self.checks.by_verdict.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "{} checks over {} accounts with {} positions, {} threads{}\n\
             verdicts                    {}\n\
             reading, answering, writing {:.2} s wall, {:.2} s CPU: {:.0} checks/s\n\
             answering and writing       {:.2} s wall: {:.0} checks/s",
            self.checks.operations,
            self.accounts,
            self.positions,
            self.threads,
            if self.is_debug_build { " (a debug build: do not use these times)" } else { "" },
            verdicts.join(", "),
            self.whole.wall_seconds,
            self.whole.cpu_seconds,
            self.checks_per_second,
            self.answering_wall_seconds,
            self.checks_per_second_of_answering,
        );
        out
    }
}
