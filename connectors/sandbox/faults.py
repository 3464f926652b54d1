"""Faults and steps: what goes wrong, or happens, at exactly the n-th request that matches.

A `Fault` replaces or spoils the answer; a step runs a callable before the request takes effect or after it,
before its answer leaves (a person's edit between the worker's read and its write). Both use `Match`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connectors.sandbox.core import JSON, Request, Response

KINDS = (
    "status",
    "html",
    "empty",
    "wrong_json",
    "cut",
    "drop_before",
    "drop_after",
    "delay",
    "hang",
    "drip",
)


@dataclass
class Match:
    """Which requests: patterns are searched, case-sensitively; an empty one matches everything."""

    crm: str = ""
    method: str = ""
    path: str = ""
    query: str = ""
    """Searched in the decoded query string values, e.g. a part of a SOQL text."""
    body: str = ""
    skip: int = 0
    """Let that many matching requests pass first."""
    count: int | None = 1
    """Then match so many; None is for ever."""
    seen: int = 0

    def take(self, request: Request) -> bool:
        """Whether this request is one of those meant; counts it."""
        if not self._fits(request):
            return False
        self.seen += 1
        return self.seen > self.skip and (self.count is None or self.seen <= self.skip + self.count)

    def _fits(self, request: Request) -> bool:
        values = " ".join(value for values in request.query.values() for value in values)
        return (
            (not self.crm or self.crm == request.crm)
            and (not self.method or re.fullmatch(self.method, request.method) is not None)
            and re.search(self.path, request.path) is not None
            and re.search(self.query, values) is not None
            and (not self.body or re.search(self.body, request.body.decode("utf-8", "replace")) is not None)
        )


@dataclass
class Fault:
    """One way to fail.

    kind          | meaning
    status        | answer `status` with `body` (text or JSON value) and `headers`
    html          | an HTML page with `status` (200 allowed)
    empty         | `status` and no body at all
    wrong_json    | 200 and JSON of another shape
    cut           | half of the real body with the right Content-Length, then the connection is closed
    drop_before   | the connection is closed, nothing happened
    drop_after    | the effect happens, the connection is closed without an answer
    delay         | the effect happens, the answer comes `seconds` later (real time)
    hang          | no answer for `seconds` (real time, default 60), no effect, then the connection is closed
    drip          | the real answer in ten pieces over `seconds`

    `after=True` lets status, html, empty and wrong_json happen after the effect instead of in place of it.
    """

    kind: str
    match: Match = field(default_factory=Match)
    status: int = 500
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 1.0
    after: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"fault kind {self.kind!r}, expected one of {', '.join(KINDS)}")

    @property
    def spares_effect(self) -> bool:
        """The request is never handled."""
        return self.kind in ("drop_before", "hang") or (
            self.kind in ("status", "html", "empty", "wrong_json") and not self.after
        )

    def response(self) -> Response:
        """The spoilt answer of the kinds that have one of their own."""
        if self.kind == "html":
            page = "<html><head><title>Bad Message</title></head><body><h1>Bad Message</h1></body></html>"
            return Response.text(str(self.body) or page, self.status, "text/html;charset=utf-8")
        if self.kind == "empty":
            return Response(self.status, b"", dict(self.headers))
        if self.kind == "wrong_json":
            return Response.json({"unexpected": [1, 2, 3]}, 200, self.headers)
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return Response(self.status, text.encode("utf-8"), dict(self.headers), JSON)


class Faults:
    """The armed faults; several can be armed, the first that matches is taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def arm(
        self,
        kind: str,
        *,
        crm: str = "",
        method: str = "",
        path: str = "",
        query: str = "",
        body_match: str = "",
        skip: int = 0,
        count: int | None = 1,
        status: int = 500,
        body: Any = "",
        headers: dict[str, str] | None = None,
        seconds: float = 1.0,
        after: bool = False,
    ) -> Fault:
        """Arm one; the first five keywords say which requests, the rest what happens to them."""
        match = Match(crm, method, path, query, body_match, skip, count)
        fault = Fault(kind, match, status, body, headers or {}, seconds, after)
        with self._lock:
            self._armed.append(fault)
        return fault

    def rate_limit(
        self, policy: str, *, path: str = "", count: int | None = 1, retry_after: int | None = None
    ) -> Fault:
        """A HubSpot 429 of that policy: TEN_SECONDLY_ROLLING, SECONDLY or DAILY."""
        name = {"TEN_SECONDLY_ROLLING": "ten_secondly_rolling", "SECONDLY": "secondly", "DAILY": "daily"}[
            policy
        ]
        body = {
            "status": "error",
            "message": f"You have reached your {name} limit.",
            "errorType": "RATE_LIMIT",
            "correlationId": "f7a1c3de-6f20-4a55-9d8c-0f8f8d9f2b11",
            "policyName": policy,
            "groupName": "publicapi:private-apps-api-calls-oauth:1",
        }
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return self.arm(
            "status", crm="hubspot", path=path, count=count, status=429, body=body, headers=headers
        )

    def salesforce_error(
        self,
        status: int,
        code: str,
        message: str = "",
        *,
        method: str = "",
        path: str = "",
        count: int | None = 1,
    ) -> Fault:
        """An answer in Salesforce's error shape."""
        body = [{"message": message or code, "errorCode": code}]
        return self.arm(
            "status", crm="salesforce", method=method, path=path, count=count, status=status, body=body
        )

    def take(self, request: Request) -> Fault | None:
        """The fault for this request, if any. Every armed fault counts the request."""
        with self._lock:
            taken = [fault for fault in self._armed if fault.match.take(request)]
            return taken[0] if taken else None

    def disarm(self) -> None:
        with self._lock:
            self._armed.clear()


class Steps:
    """Callables that run at the n-th matching request; each gets the request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: list[tuple[str, Match, Callable[[Request], None]]] = []

    def before(self, match: Match, action: Callable[[Request], None]) -> None:
        """Run `action` before the request is handled."""
        self._add("before", match, action)

    def after(self, match: Match, action: Callable[[Request], None]) -> None:
        """Run `action` after the request had its effect, before its answer leaves."""
        self._add("after", match, action)

    def run(self, when: str, request: Request) -> None:
        with self._lock:
            due = [action for moment, match, action in self._steps if moment == when and match.take(request)]
        for action in due:
            action(request)

    def clear(self) -> None:
        with self._lock:
            self._steps.clear()

    def _add(self, when: str, match: Match, action: Callable[[Request], None]) -> None:
        with self._lock:
            self._steps.append((when, match, action))
