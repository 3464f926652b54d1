"""Every record endpoint that the worker uses, through the official client with its own validation on."""

from __future__ import annotations

import importlib
from typing import Any

import hubspot
import pytest

from connectors.sandbox.hubspot import HubSpot
from connectors.sandbox.sandbox import Sandbox

KINDS = {
    "contacts": {"email": "ada@example.com", "firstname": "Ada", "lifecyclestage": "lead"},
    "companies": {"name": "Kettlewright", "domain": "kettlewright.com"},
    "deals": {"dealname": "Big one", "dealstage": "closedwon", "amount": "100"},
    "calls": {"hs_call_title": "Hello", "hs_timestamp": "2026-01-02T03:04:05.120Z"},
    "emails": {"hs_email_subject": "Re:", "hs_email_direction": "INCOMING_EMAIL"},
    "meetings": {"hs_meeting_title": "Demo", "hs_meeting_outcome": "COMPLETED"},
    "communications": {"hs_communication_channel_type": "SMS"},
    "notes": {"hs_note_body": "-"},
    "tasks": {"hs_task_subject": "Call back"},
}


def room(official: hubspot.Client, kind: str) -> Any:
    """The part of the client for one kind of record."""
    crm = official.crm
    return getattr(crm, kind) if kind in ("contacts", "companies", "deals") else getattr(crm.objects, kind)


def models(kind: str) -> Any:
    name = (
        f"hubspot.crm.{kind}" if kind in ("contacts", "companies", "deals") else f"hubspot.crm.objects.{kind}"
    )
    return importlib.import_module(name)


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_client_really_validates() -> None:
    contacts = importlib.import_module("hubspot.crm.contacts")
    configuration = contacts.Configuration()
    configuration.client_side_validation = True
    with pytest.raises(ValueError, match="id"):
        contacts.SimplePublicObject(id=None, properties={}, local_vars_configuration=configuration)


def test_list_read_and_history(official: hubspot.Client, half: HubSpot, sandbox: Sandbox, kind: str) -> None:
    name = next(iter(KINDS[kind]))
    record_id = half.create(kind, KINDS[kind])
    page = room(official, kind).basic_api.get_page(limit=100, properties=list(KINDS[kind]))
    assert [record.id for record in page.results] == [record_id]
    assert page.results[0].properties[name] == KINDS[kind][name]
    assert page.paging is None
    listed = room(official, kind).basic_api.get_page(limit=50, properties_with_history=[name])
    versions = listed.results[0].properties_with_history[name]
    assert [version.value for version in versions] == [KINDS[kind][name]]
    assert versions[0].source_type == "IMPORT"
    one = room(official, kind).basic_api.get_by_id(record_id, properties=[name])
    assert one.properties["hs_object_id"] == record_id
    assert sandbox.ledger.entries() == []


def test_batch_read_with_and_without_history(official: hubspot.Client, half: HubSpot, kind: str) -> None:
    api, name = models(kind), next(iter(KINDS[kind]))
    known = half.create(kind, KINDS[kind])
    wanted = api.BatchReadInputSimplePublicObjectId(
        inputs=[api.SimplePublicObjectId(id=known), api.SimplePublicObjectId(id="999999999999")],
        properties=[name],
        properties_with_history=[name],
    )
    answer = room(official, kind).batch_api.read(wanted)
    assert [record.id for record in answer.results] == [known]
    assert answer.results[0].properties_with_history[name][0].value == KINDS[kind][name]
    assert answer.num_errors == 1
    assert answer.errors[0].context == {"ids": ["999999999999"]}


def test_batch_update_and_create_and_upsert(official: hubspot.Client, half: HubSpot, kind: str) -> None:
    api, name = models(kind), next(iter(KINDS[kind]))
    known = half.create(kind, KINDS[kind])
    change = api.SimplePublicObjectBatchInput(id=known, properties={name: "b@example.com"})
    answer = room(official, kind).batch_api.update(
        api.BatchInputSimplePublicObjectBatchInput(inputs=[change])
    )
    assert answer.status == "COMPLETE"
    assert answer.results[0].properties[name] == "b@example.com"
    fresh = api.SimplePublicObjectBatchInputForCreate(properties={name: "c@example.com"}, associations=[])
    made = room(official, kind).batch_api.create(
        api.BatchInputSimplePublicObjectBatchInputForCreate(inputs=[fresh])
    )
    assert made.results[0].properties[name] == "c@example.com"
    again = api.SimplePublicObjectBatchInputUpsert(
        id=known, id_property="hs_object_id", properties={name: "d@example.com"}
    )
    done = room(official, kind).batch_api.upsert(
        api.BatchInputSimplePublicObjectBatchInputUpsert(inputs=[again])
    )
    assert done.results[0].new is False


def test_search(official: hubspot.Client, half: HubSpot, kind: str) -> None:
    api, name = models(kind), next(iter(KINDS[kind]))
    first = half.create(kind, KINDS[kind])
    half.create(kind, {})
    stamp = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
    filters = [
        api.Filter(property_name=stamp, operator="GTE", value="1000"),
        api.Filter(property_name="hs_object_id", operator="LTE", value=first),
    ]
    wanted = api.PublicObjectSearchRequest(
        limit=200, sorts=["hs_object_id"], properties=[name], filter_groups=[api.FilterGroup(filters=filters)]
    )
    answer = room(official, kind).search_api.do_search(wanted)
    assert (answer.total, [record.id for record in answer.results]) == (1, [first])


def test_single_writes(official: hubspot.Client, half: HubSpot, kind: str) -> None:
    api, name = models(kind), next(iter(KINDS[kind]))
    basic = room(official, kind).basic_api
    made = basic.create(api.SimplePublicObjectInputForCreate(properties=KINDS[kind], associations=[]))
    assert made.properties[name] == KINDS[kind][name]
    changed = basic.update(made.id, api.SimplePublicObjectInput(properties={name: ""}))
    assert changed.properties[name] is None
    basic.archive(made.id)
    assert basic.get_page().results == []
    archived = basic.get_page(archived=True).results
    assert [(record.id, record.archived) for record in archived] == [(made.id, True)]
    assert archived[0].archived_at is not None


def test_get_all_follows_pages(official: hubspot.Client, half: HubSpot) -> None:
    made = [half.create("contacts", {"lastname": str(number)}) for number in range(101)]
    assert [record.id for record in official.crm.contacts.get_all()] == made


def test_merge_and_purge(official: hubspot.Client, half: HubSpot) -> None:
    api = models("contacts")
    one, two = half.create("contacts", {"email": "a@x.com"}), half.create("contacts", {"email": "b@x.com"})
    basic = official.crm.contacts.basic_api
    merged = basic.merge(api.PublicMergeInput(primary_object_id=one, object_id_to_merge=two))
    assert merged.id not in (one, two)
    assert basic.get_by_id(two).id == basic.get_by_id(one).id == merged.id
    basic.purge(api.PublicGdprDeleteInput(object_id=merged.id))
    with pytest.raises(api.ApiException, match="404"):
        basic.get_by_id(merged.id)
