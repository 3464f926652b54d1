"""The books of write-back: how many intents a run must account for, and where each of them is."""

from __future__ import annotations

from sqlalchemy import and_, func, or_, select

from sync.mirror.engine import Connection
from sync.mirror.outbox import COLUMNS, INTENT, Row
from sync.mirror.plans import ITEM
from sync.mirror.tables.outbox import END_STATES, WAITING_STATES


def counts(conn: Connection, run_id: str) -> dict[str, int]:
    """Every intent that is open or ended in this run, by its state now.

    States that are not an end are one: `waiting`.
    """
    ended = and_(INTENT.c.state.in_(END_STATES), INTENT.c.ended_run == run_id)
    of_run = or_(INTENT.c.state.in_(WAITING_STATES), ended)
    query = select(INTENT.c.state, func.count()).where(of_run).group_by(INTENT.c.state)
    found = dict.fromkeys(("waiting", *END_STATES), 0)
    for state, number in conn.execute(query):
        found["waiting" if state in WAITING_STATES else state] += number
    return found


def decided(conn: Connection, run_id: str) -> int:
    """How many intents `counts` must account for: those open at the run's start, or made in it.

    Counted from the other side, as all that there are less those that another run ended, whatever their
    state. An intent that ended without its run, or is open though it ended, makes the books disagree.
    """
    every = conn.execute(select(func.count()).select_from(INTENT)).scalar_one()
    elsewhere = select(func.count()).select_from(INTENT).where(INTENT.c.ended_run != run_id)
    return every - conn.execute(elsewhere).scalar_one()


def by_state(conn: Connection) -> dict[str, int]:
    """How many intents there are of each state, whatever run they are of."""
    query = select(INTENT.c.state, func.count()).group_by(INTENT.c.state)
    return {row[0]: row[1] for row in conn.execute(query)}


def owner_load(conn: Connection, since: int) -> dict[tuple[str, str], int]:
    """Per (CRM, owner id), how many records we gave since then."""
    query = (
        select(INTENT.c.crm, INTENT.c.desired_value, func.count())
        .where(INTENT.c.purpose == "owner", INTENT.c.sent_at >= since)
        .where(INTENT.c.state.in_(("sent", "unsure", "verified")))
        .group_by(INTENT.c.crm, INTENT.c.desired_value)
    )
    return {(crm, owner): number for crm, owner, number in conn.execute(query)}


def ended_before(conn: Connection, digest: str, run_id: str) -> list[Row]:
    """Intents of a plan that were superseded before this run could carry them out."""
    items = select(ITEM.c.intent_id).where(ITEM.c.digest == digest)
    query = select(*COLUMNS).where(
        INTENT.c.id.in_(items), INTENT.c.state == "superseded", INTENT.c.ended_run != run_id
    )
    return [Row(*row) for row in conn.execute(query.order_by(INTENT.c.id))]
