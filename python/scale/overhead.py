"""Cost of the Python interface, compared with the command on the same book.

    python python/scale/overhead.py --command target/release/remargin --positions 10000000

`remargin.run` does what the command does, files and all: its ratio is the overhead of Python. `remargin.recalculate`
has its tables in memory and leaves its results there, so it shows the Arrow boundary without files. Both need release
builds. Rounds alternate, so that another program on the machine disturbs all of them; the median counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

import remargin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default="target/release/remargin")
    parser.add_argument("--positions", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        book = place / "book"
        accounts = str(args.positions // 10)
        subprocess.run(
            [args.command, "generate", "--accounts", accounts, "--seed", "1", "--out", str(book), "--quiet"], check=True
        )
        market = remargin.Market.open(book)
        tables = [pq.read_table(book / f"{name}.parquet") for name in ("positions", "balances", "accounts")]
        command, whole, in_memory = [], [], []
        for number in range(args.rounds):
            out = place / f"out{number}"
            subprocess.run([args.command, "run", str(book), "--out", str(out), "--quiet"], check=True)
            command.append(json.loads((out / "manifest.json").read_text())["timings_seconds"]["total"])
            start = time.perf_counter()
            remargin.run(book, place / f"python{number}")
            whole.append(time.perf_counter() - start)
            start = time.perf_counter()
            result = remargin.recalculate(tables[0], tables[1], market, accounts=tables[2])
            in_memory.append(time.perf_counter() - start)
        print(f"{tables[0].num_rows} positions, {len(result.accounts)} accounts, medians of {args.rounds} rounds")
        base = statistics.median(command)
        for what, times in (("remargin run", command), ("remargin.run", whole), ("remargin.recalculate", in_memory)):
            print(f"{statistics.median(times):8.2f} s  {statistics.median(times) / base:5.2f}  {what}")


if __name__ == "__main__":
    main()
