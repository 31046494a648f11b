//! One check: an account before and after some actions, the verdict, and the largest amount that passes.

use super::amount::{Lot, Most, Unit, largest, thinned};
use super::leg::{Leg, Part};
use super::operation::{Action, Refusal};
use crate::book::Book;
use crate::engine::account_of;
use crate::margin::account::{Account, NotFinite, Traded};
use crate::margin::cash::{CashChanges, FreeMargin};
use crate::margin::changed::{Changes, Known};
use crate::margin::orders::Holdings;
use crate::margin::priced::PricedMarket;
use crate::margin::requirement::{Workspace, evaluate};
use crate::margin::rules::SpotOffset;
use crate::margin::{AccountMargin, UnitMargin};
use crate::market::{Market, SpotPair};

/// Whether an operation may go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Afterwards adjusted equity covers IMR, or the IM deficit is no larger than before.
    Pass,
    /// The amount asked for fails, a smaller one passes.
    Adjust,
    /// No amount passes.
    Reject,
}

impl Verdict {
    /// The name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Adjust => "adjust",
            Self::Reject => "reject",
        }
    }
}

/// A risk unit before and after.
pub type UnitChange = (Option<UnitMargin>, Option<UnitMargin>);

/// The answer to a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The account as it is.
    pub before: AccountMargin,
    /// With everything applied.
    pub after: AccountMargin,
    /// What decides, before and after.
    pub free: [FreeMargin; 2],
    /// The verdict.
    pub verdict: Verdict,
    /// For [`Verdict::Adjust`]: the largest amount of each action. Amounts of a group keep their proportions.
    pub most: Vec<Option<Most>>,
    /// The units that change, before and after. `None`: the unit does not exist in that state.
    pub units: Vec<UnitChange>,
}

/// Checks operations on the accounts of a book, one account after another.
pub struct Checker<'a> {
    market: &'a Market,
    priced: &'a PricedMarket,
    book: &'a Book,
    spot_pairs: &'a [SpotPair],
    known: Option<(usize, Known)>,
    /// For other amounts of cash of the known account; `None` if it has pending orders.
    cash: Option<CashChanges>,
    work: Workspace,
    changes: Changes,
    holdings: Holdings,
}

impl<'a> Checker<'a> {
    /// A checker that has evaluated nothing yet.
    #[must_use]
    pub fn new(market: &'a Market, priced: &'a PricedMarket, book: &'a Book) -> Self {
        Self {
            market,
            priced,
            book,
            spot_pairs: &[],
            known: None,
            cash: None,
            work: Workspace::new(priced),
            changes: Changes::new(priced),
            holdings: Holdings::default(),
        }
    }

    /// The same, with the sizes of orders on spot pairs, in the order of their currencies. A pair that is not among
    /// them has steps of 1e-8 of its base.
    #[must_use]
    pub fn with_spot_pairs(self, spot_pairs: &'a [SpotPair]) -> Self {
        Self { spot_pairs, ..self }
    }

    /// The account as it is. Evaluated once for consecutive operations on the same account.
    ///
    /// # Errors
    /// [`Refusal::NotFinite`].
    pub fn known(&mut self, account: usize) -> Result<&Known, Refusal> {
        if self.known.as_ref().is_none_or(|(of, _)| *of != account) {
            let rows = account_of(self.book, account);
            let known = Known::new(self.priced, &rows, &mut self.work).map_err(|_| Refusal::NotFinite)?;
            self.cash = None;
            self.known = Some((account, known));
        }
        self.known.as_ref().map(|(_, known)| known).ok_or(Refusal::NotFinite)
    }

    /// Equity of each currency in which the account has cash or a position.
    ///
    /// # Errors
    /// [`Refusal::NotFinite`].
    pub fn equities(&mut self, account: usize) -> Result<Vec<(u32, f64)>, Refusal> {
        let rows = account_of(self.book, account);
        let mut units = Vec::new();
        evaluate(self.priced, &rows, &mut self.work, &mut units).map_err(|_| Refusal::NotFinite)?;
        Ok(self.work.currencies().into_iter().map(|(ccy, ledger)| (ccy, ledger.equity())).collect())
    }

    /// Applies all `actions` together.
    ///
    /// # Errors
    /// [`Refusal::NoHedge`] if there is no hedge to close, [`Refusal::NotFinite`] if a figure overflows.
    pub fn check(&mut self, account: usize, actions: &[Action]) -> Result<Answer, Refusal> {
        let legs = self.legs(account, actions)?;
        let known = self.known(account)?;
        let (before, free_before) = (known.margin, free_of(known));
        let (after, free_after) = self.apply(account, &legs, Part::All)?;
        let units = self.changed_units(account)?;
        let (free, most) = ([free_before, free_after], vec![None; legs.len()]);
        let mut answer = Answer { before, after, free, verdict: Verdict::Pass, most, units };
        if free_after.covers(free_before) {
            return Ok(answer);
        }
        let (legs, part) = self.largest_part(account, legs, free_before)?;
        let is_too_small = |leg: &Leg| leg.amount(part) > 0.0 && leg.amount(part) < leg.least;
        if matches!(part, Part::Steps(0, _)) || legs.iter().any(is_too_small) {
            answer.verdict = Verdict::Reject;
            return Ok(answer);
        }
        answer.verdict = Verdict::Adjust;
        for (most, leg) in answer.most.iter_mut().zip(&legs) {
            *most = leg.most(part);
        }
        Ok(answer)
    }

    /// The largest part of legs that passes; all of them fail. Of an amount so large that its lots are coarse, the
    /// search begins again below the first step that fails, until lots are no finer: what can be done must not depend
    /// on how much was asked for.
    fn largest_part(
        &mut self,
        account: usize,
        mut legs: Vec<Leg>,
        free_before: FreeMargin,
    ) -> Result<(Vec<Leg>, Part), Refusal> {
        loop {
            let steps = legs.iter().map(|leg| leg.lots).max().unwrap_or(0);
            // The amount asked for may lie between two lots. Then the lot below it has not been tried.
            let whole = legs.iter().all(|leg| leg.lots == 0 || leg.lot.amount(leg.lots) == leg.asked());
            let failing = if whole { steps } else { steps + 1 };
            let corners = self.corners(account, &legs, steps);
            let found = largest(failing, &corners, |step| {
                self.apply(account, &legs, Part::Steps(step, steps)).is_ok_and(|(_, after)| after.covers(free_before))
            });
            let next: Option<Vec<Action>> = legs.iter().map(|leg| leg.reduced(Part::Steps(found + 1, steps))).collect();
            let finer = next.filter(|_| found < steps).map(|next| self.legs(account, &next)).transpose()?;
            match finer {
                Some(finer) if finer.iter().zip(&legs).any(|(finer, leg)| finer.lot != leg.lot) => legs = finer,
                _ => return Ok((legs, Part::Steps(found, steps))),
            }
        }
    }

    /// True if the account passes with this action.
    pub(super) fn passes(&mut self, account: usize, action: Action) -> bool {
        if let Action::Transfer { ccy, qty, out } = action
            && let Some(passes) = self.passes_cash(account, ccy, if out { -qty } else { qty })
        {
            return passes;
        }
        let Ok(legs) = self.legs(account, &[action]) else { return false };
        let Ok(before) = self.known(account).map(free_of) else { return false };
        self.apply(account, &legs, Part::All).is_ok_and(|(_, after)| after.covers(before))
    }

    /// The same of more cash in a currency, without a look at what stays; `None` if the account must be evaluated
    /// whole.
    fn passes_cash(&mut self, account: usize, ccy: u32, more: f64) -> Option<bool> {
        self.known(account).ok()?;
        let rows = account_of(self.book, account);
        if !rows.orders.is_empty() {
            return None;
        }
        let (_, known) = self.known.as_ref()?;
        if self.cash.is_none() {
            self.cash = CashChanges::new(self.priced, &rows, known).ok();
        }
        match self.cash.as_mut()?.free(self.priced, &rows, known, (ccy, more)) {
            Ok(free) => free.map(|free| free.covers(free_of(known))),
            Err(NotFinite) => Some(false),
        }
    }

    /// Amounts of a transfer or an order at which the account's margin has a corner.
    pub(super) fn corners_of(&mut self, account: usize, action: Action, lots: u64) -> Vec<u64> {
        self.legs(account, &[action]).map(|legs| self.corners(account, &legs, lots)).unwrap_or_default()
    }

    fn legs(&mut self, account: usize, actions: &[Action]) -> Result<Vec<Leg>, Refusal> {
        self.known(account)?;
        actions.iter().map(|action| self.leg(account, *action)).collect()
    }

    fn leg(&self, account: usize, action: Action) -> Result<Leg, Refusal> {
        let undivided = Leg { action, lot: Lot::currency(1.0), lots: 0, unit: Unit::Share, hedge: 0.0, least: 0.0 };
        let divided = |unit, lot: Lot, amount: f64, hedge| {
            let lots = lot.lots_in(amount);
            Leg { lot, lots, unit, hedge, action, least: 0.0 }
        };
        let of_currency =
            |ccy, amount, hedge| divided(Unit::Currency(ccy), Lot::currency(f64::max(amount, hedge)), amount, hedge);
        Ok(match action {
            Action::Order(order) => match order.traded {
                Traded::Contract(instrument) => {
                    let lot = Lot::contracts(self.market.instruments[instrument as usize].lot_sz);
                    divided(Unit::Contracts, lot, order.qty.abs(), 0.0)
                }
                Traded::Spot { base, quote } => match self.spot_pair(base, quote) {
                    Some(pair) => {
                        let (unit, amount) = (Unit::Currency(base), order.qty.abs());
                        Leg { least: pair.min_sz, ..divided(unit, Lot::pair(pair.lot_sz, amount), amount, 0.0) }
                    }
                    None => of_currency(base, order.qty.abs(), 0.0),
                },
            },
            Action::Transfer { ccy, qty, .. } => of_currency(ccy, qty, 0.0),
            Action::CloseHedge { ccy, qty } => {
                let hedge = self.hedge(account, ccy);
                if hedge == 0.0 {
                    return Err(Refusal::NoHedge);
                }
                let closed = qty.unwrap_or(hedge).min(hedge);
                let action = Action::CloseHedge { ccy, qty: Some(closed) };
                Leg { action, ..of_currency(ccy, closed, hedge) }
            }
            Action::SpotInUseCap { ccy, cap } => {
                let hedge = self.hedge(account, ccy);
                let now = self.cap(account, ccy);
                let most = self.delta(account, ccy).abs();
                if cap < hedge {
                    of_currency(ccy, hedge - cap, hedge)
                } else if now < cap.min(most) {
                    of_currency(ccy, cap.min(most) - now, now)
                } else {
                    undivided
                }
            }
            Action::SpotOffset(SpotOffset::None) => match self.hedges(account).as_slice() {
                [] => undivided,
                &[(ccy, hedge)] => of_currency(ccy, hedge, hedge),
                _ => divided(Unit::Share, Lot::currency(1.0), 1.0, 1.0),
            },
            Action::SpotOffset(_) => undivided,
        })
    }

    /// The sizes of orders on a spot pair, if they are known.
    pub(super) fn spot_pair(&self, base: u32, quote: u32) -> Option<&'a SpotPair> {
        let found = self.spot_pairs.binary_search_by_key(&(base, quote), |pair| (pair.base, pair.quote));
        found.ok().and_then(|place| self.spot_pairs.get(place))
    }

    /// Absolute amount of spot in use of a currency, coins.
    fn hedge(&self, account: usize, ccy: u32) -> f64 {
        self.hedges(account).into_iter().find(|(other, _)| *other == ccy).map_or(0.0, |(_, coins)| coins)
    }

    /// Currencies with spot in use, and the amounts.
    fn hedges(&self, account: usize) -> Vec<(u32, f64)> {
        let used = self.hedged_units(account).map(|(base, unit)| (base, unit.margin.spot_in_use.abs()));
        used.filter(|(_, coins)| *coins > 0.0).collect()
    }

    /// Coin delta of the unit that a currency hedges.
    fn delta(&self, account: usize, ccy: u32) -> f64 {
        self.hedged_units(account).find(|(base, _)| *base == ccy).map_or(0.0, |(_, unit)| unit.delta_coin)
    }

    fn hedged_units(&self, account: usize) -> impl Iterator<Item = (u32, &crate::margin::changed::KnownUnit)> {
        let mode = self.book.spot_offset()[account];
        let units = self.known.iter().flat_map(|(_, known)| &known.units);
        units.filter_map(move |unit| {
            let params = &self.priced.units[unit.margin.unit as usize];
            params.is_hedged_by(mode).then_some((params.base, unit))
        })
    }

    fn cap(&self, account: usize, ccy: u32) -> f64 {
        let rows = account_of(self.book, account);
        rows.ccy.binary_search(&ccy).map_or(f64::INFINITY, |row| rows.spot_in_use_cap[row])
    }

    /// The margin with a part of the legs applied, and what decides.
    fn apply(&mut self, account: usize, legs: &[Leg], part: Part) -> Result<(AccountMargin, FreeMargin), Refusal> {
        let rows = account_of(self.book, account);
        let mut mode = rows.spot_offset;
        self.holdings.copy_from(&rows);
        for leg in legs {
            self.apply_leg(leg, part, &mut mode, account)?;
        }
        let mut touched = Vec::new();
        for leg in legs {
            if let Action::Order(order) = leg.action
                && let Traded::Contract(instrument) = order.traded
                && let Some(contract) = &self.priced.contracts[instrument as usize]
            {
                touched.push(contract.unit);
            }
        }
        touched.sort_unstable();
        let changed: Account = self.holdings.account(mode, rows.orders);
        let (_, known) = self.known.as_ref().ok_or(Refusal::NotFinite)?;
        let margin = self.changes.evaluate(self.priced, &changed, known, &touched).map_err(|_| Refusal::NotFinite)?;
        Ok((margin, free(&margin, self.changes.restricted_usd(self.priced, &changed))))
    }

    fn apply_leg(&mut self, leg: &Leg, part: Part, mode: &mut SpotOffset, account: usize) -> Result<(), Refusal> {
        let amount = leg.amount(part);
        match leg.action {
            Action::Order(order) => {
                let filled = crate::margin::account::Order { qty: amount.copysign(order.qty), ..order };
                if amount > 0.0 {
                    self.holdings.fill(self.priced, &filled).map_err(|_| Refusal::NotFinite)?;
                }
            }
            Action::Transfer { ccy, out, .. } => self.holdings.add_cash(ccy, if out { -amount } else { amount }),
            Action::CloseHedge { ccy, .. } => self.holdings.set_cap(ccy, leg.hedge - amount),
            Action::SpotInUseCap { ccy, .. } => self.holdings.set_cap(ccy, leg.cap(part)),
            Action::SpotOffset(to) => match (part, leg.unit) {
                (Part::All, _) => *mode = to,
                _ if leg.lots == 0 => *mode = to,
                (_, Unit::Currency(ccy)) => self.holdings.set_cap(ccy, leg.hedge - amount),
                _ => {
                    for (ccy, hedge) in self.hedges(account) {
                        self.holdings.set_cap(ccy, hedge * (1.0 - amount));
                    }
                }
            },
        }
        Ok(())
    }

    /// The units of the last evaluation that differ from the account as it is.
    fn changed_units(&self, account: usize) -> Result<Vec<UnitChange>, Refusal> {
        let (_, known) = self.known.as_ref().filter(|(of, _)| *of == account).ok_or(Refusal::NotFinite)?;
        let mut before = known.units.iter().map(|unit| unit.margin).peekable();
        let mut after = self.changes.units().iter().copied().peekable();
        let mut changed = Vec::new();
        loop {
            let pair = match (before.peek(), after.peek()) {
                (None, None) => return Ok(changed),
                (Some(_), None) => (before.next(), None),
                (None, Some(_)) => (None, after.next()),
                (Some(was), Some(is)) => match was.unit.cmp(&is.unit) {
                    std::cmp::Ordering::Less => (before.next(), None),
                    std::cmp::Ordering::Greater => (None, after.next()),
                    std::cmp::Ordering::Equal => (before.next(), after.next()),
                },
            };
            if pair.0 != pair.1 {
                changed.push(pair);
            }
        }
    }

    /// Steps at which a position, an equity or a hedge changes sign.
    fn corners(&self, account: usize, legs: &[Leg], steps: u64) -> Vec<u64> {
        let rows = account_of(self.book, account);
        let mut corners = Vec::new();
        for leg in legs.iter().filter(|leg| leg.lots > 0) {
            let mut at = |amount: f64| {
                if amount > 0.0 {
                    let lots = u128::from(leg.lot.lots_in(amount));
                    corners.push((lots * u128::from(steps) / u128::from(leg.lots)) as u64);
                }
            };
            let (ccy, sign) = match leg.action {
                Action::Order(order) => match order.traded {
                    Traded::Contract(instrument) => {
                        let held = rows.instrument.iter().zip(rows.qty).filter(|(other, _)| **other == instrument);
                        at(held.map(|(_, qty)| -qty * order.qty.signum()).sum());
                        let delta = self.priced.contracts[instrument as usize].as_ref();
                        if let Some(contract) = delta.filter(|contract| contract.delta_coin != 0.0) {
                            let base = self.priced.units[contract.unit as usize].base;
                            let per_contract = contract.delta_coin * order.qty.signum();
                            at(-self.delta(account, base) / per_contract);
                            at(-(self.delta(account, base) + self.equity(account, base)) / per_contract);
                        }
                        continue;
                    }
                    Traded::Spot { base, .. } => (base, order.qty.signum()),
                },
                Action::Transfer { ccy, out, .. } => (ccy, if out { -1.0 } else { 1.0 }),
                Action::SpotOffset(_) | Action::SpotInUseCap { .. } | Action::CloseHedge { .. } => continue,
            };
            let (equity, delta) = (self.equity(account, ccy), self.delta(account, ccy));
            at(-equity * sign);
            at((-delta - equity) * sign);
        }
        corners.sort_unstable();
        corners.dedup();
        thinned(corners)
    }

    /// Cash of a currency: close enough to its equity to look for a corner.
    fn equity(&self, account: usize, ccy: u32) -> f64 {
        let rows = account_of(self.book, account);
        rows.ccy.binary_search(&ccy).map_or(0.0, |row| rows.cash[row] - rows.interest[row])
    }
}

/// What decides: collateral that may not back new orders is left out.
fn free(margin: &AccountMargin, restricted_usd: f64) -> FreeMargin {
    FreeMargin { adj_eq: margin.adj_eq - restricted_usd, imr: margin.imr }
}

fn free_of(known: &Known) -> FreeMargin {
    free(&known.margin, known.restricted_usd)
}
