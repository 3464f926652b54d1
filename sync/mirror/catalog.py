"""The mirror's tables as the two selectables that scoring is given."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, Subquery, Table, and_, case, exists, select, update

from sync.core.stage import EARLY
from sync.mirror.engine import Connection
from sync.mirror.runs import scoring_round
from sync.mirror.tables import EngagementRow, Person, PersonOverride, Score, ScoreHit, Spell, SpellReading

PERSON: Table = Person.metadata.tables["person"]
ENGAGEMENT: Table = EngagementRow.metadata.tables["engagement"]
SCORE: Table = Score.metadata.tables["score"]
HIT: Table = ScoreHit.metadata.tables["score_hit"]
SPELL: Table = Spell.metadata.tables["spell"]
READING: Table = SpellReading.metadata.tables["spell_reading"]
OVERRIDE: Table = PersonOverride.metadata.tables["person_override"]


def touch(conn: Connection, whom: ColumnElement[bool]) -> None:
    """Something happened to these people: the next round of scoring looks at them."""
    conn.execute(update(PERSON).where(whom).values(score_round=scoring_round(conn)))


def in_spell(*, few: bool = False) -> ColumnElement[bool]:
    """Whether a person has an open spell.

    Few have, so they are listed once and looked up; the other way round where it is asked of few people.
    """
    return _has_spell(few, SPELL.c.left_at.is_(None))


def _has_spell(few: bool, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    found = select(SPELL.c.person_id).where(*where)
    if few:
        return exists(found.where(SPELL.c.person_id == PERSON.c.person_id))
    return PERSON.c.person_id.in_(found)


def evidence() -> ColumnElement[str]:
    """What the CRMs say of a person, or what an administrator put in its place; few are listed there."""
    given = (OVERRIDE.c.ended_at.is_(None), OVERRIDE.c.stage.is_not(None))
    said = select(OVERRIDE.c.stage).where(OVERRIDE.c.person_id == PERSON.c.person_id, *given)
    listed = PERSON.c.person_id.in_(select(OVERRIDE.c.person_id).where(*given))
    return case((listed, said.scalar_subquery()), else_=PERSON.c.crm_stage)


def overridden(verdict: str) -> ColumnElement[bool]:
    """Whether an administrator's word of this kind holds for a person."""
    holds = (OVERRIDE.c.ended_at.is_(None), OVERRIDE.c.verdict == verdict)
    return PERSON.c.person_id.in_(select(OVERRIDE.c.person_id).where(*holds))


def stage_now(*, few: bool = False) -> ColumnElement[str]:
    """The evidence plus the open spell, which goes before evidence that is older than it. `few`: as above."""
    come_back = _has_spell(few, SPELL.c.left_at.is_(None), SPELL.c.stage_before.is_not(None))
    said = evidence()
    return case((come_back, "mql"), (and_(said.in_(EARLY), in_spell(few=few)), "mql"), else_=said)


def people(scope: Select[tuple[str]] | None = None) -> Subquery:
    """People with the facts that models read. `scope` selects the ids; None: everybody.

    `stage_read` is the stage as the model reads it: the CRMs' evidence plus the open spell of before.
    """
    query = select(PERSON, stage_now().label("stage_read"))
    if scope is not None:
        query = query.where(PERSON.c.person_id.in_(scope))
    return query.subquery("people")


def engagements(scope: Select[tuple[str]] | None = None) -> Subquery:
    """Engagements that were resolved to a person."""
    row = ENGAGEMENT.c
    query = select(
        row.person_id,
        row.crm,
        row.source,
        row.id,
        row.kind,
        row.asset,
        row.asset_key,
        row.occurred_at,
        row.first_seen,
        row.is_bot,
        row.deleted,
    ).where(row.person_id.is_not(None))
    if scope is not None:
        query = query.where(row.person_id.in_(scope))
    return query.subquery("engagements")
