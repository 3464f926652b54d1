"""Links between records of one CRM: replaced as a set, per record and kind of object."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.records import Link, LinkSet
from sync.mirror.dialect import id_list, sql
from sync.mirror.engine import Connection


def save(conn: Connection, sets: Sequence[LinkSet], round_: int) -> int:
    """Store link sets; the number that differ from what was stored. Records at both ends get the round."""
    changed = 0
    for crm, from_object, to_object in sorted({(one.crm, one.from_object, one.to_object) for one in sets}):
        here = {
            one.from_id: one
            for one in sets
            if (one.crm, one.from_object, one.to_object) == (crm, from_object, to_object)
        }
        stored = _stored(conn, crm, from_object, to_object, list(here))
        differ = [one for one in here.values() if set(one.links) != stored.get(one.from_id, set())]
        _replace(conn, differ)
        ends = {(crm, from_object, one.from_id) for one in differ}
        for one in differ:
            moved = set(one.links) ^ stored.get(one.from_id, set())
            ends |= {(crm, to_object, link.to_id) for link in moved}
        touch(conn, ends, round_)
        changed += len(differ)
    return changed


def touch(conn: Connection, refs: set[tuple[str, str, str]], round_: int) -> None:
    """These person records have something new about them that is not in their own rows."""
    if refs:
        conn.execute(
            sql(
                conn,
                "UPDATE person_record SET changed = :round "
                "WHERE crm = :crm AND object = :object AND id = :id AND changed <> :round",
            ),
            [{"crm": crm, "object": name, "id": id_, "round": round_} for crm, name, id_ in sorted(refs)],
        )


def _stored(
    conn: Connection, crm: str, from_object: str, to_object: str, ids: list[str]
) -> dict[str, set[Link]]:
    rows = conn.execute(
        sql(
            conn,
            "SELECT from_id, to_id, types, is_primary FROM link WHERE crm = :crm "
            "AND from_object = :from_object AND to_object = :to_object "
            "AND from_id IN [[ids]]",
        ),
        {"crm": crm, "from_object": from_object, "to_object": to_object, "ids": id_list(ids)},
    )
    found: dict[str, set[Link]] = {}
    for row in rows:
        link = Link(crm, from_object, row.from_id, to_object, row.to_id, row.types, bool(row.is_primary))
        found.setdefault(row.from_id, set()).add(link)
    return found


def _replace(conn: Connection, sets: Sequence[LinkSet]) -> None:
    if not sets:
        return
    conn.execute(
        sql(
            conn,
            "DELETE FROM link WHERE crm = :crm AND from_object = :from_object AND from_id = :from_id "
            "AND to_object = :to_object",
        ),
        [{**one._asdict(), "links": None} for one in sets],
    )
    rows = [link._asdict() for one in sets for link in set(one.links)]
    if rows:
        conn.execute(
            sql(
                conn,
                "INSERT INTO link (crm, from_object, from_id, to_object, to_id, types, is_primary) VALUES "
                "(:crm, :from_object, :from_id, :to_object, :to_id, :types, :is_primary) "
                "ON CONFLICT DO NOTHING",
            ),
            rows,
        )
