"""What a model would have said at earlier moments, and what became of the people: by time only.

A score of a moment reads only what was done until then. Facts of records are today's (the mirror keeps no
earlier ones), so whatever sales fills in later would leak: `sync.mirror.leaks` looks for that. Everybody
is taken for a lead, because the stage of today knows the outcome.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    MetaData,
    Select,
    String,
    Subquery,
    Table,
    and_,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
)

from scoring.compile import Program, compile_model
from scoring.model import Model
from sync.mirror.catalog import PERSON, engagements
from sync.mirror.engine import Connection
from sync.mirror.programs import run_program, temporary
from sync.mirror.tables import DealRow, LinkRow, PersonMember, PersonRow

MEMBER: Table = PersonMember.metadata.tables["person_member"]
RECORD: Table = PersonRow.metadata.tables["person_record"]
LINK: Table = LinkRow.metadata.tables["link"]
DEAL: Table = DealRow.metadata.tables["deal_record"]

LABELS: Final = ("won", "opportunity")
"""What may become of a person: a deal of theirs is won, or one is opened."""

OUTCOME: Final = Table(
    "scoring_outcome",
    MetaData(),
    Column("person_id", String, primary_key=True),
    Column("known", BigInteger),
    Column("at", BigInteger),
    prefixes=["TEMPORARY"],
)
"""Since when each person is known to the CRMs, and the first moment of what the label names."""

AT_RISK: Final = Table(
    "scoring_at_risk",
    MetaData(),
    Column("person_id", String, primary_key=True),
    Column("won", Boolean, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Who was there at a moment without the outcome, and whether it came within the horizon."""

SAMPLE: Final = Table(
    "scoring_sample",
    MetaData(),
    Column("at", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("qualifies", Boolean, nullable=False),
    Column("won", Boolean, nullable=False),
    Column("people", BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)
"""People by moment, score and outcome."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The label, and for how long after each moment it is waited for, in seconds."""

    label: str
    horizon: int


def months_before(now: int, horizon: int, count: int) -> list[int]:
    """The first moments of the last months (UTC) whose horizon is over, oldest first."""
    last = datetime.fromtimestamp(now - horizon, UTC)
    year, month = last.year, last.month
    found = []
    for _ in range(count):
        found.append(int(datetime(year, month, 1, tzinfo=UTC).timestamp()))
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return found[::-1]


def apart(now: int, horizon: int, count: int) -> list[int]:
    """Moments whose horizons do not overlap, the last one over now: every outcome is seen once."""
    return [now - horizon * number for number in range(count, 0, -1)]


@contextmanager
def outcomes(conn: Connection, label: str) -> Iterator[None]:
    """OUTCOME and AT_RISK exist inside the block, OUTCOME filled."""
    with temporary(conn, (OUTCOME, AT_RISK)):
        came = happened(label)
        query = (
            select(PERSON.c.person_id, func.min(_seconds(RECORD.c.created_ms)), func.min(came.c.at))
            .select_from(PERSON)
            .join(MEMBER, MEMBER.c.person_id == PERSON.c.person_id)
            .join(RECORD, _same(MEMBER, RECORD))
            .outerjoin(came, came.c.person_id == PERSON.c.person_id)
            .group_by(PERSON.c.person_id)
        )
        conn.execute(insert(OUTCOME).from_select(["person_id", "known", "at"], query))
        yield


def happened(label: str) -> Subquery:
    """person_id, at: the first moment of what the label names, of people to whom it happened."""
    moment = DEAL.c.closed_ms if label == "won" else DEAL.c.created_ms
    wanted = [not_(DEAL.c.gone), moment.is_not(None), *([DEAL.c.is_won.is_(True)] if label == "won" else [])]
    link = and_(
        LINK.c.crm == MEMBER.c.crm, LINK.c.from_object == MEMBER.c.object, LINK.c.from_id == MEMBER.c.id
    )
    deal = and_(DEAL.c.crm == LINK.c.crm, DEAL.c.object == LINK.c.to_object, DEAL.c.id == LINK.c.to_id)
    return (
        select(MEMBER.c.person_id, func.min(_seconds(moment)).label("at"))
        .select_from(MEMBER)
        .join(LINK, link)
        .join(DEAL, deal)
        .where(*wanted)
        .group_by(MEMBER.c.person_id)
        .subquery()
    )


def _seconds(milliseconds: ColumnElement[Any]) -> ColumnElement[Any]:
    return milliseconds // literal(1000, BigInteger)


def _same(left: Table, right: Table) -> ColumnElement[bool]:
    return and_(*(left.c[name] == right.c[name] for name in ("crm", "object", "id")))


def fill_at_risk(conn: Connection, at: int, horizon: int) -> tuple[int, int]:
    """Who was known at a moment without the outcome; how many, and to how many it came in time."""
    conn.execute(delete(AT_RISK))
    came = and_(OUTCOME.c.at.is_not(None), OUTCOME.c.at <= at + horizon)
    query = select(OUTCOME.c.person_id, came).where(
        or_(OUTCOME.c.known.is_(None), OUTCOME.c.known <= at), or_(OUTCOME.c.at.is_(None), OUTCOME.c.at > at)
    )
    people = conn.execute(insert(AT_RISK).from_select(["person_id", "won"], query)).rowcount
    won = conn.execute(select(func.count()).select_from(AT_RISK).where(AT_RISK.c.won.is_(True))).scalar_one()
    return people, won


def fill_everybody(conn: Connection, at: int) -> None:
    """Who was known at a moment, whatever became of them."""
    conn.execute(delete(AT_RISK))
    known = or_(OUTCOME.c.known.is_(None), OUTCOME.c.known <= at)
    query = select(OUTCOME.c.person_id, literal(False)).where(known)
    conn.execute(insert(AT_RISK).from_select(["person_id", "won"], query))


def past_program(model: Model) -> Program:
    """The program of a model over the people of AT_RISK, all of them taken for leads."""
    whom: Select[tuple[str]] = select(AT_RISK.c.person_id)
    people = select(PERSON, literal("lead").label("stage_read")).where(PERSON.c.person_id.in_(whom))
    return compile_model(model, people.subquery("people"), engagements(whom))


def qualifies(program: Program) -> ColumnElement[bool]:
    """Whether a model would have somebody enter."""
    row = program.decision.c
    return and_(row.eligible.is_(True), or_(row.over_enter.is_(True), row.fast_track.is_not(None)))


def fill_sample(
    conn: Connection, program: Program, moments: list[int], horizon: int, now: int
) -> list[tuple[int, int]]:
    """Score whoever was there at each moment into SAMPLE; (people, outcomes) of each."""
    found = []
    for at in moments:
        found.append(fill_at_risk(conn, at, horizon))
        with temporary(conn, program.tables):
            run_program(conn, program, as_of=at, known_at=now)
            row, good = program.decision.c, qualifies(program)
            query = (
                select(literal(at, BigInteger), row.total, good, AT_RISK.c.won, func.count())
                .select_from(program.decision)
                .join(AT_RISK, AT_RISK.c.person_id == row.person_id)
                .group_by(row.total, good, AT_RISK.c.won)
            )
            conn.execute(insert(SAMPLE).from_select([column.name for column in SAMPLE.columns], query))
    return found
