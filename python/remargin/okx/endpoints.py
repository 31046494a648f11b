"""The endpoints that are asked, their rate limits, and the names of the files of their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

#: All limits of the exchange count the requests of two seconds.
WINDOW_S = 2.0


@dataclass(frozen=True)
class Endpoint:
    """An endpoint below ``/api/v5/``, with the number of requests that :data:`WINDOW_S` allows.

    The exchange counts private endpoints by user, public ones by address. Some it counts by instrument type or family
    besides; here these count together, which asks less often than is allowed.
    """

    name: str
    requests: int
    method: str = "GET"

    @property
    def is_private(self) -> bool:
        return self.name.startswith(("account/", "trade/"))


INSTRUMENTS = Endpoint("public/instruments", 20)
MARK_PRICE = Endpoint("public/mark-price", 10)
INDEX_TICKERS = Endpoint("market/index-tickers", 20)
OPT_SUMMARY = Endpoint("public/opt-summary", 20)
DISCOUNT = Endpoint("public/discount-rate-interest-free-quota", 2)
POSITION_TIERS = Endpoint("public/position-tiers", 10)
CONFIG = Endpoint("account/config", 5)
BALANCE = Endpoint("account/balance", 10)
POSITIONS = Endpoint("account/positions", 10)
ORDERS = Endpoint("trade/orders-pending", 60)
POSITION_RISK = Endpoint("account/account-position-risk", 10)
POSITION_BUILDER = Endpoint("account/position-builder", 2, method="POST")

#: Orders of a full page of :data:`ORDERS`.
PAGE = 100


@dataclass(frozen=True)
class Request:
    """A request, and the file of its answer relative to the folder."""

    endpoint: Endpoint
    file: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: The exchange may refuse it without harm: the import names what it lacks.
    optional: bool = False
    #: Is saved with the answer as ``arg``, as the exchange does not repeat what was asked for.
    arg_ccy: str | None = None

    @property
    def path(self) -> str:
        """With the query, as it is signed."""
        query = f"?{urlencode(self.params)}" if self.params else ""
        return f"/api/v5/{self.endpoint.name}{query}"

    def __str__(self) -> str:
        query = f"?{urlencode(self.params)}" if self.params else ""
        return f"{self.endpoint.method} {self.endpoint.name}{query}"


def public(
    endpoint: Endpoint, params: Mapping[str, str], *parts: str, optional: bool = False, arg_ccy: str | None = None
) -> Request:
    """A public request; ``parts`` tell its file from others of the endpoint."""
    return Request(endpoint, f"{_stem(endpoint, *parts)}.json", params, optional=optional, arg_ccy=arg_ccy)


def private(
    endpoint: Endpoint,
    account: str,
    *parts: str,
    params: Mapping[str, str] | None = None,
    body: bytes = b"",
    optional: bool = False,
) -> Request:
    """A request for an account, whose answers have a folder of their own."""
    return Request(endpoint, f"{account}/{_stem(endpoint, *parts)}.json", params or {}, body, optional)


def _stem(endpoint: Endpoint, *parts: str) -> str:
    # What the exchange calls a currency or a family must not lead out of the folder.
    return "_".join([endpoint.name.replace("/", "_"), *(quote(part, safe="") for part in parts)])
