"""A state machine over many records: people, automation, conversions, merges, faults, crashes, plans, undo,
pauses, in any order that Hypothesis thinks of. The CRM's ledger is the judge, and every request is looked at.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from connectors.records import RecordRef
from connectors.sandbox.core import Request, Response
from sync.mirror import failures, outbox, undoing
from sync.mirror.lease import LeaseLost
from sync.mirror.plans import NoSuchPlan, PlanOver, SeveralPlans
from sync.mirror.tables.outbox import END_STATES
from sync.stages.plan import approve, reject
from sync.stages.undo import plan_undo
from sync.stages.writeback import write_back
from tests.proof.arena import WANTED, Arena
from tests.proof.game import PulledPlug, writes
from tests.proof.script import EDITS
from tests.proof.wire import LostError

pytestmark = pytest.mark.sqlite("many games on one mirror; test_seeds plays some on both")

FEW = 10
EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", str(FEW)))
"""`make prove-model` plays many more, other ones each time."""

STEPS = 22
LIMIT = 3
"""Records that may be written in one run unasked."""

QUIET_RUNS = 6
FAULTS = ("lose", "mute", "delay", "busy", "crash")
PICK = st.integers(0, 50)


class Machine(RuleBasedStateMachine):
    """One CRM, some records, and whatever happens to them."""

    def __init__(self, arena: Arena) -> None:
        super().__init__()
        self.arena = arena
        self.fields = (arena.status, arena.owner)
        self.last_run = ""
        self.faults: list[str] = []
        self.gap: list[Callable[[], None]] = []
        self.cut_at = 0
        self.paused: set[str] = set()
        self.calm = False
        self.checked = arena.since

    @initialize(count=st.integers(2, 5))
    def begin(self, count: int) -> None:
        self.arena.begin(count)
        self.checked = self.arena.since
        self.arena.wire.carry = self.carry
        self.arena.world.on_failpoint = self.failpoint

    # -- people and automation

    def one(self, pick: int) -> RecordRef | None:
        """A record that is still there."""
        table = self.arena.sandbox.store.table(self.arena.crm, self.arena.object)
        alive = [ref for ref in self.arena.records if ref.id in table.rows and not self.gone(ref)]
        return alive[pick % len(alive)] if alive else None

    def gone(self, ref: RecordRef) -> bool:
        record = self.arena.sandbox.store.get(ref.crm, ref.object, ref.id)
        return record is None or bool(record.gone) or record.get("IsConverted") is True

    def edit(self, pick: int, fields: dict[str, str | None], who: str) -> None:
        ref = self.one(pick)
        if ref is not None:
            self.arena.edit(ref, fields, who)

    @rule(pick=PICK, value=PICK, soon=st.booleans())
    def a_person_sets_the_status(self, pick: int, value: int, soon: bool) -> None:
        values = EDITS[self.arena.crm]
        fields: dict[str, str | None] = {self.arena.status: values[value % len(values)]}
        if soon:
            self.gap.append(lambda: self.edit(pick, fields, "person"))
        else:
            self.edit(pick, fields, "person")

    @rule(pick=PICK)
    def a_person_clears_the_status(self, pick: int) -> None:
        if self.arena.crm == "hubspot":
            self.edit(pick, {self.arena.status: None}, "person")

    @rule(pick=PICK, soon=st.booleans())
    def a_person_claims_it(self, pick: int, soon: bool) -> None:
        fields: dict[str, str | None] = {self.arena.owner: self.arena.owners["rep"]}
        if soon:
            self.gap.append(lambda: self.edit(pick, fields, "person"))
        else:
            self.edit(pick, fields, "person")

    @rule(pick=PICK, value=PICK, touch=st.booleans())
    def automation_writes(self, pick: int, value: int, touch: bool) -> None:
        values = EDITS[self.arena.crm]
        other = "Title" if self.arena.crm == "salesforce" else "jobtitle"
        text = f"title {self.arena.world.clock()}"
        fields = {other: text} if touch else {self.arena.status: values[value % len(values)]}
        self.edit(pick, dict(fields), "automation")

    @rule(pick=PICK)
    def a_person_converts_or_merges(self, pick: int) -> None:
        one, other = self.one(pick), self.one(pick + 1)
        if one is None or other is None or one == other:
            return
        if self.arena.crm == "salesforce":
            self.arena.sandbox.convert(one.id)
        else:
            self.arena.sandbox.merge("hubspot", "contacts", one.id, other.id)

    @rule(count=st.integers(1, 2))
    def somebody_becomes_an_mql(self, count: int) -> None:
        if len(self.arena.records) < 9:
            self.arena.new_records(count)

    # -- trouble

    @rule(fault=st.sampled_from(FAULTS))
    def the_network_will_fail(self, fault: str) -> None:
        self.faults.append(fault)

    @rule(steps=st.integers(1, 25))
    def the_plug_will_be_pulled(self, steps: int) -> None:
        self.cut_at = steps

    @rule(seconds=st.sampled_from((1.0, 30.0, 130.0, 400.0, 4000.0)))
    def time_passes(self, seconds: float) -> None:
        self.arena.world.advance(seconds)

    # -- the operator

    def run(self, work: Callable[[], object]) -> None:
        """A command of ours, which may die; then the ledger is looked at."""
        try:
            work()
        except (PulledPlug, LeaseLost):
            self.cut_at = 0
        self.look()

    @rule()
    def sync(self) -> None:
        self.run(self.sync_now)

    def sync_now(self) -> None:
        self.arena.pull(self.arena.records)
        self.last_run = f"run-{self.arena.runs + 1}"
        self.arena.work()

    @rule()
    def approve(self) -> None:
        self.run(self.approve_now)

    def approve_now(self) -> None:
        self.arena.take_lease()
        ctx = self.arena.context()
        try:
            digest = approve(ctx)
        except SeveralPlans as several:  # as somebody does who was asked which one
            digest = approve(ctx, several.digests[0])
        except (NoSuchPlan, PlanOver):
            return
        self.last_run = ctx.run.run_id
        write_back(ctx, lambda problem: None, digest=digest)

    @rule()
    def reject(self) -> None:
        try:
            reject(self.arena.context())
        except (NoSuchPlan, SeveralPlans, PlanOver):
            return

    @precondition(lambda self: self.last_run)
    @rule()
    def undo(self) -> None:
        def work() -> None:
            with self.arena.mirror.read() as conn:
                written = undoing.written_by(conn, self.last_run)
            plan_undo(self.arena.context(), written, self.last_run)

        self.run(work)

    @rule(wide=st.booleans())
    def pause(self, wide: bool) -> None:
        scope = self.arena.crm if wide else f"{self.arena.crm}.{self.arena.object}.{self.arena.status}"
        with self.arena.mirror.write() as conn:
            outbox.pause(conn, scope, "asked to", "somebody", 0)
        self.paused.add(scope)

    @rule()
    def resume(self) -> None:
        with self.arena.mirror.write() as conn:
            for scope in self.paused:
                failures.resume(conn, scope)
        self.paused.clear()

    # -- the network and its rules

    def failpoint(self, name: str) -> None:
        if self.cut_at and not self.calm:
            self.cut_at -= 1
            if self.cut_at == 0:
                raise PulledPlug

    def carry(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        self.arena.world.advance(0.1)
        if not writes(request):
            return answer(request)
        self.allowed(request)
        while self.gap:
            self.gap.pop(0)()
        fault = "" if self.calm or not self.faults else self.faults.pop(0)
        if fault == "delay":
            self.arena.world.at(self.arena.world.clock() + 60, partial(late, answer, request))
        if fault in ("lose", "delay"):
            raise LostError
        if fault == "busy":
            return Response(429 if self.arena.crm == "hubspot" else 503, b"{}", {"Retry-After": "1"})
        found = answer(request)
        if fault == "mute":
            raise LostError
        return Response.text("<h1>error</h1>", 500, "text/html") if fault == "crash" else found

    def allowed(self, request: Request) -> None:
        """Only fields of intents that are marked as sent leave, nothing that is paused or unapproved."""
        sent = {(row.record_id, row.field) for row in self.arena.intents() if row.state == "sent"}
        for record_id, fields in sent_by(request).items():
            for name in fields:
                assert (record_id, name) in sent, f"{record_id} {name} is no intent under way"
                scopes = outbox.scopes_of(self.arena.crm, self.arena.object, name)
                assert not self.paused & set(scopes), f"{name} is paused"

    # -- the ledger

    def look(self) -> None:
        """No edit of a person on Salesforce was covered; every effect has its intent."""
        entries = self.arena.entries(self.fields)
        ours = [entry for entry in entries if entry.author == "worker"]
        effects = Counter((entry.id, entry.field) for entry in ours)
        asked = Counter((row.record_id, row.field) for row in self.arena.intents() if row.sent_ms is not None)
        assert all(key in asked for key in effects), "an effect without an intent"
        if self.arena.crm != "salesforce":
            return
        assert not effects - asked, "an intent had more than one effect"
        assert self.covered() == [], "a person's edit was covered"

    def covered(self) -> list[str]:
        """Writes of ours on top of a person's value, however short (Salesforce) or that stand (HubSpot)."""
        found: list[tuple[tuple[str, str], str]] = []
        last: dict[tuple[str, str], Any] = {}
        for entry in self.arena.entries(self.fields):
            key = (entry.id, entry.field)
            edit = last.get(key)
            if entry.author != "worker":
                last[key] = entry if entry.author == "person" else None
                found = [one for one in found if one[0] != key]
            elif edit is not None and entry.after == edit.after:
                found = [one for one in found if one[0] != key]
            elif edit is not None:
                found.append((key, f"{entry.field} {edit.after} → {entry.after}"))
        return [told for (record_id, _), told in found if not self.gone(self.ref(record_id))]

    def ref(self, record_id: str) -> RecordRef:
        return RecordRef(self.arena.crm, self.arena.object, record_id)

    def teardown(self) -> None:
        """Undisturbed, everything comes to an end that is explained, and then nothing is written any more."""
        if not self.arena.records:
            return
        self.calm, self.faults, self.gap = True, [], []
        self.resume()
        for _ in range(QUIET_RUNS):
            self.arena.world.advance(400)
            self.run(self.sync_now)
            self.run(self.approve_now)
        rows = self.arena.intents()
        assert [row for row in rows if row.state not in END_STATES or not row.why] == []
        parked = {row.why for row in rows if row.state == "parked"}
        assert self.covered() == [] or "repair_failed" in parked
        before = len(self.arena.sandbox.ledger)
        self.arena.world.advance(400)
        self.sync_now()
        assert len(self.arena.sandbox.ledger) == before, "with nobody about, a second run wrote"
        assert self.arena.sandbox.errors == []


def late(answer: Callable[[Request], Response], request: Request) -> None:
    """A request that everybody had given up arrives."""
    answer(request)


def sent_by(request: Request) -> dict[str, set[str]]:
    """Record id → the fields that a writing request sets."""
    body = json.loads(request.body)
    if request.crm == "hubspot":
        return {one["id"]: set(one["properties"]) for one in body["inputs"]}
    if request.method == "PATCH":
        return {request.path.rsplit("/", 1)[-1]: set(body)}
    parts = [part for part in body["compositeRequest"] if part["method"] == "PATCH"]
    return {part["url"].rsplit("/", 1)[-1]: set(part["body"]) for part in parts}


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_whatever_happens_the_promises_hold(crm: str, tmp_path: Path) -> None:
    limits = {"first_run_needs_approval": False, "records_per_run": LIMIT, "share_of_people": 1.0}
    with Arena(tmp_path, crm, limits=limits) as arena:
        run_state_machine_as_test(
            cast(type[RuleBasedStateMachine], lambda: Machine(arena)),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                derandomize=EXAMPLES == FEW,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert arena.sandbox.ledger.entries(author="worker"), "nothing was ever written"
        assert WANTED[crm] in {entry.after for entry in arena.sandbox.ledger.entries(author="worker")}
