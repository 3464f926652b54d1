"""An MQL that nobody touched in time goes on to the next in turn, and only one that is ours to move."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Author, RecordRef
from sync.core.cases import REASSIGN
from sync.mirror import clocks, routing
from sync.mirror.clocks import Clock
from tests.pipeline.write_bench import FIRST_TOUCH, Bench, both
from tests.world import SimulatedWorld

PATIENCE = 2 * 3600
ADA = {"pools": {"default": {"members": [{"email": f"{name}@example.com"} for name in ("ann", "bob")]}}}
ANN, BOB = ("005000000000001AAA", "11"), ("005000000000002AAA", "12")


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=ADA, sla={"reassign_after": PATIENCE})
    yield made
    made.mirror.close()


def clock(bench: Bench) -> Clock:
    with bench.mirror.read() as conn:
        (found,) = clocks.listed(conn, 0)
    return found


def pulled(bench: Bench, *refs: RecordRef) -> None:
    """The mirror learns what we wrote."""
    for ref in refs:
        bench.mirror_record(ref)


def owners(bench: Bench, lead: RecordRef, contact: RecordRef) -> tuple[str | None, str | None]:
    return bench.value(lead, "OwnerId"), bench.value(contact, "hubspot_owner_id")


def handed(bench: Bench) -> tuple[RecordRef, RecordRef]:
    """An MQL that Ann was given, as the mirror has it after the next pull."""
    lead, contact = both(bench)
    bench.sync()
    assert owners(bench, lead, contact) == ANN
    pulled(bench, lead, contact)
    return lead, contact


def turns(bench: Bench) -> list[tuple[str, str]]:
    table = routing.TURN
    with bench.mirror.read() as conn:
        return [(row.member, row.state) for row in conn.execute(table.select().order_by(table.c.at))]


def test_it_goes_on_once_it_has_lain_for_long_enough(bench: Bench) -> None:
    lead, contact = handed(bench)
    bench.sync(FIRST_TOUCH + PATIENCE - 600)
    assert owners(bench, lead, contact) == ANN
    bench.sync(1200)
    assert owners(bench, lead, contact) == BOB
    assert turns(bench) == [("ann@example.com", "consumed"), ("bob@example.com", "consumed")]
    again = clock(bench)
    assert (again.owner, again.due_at) == ("bob@example.com", again.started_at + FIRST_TOUCH)
    (past,) = json.loads(again.earlier or "")
    assert (past["owner"], past["due_at"] < again.started_at) == ("ann@example.com", True)
    counted = {one.owner: (one.handed, one.breached) for one in clocks.by_owner([again], again.started_at)}
    assert counted == {"ann@example.com": (1, 1), "bob@example.com": (1, 0)}
    written = len(bench.all_writes())
    bench.sync()
    assert len(bench.all_writes()) == written


def test_it_goes_round_no_circle(bench: Bench) -> None:
    lead, contact = handed(bench)
    for _ in range(4):
        bench.sync(FIRST_TOUCH + PATIENCE + 600)
        pulled(bench, lead, contact)
    assert owners(bench, lead, contact) == BOB
    assert {row.policy for row in bench.intents(purpose="owner")} == {"owner_claim", REASSIGN}
    assert len(bench.intents(policy=REASSIGN)) == 2  # one in each CRM


def test_it_is_off_unless_it_is_wanted(bench: Bench) -> None:
    lead, contact = handed(bench)
    bench.settings_with(sla={})
    bench.sync(30 * 86_400)
    assert owners(bench, lead, contact) == ANN


def calls(bench: Bench, lead: RecordRef, contact: RecordRef) -> None:
    del lead, contact
    at = int(bench.world.now().timestamp())
    row = {"crm": "hubspot", "source": "hubspot.calls", "occurred_at": at, "modified_ms": at * 1000}
    raw = json.dumps({"properties": {"hubspot_owner_id": "11"}})
    bench.add("engagement", id="c1", person_id="p1", kind="call", raw=raw, **row)


def moves_the_status(bench: Bench, lead: RecordRef, contact: RecordRef) -> None:
    del contact
    bench.sf.edit(lead, Author.PERSON, Status="Working")
    pulled(bench, lead)


def takes_it(bench: Bench, lead: RecordRef, contact: RecordRef) -> None:
    del lead
    bench.hs.edit(contact, hubspot_owner_id="19")
    pulled(bench, contact)


def is_converted(bench: Bench, lead: RecordRef, contact: RecordRef) -> None:
    del contact
    at_ms = int(bench.world.now().timestamp()) * 1000
    bench.add("tombstone", **lead._asdict(), reason="converted_into", at_ms=at_ms)


def behind_the_mirrors_back(bench: Bench, lead: RecordRef, contact: RecordRef) -> None:
    """A person works on the lead, and no pull told of it yet."""
    del contact
    bench.sf.edit(lead, Author.PERSON, Description="called, no answer")


def takes_it_unseen(bench: Bench, lead: RecordRef, contact: RecordRef) -> None:
    del contact
    bench.sf.edit(lead, Author.PERSON, OwnerId="005000000000009AAA")


@pytest.mark.parametrize(
    "act", [calls, moves_the_status, takes_it, is_converted, behind_the_mirrors_back, takes_it_unseen]
)
def test_what_a_person_touched_stays(
    bench: Bench, act: Callable[[Bench, RecordRef, RecordRef], None]
) -> None:
    lead, contact = handed(bench)
    bench.world.advance(FIRST_TOUCH + PATIENCE + 600)
    act(bench, lead, contact)
    bench.world.advance(3600)
    before = owners(bench, lead, contact)
    for _ in range(2):
        bench.sync()
        assert bench.value(lead, "OwnerId") == before[0]
    if act in (calls, moves_the_status, takes_it, is_converted):
        assert bench.intents(policy=REASSIGN) == []
        assert owners(bench, lead, contact) == before
    assert ("bob@example.com", "consumed") not in turns(bench)


def test_who_touches_it_while_a_plan_waits_keeps_it(bench: Bench) -> None:
    lead, contact = handed(bench)
    bench.settings_with(limits={"records_per_run": 1, "first_run_needs_approval": False})
    bench.sync(FIRST_TOUCH + PATIENCE + 600)
    assert {row.state for row in bench.intents(policy=REASSIGN)} == {"awaiting_approval"}
    calls(bench, lead, contact)
    bench.sync(600)
    bench.approve()
    assert owners(bench, lead, contact) == ANN
    assert {row.why for row in bench.intents(policy=REASSIGN)} <= {"human", "owner_elsewhere"}
    assert turns(bench)[-1] == ("bob@example.com", "returned")


def test_nobody_to_take_it_means_that_it_stays(tmp_path: Path, world: SimulatedWorld) -> None:
    alone: dict[str, Any] = {"pools": {"default": {"members": [{"email": "ann@example.com"}]}}}
    bench = Bench(tmp_path, world, routing=alone, sla={"reassign_after": PATIENCE})
    lead, contact = handed(bench)
    bench.sync(FIRST_TOUCH + PATIENCE + 600)
    assert owners(bench, lead, contact) == ANN
    assert turns(bench) == [("ann@example.com", "consumed")]
    bench.mirror.close()
