//! One pass over the book for a few scenarios at once.

use super::stats::{Hedge, ScenarioStats};
use super::tables::Worst;
use crate::book::Book;
use crate::engine::{self, CHUNK_ACCOUNTS, Chunk};
use crate::margin::account::Account;
use crate::margin::priced::PricedMarket;
use crate::margin::requirement::Workspace;
use crate::margin::rules::StatusRules;
use crate::margin::sums::UnitSums;
use crate::margin::{AccountMargin, Status};
use crate::progress::Progress;
use crate::tables::encode::{Encoded, Encoder, TableFile};
use crate::tables::rows::{accounts_batch, by_account, risk_units_batch};
use crate::totals::at_risk::{self, AtRisk, Names};
use crate::totals::spread::{Floor, Spread};
use crate::totals::summary::Tally;
use crate::{Error, Result, parallel};
use rayon::prelude::*;
use std::ops::Range;

/// What is kept of every account from the base case to the last scenario.
#[derive(Default)]
pub(super) struct State {
    /// The base case.
    pub base: Vec<AccountMargin>,
    /// The worst scenario so far.
    pub worst: Vec<Worst>,
    /// How the accounts lie in the base case.
    pub spread: Spread,
    /// The hedges of the base case, by chunk.
    hedges: Vec<Vec<Hedge>>,
}

/// A table that is written, and its encoder.
pub(super) type Table = (Encoder, TableFile);

/// A few consecutive scenarios.
pub(super) struct Pass<'a> {
    pub book: &'a Book,
    pub names: Names<'a>,
    pub priced: &'a [PricedMarket],
    /// Number of the first scenario; the base case has 0.
    pub first: usize,
    /// Thresholds of the margin ratio.
    pub status: &'a StatusRules,
    /// What the spreads of all chunks share.
    pub floor: &'a Floor,
    pub progress: &'a dyn Progress,
}

/// What scenarios did, and the accounts that are at risk in them.
pub(super) type Outcome = (ScenarioStats, Vec<AtRisk>);

/// A chunk of accounts in all scenarios of the pass.
struct Part {
    outcomes: Vec<Outcome>,
    worst: Vec<Worst>,
    /// Margins and hedges of the base case, in the pass that it belongs to.
    base: Option<(Vec<AccountMargin>, Vec<Hedge>, Spread)>,
    detail: Option<(Encoded, Encoded)>,
}

/// A chunk in one scenario.
struct Margins {
    chunk: Chunk,
    /// One entry a risk unit, as in the chunk.
    hedges: Vec<Hedge>,
}

impl Pass<'_> {
    /// Values all accounts in the scenarios of this pass; the outcome of each, in order.
    pub fn run(&self, state: &mut State, detail: &mut Option<(Table, Table)>) -> Result<Vec<Outcome>> {
        let size = self.chunk_accounts(detail.is_some());
        let mut outcomes: Vec<Outcome> = self.priced.iter().map(|_| Outcome::default()).collect();
        let (base, hedges) = (std::mem::take(&mut state.base), std::mem::take(&mut state.hedges));
        let (mut new_base, mut new_hedges) = (Vec::new(), Vec::new());
        let (encoders, mut files) = match detail {
            Some(((accounts, rows), (units, unit_rows))) => (Some((&*accounts, &*units)), Some((rows, unit_rows))),
            None => (None, None),
        };
        let mut account = 0;
        parallel::in_order(
            self.book.len().div_ceil(size),
            rayon::current_num_threads() * 2,
            |task| {
                let range = task * size..self.book.len().min((task + 1) * size);
                let known = if self.first == 0 { None } else { base.get(range.clone()).zip(hedges.get(task)) };
                self.part(range, known.map(|(base, hedges)| (base, hedges.as_slice())), encoders)
            },
            |part: Part| {
                for ((stats, at_risk), (more, rows)) in outcomes.iter_mut().zip(part.outcomes) {
                    stats.merge(&more);
                    at_risk.extend(rows);
                }
                for worst in part.worst {
                    match state.worst.get_mut(account) {
                        Some(before) => before.take(&worst),
                        None => state.worst.push(worst),
                    }
                    account += 1;
                }
                if let Some((margins, hedges, spread)) = part.base {
                    new_base.extend(margins);
                    new_hedges.push(hedges);
                    state.spread.merge(&spread);
                }
                if let (Some((accounts, units)), Some((rows, unit_rows))) = (&mut files, part.detail) {
                    accounts.append(rows)?;
                    units.append(unit_rows)?;
                }
                Ok(())
            },
        )?;
        (state.base, state.hedges) = if self.first == 0 { (new_base, new_hedges) } else { (base, hedges) };
        Ok(outcomes)
    }

    /// With all rows written a chunk has as many rows as a run's, whatever the number of scenarios.
    fn chunk_accounts(&self, with_detail: bool) -> usize {
        if with_detail { (CHUNK_ACCOUNTS / self.priced.len().max(1)).max(1) } else { CHUNK_ACCOUNTS }
    }

    fn part(
        &self,
        range: Range<usize>,
        base: Option<(&[AccountMargin], &[Hedge])>,
        encoders: Option<(&Encoder, &Encoder)>,
    ) -> Result<Part> {
        let own = match (base, self.priced) {
            (None, [priced, ..]) => Some(self.margins(priced, range.clone())?),
            _ => None,
        };
        let own_base = own.as_ref().map(|own| (own.chunk.accounts.as_slice(), own.hedges.as_slice()));
        let (base_margins, base_hedges) =
            base.or(own_base).ok_or_else(|| Error::Runtime("a pass without scenarios".to_owned()))?;
        let scenario = |(offset, priced): (usize, &PricedMarket)| {
            let computed;
            let margins = match &own {
                Some(own) if offset == 0 => own,
                _ => {
                    computed = self.margins(priced, range.clone())?;
                    &computed
                }
            };
            let outcome = self.outcome(offset, margins, base_margins, base_hedges)?;
            self.progress.advance(range.len() as u64);
            let chunk = Chunk {
                units: if encoders.is_some() { margins.chunk.units.clone() } else { Vec::new() },
                first_account: range.start,
                accounts: margins.chunk.accounts.clone(),
                unit_end: margins.chunk.unit_end.clone(),
            };
            Ok((outcome, chunk))
        };
        let results: Vec<(Outcome, Chunk)> = self.priced.par_iter().enumerate().map(scenario).collect::<Result<_>>()?;
        let (outcomes, chunks): (Vec<Outcome>, Vec<Chunk>) = results.into_iter().unzip();
        let worst = (0..range.len()).filter_map(|account| self.worst(&chunks, account)).collect();
        let detail = match encoders {
            Some((accounts, units)) => {
                let (book, names) = (self.book, self.names);
                let rows = by_account(&chunks);
                Some((
                    accounts.encode(&accounts_batch(&rows, book, names.scenarios)?)?,
                    units.encode(&risk_units_batch(&rows, book, names.units, names.scenarios)?)?,
                ))
            }
            None => None,
        };
        let base = own.map(|own| {
            let mut spread = Spread::new(self.names.units.len(), self.status, self.floor);
            spread.count(&own.chunk);
            spread.finish(self.book);
            (own.chunk.accounts, own.hedges, spread)
        });
        Ok(Part { outcomes, worst, base, detail })
    }

    fn margins(&self, priced: &PricedMarket, range: Range<usize>) -> Result<Margins> {
        self.progress.check()?;
        let mut hedges = Vec::new();
        let chunk = engine::chunk_with(priced, self.book, range, |account, work, units| {
            let sums = work.unit_sums().iter().zip(units);
            hedges.extend(sums.map(|(sums, unit)| hedge_of(priced, account, work, sums, unit.spot_in_use)));
        })?;
        if hedges.len() != chunk.units.len() {
            return Err(Error::Runtime(format!("{} risk units have {} hedges", chunk.units.len(), hedges.len())));
        }
        Ok(Margins { chunk, hedges })
    }

    fn outcome(
        &self,
        offset: usize,
        margins: &Margins,
        base: &[AccountMargin],
        base_hedges: &[Hedge],
    ) -> Result<Outcome> {
        let Margins { chunk, hedges } = margins;
        if chunk.accounts.len() != base.len() || hedges.len() != base_hedges.len() {
            let problem = "a scenario has other accounts or risk units than the base case";
            return Err(Error::Runtime(problem.to_owned()));
        }
        let units = self.names.units.len();
        let mut stats = ScenarioStats::new(Tally::of(chunk, units), units);
        for (place, (now, base)) in chunk.accounts.iter().zip(base).enumerate() {
            stats.add(chunk.first_account + place, base, now);
        }
        for ((unit, now), base) in chunk.units.iter().zip(hedges).zip(base_hedges) {
            stats.add_hedge(unit.unit, base, now);
        }
        Ok((stats, at_risk::select(chunk, self.first + offset)))
    }

    /// The worst of the pass's scenarios for an account.
    fn worst(&self, chunks: &[Chunk], account: usize) -> Option<Worst> {
        let of = |(offset, chunk): (usize, &Chunk)| {
            let margin = *chunk.accounts.get(account)?;
            let liquidations = u64::from(margin.status == Status::Liquidation);
            Some(Worst { scenario: self.first + offset, margin, liquidations })
        };
        let take = |mut worst: Worst, later| {
            worst.take(&later);
            worst
        };
        chunks.iter().enumerate().filter_map(of).reduce(take)
    }
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
