"""Other tongues of the documented APIs: what a server may write differently and still be right.

A dialect rewrites what the sandbox answers, before it leaves. The words stay those of the vendors'
references: fields that are optional there go or are null, numbers stand for their text, times have another
of the allowed forms, and there is more than was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from connectors.sandbox.core import Request, Response
from connectors.sandbox.sandbox import Sandbox

Rewrite = Callable[[Request, Response], Response]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+0000)")


@contextmanager
def speaking(sandbox: Sandbox, crm: str, rewrite: Rewrite) -> Iterator[None]:
    """While this lasts, that CRM answers in the dialect."""
    half: Any = getattr(sandbox, crm)
    plain = half.handle
    half.handle = lambda request: rewrite(request, plain(request))
    try:
        yield
    finally:
        half.handle = plain


def on_json(change: Callable[[Request, Any], Any]) -> Rewrite:
    """A dialect that changes the decoded body of successes."""

    def rewrite(request: Request, response: Response) -> Response:
        if not 200 <= response.status < 300 or "json" not in response.content_type or not response.body:
            return response
        body = change(request, json.loads(response.body))
        return Response.json(body, response.status, response.headers)

    return rewrite


def everywhere(value: Any, change: Callable[[dict[str, Any]], None]) -> Any:
    """The value, each object in it changed in place, the innermost first."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        everywhere(one, change)
    if isinstance(value, dict):
        change(value)
    return value


def times(spell: Callable[[datetime], Any]) -> Callable[[Any], Any]:
    """Rewrites every time in a value."""

    def rewrite(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: rewrite(one) for name, one in value.items()}
        if isinstance(value, list):
            return [rewrite(one) for one in value]
        if isinstance(value, str) and _TIME.fullmatch(value):
            return spell(datetime.fromisoformat(value))
        return value

    return rewrite


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def with_offset(moment: datetime) -> str:
    """ISO 8601 with `+00:00` and six digits."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def refusing(path: str, status: int, body: Any = "") -> Rewrite:
    """Paths that the server lacks, or refuses."""

    def rewrite(request: Request, response: Response) -> Response:
        if re.search(path, request.path) is None:
            return response
        if isinstance(body, str):
            return Response.text(body, status, "text/html")
        return Response.json(body, status)

    return rewrite


def both(one: Rewrite, other: Rewrite) -> Rewrite:
    """The first, then the other."""
    return lambda request, response: other(request, one(request, response))


def unchanged(_: Request, response: Response) -> Response:
    """The sandbox's own tongue."""
    return response
