"""``python -m remargin.okx``."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import RemarginError
from .keys import accounts

DESCRIPTION = """\
Fetches the answers of OKX that `remargin import okx` reads, one file each.

Keys come from the environment: OKX_API_KEY, OKX_SECRET_KEY and OKX_PASSPHRASE, or the variables that the file of
--accounts names. Without a key, public answers alone are fetched. A key that may only read is enough.
"""
EXIT_CODES = """\
exit codes: 0 everything is there; 1 something is missing, and is named; 2 the arguments, the environment or the folder
cannot be used; 3 a file of accounts or a probe is broken. A capture that was stopped goes on with the same command.
"""


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command. Returns its exit code."""
    given = _parser().parse_args(args)
    log = (lambda _: None) if given.quiet else _tell
    try:
        from .capture import capture
    except ImportError as error:
        _tell(f"error: {error}")
        return 1
    try:
        captured = capture(
            given.out,
            accounts(given.accounts),
            given.probes,
            base_url=given.base_url,
            simulated=given.simulated,
            max_age_s=given.max_age * 60,
            log=log,
        )
    except RemarginError as error:
        _tell(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _tell("stopped; the same command goes on")
        return 130
    log(str(captured))
    for absent in captured.absent:
        log(f"the exchange has no answer: {absent}")
    for missing in captured.missing:
        _tell(f"error: missing: {missing}")
    return 1 if captured.missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m remargin.okx", allow_abbrev=False)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser(
        "capture",
        help="fetch the answers that `remargin import okx` reads",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = command.add_argument
    add("--out", type=Path, required=True, metavar="FOLDER", help="folder of the answers, new or of the same capture")
    add("--accounts", type=Path, metavar="FILE", help='JSON: {"desk": "OKX_DESK"}, the prefix of three variables each')
    add("--probes", type=Path, metavar="DIR", help="post each *.json to the position builder; answers in DIR/answers")
    add("--base-url", default="https://www.okx.com", metavar="URL", help="another region (default: %(default)s)")
    add("--simulated", action="store_true", help="demo trading, with keys of it")
    add("--max-age", type=minutes, default=60.0, metavar="MINUTES", help="of answers that are kept (default: 60)")
    add("--quiet", action="store_true", help="print errors alone")
    return parser


def minutes(text: str) -> float:
    """A number of minutes from the command line."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError
    return number


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
