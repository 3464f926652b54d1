"""The ids of one object in the CRM, kept aside while they are listed, and compared with ours at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sync.mirror import erased
from sync.mirror.dialect import sql
from sync.mirror.engine import Connection
from sync.mirror.graves import TABLE_OF, source_of


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
    """These ids are there. Those of people who were erased are not noted, so nobody asks for them."""
    ids = erased.ids_without(conn, crm, object_name, ids)
    if ids:
        conn.execute(
            sql(
                conn,
                "INSERT INTO sweep_id (crm, object, id) VALUES (:crm, :object, :id) ON CONFLICT DO NOTHING",
            ),
            [{"crm": crm, "object": object_name, "id": id_} for id_ in ids],
        )


def compare(conn: Connection, crm: str, object_name: str) -> Differences:
    """What differs between the noted ids and our rows of that object.

    Of engagements none is unknown: rows that no rule makes one are not kept.
    """
    table = TABLE_OF.get(object_name)
    where = {"crm": crm, "object": object_name}
    if table is None:
        where["source"] = source_of(crm, object_name)
    names = {
        "live": f"FROM {table} p WHERE p.crm = :crm AND p.object = :object AND NOT p.gone"
        if table is not None
        else "FROM engagement p WHERE p.crm = :crm AND p.source = :source AND NOT p.deleted",
        "seen": "SELECT 1 FROM sweep_id s WHERE s.crm = p.crm AND s.object = :object AND s.id = p.id",
    }
    question = "SELECT p.id [[live]] AND NOT EXISTS ([[seen]]) ORDER BY p.id"
    missing = conn.execute(sql(conn, question, **names), where).scalars()
    total = conn.execute(sql(conn, "SELECT count(*) [[live]]", **names), where).scalar_one()
    unknown = _unknown(conn, crm, object_name, table) if table is not None else ()
    return Differences(int(total), tuple(missing), unknown)


def _unknown(conn: Connection, crm: str, object_name: str, table: str) -> tuple[str, ...]:
    found = conn.execute(
        sql(
            conn,
            "SELECT s.id FROM sweep_id s WHERE s.crm = :crm AND s.object = :object AND NOT EXISTS (SELECT 1 "
            "FROM [[table]] p WHERE p.crm = s.crm AND p.object = s.object AND p.id = s.id AND NOT p.gone) "
            "ORDER BY s.id",
            table=table,
        ),
        {"crm": crm, "object": object_name},
    )
    return tuple(found.scalars())
