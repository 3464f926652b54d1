"""The funnel: of the people whom the CRMs came to know, how far they got, how soon, and why not further.

A stage counts those who went through the stages before it: accepted, opportunity and won count people who
were MQLs. Who got an opportunity without ever having been one is counted as `passed_by`.

| Stage | Reached when |
| --- | --- |
| known | the oldest record of the person was created |
| mql | their first spell began |
| accepted | sales first changed the status of the hand-off; the stage says how far they are now |
| opportunity | the first deal of theirs was opened |
| won | the first deal of theirs was won |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    and_,
    case,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)

from sync.core.stage import BEYOND, DAY
from sync.mirror.catalog import PERSON, SPELL
from sync.mirror.engine import Connection
from sync.mirror.past import MEMBER, RECORD, happened
from sync.mirror.programs import temporary
from sync.mirror.tables import HandOff

HAND_OFF: Final[Table] = HandOff.metadata.tables["hand_off"]
STAGES: Final = ("known", "mql", "accepted", "opportunity", "won")
BY: Final = ("source", "owner", "month")
NOBODY: Final = "(none)"
UNKNOWN_TIME: Final = "(unknown)"

WAY: Final = Table(
    "funnel_way",
    MetaData(),
    Column("person_id", String, primary_key=True),
    Column("part", String, nullable=False),
    *(Column(f"{name}_at", BigInteger) for name in STAGES),
    *(Column(name, Boolean, nullable=False) for name in STAGES),
    Column("passed_by", Boolean, nullable=False),
    Column("rejected", String),
    prefixes=["TEMPORARY"],
)
"""Every person of the cohort: which stages they reached, and when, in epoch seconds."""

MONTH: Final = Table(
    "funnel_month",
    MetaData(),
    Column("first", BigInteger, primary_key=True),
    Column("after", BigInteger, nullable=False),
    Column("name", String, nullable=False),
    prefixes=["TEMPORARY"],
)
"""The calendar months (UTC) that the cohort lies in."""


@dataclass(frozen=True, slots=True)
class Part:
    """The funnel of everybody, or of one source, owner or month.

    `reached`: stage → people. `days`: stage → median days from the stage before it, of those for whom both
    moments are known; None without any. `passed_by`: got an opportunity without having been an MQL.
    """

    name: str
    reached: Mapping[str, int]
    days: Mapping[str, float | None]
    passed_by: int

    def rate(self, stage: str) -> float | None:
        """The share of the stage before that reached this one."""
        before = self.reached[STAGES[STAGES.index(stage) - 1]] if stage != STAGES[0] else 0
        return round(self.reached[stage] / before, 4) if before else None

    def to_json(self) -> dict[str, Any]:
        """One entry of `parts`, and `total`, of `funnel --json`."""
        stages = [
            {
                "stage": name,
                "people": self.reached[name],
                "rate": self.rate(name),
                "median_days": self.days[name],
            }
            for name in STAGES
        ]
        return {"name": self.name, "stages": stages, "passed_by": self.passed_by}


EMPTY: Final = Part("", dict.fromkeys(STAGES, 0), dict.fromkeys(STAGES), 0)


@dataclass(frozen=True, slots=True)
class Funnel:
    """Everybody, the parts with the most MQLs first (months in order), and why sales gave MQLs back."""

    total: Part
    parts: Sequence[Part]
    rejections: Sequence[tuple[str, int]]


def funnel(conn: Connection, *, since: int | None, by: str | None, now: int) -> Funnel:
    """The funnel of those whom a CRM knows since then (None: of everybody). `by`: one of BY, or None."""
    with _ways(conn, since, by, now):
        parts = [] if by is None else _parts(conn)
        conn.execute(update(WAY).values(part=""))
        whole = _parts(conn)
        return Funnel(whole[0] if whole else EMPTY, parts, _rejections(conn))


@contextmanager
def _ways(conn: Connection, since: int | None, by: str | None, now: int) -> Iterator[None]:
    """WAY exists and is filled inside the block."""
    with temporary(conn, (WAY, MONTH)):
        query = _everybody(since, by)
        conn.execute(insert(WAY).from_select([column.name for column in WAY.c], query))
        if by == "month":
            _name_months(conn, now)
        yield


def _everybody(since: int | None, by: str | None) -> Select[Any]:
    """One row per person, in the order of WAY's columns."""
    known, spells, touched = _known().subquery(), _spells().subquery(), _touched().subquery()
    opened, won = happened("opportunity"), happened("won")
    is_mql, has_won = spells.c.at.is_not(None), won.c.at.is_not(None)
    has_deal = or_(opened.c.at.is_not(None), has_won)
    accepted = or_(PERSON.c.crm_stage.in_(BEYOND), has_deal)
    owner = touched.c.owner if by == "owner" else literal("")
    part = func.coalesce(PERSON.c.lead_source, NOBODY) if by == "source" else func.coalesce(owner, NOBODY)
    given_back = and_(is_mql, PERSON.c.crm_stage.in_(("recycled", "disqualified")))
    reason = func.coalesce(PERSON.c.rejected_reason, PERSON.c.crm_stage)
    joined = PERSON.join(known, known.c.person_id == PERSON.c.person_id)
    for other in (spells, touched, opened, won):
        joined = joined.outerjoin(other, other.c.person_id == PERSON.c.person_id)
    query = select(
        PERSON.c.person_id,
        part,
        known.c.at,
        spells.c.at,
        touched.c.at,
        opened.c.at,
        won.c.at,
        true(),
        is_mql,
        and_(is_mql, accepted),
        and_(is_mql, has_deal),
        and_(is_mql, has_won),
        and_(not_(is_mql), has_deal),
        case((given_back, reason), else_=None),
    ).select_from(joined)
    return query if since is None else query.where(known.c.at >= since)


def _known() -> Select[Any]:
    """person_id, at: when the oldest record of each person was created."""
    seconds = RECORD.c.created_ms // literal(1000, BigInteger)
    same = and_(*(MEMBER.c[name] == RECORD.c[name] for name in ("crm", "object", "id")))
    joined = MEMBER.join(RECORD, same)
    query = select(MEMBER.c.person_id, func.min(seconds).label("at")).select_from(joined)
    return query.group_by(MEMBER.c.person_id)


def _spells() -> Select[Any]:
    """person_id, at: when each first became an MQL."""
    return select(SPELL.c.person_id, func.min(SPELL.c.entered_at).label("at")).group_by(SPELL.c.person_id)


def _touched() -> Select[Any]:
    """person_id, owner, at: who was given the person last, and when sales first changed the status."""
    by_status = case((HAND_OFF.c.touched_by == "status", HAND_OFF.c.touched_at), else_=None)
    first = select(HAND_OFF.c.person_id, func.min(by_status).label("at")).group_by(HAND_OFF.c.person_id)
    order = [HAND_OFF.c.started_at.desc(), HAND_OFF.c.spell_id]
    place = func.row_number().over(partition_by=HAND_OFF.c.person_id, order_by=order)
    ranked = select(HAND_OFF.c.person_id, HAND_OFF.c.owner, place.label("place")).subquery()
    times = first.subquery()
    return (
        select(ranked.c.person_id, ranked.c.owner, times.c.at)
        .join(times, times.c.person_id == ranked.c.person_id)
        .where(ranked.c.place == 1)
    )


def _name_months(conn: Connection, now: int) -> None:
    """Put the month in which each person came to be known in `part`."""
    first = conn.execute(select(func.min(WAY.c.known_at))).scalar_one()
    rows = list(_months(now if first is None else first, now))
    conn.execute(insert(MONTH), rows)
    of_person = and_(WAY.c.known_at >= MONTH.c.first, WAY.c.known_at < MONTH.c.after)
    name = select(MONTH.c.name).where(of_person).scalar_subquery()
    conn.execute(update(WAY).values(part=func.coalesce(name, UNKNOWN_TIME)))


def _months(first: int, last: int) -> Iterator[dict[str, Any]]:
    """The months from one moment to another, both included."""
    moment = datetime.fromtimestamp(first, UTC)
    year, month = moment.year, moment.month
    start = int(datetime(year, month, 1, tzinfo=UTC).timestamp())
    while start <= last:
        following = (year + 1, 1) if month == 12 else (year, month + 1)
        end = int(datetime(*following, 1, tzinfo=UTC).timestamp())
        yield {"first": start, "after": end, "name": f"{year}-{month:02}"}
        (year, month), start = following, end


def _parts(conn: Connection) -> list[Part]:
    counted = [func.sum(case((WAY.c[name], 1), else_=0)) for name in (*STAGES, "passed_by")]
    rows = conn.execute(select(WAY.c.part, *counted).group_by(WAY.c.part)).all()
    days = {name: _medians(conn, name) for name in STAGES[1:]}
    found = [
        Part(
            row[0],
            dict(zip(STAGES, (int(number) for number in row[1:-1]), strict=True)),
            {"known": None, **{name: days[name].get(row[0]) for name in STAGES[1:]}},
            int(row[-1]),
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (-one.reached["mql"], -one.reached["known"], one.name))


def _medians(conn: Connection, stage: str) -> dict[str, float]:
    """Part → median days from the stage before to this one; who went backwards in time is left out."""
    before = WAY.c[f"{STAGES[STAGES.index(stage) - 1]}_at"]
    took = (WAY.c[f"{stage}_at"] - before).label("took")
    rows = select(WAY.c.part, took).where(WAY.c[stage], took >= 0).subquery()
    place = func.row_number().over(partition_by=rows.c.part, order_by=rows.c.took)
    whole = func.count().over(partition_by=rows.c.part)
    ranked = select(rows.c.part, rows.c.took, place.label("place"), whole.label("whole")).subquery()
    two = literal(2, Integer)
    middle = or_(ranked.c.place == (ranked.c.whole + 1) // two, ranked.c.place == (ranked.c.whole + 2) // two)
    query = select(ranked.c.part, func.sum(ranked.c.took), func.count()).where(middle)
    found = conn.execute(query.group_by(ranked.c.part)).all()
    return {name: round(int(took) / int(number) / DAY, 2) for name, took, number in found}


def _rejections(conn: Connection) -> list[tuple[str, int]]:
    """Why sales gave MQLs back, the most frequent first."""
    query = select(WAY.c.rejected, func.count()).where(WAY.c.rejected.is_not(None)).group_by(WAY.c.rejected)
    rows = [(str(reason), int(number)) for reason, number in conn.execute(query)]
    return sorted(rows, key=lambda row: (-row[1], row[0]))
