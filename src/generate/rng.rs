//! Random numbers that are the same on every machine: `ChaCha8` words, and distributions that use only integer
//! arithmetic, correctly rounded operations and `libm`.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// Stream of the market. Account `i` uses stream `i`.
pub(super) const MARKET_STREAM: u64 = u64::MAX;

/// One stream of random numbers, identified by seed and stream number.
pub(crate) struct Rng(ChaCha8Rng);

impl Rng {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Uniform in the open interval (0, 1): the midpoints of 2^52 equal cells.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
    }

    /// Uniform in (low, high).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Uniform in `0..n`; `n > 0`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n - 1)
    }

    /// Exponential with mean 1, by inverse transform.
    pub(crate) fn exponential(&mut self) -> f64 {
        -libm::log(self.uniform())
    }

    /// Standard normal: radius by inverse transform, angle uniform.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(2.0 * self.exponential());
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// `median x exp(sigma x normal)`, sigma >= 0.
    pub(super) fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// A whole number with mean `mean`: its integer part, or one more with the probability of the fractional part.
    pub(super) fn whole(&mut self, mean: f64) -> usize {
        let floor = mean.max(0.0).floor();
        floor as usize + usize::from(self.chance(mean - floor))
    }
}

/// Draws indices with given weights.
pub(super) struct Weighted {
    cumulative: Vec<f64>,
}

impl Weighted {
    pub(super) fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let cumulative = weights.into_iter().map(|weight| (sum += weight, sum).1).collect();
        Self { cumulative }
    }

    /// An index whose weight is positive; 0 if there is none.
    pub(super) fn pick(&self, rng: &mut Rng) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let target = rng.uniform() * total;
        self.cumulative.partition_point(|&sum| sum <= target).min(self.cumulative.len().saturating_sub(1))
    }
}

/// A number rounded to `decimals` decimals: the double nearest to that decimal. It prints short and reads back the same
/// from CSV and Parquet.
pub(super) fn round_to(x: f64, decimals: u32) -> f64 {
    let scale = POWERS_OF_TEN[(decimals as usize).min(POWERS_OF_TEN.len() - 1)];
    let scaled = (x * scale).round();
    // Above 2^53 a double has no such decimals.
    if scaled.abs() < 9_007_199_254_740_992.0 { scaled / scale + 0.0 } else { x }
}

/// Exact powers of ten: division by them is correctly rounded.
pub(super) const POWERS_OF_TEN: [f64; 16] =
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_fixed_and_apart() {
        let first: Vec<u64> = (0..3).map(|_| Rng::new(1, 7).0.next_u64()).collect();
        assert!(first.iter().all(|&word| word == first[0]), "a stream starts the same every time");
        assert_ne!(Rng::new(1, 7).0.next_u64(), Rng::new(1, 8).0.next_u64());
        assert_ne!(Rng::new(1, 7).0.next_u64(), Rng::new(2, 7).0.next_u64());
    }

    #[test]
    fn moments() {
        let mut rng = Rng::new(3, 0);
        let n = 40_000;
        let (mut normal, mut square, mut exponential, mut whole) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..n {
            let z = rng.normal();
            normal += z;
            square += z * z;
            exponential += rng.exponential();
            whole += rng.whole(2.3) as f64;
        }
        let n = f64::from(n);
        for (moment, expected) in [(normal / n, 0.0), (square / n, 1.0), (exponential / n, 1.0), (whole / n, 2.3)] {
            assert!((moment - expected).abs() < 0.03, "{moment} is not near {expected}");
        }
    }

    #[test]
    fn weights_are_respected() {
        let weighted = Weighted::new([0.0, 3.0, 0.0, 1.0]);
        let mut rng = Rng::new(5, 0);
        let mut hits = [0u32; 4];
        for _ in 0..4_000 {
            hits[weighted.pick(&mut rng)] += 1;
        }
        assert_eq!((hits[0], hits[2]), (0, 0));
        assert!((2_850..3_150).contains(&hits[1]), "{hits:?}");
    }

    #[test]
    fn rounding_prints_short() {
        for (x, decimals, expected) in [
            (77_812.349_99, 1, "77812.3"),
            (0.000_012_345_678, 9, "0.000012346"),
            (-0.001, 2, "0"),
            (1e300, 2, "1e300"),
        ] {
            let rounded = round_to(x, decimals);
            let text = if rounded.abs() > 1e20 { format!("{rounded:e}") } else { rounded.to_string() };
            assert_eq!(text, expected);
        }
    }
}
