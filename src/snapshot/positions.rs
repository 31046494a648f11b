//! The table `positions`: the big one. A row costs 24 bytes here and in the result, and no allocation.

use super::accounts::{AccountNumbers, AccountRuns, append_broken};
use super::batch::Batch;
use super::market::{Listings, Refusal};
use super::number::{NumberError, Numbers};
use super::reject::{Broken, Reason};
use super::text::cut;
use crate::Result;
use crate::book::PositionRows;

/// Rows of a part of the table, or of all of it.
#[derive(Default)]
pub(super) struct Positions {
    runs: AccountRuns,
    pub rows: PositionRows,
    pub broken: Vec<Broken>,
}

/// What is wrong with a row: reason, column, value.
type Fault = (Reason, &'static str, String);

const UNKNOWN: u32 = u32::MAX;

impl Positions {
    /// Makes room for a number of rows that a file promises. Where the machine cannot, the promise is wrong or the
    /// rows will find it out.
    pub fn reserve(&mut self, rows: u64) {
        let rows = usize::try_from(rows).unwrap_or(0);
        let PositionRows { account, instrument, qty, avg_px } = &mut self.rows;
        let _ = account.try_reserve_exact(rows);
        let _ = instrument.try_reserve_exact(rows);
        let _ = qty.try_reserve_exact(rows);
        let _ = avg_px.try_reserve_exact(rows);
    }

    pub fn read(&mut self, batch: &Batch, listings: &Listings) -> Result<()> {
        let (accounts, instruments) = (batch.text("account_id")?, batch.text("inst_id")?);
        let (qty, avg_px) = (batch.numbers("qty")?, batch.numbers("avg_px")?);
        let mut memo = instruments.memo();
        if self.rows.account.is_empty() {
            self.reserve(batch.rows_ahead);
        }
        for row in 0..batch.rows {
            let broken = |account, (reason, column, value): Fault| Broken {
                row: batch.first_row + row as u64,
                account,
                reason,
                column,
                value,
            };
            let Some(id) = accounts.get(row) else {
                self.broken.push(broken(None, (Reason::MissingAccountId, "account_id", String::new())));
                continue;
            };
            let account = self.runs.number(id)?;
            let listed =
                memo.get(&instruments, row, |id| Ok::<_, crate::Error>(listings.hold(id).unwrap_or(UNKNOWN)))?;
            let checked = match listed {
                None => Err((Reason::MissingInstId, "inst_id", String::new())),
                Some(UNKNOWN) => Err((Reason::UnknownInstrument, "inst_id", instruments.raw(row))),
                Some(number) => check(listings, number, &qty, &avg_px, row),
            };
            match checked {
                Ok((instrument, qty, avg_px)) => {
                    self.rows.account.push(account);
                    self.rows.instrument.push(instrument);
                    self.rows.qty.push(qty);
                    self.rows.avg_px.push(avg_px);
                }
                Err(fault) => self.broken.push(broken(Some(account), fault)),
            }
        }
        Ok(())
    }

    /// Appends the rows that follow.
    pub fn merge(&mut self, local: Self, accounts: &mut AccountNumbers) -> Result<()> {
        let numbers = accounts.translate(&local.runs)?;
        self.rows.account.extend(local.rows.account.iter().map(|&account| numbers[account as usize]));
        self.rows.instrument.extend(local.rows.instrument);
        self.rows.qty.extend(local.rows.qty);
        self.rows.avg_px.extend(local.rows.avg_px);
        append_broken(&mut self.broken, local.broken, &numbers);
        Ok(())
    }
}

/// Index of the instrument, quantity and price; the checks stand in the order of [`Reason`].
fn check(
    listings: &Listings,
    number: u32,
    qty: &Numbers,
    avg_px: &Numbers,
    row: usize,
) -> Result<(u32, f64, f64), Fault> {
    let listing = listings.get(number);
    let refused = |refusal: &Refusal| (refusal.reason, refusal.column, refusal.value.clone());
    let Some(instrument) = listing.instrument else {
        return Err(listing.refusal.as_ref().map_or((Reason::InvalidInstrument, "inst_id", String::new()), refused));
    };
    let number = |numbers: &Numbers, column, missing, invalid| match numbers.get(row) {
        Ok(Some(number)) => Ok(number),
        Ok(None) => Err((missing, column, String::new())),
        Err(NumberError::Invalid) => Err((invalid, column, cut(&numbers.raw(row)))),
        Err(NumberError::OutOfRange) => Err((Reason::OutOfRange, column, cut(&numbers.raw(row)))),
    };
    let qty = number(qty, "qty", Reason::MissingQuantity, Reason::InvalidQuantity)?;
    let price = number(avg_px, "avg_px", Reason::MissingAvgPx, Reason::InvalidAvgPx)?;
    if price <= 0.0 {
        return Err((Reason::NonPositiveAvgPx, "avg_px", cut(&avg_px.raw(row))));
    }
    match &listing.refusal {
        Some(refusal) => Err(refused(refusal)),
        None => Ok((instrument, qty, price)),
    }
}
