"""Engagement rules that change later, and engagements that are archived: nothing keeps its former kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from config.settings import Settings
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.sandbox import Sandbox
from connectors.throttle import UnlimitedBudget
from sync.app import pull_options
from sync.mirror.engine import Mirror
from tests.databases import mirror_url
from tests.pipeline.on_hubspot import CRM, HOUR, Configured, configurable, contact, engagements, pull, rule
from tests.pipeline.small import Small
from tests.unit.salesforce.helpers import sandbox_settings
from tests.world import SimulatedWorld


@pytest.fixture
def mirror(world: SimulatedWorld, tmp_path: Path) -> Iterator[Mirror]:
    made = Mirror(mirror_url(tmp_path), world)
    yield made
    made.close()


@pytest.fixture
def on_hubspot(sandbox: Sandbox, world: SimulatedWorld, mirror: Mirror) -> Configured:
    return configurable(sandbox, world, mirror)


@pytest.fixture
def on_salesforce(sandbox: Sandbox, world: SimulatedWorld, mirror: Mirror) -> Configured:
    def make(**sections: Any) -> Small:
        settings = Settings.model_validate(sections)
        options = pull_options(settings)
        connector = SalesforceConnector(sandbox_settings(sandbox), options, world, UnlimitedBudget())
        return Small(mirror, world, {"salesforce": connector}, settings)

    return make


def kinds(here: Small, source: str) -> list[str]:
    return [row[1] for row in engagements(here, source)]


def pulled(here: Small) -> None:
    here.pull()
    assert here.problems == []


# Salesforce


def activities(sandbox: Sandbox) -> None:
    create = sandbox.create
    lead = create("salesforce", "Lead", {"LastName": "L", "Company": "Acme"})
    campaign = create("salesforce", "Campaign", {"Name": "Fair"})
    create("salesforce", "CampaignMember", {"CampaignId": campaign, "LeadId": lead, "Status": "Responded"})
    for subject in ("Hello", "Internal"):
        values = {"Subject": subject, "Status": "Completed", "Type": "Call", "WhoId": lead}
        create("salesforce", "Task", values)
    create(
        "salesforce",
        "Event",
        {"Subject": "Demo", "StartDateTime": "2026-10-01T08:00:00.000+0000", "WhoId": lead},
    )


def test_salesforce_rows_that_no_rule_takes_any_more_are_over(
    on_salesforce: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    activities(sandbox)
    sources = [f"salesforce.{name}" for name in ("campaign_member", "task", "event")]
    as_shipped = on_salesforce()
    pulled(as_shipped)
    before = [kind for source in sources for kind in kinds(as_shipped, source)]
    assert before == ["campaign_responded", "call", "call", "meeting"]
    world.advance(HOUR)
    ignoring = [
        rule("salesforce.campaign_member", "ignore"),
        rule("salesforce.task", "ignore", Subject="Internal*"),
        rule("salesforce.event", "webinar_attended"),
    ]
    changed = on_salesforce(engagement={"rules": ignoring})
    pulled(changed)
    after = [kind for source in sources for kind in kinds(changed, source)]
    assert after == ["call", "webinar_attended"]
    world.advance(HOUR)
    pulled(on_salesforce())
    assert [kind for source in sources for kind in kinds(as_shipped, source)] == before


def test_the_task_of_a_mail_is_over_once_the_mail_itself_is_pulled(
    on_salesforce: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    lead = sandbox.create("salesforce", "Lead", {"LastName": "L", "Company": "Acme"})
    values = {"Subject": "Email: hi", "Status": "Completed", "TaskSubtype": "Email", "WhoId": lead}
    sandbox.create("salesforce", "Task", values)
    here = on_salesforce()
    pulled(here)
    assert kinds(here, "salesforce.task") == ["email_logged"]
    world.advance(HOUR)
    pulled(on_salesforce(pull={"objects": {"salesforce.EmailMessage": {"on": True}}}))
    assert kinds(here, "salesforce.task") == []


def test_a_source_of_which_no_rule_is_left_is_over(
    on_salesforce: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    """Histories are not read at all while no rule uses them."""
    lead = sandbox.create("salesforce", "Lead", {"LastName": "L", "Company": "Acme"})
    sandbox.edit("salesforce", "Lead", lead, {"Status": "Qualified"})
    history = rule("salesforce.lead_history", "status_changed")
    here = on_salesforce(engagement={"rules": [history]})
    pulled(here)
    assert kinds(here, "salesforce.lead_history") == ["status_changed"]
    world.advance(HOUR)
    pulled(on_salesforce())
    assert kinds(here, "salesforce.lead_history") == []


# HubSpot


def test_web_events_of_a_type_that_no_rule_names_any_more_are_over(
    on_hubspot: Configured, sandbox: Sandbox, world: SimulatedWorld, mirror: Mirror
) -> None:
    person = contact(sandbox, 1)
    sandbox.hubspot.feeds.add_visit(person, world.clock() - 30, "https://a.example/", "Home")
    here = on_hubspot(engagement={"rules": [rule("hubspot.web_event", "clicked", eventType="e_click")]})
    pull(here)
    with mirror.write() as conn:  # the simulated feed has page views alone
        conn.execute(
            text(
                "INSERT INTO engagement (crm, source, id, kind, is_bot, deleted, modified_ms, raw, "
                "rules_version, changed, first_seen) "
                "VALUES ('hubspot', 'hubspot.web_event', 'c1', 'clicked', :no, :no, 1, :raw, 1, 1, 1)"
            ),
            {"no": False, "raw": '{"eventType" : "e_click", "id": "c1"}'},
        )
    world.advance(60)
    pull(here)
    assert sorted(kinds(here, "hubspot.web_event")) == ["clicked", "page_view"]
    world.advance(60)
    pull(on_hubspot())
    assert kinds(here, "hubspot.web_event") == ["page_view"]


def test_members_of_lists_that_no_rule_names_any_more_are_over(
    on_hubspot: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    people = [contact(sandbox, number) for number in range(3)]
    lists = sandbox.hubspot.lists
    trial, fair = lists.add("Trial users"), lists.add("Fair guests")
    lists.join(trial, people)
    lists.join(fair, people[:2])
    source = "hubspot.list_membership"
    joined = "list_joined"
    both = [rule(source, joined, listName=name, action="joined") for name in ("Trial*", "Fair*")]
    here = on_hubspot(engagement={"rules": both})
    pull(here)
    assert kinds(here, source) == [joined] * 5
    world.advance(2 * HOUR)
    pull(on_hubspot(engagement={"rules": both[1:]}))
    assert kinds(here, source) == [joined] * 2
    world.advance(2 * HOUR)
    left = rule(source, "list_left", listName="Fair*", action="left")
    pull(on_hubspot(engagement={"rules": [left]}))
    assert kinds(here, source) == []
    world.advance(2 * HOUR)
    pull(on_hubspot(engagement={"rules": both}))
    assert kinds(here, source) == [joined] * 5
    world.advance(2 * HOUR)
    pull(on_hubspot())  # no rule for any list: they are not even listed
    assert kinds(here, source) == []


@pytest.mark.parametrize("activity", ["calls", "emails", "meetings", "communications"])
def test_p7_an_activity_that_was_archived_is_over_for_all_who_took_part(
    on_hubspot: Configured, sandbox: Sandbox, world: SimulatedWorld, activity: str
) -> None:
    people = [contact(sandbox, number) for number in range(2)]
    when = {"hs_timestamp": "2026-11-01T10:00:00Z"}
    kept, gone, alone = (sandbox.create(CRM, activity, when) for _ in range(3))
    for one in (kept, gone):
        for person in people:
            sandbox.hubspot.associate(activity, one, "contacts", person)
    here = on_hubspot()
    world.advance(5 * HOUR)  # out of what is read again for a late index
    pull(here)
    source = f"hubspot.{activity}"
    assert len(kinds(here, source)) == 5
    sandbox.delete(CRM, activity, gone)
    sandbox.delete(CRM, activity, alone)
    world.advance(2 * HOUR)
    pull(here)
    assert [row[0] for row in engagements(here, source)] == people
    world.advance(60)
    seen = len(sandbox.requests)
    pull(here)
    asked = [one for one in sandbox.requests[seen:] if "archived=true" in one.query and activity in one.path]
    assert asked == []  # once an hour


def test_p7_notes_are_looked_for_in_the_archive_where_they_are_read(
    on_hubspot: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    person = contact(sandbox, 1)
    note = sandbox.create(CRM, "notes", {"hs_timestamp": "2026-11-01T10:00:00Z"})
    sandbox.hubspot.associate("notes", note, "contacts", person)
    here = on_hubspot(engagement={"rules": [rule("hubspot.notes", "note")]})
    pull(here)
    assert kinds(here, "hubspot.notes") == ["note"]
    sandbox.delete(CRM, "notes", note)
    world.advance(2 * HOUR)
    pull(here)
    assert kinds(here, "hubspot.notes") == []


def test_who_took_part_comes_and_goes(
    on_hubspot: Configured, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    person, other = contact(sandbox, 1), contact(sandbox, 2)
    call = sandbox.create(CRM, "calls", {"hs_call_title": "Hi", "hs_timestamp": "2026-10-01T10:00:00Z"})
    here = on_hubspot()

    def took_part() -> list[str | None]:
        pull(here)
        world.advance(60)
        sandbox.edit(CRM, "calls", call, {"hs_call_title": f"Hi {world.now()}"})
        return [row[0] for row in engagements(here, "hubspot.calls")]

    assert took_part() == [None]
    sandbox.hubspot.associate("calls", call, "contacts", person)
    assert took_part() == [person]
    sandbox.hubspot.associate("calls", call, "contacts", other)
    assert took_part() == [person, other]
    sandbox.hubspot.portal.links.remove("calls", call, "contacts", person)
    assert took_part() == [other]
    sandbox.hubspot.portal.links.remove("calls", call, "contacts", other)
    assert took_part() == [None]
