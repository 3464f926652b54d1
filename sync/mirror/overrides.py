"""What administrators say of people, over the model and the CRMs, with a reason and an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, insert, select, update

from config.world import iso_z
from sync.mirror.catalog import OVERRIDE, PERSON, touch
from sync.mirror.engine import Connection
from sync.mirror.tables import PersonAlias

ALIAS = PersonAlias.metadata.tables["person_alias"]


class Override(NamedTuple):
    """One word. `verdict`: "mql", "not_mql", or "stage" with the `stage` that the CRMs are taken to say."""

    id: str
    person_id: str
    verdict: str
    stage: str | None
    reason: str
    by: str
    at: int
    until: int
    ended_at: int | None = None
    ended_why: str | None = None

    @property
    def words(self) -> str:
        """What it says."""
        said = {"mql": "an MQL", "not_mql": "no MQL"}
        return said.get(self.verdict) or f"stage {self.stage}"

    def to_json(self) -> dict[str, Any]:
        """As `person override`, `show` and `explain` print it."""
        left_out = ("person_id", "at", "until", "ended_at")
        found: Mapping[str, Any] = {k: v for k, v in self._asdict().items() if k not in left_out}
        times = {name: iso_z(getattr(self, name)) for name in ("at", "until", "ended_at")}
        return {**found, **times}


def place(conn: Connection, override: Override) -> None:
    """Let this hold from the next scoring on, instead of what held before."""
    end(conn, override.person_id, override.at, "replaced")
    conn.execute(insert(OVERRIDE).values(**override._asdict()))
    touch(conn, PERSON.c.person_id == override.person_id)


def end(conn: Connection, person_id: str, now: int, why: str) -> Override | None:
    """End what holds for a person; what that was."""
    held = current(conn, person_id)
    if held is not None:
        conn.execute(update(OVERRIDE).where(OVERRIDE.c.id == held.id).values(ended_at=now, ended_why=why))
        touch(conn, PERSON.c.person_id == person_id)
    return held


def expire(conn: Connection, now: int) -> int:
    """End what was to hold until now; how many. The people are scored again."""
    over = and_(OVERRIDE.c.ended_at.is_(None), OVERRIDE.c.until <= now)
    whose = select(OVERRIDE.c.person_id).where(over)
    touch(conn, PERSON.c.person_id.in_(whose))
    return conn.execute(
        update(OVERRIDE).where(over).values(ended_at=OVERRIDE.c.until, ended_why="expired")
    ).rowcount


def adopt_merged(conn: Connection, now: int) -> None:
    """What was said of people who became part of others holds for those; of two words the newer one."""
    query = (
        select(OVERRIDE.c.id, OVERRIDE.c.at, OVERRIDE.c.ended_at, ALIAS.c.person_id)
        .join(ALIAS, ALIAS.c.alias == OVERRIDE.c.person_id)
        .where(ALIAS.c.person_id != OVERRIDE.c.person_id)
        .order_by(OVERRIDE.c.at, OVERRIDE.c.id)
    )
    for row in conn.execute(query).all():
        values: dict[str, Any] = {"person_id": row.person_id}
        held = current(conn, row.person_id) if row.ended_at is None else None
        if held is not None and (held.at, held.id) > (row.at, row.id):
            values |= {"ended_at": now, "ended_why": "merged"}
        elif held is not None:
            end(conn, row.person_id, now, "merged")
        conn.execute(update(OVERRIDE).where(OVERRIDE.c.id == row.id).values(**values))
        touch(conn, PERSON.c.person_id == row.person_id)


def current(conn: Connection, person_id: str) -> Override | None:
    """What holds for a person now."""
    row = conn.execute(_of(person_id).where(OVERRIDE.c.ended_at.is_(None))).first()
    return None if row is None else Override(*row)


def of_person(conn: Connection, person_id: str) -> list[Override]:
    """Everything that was ever said of a person, newest first."""
    query = _of(person_id).order_by(OVERRIDE.c.at.desc(), OVERRIDE.c.id)
    return [Override(*row) for row in conn.execute(query)]


def _of(person_id: str) -> Select[Any]:
    columns = [OVERRIDE.c[name] for name in Override._fields]
    return select(*columns).where(OVERRIDE.c.person_id == person_id)
