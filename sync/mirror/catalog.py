"""The mirror's tables as the two selectables that scoring is given."""

from __future__ import annotations

from sqlalchemy import Select, Subquery, Table, and_, case, exists, select

from sync.core.stage import EARLY
from sync.mirror.tables import EngagementRow, Person, Score, ScoreHit, Spell, SpellReading

PERSON: Table = Person.metadata.tables["person"]
ENGAGEMENT: Table = EngagementRow.metadata.tables["engagement"]
SCORE: Table = Score.metadata.tables["score"]
HIT: Table = ScoreHit.metadata.tables["score_hit"]
SPELL: Table = Spell.metadata.tables["spell"]
READING: Table = SpellReading.metadata.tables["spell_reading"]


def people(scope: Select[tuple[str]] | None = None) -> Subquery:
    """People with the facts that models read. `scope` selects the ids; None: everybody.

    `stage_read` is the stage as the model reads it: the CRMs' evidence plus the open spell of before.
    """
    in_spell = exists(
        select(SPELL.c.id).where(SPELL.c.person_id == PERSON.c.person_id, SPELL.c.left_at.is_(None))
    )
    stage = case((and_(PERSON.c.crm_stage.in_(EARLY), in_spell), "mql"), else_=PERSON.c.crm_stage)
    query = select(PERSON, stage.label("stage_read"))
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
