//! Orders and transfers applied to an account, and what pending orders freeze.
//!
//! [`Holdings`] are an account's rows that may be changed: an order is taken as filled at its own price, cash moves.
//! [`Account::orders`](super::account::Account::orders) freeze margin: of every risk unit the worse of two cases
//! counts, all buys filled or all sells filled,
//!
//! `IMR(u) = imr_multiplier x max( MMR(positions), MMR(positions + buys), MMR(positions + sells) )`.
//!
//! Buys and sells are told apart by the sign of their coin delta (a put that is bought is a sell). Spot in use is
//! worked out in each case. MMR and everything else stays that of the positions.

use super::account::{Account, NotFinite, Order, Traded};
use super::extremes::loss;
use super::gathered::Gathered;
use super::priced::{Contract, ContractKind, PricedMarket, upl_settle};
use super::real::Real;
use super::rules::SpotOffset;
use super::sums::UnitSums;

/// The rows of one account, to be changed by orders and transfers. Canonical order is kept.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    instrument: Vec<u32>,
    qty: Vec<f64>,
    avg_px: Vec<f64>,
    ccy: Vec<u32>,
    cash: Vec<f64>,
    interest: Vec<f64>,
    spot_in_use_cap: Vec<f64>,
    /// Empty if no balance is restricted.
    restricted: Vec<bool>,
    fee_rate: Option<f64>,
}

impl Holdings {
    /// Becomes the rows of an account.
    pub fn copy_from(&mut self, account: &Account<'_>) {
        fn copy<T: Copy>(into: &mut Vec<T>, from: &[T]) {
            into.clear();
            into.extend_from_slice(from);
        }
        copy(&mut self.instrument, account.instrument);
        copy(&mut self.qty, account.qty);
        copy(&mut self.avg_px, account.avg_px);
        copy(&mut self.ccy, account.ccy);
        copy(&mut self.cash, account.cash);
        copy(&mut self.interest, account.interest);
        copy(&mut self.spot_in_use_cap, account.spot_in_use_cap);
        copy(&mut self.restricted, account.restricted);
        self.fee_rate = account.fee_rate;
    }

    /// The rows as an account with these pending orders.
    #[must_use]
    pub fn account<'a>(&'a self, spot_offset: SpotOffset, orders: &'a [Order]) -> Account<'a> {
        Account {
            spot_offset,
            instrument: &self.instrument,
            qty: &self.qty,
            avg_px: &self.avg_px,
            ccy: &self.ccy,
            cash: &self.cash,
            interest: &self.interest,
            spot_in_use_cap: &self.spot_in_use_cap,
            restricted: &self.restricted,
            fee_rate: self.fee_rate,
            orders,
        }
    }

    /// Fills an order at its price.
    ///
    /// A swap or future that opens or adds enters at the price; what reduces realises its P&L at the price into cash
    /// of the settle currency. An option moves its premium `n m px` out of cash. A spot order moves the base and
    /// `qty px` of the quote. Where an account has rows of both signs in one instrument, those of the other sign are
    /// reduced first.
    ///
    /// # Errors
    /// [`NotFinite`] if the instrument has no price.
    pub fn fill(&mut self, priced: &PricedMarket, order: &Order) -> Result<(), NotFinite> {
        match order.traded {
            Traded::Spot { base, quote } => {
                self.add_cash(base, order.qty);
                self.add_cash(quote, -order.qty * order.px);
                Ok(())
            }
            Traded::Contract(instrument) => {
                let contract = priced.contracts.get(instrument as usize).and_then(Option::as_ref).ok_or(NotFinite)?;
                self.fill_contract(contract, instrument, order.qty, order.px);
                Ok(())
            }
        }
    }

    /// Adds to the cash of a currency, which gets a balance if it has none.
    pub fn add_cash(&mut self, ccy: u32, amount: f64) {
        let row = self.balance(ccy);
        self.cash[row] += amount;
    }

    /// Sets the limit of spot in use of a currency; infinity for none.
    pub fn set_cap(&mut self, ccy: u32, cap_coin: f64) {
        let row = self.balance(ccy);
        self.spot_in_use_cap[row] = cap_coin;
    }

    /// Signed contracts of an instrument, all rows.
    #[must_use]
    pub fn contracts(&self, instrument: u32) -> f64 {
        let rows = self.instrument.iter().zip(&self.qty);
        rows.filter(|(other, _)| **other == instrument).map(|(_, qty)| qty).sum()
    }

    /// The row of a currency, empty if it is new.
    fn balance(&mut self, ccy: u32) -> usize {
        match self.ccy.binary_search(&ccy) {
            Ok(row) => row,
            Err(row) => {
                self.ccy.insert(row, ccy);
                self.cash.insert(row, 0.0);
                self.interest.insert(row, 0.0);
                self.spot_in_use_cap.insert(row, f64::INFINITY);
                if !self.restricted.is_empty() {
                    self.restricted.insert(row, false);
                }
                row
            }
        }
    }

    fn fill_contract(&mut self, contract: &Contract, instrument: u32, qty: f64, px: f64) {
        if matches!(contract.kind, ContractKind::Option { .. }) {
            self.add_cash(contract.settle, -qty * contract.multiplier * px);
        }
        let mut left = qty;
        let mut row = self.instrument.partition_point(|&other| other < instrument);
        while left != 0.0 && self.instrument.get(row) == Some(&instrument) {
            let held = self.qty[row];
            if held * left >= 0.0 {
                row += 1;
                continue;
            }
            let closed = if held.abs() <= left.abs() { held } else { -left };
            let at_px = Contract { mark_px: px, ..*contract };
            self.add_cash(contract.settle, upl_settle(&at_px, closed, self.avg_px[row]));
            left += closed;
            if closed == held {
                self.remove(row);
            } else {
                self.change(row, held - closed, self.avg_px[row]);
            }
        }
        if left == 0.0 {
            return;
        }
        let first = self.instrument.partition_point(|&other| other < instrument);
        let rows = self.instrument[first..].partition_point(|&other| other == instrument);
        match (first..first + rows).find(|&row| self.qty[row] * left > 0.0) {
            None => self.insert(instrument, left, px),
            Some(row) => {
                let (held, avg) = (self.qty[row], self.avg_px[row]);
                self.change(row, held + left, entry_px(contract.kind, held, avg, left, px));
            }
        }
    }

    fn change(&mut self, row: usize, qty: f64, avg_px: f64) {
        let instrument = self.instrument[row];
        self.remove(row);
        self.insert(instrument, qty, avg_px);
    }

    fn remove(&mut self, row: usize) {
        self.instrument.remove(row);
        self.qty.remove(row);
        self.avg_px.remove(row);
    }

    fn insert(&mut self, instrument: u32, qty: f64, avg_px: f64) {
        let is_before = |row: usize| {
            let by_price = self.qty[row].total_cmp(&qty).then(self.avg_px[row].total_cmp(&avg_px));
            self.instrument[row].cmp(&instrument).then(by_price).is_lt()
        };
        // Rows ascend, so that the place can be bisected.
        let (mut row, mut end) = (0, self.instrument.len());
        while row < end {
            let middle = row.midpoint(end);
            if is_before(middle) { row = middle + 1 } else { end = middle }
        }
        self.instrument.insert(row, instrument);
        self.qty.insert(row, qty);
        self.avg_px.insert(row, avg_px);
    }
}

/// Average price of two entries of one sign, such that their P&L stays: linear the mean by contracts, inverse the
/// harmonic one.
fn entry_px(kind: ContractKind, held: f64, avg: f64, added: f64, px: f64) -> f64 {
    match kind {
        ContractKind::Inverse => (held + added) / (held / avg + added / px),
        ContractKind::Linear | ContractKind::Option { .. } => (held * avg + added * px) / (held + added),
    }
}

/// True if an order adds coin delta: long contracts, calls bought, puts sold, coins bought.
fn adds_delta(order: &Order, priced: &PricedMarket) -> bool {
    let per_unit = match order.traded {
        Traded::Spot { .. } => 1.0,
        Traded::Contract(instrument) => {
            let contract = priced.contracts.get(instrument as usize).and_then(Option::as_ref);
            contract.map_or(0.0, |contract| contract.delta_coin)
        }
    };
    order.qty * per_unit > 0.0
}

/// What pending orders take off adjusted equity, USD: for each the loss that it would bring if it were filled now, none
/// if it would bring a gain, and its fee.
///
/// ```text
/// contract   loss  max(0, -n m (mark - px)) fx(settle)     inverse: max(0, -n m (1/px - 1/mark)) fx(settle)
///            fee   fee_rate x notional
/// spot pair  loss  max(0, -n (fx(base) - px fx(quote)))
///            fee   fee_rate x abs(n) px fx(quote)
/// ```
///
/// # Errors
/// [`NotFinite`] if the instrument has no price.
pub fn loss_usd<R: Real>(priced: &PricedMarket<R>, account: &Account<'_>) -> Result<R, NotFinite> {
    let fee_rate = account.fee_rate.unwrap_or(priced.rules.mr8.fee_rate);
    let mut sum = R::splat(0.0);
    for order in account.orders {
        let (gain_usd, notional_usd) = match order.traded {
            Traded::Spot { base, quote } => {
                let fx = |ccy: u32| priced.currencies.get(ccy as usize).map(|currency| currency.fx_usd);
                let (base_usd, quote_usd) = (fx(base).ok_or(NotFinite)?, fx(quote).ok_or(NotFinite)?);
                ((base_usd - quote_usd * order.px) * order.qty, quote_usd * (order.qty.abs() * order.px))
            }
            Traded::Contract(instrument) => {
                let contract = priced.contracts.get(instrument as usize).and_then(Option::as_ref).ok_or(NotFinite)?;
                let gain = match contract.kind {
                    ContractKind::Option { .. } => {
                        (contract.mark_px - R::splat(order.px)) * (order.qty * contract.multiplier)
                    }
                    ContractKind::Linear | ContractKind::Inverse => upl_settle(contract, order.qty, order.px),
                };
                let settle = priced.currencies.get(contract.settle as usize).ok_or(NotFinite)?;
                (gain * settle.fx_usd, contract.fee_base_usd * order.qty.abs())
            }
        };
        sum += loss(gain_usd) + notional_usd * fee_rate;
    }
    Ok(sum)
}

/// MMR of a risk unit with orders filled, USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilledMmr {
    /// The unit.
    pub unit: u32,
    /// As the account is hedged.
    pub mmr: f64,
    /// With spot hedging off.
    pub mmr_no_hedge: f64,
}

/// Buffers for the two cases, and their results for the last account.
#[derive(Debug, Clone)]
pub struct OrderSpace {
    holdings: Holdings,
    gathered: Gathered,
    /// All buys filled, then all sells filled: the units that hold something then, ascending.
    cases: [Vec<FilledMmr>; 2],
}

impl OrderSpace {
    /// Buffers for a market.
    #[must_use]
    pub fn new(priced: &PricedMarket) -> Self {
        Self {
            holdings: Holdings::default(),
            gathered: Gathered::new(priced.currencies.len()),
            cases: [Vec::new(), Vec::new()],
        }
    }

    /// MMR of a unit with all buys filled, and with all sells filled; zero where nothing is left of it.
    #[must_use]
    pub fn filled(&self, unit: u32) -> [FilledMmr; 2] {
        let nothing = FilledMmr { unit, mmr: 0.0, mmr_no_hedge: 0.0 };
        self.cases.each_ref().map(|case| case.iter().find(|filled| filled.unit == unit).copied().unwrap_or(nothing))
    }

    /// The units of both cases.
    pub fn units(&self) -> impl Iterator<Item = u32> + '_ {
        self.cases.iter().flatten().map(|filled| filled.unit)
    }

    /// Fills the orders of an account, buys and sells apart.
    ///
    /// # Errors
    /// [`NotFinite`] if an instrument has no price.
    pub fn evaluate(&mut self, priced: &PricedMarket, account: &Account<'_>) -> Result<(), NotFinite> {
        for (case, buys) in self.cases.iter_mut().zip([true, false]) {
            case.clear();
            self.holdings.copy_from(account);
            for order in account.orders.iter().filter(|order| adds_delta(order, priced) == buys) {
                self.holdings.fill(priced, order)?;
            }
            let filled = self.holdings.account(account.spot_offset, &[]);
            self.gathered.gather(priced, &filled)?;
            let mmr = |sums: &UnitSums| {
                let (params, rules) = (&priced.units[sums.unit as usize], &priced.rules);
                let spot = self.gathered.spot(priced, &filled, sums.unit, sums.delta_coin);
                let margin = sums.stress(params, rules, spot);
                FilledMmr { unit: sums.unit, mmr: margin.mmr, mmr_no_hedge: margin.mmr_no_hedge }
            };
            case.extend(self.gathered.unit_sums().iter().map(mmr));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::margin::priced::{DeltaOne, Place, price_delta_one};
    use crate::margin::rules::Class;

    fn contract(inverse: bool, mark_px: f64) -> Contract {
        let rules = crate::rules::load(None, &[]).unwrap().rules;
        let multiplier = if inverse { 100.0 } else { 0.01 };
        let spec = DeltaOne { inverse, multiplier, mark_px, index_px: mark_px, phi_usd: 1.0, class: Class::Major };
        price_delta_one(&spec, Place::default(), &rules)
    }

    fn holdings(rows: &[(f64, f64)]) -> Holdings {
        let mut holdings = Holdings::default();
        for &(qty, avg_px) in rows {
            holdings.insert(7, qty, avg_px);
        }
        holdings
    }

    /// Rows before, quantity and price of the order, rows after, cash that moves.
    type Case<'a> = (&'a [(f64, f64)], (f64, f64), &'a [(f64, f64)], f64);

    #[test]
    fn fills_open_add_reduce_and_turn() {
        let cases: [Case; 8] = [
            (&[], (5.0, 100.0), &[(5.0, 100.0)], 0.0),
            (&[(5.0, 100.0)], (5.0, 110.0), &[(10.0, 105.0)], 0.0),
            (&[(-5.0, 100.0)], (-5.0, 110.0), &[(-10.0, 105.0)], 0.0),
            (&[(5.0, 100.0)], (-2.0, 110.0), &[(3.0, 100.0)], 0.2),
            (&[(5.0, 100.0)], (-5.0, 90.0), &[], -0.5),
            (&[(5.0, 100.0)], (-8.0, 110.0), &[(-3.0, 110.0)], 0.5),
            (&[(-5.0, 100.0)], (2.0, 90.0), &[(-3.0, 100.0)], 0.2),
            (&[(-4.0, 100.0), (5.0, 100.0)], (6.0, 100.0), &[(7.0, 100.0)], 0.0),
        ];
        for (before, (qty, px), after, cash) in cases {
            let mut held = holdings(before);
            held.fill_contract(&contract(false, 100.0), 7, qty, px);
            let rows: Vec<(f64, f64)> = held.qty.iter().copied().zip(held.avg_px.iter().copied()).collect();
            assert_eq!(rows, after, "{before:?} {qty} at {px}");
            let moved: f64 = held.cash.iter().sum();
            assert!((moved - cash).abs() < 1e-12, "{before:?} {qty} at {px}: {moved}");
        }
    }

    #[test]
    fn a_spot_order_moves_both_currencies() {
        let rules = crate::rules::load(None, &[]).unwrap().rules;
        let priced = PricedMarket {
            rules: rules.into(),
            units: Vec::new(),
            currencies: Vec::new(),
            contracts: Vec::new(),
            option_rows: Vec::new(),
        };
        for (base, quote, qty, px, ccy, cash) in [
            (3, 5, 2.0, 100.0, [3, 5], [2.0, -200.0]),
            (3, 5, -0.5, 80.0, [3, 5], [-0.5, 40.0]),
            (5, 3, 2.0, 100.0, [3, 5], [-200.0, 2.0]),
        ] {
            let mut held = Holdings::default();
            held.fill(&priced, &Order { traded: Traded::Spot { base, quote }, qty, px }).unwrap();
            assert_eq!((held.ccy.as_slice(), held.cash.as_slice()), (ccy.as_slice(), cash.as_slice()), "{qty} at {px}");
        }
    }

    #[test]
    fn a_fill_at_the_mark_changes_no_equity() {
        for inverse in [false, true] {
            let contract = contract(inverse, 100.0);
            for (before, qty) in [(3.0, 4.0), (3.0, -1.0), (3.0, -3.0), (3.0, -9.0), (-3.0, 9.0), (-3.0, -2.0)] {
                let mut held = holdings(&[(before, 80.0)]);
                held.fill_contract(&contract, 7, qty, 100.0);
                let upl: f64 = held.qty.iter().zip(&held.avg_px).map(|(&n, &avg)| upl_settle(&contract, n, avg)).sum();
                let expected = upl_settle(&contract, before, 80.0);
                let found = upl + held.cash.iter().sum::<f64>();
                assert!((found - expected).abs() < 1e-12, "{inverse} {before} {qty}: {found} {expected}");
            }
        }
    }
}
