"""One person in time: what they did, when they were an MQL, and every change decided for their records."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, select

from config.world import iso_z
from connectors.records import RecordRef
from sync.mirror import overrides
from sync.mirror.engine import Connection
from sync.mirror.outbox import INTENT
from sync.mirror.tables import EngagementRow, OwnerRow, PersonMember, PersonRow, Spell

ENGAGEMENT: Final[Table] = EngagementRow.metadata.tables["engagement"]
MEMBER: Final[Table] = PersonMember.metadata.tables["person_member"]
RECORD: Final[Table] = PersonRow.metadata.tables["person_record"]
OWNER: Final[Table] = OwnerRow.metadata.tables["owner"]
SPELL: Final[Table] = Spell.metadata.tables["spell"]


class Moment(NamedTuple):
    """Something that happened to a person or their records. `kind`: engagement, spell, override or write."""

    at: int
    kind: str
    crm: str
    what: str
    detail: str

    def to_json(self) -> dict[str, Any]:
        """One entry of `person timeline --json`."""
        return {**self._asdict(), "at": iso_z(self.at), "crm": self.crm or None}


class RecordView(NamedTuple):
    """A live record of a person, as mirrored."""

    crm: str
    object: str
    id: str
    status: str | None
    lifecycle: str | None
    owner: str | None
    email: str | None
    evidence: str

    @property
    def ref(self) -> RecordRef:
        """Its name."""
        return RecordRef(self.crm, self.object, self.id)


class Decided(NamedTuple):
    """One decided change of a record of the person."""

    intent_id: str
    crm: str
    object: str
    id: str
    field: str
    before: str | None
    after: str | None
    state: str
    why: str | None
    message: str | None
    reason: str
    created_at: int
    sent_at: int | None
    done_at: int | None

    def to_json(self) -> dict[str, Any]:
        """One entry of `writes` in `person show --json`."""
        times = {name: iso_z(getattr(self, name)) for name in ("created_at", "sent_at", "done_at")}
        return {**self._asdict(), **times}


def records(conn: Connection, person_id: str) -> list[RecordView]:
    """The live records of a person with what sales see in them."""
    names = ("crm", "object", "id")
    same = and_(*(MEMBER.c[name] == RECORD.c[name] for name in names))
    owner = and_(OWNER.c.crm == RECORD.c.crm, OWNER.c.id == RECORD.c.owner_id)
    columns = (
        RECORD.c.crm,
        RECORD.c.object,
        RECORD.c.id,
        RECORD.c.status,
        RECORD.c.lifecycle,
        OWNER.c.name,
        RECORD.c.email,
        MEMBER.c.evidence,
    )
    query = select(*columns).select_from(MEMBER.join(RECORD, same).outerjoin(OWNER, owner))
    query = query.where(MEMBER.c.person_id == person_id)
    order = (RECORD.c.crm.desc(), RECORD.c.object, RECORD.c.id)
    return [RecordView(*row) for row in conn.execute(query.order_by(*order))]


def field_values(conn: Connection, person_id: str) -> dict[RecordRef, dict[str, Any]]:
    """The mirrored payload of each live record of a person, by the CRM's own field names."""
    names = ("crm", "object", "id")
    same = and_(*(MEMBER.c[name] == RECORD.c[name] for name in names))
    query = select(RECORD.c.crm, RECORD.c.object, RECORD.c.id, RECORD.c.raw).select_from(
        MEMBER.join(RECORD, same)
    )
    found = {}
    for row in conn.execute(query.where(MEMBER.c.person_id == person_id)):
        raw = json.loads(row.raw)
        found[RecordRef(row.crm, row.object, row.id)] = raw.get("properties", raw)
    return found


def writes(conn: Connection, person_id: str) -> list[Decided]:
    """Every change decided for a person, newest first."""
    columns = (
        INTENT.c.id,
        INTENT.c.crm,
        INTENT.c.object,
        INTENT.c.record_id,
        INTENT.c.field,
        INTENT.c.base_value,
        INTENT.c.desired_value,
        INTENT.c.state,
        INTENT.c.why,
        INTENT.c.message,
        INTENT.c.reason,
        INTENT.c.created_at,
        INTENT.c.sent_at,
        INTENT.c.done_at,
    )
    query = select(*columns).where(INTENT.c.person_id == person_id)
    rows = conn.execute(query.order_by(INTENT.c.created_at.desc(), INTENT.c.id))
    return [Decided._make(row) for row in rows]


def timeline(conn: Connection, person_id: str, limit: int) -> list[Moment]:
    """The newest moments of a person, newest first."""
    moments = [
        *_engagements(conn, person_id, limit),
        *_spells(conn, person_id),
        *_overrides(conn, person_id),
        *_writes(conn, person_id),
    ]
    return sorted(moments, key=lambda one: (-one.at, one.kind, one.crm, one.what))[:limit]


def _engagements(conn: Connection, person_id: str, limit: int) -> list[Moment]:
    columns = (ENGAGEMENT.c.occurred_at, ENGAGEMENT.c.crm, ENGAGEMENT.c.kind, ENGAGEMENT.c.asset)
    counted: ColumnElement[bool] = and_(
        ENGAGEMENT.c.person_id == person_id,
        ENGAGEMENT.c.occurred_at.is_not(None),
        ENGAGEMENT.c.deleted.is_(False),
        ENGAGEMENT.c.is_bot.is_(False),
    )
    query = select(*columns).where(counted).order_by(ENGAGEMENT.c.occurred_at.desc()).limit(limit)
    return [Moment(at, "engagement", crm, kind, asset or "") for at, crm, kind, asset in conn.execute(query)]


def _spells(conn: Connection, person_id: str) -> list[Moment]:
    columns = (SPELL.c.entered_at, SPELL.c.entered_by, SPELL.c.left_at, SPELL.c.left_why, SPELL.c.model)
    found: list[Moment] = []
    for row in conn.execute(select(*columns).where(SPELL.c.person_id == person_id)):
        found.append(Moment(row.entered_at, "spell", "", "became an MQL", f"{row.entered_by} ({row.model})"))
        if row.left_at is not None:
            found.append(Moment(row.left_at, "spell", "", "is no MQL any more", row.left_why or ""))
    return found


def _overrides(conn: Connection, person_id: str) -> list[Moment]:
    found: list[Moment] = []
    for one in overrides.of_person(conn, person_id):
        detail = f"by {one.by} until {(iso_z(one.until) or '')[:10]}: {one.reason}"
        found.append(Moment(one.at, "override", "", f"override: {one.words}", detail))
        if one.ended_at is not None:
            found.append(Moment(one.ended_at, "override", "", "override ended", one.ended_why or ""))
    return found


def _writes(conn: Connection, person_id: str) -> list[Moment]:
    found = []
    for one in writes(conn, person_id):
        change = f"{one.before or '(empty)'} → {one.after or '(empty)'}"
        what = f"{one.object} {one.id} {one.field}"
        at = one.done_at or one.created_at
        found.append(Moment(at, "write", one.crm, what, f"{change}: {_became(one)}"))
    return found


STATES: Final = {
    "verified": "written and read back",
    "superseded": "not written",
    "parked": "refused by the CRM",
    "conflict": "in conflict",
    "queued": "decided, not sent yet",
    "awaiting_approval": "waits for approval",
    "quiet": "waits, for a person has just touched it",
    "sent": "sent, not proved yet",
    "unsure": "sent, the answer is not known",
}
"""What became of a change, as people say it."""
EXPLAINED: Final = ("superseded", "parked", "conflict")
"""States that ask for a reason."""


def _became(one: Decided) -> str:
    said = STATES.get(one.state, one.state)
    reason = one.message or (one.why or "").replace("_", " ")
    return f"{said}: {reason}" if reason and one.state in EXPLAINED else said
