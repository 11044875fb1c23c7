"""How often each caller may ask in a minute. Speaks to its store alone.

A process takes what a caller may do from the store a few requests at a time, a hundredth of the limit at the most, so
that not every request costs a look-up. All processes together never allow more than the limit; one that took some and
does not need them before the minute is over makes it that much less.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from celeriac.errors import RateLimited

SHARES, LARGEST = 100, 20
_MOST_REMEMBERED = 1000


class Rates:
    """The requests that callers have left. Safe for threads."""

    def __init__(
        self,
        most: int,
        count: Callable[[str, int], tuple[int, float]],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count` adds to a caller's requests of this minute and returns (their number, seconds until it is over)."""
        self.most, self._count, self._ticks = most, count, ticks
        self._share = max(1, min(LARGEST, most // SHARES))
        self._left: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def ask(self, caller: str) -> None:
        """Count one request of the caller. Raises RateLimited, BrokerUnavailable."""
        if not self.most or self._take(caller):
            return
        n, seconds = self._count(caller, self._share)
        allowed = self._share - max(0, n - self.most)
        if allowed < 1:
            wait = max(1, math.ceil(seconds))
            raise RateLimited(f"More than {self.most} requests in a minute.", f"Try again in {wait} s.", wait)
        if allowed > 1:
            self._keep(caller, allowed - 1, self._ticks() + seconds)

    def _take(self, caller: str) -> bool:
        with self._lock:
            left, until = self._left.get(caller, (0, 0.0))
            if left < 1 or self._ticks() >= until:
                return False
            self._left[caller] = (left - 1, until)
            return True

    def _keep(self, caller: str, n: int, until: float) -> None:
        with self._lock:
            left, ends = self._left.get(caller, (0, 0.0))
            if len(self._left) >= _MOST_REMEMBERED:
                self._left.clear()
            self._left[caller] = (n + (left if self._ticks() < ends else 0), until)
