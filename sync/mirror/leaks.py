"""Facts that are filled in because sales touched somebody: they know the outcome, and predict nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, select

from scoring.fields import CUSTOM, FIELDS
from scoring.model import Model, comparisons_of
from scoring.operators import is_known_sql
from sync.core.stage import BEYOND
from sync.mirror.catalog import people
from sync.mirror.engine import Connection

MOSTLY: Final = 0.5
HARDLY: Final = 0.05
ENOUGH: Final = 20
"""People on either side; fewer say nothing."""

NOT_FACTS: Final = ("stage", "email", "email_domain", "first_name", "last_name")


@dataclass(frozen=True, slots=True)
class Leak:
    """A field that is filled for most of those whom sales works and for hardly anybody else."""

    field: str
    worked: float
    others: float
    used: bool

    @property
    def words(self) -> str:
        """A warning."""
        return (
            f"{self.field} is filled for {100 * self.worked:.0f} % of those whom sales worked and for "
            f"{100 * self.others:.0f} % of the others: it tells what sales did, not who will buy"
        )

    def to_json(self) -> dict[str, Any]:
        """One entry of `leaks`."""
        return {**asdict(self), "message": self.words}


def leaks(conn: Connection, model: Model) -> list[Leak]:
    """The leaking fields among those that a model may read; `used`: this model does."""
    used = {test.field for test in _comparisons(model)}
    names = [*(name for name in FIELDS if name not in NOT_FACTS)]
    names += sorted(name for name in used if name.startswith(f"{CUSTOM}."))
    row = people()
    worked = row.c.crm_stage.in_(BEYOND)
    counts = select(
        _count(worked),
        _count(~worked),
        *(_count(and_(side, is_known_sql(name, row))) for name in names for side in (worked, ~worked)),
    )
    with_sales, others, *filled = (int(value or 0) for value in conn.execute(counts).one())
    if min(with_sales, others) < ENOUGH:
        return []
    found = []
    for index, name in enumerate(names):
        shares = filled[2 * index] / with_sales, filled[2 * index + 1] / others
        if shares[0] >= MOSTLY and shares[1] <= HARDLY:
            found.append(Leak(name, round(shares[0], 4), round(shares[1], 4), name in used))
    return found


def _count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))


def _comparisons(model: Model) -> list[Any]:
    conditions = [rule.when for rule in model.rules if rule.when is not None]
    return [test for condition in conditions for test in comparisons_of(condition)]
