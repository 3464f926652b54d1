"""Formula fields: read again on a schedule of their own, only where something uses one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.records import Cursor
from connectors.salesforce import soql
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.salesforce.schema import Field
from connectors.sandbox.sandbox import Sandbox
from tests.unit.salesforce.helpers import connect
from tests.unit.salesforce.pulling import drain, feed_of, lead, options, people
from tests.world import SimulatedWorld

FIT = {"Lead": {"fit": "Fit__c"}}


@pytest.fixture
def org(sandbox: Sandbox) -> Sandbox:
    """An org whose leads have a formula field."""
    sandbox.salesforce.org.add_fields("Lead", Field("Fit__c", "double", writable=False, calculated=True))
    return sandbox


@pytest.fixture
def using(org: Sandbox, world: SimulatedWorld) -> Iterator[SalesforceConnector]:
    """The formula field is mapped."""
    connector = connect(org, world, options(mapped=FIT))
    yield connector
    connector.close()


def test_p16_a_formula_that_is_used_is_read_again(
    using: SalesforceConnector, org: Sandbox, world: SimulatedWorld
) -> None:
    record = lead(org)
    world.advance(3600)
    _, cursor = drain(using, "Lead")
    _, again = drain(using, "Lead.calculated")
    org.salesforce.recalculate("Lead", record, {"Fit__c": 7.0})
    assert people(drain(using, "Lead", cursor)[0]) == {}  # nothing shows that it changed
    pages, after = drain(using, "Lead.calculated", again)
    assert people(pages)[record].fields == '{"fit": "7"}'
    assert (after.position, after.until_ms) == (None, None)


def test_the_first_pass_asks_nothing(using: SalesforceConnector, org: Sandbox) -> None:
    lead(org)
    drain(using, "Lead")
    asked = len(org.requests)
    pages, _ = drain(using, "Lead.calculated")
    assert (len(org.requests), [page.seen for page in pages]) == (asked, [0])


@pytest.mark.parametrize("everything", [False, True])
def test_where_nothing_uses_a_formula_nothing_is_read(
    org: Sandbox, world: SimulatedWorld, everything: bool
) -> None:
    lead(org)
    connector = connect(org, world, options(all_fields=everything))
    drain(connector, "Lead")
    _, cursor = drain(connector, "Lead.calculated")
    asked = len(org.requests)
    drain(connector, "Lead.calculated", cursor)
    assert len(org.requests) == asked
    connector.close()


def test_it_costs_a_call_a_page_and_can_be_resumed(
    using: SalesforceConnector, org: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 5)
    records = {lead(org, LastName=f"L{number}") for number in range(12)}
    gone, converted = lead(org), lead(org)
    org.delete("salesforce", "Lead", gone)
    org.convert(converted)
    _, cursor = drain(using, "Lead.calculated")
    pages, _ = drain(using, "Lead.calculated", cursor)
    assert set(people(pages)) == records
    assert not [stone for page in pages for stone in page.tombstones]
    assert sum(page.calls for page in pages) == len(pages) == 3
    first = next(iter(using.changes(feed_of(using, "Lead.calculated"), cursor)))
    rest, _ = drain(using, "Lead.calculated", Cursor.from_json(first.cursor.to_json()))
    assert set(people([first])) | set(people(rest)) == records
    assert not set(people([first])) & set(people(rest))


def test_a_field_that_vanishes_under_way_is_described_anew(using: SalesforceConnector, org: Sandbox) -> None:
    record = lead(org, Title="VP")
    drain(using, "Lead")
    _, cursor = drain(using, "Lead.calculated")
    org.switches.sf_missing_fields.add("Lead.Title")
    pages, _ = drain(using, "Lead.calculated", cursor)
    assert people(pages)[record].job_title is None


def test_an_object_that_is_missing_is_told_once(sandbox: Sandbox, world: SimulatedWorld) -> None:
    """By its own feed; there is nothing to refresh."""
    sandbox.switches.sf_absent.add("Opportunity")
    connector = connect(sandbox, world)
    pages, cursor = drain(connector, "Opportunity.calculated")
    again, _ = drain(connector, "Opportunity.calculated", cursor)
    assert [page.seen for page in (*pages, *again)] == [0, 0]
    connector.close()


def test_the_schedule_can_be_changed_or_ended(sandbox: Sandbox, world: SimulatedWorld) -> None:
    hourly = connect(sandbox, world, options(refresh_calculated=3600))
    assert feed_of(hourly, "Contact.calculated").every == 3600
    never = connect(sandbox, world, options(refresh_calculated=0))
    assert not [feed for feed in never.feeds() if feed.every]
    hourly.close()
    never.close()
