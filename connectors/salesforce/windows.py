"""Cursor arithmetic of Salesforce feeds. Pure: cursors in, cursors and SOQL conditions out.

A window is [since - overlap, until]; `until` is the server's clock when it was opened. Inside it pages go
by keyset (SystemModstamp, Id), so a page's cursor is a place in the data and not a handle that may die.

SystemModstamp is set before a transaction commits, so rows may appear behind any clock. getUpdated knows:
every transaction that started before its latestDateCovered has committed. Asked *before* the window's
queries it is a proven end: `since` moves there, and no overlap is needed. It is asked

    at the first pass      and where more than one page is to come,
    in a hot feed          whose last window brought rows that the next one would bring again.

A cold feed that brings nothing costs one call and leaves `since` where it is proven. Where the org does
not offer getUpdated, `since` moves to `until` and the next window reads the last ten minutes again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from connectors.errors import BrokenReply
from connectors.records import Cursor
from connectors.salesforce import soql
from connectors.salesforce.http import CRM
from connectors.salesforce.values import parse_ms, soql_datetime

OVERLAP_SECONDS: Final = 600
"""Read again where open transactions are unknown; the longest ones last about ten minutes."""

STAMP: Final = "SystemModstamp"


@dataclass(frozen=True, slots=True)
class Job:
    """A Bulk query job that reads the first window, and what of its results is stored.

    rows: of the results before `locator`. skip: of the result at `locator`. newest_ms: the newest stamp so
    far. tries: jobs of this window that came to nothing.
    """

    id: str
    locator: str = ""
    skip: int = 0
    rows: int = 0
    newest_ms: int | None = None
    tries: int = 0

    @classmethod
    def of(cls, known: Any) -> Job | None:
        """The job in a decoded state; a strange one counts as none, and is made anew."""
        if not isinstance(known, dict) or not isinstance(known.get("id"), str) or not known["id"]:
            return None
        try:
            job = cls(**known)
        except TypeError:
            return None
        numbers = (job.skip, job.rows, job.tries, job.newest_ms or 0)
        sound = all(type(number) is int and number >= 0 for number in numbers)
        return job if sound and isinstance(job.locator, str) else None


@dataclass(frozen=True, slots=True)
class State:
    """What a cursor's `state` holds.

    covered: `since` is proven. hot: the last window brought rows behind it. target_ms: the proven end of
    the window under way, None: not asked or not offered. fields: everything up to `since` has been read
    with these. job: the Bulk job by which the window under way is read, None: by queries.
    """

    covered: bool = False
    hot: bool = True
    target_ms: int | None = None
    fields: tuple[str, ...] = ()
    job: Job | None = None

    @classmethod
    def of(cls, cursor: Cursor | None) -> State:
        """The state of a stored cursor; a strange one counts as none."""
        try:
            known: Any = json.loads(cursor.state) if cursor is not None and cursor.state else {}
        except ValueError:
            known = {}
        if not isinstance(known, dict):
            return cls()
        names, target = known.get("fields"), known.get("target_ms")
        return cls(
            covered=known.get("covered") is True,
            hot=known.get("hot") is not False,
            target_ms=target if isinstance(target, int) else None,
            fields=tuple(str(name) for name in names) if isinstance(names, list) else (),
            job=Job.of(known.get("job")),
        )

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), separators=(",", ":"))


def open_window(cursor: Cursor | None, server_ms: int, fields: Sequence[str]) -> tuple[Cursor, bool]:
    """The cursor to go on from, and whether it resumes a window that an earlier pass opened.

    A field that was not asked for before makes everything be read again, once. A cursor without a state was
    not stored by us: it says since when to read, whatever was read before.
    """
    state = State.of(cursor)
    wanted = tuple(sorted(fields))
    given = cursor is not None and cursor.state is None and cursor.since_ms is not None
    if cursor is None or not (given or set(wanted) <= set(state.fields)):
        return Cursor(None, server_ms, None, State(fields=wanted).to_json()), False
    if cursor.until_ms is not None:
        return cursor, True
    until = max(server_ms, cursor.since_ms or 0)
    state = replace(state, fields=wanted, target_ms=None)
    return replace(cursor, until_ms=until, position=None, state=state.to_json()), False


def aim(cursor: Cursor, covered_ms: int | None) -> Cursor:
    """The cursor of a window whose proven end is known now; before its first query."""
    return replace(cursor, state=replace(State.of(cursor), target_ms=covered_ms).to_json())


def by_job(cursor: Cursor, job: Job | None) -> Cursor:
    """The cursor of a window that is read by this job (None: by queries, from the window's beginning)."""
    return replace(cursor, position=None, state=replace(State.of(cursor), job=job).to_json())


def read_with(cursor: Cursor, fields: Sequence[str]) -> Cursor:
    """The cursor of a window whose rows are read with other fields from here on."""
    return replace(cursor, state=replace(State.of(cursor), fields=tuple(sorted(fields))).to_json())


def conditions(cursor: Cursor, overlap: int | None, field: str = STAMP) -> list[str]:
    """The WHERE of the next page. `overlap` seconds; None: the default of the road taken."""
    parts = []
    if cursor.position is not None:
        stamp, record_id = position_of(cursor)
        parts.append(soql.after_key(field, stamp, record_id))
    elif cursor.since_ms is not None:
        default = 0 if State.of(cursor).covered else OVERLAP_SECONDS
        seconds = default if overlap is None else overlap
        parts.append(soql.since(field, cursor.since_ms - seconds * 1000))
    if cursor.until_ms is not None:
        parts.append(soql.until(field, cursor.until_ms))
    return parts


def position_of(cursor: Cursor) -> tuple[int, str]:
    """(stamp in ms, id) where the next page starts. Raises BrokenReply for a cursor that is not ours."""
    stamp_text, _, record_id = (cursor.position or "").partition("|")
    stamp = parse_ms(stamp_text)
    if stamp is None or not record_id:
        raise BrokenReply("the stored cursor cannot be read", crm=CRM, code="CURSOR")
    return stamp, record_id


def advance(cursor: Cursor, last: tuple[int, str]) -> Cursor:
    """The cursor behind the last row of a page. Raises BrokenReply when that is no progress."""
    position = f"{soql_datetime(last[0])}|{last[1]}"
    if cursor.position is not None:
        before = position_of(cursor)
        if position == cursor.position or last[0] < before[0]:
            raise BrokenReply("the pages go in circles", crm=CRM, code="CIRCLE")
    return replace(cursor, position=position)


def no_keys() -> BrokenReply:
    """A full page of which no row says where it stands: there is no going on from it."""
    return BrokenReply("no row of the page has an Id and a SystemModstamp", crm=CRM, code="NO_KEYS")


def close_window(cursor: Cursor, *, newest_ms: int | None, asked: bool) -> Cursor:
    """The cursor of a finished window.

    `newest_ms`: the stamp of the newest row it brought, None for none. `asked`: its proven end was asked
    for (and is None only where the org does not offer it).
    """
    state = State.of(cursor)
    until = cursor.until_ms if cursor.until_ms is not None else cursor.since_ms
    if state.target_ms is not None and until is not None:
        since = min(state.target_ms, until)
        hot = newest_ms is not None and newest_ms >= since
        return Cursor(since, None, None, State(True, hot, None, state.fields).to_json())
    if asked or not state.covered:
        return Cursor(until, None, None, State(False, False, None, state.fields).to_json())
    hot = newest_ms is not None
    return Cursor(cursor.since_ms, None, None, State(True, hot, None, state.fields).to_json())
