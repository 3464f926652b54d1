"""Not calling too often: burst limits, which live in the process, and the daily budget behind a protocol.

The burst limiter waits (`world.sleep`) until a call is allowed; it never refuses. It keeps a window and not a
token bucket, because the limits are rolling ones: a bucket that fills at the permitted rate and holds the
permitted burst lets almost twice the limit through in its first window. The daily budget is an
account's and is kept elsewhere (in the mirror); here is what connectors need of it.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from typing import Protocol

from config.world import World


class Budget(Protocol):
    """The daily calls of one CRM account, shared by everything that calls it."""

    def acquire(self, kind: str, n: int = 1) -> float:
        """Ask for `n` calls of a kind ("read", "write", ...): seconds to wait first. Raises QuotaSpent."""
        ...

    def observe(self, used: int | None, limit: int | None, ours: int = 0) -> None:
        """What the CRM says of its quota; `ours` are the calls of this process since the last word."""
        ...

    def spent(self, until: datetime | None) -> None:
        """The CRM refused for lack of quota; no calls before `until` (None: unknown)."""
        ...


class UnlimitedBudget:
    """A budget without a bound."""

    def acquire(self, kind: str, n: int = 1) -> float:  # noqa: ARG002 (the protocol's signature)
        return 0.0

    def observe(self, used: int | None, limit: int | None, ours: int = 0) -> None:
        """Nothing to remember."""

    def spent(self, until: datetime | None) -> None:
        """Nothing to remember."""


class SlidingWindow:
    """Never more than `limit` calls within any `seconds`, as rolling limits are counted. Thread-safe.

    `slack` seconds are added to the window: requests do not arrive exactly as far apart as they left.
    """

    def __init__(self, limit: int, seconds: float, world: World, slack: float = 0.0) -> None:
        if limit < 1 or seconds <= 0:
            raise ValueError("a window needs a limit of at least 1 and a length above 0")
        self._world = world
        self._lock = threading.Lock()
        self._limit = limit
        self._window = seconds + slack
        self._slots: deque[float] = deque()  # when the last calls left or will leave, oldest first
        self._closed_until = world.monotonic()

    @property
    def limit(self) -> int:
        """Calls in one window."""
        return self._limit

    def set_limit(self, limit: int) -> None:
        """From now on, so many calls in one window."""
        if limit < 1:
            raise ValueError("a limit is at least 1")
        with self._lock:
            self._limit = limit

    def acquire(self, n: int = 1) -> float:
        with self._lock:
            now = self._world.monotonic()
            leaves = now
            for _ in range(n):
                leaves = self._next_slot(now)
        wait = leaves - now
        if wait > 0:
            self._world.sleep(wait)
        return max(0.0, wait)

    def pause(self, seconds: float) -> None:
        with self._lock:
            self._closed_until = max(self._closed_until, self._world.monotonic() + seconds)

    def _next_slot(self, now: float) -> float:
        while self._slots and self._slots[0] <= now - self._window:
            self._slots.popleft()
        slot = max(now, self._closed_until)
        if len(self._slots) >= self._limit:
            slot = max(slot, self._slots[-self._limit] + self._window)
        if self._slots:
            slot = max(slot, self._slots[-1])  # first come, first served
        self._slots.append(slot)
        return slot
