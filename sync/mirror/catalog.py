"""The mirror's tables as the two selectables that scoring is given."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, Subquery, Table, and_, case, select

from sync.core.stage import EARLY
from sync.mirror.tables import EngagementRow, Person, Score, ScoreHit, Spell, SpellReading

PERSON: Table = Person.metadata.tables["person"]
ENGAGEMENT: Table = EngagementRow.metadata.tables["engagement"]
SCORE: Table = Score.metadata.tables["score"]
HIT: Table = ScoreHit.metadata.tables["score_hit"]
SPELL: Table = Spell.metadata.tables["spell"]
READING: Table = SpellReading.metadata.tables["spell_reading"]


def in_spell() -> ColumnElement[bool]:
    """Whether a person has an open spell; few have, so they are listed once and looked up."""
    return PERSON.c.person_id.in_(select(SPELL.c.person_id).where(SPELL.c.left_at.is_(None)))


def stage_now() -> ColumnElement[str]:
    """The CRMs' evidence plus the open spell."""
    return case((and_(PERSON.c.crm_stage.in_(EARLY), in_spell()), "mql"), else_=PERSON.c.crm_stage)


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
