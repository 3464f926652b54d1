"""What we know about fields that we write: what we proved to stand there, and our writes in their history."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Table, bindparam, delete, select, update

from connectors.records import RecordRef
from sync.core.authors import OurWrite
from sync.core.cases import ORDERED, RESTORING, UNDO, Verified, Why
from sync.core.steps import sent_value
from sync.mirror import unshown
from sync.mirror.engine import Connection
from sync.mirror.outbox import COLUMNS, INTENT, Row, of_records
from sync.mirror.tables import VerifiedValue
from sync.mirror.tables.outbox import END_STATES
from sync.mirror.upserts import Upsert, upsert

VERIFIED: Final[Table] = VerifiedValue.metadata.tables["verified_value"]
VERIFIED_ROWS: Final = Upsert(
    VerifiedValue, ("crm", "object", "record_id", "field", "value", "version", "at_ms", "intent_id")
)


KEY: Final = ("crm", "object", "record_id", "field")


def our_writes(
    conn: Connection, refs: Collection[RecordRef]
) -> dict[tuple[RecordRef, str], list[tuple[str, OurWrite]]]:
    """Per record and field, our writes that may be in its history, with the intents' ids."""
    found: dict[tuple[RecordRef, str], list[tuple[str, OurWrite]]] = {}
    columns = (*COLUMNS, INTENT.c.verified_at_ms)
    for where in of_records(refs):
        query = select(*columns).where(where, INTENT.c.sent_ms.is_not(None))
        for *fields, claimed in conn.execute(query.order_by(INTENT.c.sent_ms)):
            row = Row(*fields)
            if claimed is None and row.state in END_STATES:
                continue  # it never showed: nothing in the history is this write
            write = OurWrite(sent_value(row.desired_value, row.step), row.sent_ms or 0, claimed, claimed)
            found.setdefault((row.ref, row.field), []).append((row.id, write))
    return found


def verified_values(conn: Connection, refs: Collection[RecordRef]) -> dict[tuple[RecordRef, str], Verified]:
    """Per record and field, what we last proved to stand there."""
    found: dict[tuple[RecordRef, str], Verified] = {}
    names = ("crm", "object", "record_id", "field", "value", "at_ms")
    for where in of_records(refs, VERIFIED):
        for row in conn.execute(select(*(VERIFIED.c[name] for name in names)).where(where)):
            ref = RecordRef(row.crm, row.object, row.record_id)
            found[ref, row.field] = Verified(row.value, row.at_ms)
    return found


def recent_writes(
    conn: Connection, refs: Collection[RecordRef], since: int
) -> dict[tuple[RecordRef, str], list[tuple[str | None, str | None]]]:
    """Per record and field, what each proved write since then replaced, and with what; oldest first."""
    found: dict[tuple[RecordRef, str], list[tuple[str | None, str | None]]] = {}
    for where in of_records(refs):
        proved = (INTENT.c.state == "verified", INTENT.c.done_at >= since)
        query = select(*COLUMNS).where(where, *proved).order_by(INTENT.c.sent_ms, INTENT.c.id)
        for row in (Row(*values) for values in conn.execute(query)):
            found.setdefault((row.ref, row.field), []).append((row.base_value, row.desired_value))
    return found


def put_verified(conn: Connection, proved: Sequence[tuple[Row, str, int]]) -> None:
    """Remember that our values were read back: per intent the record's version and the moment.

    What was put back is a value that we do not supply; after an undo, or an order of somebody's, we supply
    none there.
    """
    values = [
        (*row.ref, row.field, row.desired_value, version, at_ms, row.id)
        for row, version, at_ms in proved
        if row.policy not in RESTORING
    ]
    upsert(conn, VERIFIED_ROWS, values)
    unshown.note_records(conn, {row.ref for row, _, _ in proved if row.purpose in unshown.SCORED})
    undone = [row for row, _, _ in proved if row.policy == UNDO]
    if undone:
        keys = [{"b_id": row.parent_id} for row in undone]
        conn.execute(
            update(INTENT).where(INTENT.c.id == bindparam("b_id")).values(why=Why.UNDONE.value), keys
        )
    ordered = [row for row, _, _ in proved if row.policy in ORDERED]
    if ordered:
        conn.execute(
            delete(VERIFIED).where(*(VERIFIED.c[name] == bindparam(f"b_{name}") for name in KEY)),
            [{f"b_{name}": getattr(row, name) for name in KEY} for row in ordered],
        )
