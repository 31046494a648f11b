"""Requests to the exchange: signed, within its limits, and repeated until there is an answer."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from ..errors import UsageError
from .endpoints import Request
from .errors import CaptureError, KeyRefused, Refused, Unreachable
from .keys import Account
from .limits import Limiter

try:
    import httpx
except ImportError:
    raise ImportError("remargin.okx needs httpx: pip install 'remargin[okx]'") from None

BASE_URL = "https://www.okx.com"
#: Requests for one answer, at most.
ATTEMPTS = 8
#: The wait before the second attempt doubles for each further one, up to the longest.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 30.0
TIMEOUT_S = 20.0

#: Not available, timed out, too many requests, busy, a system error, too many of a sub-account, and a signature that
#: was on its way for too long.
PASSING = frozenset(("50001", "50004", "50011", "50013", "50026", "50040", "50061", "50102"))
TOO_MANY = frozenset(("50011", "50040", "50061"))


@dataclass
class Answer:
    """An answer of code 0."""

    #: As it came.
    content: bytes
    #: The items of ``data``.
    rows: list[Any]


@dataclass
class _Sent:
    """What came back: status, content and ``Retry-After``, or what went wrong on the way."""

    status: int = 0
    content: bytes = b""
    retry_after_s: float = 0.0
    fault: str = ""


class Client:
    """Connections to the exchange."""

    def __init__(
        self,
        base_url: str = BASE_URL,
        *,
        simulated: bool = False,
        limiter: Limiter | None = None,
        log: Callable[[str], object] = lambda _: None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.base_url = _checked(base_url)
        self.simulated = simulated
        #: Requests that were repeated.
        self.repeated = 0
        self._limiter = limiter or Limiter()
        self._log = log
        self._sleep = sleep
        headers = {"User-Agent": "remargin", "Accept": "application/json"}
        if simulated:
            headers["x-simulated-trading"] = "1"
        self._http = httpx.Client(base_url=self.base_url, headers=headers, timeout=TIMEOUT_S, follow_redirects=False)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def fetch(self, request: Request, account: Account | None = None) -> Answer:
        """The answer to a request.

        Raises ``Refused`` if the exchange says that it has none, ``KeyRefused`` if it is for the key, ``Unreachable``
        if there is no answer after :data:`ATTEMPTS`.
        """
        kind = (request.endpoint.name, account.name if account else "")
        result: Answer | str = ""
        for attempt in range(1, ATTEMPTS + 1):
            self._limiter.wait(kind, request.endpoint.requests)
            try:
                sent = self._send(request, account)
            finally:
                self._limiter.done(kind)
            result = self._judge(request, sent, account)
            if isinstance(result, Answer):
                return result
            if attempt < ATTEMPTS:
                self._wait(request, attempt, result, sent)
        raise Unreachable(f"{request}: no answer after {ATTEMPTS} attempts: {result}")

    def _send(self, request: Request, account: Account | None) -> _Sent:
        """One attempt. Of an error of the library only its name is kept: it holds the request with its headers."""
        auth = _Signature(account) if account else None
        headers = {"Content-Type": "application/json"} if request.body else None
        try:
            response = self._http.request(
                request.endpoint.method, request.path, content=request.body or None, headers=headers, auth=auth
            )
        except httpx.HTTPError as error:
            return _Sent(fault=type(error).__name__)
        try:
            retry_after_s = float(response.headers.get("Retry-After", "0"))
        except ValueError:
            retry_after_s = 0.0
        return _Sent(response.status_code, response.content, min(max(retry_after_s, 0.0), 2 * LONGEST_WAIT_S))

    def _judge(self, request: Request, sent: _Sent, account: Account | None) -> Answer | str:
        """The answer, or why to ask again. Raises what asking again would not mend."""
        if sent.fault:
            return f"the connection failed ({sent.fault})"
        content = envelope(sent.content) or {}
        code = str(content.get("code", ""))
        if code == "0" and sent.status == 200:
            if account and account.credentials.are_in(sent.content):
                raise CaptureError(f"{request}: the answer repeats the key, and is not saved")
            rows = content.get("data")
            return Answer(sent.content, rows) if isinstance(rows, list) else "an answer without `data`"
        if sent.status in (408, 429) or sent.status >= 500 or code in PASSING:
            return f"code {code}" if code else f"status {sent.status}"
        if code and code != "0":
            message = " ".join(str(content.get("msg", "")).split())[:200]
            message = account.credentials.hide(message) if account else message
            is_of_key = code.startswith("501") or sent.status == 401
            raise (KeyRefused if is_of_key and account else Refused)(str(request), code, message)
        if sent.status == 200:
            return "the answer is no JSON of the exchange"
        raise CaptureError(f"{request}: status {sent.status}, and no answer of the exchange's API")

    def _wait(self, request: Request, attempt: int, why: str, sent: _Sent) -> None:
        self.repeated += 1
        longest_s = min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S)
        # Jitter, so that captures that were refused together do not come back together.
        wait_s = longest_s * random.uniform(0.5, 1.0)
        if sent.status == 429 or any(f"code {code}" == why for code in TOO_MANY):
            wait_s += self._limiter.window_s
        wait_s = max(wait_s, sent.retry_after_s)
        self._log(f"{request}: {why}; again in {wait_s:.1f} s")
        self._sleep(wait_s)


class _Signature(httpx.Auth):
    """Signs each request as it is sent."""

    def __init__(self, account: Account) -> None:
        self._credentials = account.credentials

    def auth_flow(self, request: httpx.Request) -> Any:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        path = request.url.raw_path.decode("ascii")
        request.headers.update(self._credentials.headers(now, request.method, path, request.content))
        yield request


def _checked(base_url: str) -> str:
    """The address, without a path. A passphrase must not cross a network in clear."""
    parts = urlsplit(base_url)
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise UsageError("the base URL must begin with https://")
    if not parts.hostname or parts.username or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UsageError("the base URL must be a host alone, such as https://www.okx.com")
    return f"{parts.scheme}://{parts.netloc}"


def envelope(content: bytes) -> dict[str, Any] | None:
    """A JSON object; ``None`` for what is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
