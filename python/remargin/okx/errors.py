"""What ends a capture, or one of its requests."""

from __future__ import annotations

from ..errors import RemarginError


class CaptureError(RemarginError):
    """The exchange did not answer, or answered what cannot be saved."""


class Unreachable(CaptureError):
    """No answer after every attempt. What is saved stays; the same capture goes on where it ended."""


class Refused(CaptureError):
    """An error answer of the exchange to one request."""

    def __init__(self, request: str, code: str, message: str) -> None:
        super().__init__(f"{request}: code {code}: {message}" if message else f"{request}: code {code}")
        self.code = code


class KeyRefused(Refused):
    """The key, its signature, time or permission was refused: no other request with it would pass."""
