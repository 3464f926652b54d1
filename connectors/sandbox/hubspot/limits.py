"""HubSpot's rate limits as sliding windows on the virtual clock.

Docs, usage guidelines: 190 requests in 10 s (private app, Professional), a daily count that ends at midnight
of the portal's time zone, search with a limit of its own of 5 requests a second and without rate headers.
Search and v4 associations are marked exempt from the ten-second limit in HubSpot's OpenAPI files.
A refused request does not count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from connectors.sandbox.hubspot.errors import rate_limited
from connectors.sandbox.switches import Switches

WINDOW = 10.0  # seconds
DAY = 86_400.0


class Window:
    """Moments of the requests of the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._moments: deque[float] = deque()

    def used(self, now: float) -> int:
        while self._moments and self._moments[0] <= now - self.seconds:
            self._moments.popleft()
        return len(self._moments)

    def add(self, now: float) -> None:
        self._moments.append(now)

    def free_in(self, now: float) -> float:
        """Seconds until the oldest request leaves the window."""
        return self._moments[0] + self.seconds - now if self._moments else 0.0


class Limits:
    """All limits of one portal."""

    def __init__(self, switches: Switches, clock: Callable[[], float]) -> None:
        self._switches = switches
        self._clock = clock
        self._burst = Window(WINDOW)
        self._search = Window(1.0)
        self._day = 0
        self.used_today = 0

    def resets_at(self) -> float:
        """Epoch seconds of the next midnight in the portal's time zone."""
        zone = self._switches.hs_utc_offset
        return ((self._clock() + zone) // DAY + 1) * DAY - zone

    def count(self, kind: str) -> None:
        """Count one request of kind `general`, `search` or `exempt`; raises the 429 that applies."""
        now = self._clock()
        self._turn_day(now)
        if self.used_today >= self._switches.hs_daily_limit:
            raise rate_limited("DAILY", self._retry(self.resets_at() - now), self.headers(kind))
        if kind == "exempt" and not self._switches.hs_associations_exempt:
            kind = "general"
        if kind == "search":
            self._check("SECONDLY", self._search, self._switches.hs_search_per_second, now, kind)
            self._search.add(now)
        elif kind == "general":
            self._check("TEN_SECONDLY_ROLLING", self._burst, self._switches.hs_per_ten_seconds, now, kind)
            self._burst.add(now)
        if kind != "search" or self._switches.hs_search_counts_daily:
            self.used_today += 1

    def headers(self, kind: str) -> dict[str, str]:
        """The X-HubSpot-RateLimit headers; none on search."""
        if kind == "search":
            return {}
        now, most = self._clock(), self._switches.hs_per_ten_seconds
        daily = self._switches.hs_daily_limit
        return {
            "X-HubSpot-RateLimit-Daily": str(daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, daily - self.used_today)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(WINDOW * 1000)),
            "X-HubSpot-RateLimit-Max": str(most),
            "X-HubSpot-RateLimit-Remaining": str(max(0, most - self._burst.used(now))),
            "X-HubSpot-RateLimit-Secondly": str(most // 10),
            "X-HubSpot-RateLimit-Secondly-Remaining": str(most // 10),
        }

    def _check(self, policy: str, window: Window, most: int, now: float, kind: str) -> None:
        if window.used(now) >= most:
            raise rate_limited(policy, self._retry(window.free_in(now)), self.headers(kind))

    def _retry(self, seconds: float) -> float | None:
        return seconds if self._switches.hs_retry_after else None

    def _turn_day(self, now: float) -> None:
        day = int((now + self._switches.hs_utc_offset) // DAY)
        if day != self._day:
            self._day, self.used_today = day, 0
