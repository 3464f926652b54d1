"""Intents that are not wanted any more, and refusals that may not hold any more."""

from __future__ import annotations

from sqlalchemy import and_, case, exists, literal, not_, or_, select, update

from connectors.records import RefusalClass
from sync.core.cases import RESTORING, Why
from sync.mirror.engine import Connection
from sync.mirror.outbox import INTENT, UNSENT
from sync.mirror.wants import PERSON, RECORD, SPELL


def drop_unneeded(conn: Connection, run_id: str, now: int) -> int:
    """Supersede unsent intents whose spell has ended or whose person became ambiguous.

    One that is half done is not: a field that we emptied is filled.
    """
    ended = INTENT.c.spell_id.in_(select(SPELL.c.id).where(SPELL.c.left_at.is_not(None)))
    ambiguous = INTENT.c.person_id.in_(select(PERSON.c.person_id).where(PERSON.c.ambiguous))
    message = case(
        (ambiguous, "the person is ambiguous now"), else_="the time as an MQL ended before it was written"
    )
    dropped = conn.execute(
        update(INTENT)
        .where(INTENT.c.state.in_(UNSENT), INTENT.c.step.is_(None), or_(ended, ambiguous))
        .values(state="superseded", why=Why.NOT_NEEDED.value, message=message, done_at=now, ended_run=run_id)
    )
    return dropped.rowcount


def reopen_refused(conn: Connection, mapping_changed: bool, run_id: str, now: int) -> int:
    """Let changes be decided anew whose refusal may not hold any more; returns how many.

    What a rule of the CRM refused: when the record was changed since, or our mapping. What our mapping got
    wrong: when it was changed. A refused owner was replaced when it was refused.
    """
    changed = exists(
        select(RECORD.c.id).where(
            RECORD.c.crm == INTENT.c.crm,
            RECORD.c.object == INTENT.c.object,
            RECORD.c.id == INTENT.c.record_id,
            not_(RECORD.c.gone),
            RECORD.c.modified_ms > INTENT.c.done_at * 1000,
        )
    )
    by_record = and_(INTENT.c.why == RefusalClass.ADMIN_RULE.value, changed)
    causes = (RefusalClass.ADMIN_RULE.value, RefusalClass.OUR_CONFIG.value, Why.SILENT.value)
    by_mapping = and_(INTENT.c.why.in_(causes), literal(mapping_changed))
    refused = (INTENT.c.state == "parked", INTENT.c.policy.not_in(RESTORING), INTENT.c.purpose != "owner")
    message = "the record or the configuration changed since it was refused"
    ended = {"state": "superseded", "why": Why.NOT_NEEDED.value, "done_at": now, "ended_run": run_id}
    reopened = update(INTENT).where(*refused, or_(by_record, by_mapping)).values(message=message, **ended)
    return conn.execute(reopened).rowcount
