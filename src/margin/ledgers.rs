//! What an account has in each currency.

#![allow(clippy::inline_always, reason = "a loop with a call in it does not vectorise")]

use super::account::Account;
use super::real::Real;

/// What an account has in one currency, in currency units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ledger<R = f64> {
    /// Unrealised P&L of swaps and futures settled in it.
    pub upl: R,
    /// Value of options settled in it.
    pub options: R,
    /// `cash - interest`.
    pub cash: f64,
    /// Limit of spot in use.
    pub spot_in_use_cap: f64,
}

impl<R: Real> Ledger<R> {
    fn empty() -> Self {
        Self { cash: 0.0, upl: R::splat(0.0), options: R::splat(0.0), spot_in_use_cap: f64::INFINITY }
    }

    /// `eq(c) = cash - interest + UPL + option values`.
    #[must_use]
    #[inline(always)]
    pub fn equity(&self) -> R {
        R::splat(self.cash) + self.upl + self.options
    }

    /// The equity that can hedge: options carry their whole change of value in their own stress.
    #[must_use]
    #[inline(always)]
    pub fn hedging_equity(&self) -> R {
        R::splat(self.cash) + self.upl
    }
}

/// The ledgers of one account at a time: one for each currency of the market, empty but for those it touches.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledgers<R = f64> {
    slots: Vec<Slot<R>>,
    /// Currencies of the account, then room for all others.
    touched: Vec<u32>,
    /// How many they are.
    count: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot<R> {
    ledger: Ledger<R>,
    is_touched: bool,
}

impl<R: Real> Slot<R> {
    fn empty() -> Self {
        Self { ledger: Ledger::empty(), is_touched: false }
    }
}

impl<R: Real> Ledgers<R> {
    pub fn new(currencies: usize) -> Self {
        // One place more than is ever taken: where the next currency would stand is written at every row.
        Self { slots: vec![Slot::empty(); currencies], touched: vec![0; currencies + 1], count: 0 }
    }

    /// The ledger of a currency; empty if the account has nothing in it.
    #[inline(always)]
    pub fn get(&self, ccy: u32) -> &Ledger<R> {
        &self.slots[ccy as usize].ledger
    }

    /// Currencies of the account, ascending once sorted.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Ledger<R>)> {
        self.touched[..self.count].iter().map(|&ccy| (ccy, self.get(ccy)))
    }

    /// Forgets the account before and takes the balances of this one.
    #[inline(always)]
    pub fn begin(&mut self, account: &Account<'_>) {
        for &ccy in &self.touched[..self.count] {
            self.slots[ccy as usize] = Slot::empty();
        }
        self.count = 0;
        for (index, &ccy) in account.ccy.iter().enumerate() {
            let ledger = self.touch(ccy);
            ledger.cash = account.cash[index] - account.interest[index];
            ledger.spot_in_use_cap = account.spot_in_use_cap[index];
        }
    }

    /// Adds the P&L and the option value of a position.
    #[inline(always)]
    pub fn add(&mut self, ccy: u32, upl: R, option_value: R) {
        let ledger = self.touch(ccy);
        ledger.upl += upl;
        ledger.options += option_value;
    }

    /// A branch on whether a currency is new would be mispredicted: it is always written, and counted if it is new.
    #[inline(always)]
    fn touch(&mut self, ccy: u32) -> &mut Ledger<R> {
        let slot = &mut self.slots[ccy as usize];
        self.touched[self.count] = ccy;
        self.count += usize::from(!slot.is_touched);
        slot.is_touched = true;
        &mut slot.ledger
    }
}
