//! The windows of a history, and the return of each coin in each.

use super::prices::time;
use super::request::{Fault, FromHistory, length};
use super::series::{Coin, Series};
use super::volatility::scales;
use crate::{Error, Invalid, Result};
use std::sync::Arc;

/// Windows that were left out, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// They begin or end where a price is missing.
    pub gaps: u64,
    /// A price jumps in them.
    pub jumps: u64,
    /// They begin or end where a price stands still.
    pub stale: u64,
}

/// Windows that are kept, in order of their ends.
#[derive(Debug)]
pub(super) struct Windows {
    /// Names of the windows: the times of their ends.
    pub names: Vec<String>,
    pub coins: Vec<CoinReturns>,
    pub left_out: LeftOut,
}

/// The returns of one coin; all columns are as long as the windows.
#[derive(Debug)]
pub(super) struct CoinReturns {
    pub name: Arc<str>,
    /// `None` before its first price and after its last one.
    pub price: Vec<Option<f64>>,
    pub vol: Vec<Option<f64>>,
    /// What filtered returns are multiplied by; 1 if they are not filtered.
    pub price_scale: Vec<f64>,
    pub vol_scale: Vec<f64>,
    /// What `origin` says beside `history`.
    pub marks: Vec<&'static str>,
}

/// Beginning and end of a window on the grid.
type Window = (usize, usize);

/// # Errors
/// [`Error::Invalid`] if the horizon does not fit the steps, or no window is left.
pub(super) fn windows(series: &Series, from_history: &FromHistory) -> Result<Windows> {
    let horizon = from_history.horizon;
    if horizon.ns() % series.step_ns != 0 {
        return Err(Error::Usage(format!(
            "the horizon {horizon} is no whole number of steps: the prices are {} apart",
            length(series.step_ns)
        )));
    }
    let steps = usize::try_from(horizon.ns() / series.step_ns).unwrap_or(usize::MAX);
    let points = series.points();
    let (first, last) = (time(series.first_ns), time(series.time_ns(points.saturating_sub(1))));
    if steps >= points {
        return Err(Error::Usage(format!(
            "the horizon {horizon} is longer than the history: the prices are of {first} to {last}"
        )));
    }
    let stride = if from_history.overlapping { 1 } else { steps };
    // Counted back from the last price.
    let mut windows: Vec<Window> =
        (0..points).rev().step_by(stride).filter_map(|end| Some((end.checked_sub(steps)?, end))).collect();
    windows.reverse();
    let mut left_out = LeftOut::default();
    windows.retain(|window| match why_left_out(series, *window, from_history) {
        Some(Oddity::Gap) => skip(&mut left_out.gaps),
        Some(Oddity::Jump) => skip(&mut left_out.jumps),
        Some(Oddity::Stale) => skip(&mut left_out.stale),
        None => true,
    });
    if windows.is_empty() {
        let invalid = Invalid::new("no window is left of the history").value(format!("prices from {first} to {last}"));
        return Err(invalid.expected(format!("windows of {horizon} with prices at both ends")).into());
    }
    let coins =
        series.coins.iter().map(|coin| CoinReturns::new(coin, &windows, from_history)).collect::<Result<_>>()?;
    let names = windows.iter().map(|(_, end)| time(series.time_ns(*end))).collect();
    Ok(Windows { names, coins, left_out })
}

fn skip(count: &mut u64) -> bool {
    *count += 1;
    false
}

enum Oddity {
    Gap,
    Jump,
    Stale,
}

/// Why a window is left out for all coins: a scenario without one of its moves would be another.
fn why_left_out(series: &Series, window: Window, from_history: &FromHistory) -> Option<Oddity> {
    let any = |is: fn(&Coin, Window) -> bool| series.coins.iter().any(|coin| is(coin, window));
    if any(has_gap) {
        Some(Oddity::Gap)
    } else if from_history.jumps == Fault::Skip && any(has_jump) {
        Some(Oddity::Jump)
    } else if from_history.stale == Fault::Skip && any(is_stale) {
        Some(Oddity::Stale)
    } else {
        None
    }
}

fn at(values: &[Option<f64>], place: usize) -> Option<f64> {
    values.get(place).copied().flatten()
}

/// True if a price is missing at an end of the window, between the coin's first and last price.
fn has_gap(coin: &Coin, (begin, end): Window) -> bool {
    let missing = |place| (coin.first..=coin.last).contains(&place) && at(&coin.prices, place).is_none();
    missing(begin) || missing(end)
}

fn has_jump(coin: &Coin, (begin, end): Window) -> bool {
    coin.jumps.get(begin) != coin.jumps.get(end)
}

fn is_stale(coin: &Coin, (begin, end): Window) -> bool {
    [begin, end].iter().any(|place| coin.stale.get(*place) == Some(&true))
}

impl CoinReturns {
    fn new(coin: &Coin, windows: &[Window], from_history: &FromHistory) -> Result<Self> {
        let (price, price_scale) = column(&coin.prices, windows, from_history, &coin.name)?;
        let (vol, vol_scale) = column(&coin.vols, windows, from_history, &coin.name)?;
        let mark = |window: &Window| match (has_jump(coin, *window), is_stale(coin, *window)) {
            (true, true) => ", jump, stale",
            (true, false) => ", jump",
            (false, true) => ", stale",
            (false, false) => "",
        };
        let marks = windows.iter().map(mark).collect();
        Ok(Self { name: Arc::clone(&coin.name), price, vol, price_scale, vol_scale, marks })
    }

    /// True if it has a return in every window.
    pub fn is_whole(&self) -> bool {
        self.price.iter().all(Option::is_some)
    }

    /// True if it has a volatility in some window.
    pub fn has_vol(&self) -> bool {
        self.vol.iter().any(Option::is_some)
    }
}

/// Returns and scales of one series.
fn column(
    values: &[Option<f64>],
    windows: &[Window],
    from_history: &FromHistory,
    name: &str,
) -> Result<(Vec<Option<f64>>, Vec<f64>)> {
    let Some(now) = values.iter().rev().find_map(|value| *value) else {
        return Ok((vec![None; windows.len()], vec![1.0; windows.len()]));
    };
    let value = |&(begin, end): &Window| Some(from_history.returns.of(at(values, begin)?, at(values, end)?, now));
    let returns: Vec<Option<f64>> = windows.iter().map(value).collect();
    let lambda = from_history.lambda.filter(|_| returns.iter().any(Option::is_some));
    let Some(lambda) = lambda else { return Ok((returns, vec![1.0; windows.len()])) };
    let scales = scales(values, from_history.returns, now, lambda).ok_or_else(|| {
        Invalid::new(format!("the returns of `{name}` have no volatility to be filtered by"))
            .expected("prices that move, or returns that are not filtered")
    })?;
    let scale = |(begin, _): &Window| scales.get(*begin).copied().unwrap_or(1.0);
    Ok((returns, windows.iter().map(scale).collect()))
}
