//! What an account has in each currency.

use super::account::Account;

/// What an account has in one currency, in currency units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ledger {
    /// Unrealised P&L of swaps and futures settled in it.
    pub upl: f64,
    /// Value of options settled in it.
    pub options: f64,
    /// `cash - interest`.
    pub cash: f64,
    /// Limit of spot in use.
    pub spot_in_use_cap: f64,
}

impl Ledger {
    const EMPTY: Self = Self { cash: 0.0, upl: 0.0, options: 0.0, spot_in_use_cap: f64::INFINITY };

    /// `eq(c) = cash - interest + UPL + option values`.
    #[must_use]
    #[inline]
    pub fn equity(&self) -> f64 {
        self.cash + self.upl + self.options
    }

    /// The equity that can hedge: options carry their whole change of value in their own stress.
    #[must_use]
    #[inline]
    pub fn hedging_equity(&self) -> f64 {
        self.cash + self.upl
    }
}

/// The ledgers of one account at a time: one for each currency of the market, empty but for those it touches.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledgers {
    slots: Vec<Slot>,
    /// Currencies of the account, then room for all others.
    touched: Vec<u32>,
    /// How many they are.
    count: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    ledger: Ledger,
    is_touched: bool,
}

impl Slot {
    const EMPTY: Self = Self { ledger: Ledger::EMPTY, is_touched: false };
}

impl Ledgers {
    pub fn new(currencies: usize) -> Self {
        // One place more than is ever taken: where the next currency would stand is written at every row.
        Self { slots: vec![Slot::EMPTY; currencies], touched: vec![0; currencies + 1], count: 0 }
    }

    /// The ledger of a currency; empty if the account has nothing in it.
    #[inline]
    pub fn get(&self, ccy: u32) -> &Ledger {
        &self.slots[ccy as usize].ledger
    }

    /// Currencies of the account, ascending once sorted.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Ledger)> {
        self.touched[..self.count].iter().map(|&ccy| (ccy, self.get(ccy)))
    }

    /// Forgets the account before and takes the balances of this one.
    pub fn begin(&mut self, account: &Account<'_>) {
        for &ccy in &self.touched[..self.count] {
            self.slots[ccy as usize] = Slot::EMPTY;
        }
        self.count = 0;
        for (index, &ccy) in account.ccy.iter().enumerate() {
            let ledger = self.touch(ccy);
            ledger.cash = account.cash[index] - account.interest[index];
            ledger.spot_in_use_cap = account.spot_in_use_cap[index];
        }
    }

    /// Adds the P&L and the option value of a position.
    #[inline]
    pub fn add(&mut self, ccy: u32, upl: f64, option_value: f64) {
        let ledger = self.touch(ccy);
        ledger.upl += upl;
        ledger.options += option_value;
    }

    /// A branch on whether a currency is new would be mispredicted: it is always written, and counted if it is new.
    #[inline]
    fn touch(&mut self, ccy: u32) -> &mut Ledger {
        let slot = &mut self.slots[ccy as usize];
        self.touched[self.count] = ccy;
        self.count += usize::from(!slot.is_touched);
        slot.is_touched = true;
        &mut slot.ledger
    }
}
