"""A peer: the same join and group-bys as one SQL statement in DuckDB.

    python duckdb_sql.py SNAPSHOT OUT [KEY=VALUE ...]
"""

from clock import CLOCK  # first: its clock starts here

import sys

import duckdb

import subset
from subset import GRID_NAMES, STRESS_NAMES


def statement(snapshot, out_dir, market, rules):
    """The query."""
    sums = ",\n".join(f"sum(qty * i.{name}) AS {name}" for name in STRESS_NAMES)
    again = ",\n".join(f"sum({name}) AS {name}" for name in STRESS_NAMES)
    tiers = range(market.units.tier_bounds.shape[1])
    mr7 = " + ".join(f"rate{at} * greatest(least(charge, upper{at}) - lower{at}, 0)" for at in tiers)
    return f"""
        COPY (
            WITH by_expiry AS (
                SELECT account_id, risk_unit, expiry, any_value(basis) AS basis, sum(qty * cash) AS cash,
                    sum(CASE WHEN qty >= 0 THEN qty * "long" ELSE -qty * "short" END) AS charge, {sums}
                FROM read_parquet('{subset.positions(snapshot)}') JOIN instruments i USING (inst_id)
                GROUP BY account_id, risk_unit, expiry
            ), units AS (
                SELECT account_id, risk_unit, sum(charge) AS charge, sum(abs(cash) * basis) AS mr4,
                    sum(abs(term)) AS gross, {again}
                FROM by_expiry GROUP BY account_id, risk_unit
            ), stressed AS (
                SELECT *, greatest(-least({", ".join(GRID_NAMES)}), 0) AS mr1,
                    {rules["mr6"]["charge"]} * greatest(-least(fall, rise), 0) AS mr6,
                    greatest(-decay, 0) AS mr2, greatest(-least(rate_up, rate_down), 0) AS mr5,
                    {rules["mr3"]["offset_charge"]} * greatest(gross - abs(term), 0) AS mr3, {mr7} AS mr7
                FROM units JOIN tiers USING (risk_unit)
            )
            SELECT account_id, risk_unit, mr1, mr6, greatest(greatest(mr1, mr2, mr6) + mr3 + mr4 + mr5, mr7) AS mmr
            FROM stressed
        ) TO '{subset.output(out_dir)}' (FORMAT parquet, COMPRESSION snappy)"""


def main(snapshot, out_dir, settings):
    """Builds the statement and runs it in DuckDB."""
    CLOCK.lap("imports")
    rules, market = subset.load(snapshot, settings)
    connection = duckdb.connect()
    # Rows in any order, allowed for all peers: keeping the order costs DuckDB memory.
    connection.execute("SET preserve_insertion_order = false")
    connection.register("instruments", subset.instrument_table(market))
    connection.register("tiers", subset.tier_table(market))
    CLOCK.lap("price")
    connection.execute(statement(snapshot, out_dir, market, rules))
    CLOCK.lap("query")
    CLOCK.report()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
