//! The table `balances`.

use super::accounts::{AccountNumbers, AccountRuns, append_broken, retain, sound_rows};
use super::batch::Batch;
use super::number::{NumberError, Numbers};
use super::prices::Indices;
use super::reject::{Broken, Reason};
use super::text::cut;
use crate::Result;
use crate::book::{BalanceRows, IdTable, Interner};
use crate::market::Market;
use rayon::prelude::*;

/// Rows of a part of the table, or of all of it. Currencies have numbers in order of appearance until
/// [`Balances::renumber_currencies`].
#[derive(Default)]
pub(super) struct Balances {
    runs: AccountRuns,
    currencies: Interner,
    pub rows: BalanceRows,
    pub broken: Vec<Broken>,
    /// Account and currency of the broken rows that have both: they too can be half of a duplicate.
    broken_keys: Vec<(u32, u32)>,
}

type Fault = (Reason, &'static str, String);

impl Balances {
    /// All currencies that a row names.
    pub fn currencies(&self) -> &IdTable {
        self.currencies.ids()
    }

    pub fn read(&mut self, batch: &Batch, indices: &Indices) -> Result<()> {
        let (accounts, currencies) = (batch.text("account_id")?, batch.text("ccy")?);
        let amounts = Amounts {
            cash: batch.numbers("cash")?,
            interest: batch.numbers("interest")?,
            cap: batch.numbers("spot_in_use_cap")?,
        };
        let mut memo = currencies.memo();
        let mut priced: Vec<Option<bool>> = Vec::new();
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
            let Some(ccy) = memo.get(&currencies, row, |name| Ok::<_, crate::Error>(self.currencies.intern(name)))?
            else {
                self.broken.push(broken(Some(account), (Reason::MissingCcy, "ccy", String::new())));
                continue;
            };
            let fault = match amounts.check(row) {
                Ok((cash, interest, cap)) => {
                    priced.resize(self.currencies.len(), None);
                    let name = || self.currencies.ids().get(ccy as usize);
                    let known = priced[ccy as usize].get_or_insert_with(|| indices.fx(name()).is_some());
                    if *known || (cash == 0.0 && interest == 0.0) {
                        self.rows.account.push(account);
                        self.rows.ccy.push(ccy);
                        self.rows.cash.push(cash);
                        self.rows.interest.push(interest);
                        self.rows.spot_in_use_cap.push(cap);
                        continue;
                    }
                    (Reason::MissingFx, "ccy", cut(name()))
                }
                Err(fault) => fault,
            };
            self.broken_keys.push((account, ccy));
            self.broken.push(broken(Some(account), fault));
        }
        Ok(())
    }

    /// Appends the rows that follow.
    pub fn merge(&mut self, local: Self, accounts: &mut AccountNumbers) -> Result<()> {
        let numbers = accounts.translate(&local.runs)?;
        let currencies: Vec<u32> = local.currencies.ids().iter().map(|name| self.currencies.intern(name)).collect();
        let key = |(account, ccy): (u32, u32)| (numbers[account as usize], currencies[ccy as usize]);
        self.broken_keys.extend(local.broken_keys.into_iter().map(key));
        self.rows.account.extend(local.rows.account.iter().map(|&account| numbers[account as usize]));
        self.rows.ccy.extend(local.rows.ccy.iter().map(|&ccy| currencies[ccy as usize]));
        self.rows.cash.extend(local.rows.cash);
        self.rows.interest.extend(local.rows.interest);
        self.rows.spot_in_use_cap.extend(local.rows.spot_in_use_cap);
        append_broken(&mut self.broken, local.broken, &numbers);
        Ok(())
    }

    /// Rejects all rows of an account and currency that have several.
    pub fn reject_duplicates(&mut self) {
        let key = |(account, ccy): (u32, u32)| u64::from(account) << 32 | u64::from(ccy);
        let rows = &mut self.rows;
        let sound: Vec<u64> = rows.account.iter().copied().zip(rows.ccy.iter().copied()).map(key).collect();
        let mut keys = sound.clone();
        keys.extend(self.broken_keys.iter().copied().map(key));
        keys.par_sort_unstable();
        let mut repeated: Vec<u64> = keys.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        if repeated.is_empty() {
            return;
        }
        repeated.dedup();
        let keep: Vec<bool> = sound.iter().map(|key| repeated.binary_search(key).is_err()).collect();
        let mut duplicates = Vec::new();
        for (row, index) in sound_rows(&self.broken).zip(0..keep.len()) {
            if !keep[index] {
                duplicates.push(Broken {
                    row,
                    account: Some(rows.account[index]),
                    reason: Reason::DuplicateBalance,
                    column: "ccy",
                    value: cut(self.currencies.ids().get(rows.ccy[index] as usize)),
                });
            }
        }
        retain(&mut rows.account, &keep);
        retain(&mut rows.ccy, &keep);
        retain(&mut rows.cash, &keep);
        retain(&mut rows.interest, &keep);
        retain(&mut rows.spot_in_use_cap, &keep);
        self.broken.append(&mut duplicates);
        self.broken.sort_unstable_by_key(|broken| broken.row);
    }

    /// Turns the numbers of currencies into indices of the market's, which hold every name seen here.
    pub fn renumber_currencies(&mut self, market: &Market) {
        let place = |name: &str| market.currencies.partition_point(|currency| currency.name.as_str() < name) as u32;
        let places: Vec<u32> = self.currencies.ids().iter().map(place).collect();
        for ccy in &mut self.rows.ccy {
            *ccy = places[*ccy as usize];
        }
    }
}

struct Amounts {
    cash: Numbers,
    interest: Numbers,
    cap: Numbers,
}

impl Amounts {
    /// Cash, interest and limit of spot in use.
    fn check(&self, row: usize) -> Result<(f64, f64, f64), Fault> {
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
        Ok((cash, interest.unwrap_or(0.0), cap.unwrap_or(f64::INFINITY)))
    }
}
