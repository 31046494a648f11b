"""A capture: what is asked, in which order, and what becomes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..errors import InvalidInput, UsageError
from . import endpoints
from .client import BASE_URL, Answer, Client, envelope
from .endpoints import PAGE, Request, private, public
from .errors import CaptureError, KeyRefused, Refused
from .keys import Account
from .limits import Limiter
from .store import Store

#: The older an answer is, the less it belongs to the others.
MAX_AGE_S = 3600.0
#: The sub-folder of a folder of probes for their answers.
ANSWERS = "answers"

Log = Callable[[str], object]


@dataclass
class Captured:
    """What a capture did."""

    #: Answers that were fetched now.
    fetched: int = 0
    #: Answers that were there.
    kept: int = 0
    #: Requests that were repeated, after a lost connection or a refusal that passes.
    repeated: int = 0
    #: What the exchange has no answer for, and the import can do without or names itself.
    absent: list[str] = field(default_factory=list)
    #: What is missing. The folder is not whole.
    missing: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.fetched} answers fetched, {self.kept} there already, {self.repeated} requests repeated"


def capture(
    out: Path,
    accounts: Sequence[Account] = (),
    probes: Path | None = None,
    *,
    base_url: str = BASE_URL,
    simulated: bool = False,
    max_age_s: float = MAX_AGE_S,
    limiter: Limiter | None = None,
    log: Log = lambda _: None,
) -> Captured:
    """Fetches the public answers, and those of each account, to ``out``; posts the probes of a folder with the key of
    the first account, and saves their answers in its sub-folder ``answers``.

    An answer that is there and whole is not fetched again, so that a capture that was stopped goes on.

    Raises ``Unreachable`` if the exchange does not answer, ``UsageError`` and ``InvalidInput`` for what cannot be
    asked, ``FileError`` if the disk fails. What the exchange refused is in :class:`Captured`.
    """
    bodies = _bodies(probes) if probes else []
    if bodies and not accounts:
        raise UsageError("probes need the key of an account")
    store = Store(out)
    answers = Store(probes / ANSWERS) if probes else None
    captured = Captured()
    with ExitStack() as stack:
        stack.enter_context(store.open(max_age_s))
        if answers:
            stack.enter_context(answers.open(max_age_s))
        client = stack.enter_context(closing(Client(base_url, simulated=simulated, limiter=limiter, log=log)))
        try:
            _Capture(client, store, captured, log).all(accounts)
            if answers:
                _Capture(client, answers, captured, log).probes(bodies, accounts[0])
        finally:
            captured.repeated = client.repeated
    return captured


class _Capture:
    """The requests of one folder."""

    def __init__(self, client: Client, store: Store, captured: Captured, log: Log) -> None:
        self._client = client
        self._store = store
        self._captured = captured
        self._log = log

    def all(self, accounts: Sequence[Account]) -> None:
        """What changes least first, so that positions and prices are as close in time as can be."""
        self._log("contracts, discounts and borrow tiers")
        contracts = [*self._contracts("SWAP"), *self._contracts("FUTURES")]
        # The lot sizes of spot pairs.
        self._contracts("SPOT")
        self._rules(contracts)
        uids: dict[str, str] = {}
        for account in accounts:
            self._log(f"account {account.name}")
            self._account(account, uids)
        self._log("prices")
        self._prices(contracts)

    def probes(self, bodies: Sequence[tuple[str, bytes]], account: Account) -> None:
        """Posts each body, in order."""
        self._log(f"{len(bodies)} probes, with the key of account {account.name}")
        for name, body in bodies:
            try:
                self._rows(Request(endpoints.POSITION_BUILDER, name, body=body), account)
            except KeyRefused as error:
                self._miss(f"all probes from {name} on", error)
                return
            except Refused as error:
                self._miss(f"probe {name}", error)

    def _contracts(self, kind: str) -> list[Any]:
        return self._or_miss(public(endpoints.INSTRUMENTS, {"instType": kind}, kind))

    def _rules(self, contracts: Iterable[Any]) -> None:
        """Discounts, and the borrow tiers of every currency with a discount or a settlement."""
        discounts = self._or_miss(public(endpoints.DISCOUNT, {}))
        for ccy in sorted(_texts(discounts, "ccy") | _texts(contracts, "settleCcy")):
            params = {"instType": "MARGIN", "tdMode": "cross", "ccy": ccy}
            self._or_miss(public(endpoints.POSITION_TIERS, params, ccy, optional=True, arg_ccy=ccy))

    def _prices(self, contracts: Iterable[Any]) -> None:
        for kind in ("SWAP", "FUTURES"):
            self._or_miss(public(endpoints.MARK_PRICE, {"instType": kind}, kind))
        options = self._or_miss(public(endpoints.MARK_PRICE, {"instType": "OPTION"}, "OPTION"))
        # What a currency is worth follows from its index in USD, or in USDT.
        quotes = {uly.rpartition("-")[2] for uly in _texts(contracts, "uly")} | {"USD", "USDT"}
        for quote in sorted(quotes):
            self._or_miss(public(endpoints.INDEX_TICKERS, {"quoteCcy": quote}, quote, optional=True))
        # BTC-USD-250328-80000-C is of the family BTC-USD.
        families = sorted({inst_id.rsplit("-", 3)[0] for inst_id in _texts(options, "instId")})
        for family in families:
            self._or_miss(public(endpoints.OPT_SUMMARY, {"instFamily": family}, family))
        for family in families:
            params = {"instType": "OPTION", "instFamily": family}
            self._or_miss(public(endpoints.INSTRUMENTS, params, "OPTION", family))

    def _account(self, account: Account, uids: dict[str, str]) -> None:
        try:
            for uid in _texts(self._rows(private(endpoints.CONFIG, account.name), account), "uid"):
                if uid in uids:
                    raise UsageError(f"`{account.name}` and `{uids[uid]}` are keys of one account: remove one of them")
                uids[uid] = account.name
            for endpoint in (endpoints.POSITIONS, endpoints.BALANCE):
                self._rows(private(endpoint, account.name), account)
            self._orders(account)
            # The exchange's own figures, to reconcile with.
            self._rows(private(endpoints.POSITION_RISK, account.name, optional=True), account)
            body = b'{"inclRealPosAndEq":true}'
            self._rows(private(endpoints.POSITION_BUILDER, account.name, body=body, optional=True), account)
        except Refused as error:
            self._miss(f"account {account.name} is not whole", error)

    def _orders(self, account: Account) -> None:
        """Pending orders, page by page, the latest first."""
        number, last = 1, ""
        params = {"limit": str(PAGE)}
        while True:
            request = _page(account, number, params)
            if self._kept(request) is None:
                self._remove_pages(account, number)
            # An empty page behind others would be an answer that there are no orders.
            rows = self._rows(request, account, save_empty=number == 1)
            if len(rows) < PAGE:
                return
            order = str(rows[-1].get("ordId", "")) if isinstance(rows[-1], dict) else ""
            if not order.isdecimal() or last and int(order) >= int(last):
                raise CaptureError(f"{request}: the pages do not end: `ordId` is `{order}` behind `{last}`")
            number, last, params = number + 1, order, {**params, "after": order}

    def _remove_pages(self, account: Account, first: int) -> None:
        """Removes a page and all behind it, the last one first: they followed other orders than those of now."""
        last = first
        while self._store.has(_page(account, last, {}).file):
            last += 1
        for number in range(last - 1, first - 1, -1):
            self._store.remove(_page(account, number, {}).file)

    def _or_miss(self, request: Request) -> list[Any]:
        try:
            return self._rows(request)
        except Refused as error:
            self._miss("a public answer", error)
            return []

    def _rows(self, request: Request, account: Account | None = None, save_empty: bool = True) -> list[Any]:
        """The rows of an answer, which is saved, or was there. None of what may be refused and is."""
        kept = self._kept(request)
        if kept is not None:
            self._captured.kept += 1
            rows: list[Any] = json.loads(kept)["data"]
            return rows
        try:
            answer = self._client.fetch(request, account)
        except Refused as error:
            if not request.optional:
                raise
            self._captured.absent.append(str(error))
            return []
        if answer.rows or save_empty:
            self._store.put(request.file, self._asked(request), _with_arg(request, answer))
            self._captured.fetched += 1
        return answer.rows

    def _kept(self, request: Request) -> bytes | None:
        return self._store.get(request.file, self._asked(request))

    def _asked(self, request: Request) -> str:
        """What tells a request from others of the same file."""
        mode = " simulated" if self._client.simulated else ""
        body = f" {sha256(request.body).hexdigest()}" if request.body else ""
        return f"{request.endpoint.method} {self._client.base_url}{request.path}{mode}{body}"

    def _miss(self, what: str, error: Refused) -> None:
        self._captured.missing.append(f"{what}: {error}")
        self._log(f"missing: {what}: {error}")


def _page(account: Account, number: int, params: Mapping[str, str]) -> Request:
    return private(endpoints.ORDERS, account.name, str(number), params=params)


def _with_arg(request: Request, answer: Answer) -> bytes:
    """The answer as it came, with the currency that was asked for in front where the importer wants it."""
    if request.arg_ccy is None:
        return answer.content
    arg = json.dumps({"ccy": request.arg_ccy}).encode()
    rest = answer.content.lstrip().removeprefix(b"{")
    return b'{"arg":' + arg + b"," + rest


def _texts(rows: Iterable[Any], name: str) -> set[str]:
    """The texts of a field that are not empty."""
    return {row[name] for row in rows if isinstance(row, dict) and isinstance(row.get(name), str) and row[name]}


def _bodies(folder: Path) -> list[tuple[str, bytes]]:
    """The request bodies of a folder with their names, in the order of the numbers in them."""
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is no folder of probes")
    bodies = []
    for path in sorted(folder.glob("*.json"), key=lambda path: _numbered(path.name)):
        if path.name.startswith("."):
            continue
        try:
            body = path.read_bytes()
        except OSError as error:
            raise InvalidInput(f"{path}: cannot be read: {error.strerror}") from None
        if envelope(body) is None:
            raise InvalidInput(f"{path}: not the body of a request: a JSON object")
        bodies.append((path.name, body))
    if not bodies:
        raise UsageError(f"`{folder}` has no `*.json` in it")
    return bodies


def _numbered(name: str) -> list[tuple[int, str]]:
    return [(int(digits or 0), text) for digits, text in re.findall(r"(\d+)|(\D+)", name)]
