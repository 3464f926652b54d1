"""Every row of an object, once by listing, then by windows of change. The road that all object feeds take.

First pass: the listing, 100 a page; when there is much of it, list and search by many readers (`parallel`).
T, the server's clock at its first page, is kept in the cursor; when all is read, everything up to T is
stored, and the next pass asks for what changed since.

Later passes: a search for rows modified in [since − overlap, T], sorted by id, each page asking for ids
above the last one. Paging by offset (`after`) loses rows while records change; this does not, and it knows
neither the limit of 10,000 results nor ties. T is the Date of the window's first reply. Once an hour the
last two hours are read again, because the search index may show a change late. An account whose search may
not be used is listed anew instead: each time while that takes few pages, else once an hour.

Sources: HubSpot's "Search the CRM" and "Objects API" pages; property-history and lag findings of public
extractors (second read an hour later).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from connectors.errors import (
    AuthFailed,
    BrokenReply,
    ConnectorError,
    Fatal,
    NotOffered,
    QuotaSpent,
    RecordRejected,
    RightMissing,
)
from connectors.hubspot.account import Account, Answer
from connectors.hubspot.naming import Naming, in_query, tells_properties
from connectors.hubspot.parallel import (
    LIST_PAGE,
    MISSING,
    SEARCH_PAGE,
    FirstSync,
    ParallelPass,
    Plan,
    UnprovenError,
    ascending,
    ids_of,
    resumed,
    survey,
)
from connectors.hubspot.reader import Batch, ObjectPage, id_of
from connectors.hubspot.records import modified_property, url_length
from connectors.hubspot.replies import CRM
from connectors.hubspot.steps import Step, state_of, state_text
from connectors.records import Cursor

SEARCH_PAGES: Final = (SEARCH_PAGE, 100)  # the larger where the server takes it (older limits were 100)
BATCH_READ: Final = 100
URL_ROOM: Final = 4500  # characters of a URL for property names; servers refuse above about 8,000
TOO_LONG: Final = (414, 431)  # statuses of a URL, or of a URL and headers, beyond a server's limit
OVERLAP: Final = 300  # seconds read again in every window
DEEP_EVERY: Final = 3600  # seconds between two re-reads for a late index
DEEP: Final = 7200  # seconds that such a re-read goes back
BY_OFFSET: Final = "offset:"  # a position that is the server's token, not an id
LISTED: Final = "listed"  # in the cursor: [rows, first id, last id] of a listing that goes up by id
RELIST_PAGES: Final = 20  # a listing of so few pages may stand for each search that is not offered
RELIST_EVERY: Final = 3600  # seconds between two longer ones
RELISTED: Final = "relisted"  # in the cursor: [when an account without a search was listed, its pages]
PLAIN: Final = "plain"  # in the cursor: this pass is read by one list cursor to its end


class Walk:
    """One object of one account, asking for `properties` (none: ids alone)."""

    def __init__(
        self,
        account: Account,
        object_name: str,
        properties: Sequence[str],
        overlap: int = OVERLAP,
        first: FirstSync | None = None,
    ) -> None:
        """`first`: how a first pass goes parallel; None: never."""
        self._account = account
        self._object = object_name
        self._properties = tuple(properties)
        self._overlap = overlap
        self._first = first
        self._search_page = SEARCH_PAGES[0]
        self.round_trip = 0.0  # seconds that the last page of the listing took

    def steps(self, cursor: Cursor | None) -> Iterator[Step]:
        """From `cursor` to the server's present."""
        if cursor is None or cursor.since_ms is None:
            yield from self._beginning(cursor or Cursor())
            return
        try:
            yield from self._window(cursor, cursor.since_ms)
        except (NotOffered, RightMissing, RecordRejected):  # raised before the step it would have made
            yield from self._relisted(cursor)

    # The first pass

    def _beginning(self, cursor: Cursor) -> Iterator[Step]:
        """By one list cursor; by many readers, when there is much to read; by one again, when that fails."""
        notes, until, plan = state_of(cursor), cursor.until_ms, None
        if MISSING in notes and until is not None:
            plan = resumed(self, cursor, notes) if self._first is not None else None
            cursor = cursor if plan is not None else Cursor(until_ms=until, state=state_text({PLAIN: True}))
        if plan is None:
            for step in self._listing(cursor):
                if not isinstance(step, Step):
                    plan, until = step
                    break
                yield step
        if plan is None or until is None or self._first is None:
            return
        try:
            yield from ParallelPass(self._account, self, self._first, plan, until, notes).steps()
        except UnprovenError:
            again = Cursor(until_ms=until, state=state_text({PLAIN: True}))
            yield from (step for step in self._listing(again) if isinstance(step, Step))

    def _listing(self, cursor: Cursor) -> Iterator[Step | tuple[Plan, int]]:
        """One list cursor's pages. A plan with T, as the last item, says how to go on from there."""
        until, after = cursor.until_ms, cursor.position
        notes, pages = state_of(cursor), 0
        while True:
            answer, after_was = self._list_or_restart(after), after
            page: ObjectPage = answer.value
            until = until if until is not None else answer.server_ms
            after, pages = page.after, pages + 1
            if after is not None and after == after_was:
                raise BrokenReply(f"the listing of {self._object} goes in circles", crm=CRM, code="circle")
            rows = self.filled(page.results)
            if after is None:
                state = {name: note for name, note in notes.items() if name not in (LISTED, PLAIN)}
                done = Cursor(since_ms=until, state=state_text({**state, "deep": until}))
                yield Step(rows, done, answer.server_ms, True)
                return
            self._note_listed(notes, page, after_was)
            yield Step(rows, Cursor(None, until, after, state_text(notes)), answer.server_ms, False)
            if self._first is not None and pages == self._first.pages and LISTED in notes:
                count, lowest, low = notes[LISTED]
                plan = survey(self, self._first, count, low, after, count / max(1, low - lowest))
                if plan is not None:
                    yield plan, until
                    return

    def _note_listed(self, notes: dict[str, Any], page: ObjectPage, after_was: str | None) -> None:
        """Keep in `notes` how far the listing has come, as long as its ids go up."""
        if self._first is None or PLAIN in notes:
            return
        ids = ids_of(page.results)
        count, lowest, low = notes.pop(LISTED, (0, ids[0] if ids else 0, -1))
        if ids and ascending(ids, low) and (after_was is None or low >= 0):
            notes[LISTED] = [count + len(ids), lowest, ids[-1]]

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
        account = self._account
        query = [("limit", str(LIST_PAGE)), ("archived", "true" if archived else "false")]
        if after is not None:
            query.append(("after", after))

        def ask(naming: Naming) -> Answer:
            named = in_query(self._properties, naming) if self._fits else []
            return account.read(ObjectPage, "objects", query=[*query, *named], object=self._object)

        started = account.world.monotonic()
        try:
            answer = ask(account.naming or Naming.JOINED)
        except Fatal as error:
            if error.status not in TOO_LONG or not self._properties or not self._fits:
                raise
            account.naming = Naming.BATCH  # a server with less room for names than others
            answer = ask(Naming.BATCH)
        self.round_trip = account.world.monotonic() - started
        known = account.naming is not None or archived or self._object in account.unnamed
        return answer if known or not self._fits else self._named(answer, ask)

    def _named(self, answer: Answer, ask: Callable[[Naming], Answer]) -> Answer:
        """The first page that could have properties: in what way does this server take their names?

        Where no way brings any, they may all be empty; another object will tell.
        """
        told = tells_properties(answer.value.results, self._properties)
        if told is None:
            return answer
        if told:
            self._account.naming = Naming.JOINED
            return answer
        self._account.unnamed.add(self._object)
        try:
            other = ask(Naming.APART)
            if tells_properties(other.value.results, self._properties):
                self._account.naming = Naming.APART
                return other
            ids = [record_id for raw in answer.value.results if (record_id := id_of(raw))]
            if tells_properties(self.batch(ids), self._properties):
                self._account.naming = Naming.BATCH
        except (AuthFailed, QuotaSpent):
            raise
        except ConnectorError:
            pass  # what cannot be asked tells nothing
        return answer

    @property
    def _fits(self) -> bool:
        """Whether the listing itself brings the properties."""
        return self._account.naming is not Naming.BATCH and url_length(self._properties) <= URL_ROOM

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

    def _relisted(self, cursor: Cursor) -> Iterator[Step]:
        """All rows once more, by the listing, whose own errors say what then is lacking."""
        state = state_of(cursor)
        when, pages = state.get(RELISTED, (0, 0))
        now = self._account.server_now_ms()
        if pages > RELIST_PAGES and now - when < RELIST_EVERY * 1000:
            yield Step((), Cursor(cursor.since_ms, state=cursor.state), now, True)
            return
        number = 0
        for step in self._listing(Cursor(state=state_text({PLAIN: True}))):
            if not isinstance(step, Step):
                continue
            number += 1
            if not step.complete:
                yield step
                continue
            notes = {**state_of(step.cursor), RELISTED: (now, number)}
            yield step._replace(cursor=Cursor(step.cursor.since_ms, state=state_text(notes)))

    def _window(self, cursor: Cursor, since: int) -> Iterator[Step]:
        state, until, position = state_of(cursor), cursor.until_ms, cursor.position
        if until is None or "from" not in state:
            state["from"] = self._lower_bound(state, since)
        lower = int(state["from"])
        more = False
        while True:
            answer = self._search(lower, until, position)
            page: ObjectPage = answer.value
            until = until if until is not None else answer.server_ms
            position, more = self._next_position(page, position, more), page.after is not None
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

    def _next_position(self, page: ObjectPage, position: str | None, more: bool) -> str | None:
        """Where the window goes on: the last id of the page; None at the end. `more`: the page before said
        that another follows.

        A server that does not sort by id, ignores the bound, or finds nothing by it, is read by offset from
        the window's start: the only road left there, with the losses it may have under edits; the re-reads
        make up for them.
        """
        if position is not None and position.startswith(BY_OFFSET):
            return self._next_offset(page, position)
        if not page.results and more:
            return BY_OFFSET
        if page.is_last:
            return None
        ids = [int(found) for raw in page.results if (found := id_of(raw)).isdecimal()]
        above = int(position) if position is not None else -1
        if ids and ids[0] > above and all(one < other for one, other in pairwise(ids)):
            return str(ids[-1])
        return BY_OFFSET

    def _next_offset(self, page: ObjectPage, position: str) -> str | None:
        """The same by offset: the server's token, as long as it gives one; the total counts what was read."""
        before = position.removeprefix(BY_OFFSET)
        known = before.isdecimal() or not before
        read = (int(before) if before.isdecimal() else 0) + len(page.results)
        if page.after is None and (page.total is None or not known or page.total <= read):
            return None
        if page.after is None or page.after == before:
            raise BrokenReply(f"the search of {self._object} goes in circles", crm=CRM, code="circle")
        return BY_OFFSET + page.after

    def search_above(self, low: int, *, descending: bool = False) -> Answer:
        """A page of living rows with ids above `low`, by the search: the lowest first, or the highest."""
        return self._sized(
            {
                "filterGroups": [{"filters": [_filter("hs_object_id", "GT", low)]}],
                "sorts": [
                    {
                        "propertyName": "hs_object_id",
                        "direction": "DESCENDING" if descending else "ASCENDING",
                    }
                ],
                "properties": list(self._properties),
            }
        )

    def _sized(self, body: dict[str, Any]) -> Answer:
        """A search by the largest pages that the server takes."""
        size = self._search_page
        try:
            return self._account.read(ObjectPage, "search", body={**body, "limit": size}, object=self._object)
        except RecordRejected:
            if size == SEARCH_PAGES[-1]:
                raise
            self._search_page = SEARCH_PAGES[-1]
            return self._sized(body)

    def _search(self, lower: int, until: int | None, position: str | None) -> Answer:
        modified = modified_property(self._object)
        filters = [_filter(modified, "GTE", lower)]
        by_offset = position is not None and position.startswith(BY_OFFSET)
        if until is not None and position is not None and not by_offset:
            filters.append(_filter(modified, "LTE", until + 999))  # Date has whole seconds
        body: dict[str, Any] = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(self._properties),
        }
        if position is not None and by_offset:
            token = position.removeprefix(BY_OFFSET)
            body |= {"after": token} if token else {}
        elif position is not None:
            filters.append(_filter("hs_object_id", "GT", position))
        return self._sized(body)


def _filter(name: str, operator: str, value: object) -> dict[str, str]:
    return {"propertyName": name, "operator": operator, "value": str(value)}
