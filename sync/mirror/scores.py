"""Scores and their parts, for exactly the people in the scope of a run.

A run scores whom something happened to (`touched`) and whose score time alone may have changed (`due_at`);
everybody after a change of model, of its lists or of the clock. How is always the same: the program of
`scoring.compile` over the scope, whose rows replace the stored ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    MetaData,
    Select,
    String,
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
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from scoring.compile import Program
from scoring.model import Model
from sync.core.stage import DAY
from sync.mirror.catalog import HIT, OVERRIDE, PERSON, READING, SCORE, SPELL, in_spell, stage_now
from sync.mirror.engine import Connection
from sync.mirror.programs import SCOPE
from sync.mirror.runs import get_meta, set_meta

BASIS: Final = "score_basis"
"""What the stored scores rest on: models, lists, code, and whether their clock was moved."""

CODE: Final = 2
"""Grows when the same model over the same rows gives other rows than before."""

DUE: Final = Table(
    "scoring_due",
    MetaData(),
    Column("person_id", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)
"""When each model wants to look at a person of the scope again."""


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


def needs_everybody(conn: Connection, models: Sequence[Model], clock: Clock) -> bool:
    """Whether the stored scores rest on something else than what this run would use."""
    stored = json.loads(get_meta(conn, BASIS) or "{}")
    went_back = int(stored.get("as_of", 0)) > clock.as_of
    return bool(clock.moved or stored.get("moved", True) or went_back or stored["models"] != _basis(models))


def remember_basis(conn: Connection, models: Sequence[Model], clock: Clock) -> None:
    """Write down what the scores now rest on."""
    basis = {"models": _basis(models), "moved": clock.moved, "as_of": clock.as_of}
    set_meta(conn, BASIS, json.dumps(basis, sort_keys=True))


def _basis(models: Sequence[Model]) -> list[list[Any]]:
    return [[CODE], *([m.name, m.version, m.status, m.hash, m.lists_hash] for m in models)]


def fill_scope(conn: Connection, clock: Clock, *, everybody: bool) -> int:
    """Choose whom to score; how many. People in a spell are looked at once a day, for their reading."""
    known = or_(
        exists(
            select(SCORE.c.person_id).where(SCORE.c.person_id == PERSON.c.person_id, SCORE.c.shown.is_(True))
        ),
        exists(select(SPELL.c.id).where(SPELL.c.person_id == PERSON.c.person_id)),
    )
    # a run over everybody reads the stage where it needs it: here it would cost a look at every row
    stage = literal("") if everybody else stage_now()
    query = select(PERSON.c.person_id, not_(known), in_spell(), stage)
    if not everybody:
        unread = select(SPELL.c.person_id).where(SPELL.c.left_at.is_(None), not_(_has_reading(clock.now)))
        # a union of three index look-ups: an OR over them would read every person
        chosen = (
            select(PERSON.c.person_id)
            .where(PERSON.c.touched.is_(True))
            .union(select(PERSON.c.person_id).where(PERSON.c.due_at <= clock.as_of), unread)
        )
        query = query.where(PERSON.c.person_id.in_(chosen))
    columns = [column.name for column in SCOPE.columns]
    return conn.execute(insert(SCOPE).from_select(columns, query)).rowcount


def _has_reading(now: int) -> ColumnElement[bool]:
    return exists(select(READING.c.day).where(READING.c.spell_id == SPELL.c.id, READING.c.day == now // DAY))


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
    due = program.decision.c
    conn.execute(
        insert(DUE).from_select(
            ["person_id", "model", "due_at"],
            select(due.person_id, literal(model.name), due.due_at).where(due.due_at.is_not(None)),
        )
    )


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


def forget_others(conn: Connection, expected: int) -> None:
    """Drop the scores of people who are no more, unless there are as many scores as `expected`."""
    if conn.execute(select(func.count()).select_from(SCORE)).scalar_one() != expected:
        living = select(PERSON.c.person_id)
        for table in (HIT, SCORE):
            conn.execute(delete(table).where(table.c.person_id.not_in(living)))


def look_again(conn: Connection, person_id: str, model: str, moment: int) -> None:
    """Have a person of the scope scored again at a moment, or earlier if something else asks for it."""
    where = (DUE.c.person_id == person_id, DUE.c.model == f"{model}:spell")
    conn.execute(delete(DUE).where(*where))
    conn.execute(insert(DUE).values(person_id=person_id, model=f"{model}:spell", due_at=moment))


def look_again_after_overrides(conn: Connection) -> None:
    """Have the people of the scope for whom an administrator's word holds scored again when it ends."""
    ends = select(OVERRIDE.c.person_id, literal(":override"), OVERRIDE.c.until).where(
        OVERRIDE.c.ended_at.is_(None), OVERRIDE.c.person_id.in_(scope())
    )
    conn.execute(insert(DUE).from_select(["person_id", "model", "due_at"], ends))


def finish_scope(conn: Connection, *, everybody: bool) -> None:
    """The people of the scope are no longer touched, show their stage and when to be looked at again.

    The stage may be the one before this run: `spells.show_stages` follows for those whose spell changed.
    """
    due = select(func.min(DUE.c.due_at)).where(DUE.c.person_id == PERSON.c.person_id).scalar_subquery()
    stage: ColumnElement[str] = (
        select(SCOPE.c.stage_read).where(SCOPE.c.person_id == PERSON.c.person_id).scalar_subquery()
    )
    whom: ColumnElement[bool] = PERSON.c.person_id.in_(scope())
    if everybody:  # nothing is written for those of whom all is as it was
        stage = stage_now()
        whom = or_(PERSON.c.touched.is_(True), PERSON.c.due_at.is_distinct_from(due), PERSON.c.stage != stage)
    conn.execute(update(PERSON).where(whom).values(touched=False, due_at=due, stage=stage))


def count_people(conn: Connection) -> int:
    """The whole population."""
    return conn.execute(select(func.count()).select_from(PERSON)).scalar_one()
