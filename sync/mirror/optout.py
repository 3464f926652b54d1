"""The opt-out flag of a record as engagements: unsubscribed when it turns on, subscribed when off again."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.records import EngagementRecord, PersonRecord
from sync.mirror.dialect import id_list, sql
from sync.mirror.engine import Connection

ASSET = "opt-out flag"


def turned(conn: Connection, rows: Sequence[PersonRecord]) -> list[EngagementRecord]:
    """Engagements for the flags that these rows turn; asked before the rows are stored.

    A record first seen with the flag off has turned nothing, and neither has a row older than ours.
    """
    flagged = [row for row in rows if row.opted_out is not None]
    out: list[EngagementRecord] = []
    for crm, object_name in sorted({(row.crm, row.object) for row in flagged}):
        here = [row for row in flagged if (row.crm, row.object) == (crm, object_name)]
        stored = {
            row.id: (row.opted_out, row.modified_ms)
            for row in conn.execute(
                sql(
                    conn,
                    "SELECT id, opted_out, modified_ms FROM person_record WHERE crm = :crm "
                    "AND object = :object AND id IN [[ids]]",
                ),
                {"crm": crm, "object": object_name, "ids": id_list(row.id for row in here)},
            )
        }
        if not stored and not any(row.opted_out for row in here):
            continue
        for row in here:
            before, modified_ms = stored.get(row.id, (False, 0))
            if row.modified_ms < modified_ms:
                continue
            if before is None:
                before = _last(conn, row)
            if bool(before) != row.opted_out:
                out.append(_engagement(row))
            stored[row.id] = (row.opted_out, row.modified_ms)
    return out


def _last(conn: Connection, row: PersonRecord) -> bool:
    """The flag as last heard, when the stored row does not say: an empty value says nothing."""
    kind = conn.execute(
        sql(
            conn,
            "SELECT kind FROM engagement WHERE crm = :crm AND source = :source "
            "AND [[id begins]] ORDER BY modified_ms DESC LIMIT 1",
        ),
        {"crm": row.crm, "source": f"{row.crm}.opt_out", "low": f"{row.object}:{row.id}"},
    ).scalar()
    return kind == "unsubscribed"


def _engagement(row: PersonRecord) -> EngagementRecord:
    return EngagementRecord(
        crm=row.crm,
        source=f"{row.crm}.opt_out",
        id=f"{row.object}:{row.id}:{row.modified_ms}",
        person_object=row.object,
        person_id=row.id,
        person_email=None,
        kind="unsubscribed" if row.opted_out else "subscribed",
        asset=ASSET,
        occurred_at=row.modified_ms // 1000,
        is_bot=False,
        deleted=False,
        modified_ms=row.modified_ms,
        raw="{}",
    )
