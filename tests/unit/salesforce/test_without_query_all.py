"""A user who may query but not query what is deleted: query and getDeleted do, and nothing else fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.errors import NotOffered, RightMissing
from connectors.records import Cursor, GoneReason
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.sandbox import Sandbox
from tests.unit.salesforce.helpers import connect, error
from tests.unit.salesforce.pulling import drain, feed_of, lead, people
from tests.world import SimulatedWorld

REFUSALS = [
    (403, "INSUFFICIENT_ACCESS", "insufficient access"),
    (403, "FUNCTIONALITY_NOT_ENABLED", "queryAll is not enabled"),
    (404, "NOT_FOUND", "The requested resource does not exist"),
    (405, "METHOD_NOT_ALLOWED", "not allowed"),
]


@pytest.fixture(params=REFUSALS, ids=lambda refusal: str(refusal[1]))
def connector(
    sandbox: Sandbox, world: SimulatedWorld, request: pytest.FixtureRequest
) -> Iterator[SalesforceConnector]:
    sandbox.switches.sf_query_all_refusal = request.param
    connector = connect(sandbox, world)
    yield connector
    connector.close()


def test_the_feed_goes_on_by_query(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    kept, lost = lead(sandbox), lead(sandbox)
    pages, cursor = drain(connector, "Lead")
    assert set(people(pages)) == {kept, lost}
    _, deletions = drain(connector, "Lead.deleted")
    sandbox.delete("salesforce", "Lead", lost)
    world.advance(300)
    assert not [stone for page in drain(connector, "Lead", cursor)[0] for stone in page.tombstones]
    pages, _ = drain(connector, "Lead.deleted", deletions)
    stones = [(stone.id, stone.reason) for page in pages for stone in page.tombstones]
    assert stones == [(lost, GoneReason.DELETED.value)]


def test_it_is_asked_for_once(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    lead(sandbox)
    for name in ("Lead", "Contact", "Account"):
        drain(connector, name)
    assert sum(one.path.endswith("/queryAll") for one in sandbox.requests) == 1


def test_a_large_object_still_comes_by_bulk(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.switches.sf_query_all_refusal = REFUSALS[0]
    sandbox.switches.sf_page_size = 5
    records = {lead(sandbox, LastName=f"L{number}") for number in range(20)}
    connector = connect(sandbox, world, bulk_above=10)
    pages, _ = drain(connector, "Lead")
    assert set(people(pages)) == records
    jobs = [one for one in sandbox.requests if one.method == "POST" and one.path.endswith("/jobs/query")]
    assert ["queryAll" in one.body for one in jobs] == [False]
    connector.close()


def test_archived_activities_are_not_taken_for_deleted(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    sandbox.create("salesforce", "Task", {"Subject": "Call"})
    with pytest.raises(NotOffered, match="archived Task rows"):
        list(connector.ids("Task"))
    made = lead(sandbox)
    assert [id_ for batch in connector.ids("Lead") for id_ in batch] == [made]


def test_an_archived_activity_is_among_the_ids(sandbox: Sandbox, world: SimulatedWorld) -> None:
    task = sandbox.create("salesforce", "Task", {"Subject": "Old call"})
    gone = sandbox.create("salesforce", "Task", {"Subject": "Gone"})
    sandbox.salesforce.recalculate("Task", task, {"IsArchived": True})
    sandbox.delete("salesforce", "Task", gone)
    connector = connect(sandbox, world)
    assert [id_ for batch in connector.ids("Task") for id_ in batch] == [task]
    connector.close()


def test_who_may_not_query_either_is_told_so(sandbox: Sandbox, world: SimulatedWorld) -> None:
    connector = connect(sandbox, world)
    sandbox.faults.arm("status", path="/query", status=403, body=error("INSUFFICIENT_ACCESS"), count=None)
    with pytest.raises(RightMissing):
        drain(connector, "Lead")
    connector.close()


def test_a_query_that_is_wrong_is_no_missing_right(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.switches.sf_absent.add("Opportunity")
    connector = connect(sandbox, world)
    with pytest.raises(NotOffered):
        drain(connector, "Opportunity")
    lead(sandbox)
    drain(connector, "Lead")
    assert [one for one in sandbox.requests if one.path.endswith("/queryAll")]
    assert not [one for one in sandbox.requests if one.path.endswith("/query")]
    connector.close()


def test_reading_again_from_a_moment_reads_no_more(sandbox: Sandbox, world: SimulatedWorld) -> None:
    """A cursor that names a moment and nothing else: `resync --since`."""
    lead(sandbox)
    world.advance(86_400)
    since_ms = int(world.now().timestamp()) * 1000
    fresh = lead(sandbox)
    connector = connect(sandbox, world)
    pages = list(connector.changes(feed_of(connector, "Lead"), Cursor(since_ms=since_ms)))
    assert set(people(pages)) == {fresh}
    assert pages[-1].complete
    world.advance(60)
    later = lead(sandbox)
    assert set(people(drain(connector, "Lead", pages[-1].cursor)[0])) >= {later}
    connector.close()


def test_an_object_that_queryall_does_not_take_leaves_the_others_their_bin(
    sandbox: Sandbox, world: SimulatedWorld
) -> None:
    kept, lost = lead(sandbox), lead(sandbox)
    task = sandbox.create("salesforce", "Task", {"Subject": "Call", "Status": "Completed", "Type": "Call"})
    connector = connect(sandbox, world)
    sandbox.faults.arm(
        "status",
        path="/queryAll",
        query="FROM Task",
        status=400,
        body=error("INVALID_TYPE_FOR_OPERATION"),
        count=None,
    )
    pages, _ = drain(connector, "Task")
    assert [one.id for page in pages for one in page.engagements] == [task]
    with pytest.raises(NotOffered):
        list(connector.ids("Task"))
    _, cursor = drain(connector, "Lead")
    sandbox.merge("salesforce", "Lead", kept, lost)
    world.advance(300)
    stones = [stone for page in drain(connector, "Lead", cursor)[0] for stone in page.tombstones]
    assert [(stone.id, stone.to_id) for stone in stones] == [(lost, kept)]
    drain(connector, "Task")
    asked = [one for one in sandbox.requests if one.path.endswith("/queryAll") and "FROM Task" in one.query]
    assert len(asked) == 1
    connector.close()
