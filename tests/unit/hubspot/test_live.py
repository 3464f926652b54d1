"""Reading before and after a write: values, versions, authors, and what became of a record."""

from __future__ import annotations

import json
from typing import Any

import pytest
import responses

from connectors.errors import BrokenReply, Fatal
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.live import LiveReader
from connectors.records import Author, Live, OutcomeKind, RecordRef, Write
from connectors.sandbox.sandbox import Sandbox
from tests.unit.hubspot.made import API, account, on_sandbox
from tests.world import SimulatedWorld

STATUS = "hs_lead_status"
OWNER = "hubspot_owner_id"
READ = f"{API}/crm/v3/objects/contacts/batch/read"


@pytest.fixture(params=["v3", "2026-03"])
def connector(request: pytest.FixtureRequest, sandbox: Sandbox, world: SimulatedWorld) -> HubSpotConnector:
    return on_sandbox(sandbox, world, api_version=request.param)


def contact(sandbox: Sandbox, number: int = 0, **values: str) -> str:
    return sandbox.create("hubspot", "contacts", {"email": f"v{number}@example.com", **values})


def one(connector: HubSpotConnector, record: str, *fields: str) -> Live:
    return connector.read("contacts", [record], fields)[0]


def test_every_version_has_its_author(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    record = contact(sandbox)
    for author, value in (("person", "NEW"), ("automation", "OPEN")):
        world.advance(60)
        sandbox.edit("hubspot", "contacts", record, {STATUS: value}, author=author)
    world.advance(60)
    write = Write(RecordRef("hubspot", "contacts", record), {STATUS: "CONNECTED"}, "")
    assert connector.write([write])[0].kind is OutcomeKind.ACCEPTED
    live = one(connector, record, STATUS)
    assert live.values == {STATUS: "CONNECTED"}
    versions = live.versions[STATUS]
    assert [(v.value, v.author) for v in versions] == [
        ("CONNECTED", Author.AUTOMATION),
        ("OPEN", Author.AUTOMATION),
        ("NEW", Author.PERSON),
    ]
    assert versions[0].source.split(":")[0] in ("API", "INTEGRATION")
    assert versions[0].source.split(":")[1]
    assert versions[2].source.startswith("CRM_UI:userId:")
    assert [v.at_ms for v in versions] == sorted((v.at_ms for v in versions), reverse=True)
    assert live.has_history == {STATUS: True}
    assert live.modified_ms == versions[0].at_ms
    assert live.version


def test_an_empty_field_without_history(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    live = one(connector, contact(sandbox), STATUS, "city")
    assert live.values == {STATUS: None, "city": None}
    assert live.versions == {STATUS: (), "city": ()}
    assert live.has_history == {STATUS: True, "city": True}


def test_owners_are_looked_up_with_their_state(
    connector: HubSpotConnector, sandbox: Sandbox, world: SimulatedWorld
) -> None:
    owners = sandbox.hubspot.owners
    active = owners.add("o0@example.com", "Rep", "One")
    left = owners.add("o1@example.com", "Rep", "Two", active=False)
    nobody, held, orphan = (contact(sandbox, n) for n in range(3))
    sandbox.edit("hubspot", "contacts", held, {OWNER: active})
    sandbox.edit("hubspot", "contacts", orphan, {OWNER: left})
    lives = connector.read("contacts", [nobody, held, orphan], [OWNER])
    assert [(live.owner_id, live.owner_kind, live.owner_active) for live in lives] == [
        (None, "", None),
        (active, "person", True),
        (left, "person", False),
    ]
    before = connector.calls
    one(connector, held, OWNER)
    assert connector.calls == before + 1  # owners are remembered for some minutes
    assert one(connector, held, STATUS).owner_id == active


def test_owners_that_may_not_be_read_are_unknown(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    sandbox.switches.hs_missing_scopes = {"crm.objects.owners.read"}
    assert one(connector, contact(sandbox), OWNER).owner_active is None


@pytest.mark.parametrize("how", ["207", "200"])
def test_what_became_of_missing_records(connector: HubSpotConnector, sandbox: Sandbox, how: str) -> None:
    sandbox.switches.hs_missing_in_batch = how
    alive, archived, winner, loser = (contact(sandbox, n) for n in range(4))
    sandbox.archive("hubspot", "contacts", archived)
    survivor = RecordRef("hubspot", "contacts", sandbox.merge("hubspot", "contacts", winner, loser))
    asked = [loser, alive, archived, "999999999", winner]
    lives = connector.read("contacts", asked, [STATUS])
    assert [live.ref.id for live in lives] == asked
    assert [live.exists for live in lives] == [False, True, False, False, False]
    assert [live.moved_to for live in lives] == [survivor, None, None, None, survivor]


def test_no_more_than_fifty(connector: HubSpotConnector, sandbox: Sandbox) -> None:
    ids = [contact(sandbox, n) for n in range(50)]
    assert len(connector.read("contacts", ids, [STATUS])) == 50
    assert connector.read("contacts", [], [STATUS]) == []
    with pytest.raises(Fatal):
        connector.read("contacts", [*ids, "1"], [STATUS])


def version(value: str, source: str | None, source_id: str | None, user: object = None) -> dict[str, Any]:
    return {
        "value": value, "timestamp": f"2026-11-01T00:00:0{value}Z", "sourceType": source,
        "sourceId": source_id, "updatedByUserId": user,
    }  # fmt: skip


def read_versions(world: SimulatedWorld, versions: list[dict[str, Any]], **row: Any) -> Live:
    result = {
        "id": "1",
        "properties": {"lastmodifieddate": "2026-11-01T00:00:09Z", "city": "9", **row.pop("properties", {})},
        "propertiesWithHistory": {"city": versions},
        **row,
    }
    responses.post(READ, json={"results": [result]})
    return LiveReader(account(world), lambda: (), ("CRM_UI", "MOBILE_IOS")).read("contacts", ["1"], ["city"])[
        0
    ]


@responses.activate
def test_who_is_a_person(world: SimulatedWorld) -> None:
    live = read_versions(
        world,
        [
            version("1", "CRM_UI", "userId:5"),
            version("2", "MOBILE_IOS", None),
            version("3", "BATCH_UPDATE", "userId:5"),
            version("4", "IMPORT", "77", 5),
            version("5", "AUTOMATION_PLATFORM", "enrollmentId:5"),
            version("6", "API", "1234", 5),
            version("7", "INTEGRATION", "1234"),
            version("8", None, None, 0),
            version("9", "API", "userId:5"),
        ],
    )
    authors = {v.value: v.author for v in live.versions["city"]}
    assert {value for value, author in authors.items() if author is Author.PERSON} == {
        "1",
        "2",
        "3",
        "4",
        "9",
    }
    assert {value for value, author in authors.items() if author is Author.AUTOMATION} == {"5", "6", "7", "8"}
    assert {v.value: v.source for v in live.versions["city"]}["7"] == "INTEGRATION:1234"
    assert [v.value for v in live.versions["city"]] == list("987654321")


def good_row(record_id: str) -> dict[str, Any]:
    known = {"lastmodifieddate": "2026-11-01T00:00:09Z", "city": "here"}
    return {"id": record_id, "properties": known, "propertiesWithHistory": {"city": []}}


@responses.activate
def test_a_row_that_cannot_be_read_is_no_live_state_and_the_others_are(world: SimulatedWorld) -> None:
    responses.post(READ, json={"results": [{"id": "1", "properties": "none"}, None, good_row("2")]})
    single = responses.get(f"{READ.removesuffix('/batch/read')}/3", json=good_row("3"))
    responses.get(f"{READ.removesuffix('/batch/read')}/4", json=[4])
    asked = ["1", "2", "3", "4"]
    lives = LiveReader(account(world), lambda: (), ()).read("contacts", asked, ["city"])
    assert [live.ref.id for live in lives] == asked
    assert [live.exists for live in lives] == [True] * 4
    assert [dict(live.values) for live in lives] == [{}, {"city": "here"}, {"city": "here"}, {}]
    assert single.call_count == 1


@responses.activate
@pytest.mark.parametrize("rows", [[None], [1, 2], ["text", {}]])
def test_rows_of_which_none_is_a_record_are_no_reply(world: SimulatedWorld, rows: list[Any]) -> None:
    responses.post(READ, json={"results": rows})
    with pytest.raises(BrokenReply):
        LiveReader(account(world), lambda: (), ()).read("contacts", ["1", "2"], ["city"])


@responses.activate
def test_what_is_asked_for(world: SimulatedWorld) -> None:
    read_versions(world, [])
    sent = json.loads(responses.calls[0].request.body or "{}")
    assert sent["inputs"] == [{"id": "1"}]
    assert sent["propertiesWithHistory"] == ["city"]
    assert {"city", "lastmodifieddate", "createdate", "hubspot_owner_id"} == set(sent["properties"])


@responses.activate
def test_history_alone_has_the_value_too(world: SimulatedWorld) -> None:
    history = [version("1", "API", "1"), version("2", "API", "1")]
    known = {"lastmodifieddate": "2026-11-01T00:00:09Z"}
    row = {"id": "1", "properties": known, "propertiesWithHistory": {"city": history}}
    responses.post(READ, json={"results": [row]})
    live = LiveReader(account(world), lambda: (), ()).read("contacts", ["1"], ["city"])[0]
    assert live.values == {"city": "2"}


@responses.activate
def test_a_record_without_a_modification_time_does_not_hold_up_its_batch(world: SimulatedWorld) -> None:
    history = [version("1", "CRM_UI", "userId:5"), version("2", "CRM_UI", "userId:5")]
    known = {"lastmodifieddate": "2026-11-01T00:00:09Z", "city": "here"}
    rows = [
        {"id": "1", "properties": {"city": "2"}, "propertiesWithHistory": {"city": history}},
        {"id": "2", "properties": known, "propertiesWithHistory": {"city": []}},
    ]
    responses.post(READ, json={"results": rows})
    odd, good = LiveReader(account(world), lambda: (), ("CRM_UI",)).read("contacts", ["1", "2"], ["city"])
    assert (odd.exists, odd.version, odd.modified_ms) == (
        True,
        "",
        max(v.at_ms for v in odd.versions["city"]),
    )
    assert good.values == {"city": "here"}
