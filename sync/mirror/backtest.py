"""How well a model would have told, at earlier moments, what became of people later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Float, Subquery, case, cast, func, literal, select

from config.world import iso_z
from scoring.model import Model
from sync.mirror.engine import Connection
from sync.mirror.past import SAMPLE, Watched, fill_sample, months_before, outcomes, past_program
from sync.mirror.programs import temporary

TOPS: Final = (10, 20)
"""Percent of the best scored, for the lift."""

FEW: Final = 40
"""With fewer outcomes than this, no number says much."""


@dataclass(frozen=True, slots=True)
class Month:
    """One moment: who was there, to how many it came in time, how many qualified, how many of those."""

    at: int
    people: int
    won: int
    qualified: int
    qualified_won: int

    def to_json(self) -> dict[str, Any]:
        """One entry of `months`."""
        return {**asdict(self), "at": iso_z(self.at), "rate": share(self.qualified_won, self.qualified)}


@dataclass(frozen=True, slots=True)
class Backtest:
    """All moments together; None where there is nothing to divide by.

    `auc`: how likely it is that somebody who won was scored higher than somebody who did not (ties count
    half). `lift`: how much denser outcomes are among the best scored 10 and 20 percent. `precision`: the
    share of those who qualified to whom it came.
    """

    people: int
    won: int
    auc: float | None
    lift: dict[int, float | None]
    qualified: int
    qualified_won: int
    months: tuple[Month, ...]

    @property
    def precision(self) -> float | None:
        """Of those who qualified."""
        return share(self.qualified_won, self.qualified)

    @property
    def recall(self) -> float | None:
        """Of those to whom it came."""
        return share(self.qualified_won, self.won)


def share(part: float, whole: float) -> float | None:
    """A share, to four decimals."""
    return round(part / whole, 4) if whole else None


def backtest(conn: Connection, model: Model, watched: Watched, now: int, months: int) -> Backtest:
    """Score people as of the first of each month and compare with what came within the horizon."""
    with outcomes(conn, watched.label), temporary(conn, (SAMPLE,)):
        moments = months_before(now, watched.horizon, months)
        fill_sample(conn, past_program(model), moments, watched.horizon, now)
        listed = _months(conn)
        people, won = sum(one.people for one in listed), sum(one.won for one in listed)
        return Backtest(
            people=people,
            won=won,
            auc=_auc(conn, won, people - won),
            lift={top: _lift(conn, top, won, people) for top in TOPS},
            qualified=sum(one.qualified for one in listed),
            qualified_won=sum(one.qualified_won for one in listed),
            months=tuple(listed),
        )


def _sum_if(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    people: ColumnElement[Any] = SAMPLE.c.people
    for condition in conditions:
        people = case((condition, people), else_=0)
    return cast(func.sum(people), BigInteger)


def _months(conn: Connection) -> list[Month]:
    won, good = SAMPLE.c.won.is_(True), SAMPLE.c.qualifies.is_(True)
    query = select(SAMPLE.c.at, _sum_if(), _sum_if(won), _sum_if(good), _sum_if(good, won))
    return [Month(*row) for row in conn.execute(query.group_by(SAMPLE.c.at).order_by(SAMPLE.c.at))]


def _ranked() -> Subquery:
    """One row a total, best first: those who won and all of them, and how many stand before."""
    by_total = (
        select(SAMPLE.c.total, _sum_if(SAMPLE.c.won.is_(True)).label("won"), _sum_if().label("people"))
        .group_by(SAMPLE.c.total)
        .subquery()
    )
    row = by_total.c
    before = cast(func.sum(row.people).over(order_by=row.total.desc()), BigInteger) - row.people
    lost_before = cast(func.sum(row.people - row.won).over(order_by=row.total.desc()), BigInteger)
    return select(
        row.won,
        row.people,
        before.label("before"),
        (lost_before - (row.people - row.won)).label("lost_before"),
    ).subquery()


def _auc(conn: Connection, won: int, lost: int) -> float | None:
    """From pairs: each win beats every loss that is scored lower, and half of those scored the same."""
    if not won or not lost:
        return None
    row = _ranked().c
    beaten = 2 * (literal(lost, BigInteger) - row.lost_before) - (row.people - row.won)
    twice = conn.execute(select(func.sum(cast(row.won * beaten, Float(53))))).scalar_one()
    return round(float(twice) / (2 * won * lost), 4)


def _lift(conn: Connection, top: int, won: int, people: int) -> float | None:
    """Of the best scored; a total that is cut by the line counts with the share above it."""
    if not won:
        return None
    line = people * top / 100
    row = _ranked().c
    above = literal(line, Float(53)) - cast(row.before, Float(53))
    share_above = case((above <= 0, 0.0), (above >= row.people, 1.0), else_=above / row.people)
    caught = conn.execute(select(func.sum(row.won * share_above))).scalar_one()
    return round(float(caught) / won / (top / 100), 2)
