"""The org's daily API budget: calls in a rolling 24 hours, told in a header of every reply; and how many long
calls may be under way at once.

Source: Salesforce Developer Limits "API Request Limits and Allocations"; REST API Developer Guide "Limit Info
Header": `api-usage=25/5000`, or with `; per-app-api-usage=17/250(appName=…)` behind it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from connectors.sandbox.salesforce.errors import fail
from connectors.sandbox.salesforce.org import Org

DAY = 86_400
HEADER = "Sforce-Limit-Info"
LONG = 20.0
"""Seconds from which on a call under way counts as a long one (Salesforce Developer Limits, "Concurrent API
Request Limits": 25, in trials and Developer Edition 5)."""


class Budget:
    def __init__(self, org: Org) -> None:
        self._org = org
        self._minutes: deque[list[int]] = deque()
        self._used = 0
        self._under_way: list[tuple[float, float]] = []

    def used(self) -> int:
        """Calls in the last 24 hours."""
        horizon = (self._org.now() - DAY) // 60
        while self._minutes and self._minutes[0][0] < horizon:
            self._used -= self._minutes.popleft()[1]
        return self._used

    def spend(self, calls: int = 1) -> None:
        """Count calls; raises REQUEST_LIMIT_EXCEEDED when none are left, or too many long ones under way."""
        if self.long_calls() >= self._org.switches.sf_concurrent_limit:
            message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
            raise fail(403, "REQUEST_LIMIT_EXCEEDED", message)
        if self.used() >= self._org.switches.sf_daily_limit:
            raise fail(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        minute = int(self._org.now() // 60)
        if self._minutes and self._minutes[-1][0] == minute:
            self._minutes[-1][1] += calls
        else:
            self._minutes.append([minute, calls])
        self._used += calls

    def occupy(self, calls: int, seconds: float) -> None:
        """Other integrations begin so many calls that last so long."""
        now = self._org.now()
        self._under_way += [(now, now + seconds)] * calls

    def long_calls(self) -> int:
        """Calls of others that have been under way for 20 seconds."""
        now = self._org.now()
        self._under_way = [(start, end) for start, end in self._under_way if end > now]
        return sum(now - start >= LONG for start, _ in self._under_way)

    def header(self) -> dict[str, str]:
        usage = f"api-usage={self.used()}/{self._org.switches.sf_daily_limit}"
        if self._org.switches.sf_limit_per_app:
            usage += (
                f"; per-app-api-usage={self.used()}/{self._org.switches.sf_daily_limit}(appName=mql-worker)"
            )
        return {HEADER: usage}

    def report(self, bulk_jobs: int) -> dict[str, Any]:
        """Body of /limits; `bulk_jobs`: Bulk query jobs made in the last 24 hours."""
        most = self._org.switches.sf_daily_limit
        most_jobs = self._org.switches.sf_bulk_daily_jobs
        return {
            "ConcurrentAsyncGetReportInstances": {"Max": 200, "Remaining": 200},
            "DailyApiRequests": {"Max": most, "Remaining": max(0, most - self.used())},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
            "DailyBulkV2QueryJobs": {"Max": most_jobs, "Remaining": max(0, most_jobs - bulk_jobs)},
            "DataStorageMB": {"Max": 1024, "Remaining": 1000},
            "FileStorageMB": {"Max": 1024, "Remaining": 1000},
        }
