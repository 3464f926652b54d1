"""Pulling from the sandbox: nothing is lost, everything is what it was, and a tick is cheap."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest

from config.settings import Condition, EngagementRule
from connectors.errors import NotOffered, QuotaSpent, RightMissing
from connectors.mapping import EngagementMapper
from connectors.options import PullOptions
from connectors.records import Cursor, FeedKind, GoneReason, Page, PersonRecord
from connectors.salesforce import soql
from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.feeds import SPECS
from connectors.sandbox.sandbox import Sandbox
from tests.unit.salesforce.helpers import connect, error
from tests.unit.salesforce.pulling import drain, feed_of, lead, people
from tests.world import SimulatedWorld


@pytest.fixture
def connector(sandbox: Sandbox, world: SimulatedWorld) -> Iterator[SalesforceConnector]:
    connector = connect(sandbox, world)
    yield connector
    connector.close()


# What a record says


def test_a_lead_in_full(sandbox: Sandbox, world: SimulatedWorld) -> None:
    options = PullOptions(
        engagement=EngagementMapper(),
        mapped={"Lead": {"rating": "Rating", "score": "MQL_Score__c", "type": "RecordType.DeveloperName"}},
        also={"Lead": ("MQL_Grade__c", "No_Such_Field__c")},
    )
    connector = connect(sandbox, world, options)
    record_id = lead(
        sandbox,
        FirstName="Ann",
        Title="VP",
        NumberOfEmployees=120,
        Industry="Technology",
        Country="Germany",
        City="Berlin",
        LeadSource="Web",
        Status="MQL",
        HasOptedOutOfEmail=True,
        Rating="Hot",
        MQL_Score__c=85.5,
        MQL_Grade__c="A1",
    )
    pages, _ = drain(connector, "Lead")
    found = people(pages)[record_id]
    assert found._replace(raw="", created_ms=0, modified_ms=0, version="", owner_id=None) == PersonRecord(
        crm="salesforce", object="Lead", id=record_id, email="ann@acme.com", additional_emails=None,
        first_name="Ann", last_name="Smith", job_title="VP", company_name="Acme", company_id=None,
        company_size=120, industry="Technology", country="Germany", state=None, city="Berlin",
        lead_source="Web", status="MQL", lifecycle=None, owner_id=None, opted_out=True, record_type=None,
        sf_lead_id=None, sf_contact_id=None, created_ms=0, modified_ms=0, version="",
        fields='{"rating": "Hot", "score": "85.5", "type": null}', raw="",
    )  # fmt: skip
    raw = json.loads(found.raw)
    assert raw["MQL_Grade__c"] == "A1"
    assert raw["LastModifiedDate"] == found.version
    assert "Description" not in raw
    assert found.modified_ms == int(world.now().timestamp()) * 1000
    connector.close()


def test_a_contact_an_account_and_a_deal(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    account = sandbox.create(
        "salesforce", "Account", {"Name": "Acme", "Website": "www.acme.com", "NumberOfEmployees": 50}
    )
    contact = sandbox.create(
        "salesforce",
        "Contact",
        {"LastName": "C", "AccountId": account, "MailingCountry": "France", "Email": "c@acme.com"},
    )
    deal = sandbox.create(
        "salesforce",
        "Opportunity",
        {
            "Name": "Big",
            "StageName": "Closed Won",
            "CloseDate": "2026-10-01",
            "AccountId": account,
            "Amount": 5,
        },
    )
    company = drain(connector, "Account")[0][0].companies[0]
    assert (company.id, company.name, company.domain, company.company_size) == (
        account, "Acme", "acme.com", 50,
    )  # fmt: skip
    person = people(drain(connector, "Contact")[0])[contact]
    assert (person.company_id, person.country, person.company_name, person.status) == (
        account, "France", None, None,
    )  # fmt: skip
    found = drain(connector, "Opportunity")[0][0].deals[0]
    assert (found.id, found.stage, found.is_closed, found.is_won, found.amount, found.company_id) == (
        deal, "Closed Won", True, True, 5.0, account,
    )  # fmt: skip
    assert found.closed_ms == 1790812800000


def test_owners_are_users_and_queues(connector: SalesforceConnector) -> None:
    users = {owner.name: owner for owner in drain(connector, "User")[0][0].owners}
    assert users["Ada Admin"].kind == "person"
    assert users["Automated Process"].kind == "integration"
    assert users["MQL Integration"].kind == "integration"  # that is us
    queues = drain(connector, "Group")[0][0].owners
    assert {queue.name for queue in queues} == {"Inbound", "MQL"}
    assert {queue.kind for queue in queues} == {"queue"}
    assert {owner.id for owner in connector.owners()} == {owner.id for owner in (*users.values(), *queues)}


# Engagement


def test_engagement_by_the_rules(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    someone = lead(sandbox)
    campaign = sandbox.create("salesforce", "Campaign", {"Name": "Spring webinar", "Type": "Webinar"})
    member = sandbox.create(
        "salesforce",
        "CampaignMember",
        {"CampaignId": campaign, "LeadId": someone, "Status": "Responded"},
    )
    call = sandbox.create(
        "salesforce",
        "Task",
        {"WhoId": someone, "Subject": "Call", "TaskSubtype": "Call", "Status": "Completed"},
    )
    sandbox.create("salesforce", "Task", {"WhoId": someone, "Subject": "To do"})
    meeting = sandbox.create(
        "salesforce",
        "Event",
        {"WhoId": someone, "Subject": "Demo", "StartDateTime": "2026-11-01T10:00:00.000+0000"},
    )
    members = drain(connector, "CampaignMember")[0][0].engagements
    tasks, cursor = drain(connector, "Task")
    events = drain(connector, "Event")[0][0].engagements
    assert [(e.id, e.kind, e.asset, e.person_object, e.person_id) for e in members] == [
        (member, "webinar_registered", "Spring webinar", "Lead", someone)
    ]
    assert [(e.id, e.kind) for page in tasks for e in page.engagements] == [(call, "call")]
    assert [(e.id, e.kind, e.occurred_at) for e in events] == [(meeting, "meeting", 1793527200)]
    assert {(e.source, e.deleted) for e in (*members, *events)} == {
        ("salesforce.campaign_member", False),
        ("salesforce.event", False),
    }
    sandbox.edit("salesforce", "Task", call, {"Status": "Not Started"})
    again = [e for page in drain(connector, "Task", cursor)[0] for e in page.engagements]
    assert {e.id: e.deleted for e in again}[call] is True


def test_an_own_rule_may_look_at_any_field(sandbox: Sandbox, world: SimulatedWorld) -> None:
    rule = EngagementRule(
        source="salesforce.campaign_member",
        when={"Campaign.Status": Condition(equals="Completed"), "Nope__c": Condition(equals="")},
        kind="survey_answered",
    )
    connector = connect(sandbox, world, PullOptions(engagement=EngagementMapper((rule,))))
    campaign = sandbox.create("salesforce", "Campaign", {"Name": "NPS", "Status": "Completed"})
    sandbox.create("salesforce", "CampaignMember", {"CampaignId": campaign, "LeadId": lead(sandbox)})
    assert [e.kind for e in drain(connector, "CampaignMember")[0][0].engagements] == ["survey_answered"]
    connector.close()


# Links


def test_links_are_whole_sets_per_contact(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    ann, bob = (sandbox.create("salesforce", "Contact", {"LastName": name}) for name in ("Ann", "Bob"))
    deals = [
        sandbox.create(
            "salesforce",
            "Opportunity",
            {"Name": f"D{n}", "StageName": "Prospecting", "CloseDate": "2026-12-01"},
        )
        for n in range(3)
    ]

    def role(contact: str, deal: str, name: str, *, primary: bool = False) -> str:
        values = {"ContactId": contact, "OpportunityId": deal, "Role": name, "IsPrimary": primary}
        return sandbox.create("salesforce", "OpportunityContactRole", values)

    first = role(ann, deals[0], "Decision Maker", primary=True)
    role(ann, deals[0], "Business User")
    role(ann, deals[1], "Evaluator")
    role(bob, deals[1], "Evaluator")
    pages, cursor = drain(connector, "OpportunityContactRole")
    sets = {one.from_id: one for page in pages for one in page.links}
    assert set(sets) == {ann, bob}
    assert [(link.to_id, link.types, link.is_primary) for link in sets[ann].links] == [
        (deals[0], "Business User,Decision Maker", True),
        (deals[1], "Evaluator", False),
    ]
    sandbox.delete("salesforce", "OpportunityContactRole", first)
    role(bob, deals[2], "Other")
    pages, _ = drain(connector, "OpportunityContactRole", cursor)
    sets = {one.from_id: one for page in pages for one in page.links}
    assert [link.types for link in sets[ann].links] == ["Business User", "Evaluator"]
    assert [link.to_id for link in sets[bob].links] == [deals[1], deals[2]]


def test_links_of_many_contacts_come_in_pages_that_can_be_resumed(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 3)
    deal = {"Name": "D", "StageName": "Prospecting", "CloseDate": "2026-12-01"}
    deals = [sandbox.create("salesforce", "Opportunity", deal) for _ in range(7)]
    contacts = [sandbox.create("salesforce", "Contact", {"LastName": f"C{n}"}) for n in range(4)]
    for number, count in enumerate((2, 7, 1, 2)):  # one contact alone fills more than a page
        for deal_id in deals[:count]:
            values = {"ContactId": contacts[number], "OpportunityId": deal_id}
            sandbox.create("salesforce", "OpportunityContactRole", values)
    connector = connect(sandbox, world)
    pages, _ = drain(connector, "OpportunityContactRole")
    wanted = dict(zip(contacts, (2, 7, 1, 2), strict=True))
    assert {one.from_id: len(one.links) for page in pages for one in page.links} == wanted
    assert len(pages) > 2
    feed = feed_of(connector, "OpportunityContactRole")
    for number, page in enumerate(pages[:-1]):
        before = {one.from_id for earlier in pages[: number + 1] for one in earlier.links}
        rest = connector.changes(feed, Cursor.from_json(page.cursor.to_json()))
        after = {one.from_id: len(one.links) for later in rest for one in later.links}
        assert before | set(after) == set(contacts)
    connector.close()


# Gone


def test_deleted_merged_and_converted(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    deleted, winner, loser, converted, kept = (
        lead(sandbox, Email=f"{n}@acme.com", LastName=str(n)) for n in range(5)
    )
    sandbox.delete("salesforce", "Lead", deleted)
    sandbox.merge("salesforce", "Lead", winner, loser)
    contact = sandbox.convert(converted)["contact"]
    pages, _ = drain(connector, "Lead")
    stones = {stone.id: (stone.reason, stone.to_object, stone.to_id) for stone in pages[0].tombstones}
    assert stones == {
        deleted: (GoneReason.DELETED, None, None),
        loser: (GoneReason.MERGED, "Lead", winner),
        converted: (GoneReason.CONVERTED, "Contact", contact),
    }
    assert set(people(pages)) == {winner, kept}
    assert pages[0].seen == 2


def test_hard_deletes_and_what_came_back(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    purged, loser, winner, returned = (lead(sandbox, LastName=str(n)) for n in range(4))
    _, cursor = drain(connector, "Lead.deleted")
    world.advance(120)
    for gone in (purged, returned):
        sandbox.delete("salesforce", "Lead", gone)
    sandbox.salesforce.purge("Lead", purged)
    sandbox.merge("salesforce", "Lead", winner, loser)
    sandbox.salesforce.undelete("Lead", returned)
    world.advance(120)
    pages, cursor = drain(connector, "Lead.deleted", cursor)
    stones = {stone.id: (stone.reason, stone.to_id) for stone in pages[0].tombstones}
    assert stones == {purged: (GoneReason.DELETED, None), loser: (GoneReason.MERGED, winner)}
    assert pages[0].seen == 0
    world.advance(300)
    before = connector.calls
    assert drain(connector, "Lead.deleted", cursor)[0][0].tombstones == ()
    assert connector.calls - before == 1


def test_a_campaign_member_is_deleted_for_good(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    campaign = sandbox.create("salesforce", "Campaign", {"Name": "C"})
    member = sandbox.create("salesforce", "CampaignMember", {"CampaignId": campaign, "LeadId": lead(sandbox)})
    _, cursor = drain(connector, "CampaignMember.deleted")
    world.advance(60)
    sandbox.delete("salesforce", "CampaignMember", member)
    world.advance(120)
    pages, _ = drain(connector, "CampaignMember.deleted", cursor)
    assert [(stone.object, stone.id) for stone in pages[0].tombstones] == [("CampaignMember", member)]


def test_a_cursor_that_reaches_too_far_back_still_gets_what_there_is(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    gone = lead(sandbox)
    _, cursor = drain(connector, "Lead.deleted")
    world.advance(40 * 86_400)
    sandbox.delete("salesforce", "Lead", gone)
    world.advance(120)
    pages, _ = drain(connector, "Lead.deleted", cursor)
    assert [stone.id for stone in pages[0].tombstones] == [gone]


# Windows against the server


@pytest.mark.parametrize("offered", [True, False])
def test_a_late_commit_is_not_lost(sandbox: Sandbox, world: SimulatedWorld, offered: bool) -> None:
    connector = connect(sandbox, world)
    if not offered:
        body = error("NOT_FOUND", "no")
        sandbox.faults.arm("status", path="/updated|/composite$", status=404, body=body, count=None)
    record_id = lead(sandbox)
    _, cursor = drain(connector, "Lead")
    world.advance(400)
    sandbox.salesforce.edit_late("Lead", record_id, {"LastName": "Late"}, seconds=500)
    lead(sandbox, LastName="Other")
    seen: list[str | None] = []
    for _ in range(4):
        world.advance(180)
        pages, cursor = drain(connector, "Lead", cursor)
        seen += [person.last_name for person in people(pages).values() if person.id == record_id]
    assert "Late" in seen
    connector.close()


@pytest.mark.parametrize("name", ["User", "Group", "Account", "Lead", "Contact", "Task", "Opportunity"])
def test_an_idle_tick_costs_one_call(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld, name: str
) -> None:
    lead(sandbox)
    _, cursor = drain(connector, name)
    for _ in range(2):
        world.advance(300)
        _, cursor = drain(connector, name, cursor)
    for _ in range(5):
        world.advance(300)
        before = connector.calls
        pages, cursor = drain(connector, name, cursor)
        assert connector.calls - before == 1
        assert sum(page.calls for page in pages) == 1


def test_a_tick_with_changes_costs_a_call_a_page_and_one(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 10)
    refs = [lead(sandbox, LastName=str(n)) for n in range(35)]
    _, cursor = drain(connector, "Lead")
    for _ in range(2):
        world.advance(300)
        _, cursor = drain(connector, "Lead", cursor)
    world.advance(300)
    for record_id in refs:
        sandbox.edit("salesforce", "Lead", record_id, {"Title": "VP"})
    before = connector.calls
    world.advance(60)
    pages, cursor = drain(connector, "Lead", cursor)
    assert set(people(pages)) == set(refs)
    assert connector.calls - before <= 4 + 2
    world.advance(300)
    before = connector.calls
    assert people(drain(connector, "Lead", cursor)[0]) == {}
    assert connector.calls - before == 1


def test_ties_longer_than_a_page(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 7)
    refs = {lead(sandbox, LastName=str(n)) for n in range(50)}
    connector = connect(sandbox, world)
    pages, _ = drain(connector, "Lead")
    assert set(people(pages)) == refs
    assert sum(page.seen for page in pages) == 50
    connector.close()


def test_a_server_that_gives_smaller_pages(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.switches.sf_page_size = 200
    refs = {lead(sandbox, LastName=str(n)) for n in range(450)}
    connector = connect(sandbox, world)
    pages, _ = drain(connector, "Lead")
    assert set(people(pages)) == refs
    assert {record_id for batch in connector.ids("Lead") for record_id in batch} == refs
    connector.close()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_between_pulls_the_mirror_ends_equal(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 5)
    chance = random.Random(seed)
    connector = connect(sandbox, world)
    refs = [lead(sandbox, LastName=f"L{n}") for n in range(12)]
    mirror: dict[str, PersonRecord] = {}
    locked: dict[str, float] = {}
    cursors: dict[str, Cursor | None] = {"Lead": None, "Lead.deleted": None}

    def store(page: Page) -> None:
        for person in page.people:
            if person.id not in mirror or mirror[person.id].modified_ms <= person.modified_ms:
                mirror[person.id] = person
        for stone in page.tombstones:
            mirror.pop(stone.id, None)

    def pull(*, whole: bool) -> None:
        for name in cursors:
            for page in connector.changes(feed_of(connector, name), cursors[name]):
                store(page)
                cursors[name] = Cursor.from_json(page.cursor.to_json())
                if not whole and chance.random() < 0.3:
                    return  # killed after this page
                if not whole and chance.random() < 0.3:
                    world.advance(chance.choice((1, 20)))
                    act()

    def act() -> None:
        what, record_id = chance.random(), chance.choice(refs)
        if locked.get(record_id, 0.0) > world.clock():
            return  # a transaction holds the row until it commits
        if what < 0.4:
            sandbox.edit("salesforce", "Lead", record_id, {"Title": str(chance.random())})
        elif what < 0.7:
            seconds = chance.choice((5, 90, 700))
            locked[record_id] = world.clock() + seconds
            sandbox.salesforce.edit_late("Lead", record_id, {"City": str(chance.random())}, seconds=seconds)
        elif what < 0.8:
            refs.append(lead(sandbox, LastName=f"N{len(refs)}"))

    for _ in range(15):
        act()
        world.advance(chance.choice((0, 1, 45, 300)))
        if chance.random() < 0.5:
            pull(whole=False)
    for _ in range(6):
        world.advance(400)
        pull(whole=True)
    table = sandbox.store.table("salesforce", "Lead")
    held = {r.id: (r.values.get("Title"), r.values.get("City")) for r in table}
    found = {r.id: (r.job_title, r.city) for r in mirror.values()}
    assert found == held
    connector.close()


# What the org does not offer


@pytest.mark.parametrize("name", ["CampaignMember", "Opportunity", "OpportunityContactRole", "Task", "Event"])
def test_a_missing_object_is_not_offered(sandbox: Sandbox, world: SimulatedWorld, name: str) -> None:
    sandbox.switches.sf_absent.add(name)
    connector = connect(sandbox, world)
    feed = feed_of(connector, name)
    assert feed.optional
    with pytest.raises(NotOffered) as caught:
        list(connector.changes(feed, None))
    assert caught.value.what == name
    connector.close()


def test_an_object_that_we_may_not_read(sandbox: Sandbox, world: SimulatedWorld) -> None:
    connector = connect(sandbox, world)
    sandbox.faults.arm(
        "status", path="/Task/describe", status=403, body=error("INSUFFICIENT_ACCESS", "no"), count=None
    )
    with pytest.raises(RightMissing):
        list(connector.changes(feed_of(connector, "Task"), None))
    connector.close()


def test_standard_fields_that_are_hidden_are_left_out(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.switches.sf_missing_fields |= {"Lead.HasOptedOutOfEmail", "Lead.NumberOfEmployees"}
    connector = connect(sandbox, world)
    record_id = lead(sandbox)
    found = people(drain(connector, "Lead")[0])[record_id]
    assert (found.opted_out, found.company_size, found.email) == (None, None, "ann@acme.com")
    connector.close()


def test_a_mapped_field_that_is_missing_is_named(sandbox: Sandbox, world: SimulatedWorld) -> None:
    options = PullOptions(engagement=EngagementMapper(), mapped={"Lead": {"segment": "Segment__c"}})
    connector = connect(sandbox, world, options)
    with pytest.raises(NotOffered) as caught:
        list(connector.changes(feed_of(connector, "Lead"), None))
    assert caught.value.what == "Lead.Segment__c"
    connector.close()


def test_a_field_that_vanishes_under_way_is_described_anew(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    record_id = lead(sandbox, Industry="Technology")
    _, cursor = drain(connector, "Lead")
    sandbox.switches.sf_missing_fields.add("Lead.Industry")
    sandbox.edit("salesforce", "Lead", record_id, {"Title": "VP"})
    pages, cursor = drain(connector, "Lead", cursor)
    found = people(pages)[record_id]
    assert (found.job_title, found.industry) == ("VP", None)
    sandbox.switches.sf_missing_fields.clear()
    world.advance(3700)  # describes are an hour old: the field is seen again, and read for all
    assert people(drain(connector, "Lead", cursor)[0])[record_id].industry == "Technology"


def test_a_related_field_that_vanishes_is_left_out(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    campaign = sandbox.create("salesforce", "Campaign", {"Name": "Demo day", "Type": "Webinar"})
    values = {"CampaignId": campaign, "LeadId": lead(sandbox), "Status": "Responded"}
    sandbox.create("salesforce", "CampaignMember", values)
    _, cursor = drain(connector, "CampaignMember")
    sandbox.switches.sf_missing_fields.add("Campaign.Type")
    pages, _ = drain(connector, "CampaignMember", cursor)
    assert [e.kind for page in pages for e in page.engagements] == ["demo_requested"]


def test_a_field_that_is_mapped_later_is_filled_for_old_records(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    record_id = lead(sandbox, Rating="Hot")
    _, cursor = drain(connector, "Lead")
    world.advance(7200)
    options = PullOptions(engagement=EngagementMapper(), mapped={"Lead": {"rating": "Rating"}})
    later = connect(sandbox, world, options)
    found = people(drain(later, "Lead", cursor)[0])[record_id]
    assert found.fields == '{"rating": "Hot"}'
    later.close()


def test_all_fields_fit_even_into_a_short_url(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = PullOptions(engagement=EngagementMapper(), all_fields=True)
    record_id = lead(sandbox, Phone="+49 30 1", Rating="Hot")
    gone = lead(sandbox)
    sandbox.delete("salesforce", "Lead", gone)
    connector = connect(sandbox, world, options)
    whole = people(drain(connector, "Lead")[0])[record_id]
    monkeypatch.setattr("connectors.salesforce.changes.LONGEST_URL", 600)
    pages, _ = drain(connector, "Lead")
    split = people(pages)[record_id]
    assert {stone.id for page in pages for stone in page.tombstones} == {gone}
    left = {name: value for name, value in json.loads(whole.raw).items() if name != "attributes"}
    right = {name: value for name, value in json.loads(split.raw).items() if name != "attributes"}
    assert left == right
    assert left["Phone"] == "+49 30 1"
    assert split._replace(raw="") == whole._replace(raw="")
    connector.close()


@pytest.mark.parametrize("path", ["/describe", "/deleted", "/queryAll"])
@pytest.mark.parametrize("fault", ["wrong_json", "cut", "html", "empty"])
def test_a_strange_reply_is_asked_for_again(
    sandbox: Sandbox, world: SimulatedWorld, path: str, fault: str
) -> None:
    connector = connect(sandbox, world)
    _, cursor = drain(connector, "Lead.deleted")
    record_id = lead(sandbox)
    sandbox.faults.arm(fault, path=path, status=200)
    world.advance(60)
    assert set(people(drain(connector, "Lead")[0])) == {record_id}
    sandbox.delete("salesforce", "Lead", record_id)
    world.advance(120)
    pages, _ = drain(connector, "Lead.deleted", cursor)
    assert [stone.id for stone in pages[0].tombstones] == [record_id]
    connector.close()


def test_p11_a_row_of_which_a_part_is_missing_is_asked_for_again(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.salesforce.changes.LONGEST_URL", 300)
    refs = {lead(sandbox), lead(sandbox)}
    connector = connect(sandbox, world)
    sandbox.faults.arm("status", path="/composite/sobjects/Lead", status=200, body=[None, None])
    pages, _ = drain(connector, "Lead")
    assert (set(people(pages)), pages[0].poison) == (refs, ())
    connector.close()


def test_half_a_record_is_parked(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.salesforce.changes.LONGEST_URL", 300)
    whole, half = lead(sandbox), lead(sandbox)
    connector = connect(sandbox, world)
    row = {"Id": whole, "LastName": "Smith"}
    for number, answer in enumerate(([row, None], [None])):
        path = "/composite/sobjects/Lead"
        sandbox.faults.arm("status", path=path, status=200, body=answer, skip=number)
    pages, _ = drain(connector, "Lead")
    assert [person.id for person in pages[0].people] == [whole]
    assert [(row.id, "part" in row.reason) for row in pages[0].poison] == [(half, True)]
    connector.close()


# Rows and replies that are not as they should be


def test_poison_is_parked_and_the_rest_go_on(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    good = lead(sandbox)
    stamp = "2026-11-02T08:59:00.000+0000"
    rows = [
        {"Id": "00Q00000000000XAAA"},
        {"SystemModstamp": stamp},
        "no object",
        None,
        {"Id": good, "SystemModstamp": stamp, "LastModifiedDate": stamp, "LastName": 5},
    ]
    body = {"totalSize": 5, "done": True, "records": rows}
    sandbox.faults.arm("status", path="/queryAll", status=200, body=body)
    pages, _ = drain(connector, "Lead")
    assert [row.id for row in pages[0].poison] == ["00Q00000000000XAAA", "", "", ""]
    assert all(row.reason and row.raw for row in pages[0].poison)
    assert [(person.id, person.last_name) for person in pages[0].people] == [(good, "5")]
    assert pages[0].seen == 5


def test_the_quota_may_run_out_between_pages(
    sandbox: Sandbox, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soql, "PAGE_ROWS", 5)
    refs = {lead(sandbox, LastName=str(n)) for n in range(12)}
    connector = connect(sandbox, world)
    spent = error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    sandbox.faults.arm("status", path="/queryAll", skip=1, status=403, body=spent)
    pages = connector.changes(feed_of(connector, "Lead"), None)
    first = next(pages)
    with pytest.raises(QuotaSpent):
        list(pages)
    rest, _ = drain(connector, "Lead", first.cursor)
    assert set(people([first])) | set(people(rest)) == refs
    assert 0 < first.seen < 12
    connector.close()


def test_every_feed_can_be_pulled_and_has_a_kind_of_its_own(connector: SalesforceConnector) -> None:
    feeds = connector.feeds()
    for feed in feeds:
        pages = list(connector.changes(feed, None))
        assert pages[-1].complete
    deletions = {feed.object for feed in feeds if feed.kind is FeedKind.DELETIONS}
    assert deletions == {spec.object for spec in SPECS if spec.deletions}
    assert all(feed.optional for feed in feeds if feed.kind is FeedKind.DELETIONS)
