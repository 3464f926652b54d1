"""What is pulled of which object and how often; sweeps of every object; reading again from a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from connectors.errors import Retriable
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, GoneReason
from connectors.salesforce import soql
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.salesforce.schema import Field
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from sync.mirror import cursors
from sync.mirror.engine import Mirror
from sync.mirror.runs import get_meta
from tests.databases import mirror_url
from tests.pipeline.small import Small, small
from tests.unit.salesforce.helpers import sandbox_settings
from tests.world import SimulatedWorld

DAY = 86_400
TABLES = {
    "Lead": "person_record WHERE object = 'Lead' AND NOT gone",
    "Contact": "person_record WHERE object = 'Contact' AND NOT gone",
    "Account": "company_record WHERE NOT gone",
    "Opportunity": "deal_record WHERE NOT gone",
    "Task": "engagement WHERE source = 'salesforce.task' AND NOT deleted",
    "Event": "engagement WHERE source = 'salesforce.event' AND NOT deleted",
    "CampaignMember": "engagement WHERE source = 'salesforce.campaign_member' AND NOT deleted",
}


def over(sandbox: Sandbox, world: SimulatedWorld, folder: Path, **pull: Any) -> Small:
    """A mirror of the sandbox's Salesforce; `pull`: settings of that table, `mapped` those of PullOptions."""
    mapped = pull.pop("mapped", {})
    settings = Settings.model_validate({"pull": pull})
    options = PullOptions(EngagementMapper(), mapped=mapped, objects=settings.pull.objects)
    connector = SalesforceConnector(sandbox_settings(sandbox), options, world, UnlimitedBudget())
    return Small(Mirror(mirror_url(folder), world), world, {"salesforce": connector}, settings)


@pytest.fixture
def here(sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path) -> Iterator[Small]:
    made = over(sandbox, world, tmp_path)
    yield made
    made.mirror.close()


def ids(here: Small, object_name: str) -> set[str]:
    return {row[0] for row in here.select(f"SELECT id FROM {TABLES[object_name]}")}


def pulled(here: Small, *, full: bool = False) -> dict[str, Any]:
    counts = here.pull(full=full)["salesforce"]
    assert here.problems == []
    return counts


def make(sandbox: Sandbox, object_name: str, number: int, **more: Any) -> str:
    """A record of that object, with what it hangs on."""
    create = sandbox.create
    if object_name == "CampaignMember":
        lead = create("salesforce", "Lead", {"LastName": f"M{number}", "Company": "Acme"})
        campaign = create("salesforce", "Campaign", {"Name": f"Fair {number}"})
        values: dict[str, Any] = {"CampaignId": campaign, "LeadId": lead, "Status": "Responded"}
    else:
        values = {
            "Lead": {"LastName": f"L{number}", "Company": "Acme"},
            "Contact": {"LastName": f"C{number}"},
            "Account": {"Name": f"A{number}"},
            "Opportunity": {
                "Name": f"O{number}",
                "StageName": "Prospecting",
                "CloseDate": "2027-01-01",
            },
            "Task": {"Subject": f"T{number}", "Status": "Completed", "Type": "Call"},
            "Event": {"Subject": f"E{number}", "StartDateTime": "2026-10-01T08:00:00.000+0000"},
        }[object_name]
    return create("salesforce", object_name, {**values, **more})


# Sweeps


@pytest.mark.parametrize("object_name", TABLES)
def test_p23_what_went_for_good_long_ago_is_found_by_the_sweep(
    here: Small, sandbox: Sandbox, world: SimulatedWorld, object_name: str
) -> None:
    records = [make(sandbox, object_name, number) for number in range(6)]
    pulled(here)
    assert ids(here, object_name) == set(records)
    for record in records[:2]:
        sandbox.salesforce.purge(object_name, record)
    world.advance(20 * DAY)  # getDeleted reaches back 15 days
    pulled(here)
    assert ids(here, object_name) == set(records)
    counts = pulled(here, full=True)
    assert ids(here, object_name) == set(records[2:])
    assert counts[object_name].gone == 2
    assert counts[object_name].balanced
    stones = here.select("SELECT id, reason FROM tombstone WHERE object = :o", o=object_name)
    assert sorted(stones) == sorted((record, GoneReason.ABSENT.value) for record in records[:2])


@pytest.mark.parametrize("covered", [True, False])
def test_p23_a_campaign_member_goes_whether_getdeleted_tells_of_it_or_not(
    here: Small, sandbox: Sandbox, world: SimulatedWorld, covered: bool
) -> None:
    sandbox.switches.sf_junction_in_get_deleted = covered
    kept, lost = (make(sandbox, "CampaignMember", number) for number in range(2))
    pulled(here)
    sandbox.delete("salesforce", "CampaignMember", lost)
    world.advance(300)
    pulled(here)
    assert ids(here, "CampaignMember") == ({kept} if covered else {kept, lost})
    pulled(here, full=True)
    assert ids(here, "CampaignMember") == {kept}


def test_p23_a_sweep_of_any_object_asks_before_it_buries_many(
    here: Small, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    records = [make(sandbox, "Task", number) for number in range(60)]
    pulled(here)
    for record in records[:6]:
        sandbox.salesforce.purge("Task", record)
    world.advance(20 * DAY)
    here.pull(full=True)
    assert [(one.code, one.exit_code) for one in here.problems] == [("SF-SWEEP_LIMIT", 6)]
    assert "6 of 60 Task records" in here.problems[0].message
    assert ids(here, "Task") == set(records)


def test_a_sweep_costs_a_call_per_2000_ids(
    here: Small, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 10)
    for number in range(25):
        make(sandbox, "Account", number)
    pulled(here)
    seen = len(sandbox.requests)
    pulled(here, full=True)
    asked = [str(one.query) for one in sandbox.requests[seen:] if "/query" in one.path]
    assert sum("SELECT Id FROM Account" in text for text in asked) == 3


def test_a_sweep_that_was_cut_short_goes_on_where_it_stopped(
    here: Small, sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 2)
    records = sorted(make(sandbox, "Lead", number) for number in range(9))
    pulled(here)
    sandbox.salesforce.purge("Lead", records[8])
    world.advance(20 * DAY)
    connector = here.connectors["salesforce"]
    whole, listed = connector.ids, list[str]()

    def cut(object_name: str, after: str = "") -> Iterator[Sequence[str]]:
        for batch in whole(object_name, after):
            if object_name == "Lead" and len(listed) == 4:
                raise Retriable("timeout", crm="salesforce")
            listed.extend(batch if object_name == "Lead" else ())
            yield batch

    connector.ids = cut
    here.pull(full=True)
    assert [one.code for one in here.problems] == ["SF-UNREACHABLE"]
    assert (listed, ids(here, "Lead")) == (records[:4], set(records))
    connector.ids = whole
    seen = len(sandbox.requests)
    pulled(here, full=True)
    asked = [str(one.query) for one in sandbox.requests[seen:] if "SELECT Id FROM Lead" in str(one.query)]
    assert f"Id > '{records[3]}'" in asked[0]
    assert ids(here, "Lead") == set(records[:8])
    assert here.select("SELECT count(*) FROM sweep_id") == [(0,)]
    with here.mirror.read() as conn:
        assert get_meta(conn, "sweep:salesforce.Lead") is None


def test_an_old_listing_is_not_gone_on_with(
    here: Small, sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 2)
    records = sorted(make(sandbox, "Lead", number) for number in range(5))
    pulled(here)
    connector = here.connectors["salesforce"]
    whole = connector.ids

    def cut(object_name: str, after: str = "") -> Iterator[Sequence[str]]:
        yield from list(whole(object_name, after))[:1]
        raise Retriable("timeout", crm="salesforce")

    connector.ids = cut
    here.pull(full=True)
    connector.ids = whole
    sandbox.salesforce.purge("Lead", records[0])
    world.advance(20 * DAY)
    pulled(here, full=True)
    assert ids(here, "Lead") == set(records[1:])


# Which objects, how often


def test_an_object_that_is_off_is_not_asked_for(
    sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path
) -> None:
    make(sandbox, "Opportunity", 1)
    here = over(sandbox, world, tmp_path, objects={"salesforce.Opportunity": {"on": False}})
    assert "Opportunity" not in pulled(here, full=True)
    assert not [one for one in sandbox.requests if "Opportunity " in str(one.query)]
    assert not [one for one in sandbox.requests if "/sobjects/Opportunity/" in one.path]
    here.mirror.close()


def test_an_object_of_its_own_pace(sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path) -> None:
    here = over(sandbox, world, tmp_path, objects={"salesforce.Account": {"every": "1h"}})
    pulled(here)
    account = make(sandbox, "Account", 1)
    world.advance(1800)
    assert "Account" not in pulled(here)
    assert ids(here, "Account") == set()
    world.advance(1800)
    assert pulled(here)["Account"].stored == 1
    assert ids(here, "Account") == {account}
    world.advance(60)
    assert "Account" in pulled(here, full=True)
    here.mirror.close()


def test_the_fields_of_one_object(sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path) -> None:
    chosen = {"salesforce.Lead": {"fields": "all"}}
    here = over(sandbox, world, tmp_path, objects=chosen)
    make(sandbox, "Lead", 1, Website="acme.com")
    make(sandbox, "Contact", 1, Department="Sales")
    pulled(here)
    raw = dict(here.select("SELECT object, raw FROM person_record"))
    assert "acme.com" in raw["Lead"]
    assert "Sales" not in raw["Contact"]
    here.mirror.close()


def test_p16_formula_fields_are_refreshed_at_their_own_pace(
    sandbox: Sandbox, world: SimulatedWorld, tmp_path: Path
) -> None:
    formula = Field("Fit__c", "double", writable=False, calculated=True)
    sandbox.salesforce.org.add_fields("Lead", formula)
    record = make(sandbox, "Lead", 1)
    here = over(sandbox, world, tmp_path, mapped={"Lead": {"fit": "Fit__c"}})
    here.settings = Settings.model_validate({"mapping": {"fields": {"salesforce.Lead": {"fit": "Fit__c"}}}})
    fit = "SELECT fields FROM person_record"
    pulled(here)
    world.advance(3600)
    pulled(here)
    sandbox.salesforce.recalculate("Lead", record, {"Fit__c": 3.0})
    world.advance(3600)
    quiet = pulled(here)["Lead"]
    assert (quiet.seen, here.select(fit)) == (0, [('{"fit": null}',)])
    world.advance(DAY)
    again = pulled(here)["Lead"]
    assert (again.seen, again.stored, here.select(fit)) == (1, 1, [('{"fit": "3"}',)])
    assert again.calls <= quiet.calls + 2  # the refresh, and describing anew after an hour
    world.advance(3600)
    assert pulled(here)["Lead"].seen == 0
    here.mirror.close()


# Reading again


def test_reading_again_from_a_moment(here: Small, sandbox: Sandbox, world: SimulatedWorld) -> None:
    for number in range(5):
        make(sandbox, "Lead", number)
    pulled(here)
    world.advance(DAY)
    since_ms = int(world.now().timestamp()) * 1000
    make(sandbox, "Lead", 9)
    world.advance(3600)
    pulled(here)
    world.advance(60)
    connector = here.connectors["salesforce"]
    feeds = [feed for feed in connector.feeds() if not feed.every]
    with here.mirror.write() as conn:
        for feed in feeds:
            cursors.rewind(conn, feed, since_ms, int(world.now().timestamp()))
    counts = pulled(here)["Lead"]
    assert (counts.seen, counts.unchanged) == (1, 1)


def test_a_pace_begins_when_a_feed_was_read_to_its_end(tmp_path: Path) -> None:
    """A pass that was cut short is due at once."""
    here = small(
        tmp_path, Settings.model_validate({"pull": {"objects": {"hubspot.contacts": {"every": "1h"}}}})
    )
    hubspot = here.connectors["hubspot"]
    hubspot._page_size = 2
    for number in range(5):
        hubspot.put("contacts", f"{number}", email=f"p{number}@x.com")
    whole = hubspot.changes

    def cut(feed: Any, cursor: Cursor | None) -> Iterator[Any]:
        for number, page in enumerate(whole(feed, cursor)):
            if number:
                raise Retriable("timeout", crm="hubspot")
            yield page

    hubspot.changes = cut
    here.pull("hubspot")
    hubspot.changes = whole
    assert here.pull("hubspot")["hubspot"]["contacts"].stored == 3
    assert "contacts" not in here.pull("hubspot")["hubspot"]
    here.mirror.close()
