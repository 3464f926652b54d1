"""The outbox: every decided change and what became of it. States are drawn in `tables/outbox.py`.

A state changes only by `UPDATE … WHERE id = … AND state = old`, and the row count is asked: whoever comes
second changes nothing and hears of it. All functions work inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, bindparam, func, insert, or_, select, update

from connectors.records import RecordRef
from sync.core.cases import REPAIR, Why
from sync.core.codes import prefixed
from sync.core.steps import Step
from sync.mirror.engine import Connection
from sync.mirror.tables import Intent, PauseRow
from sync.mirror.tables.outbox import END_STATES, WAITING_STATES
from sync.mirror.upserts import Upsert, upsert

INTENT: Final[Table] = Intent.metadata.tables["intent"]
PAUSE: Final[Table] = PauseRow.metadata.tables["pause"]

PAUSE_ROWS: Final = Upsert(PauseRow, ("scope", "reason", "by", "at"))

UNSENT: Final = ("queued", "awaiting_approval", "quiet")
IN_FLIGHT: Final = ("sent", "unsure")
CHUNK: Final = 400  # keys in one statement; SQLite's oldest limit is 999 variables


class OutboxRaced(Exception):
    """An intent is not in the state that we saw: another worker was faster, or we lost the lease."""

    def __init__(self, intent_id: str, expected: str) -> None:
        super().__init__(f"intent {intent_id} is not {expected} any more")
        self.intent_id = intent_id


class Row(NamedTuple):
    """An intent as the stages see it."""

    id: str
    person_id: str
    spell_id: str | None
    crm: str
    object: str
    record_id: str
    purpose: str
    field: str
    policy: str
    base_value: str | None
    desired_value: str | None
    reason: str
    state: str
    why: str | None
    attempts: int
    base_version: str | None
    base_ms: int | None
    sent_ms: int | None
    plan_digest: str | None
    model_hash: str
    parent_id: str | None
    step: str | None = None

    @property
    def ref(self) -> RecordRef:
        """The record it changes."""
        return RecordRef(self.crm, self.object, self.record_id)


COLUMNS: Final = tuple(INTENT.c[name] for name in Row._fields)


@dataclass(frozen=True, slots=True)
class NewIntent:
    """A change that was just decided."""

    id: str
    person_id: str
    spell_id: str | None
    crm: str
    object: str
    record_id: str
    purpose: str
    field: str
    policy: str
    base_value: str | None
    desired_value: str | None
    reason: str
    model_hash: str
    plan_digest: str | None = None
    parent_id: str | None = None
    attempts: int = 0

    @property
    def ref(self) -> RecordRef:
        """The record it changes."""
        return RecordRef(self.crm, self.object, self.record_id)

    @classmethod
    def of(cls, row: Row, **other: Any) -> NewIntent:
        """The change of a row, decided anew with other values; `attempts` and its plan do not go along."""
        kept = [one.name for one in fields(cls) if one.name not in ("plan_digest", "attempts")]
        return cls(**{**{name: getattr(row, name) for name in kept}, **other})


@dataclass(frozen=True, slots=True)
class Sending:
    """What is remembered of a write before its first byte leaves; times by the CRM's clock."""

    id: str
    base_value: str | None
    base_version: str
    base_ms: int
    sent_ms: int
    step: str | None = None


def add(conn: Connection, intents: Sequence[NewIntent], *, run_id: str, now: int) -> None:
    """Queue new intents; whatever was still unsent for the same field of the same record is superseded."""
    if not intents:
        return
    older = (
        update(INTENT)
        .where(
            INTENT.c.crm == bindparam("b_crm"),
            INTENT.c.object == bindparam("b_object"),
            INTENT.c.record_id == bindparam("b_record"),
            INTENT.c.field == bindparam("b_field"),
            INTENT.c.step.is_(None),  # what we emptied is filled first
            or_(*(INTENT.c.state == state for state in UNSENT)),  # a list cannot be bound many times over
        )
        .values(state="superseded", why=Why.NEWER.value, done_at=now, ended_run=run_id)
    )
    keys = [
        {"b_crm": one.crm, "b_object": one.object, "b_record": one.record_id, "b_field": one.field}
        for one in intents
    ]
    conn.execute(older, keys)
    fixed = {"run_id": run_id, "created_at": now, "state": "queued", "epoch": 0}
    conn.execute(insert(INTENT), [{**asdict(one), **fixed} for one in intents])


def move(conn: Connection, row: Row, new: str, **values: Any) -> None:
    """Change one intent's state from the one in `row`. Raises OutboxRaced when it is not in it any more."""
    move_all(conn, [(row, values)], new)


def move_all(conn: Connection, moves: Sequence[tuple[Row, Mapping[str, Any]]], new: str) -> None:
    """Change the states of many intents to one state, with the same columns set for each of them.

    Raises OutboxRaced when one of them is not any more in the state that its row says.
    """
    if not moves:
        return
    names = sorted(moves[0][1])
    statement = (
        update(INTENT)
        .where(INTENT.c.id == bindparam("b_id"), INTENT.c.state == bindparam("b_state"))
        .values(state=new, **{name: bindparam(f"v_{name}") for name in names})
    )
    keys = [
        {"b_id": row.id, "b_state": row.state, **{f"v_{name}": values[name] for name in names}}
        for row, values in moves
    ]
    if conn.execute(statement, keys).rowcount != len(moves):
        states = {one.id: one.state for one in by_ids(conn, (row.id for row, _ in moves)).values()}
        raced = next((row for row, _ in moves if states.get(row.id) != new), moves[0][0])
        raise OutboxRaced(raced.id, raced.state)


def end(
    conn: Connection, row: Row, state: str, why: str, message: str, *, run_id: str, now: int, **values: Any
) -> None:
    """Bring one intent to an end state, with its explanation."""
    end_all(conn, [(row, {"why": why, "message": message, **values})], state, run_id=run_id, now=now)


def end_all(
    conn: Connection, ends: Sequence[tuple[Row, Mapping[str, Any]]], state: str, *, run_id: str, now: int
) -> None:
    """Bring many intents to one end state; each with `why` and `message`, and the same further columns."""
    if state not in END_STATES:
        raise ValueError(state)
    fixed = {"done_at": now, "ended_run": run_id, "next_at": None}
    move_all(conn, [(row, {**values, **fixed}) for row, values in ends], state)


def mark_sent(conn: Connection, rows: Sequence[Row], sendings: Mapping[str, Sending], epoch: int) -> None:
    """Say, before the first byte leaves, that these are under way."""
    moves = []
    for row in rows:
        sending = sendings[row.id]
        values = {
            "epoch": epoch,
            "sent_at": sending.sent_ms // 1000,
            "attempts": row.attempts + 1,
            "why": row.why if row.why == Why.UNKNOWN else None,
            "step": sending.step,
            "base_value": row.base_value if sending.step == Step.SET else sending.base_value,
            "base_version": sending.base_version,
            "base_ms": sending.base_ms,
            "sent_ms": sending.sent_ms,
        }
        moves.append((row, values))
    move_all(conn, moves, "sent")


def busy(conn: Connection, refs: Collection[RecordRef]) -> set[RecordRef]:
    """Those of these records for which a write is under way or its fate unknown."""
    found: set[RecordRef] = set()
    for where in of_records(refs):
        query = select(INTENT.c.crm, INTENT.c.object, INTENT.c.record_id)
        found |= {RecordRef(*row) for row in conn.execute(query.where(where, INTENT.c.state.in_(IN_FLIGHT)))}
    return found


def repairs_before(conn: Connection, row: Row) -> int:
    """How many rounds of repair led to this intent, itself included."""
    rounds, current = 0, row
    while current.policy == REPAIR:
        rounds += 1
        parent = by_ids(conn, [current.parent_id or ""]).get(current.parent_id or "")
        if parent is None:
            break
        current = parent
    return rounds


def by_ids(conn: Connection, ids: Iterable[str]) -> dict[str, Row]:
    """These intents as they are now, in the order in which they were asked for."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, Row] = {}
    for start in range(0, len(wanted), CHUNK):
        query = select(*COLUMNS).where(INTENT.c.id.in_(wanted[start : start + CHUNK]))
        found.update({row.id: Row(*row) for row in conn.execute(query)})
    return {one: found[one] for one in wanted if one in found}


def siblings(conn: Connection, row: Row, states: Sequence[str]) -> list[Row]:
    """Other intents of the same person, purpose and spell in one of these states."""
    query = select(*COLUMNS).where(
        INTENT.c.person_id == row.person_id,
        INTENT.c.purpose == row.purpose,
        INTENT.c.spell_id.is_not_distinct_from(row.spell_id),
        INTENT.c.id != row.id,
        INTENT.c.state.in_(states),
    )
    return [Row(*found) for found in conn.execute(query.order_by(INTENT.c.id))]


def proved_spells(conn: Connection, crm: str, purpose: str, spells: Collection[str], before: int) -> set[str]:
    """Those of these spells whose change of that purpose was verified in a CRM by then, and not undone."""
    found: set[str] = set()
    ordered = sorted(spells)
    for start in range(0, len(ordered), CHUNK):
        query = select(INTENT.c.spell_id).where(
            INTENT.c.crm == crm,
            INTENT.c.purpose == purpose,
            INTENT.c.state == "verified",
            INTENT.c.why.is_distinct_from(Why.UNDONE.value),
            INTENT.c.done_at <= before,
            INTENT.c.spell_id.in_(ordered[start : start + CHUNK]),
        )
        found |= set(conn.execute(query).scalars())
    return found


def exists_for(conn: Connection, spell_id: str | None, ref: RecordRef, field: str) -> bool:
    """Whether this spell already has an intent for this field of this record."""
    query = select(INTENT.c.id).where(
        INTENT.c.spell_id.is_not_distinct_from(spell_id), *_is_field(ref, field)
    )
    return conn.execute(query.limit(1)).first() is not None


def open_owners(conn: Connection, person_id: str) -> dict[RecordRef, str]:
    """Per record of a person, the owner that an intent under way will set."""
    query = select(*COLUMNS).where(
        INTENT.c.person_id == person_id, INTENT.c.purpose == "owner", INTENT.c.state.in_(WAITING_STATES)
    )
    rows = (Row(*row) for row in conn.execute(query.order_by(INTENT.c.created_at, INTENT.c.id)))
    return {row.ref: row.desired_value for row in rows if row.desired_value}


def _is_field(ref: RecordRef, field: str) -> tuple[ColumnElement[bool], ...]:
    return (
        INTENT.c.crm == ref.crm,
        INTENT.c.object == ref.object,
        INTENT.c.record_id == ref.id,
        INTENT.c.field == field,
    )


def of_records(refs: Collection[RecordRef], table: Table = INTENT) -> Iterable[ColumnElement[bool]]:
    """Conditions that together pick the rows of these records, so many at a time."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for ref in sorted(set(refs)):
        grouped.setdefault((ref.crm, ref.object), []).append(ref.id)
    columns = table.c
    for (crm, object_name), ids in grouped.items():
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            yield and_(columns.crm == crm, columns.object == object_name, columns.record_id.in_(part))


# -- pauses


def pauses(conn: Connection) -> dict[str, str]:
    """What is paused, scope → reason."""
    return {row.scope: row.reason for row in conn.execute(select(PAUSE.c.scope, PAUSE.c.reason))}


def pause(conn: Connection, scope: str, reason: str, by: str, now: int) -> None:
    """Pause a part of write-back until somebody resumes it."""
    upsert(conn, PAUSE_ROWS, [(scope, reason, by, now)])


def scopes_of(crm: str, object_name: str, field: str) -> tuple[str, str, str, str]:
    """The pauses that would stop a field, widest first."""
    return "all", crm, f"{crm}.{object_name}", f"{crm}.{object_name}.{field}"


# -- what did not work


REMEDIES: Final[Mapping[str, str]] = {
    "admin_rule": "a rule of the CRM's administrator refused it; change the record or the rule, then retry",
    "our_config": "the configuration asks for something the CRM does not accept; run `mqlsync doctor`",
    "owner": "its present or new owner is inactive or has no licence; mend that or the pool, then retry",
    "transient": "the CRM was busy with this record; retry",
    "innocent": "another record of the same request failed; retry",
    Why.SILENT.value: "the CRM accepted the write and kept the old value; look for a rule on that field",
    Why.REPAIR_FAILED.value: "put the person's value back by hand; the reason names it",
    Why.CANNOT_TELL.value: "look at the record; retry if the change is still right",
    Why.QUARREL.value: "find out who else writes this field and agree on one writer; then retry",
    Why.KEPT_CHANGING.value: "the record changed again and again while we tried; retry later",
}


class Failed(NamedTuple):
    """One intent that ended badly, as `failed list` shows it."""

    intent_id: str
    cause: str
    crm: str
    object: str
    id: str
    field: str
    message: str
    remedy: str
    since: int
    attempts: int
    state: str = ""


def failed(conn: Connection) -> list[Failed]:
    """Everything parked or in conflict, by cause, oldest first."""
    names = ("id", "crm", "object", "record_id", "field", "why", "code", "message", "done_at", "attempts")
    query = select(*(INTENT.c[name] for name in (*names, "state"))).where(
        INTENT.c.state.in_(("parked", "conflict"))
    )
    found = []
    for one in conn.execute(query.order_by(INTENT.c.done_at, INTENT.c.id)):
        found.append(
            Failed(
                intent_id=one.id,
                cause=prefixed(one.crm, one.code or (one.why or "unknown").upper()),
                crm=one.crm,
                object=one.object,
                id=one.record_id,
                field=one.field,
                message=one.message or "",
                remedy=REMEDIES.get(one.why or "", "look at the record, then retry"),
                since=one.done_at or 0,
                attempts=one.attempts,
                state=one.state,
            )
        )
    return sorted(found, key=lambda row: (row.cause, row.since))


def waiting_by_state(conn: Connection) -> dict[str, int]:
    """How many intents are in each state that is not an end, and how many are parked or in conflict."""
    states = (*WAITING_STATES, "parked", "conflict")
    query = select(INTENT.c.state, func.count()).where(INTENT.c.state.in_(states)).group_by(INTENT.c.state)
    return {row[0]: row[1] for row in conn.execute(query)}
