"""Records that went: tombstones, what they do to the rows, and how a record comes back.

A tombstone that names a survivor is never replaced by one that does not, and "absent" (we looked and it
was not there) replaces nothing. A row counts as live again only when the CRM showed it with a change
after it went, or when it was asked for by its id: feeds show archived records from a late index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from connectors.records import CompanyRecord, DealRecord, GoneReason, PersonRecord, Tombstone
from sync.mirror import links
from sync.mirror.dialect import id_list, sql
from sync.mirror.engine import Connection

TABLE_OF: Final[Mapping[str, str]] = {
    "Lead": "person_record",
    "Contact": "person_record",
    "contacts": "person_record",
    "Account": "company_record",
    "companies": "company_record",
    "Opportunity": "deal_record",
    "deals": "deal_record",
}
"""Object → its table; a tombstone of any other object is an engagement's."""

SOURCE_OF: Final[Mapping[str, str]] = {
    "Task": "salesforce.task",
    "Event": "salesforce.event",
    "CampaignMember": "salesforce.campaign_member",
    "EmailMessage": "salesforce.email_message",
    "LeadHistory": "salesforce.lead_history",
    "ContactHistory": "salesforce.contact_history",
}
"""Object → engagement source, where it is not simply `crm.object`."""


def source_of(crm: str, object_name: str) -> str:
    """The engagement source of an object."""
    return SOURCE_OF.get(object_name, f"{crm}.{object_name}")


SURVIVING: Final = (GoneReason.MERGED, GoneReason.CONVERTED)
"""A record that went into another one does not come back by an older row."""


def revive(
    conn: Connection,
    rows: Sequence[PersonRecord | CompanyRecord | DealRecord],
    round_: int,
    *,
    direct: bool,
) -> None:
    """Rows that were just stored are live unless their tombstone stands."""
    for crm, object_name in sorted({(row.crm, row.object) for row in rows}):
        if not _any_grave(conn, crm, object_name):
            continue
        here = {row.id: row.modified_ms for row in rows if (row.crm, row.object) == (crm, object_name)}
        graves = conn.execute(
            sql(
                conn,
                "SELECT id, at_ms FROM tombstone WHERE crm = :crm AND object = :object AND id IN [[ids]]",
            ),
            {"crm": crm, "object": object_name, "ids": id_list(here)},
        ).all()
        back = [grave.id for grave in graves if direct or here[grave.id] > grave.at_ms]
        dead = [grave.id for grave in graves if grave.id not in set(back)]
        _forget(conn, crm, object_name, back, round_)
        _mark(conn, crm, object_name, back, round_, gone=False)
        _mark(conn, crm, object_name, dead, round_, gone=True)


def _any_grave(conn: Connection, crm: str, object_name: str) -> bool:
    found = conn.execute(
        sql(conn, "SELECT 1 FROM tombstone WHERE crm = :crm AND object = :object LIMIT 1"),
        {"crm": crm, "object": object_name},
    )
    return found.first() is not None


def bury(conn: Connection, tombstones: Sequence[Tombstone], round_: int, *, direct: bool = False) -> int:
    """Store tombstones and mark their records; the number that said something new.

    `direct`: the records were asked for by id, so they are gone whatever was stored before.
    """
    stones = list(tombstones) if direct else _not_outlived(conn, tombstones)
    if not stones:
        return 0
    new = conn.execute(
        sql(conn, STORE),
        [{**stone._asdict(), "reason": str(stone.reason), "round": round_} for stone in stones],
    ).rowcount
    for crm, object_name in sorted({(stone.crm, stone.object) for stone in stones}):
        ids = [stone.id for stone in stones if (stone.crm, stone.object) == (crm, object_name)]
        if object_name in TABLE_OF:
            _mark(conn, crm, object_name, ids, round_, gone=True)
        else:
            _delete_engagements(conn, crm, object_name, ids, round_)
    return new


STORE: Final = (
    "INSERT INTO tombstone (crm, object, id, reason, at_ms, to_object, to_id, changed) "
    "VALUES (:crm, :object, :id, :reason, :at_ms, :to_object, :to_id, :round) "
    "ON CONFLICT (crm, object, id) DO UPDATE SET reason = excluded.reason, "
    "at_ms = excluded.at_ms, to_object = excluded.to_object, to_id = excluded.to_id, "
    "changed = excluded.changed "
    "WHERE excluded.reason <> 'absent' "
    "AND (excluded.to_id IS NOT NULL OR tombstone.to_id IS NULL) "
    "AND (excluded.reason <> tombstone.reason OR excluded.at_ms > tombstone.at_ms "
    "OR COALESCE(excluded.to_id, '') <> COALESCE(tombstone.to_id, '') "
    "OR COALESCE(excluded.to_object, '') <> COALESCE(tombstone.to_object, ''))"
)


def _not_outlived(conn: Connection, tombstones: Sequence[Tombstone]) -> list[Tombstone]:
    """Without those whose record was changed after them: it has come back since."""
    kept: list[Tombstone] = []
    for crm, object_name in sorted({(stone.crm, stone.object) for stone in tombstones}):
        here = [stone for stone in tombstones if (stone.crm, stone.object) == (crm, object_name)]
        table = TABLE_OF.get(object_name)
        if table is None:
            kept += here
            continue
        rows = conn.execute(
            sql(
                conn,
                "SELECT id, modified_ms FROM [[table]] WHERE crm = :crm AND object = :object "
                "AND id IN [[ids]] AND NOT gone",
                table=table,
            ),
            {"crm": crm, "object": object_name, "ids": id_list(stone.id for stone in here)},
        )
        live = {row.id: row.modified_ms for row in rows}
        kept += [stone for stone in here if stone.reason in SURVIVING or live.get(stone.id, 0) <= stone.at_ms]
    return kept


def _delete_engagements(
    conn: Connection, crm: str, object_name: str, ids: Sequence[str], round_: int
) -> None:
    source = source_of(crm, object_name)
    conn.execute(
        sql(
            conn,
            "UPDATE engagement SET deleted = :yes, changed = :round "
            "WHERE crm = :crm AND source = :source AND id IN [[ids]] AND NOT deleted",
        ),
        {"yes": True, "round": round_, "crm": crm, "source": source, "ids": id_list(ids)},
    )


def _forget(conn: Connection, crm: str, object_name: str, ids: Sequence[str], round_: int) -> None:
    """These records are back; what they had gone into is another record again."""
    if not ids:
        return
    where = {"crm": crm, "object": object_name, "ids": id_list(ids)}
    parted = conn.execute(
        sql(
            conn,
            "SELECT crm, to_object, to_id FROM tombstone WHERE crm = :crm AND object = :object "
            "AND id IN [[ids]] AND to_id IS NOT NULL",
        ),
        where,
    )
    links.touch(conn, {(row.crm, row.to_object, row.to_id) for row in parted}, round_)
    conn.execute(
        sql(conn, "DELETE FROM tombstone WHERE crm = :crm AND object = :object AND id IN [[ids]]"), where
    )


def _mark(
    conn: Connection, crm: str, object_name: str, ids: Sequence[str], round_: int, *, gone: bool
) -> None:
    if ids:
        conn.execute(
            sql(
                conn,
                "UPDATE [[table]] SET gone = :gone, changed = :round "
                "WHERE crm = :crm AND object = :object AND id IN [[ids]] AND gone <> :gone",
                table=TABLE_OF[object_name],
            ),
            {"gone": gone, "round": round_, "crm": crm, "object": object_name, "ids": id_list(ids)},
        )
