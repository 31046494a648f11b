//! Scenarios drawn with the covariance of a history: by their moments, and the same on every machine.

use super::scenarios::{prices, root};
use crate::common::e2e::succeeds;
use std::fs;
use std::path::Path;

/// By numpy: the covariance of daily log returns of BTC, its volatility, ETH, its volatility and USDT.
fn covariance(name: &str) -> Vec<Vec<f64>> {
    let table = fs::read_to_string(root().join("tests/data/scenarios/covariance.csv")).unwrap();
    let lines = table.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(','));
    let lines: Vec<Vec<f64>> = lines.map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    assert_eq!(lines.len(), 5, "{name}");
    lines
}

/// The logarithmic returns of drawn scenarios, in the order of [`covariance`].
fn drawn(dir: &Path, flags: &[&str]) -> Vec<[f64; 5]> {
    let prices = prices();
    let args = ["scenarios", "montecarlo", &prices, "--seed", "11", "--count", "40000", "--proxy", "SOL=BTC:1.5"];
    succeeds(dir, &[&args[..], &["--out", "drawn.csv", "--force", "--quiet"], flags].concat());
    // As text: the rows are many.
    let text = fs::read_to_string(dir.join("drawn.csv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let scenario = |rows: &[Vec<&str>]| {
        let (btc, eth, sol, usdt) = (&rows[0], &rows[1], &rows[2], &rows[3]);
        assert_eq!((btc[1], eth[1], sol[1], usdt[4]), ("BTC", "ETH", "SOL", "USDT"));
        let log = |row: &[&str], column: usize| row[column].parse::<f64>().unwrap().ln_1p();
        assert!((log(sol, 2) - 1.5 * log(btc, 2)).abs() < 1e-12, "SOL follows BTC");
        assert_eq!((sol[3], sol[7]), (btc[3], "proxy BTC beta 1.5"));
        [log(btc, 2), log(btc, 3), log(eth, 2), log(eth, 3), log(usdt, 5)]
    };
    lines.chunks(4).map(scenario).collect()
}

fn check_moments(name: &str, drawn: &[[f64; 5]], expected: &[Vec<f64>], kurtosis: f64) {
    let count = drawn.len() as f64;
    let mean = |of: &dyn Fn(&[f64; 5]) -> f64| drawn.iter().map(of).sum::<f64>() / count;
    for row in 0..5 {
        let scale = expected[row][row].sqrt();
        // Five standard errors.
        assert!((mean(&|x| x[row]) / scale).abs() < 5.0 / count.sqrt(), "{name}: mean of {row}");
        for column in 0..5 {
            let scale = scale * expected[column][column].sqrt();
            let found = mean(&|x| x[row] * x[column]);
            assert!(((found - expected[row][column]) / scale).abs() < 0.05, "{name}: covariance of {row}, {column}");
        }
        let found = mean(&|x| x[row].powi(4)) / mean(&|x| x[row].powi(2)).powi(2);
        assert!((found - kurtosis).abs() < 0.2, "{name}: kurtosis of {row} is {found}, expected {kurtosis}");
    }
    // What of USDT is not explained by BTC's price: uncorrelated; its squares tell one common scale from many.
    let beta = expected[4][0] / expected[0][0];
    let own = |x: &[f64; 5]| x[4] - beta * x[0];
    let together = mean(&|x| x[0].powi(2) * own(x).powi(2)) / (mean(&|x| x[0].powi(2)) * mean(&|x| own(x).powi(2)));
    assert!((together - kurtosis / 3.0).abs() < 0.1, "{name}: squares together {together}");
}

#[test]
fn draws_have_the_moments_of_their_law() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, filtered) = (covariance("plain"), covariance("filtered"));
    let normal = drawn(dir.path(), &[]);
    assert_eq!(normal.len(), 40_000);
    check_moments("normal", &normal, &plain, 3.0);
    // Kurtosis of Student t: 3 + 6 / (df - 4).
    check_moments("t", &drawn(dir.path(), &["--df", "14"]), &plain, 3.6);
    check_moments("odd t", &drawn(dir.path(), &["--df", "13"]), &plain, 3.0 + 6.0 / 9.0);
    check_moments("filtered", &drawn(dir.path(), &["--filtered"]), &filtered, 3.0);
}

#[test]
fn draws_are_the_same_on_every_machine() {
    let dir = tempfile::tempdir().unwrap();
    let prices = prices();
    let draw = |name: &str, flags: &[&str]| {
        let args = ["scenarios", "montecarlo", &prices, "--proxy", "SOL=BTC", "--quiet", "--out", name];
        succeeds(dir.path(), &[&args, flags].concat());
        fs::read_to_string(dir.path().join(name)).unwrap()
    };
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    let normal = draw("normal.csv", &["--count", "500", "--seed", "3"]);
    assert_eq!(hash(&normal), "3fd381530744a1cc71a6b612bcc2d4eb777f7444c6a65ba93fe21a64b7fd4519");
    assert_eq!(
        hash(&draw("t.csv", &["--count", "500", "--seed", "3", "--df", "5", "--filtered"])),
        "9d9386abcf54d1071127bf8e1e1389a63b00e3ebd4993790809ba0b1ab3248e5"
    );
    assert_eq!(draw("one.csv", &["--count", "500", "--seed", "3", "--threads", "1"]), normal);
    assert_ne!(draw("other.csv", &["--count", "500", "--seed", "4"]), normal);
    let fewer = draw("fewer.csv", &["--count", "100", "--seed", "3"]);
    assert!(normal.starts_with(&fewer), "the first scenarios of a larger number are the same");
    let history = dir.path().join("history.csv");
    succeeds(
        dir.path(),
        &["scenarios", "history", &prices, "--proxy", "SOL=BTC", "--filtered", "--quiet", "--out", "history.csv"],
    );
    assert_eq!(
        hash(&fs::read_to_string(history).unwrap()),
        "46add495d971d826c85278fa35fc6ccdf0b99960013e62bde1e0015e89aa97e5"
    );
}
