#!/usr/bin/env python3
"""Condenses saved answers of OKX's `GET /api/v5/public/instruments` into data/instruments/okx-DATE.csv.

    scripts/condense_instruments.py 2026-04-27 SWAP.json FUTURES.json OPTION.json > data/instruments/okx-2026-04-27.csv

Every number is written as the exchange sent it. `uly` is the exchange's own field, not derived from the id:
`BTC-USD_UM-SWAP` and `BTC-USD-SWAP` both have the underlying `BTC-USD`.
"""
import datetime
import json
import sys

COLUMNS = [
    ("inst_id", "instId"), ("inst_type", "instType"), ("uly", "uly"), ("settle_ccy", "settleCcy"),
    ("ct_type", "ctType"), ("ct_val", "ctVal"), ("ct_mult", "ctMult"), ("expiry", "expTime"),
    ("strike", "stk"), ("opt_type", "optType"), ("lot_sz", "lotSz"), ("tick_sz", "tickSz"), ("category", "instCategory"),
]


def cell(row, key):
    value = row[key]
    if key == "expTime" and value:
        moment = datetime.datetime.fromtimestamp(int(value) / 1000, datetime.timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def main():
    date, files = sys.argv[1], sys.argv[2:]
    rows = [row for name in files for row in json.load(open(name))["data"]]
    order = {"SWAP": 0, "FUTURES": 1, "OPTION": 2}
    rows.sort(key=lambda r: (order[r["instType"]], r["uly"], int(r["expTime"] or 0), r["instId"]))
    print(f"# Contract specifications of OKX, live instruments on {date}: {len(rows)} swaps, futures and options.")
    print("# Source: the exchange's public endpoint GET /api/v5/public/instruments, as recorded in burakoner/OKX.Api")
    print("# (MIT), commit 5e500582; condensed by scripts/condense_instruments.py. lot_sz is in contracts, tick_sz in")
    print("# price units, category is the exchange's instCategory (1 crypto, 3 equities and tests, 4 commodities).")
    print(",".join(name for name, _ in COLUMNS))
    for row in rows:
        cells = [cell(row, key) for _, key in COLUMNS]
        assert not any("," in c or '"' in c for c in cells), row
        print(",".join(cells))


if __name__ == "__main__":
    main()
