"""Reconcile: every wanted value is in one class, by what stands in the CRM and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.records import Author, Outcome, OutcomeKind, RefusalClass, Write
from sync.mirror import undoing
from sync.stages.reconcile import Class, Reconciled, reconcile
from sync.stages.undo import plan_undo
from tests.pipeline.write_bench import POOLS, Bench, both, scored
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=POOLS)
    yield made
    made.mirror.close()


def look(bench: Bench, sample: int | None = None) -> Reconciled:
    """Reconcile some time later; it writes nothing and its classes add up."""
    bench.world.advance(600)
    bench.ctx = bench.next_context()
    sent = len(bench.all_writes())
    found = reconcile(bench.ctx, sample)
    assert len(bench.all_writes()) == sent
    assert sum(found.classes.values()) == found.values
    assert len(found.findings) == found.values - found.classes[Class.EQUAL]
    return found


def kinds(found: Reconciled) -> dict[str, Class]:
    return {finding.field: finding.kind for finding in found.findings}


def test_after_a_sync_everything_is_equal(bench: Bench) -> None:
    scored(bench)
    bench.person("p1", bench.lead(MQL_Score__c="0"), bench.contact(mql_grade="D4"))
    bench.sync()
    found = look(bench)
    # Status, OwnerId, MQL_Score__c; hs_lead_status, lifecyclestage, hubspot_owner_id, mql_grade
    assert (found.people, found.values, found.classes, found.exit_code) == (1, 7, {Class.EQUAL: 7}, 0)


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_records_are_read_a_few_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    scored(bench)
    for number in range(3):
        lead = bench.lead(str(number), MQL_Score__c="0")
        bench.person(f"p{number}", lead, bench.contact(f"10{number}", mql_grade="D4"))
    bench.sync()
    whole = look(bench)
    monkeypatch.setattr("sync.stages.reconcile.CHUNK", chunk)
    found = look(bench)
    assert (found.people, found.values, found.classes) == (3, 21, {Class.EQUAL: 21})
    assert found.to_json() == whole.to_json()
    assert (look(bench, sample=2).people, look(bench, sample=2).values) == (2, 14)


def test_who_is_no_mql_has_only_a_score(bench: Bench) -> None:
    scored(bench)
    lead = bench.lead(MQL_Score__c="0")
    bench.person("p1", lead, mql=False)
    bench.sync()
    assert look(bench).values == 1


def test_w16_a_persons_value_is_theirs_and_a_lost_one_has_drifted(bench: Bench) -> None:
    scored(bench)
    lead, contact = bench.lead(MQL_Score__c="0"), bench.contact(mql_grade="D4")
    bench.person("p1", lead, contact)
    bench.sync()
    bench.world.advance(3600)
    bench.hs.edit(contact, hs_lead_status="IN_PROGRESS")
    bench.sf.edit(lead, Author.AUTOMATION, MQL_Score__c="1")
    found = look(bench)
    assert kinds(found) == {"hs_lead_status": Class.HUMAN_HELD, "MQL_Score__c": Class.DRIFT}
    assert found.exit_code == 3
    assert {(one.wanted, one.live) for one in found.findings} == {("OPEN", "IN_PROGRESS"), ("105", "1")}


def test_what_waits_and_what_was_refused(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.decide()
    assert set(kinds(look(bench)).values()) == {Class.PENDING}

    def refuse(write: Write) -> Outcome:
        refusal = RefusalClass.ADMIN_RULE
        return Outcome(write.ref, OutcomeKind.REFUSED, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", refusal)

    bench.sf._apply = refuse  # type: ignore[method-assign]
    bench.sync()
    found = look(bench)
    assert set(kinds(found).values()) == {Class.PARKED}
    assert {finding.id for finding in found.findings} == {lead.id}
    del contact


def test_a_value_outside_of_from_is_blocked_by_policy(bench: Bench) -> None:
    lead = bench.lead(status="Qualified")
    bench.person("p1", lead)
    bench.sync()
    assert kinds(look(bench)) == {"Status": Class.POLICY_BLOCKED}


def test_gone_and_merged_and_ambiguous(bench: Bench) -> None:
    first, _ = both(bench)
    second, third = bench.lead("2"), bench.lead("3")
    bench.person("p2", second)
    bench.person("p3", third, ambiguous=True)
    bench.sync()
    survivor = bench.lead("9")
    bench.sf.delete(first)
    bench.sf.merge(second, survivor)
    by_record = {(finding.id, finding.kind) for finding in look(bench).findings}
    assert by_record == {
        (first.id, Class.MISSING),
        (second.id, Class.MOVED),
        (third.id, Class.AMBIGUOUS),
    }


def test_what_was_undone_by_order_is_held(bench: Bench) -> None:
    lead = bench.lead()
    bench.person("p1", lead)
    bench.sync()
    with bench.mirror.read() as conn:
        written = undoing.written_by(conn, bench.ctx.run.run_id)
    bench.world.advance(600)
    bench.ctx = bench.next_context()
    bench.approve(plan_undo(bench.ctx, written, "a run").digest)
    assert kinds(look(bench))["Status"] is Class.HUMAN_HELD


def test_a_sample_is_so_many_people(bench: Bench) -> None:
    for number in range(10):
        both(bench, f"p{number}", str(number))
    bench.sync()
    whole, some, more = look(bench), look(bench, 3), look(bench, 100)
    assert (some.people, more.people) == (3, 10)
    assert some.values * 10 == whole.values * 3


def test_one_crm_out_of_reach_is_told_and_the_other_compared(bench: Bench) -> None:
    from connectors.errors import AuthFailed

    both(bench)
    bench.sync()

    def fail(*_: object, **__: object) -> None:
        raise AuthFailed("expired", crm="salesforce", code="invalid_grant")

    bench.sf.read = fail  # type: ignore[method-assign,assignment]
    found = look(bench)
    assert (found.exit_code, found.classes) == (4, {Class.EQUAL: 3})
