"""Margins: of a book in memory, of a snapshot in a folder, of one account, of operations."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, Literal, overload

from . import _remargin
from ._remargin import Market, Result, Rules
from ._types import Format, Path, Progress, TableLike, groupings, optional


def recalculate(
    positions: TableLike,
    balances: TableLike,
    market: Market,
    rules: Rules | None = None,
    accounts: TableLike | None = None,
    scenarios: TableLike | str | list[str] | None = None,
    *,
    orders: TableLike | None = None,
    by: str | Sequence[str | Sequence[str]] = (),
    allow_rules_date: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Margins every account of a book.

    The tables have the columns of a snapshot: ``positions`` has ``account_id, inst_id, qty, avg_px``; ``balances`` has
    ``account_id, ccy, cash`` and may have ``interest, spot_in_use_cap``; ``accounts`` has ``account_id, spot_offset``;
    ``orders`` (pending orders) has ``account_id, inst_id, side, qty, px``. Rows may be in any order; numbers may be
    doubles, integers, decimals or text. Broken rows are listed in ``rejects`` with a reason, and their whole accounts
    are excluded. A table is any Arrow table, a ``LazyFrame`` of polars, or columns by their names.

    ``scenarios`` is a table ``shocks`` (``scenario, base, price, vol, fx_ccy, fx, days``), or one or several of: a
    scenario as text (``"crash: *=-50%"``), a grid (``"grid BTC=-50%..50%/10%"``), a preset (``"crypto-historical"``,
    ``"history-1d"``). Each adds rows for every account; the scenario ``base``, without a move, always comes first.

    ``by`` puts accounts together by other columns of ``accounts``, its attributes: ``"desk"``,
    ``["desk", "desk,region"]`` or ``["desk", ("desk", "region")]``, each of which is one grouping. Then the result also
    has the tables ``groups``, ``group_units`` and ``account_groups``, with the bits of ``remargin run --by``.

    The interpreter lock is released while the library works on ``threads`` threads (all cores if not given). Ctrl-C
    ends the work.

    Raises ``InvalidInput`` if a table or a scenario cannot be used, a column of ``by`` is not there, or the market is
    older than the rules.
    """
    return _remargin.recalculate(
        positions,
        balances,
        market,
        rules,
        accounts,
        scenarios,
        orders=orders,
        by=groupings(by),
        allow_rules_date=allow_rules_date,
        threads=threads,
        progress=progress,
    )


def recalculate_snapshot(
    snapshot: Path,
    rules: Rules | None = None,
    scenarios: TableLike | str | list[str] | None = None,
    *,
    by: str | Sequence[str | Sequence[str]] = (),
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Like :func:`recalculate`, with the snapshot in a folder. The library reads it itself, not through Python.

    ``mark_check`` says how far prices may contradict each other before they are rejected as implausible: a share such
    as ``"50%"``, or ``"off"``. For :func:`recalculate` it is an argument of :class:`Market`.
    """
    return _remargin.recalculate_snapshot(
        os.fspath(snapshot),
        rules,
        scenarios,
        by=groupings(by),
        allow_rules_date=allow_rules_date,
        mark_check=mark_check,
        threads=threads,
        progress=progress,
    )


def run(
    snapshot: Path,
    out: Path,
    *,
    rules: Rules | None = None,
    shocks: Path | None = None,
    distance: Literal["all", "at-risk", "none"] = "none",
    by: str | Sequence[str | Sequence[str]] = (),
    net_by: str | Sequence[str] | None = None,
    limits: Path | None = None,
    previous: Path | None = None,
    history: Path | None = None,
    label: str | None = None,
    format: Format = "parquet",
    force: bool = False,
    max_rejects: int | str = 0,
    memory_limit: str | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    report: bool = True,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The end-of-day run: margins the snapshot in a folder and writes the folder ``out``, as ``remargin run`` does.

    Returns the content of ``summary.json``. ``max_rejects`` is a number of broken rows, or a share such as ``"0.1%"``;
    ``memory_limit`` is a size such as ``"512MiB"``; ``mark_check`` is how far prices may contradict each other,
    ``"off"`` or a share; ``by`` puts accounts together by columns of the table ``accounts``: ``"desk"``,
    ``["desk", "desk,region"]`` or ``["desk", ("desk", "region")]``, each of which is one grouping. Then
    ``Outputs(out)`` also has the tables ``groups``, ``group_units`` and ``account_groups``. ``net_by`` is one grouping
    whose groups are also margined as one account each: the table ``netting``. ``limits`` is a file of limits on
    figures: the table ``breaches`` has every figure beyond one, and ``limits`` in the summary says which are breached.
    ``previous`` is the folder of an earlier run: the summary and the page say what has changed since, and why.
    ``history`` is a Parquet file that gets a row for the book and one for each group. ``label`` is what you call the
    run. ``report`` tells whether ``report.html`` is written. ``out`` is published complete or not at all.

    Raises ``UsageError`` if ``out`` exists and ``force`` is not set, ``InvalidInput`` if the snapshot cannot be used,
    ``TooManyRejects`` if more rows are broken than allowed (all outputs are written).
    """
    return _remargin.run(
        os.fspath(snapshot),
        os.fspath(out),
        rules=rules,
        shocks=optional(shocks),
        distance=distance,
        by=groupings(by),
        net_by=None if net_by is None else groupings([net_by])[0],
        limits=optional(limits),
        previous=optional(previous),
        history=optional(history),
        label=label,
        format=format,
        force=force,
        max_rejects=str(max_rejects),
        memory_limit=memory_limit,
        allow_rules_date=allow_rules_date,
        mark_check=mark_check,
        report=report,
        threads=threads,
        progress=progress,
    )


def simulate(
    snapshot: Path,
    operations: list[dict[str, Any]],
    *,
    rules: Rules | None = None,
    allow_rules_date: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Checks orders, transfers and changes of hedging before they happen, as ``remargin simulate`` does.

    An operation has ``op_id, account_id, kind`` and, depending on its kind, ``inst_id, ccy, side, qty, px,
    spot_offset``. Consecutive operations of one ``group`` are applied together. Each is answered, in the same order,
    with ``verdict`` (``pass``, ``adjust``, ``reject``, or ``invalid`` with a ``reason``), ``max_qty``, the margins
    ``before`` and ``after``, the ``risk_units`` that change, and ``why``. For large numbers of operations use a table
    and the command: ``remargin simulate SNAPSHOT --ops FILE --out DIR``.

    Raises ``InvalidInput`` if the snapshot cannot be used.
    """
    lines = "".join(json.dumps(operation, default=str) + "\n" for operation in operations)
    answers: str = _remargin.simulate(
        os.fspath(snapshot),
        lines,
        rules=rules,
        allow_rules_date=allow_rules_date,
        threads=threads,
        progress=progress,
    )
    return [json.loads(line) for line in answers.splitlines()]


@overload
def explain(
    snapshot: Path,
    account: str,
    *,
    rules: Rules | None = None,
    format: Literal["json", "okx"] = "json",
    allow_rules_date: bool = False,
) -> dict[str, Any]: ...


@overload
def explain(
    snapshot: Path,
    account: str,
    *,
    rules: Rules | None = None,
    format: Literal["text"],
    allow_rules_date: bool = False,
) -> str: ...


def explain(
    snapshot: Path,
    account: str,
    *,
    rules: Rules | None = None,
    format: Literal["json", "okx", "text"] = "json",
    allow_rules_date: bool = False,
) -> dict[str, Any] | str:
    """Every step of one account's margin: as data, as data with the exchange's field names (``okx``), or as text.

    Raises ``InvalidInput`` if the snapshot has no such account or the account is unmargined.
    """
    explained: dict[str, Any] | str = _remargin.explain(
        os.fspath(snapshot), account, rules=rules, format=format, allow_rules_date=allow_rules_date
    )
    return explained


def partition(
    snapshot: Path,
    out: Path,
    buckets: int,
    *,
    by: str | Sequence[str | Sequence[str]] = (),
    force: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Partitions the snapshot in a folder into ``buckets`` snapshots of whole accounts, as ``remargin partition`` does.

    ``by`` names the columns of ``accounts`` that accounts will be grouped by: they go along into the buckets. Returns
    the content of ``out/manifest.json``: the layout with its version, and the files of each bucket.
    """
    return _remargin.partition(
        os.fspath(snapshot),
        os.fspath(out),
        buckets,
        by=groupings(by),
        force=force,
        threads=threads,
        progress=progress,
    )


def bucket_of(account_id: str, buckets: int) -> int:
    """The bucket of an account, equal to ``pmod(xxhash64(account_id), buckets)`` in Spark SQL."""
    return _remargin.bucket_of(account_id, buckets)
