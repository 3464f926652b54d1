"""Who is in the lists of a CRM: a part of a list as it is now, compared with what was there before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connectors.records import EngagementRecord, ListPart
from sync.mirror import erased
from sync.mirror.dialect import sql
from sync.mirror.engine import Connection

AT_ONCE: Final = 1000
"""Members who left that are looked at in one go."""

ABOVE_ALL: Final = 2**63 - 1


def save(conn: Connection, part: ListPart) -> list[EngagementRecord]:
    """Keep a part of a list; the engagements of those who were in it before and have left.

    A record that is gone itself (merged, archived) has not left anything.
    """
    left = _leave(conn, part)
    known = {str(record_id) for record_id, _ in part.members}
    kept = set(erased.ids_without(conn, part.crm, "contacts", sorted(known)))
    members = [member for member in part.members if str(member[0]) in kept]
    if members:
        conn.execute(
            sql(
                conn,
                "INSERT INTO list_member (crm, list_id, record_id, joined_ms) "
                "VALUES (:crm, :list_id, :record_id, :joined_ms) "
                "ON CONFLICT (crm, list_id, record_id) DO UPDATE SET joined_ms = excluded.joined_ms "
                "WHERE list_member.joined_ms <> excluded.joined_ms",
            ),
            [
                {"crm": part.crm, "list_id": part.list_id, "record_id": record_id, "joined_ms": joined_ms}
                for record_id, joined_ms in members
            ],
        )
    return left


def forget_others(conn: Connection, crm: str, lists: Sequence[str]) -> None:
    """Drop what is known of lists that are not followed any more, or do not exist any more."""
    known = conn.execute(
        sql(conn, "SELECT DISTINCT list_id FROM list_member WHERE crm = :crm"), {"crm": crm}
    ).scalars()
    gone = sorted(set(known) - set(lists))
    if gone:
        conn.execute(
            sql(conn, "DELETE FROM list_member WHERE crm = :crm AND list_id = :list_id"),
            [{"crm": crm, "list_id": list_id} for list_id in gone],
        )


def _leave(conn: Connection, part: ListPart) -> list[EngagementRecord]:
    here = {record_id for record_id, _ in part.members}
    high = ABOVE_ALL if part.high is None else part.high
    low, left = part.low, list[EngagementRecord]()
    while True:
        rows = conn.execute(
            sql(
                conn,
                "SELECT m.record_id, m.joined_ms, p.gone FROM list_member m LEFT JOIN person_record p "
                "ON p.crm = m.crm AND p.object = :object AND p.id = CAST(m.record_id AS VARCHAR) "
                "WHERE m.crm = :crm AND m.list_id = :list_id AND m.record_id > :low AND m.record_id <= :high "
                "ORDER BY m.record_id LIMIT :most",
            ),
            {
                "crm": part.crm,
                "object": part.object,
                "list_id": part.list_id,
                "low": low,
                "high": high,
                "most": AT_ONCE,
            },
        ).all()
        went = [row for row in rows if row.record_id not in here]
        if went:
            conn.execute(
                sql(
                    conn,
                    "DELETE FROM list_member WHERE crm = :crm AND list_id = :list_id AND record_id = :id",
                ),
                [{"crm": part.crm, "list_id": part.list_id, "id": row.record_id} for row in went],
            )
        left += [_left(part, row.record_id, row.joined_ms) for row in went if part.left and not row.gone]
        if len(rows) < AT_ONCE:
            return left
        low = rows[-1].record_id


def _left(part: ListPart, record_id: int, joined_ms: int) -> EngagementRecord:
    if part.left is None:
        raise TypeError("leaving this list is no engagement")
    id_ = f"{part.list_id}:{record_id}:{joined_ms}:left"
    return part.left._replace(id=id_, person_id=str(record_id))
