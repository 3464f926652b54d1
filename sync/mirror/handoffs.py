"""The clock of each hand-off: when it began, until when somebody ought to act, and the first touch.

A hand-off begins when the first owner or status of a spell is proved to stand in a CRM. All functions work
inside the caller's transaction; times are epoch seconds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, and_, exists, func, insert, not_, or_, select, update

from connectors.records import GoneReason, RecordRef
from sync.core.cases import REASSIGN, REPAIR
from sync.mirror.engine import Connection
from sync.mirror.outbox import INTENT
from sync.mirror.proofs import VERIFIED
from sync.mirror.tables import EngagementRow, HandOff, Person, PersonMember, PersonRow, Spell, TombstoneRow
from sync.mirror.tables.outbox import WAITING_STATES

HAND_OFF: Final[Table] = HandOff.metadata.tables["hand_off"]
ENGAGEMENT: Final[Table] = EngagementRow.metadata.tables["engagement"]
PERSON: Final[Table] = Person.metadata.tables["person"]
MEMBER: Final[Table] = PersonMember.metadata.tables["person_member"]
RECORD: Final[Table] = PersonRow.metadata.tables["person_record"]
SPELL: Final[Table] = Spell.metadata.tables["spell"]
TOMBSTONE: Final[Table] = TombstoneRow.metadata.tables["tombstone"]

SALES_SOURCES: Final = (
    "hubspot.calls",
    "hubspot.emails",
    "hubspot.meetings",
    "hubspot.communications",
    "salesforce.task",
    "salesforce.event",
    "salesforce.email_message",
)
"""Where a colleague's touch is logged."""
INCOMING: Final = "email_replied"
"""An e-mail from the person is no touch of ours."""

DAY: Final = 86_400
LOOK_BACK: Final = 7 * DAY
"""A spell that ended so recently may still turn out to have been touched."""


class Begun(NamedTuple):
    """A hand-off that has no clock yet. `owners`: (crm, owner id) that were proved, newest first."""

    spell_id: str
    person_id: str
    model: str
    at: int
    owners: tuple[tuple[str, str], ...]


class Activity(NamedTuple):
    """Something logged on a person after the hand-off; `owner_id` None: the CRM does not say whose."""

    spell_id: str
    owner: str | None
    crm: str
    kind: str
    at: int
    owner_id: str | None


class Changed(NamedTuple):
    """A status that is not the one we wrote any more; who changed it is to be asked of the CRM."""

    spell_id: str
    ref: RecordRef
    field: str
    value: str | None


class Overdue(NamedTuple):
    """A hand-off that nobody touched in time."""

    spell_id: str
    person_id: str
    owner: str | None
    due_at: int


class Passed(NamedTuple):
    """A hand-off that went on to another owner, whose clock has yet to start."""

    spell_id: str
    person_id: str
    model: str
    at: int
    owners: tuple[tuple[str, str], ...]


def begun(conn: Connection) -> list[Begun]:
    """Spells with a proved owner or status, nothing of theirs waiting to own, and no clock."""
    waiting = INTENT.alias("waiting")
    owner_waits = exists(
        select(waiting.c.id).where(
            waiting.c.spell_id == INTENT.c.spell_id,
            waiting.c.purpose == "owner",
            waiting.c.state.in_(WAITING_STATES),
        )
    )
    proved_at = func.coalesce(INTENT.c.verified_at_ms / 1000, INTENT.c.done_at)
    names = (SPELL.c.id, SPELL.c.person_id, SPELL.c.model)
    columns = (*names, INTENT.c.crm, INTENT.c.purpose, INTENT.c.desired_value, proved_at)
    query = (
        select(*columns)
        .join(SPELL, SPELL.c.id == INTENT.c.spell_id)
        .where(INTENT.c.state == "verified", INTENT.c.policy != REPAIR)
        .where(INTENT.c.purpose.in_(("owner", "status")), not_(owner_waits))
        .where(not_(exists(select(HAND_OFF.c.spell_id).where(HAND_OFF.c.spell_id == SPELL.c.id))))
        .order_by(SPELL.c.id, INTENT.c.crm.desc(), INTENT.c.done_at.desc(), INTENT.c.id)
    )
    found: dict[str, Begun] = {}
    for spell_id, person_id, model, crm, purpose, value, at in conn.execute(query):
        one = found.get(spell_id) or Begun(spell_id, person_id, model, int(at), ())
        owners = (*one.owners, (crm, value)) if purpose == "owner" and value else one.owners
        found[spell_id] = one._replace(at=min(one.at, int(at)), owners=owners)
    return list(found.values())


class Deed(NamedTuple):
    """One engagement, as a representative wants to hear of it."""

    kind: str
    asset: str | None
    at: int


def last_deeds(conn: Connection, person_id: str, until: int, limit: int = 50) -> list[Deed]:
    """What the person did up to a moment, newest first; robots and opt-out flags left out."""
    row = ENGAGEMENT.c
    query = (
        select(row.kind, row.asset, row.occurred_at)
        .where(row.person_id == person_id, row.occurred_at <= until, not_(row.deleted), not_(row.is_bot))
        .where(not_(row.source.like("%.opt_out")))
        .order_by(row.occurred_at.desc(), row.crm, row.source, row.id)
    )
    return [Deed(*found) for found in conn.execute(query.limit(limit))]


def record_owners(conn: Connection, person_id: str) -> list[tuple[str, str]]:
    """Who owns the person's live records, as mirrored: (crm, owner id)."""
    same = and_(MEMBER.c.crm == RECORD.c.crm, MEMBER.c.object == RECORD.c.object, MEMBER.c.id == RECORD.c.id)
    query = (
        select(RECORD.c.crm, RECORD.c.owner_id)
        .join(MEMBER, same)
        .where(MEMBER.c.person_id == person_id, not_(RECORD.c.gone), RECORD.c.owner_id.is_not(None))
        .order_by(RECORD.c.crm.desc(), RECORD.c.object, RECORD.c.id)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]


def start(conn: Connection, begun_: Iterable[tuple[Begun, str | None, int | None]]) -> None:
    """Start the clocks of hand-offs, each with its owner and when it is due."""
    rows = [
        {
            "spell_id": one.spell_id,
            "person_id": one.person_id,
            "owner": owner,
            "started_at": one.at,
            "due_at": due_at,
        }
        for one, owner, due_at in begun_
    ]
    if rows:
        conn.execute(insert(HAND_OFF), rows)


def activities(conn: Connection, now: int) -> list[Activity]:
    """What was logged on untouched people since their hand-off, oldest first.

    A day without a time counts when it was logged after the hand-off, and then as of that moment.
    """
    row, logged = ENGAGEMENT.c, ENGAGEMENT.c.modified_ms / 1000
    whole_day = and_(row.occurred_at % DAY == 0, row.occurred_at + DAY > HAND_OFF.c.started_at)
    after = or_(
        and_(row.occurred_at > HAND_OFF.c.started_at, row.occurred_at <= now),
        and_(whole_day, row.occurred_at <= now, logged > HAND_OFF.c.started_at),
    )
    columns = (HAND_OFF.c.spell_id, HAND_OFF.c.owner, HAND_OFF.c.started_at)
    query = (
        select(*columns, row.crm, row.kind, row.occurred_at, row.modified_ms, row.raw)
        .join(HAND_OFF, HAND_OFF.c.person_id == row.person_id)
        .where(HAND_OFF.c.touched_at.is_(None), _recent(now), after, not_(row.deleted), not_(row.is_bot))
        .where(row.source.in_(SALES_SOURCES), row.kind != INCOMING)
        .order_by(row.occurred_at, row.crm, row.source, row.id)
    )
    found = []
    for spell_id, owner, started, crm, kind, occurred, modified_ms, raw in conn.execute(query):
        at = occurred if occurred > started else min(now, modified_ms // 1000)
        found.append(Activity(spell_id, owner, crm, kind, at, _owner_in(raw)))
    return sorted(found, key=lambda one: one.at)


def _owner_in(raw: str) -> str | None:
    """The owner that the CRM's row names."""
    row = json.loads(raw)
    inner = row.get("properties")
    value = inner.get("hubspot_owner_id") if isinstance(inner, dict) else row.get("OwnerId")
    return value if isinstance(value, str) and value else None


def converted(conn: Connection, now: int) -> list[tuple[str, int]]:
    """Untouched hand-offs of which a person converted a record that we wrote: (spell, when)."""
    same = and_(
        TOMBSTONE.c.crm == INTENT.c.crm,
        TOMBSTONE.c.object == INTENT.c.object,
        TOMBSTONE.c.id == INTENT.c.record_id,
    )
    at = TOMBSTONE.c.at_ms / 1000
    query = (
        select(HAND_OFF.c.spell_id, func.min(at))
        .join(INTENT, INTENT.c.spell_id == HAND_OFF.c.spell_id)
        .join(TOMBSTONE, same)
        .where(HAND_OFF.c.touched_at.is_(None), _recent(now), at > HAND_OFF.c.started_at)
        .where(TOMBSTONE.c.reason == GoneReason.CONVERTED.value)
        .group_by(HAND_OFF.c.spell_id)
    )
    return [(row[0], int(row[1])) for row in conn.execute(query)]


def changed_statuses(conn: Connection, crm: str, now: int) -> list[Changed]:
    """Statuses of untouched people that are not ours any more and were not judged with this value yet."""
    same = and_(
        RECORD.c.crm == INTENT.c.crm, RECORD.c.object == INTENT.c.object, RECORD.c.id == INTENT.c.record_id
    )
    names = (INTENT.c.crm, INTENT.c.object, INTENT.c.record_id)
    columns = (HAND_OFF.c.spell_id, HAND_OFF.c.judged, *names, INTENT.c.field, RECORD.c.status)
    query = (
        select(*columns)
        .join(INTENT, INTENT.c.spell_id == HAND_OFF.c.spell_id)
        .join(VERIFIED, VERIFIED.c.intent_id == INTENT.c.id)
        .join(RECORD, same)
        .where(HAND_OFF.c.touched_at.is_(None), _recent(now), INTENT.c.crm == crm, not_(RECORD.c.gone))
        .where(INTENT.c.purpose == "status", RECORD.c.modified_ms >= VERIFIED.c.at_ms)
        .where(func.coalesce(RECORD.c.status, "") != func.coalesce(VERIFIED.c.value, ""))
        .order_by(*names)
    )
    found = []
    for spell_id, judged, row_crm, object_name, record_id, field, value in conn.execute(query):
        one = Changed(spell_id, RecordRef(row_crm, object_name, record_id), field, value)
        if json.loads(judged or "{}").get(_key(one)) != (value or ""):
            found.append(one)
    return found


def _key(one: Changed) -> str:
    return f"{one.ref.crm}.{one.ref.object}.{one.ref.id}"


def no_touch(conn: Connection, one: Changed) -> None:
    """Remember that this status was not a person's doing, so that nobody asks again."""
    row = conn.execute(select(HAND_OFF.c.judged).where(HAND_OFF.c.spell_id == one.spell_id)).scalar_one()
    judged = json.dumps({**json.loads(row or "{}"), _key(one): one.value or ""}, sort_keys=True)
    conn.execute(update(HAND_OFF).where(HAND_OFF.c.spell_id == one.spell_id).values(judged=judged))


def touched(conn: Connection, spell_id: str, at: int, by: str) -> None:
    """The first touch of a hand-off; a later one changes nothing."""
    open_ = (HAND_OFF.c.spell_id == spell_id, HAND_OFF.c.touched_at.is_(None))
    conn.execute(update(HAND_OFF).where(*open_).values(touched_at=at, touched_by=by))


def close_ended(conn: Connection) -> None:
    """Stop the clocks of spells that have ended."""
    left = select(SPELL.c.left_at).where(SPELL.c.id == HAND_OFF.c.spell_id).scalar_subquery()
    conn.execute(update(HAND_OFF).where(HAND_OFF.c.closed_at.is_(None)).values(closed_at=left))


def overdue(conn: Connection, now: int) -> list[Overdue]:
    """Hand-offs that nobody touched in time and that are not over, the longest overdue first."""
    late = (HAND_OFF.c.touched_at.is_(None), HAND_OFF.c.closed_at.is_(None), HAND_OFF.c.due_at < now)
    columns = [HAND_OFF.c[name] for name in Overdue._fields]
    query = select(*columns).where(*late).order_by(HAND_OFF.c.due_at, HAND_OFF.c.spell_id)
    return [Overdue(*row) for row in conn.execute(query)]


def acted_on(conn: Connection, spells: Collection[str]) -> set[str]:
    """Those of these spells that are touched or over, or of which a status is not ours any more."""
    if not spells:
        return set()
    names = and_(
        RECORD.c.crm == INTENT.c.crm, RECORD.c.object == INTENT.c.object, RECORD.c.id == INTENT.c.record_id
    )
    wanted = HAND_OFF.c.spell_id.in_(sorted(spells))
    over = or_(HAND_OFF.c.touched_at.is_not(None), HAND_OFF.c.closed_at.is_not(None))
    moved = (
        select(INTENT.c.spell_id)
        .join(HAND_OFF, HAND_OFF.c.spell_id == INTENT.c.spell_id)
        .join(VERIFIED, VERIFIED.c.intent_id == INTENT.c.id)
        .join(RECORD, names)
        .where(wanted, INTENT.c.purpose == "status", not_(RECORD.c.gone))
        .where(RECORD.c.modified_ms >= VERIFIED.c.at_ms)  # Salesforce stamps whole seconds
        .where(func.coalesce(RECORD.c.status, "") != func.coalesce(VERIFIED.c.value, ""))
    )
    found = set(conn.execute(select(HAND_OFF.c.spell_id).where(wanted, over)).scalars())
    return found | set(conn.execute(moved).scalars())


def passed_on(conn: Connection) -> list[Passed]:
    """Hand-offs whose next owner is proved to stand there, and whose clock still is the former one's."""
    proved_at = func.coalesce(INTENT.c.verified_at_ms / 1000, INTENT.c.done_at)
    columns = (SPELL.c.id, SPELL.c.person_id, SPELL.c.model, INTENT.c.crm, INTENT.c.desired_value, proved_at)
    query = (
        select(*columns)
        .join(SPELL, SPELL.c.id == INTENT.c.spell_id)
        .join(HAND_OFF, HAND_OFF.c.spell_id == SPELL.c.id)
        .where(INTENT.c.state == "verified", INTENT.c.policy == REASSIGN, HAND_OFF.c.touched_at.is_(None))
        .where(INTENT.c.created_at > HAND_OFF.c.due_at)
        .order_by(SPELL.c.id, INTENT.c.created_at.desc(), INTENT.c.crm.desc(), INTENT.c.id)
    )
    found: dict[str, Passed] = {}
    for spell_id, person_id, model, crm, value, at in conn.execute(query):
        one = found.get(spell_id) or Passed(spell_id, person_id, model, int(at), ())
        found[spell_id] = one._replace(at=min(one.at, int(at)), owners=(*one.owners, (crm, value)))
    return list(found.values())


def restart(conn: Connection, one: Passed, owner: str | None, due_at: int | None) -> None:
    """Begin the clock of the next owner; the former one's stays in `earlier`."""
    mine = HAND_OFF.c.spell_id == one.spell_id
    columns = (HAND_OFF.c.owner, HAND_OFF.c.started_at, HAND_OFF.c.due_at, HAND_OFF.c.earlier)
    before = conn.execute(select(*columns).where(mine)).one()
    past = {"owner": before.owner, "started_at": before.started_at, "due_at": before.due_at}
    earlier = json.dumps([*json.loads(before.earlier or "[]"), past])
    values = {"owner": owner, "started_at": one.at, "due_at": due_at, "earlier": earlier}
    conn.execute(update(HAND_OFF).where(mine).values(values))


def count_overdue(conn: Connection, now: int) -> int:
    """How many hand-offs nobody touched in time and that are not over."""
    late = (HAND_OFF.c.touched_at.is_(None), HAND_OFF.c.closed_at.is_(None), HAND_OFF.c.due_at < now)
    return int(conn.execute(select(func.count()).select_from(HAND_OFF).where(*late)).scalar_one())


def _recent(now: int) -> Any:
    return or_(HAND_OFF.c.closed_at.is_(None), HAND_OFF.c.closed_at >= now - LOOK_BACK)
