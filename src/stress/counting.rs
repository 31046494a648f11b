//! What becomes of many accounts in several scenarios at once, counted while they are margined.
//!
//! ```text
//! margin::evaluate_beside        one account in R::LANES markets
//!   unit by unit   -> Counting::count_unit       tally, hedges, the unit with the largest MMR
//!   at its end     -> Counting::count_account    tally, migration, shortfalls
//! Counting::lane                 one scenario, as statistics that merge
//! ```
//!
//! Counts are numbers, and every condition is a choice between one and zero: no branch depends on one scenario.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::stats::{HedgeStats, Largest, ScenarioStats};
use crate::margin::account::Account;
use crate::margin::account_figures::AccountFigures;
use crate::margin::extremes::{loss, lower};
use crate::margin::ledgers::Ledger;
use crate::margin::priced::UnitParams;
use crate::margin::real::Real;
use crate::margin::rules::Rules;
use crate::margin::sums::UnitSums;
use crate::margin::{AccountMargin, Status, UnitMargin};
use crate::totals::at_risk::{Binding, WorstUnit};
use crate::totals::beside::{TallyBeside, WEIGHTS, binding_of};
use crate::totals::counts::StatusCounts;
use crate::totals::sum::Sum;

/// The hedge of one account in one risk unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Hedge<R = f64> {
    /// Spot in use, coins.
    pub spot_coin: R,
    /// What it leaves of the unit's coin delta, absolute.
    pub unhedged_coin: R,
    /// USD price of a coin of it.
    pub px_usd: R,
    /// One where the account owes the coin.
    pub is_liability: R,
    /// One where the account's own cap, and nothing else, keeps it from being larger.
    pub is_capped: R,
}

impl<R: Real> Hedge<R> {
    /// The hedge of an account in a unit: its sums, the ledger of its base currency, its spot in use.
    #[inline(always)]
    pub fn of(
        params: &UnitParams<R>,
        account: &Account<'_>,
        (sums, ledger): (&UnitSums<R>, &Ledger<R>),
        spot_coin: R,
    ) -> Self {
        if !params.is_hedged_by(account.spot_offset) {
            return Self { unhedged_coin: sums.delta_coin.abs(), ..Self::default() };
        }
        let (zero, one) = (R::splat(0.0), R::splat(1.0));
        let (hedging, cap) = (ledger.hedging_equity(), R::splat(ledger.spot_in_use_cap));
        let without_cap = lower(hedging.abs(), sums.delta_coin.abs());
        let if_opposed = cap.if_below(without_cap, one, zero);
        Self {
            spot_coin,
            unhedged_coin: (sums.delta_coin + spot_coin).abs(),
            px_usd: params.spot_usd,
            is_liability: ledger.equity().if_below(zero, one, zero),
            is_capped: (hedging * sums.delta_coin).if_below(zero, if_opposed, zero),
        }
    }

    /// The hedges of one account in one unit in several markets, one a lane.
    pub fn beside(hedges: &[Hedge]) -> Self {
        let by_lane = |figure: fn(&Hedge) -> f64| R::by_lane(|lane| figure(&hedges[lane]));
        Self {
            spot_coin: by_lane(|hedge| hedge.spot_coin),
            unhedged_coin: by_lane(|hedge| hedge.unhedged_coin),
            px_usd: by_lane(|hedge| hedge.px_usd),
            is_liability: by_lane(|hedge| hedge.is_liability),
            is_capped: by_lane(|hedge| hedge.is_capped),
        }
    }
}

/// Hedges of one risk unit over many accounts, in one state of the market or in several.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HedgeSums<R = f64> {
    hedged: R,
    spot_coin: Sum<R>,
    unhedged_coin: Sum<R>,
    capped: R,
    /// Beside the base case.
    spot_usd: Sum<R>,
    reduced: R,
    reduced_to_none: R,
    new_liability: R,
}

/// A hedge is smaller than before if it lost more than rounding.
const ROUNDING: f64 = 1e-12;

impl<R: Real> HedgeSums<R> {
    #[inline(always)]
    pub fn add(&mut self, base: &Hedge, now: &Hedge<R>) {
        let (zero, one) = (R::splat(0.0), R::splat(1.0));
        self.hedged += now.spot_coin.if_zero(zero, one);
        self.spot_coin.add(now.spot_coin.abs());
        self.unhedged_coin.add(now.unhedged_coin);
        self.capped += now.is_capped;
        // A coin that hedges nothing needs no price.
        self.spot_usd.add(now.spot_coin.if_zero(zero, now.spot_coin.abs() * now.px_usd));
        let least = R::splat(base.spot_coin.abs() * (1.0 - ROUNDING));
        self.reduced += now.spot_coin.abs().if_below(least, one, zero);
        if base.spot_coin != 0.0 {
            self.reduced_to_none += now.spot_coin.if_zero(one, zero);
        }
        if base.is_liability == 0.0 {
            self.new_liability += now.is_liability;
        }
    }

    /// One scenario, beside the base case.
    fn lane(&self, lane: usize, base: &HedgeSums) -> HedgeStats {
        let whole = |count: R| count.lane(lane) as u64;
        HedgeStats {
            hedged: [base.hedged as u64, whole(self.hedged)],
            spot_coin: [base.spot_coin, self.spot_coin.lane(lane)],
            spot_usd: self.spot_usd.lane(lane),
            unhedged_coin: [base.unhedged_coin, self.unhedged_coin.lane(lane)],
            reduced: whole(self.reduced),
            reduced_to_none: whole(self.reduced_to_none),
            new_liability: whole(self.new_liability),
            capped: [base.capped as u64, whole(self.capped)],
        }
    }
}

/// Accounts of one status in the base case, by how low their margin ratio is now: at or below each threshold, or with
/// a ratio at all.
#[derive(Debug, Clone, Copy, Default)]
struct Below<R> {
    accounts: u64,
    liquidation: R,
    near: R,
    warning: R,
    with_ratio: R,
}

impl<R: Real> Below<R> {
    /// Accounts by status, in the order of [`Status::ALL`].
    fn by_status(&self, lane: usize) -> [u64; Status::ALL.len()] {
        let [liquidation, near, warning, with_ratio] =
            [self.liquidation, self.near, self.warning, self.with_ratio].map(|count| count.lane(lane) as u64);
        let counts = [liquidation, near - liquidation, warning - near, with_ratio - warning];
        let [first, second, third, fourth] = counts;
        [first, second, third, fourth, self.accounts - with_ratio]
    }
}

/// Of an account the unit with the largest MMR, the first of equals.
#[derive(Debug, Clone, Copy)]
struct LargestUnit<R> {
    mmr: R,
    /// Index of the unit, and the weight of the term that binds, one of [`WEIGHTS`].
    unit: R,
    binding: R,
}

impl<R: Real> LargestUnit<R> {
    #[inline(always)]
    fn none() -> Self {
        Self { mmr: R::splat(f64::NEG_INFINITY), unit: R::splat(0.0), binding: R::splat(0.0) }
    }

    fn lane(&self, lane: usize) -> Option<WorstUnit> {
        (self.mmr.lane(lane) > f64::NEG_INFINITY).then(|| WorstUnit {
            unit: self.unit.lane(lane) as u32,
            mmr: self.mmr.lane(lane),
            binding: binding_of(self.binding.lane(lane)),
        })
    }
}

/// Statistics of consecutive accounts in as many scenarios as `R` has lanes.
pub(super) struct Counting<R> {
    tally: TallyBeside<R>,
    hedges: Vec<HedgeSums<R>>,
    /// By status in the base case.
    below: [Below<R>; Status::ALL.len()],
    newly_im_deficit: R,
    shortfall: Sum<R>,
    shortfall_accounts: R,
    largest_shortfall: Vec<Largest>,
    largest_mmr: Vec<Largest>,
    /// What an amount must exceed to be among the largest: of shortfalls and of MMR.
    least: [R; 2],
    /// Of the account at work.
    largest_unit: LargestUnit<R>,
}

/// How one account stands, as far as it is counted further.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<R> {
    /// One where it is in liquidation, else zero.
    pub liquidation: R,
    /// One where it is at risk, else zero.
    pub at_risk: R,
}

impl<R: Real> Counting<R> {
    /// Of nothing yet, in a market of `units` risk units.
    pub fn new(units: usize) -> Self {
        let zero = R::splat(0.0);
        Self {
            tally: TallyBeside::new(units),
            hedges: vec![HedgeSums::default(); units],
            below: [Below::default(); Status::ALL.len()],
            newly_im_deficit: zero,
            shortfall: Sum::default(),
            shortfall_accounts: zero,
            largest_shortfall: vec![Largest::default(); R::LANES],
            largest_mmr: vec![Largest::default(); R::LANES],
            least: [zero; 2],
            largest_unit: LargestUnit::none(),
        }
    }

    /// Begins an account.
    #[inline(always)]
    pub fn begin(&mut self) {
        self.largest_unit = LargestUnit::none();
    }

    /// Counts a risk unit of the account, and its hedge beside that in the base case.
    #[inline(always)]
    pub fn count_unit(&mut self, margin: &UnitMargin<R>, base: &Hedge, now: &Hedge<R>) {
        let binding = Binding::number_beside(margin, WEIGHTS);
        self.tally.count_unit(margin, binding);
        self.hedges[margin.unit as usize].add(base, now);
        let LargestUnit { mmr, unit, binding: before } = self.largest_unit;
        self.largest_unit = LargestUnit {
            mmr: mmr.if_below(margin.mmr, margin.mmr, mmr),
            unit: mmr.if_below(margin.mmr, R::splat(f64::from(margin.unit)), unit),
            binding: mmr.if_below(margin.mmr, binding, before),
        };
    }

    /// Counts the account, number `account` of the book.
    #[inline(always)]
    pub fn count_account(
        &mut self,
        account: usize,
        base: &AccountMargin,
        figures: &AccountFigures<R>,
        rules: &Rules,
    ) -> Standing<R> {
        let (zero, one, ratio) = (R::splat(0.0), R::splat(1.0), figures.margin_ratio);
        let im_deficit = figures.adj_eq.if_below(figures.imr, one, zero);
        self.tally.count_account(figures, im_deficit, rules.min_net_equity_usd);
        if !base.im_deficit {
            self.newly_im_deficit += im_deficit;
        }
        let at_most = |threshold: f64| R::splat(threshold).if_at_least(ratio, one, zero);
        let (liquidation, near) = (at_most(rules.status.liquidation), at_most(rules.status.near));
        let below = &mut self.below[super::stats::place(base.status)];
        below.accounts += 1;
        below.liquidation += liquidation;
        below.near += near;
        below.warning += at_most(rules.status.warning);
        below.with_ratio += ratio.if_below(R::splat(f64::INFINITY), one, zero);
        let shortfall = loss(figures.total_eq);
        self.shortfall.add(shortfall);
        self.shortfall_accounts += zero.if_below(shortfall, one, zero);
        if self.least[0].any_below(shortfall) || self.least[1].any_below(figures.mmr) {
            self.offer(account, shortfall, figures.mmr);
        }
        Standing { liquidation, at_risk: im_deficit.if_zero(near, im_deficit) }
    }

    #[cold]
    fn offer(&mut self, account: usize, shortfall: R, mmr: R) {
        for lane in 0..R::LANES {
            self.largest_shortfall[lane].offer(shortfall.lane(lane), account);
            self.largest_mmr[lane].offer(mmr.lane(lane), account);
        }
        self.least = [&self.largest_shortfall, &self.largest_mmr].map(|all| R::by_lane(|lane| all[lane].least()));
    }

    /// Of the account counted last, in one scenario, the unit with the largest MMR.
    pub fn largest_unit(&self, lane: usize) -> Option<WorstUnit> {
        self.largest_unit.lane(lane)
    }

    /// What one scenario did; `base` are the hedges in the base case.
    pub fn lane(&self, lane: usize, base: &[HedgeSums]) -> ScenarioStats {
        let migration = self.below.map(|below| below.by_status(lane));
        let mut by_status = StatusCounts::default();
        for from in &migration {
            for (status, accounts) in Status::ALL.into_iter().zip(from) {
                *by_status.of(status) += accounts;
            }
        }
        ScenarioStats {
            tally: self.tally.lane(lane, by_status),
            migration,
            newly_im_deficit: self.newly_im_deficit.lane(lane) as u64,
            shortfall: self.shortfall.lane(lane),
            shortfall_accounts: self.shortfall_accounts.lane(lane) as u64,
            largest_shortfall: self.largest_shortfall[lane].clone(),
            largest_mmr: self.largest_mmr[lane].clone(),
            hedges: self.hedges.iter().zip(base).map(|(now, base)| now.lane(lane, base)).collect(),
        }
    }
}
