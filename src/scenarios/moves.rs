//! Returns become the moves of scenarios: proxies fill what a coin lacks, and each move says where it is from.

use super::covariance::slope;
use super::request::{FromHistory, Returns};
use super::returns::{CoinReturns, Windows};
use super::{MarkedScenario, Proxy};
use crate::error::Remedy;
use crate::market::scenario::{LARGEST_MOVE, Scenario, Shock, moves_by_fx};
use crate::{Error, Invalid, Result};
use std::sync::Arc;

/// Fewest windows from which a beta is estimated.
const FEWEST_FOR_BETA: usize = 20;

/// The returns of a history, with everything that turns them into scenarios.
#[derive(Debug)]
pub(super) struct Moves {
    pub windows: Windows,
    returns: Returns,
    /// In order of their coins.
    pub derived: Vec<Derived>,
    /// Coins that have a proxy and do not need it.
    pub unneeded: Vec<String>,
}

/// A coin that takes the moves of another one where it has none of its own.
#[derive(Debug)]
pub(super) struct Derived {
    pub coin: Arc<str>,
    /// Its place among the coins, if it has a history.
    own: Option<usize>,
    /// The place of the other coin.
    of: usize,
    beta: f64,
    origin: Arc<str>,
}

/// The returns of one coin in one scenario.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    pub price: f64,
    pub vol: Option<f64>,
    pub origin: Arc<str>,
}

impl Moves {
    /// # Errors
    /// [`Error::Usage`] for a proxy without prices; [`Error::Invalid`] for a coin with too short a history and without
    /// a proxy, and for a beta that cannot be estimated.
    pub fn new(windows: Windows, from_history: &FromHistory) -> Result<Self> {
        let place = |name: &str| windows.coins.iter().position(|coin| *coin.name == *name);
        let (mut derived, mut unneeded) = (Vec::new(), Vec::new());
        for proxy in &from_history.proxies {
            let own = place(&proxy.coin);
            if own.and_then(|own| windows.coins.get(own)).is_some_and(CoinReturns::is_whole) {
                unneeded.push(proxy.coin.clone());
                continue;
            }
            let of = place(&proxy.of);
            let (Some(of), Some(other)) = (of, of.and_then(|of| windows.coins.get(of))) else {
                return Err(without_prices(proxy, &from_history.proxies));
            };
            let (beta, origin) = match proxy.beta {
                Some(beta) => (beta, format!("proxy {} beta {beta}", proxy.of)),
                None => estimate(proxy, own.and_then(|own| windows.coins.get(own)), other)?,
            };
            derived.push(Derived { coin: proxy.coin.as_str().into(), own, of, beta, origin: origin.into() });
        }
        derived.sort_by(|a, b| a.coin.cmp(&b.coin));
        let moves = Self { windows, returns: from_history.returns, derived, unneeded };
        moves.refuse_short_histories()?;
        Ok(moves)
    }

    fn refuse_short_histories(&self) -> Result<()> {
        for (place, coin) in self.windows.coins.iter().enumerate() {
            let is_filled = |missing: usize| match self.derived.iter().find(|derived| derived.own == Some(place)) {
                Some(derived) => self.windows.coins.get(derived.of).is_some_and(|of| of.has(missing)),
                None => false,
            };
            let lacking: Vec<usize> =
                (0..coin.price.len()).filter(|&window| !coin.has(window) && !is_filled(window)).collect();
            let Some(first) = lacking.first().and_then(|first| self.windows.names.get(*first)) else { continue };
            let value = format!("none in {} of {} windows, the first ends {first}", lacking.len(), coin.price.len());
            return Err(Invalid::new(format!("`{}` has no price in some windows", coin.name))
                .value(value)
                .expected("prices from the first time to the last, or a coin with such prices as its proxy")
                .remedy(Remedy::Proxy)
                .into());
        }
        for derived in self.derived.iter().filter(|derived| derived.own.is_none()) {
            let of = self.windows.coins.get(derived.of);
            if let Some(of) = of.filter(|of| !of.is_whole()) {
                let problem =
                    format!("`{}` is the proxy of `{}` and has no price in some windows", of.name, derived.coin);
                return Err(Invalid::new(problem)
                    .expected("a coin with prices from the first time to the last")
                    .into());
            }
        }
        Ok(())
    }

    /// One scenario for each window.
    pub fn scenarios(&self) -> impl Iterator<Item = Result<MarkedScenario>> {
        let plain: [Arc<str>; 4] =
            ["", ", jump", ", stale", ", jump, stale"].map(|mark| format!("history{mark}").into());
        self.windows.names.iter().enumerate().map(move |(window, name)| {
            let own = |coin: &CoinReturns| {
                let mark = coin.marks.get(window).copied().unwrap_or_default();
                let origin = plain.iter().find(|origin| origin.strip_prefix("history") == Some(mark));
                let (price, vol) = coin.filtered(window);
                Some(Moved { price: price?, vol, origin: Arc::clone(origin?) })
            };
            let own: Vec<Option<Moved>> = self.windows.coins.iter().map(own).collect();
            self.scenario(name, &own)
        })
    }

    /// A scenario of the returns of each coin; those that lack one take it from their proxy.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a return is no possible move.
    pub fn scenario(&self, name: &str, own: &[Option<Moved>]) -> Result<MarkedScenario> {
        let mut all: Vec<(&str, Moved)> = Vec::new();
        for (coin, moved) in self.windows.coins.iter().zip(own) {
            all.extend(moved.clone().map(|moved| (&*coin.name, moved)));
        }
        for derived in &self.derived {
            let has_own = derived.own.and_then(|place| own.get(place)).is_some_and(Option::is_some);
            let of = own.get(derived.of).and_then(Option::as_ref);
            if let Some(of) = of.filter(|_| !has_own) {
                let (price, origin) = (derived.beta * of.price, Arc::clone(&derived.origin));
                all.push((&derived.coin, Moved { price, vol: of.vol, origin }));
            }
        }
        all.sort_by(|a, b| a.0.cmp(b.0));
        let mut scenario = Scenario { name: name.to_owned(), ..Scenario::default() };
        let (mut of_shocks, mut of_fx) = (Vec::new(), Vec::new());
        for (coin, moved) in all {
            let price = self.shock(name, coin, "price", moved.price)?;
            let vol = moved.vol.map(|vol| self.shock(name, coin, "vol", vol)).transpose()?;
            if moves_by_fx(coin) {
                scenario.fx.push((coin.to_owned(), price));
                of_fx.push(moved.origin);
            } else {
                scenario.shocks.push(Shock { base: coin.to_owned(), price: Some(price), vol });
                of_shocks.push(moved.origin);
            }
        }
        of_shocks.append(&mut of_fx);
        Ok(MarkedScenario { scenario, origins: of_shocks })
    }

    fn shock(&self, scenario: &str, coin: &str, column: &str, value: f64) -> Result<f64> {
        let shock = self.returns.shock(value);
        if shock > -1.0 && shock <= LARGEST_MOVE {
            return Ok(shock);
        }
        let invalid = Invalid::new(format!("a move of `{coin}` that cannot be, in scenario `{scenario}`"))
            .column(column)
            .value(shock.to_string())
            .expected(format!("above -1 (-100 %) and up to {LARGEST_MOVE}"));
        let helps = self.returns != Returns::Log;
        Err(if helps { invalid.remedy(Remedy::LogReturns) } else { invalid }.into())
    }
}

impl CoinReturns {
    fn has(&self, window: usize) -> bool {
        self.price.get(window).is_some_and(Option::is_some)
    }

    /// The returns of price and volatility in a window, as they are or filtered.
    pub fn filtered(&self, window: usize) -> (Option<f64>, Option<f64>) {
        let value = |returns: &[Option<f64>], scales: &[f64]| Some((*returns.get(window)?)? * scales.get(window)?);
        (value(&self.price, &self.price_scale), value(&self.vol, &self.vol_scale))
    }
}

/// The error of a proxy whose other coin is not in the history. One proxy does not lead to another.
fn without_prices(proxy: &Proxy, all: &[Proxy]) -> Error {
    let problem = format!("the proxy `{proxy}` takes moves from `{}`, which has no prices", proxy.of);
    match all.iter().find(|other| other.coin == proxy.of) {
        Some(next) => {
            let hint = format!("`{}` has a proxy itself, `{next}`; name a coin with prices: `{}`", proxy.of, next.of);
            Error::Usage(problem).hint(hint)
        }
        None => Error::Usage(problem).hint("name a coin that the history has"),
    }
}

/// The beta of a coin against its proxy, and what `origin` says of it: the slope of its returns, before they are
/// filtered, on those of the proxy.
fn estimate(proxy: &Proxy, own: Option<&CoinReturns>, of: &CoinReturns) -> Result<(f64, String)> {
    let pairs = own.map(|own| own.price.iter().zip(&of.price).filter_map(|(own, of)| own.zip(*of)).collect::<Vec<_>>());
    let pairs = pairs.unwrap_or_default();
    let beta = if pairs.len() >= FEWEST_FOR_BETA { slope(&pairs) } else { None };
    let Some(beta) = beta else {
        return Err(Invalid::new(format!("the beta of `{}` to `{}` cannot be estimated", proxy.coin, proxy.of))
            .value(format!("{} windows in which both have prices", pairs.len()))
            .expected(format!("{FEWEST_FOR_BETA} or more, in which the proxy moves"))
            .hint(format!("give a beta: `{proxy}:1.2`"))
            .into());
    };
    Ok((beta, format!("proxy {} beta {beta} estimated on {} windows", proxy.of, pairs.len())))
}
