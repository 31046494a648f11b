"""A cluster of separate worker processes gives the rows of one machine, even if a worker is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

import remargin
from conftest import ROOT, Snapshot, cli, with_broken_rows

pyspark = pytest.importorskip("pyspark")
from pyspark.sql import SparkSession  # noqa: E402

from remargin import spark as on_spark  # noqa: E402

pytestmark = pytest.mark.spark

KEYS = {"accounts": ["account_id"], "risk_units": ["account_id", "risk_unit"], "rejects": ["table", "row"]}


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """A master and two workers, each a process of its own."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    session = (
        SparkSession.builder.master("local-cluster[2,1,900]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.executor.memory", "700m")
        .config("spark.driver.memory", "700m")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled", "true")
        .config("spark.sql.adaptive.coalescePartitions.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def buckets(snapshot: Snapshot) -> Path:
    out = snapshot.path.parent / "buckets"
    remargin.partition(snapshot.path, out, 6)
    return out


def arrow(frame: Any, keys: list[str]) -> pa.Table:
    return frame.toArrow().sort_by([(key, "ascending") for key in keys]).combine_chunks()


def assert_rows_of_run(
    result: on_spark.SparkResult, out: Path, names: tuple[str, ...] = ("accounts", "risk_units")
) -> None:
    for name in names:
        expected = pq.read_table(out / f"{name}.parquet").combine_chunks()
        found = arrow(getattr(result, name), KEYS[name]).select(expected.column_names)
        assert found.cast(expected.schema).equals(expected), name
        for column in expected.schema.names:
            if pa.types.is_float64(expected.schema.field(column).type):
                bits = [
                    pa.chunked_array(t[column]).combine_chunks().fill_null(0.0).view(pa.int64())
                    for t in (found, expected)
                ]
                assert bits[0].equals(bits[1]), f"{name}.{column}"


def frames(spark: SparkSession, snapshot: Snapshot) -> tuple[Any, ...]:
    return tuple(
        spark.read.parquet(str(snapshot.path / f"{name}.parquet")) for name in ("positions", "balances", "accounts")
    )


def test_the_bucket_of_an_account_is_what_spark_says(spark: SparkSession) -> None:
    ids = ["", "a", "100001", "0123456789abcdef0123456789abcdef-", "Zürich", *(f"acct-{n:08}" for n in range(50))]
    rows = (
        spark.createDataFrame([(name,) for name in ids], "id string")
        .selectExpr("id", "pmod(xxhash64(id), 97) b")
        .collect()
    )
    assert [(row.id, row.b) for row in rows] == [(name, remargin.bucket_of(name, 97)) for name in ids]


def test_frames_give_the_rows_of_one_machine(
    spark: SparkSession, snapshot: Snapshot, out: Path, tmp_path: Path
) -> None:
    positions, balances, accounts = frames(spark, snapshot)
    result = on_spark.recalculate(spark, positions, balances, snapshot.market, accounts=accounts, buckets=6)
    assert_rows_of_run(result, out)
    assert result.at_risk.count() == pq.read_table(out / "at_risk.parquet").num_rows
    assert result.buckets.count() == 6
    result.write(str(tmp_path / "written"))
    again = on_spark.SparkResult(
        *(spark.read.parquet(str(tmp_path / "written" / name)) for name in on_spark.TABLES), buckets=result.buckets
    )
    assert_rows_of_run(again, out)
    result.unpersist()


def test_buckets_give_the_rows_of_one_machine(
    spark: SparkSession, snapshot: Snapshot, buckets: Path, tmp_path: Path
) -> None:
    expected = snapshot.run("--set", "risk_unit=merged")
    rules = remargin.Rules(set={"risk_unit": "merged"})
    assert_rows_of_run(on_spark.recalculate_buckets(spark, buckets, rules), expected)
    written = on_spark.recalculate_buckets(spark, buckets, rules, out=tmp_path / "out")
    assert_rows_of_run(written, expected)
    assert len(list((tmp_path / "out" / "accounts").glob("bucket-*.parquet"))) == 6
    assert (tmp_path / "out" / "manifest.json").is_file()
    with pytest.raises(remargin.UsageError, match="exists already"):
        on_spark.recalculate_buckets(spark, buckets, rules, out=tmp_path / "out")
    with pytest.raises(remargin.InvalidInput, match="not the manifest of a partition"):
        on_spark.recalculate_buckets(spark, tmp_path)


def test_scenarios_are_one_more_dimension(spark: SparkSession, snapshot: Snapshot, buckets: Path) -> None:
    scenarios = ["fall: *=-30%", "btc: BTC=20%"]
    expected = remargin.recalculate(
        snapshot.positions, snapshot.balances, snapshot.market, accounts=snapshot.accounts, scenarios=scenarios
    ).accounts.to_pyarrow()
    keys = ["account_id", "scenario"]
    result = on_spark.recalculate_buckets(spark, buckets, scenarios=scenarios)
    found = arrow(result.accounts, keys).cast(expected.schema)
    assert found.equals(expected.sort_by([(key, "ascending") for key in keys]).combine_chunks())


def test_rejects_keep_the_numbers_of_their_rows(spark: SparkSession, snapshot: Snapshot, tmp_path: Path) -> None:
    broken = tmp_path / "snapshot"
    with_broken_rows(snapshot, broken)
    instruments = pq.read_table(broken / "instruments.parquet")
    nameless = instruments.slice(0, 1).set_column(0, "inst_id", pa.array([""], instruments.schema.field(0).type))
    instruments = pa.concat_tables([instruments, nameless.cast(instruments.schema)])
    pq.write_table(instruments, broken / "instruments.parquet")
    expected = Snapshot(broken).run("--max-rejects", "4")
    remargin.partition(broken, tmp_path / "buckets", 4)
    result = on_spark.recalculate_buckets(spark, tmp_path / "buckets")
    assert_rows_of_run(result, expected)
    key = [("table", "ascending"), ("row", "ascending")]
    rejects = pq.read_table(expected / "rejects.parquet").sort_by(key).combine_chunks()
    assert rejects.num_rows > 4
    assert arrow(result.rejects, KEYS["rejects"]).cast(rejects.schema).equals(rejects)


def test_an_account_that_is_not_whole_is_refused(spark: SparkSession, buckets: Path, tmp_path: Path) -> None:
    """Positions of another bucket: the account would be counted twice."""
    import shutil

    mixed = tmp_path / "buckets"
    shutil.copytree(buckets, mixed)
    shutil.copy(mixed / "bucket-00001" / "positions.parquet", mixed / "bucket-00002" / "positions.parquet")
    with pytest.raises(Exception, match="where it is not complete|no account has both positions and a balance"):
        on_spark.recalculate_buckets(spark, mixed)


def test_a_broken_table_fails_with_the_words_of_the_library(spark: SparkSession, snapshot: Snapshot) -> None:
    positions, balances, _ = frames(spark, snapshot)
    with pytest.raises(Exception, match="missing column"):
        on_spark.recalculate(spark, positions.drop("qty"), balances, snapshot.market, buckets=2)


def executors() -> list[int]:
    """The processes of the cluster's workers that compute."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 2) for line in listed.splitlines()[1:]]
    children = {int(pid): int(parent) for pid, parent, _ in lines}
    mine = os.getpid()

    def ours(pid: int) -> bool:
        while pid in children:
            pid = children[pid]
            if pid == mine:
                return True
        return False

    return [int(pid) for pid, _, args in lines if "CoarseGrainedExecutorBackend" in args and ours(int(pid))]


def test_a_killed_worker_changes_nothing(spark: SparkSession, snapshot: Snapshot, buckets: Path, out: Path) -> None:
    spark.range(0, 8, 1, 8).count()
    expected = set(executors())
    assert len(expected) == 2
    killed: list[int] = []

    def kill() -> None:
        time.sleep(0.4)
        victim = executors()[0]
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    thread = threading.Thread(target=kill)
    thread.start()
    scenarios = ["grid BTC=-40%..40%/10%,ETH=-40%..40%/10%"]
    result = on_spark.recalculate_buckets(spark, buckets, scenarios=scenarios)
    thread.join()
    assert killed and killed[0] in expected
    base = result.accounts.where("scenario = 'base'")
    units = result.risk_units.where("scenario = 'base'")
    assert_rows_of_run(on_spark.SparkResult(base, units, result.at_risk, result.rejects, result.buckets), out)
    assert result.accounts.count() == 82 * base.count()


def test_the_job_of_spark_submit(snapshot: Snapshot, buckets: Path, out: Path, tmp_path: Path) -> None:
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [submit, "--master", "local[2]", "--conf", "spark.ui.enabled=false", ROOT / "python" / "jobs" / "eod.py"]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [*map(str, command), str(buckets), "--out", str(tmp_path / "margins")],
        capture_output=True,
        text=True,
        timeout=180,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    expected = pq.read_table(out / "accounts.parquet")
    assert f"{expected.num_rows} accounts margined" in done.stdout
    found = pq.read_table(tmp_path / "margins" / "accounts").sort_by("account_id").combine_chunks()
    assert found.cast(expected.schema).equals(expected.combine_chunks())


def bits_of(table: pa.Table) -> pa.Table:
    """The table with its numbers as whole numbers, so that a negative zero is not taken for zero."""
    for place, field in enumerate(table.schema):
        if pa.types.is_float64(field.type):
            column = table[field.name].combine_chunks().fill_null(float("inf")).view(pa.int64())
            table = table.set_column(place, field.name, column)
    return table


def test_groups_have_the_bits_of_the_command(spark: SparkSession, snapshot: Snapshot, tmp_path: Path) -> None:
    """However the book is cut. There are so many scenarios that a run, too, adds up more than one piece."""
    desks = tmp_path / "desks"
    with_broken_rows(snapshot, desks)
    accounts = pq.read_table(desks / "accounts.parquet")
    rows = range(accounts.num_rows)
    # A column that is called like one of balances, and a fee of its own for some accounts.
    more = {
        "desk": pa.array([None if row % 7 == 2 else f"desk {row % 4}" for row in rows], pa.string()),
        "cash": pa.array([row % 3 for row in rows], pa.int64()),
        "fee_rate": pa.array([0.0042 if row % 5 == 0 else None for row in rows], pa.float64()),
    }
    for name, column in more.items():
        accounts = accounts.append_column(name, column)
    pq.write_table(accounts, desks / "accounts.parquet")
    moves = [round(-0.45 + 0.01 * step, 2) for step in range(91)]
    shocks = {"scenario": [f"move {move}" for move in moves], "base": ["*"] * len(moves), "price": moves}
    csv.write_csv(pa.table(shocks), tmp_path / "shocks.csv")
    by = ["desk", "desk,cash"]
    flags = ["--shocks", tmp_path / "shocks.csv", "--max-rejects", "3", "--by", by[0], "--by", by[1]]
    cli("run", desks, "--out", tmp_path / "out", "--quiet", *flags)
    keys = {
        "groups": ["by", "group", "scenario"],
        "group_units": ["by", "group", "scenario", "risk_unit"],
        "account_groups": ["account_id", "by"],
        "accounts": ["account_id", "scenario"],
    }

    def check(result: on_spark.SparkResult, what: str) -> None:
        for name, key in keys.items():
            order = [(column, "ascending") for column in key]
            expected = pq.read_table(tmp_path / "out" / f"{name}.parquet").sort_by(order).combine_chunks()
            found = arrow(getattr(result, name), key).select(expected.column_names).cast(expected.schema)
            assert bits_of(found).equals(bits_of(expected)), f"{what}: {name}"

    frame = {name: spark.read.parquet(str(desks / f"{name}.parquet")) for name in ("positions", "balances", "accounts")}
    tables = (frame["positions"], frame["balances"], snapshot.market)
    for buckets in (1, 5):
        result = on_spark.recalculate(
            spark, *tables, accounts=frame["accounts"], scenarios=shocks, by=by, buckets=buckets
        )
        check(result, f"{buckets} buckets of frames")
    result.write(str(tmp_path / "written"))
    assert spark.read.parquet(str(tmp_path / "written" / "groups")).count() == result.groups.count()
    result.unpersist()
    for buckets in (2, 7):
        cut = tmp_path / f"cut{buckets}"
        remargin.partition(desks, cut, buckets, by=by)
        check(on_spark.recalculate_buckets(spark, cut, scenarios=shocks, by=by), f"{buckets} buckets")
    written = on_spark.recalculate_buckets(spark, cut, scenarios=shocks, by=by, out=tmp_path / "margins")
    check(written, "written")
    assert (tmp_path / "margins" / "groups" / "groups.parquet").is_file()
    without = on_spark.recalculate_buckets(spark, cut)
    assert (without.groups, without.group_units, without.account_groups) == (None, None, None)


def test_groups_of_what_is_not_there_are_refused(spark: SparkSession, snapshot: Snapshot, buckets: Path) -> None:
    positions, balances, accounts = frames(spark, snapshot)
    with pytest.raises(remargin.InvalidInput, match="missing column `desk`"):
        on_spark.recalculate(spark, positions, balances, snapshot.market, accounts=accounts, by="desk")
    with pytest.raises(remargin.InvalidInput, match="no table `accounts`"):
        on_spark.recalculate(spark, positions, balances, snapshot.market, by="desk")
    with pytest.raises(remargin.UsageError, match="twice"):
        on_spark.recalculate_buckets(spark, buckets, by=["desk", "desk"])
    with pytest.raises(Exception, match="missing column"):
        on_spark.recalculate_buckets(spark, buckets, by="desk")


LIMITS = """
[[limit]]
name = "ratio"
rule = "{scope}.margin_ratio >= 1.5"
severity = "soft"
[[limit]]
name = "desk"
rule = "group.desk.mmr <= 10"
severity = "hard"
[[limit]]
name = "unit"
rule = "group.desk.unit.*.cash_delta >= 0"
severity = "info"
[[limit]]
name = "book"
rule = "{book} <= 0"
severity = "hard"
[[limit]]
name = "nobody"
rule = "group.desk.unit.NO-SUCH.mmr <= 1"
severity = "hard"
"""
#: What a breach is of.
BREACH = ["limit", "scenario", "by", "group", "account_id", "risk_unit"]


def with_desks(snapshot: Snapshot, path: Path) -> Path:
    """A snapshot with broken rows and a desk for most accounts."""
    with_broken_rows(snapshot, path)
    accounts = pq.read_table(path / "accounts.parquet")
    desks = [None if row % 7 == 2 else f"desk {row % 4}" for row in range(accounts.num_rows)]
    pq.write_table(accounts.append_column("desk", pa.array(desks, pa.string())), path / "accounts.parquet")
    return path


def weighted(steps: int) -> dict[str, Any]:
    moves = [round(-0.45 + 0.9 * step / steps, 4) for step in range(steps)]
    weights = [(step % 3) * 0.7 for step in range(steps)]
    names = [f"move {move}" for move in moves]
    return {"scenario": names, "base": ["*"] * steps, "price": moves, "weight": pa.array(weights, pa.float64())}


def assert_as_files(result: on_spark.SparkResult, out: Path, keys: dict[str, list[str]], what: str) -> None:
    for name, key in keys.items():
        order = [(column, "ascending") for column in key]
        expected = pq.read_table(out / f"{name}.parquet")
        plain = pa.schema([f.with_type(pa.string()) if pa.types.is_dictionary(f.type) else f for f in expected.schema])
        expected = expected.cast(plain).sort_by(order).combine_chunks()
        found = arrow(getattr(result, name), key).select(expected.column_names).cast(expected.schema)
        assert expected.num_rows > 0 and bits_of(found).equals(bits_of(expected)), f"{what}: {name}"


def test_a_stress_with_weights_and_limits_has_the_bits_of_the_command(
    spark: SparkSession, snapshot: Snapshot, tmp_path: Path
) -> None:
    desks = with_desks(snapshot, tmp_path / "desks")
    shocks = pa.table(weighted(60))
    csv.write_csv(shocks, tmp_path / "shocks.csv")
    limits = tmp_path / "limits.toml"
    limits.write_text(LIMITS.format(scope="worst", book="book.equity_loss_es95"))
    flags = ["--shocks", tmp_path / "shocks.csv", "--max-rejects", "3", "--limits", limits, "--no-report"]
    cli("stress", desks, "--out", tmp_path / "out", "--quiet", "--distribution", "accounts", *flags)
    keys = {
        "worst": ["account_id"],
        "accounts_distribution": ["account_id"],
        "scenarios": ["scenario"],
        "distribution": ["figure"],
        "tail": ["figure", "rank"],
        "groups": ["by", "group", "scenario"],
        "group_units": ["by", "group", "scenario", "risk_unit"],
        "breaches": BREACH,
    }
    read = {name: spark.read.parquet(str(desks / f"{name}.parquet")) for name in ("positions", "balances", "accounts")}
    with pytest.warns(UserWarning, match="limit `nobody` was compared with no figure"):
        result = on_spark.recalculate(
            spark,
            read["positions"],
            read["balances"],
            snapshot.market,
            accounts=read["accounts"],
            scenarios=shocks,
            distribution="accounts",
            limits=limits,
            buckets=5,
        )
    assert_as_files(result, tmp_path / "out", keys, "frames")
    remargin.partition(desks, tmp_path / "cut", 3, by="desk")
    with pytest.warns(UserWarning):
        written = on_spark.recalculate_buckets(
            spark, tmp_path / "cut", scenarios=shocks, distribution="accounts", limits=limits, out=tmp_path / "margins"
        )
    assert_as_files(written, tmp_path / "out", keys, "written")
    assert (tmp_path / "margins" / "distribution" / "distribution.parquet").is_file()
    each = {limit["name"]: limit for limit in written.limits or []}
    summary = remargin.Outputs(tmp_path / "out").summary["limits"]["each"]
    for expected in summary:
        names = ("checked", "breaches", "without_figure", "rule", "severity")
        assert {name: each[expected["name"]][name] for name in names} == {name: expected[name] for name in names}
    book = on_spark.recalculate_buckets(spark, tmp_path / "cut", scenarios=shocks, distribution="book")
    assert (book.accounts_distribution, book.groups, book.breaches, book.limits) == (None, None, None, None)
    assert book.distribution is not None and book.distribution.count() == 3


def test_limits_of_a_run_have_the_rows_of_the_command(
    spark: SparkSession, snapshot: Snapshot, tmp_path: Path
) -> None:
    desks = with_desks(snapshot, tmp_path / "desks")
    limits = tmp_path / "limits.toml"
    limits.write_text(LIMITS.format(scope="account", book="book.shortfall_imr"))
    cli("run", desks, "--out", tmp_path / "out", "--quiet", "--max-rejects", "3", "--limits", limits, "--no-report")
    remargin.partition(desks, tmp_path / "cut", 4, by="desk")
    with pytest.warns(UserWarning, match="nobody"):
        result = on_spark.recalculate_buckets(spark, tmp_path / "cut", limits=limits)
    assert_as_files(result, tmp_path / "out", {"breaches": BREACH, "groups": ["group"]}, "buckets")


def test_what_a_stress_does_not_have_is_refused(
    spark: SparkSession, snapshot: Snapshot, buckets: Path, tmp_path: Path
) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text(LIMITS.format(scope="worst", book="book.mmr"))
    with pytest.raises(remargin.UsageError, match="no scenario"):
        on_spark.recalculate_buckets(spark, buckets, distribution="book")
    with pytest.raises(remargin.UsageError, match="expected `accounts`, `book` or `none`"):
        on_spark.recalculate_buckets(spark, buckets, scenarios="days 1", distribution="desk")  # type: ignore[arg-type]
    with pytest.raises(remargin.UsageError, match="`remargin run` does not have"):
        on_spark.recalculate_buckets(spark, buckets, limits=limits)
