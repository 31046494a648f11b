"""The figures of tests/outputs/scenarios.rs by numpy, from the formulas of docs/how-to/scenarios.md alone.

    python expected.py          # writes its tables beside itself; needs numpy

prices.csv: 48 days. BTC and ETH have prices and volatilities, SOL has a price from the 11th day on, USDT has a price.
expected.csv: case, scenario, base, price, vol (of USDT: fx in the column price).
covariance.csv: the covariance matrix of daily log returns, plain and filtered.
"""

import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
DAYS = np.arange(np.datetime64("2025-01-01"), np.datetime64("2025-02-18"))
LAMBDA = 0.94


def history():
    rng = np.random.default_rng(20)
    n = len(DAYS)
    common = rng.standard_normal(n)
    # The second half moves less: filtered returns must differ from plain ones.
    scale = np.where(np.arange(n) < n // 2, 1.0, 0.4)
    walk = lambda own, weight: np.cumsum(scale * (weight * common + own * rng.standard_normal(n)))
    return {
        "BTC": (np.round(90_000 * np.exp(walk(0.01, 0.03)), 1), np.round(55 * np.exp(walk(0.04, -0.03)), 2)),
        "ETH": (np.round(3_000 * np.exp(walk(0.03, 0.04)), 2), np.round(70 * np.exp(walk(0.05, -0.03)), 2)),
        "SOL": (np.round(180 * np.exp(walk(0.04, 0.05)), 2), None),
        "USDT": (np.round(1 + 0.0004 * rng.standard_normal(n), 5), None),
    }


FIRST = {"BTC": 0, "ETH": 0, "SOL": 10, "USDT": 0}


def returns(kind, begin, end, now):
    return {"absolute": (end - begin) / now, "relative": end / begin - 1, "log": np.log(end / begin)}[kind]


def moves(kind, values):
    return np.expm1(values) if kind == "log" else values


def ends(steps, overlapping):
    last = len(DAYS) - 1
    return np.arange(steps, last + 1) if overlapping else np.arange(last, steps - 1, -steps)[::-1]


def scales(kind, series):
    """sqrt(v(now) / v(s)) for each day s."""
    squares = returns(kind, series[:-1], series[1:], series[-1]) ** 2
    variance = [squares.mean()]
    for square in squares:
        variance.append(LAMBDA * variance[-1] + (1 - LAMBDA) * square)
    return np.sqrt(variance[-1] / np.array(variance))


def of_series(kind, series, steps, at, filtered):
    values = returns(kind, series[at - steps], series[at], series[-1])
    return values * scales(kind, series)[at - steps] if filtered else values


def case(name, prices, kind, steps=1, overlapping=False, filtered=False, sol=None):
    at = ends(steps, overlapping)
    returned = {}
    for coin in ["BTC", "ETH", "USDT"]:
        price, vol = prices[coin]
        vols = None if vol is None else of_series(kind, vol, steps, at, filtered)
        returned[coin] = (of_series(kind, price, steps, at, filtered), vols)
    if sol is not None:
        own = at - steps >= FIRST["SOL"]
        price = prices["SOL"][0].copy()
        plain = of_series(kind, price, steps, at, False)[own]
        btc = of_series(kind, prices["BTC"][0], steps, at, False)[own]
        beta = np.cov(plain, btc)[0, 1] / np.var(btc, ddof=1) if sol == "estimated" else sol
        mine = plain
        if filtered:
            tail = price[FIRST["SOL"]:]
            mine = plain * scales(kind, tail)[at[own] - steps - FIRST["SOL"]]
        values = beta * returned["BTC"][0]
        values[own] = mine
        vol = returned["BTC"][1].copy()
        vol[own] = np.nan
        returned["SOL"] = (values, vol)
    for place, end in enumerate(at):
        for coin, (price, vol) in sorted(returned.items()):
            vol = "" if vol is None or np.isnan(vol[place]) else repr(float(moves(kind, vol[place])))
            yield f"{name},{DAYS[end]},{coin},{float(moves(kind, price[place]))!r},{vol}"


def main():
    prices = history()
    lines = ["time,base,price,vol"]
    for place, day in enumerate(DAYS):
        for coin, (price, vol) in prices.items():
            if place >= FIRST[coin]:
                lines.append(f"{day},{coin},{price[place]},{'' if vol is None else vol[place]}")
    (HERE / "prices.csv").write_text("\n".join(lines) + "\n")

    lines = ["case,scenario,base,price,vol"]
    lines += case("log", prices, "log", sol=1.5)
    lines += case("relative", prices, "relative", sol=1.5)
    lines += case("absolute", prices, "absolute", sol=1.5)
    lines += case("three days", prices, "relative", steps=3, sol=1.5)
    lines += case("overlapping", prices, "log", steps=3, overlapping=True, sol="estimated")
    lines += case("filtered", prices, "log", filtered=True, sol="estimated")
    lines += case("filtered overlapping", prices, "relative", steps=2, overlapping=True, filtered=True, sol=1.5)
    (HERE / "expected.csv").write_text("\n".join(lines) + "\n")

    # The covariance of daily log returns: BTC, its volatility, ETH, its volatility, USDT.
    columns = [series for coin in ["BTC", "ETH", "USDT"] for series in prices[coin] if series is not None]
    lines = []
    for name, filtered in [("plain", False), ("filtered", True)]:
        covariance = np.cov([of_series("log", series, 1, ends(1, False), filtered) for series in columns])
        lines += [",".join([name, *(repr(float(cell)) for cell in row)]) for row in covariance]
    (HERE / "covariance.csv").write_text("\n".join(lines) + "\n")


main()
