"""Routing, the clock of hand-offs and refused owners in one story."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import Author
from sync.mirror import clocks, handoffs, queries, routing
from tests.pipeline.test_write_routing import ANN, BOB, QUEUE, refuses
from tests.pipeline.write_bench import FIRST_TOUCH, Bench, both
from tests.world import SimulatedWorld

ROUTING: dict[str, Any] = {
    "pools": {
        "default": {"members": [{"email": "ann@example.com", "capacity": 2}, {"email": "bob@example.com"}]},
        "queue": {
            "members": [{"email": "ann@example.com", "absent": ["2026-11-02"]}],
            "fallback": "queue:MQL",
        },
    },
    "rules": [{"when": {"country": "FR"}, "pool": "queue", "company_owner": True}],
}


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld) -> Iterator[Bench]:
    made = Bench(tmp_path, world, routing=ROUTING)
    yield made
    made.mirror.close()


def test_the_whole_of_routing(bench: Bench) -> None:
    company = {"crm": "hubspot", "object": "companies", "modified_ms": 0, "owner_id": "12", "gone": False}
    bench.add("company_record", id="77", **company)
    german, _ = both(bench, "p1", "1")
    french, contact = both(bench, "p2", "2", country="FR")
    owned, with_company = bench.lead("3"), bench.contact("3", company_id="77")
    bench.person("p3", owned, with_company, country="FR")
    refuses(bench, ANN)
    bench.sync()
    assert [bench.value(lead, "OwnerId") for lead in (german, french, owned)] == [BOB, QUEUE, BOB]
    assert bench.problems == []
    with bench.mirror.read() as conn:
        assert [one.record_id for one in routing.unrouted(conn)] == [contact.id]
        assert routing.refused(conn, bench.ctx.run.run_id) == {("salesforce", ANN)}
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE spell SET left_at = 1, left_why = 'recycled' WHERE person_id = 'p1'")
    bench.sf.edit(german, OwnerId=QUEUE)
    bench.mirror_record(german)
    bench.spell("p1")
    bench.sync()
    assert bench.value(german, "OwnerId") == BOB  # who had this person before


def test_the_clocks(bench: Bench) -> None:
    leads = [both(bench, f"p{number}", str(number))[0] for number in range(3)]
    bench.sync()
    bench.world.advance(1800)
    now = int(bench.world.now().timestamp())
    row = {"crm": "hubspot", "source": "hubspot.calls", "is_bot": False, "deleted": False, "id": "1"}
    raw = json.dumps({"properties": {"hubspot_owner_id": "11"}})
    bench.add(
        "engagement", kind="call", person_id="p0", occurred_at=now, raw=raw, modified_ms=now * 1000, **row
    )
    bench.sf.edit(leads[1], Author.PERSON, Status="Working")
    bench.mirror_record(leads[1])
    bench.sync()
    bench.world.advance(FIRST_TOUCH)
    later = int(bench.world.now().timestamp())
    with bench.mirror.read() as conn:
        found = {clock.person_id: (clock.state(later), clock.touched_by) for clock in clocks.listed(conn, 0)}
        assert [one.person_id for one in queries.people(conn, overdue_at=later)] == ["p2"]
        assert handoffs.last_deeds(conn, "p0", later)[0].kind == "call"
    assert found == {"p0": ("touched", "call"), "p1": ("touched", "status"), "p2": ("overdue", None)}
