//! The table `positions`: the big one. A row costs 20 bytes here and no allocation.

// Indices are made in this module and in range; a checked lookup would hide a bug and slow down the hot loop.
#![allow(clippy::indexing_slicing)]

use super::AccountRuns;
use crate::Result;
use crate::cells::number::{NumberError, Numbers};
use crate::cells::text::{Memo, Text, cut};
use crate::formats::batch::Batch;
use crate::snapshot::market::{Listings, Refusal};
use crate::snapshot::reject::{Broken, Reason};

/// Rows of a part of the table.
#[derive(Default)]
pub(crate) struct Positions {
    pub runs: AccountRuns,
    pub instrument: Vec<u32>,
    pub qty: Vec<f64>,
    pub avg_px: Vec<f64>,
    pub broken: Vec<Broken>,
}

/// What is wrong with a row: reason, column, value.
type Fault = (Reason, &'static str, String);

const UNKNOWN: u32 = u32::MAX;

/// The columns of a batch.
struct Columns {
    accounts: Text,
    instruments: Text,
    qty: Numbers,
    avg_px: Numbers,
}

impl Positions {
    pub fn read(&mut self, batch: &Batch, listings: &Listings) -> Result<()> {
        let columns = Columns {
            accounts: batch.text("account_id")?,
            instruments: batch.text("inst_id")?,
            qty: batch.numbers("qty")?,
            avg_px: batch.numbers("avg_px")?,
        };
        if self.instrument.is_empty() {
            let rows = usize::try_from(batch.rows_ahead).unwrap_or(0);
            // Where the machine cannot, the promise of the file is wrong or the rows will find it out.
            let _ = self.instrument.try_reserve_exact(rows);
            let _ = self.qty.try_reserve_exact(rows);
            let _ = self.avg_px.try_reserve_exact(rows);
        }
        let mut memo = columns.instruments.memo();
        if self.read_sound(batch, &columns, listings, &mut memo)? {
            return Ok(());
        }
        (0..batch.rows).try_for_each(|row| self.read_row(batch, row, &columns, listings, &mut memo))
    }

    /// Takes a batch whole if nothing is wrong with any of its rows, which is nearly always so; otherwise leaves all
    /// as it was and returns false.
    fn read_sound(
        &mut self,
        batch: &Batch,
        columns: &Columns,
        listings: &Listings,
        memo: &mut Memo<u32>,
    ) -> Result<bool> {
        let (Some(qty), Some(avg_px)) = (columns.qty.in_range(), columns.avg_px.in_range()) else { return Ok(false) };
        let (Some(keys), Some(runs)) = (columns.instruments.keys(), columns.accounts.runs(batch.rows)) else {
            return Ok(false);
        };
        if avg_px.iter().any(|&price| price <= 0.0) {
            return Ok(false);
        }
        let tradable = |id: &str| {
            let listing = listings.hold(id).map(|number| listings.get(number));
            listing.filter(|listing| listing.refusal.is_none()).and_then(|listing| listing.instrument)
        };
        let lookup = |id: &str| Ok::<_, crate::Error>(tradable(id).unwrap_or(UNKNOWN));
        let before = self.instrument.len();
        for (row, &key) in keys.iter().enumerate() {
            if memo.known(key).is_none() {
                memo.get(&columns.instruments, row, lookup)?;
            }
        }
        self.instrument.extend(keys.iter().map(|&key| memo.known(key).unwrap_or(UNKNOWN)));
        let held = || self.instrument[before..].iter().zip(qty);
        if held().any(|(&number, &qty)| number == UNKNOWN || !listings.is_plausible(number, qty)) {
            self.instrument.truncate(before);
            *memo = columns.instruments.memo();
            return Ok(false);
        }
        self.runs.reserve(runs.len());
        for (start, id) in runs {
            self.runs.number(id, before + start, batch.first_row + start as u64)?;
        }
        // Adding zero makes a negative zero positive.
        self.qty.extend(qty.iter().map(|qty| qty + 0.0));
        self.avg_px.extend_from_slice(avg_px);
        Ok(true)
    }

    fn read_row(
        &mut self,
        batch: &Batch,
        row: usize,
        columns: &Columns,
        listings: &Listings,
        memo: &mut Memo<u32>,
    ) -> Result<()> {
        let number = batch.first_row + row as u64;
        let broken = |account, (reason, column, value): Fault| Broken { row: number, account, reason, column, value };
        let Some(id) = columns.accounts.get(row) else {
            self.broken.push(broken(None, (Reason::MissingAccountId, "account_id", String::new())));
            return Ok(());
        };
        let account = self.runs.number(id, self.instrument.len(), number)?;
        let lookup = |id: &str| Ok::<_, crate::Error>(listings.hold(id).unwrap_or(UNKNOWN));
        let checked = match memo.get(&columns.instruments, row, lookup)? {
            None => Err((Reason::MissingInstId, "inst_id", String::new())),
            Some(UNKNOWN) => Err((Reason::UnknownInstrument, "inst_id", columns.instruments.raw(row))),
            Some(number) => check(listings, number, &columns.qty, &columns.avg_px, row),
        };
        match checked {
            Ok((instrument, qty, avg_px)) => {
                self.instrument.push(instrument);
                self.qty.push(qty);
                self.avg_px.push(avg_px);
            }
            Err(fault) => self.broken.push(broken(Some(account), fault)),
        }
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
    let contracts = qty;
    let qty = number(qty, "qty", Reason::MissingQuantity, Reason::InvalidQuantity)?;
    let price = number(avg_px, "avg_px", Reason::MissingAvgPx, Reason::InvalidAvgPx)?;
    if price <= 0.0 {
        return Err((Reason::NonPositiveAvgPx, "avg_px", cut(&avg_px.raw(row))));
    }
    match &listing.refusal {
        Some(refusal) => Err(refused(refusal)),
        None if !listings.is_plausible(instrument, qty) => {
            Err((Reason::ImplausibleNotional, "qty", cut(&contracts.raw(row))))
        }
        None => Ok((instrument, qty, price)),
    }
}
