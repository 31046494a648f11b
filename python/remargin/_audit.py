"""Checks of what is there: a snapshot, a finished run, the figures of the exchange. They answer, and do not raise."""

from __future__ import annotations

import os
from typing import Any

from . import _remargin
from ._remargin import Rules
from ._types import Path, Progress, optional
from .errors import UsageError


def check(
    snapshot: Path,
    *,
    rules: Rules | None = None,
    memory_limit: str | None = None,
    allow_rules_date: bool = False,
    mark_check: str = "50%",
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Validates a snapshot: which rows would be rejected, and why. The answer of ``remargin check --format json``.

    ``rejected`` has the rows by reason, with the first few of each; ``unmargined`` the accounts that a run would leave
    out; ``tables`` the rows of each table; ``warnings``, ``unused_files`` and ``unused_columns`` what is odd. Broken
    rows raise nothing: they are the answer.

    Raises ``InvalidInput`` if a table as a whole cannot be used, or the snapshot is older than the rules.
    """
    return _remargin.check(
        os.fspath(snapshot),
        rules=rules,
        memory_limit=memory_limit,
        allow_rules_date=allow_rules_date,
        mark_check=mark_check,
        threads=threads,
        progress=progress,
    )


def verify(
    run: Path,
    *,
    snapshot: Path | None = None,
    sample: int | None = None,
    all: bool = False,
    seed: int = 0,
    temp_dir: Path | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Checks that a finished run agrees with its manifest and its snapshot, as ``remargin verify --format json`` does.

    The run agrees if ``differing`` is 0; ``differences`` has the first of them, with file, row, column and both values.
    Everything is hashed and computed again, and 1,000 accounts are derived with the reference model (``all``: every
    account). ``sample`` derives that many accounts instead of computing the whole run again; 0 compares hashes and
    counts only. ``snapshot`` is where the snapshot is now. Signatures are checked by the command alone.

    A run that differs raises nothing: that is the answer. Raises ``InvalidInput`` if the folder is not a finished run,
    ``UsageError`` if its snapshot is missing.
    """
    if all and sample is not None:
        raise UsageError("`all` and `sample` contradict each other")
    return _remargin.verify(
        os.fspath(run),
        snapshot=optional(snapshot),
        sample=sample,
        all=all,
        seed=seed,
        temp_dir=optional(temp_dir),
        memory_limit=memory_limit,
        threads=threads,
        progress=progress,
    )


def reconcile(
    run: Path,
    against: Path,
    *,
    account: str | None = None,
    tolerance: float = 1e-9,
    abs_tolerance: float = 1e-9,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compares a finished run with the exchange's own figures, as ``remargin reconcile --format json`` does.

    ``against`` is a saved response of ``account/position-builder``, ``account/account-position-risk`` or
    ``account/balance``, or a folder of them with one sub-folder for each account. ``breaks`` is the number of figures
    that differ by more than both tolerances (``tolerance`` is relative, ``abs_tolerance`` in the unit of the figure);
    ``comparisons`` has all of them. ``account`` is that of responses that do not state one.

    Breaks raise nothing: they are the answer. Raises ``InvalidInput`` if the run or a response cannot be read,
    ``UsageError`` if there is nothing to compare.
    """
    return _remargin.reconcile(
        os.fspath(run),
        os.fspath(against),
        account=account,
        tolerance=tolerance,
        abs_tolerance=abs_tolerance,
        threads=threads,
        progress=progress,
    )
