"""What nobody but a person can decide: ambiguous people, and the decisions that were made about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, delete, or_, select, update

from connectors.records import RecordRef
from sync.mirror.engine import Connection
from sync.mirror.runs import current_round
from sync.mirror.tables import PersonRow, RecordApart
from sync.mirror.upserts import Upsert, upsert

APART: Final[Table] = RecordApart.metadata.tables["record_apart"]
RECORD: Final[Table] = PersonRow.metadata.tables["person_record"]
APART_ROWS: Final = Upsert(
    RecordApart, ("crm", "object", "id", "kept_crm", "kept_object", "kept_id", "reason", "by", "at")
)


class Apart(NamedTuple):
    """One record that was set apart, and the one that counts in its stead."""

    crm: str
    object: str
    id: str
    kept_crm: str
    kept_object: str
    kept_id: str
    reason: str
    by: str
    at: int

    @property
    def ref(self) -> RecordRef:
        """The record set apart."""
        return RecordRef(self.crm, self.object, self.id)


def set_apart(
    conn: Connection,
    records: Sequence[RecordRef],
    kept: RecordRef,
    *,
    reason: str,
    by: str,
    now: int,
) -> list[RecordRef]:
    """Of a person's `records`, let `kept` be the one that counts in its CRM; returns those set apart.

    The next match looks at all of them anew.
    """
    apart = [ref for ref in records if ref.crm == kept.crm and ref != kept]
    upsert(conn, APART_ROWS, [(*ref, *kept, reason, by, now) for ref in apart])
    conn.execute(delete(APART).where(_is(kept)))
    _look_anew(conn, records)
    return apart


def put_together(conn: Connection, records: Sequence[RecordRef]) -> list[RecordRef]:
    """Forget what was decided about these records; returns those that were set apart."""
    about = or_(*(or_(_is(ref), _is_kept(ref)) for ref in records))
    found = [row for row in decisions(conn) if row.ref in records or _kept(row) in records]
    if found:
        conn.execute(delete(APART).where(about))
        _look_anew(conn, [*(row.ref for row in found), *(_kept(row) for row in found)])
    return [row.ref for row in found]


def decisions(conn: Connection) -> list[Apart]:
    """Every record that was set apart, newest first."""
    columns = [APART.c[name] for name in Apart._fields]
    rows = conn.execute(select(*columns).order_by(APART.c.at.desc(), APART.c.crm, APART.c.id))
    return [Apart(*row) for row in rows]


def _look_anew(conn: Connection, records: Sequence[RecordRef]) -> None:
    of_these = (
        and_(RECORD.c.crm == ref.crm, RECORD.c.object == ref.object, RECORD.c.id == ref.id) for ref in records
    )
    conn.execute(update(RECORD).where(or_(*of_these)).values(changed=current_round(conn)))


def _kept(row: Apart) -> RecordRef:
    return RecordRef(row.kept_crm, row.kept_object, row.kept_id)


def _is(ref: RecordRef) -> ColumnElement[bool]:
    return and_(APART.c.crm == ref.crm, APART.c.object == ref.object, APART.c.id == ref.id)


def _is_kept(ref: RecordRef) -> ColumnElement[bool]:
    return and_(APART.c.kept_crm == ref.crm, APART.c.kept_object == ref.object, APART.c.kept_id == ref.id)
