"""An owner whom the CRM did not take: the next who may, in the same run where that needs nobody's word."""

from __future__ import annotations

from sync.context import Context
from sync.core.cases import RESTORING, Why
from sync.mirror import outbox, routing
from sync.mirror.engine import Connection
from sync.mirror.outbox import Row
from sync.stages.decide import decide_owners
from sync.stages.late import Applier
from sync.stages.targets import Targets


def owner_comes(conn: Connection, row: Row) -> bool:
    """Whether another field's record is about to get a new owner."""
    return row.purpose != "owner" and row.ref in outbox.open_owners(conn, row.person_id)


def reroute(
    ctx: Context, conn: Connection, targets: Targets, applier: Applier, row: Row, code: str, message: str
) -> bool:
    """Decide a refused owner anew; False when it is not one, or nobody else may own the record.

    That owner is not chosen again in this run, for anybody. What else was to be set on the person's records
    with them is decided anew too, so that both CRMs name the same human; the turn is given back. The new
    intents are new: limits look at them, and an approved plan does not cover them.
    """
    if row.purpose != "owner" or row.policy in RESTORING or not row.desired_value:
        return False
    routing.refuse(conn, row.crm, row.desired_value, code, run_id=ctx.run.run_id, now=ctx.run.now)
    applier.end(conn, row, "superseded", Why.OWNER_REFUSED, message, code=code)
    for other in outbox.siblings(conn, row, outbox.UNSENT):
        if other.sent_ms is None and other.policy not in RESTORING:
            text = f"{row.crm} did not take this owner for {row.object} {row.record_id}"
            applier.end(conn, other, "superseded", Why.OWNER_ELSEWHERE, text)
    intents = decide_owners(ctx, conn, targets, [row.person_id])
    if not any(intent.ref == row.ref for intent in intents):
        ended = outbox.by_ids(conn, [row.id])[row.id]
        outbox.move(conn, ended, "parked", why="owner")
    applier.ended.followed += [intent.id for intent in intents]
    return True
