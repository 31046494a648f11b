//! The table `balances`.

// Indices are made in this module and in range; a checked lookup would hide a bug and slow down the hot loop.
#![allow(clippy::indexing_slicing)]

use super::AccountRuns;
use crate::Result;
use crate::book::Interner;
use crate::cells::number::{NumberError, Numbers};
use crate::cells::text::{Text, cut};
use crate::formats::batch::Batch;
use crate::snapshot::reject::{Broken, Reason};

/// Rows of a part of the table. Currencies have numbers in order of appearance.
#[derive(Default)]
pub(crate) struct Balances {
    pub runs: AccountRuns,
    pub currencies: Interner,
    pub ccy: Vec<u32>,
    pub cash: Vec<f64>,
    pub interest: Vec<f64>,
    pub spot_in_use_cap: Vec<f64>,
    /// Whether a balance may not back new orders; empty without the column.
    pub restricted: Vec<bool>,
    pub broken: Vec<Broken>,
    /// Run and currency of the broken rows that have both: they too can be half of a duplicate.
    pub broken_keys: Vec<(u32, u32)>,
}

type Fault = (Reason, &'static str, String);

/// The columns of a batch.
struct Columns {
    accounts: Text,
    currencies: Text,
    amounts: Amounts,
}

impl Balances {
    /// Takes the rows of a batch; `most` is the most cash that may be held of a currency, if it has a USD value.
    pub fn read(&mut self, batch: &Batch, most: impl Fn(&str) -> Option<f64>) -> Result<()> {
        self.read_rows(batch, most)?;
        if !self.restricted.is_empty() {
            // Rows of a part without the column.
            self.restricted.resize(self.ccy.len(), false);
        }
        Ok(())
    }

    fn read_rows(&mut self, batch: &Batch, most: impl Fn(&str) -> Option<f64>) -> Result<()> {
        let columns = Columns {
            accounts: batch.text("account_id")?,
            currencies: batch.text("ccy")?,
            amounts: Amounts {
                cash: batch.numbers("cash")?,
                interest: batch.numbers("interest")?,
                cap: batch.numbers("spot_in_use_cap")?,
                col_res: batch.numbers("col_res")?,
            },
        };
        if self.ccy.is_empty() {
            let rows = usize::try_from(batch.rows_ahead).unwrap_or(0);
            // Where the machine cannot, the promise of the file is wrong or the rows will find it out.
            let _ = self.ccy.try_reserve_exact(rows);
            for column in [&mut self.cash, &mut self.interest, &mut self.spot_in_use_cap] {
                let _ = column.try_reserve_exact(rows);
            }
        }
        let mut memo = columns.currencies.memo();
        let mut bounds: Vec<Option<f64>> = self.currencies.ids().iter().map(&most).collect();
        if self.read_sound(batch, &columns, &most, &mut bounds)? {
            return Ok(());
        }
        for row in 0..batch.rows {
            let number = batch.first_row + row as u64;
            let broken =
                |account, (reason, column, value): Fault| Broken { row: number, account, reason, column, value };
            let Some(id) = columns.accounts.get(row) else {
                self.broken.push(broken(None, (Reason::MissingAccountId, "account_id", String::new())));
                continue;
            };
            let account = self.runs.number(id, self.ccy.len(), number)?;
            let intern = |name: &str| {
                let ccy = self.currencies.intern(name);
                if ccy as usize == bounds.len() {
                    bounds.push(most(name));
                }
                Ok::<_, crate::Error>(ccy)
            };
            let Some(ccy) = memo.get(&columns.currencies, row, intern)? else {
                self.broken.push(broken(Some(account), (Reason::MissingCcy, "ccy", String::new())));
                continue;
            };
            let fault = match columns.amounts.check(row) {
                Ok((cash, interest, cap, restricted)) => match bounds[ccy as usize] {
                    Some(most) if cash.abs() > most => {
                        (Reason::ImplausibleNotional, "cash", cut(&columns.amounts.cash.raw(row)))
                    }
                    None if cash != 0.0 || interest != 0.0 => {
                        (Reason::MissingFx, "ccy", cut(self.currencies.ids().get(ccy as usize)))
                    }
                    _ => {
                        self.ccy.push(ccy);
                        self.cash.push(cash);
                        self.interest.push(interest);
                        self.spot_in_use_cap.push(cap);
                        if let Some(restricted) = restricted {
                            self.restricted.resize(self.ccy.len() - 1, false);
                            self.restricted.push(restricted);
                        }
                        continue;
                    }
                },
                Err(fault) => fault,
            };
            self.broken_keys.push((account, ccy));
            self.broken.push(broken(Some(account), fault));
        }
        Ok(())
    }
}

impl Balances {
    /// Takes a batch whole if nothing is wrong with any of its rows, which is nearly always so; otherwise leaves the
    /// rows as they were and returns false.
    fn read_sound(
        &mut self,
        batch: &Batch,
        columns: &Columns,
        most: impl Fn(&str) -> Option<f64>,
        bounds: &mut Vec<Option<f64>>,
    ) -> Result<bool> {
        let Amounts { cash, interest, cap, col_res } = &columns.amounts;
        let (Some(cash), Some(keys), Some(runs)) =
            (cash.in_range(), columns.currencies.keys(), columns.accounts.runs(batch.rows))
        else {
            return Ok(false);
        };
        let (Some(interest), Some(cap)) = (interest.filled(batch.rows, 0.0), cap.filled(batch.rows, f64::INFINITY))
        else {
            return Ok(false);
        };
        let restricted = match col_res {
            Numbers::Absent => Vec::new(),
            col_res => {
                let restricted = |row| match col_res.get(row) {
                    Ok(value) if value.is_none_or(is_col_res) => Some(value == Some(RESTRICTED)),
                    _ => None,
                };
                let Some(all) = (0..batch.rows).map(restricted).collect::<Option<Vec<bool>>>() else {
                    return Ok(false);
                };
                all
            }
        };
        let mut memo = columns.currencies.memo();
        let before = self.ccy.len();
        for (row, &key) in keys.iter().enumerate() {
            let intern = |name: &str| {
                let ccy = self.currencies.intern(name);
                if ccy as usize == bounds.len() {
                    bounds.push(most(name));
                }
                Ok::<_, crate::Error>(ccy)
            };
            let ccy = match memo.known(key) {
                Some(ccy) => Some(ccy),
                None => memo.get(&columns.currencies, row, intern)?,
            };
            let is_sound = |ccy: &u32| bounds[*ccy as usize].is_some_and(|most| cash[row].abs() <= most);
            let Some(ccy) = ccy.filter(is_sound) else {
                self.ccy.truncate(before);
                return Ok(false);
            };
            self.ccy.push(ccy);
        }
        self.runs.reserve(runs.len());
        for (start, id) in runs {
            self.runs.number(id, before + start, batch.first_row + start as u64)?;
        }
        // Adding zero makes a negative zero positive.
        self.cash.extend(cash.iter().map(|cash| cash + 0.0));
        self.interest.extend(interest);
        self.spot_in_use_cap.extend(cap);
        if !restricted.is_empty() {
            self.restricted.resize(before, false);
            self.restricted.extend(restricted);
        }
        Ok(true)
    }
}

/// The `colRes` of a currency that may not back new orders.
const RESTRICTED: f64 = 2.0;

/// What the exchange says: 0 free, 1 free but close to its limit, 2 restricted.
fn is_col_res(value: f64) -> bool {
    [0.0, 1.0, RESTRICTED].contains(&value)
}

struct Amounts {
    cash: Numbers,
    interest: Numbers,
    cap: Numbers,
    col_res: Numbers,
}

impl Amounts {
    /// Cash, interest, limit of spot in use and, if there is the column, whether the balance is restricted.
    fn check(&self, row: usize) -> Result<(f64, f64, f64, Option<bool>), Fault> {
        let number = |numbers: &Numbers, column, invalid, lowest: f64| match numbers.get(row) {
            Ok(Some(number)) if number < lowest => Err((invalid, column, cut(&numbers.raw(row)))),
            Ok(number) => Ok(number),
            Err(NumberError::Invalid) => Err((invalid, column, cut(&numbers.raw(row)))),
            Err(NumberError::OutOfRange) => Err((Reason::OutOfRange, column, cut(&numbers.raw(row)))),
        };
        let cash = number(&self.cash, "cash", Reason::InvalidCash, f64::NEG_INFINITY)?;
        let cash = cash.ok_or((Reason::MissingCash, "cash", String::new()))?;
        let interest = number(&self.interest, "interest", Reason::InvalidInterest, 0.0)?;
        let cap = number(&self.cap, "spot_in_use_cap", Reason::InvalidSpotInUseCap, 0.0)?;
        let col_res = match number(&self.col_res, "col_res", Reason::InvalidColRes, 0.0)?.unwrap_or(0.0) {
            value if is_col_res(value) => value,
            _ => return Err((Reason::InvalidColRes, "col_res", cut(&self.col_res.raw(row)))),
        };
        let restricted = (!matches!(self.col_res, Numbers::Absent)).then_some(col_res == RESTRICTED);
        Ok((cash, interest.unwrap_or(0.0), cap.unwrap_or(f64::INFINITY), restricted))
    }
}
