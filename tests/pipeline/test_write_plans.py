"""Plans: what waits for somebody's word, what the word covers, and what drops out of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from connectors.records import RecordRef
from scoring.model import Model
from sync.mirror import plans
from sync.mirror.plans import NoSuchPlan, PlanOver
from sync.stages.plan import approve, make_plan, reject
from tests.pipeline.write_bench import MODEL, Bench, both, scored
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    """The first run needs approval, as shipped."""
    made = Bench(tmp_path, world, limits={})
    yield made
    made.mirror.close()


@pytest.fixture
def free(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    """The first run needs nobody's word, and three records in a run are the limit."""
    made = Bench(tmp_path, world, limits={"first_run_needs_approval": False, "records_per_run": 3})
    yield made
    made.mirror.close()


def test_the_first_run_waits_and_names_the_command(bench: Bench) -> None:
    both(bench)
    counts = bench.sync()
    (problem,) = bench.problems
    assert (problem.exit_code, problem.code) == (6, "APPROVAL_NEEDED")
    assert "mqlsync approve" in problem.remedy
    assert (counts.waiting, bench.all_writes()) == (3, [])
    assert bench.sync().waiting == 3
    assert [problem.exit_code for problem in bench.problems] == [6]


def test_approving_carries_out_the_plan_and_is_remembered(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.sync()
    counts = bench.approve()
    assert (counts.verified, bench.problems) == (3, [])
    assert (bench.value(lead, "Status"), bench.value(contact, "hs_lead_status")) == ("MQL", "OPEN")
    both(bench, "p2", "2")
    assert bench.sync().verified == 3


def test_a_first_run_that_would_write_nothing_but_scores_waits_as_well(bench: Bench) -> None:
    """They count against no limit, and are changes all the same."""
    scored(bench)
    lead, contact = bench.lead(MQL_Score__c="0"), bench.contact(mql_grade="D4")
    bench.person("p1", lead, contact, mql=False)
    assert bench.sync().waiting == 2
    assert (bench.codes(), bench.all_writes()) == (["APPROVAL_NEEDED"], [])
    assert bench.approve().verified == 2


def test_another_model_needs_approval_again(bench: Bench) -> None:
    both(bench)
    bench.sync()
    bench.approve()
    both(bench, "p2", "2")
    bench.world.advance(600)
    changed = cast(Model, type(MODEL)(**{**vars(MODEL), "hash": "model-2"}))
    bench.ctx = bench.next_context(changed)
    bench.decide()
    assert bench.write().waiting == 3
    assert bench.codes() == ["APPROVAL_NEEDED"]


def test_the_plan_is_shown_frozen_and_later_decisions_join_the_next(bench: Bench) -> None:
    both(bench)
    bench.sync()
    first = make_plan(bench.ctx, save=True)
    both(bench, "p2", "2")
    bench.sync()
    second = make_plan(bench.ctx, save=True)
    assert (second.digest, second.changes) == (first.digest, first.changes)
    assert (second.state, len(second.later)) == ("pending", 3)
    assert second.blocked_by == ["the first writing run with this model and mapping needs approval"]
    bench.approve()
    assert len(bench.all_writes()) == 2
    assert bench.sync().verified == 3


def test_the_contract_of_plan_json(bench: Bench) -> None:
    both(bench)
    bench.decide()
    shown = make_plan(bench.ctx, save=False).to_json()
    assert list(shown)[:4] == ["schema_version", "digest", "state", "changes"]
    change = next(change for change in shown["changes"] if change["field"] == "Status")
    assert set(change) == {
        "intent_id",
        "person_id",
        "crm",
        "object",
        "id",
        "field",
        "before",
        "after",
        "policy",
        "reason",
    }
    assert (change["before"], change["after"]) == ("New", "MQL")
    assert bench.all_writes() == []


def test_a_plan_is_named_by_its_content(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.decide()
    one = make_plan(bench.ctx, save=True)
    bench.world.advance(30)
    assert make_plan(bench.ctx, save=True).digest == one.digest
    bench.sf.edit(lead, Status="Open - Not Contacted")
    bench.world.advance(600)
    assert make_plan(bench.ctx, save=True).digest != one.digest


def test_what_changed_since_the_plan_drops_out_and_is_named(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.decide()
    digest = make_plan(bench.ctx, save=True).digest
    bench.sf.edit(lead, Status="Open - Not Contacted")  # may be replaced, but is not what was shown
    bench.world.advance(600)
    counts = bench.approve(digest[:6])
    assert (counts.verified, counts.superseded) == (2, 1)
    assert [(problem.code, problem.exit_code) for problem in bench.problems] == [("PLAN_STALE", 9)]
    assert "Open - Not Contacted" in bench.problems[0].message
    assert bench.value(lead, "Status") == "Open - Not Contacted"
    assert bench.sync().verified == 1  # a stale item may be decided again


def test_writes_are_within_the_approved_plan(bench: Bench) -> None:
    both(bench)
    bench.decide()
    plan = make_plan(bench.ctx, save=True)
    both(bench, "p2", "2")
    bench.decide()
    bench.approve(plan.digest)
    planned = {(change.crm, change.object, change.id, change.field) for change in plan.changes}
    sent = {(*write.ref, field) for write in bench.all_writes() for field in write.fields}
    assert sent == planned


def test_a_rejected_plan_is_dropped_and_not_decided_again(bench: Bench) -> None:
    both(bench)
    bench.sync()
    bench.ctx = bench.next_context()
    digest = reject(bench.ctx)
    counts = bench.sync()
    assert (counts.decided, bench.problems, bench.all_writes()) == (0, [], [])
    with pytest.raises(PlanOver):
        approve(bench.ctx, digest)


def test_nothing_to_approve_and_unknown_digests(bench: Bench) -> None:
    with pytest.raises(NoSuchPlan):
        approve(bench.ctx)
    with pytest.raises(NoSuchPlan):
        approve(bench.ctx, "feed")


def test_a_plan_expires_after_a_week_and_is_made_anew(bench: Bench) -> None:
    both(bench)
    bench.sync()
    first = make_plan(bench.ctx, save=False).digest
    counts = bench.sync(seconds=8 * 86_400)
    assert counts.waiting == 3
    with pytest.raises(PlanOver):
        approve(bench.ctx, first)


def test_a_person_who_edits_while_the_plan_waits_wins(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.sync()
    bench.world.advance(86_400)
    bench.sf.edit(lead, Status="Working")
    bench.world.advance(86_400)
    counts = bench.approve()
    assert (counts.verified, counts.superseded) == (2, 1)
    assert bench.value(lead, "Status") == "Working"


def test_too_many_records_wait_and_a_few_do_not(free: Bench) -> None:
    both(free)
    assert free.sync().verified == 3
    for number in range(2, 6):
        both(free, f"p{number}", str(number))
    counts = free.sync()
    assert (counts.waiting, counts.verified) == (12, 0)
    assert "8 records in one run" in free.problems[0].message
    late: RecordRef = both(free, "late", "9")[0]
    assert free.sync().verified == 3  # a small run goes out while the large plan waits
    assert free.value(late, "Status") == "MQL"
    assert free.approve().verified == 12


def test_what_drops_out_of_a_waiting_plan_ends_at_once(free: Bench) -> None:
    for number in range(1, 5):
        both(free, f"p{number}", str(number))
    free.decide()
    free.sf.edit(next(iter(free.sf.records)), Status="Working")
    free.world.advance(600)
    counts = free.write()
    assert (counts.waiting, counts.superseded) == (11, 1)
    with free.mirror.read() as conn:
        (plan,) = plans.pending(conn)
        assert len(plans.items(conn, plan.digest)) == 11


def test_a_waiting_plan_that_holds_nothing_any_more_is_over(bench: Bench) -> None:
    both(bench)
    bench.sync()
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE spell SET left_at = 1, left_why = 'customer'")
    counts = bench.sync()
    assert (counts.superseded, counts.waiting, bench.problems) == (3, 0, [])
    assert bench.sync().decided == 0
    with pytest.raises(NoSuchPlan):
        approve(bench.ctx)


def test_an_item_that_ended_before_the_plan_was_applied_is_named(bench: Bench) -> None:
    both(bench)
    bench.decide()
    digest = make_plan(bench.ctx, save=True).digest
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE person SET ambiguous = true")
    bench.ctx = bench.next_context()
    bench.decide()
    bench.approve(digest)
    assert {problem.exit_code for problem in bench.problems} == {9}
    assert (len(bench.problems), bench.all_writes()) == (3, [])


def test_a_waiting_plan_shows_what_would_drop_out_of_it(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.sync()
    bench.sf.edit(lead, Status="Working")
    plan = make_plan(bench.ctx, save=False)
    assert (plan.state, len(plan.changes), len(plan.left)) == ("pending", 2, 1)
    assert "Working" in plan.left[0].reason
