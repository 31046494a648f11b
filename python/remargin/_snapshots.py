"""Functions that write snapshots."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from . import _remargin
from ._types import Format, Path, Progress


def generate(
    out: Path,
    accounts: int,
    *,
    seed: int,
    positions_per_account: float = 10.0,
    format: Format = "parquet",
    force: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Writes a synthetic, realistic snapshot of any size to the folder ``out``, as ``remargin generate`` does.

    The same accounts, seed and mean number of positions give the same bytes on every machine. Returns the rows of
    ``accounts``, ``positions``, ``balances`` and ``instruments``.

    Raises ``UsageError`` if a number is out of range, or ``out`` exists and ``force`` is not set.
    """
    return _remargin.generate(
        os.fspath(out),
        accounts,
        seed,
        positions_per_account=positions_per_account,
        format=format,
        force=force,
        threads=threads,
        progress=progress,
    )


def import_okx(
    folder: Path,
    out: Path,
    *,
    format: Format = "csv",
    as_of: dt.datetime | str | None = None,
    interpolate_vol: bool = False,
    force: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Converts saved responses of OKX to a snapshot in the folder ``out``, as ``remargin import okx`` does.

    Returns the content of ``out/import.json``: every row counted, used or set aside with its reason, what is missing,
    warnings, and under ``unmarginable`` the accounts that cannot be margined. Look at it: such accounts raise nothing.
    :mod:`remargin.okx` captures the responses.

    ``as_of`` is the valuation time: text with an offset, or an aware ``datetime``; by default the latest time of the
    responses. ``interpolate_vol`` takes the volatility of options whose mark implies none from the smile of their
    expiry.

    Raises ``InvalidInput`` if the responses cannot be used, ``UsageError`` if ``out`` exists and ``force`` is not set.
    """
    return _remargin.import_okx(
        os.fspath(folder),
        os.fspath(out),
        format=format,
        as_of=as_of.isoformat() if isinstance(as_of, dt.datetime) else as_of,
        interpolate_vol=interpolate_vol,
        force=force,
        memory_limit=memory_limit,
        threads=threads,
        progress=progress,
    )
