"""Scores and their parts, for exactly the people in the scope of a run.

A run scores whom something happened to since the last one (`person.score_round`) and whose score time alone
may have changed (`score.due_at`); everybody after a change of model, of its lists or of the clock. How is
always the same: the program of `scoring.compile` over the scope, whose rows replace the stored ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
    union,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from scoring.compile import Program
from scoring.model import Model
from sync.core.stage import DAY
from sync.mirror.catalog import HIT, PERSON, SCORE, SPELL, in_spell, stage_now
from sync.mirror.engine import Connection
from sync.mirror.programs import FACTS, SCOPE, SCOPE_WITH_FACTS
from sync.mirror.runs import SCORED_ROUND, get_meta, scoring_round, set_meta

BASIS: Final = "score_basis"
"""What the stored scores rest on: models, lists, code, and whether their clock was moved."""

CODE: Final = 2
"""Grows when the same model over the same rows gives other rows than before."""

MANY: Final = 50_000
"""Up to so many touched people are scored by themselves, whatever the population."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The moments of a run: `now` stamps, `as_of` and `known_at` bound the engagements."""

    now: int
    as_of: int
    known_at: int

    @property
    def moved(self) -> bool:
        """Scores are wanted for another moment than now."""
        return self.as_of != self.now or self.known_at != self.now


class ScoreMismatch(AssertionError):
    """The parts of a score do not sum to it: a bug, and nothing of the run is kept."""

    def __init__(self, person_id: str, model: str, total: int, parts: int) -> None:
        super().__init__(f"{person_id}: {model} says {total} thousandths, its parts sum to {parts}")


class Basis(NamedTuple):
    """What stored scores rest on: the models, and the moment. `read`: the day of which every spell that was
    open has its reading; None when that is not known."""

    models: list[list[Any]]
    moved: bool
    as_of: int
    read: int | None = None

    def suffices(self, models: Sequence[Model], clock: Clock) -> bool:
        """Whether a run with these would leave the scores of everybody as they are, whom nothing happens."""
        return not (
            clock.moved or self.moved or self.as_of > clock.as_of or self.models != _models_basis(models)
        )


def stored_basis(conn: Connection) -> Basis:
    """What the stored scores rest on."""
    return Basis(**{"models": [], "moved": True, "as_of": 0, **json.loads(get_meta(conn, BASIS) or "{}")})


def finish_round(conn: Connection, models: Sequence[Model], clock: Clock) -> None:
    """Everybody who was touched is scored. Write down what the scores now rest on."""
    basis = Basis(_models_basis(models), clock.moved, clock.as_of, None if clock.moved else clock.now // DAY)
    set_meta(conn, BASIS, json.dumps(basis._asdict(), sort_keys=True))
    set_meta(conn, SCORED_ROUND, str(scoring_round(conn)))


def _models_basis(models: Sequence[Model]) -> list[list[Any]]:
    return [[CODE], *([m.name, m.version, m.status, m.hash, m.lists_hash] for m in models)]


def fill_scope(conn: Connection, clock: Clock, *, everybody: bool, new_day: bool) -> int:
    """Choose whom to score; how many. `new_day`: everybody in a spell among them, for their reading."""
    known = or_(
        exists(
            select(SCORE.c.person_id).where(SCORE.c.person_id == PERSON.c.person_id, SCORE.c.shown.is_(True))
        ),
        exists(select(SPELL.c.id).where(SPELL.c.person_id == PERSON.c.person_id)),
    )
    few = not everybody
    # a run over everybody reads the stage where it needs it: here it would cost a look at every row
    stages = (stage_now(few=True), PERSON.c.stage) if few else (literal(""), literal(""))
    query = select(PERSON.c.person_id, not_(known), in_spell(few=few), *stages)
    table = SCOPE_WITH_FACTS if few else SCOPE
    if few:
        query = query.add_columns(*(PERSON.c[name] for name in FACTS))
        # a union of index look-ups: an OR over them would read every person
        chosen = [
            select(PERSON.c.person_id).where(PERSON.c.score_round >= scoring_round(conn)),
            select(SCORE.c.person_id).where(SCORE.c.due_at <= clock.as_of),
        ]
        if new_day:
            chosen.append(select(SPELL.c.person_id).where(SPELL.c.left_at.is_(None)))
        query = query.where(PERSON.c.person_id.in_(union(*chosen)))
    return conn.execute(insert(table).from_select(list(table.columns), query)).rowcount


def much_touched(conn: Connection) -> bool:
    """Whether so many are touched that scoring everybody costs less."""
    query = select(func.count()).select_from(PERSON).where(PERSON.c.score_round >= scoring_round(conn))
    touched: int = conn.execute(query).scalar_one()
    return touched > MANY and touched > count_people(conn) / 2


def scope() -> Select[tuple[str]]:
    """The ids of the people in scope."""
    return select(SCOPE.c.person_id)


def replace_scores(
    conn: Connection, program: Program, clock: Clock, live: Sequence[str], *, everybody: bool
) -> None:
    """Put the program's rows in place of the stored ones; `live`: names of the live models, in their order.

    With `everybody` the stored ones went before (`forget_all`).

    Raises ScoreMismatch when a score is not the sum of its parts.
    """
    model = program.model
    parts = program.hits.subquery()
    values = {
        column.name: literal(model.name) if column.name == "model" else parts.c[column.name]
        for column in HIT.columns
    }
    if not everybody:
        _drop_former_parts(conn, model.name, select(*(values[key.name] for key in HIT.primary_key)))
    _store(conn, HIT, values, parts, everybody=everybody)
    scores = _score_values(program, clock, live)
    _store(conn, SCORE, scores, program.decision, everybody=everybody)
    _check_sums(conn, model.name, everybody=everybody)


def _drop_former_parts(conn: Connection, model: str, now: Select[Any]) -> None:
    """Delete the parts of the scope that are none any more; `now`: the keys of those that are."""
    key = list(HIT.primary_key)
    mine = (HIT.c.model == model, HIT.c.person_id.in_(scope()))
    former = select(*key).where(*mine).except_(now)
    conn.execute(delete(HIT).where(*mine, tuple_(*key).in_(former)))


def _store(
    conn: Connection,
    table: Table,
    values: Mapping[str, ColumnElement[Any]],
    source: FromClause,
    *,
    everybody: bool,
) -> None:
    """Put rows of `source` into a table, in place of those with the same keys unless it is empty.

    Only what differs is written, and where it lies: a row taken out and put in again costs pages of the
    index too.
    """
    rows = select(*values.values()).select_from(source)
    if everybody:
        conn.execute(insert(table).from_select(list(values), rows))
        return
    kind = sqlite if conn.dialect.name == "sqlite" else postgresql
    key = [column.name for column in table.primary_key]
    statement = kind.insert(table).from_select(list(values), rows.where(true()))
    new = {name: statement.excluded[name] for name in values if name not in key}
    differs = or_(*(table.c[name].is_distinct_from(value) for name, value in new.items()))
    conn.execute(statement.on_conflict_do_update(index_elements=key, set_=new, where=differs))


def _score_values(program: Program, clock: Clock, live: Sequence[str]) -> dict[str, ColumnElement[Any]]:
    row, model = program.decision.c, program.model
    shown: ColumnElement[bool] = literal(False)
    if model.status == "live":
        earlier, before = live[: live.index(model.name)], SCORE.alias()
        # the only one is shown of those too whom it does not apply to
        shown = literal(True) if len(live) == 1 else row.applies.is_(True)
        if earlier:
            taken = select(before.c.person_id).where(
                before.c.person_id == row.person_id, before.c.model.in_(earlier), before.c.shown.is_(True)
            )
            shown = and_(shown, not_(exists(taken)))
    return {
        "person_id": row.person_id,
        "model": literal(model.name),
        "version": literal(model.version),
        "model_hash": literal(model.hash),
        "total": row.total,
        "fit": row.fit,
        "engagement": row.engagement,
        "grade": row.grade,
        "suppressed": row.suppressed,
        "shown": shown,
        "eligible": row.eligible,
        "over_enter": row.over_enter,
        "fast_track": row.fast_track,
        "under_leave": row.under_leave,
        "as_of": literal(clock.as_of, BigInteger),
        "known_at": literal(clock.known_at, BigInteger),
        "due_at": row.due_at,
    }


def _check_sums(conn: Connection, model: str, *, everybody: bool) -> None:
    """Every score in scope is the sum of its parts."""
    parts = select(func.sum(HIT.c.points)).where(
        HIT.c.person_id == SCORE.c.person_id, HIT.c.model == SCORE.c.model
    )
    points = func.coalesce(parts.scalar_subquery(), 0)
    query = select(SCORE.c.person_id, SCORE.c.total, points).where(
        SCORE.c.model == model, SCORE.c.total != points
    )
    wrong = conn.execute(
        (query if everybody else query.where(SCORE.c.person_id.in_(scope()))).limit(1)
    ).first()
    if wrong is not None:
        raise ScoreMismatch(wrong[0], model, wrong[1], int(wrong[2]))


def forget_all(conn: Connection) -> None:
    """Drop all scores and parts, before everybody is scored anew."""
    for table in (HIT, SCORE):
        conn.execute(delete(table))


def show_first(conn: Connection, live: Sequence[Model], *, everybody: bool) -> None:
    """People whom none of several live models applies to show the score of the first one."""
    if len(live) < 2:
        return
    other = SCORE.alias()
    shown = select(other.c.person_id).where(other.c.person_id == SCORE.c.person_id, other.c.shown.is_(True))
    not_shown = [SCORE.c.model == live[0].name, SCORE.c.shown.is_(False), not_(exists(shown))]
    if not everybody:
        not_shown.append(SCORE.c.person_id.in_(scope()))
    conn.execute(update(SCORE).where(*not_shown).values(shown=True))


def forget_gone(conn: Connection) -> None:
    """Drop the scores of people who are no more."""
    living = select(PERSON.c.person_id)
    for table in (HIT, SCORE):
        conn.execute(delete(table).where(table.c.person_id.not_in(living)))


def look_again(conn: Connection, person_id: str, model: str, moment: int) -> None:
    """Have a person who was just scored scored again at a moment, or earlier if time alone asks for it."""
    later = or_(SCORE.c.due_at.is_(None), SCORE.c.due_at > moment)
    mine = (SCORE.c.person_id == person_id, SCORE.c.model == model)
    conn.execute(update(SCORE).where(*mine, later).values(due_at=moment))


def show_stages(conn: Connection, *, everybody: bool) -> None:
    """The people of the scope show the stage that their facts and spells make.

    It may be the one before this run: `spells.show_stages` follows for those whose spell changed.
    """
    if everybody:
        whom, stage = PERSON.c.stage != stage_now(), stage_now()
    else:
        whom = PERSON.c.person_id.in_(scope().where(SCOPE.c.stage_shown != SCOPE.c.stage_read))
        stage = select(SCOPE.c.stage_read).where(SCOPE.c.person_id == PERSON.c.person_id).scalar_subquery()
    conn.execute(update(PERSON).where(whom).values(stage=stage))


def count_people(conn: Connection) -> int:
    """The whole population."""
    return conn.execute(select(func.count()).select_from(PERSON)).scalar_one()
