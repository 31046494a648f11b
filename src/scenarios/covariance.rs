//! Means, covariances, and the triangular root of a covariance. Sums run in the order of the windows.

use crate::{Invalid, Result};

/// How small a variance may be, beside what it was before the variables ahead of it were taken out, to count as zero.
const ZERO_SHARE: f64 = 1e-12;

/// A square matrix, row by row.
pub(super) type Matrix = Vec<Vec<f64>>;

fn mean(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    values.sum::<f64>() / count as f64
}

/// The covariance of variables, `sum (x - mean x)(y - mean y) / (n - 1)`. Each row of `samples` is one window, all are
/// equally long, and there are two or more.
pub(super) fn covariance(samples: &[Vec<f64>]) -> Matrix {
    let count = samples.len();
    let variables = samples.first().map_or(0, Vec::len);
    let value = |sample: &[f64], variable: usize| sample.get(variable).copied().unwrap_or_default();
    let means: Vec<f64> =
        (0..variables).map(|variable| mean(samples.iter().map(|sample| value(sample, variable)), count)).collect();
    let about = |sample: &[f64], variable: usize| value(sample, variable) - value(&means, variable);
    let cell = |row: usize, column: usize| {
        let products = samples.iter().map(|sample| about(sample, row) * about(sample, column));
        products.sum::<f64>() / (count - 1) as f64
    };
    (0..variables).map(|row| (0..variables).map(|column| cell(row, column)).collect()).collect()
}

/// The slope of the first of each pair on the second; `None` if the second does not move.
pub(super) fn slope(pairs: &[(f64, f64)]) -> Option<f64> {
    let own = mean(pairs.iter().map(|pair| pair.0), pairs.len());
    let of = mean(pairs.iter().map(|pair| pair.1), pairs.len());
    let both: f64 = pairs.iter().map(|pair| (pair.0 - own) * (pair.1 - of)).sum();
    let square: f64 = pairs.iter().map(|pair| (pair.1 - of) * (pair.1 - of)).sum();
    Some(both / square).filter(|slope| slope.is_finite())
}

/// The lower triangle `L` of a covariance `C = L L'` (Cholesky): its rows, each as long as its number.
///
/// # Errors
/// [`crate::Error::Invalid`] naming the first variable that does not move, or moves exactly with those before it.
pub(super) fn root(covariance: &[Vec<f64>], names: &[String]) -> Result<Matrix> {
    let mut lower: Matrix = Vec::new();
    for (row, (cells, name)) in covariance.iter().zip(names).enumerate() {
        let mut line: Vec<f64> = Vec::with_capacity(row + 1);
        for (above, &cell) in lower.iter().zip(cells) {
            let done: f64 = line.iter().zip(above).map(|(left, right)| left * right).sum();
            let diagonal = above.last().copied().unwrap_or_default();
            line.push((cell - done) / diagonal);
        }
        let variance = cells.get(row).copied().unwrap_or_default();
        let left = variance - line.iter().map(|cell| cell * cell).sum::<f64>();
        if left.is_nan() || left <= ZERO_SHARE * variance {
            let problem = "the covariance of the returns is not positive definite";
            return Err(Invalid::new(problem)
                .value(format!("{name}: variance {variance}, {left} of it not explained by the variables before it"))
                .expected("returns that move, and none that is made of the others")
                .hint(format!("leave {name} out, and give it a proxy if it is a coin"))
                .into());
        }
        line.push(left.sqrt());
        lower.push(line);
    }
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covariances_and_slopes_by_hand() {
        let samples = [vec![1.0, 2.0], vec![2.0, 6.0], vec![3.0, 4.0]];
        assert_eq!(covariance(&samples), [[1.0, 1.0], [1.0, 4.0]]);
        assert_eq!(slope(&[(2.0, 1.0), (6.0, 2.0), (4.0, 3.0)]), Some(1.0));
        assert_eq!(slope(&[(1.0, 2.0), (2.0, 2.0)]), None);
    }

    #[test]
    fn roots_multiply_back_and_singular_ones_are_refused() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let sound = [vec![4.0, 2.0, -2.0], vec![2.0, 10.0, 2.0], vec![-2.0, 2.0, 11.0]];
        assert_eq!(root(&sound, &names).unwrap(), [vec![2.0], vec![1.0, 3.0], vec![-1.0, 1.0, 3.0]]);
        for (broken, name) in [
            ([vec![4.0, 2.0, 2.0], vec![2.0, 1.0, 1.0], vec![2.0, 1.0, 3.0]], "b: variance 1"),
            ([vec![0.0, 0.0, 0.0], vec![0.0, 1.0, 0.0], vec![0.0, 0.0, 1.0]], "a: variance 0"),
            ([vec![1.0, 0.0, 2.0], vec![0.0, 1.0, 0.0], vec![2.0, 0.0, 1.0]], "c: variance 1"),
            ([vec![f64::NAN; 3], vec![0.0; 3], vec![0.0; 3]], "a: variance NaN"),
        ] {
            let error = root(&broken, &names).unwrap_err();
            assert!(error.exit_code() == 3 && error.to_string().contains(name), "{name}: {error}");
        }
    }
}
