//! The price moves that a search tries first.

/// The largest fall that is searched: -99 %.
pub const LOWEST_MOVE: f64 = -0.99;
/// The largest rise that is searched: +300 %.
pub const HIGHEST_MOVE: f64 = 3.0;

/// First step, in log price: 0.5 %.
const FIRST_STEP: f64 = 0.005;
/// Each step divided by the step before it.
const GROWTH: f64 = 1.08;
/// Largest step.
const LARGEST_STEP: f64 = 0.05;

/// Relative moves from near zero to `end` (> -1); the last one is `end`. In log price the first step is 0.005, each
/// step is 8 % longer than the last, and none is longer than 0.05.
///
/// ```
/// use remargin::distance::{LOWEST_MOVE, ladder};
/// let falls = ladder(LOWEST_MOVE);
/// assert!((falls[0] + 0.004_987_5).abs() < 1e-6);
/// assert!(falls.windows(2).all(|pair| pair[1] < pair[0]));
/// assert_eq!(falls.last(), Some(&LOWEST_MOVE));
/// ```
#[must_use]
pub fn ladder(end: f64) -> Vec<f64> {
    let length = end.ln_1p().abs();
    let mut rungs = Vec::new();
    let (mut at, mut step) = (FIRST_STEP, FIRST_STEP);
    while at + 0.5 * step < length {
        rungs.push(at.copysign(end).exp_m1());
        step = (step * GROWTH).min(LARGEST_STEP);
        at += step;
    }
    rungs.push(end);
    rungs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders_are_fine_near_zero_and_reach_their_end() {
        for (end, most) in [(LOWEST_MOVE, 130), (HIGHEST_MOVE, 60)] {
            let rungs = ladder(end);
            assert!(rungs.len() < most, "{}", rungs.len());
            let (mut before, mut most_step) = (0.0_f64, FIRST_STEP);
            for rung in rungs {
                let step = (rung.ln_1p() - before.ln_1p()).abs();
                assert!(rung.signum() == end.signum() && rung.abs() > before.abs(), "{rung}");
                // A remainder shorter than half a step is merged into the last step.
                assert!(step <= 1.5 * most_step + 1e-12, "{rung}: {step}");
                (before, most_step) = (rung, (most_step * GROWTH).min(LARGEST_STEP));
            }
            assert_eq!(before, end);
        }
        assert_eq!(ladder(-0.001), [-0.001]);
    }
}
