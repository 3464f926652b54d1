"""Turns of the pools: reserved with the decision, consumed when proved, given back otherwise.

Always in the transaction that changes the intent, so a crash can neither lose a turn nor spend one twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, exists, func, insert, not_, select, update

from sync.mirror.engine import Connection
from sync.mirror.outbox import INTENT, Row
from sync.mirror.tables import OwnerRow, Turn
from sync.mirror.tables.outbox import WAITING_STATES

TURN: Final[Table] = Turn.metadata.tables["turn"]
OWNER: Final[Table] = OwnerRow.metadata.tables["owner"]


class KnownOwner(NamedTuple):
    """Somebody who may own records, as mirrored; `email` is normalised."""

    crm: str
    id: str
    email: str | None
    name: str | None
    kind: str
    active: bool


def owners(conn: Connection) -> list[KnownOwner]:
    """Everybody who may own records in either CRM."""
    names = (OWNER.c.crm, OWNER.c.id, OWNER.c.email, OWNER.c.name, OWNER.c.kind, OWNER.c.active)
    rows = conn.execute(select(*names).order_by(OWNER.c.crm, OWNER.c.id))
    return [
        KnownOwner(crm, id_, email.strip().casefold() if email else None, name, kind, bool(active))
        for crm, id_, email, name, kind, active in rows
    ]


def turns_taken(conn: Connection, pool: str, roster: str) -> dict[str, int]:
    """Per member, the turns of this pool among these people that were not given back."""
    query = (
        select(TURN.c.member, func.count())
        .where(TURN.c.pool == pool, TURN.c.roster == roster, TURN.c.state != "returned")
        .group_by(TURN.c.member)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def reserve(conn: Connection, turns: Iterable[dict[str, Any]], now: int) -> None:
    """Reserve turns: each has `id`, `pool`, `roster`, `member` and `person_id`."""
    rows = [{**turn, "state": "reserved", "at": now} for turn in turns]
    if rows:
        conn.execute(insert(TURN), rows)


def give_back_orphans(conn: Connection) -> int:
    """Give back reserved turns of people for whom no owner is about to be set any more."""
    waiting = exists(
        select(INTENT.c.id).where(
            INTENT.c.person_id == TURN.c.person_id,
            INTENT.c.purpose == "owner",
            INTENT.c.state.in_(WAITING_STATES),
        )
    )
    orphans = update(TURN).where(TURN.c.state == "reserved", not_(waiting))
    return conn.execute(orphans.values(state="returned")).rowcount


def settle(conn: Connection, row: Row) -> None:
    """After an owner intent ended: consume the person's reserved turn, or give it back, or go on waiting.

    The turn is consumed when any owner intent decided with it is verified; it is given back when none
    is left that could be.
    """
    if row.purpose != "owner":
        return
    of_spell = (
        INTENT.c.person_id == row.person_id,
        INTENT.c.purpose == "owner",
        INTENT.c.spell_id.is_not_distinct_from(row.spell_id),
    )
    states = set(
        conn.execute(
            select(INTENT.c.state).where(*of_spell, INTENT.c.state.in_((*WAITING_STATES, "verified")))
        ).scalars()
    )
    if "verified" in states:
        new = "consumed"
    elif states:
        return
    else:
        new = "returned"
    mine = (TURN.c.person_id == row.person_id, TURN.c.state == "reserved")
    conn.execute(update(TURN).where(*mine).values(state=new))
