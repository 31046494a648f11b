"""A book on a standalone Spark cluster of two worker processes on this machine, compared with one process.

    python python/scale/cluster.py --command target/release/remargin --positions 1000000

Generates the book, runs it with the command, cuts it into buckets, starts a master and two workers on loopback, margins
the buckets and the DataFrames, kills a worker in the middle of a run, and compares every column of accounts and risk
units with the files of the command, bit by bit. Prints seconds; ends every process that it started.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
from pyspark.sql import SparkSession

import remargin
from remargin import spark as on_spark

SPARK = Path(pyspark.__file__).parent
KEYS = {"accounts": ["account_id"], "risk_units": ["account_id", "risk_unit"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(cores: int, memory: str) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A master and two workers; each worker leads a process group, so that it can be killed with its executors."""
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    environment = {**os.environ, "SPARK_HOME": str(SPARK)}
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str) -> None:
        command = [str(SPARK / "bin" / "spark-class"), *args]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(command, env=environment, start_new_session=True, **quiet))

    try:
        with tempfile.TemporaryDirectory() as scratch:
            start(
                "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"
            )
            for worker in range(2):
                place = ["--work-dir", f"{scratch}/{worker}", "--webui-port", "0", "--host", "127.0.0.1"]
                size = ["--cores", str(cores), "--memory", memory]
                start("org.apache.spark.deploy.worker.Worker", *size, *place, url)
            yield url, started[1:]
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def seconds(what: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    done = work()
    print(f"{time.perf_counter() - start:8.1f} s  {what}", flush=True)
    return done


def bits(table: pa.Table) -> pa.Table:
    """Doubles as their bits, so that -0 and 0 differ."""
    for place, field in enumerate(table.schema):
        if pa.types.is_float64(field.type):
            table = table.set_column(place, field.name, table[field.name].combine_chunks().view(pa.int64()))
    return table


def compare(what: str, read: Callable[[str], pa.Table], out: Path) -> None:
    for name, keys in KEYS.items():
        expected = pq.read_table(out / f"{name}.parquet")
        found = read(name).select(expected.column_names).cast(expected.schema)
        found = found.sort_by([(key, "ascending") for key in keys])
        if not bits(found.combine_chunks()).equals(bits(expected.combine_chunks())):
            sys.exit(f"{what}: `{name}` differs from the run of one machine")
        print(f"            {what}: {expected.num_rows} rows of `{name}`, every bit that of one machine", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default="target/release/remargin")
    parser.add_argument("--positions", type=int, default=1_000_000)
    parser.add_argument("--buckets", type=int, default=16)
    parser.add_argument("--memory", default="2g", help="of each worker and of its executor")
    args = parser.parse_args()
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    # If the script is terminated, stop the cluster too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        book, out, cut = place / "book", place / "out", place / "buckets"

        def command(*words: object) -> None:
            subprocess.run([args.command, *map(str, words), "--quiet"], check=True, timeout=1800)

        command("generate", "--accounts", args.positions // 10, "--seed", 1, "--out", book)
        positions = pq.read_metadata(book / "positions.parquet").num_rows
        print(f"{positions} positions, {args.buckets} buckets")
        seconds("one machine: remargin run", lambda: command("run", book, "--out", out))
        seconds("remargin partition", lambda: command("partition", book, "--buckets", args.buckets, "--out", cut))

        with cluster(1, args.memory) as (url, workers):
            builder = SparkSession.builder.master(url).appName("remargin").config("spark.ui.enabled", "false")
            builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.memory", "2g")
            builder = builder.config("spark.executor.memory", args.memory).config(
                "spark.sql.shuffle.partitions", args.buckets
            )
            builder = builder.config("spark.sql.adaptive.coalescePartitions.enabled", "false")
            builder = builder.config("spark.ui.showConsoleProgress", "false")
            spark = seconds("Spark is there", builder.getOrCreate)
            spark.sparkContext.setLogLevel("OFF")
            seconds("first task on each worker", lambda: spark.range(0, 8, 1, 8).count())

            def of(result: on_spark.SparkResult) -> Callable[[str], pa.Table]:
                return lambda name: getattr(result, name).toArrow()

            written = seconds(
                "buckets, tasks write Parquet", lambda: on_spark.recalculate_buckets(spark, cut, out=place / "written")
            )
            compare("buckets", of(written), out)

            def frames() -> on_spark.SparkResult:
                read = [
                    spark.read.parquet(str(book / f"{name}.parquet")) for name in ("positions", "balances", "accounts")
                ]
                market = remargin.Market.open(book)
                result = on_spark.recalculate(spark, read[0], read[1], market, accounts=read[2], buckets=args.buckets)
                result.write(str(place / "frames"))
                return result

            result = seconds("DataFrames, Spark writes Parquet", frames)
            compare("DataFrames", of(result), out)
            result.unpersist()

            def kill() -> None:
                time.sleep(1.0)
                victims.extend(children(workers[0].pid))
                os.killpg(workers[0].pid, signal.SIGKILL)

            victims: list[int] = []
            assassin = threading.Thread(target=kill)
            assassin.start()
            again = seconds(
                "buckets, a worker killed after a second",
                lambda: on_spark.recalculate_buckets(spark, cut, out=place / "killed"),
            )
            assassin.join()
            print(f"            killed worker {workers[0].pid} with its processes {victims}")
            compare("one worker killed", of(again), out)
            spark.stop()


def children(parent: int) -> list[int]:
    """All descendants of a process."""
    found, level = [], [parent]
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
    while level:
        level = [pid for pid, above in parents.items() if above in level]
        found += level
    return found


if __name__ == "__main__":
    main()
