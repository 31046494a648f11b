"""An exchange on this machine: it checks signatures, limits rates, drops connections, and answers with the recorded
responses of the repository."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "okx-sample"
RECORDED = ROOT / "tests" / "data" / "okx"

#: Requests in two seconds, as the exchange documents them.
LIMITS = {
    "public/instruments": 20,
    "public/mark-price": 10,
    "market/index-tickers": 20,
    "public/opt-summary": 20,
    "public/discount-rate-interest-free-quota": 2,
    "public/position-tiers": 10,
    "account/config": 5,
    "account/balance": 10,
    "account/positions": 10,
    "account/account-position-risk": 10,
    "account/position-builder": 2,
    "trade/orders-pending": 60,
}


@dataclass(frozen=True)
class User:
    """An account of the exchange, and its key."""

    uid: str
    key: str
    secret: str
    passphrase: str
    orders: int = 1

    def environ(self, prefix: str) -> dict[str, str]:
        names = {"API_KEY": self.key, "SECRET_KEY": self.secret, "PASSPHRASE": self.passphrase}
        return {f"{prefix}_{name}": value for name, value in names.items()}


def users(count: int, orders: int = 1) -> list[User]:
    """Users with keys in the form of the exchange's."""
    rng = random.Random(21)
    letters = "0123456789ABCDEF"
    made = []
    for number in range(count):
        key = "-".join("".join(rng.choices("0123456789abcdef", k=size)) for size in (8, 4, 4, 4, 12))
        secret = "".join(rng.choices(letters, k=32))
        made.append(User(f"{70000000000000000 + number}", key, secret, f"Pass-{rng.randrange(10**8)}!x", orders))
    return made


@dataclass
class Exchange:
    """What the exchange does, and what it saw."""

    users: list[User]
    #: Share of the requests whose connection is lost.
    drop: float = 0.0
    delay_s: float = 0.0
    window_s: float = 2.0
    #: By path below ``/api/v5/``, with its query: answers to give first, as status and code.
    faults: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    #: Number of requests that were answered whole, by user, request and body.
    answered: Counter[tuple[str, str, bytes]] = field(default_factory=Counter)
    #: All requests, in order of arrival: user, request and body.
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    dropped: int = 0
    over_limit: list[str] = field(default_factory=list)
    bad_signatures: list[str] = field(default_factory=list)
    url: str = ""
    _arrivals: dict[tuple[str, str], deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _rng: random.Random = field(default_factory=lambda: random.Random(7))

    @contextmanager
    def running(self) -> Iterator[Exchange]:
        exchange = self

        class Handler(_Handler):
            at = exchange

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def signed_by(self, method: str, path: str, headers: Any, body: bytes) -> User | str:
        """The user of a signature, or the code of what is wrong with it."""
        user = next((user for user in self.users if user.key == headers.get("OK-ACCESS-KEY")), None)
        if user is None:
            return "50111"
        if headers.get("OK-ACCESS-PASSPHRASE") != user.passphrase:
            return "50105"
        stamp = headers.get("OK-ACCESS-TIMESTAMP", "")
        sent = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
        if len(stamp) != 24 or abs((datetime.now(timezone.utc) - sent).total_seconds()) > 30:
            return "50102"
        text = stamp.encode() + method.encode() + path.encode() + body
        expected = base64.b64encode(hmac.new(user.secret.encode(), text, hashlib.sha256).digest()).decode()
        return user if headers.get("OK-ACCESS-SIGN") == expected else "50113"

    def is_over(self, name: str, who: str) -> bool:
        """Counts a request; true if there were too many in the window that ends with it."""
        with self._lock:
            arrivals = self._arrivals[name, who]
            now = time.monotonic()
            while arrivals and now - arrivals[0] >= self.window_s:
                arrivals.popleft()
            arrivals.append(now)
            return len(arrivals) > LIMITS[name]

    def way_to_drop(self) -> int:
        """0: answer; 1: close without an answer; 2: close in the middle of it."""
        with self._lock:
            lost = self._rng.random() < self.drop
            self.dropped += lost
            return self._rng.choice((1, 2)) if lost else 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    at: Exchange

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._do(b"")

    def do_POST(self) -> None:
        self._do(self.rfile.read(int(self.headers["Content-Length"])))

    def _do(self, body: bytes) -> None:
        at, parts = self.at, urlsplit(self.path)
        name, params = parts.path.removeprefix("/api/v5/"), dict(parse_qsl(parts.query))
        request = self.path.removeprefix("/api/v5/")
        user = None
        if name.startswith(("account/", "trade/")):
            found = at.signed_by(self.command, self.path, self.headers, body)
            if isinstance(found, str):
                at.bad_signatures.append(found)
                self._answer(401, {"code": found, "msg": "Invalid", "data": []})
                return
            user = found
        elif self.headers.get("OK-ACCESS-KEY"):
            at.bad_signatures.append("a key with a public request")
        who = user.uid if user else "address"
        at.seen.append((who, request, body))
        if at.is_over(name, who):
            at.over_limit.append(request)
            self._answer(429, {"code": "50011", "msg": "Too Many Requests", "data": []})
            return
        time.sleep(at.delay_s)
        way = at.way_to_drop()
        if way == 1:
            self.close_connection = True
            return
        faults = at.faults.get(request)
        if faults:
            status, code = faults.pop(0)
            self._answer(status, {"code": code, "msg": f"told {self.headers.get('OK-ACCESS-PASSPHRASE')}", "data": []})
            return
        rows = answer(name, params, user)
        if rows is None:
            self._answer(200, {"code": "51000", "msg": "Parameter error", "data": []})
            return
        if self._answer(200, {"code": "0", "msg": "", "data": rows}, is_cut=way == 2):
            at.answered[who, request, body] += 1

    def _answer(self, status: int, content: Any, is_cut: bool = False) -> bool:
        text = json.dumps(content, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text[: len(text) // 2] if is_cut else text)
        self.close_connection = self.close_connection or is_cut
        return not is_cut


def rows_of(path: Path) -> list[Any]:
    rows: list[Any] = json.loads(path.read_text())["data"]
    return rows


def answer(name: str, params: dict[str, str], user: User | None) -> list[Any] | None:
    """The recorded rows of a request; ``None`` if the exchange refuses it."""
    stem = name.replace("/", "_")
    kind, family = params.get("instType", ""), params.get("instFamily", "")
    if name == "public/instruments":
        if kind == "OPTION" and not family:
            return None
        rows = rows_of(SAMPLE / f"{stem}_{kind}.json")
        return [row for row in rows if family in ("", row["instFamily"])]
    if name == "public/mark-price":
        return [row for row in rows_of(SAMPLE / f"{stem}.json") if row["instType"] == kind]
    if name == "market/index-tickers":
        rows = rows_of(SAMPLE / f"{stem}.json")
        return [row for row in rows if row["instId"].endswith(f"-{params['quoteCcy']}")]
    if name == "public/opt-summary":
        return [row for row in rows_of(SAMPLE / f"{stem}.json") if row["instId"].startswith(f"{family}-")]
    if name == "public/position-tiers":
        path = SAMPLE / f"{stem}_{params['ccy']}.json"
        return rows_of(path) if path.is_file() else None
    if user is None:
        return rows_of(SAMPLE / f"{stem}.json")
    if name == "account/config":
        return [{**row, "uid": user.uid} for row in rows_of(SAMPLE / "desk" / f"{stem}.json")]
    if name == "account/position-builder":
        return rows_of(SAMPLE / "builder" / f"{stem}.json")
    if name == "account/account-position-risk":
        return rows_of(RECORDED / stem / "okx_docs_2025-04.json")
    if name == "trade/orders-pending":
        return _orders(params, user)
    return rows_of(SAMPLE / "desk" / f"{stem}.json")


def _orders(params: dict[str, str], user: User) -> list[Any]:
    """Pages of one recorded order under many ids, the latest first."""
    order = rows_of(RECORDED / "trade_orders-pending" / "okx_docs_2025-04.json")[0]
    swap = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "tdMode": "cross", "sz": "1"}
    latest = int(order["ordId"])
    ids = range(latest, latest - user.orders, -1)
    after = int(params.get("after", latest + 1))
    page = [number for number in ids if number < after][: int(params["limit"])]
    return [{**order, **swap, "ordId": str(number)} for number in page]
