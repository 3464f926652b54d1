"""Cursor arithmetic of Salesforce feeds. Pure: cursors in, cursors and SOQL conditions out.

A window is (since - overlap, until]; `until` is the server's clock when it was opened. Inside it pages go
by keyset (SystemModstamp, Id), so a page's cursor is a place in the data and not a handle that may die.

`since` moves to what getUpdated calls latestDateCovered: every transaction that started before has
committed, so nothing can appear behind it and no overlap is needed. Where the org does not offer that,
`since` moves to `until` and the next window reads the last ten minutes again. A pass that brings nothing
leaves a proven `since` where it is, and costs one call.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
class State:
    """What a cursor's `state` holds: is `since` proven, and which fields has everything been read with."""

    covered: bool = False
    fields: tuple[str, ...] = ()

    @classmethod
    def of(cls, cursor: Cursor | None) -> State:
        """The state of a stored cursor; a strange one counts as none."""
        try:
            known: Any = json.loads(cursor.state) if cursor is not None and cursor.state else {}
        except ValueError:
            known = {}
        if not isinstance(known, dict):
            return cls()
        names = known.get("fields")
        fields = tuple(str(name) for name in names) if isinstance(names, list) else ()
        return cls(known.get("covered") is True, fields)

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps({"covered": self.covered, "fields": self.fields}, separators=(",", ":"))


def open_window(cursor: Cursor | None, server_ms: int, fields: Sequence[str]) -> tuple[Cursor, bool]:
    """The cursor to go on from, and whether it resumes a window that an earlier pass opened.

    A field that was not asked for before makes everything be read again, once.
    """
    state = State.of(cursor)
    wanted = tuple(sorted(fields))
    if cursor is None or not set(wanted) <= set(state.fields):
        return Cursor(None, server_ms, None, State(False, wanted).to_json()), False
    if cursor.until_ms is not None:
        return cursor, True
    until = max(server_ms, cursor.since_ms or 0)
    return replace(cursor, until_ms=until, position=None, state=State(state.covered, wanted).to_json()), False


def conditions(cursor: Cursor, overlap: int | None) -> list[str]:
    """The WHERE of the next page. `overlap` seconds; None: the default of the road taken."""
    parts = []
    if cursor.position is not None:
        stamp, record_id = position_of(cursor)
        parts.append(soql.after_key(STAMP, stamp, record_id))
    elif cursor.since_ms is not None:
        default = 0 if State.of(cursor).covered else OVERLAP_SECONDS
        seconds = default if overlap is None else overlap
        parts.append(soql.since(STAMP, cursor.since_ms - seconds * 1000))
    if cursor.until_ms is not None:
        parts.append(soql.until(STAMP, cursor.until_ms))
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


def close_window(cursor: Cursor, covered_ms: int | None, *, proven_stays: bool) -> Cursor:
    """The cursor of a finished window.

    `covered_ms`: latestDateCovered, None where it is not offered. `proven_stays`: nothing came, and
    nobody was asked; a proven `since` stays.
    """
    state = State.of(cursor)
    until = cursor.until_ms if cursor.until_ms is not None else cursor.since_ms
    if proven_stays and state.covered and cursor.since_ms is not None:
        return replace(cursor, until_ms=None, position=None)
    if covered_ms is None or until is None:
        return Cursor(until, None, None, State(False, state.fields).to_json())
    return Cursor(min(covered_ms, until), None, None, State(True, state.fields).to_json())
