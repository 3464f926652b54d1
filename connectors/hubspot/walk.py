"""Every row of an object, once by listing, then by windows of change. The road that all object feeds take.

First pass: the listing, 100 a page. T, the server's clock at its first page, is kept in the cursor; when
the listing ends, everything up to T is stored, and the next pass asks for what changed since.

Later passes: a search for rows modified in [since − overlap, T], sorted by id, each page asking for ids
above the last one. Paging by offset (`after`) loses rows while records change; this does not, and it knows
neither the limit of 10,000 results nor ties. T is the Date of the window's first reply. Once an hour the
last two hours are read again, because the search index may show a change late.

Sources: HubSpot's "Search the CRM" and "Objects API" pages; property-history and lag findings of public
extractors (second read an hour later).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec

from connectors.errors import BrokenReply, RecordRejected
from connectors.hubspot.account import Account, Answer
from connectors.hubspot.reader import Batch, ObjectPage, id_of
from connectors.hubspot.records import modified_property, url_length
from connectors.hubspot.replies import CRM
from connectors.records import Cursor

LIST_PAGE: Final = 100
SEARCH_PAGES: Final = (200, 100)  # the larger where the server takes it (older limits were 100)
BATCH_READ: Final = 100
URL_ROOM: Final = 4500  # characters of a URL for property names; servers refuse above about 8,000
OVERLAP: Final = 300  # seconds read again in every window
DEEP_EVERY: Final = 3600  # seconds between two re-reads for a late index
DEEP: Final = 7200  # seconds that such a re-read goes back
BY_OFFSET: Final = "offset:"  # a position that is the server's token, not an id


class Step(NamedTuple):
    """One page of rows and where to go on after it; the last step of a pass has `complete` set."""

    rows: Sequence[msgspec.Raw]
    cursor: Cursor
    server_ms: int
    complete: bool


class Walk:
    """One object of one account, asking for `properties` (none: ids alone)."""

    def __init__(
        self, account: Account, object_name: str, properties: Sequence[str], overlap: int = OVERLAP
    ) -> None:
        self._account = account
        self._object = object_name
        self._properties = tuple(properties)
        self._overlap = overlap
        self._search_page = SEARCH_PAGES[0]

    def steps(self, cursor: Cursor | None) -> Iterator[Step]:
        """From `cursor` to the server's present."""
        if cursor is None or cursor.since_ms is None:
            yield from self._listing(cursor or Cursor())
        else:
            yield from self._window(cursor, cursor.since_ms)

    # The first pass

    def _listing(self, cursor: Cursor) -> Iterator[Step]:
        until, after = cursor.until_ms, cursor.position
        while True:
            answer, after_was = self._list_or_restart(after), after
            until = until if until is not None else answer.server_ms
            after = answer.value.after
            if after is not None and after == after_was:
                raise BrokenReply(f"the listing of {self._object} goes in circles", crm=CRM, code="circle")
            rows = self.filled(answer.value.results)
            if after is None:
                state = {**state_of(cursor), "deep": until}
                yield Step(rows, Cursor(since_ms=until, state=state_text(state)), answer.server_ms, True)
                return
            going_on = Cursor(until_ms=until, position=after, state=cursor.state)
            yield Step(rows, going_on, answer.server_ms, False)

    def _list_or_restart(self, after: str | None) -> Answer:
        """A page of the listing; from its start when the server no longer knows a stored token."""
        try:
            return self.list_page(after)
        except RecordRejected:
            if after is None:
                raise
            return self.list_page(None)

    def list_page(self, after: str | None, *, archived: bool = False) -> Answer:
        """One page of the listing of living (or archived) rows."""
        query = [("limit", str(LIST_PAGE)), ("archived", "true" if archived else "false")]
        if self._properties and self._fits:
            query.append(("properties", ",".join(self._properties)))
        if after is not None:
            query.append(("after", after))
        return self._account.read(ObjectPage, "objects", query=query, object=self._object)

    @property
    def _fits(self) -> bool:
        return url_length(self._properties) <= URL_ROOM

    def filled(self, rows: Sequence[msgspec.Raw]) -> Sequence[msgspec.Raw]:
        """Rows of the listing with all properties: too many for a URL are read by a batch.

        A row that the batch does not bring (gone in between) is dropped: the archived listing has it.
        """
        if self._fits or not rows:
            return rows
        ids = [record_id for raw in rows if (record_id := id_of(raw))]
        lost = [raw for raw in rows if not id_of(raw)]
        return [*self.batch(ids), *lost]

    def batch(self, ids: Sequence[str]) -> list[msgspec.Raw]:
        """The rows of these ids, those that exist, in any order."""
        found: list[msgspec.Raw] = []
        for start in range(0, len(ids), BATCH_READ):
            body = {
                "inputs": [{"id": record_id} for record_id in ids[start : start + BATCH_READ]],
                "properties": list(self._properties),
            }
            answer = self._account.read(Batch, "batch_read", body=body, object=self._object)
            found += answer.value.results
        return found

    # Later passes

    def _window(self, cursor: Cursor, since: int) -> Iterator[Step]:
        state, until, position = state_of(cursor), cursor.until_ms, cursor.position
        if until is None or "from" not in state:
            state["from"] = self._lower_bound(state, since)
        lower = int(state["from"])
        while True:
            answer = self._search(lower, until, position)
            page: ObjectPage = answer.value
            until = until if until is not None else answer.server_ms
            position = self._next_position(page, position)
            if position is None:
                state = {**state, "deep": until} if lower <= since - DEEP * 1000 else state
                state.pop("from")
                done = Cursor(since_ms=max(since, until), state=state_text(state))
                yield Step(page.results, done, answer.server_ms, True)
                return
            going_on = Cursor(since_ms=since, until_ms=until, position=position, state=state_text(state))
            yield Step(page.results, going_on, answer.server_ms, False)

    def _lower_bound(self, state: Mapping[str, Any], since: int) -> int:
        now = self._account.server_now_ms()
        if now - int(state.get("deep", 0)) >= DEEP_EVERY * 1000:
            return since - max(DEEP, self._overlap) * 1000
        return since - self._overlap * 1000

    def _next_position(self, page: ObjectPage, position: str | None) -> str | None:
        """Where the window goes on: the last id of the page; None at the end.

        A server that does not sort by id, or ignores the bound, is read by offset from the window's start:
        the only road left there, with the losses it may have under edits; the re-reads make up for them.
        """
        if not page.results or (page.after is None and (page.total or 0) <= len(page.results)):
            return None
        if position is not None and position.startswith(BY_OFFSET):
            going_on = BY_OFFSET + (page.after or "")
            if page.after is None or going_on == position:
                raise BrokenReply(f"the search of {self._object} goes in circles", crm=CRM, code="circle")
            return going_on
        ids = [int(found) for raw in page.results if (found := id_of(raw)).isdigit()]
        above = int(position) if position is not None else -1
        if ids and ids[0] > above and all(one < other for one, other in pairwise(ids)):
            return str(ids[-1])
        return BY_OFFSET

    def _search(self, lower: int, until: int | None, position: str | None) -> Answer:
        try:
            return self._search_once(lower, until, position)
        except RecordRejected:
            if self._search_page == SEARCH_PAGES[-1]:
                raise
            self._search_page = SEARCH_PAGES[-1]
            return self._search_once(lower, until, position)

    def _search_once(self, lower: int, until: int | None, position: str | None) -> Answer:
        modified = modified_property(self._object)
        filters = [_filter(modified, "GTE", lower)]
        if until is not None and position is not None:
            filters.append(_filter(modified, "LTE", until + 999))  # Date has whole seconds
        body: dict[str, Any] = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(self._properties),
            "limit": self._search_page,
        }
        if position is not None and position.startswith(BY_OFFSET):
            token = position.removeprefix(BY_OFFSET)
            body |= {"after": token} if token else {}
        elif position is not None:
            filters.append(_filter("hs_object_id", "GT", position))
        return self._account.read(ObjectPage, "search", body=body, object=self._object)


def state_of(cursor: Cursor) -> dict[str, Any]:
    """The cursor's own notes; empty when there are none."""
    found = json.loads(cursor.state) if cursor.state else {}
    return found if isinstance(found, dict) else {}


def state_text(state: Mapping[str, Any]) -> str | None:
    """Notes as the cursor stores them."""
    return json.dumps(state, separators=(",", ":"), sort_keys=True) if state else None


def _filter(name: str, operator: str, value: object) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": str(value)}
