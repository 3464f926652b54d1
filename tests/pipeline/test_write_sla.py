"""The clock of a hand-off: starts at proof, runs in working hours, stops at a colleague's first touch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Author, RecordRef
from sync.mirror import queries
from sync.mirror.clocks import Clock, by_owner, listed
from tests.pipeline.write_bench import FIRST_TOUCH, POOLS, Bench, both
from tests.world import SimulatedWorld

HOURS = {"pools": {"default": {"members": [
    {"email": "ann@example.com", "hours": "Mo-Fr 09:00-17:00 Europe/Berlin"}
]}}}  # fmt: skip

TASK = {"crm": "salesforce", "source": "salesforce.task"}


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=POOLS)
    yield made
    made.mirror.close()


def clocks(bench: Bench) -> list[Clock]:
    with bench.mirror.read() as conn:
        return listed(conn, 0)


def now(bench: Bench) -> int:
    return int(bench.world.now().timestamp())


def states(bench: Bench) -> list[str]:
    return [clock.state(now(bench)) for clock in clocks(bench)]


def overdue(bench: Bench) -> list[str]:
    with bench.mirror.read() as conn:
        return [one.person_id for one in queries.people(conn, overdue_at=now(bench))]


def act(bench: Bench, person: str, kind: str = "call", **row: Any) -> None:
    """Somebody logs something on a person now."""
    made = {"crm": "hubspot", "source": "hubspot.calls", "occurred_at": now(bench), **row}
    made.setdefault("raw", json.dumps({"properties": {"hubspot_owner_id": "11"}}))
    made.setdefault("modified_ms", now(bench) * 1000)
    bench.add("engagement", id=bench.world.new_id(), person_id=person, kind=kind, **made)


def test_the_clock_starts_at_proof_and_runs_out(bench: Bench) -> None:
    both(bench)
    bench.decide()
    assert clocks(bench) == []
    bench.sync()
    (clock,) = clocks(bench)
    assert abs(clock.started_at - now(bench)) <= 5
    assert (clock.owner, clock.due_at) == ("ann@example.com", clock.started_at + FIRST_TOUCH)
    assert (states(bench), overdue(bench)) == (["open"], [])
    bench.world.advance(FIRST_TOUCH + 60)
    assert (states(bench), overdue(bench)) == (["overdue"], ["p1"])
    bench.sync()
    assert clocks(bench) == [clock]
    (counted,) = by_owner(clocks(bench), now(bench))
    assert counted == ("ann@example.com", 1, 0, 1, 1, 1)


def test_nothing_is_due_before_the_write_is_proved(bench: Bench) -> None:
    both(bench)
    bench.settings_with(limits={"first_run_needs_approval": True})
    bench.sync()
    assert clocks(bench) == []
    bench.approve()
    assert states(bench) == ["open"]


def test_working_hours_of_the_owner_count(tmp_path: Path, world: SimulatedWorld) -> None:
    bench = Bench(tmp_path, world, routing=HOURS)
    friday = datetime.fromisoformat("2026-11-06T15:30+01:00").astimezone(UTC)
    world.advance((friday - world.now()).total_seconds())
    both(bench)
    bench.sync(1800)
    (clock,) = clocks(bench)
    expected = datetime.fromisoformat("2026-11-09T12:00+01:00").timestamp()
    assert clock.due_at is not None
    assert abs(clock.due_at - expected) <= 5
    bench.mirror.close()


@pytest.mark.parametrize(
    ("row", "touched"),
    [
        ({}, True),
        ({"kind": "meeting", "source": "hubspot.meetings"}, True),
        ({**TASK, "raw": '{"OwnerId": "005000000000001AAA"}'}, True),
        ({**TASK, "raw": "{}"}, True),
        ({"raw": '{"properties": {"hubspot_owner_id": "19"}}'}, False),  # another colleague's call
        ({"kind": "email_replied", "source": "hubspot.emails"}, False),  # from the person
        ({"kind": "page_view", "source": "hubspot.web_event"}, False),
        ({"deleted": True}, False),
    ],
)  # fmt: skip
def test_what_is_a_touch(bench: Bench, row: dict[str, Any], touched: bool) -> None:
    both(bench)
    bench.sync()
    bench.world.advance(3600)
    act(bench, "p1", **row)
    at = now(bench)
    bench.sync()
    (clock,) = clocks(bench)
    assert (clock.touched_at, clock.touched_by) == (
        (at, row.get("kind", "call")) if touched else (None, None)
    )


def test_what_was_before_the_hand_off_or_is_planned_is_no_touch(bench: Bench) -> None:
    both(bench)
    act(bench, "p1")
    bench.sync()
    act(bench, "p1", "meeting", source="hubspot.meetings", occurred_at=now(bench) + 86_400)
    bench.sync()
    assert states(bench) == ["open"]
    bench.sync(86_400)
    assert states(bench) == ["touched"]
    (clock,) = clocks(bench)
    assert clock.breached(now(bench))  # it came too late


def test_a_day_without_a_time_counts_from_when_it_was_logged(bench: Bench) -> None:
    both(bench)
    act(bench, "p1", occurred_at=now(bench) // 86_400 * 86_400)  # of this morning
    bench.sync()
    bench.world.advance(1800)
    act(bench, "p1", occurred_at=now(bench) // 86_400 * 86_400)
    logged = now(bench)
    bench.sync()
    assert [clock.touched_at for clock in clocks(bench)] == [logged]


@pytest.mark.parametrize(("author", "state"), [(Author.PERSON, "touched"), (Author.AUTOMATION, "open")])
def test_only_a_person_moves_a_status_by_hand(bench: Bench, author: Author, state: str) -> None:
    lead, _ = both(bench)
    bench.sync()
    bench.world.advance(1800)
    bench.sf.edit(lead, author, Status="Working")
    bench.mirror_record(lead)
    moved = now(bench)
    bench.sync()
    assert states(bench) == [state]
    if state == "touched":
        (clock,) = clocks(bench)
        assert (clock.touched_at, clock.touched_by) == (moved, "status")
    calls = bench.sf.calls
    bench.sync()
    assert bench.sf.calls - calls <= 1  # what was judged is not asked again


def test_a_conversion_is_a_touch_and_an_ended_spell_stops_the_clock(bench: Bench) -> None:
    lead, _ = both(bench, "p1", "1")
    both(bench, "p2", "2")
    bench.sync()
    bench.world.advance(3600)
    at_ms = now(bench) * 1000
    bench.add("tombstone", **RecordRef(*lead)._asdict(), reason="converted_into", at_ms=at_ms)
    with bench.mirror.write() as conn:
        conn.exec_driver_sql(f"UPDATE spell SET left_at = {now(bench)}, left_why = 'sql'")
    bench.sync()
    found = {clock.person_id: clock for clock in clocks(bench)}
    assert (found["p1"].touched_by, found["p1"].state(now(bench))) == ("converted", "touched")
    assert found["p2"].state(now(bench)) == "closed"
    bench.world.advance(30 * 86_400)
    assert not found["p2"].breached(now(bench))
    assert overdue(bench) == []


def test_a_crash_between_proof_and_clock_loses_nothing(bench: Bench) -> None:
    both(bench)
    bench.sync()
    before = clocks(bench)
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("DELETE FROM hand_off")
    bench.sync()
    assert clocks(bench) == before
