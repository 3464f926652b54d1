"""The one task or note of a hand-off: after proof, with the reason, for the owner, and never twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connectors.errors import QuotaSpent, RightMissing
from connectors.records import EngagementRecord, NewTask, Outcome, OutcomeKind, RecordRef, RefusalClass
from sync.mirror import audit, clocks, handoffs, outbox
from sync.mirror.backup import RESTORE_EPOCH
from sync.mirror.runs import set_meta
from sync.mirror.tasks import TASK
from sync.reports import RunProblem
from sync.stages.pull import pull
from tests.pipeline.write_bench import FIRST_TOUCH, POOLS, WRITEBACK, Bench, both
from tests.world import SimulatedWorld

ON = {
    "salesforce": {**WRITEBACK["salesforce"], "hand_off": "task"},
    "hubspot": {**WRITEBACK["hubspot"], "hand_off": "note"},
}


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=POOLS, writeback=ON)
    yield made
    made.mirror.close()


def rows(bench: Bench) -> list[Any]:
    with bench.mirror.read() as conn:
        return list(conn.execute(select(TASK).order_by(TASK.c.spell_id, TASK.c.crm)))


def states(bench: Bench) -> dict[str, str]:
    return {row.crm: row.state for row in rows(bench)}


def made(bench: Bench) -> list[NewTask]:
    return [*bench.sf.tasks.values(), *bench.hs.tasks.values()]


def test_one_in_each_crm_for_the_owner_with_the_reason(bench: Bench) -> None:
    lead, contact = both(bench)
    bench.sync()
    assert states(bench) == {"hubspot": "done", "salesforce": "done"}
    (task,), (note,) = bench.sf.tasks.values(), bench.hs.tasks.values()
    assert (task.ref, task.kind, task.owner_id) == (lead, "task", "005000000000001AAA")
    assert (note.ref, note.kind, note.owner_id) == (contact, "note", "11")
    with bench.mirror.read() as conn:
        (clock,) = clocks.listed(conn, 0)
        acts = [act for act in audit.acts(conn, 50) if act.action == "hand_off"]
    assert clock.due_at == clock.started_at + FIRST_TOUCH == task.due_ms // 1000
    assert task.body.startswith("MQL since ")
    assert "105 points, A1" in task.body
    assert task.mark in task.subject
    assert task.mark != note.mark
    assert {act.subject.rpartition(".")[0] for act in acts} == {
        f"salesforce.Lead.{lead.id}",
        f"hubspot.contacts.{contact.id}",
    }
    for _ in range(2):
        bench.sync()
    assert len(made(bench)) == 2
    assert [row.body for row in rows(bench)] == ["", ""]


def test_off_by_default_and_not_for_earlier_hand_offs(tmp_path: Path, world: SimulatedWorld) -> None:
    bench = Bench(tmp_path, world, routing=POOLS)
    both(bench)
    bench.sync()
    bench.settings_with(writeback=ON)
    bench.sync()
    assert (made(bench), rows(bench)) == ([], [])
    both(bench, "p2", "2")
    bench.sync()
    assert [row.person_id for row in rows(bench)] == ["p2", "p2"]
    bench.mirror.close()


def test_none_before_the_plan_is_approved(bench: Bench) -> None:
    both(bench)
    bench.settings_with(limits={"first_run_needs_approval": True})
    bench.sync()
    assert (made(bench), rows(bench)) == ([], [])
    bench.approve()
    assert len(made(bench)) == 2


def test_a_lost_answer_is_looked_for_after_a_while_and_not_repeated(bench: Bench) -> None:
    both(bench)

    def lose(task: NewTask) -> Outcome:
        bench.sf.answer_task = None
        bench.sf.create_task(task)
        return Outcome(task.ref, OutcomeKind.UNKNOWN, "TIMEOUT", "no answer")

    bench.sf.answer_task = lose
    bench.sync()
    assert states(bench)["salesforce"] == "unsure"
    bench.sync(30)
    assert states(bench)["salesforce"] == "unsure"
    bench.sync(120)
    assert states(bench)["salesforce"] == "done"
    assert len(bench.sf.tasks) == 1


def test_what_never_arrived_is_sent_again(bench: Bench) -> None:
    both(bench)
    bench.hs.answer_task = lambda task: Outcome(task.ref, OutcomeKind.UNKNOWN, "TIMEOUT", "no answer")
    bench.sync()
    assert (states(bench)["hubspot"], bench.hs.tasks) == ("unsure", {})
    bench.hs.answer_task = None
    bench.sync(30)
    assert not bench.hs.tasks
    bench.sync(120)
    assert (states(bench)["hubspot"], len(bench.hs.tasks)) == ("done", 1)


def test_a_refusal_is_said_once_and_stands_in_the_way_of_nothing(bench: Bench) -> None:
    lead, _ = both(bench)
    no = Outcome(lead, OutcomeKind.REFUSED, "INVALID_TYPE", "no Task", RefusalClass.OUR_CONFIG)
    bench.sf.answer_task = lambda _: no
    bench.sync()
    assert bench.codes() == ["TASK_REFUSED"]
    assert bench.value(lead, "Status") == "MQL"
    bench.sync()
    assert bench.codes() == []
    for number in ("2", "3", "4", "5"):
        both(bench, f"p{number}", number)
    bench.sync()
    assert bench.codes().count("FIELD_PAUSED") == 1
    both(bench, "p6", "6")
    bench.sync()
    assert [row.state for row in rows(bench) if row.crm == "salesforce"].count("planned") == 1
    assert bench.states(person_id="p6")["Status"] == "verified"


def test_a_pause_holds_it_back_and_a_touch_makes_it_needless(bench: Bench) -> None:
    both(bench)
    with bench.mirror.write() as conn:
        outbox.pause(conn, "salesforce.Lead.hand_off", "wait", "me", 0)
    bench.sync()
    assert states(bench) == {"salesforce": "planned", "hubspot": "done"}
    with bench.mirror.write() as conn:
        handoffs.touched(conn, rows(bench)[0].spell_id, 1, "call")
    bench.sync()
    assert states(bench)["salesforce"] == "dropped"


def test_no_more_in_one_run_than_the_limit(bench: Bench) -> None:
    for number in ("1", "2", "3"):
        both(bench, f"p{number}", number)
    bench.sync()
    assert len(bench.sf.tasks) == 3
    bench.settings_with(limits={"first_run_needs_approval": False, "records_per_run": 1})
    with bench.mirror.write() as conn:
        conn.execute(TASK.delete())
    bench.sf.tasks.clear()
    for count in (1, 2, 3):
        bench.sync()
        assert len(bench.sf.tasks) == count


def test_a_spent_quota_leaves_it_for_later(bench: Bench) -> None:
    both(bench)

    def spent(_: NewTask) -> Outcome:
        raise QuotaSpent("no calls left", crm="salesforce", code="LIMIT")

    bench.sf.answer_task = spent
    bench.sync()
    assert states(bench)["salesforce"] == "planned"
    bench.sf.answer_task = None
    bench.sync()
    assert states(bench)["salesforce"] == "done"
    assert len(bench.sf.tasks) == 1


def test_a_mirror_from_a_backup_looks_before_it_sends(bench: Bench) -> None:
    both(bench)
    bench.sync()
    with bench.mirror.write() as conn:
        conn.execute(TASK.update().values(state="planned", attempts=0, task_id=None))
        set_meta(conn, RESTORE_EPOCH, "1")
    bench.settings_with(limits={"first_run_needs_approval": False})
    bench.sync()
    assert states(bench) == {"hubspot": "done", "salesforce": "done"}
    assert len(made(bench)) == 2


def test_what_cannot_be_looked_for_is_not_repeated(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    both(bench)
    bench.sf.answer_task = lambda task: Outcome(task.ref, OutcomeKind.UNKNOWN, "TIMEOUT", "no answer")
    bench.sync()
    bench.sf.answer_task = None

    def blind(_: NewTask) -> None:
        raise RightMissing("no right to see tasks", crm="salesforce", code="NO")

    monkeypatch.setattr(bench.sf, "find_task", blind)
    bench.sync()
    assert (states(bench)["salesforce"], bench.codes()) == ("parked", ["TASK_REFUSED"])
    bench.sync()
    assert (bench.sf.tasks, bench.codes()) == ({}, [])


def test_our_own_is_no_engagement_and_no_touch(bench: Bench) -> None:
    """Pulled before we knew its id: it is taken back as soon as we do."""
    both(bench)
    bench.hs.answer_task = lambda task: Outcome(task.ref, OutcomeKind.UNKNOWN, "TIMEOUT", "")
    bench.sync()
    known = rows(bench)[0]
    ref = RecordRef("hubspot", "notes", "77")
    fields = {"person_id": "p1", "kind": "note", "raw": "{}", "modified_ms": 1, "occurred_at": 1}
    bench.add("engagement", crm="hubspot", source="hubspot.notes", id="77:1", **fields)
    bench.hs.tasks[ref] = NewTask("note", ref, None, "", "", known.mark, 0, "", 0)
    bench.hs.answer_task = None
    bench.sync()
    engagement = handoffs.ENGAGEMENT
    with bench.mirror.read() as conn:
        assert conn.execute(select(engagement.c.deleted)).scalars().all() == [True]


def test_our_own_note_is_not_stored_when_it_is_pulled(bench: Bench) -> None:
    both(bench)
    bench.sync()
    (ref,) = bench.hs.tasks
    for note in (ref.id, "77"):
        row = EngagementRecord(
            "hubspot",
            "hubspot.notes",
            f"{note}:1",
            "contacts",
            "1",
            None,
            "note",
            None,
            1,
            False,
            False,
            1,
            "{}",
        )
        bench.hs.add_engagement(row)
    problems: list[RunProblem] = []
    counts = pull(bench.ctx, "hubspot", on_problem=problems.append)
    assert problems == []
    assert all(count.balanced for count in counts.values())
    with bench.mirror.read() as conn:
        assert conn.execute(select(handoffs.ENGAGEMENT.c.id)).scalars().all() == ["77:1"]
