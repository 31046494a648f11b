//! One pass over the pieces of a book for a few scenarios at once.

use super::gather::{Outcome, Part};
use super::rows::Worst;
use super::stats::{Hedge, ScenarioStats};
use crate::book::Book;
use crate::engine::{self, Chunk};
use crate::margin::account::Account;
use crate::margin::priced::PricedMarket;
use crate::margin::requirement::Workspace;
use crate::margin::rules::StatusRules;
use crate::margin::sums::UnitSums;
use crate::margin::{AccountMargin, Status};
use crate::progress::Progress;
use crate::request::DistanceScope;
use crate::snapshot::stream::Piece;
use crate::tables::encode::{Encoded, Encoder};
use crate::tables::rows::{accounts_batch, by_account, risk_units_batch};
use crate::totals::at_risk::{self, Names};
use crate::totals::flagged::flag;
use crate::totals::spread::{Floor, Spread};
use crate::totals::summary::Tally;
use crate::{Error, Result};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Encoders of `accounts` and `risk_units`, if they are written.
pub(super) type Encoders = Option<[Encoder; 2]>;

/// A few consecutive scenarios.
pub(super) struct Pass<'a> {
    pub names: Names<'a>,
    /// The base case, which every pass margins: what it brings is not kept of every account.
    pub base: &'a PricedMarket,
    pub priced: &'a [PricedMarket],
    /// Number of the first scenario; the base case has 0.
    pub first: usize,
    /// Thresholds of the margin ratio.
    pub status: &'a StatusRules,
    /// What the spreads of all pieces share.
    pub floor: &'a Floor,
    /// Whose distances will be searched.
    pub distance: DistanceScope,
    /// The rows at risk are written, and not only counted.
    pub with_at_risk: bool,
    pub progress: &'a dyn Progress,
    /// Pieces that are being worked on.
    pub active: AtomicUsize,
}

/// A piece in one scenario.
struct Margins {
    chunk: Chunk,
    /// One entry a risk unit, as in the chunk.
    hedges: Vec<Hedge>,
}

impl Pass<'_> {
    /// Values a piece in the scenarios of this pass.
    pub fn part(&self, piece: &Piece, encoders: &Encoders) -> Result<Part> {
        let others = self.active.fetch_add(1, Ordering::Relaxed);
        let part = self.part_beside(piece, encoders, others);
        self.active.fetch_sub(1, Ordering::Relaxed);
        part
    }

    fn part_beside(&self, piece: &Piece, encoders: &Encoders, others: usize) -> Result<Part> {
        let book = &piece.book;
        let base = self.margins(self.base, book)?;
        let is_first = self.first == 0;
        // Threads that other pieces leave idle take scenarios of this one; what comes out does not depend on it.
        let width = (rayon::current_num_threads() / (others + 1)).max(1);
        let mut outcomes = Vec::with_capacity(self.priced.len());
        let mut worst: Vec<Worst> = Vec::new();
        let mut chunks = Vec::new();
        let mut number = self.first;
        for few in self.priced.chunks(width) {
            let scenario = |(offset, priced): (usize, &PricedMarket)| {
                if number + offset == 0 {
                    let outcome = self.outcome(0, piece.first, &base, &base)?;
                    return Ok((outcome, kept(&base.chunk, encoders)));
                }
                let margins = self.margins(priced, book)?;
                let outcome = self.outcome(number + offset, piece.first, &margins, &base)?;
                self.progress.advance(book.len() as u64);
                Ok((outcome, kept(&margins.chunk, encoders)))
            };
            let results: Vec<_> = few.par_iter().enumerate().map(scenario).collect::<Result<_>>()?;
            for (offset, (outcome, chunk)) in results.into_iter().enumerate() {
                take_worst(&mut worst, &chunk.accounts, number + offset);
                outcomes.push(outcome);
                if encoders.is_some() {
                    chunks.push(chunk);
                }
            }
            number += few.len();
        }
        let detail = encoders.as_ref().map(|encoders| self.detail(&chunks, book, encoders)).transpose()?;
        let spread = is_first.then(|| {
            let mut spread = Spread::new(self.names.units.len(), self.status, self.floor);
            spread.count(&base.chunk);
            spread.finish(book);
            spread
        });
        let mut flagged = None;
        if is_first && self.distance != DistanceScope::None {
            let mut rows = at_risk::select(&base.chunk, 0);
            flagged = Some((flag(book, self.distance, &mut rows)?, rows));
        }
        Ok(Part { ids: book.accounts().clone(), outcomes, base: base.chunk.accounts, worst, spread, flagged, detail })
    }

    fn detail(&self, chunks: &[Chunk], book: &Book, encoders: &[Encoder; 2]) -> Result<[Encoded; 2]> {
        let (rows, names) = (by_account(chunks), self.names);
        let [accounts, units] = encoders;
        Ok([
            accounts.encode(&accounts_batch(&rows, book, names.scenarios)?)?,
            units.encode(&risk_units_batch(&rows, book, names.units, names.scenarios)?)?,
        ])
    }

    fn margins(&self, priced: &PricedMarket, book: &Book) -> Result<Margins> {
        self.progress.check()?;
        let mut hedges = Vec::new();
        let chunk = engine::chunk_with(priced, book, 0..book.len(), |account, work, units| {
            let sums = work.unit_sums().iter().zip(units);
            hedges.extend(sums.map(|(sums, unit)| hedge_of(priced, account, work, sums, unit.spot_in_use)));
        })?;
        if hedges.len() != chunk.units.len() {
            return Err(Error::Runtime(format!("{} risk units have {} hedges", chunk.units.len(), hedges.len())));
        }
        Ok(Margins { chunk, hedges })
    }

    /// What became of the accounts, of which `first` come before those of the piece.
    fn outcome(&self, scenario: usize, first: usize, margins: &Margins, base: &Margins) -> Result<Outcome> {
        let Margins { chunk, hedges } = margins;
        if chunk.accounts.len() != base.chunk.accounts.len() || hedges.len() != base.hedges.len() {
            let problem = "a scenario has other accounts or risk units than the base case";
            return Err(Error::Runtime(problem.to_owned()));
        }
        let units = self.names.units.len();
        let mut stats = ScenarioStats::new(Tally::of(chunk, units), units);
        for (place, (now, base)) in chunk.accounts.iter().zip(&base.chunk.accounts).enumerate() {
            stats.add(first + place, base, now);
        }
        for ((unit, now), base) in chunk.units.iter().zip(hedges).zip(&base.hedges) {
            stats.add_hedge(unit.unit, base, now);
        }
        let mut at_risk = at_risk::select(chunk, scenario);
        let count = at_risk.len() as u64;
        if self.with_at_risk {
            for row in &mut at_risk {
                row.account += first;
            }
            at_risk.shrink_to_fit();
        } else {
            at_risk = Vec::new();
        }
        Ok(Outcome { stats, count, at_risk })
    }
}

/// Of a chunk what is needed once its outcome is known; its units only to be written.
fn kept(chunk: &Chunk, encoders: &Encoders) -> Chunk {
    Chunk {
        units: if encoders.is_some() { chunk.units.clone() } else { Vec::new() },
        first_account: chunk.first_account,
        accounts: chunk.accounts.clone(),
        unit_end: if encoders.is_some() { chunk.unit_end.clone() } else { Vec::new() },
    }
}

/// Takes a later scenario into the worst of each account.
fn take_worst(worst: &mut Vec<Worst>, margins: &[AccountMargin], scenario: usize) {
    let of = |margin: &AccountMargin| {
        let liquidations = u64::from(margin.status == Status::Liquidation);
        Worst { scenario, margin: *margin, liquidations }
    };
    if worst.is_empty() {
        worst.extend(margins.iter().map(of));
        return;
    }
    worst.iter_mut().zip(margins).for_each(|(worst, margin)| worst.take(&of(margin)));
}

/// The hedge of the account that was margined last in one of its risk units.
fn hedge_of(priced: &PricedMarket, account: &Account, work: &Workspace, sums: &UnitSums, spot_coin: f64) -> Hedge {
    let params = &priced.units[sums.unit as usize];
    if !params.is_hedged_by(account.spot_offset) {
        return Hedge { unhedged_coin: sums.delta_coin.abs(), ..Hedge::default() };
    }
    let ledger = work.ledger(params.base);
    let without_cap = ledger.hedging_equity().abs().min(sums.delta_coin.abs());
    let is_opposed = ledger.hedging_equity() * sums.delta_coin < 0.0;
    Hedge {
        spot_coin,
        unhedged_coin: (sums.delta_coin + spot_coin).abs(),
        px_usd: params.spot_usd,
        is_liability: ledger.equity() < 0.0,
        is_capped: is_opposed && ledger.spot_in_use_cap < without_cap,
    }
}
