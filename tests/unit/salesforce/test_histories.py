"""Changes of tracked fields as engagements: pulled where a rule uses them, in the order they were made."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.errors import NotOffered
from connectors.records import GoneReason
from connectors.salesforce import soql
from connectors.sandbox.sandbox import Sandbox
from tests.unit.salesforce.helpers import connect
from tests.unit.salesforce.pulling import drain, engagements, lead, options
from tests.world import SimulatedWorld

WORKED: dict[str, Any] = {
    "source": "salesforce.lead_history",
    "kind": "worked_by_sales",
    "when": {"Field": {"equals": "Status"}, "NewValue": {"glob": "Working*"}},
}


def test_no_history_is_pulled_while_nothing_uses_it(sandbox: Sandbox, world: SimulatedWorld) -> None:
    connector = connect(sandbox, world)
    assert not [feed for feed in connector.feeds() if feed.object.endswith("History")]
    connector.close()


def test_a_change_of_a_tracked_field_is_an_engagement_of_its_record(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 3)
    refs = [lead(sandbox) for _ in range(5)]
    for ref in refs:
        world.advance(60)
        sandbox.edit("salesforce", "Lead", ref, {"Status": "Working - Contacted"})
        sandbox.edit("salesforce", "Lead", ref, {"Status": "Qualified"})
    connector = connect(sandbox, world, options(rules=[WORKED]), bulk_above=1)
    feeds = {feed.object: feed for feed in connector.feeds() if feed.object.endswith("History")}
    assert set(feeds) == {"LeadHistory"}
    world.advance(3600)
    pages, cursor = drain(connector, "LeadHistory")
    found = engagements(pages)
    assert [(one.person_object, one.person_id) for one in found.values()] == [("Lead", ref) for ref in refs]
    assert {(one.kind, one.asset) for one in found.values()} == {("worked_by_sales", "Working - Contacted")}
    assert len({one.occurred_at for one in found.values()}) == 5
    sandbox.edit("salesforce", "Lead", refs[0], {"Status": "Working - Contacted"})
    pages, cursor = drain(connector, "LeadHistory", cursor)
    assert [one.person_id for one in engagements(pages).values()] == [refs[0]]
    connector.close()


def test_history_goes_with_getdeleted_and_is_never_swept(sandbox: Sandbox, world: SimulatedWorld) -> None:
    ref = lead(sandbox)
    sandbox.edit("salesforce", "Lead", ref, {"Status": "Working - Contacted"})
    connector = connect(sandbox, world, options(rules=[WORKED]))
    assert not [feed for feed in connector.feeds() if feed.object == "LeadHistory" and feed.swept]
    made = next(iter(engagements(drain(connector, "LeadHistory")[0])))
    _, cursor = drain(connector, "LeadHistory.deleted")
    sandbox.salesforce.purge("LeadHistory", made)
    world.advance(120)
    pages, _ = drain(connector, "LeadHistory.deleted", cursor)
    stones = [(stone.id, stone.reason) for page in pages for stone in page.tombstones]
    assert stones == [(made, GoneReason.DELETED.value)]
    connector.close()


def test_an_org_that_tracks_nothing_has_no_history(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.switches.sf_absent.add("LeadHistory")
    connector = connect(sandbox, world, options(rules=[WORKED]))
    feed = next(feed for feed in connector.feeds() if feed.object == "LeadHistory")
    assert feed.optional
    with pytest.raises(NotOffered):
        list(connector.changes(feed, None))
    connector.close()
