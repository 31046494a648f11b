//! An account again after a change of some of its rows: only the risk units that the change reaches are stressed anew.
//!
//! A unit is reached if rows of it changed or if its spot in use did. The ledgers, which cost little, are summed over
//! all rows, in the same order as in a full evaluation, so that both give the same bits.

use super::account::{Account, NotFinite};
use super::priced::PricedMarket;
use super::requirement::{AccountMargin, Workspace, evaluate};
use super::spot_hedge::Spot;
use super::sums::{PositionRows, Sums};
use super::totals::Totals;
use super::unit_margin::UnitMargin;

/// A risk unit of the account as it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownUnit {
    /// Its margin.
    pub margin: UnitMargin,
    /// Summed coin deltas, which size spot in use.
    pub delta_coin: f64,
}

/// The margin of an account before a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The account.
    pub margin: AccountMargin,
    /// The part of its adjusted equity that may not back new orders, USD.
    pub restricted_usd: f64,
    /// Its units, ascending.
    pub units: Vec<KnownUnit>,
}

impl Known {
    /// Evaluates an account.
    ///
    /// # Errors
    /// Those of [`evaluate`].
    pub fn new(priced: &PricedMarket, account: &Account<'_>, work: &mut Workspace) -> Result<Self, NotFinite> {
        let mut margins = Vec::new();
        let margin = evaluate(priced, account, work, &mut margins)?;
        let sums = work.unit_sums().iter().zip(margins);
        let units = sums.map(|(sums, margin)| KnownUnit { margin, delta_coin: sums.delta_coin });
        let restricted_usd = work.gathered().restricted_usd(priced, account);
        Ok(Self { margin, restricted_usd, units: units.collect() })
    }

    /// The unit with this index.
    #[must_use]
    pub fn unit(&self, unit: u32) -> Option<&KnownUnit> {
        self.units.binary_search_by_key(&unit, |known| known.margin.unit).ok().and_then(|place| self.units.get(place))
    }
}

/// Buffers of [`Changes::evaluate`].
#[derive(Debug, Clone)]
pub struct Changes {
    work: Workspace,
    sums: Sums,
    units: Vec<UnitMargin>,
}

impl Changes {
    /// Buffers for a market.
    #[must_use]
    pub fn new(priced: &PricedMarket) -> Self {
        Self { work: Workspace::new(priced), sums: Sums::default(), units: Vec::new() }
    }

    /// The units of the last evaluation, ascending.
    #[must_use]
    pub fn units(&self) -> &[UnitMargin] {
        &self.units
    }

    /// The margin of `account`, which differs from the one that `known` is of by the rows of the units in `touched`,
    /// which ascend, and by its cash, limits and mode.
    ///
    /// # Errors
    /// [`NotFinite`] as in [`evaluate`].
    pub fn evaluate(
        &mut self,
        priced: &PricedMarket,
        account: &Account<'_>,
        known: &Known,
        touched: &[u32],
    ) -> Result<AccountMargin, NotFinite> {
        self.units.clear();
        if !account.orders.is_empty() {
            // Filled orders reach most units; nothing would be saved.
            return evaluate(priced, account, &mut self.work, &mut self.units);
        }
        let fee_base_usd = self.work.gathered_mut().gather_ledgers(priced, account)?;
        let mut sum = Totals::new(priced, fee_base_usd);
        let mut row = 0;
        let mut rows_of_units = Vec::new();
        while let Some(unit) = unit_at(priced, account, row)? {
            let first = row;
            while unit_at(priced, account, row)? == Some(unit) {
                row += 1;
            }
            rows_of_units.push((unit, first..row));
        }
        rows_of_units.sort_unstable_by_key(|(unit, _)| *unit);
        for (unit, rows) in rows_of_units {
            let same_rows = known.unit(unit).filter(|_| touched.binary_search(&unit).is_err());
            let margin = match same_rows {
                Some(was) if self.spot(priced, account, unit, was.delta_coin).coin == was.margin.spot_in_use => {
                    was.margin
                }
                _ => self.stress(priced, account, unit, rows)?,
            };
            sum.add_unit(&margin, priced.rules.imr_multiplier * margin.mmr_no_hedge);
            self.units.push(margin);
        }
        let figures = sum.finish_account(priced, account, self.work.gathered())?;
        Ok(AccountMargin::of(&figures, &priced.rules))
    }

    /// The part of adjusted equity that may not back new orders, USD, of the account that was evaluated last.
    #[must_use]
    pub fn restricted_usd(&self, priced: &PricedMarket, account: &Account<'_>) -> f64 {
        self.work.gathered().restricted_usd(priced, account)
    }

    fn spot(&self, priced: &PricedMarket, account: &Account<'_>, unit: u32, delta_coin: f64) -> Spot {
        self.work.gathered().spot(priced, account, unit, delta_coin)
    }

    fn stress(
        &mut self,
        priced: &PricedMarket,
        account: &Account<'_>,
        unit: u32,
        rows: std::ops::Range<usize>,
    ) -> Result<UnitMargin, NotFinite> {
        let rows = PositionRows {
            instrument: &account.instrument[rows.clone()],
            qty: &account.qty[rows.clone()],
            avg_px: &account.avg_px[rows],
        };
        self.sums.add(priced, rows, |_, _| ())?;
        let Some(sums) = self.sums.units().first() else { return Err(NotFinite) };
        let spot = self.spot(priced, account, unit, sums.delta_coin);
        Ok(sums.stress(&priced.units[unit as usize], &priced.rules, spot))
    }
}

/// The unit of a position row; `None` behind the last.
fn unit_at(priced: &PricedMarket, account: &Account<'_>, row: usize) -> Result<Option<u32>, NotFinite> {
    let Some(&instrument) = account.instrument.get(row) else { return Ok(None) };
    let contract = priced.contracts[instrument as usize].as_ref().ok_or(NotFinite)?;
    Ok(Some(contract.unit))
}
