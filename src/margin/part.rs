//! The part of an account that a price move reaches, valued move after move. What stays is valued once.
//!
//! Of an account with positions in many coins, a move of one coin changes a unit or two: the margins of the others, and
//! what their positions add to a currency, stay as they are. A part is margined as an account is, and then what stays
//! is added. The figures are those of the whole account but for the order of their sums: equal to rounding.

#![allow(clippy::inline_always, reason = "vector instructions are used where the code is compiled for them: inlined")]

use super::account::{Account, NotFinite, Order};
use super::account_figures::AccountFigures;
use super::orders::loss_usd;
use super::priced::PricedMarket;
use super::real::Real;
use super::requirement::{Workspace, stress_units};
use super::rules::SpotOffset;
use super::sums::PositionRows;
use super::totals::Totals;
use super::unit_margin::UnitMargin;

/// Where the entries of a market are in the part of it that a move reaches.
#[derive(Debug, Clone, Copy)]
pub struct Reached<'a> {
    /// By unit: the move reaches it.
    ///
    /// If it reaches a unit, then also those that settle in its base currency, and those whose base currency it settles
    /// in: otherwise what stays would depend on what moves.
    pub units: &'a [bool],
    /// By instrument: its number in the part. Of an instrument outside it the entry is not used.
    pub instruments: &'a [u32],
    /// By currency: its number in the part, which has every currency that a unit in it settles in, and their bases.
    pub currencies: &'a [Option<u32>],
}

/// The rows of an account in the part of the market that a move reaches, and the sums of the others.
#[derive(Debug, Clone)]
pub struct Part {
    spot_offset: SpotOffset,
    rows: Rows,
    ccy: Vec<u32>,
    cash: Vec<f64>,
    interest: Vec<f64>,
    spot_in_use_cap: Vec<f64>,
    fee_rate: Option<f64>,
    /// Only where they count: they take their loss off adjusted equity.
    orders: Vec<Order>,
    fixed: Totals,
}

#[derive(Debug, Clone, Default)]
struct Rows {
    instrument: Vec<u32>,
    qty: Vec<f64>,
    avg_px: Vec<f64>,
}

impl Rows {
    fn push(&mut self, instrument: u32, account: &Account<'_>, row: usize) {
        self.instrument.push(instrument);
        self.qty.push(account.qty[row]);
        self.avg_px.push(account.avg_px[row]);
    }
}

impl Part {
    /// The whole account: nothing stays. Its pending orders are left out unless they take their loss off adjusted
    /// equity, since they count in IMR only.
    #[must_use]
    pub fn whole(account: &Account<'_>, deducts_orders: bool) -> Self {
        Self {
            fee_rate: account.fee_rate,
            orders: if deducts_orders { account.orders.to_vec() } else { Vec::new() },
            spot_offset: account.spot_offset,
            rows: Rows {
                instrument: account.instrument.to_vec(),
                qty: account.qty.to_vec(),
                avg_px: account.avg_px.to_vec(),
            },
            ccy: account.ccy.to_vec(),
            cash: account.cash.to_vec(),
            interest: account.interest.to_vec(),
            spot_in_use_cap: account.spot_in_use_cap.to_vec(),
            fixed: Totals::default(),
        }
    }

    /// What a move reaches of an account, its pending orders left out. `now` are its units and buffers after
    /// [`evaluate`](super::requirement::evaluate) in this market, without the move.
    ///
    /// # Errors
    /// [`NotFinite`] if an instrument without a price is held.
    pub fn reached(
        priced: &PricedMarket,
        account: &Account<'_>,
        now: (&[UnitMargin], &Workspace),
        reached: Reached<'_>,
    ) -> Result<Self, NotFinite> {
        let (units, work) = now;
        let mut part = Self { spot_offset: account.spot_offset, fee_rate: account.fee_rate, ..Self::empty() };
        let fee_rate = account.fee_rate.unwrap_or(priced.rules.mr8.fee_rate);
        for margin in units.iter().filter(|margin| !reached.units[margin.unit as usize]) {
            part.fixed.add_unit(margin, margin.mmr_no_hedge * priced.rules.imr_multiplier);
        }
        for (row, &ccy) in account.ccy.iter().enumerate() {
            if let Some(ccy) = reached.currencies[ccy as usize] {
                part.add_balance(ccy, account.cash[row] - account.interest[row], account.spot_in_use_cap[row]);
            }
        }
        for (ccy, ledger) in work.gathered().ledgers() {
            if reached.currencies[ccy as usize].is_none() {
                part.fixed.add_currency(priced, ccy, ledger.equity(), fee_rate);
            }
        }
        let mut others = Rows::default();
        for (row, &instrument) in account.instrument.iter().enumerate() {
            let contract = priced.contracts.get(instrument as usize).and_then(Option::as_ref).ok_or(NotFinite)?;
            if reached.units[contract.unit as usize] {
                part.rows.push(reached.instruments[instrument as usize], account, row);
            } else {
                others.push(instrument, account, row);
            }
        }
        let others = PositionRows { instrument: &others.instrument, qty: &others.qty, avg_px: &others.avg_px };
        let mut fee_base_usd = 0.0;
        others.each_leg(priced, |contract, leg| {
            fee_base_usd += leg.fee_base_usd;
            if let Some(ccy) = reached.currencies[contract.settle as usize] {
                part.add_balance(ccy, leg.upl_settle + leg.value_settle, f64::INFINITY);
            }
        })?;
        part.fixed.add_fee(priced, fee_base_usd);
        Ok(part)
    }

    fn empty() -> Self {
        Self {
            spot_offset: SpotOffset::None,
            rows: Rows::default(),
            ccy: Vec::new(),
            cash: Vec::new(),
            interest: Vec::new(),
            spot_in_use_cap: Vec::new(),
            fee_rate: None,
            orders: Vec::new(),
            fixed: Totals::default(),
        }
    }

    fn add_balance(&mut self, ccy: u32, cash: f64, cap: f64) {
        match self.ccy.binary_search(&ccy) {
            Ok(place) => self.cash[place] += cash,
            Err(place) => {
                self.ccy.insert(place, ccy);
                self.cash.insert(place, cash);
                self.interest.insert(place, 0.0);
                self.spot_in_use_cap.insert(place, cap);
            }
        }
    }

    /// The same in a part of the part, which has all its rows: each instrument and currency by its number there.
    #[must_use]
    pub fn renumbered(&self, instrument: impl Fn(u32) -> u32, ccy: impl Fn(u32) -> u32) -> Self {
        let mut part = self.clone();
        part.rows.instrument.iter_mut().for_each(|number| *number = instrument(*number));
        part.ccy.iter_mut().for_each(|number| *number = ccy(*number));
        for order in &mut part.orders {
            order.traded = order.traded.renumbered(&instrument, &ccy);
        }
        part
    }

    /// The rows as an account.
    #[must_use]
    pub fn account(&self) -> Account<'_> {
        Account {
            spot_offset: self.spot_offset,
            instrument: &self.rows.instrument,
            qty: &self.rows.qty,
            avg_px: &self.rows.avg_px,
            ccy: &self.ccy,
            cash: &self.cash,
            interest: &self.interest,
            spot_in_use_cap: &self.spot_in_use_cap,
            restricted: &[],
            fee_rate: self.fee_rate,
            orders: &self.orders,
        }
    }
}

/// The figures of the whole account in as many markets as `R` has; `priced` is the part that the move reaches, moved.
///
/// # Errors
/// [`NotFinite`] as [`evaluate`](super::requirement::evaluate), if it is so in some market.
#[inline(always)]
pub fn evaluate_part<R: Real>(
    priced: &PricedMarket<R>,
    part: &Part,
    work: &mut Workspace<R>,
) -> Result<AccountFigures<R>, NotFinite> {
    let account = part.account();
    let fee_base_usd = work.gather(priced, &account)?;
    let mut sum = stress_units(priced, &account, work, fee_base_usd, |_, _| ()).and(&part.fixed);
    if !part.orders.is_empty() {
        sum.deduct(loss_usd(priced, &account)?);
    }
    sum.finish_account(priced, &account, work.gathered())
}
