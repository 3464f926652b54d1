"""Spells: who may enter or leave, what is written down, and the daily readings."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
    union_all,
    update,
)

from config.world import iso_z
from scoring.compile import Program
from scoring.model import Model
from sync.core.stage import DAY, ENDS_SPELL, MQL, NOT_MQL, Candidate, OpenSpell, Reading
from sync.mirror.catalog import (
    HIT,
    OVERRIDE,
    PERSON,
    READING,
    SCORE,
    SPELL,
    evidence,
    in_spell,
    overridden,
    stage_now,
)
from sync.mirror.engine import Connection
from sync.mirror.programs import SCOPE
from sync.mirror.runs import scoring_round
from sync.mirror.scores import Clock
from sync.mirror.tables import PersonAlias

ALIAS: Final = PersonAlias.metadata.tables["person_alias"]
FORMER: Final = PersonAlias.metadata.tables["person_former"]
GRAVE: Final = PersonAlias.metadata.tables["tombstone"]
RECORD: Final = PersonAlias.metadata.tables["person_record"]
CHUNK: Final = 400  # ids in one statement


def adopt_merged(conn: Connection, now: int) -> int:
    """Spells of people who became part of others follow them; of two open ones the older stays.

    Returns how many were closed for that reason.
    """
    rows = conn.execute(
        select(SPELL.c.id, SPELL.c.left_at, SPELL.c.entered_at, ALIAS.c.person_id)
        .join(ALIAS, ALIAS.c.alias == SPELL.c.person_id)
        .where(ALIAS.c.person_id != SPELL.c.person_id)
        .order_by(SPELL.c.entered_at, SPELL.c.id)
    ).all()
    closed = 0
    for row in rows:
        if row.left_at is None:
            closed += _settle(conn, row.id, row.entered_at, row.person_id, now)
        conn.execute(update(SPELL).where(SPELL.c.id == row.id).values(person_id=row.person_id))
    return closed


def _settle(conn: Connection, spell_id: str, entered_at: int, person_id: str, now: int) -> int:
    """Close the younger of an open spell that arrives and the one that is open already."""
    other = conn.execute(
        select(SPELL.c.id, SPELL.c.entered_at).where(
            SPELL.c.person_id == person_id, SPELL.c.left_at.is_(None)
        )
    ).first()
    if other is None:
        return 0
    younger = spell_id if (other.entered_at, other.id) <= (entered_at, spell_id) else other.id
    close(conn, younger, now, "merged")
    return 1


def take_over(conn: Connection, live: Sequence[Model]) -> None:
    """Open spells of models that are no longer live go on under the first live one: nobody is evicted."""
    if live:
        names = [model.name for model in live]
        stale = (SPELL.c.left_at.is_(None), SPELL.c.model.not_in(names))
        conn.execute(update(SPELL).where(*stale).values(model=names[0]))


def close_gone(conn: Connection, now: int) -> int:
    """Close the spells of people whose records all went.

    Not while one of them went into a record that was never seen: a pull that was cut short brings it next
    time, and the person with it.
    """
    living = exists(select(PERSON.c.person_id).where(PERSON.c.person_id == SPELL.c.person_id))
    into = and_(
        RECORD.c.crm == GRAVE.c.crm, RECORD.c.object == GRAVE.c.to_object, RECORD.c.id == GRAVE.c.to_id
    )
    same = and_(FORMER.c.crm == GRAVE.c.crm, FORMER.c.object == GRAVE.c.object, FORMER.c.id == GRAVE.c.id)
    expected = exists(
        select(FORMER.c.id)
        .join(GRAVE, same)
        .where(FORMER.c.person_id == SPELL.c.person_id, GRAVE.c.to_id.is_not(None))
        .where(not_(exists(select(RECORD.c.id).where(into))))
    )
    over = (SPELL.c.left_at.is_(None), not_(living), not_(expected))
    return conn.execute(update(SPELL).where(*over).values(left_at=now, left_why="gone")).rowcount


def any_orphan(conn: Connection) -> bool:
    """Whether an open spell is left whose person is not there."""
    living = exists(select(PERSON.c.person_id).where(PERSON.c.person_id == SPELL.c.person_id))
    orphans = select(SPELL.c.id).where(SPELL.c.left_at.is_(None), not_(living))
    return conn.execute(orphans.limit(1)).first() is not None


def _in_spell() -> Select[tuple[str]]:
    """The people of the scope who are in a spell."""
    return select(SCOPE.c.person_id).where(SCOPE.c.in_spell.is_(True))


def hear_again(conn: Connection) -> None:
    """What the CRMs said before a spell is forgotten once they say something else: if they say the first
    again, they mean it."""
    said = select(evidence()).where(PERSON.c.person_id == SPELL.c.person_id).scalar_subquery()
    waiting = (SPELL.c.left_at.is_(None), SPELL.c.stage_before.is_not(None))
    # whatever the CRMs say anew touches the person
    touched = select(PERSON.c.person_id).where(PERSON.c.score_round >= scoring_round(conn))
    conn.execute(
        update(SPELL)
        .where(*waiting, SPELL.c.person_id.in_(touched), SPELL.c.stage_before.is_distinct_from(said))
        .values(stage_before=None)
    )


def note_readings(conn: Connection, now: int) -> int:
    """One reading a day for every open spell, whose people the first scoring of the day has in its scope."""
    today = now // DAY
    read = exists(select(READING.c.day).where(READING.c.spell_id == SPELL.c.id, READING.c.day == today))
    query = (
        select(SPELL.c.id, literal(today), SCORE.c.under_leave)
        .join(SCORE, and_(SCORE.c.person_id == SPELL.c.person_id, SCORE.c.model == SPELL.c.model))
        .where(SPELL.c.left_at.is_(None), SPELL.c.person_id.in_(_in_spell()), not_(read))
    )
    return conn.execute(insert(READING).from_select(["spell_id", "day", "below"], query)).rowcount


def entering(conn: Connection, program: Program, *, is_first: bool) -> list[Candidate]:
    """People of the scope whom the model has enter, or whom the CRMs have an opinion about at first sight.

    Only these go through `sync.core.stage`; everybody else was compared in SQL. `is_first`: the first live
    model, which takes the people met for the first time.
    """
    row, model = program.decision.c, program.model.name
    wanted = select(row.person_id, row.renewed_at).where(
        row.eligible.is_(True), or_(row.over_enter.is_(True), row.fast_track.is_not(None))
    )
    asked: FromClause = wanted.subquery()
    if is_first:
        opinion = or_(PERSON.c.crm_mql.is_(True), evidence() == "recycled")
        met = (
            select(SCOPE.c.person_id, null().cast(BigInteger).label("renewed_at"))
            .join(PERSON, PERSON.c.person_id == SCOPE.c.person_id)
            .where(SCOPE.c.first_sight.is_(True), opinion)
        )
        both = union_all(wanted, met).subquery()
        asked = (
            select(both.c.person_id, func.max(both.c.renewed_at).label("renewed_at"))
            .group_by(both.c.person_id)
            .subquery()
        )
    query = (
        select(*_person_columns(), asked.c.renewed_at, SCOPE.c.first_sight, _left_at(), _override())
        .select_from(asked)
        .join(SCOPE, SCOPE.c.person_id == asked.c.person_id)
        .join(PERSON, PERSON.c.person_id == asked.c.person_id)
        .join(SCORE, and_(SCORE.c.person_id == asked.c.person_id, SCORE.c.model == model))
        .where(or_(SCORE.c.shown.is_(True), SCOPE.c.first_sight.is_(True)), SCOPE.c.in_spell.is_(False))
        .order_by(PERSON.c.person_id)
    )
    return [
        Candidate(*row[:8], renewed_at=row[8], first_sight=row[9], left_at=row[10], override=row[11])
        for row in conn.execute(query)
    ]


def ordered_in(conn: Connection, model: Model) -> list[Candidate]:
    """People of the scope who show this model's score and are to be MQLs by an administrator's word."""
    word = OVERRIDE.alias()
    query = (
        select(*_person_columns(), word.c.verdict)
        .select_from(word)
        .join(PERSON, PERSON.c.person_id == word.c.person_id)
        .join(SCORE, and_(SCORE.c.person_id == PERSON.c.person_id, SCORE.c.model == model.name))
        .where(word.c.ended_at.is_(None), word.c.verdict == MQL, SCORE.c.shown.is_(True))
        .where(PERSON.c.person_id.in_(select(SCOPE.c.person_id)), not_(in_spell(few=True)))
        .order_by(PERSON.c.person_id)
    )
    return [
        Candidate(*row[:8], renewed_at=None, first_sight=False, override=row[8])
        for row in conn.execute(query)
    ]


def _left_at() -> ColumnElement[Any]:
    return select(func.max(SPELL.c.left_at)).where(SPELL.c.person_id == PERSON.c.person_id).scalar_subquery()


def _override() -> ColumnElement[Any]:
    return case((overridden(MQL), MQL), (overridden(NOT_MQL), NOT_MQL), else_=null())


def _person_columns() -> list[ColumnElement[Any]]:
    """The first columns of a Candidate, from `person` and `score`."""
    return [
        PERSON.c.person_id,
        evidence(),
        PERSON.c.crm_mql,
        PERSON.c.ambiguous,
        SCORE.c.suppressed.is_not(None),
        SCORE.c.eligible,
        SCORE.c.over_enter,
        SCORE.c.fast_track,
    ]


def leaving(conn: Connection, model: Model, now: int) -> list[Candidate]:
    """People of the scope in a spell of this model that the CRMs' evidence, a low score or an administrator
    may end.

    For nobody else anything of that can have changed: evidence, scores and words bring people into the
    scope, and the first run of a day everybody in a spell.
    """
    said = and_(evidence().in_(ENDS_SPELL), SPELL.c.stage_before.is_(None))
    query = (
        select(*_person_columns(), SPELL.c.id, SPELL.c.entered_at, SPELL.c.stage_before, _override())
        .select_from(SPELL)
        .join(PERSON, PERSON.c.person_id == SPELL.c.person_id)
        .join(SCORE, and_(SCORE.c.person_id == PERSON.c.person_id, SCORE.c.model == SPELL.c.model))
        .where(
            SPELL.c.model == model.name,
            SPELL.c.left_at.is_(None),
            SPELL.c.person_id.in_(_in_spell()),
            or_(said, SCORE.c.under_leave.is_(True), overridden(NOT_MQL)),
        )
        .order_by(PERSON.c.person_id)
    )
    rows = conn.execute(query).all()
    after = model.mql.leave.after if model.mql.leave else 0
    readings = _readings(conn, [row.id for row in rows], now // DAY - after // DAY)
    return [
        Candidate(
            *row[:8],
            renewed_at=None,
            first_sight=False,
            open_spell=OpenSpell(row.id, row.entered_at, row.stage_before),
            override=row[11],
            readings=readings.get(row.id, ()),
        )
        for row in rows
    ]


def _readings(
    conn: Connection, spell_ids: Sequence[str], after_day: int
) -> Mapping[str, tuple[Reading, ...]]:
    found: dict[str, list[Reading]] = defaultdict(list)
    for start in range(0, len(spell_ids), CHUNK):
        these = READING.c.spell_id.in_(spell_ids[start : start + CHUNK])
        for row in conn.execute(select(READING).where(these, READING.c.day > after_day)):
            found[row.spell_id].append(Reading(row.day, row.below))
    return {spell_id: tuple(readings) for spell_id, readings in found.items()}


def enter(conn: Connection, spell_id: str, person: Candidate, model: Model, by: str, clock: Clock) -> None:
    """Open a spell, with a snapshot of what it was decided on."""
    before = person.crm_stage if person.crm_stage in ENDS_SPELL else None
    _insert(conn, spell_id, person.person_id, model, by, clock, stage_before=before)
    conn.execute(update(SCOPE).where(SCOPE.c.person_id == person.person_id).values(in_spell=True))


def note_returned(
    conn: Connection, spell_id: str, person_id: str, model: Model, why: str, clock: Clock
) -> None:
    """Write down a spell that was over before we looked."""
    _insert(conn, spell_id, person_id, model, "crm", clock, left_at=clock.now, left_why=why)


def _insert(
    conn: Connection,
    spell_id: str,
    person_id: str,
    model: Model,
    by: str,
    clock: Clock,
    *,
    left_at: int | None = None,
    left_why: str | None = None,
    stage_before: str | None = None,
) -> None:
    conn.execute(
        insert(SPELL).values(
            id=spell_id,
            person_id=person_id,
            model=model.name,
            version=model.version,
            model_hash=model.hash,
            entered_at=clock.now,
            entered_by=by,
            left_at=left_at,
            left_why=left_why,
            stage_before=stage_before,
            snapshot=json.dumps(snapshot(conn, person_id, model), separators=(",", ":"), default=str),
        )
    )


def snapshot(conn: Connection, person_id: str, model: Model) -> dict[str, Any]:
    """The facts, the score and its parts as they are stored now."""
    person = conn.execute(select(PERSON).where(PERSON.c.person_id == person_id)).mappings().one()
    mine = (SCORE.c.person_id == person_id, SCORE.c.model == model.name)
    score = conn.execute(select(SCORE).where(*mine)).mappings().one()
    hits = conn.execute(
        select(HIT).where(HIT.c.person_id == person_id, HIT.c.model == model.name).order_by(HIT.c.rule)
    ).mappings()
    left_out = ("score_round", "stage", "due_at")
    return {
        "facts": {key: value for key, value in person.items() if key not in left_out},
        "score": {key: value for key, value in score.items() if key not in left_out},
        "hits": [dict(hit) for hit in hits],
    }


def close(conn: Connection, spell_id: str, now: int, why: str) -> None:
    """End a spell."""
    conn.execute(
        update(SPELL)
        .where(SPELL.c.id == spell_id, SPELL.c.left_at.is_(None))
        .values(left_at=now, left_why=why)
    )


def show_stages(conn: Connection, changed: Collection[str], *, read: bool) -> None:
    """Bring `person.stage` up to date for people whose spells changed, in the scope or not.

    `read`: a model reads the stage, so the next run scores them again.
    """
    stage = stage_now()
    # this run has not ended its round yet
    values = {"stage": stage, "score_round": scoring_round(conn) + 1} if read else {"stage": stage}
    statement = update(PERSON).values(values)
    for person_id in sorted(changed):
        conn.execute(statement.where(PERSON.c.person_id == person_id))


def spells_of(conn: Connection, person_id: str) -> list[dict[str, Any]]:
    """Every spell of a person, newest first, as JSON."""
    query = select(SPELL).where(SPELL.c.person_id == person_id)
    return [
        {
            "spell_id": row.id,
            "model": row.model,
            "version": row.version,
            "entered_at": iso_z(row.entered_at),
            "entered_by": row.entered_by,
            "left_at": iso_z(row.left_at),
            "left_why": row.left_why,
        }
        for row in conn.execute(query.order_by(SPELL.c.entered_at.desc(), SPELL.c.id))
    ]
