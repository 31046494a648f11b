//! How figures are distributed over the scenarios of a stress: equal to numpy's on samples, and to a literal working
//! out on what was written of random books; weights, tails, funds, probabilities of liquidation.

use crate::common::e2e::{Row, files, generate, json, remargin, rows, succeeds};
use remargin::totals::weighted::{Sampler, Statistics, Weights};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const FIGURES: [&str; 3] = ["mmr", "equity_loss", "shortfall"];

/// Name and value of each statistic.
type Named = BTreeMap<&'static str, f64>;

fn named(of: &Statistics) -> Named {
    Statistics::COLUMNS.iter().map(|(name, _, get)| (*name, get(of))).collect()
}

/// The statistics once more, straight from their definitions.
fn literal(values: &[f64], weights: &[f64]) -> Named {
    let mut sample: Vec<(f64, f64)> = values.iter().copied().zip(weights.iter().copied()).collect();
    sample.retain(|(_, weight)| *weight > 0.0);
    sample.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = sample.iter().map(|(_, weight)| weight).sum();
    let mean = sample.iter().map(|(value, weight)| value * weight).sum::<f64>() / total;
    let variance = sample.iter().map(|(value, weight)| (value - mean).powi(2) * weight).sum::<f64>() / total;
    let quantile = |level: f64| {
        let mut cumulative = 0.0;
        let reaches = |(value, weight): &(f64, f64)| {
            cumulative += weight;
            (cumulative / total >= level - 1e-12).then_some(*value)
        };
        sample.iter().find_map(reaches).unwrap()
    };
    let tail = |share: f64| {
        let (mut left, mut sum) = (share * total, 0.0);
        for (value, weight) in sample.iter().rev() {
            let part = weight.min(left);
            sum += part * value;
            left -= part;
        }
        sum / (share * total)
    };
    BTreeMap::from([
        ("mean", mean),
        ("standard_deviation", variance.sqrt()),
        ("least", sample[0].0),
        ("quantile_50", quantile(0.5)),
        ("quantile_90", quantile(0.9)),
        ("quantile_95", quantile(0.95)),
        ("quantile_99", quantile(0.99)),
        ("quantile_99_9", quantile(0.999)),
        ("largest", sample[sample.len() - 1].0),
        ("expected_shortfall_95", tail(0.05)),
        ("expected_shortfall_97_5", tail(0.025)),
        ("expected_shortfall_99", tail(0.01)),
        ("expected_shortfall_99_9", tail(0.001)),
    ])
}

/// Values of the sample have the same bits, what is worked out of several agrees to 1e-11 of the largest.
fn assert_close(found: &Named, expected: &Named, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected["least"].abs().max(expected["largest"].abs());
    for (name, expected) in expected {
        let found = found[name];
        if name.starts_with("quantile") || ["least", "largest"].contains(name) {
            assert_eq!(found, *expected, "{what} {name}");
        } else {
            assert!((found - expected).abs() <= 1e-11 * scale, "{what} {name}: {found} {expected}");
        }
    }
}

/// Columns of a CSV file of the tests' data.
fn data(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/distribution").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn figures_are_numpys() {
    let mut samples: BTreeMap<String, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for row in data("samples.csv") {
        let (values, weights) = samples.entry(row[0].clone()).or_default();
        values.push(row[1].parse().unwrap());
        weights.push(row[2].parse().unwrap());
    }
    let expected = data("expected.csv");
    assert_eq!(samples.len(), 9);
    for (sample, (values, weights)) in &samples {
        let expected: Named = Statistics::COLUMNS
            .iter()
            .map(|(name, ..)| {
                let row = expected.iter().find(|row| row[0] == *sample && row[1] == *name);
                (*name, row.unwrap()[2].parse().unwrap())
            })
            .collect();
        let of = Weights::new(weights.clone()).unwrap();
        let found = Sampler::default().of(&of, |scenario| values[scenario]).unwrap();
        assert_close(&named(&found), &expected, sample);
        assert_close(&literal(values, weights), &expected, &format!("literal {sample}"));
    }
}

#[test]
fn equal_weights_of_any_size_are_no_weights() {
    let values: Vec<f64> = (0..3277).map(|place| f64::from(place * 7919 % 3277)).collect();
    let of = |weight: f64| {
        let weights = Weights::new(vec![weight; values.len()]).unwrap();
        let found = Sampler::default().of(&weights, |scenario| values[scenario]).unwrap();
        (found, weights.share_where(&values, |value| value <= 3200.0).unwrap())
    };
    let (expected, share) = of(1.0);
    assert_eq!(share, 3201.0 / 3277.0);
    for weight in [1.0 / 3277.0, 0.1, 3.0, 1e-200, 1e15] {
        let (found, of_some) = of(weight);
        assert_close(&named(&found), &named(&expected), &weight.to_string());
        assert!((of_some - share).abs() < 1e-15, "{weight}: {of_some} {share}");
    }
    assert!(Sampler::default().of(&Weights::new(vec![0.0]).unwrap(), |_| 1.0).is_none());
    for weights in [vec![-1.0], vec![f64::NAN], vec![f64::MAX, f64::MAX]] {
        assert!(Weights::new(weights.clone()).is_err(), "{weights:?}");
    }
}

/// Draws below one, by a seed.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24)
    }
}

/// A table of scenarios, heavy in the tails, with weights if wanted: one in six weighs nothing.
fn shocks(count: usize, seed: u64, weighted: bool) -> String {
    let mut draw = Draw(seed);
    let mut text = "scenario,base,price,vol,fx_ccy,fx,days,weight\n".to_owned();
    for scenario in 0..count {
        let common = (draw.next() - 0.5) * 0.3 / (0.05 + draw.next());
        let price = common.clamp(-0.9, 2.0);
        let weight = match scenario % 6 {
            _ if !weighted => String::new(),
            5 => "0".to_owned(),
            _ => draw.next().to_string(),
        };
        writeln!(text, "s{scenario},*,{price},{},,,,{weight}", (draw.next() - 0.4).max(-0.5)).unwrap();
        writeln!(text, "s{scenario},BTC,{},,,,,", (price * 0.8).max(-0.9)).unwrap();
    }
    text
}

fn figure(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column}: `{}`", row[column]))
}

fn statistics(row: &Row, prefix: &str) -> Named {
    Statistics::COLUMNS.iter().map(|(name, ..)| (*name, figure(row, &format!("{prefix}{name}")))).collect()
}

#[test]
fn what_is_written_of_random_books_is_distributed_as_it_says() {
    let place = tempfile::tempdir().unwrap();
    for (seed, weighted, set) in [(1, true, "risk_unit=merged"), (2, false, "rate=0.01"), (3, true, "rate=0")] {
        let dir = place.path().join(seed.to_string());
        generate(&dir, 70, 6.0, seed, "csv");
        fs::write(dir.join("shocks.csv"), shocks(41, seed, weighted)).unwrap();
        let stress = ["stress", "snapshot", "--out", "out", "--shocks", "shocks.csv", "--detail", "all", "--quiet"];
        let more = ["--distribution", "accounts", "--fund", "25_000", "--set", set, "--format", "parquet"];
        succeeds(&dir, &[&stress[..], &more[..]].concat());
        let read = |table: &str| rows(&dir.join("out").join(format!("{table}.parquet")));
        let scenarios = read("scenarios");
        assert_eq!((scenarios.len(), scenarios[0]["weight"].as_str()), (42, ""));
        let weights: Vec<f64> = scenarios[1..].iter().map(|row| figure(row, "weight")).collect();
        assert_eq!(weights.iter().filter(|weight| **weight == 0.0).count(), if weighted { 6 } else { 0 });
        let total: f64 = weights.iter().sum();

        let (accounts, worst) = (read("accounts"), read("worst"));
        let distributed = read("accounts_distribution");
        assert_eq!(distributed.len(), 70);
        let mut liquidated = 0;
        for (account, (found, worst)) in distributed.iter().zip(&worst).enumerate() {
            let own = &accounts[account * 42..(account + 1) * 42];
            let id = &found["account_id"];
            assert!(own.iter().all(|row| row["account_id"] == *id) && worst["account_id"] == *id);
            let column = |name: &str| own.iter().map(|row| figure(row, name)).collect::<Vec<f64>>();
            let (mmr, equity) = (column("mmr"), column("total_eq"));
            let loss: Vec<f64> = equity[1..].iter().map(|now| equity[0] - now).collect();
            let owed: Vec<f64> = equity[1..].iter().map(|now| (-now).max(0.0)).collect();
            for (name, values) in FIGURES.into_iter().zip([&mmr[1..], &loss, &owed]) {
                let expected = literal(values, &weights);
                assert_close(&statistics(found, &format!("{name}_")), &expected, &format!("{id} {name}"));
            }
            let in_liquidation = own[1..].iter().zip(&weights).filter(|(row, _)| row["status"] == "liquidation");
            let probability = in_liquidation.map(|(_, weight)| weight).sum::<f64>() / total;
            liquidated += usize::from(probability > 0.0 && probability < 1.0);
            for row in [found, worst] {
                let found = figure(row, "liquidation_probability");
                assert!((found - probability).abs() < 1e-12, "{id}: {found} {probability}");
            }
        }
        assert!(liquidated > 5, "{liquidated}");
        book_is_distributed(&dir, &scenarios, &weights);
        let verified = succeeds(&dir, &["verify", "out", "--sample", "20", "--quiet"]);
        assert_eq!(verified.code, Some(0));
    }
}

/// The tables `distribution` and `tail` and the summary, by the table `scenarios`.
fn book_is_distributed(dir: &Path, scenarios: &[Row], weights: &[f64]) {
    let read = |table: &str| rows(&dir.join("out").join(format!("{table}.parquet")));
    let summary = &json(&dir.join("out/summary.json"))["distribution"];
    let total: f64 = weights.iter().sum();
    let tail = read("tail");
    for (row, name) in read("distribution").iter().zip(FIGURES) {
        assert_eq!(row["figure"], name);
        let values: Vec<f64> = scenarios[1..].iter().map(|row| figure(row, name)).collect();
        assert_close(&statistics(row, ""), &literal(&values, weights), name);
        assert_eq!(figure(row, "base"), figure(&scenarios[0], name));
        let of_summary = &summary[name];
        assert_eq!(of_summary["base"].as_f64(), Some(figure(row, "base")));
        for (statistic, value) in statistics(row, "") {
            assert_eq!(of_summary[statistic].as_f64(), Some(value), "{name} {statistic}");
        }
        // The worst scenarios until they have 5 % of the weight.
        let mut order: Vec<usize> = (0..values.len()).filter(|&scenario| weights[scenario] > 0.0).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
        let of_figure: Vec<&Row> = tail.iter().filter(|row| row["figure"] == name).collect();
        let mut worse = 0.0;
        for (rank, (row, scenario)) in of_figure.iter().zip(order).enumerate() {
            assert!(worse / total < 0.05 + 1e-12);
            worse += weights[scenario];
            assert_eq!(
                (row["rank"].as_str(), row["scenario"].as_str()),
                (&*(rank + 1).to_string(), &*format!("s{scenario}"))
            );
            assert_eq!((figure(row, "amount"), figure(row, "weight")), (values[scenario], weights[scenario]));
            assert!((figure(row, "weight_share") - weights[scenario] / total).abs() < 1e-12);
            assert!((figure(row, "tail_share") - worse / total).abs() < 1e-12);
        }
        assert!(worse / total >= 0.05 - 1e-12 && !of_figure.is_empty());
    }
    let owed = scenarios[1..].iter().zip(weights).filter(|(row, _)| figure(row, "shortfall") <= 25_000.0);
    let sufficient = owed.map(|(_, weight)| weight).sum::<f64>() / total;
    assert!((summary["fund"]["sufficient"].as_f64().unwrap() - sufficient).abs() < 1e-12);
    assert_eq!(summary["scenarios"].as_u64(), Some(weights.iter().filter(|weight| **weight > 0.0).count() as u64));
    assert!((summary["weight"].as_f64().unwrap() - total).abs() < 1e-12 * total);
}

/// A scenario of weight 3 counts as three scenarios, one of weight 0 as none.
#[test]
fn weights_repeat_scenarios() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 60, 6.0, 4, "csv");
    let scenarios = [(-0.5, 1), (-0.2, 3), (-0.7, 0), (0.1, 2), (-0.35, 2), (0.4, 4)];
    let header = "scenario,base,price";
    let (mut weighted, mut repeated) = (format!("{header},weight\n"), format!("{header}\n"));
    for (name, (price, weight)) in scenarios.into_iter().enumerate() {
        writeln!(weighted, "w{name},*,{price},{weight}").unwrap();
        for copy in 0..weight {
            writeln!(repeated, "w{name}-{copy},*,{price}").unwrap();
        }
    }
    for (name, text) in [("weighted", weighted), ("repeated", repeated)] {
        fs::write(dir.join(format!("{name}.csv")), text).unwrap();
        let table = format!("{name}.csv");
        let stress = ["stress", "snapshot", "--out", name, "--shocks", &table, "--distance", "none", "--quiet"];
        succeeds(dir, &[&stress[..], &["--distribution", "accounts"]].concat());
    }
    let read = |name: &str, table: &str| rows(&dir.join(name).join(format!("{table}.parquet")));
    let (weighted, repeated) = (read("weighted", "distribution"), read("repeated", "distribution"));
    for (weighted, repeated) in weighted.iter().zip(&repeated) {
        assert_close(&statistics(weighted, ""), &statistics(repeated, ""), &weighted["figure"]);
    }
    let (weighted, repeated) = (read("weighted", "accounts_distribution"), read("repeated", "accounts_distribution"));
    for (weighted, repeated) in weighted.iter().zip(&repeated) {
        for name in FIGURES {
            let of = |row| statistics(row, &format!("{name}_"));
            assert_close(&of(weighted), &of(repeated), &weighted["account_id"]);
        }
    }
    let of = |rows: Vec<Row>| rows.into_iter().map(|row| row["liquidation_probability"].clone()).collect::<Vec<_>>();
    assert_eq!(of(read("weighted", "worst")), of(read("repeated", "worst")), "to the last bit");
}

/// One pass or several, with what is kept on disk: the same bytes.
#[test]
fn the_same_bytes_for_any_memory_and_threads() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 150, 6.0, 8, "parquet");
    fs::write(dir.join("shocks.csv"), shocks(150, 8, true)).unwrap();
    let mut expected: Option<BTreeMap<String, Vec<u8>>> = None;
    for (place, (threads, limit)) in [("1", "4GiB"), ("3", "4GiB"), ("1", "120MiB"), ("2", "150MiB")].iter().enumerate()
    {
        let out = format!("out{place}");
        let stress = ["stress", "snapshot", "--shocks", "shocks.csv", "--distribution", "accounts", "--out", &out];
        let more = ["--threads", threads, "--memory-limit", limit, "--distance", "none"];
        succeeds(dir, &[&stress[..], &more[..]].concat());
        let mut found = files(&dir.join(&out));
        found.remove("manifest.json").unwrap();
        assert!(found.keys().any(|name| name == "accounts_distribution.parquet"));
        let expected = expected.get_or_insert_with(|| found.clone());
        for (name, bytes) in &found {
            assert!(expected[name] == *bytes, "`{name}` differs with {threads} threads and {limit}");
        }
    }
}

#[test]
fn the_book_is_distributed_without_being_asked_and_accounts_are_not() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 50, 5.0, 2, "csv");
    fs::write(dir.join("shocks.csv"), "scenario,base,price,weight\na,*,-0.5,2\nb,*,-0.1,8\n").unwrap();
    let stress = ["stress", "snapshot", "--distance", "none", "--format", "csv", "--shocks", "shocks.csv", "--out"];
    let written = |out: &str| files(&dir.join(out)).into_keys().collect::<Vec<String>>();
    let has = |out: &str, table: &str| written(out).contains(&format!("{table}.csv"));

    let outcome = succeeds(dir, &[&stress[..], &["book", "--fund", "1_000_000_000"]].concat());
    for says in ["Over 2 scenarios", "A guarantee fund bears", "suffices in 100.0 % of the scenarios"] {
        assert!(outcome.stderr.contains(says), "{says}: {}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("no weight"), "{}", outcome.stderr);
    assert!(has("book", "distribution") && has("book", "tail") && !has("book", "accounts_distribution"));

    let outcome = succeeds(dir, &[&stress[..], &["mixed", "--scenario", "c: *=-20%"]].concat());
    assert!(outcome.stderr.contains("1 scenarios were given no weight"), "{}", outcome.stderr);
    let mixed = &json(&dir.join("mixed/summary.json"))["distribution"];
    assert_eq!((&mixed["scenarios"], &mixed["weight"]), (&Value::from(3), &Value::from(11.0)));
    assert_eq!((&mixed["without_weight"], &mixed["fund"]), (&Value::from(1), &Value::Null));

    succeeds(dir, &[&stress[..], &["none", "--distribution", "none"]].concat());
    assert!(!has("none", "distribution") && !has("none", "tail"));
    assert_eq!(json(&dir.join("none/summary.json"))["distribution"], Value::Null);
    for out in ["book", "mixed", "none"] {
        succeeds(dir, &["verify", out, "--quiet"]);
        succeeds(dir, &["replay", &format!("{out}/manifest.json"), "--quiet"]);
    }
    for fund in [&["--fund", "-1"][..], &["--fund", "much"], &["--fund", "5", "--distribution", "none"]] {
        assert_eq!(remargin(dir, &[&stress[..], &["refused"], fund].concat()).code, Some(2), "{fund:?}");
        assert!(!dir.join("refused").exists());
    }
    fs::write(dir.join("shocks.csv"), "scenario,base,price\nbase,,\n").unwrap();
    let outcome = succeeds(dir, &[&stress[..], &["nothing"]].concat());
    assert!(!outcome.stderr.contains("Over"), "{}", outcome.stderr);
    assert_eq!(json(&dir.join("nothing/summary.json"))["distribution"], Value::Null);
    succeeds(dir, &["verify", "nothing", "--quiet"]);
}

#[test]
fn weights_that_are_none_are_refused_with_their_place() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    generate(dir, 10, 4.0, 2, "csv");
    for (body, says) in [
        ("a,*,-0.1,-1\n", &["a weight that no scenario can have", "`weight`", "row 1", "-1"][..]),
        ("a,*,-0.1,1e16\n", &["a weight that no scenario can have", "row 1"]),
        ("a,*,-0.1,heavy\n", &["not a number", "`weight`", "heavy"]),
        ("a,*,-0.1,nan\n", &["`weight`", "row 1"]),
        ("a,*,-0.1,1\na,BTC,-0.1,2\n", &["`weight` contradicts", "row 2", "2"]),
        ("a,*,-0.1,1\nb,*,-0.1,\n", &["scenario `b` has no weight", "row 2"]),
        ("a,*,-0.1,0\nb,*,-0.1,0\n", &["the weights of all scenarios are zero", "`weight`"]),
        ("base,,,1\na,*,-0.1,1\n", &["the scenario `base` has a weight", "row 1"]),
    ] {
        fs::write(dir.join("shocks.csv"), format!("scenario,base,price,weight\n{body}")).unwrap();
        let outcome = remargin(dir, &["stress", "snapshot", "--out", "out", "--shocks", "shocks.csv"]);
        assert_eq!(outcome.code, Some(3), "{body}{}", outcome.stderr);
        for part in says.iter().chain(&["shocks.csv"]) {
            assert!(outcome.stderr.contains(part), "{body}`{part}` is missing in:\n{}", outcome.stderr);
        }
    }
    // Once is enough, in any of its rows; the base case weighs nothing.
    fs::write(dir.join("shocks.csv"), "scenario,base,price,weight\nbase,,,0\na,*,-0.1,\na,BTC,-0.2,3\n").unwrap();
    succeeds(dir, &["stress", "snapshot", "--out", "out", "--shocks", "shocks.csv", "--quiet"]);
    assert_eq!(rows(&dir.join("out/scenarios.parquet"))[1]["weight"], "3.0");
}
