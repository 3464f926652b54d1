"""The one task or note of each hand-off: written down before it is sent, so that none is made twice.

All functions work inside the caller's transaction; times are epoch seconds. States are drawn in
`tables/routing.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, and_, exists, func, insert, not_, or_, select, update

from connectors.records import RecordRef
from sync.core.cases import REPAIR, RESTORING
from sync.core.codes import prefixed
from sync.mirror.engine import Connection
from sync.mirror.handoffs import HAND_OFF, SPELL
from sync.mirror.outbox import CHUNK, INTENT, Failed, OutboxRaced
from sync.mirror.runs import current_round
from sync.mirror.tables import EngagementRow, HandOffTask, Score

TASK: Final[Table] = HandOffTask.metadata.tables["hand_off_task"]
SCORE: Final[Table] = Score.metadata.tables["score"]
ENGAGEMENT: Final[Table] = EngagementRow.metadata.tables["engagement"]

SOURCES: Final = ("salesforce.task", "hubspot.tasks", "hubspot.notes")
"""Engagement sources in which tasks and notes of ours come back."""


MARK: Final = "mqlsync"
"""What the mark of a task begins with, before a colon."""
PAUSED_AS: Final = "hand_off"
"""In place of a field, in what failed and in what pauses: `mqlsync pause salesforce.Lead.hand_off`."""


class Proved(NamedTuple):
    """A hand-off in one CRM that is proved there and has no task yet. `owner_id`: whom we set, if anybody."""

    spell_id: str
    person_id: str
    model: str
    entered_at: int
    entered_by: str
    owner: str | None
    started_at: int
    due_at: int | None
    object: str
    record_id: str
    owner_id: str | None


class Row(NamedTuple):
    """A task as the stage sees it."""

    spell_id: str
    crm: str
    person_id: str
    object: str
    record_id: str
    kind: str
    owner_id: str | None
    subject: str
    body: str
    mark: str
    due_at: int
    due_day: str
    state: str
    attempts: int
    created_at: int

    @property
    def ref(self) -> RecordRef:
        """The record that it stands beside."""
        return RecordRef(self.crm, self.object, self.record_id)


COLUMNS: Final = tuple(TASK.c[name] for name in Row._fields)


def proved(conn: Connection, crm: str, since: int) -> list[Proved]:
    """Running hand-offs whose owner or status was proved in this CRM since then, and that have no task.

    Beside the record that got its owner, a Contact before a Lead; one record for each spell.
    """
    has_one = exists(select(TASK.c.spell_id).where(TASK.c.spell_id == SPELL.c.id, TASK.c.crm == crm))
    spell = (SPELL.c.id, SPELL.c.person_id, SPELL.c.model, SPELL.c.entered_at, SPELL.c.entered_by)
    clock = (HAND_OFF.c.owner, HAND_OFF.c.started_at, HAND_OFF.c.due_at)
    query = (
        select(*spell, *clock, INTENT.c.object, INTENT.c.record_id, INTENT.c.purpose, INTENT.c.desired_value)
        .select_from(HAND_OFF)
        .join(SPELL, SPELL.c.id == HAND_OFF.c.spell_id)
        .join(INTENT, INTENT.c.spell_id == SPELL.c.id)
        .where(HAND_OFF.c.touched_at.is_(None), HAND_OFF.c.closed_at.is_(None), not_(has_one))
        .where(INTENT.c.crm == crm, INTENT.c.state == "verified", INTENT.c.done_at >= since)
        .where(INTENT.c.purpose.in_(("owner", "status")))
        .where(INTENT.c.policy.not_in(sorted({REPAIR, *RESTORING})))
        .order_by(SPELL.c.id, INTENT.c.purpose, INTENT.c.object, INTENT.c.done_at.desc(), INTENT.c.id)
    )
    found: dict[str, Proved] = {}
    for row in conn.execute(query):
        given = row.desired_value if row.purpose == "owner" else None
        found.setdefault(row[0], Proved(*row[:10], given))
    return list(found.values())


def standing(conn: Connection, person_id: str, model: str) -> tuple[int, str] | None:
    """Total (thousandths of a point) and grade of a person under a model."""
    query = select(SCORE.c.total, SCORE.c.grade)
    row = conn.execute(query.where(SCORE.c.person_id == person_id, SCORE.c.model == model)).first()
    return None if row is None else (row.total, row.grade)


def plan(conn: Connection, rows: Sequence[dict[str, Any]], now: int) -> None:
    """Write down tasks that are to be made."""
    if rows:
        conn.execute(insert(TASK), [{**row, "state": "planned", "created_at": now} for row in rows])


def drop_unneeded(conn: Connection, crm: str, now: int) -> int:
    """Give up what nobody needs any more: somebody acted, or the spell is over."""
    over = or_(HAND_OFF.c.touched_at.is_not(None), HAND_OFF.c.closed_at.is_not(None))
    ended = exists(select(HAND_OFF.c.spell_id).where(HAND_OFF.c.spell_id == TASK.c.spell_id, over))
    which = (TASK.c.crm == crm, TASK.c.state == "planned", ended)
    return conn.execute(update(TASK).where(*which).values(state="dropped", body="", done_at=now)).rowcount


def in_flight(conn: Connection, crm: str, now: int) -> list[Row]:
    """What was sent and never answered, for long enough that it has had its effect if ever."""
    due = or_(TASK.c.next_at.is_(None), TASK.c.next_at <= now)
    query = select(*COLUMNS).where(TASK.c.crm == crm, TASK.c.state.in_(("sent", "unsure")), due)
    return [Row(*row) for row in conn.execute(query.order_by(TASK.c.created_at, TASK.c.spell_id))]


def sendable(conn: Connection, crm: str, now: int, limit: int) -> list[Row]:
    """Tasks that may be made now, oldest first."""
    due = or_(TASK.c.next_at.is_(None), TASK.c.next_at <= now)
    query = select(*COLUMNS).where(TASK.c.crm == crm, TASK.c.state == "planned", due)
    query = query.order_by(TASK.c.created_at, TASK.c.spell_id).limit(limit)
    return [Row(*row) for row in conn.execute(query)]


def move(conn: Connection, row: Row, new: str, **values: Any) -> Row:
    """Change one task's state from the one in `row`. Raises OutboxRaced when it is not in it any more."""
    same = (TASK.c.spell_id == row.spell_id, TASK.c.crm == row.crm, TASK.c.state == row.state)
    if conn.execute(update(TASK).where(*same).values(state=new, **values)).rowcount != 1:
        raise OutboxRaced(f"task of {row.spell_id}", row.state)
    return row._replace(state=new)


def refused_since(conn: Connection, crm: str, object_name: str, code: str, since: int) -> int:
    """How many tasks beside that object were refused since then by this code."""
    same = (TASK.c.crm == crm, TASK.c.object == object_name, TASK.c.state == "parked", TASK.c.code == code)
    return conn.execute(select(func.count()).where(*same, TASK.c.done_at >= since)).scalar_one()


def failed(conn: Connection) -> list[Failed]:
    """Tasks and notes that were given up, by cause, oldest first; their id is the mark without our name."""
    names = ("mark", "crm", "object", "record_id", "kind", "code", "message", "done_at", "attempts", "state")
    query = select(*(TASK.c[name] for name in names)).where(TASK.c.state == "parked")
    found = []
    for one in conn.execute(query.order_by(TASK.c.done_at, TASK.c.mark)):
        found.append(
            Failed(
                intent_id=one.mark.partition(":")[2],
                cause=prefixed(one.crm, f"{one.kind.upper()}-{one.code or 'UNKNOWN'}"),
                crm=one.crm,
                object=one.object,
                id=one.record_id,
                field=PAUSED_AS,
                message=one.message or "",
                remedy=f"give our user the right to make and see a {one.kind} there, then retry",
                since=one.done_at or 0,
                attempts=one.attempts,
                state=one.state,
            )
        )
    return sorted(found, key=lambda row: (row.cause, row.since))


def retry(conn: Connection, ids: Collection[str]) -> int:
    """Let tasks that were given up be made after all; how many. They are looked for before they are sent."""
    fresh = {"code": None, "message": None, "next_at": None, "done_at": None}
    return _settle_parked(conn, ids, {"state": "planned", **fresh})


def skip(conn: Connection, ids: Collection[str], reason: str, now: int) -> int:
    """Give tasks up for good, with the reason; how many."""
    return _settle_parked(conn, ids, {"state": "dropped", "message": reason, "done_at": now})


def _settle_parked(conn: Connection, ids: Collection[str], values: dict[str, Any]) -> int:
    """Set these columns of the parked ones among them; how many."""
    marks = [f"{MARK}:{one}" for one in sorted(set(ids)) if one]
    changed = 0
    for start in range(0, len(marks), CHUNK):
        which = (TASK.c.mark.in_(marks[start : start + CHUNK]), TASK.c.state == "parked")
        changed += conn.execute(update(TASK).where(*which).values(**values)).rowcount
    return changed


def spell_of(conn: Connection, spell_id: str) -> tuple[str, int, str]:
    """Of a spell its model, when it began and by what."""
    query = select(SPELL.c.model, SPELL.c.entered_at, SPELL.c.entered_by).where(SPELL.c.id == spell_id)
    model, entered_at, entered_by = conn.execute(query).one()
    return model, entered_at, entered_by


def ours(conn: Connection, crm: str, ids: Collection[str]) -> set[str]:
    """Those of these ids of the CRM's tasks and notes that we made."""
    if not ids:
        return set()
    query = select(TASK.c.task_id).where(TASK.c.crm == crm, TASK.c.task_id.in_(sorted(set(ids))))
    return set(conn.execute(query).scalars())


def not_theirs(conn: Connection, crm: str, task_id: str) -> int:
    """What was pulled of a task of ours before we knew it as ours is no engagement; rows that were."""
    row = ENGAGEMENT.c
    same = or_(row.id == task_id, row.id.startswith(f"{task_id}:", autoescape=True))
    which = and_(row.crm == crm, row.source.in_(SOURCES), same, not_(row.deleted))
    return conn.execute(
        update(ENGAGEMENT).where(which).values(deleted=True, changed=current_round(conn))
    ).rowcount
