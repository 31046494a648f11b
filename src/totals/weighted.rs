//! Figures of a weighted sample: how a loss is distributed over scenarios.
//!
//! ```text
//! W                        sum of the weights; what weighs nothing is left out
//! mean                     sum of w x / W
//! standard deviation       sqrt( sum of w (x - mean)^2 / W )
//! quantile Q(q)            the least x for which the weight of all values up to x is at least q W
//! expected shortfall E(q)  Q(q) + sum of w max(0, x - Q(q)) / ((1 - q) W)
//! ```
//!
//! The quantile is numpy's `method="inverted_cdf"`: a value of the sample, nothing is interpolated. The expected
//! shortfall is the mean of the worst `(1 - q) W`, of which the value at the boundary is taken in part.

use super::sum::Sum;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A sample over scenarios, summed up; all in the unit of its values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Statistics {
    /// Weighted mean.
    pub mean: f64,
    /// Square root of the weighted mean of the squared distance from the mean.
    pub standard_deviation: f64,
    /// Least value.
    pub least: f64,
    /// Half of the weight is at this value or below it.
    pub quantile_50: f64,
    /// 90 % of the weight.
    pub quantile_90: f64,
    /// 95 % of the weight.
    pub quantile_95: f64,
    /// 99 % of the weight.
    pub quantile_99: f64,
    /// 99.9 % of the weight.
    pub quantile_99_9: f64,
    /// Greatest value.
    pub largest: f64,
    /// Mean of the largest values that have 5 % of the weight.
    pub expected_shortfall_95: f64,
    /// 2.5 % of the weight.
    pub expected_shortfall_97_5: f64,
    /// 1 % of the weight.
    pub expected_shortfall_99: f64,
    /// 0.1 % of the weight.
    pub expected_shortfall_99_9: f64,
}

/// How a column of a figure of [`Statistics`] is called, what it means, and the figure.
pub type StatisticsColumn = (&'static str, &'static str, fn(&Statistics) -> f64);

impl Statistics {
    /// All figures, in order.
    pub const COLUMNS: [StatisticsColumn; 13] = [
        ("mean", "Weighted mean.", |of| of.mean),
        ("standard_deviation", "Weighted standard deviation.", |of| of.standard_deviation),
        ("least", "Least value.", |of| of.least),
        ("quantile_50", "Least value that 50 % of the weight does not exceed.", |of| of.quantile_50),
        ("quantile_90", "Least value that 90 % of the weight does not exceed.", |of| of.quantile_90),
        ("quantile_95", "Least value that 95 % of the weight does not exceed.", |of| of.quantile_95),
        ("quantile_99", "Least value that 99 % of the weight does not exceed.", |of| of.quantile_99),
        ("quantile_99_9", "Least value that 99.9 % of the weight does not exceed.", |of| of.quantile_99_9),
        ("largest", "Largest value.", |of| of.largest),
        ("expected_shortfall_95", "Mean of the largest 5 % of the weight.", |of| of.expected_shortfall_95),
        ("expected_shortfall_97_5", "Mean of the largest 2.5 % of the weight.", |of| of.expected_shortfall_97_5),
        ("expected_shortfall_99", "Mean of the largest 1 % of the weight.", |of| of.expected_shortfall_99),
        ("expected_shortfall_99_9", "Mean of the largest 0.1 % of the weight.", |of| of.expected_shortfall_99_9),
    ];
}

/// Levels in thousandths: both `q` and `1 - q` are the floats next to them.
const QUANTILES: [u16; 5] = [500, 900, 950, 990, 999];
const TAILS: [u16; 4] = [950, 975, 990, 999];

/// By this share of the total a cumulative weight may miss a level and still reach it: rounding of the weights.
const ROUNDING: f64 = 1e-12;

/// The weights as whole numbers add up to less than two to this power.
const UNITS_BITS: i32 = 61;
/// Of the bits of a float: where its exponent stands, and what is added to it.
const EXPONENT_AT: u32 = 52;
const EXPONENT_BIAS: i32 = 1023;

/// `e` of a positive number in `[2^e, 2^(e+1))`.
fn exponent(x: f64) -> i32 {
    (x.to_bits() >> EXPONENT_AT) as i32 - EXPONENT_BIAS
}

/// `2^e`, where it is a normal float; infinite above, zero below.
fn power_of_two(e: i32) -> f64 {
    f64::from_bits(((e + EXPONENT_BIAS).clamp(0, 2 * EXPONENT_BIAS + 1) as u64) << EXPONENT_AT)
}

/// What the scenarios of a stress weigh, the base case included with nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    all: Vec<f64>,
    /// Places of those that weigh something.
    used: Vec<u32>,
    total: f64,
    units: Vec<u64>,
    total_units: u64,
}

impl Weights {
    /// Of scenarios in order; each weight is zero or positive.
    ///
    /// # Errors
    /// [`Error::Runtime`] if a weight, or their sum, is none that can be worked with.
    pub fn new(all: Vec<f64>) -> Result<Self> {
        let mut sum: Sum = Sum::default();
        for &weight in &all {
            sum.add(weight);
        }
        let total = sum.value();
        if !total.is_finite() || all.iter().any(|weight| weight.is_nan() || *weight < 0.0) {
            return Err(Error::Runtime("a scenario has a weight that is no weight".to_owned()));
        }
        let used = (0u32..).zip(&all).filter(|(_, weight)| **weight > 0.0).map(|(place, _)| place).collect();
        // A power of two, so that whole numbers stay what they are beside one another.
        let scale = if total > 0.0 { power_of_two(UNITS_BITS - 1 - exponent(total)) } else { 0.0 };
        let units: Vec<u64> = all.iter().map(|weight| (weight * scale).round() as u64).collect();
        let total_units = units.iter().fold(0u64, |sum, units| sum.saturating_add(*units));
        Ok(Self { all, used, total, units, total_units })
    }

    /// How many scenarios weigh something.
    #[must_use]
    pub fn counted(&self) -> usize {
        self.used.len()
    }

    /// How many scenarios there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Sum of the weights.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.total
    }

    /// The weight of a scenario.
    #[must_use]
    pub fn of(&self, scenario: usize) -> f64 {
        self.all.get(scenario).copied().unwrap_or(0.0)
    }

    /// The weight of a scenario as a whole number: sums are exact in any order. See [`Weights::share`].
    #[must_use]
    pub fn units(&self, scenario: usize) -> u64 {
        self.units.get(scenario).copied().unwrap_or(0)
    }

    /// The share of the total that a sum of [`Weights::units`] is; none if nothing weighs anything.
    #[must_use]
    pub fn share(&self, units: u64) -> Option<f64> {
        (self.total_units > 0).then(|| units as f64 / self.total_units as f64)
    }

    /// The share of the weight of the scenarios for whose values `holds` is true.
    #[must_use]
    pub fn share_where(&self, values: &[f64], holds: impl Fn(f64) -> bool) -> Option<f64> {
        let held = (0..values.len()).filter(|&scenario| holds(values[scenario]));
        self.share(held.map(|scenario| self.units(scenario)).sum())
    }

    /// The scenarios that weigh something, the largest value first, of equals the first scenario.
    #[must_use]
    pub fn largest_first(&self, values: &[f64]) -> Vec<usize> {
        let mut order = self.used.clone();
        let value = |scenario: u32| values.get(scenario as usize).copied().unwrap_or(f64::NAN);
        order.sort_by(|&a, &b| value(b).total_cmp(&value(a)).then(a.cmp(&b)));
        order.into_iter().map(|scenario| scenario as usize).collect()
    }
}

/// Works samples out; keeps its buffer.
#[derive(Debug, Default)]
pub struct Sampler {
    /// Values with their weights, ascending.
    sorted: Vec<(f64, f64)>,
    order: Vec<(f64, u32)>,
}

impl Sampler {
    /// Sums up a sample: the value of each scenario. None if nothing weighs anything.
    pub fn of(&mut self, weights: &Weights, value: impl Fn(usize) -> f64) -> Option<Statistics> {
        self.sort(weights, value);
        self.statistics(weights, |value| value)
    }

    /// Sorts a sample.
    pub fn sort(&mut self, weights: &Weights, value: impl Fn(usize) -> f64) {
        let Self { sorted, order } = self;
        order.clear();
        order.extend(weights.used.iter().map(|&scenario| (value(scenario as usize), scenario)));
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        sorted.clear();
        sorted.extend(order.iter().map(|&(value, scenario)| (value, weights.of(scenario as usize))));
    }

    /// Sums up what was sorted, with `by` of each value, which must not decrease where values grow.
    #[must_use]
    pub fn statistics(&self, weights: &Weights, by: impl Fn(f64) -> f64) -> Option<Statistics> {
        let values = || self.sorted.iter().map(|&(value, weight)| (by(value), weight));
        let (least, largest) = (values().next()?.0, values().next_back()?.0);
        let total = weights.total;
        let sum = |of: &dyn Fn(f64) -> f64| {
            let mut sum: Sum = Sum::default();
            values().for_each(|(value, weight)| sum.add(weight * of(value)));
            sum.value()
        };
        let mean = sum(&|value| value) / total;
        let variance = sum(&|value| (value - mean) * (value - mean)) / total;

        let levels = [QUANTILES[0], QUANTILES[1], QUANTILES[2], TAILS[1], QUANTILES[3], QUANTILES[4]];
        let mut at = [largest; 6];
        let (mut cumulative, mut next): (Sum, usize) = (Sum::default(), 0);
        for (value, weight) in values() {
            cumulative.add(weight);
            while next < levels.len() && cumulative.value() >= (level(levels[next]) - ROUNDING) * total {
                at[next] = value;
                next += 1;
            }
        }
        let [quantile_50, quantile_90, quantile_95, quantile_97_5, quantile_99, quantile_99_9] = at;
        let beyond = |quantile: f64, of: u16| {
            let mut beyond: Sum = Sum::default();
            let tail = values().rev().take_while(|(value, _)| *value > quantile);
            tail.for_each(|(value, weight)| beyond.add(weight * (value - quantile)));
            quantile + beyond.value() / (level(1000 - of) * total)
        };
        Some(Statistics {
            mean,
            standard_deviation: variance.sqrt(),
            least,
            quantile_50,
            quantile_90,
            quantile_95,
            quantile_99,
            quantile_99_9,
            largest,
            expected_shortfall_95: beyond(quantile_95, TAILS[0]),
            expected_shortfall_97_5: beyond(quantile_97_5, TAILS[1]),
            expected_shortfall_99: beyond(quantile_99, TAILS[2]),
            expected_shortfall_99_9: beyond(quantile_99_9, TAILS[3]),
        })
    }
}

fn level(thousandths: u16) -> f64 {
    f64::from(thousandths) / 1000.0
}
