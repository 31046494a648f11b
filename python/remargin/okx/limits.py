"""Keeps the rate limits of the exchange."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable

from .endpoints import WINDOW_S


class Limiter:
    """At most so many requests of a kind in any window of time.

    A request counts from its *end*: it reached the exchange before that, so that no delay on the way there brings two
    windows together.
    """

    def __init__(
        self,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.window_s = window_s
        self._clock = clock
        self._sleep = sleep
        self._ends: dict[Hashable, deque[float]] = {}

    def wait(self, kind: Hashable, requests: int) -> None:
        """Returns as soon as one more request is within the limit of ``requests`` for each window."""
        ends = self._ends.setdefault(kind, deque())
        while len(ends) >= requests:
            wait_s = ends[0] + self.window_s - self._clock()
            if wait_s > 0:
                self._sleep(wait_s)
            else:
                ends.popleft()

    def done(self, kind: Hashable) -> None:
        """Counts a request that has ended, with an answer or without."""
        self._ends.setdefault(kind, deque()).append(self._clock())
