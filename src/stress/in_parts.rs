//! What a stress says of each account and of the book, out of margins that somebody else computes: for a book in parts,
//! see [`mod@crate::batches`].
//!
//! ```text
//! margins of a piece in all scenarios   -> OfAccounts -> `worst`, `accounts_distribution`       account by account
//! margins of all accounts, in order     -> OfBook     -> `scenarios`, `distribution`, `tail`    one after another
//! ```
//!
//! The rows have the bits of the command: those of an account depend on it alone, and those of the book are sums whose
//! partial sums end where they do in a stress of the whole book, see [`piece_accounts`].

use super::accounts::{self, Beside, ByAccount};
use super::columns::{self, ACCOUNTS_DISTRIBUTION, AccountRow, DISTRIBUTION, SCENARIOS, TAIL, WORST, WorstRow, seen};
use super::distribution::{self, BookDistribution};
use super::rows::Worst;
use super::stats::{ScenarioStats, place, shortfall_usd};
use super::summary::check_finite;
use super::tables::scenario_row;
use super::{Detail, Distributed, plan};
use crate::book::{Book, IdTable};
use crate::engine::Chunk;
use crate::margin::{AccountMargin, Status};
use crate::market::scenario::Scenario;
use crate::tables::filled;
use crate::totals::at_risk::Names;
use crate::totals::weighted::Weights;
use crate::{Error, Result};
use arrow_array::RecordBatch;

/// What the scenarios weigh, the base case nothing.
///
/// # Errors
/// Those of [`Weights::new`].
pub(crate) fn weights(scenarios: &[Scenario]) -> Result<Weights> {
    distribution::weights(scenarios)
}

/// Accounts of a piece of a stress that writes the rows at risk: partial sums end with it.
pub(crate) fn piece_accounts(distribution: Distributed, scenarios: usize) -> usize {
    plan::piece_accounts(Detail::AtRisk, distribution, scenarios)
}

/// The accounts of a piece.
pub(crate) struct OfAccounts<'a> {
    weights: &'a Weights,
    base: Vec<AccountMargin>,
    worst: Vec<Worst>,
    /// Their figures in all scenarios, if these are summed up.
    figures: Option<Beside>,
}

impl<'a> OfAccounts<'a> {
    /// No account yet of a piece of `accounts`.
    pub fn new(weights: &'a Weights, distribution: Distributed, accounts: usize) -> Self {
        let is_summed_up = distribution == Distributed::Accounts;
        let figures = is_summed_up.then(|| Beside::new(weights.len(), accounts));
        Self { weights, base: Vec::with_capacity(accounts), worst: Vec::with_capacity(accounts), figures }
    }

    /// Adds the accounts that follow, one chunk a scenario, the base case first.
    pub fn add(&mut self, chunks: &[Chunk]) {
        let Some((base, scenarios)) = chunks.split_first() else { return };
        for (place, margin) in base.accounts.iter().enumerate() {
            let mut worst = in_scenario(0, margin, self.weights);
            let later = scenarios.iter().filter_map(|chunk| chunk.accounts.get(place));
            for (scenario, margin) in (1..).zip(later.clone()) {
                worst.take(&in_scenario(scenario, margin, self.weights));
            }
            if let Some(figures) = &mut self.figures {
                std::iter::once(margin).chain(later).for_each(|margin| figures.push(margin.mmr, margin.total_eq));
            }
            self.base.push(*margin);
            self.worst.push(worst);
        }
    }

    /// The rows of `worst`, and of `accounts_distribution` if the figures of accounts are summed up.
    ///
    /// # Errors
    /// [`Error::Runtime`] if an account has not been in all scenarios.
    pub fn finish(self, book: &Book, names: Names) -> Result<(RecordBatch, Option<RecordBatch>)> {
        let Self { weights, base, worst, figures } = self;
        let probability = |worst: &Worst| weights.share(worst.liquidation_units);
        let row = |(account, (base, worst))| WorstRow {
            account_id: book.accounts().get(account),
            base,
            worst,
            liquidation_probability: probability(worst),
            names,
        };
        let rows: Vec<WorstRow> = base.iter().zip(&worst).enumerate().map(row).collect();
        let of_worst = filled::batch(&WORST, &columns::worst(), &rows)?;
        let Some(figures) = figures else { return Ok((of_worst, None)) };
        let statistics = accounts::statistics(weights, &[], ByAccount::of(&[figures], base.len()), &base, 0)?;
        let row = |(account, (of, worst)): (usize, (accounts::AccountStatistics, &Worst))| AccountRow {
            account_id: book.accounts().get(account),
            liquidation_probability: probability(worst),
            statistics: [of.mmr, of.equity_loss, of.shortfall],
        };
        let rows: Vec<AccountRow> = statistics.into_iter().zip(&worst).enumerate().map(row).collect();
        let of_accounts = filled::batch(&ACCOUNTS_DISTRIBUTION, &columns::accounts_distribution(), &rows)?;
        Ok((of_worst, Some(of_accounts)))
    }
}

fn in_scenario(scenario: usize, margin: &AccountMargin, weights: &Weights) -> Worst {
    let is_in_liquidation = margin.status == Status::Liquidation;
    Worst {
        scenario,
        margin: *margin,
        liquidations: u64::from(is_in_liquidation),
        liquidation_units: if is_in_liquidation { weights.units(scenario) } else { 0 },
    }
}

/// All accounts together, one after another in order of their ids.
pub(crate) struct OfBook {
    scenarios: Vec<Scenario>,
    weights: Weights,
    piece_accounts: usize,
    /// Accounts so far, and of the piece at work.
    accounts: usize,
    in_piece: usize,
    /// One a scenario: of the piece, and of the pieces before.
    piece: Vec<ScenarioStats>,
    all: Vec<ScenarioStats>,
    one: Chunk,
}

/// What a stress says of the book.
pub(crate) struct BookTables {
    /// One row a scenario.
    pub scenarios: RecordBatch,
    /// MMR, equity loss and shortfall over the scenarios.
    pub distribution: RecordBatch,
    /// The scenarios in which they are largest.
    pub tail: RecordBatch,
}

impl OfBook {
    /// No account yet; the base case is the first scenario.
    ///
    /// # Errors
    /// Those of [`weights`].
    pub fn new(scenarios: Vec<Scenario>, distribution: Distributed) -> Result<Self> {
        let weights = weights(&scenarios)?;
        let none = || scenarios.iter().map(|_| ScenarioStats::default()).collect();
        Ok(Self {
            weights,
            piece_accounts: piece_accounts(distribution, scenarios.len()),
            accounts: 0,
            in_piece: 0,
            piece: none(),
            all: none(),
            one: Chunk::default(),
            scenarios,
        })
    }

    /// Adds the account that follows: its margin in each scenario.
    pub fn add(&mut self, margins: &[AccountMargin]) {
        let Some(base) = margins.first() else { return };
        for (stats, margin) in self.piece.iter_mut().zip(margins) {
            self.one.accounts.clear();
            self.one.accounts.push(*margin);
            stats.tally.count(&self.one);
            stats.migration[place(base.status)][place(margin.status)] += 1;
            stats.newly_im_deficit += u64::from(margin.im_deficit && !base.im_deficit);
            let shortfall = shortfall_usd(margin);
            stats.shortfall.add(shortfall);
            stats.shortfall_accounts += u64::from(shortfall > 0.0);
            stats.largest_shortfall.offer(shortfall, self.accounts);
            stats.largest_mmr.offer(margin.mmr, self.accounts);
        }
        self.accounts += 1;
        self.in_piece += 1;
        if self.in_piece == self.piece_accounts {
            self.end_piece();
        }
    }

    fn end_piece(&mut self) {
        for (all, piece) in self.all.iter_mut().zip(&mut self.piece) {
            all.merge(&std::mem::take(piece));
        }
        self.in_piece = 0;
    }

    /// The tables, once all accounts are there.
    ///
    /// # Errors
    /// [`Error::Runtime`] for a total that is not finite.
    pub fn finish(mut self, names: Names) -> Result<BookTables> {
        self.end_piece();
        let Self { scenarios, weights, all, .. } = self;
        let base_total_eq = all.first().map_or(0.0, |base| base.tally.totals().total_eq);
        let of = |(number, (scenario, stats)): (usize, (&Scenario, &ScenarioStats))| {
            scenario_row(number, scenario, stats, stats.tally.counts().at_risk, base_total_eq)
        };
        let rows: Vec<_> = scenarios.iter().zip(&all).enumerate().map(of).collect();
        check_finite(&scenarios, &rows)?;
        if names.scenarios.len() != rows.len() {
            return Err(Error::Runtime("the scenarios of a book in parts have other names".to_owned()));
        }
        let BookDistribution { figures, tail, .. } = distribution::of(&scenarios, &rows, &weights, None);
        let book = Book::of_ids(IdTable::default());
        Ok(BookTables {
            scenarios: filled::batch(&SCENARIOS, &columns::scenarios(), &seen(&rows, &book, names))?,
            distribution: filled::batch(&DISTRIBUTION, &columns::distribution(), &figures)?,
            tail: filled::batch(&TAIL, &columns::tail(), &seen(&tail, &book, names))?,
        })
    }
}
