"""Whether people score as they did: stability of both axes, share of MQLs, and what sales makes of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Float, and_, case, cast, func, or_, select

from config.world import iso_z
from scoring.model import POINT, Model
from sync.core.stage import BEYOND, DAY
from sync.mirror.backtest import share
from sync.mirror.catalog import ENGAGEMENT, PERSON, SPELL
from sync.mirror.engine import Connection
from sync.mirror.past import OUTCOME, fill_everybody, outcomes, past_program
from sync.mirror.programs import run_program, temporary

BIN: Final = 10 * POINT
"""Scores are put in bins of ten points."""

EMPTY: Final = 0.0001
"""The share that an empty bin counts as, so that the index stays finite."""

SHIFTING: Final = 0.1
DRIFTED: Final = 0.25
WEEKS: Final = 4
WEEK: Final = 7 * DAY


@dataclass(frozen=True, slots=True)
class Checked:
    """A share and its healthy band; `healthy` None: no band, or nothing to divide by."""

    part: int
    whole: int
    band: tuple[float, float] | None

    @property
    def rate(self) -> float | None:
        """The share."""
        return share(self.part, self.whole)

    @property
    def healthy(self) -> bool | None:
        """Whether it lies in the band."""
        if self.rate is None or self.band is None:
            return None
        return self.band[0] <= self.rate <= self.band[1]

    def to_json(self) -> dict[str, Any]:
        """As `model drift --json` has it."""
        return {**asdict(self), "rate": self.rate, "healthy": self.healthy}


@dataclass(frozen=True, slots=True)
class Stability:
    """The population stability index of one axis: 0 is the same, from 0.1 shifting, from 0.25 drifted."""

    axis: str
    psi: float | None

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.psi is None:
            return "unknown"
        return "drifted" if self.psi >= DRIFTED else "shifting" if self.psi >= SHIFTING else "stable"

    def to_json(self) -> dict[str, Any]:
        """One entry of `axes`."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Week:
    """Of the people who were met or did something in a week (from `at`), those who became MQLs."""

    at: int
    mqls: Checked

    def to_json(self) -> dict[str, Any]:
        """One entry of `weeks`."""
        return {"at": iso_z(self.at), **self.mqls.to_json()}


@dataclass(frozen=True, slots=True)
class Drift:
    """Everything between two moments."""

    before: int
    after: int
    people: tuple[int, int]
    axes: tuple[Stability, ...]
    weeks: tuple[Week, ...]
    to_sales: Checked


def drift(conn: Connection, model: Model, since: int, now: int) -> Drift:
    """Compare now with `since`; everybody is taken for a lead, with the facts of today."""
    with outcomes(conn, "won"):
        counts = [_bins(conn, model, at, now) for at in (since, now)]
        weeks = tuple(_week(conn, model, now - WEEK * n) for n in range(WEEKS, 0, -1))
    axes = tuple(Stability(axis, psi(*(side[axis] for side in counts))) for axis in ("fit", "engagement"))
    return Drift(
        since,
        now,
        (counts[0]["fit"].total(), counts[1]["fit"].total()),
        axes,
        weeks,
        _to_sales(conn, model, since),
    )


def psi(before: Mapping[Any, int], after: Mapping[Any, int]) -> float | None:
    """Over bins: (share after - share before) * ln(share after / share before), summed."""
    whole, whole_after = sum(before.values()), sum(after.values())
    if not whole or not whole_after:
        return None
    found = 0.0
    for key in sorted({*before, *after}):
        old = max(before.get(key, 0) / whole, EMPTY)
        new = max(after.get(key, 0) / whole_after, EMPTY)
        found += (new - old) * math.log(new / old)
    return round(found, 4)


def _bins(conn: Connection, model: Model, at: int, now: int) -> dict[str, Counter[int]]:
    """How many of those who were known at a moment scored in each bin then."""
    fill_everybody(conn, at)
    program = past_program(model)
    found = {}
    with temporary(conn, program.tables):
        run_program(conn, program, as_of=at, known_at=now)
        for axis in ("fit", "engagement"):
            points = program.decision.c[axis]
            place = cast(func.floor(cast(points, Float(53)) / float(BIN)), BigInteger).label("place")
            rows = conn.execute(select(place, func.count()).group_by(place)).all()
            found[axis] = Counter({int(row[0]): int(row[1]) for row in rows})
    return found


def _week(conn: Connection, model: Model, start: int) -> Week:
    """Spells that the model opened in a week, of the people whom something happened to in it."""
    end = start + WEEK
    did = select(ENGAGEMENT.c.person_id).where(
        ENGAGEMENT.c.occurred_at >= start, ENGAGEMENT.c.occurred_at < end, ENGAGEMENT.c.deleted.is_(False)
    )
    met = and_(OUTCOME.c.known >= start, OUTCOME.c.known < end)
    entered = [*_opened_by(model), SPELL.c.entered_at >= start, SPELL.c.entered_at < end]
    became = select(SPELL.c.person_id).where(*entered)
    person = OUTCOME.c.person_id
    whole = select(func.count()).select_from(OUTCOME).where(or_(met, person.in_(did), person.in_(became)))
    part = select(func.count(SPELL.c.person_id.distinct())).where(*entered)
    mqls, seen = (int(conn.execute(query).scalar_one()) for query in (part, whole))
    return Week(start, Checked(mqls, seen, model.checks.mql_share_per_week))


def _to_sales(conn: Connection, model: Model, since: int) -> Checked:
    """Of the spells opened since then: how many are with sales now, or further."""
    far: ColumnElement[Any] = case((PERSON.c.crm_stage.in_(BEYOND), 1), else_=0)
    query = (
        select(func.coalesce(func.sum(far), 0), func.count())
        .select_from(SPELL)
        .join(PERSON, PERSON.c.person_id == SPELL.c.person_id)
        .where(*_opened_by(model), SPELL.c.entered_at >= since)
    )
    with_sales, spells = conn.execute(query).one()
    return Checked(int(with_sales), int(spells), model.checks.mql_to_sql)


def _opened_by(model: Model) -> list[ColumnElement[bool]]:
    """Spells that we opened, not found."""
    return [SPELL.c.model == model.name, SPELL.c.entered_by != "crm"]
