"""Records that show another score or grade than their person's own.

Most people have one, so who is compared is kept (`unshown`): a pass costs what changed since the last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    union,
)

from sync.core.cases import Why
from sync.mirror import unshown
from sync.mirror.dialect import in_batches
from sync.mirror.engine import Connection
from sync.mirror.outbox import INTENT
from sync.mirror.tables.outbox import WAITING_STATES
from sync.mirror.unshown import UNSHOWN
from sync.mirror.wants import PERSON, POINT, RECORD, SCORE, Want, current_value, records_showing, same_field

AT_ONCE: Final = 5000
"""Wants in memory at once, where everybody may have one."""

FEW: Final = 20_000
"""Up to so many people are looked up one by one; of more, the records are gone through."""


class ScoredField(NamedTuple):
    """One configured field. `purpose`: "score" or "grade"."""

    crm: str
    object: str
    purpose: str
    field: str

    @property
    def current(self) -> ColumnElement[Any]:
        """What stands there."""
        return current_value(self.crm, self.purpose, self.field)

    @property
    def wanted(self) -> ColumnElement[Any]:
        """What ought to: whole points, half up, or the grade."""
        if self.purpose == "grade":
            return SCORE.c.grade
        # integer division truncates in both databases: shift into the positive first
        shift = 10**6
        whole = (SCORE.c.total + 500 + shift * POINT) // POINT - shift
        return cast(cast(whole, BigInteger), Text)

    @property
    def differs(self) -> ColumnElement[bool]:
        """Whether it does not."""
        shown = func.coalesce(self.current, "")
        if self.purpose == "grade":
            return shown != self.wanted
        # as text: what somebody typed into the field need not be a number
        return shown.not_in([self.wanted, self.wanted + ".0"])


def compare(conn: Connection, fields: Sequence[ScoredField]) -> None:
    """Find of whom a record shows something else, among those of whom it may be so; before `score_wants`.

    `fields`: all that are configured, of every CRM, also one that cannot be reached now.
    """
    if not fields:
        unshown.forget(conn)
        return
    many = unshown.many(conn, FEW)
    some = [_of_people(_differing(field, of_all=many)) for field in fields]
    everybody = [_differing(field, of_all=True) for field in fields]
    unshown.renew(conn, fields, union(*some), union(*everybody))


def score_wants(conn: Connection, field: ScoredField) -> Iterator[list[Want]]:
    """Records that show something else and for which no change is under way, settled or given up, so many at
    a time; what is decided about them may be stored meanwhile. Of the people that `compare` found."""
    under_way = exists(
        select(INTENT.c.id).where(
            *same_field(field.field),
            or_(
                INTENT.c.state.in_(("sent", "unsure")),
                and_(
                    INTENT.c.desired_value == field.wanted,
                    or_(
                        INTENT.c.state.in_((*WAITING_STATES, "parked", "conflict")),
                        and_(INTENT.c.state == "superseded", INTENT.c.why == Why.OVERRIDDEN.value),
                        and_(INTENT.c.state == "verified", INTENT.c.why == Why.UNDONE.value),
                    ),
                ),
            ),
        )
    )
    query = _showing(_columns(), field, of_all=unshown.many(conn, FEW)).where(not_(under_way))
    for rows in in_batches(conn, _of_people(query).order_by(PERSON.c.person_id, RECORD.c.id), AT_ONCE):
        yield [Want._make(row) for row in rows]


def _differing(field: ScoredField, *, of_all: bool) -> Select[tuple[str]]:
    """The people of whom a record shows something else in this field."""
    return _showing([], field, of_all=of_all).with_only_columns(PERSON.c.person_id)


def _showing(first: Sequence[ColumnElement[Any]], field: ScoredField, *, of_all: bool) -> Select[Any]:
    """Live records that show something else."""
    crm, object_name, _, name = field
    return (
        records_showing(first, field.current, field.wanted, crm, object_name, name, of_all=of_all)
        .join(SCORE, and_(SCORE.c.person_id == PERSON.c.person_id, SCORE.c.shown))
        .where(field.differs)
    )


def _of_people(query: Select[Any]) -> Select[Any]:
    """Of those who may show something else."""
    return query.where(PERSON.c.person_id.in_(select(UNSHOWN.c.person_id)))


def _columns() -> list[ColumnElement[Any]]:
    """The first columns of a Want."""
    nothing = literal(None, Text())
    return [
        PERSON.c.person_id,
        nothing,
        SCORE.c.model_hash,
        nothing,
        nothing,
        SCORE.c.total,
        SCORE.c.grade,
    ]
