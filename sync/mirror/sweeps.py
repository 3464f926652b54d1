"""The ids of one object in the CRM, kept aside while they are listed, and compared with ours at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sync.mirror.dialect import sql
from sync.mirror.engine import Connection


@dataclass(frozen=True, slots=True)
class Differences:
    """`missing`: live here, not there. `unknown`: there, never seen here. `live`: all live ones here."""

    live: int
    missing: tuple[str, ...]
    unknown: tuple[str, ...]


def begin(conn: Connection, crm: str, object_name: str) -> None:
    """Forget the ids of an earlier sweep."""
    conn.execute(
        sql(conn, "DELETE FROM sweep_id WHERE crm = :crm AND object = :object"),
        {"crm": crm, "object": object_name},
    )


def note(conn: Connection, crm: str, object_name: str, ids: Sequence[str]) -> None:
    """These ids are there."""
    if ids:
        conn.execute(
            sql(
                conn,
                "INSERT INTO sweep_id (crm, object, id) VALUES (:crm, :object, :id) ON CONFLICT DO NOTHING",
            ),
            [{"crm": crm, "object": object_name, "id": id_} for id_ in ids],
        )


def compare(conn: Connection, crm: str, object_name: str) -> Differences:
    """What differs between the noted ids and our person records of that object."""
    where = {"crm": crm, "object": object_name}
    names = {
        "live": "FROM person_record p WHERE p.crm = :crm AND p.object = :object AND NOT p.gone",
        "same": "s.crm = p.crm AND s.object = p.object AND s.id = p.id",
    }
    missing = conn.execute(
        sql(
            conn,
            "SELECT p.id [[live]] AND NOT EXISTS (SELECT 1 FROM sweep_id s WHERE [[same]]) ORDER BY p.id",
            **names,
        ),
        where,
    ).scalars()
    unknown = conn.execute(
        sql(
            conn,
            "SELECT s.id FROM sweep_id s WHERE s.crm = :crm AND s.object = :object AND NOT EXISTS "
            "(SELECT 1 FROM person_record p WHERE [[same]] AND NOT p.gone) ORDER BY s.id",
            **names,
        ),
        where,
    ).scalars()
    total = conn.execute(sql(conn, "SELECT count(*) [[live]]", **names), where).scalar_one()
    return Differences(int(total), tuple(missing), tuple(unknown))
