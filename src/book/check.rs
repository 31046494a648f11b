//! What a book must be; see [`Book`].

use super::{Book, Reach, broken};
use crate::Result;
use crate::margin::account::Traded;

impl Book {
    /// Refuses columns that are not as long as they should be: rows are sorted inside accounts after this only.
    pub(super) fn check_lengths(&self) -> Result<()> {
        let told = |starts: &[usize]| starts.last().copied().unwrap_or(0);
        let (positions, balances) = (told(&self.position_start), told(&self.balance_start));
        for (name, told, found) in [
            ("instruments", positions, self.instrument.len()),
            ("quantities", positions, self.qty.len()),
            ("average prices", positions, self.avg_px.len()),
            ("currencies", balances, self.ccy.len()),
            ("amounts of cash", balances, self.cash.len()),
            ("interests", balances, self.interest.len()),
            ("limits of spot in use", balances, self.spot_in_use_cap.len()),
        ] {
            if told != found {
                return Err(broken(format!("{told} {name} were announced, {found} came")));
            }
        }
        Ok(())
    }

    /// Refuses everything else that is not as it should be, and notes how far indices reach.
    pub(super) fn checked(mut self) -> Result<Self> {
        if let Some(at) = (1..self.len()).find(|&at| self.accounts.get(at - 1) >= self.accounts.get(at)) {
            return Err(broken(format!("account `{}` is not in byte order, or there twice", self.accounts.get(at))));
        }
        let twice = |bounds: &[usize]| !self.ccy[bounds[0]..bounds[1]].is_sorted_by(|a, b| a < b);
        if let Some(account) = self.balance_start.windows(2).position(twice) {
            return Err(broken(format!("account `{}` has a currency twice", self.accounts.get(account))));
        }
        let orders_are_finite = self.orders.iter().all(|order| order.qty.is_finite() && order.px.is_finite());
        let columns = [&self.qty, &self.avg_px, &self.cash, &self.interest];
        let has_nan = self.spot_in_use_cap.iter().fold(false, |has, cap| has | cap.is_nan());
        if has_nan || !orders_are_finite || !columns.into_iter().all(|column| is_finite(column)) {
            return Err(broken("a number is not finite"));
        }
        self.reach = self.reach();
        Ok(self)
    }

    fn reach(&self) -> Reach {
        let behind = |indices: &[u32]| indices.iter().fold(0, |most, &index| most.max(index as usize + 1));
        let mut reach = Reach { instruments: behind(&self.instrument), currencies: behind(&self.ccy) };
        for order in &self.orders {
            match order.traded {
                Traded::Contract(instrument) => reach.instruments = reach.instruments.max(instrument as usize + 1),
                Traded::Spot { base, quote } => {
                    reach.currencies = reach.currencies.max(base.max(quote) as usize + 1);
                }
            }
        }
        reach
    }
}

/// True if all numbers are. All are looked at, which is done several at a time.
fn is_finite(numbers: &[f64]) -> bool {
    numbers.iter().fold(true, |all, number| all & number.is_finite())
}
