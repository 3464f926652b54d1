"""Reconcile: what we want to stand in the CRMs against what stands there, value by value.

Versions and cursors are not believed: every linked record is read. Each wanted value is in exactly one
class, and the classes add up to all of them. Nothing is written.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from connectors.base import Connector
from connectors.errors import ConnectorError
from connectors.records import Live
from sync.context import Context
from sync.core.cases import RESTORING, AskPerson, Decision, Leave, SetField, Why, same
from sync.mirror import reconciling, routing
from sync.mirror.outbox import Row
from sync.mirror.reconciling import Linked
from sync.mirror.tables.outbox import WAITING_STATES
from sync.mirror.unshown import SCORED
from sync.mirror.wants import POINT
from sync.reports import SCHEMA_VERSION, RunProblem, exit_code_of
from sync.stages.late import Facts, decide_late, load_facts, read_live
from sync.stages.targets import Place, Targets, live_models, objects_of, our_users, places
from sync.stages.trouble import judge

CHUNK: Final = 1_000
"""Records that are compared at a time."""


class Class(StrEnum):
    """What may be said of one wanted value."""

    EQUAL = "equal"  # it stands there
    PENDING = "pending"  # a change waits to be sent or judged
    HUMAN_HELD = "human_held"  # a person set something else, or ordered it undone
    POLICY_BLOCKED = "policy_blocked"  # the field's policy does not let us
    PARKED = "parked"  # the CRM refused it, or it is in conflict
    MISSING = "missing"  # the record is gone
    DRIFT = "drift"  # it ought to stand there, nobody took it away that we know of, and it does not
    MOVED = "moved"  # the record was merged or converted
    AMBIGUOUS = "ambiguous"  # several records of one CRM: never written


LAST: Final = "reconcile.last"
"""Where the mirror keeps the summary of the last comparison of everything."""

WORRYING: Final = (Class.PARKED, Class.MISSING, Class.DRIFT, Class.MOVED)


@dataclass(frozen=True, slots=True)
class Finding:
    """One wanted value that does not stand there."""

    person_id: str
    crm: str
    object: str
    id: str
    field: str
    kind: Class
    wanted: str | None
    live: str | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in `reconcile --json`."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**{name: value for name, value in found.items() if name != "kind"}, "class": self.kind.value}


@dataclass(slots=True)
class Reconciled:
    """The classes with their numbers, and everything that is not equal."""

    people: int = 0
    values: int = 0
    classes: Counter[Class] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    problems: list[RunProblem] = field(default_factory=list)
    repairs: list[tuple[Row, str | None]] = field(default_factory=list)
    """Of what drifted, the changes that would mend it, each with the value that stands there."""
    asking: list[Row] = field(default_factory=list)
    """Of what drifted, that of which only a person can tell what it ought to be."""

    def summary(self, now: int) -> dict[str, Any]:
        """What `status` and the metrics show of it."""
        classes = {kind.value: self.classes[kind] for kind in Class}
        return {"at": now, "people": self.people, "values": self.values, "classes": classes}

    @property
    def exit_code(self) -> int:
        """3 when something is not as it should be and no person wanted it so."""
        worrying = any(self.classes[kind] for kind in WORRYING)
        codes = [*(problem.exit_code for problem in self.problems), *([3] if worrying else [])]
        return exit_code_of(codes)

    def to_json(self) -> dict[str, Any]:
        """The contract of `reconcile --json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "people": self.people,
            "values": self.values,
            "classes": {kind.value: self.classes[kind] for kind in Class},
            "findings": [finding.to_json() for finding in self.findings],
            "problems": [problem.to_json() for problem in self.problems],
        }


@dataclass(frozen=True, slots=True)
class _Item:
    """One wanted value: as a change that would set it, and the newest change that was decided."""

    linked: Linked
    row: Row
    newest: Row | None


def reconcile(ctx: Context, sample: int | None = None) -> Reconciled:
    """Compare everything, or the records of `sample` people, chosen anew each time."""
    found = Reconciled()
    models = [model.name for model in live_models(ctx.models)]
    objects = {crm: objects_of(crm) for crm in ctx.connectors}
    with ctx.mirror.read() as conn:
        targets = Targets(ctx.settings, routing.owners(conn), our_users(conn))
        everybody = reconciling.people(conn, objects)
        chosen = None if sample is None else _sample(everybody, sample, ctx.run.run_id)
        found.people = sum(1 for _ in everybody) if chosen is None else len(chosen)
    for crm in ctx.connectors:
        records = (
            one
            for one in _records(ctx, crm, objects[crm], models)
            if chosen is None or one.person_id in chosen
        )
        try:
            _compare_all(ctx, ctx.connectors[crm], targets, records, found)
        except ConnectorError as error:
            found.problems.append(judge(error, crm, "reading what stands there").problem)
    return found


def _records(ctx: Context, crm: str, objects: Collection[str], models: Sequence[str]) -> Iterator[Linked]:
    """Every linked record of a CRM, of which so many at a time are in memory. No transaction stays open: what
    stands in the CRM is read in between."""
    for name in sorted(objects):
        after = ""
        while True:
            with ctx.mirror.read() as conn:
                page = reconciling.linked(conn, crm, name, models, after, CHUNK)
            yield from page
            if len(page) < CHUNK:
                break
            after = page[-1].id


def _sample(people: Iterable[str], size: int, salt: str) -> set[str]:
    """So many of these people, other ones for another salt."""
    return set(
        heapq.nsmallest(size, people, key=lambda one: hashlib.sha256(f"{salt}|{one}".encode()).digest())
    )


def _compare_all(
    ctx: Context, connector: Connector, targets: Targets, records: Iterator[Linked], found: Reconciled
) -> None:
    configured: dict[str, list[Place]] = {}
    for place in places(ctx.settings, [connector.crm]):
        configured.setdefault(place.object, []).append(place)
    done = 0
    while part := list(itertools.islice(records, CHUNK)):
        with ctx.mirror.read() as conn:
            changes = reconciling.newest_changes(conn, [one.ref for one in part])
            items = [
                item
                for one in part
                for place in configured.get(one.object, ())
                for item in _wanted(one, place, changes.get((one.ref, place.policy.field), ()))
            ]
            rows = [item.row for item in items]
            facts = load_facts(conn, rows, connector.crm, ctx.run.now)
        lives = read_live(connector, rows)
        for item in items:
            live = lives[item.row.ref]
            kind, reason, decision = _classify(ctx, targets, item, live, facts)
            if isinstance(decision, SetField):
                found.repairs.append((item.row, live.values.get(item.row.field)))
            elif kind is Class.DRIFT:
                found.asking.append(item.row)
            _count(found, item, live, kind, reason)
        done += len(part)
        ctx.progress.step(f"compare {connector.crm}", done)


def _wanted(one: Linked, place: Place, changes: Sequence[Row]) -> Iterator[_Item]:
    """What is wanted in one field, if anything is."""
    value: str | None = None
    if place.purpose == "score" and one.total is not None:
        value = str((one.total + POINT // 2) // POINT)
    elif place.purpose == "grade":
        value = one.grade
    elif place.purpose not in SCORED and one.spell_id is not None:
        decided = [row for row in changes if row.spell_id == one.spell_id and row.policy not in RESTORING]
        if place.purpose in ("status", "stage"):
            desired = place.desired()
            value = desired.get(one.record_type or "", desired.get(""))
        elif decided:
            value = decided[0].desired_value
    if value is None:
        return
    row = Row(
        id="",
        person_id=one.person_id,
        spell_id=one.spell_id,
        crm=one.crm,
        object=one.object,
        record_id=one.id,
        purpose=place.purpose,
        field=place.policy.field,
        policy=place.policy.policy,
        base_value=None,
        desired_value=value,
        reason="",
        state="queued",
        why=None,
        attempts=0,
        base_version=None,
        base_ms=None,
        sent_ms=None,
        plan_digest=None,
        model_hash=one.model_hash or "",
        parent_id=None,
    )
    yield _Item(one, row, changes[0] if changes else None)


def _classify(
    ctx: Context, targets: Targets, item: _Item, live: Live, facts: Facts
) -> tuple[Class, str, Decision | None]:
    """The one class of a wanted value, with the words for it, and what the policy says where it was asked."""
    settled = _settled(item, live)
    if settled is not None:
        return (*settled, None)
    decision = decide_late(ctx, targets, item.row, live, facts)[1]
    if isinstance(decision, SetField | AskPerson):
        return Class.DRIFT, decision.reason, decision
    if isinstance(decision, Leave) and decision.why in (Why.HUMAN, Why.QUIET):
        return Class.HUMAN_HELD, decision.reason, decision
    return Class.POLICY_BLOCKED, decision.reason, decision


def _settled(item: _Item, live: Live) -> tuple[Class, str] | None:
    """The class of what needs no policy to tell: by what stands there, and how the newest change ended."""
    newest, row = item.newest, item.row
    if item.linked.ambiguous:
        return Class.AMBIGUOUS, "several live records of one CRM share this person"
    if live.moved_to is not None:
        return Class.MOVED, f"the record is now {live.moved_to.object} {live.moved_to.id}"
    if not live.exists:
        return Class.MISSING, "the record is gone"
    if same(row.purpose, live.values.get(row.field), row.desired_value):
        return Class.EQUAL, ""
    if newest is None:
        return None
    if newest.state in WAITING_STATES:
        return Class.PENDING, newest.reason
    if newest.state in ("parked", "conflict"):
        return Class.PARKED, newest.why or ""
    if newest.policy in RESTORING and newest.state == "verified":
        return Class.HUMAN_HELD, newest.reason
    given_up = _BY_END.get(newest.why or "") if newest.state == "superseded" else None
    return None if given_up is None else (given_up, newest.reason)


_BY_END: Final[Mapping[str, Class]] = {
    Why.HUMAN.value: Class.HUMAN_HELD,
    Why.REJECTED.value: Class.HUMAN_HELD,
    Why.SKIPPED.value: Class.HUMAN_HELD,
    Why.POLICY.value: Class.POLICY_BLOCKED,
    Why.AUTOMATION.value: Class.POLICY_BLOCKED,
    Why.OVERRIDDEN.value: Class.POLICY_BLOCKED,
}
"""How a change that was given up explains that another value stands there."""


def _count(found: Reconciled, item: _Item, live: Live, kind: Class, reason: str) -> None:
    found.values += 1
    found.classes[kind] += 1
    if kind is Class.EQUAL:
        return
    row = item.row
    found.findings.append(
        Finding(
            person_id=row.person_id,
            crm=row.crm,
            object=row.object,
            id=row.record_id,
            field=row.field,
            kind=kind,
            wanted=row.desired_value,
            live=live.values.get(row.field),
            reason=reason,
        )
    )
