//! One pass over the pieces of a book for a few scenarios at once.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::accounts::{self, AccountStatistics, Beside, ByAccount};
use super::counting::{Counting, Hedge, HedgeSums};
use super::gather::{Outcome, Part};
use super::risk_table::RiskLists;
use super::rows::Worst;
use super::words::Written;
use crate::book::Book;
use crate::engine::lanes::{SideBySide, Work};
use crate::engine::{self, Chunk, account_of};
use crate::kept::AtWork;
use crate::margin::account::{Account, NotFinite};
use crate::margin::account_figures::AccountFigures;
use crate::margin::priced::PricedMarket;
use crate::margin::real::Real;
use crate::margin::requirement::{Workspace, evaluate, evaluate_beside};
use crate::margin::rules::{Rules, StatusRules};
use crate::margin::{AccountMargin, UnitMargin};
use crate::progress::Progress;
use crate::request::DistanceScope;
use crate::snapshot::stream::Piece;
use crate::tables::encode::{Encoded, Encoder};
use crate::tables::groups::AccountGroups;
use crate::tables::rows::{accounts_batch, by_account, risk_units_batch};
use crate::totals::at_risk::{self, Names, RiskRow};
use crate::totals::flagged::flag;
use crate::totals::groups::{GROUPS, ScenarioGroups, group_names};
use crate::totals::spread::{Floor, Spread};
use crate::totals::weighted::Weights;
use crate::{Error, Result};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Encoders of what is written in a pass.
#[derive(Default)]
pub(super) struct Encoders {
    /// Of `accounts` and `risk_units`, if they are written.
    pub detail: Option<[Encoder; 2]>,
    /// Of `account_groups`, in the pass of the base case, if there are groups.
    pub groups: Option<AccountGroups>,
    /// The groups of pieces at work.
    pub at_work: Arc<AtWork>,
}

/// A few consecutive scenarios.
pub(super) struct Pass<'a> {
    pub names: Names<'a>,
    /// The base case, which every pass margins: what it brings is not kept of every account.
    pub base: &'a PricedMarket,
    /// The scenarios, a few side by side.
    pub priced: &'a [SideBySide],
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
    /// What the scenarios weigh, all of them.
    pub weights: &'a Weights,
    /// Figures of all accounts in the scenarios of the passes before, if their distributions are written.
    pub kept: Option<&'a [Written]>,
    /// The worst scenario of each account in the passes before, if there were any.
    pub worst: Option<&'a Written>,
    pub progress: &'a dyn Progress,
    /// Pieces that are being worked on.
    pub active: AtomicUsize,
}

/// A piece in the base case.
struct Base {
    chunk: Chunk,
    /// One entry a risk unit, as in the chunk.
    hedges: Vec<Hedge>,
    /// Their sums, by risk unit of the market.
    sums: Vec<HedgeSums>,
}

/// What some scenarios leave of a piece.
#[derive(Default)]
struct Left {
    /// One a scenario.
    outcomes: Vec<Outcome>,
    /// One an account: the worst of these scenarios.
    worst: Vec<Worst>,
    /// One a scenario, if margins are written.
    chunks: Vec<Chunk>,
    /// One for a few scenarios side by side, if distributions of accounts are written.
    beside: Vec<Beside>,
}

impl Left {
    /// Takes in what later scenarios left.
    fn then(&mut self, later: Self) {
        self.outcomes.extend(later.outcomes);
        self.chunks.extend(later.chunks);
        self.beside.extend(later.beside);
        if self.worst.is_empty() {
            self.worst = later.worst;
        } else {
            self.worst.iter_mut().zip(&later.worst).for_each(|(worst, later)| worst.take(later));
        }
    }
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
        let base = self.base(book)?;
        let is_first = self.first == 0;
        let left = self.scenarios(piece, &base, encoders, others)?;
        let detail = encoders.detail.as_ref().map(|encoders| self.detail(&left.chunks, book, encoders)).transpose()?;
        let spread = is_first.then(|| {
            let mut spread = Spread::new(self.names.units.len(), self.status, self.floor);
            spread.count(&base.chunk);
            spread.finish(book);
            spread
        });
        let (mut flagged, mut base_at_risk) = (None, Vec::new());
        if is_first && (self.with_at_risk || self.distance != DistanceScope::None) {
            let mut rows = at_risk::select(&base.chunk, 0);
            if self.with_at_risk {
                base_at_risk.clone_from(&rows);
                for row in &mut base_at_risk {
                    row.account += piece.first;
                }
            }
            if self.distance != DistanceScope::None {
                flagged = Some((flag(book, self.distance, &mut rows)?, rows));
            }
        }
        let Left { outcomes, worst, beside, .. } = left;
        let worst = self.worst_so_far(piece, worst)?;
        let (figures, statistics) = self.figures(piece, &base.chunk.accounts, beside)?;
        let account_groups = encoders.groups.as_ref().map(|table| table.encode(book)).transpose()?;
        let (ids, base, group_names) = (book.accounts().clone(), base.chunk.accounts, group_names(book));
        Ok(Part {
            ids,
            outcomes,
            base,
            worst,
            spread,
            flagged,
            base_at_risk,
            detail,
            figures,
            statistics,
            group_names,
            account_groups,
        })
    }

    /// The worst scenarios of the accounts of a piece, those of the passes before taken in.
    fn worst_so_far(&self, piece: &Piece, later: Vec<Worst>) -> Result<Vec<Worst>> {
        let Some(before) = self.worst else { return Ok(later) };
        let words = before.read(piece.first, later.len())?;
        let (before, _) = words.as_chunks::<{ Worst::WORDS }>();
        let worst_of = |(before, later)| {
            let mut worst = Worst::of_words(before, &self.base.rules);
            worst.take(later);
            worst
        };
        Ok(before.iter().zip(&later).map(worst_of).collect())
    }

    /// The figures of the accounts of a piece, or what they come to if this is the last pass.
    fn figures(
        &self,
        piece: &Piece,
        base: &[AccountMargin],
        beside: Vec<Beside>,
    ) -> Result<(Option<ByAccount>, Option<Vec<AccountStatistics>>)> {
        let Some(kept) = self.kept else { return Ok((None, None)) };
        let own = ByAccount::of(&beside, base.len());
        drop(beside);
        let scenarios: usize = self.priced.iter().map(SideBySide::len).sum();
        if self.first + scenarios < self.weights.len() {
            return Ok((Some(own), None));
        }
        Ok((None, Some(accounts::statistics(self.weights, kept, own, base, piece.first)?)))
    }

    /// All scenarios of the pass. Threads that other pieces leave idle take some of them; what comes out does not
    /// depend on it.
    fn scenarios(&self, piece: &Piece, base: &Base, encoders: &Encoders, others: usize) -> Result<Left> {
        let width = (rayon::current_num_threads() / (others + 1)).max(1);
        let share = self.priced.len().div_ceil(width).max(1);
        let starts: Vec<usize> = self
            .priced
            .iter()
            .scan(self.first, |next, beside| {
                *next += beside.len();
                Some(*next - beside.len())
            })
            .collect();
        let shares = self.priced.par_chunks(share).zip(starts.par_chunks(share));
        let lefts = shares.map(|(few, starts)| {
            let mut left = Left::default();
            for (beside, &scenario) in few.iter().zip(starts) {
                self.progress.check()?;
                let margined = InLanes { pass: self, piece, base, scenario, encoders, left: &mut left };
                beside.work(margined)?;
                let rows = piece.book.instrument().len() + piece.book.ccy().len();
                self.progress.advance((rows * beside.len()) as u64);
            }
            Ok(left)
        });
        let lefts: Vec<Left> = lefts.collect::<Result<_>>()?;
        Ok(lefts.into_iter().fold(Left::default(), |mut all, left| {
            all.then(left);
            all
        }))
    }

    fn detail(&self, chunks: &[Chunk], book: &Book, encoders: &[Encoder; 2]) -> Result<[Encoded; 2]> {
        let (rows, names) = (by_account(chunks), self.names);
        let [accounts, units] = encoders;
        Ok([
            accounts.encode(&accounts_batch(&rows, book, names.scenarios)?)?,
            units.encode(&risk_units_batch(&rows, book, names.units, names.scenarios)?)?,
        ])
    }

    fn base(&self, book: &Book) -> Result<Base> {
        self.progress.check()?;
        let mut hedges = Vec::new();
        let priced = self.base;
        let chunk = engine::chunk_with(priced, book, 0..book.len(), |account, work, units| {
            hedges.extend(hedges_of(priced, account, work, units));
        })?;
        if hedges.len() != chunk.units.len() {
            return Err(Error::Runtime(format!("{} risk units have {} hedges", chunk.units.len(), hedges.len())));
        }
        let mut sums = vec![HedgeSums::default(); self.names.units.len()];
        for (unit, hedge) in chunk.units.iter().zip(&hedges) {
            sums[unit.unit as usize].add(hedge, hedge);
        }
        Ok(Base { chunk, hedges, sums })
    }
}

/// The hedges of the account that was margined last, in its units.
fn hedges_of(
    priced: &PricedMarket,
    account: &Account<'_>,
    work: &Workspace,
    units: &[UnitMargin],
) -> impl Iterator<Item = Hedge> {
    work.unit_sums().iter().zip(units).map(move |(sums, unit)| {
        let params = &priced.units[sums.unit as usize];
        Hedge::of(params, account, (sums, work.ledger(params.base)), unit.spot_in_use)
    })
}

/// A piece in a few scenarios side by side.
struct InLanes<'a> {
    pass: &'a Pass<'a>,
    piece: &'a Piece,
    base: &'a Base,
    /// Number of the first.
    scenario: usize,
    encoders: &'a Encoders,
    /// What the scenarios before have left.
    left: &'a mut Left,
}

/// Buffers for accounts with pending orders, which are margined in one market after the other.
struct OneByOne {
    work: Workspace,
    units: Vec<UnitMargin>,
    margins: Vec<AccountMargin>,
    hedges: Vec<Hedge>,
}

impl Work for InLanes<'_> {
    type Output = Result<()>;

    #[inline(always)]
    fn work<R: Real>(self, priced: &PricedMarket<R>, alone: &[PricedMarket]) -> Result<()> {
        let Self { pass, piece, base, scenario, encoders, left } = self;
        let (book, used, rules) = (&piece.book, alone.len(), &priced.rules);
        let mut counting = Counting::<R>::new(pass.names.units.len());
        let mut work = Workspace::new(priced);
        let mut orders: Option<OneByOne> = None;
        let mut at_risk: Vec<Vec<RiskRow>> = vec![Vec::new(); used];
        let mut counts = vec![0; used];
        let mut chunks = if encoders.detail.is_some() { vec![Chunk::default(); used] } else { Vec::new() };
        let units: Vec<u64> = (scenario..scenario + used).map(|number| pass.weights.units(number)).collect();
        let mut beside = pass.kept.map(|_| Beside::new(used, book.len()));
        let mut groups = LaneGroups::new(book, used);
        let mut before_units = base.chunk.units.iter().zip(&base.hedges);
        for (place, before) in base.chunk.accounts.iter().enumerate() {
            let account = account_of(book, place);
            counting.begin();
            let mut has_base = true;
            let mut count = inlined(
                #[inline(always)]
                |margin: UnitMargin<R>, now: Hedge<R>| {
                    match before_units.next() {
                        Some((unit, base)) if unit.unit == margin.unit => counting.count_unit(&margin, base, &now),
                        _ => has_base = false,
                    }
                    for (lane, chunk) in chunks.iter_mut().enumerate() {
                        chunk.units.push(margin.lane(lane));
                    }
                    groups.count_unit(&margin);
                },
            );
            let figures = if account.orders.is_empty() {
                evaluate_beside(
                    priced,
                    &account,
                    &mut work,
                    #[inline(always)]
                    |seen, margin| {
                        let params = &priced.units[margin.unit as usize];
                        count(margin, Hedge::of(params, &account, seen, margin.spot_in_use));
                    },
                )
            } else {
                one_by_one(orders.get_or_insert_with(|| OneByOne::new(&alone[0])), alone, &account, &mut count)
            };
            let figures = figures.map_err(|_| engine::not_finite(book, place))?;
            if !has_base {
                return Err(other_units());
            }
            let number = piece.first + place;
            let standing = counting.count_account(number, before, &figures, rules);
            if R::splat(0.0).any_below(standing.at_risk) {
                for lane in (0..used).filter(|&lane| standing.at_risk.lane(lane) > 0.0) {
                    counts[lane] += 1;
                    if pass.with_at_risk {
                        let margin = AccountMargin::of(&figures.lane(lane), rules);
                        at_risk[lane].push(RiskRow::new(number, &margin, counting.largest_unit(lane)));
                    }
                }
            }
            take_worst(&mut left.worst, place, &figures, standing.liquidation, (scenario, &units), rules);
            if let Some(beside) = &mut beside {
                (0..used).for_each(|lane| beside.push(figures.mmr.lane(lane), figures.total_eq.lane(lane)));
            }
            groups.count_account(book, place, &figures, rules);
            for (lane, chunk) in chunks.iter_mut().enumerate() {
                chunk.accounts.push(AccountMargin::of(&figures.lane(lane), rules));
                chunk.unit_end.push(chunk.units.len());
            }
        }
        if before_units.next().is_some() {
            return Err(other_units());
        }
        let mut groups = groups.finish(&encoders.at_work)?;
        for (lane, (mut rows, count)) in at_risk.into_iter().zip(counts).enumerate() {
            rows.shrink_to_fit();
            let mut at_risk = RiskLists::default();
            at_risk.add(rows);
            let (stats, groups) = (counting.lane(lane, &base.sums), groups.next());
            left.outcomes.push(Outcome { stats, count, at_risk, groups });
        }
        left.chunks.extend(chunks);
        left.beside.extend(beside);
        Ok(())
    }
}

/// What the groups of a piece come to in a few scenarios side by side; nothing without groups.
struct LaneGroups {
    lanes: Vec<ScenarioGroups>,
    /// The risk units of the account at hand, one list a scenario.
    units: Vec<Vec<UnitMargin>>,
}

impl LaneGroups {
    fn new(book: &Book, scenarios: usize) -> Self {
        let lanes = if book.groups().is_empty() { 0 } else { scenarios };
        Self { lanes: (0..lanes).map(|_| ScenarioGroups::new(book)).collect(), units: vec![Vec::new(); lanes] }
    }

    #[inline(always)]
    fn count_unit<R: Real>(&mut self, margin: &UnitMargin<R>) {
        for (lane, units) in self.units.iter_mut().enumerate() {
            units.push(margin.lane(lane));
        }
    }

    #[inline(always)]
    fn count_account<R: Real>(&mut self, book: &Book, account: usize, figures: &AccountFigures<R>, rules: &Rules) {
        for (lane, (groups, units)) in self.lanes.iter_mut().zip(&mut self.units).enumerate() {
            groups.count_account(book, account, &AccountMargin::of(&figures.lane(lane), rules), units);
            units.clear();
        }
    }

    fn finish(self, at_work: &AtWork) -> Result<impl Iterator<Item = ScenarioGroups>> {
        let bytes: usize = self.lanes.iter().map(ScenarioGroups::bytes).sum();
        at_work.add(bytes as u64, GROUPS)?;
        Ok(self.lanes.into_iter())
    }
}

/// Says what a closure takes where its own attributes must be an argument's.
#[inline(always)]
fn inlined<R: Real, F: FnMut(UnitMargin<R>, Hedge<R>)>(count: F) -> F {
    count
}

fn other_units() -> Error {
    Error::Runtime("a scenario has other accounts or risk units than the base case".to_owned())
}

impl OneByOne {
    fn new(priced: &PricedMarket) -> Self {
        Self { work: Workspace::new(priced), units: Vec::new(), margins: Vec::new(), hedges: Vec::new() }
    }
}

/// An account with pending orders, whose filled rows differ from market to market, in each of them.
#[inline(never)]
fn one_by_one<R: Real>(
    buffers: &mut OneByOne,
    alone: &[PricedMarket],
    account: &Account<'_>,
    mut count: impl FnMut(UnitMargin<R>, Hedge<R>),
) -> Result<AccountFigures<R>, NotFinite> {
    let OneByOne { work, units, margins, hedges } = buffers;
    units.clear();
    margins.clear();
    hedges.clear();
    let mut units_of_one = 0;
    for lane in 0..R::LANES {
        // Lanes that are left have the last market again.
        let priced = &alone[lane.min(alone.len() - 1)];
        let first = units.len();
        margins.push(evaluate(priced, account, work, units)?);
        hedges.extend(hedges_of(priced, account, work, &units[first..]));
        units_of_one = units.len() - first;
    }
    let of_unit = |unit: usize| (0..R::LANES).map(move |lane| lane * units_of_one + unit);
    for unit in 0..units_of_one {
        let few: Vec<UnitMargin> = of_unit(unit).filter_map(|place| units.get(place).copied()).collect();
        let few_hedges: Vec<Hedge> = of_unit(unit).filter_map(|place| hedges.get(place).copied()).collect();
        if few.len() == R::LANES && few.iter().all(|margin| margin.unit == few[0].unit) {
            count(UnitMargin::beside(&few), Hedge::beside(&few_hedges));
        }
    }
    Ok(AccountMargin::beside(margins))
}

/// Takes an account in scenarios from number `scenario` on into its worst so far; `units` are their weights.
#[inline(always)]
fn take_worst<R: Real>(
    all: &mut Vec<Worst>,
    place: usize,
    figures: &AccountFigures<R>,
    liquidation: R,
    (scenario, units): (usize, &[u64]),
    rules: &Rules,
) {
    let of = |lane: usize| Worst {
        scenario: scenario + lane,
        margin: AccountMargin::of(&figures.lane(lane), rules),
        liquidations: 0,
        liquidation_units: 0,
    };
    if all.len() == place {
        all.push(of(0));
    }
    let worst = &mut all[place];
    if R::splat(0.0).any_below(liquidation) {
        for (_, units) in units.iter().enumerate().filter(|(lane, _)| liquidation.lane(*lane) > 0.0) {
            worst.liquidations += 1;
            worst.liquidation_units += units;
        }
    }
    let may_be_worse = match worst.margin.margin_ratio {
        Some(ratio) => figures.margin_ratio.any_below(R::splat(ratio)),
        None => true,
    };
    if may_be_worse {
        (0..units.len()).for_each(|lane| worst.take(&of(lane)));
    }
}
