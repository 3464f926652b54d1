"""Owners over HTTP on the sandbox: refused ones, the assignment rule, and whose call it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.records import EngagementRecord
from connectors.sandbox.sandbox import Sandbox
from sync.mirror import clocks
from tests.pipeline.test_write_sandbox import SandboxBench
from tests.pipeline.write_bench import POOLS
from tests.world import SimulatedWorld


@pytest.fixture
def bench(tmp_path: Path, world: SimulatedWorld, sandbox: Sandbox) -> Iterator[SandboxBench]:
    made = SandboxBench(tmp_path, world, sandbox, routing=POOLS)
    yield made
    for connector in made.connectors.values():
        connector.close()
    made.mirror.close()


def test_an_owner_who_left_since_the_last_pull_is_replaced(bench: SandboxBench) -> None:
    """INACTIVE_OWNER_OR_USER: the next of the pool gets both records, in the same run."""
    # the queue that owns the lead takes none: the status alone is refused as well, until there is an owner
    lead, contact = bench.pair("p1")
    bench.sandbox.edit("salesforce", "User", bench.users["ann"], {"IsActive": False})
    bench.sync()
    assert bench.problems == []
    assert bench.shown(lead, "OwnerId") == bench.users["bob"]
    assert bench.shown(contact, "hubspot_owner_id") == bench.owners["bob"]
    assert bench.shown(lead, "Status") == "MQL"
    ended = {(row.desired_value, row.state, row.why) for row in bench.intents(purpose="owner")}
    assert (bench.users["ann"], "superseded", "owner_refused") in ended


def test_w20_a_status_update_never_moves_the_owner(bench: SandboxBench) -> None:
    """The sandbox runs the assignment rule on every update that does not say no to it."""
    bench.settings_with(routing={})
    takes = {"QueueId": bench.queue, "SobjectType": "Lead"}
    bench.sandbox.create("salesforce", "QueueSobject", takes, author="seed")
    lead, _ = bench.pair("p1")
    before = bench.shown(lead, "OwnerId")
    start = len(bench.sandbox.ledger)
    bench.sync()
    assert (bench.shown(lead, "Status"), bench.shown(lead, "OwnerId")) == ("MQL", before)
    assert [entry for entry in bench.sandbox.ledger.entries(start) if entry.field == "OwnerId"] == []


def test_w19_a_representatives_claim_stands_whatever_comes_later(bench: SandboxBench) -> None:
    lead, contact = bench.pair("p1")
    bench.sync()
    bench.sandbox.edit("salesforce", "Lead", lead.id, {"OwnerId": bench.users["rep"]})
    with bench.mirror.write() as conn:
        conn.exec_driver_sql("UPDATE spell SET left_at = 1, left_why = 'decayed'")
        conn.exec_driver_sql("DELETE FROM person_record")
    bench.world.advance(86_400)
    for ref in (lead, contact):
        bench.pull_one(ref)
    bench.spell("p1")
    bench.sync()
    assert bench.shown(lead, "OwnerId") == bench.users["rep"]


def logged(bench: SandboxBench, crm: str, feed_object: str) -> list[EngagementRecord]:
    connector = bench.connectors[crm]
    feed = next(feed for feed in connector.feeds() if feed.object == feed_object)
    return [one for page in connector.changes(feed, None) for one in page.engagements]


def test_whose_call_it_was_is_pulled_and_stops_the_clock(bench: SandboxBench) -> None:
    lead, contact = bench.pair("p1")
    bench.sync()
    bench.world.advance(1800)
    task: dict[str, Any] = {"WhoId": lead.id, "Subject": "Call", "TaskSubtype": "Call", "Status": "Completed"}
    bench.sandbox.create("salesforce", "Task", {**task, "OwnerId": bench.users["ann"]})
    stamp = bench.world.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    call = {"hs_call_title": "Rang", "hs_timestamp": stamp, "hubspot_owner_id": bench.owners["rep"]}
    made = bench.sandbox.create("hubspot", "calls", call)
    bench.sandbox.hubspot.associate("calls", made, "contacts", contact.id)
    found = [*logged(bench, "hubspot", "calls"), *logged(bench, "salesforce", "Task")]
    owners = [json.loads(one.raw) for one in found]
    assert owners[0]["properties"]["hubspot_owner_id"] == bench.owners["rep"]
    assert owners[1]["OwnerId"] == bench.users["ann"]
    for one in found:
        row = one._asdict()
        row["person_record_id"] = row.pop("person_id")
        bench.add("engagement", **row, person_id="p1")
    bench.sync()
    with bench.mirror.read() as conn:
        (clock,) = clocks.listed(conn, 0)
    assert (clock.owner, clock.touched_by) == ("ann@example.com", "call")
