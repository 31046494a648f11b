//! A history on a grid of times: the prices of each coin at every step, and where they are missing, jump or stand
//! still.

use super::prices::{Price, Prices, time};
use super::request::{Fault, FromHistory, length};
use crate::error::Remedy;
use crate::market::scenario::moves_by_fx;
use crate::{Invalid, Result};
use std::sync::Arc;

/// Most cells of a grid: times by coins.
const MOST_CELLS: u64 = 1 << 26;

/// All coins on one grid.
#[derive(Debug)]
pub(super) struct Series {
    pub first_ns: i64,
    pub step_ns: i64,
    pub coins: Vec<Coin>,
}

/// One coin; all columns are as long as the grid.
#[derive(Debug)]
pub(super) struct Coin {
    pub name: Arc<str>,
    pub prices: Vec<Option<f64>>,
    pub vols: Vec<Option<f64>>,
    /// Places of its first and last price.
    pub first: usize,
    pub last: usize,
    /// So many jumps at or before each place.
    pub jumps: Vec<u32>,
    /// The price is as it was at the step before, within a stretch that is too long.
    pub stale: Vec<bool>,
}

impl Series {
    /// # Errors
    /// [`crate::Error::Invalid`] if times are not regular, or for gaps, jumps and stale prices that are refused.
    pub fn new(prices: &Prices, from_history: &FromHistory) -> Result<Self> {
        let (step, times) = prices.times();
        let (Some(step_ns), Some(&first_ns), Some(&last_ns), Some(row)) =
            (step, times.first(), times.last(), prices.rows.first())
        else {
            let row = prices.rows.first().map_or_else(|| Invalid::new("one price"), |row| row.invalid("one time only"));
            return Err(row.expected("prices at two times or more: a move needs two").into());
        };
        let irregular = prices.rows.iter().find(|row| (row.time_ns.abs_diff(first_ns)) % step_ns.unsigned_abs() != 0);
        if let Some(row) = irregular {
            return Err(row
                .invalid("a time that is not regular")
                .column("time")
                .value(time(row.time_ns))
                .expected(format!("a whole number of steps of {} after {}", length(step_ns), time(first_ns)))
                .hint("the step is the smallest distance of two times; leave out what stands between the steps")
                .into());
        }
        let points = last_ns.abs_diff(first_ns) / step_ns.unsigned_abs() + 1;
        let names = prices.rows.chunk_by(|a, b| a.base == b.base);
        if points.saturating_mul(names.clone().count() as u64) > MOST_CELLS {
            return Err(row
                .invalid("times too far apart for their step")
                .value(format!("{points} steps of {}", length(step_ns)))
                .expected(format!("at most {MOST_CELLS} steps and coins together"))
                .into());
        }
        let grid = Grid { first_ns, step_ns, points: points as usize };
        let coins = names.map(|rows| grid.coin(rows, from_history)).collect::<Result<_>>()?;
        Ok(Self { first_ns, step_ns, coins })
    }

    /// Times of the grid.
    pub fn points(&self) -> usize {
        self.coins.first().map_or(0, |coin| coin.prices.len())
    }

    pub fn time_ns(&self, place: usize) -> i64 {
        self.first_ns.saturating_add(self.step_ns.saturating_mul(i64::try_from(place).unwrap_or(i64::MAX)))
    }
}

/// True for a stablecoin within 0.1 % of a dollar: such a price may well stand still.
fn is_at_par(row: &Price) -> bool {
    const NEAR: f64 = 0.001;
    moves_by_fx(&row.base) && (row.price - 1.0).abs() <= NEAR
}

struct Grid {
    first_ns: i64,
    step_ns: i64,
    points: usize,
}

impl Grid {
    fn place(&self, row: &Price) -> usize {
        (row.time_ns.abs_diff(self.first_ns) / self.step_ns.unsigned_abs()) as usize
    }

    /// `rows` are all of one coin, in order.
    fn coin(&self, rows: &[Price], from_history: &FromHistory) -> Result<Coin> {
        let (mut prices, mut vols) = (vec![None; self.points], vec![None; self.points]);
        for row in rows {
            let place = self.place(row);
            if let (Some(price), Some(vol)) = (prices.get_mut(place), vols.get_mut(place)) {
                *price = Some(row.price);
                *vol = row.vol.filter(|_| from_history.vol);
            }
        }
        if from_history.gaps == Fault::Refuse {
            self.refuse_gaps(rows)?;
        }
        let ends = rows.first().zip(rows.last()).map_or((0, 0), |(a, b)| (self.place(a), self.place(b)));
        Ok(Coin {
            name: rows.first().map_or_else(|| "".into(), |row| Arc::clone(&row.base)),
            jumps: self.jumps(rows, from_history)?,
            stale: self.stale(rows, from_history)?,
            prices,
            vols,
            first: ends.0,
            last: ends.1,
        })
    }

    fn refuse_gaps(&self, rows: &[Price]) -> Result<()> {
        let gaps = rows.windows(2).filter_map(|pair| match pair {
            [a, b] if self.place(b) > self.place(a) + 1 => Some((a, self.place(b) - self.place(a) - 1)),
            _ => None,
        });
        let missing: usize = gaps.clone().map(|(_, missing)| missing).sum();
        let Some((row, _)) = gaps.clone().next() else { return Ok(()) };
        Err(row
            .invalid(format!("a gap in the prices of `{}`", row.base))
            .column("time")
            .value(format!("no price after {}; {missing} missing in {} gaps", time(row.time_ns), gaps.count()))
            .expected(format!("a price every {} from its first to its last", length(self.step_ns)))
            .remedy(Remedy::PriceGaps)
            .into())
    }

    fn jumps(&self, rows: &[Price], from_history: &FromHistory) -> Result<Vec<u32>> {
        let mut jumps = vec![0u32; self.points];
        for pair in rows.windows(2) {
            let [a, b] = pair else { continue };
            let factor = (b.price / a.price).max(a.price / b.price);
            if factor <= from_history.largest_jump {
                continue;
            }
            if from_history.jumps == Fault::Refuse {
                return Err(b
                    .invalid(format!("a jump in the price of `{}`, as at a split or another unit", b.base))
                    .column("price")
                    .value(format!("{} after {} at {}", b.price, a.price, time(b.time_ns)))
                    .expected(format!("at most a factor of {} from price to price", from_history.largest_jump))
                    .remedy(Remedy::PriceJumps)
                    .into());
            }
            if let Some(jump) = jumps.get_mut(self.place(b)) {
                *jump = 1;
            }
        }
        let mut count = 0;
        for jump in &mut jumps {
            count += *jump;
            *jump = count;
        }
        Ok(jumps)
    }

    fn stale(&self, rows: &[Price], from_history: &FromHistory) -> Result<Vec<bool>> {
        let mut stale = vec![false; self.points];
        for run in rows.chunk_by(|a, b| a.price == b.price) {
            let Some(first) = run.first().filter(|_| run.len() >= from_history.stale_rows as usize) else { continue };
            if is_at_par(first) {
                continue;
            }
            if from_history.stale == Fault::Refuse {
                return Err(first
                    .invalid(format!("a price of `{}` that stands still", first.base))
                    .column("price")
                    .value(format!("{} in {} rows from {} on", first.price, run.len(), time(first.time_ns)))
                    .expected(format!("fewer than {} equal prices in a row", from_history.stale_rows))
                    .remedy(Remedy::StalePrices)
                    .into());
            }
            for row in run.iter().skip(1) {
                if let Some(stale) = stale.get_mut(self.place(row)) {
                    *stale = true;
                }
            }
        }
        Ok(stale)
    }
}
