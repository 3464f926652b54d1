"""What values do when they are written: history, stages, options, owners, stamps, merges, erasure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox
from tests.unit.sandbox_hubspot.conftest import Api

CONTACTS = "/crm/v3/objects/contacts"


def value(api: Api, record_id: str, name: str) -> str | None:
    shown: dict[str, str | None] = api.get(f"{CONTACTS}/{record_id}", properties=name)["properties"]
    return shown[name]


def history(api: Api, record_id: str, name: str) -> list[dict[str, Any]]:
    answer = api.get(f"{CONTACTS}/{record_id}", propertiesWithHistory=name)
    versions: list[dict[str, Any]] = answer["propertiesWithHistory"][name]
    return versions


# -- history -----------------------------------------------------------------------------------------------


def test_history_says_who_wrote_what_newest_first(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    made = half.create("contacts", {"hs_lead_status": "NEW"})
    sandbox.advance(10)
    api.patch(f"{CONTACTS}/{made}", {"hs_lead_status": "OPEN"})
    sandbox.advance(10)
    sandbox.edit("hubspot", "contacts", made, {"hs_lead_status": "CONNECTED"}, actor="77")
    sandbox.advance(10)
    sandbox.edit("hubspot", "contacts", made, {"hs_lead_status": ""}, author="automation")
    versions = history(api, made, "hs_lead_status")
    assert [version["value"] for version in versions] == ["", "CONNECTED", "OPEN", "NEW"]
    types = [version["sourceType"] for version in versions]
    assert types == ["AUTOMATION_PLATFORM", "CRM_UI", "INTEGRATION", "IMPORT"]
    assert versions[1] | {"sourceId": "userId:77", "updatedByUserId": 77} == versions[1]
    assert versions[2]["sourceId"] == "1100042"
    stamps = [version["timestamp"] for version in versions]
    assert stamps == sorted(stamps, reverse=True)


@pytest.mark.parametrize("source", ["INTEGRATION", "API"])
def test_the_type_of_our_own_writes_is_a_switch(
    api: Api, half: HubSpot, sandbox: Sandbox, source: str
) -> None:
    sandbox.switches.hs_write_source = source
    made = half.create("contacts", {})
    api.patch(f"{CONTACTS}/{made}", {"city": "Rome"})
    assert history(api, made, "city")[0]["sourceType"] == source


@pytest.mark.parametrize(("switch", "versions"), [(False, 1), (True, 2)])
def test_the_same_value_again(api: Api, half: HubSpot, sandbox: Sandbox, switch: bool, versions: int) -> None:
    sandbox.switches.hs_same_value_version = sandbox.switches.hs_same_value_touches = switch
    made = half.create("contacts", {"city": "Rome"})
    before = api.get(f"{CONTACTS}/{made}")["updatedAt"]
    sandbox.advance(10)
    api.patch(f"{CONTACTS}/{made}", {"city": "Rome"})
    assert len(history(api, made, "city")) == versions
    assert (api.get(f"{CONTACTS}/{made}")["updatedAt"] > before) is switch
    assert sandbox.ledger.entries() == []


def test_history_is_cut_off(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    sandbox.switches.hs_history_length = 3
    made = half.create("contacts", {})
    for number in range(5):
        half.edit("contacts", made, {"city": str(number)})
    assert [version["value"] for version in history(api, made, "city")] == ["4", "3", "2"]


# -- lifecycle ---------------------------------------------------------------------------------------------


def test_lifecycle_never_moves_backwards_by_api(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    made = half.create("contacts", {"lifecyclestage": "customer"})
    before = api.get(f"{CONTACTS}/{made}")["updatedAt"]
    sandbox.advance(5)
    answer = api.patch(f"{CONTACTS}/{made}", {"lifecyclestage": "lead"})
    assert (api.status, answer["properties"]["lifecyclestage"]) == (200, "customer")
    assert answer["updatedAt"] > before
    assert sandbox.ledger.entries() == []


def test_unless_it_is_cleared_first(api: Api, half: HubSpot) -> None:
    made = half.create("contacts", {"lifecyclestage": "customer"})
    assert api.patch(f"{CONTACTS}/{made}", {"lifecyclestage": ""})["properties"]["lifecyclestage"] is None
    api.patch(f"{CONTACTS}/{made}", {"lifecyclestage": "lead"})
    assert value(api, made, "lifecyclestage") == "lead"


def test_or_a_person_does_it_or_a_switch_says_so(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    made = half.create("contacts", {"lifecyclestage": "customer"})
    half.edit("contacts", made, {"lifecyclestage": "opportunity"})
    assert value(api, made, "lifecyclestage") == "opportunity"
    sandbox.switches.hs_lifecycle_forward_only = False
    api.patch(f"{CONTACTS}/{made}", {"lifecyclestage": "lead"})
    assert value(api, made, "lifecyclestage") == "lead"


# -- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("properties", "code"), [
    ({"hs_lead_status": "open"}, "INVALID_OPTION"),
    ({"lifecyclestage": "nobody"}, "INVALID_OPTION"),
    ({"no_such": "1"}, "PROPERTY_DOESNT_EXIST"),
    ({"hs_object_id": "1"}, "READ_ONLY_VALUE"),
    ({"hs_analytics_num_page_views": "1"}, "READ_ONLY_VALUE"),
    ({"mql_score": "many"}, "INVALID_INTEGER"),
    ({"email": "nobody"}, "INVALID_EMAIL"),
    ({"mql_date": "2026-01-02T03:00:00Z"}, "INVALID_DATE"),
    ({"mql_date": "soon"}, "INVALID_DATE"),
    ({"hubspot_owner_id": "12"}, "INVALID_OWNER_ID"),
])  # fmt: skip
def test_refused_values(
    api: Api, half: HubSpot, sandbox: Sandbox, properties: dict[str, str], code: str
) -> None:
    made = half.create("contacts", {})
    answer = api.patch(f"{CONTACTS}/{made}", properties)
    assert (api.status, answer["category"]) == (400, "VALIDATION_ERROR")
    start, _, listed = answer["message"].partition(": ")
    assert start == "Property values were not valid"
    (problem,) = json.loads(listed)
    assert (problem["error"], problem["name"], problem["isValid"]) == (code, next(iter(properties)), False)
    assert sandbox.ledger.entries() == []


@pytest.mark.parametrize(("name", "given", "stored"), [
    ("mql_date", "2026-01-02", "2026-01-02"),
    ("mql_date", 1767312000000, "2026-01-02"),
    ("recent_conversion_date", "2026-01-02T03:04:05.670Z", "2026-01-02T03:04:05.67Z"),
    ("recent_conversion_date", "1767323045000", "2026-01-02T03:04:05Z"),
    ("mql_score", 77.5, "77.5"),
    ("hs_email_optout", True, "true"),
    ("email", " Ada@X.Com ", "ada@x.com"),
    ("mql_reason", "  NULL, “NA”\n🙂 ", "  NULL, “NA”\n🙂 "),
    ("jobtitle", "", None),
])  # fmt: skip
def test_stored_values(api: Api, half: HubSpot, name: str, given: Any, stored: str | None) -> None:
    made = half.create("contacts", {"jobtitle": "x"})
    assert api.patch(f"{CONTACTS}/{made}", {name: given})["properties"][name] == stored
    assert value(api, made, name) == stored


def test_an_address_belongs_to_one_contact(api: Api, half: HubSpot) -> None:
    first, second = (
        half.create("contacts", {"email": "a@x.com"}),
        half.create("contacts", {"email": "b@x.com"}),
    )
    answer = api.patch(f"{CONTACTS}/{second}", {"email": "A@x.com"})
    assert (api.status, answer["category"]) == (409, "CONFLICT")
    assert answer["message"] == f"Contact already exists. Existing ID: {first}"
    api.patch(f"{CONTACTS}/{first}", {"email": "c@x.com"})
    api.patch(f"{CONTACTS}/{second}", {"email": "a@x.com"})
    assert api.status == 200


def test_owners_are_owner_ids_not_user_ids(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    rep = half.owners.add("rep@x.com", "R", "")
    left = half.owners.add("left@x.com", "L", "", active=False)
    made = half.create("contacts", {})
    api.patch(f"{CONTACTS}/{made}", {"hubspot_owner_id": half.owners.user_of(rep)})
    assert api.status == 400
    for owner in (rep, left, ""):
        api.patch(f"{CONTACTS}/{made}", {"hubspot_owner_id": owner})
        assert api.status == 200
    sandbox.switches.hs_archived_owner_accepted = False
    api.patch(f"{CONTACTS}/{made}", {"hubspot_owner_id": left})
    assert api.status == 400


def test_a_property_that_the_portal_lacks(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    made = half.create("contacts", {"mql_score": "1"})
    sandbox.switches.hs_missing_properties = {"contacts.mql_score"}
    assert "mql_score" not in api.get(f"{CONTACTS}/{made}", properties="mql_score")["properties"]
    assert "PROPERTY_DOESNT_EXIST" in api.patch(f"{CONTACTS}/{made}", {"mql_score": "2"})["message"]
    api.get("/crm/v3/properties/contacts/mql_score")
    assert api.status == 404


# -- stamps ------------------------------------------------------------------------------------------------


def test_calculated_properties_and_associations_move_no_timestamp(
    api: Api, half: HubSpot, sandbox: Sandbox
) -> None:
    contact, company = half.create("contacts", {"email": "a@x.com"}), half.create("companies", {"name": "X"})
    before = api.get(f"{CONTACTS}/{contact}")["updatedAt"]
    sandbox.advance(60)
    half.feeds.add_visit(contact, sandbox.clock(), "https://x.com/pricing", "Pricing")
    half.associate("contacts", contact, "companies", company)
    names = "hs_analytics_num_page_views,associatedcompanyid,hs_email_domain"
    shown = api.get(f"{CONTACTS}/{contact}", properties=names)
    computed = [shown["properties"][name] for name in names.split(",")]
    assert computed == ["1", company, "x.com"]
    assert shown["updatedAt"] == before


def test_the_ledger_tells_every_change(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    made = half.create("contacts", {"city": "Rome"})
    api.patch(f"{CONTACTS}/{made}", {"city": "Oslo"})
    sandbox.edit("hubspot", "contacts", made, {"city": "Bonn"})
    told = [(e.field, e.before, e.after, e.author) for e in sandbox.ledger.entries(record_id=made)]
    assert told == [("city", "Rome", "Oslo", "worker"), ("city", "Oslo", "Bonn", "person")]
    assert sandbox.ledger.entries(author="worker")[0].request == sandbox.requests[-1].n


# -- merge, erasure ----------------------------------------------------------------------------------------


def test_merge_makes_a_new_record_that_both_ids_lead_to(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    first = half.create("contacts", {"email": "a@x.com", "city": "Rome", "lifecyclestage": "lead"})
    second = half.create("contacts", {"email": "b@x.com", "phone": "1", "lifecyclestage": "customer"})
    company = half.create("companies", {"name": "X"})
    half.associate("contacts", second, "companies", company)
    half.feeds.add_visit(second, sandbox.clock(), "https://x.com/", "X")
    half.edit("contacts", first, {"city": "Oslo"})
    sandbox.advance(1)
    answer = api.post(f"{CONTACTS}/merge", {"primaryObjectId": first, "objectIdToMerge": second})
    survivor = answer["id"]
    assert survivor not in (first, second)
    names = "email,hs_additional_emails,city,phone,lifecyclestage,hs_merged_object_ids,associatedcompanyid"
    shown = [api.get(f"{CONTACTS}/{one}", properties=names) for one in (first, second, survivor)]
    assert shown[0] == shown[1] == shown[2]
    properties = shown[0]["properties"]
    assert [properties[name] for name in names.split(",")] == [
        "a@x.com", "b@x.com", "Oslo", "1", "customer", f"{first};{second}", company,
    ]  # fmt: skip
    assert [version["value"] for version in history(api, survivor, "city")] == ["Oslo", "Rome"]
    assert [record["id"] for record in api.get(CONTACTS)["results"]] == [survivor]
    assert api.get(CONTACTS, archived="true")["results"] == []
    events = api.get("/events/v3/events", objectType="contact", objectId=survivor)["results"]
    assert [event["objectId"] for event in events] == [survivor]
    api.patch(f"{CONTACTS}/{second}", {"city": "Bonn"})
    assert value(api, survivor, "city") == "Bonn"
    assert api.get(f"{CONTACTS}/b@x.com", idProperty="email")["id"] == survivor
    assert api.post(CONTACTS, {"properties": {"email": "b@x.com"}})["category"] == "CONFLICT"


def test_or_the_primary_survives(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    sandbox.switches.hs_merge_new_id = False
    first, second = (
        half.create("contacts", {"email": "a@x.com"}),
        half.create("contacts", {"email": "b@x.com"}),
    )
    assert half.merge("contacts", first, second) == first
    assert value(api, second, "hs_merged_object_ids") == second
    assert value(api, second, "hs_additional_emails") == "b@x.com"
    assert value(api, first, "hs_calculated_merged_vids").startswith(f"{second}:")  # type: ignore[union-attr]


def test_gdpr_delete_leaves_nothing(api: Api, half: HubSpot, sandbox: Sandbox) -> None:
    made, kept = half.create("contacts", {"email": "a@x.com"}), half.create("contacts", {"email": "b@x.com"})
    form = half.forms.add("Demo")
    for contact, email in ((made, "a@x.com"), (kept, "b@x.com")):
        half.feeds.add_visit(contact, sandbox.clock(), "https://x.com/", "X")
        half.feeds.add_submission(form, sandbox.clock(), email, {})
        half.feeds.add_email_event("OPEN", sandbox.clock(), email, 7)
    api.post(f"{CONTACTS}/gdpr-delete", {"objectId": "a@x.com", "idProperty": "email"})
    assert api.status == 204
    assert [record["id"] for record in api.get(CONTACTS)["results"]] == [kept]
    assert api.get(CONTACTS, archived="true")["results"] == []
    assert half.feeds.counts() == {"form_submissions": 1, "email_events": 1, "web_events": 1}
    api.get(f"{CONTACTS}/{made}", archived="true")
    assert api.status == 404
    assert [entry.field for entry in sandbox.ledger.entries()] == ["#erased"]
