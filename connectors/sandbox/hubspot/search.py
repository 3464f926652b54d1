"""Search (docs: CRM API, search): OR of ANDs, 200 a page, at most 10,000 results, an index that may be late.

Group limits follow the docs: 5 groups, 6 filters each, 18 in all. Archived records are never found. The index
lag is a switch: a record changed within it is found as it was before, a new one not at all.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connectors.sandbox.core import Response
from connectors.sandbox.hubspot.calls import Call, an_object, number, objects_in, texts_in
from connectors.sandbox.hubspot.errors import error
from connectors.sandbox.hubspot.filters import Filter, parse_filter, sort_key
from connectors.sandbox.hubspot.schema_types import ObjectType
from connectors.sandbox.store import Record

PAGE_LIMIT = 200
RESULT_LIMIT = 10_000
MAX_QUERY = 3_000  # characters
_CACHED = 8  # queries whose matches are kept

Groups = list[list[Filter]]


@dataclass(slots=True)
class Query:
    """A search request that has been read. `offset` counts results."""

    groups: Groups
    text: str
    sort: str
    descending: bool
    offset: int
    limit: int
    names: list[str]


class Searcher:
    """Answers searches; keeps the matches of the last queries, by table revision."""

    def __init__(self) -> None:
        self._kept: dict[str, list[int]] = {}

    def search(self, call: Call, type_name: str) -> Response:
        """POST …/search."""
        kind = call.kind(type_name)
        query = _read(kind, call.body(), call.portal.switches.hs_search_filters)
        rows = call.portal.table(kind).rows
        ids, total = self._matches(call, kind, query)
        page = ids[query.offset : min(query.offset + query.limit, RESULT_LIMIT)]
        results = [call.render.record(kind, rows[str(number)], query.names) for number in page]
        answer: dict[str, Any] = {"total": total, "results": results}
        following = query.offset + len(page)
        if following < total:
            answer["paging"] = {"next": {"after": str(following)}}
        return Response.json(answer)

    def _matches(self, call: Call, kind: ObjectType, query: Query) -> tuple[list[int], int]:
        """Ids in the asked order, and how many match."""
        above, groups = _without_id_bound(query)
        ids = self._found(call, kind, groups, query.text)
        if query.sort != "hs_object_id":
            rows = call.portal.table(kind).rows
            prop = kind.properties.get(query.sort)
            key = sort_key(prop)
            value = call.render.value
            ids = sorted(ids, key=lambda number: key(value(kind, rows[str(number)], query.sort)))
        elif above is not None:
            ids = ids[bisect_right(ids, above) :]
        if query.descending:
            ids = ids[::-1]
        return ids, len(ids)

    def _found(self, call: Call, kind: ObjectType, groups: Groups, text: str) -> list[int]:
        """Matching ids, ascending; kept while nothing in the table changes."""
        portal = call.portal
        lag = portal.switches.hs_search_lag
        table = portal.table(kind)
        key = json.dumps([kind.plural, table.revision, text, [[f.key for f in group] for group in groups]])
        if not lag and key in self._kept:
            return self._kept[key]
        seen = _Index(call, kind, lag)
        found = [
            number
            for number in portal.sorted_ids(kind)
            if not (record := table.rows[str(number)]).gone and seen.matches(record, groups, text)
        ]
        if not lag:
            while len(self._kept) >= _CACHED:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = found
        return found


class _Index:
    """Records as the search index knows them, `lag` seconds behind."""

    def __init__(self, call: Call, kind: ObjectType, lag: float) -> None:
        self._call = call
        self._kind = kind
        self._horizon = call.portal.core.clock() - lag if lag else float("inf")

    def matches(self, record: Record, groups: Groups, text: str) -> bool:
        if record.created > self._horizon:
            return False
        value = self._now if record.modified <= self._horizon else self._before
        if text and not self._contains(record, text.lower(), value):
            return False
        return not groups or any(all(one.holds(value(record, one.name)) for one in group) for group in groups)

    def _now(self, record: Record, name: str) -> str | None:
        return self._call.render.value(self._kind, record, name)

    def _before(self, record: Record, name: str) -> str | None:
        """A value as it was at the horizon."""
        if name == self._kind.modified:
            moments = [
                version.at
                for versions in (record.versions or {}).values()
                for version in versions
                if version.at <= self._horizon
            ]
            return self._call.render.time(max([record.created, *moments]))
        changed = (record.versions or {}).get(name)
        if changed is None:
            return self._now(record, name)
        known = [version.value for version in changed if version.at <= self._horizon]
        value: str | None = known[-1] if known else None
        return value

    def _contains(self, record: Record, text: str, value: Callable[[Record, str], str | None]) -> bool:
        return any(text in (value(record, name) or "").lower() for name in self._kind.searched)


def _without_id_bound(query: Query) -> tuple[int | None, Groups]:
    """A lone `hs_object_id GT n` of a single group is taken out: keyset pages share one set of matches."""
    if len(query.groups) != 1 or query.sort != "hs_object_id":
        return None, query.groups
    bounds = [one for one in query.groups[0] if one.name == "hs_object_id" and one.operator == "GT"]
    if len(bounds) != 1 or not bounds[0].value.isdigit():
        return None, query.groups
    rest = [one for one in query.groups[0] if one is not bounds[0]]
    return int(bounds[0].value), [rest] if rest else []


def _read(kind: ObjectType, body: dict[str, Any], most: tuple[int, int, int]) -> Query:
    sort, descending = _sort(kind, body.get("sorts"))
    return Query(
        _groups(kind, body, most),
        _text(body.get("query")),
        sort,
        descending,
        _offset(body.get("after")),
        _limit(body.get("limit")),
        texts_in(body.get("properties"), "properties"),
    )


def _groups(kind: ObjectType, body: dict[str, Any], most: tuple[int, int, int]) -> Groups:
    raw = objects_in(body.get("filterGroups"), "filterGroups")
    if body.get("filters"):
        raw = [*raw, {"filters": body["filters"]}]
    filters = [objects_in(group.get("filters"), "filters") for group in raw]
    groups = [[parse_filter(kind, item) for item in group] for group in filters]
    if len(groups) > most[0]:
        raise error(400, f"Too many filterGroups: {len(groups)}, at most {most[0]} are allowed")
    if any(len(group) > most[1] for group in groups) or sum(map(len, groups)) > most[2]:
        raise error(400, f"Too many filters: at most {most[1]} a group and {most[2]} in all")
    return [group for group in groups if group]


def _sort(kind: ObjectType, sorts: Any) -> tuple[str, bool]:
    """(property, descending) of the one sort that is allowed; without one, the oldest record comes first."""
    if not sorts:
        return "hs_object_id", False
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise error(400, "Only one sort is supported")
    if isinstance(sorts[0], str):
        name, descending = sorts[0].lstrip("-"), sorts[0].startswith("-")
    else:
        sort = an_object(sorts[0], "sorts")
        name = str(sort.get("propertyName", ""))
        descending = str(sort.get("direction", "ASCENDING")).upper() == "DESCENDING"
    if name not in kind.properties:
        raise error(400, f"There was a problem with the request: unknown sort property {name}")
    return name, descending


def _text(query: Any) -> str:
    text = str(query or "")
    if len(text) > MAX_QUERY:
        raise error(400, f"query is longer than {MAX_QUERY} characters")
    return text.strip()


def _offset(after: Any) -> int:
    """`after` comes as a number or as text."""
    offset = number(after, "after")
    if offset < 0 or offset >= RESULT_LIMIT:
        raise error(400, f"The after value {offset} is past the first {RESULT_LIMIT} results of a search")
    return offset


def _limit(limit: Any) -> int:
    size = number(limit, "limit", 10)
    if not 0 <= size <= PAGE_LIMIT:
        raise error(400, f"The limit must be between 0 and {PAGE_LIMIT}, was {size}")
    return size
