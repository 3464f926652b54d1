"""A few people a night scored again, one by one in Python: the stored rows must be the same.

Scores are recomputed only for whom something happened to or time alone may have changed. That nobody else
would have needed it, and that the SQL says what the slow Python evaluation says, is looked at here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, literal, not_, or_, select

from scoring.evaluate import Evaluation, evaluate
from scoring.model import Model
from sync.mirror import catalog
from sync.mirror.catalog import HIT, PERSON, SCORE, SPELL
from sync.mirror.engine import Connection
from sync.mirror.runs import scoring_round

POINTS: Final = ("total", "fit", "engagement")
DECIDED: Final = ("grade", "suppressed", "eligible", "over_enter", "fast_track", "under_leave")
"""What time alone changes only when a person is due."""


class Differs(NamedTuple):
    """A stored score that is not what it ought to be, and what of it."""

    person_id: str
    model: str
    what: str


def differing(
    conn: Connection, models: Sequence[Model], start: str, size: int, now: int
) -> tuple[int, list[Differs]]:
    """Score so many from `start` on in the order of ids, around the end: (how many, whose score differs).

    Left out: whoever is to be scored anyway, or went in or out of a spell since (their stage, which a model
    may read, is another one now).
    """
    by_name = {model.name: model for model in models}
    rows = _settled(conn, SCORE.c.person_id >= start, size, now)
    rows += _settled(conn, SCORE.c.person_id < start, size - len(rows), now)
    found = []
    for row in rows:
        what = _differs(conn, by_name[row["model"]], row, now)
        if what:
            found.append(Differs(row["person_id"], row["model"], what))
    return len(rows), found


def _settled(conn: Connection, where: ColumnElement[bool], size: int, now: int) -> list[dict[str, Any]]:
    moved = and_(
        SPELL.c.person_id == SCORE.c.person_id,
        or_(SPELL.c.entered_at >= SCORE.c.as_of, SPELL.c.left_at >= SCORE.c.as_of),
    )
    query = (
        select(SCORE)
        .join(PERSON, PERSON.c.person_id == SCORE.c.person_id)
        .where(PERSON.c.score_round < scoring_round(conn), not_(exists(select(SPELL.c.id).where(moved))))
        .where(where, SCORE.c.as_of <= now)
        .order_by(SCORE.c.person_id, SCORE.c.model)
        .limit(size)
    )
    return [dict(row) for row in conn.execute(query).mappings()]


def _differs(conn: Connection, model: Model, row: Mapping[str, Any], now: int) -> str:
    """What of a stored score is not what Python says of its own moment, and of now; "" when all is well."""
    whom = select(literal(row["person_id"]))
    person = dict(conn.execute(select(catalog.people(whom))).mappings().one())
    kinds = catalog.engagements(whom)
    did = [dict(one) for one in conn.execute(select(kinds).where(kinds.c.kind.in_(model.kinds))).mappings()]
    then = evaluate(model, person, did, as_of=row["as_of"], known_at=row["known_at"])
    for name in POINTS:
        if getattr(then, name) != row[name]:
            return name
    if {hit.rule: hit.points for hit in then.hits} != _parts(conn, row):
        return "parts"
    today: Evaluation = evaluate(model, person, did, as_of=now, known_at=now)
    return next((name for name in DECIDED if getattr(today, name) != row[name]), "")


def _parts(conn: Connection, row: Mapping[str, Any]) -> dict[str, int]:
    mine = (HIT.c.person_id == row["person_id"], HIT.c.model == row["model"])
    rows = conn.execute(select(HIT.c.rule, HIT.c.points).where(*mine))
    return {row.rule: row.points for row in rows}


def score_again(conn: Connection, person_ids: Sequence[str]) -> None:
    """Have these people scored by the next run."""
    catalog.touch(conn, PERSON.c.person_id.in_(person_ids))
