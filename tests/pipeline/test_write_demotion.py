"""A lifecycle stage goes back in two steps, over HTTP on the sandbox: emptied, proved, set, proved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.records import RecordRef
from connectors.sandbox.faults import Match
from connectors.sandbox.sandbox import Sandbox
from sync.mirror import failures, outbox, undoing
from sync.reports import WriteCounts
from sync.stages.demote import Demotion, plan_demotion
from sync.stages.undo import UndoView, plan_undo
from tests.pipeline.test_write_sandbox import SandboxBench
from tests.pipeline.write_bench import POOLS
from tests.world import SimulatedWorld

STAGE = "lifecyclestage"


class PowerCut(BaseException):
    """The process is gone."""


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld, sandbox: Sandbox) -> Iterator[SandboxBench]:
    made = SandboxBench(tmp_path, world, sandbox, routing=POOLS)
    yield made
    for connector in made.connectors.values():
        connector.close()
    made.mirror.close()


def customer(bench: SandboxBench, stage: str = "customer", *, mql: bool = False) -> RecordRef:
    """A contact whom somebody gave that stage a day ago; without `mql` no spell wants to write it."""
    fields = {"email": "p1@acme.com", "hs_lead_status": "NEW", STAGE: stage}
    contact = bench.made("hubspot", "contacts", **fields)
    bench.world.advance(86_400)
    bench.pull_one(contact)
    bench.person("p1", contact, mql=mql)
    return contact


def demotion(
    bench: SandboxBench, contact: RecordRef, stage: str = "lead", *, ambiguous: bool = False
) -> UndoView:
    bench.world.advance(600)
    bench.ctx = bench.next_context()
    return plan_demotion(bench.ctx, Demotion("p1", [contact.id], stage, "called it off", ambiguous))


def steps(bench: SandboxBench) -> list[tuple[str | None, str | None]]:
    """What we changed, by the sandbox's ledger."""
    return [(before or None, after or None) for before, after in bench.worker_wrote(STAGE)]


def demoted(bench: SandboxBench, contact: RecordRef) -> None:
    assert bench.shown(contact, STAGE) == "lead"
    assert steps(bench) == [("customer", None), (None, "lead")]
    (intent,) = bench.intents(policy="demote")
    told = (intent.state, intent.base_value, intent.desired_value, intent.step)
    assert told == ("verified", "customer", "lead", "set"), (intent.why, intent.message)


def resumed(bench: SandboxBench) -> WriteCounts:
    """A later run."""
    bench.world.advance(600)
    bench.ctx = bench.next_context()
    return bench.write()


def test_a_stage_is_taken_back_by_order_alone(bench: SandboxBench) -> None:
    contact = customer(bench)
    view = demotion(bench, contact)
    assert [(one.before, one.after, one.reason) for one in view.changes] == [
        ("customer", "lead", 'called it off; "customer" is to be taken back')
    ]
    assert bench.sync().waiting == 1  # an order is carried out by whoever approves it, never by a sync
    assert steps(bench) == []
    assert bench.approve(view.digest).verified == 1
    demoted(bench, contact)
    assert bench.sync().decided == 0


def test_undoing_an_mql_takes_its_stage_back(bench: SandboxBench) -> None:
    contact = customer(bench, "lead", mql=True)
    bench.sync()
    assert bench.shown(contact, STAGE) == "marketingqualifiedlead"
    view = undo(bench)
    assert view.skipped == []
    assert bench.approve(view.digest).verified == len(view.changes)
    assert bench.shown(contact, STAGE) == "lead"
    assert steps(bench)[-2:] == [("marketingqualifiedlead", None), (None, "lead")]


def undo(bench: SandboxBench) -> UndoView:
    run_id = bench.ctx.run.run_id
    bench.world.advance(600)
    bench.ctx = bench.next_context()
    with bench.mirror.read() as conn:
        written = undoing.written_by(conn, run_id)
    return plan_undo(bench.ctx, written, f"run {run_id}")


def test_a_demotion_is_undone_in_one_step(bench: SandboxBench) -> None:
    contact = customer(bench)
    bench.approve(demotion(bench, contact).digest)
    bench.approve(undo(bench).digest)
    assert bench.shown(contact, STAGE) == "customer"
    assert steps(bench)[2:] == [("lead", "customer")]


def test_undoing_what_filled_an_empty_stage_empties_it(bench: SandboxBench) -> None:
    contact = customer(bench, "", mql=True)
    bench.sync()
    assert bench.shown(contact, STAGE) == "marketingqualifiedlead"
    bench.approve(undo(bench).digest)
    assert bench.shown(contact, STAGE) in (None, "")


@pytest.mark.parametrize(
    ("stage", "wish", "ambiguous", "words"),
    [
        ("lead", "opportunity", False, '"lead" is not a later stage than "opportunity"'),
        ("lead", "lead", False, 'already "lead"'),
        ("customer", "lead", True, "the person is ambiguous now"),
    ],
)
def test_what_is_no_demotion_is_left_alone(
    bench: SandboxBench, stage: str, wish: str, ambiguous: bool, words: str
) -> None:
    view = demotion(bench, customer(bench, stage), wish, ambiguous=ambiguous)
    assert ([one.reason for one in view.skipped], list(view.changes)) == ([words], [])
    assert bench.intents() == []


def test_a_stage_that_is_not_offered_is_told_with_the_nearest(bench: SandboxBench) -> None:
    view = demotion(bench, customer(bench), "leed")
    (problem,) = view.problems
    assert (problem.code, problem.exit_code) == ("VALUE_NOT_OFFERED", 2)
    assert "'lead'" in problem.message


@pytest.mark.parametrize("arrival", [1, 2])
@pytest.mark.parametrize(
    "name",
    [
        "write.marked_sent",
        "write.answered",
        "write.read_back",
        "write.verified_uncommitted",
        "write.verified",
    ],
)
def test_w21_killed_in_either_step_the_next_run_finishes(
    bench: SandboxBench, name: str, arrival: int
) -> None:
    contact = customer(bench)
    view = demotion(bench, contact)
    left = arrival

    def reached(failpoint: str) -> None:
        nonlocal left
        left -= failpoint == name
        if left == 0:
            raise PowerCut

    bench.world.reached = reached  # type: ignore[method-assign]
    with pytest.raises(PowerCut):
        bench.approve(view.digest)
    del bench.world.reached
    if name == "write.verified" and arrival == 1:
        assert bench.shown(contact, STAGE) in (None, "")  # empty, and known to be
        assert [row.step for row in bench.intents()] == ["cleared"]
    resumed(bench)
    demoted(bench, contact)


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_w21_an_answer_lost_in_either_step(bench: SandboxBench, kind: str, skip: int) -> None:
    contact = customer(bench)
    view = demotion(bench, contact)
    bench.sandbox.faults.arm(kind, crm="hubspot", path="/batch/update", skip=skip)
    bench.approve(view.digest)
    resumed(bench)
    demoted(bench, contact)


def test_a_pause_between_the_steps_leaves_no_stage_empty(bench: SandboxBench) -> None:
    contact = customer(bench)
    view = demotion(bench, contact)

    def pause(failpoint: str) -> None:
        if failpoint == "write.cleared":
            with bench.mirror.write() as conn:
                outbox.pause(conn, "hubspot", "stop", "somebody", 0)

    bench.world.reached = pause  # type: ignore[method-assign]
    bench.approve(view.digest)
    demoted(bench, contact)


def test_killed_between_the_steps_and_paused_it_waits_and_then_finishes(bench: SandboxBench) -> None:
    """A pause holds whatever a later run would send; the stage is known to be empty and filled after it."""
    contact = customer(bench)
    view = demotion(bench, contact)

    def kill(failpoint: str) -> None:
        if failpoint == "write.cleared":
            raise PowerCut

    bench.world.reached = kill  # type: ignore[method-assign]
    with pytest.raises(PowerCut):
        bench.approve(view.digest)
    del bench.world.reached
    with bench.mirror.write() as conn:
        outbox.pause(conn, "hubspot", "stop", "somebody", 0)
    assert resumed(bench).waiting == 1
    assert bench.shown(contact, STAGE) in (None, "")
    with bench.mirror.write() as conn:
        failures.resume(conn, "hubspot")
    resumed(bench)
    demoted(bench, contact)


@pytest.mark.parametrize("value", ["opportunity", "customer"])
def test_whoever_fills_the_empty_stage_meanwhile_wins(bench: SandboxBench, value: str) -> None:
    contact = customer(bench)
    view = demotion(bench, contact)

    def refill(failpoint: str) -> None:
        if failpoint == "write.cleared":
            bench.world.advance(1)
            bench.sandbox.edit("hubspot", "contacts", contact.id, {STAGE: value})

    bench.world.reached = refill  # type: ignore[method-assign]
    counts = bench.approve(view.digest)
    assert (counts.superseded, bench.shown(contact, STAGE)) == (1, value)
    assert resumed(bench).waiting == 0


def test_an_edit_covered_by_the_emptying_is_put_back(bench: SandboxBench) -> None:
    contact = customer(bench)
    view = demotion(bench, contact)

    def edit(_: object) -> None:
        bench.world.advance(0.5)
        bench.sandbox.edit("hubspot", "contacts", contact.id, {STAGE: "evangelist"})
        bench.world.advance(0.5)

    bench.sandbox.steps.before(Match("hubspot", "POST", "/batch/update"), edit)
    bench.approve(view.digest)
    assert bench.shown(contact, STAGE) == "evangelist"


def test_a_persons_step_back_that_our_write_covered_is_put_back(bench: SandboxBench) -> None:
    _, contact = bench.pair("p1")

    def edit(_: object) -> None:
        bench.world.advance(0.5)
        bench.sandbox.edit("hubspot", "contacts", contact.id, {STAGE: "subscriber"})
        bench.world.advance(0.5)

    bench.sandbox.steps.before(Match("hubspot", "POST", "/batch/update", body="OPEN|owner|marketing"), edit)
    bench.sync()
    assert bench.shown(contact, STAGE) == "subscriber"
    assert "EDIT_COVERED" in bench.codes()


def test_an_order_that_nobody_approves_goes_out_never(bench: SandboxBench) -> None:
    contact = customer(bench)
    demotion(bench, contact)
    bench.sync(8 * 86_400)
    bench.sync()
    assert steps(bench) == []
    assert [(row.state, row.why) for row in bench.intents()] == [("superseded", "rejected")]


def test_a_refused_second_step_is_retried_as_such(bench: SandboxBench) -> None:
    contact = customer(bench)
    view = demotion(bench, contact)
    message = (
        'Property values were not valid: [{"isValid":false,"message":"no","error":"INVALID_REGEX",'
        f'"name":"{STAGE}"}}]'
    )
    body = {"status": "error", "message": message, "category": "VALIDATION_ERROR"}
    bench.sandbox.faults.arm("status", crm="hubspot", path="/batch/update", skip=1, status=400, body=body)
    assert bench.approve(view.digest).parked == 1
    bench.world.advance(600)
    bench.ctx = bench.next_context()
    with bench.mirror.write() as conn:
        failures.retry(conn, [row.intent_id for row in outbox.failed(conn)], "run-x", bench.ctx.run.now)
    bench.write()
    demoted(bench, contact)
