"""What could be undone: the changes that a run, or all runs on one person, wrote and read back."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Table, exists, select

from sync.core.cases import REPAIR, UNDO, Why
from sync.mirror.engine import Connection
from sync.mirror.outbox import COLUMNS, INTENT, Row
from sync.mirror.tables import Person, Run

RUN: Final[Table] = Run.metadata.tables["run"]
PERSON: Final[Table] = Person.metadata.tables["person"]

NOT_UNDONE: Final = (REPAIR, UNDO)
"""What put something back is not undone itself."""

SHORTEST: Final = 6
"""Characters of a run's id that are taken for one."""


class Written(NamedTuple):
    """A change that stood in a CRM as we wrote it. `again`: a later change of ours took its place."""

    row: Row
    again: bool
    ambiguous: bool


def run_called(conn: Connection, typed: str) -> list[str]:
    """The ids of the runs that somebody may mean by an id or its beginning."""
    if len(typed) < SHORTEST:
        return []
    like = RUN.c.id.startswith(typed, autoescape=True)
    return list(conn.execute(select(RUN.c.id).where(like).order_by(RUN.c.id)).scalars())


def written_by(conn: Connection, run_id: str) -> list[Written]:
    """Everything that this run verified and nobody has undone."""
    return _written(conn, INTENT.c.ended_run == run_id)


def written_on(conn: Connection, person_id: str) -> list[Written]:
    """Per field of this person's records, the last change that was verified and not undone."""
    return [one for one in _written(conn, INTENT.c.person_id == person_id) if not one.again]


def _written(conn: Connection, which: ColumnElement[bool]) -> list[Written]:
    later = INTENT.alias("later")
    again = exists(
        select(later.c.id).where(
            *(later.c[name] == INTENT.c[name] for name in ("crm", "object", "record_id", "field")),
            later.c.state == "verified",
            later.c.policy.not_in(NOT_UNDONE),
            later.c.id != INTENT.c.id,
            later.c.done_at > INTENT.c.done_at,
        )
    )
    ambiguous = exists(
        select(PERSON.c.person_id).where(PERSON.c.person_id == INTENT.c.person_id, PERSON.c.ambiguous)
    )
    query = (
        select(*COLUMNS, again, ambiguous)
        .where(which, INTENT.c.state == "verified", INTENT.c.policy.not_in(NOT_UNDONE))
        .where(INTENT.c.why.is_distinct_from(Why.UNDONE.value))
        .order_by(INTENT.c.crm, INTENT.c.object, INTENT.c.record_id, INTENT.c.field, INTENT.c.done_at)
    )
    return [Written(Row(*row[:-2]), bool(row[-2]), bool(row[-1])) for row in conn.execute(query)]
