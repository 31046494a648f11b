"""Price scenarios of the stress peer: a table of shocks, and a market moved by one of them.

    python shocks.py SNAPSHOT SHOCKS.csv SCENARIOS SEED      writes random ones for the coins of a snapshot

Follows docs/explanation/model.md, section 11. A table has the columns scenario, base, price, vol, fx_ccy, fx, days; one
row moves one coin (`*` is every coin without a row of its own), one stablecoin, or the time.
"""

import csv
import random
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from market import OPTION, option_values

COLUMNS = ("scenario", "base", "price", "vol", "fx_ccy", "fx", "days")
NEVER_BY_STAR = ("USD", "USDT", "USDC")


class Scenario(NamedTuple):
    """Moves relative to now: of coins and of their volatilities in USD, of stablecoins; and days that pass."""

    name: str
    price: dict
    vol: dict
    fx: dict
    days: float


BASE = Scenario("base", {}, {}, {}, 0.0)


def read_shocks(path):
    """Scenarios in the order in which the table names them first."""
    found = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            name = row["scenario"]
            now = found.setdefault(name, Scenario(name, {}, {}, {}, 0.0))
            if row["price"]:
                now.price[row["base"]] = float(row["price"])
            if row["vol"]:
                now.vol[row["base"]] = float(row["vol"])
            if row["fx"]:
                now.fx[row["fx_ccy"]] = float(row["fx"])
            if row["days"]:
                found[name] = now._replace(days=float(row["days"]))
    return list(found.values())


def write_random_shocks(path, coins, scenarios, seed):
    """Random moves of every coin, of the stablecoins and of the time: a market move and one of the coin alone."""
    chance = random.Random(seed)
    within = lambda move: round(min(max(move, -0.9), 2.0), 6)
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for at in range(scenarios):
            name = f"s{at + 1:04}"
            price, vol = chance.gauss(0.0, 0.12), chance.gauss(0.0, 0.25)
            days = chance.choice(("", "", 1, 3, 10))
            rows.writerow((name, "*", within(price), within(vol), "", "", days))
            for coin in coins:
                own = within(1.1 * price + chance.gauss(0.0, 0.08)), within(vol + chance.gauss(0.0, 0.1))
                rows.writerow((name, coin, *own, "", "", ""))
            for ccy in ("USDT", "USDC"):
                if chance.random() < 0.5:
                    rows.writerow((name, "", "", "", ccy, within(chance.gauss(0.0, 0.01)), ""))


def option_usd(quotes, rules, erfc):
    """Value of the options now, in USD per coin; zero for swaps and futures."""
    usd = np.zeros(len(quotes.kind))
    at = quotes.kind == OPTION
    usd[at] = option_values(quotes.only(at), rules, erfc) * quotes.phi[at]
    return usd


def moved(quotes, usd_now, scenario, rules, erfc):
    """The market after a scenario; `usd_now` is `option_usd` of the market as it is."""
    names = quotes.currency_names
    star_price, star_vol = scenario.price.get("*", 0.0), scenario.vol.get("*", 0.0)
    starless = lambda name: name in NEVER_BY_STAR
    by_star = lambda table, name, star: table.get(name, 0.0 if starless(name) else star)
    u = np.array([scenario.fx[name] if name in scenario.fx else by_star(scenario.price, name, star_price)
                  for name in names])
    vol = np.array([by_star(scenario.vol, name, star_vol) for name in names])
    ratio = (1.0 + u[quotes.base]) / (1.0 + u[quotes.quote])
    later = lambda years: np.maximum(years - scenario.days / 365.0, 0.0)
    new = quotes._replace(
        years=later(quotes.years), mark=quotes.mark * ratio, index=quotes.index * ratio,
        phi=quotes.phi * (1.0 + u[quotes.quote]), settle_fx=quotes.settle_fx * (1.0 + u[quotes.settle]),
        forward=quotes.forward * ratio, vol=quotes.vol * (1.0 + vol[quotes.base]),
        unit_spot=quotes.unit_spot * (1.0 + u[quotes.unit_base]), unit_years=later(quotes.unit_years),
        fx=quotes.fx * (1.0 + u))
    # The mark of an option moves by as many USD as its value by the formula.
    usd = quotes.mark * quotes.settle_fx + option_usd(new, rules, erfc) - usd_now
    marks = np.where(new.kind == OPTION, np.maximum(usd, 0.0) / new.settle_fx, new.mark)
    return new._replace(mark=marks)


if __name__ == "__main__":
    underlyings = pq.read_table(Path(sys.argv[1]) / "instruments.parquet", columns=["uly"])["uly"].to_pylist()
    bases = {name.split("-")[0] for name in underlyings}
    write_random_shocks(sys.argv[2], sorted(bases.difference(NEVER_BY_STAR)), *map(int, sys.argv[3:5]))
