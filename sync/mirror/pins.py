"""Fields that are left alone because a person set them, and what lets go of them.

A change that gave way to a person's edit ends as superseded. An administrator may release it, and where the
configuration says how long an edit holds it ends by itself: then the same is decided anew.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, func, select, update

from connectors.records import RecordRef
from sync.core.cases import Why
from sync.mirror.engine import Connection
from sync.mirror.outbox import COLUMNS, INTENT, Row, of_records
from sync.mirror.wants import SPELL

PINNING = ("human_wins", "last_supplied")
"""The policies under which a person's edit holds until somebody releases it."""


def held(conn: Connection, person_id: str, field: str | None = None) -> list[Row]:
    """Of a person's open spells, the changes that gave way to somebody's edit, by record and field."""
    where = [*_gave_way(), INTENT.c.person_id == person_id, INTENT.c.spell_id.in_(_open_spells())]
    if field is not None:
        where.append(INTENT.c.field == field)
    order = (INTENT.c.crm, INTENT.c.object, INTENT.c.record_id, INTENT.c.field, INTENT.c.id)
    return [Row(*row) for row in conn.execute(select(*COLUMNS).where(*where).order_by(*order))]


def release(conn: Connection, rows: Collection[Row], reason: str, now: int) -> None:
    """Let go of what stands in these fields now; an edit after this moment holds again."""
    for row in rows:
        values = {"why": Why.RELEASED.value, "message": f"released: {reason}", "done_at": now}
        conn.execute(update(INTENT).where(INTENT.c.id == row.id, *_gave_way()).values(**values))


def released(conn: Connection, refs: Collection[RecordRef]) -> dict[tuple[RecordRef, str], int]:
    """Per record and field, when it was last released, in epoch seconds."""
    found: dict[tuple[RecordRef, str], int] = {}
    key = (INTENT.c.crm, INTENT.c.object, INTENT.c.record_id, INTENT.c.field)
    for where in of_records(refs):
        query = select(*key, func.max(INTENT.c.done_at)).where(where, INTENT.c.why == Why.RELEASED.value)
        for crm, object_name, record_id, field, at in conn.execute(query.group_by(*key)):
            found[RecordRef(crm, object_name, record_id), field] = at or 0
    return found


def expire(conn: Connection, crm: str, object_name: str, field: str, before: int) -> int:
    """Have decided anew what gave way before that moment; whether the edit still holds is asked live."""
    of_field = (INTENT.c.crm == crm, INTENT.c.object == object_name, INTENT.c.field == field)
    due = (*_gave_way(), *of_field, INTENT.c.done_at <= before, INTENT.c.spell_id.in_(_open_spells()))
    again = {"why": Why.NOT_NEEDED.value, "message": "the edit that it gave way to may hold no longer"}
    return conn.execute(update(INTENT).where(*due).values(**again)).rowcount


def _gave_way() -> tuple[ColumnElement[bool], ...]:
    ended = (INTENT.c.state == "superseded", INTENT.c.why == Why.HUMAN.value)
    return (*ended, INTENT.c.policy.in_(PINNING))


def _open_spells() -> Select[tuple[str]]:
    return select(SPELL.c.id).where(SPELL.c.left_at.is_(None))
