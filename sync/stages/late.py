"""The late decision: read what is live this moment and ask the policy again, just before sending.

Used by write-back and, word for word the same, by `plan`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from config.world import epoch
from connectors.base import Connector
from connectors.records import Author, Live, RecordRef
from sync.context import Context
from sync.core.authors import OurWrite
from sync.core.cases import (
    MACHINE,
    REASSIGN,
    REPAIR,
    RESTORING,
    AskPerson,
    Decision,
    Known,
    Leave,
    Moved,
    SetField,
    Target,
    Verified,
    Why,
    same,
    shown,
)
from sync.core.oscillation import WITHIN, quarrel
from sync.core.owner import may_own
from sync.core.steps import Step
from sync.core.writes import decide
from sync.mirror import handoffs, outbox, pins, plans, proofs, routing
from sync.mirror.engine import Connection
from sync.mirror.outbox import NewIntent, Row
from sync.mirror.reconciling import record_type_of
from sync.mirror.runs import get_meta
from sync.reports import RunProblem
from sync.stages.targets import MAPPED, Place, Targets


@dataclass(frozen=True, slots=True)
class Facts:
    """What the mirror knows about some intents beside the live state. `before` is what a plan showed;
    `earlier` are the fields whose verified value is of an earlier spell."""

    verified: Mapping[tuple[RecordRef, str], Verified] = field(default_factory=dict)
    ours: Mapping[tuple[RecordRef, str], Sequence[tuple[str, OurWrite]]] = field(default_factory=dict)
    before: Mapping[str, str | None] = field(default_factory=dict)
    our_source: str = ""
    earlier: Collection[tuple[RecordRef, str]] = ()
    recent: Mapping[tuple[RecordRef, str], Sequence[tuple[str | None, str | None]]] = field(
        default_factory=dict
    )
    released: Mapping[tuple[RecordRef, str], int] = field(default_factory=dict)
    acted_on: Collection[str] = ()  # spells that are to go on to the next owner and were touched meanwhile

    def known(self, row: Row, quiet_seconds: int, *, without: str = "") -> Known:
        """The facts of one intent; `without` leaves one of our writes out."""
        ours = self.ours.get((row.ref, row.field), ())
        emptied = row.step in (Step.CLEARED, Step.SET)
        return Known(
            seen=None if emptied else row.base_value,
            verified=self.verified.get((row.ref, row.field)),
            ours=tuple(write for intent_id, write in ours if intent_id != without),
            our_source=self.our_source,
            quiet_ms=quiet_seconds * 1000,
            emptied=row.step is not None,
            earlier=(row.ref, row.field) in self.earlier,
            released_ms=self.released.get((row.ref, row.field), 0) * 1000,
        )


def load_facts(conn: Connection, rows: Sequence[Row], crm: str, now: int | None = None) -> Facts:
    """The facts of these intents, all of one CRM; what is to be decided `now` also needs the last day's."""
    refs = {row.ref for row in rows}
    verified = proofs.verified_values(conn, refs)
    owners = {row.ref: row.spell_id for row in rows if row.purpose == "owner" and row.policy != REPAIR}
    for key in routing.proved_before(conn, owners):
        verified.pop(key, None)
    return Facts(
        verified,
        proofs.our_writes(conn, refs),
        plans.shown_before(conn, rows),
        get_meta(conn, f"{crm}.our_source") or "",
        _of_earlier_spells(conn, rows),
        {} if now is None else proofs.recent_writes(conn, refs, now - WITHIN),
        pins.released(conn, refs),
        handoffs.acted_on(conn, {row.spell_id or "" for row in rows if row.policy == REASSIGN}),
    )


def _of_earlier_spells(conn: Connection, rows: Sequence[Row]) -> set[tuple[RecordRef, str]]:
    """The status and stage fields of these intents whose verified value is of another spell."""
    found: set[tuple[RecordRef, str]] = set()
    for purpose in ("status", "stage"):
        spells = {row.ref: row.spell_id for row in rows if row.purpose == purpose}
        found |= routing.proved_before(conn, spells, purpose)
    return found


def worked_by_people(rows: Iterable[Row]) -> set[RecordRef]:
    """The records of these intents of which a field is to be written that people work by."""
    return {row.ref for row in rows if row.policy != MACHINE}


def read_live(connector: Connector, rows: Sequence[Row]) -> dict[RecordRef, Live]:
    """The live state of these intents' records: exactly the fields that are to be decided.

    History is asked for only where a field is among them that people edit.
    """
    careful = worked_by_people(rows)
    fields: dict[tuple[str, bool], set[str]] = {}
    ids: dict[tuple[str, bool], dict[str, None]] = {}
    for row in rows:
        kind = (row.object, row.ref in careful)
        fields.setdefault(kind, set()).add(row.field)
        ids.setdefault(kind, {})[row.record_id] = None
    found: dict[RecordRef, Live] = {}
    able = connector.capabilities
    for (object_name, history), wanted in ids.items():
        names = sorted(fields[object_name, history])
        every, size = list(wanted), able.read_batch if history else able.plain_batch
        for start in range(0, len(every), size):
            part = every[start : start + size]
            refs = (RecordRef(connector.crm, object_name, record_id) for record_id in part)
            # answers come in the order asked; a merged record may answer under its survivor's name
            lives = connector.read(object_name, part, names, history=history)
            found.update(zip(refs, lives, strict=True))
    return found


def decide_late(
    ctx: Context, targets: Targets, row: Row, live: Live, facts: Facts
) -> tuple[Target | None, Decision]:
    """What to do about one intent now; a plan's item may drop out here, never change."""
    target = targets.of_row(row)
    if target is None:
        return None, Leave(Why.NOT_NEEDED, "the configuration does not name this field any more")
    if live.exists and not targets.still_says(row, live.record_type):
        return target, Leave(Why.NOT_NEEDED, "the configuration does not say this value for the record now")
    if row.policy == REASSIGN and row.spell_id in facts.acted_on:
        return target, Leave(Why.HUMAN, "somebody acted on it meanwhile")
    known = facts.known(row, ctx.settings.writeback.quiet_period)
    decision = decide(target, live, row.desired_value, known)
    if not isinstance(decision, SetField):
        return target, decision
    value = live.values.get(row.field)
    if row.id in facts.before and row.step is None and not same(row.purpose, value, facts.before[row.id]):
        text = f"the plan showed {shown(facts.before[row.id])}, now it is {shown(value)}"
        return target, Leave(Why.STALE, text)
    if row.purpose == "owner" and row.policy != REPAIR and row.desired_value:
        owner = targets.by_id(row.crm, row.desired_value)
        if owner is not None and not may_own(row.crm, row.object, owner.kind, active=owner.active):
            return target, Leave(Why.STALE, "this owner is not active any more")
    if row.policy not in RESTORING:
        sequence = quarrel(row.purpose, facts.recent.get((row.ref, row.field), ()), value)
        if sequence:
            return target, AskPerson(f"two writers undo each other within a day: {sequence}", Why.QUARREL)
    return target, decision


@dataclass(slots=True)
class Ended:
    """What applying decisions did: intents whose plan item dropped, new ones that follow a moved record or a
    refused owner, and what somebody should know."""

    dropped: list[tuple[Row, str]] = field(default_factory=list)
    followed: list[str] = field(default_factory=list)
    problems: list[RunProblem] = field(default_factory=list)


class Applier:
    """Writes down every decision but "set it", in the caller's transaction."""

    def __init__(self, ctx: Context, targets: Targets) -> None:
        self._ctx = ctx
        self._targets = targets
        self.ended = Ended()

    def apply(self, conn: Connection, row: Row, decision: Decision, live: Live) -> None:
        """End the intent, or let it wait, as the decision says."""
        if isinstance(decision, SetField):
            raise TypeError("a field to be set is sent, not ended")
        if isinstance(decision, Leave) and decision.until_ms is not None:
            wait = max(1, math.ceil((decision.until_ms - live.server_ms) / 1000))
            outbox.move(
                conn,
                row,
                "quiet",
                next_at=epoch(self._ctx.world.now()) + wait,
                why=decision.why.value,
                message=decision.reason,
            )
            return
        if isinstance(decision, Moved):
            self._follow(conn, row, decision)
        elif isinstance(decision, AskPerson):
            self.end(conn, row, "conflict", decision.why, decision.reason)
        elif decision.why is Why.EQUAL and row.sent_ms is not None and row.step in (None, Step.SET):
            self.end(conn, row, "verified", Why.REPEATED, "an earlier sending arrived after all")
            proofs.put_verified(conn, [(row, live.version, live.modified_ms)])
        else:
            arrived = _arrived(row, live)
            if arrived is None:
                self.end(conn, row, "superseded", decision.why, decision.reason)
            else:
                text = f"an earlier sending arrived; {decision.reason}"
                self.end(conn, row, "superseded", decision.why, text, verified_at_ms=arrived)
            self._free_siblings(conn, row, decision)
            self._tell_split(conn, row, decision, live)
        if row.plan_digest:
            self.ended.dropped.append((row, decision.reason))

    def end(self, conn: Connection, row: Row, state: str, why: str, message: str, **values: object) -> None:
        """Bring an intent to an end state; the turn behind an owner intent is settled with it."""
        outbox.end(
            conn,
            row,
            state,
            str(why),
            message,
            run_id=self._ctx.run.run_id,
            now=self._ctx.run.now,
            **values,
        )
        routing.settle(conn, row)

    def verified(self, conn: Connection, ends: Sequence[tuple[Row, Mapping[str, object]]]) -> None:
        """Bring many intents to their good end at once; each with its `why`, `message` and proof."""
        outbox.end_all(conn, ends, "verified", run_id=self._ctx.run.run_id, now=self._ctx.run.now)
        for row, _ in ends:
            routing.settle(conn, row)

    def _free_siblings(self, conn: Connection, row: Row, decision: Leave) -> None:
        """An owner whom somebody chose here belongs on the person's other records too: decide them anew."""
        if row.purpose != "owner" or row.policy in RESTORING or decision.why is Why.EQUAL:
            return
        for other in outbox.siblings(conn, row, outbox.UNSENT):
            if other.sent_ms is None and other.policy not in RESTORING:
                text = f"the owner of {row.object} {row.record_id} stays: {decision.reason}"
                self.end(conn, other, "superseded", Why.OWNER_ELSEWHERE, text)

    def _tell_split(self, conn: Connection, row: Row, decision: Leave, live: Live) -> None:
        """One record got our owner, then somebody took the other: two owners, for people to settle."""
        taken = self._targets.by_id(row.crm, live.owner_id or "")
        if row.purpose != "owner" or decision.why is not Why.HUMAN or taken is None or not taken.email:
            return
        for other in outbox.siblings(conn, row, ("verified",)):
            ours = self._targets.by_id(other.crm, other.desired_value or "")
            if ours is None or not ours.email or other.policy in RESTORING:
                continue
            human, given = self._targets.human(taken.email), self._targets.human(ours.email)
            if human != given:
                message = (
                    f"{human} took {row.crm} {row.object} {row.record_id}, and "
                    f"{other.object} {other.record_id} of the same person is {given}'s by our write"
                )
                remedy = "agree on one owner and set it in both CRMs; neither is changed by us"
                self.ended.problems.append(RunProblem("OWNERS_DIFFER", row.crm, message, remedy, 0))

    def _follow(self, conn: Connection, row: Row, moved: Moved) -> None:
        """The record became another one: the change is decided anew there, when it is a target."""
        self.end(conn, row, "superseded", moved.why, moved.reason)
        place = None if moved.to is None else self._place(row, moved.to)
        if moved.to is None or place is None:
            return
        value = row.desired_value
        if row.purpose in MAPPED:
            value = place.value_for(record_type_of(conn, moved.to))
        if value is None or not self._may_follow(row, moved.to, value):
            return
        if outbox.exists_for(conn, row.spell_id, moved.to, place.policy.field):
            return
        intent = NewIntent.of(
            row,
            id=self._ctx.world.new_id(),
            crm=moved.to.crm,
            object=moved.to.object,
            record_id=moved.to.id,
            field=place.policy.field,
            policy=place.policy.policy,
            base_value=None,
            desired_value=value,
            reason=f"{row.reason}; followed from {row.object} {row.record_id}",
            parent_id=row.id,
        )
        outbox.add(conn, [intent], run_id=self._ctx.run.run_id, now=self._ctx.run.now)
        self.ended.followed.append(intent.id)

    def _place(self, row: Row, to: RecordRef) -> Place | None:
        if row.policy in RESTORING:
            return None
        configured = dict(self._ctx.settings.writeback.targets(to.crm, to.object).items())
        policy = configured.get(row.purpose)
        if policy is None or policy.via_native not in (None, to.crm):
            return None  # not written there, or carried there by the CRMs' own sync
        return Place(to.crm, to.object, row.purpose, policy)

    def _may_follow(self, row: Row, to: RecordRef, value: str) -> bool:
        if row.purpose != "owner":
            return True
        owner = self._targets.by_id(to.crm, value)
        return owner is not None and may_own(to.crm, to.object, owner.kind, active=owner.active)


def _arrived(row: Row, live: Live) -> int | None:
    """When a sending of this intent that got no answer had its effect, where the CRM's history says so."""
    if row.sent_ms is None:
        return None
    ours = (version for version in live.versions.get(row.field, ()) if version.author is Author.US)
    since = row.base_ms or 0
    return next(
        (v.at_ms for v in ours if v.at_ms > since and same(row.purpose, v.value, row.desired_value)), None
    )
