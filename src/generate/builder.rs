//! Builds one account: rows in whole lots, balances, and the collateral for its leverage.

use super::account::{Account, Balance, Row};
use super::assess::Assessor;
use super::rng::{POWERS_OF_TEN, Rng, round_to};
use super::world::{Pool, USD, USDC, USDT, World};

/// Builds accounts one after another, reusing its buffers.
pub(super) struct Builder<'a> {
    pub world: &'a World,
    pub rng: Rng,
    pub account: Account,
    held: Vec<bool>,
    assessor: Assessor,
    /// Distance of entry prices from the mark, as a standard deviation of returns.
    pub history: f64,
    /// All entry prices lie on the losing side.
    pub losing: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        Self {
            world,
            rng: Rng::new(0, 0),
            account: Account::default(),
            held: vec![false; world.terms.len()],
            assessor: Assessor::default(),
            history: 0.0,
            losing: false,
        }
    }

    /// Clears the last account and starts the random stream of the next.
    pub(super) fn start(&mut self, rng: Rng) {
        self.rng = rng;
        for row in &self.account.rows {
            self.held[row.instrument] = false;
        }
        self.account.rows.clear();
        self.account.balances.clear();
        self.account.spot_offset = None;
        self.history = self.rng.between(0.01, 0.12);
        self.losing = false;
    }

    /// An instrument of the pool that the account does not hold yet.
    pub(super) fn pick(&mut self, pool: &Pool) -> Option<usize> {
        pool.pick(&mut self.rng, |instrument| self.held[instrument])
    }

    /// Adds a row of about `usd` (signed) of an instrument: whole lots, at least one. Returns its size in coins,
    /// signed.
    pub(super) fn place(&mut self, instrument: usize, usd: f64) -> f64 {
        let (quoted, terms) = (&self.world.prices.quoted[instrument], &self.world.terms[instrument]);
        let size = usd.abs().min(self.world.liquidity(instrument));
        let lots = (size / (terms.risk.notional * quoted.spec.lot)).round().max(1.0);
        let qty = round_to(lots * quoted.spec.lot, quoted.spec.lot_decimals) * if usd < 0.0 { -1.0 } else { 1.0 };
        let spread = if terms.option { 0.30 } else { self.history };
        let mut step = spread * self.rng.normal().clamp(-3.0, 3.0);
        if self.losing {
            step = step.abs() * qty.signum();
        }
        // An average of several fills has more decimals than one fill.
        let decimals = quoted.spec.tick_decimals + if terms.option { 2 } else { 1 };
        let least = 1.0 / POWERS_OF_TEN[decimals as usize];
        let avg_px = round_to(quoted.mark * libm::exp(step), decimals).max(least);
        self.account.rows.push(Row { instrument, qty, avg_px });
        self.held[instrument] = true;
        qty * if terms.option { quoted.multiplier } else { terms.risk.delta_coin }
    }

    /// Adds to the cash of a currency.
    pub(super) fn add_cash(&mut self, ccy: usize, amount: f64) {
        match self.account.balances.iter_mut().find(|balance| balance.ccy == ccy) {
            Some(balance) => balance.cash += amount,
            None => self.account.balances.push(Balance { ccy, cash: amount, interest: None, cap: None }),
        }
    }

    /// Adds cash worth `usd` in a currency.
    pub(super) fn add_usd(&mut self, ccy: usize, usd: f64) {
        self.add_cash(ccy, usd / self.world.ccys[ccy].fx);
    }

    /// The stablecoin that this account posts.
    pub(super) fn stable(&mut self) -> usize {
        match self.rng.uniform() {
            x if x < 0.82 => USDT,
            x if x < 0.94 => USDC,
            _ => USD,
        }
    }

    /// Net cash delta of the rows so far, USD.
    pub(super) fn delta(&mut self) -> f64 {
        self.account.rows.iter().map(|row| row.qty * self.world.terms[row.instrument].risk.delta).sum()
    }

    /// Adds cash in `ccy` until collateral / maintenance margin is about `ratio`. Surplus collateral stays, unless
    /// `borrow`: then the account owes USDT against it.
    pub(super) fn fund(&mut self, ratio: f64, ccy: usize, borrow: bool) {
        // The first round changes borrowing and spot in use. The second round corrects for that.
        for _ in 0..2 {
            let now = self.assessor.assess(self.world, &self.account);
            let need = ratio * now.mmr - now.equity;
            if need > 0.0 {
                // Haircuts of coins grow with the amount, so large accounts post stablecoins.
                let ccy = if need > 1_000_000.0 && ccy > USDC { USDT } else { ccy };
                let discount = self.world.ccys[ccy].discount;
                self.add_usd(ccy, need / discount);
            } else if borrow {
                self.add_usd(USDT, need / (1.0 + ratio * self.world.ccys[USDT].borrowing));
            }
        }
    }

    /// Rounds every balance to about a cent, removes empty ones, and charges interest on debts.
    pub(super) fn settle(&mut self) {
        let Self { world, rng, account, .. } = self;
        for balance in &mut account.balances {
            let decimals = world.ccys[balance.ccy].decimals;
            balance.cash = round_to(balance.cash, decimals);
            if balance.cash < 0.0 {
                // Up to a day at 3 % to 12 % a year.
                let rate = rng.between(0.03, 0.12) / 365.0 * rng.uniform();
                balance.interest = Some(round_to(-balance.cash * rate, (decimals + 2).min(8)));
            }
            balance.cap = balance.cap.map(|cap| round_to(cap, decimals));
        }
        account.balances.retain(|balance| balance.cash != 0.0);
        if account.balances.is_empty() {
            account.balances.push(Balance { ccy: USDT, cash: 0.01, interest: None, cap: None });
        }
        account.balances.sort_by_key(|balance| world.ccys[balance.ccy].name);
        account.rows.sort_by(|a, b| {
            let id = |row: &Row| world.prices.quoted[row.instrument].spec.inst_id;
            id(a).cmp(id(b)).then(a.qty.total_cmp(&b.qty))
        });
    }
}
