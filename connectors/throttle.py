"""Not calling too often: burst limits, which live in the process, and the daily budget behind a protocol.

A burst limiter waits (`world.sleep`) until a call is allowed; it never refuses. The daily budget is an
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


class Limiter(Protocol):
    """Something that makes callers wait their turn."""

    def acquire(self, n: int = 1) -> float:
        """Wait until `n` more calls are allowed; the seconds waited."""
        ...

    def pause(self, seconds: float) -> None:
        """Let nobody through for so many seconds from now (the server said so)."""
        ...


class TokenBucket:
    """`rate` calls a second on average, up to `burst` at once. Safe in any thread.

    A caller takes its tokens at once, into debt if need be, and sleeps off the debt: callers are served
    in the order in which they came.
    """

    def __init__(self, rate: float, burst: int, world: World) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("a bucket needs a rate above 0 and a burst of at least 1")
        self._world = world
        self._lock = threading.Lock()
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = world.monotonic()
        self._closed_until = self._at

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self._rate

    def set_rate(self, rate: float) -> None:
        """From now on, so many calls a second."""
        if rate <= 0:
            raise ValueError("a rate is above 0")
        with self._lock:
            self._refill(self._world.monotonic())
            self._rate = rate

    def acquire(self, n: int = 1) -> float:
        with self._lock:
            now = self._world.monotonic()
            self._refill(now)
            self._tokens -= n
            debt = max(0.0, -self._tokens / self._rate)
            wait = max(debt, self._closed_until - now + debt if self._closed_until > now else 0.0)
        if wait > 0:
            self._world.sleep(wait)
        return wait

    def pause(self, seconds: float) -> None:
        with self._lock:
            now = self._world.monotonic()
            self._refill(now)
            self._tokens = min(self._tokens, 1.0)  # no burst right after a refusal
            self._closed_until = max(self._closed_until, now + seconds)

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)


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
