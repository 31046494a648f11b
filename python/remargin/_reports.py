"""Stress, comparison, distances: the reports of the command, as outputs and tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from . import _remargin
from ._outputs import Folder, Outputs
from ._remargin import Rules, Table
from ._types import Format, Path, Progress, TableLike, groupings, optional
from .errors import TooManyRejects, UsageError


def _finish(folder: Folder, too_many_rejects: int | None) -> Outputs:
    outputs = folder.outputs()
    if too_many_rejects is not None:
        message = (
            f"{too_many_rejects} rows are broken, more than `max_rejects` allows; "
            "table `rejects` of its `outputs` lists them"
        )
        raise TooManyRejects(message, outputs)
    return outputs


def stress(
    snapshot: Path,
    out: Path | None = None,
    *,
    scenarios: TableLike | str | list[str] | None = None,
    shocks: Path | None = None,
    rules: Rules | None = None,
    detail: Literal["all", "at-risk", "none"] = "at-risk",
    distribution: Literal["accounts", "book", "none"] = "book",
    fund_usd: float | None = None,
    distance: Literal["all", "at-risk", "none"] = "at-risk",
    by: str | Sequence[str | Sequence[str]] = (),
    limits: Path | None = None,
    label: str | None = None,
    format: Format = "parquet",
    force: bool = False,
    max_rejects: int | str = 0,
    memory_limit: str | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    report: bool | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Outputs:
    """Applies price scenarios to every account of a snapshot, as ``remargin stress`` does.

    ``scenarios`` is one or several of: a scenario as text (``"crash: *=-50%"``), a grid (``"grid BTC=-50%..50%/10%"``),
    a preset (``"crypto-historical"``, ``"history-1d"``); or a table (``scenario, base, price, vol, fx_ccy, fx, days,
    weight``), whose scenarios are noted in the manifest. ``shocks`` is the file of such a table. Without both the
    snapshot's own table ``shocks`` is taken. The scenario ``base``, without a move, always comes first.

    The outputs have the tables ``scenarios`` (one row a scenario), ``migration``, ``largest``, ``hedges``, ``worst``
    (one row an account), ``distribution``, ``tail``, ``at_risk``, ``rejects``, and what ``detail``, ``distribution``
    and ``distance`` ask for. Their bytes are those of the command. ``out`` is the folder to write, published complete
    or not at all; without it the folder is temporary and goes with the outputs. ``report`` tells whether
    ``report.html`` is written: if not said, where there is an ``out``. ``fund_usd``: in which share of the scenarios a
    guarantee fund of that size suffices. ``by`` puts accounts together as in ``run``: the tables ``groups``,
    ``group_units`` and ``account_groups`` have every group in every scenario. ``limits`` is a file of limits, as in
    ``run``. ``label`` is what you call the stress.

    Raises ``UsageError`` if there is no scenario or ``out`` exists and ``force`` is not set, ``InvalidInput`` if the
    snapshot or a scenario cannot be used, ``TooManyRejects`` if more rows are broken than allowed; its ``outputs`` are
    complete all the same.
    """
    folder = Folder(out)
    too_many_rejects = _remargin.stress(
        os.fspath(snapshot),
        folder.path,
        rules=rules,
        scenarios=scenarios,
        shocks=optional(shocks),
        detail=detail,
        distribution=distribution,
        fund_usd=fund_usd,
        distance=distance,
        by=groupings(by),
        limits=optional(limits),
        label=label,
        format=format,
        force=force,
        max_rejects=str(max_rejects),
        memory_limit=memory_limit,
        allow_rules_date=allow_rules_date,
        mark_check=mark_check,
        report=out is not None if report is None else report,
        threads=threads,
        progress=progress,
    )
    return _finish(folder, too_many_rejects)


def distances(
    snapshot: Path,
    accounts: Literal["all", "at-risk"] | Sequence[str] = "at-risk",
    *,
    rules: Rules | None = None,
    max_rejects: int | str = 0,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Table:
    """How far prices must move until accounts are liquidated, as ``remargin run --distance`` writes it.

    ``accounts`` are all, those at risk in the market as it is, or those of the given ids. The table has one row for
    each account and coin, ``*`` (all coins together) first: the nearest fall and rise that bring the margin ratio to 1,
    as a ratio of the price now and as a price in USD. An account that is in liquidation already has the moves that
    bring it out. The book is held in memory.

    Raises ``InvalidInput`` if the snapshot cannot be used, or an account is not in it or is unmargined;
    ``TooManyRejects`` if more rows are broken than allowed.
    """
    return _remargin.distances(
        os.fspath(snapshot),
        accounts if isinstance(accounts, str) else list(accounts),
        rules=rules,
        max_rejects=str(max_rejects),
        allow_rules_date=allow_rules_date,
        mark_check=mark_check,
        threads=threads,
        progress=progress,
    )


#: One side of a comparison of rules: a set, or changes to the rules of the snapshot; among these ``spot_offset`` is the
#: spot hedging mode that all accounts are taken to have.
Side = Rules | Mapping[str, Any]


def _side(given: Side | None, snapshot: Path) -> tuple[Rules, str | None]:
    if isinstance(given, Rules):
        return given, None
    changes = dict(given or {})
    spot_offset = changes.pop("spot_offset", None)
    rules = Rules.of_snapshot(snapshot)
    return (rules.set(changes) if changes else rules), spot_offset


def compare(
    first: Path,
    second: Path | None = None,
    *,
    a: Side | None = None,
    b: Side | None = None,
    snapshot_a: Path | None = None,
    snapshot_b: Path | None = None,
    plain: bool = False,
    out: Path | None = None,
    format: Format = "parquet",
    force: bool = False,
    max_rejects: int | str = 0,
    memory_limit: str | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Outputs:
    """Compares two rule sets on one snapshot, or two finished runs, as ``remargin compare`` does.

    Two rule sets: ``first`` is the folder of a snapshot, ``a`` and ``b`` are :class:`Rules`, or changes to the rules of
    the snapshot, such as ``b={"risk_unit": "merged"}``. Among the changes ``spot_offset`` (``usdt``, ``usdc``,
    ``coin``, ``none``) is the spot hedging mode that every account is then taken to have.

    Two finished runs: ``first`` and ``second`` are their folders. The change of each account's MMR is attributed to
    positions, prices, volatilities, time and parameters. If a snapshot is not there any more (``snapshot_a`` and
    ``snapshot_b`` say where it is now), the written results are compared instead, and ``summary["not_attributed"]``
    says why. ``plain`` compares the written results at once.

    The outputs have the tables ``changes``, ``unit_changes``, ``migration``, ``breaches``, ``largest``, ``unmargined``
    (and ``rejects`` of rule sets) and the summary of the command. ``out`` is the folder to write; without it the folder
    is temporary and goes with the outputs.

    Raises ``UsageError`` if there is nothing to compare or ``out`` exists and ``force`` is not set, ``InvalidInput`` if
    a folder cannot be used, ``TooManyRejects`` if more rows of the snapshot are broken than allowed; its ``outputs``
    are complete all the same.
    """
    if second is None:
        if plain or snapshot_a is not None or snapshot_b is not None:
            raise UsageError("`plain`, `snapshot_a` and `snapshot_b` are for two finished runs")
        if not a and not b:
            raise UsageError("A and B are the same: nothing to compare; give `a` or `b`, or a second folder")
        (rules_a, spot_offset_a), (rules_b, spot_offset_b) = _side(a, first), _side(b, first)
        folder = Folder(out)
        too_many_rejects = _remargin.compare_rules(
            os.fspath(first),
            folder.path,
            rules_a,
            rules_b,
            spot_offset_a=spot_offset_a,
            spot_offset_b=spot_offset_b,
            format=format,
            force=force,
            max_rejects=str(max_rejects),
            memory_limit=memory_limit,
            allow_rules_date=allow_rules_date,
            mark_check=mark_check,
            threads=threads,
            progress=progress,
        )
        return _finish(folder, too_many_rejects)
    if a or b or allow_rules_date or max_rejects != 0 or mark_check != "50%":
        of_rules = "`a`, `b`, `allow_rules_date`, `max_rejects` and `mark_check`"
        raise UsageError(f"{of_rules} are for two rule sets on one snapshot: two finished runs have their own")
    folder = Folder(out)
    _remargin.compare_runs(
        os.fspath(first),
        os.fspath(second),
        folder.path,
        snapshot_a=optional(snapshot_a),
        snapshot_b=optional(snapshot_b),
        plain=plain,
        format=format,
        force=force,
        memory_limit=memory_limit,
        threads=threads,
        progress=progress,
    )
    return folder.outputs()
