//! Sections 5 and 9: equity by currency, discounts, borrowing.

use super::leg::Leg;
use super::number::Num;
use super::prices::Prices;
use super::{Account, Equity, incremental_num};
use crate::Result;
use crate::margin::rules::{OtherBounds, Rules};
use crate::market::Market;
use std::collections::BTreeMap;

/// One currency of an account, in its own units. USD figures are signed.
pub(super) struct Line {
    pub(super) ccy: String,
    fx: Num,
    cash: Num,
    interest: Num,
    upl: Num,
    option_value: Num,
    /// Sum of the absolute values of everything that enters `eq`.
    gross: Num,
    /// The account's own limit of spot in use, `None` if not set.
    pub(super) cap: Option<Num>,
    /// It may not back new orders.
    restricted: bool,
}

/// The cost of a liability, USD.
pub(super) struct Borrowing {
    pub(super) mmr: Num,
    pub(super) imr: Num,
    pub(super) fee: Num,
}

impl Line {
    fn new(prices: &Prices, ccy: &str) -> Result<Self> {
        let zero = Num::ZERO;
        let fx = prices.fx(ccy)?;
        let ccy = ccy.to_string();
        Ok(Self {
            ccy,
            fx,
            cash: zero,
            interest: zero,
            upl: zero,
            option_value: zero,
            gross: zero,
            cap: None,
            restricted: false,
        })
    }

    /// `eq(c)`.
    fn equity(&self) -> Num {
        self.cash - self.interest + self.upl + self.option_value
    }

    /// `E`: `eq(c)` minus the values of options settled in it.
    pub(super) fn equity_without_options(&self) -> Num {
        self.cash - self.interest + self.upl
    }

    pub(super) fn fx(&self) -> Num {
        self.fx
    }

    pub(super) fn total_usd(&self) -> Num {
        self.equity() * self.fx
    }

    /// Positive equity after the discount tiers; negative equity in full.
    pub(super) fn adjusted_usd(&self, rules: &Rules) -> Num {
        let equity = self.equity();
        if equity.sign() <= 0 {
            return equity * self.fx;
        }
        let tiers = rules.discount.get(&self.ccy);
        // Bounds of coins without a table of their own may be USD.
        if rules.other_bounds == OtherBounds::Usd && !rules.discount.lists(&self.ccy) {
            return incremental_num(tiers, equity * self.fx);
        }
        incremental_num(tiers, equity) * self.fx
    }

    /// The part of adjusted equity that may not back new orders: a debt is none.
    pub(super) fn restricted_usd(&self, rules: &Rules) -> Num {
        if self.restricted { Num::ZERO.max(self.adjusted_usd(rules)) } else { Num::ZERO }
    }

    pub(super) fn gross_usd(&self) -> Num {
        self.gross * self.fx
    }

    /// MR8: the rates of the first tier whose bound is at least the liability apply to the whole liability.
    pub(super) fn borrowing(&self, rules: &Rules, fee: Num) -> Borrowing {
        let equity = self.equity();
        if equity.sign() >= 0 {
            return Borrowing { mmr: Num::ZERO, imr: Num::ZERO, fee: Num::ZERO };
        }
        let liability = -equity;
        let usd = liability * self.fx;
        let tiers = rules.mr8.tiers.get(&self.ccy).rows();
        let in_usd = rules.other_bounds == OtherBounds::Usd && !rules.mr8.tiers.lists(&self.ccy);
        let held = if in_usd { usd } else { liability };
        let holds = |row: &&(f64, f64, f64)| held <= Num::from(row.0);
        let (_, mmr, imr) = tiers.iter().find(holds).copied().unwrap_or((f64::NAN, f64::NAN, f64::NAN));
        let (mmr, imr) = (Num::from(mmr), Num::from(imr));
        Borrowing { mmr: usd * mmr, imr: usd * imr, fee: usd * (Num::ONE + mmr) * fee }
    }

    pub(super) fn report(&self, rules: &Rules) -> Equity {
        Equity {
            ccy: self.ccy.clone(),
            fx: self.fx.to_f64(),
            eq: self.equity().to_f64(),
            adj_usd: self.adjusted_usd(rules).to_f64(),
            total_usd: self.total_usd().to_f64(),
        }
    }
}

/// The account's currencies by name: balances, then what its positions add.
pub(super) fn lines(account: &Account, legs: &[Leg]) -> Result<BTreeMap<String, Line>> {
    let prices = Prices::new(account.market);
    let mut lines = BTreeMap::new();
    for balance in &account.balances {
        let line = entry(&mut lines, &prices, prices.currency(balance.ccy)?)?;
        let (cash, interest) = (Num::from(balance.cash), Num::from(balance.interest));
        line.cash = line.cash + cash;
        line.interest = line.interest + interest;
        line.gross = line.gross + cash.abs() + interest.abs();
        line.cap = balance.cap.map(Num::from);
        line.restricted = balance.restricted;
    }
    for leg in legs {
        let line = entry(&mut lines, &prices, leg.settle)?;
        line.upl = line.upl + leg.upl();
        line.option_value = line.option_value + leg.option_value();
        line.gross = line.gross + leg.upl().abs() + leg.option_value().abs();
    }
    Ok(lines)
}

/// Adds to the cash of a currency.
pub(super) fn add_cash(lines: &mut BTreeMap<String, Line>, market: &Market, ccy: usize, amount: Num) -> Result<()> {
    let prices = Prices::new(market);
    let line = entry(lines, &prices, prices.currency(ccy)?)?;
    line.cash = line.cash + amount;
    line.gross = line.gross + amount.abs();
    Ok(())
}

fn entry<'a>(lines: &'a mut BTreeMap<String, Line>, prices: &Prices, ccy: &str) -> Result<&'a mut Line> {
    if !lines.contains_key(ccy) {
        lines.insert(ccy.to_string(), Line::new(prices, ccy)?);
    }
    lines.get_mut(ccy).ok_or_else(|| crate::Error::Runtime(format!("no ledger line for `{ccy}`")))
}
