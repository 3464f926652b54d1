"""Whose score or grade may stand otherwise in a record: only they are compared with their records.

    scored anew ──────────────┐                     ┌─ a record shows something else ──▶ stays, is decided
    a record of theirs changed ├─▶ unshown ──compare─┤
    a write was proved ────────┘                     └─ all records show it ──▶ gone

Whoever changes one side of the comparison puts the person here, in the same transaction. What was decided of
a difference is no part of it: as long as there is one, the person stays, whatever becomes of the change.

Nobody is put here while it is not known what was compared (`COMPARED`): then everybody is compared.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import CompoundSelect, Select, Table, delete, func, select, true
from sqlalchemy.dialects import postgresql, sqlite

from connectors.records import RecordRef
from sync.mirror.dialect import sql
from sync.mirror.engine import Connection
from sync.mirror.runs import get_meta, set_meta
from sync.mirror.tables import Unshown

UNSHOWN: Final[Table] = Unshown.metadata.tables["unshown"]

COMPARED: Final = "compared_fields"
"""The fields that everybody was compared in; without it nobody knows who is to be compared."""

CODE: Final = 1
"""Grows when the same rows are to be compared otherwise than before."""

SCORED: Final = ("score", "grade")
"""Purposes that follow the score of everybody."""


def note(conn: Connection, people: Select[tuple[str]]) -> None:
    """These may show something else than their score from now on."""
    if get_meta(conn, COMPARED) is not None:
        _add(conn, people)


def note_group(conn: Connection) -> None:
    """The people of `w_group`, whose records matching looked at."""
    if get_meta(conn, COMPARED) is not None:
        people = "SELECT DISTINCT person_id FROM w_group WHERE 1 = 1 ON CONFLICT DO NOTHING"
        conn.execute(sql(conn, f"INSERT INTO unshown {people}"))


def note_records(conn: Connection, refs: Collection[RecordRef]) -> None:
    """What stands in these records may be something else from now on."""
    if refs and get_meta(conn, COMPARED) is not None:
        statement = sql(
            conn,
            "INSERT INTO unshown SELECT person_id FROM person_member WHERE crm = :crm AND object = :object "
            "AND id = :id ON CONFLICT DO NOTHING",
        )
        conn.execute(statement, [ref._asdict() for ref in refs])


def forget(conn: Connection) -> None:
    """Everybody is to be compared."""
    if get_meta(conn, COMPARED) is not None:
        set_meta(conn, COMPARED, None)
        conn.execute(delete(UNSHOWN))


def renew(
    conn: Connection,
    fields: Sequence[Any],
    differing: Select[tuple[str]] | CompoundSelect[Any],
    differing_of_all: Select[tuple[str]] | CompoundSelect[Any],
) -> None:
    """Let exactly those stand here of whom a record shows something else in one of these fields.

    `differing` selects them among those who stand here, `differing_of_all` among all.
    """
    named = json.dumps([CODE, *fields])
    if get_meta(conn, COMPARED) == named:
        conn.execute(delete(UNSHOWN).where(UNSHOWN.c.person_id.not_in(differing)))
        return
    conn.execute(delete(UNSHOWN))
    found = differing_of_all.subquery()
    _add(conn, select(found.c.person_id))
    set_meta(conn, COMPARED, named)


def many(conn: Connection, limit: int) -> bool:
    """Whether more than so many stand here."""
    few = select(UNSHOWN.c.person_id).limit(limit + 1).subquery()
    return bool(conn.execute(select(func.count()).select_from(few)).scalar_one() > limit)


def _add(conn: Connection, people: Select[tuple[str]]) -> None:
    kind = sqlite if conn.dialect.name == "sqlite" else postgresql
    # SQLite takes ON CONFLICT for a part of a join unless there is a WHERE before it
    statement = kind.insert(UNSHOWN).from_select(["person_id"], people.where(true()))
    conn.execute(statement.on_conflict_do_nothing())
