"""The live state before a write: who wrote last, who owns it, and what became of those that went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.errors import Fatal, NotOffered
from connectors.records import Author, FieldVersion, GoneReason, RecordRef
from connectors.salesforce.connector import SalesforceConnector
from connectors.sandbox.sandbox import Sandbox
from tests.unit.salesforce.helpers import connect, error
from tests.world import SimulatedWorld


@pytest.fixture
def connector(sandbox: Sandbox, world: SimulatedWorld) -> Iterator[SalesforceConnector]:
    connector = connect(sandbox, world)
    yield connector
    connector.close()


def lead(sandbox: Sandbox, **values: Any) -> str:
    known = {"LastName": "Smith", "Company": "Acme", "Email": "ann@acme.com"}
    return sandbox.create("salesforce", "Lead", {**known, **values})


def user(sandbox: Sandbox, name: str, *, active: bool = True, kind: str = "Standard") -> str:
    values = {
        "Username": f"{name}@acme.com",
        "Email": f"{name}@acme.com",
        "LastName": name,
        "IsActive": active,
        "UserType": kind,
    }
    return sandbox.create("salesforce", "User", values, author="seed")


def test_everything_that_a_decision_needs(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    owner = user(sandbox, "rep", active=False)
    record_id = lead(sandbox, OwnerId=owner, MQL_Score__c=85, Title="")
    world.advance(30)
    fields = ("Status", "OwnerId", "MQL_Score__c", "Title", "HasOptedOutOfEmail")
    live = connector.read("Lead", [record_id[:15]], fields)[0]
    assert live.ref == RecordRef("salesforce", "Lead", record_id)
    assert live.exists
    assert live.values == {
        "Status": "Open - Not Contacted",
        "OwnerId": owner,
        "MQL_Score__c": "85",
        "Title": None,
        "HasOptedOutOfEmail": "false",
    }
    assert live.version == "2026-11-02T09:00:00.000+0000"
    assert live.created_ms == live.modified_ms == int(world.now().timestamp() - 30) * 1000
    assert (live.owner_id, live.owner_kind, live.owner_active) == (owner, "person", False)
    assert live.server_ms == int(world.now().timestamp()) * 1000
    assert live.read_at == world.monotonic()


def test_a_queue_owns(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    queue = sandbox.salesforce.org.inbound_queue
    live = connector.read("Lead", [lead(sandbox, OwnerId=queue)], ["OwnerId"])[0]
    assert (live.owner_id, live.owner_kind, live.owner_active) == (queue, "queue", True)


@pytest.mark.parametrize(
    ("author", "expected"),
    [("person", Author.PERSON), ("worker", Author.US), ("automation", Author.AUTOMATION)],
)
def test_the_last_author_by_user(
    connector: SalesforceConnector, sandbox: Sandbox, author: str, expected: Author
) -> None:
    record_id = sandbox.create("salesforce", "Lead", {"LastName": "S", "Company": "A"}, author=author)
    sandbox.edit("salesforce", "Lead", record_id, {"Title": "VP"}, author=author)
    live = connector.read("Lead", [record_id], ["Title"])[0]
    assert (live.modified_by, live.created_by) == (expected, expected)


def test_a_user_that_we_may_not_see_counts_as_a_person(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    record_id = lead(sandbox)
    sandbox.edit("salesforce", "Lead", record_id, {"Title": "VP"}, actor="0055g000009999ZAAA")
    assert connector.read("Lead", [record_id], ["Title"])[0].modified_by is Author.PERSON


def test_history_says_who_wrote_a_tracked_field(
    connector: SalesforceConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    first, second = user(sandbox, "first"), user(sandbox, "second")
    record_id, untouched = lead(sandbox, OwnerId=first), lead(sandbox)
    start = int(world.now().timestamp()) * 1000
    world.advance(10)
    sandbox.edit("salesforce", "Lead", record_id, {"Status": "MQL"}, author="worker")
    world.advance(10)
    sandbox.edit("salesforce", "Lead", record_id, {"Status": "Working - Contacted"}, author="person")
    sandbox.edit("salesforce", "Lead", record_id, {"OwnerId": second}, author="automation")
    live, other = connector.read("Lead", [record_id, untouched], ["Status", "OwnerId", "Title"])
    assert live.versions["Status"] == (
        FieldVersion("Working - Contacted", start + 20_000, Author.PERSON, "LeadHistory"),
        FieldVersion("MQL", start + 10_000, Author.US, "LeadHistory"),
    )
    assert [(v.value, v.author) for v in live.versions["OwnerId"]] == [(second, Author.AUTOMATION)]
    assert live.has_history == {"Status": True, "OwnerId": True, "Title": False}
    assert other.has_history == {"Status": False, "OwnerId": False, "Title": False}
    assert other.versions == {}


def test_an_org_without_history_is_no_obstacle(sandbox: Sandbox, world: SimulatedWorld) -> None:
    sandbox.switches.sf_absent.add("LeadHistory")
    connector = connect(sandbox, world)
    live = connector.read("Lead", [lead(sandbox)], ["Status"])[0]
    assert (live.exists, live.versions) == (True, {})
    connector.close()


def test_history_that_cannot_be_asked_is_no_obstacle(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    record_id = lead(sandbox)
    sandbox.faults.arm(
        "status", query="FROM LeadHistory", status=400, body=error("MALFORMED_QUERY", "no"), count=None
    )
    assert connector.read("Lead", [record_id], ["Status"])[0].exists


def test_chains_of_merges_and_conversions_are_followed(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    a, b, c, dead, gone, end = (lead(sandbox, LastName=str(n)) for n in range(6))
    sandbox.merge("salesforce", "Lead", b, a)
    sandbox.merge("salesforce", "Lead", c, b)
    contact = sandbox.convert(c)["contact"]
    sandbox.merge("salesforce", "Lead", end, dead)
    sandbox.delete("salesforce", "Lead", end)
    sandbox.salesforce.delete("Lead", gone)
    sandbox.salesforce.purge("Lead", gone)
    lives = connector.read("Lead", [a, b, c, dead, gone, "00Q5g00000ZZZZZAAA"], ["Status"])
    survivor = RecordRef("salesforce", "Contact", contact)
    assert [live.moved_to for live in lives] == [survivor, survivor, survivor, None, None, None]
    assert [live.exists for live in lives] == [False] * 6
    assert lives[0].ref.id == a


def test_a_field_that_is_not_there_is_named(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    with pytest.raises(NotOffered) as caught:
        connector.read("Lead", [lead(sandbox)], ["Status", "Nope__c"])
    assert caught.value.what == "Lead.Nope__c"


def test_a_read_costs_three_calls_for_a_full_batch(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    refs = [lead(sandbox, LastName=str(n)) for n in range(200)]
    connector.read("Lead", refs[:1], ["Status"])
    before = connector.calls
    lives = connector.read("Lead", refs, ["Status", "OwnerId"])
    assert [live.ref.id for live in lives] == refs
    assert connector.calls - before == 3
    with pytest.raises(Fatal):
        connector.read("Lead", [*refs, "00Q5g00000ZZZZZAAA"], ["Status"])
    assert connector.read("Lead", [], ["Status"]) == []


# One-off look-ups


def test_an_id_that_cannot_be_one_is_absent_and_no_obstacle(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    record = sandbox.create("salesforce", "Lead", {"LastName": "L", "Company": "Acme"})
    page = connector.fetch("Lead", [record, "9" * 30])
    assert [person.id for person in page.people] == [record]
    assert [(stone.id, stone.reason) for stone in page.tombstones] == [("9" * 30, "absent")]
    assert [stone.id for stone in connector.fetch("Lead", ["x"]).tombstones] == ["x"]


def test_fetch_brings_rows_tombstones_and_the_absent(
    connector: SalesforceConnector, sandbox: Sandbox
) -> None:
    kept, loser, gone = (lead(sandbox, LastName=str(n)) for n in range(3))
    sandbox.merge("salesforce", "Lead", kept, loser)
    sandbox.salesforce.purge("Lead", gone)
    page = connector.fetch("Lead", [kept[:15], loser, gone, kept])
    assert [person.id for person in page.people] == [kept]
    assert {stone.id: (stone.reason, stone.to_id) for stone in page.tombstones} == {
        loser: (GoneReason.MERGED, kept),
        gone: (GoneReason.ABSENT, None),
    }
    assert page.seen == 1
    with pytest.raises(NotOffered):
        connector.fetch("Nonsense__c", [kept])


def test_find_looks_at_living_leads_and_contacts(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    alive, dead, converted = lead(sandbox), lead(sandbox), lead(sandbox, Email="Ann@Acme.com")
    sandbox.delete("salesforce", "Lead", dead)
    contact = sandbox.convert(converted)["contact"]
    lead(sandbox, Email="bann@acme.com")
    assert {ref.id for ref in connector.find(" ANN@acme.com")} == {alive, contact}


def test_what_is_offered(connector: SalesforceConnector) -> None:
    status = connector.offered("Lead", "Status")
    assert status.writable
    assert "MQL" in (status.values or ())
    assert "Closed - Converted" not in (status.values or ())  # only a conversion sets it
    assert connector.offered("Lead", "OwnerId").values is None
    assert not connector.offered("Lead", "IsConverted").writable
    assert not connector.offered("Lead", "Nope__c").exists
    assert not connector.offered("Nope__c", "Status").exists


def test_asking_again_what_is_offered_costs_nothing_for_an_hour(
    connector: SalesforceConnector, world: SimulatedWorld
) -> None:
    connector.offered("Lead", "Status")
    before = connector.calls
    connector.offered("Lead", "Status")
    assert connector.calls == before
    world.advance(3700)
    connector.offered("Lead", "Status")
    assert connector.calls > before


def test_the_quota_as_last_heard(connector: SalesforceConnector) -> None:
    limits = connector.limits()
    assert limits.limit == 100_000
    assert 0 < (limits.used or 0) <= connector.calls


def test_the_connector_shows_no_secret(connector: SalesforceConnector, sandbox: Sandbox) -> None:
    secret = sandbox.credentials["salesforce"]["client_secret"]
    assert secret not in repr(connector)
    assert sandbox.salesforce_url in repr(connector)


def test_values_per_record_type(sandbox: Sandbox, world: SimulatedWorld) -> None:
    values = {"SobjectType": "Lead", "DeveloperName": "Partner", "Name": "Partner", "IsActive": True}
    type_id = sandbox.create("salesforce", "RecordType", values, author="seed")
    connector = connect(sandbox, world)
    offered = connector.offered("Lead", "Status")
    assert set(offered.by_record_type) == {"Partner"}
    assert set(offered.by_record_type["Partner"]) <= set(offered.values or ())
    record_id = lead(sandbox, RecordTypeId=type_id)
    assert connector.read("Lead", [record_id], ["Status"])[0].record_type == "Partner"
    assert connector.fetch("Lead", [record_id]).people[0].record_type == "Partner"
    connector.close()


@pytest.mark.parametrize("told", [True, False])
def test_the_lead_process_of_a_record_type_may_not_be_told(
    sandbox: Sandbox, world: SimulatedWorld, told: bool
) -> None:
    """Then every value of the field counts as offered, and the server has the last word."""
    sandbox.create(
        "salesforce",
        "RecordType",
        {"Name": "P", "DeveloperName": "Partner", "SobjectType": "Lead", "IsActive": True},
    )
    sandbox.switches.sf_record_type_values["Lead.Partner.Status"] = ("New", "MQL")
    sandbox.switches.sf_status_by_record_type = told
    connector = connect(sandbox, world)
    found = connector.offered("Lead", "Status")
    assert "Qualified" in (found.values or ())
    assert dict(found.by_record_type) == ({"Partner": ("New", "MQL")} if told else {})
    connector.close()
