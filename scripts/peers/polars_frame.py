"""A peer: a join and two group-bys in polars, lazily, on its streaming engine.

    python polars_frame.py SNAPSHOT OUT [KEY=VALUE ...]
"""

from clock import CLOCK  # first: its clock starts here

import sys

import polars as pl

import subset
from subset import GRID_NAMES, STRESS_NAMES

UNIT = ["account_id", "risk_unit"]


def plan(snapshot, market, rules):
    """The query."""
    instruments = pl.from_arrow(subset.instrument_table(market)).lazy()
    tiers = pl.from_arrow(subset.tier_table(market)).lazy()
    qty, col = pl.col("qty"), pl.col
    charge = pl.when(qty >= 0.0).then(qty * col("long")).otherwise(-qty * col("short"))
    by_expiry = (
        pl.scan_parquet(subset.positions(snapshot)).select("account_id", "inst_id", "qty")
        .join(instruments, on="inst_id")
        .group_by(*UNIT, "expiry")
        .agg(*[(qty * col(name)).sum().alias(name) for name in (*STRESS_NAMES, "cash")],
             charge.sum().alias("charge"), col("basis").first())
    )
    units = by_expiry.group_by(UNIT).agg(
        *[col(name).sum() for name in STRESS_NAMES], col("charge").sum(),
        col("term").abs().sum().alias("gross"), (col("cash").abs() * col("basis")).sum().alias("mr4"))
    loss = lambda pnl: pl.max_horizontal(-pnl, 0.0)
    mr7 = pl.sum_horizontal(
        col(f"rate{at}") * pl.max_horizontal(pl.min_horizontal("charge", f"upper{at}") - col(f"lower{at}"), 0.0)
        for at in range(market.units.tier_bounds.shape[1]))
    mr3 = rules["mr3"]["offset_charge"] * pl.max_horizontal(col("gross") - col("term").abs(), 0.0)
    mr5 = loss(pl.min_horizontal("rate_up", "rate_down"))
    return (
        units.join(tiers, on="risk_unit")
        .with_columns(mr1=loss(pl.min_horizontal(GRID_NAMES)),
                      mr6=rules["mr6"]["charge"] * loss(pl.min_horizontal("fall", "rise")))
        .with_columns(mmr=pl.max_horizontal(
            pl.max_horizontal("mr1", loss(col("decay")), "mr6") + mr3 + col("mr4") + mr5, mr7))
        .select(*UNIT, "mr1", "mr6", "mmr")
    )


def main(snapshot, out_dir, settings):
    """Builds the query and runs it in polars."""
    CLOCK.lap("imports")
    rules, market = subset.load(snapshot, settings)
    query = plan(snapshot, market, rules)
    CLOCK.lap("price")
    query.sink_parquet(subset.output(out_dir), compression="snappy", statistics=False)
    CLOCK.lap("query")
    CLOCK.report()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
