//! An account of which only the cash in one currency changes, again and again, as in the search for the largest
//! withdrawal.
//!
//! Only the units that the currency hedges are stressed anew. The sums of currencies and units are taken up where they
//! begin to differ, and are then added up in the same order as in a full evaluation, so that both give the same bits.

use super::account::{Account, NotFinite};
use super::changed::Known;
use super::gathered::{Gathered, restricted_usd, spot_of};
use super::ledgers::Ledger;
use super::priced::PricedMarket;
use super::sums::{PositionRows, Sums};
use super::totals::currency_of;
use std::collections::HashMap;
use std::ops::Range;

/// A sequence of terms, and their sum before each of them.
#[derive(Debug, Clone, Default)]
struct RunningSum {
    terms: Vec<f64>,
    /// One more than terms: the last is the sum of all.
    before: Vec<f64>,
}

impl RunningSum {
    fn new(terms: Vec<f64>) -> Self {
        let mut before = Vec::with_capacity(terms.len() + 1);
        let mut sum = 0.0;
        for term in &terms {
            before.push(sum);
            sum += term;
        }
        before.push(sum);
        Self { terms, before }
    }

    /// The sum with `term` at place `at`, and without the term at place `left_out`, which is not before it.
    fn with(&self, at: usize, term: f64, left_out: usize) -> f64 {
        let add = |sum: f64, terms: &[f64]| terms.iter().fold(sum, |sum, term| sum + term);
        let sum = add(self.before[at] + term, &self.terms[at..left_out]);
        add(sum, &self.terms[left_out + 1..])
    }

    /// The sum with other terms at some places, which ascend.
    fn replaced(&self, changed: &[(usize, f64)]) -> f64 {
        let Some(&(first, _)) = changed.first() else { return self.before[self.terms.len()] };
        let (mut sum, mut place) = (self.before[first], first);
        for &(at, term) in changed {
            sum = self.terms[place..at].iter().fold(sum, |sum, term| sum + term) + term;
            place = at + 1;
        }
        self.terms[place..].iter().fold(sum, |sum, term| sum + term)
    }
}

/// What decides whether an operation passes. USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FreeMargin {
    /// Adjusted equity that may back new orders.
    pub adj_eq: f64,
    /// Initial margin requirement.
    pub imr: f64,
}

impl FreeMargin {
    /// Adjusted equity covers IMR, or the IM deficit is no larger than `before`.
    #[must_use]
    pub fn covers(&self, before: Self) -> bool {
        self.adj_eq >= self.imr || self.adj_eq - self.imr >= before.adj_eq - before.imr
    }
}

/// An account without pending orders, ready for other amounts of cash.
#[derive(Debug, Clone)]
pub struct CashChanges {
    /// In the order in which they are added up: balances, then currencies that positions alone bring.
    ledgers: Vec<(u32, Ledger)>,
    places: HashMap<u32, usize>,
    balances: usize,
    adjusted: RunningSum,
    borrowing: RunningSum,
    units: RunningSum,
    /// Units of the account by the currency that can hedge them, ascending, and their positions.
    hedged: HashMap<u32, Vec<(usize, Range<usize>)>>,
    sums: Sums,
}

impl CashChanges {
    /// `known` is what the account is now.
    ///
    /// # Errors
    /// [`NotFinite`] if an instrument has no price.
    pub fn new(priced: &PricedMarket, account: &Account<'_>, known: &Known) -> Result<Self, NotFinite> {
        let mut gathered = Gathered::new(priced.currencies.len());
        gathered.gather_ledgers(priced, account)?;
        let ledgers: Vec<(u32, Ledger)> = gathered.ledgers().map(|(ccy, ledger)| (ccy, *ledger)).collect();
        let fee_rate = priced.rules.mr8.fee_rate;
        let counted = |&(ccy, ledger): &(u32, Ledger)| {
            let (counted, borrowing) = currency_of(priced, ccy, ledger.equity(), fee_rate);
            (counted.adjusted_usd, borrowing.map_or(0.0, |borrowing| borrowing.imr_usd))
        };
        let (adjusted, borrowing) = ledgers.iter().map(counted).unzip();
        let mut hedged: HashMap<u32, Vec<(usize, Range<usize>)>> = HashMap::new();
        let mut row = 0;
        while row < account.instrument.len() {
            let unit_of = |row: usize| {
                let instrument = account.instrument[row] as usize;
                priced.contracts.get(instrument).and_then(Option::as_ref).map(|contract| contract.unit)
            };
            let (first, unit) = (row, unit_of(row).ok_or(NotFinite)?);
            while row < account.instrument.len() && unit_of(row) == Some(unit) {
                row += 1;
            }
            let place = known.units.binary_search_by_key(&unit, |known| known.margin.unit).map_err(|_| NotFinite)?;
            let params = &priced.units[unit as usize];
            if params.is_hedged_by(account.spot_offset) {
                hedged.entry(params.base).or_default().push((place, first..row));
            }
        }
        for units in hedged.values_mut() {
            units.sort_unstable_by_key(|(place, _)| *place);
        }
        Ok(Self {
            places: ledgers.iter().enumerate().map(|(place, (ccy, _))| (*ccy, place)).collect(),
            ledgers,
            balances: account.ccy.len(),
            adjusted: RunningSum::new(adjusted),
            borrowing: RunningSum::new(borrowing),
            units: RunningSum::new(known.units.iter().map(|unit| unit.margin.imr).collect()),
            hedged,
            sums: Sums::default(),
        })
    }

    /// The account with so much more cash in a currency in which it has something; `None` if it has nothing in it.
    ///
    /// # Errors
    /// [`NotFinite`] if a figure overflows.
    pub fn free(
        &mut self,
        priced: &PricedMarket,
        account: &Account<'_>,
        known: &Known,
        (ccy, more): (u32, f64),
    ) -> Result<Option<FreeMargin>, NotFinite> {
        let Some(&place) = self.places.get(&ccy) else { return Ok(None) };
        let (cash, interest) = match account.ccy.binary_search(&ccy) {
            Ok(row) => (account.cash[row], account.interest[row]),
            Err(_) => (0.0, 0.0),
        };
        let ledger = Ledger { cash: (cash + more) - interest, ..self.ledgers[place].1 };
        // A balance that is new stands among the others.
        let is_before = |(other, _): &(u32, Ledger)| *other < ccy;
        let at = if place < self.balances { place } else { self.ledgers[..self.balances].partition_point(is_before) };
        let (counted, borrowing) = currency_of(priced, ccy, ledger.equity(), priced.rules.mr8.fee_rate);
        let mut changed = Vec::new();
        for (unit, rows) in self.hedged.get(&ccy).map_or(&[][..], Vec::as_slice) {
            let Some(was) = known.units.get(*unit) else { return Err(NotFinite) };
            let params = &priced.units[was.margin.unit as usize];
            if spot_of(params, account.spot_offset, &ledger, was.delta_coin).coin == was.margin.spot_in_use {
                continue;
            }
            let rows = PositionRows {
                instrument: &account.instrument[rows.clone()],
                qty: &account.qty[rows.clone()],
                avg_px: &account.avg_px[rows.clone()],
            };
            self.sums.add(priced, rows, |_, _| ())?;
            let Some(sums) = self.sums.units().first() else { return Err(NotFinite) };
            let spot = spot_of(params, account.spot_offset, &ledger, sums.delta_coin);
            changed.push((*unit, sums.stress(params, &priced.rules, spot).imr));
        }
        let owed = borrowing.map_or(0.0, |borrowing| borrowing.imr_usd);
        let of_others = |other: u32| self.places.get(&other).map_or(ledger, |&place| self.ledgers[place].1);
        let restricted = restricted_usd(priced, account, |other| if other == ccy { ledger } else { of_others(other) });
        let free = FreeMargin {
            adj_eq: self.adjusted.with(at, counted.adjusted_usd, place) - restricted,
            imr: self.units.replaced(&changed) + self.borrowing.with(at, owed, place),
        };
        if (free.adj_eq + free.imr).is_finite() { Ok(Some(free)) } else { Err(NotFinite) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_all_terms_in_order() {
        let terms = [0.1, 0.7, 1e9, -0.3, 1e-9];
        let running = RunningSum::new(terms.to_vec());
        let sum = |terms: &[f64]| terms.iter().fold(0.0, |sum, term| sum + term);
        assert_eq!(running.with(2, 0.2, 2), sum(&[0.1, 0.7, 0.2, -0.3, 1e-9]));
        assert_eq!(running.with(1, 0.2, 3), sum(&[0.1, 0.2, 0.7, 1e9, 1e-9]));
        assert_eq!(running.replaced(&[]), sum(&terms));
        assert_eq!(running.replaced(&[(0, 3.0), (4, 0.2)]), sum(&[3.0, 0.7, 1e9, -0.3, 0.2]));
    }
}
