"""What of the outbox may go out, so many intents at a time: a score for everybody is one for each person.

Pages are read in transactions of their own, in the order of the records, all intents of a record together.
Whoever takes a page may change its intents before the next one is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select, tuple_, update

from sync.core.cases import MACHINE, REPAIR, RESTORING
from sync.mirror import rowhash
from sync.mirror.engine import Connection, Mirror
from sync.mirror.outbox import COLUMNS, IN_FLIGHT, INTENT, Row
from sync.mirror.tables.outbox import WAITING_STATES
from sync.mirror.unusable import DatabaseDamaged

PAGE: Final = 10_000
"""Intents in memory at once; a page of them takes some 10 MiB."""

RECORD: Final = (INTENT.c.crm, INTENT.c.object, INTENT.c.record_id)
ORDER: Final = (*RECORD, INTENT.c.field, INTENT.c.id)

Picked = Callable[[ColumnElement[str]], list[ColumnElement[bool]]]
"""The conditions of the intents that are meant, given how their state is named."""


@dataclass(frozen=True, slots=True)
class Sendable:
    """Queued intents of one CRM that may go out now.

    `digest`: only those of that released plan. `people`: only theirs. `released_only`: only those of any
    released plan, and repairs, which need nobody's word. `stopped`: not those of these objects.
    """

    crm: str
    now: int
    digest: str | None = None
    people: Collection[str] | None = None
    released_only: bool = False
    stopped: Collection[str] = ()

    def where(self, state: ColumnElement[str]) -> list[ColumnElement[bool]]:
        """As conditions."""
        found: list[ColumnElement[bool]] = [
            INTENT.c.crm == self.crm,
            state == "queued",
            or_(INTENT.c.next_at.is_(None), INTENT.c.next_at <= self.now),
            INTENT.c.object.not_in(sorted(self.stopped)),
        ]
        if self.digest is not None:
            found.append(or_(INTENT.c.plan_digest == self.digest, INTENT.c.policy == REPAIR))
        elif self.released_only:
            found.append(_released())
        if self.people is not None:
            found.append(INTENT.c.person_id.in_(sorted(self.people)))
        return found

    def pages(self, mirror: Mirror) -> Iterator[list[Row]]:
        """First the records of which a field is queued that people work by, then all others.

        Raises DatabaseDamaged when an open intent of this CRM is not what was written.
        """
        with mirror.read() as conn:
            require_whole(conn, self.crm)
        other = INTENT.alias("other")
        careful = exists(
            select(other.c.id).where(
                *(other.c[column.name] == column for column in RECORD),
                other.c.state == "queued",
                other.c.policy != MACHINE,
            )
        )
        yield from pages(mirror, lambda state: [*self.where(state), careful])
        yield from pages(mirror, lambda state: [*self.where(state), not_(careful)])


def pages(mirror: Mirror, picked: Picked, size: int = PAGE) -> Iterator[list[Row]]:
    """The intents that are meant, about so many at a time and never only some of a record's."""
    last: tuple[Any, ...] | None = None
    with mirror.read() as conn:
        many = count(conn, picked) > size
    # few are found by their state; of many each page begins where the last one ended, by the index of records
    state = func.coalesce(INTENT.c.state, "") if many else INTENT.c.state
    while True:
        query = select(*COLUMNS).where(*picked(state)).order_by(*ORDER)
        if last is not None:
            query = query.where(tuple_(*RECORD) > last)
        with mirror.read() as conn:
            rows = [Row(*row) for row in conn.execute(query.limit(size) if many else query)]
        whole = _whole_records(rows) if many and len(rows) == size else rows
        if whole:
            yield whole
            last = tuple(whole[-1].ref)
        if whole is rows:
            return


def _whole_records(rows: list[Row]) -> list[Row]:
    """Without the last record, of which there may be more; the only one of a page is never cut."""
    kept = [row for row in rows if row.ref != rows[-1].ref]
    if not kept:
        raise ValueError(f"{len(rows)} changes of {rows[-1].ref} wait: more than a record has fields")
    return kept


def count(conn: Connection, picked: Picked) -> int:
    """How many intents are meant."""
    return int(conn.execute(select(func.count()).where(*picked(INTENT.c.state))).scalar_one())


def records_per_field(conn: Connection, picked: Picked) -> dict[tuple[str, str], int]:
    """On how many records each field (object, field) waits for a value that we supply."""
    field = (INTENT.c.object, INTENT.c.field)
    query = select(*field, func.count(INTENT.c.record_id.distinct())).group_by(*field)
    supplied = query.where(*picked(INTENT.c.state), INTENT.c.policy.not_in(RESTORING))
    return {(row[0], row[1]): row[2] for row in conn.execute(supplied)}


def require_whole(conn: Connection, crm: str) -> None:
    """Every open intent of a CRM is what was written. Raises DatabaseDamaged: a damaged one is never sent."""
    states = ", ".join(f"'{state}'" for state in WAITING_STATES)
    found = rowhash.damaged(conn, "intent", f"state IN ({states}) AND crm = :crm", crm=crm)
    if found:
        where = conn.engine.url.render_as_string(hide_password=True)
        more = f" and {len(found) - 1} more are" if len(found) > 1 else " is"
        raise DatabaseDamaged(where, f"the change {found[0]}{more} not what was written: nothing is sent")


def in_flight(conn: Connection, crm: str, now: int) -> list[Row]:
    """Intents whose fate is not known: sent and never judged, or unsure and due for another look."""
    require_whole(conn, crm)
    due = or_(INTENT.c.next_at.is_(None), INTENT.c.next_at <= now, INTENT.c.state == "sent")
    query = select(*COLUMNS).where(INTENT.c.crm == crm, INTENT.c.state.in_(IN_FLIGHT), due)
    return [Row(*row) for row in conn.execute(query.order_by(*ORDER))]


def unreleased(
    crms: Collection[str],
    stopped: Collection[tuple[str, str]] = (),
    states: Sequence[str] = ("queued", "quiet"),
) -> Picked:
    """Intents of these CRMs that no released plan covers: what the limits look at. `stopped`: (crm, object)
    that are left out."""
    return lambda state: [*open_ones(crms, stopped, states)(state), not_(_released())]


def open_ones(crms: Collection[str], stopped: Collection[tuple[str, str]], states: Sequence[str]) -> Picked:
    """Intents of these CRMs in one of these states. `stopped`: (crm, object) that are left out."""
    left_out = [and_(INTENT.c.crm == crm, INTENT.c.object == name) for crm, name in sorted(stopped)]
    return lambda state: [
        INTENT.c.crm.in_(sorted(crms)),
        state.in_(states),
        *(not_(one) for one in left_out),
    ]


def held_by(digest: str, crms: Collection[str], stopped: Collection[tuple[str, str]]) -> Picked:
    """What a waiting plan holds back for these CRMs. `stopped`: (crm, object) that are left out."""
    held = open_ones(crms, stopped, ("awaiting_approval",))
    return lambda state: [*held(state), INTENT.c.plan_digest == digest]


def wake(conn: Connection, now: int) -> int:
    """Queue what has waited out a quiet period."""
    due = and_(INTENT.c.state == "quiet", or_(INTENT.c.next_at.is_(None), INTENT.c.next_at <= now))
    return conn.execute(update(INTENT).where(due).values(state="queued", next_at=None)).rowcount


def _released() -> ColumnElement[bool]:
    """Nobody's word is needed: a released plan covers it, it went out before, or it repairs."""
    return or_(INTENT.c.plan_digest.is_not(None), INTENT.c.sent_ms.is_not(None), INTENT.c.policy == REPAIR)
