"""What became of an MQL that went from owner to owner: how often, by whom it was had, what is under way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import select

from sync.core.cases import REASSIGN
from sync.mirror.engine import Connection
from sync.mirror.outbox import INTENT
from sync.mirror.tables.outbox import WAITING_STATES


@dataclass(slots=True)
class History:
    """The owner changes of one spell. `owners`: (crm, owner id) proved; `ends`: why an attempt ended."""

    rounds: int = 0
    under_way: bool = False
    owners: set[tuple[str, str]] = field(default_factory=set)
    ends: set[str] = field(default_factory=set)


def history(conn: Connection, spells: Collection[str]) -> dict[str, History]:
    """Per spell what was decided about its owner; changes decided together are one round."""
    found = {spell_id: History() for spell_id in spells}
    names = ("spell_id", "crm", "desired_value", "policy", "state", "why", "created_at")
    query = select(*(INTENT.c[name] for name in names)).where(
        INTENT.c.spell_id.in_(sorted(spells)), INTENT.c.purpose == "owner"
    )
    moments: dict[str, set[int]] = {}
    for spell_id, crm, value, policy, state, why, created_at in conn.execute(query):
        one = found[spell_id]
        one.under_way |= state in WAITING_STATES
        if state == "verified" and value:
            one.owners.add((crm, value))
        if policy == REASSIGN:
            moments.setdefault(spell_id, set()).add(created_at)
            one.ends |= {why} if state == "superseded" and why else set()
    for spell_id, times in moments.items():
        found[spell_id].rounds = len(times)
    return found
