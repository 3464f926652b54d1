"""Undo: what we wrote goes, what anybody touched stays."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Author, RecordRef
from sync.mirror import undoing
from sync.stages.plan import make_plan
from sync.stages.undo import UndoView, plan_undo
from tests.pipeline.write_bench import POOLS, Bench, both, scored
from tests.world import SimulatedWorld

EDITS = {"Status": ["Working", "Open - Not Contacted"], "hs_lead_status": ["NEW", "OPEN"]}


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=POOLS)
    yield made
    made.mirror.close()


def undo(bench: Bench, run_id: str | None = None) -> UndoView:
    """Plan to undo a run (the last one)."""
    run_id = run_id or bench.ctx.run.run_id
    bench.world.advance(600)
    bench.ctx = bench.next_context()
    with bench.mirror.read() as conn:
        written = undoing.written_by(conn, run_id)
    return plan_undo(bench.ctx, written, f"run {run_id}")


def fields(bench: Bench, *refs: RecordRef) -> list[dict[str, Any]]:
    """The fields as they stand, empty ones left out."""
    found = [bench.connector(ref.crm).records[ref].fields for ref in refs]
    return [{name: value for name, value in one.items() if value} for one in found]


def test_undo_after_apply_is_as_if_nothing_had_happened(bench: Bench) -> None:
    scored(bench)
    lead = bench.lead(MQL_Score__c="3")
    contact = bench.contact(mql_grade="D4")
    bench.person("p1", lead, contact)
    before = fields(bench, lead, contact)
    bench.sync()
    assert fields(bench, lead, contact) != before
    view = undo(bench)
    assert view.skipped == []
    assert {row.state for row in bench.intents(policy="undo")} == {"awaiting_approval"}
    counts = bench.approve(view.digest)
    assert (counts.verified, bench.problems) == (len(view.changes), [])
    after = fields(bench, lead, contact)
    for one in (*before, *after):
        one.pop("lifecycle", None)
    assert after == before


@pytest.mark.parametrize("seed", [1, 2])
def test_undo_after_apply_is_as_before_but_for_what_people_touched(bench: Bench, seed: int) -> None:
    """Random people, some of them edited between plan and apply, after it, and between undo and its apply.

    Whatever was sent stood in the plan; what nobody touched is as before; what somebody touched is theirs.
    """
    rng = random.Random(seed)
    scored(bench)
    refs: list[RecordRef] = []
    for number in range(12):
        lead = bench.lead(f"{number:03}", MQL_Score__c=rng.choice(["", "3"]))
        contact = bench.contact(str(number), lifecycle=rng.choice(["", "lead", "customer"]))
        bench.person(f"p{number}", *([lead, contact] if rng.random() < 0.7 else [lead]))
        refs += [lead, contact]
    before = dict(zip(refs, fields(bench, *refs), strict=True))
    touched: dict[tuple[RecordRef, str], str] = {}

    def people_edit() -> None:
        for ref in rng.sample(refs, 4):
            field = "Status" if ref.object == "Lead" else "hs_lead_status"
            touched[ref, field] = rng.choice(EDITS[field])
            bench.world.advance(30)
            bench.connector(ref.crm).edit(ref, Author.PERSON, **{field: touched[ref, field]})
        bench.world.advance(1200)

    bench.decide()
    plan = make_plan(bench.ctx, save=True)
    planned = {(change.crm, change.object, change.id, change.field) for change in plan.changes}
    people_edit()
    bench.approve(plan.digest)
    assert {(*write.ref, name) for write in bench.all_writes() for name in write.fields} <= planned
    people_edit()
    view = undo(bench)
    sent = len(bench.all_writes())
    people_edit()
    bench.approve(view.digest)
    ordered = {(change.crm, change.object, change.id, change.field) for change in view.changes}
    everything = bench.all_writes()
    assert len(everything) > sent
    assert {(*write.ref, name) for write in everything for name in write.fields} <= planned | ordered
    for ref, after in zip(refs, fields(bench, *refs), strict=True):
        wanted = {**before[ref], **{name: value for (other, name), value in touched.items() if other == ref}}
        names = {*wanted, *after} - {"lifecycle"}
        assert {name: after.get(name) for name in names} == {name: wanted.get(name) for name in names}, ref


def test_what_was_undone_stays_so_and_is_not_undone_twice(bench: Bench) -> None:
    scored(bench)
    lead = bench.lead(MQL_Score__c="3")
    bench.person("p1", lead)
    bench.sync()
    run_id = bench.ctx.run.run_id
    bench.approve(undo(bench).digest)
    sent = len(bench.all_writes())
    for mirrored in (False, True):
        if mirrored:
            bench.mirror_record(lead)
        assert bench.sync().decided == 0
    assert len(bench.all_writes()) == sent
    assert undo(bench, run_id).changes == []


def test_another_score_is_written_again_after_an_undo(bench: Bench) -> None:
    scored(bench)
    lead = bench.lead(MQL_Score__c="3")
    bench.person("p1", lead, mql=False)
    bench.sync()
    bench.approve(undo(bench).digest)
    assert bench.value(lead, "MQL_Score__c") == "3"
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE score SET total = 70000")
    bench.sync()
    assert bench.value(lead, "MQL_Score__c") == "70"


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_what_a_person_touched_since_stays_and_is_listed(bench: Bench, crm: str) -> None:
    lead, contact = both(bench)
    bench.sync()
    bench.world.advance(3600)
    ref, field, value = (
        (lead, "Status", "Working") if crm == "salesforce" else (contact, "hs_lead_status", "IN_PROGRESS")
    )
    bench.connector(crm).edit(ref, Author.PERSON, **{field: value})
    view = undo(bench)
    assert (crm, field) in {(one.crm, one.field) for one in view.skipped}
    assert (crm, field) not in {(one.crm, one.field) for one in view.changes}
    bench.approve(view.digest)
    assert bench.value(ref, field) == value


def test_an_edit_between_plan_and_undo_wins(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.sync()
    view = undo(bench)
    bench.world.advance(60)
    bench.sf.edit(lead, Status="Working")
    bench.approve(view.digest)
    assert bench.value(lead, "Status") == "Working"
    assert "PLAN_STALE" in bench.codes()


def test_w24_an_edit_between_read_and_undo_is_not_lost(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.sync()
    view = undo(bench)

    def person(crm: Any, ref: RecordRef, **change: str) -> Any:
        def edit(_: Any) -> None:
            crm.before_write = None
            bench.world.advance(2)
            crm.edit(ref, Author.PERSON, **change)

        return edit

    bench.sf.before_write = person(bench.sf, lead, Status="Working")
    bench.hs.before_write = person(bench.hs, contact, hs_lead_status="IN_PROGRESS")
    bench.approve(view.digest)
    assert (bench.value(lead, "Status"), bench.value(contact, "hs_lead_status")) == ("Working", "IN_PROGRESS")


def test_a_rejected_undo_leaves_everything(bench: Bench) -> None:
    from sync.stages.plan import reject

    lead, contact = both(bench)
    bench.sync()
    before = fields(bench, lead, contact)
    view = undo(bench)
    bench.ctx = bench.next_context()
    reject(bench.ctx, view.digest)
    bench.sync()
    assert fields(bench, lead, contact) == before


def test_a_run_is_not_undone_where_a_later_one_wrote(bench: Bench) -> None:
    scored(bench)
    lead = bench.lead(MQL_Score__c="3")
    bench.person("p1", lead, mql=False)
    bench.sync()
    first = bench.ctx.run.run_id
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE score SET total = 70000")
    bench.sync()
    view = undo(bench, first)
    assert [one.reason for one in view.skipped] == ["a later change of ours took its place"]
    with bench.mirror.read() as conn:
        (last,) = undoing.written_on(conn, "p1")
    assert (last.row.base_value, last.row.desired_value) == ("105", "70")


def test_an_approved_undo_approves_no_first_run(bench: Bench) -> None:
    lead, _ = both(bench)
    bench.sync()
    bench.approve(undo(bench).digest)
    assert bench.value(lead, "Status") == "New"
    bench.settings_with(limits={"first_run_needs_approval": True})
    lead2 = bench.lead("2")
    bench.person("p2", lead2)
    bench.sync()
    assert bench.codes() == ["APPROVAL_NEEDED"]
