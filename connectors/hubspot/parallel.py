"""The first pass over many records: list and search side by side, over disjoint ranges of ids.

One list cursor waits a round trip for every hundred rows. HubSpot permits far more, and searches apart
from the rest; so several readers share the ids among them, each with one request under way:

    list     `after=<id>`: only after a proof at run time that list cursors are the last id of their page.
             Documented is only that they are text. Each page is checked again; a page that contradicts
             the proof ends listing by ids, and what was in its hands goes to the searches.
    chain    one list cursor that follows the server's own tokens: where there is no such proof.
    search   `hs_object_id GT <id>`, sorted by id, never by offset; checked likewise.

Every page says which ids it covers. The consumer takes these from what is missing, and what is missing is
the cursor: whenever the process dies, the next one reads exactly that. Sources: HubSpot's "Objects API",
"Search the CRM" and "API usage guidelines" pages.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from connectors.errors import NotOffered, RecordRejected, RightMissing
from connectors.hubspot.account import Account, Answer
from connectors.hubspot.reader import ObjectPage, id_of
from connectors.hubspot.spans import TOP, Board, Missing, Span
from connectors.hubspot.steps import Step, state_text
from connectors.hubspot.threads import Stopped
from connectors.records import Cursor

LIST_PAGE: Final = 100
SEARCH_PAGE: Final = 200
LIST: Final = "list"
CHAIN: Final = "chain"
SEARCH: Final = "search"
MISSING: Final = "missing"  # in the cursor: ranges of ids that were not delivered
LEFT: Final = "left"  # how many rows they hold, about
GOES_ON_AT: Final = "goes_on_at"  # the id at which the cursor's token goes on
WIDER: Final = 1.4  # times the readers that the permitted rate needs
FEWEST: Final = 3
OUR_PART: Final = 0.004  # seconds of our own time that a page takes, about
LOOK_UP: Final = 0.2  # seconds after which a reader that cannot hand over its page looks whether to stop


@dataclass(frozen=True, slots=True)
class FirstSync:
    """When a first pass goes parallel, and how wide."""

    pages: int = 5  # of one cursor, before anybody asks how much there is
    rows: int = 2000  # in all; fewer are not worth it
    listers: int = 16  # readers at most; how many there are depends on how long a page takes
    searchers: int = 4
    chunk: int = 4000  # rows that searches take from a list cursor at once
    ahead: int = 12  # pages that wait for the consumer
    at_once: int = 1000  # rows that are handed on together, if they are there: one transaction stores them


FIRST_SYNC: Final = FirstSync()


Work = Callable[[Board], None]


class UnprovenError(Exception):
    """Neither listing nor searching by ids does what it says: only the plain listing is left."""


class OddReplyError(Exception):
    """A page contradicts what this way of reading relies on."""


class Reader(Protocol):
    """What is asked of HubSpot; see `walk.Walk`. `round_trip`: seconds of the last list page."""

    round_trip: float

    def list_page(self, after: str | None) -> Answer: ...

    def search_above(self, low: int, *, descending: bool = False) -> Answer: ...

    def filled(self, rows: Sequence[msgspec.Raw]) -> Sequence[msgspec.Raw]: ...


class Part(NamedTuple):
    """A page that was read: all rows with ids in (low, high]."""

    rows: Sequence[msgspec.Raw]
    low: int
    high: int
    server_ms: int
    token: str | None = None  # the list cursor that goes on at `high`


class Plan(NamedTuple):
    """What a pass begins with."""

    missing: list[tuple[int, int]]
    read: list[Part]  # what the survey has read of it already
    numeric: bool  # list cursors were proved to be ids
    left: int  # rows that are missing, about
    per_id: float = 0.0  # rows per id at the lowest of it
    token: str | None = None  # of one list cursor ...
    token_at: int = -1  # ... that goes on here


def ids_of(rows: Sequence[msgspec.Raw]) -> list[int]:
    """The ids of rows, those that can be read."""
    return [int(found) for raw in rows if (found := id_of(raw)).isascii() and found.isdecimal()]


def ascending(ids: Sequence[int], above: int) -> bool:
    """Whether ids go up, from above that one."""
    return all(one < other for one, other in pairwise([above, *ids]))


def listed_ids(page: ObjectPage, low: int) -> list[int]:
    """The ids of a page of the listing, which must go up from above `low`. Raises OddReplyError."""
    ids = ids_of(page.results)
    if not ascending(ids, low) or (page.after is not None and not ids):
        raise OddReplyError
    return ids


def survey(reader: Reader, first: FirstSync, listed: int, low: int, token: str, per_id: float) -> Plan | None:
    """Whether it pays to go parallel, and how.

    `listed` rows were read up to the id `low`, `per_id` of them per id, and the list cursor `token` goes on.

    Two calls at most, whose rows are part of the pass: a search for the highest ids, which tells how many
    there are, and a list page from the middle, which proves what list cursors are.
    """
    try:
        answer = reader.search_above(0, descending=True)
    except (NotOffered, RecordRejected, RightMissing):
        return None
    page: ObjectPage = answer.value
    ids = ids_of(page.results)
    total = page.total or 0
    if total < first.rows or not ids or not ascending(ids[::-1], low):
        return None
    top = Part(page.results, ids[-1] - 1, ids[0], answer.server_ms)
    read, numeric = [top], False
    if token == str(low) and (proof := proved(reader, (low + top.low) // 2)) is not None:
        read.append(proof)
        numeric = True
    return Plan([(low, TOP)], read, numeric, max(0, total - listed), per_id, token, low)


def proved(reader: Reader, middle: int) -> Part | None:
    """A list page from above an id that no server gave us as a cursor; None when it proves nothing."""
    try:
        answer = reader.list_page(str(middle))
        ids = listed_ids(answer.value, middle)
    except (RecordRejected, OddReplyError):
        return None
    if not ids or answer.value.after != str(ids[-1]):
        return None
    last = ids[-1]
    return Part(reader.filled(answer.value.results), middle, last, answer.server_ms)


def resumed(reader: Reader, cursor: Cursor, notes: Mapping[str, Any]) -> Plan:
    """The plan of a pass that another process has begun."""
    missing = [(int(low), int(high)) for low, high in notes[MISSING]]
    left = int(notes.get(LEFT, 0))
    if cursor.position is not None:
        return Plan(missing, [], False, left, token=cursor.position, token_at=int(notes[GOES_ON_AT]))
    proof = proved(reader, missing[0][0])
    return Plan(missing, [] if proof is None else [proof], proof is not None, left)


class ParallelPass:
    """One pass of one object. `notes`: what the cursor says beside what is missing."""

    def __init__(
        self,
        account: Account,
        reader: Reader,
        first: FirstSync,
        plan: Plan,
        until: int,
        notes: Mapping[str, Any],
    ) -> None:
        self._account = account
        self._reader = reader
        self._first = first
        self._plan = plan
        self._until = until
        own = (MISSING, GOES_ON_AT, LEFT)
        self._notes = {name: note for name, note in notes.items() if name not in own}
        self._missing = Missing(plan.missing)
        self._left = plan.left
        self._token, self._token_at = (None, -1) if plan.numeric else (plan.token, plan.token_at)
        self._queue: queue.Queue[Part | int] = queue.Queue(first.ahead)
        self._stop = threading.Event()

    def steps(self) -> Iterator[Step]:
        """Every page, in the order in which they come. Raises UnprovenError when the plan fails.

        Threads live only while this is iterated; closing it early ends them.
        """
        for part in self._plan.read:
            yield self._step([part])
        if not self._missing:
            return
        board, work = self._readers()
        with ThreadPoolExecutor(len(work), thread_name_prefix="hubspot-read") as pool:
            try:
                ends = [pool.submit(self._at_work, board, one, n) for n, one in enumerate(work)]
                yield from self._delivered(ends)
            finally:
                self._stop.set()
                board.end()

    def _delivered(self, ends: Sequence[Future[None]]) -> Iterator[Step]:
        running = len(ends)
        while self._missing:
            parts, ended = self._waiting()
            if parts:
                yield self._step(parts)
            if ended is not None and self._missing:  # the last page and its reader's end may come together
                ends[ended].result()  # raises what ended that reader
                running -= 1
                if running == 0:
                    raise UnprovenError

    def _waiting(self) -> tuple[list[Part], int | None]:
        """What the readers have handed over, at least one thing: a slow consumer takes many pages at once.

        Pages, and the number of a reader that came to its end behind them.
        """
        parts: list[Part] = []
        found = self._queue.get()
        while isinstance(found, Part):
            parts.append(found)
            if sum(len(part.rows) for part in parts) >= self._first.at_once:
                return parts, None
            try:
                found = self._queue.get_nowait()
            except queue.Empty:
                return parts, None
        return parts, found

    def _step(self, parts: Sequence[Part]) -> Step:
        """These pages in one."""
        for part in parts:
            self._missing.less(part.low, part.high)
            self._left = max(0, self._left - len(part.rows))
            if part.token is not None:
                self._token, self._token_at = part.token, part.high
        rows = parts[0].rows if len(parts) == 1 else [raw for part in parts for raw in part.rows]
        server_ms = parts[-1].server_ms
        if not self._missing:
            state = {**self._notes, "deep": self._until}
            cursor = Cursor(since_ms=self._until, state=state_text(state))
            return Step(rows, cursor, server_ms, True, 0)
        state = {**self._notes, MISSING: list(self._missing), LEFT: self._left}
        token = self._token if self._missing.starts_at(self._token_at) else None
        if token is not None:
            state[GOES_ON_AT] = self._token_at
        cursor = Cursor(until_ms=self._until, position=token, state=state_text(state))
        return Step(rows, cursor, server_ms, False, self._left)

    def _readers(self) -> tuple[Board, list[Work]]:
        """The ranges, and what the threads do."""
        plan, first = self._plan, self._first
        spans = self._spans()
        searches: list[Work] = [self._search] * first.searchers
        if plan.numeric:
            board = Board(spans, (LIST, SEARCH), self._left, first.chunk)
            return board, [*[self._list] * self._listers(), *searches]
        chain = next((span for span in spans if span.low == self._token_at), None)
        if chain is None or self._token is None:
            return Board(spans, (SEARCH,), self._left, first.chunk), searches
        chain.token, chain.reader = self._token, CHAIN
        board = Board(spans, (CHAIN, SEARCH), self._left, first.chunk)
        return board, [lambda board: self._follow(board, chain), *searches]

    def _listers(self) -> int:
        """As many as fill the permitted rate, and a few: more would come in bursts and then wait.

        Nor more than we could keep up with ourselves, were there no limit at all.
        """
        round_trip = self._reader.round_trip
        wanted = min(WIDER * self._account.calls_per_second * round_trip, round_trip / OUR_PART)
        return min(self._first.listers, max(FEWEST, math.ceil(wanted)))

    def _spans(self) -> list[Span]:
        """What is missing, with how close the ids lie where each range begins."""
        plan = self._plan
        known = {plan.token_at: plan.per_id}
        known |= {part.high: _per_id(ids_of(part.rows)) or plan.per_id for part in plan.read}
        return [
            # where a part ends, the list has said that it goes on; another number is ours
            Span(low, high, min(1.0, known.get(low, 0.0)), chosen=low not in known)
            for low, high in self._missing
        ]

    # In the threads

    def _at_work(self, board: Board, work: Work, number: int) -> None:
        """A reader's life; at its end the consumer gets its number."""
        try:
            with self._account.in_thread(self._stop):
                work(board)
        except Stopped:
            return
        finally:
            self._hand_over(number)

    def _hand_over(self, found: Part | int) -> None:
        """To the consumer, who may be slow, or gone."""
        while not self._stop.is_set():
            try:
                self._queue.put(found, timeout=LOOK_UP)
            except queue.Full:
                continue
            return

    def _list(self, board: Board) -> None:
        while (span := board.take(LIST, LIST_PAGE)) is not None:
            self._through(board, span, LIST, self._list_once)

    def _search(self, board: Board) -> None:
        while (span := board.take(SEARCH, SEARCH_PAGE)) is not None:
            self._through(board, span, SEARCH, self._search_once)

    def _follow(self, board: Board, chain: Span) -> None:
        self._through(board, chain, CHAIN, self._follow_once)

    def _through(self, board: Board, span: Span, kind: str, once: Callable[[Board, Span], Part]) -> None:
        """One range, page by page, to its end or until this way of reading is not trusted any more."""
        try:
            while span.low < span.high and board.trusts(kind):
                self._hand_over(once(board, span))
        except (OddReplyError, NotOffered, RecordRejected, RightMissing):
            board.distrust(kind)
        if span.low < span.high:
            board.put_back(span)

    def _list_once(self, board: Board, span: Span) -> Part:
        low = span.low
        answer = self._reader.list_page(str(low))
        page: ObjectPage = answer.value
        ids = listed_ids(page, low)
        if page.after is None and span.chosen:
            # The end of the list, from a number that nothing has confirmed: the search must agree.
            return self._search_once(board, span, page.results)
        if page.after is not None and page.after != str(ids[-1]):
            raise OddReplyError
        end = TOP if page.after is None else ids[-1]
        high = board.read(span, end, rows=len(ids), per_id=_per_id(ids))
        return Part(self._reader.filled(_upto(page.results, high, end)), low, high, answer.server_ms)

    def _follow_once(self, board: Board, span: Span) -> Part:
        low, token = span.low, span.token
        answer = self._reader.list_page(token)
        page: ObjectPage = answer.value
        ids = listed_ids(page, low)
        if page.after is not None and page.after == token:
            raise OddReplyError
        end = TOP if page.after is None else ids[-1]
        high = board.read(span, end, rows=len(ids), per_id=_per_id(ids), token=page.after)
        rows = self._reader.filled(_upto(page.results, high, end))
        return Part(rows, low, high, answer.server_ms, page.after if high == end else None)

    def _search_once(self, board: Board, span: Span, listed: Sequence[msgspec.Raw] = ()) -> Part:
        low = span.low
        answer = self._reader.search_above(low)
        page: ObjectPage = answer.value
        ids = ids_of(page.results)
        if not ascending(ids, low) or (page.results and not ids):
            raise OddReplyError
        at_end = not ids or page.is_last
        end = TOP if at_end else ids[-1]
        high = board.read(span, end, rows=len(ids), per_id=_per_id(ids), chosen=span.chosen)
        rows = [*_upto(page.results, high, end), *self._reader.filled(_upto(listed, high, TOP))]
        return Part(rows, low, high, answer.server_ms)


def _upto(rows: Sequence[msgspec.Raw], high: int, end: int) -> Sequence[msgspec.Raw]:
    """Rows up to an id, of a page that ends at `end`; and those whose id cannot be read."""
    if high >= end:
        return rows
    return [raw for raw in rows if not (found := id_of(raw)).isdecimal() or int(found) <= high]


def _per_id(ids: Sequence[int]) -> float | None:
    """Rows per id, by the ids of a page; None when they say nothing."""
    return None if len(ids) < 2 else (len(ids) - 1) / abs(ids[-1] - ids[0])
