"""The figures of tests/outputs/distribution.rs by numpy, from the formulas of docs/explanation/model.md alone.

    python expected.py          # writes its tables beside itself; needs numpy 2

samples.csv: sample, value, weight, one row a scenario in order.
expected.csv: sample, statistic, value.
"""

import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
QUANTILES = {"quantile_50": 0.5, "quantile_90": 0.9, "quantile_95": 0.95, "quantile_99": 0.99, "quantile_99_9": 0.999}
TAILS = {"95": 0.05, "97_5": 0.025, "99": 0.01, "99_9": 0.001}


def samples():
    rng = np.random.default_rng(6)
    tailed = rng.standard_t(3, 1000) * 1e6
    weights = rng.random(1000)
    weights[rng.random(1000) < 0.2] = 0.0
    yield "round", rng.standard_normal(200) * 2e5 + 1e7, np.ones(200)
    yield "history", tailed, np.ones(1000)
    yield "weighted", tailed, weights
    yield "aged", tailed, 0.94 ** np.arange(999, -1, -1)
    yield "shortfall", np.maximum(0.0, tailed - 2e6), np.ones(1000)
    yield "tied", np.round(rng.standard_normal(500), 1), rng.integers(0, 4, 500).astype(float)
    yield "seven", np.array([3.0, -1.5, 8.25, 0.0, 8.25, 2.0, 1e9]), np.ones(7)
    yield "one", np.array([-12.5]), np.array([0.3])
    yield "constant", np.full(40, 123456.789), rng.random(40)


def expected_shortfall(values, weights, tail):
    """The mean of the largest values that have this share of the weight, the last of them in part."""
    order = np.argsort(-values, kind="stable")
    values, weights = values[order], weights[order]
    before = np.concatenate([[0.0], np.cumsum(weights)[:-1]])
    parts = np.clip(tail * weights.sum() - before, 0.0, weights)
    return np.average(values, weights=parts)


def statistics(values, weights):
    mean = np.average(values, weights=weights)
    yield "mean", mean
    yield "standard_deviation", np.sqrt(np.average((values - mean) ** 2, weights=weights))
    yield "least", values[weights > 0].min()
    for name, level in QUANTILES.items():
        yield name, np.quantile(values, level, weights=weights, method="inverted_cdf")
    yield "largest", values[weights > 0].max()
    for name, tail in TAILS.items():
        yield f"expected_shortfall_{name}", expected_shortfall(values, weights, tail)


def main():
    drawn, found = ["sample,value,weight"], ["sample,statistic,value"]
    for sample, values, weights in samples():
        drawn += [f"{sample},{float(value)!r},{float(weight)!r}" for value, weight in zip(values, weights)]
        found += [f"{sample},{name},{float(value)!r}" for name, value in statistics(values, weights)]
    (HERE / "samples.csv").write_text("\n".join(drawn) + "\n")
    (HERE / "expected.csv").write_text("\n".join(found) + "\n")


if __name__ == "__main__":
    main()
