"""Writes stay within what was asked: the fields of the intent, records that exist, and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.records import WARNING, Outcome, OutcomeKind, RefusalClass, Write
from connectors.sandbox.sandbox import Sandbox
from tests.pipeline.test_write_sandbox import SandboxBench
from tests.pipeline.write_bench import OWNERS, POOLS, Bench, both
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=POOLS)
    yield made
    made.mirror.close()


@pytest.fixture
def wired(tmp_path: Path, world: SimulatedWorld, sandbox: Sandbox) -> Iterator[SandboxBench]:
    made = SandboxBench(tmp_path, world, sandbox, routing=POOLS)
    yield made
    for connector in made.connectors.values():
        connector.close()
    made.mirror.close()


def test_w5_a_request_holds_the_fields_of_its_intents_alone(bench: Bench) -> None:
    """The two leads go in one request and are read alike; the first has an owner whom somebody chose."""
    rep = next(owner.id for owner in OWNERS if owner.email == "rep@example.com")
    owned, free = bench.lead("1", OwnerId=rep), bench.lead("2")
    bench.person("p1", owned)
    bench.person("p2", free)
    bench.sync()
    sent = {write.ref: set(write.fields) for write in bench.sf.writes}
    assert sent == {owned: {"Status"}, free: {"Status", "OwnerId"}}
    asked = {(row.record_id, row.field) for row in bench.intents()}
    assert {(ref.id, name) for ref, names in sent.items() for name in names} == asked


def test_w24_a_record_that_is_no_more_is_not_created_anew(wired: SandboxBench) -> None:
    lead, _ = wired.pair("p1")
    wired.before_write("salesforce", lambda: wired.sandbox.salesforce.purge("Lead", lead.id))
    counts = wired.sync()
    assert wired.sandbox.store.table("salesforce", "Lead").rows == {}
    asked = [one for one in wired.sandbox.requests if one.crm == "salesforce"]
    assert any(one.method == "PATCH" and one.status == 404 for one in asked)
    assert [one for one in asked if one.method == "POST" and one.path.endswith("/sobjects/Lead")] == []
    assert wired.sandbox.ledger.entries(author="worker", field="#created") == []
    assert {row.why for row in wired.intents(object="Lead")} == {"gone"}
    assert counts.superseded == 2


def test_what_a_crm_warns_of_is_told_once(bench: Bench) -> None:
    for number in range(3):
        both(bench, f"p{number}", str(number))
    bench.hs.answer = lambda write, outcome: replace(outcome, code=WARNING, message="IGNORED_VALUE")
    counts = bench.sync()
    (problem,) = bench.problems
    assert (problem.code, problem.crm, problem.exit_code) == ("WRITE_WARNING", "hubspot", 0)
    assert "IGNORED_VALUE" in problem.message
    assert counts.verified == counts.decided


def test_w2_each_record_of_a_request_ends_by_its_own_answer(bench: Bench) -> None:
    """One is refused by a rule, one gets no answer, one is written: none of them speaks for the others."""
    refused, lost, good = (bench.lead(str(number)) for number in range(3))
    for number, ref in enumerate((refused, lost, good)):
        bench.person(f"p{number}", ref)
    real = bench.sf._apply

    def apply(write: Write) -> Outcome:
        if write.ref == refused:
            rule = RefusalClass.ADMIN_RULE
            return Outcome(refused, OutcomeKind.REFUSED, "VALIDATION", "Budget first", rule)
        return Outcome(lost, OutcomeKind.UNKNOWN) if write.ref == lost else real(write)

    bench.sf._apply = apply  # type: ignore[method-assign]
    bench.sync()
    ends = {row.record_id: (row.state, row.why, row.message) for row in bench.intents(field="Status")}
    assert ends[refused.id] == ("parked", "admin_rule", "Budget first")
    assert ends[lost.id][0] in ("queued", "unsure")
    assert ends[good.id][:2] == ("verified", "wanted")
