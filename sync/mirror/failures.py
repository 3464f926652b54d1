"""What an administrator does about changes that ended badly, and about pauses."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, select, update

from sync.core.cases import Why
from sync.mirror.engine import Connection
from sync.mirror.outbox import CHUNK, INTENT, PAUSE, Row
from sync.mirror.tables import ParkedRow
from sync.mirror.tables.outbox import WAITING_STATES

PARKED: Final[Table] = ParkedRow.metadata.tables["parked_record"]
BAD_ENDS: Final = ("parked", "conflict")


class Unreadable(NamedTuple):
    """A row of a CRM that could not be read."""

    crm: str
    object: str
    id: str
    reason: str
    since: int
    attempts: int


class Pause(NamedTuple):
    """A part of write-back that stands still."""

    scope: str
    reason: str
    by: str
    at: int


def unreadable(conn: Connection) -> list[Unreadable]:
    """Parked rows of both CRMs, oldest first."""
    columns = [PARKED.c[name] for name in Unreadable._fields]
    query = select(*columns).order_by(PARKED.c.since, PARKED.c.crm, PARKED.c.object, PARKED.c.id)
    return [Unreadable(*row) for row in conn.execute(query)]


def retry(conn: Connection, ids: Collection[str], run_id: str, now: int) -> int:
    """Queue failed changes again; returns how many.

    What is kept is the change, not the request: it is decided anew on the live record just before it is
    sent, and counts for the limits like one that was never sent. A change whose field has a newer open one
    is superseded by that instead.
    """
    ended = {"why": Why.NEWER.value, "done_at": now, "ended_run": run_id}
    fresh = {"why": None, "code": None, "message": None, "done_at": None, "ended_run": None}
    again = {"state": "queued", "attempts": 0, "next_at": None, "plan_digest": None, "sent_ms": None}
    changed = 0
    for intent_id in _newest_first(conn, ids):  # so that of several changes of one field the newest goes out
        failed = (INTENT.c.id == intent_id, INTENT.c.state.in_(BAD_ENDS))
        conn.execute(update(INTENT).where(*failed, _newer_is_open()).values(state="superseded", **ended))
        changed += conn.execute(update(INTENT).where(*failed).values(**fresh, **again)).rowcount
    return changed


def skip(conn: Connection, ids: Collection[str], reason: str, run_id: str, now: int) -> int:
    """Give failed changes up for good, with the reason; returns how many."""
    changed = 0
    for some in _chunks(ids):
        failed = (INTENT.c.id.in_(some), INTENT.c.state.in_(BAD_ENDS))
        ended = {"why": Why.SKIPPED.value, "message": reason, "done_at": now, "ended_run": run_id}
        changed += conn.execute(update(INTENT).where(*failed).values(state="superseded", **ended)).rowcount
    return changed


def refused_since(conn: Connection, row: Row, code: str, since: int) -> int:
    """How many changes of this intent's field were parked since then by this code of the CRM."""
    same = (INTENT.c.crm == row.crm, INTENT.c.object == row.object, INTENT.c.field == row.field)
    parked = (INTENT.c.state == "parked", INTENT.c.code == code, INTENT.c.done_at >= since)
    return conn.execute(select(func.count()).where(*same, *parked)).scalar_one()


def paused(conn: Connection) -> list[Pause]:
    """Everything that is paused, widest first."""
    columns = [PAUSE.c[name] for name in Pause._fields]
    rows = [Pause(*row) for row in conn.execute(select(*columns))]
    return sorted(rows, key=lambda row: (row.scope != "all", row.scope.count("."), row.scope))


def resume(conn: Connection, scope: str) -> bool:
    """Let a paused part go on; False when it was not paused."""
    return conn.execute(delete(PAUSE).where(PAUSE.c.scope == scope)).rowcount > 0


def _newest_first(conn: Connection, ids: Collection[str]) -> list[str]:
    """Those of these changes that ended badly."""
    found: list[tuple[int, str]] = []
    for some in _chunks(ids):
        query = select(INTENT.c.created_at, INTENT.c.id)
        rows = conn.execute(query.where(INTENT.c.id.in_(some), INTENT.c.state.in_(BAD_ENDS)))
        found += [(row.created_at, row.id) for row in rows]
    return [intent_id for _, intent_id in sorted(found, reverse=True)]


def _newer_is_open() -> ColumnElement[bool]:
    """Another change of the same field of the same record waits to be sent."""
    other = INTENT.alias("other")
    same = and_(
        other.c.crm == INTENT.c.crm,
        other.c.object == INTENT.c.object,
        other.c.record_id == INTENT.c.record_id,
        other.c.field == INTENT.c.field,
        other.c.state.in_(WAITING_STATES),
        other.c.id != INTENT.c.id,
    )
    return exists(select(other.c.id).where(same))


def _chunks(ids: Collection[str]) -> list[list[str]]:
    ordered = sorted(set(ids))
    return [ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK)]
