//! Scenarios out of a history of prices: `remargin scenarios history` and `remargin scenarios montecarlo`.
//!
//! ```text
//! PRICES --> prices (rows by time and coin) --> series (a grid of times; gaps, jumps, stale prices)
//!                                                 |
//!                                               returns (one for each window and coin), volatility (filtered)
//!                                                 |
//!                                               moves (proxies fill what a coin lacks)
//!                                                 +--> history: one scenario a window --+--> table: `shocks`
//!                                                 +--> covariance, draws: N scenarios --+
//! ```
//!
//! Formulas and words are on the page `docs/how-to/scenarios.md`. Everything is plain arithmetic in a fixed order, and
//! logarithms, exponentials and random numbers that are the same on every machine: the same prices and request give the
//! same bytes.

// What comes from outside must end in an error, not in a panic.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod covariance;
mod draws;
mod moves;
mod outcome;
mod preset;
mod prices;
mod proxy;
mod request;
mod returns;
mod series;
mod table;
mod volatility;

pub use outcome::Made;
pub(crate) use preset::history_1d;
pub use proxy::Proxy;
pub use request::{Draws, Fault, FromHistory, HistoryRequest, Horizon, MonteCarloRequest, Returns};
pub use returns::LeftOut;

use crate::Result;
use crate::market::scenario::Scenario;
use crate::progress::Progress;
use moves::Moves;
use prices::Prices;
use std::path::Path;
use std::sync::Arc;

/// Makes one scenario of each window of a history, and writes them as a table `shocks`.
///
/// # Errors
/// [`crate::Error::Invalid`] for prices that cannot be read or used; [`crate::Error::Usage`] if the request is out of
/// range or the file exists; [`crate::Error::Io`] and [`crate::Error::Runtime`] if it cannot be written;
/// [`crate::Error::Interrupted`]. In all cases nothing is left behind.
pub fn history(request: &HistoryRequest, progress: &dyn Progress) -> Result<Made> {
    let format = table::check_target(&request.out, request.force)?;
    let (prices, moves) = read(&request.prices, &request.from_history, progress)?;
    let mut made = Made::new(prices, &moves);
    table::write(&request.out, format, moves.scenarios(), &mut made, progress)?;
    Ok(made)
}

/// Draws scenarios with the covariance of a history, and writes them as a table `shocks`.
///
/// # Errors
/// Those of [`history`]; [`crate::Error::Invalid`] if the covariance is not positive definite.
pub fn montecarlo(request: &MonteCarloRequest, progress: &dyn Progress) -> Result<Made> {
    let format = table::check_target(&request.out, request.force)?;
    request.draws.check()?;
    let (prices, moves) = read(&request.prices, &request.from_history, progress)?;
    let law = draws::Law::new(&moves, request.draws)?;
    let mut made = Made::new(prices, &moves);
    made.covariance = Some((law.windows, law.variables()));
    table::write(&request.out, format, law.scenarios(), &mut made, progress)?;
    Ok(made)
}

fn read(path: &Path, from_history: &FromHistory, progress: &dyn Progress) -> Result<(Prices, Moves)> {
    from_history.check()?;
    let prices = prices::read(path, from_history.from_ns, progress)?;
    let moves = moves_of(&prices, from_history)?;
    Ok((prices, moves))
}

fn moves_of(prices: &Prices, from_history: &FromHistory) -> Result<Moves> {
    let series = series::Series::new(prices, from_history)?;
    Moves::new(returns::windows(&series, from_history)?, from_history)
}

/// A scenario, and where its moves are from.
#[derive(Debug, Clone, PartialEq)]
struct MarkedScenario {
    scenario: Scenario,
    /// Of each shock, then of each `fx`.
    origins: Vec<Arc<str>>,
}
