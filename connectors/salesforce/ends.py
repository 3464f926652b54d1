"""What is asked before a window is read: its proven end, and before the first one how many rows there are.

Both in one call, as parts of a composite request, which counts as one whatever is in it. Where the org, or a
server that stands for it, does not answer that, each is asked by itself when it is needed.

Sources: REST API Developer Guide, "sObject Get Updated" and "Composite" (resources under /sobjects and /query
may be parts).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from connectors.errors import Fatal, NotOffered, RecordRejected, Retriable, RightMissing
from connectors.salesforce import soql
from connectors.salesforce.api import Api
from connectors.salesforce.feeds import Spec
from connectors.salesforce.schema import Schema
from connectors.salesforce.values import parse_ms, soql_datetime

LOOK_BACK_MS: Final = 3600 * 1000
"""The span asked of getUpdated. Its ids are not used, so short is cheap; no transaction lives that long."""

OLDEST_TRANSACTION_MS: Final = 24 * 3600 * 1000
"""A latestDateCovered further back than this is no answer."""

UPDATED: Final = "updated"
COUNT: Final = "count"


class End(NamedTuple):
    """`covered_ms`: latestDateCovered for the present; None where it is not offered, or cannot be.
    `rows`: how many live rows the object has; None where that was not asked, or not told.
    """

    covered_ms: int | None = None
    rows: int | None = None


class Ends:
    """One per connector; keeps only what the org was found not to offer."""

    def __init__(self, api: Api, schema: Schema) -> None:
        self._api = api
        self._schema = schema
        self._without_get_updated: set[str] = set()
        self._composite = True

    def proven(self, spec: Spec, until_ms: int | None, *, counted: bool = False) -> End:
        """The proven end of a window that is to end at `until_ms`. One call; `counted`: with the number of
        rows, if that takes none more."""
        if until_ms is None or spec.object in self._without_get_updated:
            return End()
        span = {"start": soql_datetime(until_ms - LOOK_BACK_MS), "end": soql_datetime(until_ms)}
        answer, rows = None, None
        try:
            if not self._schema.describe(spec.object).replicateable:
                raise NotOffered(f"{spec.object} is not replicated", what=spec.object)
            if counted and self._composite:
                answer, rows = self._both(spec, span)
            if answer is None:
                answer = self._api.replicated(spec.object, UPDATED, span)
        except (NotOffered, RightMissing, RecordRejected, Fatal):
            self._without_get_updated.add(spec.object)
            return End(None, rows)
        covered = parse_ms(answer.get("latestDateCovered")) if isinstance(answer, dict) else None
        if covered is None or covered < until_ms - OLDEST_TRANSACTION_MS:
            return End(None, rows)
        return End(min(covered, until_ms), rows)

    def _both(self, spec: Spec, span: Mapping[str, str]) -> tuple[Any, int | None]:
        """What getUpdated says, and how many rows there are; None for what was not told. One call."""
        count = soql.select((soql.COUNT,), spec.object, [spec.where])
        parts = [
            self._part(UPDATED, f"sobjects/{spec.object}/{UPDATED}/", span),
            self._part(COUNT, "query", {"q": count}),
        ]
        try:
            answer = self._api.post("composite", {"allOrNone": False, "compositeRequest": parts})
        except (NotOffered, RightMissing, RecordRejected, Retriable, Fatal):
            answer = None
        bodies = _answers(answer)
        counted = bodies.get(COUNT)
        rows = counted.get("totalSize") if isinstance(counted, dict) else None
        self._composite = bool(bodies)
        return bodies.get(UPDATED), rows if type(rows) is int else None

    def _part(self, name: str, path: str, params: Mapping[str, str]) -> dict[str, str]:
        query = urlencode(params, quote_via=quote)
        return {"method": "GET", "url": f"{self._api.version_path}/{path}?{query}", "referenceId": name}


def _answers(body: Any) -> dict[str, Any]:
    """referenceId → body of the parts that were answered well; what is not as documented is left out."""
    entries = body.get("compositeResponse") if isinstance(body, dict) else None
    return {
        entry["referenceId"]: entry.get("body")
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
        and isinstance(entry.get("referenceId"), str)
        and entry.get("httpStatusCode") == 200
    }


def rows_left(count: int | None, read: int) -> int | None:
    """About how many rows are still to come, where so many of `count` are read."""
    return None if count is None else max(0, count - read)


def page_limit(count: int | None, read: int) -> int:
    """The most rows of the next page, where so many of `count` are read: as many as an answer holds.

    Where it will be the last one, by the count, it is asked for one more: only a page with fewer rows than
    were asked for is known to be the last. Did the count mislead, a cursor is left open once.
    """
    ends = count is not None and read > 0 and 0 < count - read <= soql.PAGE_ROWS
    return soql.PAGE_ROWS + 1 if ends else soql.PAGE_ROWS
