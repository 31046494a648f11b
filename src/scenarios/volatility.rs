//! How volatile a series was at each time, by exponentially weighted squares of its returns.
//!
//! ```text
//! r(i)      the return from one step of the grid to the next
//! v(0)    = mean of all r(i)^2
//! v(i)    = lambda v(i-1) + (1 - lambda) r(i)^2      where there is no return: v(i-1)
//! scale(s) = sqrt(v(now) / v(s))
//! ```
//!
//! A window that begins at `s` was as volatile as was known at `s`; times `scale(s)` its return is one of now. Means
//! are taken as zero, as in `RiskMetrics`.

use super::request::Returns;

/// `scale(s)` for each place of a series; `None` if it never moves, or moved so little that it says nothing.
pub(super) fn scales(values: &[Option<f64>], returns: Returns, now: f64, lambda: f64) -> Option<Vec<f64>> {
    let step = |pair: &[Option<f64>]| match pair {
        [Some(from), Some(to)] => Some(returns.of(*from, *to, now)),
        _ => None,
    };
    let squares: Vec<Option<f64>> = values.windows(2).map(|pair| step(pair).map(|value| value * value)).collect();
    let (count, sum) = squares.iter().flatten().fold((0u32, 0.0), |(count, sum), square| (count + 1, sum + square));
    if count == 0 {
        return None;
    }
    let mut variance = sum / f64::from(count);
    let mut variances = vec![variance];
    for square in squares {
        if let Some(square) = square {
            variance = lambda * variance + (1.0 - lambda) * square;
        }
        variances.push(variance);
    }
    let scale = |then: &f64| (variance / then).sqrt();
    let scales: Vec<f64> = variances.iter().map(scale).collect();
    scales.iter().all(|scale| scale.is_finite()).then_some(scales)
}
