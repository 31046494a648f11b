"""Keys of accounts, from the environment alone, and signatures made with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InvalidInput, UsageError

#: Suffixes of the variables of an account that is given by a prefix: ``PREFIX_API_KEY`` and so on.
SUFFIXES = {"key": "API_KEY", "secret": "SECRET_KEY", "passphrase": "PASSPHRASE"}
#: Prefix and name of the account if no file of accounts is given.
DEFAULT_PREFIX = "OKX"
DEFAULT_ACCOUNT = "main"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: The importer takes folders of these names as folders of endpoints.
_GROUPS = ("account", "public", "market", "trade")
#: A text that is shorter may be in an answer by chance.
_SHORTEST = 8


class Credentials:
    """A key, its secret and its passphrase. No text and no pickle of it shows them."""

    __slots__ = ("_key", "_passphrase", "_secret")

    def __init__(self, key: str, secret: str, passphrase: str) -> None:
        for field, value in {"key": key, "secret": secret, "passphrase": passphrase}.items():
            # A header cannot hold others, and the error of a library would print them.
            if not value or not all("!" <= letter <= "~" for letter in value):
                raise UsageError(f"the {field} is empty, or has spaces, line ends or other than ASCII characters")
        self._key = key
        self._secret = secret
        self._passphrase = passphrase

    def __repr__(self) -> str:
        return "Credentials(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials cannot be pickled")

    def headers(self, timestamp: str, method: str, path: str, body: bytes) -> dict[str, str]:
        """The headers of a signed request: Base64 of HMAC-SHA256 of time, method, path with query, and body."""
        text = f"{timestamp}{method}{path}".encode() + body
        digest = hmac.new(self._secret.encode(), text, hashlib.sha256).digest()
        return {
            "OK-ACCESS-KEY": self._key,
            "OK-ACCESS-SIGN": base64.b64encode(digest).decode(),
            "OK-ACCESS-TIMESTAMP": timestamp,
            "OK-ACCESS-PASSPHRASE": self._passphrase,
        }

    def hide(self, text: str) -> str:
        """The text without key, secret and passphrase."""
        for value in (self._key, self._secret, self._passphrase):
            text = text.replace(value, "***")
        return text

    def are_in(self, content: bytes) -> bool:
        """True if a text repeats one of the three."""
        values = (self._key, self._secret, self._passphrase)
        return any(value.encode() in content for value in values if len(value) >= _SHORTEST)


@dataclass(frozen=True)
class Account:
    """An account; its answers are saved in a folder of its name."""

    name: str
    credentials: Credentials


def accounts(file: Path | None, environ: Mapping[str, str] | None = None) -> list[Account]:
    """The accounts of a file, else the one of ``OKX_API_KEY``, ``OKX_SECRET_KEY`` and ``OKX_PASSPHRASE``, if they are
    set.

    The file is a JSON object: the name of each account, and the prefix of its three variables, or their names::

        {"desk": "OKX_DESK", "arb": {"key": "ARB_KEY", "secret": "ARB_SECRET", "passphrase": "ARB_PASSPHRASE"}}

    Raises ``InvalidInput`` if the file is another, ``UsageError`` if a variable is not set. No error repeats what the
    file says of an account: it may be a key that was written there by mistake.
    """
    known = os.environ if environ is None else environ
    if file is None:
        if not any(known.get(f"{DEFAULT_PREFIX}_{suffix}") for suffix in SUFFIXES.values()):
            return []
        return [_account(DEFAULT_ACCOUNT, DEFAULT_PREFIX, known)]
    try:
        content = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except OSError as error:
        raise InvalidInput(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        # The text of a decoding error shows no value, only its place.
        told = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InvalidInput(f"{file}: not a JSON object of accounts: {told}") from None
    if not isinstance(content, dict) or not content:
        raise InvalidInput(f'{file}: not a JSON object of accounts, such as {{"desk": "OKX_DESK"}}')
    return [_account(name, given, known) for name, given in content.items()]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name is there twice")
    return dict(pairs)


def _account(name: str, given: object, environ: Mapping[str, str]) -> Account:
    if not _NAME.fullmatch(name) or any(name == group or name.startswith(f"{group}_") for group in _GROUPS):
        raise InvalidInput(
            "an account's name is the name of its folder: letters, digits, `.`, `_` and `-`, and not `account`, "
            "`public`, `market`, `trade` or these with `_` behind"
        )
    if isinstance(given, str):
        variables = {field: f"{given}_{suffix}" for field, suffix in SUFFIXES.items()}
        ends = {field: f"PREFIX_{suffix}" for field, suffix in SUFFIXES.items()}
    elif isinstance(given, dict) and given.keys() == SUFFIXES.keys() and all(map(_is_text, given.values())):
        variables = given
        ends = {field: f"`{field}`" for field in SUFFIXES}
    else:
        raise InvalidInput(
            f"account `{name}`: expected the prefix of its environment variables, or an object with the names of three "
            "of them: `key`, `secret`, `passphrase`"
        )
    values = {field: environ.get(variable, "") for field, variable in variables.items()}
    for field, value in values.items():
        if not value:
            raise UsageError(f"account `{name}`: the environment variable of its {field} ({ends[field]}) is not set")
    try:
        return Account(name, Credentials(**values))
    except UsageError as error:
        raise UsageError(f"account `{name}`: {error}") from None


def _is_text(value: object) -> bool:
    return isinstance(value, str)
