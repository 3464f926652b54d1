"""Turns of the pools: reserved with the decision, consumed when proved, given back otherwise.

Always in the transaction that changes the intent, so a crash can neither lose a turn nor spend one twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, insert, not_, select, update

from connectors.records import RecordRef
from sync.core.cases import REASSIGN, REPAIR, UNDO
from sync.mirror.engine import Connection
from sync.mirror.outbox import INTENT, Row, of_records
from sync.mirror.proofs import VERIFIED
from sync.mirror.tables import (
    CompanyRow,
    OwnerRow,
    PersonMember,
    PersonRow,
    RefusedOwner,
    Turn,
    UnroutedRecord,
)
from sync.mirror.tables.outbox import WAITING_STATES
from sync.mirror.upserts import Upsert, upsert

TURN: Final[Table] = Turn.metadata.tables["turn"]
OWNER: Final[Table] = OwnerRow.metadata.tables["owner"]
COMPANY: Final[Table] = CompanyRow.metadata.tables["company_record"]
RECORD: Final[Table] = PersonRow.metadata.tables["person_record"]
MEMBER: Final[Table] = PersonMember.metadata.tables["person_member"]
REFUSED: Final[Table] = RefusedOwner.metadata.tables["refused_owner"]
UNROUTED: Final[Table] = UnroutedRecord.metadata.tables["unrouted_record"]
REFUSED_ROWS: Final = Upsert(RefusedOwner, ("run_id", "crm", "owner_id", "code", "at"))


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


def lately(conn: Connection, since: int) -> dict[str, int]:
    """Per member, the turns of all pools since then that were not given back: what capacity looks at."""
    query = (
        select(TURN.c.member, func.count())
        .where(TURN.c.at > since, TURN.c.state != "returned")
        .group_by(TURN.c.member)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def earlier_owners(conn: Connection, person_id: str, spell_id: str) -> list[tuple[str, str]]:
    """Owners that we set in an earlier spell of this person, newest first: (crm, owner id)."""
    query = select(INTENT.c.crm, INTENT.c.desired_value).where(
        INTENT.c.person_id == person_id,
        INTENT.c.purpose == "owner",
        INTENT.c.state == "verified",
        INTENT.c.policy != REPAIR,
        INTENT.c.spell_id != spell_id,
        INTENT.c.desired_value.is_not(None),
    )
    return [(row[0], row[1]) for row in conn.execute(query.order_by(INTENT.c.done_at.desc(), INTENT.c.id))]


def given_owners(conn: Connection, person_id: str, spell_id: str) -> list[tuple[str, str]]:
    """Owners that this spell has given to the person's records or is about to: (crm, owner id)."""
    query = select(INTENT.c.crm, INTENT.c.desired_value).where(
        INTENT.c.person_id == person_id,
        INTENT.c.purpose == "owner",
        INTENT.c.spell_id == spell_id,
        INTENT.c.state.in_((*WAITING_STATES, "verified")),
        INTENT.c.desired_value.is_not(None),
    )
    return [(row[0], row[1]) for row in conn.execute(query.order_by(INTENT.c.created_at, INTENT.c.id))]


def proved_before(
    conn: Connection, spells: Mapping[RecordRef, str | None], purpose: str = "owner"
) -> set[tuple[RecordRef, str]]:
    """Fields (record, field) of a purpose whose last proved value is of another spell than the record's own.

    Whoever replaced that value afterwards judged the earlier hand-off, not this one.
    """
    names = (INTENT.c.crm, INTENT.c.object, INTENT.c.record_id, INTENT.c.field, INTENT.c.spell_id)
    found = set()
    for where in of_records(spells, VERIFIED):
        query = select(*names).join(VERIFIED, VERIFIED.c.intent_id == INTENT.c.id)
        for crm, object_name, record_id, field, spell_id in conn.execute(
            query.where(where, INTENT.c.purpose == purpose)
        ):
            ref = RecordRef(crm, object_name, record_id)
            if spell_id != spells[ref]:
                found.add((ref, field))
    return found


def company_owners(conn: Connection, person_id: str) -> list[tuple[str, str]]:
    """Who owns the companies of the person's live records, Accounts first: (crm, owner id)."""
    query = (
        select(COMPANY.c.crm, COMPANY.c.owner_id)
        .join(RECORD, and_(RECORD.c.crm == COMPANY.c.crm, RECORD.c.company_id == COMPANY.c.id))
        .join(
            MEMBER,
            (MEMBER.c.crm == RECORD.c.crm)
            & (MEMBER.c.object == RECORD.c.object)
            & (MEMBER.c.id == RECORD.c.id),
        )
        .where(MEMBER.c.person_id == person_id, not_(RECORD.c.gone), not_(COMPANY.c.gone))
        .where(COMPANY.c.owner_id.is_not(None))
        .order_by(COMPANY.c.crm.desc(), RECORD.c.object, RECORD.c.id)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]


def refuse(conn: Connection, crm: str, owner_id: str, code: str, *, run_id: str, now: int) -> None:
    """Remember that the CRM did not take this owner; it is not chosen again in this run."""
    upsert(conn, REFUSED_ROWS, [(run_id, crm, owner_id, code, now)])


def refused(conn: Connection, run_id: str) -> set[tuple[str, str]]:
    """Owners that a CRM did not take in this run: (crm, owner id)."""
    query = select(REFUSED.c.crm, REFUSED.c.owner_id).where(REFUSED.c.run_id == run_id)
    return {(row[0], row[1]) for row in conn.execute(query)}


class Unrouted(NamedTuple):
    """A record of an MQL whose owner stays as it is, and why."""

    crm: str
    object: str
    record_id: str
    person_id: str
    reason: str
    at: int


def keep_unrouted(conn: Connection, found: Iterable[Unrouted]) -> None:
    """Replace the list of records that got no owner by this one."""
    rows = [one._asdict() for one in found]
    conn.execute(delete(UNROUTED))
    if rows:
        conn.execute(insert(UNROUTED), rows)


def unrouted(conn: Connection) -> list[Unrouted]:
    """Records that got no owner at the last decision, oldest person first."""
    columns = [UNROUTED.c[name] for name in Unrouted._fields]
    order = (UNROUTED.c.person_id, UNROUTED.c.crm, UNROUTED.c.object, UNROUTED.c.record_id)
    return [Unrouted(*row) for row in conn.execute(select(*columns).order_by(*order))]


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
    if row.purpose != "owner" or row.policy == UNDO:
        return
    of_spell: tuple[ColumnElement[bool], ...] = (
        INTENT.c.person_id == row.person_id,
        INTENT.c.purpose == "owner",
        INTENT.c.spell_id.is_not_distinct_from(row.spell_id),
    )
    mine = (TURN.c.person_id == row.person_id, TURN.c.state == "reserved")
    if row.policy == REASSIGN:  # an owner of this spell is proved already: only what was decided since counts
        reserved_at = select(func.min(TURN.c.at)).where(*mine).scalar_subquery()
        of_spell = (*of_spell, INTENT.c.created_at >= reserved_at, INTENT.c.policy == REASSIGN)
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
    conn.execute(update(TURN).where(*mine).values(state=new))
