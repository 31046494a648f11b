//! Scenarios drawn at random, with the covariance of a history and means of zero.
//!
//! ```text
//! C = L L'              covariance of the returns of prices and volatilities over the windows
//! normal:     r = L z                       z: independent standard normals
//! Student t:  r = sqrt((df - 2) / w) L z    w: chi-square with df degrees of freedom, one for each scenario
//! ```
//!
//! Both have covariance `C`; under Student t all coins have their extremes together. Scenario `i` is drawn from stream
//! `i` of the generator, so that the first scenarios of a larger number are the same.

use super::covariance::{Matrix, covariance, root};
use super::moves::{Moved, Moves};
use super::{Draws, MarkedScenario};
use crate::generate::rng::Rng;
use crate::{Invalid, Result};
use std::sync::Arc;

/// What scenarios are drawn from.
pub(super) struct Law<'a> {
    moves: &'a Moves,
    draws: Draws,
    lower: Matrix,
    /// Places of the coins whose prices are drawn; in each pair whether its volatility is, too.
    coins: Vec<(usize, bool)>,
    /// Windows that the covariance is of.
    pub windows: usize,
    origin: Arc<str>,
}

impl<'a> Law<'a> {
    /// # Errors
    /// [`crate::Error::Invalid`] if there are too few windows, or the covariance is not positive definite.
    pub fn new(moves: &'a Moves, draws: Draws) -> Result<Self> {
        let of_history = moves.windows.coins.iter().enumerate();
        let coins: Vec<(usize, bool)> =
            of_history.filter(|(_, coin)| coin.is_whole()).map(|(place, coin)| (place, coin.has_vol())).collect();
        let mut names = Vec::new();
        for coin in coins.iter().filter_map(|(place, _)| moves.windows.coins.get(*place)) {
            names.push(format!("the price of `{}`", coin.name));
            names.extend(coin.has_vol().then(|| format!("the volatility of `{}`", coin.name)));
        }
        let sample = |window: usize| -> Option<Vec<f64>> {
            let mut values = Vec::with_capacity(names.len());
            for (place, has_vol) in &coins {
                let (price, vol) = moves.windows.coins.get(*place)?.filtered(window);
                values.push(price?);
                if *has_vol {
                    values.push(vol?);
                }
            }
            Some(values)
        };
        let samples: Vec<Vec<f64>> = (0..moves.windows.names.len()).filter_map(sample).collect();
        if samples.len() <= names.len().max(1) {
            return Err(Invalid::new("too few windows for a covariance")
                .value(format!("{} windows with every price and volatility", samples.len()))
                .expected(format!("more than the {} prices and volatilities that are drawn", names.len()))
                .into());
        }
        let lower = root(&covariance(&samples), &names)?;
        let origin = draws.df.map_or_else(|| "normal".to_owned(), |df| format!("student t df {df}"));
        Ok(Self { moves, draws, lower, coins, windows: samples.len(), origin: origin.into() })
    }

    /// Prices and volatilities that are drawn.
    pub fn variables(&self) -> usize {
        self.lower.len()
    }

    /// All scenarios, in order.
    pub fn scenarios(&self) -> impl Iterator<Item = Result<MarkedScenario>> {
        (1..=self.draws.count).map(move |number| {
            let returns = self.returns(Rng::new(self.draws.seed, number));
            let mut own: Vec<Option<Moved>> = vec![None; self.moves.windows.coins.len()];
            let mut next = returns.into_iter();
            for (place, has_vol) in &self.coins {
                let (price, vol) = (next.next(), if *has_vol { next.next() } else { None });
                if let (Some(own), Some(price)) = (own.get_mut(*place), price) {
                    *own = Some(Moved { price, vol, origin: Arc::clone(&self.origin) });
                }
            }
            self.moves.scenario(&format!("mc-{number:07}"), &own)
        })
    }

    fn returns(&self, mut rng: Rng) -> Vec<f64> {
        let normals: Vec<f64> = self.lower.iter().map(|_| rng.normal()).collect();
        let scale = self.draws.df.map_or(1.0, |df| {
            let (df, chi_square) = (f64::from(df), chi_square(&mut rng, df));
            ((df - 2.0) / chi_square).sqrt()
        });
        let value = |row: &Vec<f64>| scale * row.iter().zip(&normals).map(|(cell, normal)| cell * normal).sum::<f64>();
        self.lower.iter().map(value).collect()
    }
}

/// A sum of `df` squares of normals: each two of them are twice an exponential.
fn chi_square(rng: &mut Rng, df: u32) -> f64 {
    let mut sum = 0.0;
    for _ in 0..df / 2 {
        sum += 2.0 * rng.exponential();
    }
    if df % 2 == 1 {
        let normal = rng.normal();
        sum += normal * normal;
    }
    sum
}
